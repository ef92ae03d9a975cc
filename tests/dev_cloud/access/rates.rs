//! Calls that come too often are refused, by the time of the dev cloud.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use switchback::dev::{DevCloud, DevOptions};
use tokio::time::sleep;

use super::super::support::code;

#[tokio::test(start_paused = true)]
async fn a_bucket_empties_and_fills_again_with_time() {
    let cloud = DevCloud::in_process(DevOptions { limits: true, ..DevOptions::default() }).await.unwrap();
    let once = |region: &str| cloud.sdk_config(region).into_builder().retry_config(RetryConfig::disabled()).build();
    let config = once("eu-west-1");
    let route53 = aws_sdk_route53::Client::new(&config);
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
    let ec2 = aws_sdk_ec2::Client::new(&config);
    for _ in 0..5 {
        route53.list_hosted_zones().send().await.unwrap();
    }
    assert_eq!(code(route53.list_hosted_zones().send().await), "Throttling");
    sleep(Duration::from_millis(201)).await;
    route53.list_hosted_zones().send().await.unwrap();
    assert_eq!(code(route53.list_hosted_zones().send().await), "Throttling");
    for _ in 0..20 {
        elb.delete_target_group().target_group_arn("arn:x").send().await.ok();
    }
    assert_eq!(code(elb.delete_target_group().target_group_arn("arn:x").send().await), "ThrottlingException");
    elb.describe_load_balancers().send().await.expect("another class of calls has another bucket");
    for _ in 0..50 {
        ec2.describe_vpcs().send().await.unwrap();
    }
    assert_eq!(code(ec2.describe_vpcs().send().await), "RequestLimitExceeded");
    let elsewhere = aws_sdk_ec2::Client::new(&once("eu-west-2"));
    elsewhere.describe_vpcs().send().await.expect("another region has other buckets");
}

#[tokio::test(start_paused = true)]
async fn without_limits_calls_may_come_as_often_as_they_like() {
    let cloud = DevCloud::in_process(DevOptions::default()).await.unwrap();
    let config = cloud.sdk_config("eu-west-1").into_builder().retry_config(RetryConfig::disabled()).build();
    let route53 = aws_sdk_route53::Client::new(&config);
    for _ in 0..50 {
        route53.list_hosted_zones().send().await.unwrap();
    }
}
