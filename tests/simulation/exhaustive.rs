//! Every crash there is: each scenario is run once undisturbed, and then for every request of it, killed before the
//! request leaves, killed after its effect, killed with it in the network, and with its answer lost; somebody else then
//! takes it up. The same for a process that stands still there for minutes, while another takes over, and then goes on
//! as if nothing had been.
//!
//! Crashes between which nothing was changed and no time passed leave the same world, without the process: they are one
//! run. A test holds the first and the last of such crashes against each other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::first::{runner, small};
use super::plan::{Behavior, Mishap, Plan, RunnerPlan, Trouble, Verb};
use super::retained;
use super::run::{End, Report, play};
use super::runner::Ended;
use super::trace::What;
use super::world::Prepared;

/// One that has left its lease behind is preempted at once by a person.
const AT_ONCE_MS: u64 = 2_000;

const DEPLOY: Verb = Verb::Deploy { version: 1, detach: false };
/// The next release, onto the color that is being retired.
const DEPLOY_AGAIN: Verb = Verb::Deploy { version: 2, detach: false };
const ROLLBACK: Verb = Verb::Rollback { force: false };

/// How long a color is kept.
const RETAIN_MS: u64 = 20 * 60_000;
/// After a crash the lease of the dead process has to end.
const LEASE_IS_OVER_MS: u64 = 75_000;

/// What is killed, in which world, and by what it is taken up.
struct Scenario {
    name: &'static str,
    /// What happened before: played once, and all runs start from the world that it left.
    history: Vec<RunnerPlan>,
    /// What happens in every run before the subject starts.
    before: Vec<RunnerPlan>,
    /// What is killed.
    subject: RunnerPlan,
    /// What happens to it at each of its requests.
    tries: Tries,
    /// The verbs that take it up, one run each.
    taken_up_by: Vec<Verb>,
}

/// What is tried at each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tries {
    /// It is killed, or loses the answer.
    Crashes,
    /// It stands still.
    Freezes,
}

/// A request that was in the network when its sender was killed lands so much later.
const IN_FLIGHT: Mishap = Mishap::CrashInFlight { lands_after_ms: 4_000 };
/// So long that others take over, and work, while it stands still.
const FROZEN_MS: u64 = 180_000;

/// One mishap.
#[derive(Debug, Clone, Copy)]
struct Case {
    boundary: u64,
    what: Mishap,
    /// Who takes it up, and when.
    then: Option<(Verb, u64)>,
}

/// A side of a request at which a process can be killed.
#[derive(Debug, Clone, Copy)]
struct Crash {
    boundary: u64,
    what: Mishap,
    at_ms: u64,
    /// Crashes with the same number leave the same world.
    world: usize,
}

/// All crashes of process `number` in an undisturbed run.
fn crashes(run: &Report, number: u64) -> Vec<Crash> {
    let (mut world, mut now) = (0, Duration::ZERO);
    let mut all = Vec::new();
    for line in &run.trace {
        if line.at != now {
            (world, now) = (world + 1, line.at);
        }
        let at_ms = u64::try_from(line.at.as_millis()).expect("a run of hours at most");
        match &line.what {
            What::Reached { boundary, call } if line.runner == Some(number) => {
                let boundary = *boundary;
                all.push(Crash { boundary, what: Mishap::CrashBefore, at_ms, world });
                // What has left takes effect, whether its sender lives or not.
                world += usize::from(!call.reads);
                all.push(Crash { boundary, what: Mishap::CrashAfter, at_ms, world });
            }
            What::Effected { .. } if line.runner == Some(number) => {}
            _ => world += 1,
        }
    }
    all
}

/// One environment, in which nothing takes longer than it must.
fn world(runners: Vec<RunnerPlan>) -> Plan {
    let mut plan = small(runners);
    plan.images.push(Behavior::Well);
    let shop = &mut plan.environments[0];
    shop.retain_ms = RETAIN_MS;
    shop.bake_ms = 5_000;
    shop.quiet_ms = 10_000;
    shop.health_interval_ms = 30_000;
    shop.deregistration_delay_ms = 5_000;
    plan
}

