//! One health check of one target.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

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
    /// A GET request.
    Http {
        /// Path and query.
        path: String,
        /// The statuses that pass.
        matcher: Matcher,
    },
    /// Nothing: that the connection is made is enough.
    Tcp,
}

/// HTTP statuses that pass a check: `200`, `200,202` or `200-299,301`.
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
            Self::Mismatch(_) => Some("Target.ResponseCodeMismatch"),
            Self::TimedOut => Some("Target.Timeout"),
            Self::Failed(_) => Some("Target.FailedHealthChecks"),
        }
    }

    /// ELBv2's words; `None` where it passed.
    pub fn description(&self) -> Option<String> {
        match self {
            Self::Passed => None,
            Self::Mismatch(status) => Some(format!("Health checks failed with these codes: [{}]", status.as_u16())),
            Self::TimedOut => Some("Request timed out".into()),
            Self::Failed(_) => Some("Health checks failed".into()),
        }
    }
}

/// Checks the target at `address` once, on a connection of its own.
pub async fn probe(network: &Network, address: SocketAddr, check: &HealthCheck) -> ProbeResult {
    match tokio::time::timeout(check.timeout, ask(network, address, &check.protocol)).await {
        Err(_) => ProbeResult::TimedOut,
        Ok(Ok(result)) => result,
        Ok(Err(error)) => ProbeResult::Failed(error.to_string()),
    }
}

async fn ask(network: &Network, address: SocketAddr, protocol: &ProbeProtocol) -> io::Result<ProbeResult> {
    let stream = network.connect(address).await?;
    let (path, matcher) = match protocol {
        ProbeProtocol::Tcp => return Ok(ProbeResult::Passed),
        ProbeProtocol::Http { path, matcher } => (path, matcher),
    };
    // An Application Load Balancer names the port only where it is not the protocol's own.
    let host = if address.port() == 80 { address.ip().to_string() } else { address.to_string() };
    let request = Request::get(path)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .header(header::USER_AGENT, "ELB-HealthChecker/2.0")
        .header(header::ACCEPT_ENCODING, "gzip, compressed")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let answer = async { sender.send_request(request).await.map_err(io::Error::other) };
    tokio::pin!(connection);
    tokio::pin!(answer);
    // Both live in this future, so the connection is closed when the check is over, however it ends.
    let response = tokio::select! {
        response = &mut answer => response?,
        ended = &mut connection => {
            ended.map_err(io::Error::other)?;
            answer.await?
        }
    };
    let status = response.status();
    Ok(if matcher.matches(status) { ProbeResult::Passed } else { ProbeResult::Mismatch(status) })
}

impl Matcher {
    /// Whether `status` passes.
    pub fn matches(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }
}

impl FromStr for Matcher {
    type Err = InvalidMatcher;

    fn from_str(text: &str) -> Result<Self, InvalidMatcher> {
        let number = |text: &str| text.trim().parse().ok().filter(|status| (100..=599).contains(status));
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
