//! `adopt`: what somebody else made of the traffic becomes the truth, because a person says so.

use jiff::Timestamp;

use super::decide::{Decision, Ending, Step, ask};
use super::strangers::foreign_writer;
use super::{Color, Event, Phase, Problem, Question, Release, Traffic};

impl Step<'_> {
    /// The one event of an `adopt`, or why there is none. Nothing is written to AWS.
    pub(super) fn adopt(&self) -> Decision {
        let (release, cx) = (self.release, self.cx);
        if cx.acted {
            return Decision::Stop(Ending::Done);
        }
        let (from, to) = (&release.from, &release.to);
        let questions = [Question::Traffic, Question::Targets(from.clone()), Question::Targets(to.clone())];
        if let Some(decision) = ask(self.facts, questions) {
            return decision;
        }
        let live = match &self.facts.traffic {
            Some(Traffic::Only { color, .. }) => color,
            Some(other) => return refused(self.not_on_one_color(other)),
            None => return Decision::Ask([Question::Traffic].into()),
        };
        if after(release, live, cx.now, cx.now).is_none() {
            let text = format!("all traffic goes to {live}, where release {} has it: nothing to adopt", release.id);
            return Decision::Stop(Ending::Nothing(text));
        }
        let targets = &self.facts.targets[live];
        if targets.healthy() == 0 {
            return refused(Problem::new(
                format!("all traffic goes to {live}, which has no healthy target: {}", targets.describe()),
                format!("at least one healthy target on {live}, or nothing shows that it serves"),
                format!("switchback status {} # prints the command that moves the traffic back", cx.env),
            ));
        }
        if let Some(wait) = self.may_still_land() {
            return wait;
        }
        Decision::Record(Event::Adopted {
            by: cx.by.clone(),
            reason: cx.reason.clone(),
            was: release.live().clone(),
            live: live.clone(),
            until: cx.decided_at + cx.policy.retain.max(cx.policy.quiet + cx.policy.ttl),
        })
    }

    fn not_on_one_color(&self, traffic: &Traffic) -> Problem {
        let problem = foreign_writer(self.cx, self.release.live(), traffic);
        Problem { expected: "all traffic on one color, or there is no one color to take as live".into(), ..problem }
    }
}

fn refused(problem: Problem) -> Decision {
    Decision::Stop(Ending::Refused(problem))
}

/// The phase after a person has taken `live` as right; `None` where that says nothing new.
///
/// A release whose own instances got all the traffic early goes on from there. Any other has come to its end, one way
/// or the other, and the color without traffic is kept until `until`.
pub(super) fn after(release: &Release, live: &Color, at: Timestamp, until: Timestamp) -> Option<Phase> {
    let forward = match live {
        live if *live == release.to => true,
        live if *live == release.from => false,
        _ => return None,
    };
    let stands = if let Phase::Blocked { at, .. } = &release.phase { at } else { &release.phase };
    let settled = if forward { Phase::Retaining { until } } else { Phase::RolledBack { until } };
    match stands {
        Phase::Warming { .. } | Phase::Smoke | Phase::Staged | Phase::Switching if forward => {
            Some(Phase::Converging { since: at })
        }
        // A rollback that cannot be made is given up; one that somebody else has made is made.
        Phase::RollingBack => Some(settled),
        Phase::Clearing
        | Phase::Provisioning { .. }
        | Phase::Warming { .. }
        | Phase::Smoke
        | Phase::Staged
        | Phase::Switching
        | Phase::Converging { .. }
        | Phase::Baking { .. }
        | Phase::Retaining { .. }
        | Phase::Retiring
        | Phase::Done
        | Phase::Aborting
        | Phase::Aborted
        | Phase::RolledBack { .. }
        | Phase::Blocked { .. } => (live != release.live()).then_some(settled),
    }
}
