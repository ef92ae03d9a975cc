//! Scaling policies: how much a group grows or shrinks when an alarm says so.

use serde::{Deserialize, Serialize};

use super::activity::at;
use super::capacity::check_cooldown;
use super::group::Group;
use super::processes::Process;
use super::tracking::{Tracking, TrackingIn, alarms_of};
use super::{Paging, alarms, uuid, with_group};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Service, Xml};

/// A scaling policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) enabled: bool,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Kind {
    Simple { adjustment: Adjustment, by: i32, cooldown_s: Option<u32> },
    Step { adjustment: Adjustment, steps: Vec<StepAdjustment>, aggregation: Aggregation, warmup_s: Option<u32> },
    Tracking(Tracking),
}

/// What a number of a policy means.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Adjustment {
    kind: AdjustmentType,
    /// At least so many, when it is a percentage.
    min_magnitude: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum AdjustmentType {
    #[serde(rename = "ChangeInCapacity")]
    Change,
    #[serde(rename = "ExactCapacity")]
    Exact,
    #[serde(rename = "PercentChangeInCapacity")]
    PercentChange,
}

/// How a step policy's alarm sums up its metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Aggregation {
    #[default]
    Average,
    Minimum,
    Maximum,
}

/// One step: by how much, for a metric that is so far beyond the alarm's threshold.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct StepAdjustment {
    metric_interval_lower_bound: Option<f64>,
    metric_interval_upper_bound: Option<f64>,
    scaling_adjustment: i32,
}

/// Policies of one group.
const POLICIES_MAX: usize = 50;
/// Steps of one policy.
const STEPS_MAX: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Put {
    auto_scaling_group_name: String,
    policy_name: String,
    policy_type: Option<String>,
    adjustment_type: Option<AdjustmentType>,
    min_adjustment_magnitude: Option<u32>,
    scaling_adjustment: Option<i32>,
    cooldown: Option<u32>,
    metric_aggregation_type: Option<Aggregation>,
    #[serde(default)]
    step_adjustments: Vec<StepAdjustment>,
    estimated_instance_warmup: Option<u32>,
    target_tracking_configuration: Option<TrackingIn>,
    enabled: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    auto_scaling_group_name: Option<String>,
    policy_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    auto_scaling_group_name: Option<String>,
    #[serde(default)]
    policy_names: Vec<String>,
    #[serde(default)]
    policy_types: Vec<String>,
    next_token: Option<String>,
    max_records: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Execute {
    auto_scaling_group_name: Option<String>,
    policy_name: String,
    #[serde(default)]
    honor_cooldown: bool,
    metric_value: Option<f64>,
    breach_threshold: Option<f64>,
}

impl Kind {
    const fn name(&self) -> &'static str {
        match self {
            Self::Simple { .. } => "SimpleScaling",
            Self::Step { .. } => "StepScaling",
            Self::Tracking(_) => "TargetTrackingScaling",
        }
    }
}

impl Adjustment {
    /// The capacity that `by` makes of `capacity`, before the group's bounds.
    fn of(self, capacity: u32, by: i32) -> i64 {
        let (capacity, by) = (i64::from(capacity), i64::from(by));
        match self.kind {
            AdjustmentType::Change => capacity + by,
            AdjustmentType::Exact => by,
            AdjustmentType::PercentChange => {
                // Towards zero, but at least one.
                let change = capacity * by / 100;
                let change = if change == 0 { by.signum() } else { change };
                let least = i64::from(self.min_magnitude.unwrap_or(0));
                capacity + if change < 0 { change.min(-least) } else { change.max(least) }
            }
        }
    }
}

impl AdjustmentType {
    const fn name(self) -> &'static str {
        match self {
            Self::Change => "ChangeInCapacity",
            Self::Exact => "ExactCapacity",
            Self::PercentChange => "PercentChangeInCapacity",
        }
    }
}

impl StepAdjustment {
    /// Whether a metric that is `beyond` the threshold belongs to this step.
    fn holds(&self, beyond: f64) -> bool {
        let (lower, upper) = (self.metric_interval_lower_bound, self.metric_interval_upper_bound);
        if beyond >= 0.0 {
            lower.is_none_or(|lower| beyond >= lower) && upper.is_none_or(|upper| beyond < upper)
        } else {
            lower.is_none_or(|lower| beyond > lower) && upper.is_none_or(|upper| beyond <= upper)
        }
    }
}

