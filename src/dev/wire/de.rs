//! A serde `Deserializer` over the tree of a request. In a form everything is text, and the input's types say what it
//! is; in JSON and CBOR the types must also fit.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use super::form::{Kind, Node};
use super::value::{BLOB, TIME};

/// What is wrong with the parameters of a request; each service has its own words for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParamError {
    /// A required parameter is not there.
    Missing(String),
    /// A parameter that the operation does not have, or that the dev cloud does not model.
    Unknown(String),
    /// A parameter has a value that it cannot have.
    Invalid {
        /// Its full name.
        name: String,
        /// Why.
        message: String,
    },
    /// A parameter of a JSON or CBOR request is of another type.
    WrongType {
        /// Its full name.
        name: String,
        /// What was seen and what was expected.
        message: String,
    },
    /// The request as a whole cannot be read.
    Malformed(String),
}

impl ParamError {
    pub(super) fn malformed(message: String) -> Self {
        Self::Malformed(message)
    }

    fn under(self, part: &str) -> Self {
        let join = |name: String| if name.is_empty() { part.to_owned() } else { format!("{part}.{name}") };
        match self {
            Self::Missing(name) => Self::Missing(join(name)),
            Self::Unknown(name) => Self::Unknown(join(name)),
            Self::Invalid { name, message } => Self::Invalid { name: join(name), message },
            Self::WrongType { name, message } => Self::WrongType { name: join(name), message },
            Self::Malformed(message) => Self::Malformed(message),
        }
    }
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => write!(f, "parameter {name} is missing"),
            Self::Unknown(name) => write!(f, "parameter {name} is not supported"),
            Self::Invalid { name, message } | Self::WrongType { name, message } => {
                write!(f, "parameter {name}: {message}")
            }
            Self::Malformed(message) => write!(f, "malformed request: {message}"),
        }
    }
}

impl std::error::Error for ParamError {}

impl serde::de::Error for ParamError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Invalid { name: String::new(), message: message.to_string() }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field.to_owned())
    }

    fn unknown_field(field: &str, _expected: &'static [&'static str]) -> Self {
        Self::Unknown(field.to_owned())
    }
}

/// Reads an operation's input.
pub(crate) fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, ParamError> {
    T::deserialize(De(node))
}

#[derive(Clone, Copy)]
struct De<'a>(&'a Node);

impl<'a> De<'a> {
    fn text(self) -> Result<&'a str, ParamError> {
        if let Some(child) = self.0.children.keys().next() {
            return Err(ParamError::Unknown(child.clone()));
        }
        self.0.value.as_deref().ok_or_else(|| ParamError::custom("has no value"))
    }

    /// Checks what it was written as; a form writes everything the same way.
    fn expect(self, kinds: &[Kind], what: &str) -> Result<(), ParamError> {
        if self.0.kind == Kind::Form || kinds.contains(&self.0.kind) {
            return Ok(());
        }
        Err(ParamError::WrongType {
            name: String::new(),
            message: format!("a value of type {:?} cannot be read as {what}", self.0.kind),
        })
    }

    fn number<T: std::str::FromStr>(self, what: &str) -> Result<T, ParamError> {
        // JSON writes the numbers that it has no word for as text.
        let word = matches!(self.0.value.as_deref(), Some("NaN" | "Infinity" | "-Infinity"));
        self.expect(if word { &[Kind::Number, Kind::Text] } else { &[Kind::Number] }, what)?;
        self.parsed(what)
    }

    fn parsed<T: std::str::FromStr>(self, what: &str) -> Result<T, ParamError> {
        let text = self.text()?;
        text.parse().map_err(|_| ParamError::custom(format!("{text:?} is not {what}")))
    }

    /// Lists and structures: an empty one is sent as a bare `Name=`, any other text is a mistake.
    fn no_text(self) -> Result<(), ParamError> {
        match self.0.value.as_deref() {
            None | Some("") => Ok(()),
            Some(text) => Err(ParamError::custom(format!("{text:?} is not a list or structure"))),
        }
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
            visitor.$visit(self.number::<$type>(concat!("a number of type ", stringify!($type)))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = ParamError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        match self.0.kind {
            Kind::List => self.deserialize_seq(visitor),
            Kind::Map => self.deserialize_map(visitor),
            Kind::Number => self.deserialize_f64(visitor),
            Kind::Bool => self.deserialize_bool(visitor),
            Kind::Form if !self.0.children.is_empty() => self.deserialize_map(visitor),
            Kind::Form | Kind::Text | Kind::Time | Kind::Blob => visitor.visit_str(self.text()?),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.expect(&[Kind::Bool], "true or false")?;
        visitor.visit_bool(self.parsed("true or false")?)
    }

    numbers! {
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64, deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64, deserialize_f32 visit_f32 f32,
        deserialize_f64 visit_f64 f64
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.expect(&[Kind::Text], "text")?;
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        match name {
            TIME => {
                self.expect(&[Kind::Number, Kind::Time, Kind::Text], "a time")?;
                let text = self.text()?;
                match text.parse::<f64>() {
                    Ok(seconds) => visitor.visit_f64(seconds),
                    Err(_) => visitor.visit_str(text),
                }
            }
            BLOB => {
                self.expect(&[Kind::Text, Kind::Blob], "bytes")?;
                visitor.visit_str(self.text()?)
            }
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.no_text()?;
        self.expect(&[Kind::List], "a list")?;
        let items = self.0.items().ok_or_else(|| ParamError::custom("is not a list of numbered items"))?;
        visitor.visit_seq(Items(items.into_iter()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.no_text()?;
        self.expect(&[Kind::Map], "a map")?;
        let entries = if self.0.kind == Kind::Form { self.0.entries() } else { None };
        let fields = entries
            .unwrap_or_else(|| self.0.children.iter().map(|(name, node)| (name.as_str(), node)).collect::<Vec<_>>());
        visitor.visit_map(Fields { rest: fields.into_iter(), current: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        self.no_text()?;
        self.expect(&[Kind::Map], "a structure")?;
        let fields = self.0.children.iter().map(|(name, node)| (name.as_str(), node)).collect::<Vec<_>>();
        visitor.visit_map(Fields { rest: fields.into_iter(), current: None })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ParamError> {
        self.expect(&[Kind::Text], "text")?;
        visitor.visit_enum(self.text()?.into_deserializer())
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ParamError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { char bytes byte_buf unit unit_struct tuple tuple_struct }
}

struct Items<'a>(std::vec::IntoIter<(&'a str, &'a Node)>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ParamError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ParamError> {
        let Some((name, node)) = self.0.next() else { return Ok(None) };
        seed.deserialize(De(node)).map(Some).map_err(|error| error.under(name))
    }
}

struct Fields<'a> {
    rest: std::vec::IntoIter<(&'a str, &'a Node)>,
    current: Option<(&'a str, &'a Node)>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = ParamError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ParamError> {
        self.current = self.rest.next();
        let Some((name, _)) = self.current else { return Ok(None) };
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ParamError> {
        let (name, node) = self.current.take().ok_or_else(|| ParamError::custom("value asked for before its name"))?;
        seed.deserialize(De(node)).map_err(|error| error.under(name))
    }
}
