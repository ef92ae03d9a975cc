//! The model: runs, a journal, an AWS, and calls that land when they like until their time is over.

use stateright::{Model, Property};
use switchback::release::{Color, Event, GroupPin, Phase, Pins, ReleaseId, RoutePin, SubnetPin, SwitchPin};

use crate::aws::{Aws, BLUE, GREEN, color, index};
use crate::journal::{Body, EventId, Journal};
use crate::runner::{Call, Ended, LeftOut, Runner, Stage, WhatFor};

/// What the search goes through.
#[derive(Debug, Clone)]
pub(crate) struct Protocol {
    /// The runs, each with how often it may crash.
    pub(crate) runs: Vec<(WhatFor, u8)>,
    /// How many calls may stay without an answer although their run lives.
    pub(crate) unanswered: u8,
    /// How often time may pass while a run stands still between announcing a call and sending it.
    pub(crate) frozen: u8,
    /// How many calls may be repeated below, so that a copy of an answered call is still under way.
    pub(crate) repeats: u8,
    /// The step of the protocol that is left out.
    pub(crate) left_out: Option<LeftOut>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) runners: Vec<Runner>,
    pub(crate) journal: Journal,
    pub(crate) aws: Aws,
    /// Sent, and neither landed nor lost.
    pub(crate) air: Vec<Call>,
    unanswered_left: u8,
    frozen_left: u8,
    repeats_left: u8,
    /// Whether a call of one run landed after a later owner had announced one of its own.
    pub(crate) interleaved: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// A run does its next step.
    Step(usize),
    /// Its call lands and is answered.
    Answer(usize),
    /// Its call lands and is answered, and an earlier attempt of the same call is still under way.
    AnswerToARepeat(usize),
    /// It waits for the answer no longer.
    GiveUp(usize),
    /// It dies and is started again.
    Crash(usize),
    /// A call lands whose sender does not hear of it.
    Land(usize),
    /// A call is lost.
    Lose(usize),
    /// So much time passes that the deadline of everything is over.
    TimePasses,
}

impl Protocol {
    fn start(&self) -> World {
        let mut journal = Journal::default();
        journal.append(0, Body::Lease);
        journal.append(0, Body::Event(EventId::of(&started())));
        journal.append(0, Body::Released);
        journal.time_passes();
        let runners: Vec<_> =
            (1..).zip(&self.runs).map(|(run, (goal, crashes))| Runner::new(*goal, run, *crashes)).collect();
        World {
            runners,
            journal,
            aws: Aws::new(),
            air: Vec::new(),
            unanswered_left: self.unanswered,
            frozen_left: self.frozen,
            repeats_left: self.repeats,
            interleaved: false,
        }
    }
}

impl World {
    /// What can happen next.
    pub(crate) fn possible(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for (i, runner) in self.runners.iter().enumerate() {
            if runner.can_step() {
                actions.push(Action::Step(i));
            }
            if let Stage::Sent { .. } = runner.stage {
                if self.call_of(runner).is_some() {
                    actions.push(Action::Answer(i));
                    if self.repeats_left > 0 {
                        actions.push(Action::AnswerToARepeat(i));
                    }
                }
                // A call that is not under way any more will never be answered.
                if self.unanswered_left > 0 || self.call_of(runner).is_none() {
                    actions.push(Action::GiveUp(i));
                }
            }
            if runner.crashes_left > 0 && runner.stage != Stage::Idle && runner.stage != Stage::Over {
                actions.push(Action::Crash(i));
            }
        }
        for (k, call) in self.air.iter().enumerate() {
            // Where its sender still waits, an answer that is lost is one that it gives up on.
            if !self.awaited(call) || self.unanswered_left > 0 {
                actions.extend([Action::Land(k), Action::Lose(k)]);
            }
        }
        let waits = self.runners.iter().any(|r| matches!(r.stage, Stage::Waiting | Stage::Settling));
        if self.air.is_empty() && if self.one_is_about_to_send() { self.frozen_left > 0 } else { waits } {
            actions.push(Action::TimePasses);
        }
        actions
    }

