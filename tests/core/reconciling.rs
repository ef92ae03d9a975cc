//! `reconcile`: what it goes on with, what it leaves to the next run, and what it takes down.

use jiff::SignedDuration;
use switchback::release::{
    Announced, Context, Decision, Effect, EffectResult, Ending, Event, Facts, Goal, HealthState, InstanceState, Memory,
    Phase, State, decide,
};

use crate::build::{
    all_phases, at, blocked, blue, context, green, instance, only, problem, seen, split, state_in, takes_back, target,
    targets, well,
};

/// The first decision of a run that begins at `now`.
fn first(state: &State, now: i64, facts: &Facts) -> Decision {
    decide(state, &begun(Goal::Reconcile, now), facts, &seen(facts, 1, now))
}

fn begun(goal: Goal, now: i64) -> Context {
    let mut cx = context(goal, now);
    (cx.acted, cx.found_settled) = (false, true);
    cx
}

fn later(decision: &Decision) -> Option<jiff::Timestamp> {
    match decision {
        Decision::Stop(Ending::Later { next, .. }) => *next,
        other => panic!("it was not left: {other:?}"),
    }
}

#[test]
fn every_phase_has_its_first_step() {
    for phase in all_phases() {
        let moved = |phase: &Phase| !phase.before_switched() && !matches!(phase, Phase::Aborting | Phase::Aborted);
        let stands = if let Phase::Blocked { at, .. } = &phase { at } else { &phase };
        let live = if moved(stands) && !matches!(stands, Phase::RolledBack { .. }) { green() } else { blue() };
        let mut facts = well(live.clone());
        let idle = if live == blue() { green() } else { blue() };
        if matches!(phase, Phase::Done | Phase::Aborted) {
            facts.targets.insert(idle.clone(), targets(&[]));
            facts.instances.insert(idle, vec![]);
        }
        let decision = first(&state_in(phase.clone()), 10, &facts);
        let as_it_should = match &phase {
            // Those whose next step is the way of a deploy.
            Phase::Clearing
            | Phase::Provisioning { .. }
            | Phase::Warming { .. }
            | Phase::Smoke
            | Phase::Staged
            | Phase::Switching
            | Phase::Converging { .. }
            | Phase::Retiring
            | Phase::Aborting
            | Phase::RollingBack => !matches!(decision, Decision::Stop(_)),
            Phase::Baking { .. } => matches!(decision, Decision::Stop(Ending::Later { .. })),
            Phase::Retaining { .. } | Phase::RolledBack { .. } | Phase::Done | Phase::Aborted => {
                matches!(decision, Decision::Stop(Ending::Nothing(_)))
            }
            Phase::Blocked { at, .. } if **at == Phase::Retiring => decision == Decision::Record(Event::Resumed),
            Phase::Blocked { at, .. } if **at == Phase::Aborting => decision == Decision::Record(Event::Resumed),
            Phase::Blocked { .. } => matches!(decision, Decision::Stop(Ending::Blocked(_))),
        };
        assert!(as_it_should, "{phase:?}: {decision:?}");
    }
}

#[test]
fn a_bake_is_looked_at_once_and_left_until_it_ends() {
    let state = state_in(Phase::Baking { since: at(0) });
    let facts = well(green());
    assert_eq!(later(&first(&state, 10, &facts)), Some(at(300)));
    assert!(matches!(first(&state, 250, &facts), Decision::Wait { .. }), "the end is worth waiting for");
    let Decision::Record(Event::Retained { until }) = first(&state, 300, &facts) else { panic!("it does not end") };
    assert_eq!(until, at(300 + 86_400));
}

#[test]
fn a_run_does_not_leave_before_it_knows_whether_the_color_is_sick() {
    let state = state_in(Phase::Baking { since: at(0) });
    let mut facts = well(green());
    facts.targets.insert(green(), targets(&[("g1", HealthState::Healthy), ("g2", HealthState::Unhealthy)]));
    let after = |looks| decide(&state, &begun(Goal::Reconcile, 50), &facts, &seen(&facts, looks, 50));
    for looks in [1, 2] {
        assert!(matches!(after(looks), Decision::Wait { .. }), "{looks} looks");
    }
    assert!(takes_back(after(3)).contains("got sick"));
}

