//! Rollback, abort and sweep from every phase.

use switchback::release::{
    Decision, Effect, EffectResult, Ending, Event, Facts, FlipReason, Goal, Memory, Phase, State, Traffic, decide,
};

use crate::build::{
    all_phases, at, blocked, blue, context, foreign, green, next, only, problem, split, state_in, targets, well,
};

const ROLLBACK: Goal = Goal::Rollback { force: false };
const FORCE: Goal = Goal::Rollback { force: true };

fn first(state: &State, goal: Goal, facts: &Facts) -> Decision {
    let mut cx = context(goal, 10);
    cx.acted = false;
    decide(state, &cx, facts, &Memory::default())
}

#[track_caller]
fn refused(decision: Decision) -> String {
    match decision {
        Decision::Stop(Ending::Refused(problem)) => problem.saw,
        other => panic!("it was not refused: {other:?}"),
    }
}

fn rollback_started(decision: &Decision) -> Option<&[String]> {
    match decision {
        Decision::Record(Event::RollbackStarted { reason: FlipReason::Requested, skipped }) => Some(skipped),
        _ => None,
    }
}

/// What the first step of `goal` is, in each phase, when all is well.
#[test]
fn every_phase_can_be_turned_back_or_says_why_there_is_nothing_to_turn_back() {
    for phase in all_phases().into_iter().filter(|p| !matches!(p, Phase::Blocked { .. })) {
        for goal in [ROLLBACK, FORCE, Goal::Abort] {
            let moved = matches!(
                phase,
                Phase::Converging { .. } | Phase::Baking { .. } | Phase::Retaining { .. } | Phase::RollingBack
            );
            let facts = well(if moved { green() } else { blue() });
            let decision = first(&state_in(phase.clone()), goal, &facts);
            let as_it_should = match &phase {
                Phase::Clearing
                | Phase::Provisioning { .. }
                | Phase::Warming { .. }
                | Phase::Smoke
                | Phase::Staged
                | Phase::Switching => decision == Decision::Record(Event::AbortRequested),
                Phase::Converging { .. } | Phase::Baking { .. } => rollback_started(&decision) == Some(&[]),
                Phase::Retaining { .. } if goal != Goal::Abort => rollback_started(&decision) == Some(&[]),
                Phase::Aborting => matches!(decision, Decision::Act(Effect::Deregister { .. })),
                Phase::RollingBack => decision == Decision::Act(Effect::Flip { from: green(), to: blue() }),
                Phase::Retaining { .. } => matches!(decision, Decision::Stop(Ending::Nothing(_))),
                Phase::Retiring | Phase::Done | Phase::Aborted | Phase::RolledBack { .. } => match goal {
                    Goal::Abort => matches!(decision, Decision::Stop(Ending::Nothing(_))),
                    Goal::Rollback { .. } | Goal::Deploy | Goal::Sweep | Goal::Reconcile | Goal::Adopt => {
                        matches!(decision, Decision::Stop(Ending::Refused(_)))
                    }
                },
                Phase::Blocked { .. } => unreachable!("filtered above"),
            };
            assert!(as_it_should, "{goal:?} in {phase:?}: {decision:?}");
        }
    }
}

#[test]
fn what_was_turned_back_by_request_ends_well() {
    for goal in [ROLLBACK, Goal::Abort] {
        for phase in [Phase::Aborted, Phase::RolledBack { until: at(99) }] {
            assert_eq!(next(&state_in(phase), goal, 10, &Facts::default()), Decision::Stop(Ending::Done));
        }
    }
}

#[test]
fn a_flip_in_mid_air_is_turned_back_by_what_the_load_balancer_says() {
    let state = state_in(Phase::Switching);
    for goal in [ROLLBACK, Goal::Abort] {
        assert_eq!(first(&state, goal, &well(blue())), Decision::Record(Event::AbortRequested));
        assert_eq!(rollback_started(&first(&state, goal, &well(green()))), Some(&[][..]));
        for traffic in [split(), Traffic::Nowhere, foreign()] {
            let mut facts = well(green());
            facts.traffic = Some(traffic);
            assert!(matches!(first(&state, goal, &facts), Decision::Record(Event::Blocked { .. })));
        }
    }
}

