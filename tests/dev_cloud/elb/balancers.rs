//! Load balancers.

use std::time::Duration;

use switchback::dev::{BalancingOptions, DevCloud, DevOptions};

use super::super::support::{Rig, empty};
use super::Asked;

#[tokio::test]
async fn the_same_creation_again_is_the_same_load_balancer_and_another_one_a_duplicate() {
    let asked = Asked::start().await;
    let create = "Action=CreateLoadBalancer&Name=web&Subnets.member.1={a}&Subnets.member.2={b}";
    let (one, two) = (asked.does(create).await, asked.does(create).await);
    assert_eq!(one.first("LoadBalancerArn"), two.first("LoadBalancerArn"));
    assert!(one.first("LoadBalancerArn").contains(":loadbalancer/app/web/"), "{}", one.body);
    assert_eq!((one.first("Code"), one.first("Type")), ("active".into(), "application".into()));
    assert_eq!((one.first("Scheme"), one.first("IpAddressType")), ("internet-facing".into(), "ipv4".into()));
    assert_eq!(one.all("ZoneName"), ["eu-west-1a", "eu-west-1b"]);
    let other = "A load balancer with the same name 'web' exists, but with different settings";
    for more in ["Scheme=internal", "Type=network"] {
        asked.refuses(&format!("{create}&{more}"), "DuplicateLoadBalancerName", other).await;
    }
    asked.end().await;
}

