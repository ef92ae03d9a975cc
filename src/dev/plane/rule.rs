//! What a listener does with a request: ordered rules, their conditions, and the action of the first that matches.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, StatusCode, header};
use ipnet::IpNet;

use super::dice::Dice;
use super::group::Group;
use super::pattern::Pattern;
use super::transform::Transform;

/// Everything a listener does, swapped as one value.
#[derive(Debug, Clone)]
pub struct Routes {
    /// Evaluated in this order (the control plane sorts by priority); the first whose conditions all hold decides.
    pub rules: Vec<Rule>,
    /// What happens where no rule matches.
    pub default: Action,
}

/// One rule of a listener.
#[derive(Debug, Clone)]
pub struct Rule {
    /// 1 to 50,000; for the access log, the order is that of the list.
    pub priority: u32,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// What is changed about the request before it is forwarded.
    pub transforms: Vec<Transform>,
    /// What happens then.
    pub action: Action,
}

/// One condition of a rule; it holds if one of its values matches.
#[derive(Debug, Clone)]
pub enum Condition {
    /// `path-pattern`: the path without the query, case-sensitive, as it was sent (percent signs stay).
    Path(Vec<Pattern>),
    /// `host-header`: the Host header without its port, not case-sensitive.
    Host(Vec<Pattern>),
    /// `http-header`: one of the values of this header, not case-sensitive.
    Header {
        /// Which header.
        name: HeaderName,
        /// What one of its values must look like.
        values: Vec<Pattern>,
    },
    /// `http-request-method`: exactly one of these, case-sensitive.
    Method(Vec<String>),
    /// `query-string`: one parameter must match one of these, not case-sensitive. Without a key only its value counts.
    Query(Vec<(Option<Pattern>, Pattern)>),
    /// `source-ip`: the client's address is in one of these networks.
    SourceIp(Vec<IpNet>),
}

/// What is done with a request.
#[derive(Debug, Clone)]
pub enum Action {
    /// Forward to one of some groups.
    Forward(Forward),
    /// Answer with a redirect.
    Redirect(Redirect),
    /// Answer with this.
    FixedResponse(FixedResponse),
}

/// A forward action: one of the groups, chosen per request by weight. If all weights are 0 nobody gets it: 503.
#[derive(Debug, Clone)]
pub struct Forward {
    /// The groups.
    pub groups: Vec<WeightedGroup>,
    /// For how long a client stays with the group that it was sent to first (renewed by every answer); `None`: it is
    /// chosen anew for each request.
    pub stickiness: Option<Duration>,
}

/// A group of a forward action.
#[derive(Debug, Clone)]
pub struct WeightedGroup {
    /// Who gets the request.
    pub group: Arc<Group>,
    /// Its share, against the sum of all weights; 0 to 999.
    pub weight: u32,
}

/// A redirect. `#{protocol}`, `#{host}`, `#{port}`, `#{path}` (without its first slash) and `#{query}` are replaced.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// 301 or 302.
    pub status: StatusCode,
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub protocol: String,
    /// For example `#{host}`.
    pub host: String,
    /// For example `443` or `#{port}`.
    pub port: String,
    /// Starts with a slash, for example `/#{path}`.
    pub path: String,
    /// Without the question mark, for example `#{query}`.
    pub query: String,
}

/// An answer that needs no target.
#[derive(Debug, Clone)]
pub struct FixedResponse {
    /// 2xx, 4xx or 5xx.
    pub status: StatusCode,
    /// For example `text/plain`.
    pub content_type: Option<String>,
    /// At most 1,024 bytes on AWS.
    pub body: String,
}

/// The rule that decides about a request.
pub(super) struct Decision<'a> {
    pub(super) action: &'a Action,
    pub(super) transforms: &'a [Transform],
    /// 0 is the default rule.
    pub(super) priority: u32,
    /// How many rules were looked at, the default rule not counted.
    pub(super) evaluated: u64,
}

impl Routes {
    /// Routes without rules: everything gets `action`.
    pub fn only(action: Action) -> Self {
        Self { rules: Vec::new(), default: action }
    }

