//! What is searched through, and what must be found where a step of the protocol is left out.

use stateright::{Checker, HasDiscoveries, Model};

use crate::model::{AS_WRITTEN, COMPLETES, DEPLOYED, DEPLOYED_AFTER_CRASHES, ONE_WRITER, Protocol, REPLAYS, SERVES};
use crate::runner::{LeftOut, WhatFor};

/// Runs, each with how often it may crash; then how many calls stay unanswered, how often a run is frozen,
/// and how many calls are repeated below.
fn protocol(runs: &[(WhatFor, u8)], [unanswered, frozen, repeats]: [u8; 3], left_out: Option<LeftOut>) -> Protocol {
    Protocol { runs: runs.to_vec(), unanswered, frozen, repeats, left_out }
}

/// Searches through all of it.
#[track_caller]
fn holds(runs: &[(WhatFor, u8)], faults: [u8; 3], reachable: &[&'static str]) {
    let began = std::time::Instant::now();
    let checker = protocol(runs, faults, None).checker().threads(2).target_state_count(3_000_000).spawn_bfs().join();
    println!(
        "{runs:?} {faults:?}: {} states, {} deep, {:.1} s",
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    for property in [SERVES, ONE_WRITER, AS_WRITTEN, REPLAYS, COMPLETES] {
        if let Some(path) = checker.discovery(property) {
            let world = path.last_state().clone();
            let actions = path.into_actions().iter().map(|a| format!("{a:?}")).collect::<Vec<_>>().join(" ");
            panic!("{property}: {actions}\n{}", world.tell());
        }
    }
    for property in reachable {
        assert!(checker.discovery(property).is_some(), "never: {property}");
    }
}

use WhatFor::{Abort, Deploy, Reconcile, Rollback, Sweep};

#[test]
fn two_runs_of_a_deploy_that_crash_and_are_swept_up() {
    holds(&[(Deploy, 1), (Sweep, 0)], [1, 0, 0], &[DEPLOYED, DEPLOYED_AFTER_CRASHES]);
}

#[test]
fn a_deploy_that_crashes_twice() {
    holds(&[(Deploy, 2)], [0, 1, 0], &[]);
}

#[test]
fn a_deploy_that_crashes_and_an_abort() {
    holds(&[(Deploy, 1), (Abort, 0)], [0, 0, 0], &[]);
}

#[test]
fn a_deploy_that_is_frozen_and_a_rollback() {
    holds(&[(Deploy, 0), (Rollback, 0)], [1, 1, 0], &[]);
}

#[test]
fn three_runs() {
    holds(&[(Deploy, 0), (Abort, 0), (Reconcile, 0)], [0, 0, 0], &[]);
}

#[test]
fn a_call_that_is_repeated_below() {
    holds(&[(Deploy, 0), (Rollback, 0)], [0, 0, 1], &[]);
}

/// Without that step of the protocol the search finds an accident.
#[track_caller]
fn is_needed(left_out: LeftOut, runs: &[(WhatFor, u8)], faults: [u8; 3]) {
    let began = std::time::Instant::now();
    let checker = protocol(runs, faults, Some(left_out)).checker().threads(2).finish_when(HasDiscoveries::AnyFailures);
    let checker = checker.spawn_bfs().join();
    let found = [SERVES, ONE_WRITER, AS_WRITTEN, REPLAYS].into_iter().find_map(|p| Some((p, checker.discovery(p)?)));
    let (property, path) = found.unwrap_or_else(|| panic!("{left_out:?} is not missed"));
    println!(
        "without {left_out:?}: \"{property}\" is broken after {} steps; {} states, {:.1} s\n{}",
        path.clone().into_actions().len(),
        checker.unique_state_count(),
        began.elapsed().as_secs_f64(),
        path.last_state().tell()
    );
}

#[test]
fn without_an_intent_before_the_call_there_is_an_accident() {
    is_needed(LeftOut::IntentBefore, &[(Deploy, 0), (Abort, 0)], [0, 0, 0]);
}

#[test]
fn without_the_wait_after_a_takeover_there_is_an_accident() {
    is_needed(LeftOut::Wait, &[(Deploy, 0), (Abort, 0)], [0, 0, 0]);
}

#[test]
fn without_the_takeover_before_the_wait_there_is_an_accident() {
    is_needed(LeftOut::TakeoverBeforeTheWait, &[(Deploy, 0), (Abort, 0)], [0, 0, 0]);
}

#[test]
fn without_a_look_after_the_wait_there_is_an_accident() {
    is_needed(LeftOut::LookAfterTheWait, &[(Deploy, 0), (Abort, 0)], [0, 0, 0]);
}

#[test]
fn without_a_deadline_for_sending_there_is_an_accident() {
    is_needed(LeftOut::SendDeadline, &[(Deploy, 0), (Abort, 0)], [0, 1, 0]);
}

#[test]
fn without_fencing_there_is_an_accident() {
    is_needed(LeftOut::Fencing, &[(Deploy, 0), (Abort, 0)], [0, 0, 0]);
}

#[test]
fn without_a_thought_for_repetitions_there_is_an_accident() {
    is_needed(LeftOut::Repetitions, &[(Deploy, 0), (Abort, 0)], [0, 0, 1]);
}

#[test]
fn where_old_facts_are_taken_for_new_ones_there_is_an_accident() {
    is_needed(LeftOut::AsOfTheLook, &[(Deploy, 1), (Abort, 0)], [0, 1, 0]);
}