    fn one_is_about_to_send(&self) -> bool {
        self.runners.iter().any(|r| matches!(r.stage, Stage::Announced { late: false, .. }))
    }

    fn call_of(&self, runner: &Runner) -> Option<usize> {
        let Stage::Sent { call: sent } = runner.stage else { return None };
        self.air.iter().position(|call| call.run == runner.run && call.intent == sent)
    }

    fn awaited(&self, call: &Call) -> bool {
        self.runners.iter().any(|r| r.run == call.run && matches!(r.stage, Stage::Sent { call: c } if c == call.intent))
    }

    /// Does it.
    pub(crate) fn act(&mut self, action: Action, left_out: Option<LeftOut>) {
        match action {
            Action::Step(i) => {
                let call = self.runners[i].step(&mut self.journal, &self.aws, left_out);
                self.air.extend(call);
                self.air.sort_unstable();
            }
            Action::Answer(i) | Action::AnswerToARepeat(i) => {
                let at = self.call_of(&self.runners[i]).expect("its call is under way");
                let call = self.air[at];
                let result = if matches!(action, Action::AnswerToARepeat(_)) {
                    self.repeats_left -= 1;
                    Ended::Repeated
                } else {
                    self.air.remove(at);
                    Ended::Accepted
                };
                self.land(call);
                self.runners[i].stage = Stage::Ended { call: call.intent, result };
            }
            Action::GiveUp(i) => {
                let Stage::Sent { call } = self.runners[i].stage else { panic!("nothing is sent") };
                if self.call_of(&self.runners[i]).is_some() {
                    self.unanswered_left -= 1;
                }
                self.runners[i].stage = Stage::Ended { call, result: Ended::Unknown };
            }
            Action::Crash(i) => {
                self.runners[i].crash();
            }
            Action::Land(k) | Action::Lose(k) => {
                let call = self.air.remove(k);
                if self.awaited(&call) {
                    self.unanswered_left -= 1;
                }
                if matches!(action, Action::Land(_)) {
                    self.land(call);
                }
            }
            Action::TimePasses => {
                if self.one_is_about_to_send() {
                    self.frozen_left -= 1;
                }
                self.journal.time_passes();
                self.aws.time_passes();
                self.runners.iter_mut().for_each(|r| r.time_passes(left_out));
            }
        }
    }

    fn land(&mut self, call: Call) {
        self.aws.land(&call.intent.effect());
        let later = &self.journal.entries[call.after.min(self.journal.entries.len())..];
        let announces = |body: Body| matches!(body, Body::Event(id) if matches!(*id.event(), Event::Intent { .. }));
        self.interleaved |= later.iter().any(|e| e.run != call.run && announces(e.body));
    }

    /// The journal, a line per entry, and where everything stands.
    pub(crate) fn tell(&self) -> String {
        let entry = |e: &crate::journal::Entry| match e.body {
            Body::Event(id) => match &*id.event() {
                Event::Intent { effect, .. } => format!("  {} about to {}", e.run, effect.describe()),
                Event::Outcome { result } => format!("  {} {result:?}", e.run),
                other => format!("  {} {}", e.run, other.name()),
            },
            body @ (Body::Lease | Body::Released) => format!("  {} {body:?}", e.run),
        };
        let lines: Vec<_> = self.journal.entries.iter().map(entry).collect();
        let runners: Vec<_> = self.runners.iter().map(|r| format!("  {:?} {} {:?}", r.goal, r.run, r.stage)).collect();
        format!("{}\n{}\n  {:?}\n  air {:?}", lines.join("\n"), runners.join("\n"), self.aws, self.air)
    }

