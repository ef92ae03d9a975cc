//! `reconcile`: goes on with whatever is unfinished, expired or left behind. What a scheduler calls every minute.

use super::run::{Finish, Run, replay};
use super::{Engine, EngineError};
use crate::journal::{JournalError, Log, Owner};
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
        match run.drive().await {
            Ok(finish) => Ok(finish),
            Err(error) => match taken_by(&error) {
                Some(owner) => Ok(self.busy(owner, &log)),
                None => Err(error),
            },
        }
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
