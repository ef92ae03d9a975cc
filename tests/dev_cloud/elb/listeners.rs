//! Listeners: protocols, certificates, and what network load balancers forward to.

use switchback::dev::seed::Seed;

use super::super::support::{empty, options};
use super::Asked;

const CERTIFICATE: &str = "arn:aws:acm:eu-west-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef";

fn listener(balancer: &str, protocol: &str, port: u16, more: &str) -> String {
    format!("Action=CreateListener&LoadBalancerArn={balancer}&Protocol={protocol}&Port={port}{more}")
}

fn forward(arn: &str) -> String {
    format!("&DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={arn}")
}

/// Weighted groups as a default action.
fn weights(groups: &[(&str, u32)]) -> String {
    let config = "&DefaultActions.member.1.ForwardConfig.TargetGroups.member";
    let tuples = groups
        .iter()
        .zip(1..)
        .map(|((arn, weight), n)| format!("{config}.{n}.TargetGroupArn={arn}{config}.{n}.Weight={weight}"));
    format!("&DefaultActions.member.1.Type=forward{}", tuples.collect::<String>())
}

#[tokio::test]
async fn each_kind_of_load_balancer_has_protocols_of_its_own() {
    let asked = Asked::start().await;
    let made = asked.does("Action=CreateLoadBalancer&Name=net&Type=network&Subnets.member.1={a}").await;
    let network = made.first("LoadBalancerArn");
    let action = forward("{blue}");
    for (balancer, protocol, code, said) in [
        ("{balancer}", "TCP", "ValidationError", "Listener protocol 'TCP' must be one of 'HTTP, HTTPS'"),
        (&*network, "HTTP", "ValidationError", "Listener protocol 'HTTP' must be one of 'TCP, TLS'"),
        (
            &*network,
            "UDP",
            "UnsupportedProtocol",
            "the dev cloud does not model the protocol 'UDP', only HTTP, HTTPS, TCP and TLS",
        ),
        (
            "{balancer}",
            "SPDY",
            "ValidationError",
            "1 validation error detected: Value 'SPDY' at 'protocol' failed to satisfy constraint: Member must satisfy \
             enum value set: [HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE, QUIC, TCP_QUIC]",
        ),
    ] {
        asked.refuses(&listener(balancer, protocol, 81, &action), code, said).await;
    }
    let blue = &asked.rig.world.target_groups[0];
    let said =
        format!("The listener and its associated target group '{blue}' have incompatible protocols: 'TCP' and 'HTTP'");
    let other = "Action=CreateTargetGroup&Name=free&Protocol=HTTP&Port=80&VpcId={vpc}";
    let free = asked.does(other).await.first("TargetGroupArn");
    let incompatible = listener(&network, "TCP", 81, &forward(&free));
    asked.refuses(&incompatible, "IncompatibleProtocols", &said.replace(blue.as_str(), &free)).await;
    let no_port = "Action=CreateListener&LoadBalancerArn={balancer}&Protocol=HTTP&DefaultActions.member.1.Type=forward";
    asked.refuses(no_port, "ValidationError", "A listener port must be specified").await;
    asked.end().await;
}

#[tokio::test]
async fn http_has_no_certificate_and_https_needs_one() {
    let asked = Asked::start().await;
    let action = forward("{blue}");
    for (protocol, more, code, said) in [
        ("HTTPS", String::new(), "ValidationError", "A certificate must be specified for HTTPS listeners"),
        (
            "HTTP",
            "&SslPolicy=ELBSecurityPolicy-2016-08".to_owned(),
            "ValidationError",
            "An SSL policy cannot be specified for HTTP listeners",
        ),
        (
            "HTTP",
            format!("&Certificates.member.1.CertificateArn={CERTIFICATE}"),
            "ValidationError",
            "A certificate cannot be specified for HTTP listeners",
        ),
        (
            "HTTPS",
            format!("&Certificates.member.1.CertificateArn={CERTIFICATE}&SslPolicy=ELBexample-2016-08"),
            "SSLPolicyNotFound",
            "SSL policy 'ELBexample-2016-08' not found",
        ),
        (
            "HTTPS",
            "&Certificates.member.1.CertificateArn=mine".to_owned(),
            "ValidationError",
            "Certificate ARN 'mine' is not valid",
        ),
        (
            "HTTPS",
            format!("&Certificates.member.1.CertificateArn={CERTIFICATE}&AlpnPolicy.member.1=HTTP2Only"),
            "ValidationError",
            "An ALPN policy cannot be specified for HTTPS listeners",
        ),
        (
            "HTTPS",
            format!("&Certificates.member.1.CertificateArn={CERTIFICATE}&MutualAuthentication.Mode=verify"),
            "InvalidConfigurationRequest",
            "the dev cloud does not model mutual authentication with the mode 'verify', only 'off'",
        ),
    ] {
        asked.refuses(&listener("{balancer}", protocol, 443, &format!("{more}{action}")), code, said).await;
    }
    asked.end().await;
}

