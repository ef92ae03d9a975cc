//! The entries that were read, checked, and what they say about the lease and about calls in flight.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::entry::{Body, Entry, hash};
use super::{JournalError, Owner, RunId};
use crate::release::{Effect, EffectResult, Event};

/// Every entry of a journal in order, each checked against the one before it.
#[derive(Debug, Clone)]
pub struct Log {
    entries: Vec<Entry>,
    /// Hash of the last entry's bytes: what the next one must carry.
    tip: String,
    lease: Option<Lease>,
    /// Which entry was the last one when it was read on, and when that was.
    read: Vec<(u64, Instant)>,
}

/// The lease as the journal has it. It may have expired: see [`Lease::expired`].
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// A call that may still be on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unsettled {
    /// Number of the entry that announced it.
    pub(super) seq: u64,
    /// When it was announced, by the clock of whoever did.
    pub(super) at: Timestamp,
    /// After this time, by the same clock, it is not sent any more.
    pub(super) deadline: Timestamp,
}

impl Default for Log {
    fn default() -> Self {
        Self { entries: Vec::new(), tip: hash(&[]), lease: None, read: Vec::new() }
    }
}

impl Log {
    /// Every entry, the oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The events, the oldest first, each with the entry that holds it (its time, its run).
    pub fn events(&self) -> impl DoubleEndedIterator<Item = (&Entry, &Event)> {
        self.entries.iter().filter_map(|entry| match &entry.body {
            Body::Event(event) => Some((entry, event)),
            Body::LeaseAcquired { .. } | Body::LeaseTaken { .. } | Body::LeaseRenewed | Body::LeaseReleased => None,
        })
    }

    /// The lease, unless it was released or never taken.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Who `run` is, where it ever held the lease.
    pub fn owner_of(&self, run: RunId) -> Option<&Owner> {
        self.entries.iter().find_map(|entry| match &entry.body {
            Body::LeaseAcquired { owner } | Body::LeaseTaken { owner, .. } if owner.run == run => Some(owner),
            Body::LeaseAcquired { .. }
            | Body::LeaseTaken { .. }
            | Body::LeaseRenewed
            | Body::LeaseReleased
            | Body::Event(_) => None,
        })
    }

    /// The intents that have no outcome after them, the oldest first.
    ///
    /// A run sends one call at a time, so an outcome settles what was intended before it.
    pub fn open_intents(&self) -> Vec<OpenIntent<'_>> {
        let mut open: Vec<_> = (self.events().rev())
            .take_while(|(_, event)| !matches!(event, Event::Outcome { .. }))
            .filter_map(|(entry, event)| match event {
                Event::Intent { effect, deadline } => {
                    Some(OpenIntent { seq: entry.seq, run: entry.run, effect, deadline: *deadline })
                }
                _ => None,
            })
            .collect();
        open.reverse();
        open
    }

    /// The calls that may still be on their way to AWS: their intent has no outcome, or the outcome is that no answer
    /// came.
    pub(super) fn unsettled(&self) -> Vec<Unsettled> {
        let mut unsettled = Vec::new();
        let mut in_flight = None;
        for (entry, event) in self.events() {
            match event {
                Event::Intent { deadline, .. } => {
                    let call = Unsettled { seq: entry.seq, at: entry.at, deadline: *deadline };
                    unsettled.extend(in_flight.replace(call));
                }
                Event::Outcome { result: EffectResult::Unknown { .. } } => unsettled.extend(in_flight.take()),
                Event::Outcome {
                    result: EffectResult::Accepted { .. } | EffectResult::Refused { .. } | EffectResult::NotSent { .. },
                } => in_flight = None,
                _ => {}
            }
        }
        unsettled.extend(in_flight);
        unsettled
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
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        self.entries.last().map(|entry| entry.at)
    }

    /// Number of the last entry; 0 for an empty journal.
    pub(super) fn head(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Hash of the last entry's bytes.
    pub(super) fn tip(&self) -> &str {
        &self.tip
    }

    /// Takes in the object that follows the last one, if it does follow: its number, the hash of the one
    /// before, and the right of its writer to write.
    pub(super) fn admit(&mut self, bytes: &[u8], object: &str) -> Result<(), JournalError> {
        let entry = Entry::decode(bytes, object)?;
        let lease = self.follow(&entry).map_err(|why| JournalError::Broken { object: object.into(), why })?;
        self.tip = hash(bytes);
        self.lease = lease;
        self.entries.push(entry);
        Ok(())
    }

    /// The lease after `entry`, or why `entry` cannot stand here.
    fn follow(&self, entry: &Entry) -> Result<Option<Lease>, String> {
        let expected = self.head() + 1;
        if entry.seq != expected {
            return Err(format!("it says that it is entry {}, expected {expected}", entry.seq));
        }
        if entry.prev != self.tip {
            let before = match expected {
                1 => "no entry".to_owned(),
                _ => format!("entry {}", self.head()),
            };
            return Err(format!(
                "it follows an entry with hash {}, but {before} before it has {}: that one was changed after it was \
                 written",
                entry.prev, self.tip
            ));
        }
        let until = || entry.lease_until.ok_or_else(|| "it does not say until when the lease lasts".to_owned());
        let acquired = |owner: &Owner| -> Result<Lease, String> {
            Ok(Lease { owner: owner.clone(), acquired_at: entry.at, until: until()?, since: entry.seq })
        };
        let held = || match &self.lease {
            Some(lease) if lease.owner.run == entry.run => Ok(lease),
            Some(lease) => Err(format!("run {} wrote it while {} held the lease", entry.run, lease.owner)),
            None => Err(format!("run {} wrote it without holding the lease", entry.run)),
        };
        match (&entry.body, &self.lease) {
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
