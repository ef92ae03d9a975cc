//! A target group: the current targets, which of them is next, and what was counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use http::StatusCode;

use super::target::{Claim, Target, TargetState};

/// A target group as the data plane sees it. Shared by `Arc` between the control plane and any number of
/// [`super::Routes`].
#[derive(Debug)]
pub struct Group {
    id: String,
    targets: ArcSwap<Vec<Arc<Target>>>,
    next: AtomicUsize,
    counters: Counters,
}

/// What a group has seen since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupCounts {
    /// Requests that a rule sent to this group, answered or not.
    pub requests: u64,
    /// Answers that came from a target, by the first digit of the status: `[1xx, 2xx, 3xx, 4xx, 5xx]`.
    pub target_answers: [u64; 5],
    /// Answers that the load balancer had to make up: no target (503), reset (502), too late (504).
    pub made_up: u64,
    /// Requests that were sent although no target was healthy ("fail open").
    pub failed_open: u64,
}

#[derive(Debug, Default)]
struct Counters {
    requests: AtomicU64,
    target_answers: [AtomicU64; 5],
    made_up: AtomicU64,
    failed_open: AtomicU64,
}

impl Group {
    /// An empty group; `id` is only for logs.
    pub fn new(id: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            id: id.into(),
            targets: ArcSwap::default(),
            next: AtomicUsize::new(0),
            counters: Counters::default(),
        })
    }

    /// What it was called when it was made.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The targets that it has now, draining ones included.
    pub fn targets(&self) -> Arc<Vec<Arc<Target>>> {
        self.targets.load_full()
    }

    /// Replaces the list of targets at once. A target that is left out gets no new request; what it has in flight goes
    /// on.
    pub fn set_targets(&self, targets: Vec<Arc<Target>>) {
        self.targets.store(Arc::new(targets));
    }

    /// What was counted so far.
    pub fn counts(&self) -> GroupCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        GroupCounts {
            requests: read(&self.counters.requests),
            target_answers: std::array::from_fn(|class| read(&self.counters.target_answers[class])),
            made_up: read(&self.counters.made_up),
            failed_open: read(&self.counters.failed_open),
        }
    }

    /// Claims the next target: round robin over the healthy ones; over all registered ones where none is healthy;
    /// `None` where nothing is registered or everything is unused.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.counters.requests.fetch_add(1, Ordering::Relaxed);
        let targets = self.targets.load();
        if let Some(claim) = self.claim_among(&targets, |state| state == TargetState::Healthy) {
            return Some(claim);
        }
        let registered = |state| matches!(state, TargetState::Initial | TargetState::Healthy | TargetState::Unhealthy);
        let claim = self.claim_among(&targets, registered)?;
        self.counters.failed_open.fetch_add(1, Ordering::Relaxed);
        Some(claim)
    }

    fn claim_among(&self, targets: &[Arc<Target>], accept: impl Fn(TargetState) -> bool + Copy) -> Option<Claim> {
        let fit = targets.iter().filter(|target| accept(target.state())).count();
        if fit == 0 {
            return None;
        }
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % fit;
        // The one whose turn it is, then every other one: states may have changed since they were counted.
        let in_turn = targets.iter().filter(|target| accept(target.state())).skip(turn);
        in_turn.chain(targets).find_map(|target| target.claim(accept))
    }

    pub(super) fn count_target_answer(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.counters.target_answers.get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn count_made_up(&self) {
        self.counters.made_up.fetch_add(1, Ordering::Relaxed);
    }
}
