//! Which service and region a request is for, as its signature's credential scope says.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::ApiError;

/// A service of the dev cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    /// Elastic Load Balancing, version 2.
    Elbv2,
    /// EC2.
    Ec2,
    /// Route 53.
    Route53,
    /// Security Token Service.
    Sts,
}

impl Service {
    /// The name in call logs and faults.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Elbv2 => "elbv2",
            Self::Ec2 => "ec2",
            Self::Route53 => "route53",
            Self::Sts => "sts",
        }
    }

    fn of_signing_name(name: &str) -> Option<Self> {
        match name {
            "elasticloadbalancing" => Some(Self::Elbv2),
            "ec2" => Some(Self::Ec2),
            "route53" => Some(Self::Route53),
            "sts" => Some(Self::Sts),
            _ => None,
        }
    }
}

/// Where a request belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The service.
    pub(crate) service: Service,
    /// The region; Route 53's is only where it is signed for.
    pub(crate) region: String,
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
        let mut parts = credential.rsplit('/');
        let (Some("aws4_request"), Some(service), Some(region)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(incomplete(format!("Credential must end in REGION/SERVICE/aws4_request, but is {credential}")));
        };
        let service = Service::of_signing_name(service).ok_or_else(|| {
            ApiError::new(
                "UnknownService",
                format!("the dev cloud has elasticloadbalancing, ec2, route53 and sts, but was asked for {service}"),
            )
        })?;
        let fit = !region.is_empty() && region.len() <= 32;
        if !fit || !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return Err(incomplete(format!("{region:?} is not a region")));
        }
        Ok(Self { service, region: region.to_owned() })
    }
}
