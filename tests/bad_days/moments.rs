//! Signals at moments that no event marks.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use switchback::dev::faults::{Fault, FaultKind};

use super::scene::{But, Idle, Running};
use crate::world::{World, until};

/// Calls of this operation take effect at once and are answered after 4 seconds.
fn slow(operation: &str) -> Fault {
    Fault::new(operation, FaultKind::Delay(Duration::from_secs(4)))
}

/// Waits until AWS has had a call of this operation.
async fn called(world: &World, operation: &str) {
    until(operation, async || world.dev.calls().contains_key(operation)).await;
}

#[tokio::test]
async fn an_interruption_before_anything_has_begun_leaves_no_trace() {
    let world = World::new().await;
    world.dev.faults().add(slow("ec2:DescribeImages"));
    let deploy = world.start_deploy("v1");
    called(&world, "ec2:DescribeImages").await;
    deploy.signal(Signal::INT);
    let ran = deploy.end().await.exits(130);
    assert_eq!(ran.events(), Vec::<String>::new());
    assert!(!world.journal().exists());
    assert!(world.writes().is_empty(), "{:?}", world.writes());
    world.end().await;
}

#[tokio::test]
async fn the_end_of_a_job_is_an_interruption_and_ends_the_smoke_command_too() {
    let world = World::but(&[But::Gate]).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.reaches_the_gate(&world).await;
    let smoke = std::fs::read_to_string(world.folder().join("waiting")).unwrap();
    let process = format!("/proc/{}", smoke.trim());
    assert!(std::fs::exists(&process).unwrap(), "the smoke command runs as {process}");
    deploy.signal(Signal::TERM);
    deploy.end().await.exits(130).says("run the same verb again");
    until("the smoke command has ended", async || !std::fs::exists(&process).unwrap()).await;
    world.lease_is_free();
    world.open_the_gate();
    world.deploy("v1").await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

/// A deploy whose launch is on its way to AWS.
async fn in_the_middle_of_a_launch() -> (World, Running) {
    let world = World::new().await;
    world.dev.faults().add(slow("ec2:RunInstances").times(1));
    let deploy = world.start_deploy("v1");
    called(&world, "ec2:RunInstances").await;
    (world, deploy)
}

#[tokio::test]
async fn an_interruption_waits_for_the_call_that_is_on_its_way() {
    let (world, deploy) = in_the_middle_of_a_launch().await;
    deploy.signal(Signal::INT);
    deploy.end().await.exits(130);
    world.lease_is_free();
    assert_eq!(world.recorded().last().unwrap(), "outcome", "the answer is recorded");
    world.deploy("v1").await.exits(0);
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

/// A person takes up what was cut short in the middle of a call: it waits until that call cannot land any more, and is
/// interrupted there. How long it waits, and that it then comes to its end, is proven in virtual time: after each call,
/// with the run before dead or at work, in `tests/dev_cloud/in_process/phases.rs`; with a flip that lands late by
/// `a_takeover_by_a_rollback_survives_a_crash_at_every_request` of the simulation.
async fn takes_it_up_and_waits(world: &World, verb: &str) -> Running {
    let mut running = world.start(&[verb, "ENV"]);
    let waits = running.until("the wait", |l| l["type"] == "waiting").await;
    assert!(waits["reason"].as_str().unwrap().contains("may still arrive at AWS"), "{waits}");
    running.signal(Signal::INT);
    running
}

#[tokio::test]
async fn a_second_interruption_ends_at_once_and_leaves_a_journal_that_goes_on() {
    let (world, deploy) = in_the_middle_of_a_launch().await;
    deploy.signal(Signal::INT);
    // Signals of one kind that wait are merged into one, so the second is of the other kind.
    deploy.signal(Signal::TERM);
    deploy.end().await.exits(130);
    assert_eq!(world.recorded().last().unwrap(), "intent", "nobody has waited for the answer");
    let status = world.status().await;
    assert_eq!(status["lease"]["expired"], false, "{status:#}");
    takes_it_up_and_waits(&world, "abort").await.end().await.exits(130);
    world.lease_is_free();
    world.journal_replays().await;
    world.answers("v0").await;
    world.end().await;
}

#[tokio::test]
async fn a_rollback_in_the_middle_of_a_flip_waits_until_the_flip_cannot_land_any_more() {
    let world = World::new().await;
    let load = world.light_load().await;
    world.dev.faults().add(slow("elbv2:ModifyListener").times(1));
    let deploy = world.start_deploy("v1");
    called(&world, "elbv2:ModifyListener").await;
    let rollback = takes_it_up_and_waits(&world, "rollback").await;
    // The deploy gets its answer and may not even write it down.
    deploy.end().await.exits(7).says("taken over by `switchback rollback`");
    rollback.end().await.exits(130);
    assert_eq!(world.recorded().last().unwrap(), "intent");
    world.lease_is_free();
    world.answers("v1").await;
    world.no_request_failed(load).await;
    world.end().await;
}

#[tokio::test]
async fn two_rollbacks_at_the_same_time_take_the_traffic_back_once() {
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    let load = world.light_load().await;
    world.dev.forget_calls();
    let (one, two) = (world.start(&["rollback", "ENV"]), world.start(&["rollback", "ENV"]));
    let (one, two) = tokio::join!(one.end(), two.end());
    let mut codes = [one.code.unwrap(), two.code.unwrap()];
    codes.sort_unstable();
    // Whoever comes second takes over, is told that another one has, or finds that it has happened.
    assert!(codes[0] == 0 && [0, 3, 7].contains(&codes[1]), "{one:#?}\n{two:#?}");
    let started = world.recorded().into_iter().filter(|e| e == "rollback-started").count();
    assert_eq!(started, 1);
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Kept("v1")).await;
    world.end().await;
}

#[tokio::test]
async fn a_sweep_and_a_deploy_at_the_same_time_do_not_disturb_each_other() {
    let world = World::but(&[But::Retain("0s")]).await;
    world.deploy("v1").await.exits(0);
    world.until_it_expires().await;
    let load = world.light_load().await;
    let (sweep, deploy) = (world.start(&["sweep", "ENV"]), world.start_deploy("v2"));
    let (sweep, deploy) = tokio::join!(sweep.end(), deploy.end());
    // One of them has the lease; a deploy that has read before the sweep began is refused.
    let codes = (sweep.code.unwrap(), deploy.code.unwrap());
    assert!([(0, 0), (7, 0), (0, 7), (0, 3)].contains(&codes), "{sweep:#?}\n{deploy:#?}");
    if codes.1 == 0 {
        let last = deploy.lines().pop().unwrap();
        assert_eq!(last["outcome"], Value::from("done"));
    } else {
        world.deploy("v2").await.exits(0);
    }
    world.no_request_failed(load).await;
    world.is_sound("v2", Idle::Kept("v1")).await;
    world.end().await;
}
