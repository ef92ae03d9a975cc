//! Health checks of Route 53: what is asked for, and what was found.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::checking;
use super::de::{CreateHealthCheck, HealthCheckConfigIn, UpdateHealthCheck};
use super::{Ctx, Query, Tags, conflict, invalid_input, no_such_health_check, only, page_size};
use crate::dev::wire::{ApiError, Body, Xml};

/// Checks of an account.
pub(super) const CHECKS_MAX: usize = 200;
/// Checks per page.
const PAGE_MAX: usize = 100;

/// A health check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HealthCheck {
    reference: String,
    pub(super) config: Config,
    /// Goes up with every update, 1 at first.
    pub(super) version: u64,
    pub(super) tags: Tags,
    /// What the endpoint is taken for; a new one is taken for healthy.
    healthy: bool,
    /// Results in a row that say otherwise.
    against: u32,
    /// The last result, and when it came.
    pub(super) last: Option<(Finding, Timestamp)>,
    /// The last failure.
    last_failure: Option<(Finding, Timestamp)>,
}

/// What one check of the endpoint found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finding {
    pub(super) passed: bool,
    /// As `GetHealthCheckStatus` shows it.
    pub(super) words: String,
}

/// How an endpoint is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Config {
    pub(super) ip_address: Option<IpAddr>,
    pub(super) port: u16,
    pub(super) kind: Kind,
    pub(super) path: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) search: Option<String>,
    pub(super) interval_s: u32,
    pub(super) threshold: u32,
    measure_latency: bool,
    inverted: bool,
    pub(super) disabled: bool,
}

/// What a check asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Http,
    HttpStrMatch,
    Tcp,
}

impl Kind {
    fn read(name: &str) -> Result<Self, ApiError> {
        match name {
            "HTTP" => Ok(Self::Http),
            "HTTP_STR_MATCH" => Ok(Self::HttpStrMatch),
            "TCP" => Ok(Self::Tcp),
            _ => Err(invalid_input(format!(
                "health check type {name} is not supported: the dev cloud has HTTP, HTTP_STR_MATCH and TCP"
            ))),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::HttpStrMatch => "HTTP_STR_MATCH",
            Self::Tcp => "TCP",
        }
    }
}

impl Config {
    fn read(given: HealthCheckConfigIn) -> Result<Self, ApiError> {
        let kind = Kind::read(&given.r#type)?;
        if given.enable_sni == Some(true) {
            return Err(invalid_input("EnableSNI is for HTTPS checks, which the dev cloud does not have"));
        }
        let interval_s = given.request_interval.unwrap_or(30);
        if !matches!(interval_s, 10 | 30) {
            return Err(invalid_input(format!("RequestInterval must be 10 or 30, but is {interval_s}")));
        }
        let port = match (given.port, kind) {
            (Some(port), _) => read_port(port)?,
            (None, Kind::Tcp) => return Err(invalid_input("Port is required for TCP health checks")),
            (None, Kind::Http | Kind::HttpStrMatch) => 80,
        };
        let config = Self {
            ip_address: given.ip_address.as_deref().map(read_address).transpose()?,
            port,
            kind,
            path: given.resource_path,
            domain: given.fully_qualified_domain_name,
            search: given.search_string,
            interval_s,
            threshold: given.failure_threshold.unwrap_or(3),
            measure_latency: given.measure_latency.unwrap_or(false),
            inverted: given.inverted.unwrap_or(false),
            disabled: given.disabled.unwrap_or(false),
        };
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ApiError> {
        if self.ip_address.is_none() && self.domain.is_none() {
            return Err(invalid_input(
                "Invalid parameter : IPAddress and FullyQualifiedDomainName are both missing; one must be given",
            ));
        }
        if !(1..=10).contains(&self.threshold) {
            return Err(invalid_input(format!("FailureThreshold must be 1 to 10, but is {}", self.threshold)));
        }
        match (self.kind, &self.path, &self.search) {
            (Kind::HttpStrMatch, _, None) => {
                return Err(invalid_input("SearchString is required for HTTP_STR_MATCH health checks"));
            }
            (Kind::Http | Kind::Tcp, _, Some(_)) => {
                return Err(invalid_input("SearchString is only for HTTP_STR_MATCH health checks"));
            }
            (Kind::Tcp, Some(_), _) => return Err(invalid_input("ResourcePath is not for TCP health checks")),
            _ => {}
        }
        let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.chars().count() > 255);
        if long(&self.path) || long(&self.search) || long(&self.domain) {
            return Err(invalid_input(
                "ResourcePath, SearchString and FullyQualifiedDomainName have at most 255 characters",
            ));
        }
        if self.path.as_ref().is_some_and(|path| http::uri::PathAndQuery::try_from(checking::rooted(path)).is_err()) {
            return Err(invalid_input("ResourcePath is no path of a URL"));
        }
        Ok(())
    }

    fn write(&self, xml: &mut Xml) {
        xml.leaf_if("IPAddress", self.ip_address).leaf("Port", self.port).leaf("Type", self.kind.name());
        xml.leaf_if("ResourcePath", self.path.as_ref()).leaf_if("FullyQualifiedDomainName", self.domain.as_ref());
        xml.leaf_if("SearchString", self.search.as_ref()).leaf("RequestInterval", self.interval_s);
        xml.leaf("FailureThreshold", self.threshold).leaf("MeasureLatency", self.measure_latency);
        xml.leaf("Inverted", self.inverted).leaf("Disabled", self.disabled).leaf("EnableSNI", false);
    }
}

fn read_port(port: u32) -> Result<u16, ApiError> {
    let port = u16::try_from(port).ok().filter(|port| *port > 0);
    port.ok_or_else(|| invalid_input("Port must be 1 to 65535"))
}

fn read_address(text: &str) -> Result<IpAddr, ApiError> {
    text.parse().map_err(|_| invalid_input(format!("Invalid parameter : '{text}' is not a valid IP address")))
}

impl HealthCheck {
    /// What name servers take the endpoint for. A disabled check always finds its endpoint healthy.
    pub(super) fn healthy(&self) -> bool {
        (self.config.disabled || self.healthy) != self.config.inverted
    }

