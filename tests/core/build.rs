//! Releases, events and facts to test with: blue is live, green is brought up by the release `r2`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use switchback::release::{
    Color, Context, Decision, Effect, EffectResult, Event, Facts, FlipReason, Goal, GroupPin, HealthState,
    InstanceFact, InstanceState, Launched, Memory, Moved, Person, Phase, Pins, Policy, ProbeAnswer, Problem, Question,
    References, Release, ReleaseId, RoutePin, State, SubnetPin, SwitchPin, TargetFact, Targets, Traffic, Unsent,
    decide,
};

pub(crate) const COUNT: u32 = 2;

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub(crate) fn blue() -> Color {
    Color::new("blue")
}

pub(crate) fn green() -> Color {
    Color::new("green")
}

pub(crate) fn problem() -> Problem {
    Problem::new("something broke", "something whole", "switchback status env.yaml")
}

pub(crate) fn pins() -> Pins {
    let group = |name: &str| GroupPin { arn: format!("arn:{name}"), port: 80, deregistration_delay_seconds: 20 };
    let subnet = |id: &str| SubnetPin { id: id.into(), zone: format!("zone-{id}"), count: 1 };
    Pins {
        route: SwitchPin::Rule {
            rule: "arn:rule".into(),
            route: RoutePin { dns_name: "lb.example".into(), port: 443, https: true, host: None },
        },
        groups: BTreeMap::from([(blue(), group("blue")), (green(), group("green"))]),
        template: "lt-1".into(),
        template_version: 3,
        subnets: vec![subnet("a"), subnet("b")],
    }
}

pub(crate) fn started() -> Event {
    Event::ReleaseStarted {
        release: ReleaseId::new("r2"),
        image: "ami-2".into(),
        from: blue(),
        to: green(),
        count: COUNT,
        from_count: COUNT,
        pins: pins(),
    }
}

pub(crate) fn launched(id: &str) -> Launched {
    Launched { id: id.into(), address: "10.0.0.1".into(), subnet: "a".into() }
}

/// The release `r2` in `phase`, as if it had come there on the straight way.
pub(crate) fn state_in(phase: Phase) -> State {
    let mut state = State::replay([(at(0), &started())]).unwrap();
    let before = fresh(&phase);
    let release = state.release.as_mut().unwrap();
    release.moved = moved_in(&phase);
    release.flips = u32::from(phase == Phase::Switching);
    release.phase = phase;
    state.carried.clear();
    if !before {
        let provisioned = Event::Provisioned { instances: vec![launched("g1"), launched("g2")] };
        let Event::Provisioned { instances } = provisioned else { unreachable!() };
        let occupant = switchback::release::Occupant {
            release: ReleaseId::new("r2"),
            image: "ami-2".into(),
            instances,
            since: at(0),
        };
        state.occupants.insert(green(), occupant);
    }
    state
}

/// Whether the release has put nothing on its color yet.
fn fresh(phase: &Phase) -> bool {
    match phase {
        Phase::Clearing | Phase::Provisioning { .. } => true,
        Phase::Blocked { at, .. } => fresh(at),
        Phase::Warming { .. }
        | Phase::Smoke
        | Phase::Staged
        | Phase::Switching
        | Phase::Converging { .. }
        | Phase::Baking { .. }
        | Phase::Retaining { .. }
        | Phase::Retiring
        | Phase::Done
        | Phase::Aborting
        | Phase::Aborted
        | Phase::RollingBack
        | Phase::RolledBack { .. } => false,
    }
}

/// Where the traffic of a release in `phase` is, on the straight way.
pub(crate) fn moved_in(phase: &Phase) -> Moved {
    match phase {
        Phase::Clearing
        | Phase::Provisioning { .. }
        | Phase::Warming { .. }
        | Phase::Smoke
        | Phase::Staged
        | Phase::Switching
        | Phase::Aborting
        | Phase::Aborted => Moved::Not,
        Phase::Converging { .. }
        | Phase::Baking { .. }
        | Phase::Retaining { .. }
        | Phase::Retiring
        | Phase::Done
        | Phase::RollingBack => Moved::Forward,
        Phase::RolledBack { .. } => Moved::Back,
        Phase::Blocked { at, .. } => moved_in(at),
    }
}

