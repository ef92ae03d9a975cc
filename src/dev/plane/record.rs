//! One request as it is counted and logged when it is over.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, StatusCode, Version, header};
use jiff::Timestamp;
use tokio::time::Instant;

use super::body::Progress;
use super::link::Link;
use super::log::AccessLog;
use super::rule;

/// Counts and logs a request when it is dropped, after the last byte of its answer.
#[derive(Debug)]
pub(super) struct Ending {
    link: Arc<Link>,
    upload: Option<Arc<Progress>>,
    received: u64,
    sent: u64,
    pub(super) record: Option<Box<Record>>,
}

/// A line of the access log in the making.
#[derive(Debug)]
pub(super) struct Record {
    log: Arc<AccessLog>,
    created: Timestamp,
    started: Instant,
    pub(super) kind: &'static str,
    request: String,
    user_agent: String,
    pub(super) dispatched: Option<Instant>,
    pub(super) answered: Option<Instant>,
    pub(super) target: Option<SocketAddr>,
    pub(super) target_status: Option<StatusCode>,
    pub(super) status: u16,
    pub(super) group: Option<String>,
    pub(super) trace: String,
    pub(super) priority: Option<u32>,
    pub(super) action: &'static str,
    pub(super) redirect: Option<String>,
    pub(super) transformed: [Option<String>; 2],
    pub(super) transform_status: &'static str,
}

impl Ending {
    pub(super) fn new(link: Arc<Link>, head: &Parts) -> Self {
        let record = link.front.balancer.log().map(|log| Box::new(Record::new(log, &link, head)));
        let line = head.method.as_str().len() + head.uri.path_and_query().map_or(1, |path| path.as_str().len());
        Self { link, upload: None, received: head_bytes(&head.headers, line + 12), sent: 0, record }
    }

    pub(super) fn uploads(&mut self, progress: Option<Arc<Progress>>) {
        self.upload = progress;
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    pub(super) fn received(&mut self, bytes: u64) {
        self.received += bytes;
    }

    /// The head of the answer, which goes out now.
    pub(super) fn answers(&mut self, status: StatusCode, headers: &HeaderMap) {
        let reason = status.canonical_reason().unwrap_or_default().len();
        self.sent += head_bytes(headers, 13 + reason);
        if let Some(record) = &mut self.record {
            record.status = status.as_u16();
        }
    }
}

/// A head as HTTP/1.1 would write it.
fn head_bytes(headers: &HeaderMap, line: usize) -> u64 {
    let fields: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    (line + 2 + fields + 2) as u64
}

impl Drop for Ending {
    fn drop(&mut self) {
        let received = self.received + self.upload.as_ref().map_or(0, |progress| progress.bytes());
        self.link.front.balancer.counters.processed_bytes.add(received + self.sent);
        if let Some(record) = self.record.take() {
            let line = record.line(&self.link, received, self.sent);
            record.log.write(line);
        }
    }
}

impl Record {
    fn new(log: Arc<AccessLog>, link: &Link, head: &Parts) -> Self {
        let front = &link.front;
        let grpc = super::headers::is_grpc(&head.headers);
        let kind = match (link.tls.is_some(), head.version) {
            (true, Version::HTTP_2) if grpc => "grpcs",
            (_, Version::HTTP_2) => "h2",
            (true, _) => "https",
            (false, _) => "http",
        };
        let authority = rule::authority(head).unwrap_or("-");
        let (host, port) = rule::split_port(authority);
        let port = port.map_or_else(|| front.port.to_string(), str::to_owned);
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let version =
            if head.version == Version::HTTP_2 { "HTTP/2.0".to_owned() } else { format!("{:?}", head.version) };
        let user_agent =
            head.headers.get(header::USER_AGENT).map_or("-".into(), |value| String::from_utf8_lossy(value.as_bytes()));
        Self {
            log,
            created: front.balancer.clock.now(),
            started: Instant::now(),
            kind,
            request: format!("{} {}://{host}:{port}{path} {version}", head.method, link.scheme()),
            user_agent: user_agent.into_owned(),
            dispatched: None,
            answered: None,
            target: None,
            target_status: None,
            // What is logged where the client goes away before it gets an answer.
            status: 460,
            group: None,
            trace: "-".to_owned(),
            priority: None,
            action: "-",
            redirect: None,
            transformed: [None, None],
            transform_status: "-",
        }
    }

    /// The line, in the order of AWS's fields.
    fn line(&self, link: &Link, received: u64, sent: u64) -> String {
        let clock = &link.front.balancer.clock;
        let seconds = |from: Option<Instant>, to: Option<Instant>| match (from, to) {
            (Some(from), Some(to)) => format!("{:.3}", to.saturating_duration_since(from).as_secs_f64()),
            _ => "-1".to_owned(),
        };
        let target = self.target.map_or_else(|| "-".to_owned(), |target| target.to_string());
        let target_status = self.target_status.map_or_else(|| "-".to_owned(), |status| status.as_u16().to_string());
        let tls = link.tls.as_ref();
        let mut line = String::with_capacity(512);
        let written = write!(
            line,
            "{} {} {} {} {target} {} {} {} {} {target_status} {received} {sent} {} {} {} {} {} {} {} {} {} {} {} {} \"-\" \
             {} {} \"-\" \"-\" TID_{:032x} {} {} {}",
            self.kind,
            stamp(clock.now()),
            link.front.balancer.name(),
            link.client,
            seconds(Some(self.started), self.dispatched),
            seconds(self.dispatched, self.answered),
            seconds(self.answered, self.answered.map(|_| Instant::now())),
            self.status,
            quoted(&self.request),
            quoted(&self.user_agent),
            tls.map_or("-", |tls| &tls.suite),
            tls.map_or("-", |tls| tls.version),
            self.group.as_deref().unwrap_or("-"),
            quoted(&self.trace),
            quoted(tls.and_then(|tls| tls.name.as_deref()).unwrap_or("-")),
            quoted(tls.map_or("-", |tls| &tls.certificate)),
            self.priority.map_or_else(|| "-1".to_owned(), |priority| priority.to_string()),
            stamp(self.created),
            quoted(self.action),
            quoted(self.redirect.as_deref().unwrap_or("-")),
            quoted(&target),
            quoted(&target_status),
            link.trace,
            quoted(self.transformed[0].as_deref().unwrap_or("-")),
            quoted(self.transformed[1].as_deref().unwrap_or("-")),
            quoted(self.transform_status),
        );
        debug_assert!(written.is_ok(), "a string takes everything");
        line.push('\n');
        line
    }
}

/// `2026-11-21T05:44:00.123000Z`.
fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// In quotation marks; those within, and control characters, are written as `\xHH`, so that a line stays one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if c.is_control() || matches!(c, '"' | '\\') {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                quoted.push_str(&format!("\\x{byte:02x}"));
            }
        } else {
            quoted.push(c);
        }
    }
    quoted.push('"');
    quoted
}
