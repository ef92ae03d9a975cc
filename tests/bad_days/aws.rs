//! AWS on a bad day: throttled calls, lost answers, refusals.
//!
//! What has to be waited out (a lost answer to a launch, throttling everywhere) is in
//! `tests/dev_cloud/in_process/unanswered.rs`, where minutes take milliseconds.

use serde_json::Value;
use switchback::dev::faults::Fault;

use super::scene::{But, Idle};
use crate::world::{World, ami};

/// However often the SDK asks: it gives up after five attempts.
const ATTEMPTS: u64 = 5;

#[tokio::test]
async fn a_flip_that_is_never_answered_is_read_back() {
    let world = World::new().await;
    let load = world.light_load().await;
    world.dev.faults().add(Fault::lose_answer("elbv2:ModifyListener"));
    let ran = world.run(&["--json", "deploy", "ENV", "--image", &ami("v1")]).await.exits(0);
    assert!(ran.lines().iter().any(|l| l["event"]["result"] == "unknown"), "{}", ran.stdout);
    // The time limit of a flip may end the SDK's attempts before there were all five.
    assert!((2..=ATTEMPTS).contains(&world.dev.calls()["elbv2:ModifyListener"]), "{:?}", world.dev.calls());
    let flips = ran.lines().iter().filter(|line| line["event"]["effect"] == "flip").count();
    assert_eq!(flips, 1, "the engine does not flip again: {}", ran.stdout);
    world.no_request_failed(load).await;
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

/// A refusal before the flip: the release is undone, and the message has AWS's own code.
async fn is_undone(fault: Fault, code: &str, doing: &str) {
    let world = World::new().await;
    let load = world.light_load().await;
    world.dev.faults().add(fault);
    let ran = world.deploy("v1").await.exits(4).says("the traffic never moved").says(code).says(doing);
    ran.says("switchback status");
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Empty).await;
    // Once AWS gives what is asked for, the same command does it.
    world.dev.faults().clear();
    world.deploy("v1").await.exits(0);
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn without_capacity_for_all_instances_those_that_were_launched_go_away() {
    let code = "InsufficientInstanceCapacity";
    is_undone(Fault::refuse("ec2:RunInstances", code, "no t3.micro here").after(1), code, "launch 1 instance").await;
}

#[tokio::test]
async fn a_registration_that_is_refused_undoes_the_release() {
    let fault = Fault::refuse("elbv2:RegisterTargets", "AccessDenied", "not authorized to register");
    is_undone(fault, "AccessDenied", "register 2 instance").await;
}

#[tokio::test]
async fn a_flip_that_is_refused_undoes_the_release() {
    let fault = Fault::refuse("elbv2:ModifyListener", "AccessDenied", "not authorized to modify");
    is_undone(fault, "AccessDenied", "move the traffic").await;
}

#[tokio::test]
async fn a_takedown_that_is_refused_stops_half_way_and_goes_on_by_the_same_verb() {
    let world = World::where_v1(&["--on", "/version=status:500"], &[]).await;
    let load = world.light_load().await;
    world.dev.faults().add(Fault::refuse("ec2:TerminateInstances", "UnauthorizedOperation", "you may not"));
    let ran = world.deploy("v1").await.exits(6).says("a person must look").says("UnauthorizedOperation");
    ran.says("terminate 2 instance(s) of green");
    assert_eq!(world.standing("green").await.len(), 2);
    // Looking again changes nothing as long as it is refused.
    world.run(&["abort", "ENV"]).await.exits(6).says("UnauthorizedOperation");
    world.dev.faults().clear();
    world.run(&["abort", "ENV"]).await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Empty).await;
    world.end().await;
}

#[tokio::test]
async fn a_way_back_that_is_refused_stops_half_way_and_a_rollback_goes_on() {
    let world = World::where_v1(&["--on", "/die=exit"], &[But::Bake("2m")]).await;
    let mut deploy = world.start_deploy("v1");
    deploy.recorded("converged").await;
    world.dev.faults().add(Fault::refuse("elbv2:ModifyListener", "AccessDenied", "not authorized to modify"));
    world.kill_the_processes_of("green", 2).await;
    let ran = deploy.end().await.exits(6).says("a person must look").says("move the traffic from green to blue");
    ran.says("AccessDenied").says("switchback status");
    assert_eq!(world.weights().await, [0, 100]);
    world.dev.faults().clear();
    world.run(&["rollback", "ENV"]).await.exits(0);
    world.is_sound("v0", Idle::Kept("v1")).await;
    world.end().await;
}

#[tokio::test]
async fn a_question_that_is_refused_stops_half_way_and_the_same_verb_goes_on() {
    let world = World::but(&[But::Bake("2s")]).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.recorded("converged").await;
    world.dev.faults().add(Fault::refuse("elbv2:DescribeTargetHealth", "AccessDenied", "not authorized to look"));
    let ran = deploy.end().await.exits(6).says("release").says("is baking").says("run the same verb again");
    ran.says("AccessDenied");
    world.lease_is_free();
    world.dev.faults().clear();
    world.deploy("v1").await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn a_question_that_is_throttled_for_longer_than_the_sdk_tries_is_asked_again() {
    let world = World::new().await;
    world.dev.faults().add(Fault::throttle("elbv2:DescribeListeners").after(6).times(ATTEMPTS + 1));
    let ran = world.run(&["--json", "deploy", "ENV", "--image", &ami("v1")]).await.exits(0);
    // The look right before a call has little time: without its answer the call is not sent, and decided anew.
    let asked_again = |l: &Value| l["type"] == "retrying" || l["event"]["result"] == "not-sent";
    assert!(ran.lines().iter().any(asked_again), "{}", ran.stdout);
    let calls = ran.lines().into_iter().find(|l| l["type"] == "aws-calls").unwrap();
    assert!(calls["retries"].as_object().is_some_and(|r| !r.is_empty()), "{calls:#}");
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}
