//! Auto Scaling: groups that keep a number of instances running.

use super::Operation;

/// The state of one region.
#[derive(Debug, Default)]
pub(crate) struct AutoScaling {}

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[];

/// An alarm calls a scaling policy: when it goes into a state that has the policy among its actions, and every minute
/// that it stays in `ALARM`. The error is for the alarm's history.
pub(crate) fn on_alarm(ctx: &mut super::Ctx<'_>, call: &super::cloudwatch::AlarmCall<'_>) -> Result<(), String> {
    Err(format!("there is no scaling policy {} in {} for alarm {}", call.policy, ctx.region.name, call.alarm))
}
