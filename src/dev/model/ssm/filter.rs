//! `ParameterFilters`.

use serde::Deserialize;

use super::parameter::Parameter;
use crate::dev::wire::ApiError;

/// A filter in a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct GivenFilter {
    key: String,
    option: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

/// A filter that was checked.
#[derive(Debug)]
pub(super) struct Filter {
    key: String,
    option: How,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Equals,
    BeginsWith,
    Contains,
    OneLevel,
    Recursive,
}

impl Filter {
    /// Checks filters of which these keys can be; `tag:KEY` where `tag:` is among them.
    pub(super) fn all(given: Vec<GivenFilter>, keys: &[&str]) -> Result<Vec<Self>, ApiError> {
        given.into_iter().map(|filter| Self::of(filter, keys)).collect()
    }

    /// `Filters`, which is older: names begin with the value, everything else equals it.
    pub(super) fn older(key: &str, values: Vec<String>) -> Result<Self, ApiError> {
        let option = if key == "Name" { How::BeginsWith } else { How::Equals };
        if !["Name", "Type", "KeyId"].contains(&key) {
            return Err(ApiError::new("InvalidFilterKey", format!("The filter key {key} is not valid.")));
        }
        Ok(Self { key: key.to_owned(), option, values })
    }

    fn of(given: GivenFilter, keys: &[&str]) -> Result<Self, ApiError> {
        let GivenFilter { key, option, values } = given;
        let known = keys.contains(&key.as_str()) || (keys.contains(&"tag:") && key.starts_with("tag:"));
        if !known {
            return Err(ApiError::new("InvalidFilterKey", format!("The filter key {key} is not valid.")));
        }
        let option = match (key.as_str(), option.as_deref()) {
            ("Path", None | Some("OneLevel")) => How::OneLevel,
            ("Path", Some("Recursive")) => How::Recursive,
            (_, None | Some("Equals")) => How::Equals,
            ("Name", Some("BeginsWith")) => How::BeginsWith,
            ("Name", Some("Contains")) => How::Contains,
            (key, Some(other)) => {
                let said = format!("The following filter option is not valid: {other}. It is not valid for {key}.");
                return Err(ApiError::new("InvalidFilterOption", said));
            }
        };
        if values.is_empty() && !key.starts_with("tag:") {
            return Err(ApiError::new("InvalidFilterValue", format!("The filter {key} needs a value.")));
        }
        Ok(Self { key, option, values })
    }

    /// The labels that it wants, if it is about labels.
    pub(super) fn label(&self) -> Option<&[String]> {
        (self.key == "Label").then_some(&self.values)
    }

    /// Whether a parameter passes.
    pub(super) fn takes(&self, parameter: &Parameter) -> bool {
        let any = |of: &str| self.values.iter().any(|value| self.fits(value, of));
        match self.key.as_str() {
            "Name" | "Path" => any(&parameter.name),
            "Type" => any(parameter.kind.name()),
            "DataType" => any(&parameter.data_type),
            "Tier" => any(parameter.newest().tier.name()),
            "KeyId" => parameter.newest().key.as_deref().is_some_and(any),
            "Label" => parameter.versions.iter().flat_map(|version| &version.labels).any(|label| any(label)),
            key => {
                let value = key.strip_prefix("tag:").and_then(|tag| parameter.tags.get(tag));
                value.is_some_and(|value| self.values.is_empty() || any(value))
            }
        }
    }

    fn fits(&self, value: &str, of: &str) -> bool {
        // A name without a slash in front is at the top.
        let bare = of.trim_start_matches('/');
        match self.option {
            How::Equals => of == value,
            How::BeginsWith => of.starts_with(value) || bare.starts_with(value),
            How::Contains => of.contains(value),
            How::OneLevel | How::Recursive => {
                let path = format!("{}/", value.trim_end_matches('/'));
                let rest = of.strip_prefix(&path).or((path == "/").then_some(bare));
                rest.is_some_and(|rest| self.option == How::Recursive || !rest.contains('/'))
            }
        }
    }
}
