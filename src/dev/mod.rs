//! The embedded AWS ("dev cloud"): wire protocol, model, data plane and machines, for tutorials and tests.
//!
//! | file | what it holds |
//! |---|---|
//! | `server`, `api`, `wire` | the HTTP endpoint, what happens to a call, AWS's protocols |
//! | `name_server` | DNS over sockets |
//! | `model` | what exists, and the rules that AWS applies to it |
//! | [`access`] | who may do what: identities, signatures, policies |
//! | `admin`, `compute` | what tests and people ask of it that no AWS client does |
//! | `snapshot`, `store` | its state in a file, its buckets for code in the same process |
//! | `in_process` | the same without a socket, for tests that own time |
//! | `client` | a plain HTTP client on the cloud's network |
//! | [`faults`], `limits`, `gate` | what goes wrong on purpose, how often calls may come, and where both are applied |
//! | `history` | the world as it was, for stale reads |
//! | `observe` | being told of everything as it happens, and the truth without the API |
//! | [`network`] | what connections go over: sockets, or pipes in memory |
//! | `block` | the loopback addresses `127.A.0.0/16` that a dev cloud claims for itself |
//! | [`plane`] | load balancer proxy and health prober |
//! | [`machine`] | instances as child processes, containers or programs in memory, and the image catalogue |
//! | [`app`], [`load`] | the demo's program and its load generator |
//! | [`seed`] | a small world to start from |
//!
//! What differs from AWS: instances are reached on addresses of the dev cloud's own block (AWS has no VPC in 127/8);
//! in a VPC of other addresses, that address is the instance's public one where it has one. Load balancers have one
//! address, which is also their DNS name unless names as AWS's are asked for. The rest is in `docs/limitations.md`.

pub mod access;
mod admin;
mod api;
pub mod app;
mod block;
mod client;
mod cloud;
mod compute;
pub mod faults;
mod gate;
mod history;
mod in_process;
mod limits;
pub mod load;
pub mod machine;
mod model;
mod name_server;
pub mod network;
mod observe;
mod options;
pub mod plane;
pub mod seed;
mod server;
mod snapshot;
mod store;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use jiff::Timestamp;

use access::{Access, GeneratedKey};
pub use client::HttpConnection;
use client::Reach;
use cloud::{Cloud, Timing};
use faults::Faults;
pub use in_process::InProcess;
use limits::Limits;
use machine::{Image, Machine};
use model::World;
pub use model::{BucketOptions, PublishedMessage, Resolver, Shortage};
pub use name_server::NameOptions;
use network::Network;
pub use observe::{Called, Forwarding, InstanceSeen, Seen, TargetSeen, View};
pub use options::{BalancingOptions, DevError, DevOptions};
pub use snapshot::{Snapshot, SnapshotError};

pub use crate::chance;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::dial::Dial;

/// An operation of AWS that the dev cloud models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modelled {
    /// The service, as the AWS CLI calls it: `elbv2`, `ec2`, …
    pub service: &'static str,
    /// AWS's name of the operation.
    pub operation: &'static str,
    /// What is missing of it; empty where nothing is.
    pub gap: &'static str,
}

/// Everything that the dev cloud models; whatever else is asked of it is refused by name.
pub fn operations() -> Vec<Modelled> {
    let of = |service: wire::Service| {
        let named =
            move |each: &model::Operation| Modelled { service: service.name(), operation: each.name, gap: each.gap };
        model::operations(service).iter().map(named)
    };
    wire::Service::ALL.into_iter().flat_map(of).collect()
}

/// What a seed decides. A cloud that goes on from a snapshot must not draw again what the cloud before it has drawn:
/// a new instance would get the id of one that runs.
fn seeded(seed: u64, restored: Option<&Snapshot>) -> Chance {
    let taken_ms = restored.map_or(0, |snapshot| snapshot.taken().as_millisecond());
    Chance::of_seed(seed ^ taken_ms.cast_unsigned())
}

/// A running dev cloud. [`DevCloud::shutdown`] ends it in good order; dropping it ends it at once.
#[derive(Debug)]
pub struct DevCloud {
    cloud: Arc<Cloud>,
    endpoint: SocketAddr,
    dns_endpoint: Option<SocketAddr>,
    in_process: Option<InProcess>,
}

impl DevCloud {
    /// What the clock shows when a dev cloud in-process starts.
    pub const ORIGIN: Timestamp = Timestamp::constant(1_795_219_200, 0);

