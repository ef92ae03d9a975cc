//! Launch templates: versions are numbered from 1 and never change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::filter::{self, Filter};
use super::tagging::{TagSpecification, tags_for};
use super::{Ec2, paged};
use crate::dev::model::tags::{Tags, ec2_tag_set};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// A launch template.
#[derive(Debug)]
pub(super) struct Template {
    name: String,
    created: Timestamp,
    default: u32,
    versions: BTreeMap<u32, Version>,
    pub(super) tags: Tags,
}

#[derive(Debug)]
struct Version {
    description: Option<String>,
    created: Timestamp,
    data: TemplateData,
}

/// What a template gives to the instances launched from it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct TemplateData {
    pub(super) image_id: Option<String>,
    pub(super) instance_type: Option<String>,
    #[serde(default)]
    pub(super) security_group_id: Vec<String>,
    pub(super) user_data: Option<String>,
    #[serde(default)]
    pub(super) tag_specification: Vec<TagSpecification>,
    metadata_options: Option<MetadataOptions>,
}

/// Kept and read back; there is no metadata service to configure.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct MetadataOptions {
    http_tokens: Option<String>,
    http_endpoint: Option<String>,
    http_put_response_hop_limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    launch_template_name: String,
    version_description: Option<String>,
    launch_template_data: TemplateData,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
    /// Names are unique, so a repeat is refused anyway.
    #[serde(rename = "ClientToken")]
    _client_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct CreateVersion {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    source_version: Option<String>,
    version_description: Option<String>,
    launch_template_data: TemplateData,
    #[serde(rename = "ClientToken")]
    _client_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Modify {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    set_default_version: String,
    #[serde(rename = "ClientToken")]
    _client_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    launch_template_id: Vec<String>,
    #[serde(default)]
    launch_template_name: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct DescribeVersions {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    #[serde(default)]
    launch_template_version: Vec<String>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

/// How a launch names a template.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct TemplateRef {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    version: Option<String>,
}

impl Template {
    fn number(&self, id: &str, version: &str) -> Result<u32, ApiError> {
        let latest = self.versions.keys().next_back().copied().unwrap_or(self.default);
        let number = match version {
            "$Default" => self.default,
            "$Latest" => latest,
            number => number.parse().map_err(|_| {
                ApiError::new(
                    "InvalidLaunchTemplateVersion.Malformed",
                    format!("'{number}' is no launch template version: expected a number, $Default or $Latest"),
                )
            })?,
        };
        if !self.versions.contains_key(&number) {
            let said = format!("Could not find the specified version {number} for the launch template with ID {id}.");
            return Err(ApiError::new("InvalidLaunchTemplateId.VersionNotFound", said));
        }
        Ok(number)
    }
}

impl Ec2 {
    fn template_id(&self, id: Option<&str>, name: Option<&str>) -> Result<String, ApiError> {
        match (id, name) {
            (Some(id), None) if self.templates.contains_key(id) => Ok(id.to_owned()),
            (Some(id), None) => Err(ApiError::new(
                "InvalidLaunchTemplateId.NotFound",
                format!("The specified launch template, with template ID {id}, does not exist."),
            )),
            (None, Some(name)) => {
                let found = self.templates.iter().find(|(_, template)| template.name == name);
                found.map(|(id, _)| id.clone()).ok_or_else(|| {
                    ApiError::new(
                        "InvalidLaunchTemplateName.NotFoundException",
                        format!("The specified launch template, with template name {name}, does not exist."),
                    )
                })
            }
            (Some(_), Some(_)) => Err(ApiError::new(
                "InvalidParameterCombination",
                "Specify either a launch template ID or a launch template name, not both.",
            )),
            (None, None) => Err(ApiError::new(
                "MissingParameter",
                "The request must contain the parameter LaunchTemplateId or LaunchTemplateName",
            )),
        }
    }

    /// What the named template and version (`$Default` if it names none) give, and the template's id and version
    /// number.
    pub(super) fn resolve(&self, named: &TemplateRef) -> Result<(String, u32, TemplateData), ApiError> {
        let id = self.template_id(named.launch_template_id.as_deref(), named.launch_template_name.as_deref())?;
        let template = &self.templates[&id];
        let number = template.number(&id, named.version.as_deref().unwrap_or("$Default"))?;
        let data = template.versions[&number].data.clone();
        Ok((id, number, data))
    }
}

fn is_template_name(name: &str) -> bool {
    (3..=128).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'(' | b')' | b'.' | b'-' | b'/' | b'_'))
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let ec2 = &mut ctx.region.ec2;
    let name = input.launch_template_name;
    if !is_template_name(&name) {
        let said = format!("'{name}' is no launch template name: 3 to 128 letters, digits and ()./_-");
        return Err(ApiError::new("InvalidLaunchTemplateName.MalformedException", said));
    }
    if ec2.templates.values().any(|template| template.name == name) {
        return Err(ApiError::new(
            "InvalidLaunchTemplateName.AlreadyExistsException",
            format!("Launch template name already in use: {name}"),
        ));
    }
    let version = Version {
        description: input.version_description,
        created: ctx.cloud.clock.now(),
        data: input.launch_template_data,
    };
    let template = Template {
        name,
        created: version.created,
        default: 1,
        versions: BTreeMap::from([(1, version)]),
        tags: tags_for("launch-template", &input.tag_specification)?,
    };
    let id = ctx.cloud.chance.resource_id("lt");
    let mut xml = Xml::default();
    xml.node("launchTemplate", |xml| write(xml, &ctx.region.account, &id, &template));
    ec2.templates.insert(id, template);
    Ok(xml)
}

