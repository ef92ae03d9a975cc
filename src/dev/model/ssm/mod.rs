//! Systems Manager: parameters, those of AWS's own machine images among them.
//!
//! | file | what it holds |
//! |---|---|
//! | `parameter` | a parameter, its versions and labels |
//! | `put` | `PutParameter`, deleting, labels |
//! | `get` | reading by name, version, label and path |
//! | `describe` | what is told of parameters without their values, and their history |
//! | `filter` | `ParameterFilters` |
//! | `public` | `/aws/service/ami-amazon-linux-latest/…`, from the image catalogue |
//! | `tagging` | tags |

mod describe;
mod filter;
mod get;
mod parameter;
mod public;
mod put;
mod tagging;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Ctx, Operation, input};
use crate::dev::wire::{ApiError, Node, Service, Value};

pub(crate) use get::resolve;

/// The state of one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ssm {
    /// By name.
    parameters: BTreeMap<String, parameter::Parameter>,
}

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::value("PutParameter", "policies, keys are not used", |ctx, form| put::put(ctx, read(form)?)),
    Operation::value("GetParameter", "parameters of other accounts", |ctx, form| get::one(ctx, read(form)?)),
    Operation::value("GetParameters", "", |ctx, form| get::several(ctx, read(form)?)),
    Operation::value("GetParametersByPath", "", |ctx, form| get::by_path(ctx, read(form)?)),
    Operation::value("DeleteParameter", "", |ctx, form| put::delete(ctx, read(form)?)),
    Operation::value("DeleteParameters", "", |ctx, form| put::delete_several(ctx, read(form)?)),
    Operation::value("DescribeParameters", "shared parameters", |ctx, form| describe::parameters(ctx, read(form)?)),
    Operation::value("GetParameterHistory", "", |ctx, form| describe::history(ctx, read(form)?)),
    Operation::value("LabelParameterVersion", "", |ctx, form| put::label(ctx, read(form)?)),
    Operation::value("UnlabelParameterVersion", "", |ctx, form| put::unlabel(ctx, read(form)?)),
    Operation::value("AddTagsToResource", "only parameters", |ctx, form| tagging::add(ctx, read(form)?)),
    Operation::value("RemoveTagsFromResource", "only parameters", |ctx, form| tagging::remove(ctx, read(form)?)),
    Operation::value("ListTagsForResource", "only parameters", |ctx, form| tagging::list(ctx, read(form)?)),
];

type Answer = Result<Value, ApiError>;

fn read<T: DeserializeOwned>(form: &Node) -> Result<T, ApiError> {
    input(Service::Ssm, form)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

fn not_found(name: &str) -> ApiError {
    ApiError::new("ParameterNotFound", format!("Parameter {name} not found."))
}

/// One page, and the token of the next: the place where it starts.
fn page<T>(
    items: Vec<T>,
    token: Option<&str>,
    (size, most): (Option<u32>, u32),
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = size.unwrap_or(most);
    if !(1..=most).contains(&size) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{size}' at 'maxResults' failed to satisfy constraint: Member must have \
             value between 1 and {most}"
        )));
    }
    let from = match token {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .ok()
            .filter(|from| *from <= items.len())
            .ok_or_else(|| ApiError::new("InvalidNextToken", "The specified token is not valid."))?,
    };
    let size = size as usize;
    let next = (items.len() > from + size).then(|| (from + size).to_string());
    Ok((items.into_iter().skip(from).take(size).collect(), next))
}
