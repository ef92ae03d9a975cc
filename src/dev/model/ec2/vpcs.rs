//! VPCs: what comes with one (security group, route table, network ACL), and its attributes.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::filter::{Filter, Filters, one};
use super::routes::RouteTable;
use super::security::SecurityGroup;
use super::tagging::{TagSpecification, tags_for};
use super::{Ec2, done, paged};
use crate::dev::model::tags::{Tags, ec2_tag_set};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// A VPC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Vpc {
    pub(crate) cidr: Ipv4Net,
    pub(super) default: bool,
    pub(super) dns_support: bool,
    pub(super) dns_hostnames: bool,
    /// Id of the association of the CIDR block.
    pub(super) association: String,
    /// Its only network ACL, the default one.
    pub(super) acl: String,
    pub(super) acl_tags: Tags,
    pub(crate) tags: Tags,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    cidr_block: String,
    instance_tenancy: Option<Tenancy>,
    /// `false` is what there is anyway.
    amazon_provided_ipv6_cidr_block: Option<bool>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tenancy {
    Default,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoInput {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    vpc_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct One {
    vpc_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeAttribute {
    vpc_id: String,
    attribute: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ModifyAttribute {
    vpc_id: String,
    enable_dns_support: Option<Flag>,
    enable_dns_hostnames: Option<Flag>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeAcls {
    #[serde(default)]
    network_acl_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

/// `Name.Value=true`
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Flag {
    pub(super) value: bool,
}

impl Ec2 {
    pub(crate) fn vpc(&self, id: &str) -> Result<&Vpc, ApiError> {
        let none = || ApiError::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist"));
        self.vpcs.get(id).ok_or_else(none)
    }
}

pub(super) fn cidr(text: &str) -> Result<Ipv4Net, ApiError> {
    text.parse().map_err(|_| {
        ApiError::ec2_value(format!(
            "Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        ))
    })
}

/// Makes a VPC with what AWS makes along with it; returns its id.
pub(super) fn make(ctx: &mut Ctx<'_>, cidr: Ipv4Net, default: bool, tags: Tags) -> String {
    let chance = &ctx.cloud.chance;
    let id = chance.resource_id("vpc");
    let vpc = Vpc {
        cidr,
        default,
        dns_support: true,
        dns_hostnames: default,
        association: chance.resource_id("vpc-cidr-assoc"),
        acl: chance.resource_id("acl"),
        acl_tags: Tags::new(),
        tags,
    };
    let (group, table) = (chance.resource_id("sg"), chance.resource_id("rtb"));
    let rules = SecurityGroup::default_rules(chance, &group);
    let main = RouteTable::main(chance, &id);
    let ec2 = &mut ctx.region.ec2;
    let owned = SecurityGroup {
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        vpc: id.clone(),
        rules,
        tags: Tags::new(),
    };
    ec2.security_groups.insert(group, owned);
    ec2.route_tables.insert(table, main);
    ec2.vpcs.insert(id.clone(), vpc);
    id
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let cidr = cidr(&input.cidr_block)?;
    if input.amazon_provided_ipv6_cidr_block == Some(true) {
        return Err(ApiError::new("UnsupportedOperation", "The dev cloud has no IPv6 (AmazonProvidedIpv6CidrBlock)"));
    }
    // Whatever lies in 127/8 must lie in our own part of it.
    let (ours, loopback) = (ctx.block.network(), Ipv4Net::new_assert([127, 0, 0, 0].into(), 8));
    let elsewhere = !ours.contains(&cidr) && (loopback.contains(&cidr) || cidr.contains(&loopback));
    if !(16..=28).contains(&cidr.prefix_len()) || elsewhere || cidr != cidr.trunc() {
        return Err(ApiError::new(
            "InvalidVpc.Range",
            format!(
                "The CIDR '{cidr}' is invalid. (The dev cloud takes {ours}, or a part of it, where instances have \
                 addresses that can be reached, or any block from /16 to /28 outside of 127.0.0.0/8)"
            ),
        ));
    }
    let tags = tags_for("vpc", &input.tag_specification)?;
    let (Some(Tenancy::Default) | None) = input.instance_tenancy;
    let id = make(ctx, cidr, false, tags);
    Ok(answer(ctx, &id))
}

/// The default VPC, with a subnet in each zone.
pub(super) fn create_default(ctx: &mut Ctx<'_>, _: NoInput) -> Answer {
    if ctx.region.ec2.vpcs.values().any(|vpc| vpc.default) {
        let said = "A Default VPC already exists for this account in this region.";
        return Err(ApiError::new("DefaultVpcAlreadyExists", said));
    }
    let cidr = Ipv4Net::new_assert([172, 31, 0, 0].into(), 16);
    let id = make(ctx, cidr, true, Tags::new());
    super::gateways::attach_new(ctx, &id);
    super::subnets::make_default(ctx, &id, cidr);
    Ok(answer(ctx, &id))
}

fn answer(ctx: &Ctx<'_>, id: &str) -> Xml {
    let mut xml = Xml::default();
    if let Some(vpc) = ctx.region.ec2.vpcs.get(id) {
        xml.node("vpc", |xml| write(xml, &ctx.region.account, id, vpc));
    }
    xml
}

fn write(xml: &mut Xml, account: &str, id: &str, vpc: &Vpc) {
    xml.leaf("vpcId", id).leaf("ownerId", account).leaf("state", "available").leaf("cidrBlock", vpc.cidr);
    xml.leaf("dhcpOptionsId", "default").leaf("instanceTenancy", "default").leaf("isDefault", vpc.default);
    xml.list("cidrBlockAssociationSet", "item", Some(vpc), |xml, vpc| {
        xml.leaf("associationId", &vpc.association).leaf("cidrBlock", vpc.cidr).node("cidrBlockState", |xml| {
            xml.leaf("state", "associated");
        });
    });
    xml.list("ipv6CidrBlockAssociationSet", "item", None::<()>, |_, ()| {});
    ec2_tag_set(xml, &vpc.tags);
}

type Each<'a> = (&'a String, &'a Vpc, &'a String);

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let (account, ec2) = (&ctx.region.account, &ctx.region.ec2);
    input.vpc_id.iter().try_for_each(|id| ec2.vpc(id).map(drop))?;
    let named = ec2.vpcs.iter().filter(|(id, _)| input.vpc_id.is_empty() || input.vpc_id.contains(id));
    let filters = Filters::<'_, Each<'_>> {
        of: &[
            ("vpc-id", |(id, ..)| one(id)),
            ("cidr", |(_, vpc, _)| one(vpc.cidr)),
            // An older name.
            ("cidr-block", |(_, vpc, _)| one(vpc.cidr)),
            ("cidr-block-association.cidr-block", |(_, vpc, _)| one(vpc.cidr)),
            ("cidr-block-association.association-id", |(_, vpc, _)| one(&vpc.association)),
            ("cidr-block-association.state", |_| one("associated")),
            ("dhcp-options-id", |_| one("default")),
            ("is-default", |(_, vpc, _)| one(vpc.default)),
            // The spelling of many clients.
            ("isDefault", |(_, vpc, _)| one(vpc.default)),
            ("owner-id", |(.., account)| one(account)),
            ("state", |_| one("available")),
        ],
        absent: &[
            "ipv6-cidr-block-association.association-id",
            "ipv6-cidr-block-association.ipv6-cidr-block",
            "ipv6-cidr-block-association.ipv6-pool",
            "ipv6-cidr-block-association.state",
        ],
        tags: Some(|(_, vpc, _)| &vpc.tags),
    };
    let found = filters.select(&input.filter, named.map(|(id, vpc)| (id, vpc, account)))?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(found, |(id, ..)| (*id).clone(), pages, "vpcSet", |xml, (id, vpc, account)| write(xml, account, id, vpc))
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: One) -> Answer {
    let (ec2, id) = (&mut ctx.region.ec2, input.vpc_id);
    ec2.vpc(&id)?;
    let used = ec2.subnets.values().any(|subnet| subnet.vpc == id)
        || ec2.gateways.values().any(|gateway| gateway.vpc.as_ref() == Some(&id))
        || ec2.security_groups.values().any(|group| group.vpc == id && group.name != "default")
        || ec2.route_tables.values().any(|table| table.vpc == id && !table.is_main());
    if used {
        let said = format!("The vpc '{id}' has dependencies and cannot be deleted.");
        return Err(ApiError::new("DependencyViolation", said));
    }
    ec2.security_groups.retain(|_, group| group.vpc != id);
    ec2.route_tables.retain(|_, table| table.vpc != id);
    ec2.vpcs.remove(&id);
    Ok(done())
}

pub(super) fn describe_attribute(ctx: &mut Ctx<'_>, input: DescribeAttribute) -> Answer {
    let vpc = ctx.region.ec2.vpc(&input.vpc_id)?;
    let value = match input.attribute.as_str() {
        "enableDnsSupport" => vpc.dns_support,
        "enableDnsHostnames" => vpc.dns_hostnames,
        "enableNetworkAddressUsageMetrics" => false,
        other => {
            return Err(ApiError::ec2_value(format!("Value ({other}) for parameter attribute is invalid.")));
        }
    };
    let mut xml = Xml::default();
    xml.leaf("vpcId", &input.vpc_id).node(&input.attribute, |xml| {
        xml.leaf("value", value);
    });
    Ok(xml)
}

pub(super) fn modify_attribute(ctx: &mut Ctx<'_>, input: ModifyAttribute) -> Answer {
    ctx.region.ec2.vpc(&input.vpc_id)?;
    if let Some(vpc) = ctx.region.ec2.vpcs.get_mut(&input.vpc_id) {
        match (input.enable_dns_support, input.enable_dns_hostnames) {
            (Some(_), Some(_)) => {
                let said = "Only one attribute can be modified at a time";
                return Err(ApiError::new("InvalidParameterCombination", said));
            }
            (Some(Flag { value }), None) => vpc.dns_support = value,
            (None, Some(Flag { value })) => vpc.dns_hostnames = value,
            (None, None) => {
                return Err(ApiError::new("MissingParameter", "The request must contain an attribute to modify"));
            }
        }
    }
    Ok(done())
}

/// `DescribeNetworkAcls`: the default one of each VPC, which lets everything through.
pub(super) fn describe_acls(ctx: &mut Ctx<'_>, input: DescribeAcls) -> Answer {
    let (account, ec2) = (&ctx.region.account, &ctx.region.ec2);
    for id in &input.network_acl_id {
        if !ec2.vpcs.values().any(|vpc| vpc.acl == *id) {
            let said = format!("The networkAcl ID '{id}' does not exist");
            return Err(ApiError::new("InvalidNetworkAclID.NotFound", said));
        }
    }
    let ids = &input.network_acl_id;
    let named = ec2.vpcs.iter().filter(|(_, vpc)| ids.is_empty() || ids.contains(&vpc.acl));
    let filters = Filters::<'_, Each<'_>> {
        of: &[
            ("network-acl-id", |(_, vpc, _)| one(&vpc.acl)),
            ("vpc-id", |(id, ..)| one(id)),
            ("default", |_| one(true)),
            ("owner-id", |(.., account)| one(account)),
        ],
        absent: &[],
        tags: Some(|(_, vpc, _)| &vpc.acl_tags),
    };
    let found = filters.select(&input.filter, named.map(|(id, vpc)| (id, vpc, account)))?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found,
        |(_, vpc, _)| vpc.acl.clone(),
        pages,
        "networkAclSet",
        |xml, (id, vpc, account)| {
            xml.leaf("networkAclId", &vpc.acl).leaf("vpcId", id).leaf("default", true).leaf("ownerId", account);
            let entries =
                [(100, "allow", false), (32_767, "deny", false), (100, "allow", true), (32_767, "deny", true)];
            xml.list("entrySet", "item", entries, |xml, (number, action, egress)| {
                xml.leaf("ruleNumber", number).leaf("protocol", "-1").leaf("ruleAction", action);
                xml.leaf("egress", egress).leaf("cidrBlock", "0.0.0.0/0");
            });
            let subnets = ec2.subnets.iter().filter(|(_, subnet)| subnet.vpc == *id);
            xml.list("associationSet", "item", subnets, |xml, (subnet, each)| {
                xml.leaf("networkAclAssociationId", &each.acl_association).leaf("networkAclId", &vpc.acl);
                xml.leaf("subnetId", subnet);
            });
            ec2_tag_set(xml, &vpc.acl_tags);
        },
    )
}
