//! The color that is kept: until when, and how it goes.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use switchback::dev::DevOptions;

use super::scene::{But, Idle, environment};
use crate::world::{Ran, World};

#[tokio::test]
async fn a_sweep_before_the_retention_is_over_says_nothing_and_changes_nothing() {
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    let entries = world.entries().len();
    world.dev.forget_calls();
    let ran = world.run(&["sweep", "ENV"]).await.exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    let dry = world.run(&["sweep", "ENV", "--dry-run"]).await.exits(0);
    assert_eq!((dry.stdout.as_str(), dry.stderr.as_str()), ("shop: nothing has expired\n", ""));
    assert_eq!(world.dev.calls(), BTreeMap::new(), "nothing is asked either");
    assert_eq!(world.entries().len(), entries);
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn a_sweep_after_it_takes_the_color_down_and_a_second_one_finds_nothing() {
    let world = World::but(&[But::Retain("0s")]).await;
    world.deploy("v1").await.exits(0);
    let load = world.light_load().await;
    world.until_it_expires().await;
    let before = world.standing("blue").await;
    world.dev.forget_calls();
    for _ in 0..2 {
        let dry = world.run(&["sweep", "ENV", "--dry-run"]).await.exits(0);
        assert!(before.iter().all(|i| dry.stdout.contains(&i.id)), "{}", dry.stdout);
    }
    assert_eq!(world.writes(), BTreeMap::new());
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.run(&["sweep", "ENV"]).await.exits(0).says("sweep of shop is done");
    world.is_sound("v1", Idle::Empty).await;
    let entries = world.entries().len();
    let again = world.run(&["sweep", "ENV"]).await.exits(0);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("", ""));
    assert_eq!(world.entries().len(), entries);
    world.run(&["rollback", "ENV"]).await.exits(3).says("blue has been taken down").says("switchback deploy");
    world.no_request_failed(load).await;
    world.is_sound("v1", Idle::Empty).await;
    world.end().await;
}

#[tokio::test]
async fn a_file_that_is_broken_does_not_keep_the_others_from_being_swept() {
    let world = World::but(&[But::Retain("0s")]).await;
    world.deploy("v1").await.exits(0);
    world.until_it_expires().await;
    std::fs::write(world.folder().join("broken.yaml"), "name: [").unwrap();
    let ran = world.run(&["sweep", "broken.yaml", "missing.yaml", "ENV"]).await.exits(2);
    let ran = ran.says("broken.yaml").says("missing.yaml").says("sweep of shop is done");
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    world.is_sound("v1", Idle::Empty).await;
    world.end().await;
}

#[tokio::test]
async fn the_color_that_is_kept_is_replaced_by_the_next_deploy_and_never_shipped() {
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    let old = world.standing("blue").await;
    let load = world.light_load().await;
    world.deploy("v2").await.exits(0);
    let by_version = world.no_request_failed(load).await;
    assert_eq!(by_version.into_keys().collect::<Vec<_>>(), ["v1", "v2"], "v0 never comes back");
    world.is_sound("v2", Idle::Kept("v1")).await;
    let new = world.standing("blue").await;
    assert!(old.iter().all(|o| new.iter().all(|n| n.id != o.id)));
    world.end().await;
}

/// When a run announced this effect.
fn announced(ran: &Ran, effect: &str) -> Timestamp {
    let line = ran.lines().into_iter().find(|line| line["event"]["effect"] == effect);
    line.unwrap_or_else(|| panic!("no {effect} in {}", ran.stdout))["at"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_flip_that_the_load_balancer_follows_late_has_not_converged_before() {
    let options = DevOptions { propagation: Duration::from_secs(3), ..DevOptions::default() };
    let world = World::with(options, |_| {}, &environment(&[But::Retain("0s")])).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    let flipped = deploy.recorded("switched").await;
    deploy
        .until("blue is still seen", |l| l["reason"].as_str().is_some_and(|r| r.contains("blue still answered")))
        .await;
    let converged = deploy.recorded("converged").await;
    deploy.end().await.exits(0);
    let time = |line: &serde_json::Value| line["at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let took = time(&converged).duration_since(time(&flipped));
    // The flip was written a moment before it was read back.
    assert!(took.as_millis() > 3_800, "{took:#} for 3 s of propagation and 1 s of quiet");
    // What has just been left is not taken down before the traffic is seen to have left it.
    let back = announced(&world.run(&["--json", "rollback", "ENV"]).await.exits(0), "flip");
    world.until_it_expires().await;
    let taken = announced(&world.run(&["--json", "sweep", "ENV"]).await.exits(0), "deregister");
    let after = taken.duration_since(back);
    assert!(after.as_millis() >= 3_000, "taken down {after:#} after the way back, which took 3 s to reach every node");
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Empty).await;
    world.end().await;
}
