//! Warm pools: instances that are initialized already and wait, stopped or running, to come into the group.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::activity::{self, Begin, Status, at};
use super::describe::{by_number, write_member};
use super::group::Group;
use super::member::{Member, Phase};
use super::pace::Step;
use super::processes::Process;
use super::{Paging, capacity, lifecycle, machines, with_group};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// A group's warm pool.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct WarmPool {
    /// Together with the group's instances, at most so many; the group's maximum if it is not given.
    max_prepared: Option<u32>,
    min: u32,
    pub(super) state: PoolState,
    /// Whether instances return to it on scale-in.
    pub(super) reuse: bool,
    /// It goes away with the last instance.
    deleting: bool,
}

/// How instances wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PoolState {
    #[default]
    Stopped,
    Running,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Put {
    auto_scaling_group_name: String,
    max_group_prepared_capacity: Option<i32>,
    min_size: Option<u32>,
    pool_state: Option<PoolState>,
    instance_reuse_policy: Option<Reuse>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Reuse {
    #[serde(default)]
    reuse_on_scale_in: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    auto_scaling_group_name: String,
    #[serde(default)]
    force_delete: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    auto_scaling_group_name: String,
    max_records: Option<u32>,
    next_token: Option<String>,
}

impl WarmPool {
    pub(super) fn write(&self, xml: &mut Xml) {
        xml.leaf_if("MaxGroupPreparedCapacity", self.max_prepared).leaf("MinSize", self.min);
        xml.leaf("PoolState", if self.state == PoolState::Stopped { "Stopped" } else { "Running" });
        if self.deleting {
            xml.leaf("Status", "PendingDelete");
        }
        xml.node("InstanceReusePolicy", |xml| {
            xml.leaf("ReuseOnScaleIn", self.reuse);
        });
    }

    /// How many instances it should hold.
    fn size(&self, group: &Group) -> u32 {
        if self.deleting {
            return 0;
        }
        let prepared = self.max_prepared.unwrap_or(group.settings.max);
        prepared.saturating_sub(group.desired).max(self.min)
    }
}

pub(super) fn put(ctx: &mut Ctx<'_>, input: Put) -> Answer {
    with_group(ctx, &input.auto_scaling_group_name, |_, group| {
        if let Some(refresh) = group.refresh() {
            let said = format!("Instance refresh {} is in progress and blocks this action", refresh.id);
            return Err(ApiError::new("InstanceRefreshInProgress", said));
        }
        let max_prepared = match input.max_group_prepared_capacity {
            None => group.warm_pool.as_ref().and_then(|pool| pool.max_prepared),
            Some(-1) => None,
            Some(size) => Some(u32::try_from(size).map_err(|_| {
                ApiError::validation("MaxGroupPreparedCapacity must be 0 or more, or -1 for the group's maximum")
            })?),
        };
        let old = group.warm_pool.as_ref();
        let pool = WarmPool {
            max_prepared,
            min: input.min_size.or(old.map(|old| old.min)).unwrap_or(0),
            state: input.pool_state.or(old.map(|old| old.state)).unwrap_or_default(),
            reuse: input
                .instance_reuse_policy
                .map(|policy| policy.reuse_on_scale_in)
                .or(old.map(|old| old.reuse))
                .unwrap_or(false),
            deleting: false,
        };
        group.warm_pool = Some(pool);
        Ok(Xml::default())
    })
}

fn no_pool(name: &str) -> ApiError {
    ApiError::validation(format!("No warm pool found for Auto Scaling group {name}"))
}

/// Its instances end with it.
pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let now = ctx.cloud.clock.now();
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        let name = group.name.clone();
        let pool = group.warm_pool.as_mut().ok_or_else(|| no_pool(&name))?;
        pool.deleting = true;
        let warm: Vec<_> =
            group.members.values().filter(|member| member.is_warm()).map(|member| member.id.clone()).collect();
        for id in warm {
            let cause = format!(
                "{} a user request deleted the warm pool.  {} instance {id} was selected for termination.",
                at(now),
                at(now)
            );
            lifecycle::terminate(ctx, group, &id, now, cause);
            // Nobody is asked before a forced end.
            if input.force_delete
                && let Some(member) = group.members.get_mut(&id)
            {
                member.phase = Phase::TerminatingProceed;
            }
        }
        Ok(Xml::default())
    })
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let group = ctx.region.autoscaling.group(&input.auto_scaling_group_name)?;
    let mut xml = Xml::default();
    if let Some(pool) = &group.warm_pool {
        xml.node("WarmPoolConfiguration", |xml| pool.write(xml));
    }
    let found = by_number(group.members.values().filter(|member| member.pool.is_some()));
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (50, 50) };
    paging.write(&mut xml, found, |member| member.id.clone(), "Instances", write_member)?;
    Ok(xml)
}

/// Brings the instance that has waited longest into the group; says whether there was one.
pub(super) fn take(ctx: &mut Ctx<'_>, group: &mut Group, cause: &str, now: Timestamp) -> bool {
    let waiting = by_number(group.members.values().filter(|member| member.phase == Phase::Parked));
    let Some((id, zone)) = waiting.first().map(|member| (member.id.clone(), member.zone.clone())) else {
        return false;
    };
    let begin = Begin {
        description: format!("Launching a new EC2 instance from warm pool: {id}"),
        cause: cause.to_owned(),
        status: Status::PreInService,
        zone: Some((zone, None)),
    };
    let activity = activity::begin(ctx, group, now, begin);
    let protected = group.settings.protect_new;
    if let Err(error) = machines::start(ctx, &id) {
        tracing::debug!(id, error = error.message, "an instance of the warm pool cannot be started yet");
    }
    if let Some(member) = group.members.get_mut(&id) {
        (member.pool, member.phase, member.activity) = (None, Phase::Pending, Some(activity));
        member.protected = protected;
    }
    true
}

/// Brings the pool to its size.
pub(super) fn advance(ctx: &mut Ctx<'_>, group: &mut Group, step: &mut Step) {
    let Some(pool) = group.warm_pool.clone() else { return };
    if pool.deleting && !group.members.values().any(|member| member.pool.is_some()) {
        group.warm_pool = None;
        step.changed = true;
        return;
    }
    let (has, size) = (group.count(Member::is_warm), pool.size(group));
    if has < size {
        // The group itself comes first.
        let waits = group.failures.next.is_some_and(|next| next > step.now);
        if waits || !group.runs(Process::Launch) || group.active() < group.desired {
            return;
        }
        for _ in has..size {
            let cause = format!(
                "{} a warm pool instance was launched in response to a difference between desired and actual capacity of \
                 the warm pool, increasing the capacity from {has} to {size}.",
                at(step.now)
            );
            if !capacity::launch_one(ctx, group, &cause, Some(pool.state), step.now) {
                break;
            }
        }
        step.changed = true;
    } else if has > size && group.runs(Process::Terminate) {
        let parked = by_number(group.members.values().filter(|member| member.phase == Phase::Parked));
        let surplus: Vec<_> = parked.into_iter().take((has - size) as usize).map(|member| member.id.clone()).collect();
        for id in surplus {
            let cause = format!(
                "{time} a warm pool instance was taken out of the warm pool in response to a difference between desired \
                 and actual capacity.  {time} instance {id} was selected for termination.",
                time = at(step.now)
            );
            lifecycle::terminate(ctx, group, &id, step.now, cause);
            step.changed = true;
        }
    }
}