pub(super) fn create_version(ctx: &mut Ctx<'_>, input: CreateVersion) -> Answer {
    let ec2 = &mut ctx.region.ec2;
    let id = ec2.template_id(input.launch_template_id.as_deref(), input.launch_template_name.as_deref())?;
    let template = ec2.templates.get_mut(&id).ok_or_else(|| ApiError::new("InternalError", "template vanished"))?;
    let mut data = input.launch_template_data;
    // Only with a source is anything inherited.
    if let Some(source) = input.source_version {
        let from = &template.versions[&template.number(&id, &source)?].data;
        data.image_id = data.image_id.or_else(|| from.image_id.clone());
        data.instance_type = data.instance_type.or_else(|| from.instance_type.clone());
        data.user_data = data.user_data.or_else(|| from.user_data.clone());
        data.metadata_options = data.metadata_options.or_else(|| from.metadata_options.clone());
        if data.security_group_id.is_empty() {
            data.security_group_id.clone_from(&from.security_group_id);
        }
        if data.tag_specification.is_empty() {
            data.tag_specification.clone_from(&from.tag_specification);
        }
    }
    let number = template.versions.keys().next_back().map_or(1, |last| last + 1);
    let version = Version { description: input.version_description, created: ctx.cloud.clock.now(), data };
    template.versions.insert(number, version);
    let mut xml = Xml::default();
    xml.node("launchTemplateVersion", |xml| write_version(xml, &ctx.region.account, &id, template, number));
    Ok(xml)
}

pub(super) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    let ec2 = &mut ctx.region.ec2;
    let id = ec2.template_id(input.launch_template_id.as_deref(), input.launch_template_name.as_deref())?;
    let template = ec2.templates.get_mut(&id).ok_or_else(|| ApiError::new("InternalError", "template vanished"))?;
    template.default = template.number(&id, &input.set_default_version)?;
    let mut xml = Xml::default();
    xml.node("launchTemplate", |xml| write(xml, &ctx.region.account, &id, template));
    Ok(xml)
}

fn write(xml: &mut Xml, account: &str, id: &str, template: &Template) {
    xml.leaf("launchTemplateId", id).leaf("launchTemplateName", &template.name);
    xml.leaf("createTime", template.created).leaf("createdBy", format_args!("arn:aws:iam::{account}:user/dev-cloud"));
    xml.leaf("defaultVersionNumber", template.default);
    xml.leaf_if("latestVersionNumber", template.versions.keys().next_back());
    ec2_tag_set(xml, &template.tags);
}

fn write_version(xml: &mut Xml, account: &str, id: &str, template: &Template, number: u32) {
    let version = &template.versions[&number];
    xml.leaf("launchTemplateId", id).leaf("launchTemplateName", &template.name).leaf("versionNumber", number);
    xml.leaf_if("versionDescription", version.description.as_ref()).leaf("createTime", version.created);
    xml.leaf("createdBy", format_args!("arn:aws:iam::{account}:user/dev-cloud"));
    xml.leaf("defaultVersion", template.default == number);
    xml.node("launchTemplateData", |xml| {
        let data = &version.data;
        xml.leaf_if("imageId", data.image_id.as_ref()).leaf_if("instanceType", data.instance_type.as_ref());
        xml.leaf_if("userData", data.user_data.as_ref());
        xml.texts("securityGroupIdSet", "item", &data.security_group_id);
        xml.list("tagSpecificationSet", "item", &data.tag_specification, |xml, specification| {
            xml.leaf("resourceType", &specification.resource_type);
            xml.list("tagSet", "item", &specification.tag, |xml, tag| {
                xml.leaf("key", &tag.key).leaf("value", &tag.value);
            });
        });
        if let Some(options) = &data.metadata_options {
            xml.node("metadataOptions", |xml| {
                xml.leaf_if("httpTokens", options.http_tokens.as_ref());
                xml.leaf_if("httpEndpoint", options.http_endpoint.as_ref());
                xml.leaf_if("httpPutResponseHopLimit", options.http_put_response_hop_limit);
            });
        }
    });
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    filter::check(&input.filter, &["launch-template-name"])?;
    let ec2 = &ctx.region.ec2;
    let mut wanted = Vec::new();
    for id in &input.launch_template_id {
        wanted.push(ec2.template_id(Some(id), None)?);
    }
    for name in &input.launch_template_name {
        wanted.push(ec2.template_id(None, Some(name))?);
    }
    let found = ec2.templates.iter().filter(|(id, template)| {
        (wanted.is_empty() || wanted.contains(id))
            && filter::passes(&input.filter, &template.tags, |_| vec![template.name.as_str()])
    });
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found.collect(),
        |(id, _)| (*id).clone(),
        pages,
        "launchTemplates",
        |xml, (id, each)| write(xml, &ctx.region.account, id, each),
    )
}

pub(super) fn describe_versions(ctx: &mut Ctx<'_>, input: DescribeVersions) -> Answer {
    let ec2 = &ctx.region.ec2;
    let id = ec2.template_id(input.launch_template_id.as_deref(), input.launch_template_name.as_deref())?;
    let template = &ec2.templates[&id];
    let numbers = if input.launch_template_version.is_empty() {
        // AWS lists the newest first.
        template.versions.keys().rev().copied().collect()
    } else {
        let named = input.launch_template_version.iter().map(|version| template.number(&id, version));
        named.collect::<Result<Vec<_>, _>>()?
    };
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(numbers, ToString::to_string, pages, "launchTemplateVersionSet", |xml, number| {
        write_version(xml, &ctx.region.account, &id, template, number);
    })
}
