//! Taking an idle color down: never while traffic may reach it, and never what is not ours.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use switchback::release::{
    Announced, Decision, Effect, EffectResult, Ending, Event, Facts, Goal, HealthState, InstanceState, Memory, Pending,
    Phase, ProbeAnswer, Question, RecordPin, References, RoutePin, Sender, Spreading, State, SwitchPin, UsedGroup,
    decide,
};

use crate::build::{at, blocks, blue, context, green, instance, next, seen, state_in, targets, waits, well};

/// The phases that take a color down, that color, and the color that is live meanwhile.
fn takedowns() -> Vec<(State, switchback::release::Color, Facts)> {
    vec![
        (state_in(Phase::Clearing), green(), well(blue())),
        (state_in(Phase::Aborting), green(), well(blue())),
        (state_in(Phase::Retiring), blue(), well(green())),
    ]
}

fn down(state: &State, now: i64, facts: &Facts) -> Decision {
    next(state, Goal::Sweep, now, facts)
}

fn clearing_too(state: &State, now: i64, facts: &Facts) -> Decision {
    let goal =
        if matches!(state.release.as_ref().unwrap().phase, Phase::Clearing) { Goal::Deploy } else { Goal::Sweep };
    next(state, goal, now, facts)
}

#[test]
fn a_color_is_deregistered_drained_terminated_and_only_then_gone() {
    for (state, idle, mut facts) in takedowns() {
        let ids: Vec<String> = facts.targets[&idle].list.iter().map(|t| t.id.clone()).collect();
        let step = |facts: &Facts| clearing_too(&state, 1000, facts);
        assert_eq!(step(&facts), Decision::Act(Effect::Deregister { color: idle.clone(), instances: ids.clone() }));
        for target in &mut facts.targets.get_mut(&idle).unwrap().list {
            target.health = HealthState::Draining;
        }
        assert_eq!(waits(step(&facts)), None);
        facts.targets.insert(idle.clone(), targets(&[]));
        assert_eq!(step(&facts), Decision::Act(Effect::Terminate { color: idle.clone(), instances: ids }));
        for instance in facts.instances.get_mut(&idle).unwrap() {
            instance.state = InstanceState::Terminated;
        }
        assert!(matches!(step(&facts), Decision::Record(Event::Cleared | Event::Aborted | Event::Retired)));
    }
}

#[test]
fn every_step_of_a_takedown_asks_for_the_traffic_both_groups_and_the_instances() {
    for (state, idle, _) in takedowns() {
        let goal = if idle == green() { Goal::Deploy } else { Goal::Sweep };
        let decision = decide(&state, &context(goal, 10), &Facts::default(), &Memory::default());
        let expected = BTreeSet::from([
            Question::Traffic,
            Question::Targets(blue()),
            Question::Targets(green()),
            Question::Instances(idle),
        ]);
        assert_eq!(decision, Decision::Ask(expected));
    }
}

#[test]
fn a_color_that_has_just_lost_the_traffic_is_left_alone_for_the_quiet_time_and_the_ttl() {
    for (mut state, idle, facts) in takedowns() {
        state.carried.insert(idle, at(1000));
        assert_eq!(waits(clearing_too(&state, 1119, &facts)), Some(at(1120)));
        assert!(matches!(clearing_too(&state, 1120, &facts), Decision::Act(Effect::Deregister { .. })));
    }
}

#[test]
fn a_color_behind_records_is_left_alone_until_every_server_has_the_change_and_the_ttl_has_passed() {
    for (mut state, idle, mut facts) in takedowns() {
        state.carried.insert(idle.clone(), at(0));
        let goal = if idle == green() { Goal::Deploy } else { Goal::Sweep };
        let mut cx = context(goal, 5000);
        cx.policy.ttl = SignedDuration::from_secs(60);
        facts.synced = None;
        assert!(matches!(decide(&state, &cx, &facts, &Memory::default()), Decision::Act(Effect::Deregister { .. })));

        state.spreading = Some(Spreading { since: at(0), change: Some("C1".into()), synced: None });
        let asked = decide(&state, &cx, &facts, &Memory::default());
        assert_eq!(asked, Decision::Ask(BTreeSet::from([Question::Synced])));
        facts.synced = Some(false);
        assert_eq!(waits(decide(&state, &cx, &facts, &Memory::default())), None);
        facts.synced = Some(true);
        let mut memory = Memory::default();
        memory.note(&facts, at(5000));
        assert_eq!(waits(decide(&state, &cx, &facts, &memory)), Some(at(5060)));
        cx.now = at(5060);
        assert!(matches!(decide(&state, &cx, &facts, &memory), Decision::Act(Effect::Deregister { .. })));
    }
}

