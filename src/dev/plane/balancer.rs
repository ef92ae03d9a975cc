//! What all listeners of one load balancer share: settings, nodes, counts, the key of its cookies, its access log.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::counts::{BalancerCounters, BalancerCounts};
use super::dice::Dice;
use super::log::{AccessLog, LogPlace};
use super::seal::Seal;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::dev::network::Network;

/// A load balancer as the data plane sees it. Made by the control plane, shared by its listeners.
#[derive(Debug)]
pub struct Balancer {
    name: String,
    pub(super) network: Network,
    pub(super) clock: Clock,
    pub(super) dice: Dice,
    pub(super) seal: Seal,
    pub(super) counters: BalancerCounters,
    settings: ArcSwap<Settings>,
    log: ArcSwapOption<AccessLog>,
}

/// What a load balancer's attributes, subnets and the dev cloud's options say about traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long it waits for what.
    pub timeouts: Timeouts,
    /// `routing.http2.enabled`: whether clients may speak HTTP/2 (over TLS, as on AWS).
    pub http2: bool,
    /// `routing.http.drop_invalid_header_fields.enabled`: headers whose name has anything but letters, digits and
    /// hyphens are not forwarded.
    pub drop_invalid_headers: bool,
    /// `routing.http.preserve_host_header.enabled`: else the listener's port is added to a Host that names none.
    pub preserve_host: bool,
    /// `routing.http.x_amzn_tls_version_and_cipher_suite.enabled`.
    pub tls_headers: bool,
    /// `routing.http.xff_client_port.enabled`.
    pub client_port: bool,
    /// `routing.http.xff_header_processing.mode`.
    pub forwarded_for: ForwardedFor,
    /// `load_balancing.cross_zone.enabled`: whether nodes send to targets in other zones, unless a group says
    /// otherwise.
    pub cross_zone: bool,
    /// The zones it is enabled in. Without any, zones play no part.
    pub zones: Vec<String>,
    /// Each zone has so many nodes; at least 1.
    pub nodes_per_zone: usize,
    /// Where its access log goes; `None` is none.
    pub access_log: Option<LogPlace>,
}

/// How long a load balancer waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the TCP connection to a target; then the client gets a 504.
    pub connect: Duration,
    /// While nothing is sent, on either side; then the client gets a 504, or its idle connection is closed. Connections
    /// to targets are kept for as long, as on AWS: targets must keep theirs longer.
    pub idle: Duration,
    /// How old a client's connection may become: the next answer after that closes it.
    pub client_keep_alive: Duration,
}

/// What becomes of `X-Forwarded-For`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedFor {
    /// The client's address is added at the end.
    Append,
    /// It is sent as it came.
    Preserve,
    /// It is taken away.
    Remove,
}

impl Default for Timeouts {
    /// An Application Load Balancer's: 10 s, 60 s, an hour.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            client_keep_alive: Duration::from_secs(3600),
        }
    }
}

impl Default for Settings {
    /// AWS's defaults for an Application Load Balancer, with one node that knows no zone.
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            http2: true,
            drop_invalid_headers: false,
            preserve_host: false,
            tls_headers: false,
            client_port: false,
            forwarded_for: ForwardedFor::Append,
            cross_zone: true,
            zones: Vec::new(),
            nodes_per_zone: 1,
            access_log: None,
        }
    }
}

impl Settings {
    /// How many nodes it has: at least one per zone.
    pub fn nodes(&self) -> usize {
        self.zones.len().max(1) * self.nodes_per_zone.max(1)
    }

    /// The zone that a node is in.
    pub fn zone_of(&self, node: usize) -> Option<&str> {
        let at = node.checked_rem(self.zones.len())?;
        self.zones.get(at).map(String::as_str)
    }
}

impl Balancer {
    /// A load balancer without listeners and with default settings; `name` is the end of its ARN, for example
    /// `app/shop/0123456789abcdef`. All that it leaves to chance is decided by `chance`.
    pub fn new(name: impl Into<String>, network: Network, clock: Clock, chance: &Chance) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            network,
            clock,
            dice: Dice::of(chance),
            seal: Seal::new(chance),
            counters: BalancerCounters::default(),
            settings: ArcSwap::default(),
            log: ArcSwapOption::empty(),
        })
    }

    /// The end of its ARN.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether hyper may write the machine's time of day into answers: a test on a network in memory does not own it.
    pub(super) fn dated(&self) -> bool {
        matches!(self.network, Network::Loopback)
    }

    /// How it works now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Changes how it works; the next request sees it, and the next connection what concerns connections. A listener
    /// keeps the number of nodes that it was bound with. Call it within a runtime: it may start a log.
    pub fn set_settings(self: &Arc<Self>, settings: Settings) {
        let place = settings.access_log.clone();
        let before = self.settings.swap(Arc::new(settings));
        if before.access_log != place {
            let log = place.map(|place| Arc::new(AccessLog::start(place, &self.name, self.clock.clone(), &self.dice)));
            self.log.store(log);
        }
    }

    /// What was counted so far.
    pub fn counts(&self) -> BalancerCounts {
        self.counters.read()
    }

    /// Writes the access log's open files now instead of at the end of their five minutes.
    pub async fn flush_log(&self) {
        if let Some(log) = self.log.load_full() {
            log.flush().await;
        }
    }

    pub(super) fn now(&self) -> arc_swap::Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// The access log, if there is one.
    pub(super) fn log(&self) -> Option<Arc<AccessLog>> {
        // The guard first: without a log this is one read of a pointer.
        self.log.load().as_ref().map(Arc::clone)
    }

    /// The zone that a node may send to, for a group that does (not) cross zones.
    pub(super) fn only_zone(settings: &Settings, node: usize, crosses: Option<bool>) -> Option<&str> {
        if crosses.unwrap_or(settings.cross_zone) { None } else { settings.zone_of(node) }
    }
}
