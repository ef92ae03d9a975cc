//! VPCs, subnets, gateways and route tables, in the order in which Terraform makes, reads and destroys them.

use aws_sdk_ec2::types::{AttributeBooleanValue, VpcAttributeName};

use super::*;

fn flag(value: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(value).build()
}

#[tokio::test(start_paused = true)]
async fn a_network_is_made_read_and_destroyed_as_terraform_does() {
    let rig = rig(options()).await;
    let ec2 = &rig.ec2;
    let vpc = ec2.create_vpc().cidr_block("10.1.0.0/16").send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(flag(true)).send().await.unwrap();
    let attribute = ec2.describe_vpc_attribute().vpc_id(&vpc).attribute(VpcAttributeName::EnableDnsHostnames);
    assert_eq!(attribute.send().await.unwrap().enable_dns_hostnames().unwrap().value(), Some(true));
    let of_vpc = || filter("vpc-id", &vpc);
    let acls = ec2.describe_network_acls().filters(of_vpc()).filters(filter("default", "true")).send().await.unwrap();
    assert_eq!(acls.network_acls().len(), 1);
    let main = ec2.describe_route_tables().filters(of_vpc()).filters(filter("association.main", "true"));
    let main = main.send().await.unwrap().route_tables.unwrap().remove(0);
    assert_eq!(main.routes()[0].gateway_id(), Some("local"));
    let group = ec2.describe_security_groups().filters(of_vpc()).filters(filter("group-name", "default"));
    assert_eq!(group.send().await.unwrap().security_groups().len(), 1);

    let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap();
    let gateway = gateway.internet_gateway_id.unwrap();
    ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await.unwrap();
    let attached = ec2.describe_internet_gateways().filters(filter("attachment.vpc-id", &vpc)).send().await.unwrap();
    assert_eq!(attached.internet_gateways().len(), 1);
    let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.1.1.0/24").availability_zone("eu-west-1b");
    let subnet = subnet.send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
    ec2.modify_subnet_attribute().subnet_id(&subnet).map_public_ip_on_launch(flag(true)).send().await.unwrap();
    let table =
        ec2.create_route_table().vpc_id(&vpc).send().await.unwrap().route_table.unwrap().route_table_id.unwrap();
    let route = || ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").gateway_id(&gateway);
    route().send().await.unwrap();
    let associate = || ec2.associate_route_table().route_table_id(&table).subnet_id(&subnet).send();
    let association = associate().await.unwrap().association_id.unwrap();
    assert_eq!(associate().await.unwrap().association_id.unwrap(), association, "twice is once");
    let read = ec2.describe_route_tables().filters(filter("association.subnet-id", &subnet)).send().await.unwrap();
    assert_eq!(read.route_tables()[0].routes().len(), 2);

    let launched = run(&rig, 1).subnet_id(&subnet).send().await.unwrap();
    let id = ids(&launched).remove(0);
    rig.until_instance(&id, "running").await;
    let seen = instance(&rig, &id).await;
    assert_eq!(seen.private_ip_address(), Some("10.1.1.4"));
    let address = format!("http://{}:8080/version", seen.public_ip_address().unwrap());
    assert_eq!(rig.cloud.get(&address).await.unwrap().body().as_ref(), b"v1", "its public address can be reached");

    let violated = "DependencyViolation";
    assert_eq!(code(ec2.delete_subnet().subnet_id(&subnet).send().await), violated);
    assert_eq!(code(ec2.delete_vpc().vpc_id(&vpc).send().await), violated);
    assert_eq!(code(ec2.delete_route_table().route_table_id(&table).send().await), violated);
    assert_eq!(code(ec2.delete_internet_gateway().internet_gateway_id(&gateway).send().await), violated);
    let detach = || ec2.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send();
    assert_eq!(code(detach().await), violated, "a public address is in use");

    ec2.terminate_instances().instance_ids(&id).send().await.unwrap();
    rig.until_instance(&id, "terminated").await;
    ec2.disassociate_route_table().association_id(&association).send().await.unwrap();
    ec2.delete_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    ec2.delete_route_table().route_table_id(&table).send().await.unwrap();
    ec2.delete_subnet().subnet_id(&subnet).send().await.unwrap();
    detach().await.unwrap();
    ec2.delete_internet_gateway().internet_gateway_id(&gateway).send().await.unwrap();
    ec2.delete_vpc().vpc_id(&vpc).send().await.unwrap();
    assert_eq!(code(ec2.describe_vpcs().vpc_ids(&vpc).send().await), "InvalidVpcID.NotFound");
    let left = ec2.describe_security_groups().filters(of_vpc()).send().await.unwrap();
    assert!(left.security_groups().is_empty(), "what came with the VPC goes with it");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn routes_say_where_they_lead_and_when_nowhere() {
    let rig = rig(options()).await;
    let (ec2, vpc) = (&rig.ec2, &rig.world.vpc);
    let table = ec2.create_route_table().vpc_id(vpc).send().await.unwrap().route_table.unwrap().route_table_id.unwrap();
    let gateway = ec2.create_internet_gateway().send().await.unwrap().internet_gateway.unwrap();
    let gateway = gateway.internet_gateway_id.unwrap();
    let create = || ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0").gateway_id(&gateway);
    assert_eq!(code(create().send().await), "InvalidParameterValue", "the gateway is not attached");
    ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(vpc).send().await.unwrap();
    create().send().await.unwrap();
    ec2.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(vpc).send().await.unwrap();
    let read = ec2.describe_route_tables().route_table_ids(&table).send().await.unwrap();
    let states: Vec<_> = read.route_tables()[0].routes().iter().map(|each| each.state().unwrap().as_str()).collect();
    assert_eq!(states, ["active", "blackhole"]);
    let nowhere = ec2.delete_route().route_table_id(&table).destination_cidr_block("9.0.0.0/8").send().await;
    assert_eq!(code(nowhere), "InvalidRoute.NotFound");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn cidr_blocks_are_checked() {
    let rig = rig(options()).await;
    let vpc = |cidr: &str| rig.ec2.create_vpc().cidr_block(cidr).send();
    for cidr in ["10.0.0.0/8", "10.0.0.1/16", "10.0.0.0/29", "127.251.0.0/16", "0.0.0.0/16"] {
        let expected = if cidr == "0.0.0.0/16" { "not refused" } else { "InvalidVpc.Range" };
        assert_eq!(code(vpc(cidr).await), expected, "{cidr}");
    }
    assert_eq!(code(vpc("nonsense").await), "InvalidParameterValue");
    let made = vpc("10.0.0.0/16").await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let subnet = |cidr: &str| rig.ec2.create_subnet().vpc_id(&made).cidr_block(cidr).send();
    subnet("10.0.0.0/24").await.unwrap();
    assert_eq!(code(subnet("10.0.0.128/25").await), "InvalidSubnet.Conflict");
    assert_eq!(code(subnet("10.9.0.0/24").await), "InvalidSubnet.Range");
    let zone = rig.ec2.create_subnet().vpc_id(&made).cidr_block("10.0.1.0/24").availability_zone("us-east-1a").send();
    assert_eq!(code(zone.await), "InvalidParameterValue");
    let twin = vpc("10.0.0.0/16").await.unwrap().vpc.unwrap().vpc_id.unwrap();
    rig.ec2.create_subnet().vpc_id(&twin).cidr_block("10.0.0.0/24").send().await.unwrap();
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn the_default_vpc_takes_launches_that_name_no_subnet() {
    let rig = rig(options()).await;
    let vpc = rig.ec2.create_default_vpc().send().await.unwrap().vpc.unwrap();
    assert_eq!(vpc.is_default(), Some(true));
    assert_eq!(code(rig.ec2.create_default_vpc().send().await), "DefaultVpcAlreadyExists");
    let subnets = rig.ec2.describe_subnets().filters(filter("default-for-az", "true")).send().await.unwrap();
    assert_eq!(subnets.subnets().len(), 3);
    let launched = rig.ec2.run_instances().image_id(V1).min_count(1).max_count(1).send().await.unwrap();
    assert_eq!(launched.instances()[0].vpc_id(), vpc.vpc_id());
    let account = rig.ec2.describe_account_attributes().attribute_names("default-vpc".into()).send().await.unwrap();
    assert_eq!(account.account_attributes()[0].attribute_values()[0].attribute_value(), vpc.vpc_id());
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn zones_and_types_are_listed() {
    let rig = rig(options()).await;
    let zones = rig.ec2.describe_availability_zones().filters(filter("zone-id", "euw1-az2")).send().await.unwrap();
    assert_eq!(zones.availability_zones()[0].zone_name(), Some("eu-west-1b"));
    let sydney = aws_sdk_ec2::Client::new(&rig.cloud.sdk_config("ap-southeast-2"));
    let zones = sydney.describe_availability_zones().send().await.unwrap();
    assert_eq!(zones.availability_zones()[0].zone_id(), Some("apse2-az1"));
    let arm = rig.ec2.describe_instance_types().filters(filter("processor-info.supported-architecture", "arm64"));
    let arm = arm.filters(filter("burstable-performance-supported", "true")).send().await.unwrap();
    assert_eq!(arm.instance_types().len(), 4);
    let offered = rig.ec2.describe_instance_type_offerings().location_type("availability-zone".into());
    let offered = offered.filters(filter("instance-type", "t3.micro")).send().await.unwrap();
    assert_eq!(offered.instance_type_offerings().len(), 3);
    rig.cloud.shutdown().await;
}
