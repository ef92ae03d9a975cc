//! Plans with an aim: what a planted bug needs to show itself and chance seldom brings together.

use switchback::planted::Bug;

use super::first::{runner, small};
use super::plan::{Behavior, Mishap, Plan, RunnerPlan, TimedEvent, Trouble, Verb, Weather, WorldEvent};
use super::run::{Report, simulate};
use super::trace::{Line, What};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const DEPLOY: Verb = Verb::Deploy { version: 1, detach: false };
const AGAIN: Verb = Verb::Deploy { version: 2, detach: false };
const ROLLBACK: Verb = Verb::Rollback { force: false };
/// When the first deploy starts.
const START: u64 = 30 * SECOND;

/// One request of a run.
#[derive(Clone, Copy)]
struct Reached {
    boundary: u64,
    at_ms: u64,
}

/// A run in which nothing goes wrong, to aim by.
struct Undisturbed(Plan, Report);

impl Undisturbed {
    fn new(plan: Plan) -> Self {
        let report = simulate(&plan, None);
        assert!(report.violations.is_empty(), "{:#?}", report.violations);
        Self(plan, report)
    }

    /// The same with a bug that changes the number of requests, and harms nobody yet.
    fn with(plan: Plan, bug: Bug) -> Self {
        let report = simulate(&plan, Some(bug));
        Self(plan, report)
    }

    /// The requests of a process with this name, in order.
    fn requests(&self, number: u64, name: &str) -> Vec<Reached> {
        let reached = |line: &Line| match &line.what {
            What::Reached { boundary, call } if line.runner == Some(number) && call.name == name => {
                let at_ms = u64::try_from(line.at.as_millis()).expect("a run has not so many milliseconds");
                Some(Reached { boundary: *boundary, at_ms })
            }
            _ => None,
        };
        self.1.trace.iter().filter_map(reached).collect()
    }

    fn last(&self, number: u64, name: &str) -> Reached {
        *self.requests(number, name).last().unwrap_or_else(|| panic!("runner {number} makes a {name}"))
    }

    /// The last request to the journal that writes, before another request.
    fn written_before(&self, number: u64, other: Reached) -> Reached {
        let puts = self.requests(number, "journal:put");
        *puts.iter().rfind(|put| put.boundary < other.boundary).expect("an intent comes before every call")
    }

    /// When a process ends.
    fn end_ms(&self, number: u64) -> u64 {
        let line =
            self.1.trace.iter().find(|line| line.runner == Some(number) && matches!(line.what, What::Ended { .. }));
        u64::try_from(line.expect("it ends").at.as_millis()).expect("a run has not so many milliseconds")
    }

    fn plan(&self) -> Plan {
        self.0.clone()
    }
}

fn plan(runners: Vec<RunnerPlan>) -> Plan {
    Plan { calm_ms: 20 * MINUTE, ..small(runners) }
}

fn deployed() -> Undisturbed {
    Undisturbed::new(plan(vec![runner(START, DEPLOY, vec![])]))
}

/// The same with another process, `after_ms` after the end of the first.
fn deployed_then(after_ms: u64, verb: Verb) -> Undisturbed {
    let first = deployed();
    let at_ms = first.end_ms(0) + after_ms;
    Undisturbed::new(plan(vec![runner(START, DEPLOY, vec![]), runner(at_ms, verb, vec![])]))
}

fn happens(at_ms: u64, what: WorldEvent) -> TimedEvent {
    TimedEvent { at_ms, what }
}

fn foreign(at_ms: u64, weights: [u32; 2]) -> TimedEvent {
    happens(at_ms, WorldEvent::Foreign { environment: 0, weights })
}

fn troubled(mut plan: Plan, number: usize, boundary: u64, what: Mishap) -> Plan {
    plan.runners[number].troubles.push(Trouble { boundary, what });
    plan
}

fn numbered(mut plan: Plan, more: RunnerPlan) -> Plan {
    let number = plan.runners.len() as u64;
    plan.runners.push(RunnerPlan { number, ..more });
    plan
}

/// A process stands still behind its write of the switch, and somebody else takes it back meanwhile.
fn taken_back_behind(aim: &Undisturbed, number: usize, weights: [u32; 2]) -> Plan {
    let flip = aim.last(number as u64, "elbv2:ModifyListener");
    let mut plan = troubled(aim.plan(), number, flip.boundary, Mishap::FreezeAfter { for_ms: 40 * SECOND });
    plan.events.push(foreign(flip.at_ms + 2 * SECOND, weights));
    plan
}

