//! Reading, listing and deleting certificates. Nothing here tells a private key.

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{Answer, Certificate, Ctx, Origin, find, invalid};
use crate::dev::wire::{ApiError, Fields, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Named {
    certificate_arn: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct List {
    #[serde(default)]
    certificate_statuses: Vec<String>,
    includes: Option<Includes>,
    next_token: Option<String>,
    max_items: Option<u32>,
    sort_by: Option<String>,
    sort_order: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Includes {
    #[serde(default)]
    extended_key_usage: Vec<String>,
    #[serde(default)]
    key_usage: Vec<String>,
    #[serde(default)]
    key_types: Vec<String>,
}

fn origin(certificate: &Certificate) -> &'static str {
    match certificate.origin {
        Origin::Imported => "IMPORTED",
        Origin::Requested => "AMAZON_ISSUED",
    }
}

fn dates(fields: Fields, certificate: &Certificate) -> Fields {
    let facts = &certificate.facts;
    let name = if certificate.origin == Origin::Imported { "ImportedAt" } else { "IssuedAt" };
    fields
        .with("CreatedAt", certificate.created)
        .with(name, certificate.issued)
        .with("NotBefore", facts.not_before)
        .with("NotAfter", facts.not_after)
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Named) -> Answer {
    let arn = &input.certificate_arn;
    let certificate = find(ctx, arn)?;
    let now = ctx.cloud.clock.now();
    let facts = &certificate.facts;
    let named = |name: &String| Fields::new().with("Name", name);
    let extended = facts
        .extended_key_usages
        .iter()
        .map(|(name, oid)| named(name).with_if("OID", Some(oid).filter(|oid| !oid.is_empty())));
    let names = if facts.names.is_empty() { vec![&facts.domain] } else { facts.names.iter().collect() };
    let detail = Fields::new()
        .with("CertificateArn", arn)
        .with("DomainName", &facts.domain)
        .with("SubjectAlternativeNames", Value::list(names))
        .with("Serial", &facts.serial)
        .with("Subject", &facts.subject)
        .with("Issuer", &facts.issuer)
        .with("Status", certificate.status(now))
        .with("KeyAlgorithm", &facts.key_algorithm)
        .with("SignatureAlgorithm", &facts.signature_algorithm)
        .with("InUseBy", Value::list(ctx.region.elb.users_of_certificate(arn)))
        .with("Type", origin(certificate))
        .with("KeyUsages", Value::list(facts.key_usages.iter().map(named)))
        .with("ExtendedKeyUsages", Value::list(extended))
        .with("RenewalEligibility", "INELIGIBLE")
        .with("Options", Fields::new().with("CertificateTransparencyLoggingPreference", "DISABLED"));
    let detail = match &certificate.validation {
        Some(method) => detail.with("DomainValidationOptions", validations(certificate, method)),
        None => detail,
    };
    Ok(Fields::new().with("Certificate", dates(detail, certificate)).into())
}

/// What AWS would have asked for, as done.
fn validations(certificate: &Certificate, method: &str) -> Value {
    Value::list(certificate.facts.names.iter().map(|name| {
        let fields = Fields::new()
            .with("DomainName", name)
            .with("ValidationDomain", name)
            .with("ValidationStatus", "SUCCESS")
            .with("ValidationMethod", method);
        if method != "DNS" {
            return fields;
        }
        let bare = name.trim_start_matches("*.");
        let proof: String = Sha256::digest(bare).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let record = Fields::new()
            .with("Name", format!("_{proof}.{bare}."))
            .with("Type", "CNAME")
            .with("Value", format!("_{proof}.acm-validations.aws."));
        fields.with("ResourceRecord", record)
    }))
}

pub(super) fn get(ctx: &mut Ctx<'_>, input: Named) -> Answer {
    let certificate = find(ctx, &input.certificate_arn)?;
    let fields = Fields::new().with("Certificate", &certificate.body);
    Ok(fields.with_if("CertificateChain", certificate.chain.as_ref()).into())
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: Named) -> Answer {
    let arn = &input.certificate_arn;
    find(ctx, arn)?;
    if !ctx.region.elb.users_of_certificate(arn).is_empty() {
        let said = format!("Certificate {arn} in account {} is in use.", ctx.region.account);
        return Err(ApiError::new("ResourceInUseException", said));
    }
    ctx.region.acm.certificates.remove(arn);
    Ok(Fields::new().into())
}

/// Without a wish for other key types AWS lists RSA_1024 and RSA_2048 only.
pub(super) fn list(ctx: &mut Ctx<'_>, input: List) -> Answer {
    let size = input.max_items.unwrap_or(1000);
    if !(1..=1000).contains(&size) {
        return Err(invalid("MaxItems must be between 1 and 1000."));
    }
    if input.sort_by.is_some() != input.sort_order.is_some() {
        return Err(invalid("SortBy and SortOrder must be specified together."));
    }
    if input.sort_by.as_deref().is_some_and(|by| by != "CREATED_AT") {
        return Err(invalid("SortBy can only be CREATED_AT."));
    }
    let descending = match input.sort_order.as_deref() {
        None | Some("ASCENDING") => false,
        Some("DESCENDING") => true,
        Some(_) => return Err(invalid("SortOrder must be ASCENDING or DESCENDING.")),
    };
    let now = ctx.cloud.clock.now();
    let includes = input.includes.unwrap_or(Includes {
        extended_key_usage: Vec::new(),
        key_usage: Vec::new(),
        key_types: Vec::new(),
    });
    let types = if includes.key_types.is_empty() {
        vec!["RSA_1024".to_owned(), "RSA_2048".to_owned()]
    } else {
        includes.key_types
    };
    let wanted = |certificate: &Certificate| {
        let facts = &certificate.facts;
        let has = |wanted: &[String], of: Vec<&String>| {
            wanted.is_empty() || of.into_iter().any(|each| wanted.contains(each) || each == "ANY")
        };
        let statuses = &input.certificate_statuses;
        (statuses.is_empty() || statuses.iter().any(|status| status == certificate.status(now)))
            && types.contains(&facts.key_algorithm)
            && has(&includes.key_usage, facts.key_usages.iter().collect())
            && has(&includes.extended_key_usage, facts.extended_key_usages.iter().map(|(name, _)| name).collect())
    };
    let all = ctx.region.acm.certificates.iter();
    let mut found: Vec<_> = all.filter(|(_, certificate)| wanted(certificate)).collect();
    found.sort_by_key(|(_, certificate)| certificate.created);
    if descending {
        found.reverse();
    }
    let from = match &input.next_token {
        None => 0,
        Some(token) => {
            let from = token.parse::<usize>().ok().filter(|from| *from <= found.len());
            from.ok_or_else(|| invalid("NextToken is not one that was given out."))?
        }
    };
    let size = size as usize;
    let next = (found.len() > from + size).then(|| (from + size).to_string());
    let page = found.into_iter().skip(from).take(size).map(|(arn, each)| summary(ctx, arn, each, now));
    Ok(Fields::new().with("CertificateSummaryList", Value::list(page)).with_if("NextToken", next).into())
}

fn summary(ctx: &Ctx<'_>, arn: &str, certificate: &Certificate, now: Timestamp) -> Fields {
    let facts = &certificate.facts;
    let fields = Fields::new()
        .with("CertificateArn", arn)
        .with("DomainName", &facts.domain)
        .with("SubjectAlternativeNameSummaries", Value::list(facts.names.iter().take(100)))
        .with("HasAdditionalSubjectAlternativeNames", facts.names.len() > 100)
        .with("Status", certificate.status(now))
        .with("Type", origin(certificate))
        .with("KeyAlgorithm", &facts.key_algorithm)
        .with("KeyUsages", Value::list(facts.key_usages.iter()))
        .with("ExtendedKeyUsages", Value::list(facts.extended_key_usages.iter().map(|(name, _)| name)))
        .with("InUse", !ctx.region.elb.users_of_certificate(arn).is_empty())
        .with("RenewalEligibility", "INELIGIBLE");
    dates(fields, certificate)
}
