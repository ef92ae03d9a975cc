//! Signatures are checked when asked for, and each service says in its own words that one is wrong.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningParams, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_async::time::StaticTimeSource;
use switchback::dev::{DevCloud, DevOptions};

use super::super::support::code;

pub(super) fn with_key(config: &SdkConfig, key: &str, secret: &str) -> SdkConfig {
    let credentials = Credentials::new(key, secret, None, None, "a test");
    let config = config.clone().into_builder().retry_config(RetryConfig::disabled());
    config.credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

async fn checking() -> DevCloud {
    DevCloud::in_process(DevOptions { check_signatures: true, ..DevOptions::default() }).await.unwrap()
}

/// The code with which each service answers a read, by name.
async fn codes(config: &SdkConfig) -> [(&'static str, String); 7] {
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(config);
    let route53 = aws_sdk_route53::Client::new(config);
    let asg = aws_sdk_autoscaling::Client::new(config);
    let cloudwatch = aws_sdk_cloudwatch::Client::new(config);
    let route53_path = route53.list_resource_record_sets().hosted_zone_id("Z 1/2").send().await;
    [
        ("ec2", code(aws_sdk_ec2::Client::new(config).describe_vpcs().send().await)),
        ("elbv2", code(elb.describe_load_balancers().names("a b+c").send().await)),
        ("route53", code(route53.list_hosted_zones().max_items(5).send().await)),
        ("a path that is encoded", code(route53_path)),
        ("autoscaling", code(asg.describe_auto_scaling_groups().send().await)),
        ("cloudwatch", code(cloudwatch.describe_alarms().send().await)),
        ("sts", code(aws_sdk_sts::Client::new(config).get_caller_identity().send().await)),
    ]
}

#[tokio::test(start_paused = true)]
async fn what_the_sdk_signs_is_accepted() {
    let cloud = checking().await;
    let said = codes(&cloud.sdk_config("eu-west-1")).await;
    let expected = ["not refused", "LoadBalancerNotFound", "not refused", "NoSuchHostedZone"];
    assert_eq!(said.clone().map(|(_, code)| code)[..4], expected, "{said:?}");
    let fits = |code: &str| !["SignatureDoesNotMatch", "InvalidClientTokenId", "IncompleteSignature"].contains(&code);
    assert!(said[4..].iter().all(|(_, code)| fits(code)), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_and_an_unknown_key_are_refused_in_each_services_words() {
    let cloud = checking().await;
    let config = cloud.sdk_config("eu-west-1");
    for (service, code) in codes(&with_key(&config, "DEVCLOUD", "wrong")).await {
        let expected = if service == "ec2" { "AuthFailure" } else { "SignatureDoesNotMatch" };
        assert_eq!(code, expected, "{service}");
    }
    for (service, code) in codes(&with_key(&config, "AKIAIOSFODNN7EXAMPLE", "dev-cloud")).await {
        let expected = if service == "ec2" { "AuthFailure" } else { "InvalidClientTokenId" };
        assert_eq!(code, expected, "{service}");
    }
    let by_account = with_key(&config, "111111111111", "dev-cloud");
    let caller = aws_sdk_sts::Client::new(&by_account).get_caller_identity().send().await.unwrap();
    assert_eq!(caller.account(), Some("111111111111"));
}

#[tokio::test(start_paused = true)]
async fn signatures_count_for_a_quarter_of_an_hour() {
    let cloud = checking().await;
    let now = SystemTime::from(cloud.clock().now());
    let at = |time: SystemTime| {
        let config = cloud.sdk_config("eu-west-1").into_builder().retry_config(RetryConfig::disabled());
        config.time_source(StaticTimeSource::new(time)).build()
    };
    let minutes = |n: u64| Duration::from_secs(60 * n);
    for fits in [at(now - minutes(14)), at(now + minutes(14))] {
        assert!(aws_sdk_ec2::Client::new(&fits).describe_vpcs().send().await.is_ok());
    }
    for unfit in [at(now - minutes(16)), at(now + minutes(16))] {
        assert_eq!(code(aws_sdk_ec2::Client::new(&unfit).describe_vpcs().send().await), "RequestExpired");
        let refused = aws_sdk_sts::Client::new(&unfit).get_caller_identity().send().await;
        assert_eq!(code(refused), "SignatureDoesNotMatch");
    }
}

/// A request to a real socket; what a test changes of it after it was signed is what it is about.
struct Raw {
    cloud: DevCloud,
    http: reqwest::Client,
}

impl Raw {
    async fn start() -> Self {
        let cloud = DevCloud::start(DevOptions { check_signatures: true, ..DevOptions::default() }).await.unwrap();
        Self { cloud, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// Signs `GET /?query` in the query string, as a presigned URL.
    fn presigned(&self, query: &str, secret: &str, expires: Duration) -> String {
        let url = format!("{}/?{query}", self.cloud.url());
        let identity = Credentials::new("DEVCLOUD", secret, None, None, "a test").into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(expires);
        let params = v4::SigningParams::builder().identity(&identity).region("eu-west-1").name("sts");
        let params = params.time(self.cloud.clock().now().into()).settings(settings).build().unwrap();
        let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(b"")).unwrap();
        let (instructions, _) = sign(request, &SigningParams::V4(params)).unwrap().into_parts();
        let mut request = http::Request::get(&url).body(()).unwrap();
        instructions.apply_to_request_http1x(&mut request);
        request.uri().to_string()
    }

    async fn get(&self, url: &str) -> (u16, String) {
        let answer = self.http.get(url).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

#[tokio::test]
async fn a_presigned_request_is_accepted_and_no_other_with_its_signature() {
    let raw = Raw::start().await;
    let query = "Action=GetCallerIdentity&Version=2011-06-15";
    let url = raw.presigned(query, "dev-cloud", Duration::from_secs(60));
    let (status, body) = raw.get(&url).await;
    assert!(status == 200 && body.contains("<Account>000000000000</Account>"), "{status} {body}");
    for changed in [
        url.replace("Version=2011-06-15", "Version=2011-06-16"),
        url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"),
        raw.presigned(query, "wrong", Duration::from_secs(60)),
    ] {
        let (status, body) = raw.get(&changed).await;
        assert!(status == 403 && body.contains("SignatureDoesNotMatch"), "{changed}: {status} {body}");
    }
    let past = raw.presigned(query, "dev-cloud", Duration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let (status, body) = raw.get(&past).await;
    assert!(status == 403 && body.contains("Signature expired"), "{status} {body}");
    raw.cloud.shutdown().await;
}

#[tokio::test]
async fn a_body_that_was_changed_on_the_way_is_refused() {
    let raw = Raw::start().await;
    let sent = |body: &'static str, hash_of: Option<&'static str>| {
        let url = format!("{}/", raw.cloud.url());
        let identity = Credentials::new("DEVCLOUD", "dev-cloud", None, None, "a test").into();
        let params = v4::SigningParams::builder().identity(&identity).region("eu-west-1").name("sts");
        let params = params.time(raw.cloud.clock().now().into()).settings(SigningSettings::default()).build().unwrap();
        let signed = SignableBody::Bytes(hash_of.unwrap_or(body).as_bytes());
        let headers = std::iter::once(("content-type", "application/x-www-form-urlencoded"));
        let request = SignableRequest::new("POST", &url, headers, signed).unwrap();
        let (instructions, _) = sign(request, &SigningParams::V4(params)).unwrap().into_parts();
        let mut request = http::Request::post(&url);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        let mut request = request.body(body).unwrap();
        instructions.apply_to_request_http1x(&mut request);
        raw.http.execute(request.try_into().unwrap())
    };
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    assert_eq!(sent(form, None).await.unwrap().status(), 200);
    let refused = sent(form, Some("Action=GetCallerIdentity&Version=2011-06-14")).await.unwrap();
    assert_eq!(refused.status(), 403);
    raw.cloud.shutdown().await;
}
