//! A run that ends in any phase of a release, in any way, and every verb that comes next: in virtual time, under load.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use object_store::memory::InMemory;
use switchback::dev::app::AppOptions;
use switchback::dev::load::{Load, LoadOptions};
use switchback::dev::machine::Image;
use switchback::dev::seed::Seed;
use switchback::engine::{DeployRequest, Engine, EngineError, Finish, Notice, Notices, Told};
use switchback::journal::{Acquire, Body, Journal, JournalError, Owner};
use switchback::release::{Color, Effect, Ending, Event, State};
use tempfile::NamedTempFile;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::sleep;

use super::super::support::{Rig, V0, V1};
use super::environment::shop;
use super::release::engine;
use super::{options, rig, version};

const ENVIRONMENT: &str = shop!(
    "\
health: { consecutive: 3, timeout: 5m }
smoke:
  - http: { path: /version, attempts: 1, expect: { within: 2s } }
release: { converge: { probe: /version, quiet: 20s, timeout: 5m, no-requests: 0s }, bake: 4m }
retain: 5m
"
);

/// Longer than a color is kept, also for a run that reads the times of another one.
pub(super) const RETAIN: Duration = Duration::from_secs(5 * 60 + 130);

/// Fails its smoke check.
const BAD: &str = "ami-0000000000000bad0";

/// How the run before ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lease {
    /// It was asked to stop, and gave its lease back.
    Free,
    /// It died, and its lease has expired.
    Stale,
    /// It died this very moment, and its lease is that of a living run.
    Fresh,
    /// It is at work.
    Living,
}

const LEASES: [Lease; 4] = [Lease::Free, Lease::Stale, Lease::Fresh, Lease::Living];

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Rollback,
    Abort,
    Reconcile,
    Deploy,
    Sweep,
}

