//! Which service and region a request is for, as its signature's credential scope says.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{ApiError, Service};
use crate::dev::model::Place;

/// The account of access keys that name none.
const ACCOUNT: &str = "000000000000";

/// Where a request belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The service.
    pub(crate) service: Service,
    /// The account that the access key belongs to, and the region; Route 53's is only where it is signed for.
    pub(crate) place: Place,
    /// Who signed.
    pub(crate) access_key: String,
}

impl Scope {
    /// Reads `Credential=KEY/DATE/REGION/SERVICE/aws4_request`. The signature itself is not checked.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, ApiError> {
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Err(
                ApiError::new("MissingAuthenticationToken", "Request is missing Authentication Token").status(403)
            );
        };
        let incomplete = |message: String| ApiError::new("IncompleteSignature", message);
        let header = header.to_str().map_err(|_| incomplete("Authorization header is not ASCII text".to_owned()))?;
        let credential = header
            .strip_prefix("AWS4-HMAC-SHA256")
            .and_then(|rest| rest.split(',').find_map(|part| part.trim().strip_prefix("Credential=")))
            .ok_or_else(|| {
                incomplete("Authorization header has no AWS4-HMAC-SHA256 'Credential' parameter".to_owned())
            })?;
        let mut parts = credential.rsplitn(5, '/');
        let (Some("aws4_request"), Some(service), Some(region)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(incomplete(format!("Credential must end in REGION/SERVICE/aws4_request, but is {credential}")));
        };
        let access_key = parts.nth(1).unwrap_or_default().to_owned();
        let service = Service::of_signing_name(service).ok_or_else(|| {
            ApiError::new(
                "UnknownService",
                format!(
                    "the dev cloud has {}, but was asked for {service}",
                    Service::ALL.map(Service::signing_name).join(", ")
                ),
            )
        })?;
        let fit = !region.is_empty() && region.len() <= 32;
        if !fit || !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(incomplete(format!("{region:?} is not a region")));
        }
        let place = Place { account: account_of(&access_key), region: region.to_owned() };
        Ok(Self { service, place, access_key })
    }
}

/// An access key of twelve digits names its account, which is how one dev cloud has many.
fn account_of(access_key: &str) -> String {
    let names = access_key.len() == 12 && access_key.bytes().all(|b| b.is_ascii_digit());
    if names { access_key.to_owned() } else { ACCOUNT.to_owned() }
}
