//! Target groups and their health checks.

use super::Asked;

const CREATE: &str = "Action=CreateTargetGroup&Name=g&VpcId={vpc}&Port=80";

#[tokio::test]
async fn defaults_are_awss_for_each_protocol() {
    let asked = Asked::start().await;
    for (name, more, expected) in [
        ("http", "Protocol=HTTP", ["HTTP", "HTTP1", "HTTP", "traffic-port", "30", "5", "5", "2", "/", "200", ""]),
        ("https", "Protocol=HTTPS", ["HTTPS", "HTTP1", "HTTP", "traffic-port", "30", "5", "5", "2", "/", "200", ""]),
        (
            "grpc",
            "Protocol=HTTP&ProtocolVersion=GRPC",
            ["HTTP", "GRPC", "HTTP", "traffic-port", "30", "5", "5", "2", "/AWS.ALB/healthcheck", "", "12"],
        ),
        ("tcp", "Protocol=TCP", ["TCP", "", "TCP", "traffic-port", "30", "10", "5", "2", "", "", ""]),
        (
            "tls",
            "Protocol=TLS&HealthCheckProtocol=HTTP",
            ["TLS", "", "HTTP", "traffic-port", "30", "6", "5", "2", "/", "200-399", ""],
        ),
    ] {
        let told = asked.does(&format!("Action=CreateTargetGroup&Name={name}&VpcId={{vpc}}&Port=80&{more}")).await;
        let fields = [
            "Protocol",
            "ProtocolVersion",
            "HealthCheckProtocol",
            "HealthCheckPort",
            "HealthCheckIntervalSeconds",
            "HealthCheckTimeoutSeconds",
            "HealthyThresholdCount",
            "UnhealthyThresholdCount",
            "HealthCheckPath",
            "HttpCode",
            "GrpcCode",
        ];
        assert_eq!(fields.map(|field| told.first(field)), expected, "{name}");
        assert_eq!((told.first("TargetType"), told.first("HealthCheckEnabled")), ("instance".into(), "true".into()));
    }
    asked.end().await;
}

#[tokio::test]
async fn every_field_of_a_health_check_has_its_range() {
    let asked = Asked::start().await;
    for (more, said) in [
        ("HealthCheckIntervalSeconds=4", "Health check interval '4' must be between '5' and '300' inclusive"),
        ("HealthCheckIntervalSeconds=301", "Health check interval '301' must be between '5' and '300' inclusive"),
        ("HealthCheckTimeoutSeconds=1", "Health check timeout '1' must be between '2' and '120' inclusive"),
        ("HealthCheckTimeoutSeconds=121", "Health check timeout '121' must be between '2' and '120' inclusive"),
        ("HealthyThresholdCount=1", "Healthy threshold count '1' must be between '2' and '10' inclusive"),
        ("UnhealthyThresholdCount=11", "Unhealthy threshold count '11' must be between '2' and '10' inclusive"),
        ("HealthCheckPort=0", "Health check port '0' must be either 'traffic-port' or in the range of 1 to 65535"),
        (
            "HealthCheckPort=http",
            "Health check port 'http' must be either 'traffic-port' or in the range of 1 to 65535",
        ),
        (
            "HealthCheckPath=x",
            "Health check path 'x' must begin with '/', be a valid path and have at most 1024 characters",
        ),
        ("Matcher.HttpCode=199", "Health check matcher HTTP code '199' must be within '200-499' inclusive"),
        ("Matcher.HttpCode=200-500", "Health check matcher HTTP code '200-500' must be within '200-499' inclusive"),
        // The default time-out of 5 s is not below an interval of 5 s.
        ("HealthCheckIntervalSeconds=5", "Health check interval must be greater than the timeout."),
        (
            "HealthCheckIntervalSeconds=10&HealthCheckTimeoutSeconds=10",
            "Health check timeout '10' must be smaller than the interval '10'",
        ),
        (
            "Matcher.GrpcCode=12",
            "A health check matcher with HTTP codes must be specified for the protocol version 'HTTP1': '12' is another \
             kind",
        ),
    ] {
        asked.refuses(&format!("{CREATE}&Protocol=HTTP&{more}"), "ValidationError", said).await;
    }
    for (more, code, said) in [
        (
            "Protocol=HTTP&HealthCheckEnabled=false",
            "InvalidConfigurationRequest",
            "Health check enabled must be true for target groups with target type 'instance'",
        ),
        (
            "Protocol=HTTP&HealthCheckProtocol=TCP",
            "InvalidConfigurationRequest",
            "Health check protocol 'TCP' is not supported for target groups with the HTTP protocol",
        ),
        (
            "Protocol=TCP&Matcher.HttpCode=200",
            "InvalidConfigurationRequest",
            "Custom health check matchers are not supported for health checks for target groups with the TCP protocol",
        ),
        (
            "Protocol=HTTP&ProtocolVersion=GRPC&Matcher.GrpcCode=100",
            "ValidationError",
            "Health check matcher gRPC code '100' must be within '0-99' inclusive",
        ),
        (
            "Protocol=TCP&HealthCheckProtocol=HTTP&Matcher.HttpCode=600",
            "ValidationError",
            "Health check matcher HTTP code '600' must be within '200-599' inclusive",
        ),
        (
            "Protocol=TCP&HealthCheckIntervalSeconds=10&HealthCheckTimeoutSeconds=11",
            "ValidationError",
            "Health check timeout '11' must be smaller than or equal to the interval '10'",
        ),
        (
            "Protocol=UDP",
            "UnsupportedProtocol",
            "the dev cloud does not model the protocol 'UDP', only HTTP, HTTPS, TCP and TLS",
        ),
    ] {
        asked.refuses(&format!("{CREATE}&{more}"), code, said).await;
    }
    asked.does(&format!("{CREATE}&Protocol=TCP&HealthCheckIntervalSeconds=10&HealthCheckTimeoutSeconds=10")).await;
    asked.end().await;
}

