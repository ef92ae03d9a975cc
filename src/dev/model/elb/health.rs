//! The health of targets: one task per target checks it for as long as it is registered and in use.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::targets::{TargetIn, Unused};
use crate::dev::cloud::Cloud;
use crate::dev::model::{Answer, Ctx, Place, Region};
use crate::dev::plane::{self, ProbeResult, TargetState};
use crate::dev::wire::{ApiError, Xml};

/// What the checks of a target in use have found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    /// No check has passed yet, and not enough have failed.
    Initial,
    Healthy,
    /// AWS's reason and words for the last failure.
    Unhealthy(&'static str, String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    target_group_arn: String,
    #[serde(default)]
    targets: Vec<TargetIn>,
}

impl Health {
    pub(super) const fn state(&self) -> TargetState {
        match self {
            Self::Initial => TargetState::Initial,
            Self::Healthy => TargetState::Healthy,
            Self::Unhealthy(..) => TargetState::Unhealthy,
        }
    }
}

/// What the task of a target does next.
enum Next {
    /// The target is gone, or draining: AWS does not check draining targets either.
    End,
    /// It is not in use: nothing until something changes.
    Wait,
    Check(SocketAddr, plane::HealthCheck, Duration),
}

/// Identifies one registration of one target.
#[derive(Clone)]
struct Registration {
    place: Place,
    group: String,
    key: (String, u16),
    serial: u64,
}

/// Checks a target until it is deregistered.
pub(super) fn watch(cloud: &Arc<Cloud>, place: &Place, group: &str, key: &(String, u16), serial: u64) {
    let this = Registration { place: place.clone(), group: group.to_owned(), key: key.clone(), serial };
    let weak = Arc::downgrade(cloud);
    let mut changes = cloud.changes();
    cloud.spawn(async move {
        loop {
            changes.mark_unchanged();
            // Between checks the task does not keep the cloud alive.
            let Some(cloud) = weak.upgrade() else { return };
            match this.next(&cloud) {
                Next::End => return,
                Next::Wait => {
                    drop(cloud);
                    if changes.changed().await.is_err() {
                        return;
                    }
                }
                Next::Check(address, check, interval) => {
                    let result = plane::probe(&cloud.network, address, &check).await;
                    this.record(&cloud, &result);
                    drop(cloud);
                    tokio::time::sleep(interval).await;
                }
            }
        }
    });
}

impl Registration {
    fn next(&self, cloud: &Cloud) -> Next {
        let mut world = cloud.world();
        let (region, _) = world.region(&self.place);
        let Some(group) = region.elb.groups.get(&self.group) else { return Next::End };
        let Some(target) = group.targets.get(&self.key).filter(|target| target.serial == self.serial) else {
            return Next::End;
        };
        if target.draining {
            return Next::End;
        }
        if unused(region, &self.group, target).is_some() {
            return Next::Wait;
        }
        let address = SocketAddr::new(target.plane.address().ip(), group.check.port_of(self.key.1));
        let interval = Duration::from_secs(group.check.interval_s.into()) / cloud.timing.health_speed.max(1);
        Next::Check(address, group.check.probe(), interval)
    }

    /// Writes down what a check found, unless the target's situation has changed meanwhile.
    fn record(&self, cloud: &Cloud, result: &ProbeResult) {
        let mut world = cloud.world();
        let (region, _) = world.region(&self.place);
        let still_used =
            region.elb.groups.get(&self.group).and_then(|group| group.targets.get(&self.key)).is_some_and(|target| {
                target.serial == self.serial && !target.draining && unused(region, &self.group, target).is_none()
            });
        let Some(group) = region.elb.groups.get_mut(&self.group).filter(|_| still_used) else { return };
        let (healthy, unhealthy) = (group.check.healthy, group.check.unhealthy);
        let Some(target) = group.targets.get_mut(&self.key) else { return };
        let failure = result.reason().map(|reason| (reason, result.description().unwrap_or_default()));
        match (&target.health, failure) {
            // One is enough for a new target; the threshold is for those that were unhealthy.
            (Health::Initial, None) => target.health = Health::Healthy,
            (Health::Healthy, None) => {}
            (Health::Unhealthy(..), None) => {
                target.against += 1;
                if target.against < healthy {
                    return;
                }
                target.health = Health::Healthy;
            }
            (Health::Initial | Health::Healthy, Some((reason, words))) => {
                target.against += 1;
                if target.against < unhealthy {
                    return;
                }
                target.health = Health::Unhealthy(reason, words);
            }
            (Health::Unhealthy(..), Some((reason, words))) => target.health = Health::Unhealthy(reason, words),
        }
        target.against = 0;
        target.plane.set_state(target.health.state());
    }
}

pub(super) fn unused(region: &Region, group: &str, target: &super::targets::Target) -> Option<Unused> {
    let references = region.elb.references();
    let user = references.get(group).and_then(|balancer| region.elb.balancers.get(balancer));
    target.unused(&region.ec2, user)
}

/// Asking for a target that is not registered is no mistake: it is `unused`.
pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let region = &*ctx.region;
    let group = region.elb.group(&input.target_group_arn)?;
    if input.targets.iter().any(|target| target.id.is_empty()) {
        return Err(ApiError::validation("A target id must be specified"));
    }
    let keys: Vec<(String, u16)> = if input.targets.is_empty() {
        group.targets.keys().cloned().collect()
    } else {
        input.targets.into_iter().map(|each| (each.id, each.port.unwrap_or(group.settings.port))).collect()
    };
    let mut xml = Xml::default();
    xml.list("TargetHealthDescriptions", "member", keys, |xml, key| {
        let target = group.targets.get(&key);
        xml.node("Target", |xml| {
            xml.leaf("Id", &key.0).leaf("Port", key.1);
            xml.leaf_if("AvailabilityZone", target.filter(|_| group.settings.by_address).map(|target| &target.zone));
        });
        xml.leaf("HealthCheckPort", group.check.port_of(key.1));
        xml.node("TargetHealth", |xml| {
            let (state, reason, words) = match target {
                None => ("unused", "Target.NotRegistered", "Target is not registered to the target group"),
                Some(target) if target.draining => {
                    ("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
                }
                Some(target) => match (unused(region, &group.arn, target), &target.health) {
                    (Some(Unused::NotInUse), _) => (
                        "unused",
                        "Target.NotInUse",
                        "Target group is not configured to receive traffic from the load balancer",
                    ),
                    (Some(Unused::ZoneNotEnabled), _) => (
                        "unused",
                        "Target.NotInUse",
                        "Target is in an Availability Zone that is not enabled for the load balancer",
                    ),
                    (Some(Unused::InvalidState), _) => {
                        ("unused", "Target.InvalidState", "Target is in the terminated state")
                    }
                    (None, Health::Initial) => {
                        ("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
                    }
                    (None, Health::Healthy) => {
                        xml.leaf("State", "healthy");
                        return;
                    }
                    (None, Health::Unhealthy(reason, words)) => ("unhealthy", *reason, words.as_str()),
                },
            };
            xml.leaf("State", state).leaf("Reason", reason).leaf("Description", words);
        });
    });
    Ok(xml)
}
