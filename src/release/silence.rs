//! Whether a color that must get no requests gets none, by the load balancer's own count.

#![expect(clippy::result_large_err, reason = "one decision per step, taken at once and never stored")]

use jiff::{SignedDuration, Timestamp};

use crate::planted::{Bug, bug};

use super::decide::{Context, Decision, Step, ask};
use super::{BusyMinute, Color, Problem, Question, RequestCount};

/// How long after the end of a minute its counts may still grow: nodes report one after the other.
pub const COUNTED_LATE: SignedDuration = SignedDuration::from_mins(2);

/// CloudWatch's resolution for load balancers.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Why it is not proven that a color gets no requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotSilent {
    /// What was seen, in words.
    pub(super) saw: String,
    /// Whether requests were seen; otherwise it cannot be told, or not yet.
    pub(super) requests: bool,
    /// When it may be proven at the earliest; `None` where that cannot be told.
    pub(super) until: Option<Timestamp>,
}

impl Step<'_> {
    /// Asks for the count of `color`, and says why it is not yet proven that no request has come since `since`.
    /// `Ok(None)` when it is proven, or nobody wants it proven.
    ///
    /// # Errors
    /// The question, where it has to be asked first.
    pub(super) fn not_silent(&self, color: &Color, since: Timestamp) -> Result<Option<NotSilent>, Decision> {
        let wanted = self.cx.policy.no_requests;
        if wanted.is_zero() {
            return Ok(None);
        }
        let earliest = since + wanted + COUNTED_LATE;
        if self.cx.now < earliest {
            let saw = format!("CloudWatch tells the requests of {color} {COUNTED_LATE:#} late");
            return Ok(Some(NotSilent { saw, requests: false, until: Some(earliest) }));
        }
        if let Some(decision) = ask(self.facts, [Question::Requests(color.clone())]) {
            return Err(decision);
        }
        Ok(self.facts.requests.get(color).and_then(|count| not_zero(self.cx, color, since, count)))
    }

    /// What a person is told who has to decide because `color` is not silent, and whether a listener or a rule is known
    /// that sends to it past the switch.
    ///
    /// # Errors
    /// The question, where it has to be asked first.
    pub(super) fn not_silent_problem(&self, color: &Color, seen: &NotSilent) -> Result<(Problem, bool), Decision> {
        let cx = self.cx;
        let mut problem = Problem {
            saw: seen.saw.clone(),
            expected: format!(
                "no request for {color} in {:#}, by CloudWatch (`no-requests: 0s` under `release.converge` leaves it \
                 unasked)",
                cx.policy.no_requests
            ),
            run: vec![format!("switchback status {}", cx.env)],
        };
        if !seen.requests {
            return Ok((problem, false));
        }
        if let Some(decision) = ask(self.facts, [Question::References(color.clone())]) {
            return Err(decision);
        }
        let sender = self.facts.references.get(color).and_then(|r| r.in_the_way(color, &[], &cx.env));
        let known = sender.is_some();
        if let Some(sender) = sender {
            problem.saw = format!("{}; {}", problem.saw, sender.saw);
            problem.run = sender.run;
        }
        Ok((problem, known))
    }
}

/// Why the count does not prove that no request has come for long enough; `None` when it does.
fn not_zero(cx: &Context, color: &Color, since: Timestamp, count: &RequestCount) -> Option<NotSilent> {
    let (from, through, last) = match count {
        RequestCount::Counted { from, through, last } => (*from, *through, *last),
        RequestCount::Unknown { saw } => {
            if bug(Bug::UnknownIsConverged) {
                return None;
            }
            let saw = format!("cannot tell whether {color} still gets requests: {saw}");
            return Some(NotSilent { saw, requests: false, until: None });
        }
    };
    let silent_since = last.map_or(since.max(from), |busy| busy.end.max(since).max(from));
    let proven = silent_since + cx.policy.no_requests;
    if through >= proven {
        return None;
    }
    let until = Some(proven + COUNTED_LATE).filter(|at| *at > cx.now);
    // A minute that began before the traffic left had requests by right.
    Some(match last.filter(|busy| busy.end >= since + MINUTE) {
        Some(BusyMinute { end, count }) => NotSilent {
            saw: format!("{color} still got {count} request(s) in the minute to {end}, by CloudWatch's count"),
            requests: true,
            until,
        },
        None => NotSilent {
            saw: format!("CloudWatch has counted the requests of {color} only up to {through}"),
            requests: false,
            until,
        },
    })
}
