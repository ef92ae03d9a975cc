//! The way to the flip, and how a run ends: one test per decision, with the facts that lead to it.

use std::collections::BTreeSet;

use switchback::release::{
    Announced, Color, Decision, Effect, EffectResult, Ending, Event, Facts, Goal, HealthState, InstanceState, Memory,
    Phase, Question, State, Traffic, Unsent, decide,
};

use crate::build::{
    all_phases, asked, at, blocked, blocks, blue, context, fails, foreign, forward, green, instance, next, only, phase,
    problem, seen, split, state_in, targets, waits, well,
};

const FLIP: fn() -> Effect = || Effect::Flip { from: blue(), to: green() };

#[test]
fn a_phase_that_rests_on_the_world_asks_before_anything_else() {
    for phase in all_phases() {
        let state = state_in(phase.clone());
        let decision = decide(&state, &context(Goal::Deploy, 10), &Facts::default(), &Memory::default());
        let at_rest = phase.is_settled() && phase != Phase::Retiring || matches!(phase, Phase::Blocked { .. });
        assert_eq!(!matches!(decision, Decision::Ask(_)), at_rest, "{phase:?}: {decision:?}");
    }
}

#[test]
fn the_gate_before_the_flip_looks_at_the_traffic_and_at_both_colors_at_once() {
    let questions = asked(&state_in(Phase::Staged), Goal::Deploy);
    assert_eq!(questions, BTreeSet::from([Question::Traffic, Question::Targets(blue()), Question::Targets(green())]));
}

#[test]
fn an_idle_color_out_of_the_rule_is_referenced_first() {
    let mut facts = well(blue());
    facts.traffic = Some(Traffic::Only { color: blue(), idle_referenced: false });
    assert_eq!(
        forward(&state_in(Phase::Provisioning { since: at(0) }), 10, &facts),
        Decision::Act(Effect::Reference { live: blue(), idle: green() })
    );
}

#[test]
fn provisioning_launches_into_each_subnet_once_with_a_token_of_its_own() {
    let mut state = state_in(Phase::Provisioning { since: at(0) });
    let mut facts = well(blue());
    facts.instances.insert(green(), vec![]);
    facts.targets.insert(green(), targets(&[]));
    for subnet in ["a", "b"] {
        let Decision::Act(effect) = forward(&state, 10, &facts) else { panic!("nothing was launched") };
        let token = format!("r2-{subnet}");
        assert_eq!(effect, Effect::Launch { color: green(), subnet: subnet.into(), count: 1, client_token: token });
        state.apply(at(10), &Event::Intent { effect, deadline: at(70) }).unwrap();
        state.apply(at(10), &Event::Outcome { result: EffectResult::Accepted { change: None } }).unwrap();
    }
    waits(forward(&state, 10, &facts));
}

fn provisioned() -> State {
    let mut state = state_in(Phase::Provisioning { since: at(0) });
    state.release.as_mut().unwrap().launched = BTreeSet::from(["a".into(), "b".into()]);
    state
}

#[test]
fn running_instances_are_registered_and_then_recorded() {
    let mut facts = well(blue());
    facts.targets.insert(green(), targets(&[("g1", HealthState::Initial)]));
    let register = Effect::Register { color: green(), instances: vec!["g2".into()] };
    assert_eq!(forward(&provisioned(), 10, &facts), Decision::Act(register));
    let Decision::Record(Event::Provisioned { instances }) = forward(&provisioned(), 10, &well(blue())) else {
        panic!("not recorded")
    };
    assert_eq!(instances.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), ["g1", "g2"]);
}

#[test]
fn instances_of_another_release_do_not_count() {
    let mut facts = well(blue());
    facts.instances.insert(green(), ["g1", "g2"].map(|id| instance(id, "r1", InstanceState::Running)).to_vec());
    waits(forward(&provisioned(), 10, &facts));
}

#[test]
fn an_instance_that_does_not_stay_up_fails_the_release() {
    for state in [InstanceState::Terminated, InstanceState::Stopped] {
        let mut facts = well(blue());
        facts.instances.insert(green(), vec![instance("g1", "r2", state)]);
        assert!(fails(forward(&provisioned(), 10, &facts)).contains("g1"));
    }
}

