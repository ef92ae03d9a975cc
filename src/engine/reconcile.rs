//! `reconcile`: goes on with whatever is unfinished, expired or left behind. What a scheduler calls every minute.

use super::run::{Finish, Run, replay};
use super::{Engine, EngineError};
use crate::journal::{Acquire, JournalError, Log, Owner};
use crate::release::{Ending, Goal};

impl Engine {
    /// Goes on with whatever is unfinished, takes down what has expired or was left behind, and leaves what only time
    /// brings on: a bake, a time to live, a retention.
    ///
    /// It keeps out of the way of a living run: a lease that somebody holds, or takes over meanwhile, ends it well.
    ///
    /// # Errors
    /// [`EngineError`]: what had begun is in the journal.
    pub async fn reconcile(&self) -> Result<Finish, EngineError> {
        let log = self.journal.tail().await?;
        let now = self.journal.clock().now();
        if let Some(lease) = log.lease().filter(|lease| !lease.expired(now)) {
            return Ok(self.busy(&lease.owner, &log));
        }
        let run = Run::new(self, Goal::Reconcile, log.clone())?;
        if run.is_unfinished() {
            run.tell_that_it_continues();
        }
        let owner = run.owner();
        let ended = match (run.drive().await, log.lease()) {
            (Ok(finish), None) => Ok(finish),
            (Ok(finish), Some(_)) => self.give_back_the_lease_of_the_dead(owner).await.map(|()| finish),
            (Err(error), _) => Err(error),
        };
        ended.or_else(|error| match taken_by(&error) {
            Some(owner) => Ok(self.busy(owner, &log)),
            None => Err(error),
        })
    }

    /// A run that died after its last step left a lease that has expired: nobody has to find it again.
    async fn give_back_the_lease_of_the_dead(&self, owner: Owner) -> Result<(), EngineError> {
        let log = self.journal.tail().await?;
        if log.lease().is_some() {
            self.journal.acquire(log, owner, Acquire::IfFree).await?.release().await?;
        }
        Ok(())
    }

    /// Somebody works on it, so there is nothing to do.
    fn busy(&self, owner: &Owner, log: &Log) -> Finish {
        let release = replay(log).ok().and_then(|state| state.release).map(|r| r.id);
        Finish::before_anything(Ending::Busy(format!("{owner} works on it")), release)
    }
}

/// Who holds the lease that this run could not take, or lost.
fn taken_by(error: &EngineError) -> Option<&Owner> {
    match error {
        EngineError::Journal(JournalError::Held { owner, .. } | JournalError::Fenced { by: owner, .. }) => Some(owner),
        EngineError::HalfWay { source, .. } => taken_by(source),
        EngineError::Journal(_)
        | EngineError::Cloud(_)
        | EngineError::Illegal(_)
        | EngineError::Mismatch(_)
        | EngineError::Interrupted => None,
    }
}
