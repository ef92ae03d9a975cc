//! Tags of certificates.

use serde::Deserialize;

use super::{Answer, Ctx, find, find_mut};
use crate::dev::model::tags::{self, Tag};
use crate::dev::wire::{Fields, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Tagging {
    certificate_arn: String,
    tags: Vec<Tag>,
}

/// A tag to take away: with a value only where the value is the same.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Unwanted {
    key: String,
    value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Untagging {
    certificate_arn: String,
    tags: Vec<Unwanted>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Named {
    certificate_arn: String,
}

pub(super) fn add(ctx: &mut Ctx<'_>, input: Tagging) -> Answer {
    let certificate = find_mut(ctx, &input.certificate_arn)?;
    tags::put(&mut certificate.tags, &input.tags, "InvalidTagException", "TooManyTagsException")?;
    Ok(Fields::new().into())
}

pub(super) fn remove(ctx: &mut Ctx<'_>, input: Untagging) -> Answer {
    find_mut(ctx, &input.certificate_arn)?.tags.retain(|key, value| {
        !input.tags.iter().any(|tag| tag.key == *key && tag.value.as_ref().is_none_or(|wanted| wanted == value))
    });
    Ok(Fields::new().into())
}

pub(super) fn list(ctx: &mut Ctx<'_>, input: Named) -> Answer {
    let tags = find(ctx, &input.certificate_arn)?.tags.iter();
    let tags = tags.map(|(key, value)| Fields::new().with("Key", key).with("Value", value));
    Ok(Fields::new().with("Tags", Value::list(tags)).into())
}