#[test]
fn provisioning_ends_with_the_health_timeout_whatever_is_missing() {
    let mut facts = well(blue());
    facts.targets.insert(green(), targets(&[]));
    fails(forward(&provisioned(), 600, &facts));
    facts.instances.insert(green(), vec![]);
    fails(forward(&provisioned(), 600, &facts));
}

#[test]
fn a_foreign_writer_blocks_and_is_named_wherever_the_traffic_matters() {
    for traffic in [split(), Traffic::Nowhere, foreign(), only(green())] {
        let said = traffic.describe();
        for phase in [Phase::Provisioning { since: at(0) }, Phase::Staged, Phase::Clearing, Phase::Aborting] {
            let mut facts = well(blue());
            facts.traffic = Some(traffic.clone());
            let saw = blocks(forward(&state_in(phase.clone()), 10, &facts));
            assert!(saw.contains(&said) && saw.contains("somebody else"), "{phase:?}: {saw}");
        }
    }
    for traffic in [split(), Traffic::Nowhere, foreign(), only(blue())] {
        for phase in [Phase::Converging { since: at(0) }, Phase::Baking { since: at(0) }, Phase::Retiring] {
            let mut facts = well(green());
            facts.traffic = Some(traffic.clone());
            blocks(forward(&state_in(phase), 10, &facts));
        }
    }
    for traffic in [split(), Traffic::Nowhere, foreign()] {
        for phase in [Phase::Switching, Phase::RollingBack] {
            let mut facts = well(green());
            facts.traffic = Some(traffic.clone());
            blocks(forward(&state_in(phase), 10, &facts));
        }
    }
}

#[test]
fn a_color_is_warm_after_enough_healthy_looks_in_a_row_and_not_before() {
    let state = state_in(Phase::Warming { since: at(0) });
    let facts = well(blue());
    let after = |looks| decide(&state, &context(Goal::Deploy, 60), &facts, &seen(&facts, looks, 60));
    waits(after(1));
    waits(after(2));
    assert_eq!(after(3), Decision::Record(Event::Warmed));
}

#[test]
fn a_newcomer_does_not_inherit_the_streak_of_the_others() {
    let state = state_in(Phase::Warming { since: at(0) });
    let mut one = well(blue());
    one.targets.insert(green(), targets(&[("g1", HealthState::Healthy)]));
    let mut memory = seen(&one, 5, 50);
    let both = well(blue());
    memory.note(&both, at(60));
    waits(decide(&state, &context(Goal::Deploy, 60), &both, &memory));
}

#[test]
fn a_target_that_is_not_healthy_or_not_ours_keeps_the_color_warming_until_its_time_is_up() {
    use HealthState::{Draining, Healthy, Initial, Unavailable, Unhealthy, Unused};
    let state = state_in(Phase::Warming { since: at(0) });
    for list in [
        targets(&[("g1", Healthy), ("g2", Initial)]),
        targets(&[("g1", Healthy), ("g2", Unhealthy)]),
        targets(&[("g1", Healthy), ("g2", Unused)]),
        targets(&[("g1", Healthy), ("g2", Unavailable)]),
        targets(&[("g1", Healthy), ("g2", Draining)]),
        targets(&[("g1", Healthy)]),
        targets(&[("g1", Healthy), ("g2", Healthy), ("stranger", Healthy)]),
        targets(&[]),
    ] {
        let mut facts = well(blue());
        facts.targets.insert(green(), list);
        waits(forward(&state, 599, &facts));
        fails(forward(&state, 600, &facts));
    }
}

#[test]
fn a_healthy_color_whose_streak_a_crash_forgot_is_not_given_up() {
    let state = state_in(Phase::Warming { since: at(0) });
    let facts = well(blue());
    waits(decide(&state, &context(Goal::Deploy, 9999), &facts, &seen(&facts, 1, 9999)));
}

#[test]
fn a_target_that_waiting_cannot_help_fails_at_once_with_its_reason() {
    let state = state_in(Phase::Warming { since: at(0) });
    let mut facts = well(blue());
    facts.targets.get_mut(&green()).unwrap().list[0].reason = Some("Target.InvalidState".into());
    assert!(fails(forward(&state, 10, &facts)).contains("g1"));
    facts.targets.get_mut(&green()).unwrap().list[0].health = HealthState::Unused;
    facts.targets.get_mut(&green()).unwrap().list[0].reason = Some("Target.NotInUse".into());
    waits(decide(&state, &context(Goal::Deploy, 50), &facts, &seen(&facts, 4, 50)));
    assert!(fails(decide(&state, &context(Goal::Deploy, 50), &facts, &seen(&facts, 5, 50))).contains("not in use"));
}