#[test]
fn a_flip_that_may_still_land_is_not_aborted_yet() {
    let mut state = state_in(Phase::Staged);
    let effect = Effect::Flip { from: blue(), to: green() };
    state.apply(at(0), &Event::Intent { effect, deadline: at(60) }).unwrap();
    let decision = first(&state, Goal::Abort, &well(blue()));
    assert!(matches!(decision, Decision::Wait { until: Some(until), .. } if until == at(60)), "{decision:?}");
    let mut back = state;
    back.apply(at(1), &Event::Switched).unwrap();
    let requested = Event::RollbackStarted { reason: FlipReason::Requested, skipped: vec![] };
    back.apply(at(2), &requested).unwrap();
    let decision = next(&back, ROLLBACK, 10, &well(green()));
    assert!(matches!(decision, Decision::Wait { until: Some(until), .. } if until == at(60)), "{decision:?}");
}

#[test]
fn a_flip_that_aws_accepted_is_not_aborted_on_what_may_be_an_old_reading() {
    let mut state = state_in(Phase::Staged);
    let effect = Effect::Flip { from: blue(), to: green() };
    state.apply(at(0), &Event::Intent { effect, deadline: at(15) }).unwrap();
    state.apply(at(2), &Event::Outcome { result: EffectResult::Accepted { change: None } }).unwrap();
    for goal in [ROLLBACK, Goal::Abort] {
        let decision = next(&state, goal, 10, &well(blue()));
        assert!(matches!(decision, Decision::Wait { until: Some(until), .. } if until == at(62)), "{decision:?}");
        assert_eq!(rollback_started(&next(&state, goal, 11, &well(green()))), Some(&[][..]), "it shows");
        // What does not show after a minute was taken back by somebody: nothing is left to take back.
        assert_eq!(next(&state, goal, 62, &well(blue())), Decision::Record(Event::AbortRequested));
    }
}

#[test]
fn a_rollback_that_aws_accepted_is_looked_for_before_the_previous_color_is_asked_for_its_health() {
    let mut state = state_in(Phase::RollingBack);
    let back = Effect::Flip { from: green(), to: blue() };
    state.apply(at(0), &Event::Intent { effect: back, deadline: at(15) }).unwrap();
    state.apply(at(2), &Event::Outcome { result: EffectResult::Accepted { change: None } }).unwrap();
    let mut facts = well(green());
    facts.targets.insert(blue(), targets(&[]));
    let decision = next(&state, ROLLBACK, 10, &facts);
    assert!(matches!(decision, Decision::Wait { until: Some(until), .. } if until == at(62)), "{decision:?}");
}

#[test]
fn a_rollback_to_a_color_that_cannot_take_the_traffic_is_refused_and_force_says_what_it_skips() {
    for phase in [Phase::Converging { since: at(0) }, Phase::Baking { since: at(0) }, Phase::Retaining { until: at(9) }]
    {
        let mut facts = well(green());
        facts.targets.insert(blue(), targets(&[("b1", switchback::release::HealthState::Healthy)]));
        let state = state_in(phase);
        assert!(refused(first(&state, ROLLBACK, &facts)).contains("blue cannot take the traffic"));
        let decision = first(&state, FORCE, &facts);
        assert_eq!(rollback_started(&decision).map(<[_]>::len), Some(1));
    }
}

#[test]
fn a_rollback_over_a_foreign_writer_is_refused_and_never_forced_over_a_rule_that_is_not_ours() {
    let state = state_in(Phase::Retaining { until: at(9) });
    for (traffic, may_be_forced) in
        [(split(), true), (Traffic::Nowhere, true), (only(blue()), true), (foreign(), false)]
    {
        let mut facts = well(green());
        facts.traffic = Some(traffic);
        assert!(refused(first(&state, ROLLBACK, &facts)).contains("somebody else"));
        assert_eq!(rollback_started(&first(&state, FORCE, &facts)).is_some(), may_be_forced);
    }
}

