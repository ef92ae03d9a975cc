//! The size of a group: what is asked for, and what its loop does about the difference.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::activity::{self, Begin, Status, at, second};
use super::group::{Failures, Group};
use super::lifecycle::{self, after};
use super::machines;
use super::member::{Member, Phase, Sickness};
use super::pace::Step;
use super::processes::Process;
use super::select;
use super::template::Pinned;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// From one failed launch to the next attempt; doubled with every further failure.
const BACKOFF_S_MIN: i64 = 15;
const BACKOFF_S_MAX: i64 = 15 * 60;
/// A group whose launches have failed for so long is suspended.
const FAILING_S_MAX: u32 = 24 * 3600;
/// From one failed attempt to even out the zones to the next.
const REBALANCE_S: u32 = 15 * 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct SetDesired {
    auto_scaling_group_name: String,
    desired_capacity: u32,
    #[serde(default)]
    honor_cooldown: bool,
}

pub(super) fn set_desired(ctx: &mut Ctx<'_>, input: SetDesired) -> Answer {
    let now = ctx.cloud.clock.now();
    let group = ctx.region.autoscaling.group_mut(&input.auto_scaling_group_name)?;
    let (desired, settings) = (input.desired_capacity, &group.settings);
    if desired > settings.max {
        return Err(ApiError::validation(format!(
            "New SetDesiredCapacity value {desired} is above max value {} for the AutoScalingGroup.",
            settings.max
        )));
    }
    if desired < settings.min {
        return Err(ApiError::validation(format!(
            "New SetDesiredCapacity value {desired} is below min value {} for the AutoScalingGroup.",
            settings.min
        )));
    }
    if input.honor_cooldown {
        check_cooldown(group, now, group.settings.cooldown_s)?;
    }
    group.want(desired, |old, new| {
        format!(
            "{} a user request explicitly set group desired capacity changing the desired capacity from {old} to {new}.",
            at(now)
        )
    });
    Ok(Xml::default())
}

/// Refuses while an activity is under way, and until the cooldown after the last one is over.
pub(super) fn check_cooldown(group: &Group, now: Timestamp, cooldown_s: u32) -> Result<(), ApiError> {
    let busy = |message: String| Err(ApiError::new("ScalingActivityInProgress", message));
    if let Some(activity) = group.activities.iter().rev().find(|activity| activity.end.is_none()) {
        return busy(format!("Scaling activity {} is in progress and blocks this action", activity.id));
    }
    match group.scaled.map(|scaled| after(scaled, cooldown_s)) {
        Some(end) if end > now => busy(format!("The group is in its cooldown period until {}", second(end))),
        _ => Ok(()),
    }
}

/// Replaces what is unhealthy, then launches or ends as many as the difference says.
pub(super) fn advance(ctx: &mut Ctx<'_>, group: &mut Group, step: &mut Step) {
    let held = replace(ctx, group, step);
    let surplus = group.refresh().map_or(0, |refresh| refresh.surplus) + u32::from(group.rebalancing) + held;
    let (active, target) = (group.active(), group.desired + surplus);
    if active < target {
        group.replacing = group.replacing.max(held);
        launch(ctx, group, target, step);
    } else if active > target {
        shrink(ctx, group, active - target, step);
    } else {
        // Nothing will come of what was wished for meanwhile.
        (group.causes, group.replacing) = (Vec::new(), 0);
        rebalance(group, step);
    }
}

/// Ends unhealthy instances. Launching their successors is a process of its own, which may be suspended.
///
/// A maintenance policy may have it that a successor comes first: says how many wait for theirs.
fn replace(ctx: &mut Ctx<'_>, group: &mut Group, step: &mut Step) -> u32 {
    if !group.runs(Process::ReplaceUnhealthy) || !group.runs(Process::Terminate) {
        return 0;
    }
    let (room, least) = group.settings.maintenance.map_or((0, 0), |policy| {
        let most = group.desired * policy.max_percent / 100;
        (most.saturating_sub(group.desired), (group.desired * policy.min_percent).div_ceil(100))
    });
    let healthy = group.count(|member| member.is_in_service() && member.unhealthy.is_none());
    let sick = group.members.values().filter(|member| member.is_in_service());
    let sick: Vec<_> = sick.filter_map(|member| Some((member.id.clone(), member.unhealthy?))).collect();
    let mut held = 0;
    for (id, sickness) in sick {
        // What does not run serves nobody while it waits.
        if sickness != Sickness::NotRunning && held < room && healthy < least {
            held += 1;
            continue;
        }
        let cause =
            format!("{} an instance was taken out of service in response to {}.", at(step.now), sickness.cause());
        lifecycle::terminate(ctx, group, &id, step.now, cause);
        group.replacing += 1;
        step.changed = true;
    }
    held
}

