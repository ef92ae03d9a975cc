//! EC2's tags: at creation through `TagSpecification`, later through `CreateTags`.

use serde::{Deserialize, Serialize};

use super::filter::{Filter, Filters, one};
use super::{Ec2, done, images, paged};
use crate::dev::model::tags::{self, Tag, Tags};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::ApiError;

/// Tags for what a call creates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct TagSpecification {
    pub(super) resource_type: String,
    #[serde(default)]
    pub(super) tag: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    resource_id: Vec<String>,
    tag: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Untag {
    key: String,
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    resource_id: Vec<String>,
    #[serde(default)]
    tag: Vec<Untag>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

/// Resources that one call may name.
const RESOURCES_MAX: usize = 1000;

pub(super) fn put(tags: &mut Tags, given: &[Tag]) -> Result<(), ApiError> {
    tags::put(tags, given, "InvalidParameterValue", "TagLimitExceeded")
}

/// The tags for a created resource of type `kind`; tags for another type are a mistake.
pub(super) fn tags_for(kind: &str, specifications: &[TagSpecification]) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for specification in specifications {
        if specification.resource_type != kind {
            return Err(ApiError::ec2_value(format!(
                "'{}' is not a valid taggable resource type for this operation (or not modelled by the dev cloud: \
                 expected {kind})",
                specification.resource_type
            )));
        }
        put(&mut tags, &specification.tag)?;
    }
    Ok(tags)
}

/// Resource types with tags: prefix of the id, name of the type, and AWS's code where there is no such resource.
const KINDS: [(&str, &str, &str); 12] = [
    ("vpc", "vpc", "InvalidVpcID.NotFound"),
    ("subnet", "subnet", "InvalidSubnetID.NotFound"),
    ("sg", "security-group", "InvalidGroup.NotFound"),
    ("sgr", "security-group-rule", "InvalidSecurityGroupRuleId.NotFound"),
    ("lt", "launch-template", "InvalidLaunchTemplateId.NotFound"),
    ("i", "instance", "InvalidInstanceID.NotFound"),
    ("ami", "image", "InvalidAMIID.NotFound"),
    ("igw", "internet-gateway", "InvalidInternetGatewayID.NotFound"),
    ("rtb", "route-table", "InvalidRouteTableID.NotFound"),
    ("acl", "network-acl", "InvalidNetworkAclID.NotFound"),
    ("eni", "network-interface", "InvalidNetworkInterfaceID.NotFound"),
    ("vol", "volume", "InvalidVolume.NotFound"),
];

impl Ec2 {
    fn tags_of(&mut self, id: &str) -> Option<&mut Tags> {
        let kind = id.split_once('-').map_or("", |(kind, _)| kind);
        match kind {
            "vpc" => self.vpcs.get_mut(id).map(|each| &mut each.tags),
            "subnet" => self.subnets.get_mut(id).map(|each| &mut each.tags),
            "sg" => self.security_groups.get_mut(id).map(|each| &mut each.tags),
            "sgr" => {
                let mut rules = self.security_groups.values_mut().flat_map(|group| group.rules.iter_mut());
                rules.find(|rule| rule.id == id).map(|rule| &mut rule.tags)
            }
            "lt" => self.templates.get_mut(id).map(|each| &mut each.tags),
            "i" => self.instances.get_mut(id).map(|each| &mut each.tags),
            "ami" => Some(&mut self.images.entry(id.to_owned()).or_default().tags),
            "igw" => self.gateways.get_mut(id).map(|each| &mut each.tags),
            "rtb" => self.route_tables.get_mut(id).map(|each| &mut each.tags),
            "acl" => self.vpcs.values_mut().find(|vpc| vpc.acl == id).map(|vpc| &mut vpc.acl_tags),
            "eni" => {
                let found = self.instances.values_mut().find(|each| each.interface.id == id);
                found.map(|each| &mut each.interface.tags)
            }
            "vol" => {
                let mut volumes = self.instances.values_mut().flat_map(|each| each.volumes.iter_mut());
                volumes.find(|volume| volume.id == id).map(|volume| &mut volume.tags)
            }
            _ => None,
        }
    }
}

