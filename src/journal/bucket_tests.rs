//! Where a bucket is looked for, and with whose credentials.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::Region;
use aws_credential_types::Credentials as Secret;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future::ProvideCredentials as Provided;
use aws_types::service_config::LoadServiceConfig;

use super::*;

fn sdk() -> aws_types::sdk_config::Builder {
    SdkConfig::builder()
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(Secret::for_tests()))
}

/// A configuration of S3 alone, as from `AWS_ENDPOINT_URL_S3`.
#[derive(Debug)]
struct ForS3;

impl LoadServiceConfig for ForS3 {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        (key.service_id() == "S3" && key.env() == "AWS_ENDPOINT_URL").then(|| "http://127.0.0.1:9000".into())
    }
}

#[test]
fn an_endpoint_of_s3_wins_over_the_one_of_all_services_and_over_none() {
    let endpoint = |sdk: aws_types::sdk_config::Builder, region| endpoint(&sdk.build(), region);
    assert_eq!(endpoint(sdk(), "eu-west-1"), None, "object_store knows it");
    let all = || sdk().endpoint_url("http://127.0.0.1:5000");
    assert_eq!(endpoint(all(), "eu-west-1").as_deref(), Some("http://127.0.0.1:5000"));
    assert_eq!(endpoint(all().service_config(ForS3), "eu-west-1").as_deref(), Some("http://127.0.0.1:9000"));
}

#[test]
fn other_partitions_fips_and_ipv6_have_hosts_of_their_own() {
    let endpoint = |sdk: aws_types::sdk_config::Builder, region| endpoint(&sdk.build(), region).unwrap_or_default();
    assert_eq!(endpoint(sdk(), "cn-north-1"), "https://s3.cn-north-1.amazonaws.com.cn");
    assert_eq!(endpoint(sdk().use_fips(true), "us-gov-west-1"), "https://s3-fips.us-gov-west-1.amazonaws.com");
    assert_eq!(
        endpoint(sdk().use_fips(true).use_dual_stack(true), "us-east-1"),
        "https://s3-fips.dualstack.us-east-1.amazonaws.com"
    );
}

#[test]
fn without_a_region_a_bucket_is_refused_with_what_to_do() {
    let error = open("acme-releases", &SdkConfig::builder().build()).unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains("acme-releases") && shown.contains("`region:`") && shown.contains("AWS_REGION"), "{shown}");
}

/// Credentials that end after so many seconds; from the third time on there are none.
#[derive(Debug)]
struct Short(u64, Arc<AtomicU32>);

impl ProvideCredentials for Short {
    fn provide_credentials<'a>(&'a self) -> Provided<'a>
    where
        Self: 'a,
    {
        let asked = self.1.fetch_add(1, Ordering::SeqCst);
        if asked >= 2 {
            return Provided::ready(Err(CredentialsError::not_loaded("the session is over")));
        }
        let ends = SystemTime::now() + Duration::from_secs(self.0);
        Provided::ready(Ok(Secret::new(format!("key-{asked}"), "secret", None, Some(ends), "test")))
    }
}

async fn ask_three_times(seconds: u64) -> (Vec<Option<String>>, u32) {
    let asked = Arc::new(AtomicU32::new(0));
    let provider = SharedCredentialsProvider::new(Short(seconds, Arc::clone(&asked)));
    let credentials = Credentials { provider, kept: Mutex::default() };
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(credentials.get_credential().await.ok().map(|found| found.key_id.clone()));
    }
    (keys, asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn credentials_are_kept_until_shortly_before_they_end_and_as_long_as_they_are_good() {
    let key = |n: u32| Some(format!("key-{n}"));
    assert_eq!(ask_three_times(3600).await, (vec![key(0), key(0), key(0)], 1));
    // About to end: asked for again each time; where there are no others, the old ones serve to their end.
    assert_eq!(ask_three_times(30).await, (vec![key(0), key(1), key(1)], 3));
    assert_eq!(ask_three_times(0).await, (vec![key(0), key(1), None], 3));
}
