//! `DescribeTargetHealth`: the state of each target, with AWS's reason and words for it.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::Elb;
use super::groups::TargetGroup;
use super::protocols::not_in_enum;
use super::recording::Health;
use super::registration::TargetIn;
use super::targets::{Key, Target};
use crate::dev::cloud::Cloud;
use crate::dev::model::ec2::Ec2;
use crate::dev::model::{Answer, Ctx};
use crate::dev::observe::TargetSeen;
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    target_group_arn: String,
    #[serde(default)]
    targets: Vec<TargetIn>,
    #[serde(default)]
    include: Vec<String>,
}

/// A state, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told<'a> {
    /// One of AWS's seven.
    pub(crate) state: &'static str,
    /// One of AWS's twelve and its words; a healthy target has none.
    pub(crate) why: Option<(&'static str, &'a str)>,
}

impl Elb {
    /// From when on a target in use is checked: its registration takes a moment, and so does a new load balancer.
    pub(super) fn checked_from(&self, cloud: &Cloud, group: &TargetGroup, target: &Target) -> Timestamp {
        let registered = target.entered + cloud.timing.balancing.registration;
        let active = group.user.as_ref().and_then(|arn| self.balancers.get(arn)).map(|balancer| balancer.active);
        active.map_or(registered, |active| registered.max(active))
    }

    /// What AWS says about a target.
    pub(super) fn tell<'a>(
        &self,
        cloud: &Cloud,
        ec2: &Ec2,
        group: &TargetGroup,
        target: Option<&'a Target>,
    ) -> Told<'a> {
        let told = |state, why| Told { state, why: Some(why) };
        let Some(target) = target else {
            return told("unused", ("Target.NotRegistered", "Target is not registered to the target group"));
        };
        if target.drains.is_some() {
            return told("draining", ("Target.DeregistrationInProgress", "Target deregistration is in progress"));
        }
        if let Some(unused) = self.unused(ec2, group, target) {
            return told("unused", unused.told());
        }
        let now = cloud.clock.now();
        match target.record.health() {
            Health::Initial if now < self.checked_from(cloud, group, target) => {
                told("initial", ("Elb.RegistrationInProgress", "Target registration is in progress"))
            }
            Health::Initial => told("initial", ("Elb.InitialHealthChecking", "Initial health checks in progress")),
            Health::Healthy => Told { state: "healthy", why: None },
            Health::Unhealthy(_) if now < drained(group, target) => Told { state: "unhealthy.draining", why: None },
            Health::Unhealthy(failure) => told("unhealthy", (failure.reason.name(), &failure.words)),
        }
    }
}

impl Elb {
    /// The targets of a group for whoever looks past the API; `None` where there is no such group.
    pub(crate) fn targets_seen(&self, cloud: &Cloud, ec2: &Ec2, arn: &str) -> Option<Vec<TargetSeen>> {
        let group = self.groups.get(arn)?;
        let seen = |(key, target): (&Key, &Target)| {
            let state = self.tell(cloud, ec2, group, Some(target)).state;
            TargetSeen { id: key.0.clone(), port: key.1, state }
        };
        Some(group.targets.iter().map(seen).collect())
    }
}

/// Until when a Network Load Balancer leaves the connections of an unhealthy target alone.
fn drained(group: &TargetGroup, target: &Target) -> Timestamp {
    let interval = group.attribute("target_health_state.unhealthy.draining_interval_seconds");
    let kept = group.attribute("target_health_state.unhealthy.connection_termination.enabled") == "false";
    match (target.unhealthy, interval.parse()) {
        (Some(since), Ok(seconds)) if kept => since + Duration::from_secs(seconds),
        _ => Timestamp::MIN,
    }
}

/// Asking for a target that is not registered is no mistake: it is `unused`.
pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let region = &*ctx.region;
    let group = region.elb.group(&input.target_group_arn)?;
    if let Some(unknown) = input.include.iter().find(|each| !matches!(each.as_str(), "AnomalyDetection" | "All")) {
        return Err(not_in_enum(unknown, "include", &["AnomalyDetection", "All"]));
    }
    if input.targets.iter().any(|target| target.id.is_empty()) {
        return Err(ApiError::validation("A target id must be specified"));
    }
    let mut keys: Vec<Key> = Vec::new();
    for named in &input.targets {
        match named.port()? {
            Some(port) => keys.push((named.id.clone(), port)),
            None => {
                // Without a port, all that are registered with this id.
                let before = keys.len();
                keys.extend(group.targets.keys().filter(|(id, _)| *id == named.id).cloned());
                if keys.len() == before {
                    keys.push((named.id.clone(), group.settings.port));
                }
            }
        }
    }
    if input.targets.is_empty() {
        keys.extend(group.targets.keys().cloned());
    }
    let anomalies = !input.include.is_empty() && group.settings.protocol.is_http();
    let mut xml = Xml::default();
    xml.list("TargetHealthDescriptions", "member", keys, |xml, key| {
        let target = group.targets.get(&key);
        xml.node("Target", |xml| {
            xml.leaf("Id", &key.0).leaf("Port", key.1);
            xml.leaf_if("AvailabilityZone", target.filter(|_| group.settings.by_address).map(|target| &target.zone));
        });
        xml.leaf("HealthCheckPort", group.check.port_of(key.1));
        let told = region.elb.tell(ctx.cloud, &region.ec2, group, target);
        xml.node("TargetHealth", |xml| write(xml, &told));
        if anomalies && told.state == "healthy" {
            // Nothing here makes a target answer worse than its fellows without anybody noticing.
            xml.node("AnomalyDetection", |xml| {
                xml.leaf("Result", "normal").leaf("MitigationInEffect", "no");
            });
        }
    });
    Ok(xml)
}

fn write(xml: &mut Xml, told: &Told<'_>) {
    xml.leaf("State", told.state);
    if let Some((reason, words)) = told.why {
        xml.leaf("Reason", reason).leaf("Description", words);
    }
}
