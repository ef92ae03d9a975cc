//! Where a load balancer is: subnets and zones, security groups, and the type of its addresses.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Deserialize;

use super::protocols::{Kind, not_in_enum};
use crate::dev::model::ec2::Ec2;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// A subnet in a request, with what it is to have there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Mapping {
    subnet_id: Option<String>,
    allocation_id: Option<String>,
    #[serde(rename = "PrivateIPv4Address")]
    private_address: Option<Ipv4Addr>,
}

/// Both ways to name subnets in a request; only one of them may be used.
pub(super) struct SubnetsIn {
    pub(super) subnets: Vec<String>,
    pub(super) mappings: Vec<Mapping>,
}

/// Subnets that a load balancer can have.
pub(super) struct Placed {
    pub(super) vpc: String,
    pub(super) zones: BTreeMap<String, String>,
    pub(super) private_addresses: BTreeMap<String, Ipv4Addr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct SetSubnets {
    load_balancer_arn: String,
    #[serde(default)]
    subnets: Vec<String>,
    #[serde(default)]
    subnet_mappings: Vec<Mapping>,
    ip_address_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct SetSecurityGroups {
    load_balancer_arn: String,
    security_groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct SetIpAddressType {
    load_balancer_arn: String,
    ip_address_type: String,
}

fn refuse(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidConfigurationRequest", message)
}

impl SubnetsIn {
    /// Checks the subnets and finds their zones.
    pub(super) fn place(self, ec2: &Ec2, kind: Kind, internal: bool) -> Result<Placed, ApiError> {
        if self.subnets.is_empty() == self.mappings.is_empty() {
            return Err(ApiError::validation("You must specify either subnets or subnet mappings, but not both"));
        }
        let named = self.subnets.into_iter().map(|id| Mapping {
            subnet_id: Some(id),
            allocation_id: None,
            private_address: None,
        });
        let mut placed = Placed { vpc: String::new(), zones: BTreeMap::new(), private_addresses: BTreeMap::new() };
        for mapping in named.chain(self.mappings) {
            mapping.place(ec2, kind, internal, &mut placed)?;
        }
        if kind == Kind::Application && placed.zones.len() < 2 {
            return Err(ApiError::validation(
                "At least two subnets in two different Availability Zones must be specified",
            ));
        }
        Ok(placed)
    }
}

impl Mapping {
    fn place(self, ec2: &Ec2, kind: Kind, internal: bool, placed: &mut Placed) -> Result<(), ApiError> {
        let id = self.subnet_id.ok_or_else(|| ApiError::validation("A subnet ID must be specified"))?;
        let none = |_| ApiError::new("SubnetNotFound", format!("The subnet ID '{id}' does not exist"));
        let subnet = ec2.subnet(&id).map_err(none)?;
        if let Some(allocation) = self.allocation_id {
            return Err(match kind {
                // There are no Elastic IP addresses here that one could have allocated.
                Kind::Network => ApiError::new(
                    "AllocationIdNotFound",
                    format!("The allocation IDs '{allocation}' do not exist (the dev cloud has no Elastic IPs)"),
                ),
                Kind::Application => {
                    refuse(format!("Elastic IPs are not supported for load balancers with type '{}'", kind.name()))
                }
            });
        }
        if let Some(address) = self.private_address {
            if kind == Kind::Application || !internal {
                return Err(refuse(
                    "You can only specify private IPv4 addresses for Network Load Balancers with scheme 'internal'.",
                ));
            }
            if !subnet.cidr.contains(&address) {
                return Err(refuse(format!("The private IPv4 address '{address}' is not within the subnet '{id}'")));
            }
            placed.private_addresses.insert(subnet.zone.clone(), address);
        }
        if placed.zones.is_empty() {
            placed.vpc.clone_from(&subnet.vpc);
        }
        if placed.vpc != subnet.vpc {
            return Err(refuse("All subnets must belong to the same VPC"));
        }
        if placed.zones.insert(subnet.zone.clone(), id).is_some() {
            return Err(refuse("A load balancer cannot be attached to multiple subnets in the same Availability Zone"));
        }
        Ok(())
    }
}

/// No subnet here has an IPv6 network, so every other type is refused as AWS would do it.
pub(super) fn check_ip_type(kind: Kind, given: Option<&str>) -> Result<(), ApiError> {
    match given {
        None | Some("ipv4") => Ok(()),
        Some("dualstack-without-public-ipv4") if kind != Kind::Application => {
            let kind = kind.name();
            let said = format!("The specified IP address type is not supported on load balancers with type '{kind}'.");
            Err(refuse(said))
        }
        Some("dualstack" | "dualstack-without-public-ipv4") => {
            Err(refuse("You must specify subnets with an associated IPv6 CIDR block."))
        }
        Some(other) => {
            Err(not_in_enum(other, "ipAddressType", &["ipv4", "dualstack", "dualstack-without-public-ipv4"]))
        }
    }
}

pub(super) fn check_security_groups(ec2: &Ec2, ids: &[String]) -> Result<(), ApiError> {
    match ids.iter().find(|id| ec2.security_group(id).is_err()) {
        None => Ok(()),
        Some(id) => Err(ApiError::new("InvalidSecurityGroup", format!("The security group '{id}' does not exist"))),
    }
}

/// Replaces the subnets. Targets in a zone that is left out are no longer used.
pub(super) fn set_subnets(ctx: &mut Ctx<'_>, input: SetSubnets) -> Answer {
    let (ec2, elb) = (&ctx.region.ec2, &mut ctx.region.elb);
    let balancer = elb.balancer_mut(&input.load_balancer_arn)?;
    let kind = balancer.kind;
    check_ip_type(kind, input.ip_address_type.as_deref())?;
    let given = SubnetsIn { subnets: input.subnets, mappings: input.subnet_mappings };
    let placed = given.place(ec2, kind, balancer.internal)?;
    if placed.vpc != balancer.vpc {
        let said = format!("The subnets are not in the VPC '{}' of the load balancer", balancer.vpc);
        return Err(refuse(said));
    }
    // The node of a Network Load Balancer stays in its subnet for as long as the zone is enabled.
    let moved = placed.zones.iter().find(|(zone, id)| balancer.zones.get(*zone).is_some_and(|kept| kept != *id));
    if let (Kind::Network, Some((zone, id))) = (kind, moved) {
        return Err(refuse(format!(
            "You cannot specify an additional subnet from an Availability Zone that is already associated with the load \
             balancer. The Availability Zone '{zone}' corresponding to the new subnet '{id}' is already associated with \
             the load balancer."
        )));
    }
    balancer.zones = placed.zones;
    balancer.private_addresses = placed.private_addresses;
    balancer.tune(ctx.cloud);
    let mut xml = Xml::default();
    balancer.write_zones(&mut xml);
    xml.leaf("IpAddressType", "ipv4");
    Ok(xml)
}

pub(super) fn set_security_groups(ctx: &mut Ctx<'_>, input: SetSecurityGroups) -> Answer {
    let (ec2, elb) = (&ctx.region.ec2, &mut ctx.region.elb);
    let balancer = elb.balancer_mut(&input.load_balancer_arn)?;
    check_security_groups(ec2, &input.security_groups)?;
    if input.security_groups.is_empty() {
        return Err(refuse("At least one security group must be specified"));
    }
    if balancer.kind == Kind::Network && balancer.security_groups.is_empty() {
        return Err(refuse(
            "You cannot associate security groups with a Network Load Balancer that was created without any",
        ));
    }
    balancer.security_groups = input.security_groups;
    balancer.security_groups.sort();
    let mut xml = Xml::default();
    xml.texts("SecurityGroupIds", "member", &balancer.security_groups);
    Ok(xml)
}

pub(super) fn set_ip_address_type(ctx: &mut Ctx<'_>, input: SetIpAddressType) -> Answer {
    let balancer = ctx.region.elb.balancer(&input.load_balancer_arn)?;
    check_ip_type(balancer.kind, Some(&input.ip_address_type))?;
    let mut xml = Xml::default();
    xml.leaf("IpAddressType", "ipv4");
    Ok(xml)
}
