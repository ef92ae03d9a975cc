//! Which color answers through the load balancer: its answers are compared with those of the instances themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::HOST;
use sha2::{Digest, Sha256};

use super::answer::{self, Answer, exchange};
use super::words::excerpt;
use crate::release::{ProbeAnswer, RoutePin};

/// Requests through the load balancer per question, at least.
const BURST_MIN: usize = 20;
/// Requests per address of the load balancer, at least: each of its nodes follows a new weight in its own time.
const BURST_PER_ADDRESS: usize = 4;
/// How many requests are under way at the same time.
const PARALLEL_MAX: usize = 16;
/// How many different strange answers a message shows.
const NAMED_MAX: usize = 2;
/// How long one answer may take.
const WITHIN: Duration = Duration::from_secs(5);

/// Proves who answers through a load balancer.
///
/// Every instance of both colors is asked for the probe path directly, then the load balancer is asked a burst of
/// times, on a new connection each, spread over all its addresses. An answer belongs to the color that gives the same
/// status and body directly; so the path must answer differently per version and alike for one version. The direct
/// requests carry the Host and X-Forwarded-Proto headers that the load balancer would send.
///
/// Over HTTPS the certificate is verified as a user's client would do it where the route names a host. Where it
/// does not, the only name at hand is the load balancer's own (`….elb.amazonaws.com`), which no certificate of a
/// customer carries: there the chain is verified and the name is not. That is enough, because a probe sends no secret
/// and trusts no content: the answer is only compared. A private authority is trusted through `SSL_CERT_FILE`.
#[derive(Debug, Clone)]
pub struct Prober {
    path: String,
    extra_roots: Vec<reqwest::Certificate>,
}

impl Prober {
    /// A prober for `path` (with its query), which starts with `/`.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), extra_roots: Vec::new() }
    }

    /// The same prober, which also trusts `root`.
    #[cfg(test)]
    pub(super) fn trusting(mut self, root: reqwest::Certificate) -> Self {
        self.extra_roots.push(root);
        self
    }

    /// Who answers through `route`, given the private address and target-group port of each color's instances.
    ///
    /// For a DNS switch the route is the new color's own load balancer: this then proves that it serves the new
    /// version; that resolvers send users there is proven by INSYNC and the TTL.
    ///
    /// An old color none of whose instances answers (the first release, dead instances) cannot be told apart from:
    /// then whatever the new color answers directly counts as the new color's.
    pub async fn ask(&self, route: &RoutePin, old: &[SocketAddr], new: &[SocketAddr]) -> ProbeAnswer {
        self.compare(route, old, new).await.unwrap_or_else(|saw| ProbeAnswer::Unclear { saw })
    }

    async fn compare(&self, route: &RoutePin, old: &[SocketAddr], new: &[SocketAddr]) -> Result<ProbeAnswer, String> {
        let direct = answer::plain_client()?;
        let (old_directly, new_directly) =
            tokio::join!(self.ask_directly(&direct, route, old), self.ask_directly(&direct, route, new));
        if new_directly.known.is_empty() {
            let why = new_directly.failed.map_or("it has no instance".into(), |(e, saw)| format!("{e}: {saw}"));
            return Err(format!("no instance of the new color answers GET {} directly ({why})", self.path));
        }
        let tally = Tally::of(self.burst(route).await?, &old_directly, &new_directly);
        let mut remark = None;
        if tally.foreign {
            // An answer that changes from request to request is the likely reason, and only a second look shows it.
            let again = self.ask_directly(&direct, route, new).await;
            let changed = again.by_endpoint.iter().find(|(endpoint, now)| new_directly.changed(**endpoint, now));
            remark = changed.map(|(endpoint, _)| {
                format!("{endpoint} itself answers differently each time, so {} cannot tell versions apart", self.path)
            });
        }
        Ok(tally.verdict(remark))
    }

    async fn ask_directly(&self, client: &reqwest::Client, route: &RoutePin, endpoints: &[SocketAddr]) -> Directly {
        let requests = endpoints.iter().copied().map(|endpoint| {
            let request = client
                .get(format!("http://{endpoint}{}", self.path))
                .header(HOST, host_header(route))
                .header("x-forwarded-proto", scheme(route))
                .header("x-forwarded-port", route.port);
            async move { (endpoint, look(request).await) }
        });
        let answers: Vec<_> = stream::iter(requests).buffered(PARALLEL_MAX).collect().await;
        let mut directly = Directly::default();
        for (endpoint, answer) in answers {
            match answer {
                Ok(seen) => {
                    directly.known.insert(seen.fingerprint.clone());
                    directly.by_endpoint.insert(endpoint, seen.fingerprint);
                }
                Err(saw) => directly.failed = directly.failed.or(Some((endpoint, saw))),
            }
        }
        directly
    }

    async fn burst(&self, route: &RoutePin) -> Result<Vec<Result<Seen, String>>, String> {
        let addresses: Vec<_> = tokio::net::lookup_host((route.dns_name.as_str(), route.port))
            .await
            .map_err(|error| format!("the load balancer's name {} has no address: {error}", route.dns_name))?
            .collect();
        let count = BURST_MIN.max(addresses.len() * BURST_PER_ADDRESS);
        let client = self.client_through(route, addresses).map_err(|error| format!("no HTTP client: {error}"))?;
        let url = format!("{}://{}:{}{}", scheme(route), name(route), route.port, self.path);
        let requests = (0..count).map(|_| look(client.get(&url).header(HOST, host_header(route))));
        Ok(stream::iter(requests).buffered(PARALLEL_MAX).collect().await)
    }

    /// A client whose connections all go to the load balancer, to each of its addresses in turn.
    fn client_through(&self, route: &RoutePin, addresses: Vec<SocketAddr>) -> Result<reqwest::Client, reqwest::Error> {
        let client =
            answer::settings().dns_resolver(Rotation { addresses: addresses.into(), next: AtomicUsize::new(0) });
        match (route.https, &route.host) {
            (false, _) => client.tls_certs_only([]),
            (true, Some(_)) => client.tls_certs_merge(self.extra_roots.clone()),
            (true, None) => {
                client.tls_certs_only(system_roots(&self.extra_roots)).tls_danger_accept_invalid_hostnames(true)
            }
        }
        .build()
    }
}

