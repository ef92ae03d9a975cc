//! Tags of alarms.

use serde::Deserialize;

use super::{Answer, Ctx, arn};
use crate::dev::model::tags::{self, Tag, Tags};
use crate::dev::wire::{ApiError, Fields, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    #[serde(rename = "ResourceARN")]
    arn: String,
    #[serde(rename = "Tags")]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Remove {
    #[serde(rename = "ResourceARN")]
    arn: String,
    #[serde(rename = "TagKeys")]
    keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    #[serde(rename = "ResourceARN")]
    arn: String,
}

fn tags_of<'a>(ctx: &'a mut Ctx<'_>, wanted: &str) -> Result<&'a mut Tags, ApiError> {
    let name = wanted.strip_prefix(&arn(ctx, ""));
    let alarm = name.and_then(|name| ctx.region.cloudwatch.alarms.get_mut(name));
    alarm.map(|alarm| &mut alarm.tags).ok_or_else(|| {
        ApiError::new("ResourceNotFoundException", format!("{wanted} is not an alarm of this region")).status(404)
    })
}

pub(super) fn add(ctx: &mut Ctx<'_>, input: Add) -> Answer {
    tags::put(tags_of(ctx, &input.arn)?, &input.tags, "InvalidParameterValue", "InvalidParameterValue")?;
    Ok(Fields::new().into())
}

pub(super) fn remove(ctx: &mut Ctx<'_>, input: Remove) -> Answer {
    tags_of(ctx, &input.arn)?.retain(|key, _| !input.keys.contains(key));
    Ok(Fields::new().into())
}

pub(super) fn list(ctx: &mut Ctx<'_>, input: List) -> Answer {
    let tags = tags_of(ctx, &input.arn)?;
    let tags = tags.iter().map(|(key, value)| Fields::new().with("Key", key).with("Value", value));
    Ok(Fields::new().with("Tags", Value::list(tags)).into())
}
