//! What each protocol wraps around answers and errors.

use serde_json::Value;

use super::service::Protocol;
use super::{ApiError, Service, Xml};

const PROLOG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// The fields of an operation's output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Document {
    /// For the protocols that answer in XML.
    Xml(Xml),
    /// For those that answer in JSON.
    Value(Value),
}

/// What an operation answers with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Body {
    /// HTTP status; 200, or 201 for creations of Route 53.
    pub(crate) status: u16,
    /// `Location` header of Route 53's creations.
    pub(crate) location: Option<String>,
    /// The fields of the output.
    pub(crate) document: Document,
}

impl From<Xml> for Document {
    fn from(xml: Xml) -> Self {
        Self::Xml(xml)
    }
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl<T: Into<Document>> From<T> for Body {
    fn from(document: T) -> Self {
        Self { status: 200, location: None, document: document.into() }
    }
}

/// The document of a successful call.
pub(crate) fn answer(service: Service, operation: &str, request_id: &str, document: &Document) -> String {
    let namespace = service.namespace();
    let inner = match document {
        Document::Value(value) => return value.to_string(),
        Document::Xml(xml) => xml.as_str(),
    };
    match service.protocol() {
        Protocol::Query | Protocol::Json => {
            format!(
                "{PROLOG}<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{inner}</{operation}Result>\
                 <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
            )
        }
        Protocol::Ec2Query => format!(
            "{PROLOG}<{operation}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>{inner}</{operation}Response>"
        ),
        Protocol::RestXml => {
            format!("{PROLOG}<{operation}Response xmlns=\"{namespace}\">{inner}</{operation}Response>")
        }
    }
}

/// The document of a refused call.
pub(crate) fn refusal(service: Service, error: &ApiError, request_id: &str) -> String {
    let mut said = Xml::default();
    said.leaf("Code", &error.code).leaf("Message", &error.message);
    let said = said.as_str();
    match service.protocol() {
        Protocol::Json => serde_json::json!({ "__type": error.code, "message": error.message }).to_string(),
        Protocol::Ec2Query => format!(
            "{PROLOG}<Response><Errors><Error>{said}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        ),
        Protocol::Query | Protocol::RestXml => {
            let namespace = service.namespace();
            let side = if error.status < 500 { "Sender" } else { "Receiver" };
            format!(
                "{PROLOG}<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{side}</Type>{said}</Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>"
            )
        }
    }
}
