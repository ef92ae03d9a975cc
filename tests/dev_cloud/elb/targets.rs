//! Registering targets.

use super::super::support::{V1, empty, options};
use super::Asked;

async fn group_of_addresses(asked: &Asked, protocol: &str) -> String {
    let form = format!("Action=CreateTargetGroup&Name=ip&Protocol={protocol}&Port=80&VpcId={{vpc}}&TargetType=ip");
    asked.does(&form).await.first("TargetGroupArn")
}

fn register(group: &str, more: &str) -> String {
    format!("Action=RegisterTargets&TargetGroupArn={group}&Targets.member.1.{more}")
}

#[tokio::test]
async fn addresses_are_in_a_subnet_of_the_vpc_or_in_a_private_network_with_a_zone() {
    let asked = Asked::start().await;
    let group = group_of_addresses(&asked, "HTTP").await;
    let inside = asked.rig.cloud.network().replace(".0.0/16", ".1.40");
    let nowhere = asked.rig.cloud.network().replace(".0.0/16", ".200.40");
    asked.does(&register(&group, &format!("Id={inside}"))).await;
    for (more, said) in [
        (
            format!("Id={inside}&Targets.member.1.AvailabilityZone=all"),
            format!(
                "The IP address '{inside}' is within the VPC, and cannot have its Availability Zone overridden to 'all' \
                 from 'eu-west-1a'"
            ),
        ),
        (
            "Id=10.1.2.3".to_owned(),
            "You must specify a valid Availability Zone or select 'all' for all enabled Availability zones, since the IP \
             address '10.1.2.3' is outside the VPC"
                .to_owned(),
        ),
        (
            format!("Id={nowhere}"),
            format!(
                "You must specify a valid Availability Zone or select 'all' for all enabled Availability zones, since \
                 the IP address '{nowhere}' is outside the VPC"
            ),
        ),
        (
            "Id=8.8.8.8&Targets.member.1.AvailabilityZone=all".to_owned(),
            "The IP address '8.8.8.8' is not within the VPC, 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12 or 192.168.0.0/16"
                .to_owned(),
        ),
        ("Id=i-0123456789abcdef0".to_owned(), "The IP address 'i-0123456789abcdef0' is not a valid IPv4 address".to_owned()),
    ] {
        asked.refuses(&register(&group, &more), "ValidationError", &said).await;
    }
    asked.does(&register(&group, "Id=100.64.0.1&Targets.member.1.AvailabilityZone=all")).await;
    let told = asked.does(&format!("Action=DescribeTargetHealth&TargetGroupArn={group}")).await;
    assert_eq!(told.all("AvailabilityZone"), ["all", "eu-west-1a"]);
    asked.end().await;
}

#[tokio::test]
async fn an_address_of_a_load_balancer_is_no_target() {
    let asked = Asked::start().await;
    let group = group_of_addresses(&asked, "HTTP").await;
    let own = asked.rig.world.addresses[0].to_string();
    asked.refuses_with(&register(&group, &format!("Id={own}")), "InvalidTarget").await;
    // The next load balancer gets the next address, which is a target already.
    let next = own.rsplit_once('.').map(|(net, last)| format!("{net}.{}", last.parse::<u8>().unwrap() + 1)).unwrap();
    asked.does(&register(&group, &format!("Id={next}&Targets.member.1.AvailabilityZone=all"))).await;
    let listen =
        "Action=CreateListener&LoadBalancerArn={balancer}&Protocol=HTTP&Port=81&DefaultActions.member.1.Type=forward";
    asked.does(&format!("{listen}&DefaultActions.member.1.TargetGroupArn={group}")).await;
    let made = "Action=CreateLoadBalancer&Name=next&Subnets.member.1={a}&Subnets.member.2={b}";
    assert_eq!(asked.does(made).await.first("DNSName"), next);
    let told = asked.does(&format!("Action=DescribeTargetHealth&TargetGroupArn={group}")).await;
    assert_eq!((told.first("State"), told.first("Reason")), ("unused".into(), "Target.IpUnusable".into()));
    asked.end().await;
}

