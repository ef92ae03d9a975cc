//! Policies as they are written. What IAM would refuse is refused when a policy is read, never when it is asked.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::operator::Operator;
use super::pattern::Pattern;

/// How much one policy may hold: IAM's own limits are on characters, and lower.
const STATEMENTS_MAX: usize = 1_000;
/// How many entries a list of a policy may have.
const LIST_MAX: usize = 2_000;
/// How long one text of a policy may be.
const TEXT_BYTES_MAX: usize = 10_000;

/// A policy document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) actions: Matcher,
    /// Nothing in trust policies, where the resource is the role itself.
    pub(super) resources: Option<Matcher>,
    /// Only in trust policies.
    pub(super) principals: Option<Principals>,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Matcher {
    pub(super) patterns: Vec<Pattern>,
    /// Everything but these.
    pub(super) negated: bool,
}

/// Who a trust policy speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principals {
    Everybody,
    /// ARNs and account ids; services and federated users are kept, but nobody of the dev cloud is one.
    Aws(Vec<String>),
}

/// One key of a `Condition`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) operator: Operator,
    pub(super) key: String,
    pub(super) values: Vec<Pattern>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
enum Version {
    #[default]
    #[serde(rename = "2008-10-17")]
    Old,
    #[serde(rename = "2012-10-17")]
    Variables,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawPolicy {
    #[serde(default)]
    version: Version,
    #[serde(default, rename = "Id")]
    _id: Option<String>,
    statement: OneOrMany<Checked>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawStatement {
    #[serde(default)]
    sid: Option<String>,
    effect: Effect,
    #[serde(default)]
    action: Option<OneOrMany<Text>>,
    #[serde(default)]
    not_action: Option<OneOrMany<Text>>,
    #[serde(default)]
    resource: Option<OneOrMany<Text>>,
    #[serde(default)]
    not_resource: Option<OneOrMany<Text>>,
    #[serde(default)]
    principal: Option<RawPrincipal>,
    #[serde(default)]
    condition: BTreeMap<OperatorName, BTreeMap<String, OneOrMany<Text>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawPrincipal {
    Star(Text),
    Of(BTreeMap<String, OneOrMany<Text>>),
}

/// A statement that can be read, so that an error has the line of the statement.
struct Checked(RawStatement);

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawStatement::deserialize(deserializer)?;
        let name = raw.sid.as_ref().map_or_else(String::new, |sid| format!(" {sid}"));
        raw.read(true).map_err(|why| D::Error::custom(format!("statement{name}: {why}")))?;
        Ok(Self(raw))
    }
}

/// AWS's grammar takes a single item wherever it takes a list.
struct OneOrMany<T>(Vec<T>);

/// A text, a number or a boolean: IAM takes each for the other.
struct Text(String);

/// Checked where it stands, so that an error has its line and column.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct OperatorName(String);

impl<'de> Deserialize<'de> for OperatorName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse::<Operator>().map_err(D::Error::custom)?;
        Ok(Self(name))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl Visitor<'_> for Scalar {
            type Value = String;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
                if text.len() > TEXT_BYTES_MAX {
                    return Err(E::custom(format!("a text is longer than {TEXT_BYTES_MAX} bytes")));
                }
                Ok(text.to_owned())
            }

            fn visit_bool<E>(self, value: bool) -> Result<String, E> {
                Ok(value.to_string())
            }

            fn visit_i64<E>(self, value: i64) -> Result<String, E> {
                Ok(value.to_string())
            }

            fn visit_u64<E>(self, value: u64) -> Result<String, E> {
                Ok(value.to_string())
            }

            fn visit_f64<E>(self, value: f64) -> Result<String, E> {
                Ok(value.to_string())
            }
        }
        deserializer.deserialize_any(Scalar).map(Text)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one item or a list of items")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() >= LIST_MAX {
                        return Err(A::Error::custom(format!("a list has more than {LIST_MAX} entries")));
                    }
                    items.push(item);
                }
                Ok(items)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(|item| vec![item])
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vec<T>, E> {
                T::deserialize(serde::de::value::StrDeserializer::new(text)).map(|item| vec![item])
            }

            fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Vec<T>, E> {
                T::deserialize(serde::de::value::BoolDeserializer::new(value)).map(|item| vec![item])
            }

            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Vec<T>, E> {
                T::deserialize(serde::de::value::I64Deserializer::new(value)).map(|item| vec![item])
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Vec<T>, E> {
                T::deserialize(serde::de::value::U64Deserializer::new(value)).map(|item| vec![item])
            }

            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Vec<T>, E> {
                T::deserialize(serde::de::value::F64Deserializer::new(value)).map(|item| vec![item])
            }
        }
        deserializer.deserialize_any(Items(std::marker::PhantomData)).map(OneOrMany)
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawPolicy::deserialize(deserializer)?;
        if raw.statement.0.len() > STATEMENTS_MAX {
            return Err(D::Error::custom(format!("a policy has more than {STATEMENTS_MAX} statements")));
        }
        let variables = raw.version == Version::Variables;
        let statements = raw.statement.0.iter().map(|Checked(statement)| statement.read(variables));
        Ok(Self { statements: statements.collect::<Result<_, _>>().map_err(D::Error::custom)? })
    }
}

