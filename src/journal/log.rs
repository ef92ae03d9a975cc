//! The entries that were read, checked, and what they say about the lease and about calls in flight.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::entry::{Body, Entry, hash};
use super::sum::{Sum, Unsettled};
use super::{JournalError, Owner, RunId};
use crate::release::{Effect, Event, IllegalEvent, State};

/// Entries of a journal in order, each checked against the one before it: all of them, or those after a snapshot.
#[derive(Debug, Clone)]
pub struct Log {
    /// What the entries before those that were read add up to.
    base: Sum,
    /// What the entries up to the last snapshot add up to.
    made: Sum,
    entries: Vec<Entry>,
    /// What all entries add up to, but for the state.
    sum: Sum,
    /// Which entry was the last one when it was read on, and when that was.
    read: Vec<(u64, Instant)>,
    /// The newest number for which nobody has to write a snapshot any more.
    pub(super) snapshot: u64,
}

/// The lease as the journal has it. It may have expired: see [`Lease::expired`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it.
    pub owner: Owner,
    /// When it was acquired, as its entry says.
    pub acquired_at: Timestamp,
    /// When it expires unless it is renewed.
    pub until: Timestamp,
    /// The number of the entry that acquired it. No two leases share one, so it tells whether a lease is still
    /// the one that was acquired.
    pub since: u64,
}

impl Lease {
    /// Whether anybody may take it over at `now`.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.until <= now
    }
}

/// A mutating call that was about to be sent, and nothing is written about how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenIntent<'a> {
    /// Number of the entry that holds the intent.
    pub seq: u64,
    /// The run that wrote it.
    pub run: RunId,
    /// The call.
    pub effect: &'a Effect,
    /// After this time that run does not send it any more.
    pub deadline: Timestamp,
}

impl Default for Log {
    fn default() -> Self {
        Self::after(Sum::default())
    }
}

impl Log {
    /// A log that goes on where `base` ends.
    pub(super) fn after(base: Sum) -> Self {
        Self { snapshot: base.seq, sum: base.clone(), made: base.clone(), base, entries: Vec::new(), read: Vec::new() }
    }

    /// The entries that were read, the oldest first: every one after [`Journal::load`](super::Journal::load), those
    /// after the newest snapshot after [`Journal::tail`](super::Journal::tail).
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What all events of the journal add up to.
    ///
    /// # Errors
    /// [`IllegalEvent`] where an event cannot follow those before it.
    pub fn replay(&self) -> Result<State, IllegalEvent> {
        let mut state = self.made.state.clone();
        for (entry, event) in self.events().filter(|(entry, _)| entry.seq > self.made.seq) {
            state.apply(entry.at, event)?;
        }
        Ok(state)
    }

    /// Keeps what [`Log::sum_at`] has found, so that the next one starts from there.
    pub(super) fn keep(&mut self, sum: Sum) {
        self.made = sum;
    }

    /// What the entries up to the one with this number add up to; `None` where it was not read, or where the events do
    /// not follow one from the other.
    pub(super) fn sum_at(&self, seq: u64) -> Option<Sum> {
        let count = usize::try_from(seq.checked_sub(self.base.seq)?).ok().filter(|n| *n <= self.entries.len())?;
        let mut sum = if self.made.seq <= seq { self.made.clone() } else { self.base.clone() };
        let before = sum.seq;
        for entry in self.entries[..count].iter().filter(|entry| entry.seq > before) {
            sum.take_in(entry);
            if let Body::Event(event) = &entry.body {
                sum.state.apply(entry.at, event).ok()?;
            }
        }
        sum.tip = match self.entries.get(count) {
            Some(next) => next.prev.clone(),
            None => self.sum.tip.clone(),
        };
        debug_assert_eq!(sum.seq, seq, "the entries have no gap");
        Some(sum)
    }

    /// The events among [`Log::entries`], the oldest first, each with the entry that holds it (its time, its run).
    pub fn events(&self) -> impl DoubleEndedIterator<Item = (&Entry, &Event)> {
        self.entries.iter().filter_map(|entry| match &entry.body {
            Body::Event(event) => Some((entry, event)),
            Body::LeaseAcquired { .. } | Body::LeaseTaken { .. } | Body::LeaseRenewed | Body::LeaseReleased => None,
        })
    }

    /// The lease, unless it was released or never taken.
    pub fn lease(&self) -> Option<&Lease> {
        self.sum.lease.as_ref()
    }

    /// Who `run` is, where it held the lease in what was read, or has a call on its way.
    pub fn owner_of(&self, run: RunId) -> Option<&Owner> {
        let read = self.entries.iter().find_map(|entry| match &entry.body {
            Body::LeaseAcquired { owner } | Body::LeaseTaken { owner, .. } if owner.run == run => Some(owner),
            Body::LeaseAcquired { .. }
            | Body::LeaseTaken { .. }
            | Body::LeaseRenewed
            | Body::LeaseReleased
            | Body::Event(_) => None,
        });
        read.or_else(|| self.sum.owners.get(&run))
    }