    /// Starts a dev cloud with nothing in it but its images.
    ///
    /// # Errors
    /// The endpoint's address cannot be bound, the folder for logs cannot be made, or all loopback blocks are claimed.
    pub async fn start(options: DevOptions) -> Result<Self, DevError> {
        let chance = match options.seed {
            Some(seed) => seeded(seed, options.restore.as_ref()),
            None => Chance::unseeded(),
        };
        Self::start_on(options, (Clock::system(), chance, Network::Loopback)).await
    }

    /// Starts a dev cloud without any socket, for tests that own time: every connection is a pipe in memory, instances
    /// are programs in memory ([`Image::in_memory`]), [`DevCloud::sdk_config`] leads straight to the model, and the
    /// clock starts at [`DevCloud::ORIGIN`], or when a restored snapshot was taken, and moves with tokio's.
    ///
    /// On a runtime of one thread under paused time (`#[tokio::test(start_paused = true)]`) two runs with the same seed
    /// make the same calls and get the same answers at the same times. For that the thread's own generator (`fastrand`)
    /// is seeded too: the SDK draws the jitter of its retries and its idempotency tokens from it.
    ///
    /// # Errors
    /// The folder for logs cannot be made, or a DNS server is asked for.
    pub async fn in_process(options: DevOptions) -> Result<Self, DevError> {
        if let Some(endpoint) = options.names.endpoint {
            let source = io::Error::other("a dev cloud in-process has no sockets, so no DNS server either");
            return Err(DevError::Dns { endpoint, source });
        }
        let chance = seeded(options.seed.unwrap_or_default(), options.restore.as_ref());
        fastrand::seed(chance.fork().number());
        let origin = options.restore.as_ref().map_or(Self::ORIGIN, Snapshot::taken);
        let around = (Clock::starting_at(origin), chance, Network::memory());
        let mut this = Self::start_on(options, around).await?;
        this.in_process = Some(InProcess::new(&this.cloud));
        Ok(this)
    }

