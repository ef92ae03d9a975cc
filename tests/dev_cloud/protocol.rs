//! The endpoint as a client without an SDK sees it: AWS's own errors for whatever cannot be, and never a 500.

use switchback::dev::DevCloud;

use super::support::options;

struct Raw {
    cloud: DevCloud,
    http: reqwest::Client,
}

impl Raw {
    async fn start() -> Self {
        let cloud = DevCloud::start(options()).await.unwrap();
        Self { cloud, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// Status and body of a POST, signed for `service` with a signature that nobody checks.
    async fn post(&self, service: &str, path: &str, body: impl Into<reqwest::Body>) -> (u16, String) {
        let credential =
            format!("AWS4-HMAC-SHA256 Credential=K/20260101/eu-west-1/{service}/aws4_request, Signature=0");
        let request = self.http.post(format!("{}{path}", self.cloud.url())).header("authorization", credential);
        let answer = request.body(body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn says(answer: &(u16, String), status: u16, code: &str) {
    let (got, body) = answer;
    assert!(*got == status && body.contains(&format!("<Code>{code}</Code>")), "expected {status} {code}: {got} {body}");
}

#[tokio::test]
async fn errors_have_the_envelope_of_their_service() {
    let raw = Raw::start().await;
    let elb = raw.post("elasticloadbalancing", "/", "Action=DescribeEverything&Version=2015-12-01").await;
    says(&elb, 400, "InvalidAction");
    assert!(
        elb.1.contains("<ErrorResponse xmlns=\"http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/\">"),
        "{elb:?}"
    );
    assert!(elb.1.contains("<Type>Sender</Type>") && elb.1.contains("<RequestId>"), "{elb:?}");
    let ec2 = raw.post("ec2", "/", "Action=StopEverything").await;
    says(&ec2, 400, "InvalidAction");
    assert!(ec2.1.contains("<Response><Errors><Error>") && ec2.1.contains("<RequestID>"), "{ec2:?}");
    let dns = raw.post("route53", "/2013-04-01/hostedzone", "<CreateHostedZoneRequest><Nam").await;
    says(&dns, 400, "InvalidInput");
    assert!(dns.1.contains("<ErrorResponse xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">"), "{dns:?}");
    raw.cloud.shutdown().await;
}

#[tokio::test]
async fn parameters_that_are_missing_unknown_or_wrong_are_named() {
    let raw = Raw::start().await;
    for (service, form, code, named) in [
        ("ec2", "Action=CreateVpc", "MissingParameter", "CidrBlock"),
        ("ec2", "Action=CreateVpc&CidrBlock=127.0.0.0%2F16&Hue=1", "UnknownParameter", "Hue"),
        ("ec2", "Action=RunInstances&MinCount=one&MaxCount=1", "InvalidParameterValue", "MinCount"),
        ("ec2", "Action=CreateVpc&CidrBlock=all", "InvalidParameterValue", "all"),
        ("elasticloadbalancing", "Action=DescribeTargetHealth", "ValidationError", "TargetGroupArn"),
        ("elasticloadbalancing", "Action=DescribeRules&PageSize=401&ListenerArn=x", "ListenerNotFound", "listeners"),
        ("elasticloadbalancing", "Action=DescribeLoadBalancers&PageSize=401", "ValidationError", "401"),
        ("elasticloadbalancing", "Action=ModifyRule&RuleArn=x&Hue.member.1.Type=y", "ValidationError", "Hue"),
        ("elasticloadbalancing", "Action=DescribeTags&ResourceArns=x", "ValidationError", "ResourceArns"),
        ("sts", "Action=GetCallerIdentity&Who=me", "ValidationError", "Who"),
    ] {
        let answer = raw.post(service, "/", form).await;
        says(&answer, 400, code);
        assert!(answer.1.contains(named), "{form}: {}", answer.1);
    }
    raw.cloud.shutdown().await;
}

#[tokio::test]
async fn a_dry_run_says_what_would_have_been_and_does_nothing() {
    let raw = Raw::start().await;
    let made = format!("Action=CreateVpc&CidrBlock={}&DryRun=true", raw.cloud.network().replace('/', "%2F"));
    says(&raw.post("ec2", "/", made).await, 412, "DryRunOperation");
    let ec2 = aws_sdk_ec2::Client::new(&raw.cloud.sdk_config("eu-west-1"));
    assert!(ec2.describe_vpcs().send().await.unwrap().vpcs().is_empty());
    raw.cloud.shutdown().await;
}

#[tokio::test]
async fn requests_that_are_no_requests_are_refused() {
    let raw = Raw::start().await;
    let unsigned = raw.http.post(raw.cloud.url()).body("Action=DescribeVpcs").send().await.unwrap();
    says(&(unsigned.status().as_u16(), unsigned.text().await.unwrap()), 403, "MissingAuthenticationToken");
    says(&raw.post("sqs", "/", "x").await, 400, "UnknownService");
    says(&raw.post("ec2", "/", "").await, 400, "MissingAction");
    says(&raw.post("ec2", "/", "Action=Describe%3CVpcs%3E").await, 400, "MissingAction");
    says(&raw.post("ec2", "/", "Action=DescribeVpcs&VpcId.1=a&VpcId.1=b").await, 400, "MalformedQueryString");
    says(&raw.post("ec2", "/", vec![b'a'; 2 * 1024 * 1024]).await, 413, "RequestEntityTooLarge");
    says(&raw.post("route53", "/2013-04-01/nothing", "").await, 404, "InvalidAction");
    says(&raw.post("route53", "/2013-04-01/hostedzone", vec![0xff, 0xfe]).await, 400, "InvalidInput");
    let deep = format!("<CreateHostedZoneRequest>{}", "<Name>".repeat(100_000));
    says(&raw.post("route53", "/2013-04-01/hostedzone", deep).await, 400, "InvalidInput");
    // Only what names an operation is counted.
    let counted: Vec<_> = raw.cloud.calls().into_keys().collect();
    assert_eq!(counted, ["route53:CreateHostedZone"]);
    raw.cloud.shutdown().await;
}

#[tokio::test]
async fn what_was_written_is_read_back_unchanged_even_if_it_looks_like_xml() {
    let raw = Raw::start().await;
    let ec2 = aws_sdk_ec2::Client::new(&raw.cloud.sdk_config("eu-west-1"));
    let value = "</value><value>&amp; \"quoted\" ä€𝄞 \t";
    let tag = aws_sdk_ec2::types::Tag::builder().key("k").value(value).build();
    let made = ec2.create_vpc().cidr_block(raw.cloud.network()).send().await.unwrap();
    ec2.create_tags().resources(made.vpc().unwrap().vpc_id().unwrap()).tags(tag).send().await.unwrap();
    let read = ec2.describe_vpcs().send().await.unwrap();
    assert_eq!(read.vpcs()[0].tags()[0].value(), Some(value));
    raw.cloud.shutdown().await;
}
