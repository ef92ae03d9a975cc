//! What the entries of a journal add up to: all that a run needs of the past.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::entry::{Body, Entry, hash};
use super::session::SETTLE_MARGIN;
use super::{Lease, Owner, RunId};
use crate::release::{CLOCKS_APART_MAX, Effect, EffectResult, Event, State};

/// [`SETTLE_MARGIN`] with a sign: a time that stands in an entry may be so late that nothing can be added to it.
pub(super) const SETTLE: SignedDuration = SignedDuration::from_secs(SETTLE_MARGIN.as_secs().cast_signed());

/// What the first `seq` entries add up to. It stands in snapshots: whoever changes a field, or what is done with one,
/// raises [`SNAPSHOT`](super::snapshot::SNAPSHOT).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sum {
    /// Number of the last entry; 0 for none.
    pub(super) seq: u64,
    /// Hash of the last entry's bytes: what the next one must carry.
    pub(super) tip: String,
    /// The time of the last entry.
    pub(super) last_at: Option<Timestamp>,
    /// Who holds the lease.
    pub(super) lease: Option<Lease>,
    /// The intents that have no outcome after them.
    pub(super) open: Vec<Intent>,
    /// The calls without an answer that may still be on their way.
    pub(super) unsettled: Vec<Unsettled>,
    /// The last intent, until its outcome is known.
    pub(super) in_flight: Option<Unsettled>,
    /// Who the runs are that the rest names.
    pub(super) owners: BTreeMap<RunId, Owner>,
    /// What the events add up to. Only in what a log starts from: a run folds the events that follow by itself.
    pub(super) state: State,
}

/// An intent without an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) seq: u64,
    pub(super) run: RunId,
    pub(super) effect: Effect,
    pub(super) deadline: Timestamp,
}

/// A call that may still be on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unsettled {
    /// Number of the entry that announced it.
    pub(super) seq: u64,
    /// When it was announced, by the clock of whoever did.
    pub(super) at: Timestamp,
    /// After this time, by the same clock, it is not sent any more.
    pub(super) deadline: Timestamp,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            seq: 0,
            tip: hash(&[]),
            last_at: None,
            lease: None,
            open: Vec::new(),
            unsettled: Vec::new(),
            in_flight: None,
            owners: BTreeMap::new(),
            state: State::default(),
        }
    }
}

impl Sum {
    /// Adds the next entry, which was checked. Its hash and its event's part in the state are the caller's.
    pub(super) fn take_in(&mut self, entry: &Entry) {
        self.seq = entry.seq;
        self.last_at = Some(entry.at);
        match &entry.body {
            Body::LeaseAcquired { owner } | Body::LeaseTaken { owner, .. } => {
                self.owners.insert(owner.run, owner.clone());
                let until = entry.lease_until.unwrap_or(entry.at);
                let (owner, since) = (owner.clone(), entry.seq);
                self.lease = Some(Lease { owner, acquired_at: entry.at, until, since });
                self.forget_owners();
            }
            Body::LeaseReleased => self.lease = None,
            Body::LeaseRenewed => self.extend(entry),
            Body::Event(event) => {
                self.extend(entry);
                self.follow_calls(entry, event);
            }
        }
        // Over by every clock: nobody has to wait for it any more.
        self.unsettled.retain(|call| entry.at.duration_since(call.deadline) < CLOCKS_APART_MAX + SETTLE);
    }

    fn extend(&mut self, entry: &Entry) {
        if let (Some(lease), Some(until)) = (&mut self.lease, entry.lease_until) {
            lease.until = until;
        }
    }

    fn follow_calls(&mut self, entry: &Entry, event: &Event) {
        match event {
            Event::Intent { effect, deadline } => {
                let call = Unsettled { seq: entry.seq, at: entry.at, deadline: *deadline };
                self.unsettled.extend(self.in_flight.replace(call));
                let (effect, deadline) = (effect.clone(), *deadline);
                self.open.push(Intent { seq: entry.seq, run: entry.run, effect, deadline });
            }
            Event::Outcome { result } => {
                self.open.clear();
                let call = self.in_flight.take();
                match result {
                    EffectResult::Unknown { .. } | EffectResult::Repeated { .. } => self.unsettled.extend(call),
                    EffectResult::Accepted { .. } | EffectResult::Refused { .. } | EffectResult::NotSent { .. } => {}
                }
            }
            _ => {}
        }
    }

    /// Keeps the owners whom something still names.
    fn forget_owners(&mut self) {
        let (lease, open) = (&self.lease, &self.open);
        self.owners.retain(|run, _| {
            lease.as_ref().is_some_and(|l| l.owner.run == *run) || open.iter().any(|intent| intent.run == *run)
        });
    }
}
