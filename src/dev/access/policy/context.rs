//! What is known about a request when a policy is asked: condition keys and their values.

use std::collections::BTreeMap;

/// Condition keys and their values. Neither the case of a key matters, nor that of a tag's name behind its `/`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Context(BTreeMap<String, Vec<String>>);

impl Context {
    /// The values of a key; `None` if the request has no such key.
    pub(crate) fn get(&self, key: &str) -> Option<&[String]> {
        self.0.get(&key.to_ascii_lowercase()).map(Vec::as_slice)
    }

    /// Sets a key with one value.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) -> &mut Self {
        self.0.insert(key.to_ascii_lowercase(), vec![value.into()]);
        self
    }

    /// Sets a key with one value, if there is one.
    pub(crate) fn set_if(&mut self, key: &str, value: Option<impl Into<String>>) -> &mut Self {
        if let Some(value) = value {
            self.set(key, value);
        }
        self
    }

    /// Sets a key that can have several values; without any it is absent.
    pub(crate) fn set_all(&mut self, key: &str, values: impl IntoIterator<Item = String>) -> &mut Self {
        let values: Vec<_> = values.into_iter().collect();
        if !values.is_empty() {
            self.0.insert(key.to_ascii_lowercase(), values);
        }
        self
    }

    /// Sets `PREFIX/NAME` for each tag.
    pub(crate) fn set_tags<'a>(
        &mut self,
        prefix: &str,
        tags: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> &mut Self {
        for (name, value) in tags {
            self.set(&format!("{prefix}/{name}"), value);
        }
        self
    }

    /// What is here and what is in `more`; `more` counts where both have a key.
    pub(crate) fn with(&self, more: &Self) -> Self {
        let mut all = self.clone();
        all.0.extend(more.0.iter().map(|(key, values)| (key.clone(), values.clone())));
        all
    }
}
