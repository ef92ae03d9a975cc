//! Faults on purpose: each service's throttling, refusals, lost answers; and the log of calls.

use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use switchback::dev::faults::{Fault, FaultKind};
use switchback::dev::seed::SeedSwitch;
use switchback::dev::{DevCloud, DevOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

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

/// A cloud under paused time and an EC2 client that never tries twice.
async fn paused() -> (DevCloud, aws_sdk_ec2::Client) {
    let cloud = DevCloud::in_process(DevOptions::default()).await.unwrap();
    let ec2 = aws_sdk_ec2::Client::new(&once(&cloud));
    (cloud, ec2)
}

async fn vpcs(ec2: &aws_sdk_ec2::Client) -> usize {
    ec2.describe_vpcs().send().await.unwrap().vpcs().len()
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_sees_the_world_as_it_was_until_it_is_old_enough() {
    let (cloud, ec2) = paused().await;
    let mut blocks = cloud.network().parse::<ipnet::Ipv4Net>().unwrap().subnets(20).unwrap();
    let mut create = async || {
        let block = blocks.next().unwrap().to_string();
        ec2.create_vpc().cidr_block(block).send().await.unwrap();
    };
    create().await;
    cloud.faults().add(Fault::stale("ec2:Describe*", Duration::from_secs(5)));
    sleep(Duration::from_secs(10)).await;
    create().await;
    assert_eq!(vpcs(&ec2).await, 1);
    sleep(Duration::from_secs(4)).await;
    create().await;
    assert_eq!(vpcs(&ec2).await, 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(vpcs(&ec2).await, 2, "the second is 6 s old, the third 2 s");
    sleep(Duration::from_secs(4)).await;
    assert_eq!(vpcs(&ec2).await, 3);
    create().await;
    assert_eq!(vpcs(&ec2).await, 3);
    cloud.faults().clear();
    assert_eq!(vpcs(&ec2).await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_of_a_zone_does_not_see_what_was_created_since() {
    let (cloud, _) = paused().await;
    let route53 = aws_sdk_route53::Client::new(&once(&cloud));
    cloud.faults().add(Fault::stale("route53:List*", Duration::from_secs(60)).times(1));
    route53.create_hosted_zone().name("example.com").caller_reference("1").send().await.unwrap();
    assert!(route53.list_hosted_zones().send().await.unwrap().hosted_zones().is_empty());
    assert_eq!(route53.list_hosted_zones().send().await.unwrap().hosted_zones().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_effect_comes_only_after_the_delay() {
    let (cloud, ec2) = paused().await;
    cloud.faults().add(Fault::new("ec2:CreateVpc", FaultKind::DelayEffect(Duration::from_secs(10))));
    let (block, client) = (cloud.network(), ec2.clone());
    let creating = tokio::spawn(async move { client.create_vpc().cidr_block(block).send().await.unwrap() });
    sleep(Duration::from_secs(9)).await;
    assert_eq!(vpcs(&ec2).await, 0);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(vpcs(&ec2).await, 1);
    creating.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_lost_before_or_after_the_effect() {
    let (cloud, ec2) = paused().await;
    for (kind, after) in [(FaultKind::Reset, 0), (FaultKind::ResetAfterEffect, 1)] {
        cloud.faults().add(Fault::new("ec2:CreateVpc", kind).times(1));
        let lost = ec2.create_vpc().cidr_block(cloud.network()).send().await.unwrap_err();
        assert!(lost.as_service_error().is_none(), "{lost:?}");
        assert_eq!(vpcs(&ec2).await, after);
    }
}

#[tokio::test(start_paused = true)]
async fn faults_that_are_not_certain_are_decided_by_the_seed() {
    async fn run(seed: u64) -> Vec<bool> {
        let faults = vec!["ec2:DescribeVpcs=throttle,probability=0.5".parse().unwrap()];
        let cloud =
            DevCloud::in_process(DevOptions { faults, seed: Some(seed), ..DevOptions::default() }).await.unwrap();
        let ec2 = aws_sdk_ec2::Client::new(&once(&cloud));
        let mut went_well = Vec::new();
        for _ in 0..64 {
            went_well.push(ec2.describe_vpcs().send().await.is_ok());
        }
        went_well
    }
    assert_eq!(run(1).await, run(1).await);
    assert_ne!(run(1).await, run(2).await);
}

#[tokio::test]
async fn on_a_socket_a_reset_is_a_reset_and_a_lost_answer_a_close() {
    let cloud = DevCloud::start(options()).await.unwrap();
    for (fault, expected) in [("*=reset", Some(std::io::ErrorKind::ConnectionReset)), ("*=lose-answer", None)] {
        cloud.faults().clear();
        cloud.faults().add(fault.parse().unwrap());
        let mut stream = tokio::net::TcpStream::connect(cloud.endpoint()).await.unwrap();
        let body = "Action=GetCallerIdentity";
        let request = format!(
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=K/20260101/eu-west-1/sts/aws4_request\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        assert_eq!(read.err().map(|error| error.kind()), expected, "{fault}");
        assert!(answer.is_empty());
    }
    cloud.shutdown().await;
}
