//! What clients of a load balancer see.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate, ForwardActionConfig, LoadBalancerAttribute, ProtocolEnum,
    TargetGroupStickinessConfig, TargetGroupTuple,
};
use switchback::dev::seed::Seed;
use switchback::dev::{BalancingOptions, DevOptions};

use super::support::{Rig, V0, V1, options};

/// The address of the seed's load balancer.
fn host(rig: &Rig) -> String {
    let url: reqwest::Url = rig.world.url.parse().unwrap();
    url.host_str().unwrap().to_owned()
}

async fn with_green(options: DevOptions) -> Rig {
    let rig = Rig::start(options, Seed::new(V0)).await;
    let green = rig.world.target_groups[1].clone();
    let ids = rig.launch(V1, 1).await;
    rig.register(&green, &ids).await;
    rig.until(&green, "healthy").await;
    rig
}

#[tokio::test]
async fn an_https_listener_ends_tls_and_speaks_http_2() {
    let rig = Rig::start(options(), Seed::new(V0)).await;
    let arn = "arn:aws:acm:eu-west-1:000000000000:certificate/12345678-1234-1234-1234-123456789012";
    let certificate = Certificate::builder().certificate_arn(arn).build();
    let action =
        Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&rig.world.target_groups[0]).build();
    let create = rig.elb.create_listener().load_balancer_arn(&rig.world.load_balancers[0]).port(8443);
    let create = create.protocol(ProtocolEnum::Https).certificates(certificate).default_actions(action);
    create.send().await.unwrap();
    let client = reqwest::Client::builder().danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let answer = client.get(format!("https://{}:8443/version", host(&rig))).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_2));
    assert!(answer.text().await.unwrap().contains("v0"));
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_client_of_a_sticky_rule_stays_over_a_flip() {
    let rig = with_green(options()).await;
    let groups = |blue: i32, green: i32| {
        let [one, other] =
            [0, 1].map(|at: usize| TargetGroupTuple::builder().target_group_arn(&rig.world.target_groups[at]));
        let sticky = TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(60).build();
        let config = ForwardActionConfig::builder().target_groups(one.weight(blue).build());
        let config = config.target_groups(other.weight(green).build()).target_group_stickiness_config(sticky).build();
        let action = Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build();
        rig.elb.modify_listener().listener_arn(&rig.world.listeners[0]).default_actions(action).send()
    };
    groups(1, 0).await.unwrap();
    let url = format!("{}/version", rig.world.url);
    let first = reqwest::get(&url).await.unwrap();
    let cookie = first.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("AWSALBTG="), "{cookie}");
    groups(0, 1).await.unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let stuck = client.get(&url).header("cookie", cookie).send().await.unwrap();
    assert!(stuck.text().await.unwrap().contains("v0"));
    assert_eq!(rig.version().await, "v1");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn nodes_follow_a_flip_one_after_the_other() {
    let skew = Duration::from_secs(600);
    let balancing = BalancingOptions { node_skew: skew, ..BalancingOptions::default() };
    let rig = with_green(DevOptions { balancing, ..options() }).await;
    rig.forward([0, 100]).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        // Each on a connection of its own, which belongs to one node.
        seen.insert(rig.version().await);
    }
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        ["v0", "v1"],
        "one node knows, the other will only in ten minutes"
    );
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn an_access_log_that_is_switched_on_is_written_at_the_latest_when_the_cloud_ends() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::start(DevOptions { logs: Some(folder.path().to_owned()), ..options() }, Seed::new(V0)).await;
    let attribute = |key: &str, value: &str| LoadBalancerAttribute::builder().key(key).value(value).build();
    let modify = rig.elb.modify_load_balancer_attributes().load_balancer_arn(&rig.world.load_balancers[0]);
    let modify = modify.attributes(attribute("access_logs.s3.enabled", "true"));
    modify.attributes(attribute("access_logs.s3.bucket", "shop-logs")).send().await.unwrap();
    assert_eq!(rig.version().await, "v0");
    rig.cloud.shutdown().await;
    let mut folders = vec![folder.path().join("shop-logs")];
    let mut files = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].to_str().unwrap().contains("shop-logs/AWSLogs/"), "{files:?}");
}
