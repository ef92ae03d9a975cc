//! How a group's targets are checked: AWS's fields with their ranges, defaults and what they must be together.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::groups::Settings;
use super::protocols::{Protocol, Version};
use super::recording::Thresholds;
use crate::dev::plane;
use crate::dev::wire::{ApiError, Xml};

/// A health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Check {
    pub(super) protocol: Protocol,
    /// `None` is the target's own port.
    port: Option<u16>,
    /// Path and what passes; only of checks over HTTP.
    asks: Option<Asks>,
    pub(super) interval_s: u32,
    timeout_s: u32,
    healthy: u32,
    unhealthy: u32,
}

/// What a check over HTTP asks for and expects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Asks {
    path: String,
    /// A list of codes, as it was given.
    codes: String,
}

/// The fields of a check in a request, the same for both operations that have them.
#[derive(Debug, Default)]
pub(super) struct CheckIn {
    pub(super) enabled: Option<bool>,
    pub(super) protocol: Option<String>,
    pub(super) port: Option<String>,
    pub(super) path: Option<String>,
    pub(super) interval_s: Option<u32>,
    pub(super) timeout_s: Option<u32>,
    pub(super) healthy: Option<u32>,
    pub(super) unhealthy: Option<u32>,
    pub(super) matcher: Option<Matcher>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Matcher {
    http_code: Option<String>,
    grpc_code: Option<String>,
}

fn refuse(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidConfigurationRequest", message)
}

/// The number at `name`, within AWS's limits.
fn within(name: &str, given: Option<u32>, kept: u32, (low, high): (u32, u32)) -> Result<u32, ApiError> {
    let value = given.unwrap_or(kept);
    if (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(ApiError::validation(format!("{name} '{value}' must be between '{low}' and '{high}' inclusive")))
}

/// The codes that AWS lets such a check expect, and the default.
fn codes_of(settings: &Settings) -> (std::ops::RangeInclusive<u32>, &'static str) {
    match (settings.protocol.is_http(), settings.version) {
        (true, Some(Version::Grpc)) => (0..=99, "12"),
        (true, _) => (200..=499, "200"),
        (false, _) => (200..=599, "200-399"),
    }
}

impl Check {
    /// What a new group has unless its creation says otherwise.
    pub(super) fn new(settings: &Settings, given: CheckIn) -> Result<Self, ApiError> {
        let protocol = match &given.protocol {
            Some(text) => read_protocol(settings, text)?,
            None if settings.protocol.is_http() => Protocol::Http,
            None => Protocol::Tcp,
        };
        let timeout_s = match (settings.protocol.is_http(), protocol) {
            (true, _) => 5,
            (false, Protocol::Http) => 6,
            (false, _) => 10,
        };
        let (interval_s, healthy, unhealthy) = (30, 5, 2);
        let asks = protocol.is_http().then(|| Asks::of(settings));
        Self { protocol, port: None, asks, interval_s, timeout_s, healthy, unhealthy }.with(settings, given)
    }

    /// The same with what a request changes.
    pub(super) fn with(&self, settings: &Settings, given: CheckIn) -> Result<Self, ApiError> {
        if given.enabled == Some(false) {
            let kind = if settings.by_address { "ip" } else { "instance" };
            return Err(refuse(format!(
                "Health check enabled must be true for target groups with target type '{kind}'"
            )));
        }
        let protocol = given.protocol.map_or(Ok(self.protocol), |text| read_protocol(settings, &text))?;
        let asks = self.asks(settings, protocol, given.path, given.matcher)?;
        let both = given.timeout_s.is_some() && given.interval_s.is_some();
        let check = Self {
            protocol,
            port: given.port.map_or(Ok(self.port), |text| read_port(&text))?,
            asks,
            interval_s: within("Health check interval", given.interval_s, self.interval_s, (5, 300))?,
            timeout_s: within("Health check timeout", given.timeout_s, self.timeout_s, (2, 120))?,
            healthy: within("Healthy threshold count", given.healthy, self.healthy, (2, 10))?,
            unhealthy: within("Unhealthy threshold count", given.unhealthy, self.unhealthy, (2, 10))?,
        };
        check.check_times(settings, both)?;
        Ok(check)
    }

    /// The time-out must be below the interval for Application Load Balancers, and not above it for Network ones.
    fn check_times(&self, settings: &Settings, both: bool) -> Result<(), ApiError> {
        let (timeout, interval) = (self.timeout_s, self.interval_s);
        let said = match settings.protocol.is_http() {
            true if timeout < interval => return Ok(()),
            true if both => format!("Health check timeout '{timeout}' must be smaller than the interval '{interval}'"),
            true => "Health check interval must be greater than the timeout.".to_owned(),
            false if timeout <= interval => return Ok(()),
            false => {
                format!("Health check timeout '{timeout}' must be smaller than or equal to the interval '{interval}'")
            }
        };
        Err(ApiError::validation(said))
    }

    fn asks(
        &self,
        settings: &Settings,
        protocol: Protocol,
        path: Option<String>,
        matcher: Option<Matcher>,
    ) -> Result<Option<Asks>, ApiError> {
        if !protocol.is_http() {
            let protocol = protocol.name();
            if path.is_some() {
                let said = format!("Health check path is not supported for health checks with the {protocol} protocol");
                return Err(refuse(said));
            }
            if matcher.is_some() {
                return Err(refuse(format!(
                    "Custom health check matchers are not supported for health checks for target groups with the \
                     {protocol} protocol"
                )));
            }
            return Ok(None);
        }
        let mut asks = self.asks.clone().unwrap_or_else(|| Asks::of(settings));
        if let Some(path) = path {
            asks.path = read_path(path)?;
        }
        if let Some(matcher) = matcher {
            asks.codes = matcher.read(settings)?;
        }
        Ok(Some(asks))
    }

    /// The port that is checked of a target with traffic on `port`.
    pub(super) fn port_of(&self, port: u16) -> u16 {
        self.port.unwrap_or(port)
    }

    pub(super) const fn thresholds(&self) -> Thresholds {
        Thresholds { healthy: self.healthy, unhealthy: self.unhealthy }
    }

    /// The same for the data plane's prober.
    pub(super) fn probe(&self, settings: &Settings) -> plane::HealthCheck {
        let protocol = match &self.asks {
            None => plane::ProbeProtocol::Tcp,
            Some(Asks { path, codes }) => plane::ProbeProtocol::Http {
                path: path.clone(),
                matcher: codes.parse().unwrap_or_else(|_| unreachable!("{codes} was read as a list of codes")),
                over: plane::Over { tls: self.protocol == Protocol::Https, version: settings.speaks() },
            },
        };
        plane::HealthCheck { protocol, timeout: Duration::from_secs(self.timeout_s.into()) }
    }

    pub(super) fn write(&self, xml: &mut Xml, settings: &Settings) {
        xml.leaf("HealthCheckProtocol", self.protocol.name());
        match self.port {
            Some(port) => xml.leaf("HealthCheckPort", port),
            None => xml.leaf("HealthCheckPort", "traffic-port"),
        };
        xml.leaf("HealthCheckEnabled", true).leaf("HealthCheckIntervalSeconds", self.interval_s);
        xml.leaf("HealthCheckTimeoutSeconds", self.timeout_s).leaf("HealthyThresholdCount", self.healthy);
        xml.leaf("UnhealthyThresholdCount", self.unhealthy);
        if let Some(asks) = &self.asks {
            xml.leaf("HealthCheckPath", &asks.path).node("Matcher", |xml| {
                let grpc = settings.version == Some(Version::Grpc);
                xml.leaf(if grpc { "GrpcCode" } else { "HttpCode" }, &asks.codes);
            });
        }
    }
}

impl Asks {
    fn of(settings: &Settings) -> Self {
        let path = if settings.version == Some(Version::Grpc) { "/AWS.ALB/healthcheck" } else { "/" };
        Self { path: path.to_owned(), codes: codes_of(settings).1.to_owned() }
    }
}

impl Matcher {
    fn read(self, settings: &Settings) -> Result<String, ApiError> {
        let grpc = settings.version == Some(Version::Grpc);
        let (given, foreign) = if grpc { (self.grpc_code, self.http_code) } else { (self.http_code, self.grpc_code) };
        let kind = if grpc { "gRPC" } else { "HTTP" };
        let text = match (given, foreign) {
            (Some(text), None) => text,
            (_, foreign) => {
                let version = settings.version.map_or("none", Version::name);
                let said = foreign.map_or("no code was given".to_owned(), |text| format!("'{text}' is another kind"));
                return Err(ApiError::validation(format!(
                    "A health check matcher with {kind} codes must be specified for the protocol version '{version}': {said}"
                )));
            }
        };
        let (allowed, _) = codes_of(settings);
        let inside = |part: &str| {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            let (low, high) = (low.trim().parse::<u32>().ok()?, high.trim().parse::<u32>().ok()?);
            (low <= high && allowed.contains(&low) && allowed.contains(&high)).then_some(())
        };
        if text.split(',').all(|part| inside(part).is_some()) {
            return Ok(text);
        }
        Err(ApiError::validation(format!(
            "Health check matcher {kind} code '{text}' must be within '{}-{}' inclusive",
            allowed.start(),
            allowed.end()
        )))
    }
}

fn read_protocol(settings: &Settings, text: &str) -> Result<Protocol, ApiError> {
    let protocol = match Protocol::read("healthCheckProtocol", text) {
        Ok(Protocol::Tls) => None,
        Ok(Protocol::Tcp) if settings.protocol.is_http() => None,
        Ok(protocol) => Some(protocol),
        Err(error) if error.code == "UnsupportedProtocol" => None,
        Err(error) => return Err(error),
    };
    protocol.ok_or_else(|| {
        refuse(format!(
            "Health check protocol '{text}' is not supported for target groups with the {} protocol",
            settings.protocol.name()
        ))
    })
}

fn read_port(text: &str) -> Result<Option<u16>, ApiError> {
    match text.parse() {
        _ if text == "traffic-port" => Ok(None),
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(ApiError::validation(format!(
            "Health check port '{text}' must be either 'traffic-port' or in the range of 1 to 65535"
        ))),
    }
}

fn read_path(path: String) -> Result<String, ApiError> {
    if path.len() > 1024 || !path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err() {
        return Err(ApiError::validation(format!(
            "Health check path '{path}' must begin with '/', be a valid path and have at most 1024 characters"
        )));
    }
    Ok(path)
}
