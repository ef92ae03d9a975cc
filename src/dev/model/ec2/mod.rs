//! EC2: networks, images, launch templates and instances.

mod attributes;
mod capacity;
mod describe;
mod facts;
mod filter;
mod gateways;
mod images;
mod instance;
mod interfaces;
mod launch;
mod lifecycle;
mod operations;
mod placement;
mod placing;
mod power;
mod routes;
mod security;
mod service;
mod spec;
mod status;
mod subnets;
mod tagging;
mod templates;
mod vpcs;

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Answer, Ctx, input};
use crate::dev::observe::InstanceSeen;
use crate::dev::wire::{ApiError, Node, Service, Xml, page};

pub(crate) use capacity::Capacity;
pub use capacity::Shortage;
pub(crate) use images::Record;
pub(crate) use instance::{Instance, InstanceState};
pub(crate) use operations::OPERATIONS;
pub(crate) use service::{LaunchRequest, check_launch, launch_one, start_one, stop_one, terminate_one};
pub(crate) use subnets::Subnet;
pub(crate) use templates::TemplateRef;
pub(crate) use vpcs::Vpc;

/// The root volume of every instance.
const ROOT_DEVICE: &str = "/dev/xvda";

/// EC2's state in one region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Ec2 {
    pub(crate) vpcs: BTreeMap<String, Vpc>,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    pub(crate) security_groups: BTreeMap<String, security::SecurityGroup>,
    gateways: BTreeMap<String, gateways::Gateway>,
    route_tables: BTreeMap<String, routes::RouteTable>,
    templates: BTreeMap<String, templates::Template>,
    pub(crate) instances: BTreeMap<String, Instance>,
    /// What is known of images besides the catalogue: those made here, and changes of the others.
    images: BTreeMap<String, Record>,
    /// Every launch with a client token: the zone (none for a regional token), and what it launched.
    #[serde(with = "tokens")]
    tokens: BTreeMap<(String, String), launch::Remembered>,
    /// How many instances were ever launched; instances are listed in that order.
    launched: u64,
    /// Terminated instances, in the order of their end.
    terminated: VecDeque<(Timestamp, String)>,
    /// Shortages and quotas set on purpose.
    pub(crate) capacity: Capacity,
}

impl Ec2 {
    /// Makes a running instance fail its status checks, or pass them again; false if there is no such instance.
    pub(crate) fn set_impaired(&mut self, id: &str, since: Option<Timestamp>) -> bool {
        let instance = self.instances.get_mut(id);
        instance.map(|instance| instance.impaired = since).is_some()
    }
}

/// An instance for whoever looks past the API.
pub(crate) fn seen(instance: &Instance) -> InstanceSeen {
    InstanceSeen {
        id: instance.id.clone(),
        state: instance.state.name(),
        tags: instance.tags.clone(),
        image: instance.image_id.clone(),
        subnet: instance.subnet.clone(),
        client_token: instance.client_token.clone(),
        launched: instance.launched,
        alive: instance.machine.as_ref().is_some_and(|machine| machine.ended().is_none()),
    }
}

/// Starts again what the saved state says should run.
pub(crate) fn revive(ctx: &mut Ctx<'_>) {
    lifecycle::revive(ctx);
}

/// JSON has no keys of two parts.
mod tokens {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::launch::Remembered;

    type Tokens = BTreeMap<(String, String), Remembered>;

    pub(super) fn serialize<S: Serializer>(tokens: &Tokens, serializer: S) -> Result<S::Ok, S::Error> {
        tokens.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tokens, D::Error> {
        Vec::<((String, String), Remembered)>::deserialize(deserializer).map(|all| all.into_iter().collect())
    }
}

fn read<T: DeserializeOwned>(form: &Node) -> Result<T, ApiError> {
    input(Service::Ec2, form)
}

/// Runs an operation, unless the request only asks whether it would be allowed to.
fn call<T: DeserializeOwned>(ctx: &mut Ctx<'_>, form: &Node, run: impl FnOnce(&mut Ctx<'_>, T) -> Answer) -> Answer {
    let mut form = form.clone();
    let dry = take_dry_run(&mut form)?;
    let input = read(&form)?;
    if dry {
        return Err(dry_run_succeeded());
    }
    ctx.region.ec2.forget_terminated(ctx.cloud.clock.now());
    run(ctx, input)
}

/// Whether the request is a dry run.
fn take_dry_run(form: &mut Node) -> Result<bool, ApiError> {
    match form.take("DryRun").as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(ApiError::ec2_value(format!("Invalid value '{other}' for boolean parameter DryRun"))),
    }
}

fn dry_run_succeeded() -> ApiError {
    let said = "Request would have succeeded, but DryRun flag is set.";
    ApiError::new("DryRunOperation", said).status(412)
}

/// Whether `id` has the form of an id: a prefix and 8 or 17 hexadecimal digits.
fn is_id(id: &str, prefix: &str) -> bool {
    let digits = id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
    matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// An id for an instance profile, which only IAM would know: the same for the same ARN.
fn profile_id(arn: &str) -> String {
    let digest = Sha256::digest(arn.as_bytes());
    let letters =
        digest.iter().take(17).map(|byte| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(byte % 32)]));
    format!("AIPA{}", letters.collect::<String>())
}

/// What operations answer that have nothing to tell.
fn done() -> Xml {
    let mut xml = Xml::default();
    xml.leaf("return", true);
    xml
}

/// Writes one page of `items`, and `nextToken` where there is another.
fn paged<T>(
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    pages: (Option<&str>, Option<u32>),
    set: &str,
    write: impl FnMut(&mut Xml, T),
) -> Answer {
    paged_within(5..=1000, items, key, pages, set, write)
}

/// The same where pages have other sizes.
fn paged_within<T>(
    sizes: RangeInclusive<u32>,
    items: Vec<T>,
    key: impl Fn(&T) -> String,
    (token, size): (Option<&str>, Option<u32>),
    set: &str,
    write: impl FnMut(&mut Xml, T),
) -> Answer {
    let size = match size {
        None => usize::MAX,
        Some(size) if sizes.contains(&size) => size as usize,
        Some(size) => {
            return Err(ApiError::ec2_value(format!(
                "Value ( {size} ) for parameter maxResults is invalid. Expecting a value between {} and {}.",
                sizes.start(),
                sizes.end()
            )));
        }
    };
    let (items, next) = page(items, key, token, size)
        .ok_or_else(|| ApiError::new("InvalidNextToken", "The token is not valid for this request"))?;
    let mut xml = Xml::default();
    xml.list(set, "item", items, write).leaf_if("nextToken", next);
    Ok(xml)
}
