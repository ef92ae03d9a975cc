//! Registering and deregistering targets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::groups::{TargetGroup, read_port};
use super::listeners::Listener;
use super::protocols::Kind;
use super::recording::Record;
use super::targets::{EVERY_ZONE, Key, Target};
use super::{Elb, groups, health, limits};
use crate::dev::cloud::Cloud;
use crate::dev::model::ec2::{Ec2, InstanceState};
use crate::dev::model::{Answer, Ctx, Place};
use crate::dev::observe::Seen;
use crate::dev::plane::{self, TargetState};
use crate::dev::wire::{ApiError, Xml};

/// A target in a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct TargetIn {
    pub(super) id: String,
    pub(super) port: Option<u32>,
    #[serde(rename = "AvailabilityZone")]
    pub(super) zone: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Targets {
    pub(super) target_group_arn: String,
    pub(super) targets: Vec<TargetIn>,
}

/// Where a target in a request is: its instance, zone and address.
struct Spot {
    instance: Option<String>,
    zone: String,
    address: IpAddr,
}

impl Spot {
    /// Its zone as the data plane has it: `None` is every zone.
    fn in_zone(&self) -> Option<String> {
        (self.zone != EVERY_ZONE).then(|| self.zone.clone())
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidTarget", message)
}

/// Where AWS lets addresses be that are outside of the VPC.
fn is_private(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_private() || (first == 100 && (64..128).contains(&second))
}

impl TargetIn {
    /// Its port, if it names one.
    pub(super) fn port(&self) -> Result<Option<u16>, ApiError> {
        self.port.map(read_port).transpose()
    }

    fn spot(&self, elb: &Elb, group: &TargetGroup, ec2: &Ec2) -> Result<Spot, ApiError> {
        if group.settings.by_address { self.address(elb, group, ec2) } else { self.instance(group, ec2) }
    }

    fn instance(&self, group: &TargetGroup, ec2: &Ec2) -> Result<Spot, ApiError> {
        let (id, vpc) = (&self.id, &group.settings.vpc);
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
        Ok(Spot { instance: Some(id.clone()), zone: instance.zone.clone(), address: instance.address.into() })
    }

    /// An address is in a subnet of the VPC, whose zone it then has, or in a private network that zones are named for.
    fn address(&self, elb: &Elb, group: &TargetGroup, ec2: &Ec2) -> Result<Spot, ApiError> {
        let (id, vpc) = (&self.id, &group.settings.vpc);
        let address: Ipv4Addr = id
            .parse()
            .map_err(|_| ApiError::validation(format!("The IP address '{id}' is not a valid IPv4 address")))?;
        let given = self.zone.as_deref();
        if elb.has_address(address.into()) {
            return Err(invalid(format!(
                "The IP address '{id}' is in use by a load balancer and cannot be registered"
            )));
        }
        let spot = |zone: &str| Spot { instance: None, zone: zone.to_owned(), address: address.into() };
        if let Some(subnet) = ec2.subnets.values().find(|subnet| subnet.vpc == *vpc && subnet.cidr.contains(&address)) {
            return match given {
                Some(other) if other != subnet.zone => Err(ApiError::validation(format!(
                    "The IP address '{id}' is within the VPC, and cannot have its Availability Zone overridden to \
                     '{other}' from '{}'",
                    subnet.zone
                ))),
                _ => Ok(spot(&subnet.zone)),
            };
        }
        if !is_private(address) && !ec2.vpc(vpc).is_ok_and(|vpc| vpc.cidr.contains(&address)) {
            return Err(ApiError::validation(format!(
                "The IP address '{id}' is not within the VPC, 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12 or 192.168.0.0/16"
            )));
        }
        let zones: BTreeSet<_> = ec2.subnets.values().map(|subnet| subnet.zone.as_str()).collect();
        match given {
            Some(zone) if zone == EVERY_ZONE || zones.contains(zone) => Ok(spot(zone)),
            Some(_) | None => Err(ApiError::validation(format!(
                "You must specify a valid Availability Zone or select 'all' for all enabled Availability zones, since the \
                 IP address '{id}' is outside the VPC"
            ))),
        }
    }
}

impl Elb {
    /// Refuses more targets than a load balancer can have; a target in several groups counts several times.
    pub(super) fn check_targets(
        &self,
        balancer: &str,
        groups: &BTreeSet<&str>,
        more: &BTreeMap<&str, usize>,
    ) -> Result<(), ApiError> {
        let Some(kind) = self.balancers.get(balancer).map(|balancer| balancer.kind) else { return Ok(()) };
        let of_groups = || groups.iter().filter_map(|arn| self.groups.get(*arn));
        let mut by_zone: BTreeMap<&str, usize> = more.clone();
        for target in of_groups().flat_map(|group| group.targets.values()) {
            *by_zone.entry(&target.zone).or_default() += 1;
        }
        let full = |most: usize, what: &str| {
            format!("The maximum number of targets per {what} '{most}' has been reached on load balancer '{balancer}'")
        };
        let most = match kind {
            Kind::Application => limits::TARGETS_PER_APPLICATION,
            Kind::Network => limits::TARGETS_PER_NETWORK,
        };
        limits::check(by_zone.values().sum(), most, "TooManyTargets", || full(most, "load balancer"))?;
        let fullest = by_zone.values().max().copied().unwrap_or(0);
        if kind == Kind::Network {
            let most = limits::TARGETS_PER_NETWORK_ZONE;
            limits::check(fullest, most, "TooManyTargets", || full(most, "Availability Zone"))?;
        }
        Ok(())
    }