#[test]
fn a_change_of_records_is_remembered_over_other_calls_and_releases_until_it_has_converged() {
    let route = RoutePin { dns_name: "lb.example".into(), port: 80, https: false, host: None };
    let records = RecordPin {
        zone: "Z1".into(),
        name: "shop.example.".into(),
        record_type: "A".into(),
        ttl_seconds: 60,
        entries: [(blue(), route.clone()), (green(), route)].into(),
    };
    let dns = |mut state: State| {
        state.release.as_mut().unwrap().pins.route = SwitchPin::Records(records.clone());
        state
    };
    let accepted =
        |change: Option<&str>| Event::Outcome { result: EffectResult::Accepted { change: change.map(str::to_owned) } };
    let mut state = dns(state_in(Phase::RollingBack));
    let flip = Effect::Flip { from: green(), to: blue() };
    state.apply(at(100), &Event::Intent { effect: flip, deadline: at(160) }).unwrap();
    assert_eq!(state.spreading, Some(Spreading { since: at(100), change: None, synced: None }));
    state.apply(at(101), &accepted(Some("C7"))).unwrap();
    let spreading = Some(Spreading { since: at(100), change: Some("C7".into()), synced: None });
    state.apply(at(102), &Event::RolledBack { until: at(110) }).unwrap();
    assert_eq!(state.spreading, spreading);
    state.apply(at(120), &crate::build::started()).unwrap();
    let effect = Effect::Deregister { color: green(), instances: vec!["g1".into()] };
    state.apply(at(121), &Event::Intent { effect, deadline: at(160) }).unwrap();
    state.apply(at(122), &accepted(None)).unwrap();
    assert_eq!(state.spreading, spreading, "another call's answer is not this change's");

    let mut state = dns(state_in(Phase::Converging { since: at(0) }));
    state.spreading = spreading;
    state.apply(at(200), &Event::Converged).unwrap();
    assert_eq!(state.spreading, None);
}

#[test]
fn a_color_that_still_answers_is_not_touched() {
    for (mut state, idle, mut facts) in takedowns() {
        state.carried.insert(idle.clone(), at(0));
        facts.probe = Some(ProbeAnswer::Old { count: 1, of: 20 });
        waits(clearing_too(&state, 99999, &facts));
        facts.probe = Some(ProbeAnswer::Unclear { saw: "502".into() });
        waits(clearing_too(&state, 99999, &facts));
        let goal =
            if matches!(state.release.as_ref().unwrap().phase, Phase::Clearing) { Goal::Deploy } else { Goal::Sweep };
        let decision = decide(&state, &context(goal, 99999), &facts, &seen(&facts, 10, 99999));
        assert!(blocks(decision).contains("cannot tell"));
        for quiet in [ProbeAnswer::New, ProbeAnswer::Alike] {
            facts.probe = Some(quiet);
            assert!(matches!(clearing_too(&state, 99999, &facts), Decision::Act(Effect::Deregister { .. })));
        }
        facts.probe = None;
        assert!(matches!(clearing_too(&state, 99999, &facts), Decision::Ask(_)));
    }
}

#[test]
fn a_color_that_answers_for_good_asks_a_person() {
    for (mut state, idle, mut facts) in takedowns() {
        state.carried.insert(idle.clone(), at(0));
        facts.probe = Some(ProbeAnswer::Old { count: 1, of: 20 });
        let goal =
            if matches!(state.release.as_ref().unwrap().phase, Phase::Clearing) { Goal::Deploy } else { Goal::Sweep };
        let mut memory = Memory::default();
        memory.note(&facts, at(10_000));
        waits(decide(&state, &context(goal, 10_599), &facts, &memory));
        let text = blocks(decide(&state, &context(goal, 10_600), &facts, &memory));
        assert!(text.contains("still answered 1 of 20 probes"), "{text}");
        // A single look without it, and the time starts anew.
        let answered = facts.clone();
        facts.probe = Some(ProbeAnswer::New);
        memory.note(&facts, at(10_590));
        memory.note(&answered, at(10_600));
        waits(decide(&state, &context(goal, 10_600), &answered, &memory));
    }
}

