//! Security groups: they exist and are read back, but loopback has no firewall, so their rules are not modelled.

use serde::Deserialize;

use super::filter::{self, Filter};
use super::tagging::{TagSpecification, tags_for};
use super::{Ec2, paged};
use crate::dev::model::tags::{Tags, ec2_tag_set};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// A security group.
#[derive(Debug)]
pub(crate) struct SecurityGroup {
    name: String,
    description: String,
    vpc: String,
    pub(super) tags: Tags,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    group_name: String,
    group_description: String,
    vpc_id: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    group_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

impl Ec2 {
    pub(crate) fn security_group(&self, id: &str) -> Result<&SecurityGroup, ApiError> {
        let none = || ApiError::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"));
        self.security_groups.get(id).ok_or_else(none)
    }
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let ec2 = &mut ctx.region.ec2;
    let vpc = input.vpc_id.ok_or_else(|| ApiError::new("VPCIdNotSpecified", "No default VPC for this user"))?;
    ec2.vpc(&vpc)?;
    if ec2.security_groups.values().any(|group| group.vpc == vpc && group.name == input.group_name) {
        let said = format!("The security group '{}' already exists for VPC '{vpc}'", input.group_name);
        return Err(ApiError::new("InvalidGroup.Duplicate", said));
    }
    let id = ctx.cloud.chance.resource_id("sg");
    let tags = tags_for("security-group", &input.tag_specification)?;
    let mut xml = Xml::default();
    xml.leaf("groupId", &id);
    ec2_tag_set(&mut xml, &tags);
    let group = SecurityGroup { name: input.group_name, description: input.group_description, vpc, tags };
    ec2.security_groups.insert(id, group);
    Ok(xml)
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    filter::check(&input.filter, &["group-id", "group-name", "vpc-id", "description"])?;
    let ec2 = &ctx.region.ec2;
    input.group_id.iter().try_for_each(|id| ec2.security_group(id).map(drop))?;
    let found = ec2.security_groups.iter().filter(|(id, group)| {
        (input.group_id.is_empty() || input.group_id.contains(id))
            && filter::passes(&input.filter, &group.tags, |name| match name {
                "group-id" => vec![id.as_str()],
                "group-name" => vec![group.name.as_str()],
                "vpc-id" => vec![group.vpc.as_str()],
                _ => vec![group.description.as_str()],
            })
    });
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found.collect(),
        |(id, _)| (*id).clone(),
        pages,
        "securityGroupInfo",
        |xml, (id, group)| {
            xml.leaf("groupId", id).leaf("groupName", &group.name).leaf("groupDescription", &group.description);
            xml.leaf("ownerId", &ctx.region.account).leaf("vpcId", &group.vpc);
            ec2_tag_set(xml, &group.tags);
        },
    )
}
