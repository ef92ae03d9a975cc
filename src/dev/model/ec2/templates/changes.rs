//! Launch templates: creating, changing and deleting them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Template, Version};
use crate::dev::model::ec2::spec::LaunchSpec;
use crate::dev::model::ec2::tagging::{TagSpecification, tags_for};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// AWS's limit per template.
const VERSIONS_MAX: usize = 10_000;
/// AWS's limit per region.
const TEMPLATES_MAX: usize = 5_000;
/// Versions that one call may delete.
const DELETE_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Create {
    launch_template_name: String,
    version_description: Option<String>,
    launch_template_data: LaunchSpec,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
    client_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct CreateVersion {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    source_version: Option<String>,
    version_description: Option<String>,
    launch_template_data: LaunchSpec,
    client_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Modify {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    set_default_version: Option<String>,
    /// Setting the same default twice is the same as setting it once.
    #[serde(rename = "ClientToken")]
    _client_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Delete {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct DeleteVersions {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    launch_template_version: Vec<String>,
}

fn is_template_name(name: &str) -> bool {
    (3..=128).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'(' | b')' | b'.' | b'-' | b'/' | b'_'))
}

/// What AWS checks when a version is made; the rest is checked when it is launched.
fn check(description: Option<&String>, data: &LaunchSpec) -> Result<(), ApiError> {
    if description.is_some_and(|text| text.chars().count() > 255) {
        return Err(ApiError::ec2_value("VersionDescription can have at most 255 characters"));
    }
    if *data == LaunchSpec::default() {
        return Err(ApiError::new("MissingParameter", "The request must contain the parameter LaunchTemplateData"));
    }
    data.metadata_options.as_ref().map_or(Ok(()), |options| options.check())
}

fn mismatch() -> ApiError {
    ApiError::new(
        "IdempotentParameterMismatch",
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
    )
}

pub(crate) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let now = ctx.cloud.clock.now();
    let name = input.launch_template_name;
    if !is_template_name(&name) {
        let said = format!("'{name}' is no launch template name: 3 to 128 letters, digits and ()./_-");
        return Err(ApiError::new("InvalidLaunchTemplateName.MalformedException", said));
    }
    check(input.version_description.as_ref(), &input.launch_template_data)?;
    let (account, ec2) = (&ctx.region.account, &mut ctx.region.ec2);
    let mut xml = Xml::default();
    let known =
        ec2.templates.iter().find(|(_, known)| input.client_token.is_some() && known.token == input.client_token);
    if let Some((id, known)) = known {
        let first = known.versions.get(&1);
        let same = known.name == name && first.is_some_and(|first| first.data == input.launch_template_data);
        if !same {
            return Err(mismatch());
        }
        xml.node("launchTemplate", |xml| known.write(xml, account, id));
        return Ok(xml);
    }
    if ec2.templates.values().any(|template| template.name == name) {
        return Err(ApiError::new(
            "InvalidLaunchTemplateName.AlreadyExistsException",
            "Launch template name already in use.",
        ));
    }
    if ec2.templates.len() >= TEMPLATES_MAX {
        let said = format!("You have reached the limit of {TEMPLATES_MAX} launch templates");
        return Err(ApiError::new("LaunchTemplateLimitExceeded", said));
    }
    let version =
        Version { description: input.version_description, created: now, data: input.launch_template_data, token: None };
    let template = Template {
        name,
        created: now,
        default: 1,
        latest: 1,
        versions: BTreeMap::from([(1, version)]),
        tags: tags_for("launch-template", &input.tag_specification)?,
        token: input.client_token,
    };
    let id = ctx.cloud.chance.resource_id("lt");
    xml.node("launchTemplate", |xml| template.write(xml, account, &id));
    ec2.templates.insert(id, template);
    Ok(xml)
}

pub(crate) fn create_version(ctx: &mut Ctx<'_>, input: CreateVersion) -> Answer {
    let now = ctx.cloud.clock.now();
    check(input.version_description.as_ref(), &input.launch_template_data)?;
    let (account, ec2) = (&ctx.region.account, &mut ctx.region.ec2);
    let (id, template) =
        ec2.template_mut(input.launch_template_id.as_deref(), input.launch_template_name.as_deref())?;
    // Only with a source is anything inherited.
    let data = match &input.source_version {
        None => input.launch_template_data,
        Some(source) => {
            let from = template.versions[&template.number(&id, source)?].data.clone();
            input.launch_template_data.over(from)
        }
    };
    let mut xml = Xml::default();
    let token = input.client_token;
    let known = template.versions.iter().find(|(_, known)| token.is_some() && known.token == token);
    if let Some((number, known)) = known {
        if known.data != data || known.description != input.version_description {
            return Err(mismatch());
        }
        xml.node("launchTemplateVersion", |xml| template.write_version(xml, account, &id, *number));
        return Ok(xml);
    }
    if template.versions.len() >= VERSIONS_MAX {
        let said = format!("The launch template {id} has the maximum of {VERSIONS_MAX} versions");
        return Err(ApiError::new("LaunchTemplateVersionLimitExceeded", said));
    }
    template.latest += 1;
    let number = template.latest;
    let version = Version { description: input.version_description, created: now, data, token };
    template.versions.insert(number, version);
    xml.node("launchTemplateVersion", |xml| template.write_version(xml, account, &id, number));
    Ok(xml)
}

pub(crate) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    let (account, ec2) = (&ctx.region.account, &mut ctx.region.ec2);
    let (id, template) =
        ec2.template_mut(input.launch_template_id.as_deref(), input.launch_template_name.as_deref())?;
    if let Some(version) = input.set_default_version {
        template.default = template.number(&id, &version)?;
    }
    let mut xml = Xml::default();
    xml.node("launchTemplate", |xml| template.write(xml, account, &id));
    Ok(xml)
}

