//! An answer as a tree of values, whatever protocol it is written in, and the values of requests that are more than
//! text.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};

/// A value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any number.
    Float(f64),
    /// Text.
    Text(String),
    /// A moment: ISO 8601 in XML, seconds since 1970 in JSON and CBOR.
    Time(Timestamp),
    /// A list.
    List(Vec<Value>),
    /// Any names with values.
    Map(BTreeMap<String, Value>),
    /// A structure.
    Fields(Fields),
}

/// The fields of a structure, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// No fields yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One more field.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// One more field if there is a value for it.
    pub(crate) fn with_if(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

impl Value {
    /// A list of whatever can be a value.
    pub(crate) fn list<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    /// Names with values.
    pub(crate) fn map<T: Into<Self>>(items: impl IntoIterator<Item = (String, T)>) -> Self {
        Self::Map(items.into_iter().map(|(name, value)| (name, value.into())).collect())
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Self {
        Self::Fields(fields)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Time(value)
    }
}

/// The name by which the reader of requests knows that a moment is wanted.
pub(super) const TIME: &str = "wire::Time";
/// The same for bytes.
pub(super) const BLOB: &str = "wire::Blob";

/// A moment in a request: ISO 8601 in a form, seconds since 1970 in JSON and CBOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) Timestamp);

/// Bytes in a request: base64 in a form and in JSON, as they are in CBOR. Never printed: they may be a private key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Blob(pub(crate) Vec<u8>);

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TIME, TimeVisitor)
    }
}

struct TimeVisitor;

impl Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time as ISO 8601 or seconds since 1970")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
        // A time without a zone is UTC, as botocore and the CLI mean it.
        let moment = text.parse::<Timestamp>().ok().or_else(|| {
            let civil = text.parse::<jiff::civil::DateTime>().ok()?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        });
        moment.map(Time).ok_or_else(|| E::custom(format!("{text:?} is not a time")))
    }

    fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Time, E> {
        let moment = jiff::SignedDuration::try_from_secs_f64((seconds * 1000.0).round() / 1000.0)
            .ok()
            .and_then(|since| Timestamp::from_duration(since).ok());
        moment.map(Time).ok_or_else(|| E::custom(format!("{seconds} is not a time")))
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(BLOB, BlobVisitor)
    }
}

struct BlobVisitor;

impl Visitor<'_> for BlobVisitor {
    type Value = Blob;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes in base64")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Blob, E> {
        aws_smithy_types::base64::decode(text).map(Blob).map_err(|_| E::custom("is not base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::parse_form;
    use super::super::from_node;
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Input {
        #[serde(rename = "At")]
        at: Option<Time>,
        #[serde(rename = "Key")]
        key: Option<Blob>,
    }

    fn read(form: &str) -> Result<Input, super::super::ParamError> {
        from_node(&parse_form(form.as_bytes()).unwrap())
    }

    #[test]
    fn times_are_read_with_and_without_a_zone() {
        let expected: Timestamp = "2026-11-21T05:00:00Z".parse().unwrap();
        for text in ["2026-11-21T05:00:00Z", "2026-11-21T06:00:00%2B01:00", "2026-11-21T05:00:00", "1795237200"] {
            assert_eq!(read(&format!("At={text}")).unwrap().at, Some(Time(expected)), "{text}");
        }
        assert!(read("At=yesterday").is_err());
    }

    #[test]
    fn bytes_are_never_printed() {
        let input = read("Key=c2VjcmV0").unwrap();
        assert_eq!(input.key.as_ref().unwrap().0, b"secret");
        assert!(!format!("{input:?}").contains("secret"));
        assert!(read("Key=%21").is_err());
    }
}
