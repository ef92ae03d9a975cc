//! One run of the simulation: a plan played to its end, in virtual time, on a runtime of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use switchback::chance::Chance;
use switchback::journal::Journal;
use switchback::planted::{self, Bug};
use switchback::release::{Phase, State};
use tokio::task::JoinSet;

use super::boundary::Boundary;
use super::judge::{Judge, Violation};
use super::plan::{Plan, RunnerPlan, Trouble, Verb};
use super::retained::{self, Retained};
use super::runner::{self, Ended, Start};
use super::trace::{Line, Trace, What};
use super::world::{Prepared, World};
use super::{clients, weather};

/// What a run was.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What must not be; empty for a good run.
    pub(crate) violations: Vec<Violation>,
    /// Everything that happened.
    pub(crate) trace: Vec<Line>,
    /// A hash over all of it: two runs of one plan have the same.
    pub(crate) digest: String,
    /// Requests to AWS and to the journal's store that processes have made.
    pub(crate) calls: u64,
    /// Releases that were started.
    pub(crate) releases: usize,
    /// How many requests of clients were answered, by environment and version.
    pub(crate) served: BTreeMap<(usize, String), u64>,
    /// How the processes of the plan ended, by their number.
    pub(crate) ended: BTreeMap<u64, Ended>,
    /// How many requests each of them has made.
    pub(crate) boundaries: BTreeMap<u64, u64>,
    /// How long it took, in virtual time.
    pub(crate) took: Duration,
    /// Copies of the world, from moments at which a color was retained.
    pub(crate) retained: Vec<Retained>,
    /// The weights of blue and green of every environment at the end.
    pub(crate) weights: Vec<[u32; 2]>,
}

/// Numbers of the scheduler's processes begin here; those of the epilogue's at twice as much.
const SCHEDULED: u64 = 10_000;
/// Futures that are not optimized are large, and the whole world is polled on one thread.
const STACK_BYTES: usize = 16 * 1024 * 1024;
/// From one tick of the epilogue's scheduler to the next.
const TICK: Duration = Duration::from_secs(60);
/// The retention and whatever else has to pass must be over by then.
const SETTLED_WITHIN: Duration = Duration::from_secs(90 * 60);
/// No process may take longer than that, once nothing disturbs it any more.
const ENDS_WITHIN: Duration = Duration::from_secs(3600);

/// What a client's request meets late, it meets within this time after the end of the last process.
const A_LITTLE: Duration = Duration::from_secs(15);

/// Plays `plan`, with this bug planted, and tries a rollback at moments of it at which a color is retained.
pub(crate) fn simulate(plan: &Plan, bug: Option<Bug>) -> Report {
    let (mut report, _) = play(plan, bug, None, End::Settled);
    let tried = retained::roll_back(plan, bug, &report.retained);
    report.violations.extend(tried);
    report.violations.sort_by_key(|violation| violation.at);
    report
}

/// Where a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With the last process of the plan.
    LastProcess,
    /// A little later than the last process of the plan.
    LittleLater,
    /// When the faults have stopped, and `reconcile` has settled everything.
    Settled,
}

/// Plays `plan`, from the start or from a world that another run has left; also the world that it leaves.
pub(crate) fn play(plan: &Plan, bug: Option<Bug>, from: Option<&Prepared>, end: End) -> (Report, Prepared) {
    on_a_thread(|runtime| {
        planted::plant(bug);
        runtime.block_on(async {
            let world = match from {
                Some(prepared) => World::restore(plan, prepared).await,
                None => World::build(plan).await,
            };
            Run::new(plan, world).play(end).await
        })
    })
}

/// Plays one process in the world of `plan` as another run has left it. `process` is told what time it is there, and
/// may find that it is too late.
pub(crate) fn play_one(
    plan: &Plan,
    bug: Option<Bug>,
    from: &Prepared,
    process: impl FnOnce(Timestamp) -> Option<RunnerPlan> + Send,
) -> Option<Report> {
    on_a_thread(|runtime| {
        planted::plant(bug);
        runtime.block_on(async {
            let world = World::restore(plan, from).await;
            let runner = process(world.cloud.clock().now())?;
            let plan = Plan { runners: vec![runner], ..plan.clone() };
            Some(Run::new(&plan, world).play(End::LittleLater).await.0)
        })
    })
}

