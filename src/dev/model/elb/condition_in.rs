//! Conditions in requests: both spellings, and what AWS checks about them.

use http::HeaderName;
use ipnet::IpNet;
use serde::Deserialize;

use super::conditions::{Condition, Texts};
use super::limits;
use crate::dev::plane;
use crate::dev::wire::ApiError;

/// A condition in a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ConditionIn {
    field: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    regex_values: Vec<String>,
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
    #[serde(default)]
    regex_values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct HeaderValues {
    http_header_name: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    regex_values: Vec<String>,
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
    value: Option<String>,
}

/// AWS's fields, in the order of its own message.
const FIELDS: [&str; 6] =
    ["path-pattern", "host-header", "http-header", "http-request-method", "query-string", "source-ip"];

/// Reads the conditions of a rule.
pub(super) fn read(given: Vec<ConditionIn>) -> Result<Vec<Condition>, ApiError> {
    if given.is_empty() {
        return Err(ApiError::validation("A condition must be specified"));
    }
    let conditions = given.into_iter().map(ConditionIn::check).collect::<Result<Vec<_>, _>>()?;
    let count = |of: fn(&Condition) -> usize| conditions.iter().map(of).sum::<usize>();
    let most = limits::CONDITION_VALUES;
    limits::check(count(Condition::len), most, "ValidationError", || {
        format!("A rule can only have '{most}' condition values")
    })?;
    let most = limits::CONDITION_WILDCARDS;
    limits::check(count(Condition::wildcards), most, "ValidationError", || {
        format!("A rule can only have '{most}' condition wildcards")
    })?;
    for (at, condition) in conditions.iter().enumerate() {
        let once = !matches!(condition, Condition::Header { .. } | Condition::Query(_));
        if once && conditions[..at].iter().any(|other| other.field() == condition.field()) {
            return Err(ApiError::validation(format!("A rule can only have one '{}' condition", condition.field())));
        }
    }
    Ok(conditions)
}

/// Every value is there, is not too long, and has only characters that AWS allows.
fn check_texts<'a>(
    field: &str,
    texts: impl IntoIterator<Item = &'a String>,
    most: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<(), ApiError> {
    for text in texts {
        if text.is_empty() {
            return Err(ApiError::validation(format!("A '{field}' value cannot be empty")));
        }
        if text.chars().count() > most {
            return Err(ApiError::validation(format!("The '{field}' value is too long; the limit is '{most}'")));
        }
        if let Some(other) = text.chars().find(|c| !allowed(*c)) {
            let said = format!("The '{field}' value '{text}' contains an invalid character: '{other}'");
            return Err(ApiError::validation(said));
        }
    }
    Ok(())
}

/// A host pattern has a dot, and letters after the last one.
fn check_host(text: &str) -> Result<(), ApiError> {
    let ends = |(_, last): (&str, &str)| last.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '*' | '?'));
    if text.rsplit_once('.').is_some_and(ends) {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "The 'host-header' value '{text}' must contain at least one '.', and only alphabetical characters after the last \
         one"
    )))
}

impl ConditionIn {
    /// The configurations that it has, by the field that they belong to.
    fn configurations(&self) -> [(&'static str, &'static str, bool); 6] {
        [
            ("path-pattern", "PathPatternConfig", self.path_pattern_config.is_some()),
            ("host-header", "HostHeaderConfig", self.host_header_config.is_some()),
            ("http-request-method", "HttpRequestMethodConfig", self.http_request_method_config.is_some()),
            ("http-header", "HttpHeaderConfig", self.http_header_config.is_some()),
            ("query-string", "QueryStringConfig", self.query_string_config.is_some()),
            ("source-ip", "SourceIpConfig", self.source_ip_config.is_some()),
        ]
    }

    /// The field, with its one configuration or with `Values`.
    fn check_field(&self) -> Result<String, ApiError> {
        let Some(field) = self.field.clone() else {
            return Err(ApiError::validation("A condition field must be specified"));
        };
        if !FIELDS.contains(&field.as_str()) {
            let all = FIELDS.join(",");
            return Err(ApiError::validation(format!("Condition field '{field}' must be one of '[{all}]'")));
        }
        let has_regexes =
            |config: &Option<Values>| config.as_ref().is_some_and(|config| !config.regex_values.is_empty());
        let elsewhere = has_regexes(&self.http_request_method_config) || has_regexes(&self.source_ip_config);
        let takes_regexes = matches!(field.as_str(), "path-pattern" | "host-header" | "http-header");
        if elsewhere || (!takes_regexes && !self.regex_values.is_empty()) {
            return Err(ApiError::validation(format!("The 'RegexValues' field is not compatible with '{field}'")));
        }
        for (other, config, given) in self.configurations() {
            if given && other != field {
                let said = format!("The '{config}' field is not compatible with '{field}'");
                return Err(ApiError::validation(said));
            }
            if other != field {
                continue;
            }
            let legacy = matches!(other, "path-pattern" | "host-header");
            if given && !self.regex_values.is_empty() && legacy {
                return Err(ApiError::validation(format!(
                    "You cannot provide both RegexValues and '{config}' for a condition of type '{field}'"
                )));
            }
            if !legacy && !self.values.is_empty() {
                return Err(ApiError::validation(format!("The 'Values' field is not compatible with '{field}'")));
            }
            if !legacy && !given {
                return Err(ApiError::validation(format!("A '{config}' must be specified with '{field}'")));
            }
            if given && !self.values.is_empty() {
                return Err(ApiError::validation(format!(
                    "You cannot provide both Values and '{config}' for a condition of type '{field}'"
                )));
            }
            if self.values.len() > 1 {
                return Err(ApiError::validation(format!(
                    "The '{field}' field contains too many values; the limit is '1'"
                )));
            }
        }
        Ok(field)
    }

