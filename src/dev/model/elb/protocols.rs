//! The protocols of listeners and target groups, and the two kinds of load balancers that speak them.

use serde::{Deserialize, Serialize};

use crate::dev::wire::ApiError;

/// What a load balancer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Requests of HTTP.
    Application,
    /// Connections of TCP.
    Network,
}

/// What a listener or a target group speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Protocol {
    Http,
    Https,
    Tcp,
    Tls,
}

/// How an Application Load Balancer speaks to its targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Version {
    Http1,
    Http2,
    Grpc,
}

/// All that AWS has, in the order of its own messages.
const OF_AWS: [&str; 9] = ["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP", "GENEVE", "QUIC", "TCP_QUIC"];

impl Kind {
    /// As in requests.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Network => "network",
        }
    }

    /// As in ARNs.
    pub(super) const fn short(self) -> &'static str {
        match self {
            Self::Application => "app",
            Self::Network => "net",
        }
    }

    pub(super) fn read(given: Option<&str>) -> Result<Self, ApiError> {
        match given {
            None | Some("application") => Ok(Self::Application),
            Some("network") => Ok(Self::Network),
            Some("gateway") => Err(ApiError::new(
                "InvalidConfigurationRequest",
                "the dev cloud does not model load balancers of type 'gateway', only 'application' and 'network'",
            )),
            Some(other) => Err(not_in_enum(other, "type", &["application", "network", "gateway"])),
        }
    }

    /// What its listeners can speak.
    const fn protocols(self) -> [Protocol; 2] {
        match self {
            Self::Application => [Protocol::Http, Protocol::Https],
            Self::Network => [Protocol::Tcp, Protocol::Tls],
        }
    }
}

impl Protocol {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Https => "HTTPS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// Whether it is for Application Load Balancers.
    pub(crate) const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Whether it needs a certificate.
    pub(crate) const fn is_secure(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }

    /// Reads a request's `field`.
    pub(super) fn read(field: &str, given: &str) -> Result<Self, ApiError> {
        match given {
            "HTTP" => Ok(Self::Http),
            "HTTPS" => Ok(Self::Https),
            "TCP" => Ok(Self::Tcp),
            "TLS" => Ok(Self::Tls),
            known if OF_AWS.contains(&known) => {
                let said =
                    format!("the dev cloud does not model the protocol '{known}', only HTTP, HTTPS, TCP and TLS");
                Err(ApiError::new("UnsupportedProtocol", said))
            }
            unknown => Err(not_in_enum(unknown, field, &OF_AWS)),
        }
    }

    /// Reads the protocol of a listener of a load balancer of this kind.
    pub(super) fn of_listener(kind: Kind, given: &str) -> Result<Self, ApiError> {
        let protocol = Self::read("protocol", given)?;
        if kind.protocols().contains(&protocol) {
            return Ok(protocol);
        }
        let all = kind.protocols().map(Self::name).join(", ");
        Err(ApiError::validation(format!("Listener protocol '{given}' must be one of '{all}'")))
    }

    /// Whether a listener that speaks this can forward to a group that speaks `group`.
    pub(super) const fn forwards_to(self, group: Self) -> bool {
        match self {
            Self::Http | Self::Https => group.is_http(),
            Self::Tcp => matches!(group, Self::Tcp),
            Self::Tls => matches!(group, Self::Tcp | Self::Tls),
        }
    }
}

impl Version {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP1",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
        }
    }

    pub(super) fn read(given: &str) -> Result<Self, ApiError> {
        match given {
            "HTTP1" => Ok(Self::Http1),
            "HTTP2" => Ok(Self::Http2),
            "GRPC" => Ok(Self::Grpc),
            other => Err(not_in_enum(other, "protocolVersion", &["GRPC", "HTTP1", "HTTP2"])),
        }
    }
}

/// AWS's words for a value that an enumeration does not have.
pub(super) fn not_in_enum(given: &str, field: &str, all: &[&str]) -> ApiError {
    ApiError::validation(format!(
        "1 validation error detected: Value '{given}' at '{field}' failed to satisfy constraint: Member must satisfy enum \
         value set: [{}]",
        all.join(", ")
    ))
}
