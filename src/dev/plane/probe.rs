//! One health check of one target.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::connect::{Speaks, connect};
use super::group::TargetProtocol;
use super::wire::Wire;
use crate::dev::network::Network;

/// How a target is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is sent.
    pub protocol: ProbeProtocol,
    /// Connection and answer together must be there within this time.
    pub timeout: Duration,
}

/// What a check sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeProtocol {
    /// A request.
    Http {
        /// Path and query.
        path: String,
        /// The statuses that pass.
        matcher: Matcher,
        /// How the request is sent.
        over: Over,
    },
    /// Nothing: that the connection is made is enough.
    Tcp,
}

/// How a check's request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// Inside TLS; whatever certificate the target has is good.
    pub tls: bool,
    /// GET with HTTP/1.1 or HTTP/2, or an empty gRPC call, whose own status counts then.
    pub version: TargetProtocol,
}

impl Over {
    /// Plain HTTP/1.1.
    pub const PLAIN: Self = Self { tls: false, version: TargetProtocol::Http1 };
}

/// HTTP (or gRPC) statuses that pass a check: `200`, `200,202` or `200-299,301`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher(Vec<RangeInclusive<u16>>);

/// A text that is no list of HTTP statuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no list of HTTP statuses such as `200`, `200,202` or `200-299`")]
pub struct InvalidMatcher(String);

/// What a check found, in the terms of ELBv2's reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeResult {
    /// It passed.
    Passed,
    /// Another status came (`Target.ResponseCodeMismatch`).
    Mismatch(StatusCode),
    /// The same of gRPC.
    GrpcMismatch(u16),
    /// Nothing came in time (`Target.Timeout`).
    TimedOut,
    /// No connection, or it was closed without an answer (`Target.FailedHealthChecks`); says how.
    Failed(String),
}

impl ProbeResult {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    /// ELBv2's reason code; `None` where it passed.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Passed => None,
            Self::Mismatch(_) | Self::GrpcMismatch(_) => Some("Target.ResponseCodeMismatch"),
            Self::TimedOut => Some("Target.Timeout"),
            Self::Failed(_) => Some("Target.FailedHealthChecks"),
        }
    }

    /// ELBv2's words; `None` where it passed.
    pub fn description(&self) -> Option<String> {
        match self {
            Self::Passed => None,
            Self::Mismatch(status) => Some(format!("Health checks failed with these codes: [{}]", status.as_u16())),
            Self::GrpcMismatch(code) => Some(format!("Health checks failed with these codes: [{code}]")),
            Self::TimedOut => Some("Request timed out".into()),
            Self::Failed(_) => Some("Health checks failed".into()),
        }
    }
}

/// Checks the target at `address` once, on a connection of its own.
pub async fn probe(network: &Network, address: SocketAddr, check: &HealthCheck) -> ProbeResult {
    match tokio::time::timeout(check.timeout, ask(network, address, check)).await {
        Err(_) => ProbeResult::TimedOut,
        Ok(Ok(result)) => result,
        Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => ProbeResult::TimedOut,
        Ok(Err(error)) => ProbeResult::Failed(error.to_string()),
    }
}

async fn ask(network: &Network, address: SocketAddr, check: &HealthCheck) -> io::Result<ProbeResult> {
    let ProbeProtocol::Http { path, matcher, over } = &check.protocol else {
        connect(network, address, Speaks::Plain, check.timeout).await?;
        return Ok(ProbeResult::Passed);
    };
    let two = over.version != TargetProtocol::Http1;
    let speaks = if over.tls { Speaks::Tls(two.then_some("h2")) } else { Speaks::Plain };
    let wire = connect(network, address, speaks, check.timeout).await?;
    let request = request(address, path, *over)?;
    if !two {
        return Ok(matcher.judge(over_1(wire, request).await?.status()));
    }
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(wire)).await.map_err(io::Error::other)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        if over.version == TargetProtocol::Http2 {
            return Ok(matcher.judge(response.status()));
        }
        let code = grpc_status(response).await?;
        Ok(if matcher.takes(code) { ProbeResult::Passed } else { ProbeResult::GrpcMismatch(code) })
    };
    alongside(connection, answer).await
}

/// What an Elastic Load Balancer asks.
fn request(address: SocketAddr, path: &str, over: Over) -> io::Result<Request<Full<Bytes>>> {
    // An Application Load Balancer names the port only where it is not the protocol's own.
    let own = if over.tls { 443 } else { 80 };
    let host = if address.port() == own { address.ip().to_string() } else { address.to_string() };
    let request = Request::builder().header(header::USER_AGENT, "ELB-HealthChecker/2.0");
    let scheme = if over.tls { "https" } else { "http" };
    let built = match over.version {
        TargetProtocol::Http1 => request
            .uri(path)
            .header(header::HOST, host)
            .header(header::CONNECTION, "close")
            .header(header::ACCEPT_ENCODING, "gzip, compressed")
            .body(Full::default()),
        TargetProtocol::Http2 => request
            .uri(format!("{scheme}://{host}{path}"))
            .header(header::ACCEPT_ENCODING, "gzip, compressed")
            .body(Full::default()),
        // One message without content: not compressed, of length 0.
        TargetProtocol::Grpc => request
            .method(Method::POST)
            .uri(format!("{scheme}://{host}{path}"))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(Full::from(Bytes::from_static(&[0; 5]))),
    };
    built.map_err(io::Error::other)
}

async fn over_1(wire: Wire, request: Request<Full<Bytes>>) -> io::Result<Response<Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(io::Error::other)?;
    alongside(connection, async { sender.send_request(request).await.map_err(io::Error::other) }).await
}

/// Drives a connection until the answer is there. Both live in this future, so the connection is closed when the check
/// is over, however it ends.
async fn alongside<T>(
    connection: impl Future<Output = hyper::Result<()>>,
    answer: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    tokio::pin!(connection);
    tokio::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        ended = &mut connection => {
            ended.map_err(io::Error::other)?;
            answer.await
        }
    }
}

/// Bytes of an answer to a health check that are read for the status behind them.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The status of a gRPC answer: in its headers where it has no message, else behind its body.
async fn grpc_status(response: Response<Incoming>) -> io::Result<u16> {
    let read = |headers: &http::HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
    if let Some(code) = read(response.headers()) {
        return Ok(code);
    }
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(io::Error::other)?;
    let none = || io::Error::other(format!("an answer with the HTTP status {status} and without a gRPC status"));
    body.trailers().and_then(read).ok_or_else(none)
}

impl Matcher {
    /// Whether `status` passes.
    pub fn matches(&self, status: StatusCode) -> bool {
        self.takes(status.as_u16())
    }

    fn takes(&self, code: u16) -> bool {
        self.0.iter().any(|range| range.contains(&code))
    }

    fn judge(&self, status: StatusCode) -> ProbeResult {
        if self.matches(status) { ProbeResult::Passed } else { ProbeResult::Mismatch(status) }
    }
}

impl FromStr for Matcher {
    type Err = InvalidMatcher;

    fn from_str(text: &str) -> Result<Self, InvalidMatcher> {
        let number = |text: &str| text.trim().parse().ok().filter(|status| *status <= 599);
        let range = |part: &str| {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            let (low, high) = (number(low)?, number(high)?);
            (low <= high).then_some(low..=high)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(range).collect();
        ranges.map(Self).ok_or_else(|| InvalidMatcher(text.to_owned()))
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}
