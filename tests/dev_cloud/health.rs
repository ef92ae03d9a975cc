//! Target health: what AWS says about a target from registration to the end of draining.

use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetGroupAttribute};
use switchback::dev::seed::{Seed, SeedCondition, SeedSwitch};

use super::support::{Rig, SICK, V1, code, forward, get, image, one, options};

#[tokio::test]
async fn a_group_that_no_rule_refers_to_is_not_checked_and_weight_0_is_enough_to_be() {
    let rig = Rig::start(options(), one()).await;
    let [blue, green] = rig.world.target_groups.clone();
    let listener = &rig.world.listeners[0];
    rig.elb
        .modify_listener()
        .listener_arn(listener)
        .default_actions(forward([(blue.as_str(), 1)]))
        .send()
        .await
        .unwrap();
    let ids = rig.launch(V1, 1).await;
    rig.register(&green, &ids).await;
    for _ in 0..20 {
        assert_eq!(rig.states(&green).await, ["unused/Target.NotInUse"]);
    }
    rig.forward([1, 0]).await;
    rig.until(&green, "healthy").await;

    // And out again: what its checks have said is forgotten.
    rig.elb
        .modify_listener()
        .listener_arn(listener)
        .default_actions(forward([(blue.as_str(), 1)]))
        .send()
        .await
        .unwrap();
    assert_eq!(rig.states(&green).await, ["unused/Target.NotInUse"]);
    assert_eq!(rig.version().await, "v0");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_target_in_a_zone_that_the_load_balancer_lacks_is_not_in_use() {
    let rig = Rig::start(options(), one()).await;
    let network = rig.cloud.network().replace(".0.0/16", ".9.0/24");
    let made = rig.ec2.create_subnet().vpc_id(&rig.world.vpc).cidr_block(network).availability_zone("eu-west-1c");
    let subnet = made.send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
    let run = rig.ec2.run_instances().image_id(V1).subnet_id(subnet).min_count(1).max_count(1);
    let run = run.instance_type("t3.micro".into()).send().await.unwrap();
    let id = run.instances()[0].instance_id().unwrap().to_owned();
    rig.until_instance(&id, "running").await;
    rig.register(&rig.world.target_groups[1], &[id]).await;
    for _ in 0..20 {
        assert_eq!(rig.states(&rig.world.target_groups[1]).await, ["unused/Target.NotInUse"]);
    }
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_deregistered_target_drains_for_the_whole_delay_and_is_then_gone() {
    let rig = Rig::start(options(), Seed { deregistration_delay_s: 1, ..one() }).await;
    let blue = rig.world.target_groups[0].clone();
    let target = TargetDescription::builder().id(&rig.world.instances[0]).build();
    let began = std::time::Instant::now();
    rig.elb.deregister_targets().target_group_arn(&blue).targets(target.clone()).send().await.unwrap();
    let mut drained = 0;
    while rig.states(&blue).await == ["draining/Target.DeregistrationInProgress"] {
        assert_eq!(get(&format!("{}/version", rig.world.url)).await.0, 503, "a draining target gets no new request");
        drained += 1;
    }
    assert!(drained > 0 && began.elapsed().as_millis() >= 1000, "{drained}");
    assert!(rig.states(&blue).await.is_empty());

    let asked = rig.elb.describe_target_health().target_group_arn(&blue).targets(target.clone()).send().await.unwrap();
    let health = asked.target_health_descriptions()[0].target_health().unwrap();
    assert_eq!(health.reason().unwrap().as_str(), "Target.NotRegistered");
    rig.elb.deregister_targets().target_group_arn(&blue).targets(target).send().await.unwrap();
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_target_can_come_back_while_it_drains() {
    let rig = Rig::start(options(), Seed { deregistration_delay_s: 3600, ..one() }).await;
    let blue = rig.world.target_groups[0].clone();
    let id = rig.world.instances[0].clone();
    let target = TargetDescription::builder().id(&id).build();
    rig.elb.deregister_targets().target_group_arn(&blue).targets(target).send().await.unwrap();
    assert_eq!(rig.states(&blue).await, ["draining/Target.DeregistrationInProgress"]);
    rig.register(&blue, &[id]).await;
    rig.until(&blue, "healthy").await;
    assert_eq!(rig.version().await, "v0");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_target_gets_unhealthy_when_its_program_dies_and_its_machine_lives_on() {
    let rig = Rig::start(options(), one()).await;
    rig.cloud.set_image("ami-000000000000000e1", image(&["--on", "/exit=exit"]));
    let green = rig.world.target_groups[1].clone();
    let ids = rig.launch("ami-000000000000000e1", 1).await;
    rig.register(&green, &ids).await;
    rig.until(&green, "healthy").await;
    rig.forward([0, 1]).await;
    assert_eq!(get(&format!("{}/exit", rig.world.url)).await.0, 502);
    rig.until(&green, "unhealthy/Target.FailedHealthChecks").await;
    assert_eq!(rig.instance_state(&ids[0]).await, "running");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn an_unhealthy_group_is_sent_to_all_the_same_and_never_another_group_instead() {
    let rig = Rig::start(options(), one()).await;
    let green = rig.world.target_groups[1].clone();
    rig.forward([0, 1]).await;
    assert_eq!(get(&rig.world.url).await.0, 503, "blue has healthy targets, green is empty");
    let ids = rig.launch(SICK, 1).await;
    rig.register(&green, &ids).await;
    rig.until(&green, "unhealthy/Target.ResponseCodeMismatch").await;
    assert_eq!(rig.version().await, "sick");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_rule_is_as_good_as_a_default_action_and_a_dns_switch_has_a_balancer_per_color() {
    let switch = SeedSwitch::Rule { priority: 10, condition: SeedCondition::Path("/ver*".into()) };
    let rig = Rig::start(options(), Seed { switch, ..one() }).await;
    assert_eq!(get(&rig.world.url).await.0, 404);
    assert_eq!(rig.version().await, "v0");
    rig.cloud.shutdown().await;

    let switch = SeedSwitch::Dns { zone: "example.com".into(), record: "shop.example.com".into() };
    let rig = Rig::start(options(), Seed { switch, ..one() }).await;
    assert_eq!(rig.version().await, "v0");
    assert_eq!(rig.cloud.resolve("shop.example.com"), Some(rig.world.addresses[0]));
    assert_eq!(rig.cloud.resolve("nothing.example.com"), None);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn only_running_instances_of_the_same_network_can_be_registered() {
    let rig = Rig::start(options(), one()).await;
    let green = &rig.world.target_groups[1];
    let register = async |id: &str| {
        let target = TargetDescription::builder().id(id).build();
        code(rig.elb.register_targets().target_group_arn(green).targets(target).send().await)
    };
    assert_eq!(register("i-0123456789abcdef0").await, "InvalidTarget");
    rig.ec2.terminate_instances().instance_ids(&rig.world.instances[0]).send().await.unwrap();
    assert_eq!(register(&rig.world.instances[0]).await, "InvalidTarget");
    assert!(rig.states(green).await.is_empty());

    let bad = TargetGroupAttribute::builder().key("deregistration_delay.timeout_seconds").value("3601").build();
    let set = rig.elb.modify_target_group_attributes().target_group_arn(green).attributes(bad).send().await;
    assert_eq!(code(set), "ValidationError");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn recovery_needs_as_many_passing_checks_in_a_row_as_the_group_says() {
    let rig = Rig::start(options(), one()).await;
    let blue = &rig.world.target_groups[0];
    let modify = |path: &str| {
        let modify = rig.elb.modify_target_group().target_group_arn(blue).health_check_path(path);
        modify.healthy_threshold_count(10).send()
    };
    modify("/no-such-path").await.unwrap();
    rig.until(blue, "unhealthy/Target.ResponseCodeMismatch").await;
    let began = std::time::Instant::now();
    modify("/healthz").await.unwrap();
    rig.until(blue, "healthy").await;
    // The interval of 5 s is a fiftieth here; ten checks are nine intervals apart.
    assert!(began.elapsed().as_millis() >= 900, "{:?}", began.elapsed());
    rig.cloud.shutdown().await;
}