#[tokio::test]
async fn what_a_group_is_made_of_must_be_there_and_what_is_not_modelled_is_named() {
    let asked = Asked::start().await;
    for (form, code, said) in [
        ("Name=g&Port=80&VpcId={vpc}", "ValidationError", "A protocol must be specified"),
        ("Name=g&Protocol=HTTP&VpcId={vpc}", "ValidationError", "A port must be specified"),
        ("Name=g&Protocol=HTTP&Port=80", "ValidationError", "A VPC ID must be specified"),
        ("Name=g&Protocol=HTTP&Port=80&VpcId=vpc-1", "ValidationError", "The VPC ID 'vpc-1' is not found"),
        (
            "Name=g&Protocol=HTTP&Port=80&VpcId={vpc}&TargetType=lambda",
            "InvalidConfigurationRequest",
            "the dev cloud does not model target groups with target type 'lambda', only 'instance' and 'ip'",
        ),
        (
            "Name=g&Protocol=TCP&Port=80&VpcId={vpc}&ProtocolVersion=HTTP2",
            "InvalidConfigurationRequest",
            "You cannot specify a protocol version for target groups with the TCP protocol",
        ),
        (
            "Name=a--b&Protocol=HTTP&Port=80&VpcId={vpc}",
            "ValidationError",
            "1 validation error detected: Value 'a--b' at 'targetGroup.targetGroupArn.targetGroupName' failed to satisfy \
             constraint: Member must satisfy regular expression pattern: (?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$",
        ),
        (
            "Name=g&Protocol=HTTP&Port=65536&VpcId={vpc}",
            "ValidationError",
            "1 validation error detected: Value '65536' at 'port' failed to satisfy constraint: Member must have value \
             between 1 and 65535",
        ),
    ] {
        asked.refuses(&format!("Action=CreateTargetGroup&{form}"), code, said).await;
    }
    asked.end().await;
}

#[tokio::test]
async fn a_change_touches_the_check_alone_and_a_duplicate_is_told_from_a_repetition() {
    let asked = Asked::start().await;
    let created = asked.does(&format!("{CREATE}&Protocol=HTTP")).await;
    let again = asked.does(&format!("{CREATE}&Protocol=HTTP")).await;
    assert_eq!(created.first("TargetGroupArn"), again.first("TargetGroupArn"));
    let said = "A target group with the same name 'g' exists, but with different settings";
    for other in ["Protocol=HTTPS", "Protocol=HTTP&HealthCheckPath=/other", "Protocol=HTTP&TargetType=ip"] {
        asked.refuses(&format!("{CREATE}&{other}"), "DuplicateTargetGroupName", said).await;
    }
    let modify = format!("Action=ModifyTargetGroup&TargetGroupArn={}", created.first("TargetGroupArn"));
    let changed =
        asked.does(&format!("{modify}&HealthCheckPath=/up&Matcher.HttpCode=200-204,301&HealthCheckPort=81")).await;
    let fields = ["HealthCheckPath", "HttpCode", "HealthCheckPort", "HealthCheckIntervalSeconds", "Port"];
    assert_eq!(fields.map(|field| changed.first(field)), ["/up", "200-204,301", "81", "30", "80"]);
    // Protocol, port, version and VPC are no parameters of it at all.
    for fixed in ["Port=81", "Protocol=HTTPS", "ProtocolVersion=HTTP2", "VpcId={vpc}", "TargetType=ip"] {
        asked.refuses_with(&format!("{modify}&{fixed}"), "ValidationError").await;
    }
    asked.refuses_with("Action=ModifyTargetGroup&TargetGroupArn=arn:x", "TargetGroupNotFound").await;
    asked.end().await;
}
