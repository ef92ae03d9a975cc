//! A color that must get no requests: what CloudWatch has counted is the last proof, and what it cannot tell is none.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use switchback::release::{
    BusyMinute, COUNTED_LATE, Decision, Effect, Ending, Event, Facts, Goal, Memory, Phase, ProbeAnswer, Question,
    References, RequestCount, Sender, State, decide,
};

use crate::build::{at, blocked, blocks, blue, context, green, seen, state_in, takes_back, waits, well};

const MINUTE: i64 = 60;

/// A count that is complete up to `through`, with the end of the newest minute with requests.
fn counted(through: i64, last: Option<(i64, u64)>) -> RequestCount {
    RequestCount::Counted {
        from: at(-1800),
        through: at(through),
        last: last.map(|(end, count)| BusyMinute { end: at(end), count }),
    }
}

fn unknown() -> RequestCount {
    RequestCount::Unknown { saw: "cloudwatch:GetMetricData failed: Throttling: Rate exceeded".into() }
}

/// What is decided `now` by a run that has seen only the new color for long, asks CloudWatch since `asking`, and is
/// told `count`.
fn told(state: &State, goal: Goal, now: i64, facts: &Facts, count: Option<RequestCount>, asking: i64) -> Decision {
    let mut cx = context(goal, now);
    cx.policy.no_requests = SignedDuration::from_mins(1);
    let release = state.release.as_ref().unwrap();
    let mut facts = facts.clone();
    let mut memory = seen(&facts, 50, now);
    if let Some(count) = count {
        facts.references.entry(release.idle().clone()).or_default();
        facts.requests.insert(release.idle().clone(), count);
        memory.note(&facts, at(asking));
    }
    decide(state, &cx, &facts, &memory)
}

fn converging(now: i64, count: Option<RequestCount>) -> Decision {
    told(&state_in(Phase::Converging { since: at(0) }), Goal::Deploy, now, &well(green()), count, now)
}

#[test]
fn nothing_is_asked_before_a_minute_after_the_flip_can_have_been_counted() {
    assert_eq!(waits(converging(179, None)), Some(at(180)), "a minute, and two until it is told");
    assert_eq!(converging(180, None), Decision::Ask(BTreeSet::from([Question::Requests(blue())])));
    assert_eq!(COUNTED_LATE, SignedDuration::from_mins(2));
}

#[test]
fn a_flip_has_converged_when_the_old_color_was_without_requests_for_the_time_wanted() {
    // The flip was in the minute that ended at 30.
    assert_eq!(waits(converging(180, Some(counted(30, Some((30, 500)))))), Some(at(30 + MINUTE + 120)));
    assert_eq!(converging(210, Some(counted(90, Some((30, 500))))), Decision::Record(Event::Converged));
    assert_eq!(waits(converging(210, Some(counted(90, Some((90, 1)))))), Some(at(90 + MINUTE + 120)));
    assert_eq!(converging(270, Some(counted(150, Some((90, 1))))), Decision::Record(Event::Converged));
}

#[test]
fn a_service_without_any_requests_at_night_converges() {
    assert_eq!(converging(180, Some(counted(60, None))), Decision::Record(Event::Converged));
}

#[test]
fn silence_before_the_flip_and_before_what_was_looked_at_proves_nothing() {
    waits(converging(180, Some(counted(59, Some((-600, 5))))));
    let short = RequestCount::Counted { from: at(590), through: at(600), last: None };
    let state = state_in(Phase::Converging { since: at(0) });
    assert!(matches!(told(&state, Goal::Deploy, 599, &well(green()), Some(short), 599), Decision::Wait { .. }));
}

#[test]
fn a_request_in_a_minute_that_is_still_incomplete_counts() {
    waits(converging(300, Some(counted(180, Some((300, 1))))));
}

#[test]
fn what_cloudwatch_does_not_tell_is_not_zero() {
    for count in [unknown(), counted(-600, None), counted(30, Some((30, 9)))] {
        waits(converging(400, Some(count)));
    }
    let Decision::Wait { reason, .. } = converging(400, Some(unknown())) else { panic!("it converged") };
    assert!(
        reason.contains("cannot tell whether blue still gets requests") && reason.contains("Throttling"),
        "{reason}"
    );
}

