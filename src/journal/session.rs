//! A run that holds the lease: the only way to write to a journal.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::entry::{Body, Entry};
use super::open::{CONFLICTS_MAX, Journal};
use super::place::Slot;
use super::sum::SETTLE;
use super::{JournalError, Log, Owner};
use crate::planted::{Bug, bug};
use crate::release::{CLOCKS_APART_MAX, Event};

/// How long after its deadline a call may still arrive at AWS, or show its effect there: a request whose sender has
/// given up may be in a queue, and the clocks of two machines do not run equally fast.
pub const SETTLE_MARGIN: Duration = Duration::from_secs(10);

/// The lease of one environment, and the log as its owner knows it.
///
/// Dropping it keeps the lease until it expires; [`Session::release`] gives it back at once.
#[derive(Debug)]
pub struct Session {
    journal: Journal,
    log: Log,
    owner: Owner,
    /// Number of the entry that acquired this lease.
    since: u64,
    settled_at: Instant,
    /// When the last entry of this session was begun to be written.
    extended_at: Instant,
}

impl Session {
    /// The session whose lease is the last entry of `log`, which was begun to be written at `extended_at`.
    pub(super) fn new(journal: Journal, log: Log, owner: Owner, extended_at: Instant) -> Self {
        let settled_at = settled_at(&log, journal.clock().now());
        Self { since: log.head(), journal, log, owner, settled_at, extended_at }
    }

    /// The journal, with the session's own entries.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Who holds the lease: this run.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Who held the lease until this session took it over; `None` where it was free.
    pub fn taken_from(&self) -> Option<Owner> {
        let taken = self.log.entries().iter().find(|entry| entry.seq == self.since)?;
        match &taken.body {
            Body::LeaseTaken { from, .. } => self.log.owner_of(*from).cloned(),
            Body::LeaseAcquired { .. } | Body::LeaseRenewed | Body::LeaseReleased | Body::Event(_) => None,
        }
    }

