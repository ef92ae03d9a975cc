//! Where a launch goes: subnet, security groups and addresses.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::Ec2;
use super::launch::Wish;
use super::placement::zones_of;
use super::spec::{Interface, LaunchSpec, Placement};
use crate::dev::model::{Ctx, Region};
use crate::dev::wire::ApiError;

/// Where a launch goes.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) subnet: String,
    pub(super) groups: Vec<String>,
    pub(super) public: bool,
    pub(super) private: Option<Ipv4Addr>,
    pub(super) description: String,
    pub(super) delete_on_termination: bool,
}

fn combination(message: &str) -> ApiError {
    ApiError::new("InvalidParameterCombination", message)
}

impl Placement {
    /// The zone it names, if it names one that exists.
    pub(super) fn zone(&self, region: &str) -> Option<Result<String, ApiError>> {
        let zones = zones_of(region);
        let unknown = |what: &str| ApiError::ec2_value(format!("Invalid availability zone: [{what}]"));
        match (&self.availability_zone, &self.availability_zone_id) {
            (Some(name), _) => Some(zones.into_iter().find(|zone| zone == name).ok_or_else(|| unknown(name))),
            (None, Some(id)) => {
                let found = zones.into_iter().find(|zone| super::placement::zone_id(zone) == *id);
                Some(found.ok_or_else(|| unknown(id)))
            }
            (None, None) => None,
        }
    }
}

/// The only interface of an instance, where the request describes it.
fn interface<'a>(wish: &Wish, spec: &'a LaunchSpec) -> Result<Option<&'a Interface>, ApiError> {
    let interface = match spec.network_interface.as_slice() {
        [] => return Ok(None),
        [only] => only,
        _ => return Err(ApiError::ec2_value("An instance of the dev cloud has one network interface, of index 0")),
    };
    if interface.device_index.unwrap_or(0) != 0 {
        return Err(ApiError::ec2_value("The network interface of an instance of the dev cloud has index 0"));
    }
    if wish.subnet.is_some() {
        let said = "Network interfaces and an instance-level subnet ID may not be specified on the same request";
        return Err(combination(said));
    }
    if !spec.security_group_id.is_empty() || !spec.security_group.is_empty() {
        let said = "Network interfaces and instance-level security groups may not be specified on the same request";
        return Err(combination(said));
    }
    Ok(Some(interface))
}

/// Finds the subnet and its VPC's security groups.
pub(super) fn place(region: &Region, wish: &Wish, spec: &LaunchSpec) -> Result<Place, ApiError> {
    let interface = interface(wish, spec)?;
    let named = wish.subnet.clone().or_else(|| interface.and_then(|interface| interface.subnet_id.clone()));
    let zone = spec.placement.as_ref().and_then(|placement| placement.zone(&region.name)).transpose()?;
    let ec2 = &region.ec2;
    if named.is_some() && !spec.security_group.is_empty() {
        return Err(combination("The parameter groupName cannot be used with the parameter subnet"));
    }
    let subnet_id = match named {
        Some(named) => named,
        None => ec2.default_subnet(zone.as_deref())?,
    };
    let subnet = ec2.subnet(&subnet_id)?;
    if zone.as_ref().is_some_and(|zone| *zone != subnet.zone) {
        return Err(ApiError::ec2_value(format!(
            "Value ({}) for parameter availabilityZone is invalid. Subnet '{subnet_id}' is in the availability zone {}",
            zone.unwrap_or_default(),
            subnet.zone
        )));
    }
    let mut groups = interface.map_or(&spec.security_group_id, |interface| &interface.security_group_id).clone();
    for name in &spec.security_group {
        groups.push(ec2.security_group_named(name, &subnet.vpc)?);
    }
    for id in &groups {
        if ec2.security_group(id)?.vpc != subnet.vpc {
            let said = format!("Security group {id} and subnet {subnet_id} belong to different networks.");
            return Err(ApiError::new("InvalidParameter", said));
        }
    }
    if groups.is_empty() {
        groups.push(ec2.security_group_named("default", &subnet.vpc)?);
    }
    let address = interface.and_then(|interface| interface.private_ip_address.as_deref());
    let address = address.map(str::parse).transpose();
    let address = address.map_err(|_| ApiError::ec2_value("Invalid value for parameter privateIpAddress"))?;
    Ok(Place {
        groups,
        public: interface
            .and_then(|interface| interface.associate_public_ip_address)
            .unwrap_or(subnet.public_on_launch),
        private: wish.private.or(address),
        description: interface.and_then(|interface| interface.description.clone()).unwrap_or_default(),
        delete_on_termination: interface.and_then(|interface| interface.delete_on_termination).unwrap_or(true),
        subnet: subnet_id,
    })
}

