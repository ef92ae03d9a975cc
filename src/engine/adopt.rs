//! `adopt`: the traffic is right where somebody else put it, because a person says so.

use std::time::Duration;

use super::run::{Finish, Run};
use super::{Engine, EngineError};
use crate::release::Goal;

impl Engine {
    /// Takes the live state as the new truth and records who said so, and why. Writes nothing to AWS.
    ///
    /// A run that is at work is not interrupted: it notices by itself that somebody else has written.
    ///
    /// # Errors
    /// [`EngineError`]: nothing was recorded then.
    pub async fn adopt(&self, reason: Option<String>) -> Result<Finish, EngineError> {
        let log = self.until_free(Duration::ZERO).await?;
        let mut run = Run::new(self, Goal::Adopt, log)?;
        run.reason = reason;
        run.drive().await
    }
}