/// Launches what is missing, from the warm pool first.
fn launch(ctx: &mut Ctx<'_>, group: &mut Group, target: u32, step: &mut Step) {
    if !group.runs(Process::Launch) {
        return;
    }
    if let Some(next) = group.failures.next.filter(|next| *next > step.now) {
        step.at(next);
        return;
    }
    let from = group.active();
    // A target that many can start towards is not a cause for anything else.
    let causes = std::mem::take(&mut group.causes);
    for _ in from..target {
        let why = if group.replacing > 0 {
            format!(
                "{} an instance was launched in response to an unhealthy instance needing to be replaced.",
                at(step.now)
            )
        } else if group.rebalancing {
            let counts = select::zone_counts(group);
            let zones = counts.iter().map(|(zone, _)| zone.as_str()).collect::<Vec<_>>().join(" ");
            let numbers = counts.iter().map(|(_, count)| count.to_string()).collect::<Vec<_>>().join(" ");
            format!(
                "{} availability zones {zones} had {numbers} instances respectively. An instance was launched to aid in \
                 balancing the group's zones.",
                at(step.now)
            )
        } else if group.refresh().is_some() {
            format!("{} an instance was launched in response to an instance refresh.", at(step.now))
        } else {
            format!(
                "{} an instance was started in response to a difference between desired and actual capacity, increasing \
                 the capacity from {from} to {target}.",
                at(step.now)
            )
        };
        let cause = causes.iter().cloned().chain([why]).collect::<Vec<_>>().join("  ");
        if !super::warm::take(ctx, group, &cause, step.now) && !launch_one(ctx, group, &cause, None, step.now) {
            group.causes = causes;
            if group.rebalancing {
                group.rebalancing = false;
                group.rebalance_after = Some(after(step.now, REBALANCE_S));
            }
            break;
        }
        group.replacing = group.replacing.saturating_sub(1);
    }
    step.changed = true;
}

/// Launches one instance: where the group has fewest, or elsewhere if there is no capacity. Says whether it could.
pub(super) fn launch_one(
    ctx: &mut Ctx<'_>,
    group: &mut Group,
    cause: &str,
    pool: Option<super::warm::PoolState>,
    now: Timestamp,
) -> bool {
    let refused = |ctx: &Ctx<'_>, group: &mut Group, place: Option<(String, String)>, error: &ApiError| {
        let zone = place.map(|(subnet, zone)| (zone, Some(subnet)));
        let description = "Launching a new EC2 instance".to_owned();
        let begin = Begin { description, cause: cause.to_owned(), status: Status::InProgress, zone };
        let id = activity::begin(ctx, group, now, begin);
        let message = format!("{} Launching EC2 instance failed.", error.message);
        activity::end(group, Some(&id), now, Status::Failed, Some(message));
    };
    // `$Default` and `$Latest` are what they are at this moment.
    let wanted = group.refresh().and_then(|refresh| refresh.template.clone());
    let pinned = match wanted.unwrap_or_else(|| group.settings.template.clone()).pin(ctx) {
        Ok(pinned) => pinned,
        Err(error) => {
            refused(ctx, group, None, &error);
            failed(group, now);
            return false;
        }
    };
    let counts = select::zone_counts(group);
    let mut places = select::places(&group.settings, &counts, group.launched);
    if group.settings.balanced_only || group.rebalancing {
        places.truncate(1);
    }
    for place in places {
        match machines::launch(ctx, group, &pinned, &place.0) {
            Ok(started) => {
                let description = format!("Launching a new EC2 instance: {}", started.id);
                let status = Status::PreInService;
                let zone = Some((place.1.clone(), Some(place.0)));
                let begin = Begin { description, cause: cause.to_owned(), status, zone };
                let activity = activity::begin(ctx, group, now, begin);
                join(group, started, Some(pinned), place.1, pool, Some(activity), now);
                return true;
            }
            Err(error) => {
                let elsewhere =
                    error.code == "InsufficientInstanceCapacity" || error.code == "InsufficientFreeAddressesInSubnet";
                refused(ctx, group, Some(place), &error);
                if !elsewhere {
                    break;
                }
            }
        }
    }
    failed(group, now);
    false
}

