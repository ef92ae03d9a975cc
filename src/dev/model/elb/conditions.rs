//! Conditions of rules, in both spellings: `Values` and the configuration of their own kind.

use http::HeaderName;
use ipnet::IpNet;
use serde::Deserialize;

use crate::dev::plane;
use crate::dev::wire::{ApiError, Xml};

/// A condition; one of its values must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    Path(Vec<String>),
    Host(Vec<String>),
    Header { name: String, header: HeaderName, values: Vec<String> },
    Method(Vec<String>),
    Query(Vec<(Option<String>, String)>),
    SourceIp(Vec<IpNet>),
}

/// A condition in a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ConditionIn {
    field: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    path_pattern_config: Option<Values>,
    host_header_config: Option<Values>,
    http_request_method_config: Option<Values>,
    http_header_config: Option<HeaderValues>,
    query_string_config: Option<QueryValues>,
    source_ip_config: Option<Values>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Values {
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct HeaderValues {
    http_header_name: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct QueryValues {
    #[serde(default)]
    values: Vec<QueryValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct QueryValue {
    key: Option<String>,
    value: String,
}

/// Values of all conditions of one rule together.
const VALUES_MAX: usize = 5;

/// Reads the conditions of a rule.
pub(super) fn read(given: Vec<ConditionIn>) -> Result<Vec<Condition>, ApiError> {
    if given.is_empty() {
        return Err(ApiError::validation("A rule must have at least one condition"));
    }
    let conditions = given.into_iter().map(ConditionIn::check).collect::<Result<Vec<_>, _>>()?;
    if conditions.iter().map(Condition::len).sum::<usize>() > VALUES_MAX {
        return Err(ApiError::validation(format!("A rule can have at most {VALUES_MAX} condition values")));
    }
    for (at, condition) in conditions.iter().enumerate() {
        let once = !matches!(condition, Condition::Header { .. } | Condition::Query(_));
        if once && conditions[..at].iter().any(|other| other.field() == condition.field()) {
            return Err(ApiError::validation(format!("A rule can have only one '{}' condition", condition.field())));
        }
    }
    Ok(conditions)
}

impl ConditionIn {
    fn check(self) -> Result<Condition, ApiError> {
        let field = self.field.ok_or_else(|| ApiError::validation("A condition field must be specified"))?;
        let given = [
            ("path-pattern", self.path_pattern_config.is_some()),
            ("host-header", self.host_header_config.is_some()),
            ("http-request-method", self.http_request_method_config.is_some()),
            ("http-header", self.http_header_config.is_some()),
            ("query-string", self.query_string_config.is_some()),
            ("source-ip", self.source_ip_config.is_some()),
        ];
        if let Some((other, _)) = given.iter().find(|(name, given)| *given && *name != field) {
            return Err(ApiError::validation(format!(
                "A condition with field '{field}' has the configuration of '{other}'"
            )));
        }
        let legacy = self.values;
        let both = |config: Option<Values>, legacy: Vec<String>| match config {
            Some(config) if legacy.is_empty() || legacy == config.values => Ok(config.values),
            Some(_) => Err(ApiError::validation("A condition has both 'Values' and a configuration with other values")),
            None => Ok(legacy),
        };
        let missing = || ApiError::validation(format!("A condition value must be specified for '{field}'"));
        let condition = match field.as_str() {
            "path-pattern" => Condition::Path(both(self.path_pattern_config, legacy)?),
            "host-header" => Condition::Host(both(self.host_header_config, legacy)?),
            _ if !legacy.is_empty() => {
                return Err(ApiError::validation(format!(
                    "'Values' cannot be used with '{field}': use its configuration"
                )));
            }
            "http-request-method" => Condition::Method(self.http_request_method_config.unwrap_or_default().values),
            "http-header" => {
                let HeaderValues { http_header_name: name, values } = self.http_header_config.ok_or_else(missing)?;
                let header =
                    name.parse().map_err(|_| ApiError::validation(format!("'{name}' is no name of an HTTP header")))?;
                Condition::Header { name, header, values }
            }
            "query-string" => {
                let pairs = self.query_string_config.map(|config| config.values).unwrap_or_default();
                Condition::Query(pairs.into_iter().map(|pair| (pair.key, pair.value)).collect())
            }
            "source-ip" => {
                let networks = self.source_ip_config.unwrap_or_default().values.into_iter().map(|text| {
                    let refuse = |_| ApiError::validation(format!("'{text}' is no network in CIDR notation"));
                    text.parse::<IpNet>().map_err(refuse)
                });
                Condition::SourceIp(networks.collect::<Result<_, _>>()?)
            }
            other => return Err(ApiError::validation(format!("Condition field '{other}' is not one of AWS's six"))),
        };
        if condition.len() == 0 { Err(missing()) } else { Ok(condition) }
    }
}

impl Condition {
    const fn field(&self) -> &'static str {
        match self {
            Self::Path(_) => "path-pattern",
            Self::Host(_) => "host-header",
            Self::Header { .. } => "http-header",
            Self::Method(_) => "http-request-method",
            Self::Query(_) => "query-string",
            Self::SourceIp(_) => "source-ip",
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Path(values) | Self::Host(values) | Self::Method(values) | Self::Header { values, .. } => {
                values.len()
            }
            Self::Query(values) => values.len(),
            Self::SourceIp(values) => values.len(),
        }
    }

    pub(super) fn write(&self, xml: &mut Xml) {
        xml.leaf("Field", self.field());
        let own = |xml: &mut Xml, config: &str, values: &[String]| {
            xml.node(config, |xml| {
                xml.texts("Values", "member", values);
            });
        };
        match self {
            // The two oldest kinds are written in both spellings.
            Self::Path(values) => own(xml.texts("Values", "member", values), "PathPatternConfig", values),
            Self::Host(values) => own(xml.texts("Values", "member", values), "HostHeaderConfig", values),
            Self::Method(values) => own(xml, "HttpRequestMethodConfig", values),
            Self::Header { name, values, .. } => {
                xml.node("HttpHeaderConfig", |xml| {
                    xml.leaf("HttpHeaderName", name).texts("Values", "member", values);
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
        let any = |values: &[String]| values.iter().map(|value| plane::Pattern::any_case(value)).collect();
        match self {
            Self::Path(values) => {
                plane::Condition::Path(values.iter().map(|value| plane::Pattern::exact_case(value)).collect())
            }
            Self::Host(values) => plane::Condition::Host(any(values)),
            Self::Header { header, values, .. } => {
                plane::Condition::Header { name: header.clone(), values: any(values) }
            }
            Self::Method(values) => plane::Condition::Method(values.clone()),
            Self::Query(values) => plane::Condition::Query(
                values
                    .iter()
                    .map(|(key, value)| (key.as_deref().map(plane::Pattern::any_case), plane::Pattern::any_case(value)))
                    .collect(),
            ),
            Self::SourceIp(values) => plane::Condition::SourceIp(values.clone()),
        }
    }
}
