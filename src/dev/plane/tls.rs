//! TLS of listeners: certificates, which of them a client gets, and protocol versions.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig, SupportedProtocolVersion};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// A certificate and its private key. Its debug output has neither.
#[derive(Clone)]
pub struct Certificate {
    arn: String,
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

/// How a listener speaks TLS.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The default certificate first; others are chosen by the name that a client asks for (SNI).
    pub certificates: Vec<Certificate>,
    /// From the security policy.
    pub versions: TlsVersions,
    /// Network load balancers only: protocols to offer by ALPN, best first. Application load balancers decide
    /// themselves.
    pub alpn: Vec<String>,
}

/// Which versions of TLS a security policy allows. TLS 1.0 and 1.1 are never spoken, cipher suites are not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersions {
    /// `ELBSecurityPolicy-2016-08`, `ELBSecurityPolicy-TLS-1-2-*`, `ELBSecurityPolicy-FS-*`.
    Only12,
    /// `ELBSecurityPolicy-TLS13-1-0-*` to `-1-2-*`.
    From12,
    /// `ELBSecurityPolicy-TLS13-1-3-*`.
    Only13,
}

/// A certificate that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCertificate {
    /// The chain is no list of certificates in PEM, or empty.
    #[error("the certificate chain is not in PEM: {0}")]
    Chain(String),
    /// There is no private key in PEM.
    #[error("the private key is not in PEM: {0}")]
    Key(String),
    /// The library refuses the pair.
    #[error("the certificate cannot be used: {0}")]
    Unusable(String),
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("arn", &self.arn).field("names", &self.names).finish_non_exhaustive()
    }
}

impl Certificate {
    /// A certificate with its chain and its private key, both in PEM; `arn` is for access logs.
    ///
    /// # Errors
    /// One of them is not in PEM, or they do not belong together.
    pub fn from_pem(arn: impl Into<String>, chain: &str, key: &str) -> Result<Self, InvalidCertificate> {
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| InvalidCertificate::Chain(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
        Self::new(arn, chain, key.map_err(|error| InvalidCertificate::Key(error.to_string()))?)
    }

    /// A self-signed certificate for these names (`*.example.com` covers one label).
    ///
    /// # Errors
    /// A name is none.
    pub fn self_made(arn: impl Into<String>, names: &[&str]) -> Result<Self, InvalidCertificate> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names);
        let made = made.map_err(|error| InvalidCertificate::Unusable(error.to_string()))?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der());
        Self::new(arn, vec![made.cert.der().clone()], key.map_err(|error| InvalidCertificate::Key(error.to_owned()))?)
    }

    fn new(
        arn: impl Into<String>,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, InvalidCertificate> {
        let unusable = |error: rustls::Error| InvalidCertificate::Unusable(error.to_string());
        let first = chain.first().ok_or_else(|| InvalidCertificate::Chain("no certificate in it".to_owned()))?;
        let names = names_of(first)?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(unusable)?;
        Ok(Self { arn: arn.into(), names, key: Arc::new(key) })
    }

    /// Its ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The certificate itself, without its chain; for clients that are to trust it.
    pub fn der(&self) -> &[u8] {
        self.key.cert.first().map_or(&[], |der| der.as_ref())
    }

    fn covers(&self, name: &str) -> bool {
        self.names.iter().any(|own| match own.strip_prefix("*.") {
            Some(parent) => name.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
            None => own.eq_ignore_ascii_case(name),
        })
    }
}

/// Its subject alternative names, or its common name where it has none.
fn names_of(der: &CertificateDer<'_>) -> Result<Vec<String>, InvalidCertificate> {
    let unusable = |error: &dyn std::fmt::Display| InvalidCertificate::Unusable(error.to_string());
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| unusable(&error))?;
    let alternative = certificate.subject_alternative_name().map_err(|error| unusable(&error))?;
    let names: Vec<String> = alternative.map_or_else(Vec::new, |names| {
        let names = names.value.general_names.iter();
        names
            .filter_map(|name| if let GeneralName::DNSName(name) = name { Some((*name).to_owned()) } else { None })
            .collect()
    });
    if !names.is_empty() {
        return Ok(names);
    }
    Ok(certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok().map(str::to_owned)).collect())
}

impl TlsVersions {
    /// What a security policy of this name allows.
    pub fn of_policy(name: &str) -> Self {
        if name.contains("TLS13-1-3") {
            Self::Only13
        } else if name.contains("TLS13") {
            Self::From12
        } else {
            Self::Only12
        }
    }

    fn supported(self) -> &'static [&'static SupportedProtocolVersion] {
        const ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
        const FROM_12: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
        const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];
        match self {
            Self::Only12 => ONLY_12,
            Self::From12 => FROM_12,
            Self::Only13 => ONLY_13,
        }
    }
}

impl Tls {
    /// With one certificate and the versions of AWS's recommended policy.
    pub fn with(certificate: Certificate) -> Self {
        Self { certificates: vec![certificate], versions: TlsVersions::From12, alpn: Vec::new() }
    }

    /// The certificate for a client that asks for this name.
    pub(super) fn choose(&self, name: Option<&str>) -> Option<&Certificate> {
        let named = name.and_then(|name| self.certificates.iter().find(|certificate| certificate.covers(name)));
        named.or_else(|| self.certificates.first())
    }

    /// What handshakes are done with.
    ///
    /// # Errors
    /// There is no certificate, or the library refuses the versions.
    pub(super) fn acceptor(&self, alpn: &[&str]) -> Result<TlsAcceptor, InvalidCertificate> {
        if self.certificates.is_empty() {
            return Err(InvalidCertificate::Chain("a listener needs a certificate".to_owned()));
        }
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(self.versions.supported())
            .map_err(|error| InvalidCertificate::Unusable(error.to_string()))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Resolver(self.clone())));
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Chooses a certificate within a handshake.
#[derive(Debug)]
struct Resolver(Tls);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.choose(hello.server_name()).map(|certificate| certificate.key.clone())
    }
}

/// The name of a version as access logs and headers have it.
pub(super) fn version_name(version: Option<rustls::ProtocolVersion>) -> &'static str {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "-",
    }
}

/// The name of a cipher suite in OpenSSL's spelling, which AWS uses.
pub(super) fn suite_name(suite: Option<rustls::SupportedCipherSuite>) -> String {
    use rustls::CipherSuite as Suite;
    let known = match suite.map(|suite| suite.suite()) {
        None => "-",
        Some(Suite::TLS13_AES_128_GCM_SHA256) => "TLS_AES_128_GCM_SHA256",
        Some(Suite::TLS13_AES_256_GCM_SHA384) => "TLS_AES_256_GCM_SHA384",
        Some(Suite::TLS13_CHACHA20_POLY1305_SHA256) => "TLS_CHACHA20_POLY1305_SHA256",
        Some(Suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256) => "ECDHE-ECDSA-AES128-GCM-SHA256",
        Some(Suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384) => "ECDHE-ECDSA-AES256-GCM-SHA384",
        Some(Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256) => "ECDHE-ECDSA-CHACHA20-POLY1305",
        Some(Suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256) => "ECDHE-RSA-AES128-GCM-SHA256",
        Some(Suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) => "ECDHE-RSA-AES256-GCM-SHA384",
        Some(Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256) => "ECDHE-RSA-CHACHA20-POLY1305",
        Some(other) => return format!("{other:?}"),
    };
    known.to_owned()
}
