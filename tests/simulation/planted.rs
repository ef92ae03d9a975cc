//! The simulation can fail: each planted bug breaks the invariant that forbids it, and without the bug the same plan
//! breaks none.

use std::sync::Mutex;
use std::time::Instant;

use switchback::planted::Bug;

use super::directed;
use super::hunt::{on_threads, play, told};
use super::judge::{ROLLBACKS, invariants};
use super::plan::Plan;

/// A bug, the plan that shows it with its name, and the invariant that it breaks first.
type Case = (Bug, fn() -> Plan, &'static str, &'static str);

const FLIPS: &str = "healthy before traffic";
const CLIENTS: &str = "no request fails";
const WRITERS: &str = "one writer at a time";
const PROMISES: &str = "an undisturbed deploy succeeds";
const LIVE: &str = "the live color is not touched";
const ASKED: &str = "nobody is asked without a cause";
const STRANGERS: &str = "only our own is changed";
const INTENTS: &str = "the journal explains every write";
const PROOF: &str = "converged, not returned";
const FOREIGN: &str = "a foreign write is not overwritten";
const ENDING: &str = "in the end everything is settled";
const JOURNAL: &str = "journal";

/// How each bug is shown.
const CASES: [Case; 31] = [
    (Bug::RetainAtTheAnswer, directed::calm, "calm", PROOF),
    (Bug::UnknownIsConverged, directed::slow_nodes_and_no_metrics, "slow nodes, no metrics", PROOF),
    (Bug::TeardownFromCache, directed::expired_with_the_traffic, "expired with the traffic", LIVE),
    (Bug::SkipReadBack, directed::flip_taken_back, "flip taken back", PROOF),
    (Bug::SkipReadBackOfRollback, directed::rollback_taken_back, "rollback taken back", PROOF),
    (Bug::NoFencing, directed::zombie, "zombie", WRITERS),
    (Bug::LeaseForEver, directed::died, "died", ENDING),
    (Bug::NoSettling, directed::aborted_with_a_flip_in_flight, "aborted with a flip in flight", ASKED),
    (Bug::NoLookAfterTakeover, directed::overtaken_before_the_start, "overtaken before the start", ASKED),
    (Bug::NoSendDeadline, directed::flips_late, "flips late", INTENTS),
    (Bug::NoIntent, directed::calm, "calm", INTENTS),
    (Bug::ConflictIsCommit, directed::two_at_once, "two at once", WRITERS),
    (Bug::OwnEntryIsConflict, directed::answer_of_the_journal_lost, "answer of the journal lost", JOURNAL),
    (Bug::OmitZeroWeight, directed::calm, "calm", PROMISES),
    (Bug::FlipInTwoSteps, directed::calm, "calm", INTENTS),
    (Bug::FlipUnhealthy, directed::never_healthy, "never healthy", FLIPS),
    (Bug::DeregisterWithTheFlip, directed::calm, "calm", LIVE),
    (Bug::OverwriteForeign, directed::foreign_write_while_warming, "foreign write while warming", FOREIGN),
    (
        Bug::NoCompareBeforeWrite,
        directed::foreign_write_at_the_last_moment,
        "foreign write at the last moment",
        FOREIGN,
    ),
    (Bug::RollbackToTheDead, directed::rollback_to_the_dead, "rollback to the dead", FLIPS),
    (Bug::RetireAtOnce, directed::swept_early, "swept early", PROOF),
    (Bug::TeardownWithoutQuiet, directed::deploy_right_after_a_rollback, "deploy right after a rollback", LIVE),
    (Bug::TerminateWhileDraining, directed::calm, "calm", LIVE),
    (Bug::TakeDownStrangers, directed::squatted, "squatted", STRANGERS),
    (Bug::AbortTakesLive, directed::aborted, "aborted", LIVE),
    (Bug::NoClientToken, directed::calm, "calm", INTENTS),
    (Bug::ForgetLateLaunch, directed::refused_with_a_launch_under_way, "refused with a launch under way", ENDING),
    (Bug::KeepTheLease, directed::calm, "calm", WRITERS),
    (Bug::NoWayBackOnceRetained, directed::calm, "calm", ROLLBACKS),
    (Bug::DrainWhileRetained, directed::calm, "calm", ROLLBACKS),
    (Bug::SkipSmoke, directed::fails_smoke, "fails the smoke check", CLIENTS),
];

/// One line of the table, and what is wrong with it.
fn line(&(bug, plan, name, breaks): &Case) -> (String, Option<String>) {
    let plan = plan();
    let (with, without) = (play(&plan, Some(bug)), play(&plan, None));
    let first = with.violations.first().map_or("NOT CAUGHT", |found| found.invariant);
    let line = format!("| {bug:?} | {name} | {first} |");
    let wrong = if first != breaks {
        Some(format!("{bug:?} is to break `{breaks}` first, in the plan `{name}`:\n{}", told(&plan, &with, false)))
    } else if !without.violations.is_empty() {
        Some(format!("the plan `{name}` breaks something without {bug:?}, too:\n{}", told(&plan, &without, false)))
    } else {
        None
    };
    (line, wrong)
}

#[test]
fn every_planted_bug_is_caught_and_without_it_the_same_plan_is_clean() {
    let lines = Mutex::new(Vec::new());
    let jobs = std::thread::available_parallelism().map_or(2, usize::from);
    // `PLANTED=NoFencing,NoIntent` looks at these alone.
    let only = std::env::var("PLANTED").ok();
    let chosen =
        |(bug, ..): &&Case| only.as_ref().is_none_or(|only| only.split(',').any(|name| Bug::named(name) == Some(*bug)));
    let cases: Vec<_> = CASES.iter().filter(chosen).collect();
    on_threads(jobs, cases.len() as u64, |at| {
        let case = cases[usize::try_from(at).unwrap()];
        let began = Instant::now();
        let told = line(case);
        println!("{} {:.1} s", told.0, began.elapsed().as_secs_f64());
        lines.lock().unwrap().push((case.0, told));
    });
    let mut lines = lines.into_inner().unwrap();
    lines.sort_by_key(|(bug, _)| *bug);
    let table: Vec<_> = lines.iter().map(|(_, (line, _))| line.as_str()).collect();
    println!("{}", table.join("\n"));
    let wrong: Vec<_> = lines.iter().filter_map(|(_, (_, wrong))| wrong.as_deref()).collect();
    assert!(wrong.is_empty(), "{}\n{}", table.join("\n"), wrong.join("\n"));
}

#[test]
fn every_bug_that_can_be_planted_has_a_case() {
    let missing: Vec<_> = Bug::ALL.iter().filter(|bug| !CASES.iter().any(|(other, ..)| other == *bug)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(CASES.len() >= 20);
}

#[test]
fn every_invariant_is_broken_first_by_a_planted_bug() {
    let names = invariants().into_iter().map(|invariant| invariant.name());
    let unbroken: Vec<_> = names.filter(|name| !CASES.iter().any(|(.., breaks)| breaks == name)).collect();
    assert!(unbroken.is_empty(), "{unbroken:?}");
}
