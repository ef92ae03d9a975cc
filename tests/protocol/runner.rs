//! One run of the program: what `engine::run` and `engine::act` do, one atomic step at a time.

use std::sync::Arc;

use jiff::SignedDuration;
use switchback::release::{
    Context, Decision, EffectResult, Event, Goal, Memory, Person, Policy, State, Unsent, decide,
};

use crate::aws::{Aws, Seen};
use crate::journal::{Body, EventId, Journal, now};

/// More than there are runs at the same time.
const RUNS_MAX: u8 = 10;

/// A step of the protocol that is left out, to see that it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LeftOut {
    /// Calls are written down after they were made.
    IntentBefore,
    /// Who takes over does not wait.
    Wait,
    /// Who takes over waits first and takes over then: the old owner can still announce calls meanwhile.
    TakeoverBeforeTheWait,
    /// Who has waited goes on with what it saw before.
    LookAfterTheWait,
    /// A call is sent however long ago it was announced.
    SendDeadline,
    /// A run that lost its lease goes on.
    Fencing,
    /// What was seen a while ago is taken for what is so now, also where a call's outcome is not known.
    AsOfTheLook,
    /// A call that was answered is over, however many attempts it took.
    Repetitions,
}

/// Where a run stands between two of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// It has not loaded the journal yet.
    Idle,
    /// It decides.
    Deciding,
    /// It waits for time to pass.
    Waiting,
    /// It has taken over and waits until nothing can land any more.
    Settling,
    /// The call is written down and not sent. `late`: its time is over.
    Announced { call: EventId, late: bool },
    /// The call is sent, and there is no answer yet.
    Sent { call: EventId },
    /// The call has ended like this, which is not written down yet.
    Ended { call: EventId, result: Ended },
    /// It is over.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    Accepted,
    /// Accepted, and an earlier attempt is still under way.
    Repeated,
    Unknown,
    NotSent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Runner {
    pub(crate) goal: WhatFor,
    /// Its number; after a crash another one.
    pub(crate) run: u8,
    pub(crate) crashes_left: u8,
    pub(crate) stage: Stage,
    /// How many entries it has read.
    known: usize,
    /// The entry with which it took the lease, and whether it has settled since.
    since: Option<usize>,
    settled: bool,
    seen: Seen,
    acted: bool,
    found_settled: bool,
    /// Whether it knows events that do not follow each other.
    pub(crate) lost_its_thread: bool,
}

/// The verbs of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum WhatFor {
    Deploy,
    Rollback,
    Abort,
    Sweep,
    Reconcile,
}

impl WhatFor {
    fn goal(self) -> Goal {
        match self {
            Self::Deploy => Goal::Deploy,
            Self::Rollback => Goal::Rollback { force: false },
            Self::Abort => Goal::Abort,
            Self::Sweep => Goal::Sweep,
            Self::Reconcile => Goal::Reconcile,
        }
    }
}

/// A call that is handed to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Call {
    pub(crate) intent: EventId,
    pub(crate) run: u8,
    /// How many entries its run had read when it announced it.
    pub(crate) after: usize,
}

impl Runner {
    pub(crate) fn new(goal: WhatFor, run: u8, crashes_left: u8) -> Self {
        Self {
            goal,
            run,
            crashes_left,
            stage: Stage::Idle,
            known: 0,
            since: None,
            settled: false,
            seen: Seen::default(),
            acted: false,
            found_settled: false,
            lost_its_thread: false,
        }
    }

    /// The process dies. Whoever starts it again is another run.
    pub(crate) fn crash(&mut self) {
        *self = Self::new(self.goal, self.run + RUNS_MAX, self.crashes_left - 1);
    }