pub(crate) fn release(state: &State) -> &Release {
    state.release.as_ref().unwrap()
}

pub(crate) fn phase(state: &State) -> &Phase {
    &release(state).phase
}

/// The phase after `phase` in the list of all phases; a new variant does not compile until it has its place here.
fn phase_after(phase: &Phase) -> Option<Phase> {
    Some(match phase {
        Phase::Clearing => Phase::Provisioning { since: at(0) },
        Phase::Provisioning { .. } => Phase::Warming { since: at(0) },
        Phase::Warming { .. } => Phase::Smoke,
        Phase::Smoke => Phase::Staged,
        Phase::Staged => Phase::Switching,
        Phase::Switching => Phase::Converging { since: at(0) },
        Phase::Converging { .. } => Phase::Baking { since: at(0) },
        Phase::Baking { .. } => Phase::Retaining { until: at(1000) },
        Phase::Retaining { .. } => Phase::Retiring,
        Phase::Retiring => Phase::Done,
        Phase::Done => Phase::Aborting,
        Phase::Aborting => Phase::Aborted,
        Phase::Aborted => Phase::RollingBack,
        Phase::RollingBack => Phase::RolledBack { until: at(1000) },
        Phase::RolledBack { .. } | Phase::Blocked { .. } => return None,
    })
}

/// Every phase, and every phase blocked.
pub(crate) fn all_phases() -> Vec<Phase> {
    let mut plain = vec![Phase::Clearing];
    while let Some(next) = phase_after(plain.last().unwrap()) {
        plain.push(next);
    }
    let blocked: Vec<Phase> = plain.iter().map(blocked).collect();
    plain.into_iter().chain(blocked).collect()
}

pub(crate) fn blocked(phase: &Phase) -> Phase {
    Phase::Blocked { at: Box::new(phase.clone()), problem: problem() }
}

fn effect_after(effect: &Effect) -> Option<Effect> {
    Some(match effect {
        Effect::Reference { .. } => {
            Effect::Launch { color: green(), subnet: "a".into(), count: 1, client_token: "r2-a".into() }
        }
        Effect::Launch { .. } => Effect::Register { color: green(), instances: vec!["g1".into()] },
        Effect::Register { .. } => Effect::Flip { from: blue(), to: green() },
        Effect::Flip { .. } => Effect::Deregister { color: green(), instances: vec!["g1".into()] },
        Effect::Deregister { .. } => Effect::Terminate { color: green(), instances: vec!["g1".into()] },
        Effect::Terminate { .. } => return None,
    })
}

/// `effect` with the colors the other way round.
pub(crate) fn mirrored(effect: &Effect) -> Effect {
    let other = |color: &Color| if *color == blue() { green() } else { blue() };
    match effect.clone() {
        Effect::Reference { live, idle } => Effect::Reference { live: other(&live), idle: other(&idle) },
        Effect::Launch { color, subnet, count, client_token } => {
            Effect::Launch { color: other(&color), subnet, count, client_token }
        }
        Effect::Register { color, instances } => Effect::Register { color: other(&color), instances },
        Effect::Flip { from, to } => Effect::Flip { from: other(&from), to: other(&to) },
        Effect::Deregister { color, instances } => Effect::Deregister { color: other(&color), instances },
        Effect::Terminate { color, instances } => Effect::Terminate { color: other(&color), instances },
    }
}

/// Every effect, for each color.
pub(crate) fn all_effects() -> Vec<Effect> {
    let mut list = vec![Effect::Reference { live: blue(), idle: green() }];
    while let Some(next) = effect_after(list.last().unwrap()) {
        list.push(next);
    }
    let mirrored: Vec<Effect> = list.iter().map(mirrored).collect();
    list.into_iter().chain(mirrored).collect()
}

