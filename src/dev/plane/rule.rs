//! What a listener does with a request: ordered rules, their conditions, and the action of the first that matches.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, StatusCode, header};
use ipnet::IpNet;
use wildmatch::WildMatch;

use super::dice::Dice;
use super::group::Group;

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
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// What happens then.
    pub action: Action,
}

/// One condition of a rule; it holds if one of its values matches.
#[derive(Debug, Clone)]
pub enum Condition {
    /// `path-pattern`: the path without the query, case-sensitive.
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

/// Text with wildcards: `*` stands for any number of characters, `?` for exactly one.
#[derive(Debug, Clone)]
pub struct Pattern(WildMatch);

/// What is done with a request.
#[derive(Debug, Clone)]
pub enum Action {
    /// Forward to one of these groups, chosen per request by weight. If all weights are 0 nobody gets it: 503.
    Forward(Vec<WeightedGroup>),
    /// Answer with a redirect.
    Redirect(Redirect),
    /// Answer with this.
    FixedResponse(FixedResponse),
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

impl Pattern {
    /// A pattern whose letters must match exactly, as in a path.
    pub fn exact_case(pattern: &str) -> Self {
        Self(WildMatch::new(pattern))
    }

    /// A pattern for which `A` is `a`, as in a host name.
    pub fn any_case(pattern: &str) -> Self {
        Self(WildMatch::new_case_insensitive(pattern))
    }

    fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

impl Routes {
    /// Routes without rules: everything gets `action`.
    pub fn only(action: Action) -> Self {
        Self { rules: Vec::new(), default: action }
    }

    /// What is done with this request.
    pub(super) fn action(&self, request: &Parts, client: IpAddr) -> &Action {
        let matching = |rule: &&Rule| rule.conditions.iter().all(|condition| condition.holds(request, client));
        self.rules.iter().find(matching).map_or(&self.default, |rule| &rule.action)
    }
}

impl Action {
    /// Forward everything to `group`.
    pub fn forward_to(group: &Arc<Group>) -> Self {
        Self::Forward(vec![WeightedGroup { group: group.clone(), weight: 1 }])
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

/// The name that the client asked for, without the port.
pub(super) fn host(request: &Parts) -> Option<&str> {
    let text = match request.uri.host() {
        Some(host) => return Some(host),
        None => request.headers.get(header::HOST)?.to_str().ok()?,
    };
    match text.rsplit_once(':') {
        // `[::1]` ends in a bracket, so what follows the last colon is no port.
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => Some(host),
        _ => Some(text),
    }
}

/// One of the groups, by chance and weight; `None` where every weight is 0.
pub(super) fn choose<'a>(groups: &'a [WeightedGroup], dice: &Dice) -> Option<&'a Arc<Group>> {
    let total: u64 = groups.iter().map(|g| u64::from(g.weight)).sum();
    if total == 0 {
        return None;
    }
    let mut ticket = dice.below(total);
    for g in groups {
        match ticket.checked_sub(u64::from(g.weight)) {
            Some(rest) => ticket = rest,
            None => return Some(&g.group),
        }
    }
    None
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}
