//! The operations of Route 53 that are modelled, by method and path.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Uri};

use super::refused::REFUSED;
use super::{Ctx, Query, change, checks, de, limits, record, tagging, test_answer, zone};
use crate::dev::cloud::Cloud;
use crate::dev::history::Past;
use crate::dev::model::Operation;
use crate::dev::wire::{ApiError, Body};

/// A request to Route 53 whose operation is known.
#[derive(Debug)]
pub(crate) struct DnsCall {
    route: &'static Route,
    request: Request,
}

/// What a request says.
#[derive(Debug)]
struct Request {
    /// What stands in the path where the route has `*`.
    path: Vec<String>,
    query: Query,
    body: Bytes,
}

/// An operation, and how requests for it look.
#[derive(Debug)]
struct Route {
    operation: Operation,
    method: &'static str,
    /// After the version; `*` stands for one part.
    path: &'static str,
    run: fn(&mut Ctx<'_>, &Request) -> Result<Body, ApiError>,
}

impl Request {
    fn part(&self, at: usize) -> &str {
        self.path.get(at).map_or("", String::as_str)
    }

    /// Parameters in the query string of an operation that has none are a mistake.
    fn no_query(&self) -> Result<(), ApiError> {
        super::only(&self.query, &[])
    }
}

/// Operation, gap, method and path, and what runs it; `$c` and `$r` are the call's context and request.
macro_rules! routes {
    ($(($name:literal, $gap:literal, $method:literal, $path:literal, |$c:ident, $r:ident| $run:expr),)*) => {
        const ROUTES: &[Route] = &[$(Route {
            operation: Operation::rest($name, $gap),
            method: $method,
            path: $path,
            run: |$c, $r| $run,
        }),*];
        /// What is modelled of Route 53.
        pub(crate) const OPERATIONS: &[Operation] = &[$(Operation::rest($name, $gap)),*];
    };
}

routes! {
    ("CreateHostedZone", "public zones only; no delegation sets", "POST", "hostedzone", |c, r| {
        r.no_query()?;
        zone::create(c, de::read(&r.body)?)
    }),
    ("GetHostedZone", "", "GET", "hostedzone/*", |c, r| {
        r.no_query()?;
        zone::get(c, r.part(0))
    }),
    ("GetDNSSEC", "zones are not signed", "GET", "hostedzone/*/dnssec", |c, r| {
        r.no_query()?;
        zone::dnssec(c, r.part(0))
    }),
    ("ListHostedZones", "no delegation sets", "GET", "hostedzone", |c, r| zone::list(c, &r.query)),
    ("ListHostedZonesByName", "", "GET", "hostedzonesbyname", |c, r| zone::list_by_name(c, &r.query)),
    ("GetHostedZoneCount", "", "GET", "hostedzonecount", |c, r| r.no_query().map(|()| zone::count(c))),
    ("UpdateHostedZoneComment", "", "POST", "hostedzone/*", |c, r| {
        r.no_query()?;
        zone::update_comment(c, r.part(0), de::read(&r.body)?)
    }),
    ("DeleteHostedZone", "", "DELETE", "hostedzone/*", |c, r| {
        r.no_query()?;
        zone::delete(c, r.part(0))
    }),
    ("GetHostedZoneLimit", "", "GET", "hostedzonelimit/*/*", |c, r| {
        r.no_query()?;
        limits::of_zone(c, r.part(0), r.part(1))
    }),
    ("GetAccountLimit", "hosted zones and health checks", "GET", "accountlimit/*", |c, r| {
        r.no_query()?;
        limits::of_account(c, r.part(0))
    }),
    (
        "ChangeResourceRecordSets",
        "simple, weighted and alias records; no DS, HTTPS, SSHFP, SVCB; aliases of load balancers and of records",
        "POST",
        "hostedzone/*/rrset",
        |c, r| {
            r.no_query()?;
            change::apply(c, r.part(0), de::read(&r.body)?)
        }
    ),
    ("ListResourceRecordSets", "", "GET", "hostedzone/*/rrset", |c, r| record::list(c.dns(), r.part(0), &r.query)),
    ("GetChange", "the last 10,000", "GET", "change/*", |c, r| {
        r.no_query()?;
        change::get(c, r.part(0))
    }),
    ("TestDNSAnswer", "no resolver's address", "GET", "testdnsanswer", |c, r| test_answer::test(c, &r.query)),
    ("CreateHealthCheck", "HTTP, HTTP_STR_MATCH and TCP, from one checker", "POST", "healthcheck", |c, r| {
        r.no_query()?;
        checks::create(c, de::read(&r.body)?)
    }),
    ("GetHealthCheck", "", "GET", "healthcheck/*", |c, r| {
        r.no_query()?;
        checks::get(c, r.part(0))
    }),
    ("ListHealthChecks", "", "GET", "healthcheck", |c, r| checks::list(c, &r.query)),
    ("GetHealthCheckCount", "", "GET", "healthcheckcount", |c, r| r.no_query().map(|()| checks::count(c))),
    ("UpdateHealthCheck", "no ResetElements", "POST", "healthcheck/*", |c, r| {
        r.no_query()?;
        checks::update(c, r.part(0), de::read(&r.body)?)
    }),
    ("DeleteHealthCheck", "", "DELETE", "healthcheck/*", |c, r| {
        r.no_query()?;
        checks::delete(c, r.part(0))
    }),
    ("GetHealthCheckStatus", "", "GET", "healthcheck/*/status", |c, r| {
        r.no_query()?;
        checks::status(c, r.part(0))
    }),
    ("GetHealthCheckLastFailureReason", "", "GET", "healthcheck/*/lastfailurereason", |c, r| {
        r.no_query()?;
        checks::last_failure_reason(c, r.part(0))
    }),
    ("ChangeTagsForResource", "", "POST", "tags/*/*", |c, r| {
        r.no_query()?;
        tagging::change(c, r.part(0), r.part(1), de::read(&r.body)?)
    }),
    ("ListTagsForResource", "", "GET", "tags/*/*", |c, r| {
        r.no_query()?;
        tagging::list(c, r.part(0), r.part(1))
    }),
    ("ListTagsForResources", "", "POST", "tags/*", |c, r| {
        r.no_query()?;
        tagging::list_many(c, r.part(0), de::read(&r.body)?)
    }),
}

/// What the parts of `path` have where `pattern` has `*`; `None` if they do not fit.
fn matched(pattern: &str, path: &[&str]) -> Option<Vec<String>> {
    let pattern: Vec<_> = pattern.split('/').collect();
    let fits = pattern.len() == path.len()
        && pattern
            .iter()
            .zip(path)
            .all(|(pattern, part)| if *pattern == "*" { !part.is_empty() } else { pattern == part });
    let filled = pattern.iter().zip(path).filter(|(pattern, _)| **pattern == "*").map(|(_, part)| (*part).to_owned());
    fits.then(|| filled.collect())
}

impl DnsCall {
    /// Reads a request.
    pub(crate) fn read(method: &Method, uri: &Uri, body: &[u8]) -> Result<Self, ApiError> {
        let path = uri.path().trim_end_matches('/');
        let unknown = |what: &str| ApiError::unknown_operation(what).status(404);
        let Some(rest) = path.strip_prefix("/2013-04-01/") else { return Err(unknown(&format!("{method} {path}"))) };
        let parts: Vec<_> = rest.split('/').collect();
        for route in ROUTES.iter().filter(|route| route.method == method.as_str()) {
            if let Some(path) = matched(route.path, &parts) {
                let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
                let request = Request { path, query: query.into_owned().collect(), body: Bytes::copy_from_slice(body) };
                return Ok(Self { route, request });
            }
        }
        let refused = REFUSED.iter().find(|(_, of, path)| *of == method.as_str() && matched(path, &parts).is_some());
        Err(refused.map_or_else(|| unknown(&format!("{method} {path}")), |(name, ..)| unknown(name)))
    }

    /// The operation's name.
    pub(crate) fn operation(&self) -> &'static str {
        self.route.operation.name
    }
}

/// Runs one call.
///
/// A call that only reads sees the account as it was in `past`, if there is one.
pub(crate) fn run(cloud: &Arc<Cloud>, account: &str, call: &DnsCall, past: Option<&Past>) -> Result<Body, ApiError> {
    let mut world = cloud.world();
    if let Some(past) = past.filter(|_| call.route.operation.reads()) {
        let then = past.get(account).cloned().unwrap_or_default();
        let now = std::mem::replace(world.account(account), then);
        let answer = (call.route.run)(&mut Ctx { cloud, world: &mut world, account }, &call.request);
        *world.account(account) = now;
        return answer;
    }
    let mut ctx = Ctx { cloud, world: &mut world, account };
    (call.route.run)(&mut ctx, &call.request)
}
