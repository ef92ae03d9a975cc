//! What each protocol wraps around answers and errors.

use super::{ApiError, Service, Xml};

const PROLOG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
const ELBV2: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";
const EC2: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
const ROUTE53: &str = "https://route53.amazonaws.com/doc/2013-04-01/";
const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// What an operation answers with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Body {
    /// HTTP status; 200, or 201 for creations of Route 53.
    pub(crate) status: u16,
    /// `Location` header of Route 53's creations.
    pub(crate) location: Option<String>,
    /// The fields of the output.
    pub(crate) xml: Xml,
}

impl From<Xml> for Body {
    fn from(xml: Xml) -> Self {
        Self { status: 200, location: None, xml }
    }
}

/// The document of a successful call.
pub(crate) fn answer(service: Service, operation: &str, request_id: &str, body: &Xml) -> String {
    let inner = body.as_str();
    match service {
        Service::Elbv2 | Service::Sts => {
            let namespace = if service == Service::Sts { STS } else { ELBV2 };
            format!(
                "{PROLOG}<{operation}Response xmlns=\"{namespace}\"><{operation}Result>{inner}</{operation}Result>\
                 <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
            )
        }
        Service::Ec2 => format!(
            "{PROLOG}<{operation}Response xmlns=\"{EC2}\"><requestId>{request_id}</requestId>{inner}</{operation}Response>"
        ),
        Service::Route53 => {
            format!("{PROLOG}<{operation}Response xmlns=\"{ROUTE53}\">{inner}</{operation}Response>")
        }
    }
}

/// The document of a refused call.
pub(crate) fn refusal(service: Service, error: &ApiError, request_id: &str) -> String {
    let mut said = Xml::default();
    said.leaf("Code", &error.code).leaf("Message", &error.message);
    let said = said.as_str();
    let namespace = match service {
        Service::Ec2 => {
            return format!(
                "{PROLOG}<Response><Errors><Error>{said}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
            );
        }
        Service::Elbv2 => ELBV2,
        Service::Route53 => ROUTE53,
        Service::Sts => STS,
    };
    let side = if error.status < 500 { "Sender" } else { "Receiver" };
    format!(
        "{PROLOG}<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{side}</Type>{said}</Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}