    async fn start_on(options: DevOptions, around: (Clock, Chance, Network)) -> Result<Self, DevError> {
        let DevOptions {
            endpoint,
            allow_remote,
            catalogue,
            propagation,
            run_delay,
            consistency_delay,
            status_delay,
            dns_delay,
            balancing,
            health_speed,
            metrics_delay,
            metrics_listing_delay,
            faults,
            logs,
            seed: _,
            iam,
            check_signatures,
            limits,
            names,
            buckets,
            restore,
        } = options;
        let timing = Timing {
            propagation,
            run: run_delay,
            consistency: consistency_delay,
            status: status_delay,
            dns: dns_delay,
            balancing,
            health_speed,
            metrics: metrics_delay,
            metrics_listing: metrics_listing_delay,
        };
        let endpoints = [Some(endpoint), names.endpoint];
        if let Some(remote) = endpoints.into_iter().flatten().find(|at| !allow_remote && !at.ip().is_loopback()) {
            return Err(DevError::Remote { endpoint: remote });
        }
        let socket = around.2.bind(endpoint).await.map_err(|source| DevError::Endpoint { endpoint, source })?;
        let endpoint = socket.local_addr().map_err(|source| DevError::Endpoint { endpoint, source })?;
        if let Some(folder) = &logs {
            // What an instance prints is nobody else's business.
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|source| DevError::Logs { folder: folder.clone(), source })?;
        }
        let access = Access::new(iam.as_ref(), check_signatures, &around.1);
        let faults = Faults::new(faults, around.1.fork());
        let refusing = (faults, access, limits.then(Limits::default));
        let world = match restore {
            Some(snapshot) => World::restore(snapshot.into_world(), &around.2),
            None => World::new(&around.2),
        };
        let world = world.map_err(DevError::Block)?;
        let cloud = Cloud::new(timing, (names, buckets), around, refusing, world, (catalogue, logs));
        model::revive(&cloud).await.map_err(DevError::Restore)?;
        model::start_metrics(&cloud);
        cloud.spawn(history::record(cloud.clone()));
        cloud.spawn(server::serve(socket, cloud.clone()));
        model::start_scaling(&cloud);
        let dns_endpoint = match names.endpoint {
            Some(wanted) => {
                let started = name_server::start(&cloud, wanted).await;
                Some(started.map_err(|source| DevError::Dns { endpoint: wanted, source })?)
            }
            None => None,
        };
        Ok(Self { cloud, endpoint, dns_endpoint, in_process: None })
    }

    /// Where DNS is served; `None` if the options ask for none.
    pub fn dns_endpoint(&self) -> Option<SocketAddr> {
        self.dns_endpoint
    }

    /// Where the AWS API is served.
    pub fn endpoint(&self) -> SocketAddr {
        self.endpoint
    }

    /// The same as a URL, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.endpoint)
    }

    /// The block of loopback addresses, for example `127.5.0.0/16`: in VPCs within it, instances are reached on their
    /// private addresses.
    pub fn network(&self) -> String {
        self.cloud.world().block.network().to_string()
    }

    /// The keys of those users of [`DevOptions::iam`] that were given none.
    pub fn generated_keys(&self) -> Vec<GeneratedKey> {
        self.cloud.access.generated_keys()
    }

    /// Access key and secret of somebody who may do everything in the default account.
    pub fn credentials(&self) -> (&str, &str) {
        self.cloud.access.own_credentials()
    }

    /// Configuration for any client of the AWS SDK, with credentials that mean nothing anywhere else and may do
    /// everything here.
    pub fn sdk_config(&self, region: &str) -> SdkConfig {
        let (key, secret) = self.cloud.access.own_credentials();
        let credentials = Credentials::new(key, secret, None, None, "the dev cloud");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.to_owned()))
            .endpoint_url(self.url())
            .credentials_provider(SharedCredentialsProvider::new(credentials));
        match &self.in_process {
            Some(in_process) => in_process.configure(config),
            None => config.build(),
        }
    }

    /// A connector for object_store's S3 client (`AmazonS3Builder::with_http_connector`), whose endpoint is
    /// [`DevCloud::url`]; `None` where the cloud has a socket and needs none.
    pub fn object_store_connector(&self) -> Option<InProcess> {
        self.in_process.clone()
    }

    /// The dev cloud's clock.
    pub fn clock(&self) -> &Clock {
        &self.cloud.clock
    }

    /// The dev cloud's randomness; [`Chance::fork`] it for what must follow the same seed.
    pub fn chance(&self) -> &Chance {
        &self.cloud.chance
    }

    /// A handle on the faults that calls meet; it works while the cloud runs.
    pub fn faults(&self) -> Faults {
        self.cloud.faults.clone()
    }

    /// How often each operation was called, by `service:Operation`, refused and lost calls included.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.cloud.calls()
    }

    /// Counts calls from 0 again.
    pub fn forget_calls(&self) {
        self.cloud.forget_calls();
    }

    /// Adds an image to the catalogue, or replaces it; running instances go on as they are.
    pub fn set_image(&self, id: impl Into<String>, image: Image) {
        self.cloud.catalogue().images.insert(id.into(), image);
    }

    /// The newest messages that were published to a topic, oldest first, delivered or not; at most 1,000 of a region
    /// are kept.
    pub fn published(&self, topic_arn: &str) -> Vec<PublishedMessage> {
        let world = self.cloud.world();
        let regions = world.accounts.values().flat_map(|account| account.regions.values());
        regions.flat_map(|region| region.sns.messages(topic_arn)).collect()
    }

    /// The address that a resolver without a cache would get for `name` now, by the weights of its records.
    pub fn resolve(&self, name: &str) -> Option<IpAddr> {
        self.cloud.world().address_of(&self.cloud, name)
    }

    /// A resolver with an empty cache that keeps answers for their time to live.
    pub fn resolver(&self) -> Resolver {
        Resolver::new(&self.cloud)
    }

    /// What opens connections on the dev cloud's network and knows its names: for the engine, for load, for tests.
    pub fn dial(&self) -> Arc<dyn Dial> {
        Arc::new(Reach::new(&self.cloud))
    }

    /// One GET request over the dev cloud's network, on a connection of its own.
    ///
    /// # Errors
    /// As [`HttpConnection::open`] and [`HttpConnection::send`].
    pub async fn get(&self, url: &str) -> io::Result<http::Response<bytes::Bytes>> {
        client::get(&Reach::new(&self.cloud), url).await
    }

    /// Everything that exists, to start another dev cloud with ([`DevOptions::restore`]).
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.cloud.clock.now(), self.cloud.world().save())
    }

    /// What runs behind the instance of this id, in whichever account and region; `None` where nothing does.
    pub fn machine(&self, instance: &str) -> Option<Arc<Machine>> {
        let world = self.cloud.world();
        let mut regions = world.accounts.values().flat_map(|account| account.regions.values());
        regions.find_map(|region| region.ec2.instances.get(instance)?.machine.clone())
    }

    /// Ends everything: the endpoint, the listeners, and the processes of all instances.
    pub async fn shutdown(self) {
        self.cloud.end_tasks().await;
        self.cloud.take_down().await;
    }
}

impl Drop for DevCloud {
    fn drop(&mut self) {
        // The tasks hold the cloud, and the cloud holds the processes.
        self.cloud.abort_tasks();
    }
}
