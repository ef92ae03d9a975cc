//! STS: who is calling.

use serde::Deserialize;

use super::{Answer, Ctx, Operation, input};
use crate::dev::wire::{Service, Xml};

pub(crate) const OPERATIONS: &[Operation] =
    &[Operation::xml("GetCallerIdentity", "", |ctx, form| caller(ctx, input(Service::Sts, form)?))];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[expect(clippy::unnecessary_wraps, reason = "an operation's signature")]
fn caller(ctx: &Ctx<'_>, Nothing {}: Nothing) -> Answer {
    let mut xml = Xml::default();
    xml.leaf("Arn", &ctx.caller.arn).leaf("UserId", &ctx.caller.user_id).leaf("Account", &ctx.caller.account);
    Ok(xml)
}
