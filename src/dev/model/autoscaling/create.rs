//! `CreateAutoScalingGroup`, and what it and `UpdateAutoScalingGroup` read.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::activity::at;
use super::group::{DeletionProtection, Failures, Group, GroupTag, Maintenance, Settings};
use super::hooks::{self, HookIn};
use super::select::Termination;
use super::sources::{self, SourceIn};
use super::tagging::{self, TagIn};
use super::template::TemplateIn;
use super::uuid;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Service, Xml};

/// A group as a request gives it. Parameters that only creation has are refused by an update.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct GroupIn {
    pub(super) auto_scaling_group_name: String,
    pub(super) launch_template: Option<TemplateIn>,
    pub(super) min_size: Option<u32>,
    pub(super) max_size: Option<u32>,
    pub(super) desired_capacity: Option<u32>,
    default_cooldown: Option<u32>,
    #[serde(default)]
    availability_zones: Vec<String>,
    #[serde(rename = "VPCZoneIdentifier")]
    vpc_zone_identifier: Option<String>,
    health_check_type: Option<String>,
    health_check_grace_period: Option<u32>,
    default_instance_warmup: Option<i64>,
    termination_policies: Option<Vec<String>>,
    new_instances_protected_from_scale_in: Option<bool>,
    deletion_protection: Option<DeletionProtection>,
    context: Option<String>,
    availability_zone_distribution: Option<Distribution>,
    instance_maintenance_policy: Option<MaintenanceIn>,
    capacity_rebalance: Option<bool>,
    max_instance_lifetime: Option<u32>,
    desired_capacity_type: Option<String>,
    skip_zonal_shift_validation: Option<bool>,
    #[serde(default, rename = "TargetGroupARNs")]
    pub(super) target_group_arns: Vec<String>,
    #[serde(default)]
    pub(super) traffic_sources: Vec<SourceIn>,
    #[serde(default)]
    pub(super) lifecycle_hook_specification_list: Vec<HookIn>,
    #[serde(default)]
    pub(super) tags: Vec<TagIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Distribution {
    capacity_distribution_strategy: Option<Strategy>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Strategy {
    BalancedOnly,
    BalancedBestEffort,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct MaintenanceIn {
    min_healthy_percentage: Option<i32>,
    max_healthy_percentage: Option<i32>,
}

impl MaintenanceIn {
    /// -1 for both removes the policy.
    fn read(&self) -> Result<Option<Maintenance>, ApiError> {
        let (min, max) = (self.min_healthy_percentage, self.max_healthy_percentage);
        match (min, max) {
            (Some(-1), Some(-1)) => Ok(None),
            (Some(min @ 0..=100), Some(max @ 100..=200)) if max - min <= 100 => {
                Ok(Some(Maintenance { min_percent: min.unsigned_abs(), max_percent: max.unsigned_abs() }))
            }
            _ => Err(ApiError::validation(
                "An instance maintenance policy has a MinHealthyPercentage from 0 to 100 and a MaxHealthyPercentage from \
                 100 to 200, at most 100 apart, or -1 for both",
            )),
        }
    }
}

/// AWS's default, in seconds.
const COOLDOWN_S: u32 = 300;
/// Groups of one region.
pub(super) const GROUPS_MAX: usize = 500;

impl GroupIn {
    /// The settings that result for a group that has `old`, or for a new one.
    pub(super) fn settings(&mut self, ctx: &mut Ctx<'_>, old: Option<&Settings>) -> Result<Settings, ApiError> {
        self.refuse()?;
        let subnets = match (&self.vpc_zone_identifier, old) {
            (Some(given), _) => subnets(ctx, given)?,
            (None, Some(old)) => old.subnets.clone(),
            (None, None) => {
                return Err(ApiError::validation("At least one Availability Zone or VPC Subnet is required."));
            }
        };
        let template = match (self.launch_template.take(), old) {
            (Some(given), _) => given.check(ctx, subnets.first().map_or("", |(id, _)| id))?,
            (None, Some(old)) => old.template.clone(),
            (None, None) => {
                return Err(ApiError::validation(
                    "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or \
                     MixedInstancesPolicy parameter.",
                ));
            }
        };
        let required = |given: Option<u32>, old: Option<u32>, name: &str| {
            given.or(old).ok_or_else(|| {
                ApiError::validation(format!(
                    "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not \
                     be null"
                ))
            })
        };
        let min = required(self.min_size, old.map(|old| old.min), "minSize")?;
        let max = required(self.max_size, old.map(|old| old.max), "maxSize")?;
        let termination = match &self.termination_policies {
            Some(names) => Termination::read(names)?,
            None => old.map_or_else(|| vec![Termination::Default], |old| old.termination.clone()),
        };
        let maintenance = match &self.instance_maintenance_policy {
            Some(given) => given.read()?,
            None => old.and_then(|old| old.maintenance),
        };
        let warmup_s = match self.default_instance_warmup {
            Some(-1) => None,
            Some(seconds) => Some(u32::try_from(seconds).map_err(|_| {
                ApiError::validation("DefaultInstanceWarmup must be 0 or more seconds, or -1 to remove it")
            })?),
            None => old.and_then(|old| old.warmup_s),
        };
        let balanced_only = match &self.availability_zone_distribution {
            Some(given) => given.capacity_distribution_strategy == Some(Strategy::BalancedOnly),
            None => old.is_some_and(|old| old.balanced_only),
        };
        let settings = Settings {
            min,
            max,
            template,
            subnets,
            cooldown_s: self.default_cooldown.or(old.map(|old| old.cooldown_s)).unwrap_or(COOLDOWN_S),
            health_check_type: match &self.health_check_type {
                Some(given) => health_check_type(given)?,
                None => old.map_or_else(|| "EC2".to_owned(), |old| old.health_check_type.clone()),
            },
            grace_s: self.health_check_grace_period.or(old.map(|old| old.grace_s)).unwrap_or(0),
            warmup_s,
            termination,
            protect_new: self
                .new_instances_protected_from_scale_in
                .or(old.map(|old| old.protect_new))
                .unwrap_or_default(),
            deletion_protection: self
                .deletion_protection
                .or(old.map(|old| old.deletion_protection))
                .unwrap_or_default(),
            context: self.context.clone().or_else(|| old.and_then(|old| old.context.clone())),
            balanced_only,
            maintenance,
        };
        settings.check_sizes()?;
        let zones = settings.zones();
        if let Some(zone) = self.availability_zones.iter().find(|zone| !zones.contains(zone)) {
            return Err(ApiError::validation(format!(
                "The availability zones of the specified subnets and the Auto Scaling group do not match: {zone} is not \
                 among {}",
                zones.join(", ")
            )));
        }
        Ok(settings)
    }

    /// What AWS has and the dev cloud has not.
    fn refuse(&self) -> Result<(), ApiError> {
        let unknown = |name: &str| {
            Err(ApiError::validation(format!("This value of parameter '{name}' is not modelled by the dev cloud")))
        };
        if self.capacity_rebalance == Some(true) {
            return unknown("CapacityRebalance");
        }
        if self.max_instance_lifetime.is_some_and(|seconds| seconds != 0) {
            return unknown("MaxInstanceLifetime");
        }
        if self.desired_capacity_type.as_deref().is_some_and(|kind| kind != "units") {
            return unknown("DesiredCapacityType");
        }
        if self.skip_zonal_shift_validation == Some(true) {
            return unknown("SkipZonalShiftValidation");
        }
        Ok(())
    }
}

fn health_check_type(given: &str) -> Result<String, ApiError> {
    let bad = given.split(',').find(|each| !matches!(*each, "EC2" | "ELB"));
    match bad {
        None => Ok(given.to_owned()),
        Some(kind) => Err(ApiError::validation(format!(
            "Health check type '{kind}' is not valid (or not modelled by the dev cloud). Expected EC2 or ELB"
        ))),
    }
}

/// The subnets of `VPCZoneIdentifier`, which separates them by commas, with their zones.
fn subnets(ctx: &Ctx<'_>, given: &str) -> Result<Vec<(String, String)>, ApiError> {
    let ids: Vec<_> = given.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    if ids.is_empty() {
        return Err(ApiError::validation("At least one Availability Zone or VPC Subnet is required."));
    }
    let mut found: Vec<(String, String)> = Vec::with_capacity(ids.len());
    let mut vpc = None;
    for id in ids {
        let subnet = ctx
            .region
            .ec2
            .subnets
            .get(id)
            .ok_or_else(|| ApiError::validation(format!("The subnet ID '{id}' does not exist")))?;
        if vpc.get_or_insert(&subnet.vpc) != &&subnet.vpc {
            return Err(ApiError::validation("The subnets of an Auto Scaling group must be of one VPC"));
        }
        if found.iter().all(|(known, _)| known != id) {
            found.push((id.to_owned(), subnet.zone.clone()));
        }
    }
    Ok(found)
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.chars().count() > 255 || name.contains(':') || name.chars().any(char::is_control) {
        return Err(ApiError::validation(format!(
            "Auto Scaling group name '{name}' must have 1 to 255 characters, none of them a colon"
        )));
    }
    Ok(())
}

pub(super) fn create(ctx: &mut Ctx<'_>, mut input: GroupIn) -> Answer {
    let now = ctx.cloud.clock.now();
    let name = input.auto_scaling_group_name.clone();
    check_name(&name)?;
    if ctx.region.autoscaling.groups.contains_key(&name) {
        return Err(ApiError::new(
            "AlreadyExists",
            format!("AutoScalingGroup by this name already exists - A group with the name {name} already exists"),
        ));
    }
    if ctx.region.autoscaling.groups.len() >= GROUPS_MAX {
        let said = format!("You have reached the limit of {GROUPS_MAX} Auto Scaling groups in this region");
        return Err(ApiError::new("LimitExceeded", said));
    }
    let settings = input.settings(ctx, None)?;
    let desired = input.desired_capacity.unwrap_or(settings.min);
    settings.check_desired(desired)?;
    let mut tags = BTreeMap::<String, GroupTag>::new();
    tagging::merge(&mut tags, &input.tags, Some(&name))?;
    let id = uuid(ctx);
    let resource = format_args!("autoScalingGroup:{id}:autoScalingGroupName/{name}");
    let mut group = Group {
        arn: ctx.region.arn(Service::AutoScaling, resource),
        name: name.clone(),
        created: now,
        settings,
        desired: 0,
        tags,
        sources: Vec::new(),
        suspended: BTreeMap::new(),
        hooks: BTreeMap::new(),
        policies: BTreeMap::new(),
        scheduled: BTreeMap::new(),
        refreshes: Vec::new(),
        warm_pool: None,
        topics: BTreeMap::new(),
        outbox: Vec::new(),
        members: BTreeMap::new(),
        launched: 0,
        activities: Vec::new(),
        causes: Vec::new(),
        replacing: 0,
        failures: Failures::default(),
        scaled: None,
        rebalancing: false,
        rebalance_after: None,
        deleting: false,
    };
    sources::add_groups(ctx, &mut group, &input.target_group_arns)?;
    sources::add(ctx, &mut group, &input.traffic_sources)?;
    for hook in input.lifecycle_hook_specification_list {
        let hook = hook.read(&name)?;
        hooks::add(ctx, &mut group, hook)?;
    }
    group.want(desired, |old, new| {
        format!(
            "{} a user request created an AutoScalingGroup changing the desired capacity from {old} to {new}.",
            at(now)
        )
    });
    ctx.region.autoscaling.groups.insert(name, group);
    Ok(Xml::default())
}