impl Scenario {
    fn plan(&self, troubles: Vec<Trouble>, then: Option<RunnerPlan>) -> Plan {
        let subject = RunnerPlan { troubles, ..self.subject.clone() };
        world([self.before.clone(), vec![subject], then.into_iter().collect()].concat())
    }

    /// The number of the process that is killed.
    fn number(&self) -> u64 {
        self.before.len() as u64
    }

    /// All that is tried, each with who takes it up.
    fn cases(&self, undisturbed: &Report) -> Vec<Case> {
        let mut cases = Vec::new();
        let mut taken_up = |boundary, what, at_ms: u64, person_ms| {
            cases.extend(self.taken_up_by.iter().map(|verb| {
                // A person does not wait for the lease of a dead process.
                let person = matches!(verb, Verb::Rollback { .. } | Verb::Abort);
                let after_ms = if person { person_ms } else { LEASE_IS_OVER_MS };
                Case { boundary, what, then: Some((*verb, at_ms + after_ms)) }
            }));
        };
        let all = crashes(undisturbed, self.number());
        match self.tries {
            Tries::Crashes => {
                let mut tried = None;
                for crash in &all {
                    if tried.replace(crash.world) != Some(crash.world) {
                        taken_up(crash.boundary, crash.what, crash.at_ms, LEASE_IS_OVER_MS);
                    }
                }
                for crash in changing(&all) {
                    taken_up(crash.boundary, IN_FLIGHT, crash.at_ms, AT_ONCE_MS);
                }
                let lost = all.iter().filter(|crash| crash.what == Mishap::CrashAfter);
                cases.extend(lost.map(|c| Case { boundary: c.boundary, what: Mishap::LoseAnswer, then: None }));
            }
            Tries::Freezes => {
                let for_ms = FROZEN_MS;
                for crash in changing(&all) {
                    taken_up(crash.boundary, Mishap::FreezeBefore { for_ms }, crash.at_ms, LEASE_IS_OVER_MS);
                }
                for crash in all.iter().filter(|crash| crash.what == Mishap::CrashAfter) {
                    taken_up(crash.boundary, Mishap::FreezeAfter { for_ms }, crash.at_ms, LEASE_IS_OVER_MS);
                }
            }
        }
        cases
    }

    fn check(&self, from: &Prepared, case: Case) -> Option<(String, String)> {
        let trouble = Trouble { boundary: case.boundary, what: case.what };
        let plan = self.plan(vec![trouble], case.then.map(|(verb, at_ms)| runner(at_ms, verb, vec![])));
        let (mut report, _) = play(&plan, None, Some(from), End::Settled);
        // One copy of the world says enough about so many runs that are much alike.
        report.retained.truncate(1);
        report.violations.extend(report.retained.iter().filter_map(|copy| copy.roll_back(&plan, None, false)));
        let mut wrong: Vec<_> = report.violations.iter().map(ToString::to_string).collect();
        let happened = report.trace.iter().any(|line| {
            let here = matches!(line.what, What::Trouble { boundary, .. } if boundary == case.boundary);
            here && line.runner == Some(self.number())
        });
        let ended = report.ended.get(&self.number());
        let as_planned = match case.what {
            Mishap::CrashBefore | Mishap::CrashAfter | Mishap::CrashInFlight { .. } => ended == Some(&Ended::Killed),
            Mishap::FreezeBefore { .. } | Mishap::FreezeAfter { .. } => ended != Some(&Ended::Killed),
            // Nobody has to help.
            Mishap::LoseAnswer => ended == Some(&Ended::Exit(0)),
        };
        if !happened || !as_planned {
            wrong.push(format!("what was planned has not happened to it: {ended:?}"));
        }
        (!wrong.is_empty()).then(|| {
            let lines: Vec<_> = report.trace.iter().map(ToString::to_string).collect();
            (format!("{}: {case:?}: {wrong:#?}", self.name), lines.join("\n"))
        })
    }

