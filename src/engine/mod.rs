//! The loop: observe, decide, record intent, act, record outcome.
//!
//! [`Engine`] has one method per verb. Those that change something share one loop (`run`): ask
//! [`decide`](crate::release::decide) for the next step with fresh facts, and carry it out. A run takes the lease
//! at its first write, so a run that finds nothing to do, or refuses, leaves no trace.
//!
//! | file | what it holds |
//! |---|---|
//! | `run` | the loop, the lease, waiting and stopping |
//! | `look` | questions answered from AWS and the checks |
//! | `fresh` | how old the facts are |
//! | `act` | effects carried out: intent, last look, call, outcome |
//! | `last_look` | whether the world is still as it was when a call was decided |
//! | `deploy`, `undo`, `reconcile`, `adopt` | the verbs that change something |
//! | `plan`, `status`, `history` | the verbs that only read |
//! | `lease` | who holds the lease, waiting for it, breaking it |
//! | `notice` | what a run tells while it goes on |

mod act;
mod adopt;
mod backoff;
mod deploy;
mod error;
mod fresh;
mod history;
mod last_look;
mod lease;
mod look;
mod notice;
mod plan;
mod reconcile;
mod run;
mod status;
mod stop;
mod undo;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::Instant;

pub use deploy::DeployRequest;
pub use error::EngineError;
pub use history::{ReleaseSummary, summarize};
pub use lease::{InFlight, LeaseReport};
pub use notice::{FlipKind, Notice, Notices, Told};
pub use plan::{Plan, PlanStep};
pub use run::Finish;
pub use status::{ColorStatus, LeaseStatus, ReleaseStatus, Status};
pub use stop::Stop;
pub use undo::Expired;

use crate::cloud::Cloud;
use crate::config::Environment;
use crate::dial::Dial;
use crate::journal::Journal;
use crate::release::{Pins, Policy};

/// One environment, and everything a verb needs to work on it.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The environment.
    pub environment: Arc<Environment>,
    /// The environment as the user typed it, for the commands in messages.
    pub typed: String,
    /// AWS.
    pub cloud: Cloud,
    /// The journal.
    pub journal: Journal,
    /// How checks and probes reach instances and load balancers.
    pub dial: Arc<dyn Dial>,
    /// Who is told what goes on.
    pub notices: Notices,
    /// Who may ask to stop.
    pub stop: Stop,
    /// When the process started: a rollback says how long it took from here.
    pub started: Instant,
}

impl Engine {
    /// The environment's rules for a release that is pinned to `pins`.
    fn policy(&self, pins: Option<&Pins>) -> Policy {
        let environment = &self.environment;
        let converge = &environment.release.converge;
        Policy {
            consecutive: environment.health.consecutive,
            health_timeout: signed(environment.health.timeout),
            probe: converge.probe.is_some(),
            quiet: signed(converge.quiet),
            no_requests: signed(converge.no_requests),
            ttl: SignedDuration::from_secs(pins.map_or(0, |p| p.ttl_seconds().into())),
            converge_timeout: signed(converge.timeout),
            bake: signed(environment.release.bake),
            retain: signed(environment.retain),
        }
    }
}

impl Engine {
    /// Does work that changes nothing, unless somebody asks to stop first.
    async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.stop.requested() => Err(EngineError::Interrupted),
        }
    }
}

/// Every duration of an environment file is bounded to days, so the conversion cannot fail.
fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
