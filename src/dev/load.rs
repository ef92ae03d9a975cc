//! A load generator that counts what it sent and what failed, and keeps what the first failures were.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::dial::{Dial, ThisMachine};

/// So many failures are kept word by word.
const ERRORS_KEPT: usize = 10;
/// So many versions are counted; an answer's header must not fill the memory.
const VERSIONS_MAX: usize = 64;
/// What the histogram can hold; a longer latency counts as this.
const LATENCY_US_MAX: u64 = 120_000_000;

/// How load is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadOptions {
    /// Kept-alive connections; each has one request in flight at a time.
    pub connections: usize,
    /// Requests per second over all connections, evenly spaced; `None` sends as fast as answers come.
    pub rate: Option<u32>,
    /// A request whose answer is not complete after this time has failed.
    pub timeout: Duration,
}

impl Default for LoadOptions {
    /// 32 connections, 2,500 requests per second, 10 s.
    fn default() -> Self {
        Self { connections: 32, rate: Some(2_500), timeout: Duration::from_secs(10) }
    }
}

/// A running load generator. Dropping it ends it at once, with requests in flight.
#[derive(Debug)]
pub struct Load {
    counts: Arc<Mutex<Counts>>,
    started: Instant,
    stop: CancellationToken,
    workers: JoinSet<()>,
}

/// What has been counted so far, or until the end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadSummary {
    /// Requests that are over, well or not. Nothing is ever sent twice.
    pub sent: u64,
    /// Those that did not get a complete 2xx answer in time.
    pub failed: u64,
    /// Complete 2xx answers by their `x-version` header; `?` counts answers without it.
    pub by_version: BTreeMap<String, u64>,
    /// The first failures, word by word, with the time since the start.
    pub errors: Vec<String>,
    /// Since the start.
    pub elapsed: Duration,
    /// Half of the requests were answered within this time.
    pub latency_p50: Duration,
    /// 99 of 100 requests were answered within this time.
    pub latency_p99: Duration,
    /// The slowest answer.
    pub latency_max: Duration,
}

#[derive(Debug)]
struct Counts {
    sent: u64,
    failed: u64,
    by_version: BTreeMap<String, u64>,
    errors: Vec<String>,
    latency_us: Histogram<u64>,
}

/// Why a request failed.
#[derive(Debug)]
enum Failure {
    Connect(io::Error),
    Http(hyper::Error),
    Status(StatusCode),
    TimedOut(Duration),
}

impl Load {
    /// Starts sending GET requests for `url`, for example `http://127.0.0.1:8080/`.
    ///
    /// # Errors
    /// `url` is not an `http` URL, or its host has no address. That nobody listens there is no error but counts as
    /// failed requests.
    pub async fn start(url: &str, options: LoadOptions) -> io::Result<Self> {
        Self::start_over(Arc::new(ThisMachine), url, options).await
    }

    /// [`Load::start`] with connections that `dial` opens, for example those of a dev cloud in-process.
    ///
    /// # Errors
    /// As [`Load::start`].
    pub async fn start_over(dial: Arc<dyn Dial>, url: &str, options: LoadOptions) -> io::Result<Self> {
        let job = Arc::new(Job::new(dial, url, options.timeout).await?);
        let counts = Arc::new(Mutex::new(Counts::new()?));
        let (started, stop) = (Instant::now(), CancellationToken::new());
        let mut workers = JoinSet::new();
        let connections = options.connections.max(1);
        for index in 0..connections {
            let pace = options.rate.map(|rate| Pace::new(started, rate, connections, index));
            let worker = Worker { job: job.clone(), counts: counts.clone(), started, pace, connection: None };
            workers.spawn(worker.run(stop.clone()));
        }
        Ok(Self { counts, started, stop, workers })
    }

    /// The counts so far; cheap enough to be called many times per second.
    pub fn snapshot(&self) -> LoadSummary {
        lock(&self.counts).summary(self.started.elapsed())
    }

    /// Stops sending, waits for the answers in flight, and returns the counts.
    pub async fn stop(mut self) -> LoadSummary {
        self.stop.cancel();
        while let Some(worker) = self.workers.join_next().await {
            if let Err(error) = worker {
                lock(&self.counts)
                    .fail(self.started.elapsed(), &format!("a load generator's task ended early: {error}"));
            }
        }
        self.snapshot()
    }
}

impl LoadSummary {
    /// Requests per second over the whole time.
    pub fn requests_per_second(&self) -> f64 {
        // 2^52 requests fit without loss.
        self.sent as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }
}

/// What every request is made of.
#[derive(Debug)]
struct Job {
    dial: Arc<dyn Dial>,
    address: SocketAddr,
    host: String,
    path: Uri,
    timeout: Duration,
}

