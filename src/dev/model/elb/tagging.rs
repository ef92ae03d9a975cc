//! Tags of load balancers, target groups, listeners and rules.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Elb, balancers, groups, listeners};
use crate::dev::model::tags::{self, Tag, Tags};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// ARNs per `DescribeTags`.
const DESCRIBE_MAX: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Add {
    resource_arns: Vec<String>,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Remove {
    resource_arns: Vec<String>,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    resource_arns: Vec<String>,
}

/// Adds `given` to `tags`, or changes nothing.
pub(super) fn put(tags: &mut Tags, given: &[Tag]) -> Result<(), ApiError> {
    let mut keys = BTreeSet::new();
    if let Some(twice) = given.iter().find(|tag| !keys.insert(&tag.key)) {
        let said = format!("Tag key '{}' was specified more than once", twice.key);
        return Err(ApiError::new("DuplicateTagKeys", said));
    }
    tags::put(tags, given, "ValidationError", "TooManyTags")
}

impl Elb {
    fn tags_mut(&mut self, arn: &str) -> Result<&mut Tags, ApiError> {
        let kind = arn.split(':').nth(5).and_then(|resource| resource.split('/').next()).unwrap_or_default();
        match kind {
            "loadbalancer" => {
                self.balancers.get_mut(arn).map(|each| &mut each.tags).ok_or_else(|| balancers::not_found(arn))
            }
            "targetgroup" => self.groups.get_mut(arn).map(|each| &mut each.tags).ok_or_else(groups::not_found),
            "listener" => self.listeners.get_mut(arn).map(|each| &mut each.tags).ok_or_else(listeners::not_found),
            "listener-rule" => self.rule_mut(arn).map(|rule| &mut rule.tags),
            _ => Err(ApiError::validation(format!("'{arn}' is not a valid ARN of a resource with tags"))),
        }
    }
}

pub(super) fn add(ctx: &mut Ctx<'_>, input: Add) -> Answer {
    let elb = &mut ctx.region.elb;
    // All of them, or none.
    for arn in &input.resource_arns {
        put(&mut elb.tags_mut(arn)?.clone(), &input.tags)?;
    }
    for arn in &input.resource_arns {
        put(elb.tags_mut(arn)?, &input.tags)?;
    }
    Ok(Xml::default())
}

pub(super) fn remove(ctx: &mut Ctx<'_>, input: Remove) -> Answer {
    let elb = &mut ctx.region.elb;
    for arn in &input.resource_arns {
        elb.tags_mut(arn)?;
    }
    for arn in &input.resource_arns {
        elb.tags_mut(arn)?.retain(|key, _| !input.tag_keys.contains(key));
    }
    Ok(Xml::default())
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    if input.resource_arns.is_empty() || input.resource_arns.len() > DESCRIBE_MAX {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value at 'resourceArns' failed to satisfy constraint: Member must have length \
             between 1 and {DESCRIBE_MAX}"
        )));
    }
    let mut found = Vec::new();
    for arn in &input.resource_arns {
        found.push((arn, ctx.region.elb.tags_mut(arn)?.clone()));
    }
    let mut xml = Xml::default();
    xml.list("TagDescriptions", "member", found, |xml, (arn, tags)| {
        xml.leaf("ResourceArn", arn).list("Tags", "member", tags, |xml, (key, value)| {
            xml.leaf("Key", key).leaf("Value", value);
        });
    });
    Ok(xml)
}
