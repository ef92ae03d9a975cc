//! Calls on single instances of a group: terminate, attach, detach, standby, protection.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::activity::{self, Begin, Status, at};
use super::group::Group;
use super::machines::{self, State};
use super::member::{Member, Phase};
use super::processes::Process;
use super::{lifecycle, no_instance, traffic, with_group};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Terminate {
    instance_id: String,
    should_decrement_desired_capacity: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Instances {
    #[serde(default)]
    instance_ids: Vec<String>,
    auto_scaling_group_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Leave {
    #[serde(default)]
    instance_ids: Vec<String>,
    auto_scaling_group_name: String,
    should_decrement_desired_capacity: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Protect {
    instance_ids: Vec<String>,
    auto_scaling_group_name: String,
    protected_from_scale_in: bool,
}

/// `SetInstanceProtection` takes so many at once.
const PROTECT_MAX: usize = 50;
/// `AttachInstances` and its kin take so many at once.
const INSTANCES_MAX: usize = 20;

fn check_count(ids: &[String]) -> Result<u32, ApiError> {
    let distinct: BTreeSet<_> = ids.iter().collect();
    if ids.is_empty() || ids.len() > INSTANCES_MAX || distinct.len() != ids.len() {
        return Err(ApiError::validation(format!(
            "Between 1 and {INSTANCES_MAX} different instance ids must be given, but there are {}",
            ids.len()
        )));
    }
    u32::try_from(ids.len()).map_err(|_| ApiError::validation("too many instances"))
}

/// Whether the desired capacity can go down by `count`.
fn check_room(group: &Group, count: u32, verb: &str) -> Result<(), ApiError> {
    let (min, max, desired) = (group.settings.min, group.settings.max, group.desired);
    if desired >= min + count {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "AutoScalingGroup {} has min-size={min}, max-size={max}, and desired-size={desired}. To {verb} {count} more \
         instance, please update the AutoScalingGroup sizes appropriately.",
        group.name
    )))
}

fn member<'a>(group: &'a Group, id: &str) -> Result<&'a Member, ApiError> {
    group.members.get(id).ok_or_else(|| {
        ApiError::validation(format!("The instance {id} is not part of Auto Scaling group {}.", group.name))
    })
}

pub(super) fn terminate(ctx: &mut Ctx<'_>, input: Terminate) -> Answer {
    let (now, id) = (ctx.cloud.clock.now(), input.instance_id);
    let name = ctx.region.autoscaling.group_of(&id)?.name.clone();
    with_group(ctx, &name, |ctx, group| {
        let member = group.members.get(&id).ok_or_else(|| no_instance(&id))?;
        if member.is_ending() {
            let activity = member.activity.clone().unwrap_or_default();
            let said = format!("Scaling activity {activity} is in progress and blocks this action");
            return Err(ApiError::new("ScalingActivityInProgress", said));
        }
        let counts = member.is_active();
        let mut cause = format!("{} instance {id} was taken out of service in response to a user request", at(now));
        if input.should_decrement_desired_capacity && counts {
            let (desired, min) = (group.desired, group.settings.min);
            if desired <= min {
                return Err(ApiError::validation(format!(
                    "Currently, desiredSize equals minSize ({min}). Terminating instance without replacement will \
                     violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or \
                     lower group's min size."
                )));
            }
            group.desired -= 1;
            cause = format!("{cause}, shrinking the capacity from {desired} to {}", desired - 1);
        }
        cause.push('.');
        let activity = lifecycle::terminate(ctx, group, &id, now, cause);
        let mut xml = Xml::default();
        let found = group.activities.iter().rev().find(|each| Some(&each.id) == activity.as_ref());
        if let Some(activity) = found {
            xml.node("Activity", |xml| activity.write(xml, false));
        }
        Ok(xml)
    })
}