#[test]
fn convergence_is_watched_to_its_end_and_only_the_time_to_live_is_left() {
    let state = state_in(Phase::Converging { since: at(0) });
    let facts = well(green());
    assert!(matches!(first(&state, 10, &facts), Decision::Wait { until: Some(_), .. }));

    let mut cx = begun(Goal::Reconcile, 200);
    cx.policy.ttl = SignedDuration::from_hours(1);
    let mut state = state_in(Phase::Staged);
    state.release.as_mut().unwrap().pins = dns();
    for event in [flip(), outcome(), Event::Switched] {
        state.apply(at(0), &event).unwrap();
    }
    // Seen for long enough, and synced just now: that is written down first, so that the next run need not wait again.
    let memory = seen(&facts, 20, 200);
    let synced = memory.synced_since().unwrap();
    assert_eq!(decide(&state, &cx, &facts, &memory), Decision::Record(Event::Synced));
    state.apply(at(200), &Event::Synced).unwrap();
    assert_eq!(later(&decide(&state, &cx, &facts, &memory)), Some(at(200) + cx.policy.ttl));
    assert!(synced < at(200));
    // A later run takes it from the journal.
    cx.now = at(200) + cx.policy.ttl;
    cx.began = cx.now;
    let memory = seen(&facts, 20, 3_800);
    assert_eq!(decide(&state, &cx, &facts, &memory), Decision::Record(Event::Converged));
}

fn dns() -> switchback::release::Pins {
    let mut pins = crate::build::pins();
    let entries = std::collections::BTreeMap::new();
    pins.route = switchback::release::SwitchPin::Records(switchback::release::RecordPin {
        zone: "Z1".into(),
        name: "shop.".into(),
        record_type: "A".into(),
        ttl_seconds: 3600,
        entries,
    });
    pins
}

fn flip() -> Event {
    Event::Intent { effect: Effect::Flip { from: blue(), to: green() }, deadline: at(15) }
}

fn outcome() -> Event {
    Event::Outcome { result: EffectResult::Accepted { change: Some("C1".into()) } }
}

#[test]
fn a_deploy_that_detaches_leaves_the_bake_and_nothing_before_the_flip() {
    let mut cx = begun(Goal::Deploy, 10);
    cx.acted = true;
    let facts = well(green());
    let state = state_in(Phase::Baking { since: at(0) });
    assert!(matches!(decide(&state, &cx, &facts, &seen(&facts, 1, 10)), Decision::Wait { .. }));
    cx.detach = true;
    assert_eq!(later(&decide(&state, &cx, &facts, &seen(&facts, 1, 10))), Some(at(300)));
    let mut draining = well(blue());
    draining.targets.insert(green(), targets(&[("g1", HealthState::Draining)]));
    let decision = decide(&state_in(Phase::Clearing), &cx, &draining, &Memory::default());
    assert!(matches!(decision, Decision::Wait { .. }), "{decision:?}");
}

#[test]
fn a_color_that_drains_is_left_after_a_while() {
    let mut facts = well(green());
    facts.targets.insert(blue(), targets(&[("b1", HealthState::Draining)]));
    let mut cx = begun(Goal::Reconcile, 0);
    cx.acted = true;
    let state = state_in(Phase::Retiring);
    cx.now = at(300);
    assert!(matches!(decide(&state, &cx, &facts, &Memory::default()), Decision::Wait { .. }));
    cx.now = at(301);
    assert_eq!(later(&decide(&state, &cx, &facts, &Memory::default())), None);
}

#[test]
fn what_has_expired_is_taken_down() {
    for phase in [Phase::Retaining { until: at(100) }, Phase::RolledBack { until: at(100) }] {
        let state = state_in(phase);
        assert_eq!(first(&state, 100, &Facts::default()), Decision::Record(Event::RetirementStarted));
    }
}

