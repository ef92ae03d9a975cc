//! Somebody else writes to the load balancer in the middle of a release: it is named, and never overwritten.

use std::path::Path;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, ProtocolEnum, RedirectActionConfig, RedirectActionStatusCodeEnum,
    TargetGroupTuple,
};
use serde_json::Value;
use tokio::process::Command;

use super::scene::{But, Idle};
use crate::world::World;

/// What `status` says must be repaired.
async fn mismatch(world: &World) -> (String, Vec<String>) {
    let status = world.status().await;
    let problem = &status["mismatch"];
    let run = problem["run"].as_array().unwrap_or_else(|| panic!("no mismatch: {status:#}"));
    (problem["saw"].to_string(), run.iter().map(|r| r.as_str().unwrap().to_owned()).collect())
}

/// What a shell makes of the repair command as it is printed: the arguments that `aws` is called with.
async fn arguments_of(world: &World, command: &str) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt;
    let aws = world.folder().join("aws");
    std::fs::write(&aws, "#!/bin/sh\nfor argument; do printf '%s\\0' \"$argument\"; done\n").unwrap();
    std::fs::set_permissions(&aws, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", world.folder().display(), std::env::var("PATH").unwrap());
    let ran = Command::new("sh").args(["-c", command]).env("PATH", path).output().await.unwrap();
    assert!(ran.status.success(), "{command}: {}", String::from_utf8_lossy(&ran.stderr));
    let text = String::from_utf8(ran.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Does what the repair command for this color does.
async fn repair(world: &World, run: &[String], color: &str) {
    let ends = [format!("# all traffic to {color}"), format!("# back to {color}")];
    let command = run.iter().find(|r| ends.iter().any(|end| r.ends_with(end)));
    let command = command.unwrap_or_else(|| panic!("no command for {color} in {run:#?}"));
    let arguments = arguments_of(world, command).await;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ["elbv2", "modify-listener", "--listener-arn", listener, "--default-actions", actions, "--region", "eu-west-1"] =
        arguments[..]
    else {
        panic!("{arguments:#?}")
    };
    let actions: Vec<Value> = serde_json::from_str(actions).unwrap();
    let actions = actions.iter().map(|action| {
        assert_eq!(action["Type"], "forward", "{action}");
        let groups = action["ForwardConfig"]["TargetGroups"].as_array().unwrap().iter().map(|group| {
            let weight = i32::try_from(group["Weight"].as_i64().unwrap()).unwrap();
            TargetGroupTuple::builder()
                .target_group_arn(group["TargetGroupArn"].as_str().unwrap())
                .weight(weight)
                .build()
        });
        let forward = ForwardActionConfig::builder().set_target_groups(Some(groups.collect())).build();
        Action::builder().r#type(ActionTypeEnum::Forward).forward_config(forward).build()
    });
    let call = world.elb().modify_listener().listener_arn(listener).set_default_actions(Some(actions.collect()));
    call.send().await.unwrap();
}

/// Somebody splits the traffic while a deploy is in this phase; the repair and the same verb bring it to its end.
async fn split_in(phase: &str, but: But<'_>) {
    let world = World::but(&[but]).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.waits(phase).await;
    world.somebody_writes(60, 40).await;
    let ran = deploy.end().await.exits(6).says("a person must look").says("blue=60, green=40");
    ran.says("written by somebody else").says("all traffic on green").says(&format!("status {}", shown(&world.env())));
    assert_eq!(world.weights().await, [60, 40], "it is never overwritten");
    let (saw, run) = mismatch(&world).await;
    assert!(saw.contains("blue=60, green=40"), "{saw}");
    let status = world.run(&["status", "ENV"]).await.exits(0).stdout;
    assert!(status.contains("a person must decide") && !status.contains("`reconcile` goes on"), "{status}");
    // The same verb stands still as long as nobody has decided.
    world.deploy("v1").await.exits(6).says("blue=60, green=40");
    assert_eq!(world.weights().await, [60, 40]);
    repair(&world, &run, "green").await;
    assert_eq!(world.weights().await, [0, 100]);
    // Short times, so that it is soon over; nothing else has changed in the file.
    world.write_environment(&super::scene::environment(&[]));
    world.deploy("v1").await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test]
async fn a_split_while_a_release_converges_is_named_and_left_alone() {
    split_in("converging", But::Quiet("15s")).await;
}

#[tokio::test]
async fn a_split_while_a_release_bakes_is_named_and_left_alone() {
    split_in("baking", But::Bake("10m")).await;
}

/// Somebody takes the traffic back to blue while a deploy bakes: exit code 6, and what `status` says.
async fn somebody_flips_back() -> (World, switchback::dev::load::Load, Vec<String>) {
    let world = World::but(&[But::Bake("10m")]).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.waits("baking").await;
    world.somebody_writes(100, 0).await;
    let ran = deploy.end().await.exits(6).says("all traffic goes to blue, written by somebody else");
    ran.says("switchback status");
    assert_eq!(world.weights().await, [100, 0]);
    let (saw, run) = mismatch(&world).await;
    assert!(saw.contains("all traffic goes to blue, written by somebody else"), "{saw}");
    world.write_environment(&super::scene::environment(&[]));
    (world, load, run)
}

#[tokio::test]
async fn what_somebody_took_back_while_a_release_bakes_can_be_given_again() {
    let (world, load, run) = somebody_flips_back().await;
    repair(&world, &run, "green").await;
    world.deploy("v1").await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn what_somebody_took_back_while_a_release_bakes_can_be_made_the_truth() {
    let (world, load, run) = somebody_flips_back().await;
    let command = format!("switchback adopt {} #", shown(&world.env()));
    assert!(run.iter().any(|r| r.starts_with(&command)), "{run:#?}");
    assert!(
        run.iter().any(|r| r.starts_with("aws cloudtrail lookup-events ") && r.contains("ModifyListener")),
        "{run:#?}"
    );
    let adopt = world.run(&["adopt", "ENV", "--reason", "v1 lost carts"]).await.exits(0);
    adopt.says("takes the traffic on blue as right: v1 lost carts");
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Kept("v1")).await;
    let status = world.status().await;
    assert_eq!(status["release"]["adopted"]["reason"], "v1 lost carts", "{status:#}");
    assert_eq!(status["release"]["phase"], "rolled-back", "{status:#}");
    world.run(&["status", "ENV"]).await.exits(0);
    world.run(&["adopt", "ENV"]).await.exits(0).says("nothing to adopt");
    world.deploy("v2").await.exits(0);
    world.is_sound("v2", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn what_somebody_took_back_while_a_release_bakes_is_also_right_by_a_forced_rollback() {
    let (world, load, _) = somebody_flips_back().await;
    world.run(&["rollback", "ENV", "--force"]).await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Kept("v1")).await;
    world.end().await;
}

#[tokio::test]
async fn a_write_right_before_the_flip_is_named_and_left_alone() {
    let world = World::but(&[But::Gate]).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.reaches_the_gate(&world).await;
    world.somebody_writes(1, 1).await;
    world.open_the_gate();
    deploy.end().await.exits(6).says("blue=1, green=1").says("all traffic on blue").says("switchback status");
    assert_eq!(world.weights().await, [1, 1]);
    let (_, run) = mismatch(&world).await;
    repair(&world, &run, "blue").await;
    world.deploy("v1").await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn a_write_right_before_the_flip_does_not_keep_an_abort_from_its_work_once_it_is_repaired() {
    let world = World::but(&[But::Gate]).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.reaches_the_gate(&world).await;
    world.somebody_writes(1, 1).await;
    world.open_the_gate();
    deploy.end().await.exits(6);
    // Half of the traffic is on green: it is not taken down.
    world.run(&["abort", "ENV"]).await.exits(6).says("blue=1, green=1");
    assert_eq!(world.standing("green").await.len(), 2);
    let (_, run) = mismatch(&world).await;
    repair(&world, &run, "blue").await;
    world.run(&["abort", "ENV"]).await.exits(0);
    world.no_request_failed(load).await;
    world.is_sound("v0", Idle::Empty).await;
    world.end().await;
}

#[tokio::test]
async fn a_third_target_group_in_the_middle_of_a_release_is_named_and_left_alone() {
    let world = World::but(&[But::Quiet("15s")]).await;
    let mut deploy = world.start_deploy("v1");
    deploy.waits("converging").await;
    let made = world.elb().create_target_group().name("canary").vpc_id(&world.seeded.vpc);
    let made = made.protocol(ProtocolEnum::Http).port(8080).send().await.unwrap();
    let canary = made.target_groups()[0].target_group_arn().unwrap();
    let tuple = |arn: &str, weight| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build();
    let [blue, green] = &world.seeded.target_groups;
    let groups = vec![tuple(blue, 0), tuple(green, 90), tuple(canary, 10)];
    write(&world, forward(groups)).await;
    deploy.end().await.exits(6).says("a person must look").says("canary").says("switchback status");
    assert!(mismatch(&world).await.0.contains("canary"));
    world.deploy("v1").await.exits(6).says("canary");
    repair(&world, &mismatch(&world).await.1, "green").await;
    world.write_environment(&super::scene::environment(&[]));
    world.deploy("v1").await.exits(0);
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn a_redirect_in_the_middle_of_a_release_is_named_and_left_alone() {
    let world = World::but(&[But::Quiet("15s")]).await;
    let mut deploy = world.start_deploy("v1");
    deploy.waits("converging").await;
    let redirect = RedirectActionConfig::builder()
        .host("maintenance.example.com")
        .status_code(RedirectActionStatusCodeEnum::Http302)
        .build();
    write(&world, Action::builder().r#type(ActionTypeEnum::Redirect).redirect_config(redirect).build()).await;
    deploy.end().await.exits(6).says("a person must look").says("redirect").says("switchback status");
    // Not by force either: it is not ours to change.
    world.run(&["rollback", "ENV", "--force"]).await.exits(3).says("redirect");
    repair(&world, &mismatch(&world).await.1, "green").await;
    world.write_environment(&super::scene::environment(&[]));
    world.deploy("v1").await.exits(0);
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

fn forward(groups: Vec<TargetGroupTuple>) -> Action {
    let forward = ForwardActionConfig::builder().set_target_groups(Some(groups)).build();
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(forward).build()
}

async fn write(world: &World, action: Action) {
    let listener = &world.seeded.listeners[0];
    world.elb().modify_listener().listener_arn(listener).default_actions(action).send().await.unwrap();
}
