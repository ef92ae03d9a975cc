//! What stands between a call and its effect, whatever its service: how often it may come, and faults on purpose.

use std::time::Duration;

use super::cloud::Cloud;
use super::faults::FaultKind;
use super::history::Past;
use super::wire::{ApiError, Node, Scope};

/// The connection ends instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer was lost on purpose")]
pub(crate) struct LostAnswer {
    /// By a reset, as of a broken load balancer in between, and not by an orderly close.
    pub(crate) reset: bool,
}

/// Why a call has no effect.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// It is refused.
    Refused(ApiError),
    /// The connection ends.
    Lost(LostAnswer),
}

/// What a call met on its way in that matters on its way out.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// The world that the call is to see instead of that of now.
    pub(crate) past: Option<Past>,
    lost: Option<LostAnswer>,
    delay: Duration,
}

/// Counts a call and lets it in, or not.
///
/// # Errors
/// It came too often, or a fault stops it.
pub(crate) async fn enter(
    cloud: &Cloud,
    scope: &Scope,
    operation: &str,
    (form, reads): (Option<&Node>, bool),
) -> Result<Passed, Stopped> {
    let service = scope.service;
    cloud.count(service.name(), operation);
    if let Some(limits) = &cloud.limits {
        let taken = limits.take((service, operation), form, &scope.place, cloud.clock.now());
        taken.map_err(Stopped::Refused)?;
    }
    // Before a change, so that a stale read can see what it changed.
    if cloud.faults.stale_by_at_most().is_some() {
        cloud.keep_world();
    }
    let mut passed = Passed::default();
    match cloud.faults.meet(service.name(), operation, reads) {
        None => {}
        Some(FaultKind::Throttle) => return Err(Stopped::Refused(ApiError::throttled(service))),
        Some(FaultKind::Refuse { status, code, message }) => {
            return Err(Stopped::Refused(ApiError::new(code, message).status(status)));
        }
        Some(FaultKind::Reset) => return Err(Stopped::Lost(LostAnswer { reset: true })),
        Some(FaultKind::DelayEffect(delay)) => tokio::time::sleep(delay).await,
        Some(FaultKind::LoseAnswer) => passed.lost = Some(LostAnswer { reset: false }),
        Some(FaultKind::ResetAfterEffect) => passed.lost = Some(LostAnswer { reset: true }),
        Some(FaultKind::Delay(delay)) => passed.delay = delay,
        Some(FaultKind::Stale(by)) => passed.past = cloud.history.at(cloud.clock.now(), by),
    }
    Ok(passed)
}

impl Passed {
    /// Lets the answer out, or not.
    ///
    /// # Errors
    /// The connection ends instead.
    pub(crate) async fn leave(self) -> Result<(), LostAnswer> {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        self.lost.map_or(Ok(()), Err)
    }
}