#[test]
fn a_count_that_stays_unknown_asks_a_person_and_leaves_the_traffic_on_the_new_color() {
    for count in [unknown(), counted(-600, None)] {
        waits(converging(599, Some(count.clone())));
        let saw = blocks(converging(600, Some(count)));
        assert!(saw.contains("CloudWatch") || saw.contains("cloudwatch:GetMetricData"), "{saw}");
    }
    let Decision::Record(Event::Blocked { problem }) = converging(600, Some(unknown())) else { panic!() };
    assert!(problem.expected.contains("no-requests: 0s"), "{}", problem.expected);
}

#[test]
fn requests_that_no_probe_meets_ask_a_person_and_those_that_nothing_contradicts_bring_the_traffic_back() {
    let state = state_in(Phase::Converging { since: at(0) });
    let count = || Some(counted(480, Some((480, 12))));
    let saw = blocks(converging(600, count()));
    assert!(saw.contains("blue still got 12 request(s) in the minute to"), "{saw}");
    let mut facts = well(green());
    facts.probe = Some(ProbeAnswer::Alike);
    takes_back(told(&state, Goal::Deploy, 600, &facts, count(), 600));
}

#[test]
fn who_sends_past_the_switch_is_named_and_is_for_a_person_also_without_a_probe() {
    let state = state_in(Phase::Converging { since: at(0) });
    let count = || Some(counted(480, Some((480, 12))));
    let mut facts = well(green());
    facts.probe = Some(ProbeAnswer::Alike);
    let sender = Sender { place: "the rule arn:admin".into(), weight: None, run: "aws elbv2 describe-rules".into() };
    facts.references.insert(blue(), References { senders: vec![sender], others: vec![] });
    let Decision::Record(Event::Blocked { problem }) = told(&state, Goal::Deploy, 600, &facts, count(), 600) else {
        panic!("it was not blocked")
    };
    assert!(problem.saw.contains("12 request(s)") && problem.saw.contains("the rule arn:admin sends all"), "{problem}");
    assert!(problem.run[0].contains("describe-rules"), "{problem}");
    // Nothing is listed while there is hope.
    facts.references.clear();
    facts.requests.insert(blue(), counted(480, Some((480, 12))));
    let mut cx = context(Goal::Deploy, 599);
    cx.policy.no_requests = SignedDuration::from_mins(1);
    waits(decide(&state, &cx, &facts, &seen(&facts, 50, 599)));
    cx.now = at(600);
    let asked = decide(&state, &cx, &facts, &seen(&facts, 50, 600));
    assert_eq!(asked, Decision::Ask(BTreeSet::from([Question::References(blue())])));
}

#[test]
fn a_run_that_begins_when_the_time_is_up_still_asks() {
    assert_eq!(converging(99999, None), Decision::Ask(BTreeSet::from([Question::Requests(blue())])));
    assert_eq!(converging(99999, Some(counted(99840, None))), Decision::Record(Event::Converged));
}

#[test]
fn zero_leaves_cloudwatch_unasked() {
    let state = state_in(Phase::Converging { since: at(0) });
    let facts = well(green());
    let decision = decide(&state, &context(Goal::Deploy, 120), &facts, &seen(&facts, 50, 120));
    assert_eq!(decision, Decision::Record(Event::Converged));
}

#[test]
fn behind_records_the_count_is_asked_for_at_the_takedown_only() {
    let mut cx = context(Goal::Deploy, 600);
    (cx.policy.ttl, cx.policy.no_requests) = (SignedDuration::from_secs(60), SignedDuration::from_mins(1));
    let facts = well(green());
    let mut memory = Memory::default();
    memory.note(&facts, at(10));
    let state = state_in(Phase::Converging { since: at(0) });
    assert_eq!(decide(&state, &cx, &facts, &memory), Decision::Record(Event::Converged));
    let mut state = state_in(Phase::Retiring);
    state.carried.insert(blue(), at(0));
    cx.goal = Goal::Sweep;
    assert_eq!(decide(&state, &cx, &facts, &memory), Decision::Ask(BTreeSet::from([Question::Requests(blue())])));
}

