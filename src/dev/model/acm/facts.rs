//! What can be read in a certificate, and whether its key fits.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, oid_registry};
use x509_parser::public_key::PublicKey;

use super::invalid;
use crate::dev::wire::ApiError;

/// What ACM tells of a certificate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) domain: String,
    pub(super) names: Vec<String>,
    pub(super) serial: String,
    pub(super) subject: String,
    pub(super) issuer: String,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) key_algorithm: String,
    pub(super) signature_algorithm: String,
    pub(super) key_usages: Vec<String>,
    /// Name and object identifier.
    pub(super) extended_key_usages: Vec<(String, String)>,
}

/// What every certificate that cannot be read is refused with.
fn unreadable() -> ApiError {
    invalid("Unable to parse certificate. Please ensure the certificate is in PEM format.")
}

fn pem(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, ApiError> {
    CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|_| unreadable())
}

/// Reads a certificate, and checks that its key belongs to it and that it is valid now.
pub(super) fn check(body: &[u8], chain: Option<&[u8]>, key: &[u8], now: Timestamp) -> Result<Facts, ApiError> {
    let bodies = pem(body)?;
    let [body] = &bodies[..] else {
        return Err(if bodies.is_empty() {
            unreadable()
        } else {
            invalid(
                "Certificate field contains more than one certificate. You must specify only one certificate in this field.",
            )
        });
    };
    let issuers = chain.map(pem).transpose()?.unwrap_or_default();
    if chain.is_some() && issuers.is_empty() {
        return Err(invalid("Unable to parse certificate chain. Please ensure the chain is in PEM format."));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|_| invalid("Unable to parse private key. Please ensure the key is unencrypted and in PEM format."))?;
    // The library's errors do not quote the key, but they are not AWS's words either.
    CertifiedKey::from_der(vec![body.clone()], key, &aws_lc_rs::default_provider()).map_err(|error| {
        tracing::debug!(%error, "a certificate and its key do not go together");
        invalid("The private key does not match the certificate, or its algorithm is not supported.")
    })?;
    let (_, certificate) = X509Certificate::from_der(body).map_err(|_| unreadable())?;
    let facts = read(&certificate)?;
    if now < facts.not_before || now > facts.not_after {
        return Err(invalid(format!(
            "The certificate must be valid at the time of import: it is from {} to {}, and now it is {now}.",
            facts.not_before, facts.not_after
        )));
    }
    let mut below = certificate.issuer().as_raw().to_vec();
    for issuer in &issuers {
        let (_, issuer) = X509Certificate::from_der(issuer).map_err(|_| unreadable())?;
        if issuer.subject().as_raw() != below {
            return Err(invalid("Could not validate the certificate with the certificate chain."));
        }
        below = issuer.issuer().as_raw().to_vec();
    }
    if issuers.is_empty() && certificate.issuer() != certificate.subject() {
        return Err(invalid(
            "Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate or \
             certificate chain.",
        ));
    }
    Ok(facts)
}

fn read(certificate: &X509Certificate<'_>) -> Result<Facts, ApiError> {
    let moment = |seconds: i64| Timestamp::from_second(seconds).map_err(|_| unreadable());
    let mut names = Vec::new();
    let alternative = certificate.subject_alternative_name().map_err(|_| unreadable())?;
    for name in alternative.iter().flat_map(|names| &names.value.general_names) {
        if let GeneralName::DNSName(name) = name {
            names.push((*name).to_owned());
        }
    }
    let common = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    let domain = common.map(str::to_owned).or_else(|| names.first().cloned()).unwrap_or_default();
    Ok(Facts {
        domain,
        names,
        serial: certificate.raw_serial_as_string(),
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_before: moment(certificate.validity().not_before.timestamp())?,
        not_after: moment(certificate.validity().not_after.timestamp())?,
        key_algorithm: key_algorithm(certificate)?,
        signature_algorithm: signature_algorithm(certificate),
        key_usages: key_usages(certificate)?,
        extended_key_usages: extended_key_usages(certificate)?,
    })
}

