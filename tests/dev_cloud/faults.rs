//! Faults on purpose: each service's throttling, refusals, lost answers; and the log of calls.

use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use switchback::dev::faults::{Fault, FaultKind};
use switchback::dev::seed::SeedSwitch;
use switchback::dev::{DevCloud, DevOptions};

use super::support::{Rig, code, empty, options};

/// A client of its own that never tries twice.
fn once(cloud: &DevCloud) -> aws_config::SdkConfig {
    cloud.sdk_config("eu-west-1").into_builder().retry_config(RetryConfig::disabled()).build()
}

#[tokio::test]
async fn every_service_throttles_in_its_own_words() {
    let faults = vec![Fault::throttle("*")];
    let cloud = DevCloud::start(DevOptions { faults, ..options() }).await.unwrap();
    let config = once(&cloud);
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
    let route53 = aws_sdk_route53::Client::new(&config);
    assert_eq!(code(elb.describe_load_balancers().send().await), "ThrottlingException");
    assert_eq!(code(aws_sdk_ec2::Client::new(&config).describe_vpcs().send().await), "RequestLimitExceeded");
    assert_eq!(code(route53.get_hosted_zone().id("Z1").send().await), "Throttling");
    assert_eq!(code(aws_sdk_sts::Client::new(&config).get_caller_identity().send().await), "Throttling");
    cloud.faults().clear();
    let caller = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
    assert_eq!(caller.account(), Some("000000000000"));
    cloud.shutdown().await;
}

#[tokio::test]
async fn the_sdk_retries_throttled_calls_and_the_log_counts_every_try() {
    let rig = Rig::start(options(), empty()).await;
    assert!(rig.cloud.calls().is_empty(), "the seed leaves no calls");
    rig.cloud.faults().add(Fault::throttle("elbv2:DescribeRules").times(1));
    rig.elb.describe_rules().listener_arn(&rig.world.listeners[0]).send().await.unwrap();
    rig.ec2.describe_vpcs().send().await.unwrap();
    let calls: Vec<_> = rig.cloud.calls().into_iter().collect();
    assert_eq!(calls, [("ec2:DescribeVpcs".to_owned(), 1), ("elbv2:DescribeRules".to_owned(), 2)]);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_refused_call_changes_nothing_and_a_lost_answer_changes_everything() {
    let rig = Rig::start(options(), empty()).await;
    let ec2 = aws_sdk_ec2::Client::new(&once(&rig.cloud));
    let count = async || ec2.describe_vpcs().send().await.unwrap().vpcs().len();
    let create = || ec2.create_vpc().cidr_block(rig.cloud.network());
    rig.cloud.faults().add(Fault::refuse("ec2:CreateVpc", "InsufficientInstanceCapacity", "none left").times(1));
    assert_eq!(code(create().send().await), "InsufficientInstanceCapacity");
    assert_eq!(count().await, 1);
    rig.cloud.faults().add(Fault::lose_answer("ec2:CreateVpc").times(1));
    let lost = create().send().await.unwrap_err();
    assert!(lost.as_service_error().is_none(), "{lost:?}");
    assert_eq!(count().await, 2);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_delayed_answer_comes_after_the_delay() {
    let rig = Rig::start(options(), empty()).await;
    let delay = Duration::from_millis(300);
    rig.cloud.faults().add(Fault::new("ec2:*", FaultKind::Delay(delay)));
    let began = Instant::now();
    rig.ec2.describe_vpcs().send().await.unwrap();
    assert!(began.elapsed() >= delay);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_zone_can_be_busy_with_a_prior_request() {
    let switch = SeedSwitch::Dns { zone: "example.com".into(), record: "shop.example.com".into() };
    let rig = Rig::start(options(), switchback::dev::seed::Seed { switch, ..empty() }).await;
    let busy = Fault::refuse("route53:ListResourceRecordSets", "PriorRequestNotComplete", "still working");
    rig.cloud.faults().add(busy);
    let route53 = aws_sdk_route53::Client::new(&once(&rig.cloud));
    let zone = rig.world.hosted_zone.clone().unwrap();
    let refused = route53.list_resource_record_sets().hosted_zone_id(zone).send().await;
    assert_eq!(code(refused), "PriorRequestNotComplete");
    rig.cloud.shutdown().await;
}
