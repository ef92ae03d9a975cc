//! Flows of a network load balancer: a client's connection, pinned to one target until either ends.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio_rustls::server::TlsStream;

use super::balancer::Balancer;
use super::connect::{Speaks, connect};
use super::front::Front;
use super::group::{Group, GroupSettings, Wish};
use super::link::{Link, TlsFacts};
use super::relay::{Traffic, Watched};
use super::rule::Action;
use super::target::{Claim, TargetState};
use super::tls::Tls;
use super::wire::{Wire, reset_on_close};
use crate::dev::network::Stream;

/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Relays one connection until it ends.
pub(super) async fn plain(front: Arc<Front>, stream: Stream, client: SocketAddr) {
    let node = front.flow_node();
    let link = Link::new(front, client, node, None);
    run(&link, Wire::Left(stream)).await;
}

/// The same, with TLS up to the load balancer.
pub(super) async fn encrypted(front: Arc<Front>, tls: Tls, stream: Stream, client: SocketAddr) {
    let node = front.flow_node();
    let alpn: Vec<&str> = tls.alpn.iter().map(String::as_str).collect();
    let Some(stream) = front.shake_hands(&tls, &alpn, stream, client, HANDSHAKE_MAX).await else { return };
    let facts = TlsFacts::of(stream.get_ref().1, &tls);
    let link = Link::new(front, client, node, Some(facts));
    run(&link, Wire::Right(Box::new(stream.into()))).await;
}

impl Front {
    /// The node that a new connection comes in by.
    pub(super) fn node(&self) -> usize {
        let nodes = self.views.len();
        if nodes < 2 { 0 } else { usize::try_from(self.balancer.dice.below(nodes as u64)).unwrap_or_default() }
    }

    /// The same for flows: the load balancer's name does not resolve to zones in which no target is healthy, unless
    /// that is so in all of them.
    fn flow_node(&self) -> usize {
        let (first, nodes) = (self.node(), self.views.len());
        let settings = self.balancer.now();
        let usable = |node: &usize| {
            settings.zone_of(*node).is_none_or(|zone| {
                let routes = self.views[*node % nodes].load();
                let mut sent_to = routes.groups().filter(|weighted| weighted.weight > 0);
                sent_to.any(|weighted| {
                    let crosses = weighted.group.settings().cross_zone;
                    Balancer::only_zone(&settings, *node, crosses).is_none_or(|zone| weighted.group.usable_in(zone))
                }) || settings.zones.iter().all(|other| other == zone)
            })
        };
        (first..first + nodes).map(|node| node % nodes).find(usable).unwrap_or(first)
    }

    /// Shakes hands with a client; `None` where that fails, which is counted.
    pub(super) async fn shake_hands(
        &self,
        tls: &Tls,
        alpn: &[&str],
        stream: Stream,
        client: SocketAddr,
        at_most: Duration,
    ) -> Option<TlsStream<Stream>> {
        let refused = |error: &dyn std::fmt::Display| {
            self.balancer.counters.client_tls_errors.one();
            tracing::debug!(%client, %error, "TLS handshake failed");
        };
        let acceptor = tls.acceptor(alpn).inspect_err(|error| refused(error)).ok()?;
        match tokio::time::timeout(at_most, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                refused(&error);
                None
            }
            Err(late) => {
                refused(&late);
                None
            }
        }
    }

    /// The target of a new flow.
    fn choose(&self, link: &Link) -> Option<(Arc<Group>, Arc<GroupSettings>, Claim)> {
        let routes = self.views[link.node % self.views.len()].load();
        let Action::Forward(forward) = &routes.default else { return None };
        let group = match forward.stickiness {
            // Clients keep their group by their address for as long as the weights do not change.
            Some(_) => forward.choose_by(hash(link.client.ip()))?,
            None => forward.choose(&self.balancer.dice)?,
        };
        let settings = group.settings();
        let balancer = self.balancer.now();
        let zone = Balancer::only_zone(&balancer, link.node, settings.cross_zone);
        let wish = Wish { zone, sticky: None, client: link.client.ip() };
        let claim = group.claim(wish, &self.balancer.dice)?;
        Some((group.clone(), settings, claim))
    }
}

