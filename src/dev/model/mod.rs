//! The state of the cloud and the rules that AWS applies to it. Nothing here reads sockets; nothing here sleeps under
//! the lock.

mod acm;
mod autoscaling;
mod cloudwatch;
mod dns;
mod ec2;
mod elb;
mod operation;
mod s3;
mod sns;
mod ssm;
mod sts;
mod tags;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::access::Identity;
use ipnet::Ipv4Net;

use super::block::Block;
use super::cloud::Cloud;
use super::history::Past;
use super::machine::Machine;
use super::network::Network;
use super::wire::{ApiError, Body, Document, Node, ParamError, Scope, Service, Xml, from_node};

pub(crate) use autoscaling::start as start_scaling;
pub(crate) use cloudwatch::start as start_metrics;
pub use dns::Resolver;
pub(crate) use dns::{DnsCall, Line, Outcome, parse_value, run as run_dns};
pub use ec2::Shortage;
pub(crate) use ec2::{Capacity, seen as instance_seen};
pub(crate) use elb::{BalancerSample, GroupSample, Hosts};
pub(crate) use operation::{Operation, operations};
pub use s3::BucketOptions;
pub(crate) use s3::{InProgress, S3Call, make_bucket, refuse_unsigned};
pub use sns::PublishedMessage;

/// Everything that exists.
#[derive(Debug)]
pub(crate) struct World {
    /// Every account that was ever called.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// S3: the names of all accounts' buckets are one list.
    pub(crate) s3: s3::S3,
    /// Addresses are one block for all accounts and regions.
    pub(crate) block: Block,
}

/// What outlives a dev cloud of the world: everything but sockets, processes and tasks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    network: Ipv4Net,
    accounts: BTreeMap<String, Account>,
    s3: s3::S3,
}

/// Everything that exists in one account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Account {
    /// State of each region that was ever called.
    pub(crate) regions: BTreeMap<String, Region>,
    /// Route 53 has no regions.
    pub(crate) dns: dns::Dns,
}

/// Everything that exists in one region of one account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Region {
    /// The account's id: twelve digits.
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) ec2: ec2::Ec2,
    pub(crate) elb: elb::Elb,
    pub(crate) autoscaling: autoscaling::AutoScaling,
    pub(crate) cloudwatch: cloudwatch::CloudWatch,
    pub(crate) sns: sns::Sns,
    pub(crate) ssm: ssm::Ssm,
    pub(crate) acm: acm::Acm,
}

/// Which account's which region; it finds a [`Region`] again after the lock was given up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
}

/// What one call sees: its region, the addresses, and the cloud for tasks that outlive the call.
pub(crate) struct Ctx<'a> {
    pub(crate) cloud: &'a Arc<Cloud>,
    /// Who calls.
    pub(crate) caller: &'a Identity,
    pub(crate) region: &'a mut Region,
    pub(crate) block: &'a mut Block,
}

type Answer = Result<Xml, ApiError>;

impl World {
    pub(crate) fn new(network: &Network) -> io::Result<Self> {
        let block = match network {
            Network::Loopback => Block::claim()?,
            Network::Memory(_) => Block::in_memory(),
        };
        Ok(Self { accounts: BTreeMap::new(), s3: s3::S3::default(), block })
    }

    /// What a snapshot holds, on the addresses that it had.
    ///
    /// # Errors
    /// Another dev cloud has its block of addresses.
    pub(crate) fn restore(saved: Saved, network: &Network) -> io::Result<Self> {
        let block = match network {
            Network::Loopback => Block::claim_again(saved.network)?,
            Network::Memory(_) => Block::in_memory(),
        };
        Ok(Self { accounts: saved.accounts, s3: saved.s3, block })
    }

    /// What a snapshot holds of it.
    pub(crate) fn save(&self) -> Saved {
        Saved { network: self.block.network(), accounts: self.accounts.clone(), s3: self.s3.clone() }
    }

    /// Takes everything out that holds a socket or a process.
    pub(crate) fn take_down(&mut self) -> (Vec<elb::Listener>, Vec<Arc<Machine>>) {
        let (mut listeners, mut machines) = (Vec::new(), Vec::new());
        for region in self.accounts.values_mut().flat_map(|account| account.regions.values_mut()) {
            listeners.extend(std::mem::take(&mut region.elb.listeners).into_values());
            machines.extend(region.ec2.instances.values_mut().filter_map(ec2::Instance::take_down));
        }
        (listeners, machines)
    }

