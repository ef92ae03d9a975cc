//! Connections to targets: TCP over the cloud's network, TLS on top where the group wants it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::wire::Wire;
use crate::dev::network::Network;

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
        let Speaks::Tls(alpn) = speaks else { return Ok(Wire::Plain(stream)) };
        let mut config = ClientConfig::clone(&CONFIG);
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let name = ServerName::from(address.ip());
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        Ok(Wire::Tls(Box::new(stream.into())))
    };
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("{address} did not answer within {timeout:?}"));
    tokio::time::timeout(timeout, connecting).await.map_err(late)?
}

static CONFIG: LazyLock<ClientConfig> = LazyLock::new(|| {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let trusting = Arc::new(AnyCertificate(provider.clone()));
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the library's own provider has the library's own versions")
        .dangerous()
        .with_custom_certificate_verifier(trusting)
        .with_no_client_auth()
});

/// An Elastic Load Balancer does not check what certificate a target has.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