fn key_algorithm(certificate: &X509Certificate<'_>) -> Result<String, ApiError> {
    let key = certificate.public_key().parsed().map_err(|_| unreadable())?;
    let name = match key {
        PublicKey::RSA(key) => match key.key_size() {
            size @ (1024 | 2048 | 3072 | 4096) => format!("RSA_{size}"),
            other => {
                return Err(invalid(format!("The private key length {other} is not supported for key algorithm RSA.")));
            }
        },
        PublicKey::EC(point) => match point.key_size() {
            256 => "EC_prime256v1".to_owned(),
            384 => "EC_secp384r1".to_owned(),
            // The size of a P-521 key is told in whole bytes.
            521 | 528 => "EC_secp521r1".to_owned(),
            other => {
                return Err(invalid(format!("The private key length {other} is not supported for key algorithm EC.")));
            }
        },
        _ => return Err(invalid("The key algorithm of the certificate is not supported: RSA and EC are.")),
    };
    Ok(name)
}

fn signature_algorithm(certificate: &X509Certificate<'_>) -> String {
    let oid = &certificate.signature_algorithm.algorithm;
    let known = [
        (oid_registry::OID_PKCS1_SHA256WITHRSA, "SHA256WITHRSA"),
        (oid_registry::OID_PKCS1_SHA384WITHRSA, "SHA384WITHRSA"),
        (oid_registry::OID_PKCS1_SHA512WITHRSA, "SHA512WITHRSA"),
        (oid_registry::OID_PKCS1_SHA1WITHRSA, "SHA1WITHRSA"),
        (oid_registry::OID_SIG_ECDSA_WITH_SHA256, "SHA256WITHECDSA"),
        (oid_registry::OID_SIG_ECDSA_WITH_SHA384, "SHA384WITHECDSA"),
        (oid_registry::OID_SIG_ECDSA_WITH_SHA512, "SHA512WITHECDSA"),
    ];
    let name = known.iter().find(|(known, _)| known == oid).map(|(_, name)| (*name).to_owned());
    name.unwrap_or_else(|| oid.to_id_string())
}

fn key_usages(certificate: &X509Certificate<'_>) -> Result<Vec<String>, ApiError> {
    let Some(usage) = certificate.key_usage().map_err(|_| unreadable())? else { return Ok(vec!["ANY".to_owned()]) };
    let usage = usage.value;
    let all = [
        (usage.digital_signature(), "DIGITAL_SIGNATURE"),
        (usage.non_repudiation(), "NON_REPUDIATION"),
        (usage.key_encipherment(), "KEY_ENCIPHERMENT"),
        (usage.data_encipherment(), "DATA_ENCIPHERMENT"),
        (usage.key_agreement(), "KEY_AGREEMENT"),
        (usage.key_cert_sign(), "CERTIFICATE_SIGNING"),
        (usage.crl_sign(), "CRL_SIGNING"),
        (usage.encipher_only(), "ENCIPHER_ONLY"),
        (usage.decipher_only(), "DECIPHER_ONLY"),
    ];
    Ok(all.iter().filter(|(has, _)| *has).map(|(_, name)| (*name).to_owned()).collect())
}

fn extended_key_usages(certificate: &X509Certificate<'_>) -> Result<Vec<(String, String)>, ApiError> {
    let Some(usage) = certificate.extended_key_usage().map_err(|_| unreadable())? else {
        return Ok(vec![("NONE".to_owned(), String::new())]);
    };
    let usage = usage.value;
    let all = [
        (usage.server_auth, "TLS_WEB_SERVER_AUTHENTICATION", "1.3.6.1.5.5.7.3.1"),
        (usage.client_auth, "TLS_WEB_CLIENT_AUTHENTICATION", "1.3.6.1.5.5.7.3.2"),
        (usage.code_signing, "CODE_SIGNING", "1.3.6.1.5.5.7.3.3"),
        (usage.email_protection, "EMAIL_PROTECTION", "1.3.6.1.5.5.7.3.4"),
        (usage.time_stamping, "TIME_STAMPING", "1.3.6.1.5.5.7.3.8"),
        (usage.ocsp_signing, "OCSP_SIGNING", "1.3.6.1.5.5.7.3.9"),
        (usage.any, "ANY", "2.5.29.37.0"),
    ];
    let named = all.iter().filter(|(has, ..)| *has).map(|(_, name, oid)| ((*name).to_owned(), (*oid).to_owned()));
    let other: BTreeSet<String> = usage.other.iter().map(|oid| oid.to_id_string()).collect();
    Ok(named.chain(other.into_iter().map(|oid| ("CUSTOM".to_owned(), oid))).collect())
}