#[test]
fn a_block_stays_as_it_is_and_nothing_is_recorded() {
    for phase in [Phase::Staged, Phase::Converging { since: at(0) }, Phase::RollingBack, Phase::Clearing] {
        let decision = first(&state_in(blocked(&phase)), 10, &well(blue()));
        assert!(matches!(decision, Decision::Stop(Ending::Blocked(_))), "{phase:?}: {decision:?}");
    }
    let mut facts = well(green());
    facts.traffic = Some(split());
    let decision = first(&state_in(blocked(&Phase::Retiring)), 10, &facts);
    assert!(matches!(decision, Decision::Stop(Ending::Blocked(_))), "{decision:?}");
}

#[test]
fn a_failure_is_told_once_by_the_run_that_has_dealt_with_it() {
    let mut state = state_in(Phase::Aborted);
    state.release.as_mut().unwrap().failure = Some(crate::build::problem());
    let mut facts = well(blue());
    facts.targets.insert(green(), targets(&[]));
    facts.instances.insert(green(), vec![]);
    let mut cx = context(Goal::Reconcile, 10);
    let ending = |cx: &Context| decide(&state, cx, &facts, &Memory::default());
    assert!(matches!(ending(&cx), Decision::Stop(Ending::Failed(_))));
    cx.found_settled = true;
    assert_eq!(ending(&cx), Decision::Stop(Ending::Done));
    cx.acted = false;
    assert!(matches!(ending(&cx), Decision::Stop(Ending::Nothing(_))));
}

#[test]
fn time_that_nobody_watched_does_not_count_as_sickness() {
    let phases = [Phase::Provisioning { since: at(0) }, Phase::Warming { since: at(0) }];
    for (phase, goal) in phases.iter().flat_map(|p| [Goal::Deploy, Goal::Reconcile].map(|goal| (p, goal))) {
        let mut facts = well(blue());
        facts.instances.insert(green(), vec![instance("g1", "r2", InstanceState::Pending)]);
        facts.targets.insert(green(), targets(&[("g1", HealthState::Initial), ("g2", HealthState::Initial)]));
        let mut state = state_in(phase.clone());
        state.release.as_mut().unwrap().launched = ["a".into(), "b".into()].into();
        // A run died after a minute; another one comes after twenty.
        let mut cx = context(goal, 1200);
        cx.last_entry = Some(at(60));
        let restart = Event::ClockRestarted { unwatched_since: at(60) };
        assert_eq!(decide(&state, &cx, &facts, &Memory::default()), Decision::Record(restart.clone()));
        state.apply(at(1200), &restart).unwrap();
        assert!(matches!(decide(&state, &cx, &facts, &Memory::default()), Decision::Wait { .. }));
        // From there it was watched.
        cx.now = at(1800);
        assert!(matches!(decide(&state, &cx, &facts, &Memory::default()), Decision::Record(Event::Failed { .. })));
        // A run that was there all the time has no excuse, nor has a release whose runs always die.
        let mut watched = context(goal, 1200);
        watched.last_entry = Some(at(1190));
        let state = state_in(phase.clone());
        let decision = decide(&state, &{ watched }, &facts, &Memory::default());
        assert!(!matches!(decision, Decision::Record(Event::ClockRestarted { .. })), "{decision:?}");
        let mut state = state_in(phase.clone());
        state.release.as_mut().unwrap().launched = ["a".into(), "b".into()].into();
        state.release.as_mut().unwrap().restarts = 3;
        let mut cx = context(goal, 1200);
        cx.last_entry = Some(at(60));
        assert!(matches!(decide(&state, &cx, &facts, &Memory::default()), Decision::Record(Event::Failed { .. })));
    }
}