/// The event after `event` in the list of all events; a new variant does not compile until it has its place here.
fn event_after(event: &Event) -> Option<Event> {
    let flip = Effect::Flip { from: blue(), to: green() };
    Some(match event {
        Event::ReleaseStarted { .. } => Event::Cleared,
        Event::Cleared => Event::Provisioned { instances: vec![launched("g1"), launched("g2")] },
        Event::Provisioned { .. } => Event::Warmed,
        Event::Warmed => Event::SmokePassed,
        Event::SmokePassed => Event::Intent { effect: flip, deadline: at(60) },
        Event::Intent { .. } => Event::Outcome { result: EffectResult::Accepted { change: Some("C1".into()) } },
        Event::Outcome { .. } => Event::Switched,
        Event::Switched => Event::NotSwitched,
        Event::NotSwitched => Event::Converged,
        Event::Converged => Event::Retained { until: at(1000) },
        Event::Retained { .. } => Event::Failed { problem: problem() },
        Event::Failed { .. } => Event::AbortRequested,
        Event::AbortRequested => Event::RollbackStarted { reason: FlipReason::Requested, skipped: vec![] },
        Event::RollbackStarted { .. } => Event::RolledBack { until: at(1000) },
        Event::RolledBack { .. } => Event::Aborted,
        Event::Aborted => Event::RetirementStarted,
        Event::RetirementStarted => Event::Retired,
        Event::Retired => Event::Blocked { problem: problem() },
        Event::Blocked { .. } => Event::Resumed,
        Event::Resumed => Event::ClockRestarted { unwatched_since: at(0) },
        Event::ClockRestarted { .. } => Event::Synced,
        Event::Synced => Event::LeftoversFound { color: green(), instances: vec!["g1".into()] },
        Event::LeftoversFound { .. } => Event::LeftoversRemoved,
        Event::LeftoversRemoved => adopted(green()),
        Event::Adopted { .. } => return None,
    })
}

pub(crate) fn somebody() -> Person {
    Person { user: "ana".into(), host: "laptop".into() }
}

/// A person takes the traffic on `live` as right.
pub(crate) fn adopted(live: Color) -> Event {
    let was = if live == blue() { green() } else { blue() };
    Event::Adopted { by: somebody(), reason: Some("by hand".into()), was, live, until: at(1000) }
}

/// Every event: every intent, every outcome, every reason for a rollback.
pub(crate) fn all_events() -> Vec<Event> {
    let mut list = vec![started()];
    while let Some(next) = event_after(list.last().unwrap()) {
        list.push(next);
    }
    list.retain(|e| !matches!(e, Event::Intent { .. }));
    list.extend(all_effects().into_iter().map(|effect| Event::Intent { effect, deadline: at(60) }));
    list.push(Event::Outcome { result: EffectResult::Accepted { change: None } });
    list.push(Event::Outcome { result: EffectResult::Repeated { change: None } });
    list.push(Event::Outcome { result: EffectResult::Refused { problem: problem() } });
    list.push(Event::Outcome { result: EffectResult::Unknown { saw: "a time-out".into() } });
    for why in [Unsent::ForeignWriter, Unsent::Unread, Unsent::Late] {
        list.push(Event::Outcome { result: EffectResult::NotSent { why, saw: "it was not sent".into() } });
    }
    list.push(adopted(blue()));
    let failed = FlipReason::Failed { problem: problem() };
    list.push(Event::RollbackStarted { reason: failed.clone(), skipped: vec![] });
    list.push(Event::RollbackStarted { reason: failed, skipped: vec!["blue is sick".into()] });
    list
}

pub(crate) fn policy() -> Policy {
    Policy {
        consecutive: 3,
        health_timeout: SignedDuration::from_secs(600),
        probe: true,
        quiet: SignedDuration::from_secs(120),
        ttl: SignedDuration::ZERO,
        no_requests: SignedDuration::ZERO,
        converge_timeout: SignedDuration::from_secs(600),
        bake: SignedDuration::from_secs(300),
        retain: SignedDuration::from_secs(86400),
    }
}

pub(crate) fn context(goal: Goal, now: i64) -> Context {
    Context {
        name: "env".into(),
        env: "env.yaml".into(),
        goal,
        policy: policy(),
        now: at(now),
        decided_at: at(now),
        acted: true,
        began: at(now),
        last_entry: Some(at(now)),
        found_settled: false,
        detach: false,
        by: somebody(),
        reason: None,
    }
}

pub(crate) fn only(color: Color) -> Traffic {
    Traffic::Only { color, idle_referenced: true }
}

