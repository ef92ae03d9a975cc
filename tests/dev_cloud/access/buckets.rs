//! Policies of S3, whose bucket stands in the path or in the host's name; and requests nobody signed.

use std::time::Duration;

use aws_config::Region;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningParams, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use serde_json::json;
use switchback::dev::access::Iam;
use switchback::dev::{DevCloud, DevOptions};

use super::super::support::options;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Signs `METHOD http://HOST:PORT/PATH` in its query string, and sends it to the dev cloud.
async fn signed(cloud: &DevCloud, method: &str, host: &str, path: &str) -> (u16, String) {
    let host = format!("{host}:{}", cloud.endpoint().port());
    let url = format!("http://{host}{path}");
    let identity = aws_sdk_ec2::config::Credentials::new(KEY, SECRET, None, None, "a test").into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.expires_in = Some(Duration::from_secs(60));
    let region = Region::from_static("eu-west-1");
    let params = v4::SigningParams::builder().identity(&identity).region(region.as_ref()).name("s3");
    let params = params.time(cloud.clock().now().into()).settings(settings).build().unwrap();
    let request = SignableRequest::new(method, &url, std::iter::empty(), SignableBody::UnsignedPayload).unwrap();
    let (instructions, _) = sign(request, &SigningParams::V4(params)).unwrap().into_parts();
    let mut request = http::Request::builder().method(method).uri(&url).body(()).unwrap();
    instructions.apply_to_request_http1x(&mut request);
    let target = request.uri().path_and_query().unwrap().as_str();
    ask(cloud, method, &host, target, None).await
}

async fn ask(cloud: &DevCloud, method: &str, host: &str, target: &str, authorization: Option<&str>) -> (u16, String) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.request(method.parse().unwrap(), format!("{}{target}", cloud.url())).header("host", host);
    let request = match authorization {
        Some(said) => request.header("authorization", said),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_bucket_in_the_name_of_the_host_is_the_one_that_policies_are_asked_about() {
    let statement = json!([
        { "Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::shop-a", "arn:aws:s3:::shop-a/*"] },
        // A key of one bucket must not pass for the name of another.
        { "Effect": "Allow", "Action": "s3:CreateBucket", "Resource": "arn:aws:s3:::shop-b" },
    ]);
    let policy = json!({ "Version": "2012-10-17", "Statement": statement });
    let user = json!({ "access-key": KEY, "secret-key": SECRET, "policies": [policy] });
    let file = json!({ "accounts": { "000000000000": { "users": { "deployer": user } } } });
    let iam = Some(Iam::parse(&file.to_string()).unwrap());
    let cloud = DevCloud::start(DevOptions { iam, ..options() }).await.unwrap();
    for bucket in ["shop-a", "shop-b"] {
        let (status, said) = signed(&cloud, "PUT", "localhost", &format!("/{bucket}")).await;
        // Outside us-east-1 a bucket must say where it is to be; what counts here is that it is not denied.
        assert!(status == 200 || said.contains("LocationConstraint"), "{status} {said}");
    }
    for (method, host, path, allowed) in [
        ("GET", "localhost", "/shop-a/key", true),
        ("GET", "localhost", "/shop-b/key", false),
        ("GET", "shop-a.localhost", "/key", true),
        ("GET", "shop-b.localhost", "/key", false),
        ("GET", "shop-b.s3.localhost", "/shop-a/key", false),
        ("PUT", "shop-b.s3.eu-west-1.amazonaws.com", "/shop-a/key", false),
        ("GET", "shop-a.localhost", "/shop-b/key", true),
        ("GET", "shop-a.localhost", "/?list-type=2", true),
        ("GET", "shop-b.localhost", "/?list-type=2", false),
        ("DELETE", "shop-b.localhost", "/shop-a", false),
    ] {
        let (status, said) = signed(&cloud, method, host, path).await;
        let denied = status == 403 && said.contains("<Code>AccessDenied</Code>");
        assert!(
            denied != allowed && (denied || status < 300 || status == 404),
            "{method} {host}{path}: {status} {said}"
        );
    }
    cloud.shutdown().await;
}

#[tokio::test]
async fn requests_that_nobody_signed_are_refused_in_the_words_of_s3() {
    let cloud = DevCloud::start(options()).await.unwrap();
    let second = "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=";
    for (host, target, authorization, status, code) in [
        ("localhost", "/shop/key", None, 403, "AccessDenied"),
        ("shop.s3.localhost", "/", None, 403, "AccessDenied"),
        ("localhost", "/shop/key", Some(second), 400, "InvalidRequest"),
        ("localhost", "/shop/key?AWSAccessKeyId=A&Expires=1&Signature=x", None, 400, "InvalidRequest"),
        ("localhost", "/2013-04-01/hostedzone", None, 403, "MissingAuthenticationToken"),
        ("localhost", "/?Action=DescribeVpcs&Version=2016-11-15", None, 403, "MissingAuthenticationToken"),
    ] {
        let (found, said) = ask(&cloud, "GET", host, target, authorization).await;
        let wrapped = said.contains("<ErrorResponse");
        assert!(found == status && said.contains(&format!("<Code>{code}</Code>")), "{host}{target}: {found} {said}");
        assert_eq!(wrapped, code == "MissingAuthenticationToken", "S3's errors have nothing around them: {said}");
    }
    cloud.shutdown().await;
}
