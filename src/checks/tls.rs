//! Which certificates a probe trusts: those of the machine, with or without a look at the name.

use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

use crate::trust::Trust;

/// A way to open TLS to one name.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

impl Tls {
    /// TLS to `name`, whose certificate must lead to one of the machine's roots or of `extra`; and must be for that
    /// name, if it is `verified`.
    pub(super) fn to(name: &str, verified: bool, extra: &[CertificateDer<'static>]) -> Result<Self, String> {
        let server = ServerName::try_from(name.to_owned()).map_err(|_| format!("{name} is no name of a server"))?;
        let roots = Arc::new(roots(extra));
        let trust = if verified { Trust::Name(roots) } else { Trust::Chain(roots) };
        Ok(Self { connector: TlsConnector::from(Arc::new(trust.client())), name: server })
    }
}

/// The machine's root certificates and `extra`; one that cannot be read is left out, as rustls does.
fn roots(extra: &[CertificateDer<'static>]) -> RootCertStore {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::debug!(%error, "a root certificate was left out");
    }
    let mut roots = RootCertStore::empty();
    let (_, unreadable) = roots.add_parsable_certificates(loaded.certs.into_iter().chain(extra.iter().cloned()));
    tracing::trace!(roots = roots.len(), unreadable, "root certificates");
    roots
}
