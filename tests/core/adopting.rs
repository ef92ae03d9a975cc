//! `adopt`: a person takes the traffic as right where somebody else has put it.

use std::collections::BTreeSet;

use switchback::release::{
    Admission, Context, Decision, Effect, EffectResult, Ending, Event, Facts, Goal, HealthState, Memory, Moved, Phase,
    Question, State, admit, decide,
};

use crate::admission::request;
use crate::build::{
    all_phases, at, blocked, blue, context, foreign, green, next, phase, release, somebody, split, state_in, targets,
    well,
};

fn first(state: &State, facts: &Facts) -> Decision {
    let cx = Context { acted: false, reason: Some("it stays".into()), ..context(Goal::Adopt, 10) };
    decide(state, &cx, facts, &Memory::default())
}

fn refusal(decision: Decision) -> String {
    match decision {
        Decision::Stop(Ending::Refused(problem)) => {
            assert!(!problem.run.is_empty(), "it names nothing to run: {problem:?}");
            problem.saw
        }
        other => panic!("it was not refused: {other:?}"),
    }
}

#[test]
fn in_every_phase_the_live_state_is_adopted_or_there_is_nothing_new_to_adopt() {
    for from in all_phases() {
        for live in [blue(), green()] {
            let state = state_in(from.clone());
            match first(&state, &well(live.clone())) {
                Decision::Record(event @ Event::Adopted { .. }) => {
                    let mut after = state.clone();
                    after.apply(at(10), &event).unwrap_or_else(|e| panic!("{live} in {from:?}: {e}"));
                    assert_eq!(release(&after).live(), &live, "{live} in {from:?}");
                    assert!(!matches!(phase(&after), Phase::Blocked { .. }), "{live} in {from:?}");
                    let adopted = release(&after).adopted.clone().expect("it is remembered");
                    assert_eq!((adopted.by, adopted.reason.as_deref()), (somebody(), Some("it stays")));
                    assert!(after.carried.contains_key(release(&after).idle()), "nobody knows when it had traffic");
                    let cx = Context { acted: true, ..context(Goal::Adopt, 10) };
                    let then = decide(&after, &cx, &well(live.clone()), &Memory::default());
                    assert_eq!(then, Decision::Stop(Ending::Done), "{live} in {from:?}");
                }
                Decision::Stop(Ending::Nothing(text)) => {
                    assert_eq!(release(&state).live(), &live, "{live} in {from:?}: {text}");
                }
                other => panic!("{live} in {from:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn it_rests_on_the_traffic_and_the_health_of_both_colors() {
    let asked = first(&state_in(Phase::Retaining { until: at(1000) }), &Facts::default());
    let questions = [Question::Traffic, Question::Targets(blue()), Question::Targets(green())];
    assert_eq!(asked, Decision::Ask(BTreeSet::from(questions)));
}

#[test]
fn traffic_on_no_one_color_is_not_adopted_and_nothing_healthy_must_not_be_live() {
    let state = state_in(Phase::Retaining { until: at(1000) });
    for (traffic, words) in [(split(), "split"), (foreign(), "arn:third")] {
        let facts = Facts { traffic: Some(traffic), ..well(blue()) };
        assert!(refusal(first(&state, &facts)).contains(words));
    }
    let mut facts = well(blue());
    facts.targets.insert(blue(), targets(&[("b1", HealthState::Unhealthy)]));
    assert!(refusal(first(&state, &facts)).contains("no healthy target"));
}

#[test]
fn a_call_that_may_still_land_is_waited_for_first() {
    let mut state = state_in(Phase::Retiring);
    let effect = Effect::Deregister { color: blue(), instances: vec!["b1".into()] };
    state.apply(at(0), &Event::Intent { effect, deadline: at(60) }).unwrap();
    state.apply(at(1), &Event::Outcome { result: EffectResult::Unknown { saw: "a time-out".into() } }).unwrap();
    assert!(matches!(first(&state, &well(blue())), Decision::Wait { until: Some(until), .. } if until == at(60)));
}

#[test]
fn a_release_that_got_the_traffic_early_goes_on_and_one_that_had_put_nothing_there_is_over() {
    for (from, to) in [
        (Phase::Staged, "converging"),
        (Phase::Switching, "converging"),
        (blocked(&Phase::Warming { since: at(0) }), "converging"),
        (Phase::Clearing, "retaining"),
        (Phase::Provisioning { since: at(0) }, "retaining"),
        (Phase::Aborting, "retaining"),
    ] {
        let mut state = state_in(from.clone());
        let Decision::Record(event) = first(&state, &well(green())) else { panic!("{from:?}") };
        state.apply(at(10), &event).unwrap();
        assert_eq!((phase(&state).name(), release(&state).moved), (to, Moved::Forward), "{from:?}");
        // The image of a release that put nothing there is not what runs there.
        let ours = !matches!(from, Phase::Clearing | Phase::Provisioning { .. });
        assert_eq!(release(&state).failure.is_none(), ours, "{from:?}");
        if to == "retaining" {
            let again = admit(&state, &request("ami-2"), &well(green()));
            assert_eq!(matches!(again, Ok(Admission::AlreadyLive)), ours, "{from:?}: {again:?}");
            let back = next(&state, Goal::Rollback { force: false }, 20, &well(green()));
            assert!(matches!(back, Decision::Record(Event::RollbackStarted { .. })), "{from:?}: {back:?}");
        }
    }
}

#[test]
fn a_rollback_that_cannot_be_made_can_be_given_up() {
    let mut state = state_in(blocked(&Phase::RollingBack));
    let Decision::Record(event) = first(&state, &well(green())) else { panic!("not adopted") };
    state.apply(at(10), &event).unwrap();
    assert_eq!(phase(&state).name(), "retaining");
    assert_eq!(release(&state).failure, None);
}
