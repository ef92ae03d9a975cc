//! `RunInstances`: tokens, counts, what is checked before anything is launched, and the time until it can be seen.

use aws_sdk_ec2::types::{
    HttpTokensState, InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, Placement, ResourceType,
    ShutdownBehavior, Tag, TagSpecification,
};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_token_is_zonal_where_the_request_names_a_place_and_regional_where_it_does_not() {
    let rig = rig(options()).await;
    rig.ec2.create_default_vpc().send().await.unwrap();
    let tokened = || rig.ec2.run_instances().image_id(V1).min_count(1).max_count(1).client_token("t");
    let regional = ids(&tokened().send().await.unwrap());
    assert_eq!(ids(&tokened().send().await.unwrap()), regional, "the same request is the same launch");
    assert_eq!(code(tokened().max_count(2).send().await), "IdempotentParameterMismatch");
    let zone = |name: &str| tokened().placement(Placement::builder().availability_zone(name).build());
    let zonal = ids(&zone("eu-west-1a").send().await.unwrap());
    let other = ids(&zone("eu-west-1b").send().await.unwrap());
    assert!(zonal != regional && other != zonal);
    assert_eq!(ids(&zone("eu-west-1a").send().await.unwrap()), zonal);
    let subnet = tokened().subnet_id(&rig.world.subnets[0]).send().await;
    assert_eq!(code(subnet), "IdempotentParameterMismatch", "the subnet is in zone a, where the token is used");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_gets_the_instances_as_they_are_now_even_after_their_end() {
    let rig = rig(options()).await;
    let tokened = || run(&rig, 1).client_token("t").send();
    let first = tokened().await.unwrap();
    let state =
        |output: &RunInstancesOutput| output.instances()[0].state().unwrap().name().unwrap().as_str().to_owned();
    assert_eq!(state(&first), "pending");
    rig.until_instance(&ids(&first)[0], "running").await;
    assert_eq!(state(&tokened().await.unwrap()), "running");
    rig.ec2.terminate_instances().instance_ids(&ids(&first)[0]).send().await.unwrap();
    rig.until_instance(&ids(&first)[0], "terminated").await;
    let again = tokened().await.unwrap();
    assert_eq!((ids(&again), state(&again)), (ids(&first), "terminated".to_owned()));
    assert_eq!(again.instances()[0].client_token(), Some("t"));
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_launch_cannot_be_seen_at_once_where_the_api_is_eventually_consistent() {
    let rig = rig(DevOptions { consistency_delay: Duration::from_secs(10), ..options() }).await;
    let launched = ids(&run(&rig, 8).client_token("t").send().await.unwrap());
    let by_id = || rig.ec2.describe_instances().set_instance_ids(Some(launched.clone())).send();
    assert_eq!(code(by_id().await), "InvalidInstanceID.NotFound");
    assert!(find(&rig, &[("client-token", "t")]).await.len() < 8, "filters miss it too");
    let tag = Tag::builder().key("k").value("v").build();
    let tags = rig.ec2.create_tags().set_resources(Some(launched.clone())).tags(tag).send().await;
    assert_eq!(code(tags), "InvalidInstanceID.NotFound");
    sleep(Duration::from_secs(10)).await;
    assert_eq!(find(&rig, &[("client-token", "t")]).await, launched);
    by_id().await.unwrap();
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn everything_that_a_launch_asks_for_can_be_read_back() {
    let rig = rig(options()).await;
    let tag = |value: &str| Tag::builder().key("of").value(value).build();
    let tags =
        |kind: ResourceType| TagSpecification::builder().resource_type(kind.clone()).tags(tag(kind.as_str())).build();
    let metadata = InstanceMetadataOptionsRequest::builder().http_tokens(HttpTokensState::Required);
    let profile = aws_sdk_ec2::types::IamInstanceProfileSpecification::builder().name("web").build();
    let ebs = aws_sdk_ec2::types::EbsBlockDevice::builder().volume_size(20).build();
    let device = aws_sdk_ec2::types::BlockDeviceMapping::builder().device_name("/dev/sdf").ebs(ebs).build();
    let launched = run(&rig, 1)
        .key_name("ops")
        .disable_api_termination(true)
        .instance_initiated_shutdown_behavior(ShutdownBehavior::Terminate)
        .metadata_options(metadata.http_put_response_hop_limit(2).build())
        .iam_instance_profile(profile)
        .block_device_mappings(device)
        .monitoring(aws_sdk_ec2::types::RunInstancesMonitoringEnabled::builder().enabled(true).build())
        .user_data("aGVsbG8=")
        .tag_specifications(tags(ResourceType::Instance))
        .tag_specifications(tags(ResourceType::Volume))
        .tag_specifications(tags(ResourceType::NetworkInterface));
    let id = ids(&launched.send().await.unwrap()).remove(0);
    let seen = instance(&rig, &id).await;
    assert_eq!((seen.key_name(), seen.root_device_name()), (Some("ops"), Some("/dev/xvda")));
    assert_eq!(seen.iam_instance_profile().unwrap().arn(), Some("arn:aws:iam::000000000000:instance-profile/web"));
    let options = seen.metadata_options().unwrap();
    assert_eq!(options.http_tokens(), Some(&HttpTokensState::Required));
    assert_eq!(options.http_put_response_hop_limit(), Some(2));
    assert_eq!(seen.monitoring().unwrap().state().unwrap().as_str(), "enabled");
    assert_eq!(seen.block_device_mappings().len(), 2, "the root volume, and the one that was asked for");
    assert_eq!(seen.security_groups()[0].group_name(), Some("default"), "the VPC's own group, where none is named");
    let interface = &seen.network_interfaces()[0];
    assert_eq!(interface.private_ip_address(), seen.private_ip_address());
    assert_eq!(seen.placement().unwrap().availability_zone_id(), Some("euw1-az1"));

    let found = rig.ec2.describe_tags().filters(filter("key", "of")).send().await.unwrap();
    let mut kinds: Vec<_> = found.tags().iter().map(|tag| tag.resource_type().unwrap().as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["instance", "network-interface", "volume", "volume"]);
    let attribute = rig.ec2.describe_instance_attribute().instance_id(&id).attribute("userData".into());
    assert_eq!(attribute.send().await.unwrap().user_data().unwrap().value(), Some("aGVsbG8="));
    let attribute = rig.ec2.describe_instance_attribute().instance_id(&id);
    let attribute = attribute.attribute("instanceInitiatedShutdownBehavior".into()).send().await.unwrap();
    assert_eq!(attribute.instance_initiated_shutdown_behavior().unwrap().value(), Some("terminate"));
    let data = rig.ec2.get_launch_template_data().instance_id(&id).send().await.unwrap();
    assert_eq!(data.launch_template_data().unwrap().key_name(), Some("ops"));
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_network_interface_stands_for_subnet_and_groups_but_not_beside_them() {
    let rig = rig(options()).await;
    let subnet = &rig.world.subnets[1];
    let interface = || {
        InstanceNetworkInterfaceSpecification::builder()
            .device_index(0)
            .subnet_id(subnet)
            .associate_public_ip_address(true)
    };
    let bare = || rig.ec2.run_instances().image_id(V1).min_count(1).max_count(1);
    let launched = bare().network_interfaces(interface().description("front").build()).send().await.unwrap();
    let id = ids(&launched).remove(0);
    let seen = instance(&rig, &id).await;
    assert_eq!(seen.subnet_id(), Some(subnet.as_str()));
    assert_eq!(seen.public_ip_address(), seen.private_ip_address(), "both are where it can be reached");
    let found =
        rig.ec2.describe_network_interfaces().filters(filter("attachment.instance-id", &id)).send().await.unwrap();
    assert_eq!(found.network_interfaces()[0].description(), Some("front"));
    let both = bare().subnet_id(subnet).network_interfaces(interface().build()).send().await;
    assert_eq!(code(both), "InvalidParameterCombination");
    let group = bare().security_group_ids("sg-0123456789abcdef0").network_interfaces(interface().build()).send().await;
    assert_eq!(code(group), "InvalidParameterCombination");
    assert_eq!(code(bare().send().await), "VPCIdNotSpecified");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_modelled_is_refused_by_name() {
    let rig = rig(options()).await;
    let spot = aws_sdk_ec2::types::InstanceMarketOptionsRequest::builder().market_type("spot".into()).build();
    let refused = run(&rig, 1).instance_market_options(spot).send().await.unwrap_err().into_service_error();
    let said = refused.meta().message().unwrap();
    assert_eq!(refused.meta().code(), Some("UnknownParameter"));
    assert!(said.contains("InstanceMarketOptions"), "{said}");
    let template = aws_sdk_ec2::types::FleetLaunchTemplateSpecificationRequest::builder().build();
    let config =
        aws_sdk_ec2::types::FleetLaunchTemplateConfigRequest::builder().launch_template_specification(template);
    let fleet = rig.ec2.create_fleet().launch_template_configs(config.build()).target_capacity_specification(
        aws_sdk_ec2::types::TargetCapacitySpecificationRequest::builder().total_target_capacity(1).build(),
    );
    assert_eq!(code(fleet.send().await), "InvalidAction");
    rig.cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_whether_it_would_have_worked_and_does_nothing() {
    let rig = rig(options()).await;
    assert_eq!(code(run(&rig, 1).dry_run(true).send().await), "DryRunOperation");
    assert_eq!(
        code(run(&rig, 1).image_id("ami-0123456789abcdef0").dry_run(true).send().await),
        "InvalidAMIID.NotFound"
    );
    assert!(find(&rig, &[]).await.is_empty());
    let id = running(&rig).await;
    let refused = rig.ec2.terminate_instances().instance_ids(&id).dry_run(true).send().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 412);
    assert_eq!(rig.instance_state(&id).await, "running");
    let vpc = rig.ec2.create_vpc().cidr_block("10.0.0.0/16").dry_run(true).send().await;
    assert_eq!(
        (code(vpc), rig.ec2.describe_vpcs().send().await.unwrap().vpcs().len()),
        ("DryRunOperation".to_owned(), 1)
    );
    rig.cloud.shutdown().await;
}
