//! The attributes of a message: typed values beside its text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::invalid;
use crate::dev::wire::{ApiError, Blob};

/// An attribute in a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Given {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<Blob>,
}

/// An attribute as it is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    /// `String`, `String.Array`, `Number` or `Binary`.
    pub(crate) kind: String,
    /// Text, or base64.
    pub(crate) value: String,
}

/// Checks the attributes of a message.
pub(super) fn check(given: BTreeMap<String, Given>) -> Result<BTreeMap<String, Attribute>, ApiError> {
    given.into_iter().map(|(name, given)| Ok((name.clone(), attribute(&name, given)?))).collect()
}

fn attribute(name: &str, given: Given) -> Result<Attribute, ApiError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if name.is_empty() || name.len() > 256 || !name.bytes().all(fits) {
        return Err(invalid(format!("MessageAttributes Reason: '{name}' cannot be the name of a message attribute")));
    }
    let of_type = |what: &str| ApiError::new("ParameterValueInvalid", format!("The message attribute '{name}' {what}"));
    let Given { data_type, string_value, binary_value } = given;
    let value = match (data_type.as_str(), string_value, binary_value) {
        ("String", Some(text), None) if !text.is_empty() => text,
        ("Number", Some(text), None) if text.parse::<f64>().is_ok_and(f64::is_finite) => text,
        ("Number", Some(_), None) => return Err(of_type("has a value that is not a number")),
        ("String.Array", Some(text), None)
            if serde_json::from_str::<Vec<serde_json::Value>>(&text)
                .is_ok_and(|items| items.iter().all(|item| !item.is_object() && !item.is_array())) =>
        {
            text
        }
        ("Binary", None, Some(Blob(bytes))) if !bytes.is_empty() => aws_smithy_types::base64::encode(bytes),
        ("String" | "String.Array" | "Number" | "Binary", ..) => {
            return Err(of_type("must contain a non-empty value that is of its type"));
        }
        (other, ..) => return Err(of_type(&format!("has an invalid type: '{other}'"))),
    };
    Ok(Attribute { kind: data_type, value })
}