/// Every run has a runtime and a thread of its own.
fn on_a_thread<T: Send>(run: impl FnOnce(tokio::runtime::Runtime) -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("simulated world".into()).stack_size(STACK_BYTES);
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            run(runtime.expect("a runtime without sockets can be made"))
        };
        let played = thread.spawn_scoped(scope, run).expect("a thread can be started");
        // Whoever plays many plans catches the panic of one.
        played.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// How far an environment is from its rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// There is nothing left to do.
    Settled,
    /// A color is kept until then, and nothing else is left to do.
    Kept(Timestamp),
    /// A scheduler has something to do.
    Unfinished,
}

struct Run<'a> {
    plan: &'a Plan,
    world: Arc<World>,
    trace: Trace,
    boundaries: BTreeMap<u64, Boundary>,
    /// Until when a color of each environment is kept, as far as it is known.
    kept: Vec<Option<Timestamp>>,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, world: World) -> Self {
        let kept = vec![None; world.places.len()];
        Self { plan, world: Arc::new(world), trace: Trace::new(), boundaries: BTreeMap::new(), kept }
    }

    async fn play(mut self, end: End) -> (Report, Prepared) {
        let began = self.trace.began();
        let judge = Judge::watch(self.plan, &self.world, &self.trace);
        for environment in 0..self.world.places.len() {
            let log = self.journal(environment).load().await.expect("nothing has been written that cannot be read");
            judge.remember(environment, log.entries().to_vec());
        }
        clients::start(&self.world, &self.trace);
        let mut events = weather::start(&self.world, self.plan, &self.trace);
        let mut processes = JoinSet::new();
        for runner in &self.plan.runners {
            let at = Duration::from_millis(runner.at_ms);
            self.start_at(
                &mut processes,
                at,
                (runner.number, runner.troubles.clone()),
                (runner.environment, runner.verb),
                runner.clock_ms,
            );
        }
        self.start_schedule(&mut processes);
        let mut ended = BTreeMap::new();
        let all = async {
            while let Some(process) = processes.join_next().await {
                let (number, how) = process.expect("a process does not panic");
                ended.insert(number, how);
            }
        };
        let limit = Duration::from_millis(self.plan.calm_ms) + ENDS_WITHIN;
        let endless = tokio::time::timeout(limit, all).await.is_err();
        processes.abort_all();
        if end == End::Settled {
            while events.join_next().await.is_some() {}
            tokio::time::sleep_until(began + Duration::from_millis(self.plan.calm_ms)).await;
            self.world.cloud.faults().clear();
            self.trace.write(None, What::Calm);
            self.settle().await;
        }
        if end == End::LittleLater {
            tokio::time::sleep(A_LITTLE).await;
        }
        let (retained, weights) = (judge.retained(), judge.weights());
        let mut violations = judge.finish(end == End::Settled);
        if endless {
            let saw = format!("a process has not ended {ENDS_WITHIN:?} after the faults");
            violations.push(Violation { invariant: "every process ends", at: began.elapsed(), saw });
        }
        violations.extend(self.own_checks().await);
        let prepared = self.world.prepared();
        let releases = self.releases().await;
        let took = began.elapsed();
        let calls = self.trace.calls();
        let served = self.trace.served_so_far();
        let (trace, digest) = self.trace.finish();
        let boundaries = self.boundaries.iter().map(|(number, boundary)| (*number, boundary.requests())).collect();
        let report =
            Report { violations, trace, digest, calls, releases, served, ended, boundaries, took, retained, weights };
        (report, prepared)
    }

    /// Starts a process at a time of the run.
    fn start_at(
        &mut self,
        processes: &mut JoinSet<(u64, Ended)>,
        at: Duration,
        (number, troubles): (u64, Vec<Trouble>),
        (environment, verb): (usize, Verb),
        clock_ms: i64,
    ) {
        let boundary = Boundary::new(number, troubles, self.trace.clone());
        self.boundaries.insert(number, boundary.clone());
        // Whatever other processes there are: a plan of which some are taken out leaves the rest as it was.
        let chance = Chance::of_seed(self.plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
        let world = self.world.clone();
        let at = self.trace.began() + at;
        processes.spawn(async move {
            tokio::time::sleep_until(at).await;
            let process = runner::start(&world, Start { boundary, environment, verb, clock_ms, chance });
            (number, process.await)
        });
    }

    fn start_schedule(&mut self, processes: &mut JoinSet<(u64, Ended)>) {
        let Some(schedule) = &self.plan.schedule else { return };
        let mut at_ms = schedule.first_ms;
        let mut tick = 0;
        while at_ms < self.plan.calm_ms && schedule.every_ms > 0 {
            for environment in 0..self.plan.environments.len() {
                let own = schedule.troubles.iter().filter(|t| t.tick == tick && t.environment == environment);
                let troubles = own.map(|t| t.trouble).collect();
                let number = SCHEDULED + tick * self.plan.environments.len() as u64 + environment as u64;
                let at = Duration::from_millis(at_ms);
                self.start_at(processes, at, (number, troubles), (environment, Verb::Reconcile), schedule.clock_ms);
            }
            at_ms += schedule.every_ms;
            tick += 1;
        }
    }

    /// `reconcile` every minute, until everything is settled or should have been.
    async fn settle(&mut self) {
        let began = self.trace.began();
        let from = began.elapsed();
        let mut processes = JoinSet::new();
        for (tick, first) in (0..).zip((2 * SCHEDULED..).step_by(self.world.places.len())) {
            let at = from + TICK * tick;
            tokio::time::sleep_until(began + at).await;
            if at - from > SETTLED_WITHIN {
                break;
            }
            let mut settled = true;
            for (environment, number) in (0..self.world.places.len()).zip(first..) {
                // A scheduler that is started while a color is kept looks, and finds nothing to do.
                let kept = self.kept[environment].is_some_and(|until| until > self.world.cloud.clock().now() + TICK);
                if !kept {
                    match self.stands(environment).await {
                        Stands::Settled => continue,
                        Stands::Kept(until) => self.kept[environment] = Some(until),
                        Stands::Unfinished => {
                            let process = (number, Vec::new());
                            self.start_at(&mut processes, at, process, (environment, Verb::Reconcile), 0);
                        }
                    }
                }
                settled = false;
            }
            if settled {
                break;
            }
        }
        // Those that have not ended by then leave their environment unfinished.
        let all = async {
            while let Some(process) = processes.join_next().await {
                process.expect("a process does not panic");
            }
        };
        if tokio::time::timeout(ENDS_WITHIN, all).await.is_err() {
            processes.abort_all();
        }
    }

    /// The state of an environment, from its journal alone.
    async fn state(&self, environment: usize) -> Result<(State, bool), String> {
        let log = self.journal(environment).load().await.map_err(|error| error.to_string())?;
        let state = State::replay(log.events().map(|(entry, event)| (entry.at, event)));
        Ok((state.map_err(|error| error.to_string())?, log.lease().is_some()))
    }

    /// The journal of an environment, without boundaries and troubles.
    fn journal(&self, environment: usize) -> Journal {
        Journal::with_store(self.world.store.clone(), &self.world.places[environment].environment.name)
            .with_clock(self.world.cloud.clock().clone())
    }

    async fn stands(&self, environment: usize) -> Stands {
        let Ok((state, held)) = self.state(environment).await else { return Stands::Unfinished };
        let Some(release) = state.release.filter(|_| !held) else {
            return if held { Stands::Unfinished } else { Stands::Settled };
        };
        match release.phase {
            Phase::Done | Phase::Aborted | Phase::Blocked { .. } => Stands::Settled,
            phase => match phase.expires() {
                Some(until) if until > self.world.cloud.clock().now() + TICK => Stands::Kept(until),
                Some(_) | None => Stands::Unfinished,
            },
        }
    }

    async fn releases(&self) -> usize {
        let mut releases = 0;
        for environment in 0..self.world.places.len() {
            let Ok(log) = self.journal(environment).load().await else { continue };
            let started =
                |event: &switchback::release::Event| matches!(event, switchback::release::Event::ReleaseStarted { .. });
            releases += log.events().filter(|(_, event)| started(event)).count();
        }
        releases
    }

    /// What can be told without an observer: every journal can be loaded and replayed.
    async fn own_checks(&self) -> Vec<Violation> {
        let mut wrong = Vec::new();
        for (environment, place) in self.world.places.iter().enumerate() {
            if let Err(error) = self.state(environment).await {
                let saw = format!("the journal of {} is broken: {error}", place.environment.name);
                wrong.push(Violation { invariant: "journal", at: self.trace.began().elapsed(), saw });
            }
        }
        wrong
    }
}
