//! Actions that need no target: redirects and fixed responses.

use serde::{Deserialize, Serialize};

use super::actions::{LastAction, invalid};
use super::protocols::not_in_enum;
use crate::dev::wire::{ApiError, Xml};

/// A redirect with AWS's defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Redirect {
    /// 301 or 302.
    pub(super) status: u16,
    pub(super) protocol: String,
    pub(super) host: String,
    pub(super) port: String,
    pub(super) path: String,
    pub(super) query: String,
}

/// An answer that needs no target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FixedResponse {
    pub(super) status: u16,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RedirectIn {
    status_code: String,
    protocol: Option<String>,
    host: Option<String>,
    port: Option<String>,
    path: Option<String>,
    query: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct FixedResponseIn {
    status_code: String,
    content_type: Option<String>,
    message_body: Option<String>,
}

const CONTENT_TYPES: [&str; 5] = ["text/html", "application/json", "application/javascript", "text/css", "text/plain"];

fn pattern(given: &str, field: &str, pattern: &str) -> ApiError {
    ApiError::validation(format!(
        "1 validation error detected: Value '{given}' at 'actions.{field}' failed to satisfy constraint: Member must \
         satisfy regular expression pattern: {pattern}"
    ))
}

/// At most `most` characters.
fn short(given: &str, field: &str, most: usize) -> Result<(), ApiError> {
    if given.chars().count() <= most {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "1 validation error detected: Value at 'actions.{field}' failed to satisfy constraint: Member must have length \
         less than or equal to {most}"
    )))
}

impl RedirectIn {
    pub(super) fn check(self) -> Result<LastAction, ApiError> {
        let status = match self.status_code.as_str() {
            "HTTP_301" => 301,
            "HTTP_302" => 302,
            other => return Err(not_in_enum(other, "actions.redirectConfig.statusCode", &["HTTP_301", "HTTP_302"])),
        };
        let parts = [&self.protocol, &self.host, &self.port, &self.path, &self.query];
        let unchanged = ["#{protocol}", "#{host}", "#{port}", "/#{path}", "#{query}"];
        let keeps = |(part, same): (&&Option<String>, &str)| part.as_deref().is_none_or(|part| part == same);
        if parts.iter().take(4).zip(unchanged).all(keeps) {
            return Err(invalid(
                "The redirect configuration is not valid because it creates a loop: at least one of protocol, host, port \
                 or path must be changed",
            ));
        }
        let [protocol, host, port, path, query] =
            [self.protocol, self.host, self.port, self.path, self.query].map(Option::unwrap_or_default);
        let or = |text: String, kept: &str| if text.is_empty() { kept.to_owned() } else { text };
        let protocol = or(protocol, "#{protocol}");
        if !matches!(protocol.as_str(), "HTTP" | "HTTPS" | "#{protocol}") {
            return Err(pattern(&protocol, "redirectConfig.protocol", r"^(HTTPS?|#\{protocol\})$"));
        }
        let port = or(port, "#{port}");
        if port != "#{port}" && !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(ApiError::validation(format!("Redirect port '{port}' must be from 1 to 65535 or #{{port}}")));
        }
        let path = or(path, "/#{path}");
        if !path.starts_with('/') {
            return Err(ApiError::validation(format!("Redirect path '{path}' must start with '/'")));
        }
        let (host, query) = (or(host, "#{host}"), or(query, "#{query}"));
        for (field, text) in [("host", &host), ("path", &path), ("query", &query)] {
            short(text, &format!("redirectConfig.{field}"), 128)?;
        }
        Ok(LastAction::Redirect(Redirect { status, protocol, host, port, path, query }))
    }
}

impl FixedResponseIn {
    pub(super) fn check(self) -> Result<LastAction, ApiError> {
        let status = self.status_code.parse::<u16>().ok().filter(|status| matches!(status / 100, 2 | 4 | 5));
        let status = status.filter(|_| self.status_code.len() == 3);
        let status =
            status.ok_or_else(|| pattern(&self.status_code, "fixedResponseConfig.statusCode", r"^(2|4|5)\d\d$"))?;
        if let Some(body) = &self.message_body {
            short(body, "fixedResponseConfig.messageBody", 1024)?;
        }
        if self.content_type.as_ref().is_some_and(|kind| !CONTENT_TYPES.contains(&kind.as_str())) {
            let all = CONTENT_TYPES.map(|kind| format!("'{kind}'")).join(", ");
            return Err(invalid(format!("The ContentType must be one of:{all}")));
        }
        Ok(LastAction::FixedResponse(FixedResponse {
            status,
            content_type: self.content_type,
            body: self.message_body,
        }))
    }
}

impl Redirect {
    pub(super) fn write(&self, xml: &mut Xml) {
        xml.node("RedirectConfig", |xml| {
            xml.leaf("StatusCode", format_args!("HTTP_{}", self.status)).leaf("Protocol", &self.protocol);
            xml.leaf("Host", &self.host).leaf("Port", &self.port).leaf("Path", &self.path).leaf("Query", &self.query);
        });
    }
}

impl FixedResponse {
    pub(super) fn write(&self, xml: &mut Xml) {
        xml.node("FixedResponseConfig", |xml| {
            xml.leaf("StatusCode", self.status).leaf_if("ContentType", self.content_type.as_ref());
            xml.leaf_if("MessageBody", self.body.as_ref());
        });
    }
}
