//! One bounded HTTP exchange on a connection of its own.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::tls::Tls;
use crate::dial::{Connected, Dial};

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

/// A GET request, and where it is sent: HTTP/1.1 on a connection that serves nothing else.
///
/// No proxy, no kept connection: either would prove something about another path than the one that is checked. A
/// redirect is an answer to be judged, not to be followed.
#[derive(Clone)]
pub(super) struct Ask {
    /// Where the connection goes.
    pub(super) to: SocketAddr,
    /// Over TLS, if at all.
    pub(super) tls: Option<Tls>,
    /// Path and query.
    pub(super) path: String,
    /// Besides those that every request has; `Host` is `to` unless it is here.
    pub(super) headers: HeaderMap,
}

impl Ask {
    /// A request for `path` of `to`.
    pub(super) fn new(to: SocketAddr, path: impl Into<String>) -> Self {
        Self { to, tls: None, path: path.into(), headers: HeaderMap::new() }
    }

    /// The same with another `Host`.
    ///
    /// # Errors
    /// It cannot be a header's value.
    pub(super) fn host(mut self, host: &str) -> Result<Self, String> {
        let value = HeaderValue::try_from(host).map_err(|_| format!("{host:?} cannot be sent as Host"))?;
        self.headers.insert(HOST, value);
        Ok(self)
    }

    fn request(self) -> Result<Request<Empty<Bytes>>, String> {
        let mut request = Request::get(&self.path)
            .header(ACCEPT, "*/*")
            .header(USER_AGENT, concat!("switchback/", env!("CARGO_PKG_VERSION")));
        if !self.headers.contains_key(HOST) {
            request = request.header(HOST, self.to.to_string());
        }
        let mut request =
            request.body(Empty::new()).map_err(|_| format!("{:?} cannot be asked for: it is no path", self.path))?;
        request.headers_mut().extend(self.headers);
        Ok(request)
    }
}

/// Sends `ask` and reads the whole answer within `within`; otherwise says what was seen instead.
pub(super) async fn exchange(dial: &dyn Dial, ask: Ask, within: Duration) -> Result<Answer, String> {
    let mut status = None;
    match tokio::time::timeout(within, whole(dial, ask, &mut status)).await {
        Ok(result) => result,
        Err(_) => Err(match status {
            Some(code) => format!("status {code}, but the body was not complete within {within:?}"),
            None => format!("no answer within {within:?}"),
        }),
    }
}

async fn whole(dial: &dyn Dial, ask: Ask, status: &mut Option<u16>) -> Result<Answer, String> {
    let (to, tls) = (ask.to, ask.tls.clone());
    let request = ask.request()?;
    let stream = open(dial, to, tls).await.map_err(|error| in_words(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| in_words(&error))?;
    let answer = async {
        let mut response = sender.send_request(request).await.map_err(|error| in_words(&error))?;
        let code = *status.insert(response.status().as_u16());
        let too_large = || Err(format!("status {code}, but its body is larger than 1 MiB"));
        let announced = response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64) {
            return too_large();
        }
        let mut body = Vec::new();
        while let Some(frame) = response.frame().await {
            let frame = frame.map_err(|error| in_words(&error))?;
            let Some(chunk) = frame.data_ref() else { continue };
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return too_large();
            }
            body.extend_from_slice(chunk);
        }
        Ok(Answer { status: code, body })
    };
    tokio::pin!(answer, connection);
    // Both live in this future, so the connection is closed when the exchange is over, however it ends.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // What the connection has received, or the error that it ended with, is still on its way to the answer.
        _ = &mut connection => answer.await,
    }
}

async fn open(dial: &dyn Dial, to: SocketAddr, tls: Option<Tls>) -> io::Result<Connected> {
    let stream = dial.connect(to).await?;
    match tls {
        None => Ok(stream),
        Some(Tls { connector, name }) => Ok(Box::new(connector.connect(name, stream).await?)),
    }
}

/// The innermost cause, which is the one that tells a person something.
fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if [error, cause].iter().any(|error| error.downcast_ref().is_some_and(refused)) {
        return "connection refused".into();
    }
    cause.to_string()
}
