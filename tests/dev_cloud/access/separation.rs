//! Accounts and regions are apart: the same names never meet, and ARNs say where they belong.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_route53::types::HostedZone;
use switchback::dev::{DevCloud, DevOptions};

use super::super::support::code;
use super::signatures::with_key;

const PLACES: [(&str, &str); 4] = [
    ("111111111111", "eu-west-1"),
    ("111111111111", "us-east-1"),
    ("222222222222", "eu-west-1"),
    ("222222222222", "us-east-1"),
];

async fn target_group(config: &SdkConfig, vpc: &str) -> String {
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(config);
    let protocol = aws_sdk_elasticloadbalancingv2::types::ProtocolEnum::Http;
    let made = elb.create_target_group().name("shop").protocol(protocol).port(80).vpc_id(vpc).send().await.unwrap();
    made.target_groups()[0].target_group_arn().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_same_names_in_two_accounts_and_regions_never_meet() {
    let cloud = DevCloud::in_process(DevOptions::default()).await.unwrap();
    let base: ipnet::Ipv4Net = cloud.network().parse().unwrap();
    let mut arns = Vec::new();
    for ((account, region), block) in PLACES.into_iter().zip(base.subnets(20).unwrap()) {
        let config = with_key(&cloud.sdk_config(region), account, "dev-cloud");
        let ec2 = aws_sdk_ec2::Client::new(&config);
        assert!(ec2.describe_vpcs().send().await.unwrap().vpcs().is_empty(), "{account} {region} begins with nothing");
        let vpc = ec2.create_vpc().cidr_block(block.to_string()).send().await.unwrap();
        let arn = target_group(&config, vpc.vpc().unwrap().vpc_id().unwrap()).await;
        assert!(
            arn.starts_with(&format!("arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/shop/")),
            "{arn}"
        );
        arns.push((config, arn));
    }
    let distinct: BTreeSet<_> = arns.iter().map(|(_, arn)| arn.clone()).collect();
    assert_eq!(distinct.len(), 4);
    for (config, own) in &arns {
        let elb = aws_sdk_elasticloadbalancingv2::Client::new(config);
        let seen = elb.describe_target_groups().send().await.unwrap();
        let seen: Vec<_> = seen.target_groups().iter().filter_map(|group| group.target_group_arn()).collect();
        assert_eq!(seen, [own], "each sees its own only");
        for (_, other) in arns.iter().filter(|(_, other)| other != own) {
            let refused = elb.describe_target_groups().target_group_arns(other).send().await;
            assert_eq!(code(refused), "TargetGroupNotFound");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hosted_zones_belong_to_an_account_and_to_no_region() {
    let cloud = DevCloud::in_process(DevOptions::default()).await.unwrap();
    let route53 = |account: &str, region: &str| {
        aws_sdk_route53::Client::new(&with_key(&cloud.sdk_config(region), account, "dev-cloud"))
    };
    let create = route53("111111111111", "eu-west-1").create_hosted_zone().name("example.com").caller_reference("1");
    let made = create.send().await.unwrap();
    let id = made.hosted_zone().map(HostedZone::id).unwrap();
    assert!(route53("111111111111", "us-east-1").get_hosted_zone().id(id).send().await.is_ok());
    assert_eq!(code(route53("222222222222", "eu-west-1").get_hosted_zone().id(id).send().await), "NoSuchHostedZone");
}
