//! A group's targets: where each of them is, and why it may not be used.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Elb;
use super::balancers::LoadBalancer;
use super::groups::TargetGroup;
use super::recording::Record;
use crate::dev::model::ec2::{Ec2, InstanceState};
use crate::dev::plane::{self, TargetState};

/// The id and the port of a target; the same id can be registered with several ports.
pub(super) type Key = (String, u16);

/// The zone of an address outside of the VPC that every zone sends to.
pub(super) const EVERY_ZONE: &str = "all";

/// A registered target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Target {
    /// Tells it from an earlier target with the same id and port.
    pub(super) serial: u64,
    /// The instance, unless the target is a bare address.
    pub(super) instance: Option<String>,
    pub(super) zone: String,
    pub(super) address: SocketAddr,
    /// When it was registered, or its group came into use again: checks begin some time after that.
    pub(super) entered: Timestamp,
    pub(super) record: Record,
    /// Since when its checks fail.
    pub(super) unhealthy: Option<Timestamp>,
    /// Until when it drains, once it is deregistered.
    pub(super) drains: Option<Timestamp>,
    #[serde(skip, default = "nowhere")]
    pub(super) plane: Arc<plane::Target>,
}

/// The data plane of a target that was read from a file, until it gets its own.
fn nowhere() -> Arc<plane::Target> {
    plane::Target::new(SocketAddr::from(([127, 0, 0, 1], 0)), TargetState::Unused)
}

/// Why a target gets neither checks nor requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unused {
    /// No rule refers to its group.
    NotInUse,
    /// Its zone is not one of the load balancer's.
    ZoneNotEnabled,
    /// Its instance is not running any more; AWS's words.
    InvalidState(&'static str),
    /// Its address belongs to a load balancer.
    IpUnusable,
}

impl Unused {
    /// AWS's reason and words.
    pub(super) const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::NotInUse => {
                ("Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
            }
            Self::ZoneNotEnabled => {
                ("Target.NotInUse", "Target is in an Availability Zone that is not enabled for the load balancer")
            }
            Self::InvalidState(words) => ("Target.InvalidState", words),
            Self::IpUnusable => {
                ("Target.IpUnusable", "The IP address cannot be used as a target, as it is in use by a load balancer")
            }
        }
    }
}

impl Target {
    /// Why it is not used, or `None` if `user` may check it and send to it.
    pub(super) fn unused(
        &self,
        ec2: &Ec2,
        is_balancer: impl Fn(IpAddr) -> bool,
        user: Option<&LoadBalancer>,
    ) -> Option<Unused> {
        if let Some(id) = &self.instance {
            if let Some(words) = invalid_state(ec2, id) {
                return Some(Unused::InvalidState(words));
            }
        } else if is_balancer(self.address.ip()) {
            return Some(Unused::IpUnusable);
        }
        match user {
            None => Some(Unused::NotInUse),
            Some(user) if self.zone != EVERY_ZONE && !user.zones.contains_key(&self.zone) => {
                Some(Unused::ZoneNotEnabled)
            }
            Some(_) => None,
        }
    }

    /// Gives the data plane the state that follows from all this.
    pub(super) fn settle(&mut self, ec2: &Ec2, is_balancer: impl Fn(IpAddr) -> bool, user: Option<&LoadBalancer>) {
        if self.drains.is_some() {
            return;
        }
        let state = match self.unused(ec2, is_balancer, user) {
            None => self.record.state(),
            Some(why) => {
                // Whatever its checks said: when it is used again they begin anew.
                (self.record, self.unhealthy) = (Record::new(), None);
                // The load balancer sends to a group until it has followed the rule that leaves the group out.
                if why == Unused::NotInUse {
                    return;
                }
                TargetState::Unused
            }
        };
        self.plane.set_state(state);
    }
}

/// What is wrong with an instance that cannot be a target any more.
fn invalid_state(ec2: &Ec2, id: &str) -> Option<&'static str> {
    match ec2.instances.get(id).map(|instance| instance.state) {
        // A machine that is being shut down still answers what it has begun, and its checks tell when it does not.
        Some(InstanceState::Pending | InstanceState::Running | InstanceState::ShuttingDown) => None,
        Some(InstanceState::Stopping | InstanceState::Stopped) => Some("Target is in the stopped state"),
        Some(InstanceState::Terminated) | None => Some("Target is in the terminated state"),
    }
}

impl Elb {
    /// Why a target of `group` is not used.
    pub(super) fn unused(&self, ec2: &Ec2, group: &TargetGroup, target: &Target) -> Option<Unused> {
        let user = group.user.as_ref().and_then(|arn| self.balancers.get(arn));
        target.unused(ec2, |address| self.has_address(address), user)
    }

    /// Whether a load balancer of the region has this address.
    pub(super) fn has_address(&self, address: IpAddr) -> bool {
        self.balancers.values().any(|balancer| balancer.address == address)
    }
}

/// Targets in a file: a list of pairs, since keys of objects can only be text.
pub(super) mod keyed {
    use super::{BTreeMap, Deserialize, Deserializer, Key, Serializer, Target};

    pub(in crate::dev::model::elb) fn serialize<S: Serializer>(
        targets: &BTreeMap<Key, Target>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(targets)
    }

    pub(in crate::dev::model::elb) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Key, Target>, D::Error> {
        Ok(Vec::<(Key, Target)>::deserialize(deserializer)?.into_iter().collect())
    }
}
