//! Security groups and their rules.

use aws_sdk_ec2::types::{IpPermission, IpRange, UserIdGroupPair};

use super::*;

async fn group(rig: &Rig, name: &str) -> String {
    let made = rig.ec2.create_security_group().group_name(name).description("d").vpc_id(&rig.world.vpc);
    made.send().await.unwrap().group_id.unwrap()
}

fn web() -> IpPermission {
    let range = IpRange::builder().cidr_ip("10.0.0.7/8").description("inside").build();
    IpPermission::builder().ip_protocol("tcp").from_port(80).to_port(80).ip_ranges(range).build()
}

fn from_group(id: &str) -> IpPermission {
    IpPermission::builder()
        .ip_protocol("-1")
        .user_id_group_pairs(UserIdGroupPair::builder().group_id(id).build())
        .build()
}

#[tokio::test(start_paused = true)]
async fn rules_are_authorized_once_read_in_two_forms_and_revoked_exactly() {
    let rig = rig(options()).await;
    let (id, other) = (group(&rig, "web").await, group(&rig, "lb").await);
    let allow =
        |rule: IpPermission| rig.ec2.authorize_security_group_ingress().group_id(&id).ip_permissions(rule).send();
    let made = allow(web()).await.unwrap();
    assert_eq!(made.security_group_rules()[0].cidr_ipv4(), Some("10.0.0.0/8"), "as AWS stores it");
    assert_eq!(code(allow(web()).await), "InvalidPermission.Duplicate");
    allow(from_group(&other)).await.unwrap();
    let read = rig.ec2.describe_security_groups().group_ids(&id).send().await.unwrap();
    let read = &read.security_groups()[0];
    assert_eq!(read.ip_permissions().len(), 2);
    assert_eq!(read.ip_permissions()[0].ip_ranges()[0].description(), Some("inside"));
    assert_eq!(read.ip_permissions_egress()[0].ip_protocol(), Some("-1"), "everything out, from the start");
    let found =
        rig.ec2.describe_security_groups().filters(filter("ip-permission.group-id", &other)).send().await.unwrap();
    assert_eq!(found.security_groups()[0].group_id(), Some(id.as_str()));
    let rules = rig.ec2.describe_security_group_rules().filters(filter("group-id", &id)).send().await.unwrap();
    assert_eq!(rules.security_group_rules().len(), 3);

    assert_eq!(code(rig.ec2.delete_security_group().group_id(&other).send().await), "DependencyViolation");
    let revoke = |rule: IpPermission| rig.ec2.revoke_security_group_ingress().group_id(&id).ip_permissions(rule).send();
    revoke(from_group(&other)).await.unwrap();
    assert_eq!(code(revoke(from_group(&other)).await), "InvalidPermission.NotFound");
    let rule = made.security_group_rules()[0].security_group_rule_id().unwrap();
    let by_id =
        rig.ec2.revoke_security_group_ingress().group_id(&id).security_group_rule_ids(rule).send().await.unwrap();
    assert_eq!(by_id.revoked_security_group_rules().len(), 1);
    rig.ec2.delete_security_group().group_id(&other).send().await.unwrap();
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_in_use_or_the_default_one_cannot_be_deleted() {
    let rig = rig(options()).await;
    let id = group(&rig, "web").await;
    let twice = rig.ec2.create_security_group().group_name("web").description("d").vpc_id(&rig.world.vpc).send().await;
    assert_eq!(code(twice), "InvalidGroup.Duplicate");
    let launched = ids(&run(&rig, 1).security_group_ids(&id).send().await.unwrap()).remove(0);
    rig.until_instance(&launched, "running").await;
    let delete = |id: &str| rig.ec2.delete_security_group().group_id(id).send();
    assert_eq!(code(delete(&id).await), "DependencyViolation");
    rig.ec2.terminate_instances().instance_ids(&launched).send().await.unwrap();
    rig.until_instance(&launched, "terminated").await;
    delete(&id).await.unwrap();
    let found = rig.ec2.describe_security_groups().filters(filter("group-name", "default")).send().await.unwrap();
    assert_eq!(code(delete(found.security_groups()[0].group_id().unwrap()).await), "CannotDelete");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn rules_that_cannot_be_are_refused() {
    let rig = rig(options()).await;
    let id = group(&rig, "web").await;
    let allow =
        |rule: IpPermission| rig.ec2.authorize_security_group_ingress().group_id(&id).ip_permissions(rule).send();
    let range = |cidr: &str| IpRange::builder().cidr_ip(cidr).build();
    let rule = |protocol: &str, from: i32, to: i32, cidr: &str| {
        IpPermission::builder().ip_protocol(protocol).from_port(from).to_port(to).ip_ranges(range(cidr)).build()
    };
    for (refused, expected) in [
        (rule("tcp", 81, 80, "0.0.0.0/0"), "InvalidParameterValue"),
        (rule("tcp", 0, 70_000, "0.0.0.0/0"), "InvalidParameterValue"),
        (rule("smtp", 1, 2, "0.0.0.0/0"), "InvalidParameterValue"),
        (rule("tcp", 1, 2, "everywhere"), "InvalidParameterValue"),
        (from_group("sg-0123456789abcdef0"), "InvalidGroup.NotFound"),
        (IpPermission::builder().ip_protocol("-1").build(), "MissingParameter"),
    ] {
        assert_eq!(code(allow(refused.clone()).await), expected, "{refused:?}");
    }
    rig.cloud.shutdown().await;
}
