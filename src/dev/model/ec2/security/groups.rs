//! Security groups: created, described, deleted.

use serde::Deserialize;

use super::permissions::{self, group, ipv4, ipv6};
use super::{Peer, Rule, SecurityGroup};
use crate::dev::model::ec2::filter::{Filter, Filters, one};
use crate::dev::model::ec2::tagging::{TagSpecification, tags_for};
use crate::dev::model::ec2::{is_id, paged};
use crate::dev::model::tags::ec2_tag_set;
use crate::dev::model::{Answer, Ctx, Region};
use crate::dev::wire::{ApiError, Service, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Create {
    group_name: String,
    group_description: String,
    vpc_id: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Describe {
    #[serde(default)]
    group_id: Vec<String>,
    /// Names of groups in the default VPC.
    #[serde(default)]
    group_name: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Delete {
    group_id: Option<String>,
    group_name: Option<String>,
}

fn default_vpc(region: &Region) -> Result<String, ApiError> {
    let found = region.ec2.vpcs.iter().find(|(_, vpc)| vpc.default).map(|(id, _)| id.clone());
    found.ok_or_else(|| ApiError::new("VPCIdNotSpecified", "No default VPC for this user"))
}

pub(crate) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let vpc = match input.vpc_id {
        Some(vpc) => vpc,
        None => default_vpc(ctx.region)?,
    };
    let name = input.group_name;
    ctx.region.ec2.vpc(&vpc)?;
    if name.is_empty() || name.len() > 255 || name.starts_with("sg-") || name == "default" {
        let said = format!("Invalid value '{name}' for groupName. It cannot be 'default' or start with 'sg-'.");
        return Err(ApiError::ec2_value(said));
    }
    if ctx.region.ec2.security_group_named(&name, &vpc).is_ok() {
        let said = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(ApiError::new("InvalidGroup.Duplicate", said));
    }
    let tags = tags_for("security-group", &input.tag_specification)?;
    let id = ctx.cloud.chance.resource_id("sg");
    let out = Rule::all(&ctx.cloud.chance, true, Peer::Ipv4("0.0.0.0/0".to_owned()));
    let group = SecurityGroup { name, description: input.group_description, vpc, rules: vec![out], tags };
    let mut xml = Xml::default();
    xml.leaf("groupId", &id).leaf("securityGroupArn", arn(ctx.region, &id));
    ec2_tag_set(&mut xml, &group.tags);
    ctx.region.ec2.security_groups.insert(id, group);
    Ok(xml)
}

fn arn(region: &Region, id: &str) -> String {
    region.arn(Service::Ec2, format_args!("security-group/{id}"))
}

type Each<'a> = (&'a String, &'a SecurityGroup, &'a Region);

pub(crate) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let region = &*ctx.region;
    let mut wanted = Vec::new();
    for id in &input.group_id {
        if !is_id(id, "sg") {
            return Err(ApiError::new("InvalidGroupId.Malformed", format!("Invalid id: \"{id}\"")));
        }
        region.ec2.security_group(id)?;
        wanted.push(id.clone());
    }
    for name in &input.group_name {
        wanted.push(region.ec2.security_group_named(name, &default_vpc(region)?)?);
    }
    let named = region.ec2.security_groups.iter().filter(|(id, _)| wanted.is_empty() || wanted.contains(id));
    let found = filters().select(&input.filter, named.map(|(id, group)| (id, group, region)))?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found,
        |(id, ..)| (*id).clone(),
        pages,
        "securityGroupInfo",
        |xml, (id, group, region)| {
            xml.leaf("groupId", id).leaf("groupName", &group.name).leaf("groupDescription", &group.description);
            xml.leaf("ownerId", &region.account).leaf("vpcId", &group.vpc).leaf("securityGroupArn", arn(region, id));
            for (name, egress) in [("ipPermissions", false), ("ipPermissionsEgress", true)] {
                let rules: Vec<&Rule> = group.rules.iter().filter(|rule| rule.egress == egress).collect();
                permissions::write(xml, name, &region.account, &rules);
            }
            ec2_tag_set(xml, &group.tags);
        },
    )
}