pub(crate) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let (account, ec2) = (&ctx.region.account, &mut ctx.region.ec2);
    let id = ec2.template_id(input.launch_template_id.as_deref(), input.launch_template_name.as_deref())?;
    let mut xml = Xml::default();
    if let Some(template) = ec2.templates.remove(&id) {
        xml.node("launchTemplate", |xml| template.write(xml, account, &id));
    }
    Ok(xml)
}

pub(crate) fn delete_versions(ctx: &mut Ctx<'_>, input: DeleteVersions) -> Answer {
    let ec2 = &mut ctx.region.ec2;
    let (id, template) =
        ec2.template_mut(input.launch_template_id.as_deref(), input.launch_template_name.as_deref())?;
    if input.launch_template_version.len() > DELETE_MAX {
        return Err(ApiError::ec2_value(format!("You can delete up to {DELETE_MAX} versions in a single request")));
    }
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for version in &input.launch_template_version {
        match version.parse::<u32>() {
            Ok(number) if number == template.default => {
                let said = "The default version of a launch template cannot be deleted";
                refused.push((number, "unexpectedError", said.to_owned()));
            }
            Ok(number) if template.versions.remove(&number).is_some() => done.push(number),
            Ok(number) => {
                let said = format!("Could not find launch template version {number}");
                refused.push((number, "launchTemplateVersionDoesNotExist", said));
            }
            Err(_) => {
                let said = format!("'{version}' is no launch template version: expected a number");
                return Err(ApiError::new("InvalidLaunchTemplateVersion.Malformed", said));
            }
        }
    }
    let mut xml = Xml::default();
    let name = &template.name;
    xml.list("successfullyDeletedLaunchTemplateVersionSet", "item", done, |xml, number| {
        xml.leaf("launchTemplateId", &id).leaf("launchTemplateName", name).leaf("versionNumber", number);
    });
    xml.list("unsuccessfullyDeletedLaunchTemplateVersionSet", "item", refused, |xml, (number, code, said)| {
        xml.leaf("launchTemplateId", &id).leaf("launchTemplateName", name).leaf("versionNumber", number);
        xml.node("responseError", |xml| {
            xml.leaf("code", code).leaf("message", said);
        });
    });
    Ok(xml)
}