#[test]
fn a_look_at_something_else_does_not_lengthen_a_streak() {
    let facts = well(blue());
    let of = |question| facts.only(&BTreeSet::from([question]));
    let mut memory = Memory::default();
    memory.note(&of(Question::Targets(green())), at(0));
    for other in [Question::Traffic, Question::Targets(blue()), Question::Smoke(green()), Question::Synced] {
        memory.note(&of(other), at(1));
    }
    assert_eq!(memory.all_healthy(&green()), 1);
    for question in [Question::Traffic, Question::Synced, Question::Instances(blue()), Question::Smoke(green())] {
        assert!(of(question.clone()).answers(&question) && !of(question).answers(&Question::Targets(blue())));
    }
    let probe = Question::Probe { old: blue(), new: green() };
    assert!(of(probe.clone()).answers(&probe) && !of(probe).answers(&Question::Traffic));
}

#[test]
fn smoke_passes_or_fails_the_release() {
    let state = state_in(Phase::Smoke);
    assert_eq!(asked(&state, Goal::Deploy), BTreeSet::from([Question::Smoke(green())]));
    let mut facts = well(blue());
    assert_eq!(forward(&state, 10, &facts), Decision::Record(Event::SmokePassed));
    facts.smoke = Some(Err(problem()));
    assert_eq!(fails(forward(&state, 10, &facts)), "something broke");
}

#[test]
fn a_color_that_is_whole_gets_the_traffic() {
    assert_eq!(forward(&state_in(Phase::Staged), 10, &well(blue())), Decision::Act(FLIP()));
}

#[test]
fn a_color_that_is_not_whole_right_before_the_flip_does_not_get_the_traffic() {
    use HealthState::{Draining, Healthy, Initial, Unavailable, Unhealthy, Unused};
    for sick in [Draining, Initial, Unavailable, Unhealthy, Unused] {
        let mut facts = well(blue());
        facts.targets.insert(green(), targets(&[("g1", Healthy), ("g2", sick)]));
        fails(forward(&state_in(Phase::Staged), 10, &facts));
    }
    for list in [&[][..], &[("g1", Healthy)], &[("g1", Healthy), ("g2", Healthy), ("x", Healthy)], &[("x", Healthy)]] {
        let mut facts = well(blue());
        facts.targets.insert(green(), targets(list));
        fails(forward(&state_in(Phase::Staged), 10, &facts));
    }
}

#[test]
fn a_live_color_that_has_grown_past_the_new_one_keeps_the_traffic() {
    use HealthState::Healthy;
    let mut facts = well(blue());
    facts.targets.insert(blue(), targets(&[("b1", Healthy), ("b2", Healthy), ("b3", Healthy)]));
    assert!(fails(forward(&state_in(Phase::Staged), 10, &facts)).contains("grown"));
}

#[test]
fn an_idle_color_that_somebody_took_out_of_the_rule_does_not_get_the_traffic() {
    let mut facts = well(blue());
    facts.traffic = Some(Traffic::Only { color: blue(), idle_referenced: false });
    assert!(fails(forward(&state_in(Phase::Staged), 10, &facts)).contains("no longer in the rule"));
}

#[test]
fn no_flip_is_written_while_an_earlier_call_may_still_land() {
    let mut state = state_in(Phase::Staged);
    state.late_until = Some(at(70));
    assert_eq!(waits(forward(&state, 69, &well(blue()))), Some(at(70)));
    assert_eq!(forward(&state, 70, &well(blue())), Decision::Act(FLIP()));
}

#[test]
fn a_flip_that_is_never_answered_and_never_shows_is_given_up_after_three_times() {
    let mut state = state_in(Phase::Staged);
    let facts = well(blue());
    let mut now = 10;
    for _ in 0..3 {
        let Decision::Act(effect) = forward(&state, now, &facts) else { panic!("no flip") };
        state.apply(at(now), &Event::Intent { effect, deadline: at(now + 30) }).unwrap();
        state.apply(at(now), &Event::Outcome { result: EffectResult::Unknown { saw: "a time-out".into() } }).unwrap();
        now += 30;
        assert_eq!(forward(&state, now, &facts), Decision::Record(Event::NotSwitched));
        state.apply(at(now), &Event::NotSwitched).unwrap();
    }
    assert!(fails(forward(&state, now, &facts)).contains("3 times"));
}

