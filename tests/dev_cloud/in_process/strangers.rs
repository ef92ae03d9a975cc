//! Somebody else writes between the last look of a decision and the call that it led to, at every step of every verb:
//! nothing is sent, nothing is overwritten, and what was seen is named. Then a person decides.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, PathPatternConditionConfig, RuleCondition, TargetDescription,
    TargetGroupStickinessConfig,
};
use switchback::dev::faults::Fault;
use switchback::engine::{Finish, Notice, Status};
use switchback::release::{EffectResult, Ending, Event, Problem, Unsent};
use tokio::time::sleep;

use super::super::support::{Rig, forward};
use super::convergence::Stage;
use super::meddling::Meddling;
use super::{options, version};

/// Nothing in it takes long.
const RELEASE: &str = "{ converge: { quiet: 1m, no-requests: 0s }, bake: 1m }";

/// A stage, and the store of its journal.
struct Scene {
    stage: Stage,
    store: Arc<Meddling>,
}

impl Scene {
    async fn new() -> Self {
        let store = Arc::new(Meddling::default());
        let stage = Stage::with_journal(options(), RELEASE, store.clone()).await;
        Self { stage, store }
    }

    /// One in which v1 has the traffic on green, and v0 is kept on blue.
    async fn released() -> Self {
        let mut scene = Self::new().await;
        assert_eq!(scene.stage.deploy().await.ending, Ending::Done);
        scene
    }

    fn rig(&self) -> &Rig {
        &self.stage.rig
    }

    /// When the next intent of this effect has been recorded, somebody else makes this the listener's default action.
    fn somebody_writes(&self, effect: &str, action: Action) {
        let write = self.rig().elb.modify_listener().listener_arn(&self.rig().world.listeners[0]);
        let write = write.default_actions(action);
        self.store.at(effect, async move { drop(write.send().await.unwrap()) });
    }

    fn weights(&self, blue: i32, green: i32) -> Action {
        let [a, b] = &self.rig().world.target_groups;
        forward([(a.as_str(), blue), (b.as_str(), green)])
    }

    async fn live_weights(&self) -> Vec<(String, i32)> {
        let found = self.rig().elb.describe_listeners().listener_arns(&self.rig().world.listeners[0]).send().await;
        let found = found.unwrap();
        let [action] = found.listeners()[0].default_actions() else { panic!("{found:?}") };
        let groups = action.forward_config().unwrap().target_groups().iter();
        let name = |arn: &str| if arn == self.rig().world.target_groups[0] { "blue" } else { "green" };
        let mut weights: Vec<_> =
            groups.map(|g| (name(g.target_group_arn().unwrap()).to_owned(), g.weight().unwrap())).collect();
        weights.sort();
        weights
    }

    /// How often a call was made, by anybody.
    fn calls(&self, call: &str) -> u64 {
        self.rig().cloud.calls().get(call).copied().unwrap_or(0)
    }

    async fn rollback(&mut self) -> Finish {
        let finish = self.stage.engine().rollback(false).await;
        self.stage.listen();
        finish.unwrap()
    }

    async fn adopt(&mut self) -> Finish {
        let finish = self.stage.engine().adopt(Some("it stays".into())).await;
        self.stage.listen();
        finish.unwrap()
    }

    async fn status(&self) -> Status {
        self.stage.engine().status().await.unwrap()
    }

    async fn phase(&self) -> &'static str {
        self.status().await.release.unwrap().phase
    }

    /// What was recorded of calls that were not sent.
    fn not_sent(&self) -> Vec<(Unsent, String)> {
        let of = |notice: &Notice| match notice {
            Notice::Recorded { event, .. } => match &**event {
                Event::Outcome { result: EffectResult::NotSent { why, saw } } => Some((*why, saw.clone())),
                _ => None,
            },
            _ => None,
        };
        self.stage.seen.iter().filter_map(of).collect()
    }

    async fn until_it_expires(&self) {
        sleep(Duration::from_secs(3700)).await;
    }

    /// Makes a rule for another path that sends everything to a target group; its ARN.
    fn rule_to(&self, group: &str) -> impl Future<Output = String> + Send + 'static {
        let path = PathPatternConditionConfig::builder().values("/old/*").build();
        let path = RuleCondition::builder().field("path-pattern").path_pattern_config(path).build();
        let rule = self.rig().elb.create_rule().listener_arn(&self.rig().world.listeners[0]).priority(7);
        let rule = rule.conditions(path).actions(forward([(group, 1)]));
        async move { rule.send().await.unwrap().rules()[0].rule_arn().unwrap().to_owned() }
    }

    async fn end(self) {
        assert!(self.store.is_done(), "somebody else never came to write");
        self.stage.rig.cloud.shutdown().await;
    }
}