impl Put {
    fn kind(&mut self, ctx: &Ctx<'_>, group: &Group, policy_id: &str) -> Result<Kind, ApiError> {
        let of_type =
            |what: &str, kind: &str| Err(ApiError::validation(format!("{what} is not for policies of type {kind}")));
        let kind = self.policy_type.as_deref().unwrap_or("SimpleScaling");
        if kind != "SimpleScaling" && self.scaling_adjustment.is_some() {
            return of_type("ScalingAdjustment", kind);
        }
        if kind != "SimpleScaling" && self.cooldown.is_some() {
            return of_type("Cooldown", kind);
        }
        if kind != "StepScaling" && !self.step_adjustments.is_empty() {
            return of_type("StepAdjustments", kind);
        }
        if kind != "StepScaling" && self.metric_aggregation_type.is_some() {
            return of_type("MetricAggregationType", kind);
        }
        if kind != "TargetTrackingScaling" && self.target_tracking_configuration.is_some() {
            return of_type("TargetTrackingConfiguration", kind);
        }
        if kind == "SimpleScaling" && self.estimated_instance_warmup.is_some() {
            return of_type("EstimatedInstanceWarmup", kind);
        }
        let adjustment = |kind: Option<AdjustmentType>, min_magnitude: Option<u32>| {
            let kind = kind.ok_or_else(|| ApiError::validation("AdjustmentType is required for this policy type"))?;
            if min_magnitude.is_some() && kind != AdjustmentType::PercentChange {
                return Err(ApiError::validation("MinAdjustmentMagnitude is for PercentChangeInCapacity only"));
            }
            Ok(Adjustment { kind, min_magnitude })
        };
        match kind {
            "SimpleScaling" => {
                let by = self.scaling_adjustment;
                Ok(Kind::Simple {
                    adjustment: adjustment(self.adjustment_type, self.min_adjustment_magnitude)?,
                    by: by.ok_or_else(|| ApiError::validation("ScalingAdjustment is required for SimpleScaling"))?,
                    cooldown_s: self.cooldown,
                })
            }
            "StepScaling" => {
                let steps = std::mem::take(&mut self.step_adjustments);
                if steps.is_empty() || steps.len() > STEPS_MAX {
                    let said = format!("A step scaling policy has between 1 and {STEPS_MAX} step adjustments");
                    return Err(ApiError::validation(said));
                }
                Ok(Kind::Step {
                    adjustment: adjustment(self.adjustment_type, self.min_adjustment_magnitude)?,
                    steps,
                    aggregation: self.metric_aggregation_type.unwrap_or_default(),
                    warmup_s: self.estimated_instance_warmup,
                })
            }
            "TargetTrackingScaling" => {
                if self.adjustment_type.is_some() || self.min_adjustment_magnitude.is_some() {
                    return of_type("AdjustmentType", kind);
                }
                let given = self.target_tracking_configuration.take();
                let given = given.ok_or_else(|| {
                    ApiError::validation("TargetTrackingConfiguration is required for TargetTrackingScaling")
                })?;
                Tracking::read(ctx, group, given, self.estimated_instance_warmup, policy_id).map(Kind::Tracking)
            }
            other => Err(ApiError::validation(format!(
                "Policy type '{other}' is not valid (or not modelled by the dev cloud): expected SimpleScaling, \
                 StepScaling or TargetTrackingScaling"
            ))),
        }
    }
}

pub(super) fn put(ctx: &mut Ctx<'_>, mut input: Put) -> Answer {
    let group = input.auto_scaling_group_name.clone();
    with_group(ctx, &group, |ctx, group| {
        let name = input.policy_name.clone();
        if name.is_empty() || name.chars().count() > 255 {
            return Err(ApiError::validation("A policy name has 1 to 255 characters"));
        }
        let old = group.policies.get(&name);
        if old.is_none() && group.policies.len() >= POLICIES_MAX {
            let said = format!("An Auto Scaling group has at most {POLICIES_MAX} scaling policies");
            return Err(ApiError::new("LimitExceeded", said));
        }
        let id = uuid(ctx);
        let arn = old.map(|old| old.arn.clone()).unwrap_or_else(|| {
            let resource = format!("scalingPolicy:{id}:autoScalingGroupName/{}:policyName/{name}", group.name);
            ctx.region.arn(Service::AutoScaling, resource)
        });
        let kind = input.kind(ctx, group, &id)?;
        let policy = Policy { name: name.clone(), arn, enabled: input.enabled.unwrap_or(true), kind };
        if let Some(old) = group.policies.remove(&name) {
            remove_alarms(ctx, &old);
        }
        if let Kind::Tracking(tracking) = &policy.kind {
            alarms::put(ctx, tracking, &policy.arn);
        }
        let mut xml = Xml::default();
        xml.leaf("PolicyARN", &policy.arn);
        write_alarms(&mut xml, ctx, &policy);
        group.policies.insert(name, policy);
        Ok(xml)
    })
}