#[test]
fn a_scheduler_records_nothing_while_a_color_that_was_left_for_that_still_answers() {
    let mut state = state_in(crate::build::blocked(&Phase::Retiring));
    state.carried.insert(blue(), at(0));
    let mut cx = context(Goal::Reconcile, 20_000);
    cx.acted = false;
    let mut facts = well(green());
    facts.probe = Some(ProbeAnswer::Old { count: 1, of: 20 });
    let decision = decide(&state, &cx, &facts, &seen(&facts, 1, 20_000));
    assert!(matches!(decision, Decision::Stop(Ending::Blocked(_))), "{decision:?}");
    facts.probe = Some(ProbeAnswer::New);
    assert_eq!(decide(&state, &cx, &facts, &seen(&facts, 1, 20_000)), Decision::Record(Event::Resumed));
}

#[test]
fn the_first_release_does_not_trust_that_its_idle_color_was_always_idle() {
    let mut state = State::default();
    state.apply(at(1000), &crate::build::started()).unwrap();
    assert_eq!(waits(next(&state, Goal::Deploy, 1001, &well(blue()))), Some(at(1120)));
}

#[test]
fn a_flip_that_never_showed_still_makes_the_takedown_wait() {
    let mut state = state_in(Phase::Staged);
    let effect = Effect::Flip { from: blue(), to: green() };
    state.apply(at(100), &Event::Intent { effect, deadline: at(160) }).unwrap();
    state.apply(at(160), &Event::AbortRequested).unwrap();
    assert_eq!(waits(down(&state, 170, &well(blue()))), Some(at(280)));
}

#[test]
fn a_person_who_resumes_may_have_moved_the_traffic_meanwhile() {
    let mut state = state_in(crate::build::blocked(&Phase::Retiring));
    state.apply(at(1000), &Event::Resumed).unwrap();
    assert_eq!(waits(down(&state, 1001, &well(green()))), Some(at(1120)));
}

#[test]
fn a_color_that_never_had_traffic_goes_at_once_and_is_not_probed() {
    let mut facts = well(blue());
    facts.probe = None;
    assert!(matches!(down(&state_in(Phase::Aborting), 1, &facts), Decision::Act(Effect::Deregister { .. })));
}

#[test]
fn a_color_is_not_called_gone_while_a_launch_may_still_land() {
    let mut facts = well(blue());
    facts.instances.insert(green(), vec![]);
    facts.targets.insert(green(), targets(&[]));
    for effect in [
        Effect::Launch { color: green(), subnet: "a".into(), count: 1, client_token: "r2-a".into() },
        Effect::Register { color: green(), instances: vec!["g1".into()] },
        Effect::Reference { live: blue(), idle: green() },
    ] {
        let mut state = state_in(Phase::Provisioning { since: at(0) });
        state.apply(at(0), &Event::Intent { effect, deadline: at(60) }).unwrap();
        state.apply(at(1), &Event::AbortRequested).unwrap();
        assert_eq!(waits(down(&state, 59, &facts)), Some(at(60)));
        assert_eq!(down(&state, 60, &facts), Decision::Record(Event::Aborted));
    }
}

#[test]
fn an_abort_waits_until_what_aws_launched_shows() {
    let launch = |subnet: &str| Event::Intent {
        effect: Effect::Launch { color: green(), subnet: subnet.into(), count: 1, client_token: "t".into() },
        deadline: at(60),
    };
    let accepted = Event::Outcome { result: EffectResult::Accepted { change: None } };
    let mut state = state_in(Phase::Provisioning { since: at(0) });
    for event in [launch("a"), accepted.clone(), launch("b"), accepted, Event::AbortRequested] {
        state.apply(at(0), &event).unwrap();
    }
    let mut facts = well(blue());
    facts.targets.insert(green(), targets(&[]));
    // Of the launch into b nothing shows: what was launched into a is not all there is.
    let gone = instance("g1", "r2", InstanceState::Terminated);
    facts.instances.insert(green(), vec![gone.clone()]);
    assert_eq!(waits(down(&state, 3, &facts)), Some(at(30)));
    assert_eq!(down(&state, 30, &facts), Decision::Record(Event::Aborted));
    let late = switchback::release::InstanceFact { id: "g2".into(), subnet: "b".into(), ..gone };
    facts.instances.get_mut(&green()).unwrap().push(late);
    assert_eq!(down(&state, 3, &facts), Decision::Record(Event::Aborted));
}