impl Job {
    async fn new(dial: Arc<dyn Dial>, url: &str, timeout: Duration) -> io::Result<Self> {
        let wrong =
            |why: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("cannot send load to `{url}`: {why}"));
        let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
        let (Some("http"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("expected http://HOST[:PORT][/PATH]"));
        };
        let port = authority.port_u16().unwrap_or(80);
        // `[::1]` is written with brackets in a URL and without them in an address.
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        let addresses = dial.resolve(name, port).await.map_err(|error| wrong(&error.to_string()))?;
        let address = *addresses.first().ok_or_else(|| wrong("its host has no address"))?;
        let path =
            uri.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(|_| wrong("its path is none"))?;
        Ok(Self { dial, address, host: authority.to_string(), path, timeout })
    }

    fn request(&self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.clone();
        if let Ok(host) = self.host.parse() {
            request.headers_mut().insert(header::HOST, host);
        }
        request
    }
}

/// When a worker sends: on a fixed schedule, so that a slow answer is caught up with instead of lowering the rate.
#[derive(Debug, Clone, Copy)]
struct Pace {
    next: Instant,
    every: Duration,
}

impl Pace {
    fn new(started: Instant, rate: u32, connections: usize, index: usize) -> Self {
        let rate = f64::from(rate.max(1));
        let every = Duration::from_secs_f64(connections as f64 / rate);
        Self { next: started + Duration::from_secs_f64(index as f64 / rate), every }
    }
}

#[derive(Debug)]
struct Worker {
    job: Arc<Job>,
    counts: Arc<Mutex<Counts>>,
    started: Instant,
    pace: Option<Pace>,
    connection: Option<SendRequest<Empty<Bytes>>>,
}