impl Ec2 {
    /// The subnet of the default VPC that a launch without a subnet goes to.
    fn default_subnet(&self, zone: Option<&str>) -> Result<String, ApiError> {
        let mut all: Vec<_> = self.subnets.iter().filter(|(_, subnet)| subnet.default_for_zone).collect();
        all.sort_by_key(|(_, subnet)| &subnet.zone);
        let found = all.iter().find(|(_, subnet)| zone.is_none_or(|zone| subnet.zone == zone));
        match (found, self.vpcs.values().any(|vpc| vpc.default)) {
            (Some((id, _)), _) => Ok((*id).clone()),
            (None, true) => Err(ApiError::new(
                "MissingInput",
                "No subnets found for the default VPC in that zone. Please specify a subnet.",
            )),
            (None, false) => Err(ApiError::new(
                "VPCIdNotSpecified",
                "No default VPC for this user. GroupName is only supported for EC2-Classic and default VPC.",
            )),
        }
    }

    /// The private addresses in use in a subnet.
    pub(super) fn private_addresses(&self, subnet: &str) -> BTreeSet<Ipv4Addr> {
        let here = self.instances.values().filter(|instance| instance.subnet == subnet);
        here.filter(|each| each.state != super::InstanceState::Terminated).map(|instance| instance.private).collect()
    }
}

/// Takes up to `count` pairs of private address and loopback address; fewer where the subnet is full.
pub(super) fn take_addresses(
    ctx: &mut Ctx<'_>,
    subnet_id: &str,
    wanted: Option<Ipv4Addr>,
    count: u32,
) -> Result<Vec<(Ipv4Addr, Ipv4Addr)>, ApiError> {
    let cidr = ctx.region.ec2.subnet(subnet_id)?.cidr;
    let ours = ctx.block.network().contains(&cidr);
    let mut used = ctx.region.ec2.private_addresses(subnet_id);
    if let Some(wanted) = wanted {
        if count > 1 {
            return Err(ApiError::ec2_value("A private IP address can only be specified for a single instance"));
        }
        if !cidr.hosts().skip(3).any(|host| host == wanted) {
            return Err(ApiError::ec2_value(format!(
                "Address {wanted} does not fall within the subnet's address range"
            )));
        }
        let taken = || ApiError::new("InvalidIPAddress.InUse", format!("Address {wanted} is in use."));
        if used.contains(&wanted) {
            return Err(taken());
        }
        let address = if ours { ctx.block.take(wanted) } else { ctx.block.take_outside_subnets() };
        return Ok(vec![(wanted, address.ok_or_else(taken)?)]);
    }
    let mut taken = Vec::new();
    for _ in 0..count {
        let pair = if ours {
            ctx.block.take_in(cidr).map(|address| (address, address))
        } else {
            let private = cidr.hosts().skip(3).find(|host| !used.contains(host));
            private.and_then(|private| ctx.block.take_outside_subnets().map(|address| (private, address)))
        };
        let Some(pair) = pair else { break };
        used.insert(pair.0);
        taken.push(pair);
    }
    Ok(taken)
}
