//! Making, replacing and deleting parameters; labels of versions.

use std::collections::BTreeSet;

use regex::Regex;
use serde::Deserialize;

use super::parameter::{Hidden, Kind, Parameter, Tier, Version};
use super::{Answer, Ctx, invalid, not_found};
use crate::dev::model::tags::{self, Tag, Tags};
use crate::dev::wire::{ApiError, Fields, Service, Value};

/// Versions that a parameter keeps.
const VERSIONS_MAX: usize = 100;
/// Standard parameters of a region.
const PARAMETERS_MAX: usize = 10_000;
/// Labels of one version.
const LABELS_MAX: usize = 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Put {
    name: String,
    description: Option<String>,
    value: String,
    r#type: Option<String>,
    key_id: Option<String>,
    overwrite: Option<bool>,
    allowed_pattern: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    tier: Option<String>,
    data_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Names {
    names: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Label {
    name: String,
    parameter_version: Option<i64>,
    labels: Vec<String>,
}

/// Names may be written as ARNs where parameters are read; where they are made they are names.
fn check_name(name: &str) -> Result<(), ApiError> {
    let first = name.trim_start_matches('/').split('/').next().unwrap_or_default().to_ascii_lowercase();
    if name.starts_with("/aws") || name.starts_with("/ssm") {
        return Err(ApiError::new("AccessDeniedException", format!("No access to reserved parameter name: {name}.")));
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_.-/".contains(&b);
    if first.starts_with("aws") || first.starts_with("ssm") || name.is_empty() || !name.bytes().all(fits) {
        return Err(invalid(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). If formed as a path, it can \
             consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and \
             the following 3 symbols .-_",
        ));
    }
    if name.len() > 1011 {
        return Err(invalid("Parameter name: it has at most 1011 characters"));
    }
    if name.contains("//") || name.ends_with('/') || (name.contains('/') && !name.starts_with('/')) {
        return Err(invalid("Parameter name must be a fully qualified name."));
    }
    if name.matches('/').count() > 15 {
        return Err(ApiError::new(
            "HierarchyLevelLimitExceededException",
            "A hierarchy can have a maximum of 15 levels. Please check the parameter name and try again.",
        ));
    }
    Ok(())
}

fn check_pattern(pattern: &str, value: &str) -> Result<(), ApiError> {
    let whole = Regex::new(&format!("^(?:{pattern})$")).map_err(|_| {
        ApiError::new(
            "InvalidAllowedPatternException",
            format!("AllowedPattern {pattern} is not a regular expression."),
        )
    })?;
    if whole.is_match(value) {
        return Ok(());
    }
    Err(ApiError::new(
        "ParameterPatternMismatchException",
        format!("Parameter value, cannot be validated against allowedPattern: {pattern}"),
    ))
}

pub(super) fn put(ctx: &mut Ctx<'_>, input: Put) -> Answer {
    check_name(&input.name)?;
    let overwrite = input.overwrite == Some(true);
    let known = ctx.region.ssm.parameters.get(&input.name);
    if known.is_some() && !overwrite {
        return Err(ApiError::new(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        ));
    }
    if overwrite && !input.tags.is_empty() {
        return Err(invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove \
             overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or \
             RemoveTagsFromResource.",
        ));
    }
    let kind = match (input.r#type.as_deref(), known) {
        (Some(name), _) => Kind::parse(name).ok_or_else(|| {
            ApiError::new("UnsupportedParameterType", format!("The parameter type {name} is not supported."))
        })?,
        (None, Some(known)) => known.kind,
        (None, None) => return Err(invalid("A parameter type is required when you create a parameter.")),
    };
    if input.key_id.is_some() && kind != Kind::SecureString {
        return Err(invalid("KeyId is required for SecureString type parameter only."));
    }
    let tier = tier(input.tier.as_deref(), known, input.value.len())?;
    let data_type = data_type(input.data_type.as_deref(), known, kind, &input.value)?;
    let pattern = input.allowed_pattern.filter(|pattern| !pattern.is_empty());
    if let Some(pattern) = &pattern {
        check_pattern(pattern, &input.value)?;
    }
    if input.description.as_ref().is_some_and(|text| text.chars().count() > 1024) {
        return Err(invalid("The description has at most 1024 characters."));
    }
    if known.is_none() && ctx.region.ssm.parameters.len() >= PARAMETERS_MAX {
        return Err(ApiError::new(
            "ParameterLimitExceeded",
            "You have exceeded the number of parameters for this AWS account.",
        ));
    }
    let mut tags = Tags::new();
    tags::put(&mut tags, &input.tags, "ValidationException", "TooManyTagsError")?;
    let (at, by) = (ctx.cloud.clock.now(), ctx.caller.arn.clone());
    let key = (kind == Kind::SecureString).then(|| input.key_id.unwrap_or_else(|| "alias/aws/ssm".to_owned()));
    let arn = ctx.region.arn(Service::Ssm, format_args!("parameter/{}", input.name.trim_start_matches('/')));
    let parameter = ctx.region.ssm.parameters.entry(input.name.clone());
    let parameter = parameter.or_insert_with(|| Parameter {
        name: input.name,
        arn,
        kind,
        data_type: data_type.clone(),
        tags,
        versions: Vec::new(),
    });
    if parameter.versions.len() >= VERSIONS_MAX {
        if let Some(oldest) = parameter.versions.first().filter(|oldest| !oldest.labels.is_empty()) {
            let labels = oldest.labels.iter().cloned().collect::<Vec<_>>().join(", ");
            return Err(ApiError::new(
                "ParameterMaxVersionLimitExceeded",
                format!(
                    "The oldest version {} has the labels {labels}: move them to a newer version first.",
                    oldest.version
                ),
            ));
        }
        parameter.versions.remove(0);
    }
    let version = parameter.versions.last().map_or(1, |newest| newest.version + 1);
    (parameter.kind, parameter.data_type) = (kind, data_type);
    parameter.versions.push(Version {
        version,
        value: Hidden(input.value),
        description: input.description,
        allowed_pattern: pattern,
        key,
        tier,
        labels: BTreeSet::new(),
        at,
        by,
    });
    Ok(Fields::new().with("Version", version).with("Tier", tier.name()).into())
}

fn tier(given: Option<&str>, known: Option<&Parameter>, bytes: usize) -> Result<Tier, ApiError> {
    let before = known.map_or(Tier::Standard, |known| known.newest().tier);
    let tier = match given {
        None => before,
        Some("Standard") if before == Tier::Advanced => {
            return Err(invalid(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
                 advanced-parameter tier to the standard-parameter tier.",
            ));
        }
        Some("Standard") => Tier::Standard,
        Some("Advanced") => Tier::Advanced,
        Some("Intelligent-Tiering") if bytes > 4096 => Tier::Advanced,
        Some("Intelligent-Tiering") => before,
        Some(other) => return Err(invalid(format!("{other} is not a tier: Standard, Advanced, Intelligent-Tiering"))),
    };
    match tier {
        Tier::Standard if bytes > 4096 => Err(invalid(
            "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter \
             value, upgrade the parameter to use the advanced-parameter tier.",
        )),
        Tier::Advanced if bytes > 8192 => {
            Err(invalid("Advanced tier parameters support a maximum parameter value of 8192 characters."))
        }
        tier => Ok(tier),
    }
}

fn data_type(given: Option<&str>, known: Option<&Parameter>, kind: Kind, value: &str) -> Result<String, ApiError> {
    let name = given.or(known.map(|known| known.data_type.as_str())).unwrap_or("text");
    match name {
        "text" => {}
        "aws:ec2:image" => {
            let id = value.strip_prefix("ami-").unwrap_or_default();
            if kind != Kind::String || ![8, 17].contains(&id.len()) || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(invalid("A parameter of data type aws:ec2:image must be a String that is an image id."));
            }
        }
        other => {
            return Err(invalid(format!(
                "The following data type is not supported: {other} (the dev cloud has text and aws:ec2:image)"
            )));
        }
    }
    Ok(name.to_owned())
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: Named) -> Answer {
    let found = ctx.region.ssm.parameters.remove(&input.name);
    found.map(|_| Fields::new().into()).ok_or_else(|| not_found(&input.name))
}