    /// How long calls of an earlier run may still arrive at AWS: before that is over the engine must not change
    /// anything, and what it read earlier says nothing. `None` where no such call is under way (any more).
    ///
    /// It is measured on this machine's monotonic clock: as long as the earlier run had given its call (both times by
    /// its own clock), plus [`SETTLE_MARGIN`], from the moment at which the announcement is known to have been there.
    /// Only a call that is over even if the two clocks are [`CLOCKS_APART_MAX`] apart costs less.
    pub fn settles_in(&self) -> Option<Duration> {
        let left = self.settled_at.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// The time that the next entry will carry, or a little less: the deadline of a call that it announces counts from
    /// here.
    pub fn stamp(&self) -> Timestamp {
        let now = self.journal.clock().now();
        self.log.last_at().map_or(now, |last| last.max(now))
    }

    /// Writes an event, which also extends the lease, and returns its entry.
    ///
    /// # Errors
    /// [`JournalError::Fenced`] where another run has taken the lease over: nothing may be done any more. On any
    /// other error the event may not be relied on; [`JournalError::Unknown`] says that it may be there.
    pub async fn append(&mut self, event: Event) -> Result<&Entry, JournalError> {
        self.write(Body::Event(event)).await?;
        Ok(self.log.entries().last().expect("write() has just put the entry at the end of the log"))
    }

    /// Writes that the owner is still there, once a third of the lease's term has passed since the last entry.
    ///
    /// # Errors
    /// As [`Session::append`].
    pub async fn renew_if_due(&mut self) -> Result<(), JournalError> {
        if self.until_renewal().is_zero() { self.write(Body::LeaseRenewed).await } else { Ok(()) }
    }

    /// Runs `work` to its end and renews the lease meanwhile.
    ///
    /// # Errors
    /// Where a renewal fails, with its error, after dropping `work`: without the lease it must not go on.
    pub async fn while_renewing<T>(&mut self, work: impl Future<Output = T>) -> Result<T, JournalError> {
        tokio::pin!(work);
        loop {
            let due = Instant::now() + self.until_renewal();
            tokio::select! {
                biased;
                value = &mut work => return Ok(value),
                () = tokio::time::sleep_until(due) => {}
            }
            // The work goes on while the renewal is written, and a renewal that was begun is always finished.
            let renewal = self.renew_if_due();
            tokio::pin!(renewal);
            tokio::select! {
                biased;
                renewed = &mut renewal => renewed?,
                value = &mut work => return renewal.await.map(|()| value),
            }
        }
    }

    /// Gives the lease back.
    ///
    /// # Errors
    /// As [`Session::append`]; the lease then ends when it expires.
    pub async fn release(mut self) -> Result<(), JournalError> {
        self.write(Body::LeaseReleased).await
    }

    /// How long until a third of the term has passed since the lease was last extended; zero when it has. The monotonic
    /// clock stands still while the machine sleeps and the time of day can be set: whichever says so first is right.
    fn until_renewal(&self) -> Duration {
        let term = self.journal.term();
        if bug(Bug::NoFencing) {
            return (term / 3).saturating_sub(self.extended_at.elapsed());
        }
        let Some(lease) = self.log.lease() else { return Duration::ZERO };
        let by_time_of_day = positive(lease.until.duration_since(self.journal.clock().now()));
        let left = by_time_of_day.min(term.saturating_sub(self.extended_at.elapsed()));
        left.saturating_sub(term * 2 / 3)
    }

    async fn write(&mut self, body: Body) -> Result<(), JournalError> {
        for _ in 0..CONFLICTS_MAX {
            if let Some(fenced) = self.fenced() {
                if !bug(Bug::NoFencing) {
                    return Err(fenced);
                }
                // A bug that goes on must not break the log as well: it leaves its entry out.
                self.extended_at = Instant::now();
                return Ok(());
            }
            // An expired lease that nobody took over is still ours: put-if-absent decides, not the clock.
            let (began, now) = (Instant::now(), self.journal.clock().now());
            if self.journal.append(&mut self.log, self.owner.run, body.clone(), now).await? == Slot::Committed {
                self.extended_at = began;
                return Ok(());
            }
            // Taken: by whoever took the lease over, or by an earlier append of this session that was cancelled
            // and arrived late. The log now holds it, and the check above tells which.
        }
        Err(self.journal.crowded(&self.log))
    }

    /// The error of a lease that another run has taken over.
    fn fenced(&self) -> Option<JournalError> {
        if self.log.lease().is_some_and(|lease| lease.since == self.since) {
            return None;
        }
        let after = self.log.entries().iter().skip_while(|entry| entry.seq <= self.since);
        after.into_iter().find_map(|entry| match &entry.body {
            Body::LeaseTaken { owner, reason, .. } => Some(JournalError::Fenced {
                environment: self.journal.environment().into(),
                by: Box::new(owner.clone()),
                reason: reason.clone(),
            }),
            Body::LeaseAcquired { .. } | Body::LeaseRenewed | Body::LeaseReleased | Body::Event(_) => None,
        })
    }
}

/// A duration that is nothing where it would be negative.
fn positive(duration: SignedDuration) -> Duration {
    Duration::try_from(duration).unwrap_or_default()
}

/// When the last of the calls in `log` that nothing is known about can no longer land, on the monotonic clock.
fn settled_at(log: &Log, now: Timestamp) -> Instant {
    let this_moment = Instant::now();
    let settled = log.unsettled().into_iter().map(|call| {
        let announced = log.there_at(call.seq).unwrap_or(this_moment);
        let by_our_clock = announced + positive(call.deadline.duration_since(call.at)) + SETTLE_MARGIN;
        // The duration and not the time is made longer: a deadline may be as late as the calendar goes.
        let late = CLOCKS_APART_MAX + SETTLE;
        let by_any_clock = this_moment + positive(call.deadline.duration_since(now) + late);
        by_our_clock.min(by_any_clock)
    });
    settled.max().unwrap_or(this_moment)
}
