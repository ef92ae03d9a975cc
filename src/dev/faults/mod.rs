//! Faults that calls to the dev cloud meet on purpose: throttling, refusals, lost answers, delays, stale reads, resets.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod` | what a fault is, and which calls meet it |
//! | `written` | how users write it: on the command line, in a file, over the admin endpoint |

#[cfg(test)]
mod tests;
mod written;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use wildmatch::WildMatch;

use crate::chance::Chance;
pub use written::{FaultFileError, FaultListed, load};

/// How many faults there can be at once.
const FAULTS_MAX: usize = 1_000;
/// How old the world of a stale read can be at most.
pub const STALE_MAX: Duration = Duration::from_secs(3_600);
/// How long a call can be delayed at most.
pub const DELAY_MAX: Duration = Duration::from_secs(3_600);

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Refused for coming too often, in the service's own words; nothing changes.
    Throttle,
    /// Refused with this error; nothing changes.
    Refuse {
        /// HTTP status, 400 to 599.
        status: u16,
        /// AWS's error code, for example `InsufficientInstanceCapacity`.
        code: String,
        /// For people.
        message: String,
    },
    /// It takes effect, then the connection is closed instead of an answer.
    LoseAnswer,
    /// It takes effect at once, but the answer comes this much later.
    Delay(Duration),
    /// It takes effect only after this long, and is answered then.
    DelayEffect(Duration),
    /// A call that only reads is answered as the world was this long ago; others do not meet it, nor do those to S3.
    /// Older than the first such fault is nothing: until then they are answered as the world was when it was set.
    Stale(Duration),
    /// The connection is reset; nothing changes.
    Reset,
    /// It takes effect, then the connection is reset.
    ResetAfterEffect,
}

/// A fault, and which calls meet it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// `elbv2:ModifyRule`, `ec2:*` or `*`.
    calls: String,
    kind: FaultKind,
    /// Only every nth of those calls.
    every: u64,
    /// How many calls go well before the first is counted.
    skip: u64,
    /// At most so often.
    times: Option<u64>,
    /// How likely a call that would meet it does.
    probability: f64,
}

/// A fault and what has become of it.
#[derive(Debug, Clone)]
struct Armed {
    id: u64,
    fault: Fault,
    seen: u64,
    met: u64,
}

impl Fault {
    /// A fault of every call that `calls` names: `elbv2:ModifyRule`, `ec2:Describe*`, `ec2:*`, or `*`.
    pub fn new(calls: impl Into<String>, kind: FaultKind) -> Self {
        Self { calls: calls.into(), kind, every: 1, skip: 0, times: None, probability: 1.0 }
    }

    /// Calls are refused with the service's throttling error.
    pub fn throttle(calls: impl Into<String>) -> Self {
        Self::new(calls, FaultKind::Throttle)
    }

    /// Calls are refused with HTTP 400 and this code.
    pub fn refuse(calls: impl Into<String>, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(calls, FaultKind::Refuse { status: 400, code: code.into(), message: message.into() })
    }

    /// Calls take effect, but are never answered.
    pub fn lose_answer(calls: impl Into<String>) -> Self {
        Self::new(calls, FaultKind::LoseAnswer)
    }

    /// Calls that only read are answered as the world was this long ago.
    pub fn stale(calls: impl Into<String>, by: Duration) -> Self {
        Self::new(calls, FaultKind::Stale(by))
    }

    /// Only every `n`th call meets it (1 is each of them; 0 counts as 1).
    pub fn every(mut self, n: u64) -> Self {
        self.every = n.max(1);
        self
    }

    /// The first `n` calls go well.
    pub fn after(mut self, n: u64) -> Self {
        self.skip = n;
        self
    }

    /// It happens `n` times, then never again.
    pub fn times(mut self, n: u64) -> Self {
        self.times = Some(n);
        self
    }

    /// A call that would meet it does so with this probability, from 0 to 1, as the dev cloud's seed decides.
    pub fn probability(mut self, probability: f64) -> Self {
        self.probability = if probability.is_nan() { 0.0 } else { probability.clamp(0.0, 1.0) };
        self
    }

