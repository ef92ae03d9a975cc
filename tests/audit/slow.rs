//! AWS does not answer, and somebody loses patience.
//!
//! What comes of it without Ctrl-C is in `tests/dev_cloud/in_process/unanswered.rs`.

use rustix::process::{Pid, Signal, kill_process};
use switchback::dev::faults::Fault;

use crate::world::{World, ami, ended};

#[tokio::test]
async fn a_deploy_that_is_interrupted_while_it_waits_for_a_late_call_gives_the_lease_back() {
    let world = World::new().await;
    // The flip is never answered, though it happened: for a while nobody knows that nothing more lands.
    world.dev.faults().add(Fault::lose_answer("elbv2:ModifyListener"));
    world.deploy("v1").await.exits(0);
    world.dev.faults().clear();
    let child = world.command(&["deploy", "ENV", "--image", &ami("v2")]).spawn().unwrap();
    let taken = || world.entries().last().is_some_and(|entry| entry["body"].get("lease-acquired").is_some());
    crate::world::until("the second deploy holds the lease", async || taken()).await;
    kill_process(Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap(), Signal::INT).unwrap();
    ended(child).await.exits(130).says("may still arrive").says("the lease is given back");
    world.lease_is_free();
    world.end().await;
}