/// Makes an instance a member.
fn join(
    group: &mut Group,
    started: machines::Started,
    template: Option<Pinned>,
    zone: String,
    pool: Option<super::warm::PoolState>,
    activity: Option<String>,
    now: Timestamp,
) {
    let member = Member {
        id: started.id.clone(),
        number: group.launched,
        zone,
        instance_type: started.instance_type,
        image: started.image,
        template,
        launched: now,
        phase: Phase::Pending,
        pool,
        in_service: None,
        unhealthy: None,
        protected: group.settings.protect_new && pool.is_none(),
        activity,
        actions: Vec::new(),
        returns: false,
    };
    group.launched += 1;
    group.members.insert(started.id, member);
}

/// A launch has failed: the next one waits, and after a day of failures AWS suspends the process.
pub(super) fn failed(group: &mut Group, now: Timestamp) {
    let Failures { count, since, next } = &mut group.failures;
    let since = *since.get_or_insert(now);
    let backoff_s = (BACKOFF_S_MIN << (*count).min(10)).min(BACKOFF_S_MAX);
    *count = count.saturating_add(1);
    *next = Some(now + SignedDuration::from_secs(backoff_s));
    if after(since, FAILING_S_MAX) <= now {
        let reason = format!("Administrative suspension at {}: launches have failed for 24 hours", second(now));
        group.suspended.entry(Process::Launch).or_insert(reason);
    }
}

/// Ends what is too much.
fn shrink(ctx: &mut Ctx<'_>, group: &mut Group, surplus: u32, step: &mut Step) {
    // What is still on its way into service is not taken out of it before it has arrived.
    let arriving = group.count(|member| member.is_active() && !member.is_in_service());
    let surplus = surplus.saturating_sub(arriving);
    if surplus == 0 || !group.runs(Process::Terminate) {
        return;
    }
    let mut from = group.active();
    let causes = std::mem::take(&mut group.causes);
    for id in select::victims(group, surplus, step.now) {
        let why = format!(
            "{time} an instance was taken out of service in response to a difference between desired and actual \
             capacity, shrinking the capacity from {from} to {to}.  {time} instance {id} was selected for termination.",
            time = at(step.now),
            to = from - 1
        );
        let cause = causes.iter().cloned().chain([why]).collect::<Vec<_>>().join("  ");
        from -= 1;
        lifecycle::terminate(ctx, group, &id, step.now, cause);
        if let Some(pool) = &group.warm_pool
            && pool.reuse
            && let Some(member) = group.members.get_mut(&id)
        {
            member.returns = true;
        }
        step.changed = true;
    }
    if !step.changed {
        // All of them are protected, or not in service yet: the wish stays.
        group.causes = causes;
    }
}

/// Begins to even out the zones when one has two more than another: launch first, then end.
fn rebalance(group: &mut Group, step: &mut Step) {
    let settled =
        group.members.values().all(|member| !member.is_ending() && (member.is_in_service() || !member.is_active()));
    if !settled {
        return;
    }
    if group.rebalancing {
        // The new one is in service: from here on it is a surplus like any other.
        group.rebalancing = false;
        step.changed = true;
        return;
    }
    if !group.runs(Process::AZRebalance) || !group.runs(Process::Launch) || group.refresh().is_some() {
        return;
    }
    if let Some(wait) = group.rebalance_after.filter(|wait| *wait > step.now) {
        step.at(wait);
        return;
    }
    let counts = select::zone_counts(group);
    let (least, most) = (counts.iter().map(|zone| zone.1).min(), counts.iter().map(|zone| zone.1).max());
    if let (Some(least), Some(most)) = (least, most)
        && most > least + 1
    {
        group.rebalancing = true;
        step.changed = true;
    }
}