    fn covers(&self, service: &str, operation: &str, reads: bool) -> bool {
        let named = self.calls == "*" || WildMatch::new(&self.calls).matches(&format!("{service}:{operation}"));
        // What S3 answers is never stale: AWS promises that a read sees the writes before it.
        named && (reads && service != "s3" || !matches!(self.kind, FaultKind::Stale(_)))
    }
}

impl Armed {
    /// Counts a call; whether it meets the fault.
    fn meets(&mut self, chance: &Chance) -> bool {
        self.seen += 1;
        let Fault { every, skip, times, probability, .. } = self.fault;
        let counted = self.seen.saturating_sub(skip);
        let due = counted > 0 && counted.is_multiple_of(every) && times.is_none_or(|times| self.met < times);
        // Nothing is drawn for what is certain, so that a certain fault shifts no other draw.
        let met = due && (probability >= 1.0 || chance.happens(probability));
        self.met += u64::from(met);
        met
    }
}

/// A handle on the faults of a dev cloud, to change them while it runs. Clones share the same faults.
#[derive(Debug, Clone)]
pub struct Faults(Arc<Mutex<State>>, watch::Sender<()>);

#[derive(Debug)]
struct State {
    armed: Vec<Armed>,
    /// The id of the next one.
    next: u64,
    chance: Chance,
}

/// There are as many faults as there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {FAULTS_MAX} faults already, and no more can be added: clear some first")]
pub struct TooManyFaults;

impl Faults {
    /// These faults from the start; `chance` decides about those that are not certain.
    pub fn new(faults: impl IntoIterator<Item = Fault>, chance: Chance) -> Self {
        let this = Self(Arc::new(Mutex::new(State { armed: Vec::new(), next: 1, chance })), watch::Sender::new(()));
        faults.into_iter().for_each(|fault| this.add(fault));
        this
    }

    /// Adds one; its counts start at 0 with the next call.
    ///
    /// There is no bound here: whoever holds this handle runs in the same process.
    pub fn add(&self, fault: Fault) {
        self.state().add(fault);
        self.1.send_replace(());
    }

    /// To wait for faults that are added or removed.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.1.subscribe()
    }

    /// Adds one that somebody else asked for, and answers its id.
    ///
    /// # Errors
    /// There are too many.
    pub(super) fn add_bounded(&self, fault: Fault) -> Result<u64, TooManyFaults> {
        let mut state = self.state();
        if state.armed.len() >= FAULTS_MAX {
            return Err(TooManyFaults);
        }
        let id = state.add(fault);
        self.1.send_replace(());
        Ok(id)
    }

    /// Removes all of them.
    pub fn clear(&self) {
        self.state().armed.clear();
        self.1.send_replace(());
    }

    /// Removes the one with this id; whether there was one.
    pub(super) fn remove(&self, id: u64) -> bool {
        let mut state = self.state();
        let before = state.armed.len();
        state.armed.retain(|armed| armed.id != id);
        self.1.send_replace(());
        state.armed.len() < before
    }

    /// All of them, with how often each was met.
    pub fn list(&self) -> Vec<FaultListed> {
        let state = self.state();
        state.armed.iter().map(|armed| FaultListed::new(&armed.fault, armed.id, (armed.seen, armed.met))).collect()
    }

    /// How far back the oldest world is that a stale read may ask for; `None` if none does.
    pub(super) fn stale_by_at_most(&self) -> Option<Duration> {
        let state = self.state();
        let by = state.armed.iter().filter_map(|armed| match armed.fault.kind {
            FaultKind::Stale(by) => Some(by),
            _ => None,
        });
        by.max()
    }

    /// Every fault counts the call; the first that it meets is what happens.
    pub(super) fn meet(&self, service: &str, operation: &str, reads: bool) -> Option<FaultKind> {
        let mut state = self.state();
        let State { armed, chance, .. } = &mut *state;
        let mut first = None;
        for armed in armed.iter_mut().filter(|armed| armed.fault.covers(service, operation, reads)) {
            if first.is_some() {
                armed.seen += 1;
            } else if armed.meets(chance) {
                first = Some(armed.fault.kind.clone());
            }
        }
        first
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, fault: Fault) -> u64 {
        let id = self.next;
        self.next += 1;
        self.armed.push(Armed { id, fault, seen: 0, met: 0 });
        id
    }
}
