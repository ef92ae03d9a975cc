//! Exit codes: the one place that gives them numbers.

use std::process::ExitCode;

use crate::cloud::Kind;
use crate::engine::EngineError;
use crate::journal::JournalError;
use crate::release::Ending;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// An unexpected error.
    Unexpected = 1,
    /// Bad usage, or a bad environment file.
    Usage = 2,
    /// Refused: nothing was changed.
    Refused = 3,
    /// The release failed and the traffic never moved.
    Failed = 4,
    /// The release failed and the traffic was moved back.
    MovedBack = 5,
    /// Stopped half-way: a person must look.
    HalfWay = 6,
    /// Another run holds the lease.
    Held = 7,
    /// Interrupted, after a clean stop that leaves a resumable journal.
    Interrupted = 130,
}

/// The exit codes, as `--help` shows them.
pub(super) const HELP: &str = "Exit codes:
  0    done, or nothing to do
  1    unexpected error
  2    bad usage or environment file
  3    refused, nothing was changed; the message says why and what to run
  4    the release failed and the traffic never moved
  5    the release failed and the traffic was moved back
  6    stopped half-way, a person must look; the message says at what
  7    another run holds the lease
  130  interrupted, after a clean stop; the same verb goes on";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&Ending> for Exit {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Done | Ending::Nothing(_) | Ending::Busy(_) | Ending::Later { .. } => Self::Done,
            Ending::Refused(_) => Self::Refused,
            Ending::Failed(_) => Self::Failed,
            Ending::MovedBack(_) => Self::MovedBack,
            Ending::Blocked(_) => Self::HalfWay,
        }
    }
}

impl From<&EngineError> for Exit {
    fn from(error: &EngineError) -> Self {
        match error {
            EngineError::Journal(JournalError::Held { .. } | JournalError::Fenced { .. }) => Self::Held,
            EngineError::HalfWay { source, .. } => match &**source {
                EngineError::Journal(JournalError::Fenced { .. }) => Self::Held,
                _ => Self::HalfWay,
            },
            EngineError::Interrupted => Self::Interrupted,
            EngineError::Cloud(error) if error.kind == Kind::Other => Self::Unexpected,
            EngineError::Journal(_) | EngineError::Cloud(_) | EngineError::Mismatch(_) | EngineError::Illegal(_) => {
                Self::Refused
            }
        }
    }
}
