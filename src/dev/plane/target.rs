//! A target: an address, its state, and the requests that it is answering.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::group::Group;
use super::pool::Pool;

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
    zone: Option<String>,
    /// How many requests are in flight, times 8, plus the state: one number, so that nobody can claim a target
    /// between "it drains" and "it is empty".
    held: AtomicU64,
    /// How many wait for it to be empty; only then does the last request tell.
    waiting: AtomicU64,
    emptied: tokio::sync::Notify,
    /// For flows, which last longer than a state does.
    states: watch::Sender<TargetState>,
    cut: CancellationToken,
    slow_start: SlowStart,
    group: OnceLock<Weak<Group>>,
    pub(super) pool: Pool,
}

/// Since when a target has been warming up.
#[derive(Debug, Default)]
struct SlowStart {
    running: AtomicBool,
    since: Mutex<Option<Instant>>,
}

const STATES: [TargetState; 5] =
    [TargetState::Initial, TargetState::Healthy, TargetState::Unhealthy, TargetState::Unused, TargetState::Draining];
const ONE_IN_FLIGHT: u64 = 8;

fn state_of(held: u64) -> TargetState {
    // Only indices of `STATES` are ever stored; three bits could hold more.
    STATES.get((held % ONE_IN_FLIGHT) as usize).copied().unwrap_or(TargetState::Unused)
}

impl Target {
    /// A target at `address`, with nothing in flight.
    pub fn new(address: SocketAddr, state: TargetState) -> Arc<Self> {
        Self::in_zone(address, state, None)
    }

    /// A target at `address` in an Availability Zone; without one it belongs to every zone.
    pub fn in_zone(address: SocketAddr, state: TargetState, zone: Option<String>) -> Arc<Self> {
        Arc::new(Self {
            address,
            zone,
            held: AtomicU64::new(state as u64),
            waiting: AtomicU64::new(0),
            emptied: tokio::sync::Notify::new(),
            states: watch::Sender::new(state),
            cut: CancellationToken::new(),
            slow_start: SlowStart::default(),
            group: OnceLock::new(),
            pool: Pool::default(),
        })
    }

    /// Where requests go.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its Availability Zone.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// Its state.
    pub fn state(&self) -> TargetState {
        state_of(self.held.load(Ordering::Acquire))
    }

    /// Changes its state; the next request that is routed sees it.
    pub fn set_state(&self, state: TargetState) {
        let change = |held: u64| Some(held - held % ONE_IN_FLIGHT + state as u64);
        let before = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).map_or(state, state_of);
        if before == state {
            return;
        }
        if state == TargetState::Healthy {
            if self.group.get().and_then(Weak::upgrade).is_some_and(|group| group.starts_slowly(self)) {
                *self.slow_start.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                self.slow_start.running.store(true, Ordering::Release);
            }
        } else {
            self.slow_start.running.store(false, Ordering::Release);
        }
        self.states.send_replace(state);
    }

    /// How many requests it is answering: from the choice of the target to the last byte of the answer.
    pub fn in_flight(&self) -> usize {
        usize::try_from(self.held.load(Ordering::Acquire) / ONE_IN_FLIGHT).unwrap_or(usize::MAX)
    }

    /// Waits until it is answering nothing. Call it on a draining target, else new requests can follow.
    pub async fn drained(&self) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(self);
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Enabled before the count is looked at: what empties it from here on wakes us.
            emptied.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Ends what is in flight: a request without an answer yet gets a 502, an answer that has begun is cut off, a
    /// WebSocket is closed, and flows are where their group says so.
    ///
    /// This is what happens when the deregistration delay runs out. An answer that its client does not read is noticed
    /// only when the client reads on or goes away, so do not wait for [`Target::drained`] afterwards. It cannot be
    /// undone; a target that is registered again is a new one.
    pub fn cut(&self) {
        self.set_state(TargetState::Draining);
        self.cut.cancel();
        self.pool.close();
    }

    /// Its states from now on.
    pub(super) fn states(&self) -> watch::Receiver<TargetState> {
        self.states.subscribe()
    }

    pub(super) fn belongs_to(&self, group: &Weak<Group>) {
        // A target is registered with one group; that it is listed again changes nothing.
        let _ = self.group.set(group.clone());
    }

    /// Whether it is in its slow start of this length, and what share of its traffic it gets, from 0 to 1,000.
    pub(super) fn ramp(&self, length: Duration) -> Option<u64> {
        if !self.slow_start.running.load(Ordering::Acquire) {
            return None;
        }
        let since = (*self.slow_start.since.lock().unwrap_or_else(PoisonError::into_inner))?;
        let elapsed = since.elapsed();
        if elapsed >= length {
            self.slow_start.running.store(false, Ordering::Release);
            return None;
        }
        u64::try_from(elapsed.as_micros() * 1000 / length.as_micros().max(1)).ok()
    }

    /// Counts a request in, if the target's state is one of those that `accept` takes.
    pub(super) fn claim(self: &Arc<Self>, accept: impl Fn(TargetState) -> bool) -> Option<Claim> {
        let count_in = |held| accept(state_of(held)).then_some(held + ONE_IN_FLIGHT);
        let claimed = self.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, count_in).is_ok();
        claimed.then(|| Claim { target: self.clone() })
    }
}

struct Waiting<'a>(&'a Target);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One request that a target is answering. Dropping it counts the request out.
#[derive(Debug)]
pub(super) struct Claim {
    target: Arc<Target>,
}

impl Claim {
    pub(super) fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Ends when the deregistration delay has run out.
    pub(super) fn cut(&self) -> &CancellationToken {
        &self.target.cut
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let before = self.target.held.fetch_sub(ONE_IN_FLIGHT, Ordering::AcqRel);
        if before / ONE_IN_FLIGHT == 1 && self.target.waiting.load(Ordering::Acquire) > 0 {
            self.target.emptied.notify_waiters();
        }
    }
}
