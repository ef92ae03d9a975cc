//! A request on its way to a target: what is changed about it, and the connection that it goes over.

use std::io;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};

use super::balancer::{Settings, Timeouts};
use super::body::{Progress, Upload};
use super::connect::{Speaks, connect};
use super::group::{Group, GroupSettings, TargetProtocol};
use super::link::Link;
use super::pool::{Line, Unanswered};
use super::target::{Claim, Target};
use super::transform::Transformed;
use super::{headers, rule};

/// Turns the client's request into the target's. The answer is the value of `X-Amzn-Trace-Id`.
pub(super) fn prepare(
    parts: &mut Parts,
    link: &Link,
    settings: &Settings,
    group: &GroupSettings,
    transformed: &Transformed,
    upgrades: bool,
) -> HeaderValue {
    let multiplexed = group.version != TargetProtocol::Http1;
    let upgrade = if upgrades { parts.headers.remove(header::UPGRADE) } else { None };
    let trailers = multiplexed && parts.headers.get(header::TE).is_some_and(|te| te == "trailers");
    headers::strip_hop_by_hop(&mut parts.headers);
    if let Some(protocol) = upgrade {
        parts.headers.insert(header::UPGRADE, protocol);
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if trailers {
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if settings.drop_invalid_headers {
        headers::drop_invalid(&mut parts.headers);
    }
    // Our server has answered "100 Continue" itself by the time the body is read.
    parts.headers.remove(header::EXPECT);
    let trace = headers::add_forwarded(&mut parts.headers, link, settings);
    let asked = transformed.host.as_deref().or_else(|| rule::authority(parts)).unwrap_or_default();
    let named = headers::host(asked, link, settings);
    if named.is_some() || transformed.host.is_some() || parts.uri.authority().is_some() {
        let host = named.or_else(|| HeaderValue::from_str(asked).ok());
        if let Some(host) = host {
            parts.headers.insert(header::HOST, host);
        }
    }
    let path = transformed.path.clone();
    if multiplexed {
        let host = parts.headers.remove(header::HOST);
        let authority =
            host.and_then(|host| Authority::from_maybe_shared(bytes::Bytes::copy_from_slice(host.as_bytes())).ok());
        let mut uri = std::mem::take(&mut parts.uri).into_parts();
        uri.scheme = Some(if group.tls { Scheme::HTTPS } else { Scheme::HTTP });
        uri.authority = Some(authority.unwrap_or(Authority::from_static("localhost")));
        uri.path_and_query = Some(path.or(uri.path_and_query).unwrap_or(PathAndQuery::from_static("/")));
        parts.uri = Uri::from_parts(uri).unwrap_or_default();
        parts.version = Version::HTTP_2;
    } else {
        if path.is_some() || parts.uri.authority().is_some() {
            let path = path.or_else(|| parts.uri.path_and_query().cloned());
            parts.uri = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));
        }
        parts.version = Version::HTTP_11;
    }
    trace
}

/// The target's request. A length that the body does not bear out is not passed on.
pub(super) fn request(mut parts: Parts, upload: Upload) -> Request<Upload> {
    if upload.size_hint().exact().is_none() {
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    Request::from_parts(parts, upload)
}

/// The way from a claimed target back to the client.
pub(super) struct Passage<'a> {
    pub(super) link: &'a Link,
    pub(super) group: &'a Group,
    pub(super) settings: &'a GroupSettings,
    pub(super) timeouts: Timeouts,
}

/// The status of the page that the client gets instead of an answer.
#[derive(Debug)]
pub(super) struct Failed(pub(super) StatusCode);

type Answered = (Response<Incoming>, Option<Box<Line>>);

impl Passage<'_> {
    /// Sends the request to the claimed target and waits for the head of its answer. With HTTP/1.1, the connection on
    /// which the body follows comes along.
    pub(super) async fn send(
        &self,
        request: Request<Upload>,
        claim: &Claim,
        progress: Option<&Progress>,
    ) -> Result<Answered, Failed> {
        let (group, target) = (self.group.id(), claim.target().address());
        let quiet = async {
            match progress {
                Some(progress) => progress.quiet_for(self.timeouts.idle).await,
                None => tokio::time::sleep(self.timeouts.idle).await,
            }
        };
        tokio::select! {
            biased;
            answer = self.attempt(request, claim.target()) => answer,
            () = claim.cut().cancelled() => {
                tracing::debug!(group, %target, "request cut: the deregistration delay ran out");
                Err(Failed(StatusCode::BAD_GATEWAY))
            }
            () = quiet => {
                tracing::debug!(group, %target, "no answer within the idle timeout");
                Err(Failed(StatusCode::GATEWAY_TIMEOUT))
            }
        }
    }

    async fn attempt(&self, mut request: Request<Upload>, target: &Target) -> Result<Answered, Failed> {
        if self.settings.version != TargetProtocol::Http1 {
            return self.multiplex(request, target).await;
        }
        loop {
            let (mut line, fresh) = match target.pool.take(self.timeouts.idle) {
                Some(line) => (line, false),
                None => (self.connect(target).await?, true),
            };
            request = match line.send(request).await {
                Ok(answer) => return Ok((answer, Some(line))),
                // The target closed it while it waited; another one will do.
                Err(Unanswered::Unsent(request)) if !fresh => *request,
                Err(Unanswered::Unsent(_)) => return Err(self.broken(target, &"closed at once")),
                Err(Unanswered::Failed(error)) => return Err(self.broken(target, &error)),
            };
        }
    }

    async fn multiplex(&self, request: Request<Upload>, target: &Target) -> Result<Answered, Failed> {
        let speaks = if self.settings.tls { Speaks::Tls(Some("h2")) } else { Speaks::Plain };
        let connecting = connect(&self.link.front.balancer.network, target.address(), speaks, self.timeouts.connect);
        let (mut sender, fresh) =
            target.pool.multiplexed(connecting).await.map_err(|error| self.unconnected(target, &error))?;
        if fresh {
            self.count_connection();
        }
        if let Err(error) = sender.ready().await {
            return Err(self.broken(target, &error));
        }
        match sender.send_request(request).await {
            Ok(answer) => Ok((answer, None)),
            Err(error) => Err(self.broken(target, &error)),
        }
    }

    async fn connect(&self, target: &Target) -> Result<Box<Line>, Failed> {
        let speaks = if self.settings.tls { Speaks::Tls(None) } else { Speaks::Plain };
        let network = &self.link.front.balancer.network;
        let wire = connect(network, target.address(), speaks, self.timeouts.connect).await;
        let wire = wire.map_err(|error| self.unconnected(target, &error))?;
        self.count_connection();
        Line::new(wire).await.map_err(|error| self.broken(target, &error))
    }

    fn count_connection(&self) {
        self.group.counters.new_connections.one();
    }

    fn unconnected(&self, target: &Target, error: &io::Error) -> Failed {
        let late = error.kind() == io::ErrorKind::TimedOut;
        let status = if late { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
        self.group.counters.connection_errors.one();
        tracing::debug!(group = self.group.id(), target = %target.address(), %error, "no connection");
        Failed(status)
    }

    fn broken(&self, target: &Target, error: &dyn std::fmt::Display) -> Failed {
        tracing::debug!(group = self.group.id(), target = %target.address(), %error, "no answer");
        Failed(StatusCode::BAD_GATEWAY)
    }
}
