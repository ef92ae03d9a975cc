//! The instance metadata service: what runs on an instance asks it who it is. Both versions: with a token and without.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::Timestamp;
use tokio::task::{AbortHandle, JoinSet};

use super::facts::MetadataFacts;
use crate::clock::Clock;
use crate::dev::chance::Chance;
use crate::dev::network::{Network, Socket};

const TOKEN: &str = "x-aws-ec2-metadata-token";
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// Six hours, as on AWS.
const TTL_S_MAX: u64 = 21_600;
/// Tokens that are valid at a time; the oldest goes when there are more.
const TOKENS_MAX: usize = 1000;
/// How long a client may take to send a request's head.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);

/// Gives what is known of the instance now; `None` once it is gone.
pub type MetadataSource = Arc<dyn Fn() -> Option<MetadataFacts> + Send + Sync>;

/// The metadata endpoint of one instance. It is closed when this is dropped.
#[derive(Debug)]
pub struct MetadataServer {
    address: SocketAddr,
    task: AbortHandle,
}

struct Service {
    source: MetadataSource,
    clock: Clock,
    chance: Chance,
    /// Tokens and when they expire, the oldest first.
    tokens: Mutex<Vec<(String, Timestamp)>>,
}

impl fmt::Debug for Service {
    /// Tokens are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl MetadataServer {
    /// Serves what `source` knows at `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(
        network: &Network,
        address: SocketAddr,
        source: MetadataSource,
        (clock, chance): (Clock, Chance),
    ) -> io::Result<Self> {
        let socket = network.bind(address).await?;
        let address = socket.local_addr()?;
        let service = Arc::new(Service { source, clock, chance, tokens: Mutex::default() });
        let task = tokio::spawn(serve(socket, service)).abort_handle();
        Ok(Self { address, task })
    }

    /// Ends it, whoever else still holds it.
    pub fn close(&self) {
        self.task.abort();
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for MetadataServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut socket: Socket, service: Arc<Service>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            Some(_) = connections.join_next() => continue,
            accepted = socket.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the metadata service cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let service = service.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let answer = service.answer(request.method(), request.uri().path(), request.headers());
            async move { Ok::<_, Infallible>(answer) }
        });
        connections.spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), answer).await {
                tracing::debug!(%error, "connection to the metadata service ended early");
            }
        });
    }
}

impl Service {
    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let Some(facts) = (self.source)() else { return refusal(StatusCode::NOT_FOUND) };
        if !facts.endpoint_enabled {
            return refusal(StatusCode::FORBIDDEN);
        }
        match (method, path) {
            (&Method::PUT, "/latest/api/token") => self.new_token(headers),
            (&Method::GET, _) => {
                let token = headers.get(TOKEN).map(|token| token.to_str().unwrap_or_default());
                let allowed = token.map_or(!facts.token_required, |token| self.is_valid(token));
                if allowed { read(&facts, path, self.clock.now()) } else { refusal(StatusCode::UNAUTHORIZED) }
            }
            _ => refusal(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn new_token(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        // Whoever sends that header is a proxy that was tricked into asking.
        if headers.contains_key("x-forwarded-for") {
            return refusal(StatusCode::FORBIDDEN);
        }
        let seconds = headers.get(TTL).and_then(|ttl| ttl.to_str().ok()?.parse::<u64>().ok());
        let Some(seconds) = seconds.filter(|seconds| (1..=TTL_S_MAX).contains(seconds)) else {
            return refusal(StatusCode::BAD_REQUEST);
        };
        let now = self.clock.now();
        let token =
            format!("AQAE{:016x}{:016x}{:016x}==", self.chance.number(), self.chance.number(), self.chance.number());
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|(_, expiry)| *expiry > now);
        if tokens.len() >= TOKENS_MAX {
            tokens.remove(0);
        }
        tokens.push((token.clone(), now + Duration::from_secs(seconds)));
        let mut response = text(token);
        response.headers_mut().insert(TTL, seconds.into());
        response
    }

    fn is_valid(&self, token: &str) -> bool {
        let now = self.clock.now();
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.iter().any(|(known, expiry)| known == token && *expiry > now)
    }
}

/// A value, or the names under a path.
fn read(facts: &MetadataFacts, path: &str, now: Timestamp) -> Response<Full<Bytes>> {
    let mut parts = path.trim_matches('/').splitn(2, '/');
    // Versions of the tree: dates, all with the same content here.
    let version = parts.next().unwrap_or_default();
    let rest = parts.next().unwrap_or_default();
    let dated = version.len() == 10 && version.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    match version {
        "" => return text("1.0\n2021-07-15\nlatest".to_owned()),
        "latest" | "1.0" => {}
        _ if dated => {}
        _ => return refusal(StatusCode::NOT_FOUND),
    }
    if rest == "user-data" {
        return match &facts.user_data {
            Some(bytes) => Response::new(Full::new(Bytes::from(bytes.clone()))),
            None => refusal(StatusCode::NOT_FOUND),
        };
    }
    let tree = facts.tree(now);
    let wanted = decoded(rest);
    if let Some(value) = tree.get(wanted.as_str()) {
        return text(value.clone());
    }
    let names = listing(&tree, &wanted);
    if names.is_empty() { refusal(StatusCode::NOT_FOUND) } else { text(names.join("\n")) }
}

/// Keys of tags may hold characters that a path cannot.
fn decoded(path: &str) -> String {
    // As in a form, except that a plus is a plus; `&` and `=` must not divide it.
    let form = path.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(form.as_bytes()).next().map_or_else(String::new, |(key, _)| key.into_owned())
}

/// The names directly under `path`, those with more under them with a slash.
fn listing(tree: &BTreeMap<String, String>, path: &str) -> Vec<String> {
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut names: Vec<String> = Vec::new();
    for rest in tree.keys().filter_map(|key| key.strip_prefix(&prefix)) {
        let name = rest.split_once('/').map_or_else(|| rest.to_owned(), |(first, _)| format!("{first}/"));
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    names
}

fn text(text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(http::header::SERVER, http::HeaderValue::from_static("EC2ws"));
    response
}

fn refusal(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = text(status.canonical_reason().unwrap_or_default().to_owned());
    *response.status_mut() = status;
    response
}
