//! Each exit code, reached in earnest: what was said, where the traffic is, what is left.

use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, ForwardActionConfig, TargetGroupTuple};
use serde_json::json;
use switchback::dev::DevOptions;
use switchback::dev::faults::Fault;
use switchback::dev::machine::Catalogue;

use crate::world::{ENVIRONMENT, World, ami, ended, image};

/// A world whose catalogue also holds `version`, which misbehaves like this.
async fn world_with(version: &str, arguments: &[&str]) -> World {
    let catalogue = Catalogue { images: [image(version, arguments)].into() };
    World::with(DevOptions { catalogue, ..DevOptions::default() }, |_| {}, ENVIRONMENT).await
}

impl World {
    /// Somebody else writes these weights into the listener.
    async fn somebody_writes(&self, weights: [i32; 2]) {
        let groups = self.seeded.target_groups.iter().zip(weights);
        let tuple =
            |(arn, weight): (&String, i32)| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build();
        let config = ForwardActionConfig::builder().set_target_groups(Some(groups.map(tuple).collect())).build();
        let action = Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build();
        let modify = self.elb().modify_listener().listener_arn(&self.seeded.listeners[0]).default_actions(action);
        modify.send().await.expect("AWS takes it");
    }
}

#[tokio::test]
async fn an_answer_of_aws_that_the_program_does_not_know_ends_with_1_and_nothing_changed() {
    let world = World::new().await;
    world.dev.faults().add(Fault::refuse("elbv2:DescribeListeners", "SomethingNew", "a rule of tomorrow"));
    let ran =
        world.deploy("v1").await.exits(1).says("SomethingNew").says("a rule of tomorrow").says("nothing was changed");
    assert_eq!(ran.stdout, "");
    let line = world.run(&["--json", "status", "ENV"]).await.exits(1).lines().pop().expect("a line");
    assert_eq!((&line["type"], &line["exit"]), (&json!("error"), &json!(1)), "{line}");
    assert_eq!(world.writes(), [].into());
    assert!(!world.journal().exists());
    world.dev.faults().clear();
    assert_eq!(world.version().await, "v0");
    world.end().await;
}

#[tokio::test]
async fn a_failed_smoke_test_ends_with_4_the_traffic_never_moves_and_the_new_color_is_taken_down() {
    let world = world_with("sick", &["--on", "/version=status:500"]).await;
    let load = world.load().await;
    let ran = world.run(&["deploy", "ENV", "--image", &ami("sick")]).await.exits(4);
    let ran = ran.says("the release failed and the traffic never moved").says("500").says("/version").says("run ");
    assert_eq!(ran.stdout.lines().count(), 1);
    assert_eq!(world.dev.calls().get("elbv2:ModifyListener"), None, "the traffic was touched");
    world.nothing_is_left_of(1).await;
    world.lease_is_free();
    let status = world.status().await;
    assert_eq!((&status["traffic"]["color"], &status["release"]["phase"]), (&json!("blue"), &json!("aborted")));
    assert!(status["release"]["problem"]["saw"].as_str().is_some_and(|saw| saw.contains("500")), "{status:#}");
    let history = world.run(&["history", "ENV"]).await.exits(0);
    assert!(history.stdout.contains("aborted") && history.stdout.contains("500"), "{}", history.stdout);
    assert_eq!(world.no_request_failed(load).await.into_keys().collect::<Vec<_>>(), ["v0"]);
    // And the next release is not in its way.
    world.deploy("v1").await.exits(0);
    assert_eq!(world.version().await, "v1");
    world.end().await;
}