#[test]
fn an_unanswered_call_is_waited_for_also_when_others_came_after_it() {
    let launch =
        |subnet: &str| Effect::Launch { color: green(), subnet: subnet.into(), count: 1, client_token: "t".into() };
    let mut state = state_in(Phase::Provisioning { since: at(0) });
    state.apply(at(0), &Event::Intent { effect: launch("a"), deadline: at(60) }).unwrap();
    state.apply(at(10), &Event::Intent { effect: launch("b"), deadline: at(70) }).unwrap();
    let accepted = switchback::release::EffectResult::Accepted { change: None };
    state.apply(at(11), &Event::Outcome { result: accepted }).unwrap();
    state.apply(at(12), &Event::AbortRequested).unwrap();
    assert_eq!(waits(down(&state, 20, &well(blue()))), Some(at(60)));
}

#[test]
fn a_takedown_does_not_wait_for_its_own_calls() {
    let mut state = state_in(Phase::Aborting);
    let effect = Effect::Deregister { color: green(), instances: vec!["g1".into()] };
    state.pending = Some(Pending { effect, deadline: at(60) });
    let mut facts = well(blue());
    facts.targets.insert(green(), targets(&[]));
    assert!(matches!(down(&state, 10, &facts), Decision::Act(Effect::Terminate { .. })));
}

#[test]
fn a_stranger_on_the_idle_color_is_never_touched() {
    for (state, idle, mut facts) in takedowns() {
        facts.targets.get_mut(&idle).unwrap().list.push(crate::build::target("i-stranger", HealthState::Healthy));
        assert!(blocks(clearing_too(&state, 1000, &facts)).contains("i-stranger"));
    }
}

#[test]
fn an_instance_of_the_idle_color_that_is_registered_with_the_live_one_is_never_touched() {
    for (state, idle, mut facts) in takedowns() {
        let live = if idle == blue() { green() } else { blue() };
        let stray = instance("i-stray", "r2", InstanceState::Running);
        facts.instances.get_mut(&idle).unwrap().push(stray);
        facts.targets.get_mut(&live).unwrap().list.push(crate::build::target("i-stray", HealthState::Healthy));
        assert!(blocks(clearing_too(&state, 1000, &facts)).contains("i-stray"));
    }
}

#[test]
fn a_takedown_that_never_shows_asks_for_a_person() {
    let mut state = state_in(Phase::Aborting);
    let effect = Effect::Deregister { color: green(), instances: vec!["g1".into(), "g2".into()] };
    state.release.as_mut().unwrap().announced = Some(Announced { effect, at: at(0), times: 5 });
    assert!(blocks(down(&state, 1000, &well(blue()))).contains("never showed"));
}

#[test]
fn a_color_that_something_still_uses_is_not_touched_and_what_uses_it_is_named() {
    let sender = Sender { place: "the rule 7".into(), weight: Some(5), run: "aws elbv2 describe-rules".into() };
    for (state, idle, mut facts) in takedowns() {
        facts.references.clear();
        let expected = Decision::Ask(BTreeSet::from([Question::References(idle.clone())]));
        assert_eq!(clearing_too(&state, 1000, &facts), expected, "asked right before, and not before");
        let used = References { senders: vec![sender.clone()], others: vec![] };
        facts.references.insert(idle.clone(), used);
        assert!(blocks(clearing_too(&state, 1000, &facts)).contains("the rule 7 sends traffic"));
        let serves = facts.instances[&idle][0].id.clone();
        let group =
            UsedGroup { arn: "arn:x".into(), place: "a rule".into(), targets: vec![serves.clone()], run: "".into() };
        facts.references.insert(idle.clone(), References { senders: vec![], others: vec![group] });
        assert!(blocks(clearing_too(&state, 1000, &facts)).contains(&serves));
    }
}
