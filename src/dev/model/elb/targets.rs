//! Registering and deregistering targets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::balancers::LoadBalancer;
use super::groups::TargetGroup;
use super::health::{self, Health};
use crate::dev::model::ec2::{Ec2, InstanceState};
use crate::dev::model::{Answer, Ctx};
use crate::dev::plane::{self, TargetState};
use crate::dev::wire::{ApiError, Xml};

/// A registered target.
#[derive(Debug)]
pub(crate) struct Target {
    /// Tells it from an earlier target with the same id and port.
    pub(super) serial: u64,
    /// The instance, unless the target is a bare address.
    pub(super) instance: Option<String>,
    pub(super) zone: String,
    pub(super) health: Health,
    /// Checks in a row that spoke against the present health.
    pub(super) against: u32,
    pub(super) draining: bool,
    pub(super) plane: Arc<plane::Target>,
}

/// Why a target gets neither checks nor requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unused {
    /// No rule refers to its group.
    NotInUse,
    /// Its zone is not one of the load balancer's.
    ZoneNotEnabled,
    /// Its instance is terminated.
    InvalidState,
}

/// A target in a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct TargetIn {
    pub(super) id: String,
    pub(super) port: Option<u16>,
    #[serde(rename = "AvailabilityZone")]
    pub(super) zone: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Targets {
    target_group_arn: String,
    targets: Vec<TargetIn>,
}

/// Targets per group, as on AWS.
const TARGETS_MAX: usize = 1000;

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidTarget", message)
}

impl Target {
    /// Why it is not used, or `None` if `user` may check it and send to it.
    pub(super) fn unused(&self, ec2: &Ec2, user: Option<&LoadBalancer>) -> Option<Unused> {
        let gone = self
            .instance
            .as_ref()
            .is_some_and(|id| ec2.instances.get(id).is_none_or(|instance| instance.state == InstanceState::Terminated));
        match user {
            _ if gone => Some(Unused::InvalidState),
            None => Some(Unused::NotInUse),
            Some(user) if !user.zones.contains_key(&self.zone) => Some(Unused::ZoneNotEnabled),
            Some(_) => None,
        }
    }

    pub(super) fn settle(&mut self, ec2: &Ec2, user: Option<&LoadBalancer>) {
        if self.draining {
            return;
        }
        let state = match self.unused(ec2, user) {
            None => self.health.state(),
            Some(why) => {
                // Whatever its checks said: when it is used again they begin anew.
                (self.health, self.against) = (Health::Initial, 0);
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

/// Where a target in a request is: its instance, zone and address.
struct Place {
    instance: Option<String>,
    zone: String,
    address: IpAddr,
}

impl TargetIn {
    fn place(&self, group: &TargetGroup, ec2: &Ec2) -> Result<Place, ApiError> {
        let vpc = &group.settings.vpc;
        if group.settings.by_address {
            let id = &self.id;
            let bad = || invalid(format!("The IP address '{id}' is not within the VPC '{vpc}'"));
            let address: std::net::Ipv4Addr = id.parse().map_err(|_| bad())?;
            let subnet = ec2.subnets.values().find(|subnet| subnet.vpc == *vpc && subnet.cidr.contains(&address));
            let zone = subnet.ok_or_else(bad)?.zone.clone();
            return Ok(Place { instance: None, zone, address: address.into() });
        }
        let id = &self.id;
        if !id.starts_with("i-") {
            return Err(ApiError::validation(format!("Instance ID '{id}' is not valid")));
        }
        if self.zone.is_some() {
            return Err(ApiError::validation("You cannot specify an Availability Zone for targets of type 'instance'"));
        }
        let instance = ec2.instances.get(id);
        let instance = instance.ok_or_else(|| invalid(format!("The following targets do not exist: '{id}'")))?;
        if instance.vpc != *vpc {
            return Err(invalid(format!("The following targets are not in the target group VPC '{vpc}': '{id}'")));
        }
        if instance.state != InstanceState::Running {
            let said = format!("The following targets are not in a running state and cannot be registered: '{id}'");
            return Err(invalid(said));
        }
        Ok(Place { instance: Some(id.clone()), zone: instance.zone.clone(), address: instance.address.into() })
    }
}

pub(super) fn register(ctx: &mut Ctx<'_>, input: Targets) -> Answer {
    let arn = input.target_group_arn;
    let here = ctx.region.place();
    let (elb, ec2) = (&mut ctx.region.elb, &ctx.region.ec2);
    let group = elb.groups.get_mut(&arn).ok_or_else(super::groups::not_found)?;
    let mut places = Vec::with_capacity(input.targets.len());
    for target in &input.targets {
        let port = target.port.unwrap_or(group.settings.port);
        places.push(((target.id.clone(), port), target.place(group, ec2)?));
    }
    if group.targets.len() + places.len() > TARGETS_MAX {
        return Err(ApiError::new("TooManyTargets", format!("A target group has at most {TARGETS_MAX} targets")));
    }
    for (key, place) in places {
        if group.targets.get(&key).is_some_and(|target| !target.draining) {
            continue;
        }
        elb.registered += 1;
        let target = Target {
            serial: elb.registered,
            instance: place.instance,
            zone: place.zone,
            health: Health::Initial,
            against: 0,
            draining: false,
            plane: plane::Target::new(SocketAddr::new(place.address, key.1), TargetState::Unused),
        };
        health::watch(ctx.cloud, &here, &arn, &key, target.serial);
        // A target that is still draining goes on draining; it just is not the registered one any more.
        group.targets.insert(key, target);
    }
    Ok(Xml::default())
}

/// Starts to drain targets; those that are not registered, or draining already, are no mistake.
pub(super) fn deregister(ctx: &mut Ctx<'_>, input: Targets) -> Answer {
    let arn = input.target_group_arn;
    let here = ctx.region.place();
    let (elb, ec2) = (&mut ctx.region.elb, &ctx.region.ec2);
    let references = elb.references();
    let user = references.get(&arn).and_then(|balancer| elb.balancers.get(balancer));
    let group = elb.groups.get_mut(&arn).ok_or_else(super::groups::not_found)?;
    let delay_s: u64 = group.attribute("deregistration_delay.timeout_seconds").parse().unwrap_or(300);
    for named in input.targets {
        // Without a port, all that are registered with this id.
        let keys =
            group.targets.keys().filter(|(id, port)| *id == named.id && named.port.is_none_or(|named| named == *port));
        for key in keys.cloned().collect::<Vec<_>>() {
            let Some(target) = group.targets.get_mut(&key) else { continue };
            if target.draining {
                continue;
            }
            target.plane.set_state(TargetState::Draining);
            // What was never sent to has nothing to drain.
            if target.unused(ec2, user).is_some() {
                group.targets.remove(&key);
                continue;
            }
            target.draining = true;
            let (serial, draining) = (target.serial, target.plane.clone());
            let (cloud, here, arn) = (ctx.cloud.clone(), here.clone(), arn.clone());
            ctx.cloud.spawn(async move {
                tokio::time::sleep(Duration::from_secs(delay_s)).await;
                draining.cut();
                let mut world = cloud.world();
                let (region, _) = world.region(&here);
                if let Some(group) = region.elb.groups.get_mut(&arn)
                    && group.targets.get(&key).is_some_and(|target| target.serial == serial)
                {
                    group.targets.remove(&key);
                }
            });
        }
    }
    Ok(Xml::default())
}