#[test]
fn force_also_helps_a_rollback_that_is_blocked_half_way() {
    let mut state = state_in(blocked(&Phase::RollingBack));
    let mut facts = well(green());
    facts.targets.insert(blue(), targets(&[]));
    assert_eq!(first(&state, FORCE, &facts), Decision::Record(Event::Resumed));
    state.apply(at(10), &Event::Resumed).unwrap();
    let Decision::Record(event) = next(&state, FORCE, 10, &facts) else { panic!("force did not help") };
    state.apply(at(10), &event).unwrap();
    assert!(state.release.as_ref().unwrap().forced);
    assert_eq!(next(&state, FORCE, 10, &facts), Decision::Act(Effect::Flip { from: green(), to: blue() }));
}

#[test]
fn a_block_is_left_by_the_verb_that_goes_on_and_kept_by_one_that_is_refused() {
    let blocked_at = |phase: Phase| state_in(blocked(&phase));
    for goal in [Goal::Deploy, ROLLBACK, Goal::Abort] {
        let decision = first(&blocked_at(Phase::Staged), goal, &well(blue()));
        assert_eq!(decision, Decision::Record(Event::Resumed));
        let again = next(&blocked_at(Phase::Staged), goal, 10, &well(blue()));
        assert_eq!(again, Decision::Stop(Ending::Blocked(problem())), "one run resumes once");
    }
    let mut sick = well(green());
    sick.targets.insert(blue(), targets(&[]));
    refused(first(&blocked_at(Phase::Baking { since: at(0) }), ROLLBACK, &sick));
    refused(first(&blocked_at(Phase::Retiring), ROLLBACK, &well(green())));
    let decision = first(&blocked_at(Phase::Retiring), Goal::Abort, &well(green()));
    assert!(matches!(decision, Decision::Stop(Ending::Nothing(_))), "{decision:?}");
}

#[test]
fn a_sweep_takes_down_what_has_expired_and_nothing_else() {
    for phase in all_phases() {
        let decision = first(&state_in(phase.clone()), Goal::Sweep, &well(green()));
        let as_it_should = match &phase {
            // The list of phases has them expire at 1000 seconds.
            Phase::Retaining { .. } | Phase::RolledBack { .. } => {
                matches!(decision, Decision::Stop(Ending::Nothing(_)))
            }
            Phase::Retiring => matches!(decision, Decision::Act(Effect::Deregister { .. })),
            Phase::Aborting => matches!(decision, Decision::Record(Event::Blocked { .. })),
            Phase::RollingBack => decision == Decision::Act(Effect::Flip { from: green(), to: blue() }),
            Phase::Done | Phase::Aborted => matches!(decision, Decision::Stop(Ending::Nothing(_))),
            Phase::Blocked { at, .. } if **at == Phase::Retiring => decision == Decision::Record(Event::Resumed),
            Phase::Blocked { .. } => matches!(decision, Decision::Stop(Ending::Blocked(_))),
            Phase::Clearing
            | Phase::Provisioning { .. }
            | Phase::Warming { .. }
            | Phase::Smoke
            | Phase::Staged
            | Phase::Switching
            | Phase::Converging { .. }
            | Phase::Baking { .. } => matches!(decision, Decision::Stop(Ending::Nothing(_))),
        };
        assert!(as_it_should, "{phase:?}: {decision:?}");
    }
    for phase in [Phase::Retaining { until: at(1000) }, Phase::RolledBack { until: at(1000) }] {
        let state = state_in(phase);
        assert!(matches!(next(&state, Goal::Sweep, 999, &Facts::default()), Decision::Stop(Ending::Nothing(_))));
        assert_eq!(next(&state, Goal::Sweep, 1000, &Facts::default()), Decision::Record(Event::RetirementStarted));
    }
    for phase in [Phase::Done, Phase::Aborted] {
        assert_eq!(next(&state_in(phase), Goal::Sweep, 10, &Facts::default()), Decision::Stop(Ending::Done));
    }
}

#[test]
fn a_sweep_that_is_still_blocked_records_nothing() {
    let mut facts = well(green());
    facts.traffic = Some(split());
    let decision = first(&state_in(blocked(&Phase::Retiring)), Goal::Sweep, &facts);
    let Decision::Stop(Ending::Blocked(problem)) = decision else { panic!("{decision:?}") };
    assert!(problem.saw.contains("split"), "what is in the way now, not what was");
}
