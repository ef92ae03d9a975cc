//! Every crash there is: each scenario is run once undisturbed, and then once for every request of it, killed before the
//! request leaves, and once more, killed after its effect; somebody else then takes it up.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::first::{runner, small};
use super::plan::{Mishap, Plan, RunnerPlan, Trouble, Verb};
use super::run::{End, Report, play};
use super::runner::Ended;
use super::trace::What;
use super::world::Prepared;

const DEPLOY: Verb = Verb::Deploy { version: 1, detach: false };
const ROLLBACK: Verb = Verb::Rollback { force: false };

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
    /// The verbs that take it up, one run each.
    taken_up_by: Vec<Verb>,
}

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
    let shop = &mut plan.environments[0];
    shop.retain_ms = 20 * 60_000;
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
            for what in [Mishap::CrashBefore, Mishap::CrashAfter] {
                cases.extend(self.taken_up_by.iter().map(|by| Case { boundary, what, by: *by, at_ms }));
            }
        }
        cases
    }

    fn check(&self, from: &Prepared, case: Case) -> Option<String> {
        let trouble = Trouble { boundary: case.boundary, what: case.what };
        let plan = self.plan(vec![trouble], Some(runner(case.at_ms, case.by, vec![])));
        let (report, _) = play(&plan, None, Some(from), End::Settled);
        let mut wrong: Vec<_> = report.violations.iter().map(ToString::to_string).collect();
        if report.ended.get(&self.number()) != Some(&Ended::Killed) {
            wrong.push("it was not killed".to_owned());
        }
        (!wrong.is_empty()).then(|| {
            let lines: Vec<_> = report.trace.iter().map(ToString::to_string).collect();
            format!("{}: {case:?}: {wrong:#?}\n{}", self.name, lines.join("\n"))
        })
    }

    /// Runs all of it; how many crashes there were, and what went wrong.
    fn exhaust(&self) -> (usize, Vec<String>) {
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
            "{:<10} {:>4} requests, {:>5} crashes, {:>3} wrong, {:?} of virtual time undisturbed, {:.1} s",
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

fn survives(scenario: &Scenario) {
    let (cases, found) = scenario.exhaust();
    assert!(cases > 20, "{cases}");
    assert!(found.is_empty(), "{} of {cases} crashes:\n{}", found.len(), found[0]);
}

#[test]
fn a_deploy_survives_a_crash_at_every_request() {
    survives(&Scenario {
        name: "deploy",
        history: vec![],
        before: vec![],
        subject: runner(1_000, DEPLOY, vec![]),
        taken_up_by: vec![DEPLOY, Verb::Reconcile, ROLLBACK, Verb::Abort],
    });
}

#[test]
fn a_rollback_survives_a_crash_at_every_request() {
    survives(&Scenario {
        name: "rollback",
        history: vec![runner(1_000, DEPLOY, vec![])],
        before: vec![],
        subject: runner(1_000, ROLLBACK, vec![]),
        taken_up_by: vec![ROLLBACK, Verb::Reconcile],
    });
}
