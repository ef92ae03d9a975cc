//! The launch template that a group launches from, as a user names it and as a launch resolves it.

use serde::{Deserialize, Serialize};

use super::machines;
use crate::dev::model::Ctx;
use crate::dev::wire::{ApiError, Xml};

/// A launch template and version in a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct TemplateIn {
    launch_template_id: Option<String>,
    launch_template_name: Option<String>,
    version: Option<String>,
}

/// What a group launches from. `$Default` and `$Latest` mean what they mean at the moment of each launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Template {
    pub(super) id: String,
    pub(super) name: String,
    /// A number, `$Default` or `$Latest`.
    pub(super) version: String,
}

/// What an instance was launched from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Pinned {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: u32,
}

impl TemplateIn {
    /// Checks that the template and its version exist, and that instances can be launched from it.
    pub(super) fn check(self, ctx: &Ctx<'_>, subnet: &str) -> Result<Template, ApiError> {
        let version = self.version.unwrap_or_else(|| "$Default".to_owned());
        let moves = matches!(version.as_str(), "$Default" | "$Latest");
        if !moves && (version.is_empty() || !version.bytes().all(|b| b.is_ascii_digit())) {
            return Err(ApiError::validation(
                "Invalid launch template version: either '$Default', '$Latest', or a numeric version are allowed.",
            ));
        }
        let (id, name) = (self.launch_template_id.as_deref(), self.launch_template_name.as_deref());
        if id.is_some() == name.is_some() {
            return Err(ApiError::validation(
                "Valid requests must contain either launchTemplateId or LaunchTemplateName",
            ));
        }
        let unusable = |error: ApiError| {
            ApiError::validation(format!("You must use a valid fully-formed launch template. {}", error.message))
        };
        let pinned = machines::resolve(ctx, id, name, &version).map_err(unusable)?;
        let template = Template { id: pinned.id.clone(), name: pinned.name.clone(), version };
        machines::check(ctx, &pinned, subnet).map_err(unusable)?;
        Ok(template)
    }
}

impl Template {
    /// Whether what it means can change without a call to this service.
    pub(super) fn moves(&self) -> bool {
        self.version.starts_with('$')
    }

    /// What it means now.
    pub(super) fn pin(&self, ctx: &Ctx<'_>) -> Result<Pinned, ApiError> {
        machines::resolve(ctx, Some(&self.id), None, &self.version)
    }

    pub(super) fn write(&self, xml: &mut Xml) {
        write(xml, &self.id, &self.name, &self.version);
    }
}

impl Pinned {
    pub(super) fn write(&self, xml: &mut Xml) {
        write(xml, &self.id, &self.name, &self.version.to_string());
    }
}

fn write(xml: &mut Xml, id: &str, name: &str, version: &str) {
    xml.node("LaunchTemplate", |xml| {
        xml.leaf("LaunchTemplateId", id).leaf("LaunchTemplateName", name).leaf("Version", version);
    });
}