/// An environment, its journal, and a light load on it.
pub(super) struct Scene {
    pub(super) rig: Rig,
    sdk: SdkConfig,
    pub(super) journal: Journal,
    file: NamedTempFile,
    load: Load,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let mut options = options();
        let bad = AppOptions { faults: vec!["/version=status:500".parse().unwrap()], ..AppOptions::new("bad") };
        options.catalogue.images.insert(BAD.into(), Image::in_memory(bad, 8080));
        let rig = rig(options, Seed { deregistration_delay_s: 60, ..Seed::new(V0) }).await;
        let mut file = NamedTempFile::with_suffix(".yaml").unwrap();
        file.write_all(ENVIRONMENT.as_bytes()).unwrap();
        let journal = Journal::with_store(Arc::new(InMemory::new()), "shop");
        let journal = journal.with_clock(rig.cloud.clock().clone()).with_chance(rig.cloud.chance().fork());
        let load = LoadOptions { connections: 1, rate: Some(1), ..LoadOptions::default() };
        let load = Load::start_over(rig.cloud.dial(), &rig.world.url, load).await.unwrap();
        let sdk = rig.cloud.sdk_config("eu-west-1");
        Self { rig, sdk, journal, file, load }
    }

    pub(super) fn engine(&self) -> Engine {
        engine(&self.rig, &self.sdk, &self.journal, &self.file, Notices::silent("shop"))
    }

    fn told(&self) -> (Engine, UnboundedReceiver<Told>) {
        let (sender, told) = unbounded_channel();
        (engine(&self.rig, &self.sdk, &self.journal, &self.file, Notices::new("shop", sender)), told)
    }

    /// Runs a deploy until it has recorded this event for the nth time, and ends it in this way. What it
    /// ended with, once it has, where it lives on.
    pub(super) async fn deploy_until(
        &self,
        image: &str,
        (event, nth): (&str, usize),
        lease: Lease,
    ) -> Option<tokio::task::JoinHandle<Result<Finish, EngineError>>> {
        let (engine, mut told) = self.told();
        let stop = engine.stop.clone();
        let wanted = DeployRequest { image: image.into(), accept_smaller: false, detach: false };
        // Polled here and not spawned: it is never a step further than what it has told.
        let mut run = Box::pin(async move { engine.deploy(&wanted).await });
        let mut seen = 0;
        while seen < nth {
            let told = tokio::select! {
                biased;
                told = told.recv() => told,
                ended = &mut run => panic!("it ended before {event}: {ended:?}"),
            };
            if let Some(Told { notice: Notice::Recorded { event: recorded, .. }, .. }) = told {
                seen += usize::from(recorded.name() == event);
            }
        }
        match lease {
            Lease::Free => {
                stop.request();
                // What was just finished is not interrupted.
                run.await.map_or_else(|error| assert!(matches!(error, EngineError::Interrupted)), drop);
                None
            }
            Lease::Stale | Lease::Fresh => {
                drop(run);
                sleep(Duration::from_secs(if lease == Lease::Stale { 61 } else { 0 })).await;
                None
            }
            Lease::Living => Some(tokio::spawn(run)),
        }
    }

    pub(super) async fn run(&self, verb: Verb, image: &str) -> Result<Finish, EngineError> {
        let engine = self.engine();
        match verb {
            Verb::Rollback => engine.rollback(false).await,
            Verb::Abort => engine.abort().await,
            Verb::Reconcile => engine.reconcile().await,
            Verb::Sweep => engine.sweep().await,
            Verb::Deploy => {
                engine.deploy(&DeployRequest { image: image.into(), accept_smaller: false, detach: false }).await
            }
        }
    }

    /// Reconciles once a minute until there is nothing to do but to wait for the end of the retention.
    async fn reconcile_until_settled(&self) -> Vec<Ending> {
        let mut endings = Vec::new();
        for _ in 0..90 {
            endings.push(self.run(Verb::Reconcile, V1).await.unwrap().ending);
            if matches!(endings.last(), Some(Ending::Nothing(_))) {
                return endings;
            }
            sleep(Duration::from_secs(60)).await;
        }
        panic!("it never settles: {endings:?}");
    }

    async fn state(&self) -> State {
        let log = self.journal.load().await.unwrap();
        State::replay(log.events().map(|(entry, event)| (entry.at, event))).unwrap()
    }

    async fn phase(&self) -> &'static str {
        self.state().await.release.map_or("none", |r| r.phase.name())
    }

    async fn entries(&self) -> u64 {
        self.journal.load().await.unwrap().entries().len() as u64
    }

    /// Instances that are not terminated, and targets of each color.
    pub(super) async fn standing(&self) -> (usize, [usize; 2]) {
        let found = self.rig.ec2.describe_instances().send().await.unwrap();
        let instances = found.reservations().iter().flat_map(|r| r.instances());
        let alive = |i: &&aws_sdk_ec2::types::Instance| {
            !["terminated", "shutting-down"].contains(&i.state().unwrap().name().unwrap().as_str())
        };
        let mut targets = [0, 0];
        for (color, group) in self.rig.world.target_groups.iter().enumerate() {
            targets[color] = self.rig.states(group).await.len();
        }
        (instances.filter(alive).count(), targets)
    }

    /// Lets every retention run out; then the idle color must be gone, the lease free, and no request have failed.
    pub(super) async fn ends_clean(self, live: &str) {
        self.reconcile_until_settled().await;
        sleep(RETAIN).await;
        self.reconcile_until_settled().await;
        assert_eq!(version(&self.rig).await, live);
        let wanted = if live == "v0" { [2, 0] } else { [0, 2] };
        assert_eq!(self.standing().await, (2, wanted), "{}", self.phase().await);
        assert!(["done", "aborted"].contains(&self.phase().await), "{}", self.phase().await);
        let before = self.entries().await;
        assert_eq!(self.journal.load().await.unwrap().lease(), None);
        assert!(matches!(self.run(Verb::Reconcile, V1).await.unwrap().ending, Ending::Nothing(_)));
        assert_eq!(self.entries().await, before, "with nothing to do it writes nothing");
        let summary = self.load.stop().await;
        assert_eq!(summary.failed, 0, "{:?}", summary.errors);
        self.rig.cloud.shutdown().await;
    }
}

