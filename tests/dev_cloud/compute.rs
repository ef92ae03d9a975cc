//! EC2: launches, client tokens, filters, images and the end of instances.

use std::time::Duration;

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};
use switchback::dev::machine::{Architecture, Image, ImageState};
use switchback::dev::{DevCloud, DevOptions};

use super::support::{Rig, V0, V1, code, empty, image, options};

type Run = aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;

fn run(rig: &Rig, image: &str) -> Run {
    let run = rig.ec2.run_instances().image_id(image).instance_type("t3.micro".into()).min_count(1).max_count(1);
    run.subnet_id(&rig.world.subnets[0])
}

async fn ids(run: Run) -> Vec<String> {
    let launched = run.send().await.unwrap();
    launched.instances().iter().filter_map(|each| each.instance_id().map(str::to_owned)).collect()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

#[tokio::test]
async fn a_client_token_launches_once_per_zone_and_refuses_other_parameters() {
    let rig = Rig::start(options(), empty()).await;
    let tokened = || run(&rig, V1).client_token("token-1");
    let first = ids(tokened().max_count(2)).await;
    assert_eq!(ids(tokened().max_count(2)).await, first);
    assert_eq!(code(tokened().max_count(3).send().await), "IdempotentParameterMismatch");
    let elsewhere = ids(tokened().max_count(2).subnet_id(&rig.world.subnets[1])).await;
    assert!(elsewhere.iter().all(|id| !first.contains(id)));
    let found = rig.ec2.describe_instances().filters(filter("client-token", "token-1")).send().await.unwrap();
    assert_eq!(found.reservations().iter().map(|each| each.instances().len()).sum::<usize>(), 4);

    rig.ec2.terminate_instances().set_instance_ids(Some(first.clone())).send().await.unwrap();
    for id in &first {
        rig.until_instance(id, "terminated").await;
    }
    assert_eq!(ids(tokened().max_count(2)).await, first, "the token stands for the terminated instances");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn images_that_cannot_be_launched_are_refused_before_anything_is_launched() {
    let rig = Rig::start(options(), empty()).await;
    let with = |state, architecture| Image { state, architecture, ..image(&[]) };
    rig.cloud.set_image("ami-0000000000000000a", with(ImageState::Available, Architecture::Arm64));
    rig.cloud.set_image("ami-0000000000000000b", with(ImageState::Pending, Architecture::X86_64));
    rig.cloud.set_image("ami-0000000000000000c", with(ImageState::Deregistered, Architecture::X86_64));
    for (image, expected) in [
        ("ami-0000000000000000a", "InvalidParameterValue"),
        ("ami-0000000000000000b", "InvalidAMIID.Unavailable"),
        ("ami-0000000000000000c", "InvalidAMIID.NotFound"),
        ("ami-0000000000000000d", "InvalidAMIID.NotFound"),
        ("nonsense", "InvalidAMIID.Malformed"),
    ] {
        assert_eq!(code(run(&rig, image).send().await), expected, "{image}");
    }
    let found = rig.ec2.describe_images().send().await.unwrap();
    let found: Vec<_> = found.images().iter().filter_map(|image| image.image_id()).collect();
    assert!(found.contains(&"ami-0000000000000000b") && !found.contains(&"ami-0000000000000000c"), "{found:?}");
    assert_eq!(ids(run(&rig, "ami-0000000000000000a").instance_type("t4g.micro".into())).await.len(), 1);

    rig.ec2.deregister_image().image_id(V1).send().await.unwrap();
    assert_eq!(code(run(&rig, V1).send().await), "InvalidAMIID.NotFound");
    let copy = rig.ec2.register_image().name("copy").image_location(V0).send().await.unwrap();
    assert_eq!(ids(run(&rig, copy.image_id().unwrap())).await.len(), 1);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn tags_are_there_from_the_first_moment_and_can_be_filtered_by() {
    let rig = Rig::start(options(), empty()).await;
    let tag = |value: &str| Tag::builder().key("switchback:color").value(value).build();
    let of = |value: &str| TagSpecification::builder().resource_type(ResourceType::Instance).tags(tag(value)).build();
    let green = ids(run(&rig, V1).tag_specifications(of("green"))).await;
    let blue = ids(run(&rig, V1).tag_specifications(of("blue"))).await;
    let find = async |value: &str| -> Vec<String> {
        let found = rig.ec2.describe_instances().filters(filter("tag:switchback:color", value)).send().await.unwrap();
        let all = found.reservations().iter().flat_map(|each| each.instances());
        all.filter_map(|each| each.instance_id().map(str::to_owned)).collect()
    };
    assert_eq!((find("green").await, find("blue").await), (green.clone(), blue.clone()));
    assert_eq!(find("*").await.len(), 2);
    rig.ec2.create_tags().resources(&blue[0]).tags(tag("green")).send().await.unwrap();
    assert_eq!(find("green").await, [green[0].clone(), blue[0].clone()]);
    let unknown = rig.ec2.describe_instances().filters(filter("color", "green")).send().await;
    assert_eq!(code(unknown), "InvalidParameterValue");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn one_unknown_instance_fails_the_whole_call_and_ends_nothing() {
    let rig = Rig::start(options(), empty()).await;
    let id = rig.launch(V1, 1).await.remove(0);
    let bad = "i-0123456789abcdef0";
    let end = rig.ec2.terminate_instances().instance_ids(&id).instance_ids(bad).send().await;
    assert_eq!(code(end), "InvalidInstanceID.NotFound");
    assert_eq!(rig.instance_state(&id).await, "running");
    let malformed = rig.ec2.describe_instances().instance_ids("web-1").send().await;
    assert_eq!(code(malformed), "InvalidInstanceID.Malformed");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn an_instance_that_is_terminated_while_pending_never_runs() {
    let slow = DevOptions { run_delay: Duration::from_millis(200), ..options() };
    let rig = Rig::start(slow, empty()).await;
    let id = ids(run(&rig, V1)).await.remove(0);
    let end = rig.ec2.terminate_instances().instance_ids(&id).send().await.unwrap();
    assert_eq!(end.terminating_instances()[0].previous_state().unwrap().name().unwrap().as_str(), "pending");
    loop {
        match rig.instance_state(&id).await.as_str() {
            "shutting-down" => tokio::time::sleep(Duration::from_millis(10)).await,
            state => break assert_eq!(state, "terminated"),
        }
    }
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_program_that_cannot_be_started_ends_as_a_terminated_instance_with_a_reason() {
    let rig = Rig::start(options(), empty()).await;
    rig.cloud.set_image("ami-000000000000000ff", Image::new(vec!["./no-such-program".into()], 8080));
    let id = ids(run(&rig, "ami-000000000000000ff")).await.remove(0);
    rig.until_instance(&id, "terminated").await;
    let found = rig.ec2.describe_instances().instance_ids(&id).send().await.unwrap();
    let reason = found.reservations()[0].instances()[0].state_reason().unwrap();
    assert_eq!(reason.code(), Some("Server.InternalError"));
    assert!(reason.message().unwrap().contains("no-such-program"), "{reason:?}");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn launch_template_versions_are_numbered_and_never_change() {
    let rig = Rig::start(options(), empty()).await;
    let id = &rig.world.launch_template;
    let data = aws_sdk_ec2::types::RequestLaunchTemplateData::builder().image_id(V1).build();
    rig.ec2.create_launch_template_version().launch_template_id(id).launch_template_data(data).send().await.unwrap();
    let read = rig.ec2.describe_launch_template_versions().launch_template_id(id);
    let read = read.versions("$Default").versions("$Latest").send().await.unwrap();
    let data: Vec<_> =
        read.launch_template_versions().iter().map(|each| each.launch_template_data().unwrap()).collect();
    assert_eq!(data[0].image_id(), Some(V0));
    assert_eq!(
        (data[1].image_id(), data[1].instance_type()),
        (Some(V1), None),
        "nothing is inherited without a source"
    );
    let none = rig.ec2.describe_launch_templates().launch_template_names("nothing").send().await;
    assert_eq!(code(none), "InvalidLaunchTemplateName.NotFoundException");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn two_clouds_and_two_regions_know_nothing_of_each_other() {
    let (one, two) = (Rig::start(options(), empty()).await, DevCloud::start(options()).await.unwrap());
    assert_ne!(one.cloud.network(), two.network());
    for config in [two.sdk_config("eu-west-1"), one.cloud.sdk_config("us-east-1")] {
        let found = aws_sdk_ec2::Client::new(&config).describe_vpcs().send().await.unwrap();
        assert!(found.vpcs().is_empty());
    }
    one.cloud.shutdown().await;
    two.shutdown().await;
}

#[tokio::test]
async fn a_shutdown_leaves_neither_processes_nor_open_ports() {
    let rig = Rig::start(options(), super::support::one()).await;
    let found = rig.ec2.describe_instances().send().await.unwrap();
    let address = found.reservations()[0].instances()[0].private_ip_address().unwrap().to_owned();
    let (endpoint, balancer) = (rig.cloud.endpoint(), rig.world.addresses[0]);
    let places = [endpoint, (balancer, 8080).into(), format!("{address}:8080").parse().unwrap()];
    for place in places {
        assert!(tokio::net::TcpStream::connect(place).await.is_ok(), "{place}");
    }
    rig.cloud.shutdown().await;
    for place in places {
        // A child that another test is just starting holds a copy of every socket between its fork and its exec.
        let mut tries = 0;
        while tokio::net::TcpStream::connect(place).await.is_ok() {
            tries += 1;
            assert!(tries < 100, "{place} is still open");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