    /// Minutes pass.
    pub(crate) fn time_passes(&mut self, left_out: Option<LeftOut>) {
        match &mut self.stage {
            Stage::Waiting => (self.stage, self.seen) = (Stage::Deciding, Seen::default()),
            Stage::Settling => {
                self.settled = true;
                self.stage = Stage::Deciding;
                if left_out != Some(LeftOut::LookAfterTheWait) {
                    self.seen = Seen::default();
                }
            }
            Stage::Announced { late, .. } => *late = true,
            Stage::Idle | Stage::Deciding | Stage::Sent { .. } | Stage::Ended { .. } | Stage::Over => {}
        }
    }

    fn state(&self, journal: &Journal) -> Option<Arc<State>> {
        journal.state(self.known, self.seen.as_of.unwrap_or(journal.old()), self.since.filter(|_| self.settled))
    }

    /// What the run decides now; nothing where the events that it knows do not follow each other.
    fn decision(&self, journal: &Journal) -> Option<Decision> {
        let zero = SignedDuration::ZERO;
        let policy = Policy {
            consecutive: 1,
            health_timeout: SignedDuration::from_hours(1000),
            probe: false,
            quiet: zero,
            no_requests: zero,
            ttl: zero,
            converge_timeout: SignedDuration::from_hours(1000),
            bake: zero,
            retain: zero,
        };
        let cx = Context {
            name: "shop".into(),
            env: "shop.yaml".into(),
            goal: self.goal.goal(),
            policy,
            now: now(),
            decided_at: now(),
            acted: self.acted,
            began: now(),
            last_entry: None,
            found_settled: self.found_settled,
            detach: false,
            by: Person { user: "ana".into(), host: "ci".into() },
            reason: None,
        };
        let facts = self.seen.facts();
        let mut memory = Memory::default();
        memory.note(&facts, now());
        Some(decide(&*self.state(journal)?, &cx, &facts, &memory))
    }

    /// The next step that this run takes by itself. A call that it sends is the answer.
    pub(crate) fn step(&mut self, journal: &mut Journal, aws: &Aws, left_out: Option<LeftOut>) -> Option<Call> {
        match self.stage {
            Stage::Idle => {
                self.known = journal.entries.len();
                self.found_settled = self.release_is_settled(journal);
                self.stage = Stage::Deciding;
                None
            }
            Stage::Deciding => self.decide_and_do(journal, aws, left_out),
            Stage::Announced { call, late } => {
                if late && left_out != Some(LeftOut::SendDeadline) {
                    self.stage = Stage::Ended { call, result: Ended::NotSent };
                    return None;
                }
                self.stage = Stage::Sent { call };
                Some(Call { intent: call, run: self.run, after: self.known })
            }
            Stage::Ended { call, result } => {
                self.write_the_outcome(journal, call, result, left_out);
                None
            }
            Stage::Waiting | Stage::Settling | Stage::Sent { .. } | Stage::Over => None,
        }
    }

    /// Whether [`Runner::step`] does anything.
    pub(crate) fn can_step(&self) -> bool {
        matches!(self.stage, Stage::Idle | Stage::Deciding | Stage::Announced { .. } | Stage::Ended { .. })
    }

    fn release_is_settled(&self, journal: &Journal) -> bool {
        self.state(journal).is_some_and(|s| s.release.as_ref().is_none_or(|r| r.phase.is_settled()))
    }

