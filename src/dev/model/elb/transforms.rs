//! Transforms of rules: what is rewritten about a request before it is forwarded.

use serde::{Deserialize, Serialize};

use super::protocols::not_in_enum;
use crate::dev::plane;
use crate::dev::wire::{ApiError, Xml};

/// What a rule rewrites before it forwards; at most one of each kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transform {
    kind: What,
    regex: String,
    replace: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    Host,
    Url,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct TransformIn {
    r#type: String,
    host_header_rewrite_config: Option<Rewrites>,
    url_rewrite_config: Option<Rewrites>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Rewrites {
    #[serde(default)]
    rewrites: Vec<Rewrite>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Rewrite {
    regex: String,
    #[serde(default)]
    replace: String,
}

const TEXT_MAX: usize = 1024;

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Host => "host-header-rewrite",
            Self::Url => "url-rewrite",
        }
    }
}

/// Reads the transforms of a rule.
pub(super) fn read(given: Vec<TransformIn>) -> Result<Vec<Transform>, ApiError> {
    let transforms = given.into_iter().map(TransformIn::check).collect::<Result<Vec<_>, _>>()?;
    match transforms.as_slice() {
        [] | [_] => Ok(transforms),
        [one, other] if one.kind != other.kind => Ok(transforms),
        _ => Err(ApiError::validation(
            "A rule can have one host-header-rewrite transform and one url-rewrite transform at most",
        )),
    }
}

impl TransformIn {
    fn check(self) -> Result<Transform, ApiError> {
        let (kind, own, foreign) = match self.r#type.as_str() {
            "host-header-rewrite" => (What::Host, self.host_header_rewrite_config, self.url_rewrite_config),
            "url-rewrite" => (What::Url, self.url_rewrite_config, self.host_header_rewrite_config),
            other => return Err(not_in_enum(other, "transforms.type", &["host-header-rewrite", "url-rewrite"])),
        };
        let name = kind.name();
        if foreign.is_some() {
            let said = format!("A transform of type '{name}' cannot have the configuration of another type");
            return Err(ApiError::validation(said));
        }
        let mut rewrites = own.map(|config| config.rewrites).unwrap_or_default();
        let (Some(Rewrite { regex, replace }), true) = (rewrites.pop(), rewrites.is_empty()) else {
            return Err(ApiError::validation(format!("A transform of type '{name}' must have exactly one rewrite")));
        };
        if regex.is_empty() || regex.chars().count() > TEXT_MAX || replace.chars().count() > TEXT_MAX {
            return Err(ApiError::validation(format!(
                "The regular expression and the replacement of a rewrite can have at most '{TEXT_MAX}' characters"
            )));
        }
        if plane::Rewrite::new(&regex, &replace).is_err() {
            return Err(ApiError::validation(format!("The regular expression '{regex}' is not valid")));
        }
        Ok(Transform { kind, regex, replace })
    }
}

impl Transform {
    /// The same for the data plane.
    pub(super) fn route(&self) -> Option<plane::Transform> {
        // It was read as a regular expression before it was kept.
        let rewrite = plane::Rewrite::new(&self.regex, &self.replace).ok()?;
        Some(match self.kind {
            What::Host => plane::Transform::Host(rewrite),
            What::Url => plane::Transform::Url(rewrite),
        })
    }

    pub(super) fn write(&self, xml: &mut Xml) {
        let config = match self.kind {
            What::Host => "HostHeaderRewriteConfig",
            What::Url => "UrlRewriteConfig",
        };
        xml.leaf("Type", self.kind.name()).node(config, |xml| {
            xml.list("Rewrites", "member", [self], |xml, rewrite| {
                xml.leaf("Regex", &rewrite.regex).leaf("Replace", &rewrite.replace);
            });
        });
    }
}
