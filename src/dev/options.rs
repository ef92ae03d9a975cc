//! What a dev cloud can be told when it starts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::access::Iam;
use super::faults::Fault;
use super::machine::Catalogue;
use super::model::BucketOptions;
use super::name_server::NameOptions;
use super::snapshot::Snapshot;

/// How a dev cloud behaves.
#[derive(Debug, Clone)]
pub struct DevOptions {
    /// Where the AWS API is served; port 0 takes a free one.
    pub endpoint: SocketAddr,
    /// Whether addresses that other machines can reach may be served too: they can then start the programs of all
    /// images here.
    pub allow_remote: bool,
    /// The images that instances can be launched from.
    pub catalogue: Catalogue,
    /// From the success of a change of rules to the moment the load balancer follows it.
    pub propagation: Duration,
    /// How long an instance is `pending`, at least.
    pub run_delay: Duration,
    /// How long after a launch describe calls may still not find the instance; each instance draws its own time.
    pub consistency_delay: Duration,
    /// How long status checks of a running instance say `initializing`; a few minutes on AWS.
    pub status_delay: Duration,
    /// How long a DNS change is `PENDING`.
    pub dns_delay: Duration,
    /// How long load balancers and target groups take.
    pub balancing: BalancingOptions,
    /// Health-check intervals are divided by this: with 10, an interval of 5 s is 0.5 s. Time-outs are not changed.
    pub health_speed: u32,
    /// From the end of a minute, or from `PutMetricData`, to a metric's point being there to read; up to two minutes on
    /// AWS. Load balancers publish zone by zone, the last one after all of this: the newest minute is incomplete.
    pub metrics_delay: Duration,
    /// From a metric's first point to `ListMetrics` showing it; up to 15 minutes on AWS.
    pub metrics_listing_delay: Duration,
    /// What goes wrong from the start; more through [`super::DevCloud::faults`].
    pub faults: Vec<Fault>,
    /// A folder for the output of instances, one file each, made where it is missing; `None` discards it.
    pub logs: Option<PathBuf>,
    /// Decides everything that is left to chance: ids, weighted choices, delays. `None` is another run each time, but
    /// 0 for a dev cloud in-process.
    pub seed: Option<u64>,
    /// Users and roles whose policies are enforced; `None` lets everybody do everything.
    pub iam: Option<Iam>,
    /// Whether signatures are checked; with [`Self::iam`] they always are.
    pub check_signatures: bool,
    /// Whether calls that come too often are refused, by token buckets of AWS's sizes.
    pub limits: bool,
    /// How names and their servers behave.
    pub names: NameOptions,
    /// How S3 behaves.
    pub buckets: BucketOptions,
    /// What exists from the start; nothing if `None`. Instances and listeners are started on the addresses that they
    /// had; the catalogue must have their images.
    pub restore: Option<Snapshot>,
}

/// How long load balancers and target groups take; by default everything is done at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BalancingOptions {
    /// How long a new load balancer is `provisioning`; its targets are not checked before it is `active`.
    pub provision: Duration,
    /// From a target's registration, or its group's coming into use, to its first check.
    pub registration: Duration,
    /// How long, at most, `DeleteTargetGroup` is still refused after the last rule has let go of the group. Each time
    /// it is something from a fifth of this to all of it, by chance.
    pub linger: Duration,
    /// How many nodes a load balancer has in each of its zones; 0 is 1. A client's connection belongs to one of them.
    pub nodes_per_zone: u16,
    /// How much later than the first node the last one follows a change of rules; those between are spread evenly. With
    /// zero, all of them follow in the same instant, which AWS's never do.
    pub node_skew: Duration,
}

impl Default for DevOptions {
    /// Any free port, no images, and everything as quick as it gets: for tests.
    fn default() -> Self {
        Self {
            endpoint: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            allow_remote: false,
            catalogue: Catalogue::default(),
            propagation: Duration::ZERO,
            run_delay: Duration::ZERO,
            consistency_delay: Duration::ZERO,
            status_delay: Duration::ZERO,
            dns_delay: Duration::ZERO,
            balancing: BalancingOptions::default(),
            health_speed: 50,
            metrics_delay: Duration::ZERO,
            metrics_listing_delay: Duration::ZERO,
            faults: Vec::new(),
            logs: None,
            seed: None,
            iam: None,
            check_signatures: false,
            limits: false,
            names: NameOptions::default(),
            buckets: BucketOptions::default(),
            restore: None,
        }
    }
}

/// Why a dev cloud did not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The endpoint's address cannot be bound.
    #[error("the dev cloud cannot listen on {endpoint}: {source} (another one may be running; choose another port)")]
    Endpoint {
        /// The address.
        endpoint: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The address can be reached from other machines.
    #[error(
        "{endpoint} can be reached from other machines, which could then start the programs of all images here \
         (allow it on purpose, with --allow-remote)"
    )]
    Remote {
        /// The address.
        endpoint: SocketAddr,
    },
    /// The name server's address cannot be bound.
    #[error("the dev cloud cannot serve DNS on {endpoint}: {source} (choose another port, or 0 for a free one)")]
    Dns {
        /// The address.
        endpoint: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A bucket cannot be made or used.
    #[error("the dev cloud's bucket {name} cannot be used: {why}")]
    Bucket {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
    /// The folder for the output of instances cannot be made.
    #[error("the dev cloud cannot make the folder {} for the output of its instances: {source}", .folder.display())]
    Logs {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no block of loopback addresses to claim.
    #[error(
        "the dev cloud cannot claim a block of loopback addresses: {0} (it needs Linux, where all of 127/8 is local)"
    )]
    Block(#[source] io::Error),
    /// What a snapshot holds cannot be started again.
    #[error("the dev cloud cannot go on where its snapshot ended: {0}")]
    Restore(String),
    /// The seed could not be made.
    #[error("the dev cloud's starting world could not be made: {0}")]
    Seed(String),
}
