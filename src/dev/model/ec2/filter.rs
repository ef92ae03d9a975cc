//! Filters of EC2's describe calls: several filters must all match, one of each one's values is enough.

use serde::Deserialize;
use wildmatch::WildMatch;

use crate::dev::model::tags::Tags;
use crate::dev::wire::ApiError;

/// One filter; values may hold `*` and `?`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Filter {
    name: String,
    #[serde(default)]
    value: Vec<String>,
}

/// Refuses filters that the operation does not have. `tag:KEY` and `tag-key` are known to all that pass `tags`.
pub(super) fn check(filters: &[Filter], known: &[&str]) -> Result<(), ApiError> {
    for filter in filters {
        let name = filter.name.as_str();
        let of_tags = name == "tag-key" || name.starts_with("tag:");
        if !of_tags && !known.contains(&name) {
            return Err(ApiError::ec2_value(format!(
                "The filter '{name}' is invalid (or not modelled by the dev cloud: it has {}, tag-key and tag:KEY)",
                known.join(", ")
            )));
        }
        if filter.value.is_empty() {
            return Err(ApiError::new("MissingParameter", format!("The filter '{name}' has no values")));
        }
    }
    Ok(())
}

/// Whether a resource passes all filters. `values` gives what the resource has for a filter's name.
pub(super) fn passes<'a>(filters: &[Filter], tags: &Tags, values: impl Fn(&str) -> Vec<&'a str>) -> bool {
    filters.iter().all(|filter| {
        let fits = |text: &str| filter.value.iter().any(|value| WildMatch::new(value).matches(text));
        match filter.name.strip_prefix("tag:") {
            Some(key) => tags.get(key).is_some_and(|value| fits(value)),
            None if filter.name == "tag-key" => tags.keys().any(|key| fits(key)),
            None => values(&filter.name).into_iter().any(fits),
        }
    })
}
