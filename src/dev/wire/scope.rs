//! Who a request says that it is from, and which service and region it is for: its signature's credential scope.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::{ApiError, Service};
use crate::dev::access::Identity;
use crate::dev::model::Place;

/// Where a request belongs, and who makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The service.
    pub(crate) service: Service,
    /// The caller's account, and the region; Route 53's is only where it is signed for.
    pub(crate) place: Place,
    /// Who calls.
    pub(crate) caller: Identity,
}

/// What a request's signature says of itself; whether it is right is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    /// The service that it is signed for.
    pub(crate) service: Service,
    /// The region that it is signed for.
    pub(crate) region: String,
    /// Whose secret it is signed with.
    pub(crate) access_key: String,
    /// `20261121`.
    pub(crate) date: String,
    /// The names of the headers that are signed, in their order.
    pub(crate) signed_headers: Vec<String>,
    /// 64 hexadecimal digits.
    pub(crate) signature: String,
    /// In the query string, where it counts for `X-Amz-Expires` seconds, instead of in a header.
    pub(crate) presigned: bool,
}

/// How a scheme of signatures is called.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// More than any client signs.
const SIGNED_HEADERS_MAX: usize = 100;

impl Credential {
    /// Reads `Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`, or the same from the
    /// query string of a presigned request.
    pub(crate) fn of(head: &Parts) -> Result<Self, ApiError> {
        match presigned(head.uri.query().unwrap_or_default()) {
            Some(parameters) if !head.headers.contains_key(AUTHORIZATION) => Self::of_parameters(&parameters, true),
            _ => Self::of_header(&head.headers),
        }
    }

    /// The session token of a presigned request.
    pub(crate) fn token_in(&self, query: &str) -> Option<String> {
        let mut parameters = presigned(query).filter(|_| self.presigned)?.into_iter();
        parameters.find(|(name, _)| name == "Security-Token").map(|(_, token)| token)
    }

    fn of_header(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            let said = "Request is missing Authentication Token";
            return Err(ApiError::new("MissingAuthenticationToken", said).status(403));
        };
        let header = header.to_str().map_err(|_| incomplete("Authorization header is not ASCII text"))?;
        let rest = header.strip_prefix(ALGORITHM).ok_or_else(no_credential)?;
        let parameters: Vec<_> = rest.split(',').filter_map(|part| part.trim().split_once('=')).collect();
        Self::of_parameters(&parameters, false)
    }

    fn of_parameters(parameters: &[(impl AsRef<str>, impl AsRef<str>)], presigned: bool) -> Result<Self, ApiError> {
        let find = |name: &str| parameters.iter().find(|(n, _)| n.as_ref() == name).map(|(_, value)| value.as_ref());
        let credential = find("Credential").ok_or_else(no_credential)?;
        let mut parts = credential.rsplitn(5, '/');
        let (Some("aws4_request"), Some(service), Some(region)) = (parts.next(), parts.next(), parts.next()) else {
            let said = format!("Credential must end in REGION/SERVICE/aws4_request, but is {credential}");
            return Err(incomplete(said));
        };
        let date = parts.next().unwrap_or_default().to_owned();
        let access_key = parts.next().unwrap_or_default().to_owned();
        let service = Service::of_signing_name(service).ok_or_else(|| {
            let known = Service::ALL.map(Service::signing_name).join(", ");
            ApiError::new("UnknownService", format!("the dev cloud has {known}, but was asked for {service}"))
        })?;
        if !is_region(region) {
            return Err(incomplete(format!("{region:?} is not a region")));
        }
        let signed_headers = find("SignedHeaders").unwrap_or_default().split(';');
        let signed_headers: Vec<_> = signed_headers.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if signed_headers.len() > SIGNED_HEADERS_MAX {
            return Err(incomplete(format!("more than {SIGNED_HEADERS_MAX} headers are signed")));
        }
        let signature = find("Signature").unwrap_or_default().to_owned();
        Ok(Self { service, region: region.to_owned(), access_key, date, signed_headers, signature, presigned })
    }
}

/// Whether this can be the name of a region.
pub(crate) fn is_region(name: &str) -> bool {
    let fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(fit)
}

/// The `X-Amz-…` parameters of a presigned request without that prefix; `None` if it is not one.
fn presigned(query: &str) -> Option<Vec<(String, String)>> {
    let parameters = url::form_urlencoded::parse(query.as_bytes());
    let parameters = parameters.filter_map(|(name, value)| {
        name.strip_prefix("X-Amz-").map(|name| (name.to_owned(), value.clone().into_owned()))
    });
    let parameters: Vec<_> = parameters.collect();
    parameters.iter().any(|(name, value)| name == "Algorithm" && value == ALGORITHM).then_some(parameters)
}

fn no_credential() -> ApiError {
    incomplete("Authorization header has no AWS4-HMAC-SHA256 'Credential' parameter")
}

fn incomplete(said: impl Into<String>) -> ApiError {
    ApiError::new("IncompleteSignature", said)
}
