//! `rollback`, `abort` and `sweep`: the verbs that take something back or down.

use serde::Serialize;

use super::run::{Finish, Run, replay};
use super::{Engine, EngineError};
use crate::release::{Color, Goal, Phase, ReleaseId};

/// A color whose retention is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// The color.
    pub color: Color,
    /// The release that left it behind.
    pub release: ReleaseId,
    /// Instances of the environment that exist for it.
    pub instances: Vec<String>,
}

impl Engine {
    /// Brings the traffic back to the previous color.
    ///
    /// # Errors
    /// [`EngineError`]: what had begun is in the journal.
    pub async fn rollback(&self, force: bool) -> Result<Finish, EngineError> {
        self.run(Goal::Rollback { force }).await
    }

    /// Undoes the release in progress.
    ///
    /// # Errors
    /// [`EngineError`]: what had begun is in the journal.
    pub async fn abort(&self) -> Result<Finish, EngineError> {
        self.run(Goal::Abort).await
    }

    /// Takes down what has expired and finishes what is being undone.
    ///
    /// # Errors
    /// [`EngineError`]: what had begun is in the journal.
    pub async fn sweep(&self) -> Result<Finish, EngineError> {
        let log = self.journal.tail().await?;
        let now = self.journal.clock().now();
        let somebody_works = log.lease().is_some_and(|lease| !lease.expired(now));
        let finish = Run::new(self, Goal::Sweep, log)?.drive().await?;
        Ok(Finish { unfinished: finish.unfinished && !somebody_works, ..finish })
    }

    /// What a sweep would take down now; changes nothing.
    ///
    /// # Errors
    /// Where the journal or AWS cannot be read.
    pub async fn expired(&self) -> Result<Option<Expired>, EngineError> {
        let state = replay(&self.journal.tail().await?)?;
        let now = self.journal.clock().now();
        let Some(release) = &state.release else { return Ok(None) };
        let undoing = matches!(release.phase, Phase::Retiring | Phase::Aborting);
        let due = undoing || release.phase.expires().is_some_and(|until| now >= until);
        if !due {
            return Ok(None);
        }
        let color = release.idle().clone();
        let instances = self.cloud.instances(&self.environment.name, &color).await?;
        let instances = instances.into_iter().filter(|i| i.alive()).map(|i| i.id).collect();
        Ok(Some(Expired { color, release: release.id.clone(), instances }))
    }

    async fn run(&self, goal: Goal) -> Result<Finish, EngineError> {
        let log = self.journal.tail().await?;
        Run::new(self, goal, log)?.drive().await
    }
}
