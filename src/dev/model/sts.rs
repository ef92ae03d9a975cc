//! STS: who is calling.

use serde::Deserialize;

use super::{ACCOUNT, Answer, input};
use crate::dev::wire::{ApiError, Node, Service, Xml};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(super) fn run(operation: &str, form: &Node) -> Answer {
    if operation != "GetCallerIdentity" {
        return Err(ApiError::unknown_operation(operation));
    }
    let Nothing {} = input(Service::Sts, form)?;
    let mut xml = Xml::default();
    xml.leaf("Arn", format_args!("arn:aws:iam::{ACCOUNT}:user/dev-cloud"));
    xml.leaf("UserId", "AIDADEVCLOUD").leaf("Account", ACCOUNT);
    Ok(xml)
}