/// Where a release can be left: the image, and the event after which the run ends.
const PLACES: [(&str, (&str, usize)); 17] = [
    (V1, ("release-started", 1)),
    (V1, ("cleared", 1)),
    // Announced, with the answer on its way: two launches, the registration, the flip.
    (V1, ("intent", 1)),
    (V1, ("intent", 2)),
    (V1, ("outcome", 2)),
    (V1, ("intent", 3)),
    (V1, ("provisioned", 1)),
    (V1, ("warmed", 1)),
    (V1, ("smoke-passed", 1)),
    (V1, ("intent", 4)),
    (V1, ("outcome", 4)),
    (V1, ("switched", 1)),
    (V1, ("converged", 1)),
    (BAD, ("failed", 1)),
    // Deregistered, terminated.
    (BAD, ("intent", 4)),
    (BAD, ("outcome", 4)),
    (BAD, ("intent", 5)),
];

/// What the first verb must end with, and where everything stands at last.
fn check(verb: Verb, lease: Lease, ended: &Result<Finish, EngineError>, bad: bool) {
    let ending = ended.as_ref().map(|finish| &finish.ending);
    let as_it_should = match (verb, lease) {
        (Verb::Rollback | Verb::Abort, _) => {
            // Who is late finds the release undone by itself.
            let late = bad && matches!(lease, Lease::Free | Lease::Living);
            matches!(ending, Ok(Ending::Done))
                || (late && matches!(ending, Ok(Ending::Refused(_) | Ending::Nothing(_))))
        }
        (Verb::Reconcile, Lease::Living | Lease::Fresh) => matches!(ending, Ok(Ending::Busy(_))),
        (Verb::Deploy, Lease::Living | Lease::Fresh) => {
            matches!(ended, Err(EngineError::Journal(JournalError::Held { .. })))
        }
        (Verb::Reconcile, Lease::Free | Lease::Stale) if bad => {
            matches!(ending, Ok(Ending::Failed(_) | Ending::Done | Ending::Nothing(_)))
        }
        (Verb::Reconcile, Lease::Free | Lease::Stale) => matches!(ending, Ok(Ending::Later { .. })),
        (Verb::Deploy, Lease::Free | Lease::Stale) if bad => matches!(ending, Ok(Ending::Failed(_))),
        (Verb::Deploy, Lease::Free | Lease::Stale) => matches!(ending, Ok(Ending::Done)),
        (Verb::Sweep, _) => unreachable!("there is nothing to sweep"),
    };
    assert!(as_it_should, "{ended:?}");
}

async fn left_and_led_on(image: &str, at: (&str, usize), lease: Lease, verb: Verb) {
    let scene = Scene::new().await;
    let other = scene.deploy_until(image, at, lease).await;
    let ended = scene.run(verb, image).await;
    check(verb, lease, &ended, image == BAD);
    let turned_back = matches!(verb, Verb::Rollback | Verb::Abort);
    if turned_back {
        // The data plane follows what was read back.
        sleep(Duration::from_secs(6)).await;
        assert_eq!(version(&scene.rig).await, "v0");
    }
    if let Some(other) = other {
        let other = other.await.unwrap();
        match (turned_back, other) {
            (true, Err(error)) => assert!(error.to_string().contains("was taken over by"), "{error}"),
            (false, Ok(_)) => {}
            // It was done before it could be taken over.
            (true, Ok(finish)) if image == BAD => assert!(matches!(finish.ending, Ending::Failed(_))),
            (_, other) => panic!("the run that was at work ended {other:?}"),
        }
    }
    let live = if turned_back || image == BAD { "v0" } else { "v1" };
    scene.ends_clean(live).await;
}

