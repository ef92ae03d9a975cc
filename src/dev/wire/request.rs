//! Which protocol a request speaks, which operation it asks for, and its parameters as a tree.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method, request};

use super::form::{Node, parse_form};
use super::service::{Protocol, Service};
use super::{ApiError, cbor, json};

/// How large a compressed body may be once it is not; `PutMetricData` takes 1 MB.
const PLAIN_BYTES_MAX: u64 = 2 * 1024 * 1024;

impl Protocol {
    /// How a request to `service` is written, and so how it is answered.
    pub(crate) fn of(service: Service, headers: &HeaderMap) -> Self {
        if service != Service::CloudWatch {
            return service.protocol();
        }
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if header("smithy-protocol") == "rpc-v2-cbor" {
            return Self::Cbor;
        }
        if header(CONTENT_TYPE.as_str()).starts_with("application/x-amz-json-1.0") {
            return Self::Json10;
        }
        service.protocol()
    }
}

/// The operation that a request asks for, and its parameters.
///
/// # Errors
/// The request names no operation, or its body cannot be read; in the words of the service.
pub(crate) fn read_call(
    service: Service,
    protocol: Protocol,
    head: &request::Parts,
    body: &[u8],
) -> Result<(String, Node), ApiError> {
    let body = plain(head, body)?;
    let of_params = |error| ApiError::of_params(service, error);
    let (operation, node) = match protocol {
        Protocol::Json | Protocol::Json10 => {
            let target = head.headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let (prefix, operation) = target.rsplit_once('.').unwrap_or_default();
            if prefix != service.target() {
                let said = format!("X-Amz-Target is {target:?}, but should be {}.OPERATION", service.target());
                return Err(ApiError::new("UnknownOperationException", said));
            }
            (Some(operation.to_owned()), json::parse(&body).map_err(of_params)?)
        }
        Protocol::Cbor => {
            let path = head.uri.path();
            let operation = path
                .strip_prefix("/service/")
                .and_then(|rest| rest.strip_prefix(service.target()))
                .and_then(|rest| rest.strip_prefix("/operation/"));
            let Some(operation) = operation else {
                let said = format!("the path is {path:?}, but should be /service/{}/operation/NAME", service.target());
                return Err(ApiError::new("UnknownOperationException", said).status(404));
            };
            (Some(operation.to_owned()), cbor::parse(&body).map_err(of_params)?)
        }
        Protocol::Query | Protocol::Ec2Query | Protocol::RestXml => {
            // These services also take their parameters in the query string of a GET.
            let form =
                if head.method == Method::GET { head.uri.query().unwrap_or_default().as_bytes() } else { &*body };
            let mut form = parse_form(form).map_err(of_params)?;
            form.take("Version");
            if head.method == Method::GET {
                // The signature of a presigned request is no parameter of its operation.
                form.children.retain(|name, _| !name.starts_with("X-Amz-"));
            }
            (form.take("Action"), form)
        }
    };
    let missing = || ApiError::new("MissingAction", "The request names no operation");
    Ok((operation.filter(|name| is_operation_name(name)).ok_or_else(missing)?, node))
}

/// What can be part of an element's name in the answer and of a key in the call log.
fn is_operation_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The body without its compression; SDKs compress large `PutMetricData` requests.
fn plain<'a>(head: &request::Parts, body: &'a [u8]) -> Result<Cow<'a, [u8]>, ApiError> {
    let encoding = match head.headers.get(CONTENT_ENCODING).map(|value| value.to_str()) {
        None => return Ok(Cow::Borrowed(body)),
        Some(encoding) => encoding.unwrap_or_default(),
    };
    match encoding {
        "" | "identity" | "aws-chunked" => Ok(Cow::Borrowed(body)),
        "gzip" => {
            let mut plain = Vec::new();
            let read = GzDecoder::new(body).take(PLAIN_BYTES_MAX + 1).read_to_end(&mut plain);
            read.map_err(|error| ApiError::new("SerializationException", format!("the body is not gzip: {error}")))?;
            if plain.len() as u64 > PLAIN_BYTES_MAX {
                let said = format!("the body is larger than {PLAIN_BYTES_MAX} bytes without its compression");
                return Err(ApiError::new("RequestEntityTooLarge", said).status(413));
            }
            Ok(Cow::Owned(plain))
        }
        other => {
            let said = format!("the dev cloud does not read bodies with Content-Encoding {other:?}, only gzip");
            Err(ApiError::new("UnsupportedMediaType", said).status(415))
        }
    }
}
