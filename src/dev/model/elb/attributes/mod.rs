//! Attributes of load balancers, target groups and listeners: AWS's keys, defaults and limits, a table for each kind.

mod balancer;
mod group;
mod listener;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::dev::wire::{ApiError, Xml};

pub(super) use balancer::{defaults as balancer_defaults, describe as describe_balancer, modify as modify_balancer};
pub(super) use group::{defaults as group_defaults, describe as describe_group, modify as modify_group};
pub(super) use listener::{defaults as listener_defaults, describe as describe_listener, modify as modify_listener};

/// Values by key, as they are kept and read back.
pub(super) type Attributes = BTreeMap<String, String>;

/// One attribute.
struct Spec {
    key: &'static str,
    default: &'static str,
    values: Values,
    /// What the dev cloud can do, where that is less than AWS allows; anything else is refused by name.
    only: &'static [&'static str],
}

/// What an attribute can be set to on AWS.
enum Values {
    Bool,
    /// From the first to the second.
    Number(u32, u32),
    /// This word, or a number from the first to the second.
    WordOrNumber(&'static str, u32, u32),
    OneOf(&'static [&'static str]),
    /// At most so many characters.
    Text(usize),
}

/// An attribute that can have any of AWS's values.
const fn spec(key: &'static str, default: &'static str, values: Values) -> Spec {
    Spec { key, default, values, only: &[] }
}

/// An attribute whose other values the dev cloud does not model.
const fn only(key: &'static str, default: &'static str, values: Values, only: &'static [&'static str]) -> Spec {
    Spec { key, default, values, only }
}

/// An attribute in a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Attribute {
    key: String,
    #[serde(default)]
    value: String,
}

/// What a resource has: its own table first, then those of its relatives, whose keys are known but not for it.
struct Tables<'a> {
    /// `Load balancer`, as in AWS's messages.
    what: &'static str,
    own: &'a [&'a [Spec]],
    foreign: &'a [&'a [Spec]],
    /// AWS's words for a key of a relative.
    unsupported: String,
}

fn defaults_of(tables: &[&[Spec]]) -> Attributes {
    tables.iter().copied().flatten().map(|spec| (spec.key.to_owned(), spec.default.to_owned())).collect()
}

fn find<'a>(tables: &'a [&'a [Spec]], key: &str) -> Option<&'a Spec> {
    tables.iter().copied().flatten().find(|spec| spec.key == key)
}

impl Tables<'_> {
    /// The attributes after a change, each of them allowed by itself; what they are together is for the caller.
    fn merge(&self, before: &Attributes, given: Vec<Attribute>) -> Result<Attributes, ApiError> {
        let (mut after, mut seen) = (before.clone(), BTreeSet::new());
        for Attribute { key, value } in given {
            let Some(spec) = find(self.own, &key) else {
                return Err(match find(self.foreign, &key) {
                    Some(_) => ApiError::new("InvalidConfigurationRequest", self.unsupported.replace("{key}", &key)),
                    None => ApiError::validation(format!("{} attribute key '{key}' is not recognized", self.what)),
                });
            };
            spec.check(&value)?;
            if !seen.insert(key.clone()) {
                return Err(ApiError::validation(format!("Attribute key '{key}' has been specified more than once")));
            }
            after.insert(key, value);
        }
        Ok(after)
    }
}

impl Spec {
    fn check(&self, value: &str) -> Result<(), ApiError> {
        let key = self.key;
        let number = |(low, high)| value.parse().is_ok_and(|number: u32| (low..=high).contains(&number));
        let between = |low, high| format!("'{key}' value '{value}' must be between '{low}-{high}' inclusive");
        let one_of = |all: &[&str]| format!("'{key}' must be one of [{}]", all.join(", "));
        let (fits, expected) = match self.values {
            Values::Bool => (matches!(value, "true" | "false"), one_of(&["true", "false"])),
            Values::Number(low, high) => (number((low, high)), between(low, high)),
            Values::WordOrNumber(word, low, high) => {
                let said = format!("{} or '{word}'", between(low, high));
                (value == word || number((low, high)), said)
            }
            Values::OneOf(all) => (all.contains(&value), one_of(all)),
            Values::Text(most) => {
                let said = format!("'{key}' value is too long; the limit is '{most}'");
                (value.chars().count() <= most, said)
            }
        };
        if !fits {
            return Err(ApiError::validation(expected));
        }
        if !self.only.is_empty() && !self.only.contains(&value) {
            let said = format!(
                "the dev cloud does not model '{key}' with the value '{value}', only with {}",
                self.only.iter().map(|value| format!("'{value}'")).collect::<Vec<_>>().join(", ")
            );
            return Err(ApiError::new("InvalidConfigurationRequest", said));
        }
        Ok(())
    }
}

fn is(attributes: &Attributes, key: &str, value: &str) -> bool {
    attributes.get(key).is_some_and(|kept| kept == value)
}

fn answer(attributes: &Attributes) -> Xml {
    let mut xml = Xml::default();
    xml.list("Attributes", "member", attributes, |xml, (key, value)| {
        xml.leaf("Key", key).leaf("Value", value);
    });
    xml
}