/// The tags of every resource that is named, or the first refusal.
fn check(ctx: &mut Ctx<'_>, ids: &[String]) -> Result<(), ApiError> {
    let now = ctx.cloud.clock.now();
    if ids.is_empty() || ids.len() > RESOURCES_MAX {
        return Err(ApiError::ec2_value(format!("A call names 1 to {RESOURCES_MAX} resources")));
    }
    for id in ids {
        let prefix = id.split_once('-').map_or("", |(prefix, _)| prefix);
        let Some((_, _, code)) = KINDS.iter().find(|(known, ..)| *known == prefix) else {
            return Err(ApiError::new("InvalidID", format!("The ID '{id}' is not valid")));
        };
        let there = match prefix {
            "i" => ctx.region.ec2.check_instances(std::slice::from_ref(id), now).map(|()| true)?,
            "ami" => images::exists(ctx, id),
            _ => ctx.region.ec2.tags_of(id).is_some(),
        };
        if !there {
            return Err(ApiError::new(*code, format!("The ID '{id}' does not exist")));
        }
    }
    Ok(())
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    check(ctx, &input.resource_id)?;
    // All of them, or none.
    for apply in [false, true] {
        for id in &input.resource_id {
            let Some(tags) = ctx.region.ec2.tags_of(id) else { continue };
            if apply { put(tags, &input.tag)? } else { put(&mut tags.clone(), &input.tag)? }
        }
    }
    Ok(done())
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    check(ctx, &input.resource_id)?;
    for id in &input.resource_id {
        let Some(tags) = ctx.region.ec2.tags_of(id) else { continue };
        if input.tag.is_empty() {
            // Only the user's own.
            tags.retain(|key, _| key.starts_with("aws:"));
        }
        for Untag { key, value } in &input.tag {
            if key.starts_with("aws:") {
                return Err(ApiError::ec2_value(format!("Tag keys starting with 'aws:' are reserved: {key}")));
            }
            if value.is_none() || tags.get(key) == value.as_ref() {
                tags.remove(key);
            }
        }
    }
    Ok(done())
}

/// Type and id of a resource, and one of its tags.
type Row<'a> = (&'static str, &'a String, Tags);

fn key<'a>((.., tag): &'a Row<'_>) -> &'a str {
    tag.keys().next().map_or("", String::as_str)
}

fn value<'a>((.., tag): &'a Row<'_>) -> &'a str {
    tag.values().next().map_or("", String::as_str)
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let (ec2, now) = (&ctx.region.ec2, ctx.cloud.clock.now());
    let instances = || ec2.instances.values().filter(|instance| instance.is_visible(now));
    let rules = ec2.security_groups.values().flat_map(|group| &group.rules);
    let all = (ec2.vpcs.iter().map(|(id, each)| ("vpc", id, &each.tags)))
        .chain(ec2.vpcs.values().map(|each| ("network-acl", &each.acl, &each.acl_tags)))
        .chain(ec2.subnets.iter().map(|(id, each)| ("subnet", id, &each.tags)))
        .chain(ec2.security_groups.iter().map(|(id, each)| ("security-group", id, &each.tags)))
        .chain(rules.map(|each| ("security-group-rule", &each.id, &each.tags)))
        .chain(ec2.gateways.iter().map(|(id, each)| ("internet-gateway", id, &each.tags)))
        .chain(ec2.route_tables.iter().map(|(id, each)| ("route-table", id, &each.tags)))
        .chain(ec2.templates.iter().map(|(id, each)| ("launch-template", id, &each.tags)))
        .chain(ec2.images.iter().map(|(id, each)| ("image", id, &each.tags)))
        .chain(instances().map(|each| ("instance", &each.id, &each.tags)))
        .chain(instances().map(|each| ("network-interface", &each.interface.id, &each.interface.tags)))
        .chain(instances().flat_map(|each| &each.volumes).map(|each| ("volume", &each.id, &each.tags)));
    let rows = all.flat_map(|(kind, id, tags)| {
        tags.iter().map(move |(key, value)| (kind, id, Tags::from([(key.clone(), value.clone())])))
    });
    let filters = Filters::<'_, Row<'_>> {
        of: &[
            ("resource-type", |(kind, ..)| one(kind)),
            ("resource-id", |(_, id, _)| one(id)),
            ("key", |row| one(key(row))),
            ("value", |row| one(value(row))),
        ],
        absent: &[],
        tags: Some(|(.., tag)| tag),
    };
    let found = filters.select(&input.filter, rows)?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found,
        |row| format!("{}={}", row.1, key(row)),
        pages,
        "tagSet",
        |xml, row| {
            xml.leaf("resourceId", row.1).leaf("resourceType", row.0).leaf("key", key(&row)).leaf("value", value(&row));
        },
    )
}