    /// The groups that a load balancer uses, apart from one rule.
    pub(super) fn groups_of(&self, balancer: &str, except: Option<&str>) -> BTreeSet<&str> {
        let listeners = self.listeners.values().filter(|listener| listener.balancer == balancer);
        let rules = listeners.flat_map(Listener::all_rules).filter(|rule| Some(rule.arn.as_str()) != except);
        rules.flat_map(|rule| rule.actions.groups()).collect()
    }
}

pub(super) fn register(ctx: &mut Ctx<'_>, input: Targets) -> Answer {
    let arn = input.target_group_arn;
    let (here, now) = (ctx.region.place(), ctx.cloud.clock.now());
    let (elb, ec2) = (&mut ctx.region.elb, &ctx.region.ec2);
    let group = elb.group(&arn)?;
    if input.targets.is_empty() {
        return Err(ApiError::validation("At least one target must be specified"));
    }
    let mut spots = BTreeMap::new();
    for target in &input.targets {
        let port = target.port()?.unwrap_or(group.settings.port);
        spots.insert((target.id.clone(), port), target.spot(elb, group, ec2)?);
    }
    spots.retain(|key, _| group.targets.get(key).is_none_or(|target| target.drains.is_some()));
    let mut more: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, spot) in spots.iter().filter(|(key, _)| !group.targets.contains_key(*key)) {
        *more.entry(&spot.zone).or_default() += 1;
    }
    let count = group.targets.len() + more.values().sum::<usize>();
    limits::check(count, limits::TARGETS_PER_GROUP, "TooManyTargets", || {
        let most = limits::TARGETS_PER_GROUP;
        format!("The maximum number of targets per target group '{most}' has been reached on target group '{arn}'")
    })?;
    if let Some(balancer) = &group.user {
        elb.check_targets(balancer, &elb.groups_of(balancer, None), &more)?;
    }
    for (key, spot) in spots {
        elb.registered += 1;
        let address = SocketAddr::new(spot.address, key.1);
        let in_zone = spot.in_zone();
        let target = Target {
            serial: elb.registered,
            instance: spot.instance,
            zone: spot.zone,
            address,
            entered: now,
            record: Record::new(),
            unhealthy: None,
            drains: None,
            plane: plane::Target::in_zone(address, TargetState::Unused, in_zone),
        };
        health::watch(ctx.cloud, &here, &arn, &key, target.serial);
        // A target that is still draining goes on draining; it just is not the registered one any more.
        elb.group_mut(&arn)?.targets.insert(key, target);
    }
    Ok(Xml::default())
}

/// Starts to drain targets; those that are not registered, or draining already, are no mistake.
pub(super) fn deregister(ctx: &mut Ctx<'_>, input: Targets) -> Answer {
    let arn = input.target_group_arn;
    let (here, now) = (ctx.region.place(), ctx.cloud.clock.now());
    let (elb, ec2) = (&mut ctx.region.elb, &ctx.region.ec2);
    let group = elb.group(&arn)?;
    let delay = delay_of(group);
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    for named in &input.targets {
        let port = named.port()?;
        // Without a port, all that are registered with this id.
        let of_name =
            group.targets.iter().filter(|((id, each), _)| *id == named.id && port.is_none_or(|port| port == *each));
        for (key, target) in of_name.filter(|(_, target)| target.drains.is_none()) {
            // What was never sent to has nothing to drain.
            let list = if elb.unused(ec2, group, target).is_some() { &mut idle } else { &mut busy };
            list.push(key.clone());
        }
    }
    let group = elb.groups.get_mut(&arn).ok_or_else(groups::not_found)?;
    for key in idle {
        if let Some(target) = group.targets.remove(&key) {
            target.plane.set_state(TargetState::Draining);
        }
    }
    for key in busy {
        let Some(target) = group.targets.get_mut(&key) else { continue };
        target.plane.set_state(TargetState::Draining);
        target.drains = Some(now + delay);
        drain(ctx.cloud, &here, &arn, &key, target);
    }
    Ok(Xml::default())
}

/// How long a group's targets drain.
fn delay_of(group: &TargetGroup) -> Duration {
    Duration::from_secs(group.attribute("deregistration_delay.timeout_seconds").parse().unwrap_or(300))
}

/// Takes a draining target away when its time has come, with whatever it has not finished by then.
pub(super) fn drain(cloud: &Arc<Cloud>, place: &Place, group: &str, key: &Key, target: &Target) {
    let due: Timestamp = target.drains.unwrap_or(target.entered);
    let (serial, draining) = (target.serial, target.plane.clone());
    let (this, place, group, key) = (cloud.clone(), place.clone(), group.to_owned(), key.clone());
    cloud.spawn(async move {
        this.until(due).await;
        draining.cut();
        {
            let mut world = this.world();
            let (region, _) = world.region(&place);
            if let Some(group) = region.elb.groups.get_mut(&group)
                && group.targets.get(&key).is_some_and(|target| target.serial == serial)
            {
                group.targets.remove(&key);
                group.publish();
            }
        }
        this.tell(&Seen::Target { group: &group, id: &key.0, state: "unused" });
        this.changed();
    });
}