fn retiring(now: i64, count: Option<RequestCount>, asking: i64) -> Decision {
    let mut state = state_in(Phase::Retiring);
    state.carried.insert(blue(), at(0));
    told(&state, Goal::Sweep, now, &well(green()), count, asking)
}

#[test]
fn a_color_that_has_carried_traffic_is_taken_down_only_when_it_is_counted_to_get_none() {
    let deregisters = |decision| matches!(decision, Decision::Act(Effect::Deregister { .. }));
    assert_eq!(waits(retiring(179, None, 0)), Some(at(180)));
    assert_eq!(retiring(86400, None, 0), Decision::Ask(BTreeSet::from([Question::Requests(blue())])));
    assert!(deregisters(retiring(86400, Some(counted(86280, None)), 86400)));
    assert!(deregisters(retiring(86400, Some(counted(86280, Some((86220, 3)))), 86400)));
    for count in [unknown(), counted(86280, Some((86280, 1))), counted(0, None)] {
        waits(retiring(86400, Some(count), 86400));
    }
}

#[test]
fn a_color_that_never_carried_traffic_is_not_counted() {
    let decision = told(&state_in(Phase::Aborting), Goal::Sweep, 1, &well(blue()), None, 0);
    assert!(matches!(decision, Decision::Act(Effect::Deregister { .. })), "{decision:?}");
}

#[test]
fn a_takedown_that_waits_in_vain_asks_a_person() {
    let busy = || Some(counted(86280, Some((86280, 4))));
    waits(retiring(86400, busy(), 86400 - 599));
    let saw = blocks(retiring(86400, busy(), 86400 - 600));
    assert!(saw.contains("blue still got 4 request(s)"), "{saw}");
}

#[test]
fn a_scheduler_that_looks_again_records_nothing_until_the_requests_have_ceased() {
    let mut state = state_in(blocked(&Phase::Retiring));
    state.carried.insert(blue(), at(0));
    let look = |count: Option<RequestCount>| {
        let mut cx = context(Goal::Sweep, 86400);
        (cx.policy.no_requests, cx.acted) = (SignedDuration::from_mins(1), false);
        let mut facts = well(green());
        facts.requests.extend(count.map(|count| (blue(), count)));
        decide(&state, &cx, &facts, &seen(&facts, 1, 86400))
    };
    assert_eq!(look(None), Decision::Ask(BTreeSet::from([Question::Requests(blue())])));
    for count in [unknown(), counted(86280, Some((86280, 4)))] {
        assert!(matches!(look(Some(count)), Decision::Stop(Ending::Blocked(_))));
    }
    assert_eq!(look(Some(counted(86280, None))), Decision::Record(Event::Resumed));
}

#[test]
fn a_rollback_never_asks_cloudwatch() {
    for phase in [Phase::Converging { since: at(0) }, Phase::Retaining { until: at(9999) }, Phase::RollingBack] {
        let state = state_in(phase);
        let mut facts = Facts::default();
        for _ in 0..5 {
            match told(&state, Goal::Rollback { force: false }, 500, &facts, None, 0) {
                Decision::Ask(questions) => {
                    let counts = questions.iter().any(|q| matches!(q, Question::Requests(_)));
                    assert!(!counts, "{questions:?}");
                    facts = well(green());
                }
                Decision::Act(_) | Decision::Record(_) => break,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn minutes_are_told_in_words_that_a_person_can_compare_with_a_graph() {
    let Decision::Wait { reason, .. } = converging(400, Some(counted(240, Some((240, 7))))) else { panic!() };
    let end: Timestamp = at(240);
    assert_eq!(reason, format!("blue still got 7 request(s) in the minute to {end}, by CloudWatch's count"));
}