impl Worker {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            if let Some(pace) = &mut self.pace {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(pace.next) => (),
                }
                pace.next += pace.every;
            }
            if stop.is_cancelled() {
                return;
            }
            let sent = Instant::now();
            let answer = tokio::time::timeout(self.job.timeout, self.get()).await;
            let answer = answer.unwrap_or(Err(Failure::TimedOut(self.job.timeout)));
            match answer {
                Ok(version) => lock(&self.counts).succeed(sent.elapsed(), version),
                Err(failure) => lock(&self.counts).fail(self.started.elapsed(), &failure.to_string()),
            }
            self.breathe_after(sent).await;
        }
    }

    /// An unpaced worker whose requests fail at once must not keep a processor busy with that.
    async fn breathe_after(&self, sent: Instant) {
        if self.connection.is_none() && self.pace.is_none() && sent.elapsed() < Duration::from_millis(10) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// One request; its answer's version.
    async fn get(&mut self) -> Result<Option<String>, Failure> {
        // Taken out: where the request fails or is given up, the connection goes with it.
        let mut connection = match self.connection.take() {
            Some(mut connection) => match connection.ready().await {
                Ok(()) => connection,
                // Closed in good order after the last answer: nothing was sent on it, so nothing is lost or sent twice.
                Err(_) => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let response = connection.send_request(self.job.request()).await.map_err(Failure::Http)?;
        let (head, mut body) = response.into_parts();
        while let Some(frame) = body.frame().await {
            frame.map_err(Failure::Http)?;
        }
        self.connection = Some(connection);
        if !head.status.is_success() {
            return Err(Failure::Status(head.status));
        }
        Ok(head.headers.get("x-version").and_then(|version| version.to_str().ok()).map(str::to_owned))
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, Failure> {
        let stream = self.job.dial.connect(self.job.address).await.map_err(Failure::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::Http)?;
        // Its error is told to the request that it hits.
        tokio::spawn(connection);
        sender.ready().await.map_err(Failure::Http)?;
        Ok(sender)
    }
}

impl Counts {
    fn new() -> io::Result<Self> {
        Ok(Self {
            sent: 0,
            failed: 0,
            by_version: BTreeMap::new(),
            errors: Vec::new(),
            latency_us: Histogram::new_with_max(LATENCY_US_MAX, 2).map_err(io::Error::other)?,
        })
    }

    fn succeed(&mut self, latency: Duration, version: Option<String>) {
        self.sent += 1;
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_us.saturating_record(latency_us);
        let mut version = version.unwrap_or_else(|| "?".into());
        if self.by_version.len() >= VERSIONS_MAX && !self.by_version.contains_key(&version) {
            version = "(others)".into();
        }
        *self.by_version.entry(version).or_default() += 1;
    }

    fn fail(&mut self, at: Duration, why: &str) {
        self.sent += 1;
        self.failed += 1;
        if self.errors.len() < ERRORS_KEPT {
            self.errors.push(format!("after {:.3} s: {why}", at.as_secs_f64()));
        }
    }

    fn summary(&self, elapsed: Duration) -> LoadSummary {
        LoadSummary {
            sent: self.sent,
            failed: self.failed,
            by_version: self.by_version.clone(),
            errors: self.errors.clone(),
            elapsed,
            latency_p50: Duration::from_micros(self.latency_us.value_at_quantile(0.5)),
            latency_p99: Duration::from_micros(self.latency_us.value_at_quantile(0.99)),
            latency_max: Duration::from_micros(self.latency_us.max()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "cannot connect: {error}"),
            Self::Http(error) => match std::error::Error::source(error) {
                Some(cause) => write!(f, "{error}: {cause}"),
                None => write!(f, "{error}"),
            },
            Self::Status(status) => write!(f, "answered {status}"),
            Self::TimedOut(after) => write!(f, "no complete answer within {after:?}"),
        }
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that gives these answers in turn, from the start again when it has given the last, and closes after
    /// each that says so.
    async fn server(answers: &'static [&'static str]) -> String {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path", socket.local_addr().unwrap());
        tokio::spawn(async move {
            let mut answers = answers.iter().cycle();
            'accept: while let Ok((mut stream, _)) = socket.accept().await {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    assert!(request.starts_with(b"GET /path HTTP/1.1\r\n"));
                    let answer = answers.next().unwrap();
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if answer.contains("close") {
                        continue 'accept;
                    }
                }
            }
        });
        url
    }

    async fn counted(url: &str, requests: u64) -> LoadSummary {
        let options = LoadOptions { connections: 1, rate: None, timeout: Duration::from_millis(200) };
        let load = Load::start(url, options).await.unwrap();
        while load.snapshot().sent < requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        load.stop().await
    }

    #[tokio::test]
    async fn good_answers_are_counted_by_version() {
        let url = server(&[
            "HTTP/1.1 200 OK\r\nx-version: v1\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 204 No Content\r\nx-version: v2\r\n\r\n",
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nno version, and a connection that ends in good order",
        ]);
        let summary = counted(&url.await, 300).await;
        assert_eq!((summary.failed, summary.errors.clone()), (0, vec![]));
        assert_eq!(summary.by_version.values().sum::<u64>(), summary.sent);
        assert_eq!(summary.by_version.keys().collect::<Vec<_>>(), ["?", "v1", "v2"]);
        assert!(summary.by_version.values().all(|count| count.abs_diff(summary.sent / 3) <= 1), "{summary:?}");
        assert!(summary.latency_p50 <= summary.latency_p99 && summary.latency_p99 <= summary.latency_max);
    }

    #[tokio::test]
    async fn everything_but_a_whole_2xx_answer_has_failed_and_is_told_word_by_word() {
        let cases: [(&'static [&'static str], &str); 4] = [
            (&["HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"], "answered 503 Service Unavailable"),
            (&["HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n"], "answered 302 Found"),
            (&["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\nshort"], "end of file"),
            (&["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhangs"], "no complete answer within 200ms"),
        ];
        for (answers, expected) in cases {
            let summary = counted(&server(answers).await, 3).await;
            assert_eq!((summary.failed, summary.by_version.len()), (summary.sent, 0), "{expected}");
            let error = &summary.errors[0];
            assert!(error.starts_with("after 0.") && error.contains(expected), "expected {expected:?} in: {error}");
        }
    }

    #[tokio::test]
    async fn a_listener_that_is_not_there_fails_requests_and_only_the_first_failures_are_kept() {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let summary = counted(&format!("http://{address}"), 20).await;
        assert_eq!((summary.failed, summary.errors.len()), (summary.sent, ERRORS_KEPT));
        assert!(summary.errors[0].contains("cannot connect: Connection refused"), "{:?}", summary.errors);
    }

    #[tokio::test]
    async fn a_text_that_is_no_http_url_is_refused() {
        for url in ["", "shop", "https://shop", "http://", "/path"] {
            let error = Load::start(url, LoadOptions::default()).await.unwrap_err().to_string();
            assert!(error.starts_with(&format!("cannot send load to `{url}`: ")), "{error}");
        }
    }

    #[test]
    fn requests_of_all_connections_are_spread_evenly() {
        let start = Instant::now();
        let mut times: Vec<Instant> = Vec::new();
        for index in 0..4 {
            let mut pace = Pace::new(start, 1_000, 4, index);
            for _ in 0..3 {
                times.push(pace.next);
                pace.next += pace.every;
            }
        }
        times.sort();
        let after: Vec<u128> = times.iter().map(|time| (*time - start).as_millis()).collect();
        assert_eq!(after, (0..12).collect::<Vec<_>>());
    }
}
