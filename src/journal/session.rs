//! A run that holds the lease: the only way to write to a journal.

use std::time::Duration;

use jiff::Timestamp;

use super::entry::{Body, Entry};
use super::open::{CONFLICTS_MAX, Journal};
use super::place::Slot;
use super::{JournalError, Log, Owner};
use crate::planted::{Bug, bug};
use crate::release::Event;

/// How long after its deadline a call may still arrive at AWS, or show its effect there: the clocks of two
/// machines differ, and a request whose sender has given up may be in a queue.
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
    settle_until: Option<Timestamp>,
}

impl Session {
    /// The session whose lease is the last entry of `log`, acquired at `now`.
    pub(super) fn new(journal: Journal, log: Log, owner: Owner, now: Timestamp) -> Self {
        let settle_until = log.unsettled_until().map(|deadline| deadline + SETTLE_MARGIN).filter(|until| *until > now);
        Self { since: log.head(), journal, log, owner, settle_until }
    }

    /// The journal, with the session's own entries.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Who holds the lease: this run.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Until when calls of an earlier run may still arrive at AWS: before that time the engine must not change
    /// anything, and what it read earlier says nothing. `None` where no such call was under way.
    ///
    /// It is the latest deadline of an intent whose outcome is not known, plus [`SETTLE_MARGIN`].
    pub fn settle_until(&self) -> Option<Timestamp> {
        self.settle_until
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
            let due = tokio::time::Instant::now() + self.until_renewal();
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

    /// How long until a third of the term has passed since the lease was last extended; zero when it has.
    fn until_renewal(&self) -> Duration {
        let Some(lease) = self.log.lease() else { return Duration::ZERO };
        let left = Duration::try_from(lease.until.duration_since(self.journal.clock().now())).unwrap_or_default();
        left.saturating_sub(self.journal.term() * 2 / 3)
    }

    async fn write(&mut self, body: Body) -> Result<(), JournalError> {
        for _ in 0..CONFLICTS_MAX {
            if let Some(fenced) = self.fenced() {
                // A bug that goes on must not break the log as well: it leaves its entry out.
                return if bug(Bug::NoFencing) { Ok(()) } else { Err(fenced) };
            }
            // An expired lease that nobody took over is still ours: put-if-absent decides, not the clock.
            let now = self.journal.clock().now();
            if self.journal.append(&mut self.log, self.owner.run, body.clone(), now).await? == Slot::Committed {
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