    /// Forgets everything, after [`World::take_down`].
    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.s3 = s3::S3::default();
        self.block.release_all();
    }

    /// Every region of every account that was ever called.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.accounts.values().flat_map(|account| account.regions.values()).map(Region::place).collect()
    }

    /// The account, made on first use.
    pub(crate) fn account(&mut self, id: &str) -> &mut Account {
        self.accounts.entry(id.to_owned()).or_default()
    }

    /// The region of an account, made on first use.
    pub(crate) fn region(&mut self, place: &Place) -> (&mut Region, &mut Block) {
        let regions = &mut self.accounts.entry(place.account.clone()).or_default().regions;
        let region = regions.entry(place.region.clone()).or_insert_with(|| Region::new(place));
        (region, &mut self.block)
    }
}

impl Region {
    fn new(place: &Place) -> Self {
        Self {
            account: place.account.clone(),
            name: place.region.clone(),
            ec2: ec2::Ec2::default(),
            elb: elb::Elb::default(),
            autoscaling: autoscaling::AutoScaling::default(),
            cloudwatch: cloudwatch::CloudWatch::default(),
            sns: sns::Sns::default(),
            ssm: ssm::Ssm::default(),
            acm: acm::Acm::default(),
        }
    }

    /// Where it is.
    pub(crate) fn place(&self) -> Place {
        Place { account: self.account.clone(), region: self.name.clone() }
    }

    /// `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`
    pub(crate) fn arn(&self, service: Service, resource: impl Display) -> String {
        format!("arn:aws:{}:{}:{}:{resource}", service.signing_name(), self.name, self.account)
    }
}

/// Starts what the state of a restored world says should run: instances, listeners, checks.
///
/// # Errors
/// A listener cannot be started; says which and why.
pub(crate) async fn revive(cloud: &Arc<Cloud>) -> Result<(), String> {
    let places = cloud.world().places();
    for place in &places {
        let caller = Identity::of_service("ec2", &place.account);
        let mut world = cloud.world();
        let (region, block) = world.region(place);
        let mut ctx = Ctx { cloud, caller: &caller, region, block };
        ec2::revive(&mut ctx);
        world.account(&place.account).dns.revive(&place.account, cloud);
    }
    for place in &places {
        elb::revive(cloud, place).await.map_err(|error| error.message)?;
    }
    cloud.changed();
    Ok(())
}

/// Runs one call of a service whose operations are in a table.
pub(crate) async fn run(cloud: &Arc<Cloud>, scope: &Scope, name: &str, form: &Node) -> Result<Body, ApiError> {
    if (scope.service, name) == (Service::Elbv2, "CreateListener") {
        return elb::create_listener(cloud, scope, input(Service::Elbv2, form)?).await.map(Body::from);
    }
    let operation = operations(scope.service).iter().find(|operation| operation.name == name);
    let operation = operation.ok_or_else(|| ApiError::unknown_operation(name))?;
    let document = {
        let mut world = cloud.world();
        let (region, block) = world.region(&scope.place);
        let mut ctx = Ctx { cloud, caller: &scope.caller, region, block };
        let document = operation.run(&mut ctx, form)?;
        if !operation.reads() {
            ctx.region.elb.settle(&ctx.region.ec2);
        }
        document
    };
    if !operation.reads() {
        cloud.changed();
    }
    Ok(document.into())
}

/// What an operation that changes nothing answers to the dev cloud itself: nobody is counted, refused or delayed.
pub(crate) fn ask(
    cloud: &Arc<Cloud>,
    scope: &Scope,
    service: Service,
    name: &str,
    form: &Node,
) -> Result<Document, ApiError> {
    let operation = operations(service).iter().find(|operation| operation.name == name && operation.reads());
    let operation = operation.ok_or_else(|| ApiError::unknown_operation(name))?;
    let mut world = cloud.world();
    let (region, block) = world.region(&scope.place);
    operation.run(&mut Ctx { cloud, caller: &scope.caller, region, block }, form)
}

/// Runs one call that only reads, on the world as it was.
pub(crate) fn run_in_the_past(
    cloud: &Arc<Cloud>,
    scope: &Scope,
    name: &str,
    (form, past): (&Node, &Past),
) -> Result<Body, ApiError> {
    let operation = operations(scope.service).iter().find(|operation| operation.name == name && operation.reads());
    let operation = operation.ok_or_else(|| ApiError::unknown_operation(name))?;
    let past = past.get(&scope.place.account).and_then(|account| account.regions.get(&scope.place.region));
    let mut region = past.cloned().unwrap_or_else(|| Region::new(&scope.place));
    let mut world = cloud.world();
    let block = &mut world.block;
    operation.run(&mut Ctx { cloud, caller: &scope.caller, region: &mut region, block }, form).map(Body::from)
}

fn input<T: DeserializeOwned>(service: Service, form: &Node) -> Result<T, ApiError> {
    from_node(form).map_err(|error: ParamError| ApiError::of_params(service, error))
}
