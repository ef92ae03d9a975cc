//! Requests to S3 without a signature of version 4, which name no service: they are told from others by their look.

use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;

use super::gate::bucket_in;
use crate::dev::wire::ApiError;

/// S3's words for a request without a signature that counts; `None` if the request is not for S3, or has one.
pub(crate) fn refuse_unsigned(head: &Parts) -> Option<ApiError> {
    let authorization = head.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let query = head.uri.query().unwrap_or_default();
    let parameters: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name).collect();
    let has = |name: &str| parameters.iter().any(|parameter| parameter == name);
    if authorization.is_some_and(|value| value.starts_with(b"AWS4-")) {
        return None;
    }
    // Of the services here only S3 had signatures of version 2 that look like this.
    let second = match authorization {
        Some(value) => value.starts_with(b"AWS "),
        None => has("AWSAccessKeyId") && has("Signature") && !has("Action"),
    };
    if second {
        let said = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.";
        return Some(ApiError::new("InvalidRequest", said));
    }
    is_for_s3(head).then(|| ApiError::new("AccessDenied", "Access Denied").status(403))
}

/// Other services have one path only, or paths that begin with a version or `service`.
fn is_for_s3(head: &Parts) -> bool {
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| head.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    let path = head.uri.path();
    let others = path == "/" || ["/2013-04-01/", "/service/"].iter().any(|prefix| path.starts_with(prefix));
    bucket_in(host).is_some() || host.starts_with("s3.") || !others
}