fn hash(client: IpAddr) -> u64 {
    super::group::name_key(&client.to_string())
}

/// How a flow ended.
enum End {
    /// One side closed it, and the other has had everything.
    Closed,
    Broken(std::io::Error),
    /// The load balancer ends it, for this reason.
    Reset(&'static str),
}

async fn run(link: &Link, client: Wire) {
    let front = &link.front;
    let counters = &front.balancer.counters;
    let Some((group, settings, claim)) = front.choose(link) else {
        // A group with nobody in it: the connection is reset.
        reset_on_close(&client);
        counters.elb_resets.one();
        return;
    };
    counters.requests.one();
    let target = claim.target().address();
    let speaks = if settings.tls { Speaks::Tls(None) } else { Speaks::Plain };
    let connect_max = front.balancer.now().timeouts.connect;
    let mut upstream = match connect(&front.balancer.network, target, speaks, connect_max).await {
        Ok(upstream) => upstream,
        Err(error) => {
            group.counters.connection_errors.one();
            tracing::debug!(group = group.id(), %target, %error, "no connection for a flow");
            reset_on_close(&client);
            counters.elb_resets.one();
            return;
        }
    };
    group.counters.new_connections.one();
    let traffic = Traffic::new();
    let mut client = Watched::new(client, traffic.clone());
    let end = {
        let relay = async {
            if settings.proxy_protocol {
                upstream.write_all(&proxy_header(link.client, front.address)).await?;
            }
            copy_bidirectional(&mut client, &mut upstream).await
        };
        tokio::select! {
            biased;
            relayed = relay => relayed.map_or_else(End::Broken, |_| End::Closed),
            why = ends(&group, &claim) => End::Reset(why),
            () = traffic.quiet_for(front.settings.load().tcp_idle) => End::Reset("nothing was sent for the idle timeout"),
            () = front.cut.cancelled() => End::Reset("the listener was closed"),
        }
    };
    let (received, sent) = traffic.bytes();
    counters.processed_bytes.add(received + sent);
    group.counters.processed_bytes.add(received + sent);
    match end {
        End::Closed => {}
        End::Broken(error) => {
            tracing::debug!(%target, %error, "a flow broke");
            // It cannot be told which side it was; a target that resets is the rarer case and the more telling one.
            counters.target_resets.one();
            reset_on_close(client.get_ref());
        }
        End::Reset(why) => {
            tracing::debug!(%target, why, "a flow is reset");
            counters.elb_resets.one();
            reset_on_close(client.get_ref());
            reset_on_close(&upstream);
        }
    }
}

/// Ends when the state of the target ends its flows, and says why.
async fn ends(group: &Group, claim: &Claim) -> &'static str {
    let mut states = claim.target().states();
    let unhealthy = async {
        loop {
            // The sender is a field of the target, which the claim holds.
            let _ = states.wait_for(|state| *state == TargetState::Unhealthy).await;
            if group.settings().unhealthy_terminates {
                return;
            }
            let _ = states.wait_for(|state| *state != TargetState::Unhealthy).await;
        }
    };
    let deregistered = async {
        claim.cut().cancelled().await;
        if !group.settings().deregistration_terminates {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        biased;
        () = unhealthy => "its target is unhealthy",
        () = deregistered => "the deregistration delay of its target ran out",
    }
}

/// The PROXY protocol's header, version 2.
fn proxy_header(client: SocketAddr, listener: SocketAddr) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
    match (client.ip(), listener.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.extend([0x11, 0, 12]);
            header.extend(from.octets());
            header.extend(to.octets());
        }
        (from, to) => {
            let octets = |ip| match ip {
                IpAddr::V4(v4) => std::net::Ipv4Addr::to_ipv6_mapped(&v4).octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
            header.extend([0x21, 0, 36]);
            header.extend(octets(from));
            header.extend(octets(to));
        }
    }
    header.extend(client.port().to_be_bytes());
    header.extend(listener.port().to_be_bytes());
    header
}
