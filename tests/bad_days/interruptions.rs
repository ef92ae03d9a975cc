//! Runs that are cut short: Ctrl-C and SIGKILL at every event that a run records.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use rustix::process::Signal;
use switchback::dev::faults::{Fault, FaultKind};
use switchback::engine::DeployRequest;
use switchback::release::Ending;

use super::scene::{But, Idle, Running};
use crate::world::{World, ami};

/// So many worlds at the same time.
const WORLDS: usize = 6;
/// Calls that change something are answered so much later, so that a run can be cut short between call and answer.
const ANSWER_DELAY: Duration = Duration::from_millis(150);

/// The run that is cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Deploy,
    Rollback,
    Abort,
    Sweep,
}

impl Verb {
    fn arguments(self) -> Vec<String> {
        let words: &[&str] = match self {
            Self::Deploy => &["deploy", "ENV", "--image", &ami("v1")],
            Self::Rollback => &["rollback", "ENV"],
            Self::Abort => &["abort", "ENV"],
            Self::Sweep => &["sweep", "ENV"],
        };
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    /// A world in which the verb has something to do.
    async fn world(self) -> World {
        // Whoever comes minutes later still has time to get healthy.
        let time = But::HealthTimeout("10m");
        let world = match self {
            Self::Deploy | Self::Rollback => World::but(&[time]).await,
            Self::Abort => World::but(&[time, But::Gate]).await,
            Self::Sweep => World::but(&[time, But::Retain("0s")]).await,
        };
        match self {
            Self::Deploy => {}
            Self::Rollback => drop(world.deploy("v1").await.exits(0)),
            Self::Abort => {
                let mut deploy = world.start_deploy("v1");
                deploy.reaches_the_gate(&world).await;
                deploy.signal(Signal::INT);
                deploy.end().await.exits(130);
            }
            Self::Sweep => {
                world.deploy("v1").await.exits(0);
                world.until_it_expires().await;
            }
        }
        for call in ["ec2:RunInstances", "elbv2:RegisterTargets", "elbv2:ModifyListener", "elbv2:DeregisterTargets"] {
            world.dev.faults().add(Fault::new(call, FaultKind::Delay(ANSWER_DELAY)));
        }
        world
    }

    fn start(self, world: &World) -> Running {
        let arguments = self.arguments();
        world.start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What is there when it is done: the version with the traffic, and what stands on the other color.
    fn result(self) -> (&'static str, Idle<'static>) {
        match self {
            Self::Deploy => ("v1", Idle::Kept("v0")),
            Self::Rollback => ("v0", Idle::Kept("v1")),
            Self::Abort => ("v0", Idle::Empty),
            Self::Sweep => ("v1", Idle::Empty),
        }
    }

    /// The same verb a while later, in this process: no lease and no call of an earlier run is left by then.
    async fn again_later(self, world: &World) -> Ending {
        let engine = world.later(140);
        let finish = match self {
            Self::Deploy => {
                engine.deploy(&DeployRequest { image: ami("v1"), accept_smaller: false, detach: false }).await
            }
            Self::Rollback => engine.rollback(false).await,
            Self::Abort => engine.abort().await,
            Self::Sweep => engine.sweep().await,
        };
        finish.unwrap_or_else(|error| panic!("{self:?}: {error}")).ending
    }
}

/// Every event of a run that is not disturbed, by name.
async fn events_of(verb: Verb) -> Vec<String> {
    let world = verb.world().await;
    let load = world.light_load().await;
    let events = verb.start(&world).end().await.exits(0).events();
    world.no_request_failed(load).await;
    let (live, idle) = verb.result();
    world.is_sound(live, idle).await;
    world.end().await;
    events
}

/// Lets `cut` play out for each event of the verb, several at the same time.
async fn at_every_event(verb: Verb, cut: impl AsyncFn(Verb, usize, &[String])) {
    let events = events_of(verb).await;
    assert!(events.len() >= 4, "{events:?}");
    let (cut, events) = (&cut, events.as_slice());
    let all = (1..=events.len()).map(|nth| async move {
        println!("{verb:?} is cut short at event {nth} of {}, {}", events.len(), events[nth - 1]);
        cut(verb, nth, events).await;
    });
    stream::iter(all).buffer_unordered(WORLDS).collect::<()>().await;
}

/// Starts the verb and gives it the signal when its nth event appears.
async fn strike(verb: Verb, world: &World, nth: usize, signal: Signal) -> Running {
    let mut running = verb.start(world);
    for _ in 0..nth {
        running.until("an event", |line| line["type"] == "recorded").await;
    }
    running.signal(signal);
    running
}

async fn interrupted(verb: Verb, nth: usize, events: &[String]) {
    let world = verb.world().await;
    let load = world.light_load().await;
    let ran = strike(verb, &world, nth, Signal::INT).await.end().await;
    let cut_short = ran.code == Some(130);
    if cut_short {
        let ran = ran.says("interrupted").says("run the same verb again");
        assert_ne!(world.recorded().last(), events.last(), "it had done all it had to do:\n{}", ran.stdout);
    } else {
        ran.exits(0);
    }
    world.lease_is_free();
    world.journal_replays().await;
    world.dev.faults().clear();
    if cut_short {
        verb.start(&world).end().await.exits(0);
    }
    world.no_request_failed(load).await;
    let (live, idle) = verb.result();
    world.is_sound(live, idle).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_is_interrupted_at_any_event_is_finished_by_the_same_command() {
    at_every_event(Verb::Deploy, interrupted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_is_interrupted_at_any_event_is_finished_by_the_same_command() {
    at_every_event(Verb::Rollback, interrupted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_that_is_interrupted_at_any_event_is_finished_by_the_same_command() {
    at_every_event(Verb::Abort, interrupted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_interrupted_at_any_event_is_finished_by_the_same_command() {
    at_every_event(Verb::Sweep, interrupted).await;
}

/// A world whose run was killed at its nth event, with clients that go on.
async fn killed(verb: Verb, nth: usize) -> (World, switchback::dev::load::Load) {
    let world = verb.world().await;
    let load = world.light_load().await;
    let ran = strike(verb, &world, nth, Signal::KILL).await.end().await;
    assert!(matches!(ran.code, None | Some(0)), "{ran:?}");
    world.dev.faults().clear();
    world.journal_replays().await;
    (world, load)
}

async fn killed_and_run_again(verb: Verb, nth: usize, events: &[String]) {
    let (world, load) = killed(verb, nth).await;
    // While the lease of the dead run lasts, only a person may take it.
    let last = world.entries().pop().unwrap();
    if verb == Verb::Deploy && !last["lease_until"].is_null() {
        verb.start(&world).end().await.exits(7).says("a run that died loses the lease at that time");
    }
    let finished = world.recorded().last() == events.last();
    let ending = verb.again_later(&world).await;
    match (finished, &ending) {
        (false, Ending::Done) => {}
        // Nothing is left to do, not even the lease of the dead run is touched.
        (true, Ending::Done | Ending::Nothing(_)) => {}
        // A person who asks for a second rollback is told that there is nothing to go back to.
        (true, Ending::Refused(_)) if verb == Verb::Rollback => {}
        _ => panic!("{verb:?} at {nth}: {ending:?}"),
    }
    world.no_request_failed(load).await;
    let (live, idle) = verb.result();
    world.stands(live, idle).await;
    if !finished {
        world.lease_is_free();
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_is_killed_at_any_event_is_finished_by_the_same_command() {
    at_every_event(Verb::Deploy, killed_and_run_again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_is_killed_at_any_event_is_finished_by_the_same_command() {
    at_every_event(Verb::Rollback, killed_and_run_again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_that_is_killed_at_any_event_is_finished_by_the_same_command() {
    at_every_event(Verb::Abort, killed_and_run_again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_killed_at_any_event_is_finished_by_the_same_command() {
    at_every_event(Verb::Sweep, killed_and_run_again).await;
}

/// A deploy is killed, and somebody wants the old version back at once.
async fn killed_and_undone(by: Verb, nth: usize) {
    let (world, load) = killed(Verb::Deploy, nth).await;
    let last = world.recorded().pop().unwrap();
    if last == "intent" {
        // A call may be on its way: nothing is done before it cannot land any more.
        let ending = by.again_later(&world).await;
        assert!(matches!(ending, Ending::Done), "{by:?} after {nth} events: {ending:?}");
    } else {
        // The lease of the dead run lasts, and a person takes it at once.
        by.start(&world).end().await.exits(0);
    }
    world.no_request_failed(load).await;
    let status = world.status().await;
    match status["release"]["phase"].as_str().unwrap() {
        "aborted" => world.is_sound("v0", Idle::Empty).await,
        "rolled-back" => world.is_sound("v0", Idle::Kept("v1")).await,
        // What is finished is not aborted.
        "retaining" if by == Verb::Abort && last == "retained" => world.stands("v1", Idle::Kept("v0")).await,
        other => panic!("{by:?} after {nth} events: {other}: {status:#}"),
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_is_killed_at_any_event_can_be_rolled_back() {
    at_every_event(Verb::Deploy, async |_, nth, _| killed_and_undone(Verb::Rollback, nth).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_that_is_killed_at_any_event_can_be_aborted() {
    at_every_event(Verb::Deploy, async |_, nth, _| killed_and_undone(Verb::Abort, nth).await).await;
}