    fn decide_and_do(&mut self, journal: &mut Journal, aws: &Aws, left_out: Option<LeftOut>) -> Option<Call> {
        let Some(decision) = self.decision(journal) else {
            (self.stage, self.lost_its_thread) = (Stage::Over, true);
            return None;
        };
        match decision {
            Decision::Ask(questions) => {
                self.seen.look(aws, journal.old(), &questions);
                if left_out == Some(LeftOut::AsOfTheLook) {
                    self.seen.as_of = None;
                }
            }
            Decision::Act(effect) => {
                if self.hold_lease(journal, left_out) {
                    let call = EventId::of(&Event::Intent { effect, deadline: now() });
                    // Where the intent is not written before, nothing tells that the lease is lost.
                    if left_out == Some(LeftOut::IntentBefore) || self.write(journal, call, left_out) {
                        self.stage = Stage::Announced { call, late: false };
                    }
                }
            }
            Decision::Record(event) => {
                if self.hold_lease(journal, left_out) && self.write(journal, EventId::of(&event), left_out) {
                    self.acted = true;
                    if event.makes_facts_old() {
                        self.seen = Seen::default();
                    }
                }
            }
            Decision::Wait { .. } => {
                if self.hold_lease(journal, left_out) {
                    self.stage = Stage::Waiting;
                }
            }
            Decision::Stop(_) => {
                if self.since.is_some() && !journal.has_more_than(self.known) {
                    journal.append(self.run, Body::Released);
                }
                self.stage = Stage::Over;
            }
        }
        None
    }

    /// Takes the lease where this run does not hold it: at any time, as if its clock were ahead of everybody's. `false`
    /// where the decision must be made again.
    fn hold_lease(&mut self, journal: &mut Journal, left_out: Option<LeftOut>) -> bool {
        if self.since.is_some() {
            return true;
        }
        let unsettled = journal.unsettled();
        let waits = unsettled.contains(&false) && left_out != Some(LeftOut::Wait);
        if waits && left_out == Some(LeftOut::TakeoverBeforeTheWait) && !self.settled {
            self.stage = Stage::Settling;
            return false;
        }
        let unchanged = !journal.has_more_than(self.known);
        journal.append(self.run, Body::Lease);
        (self.known, self.since) = (journal.entries.len(), Some(journal.entries.len()));
        if !unchanged {
            self.found_settled = self.release_is_settled(journal);
        }
        if !waits || left_out == Some(LeftOut::TakeoverBeforeTheWait) {
            self.settled = true;
            let careless = matches!(left_out, Some(LeftOut::LookAfterTheWait | LeftOut::AsOfTheLook));
            let unchanged = unchanged && (unsettled.is_empty() || careless);
            if !unchanged {
                self.seen = Seen::default();
            }
            return unchanged;
        }
        self.stage = Stage::Settling;
        false
    }

    /// Appends an event; `false` where another run has taken over, and then this one is over.
    fn write(&mut self, journal: &mut Journal, event: EventId, left_out: Option<LeftOut>) -> bool {
        if journal.has_more_than(self.known) && left_out != Some(LeftOut::Fencing) {
            self.stage = Stage::Over;
            return false;
        }
        if journal.has_more_than(self.known) {
            // It writes all the same, where its own state allows it: behind what the others wrote.
            let follows = journal.read().is_some_and(|s| State::clone(&s).apply(now(), &event.event()).is_ok());
            if !follows {
                self.stage = Stage::Over;
                return false;
            }
        }
        journal.append(self.run, Body::Event(event));
        self.known = journal.entries.len();
        true
    }

    fn write_the_outcome(&mut self, journal: &mut Journal, call: EventId, ended: Ended, left_out: Option<LeftOut>) {
        let saw = || String::from("no answer");
        let result = match ended {
            Ended::Accepted => EffectResult::Accepted { change: None },
            Ended::Repeated if left_out == Some(LeftOut::Repetitions) => EffectResult::Accepted { change: None },
            Ended::Repeated => EffectResult::Repeated { change: None },
            Ended::Unknown => EffectResult::Unknown { saw: saw() },
            Ended::NotSent => EffectResult::NotSent { why: Unsent::Late, saw: saw() },
        };
        if left_out == Some(LeftOut::IntentBefore) && !self.write(journal, call, left_out) {
            return;
        }
        if !self.write(journal, EventId::of(&Event::Outcome { result }), left_out) {
            return;
        }
        self.acted = true;
        self.seen = Seen::default();
        self.stage = match ended {
            Ended::Accepted | Ended::Repeated => Stage::Deciding,
            Ended::Unknown | Ended::NotSent => Stage::Waiting,
        };
    }
}