/// The alarms of a target tracking policy are the policy's own.
pub(super) fn remove_alarms(ctx: &mut Ctx<'_>, policy: &Policy) {
    if let Kind::Tracking(tracking) = &policy.kind {
        alarms::remove(ctx, tracking);
    }
}

fn write_alarms(xml: &mut Xml, ctx: &Ctx<'_>, policy: &Policy) {
    let alarms = alarms_of(ctx, policy);
    xml.list("Alarms", "member", alarms, |xml, (name, arn)| {
        xml.leaf("AlarmName", name).leaf("AlarmARN", arn);
    });
}

/// The group and the name of the policy that is meant; a policy may be named by its ARN alone.
fn find(ctx: &Ctx<'_>, group: Option<&str>, policy: &str) -> Result<(String, String), ApiError> {
    let state = &ctx.region.autoscaling;
    let none = || ApiError::validation(format!("PolicyName not found - No policy found with name or ARN: {policy}"));
    if let Some(group) = group {
        state.group(group)?;
    } else if !policy.starts_with("arn:") {
        return Err(ApiError::validation("Without an AutoScalingGroupName, PolicyName must be the policy's ARN"));
    }
    let groups = state.groups.values().filter(|each| group.is_none_or(|group| each.name == group));
    let mut all = groups.flat_map(|group| group.policies.values().map(move |each| (group, each)));
    let found = all.find(|(_, each)| each.name == policy || each.arn == policy);
    found.map(|(group, each)| (group.name.clone(), each.name.clone())).ok_or_else(none)
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let (group, name) = find(ctx, input.auto_scaling_group_name.as_deref(), &input.policy_name)?;
    with_group(ctx, &group, |ctx, group| {
        if let Some(policy) = group.policies.remove(&name) {
            remove_alarms(ctx, &policy);
        }
        Ok(Xml::default())
    })
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let state = &ctx.region.autoscaling;
    if let Some(name) = &input.auto_scaling_group_name {
        state.group(name)?;
    }
    let (names, types) = (&input.policy_names, &input.policy_types);
    let all = state.groups.values().flat_map(|group| group.policies.values().map(move |policy| (group, policy)));
    let found = all
        .filter(|(group, _)| input.auto_scaling_group_name.as_ref().is_none_or(|name| *name == group.name))
        .filter(|(_, policy)| names.is_empty() || names.contains(&policy.name) || names.contains(&policy.arn))
        .filter(|(_, policy)| types.is_empty() || types.iter().any(|kind| kind == policy.kind.name()))
        .collect();
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (50, 100) };
    let mut xml = Xml::default();
    let key = |(_, policy): &(&Group, &Policy)| policy.arn.clone();
    paging.write(&mut xml, found, key, "ScalingPolicies", |xml, (group, policy)| {
        xml.leaf("AutoScalingGroupName", &group.name).leaf("PolicyName", &policy.name);
        xml.leaf("PolicyARN", &policy.arn).leaf("PolicyType", policy.kind.name());
        let write_adjustment = |xml: &mut Xml, adjustment: &Adjustment| {
            xml.leaf("AdjustmentType", adjustment.kind.name());
            xml.leaf_if("MinAdjustmentMagnitude", adjustment.min_magnitude);
        };
        match &policy.kind {
            Kind::Simple { adjustment, by, cooldown_s } => {
                write_adjustment(xml, adjustment);
                xml.leaf("ScalingAdjustment", by).leaf_if("Cooldown", *cooldown_s);
            }
            Kind::Step { adjustment, steps, aggregation, warmup_s } => {
                write_adjustment(xml, adjustment);
                xml.list("StepAdjustments", "member", steps, |xml, step| {
                    xml.leaf_if("MetricIntervalLowerBound", step.metric_interval_lower_bound);
                    xml.leaf_if("MetricIntervalUpperBound", step.metric_interval_upper_bound);
                    xml.leaf("ScalingAdjustment", step.scaling_adjustment);
                });
                let name = match aggregation {
                    Aggregation::Average => "Average",
                    Aggregation::Minimum => "Minimum",
                    Aggregation::Maximum => "Maximum",
                };
                xml.leaf("MetricAggregationType", name).leaf_if("EstimatedInstanceWarmup", *warmup_s);
            }
            Kind::Tracking(tracking) => tracking.write(xml),
        }
        write_alarms(xml, ctx, policy);
        xml.leaf("Enabled", policy.enabled);
    })?;
    Ok(xml)
}

