//! Headers that a proxy must take away, and those that it adds.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Version};

use super::balancer::{ForwardedFor, Settings};
use super::link::Link;
use super::rule::split_port;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const X_AMZN_TLS_VERSION: HeaderName = HeaderName::from_static("x-amzn-tls-version");
const X_AMZN_TLS_CIPHER_SUITE: HeaderName = HeaderName::from_static("x-amzn-tls-cipher-suite");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// They speak of one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] = [
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Takes away what speaks of one connection only, and what `Connection` names.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        // A client must not be able to take away what names the host or frames the body.
        for name in named.iter().filter(|name| !matches!(**name, header::HOST | header::CONTENT_LENGTH)) {
            headers.remove(name);
        }
        headers.remove(header::CONNECTION);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Whether the client wants to go on in another protocol, which only HTTP/1.1 can do.
pub(super) fn wants_upgrade(version: Version, method: &Method, headers: &HeaderMap) -> bool {
    let names_it = |value: &HeaderValue| {
        value.to_str().is_ok_and(|text| text.split(',').any(|word| word.trim().eq_ignore_ascii_case("upgrade")))
    };
    version == Version::HTTP_11
        && method == Method::GET
        && headers.contains_key(header::UPGRADE)
        && headers.get_all(header::CONNECTION).iter().any(names_it)
}

/// Whether the body is gRPC.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Takes away headers with a name that is not letters, digits and hyphens.
pub(super) fn drop_invalid(headers: &mut HeaderMap) {
    let valid = |name: &HeaderName| name.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let invalid: Vec<HeaderName> = headers.keys().filter(|name| !valid(name)).cloned().collect();
    for name in invalid {
        headers.remove(name);
    }
}

/// Tells the target who asked, and how. The answer is the value of `X-Amzn-Trace-Id`.
pub(super) fn add_forwarded(headers: &mut HeaderMap, link: &Link, settings: &Settings) -> HeaderValue {
    let client = &link.forwarded_for[usize::from(settings.client_port)];
    match settings.forwarded_for {
        ForwardedFor::Preserve => {}
        ForwardedFor::Remove => {
            headers.remove(X_FORWARDED_FOR);
        }
        ForwardedFor::Append if !headers.contains_key(X_FORWARDED_FOR) => {
            headers.insert(X_FORWARDED_FOR, client.clone());
        }
        ForwardedFor::Append => {
            let all = headers.get_all(X_FORWARDED_FOR).iter().chain([client]);
            let all = all.map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
            let all = HeaderValue::from_bytes(&all).expect("header values, joined by commas, are a header value");
            headers.insert(X_FORWARDED_FOR, all);
        }
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(link.scheme()));
    headers.insert(X_FORWARDED_PORT, link.front.port_header.clone());
    if settings.tls_headers
        && let Some(tls) = &link.tls
    {
        headers.insert(X_AMZN_TLS_VERSION, HeaderValue::from_static(tls.version));
        if let Ok(suite) = HeaderValue::from_str(&tls.suite) {
            headers.insert(X_AMZN_TLS_CIPHER_SUITE, suite);
        }
    }
    let trace = trace(headers.get(X_AMZN_TRACE_ID), link);
    headers.insert(X_AMZN_TRACE_ID, trace.clone());
    trace
}

/// A new `Root`, or our `Self` before the `Root` and whatever else is there.
fn trace(given: Option<&HeaderValue>, link: &Link) -> HeaderValue {
    let (clock, dice) = (&link.front.balancer.clock, &link.front.balancer.dice);
    let seconds = u32::try_from(clock.now().as_second()).unwrap_or_default();
    let mut own = [0; 40];
    own[..7].copy_from_slice(b"Root=1-");
    hex(&mut own[7..15], seconds.into());
    own[15] = b'-';
    hex(&mut own[16..24], dice.number());
    hex(&mut own[24..40], dice.number());
    // AWS rewrites the header where it is too long.
    let given = given.filter(|given| given.len() <= 7 * 1024).and_then(|given| given.to_str().ok());
    let Some(given) = given.filter(|given| given.split(';').any(|field| field.trim().starts_with("Root="))) else {
        return HeaderValue::from_bytes(&own).expect("letters and digits are a header value");
    };
    own[..5].copy_from_slice(b"Self=");
    let own = String::from_utf8_lossy(&own);
    let rest = given.split(';').map(str::trim).filter(|field| !field.is_empty() && !field.starts_with("Self="));
    let all = std::iter::once(&*own).chain(rest).collect::<Vec<_>>().join(";");
    HeaderValue::try_from(all).expect("parts of a header value, joined by semicolons, are a header value")
}

/// Fills `into` with the low digits of a number.
fn hex(into: &mut [u8], mut number: u64) {
    for digit in into.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number % 16) as usize];
        number /= 16;
    }
}

/// The Host header for the target: what the client asked for, with the listener's port if that is not the protocol's
/// own and none was named, as an Application Load Balancer has it.
pub(super) fn host(authority: &str, link: &Link, settings: &Settings) -> Option<HeaderValue> {
    let port = link.front.port;
    let own = if link.tls.is_some() { 443 } else { 80 };
    if settings.preserve_host || port == own || split_port(authority).1.is_some() {
        return None;
    }
    HeaderValue::try_from(format!("{authority}:{port}")).ok()
}