#[tokio::test]
async fn a_color_that_dies_under_traffic_ends_with_5_and_the_traffic_is_back() {
    let world = World::with(DevOptions::default(), |_| {}, &ENVIRONMENT.replace("bake: 1s", "bake: 60s")).await;
    let deploy =
        world.command(&["--json", "deploy", "ENV", "--image", &ami("v1")]).spawn().expect("the program starts");
    world.until_recorded("converged", 1).await;
    assert_eq!(world.version().await, "v1");
    let victims = world.instances("green").await;
    world.ec2().terminate_instances().set_instance_ids(Some(victims)).send().await.expect("terminated");
    let ran = ended(deploy).await.exits(5).says("the release failed and the traffic was moved back").says("got sick");
    let result = ran.lines().pop().expect("a result");
    assert_eq!((&result["outcome"], &result["exit"]), (&json!("moved-back"), &json!(5)));
    assert_eq!(world.version().await, "v0");
    let load = world.load().await;
    let status = world.status().await;
    assert_eq!((&status["traffic"]["color"], &status["release"]["phase"]), (&json!("blue"), &json!("rolled-back")));
    world.lease_is_free();
    assert_eq!(world.no_request_failed(load).await.into_keys().collect::<Vec<_>>(), ["v0"]);
    world.end().await;
}

#[tokio::test]
async fn somebody_elses_write_right_before_the_flip_ends_with_6_and_the_same_verb_goes_on_when_it_is_mended() {
    let world = world_with("slow", &["--on", "/version=late:700ms"]).await;
    let load = world.load().await;
    let deploy = world.command(&["deploy", "ENV", "--image", &ami("slow")]).spawn().expect("the program starts");
    world.until_recorded("warmed", 1).await;
    world.somebody_writes([99, 1]).await;
    let ran = ended(deploy).await.exits(6).says("stopped half-way, a person must look");
    let ran =
        ran.says("the traffic is split: blue=99, green=1").says("written by somebody else").says("switchback status");
    let release = ran.stdout.trim_end().to_owned();
    world.lease_is_free();
    let status = world.run(&["status", "ENV"]).await.exits(0);
    for words in ["blocked", "the traffic is split", "aws elbv2 modify-listener", "to blue"] {
        assert!(status.stdout.contains(words), "no {words:?} in:\n{}", status.stdout);
    }
    // A scheduler's sweep leaves it alone and says so; another image is refused.
    world.run(&["sweep", "ENV"]).await.exits(6).says("the traffic is split");
    world
        .deploy("v1")
        .await
        .exits(3)
        .says("is unfinished")
        .says(&format!("--image {}", ami("slow")))
        .says("switchback abort");
    world.somebody_writes([100, 0]).await;
    let resumed = world.run(&["deploy", "ENV", "--image", &ami("slow")]).await.exits(0).says("going on with release");
    assert_eq!(resumed.stdout.trim_end(), release, "the release id comes first, also of one that goes on");
    assert_eq!(world.version().await, "slow");
    world.no_request_failed(load).await;
    world.end().await;
}

#[tokio::test]
async fn of_two_deploys_at_the_same_time_one_ends_with_7_and_names_the_holder() {
    let world = World::new().await;
    let load = world.load().await;
    let first = world.command(&["deploy", "ENV", "--image", &ami("v1")]).spawn().expect("the program starts");
    let pid = first.id().expect("it runs");
    world.until_recorded("release-started", 1).await;
    world.dev.forget_calls();
    for version in ["v1", "v2"] {
        let held =
            world.deploy(version).await.exits(7).says("is held by `switchback deploy`").says(&format!("process {pid}"));
        let held = held.says("switchback rollback").says("switchback abort");
        assert_eq!(held.stdout, "");
    }
    let line =
        world.run(&["--json", "deploy", "ENV", "--image", &ami("v1")]).await.exits(7).lines().pop().expect("a line");
    assert_eq!((&line["type"], &line["exit"]), (&json!("error"), &json!(7)), "{line}");
    let lease = world.status().await["lease"].clone();
    assert_eq!(
        (&lease["owner"]["pid"], &lease["owner"]["verb"], &lease["expired"]),
        (&json!(pid), &json!("deploy"), &json!(false))
    );
    ended(first).await.exits(0);
    assert_eq!(world.recorded().iter().filter(|event| *event == "release-started").count(), 1);
    assert_eq!(world.instances("green").await.len(), 2, "the loser launched something");
    assert_eq!(world.version().await, "v1");
    world.lease_is_free();
    world.no_request_failed(load).await;
    world.end().await;
}

