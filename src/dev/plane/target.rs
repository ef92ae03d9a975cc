//! A target: an address, its state, and the requests that it is answering.

use std::net::SocketAddr;
use std::sync::Arc;

use http::uri::Authority;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Whether a target gets requests, in the words of ELBv2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetState {
    /// Registered, first checks running: gets requests only where no target of the group is healthy.
    Initial,
    /// Gets requests.
    Healthy,
    /// Fails its checks: gets requests only where no target of the group is healthy.
    Unhealthy,
    /// Never gets requests: not referenced, zone not enabled, stopped.
    Unused,
    /// Deregistered: gets no new request, those in flight go on.
    Draining,
}

/// One address that requests are forwarded to. Made by the control plane, shared with the [`super::Group`] by `Arc`.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    authority: Authority,
    held: watch::Sender<Held>,
    cut: CancellationToken,
}

/// Changed only under the channel's lock, so that nobody can claim a target between "it drains" and "it is empty".
#[derive(Debug)]
struct Held {
    state: TargetState,
    in_flight: usize,
}

impl Target {
    /// A target at `address`, with nothing in flight.
    pub fn new(address: SocketAddr, state: TargetState) -> Arc<Self> {
        let authority = Authority::try_from(address.to_string())
            .expect("a socket address is written as host:port, which is an authority");
        Arc::new(Self {
            address,
            authority,
            held: watch::Sender::new(Held { state, in_flight: 0 }),
            cut: CancellationToken::new(),
        })
    }

    /// Where requests go.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its state.
    pub fn state(&self) -> TargetState {
        self.held.borrow().state
    }

    /// Changes its state; the next request that is routed sees it.
    pub fn set_state(&self, state: TargetState) {
        self.held.send_if_modified(|held| {
            held.state = state;
            false
        });
    }

    /// How many requests it is answering: from the choice of the target to the last byte of the answer.
    pub fn in_flight(&self) -> usize {
        self.held.borrow().in_flight
    }

    /// Waits until it is answering nothing. Call it on a draining target, else new requests can follow.
    pub async fn drained(&self) {
        // The sender is our own field, so the channel cannot be closed while we wait.
        let _ = self.held.subscribe().wait_for(|held| held.in_flight == 0).await;
    }

    /// Ends what is in flight: a request without an answer yet gets a 502, an answer that has begun is cut off.
    ///
    /// This is what happens when the deregistration delay runs out. An answer that its client does not read is noticed
    /// only when the client reads on or goes away, so do not wait for [`Target::drained`] afterwards. It cannot be
    /// undone; a target that is registered again is a new one.
    pub fn cut(&self) {
        self.set_state(TargetState::Draining);
        self.cut.cancel();
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Counts a request in, if the target's state is one of those that `accept` takes.
    pub(super) fn claim(self: &Arc<Self>, accept: impl Fn(TargetState) -> bool) -> Option<Claim> {
        let mut claimed = false;
        self.held.send_if_modified(|held| {
            claimed = accept(held.state);
            held.in_flight += usize::from(claimed);
            false
        });
        claimed.then(|| Claim { target: self.clone() })
    }
}

/// One request that a target is answering. Dropping it counts the request out.
#[derive(Debug)]
pub(super) struct Claim {
    target: Arc<Target>,
}

impl Claim {
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Ends when the deregistration delay has run out.
    pub(super) fn cut(&self) -> &CancellationToken {
        &self.target.cut
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.target.held.send_if_modified(|held| {
            held.in_flight -= 1;
            held.in_flight == 0
        });
    }
}
