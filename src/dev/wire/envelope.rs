//! What each protocol wraps around answers and errors.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::service::Protocol;
use super::value::{Fields, Value};
use super::{ApiError, Service, Xml, cbor, json};

const PROLOG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;

/// The fields of an operation's output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Document {
    /// As XML, for the services that speak nothing else.
    Xml(Xml),
    /// For any protocol.
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

/// An answer as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// `Content-Type`, and what else the protocol wants.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Bytes,
}

impl Written {
    fn new(protocol: Protocol, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        let content_type = match protocol {
            Protocol::Query | Protocol::Ec2Query | Protocol::RestXml => "text/xml",
            Protocol::Json => "application/x-amz-json-1.1",
            Protocol::Json10 => "application/x-amz-json-1.0",
            Protocol::Cbor => "application/cbor",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if protocol == Protocol::Cbor {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        Self { headers, body: body.into() }
    }
}

/// The document of a successful call.
pub(crate) fn answer(
    service: Service,
    protocol: Protocol,
    operation: &str,
    request_id: &str,
    document: &Document,
) -> Written {
    let namespace = service.namespace();
    let mut written = Xml::default();
    let inner = match (document, protocol) {
        (Document::Xml(xml), _) => xml,
        (Document::Value(value), Protocol::Json | Protocol::Json10) => {
            return Written::new(protocol, json::write(value));
        }
        (Document::Value(value), Protocol::Cbor) => return Written::new(protocol, cbor::write(value)),
        (Document::Value(Value::Fields(fields)), _) => {
            written.fields(fields);
            &written
        }
        (Document::Value(value), _) => {
            written.value("Result", value);
            &written
        }
    };
    let inner = inner.as_str();
    let text = match protocol {
        Protocol::Ec2Query => format!(
            "{PROLOG}<{operation}Response xmlns=\"{namespace}\"><requestId>{request_id}</requestId>{inner}</{operation}Response>"
        ),
        Protocol::RestXml => {
            format!("{PROLOG}<{operation}Response xmlns=\"{namespace}\">{inner}</{operation}Response>")
        }
        _ => format!(
            "{PROLOG}<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{inner}</{operation}Result>\
             <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
        ),
    };
    Written::new(protocol, text)
}

/// The document of a refused call.
pub(crate) fn refusal(service: Service, protocol: Protocol, error: &ApiError, request_id: &str) -> Written {
    let side = if error.status < 500 { "Sender" } else { "Receiver" };
    let mut said = Xml::default();
    said.leaf("Code", &error.code).leaf("Message", &error.message);
    let said = said.as_str();
    match protocol {
        Protocol::Json | Protocol::Json10 | Protocol::Cbor => {
            let shape = service.error_shape(&error.code);
            let value = Value::from(Fields::new().with("__type", shape).with("message", &error.message));
            let body = if protocol == Protocol::Cbor {
                Bytes::from(cbor::write(&value))
            } else {
                Bytes::from(json::write(&value))
            };
            let mut written = Written::new(protocol, body);
            // Services that once spoke the query protocol tell its codes in a header.
            if protocol != Protocol::Json
                && let Ok(code) = HeaderValue::from_str(&format!("{};{side}", error.code))
            {
                written.headers.insert(HeaderName::from_static("x-amzn-query-error"), code);
            }
            written
        }
        Protocol::Ec2Query => Written::new(
            protocol,
            format!(
                "{PROLOG}<Response><Errors><Error>{said}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
            ),
        ),
        Protocol::RestXml if service == Service::S3 => Written::new(
            protocol,
            format!("{PROLOG}<Error>{said}<RequestId>{request_id}</RequestId><HostId>dev-cloud</HostId></Error>"),
        ),
        Protocol::Query | Protocol::RestXml => {
            let namespace = service.namespace();
            Written::new(
                protocol,
                format!(
                    "{PROLOG}<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{side}</Type>{said}</Error>\
                     <RequestId>{request_id}</RequestId></ErrorResponse>"
                ),
            )
        }
    }
}

impl Xml {
    /// The fields of a structure, one after the other.
    fn fields(&mut self, fields: &Fields) {
        for (name, value) in fields.iter() {
            self.value(name, value);
        }
    }

    /// A value as the query protocol has it.
    fn value(&mut self, name: &str, value: &Value) {
        match value {
            Value::Bool(flag) => self.leaf(name, flag),
            Value::Int(number) => self.leaf(name, number),
            Value::Float(number) => self.leaf(name, number),
            Value::Text(text) => self.leaf(name, text),
            Value::Time(moment) => self.leaf(name, moment),
            Value::List(items) => self.node(name, |xml| items.iter().for_each(|item| xml.value("member", item))),
            Value::Map(items) => self.node(name, |xml| {
                for (key, item) in items {
                    xml.node("entry", |xml| {
                        xml.leaf("key", key);
                        xml.value("value", item);
                    });
                }
            }),
            Value::Fields(fields) => self.node(name, |xml| xml.fields(fields)),
        };
    }
}