    /// The intents that have no outcome after them, the oldest first.
    ///
    /// A run sends one call at a time, so an outcome settles what was intended before it.
    pub fn open_intents(&self) -> Vec<OpenIntent<'_>> {
        let open = self.sum.open.iter();
        open.map(|i| OpenIntent { seq: i.seq, run: i.run, effect: &i.effect, deadline: i.deadline }).collect()
    }

    /// The calls that may still be on their way to AWS: their intent has no outcome, or the outcome is that no answer
    /// came.
    pub(super) fn unsettled(&self) -> Vec<Unsettled> {
        self.sum.unsettled.iter().chain(&self.sum.in_flight).copied().collect()
    }

    /// Whether it is known of every announced call how it ended. Where it is not, the call may have landed at any time,
    /// so what was seen before it was over says nothing.
    pub fn every_outcome_is_known(&self) -> bool {
        self.unsettled().is_empty()
    }

    /// Notes that every entry up to the last one is there by now.
    pub(super) fn mark_read(&mut self) {
        self.read.push((self.head(), Instant::now()));
    }

    /// A moment, on this machine's monotonic clock, at which the entry with this number was there already.
    pub(super) fn there_at(&self, seq: u64) -> Option<Instant> {
        self.read.iter().find(|(head, _)| *head >= seq).map(|(_, at)| *at)
    }

    /// For how long the last entry has been the last one, as far as was read, on this machine's monotonic clock.
    pub(super) fn unmoved_for(&self) -> Duration {
        self.there_at(self.head()).map_or(Duration::ZERO, |there| there.elapsed())
    }

    /// The time of the last entry.
    pub fn last_at(&self) -> Option<Timestamp> {
        self.sum.last_at
    }

    /// Number of the last entry; 0 for an empty journal.
    pub fn head(&self) -> u64 {
        self.sum.seq
    }

    /// SHA-256 (hex) of the last entry's bytes; of no bytes at all for an empty journal.
    pub fn tip(&self) -> &str {
        &self.sum.tip
    }

    /// Takes in the object that follows the last one, if it does follow: its number, the hash of the one
    /// before, and the right of its writer to write.
    pub(super) fn admit(&mut self, bytes: &[u8], object: &str) -> Result<(), JournalError> {
        let entry = Entry::decode(bytes, object)?;
        let lease = self.follow(&entry).map_err(|why| JournalError::Broken { object: object.into(), why })?;
        self.sum.take_in(&entry);
        debug_assert_eq!(self.sum.lease, lease, "both follow the same rules");
        self.sum.tip = hash(bytes);
        self.entries.push(entry);
        Ok(())
    }

    /// The lease after `entry`, or why `entry` cannot stand here.
    fn follow(&self, entry: &Entry) -> Result<Option<Lease>, String> {
        let expected = self.head() + 1;
        if entry.seq != expected {
            return Err(format!("it says that it is entry {}, expected {expected}", entry.seq));
        }
        if entry.prev != self.sum.tip {
            let before = match expected {
                1 => "no entry".to_owned(),
                _ => format!("entry {}", self.head()),
            };
            return Err(format!(
                "it follows an entry with hash {}, but {before} before it has {}: that one was changed after it was \
                 written",
                entry.prev, self.sum.tip
            ));
        }
        let until = || entry.lease_until.ok_or_else(|| "it does not say until when the lease lasts".to_owned());
        let acquired = |owner: &Owner| -> Result<Lease, String> {
            Ok(Lease { owner: owner.clone(), acquired_at: entry.at, until: until()?, since: entry.seq })
        };
        let held = || match &self.sum.lease {
            Some(lease) if lease.owner.run == entry.run => Ok(lease),
            Some(lease) => Err(format!("run {} wrote it while {} held the lease", entry.run, lease.owner)),
            None => Err(format!("run {} wrote it without holding the lease", entry.run)),
        };
        match (&entry.body, &self.sum.lease) {
            (Body::LeaseAcquired { owner }, None) => Ok(Some(acquired(owner)?)),
            (Body::LeaseAcquired { owner }, Some(lease)) => {
                Err(format!("run {} acquired a lease that {} held", owner.run, lease.owner))
            }
            (Body::LeaseTaken { owner, from, .. }, Some(lease)) if lease.owner.run == *from => {
                Ok(Some(acquired(owner)?))
            }
            (Body::LeaseTaken { owner, from, .. }, _) => {
                Err(format!("run {} took a lease over from run {from}, which did not hold it", owner.run))
            }
            (Body::LeaseRenewed | Body::Event(_), _) => Ok(Some(Lease { until: until()?, ..held()?.clone() })),
            (Body::LeaseReleased, _) => held().map(|_| None),
        }
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
