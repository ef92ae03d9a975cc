//! Instance refresh: every instance is replaced, a few at a time, by ones launched from another template version.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::activity::at;
use super::group::Group;
use super::lifecycle::{self, after};
use super::member::{Member, Phase};
use super::pace::Step;
use super::processes::Process;
use super::select::is_current;
use super::template::{Template, TemplateIn};
use super::{Paging, uuid, with_group};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// An instance refresh, or its rollback.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Refresh {
    pub(super) id: String,
    pub(super) status: Status,
    reason: Option<String>,
    start: Timestamp,
    end: Option<Timestamp>,
    preferences: Preferences,
    /// What it was asked to bring about.
    wanted: Option<Template>,
    /// What instances are launched from meanwhile.
    pub(super) template: Option<Template>,
    /// Instances that are still to be replaced.
    rest: BTreeSet<String>,
    /// How many there were.
    total: u32,
    /// How many instances more than desired there may be now.
    pub(super) surplus: u32,
    /// Since when nothing but instances that it must wait for is left.
    waits_since: Option<Timestamp>,
    bakes_since: Option<Timestamp>,
    rollback: Option<Rollback>,
}

/// How far a refresh had come when it was rolled back.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rollback {
    reason: String,
    start: Timestamp,
    percent: u32,
    left: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    Pending,
    InProgress,
    Successful,
    Failed,
    Cancelling,
    Cancelled,
    RollbackInProgress,
    RollbackFailed,
    RollbackSuccessful,
    Baking,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Preferences {
    min_percent: u32,
    max_percent: u32,
    warmup_s: u32,
    skip_matching: bool,
    auto_rollback: bool,
    protected: Treat,
    standby: Treat,
    bake_s: u32,
}

/// What is done about instances that are protected, or in standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Treat {
    Replace,
    Ignore,
    Wait,
}

/// How long it waits for such instances before it fails.
const WAIT_S_MAX: u32 = 3600;
/// Refreshes that a group remembers; AWS forgets them after six weeks.
const REFRESHES_MAX: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Begin {
    auto_scaling_group_name: String,
    strategy: Option<Strategy>,
    desired_configuration: Option<DesiredIn>,
    #[serde(default)]
    preferences: PreferencesIn,
}

