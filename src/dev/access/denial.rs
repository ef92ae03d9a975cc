//! What each service says to somebody it does not know, or does not let.

use jiff::Timestamp;

use super::signature::Mismatch;
use super::{Identity, Unknown};
use crate::dev::wire::{ApiError, Protocol, Service};

const INVALID_TOKEN: &str = "The security token included in the request is invalid.";
const WRONG_SIGNATURE: &str = "The request signature we calculated does not match the signature you provided. Check your \
    AWS Secret Access Key and signing method. Consult the service documentation for details.";
/// EC2 does not tell a wrong key from a wrong secret.
const EC2_NOT_VALID: &str = "AWS was not able to validate the provided access credentials";

/// Nobody is known by this access key.
pub(crate) fn unknown(service: Service, why: Unknown) -> ApiError {
    let json = is_json(service);
    match (why, service) {
        (Unknown::Key, Service::Ec2) => ApiError::new("AuthFailure", EC2_NOT_VALID).status(401),
        (Unknown::Key, Service::S3) => {
            let said = "The AWS Access Key Id you provided does not exist in our records.";
            ApiError::new("InvalidAccessKeyId", said).status(403)
        }
        (Unknown::Key, _) if json => ApiError::new("UnrecognizedClientException", INVALID_TOKEN),
        (Unknown::Key, _) => ApiError::new("InvalidClientTokenId", INVALID_TOKEN).status(403),
        (Unknown::Expired, Service::Ec2) => ApiError::new("RequestExpired", "Request has expired."),
        (Unknown::Expired, Service::S3) => ApiError::new("ExpiredToken", "The provided token has expired."),
        (Unknown::Expired, _) => {
            let code = if json { "ExpiredTokenException" } else { "ExpiredToken" };
            let error = ApiError::new(code, "The security token included in the request is expired");
            if json { error } else { error.status(403) }
        }
    }
}

/// A signature does not count.
pub(crate) fn mismatch(service: Service, why: &Mismatch, now: Timestamp) -> ApiError {
    let json = is_json(service);
    let error = match (why, service) {
        (Mismatch::Incomplete(what), _) => {
            return ApiError::new("IncompleteSignature", format!("Authorization header requires '{what}' parameter"));
        }
        (Mismatch::Body, Service::S3) => {
            let said = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return ApiError::new("XAmzContentSHA256Mismatch", said);
        }
        (Mismatch::Skewed { .. }, Service::Ec2) => return ApiError::new("RequestExpired", "Request has expired."),
        (Mismatch::Skewed { .. }, Service::S3) => {
            let said = "The difference between the request time and the current time is too large.";
            ApiError::new("RequestTimeTooSkewed", said)
        }
        (Mismatch::Skewed { signed }, _) => {
            let said = if *signed > now {
                format!("Signature not yet current: {signed} is still later than {now} (15 min.)")
            } else {
                format!("Signature expired: {signed} is now earlier than {now} (15 min.)")
            };
            ApiError::new(if json { "InvalidSignatureException" } else { "SignatureDoesNotMatch" }, said)
        }
        (_, Service::Ec2) => return ApiError::new("AuthFailure", EC2_NOT_VALID).status(401),
        (_, _) if json => ApiError::new("InvalidSignatureException", WRONG_SIGNATURE),
        (_, _) => ApiError::new("SignatureDoesNotMatch", WRONG_SIGNATURE),
    };
    if json { error } else { error.status(403) }
}

/// Somebody known may not do this.
pub(crate) fn denied(service: Service, caller: &Identity, action: &str, resource: &str, explicitly: bool) -> ApiError {
    let why = if explicitly {
        "with an explicit deny in an identity-based policy".to_owned()
    } else {
        format!("because no identity-based policy allows the {action} action")
    };
    let said = format!("User: {} is not authorized to perform: {action} on resource: {resource} {why}", caller.arn);
    match service {
        Service::Ec2 => {
            let said = format!("You are not authorized to perform this operation. {said}");
            ApiError::new("UnauthorizedOperation", said).status(403)
        }
        Service::Sns => ApiError::new("AuthorizationError", said).status(403),
        service if is_json(service) => ApiError::new("AccessDeniedException", said),
        _ => ApiError::new("AccessDenied", said).status(403),
    }
}

fn is_json(service: Service) -> bool {
    matches!(service.protocol(), Protocol::Json | Protocol::Json10)
}
