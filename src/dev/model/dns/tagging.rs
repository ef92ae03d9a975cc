//! Tags of hosted zones and health checks.

use super::de::{ChangeTags, ListTagsForResources};
use super::{Ctx, Tags, invalid_input, no_such_health_check, no_such_zone};
use crate::dev::wire::{ApiError, Body, Xml};

/// Tags of a resource, and tags or resources of a call.
const TAGS_MAX: usize = 10;

fn tags<'a>(ctx: &'a mut Ctx<'_>, kind: &str, id: &str) -> Result<&'a mut Tags, ApiError> {
    let dns = ctx.dns();
    match kind {
        "hostedzone" => dns.zones.get_mut(id).map(|zone| &mut zone.tags).ok_or_else(|| no_such_zone(id)),
        "healthcheck" => dns.checks.get_mut(id).map(|check| &mut check.tags).ok_or_else(|| no_such_health_check(id)),
        _ => Err(invalid_input(format!("'{kind}' is not a resource type: expected healthcheck or hostedzone"))),
    }
}

pub(super) fn change(ctx: &mut Ctx<'_>, kind: &str, id: &str, input: ChangeTags) -> Result<Body, ApiError> {
    let tags = tags(ctx, kind, id)?;
    let add = input.add_tags.map(|tags| tags.tag).unwrap_or_default();
    let remove = input.remove_tag_keys.map(|keys| keys.key).unwrap_or_default();
    if add.is_empty() && remove.is_empty() {
        return Err(invalid_input("a change of tags adds or removes at least one"));
    }
    if add.len() > TAGS_MAX || remove.len() > TAGS_MAX {
        return Err(invalid_input(format!("a change of tags has at most {TAGS_MAX} to add and to remove")));
    }
    let mut after = tags.clone();
    after.retain(|key, _| !remove.contains(key));
    for tag in add {
        if !(1..=128).contains(&tag.key.chars().count()) || tag.value.chars().count() > 256 {
            let said = format!("tag {:?}: keys have 1 to 128 characters, values at most 256", tag.key);
            return Err(invalid_input(said));
        }
        after.insert(tag.key, tag.value);
    }
    if after.len() > TAGS_MAX {
        return Err(invalid_input(format!("a resource has at most {TAGS_MAX} tags")));
    }
    *tags = after;
    Ok(Xml::default().into())
}

fn write(xml: &mut Xml, kind: &str, id: &str, tags: &Tags) {
    xml.leaf("ResourceType", kind).leaf("ResourceId", id);
    xml.list("Tags", "Tag", tags, |xml, (key, value)| {
        xml.leaf("Key", key).leaf("Value", value);
    });
}

pub(super) fn list(ctx: &mut Ctx<'_>, kind: &str, id: &str) -> Result<Body, ApiError> {
    let tags = tags(ctx, kind, id)?;
    let mut xml = Xml::default();
    xml.node("ResourceTagSet", |xml| write(xml, kind, id, tags));
    Ok(xml.into())
}

pub(super) fn list_many(ctx: &mut Ctx<'_>, kind: &str, input: ListTagsForResources) -> Result<Body, ApiError> {
    let ids = input.resource_ids.resource_id;
    if !(1..=TAGS_MAX).contains(&ids.len()) {
        return Err(invalid_input(format!("1 to {TAGS_MAX} resources can be asked for at once")));
    }
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let tags = tags(ctx, kind, &id)?.clone();
        found.push((id, tags));
    }
    let mut xml = Xml::default();
    xml.list("ResourceTagSets", "ResourceTagSet", found, |xml, (id, tags)| write(xml, kind, &id, &tags));
    Ok(xml.into())
}
