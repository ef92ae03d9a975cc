//! From the flip to a release that is good, or back: one test per decision, with the facts that lead to it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use switchback::release::{
    Context, Decision, Effect, Event, Goal, HealthState, Memory, Phase, ProbeAnswer, Question, Traffic, decide,
};

use crate::build::{
    asked, at, blocks, blue, context, foreign, forward, green, only, problem, seen, split, state_in, takes_back,
    targets, waits, well,
};

#[test]
fn convergence_needs_the_new_color_alone_for_the_whole_quiet_time() {
    let state = state_in(Phase::Converging { since: at(0) });
    let facts = well(green());
    let mut memory = Memory::default();
    memory.note(&facts, at(30));
    let after = |now, memory: &Memory| decide(&state, &context(Goal::Deploy, now), &facts, memory);
    assert_eq!(waits(after(149, &memory)), Some(at(150)));
    assert_eq!(after(150, &memory), Decision::Record(Event::Converged));
    let mut old = facts.clone();
    old.probe = Some(ProbeAnswer::Old { count: 1, of: 20 });
    memory.note(&old, at(140));
    memory.note(&facts, at(150));
    assert_eq!(waits(after(269, &memory)), Some(at(270)));
}

#[test]
fn what_was_seen_before_the_flip_proves_nothing_after_it() {
    let state = state_in(Phase::Converging { since: at(500) });
    let facts = well(green());
    let memory = seen(&facts, 50, 501);
    assert_eq!(waits(decide(&state, &context(Goal::Deploy, 501), &facts, &memory)), Some(at(620)));
}

#[test]
fn a_color_is_kept_from_the_decision_on_and_not_from_when_the_facts_were_asked_for() {
    let cx = Context { decided_at: at(317), ..context(Goal::Deploy, 300) };
    let facts = well(green());
    let decision = decide(&state_in(Phase::Baking { since: at(0) }), &cx, &facts, &seen(&facts, 1, 300));
    assert_eq!(decision, Decision::Record(Event::Retained { until: at(317 + 86400) }));
    let facts = well(blue());
    let decision = decide(&state_in(Phase::RollingBack), &cx, &facts, &seen(&facts, 1, 300));
    assert_eq!(decision, Decision::Record(Event::RolledBack { until: at(317 + 86400) }));
}

#[test]
fn an_old_color_that_goes_on_answering_brings_the_traffic_back_when_the_time_is_up() {
    let state = state_in(Phase::Converging { since: at(0) });
    for answer in [ProbeAnswer::Old { count: 3, of: 20 }, ProbeAnswer::Unclear { saw: "502".into() }] {
        let mut facts = well(green());
        facts.probe = Some(answer);
        waits(forward(&state, 599, &facts));
        takes_back(forward(&state, 600, &facts));
    }
}

#[test]
fn a_release_that_waited_for_its_runner_is_not_rolled_back_for_it() {
    let state = state_in(Phase::Converging { since: at(0) });
    let facts = well(green());
    let memory = seen(&facts, 1, 9999);
    assert_eq!(waits(decide(&state, &context(Goal::Deploy, 9999), &facts, &memory)), Some(at(9999 + 120)));
}

#[test]
fn a_dns_switch_converges_after_every_server_has_it_and_the_ttl_has_passed() {
    let state = state_in(Phase::Converging { since: at(0) });
    let mut cx = context(Goal::Deploy, 0);
    (cx.policy.ttl, cx.policy.quiet) = (SignedDuration::from_secs(60), SignedDuration::from_secs(10));
    let facts = well(green());
    let mut unsynced = facts.clone();
    unsynced.synced = Some(false);
    let mut memory = Memory::default();
    memory.note(&unsynced, at(20));
    cx.now = at(20);
    assert_eq!(waits(decide(&state, &cx, &unsynced, &memory)), None);
    memory.note(&facts, at(100));
    cx.now = at(159);
    assert_eq!(waits(decide(&state, &cx, &facts, &memory)), Some(at(160)));
    cx.now = at(160);
    assert_eq!(decide(&state, &cx, &facts, &memory), Decision::Record(Event::Converged));
    cx.now = at(660);
    takes_back(decide(&state, &cx, &unsynced, &Memory::default()));
}

#[test]
fn a_new_color_that_gets_sick_or_shrinks_under_traffic_loses_it_after_three_looks() {
    use HealthState::{Healthy, Unhealthy};
    for list in [targets(&[("g1", Healthy), ("g2", Unhealthy)]), targets(&[("g1", Healthy)]), targets(&[])] {
        for phase in [Phase::Converging { since: at(0) }, Phase::Baking { since: at(0) }] {
            let state = state_in(phase);
            let mut facts = well(green());
            facts.targets.insert(green(), list.clone());
            let after = |looks| decide(&state, &context(Goal::Deploy, 50), &facts, &seen(&facts, looks, 50));
            waits(after(2));
            assert!(takes_back(after(3)).contains("sick"));
        }
    }
}

#[test]
fn a_baked_color_is_good_and_the_previous_one_is_kept() {
    let state = state_in(Phase::Baking { since: at(0) });
    assert_eq!(waits(forward(&state, 299, &well(green()))), Some(at(300)));
    assert_eq!(forward(&state, 300, &well(green())), Decision::Record(Event::Retained { until: at(300 + 86400) }));
    let mut facts = well(green());
    facts.targets.insert(green(), targets(&[("g1", HealthState::Healthy)]));
    waits(decide(&state, &context(Goal::Deploy, 400), &facts, &seen(&facts, 1, 400)));
}

#[test]
fn a_bake_that_was_blocked_begins_anew_when_it_goes_on() {
    let mut state = state_in(Phase::Baking { since: at(0) });
    state.apply(at(20), &Event::Blocked { problem: problem() }).unwrap();
    state.apply(at(1000), &Event::Resumed).unwrap();
    assert_eq!(waits(forward(&state, 1299, &well(green()))), Some(at(1300)));
}

#[test]
fn a_rollback_moves_the_traffic_to_a_previous_color_that_can_take_it() {
    let state = state_in(Phase::RollingBack);
    let back = Effect::Flip { from: green(), to: blue() };
    let both = BTreeSet::from([Question::Traffic, Question::Targets(blue())]);
    assert_eq!(asked(&state, Goal::Deploy), both, "what a write rests on is read together");
    assert_eq!(forward(&state, 10, &well(green())), Decision::Act(back));
    let mut facts = well(green());
    facts.targets.insert(blue(), targets(&[("b1", HealthState::Healthy)]));
    assert!(blocks(forward(&state, 10, &facts)).contains("cannot take the traffic"));
    let kept = at(10 + 86400);
    assert_eq!(forward(&state, 10, &well(blue())), Decision::Record(Event::RolledBack { until: kept }));
}

#[test]
fn a_forced_rollback_overwrites_weights_but_never_a_rule_that_is_not_ours() {
    let mut state = state_in(Phase::RollingBack);
    state.release.as_mut().unwrap().forced = true;
    let mut facts = well(green());
    facts.targets.clear();
    for traffic in [split(), Traffic::Nowhere, only(green())] {
        facts.traffic = Some(traffic);
        assert!(matches!(forward(&state, 10, &facts), Decision::Act(Effect::Flip { .. })));
    }
    facts.traffic = Some(foreign());
    blocks(forward(&state, 10, &facts));
}
