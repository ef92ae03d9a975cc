//! `DeleteAutoScalingGroup`.

use serde::Deserialize;

use super::activity::at;
use super::group::{DeletionProtection, Group};
use super::{lifecycle, policies, with_group};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    auto_scaling_group_name: String,
    #[serde(default)]
    force_delete: bool,
}

/// How many activities of deleted groups are remembered.
const PAST_MAX: usize = 2_000;

/// Deletes an empty group, or with force any: its instances end at once, without draining and without hooks.
pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let (now, force) = (ctx.cloud.clock.now(), input.force_delete);
    let done = with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        let protection = group.settings.deletion_protection;
        let is_protected = match protection {
            DeletionProtection::None => false,
            DeletionProtection::PreventForceDeletion => force,
            DeletionProtection::PreventAllDeletion => true,
        };
        if is_protected {
            return Err(ApiError::new(
                "ResourceInUse",
                format!(
                    "AutoScalingGroup {} cannot be deleted because its deletion protection is {}",
                    group.name,
                    protection.name()
                ),
            ));
        }
        if !force {
            if group.members.values().any(|member| !member.is_ending()) {
                return Err(ApiError::new(
                    "ResourceInUse",
                    "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) \
                     still in the group.",
                ));
            }
            if !group.members.is_empty() {
                return Err(ApiError::new(
                    "ScalingActivityInProgress",
                    "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.",
                ));
            }
        }
        (group.settings.min, group.desired, group.deleting) = (0, 0, true);
        group.causes.clear();
        let living: Vec<_> =
            group.members.values().filter(|member| !member.is_ending()).map(|member| member.id.clone()).collect();
        for id in living {
            let cause = format!(
                "{} a user request force deleted AutoScalingGroup changing the desired capacity to 0.  {} instance {id} \
                 was taken out of service in response to a user request.",
                at(now),
                at(now)
            );
            lifecycle::terminate(ctx, group, &id, now, cause);
        }
        Ok(group.members.is_empty())
    })?;
    if done && let Some(group) = ctx.region.autoscaling.groups.remove(&input.auto_scaling_group_name) {
        bury(ctx, group);
    }
    Ok(Xml::default())
}

/// The group is gone, and its policies' alarms with it; what it did is remembered.
pub(super) fn bury(ctx: &mut Ctx<'_>, group: Group) {
    for policy in group.policies.values() {
        policies::remove_alarms(ctx, policy);
    }
    let past = &mut ctx.region.autoscaling.past;
    past.extend(group.activities);
    let surplus = past.len().saturating_sub(PAST_MAX);
    past.drain(..surplus);
}
