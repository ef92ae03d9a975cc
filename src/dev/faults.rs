//! Faults that calls to the dev cloud meet on purpose: throttling, refusals, lost answers, delays.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
}

/// A fault, and which calls meet it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    seen: u64,
    met: u64,
}

impl Fault {
    /// A fault of every call that `calls` names: `elbv2:ModifyRule`, `ec2:*`, or `*`.
    pub fn new(calls: impl Into<String>, kind: FaultKind) -> Self {
        Self { calls: calls.into(), kind, every: 1, skip: 0, times: None, seen: 0, met: 0 }
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

    fn covers(&self, service: &str, operation: &str) -> bool {
        match self.calls.split_once(':') {
            None => self.calls == "*",
            Some((of, which)) => of == service && (which == "*" || which == operation),
        }
    }

    /// Counts a call; whether it meets the fault.
    fn meets(&mut self) -> bool {
        self.seen += 1;
        let counted = self.seen.saturating_sub(self.skip);
        let met = counted > 0 && counted.is_multiple_of(self.every) && self.times.is_none_or(|times| self.met < times);
        self.met += u64::from(met);
        met
    }
}

/// A handle on the faults of a dev cloud, to change them while it runs. Clones share the same faults.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Fault>>>);

impl Faults {
    /// These faults from the start.
    pub fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self(Arc::new(Mutex::new(faults.into_iter().collect())))
    }

    /// Adds one; its counts start at 0 with the next call.
    pub fn add(&self, fault: Fault) {
        self.faults().push(fault);
    }

    /// Removes all of them.
    pub fn clear(&self) {
        self.faults().clear();
    }

    /// Every fault counts the call; the first that it meets is what happens.
    pub(super) fn meet(&self, service: &str, operation: &str) -> Option<FaultKind> {
        let mut first = None;
        for fault in self.faults().iter_mut().filter(|fault| fault.covers(service, operation)) {
            if first.is_none() && fault.meets() {
                first = Some(fault.kind.clone());
            } else if first.is_some() {
                fault.seen += 1;
            }
        }
        first
    }

    fn faults(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultKind {
    /// The error of a refusal: status, code and message; `None` for the service's throttling error or no refusal.
    pub(super) fn refusal(&self) -> Option<(u16, Cow<'static, str>, String)> {
        match self {
            Self::Refuse { status, code, message } => Some((*status, Cow::Owned(code.clone()), message.clone())),
            Self::Throttle | Self::LoseAnswer | Self::Delay(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(fault: Fault, calls: usize) -> String {
        let faults = Faults::new([fault]);
        (0..calls).map(|_| if faults.meet("elbv2", "ModifyRule").is_some() { 'x' } else { '.' }).collect()
    }

    #[test]
    fn a_fault_hits_every_nth_call_after_a_skip_and_only_so_often() {
        assert_eq!(pattern(Fault::throttle("*"), 4), "xxxx");
        assert_eq!(pattern(Fault::throttle("elbv2:*").every(3), 7), "..x..x.");
        assert_eq!(pattern(Fault::throttle("elbv2:ModifyRule").after(2).times(1), 5), "..x..");
    }

    #[test]
    fn a_fault_leaves_other_operations_alone() {
        let faults = Faults::new([Fault::lose_answer("elbv2:ModifyRule")]);
        assert_eq!(faults.meet("elbv2", "DescribeRules"), None);
        assert_eq!(faults.meet("ec2", "ModifyRule"), None);
        assert_eq!(faults.meet("elbv2", "ModifyRule"), Some(FaultKind::LoseAnswer));
    }
}