/// The flip is taken back by somebody else before it is read back.
pub(super) fn flip_taken_back() -> Plan {
    taken_back_behind(&deployed(), 0, [100, 0])
}

/// The same with a rollback.
pub(super) fn rollback_taken_back() -> Plan {
    taken_back_behind(&deployed_then(10 * SECOND, ROLLBACK), 1, [0, 100])
}

/// Somebody else writes the switch between the announcement of the flip and the flip.
pub(super) fn foreign_write_at_the_last_moment() -> Plan {
    let aim = Undisturbed::with(deployed().plan(), Bug::NoCompareBeforeWrite);
    let flip = aim.last(0, "elbv2:ModifyListener");
    let intent = aim.written_before(0, flip);
    let mut plan = troubled(aim.plan(), 0, intent.boundary, Mishap::FreezeAfter { for_ms: 4_500 });
    plan.events.push(foreign(intent.at_ms + SECOND, [70, 30]));
    plan
}

/// Somebody else moves the traffic while the new color warms up.
pub(super) fn foreign_write_while_warming() -> Plan {
    let aim = deployed();
    let flip = aim.last(0, "elbv2:ModifyListener");
    let mut plan = aim.plan();
    plan.events.push(foreign(flip.at_ms - SECOND, [60, 40]));
    plan
}

/// The color to go back to has died.
pub(super) fn rollback_to_the_dead() -> Plan {
    let aim = deployed();
    let end = aim.end_ms(0);
    let mut plan = numbered(aim.plan(), runner(end + 2 * MINUTE, ROLLBACK, vec![]));
    let kill = |nth| happens(end + 10 * SECOND, WorldEvent::Kill { environment: 0, live: false, nth });
    plan.events.extend([kill(0), kill(1)]);
    plan
}

/// Somebody sweeps before the retention is over.
pub(super) fn swept_early() -> Plan {
    let aim = deployed();
    let at_ms = aim.end_ms(0) + MINUTE;
    numbered(aim.plan(), runner(at_ms, Verb::Sweep, vec![]))
}

/// A rollback, and a new release at once: the color that was left still gets requests from a slow node.
pub(super) fn deploy_right_after_a_rollback() -> Plan {
    let aim = deployed();
    let slow = |mut plan: Plan| {
        plan.propagation_ms = 20 * SECOND;
        plan.environments[0].quiet_ms = 40 * SECOND;
        plan
    };
    let first = Undisturbed::new(slow(aim.plan()));
    let back = numbered(first.plan(), runner(first.end_ms(0) + 10 * SECOND, ROLLBACK, vec![]));
    let back = Undisturbed::new(back);
    numbered(back.plan(), runner(back.end_ms(1) + 500, AGAIN, vec![]))
}

/// Somebody else's instance stands on the idle color.
pub(super) fn squatted() -> Plan {
    let aim = deployed();
    let end = aim.end_ms(0);
    let mut plan = numbered(aim.plan(), runner(end + 11 * MINUTE, Verb::Sweep, vec![]));
    plan.events.push(happens(end + 10 * SECOND, WorldEvent::Squat { environment: 0 }));
    plan
}

/// A person aborts while the new color warms up.
pub(super) fn aborted() -> Plan {
    let aim = deployed();
    let flip = aim.last(0, "elbv2:ModifyListener");
    numbered(aim.plan(), runner(flip.at_ms - 10 * SECOND, Verb::Abort, vec![]))
}

/// A job is admitted, stands still before it takes the lease, and goes on when another one has released.
pub(super) fn overtaken_before_the_start() -> Plan {
    let aim = deployed();
    let first = aim.requests(0, "journal:put")[0];
    let plan = troubled(aim.plan(), 0, first.boundary, Mishap::FreezeBefore { for_ms: 14 * MINUTE });
    numbered(plan, runner(START + 2 * SECOND, AGAIN, vec![]))
}

