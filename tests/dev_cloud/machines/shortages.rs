//! Capacity that is not there: at once, late, of vCPUs, of addresses.

use switchback::dev::Shortage;

use super::*;

fn shortage(instances_max: u32) -> Shortage {
    Shortage { zone: Some("eu-west-1a".into()), instance_type: Some("t3.micro".into()), instances_max, late: false }
}

/// Without retries: the code is one of those that the SDK tries again.
async fn refused(run: Run) -> (u16, String) {
    let once = aws_sdk_ec2::config::Config::builder().retry_config(aws_sdk_ec2::config::retry::RetryConfig::disabled());
    let error = run.customize().config_override(once).send().await.unwrap_err();
    (error.raw_response().unwrap().status().as_u16(), code(Err::<(), _>(error)))
}

#[tokio::test(start_paused = true)]
async fn a_launch_gets_what_there_is_down_to_its_minimum() {
    let rig = rig(options()).await;
    rig.cloud.set_shortages(REGION, vec![shortage(3)]);
    assert_eq!(ids(&run(&rig, 1).max_count(10).send().await.unwrap()).len(), 3);
    let lacking = "InsufficientInstanceCapacity".to_owned();
    assert_eq!(refused(run(&rig, 1)).await, (500, lacking.clone()));
    let elsewhere = || run(&rig, 1).subnet_id(&rig.world.subnets[1]);
    assert_eq!(ids(&elsewhere().send().await.unwrap()).len(), 1, "another zone");
    assert_eq!(ids(&run(&rig, 1).instance_type(InstanceType::T3Small).send().await.unwrap()).len(), 1, "another type");
    rig.cloud.set_shortages(REGION, vec![Shortage { zone: None, ..shortage(0) }]);
    assert_eq!(refused(elsewhere()).await, (500, lacking));
    rig.cloud.set_shortages(REGION, Vec::new());
    assert_eq!(ids(&run(&rig, 2).send().await.unwrap()).len(), 2);
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_shortage_ends_instances_that_were_pending() {
    let rig = rig(options()).await;
    rig.cloud.set_shortages(REGION, vec![Shortage { late: true, ..shortage(1) }]);
    let launched = ids(&run(&rig, 2).send().await.unwrap());
    rig.until_instance(&launched[0], "running").await;
    rig.until_instance(&launched[1], "terminated").await;
    let reason = instance(&rig, &launched[1]).await.state_reason().unwrap().clone();
    assert_eq!(reason.code(), Some("Server.InsufficientInstanceCapacity"));
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_instance_gives_its_capacity_to_another() {
    let rig = rig(options()).await;
    let first = running(&rig).await;
    rig.cloud.set_shortages(REGION, vec![shortage(1)]);
    rig.ec2.stop_instances().instance_ids(&first).send().await.unwrap();
    rig.until_instance(&first, "stopped").await;
    let second = running(&rig).await;
    let once = aws_sdk_ec2::config::Config::builder().retry_config(aws_sdk_ec2::config::retry::RetryConfig::disabled());
    let start = rig.ec2.start_instances().instance_ids(&first).customize().config_override(once).send().await;
    assert_eq!(code(start), "InsufficientInstanceCapacity");
    rig.ec2.terminate_instances().instance_ids(&second).send().await.unwrap();
    rig.ec2.start_instances().instance_ids(&first).send().await.unwrap();
    rig.until_instance(&first, "running").await;
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn vcpus_are_a_quota_of_the_region() {
    let rig = rig(options()).await;
    rig.cloud.set_vcpu_limit(REGION, Some(5));
    assert_eq!(ids(&run(&rig, 1).max_count(9).send().await.unwrap()).len(), 2, "two vCPUs each");
    assert_eq!(code(run(&rig, 1).send().await), "VcpuLimitExceeded");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_subnet_is_full_when_its_addresses_are_taken() {
    let rig = rig(options()).await;
    let vpc = rig.ec2.create_vpc().cidr_block("10.0.0.0/24").send().await.unwrap().vpc.unwrap();
    let subnet = rig.ec2.create_subnet().vpc_id(vpc.vpc_id().unwrap()).cidr_block("10.0.0.16/28").send().await.unwrap();
    let subnet = subnet.subnet.unwrap();
    assert_eq!(subnet.available_ip_address_count(), Some(11), "16 without the five that AWS keeps");
    let here = |min, max| run(&rig, max).min_count(min).subnet_id(subnet.subnet_id().unwrap());
    let launched = here(1, 20).send().await.unwrap();
    assert_eq!(launched.instances().len(), 11);
    assert_eq!(launched.instances()[0].private_ip_address(), Some("10.0.0.20"));
    assert_eq!(code(here(1, 1).send().await), "InsufficientFreeAddressesInSubnet");
    let wanted = |address: &str| here(1, 1).private_ip_address(address).send();
    assert_eq!(code(wanted("10.0.0.21").await), "InvalidIPAddress.InUse");
    assert_eq!(code(wanted("10.0.0.99").await), "InvalidParameterValue");
    let id = launched.instances()[1].instance_id().unwrap();
    rig.ec2.terminate_instances().instance_ids(id).send().await.unwrap();
    rig.until_instance(id, "terminated").await;
    wanted("10.0.0.21").await.unwrap();
    rig.cloud.shutdown().await;
}
