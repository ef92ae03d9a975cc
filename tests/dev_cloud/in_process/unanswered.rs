//! Answers that are lost, throttled or late: nothing is done twice, and what may still land is waited for, no longer
//! than it must be.

use std::time::Duration;

use jiff::Timestamp;
use switchback::dev::faults::{Fault, FaultKind};
use switchback::release::{Effect, EffectResult, Ending, Event};
use tokio::time::sleep;

use super::super::support::{V0, V1};
use super::convergence::Stage;
use super::phases::{Lease, RETAIN, Scene, Verb};
use super::{options, version};

/// However often the SDK asks: it gives up after five attempts.
const ATTEMPTS: u64 = 5;

/// One announced call and the flip after it: until when the call may be sent, what became of it, and when the flip was
/// announced.
struct Announced {
    deadline: Timestamp,
    result: EffectResult,
    flip: Timestamp,
}

impl Scene {
    async fn does(&self, verb: Verb) {
        let ending = self.run(verb, V1).await.unwrap_or_else(|error| panic!("{verb:?}: {error}")).ending;
        assert_eq!(ending, Ending::Done, "{verb:?}");
    }

    /// The first call without a prompt answer that the journal has, with the flip.
    async fn unanswered(&self) -> Announced {
        let log = self.journal.load().await.unwrap();
        let (mut announced, mut found, mut flip) = (None, None, None);
        for (entry, event) in log.events() {
            match event {
                Event::Intent { effect, deadline } => {
                    announced = Some(*deadline);
                    flip = matches!(effect, Effect::Flip { .. }).then_some(entry.at).or(flip);
                }
                Event::Outcome { result } if found.is_none() => {
                    let prompt = matches!(result, EffectResult::Accepted { .. });
                    found = (!prompt).then(|| (announced.expect("announced before"), result.clone()));
                }
                _ => {}
            }
        }
        let (deadline, result) = found.expect("a call had no prompt answer");
        Announced { deadline, result, flip: flip.expect("a flip") }
    }

    /// The flip was announced when the call's time was over, and soon then.
    async fn the_flip_waited(&self) -> EffectResult {
        let Announced { deadline, result, flip } = self.unanswered().await;
        let after = flip.duration_since(deadline).as_secs_f64();
        assert!((0.0..6.0).contains(&after), "the flip came {after} s after the deadline of the call");
        result
    }

    /// The release of `v1` is taken down to the color that has the traffic, some time after the retention.
    async fn is_swept(&self) {
        sleep(RETAIN).await;
        self.does(Verb::Sweep).await;
    }
}

