//! `UpdateAutoScalingGroup`: what a user decides about a group, later.

use super::activity::at;
use super::create::GroupIn;
use super::with_group;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// New settings are for instances that are launched from now on; sizes are for all.
pub(super) fn update(ctx: &mut Ctx<'_>, mut input: GroupIn) -> Answer {
    let now = ctx.cloud.clock.now();
    let of_creation = [
        ("TargetGroupARNs", !input.target_group_arns.is_empty()),
        ("TrafficSources", !input.traffic_sources.is_empty()),
        ("LifecycleHookSpecificationList", !input.lifecycle_hook_specification_list.is_empty()),
        ("Tags", !input.tags.is_empty()),
    ];
    if let Some((name, _)) = of_creation.into_iter().find(|(_, given)| *given) {
        return Err(ApiError::validation(format!("Parameter '{name}' is unknown")));
    }
    let name = input.auto_scaling_group_name.clone();
    with_group(ctx, &name, |ctx, group| {
        let settings = input.settings(ctx, Some(&group.settings))?;
        let (min, max) = (settings.min, settings.max);
        let desired = match input.desired_capacity {
            Some(desired) => {
                settings.check_desired(desired)?;
                desired
            }
            // New bounds move it.
            None => group.desired.clamp(min, max),
        };
        group.settings = settings;
        group.want(desired, |old, new| {
            format!(
                "{} a user request update of AutoScalingGroup constraints to min: {min}, max: {max}, desired: {new} \
                 changing the desired capacity from {old} to {new}.",
                at(now)
            )
        });
        Ok(Xml::default())
    })
}
