//! Tags of parameters.

use serde::Deserialize;

use super::{Answer, Ctx};
use crate::dev::model::tags::{self, Tag, Tags};
use crate::dev::wire::{ApiError, Fields, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Add {
    resource_type: String,
    resource_id: String,
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Remove {
    resource_type: String,
    resource_id: String,
    tag_keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct List {
    resource_type: String,
    resource_id: String,
}

fn tags_of<'a>(ctx: &'a mut Ctx<'_>, kind: &str, id: &str) -> Result<&'a mut Tags, ApiError> {
    if kind != "Parameter" {
        let said = format!("{kind} is not a resource type that the dev cloud models, which is Parameter only.");
        return Err(ApiError::new("InvalidResourceType", said));
    }
    let parameter = ctx.region.ssm.parameters.get_mut(id).map(|parameter| &mut parameter.tags);
    parameter.ok_or_else(|| {
        ApiError::new(
            "InvalidResourceId",
            format!("The resource ID \"{id}\" is not valid. Verify the ID and try again."),
        )
    })
}

pub(super) fn add(ctx: &mut Ctx<'_>, input: Add) -> Answer {
    let tags = tags_of(ctx, &input.resource_type, &input.resource_id)?;
    tags::put(tags, &input.tags, "ValidationException", "TooManyTagsError")?;
    Ok(Fields::new().into())
}

pub(super) fn remove(ctx: &mut Ctx<'_>, input: Remove) -> Answer {
    tags_of(ctx, &input.resource_type, &input.resource_id)?.retain(|key, _| !input.tag_keys.contains(key));
    Ok(Fields::new().into())
}

pub(super) fn list(ctx: &mut Ctx<'_>, input: List) -> Answer {
    let tags = tags_of(ctx, &input.resource_type, &input.resource_id)?;
    let tags = tags.iter().map(|(key, value)| Fields::new().with("Key", key).with("Value", value));
    Ok(Fields::new().with("TagList", Value::list(tags)).into())
}
