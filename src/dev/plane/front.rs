//! What happens to one request: find its action, claim a target, forward, relay the answer.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::balancer::{Balancer, Settings};
use super::body::{AnswerBody, Relayed, Upload};
use super::forward::{Failed, Passage};
use super::group::{Group, GroupSettings, TargetProtocol, TargetStickiness, Wish};
use super::link::Link;
use super::listener::ListenerSettings;
use super::pages::{self, Page};
use super::record::Ending;
use super::rule::{self, Action, Forward, Routes};
use super::target::Claim;
use super::{cookie, forward, headers, transform, upgrade};

/// One listener's way of answering, shared by all its connections.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) balancer: Arc<Balancer>,
    /// What each node knows of the rules.
    pub(super) views: Vec<ArcSwap<Routes>>,
    pub(super) settings: ArcSwap<ListenerSettings>,
    pub(super) address: std::net::SocketAddr,
    pub(super) port: u16,
    pub(super) port_header: HeaderValue,
    /// Ends what outlives its connection's task: upgraded connections.
    pub(super) cut: CancellationToken,
}

/// Where a request is to go.
struct Way {
    group: Arc<Group>,
    settings: Arc<GroupSettings>,
    claim: Claim,
    /// The group is a sticky rule's: its cookie is renewed.
    sticky: Option<std::time::Duration>,
    /// The client came with a cookie of the application's that led here.
    stuck: bool,
    transformed: transform::Transformed,
}