/// Running instances of the same network join; the desired capacity goes up with them.
pub(super) fn attach(ctx: &mut Ctx<'_>, input: Instances) -> Answer {
    let now = ctx.cloud.clock.now();
    let count = check_count(&input.instance_ids)?;
    for id in &input.instance_ids {
        if let Ok(group) = ctx.region.autoscaling.group_of(id) {
            let said = format!("Instance {id} is already part of AutoScalingGroup:{}", group.name);
            return Err(ApiError::validation(said));
        }
    }
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        let (min, max, desired) = (group.settings.min, group.settings.max, group.desired);
        if desired + count > max {
            return Err(ApiError::validation(format!(
                "AutoScalingGroup {} has min-size={min}, max-size={max}, and desired-size={desired}. To attach {count} \
                 more instance, please update the AutoScalingGroup sizes appropriately.",
                group.name
            )));
        }
        let mut found = Vec::new();
        for id in &input.instance_ids {
            let seen = machines::seen(ctx, id)
                .ok_or_else(|| ApiError::validation(format!("Invalid Instance ID(s): [{id}]")))?;
            if machines::state(ctx, id) != State::Running {
                let said = format!("Instance {id} is not in correct state. Instance(s) must be in 'running' state.");
                return Err(ApiError::validation(said));
            }
            if !group.settings.zones().contains(&seen.zone) {
                return Err(ApiError::validation(format!(
                    "The availability zone {} of instance {id} is not one of the group's: {}",
                    seen.zone,
                    group.settings.zones().join(", ")
                )));
            }
            found.push(seen);
        }
        for (seen, step) in found.into_iter().zip(0..) {
            let (id, from) = (seen.id.clone(), desired + step);
            let begin = Begin {
                description: format!("Attaching an existing EC2 instance: {id}"),
                cause: format!(
                    "{} an instance was attached in response to a user request, increasing the capacity from {from} to \
                     {}.",
                    at(now),
                    from + 1
                ),
                status: Status::PreInService,
                zone: Some((seen.zone.clone(), None)),
            };
            let activity = activity::begin(ctx, group, now, begin);
            machines::adopt(ctx, &group.name, &id);
            let member = Member {
                id: id.clone(),
                number: group.launched,
                zone: seen.zone,
                instance_type: seen.instance_type,
                image: seen.image,
                template: seen.template,
                launched: seen.launched,
                phase: Phase::PendingProceed,
                pool: None,
                in_service: None,
                unhealthy: None,
                protected: group.settings.protect_new,
                activity: Some(activity),
                actions: Vec::new(),
                returns: false,
            };
            group.launched += 1;
            group.members.insert(id, member);
        }
        group.desired += count;
        Ok(Xml::default())
    })
}

/// Writes the activities that a call began.
fn activities(group: &Group, ids: &[String]) -> Xml {
    let mut xml = Xml::default();
    let found = group.activities.iter().filter(|activity| ids.contains(&activity.id));
    xml.list("Activities", "member", found, |xml, activity| activity.write(xml, false));
    xml
}

/// They go on running, outside the group and its target groups.
pub(super) fn detach(ctx: &mut Ctx<'_>, input: Leave) -> Answer {
    leave(ctx, &input, "detach", Phase::Detaching)
}

pub(super) fn enter_standby(ctx: &mut Ctx<'_>, input: Leave) -> Answer {
    leave(ctx, &input, "place into standby", Phase::EnteringStandby)
}

fn leave(ctx: &mut Ctx<'_>, input: &Leave, verb: &str, phase: Phase) -> Answer {
    let now = ctx.cloud.clock.now();
    let count = check_count(&input.instance_ids)?;
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        let mut counting = 0;
        for id in &input.instance_ids {
            let member = member(group, id)?;
            let fits = member.is_in_service() || (phase == Phase::Detaching && member.phase == Phase::Standby);
            if !fits {
                let said = format!("The instance {id} is not in InService.");
                return Err(ApiError::validation(said));
            }
            counting += u32::from(member.is_active());
        }
        if input.should_decrement_desired_capacity {
            check_room(group, counting, verb)?;
        }
        let mut begun = Vec::new();
        for id in &input.instance_ids {
            let (what, happened) = match phase {
                Phase::Detaching => (format!("Detaching EC2 instance: {id}"), "was detached"),
                _ => (format!("Moving EC2 instance to Standby: {id}"), "was moved to standby"),
            };
            let mut cause = format!("{} instance {id} {happened} in response to a user request", at(now));
            let counts = group.members.get(id).is_some_and(Member::is_active);
            if input.should_decrement_desired_capacity && counts {
                cause = format!("{cause}, shrinking the capacity from {} to {}", group.desired, group.desired - 1);
                group.desired -= 1;
            }
            cause.push('.');
            lifecycle::deregister(ctx, group, id);
            let zone = group.members.get(id).map(|member| (member.zone.clone(), None));
            let begin = Begin { description: what, cause, status: Status::InProgress, zone };
            let activity = activity::begin(ctx, group, now, begin);
            if let Some(member) = group.members.get_mut(id) {
                (member.phase, member.activity) = (phase, Some(activity.clone()));
            }
            begun.push(activity);
        }
        debug_assert_eq!(begun.len() as u64, u64::from(count));
        Ok(activities(group, &begun))
    })
}

