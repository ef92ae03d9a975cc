//! Who may launch an image, and its description.

use serde::Deserialize;

use super::own;
use crate::dev::model::ec2::{Record, done};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct DescribeAttribute {
    image_id: String,
    attribute: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct ModifyAttribute {
    image_id: String,
    attribute: Option<String>,
    launch_permission: Option<Permissions>,
    description: Option<Text>,
    operation_type: Option<String>,
    #[serde(default)]
    user_id: Vec<String>,
    #[serde(default)]
    user_group: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Text {
    #[serde(default)]
    value: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
struct Permissions {
    add: Vec<Permission>,
    remove: Vec<Permission>,
}

/// An account, or `all`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Permission {
    user_id: Option<String>,
    group: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct ResetAttribute {
    image_id: String,
    attribute: String,
}

pub(crate) fn describe_attribute(ctx: &mut Ctx<'_>, input: DescribeAttribute) -> Answer {
    let image = own(ctx, &input.image_id)?;
    let mut xml = Xml::default();
    xml.leaf("imageId", &image.id);
    match input.attribute.as_str() {
        "launchPermission" => {
            let everybody = image.record.public.then_some(("group", "all"));
            let accounts = image.record.accounts.iter().map(|account| ("userId", account.as_str()));
            xml.list("launchPermission", "item", accounts.chain(everybody), |xml, (kind, who)| {
                xml.leaf(kind, who);
            });
        }
        "description" => {
            xml.node("description", |xml| {
                xml.leaf_if("value", image.record.description.as_ref());
            });
        }
        other => return Err(unknown(other)),
    }
    Ok(xml)
}

fn unknown(attribute: &str) -> ApiError {
    ApiError::ec2_value(format!(
        "Value ({attribute}) for parameter attribute is invalid (or not modelled by the dev cloud: it has \
         launchPermission and description)"
    ))
}

fn give(record: &mut Record, permission: &Permission, give: bool) -> Result<(), ApiError> {
    match (&permission.user_id, permission.group.as_deref()) {
        (Some(account), None) if account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()) => {
            record.accounts.retain(|other| other != account);
            if give {
                record.accounts.push(account.clone());
            }
        }
        (Some(account), None) => {
            return Err(ApiError::new("InvalidUserID.Malformed", format!("Invalid user id: \"{account}\"")));
        }
        (None, Some("all")) => record.public = give,
        _ => return Err(ApiError::ec2_value("A launch permission names a UserId, or the Group all")),
    }
    Ok(())
}

pub(crate) fn modify_attribute(ctx: &mut Ctx<'_>, input: ModifyAttribute) -> Answer {
    let image = own(ctx, &input.image_id)?;
    let mut record = image.record;
    if let Some(description) = input.description {
        record.description = Some(description.value);
    }
    if let Some(permissions) = input.launch_permission {
        permissions.add.iter().try_for_each(|each| give(&mut record, each, true))?;
        permissions.remove.iter().try_for_each(|each| give(&mut record, each, false))?;
    }
    // The older form of the same.
    match (input.attribute.as_deref(), input.operation_type.as_deref()) {
        (None, None) => {}
        (Some("launchPermission"), Some(verb @ ("add" | "remove"))) => {
            let users = input.user_id.into_iter().map(|id| Permission { user_id: Some(id), group: None });
            let groups = input.user_group.into_iter().map(|group| Permission { user_id: None, group: Some(group) });
            for permission in users.chain(groups) {
                give(&mut record, &permission, verb == "add")?;
            }
        }
        (attribute, _) => return Err(unknown(attribute.unwrap_or_default())),
    }
    ctx.region.ec2.images.insert(input.image_id, record);
    Ok(done())
}

pub(crate) fn reset_attribute(ctx: &mut Ctx<'_>, input: ResetAttribute) -> Answer {
    let image = own(ctx, &input.image_id)?;
    if input.attribute != "launchPermission" {
        return Err(unknown(&input.attribute));
    }
    let record = ctx.region.ec2.images.entry(image.id).or_default();
    (record.public, record.accounts) = (false, Vec::new());
    Ok(done())
}
