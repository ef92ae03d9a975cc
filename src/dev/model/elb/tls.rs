//! What listeners that end TLS have: certificates, a security policy, ALPN.

use serde::{Deserialize, Serialize};

use super::policies;
use super::protocols::Protocol;
use crate::dev::wire::{ApiError, Xml};

/// The TLS of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tls {
    pub(crate) policy: String,
    /// ARN of the default certificate.
    pub(crate) certificate: String,
    /// ARNs of the others, which clients that name one of their hosts get.
    pub(crate) others: Vec<String>,
    /// Of TLS listeners; one of AWS's five words.
    pub(crate) alpn: Option<String>,
}

/// A certificate in a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct CertificateIn {
    pub(super) certificate_arn: Option<String>,
    pub(super) is_default: Option<bool>,
}

/// Client certificates in a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct MutualIn {
    mode: Option<String>,
}

/// All of it in a request.
pub(super) struct TlsIn {
    pub(super) policy: Option<String>,
    pub(super) certificates: Vec<CertificateIn>,
    pub(super) alpn: Vec<String>,
    pub(super) mutual: Option<MutualIn>,
}

const ALPN: [&str; 5] = ["HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None"];
/// What listeners get whose creation names no policy.
const DEFAULT_POLICY: &str = "ELBSecurityPolicy-2016-08";

/// An ARN that can be a certificate's.
pub(super) fn check_certificate(arn: &str) -> Result<(), ApiError> {
    let mut parts = arn.split(':');
    let named = [parts.next(), parts.next(), parts.next()];
    match (named, arn.split(':').count() >= 6) {
        ([Some("arn"), Some("aws"), Some("acm" | "iam")], true) => Ok(()),
        _ => Err(ApiError::validation(format!("Certificate ARN '{arn}' is not valid"))),
    }
}

impl MutualIn {
    fn check(&self) -> Result<(), ApiError> {
        match self.mode.as_deref() {
            None | Some("off") => Ok(()),
            Some(mode) => Err(ApiError::new(
                "InvalidConfigurationRequest",
                format!("the dev cloud does not model mutual authentication with the mode '{mode}', only 'off'"),
            )),
        }
    }
}

impl TlsIn {
    /// The TLS of a listener that speaks `protocol`; `before` is what it has now.
    pub(super) fn check(self, protocol: Protocol, before: Option<&Tls>) -> Result<Option<Tls>, ApiError> {
        let name = protocol.name();
        let forbidden = |what: &str| ApiError::validation(format!("{what} cannot be specified for {name} listeners"));
        if let Some(mutual) = &self.mutual {
            if protocol != Protocol::Https {
                return Err(forbidden("Mutual authentication"));
            }
            mutual.check()?;
        }
        if !self.alpn.is_empty() && protocol != Protocol::Tls {
            return Err(forbidden("An ALPN policy"));
        }
        if !protocol.is_secure() {
            return match (self.policy, self.certificates.is_empty()) {
                (Some(_), _) => Err(forbidden("An SSL policy")),
                (None, false) => Err(forbidden("A certificate")),
                (None, true) => Ok(None),
            };
        }
        let alpn = match self.alpn.as_slice() {
            [] => before.and_then(|before| before.alpn.clone()),
            [one] if ALPN.contains(&one.as_str()) => Some(one.clone()),
            [one] => return Err(ApiError::new("ALPNPolicyNotFound", format!("ALPN policy '{one}' not found"))),
            _ => return Err(ApiError::validation("You can specify only one ALPN policy")),
        };
        let policy = match (self.policy, before) {
            (Some(name), _) => policies::check(&name).map(|()| name)?,
            (None, Some(before)) => before.policy.clone(),
            (None, None) => DEFAULT_POLICY.to_owned(),
        };
        let mut given = self.certificates.into_iter();
        let certificate = match (given.next(), given.next(), before) {
            (Some(_), Some(_), _) => {
                return Err(ApiError::validation("You can specify only one certificate as the default certificate"));
            }
            (Some(CertificateIn { is_default: Some(_), .. }), None, _) => {
                return Err(ApiError::validation(
                    "You cannot set IsDefault when specifying a certificate of a listener",
                ));
            }
            (Some(CertificateIn { certificate_arn: Some(arn), is_default: None }), None, _) => arn,
            (None, _, Some(before)) => before.certificate.clone(),
            (Some(_) | None, ..) => {
                return Err(ApiError::validation(format!("A certificate must be specified for {name} listeners")));
            }
        };
        check_certificate(&certificate)?;
        let others = before.map(|before| before.others.clone()).unwrap_or_default();
        Ok(Some(Tls { policy, certificate, others, alpn }))
    }
}

impl Tls {
    /// What tells a listener that is created again from another one.
    pub(super) fn settings(&self) -> (&str, &str, Option<&str>) {
        (&self.policy, &self.certificate, self.alpn.as_deref())
    }

    pub(super) fn write(&self, xml: &mut Xml, protocol: Protocol) {
        xml.list("Certificates", "member", [&self.certificate], |xml, arn| {
            xml.leaf("CertificateArn", arn);
        });
        xml.leaf("SslPolicy", &self.policy);
        if let Some(alpn) = &self.alpn {
            xml.texts("AlpnPolicy", "member", [alpn]);
        }
        if protocol == Protocol::Https {
            xml.node("MutualAuthentication", |xml| {
                xml.leaf("Mode", "off");
            });
        }
    }
}
