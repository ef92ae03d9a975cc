//! The states of targets with their reasons, on a clock that the test owns.

use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{TargetDescription, TargetGroupAttribute};
use switchback::dev::app::AppOptions;
use switchback::dev::machine::{Catalogue, Image};
use switchback::dev::seed::Seed;
use switchback::dev::{BalancingOptions, DevCloud, DevOptions};
use tokio::time::sleep;

use super::super::support::{Rig, SICK, V0, V1, code, forward};

/// AWS's own times: nothing is quicker here.
async fn rig(balancing: BalancingOptions, seed: Seed) -> Rig {
    let program = |version: &str, faults: &[&str]| {
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        Image::in_memory(AppOptions { faults, ..AppOptions::new(version) }, 8080)
    };
    let images = [
        (V0.to_owned(), program("v0", &[])),
        (V1.to_owned(), program("v1", &[])),
        (SICK.to_owned(), program("sick", &["/healthz=status:500"])),
    ];
    let catalogue = Catalogue { images: images.into() };
    let options = DevOptions { catalogue, balancing, health_speed: 1, ..DevOptions::default() };
    Rig::on(DevCloud::in_process(options).await.unwrap(), seed, Duration::from_millis(500)).await
}

/// Takes green out of the listener's default action.
async fn only_blue(rig: &Rig) {
    let action = forward([(rig.world.target_groups[0].as_str(), 1)]);
    let modify = rig.elb.modify_listener().listener_arn(&rig.world.listeners[0]).default_actions(action);
    modify.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn from_not_in_use_to_healthy_with_every_step_between() {
    let balancing = BalancingOptions { registration: Duration::from_secs(3), ..BalancingOptions::default() };
    let rig = rig(balancing, Seed { count: 0, ..Seed::new(V0) }).await;
    let green = rig.world.target_groups[1].clone();
    only_blue(&rig).await;
    let ids = rig.launch(V1, 1).await;
    rig.register(&green, &ids).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(rig.states(&green).await, ["unused/Target.NotInUse"]);
    // At weight 0 it is in use.
    rig.forward([100, 0]).await;
    assert_eq!(rig.states(&green).await, ["initial/Elb.RegistrationInProgress"]);
    sleep(Duration::from_secs(4)).await;
    // One pass is enough, whatever the threshold of the group is.
    assert_eq!(rig.states(&green).await, ["healthy"]);
    only_blue(&rig).await;
    assert_eq!(rig.states(&green).await, ["unused/Target.NotInUse"]);
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_make_a_target_unhealthy_with_awss_reason_and_words() {
    let rig = rig(BalancingOptions::default(), Seed { count: 0, ..Seed::new(V0) }).await;
    let green = rig.world.target_groups[1].clone();
    let ids = rig.launch(SICK, 1).await;
    rig.register(&green, &ids).await;
    assert_eq!(rig.states(&green).await, ["initial/Elb.InitialHealthChecking"]);
    // The seed's groups are checked every 5 s and need two failures.
    sleep(Duration::from_secs(11)).await;
    let health = rig.health(&green).await.remove(0);
    assert_eq!(health.reason().unwrap().as_str(), "Target.ResponseCodeMismatch");
    assert_eq!(health.description(), Some("Health checks failed with these codes: [500]"));
    // It recovers only after as many passes as the group says.
    let modify = rig.elb.modify_target_group().target_group_arn(&green).healthy_threshold_count(3);
    modify.health_check_path("/version").send().await.unwrap();
    sleep(Duration::from_secs(9)).await;
    assert_eq!(rig.states(&green).await, ["unhealthy/Target.ResponseCodeMismatch"], "two passes are not three");
    sleep(Duration::from_secs(7)).await;
    assert_eq!(rig.states(&green).await, ["healthy"]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_or_terminated_instance_is_in_an_invalid_state() {
    let rig = rig(BalancingOptions::default(), Seed { count: 1, ..Seed::new(V0) }).await;
    let blue = rig.world.target_groups[0].clone();
    let id = rig.world.instances[0].clone();
    rig.until(&blue, "healthy").await;
    rig.ec2.stop_instances().instance_ids(&id).send().await.unwrap();
    rig.until_instance(&id, "stopped").await;
    assert_eq!(rig.states(&blue).await, ["unused/Target.InvalidState"]);
    assert_eq!(rig.health(&blue).await[0].description(), Some("Target is in the stopped state"));
    let target = TargetDescription::builder().id(&id).build();
    let green = &rig.world.target_groups[1];
    let stopped = rig.elb.register_targets().target_group_arn(green).targets(target).send().await;
    assert_eq!(code(stopped), "InvalidTarget");
    rig.ec2.start_instances().instance_ids(&id).send().await.unwrap();
    rig.until(&blue, "healthy").await;
    rig.ec2.terminate_instances().instance_ids(&id).send().await.unwrap();
    rig.until_instance(&id, "terminated").await;
    assert_eq!(rig.health(&blue).await[0].description(), Some("Target is in the terminated state"));
}

#[tokio::test(start_paused = true)]
async fn a_group_lingers_for_seconds_after_the_last_rule_has_let_go_of_it() {
    let balancing = BalancingOptions { linger: Duration::from_secs(10), ..BalancingOptions::default() };
    let rig = rig(balancing, Seed { count: 0, ..Seed::new(V0) }).await;
    let green = rig.world.target_groups[1].clone();
    let delete = async || rig.elb.delete_target_group().target_group_arn(&green).send().await;
    let refused = delete().await.unwrap_err().into_service_error();
    let said = format!("Target group '{green}' is currently in use by a listener or a rule");
    assert_eq!((refused.meta().code(), refused.meta().message()), (Some("ResourceInUse"), Some(said.as_str())));
    only_blue(&rig).await;
    assert_eq!(code(delete().await), "ResourceInUse");
    sleep(Duration::from_millis(1_900)).await;
    assert_eq!(code(delete().await), "ResourceInUse", "it takes a fifth of the longest time, at least");
    sleep(Duration::from_secs(8)).await;
    delete().await.unwrap();
    delete().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn targets_outside_of_the_load_balancers_zones_come_into_use_when_the_zone_is_enabled() {
    let rig = rig(BalancingOptions::default(), Seed { count: 1, ..Seed::new(V0) }).await;
    let blue = rig.world.target_groups[0].clone();
    rig.until(&blue, "healthy").await;
    // The instance is in the first zone.
    let network = rig.cloud.network().replace(".0.0/16", ".9.0/24");
    let made = rig.ec2.create_subnet().vpc_id(&rig.world.vpc).cidr_block(network).availability_zone("eu-west-1c");
    let third = made.send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
    let set = async |subnets: [&String; 2]| {
        let set = rig.elb.set_subnets().load_balancer_arn(&rig.world.load_balancers[0]);
        set.subnets(subnets[0]).subnets(subnets[1]).send().await.unwrap();
    };
    set([&rig.world.subnets[1], &third]).await;
    let health = rig.health(&blue).await.remove(0);
    assert_eq!(health.reason().unwrap().as_str(), "Target.NotInUse");
    let said = "Target is in an Availability Zone that is not enabled for the load balancer";
    assert_eq!(health.description(), Some(said));
    set([&rig.world.subnets[0], &third]).await;
    rig.until(&blue, "healthy").await;
}

#[tokio::test(start_paused = true)]
async fn draining_takes_the_whole_delay_and_a_target_that_comes_back_begins_anew() {
    let rig = rig(BalancingOptions::default(), Seed { count: 1, ..Seed::new(V0) }).await;
    let blue = rig.world.target_groups[0].clone();
    rig.until(&blue, "healthy").await;
    let delay = TargetGroupAttribute::builder().key("deregistration_delay.timeout_seconds").value("3600").build();
    rig.elb.modify_target_group_attributes().target_group_arn(&blue).attributes(delay).send().await.unwrap();
    let target = TargetDescription::builder().id(&rig.world.instances[0]).build();
    let deregister = async || {
        rig.elb.deregister_targets().target_group_arn(&blue).targets(target.clone()).send().await.unwrap();
    };
    deregister().await;
    sleep(Duration::from_secs(3_599)).await;
    assert_eq!(rig.states(&blue).await, ["draining/Target.DeregistrationInProgress"]);
    rig.register(&blue, &rig.world.instances).await;
    assert_eq!(rig.states(&blue).await, ["initial/Elb.InitialHealthChecking"]);
    rig.until(&blue, "healthy").await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(rig.states(&blue).await, ["healthy"], "the end of the earlier drain is none of its business");
    deregister().await;
    sleep(Duration::from_secs(3_601)).await;
    assert!(rig.states(&blue).await.is_empty());
    deregister().await;
}
