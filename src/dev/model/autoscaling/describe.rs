//! `DescribeAutoScalingGroups` and `DescribeAutoScalingInstances`.

use serde::Deserialize;

use super::group::Group;
use super::member::Member;
use super::{Filter, Paging, tagging};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Groups {
    #[serde(default)]
    auto_scaling_group_names: Vec<String>,
    include_instances: Option<bool>,
    next_token: Option<String>,
    max_records: Option<u32>,
    #[serde(default)]
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Instances {
    #[serde(default)]
    instance_ids: Vec<String>,
    max_records: Option<u32>,
    next_token: Option<String>,
}

impl Filter {
    /// Whether a group passes: `tag-key`, `tag-value` and `tag:KEY`.
    fn passes(&self, group: &Group) -> Result<bool, ApiError> {
        let any = |text: &String| self.values.contains(text);
        match self.name.as_str() {
            "tag-key" => Ok(group.tags.keys().any(any)),
            "tag-value" => Ok(group.tags.values().any(|tag| any(&tag.value))),
            name => match name.strip_prefix("tag:") {
                Some(key) => Ok(group.tags.get(key).is_some_and(|tag| any(&tag.value))),
                None => Err(ApiError::validation(format!(
                    "Filter '{name}' is not valid (or not modelled by the dev cloud): expected tag-key, tag-value or \
                     tag:KEY"
                ))),
            },
        }
    }
}

/// Groups that do not exist are left out, as on AWS.
pub(super) fn groups(ctx: &mut Ctx<'_>, input: Groups) -> Answer {
    let names = &input.auto_scaling_group_names;
    let mut found = Vec::new();
    for group in ctx.region.autoscaling.groups.values() {
        let mut wanted = names.is_empty() || names.contains(&group.name) || names.contains(&group.arn);
        for filter in &input.filters {
            wanted &= filter.passes(group)?;
        }
        if wanted {
            found.push(group);
        }
    }
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (50, 100) };
    let with_instances = input.include_instances.unwrap_or(true);
    let mut xml = Xml::default();
    let key = |group: &&Group| group.name.clone();
    paging.write(&mut xml, found, key, "AutoScalingGroups", |xml, group| write(xml, group, with_instances))?;
    Ok(xml)
}

fn write(xml: &mut Xml, group: &Group, with_instances: bool) {
    let settings = &group.settings;
    xml.leaf("AutoScalingGroupName", &group.name).leaf("AutoScalingGroupARN", &group.arn);
    settings.template.write(xml);
    xml.leaf("MinSize", settings.min).leaf("MaxSize", settings.max).leaf("DesiredCapacity", group.desired);
    xml.leaf("DefaultCooldown", settings.cooldown_s);
    xml.texts("AvailabilityZones", "member", settings.zones());
    xml.texts("LoadBalancerNames", "member", Vec::<String>::new());
    xml.texts("TargetGroupARNs", "member", group.attached());
    xml.leaf("HealthCheckType", &settings.health_check_type).leaf("HealthCheckGracePeriod", settings.grace_s);
    let members = group.members.values().filter(|member| with_instances && member.pool.is_none());
    xml.list("Instances", "member", by_number(members), write_member);
    xml.leaf("CreatedTime", group.created);
    xml.list("SuspendedProcesses", "member", &group.suspended, |xml, (process, reason)| {
        xml.leaf("ProcessName", process.name()).leaf("SuspensionReason", reason);
    });
    let subnets: Vec<_> = settings.subnets.iter().map(|(id, _)| id.as_str()).collect();
    xml.leaf("VPCZoneIdentifier", subnets.join(","));
    xml.texts("EnabledMetrics", "member", Vec::<String>::new());
    if group.deleting {
        xml.leaf("Status", "Delete in progress");
    }
    xml.list("Tags", "member", &group.tags, |xml, (key, tag)| tagging::write(xml, &group.name, key, tag));
    xml.texts("TerminationPolicies", "member", settings.termination.iter().map(|policy| policy.name()));
    xml.leaf("NewInstancesProtectedFromScaleIn", settings.protect_new);
    xml.leaf("CapacityRebalance", false).leaf_if("Context", settings.context.as_ref());
    if let Some(pool) = &group.warm_pool {
        xml.node("WarmPoolConfiguration", |xml| pool.write(xml));
        xml.leaf("WarmPoolSize", group.count(|member| member.pool.is_some()));
    }
    xml.leaf_if("DefaultInstanceWarmup", settings.warmup_s);
    xml.list("TrafficSources", "member", group.attached(), |xml, arn| {
        xml.leaf("Identifier", arn).leaf("Type", "elbv2");
    });
    if let Some(maintenance) = settings.maintenance {
        xml.node("InstanceMaintenancePolicy", |xml| {
            xml.leaf("MinHealthyPercentage", maintenance.min_percent);
            xml.leaf("MaxHealthyPercentage", maintenance.max_percent);
        });
    }
    xml.leaf("DeletionProtection", settings.deletion_protection.name());
    xml.node("AvailabilityZoneDistribution", |xml| {
        let strategy = if settings.balanced_only { "balanced-only" } else { "balanced-best-effort" };
        xml.leaf("CapacityDistributionStrategy", strategy);
    });
}

/// In the order of their launches.
pub(super) fn by_number<'a>(members: impl Iterator<Item = &'a Member>) -> Vec<&'a Member> {
    let mut members: Vec<_> = members.collect();
    members.sort_by_key(|member| member.number);
    members
}

/// An instance as groups and warm pools list it.
pub(super) fn write_member(xml: &mut Xml, member: &Member) {
    xml.leaf("InstanceId", &member.id).leaf("InstanceType", &member.instance_type);
    xml.leaf("AvailabilityZone", &member.zone).leaf("LifecycleState", member.lifecycle_state());
    xml.leaf("HealthStatus", member.health_status());
    if let Some(template) = &member.template {
        template.write(xml);
    }
    xml.leaf("ImageId", &member.image).leaf("ProtectedFromScaleIn", member.protected);
}

/// Instances that are in no group are left out.
pub(super) fn instances(ctx: &mut Ctx<'_>, input: Instances) -> Answer {
    let ids = &input.instance_ids;
    let all = ctx.region.autoscaling.groups.values().flat_map(|group| {
        by_number(group.members.values()).into_iter().map(move |member| (group.name.as_str(), member))
    });
    let found = all.filter(|(_, member)| ids.is_empty() || ids.contains(&member.id)).collect();
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (50, 50) };
    let mut xml = Xml::default();
    let key = |(_, member): &(&str, &Member)| member.id.clone();
    paging.write(&mut xml, found, key, "AutoScalingInstances", |xml, (group, member)| {
        // Alone among AWS's texts, this one is in capitals.
        let health = member.health_status().to_ascii_uppercase();
        xml.leaf("InstanceId", &member.id).leaf("InstanceType", &member.instance_type);
        xml.leaf("AutoScalingGroupName", group).leaf("AvailabilityZone", &member.zone);
        xml.leaf("LifecycleState", member.lifecycle_state()).leaf("HealthStatus", health);
        if let Some(template) = &member.template {
            template.write(xml);
        }
        xml.leaf("ImageId", &member.image).leaf("ProtectedFromScaleIn", member.protected);
    })?;
    Ok(xml)
}
