//! STS: who is calling, and temporary credentials.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::tags::{self, Tag};
use super::{Ctx, Operation, input};
use crate::dev::access::{AssumeRole, Assumed};
use crate::dev::wire::{ApiError, Fields, Service, Value};

/// What is modelled, and what is missing of it.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::value("GetCallerIdentity", "", |ctx, form| caller(ctx, input(Service::Sts, form)?)),
    Operation::value("AssumeRole", "managed session policies, MFA, transitive tags", |ctx, form| {
        assume(ctx, input(Service::Sts, form)?)
    }),
    Operation::value("GetSessionToken", "MFA", |ctx, form| session(ctx, input(Service::Sts, form)?)),
    Operation::value("GetAccessKeyInfo", "", |ctx, form| key(ctx, input(Service::Sts, form)?)),
];

type Answer = Result<Value, ApiError>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Assume {
    role_arn: String,
    role_session_name: String,
    duration_seconds: Option<u32>,
    policy: Option<String>,
    external_id: Option<String>,
    source_identity: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct SessionToken {
    duration_seconds: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct AccessKey {
    access_key_id: String,
}

#[expect(clippy::unnecessary_wraps, reason = "an operation's signature")]
fn caller(ctx: &Ctx<'_>, Nothing {}: Nothing) -> Answer {
    let caller = ctx.caller;
    Ok(Fields::new().with("Arn", &caller.arn).with("UserId", &caller.user_id).with("Account", &caller.account).into())
}

fn assume(ctx: &Ctx<'_>, input: Assume) -> Answer {
    let mut tags = BTreeMap::new();
    tags::put(&mut tags, &input.tags, "ValidationError", "ValidationError")?;
    let request = AssumeRole {
        role: input.role_arn,
        session_name: input.role_session_name,
        duration_seconds: input.duration_seconds,
        policy: input.policy,
        external_id: input.external_id,
        source_identity: input.source_identity,
        tags,
    };
    let assumed = ctx.cloud.access.assume_role(ctx.caller, &request, (ctx.cloud.clock.now(), &ctx.cloud.chance))?;
    let user = Fields::new().with("AssumedRoleId", &assumed.identity.user_id).with("Arn", &assumed.identity.arn);
    Ok(Fields::new()
        .with("Credentials", credentials(&assumed))
        .with("AssumedRoleUser", user)
        .with_if("SourceIdentity", request.source_identity)
        .into())
}

fn session(ctx: &Ctx<'_>, input: SessionToken) -> Answer {
    let around = (ctx.cloud.clock.now(), &ctx.cloud.chance);
    let made = ctx.cloud.access.session_token(ctx.caller, input.duration_seconds, around)?;
    Ok(Fields::new().with("Credentials", credentials(&made)).into())
}

fn credentials(made: &Assumed) -> Fields {
    Fields::new()
        .with("AccessKeyId", &made.access_key)
        .with("SecretAccessKey", &made.secret_key)
        .with("SessionToken", &made.session_token)
        .with("Expiration", made.expires)
}

fn key(ctx: &Ctx<'_>, input: AccessKey) -> Answer {
    let key = &input.access_key_id;
    let fits = (16..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    // The dev cloud's accounts are also named by keys of twelve digits, and its own key is shorter still.
    let short = key.len() == 12 && key.bytes().all(|b| b.is_ascii_digit());
    if !fits && !short {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{key}' at 'accessKeyId' failed to satisfy constraint: Member must have \
             length between 16 and 128"
        )));
    }
    let account = ctx.cloud.access.account_of_key(key);
    let account = account.ok_or_else(|| ApiError::validation("The access key ID does not exist"))?;
    Ok(Fields::new().with("Account", account).into())
}
