//! Every crash there is: each scenario is run once undisturbed, and then once for every request of it, killed before
//! the request leaves, and once more, killed after its effect; somebody else then takes it up. The same for a process
//! that stands still there for minutes, while another takes over, and then goes on as if nothing had been.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::first::{runner, small};
use super::plan::{Behavior, Mishap, Plan, RunnerPlan, Trouble, Verb};
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
    /// What happens to it at each of its requests, one run each.
    mishaps: Vec<Mishap>,
    /// The verbs that take it up, one run each.
    taken_up_by: Vec<Verb>,
}

/// The two sides of a crash.
const CRASHES: [Mishap; 2] = [Mishap::CrashBefore, Mishap::CrashAfter];
/// So long that others take over, and work, while it stands still.
const FROZEN_MS: u64 = 180_000;
/// The two sides of standing still.
const FREEZES: [Mishap; 2] = [Mishap::FreezeBefore { for_ms: FROZEN_MS }, Mishap::FreezeAfter { for_ms: FROZEN_MS }];

/// One crash.
#[derive(Debug, Clone, Copy)]
struct Case {
    boundary: u64,
    what: Mishap,
    by: Verb,
    at_ms: u64,
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

    /// All crashes of it, with the time at which somebody takes it up.
    fn cases(&self, undisturbed: &Report) -> Vec<Case> {
        let reached = undisturbed.trace.iter().filter(|line| line.runner == Some(self.number()));
        let mut cases = Vec::new();
        for line in reached {
            let What::Reached { boundary, .. } = line.what else { continue };
            let at_ms = u64::try_from(line.at.as_millis()).expect("a run of hours at most") + LEASE_IS_OVER_MS;
            for what in &self.mishaps {
                let case = |by: &Verb| Case { boundary, what: *what, by: *by, at_ms };
                cases.extend(self.taken_up_by.iter().map(case));
            }
        }
        cases
    }

    fn check(&self, from: &Prepared, case: Case) -> Option<(String, String)> {
        let trouble = Trouble { boundary: case.boundary, what: case.what };
        let plan = self.plan(vec![trouble], Some(runner(case.at_ms, case.by, vec![])));
        let (report, _) = play(&plan, None, Some(from), End::Settled);
        let mut wrong: Vec<_> = report.violations.iter().map(ToString::to_string).collect();
        let killed = report.ended.get(&self.number()) == Some(&Ended::Killed);
        let frozen = matches!(case.what, Mishap::FreezeBefore { .. } | Mishap::FreezeAfter { .. });
        if killed == frozen {
            wrong.push("what was planned has not happened to it".to_owned());
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
        let (undisturbed, _) = play(&self.plan(vec![], None), None, Some(&prepared), End::Settled);
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
            "{:<20} {:>4} requests, {:>5} crashes, {:>3} wrong, {:?} of virtual time undisturbed, {:.1} s",
            self.name,
            undisturbed.boundaries[&self.number()],
            cases.len(),
            found.len(),
            undisturbed.took,
            began.elapsed().as_secs_f64()
        );
        (cases.len(), found)
    }
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
        mishaps: CRASHES.to_vec(),
        taken_up_by: vec![DEPLOY, Verb::Reconcile],
    });
}

#[test]
fn a_rollback_survives_a_crash_at_every_request() {
    survives(&Scenario {
        name: "rollback",
        history: vec![runner(1_000, DEPLOY, vec![])],
        before: vec![],
        subject: runner(1_000, ROLLBACK, vec![]),
        mishaps: CRASHES.to_vec(),
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
        mishaps: CRASHES.to_vec(),
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
        mishaps: CRASHES.to_vec(),
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
        mishaps: CRASHES.to_vec(),
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
        mishaps: CRASHES.to_vec(),
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
        mishaps: FREEZES.to_vec(),
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
        mishaps: FREEZES.to_vec(),
        taken_up_by: vec![DEPLOY_AGAIN, Verb::Reconcile],
    });
}
