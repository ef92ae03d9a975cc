//! Route 53: hosted zones and their records.

mod change;
mod de;
mod name;
mod record;
mod resolve;
mod zone;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use http::{Method, Uri};
use jiff::Timestamp;

use crate::dev::cloud::Cloud;
use crate::dev::wire::{ApiError, Body, Xml};

use record::{Key, RecordSet};

/// Route 53's state.
#[derive(Debug, Default)]
pub(crate) struct Dns {
    zones: BTreeMap<String, Zone>,
    changes: BTreeMap<String, Change>,
}

type Records = BTreeMap<Key, RecordSet>;

/// A hosted zone.
#[derive(Debug)]
struct Zone {
    /// With the final dot.
    name: String,
    reference: String,
    comment: Option<String>,
    /// What the API shows: every change at once.
    records: Records,
    /// What resolvers are told, and from when on; in order of time.
    published: Vec<(Timestamp, Arc<Records>)>,
}

/// A change that was accepted.
#[derive(Debug, Clone)]
struct Change {
    submitted: Timestamp,
    /// When all name servers have it.
    due: Timestamp,
    comment: Option<String>,
}

/// A request to Route 53, its path already understood.
#[derive(Debug)]
pub(crate) enum DnsCall {
    CreateHostedZone(de::CreateHostedZone),
    GetHostedZone(String),
    ListHostedZones(Query),
    ListHostedZonesByName(Query),
    ChangeResourceRecordSets(String, de::ChangeResourceRecordSets),
    ListResourceRecordSets(String, Query),
    GetChange(String),
}

/// The parameters of a query string.
type Query = HashMap<String, String>;

impl DnsCall {
    /// Reads a request.
    pub(crate) fn read(method: &Method, uri: &Uri, body: &[u8]) -> Result<Self, ApiError> {
        let query = || -> Query {
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
        };
        let path = uri.path().trim_end_matches('/');
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let (get, post) = (method == Method::GET, method == Method::POST);
        match parts.as_slice() {
            ["2013-04-01", "hostedzone"] if post => Ok(Self::CreateHostedZone(de::read(body)?)),
            ["2013-04-01", "hostedzone"] if get => Ok(Self::ListHostedZones(query())),
            ["2013-04-01", "hostedzonesbyname"] if get => Ok(Self::ListHostedZonesByName(query())),
            ["2013-04-01", "hostedzone", id] if get => Ok(Self::GetHostedZone((*id).to_owned())),
            ["2013-04-01", "hostedzone", id, "rrset"] if post => {
                Ok(Self::ChangeResourceRecordSets((*id).to_owned(), de::read(body)?))
            }
            ["2013-04-01", "hostedzone", id, "rrset"] if get => {
                Ok(Self::ListResourceRecordSets((*id).to_owned(), query()))
            }
            ["2013-04-01", "change", id] if get => Ok(Self::GetChange((*id).to_owned())),
            _ => Err(ApiError::unknown_operation(&format!("{method} {path}")).status(404)),
        }
    }

    /// The operation's name.
    pub(crate) const fn operation(&self) -> &'static str {
        match self {
            Self::CreateHostedZone(_) => "CreateHostedZone",
            Self::GetHostedZone(_) => "GetHostedZone",
            Self::ListHostedZones(_) => "ListHostedZones",
            Self::ListHostedZonesByName(_) => "ListHostedZonesByName",
            Self::ChangeResourceRecordSets(..) => "ChangeResourceRecordSets",
            Self::ListResourceRecordSets(..) => "ListResourceRecordSets",
            Self::GetChange(_) => "GetChange",
        }
    }
}

/// Runs one call.
pub(crate) fn run(cloud: &Cloud, account: &str, call: DnsCall) -> Result<Body, ApiError> {
    let mut world = cloud.world();
    let dns = &mut world.account(account).dns;
    match call {
        DnsCall::CreateHostedZone(input) => zone::create(dns, cloud, input),
        DnsCall::GetHostedZone(id) => zone::get(dns, &id),
        DnsCall::ListHostedZones(query) => zone::list(dns, query),
        DnsCall::ListHostedZonesByName(query) => zone::list_by_name(dns, query),
        DnsCall::ChangeResourceRecordSets(id, input) => change::apply(dns, cloud, &id, input),
        DnsCall::ListResourceRecordSets(id, query) => record::list(dns, &id, query),
        DnsCall::GetChange(id) => change::get(dns, cloud, &id),
    }
}

impl Dns {
    fn zone(&self, id: &str) -> Result<&Zone, ApiError> {
        self.zones.get(id).ok_or_else(|| no_such_zone(id))
    }

    /// Notes a change; returns its id.
    fn note(&mut self, cloud: &Cloud, comment: Option<String>) -> (String, Change) {
        let id = format!("C{:016X}", cloud.chance.number());
        let submitted = cloud.clock.now();
        let change = Change { submitted, due: submitted + cloud.timing.dns, comment };
        self.changes.insert(id.clone(), change.clone());
        (id, change)
    }
}

fn no_such_zone(id: &str) -> ApiError {
    ApiError::new("NoSuchHostedZone", format!("No hosted zone found with ID: {id}")).status(404)
}

fn invalid_input(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", message)
}

impl Change {
    fn write(&self, xml: &mut Xml, cloud: &Cloud, id: &str) {
        xml.node("ChangeInfo", |xml| {
            let status = if cloud.clock.now() >= self.due { "INSYNC" } else { "PENDING" };
            xml.leaf("Id", format_args!("/change/{id}")).leaf("Status", status).leaf("SubmittedAt", self.submitted);
            xml.leaf_if("Comment", self.comment.as_ref());
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
