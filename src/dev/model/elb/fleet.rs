//! What other services of the account ask of target groups: typed, without the wire.

use jiff::Timestamp;

use super::recording::Health;
use super::registration::{self, TargetIn, Targets};
use crate::dev::model::{Ctx, Region};
use crate::dev::wire::ApiError;

/// What a target group says about an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It gets neither checks nor requests.
    Unused,
    /// Its first checks are running.
    Initial,
    Healthy,
    Unhealthy,
    /// It is deregistered, and drains until then.
    Draining(Timestamp),
}

/// Whether the target group exists, and takes instances (not addresses).
pub(crate) fn takes_instances(region: &Region, arn: &str) -> bool {
    region.elb.groups.get(arn).is_some_and(|group| !group.settings.by_address)
}

fn one(arn: &str, id: &str) -> Targets {
    Targets { target_group_arn: arn.to_owned(), targets: vec![TargetIn { id: id.to_owned(), port: None, zone: None }] }
}

/// Registers an instance at the group's own port.
///
/// # Errors
/// What `RegisterTargets` would refuse.
pub(crate) fn register(ctx: &mut Ctx<'_>, arn: &str, id: &str) -> Result<(), ApiError> {
    registration::register(ctx, one(arn, id)).map(drop)
}

/// Deregisters an instance, at whatever port.
///
/// # Errors
/// There is no such group.
pub(crate) fn deregister(ctx: &mut Ctx<'_>, arn: &str, id: &str) -> Result<(), ApiError> {
    registration::deregister(ctx, one(arn, id)).map(drop)
}

/// What a target group says about an instance; `None` if the one does not know the other.
pub(crate) fn seen(region: &Region, arn: &str, id: &str) -> Option<Seen> {
    let group = region.elb.groups.get(arn)?;
    let of_instance = group.targets.iter().filter(|((target, _), _)| target == id).map(|(_, target)| target);
    let said = of_instance.map(|target| match (target.drains, target.record.health()) {
        (Some(until), _) => Seen::Draining(until),
        _ if region.elb.unused(&region.ec2, group, target).is_some() => Seen::Unused,
        (None, Health::Initial) => Seen::Initial,
        (None, Health::Healthy) => Seen::Healthy,
        (None, Health::Unhealthy(_)) => Seen::Unhealthy,
    });
    // At several ports, the worst counts.
    let rank = |seen: &Seen| match seen {
        Seen::Draining(_) => 4,
        Seen::Unhealthy => 3,
        Seen::Initial => 2,
        Seen::Unused => 1,
        Seen::Healthy => 0,
    };
    said.max_by_key(rank)
}