/// A deploy and a sweep with the answer to one call of this operation lost: the SDK asks again, and AWS does it once.
async fn one_lost_answer_is_harmless(operation: &str, calls: u64) -> Scene {
    let scene = Scene::new().await;
    scene.rig.cloud.forget_calls();
    scene.rig.cloud.faults().add(Fault::lose_answer(operation).times(1));
    scene.does(Verb::Deploy).await;
    assert_eq!(version(&scene.rig).await, "v1");
    assert_eq!(scene.standing().await, (4, [2, 2]));
    scene.is_swept().await;
    assert_eq!(scene.standing().await, (2, [0, 2]));
    assert_eq!(scene.rig.cloud.calls()[operation], calls + 1, "it was repeated");
    scene
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_launch_launches_nothing_twice() {
    let scene = one_lost_answer_is_harmless("ec2:RunInstances", 2).await;
    assert!(matches!(scene.the_flip_waited().await, EffectResult::Repeated { .. }));
    scene.ends_clean("v1").await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_registration_is_harmless() {
    let scene = one_lost_answer_is_harmless("elbv2:RegisterTargets", 1).await;
    assert!(matches!(scene.the_flip_waited().await, EffectResult::Repeated { .. }));
    scene.ends_clean("v1").await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_deregistration_is_harmless() {
    one_lost_answer_is_harmless("elbv2:DeregisterTargets", 1).await.ends_clean("v1").await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_a_termination_is_harmless() {
    one_lost_answer_is_harmless("ec2:TerminateInstances", 1).await.ends_clean("v1").await;
}

/// A call of this operation that is never answered, however often the SDK asks.
async fn is_never_answered(operation: &str) {
    let scene = Scene::new().await;
    scene.rig.cloud.faults().add(Fault::lose_answer(operation).times(ATTEMPTS));
    scene.does(Verb::Deploy).await;
    assert!(matches!(scene.the_flip_waited().await, EffectResult::Unknown { .. }));
    assert_eq!(scene.standing().await, (4, [2, 2]), "AWS did it once");
    scene.ends_clean("v1").await;
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_is_never_answered_is_waited_for_and_not_made_twice() {
    is_never_answered("ec2:RunInstances").await;
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_is_never_answered_is_waited_for() {
    is_never_answered("elbv2:RegisterTargets").await;
}

#[tokio::test(start_paused = true)]
async fn a_forced_rollback_that_cannot_read_health_takes_nothing_down_that_has_not_drained() {
    let scene = Scene::new().await;
    scene.deploy_until(V1, ("provisioned", 1), Lease::Free).await;
    // The first look at both colors.
    scene.rig.cloud.faults().add(Fault::throttle("elbv2:DescribeTargetHealth").times(2 * ATTEMPTS));
    assert_eq!(scene.engine().rollback(true).await.unwrap().ending, Ending::Done);
    let log = scene.journal.load().await.unwrap();
    let taken_down = log.events().find_map(|(_, event)| match event {
        Event::Intent { effect: effect @ (Effect::Deregister { .. } | Effect::Terminate { .. }), .. } => Some(effect),
        _ => None,
    });
    assert!(matches!(taken_down, Some(Effect::Deregister { .. })), "{taken_down:?}");
    scene.ends_clean("v0").await;
}

#[tokio::test(start_paused = true)]
async fn throttling_on_every_third_call_slows_a_release_down_and_changes_nothing_else() {
    let scene = Scene::new().await;
    scene.rig.cloud.faults().add(Fault::throttle("*").every(3));
    scene.does(Verb::Deploy).await;
    scene.does(Verb::Rollback).await;
    scene.is_swept().await;
    scene.rig.cloud.faults().clear();
    scene.ends_clean("v0").await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_moves_the_traffic_though_every_reading_of_the_listener_takes_longer_than_an_attempt_may() {
    let scene = Scene::new().await;
    scene.does(Verb::Deploy).await;
    // Each first attempt is given up after ten seconds, and each second one is answered.
    let slow = FaultKind::Delay(Duration::from_secs(30));
    scene.rig.cloud.faults().add(Fault::new("elbv2:DescribeListeners", slow).every(2));
    scene.rig.elb.describe_listeners().listener_arns(&scene.rig.world.listeners[0]).send().await.unwrap();
    scene.does(Verb::Rollback).await;
    scene.rig.cloud.faults().clear();
    scene.ends_clean("v0").await;
}

#[tokio::test(start_paused = true)]
async fn a_deploy_that_has_waited_for_a_late_call_goes_on_by_itself() {
    let rules = "{ converge: { probe: /version, quiet: 1s, no-requests: 0s }, bake: 1s }";
    let mut stage = Stage::new(options(), rules).await;
    // The flip is never answered, though it happened: for a while nobody knows that nothing more lands.
    stage.rig.cloud.faults().add(Fault::lose_answer("elbv2:ModifyListener"));
    assert_eq!(stage.deploy().await.ending, Ending::Done);
    stage.rig.cloud.faults().clear();
    assert!(!stage.waited_for("may still arrive"), "nobody has to wait for a call of their own");
    assert_eq!(stage.deploy_of(V0).await.ending, Ending::Done);
    assert!(stage.waited_for("may still arrive"), "{:#?}", stage.seen);
    sleep(Duration::from_secs(6)).await;
    assert_eq!(version(&stage.rig).await, "v0");
    stage.rig.cloud.shutdown().await;
}