impl RawStatement {
    fn read(&self, variables: bool) -> Result<Statement, String> {
        let pattern = |text: &Text| Pattern::read(&text.0, variables);
        let matcher = |what: &str, these: &Option<OneOrMany<Text>>, not_these: &Option<OneOrMany<Text>>| {
            let (texts, negated) = match (these, not_these) {
                (Some(texts), None) => (&texts.0, false),
                (None, Some(texts)) => (&texts.0, true),
                (Some(_), Some(_)) => return Err(format!("has both {what} and Not{what}")),
                (None, None) => return Ok(None),
            };
            if texts.is_empty() {
                return Err(format!("its {what} is an empty list"));
            }
            let patterns = texts.iter().map(pattern).collect::<Result<_, _>>()?;
            Ok(Some(Matcher { patterns, negated }))
        };
        let actions = self.action.iter().chain(&self.not_action).flat_map(|texts| &texts.0);
        for action in actions {
            let fits = |part: &str| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'*' | b'?' | b'-'))
            };
            if action.0 != "*" && !action.0.split_once(':').is_some_and(|(service, name)| fits(service) && fits(name)) {
                return Err(format!("`{}` is no action: expected `*` or SERVICE:ACTION", action.0));
            }
        }
        let resources = self.resource.iter().chain(&self.not_resource).flat_map(|texts| &texts.0);
        for resource in resources {
            if !resource.0.starts_with(['*', '?', '$']) && resource.0.splitn(6, ':').count() != 6 {
                return Err(format!("`{}` is no resource: expected `*` or an ARN of six parts", resource.0));
            }
        }
        let mut conditions = Vec::new();
        for (operator, keys) in &self.condition {
            let operator: Operator = operator.0.parse()?;
            for (key, values) in keys {
                values.0.iter().try_for_each(|value| operator.accepts(&value.0))?;
                let values = values.0.iter().map(pattern).collect::<Result<_, _>>()?;
                conditions.push(Condition { operator, key: key.clone(), values });
            }
        }
        Ok(Statement {
            sid: self.sid.clone(),
            effect: self.effect,
            actions: matcher("Action", &self.action, &self.not_action)?.ok_or("has no Action")?,
            resources: matcher("Resource", &self.resource, &self.not_resource)?,
            principals: self.principal.as_ref().map(RawPrincipal::read).transpose()?,
            conditions,
        })
    }
}

impl RawPrincipal {
    fn read(&self) -> Result<Principals, String> {
        let kinds = match self {
            Self::Star(Text(star)) if star == "*" => return Ok(Principals::Everybody),
            Self::Star(Text(other)) => return Err(format!("its Principal is `{other}`: expected `*` or a structure")),
            Self::Of(kinds) => kinds,
        };
        let mut names = Vec::new();
        for (kind, texts) in kinds {
            match kind.as_str() {
                "AWS" => names.extend(texts.0.iter().map(|text| text.0.clone())),
                "Service" | "Federated" | "CanonicalUser" => {}
                _ => return Err(format!("`{kind}` is no kind of Principal")),
            }
        }
        Ok(if names.iter().any(|name| name == "*") { Principals::Everybody } else { Principals::Aws(names) })
    }
}

impl Policy {
    /// A policy that is about actions and resources: every statement has a Resource, none has a Principal.
    ///
    /// # Errors
    /// Which statement is not so.
    pub(crate) fn check_identity_based(&self) -> Result<(), String> {
        for (number, statement) in self.statements.iter().enumerate() {
            let name = statement.sid.clone().unwrap_or_else(|| format!("number {}", number + 1));
            if statement.resources.is_none() {
                return Err(format!("statement {name}: has no Resource"));
            }
            if statement.principals.is_some() {
                return Err(format!("statement {name}: has a Principal, which only trust policies have"));
            }
        }
        Ok(())
    }

    /// A trust policy: every statement has a Principal, none has a Resource.
    ///
    /// # Errors
    /// Which statement is not so.
    pub(crate) fn check_trust(&self) -> Result<(), String> {
        for (number, statement) in self.statements.iter().enumerate() {
            let name = statement.sid.clone().unwrap_or_else(|| format!("number {}", number + 1));
            if statement.principals.is_none() {
                return Err(format!("statement {name}: has no Principal"));
            }
            if statement.resources.is_some() {
                return Err(format!("statement {name}: has a Resource, which trust policies have not"));
            }
        }
        Ok(())
    }
}