/// The first attempt to launch takes long to take effect; the second one is refused, and the release fails at once.
pub(super) fn refused_with_a_launch_under_way() -> Plan {
    let aim = deployed();
    let launch = aim.requests(0, "ec2:RunInstances")[0].at_ms;
    let mut plan = aim.plan();
    let calls = "ec2:RunInstances".into();
    let late = WorldEvent::Storm {
        calls,
        weather: Weather::LateEffect { by_ms: 45 * SECOND },
        percent: 100,
        for_ms: 4 * SECOND,
    };
    plan.events.push(happens(launch - 2 * SECOND, late));
    plan.events.push(happens(launch + 4 * SECOND, WorldEvent::Shortage { for_ms: 30 * SECOND }));
    plan
}

/// A process dies with its flip in the network, and a person aborts before the flip comes.
pub(super) fn aborted_with_a_flip_in_flight() -> Plan {
    let aim = deployed();
    let flip = aim.last(0, "elbv2:ModifyListener");
    let plan = troubled(aim.plan(), 0, flip.boundary, Mishap::CrashInFlight { lands_after_ms: 8 * SECOND });
    numbered(plan, runner(flip.at_ms + SECOND, Verb::Abort, vec![]))
}

/// A process stands still behind its first launch; a person aborts; the process goes on.
pub(super) fn zombie() -> Plan {
    let aim = deployed();
    let launch = aim.requests(0, "ec2:RunInstances")[0];
    let plan = troubled(aim.plan(), 0, launch.boundary, Mishap::FreezeAfter { for_ms: 100 * SECOND });
    numbered(plan, runner(launch.at_ms + 20 * SECOND, Verb::Abort, vec![]))
}

/// A process dies in the middle and nobody gives its lease back.
pub(super) fn died() -> Plan {
    let aim = deployed();
    let launch = aim.requests(0, "ec2:RunInstances")[0];
    troubled(aim.plan(), 0, launch.boundary, Mishap::CrashAfter)
}

/// A process stands still between the announcement of its flip and the flip.
pub(super) fn flips_late() -> Plan {
    let aim = deployed();
    let flip = aim.last(0, "elbv2:ModifyListener");
    let intent = aim.written_before(0, flip);
    troubled(aim.plan(), 0, intent.boundary, Mishap::FreezeAfter { for_ms: 40 * SECOND })
}

/// Two jobs start in the same instant.
pub(super) fn two_at_once() -> Plan {
    plan(vec![runner(START, DEPLOY, vec![]), runner(START, DEPLOY, vec![])])
}

/// The store has an entry, and its answer is lost: the entry of an intent.
pub(super) fn answer_of_the_journal_lost() -> Plan {
    let aim = deployed();
    let flip = aim.last(0, "elbv2:ModifyListener");
    let intent = aim.written_before(0, flip);
    troubled(aim.plan(), 0, intent.boundary, Mishap::LoseAnswer)
}

/// The new version never gets healthy.
pub(super) fn never_healthy() -> Plan {
    let mut plan = plan(vec![runner(START, DEPLOY, vec![])]);
    plan.images[1] = Behavior::Sick;
    plan
}

/// The new version is healthy, fails its smoke check, and fails clients.
pub(super) fn fails_smoke() -> Plan {
    let mut plan = plan(vec![runner(START, DEPLOY, vec![])]);
    plan.images[1] = Behavior::FailsSmoke;
    plan
}

/// Nothing goes wrong at all.
pub(super) fn calm() -> Plan {
    plan(vec![runner(START, DEPLOY, vec![])])
}

/// Somebody else takes the traffic back to the old color while it is retained; then it expires.
pub(super) fn expired_with_the_traffic() -> Plan {
    let aim = deployed();
    let end = aim.end_ms(0);
    let mut plan = numbered(aim.plan(), runner(end + 11 * MINUTE, Verb::Sweep, vec![]));
    plan.events.push(foreign(end + MINUTE, [100, 0]));
    plan
}

/// The load balancer follows late, both versions answer alike, and nobody answers what requests there were.
pub(super) fn slow_nodes_and_no_metrics() -> Plan {
    let mut plan = deployed().plan();
    plan.propagation_ms = 240 * SECOND;
    plan.environments[0].probe = false;
    let storm = |at_ms| {
        let calls = "cloudwatch:*".into();
        happens(at_ms, WorldEvent::Storm { calls, weather: Weather::Throttle, percent: 100, for_ms: 6 * MINUTE })
    };
    plan.events.push(storm(START + 20 * SECOND));
    plan
}
