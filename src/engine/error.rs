//! Why a run could not go on.

use crate::cloud::CloudError;
use crate::journal::JournalError;
use crate::release::{IllegalEvent, Problem};

/// Why a run could not go on. What it had begun is in the journal: the same verb goes on with it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal could not be read, taken or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// AWS did not answer a question, or answered that it may not be asked.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The journal's events do not follow one from the other.
    #[error("the journal cannot be replayed: {0}. It was changed by hand, or by a program with other rules; nothing was done")]
    Illegal(#[from] IllegalEvent),
    /// The environment file and the journal do not fit together.
    #[error("{0}")]
    Mismatch(Problem),
    /// The run was asked to stop and did, at a safe place.
    #[error("interrupted: the journal is complete and the lease is given back; run the same verb again to go on")]
    Interrupted,
}
