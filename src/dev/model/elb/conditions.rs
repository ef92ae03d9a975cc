//! Conditions of rules, as they are kept, read back in both spellings, and given to the data plane.

use http::HeaderName;
use serde::{Deserialize, Serialize};

use crate::dev::plane;
use crate::dev::wire::Xml;

/// A condition; one of its values must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Condition {
    Path(Texts),
    Host(Texts),
    Header {
        name: String,
        values: Texts,
    },
    Method(Vec<String>),
    Query(Vec<(Option<String>, String)>),
    /// Networks in CIDR notation, as they were given.
    SourceIp(Vec<String>),
}

/// Values of a condition: texts with wildcards, and regular expressions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Texts {
    pub(super) values: Vec<String>,
    pub(super) regexes: Vec<String>,
}

impl Texts {
    fn len(&self) -> usize {
        self.values.len() + self.regexes.len()
    }

    fn wildcards(&self) -> usize {
        self.values.iter().map(|value| wildcards(value)).sum()
    }

    /// All of them for the data plane; `of` reads a text with wildcards.
    fn patterns(&self, of: fn(&str) -> plane::Pattern) -> Vec<plane::Pattern> {
        let values = self.values.iter().map(|value| of(value));
        // All of them were read as regular expressions before they were kept.
        values.chain(self.regexes.iter().filter_map(|regex| plane::Pattern::regex(regex).ok())).collect()
    }

    /// `Values` and `RegexValues`, each where there is one.
    fn write(&self, xml: &mut Xml) {
        for (name, values) in [("Values", &self.values), ("RegexValues", &self.regexes)] {
            if !values.is_empty() {
                xml.texts(name, "member", values);
            }
        }
    }
}

/// Wildcards in a pattern; `\*` and `\?` are none.
fn wildcards(pattern: &str) -> usize {
    let mut escaped = false;
    pattern
        .chars()
        .filter(|c| {
            let counts = !escaped && matches!(c, '*' | '?');
            escaped = *c == '\\' && !escaped;
            counts
        })
        .count()
}

impl Condition {
    /// AWS's name of its kind.
    pub(super) const fn field(&self) -> &'static str {
        match self {
            Self::Path(_) => "path-pattern",
            Self::Host(_) => "host-header",
            Self::Header { .. } => "http-header",
            Self::Method(_) => "http-request-method",
            Self::Query(_) => "query-string",
            Self::SourceIp(_) => "source-ip",
        }
    }

    /// How many values it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Path(texts) | Self::Host(texts) | Self::Header { values: texts, .. } => texts.len(),
            Self::Query(pairs) => pairs.len(),
            Self::Method(values) | Self::SourceIp(values) => values.len(),
        }
    }

    /// How many wildcards its values have together.
    pub(super) fn wildcards(&self) -> usize {
        match self {
            Self::Path(texts) | Self::Host(texts) | Self::Header { values: texts, .. } => texts.wildcards(),
            Self::Query(pairs) => {
                pairs.iter().map(|(key, value)| key.as_deref().map_or(0, wildcards) + wildcards(value)).sum()
            }
            Self::Method(_) | Self::SourceIp(_) => 0,
        }
    }

    pub(super) fn write(&self, xml: &mut Xml) {
        xml.leaf("Field", self.field());
        match self {
            // The two oldest kinds are written in both spellings.
            Self::Path(texts) => {
                texts.write(xml);
                xml.node("PathPatternConfig", |xml| texts.write(xml));
            }
            Self::Host(texts) => {
                texts.write(xml);
                xml.node("HostHeaderConfig", |xml| texts.write(xml));
            }
            Self::Method(values) => {
                xml.node("HttpRequestMethodConfig", |xml| {
                    xml.texts("Values", "member", values);
                });
            }
            Self::Header { name, values } => {
                xml.node("HttpHeaderConfig", |xml| {
                    xml.leaf("HttpHeaderName", name);
                    values.write(xml);
                });
            }
            Self::Query(values) => {
                xml.node("QueryStringConfig", |xml| {
                    xml.list("Values", "member", values, |xml, (key, value)| {
                        xml.leaf_if("Key", key.as_ref()).leaf("Value", value);
                    });
                });
            }
            Self::SourceIp(values) => {
                xml.node("SourceIpConfig", |xml| {
                    xml.texts("Values", "member", values);
                });
            }
        }
    }

    /// The same for the data plane.
    pub(super) fn route(&self) -> plane::Condition {
        match self {
            Self::Path(texts) => plane::Condition::Path(texts.patterns(plane::Pattern::exact_case)),
            Self::Host(texts) => plane::Condition::Host(texts.patterns(plane::Pattern::any_case)),
            Self::Header { name, values } => plane::Condition::Header {
                name: HeaderName::try_from(name).unwrap_or_else(|_| unreachable!("{name} was read as a header's name")),
                values: values.patterns(plane::Pattern::any_case),
            },
            Self::Method(values) => plane::Condition::Method(values.clone()),
            Self::Query(values) => plane::Condition::Query(
                values
                    .iter()
                    .map(|(key, value)| (key.as_deref().map(plane::Pattern::any_case), plane::Pattern::any_case(value)))
                    .collect(),
            ),
            // All of them were read as networks before they were kept.
            Self::SourceIp(values) => {
                plane::Condition::SourceIp(values.iter().filter_map(|text| text.parse().ok()).collect())
            }
        }
    }
}