    /// Where the release stands; nothing where the journal cannot be replayed.
    pub(crate) fn phase(&self) -> Option<Phase> {
        Some(self.journal.read()?.release.as_ref().expect("a release was started").phase.clone())
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.start()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.extend(world.possible());
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.act(action, self.left_out);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(SERVES, |_, world: &World| world.aws.serves()),
            Property::always(ONE_WRITER, |_, world: &World| !world.interleaved),
            Property::always(AS_WRITTEN, |_, world: &World| as_written(world)),
            Property::always(REPLAYS, |_, world: &World| {
                world.journal.read().is_some() && world.runners.iter().all(|r| !r.lost_its_thread)
            }),
            Property::always(COMPLETES, |model: &Self, world: &World| {
                !world.possible().is_empty() || completes(model, world)
            }),
            Property::sometimes(DEPLOYED, |_, world: &World| world.phase() == Some(Phase::Done)),
            Property::sometimes(DEPLOYED_AFTER_CRASHES, |_, world: &World| {
                world.phase() == Some(Phase::Done) && world.runners.iter().all(|r| r.crashes_left == 0)
            }),
        ]
    }
}

pub(crate) const SERVES: &str = "the traffic never goes to a color that was deregistered or terminated";
pub(crate) const ONE_WRITER: &str = "no call lands after a later owner has announced one";
pub(crate) const AS_WRITTEN: &str = "the traffic and what is left are where the journal says, and nobody is blamed";
pub(crate) const REPLAYS: &str = "every event in the journal can follow those before it";
pub(crate) const COMPLETES: &str = "where everybody has stopped, running a verb again finishes or undoes it";
pub(crate) const DEPLOYED: &str = "a release can be deployed and swept";
pub(crate) const DEPLOYED_AFTER_CRASHES: &str = "also after every crash";

/// Whether the world is as the journal has it.
fn as_written(world: &World) -> bool {
    let Some(state) = world.journal.read() else { return true };
    let release = state.release.as_ref().expect("a release was started");
    let live = index(release.live());
    let traffic = world.aws.live == live;
    match release.phase {
        Phase::Converging { .. } | Phase::Baking { .. } | Phase::Retaining { .. } | Phase::Retiring => traffic,
        Phase::Aborting | Phase::RolledBack { .. } => traffic,
        Phase::Done | Phase::Aborted => traffic && world.aws.gone(1 - live),
        // Nobody else writes in this world: whoever must decide was led there by one of our own late calls.
        Phase::Blocked { .. } => false,
        Phase::Clearing
        | Phase::Provisioning { .. }
        | Phase::Warming { .. }
        | Phase::Smoke
        | Phase::Staged
        | Phase::Switching
        | Phase::RollingBack => true,
    }
}

/// Whether each verb, run alone from here to its end, brings the release to an end that keeps every promise.
fn completes(model: &Protocol, world: &World) -> bool {
    [WhatFor::Deploy, WhatFor::Abort, WhatFor::Reconcile].into_iter().all(|goal| {
        let mut world = world.clone();
        world.runners = vec![Runner::new(goal, u8::MAX, 0)];
        for _ in 0..200 {
            let Some(action) = world.possible().into_iter().next() else {
                return world.phase().is_some_and(|phase| phase.is_settled());
            };
            world.act(action, model.left_out);
            if !world.aws.serves() || !as_written(&world) {
                return false;
            }
        }
        false
    })
}

/// The release of the model: green is brought up beside blue.
fn started() -> Event {
    let group = |name: &str| GroupPin { arn: format!("arn:{name}"), port: 80, deregistration_delay_seconds: 20 };
    let pins = Pins {
        route: SwitchPin::Rule {
            rule: "arn:rule".into(),
            route: RoutePin { dns_name: "lb.example".into(), port: 443, https: true, host: None },
        },
        groups: [(color(BLUE), group("blue")), (color(GREEN), group("green"))].into(),
        template: "lt-1".into(),
        template_version: 1,
        subnets: vec![SubnetPin { id: "subnet-a".into(), zone: "zone-a".into(), count: 1 }],
    };
    let (from, to): (Color, Color) = (color(BLUE), color(GREEN));
    Event::ReleaseStarted {
        release: ReleaseId::new("r1"),
        image: "ami-1".into(),
        from,
        to,
        count: 1,
        from_count: 1,
        pins,
    }
}
