//! One bounded HTTP exchange on a connection of its own.

use std::time::Duration;

use reqwest::redirect;

/// How much of a body is read; a larger answer is refused, so that no instance can fill the memory.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;

/// An answer that has arrived completely.
#[derive(Debug)]
pub(super) struct Answer {
    /// Status code.
    pub(super) status: u16,
    /// The whole body, at most [`BODY_BYTES_MAX`].
    pub(super) body: Vec<u8>,
}

/// The settings that every client of this room has: no redirects, no proxy, no kept connections, HTTP/1.1.
///
/// Cookies are not compiled in. A redirect is an answer to be judged, not to be followed; a proxy or a kept
/// connection would prove something about another path than the one that is checked.
pub(super) fn settings() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .user_agent(concat!("switchback/", env!("CARGO_PKG_VERSION")))
}

/// A client for `http:` alone: it needs no root certificates, which a small container may not have.
pub(super) fn plain_client() -> Result<reqwest::Client, String> {
    settings().tls_certs_only([]).build().map_err(|error| format!("no HTTP client could be made: {error}"))
}

/// Sends `request` and reads the whole answer within `within`; otherwise says what was seen instead.
pub(super) async fn exchange(request: reqwest::RequestBuilder, within: Duration) -> Result<Answer, String> {
    let mut status = None;
    let answer = async {
        let mut response = request.send().await.map_err(in_words)?;
        let code = *status.insert(response.status().as_u16());
        let too_large = || Err(format!("status {code}, but its body is larger than 1 MiB"));
        if response.content_length().is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return too_large();
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(in_words)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return too_large();
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status: code, body })
    };
    match tokio::time::timeout(within, answer).await {
        Ok(result) => result,
        Err(_) => Err(match status {
            Some(code) => format!("status {code}, but the body was not complete within {within:?}"),
            None => format!("no answer within {within:?}"),
        }),
    }
}

/// The innermost cause, which is the one that tells a person something.
fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(std::io::ErrorKind::ConnectionRefused) => "connection refused".into(),
        _ => cause.to_string(),
    }
}
