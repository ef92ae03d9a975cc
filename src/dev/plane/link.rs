//! What is known about one client's connection.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderValue;
use tokio::time::Instant;

use super::front::Front;
use super::tls;
use tokio_rustls::rustls::ServerConnection;

/// A client's connection. It belongs to one node for as long as it lasts.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) front: Arc<Front>,
    pub(super) client: SocketAddr,
    pub(super) node: usize,
    pub(super) tls: Option<TlsFacts>,
    pub(super) opened: Instant,
    /// The client's address as `X-Forwarded-For` has it, without and with its port.
    pub(super) forwarded_for: [HeaderValue; 2],
    /// `TID_` and 32 hexadecimal digits; the same in every line of the access log about this connection.
    pub(super) trace: u128,
}

/// What was agreed in the handshake.
#[derive(Debug)]
pub(super) struct TlsFacts {
    pub(super) version: &'static str,
    pub(super) suite: String,
    /// The name that the client asked for.
    pub(super) name: Option<String>,
    /// The ARN of the certificate that it got.
    pub(super) certificate: String,
}

impl TlsFacts {
    pub(super) fn of(connection: &ServerConnection, settings: &tls::Tls) -> Self {
        let name = connection.server_name();
        Self {
            version: tls::version_name(connection.protocol_version()),
            suite: tls::suite_name(connection.negotiated_cipher_suite()),
            certificate: settings.choose(name).map_or_else(String::new, |chosen| chosen.arn().to_owned()),
            name: name.map(str::to_owned),
        }
    }
}

impl Link {
    pub(super) fn new(front: Arc<Front>, client: SocketAddr, node: usize, tls: Option<TlsFacts>) -> Self {
        let text = |text: String| HeaderValue::try_from(text).expect("an address is a header value");
        let trace = u128::from(front.balancer.dice.number()) << 64 | u128::from(front.balancer.dice.number());
        front.balancer.counters.new_connections.one();
        Self {
            front,
            client,
            node,
            tls,
            opened: Instant::now(),
            forwarded_for: [text(client.ip().to_string()), text(client.to_string())],
            trace,
        }
    }

    /// What the client spoke, as `X-Forwarded-Proto` and redirects have it.
    pub(super) const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.front.balancer.counters.ended_connections.one();
    }
}