pub(super) fn execute(ctx: &mut Ctx<'_>, input: Execute) -> Answer {
    let now = ctx.cloud.clock.now();
    let (group, name) = find(ctx, input.auto_scaling_group_name.as_deref(), &input.policy_name)?;
    with_group(ctx, &group, |_, group| {
        let Some(policy) = group.policies.get(&name).cloned() else { return Ok(Xml::default()) };
        let beyond = match (&policy.kind, input.metric_value, input.breach_threshold) {
            (Kind::Tracking(_), ..) => {
                return Err(ApiError::validation("ExecutePolicy is not for target tracking scaling policies"));
            }
            (Kind::Step { .. }, Some(value), Some(threshold)) => Some(value - threshold),
            (Kind::Step { .. }, ..) => {
                return Err(ApiError::validation(
                    "MetricValue and BreachThreshold are required for step scaling policies",
                ));
            }
            (Kind::Simple { .. }, None, None) => None,
            (Kind::Simple { .. }, ..) => {
                return Err(ApiError::validation("MetricValue and BreachThreshold are for step scaling policies only"));
            }
        };
        if input.honor_cooldown {
            check_cooldown(group, now, cooldown_s(group, &policy))?;
        }
        let why = |name: &str| format!("{} a user request executed policy {name}", at(now));
        apply(group, &policy, beyond, &why(&name));
        Ok(Xml::default())
    })
}

fn cooldown_s(group: &Group, policy: &Policy) -> u32 {
    match policy.kind {
        Kind::Simple { cooldown_s, .. } => cooldown_s.unwrap_or(group.settings.cooldown_s),
        Kind::Step { .. } | Kind::Tracking(_) => 0,
    }
}

/// Changes the desired capacity by what a simple or step policy says.
fn apply(group: &mut Group, policy: &Policy, beyond: Option<f64>, why: &str) {
    let capacity = group.desired;
    let wanted = match &policy.kind {
        Kind::Simple { adjustment, by, .. } => adjustment.of(capacity, *by),
        Kind::Step { adjustment, steps, .. } => {
            let step = beyond.and_then(|beyond| steps.iter().find(|step| step.holds(beyond)));
            let Some(step) = step else { return };
            adjustment.of(capacity, step.scaling_adjustment)
        }
        Kind::Tracking(_) => return,
    };
    let (min, max) = (group.settings.min, group.settings.max);
    let wanted = u32::try_from(wanted.max(0)).unwrap_or(u32::MAX).clamp(min, max);
    group.want(wanted, |old, new| format!("{why} changing the desired capacity from {old} to {new}."));
}

/// An alarm has this policy among its actions: it has gone into `ALARM`, or it still is in it a minute later.
///
/// # Errors
/// There is no such policy; nothing was done because the policy, or the process, is switched off.
pub(super) fn alarmed(
    ctx: &mut Ctx<'_>,
    policy_arn: &str,
    alarm: &str,
    (value, threshold): (Option<f64>, f64),
) -> Result<(), String> {
    let now = ctx.cloud.clock.now();
    let (group, name) = find(ctx, None, policy_arn).map_err(|error| error.message)?;
    let done = with_group(ctx, &group, |_, group| {
        let Some(policy) = group.policies.get(&name).cloned() else { return Ok(()) };
        if !policy.enabled {
            return Err(ApiError::validation(format!("the policy {name} is not enabled")));
        }
        if !group.runs(Process::AlarmNotification) {
            return Err(ApiError::validation("the process AlarmNotification is suspended"));
        }
        check_cooldown(group, now, cooldown_s(group, &policy)).or_else(|error| match policy.kind {
            // Only simple scaling waits for activities and cooldowns.
            Kind::Simple { .. } => Err(error),
            Kind::Step { .. } | Kind::Tracking(_) => Ok(()),
        })?;
        let why = format!("{} a monitor alarm {alarm} in state ALARM triggered policy {name}", at(now));
        if let Kind::Tracking(tracking) = &policy.kind {
            let (min, max) = (group.settings.min, group.settings.max);
            let wanted = tracking.wanted(group, alarm == tracking.high_alarm, value, now).clamp(min, max);
            group.want(wanted, |old, new| format!("{why} changing the desired capacity from {old} to {new}."));
        } else {
            apply(group, &policy, value.map(|value| value - threshold), &why);
        }
        Ok(())
    });
    done.map_err(|error| error.message)
}
