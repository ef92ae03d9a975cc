//! Launch templates: versions are numbered from 1 and never change; one of them is the default.

mod changes;
mod reads;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Ec2;
use super::spec::LaunchSpec;
use crate::dev::model::tags::{Tags, ec2_tag_set};
use crate::dev::wire::{ApiError, Xml};

pub(super) use changes::{create, create_version, delete, delete_versions, modify};
pub(super) use reads::{describe, describe_versions, get_data};

/// A launch template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(super) name: String,
    created: Timestamp,
    default: u32,
    /// Numbers are never used again, so this may be above all that are left.
    latest: u32,
    versions: BTreeMap<u32, Version>,
    pub(super) tags: Tags,
    /// The client token of its creation.
    token: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Version {
    description: Option<String>,
    created: Timestamp,
    data: LaunchSpec,
    token: Option<String>,
}

/// How a call names a template and one of its versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct TemplateRef {
    /// Either this …
    pub(crate) launch_template_id: Option<String>,
    /// … or this.
    pub(crate) launch_template_name: Option<String>,
    /// A number, `$Default` or `$Latest`; `$Default` if it is missing.
    pub(crate) version: Option<String>,
}

/// What a template gives to a launch, and which version of it that is.
#[derive(Debug, Clone)]
pub(super) struct Resolved {
    pub(super) id: String,
    pub(super) version: u32,
    pub(super) spec: LaunchSpec,
}

impl Template {
    /// The highest number of those that are left.
    fn highest(&self) -> u32 {
        self.versions.keys().next_back().copied().unwrap_or(self.default)
    }

    fn number(&self, id: &str, version: &str) -> Result<u32, ApiError> {
        let number = match version {
            "$Default" => self.default,
            "$Latest" => self.highest(),
            number => number.parse().map_err(|_| {
                ApiError::new(
                    "InvalidLaunchTemplateVersion.Malformed",
                    format!("'{number}' is no launch template version: expected a number, $Default or $Latest"),
                )
            })?,
        };
        if self.versions.contains_key(&number) {
            return Ok(number);
        }
        let said = format!("Could not find the specified version {number} for the launch template with ID {id}.");
        Err(ApiError::new("InvalidLaunchTemplateId.VersionNotFound", said))
    }

    fn write(&self, xml: &mut Xml, account: &str, id: &str) {
        xml.leaf("launchTemplateId", id).leaf("launchTemplateName", &self.name);
        xml.leaf("createTime", self.created).leaf("createdBy", creator(account));
        xml.leaf("defaultVersionNumber", self.default).leaf("latestVersionNumber", self.highest());
        ec2_tag_set(xml, &self.tags);
    }

    fn write_version(&self, xml: &mut Xml, account: &str, id: &str, number: u32) {
        let version = &self.versions[&number];
        xml.leaf("launchTemplateId", id).leaf("launchTemplateName", &self.name).leaf("versionNumber", number);
        xml.leaf_if("versionDescription", version.description.as_ref()).leaf("createTime", version.created);
        xml.leaf("createdBy", creator(account)).leaf("defaultVersion", self.default == number);
        xml.node("launchTemplateData", |xml| version.data.write(xml));
    }
}

fn creator(account: &str) -> String {
    format!("arn:aws:iam::{account}:user/dev-cloud")
}

impl Ec2 {
    /// The id of the template that is named by exactly one of `id` and `name`.
    fn template_id(&self, id: Option<&str>, name: Option<&str>) -> Result<String, ApiError> {
        match (id, name) {
            (Some(id), None) if self.templates.contains_key(id) => Ok(id.to_owned()),
            (Some(id), None) if !super::is_id(id, "lt") => Err(ApiError::new(
                "InvalidLaunchTemplateId.Malformed",
                format!("Invalid launch template ID: '{id}' (expected 'lt-' and 17 hexadecimal digits)"),
            )),
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

    fn template_mut(&mut self, id: Option<&str>, name: Option<&str>) -> Result<(String, &mut Template), ApiError> {
        let id = self.template_id(id, name)?;
        let template = self.templates.get_mut(&id).ok_or_else(|| ApiError::new("InternalError", "template vanished"));
        Ok((id, template?))
    }

    /// What the named template and version give now.
    pub(super) fn resolve(&self, named: &TemplateRef) -> Result<Resolved, ApiError> {
        let id = self.template_id(named.launch_template_id.as_deref(), named.launch_template_name.as_deref())?;
        let template = &self.templates[&id];
        let version = template.number(&id, named.version.as_deref().unwrap_or("$Default"))?;
        let spec = template.versions[&version].data.clone();
        Ok(Resolved { id, version, spec })
    }

    /// The id, name and version number that `named` stands for now.
    ///
    /// # Errors
    /// There is no such template or version.
    pub(crate) fn template_version(&self, named: &TemplateRef) -> Result<(String, String, u32), ApiError> {
        let Resolved { id, version, .. } = self.resolve(named)?;
        let name = self.templates[&id].name.clone();
        Ok((id, name, version))
    }
}
