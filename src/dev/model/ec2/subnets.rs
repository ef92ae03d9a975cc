//! Subnets.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::filter::{Filter, Filters, one};
use super::placement::{zone_id, zones_of};
use super::tagging::{TagSpecification, tags_for};
use super::vpcs::{Flag, cidr};
use super::{Ec2, done, paged};
use crate::dev::model::tags::{Tags, ec2_tag_set};
use crate::dev::model::{Answer, Ctx, Region};
use crate::dev::wire::{ApiError, Service, Xml};

/// A subnet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Subnet {
    pub(crate) vpc: String,
    pub(crate) zone: String,
    pub(crate) cidr: Ipv4Net,
    pub(super) public_on_launch: bool,
    pub(super) default_for_zone: bool,
    /// Id of its association with the VPC's network ACL.
    pub(super) acl_association: String,
    pub(crate) tags: Tags,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    vpc_id: String,
    cidr_block: String,
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    subnet_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct One {
    subnet_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Modify {
    subnet_id: String,
    map_public_ip_on_launch: Option<Flag>,
}

impl Ec2 {
    pub(crate) fn subnet(&self, id: &str) -> Result<&Subnet, ApiError> {
        let none = || ApiError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist"));
        self.subnets.get(id).ok_or_else(none)
    }
}

fn zone_of(region: &str, name: Option<String>, id: Option<String>) -> Result<String, ApiError> {
    let zones = zones_of(region);
    let found = match (&name, &id) {
        (None, None) => zones.first(),
        (Some(name), _) => zones.iter().find(|zone| *zone == name),
        (None, Some(id)) => zones.iter().find(|zone| zone_id(zone) == *id),
    };
    found.cloned().ok_or_else(|| {
        ApiError::ec2_value(format!(
            "Value ({}) for parameter availabilityZone is invalid. Subnets can currently only be created in the \
             following availability zones: {}.",
            name.or(id).unwrap_or_default(),
            zones.join(", ")
        ))
    })
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let zone = zone_of(&ctx.region.name, input.availability_zone, input.availability_zone_id)?;
    let (cidr, kept) = (cidr(&input.cidr_block)?, ctx.block.load_balancers());
    let vpc = ctx.region.ec2.vpc(&input.vpc_id)?;
    if !(16..=28).contains(&cidr.prefix_len()) || !vpc.cidr.contains(&cidr) || cidr != cidr.trunc() {
        return Err(ApiError::new("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid.")));
    }
    let overlaps = |other: Ipv4Net| other.contains(&cidr) || cidr.contains(&other);
    let mut others = ctx.region.ec2.subnets.values().filter(|subnet| subnet.vpc == input.vpc_id);
    if overlaps(kept) || others.any(|subnet| overlaps(subnet.cidr)) {
        return Err(ApiError::new(
            "InvalidSubnet.Conflict",
            format!("The CIDR '{cidr}' conflicts with another subnet (or with {kept}, which load balancers have)"),
        ));
    }
    let tags = tags_for("subnet", &input.tag_specification)?;
    let id = ctx.cloud.chance.resource_id("subnet");
    let acl_association = ctx.cloud.chance.resource_id("aclassoc");
    let subnet = Subnet {
        vpc: input.vpc_id,
        zone,
        cidr,
        public_on_launch: false,
        default_for_zone: false,
        acl_association,
        tags,
    };
    ctx.region.ec2.subnets.insert(id.clone(), subnet);
    let mut xml = Xml::default();
    xml.node("subnet", |xml| write(xml, ctx.region, &id, &ctx.region.ec2.subnets[&id]));
    Ok(xml)
}

/// The subnets of a default VPC: a /20 in each zone.
pub(super) fn make_default(ctx: &mut Ctx<'_>, vpc: &str, cidr: Ipv4Net) {
    let parts = cidr.subnets(20).into_iter().flatten();
    for (zone, cidr) in zones_of(&ctx.region.name).into_iter().zip(parts) {
        let chance = &ctx.cloud.chance;
        let subnet = Subnet {
            vpc: vpc.to_owned(),
            zone,
            cidr,
            public_on_launch: true,
            default_for_zone: true,
            acl_association: chance.resource_id("aclassoc"),
            tags: Tags::new(),
        };
        ctx.region.ec2.subnets.insert(chance.resource_id("subnet"), subnet);
    }
}