    /// Writes down what a check found: so many in a row change what the endpoint is taken for.
    pub(super) fn record(&mut self, finding: Finding, now: Timestamp) {
        if finding.passed == self.healthy {
            self.against = 0;
        } else {
            self.against += 1;
            if self.against >= self.config.threshold {
                self.healthy = finding.passed;
                self.against = 0;
            }
        }
        if !finding.passed {
            self.last_failure = Some((finding.clone(), now));
        }
        self.last = Some((finding, now));
    }

    fn write(&self, xml: &mut Xml, id: &str) {
        xml.leaf("Id", id).leaf("CallerReference", &self.reference);
        xml.node("HealthCheckConfig", |xml| self.config.write(xml));
        xml.leaf("HealthCheckVersion", self.version);
    }
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: CreateHealthCheck) -> Result<Body, ApiError> {
    let config = Config::read(input.health_check_config)?;
    if !(1..=64).contains(&input.caller_reference.chars().count()) {
        return Err(invalid_input("CallerReference must have 1 to 64 characters"));
    }
    let dns = ctx.dns();
    if let Some((id, same)) = dns.checks.iter().find(|(_, check)| check.reference == input.caller_reference) {
        if same.config == config {
            return Ok(created(id, same));
        }
        let said = "A health check with the same caller reference exists, but with different settings.";
        return Err(conflict("HealthCheckAlreadyExists", said));
    }
    if dns.checks.len() >= CHECKS_MAX {
        let said = format!("This account already has {CHECKS_MAX} health checks, which is its limit.");
        return Err(ApiError::new("TooManyHealthChecks", said));
    }
    let check = HealthCheck {
        reference: input.caller_reference,
        config,
        version: 1,
        tags: Tags::new(),
        healthy: true,
        against: 0,
        last: None,
        last_failure: None,
    };
    let chance = &ctx.cloud.chance;
    let random = (u128::from(chance.number()) << 64) | u128::from(chance.number());
    let id = uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid().to_string();
    let body = created(&id, &check);
    ctx.dns().checks.insert(id.clone(), check);
    checking::watch(ctx.cloud, ctx.account, &id, 1);
    Ok(body)
}

fn created(id: &str, check: &HealthCheck) -> Body {
    let mut xml = Xml::default();
    xml.node("HealthCheck", |xml| check.write(xml, id));
    let location = format!("https://route53.amazonaws.com/2013-04-01/healthcheck/{id}");
    Body { status: 201, location: Some(location), ..Body::from(xml) }
}

pub(super) fn get(ctx: &mut Ctx<'_>, id: &str) -> Result<Body, ApiError> {
    let check = ctx.dns().check(id)?;
    let mut xml = Xml::default();
    xml.node("HealthCheck", |xml| check.write(xml, id));
    Ok(xml.into())
}

pub(super) fn update(ctx: &mut Ctx<'_>, id: &str, input: UpdateHealthCheck) -> Result<Body, ApiError> {
    let check = ctx.dns().checks.get_mut(id).ok_or_else(|| no_such_health_check(id))?;
    if let Some(version) = input.health_check_version.filter(|version| *version != check.version) {
        let said = format!(
            "The health check {id} has version {}, but the request has {version}: it was changed meanwhile.",
            check.version
        );
        return Err(conflict("HealthCheckVersionMismatch", &said));
    }
    let mut config = check.config.clone();
    if let Some(address) = input.ip_address {
        config.ip_address = Some(read_address(&address)?);
    }
    if let Some(port) = input.port {
        config.port = read_port(port)?;
    }
    config.path = input.resource_path.or(config.path);
    config.domain = input.fully_qualified_domain_name.or(config.domain);
    config.search = input.search_string.or(config.search);
    config.threshold = input.failure_threshold.unwrap_or(config.threshold);
    config.inverted = input.inverted.unwrap_or(config.inverted);
    config.disabled = input.disabled.unwrap_or(config.disabled);
    config.check()?;
    check.config = config;
    check.version += 1;
    check.against = 0;
    let version = check.version;
    let mut xml = Xml::default();
    xml.node("HealthCheck", |xml| check.write(xml, id));
    checking::watch(ctx.cloud, ctx.account, id, version);
    Ok(xml.into())
}

pub(super) fn delete(ctx: &mut Ctx<'_>, id: &str) -> Result<Body, ApiError> {
    // Records that refer to it stay as they are and count as healthy from then on, as with AWS.
    ctx.dns().checks.remove(id).ok_or_else(|| no_such_health_check(id))?;
    Ok(Xml::default().into())
}

pub(super) fn count(ctx: &mut Ctx<'_>) -> Body {
    let mut xml = Xml::default();
    xml.leaf("HealthCheckCount", ctx.dns().checks.len());
    xml.into()
}

pub(super) fn list(ctx: &mut Ctx<'_>, query: &Query) -> Result<Body, ApiError> {
    only(query, &["marker", "maxitems"])?;
    let size = page_size(query, PAGE_MAX)?;
    let marker = query.get("marker").cloned().unwrap_or_default();
    let mut found = ctx.dns().checks.range(marker.clone()..);
    let page: Vec<_> = found.by_ref().take(size).collect();
    let next = found.next();
    let mut xml = Xml::default();
    xml.list("HealthChecks", "HealthCheck", page, |xml, (id, check)| check.write(xml, id));
    xml.leaf("Marker", marker).leaf("IsTruncated", next.is_some());
    xml.leaf_if("NextMarker", next.map(|(id, _)| id)).leaf("MaxItems", size);
    Ok(xml.into())
}

/// There is one checker, where AWS has some in each of eight regions.
fn observations(found: Option<&(Finding, Timestamp)>) -> Body {
    let mut xml = Xml::default();
    xml.list("HealthCheckObservations", "HealthCheckObservation", found, |xml, (finding, at)| {
        xml.leaf("Region", "us-east-1").leaf("IPAddress", "127.0.0.1");
        xml.node("StatusReport", |xml| {
            xml.leaf("Status", &finding.words).leaf("CheckedTime", at);
        });
    });
    xml.into()
}

pub(super) fn status(ctx: &mut Ctx<'_>, id: &str) -> Result<Body, ApiError> {
    ctx.dns().check(id).map(|check| observations(check.last.as_ref()))
}

pub(super) fn last_failure_reason(ctx: &mut Ctx<'_>, id: &str) -> Result<Body, ApiError> {
    ctx.dns().check(id).map(|check| observations(check.last_failure.as_ref()))
}
