//! Who holds the lease and what is in flight; waiting for the lease; breaking it.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::run::Finish;
use super::status::LeaseStatus;
use super::{Engine, EngineError, Notice};
use crate::journal::{Log, Owner};
use crate::release::{Effect, Ending};

/// The lease of an environment, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeaseReport {
    /// The environment.
    pub environment: String,
    /// Who holds it, if anybody does.
    pub lease: Option<LeaseStatus>,
    /// Calls to AWS that were announced and whose outcome nobody has written down.
    pub in_flight: Vec<InFlight>,
}

/// A call that was announced and whose outcome is not recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InFlight {
    /// Number of the journal's entry that announced it.
    pub seq: u64,
    /// Who announced it, where the journal still says so.
    pub by: Option<Owner>,
    /// What it does, in words.
    pub call: String,
    /// The call.
    #[serde(flatten)]
    pub effect: Effect,
    /// After this time it is not sent any more.
    pub deadline: Timestamp,
}

impl Engine {
    /// Who holds the lease, and what is in flight. Asks AWS nothing and changes nothing.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub async fn lease(&self) -> Result<LeaseReport, EngineError> {
        let log = self.journal.tail().await?;
        let in_flight = log.open_intents().into_iter().map(|open| InFlight {
            seq: open.seq,
            by: log.owner_of(open.run).cloned(),
            call: open.effect.describe(),
            effect: open.effect.clone(),
            deadline: open.deadline,
        });
        Ok(LeaseReport {
            environment: self.environment.name.clone(),
            in_flight: in_flight.collect(),
            lease: self.lease_status(&log),
        })
    }

    /// Takes the lease from whoever holds it and gives it free; the reason is recorded, and so is who gave it.
    ///
    /// # Errors
    /// Where the journal cannot be read or written.
    pub async fn break_lease(&self, reason: &str) -> Result<Finish, EngineError> {
        let by = Owner { run: self.journal.new_run(), ..Owner::this_process("lease break") };
        let ending = match self.journal.break_lease(by, reason.to_owned()).await? {
            None => Ending::Nothing(format!("nobody holds the lease of {}", self.environment.name)),
            Some(owner) => {
                let text = format!("the lease was taken from {owner}: that run stops before its next call to AWS");
                self.notices.tell(Notice::Warning { text });
                Ending::Done
            }
        };
        Ok(Finish::before_anything(ending, None))
    }

    /// The log once nobody alive holds the lease.
    pub(super) async fn until_free(&self, patience: Duration) -> Result<Log, EngineError> {
        let tell = |lease: &crate::journal::Lease| {
            let reason = format!("the lease is held by {} until {} unless renewed", lease.owner, lease.until);
            self.notices.tell(Notice::Waiting { phase: "preparing", reason });
        };
        self.unless_stopped(async { Ok(self.journal.until_free(patience, tell).await?) }).await
    }
}
