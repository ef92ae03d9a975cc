//! The certificates of a listener besides its default one.

use serde::Deserialize;

use super::listeners::speak;
use super::tls::{CertificateIn, Tls, check_certificate};
use super::{Elb, limits, paged};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Change {
    listener_arn: String,
    certificates: Vec<CertificateIn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    listener_arn: String,
    marker: Option<String>,
    page_size: Option<u32>,
}

impl Elb {
    /// The TLS of a listener that has one.
    fn tls_mut(&mut self, listener: &str) -> Result<&mut Tls, ApiError> {
        let listener = self.listener_mut(listener)?;
        let protocol = listener.protocol.name();
        listener
            .tls
            .as_mut()
            .ok_or_else(|| ApiError::validation(format!("Certificates cannot be specified for {protocol} listeners")))
    }
}

/// The ARNs in a request.
fn arns(given: Vec<CertificateIn>) -> Result<Vec<String>, ApiError> {
    if given.is_empty() {
        return Err(ApiError::validation("A certificate must be specified"));
    }
    given
        .into_iter()
        .map(|certificate| {
            if certificate.is_default.is_some() {
                return Err(ApiError::validation("You cannot set IsDefault when specifying certificates"));
            }
            let arn = certificate.certificate_arn;
            let arn = arn.ok_or_else(|| ApiError::validation("A certificate ARN must be specified"))?;
            check_certificate(&arn).map(|()| arn)
        })
        .collect()
}

/// Adds certificates; one that is there already is no mistake.
pub(super) fn add(ctx: &mut Ctx<'_>, input: Change) -> Answer {
    let tls = ctx.region.elb.tls_mut(&input.listener_arn)?;
    let given = arns(input.certificates)?;
    let mut others = tls.others.clone();
    for arn in &given {
        if *arn != tls.certificate && !others.contains(arn) {
            others.push(arn.clone());
        }
    }
    limits::check(others.len(), limits::CERTIFICATES, "TooManyCertificates", || {
        format!("The maximum number of certificates per load balancer has been reached: '{}'", limits::CERTIFICATES)
    })?;
    tls.others = others;
    speak(ctx, &input.listener_arn)?;
    let mut xml = Xml::default();
    xml.list("Certificates", "member", given, |xml, arn| {
        xml.leaf("CertificateArn", arn).leaf("IsDefault", false);
    });
    Ok(xml)
}

/// Removes certificates; the default one cannot be.
pub(super) fn remove(ctx: &mut Ctx<'_>, input: Change) -> Answer {
    let tls = ctx.region.elb.tls_mut(&input.listener_arn)?;
    let given = arns(input.certificates)?;
    if given.contains(&tls.certificate) {
        let said = format!("Default certificate '{}' cannot be removed", tls.certificate);
        return Err(ApiError::new("OperationNotPermitted", said));
    }
    tls.others.retain(|arn| !given.contains(arn));
    speak(ctx, &input.listener_arn)?;
    Ok(Xml::default())
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let listener = ctx.region.elb.listener(&input.listener_arn)?;
    let mut found = Vec::new();
    if let Some(tls) = &listener.tls {
        found.push((tls.certificate.clone(), true));
        found.extend(tls.others.iter().map(|arn| (arn.clone(), false)));
    }
    let pages = (input.marker.as_deref(), input.page_size);
    paged(
        found,
        |(arn, _)| arn.clone(),
        pages,
        "Certificates",
        |xml, (arn, default)| {
            xml.leaf("CertificateArn", arn).leaf("IsDefault", default);
        },
    )
}
