//! What happens to one request: find its action, claim a target, forward, relay the answer.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::header::{self, HeaderValue};
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::Either;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::balancer::Balancer;
use super::body::{Activity, AnswerBody, Relayed, Upload};
use super::group::Group;
use super::listener::Timeouts;
use super::rule::{self, Action, Routes};
use super::target::Claim;
use super::{headers, pages};
use crate::dev::network::Connector;

/// One listener's way of answering, shared by all its connections.
pub(super) struct Proxy {
    balancer: Arc<Balancer>,
    routes: ArcSwap<Routes>,
    client: Client<Connector, Upload>,
    timeouts: Timeouts,
    port: u16,
    port_header: HeaderValue,
}

impl Proxy {
    pub(super) fn new(balancer: Arc<Balancer>, routes: Routes, timeouts: Timeouts, port: u16) -> Self {
        let connector = Connector::new(balancer.network.clone(), timeouts.connect);
        // Retries of hyper-util's client stay on: it only repeats a request of which not a byte was written, because
        // the pooled connection was found closed.
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(timeouts.pool_idle)
            .build(connector);
        Self {
            balancer,
            routes: ArcSwap::from_pointee(routes),
            client,
            timeouts,
            port,
            port_header: HeaderValue::from(port),
        }
    }

    pub(super) fn set_routes(&self, routes: Routes) {
        self.routes.store(Arc::new(routes));
    }

    /// Answers one request; weights and rules are looked up anew for each, also on a kept-alive connection.
    pub(super) async fn answer(&self, request: Request<Incoming>, client: IpAddr) -> Response<AnswerBody> {
        let (parts, body) = request.into_parts();
        match parts.method {
            Method::TRACE => return pages::error(StatusCode::METHOD_NOT_ALLOWED),
            Method::CONNECT => return pages::error(StatusCode::BAD_REQUEST),
            _ => {}
        }
        let group = {
            // Not kept over an await: a rule that was replaced must be free to go.
            let routes = self.routes.load();
            match routes.action(&parts, client) {
                Action::Redirect(redirect) => return pages::redirect(redirect, &parts, self.port),
                Action::FixedResponse(fixed) => return pages::fixed(fixed),
                Action::Forward(groups) => match rule::choose(groups, &self.balancer.dice) {
                    Some(group) => group.clone(),
                    None => return pages::error(StatusCode::SERVICE_UNAVAILABLE),
                },
            }
        };
        let Some(claim) = group.claim() else {
            group.count_made_up();
            return pages::error(StatusCode::SERVICE_UNAVAILABLE);
        };
        match self.forward(Request::from_parts(parts, body), client, claim, &group).await {
            Ok(response) => response,
            Err(status) => {
                group.count_made_up();
                pages::error(status)
            }
        }
    }

    /// Sends the request to the claimed target. An error is the status of the page that the client gets instead.
    async fn forward(
        &self,
        request: Request<Incoming>,
        client: IpAddr,
        claim: Claim,
        group: &Group,
    ) -> Result<Response<AnswerBody>, StatusCode> {
        let (mut parts, body) = request.into_parts();
        headers::strip_hop_by_hop(&mut parts.headers);
        headers::add_forwarded(&mut parts.headers, client, &self.port_header);
        // Our server has answered "100 Continue" itself by the time the body is read.
        parts.headers.remove(header::EXPECT);
        parts.version = Version::HTTP_11;
        let path = parts.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        parts.uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(claim.target().authority().clone())
            .path_and_query(path)
            .build()
            .map_err(|_| StatusCode::BAD_REQUEST)?;

        let activity = Activity::now();
        let cut = claim.cut().clone();
        let sent = self.client.request(Request::from_parts(parts, Upload::new(body, activity.clone())));
        let answer = tokio::select! {
            biased;
            answer = sent => answer,
            () = cut.cancelled() => {
                tracing::debug!(group = group.id(), target = %claim.target().address(), "request cut: the deregistration delay ran out");
                return Err(StatusCode::BAD_GATEWAY);
            }
            () = activity.quiet_for(self.timeouts.idle) => {
                tracing::debug!(group = group.id(), target = %claim.target().address(), "no answer within the idle timeout");
                return Err(StatusCode::GATEWAY_TIMEOUT);
            }
        };
        let answer = answer.map_err(|error| {
            let timed_out = error.is_connect() && caused_by_timeout(&error);
            let status = if timed_out { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            tracing::debug!(group = group.id(), target = %claim.target().address(), %status, %error, cause, "request failed");
            status
        })?;
        let (mut parts, body) = answer.into_parts();
        group.count_target_answer(parts.status);
        headers::strip_hop_by_hop(&mut parts.headers);
        // The target's version speaks of its own connection.
        parts.version = Version::HTTP_11;
        Ok(Response::from_parts(parts, Either::Left(Relayed::new(body, claim, self.timeouts.idle))))
    }
}

fn caused_by_timeout(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        cause = error.source();
    }
    false
}
