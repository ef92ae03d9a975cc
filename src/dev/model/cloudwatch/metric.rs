//! What a metric is known by: namespace, name and dimensions. Another dimension makes another metric.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::dev::wire::{ApiError, Fields, Value};

/// How many dimensions a metric may have.
const DIMENSIONS_MAX: usize = 30;

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Metric {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) dimensions: BTreeMap<String, String>,
}

/// A dimension of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Dimension {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// What a unit may be.
pub(super) const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

impl Metric {
    /// A metric with these dimensions.
    pub(crate) fn new<const N: usize>(namespace: &str, name: &str, dimensions: [(&str, &str); N]) -> Self {
        let dimensions = dimensions.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions: dimensions.into() }
    }

    /// The metric that a request speaks of.
    pub(super) fn of(namespace: String, name: String, dimensions: Vec<Dimension>) -> Result<Self, ApiError> {
        check_text("Namespace", &namespace, 255)?;
        check_text("MetricName", &name, 255)?;
        if namespace.starts_with(':') {
            return Err(invalid("The value for parameter Namespace must not begin with a colon."));
        }
        if dimensions.len() > DIMENSIONS_MAX {
            return Err(invalid(format!(
                "The collection Dimensions must not have a size greater than {DIMENSIONS_MAX}."
            )));
        }
        let mut known = BTreeMap::new();
        for Dimension { name, value } in dimensions {
            check_text("Dimensions.member.Name", &name, 255)?;
            check_text("Dimensions.member.Value", &value, 1024)?;
            if name.starts_with(':') {
                return Err(invalid(format!("The dimension name {name} must not begin with a colon.")));
            }
            if known.insert(name.clone(), value).is_some() {
                return Err(invalid(format!("No dimension name may be given twice: {name}.")));
            }
        }
        Ok(Self { namespace, name, dimensions: known })
    }

    /// The same as one text, by which metrics are kept; no field can hold the separators.
    pub(super) fn key(&self) -> String {
        let mut key = format!("{}\u{1f}{}", self.namespace, self.name);
        for (name, value) in &self.dimensions {
            key.push('\u{1f}');
            key.push_str(name);
            key.push('\u{1e}');
            key.push_str(value);
        }
        key
    }

    /// As answers have it.
    pub(super) fn fields(&self) -> Fields {
        Fields::new()
            .with("Namespace", &self.namespace)
            .with("MetricName", &self.name)
            .with("Dimensions", dimensions(&self.dimensions))
    }
}

/// Dimensions as answers have them.
pub(super) fn dimensions(dimensions: &BTreeMap<String, String>) -> Value {
    Value::list(dimensions.iter().map(|(name, value)| Fields::new().with("Name", name).with("Value", value)))
}

/// CloudWatch's word for a value that cannot be.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValue", message)
}

/// A unit must be one of [`UNITS`].
pub(super) fn check_unit(unit: &str) -> Result<(), ApiError> {
    if UNITS.contains(&unit) {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "1 validation error detected: Value '{unit}' at 'unit' failed to satisfy constraint: Member must satisfy enum \
         value set: [{}]",
        UNITS.join(", ")
    )))
}

fn check_text(what: &str, text: &str, most: usize) -> Result<(), ApiError> {
    if text.is_empty() || text.chars().count() > most {
        return Err(invalid(format!("The parameter {what} must be between 1 and {most} characters long.")));
    }
    if text.chars().any(char::is_control) {
        return Err(invalid(format!("The parameter {what} must not have control characters.")));
    }
    Ok(())
}