#[derive(Deserialize)]
enum Strategy {
    Rolling,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct DesiredIn {
    launch_template: Option<TemplateIn>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct PreferencesIn {
    min_healthy_percentage: Option<u32>,
    max_healthy_percentage: Option<u32>,
    instance_warmup: Option<u32>,
    #[serde(default)]
    skip_matching: bool,
    #[serde(default)]
    auto_rollback: bool,
    scale_in_protected_instances: Option<String>,
    standby_instances: Option<String>,
    bake_time: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Cancel {
    auto_scaling_group_name: String,
    wait_for_transitioning_instances: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RollBack {
    auto_scaling_group_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    auto_scaling_group_name: String,
    #[serde(default)]
    instance_refresh_ids: Vec<String>,
    next_token: Option<String>,
    max_records: Option<u32>,
}

impl Status {
    pub(super) const fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::InProgress | Self::Cancelling | Self::RollbackInProgress | Self::Baking)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Successful => "Successful",
            Self::Failed => "Failed",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
            Self::RollbackInProgress => "RollbackInProgress",
            Self::RollbackFailed => "RollbackFailed",
            Self::RollbackSuccessful => "RollbackSuccessful",
            Self::Baking => "Baking",
        }
    }
}

fn treat(name: &str, given: Option<&str>, replace: &str) -> Result<Treat, ApiError> {
    match given {
        None | Some("Wait") => Ok(Treat::Wait),
        Some("Ignore") => Ok(Treat::Ignore),
        Some(text) if text == replace => Ok(Treat::Replace),
        Some(text) => {
            Err(ApiError::validation(format!("{name} must be Wait, Ignore or {replace}, but it is '{text}'")))
        }
    }
}

impl PreferencesIn {
    fn read(&self, group: &Group) -> Result<Preferences, ApiError> {
        let policy = group.settings.maintenance;
        let min_percent = self.min_healthy_percentage.or(policy.map(|policy| policy.min_percent)).unwrap_or(90);
        let max_percent = self.max_healthy_percentage.or(policy.map(|policy| policy.max_percent)).unwrap_or(100);
        if min_percent > 100 || !(100..=200).contains(&max_percent) || max_percent - min_percent > 100 {
            return Err(ApiError::validation(
                "MinHealthyPercentage is from 0 to 100, MaxHealthyPercentage from 100 to 200, and they are at most 100 \
                 apart",
            ));
        }
        Ok(Preferences {
            min_percent,
            max_percent,
            warmup_s: self.instance_warmup.unwrap_or_else(|| group.settings.instance_warmup_s()),
            skip_matching: self.skip_matching,
            auto_rollback: self.auto_rollback,
            protected: treat("ScaleInProtectedInstances", self.scale_in_protected_instances.as_deref(), "Refresh")?,
            standby: treat("StandbyInstances", self.standby_instances.as_deref(), "Terminate")?,
            bake_s: self.bake_time.unwrap_or(0),
        })
    }
}

pub(super) fn begin(ctx: &mut Ctx<'_>, input: Begin) -> Answer {
    let now = ctx.cloud.clock.now();
    let (Some(Strategy::Rolling) | None) = input.strategy;
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        if group.refresh().is_some() {
            return Err(ApiError::new(
                "InstanceRefreshInProgress",
                "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.",
            ));
        }
        let preferences = input.preferences.read(group)?;
        let subnet = group.settings.subnets.first().map_or("", |(id, _)| id);
        let given = input.desired_configuration.and_then(|desired| desired.launch_template);
        let wanted = given.map(|given| given.check(ctx, subnet)).transpose()?;
        if preferences.auto_rollback {
            check_reversible(group, wanted.as_ref()).map_err(|error| ApiError::validation(error.message))?;
        }
        let target = wanted.clone().unwrap_or_else(|| group.settings.template.clone()).pin(ctx)?;
        let old = |member: &&Member| {
            let treated = match (member.phase, member.protected) {
                (Phase::Standby, _) => preferences.standby != Treat::Ignore,
                (_, true) => preferences.protected != Treat::Ignore,
                _ => true,
            };
            let counts = member.is_active() || member.phase == Phase::Standby;
            counts && treated && !(preferences.skip_matching && is_current(member, &target))
        };
        let rest: BTreeSet<_> = group.members.values().filter(old).map(|member| member.id.clone()).collect();
        let id = uuid(ctx);
        let total = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        group.refreshes.push(Refresh {
            id: id.clone(),
            status: Status::Pending,
            reason: None,
            start: now,
            end: None,
            preferences,
            template: wanted.clone(),
            wanted,
            rest,
            total,
            surplus: 0,
            waits_since: None,
            bakes_since: None,
            rollback: None,
        });
        if group.refreshes.len() > REFRESHES_MAX {
            group.refreshes.remove(0);
        }
        let mut xml = Xml::default();
        xml.leaf("InstanceRefreshId", id);
        Ok(xml)
    })
}

/// Whether there is something to roll back to.
fn check_reversible(group: &Group, wanted: Option<&Template>) -> Result<(), ApiError> {
    let no = |why: &str| Err(ApiError::new("IrreversibleInstanceRefresh", why));
    if wanted.is_none() {
        return no("The instance refresh has no desired configuration, so that there is nothing to roll back to.");
    }
    if group.settings.template.moves() {
        return no(
            "The launch template version of the Auto Scaling group is $Latest or $Default, so that it cannot be rolled \
             back to.",
        );
    }
    Ok(())
}

fn no_refresh(name: &str) -> ApiError {
    ApiError::new(
        "ActiveInstanceRefreshNotFound",
        format!("No in progress or pending Instance Refresh found for Auto Scaling group {name}"),
    )
}