fn of(group: &SecurityGroup, egress: bool, value: impl Fn(&Rule) -> Option<String>) -> Vec<String> {
    group.rules.iter().filter(|rule| rule.egress == egress).filter_map(value).collect()
}

fn filters<'a>() -> Filters<'a, Each<'a>> {
    Filters {
        of: &[
            ("group-id", |(id, ..)| one(id)),
            ("group-name", |(_, group, _)| one(&group.name)),
            ("vpc-id", |(_, group, _)| one(&group.vpc)),
            ("description", |(_, group, _)| one(&group.description)),
            ("owner-id", |(.., region)| one(&region.account)),
            ("ip-permission.cidr", |(_, each, _)| of(each, false, |rule| ipv4(&rule.traffic.peer).cloned())),
            ("ip-permission.ipv6-cidr", |(_, each, _)| of(each, false, |rule| ipv6(&rule.traffic.peer).cloned())),
            ("ip-permission.group-id", |(_, each, _)| of(each, false, |rule| group(&rule.traffic.peer).cloned())),
            ("ip-permission.protocol", |(_, each, _)| of(each, false, |rule| Some(rule.traffic.protocol.clone()))),
            ("ip-permission.from-port", |(_, each, _)| of(each, false, |rule| Some(rule.traffic.ports?.0.to_string()))),
            ("ip-permission.to-port", |(_, each, _)| of(each, false, |rule| Some(rule.traffic.ports?.1.to_string()))),
            ("egress.ip-permission.cidr", |(_, each, _)| of(each, true, |rule| ipv4(&rule.traffic.peer).cloned())),
            ("egress.ip-permission.ipv6-cidr", |(_, each, _)| of(each, true, |rule| ipv6(&rule.traffic.peer).cloned())),
            ("egress.ip-permission.group-id", |(_, each, _)| of(each, true, |rule| group(&rule.traffic.peer).cloned())),
            ("egress.ip-permission.protocol", |(_, each, _)| {
                of(each, true, |rule| Some(rule.traffic.protocol.clone()))
            }),
            ("egress.ip-permission.from-port", |(_, each, _)| {
                of(each, true, |rule| Some(rule.traffic.ports?.0.to_string()))
            }),
            ("egress.ip-permission.to-port", |(_, each, _)| {
                of(each, true, |rule| Some(rule.traffic.ports?.1.to_string()))
            }),
        ],
        absent: &["ip-permission.prefix-list-id", "egress.ip-permission.prefix-list-id"],
        tags: Some(|(_, group, _)| &group.tags),
    }
}

pub(crate) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let region = &mut *ctx.region;
    let id = match (input.group_id, input.group_name) {
        (Some(id), _) => id,
        (None, Some(name)) => region.ec2.security_group_named(&name, &default_vpc(region)?)?,
        (None, None) => {
            let said = "The request must contain the parameter groupName or groupId";
            return Err(ApiError::new("MissingParameter", said));
        }
    };
    if region.ec2.security_group(&id)?.name == "default" {
        let said = format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(ApiError::new("CannotDelete", said));
    }
    let instances =
        region.ec2.instances.values().filter(|each| each.state != crate::dev::model::ec2::InstanceState::Terminated);
    let used = instances.into_iter().any(|each| each.security_groups.contains(&id))
        || region.elb.uses_security_group(&id)
        || region.ec2.security_groups.iter().any(|(other, group)| *other != id && group.names(&id));
    if used {
        return Err(ApiError::new("DependencyViolation", format!("resource {id} has a dependent object")));
    }
    region.ec2.security_groups.remove(&id);
    let mut xml = Xml::default();
    xml.leaf("return", true).leaf("groupId", &id);
    Ok(xml)
}
