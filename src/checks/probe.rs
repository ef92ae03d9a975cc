//! Which color answers through the load balancer: its answers are compared with those of the instances themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use http::header::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::answer::{Answer, Ask, exchange};
use super::tls::Tls;
use super::words::excerpt;
use crate::dial::Dial;
use crate::release::{ProbeAnswer, RoutePin};

/// Requests through the load balancer per question, at least.
const BURST_MIN: usize = 20;
/// Requests per address of the load balancer, at least: each of its nodes follows a new weight in its own time.
const BURST_PER_ADDRESS: usize = 4;
/// How many requests are under way at the same time.
const PARALLEL_MAX: usize = 16;
/// How many different strange answers a message shows.
const NAMED_MAX: usize = 2;
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
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
    extra_roots: Vec<CertificateDer<'static>>,
}

impl Prober {
    /// A prober for `path` (with its query), which starts with `/`.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), extra_roots: Vec::new() }
    }

    /// The same prober, which also trusts `root`.
    #[cfg(test)]
    pub(super) fn trusting(mut self, root: CertificateDer<'static>) -> Self {
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
    pub async fn ask(&self, dial: &dyn Dial, route: &RoutePin, old: &[SocketAddr], new: &[SocketAddr]) -> ProbeAnswer {
        self.compare(dial, route, old, new).await.unwrap_or_else(|saw| ProbeAnswer::Unclear { saw })
    }

    async fn compare(
        &self,
        dial: &dyn Dial,
        route: &RoutePin,
        old: &[SocketAddr],
        new: &[SocketAddr],
    ) -> Result<ProbeAnswer, String> {
        let (old_directly, new_directly) =
            tokio::join!(self.ask_directly(dial, route, old), self.ask_directly(dial, route, new));
        if new_directly.known.is_empty() {
            let why = new_directly.failed.map_or("it has no instance".into(), |(e, saw)| format!("{e}: {saw}"));
            return Err(format!("no instance of the new color answers GET {} directly ({why})", self.path));
        }
        let tally = Tally::of(self.burst(dial, route).await?, &old_directly, &new_directly);
        let mut remark = None;
        if tally.foreign {
            // An answer that changes from request to request is the likely reason, and only a second look shows it.
            let again = self.ask_directly(dial, route, new).await;
            let changed = again.by_endpoint.iter().find(|(endpoint, now)| new_directly.changed(**endpoint, now));
            remark = changed.map(|(endpoint, _)| {
                format!("{endpoint} itself answers differently each time, so {} cannot tell versions apart", self.path)
            });
        }
        Ok(tally.verdict(remark))
    }

    async fn ask_directly(&self, dial: &dyn Dial, route: &RoutePin, endpoints: &[SocketAddr]) -> Directly {
        let requests = endpoints.iter().copied().map(|endpoint| {
            let ask = Ask::new(endpoint, &self.path).host(&host_header(route)).map(|mut ask| {
                ask.headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme(route)));
                ask.headers.insert(X_FORWARDED_PORT, HeaderValue::from(route.port));
                ask
            });
            async move { (endpoint, look(dial, ask).await) }
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

    /// Asks through the load balancer: each time on a new connection, to each of its addresses in turn.
    async fn burst(&self, dial: &dyn Dial, route: &RoutePin) -> Result<Vec<Result<Seen, String>>, String> {
        let no_address = |why: String| format!("the load balancer's name {} has no address: {why}", route.dns_name);
        let addresses =
            dial.resolve(&route.dns_name, route.port).await.map_err(|error| no_address(error.to_string()))?;
        if addresses.is_empty() {
            return Err(no_address("the answer is empty".into()));
        }
        // Where the route names no host, the certificate's name is not verified: see above.
        let tls = route.https.then(|| Tls::to(name(route), route.host.is_some(), &self.extra_roots)).transpose()?;
        let count = BURST_MIN.max(addresses.len() * BURST_PER_ADDRESS);
        let requests = addresses.iter().copied().cycle().take(count).map(|address| {
            let ask = Ask::new(address, &self.path).host(&host_header(route));
            look(dial, ask.map(|ask| Ask { tls: tls.clone(), ..ask }))
        });
        Ok(stream::iter(requests).buffered(PARALLEL_MAX).collect().await)
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

async fn look(dial: &dyn Dial, ask: Result<Ask, String>) -> Result<Seen, String> {
    let Answer { status, body } = exchange(dial, ask?, WITHIN).await?;
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
