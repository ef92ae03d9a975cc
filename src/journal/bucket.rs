//! A bucket as an object store: region, endpoint and credentials from where the AWS SDK has them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_types::service_config::ServiceConfigKey;
use object_store::aws::{AmazonS3Builder, AwsCredential, S3ConditionalPut};
use object_store::{BackoffConfig, ClientOptions, CredentialProvider, ObjectStore, RetryConfig};
use tokio::sync::Mutex;

use super::JournalError;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Credentials that end sooner than this are asked for again.
const FRESH: Duration = Duration::from_secs(60);

/// The bucket called `name`, in the region of `sdk`.
///
/// object_store repeats nothing by itself here: its pauses are drawn from a source of randomness that no seed decides,
/// and it takes what it meets of its own first attempt for somebody else's. [`Place`](super::place::Place) repeats.
pub(super) fn open(name: &str, sdk: &SdkConfig) -> Result<Arc<dyn ObjectStore>, JournalError> {
    let unusable = |why: &str| JournalError::Bucket { bucket: name.into(), why: why.into() };
    let region = sdk.region().map(AsRef::as_ref).ok_or_else(|| {
        unusable("no region is known. Write `region:` into the environment file, or set AWS_REGION, and try again")
    })?;
    let provider = sdk.credentials_provider().ok_or_else(|| unusable("no source of AWS credentials is configured"))?;
    let endpoint = endpoint(sdk, region);
    let plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    // A name with dots fits no wildcard certificate, and an endpoint of one's own has no names of buckets.
    let in_the_host = endpoint.is_none() && !name.contains('.');
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(name)
        .with_region(region)
        .with_virtual_hosted_style_request(in_the_host)
        .with_credentials(Arc::new(Credentials { provider, kept: Mutex::default() }))
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(RetryConfig { max_retries: 0, retry_timeout: Duration::ZERO, backoff: BackoffConfig::default() })
        .with_client_options(ClientOptions::new().with_allow_http(plain).with_connect_timeout(CONNECT_TIMEOUT));
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    Ok(Arc::new(builder.build().map_err(|error| unusable(&error.to_string()))?))
}

/// Where S3 answers, where that is not what object_store takes by itself: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`
/// or what the profile says; else AWS's own hosts outside of its first partition, with FIPS, or with IPv6.
fn endpoint(sdk: &SdkConfig, region: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let of_service = || sdk.service_config()?.load_config(key.ok()?);
    let configured = match sdk.get_origin("endpoint_url").is_client_config() {
        true => sdk.endpoint_url().map(str::to_owned),
        false => of_service().or_else(|| sdk.endpoint_url().map(str::to_owned)),
    };
    if configured.is_some() {
        return configured;
    }
    let fips = if sdk.use_fips() == Some(true) { "-fips" } else { "" };
    let dual = if sdk.use_dual_stack() == Some(true) { ".dualstack" } else { "" };
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let usual = fips.is_empty() && dual.is_empty() && domain == "amazonaws.com";
    (!usual).then(|| format!("https://s3{fips}{dual}.{region}.{domain}"))
}

/// The SDK's credentials for object_store, asked for again shortly before they end.
#[derive(Debug)]
struct Credentials {
    provider: SharedCredentialsProvider,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    credential: Arc<AwsCredential>,
    ends: Option<SystemTime>,
}

impl Kept {
    /// Whether it can be used for at least `time` from now on.
    fn lasts(&self, time: Duration) -> bool {
        self.ends.is_none_or(|ends| ends > SystemTime::now() + time)
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        // Held while asking: of many requests at the same time, one asks.
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.lasts(FRESH)) {
            return Ok(Arc::clone(&kept.credential));
        }
        match self.provider.provide_credentials().await {
            Ok(found) => {
                let credential = Arc::new(AwsCredential {
                    key_id: found.access_key_id().into(),
                    secret_key: found.secret_access_key().into(),
                    token: found.session_token().map(str::to_owned),
                });
                *kept = Some(Kept { credential: Arc::clone(&credential), ends: found.expiry() });
                Ok(credential)
            }
            Err(error) => match kept.as_ref().filter(|kept| kept.lasts(Duration::ZERO)) {
                // What is kept is still good; whoever asks next tries again.
                Some(kept) => Ok(Arc::clone(&kept.credential)),
                None => {
                    Err(object_store::Error::Unauthenticated { path: "credentials".into(), source: Box::new(error) })
                }
            },
        }
    }
}

#[cfg(test)]
#[path = "bucket_tests.rs"]
mod tests;