/// Every place x every way to end there, for one verb.
fn everywhere(verb: Verb, leases: &[Lease]) {
    for ((image, at), lease) in PLACES.iter().flat_map(|place| leases.iter().map(|lease| (*place, *lease))) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let one = std::panic::AssertUnwindSafe(|| runtime.block_on(left_and_led_on(image, at, lease, verb)));
        if std::panic::catch_unwind(one).is_err() {
            panic!("{verb:?} after a deploy of {image} that ended after {at:?}, its lease {lease:?}: see above");
        }
    }
}

#[test]
fn a_rollback_works_wherever_a_release_was_left() {
    everywhere(Verb::Rollback, &LEASES);
}

#[test]
fn an_abort_works_wherever_a_release_was_left() {
    everywhere(Verb::Abort, &LEASES);
}

#[test]
fn reconcile_leads_on_wherever_a_release_was_left() {
    everywhere(Verb::Reconcile, &LEASES);
}

#[test]
fn the_same_deploy_leads_on_wherever_a_release_was_left() {
    everywhere(Verb::Deploy, &[Lease::Free, Lease::Stale]);
}

/// Seconds from the first entry of the last run to the first thing that it recorded to have happened.
async fn took_over_in(scene: &Scene) -> f64 {
    let log = scene.journal.load().await.unwrap();
    let taken = log.entries().iter().rposition(|e| matches!(e.body, Body::LeaseTaken { .. })).unwrap();
    let first = log.entries()[taken..].iter().find(|e| matches!(e.body, Body::Event(_))).unwrap();
    first.at.duration_since(log.entries()[taken].at).as_secs_f64()
}

/// A deploy that got as far as `event`, announced one more call, and died.
async fn died_after_announcing(event: &str, call: Effect, lasts_s: u64) -> Scene {
    let scene = Scene::new().await;
    scene.deploy_until(V1, (event, 1), Lease::Free).await;
    let log = scene.journal.load().await.unwrap();
    let mut dead = scene.journal.acquire(log, Owner::this_process("deploy"), Acquire::IfFree).await.unwrap();
    if event == "provisioned" {
        dead.append(Event::Warmed).await.unwrap();
        dead.append(Event::SmokePassed).await.unwrap();
    }
    let deadline = dead.stamp() + Duration::from_secs(lasts_s);
    dead.append(Event::Intent { effect: call, deadline }).await.unwrap();
    scene
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_over_waits_for_the_call_in_flight_and_no_longer() {
    let (blue, green) = (Color::new("blue"), Color::new("green"));
    let flip = Effect::Flip { from: blue, to: green.clone() };
    let launch = Effect::Register { color: green, instances: vec!["i-0".into()] };
    for (event, call, lasts_s) in [("provisioned", flip, 15), ("cleared", launch, 60)] {
        let scene = died_after_announcing(event, call.clone(), lasts_s).await;
        Box::pin(scene.engine().rollback(false)).await.unwrap();
        let at_once = took_over_in(&scene).await;
        assert!((lasts_s as f64 + 10.0..lasts_s as f64 + 11.0).contains(&at_once), "{event}: {at_once}");

        // A job that is started again watches the lease end meanwhile, and has waited already.
        let scene = died_after_announcing(event, call, lasts_s).await;
        let began = tokio::time::Instant::now();
        let wanted = DeployRequest { image: V1.into(), accept_smaller: false, detach: false };
        Box::pin(scene.engine().deploy_once_free(&wanted, Duration::from_secs(120))).await.unwrap();
        let after_the_lease = took_over_in(&scene).await;
        assert!(after_the_lease < 11.0, "{event}: {after_the_lease}");
        println!(
            "{event}: a rollback acts {at_once} s after its takeover, a waiting deploy {after_the_lease} s after it; done {:?}",
            began.elapsed()
        );
    }
}
