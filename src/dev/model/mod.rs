//! The state of the cloud and the rules that AWS applies to it. Nothing here reads sockets; nothing here sleeps under
//! the lock.

mod dns;
mod ec2;
mod elb;
mod id;
mod sts;
mod tags;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::block::Block;
use super::cloud::Cloud;
use super::machine::Machine;
use super::wire::{ApiError, Body, Node, ParamError, Scope, Service, Xml, from_node};

pub(crate) use dns::{DnsCall, run as run_dns};

/// The one account of the dev cloud.
pub(crate) const ACCOUNT: &str = "000000000000";

/// Everything that exists.
#[derive(Debug)]
pub(crate) struct World {
    /// State of each region that was ever called.
    pub(crate) regions: BTreeMap<String, Region>,
    /// Route 53 has no regions.
    pub(crate) dns: dns::Dns,
    /// Addresses are one block for all regions.
    pub(crate) block: Block,
}

/// Everything that exists in one region.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) name: String,
    pub(crate) ec2: ec2::Ec2,
    pub(crate) elb: elb::Elb,
}

/// What one call sees: its region, the addresses, and the cloud for tasks that outlive the call.
pub(crate) struct Ctx<'a> {
    pub(crate) cloud: &'a Arc<Cloud>,
    pub(crate) region: &'a mut Region,
    pub(crate) block: &'a mut Block,
}

type Answer = Result<Xml, ApiError>;

impl World {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { regions: BTreeMap::new(), dns: dns::Dns::default(), block: Block::claim()? })
    }

    /// Takes everything out that holds a socket or a process.
    pub(crate) fn take_down(&mut self) -> (Vec<elb::Listener>, Vec<Arc<Machine>>) {
        let (mut listeners, mut machines) = (Vec::new(), Vec::new());
        for region in self.regions.values_mut() {
            listeners.extend(std::mem::take(&mut region.elb.listeners).into_values());
            machines.extend(region.ec2.instances.values_mut().filter_map(|instance| instance.machine.take()));
        }
        (listeners, machines)
    }

    /// The region, made on first use.
    pub(crate) fn region(&mut self, name: &str) -> (&mut Region, &mut Block) {
        let region = self.regions.entry(name.to_owned()).or_insert_with(|| Region {
            name: name.to_owned(),
            ec2: ec2::Ec2::default(),
            elb: elb::Elb::default(),
        });
        (region, &mut self.block)
    }
}

/// Runs one call of a service with a query protocol.
pub(crate) async fn run(cloud: &Arc<Cloud>, scope: &Scope, operation: &str, form: &Node) -> Result<Body, ApiError> {
    if (scope.service, operation) == (Service::Elbv2, "CreateListener") {
        return elb::create_listener(cloud, &scope.region, input(Service::Elbv2, form)?).await.map(Body::from);
    }
    let xml = {
        let mut world = cloud.world();
        let (region, block) = world.region(&scope.region);
        let mut ctx = Ctx { cloud, region, block };
        match scope.service {
            Service::Elbv2 => elb::run(&mut ctx, operation, form)?,
            Service::Ec2 => ec2::run(&mut ctx, operation, form)?,
            Service::Sts => sts::run(operation, form)?,
            Service::Route53 => return Err(ApiError::unknown_operation(operation)),
        }
    };
    if !operation.starts_with("Describe") {
        cloud.changed();
    }
    Ok(xml.into())
}

fn input<T: DeserializeOwned>(service: Service, form: &Node) -> Result<T, ApiError> {
    from_node(form).map_err(|error: ParamError| ApiError::of_params(service, error))
}
