//! Route 53: hosted zones, their records, health checks, and what name servers answer.

mod answer;
mod change;
mod checking;
mod checks;
mod de;
mod limits;
mod name;
mod operations;
mod rdata;
mod record;
mod refused;
mod resolve;
mod tagging;
mod targets;
mod test_answer;
mod zone;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::tags::Tags;
use super::{Account, World};
use crate::dev::cloud::Cloud;
use crate::dev::wire::{ApiError, Xml};

pub(crate) use answer::{Line, Outcome};
pub(crate) use operations::{DnsCall, OPERATIONS, run};
pub(crate) use rdata::parse as parse_value;
pub use resolve::Resolver;
use zone::{NAME_SERVERS, Zone};

/// How many changes can be asked for; of more the oldest are forgotten.
const CHANGES_MAX: usize = 10_000;

/// Route 53's state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Dns {
    zones: BTreeMap<String, Zone>,
    changes: BTreeMap<String, Change>,
    /// The ids of changes in their order.
    change_order: std::collections::VecDeque<String>,
    checks: BTreeMap<String, checks::HealthCheck>,
}

/// A change that was accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Change {
    submitted: Timestamp,
    /// Until when it is in process.
    processed: Timestamp,
    /// When each name server has it.
    from: [Timestamp; NAME_SERVERS.len()],
    comment: Option<String>,
}

/// What one call sees.
pub(crate) struct Ctx<'a> {
    cloud: &'a Arc<Cloud>,
    world: &'a mut World,
    account: &'a str,
}

/// The parameters of a query string.
type Query = BTreeMap<String, String>;

impl Ctx<'_> {
    fn dns(&mut self) -> &mut Dns {
        &mut self.world.account(self.account).dns
    }

    /// Notes a change; returns its id.
    fn note(&mut self, comment: Option<String>) -> (String, Change) {
        let cloud = self.cloud;
        let id = format!("C{:016X}", cloud.chance.number());
        let submitted = cloud.clock.now();
        let insync = submitted + cloud.timing.dns;
        let mut from = [insync; NAME_SERVERS.len()];
        if cloud.names.skew {
            // The last one has it when the change is INSYNC, the others at any time before.
            for from in from.iter_mut().skip(1) {
                *from = submitted + cloud.chance.up_to(cloud.timing.dns);
            }
        }
        let change = Change { submitted, processed: submitted + cloud.names.processing, from, comment };
        let dns = self.dns();
        dns.changes.insert(id.clone(), change.clone());
        dns.change_order.push_back(id.clone());
        if dns.change_order.len() > CHANGES_MAX
            && let Some(oldest) = dns.change_order.pop_front()
        {
            dns.changes.remove(&oldest);
        }
        (id, change)
    }
}

impl Dns {
    fn zone(&self, id: &str) -> Result<&Zone, ApiError> {
        self.zones.get(id).ok_or_else(|| no_such_zone(id))
    }

    fn check(&self, id: &str) -> Result<&checks::HealthCheck, ApiError> {
        self.checks.get(id).ok_or_else(|| no_such_health_check(id))
    }

    /// Starts what the state says should run: a checker for each health check.
    pub(crate) fn revive(&self, account: &str, cloud: &Arc<Cloud>) {
        for (id, check) in &self.checks {
            checking::watch(cloud, account, id, check.version);
        }
    }
}

fn no_such_zone(id: &str) -> ApiError {
    ApiError::new("NoSuchHostedZone", format!("No hosted zone found with ID: {id}")).status(404)
}

fn no_such_health_check(id: &str) -> ApiError {
    let said = format!("A health check with the specified ID {id} does not exist.");
    ApiError::new("NoSuchHealthCheck", said).status(404)
}

fn invalid_input(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", message)
}

fn conflict(code: &'static str, message: &str) -> ApiError {
    ApiError::new(code, message).status(409)
}

impl Change {
    fn write(&self, xml: &mut Xml, now: Timestamp, id: &str) {
        xml.node("ChangeInfo", |xml| {
            let everywhere = self.from.iter().all(|from| *from <= now);
            xml.leaf("Id", format_args!("/change/{id}")).leaf("Status", if everywhere { "INSYNC" } else { "PENDING" });
            xml.leaf("SubmittedAt", self.submitted).leaf_if("Comment", self.comment.as_ref());
        });
    }
}

/// The `maxitems` of a query.
fn page_size(query: &Query, max: usize) -> Result<usize, ApiError> {
    match query.get("maxitems") {
        None => Ok(max),
        Some(text) => text
            .parse()
            .ok()
            .filter(|size| *size > 0)
            .map(|size: usize| size.min(max))
            .ok_or_else(|| invalid_input(format!("'{text}' is not a valid value for maxitems"))),
    }
}

/// Refuses parameters that the operation does not have.
fn only(query: &Query, known: &[&str]) -> Result<(), ApiError> {
    match query.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(invalid_input(format!("parameter {name} is unknown (or not modelled by the dev cloud)"))),
        None => Ok(()),
    }
}
