//! Reading parameters: by name, version, label and path.

use serde::Deserialize;

use super::filter::{Filter, GivenFilter};
use super::parameter::{Parameter, Version};
use super::put::no_version;
use super::{Answer, Ctx, invalid, not_found, page, public};
use crate::dev::wire::{ApiError, Fields, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct One {
    name: String,
    with_decryption: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Several {
    names: Vec<String>,
    with_decryption: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ByPath {
    path: String,
    recursive: Option<bool>,
    #[serde(default)]
    parameter_filters: Vec<GivenFilter>,
    with_decryption: Option<bool>,
    max_results: Option<u32>,
    next_token: Option<String>,
}

/// A name with what may follow it: `name:3` or `name:label`. Names may be written as ARNs.
fn parts<'a>(ctx: &Ctx<'_>, text: &'a str) -> Result<(String, Option<&'a str>), ApiError> {
    let Some(rest) = text.strip_prefix("arn:") else {
        let (name, selector) = text.split_once(':').map_or((text, None), |(name, selector)| (name, Some(selector)));
        return Ok((name.to_owned(), selector));
    };
    let mut fields = rest.splitn(5, ':');
    let service = (fields.next(), fields.next(), fields.next(), fields.next());
    let resource = fields.next().and_then(|resource| resource.strip_prefix("parameter/"));
    let (("aws", "ssm", region, account), Some(resource)) = (
        (
            service.0.unwrap_or_default(),
            service.1.unwrap_or_default(),
            service.2.unwrap_or_default(),
            service.3.unwrap_or_default(),
        ),
        resource,
    ) else {
        return Err(invalid(format!("{text} is not the ARN of a parameter")));
    };
    if region != ctx.region.name || (account != ctx.region.account && !account.is_empty()) {
        return Err(not_found(text));
    }
    let (name, selector) = resource.split_once(':').map_or((resource, None), |(name, selector)| (name, Some(selector)));
    // An ARN does not tell whether the name began with a slash.
    let name = if ctx.region.ssm.parameters.contains_key(name) { name.to_owned() } else { format!("/{name}") };
    Ok((name, selector))
}

/// A parameter and the version that is meant.
fn find(ctx: &Ctx<'_>, text: &str) -> Result<(Parameter, Version, Option<String>), ApiError> {
    let (name, selector) = parts(ctx, text)?;
    let own = ctx.region.ssm.parameters.get(&name).cloned();
    let parameter = own.or_else(|| public::parameter(ctx, &name)).ok_or_else(|| not_found(text))?;
    let version = parameter.selected(selector).cloned();
    let version = version.ok_or_else(|| no_version(&name, selector.unwrap_or_default()))?;
    Ok((parameter, version, selector.map(str::to_owned)))
}

/// The plain value of a parameter that `resolve:ssm:NAME` names in a launch template.
///
/// # Errors
/// There is no such parameter or version; in SSM's words.
pub(crate) fn resolve(ctx: &Ctx<'_>, name: &str) -> Result<String, ApiError> {
    let (parameter, version, _) = find(ctx, name)?;
    Ok(parameter.seen(&version, true))
}

pub(super) fn one(ctx: &mut Ctx<'_>, input: One) -> Answer {
    let (parameter, version, selector) = find(ctx, &input.name)?;
    let decrypted = input.with_decryption == Some(true);
    Ok(Fields::new().with("Parameter", parameter.fields(&version, decrypted, selector.as_deref())).into())
}

pub(super) fn several(ctx: &mut Ctx<'_>, input: Several) -> Answer {
    if input.names.is_empty() || input.names.len() > 10 {
        return Err(invalid("GetParameters takes 1 to 10 names"));
    }
    let decrypted = input.with_decryption == Some(true);
    let (mut found, mut unknown) = (Vec::new(), Vec::new());
    for name in input.names {
        match find(ctx, &name) {
            Ok((parameter, version, selector)) => {
                found.push(parameter.fields(&version, decrypted, selector.as_deref()))
            }
            Err(_) => unknown.push(name),
        }
    }
    Ok(Fields::new().with("Parameters", Value::list(found)).with("InvalidParameters", Value::list(unknown)).into())
}

pub(super) fn by_path(ctx: &mut Ctx<'_>, input: ByPath) -> Answer {
    if !input.path.starts_with('/') {
        return Err(invalid(
            "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward \
             slash \"/\". It can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).",
        ));
    }
    let filters = Filter::all(input.parameter_filters, &["Type", "KeyId", "Label", "DataType"])?;
    let path = format!("{}/", input.path.trim_end_matches('/'));
    let recursive = input.recursive == Some(true);
    let under = |name: &str| name.strip_prefix(&path).is_some_and(|rest| recursive || !rest.contains('/'));
    let mut all: Vec<Parameter> =
        ctx.region.ssm.parameters.values().filter(|parameter| under(&parameter.name)).cloned().collect();
    all.extend(public::all(ctx).into_iter().filter(|parameter| under(&parameter.name)));
    all.retain(|parameter| filters.iter().all(|filter| filter.takes(parameter)));
    let decrypted = input.with_decryption == Some(true);
    let labelled = |parameter: &Parameter| {
        let label = filters.iter().find_map(Filter::label);
        parameter
            .versions
            .iter()
            .find(|each| label.is_some_and(|labels| labels.iter().any(|l| each.labels.contains(l))))
            .cloned()
    };
    let found = all.iter().map(|parameter| {
        let version = labelled(parameter).unwrap_or_else(|| parameter.newest().clone());
        parameter.fields(&version, decrypted, None)
    });
    let (parameters, next) = page(found.collect(), input.next_token.as_deref(), (input.max_results, 10))?;
    Ok(Fields::new().with("Parameters", Value::list(parameters)).with_if("NextToken", next).into())
}