    /// What is done with this request.
    pub(super) fn decide(&self, request: &Parts, client: IpAddr) -> Decision<'_> {
        let mut evaluated = 0;
        for rule in &self.rules {
            evaluated += 1;
            if rule.conditions.iter().all(|condition| condition.holds(request, client)) {
                let Rule { priority, transforms, action, .. } = rule;
                return Decision { action, transforms, priority: *priority, evaluated };
            }
        }
        Decision { action: &self.default, transforms: &[], priority: 0, evaluated }
    }

    /// The groups that any rule refers to.
    pub(super) fn groups(&self) -> impl Iterator<Item = &WeightedGroup> {
        let actions = self.rules.iter().map(|rule| &rule.action).chain([&self.default]);
        actions.flat_map(|action| match action {
            Action::Forward(forward) => forward.groups.as_slice(),
            _ => &[],
        })
    }
}

impl Action {
    /// Forward everything to `group`.
    pub fn forward_to(group: &Arc<Group>) -> Self {
        Self::forward([WeightedGroup { group: group.clone(), weight: 1 }])
    }

    /// Forward by weight, without stickiness.
    pub fn forward(groups: impl IntoIterator<Item = WeightedGroup>) -> Self {
        Self::Forward(Forward { groups: groups.into_iter().collect(), stickiness: None })
    }
}

impl Forward {
    /// The group that a client was sent to before, by the name that its cookie has for it; whatever its weight is now.
    /// `None` where the rule no longer has it: then the weights decide again. (What AWS does there is not documented.)
    pub(super) fn stuck_to(&self, key: u64) -> Option<&Arc<Group>> {
        self.groups.iter().map(|weighted| &weighted.group).find(|group| group.key() == key)
    }

    /// One of the groups, by chance and weight; `None` where every weight is 0.
    pub(super) fn choose(&self, dice: &Dice) -> Option<&Arc<Group>> {
        self.choose_with(|total| dice.below(total))
    }

    /// The same for a client that always draws the same ticket.
    pub(super) fn choose_by(&self, number: u64) -> Option<&Arc<Group>> {
        self.choose_with(|total| number.checked_rem(total).unwrap_or_default())
    }

    fn choose_with(&self, draw: impl FnOnce(u64) -> u64) -> Option<&Arc<Group>> {
        let mut open = self.groups.iter().filter(|weighted| weighted.weight > 0);
        if let (Some(only), None) = (open.next(), open.next()) {
            return Some(&only.group);
        }
        let total: u64 = self.groups.iter().map(|weighted| u64::from(weighted.weight)).sum();
        let mut ticket = draw(total);
        for weighted in &self.groups {
            match ticket.checked_sub(u64::from(weighted.weight)) {
                Some(rest) => ticket = rest,
                None => return Some(&weighted.group),
            }
        }
        None
    }
}

impl Condition {
    fn holds(&self, request: &Parts, client: IpAddr) -> bool {
        match self {
            Self::Path(patterns) => any(patterns, request.uri.path()),
            Self::Host(patterns) => host(request).is_some_and(|host| any(patterns, host)),
            Self::Header { name, values } => {
                let mut present = request.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
                present.any(|value| any(values, value))
            }
            Self::Method(methods) => methods.iter().any(|method| method == request.method.as_str()),
            Self::Query(wanted) => {
                let query = request.uri.query().unwrap_or_default();
                query.split('&').any(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    wanted.iter().any(|(k, v)| k.as_ref().is_none_or(|k| k.matches(key)) && v.matches(value))
                })
            }
            Self::SourceIp(networks) => networks.iter().any(|network| network.contains(&client)),
        }
    }
}

/// The host that the client asked for, with the port if it was named.
pub(super) fn authority(request: &Parts) -> Option<&str> {
    match request.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers.get(header::HOST)?.to_str().ok(),
    }
}

/// The name that the client asked for, without the port.
pub(super) fn host(request: &Parts) -> Option<&str> {
    authority(request).map(|text| split_port(text).0)
}

/// A host, and the port where one is named.
pub(super) fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        // `[::1]` ends in a bracket, so what follows the last colon is no port.
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (text, None),
    }
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}