/// Nothing on green but what is said here, all of it launched by the release `r1`, and the release `r2` undone.
fn leftovers(ids: &[&str], registered: &[&str]) -> (State, Facts) {
    let mut state = state_in(Phase::Aborted);
    state.occupants.clear();
    let mut facts = well(blue());
    facts.instances.insert(green(), ids.iter().map(|id| instance(id, "r1", InstanceState::Running)).collect());
    let list = registered.iter().map(|id| target(id, HealthState::Healthy)).collect();
    facts.targets.insert(green(), switchback::release::Targets { list });
    facts.instances.get_mut(&blue()).unwrap().iter_mut().for_each(|i| i.release = None);
    (state, facts)
}

#[test]
fn a_launch_that_came_too_late_is_found_announced_and_taken_down() {
    let (mut state, mut facts) = leftovers(&["g7"], &["g7"]);
    let found = Event::LeftoversFound { color: green(), instances: vec!["g7".into()] };
    assert_eq!(first(&state, 10, &facts), Decision::Record(found.clone()));
    let stranger =
        Event::Intent { effect: Effect::Terminate { color: green(), instances: vec!["b1".into()] }, deadline: at(60) };
    state.apply(at(10), &found).unwrap();
    assert!(state.clone().apply(at(10), &stranger).is_err(), "what was not announced as a leftover");
    let decision = first(&state, 11, &facts);
    assert_eq!(decision, Decision::Act(Effect::Deregister { color: green(), instances: vec!["g7".into()] }));
    facts.targets.insert(green(), targets(&[("g7", HealthState::Draining)]));
    assert!(matches!(first(&state, 12, &facts), Decision::Wait { .. }));
    facts.targets.insert(green(), targets(&[]));
    assert_eq!(
        first(&state, 13, &facts),
        Decision::Act(Effect::Terminate { color: green(), instances: vec!["g7".into()] })
    );
    facts.instances.insert(green(), vec![instance("g7", "r1", InstanceState::Terminated)]);
    assert_eq!(first(&state, 14, &facts), Decision::Record(Event::LeftoversRemoved));
    state.apply(at(14), &Event::LeftoversRemoved).unwrap();
    assert!(matches!(first(&state, 15, &facts), Decision::Stop(Ending::Nothing(_))));
}

#[test]
fn what_serves_was_handed_over_or_is_kept_is_no_leftover() {
    // Registered with the live color, whoever launched it.
    let (state, mut facts) = leftovers(&[], &[]);
    facts.instances.insert(blue(), vec![instance("b1", "r0", InstanceState::Running)]);
    assert!(matches!(first(&state, 10, &facts), Decision::Stop(Ending::Nothing(_))));
    // On the live color and registered nowhere, it is one.
    facts.instances.insert(blue(), vec![instance("b9", "r0", InstanceState::Running)]);
    let found = Event::LeftoversFound { color: blue(), instances: vec!["b9".into()] };
    assert_eq!(first(&state, 10, &facts), Decision::Record(found));
    // Handed over by tags, without a release.
    let (state, mut facts) = leftovers(&["g8"], &["g8"]);
    facts.instances.get_mut(&green()).unwrap()[0].release = None;
    assert!(matches!(first(&state, 10, &facts), Decision::Stop(Ending::Nothing(_))));
    // Kept for a rollback: recorded, or registered since before the journal knew of it.
    for ids in [["g1", "g2"], ["g8", "g9"]] {
        let state = state_in(Phase::RolledBack { until: at(1000) });
        let (_, mut facts) = leftovers(&ids, &ids);
        facts.traffic = Some(only(blue()));
        assert!(matches!(first(&state, 10, &facts), Decision::Stop(Ending::Nothing(_))), "{ids:?}");
    }
}

