//! Signature Version 4, checked by signing again what came and comparing.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use bytes::Bytes;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::dev::wire::{Credential, Service};

/// How far the clocks of client and service may be apart.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);
/// For how long a presigned request can count at most: a week.
const EXPIRES_MAX_S: i64 = 604_800;

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// It is another one than the secret gives.
    Wrong,
    /// The body is not the one that was signed for.
    Body,
    /// It was made too long ago, or is from the future.
    Skewed {
        /// When it was made.
        signed: Timestamp,
    },
    /// It says too little; what is missing.
    Incomplete(&'static str),
}

/// Checks that a request was signed with `secret`.
///
/// # Errors
/// It was not, or too long ago.
pub(crate) fn check(
    credential: &Credential,
    (head, body): (&Parts, &Bytes),
    secret: &str,
    now: Timestamp,
) -> Result<(), Mismatch> {
    let query = parameters(head.uri.query().unwrap_or_default());
    let in_query = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let written = if credential.presigned { in_query("X-Amz-Date") } else { header("x-amz-date") };
    let written = written.ok_or(Mismatch::Incomplete("X-Amz-Date"))?;
    let signed = time(written).ok_or(Mismatch::Incomplete("X-Amz-Date"))?;
    if credential.signature.is_empty() {
        return Err(Mismatch::Incomplete("Signature"));
    }
    if !credential.signed_headers.iter().any(|name| name == "host") {
        return Err(Mismatch::Incomplete("SignedHeaders"));
    }
    if !written.starts_with(&credential.date) || credential.date.len() != 8 {
        return Err(Mismatch::Wrong);
    }
    let age = now.duration_since(signed);
    let age_max = if credential.presigned {
        let expires = in_query("X-Amz-Expires").and_then(|seconds| seconds.parse::<i64>().ok());
        let expires = expires.filter(|seconds| (1..=EXPIRES_MAX_S).contains(seconds));
        SignedDuration::from_secs(expires.ok_or(Mismatch::Incomplete("X-Amz-Expires"))?)
    } else {
        SKEW_MAX
    };
    if age > age_max || age < -SKEW_MAX {
        return Err(Mismatch::Skewed { signed });
    }
    let s3 = credential.service == Service::S3;
    let payload = match header("x-amz-content-sha256") {
        // Chunks have signatures of their own, which the reader of the chunks checks.
        Some(unsigned) if s3 && (unsigned == "UNSIGNED-PAYLOAD" || unsigned.starts_with("STREAMING-")) => {
            unsigned.to_owned()
        }
        None if s3 && credential.presigned => "UNSIGNED-PAYLOAD".to_owned(),
        Some(said) if said != hex_of_sha256(body) => return Err(Mismatch::Body),
        _ => hex_of_sha256(body),
    };
    let canonical = canonical_request(credential, head, &query, &payload).ok_or(Mismatch::Wrong)?;
    let Credential { region, date, service, .. } = credential;
    let service = service.signing_name();
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{written}\n{date}/{region}/{service}/aws4_request\n{}",
        hex_of_sha256(canonical.as_bytes())
    );
    let key = generate_signing_key(secret, signed.into(), region, service);
    let expected = calculate_signature(key, to_sign.as_bytes());
    if same(&expected, &credential.signature) { Ok(()) } else { Err(Mismatch::Wrong) }
}

/// The request as both sides write it down; `None` if a signed header is not there.
fn canonical_request(
    credential: &Credential,
    head: &Parts,
    query: &[(String, String)],
    payload: &str,
) -> Option<String> {
    let mut headers = String::new();
    for name in &credential.signed_headers {
        let mut values: Vec<_> = head
            .headers
            .get_all(name)
            .iter()
            .map(|value| squeezed(&String::from_utf8_lossy(value.as_bytes())))
            .collect();
        // What comes without a socket may have its host only in the address.
        if let ("host", true, Some(authority)) = (name.as_str(), values.is_empty(), head.uri.authority()) {
            values.push(authority.to_string());
        }
        if values.is_empty() {
            return None;
        }
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    let mut query: Vec<_> = query
        .iter()
        .filter(|(name, _)| !(credential.presigned && name == "X-Amz-Signature"))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    query.sort();
    let query: Vec<_> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    // Segment by segment, so that a slash within one stays apart from those between them.
    let once: Vec<_> = head.uri.path().split('/').map(|segment| encoded(&decoded(segment))).collect();
    let once = once.join("/");
    // All services but S3 encode the path a second time.
    let path = if credential.service == Service::S3 {
        once
    } else {
        without_dots(&once).split('/').map(encoded).collect::<Vec<_>>().join("/")
    };
    let names = credential.signed_headers.join(";");
    Some(format!("{}\n{path}\n{}\n{headers}\n{names}\n{payload}", head.method, query.join("&")))
}

/// The names and values of a query string in their order; `+` stands for itself.
fn parameters(query: &str) -> Vec<(String, String)> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts.map(|part| part.split_once('=').unwrap_or((part, ""))).map(|(n, v)| (decoded(n), decoded(v))).collect()
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Everything but letters, digits and `-_.~` as `%XX`.
fn encoded(text: &str) -> String {
    const RESERVED: percent_encoding::AsciiSet =
        percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(text, &RESERVED).to_string()
}

/// A path without `.`, `..` and empty segments.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

/// A header's value without spaces around it, and one for each run of them in it.
fn squeezed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// `20261121T061500Z`
fn time(text: &str) -> Option<Timestamp> {
    jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|t| t.timestamp())
}

fn hex_of_sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}
