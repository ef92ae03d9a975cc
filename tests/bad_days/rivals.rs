//! Two runs of one environment at the same time.

use std::time::Duration;

use serde_json::Value;
use switchback::dev::DevOptions;
use switchback::dev::machine::Catalogue;

use super::scene::{But, Idle, Running, environment};
use crate::world::{Ran, World, ami, image};

/// Of two runs, one was done and the other was turned away, naming the first; returns whether the first one won.
fn one_wins(first: (u32, Ran), second: (u32, Ran)) -> bool {
    let first_won = first.1.code == Some(0);
    let ((winner, won), (_, lost)) = if first_won { (first, second) } else { (second, first) };
    won.exits(0);
    let lost = lost.exits(7).says("`switchback deploy`").says(&format!("process {winner}")).says("nothing was changed");
    assert_eq!(lost.events(), Vec::<String>::new());
    first_won
}

/// Two deploys that start at the same time.
async fn race(one: &str, other: &str) {
    let world = World::new().await;
    let load = world.light_load().await;
    let (first, second) = (world.start_deploy(one), world.start_deploy(other));
    let (pid_1, pid_2) = (first.pid(), second.pid());
    let (first, second) = tokio::join!(first.end(), second.end());
    let winner = if one_wins((pid_1, first), (pid_2, second)) { one } else { other };
    world.no_request_failed(load).await;
    world.is_sound(winner, Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn of_two_deploys_of_the_same_image_one_wins() {
    race("v1", "v1").await;
}

#[tokio::test]
async fn of_two_deploys_of_different_images_one_wins() {
    race("v1", "v2").await;
}

#[tokio::test]
async fn a_second_deploy_is_turned_away_while_one_runs() {
    let world = World::but(&[But::Gate]).await;
    let mut deploy = world.start_deploy("v1");
    deploy.reaches_the_gate(&world).await;
    let held = format!("process {}", deploy.pid());
    world.dev.forget_calls();
    for version in ["v1", "v2"] {
        let ran = world.deploy(version).await.exits(7).says(&held).says("switchback rollback").says("switchback abort");
        assert_eq!(ran.stdout, "");
    }
    // A scheduler's sweep is no rival.
    world.run(&["sweep", "ENV"]).await.exits(0);
    world.open_the_gate();
    deploy.end().await.exits(0);
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

/// The deploy has lost the lease to this verb, and says so.
async fn gives_way(deploy: Running, verb: &str) {
    let ran = deploy.end().await.exits(7).says(&format!("taken over by `switchback {verb}`")).says("switchback status");
    let last: Value = ran.lines().pop().unwrap();
    assert_eq!((&last["type"], &last["exit"]), (&Value::from("error"), &Value::from(7)));
}

/// `verb` while a deploy is in this phase, whose traffic has moved: back it goes, and the deploy gives way.
async fn takes_the_traffic_back(verb: &str, phase: &str, buts: &[But<'_>]) {
    let world = World::but(buts).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.waits(phase).await;
    let ran = world.run(&["--json", verb, "ENV"]).await.exits(0);
    let flips: Vec<_> = ran.lines().into_iter().filter(|l| l["type"] == "flipped").collect();
    assert_eq!(flips.len(), 1, "{}", ran.stdout);
    assert_eq!((&flips[0]["kind"], &flips[0]["to"]), (&Value::from("rollback"), &Value::from("blue")));
    assert!(flips[0]["ms"].as_u64().unwrap() < 10_000, "at once: {}", flips[0]);
    gives_way(deploy, verb).await;
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Kept("v1")).await;
    world.end().await;
}

#[tokio::test]
async fn a_rollback_takes_the_lease_from_a_deploy_that_converges() {
    takes_the_traffic_back("rollback", "converging", &[But::Quiet("10s")]).await;
}

#[tokio::test]
async fn a_rollback_takes_the_lease_from_a_deploy_that_bakes() {
    takes_the_traffic_back("rollback", "baking", &[But::Bake("10m")]).await;
}

#[tokio::test]
async fn an_abort_takes_the_lease_from_a_deploy_that_converges() {
    takes_the_traffic_back("abort", "converging", &[But::Quiet("10s")]).await;
}

#[tokio::test]
async fn an_abort_takes_the_lease_from_a_deploy_that_bakes() {
    takes_the_traffic_back("abort", "baking", &[But::Bake("10m")]).await;
}

/// `verb` while a deploy is in this phase, whose traffic has not moved: it is undone, and the deploy gives way.
async fn is_undone(verb: &str, phase: &str, options: DevOptions) {
    let world = World::with(options, |_| {}, &environment(&[])).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.waits(phase).await;
    let ran = world.run(&["--json", verb, "ENV"]).await.exits(0);
    assert!(ran.events().contains(&"aborted".into()), "{}", ran.stdout);
    gives_way(deploy, verb).await;
    let by_version = world.no_request_failed(load).await;
    assert_eq!(by_version.into_keys().collect::<Vec<_>>(), ["v0"]);
    world.is_sound("v0", Idle::Empty).await;
    world.end().await;
}

#[tokio::test]
async fn an_abort_undoes_a_deploy_that_waits_for_its_instances_to_run() {
    let options = DevOptions { run_delay: Duration::from_secs(4), ..DevOptions::default() };
    is_undone("abort", "provisioning", options).await;
}

#[tokio::test]
async fn an_abort_undoes_a_deploy_that_warms_up() {
    let catalogue = Catalogue { images: [image("v1", &["--start-delay", "30s"])].into() };
    is_undone("abort", "warming", DevOptions { catalogue, ..DevOptions::default() }).await;
}

#[tokio::test]
async fn a_rollback_undoes_a_deploy_that_warms_up() {
    let catalogue = Catalogue { images: [image("v1", &["--start-delay", "30s"])].into() };
    is_undone("rollback", "warming", DevOptions { catalogue, ..DevOptions::default() }).await;
}

#[tokio::test]
async fn an_abort_undoes_a_deploy_in_its_smoke_checks() {
    let world = World::but(&[But::Gate]).await;
    let mut deploy = world.start_deploy("v1");
    deploy.reaches_the_gate(&world).await;
    world.run(&["abort", "ENV"]).await.exits(0);
    world.open_the_gate();
    gives_way(deploy, "abort").await;
    world.is_sound("v0", Idle::Empty).await;
    world.end().await;
}

#[tokio::test]
async fn an_abort_leaves_a_release_alone_that_is_finished() {
    let world = World::new().await;
    world.run(&["abort", "ENV"]).await.exits(0).says("no release has been recorded");
    world.deploy("v1").await.exits(0);
    world.run(&["abort", "ENV"]).await.exits(0).says("no release is in progress");
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn a_second_image_is_refused_while_a_release_is_unfinished() {
    let world = World::but(&[But::Gate]).await;
    let mut deploy = world.start_deploy("v1");
    deploy.reaches_the_gate(&world).await;
    deploy.signal(rustix::process::Signal::INT);
    deploy.end().await.exits(130);
    let ran = world.deploy("v2").await.exits(3).says("is unfinished: smoke").says("switchback abort");
    assert!(ran.stderr.contains(&format!("--image {}", ami("v1"))), "{}", ran.stderr);
    world.open_the_gate();
    world.deploy("v1").await.exits(0);
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}