pub(super) fn cancel(ctx: &mut Ctx<'_>, input: Cancel) -> Answer {
    let now = ctx.cloud.clock.now();
    with_group(ctx, &input.auto_scaling_group_name, |_, group| {
        let name = group.name.clone();
        let refresh = group.refresh_mut().ok_or_else(|| no_refresh(&name))?;
        refresh.status = Status::Cancelling;
        refresh.reason = Some("Cancelled due to user request.".to_owned());
        if input.wait_for_transitioning_instances == Some(false) {
            refresh.close(Status::Cancelled, now);
        }
        let mut xml = Xml::default();
        xml.leaf("InstanceRefreshId", &refresh.id);
        Ok(xml)
    })
}

pub(super) fn rollback(ctx: &mut Ctx<'_>, input: RollBack) -> Answer {
    let now = ctx.cloud.clock.now();
    with_group(ctx, &input.auto_scaling_group_name, |ctx, group| {
        let refresh = group.refresh().ok_or_else(|| no_refresh(&group.name))?;
        if refresh.rollback.is_some() {
            return Err(no_refresh(&group.name));
        }
        check_reversible(group, refresh.wanted.as_ref())?;
        let mut xml = Xml::default();
        xml.leaf("InstanceRefreshId", &refresh.id);
        roll_back(ctx, group, "Rolled back due to user request.", now)?;
        Ok(xml)
    })
}

/// Turns round: what was launched meanwhile is replaced by what was there before.
fn roll_back(ctx: &Ctx<'_>, group: &mut Group, reason: &str, now: Timestamp) -> Result<(), ApiError> {
    let before = group.settings.template.clone();
    let target = before.pin(ctx)?;
    let newer = group.members.values().filter(|member| member.is_active() && !is_current(member, &target));
    let rest: BTreeSet<_> = newer.map(|member| member.id.clone()).collect();
    let percent = group.refresh().map_or(0, |refresh| percent(group, refresh, now));
    if let Some(refresh) = group.refresh_mut() {
        let left = u32::try_from(refresh.rest.len()).unwrap_or(u32::MAX);
        refresh.rollback = Some(Rollback { reason: reason.to_owned(), start: now, percent, left });
        (refresh.status, refresh.template) = (Status::RollbackInProgress, Some(before));
        refresh.total = u32::try_from(rest.len()).unwrap_or(u32::MAX);
        refresh.rest = rest;
        (refresh.waits_since, refresh.bakes_since) = (None, None);
    }
    Ok(())
}

impl Refresh {
    fn close(&mut self, status: Status, now: Timestamp) {
        (self.status, self.end, self.surplus) = (status, Some(now), 0);
    }
}

/// Whether an instance carries its share: in service, healthy, and warm.
fn is_ready(member: &Member, warmup_s: u32, now: Timestamp) -> bool {
    member.is_in_service()
        && member.unhealthy.is_none()
        && member.in_service.is_some_and(|since| after(since, warmup_s) <= now)
}

fn percent(group: &Group, refresh: &Refresh, now: Timestamp) -> u32 {
    if refresh.status == Status::Successful || refresh.total == 0 {
        return 100;
    }
    let warmup_s = refresh.preferences.warmup_s;
    let old = |member: &Member| refresh.rest.contains(&member.id);
    let cold = group.count(|member| member.is_active() && !old(member) && !is_ready(member, warmup_s, now));
    let left = u32::try_from(refresh.rest.len()).unwrap_or(u32::MAX).saturating_add(cold);
    refresh.total.saturating_sub(left) * 100 / refresh.total
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let now = ctx.cloud.clock.now();
    let group = ctx.region.autoscaling.group(&input.auto_scaling_group_name)?;
    let ids = &input.instance_refresh_ids;
    let wanted = |refresh: &&Refresh| ids.is_empty() || ids.contains(&refresh.id);
    let found = group.refreshes.iter().rev().filter(wanted).collect();
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (50, 100) };
    let mut xml = Xml::default();
    paging.write(
        &mut xml,
        found,
        |refresh: &&Refresh| refresh.id.clone(),
        "InstanceRefreshes",
        |xml, refresh| write(xml, group, refresh, now),
    )?;
    Ok(xml)
}

