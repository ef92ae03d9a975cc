//! From the SDK's call to the client's answer.

use std::time::{Duration, Instant};

use switchback::dev::DevOptions;
use switchback::dev::seed::Seed;

use super::support::{Rig, SICK, V0, V1, forward, get, options};

#[tokio::test]
async fn a_flip_of_the_weights_moves_every_request_to_the_other_version() {
    let rig = Rig::start(options(), Seed::new(V0)).await;
    let green = rig.world.target_groups[1].clone();
    assert_eq!(rig.version().await, "v0");

    let ids = rig.launch(V1, 2).await;
    rig.register(&green, &ids).await;
    rig.until(&green, "healthy").await;
    assert_eq!(rig.version().await, "v0", "weight 0 gets nothing");

    rig.forward([0, 100]).await;
    for _ in 0..10 {
        assert_eq!(rig.version().await, "v1");
    }
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_target_whose_check_fails_is_unhealthy_for_that_reason() {
    let rig = Rig::start(options(), Seed::new(V0)).await;
    let green = rig.world.target_groups[1].clone();
    let ids = rig.launch(SICK, 1).await;
    rig.register(&green, &ids).await;
    rig.until(&green, "unhealthy/Target.ResponseCodeMismatch").await;
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn terminating_an_instance_ends_its_process_and_leaves_its_target_unused() {
    let rig = Rig::start(options(), Seed { count: 1, ..Seed::new(V0) }).await;
    let id = &rig.world.instances[0];
    let found = rig.ec2.describe_instances().instance_ids(id).send().await.unwrap();
    let address = found.reservations()[0].instances()[0].private_ip_address().unwrap().to_owned();
    assert_eq!(get(&format!("http://{address}:8080/version")).await.0, 200);

    rig.ec2.terminate_instances().instance_ids(id).send().await.unwrap();
    rig.until_instance(id, "terminated").await;
    assert!(tokio::net::TcpStream::connect((address.as_str(), 8080)).await.is_err());
    assert_eq!(rig.states(&rig.world.target_groups[0]).await, ["unused/Target.InvalidState"]);
    assert_eq!(get(&rig.world.url).await.0, 503);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn the_load_balancer_follows_a_rule_only_after_the_propagation_delay() {
    let delay = Duration::from_secs(1);
    let rig = Rig::start(DevOptions { propagation: delay, ..options() }, Seed::new(V0)).await;
    let [blue, green] = rig.world.target_groups.clone();
    let ids = rig.launch(V1, 1).await;
    rig.register(&green, &ids).await;
    rig.until(&green, "healthy").await;

    let began = Instant::now();
    let modify = rig.elb.modify_listener().listener_arn(&rig.world.listeners[0]);
    let done = modify.default_actions(forward([(green.as_str(), 1)])).send().await.unwrap();
    let read = done.listeners()[0].default_actions()[0].target_group_arn().map(str::to_owned);
    assert_eq!(read, Some(green), "the API shows the new rule at once");
    assert_eq!(rig.states(&blue).await, ["unused/Target.NotInUse"; 2]);
    let mut seen = rig.version().await;
    if began.elapsed() < delay {
        assert_eq!(seen, "v0");
    }
    // Blue is out of the rule, but goes on serving until the load balancer follows: no request fails.
    while seen == "v0" {
        seen = rig.version().await;
    }
    assert_eq!(seen, "v1");
    assert!(began.elapsed() >= delay);
    rig.cloud.shutdown().await;
}