#[tokio::test]
async fn names_subnets_and_types_that_cannot_be_are_refused_in_awss_words() {
    let asked = Asked::start().await;
    let create = |name: &str, more: &str| format!("Action=CreateLoadBalancer&Name={name}&{more}");
    let both = "Subnets.member.1={a}&Subnets.member.2={b}";
    for (name, problem) in [
        ("a-name-of-more-than-thirty-two-characters", "cannot be longer than '32' characters"),
        ("a_b", "can only contain characters that are alphanumeric characters or hyphens(-)"),
        ("-a", "cannot begin or end with '-'"),
        ("a-", "cannot begin or end with '-'"),
        ("internal-a", "cannot begin with 'internal-'"),
    ] {
        let said = format!("Load balancer name '{name}' {problem}");
        asked.refuses(&create(name, both), "ValidationError", &said).await;
    }
    for (more, code, said) in [
        (
            "Subnets.member.1={a}",
            "ValidationError",
            "At least two subnets in two different Availability Zones must be specified",
        ),
        (
            "Subnets.member.1={a}&Subnets.member.2={a}",
            "InvalidConfigurationRequest",
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        ),
        (
            "Subnets.member.1={a}&SubnetMappings.member.1.SubnetId={b}",
            "ValidationError",
            "You must specify either subnets or subnet mappings, but not both",
        ),
        ("Subnets.member.1=subnet-1", "SubnetNotFound", "The subnet ID 'subnet-1' does not exist"),
        (
            "Subnets.member.1={a}&Subnets.member.2={b}&SecurityGroups.member.1=sg-1",
            "InvalidSecurityGroup",
            "The security group 'sg-1' does not exist",
        ),
        (
            "Subnets.member.1={a}&Subnets.member.2={b}&IpAddressType=dualstack",
            "InvalidConfigurationRequest",
            "You must specify subnets with an associated IPv6 CIDR block.",
        ),
        (
            "SubnetMappings.member.1.SubnetId={a}&SubnetMappings.member.1.AllocationId=eipalloc-1",
            "InvalidConfigurationRequest",
            "Elastic IPs are not supported for load balancers with type 'application'",
        ),
        (
            "Subnets.member.1={a}&Scheme=public",
            "ValidationError",
            "1 validation error detected: Value 'public' at 'scheme' failed to satisfy constraint: Member must satisfy \
             enum value set: [internet-facing, internal]",
        ),
    ] {
        asked.refuses(&create("web", more), code, said).await;
    }
    asked.refuses_with(&create("web", "Type=gateway&Subnets.member.1={a}"), "InvalidConfigurationRequest").await;
    asked.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_load_balancer_is_provisioning_for_a_while_and_then_active() {
    let balancing = BalancingOptions { provision: Duration::from_secs(120), ..BalancingOptions::default() };
    let options = DevOptions { balancing, ..DevOptions::default() };
    let cloud = DevCloud::in_process(options).await.unwrap();
    let rig = Rig::on(cloud, empty(), Duration::from_millis(500)).await;
    let state = async || {
        let found = rig.elb.describe_load_balancers().names("shop").send().await.unwrap();
        found.load_balancers()[0].state().unwrap().code().unwrap().as_str().to_owned()
    };
    tokio::time::sleep(Duration::from_secs(119)).await;
    assert_eq!(state().await, "provisioning");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(state().await, "active");
}

#[tokio::test]
async fn a_protected_load_balancer_is_not_deleted_and_one_that_is_gone_is_no_mistake() {
    let asked = Asked::start().await;
    let protect = |value: &str| {
        format!(
            "Action=ModifyLoadBalancerAttributes&LoadBalancerArn={{balancer}}\
             &Attributes.member.1.Key=deletion_protection.enabled&Attributes.member.1.Value={value}"
        )
    };
    let delete = "Action=DeleteLoadBalancer&LoadBalancerArn={balancer}";
    asked.does(&protect("true")).await;
    let arn = &asked.rig.world.load_balancers[0];
    let said = format!("Load balancer '{arn}' cannot be deleted because deletion protection is enabled");
    asked.refuses(delete, "OperationNotPermitted", &said).await;
    asked.does(&protect("false")).await;
    asked.does(delete).await;
    asked.does(delete).await;
    let gone = "Action=DescribeLoadBalancers&LoadBalancerArns.member.1={balancer}";
    asked.refuses(gone, "LoadBalancerNotFound", &format!("Load balancers '[{arn}]' not found")).await;
    asked.end().await;
}

#[tokio::test]
async fn subnets_can_be_set_anew_and_a_network_load_balancer_stays_in_the_subnets_that_it_has() {
    let asked = Asked::start().await;
    let network = asked.rig.cloud.network();
    let subnet = async |third: u8, zone: &str| {
        let cidr = network.replace(".0.0/16", &format!(".{third}.0/24"));
        let made = asked.rig.ec2.create_subnet().vpc_id(&asked.rig.world.vpc).cidr_block(cidr).availability_zone(zone);
        made.send().await.unwrap().subnet.unwrap().subnet_id.unwrap()
    };
    let (again, c) = (subnet(20, "eu-west-1a").await, subnet(21, "eu-west-1c").await);
    let set = |arn: &str, subnets: &[&str]| {
        let list = subnets.iter().zip(1..).map(|(id, n)| format!("&Subnets.member.{n}={id}"));
        format!("Action=SetSubnets&LoadBalancerArn={arn}{}", list.collect::<String>())
    };
    let told = asked.does(&set("{balancer}", &[&again, &c])).await;
    assert_eq!(told.all("SubnetId"), [again.as_str(), &c]);
    let described = asked.does("Action=DescribeLoadBalancers&Names.member.1=shop").await;
    assert_eq!(described.all("ZoneName"), ["eu-west-1a", "eu-west-1c"]);
    let one = "At least two subnets in two different Availability Zones must be specified";
    asked.refuses(&set("{balancer}", &["{a}"]), "ValidationError", one).await;

    let made = asked.does("Action=CreateLoadBalancer&Name=net&Type=network&Subnets.member.1={a}").await;
    let arn = made.first("LoadBalancerArn");
    assert!(arn.contains(":loadbalancer/net/net/"), "one zone is enough for it: {arn}");
    asked.does(&set(&arn, &["{a}", "{b}"])).await;
    let said = format!(
        "You cannot specify an additional subnet from an Availability Zone that is already associated with the load \
         balancer. The Availability Zone 'eu-west-1a' corresponding to the new subnet '{again}' is already associated \
         with the load balancer."
    );
    asked.refuses(&set(&arn, &[&again]), "InvalidConfigurationRequest", &said).await;
    asked.end().await;
}

#[tokio::test]
async fn an_internal_network_load_balancer_takes_the_addresses_that_it_is_given() {
    let asked = Asked::start().await;
    let address = asked.rig.cloud.network().replace(".0.0/16", ".1.77");
    let create = |more: &str| {
        format!(
            "Action=CreateLoadBalancer&Name=net&Type=network&SubnetMappings.member.1.SubnetId={{a}}\
             &SubnetMappings.member.1.{more}"
        )
    };
    let only = "You can only specify private IPv4 addresses for Network Load Balancers with scheme 'internal'.";
    let given = create(&format!("PrivateIPv4Address={address}"));
    asked.refuses(&given, "InvalidConfigurationRequest", only).await;
    asked.refuses_with(&create("AllocationId=eipalloc-1"), "AllocationIdNotFound").await;
    let made = asked.does(&format!("{given}&Scheme=internal")).await;
    assert_eq!(made.all("PrivateIPv4Address"), [address]);
    asked.end().await;
}

#[tokio::test]
async fn security_groups_can_be_set_but_not_on_a_network_load_balancer_that_was_made_without() {
    let asked = Asked::start().await;
    let group = asked.rig.ec2.create_security_group().group_name("g").description("g").vpc_id(&asked.rig.world.vpc);
    let group = group.send().await.unwrap().group_id.unwrap();
    let set = |arn: &str| format!("Action=SetSecurityGroups&LoadBalancerArn={arn}&SecurityGroups.member.1={group}");
    let told = asked.does(&set("{balancer}")).await;
    assert!(told.body.contains(&format!("<SecurityGroupIds><member>{group}</member></SecurityGroupIds>")));
    let made = asked.does("Action=CreateLoadBalancer&Name=net&Type=network&Subnets.member.1={a}").await;
    assert!(made.all("SecurityGroups").is_empty());
    asked.refuses_with(&set(&made.first("LoadBalancerArn")), "InvalidConfigurationRequest").await;
    let kept = asked.does("Action=SetIpAddressType&LoadBalancerArn={balancer}&IpAddressType=ipv4").await;
    assert_eq!(kept.first("IpAddressType"), "ipv4");
    let dual = "Action=SetIpAddressType&LoadBalancerArn={balancer}&IpAddressType=dualstack";
    asked.refuses_with(dual, "InvalidConfigurationRequest").await;
    asked.end().await;
}
