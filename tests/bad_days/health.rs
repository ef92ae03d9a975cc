//! New versions that are no good: they never get the traffic, or it is taken back from them.

use super::scene::{But, Idle, environment};
use crate::world::{World, until};

const LOGS: &str = "look at the instances' own logs";

/// `v1`, started with these arguments, never gets the traffic, and the message names the cause.
async fn never_gets_the_traffic(arguments: &[&str], buts: &[But<'_>], cause: &str, next: &str) {
    let world = World::where_v1(arguments, buts).await;
    let load = world.light_load().await;
    let ran = world.deploy("v1").await.exits(4).says("the traffic never moved").says(cause).says(next);
    assert!(!ran.stderr.contains("flip"), "{}", ran.stderr);
    let by_version = world.no_request_failed(load).await;
    assert_eq!(by_version.into_keys().collect::<Vec<_>>(), ["v0"]);
    world.is_sound("v0", Idle::Empty).await;
    // The failure stands in the history, and a release of something better starts from here.
    let history = world.run(&["history", "ENV"]).await.exits(0);
    assert!(history.stdout.contains("aborted"), "{}", history.stdout);
    world.write_environment(&environment(&[]));
    world.deploy("v2").await.exits(0);
    world.is_sound("v2", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn an_instance_that_never_gets_healthy_never_gets_the_traffic() {
    let arguments = ["--on", "/healthz=status:500"];
    never_gets_the_traffic(&arguments, &[But::HealthTimeout("2s")], "unhealthy (Target.ResponseCodeMismatch)", LOGS)
        .await;
}

#[tokio::test]
async fn a_version_that_ends_at_once_never_gets_the_traffic() {
    let buts = [But::HealthTimeout("2s")];
    never_gets_the_traffic(&["--exit-after", "0s"], &buts, "unhealthy (Target.FailedHealthChecks)", LOGS).await;
}

#[tokio::test]
async fn a_smoke_endpoint_that_hangs_keeps_the_traffic_away() {
    let smoke = "  - http: { path: /smoke, attempts: 1, expect: { within: 300ms } }";
    never_gets_the_traffic(&["--on", "/smoke=hang"], &[But::Smoke(smoke)], "300ms", "curl -v").await;
}

#[tokio::test]
async fn a_smoke_endpoint_that_answers_too_late_keeps_the_traffic_away() {
    let smoke = "  - http: { path: /version, attempts: 2, pause: 50ms, expect: { within: 200ms } }";
    never_gets_the_traffic(&["--on", "/version=late:700ms"], &[But::Smoke(smoke)], "200ms", "curl -v").await;
}

#[tokio::test]
async fn a_smoke_endpoint_that_answers_200_with_the_wrong_body_keeps_the_traffic_away() {
    let smoke = "  - http: { path: /version, attempts: 1, expect: { status: 200, body-contains: v1, within: 2s } }";
    never_gets_the_traffic(
        &["--on", "/version=wrong-body"],
        &[But::Smoke(smoke)],
        "this is not what you expected",
        "curl -v",
    )
    .await;
}

#[tokio::test]
async fn a_smoke_endpoint_with_the_wrong_status_keeps_the_traffic_away() {
    never_gets_the_traffic(&["--on", "/version=status:503"], &[], "503", "curl -v").await;
}

#[tokio::test]
async fn a_smoke_command_that_fails_keeps_the_traffic_away() {
    let smoke = "  - command: { run: [sh, -c, 'echo the cart is empty >&2; exit 3'], timeout: 10s }";
    never_gets_the_traffic(&[], &[But::Smoke(smoke)], "the cart is empty", "sh -c").await;
}

#[tokio::test]
async fn an_instance_that_dies_after_the_smoke_test_keeps_the_traffic_away() {
    let world = World::where_v1(&["--on", "/die=exit"], &[But::Gate]).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.reaches_the_gate(&world).await;
    world.kill_the_processes_of("green", 1).await;
    until("the load balancer has seen it", async || world.targets(1).await.values().any(|h| h == "unhealthy")).await;
    world.open_the_gate();
    let ran = deploy.end().await.exits(4).says("right before the flip, green has 1 healthy").says("deploy again");
    let events = ran.events();
    assert!(events.contains(&"smoke-passed".into()) && !events.contains(&"switched".into()), "{events:?}");
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Empty).await;
    world.end().await;
}

#[tokio::test]
async fn traffic_is_taken_back_from_a_color_that_gets_sick_while_it_is_watched() {
    let world = World::where_v1(&["--on", "/die=exit"], &[But::Bake("2m"), But::Retain("0s")]).await;
    let mut deploy = world.start_deploy("v1");
    deploy.recorded("converged").await;
    world.kill_the_processes_of("green", 2).await;
    let ran = deploy.end().await.exits(5).says("the traffic was moved back").says("green got sick under traffic");
    assert!(ran.lines().iter().any(|l| l["type"] == "flipped" && l["kind"] == "rollback"), "{}", ran.stdout);
    assert_eq!(ran.events().iter().filter(|e| *e == "rolled-back").count(), 1);
    // It stays for whoever wants to know what happened, and is then taken down like any other.
    world.is_sound("v0", Idle::Kept("v1")).await;
    let load = world.light_load().await;
    world.until_it_expires().await;
    world.run(&["sweep", "ENV"]).await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Empty).await;
    world.end().await;
}

#[tokio::test]
async fn traffic_is_taken_back_when_nobody_can_tell_who_answers() {
    let arguments = ["--on", "/probe=late:20s"];
    let world = World::where_v1(&arguments, &[But::Probe("/probe"), But::ConvergeTimeout("2s")]).await;
    let load = world.light_load().await;
    world.deploy("v1").await.exits(5).says("the traffic was moved back").says("probes cannot tell who answers");
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Kept("v1")).await;
    world.end().await;
}