#[test]
fn a_flip_is_read_back_before_it_counts() {
    let state = state_in(Phase::Switching);
    assert_eq!(forward(&state, 10, &well(green())), Decision::Record(Event::Switched));
    assert_eq!(forward(&state, 10, &well(blue())), Decision::Record(Event::NotSwitched));
}

#[test]
fn a_flip_that_was_not_sent_and_shows_all_the_same_is_somebody_elses() {
    let mut state = state_in(Phase::Staged);
    state.apply(at(0), &Event::Intent { effect: FLIP(), deadline: at(60) }).unwrap();
    let not_sent = EffectResult::NotSent { why: Unsent::ForeignWriter, saw: "not sent: it has changed".into() };
    state.apply(at(1), &Event::Outcome { result: not_sent }).unwrap();
    assert_eq!(state.pending, None, "nothing of it can land");
    assert!(blocks(forward(&state, 2, &well(green()))).contains("written by somebody else"));
    assert_eq!(forward(&state, 2, &well(blue())), Decision::Record(Event::NotSwitched), "at once: nothing can show");
}

#[test]
fn a_flip_that_is_never_sent_ends_the_release() {
    let mut state = state_in(Phase::Staged);
    for times in 1..=5 {
        assert_eq!(forward(&state, 10, &well(blue())), Decision::Act(FLIP()), "before the {times}th time");
        state.apply(at(10), &Event::Intent { effect: FLIP(), deadline: at(70) }).unwrap();
        let not_sent = EffectResult::NotSent { why: Unsent::ForeignWriter, saw: "not sent: blue=1".into() };
        state.apply(at(10), &Event::Outcome { result: not_sent }).unwrap();
        if times < 5 {
            assert_eq!(forward(&state, 10, &well(blue())), Decision::Record(Event::NotSwitched));
            state.apply(at(10), &Event::NotSwitched).unwrap();
        }
    }
    let saw = fails(forward(&state, 10, &well(blue())));
    assert!(saw.contains("5 calls in a row") && saw.contains("blue=1"), "{saw}");
}

#[test]
fn a_flip_without_an_answer_is_waited_for_until_it_cannot_land() {
    let mut state = state_in(Phase::Staged);
    state.apply(at(0), &Event::Intent { effect: FLIP(), deadline: at(60) }).unwrap();
    for outcome in [None, Some(Event::Outcome { result: EffectResult::Unknown { saw: "a time-out".into() } })] {
        if let Some(outcome) = outcome {
            state.apply(at(5), &outcome).unwrap();
        }
        assert_eq!(waits(forward(&state, 10, &well(blue()))), Some(at(60)));
        assert_eq!(forward(&state, 10, &well(green())), Decision::Record(Event::Switched));
        assert_eq!(forward(&state, 60, &well(blue())), Decision::Record(Event::NotSwitched));
    }
}

/// A release whose flip AWS has accepted at second 2, and what a taker-over keeps of it.
fn accepted_flip(result: EffectResult) -> State {
    let mut state = state_in(Phase::Staged);
    state.apply(at(0), &Event::Intent { effect: FLIP(), deadline: at(15) }).unwrap();
    state.apply(at(2), &Event::Outcome { result }).unwrap();
    state.nothing_can_land();
    state.read_at(at(2))
}

#[test]
fn an_accepted_flip_that_somebody_has_undone_exactly_is_not_written_again() {
    for result in [EffectResult::Accepted { change: None }, EffectResult::Repeated { change: None }] {
        let mut state = accepted_flip(result);
        assert_eq!(waits(forward(&state, 6, &well(blue()))), Some(at(62)), "it has a moment to show");
        assert_eq!(forward(&state, 61, &well(green())), Decision::Record(Event::Switched));
        let Decision::Record(event) = forward(&state, 62, &well(blue())) else { panic!("it goes on") };
        let text = blocks(Decision::Record(event.clone()));
        assert!(text.contains("somebody else has written it"), "{text}");
        state.apply(at(62), &event).unwrap();
        // A person says to go on: then it is written again.
        state.apply(at(70), &Event::Resumed).unwrap();
        assert_eq!(forward(&state, 70, &well(blue())), Decision::Record(Event::NotSwitched));
        state.apply(at(70), &Event::NotSwitched).unwrap();
        assert_eq!(forward(&state, 70, &well(blue())), Decision::Act(FLIP()));
    }
}

