//! Connections to targets: TCP over the cloud's network, TLS on top where the group wants it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::wire::Wire;
use crate::dev::network::Network;
use crate::trust::Trust;

/// What is spoken on a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaks {
    Plain,
    /// TLS, with this protocol offered by ALPN if there is one.
    Tls(Option<&'static str>),
}

/// Connects, and shakes hands where TLS is spoken; both must be done within `timeout`.
///
/// # Errors
/// Nobody listens there, or not in time ([`io::ErrorKind::TimedOut`]), or the target does not speak TLS.
pub(super) async fn connect(
    network: &Network,
    address: SocketAddr,
    speaks: Speaks,
    timeout: Duration,
) -> io::Result<Wire> {
    let connecting = async {
        let stream = network.connect(address).await?;
        let Speaks::Tls(alpn) = speaks else { return Ok(Wire::Left(stream)) };
        let mut config = ClientConfig::clone(&CONFIG);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::from(address.ip());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Ok(Wire::Right(Box::new(stream.into())))
    };
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("{address} did not answer within {timeout:?}"));
    tokio::time::timeout(timeout, connecting).await.map_err(late)?
}

/// An Elastic Load Balancer does not check what certificate a target has.
static CONFIG: LazyLock<ClientConfig> = LazyLock::new(|| Trust::Anybody.client());
