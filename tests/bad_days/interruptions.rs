//! Runs that are cut short: Ctrl-C at every event that a run records.
//!
//! What happens where a run is killed there is proven elsewhere: at every single request of each verb, finished by the
//! same verb and by `reconcile`, and with a `rollback` while the deploy stands still there, in
//! `tests/simulation/exhaustive.rs`; in every phase of a deploy and in each of its calls, followed by every verb, at
//! once and later, in `tests/dev_cloud/in_process/phases.rs`; with the real program and real signals in `tests/kill`.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use rustix::process::Signal;
use switchback::dev::faults::{Fault, FaultKind};

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
        let world = match self {
            Self::Deploy | Self::Rollback => World::new().await,
            Self::Abort => World::but(&[But::Gate]).await,
            Self::Sweep => World::but(&[But::Retain("0s")]).await,
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
