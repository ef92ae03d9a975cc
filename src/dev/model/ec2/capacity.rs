//! How many instances fit: capacity of zones and vCPU quota, which a test sets on purpose.

use serde::{Deserialize, Serialize};

use super::Ec2;
use super::placement::{InstanceType, instance_type, zones_of};
use crate::dev::wire::ApiError;

/// A shortage of capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shortage {
    /// The zone; all of them if it is missing.
    #[serde(default)]
    pub zone: Option<String>,
    /// The instance type; all of them if it is missing.
    #[serde(default)]
    pub instance_type: Option<String>,
    /// How many such instances may exist, those that run already included.
    pub instances_max: u32,
    /// Whether it shows late: the launch succeeds, and the instance goes from `pending` to `terminated`.
    #[serde(default)]
    pub late: bool,
}

/// What a region has room for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Capacity {
    pub(crate) shortages: Vec<Shortage>,
    /// vCPUs that instances of the account may have in the region; no limit if it is missing.
    pub(crate) vcpus_max: Option<u32>,
}

/// What a launch gets of what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// How many instances it gets, at most as many as it asked for.
    pub(super) count: u32,
    /// How many of them will never run.
    pub(super) doomed: u32,
}

impl Shortage {
    fn hits(&self, zone: &str, kind: &str) -> bool {
        self.zone.as_deref().is_none_or(|own| own == zone)
            && self.instance_type.as_deref().is_none_or(|own| own == kind)
    }
}

impl Ec2 {
    /// The room for `max` more instances of `kind` in `zone`.
    ///
    /// # Errors
    /// There is none for `min`.
    pub(super) fn room(
        &self,
        region: &str,
        zone: &str,
        kind: &InstanceType,
        (min, max): (u32, u32),
    ) -> Result<Room, ApiError> {
        self.check_vcpus(kind, min)?;
        let left = |shortage: &Shortage| {
            let exist = self.instances.values().filter(|instance| {
                uses_capacity(instance.state)
                    && !instance.doomed
                    && shortage.hits(&instance.zone, &instance.instance_type)
            });
            let exist = u32::try_from(exist.count()).unwrap_or(u32::MAX);
            shortage.instances_max.saturating_sub(exist)
        };
        let hits = || self.capacity.shortages.iter().filter(|shortage| shortage.hits(zone, kind.name));
        let now = hits().filter(|shortage| !shortage.late).map(left).min().unwrap_or(u32::MAX);
        let late = hits().filter(|shortage| shortage.late).map(left).min().unwrap_or(u32::MAX);
        if now < min {
            return Err(insufficient(region, zone, kind.name));
        }
        let count = max.min(now).min(self.vcpu_room(kind));
        Ok(Room { count, doomed: count.saturating_sub(late) })
    }

    fn vcpu_room(&self, kind: &InstanceType) -> u32 {
        let Some(most) = self.capacity.vcpus_max else { return u32::MAX };
        let running = self.instances.values().filter(|instance| uses_capacity(instance.state));
        let used: u32 = running.filter_map(|each| instance_type(&each.instance_type).ok()).map(|kind| kind.vcpus).sum();
        most.saturating_sub(used) / kind.vcpus.max(1)
    }

    fn check_vcpus(&self, kind: &InstanceType, min: u32) -> Result<(), ApiError> {
        match self.capacity.vcpus_max {
            Some(most) if self.vcpu_room(kind) < min => Err(ApiError::new(
                "VcpuLimitExceeded",
                format!(
                    "You have requested more vCPU capacity than your current vCPU limit of {most} allows for the \
                     instance bucket that the specified instance type belongs to. Please visit \
                     http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
                ),
            )),
            _ => Ok(()),
        }
    }
}

const fn uses_capacity(state: super::InstanceState) -> bool {
    use super::InstanceState::{Pending, Running, Stopping};
    matches!(state, Pending | Running | Stopping)
}

fn insufficient(region: &str, zone: &str, kind: &str) -> ApiError {
    let others: Vec<String> = zones_of(region).into_iter().filter(|other| other != zone).collect();
    ApiError::new(
        "InsufficientInstanceCapacity",
        format!(
            "We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). Our \
             system will be working on provisioning additional capacity. You can currently get {kind} capacity by not \
             specifying an Availability Zone in your request or choosing {}.",
            others.join(", ")
        ),
    )
    .status(500)
}