#[test]
fn an_accepted_rollback_that_somebody_has_undone_exactly_is_not_written_again() {
    let mut state = state_in(Phase::RollingBack);
    let back = Effect::Flip { from: green(), to: blue() };
    state.apply(at(0), &Event::Intent { effect: back.clone(), deadline: at(15) }).unwrap();
    state.apply(at(2), &Event::Outcome { result: EffectResult::Accepted { change: None } }).unwrap();
    assert_eq!(waits(forward(&state, 20, &well(green()))), Some(at(62)));
    let Decision::Record(event) = forward(&state, 62, &well(green())) else { panic!("it goes on") };
    assert!(blocks(Decision::Record(event.clone())).contains("somebody else has written it"));
    state.apply(at(62), &event).unwrap();
    state.apply(at(70), &Event::Resumed).unwrap();
    assert_eq!(forward(&state, 70, &well(green())), Decision::Act(back));
}

#[test]
fn an_idle_color_that_somebody_took_out_of_the_rule_again_ends_the_release() {
    let mut state = state_in(Phase::Provisioning { since: at(0) });
    let effect = Effect::Reference { live: blue(), idle: green() };
    state.apply(at(0), &Event::Intent { effect, deadline: at(60) }).unwrap();
    state.apply(at(2), &Event::Outcome { result: EffectResult::Accepted { change: None } }).unwrap();
    let launch = Effect::Launch { color: green(), subnet: "a".into(), count: 1, client_token: "t".into() };
    state.apply(at(3), &Event::Intent { effect: launch, deadline: at(63) }).unwrap();
    state.apply(at(4), &Event::Outcome { result: EffectResult::Accepted { change: None } }).unwrap();
    let mut facts = well(green());
    facts.traffic = Some(Traffic::Only { color: blue(), idle_referenced: false });
    let Decision::Record(Event::Failed { problem }) = forward(&state, 100, &facts) else { panic!("it goes on") };
    assert!(problem.saw.contains("somebody else has written it"), "{problem:?}");
    // The release is over: there is nothing to go on with, nor to abort.
    assert_eq!(problem.run, ["switchback deploy env.yaml --image ami-2 # once nobody else writes to the switch"]);
}

#[test]
fn what_aws_refuses_undoes_the_release_before_the_flip_and_needs_a_person_where_it_cannot() {
    for phase in all_phases() {
        let mut state = state_in(phase.clone());
        state.release.as_mut().unwrap().refused = Some(problem());
        let live = if phase == Phase::RollingBack || phase == Phase::Retiring { green() } else { blue() };
        let decision = forward(&state, 10, &well(live));
        match phase {
            Phase::Provisioning { .. } | Phase::Warming { .. } | Phase::Smoke | Phase::Staged | Phase::Switching => {
                assert_eq!(fails(decision), "something broke");
            }
            Phase::Clearing | Phase::Aborting | Phase::Retiring | Phase::RollingBack => {
                assert_eq!(blocks(decision), "something broke");
            }
            Phase::Converging { .. }
            | Phase::Baking { .. }
            | Phase::Retaining { .. }
            | Phase::Done
            | Phase::Aborted
            | Phase::RolledBack { .. }
            | Phase::Blocked { .. } => assert!(!matches!(decision, Decision::Act(_)), "{phase:?}"),
        }
    }
}

#[test]
fn a_rollback_whose_last_answer_was_lost_looks_before_it_gives_up() {
    let mut state = state_in(Phase::RollingBack);
    state.release.as_mut().unwrap().unanswered = 5;
    assert!(matches!(forward(&state, 10, &well(blue())), Decision::Record(Event::RolledBack { .. })));
    blocks(forward(&state, 10, &well(green())));
}