pub(crate) fn split() -> Traffic {
    Traffic::Split { weights: BTreeMap::from([(blue(), 1), (green(), 1)]) }
}

pub(crate) fn foreign() -> Traffic {
    Traffic::Foreign { problem: Problem::new("the rule forwards to arn:third", "only blue and green", "look") }
}

pub(crate) fn target(id: &str, health: HealthState) -> TargetFact {
    TargetFact { id: id.into(), port: 80, health, reason: None, description: None }
}

pub(crate) fn targets(list: &[(&str, HealthState)]) -> Targets {
    Targets { list: list.iter().map(|(id, health)| target(id, *health)).collect() }
}

pub(crate) fn instance(id: &str, release: &str, state: InstanceState) -> InstanceFact {
    InstanceFact {
        id: id.into(),
        release: Some(ReleaseId::new(release)),
        image: "ami".into(),
        subnet: "a".into(),
        address: Some("10.0.0.1".into()),
        state,
        reason: None,
        launched_at: None,
    }
}

/// Facts in which all is well: traffic on `live`, both colors healthy, and only `live` answers.
pub(crate) fn well(live: Color) -> Facts {
    use HealthState::Healthy;
    let running = |ids: [&str; 2], release| ids.map(|id| instance(id, release, InstanceState::Running)).to_vec();
    Facts {
        traffic: Some(only(live)),
        synced: Some(true),
        targets: BTreeMap::from([
            (blue(), targets(&[("b1", Healthy), ("b2", Healthy)])),
            (green(), targets(&[("g1", Healthy), ("g2", Healthy)])),
        ]),
        instances: BTreeMap::from([(blue(), running(["b1", "b2"], "r1")), (green(), running(["g1", "g2"], "r2"))]),
        references: [blue(), green()].map(|color| (color, References::default())).into(),
        smoke: Some(Ok(())),
        requests: BTreeMap::new(),
        probe: Some(ProbeAnswer::New),
    }
}

/// What a run remembers that has seen `facts` in each of `looks` looks, ten seconds apart, the last one at `now`.
pub(crate) fn seen(facts: &Facts, looks: i64, now: i64) -> Memory {
    let mut memory = Memory::default();
    for look in (0..looks).rev() {
        memory.note(facts, at(now - 10 * look));
    }
    memory
}

pub(crate) fn next(state: &State, goal: Goal, now: i64, facts: &Facts) -> Decision {
    decide(state, &context(goal, now), facts, &seen(facts, 3, now))
}

/// The next step of a deploy whose run has seen `facts` three times.
pub(crate) fn forward(state: &State, now: i64, facts: &Facts) -> Decision {
    next(state, Goal::Deploy, now, facts)
}

/// What is asked where nothing is known yet.
pub(crate) fn asked(state: &State, goal: Goal) -> BTreeSet<Question> {
    match decide(state, &context(goal, 10), &Facts::default(), &Memory::default()) {
        Decision::Ask(questions) => questions,
        other => panic!("nothing was asked: {other:?}"),
    }
}

/// What was seen, of a decision that must be to fail.
#[track_caller]
pub(crate) fn fails(decision: Decision) -> String {
    match decision {
        Decision::Record(Event::Failed { problem }) => problem.saw,
        other => panic!("it did not fail: {other:?}"),
    }
}

/// What was seen, of a decision that must be to block.
#[track_caller]
pub(crate) fn blocks(decision: Decision) -> String {
    match decision {
        Decision::Record(Event::Blocked { problem }) => problem.saw,
        other => panic!("it did not block: {other:?}"),
    }
}

/// What was seen, of a decision that must be to take the traffic back.
#[track_caller]
pub(crate) fn takes_back(decision: Decision) -> String {
    match decision {
        Decision::Record(Event::RollbackStarted { reason: FlipReason::Failed { problem }, .. }) => problem.saw,
        other => panic!("it did not take the traffic back: {other:?}"),
    }
}

/// Until when, of a decision that must be to wait.
#[track_caller]
pub(crate) fn waits(decision: Decision) -> Option<jiff::Timestamp> {
    match decision {
        Decision::Wait { until, .. } => until,
        other => panic!("it did not wait: {other:?}"),
    }
}
