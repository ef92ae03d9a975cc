//! The JSON Schema, as the check reads it: the keywords that `file.rs` and `smoke_file.rs` use, and no other.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::duration;
use super::scalar::{Scalar, resolve};

/// One (sub)schema. A keyword that is not here fails to load, so none can be overlooked by the check.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(rename = "type")]
    pub kind: Option<Kind>,
    #[serde(rename = "const")]
    pub word: Option<String>,
    #[serde(default)]
    pub one_of: Vec<Rule>,

    #[serde(default)]
    pub properties: BTreeMap<String, Rule>,
    #[serde(default)]
    pub required: Vec<String>,
    pub additional_properties: Option<Additional>,
    pub property_names: Option<Box<Rule>>,
    pub min_properties: Option<usize>,
    pub max_properties: Option<usize>,

    pub items: Option<Box<Rule>>,
    pub min_items: Option<usize>,
    pub max_items: Option<usize>,
    #[serde(default)]
    pub unique_items: bool,

    pub minimum: Option<i64>,
    pub maximum: Option<i64>,

    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    pub pattern: Option<String>,
    pub pattern_error_message: Option<String>,
    pub not: Option<Box<Rule>>,
    #[serde(rename = "x-duration")]
    pub duration: Option<DurationRange>,
    #[serde(rename = "x-hint")]
    advice: Option<String>,

    pub default: Option<serde_json::Value>,
    #[serde(default)]
    pub examples: Vec<serde_json::Value>,

    // For editors only.
    #[serde(rename = "description")]
    _description: Option<IgnoredAny>,
    #[serde(rename = "$schema")]
    _schema: Option<IgnoredAny>,
    #[serde(rename = "title")]
    _title: Option<IgnoredAny>,
}

/// What a value is.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Integer,
}

/// What stands under keys that are not named.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Additional {
    /// `false`: there are none.
    None(#[expect(dead_code, reason = "false is the only value in use; it tells a boolean from a schema")] bool),
    /// All of one kind.
    Each(Box<Rule>),
}

/// The shortest and the longest duration that is allowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DurationRange {
    pub minimum: String,
    pub maximum: String,
}

impl DurationRange {
    /// Whether the duration that `text` says is in the range.
    pub(super) fn holds(&self, text: &str) -> bool {
        let limits = duration::parse(&self.minimum).zip(duration::parse(&self.maximum));
        limits.zip(duration::parse(text)).is_some_and(|((min, max), value)| (min..=max).contains(&value))
    }
}

impl Rule {
    /// The keys of a mapping that has exactly one of them, each with the rule for its value.
    pub(super) fn alternatives(&self) -> impl Iterator<Item = (&String, &Rule)> {
        self.one_of.iter().flat_map(|alternative| &alternative.properties)
    }

    /// The words that are allowed, where there is a fixed list.
    pub(super) fn words(&self) -> Vec<&str> {
        self.one_of.iter().filter_map(|alternative| alternative.word.as_deref()).collect()
    }

    /// Whether a text is what must stand there.
    pub(super) fn fits(&self, text: &str) -> bool {
        let length = text.chars().count();
        self.min_length.is_none_or(|m| length >= m)
            && self.max_length.is_none_or(|m| length <= m)
            && self.has_form_of(text)
            && self.not.as_ref().and_then(|n| n.pattern.as_ref()).is_none_or(|p| !matches(p, text))
            && self.duration.as_ref().is_none_or(|d| d.holds(text))
    }

    /// Whether a text has the form that must stand there, be it too long or out of range.
    pub(super) fn has_form_of(&self, text: &str) -> bool {
        self.pattern.as_ref().is_none_or(|p| matches(p, text))
    }

    /// Whether a number is in the range that must stand there.
    pub(super) fn has_in_range(&self, number: i64) -> bool {
        self.minimum.is_none_or(|m| number >= m) && self.maximum.is_none_or(|m| number <= m)
    }

    /// What to write instead.
    pub(super) fn hint(&self) -> String {
        match (&self.advice, self.examples.first(), &self.default) {
            (Some(advice), ..) => advice.clone(),
            (None, Some(example), _) => format!("for example `{}`", yaml(example)),
            (None, None, Some(default)) => format!("leave it out for the default, `{}`", yaml(default)),
            (None, None, None) => format!("write {}", self.expected()),
        }
    }

    /// What to write where `key`, whose rule this is, is missing.
    pub(super) fn hint_for(&self, key: &str) -> String {
        match self.examples.first() {
            Some(example) => format!("for example `{key}: {}`", yaml(example)),
            None => self.hint(),
        }
    }

    /// What must stand there, as it follows "must be".
    pub(super) fn expected(&self) -> String {
        let words = self.words();
        if !words.is_empty() {
            return either(&words);
        }
        if !self.one_of.is_empty() {
            let keys: Vec<&str> = self.alternatives().map(|(key, _)| key.as_str()).collect();
            return format!("a mapping with the key {}", either(&keys));
        }
        match self.kind {
            Some(Kind::Object) if self.properties.is_empty() => format!("a mapping{}", self.size(" with", "keys")),
            Some(Kind::Object) => "a mapping".into(),
            Some(Kind::Array) => format!("a list{}", self.size(" of", "entries")),
            Some(Kind::Integer) => match (self.minimum, self.maximum) {
                (Some(min), Some(max)) => format!("a whole number from {min} to {max}"),
                _ => "a whole number".into(),
            },
            Some(Kind::String) | None => match (&self.duration, &self.pattern_error_message) {
                (Some(range), _) => format!("a duration from {} to {}", range.minimum, range.maximum),
                (None, Some(what)) => what.clone(),
                (None, None) => match (self.min_length, self.max_length) {
                    (Some(min), Some(max)) => format!("text of {min} to {max} characters"),
                    _ => "text".into(),
                },
            },
        }
    }

    fn size(&self, with: &str, things: &str) -> String {
        match (self.min_items.or(self.min_properties), self.max_items.or(self.max_properties)) {
            (Some(1), Some(1)) => format!("{with} exactly one entry"),
            (Some(min), Some(max)) if min == max => format!("{with} exactly {min} {things}"),
            (Some(min), Some(max)) => format!("{with} {min} to {max} {things}"),
            (None, Some(max)) => format!("{with} at most {max} {things}"),
            (_, None) => String::new(),
        }
    }
}

/// `a`, `b` or `c`.
pub(super) fn either(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// A value of the schema as YAML on one line.
fn yaml(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) if text.starts_with(['{', '*']) || resolve(text, true) != Scalar::Text => {
            format!("\"{text}\"")
        }
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(items) => format!("[{}]", items.iter().map(yaml).collect::<Vec<_>>().join(", ")),
        serde_json::Value::Object(entries) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}: {}", yaml(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
}