    /// Runs all of it; how many crashes there were, and what went wrong in which of them, each with its trace.
    fn exhaust(&self) -> (usize, Vec<(String, String)>) {
        let began = Instant::now();
        let (history, prepared) = play(&world(self.history.clone()), None, None, End::LastProcess);
        assert!(history.violations.is_empty(), "{}: {:?}", self.name, history.violations);
        let plan = self.plan(vec![], None);
        let (mut undisturbed, _) = play(&plan, None, Some(&prepared), End::Settled);
        undisturbed.violations.extend(retained::roll_back(&plan, None, &undisturbed.retained));
        let lines = || undisturbed.trace.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(undisturbed.violations.is_empty(), "{}: {:#?}\n{}", self.name, undisturbed.violations, lines());
        assert_eq!(undisturbed.ended[&self.number()], Ended::Exit(0), "{}\n{}", self.name, lines());
        let cases = self.cases(&undisturbed);
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Some(wrong) = self.check(&prepared, *case) {
                            found.lock().unwrap().push(wrong);
                        }
                    }
                });
            }
        });
        let found = found.into_inner().unwrap();
        println!(
            "{:<20} {:>4} requests, {:>3} worlds to crash in, {:>4} runs, {:>3} wrong, {:?} of virtual time undisturbed, \
             {:.1} s",
            self.name,
            undisturbed.boundaries[&self.number()],
            worlds(&crashes(&undisturbed, self.number())),
            cases.len(),
            found.len(),
            undisturbed.took,
            began.elapsed().as_secs_f64()
        );
        (cases.len(), found)
    }
}

/// The requests that change something.
fn changing(all: &[Crash]) -> impl Iterator<Item = &Crash> {
    // Their effect makes another world.
    all.chunks(2).filter(|sides| sides[0].world != sides[1].world).map(|sides| &sides[0])
}

/// How many different worlds they leave.
fn worlds(all: &[Crash]) -> usize {
    all.chunk_by(|one, next| one.world == next.world).count()
}

/// Where an undisturbed deploy first reaches this call: the request's number, and when.
fn deploy_reaches(name: &str) -> (u64, u64) {
    let (_, start) = play(&world(vec![]), None, None, End::LastProcess);
    let plan = world(vec![runner(1_000, DEPLOY, vec![])]);
    let (report, _) = play(&plan, None, Some(&start), End::LastProcess);
    let reached = report.trace.iter().find_map(|line| match &line.what {
        What::Reached { boundary, call } if call.name == name => Some((*boundary, line.at)),
        _ => None,
    });
    let (boundary, at) = reached.unwrap_or_else(|| panic!("a deploy has no {name}"));
    (boundary, u64::try_from(at.as_millis()).expect("a run of hours at most"))
}

/// A deploy that is killed when its flip has left, which lands some seconds later.
fn killed_in_the_flip() -> (RunnerPlan, u64) {
    let (boundary, at_ms) = deploy_reaches("elbv2:ModifyListener");
    let what = Mishap::CrashInFlight { lands_after_ms: 4_000 };
    (runner(1_000, DEPLOY, vec![Trouble { boundary, what }]), at_ms)
}

fn survives(scenario: &Scenario) {
    let (cases, found) = scenario.exhaust();
    assert!(cases > 20, "{cases}");
    let Some((first, trace)) = found.first() else { return };
    let others: Vec<_> = found.iter().skip(1).map(|(wrong, _)| wrong.as_str()).collect();
    panic!("{} of {cases} crashes:\n{first}\n{trace}\n{}", found.len(), others.join("\n"));
}

#[test]
fn a_deploy_survives_a_crash_at_every_request() {
    survives(&Scenario {
        name: "deploy",
        history: vec![],
        before: vec![],
        subject: runner(1_000, DEPLOY, vec![]),
        tries: Tries::Crashes,
        taken_up_by: vec![DEPLOY, Verb::Reconcile, ROLLBACK],
    });
}

#[test]
fn a_rollback_survives_a_crash_at_every_request() {
    survives(&Scenario {
        name: "rollback",
        history: vec![runner(1_000, DEPLOY, vec![])],
        before: vec![],
        subject: runner(1_000, ROLLBACK, vec![]),
        tries: Tries::Crashes,
        taken_up_by: vec![ROLLBACK, Verb::Reconcile],
    });
}

