//! What may follow what: every phase against every event, written down once by hand.

use switchback::release::{Effect, Event, Phase, State};

use crate::build::{all_events, all_phases, at, blocked, blue, green, phase, problem, started, state_in};

const BEFORE_THE_FLIP: [&str; 5] = ["clearing", "provisioning", "warming", "smoke", "staged"];
const SETTLED: [&str; 5] = ["retaining", "retiring", "done", "aborted", "rolled-back"];

/// The name of the phase that `event` leads to from the phase called `from`, or `None` where it must be refused.
///
/// Only phases that are not blocked; [`from_a_block`] has the others.
fn expected<'a>(from: &'a str, event: &Event) -> Option<&'a str> {
    let step = |at: &str, to: &'static str| (from == at).then_some(to);
    let stays = |allowed: bool| allowed.then_some(from);
    match event {
        Event::ReleaseStarted { .. } => SETTLED.contains(&from).then_some("clearing"),
        Event::Cleared => step("clearing", "provisioning"),
        Event::Provisioned { .. } => step("provisioning", "warming"),
        Event::Warmed => step("warming", "smoke"),
        Event::SmokePassed => step("smoke", "staged"),
        Event::Switched => step("switching", "converging"),
        Event::NotSwitched => step("switching", "staged"),
        Event::Converged => step("converging", "baking"),
        Event::Retained { .. } => step("baking", "retaining"),
        Event::Failed { .. } | Event::AbortRequested => {
            (BEFORE_THE_FLIP.contains(&from) || from == "switching").then_some("aborting")
        }
        Event::RollbackStarted { skipped, .. } => {
            let forced = from == "rolling-back" && !skipped.is_empty();
            (forced || ["switching", "converging", "baking", "retaining"].contains(&from)).then_some("rolling-back")
        }
        Event::RolledBack { .. } => step("rolling-back", "rolled-back"),
        Event::Aborted => step("aborting", "aborted"),
        Event::RetirementStarted => ["retaining", "rolled-back"].contains(&from).then_some("retiring"),
        Event::Retired => step("retiring", "done"),
        Event::Blocked { .. } => (!["done", "aborted"].contains(&from)).then_some("blocked"),
        // There is no block to leave, no announced call to end, no DNS change on its way and no leftover.
        Event::Resumed | Event::Outcome { .. } | Event::Synced | Event::LeftoversRemoved => None,
        Event::ClockRestarted { .. } => stays(["provisioning", "warming", "converging"].contains(&from)),
        Event::LeftoversFound { .. } => stays(["retaining", "rolled-back", "done", "aborted"].contains(&from)),
        Event::Adopted { live, .. } => adopted(from, *live == green()),
        Event::Intent { effect, .. } => match effect {
            Effect::Reference { live, .. } => stays(from == "provisioning" && *live == blue()),
            Effect::Launch { color, .. } | Effect::Register { color, .. } => {
                stays(from == "provisioning" && *color == green())
            }
            Effect::Flip { to, .. } if *to == green() => step("staged", "switching"),
            Effect::Flip { .. } => step("rolling-back", "rolling-back"),
            Effect::Deregister { color, .. } | Effect::Terminate { color, .. } => {
                // The idle color: the new one before the flip, the previous one when it retires after it.
                let idle = if from == "retiring" { blue() } else { green() };
                stays(["clearing", "aborting", "retiring"].contains(&from) && *color == idle)
            }
        },
    }
}

/// Where a person's word leads that the traffic is right: on green (`forward`), or on blue.
fn adopted<'a>(from: &str, forward: bool) -> Option<&'a str> {
    let on_blue =
        BEFORE_THE_FLIP.contains(&from) || ["switching", "aborting", "aborted", "rolled-back"].contains(&from);
    match (from, forward) {
        // Given up, or made by somebody else: either way it is over.
        ("rolling-back", true) => Some("retaining"),
        ("rolling-back", false) => Some("rolled-back"),
        // Nothing new.
        (_, true) if !on_blue => None,
        (_, false) if on_blue => None,
        ("warming" | "smoke" | "staged" | "switching", true) => Some("converging"),
        (_, true) => Some("retaining"),
        (_, false) => Some("rolled-back"),
    }
}

/// What a block at the phase called `at` lets through: going on, and where that was settled a new release.
fn from_a_block(at: &str, event: &Event) -> Option<String> {
    match event {
        Event::Resumed => Some(at.into()),
        Event::Adopted { live, .. } => adopted(at, *live == green()).map(str::to_owned),
        Event::ReleaseStarted { .. } => SETTLED.contains(&at).then(|| "clearing".into()),
        Event::Cleared
        | Event::Provisioned { .. }
        | Event::Warmed
        | Event::SmokePassed
        | Event::Intent { .. }
        | Event::Outcome { .. }
        | Event::Switched
        | Event::NotSwitched
        | Event::Converged
        | Event::Retained { .. }
        | Event::Failed { .. }
        | Event::AbortRequested
        | Event::RollbackStarted { .. }
        | Event::RolledBack { .. }
        | Event::Aborted
        | Event::RetirementStarted
        | Event::Retired
        | Event::Blocked { .. }
        | Event::ClockRestarted { .. }
        | Event::Synced
        | Event::LeftoversFound { .. }
        | Event::LeftoversRemoved => None,
    }
}

