//! The operators of conditions: how each compares one value of the request with one of the policy.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use jiff::Timestamp;

use super::Context;
use super::pattern::{Pattern, like, like_arn};

/// An operator with its qualifiers, for example `ForAllValues:StringLikeIfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) set: Option<Set>,
    pub(super) kind: Kind,
    /// `…Not…`: true if none of the policy's values compares.
    pub(super) negated: bool,
    /// `…IfExists`: true if the request has no such key.
    pub(super) if_exists: bool,
}

/// How the several values of one key are taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    All,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    TextIgnoringCase,
    Like,
    Arn,
    Bool,
    /// `"true"`: the key is absent.
    Null,
    Number(Order),
    Date(Order),
    Address,
    Binary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

impl FromStr for Operator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (set, name) = match text.split_once(':') {
            None => (None, text),
            Some(("ForAllValues", name)) => (Some(Set::All), name),
            Some(("ForAnyValue", name)) => (Some(Set::Any), name),
            Some((other, _)) => {
                return Err(format!("`{other}` is no qualifier of a condition: expected ForAllValues or ForAnyValue"));
            }
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let (kind, negated) = match name {
            "StringEquals" => (Kind::Text, false),
            "StringNotEquals" => (Kind::Text, true),
            "StringEqualsIgnoreCase" => (Kind::TextIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Kind::TextIgnoringCase, true),
            "StringLike" => (Kind::Like, false),
            "StringNotLike" => (Kind::Like, true),
            "ArnEquals" | "ArnLike" => (Kind::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Kind::Arn, true),
            "Bool" => (Kind::Bool, false),
            "Null" if !if_exists => (Kind::Null, false),
            "NumericEquals" => (Kind::Number(Order::Equal), false),
            "NumericNotEquals" => (Kind::Number(Order::Equal), true),
            "NumericLessThan" => (Kind::Number(Order::Less), false),
            "NumericLessThanEquals" => (Kind::Number(Order::LessOrEqual), false),
            "NumericGreaterThan" => (Kind::Number(Order::More), false),
            "NumericGreaterThanEquals" => (Kind::Number(Order::MoreOrEqual), false),
            "DateEquals" => (Kind::Date(Order::Equal), false),
            "DateNotEquals" => (Kind::Date(Order::Equal), true),
            "DateLessThan" => (Kind::Date(Order::Less), false),
            "DateLessThanEquals" => (Kind::Date(Order::LessOrEqual), false),
            "DateGreaterThan" => (Kind::Date(Order::More), false),
            "DateGreaterThanEquals" => (Kind::Date(Order::MoreOrEqual), false),
            "IpAddress" => (Kind::Address, false),
            "NotIpAddress" => (Kind::Address, true),
            "BinaryEquals" => (Kind::Binary, false),
            _ => return Err(format!("`{text}` is no condition operator of IAM")),
        };
        Ok(Self { set, kind, negated, if_exists })
    }
}

impl Operator {
    /// Whether `value` can be compared at all; an error says what would fit.
    pub(super) fn accepts(self, value: &str) -> Result<(), String> {
        let fits = match self.kind {
            Kind::Bool | Kind::Null => matches!(value, "true" | "false"),
            // A variable is known only when a request comes.
            _ if value.contains("${") => true,
            Kind::Number(_) => value.parse::<f64>().is_ok(),
            Kind::Date(_) => date(value).is_some(),
            Kind::Address => network(value).is_some(),
            Kind::Arn => value == "*" || value.splitn(6, ':').count() == 6,
            Kind::Text | Kind::TextIgnoringCase | Kind::Like | Kind::Binary => true,
        };
        let wanted = match self.kind {
            Kind::Bool | Kind::Null => "`true` or `false`",
            Kind::Number(_) => "a number",
            Kind::Date(_) => "a date such as 2026-01-31T00:00:00Z or seconds since 1970",
            Kind::Address => "an address or a network such as 10.0.0.0/8",
            Kind::Arn => "an ARN of six parts",
            Kind::Text | Kind::TextIgnoringCase | Kind::Like | Kind::Binary => "a text",
        };
        if fits { Ok(()) } else { Err(format!("`{value}` cannot be compared: expected {wanted}")) }
    }

    /// Whether the condition holds for the values that the request has of a key.
    pub(super) fn holds(self, values: Option<&[String]>, wanted: &[Pattern], context: &Context) -> bool {
        if self.kind == Kind::Null {
            let absent = if values.is_none() { "true" } else { "false" };
            return wanted.iter().any(|wanted| wanted.text(context).as_deref() == Some(absent));
        }
        let Some(values) = values else {
            return match self.set {
                Some(Set::All) => true,
                Some(Set::Any) => self.if_exists,
                None => self.if_exists || self.negated,
            };
        };
        let one = |value: &String| {
            let met = wanted.iter().any(|wanted| self.compares(value, wanted, context));
            met != self.negated
        };
        match self.set {
            Some(Set::All) => values.iter().all(one),
            Some(Set::Any) => values.iter().any(one),
            // Without a qualifier AWS leaves several values undefined; denying by all of them is the careful reading.
            None if self.negated => values.iter().all(one),
            None => values.iter().any(one),
        }
    }

    fn compares(self, value: &str, wanted: &Pattern, context: &Context) -> bool {
        if let Kind::Like = self.kind {
            return wanted.matches(value, context);
        }
        if let Kind::Arn = self.kind {
            return wanted.glyphs(context).is_some_and(|glyphs| {
                glyphs == [super::pattern::Glyph::Any] && like(&glyphs, value) || like_arn(&glyphs, value)
            });
        }
        let Some(wanted) = wanted.text(context) else { return false };
        match self.kind {
            Kind::Text | Kind::Binary => value == wanted,
            Kind::TextIgnoringCase => value.to_lowercase() == wanted.to_lowercase(),
            Kind::Bool => value.eq_ignore_ascii_case(&wanted),
            Kind::Number(order) => order.holds(value.parse::<f64>().ok(), wanted.parse::<f64>().ok()),
            Kind::Date(order) => order.holds(date(value), date(&wanted)),
            Kind::Address => match (value.parse::<IpAddr>(), network(&wanted)) {
                (Ok(address), Some(network)) => network.contains(&address),
                _ => false,
            },
            Kind::Like | Kind::Arn | Kind::Null => false,
        }
    }
}

impl Order {
    fn holds<T: PartialOrd>(self, value: Option<T>, wanted: Option<T>) -> bool {
        let (Some(value), Some(wanted)) = (value, wanted) else { return false };
        match self {
            Self::Equal => value == wanted,
            Self::Less => value < wanted,
            Self::LessOrEqual => value <= wanted,
            Self::More => value > wanted,
            Self::MoreOrEqual => value >= wanted,
        }
    }
}

/// A date as W3C writes it, with or without a time, or as seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok();
    }
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
