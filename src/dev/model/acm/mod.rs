//! Certificate Manager: certificates of HTTPS listeners, imported, or made by the dev cloud itself on request.
//!
//! | file | what it holds |
//! |---|---|
//! | `facts` | what can be read in a certificate, and whether its key fits |
//! | `import` | `ImportCertificate` and `RequestCertificate` |
//! | `describe` | reading, listing and deleting |
//! | `tagging` | tags |

mod describe;
mod facts;
mod import;
mod tagging;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::tags::Tags;
use super::{Ctx, Operation, input};
use crate::dev::wire::{ApiError, Node, Service, Value};

/// The state of one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Acm {
    /// By ARN.
    certificates: BTreeMap<String, Certificate>,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Certificate {
    body: String,
    chain: Option<String>,
    key: PrivateKey,
    facts: facts::Facts,
    origin: Origin,
    created: Timestamp,
    /// When it was imported for the last time, or issued.
    issued: Timestamp,
    /// How the owner of the domain would have been asked on AWS; `None` for imports.
    validation: Option<String>,
    /// So that the same request again is the same certificate.
    token: Option<String>,
    tags: Tags,
}

/// Where a certificate is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Origin {
    Imported,
    /// Made by the dev cloud and signed by nobody but itself.
    Requested,
}

/// A private key in PEM. It is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct PrivateKey(String);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::value("ImportCertificate", "signatures of chains are not verified", |ctx, form| {
        import::import(ctx, read(form)?)
    }),
    Operation::value("RequestCertificate", "self-made and issued at once, without validation", |ctx, form| {
        import::request(ctx, read(form)?)
    }),
    Operation::value("DescribeCertificate", "", |ctx, form| describe::describe(ctx, read(form)?)),
    Operation::value("ListCertificates", "", |ctx, form| describe::list(ctx, read(form)?)),
    Operation::value("GetCertificate", "", |ctx, form| describe::get(ctx, read(form)?)),
    Operation::value("DeleteCertificate", "", |ctx, form| describe::delete(ctx, read(form)?)),
    Operation::value("AddTagsToCertificate", "", |ctx, form| tagging::add(ctx, read(form)?)),
    Operation::value("RemoveTagsFromCertificate", "", |ctx, form| tagging::remove(ctx, read(form)?)),
    Operation::value("ListTagsForCertificate", "", |ctx, form| tagging::list(ctx, read(form)?)),
];

type Answer = Result<Value, ApiError>;

fn read<T: DeserializeOwned>(form: &Node) -> Result<T, ApiError> {
    input(Service::Acm, form)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("ValidationException", message)
}

impl Acm {
    /// A certificate with its chain, and its private key, both in PEM: for HTTPS listeners, and for nobody's log.
    pub(crate) fn pem(&self, arn: &str) -> Option<(String, String)> {
        let certificate = self.certificates.get(arn)?;
        let chain = certificate.chain.as_deref().unwrap_or_default();
        Some((format!("{}\n{chain}", certificate.body.trim_end()), certificate.key.0.clone()))
    }
}

impl Certificate {
    fn status(&self, now: Timestamp) -> &'static str {
        if self.facts.not_after < now { "EXPIRED" } else { "ISSUED" }
    }
}

fn find<'a>(ctx: &'a Ctx<'_>, arn: &str) -> Result<&'a Certificate, ApiError> {
    check_arn(arn)?;
    ctx.region.acm.certificates.get(arn).ok_or_else(|| not_found(ctx, arn))
}

fn find_mut<'a>(ctx: &'a mut Ctx<'_>, arn: &str) -> Result<&'a mut Certificate, ApiError> {
    find(ctx, arn)?;
    let unknown = not_found(ctx, arn);
    ctx.region.acm.certificates.get_mut(arn).ok_or(unknown)
}

fn not_found(ctx: &Ctx<'_>, arn: &str) -> ApiError {
    let said = format!("Could not find certificate {arn} in account {}.", ctx.region.account);
    ApiError::new("ResourceNotFoundException", said)
}

fn check_arn(arn: &str) -> Result<(), ApiError> {
    let parts: Vec<_> = arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", "aws", "acm", _, _, resource] if resource.starts_with("certificate/") => Ok(()),
        _ => Err(ApiError::new("InvalidArnException", format!("The ARN {arn} is not that of a certificate."))),
    }
}
