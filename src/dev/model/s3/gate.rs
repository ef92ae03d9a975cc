//! What a request may ask for at all: headers and parameters that nobody would look at are refused by name.

use std::net::IpAddr;

use http::HeaderMap;
use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

use crate::dev::wire::ApiError;

/// Headers of S3's own that are read, or that say nothing about what is asked for.
const HEADERS: [&str; 33] = [
    "x-amz-bucket-object-lock-enabled",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-copy-source-range",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-if-match-initiated-time",
    "x-amz-metadata-directive",
    "x-amz-mp-object-size",
    "x-amz-object-ownership",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-server-side-encryption",
    "x-amz-source-expected-bucket-owner",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-trailer",
    "x-amz-user-agent",
    "x-amz-website-redirect-location",
];

/// Parameters that tell operations apart or are read by them.
const PARAMETERS: [&str; 64] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "bucket-region",
    "continuation-token",
    "cors",
    "delete",
    "delimiter",
    "encoding-type",
    "encryption",
    "fetch-owner",
    "id",
    "intelligent-tiering",
    "inventory",
    "key-marker",
    "legal-hold",
    "lifecycle",
    "list-type",
    "location",
    "logging",
    "marker",
    "max-buckets",
    "max-keys",
    "max-parts",
    "max-uploads",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "part-number-marker",
    "partNumber",
    "policy",
    "policyStatus",
    "prefix",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "session",
    "start-after",
    "tagging",
    "torrent",
    "upload-id-marker",
    "uploadId",
    "uploads",
    "version-id-marker",
    "versionId",
    "versioning",
    "versions",
    "website",
    "x-id",
    "Policy",
    "Signature",
];

pub(super) fn not_modelled(what: &str) -> ApiError {
    let said =
        "A header or query parameter you provided implies functionality that is not implemented (by the dev cloud)";
    ApiError::new("NotImplemented", format!("{said}: {what}")).status(501)
}

/// Refuses headers that ask for what the dev cloud does not have.
pub(super) fn check_headers(headers: &HeaderMap) -> Result<(), ApiError> {
    for name in headers.keys().map(http::HeaderName::as_str) {
        let known = !name.starts_with("x-amz-") || name.starts_with("x-amz-meta-") || HEADERS.contains(&name);
        if !known {
            return Err(not_modelled(name));
        }
    }
    Ok(())
}

/// Refuses parameters that no operation has.
pub(super) fn check_parameter(name: &str) -> Result<(), ApiError> {
    if PARAMETERS.contains(&name) { Ok(()) } else { Err(not_modelled(name)) }
}

/// Finds the bucket in the name of a host: `BUCKET.s3.REGION.amazonaws.com`, `BUCKET.s3.localhost`, `BUCKET.localhost`.
/// Any other host has the bucket in the path.
pub(super) struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match bucket_in(host) {
            Some(bucket) => VirtualHost::new(host).with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}

/// The bucket in a host's name.
pub(super) fn bucket_in(host: &str) -> Option<&str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return None;
    }
    // What the endpoint is called; behind the bucket's name, which can have dots itself.
    let (before, local) = match (name.strip_suffix(".amazonaws.com"), name.strip_suffix(".localhost")) {
        (Some(before), _) => (before, false),
        (None, Some(before)) => (before, true),
        (None, None) => return None,
    };
    let labels: Vec<&str> = before.split('.').collect();
    let is_endpoint = |label: &str| label == "s3" || label.starts_with("s3-");
    // The endpoint's own labels: `s3`, `s3.REGION`, `s3.dualstack.REGION`, `s3-REGION`.
    let at = labels.iter().rposition(|label| is_endpoint(label)).filter(|at| labels.len() - at <= 3);
    match at {
        Some(0) => None,
        Some(at) => {
            let bytes: usize = labels[..at].iter().map(|label| label.len() + 1).sum();
            Some(&before[..bytes - 1])
        }
        None if local => Some(before),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_found_in_the_name_of_the_host() {
        for (host, bucket) in [
            ("127.0.0.1:4566", None),
            ("[::1]:4566", None),
            ("localhost:4566", None),
            ("switchback:4566", None),
            ("s3.eu-west-1.amazonaws.com", None),
            ("s3.localhost:4566", None),
            ("shop.localhost:4566", Some("shop")),
            ("shop.s3.localhost:4566", Some("shop")),
            ("shop.s3.eu-west-1.localhost:4566", Some("shop")),
            ("shop.s3.amazonaws.com", Some("shop")),
            ("shop.s3-eu-west-1.amazonaws.com", Some("shop")),
            ("logs.shop.s3.eu-west-1.amazonaws.com", Some("logs.shop")),
            ("shop.s3.dualstack.eu-west-1.amazonaws.com", Some("shop")),
        ] {
            assert_eq!(bucket_in(host), bucket, "{host}");
        }
    }

    #[test]
    fn headers_that_ask_for_more_are_refused_by_name() {
        let one = |name: &'static str| HeaderMap::from_iter([(name.parse().unwrap(), "x".parse().unwrap())]);
        assert!(check_headers(&one("x-amz-meta-color")).is_ok() && check_headers(&one("content-type")).is_ok());
        let refused = check_headers(&one("x-amz-acl")).unwrap_err();
        assert_eq!((refused.status, &*refused.code), (501, "NotImplemented"));
        assert!(refused.message.ends_with(": x-amz-acl"), "{}", refused.message);
    }
}
