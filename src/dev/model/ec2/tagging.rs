//! EC2's tags: at creation through `TagSpecification`, later through `CreateTags`.

use serde::Deserialize;

use super::filter::{self, Filter};
use super::{Ec2, paged};
use crate::dev::model::tags::{self, Tag, Tags};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// Tags for what a call creates.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
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

pub(super) fn put(tags: &mut Tags, given: &[Tag]) -> Result<(), ApiError> {
    tags::put(tags, given, "InvalidParameterValue", "TagLimitExceeded")
}

/// The tags for a created resource of type `kind`; tags for another type are a mistake.
pub(super) fn tags_for(kind: &str, specifications: &[TagSpecification]) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for specification in specifications {
        if specification.resource_type != kind {
            return Err(ApiError::ec2_value(format!(
                "'{}' is not a valid taggable resource type for this operation (or not modelled by the dev cloud: expected {kind})",
                specification.resource_type
            )));
        }
        put(&mut tags, &specification.tag)?;
    }
    Ok(tags)
}

impl Ec2 {
    fn tags_of(&mut self, id: &str, image_exists: impl Fn(&str) -> bool) -> Result<&mut Tags, ApiError> {
        let kind = id.split_once('-').map_or("", |(kind, _)| kind);
        let found = match kind {
            "vpc" => self.vpcs.get_mut(id).map(|each| &mut each.tags),
            "subnet" => self.subnets.get_mut(id).map(|each| &mut each.tags),
            "sg" => self.security_groups.get_mut(id).map(|each| &mut each.tags),
            "lt" => self.templates.get_mut(id).map(|each| &mut each.tags),
            "i" => self.instances.get_mut(id).map(|each| &mut each.tags),
            "ami" if image_exists(id) => Some(self.image_tags.entry(id.to_owned()).or_default()),
            "ami" => None,
            _ => return Err(ApiError::new("InvalidID", format!("The ID '{id}' is not valid"))),
        };
        let code = match kind {
            "vpc" => "InvalidVpcID.NotFound",
            "subnet" => "InvalidSubnetID.NotFound",
            "sg" => "InvalidGroup.NotFound",
            "lt" => "InvalidLaunchTemplateId.NotFound",
            "i" => "InvalidInstanceID.NotFound",
            _ => "InvalidAMIID.NotFound",
        };
        found.ok_or_else(|| ApiError::new(code, format!("The ID '{id}' does not exist")))
    }
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let (ec2, catalogue) = (&mut ctx.region.ec2, ctx.cloud.catalogue());
    let exists = |id: &str| catalogue.images.contains_key(id);
    // All of them, or none.
    for id in &input.resource_id {
        put(&mut ec2.tags_of(id, exists)?.clone(), &input.tag)?;
    }
    for id in &input.resource_id {
        put(ec2.tags_of(id, exists)?, &input.tag)?;
    }
    let mut xml = Xml::default();
    xml.leaf("return", true);
    Ok(xml)
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let (ec2, catalogue) = (&mut ctx.region.ec2, ctx.cloud.catalogue());
    let exists = |id: &str| catalogue.images.contains_key(id);
    for id in &input.resource_id {
        ec2.tags_of(id, exists)?;
    }
    for id in &input.resource_id {
        let tags = ec2.tags_of(id, exists)?;
        if input.tag.is_empty() {
            tags.clear();
        }
        for Untag { key, value } in &input.tag {
            if value.is_none() || tags.get(key) == value.as_ref() {
                tags.remove(key);
            }
        }
    }
    let mut xml = Xml::default();
    xml.leaf("return", true);
    Ok(xml)
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    filter::check(&input.filter, &["resource-id", "resource-type", "key", "value"])?;
    let ec2 = &ctx.region.ec2;
    let all = (ec2.vpcs.iter().map(|(id, each)| ("vpc", id, &each.tags)))
        .chain(ec2.subnets.iter().map(|(id, each)| ("subnet", id, &each.tags)))
        .chain(ec2.security_groups.iter().map(|(id, each)| ("security-group", id, &each.tags)))
        .chain(ec2.templates.iter().map(|(id, each)| ("launch-template", id, &each.tags)))
        .chain(ec2.image_tags.iter().map(|(id, tags)| ("image", id, tags)))
        .chain(ec2.instances.iter().map(|(id, each)| ("instance", id, &each.tags)));
    let rows = all.flat_map(|(kind, id, tags)| tags.iter().map(move |(key, value)| (kind, id, key, value)));
    let found = rows.filter(|(kind, id, key, value)| {
        let own = Tags::from([((*key).clone(), (*value).clone())]);
        filter::passes(&input.filter, &own, |name| match name {
            "resource-id" => vec![id.as_str()],
            "resource-type" => vec![kind],
            "key" => vec![key.as_str()],
            _ => vec![value.as_str()],
        })
    });
    let pages = (input.next_token.as_deref(), input.max_results);
    let key = |(_, id, key, _): &(&str, &String, &String, &String)| format!("{id}={key}");
    paged(found.collect(), key, pages, "tagSet", |xml, (kind, id, key, value)| {
        xml.leaf("resourceId", id).leaf("resourceType", kind).leaf("key", key).leaf("value", value);
    })
}