#[test]
fn an_abort_survives_a_crash_at_every_request() {
    let (boundary, _) = deploy_reaches("elbv2:RegisterTargets");
    let trouble = Trouble { boundary, what: Mishap::CrashAfter };
    survives(&Scenario {
        name: "abort",
        history: vec![runner(1_000, DEPLOY, vec![trouble])],
        before: vec![],
        subject: runner(1_000, Verb::Abort, vec![]),
        tries: Tries::Crashes,
        taken_up_by: vec![Verb::Abort, Verb::Reconcile],
    });
}

#[test]
fn a_sweep_survives_a_crash_at_every_request() {
    survives(&Scenario {
        name: "sweep",
        history: vec![runner(1_000, DEPLOY, vec![])],
        before: vec![],
        subject: runner(RETAIN_MS + 60_000, Verb::Sweep, vec![]),
        tries: Tries::Crashes,
        taken_up_by: vec![Verb::Sweep, Verb::Reconcile],
    });
}

#[test]
fn a_takeover_by_a_deploy_survives_a_crash_at_every_request() {
    let (killed, at_ms) = killed_in_the_flip();
    survives(&Scenario {
        name: "takeover by deploy",
        history: vec![],
        before: vec![killed],
        subject: runner(at_ms + LEASE_IS_OVER_MS, DEPLOY, vec![]),
        tries: Tries::Crashes,
        taken_up_by: vec![DEPLOY, Verb::Reconcile],
    });
}

#[test]
fn a_takeover_by_a_rollback_survives_a_crash_at_every_request() {
    let (killed, at_ms) = killed_in_the_flip();
    survives(&Scenario {
        name: "takeover by rollback",
        history: vec![],
        before: vec![killed],
        subject: runner(at_ms + AT_ONCE_MS, ROLLBACK, vec![]),
        tries: Tries::Crashes,
        taken_up_by: vec![ROLLBACK, Verb::Reconcile],
    });
}

#[test]
fn a_deploy_that_stands_still_at_any_request_wakes_up_to_another_owner_and_harms_nothing() {
    survives(&Scenario {
        name: "frozen deploy",
        history: vec![],
        before: vec![],
        subject: runner(1_000, DEPLOY, vec![]),
        tries: Tries::Freezes,
        taken_up_by: vec![ROLLBACK, Verb::Reconcile],
    });
}

#[test]
fn a_sweep_that_stands_still_at_any_request_wakes_up_to_another_owner_and_harms_nothing() {
    survives(&Scenario {
        name: "frozen sweep",
        history: vec![runner(1_000, DEPLOY, vec![])],
        before: vec![],
        subject: runner(RETAIN_MS + 60_000, Verb::Sweep, vec![]),
        tries: Tries::Freezes,
        taken_up_by: vec![DEPLOY_AGAIN, Verb::Reconcile],
    });
}

#[test]
fn crashes_that_are_one_run_leave_the_same_world() {
    let scenario = Scenario {
        name: "same world",
        history: vec![runner(1_000, DEPLOY, vec![])],
        before: vec![],
        subject: runner(1_000, ROLLBACK, vec![]),
        tries: Tries::Crashes,
        taken_up_by: vec![],
    };
    let (_, prepared) = play(&world(scenario.history.clone()), None, None, End::LastProcess);
    let (undisturbed, _) = play(&scenario.plan(vec![], None), None, Some(&prepared), End::Settled);
    let all = crashes(&undisturbed, 0);
    let mut compared = 0;
    for same in all.chunk_by(|one, next| one.world == next.world).filter(|same| same.len() > 1) {
        let after = |crash: &Crash| {
            let trouble = Trouble { boundary: crash.boundary, what: crash.what };
            let plan = scenario.plan(vec![trouble], Some(runner(crash.at_ms + LEASE_IS_OVER_MS, ROLLBACK, vec![])));
            let (report, _) = play(&plan, None, Some(&prepared), End::Settled);
            let others = report.trace.iter().filter(|line| line.runner != Some(0));
            others.map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(after(&same[0]), after(&same[same.len() - 1]), "{:?} and {:?}", same[0], same[same.len() - 1]);
        compared += 1;
    }
    assert!(compared > 5, "{compared}");
}