#[test]
fn every_event_in_every_phase_leads_where_the_table_says_or_is_refused() {
    let mut checked = 0;
    for from in all_phases() {
        for event in all_events() {
            let before = state_in(from.clone());
            let expected = match &from {
                Phase::Blocked { at, .. } => from_a_block(at.name(), &event),
                plain => expected(plain.name(), &event).map(str::to_owned),
            };
            let mut after = before.clone();
            let answer = after.apply(at(10), &event);
            let what = format!("{} in {from:?}", event.name());
            match expected {
                Some(next) => {
                    assert_eq!(answer, Ok(()), "{what}");
                    assert_eq!(phase(&after).name(), next, "{what}");
                }
                None => {
                    let refused = answer.expect_err(&what);
                    assert_eq!((refused.event, refused.phase.as_str()), (event.name(), from.name()), "{what}");
                    assert_eq!(after, before, "{what} changed the state though it was refused");
                }
            }
            checked += 1;
        }
    }
    assert_eq!(checked, all_phases().len() * all_events().len());
    assert_eq!(all_phases().len(), 30, "15 phases, each of them blocked as well");
}

#[test]
fn an_outcome_may_follow_in_every_phase_once_its_call_was_announced() {
    for from in all_phases() {
        for event in all_events().into_iter().filter(|e| matches!(e, Event::Outcome { .. })) {
            let mut state = state_in(from.clone());
            let effect = Effect::Flip { from: blue(), to: green() };
            state.pending = Some(switchback::release::Pending { effect, deadline: at(60) });
            assert_eq!(state.apply(at(10), &event), Ok(()), "{event:?} in {from:?}");
            assert_eq!(phase(&state), &from);
        }
    }
}

#[test]
fn nothing_but_a_release_starts_a_journal() {
    for event in all_events() {
        let answer = State::default().apply(at(0), &event);
        assert_eq!(answer.is_ok(), matches!(event, Event::ReleaseStarted { .. }), "{}", event.name());
    }
}

#[test]
fn a_release_from_a_color_to_itself_or_to_an_unknown_one_is_refused() {
    for unknown in [blue(), switchback::release::Color::new("red")] {
        let mut event = started();
        let Event::ReleaseStarted { to, .. } = &mut event else { unreachable!() };
        *to = unknown;
        assert!(State::default().apply(at(0), &event).is_err());
    }
}

#[test]
fn the_clocks_of_a_blocked_release_start_again_when_a_person_resumes() {
    for from in all_phases().iter().filter(|p| !matches!(p, Phase::Blocked { .. })) {
        let mut state = state_in(blocked(from));
        state.apply(at(5000), &Event::Resumed).unwrap();
        let expected = match from {
            Phase::Provisioning { .. } => Phase::Provisioning { since: at(5000) },
            Phase::Warming { .. } => Phase::Warming { since: at(5000) },
            Phase::Converging { .. } => Phase::Converging { since: at(5000) },
            Phase::Baking { .. } => Phase::Baking { since: at(5000) },
            other => other.clone(),
        };
        assert_eq!(phase(&state), &expected);
    }
}

#[test]
fn what_aws_refused_is_forgotten_with_the_phase_it_happened_in() {
    for event in [Event::AbortRequested, Event::Failed { problem: problem() }] {
        let mut state = state_in(Phase::Provisioning { since: at(0) });
        let release = state.release.as_mut().unwrap();
        (release.refused, release.unanswered) = (Some(problem()), 4);
        state.apply(at(1), &event).unwrap();
        let release = state.release.unwrap();
        assert_eq!((release.refused, release.unanswered), (None, 0));
    }
}

#[test]
fn a_call_that_a_crash_left_without_outcome_is_settled_once_the_color_is_seen_empty() {
    let endings =
        [(Phase::Clearing, Event::Cleared), (Phase::Aborting, Event::Aborted), (Phase::Retiring, Event::Retired)];
    for (phase, ending) in endings {
        let mut state = state_in(phase);
        let idle = state.release.as_ref().unwrap().idle().clone();
        let effect = Effect::Terminate { color: idle, instances: vec!["i-1".into()] };
        state.apply(at(10), &Event::Intent { effect, deadline: at(70) }).unwrap();
        assert!(state.pending.is_some());
        state.apply(at(20), &ending).unwrap();
        assert_eq!((state.pending, state.late_until), (None, None), "{}", ending.name());
    }
}