fn write(xml: &mut Xml, group: &Group, refresh: &Refresh, now: Timestamp) {
    xml.leaf("InstanceRefreshId", &refresh.id).leaf("AutoScalingGroupName", &group.name);
    xml.leaf("Status", refresh.status.name()).leaf_if("StatusReason", refresh.reason.as_ref());
    xml.leaf("StartTime", refresh.start).leaf_if("EndTime", refresh.end);
    xml.leaf("PercentageComplete", percent(group, refresh, now)).leaf("InstancesToUpdate", refresh.rest.len());
    let preferences = &refresh.preferences;
    xml.node("Preferences", |xml| {
        xml.leaf("MinHealthyPercentage", preferences.min_percent);
        xml.leaf("InstanceWarmup", preferences.warmup_s).leaf("SkipMatching", preferences.skip_matching);
        xml.leaf("AutoRollback", preferences.auto_rollback);
        let name = |treat: Treat, replace: &'static str| match treat {
            Treat::Replace => replace,
            Treat::Ignore => "Ignore",
            Treat::Wait => "Wait",
        };
        xml.leaf("ScaleInProtectedInstances", name(preferences.protected, "Refresh"));
        xml.leaf("StandbyInstances", name(preferences.standby, "Terminate"));
        xml.leaf("MaxHealthyPercentage", preferences.max_percent).leaf("BakeTime", preferences.bake_s);
    });
    if let Some(wanted) = &refresh.wanted {
        xml.node("DesiredConfiguration", |xml| wanted.write(xml));
    }
    if let Some(rollback) = &refresh.rollback {
        xml.node("RollbackDetails", |xml| {
            xml.leaf("RollbackReason", &rollback.reason).leaf("RollbackStartTime", rollback.start);
            xml.leaf("PercentageCompleteOnRollback", rollback.percent);
            xml.leaf("InstancesToUpdateOnRollback", rollback.left);
        });
    }
    xml.leaf("Strategy", "Rolling");
}

/// Takes the next instances out, as many as may be away.
pub(super) fn advance(ctx: &mut Ctx<'_>, group: &mut Group, step: &mut Step) {
    if !group.runs(Process::InstanceRefresh) {
        return;
    }
    let Some(mut refresh) = group.refresh().cloned() else { return };
    let before = (refresh.status, refresh.rest.len(), refresh.surplus, refresh.waits_since);
    match refresh.status {
        Status::Pending => refresh.status = Status::InProgress,
        Status::Cancelling => {
            refresh.surplus = 0;
            // Those that are on their way may arrive.
            if group.members.values().all(|member| member.phase == Phase::InService || !member.is_active()) {
                refresh.close(Status::Cancelled, step.now);
            }
        }
        Status::InProgress | Status::RollbackInProgress => replace(ctx, group, &mut refresh, step),
        Status::Baking => {
            let end = after(refresh.bakes_since.unwrap_or(step.now), refresh.preferences.bake_s);
            if end <= step.now { refresh.close(Status::Successful, step.now) } else { step.at(end) }
        }
        _ => {}
    }
    if refresh.status == Status::Successful
        && let Some(wanted) = &refresh.wanted
    {
        // From now on the group is what it was asked to become.
        group.settings.template = wanted.clone();
    }
    let failed = refresh.status == Status::Failed && refresh.preferences.auto_rollback;
    step.changed |= before != (refresh.status, refresh.rest.len(), refresh.surplus, refresh.waits_since);
    if failed {
        refresh.status = Status::InProgress;
    }
    if let Some(last) = group.refreshes.last_mut() {
        *last = refresh;
    }
    if failed && let Err(error) = roll_back(ctx, group, "Rolled back because the instance refresh failed.", step.now) {
        tracing::warn!(group = group.name, error = error.message, "the instance refresh cannot be rolled back");
        if let Some(refresh) = group.refresh_mut() {
            refresh.close(Status::RollbackFailed, step.now);
        }
    }
}