#[test]
fn a_call_that_never_shows_is_spaced_out_and_then_given_up() {
    let mut facts = well(green());
    facts.traffic = Some(Traffic::Only { color: blue(), idle_referenced: false });
    let effect = Effect::Reference { live: blue(), idle: green() };
    let mut state = state_in(Phase::Provisioning { since: at(0) });
    let mut announce = |effect: &Effect, times| {
        state.release.as_mut().unwrap().announced = Some(Announced { effect: effect.clone(), at: at(100), times });
        state.clone()
    };
    let second = announce(&effect, 1);
    assert_eq!(waits(forward(&second, 104, &facts)), Some(at(105)));
    assert_eq!(forward(&second, 105, &facts), Decision::Act(effect.clone()));
    assert!(fails(forward(&announce(&effect, 5), 200, &facts)).contains("never showed"));

    let back = Effect::Flip { from: green(), to: blue() };
    let mut state = state_in(Phase::RollingBack);
    state.release.as_mut().unwrap().announced = Some(Announced { effect: back, at: at(100), times: 5 });
    assert!(blocks(forward(&state, 200, &well(green()))).contains("never showed"));
}

#[test]
fn a_deploy_ends_as_its_release_ended() {
    let ending = |phase: Phase, acted: bool| {
        let mut state = state_in(phase);
        state.release.as_mut().unwrap().failure = Some(problem());
        let mut cx = context(Goal::Deploy, 10);
        cx.acted = acted;
        decide(&state, &cx, &Facts::default(), &Memory::default())
    };
    assert_eq!(ending(Phase::Retaining { until: at(99) }, true), Decision::Stop(Ending::Done));
    assert_eq!(ending(Phase::Done, true), Decision::Stop(Ending::Done));
    assert_eq!(ending(Phase::Aborted, true), Decision::Stop(Ending::Failed(problem())));
    assert_eq!(ending(Phase::RolledBack { until: at(99) }, true), Decision::Stop(Ending::MovedBack(problem())));
    assert_eq!(ending(blocked(&Phase::Staged), true), Decision::Stop(Ending::Blocked(problem())));
    assert_eq!(ending(blocked(&Phase::Staged), false), Decision::Record(Event::Resumed));
}

#[test]
fn without_a_release_there_is_nothing_to_do_and_nothing_to_go_back_to() {
    let state = State::default();
    for goal in [Goal::Deploy, Goal::Abort, Goal::Sweep] {
        let decision = next(&state, goal, 0, &Facts::default());
        assert!(matches!(decision, Decision::Stop(Ending::Nothing(_))), "{decision:?}");
    }
    let decision = next(&state, Goal::Rollback { force: true }, 0, &Facts::default());
    assert!(matches!(decision, Decision::Stop(Ending::Refused(_))), "{decision:?}");
}

#[test]
fn every_problem_names_a_command_that_leads_on() {
    let goals = [Goal::Deploy, Goal::Rollback { force: false }, Goal::Abort, Goal::Sweep];
    for state in all_phases().into_iter().map(state_in) {
        for traffic in [only(blue()), only(green()), split(), Traffic::Nowhere, foreign()] {
            for goal in goals {
                let mut facts = well(blue());
                facts.traffic = Some(traffic.clone());
                facts.targets.insert(blue(), targets(&[]));
                let said = match next(&state, goal, 99999, &facts) {
                    Decision::Record(Event::Failed { problem } | Event::Blocked { problem })
                    | Decision::Stop(Ending::Refused(problem) | Ending::Failed(problem))
                    | Decision::Stop(Ending::MovedBack(problem) | Ending::Blocked(problem)) => problem,
                    _ => continue,
                };
                assert!(
                    !said.run.is_empty() && said.run.iter().all(|r| !r.is_empty()),
                    "{:?}: {said:?}",
                    phase(&state)
                );
            }
        }
    }
}

#[test]
fn a_color_that_is_not_in_the_facts_is_never_taken_for_healthy() {
    let memory = Memory::default();
    let red = Color::new("red");
    assert_eq!((memory.all_healthy(&red), memory.fewer_healthy(&red, 1), memory.not_in_use(&red)), (0, 0, 0));
}

#[test]
fn facts_from_before_the_smoke_checks_are_not_good_enough_for_the_flip_nor_those_of_a_rollback_for_a_takedown() {
    for event in crate::build::all_events() {
        let makes_old = matches!(event, Event::SmokePassed | Event::AbortRequested);
        assert_eq!(event.makes_facts_old(), makes_old, "{}", event.name());
    }
}