#[tokio::test]
async fn an_instance_can_be_registered_with_several_ports_and_asked_for_by_name_alone() {
    let asked = Asked::with(options(), empty()).await;
    let ids = asked.rig.launch(V1, 1).await;
    let id = &ids[0];
    let both = format!("Id={id}&Targets.member.2.Id={id}&Targets.member.2.Port=81");
    asked.does(&register("{blue}", &both)).await;
    asked.does(&register("{blue}", &both)).await;
    let health = "Action=DescribeTargetHealth&TargetGroupArn={blue}";
    assert_eq!(asked.does(health).await.all("Port"), ["81", "8080"]);
    let named = asked.does(&format!("{health}&Targets.member.1.Id={id}")).await;
    assert_eq!(named.all("Port").len(), 2);
    let one = asked.does(&format!("{health}&Targets.member.1.Id={id}&Targets.member.1.Port=82")).await;
    assert_eq!((one.first("State"), one.first("Reason")), ("unused".into(), "Target.NotRegistered".into()));
    for (more, code, said) in [
        (
            format!("Id={id}&Targets.member.1.AvailabilityZone=eu-west-1a"),
            "ValidationError",
            "You cannot specify an Availability Zone for targets of type 'instance'".to_owned(),
        ),
        ("Id=10.0.0.1".to_owned(), "ValidationError", "Instance ID '10.0.0.1' is not valid".to_owned()),
        (
            "Id=i-0123456789abcdef0".to_owned(),
            "InvalidTarget",
            "The following targets do not exist: 'i-0123456789abcdef0'".to_owned(),
        ),
    ] {
        asked.refuses(&register("{blue}", &more), code, &said).await;
    }
    asked.end().await;
}

#[tokio::test]
async fn anomaly_detection_is_told_when_asked_for() {
    let asked = Asked::with(options(), switchback::dev::seed::Seed { count: 1, ..empty() }).await;
    asked.rig.until(&asked.rig.world.target_groups[0], "healthy").await;
    let health = "Action=DescribeTargetHealth&TargetGroupArn={blue}";
    assert!(!asked.does(health).await.body.contains("AnomalyDetection"));
    let told = asked.does(&format!("{health}&Include.member.1=AnomalyDetection")).await;
    assert_eq!((told.first("Result"), told.first("MitigationInEffect")), ("normal".into(), "no".into()));
    asked.refuses_with(&format!("{health}&Include.member.1=Hue"), "ValidationError").await;
    asked.end().await;
}

#[tokio::test]
async fn a_load_balancer_has_a_thousand_targets_and_a_group_no_more() {
    let asked = Asked::start().await;
    let group = group_of_addresses(&asked, "HTTP").await;
    let many = |from: u32, count: u32| {
        let list = (0..count).map(|n| {
            let (at, n) = (from + n, n + 1);
            format!("&Targets.member.{n}.Id=10.0.{}.{}&Targets.member.{n}.AvailabilityZone=all", at / 250, at % 250 + 1)
        });
        list.collect::<String>()
    };
    let register = |group: &str, targets: String| format!("Action=RegisterTargets&TargetGroupArn={group}{targets}");
    asked.does(&register(&group, many(0, 1000))).await;
    asked.refuses_with(&register(&group, many(1000, 1)), "TooManyTargets").await;
    asked.does(&register(&group, many(0, 1))).await;
    let other = "Action=CreateTargetGroup&Name=other&Protocol=HTTP&Port=80&VpcId={vpc}&TargetType=ip";
    let other = asked.does(other).await.first("TargetGroupArn");
    asked.does(&register(&other, many(0, 1))).await;
    let listen = |port: u16, group: &str| {
        format!(
            "Action=CreateListener&LoadBalancerArn={{balancer}}&Protocol=HTTP&Port={port}\
             &DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={group}"
        )
    };
    asked.does(&listen(81, &other)).await;
    let balancer = &asked.rig.world.load_balancers[0];
    let said = format!(
        "The maximum number of targets per load balancer '1000' has been reached on load balancer '{balancer}'"
    );
    asked.refuses(&listen(82, &group), "TooManyTargets", &said).await;
    asked.end().await;
}