impl Front {
    /// Answers one request; weights and rules are looked up anew for each, also on a kept-alive connection.
    pub(super) async fn answer(link: Arc<Link>, request: Request<Incoming>) -> Response<AnswerBody> {
        let settings = link.front.balancer.settings();
        let (parts, body) = request.into_parts();
        let mut ending = Ending::new(link.clone(), &parts);
        let version = parts.version;
        let answered = match link.front.route(&link, &settings, &parts, &mut ending) {
            Ok(way) => link.front.forward(&link, &settings, way, parts, body, ending).await,
            Err(page) => Err((page, ending)),
        };
        let mut response = answered.unwrap_or_else(|(page, ending)| link.front.make_up(*page, ending));
        if version <= Version::HTTP_11 && link.opened.elapsed() >= settings.timeouts.client_keep_alive {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn make_up(&self, page: Page, mut ending: Ending) -> Response<AnswerBody> {
        self.count_own(page.status);
        ending.answers(page.status, &page.headers);
        let mut response = Response::new(AnswerBody::made(page.body, Some(ending)));
        *response.status_mut() = page.status;
        *response.headers_mut() = page.headers;
        self.dress(&mut response);
        response
    }

    /// Counts an answer that no target gave.
    fn count_own(&self, status: StatusCode) {
        let counters = &self.balancer.counters;
        match status.as_u16() {
            300..=399 => counters.elb_3xx.one(),
            400..=499 => counters.elb_4xx.one(),
            code @ 500..=599 => {
                counters.elb_5xx.one();
                match code {
                    500 => counters.elb_500.one(),
                    502 => counters.elb_502.one(),
                    503 => counters.elb_503.one(),
                    504 => counters.elb_504.one(),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Headers that the listener's attributes add to every answer, or take away.
    fn dress<B>(&self, response: &mut Response<B>) {
        let settings = self.settings.load();
        if settings.hide_server {
            response.headers_mut().remove(header::SERVER);
        }
        for (name, value) in &settings.response_headers {
            response.headers_mut().insert(name, value.clone());
        }
    }

    /// The target that a request goes to, or the answer that it gets instead.
    fn route(&self, link: &Link, settings: &Settings, parts: &Parts, ending: &mut Ending) -> Result<Way, Box<Page>> {
        let counters = &self.balancer.counters;
        match parts.method {
            Method::TRACE => return Err(pages::error(StatusCode::METHOD_NOT_ALLOWED)),
            Method::CONNECT => return Err(pages::error(StatusCode::BAD_REQUEST)),
            _ => {}
        }
        if parts.version == Version::HTTP_11 && rule::authority(parts).is_none_or(str::is_empty) {
            return Err(pages::error(StatusCode::BAD_REQUEST));
        }
        // Not kept over an await: a rule that was replaced must be free to go.
        let routes = self.views[link.node % self.views.len()].load();
        let decision = routes.decide(parts, link.client.ip());
        counters.rule_evaluations.add(decision.evaluated);
        if let Some(record) = &mut ending.record {
            record.priority = Some(decision.priority);
        }
        let mut acts = |action| {
            if let Some(record) = &mut ending.record {
                record.action = action;
            }
        };
        let forward = match decision.action {
            Action::Redirect(redirect) => {
                acts("redirect");
                counters.redirects.one();
                let page = pages::redirect(redirect, parts, link);
                if let Some(record) = &mut ending.record {
                    let location = page.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
                    record.redirect = location.map(str::to_owned);
                }
                return Err(page);
            }
            Action::FixedResponse(fixed) => {
                acts("fixed-response");
                counters.fixed_responses.one();
                return Err(pages::fixed(fixed));
            }
            Action::Forward(forward) => forward,
        };
        acts("forward");
        let unavailable = || pages::error(StatusCode::SERVICE_UNAVAILABLE);
        let group = self.group(forward, parts).ok_or_else(unavailable)?;
        if let Some(record) = &mut ending.record {
            record.group = Some(group.id().to_owned());
        }
        let group_settings = group.settings();
        check_version(&group_settings, parts)?;
        let (sticky, stuck) = self.stuck_to(group, &group_settings, parts);
        let zone = Balancer::only_zone(settings, link.node, group_settings.cross_zone);
        let wish = Wish { zone, sticky, client: link.client.ip() };
        let Some(claim) = group.claim(wish, &self.balancer.dice) else {
            group.counters.made_up.one();
            return Err(unavailable());
        };
        counters.requests.one();
        if headers::is_grpc(&parts.headers) {
            counters.grpc_requests.one();
        }
        let transformed = match decision.transforms {
            [] => transform::Transformed::default(),
            transforms => {
                let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                transform::apply(transforms, path, rule::authority(parts).unwrap_or_default())
            }
        };
        let group = group.clone();
        Ok(Way { group, settings: group_settings, claim, sticky: forward.stickiness, stuck, transformed })
    }

    /// The group of a forward action: the client's own where the rule is sticky and still has it, else by weight.
    fn group<'a>(&self, forward: &'a Forward, parts: &Parts) -> Option<&'a Arc<Group>> {
        let stuck = forward.stickiness.and_then(|good_for| {
            let key = cookie::group(&parts.headers, &self.balancer, good_for)?;
            forward.stuck_to(key)
        });
        stuck.or_else(|| forward.choose(&self.balancer.dice))
    }

    /// The target that the client was sent to before, and whether an application's cookie said so.
    fn stuck_to(&self, group: &Group, settings: &GroupSettings, parts: &Parts) -> (Option<std::net::SocketAddr>, bool) {
        match &settings.stickiness {
            None | Some(TargetStickiness::SourceIp) => (None, false),
            Some(TargetStickiness::BalancerCookie(good_for)) => {
                (cookie::target(&parts.headers, &self.balancer, group.key(), *good_for), false)
            }
            Some(TargetStickiness::AppCookie { name, duration }) => {
                let found = cookie::of_application(&parts.headers, &self.balancer, group.key(), (name, *duration));
                (found, found.is_some())
            }
        }
    }

    /// Sends a request to its target and brings the answer back.
    async fn forward(
        &self,
        link: &Arc<Link>,
        settings: &Arc<Settings>,
        way: Way,
        mut parts: Parts,
        body: Incoming,
        mut ending: Ending,
    ) -> Result<Response<AnswerBody>, (Box<Page>, Ending)> {
        let Way { group, settings: group_settings, claim, sticky, stuck, transformed } = way;
        let upgrades = headers::wants_upgrade(parts.version, &parts.method, &parts.headers);
        let on_upgrade = if upgrades { parts.extensions.remove::<OnUpgrade>() } else { None };
        let (upload, progress) = Upload::new(body);
        ending.uploads(progress.clone());
        let trace = forward::prepare(&mut parts, link, settings, &group_settings, &transformed, on_upgrade.is_some());
        let dispatched = Instant::now();
        if let Some(record) = &mut ending.record {
            record.trace = String::from_utf8_lossy(trace.as_bytes()).into_owned();
            record.target = Some(claim.target().address());
            record.dispatched = Some(dispatched);
            record.transformed = [transformed.host, transformed.path.map(|path| path.as_str().to_owned())];
            if transformed.failed {
                record.transform_status = "TransformFailed";
            } else if record.transformed.iter().any(Option::is_some) {
                record.transform_status = "TransformSuccess";
            }
        }
        let request = forward::request(parts, upload);
        let passage = Passage { link, group: &group, settings: &group_settings, timeouts: settings.timeouts };
        let (answer, line) = match passage.send(request, &claim, progress.as_deref()).await {
            Ok(answered) => answered,
            Err(Failed(status)) => {
                group.counters.made_up.one();
                return Err((pages::error(status), ending));
            }
        };
        let answered = Instant::now();
        group.count_target_answer(answer.status());
        group.response_times.record(answered.duration_since(dispatched));
        if let Some(record) = &mut ending.record {
            record.target_status = Some(answer.status());
            record.answered = Some(answered);
        }
        let (mut head, body) = answer.into_parts();
        let target = (group.key(), claim.target().address());
        let secure = link.tls.is_some();
        if let Some(good_for) = sticky {
            cookie::give_group(&mut head.headers, &self.balancer, target.0, good_for, secure);
        }
        match &group_settings.stickiness {
            Some(TargetStickiness::BalancerCookie(good_for)) => {
                cookie::give_target(&mut head.headers, &self.balancer, target, *good_for, secure);
            }
            Some(TargetStickiness::AppCookie { name, duration }) => {
                let app = (name.as_str(), *duration);
                cookie::give_of_application(&mut head.headers, &self.balancer, target, app, stuck);
            }
            None | Some(TargetStickiness::SourceIp) => {}
        }
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let (Some(on_upgrade), Some(line)) = (on_upgrade, line) else {
                // Nobody asked for it.
                group.counters.made_up.one();
                return Err((pages::error(StatusCode::BAD_GATEWAY), ending));
            };
            ending.answers(head.status, &head.headers);
            if let Some(record) = &mut ending.record {
                record.kind = if secure { "wss" } else { "ws" };
            }
            let upgraded = upgrade::Upgraded { link: link.clone(), claim, ending, idle: settings.timeouts.idle };
            tokio::spawn(upgraded.run(on_upgrade, line));
            let mut response = Response::from_parts(head, AnswerBody::made(Bytes::new(), None));
            self.dress(&mut response);
            return Ok(response);
        }
        headers::strip_hop_by_hop(&mut head.headers);
        // The target's version speaks of its own connection.
        head.version = Version::HTTP_11;
        ending.answers(head.status, &head.headers);
        let body = Relayed::new(body, line, claim, settings.timeouts.idle);
        let mut response = Response::from_parts(head, AnswerBody::relayed(body, ending));
        self.dress(&mut response);
        Ok(response)
    }
}

/// Whether a request's protocol can be sent to targets of this version.
fn check_version(settings: &GroupSettings, parts: &Parts) -> Result<(), Box<Page>> {
    let fits = match settings.version {
        TargetProtocol::Http1 => !headers::is_grpc(&parts.headers),
        TargetProtocol::Http2 => parts.version == Version::HTTP_2,
        TargetProtocol::Grpc => parts.version == Version::HTTP_2 && parts.method == Method::POST,
    };
    if fits { Ok(()) } else { Err(pages::error(pages::mismatch())) }
}