fn write(xml: &mut Xml, region: &Region, id: &str, subnet: &Subnet) {
    xml.leaf("subnetId", id).leaf("subnetArn", region.arn(Service::Ec2, format_args!("subnet/{id}")));
    xml.leaf("state", "available").leaf("ownerId", &region.account).leaf("vpcId", &subnet.vpc);
    xml.leaf("cidrBlock", subnet.cidr).leaf("availableIpAddressCount", free_addresses(region, id, subnet));
    xml.leaf("availabilityZone", &subnet.zone).leaf("availabilityZoneId", zone_id(&subnet.zone));
    xml.leaf("defaultForAz", subnet.default_for_zone).leaf("mapPublicIpOnLaunch", subnet.public_on_launch);
    xml.leaf("assignIpv6AddressOnCreation", false).leaf("enableDns64", false).leaf("ipv6Native", false);
    xml.leaf("mapCustomerOwnedIpOnLaunch", false);
    xml.list("ipv6CidrBlockAssociationSet", "item", None::<()>, |_, ()| {});
    xml.node("privateDnsNameOptionsOnLaunch", |xml| {
        xml.leaf("hostnameType", "ip-name").leaf("enableResourceNameDnsARecord", false);
        xml.leaf("enableResourceNameDnsAAAARecord", false);
    });
    ec2_tag_set(xml, &subnet.tags);
}

/// AWS keeps five addresses of each subnet to itself.
fn free_addresses(region: &Region, id: &str, subnet: &Subnet) -> u64 {
    let all = 1_u64 << (32 - u32::from(subnet.cidr.prefix_len()));
    all.saturating_sub(5).saturating_sub(region.ec2.private_addresses(id).len() as u64)
}

type Each<'a> = (&'a String, &'a Subnet, &'a Region);

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let region = &*ctx.region;
    input.subnet_id.iter().try_for_each(|id| region.ec2.subnet(id).map(drop))?;
    let named = region.ec2.subnets.iter().filter(|(id, _)| input.subnet_id.is_empty() || input.subnet_id.contains(id));
    let found = filters().select(&input.filter, named.map(|(id, subnet)| (id, subnet, region)))?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found,
        |(id, ..)| (*id).clone(),
        pages,
        "subnetSet",
        |xml, (id, subnet, region)| write(xml, region, id, subnet),
    )
}

fn filters<'a>() -> Filters<'a, Each<'a>> {
    Filters {
        of: &[
            ("subnet-id", |(id, ..)| one(id)),
            ("vpc-id", |(_, subnet, _)| one(&subnet.vpc)),
            ("availability-zone", |(_, subnet, _)| one(&subnet.zone)),
            // An older name.
            ("availabilityZone", |(_, subnet, _)| one(&subnet.zone)),
            ("availability-zone-id", |(_, subnet, _)| one(zone_id(&subnet.zone))),
            ("available-ip-address-count", |(id, subnet, region)| one(free_addresses(region, id, subnet))),
            ("cidr-block", |(_, subnet, _)| one(subnet.cidr)),
            // Older names.
            ("cidr", |(_, subnet, _)| one(subnet.cidr)),
            ("cidrBlock", |(_, subnet, _)| one(subnet.cidr)),
            ("default-for-az", |(_, subnet, _)| one(subnet.default_for_zone)),
            ("map-public-ip-on-launch", |(_, subnet, _)| one(subnet.public_on_launch)),
            ("owner-id", |(.., region)| one(&region.account)),
            ("state", |_| one("available")),
            ("subnet-arn", |(id, _, region)| one(region.arn(Service::Ec2, format_args!("subnet/{id}")))),
            ("enable-dns64", |_| one(false)),
            ("ipv6-native", |_| one(false)),
            ("map-customer-owned-ip-on-launch", |_| one(false)),
        ],
        absent: &[
            "customer-owned-ipv4-pool",
            "enable-lni-at-device-index",
            "ipv6-cidr-block-association.association-id",
            "ipv6-cidr-block-association.ipv6-cidr-block",
            "ipv6-cidr-block-association.state",
            "outpost-arn",
        ],
        tags: Some(|(_, subnet, _)| &subnet.tags),
    }
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: One) -> Answer {
    let id = input.subnet_id;
    ctx.region.ec2.subnet(&id)?;
    let balanced = ctx.region.elb.uses_subnet(&id);
    if balanced || !ctx.region.ec2.private_addresses(&id).is_empty() {
        let said = format!("The subnet '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::new("DependencyViolation", said));
    }
    for table in ctx.region.ec2.route_tables.values_mut() {
        table.leave(&id);
    }
    ctx.region.ec2.subnets.remove(&id);
    Ok(done())
}

pub(super) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    ctx.region.ec2.subnet(&input.subnet_id)?;
    let Some(Flag { value }) = input.map_public_ip_on_launch else {
        return Err(ApiError::new("MissingParameter", "The request must contain an attribute to modify"));
    };
    if let Some(subnet) = ctx.region.ec2.subnets.get_mut(&input.subnet_id) {
        subnet.public_on_launch = value;
    }
    Ok(done())
}
