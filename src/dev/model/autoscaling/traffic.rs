//! All that Auto Scaling asks of load balancing.

use jiff::Timestamp;

use crate::dev::model::Ctx;
use crate::dev::model::elb::fleet::{self, Seen};
use crate::dev::wire::ApiError;

/// Whether instances can be registered with a target group.
pub(super) fn check(ctx: &Ctx<'_>, arn: &str) -> Result<(), ApiError> {
    if fleet::takes_instances(ctx.region, arn) {
        return Ok(());
    }
    Err(ApiError::validation(
        "Provided Target Groups may not be valid. Please ensure they exist, have the target type instance and try again.",
    ))
}

/// Registers an instance at the target group's port.
pub(super) fn register(ctx: &mut Ctx<'_>, arn: &str, id: &str) -> Result<(), ApiError> {
    fleet::register(ctx, arn, id)
}

/// Deregisters an instance; that it, or the group, is not there is no mistake.
pub(super) fn deregister(ctx: &mut Ctx<'_>, arn: &str, id: &str) {
    if let Err(error) = fleet::deregister(ctx, arn, id) {
        tracing::debug!(arn, id, error = error.message, "an instance cannot be deregistered");
    }
}

pub(super) fn is_healthy(ctx: &Ctx<'_>, arn: &str, id: &str) -> bool {
    fleet::seen(ctx.region, arn, id) == Some(Seen::Healthy)
}

pub(super) fn is_unhealthy(ctx: &Ctx<'_>, arn: &str, id: &str) -> bool {
    fleet::seen(ctx.region, arn, id) == Some(Seen::Unhealthy)
}

/// Until when a target group drains an instance; `None` if it does not.
pub(super) fn draining_until(ctx: &Ctx<'_>, arn: &str, id: &str) -> Option<Timestamp> {
    match fleet::seen(ctx.region, arn, id) {
        Some(Seen::Draining(until)) => Some(until),
        _ => None,
    }
}