fn replace(ctx: &mut Ctx<'_>, group: &mut Group, refresh: &mut Refresh, step: &mut Step) {
    let (preferences, now) = (refresh.preferences, step.now);
    let lives = |id: &String| group.members.get(id).is_some_and(|member| !member.is_ending());
    refresh.rest.retain(lives);
    // Its own new instances warm up; old ones have.
    let ready = |refresh: &Refresh, member: &Member| {
        let warmup_s = if refresh.rest.contains(&member.id) { 0 } else { preferences.warmup_s };
        is_ready(member, warmup_s, now)
    };
    for member in group.members.values().filter(|member| member.is_in_service()) {
        if let Some(warm) = member.in_service.map(|since| after(since, preferences.warmup_s)).filter(|warm| *warm > now)
        {
            step.at(warm);
        }
    }
    let all_ready = group.members.values().filter(|member| member.is_active()).all(|member| ready(refresh, member));
    let settled = all_ready && group.active() == group.desired + refresh.surplus;
    if refresh.rest.is_empty() {
        refresh.surplus = 0;
        if settled && group.active() == group.desired {
            match refresh.status {
                Status::RollbackInProgress => refresh.close(Status::RollbackSuccessful, now),
                _ if preferences.bake_s > 0 => {
                    (refresh.status, refresh.bakes_since) = (Status::Baking, Some(now));
                }
                _ => refresh.close(Status::Successful, now),
            }
        }
        return;
    }
    let left = u32::try_from(refresh.rest.len()).unwrap_or(u32::MAX);
    let most = group.desired * preferences.max_percent / 100;
    refresh.surplus = most.saturating_sub(group.desired).min(left);
    let least = (group.desired * preferences.min_percent).div_ceil(100);
    let mut healthy = group.count(|member| member.is_active() && ready(refresh, member));
    let may_go = |member: &&Member| {
        refresh.rest.contains(&member.id)
            && match (member.phase, member.protected) {
                (Phase::Standby, _) => preferences.standby == Treat::Replace,
                (Phase::InService, true) => preferences.protected == Treat::Replace,
                (Phase::InService, false) => true,
                _ => false,
            }
    };
    let mut candidates: Vec<_> = group.members.values().filter(may_go).collect();
    candidates.sort_by_key(|member| member.number);
    let candidates: Vec<_> = candidates.iter().map(|member| (member.id.clone(), ready(refresh, member))).collect();
    if candidates.is_empty() && settled {
        let since = *refresh.waits_since.get_or_insert(now);
        let end = after(since, WAIT_S_MAX);
        if end <= now {
            let failed = match refresh.status {
                Status::RollbackInProgress => Status::RollbackFailed,
                _ => Status::Failed,
            };
            refresh.reason = Some(
                "The instance refresh has waited for an hour for instances that are in standby or protected from scale \
                 in."
                .to_owned(),
            );
            refresh.close(failed, now);
        } else {
            step.at(end);
        }
        return;
    }
    refresh.waits_since = None;
    // One at a time goes always, however few may be away.
    let mut first = settled && least >= healthy.saturating_sub(refresh.surplus) && refresh.surplus == 0;
    for (id, counts) in candidates {
        let after_it = healthy - u32::from(counts);
        if counts && after_it < least && !std::mem::take(&mut first) {
            break;
        }
        healthy = after_it;
        let cause = format!("{} an instance was taken out of service in response to an instance refresh.", at(now));
        lifecycle::terminate(ctx, group, &id, now, cause);
        refresh.rest.remove(&id);
        step.changed = true;
    }
    // What has gone has its successor already.
    refresh.surplus = refresh.surplus.min(u32::try_from(refresh.rest.len()).unwrap_or(u32::MAX));
}