    fn check(self) -> Result<Condition, ApiError> {
        let field = self.check_field()?;
        let own = |config: Option<Values>| config.unwrap_or_default().values;
        let printable = |c: char| !c.is_control();
        let condition = match field.as_str() {
            "path-pattern" => {
                let texts = texts(self.path_pattern_config, self.values, self.regex_values);
                let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(c);
                texts.check(&field, allowed)?;
                Condition::Path(texts)
            }
            "host-header" => {
                let texts = texts(self.host_header_config, self.values, self.regex_values);
                texts.check(&field, |c| c.is_ascii_alphanumeric() || "-.*?_".contains(c))?;
                texts.values.iter().try_for_each(|value| check_host(value))?;
                Condition::Host(texts)
            }
            "http-request-method" => {
                let values = own(self.http_request_method_config);
                check_texts(&field, &values, 40, |c| c.is_ascii_uppercase() || matches!(c, '-' | '_'))?;
                Condition::Method(values)
            }
            "http-header" => {
                let regexes = self.regex_values;
                let config = self.http_header_config.ok_or_else(|| no_value(&field))?;
                config.check(regexes)?
            }
            "query-string" => {
                let mut pairs = Vec::new();
                for QueryValue { key, value } in
                    self.query_string_config.map(|config| config.values).unwrap_or_default()
                {
                    let value = value.ok_or_else(|| {
                        ApiError::validation("A 'Value' must be specified in 'QueryStringKeyValuePair'")
                    })?;
                    check_texts("Key", &key, 128, printable)?;
                    check_texts("Value", [&value], 128, printable)?;
                    pairs.push((key, value));
                }
                Condition::Query(pairs)
            }
            _ => {
                let networks = own(self.source_ip_config);
                if let Some(text) = networks.iter().find(|text| text.parse::<IpNet>().is_err()) {
                    return Err(ApiError::validation(format!("The 'source-ip' value '{text}' is not a valid CIDR")));
                }
                Condition::SourceIp(networks)
            }
        };
        if condition.len() == 0 { Err(no_value(&field)) } else { Ok(condition) }
    }
}

fn no_value(field: &str) -> ApiError {
    ApiError::validation(match field {
        "path-pattern" | "host-header" => "A condition value must be specified".to_owned(),
        _ => format!("A '{field}' value must be specified"),
    })
}

/// The values of a condition that can also be written without a configuration.
fn texts(config: Option<Values>, values: Vec<String>, regexes: Vec<String>) -> Texts {
    match config {
        Some(config) => Texts { values: config.values, regexes: config.regex_values },
        None => Texts { values, regexes },
    }
}

impl Texts {
    fn check(&self, field: &str, allowed: impl Fn(char) -> bool) -> Result<(), ApiError> {
        check_texts(field, &self.values, 128, allowed)?;
        check_texts(field, &self.regexes, 128, |c| !c.is_control())?;
        match self.regexes.iter().find(|regex| plane::Pattern::regex(regex).is_err()) {
            None => Ok(()),
            Some(regex) => {
                Err(ApiError::validation(format!("The '{field}' regular expression '{regex}' is not valid")))
            }
        }
    }
}

impl HeaderValues {
    fn check(self, regexes: Vec<String>) -> Result<Condition, ApiError> {
        let name =
            self.http_header_name.ok_or_else(|| ApiError::validation("An 'HttpHeaderName' must be specified"))?;
        if name.len() > 40 {
            return Err(ApiError::validation("The 'HttpHeaderName' value is too long; the limit is '40'"));
        }
        if HeaderName::try_from(&name).is_err() {
            return Err(ApiError::validation(format!(
                "The 'HttpHeaderName' value '{name}' is not a valid header name"
            )));
        }
        if name.eq_ignore_ascii_case("host") {
            return Err(ApiError::validation(
                "You cannot use an 'http-header' condition for the host header; use a 'host-header' condition",
            ));
        }
        let regexes = if regexes.is_empty() { self.regex_values } else { regexes };
        let values = Texts { values: self.values, regexes };
        values.check("http-header", |c| !c.is_control())?;
        Ok(Condition::Header { name, values })
    }
}
