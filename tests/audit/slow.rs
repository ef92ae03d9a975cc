//! AWS answers, but slowly: what rests on an answer must not wait for a quicker one that never comes.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use switchback::dev::faults::{Fault, FaultKind};

use crate::world::{World, ami, ended};

#[tokio::test]
async fn a_rollback_moves_the_traffic_though_every_reading_of_the_listener_takes_longer_than_an_attempt_may() {
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    // Each first attempt is given up after ten seconds, and each second one is answered.
    let slow = FaultKind::Delay(Duration::from_secs(30));
    world.dev.faults().add(Fault::new("elbv2:DescribeListeners", slow).every(2));
    world.elb().describe_listeners().listener_arns(&world.seeded.listeners[0]).send().await.unwrap();
    world.run(&["rollback", "ENV"]).await.exits(0);
    world.answers("v0").await;
    world.end().await;
}

/// A deploy whose flip is never answered, though it happened: for a while nobody knows that nothing more lands.
async fn deploy_with_a_call_that_may_still_land(world: &World) {
    world.dev.faults().add(Fault::lose_answer("elbv2:ModifyListener"));
    world.deploy("v1").await.exits(0);
    world.dev.faults().clear();
}

#[tokio::test]
async fn a_deploy_that_is_interrupted_while_it_waits_for_a_late_call_gives_the_lease_back() {
    let world = World::new().await;
    deploy_with_a_call_that_may_still_land(&world).await;
    let child = world.command(&["deploy", "ENV", "--image", &ami("v2")]).spawn().unwrap();
    let taken = || world.entries().last().is_some_and(|entry| entry["body"].get("lease-acquired").is_some());
    crate::world::until("the second deploy holds the lease", async || taken()).await;
    kill_process(Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap(), Signal::INT).unwrap();
    ended(child).await.exits(130).says("may still arrive").says("the lease is given back");
    world.lease_is_free();
    world.end().await;
}

#[tokio::test]
async fn a_deploy_that_has_waited_for_a_late_call_goes_on_by_itself() {
    let world = World::new().await;
    deploy_with_a_call_that_may_still_land(&world).await;
    world.deploy("v2").await.exits(0).says("may still arrive");
    world.answers("v2").await;
    world.end().await;
}
