//! VPCs and subnets. All of them lie in the dev cloud's own block of loopback addresses.

use ipnet::Ipv4Net;
use serde::Deserialize;

use super::filter::{self, Filter};
use super::placement::zones_of;
use super::tagging::{TagSpecification, tags_for};
use super::{Ec2, paged};
use crate::dev::model::tags::{Tags, ec2_tag_set};
use crate::dev::model::{Answer, Ctx, Region};
use crate::dev::wire::{ApiError, Service, Xml};

/// A VPC.
#[derive(Debug)]
pub(crate) struct Vpc {
    pub(crate) cidr: Ipv4Net,
    pub(crate) tags: Tags,
}

/// A subnet.
#[derive(Debug)]
pub(crate) struct Subnet {
    pub(crate) vpc: String,
    pub(crate) zone: String,
    pub(crate) cidr: Ipv4Net,
    pub(crate) tags: Tags,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct CreateVpc {
    cidr_block: String,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct CreateSubnet {
    vpc_id: String,
    cidr_block: String,
    availability_zone: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeVpcs {
    #[serde(default)]
    vpc_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeSubnets {
    #[serde(default)]
    subnet_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

impl Ec2 {
    pub(crate) fn vpc(&self, id: &str) -> Result<&Vpc, ApiError> {
        let none = || ApiError::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist"));
        self.vpcs.get(id).ok_or_else(none)
    }

    pub(crate) fn subnet(&self, id: &str) -> Result<&Subnet, ApiError> {
        let none = || ApiError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist"));
        self.subnets.get(id).ok_or_else(none)
    }
}

fn cidr(text: &str) -> Result<Ipv4Net, ApiError> {
    text.parse().map_err(|_| {
        ApiError::ec2_value(format!(
            "Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        ))
    })
}

pub(super) fn create_vpc(ctx: &mut Ctx<'_>, input: CreateVpc) -> Answer {
    let (cidr, block) = (cidr(&input.cidr_block)?, ctx.block.network());
    if !(16..=28).contains(&cidr.prefix_len()) || !block.contains(&cidr) || cidr != cidr.trunc() {
        return Err(ApiError::new(
            "InvalidVpc.Range",
            format!("The CIDR '{cidr}' is invalid: VPCs of this dev cloud are {block}, or a part of it down to a /28"),
        ));
    }
    let id = ctx.cloud.chance.resource_id("vpc");
    let vpc = Vpc { cidr, tags: tags_for("vpc", &input.tag_specification)? };
    let mut xml = Xml::default();
    xml.node("vpc", |xml| write_vpc(xml, &ctx.region.account, &id, &vpc));
    ctx.region.ec2.vpcs.insert(id, vpc);
    Ok(xml)
}

fn write_vpc(xml: &mut Xml, account: &str, id: &str, vpc: &Vpc) {
    xml.leaf("vpcId", id).leaf("ownerId", account).leaf("state", "available").leaf("cidrBlock", vpc.cidr);
    xml.leaf("dhcpOptionsId", "default").leaf("instanceTenancy", "default").leaf("isDefault", false);
    ec2_tag_set(xml, &vpc.tags);
}

pub(super) fn describe_vpcs(ctx: &mut Ctx<'_>, input: DescribeVpcs) -> Answer {
    filter::check(&input.filter, &["vpc-id", "cidr", "cidr-block", "state"])?;
    let ec2 = &ctx.region.ec2;
    input.vpc_id.iter().try_for_each(|id| ec2.vpc(id).map(drop))?;
    let found = ec2.vpcs.iter().filter(|(id, vpc)| {
        let cidr = vpc.cidr.to_string();
        (input.vpc_id.is_empty() || input.vpc_id.contains(id))
            && filter::passes(&input.filter, &vpc.tags, |name| match name {
                "vpc-id" => vec![id.as_str()],
                "state" => vec!["available"],
                _ => vec![cidr.as_str()],
            })
    });
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found.collect(),
        |(id, _)| (*id).clone(),
        pages,
        "vpcSet",
        |xml, (id, vpc)| write_vpc(xml, &ctx.region.account, id, vpc),
    )
}

pub(super) fn create_subnet(ctx: &mut Ctx<'_>, input: CreateSubnet) -> Answer {
    let zones = zones_of(&ctx.region.name);
    let zone = match input.availability_zone {
        None => zones[0].clone(),
        Some(zone) if zones.contains(&zone) => zone,
        Some(zone) => {
            return Err(ApiError::ec2_value(format!(
                "Value ({zone}) for parameter availabilityZone is invalid. Subnets can currently only be created in \
                 the following availability zones: {}.",
                zones.join(", ")
            )));
        }
    };
    let (cidr, kept) = (cidr(&input.cidr_block)?, ctx.block.load_balancers());
    let vpc = ctx.region.ec2.vpc(&input.vpc_id)?;
    if !(16..=28).contains(&cidr.prefix_len()) || !vpc.cidr.contains(&cidr) || cidr != cidr.trunc() {
        let vpc = vpc.cidr;
        return Err(ApiError::new("InvalidSubnet.Range", format!("The CIDR '{cidr}' is invalid in a VPC with {vpc}.")));
    }
    let overlaps = |other: Ipv4Net| other.contains(&cidr) || cidr.contains(&other);
    if overlaps(kept) || ctx.region.ec2.subnets.values().any(|subnet| overlaps(subnet.cidr)) {
        return Err(ApiError::new(
            "InvalidSubnet.Conflict",
            format!("The CIDR '{cidr}' conflicts with another subnet (or with {kept}, which load balancers have)"),
        ));
    }
    let id = ctx.cloud.chance.resource_id("subnet");
    let tags = tags_for("subnet", &input.tag_specification)?;
    let subnet = Subnet { vpc: input.vpc_id, zone, cidr, tags };
    let mut xml = Xml::default();
    xml.node("subnet", |xml| write_subnet(xml, ctx.region, &id, &subnet));
    ctx.region.ec2.subnets.insert(id, subnet);
    Ok(xml)
}

fn write_subnet(xml: &mut Xml, region: &Region, id: &str, subnet: &Subnet) {
    xml.leaf("subnetId", id).leaf("subnetArn", region.arn(Service::Ec2, format_args!("subnet/{id}")));
    xml.leaf("state", "available")
        .leaf("ownerId", &region.account)
        .leaf("vpcId", &subnet.vpc)
        .leaf("cidrBlock", subnet.cidr);
    xml.leaf("availableIpAddressCount", subnet.cidr.hosts().count().saturating_sub(3));
    xml.leaf("availabilityZone", &subnet.zone).leaf("availabilityZoneId", &subnet.zone);
    xml.leaf("defaultForAz", false).leaf("mapPublicIpOnLaunch", false);
    ec2_tag_set(xml, &subnet.tags);
}

pub(super) fn describe_subnets(ctx: &mut Ctx<'_>, input: DescribeSubnets) -> Answer {
    filter::check(&input.filter, &["subnet-id", "vpc-id", "availability-zone", "cidr-block", "state"])?;
    let ec2 = &ctx.region.ec2;
    input.subnet_id.iter().try_for_each(|id| ec2.subnet(id).map(drop))?;
    let found = ec2.subnets.iter().filter(|(id, subnet)| {
        let cidr = subnet.cidr.to_string();
        (input.subnet_id.is_empty() || input.subnet_id.contains(id))
            && filter::passes(&input.filter, &subnet.tags, |name| match name {
                "subnet-id" => vec![id.as_str()],
                "vpc-id" => vec![subnet.vpc.as_str()],
                "availability-zone" => vec![subnet.zone.as_str()],
                "state" => vec!["available"],
                _ => vec![cidr.as_str()],
            })
    });
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found.collect(),
        |(id, _)| (*id).clone(),
        pages,
        "subnetSet",
        |xml, (id, subnet)| {
            write_subnet(xml, ctx.region, id, subnet);
        },
    )
}