/// Back into service; the desired capacity goes up with them.
pub(super) fn exit_standby(ctx: &mut Ctx<'_>, input: Instances) -> Answer {
    let now = ctx.cloud.clock.now();
    let count = check_count(&input.instance_ids)?;
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        for id in &input.instance_ids {
            if member(group, id)?.phase != Phase::Standby {
                return Err(ApiError::validation(format!("The instance {id} is not in Standby.")));
            }
        }
        let (min, max, desired) = (group.settings.min, group.settings.max, group.desired);
        if desired + count > max {
            return Err(ApiError::validation(format!(
                "AutoScalingGroup {} has min-size={min}, max-size={max}, and desired-size={desired}. To move {count} \
                 more instance out of standby, please update the AutoScalingGroup sizes appropriately.",
                group.name
            )));
        }
        let mut begun = Vec::new();
        for id in &input.instance_ids {
            let cause = format!(
                "{} instance {id} was moved out of standby in response to a user request, increasing the capacity from \
                 {} to {}.",
                at(now),
                group.desired,
                group.desired + 1
            );
            group.desired += 1;
            let description = format!("Moving EC2 instance out of Standby: {id}");
            let zone = group.members.get(id).map(|member| (member.zone.clone(), None));
            let begin = Begin { description, cause, status: Status::PreInService, zone };
            let activity = activity::begin(ctx, group, now, begin);
            if let Some(member) = group.members.get_mut(id) {
                // It runs; it has to be registered again, and its grace period begins anew.
                (member.phase, member.activity) = (Phase::PendingProceed, Some(activity.clone()));
                member.in_service = None;
                member.unhealthy = None;
            }
            begun.push(activity);
        }
        Ok(activities(group, &begun))
    })
}

pub(super) fn protect(ctx: &mut Ctx<'_>, input: Protect) -> Answer {
    if input.instance_ids.len() > PROTECT_MAX {
        return Err(ApiError::new("LimitExceeded", format!("At most {PROTECT_MAX} instance ids can be given at once")));
    }
    let group = ctx.region.autoscaling.group_mut(&input.auto_scaling_group_name)?;
    for id in &input.instance_ids {
        let member = member(group, id)?;
        let fits =
            member.pool.is_none() && matches!(member.phase, Phase::InService | Phase::EnteringStandby | Phase::Standby);
        if !fits {
            let said = format!("The instance {id} is not in InService or EnteringStandby or Standby.");
            return Err(ApiError::validation(said));
        }
    }
    for id in &input.instance_ids {
        if let Some(member) = group.members.get_mut(id) {
            member.protected = input.protected_from_scale_in;
        }
    }
    Ok(Xml::default())
}

/// Registers every instance in service with a target group that was just attached.
pub(super) fn register_all(ctx: &mut Ctx<'_>, group: &Group, arn: &str) -> Result<(), ApiError> {
    if !group.runs(Process::AddToLoadBalancer) {
        return Ok(());
    }
    let serving = group.members.values().filter(|member| member.is_in_service());
    let running: Vec<_> = serving
        .filter(|member| machines::state(ctx, &member.id) == State::Running)
        .map(|member| member.id.clone())
        .collect();
    running.iter().try_for_each(|id| traffic::register(ctx, arn, id))
}
