//! `ImportCertificate`, and `RequestCertificate`, which makes one.

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use serde::Deserialize;

use super::{Answer, Certificate, Ctx, Origin, PrivateKey, facts, find, find_mut, invalid};
use crate::dev::model::tags::{self, Tag, Tags};
use crate::dev::wire::{ApiError, Blob, Fields, Service};

/// Certificates of a region, as on AWS.
const CERTIFICATES_MAX: usize = 2500;
/// How large the parts of an import may be.
const BODY_BYTES_MAX: usize = 32_768;
const KEY_BYTES_MAX: usize = 5120;
/// How long a requested certificate is valid: 395 days, as AWS's are.
const VALID_DAYS: i64 = 395;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Import {
    certificate_arn: Option<String>,
    certificate: Blob,
    private_key: Blob,
    certificate_chain: Option<Blob>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Request {
    domain_name: String,
    validation_method: Option<String>,
    #[serde(default)]
    subject_alternative_names: Vec<String>,
    idempotency_token: Option<String>,
    key_algorithm: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    /// Nothing is logged anywhere, whatever is asked for.
    #[serde(rename = "Options")]
    options: Option<Options>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Options {
    certificate_transparency_logging_preference: Option<String>,
}

fn text(blob: Blob) -> Result<String, ApiError> {
    String::from_utf8(blob.0)
        .map_err(|_| invalid("Unable to parse certificate. Please ensure the certificate is in PEM format."))
}

fn check_room(ctx: &Ctx<'_>) -> Result<(), ApiError> {
    if ctx.region.acm.certificates.len() < CERTIFICATES_MAX {
        return Ok(());
    }
    Err(ApiError::new(
        "LimitExceededException",
        format!("Error: you have reached your limit of {CERTIFICATES_MAX} certificates."),
    ))
}

fn checked_tags(given: &[Tag]) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    tags::put(&mut tags, given, "InvalidTagException", "TooManyTagsException")?;
    Ok(tags)
}

pub(super) fn import(ctx: &mut Ctx<'_>, input: Import) -> Answer {
    let now = ctx.cloud.clock.now();
    if input.certificate.0.len() > BODY_BYTES_MAX || input.private_key.0.len() > KEY_BYTES_MAX {
        return Err(invalid(format!(
            "Certificate has at most {BODY_BYTES_MAX} bytes, and PrivateKey {KEY_BYTES_MAX}."
        )));
    }
    let chain = input.certificate_chain.as_ref().map(|chain| chain.0.as_slice());
    let facts = facts::check(&input.certificate.0, chain, &input.private_key.0, now)?;
    let (body, key) = (text(input.certificate)?, PrivateKey(text(input.private_key)?));
    let chain = input.certificate_chain.map(text).transpose()?;
    let arn = match input.certificate_arn {
        Some(arn) => {
            if !input.tags.is_empty() {
                return Err(invalid("Tagging is not permitted on re-import."));
            }
            if find(ctx, &arn)?.origin != Origin::Imported {
                return Err(invalid("A certificate that was requested cannot be replaced by an import."));
            }
            let known = find_mut(ctx, &arn)?;
            (known.body, known.chain, known.key, known.facts) = (body, chain, key, facts);
            known.issued = now;
            arn
        }
        None => {
            check_room(ctx)?;
            let tags = checked_tags(&input.tags)?;
            let certificate = Certificate {
                body,
                chain,
                key,
                facts,
                origin: Origin::Imported,
                created: now,
                issued: now,
                validation: None,
                token: None,
                tags,
            };
            insert(ctx, certificate)
        }
    };
    Ok(Fields::new().with("CertificateArn", arn).into())
}

fn insert(ctx: &mut Ctx<'_>, certificate: Certificate) -> String {
    let arn = ctx.region.arn(Service::Acm, format_args!("certificate/{}", ctx.cloud.uuid()));
    ctx.region.acm.certificates.insert(arn.clone(), certificate);
    arn
}

/// Whether a name can be one of a certificate: labels of letters, digits and hyphens, the first one perhaps a `*`.
fn is_domain(name: &str) -> bool {
    let labels = name.strip_prefix("*.").unwrap_or(name);
    let fits = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    labels.contains('.') && labels.split('.').all(fits) && name.len() <= 253
}

/// AWS asks for a proof that the domain is the caller's. Here there is nobody to ask, so the certificate is issued at
/// once, signed by itself: clients must be told to trust it.
pub(super) fn request(ctx: &mut Ctx<'_>, input: Request) -> Answer {
    let now = ctx.cloud.clock.now();
    for name in [&input.domain_name].into_iter().chain(&input.subject_alternative_names) {
        if !is_domain(name) {
            return Err(ApiError::new(
                "InvalidDomainValidationOptionsException",
                format!("{name} is not a domain name."),
            ));
        }
    }
    if input.subject_alternative_names.len() > 100 {
        return Err(ApiError::new("LimitExceededException", "A certificate has at most 100 names."));
    }
    if input.validation_method.as_deref().is_some_and(|method| !["DNS", "EMAIL", "HTTP"].contains(&method)) {
        return Err(invalid("ValidationMethod must be DNS, EMAIL or HTTP."));
    }
    if input.key_algorithm.as_deref().is_some_and(|algorithm| algorithm != "EC_prime256v1") {
        return Err(invalid(format!(
            "The dev cloud makes keys of EC_prime256v1 only, not of {}; leave KeyAlgorithm out, or import a certificate.",
            input.key_algorithm.unwrap_or_default()
        )));
    }
    let logging = input.options.and_then(|options| options.certificate_transparency_logging_preference);
    if logging.is_some_and(|wanted| !["ENABLED", "DISABLED"].contains(&wanted.as_str())) {
        return Err(invalid("CertificateTransparencyLoggingPreference must be ENABLED or DISABLED."));
    }
    let token = input.idempotency_token.map(|token| format!("{token} {}", input.domain_name));
    let mut all = ctx.region.acm.certificates.iter();
    // AWS forgets tokens after an hour.
    let same = all.find(|(_, known)| {
        token.is_some()
            && known.token == token
            && now.duration_since(known.created) < jiff::SignedDuration::from_hours(1)
    });
    if let Some((arn, _)) = same {
        return Ok(Fields::new().with("CertificateArn", arn).into());
    }
    check_room(ctx)?;
    let tags = checked_tags(&input.tags)?;
    let mut names = vec![input.domain_name.clone()];
    names.extend(input.subject_alternative_names.into_iter().filter(|name| *name != input.domain_name));
    let (body, key) = self_made(&input.domain_name, names, now).map_err(|error| {
        ApiError::new("InternalFailure", format!("the dev cloud cannot make a certificate: {error}")).status(500)
    })?;
    let facts = facts::check(body.as_bytes(), None, key.0.as_bytes(), now)?;
    let certificate = Certificate {
        body,
        chain: None,
        key,
        facts,
        origin: Origin::Requested,
        created: now,
        issued: now,
        validation: Some(input.validation_method.unwrap_or_else(|| "EMAIL".to_owned())),
        token,
        tags,
    };
    let arn = insert(ctx, certificate);
    Ok(Fields::new().with("CertificateArn", arn).into())
}

fn self_made(domain: &str, names: Vec<String>, now: jiff::Timestamp) -> Result<(String, PrivateKey), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, domain);
    let day = |days: i64| {
        let at = now + jiff::SignedDuration::from_hours(24 * days);
        let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    (params.not_before, params.not_after) = (day(0), day(VALID_DAYS));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), PrivateKey(key.serialize_pem())))
}
