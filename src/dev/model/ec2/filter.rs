//! Filters of EC2's describe calls: several filters must all match, one of each one's values is enough.

use regex::Regex;
use serde::Deserialize;

use crate::dev::model::tags::Tags;
use crate::dev::wire::ApiError;

/// EC2's limit for the values of one call's filters.
const VALUES_MAX: usize = 200;

/// One filter; values may hold `*` and `?`, and a backslash takes the meaning from either.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Filter {
    name: String,
    #[serde(default)]
    value: Vec<String>,
}

/// A filter's name, and the values that a resource has under it.
pub(super) type Named<T> = (&'static str, fn(&T) -> Vec<String>);

/// The filters of one operation: what it takes, and what each compares with.
pub(super) struct Filters<'f, T> {
    /// The name, and the values that a resource has under it.
    pub(super) of: &'f [Named<T>],
    /// Documented names of attributes that no resource of the dev cloud has: they match nothing.
    pub(super) absent: &'f [&'static str],
    /// The resource's tags, for `tag:KEY` and `tag-key`; `None` where the operation has no such filters.
    pub(super) tags: Option<fn(&T) -> &Tags>,
}

impl<T> Filters<'_, T> {
    /// The resources of `all` that pass every filter.
    ///
    /// # Errors
    /// A filter that the operation does not have, or one without values.
    pub(super) fn select(&self, filters: &[Filter], all: impl IntoIterator<Item = T>) -> Result<Vec<T>, ApiError> {
        self.check(filters)?;
        let mut ready = Vec::with_capacity(filters.len());
        for Filter { name, value } in filters {
            let patterns = value.iter().map(|value| Pattern::of(value)).collect::<Result<Vec<_>, _>>()?;
            ready.push((name, patterns));
        }
        let passes = |item: &T| ready.iter().all(|(name, patterns)| self.matches(name, patterns, item));
        Ok(all.into_iter().filter(passes).collect())
    }

    fn check(&self, filters: &[Filter]) -> Result<(), ApiError> {
        for Filter { name, value } in filters {
            let of_tags = self.tags.is_some() && (name == "tag-key" || name.starts_with("tag:"));
            let known = self.of.iter().any(|(known, _)| known == name) || self.absent.contains(&name.as_str());
            if !of_tags && !known {
                return Err(ApiError::ec2_value(format!("The filter '{name}' is invalid")));
            }
            if value.is_empty() {
                return Err(ApiError::ec2_value(format!("The filter '{name}' requires at least one value")));
            }
        }
        if filters.iter().map(|filter| filter.value.len()).sum::<usize>() > VALUES_MAX {
            let said = format!("The maximum number of filter values specified on a single call is {VALUES_MAX}");
            return Err(ApiError::new("FilterLimitExceeded", said));
        }
        Ok(())
    }

    fn matches(&self, name: &str, patterns: &[Pattern], item: &T) -> bool {
        let fits = |text: &str| patterns.iter().any(|pattern| pattern.matches(text));
        if let (Some(tags), Some(key)) = (self.tags, name.strip_prefix("tag:")) {
            return tags(item).get(key).is_some_and(|value| fits(value));
        }
        if let (Some(tags), "tag-key") = (self.tags, name) {
            return tags(item).keys().any(|key| fits(key));
        }
        let values = self.of.iter().find(|(known, _)| *known == name).map(|(_, values)| values(item));
        values.is_some_and(|values| values.iter().any(|value| fits(value)))
    }
}

/// One value of a filter, ready to compare with.
enum Pattern {
    Exact(String),
    Wild(Regex),
}

impl Pattern {
    fn of(value: &str) -> Result<Self, ApiError> {
        if !value.contains(['*', '?', '\\']) {
            return Ok(Self::Exact(value.to_owned()));
        }
        let mut regex = String::from("(?s)^");
        let mut rest = value.chars();
        while let Some(c) = rest.next() {
            match c {
                '*' => regex.push_str(".*"),
                '?' => regex.push('.'),
                '\\' => regex.push_str(&regex::escape(&rest.next().unwrap_or(c).to_string())),
                c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        regex.push('$');
        let bad = |error| ApiError::ec2_value(format!("The filter value '{value}' cannot be read: {error}"));
        Regex::new(&regex).map(Self::Wild).map_err(bad)
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(value) => value == text,
            Self::Wild(regex) => regex.is_match(text),
        }
    }
}

/// One value.
pub(super) fn one(value: impl ToString) -> Vec<String> {
    vec![value.to_string()]
}

/// One value, or none.
pub(super) fn some(value: Option<impl ToString>) -> Vec<String> {
    value.map(|value| value.to_string()).into_iter().collect()
}
