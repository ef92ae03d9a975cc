//! The simulation can fail: each planted bug breaks an invariant, and without the bug the same plan breaks none.

use std::sync::Mutex;
use std::time::Instant;

use switchback::planted::Bug;

use super::directed;
use super::hunt::{on_threads, play, told};
use super::plan::Plan;

/// What shows a bug.
#[derive(Clone, Copy)]
enum Shown {
    /// A plan with an aim.
    By(fn() -> Plan, &'static str),
}

use Shown::By;

/// How each bug is shown.
const CASES: [(Bug, Shown); 28] = [
    (Bug::RetainAtTheAnswer, By(directed::calm, "calm")),
    (Bug::UnknownIsConverged, By(directed::slow_nodes_and_no_metrics, "slow nodes, no metrics")),
    (Bug::TeardownFromCache, By(directed::expired_with_the_traffic, "expired with the traffic")),
    (Bug::SkipReadBack, By(directed::flip_taken_back, "flip taken back")),
    (Bug::SkipReadBackOfRollback, By(directed::rollback_taken_back, "rollback taken back")),
    (Bug::NoFencing, By(directed::zombie, "zombie")),
    (Bug::LeaseForEver, By(directed::died, "died")),
    (Bug::NoSettling, By(directed::aborted_with_a_flip_in_flight, "aborted with a flip in flight")),
    (Bug::NoLookAfterTakeover, By(directed::overtaken_before_the_start, "overtaken before the start")),
    (Bug::NoSendDeadline, By(directed::flips_late, "flips late")),
    (Bug::NoIntent, By(directed::calm, "calm")),
    (Bug::ConflictIsCommit, By(directed::two_at_once, "two at once")),
    (Bug::OwnEntryIsConflict, By(directed::answer_of_the_journal_lost, "answer of the journal lost")),
    (Bug::OmitZeroWeight, By(directed::calm, "calm")),
    (Bug::FlipInTwoSteps, By(directed::calm, "calm")),
    (Bug::FlipUnhealthy, By(directed::never_healthy, "never healthy")),
    (Bug::DeregisterWithTheFlip, By(directed::calm, "calm")),
    (Bug::OverwriteForeign, By(directed::foreign_write_while_warming, "foreign write while warming")),
    (Bug::NoCompareBeforeWrite, By(directed::foreign_write_at_the_last_moment, "foreign write at the last moment")),
    (Bug::RollbackToTheDead, By(directed::rollback_to_the_dead, "rollback to the dead")),
    (Bug::RetireAtOnce, By(directed::swept_early, "swept early")),
    (Bug::TeardownWithoutQuiet, By(directed::deploy_right_after_a_rollback, "deploy right after a rollback")),
    (Bug::TerminateWhileDraining, By(directed::calm, "calm")),
    (Bug::TakeDownStrangers, By(directed::squatted, "squatted")),
    (Bug::AbortTakesLive, By(directed::aborted, "aborted")),
    (Bug::NoClientToken, By(directed::calm, "calm")),
    (Bug::ForgetLateLaunch, By(directed::refused_with_a_launch_under_way, "refused with a launch under way")),
    (Bug::KeepTheLease, By(directed::calm, "calm")),
];

impl Shown {
    fn plan(self) -> Plan {
        match self {
            By(plan, _) => plan(),
        }
    }

    fn words(self) -> String {
        match self {
            By(_, name) => format!("plan: {name}"),
        }
    }
}

/// One line of the table, and what is wrong with it.
fn line(bug: Bug, shown: Shown) -> (String, Option<String>) {
    let plan = shown.plan();
    let (with, without) = (play(&plan, Some(bug)), play(&plan, None));
    let first = with.violations.first();
    let line = format!("| {bug:?} | {} | {} |", shown.words(), first.map_or("NOT CAUGHT", |found| found.invariant));
    let wrong = match (first, without.violations.is_empty()) {
        (Some(_), true) => None,
        (None, _) => Some(format!("{bug:?} is not caught by {}:\n{}", shown.words(), told(&plan, &with, false))),
        (_, false) => Some(format!("{} fails without {bug:?}, too:\n{}", shown.words(), told(&plan, &without, false))),
    };
    (line, wrong)
}

#[test]
fn every_planted_bug_is_caught_and_without_it_the_same_plan_is_clean() {
    let lines = Mutex::new(Vec::new());
    let jobs = std::thread::available_parallelism().map_or(2, usize::from);
    // `PLANTED=NoFencing,NoIntent` looks at these alone.
    let only = std::env::var("PLANTED").ok();
    let chosen = |(bug, _): &&(Bug, Shown)| {
        only.as_ref().is_none_or(|only| only.split(',').any(|name| Bug::named(name) == Some(*bug)))
    };
    let cases: Vec<_> = CASES.iter().filter(chosen).collect();
    on_threads(jobs, cases.len() as u64, |at| {
        let (bug, shown) = *cases[usize::try_from(at).unwrap()];
        let began = Instant::now();
        let told = line(bug, shown);
        println!("{} {:.1} s", told.0, began.elapsed().as_secs_f64());
        lines.lock().unwrap().push((bug, told));
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
    let missing: Vec<_> = Bug::ALL.iter().filter(|bug| !CASES.iter().any(|(other, _)| other == *bug)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(CASES.len() >= 20);
}
