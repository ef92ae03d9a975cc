//! What is told of parameters without their values, and their history.

use serde::Deserialize;

use super::filter::{Filter, GivenFilter};
use super::parameter::{Parameter, Version};
use super::{Answer, Ctx, invalid, not_found, page};
use crate::dev::wire::{Fields, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    filters: Vec<OlderFilter>,
    #[serde(default)]
    parameter_filters: Vec<GivenFilter>,
    max_results: Option<u32>,
    next_token: Option<String>,
    shared: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct OlderFilter {
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct History {
    name: String,
    with_decryption: Option<bool>,
    max_results: Option<u32>,
    next_token: Option<String>,
}

fn told(parameter: &Parameter, version: &Version) -> Fields {
    Fields::new()
        .with("Name", &parameter.name)
        .with("Type", parameter.kind.name())
        .with_if("KeyId", version.key.as_ref())
        .with("LastModifiedDate", version.at)
        .with("LastModifiedUser", &version.by)
        .with_if("Description", version.description.as_ref())
        .with_if("AllowedPattern", version.allowed_pattern.as_ref())
        .with("Version", version.version)
        .with("Tier", version.tier.name())
        .with("Policies", Value::List(Vec::new()))
        .with("DataType", &parameter.data_type)
}

pub(super) fn parameters(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    if input.shared == Some(true) {
        return Err(invalid("Shared parameters are not modelled by the dev cloud"));
    }
    if !input.filters.is_empty() && !input.parameter_filters.is_empty() {
        return Err(invalid("You can use either Filters or ParameterFilters in a single request."));
    }
    let keys = ["Name", "Type", "KeyId", "Path", "Tier", "DataType", "Label", "tag:"];
    let mut filters = Filter::all(input.parameter_filters, &keys)?;
    for OlderFilter { key, values } in input.filters {
        filters.push(Filter::older(&key, values)?);
    }
    let all = ctx.region.ssm.parameters.values();
    let wanted = all.filter(|parameter| filters.iter().all(|filter| filter.takes(parameter)));
    let found = wanted.map(|parameter| told(parameter, parameter.newest()).with("ARN", &parameter.arn)).collect();
    let (parameters, next) = page(found, input.next_token.as_deref(), (input.max_results, 50))?;
    Ok(Fields::new().with("Parameters", Value::list(parameters)).with_if("NextToken", next).into())
}

pub(super) fn history(ctx: &mut Ctx<'_>, input: History) -> Answer {
    let parameter = ctx.region.ssm.parameters.get(&input.name).ok_or_else(|| not_found(&input.name))?;
    let decrypted = input.with_decryption == Some(true);
    let found = parameter.versions.iter().map(|version| {
        told(parameter, version)
            .with("Value", parameter.seen(version, decrypted))
            .with("Labels", Value::list(version.labels.iter()))
    });
    let (versions, next) = page(found.collect(), input.next_token.as_deref(), (input.max_results, 50))?;
    Ok(Fields::new().with("Parameters", Value::list(versions)).with_if("NextToken", next).into())
}