#[tokio::test]
async fn a_secure_listener_keeps_certificates_and_a_policy_and_its_default_certificate_stays() {
    let asked = Asked::with(options(), Seed { certificate: Some(CERTIFICATE.to_owned()), ..empty() }).await;
    let told = asked.does("Action=DescribeListeners&ListenerArns.member.1={listener}").await;
    assert_eq!((told.first("Protocol"), told.first("SslPolicy")), ("HTTPS".into(), "ELBSecurityPolicy-2016-08".into()));
    let (default, other) = (told.first("CertificateArn"), CERTIFICATE.replace("0123", "ffff"));
    let change = |verb: &str, arn: &str| {
        format!("Action={verb}ListenerCertificates&ListenerArn={{listener}}&Certificates.member.1.CertificateArn={arn}")
    };
    // Twice is once.
    asked.does(&change("Add", &other)).await;
    asked.does(&change("Add", &other)).await;
    let list = asked.does("Action=DescribeListenerCertificates&ListenerArn={listener}").await;
    assert_eq!(list.all("CertificateArn"), [default.as_str(), &other]);
    assert_eq!(list.all("IsDefault"), ["true", "false"]);
    let said = format!("Default certificate '{default}' cannot be removed");
    asked.refuses(&change("Remove", &default), "OperationNotPermitted", &said).await;
    asked.does(&change("Remove", &other)).await;
    let list = asked.does("Action=DescribeListenerCertificates&ListenerArn={listener}").await;
    assert_eq!(list.all("CertificateArn"), [default]);
    asked.end().await;
}

#[tokio::test]
async fn policies_are_awss_with_their_ciphers() {
    let asked = Asked::start().await;
    let form = "Action=DescribeSSLPolicies&Names.member.1=ELBSecurityPolicy-TLS13-1-3-2021-06&LoadBalancerType=network";
    let told = asked.does(form).await;
    assert!(told.body.contains("<SslProtocols><member>TLSv1.3</member></SslProtocols>"), "{}", told.body);
    assert_eq!((told.all("Priority").len(), told.all("Priority")[0].as_str()), (3, "1"));
    assert!(asked.does("Action=DescribeSSLPolicies").await.body.contains("ELBSecurityPolicy-2016-08"));
    asked.refuses_with("Action=DescribeSSLPolicies&Names.member.1=x", "SSLPolicyNotFound").await;
    asked.end().await;
}

#[tokio::test]
async fn the_same_listener_again_is_the_same_and_another_on_its_port_a_duplicate() {
    let asked = Asked::start().await;
    let create = |more: &str| listener("{balancer}", "HTTP", 81, &format!("{}{more}", forward("{blue}")));
    let (one, two) = (asked.does(&create("")).await, asked.does(&create("")).await);
    assert_eq!(one.first("ListenerArn"), two.first("ListenerArn"));
    let balancer = &asked.rig.world.load_balancers[0];
    let said = format!("A listener already exists on this port for this load balancer '{balancer}'");
    let other = listener("{balancer}", "HTTP", 81, &forward("{green}"));
    asked.refuses(&other, "DuplicateListener", &said).await;
    let port = format!("Action=ModifyListener&ListenerArn={}&Port=8080", one.first("ListenerArn"));
    asked.refuses(&port, "ValidationError", "Listener port '8080' is already in use").await;
    asked.does(&format!("Action=DeleteListener&ListenerArn={}", one.first("ListenerArn"))).await;
    let gone = format!("Action=DeleteListener&ListenerArn={}", one.first("ListenerArn"));
    asked.refuses(&gone, "ListenerNotFound", "One or more listeners not found").await;
    asked.end().await;
}

#[tokio::test]
async fn a_network_load_balancer_weighs_groups_in_its_default_action_alone() {
    let asked = Asked::start().await;
    let made = asked.does("Action=CreateLoadBalancer&Name=net&Type=network&Subnets.member.1={a}").await;
    let network = made.first("LoadBalancerArn");
    let mut groups = Vec::new();
    for name in ["one", "two"] {
        let form = format!("Action=CreateTargetGroup&Name={name}&Protocol=TCP&Port=80&VpcId={{vpc}}");
        groups.push(asked.does(&form).await.first("TargetGroupArn"));
    }
    let both = weights(&[(&groups[0], 100), (&groups[1], 0)]);
    let made = asked.does(&listener(&network, "TCP", 81, &both)).await;
    assert_eq!(made.all("Weight"), ["100", "0"]);
    let arn = made.first("ListenerArn");
    let flipped = weights(&[(&groups[0], 0), (&groups[1], 999)]);
    let told = asked.does(&format!("Action=ModifyListener&ListenerArn={arn}{flipped}")).await;
    assert_eq!(told.all("Weight"), ["0", "999"]);
    let rule = format!(
        "Action=CreateRule&ListenerArn={arn}&Priority=1&Conditions.member.1.Field=path-pattern\
         &Conditions.member.1.Values.member.1=/x&Actions.member.1.Type=forward&Actions.member.1.TargetGroupArn={}",
        groups[0]
    );
    asked.refuses_with(&rule, "InvalidConfigurationRequest").await;
    let answer = "&DefaultActions.member.1.Type=fixed-response\
                  &DefaultActions.member.1.FixedResponseConfig.StatusCode=200";
    let said = "Only actions of type 'forward' are supported on TCP listeners";
    asked.refuses(&listener(&network, "TCP", 82, answer), "InvalidLoadBalancerAction", said).await;
    asked.end().await;
}

#[tokio::test]
async fn groups_that_speak_http_2_or_grpc_need_an_https_listener() {
    let asked = Asked::start().await;
    for version in ["HTTP2", "GRPC"] {
        let form = format!(
            "Action=CreateTargetGroup&Name={version}&Protocol=HTTP&ProtocolVersion={version}&Port=80&VpcId={{vpc}}"
        );
        let group = asked.does(&form).await.first("TargetGroupArn");
        let said = format!(
            "Listener protocol 'HTTP' is not supported with a target group with the protocol-version '{version}'"
        );
        asked.refuses(&listener("{balancer}", "HTTP", 81, &forward(&group)), "InvalidLoadBalancerAction", &said).await;
    }
    asked.end().await;
}