/// The name that a client would use: the rule's host, or else the load balancer's own.
fn name(route: &RoutePin) -> &str {
    route.host.as_deref().unwrap_or(&route.dns_name)
}

fn scheme(route: &RoutePin) -> &'static str {
    if route.https { "https" } else { "http" }
}

/// The Host header that arrives at the instances. A rule's host is sent as the rule has it, without a port.
fn host_header(route: &RoutePin) -> String {
    let usual_port = if route.https { 443 } else { 80 };
    match &route.host {
        Some(host) => host.clone(),
        None if route.port == usual_port => route.dns_name.clone(),
        None => format!("{}:{}", route.dns_name, route.port),
    }
}

/// The machine's root certificates and `extra`; one that cannot be read is left out, as rustls does.
fn system_roots(extra: &[reqwest::Certificate]) -> Vec<reqwest::Certificate> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::debug!(%error, "a root certificate was left out");
    }
    let readable = loaded.certs.iter().filter_map(|der| reqwest::Certificate::from_der(der).ok());
    readable.chain(extra.iter().cloned()).collect()
}

/// Gives one address of the load balancer per connection, each in its turn.
#[derive(Debug)]
struct Rotation {
    addresses: Arc<[SocketAddr]>,
    next: AtomicUsize,
}

impl Resolve for Rotation {
    fn resolve(&self, _: Name) -> Resolving {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let address = self.addresses.iter().cycle().nth(turn % self.addresses.len().max(1)).copied();
        Box::pin(async move { Ok(Box::new(address.into_iter()) as Addrs) })
    }
}

/// What makes two answers the same: status and body.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Fingerprint {
    status: u16,
    body_sha256: [u8; 32],
}

/// An answer, without the body that may be large.
#[derive(Debug)]
struct Seen {
    fingerprint: Fingerprint,
    in_words: String,
}

async fn look(request: reqwest::RequestBuilder) -> Result<Seen, String> {
    let Answer { status, body } = exchange(request, WITHIN).await?;
    Ok(Seen {
        in_words: format!("status {status}, {}", excerpt(&body)),
        fingerprint: Fingerprint { status, body_sha256: Sha256::digest(&body).into() },
    })
}

/// What the instances of one color answer themselves.
#[derive(Debug, Default)]
struct Directly {
    known: BTreeSet<Fingerprint>,
    by_endpoint: BTreeMap<SocketAddr, Fingerprint>,
    failed: Option<(SocketAddr, String)>,
}

impl Directly {
    fn changed(&self, endpoint: SocketAddr, now: &Fingerprint) -> bool {
        self.by_endpoint.get(&endpoint).is_some_and(|before| before != now)
    }
}

/// Whose the answers through the load balancer are.
#[derive(Debug, Default)]
struct Tally {
    of: u32,
    old: u32,
    both: u32,
    /// Answers of neither color, and failures: in words, and how often.
    neither: BTreeMap<String, u32>,
    /// Whether an answer of neither color was a complete one.
    foreign: bool,
}

impl Tally {
    fn of(answers: Vec<Result<Seen, String>>, old: &Directly, new: &Directly) -> Self {
        let mut tally = Self::default();
        for answer in answers {
            tally.of += 1;
            match answer {
                Err(saw) => *tally.neither.entry(saw).or_default() += 1,
                Ok(Seen { fingerprint, in_words }) => {
                    match (old.known.contains(&fingerprint), new.known.contains(&fingerprint)) {
                        (false, true) => {}
                        (true, false) => tally.old += 1,
                        (true, true) => tally.both += 1,
                        (false, false) => {
                            tally.foreign = true;
                            *tally.neither.entry(in_words).or_default() += 1;
                        }
                    }
                }
            }
        }
        tally
    }

    /// An answer of the old color settles it; then anything that is of neither color; then what both share.
    fn verdict(self, remark: Option<String>) -> ProbeAnswer {
        let Self { of, old, both, neither, .. } = self;
        if old > 0 {
            return ProbeAnswer::Old { count: old, of };
        }
        if !neither.is_empty() {
            let parts = neither.iter().take(NAMED_MAX).map(|(saw, count)| format!("{count} of {of} answers: {saw}"));
            return ProbeAnswer::Unclear { saw: parts.chain(remark).collect::<Vec<_>>().join("; ") };
        }
        if both > 0 { ProbeAnswer::Alike } else { ProbeAnswer::New }
    }
}
