//! Tags of groups, which instances may inherit at their launch.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::group::{Group, GroupTag};
use super::{Filter, Paging, not_found, read_filters};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// A tag in a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct TagIn {
    resource_id: Option<String>,
    resource_type: Option<String>,
    key: String,
    value: Option<String>,
    propagate_at_launch: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Tags {
    tags: Vec<TagIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    filters: Vec<Filter>,
    next_token: Option<String>,
    max_records: Option<u32>,
}

/// Tags of one group.
const TAGS_MAX: usize = 50;

impl TagIn {
    /// The group that is meant: the one that is named, or else `within`.
    fn group<'a>(&'a self, within: Option<&'a str>) -> Result<&'a str, ApiError> {
        if let Some(kind) = self.resource_type.as_deref().filter(|kind| *kind != "auto-scaling-group") {
            let said = format!("Tag resource type must be auto-scaling-group, but it is '{kind}'");
            return Err(ApiError::validation(said));
        }
        match (self.resource_id.as_deref(), within) {
            (Some(named), Some(within)) if named != within => {
                Err(ApiError::validation(format!("Tag resource id '{named}' is not the group '{within}'")))
            }
            (None, None) => Err(ApiError::validation("A tag needs the ResourceId of its group")),
            (named, within) => Ok(named.or(within).unwrap_or_default()),
        }
    }
}

/// Adds tags, or changes nothing.
pub(super) fn merge(
    tags: &mut BTreeMap<String, GroupTag>,
    given: &[TagIn],
    within: Option<&str>,
) -> Result<(), ApiError> {
    let mut after = tags.clone();
    for tag in given {
        tag.group(within)?;
        let (key, value) = (&tag.key, tag.value.as_deref().unwrap_or_default());
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            let said = format!("tag {key:?}: keys have 1 to 128 characters, values at most 256");
            return Err(ApiError::validation(said));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::validation(format!("tag {key:?}: keys that begin with 'aws:' are reserved")));
        }
        let propagate = tag.propagate_at_launch.unwrap_or_default();
        after.insert(key.clone(), GroupTag { value: value.to_owned(), propagate });
    }
    if after.len() > TAGS_MAX {
        return Err(ApiError::new("LimitExceeded", format!("An Auto Scaling group has at most {TAGS_MAX} tags")));
    }
    *tags = after;
    Ok(())
}

/// Tags of several groups at once, all of them or none. Instances that run already stay as they are.
pub(super) fn put(ctx: &mut Ctx<'_>, input: Tags) -> Answer {
    let mut by_group = BTreeMap::<String, Vec<TagIn>>::new();
    for tag in input.tags {
        let name = tag.group(None)?.to_owned();
        by_group.entry(name).or_default().push(tag);
    }
    let state = &mut ctx.region.autoscaling;
    for (name, tags) in &by_group {
        merge(&mut state.group(name)?.tags.clone(), tags, Some(name))?;
    }
    for (name, tags) in &by_group {
        merge(&mut state.group_mut(name)?.tags, tags, Some(name))?;
    }
    Ok(Xml::default())
}

/// A tag that is not there is no mistake; one with another value than the one given stays.
pub(super) fn delete(ctx: &mut Ctx<'_>, input: Tags) -> Answer {
    let state = &mut ctx.region.autoscaling;
    for tag in &input.tags {
        let name = tag.group(None)?;
        if !state.groups.contains_key(name) {
            return Err(not_found(name));
        }
    }
    for tag in &input.tags {
        let tags = &mut state.group_mut(tag.group(None)?)?.tags;
        let same = |had: &GroupTag| tag.value.as_ref().is_none_or(|value| *value == had.value);
        if tags.get(&tag.key).is_some_and(same) {
            tags.remove(&tag.key);
        }
    }
    Ok(Xml::default())
}

pub(super) fn write(xml: &mut Xml, group: &str, key: &str, tag: &GroupTag) {
    xml.leaf("ResourceId", group).leaf("ResourceType", "auto-scaling-group");
    xml.leaf("Key", key).leaf("Value", &tag.value).leaf("PropagateAtLaunch", tag.propagate);
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let filters = read_filters(&input.filters, &["auto-scaling-group", "key", "value", "propagate-at-launch"])?;
    let passes = |name: &str, value: &str| filters.get(name).is_none_or(|wanted| wanted.contains(&value));
    let all = ctx.region.autoscaling.groups.values();
    let rows = all.flat_map(|group| group.tags.iter().map(move |(key, tag)| (group, key, tag)));
    let found = rows.filter(|(group, key, tag)| {
        passes("auto-scaling-group", &group.name)
            && passes("key", key)
            && passes("value", &tag.value)
            && passes("propagate-at-launch", if tag.propagate { "true" } else { "false" })
    });
    let paging = Paging { token: input.next_token.as_deref(), size: input.max_records, limits: (50, 100) };
    let mut xml = Xml::default();
    let id = |(group, key, _): &(&Group, &String, &GroupTag)| format!("{}:{key}", group.name);
    paging.write(&mut xml, found.collect(), id, "Tags", |xml, (group, key, tag)| write(xml, &group.name, key, tag))?;
    Ok(xml)
}
