//! Why a run could not go on.

use crate::cloud::{CloudError, Kind};
use crate::journal::JournalError;
use crate::release::{IllegalEvent, Problem, ReleaseId};

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
    #[error(
        "the journal cannot be replayed: {0}. It was changed by hand, or by a program with other rules; nothing was done"
    )]
    Illegal(#[from] IllegalEvent),
    /// The environment file and the journal do not fit together.
    #[error("{0}")]
    Mismatch(Problem),
    /// The run had begun to change something and could not go on.
    #[error("stopped half-way, release {release} is {phase}: {source}")]
    HalfWay {
        /// The release.
        release: ReleaseId,
        /// Where it stands.
        phase: &'static str,
        /// Why it could not go on.
        source: Box<EngineError>,
    },
    /// The run was asked to stop and did, at a safe place.
    #[error("interrupted: the journal is complete and the lease is given back; run the same verb again to go on")]
    Interrupted,
}

impl EngineError {
    /// What was seen, expected and leads on, where the error knows it.
    pub fn problem(&self) -> Option<Problem> {
        match self {
            Self::Cloud(error) => Some(error.problem()),
            Self::Mismatch(problem) => Some(problem.clone()),
            Self::HalfWay { source, .. } => source.problem(),
            Self::Journal(_) | Self::Illegal(_) | Self::Interrupted => None,
        }
    }

    /// The first line of a message whose rest is [`EngineError::problem`].
    pub fn headline(&self) -> String {
        match self {
            Self::HalfWay { release, phase, .. } => {
                format!("stopped half-way: release {release} is {phase}; run the same verb again to go on")
            }
            Self::Cloud(error) if !matches!(error.kind, Kind::Refused(_)) => {
                format!("{} failed, nothing was changed", error.operation)
            }
            // AWS answered; it is this program that does not go on.
            Self::Cloud(_) | Self::Mismatch(_) => "refused, nothing was changed".into(),
            Self::Journal(_) | Self::Illegal(_) | Self::Interrupted => self.to_string(),
        }
    }
}