fn blocked(finish: &Finish) -> &Problem {
    match &finish.ending {
        Ending::Blocked(problem) => problem,
        other => panic!("not blocked: {other:?}"),
    }
}

fn split(finish: &Finish) {
    let problem = blocked(finish);
    assert!(problem.saw.contains("blue=60, green=40") && problem.saw.contains("somebody else"), "{problem:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_right_before_any_call_of_a_deploy_keeps_that_call_from_being_sent() {
    let steps = [
        ("reference", "elbv2:ModifyListener", 1),
        ("launch", "ec2:RunInstances", 0),
        ("register", "elbv2:RegisterTargets", 0),
        ("flip", "elbv2:ModifyListener", 1),
    ];
    for (effect, call, by_the_stranger) in steps {
        let mut scene = Scene::new().await;
        if effect == "reference" {
            // Green is not in the rule yet.
            let rig = scene.rig();
            let modify = rig.elb.modify_listener().listener_arn(&rig.world.listeners[0]);
            modify.default_actions(forward([(rig.world.target_groups[0].as_str(), 1)])).send().await.unwrap();
        }
        scene.somebody_writes(effect, scene.weights(60, 40));
        let before = scene.calls(call);
        split(&scene.stage.deploy().await);
        assert_eq!(scene.calls(call), before + by_the_stranger, "{effect} was sent");
        assert_eq!(scene.live_weights().await, [("blue".into(), 60), ("green".into(), 40)], "{effect}");
        let [(why, saw)] = &scene.not_sent()[..] else { panic!("{effect}: {:?}", scene.not_sent()) };
        assert_eq!(*why, Unsent::ForeignWriter, "{effect}");
        assert!(saw.contains("somebody else has just changed the listener's default action"), "{effect}: {saw}");
        assert!(saw.contains("blue=60, green=40"), "{effect}: {saw}");
        let seen = scene.status().await.release.unwrap().foreign_write.expect("status names it");
        assert_eq!(&seen.saw, saw);
        // A split cannot be adopted: there is no one live color.
        let Ending::Refused(problem) = scene.adopt().await.ending else { panic!("{effect}: adopted") };
        assert!(problem.expected.contains("one color") && !problem.run.is_empty(), "{problem:?}");
        // It is put right, and the same verb goes on.
        scene.rig().forward([100, 0]).await;
        assert_eq!(scene.stage.deploy().await.ending, Ending::Done, "{effect}");
        sleep(Duration::from_secs(10)).await;
        assert_eq!(version(scene.rig()).await, "v1");
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flip_that_somebody_else_made_is_theirs_until_a_person_takes_it_as_right() {
    let mut scene = Scene::new().await;
    scene.somebody_writes("flip", scene.weights(0, 100));
    let finish = scene.stage.deploy().await;
    let problem = blocked(&finish);
    assert!(problem.saw.contains("all traffic goes to green, written by somebody else"), "{problem:?}");
    assert!(problem.run[0].starts_with("switchback adopt shop.yaml"), "{problem:?}");
    // Once more the same: nobody has decided.
    blocked(&scene.stage.deploy().await);
    let mismatch = scene.status().await.mismatch.expect("status says so");
    assert!(mismatch.run.iter().any(|run| run.starts_with("switchback adopt")), "{mismatch:?}");
    assert_eq!(scene.adopt().await.ending, Ending::Done);
    assert_eq!(scene.phase().await, "converging", "the release goes on from there");
    assert_eq!(scene.stage.deploy().await.ending, Ending::Done);
    assert_eq!(scene.phase().await, "retaining");
    assert_eq!(scene.rollback().await.ending, Ending::Done);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_that_means_the_same_is_noticed_and_started_from() {
    let mut scene = Scene::new().await;
    scene.somebody_writes("flip", scene.weights(7, 0));
    assert_eq!(scene.stage.deploy().await.ending, Ending::Done);
    let [(why, saw)] = &scene.not_sent()[..] else { panic!("{:?}", scene.not_sent()) };
    assert_eq!(*why, Unsent::ForeignWriter);
    assert!(saw.contains("blue=7, green=0"), "{saw}");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_a_weight_is_seen_too_and_left_alone() {
    for (what, words) in
        [("sticky", "stickiness of 600 s"), ("third", "belongs to no color"), ("fixed", "fixed response")]
    {
        let mut scene = Scene::new().await;
        let usual = scene.weights(100, 0);
        let action = match what {
            "sticky" => {
                let mut config = usual.forward_config.clone().unwrap();
                let sticky = TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(600).build();
                config.target_group_stickiness_config = Some(sticky);
                Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
            }
            "third" => {
                let rig = scene.rig();
                let made = rig.elb.create_target_group().name("canary").vpc_id(&rig.world.vpc).port(8080);
                let made = made.protocol("HTTP".into()).send().await.unwrap();
                let canary = made.target_groups()[0].target_group_arn().unwrap();
                let [a, b] = &rig.world.target_groups;
                forward([(a.as_str(), 100), (b.as_str(), 0), (canary, 5)])
            }
            _ => {
                let config = FixedResponseActionConfig::builder().status_code("503").build();
                Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(config).build()
            }
        };
        scene.somebody_writes("flip", action);
        let finish = scene.stage.deploy().await;
        let problem = blocked(&finish);
        assert!(problem.saw.contains(words), "{what}: {problem:?}");
        assert_eq!(scene.not_sent().len(), 1, "{what}");
        let mismatch = scene.status().await.mismatch.expect("status says so");
        assert!(mismatch.saw.contains(words) && mismatch.run.iter().any(|r| r.contains("cloudtrail")), "{mismatch:?}");
        assert!(matches!(scene.adopt().await.ending, Ending::Refused(_)), "{what}");
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_right_before_the_flip_of_a_rollback_is_not_overwritten() {
    let mut scene = Scene::released().await;
    scene.somebody_writes("flip", scene.weights(60, 40));
    let before = scene.calls("elbv2:ModifyListener");
    split(&scene.rollback().await);
    assert_eq!(scene.calls("elbv2:ModifyListener"), before + 1, "somebody's alone");
    scene.rig().forward([0, 100]).await;
    assert_eq!(scene.rollback().await.ending, Ending::Done);
    assert_eq!(scene.live_weights().await, [("blue".into(), 100), ("green".into(), 0)]);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_somebody_else_made_first_is_made() {
    let mut scene = Scene::released().await;
    scene.somebody_writes("flip", scene.weights(100, 0));
    let before = scene.calls("elbv2:ModifyListener");
    assert_eq!(scene.rollback().await.ending, Ending::Done);
    assert_eq!(scene.calls("elbv2:ModifyListener"), before + 1, "somebody's alone");
    assert_eq!(scene.not_sent().len(), 1, "and it is written down that it was");
    assert_eq!(scene.phase().await, "rolled-back");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_write_right_before_any_call_of_a_sweep_keeps_that_call_from_being_sent() {
    for (effect, call) in [("deregister", "elbv2:DeregisterTargets"), ("terminate", "ec2:TerminateInstances")] {
        let mut scene = Scene::released().await;
        scene.until_it_expires().await;
        scene.somebody_writes(effect, scene.weights(60, 40));
        split(&scene.stage.sweep().await);
        assert_eq!(scene.calls(call), 0, "{effect} was sent");
        let [(why, _)] = &scene.not_sent()[..] else { panic!("{:?}", scene.not_sent()) };
        assert_eq!(*why, Unsent::ForeignWriter);
        scene.rig().forward([0, 100]).await;
        assert_eq!(scene.stage.sweep().await.ending, Ending::Done);
        assert_eq!(scene.calls("ec2:TerminateInstances"), 1);
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_comes_right_before_a_takedown_saves_what_it_sends_to() {
    for (effect, call) in [("deregister", "elbv2:DeregisterTargets"), ("terminate", "ec2:TerminateInstances")] {
        let mut scene = Scene::released().await;
        scene.until_it_expires().await;
        let rule = scene.rule_to(&scene.rig().world.target_groups[0]);
        scene.store.at(effect, async move { drop(rule.await) });
        let finish = scene.stage.sweep().await;
        let problem = blocked(&finish);
        assert!(problem.saw.contains("the rule 7 of the listener on port"), "{problem:?}");
        assert!(problem.saw.contains("sends all its traffic to blue"), "{problem:?}");
        assert_eq!(scene.calls(call), 0, "{effect} was sent");
        assert!(scene.not_sent()[0].1.contains("the rule 7"), "{:?}", scene.not_sent());
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_does_not_start_while_another_rule_sends_to_the_idle_color() {
    let mut scene = Scene::new().await;
    let rule = scene.rule_to(&scene.rig().world.target_groups[1]).await;
    let Ending::Refused(problem) = scene.stage.deploy().await.ending else { panic!("it started") };
    assert!(problem.saw.contains("the rule 7 of the listener on port"), "{problem:?}");
    assert!(problem.saw.contains("sends all its traffic to green"), "{problem:?}");
    assert!(problem.run[0].contains("describe-rules") && problem.run[0].contains(&rule), "{problem:?}");
    assert!(scene.stage.seen.is_empty(), "nothing was recorded: {:?}", scene.stage.seen);
    scene.rig().elb.delete_rule().rule_arn(rule).send().await.unwrap();
    assert_eq!(scene.stage.deploy().await.ending, Ending::Done);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn instances_are_not_registered_where_another_rule_has_just_come_to_send_to() {
    // Seen by the decision for the next call, or by the last look right before the call itself.
    for effect in ["launch", "register"] {
        let mut scene = Scene::new().await;
        let rule = scene.rule_to(&scene.rig().world.target_groups[1]);
        let (told, made) = tokio::sync::oneshot::channel();
        scene.store.at(effect, async move { told.send(rule.await).unwrap() });
        let finish = scene.stage.deploy().await;
        let problem = blocked(&finish);
        assert!(problem.saw.contains("the rule 7"), "what it sends to is not taken down either: {problem:?}");
        assert_eq!(scene.calls("elbv2:RegisterTargets"), 0, "after {effect}");
        let failed = scene.stage.seen.iter().find_map(|notice| match notice {
            Notice::Recorded { event, .. } => match &**event {
                Event::Failed { problem } => Some(problem.clone()),
                _ => None,
            },
            _ => None,
        });
        let failed = failed.expect("it has failed");
        assert!(failed.saw.contains("the rule 7") && failed.saw.contains("to green"), "{failed:?}");
        assert!(failed.run[0].contains("describe-rules"), "{failed:?}");
        match &scene.not_sent()[..] {
            [] => assert_eq!(effect, "launch"),
            [(Unsent::ForeignWriter, saw)] => assert!(effect == "register" && saw.contains("the rule 7"), "{saw}"),
            other => panic!("{other:?}"),
        }
        // The rule goes, and so does what was launched.
        scene.rig().elb.delete_rule().rule_arn(made.await.unwrap()).send().await.unwrap();
        let reconciled = scene.stage.engine().reconcile().await.unwrap();
        scene.stage.listen();
        let Ending::Failed(problem) = reconciled.ending else { panic!("{reconciled:?}") };
        assert!(problem.saw.contains("the rule 7"), "{problem:?}");
        assert_eq!(scene.phase().await, "aborted");
        assert_eq!(scene.stage.deploy().await.ending, Ending::Done);
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_color_that_any_rule_sends_to_is_not_taken_down_until_that_rule_is_gone() {
    let mut scene = Scene::released().await;
    let rule = scene.rule_to(&scene.rig().world.target_groups[0].clone()).await;
    scene.until_it_expires().await;
    for _ in 0..2 {
        let finish = scene.stage.sweep().await;
        let problem = blocked(&finish);
        assert!(problem.saw.contains("the rule 7") && problem.run[0].contains("describe-rules"), "{problem:?}");
    }
    assert_eq!(scene.calls("elbv2:DeregisterTargets"), 0);
    scene.rig().elb.delete_rule().rule_arn(rule).send().await.unwrap();
    assert_eq!(scene.stage.sweep().await.ending, Ending::Done);
    assert_eq!(scene.calls("elbv2:DeregisterTargets"), 1);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_serves_in_another_target_group_is_not_terminated() {
    let mut scene = Scene::released().await;
    let rig = scene.rig();
    let made = rig.elb.create_target_group().name("admin").vpc_id(&rig.world.vpc).port(8080);
    let made = made.protocol("HTTP".into()).send().await.unwrap();
    let admin = made.target_groups()[0].target_group_arn().unwrap().to_owned();
    scene.rule_to(&admin).await;
    let shared = scene.rig().world.instances[0].clone();
    let target = || TargetDescription::builder().id(&shared).build();
    scene.rig().elb.register_targets().target_group_arn(&admin).targets(target()).send().await.unwrap();
    scene.until_it_expires().await;
    let finish = scene.stage.sweep().await;
    let problem = blocked(&finish);
    assert!(problem.saw.contains(&shared) && problem.saw.contains("another target group"), "{problem:?}");
    assert!(problem.run[0].contains("deregister-targets"), "{problem:?}");
    assert_eq!((scene.calls("ec2:TerminateInstances"), scene.calls("elbv2:DeregisterTargets")), (0, 0));
    scene.rig().elb.deregister_targets().target_group_arn(&admin).targets(target()).send().await.unwrap();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(scene.stage.sweep().await.ending, Ending::Done);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn rules_that_cannot_be_read_are_waited_for_and_nothing_is_taken_down_meanwhile() {
    let mut scene = Scene::released().await;
    scene.until_it_expires().await;
    scene.rig().cloud.faults().add(Fault::refuse("elbv2:DescribeRules", "ThrottlingException", "Rate exceeded"));
    scene.stage.engine().sweep().await.expect_err("it gives up after a while");
    assert_eq!(scene.calls("elbv2:DeregisterTargets"), 0);
    scene.rig().cloud.faults().clear();
    assert_eq!(scene.stage.sweep().await.ending, Ending::Done);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_took_back_after_a_release_can_be_made_the_truth() {
    let mut scene = Scene::released().await;
    scene.rig().forward([100, 0]).await;
    // A new release does not start over it, and what was kept is not taken down.
    let Ending::Refused(problem) = scene.stage.deploy().await.ending else { panic!("it started") };
    assert!(problem.run[0].starts_with("switchback adopt"), "{problem:?}");
    assert_eq!(scene.adopt().await.ending, Ending::Done);
    let release = scene.status().await.release.unwrap();
    assert_eq!((release.phase, release.expires.unwrap().as_str()), ("rolled-back", "green"));
    let adopted = release.adopted.unwrap();
    assert_eq!((adopted.was.as_str(), adopted.live.as_str()), ("green", "blue"));
    assert_eq!(adopted.reason.as_deref(), Some("it stays"));
    assert!(!adopted.by.user.is_empty() && !adopted.by.host.is_empty());
    assert!(matches!(scene.adopt().await.ending, Ending::Nothing(_)), "there is nothing more to adopt");
    assert!(matches!(scene.rollback().await.ending, Ending::Refused(_)), "it is back already");
    // Green is kept for `retain`, and then it is green that goes.
    assert!(matches!(scene.stage.sweep().await.ending, Ending::Nothing(_)));
    scene.until_it_expires().await;
    assert_eq!(scene.stage.sweep().await.ending, Ending::Done);
    assert_eq!(version(scene.rig()).await, "v0");
    assert_eq!(scene.stage.deploy().await.ending, Ending::Done);
    assert_eq!(version(scene.rig()).await, "v1");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_moved_forward_again_after_a_rollback_can_be_made_the_truth() {
    let mut scene = Scene::released().await;
    assert_eq!(scene.rollback().await.ending, Ending::Done);
    scene.rig().forward([0, 100]).await;
    assert_eq!(scene.adopt().await.ending, Ending::Done);
    let release = scene.status().await.release.unwrap();
    assert_eq!((release.phase, release.expires.unwrap().as_str()), ("retaining", "blue"));
    assert_eq!(scene.rollback().await.ending, Ending::Done, "blue is kept, so it can take the traffic");
    assert_eq!(scene.live_weights().await, [("blue".into(), 100), ("green".into(), 0)]);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_color_without_a_healthy_target_cannot_be_adopted() {
    let mut scene = Scene::released().await;
    scene.until_it_expires().await;
    assert_eq!(scene.stage.sweep().await.ending, Ending::Done);
    scene.rig().forward([100, 0]).await;
    let Ending::Refused(problem) = scene.adopt().await.ending else { panic!("adopted") };
    assert!(problem.saw.contains("no healthy target"), "{problem:?}");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_adopted_where_nothing_was_released() {
    let mut scene = Scene::new().await;
    assert!(matches!(scene.adopt().await.ending, Ending::Nothing(_)));
    assert!(scene.stage.seen.is_empty(), "nothing was recorded: {:?}", scene.stage.seen);
    scene.end().await;
}