#[tokio::test]
async fn two_deploys_that_start_together_make_one_release() {
    let world = World::new().await;
    let start = |version: &str| world.command(&["deploy", "ENV", "--image", &ami(version)]).spawn().expect("it starts");
    let (one, other) = (start("v1"), start("v2"));
    let (one, other) = tokio::join!(ended(one), ended(other));
    let mut codes = [one.code, other.code];
    codes.sort();
    let loser = if one.code == Some(0) { &other } else { &one };
    // Whoever comes so late that it reads the other's release already is refused for that.
    assert!(codes == [Some(0), Some(7)] || codes == [Some(0), Some(3)], "{one:?}\n{other:?}");
    assert!(loser.stderr.contains("is held by") || loser.stderr.contains("another run worked"), "{loser:?}");
    assert_eq!(world.recorded().iter().filter(|event| *event == "release-started").count(), 1);
    assert_eq!(world.instances("green").await.len(), 2);
    world.lease_is_free();
    world.end().await;
}

#[tokio::test]
async fn an_abort_takes_the_lease_from_a_deploy_that_runs_and_undoes_it() {
    let world = world_with("slow", &["--on", "/version=late:1500ms"]).await;
    let load = world.load().await;
    let deploy = world.command(&["deploy", "ENV", "--image", &ami("slow")]).spawn().expect("the program starts");
    world.until_recorded("warmed", 1).await;
    let abort = world.run(&["abort", "ENV"]).await.exits(0).says("aborting").says("abort of shop is done");
    assert_eq!(abort.stdout, "");
    let fenced = ended(deploy).await.exits(7).says("was taken over by `switchback abort`").says("switchback status");
    assert_eq!(fenced.stdout.lines().count(), 1);
    world.nothing_is_left_of(1).await;
    world.lease_is_free();
    assert_eq!(world.status().await["release"]["phase"], "aborted");
    assert_eq!(world.dev.calls().get("elbv2:ModifyListener"), None, "the traffic was touched");
    world.run(&["abort", "ENV"]).await.exits(0).says("nothing to do");
    assert_eq!(world.no_request_failed(load).await.into_keys().collect::<Vec<_>>(), ["v0"]);
    world.end().await;
}

#[tokio::test]
async fn a_rollback_checks_that_the_previous_color_can_take_the_traffic_and_force_says_what_it_skips() {
    let world = World::new().await;
    world.deploy("v1").await.exits(0);
    let old = world.instances("blue").await;
    world.ec2().terminate_instances().instance_ids(&old[0]).send().await.expect("terminated");
    crate::world::until("one target is gone", async || {
        world.targets(0).await.values().filter(|state| *state == "healthy").count() == 1
    })
    .await;
    world.dev.forget_calls();
    let refused = world.run(&["rollback", "ENV"]).await.exits(3).says("blue cannot take the traffic: 1 healthy");
    refused.says("at least 2 healthy target(s) on blue").says("--force # flips regardless");
    assert_eq!(world.writes(), [].into());
    assert_eq!(world.version().await, "v1");
    let forced = world.run(&["rollback", "ENV", "--force"]).await.exits(0);
    forced.says("by force, skipping: blue cannot take the traffic: 1 healthy").says("ms after the start");
    assert_eq!(world.version().await, "v0");
    world.lease_is_free();
    world.end().await;
}

#[tokio::test]
async fn an_interrupted_deploy_ends_with_130_and_the_same_verb_goes_on() {
    let world = world_with("slow", &["--start-delay", "1s"]).await;
    let load = world.load().await;
    let deploy = world.command(&["deploy", "ENV", "--image", &ami("slow")]).spawn().expect("the program starts");
    let pid = rustix::process::Pid::from_raw(deploy.id().expect("it runs") as i32).expect("a process id");
    world.until_recorded("provisioned", 1).await;
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is interrupted");
    let ran = ended(deploy).await.exits(130).says("interrupted").says("run the same verb again");
    world.lease_is_free();
    assert_eq!(world.status().await["traffic"]["color"], "blue");
    let again = world.run(&["deploy", "ENV", "--image", &ami("slow")]).await.exits(0);
    assert_eq!(again.stdout, ran.stdout, "another release was made");
    assert_eq!(world.instances("green").await.len(), 2, "instances were launched twice");
    world.lease_is_free();
    world.no_request_failed(load).await;
    world.end().await;
}