pub(super) fn delete_several(ctx: &mut Ctx<'_>, input: Names) -> Answer {
    if input.names.is_empty() || input.names.len() > 10 {
        return Err(invalid("DeleteParameters takes 1 to 10 names"));
    }
    let (mut deleted, mut unknown) = (Vec::new(), Vec::new());
    for name in input.names {
        let found = ctx.region.ssm.parameters.remove(&name).is_some();
        if found { deleted.push(name) } else { unknown.push(name) }
    }
    let fields = Fields::new().with("DeletedParameters", Value::list(deleted));
    Ok(fields.with("InvalidParameters", Value::list(unknown)).into())
}

/// Whether a label can be one. Those that cannot are told in the answer, the others are attached.
fn fits(label: &str) -> bool {
    let letters = label.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    let lower = label.to_ascii_lowercase();
    let starts = label.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_' || b == b'.');
    letters && starts && label.len() <= 100 && !lower.starts_with("aws") && !lower.starts_with("ssm")
}

/// A label is of one version only: giving it to another one moves it.
pub(super) fn label(ctx: &mut Ctx<'_>, input: Label) -> Answer {
    let parameter = ctx.region.ssm.parameters.get_mut(&input.name).ok_or_else(|| not_found(&input.name))?;
    let wanted = input.parameter_version.unwrap_or(parameter.newest().version);
    let (good, bad): (Vec<_>, Vec<_>) = input.labels.into_iter().partition(|label| fits(label));
    let Some(at) = parameter.versions.iter().position(|each| each.version == wanted) else {
        return Err(no_version(&input.name, &wanted.to_string()));
    };
    let after: BTreeSet<_> = parameter.versions[at].labels.iter().chain(&good).collect();
    if after.len() > LABELS_MAX {
        return Err(ApiError::new(
            "ParameterVersionLabelLimitExceeded",
            format!("A version of a parameter has at most {LABELS_MAX} labels."),
        ));
    }
    for version in &mut parameter.versions {
        version.labels.retain(|label| !good.contains(label));
    }
    parameter.versions[at].labels.extend(good);
    Ok(Fields::new().with("InvalidLabels", Value::list(bad)).with("ParameterVersion", wanted).into())
}

pub(super) fn unlabel(ctx: &mut Ctx<'_>, input: Label) -> Answer {
    let parameter = ctx.region.ssm.parameters.get_mut(&input.name).ok_or_else(|| not_found(&input.name))?;
    let wanted = input.parameter_version.ok_or_else(|| invalid("ParameterVersion is required"))?;
    let version = parameter.versions.iter_mut().find(|each| each.version == wanted);
    let version = version.ok_or_else(|| no_version(&input.name, &wanted.to_string()))?;
    let (removed, unknown): (Vec<_>, Vec<_>) = input.labels.into_iter().partition(|label| version.labels.remove(label));
    let fields = Fields::new().with("RemovedLabels", Value::list(removed));
    Ok(fields.with("InvalidLabels", Value::list(unknown)).into())
}

pub(super) fn no_version(name: &str, version: &str) -> ApiError {
    ApiError::new(
        "ParameterVersionNotFound",
        format!("Systems Manager could not find version {version} of {name}. Verify the version and try again."),
    )
}