#[test]
fn a_takedown_that_aws_refuses_is_tried_again_once_an_hour_and_at_once_by_a_person() {
    let effect = Effect::Deregister { color: green(), instances: vec!["g1".into(), "g2".into()] };
    let mut refused = state_in(Phase::Aborting);
    refused.apply(at(0), &Event::Intent { effect: effect.clone(), deadline: at(75) }).unwrap();
    refused.apply(at(1), &Event::Outcome { result: EffectResult::Refused { problem: problem() } }).unwrap();
    let mut in_vain = state_in(Phase::Aborting);
    in_vain.release.as_mut().unwrap().announced = Some(Announced { effect, at: at(0), times: 5 });
    for mut state in [refused, in_vain] {
        let facts = well(blue());
        let Decision::Record(blocked) = first(&state, 100, &facts) else { panic!("it goes on") };
        assert_eq!(blocked.name(), "blocked");
        state.apply(at(100), &blocked).unwrap();
        // However often a scheduler looks.
        for now in [160, 220, 3599] {
            let decision = first(&state, now, &facts);
            assert!(matches!(decision, Decision::Stop(Ending::Blocked(_))), "at {now}: {decision:?}");
        }
        assert_eq!(first(&state, 3600, &facts), Decision::Record(Event::Resumed));
        let sweep = decide(&state, &begun(Goal::Sweep, 160), &facts, &seen(&facts, 1, 160));
        assert_eq!(sweep, Decision::Record(Event::Resumed));
    }
}

#[test]
fn a_leftover_that_never_goes_does_not_stand_in_the_way_of_a_retention() {
    let mut state = state_in(Phase::Retaining { until: at(5000) });
    let (_, mut facts) = leftovers(&[], &[]);
    facts.traffic = Some(only(green()));
    facts.instances.insert(green(), vec![instance("g9", "r0", InstanceState::Running)]);
    state.apply(at(10), &Event::LeftoversFound { color: green(), instances: vec!["g9".into()] }).unwrap();
    let effect = Effect::Terminate { color: green(), instances: vec!["g9".into()] };
    assert_eq!(first(&state, 11, &facts), Decision::Act(effect.clone()));
    state.release.as_mut().unwrap().announced = Some(Announced { effect, at: at(11), times: 5 });
    let decision = first(&state, 1000, &facts);
    // Recorded as blocked it would stay so: no verb but a rollback goes on with a retention.
    let Decision::Stop(Ending::Blocked(problem)) = decision else { panic!("{decision:?}") };
    assert!(problem.saw.contains("never showed"), "{problem:?}");
    assert_eq!(first(&state, 5000, &facts), Decision::Record(Event::RetirementStarted));
}

#[test]
fn leftovers_are_not_touched_while_the_traffic_is_not_where_it_must_be() {
    let (mut state, mut facts) = leftovers(&["g7"], &["g7"]);
    let found = Event::LeftoversFound { color: green(), instances: vec!["g7".into()] };
    state.apply(at(10), &found).unwrap();
    for traffic in [split(), only(green())] {
        facts.traffic = Some(traffic);
        let decision = first(&state, 11, &facts);
        assert!(matches!(decision, Decision::Stop(Ending::Blocked(_))), "{decision:?}");
    }
}

#[test]
fn what_aws_will_not_take_down_is_tried_again_after_an_hour_and_not_every_minute() {
    let (mut state, facts) = leftovers(&["g7"], &[]);
    let found = Event::LeftoversFound { color: green(), instances: vec!["g7".into()] };
    state.apply(at(10), &found).unwrap();
    let Decision::Act(effect) = first(&state, 11, &facts) else { panic!("it is not taken down") };
    state.apply(at(11), &Event::Intent { effect, deadline: at(71) }).unwrap();
    let refused = EffectResult::Refused { problem: crate::build::problem() };
    state.apply(at(12), &Event::Outcome { result: refused }).unwrap();
    assert!(matches!(first(&state, 72, &facts), Decision::Stop(Ending::Blocked(_))));
    assert!(matches!(first(&state, 3_612, &facts), Decision::Act(Effect::Terminate { .. })));
}

#[test]
fn a_new_release_does_not_wait_for_leftovers() {
    let (mut state, _) = leftovers(&["g7"], &[]);
    let found = Event::LeftoversFound { color: green(), instances: vec!["g7".into()] };
    state.apply(at(10), &found).unwrap();
    state.apply(at(11), &crate::build::started()).unwrap();
    assert_eq!(state.leftovers, None);
}
