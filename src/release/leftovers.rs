//! Leftovers: what carries the environment's tags and no release explains, such as a launch that landed after its
//! release was undone.

use std::collections::BTreeSet;

use super::decide::{Decision, Ending, Step, ask};
use super::references::unless_used;
use super::refusal::UNSENT_MAX;
use super::takedown::take_down_only;
use super::{Color, Effect, Event, InstanceFact, Phase, Question};

impl Step<'_> {
    /// One step towards an environment without leftovers; `None` when there are none. For settled releases only.
    ///
    /// Only what a release has launched can be a leftover, and nothing is one that is registered with the live color.
    pub(super) fn leftovers(&self) -> Option<Decision> {
        let (live, idle) = (self.release.live(), self.release.idle());
        let mut questions = vec![Question::Instances(live.clone()), Question::Instances(idle.clone())];
        if self.is_emptied() {
            questions.push(Question::Targets(idle.clone()));
        }
        if let Some(decision) = ask(self.facts, questions) {
            return Some(decision);
        }
        let suspects = [idle, live].map(|color| self.unexplained(color));
        if suspects.iter().all(Vec::is_empty) {
            return self.no_leftovers();
        }
        let questions = [Question::Targets(live.clone()), Question::Targets(idle.clone())];
        if let Some(decision) = ask(self.facts, questions) {
            return Some(decision);
        }
        let [on_idle, on_live] = suspects.map(|ids| self.without_what_serves(ids));
        let of_color = |color: &Color| if color == idle { &on_idle } else { &on_live };
        if self.state.leftovers.as_ref().is_some_and(|left| of_color(&left.color).is_empty()) {
            return self.no_leftovers();
        }
        let (color, ids) = match (on_idle.is_empty(), on_live.is_empty()) {
            (false, _) => (idle, on_idle),
            (true, false) => (live, on_live),
            (true, true) => return self.no_leftovers(),
        };
        if let Some(ending) = self.refused_not_long_ago() {
            return Some(Decision::Stop(ending));
        }
        Some(self.take_down_leftovers(color, ids))
    }

    fn no_leftovers(&self) -> Option<Decision> {
        self.state.leftovers.as_ref().map(|_| Decision::Record(Event::LeftoversRemoved))
    }

    /// Whether everything on the idle color was taken down, so that nothing on it can be explained.
    fn is_emptied(&self) -> bool {
        matches!(self.release.phase, Phase::Done | Phase::Aborted)
    }

    /// The instances of `color` that a release launched and that no release has put there, as far as is recorded; of an
    /// emptied color also those that are gone and still registered.
    fn unexplained(&self, color: &Color) -> Vec<String> {
        let known: BTreeSet<&str> = match self.state.occupants.get(color) {
            Some(occupant) => occupant.instances.iter().map(|i| i.id.as_str()).collect(),
            None => BTreeSet::new(),
        };
        let registered = |i: &InstanceFact| {
            let targets = self.facts.targets.get(self.release.idle()).filter(|_| self.is_emptied());
            targets.is_some_and(|t| t.registered().any(|t| t.id == i.id))
        };
        let launched = self.facts.instances[color].iter().filter(|i| i.release.is_some());
        let there = launched.filter(|i| i.alive() || registered(i));
        there.filter(|i| !known.contains(i.id.as_str())).map(|i| i.id.clone()).collect()
    }

    /// `ids` without those that are registered where the traffic is, or where it could go back to.
    fn without_what_serves(&self, ids: Vec<String>) -> Vec<String> {
        let (live, idle) = (self.release.live(), self.release.idle());
        let behind = |color: &Color, id: &str| self.facts.targets[color].list.iter().any(|t| t.id == id);
        let kept = |id: &str| behind(live, id) || (!self.is_emptied() && behind(idle, id));
        ids.into_iter().filter(|id| !kept(id)).collect()
    }

    fn take_down_leftovers(&self, color: &Color, ids: Vec<String>) -> Decision {
        let announced = self.state.leftovers.as_ref();
        if announced.is_none_or(|l| l.color != *color || !ids.iter().all(|id| l.instances.contains(id))) {
            return Decision::Record(Event::LeftoversFound { color: color.clone(), instances: ids });
        }
        let idle = self.release.idle();
        let in_group = |id: &str| self.facts.targets[idle].list.iter().any(|t| t.id == id);
        if ids.iter().any(|id| in_group(id)) {
            let registered: BTreeSet<&str> = ids.iter().map(String::as_str).filter(|id| in_group(id)).collect();
            return match take_down_only(self, |id| registered.contains(id)) {
                // A release that is over has no phase in which it could be blocked.
                Some(Decision::Record(Event::Blocked { problem })) => Decision::Stop(Ending::Blocked(problem)),
                Some(decision) => decision,
                None => Decision::Wait { reason: format!("{idle} drains"), until: None },
            };
        }
        if self.cx.acted && self.release.unsent >= UNSENT_MAX {
            return Decision::Stop(Ending::Blocked(self.never_sent()));
        }
        if let Some(wait) = self.may_still_land() {
            return wait;
        }
        match unless_used(self, idle, Effect::Terminate { color: color.clone(), instances: ids }) {
            Decision::Record(Event::Blocked { problem }) => Decision::Stop(Ending::Blocked(problem)),
            decision @ (Decision::Ask(_)
            | Decision::Act(_)
            | Decision::Record(_)
            | Decision::Wait { .. }
            | Decision::Stop(_)) => decision,
        }
    }
}
