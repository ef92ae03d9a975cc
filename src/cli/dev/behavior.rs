//! The flags of `switchback dev` that say how the dev cloud behaves: how long things take, what goes wrong, who may do
//! what.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::dev::access::Iam;
use crate::dev::faults::{self, Fault};
use crate::dev::machine::Catalogue;
use crate::dev::{BalancingOptions, BucketOptions, DevOptions, NameOptions};

/// How the dev cloud behaves.
#[derive(Debug, Args)]
pub(super) struct Behavior {
    /// Port of the AWS API; 0 takes a free one.
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// Address of the AWS API and of DNS. One that is not loopback needs --allow-remote.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Allow --bind with an address that other machines can reach: whoever reaches it can start the programs of all
    /// images here.
    #[arg(long)]
    allow_remote: bool,
    /// Decides all that is left to chance: ids, weighted choices, delays, uncertain faults. Another run each time
    /// without it.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// How long after a rule change's success the load balancer follows.
    #[arg(long, value_name = "DURATION", default_value = "500ms", value_parser = duration, help_heading = TIMES)]
    propagation: Duration,
    /// Health-check intervals are divided by this: AWS's shortest is 5 s.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000),
        help_heading = TIMES)]
    health_speed: u32,
    /// How long an instance is `pending`, at least.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = TIMES)]
    run_delay: Duration,
    /// How long after a launch describe calls may still not find an instance.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = TIMES)]
    consistency_delay: Duration,
    /// How long status checks of a running instance say `initializing`.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = TIMES)]
    status_delay: Duration,
    /// How long a new load balancer is `provisioning`.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = TIMES)]
    provision_delay: Duration,
    /// From a target's registration to its first health check.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = TIMES)]
    registration_delay: Duration,
    /// How long, at most, a target group that no rule uses any more still cannot be deleted.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration, help_heading = TIMES)]
    linger: Duration,
    /// How many nodes a load balancer has in each of its zones.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16),
        help_heading = TIMES)]
    nodes_per_zone: u16,
    /// How much later than the first node of a load balancer the last one follows a rule change.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = TIMES)]
    node_skew: Duration,
    /// How long a DNS change is `PENDING`.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = TIMES)]
    dns_delay: Duration,
    /// From the end of a minute to its metrics being there to read; up to two minutes on AWS.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = TIMES)]
    metrics_delay: Duration,
    /// From a metric's first point to `ListMetrics` showing it; up to 15 minutes on AWS.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = TIMES)]
    metrics_listing_delay: Duration,

    /// Serve DNS on this port, UDP and TCP; 0 takes a free one.
    #[arg(long, value_name = "PORT", help_heading = NAMES)]
    dns_port: Option<u16>,
    /// Each of a zone's four name servers learns of a change at a time of its own.
    #[arg(long, help_heading = NAMES)]
    dns_skew: bool,
    /// How long a change of a hosted zone is in process, and the next one gets `PriorRequestNotComplete`.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, help_heading = NAMES)]
    dns_processing: Duration,
    /// Load balancers have names as on AWS, which only the dev cloud's DNS server knows.
    #[arg(long, requires = "dns_port", help_heading = NAMES)]
    balancer_names: bool,
    /// A bucket whose writes ignore their conditions, as some stores do that call themselves compatible; `*` for all.
    #[arg(long, value_name = "BUCKET", help_heading = NAMES)]
    unconditional_bucket: Vec<String>,

    /// A fault that calls meet: CALLS=KIND,FIELD=VALUE,…, for example 'elbv2:ModifyRule=throttle,every=3'.
    ///
    /// CALLS is a service and an operation, with `*` for any text: ec2:Describe*, ec2:*, *. KIND is throttle; error
    /// (with code, and status and message if wanted); lose-answer; delay, delay-effect or stale (each with by, for
    /// example by=2s); reset; or reset-after-effect. every=N, after=N, times=N and probability=P say which calls meet
    /// it.
    #[arg(long = "fault", value_name = "FAULT", help_heading = WRONG)]
    fault: Vec<Fault>,
    /// A YAML file of faults: `faults:`, and below it a list with the same fields.
    #[arg(long, value_name = "FILE", help_heading = WRONG)]
    faults: Option<PathBuf>,
    /// Refuse calls that come too often, by token buckets of AWS's sizes.
    #[arg(long, help_heading = WRONG)]
    limits: bool,
    /// A YAML or JSON file of accounts, users and roles: their policies are enforced, and nobody else may call.
    #[arg(long, value_name = "FILE", help_heading = WRONG)]
    iam: Option<PathBuf>,
    /// Check signatures. Without --iam, every access key's secret is dev-cloud.
    #[arg(long, help_heading = WRONG)]
    check_signatures: bool,
}

const TIMES: &str = "How long things take";
const NAMES: &str = "DNS and S3";
const WRONG: &str = "What goes wrong, and who may do what";

impl Behavior {
    /// The options of a dev cloud with these images, whose instances log to `logs`.
    ///
    /// # Errors
    /// A file cannot be used; what is wrong, for people.
    pub(super) fn options(&self, catalogue: Catalogue, logs: Option<PathBuf>) -> Result<DevOptions, String> {
        let mut faults = self.fault.clone();
        if let Some(file) = &self.faults {
            faults.extend(faults::load(file).map_err(|error| error.to_string())?);
        }
        let iam = self.iam.as_deref().map(Iam::load).transpose().map_err(|error| error.to_string())?;
        Ok(DevOptions {
            endpoint: SocketAddr::new(self.bind, self.port),
            allow_remote: self.allow_remote,
            catalogue,
            propagation: self.propagation,
            run_delay: self.run_delay,
            consistency_delay: self.consistency_delay,
            status_delay: self.status_delay,
            dns_delay: self.dns_delay,
            balancing: BalancingOptions {
                provision: self.provision_delay,
                registration: self.registration_delay,
                linger: self.linger,
                nodes_per_zone: self.nodes_per_zone,
                node_skew: self.node_skew,
            },
            health_speed: self.health_speed,
            metrics_delay: self.metrics_delay,
            metrics_listing_delay: self.metrics_listing_delay,
            faults,
            logs,
            seed: self.seed,
            iam,
            check_signatures: self.check_signatures,
            limits: self.limits,
            names: NameOptions {
                endpoint: self.dns_port.map(|port| SocketAddr::new(self.bind, port)),
                skew: self.dns_skew,
                processing: self.dns_processing,
                balancer_names: self.balancer_names,
            },
            buckets: BucketOptions {
                unconditional: self.unconditional_bucket.iter().cloned().collect(),
                ..BucketOptions::default()
            },
            restore: None,
        })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from(span).map_err(|_| "must not be negative".into())
}
