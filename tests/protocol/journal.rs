//! The journal of the model: entries in order, and the state they add up to for whoever has read so far.
//!
//! Time is what matters of it to the protocol: an entry is new, or so old that every deadline in it is over. So the
//! states of the model are finitely many, however long it waits.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use switchback::release::{Effect, EffectResult, Event, State};

/// Now, for every run: the model's time only ever passes by what is old.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

/// How long a call has.
pub(crate) const DEADLINE: SignedDuration = SignedDuration::from_secs(60);

/// An event by its number in a table that all states share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EventId(u16);

static EVENTS: Mutex<Vec<Arc<Event>>> = Mutex::new(Vec::new());

impl EventId {
    pub(crate) fn of(event: &Event) -> Self {
        let mut events = EVENTS.lock().expect("nobody panics in here");
        let known = events.iter().position(|known| **known == *event);
        let at = known.unwrap_or_else(|| {
            events.push(Arc::new(event.clone()));
            events.len() - 1
        });
        Self(u16::try_from(at).expect("a few dozen events"))
    }

    pub(crate) fn event(self) -> Arc<Event> {
        Arc::clone(&EVENTS.lock().expect("nobody panics in here")[usize::from(self.0)])
    }

    /// The call that the event announces.
    pub(crate) fn effect(self) -> Effect {
        match &*self.event() {
            Event::Intent { effect, .. } => effect.clone(),
            other => panic!("not an intent: {other:?}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Body {
    /// The lease was free and is held, or was taken over, by the entry's run.
    Lease,
    /// The lease is free.
    Released,
    /// Something happened.
    Event(EventId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) run: u8,
    pub(crate) body: Body,
    /// Whether its deadlines are over.
    pub(crate) old: bool,
}

/// All entries, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Journal {
    pub(crate) entries: Vec<Entry>,
}

impl Journal {
    pub(crate) fn append(&mut self, run: u8, body: Body) {
        self.entries.push(Entry { run, body, old: false });
    }

    /// Whether somebody has written behind the first `known` entries.
    pub(crate) fn has_more_than(&self, known: usize) -> bool {
        self.entries.len() > known
    }

    /// The announced calls of which nobody knows how they ended, as far as the journal says: for each, whether its time
    /// is over. The rule of the program's own log.
    pub(crate) fn unsettled(&self) -> Vec<bool> {
        let (mut unsettled, mut in_flight) = (Vec::new(), None);
        for entry in &self.entries {
            let Body::Event(event) = entry.body else { continue };
            match &*event.event() {
                Event::Intent { .. } => unsettled.extend(in_flight.replace(entry.old)),
                Event::Outcome { result: EffectResult::Unknown { .. } | EffectResult::Repeated { .. } } => {
                    unsettled.extend(in_flight.take());
                }
                Event::Outcome { .. } => in_flight = None,
                _ => {}
            }
        }
        unsettled.extend(in_flight);
        unsettled
    }

    /// Minutes pass.
    pub(crate) fn time_passes(&mut self) {
        self.entries.iter_mut().for_each(|e| e.old = true);
    }

    /// How many entries are old.
    pub(crate) fn old(&self) -> usize {
        self.entries.iter().take_while(|e| e.old).count()
    }

    /// The state after the first `known` entries, at a time when the first `old` of them were old, for a run that
    /// settled at entry `settled`, if it has; `None` where an event cannot follow.
    pub(crate) fn state(&self, known: usize, old: usize, settled: Option<usize>) -> Option<Arc<State>> {
        let event = |(n, e): (usize, &Entry)| match e.body {
            Body::Event(id) => Some((id, n < old)),
            Body::Lease | Body::Released => None,
        };
        let events: Vec<_> = self.entries[..known].iter().enumerate().filter_map(event).collect();
        let before = settled.map(|at| self.entries[..at].iter().enumerate().filter_map(event).count());
        FOLDED.with_borrow_mut(|folded| {
            let fold = |(events, before): &Key| fold(events, *before).map(Arc::new);
            folded.entry((events, before)).or_insert_with_key(fold).clone()
        })
    }

    /// The state as everybody reads it.
    pub(crate) fn read(&self) -> Option<Arc<State>> {
        self.state(self.entries.len(), self.old(), None)
    }
}

type Key = (Vec<(EventId, bool)>, Option<usize>);

thread_local! {
    static FOLDED: RefCell<HashMap<Key, Option<Arc<State>>>> = RefCell::default();
}

fn fold(events: &[(EventId, bool)], settled: Option<usize>) -> Option<State> {
    let mut state = State::default();
    for (n, (id, old)) in events.iter().enumerate() {
        if settled == Some(n) {
            state.nothing_can_land();
        }
        let at = if *old { now() - SignedDuration::from_hours(1) } else { now() };
        let event = match &*id.event() {
            Event::Intent { effect, .. } => Event::Intent { effect: effect.clone(), deadline: at + DEADLINE },
            other => other.clone(),
        };
        state.apply(at, &event).ok()?;
    }
    if settled == Some(events.len()) {
        state.nothing_can_land();
    }
    Some(state.read_at(now()))
}
