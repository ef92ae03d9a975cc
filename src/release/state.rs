//! The state of an environment: a fold over the journal's events.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Color, Effect, EffectResult, Event, FlipReason, Launched, Person, Phase, Pins, Problem, ReleaseId, Unsent, follows,
};

/// What the journal says about an environment. The load balancer has the last word on where the traffic is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The newest release, finished or not.
    pub release: Option<Release>,
    /// What switchback put on each color.
    pub occupants: BTreeMap<Color, Occupant>,
    /// When the traffic was last moved by us.
    pub last_flip: Option<Timestamp>,
    /// The announced mutating call that may still land: its outcome is not recorded, or an attempt had no answer.
    pub pending: Option<Pending>,
    /// Until when an earlier call, whose outcome was never learned, may still land.
    pub late_until: Option<Timestamp>,
    /// When each color may last have had traffic, as far as it is recorded; nothing for one that was emptied since.
    pub carried: BTreeMap<Color, Timestamp>,
    /// The last change of DNS records, until it is recorded that it has reached every resolver.
    pub spreading: Option<Spreading>,
    /// What no release explains and is being taken down.
    pub leftovers: Option<Leftovers>,
}

/// Instances that carry the environment's tags and that no release explains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftovers {
    /// The color in their tags.
    pub color: Color,
    /// Instance ids.
    pub instances: Vec<String>,
}

/// A change of DNS records that resolvers may not follow yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spreading {
    /// When it was announced.
    pub since: Timestamp,
    /// Its id, where AWS's answer arrived.
    pub change: Option<String>,
    /// When it was recorded that every authoritative server has it.
    pub synced: Option<Timestamp>,
}

/// A mutating call without a recorded outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The call.
    pub effect: Effect,
    /// After this time it is not sent any more.
    pub deadline: Timestamp,
}

/// The call that was announced last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// The call.
    pub effect: Effect,
    /// When it was announced last.
    pub at: Timestamp,
    /// How often in a row it was announced.
    pub times: u32,
}

/// A write of the switch that AWS accepted. Where the world does not show it, somebody else has undone it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The write.
    pub effect: Effect,
    /// When the answer was recorded.
    pub at: Timestamp,
}

/// What switchback put on a color.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occupant {
    /// The release that put it there.
    pub release: ReleaseId,
    /// Its image.
    pub image: String,
    /// Its instances.
    pub instances: Vec<Launched>,
    /// When they were provisioned.
    pub since: Timestamp,
}

/// A release: one image on its way to the traffic, or back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Its id.
    pub id: ReleaseId,
    /// The immutable image.
    pub image: String,
    /// The color that had the traffic when it started.
    pub from: Color,
    /// The color it brings up.
    pub to: Color,
    /// How many healthy targets `to` must have.
    pub count: u32,
    /// How many healthy targets `from` had when it started.
    pub from_count: u32,
    /// What is fixed for the whole release.
    pub pins: Pins,
    /// When it started.
    pub started_at: Timestamp,
    /// Where it stands.
    pub phase: Phase,
    /// Where its traffic is.
    pub moved: Moved,
    /// Why it failed or was undone, where it was.
    pub failure: Option<Problem>,
    /// Whether a rollback was told to flip regardless of health.
    pub forced: bool,
    /// Subnets whose launch AWS accepted.
    pub launched: BTreeSet<String>,
    /// How often the flip was announced, but for those that were not sent.
    pub flips: u32,
    /// The call that was announced last: one that does not show in the world is not repeated for ever.
    pub announced: Option<Announced>,
    /// The write of the switch that AWS accepted last, unless a person has decided since how to go on.
    pub accepted: Option<Accepted>,
    /// What AWS refused last, until it is dealt with.
    pub refused: Option<Problem>,
    /// How many effects in a row had no answer.
    pub unanswered: u32,
    /// How often the phase's clock has started anew because a run had died.
    pub restarts: u32,
    /// How many effects in a row were announced and not sent.
    pub unsent: u32,
    /// What somebody else was last seen to have changed right before a write of ours.
    pub foreign: Option<ForeignWrite>,
    /// Who took the traffic as right where somebody else had put it, where that came last.
    pub adopted: Option<Adoption>,
}

/// A change of somebody else, seen right before a call that then was not sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignWrite {
    /// When it was seen.
    pub at: Timestamp,
    /// What was seen.
    pub saw: String,
}

/// A person took the live state as right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// Who.
    pub by: Person,
    /// When.
    pub at: Timestamp,
    /// Why, in their words.
    pub reason: Option<String>,
    /// The color that had the traffic as far as the journal knew.
    pub was: Color,
    /// The color that had all of it.
    pub live: Color,
}

/// Whether a release has moved the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moved {
    /// The traffic is on `from`, where it always was.
    Not,
    /// The traffic is on `to`.
    Forward,
    /// The traffic went to `to` and is on `from` again.
    Back,
}

impl Release {
    /// The color that has the traffic, as far as this release knows.
    pub fn live(&self) -> &Color {
        match self.moved {
            Moved::Not | Moved::Back => &self.from,
            Moved::Forward => &self.to,
        }
    }

    /// The color that does not have the traffic.
    pub fn idle(&self) -> &Color {
        match self.moved {
            Moved::Not | Moved::Back => &self.to,
            Moved::Forward => &self.from,
        }
    }
}

/// An event that cannot follow the events before it: the journal was not written by this program's rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event `{event}` cannot follow: the release is {phase}")]
pub struct IllegalEvent {
    /// Name of the event.
    pub event: &'static str,
    /// Where the release stood.
    pub phase: String,
}

impl State {
    /// The state after `events`, each with the time it was recorded.
    ///
    /// # Errors
    /// [`IllegalEvent`] for the first event that cannot follow.
    pub fn replay<'a>(events: impl IntoIterator<Item = (Timestamp, &'a Event)>) -> Result<Self, IllegalEvent> {
        let mut state = Self::default();
        for (at, event) in events {
            state.apply(at, event)?;
        }
        Ok(state)
    }

    /// Takes one event in.
    ///
    /// # Errors
    /// [`IllegalEvent`] where the event cannot follow; the state is unchanged then.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Result<(), IllegalEvent> {
        if let Event::ReleaseStarted { release, image, from, to, count, from_count, pins } = event {
            let previous = self.release.as_ref();
            let two_colors = from != to && pins.groups.contains_key(from) && pins.groups.contains_key(to);
            if !two_colors || previous.is_some_and(|r| !r.phase.is_settled()) {
                return Err(illegal(event, previous.map(|r| &r.phase)));
            }
            if previous.is_none_or(|r| r.live() != from) {
                // Somebody else moved the traffic here, nobody knows when.
                self.carried.insert(to.clone(), at);
            }
            self.late_until = later(self.late_until, self.pending.take());
            self.release = Some(Release {
                id: release.clone(),
                image: image.clone(),
                from: from.clone(),
                to: to.clone(),
                count: *count,
                from_count: *from_count,
                pins: pins.clone(),
                started_at: at,
                phase: Phase::Clearing,
                moved: Moved::Not,
                failure: None,
                forced: false,
                launched: BTreeSet::new(),
                flips: 0,
                announced: None,
                accepted: None,
                refused: None,
                unanswered: 0,
                restarts: 0,
                unsent: 0,
                foreign: None,
                adopted: None,
            });
            self.leftovers = None;
            return Ok(());
        }
        let Some(release) = &mut self.release else { return Err(illegal(event, None)) };
        let next = follows::phase_after(release, self.leftovers.as_ref(), at, event)
            .ok_or_else(|| illegal(event, Some(&release.phase)))?;
        let moving = matches!(release.phase, Phase::Switching | Phase::RollingBack);
        match event {
            Event::Intent { effect, deadline } => {
                let times = release.announced.take().filter(|a| a.effect == *effect).map_or(0, |a| a.times) + 1;
                release.announced = Some(Announced { effect: effect.clone(), at, times });
                self.late_until = later(self.late_until, self.pending.take());
                self.pending = Some(Pending { effect: effect.clone(), deadline: *deadline });
                release.refused = None;
                if matches!(effect, Effect::Flip { .. }) {
                    release.flips += 1;
                    let dns = release.pins.ttl_seconds() > 0;
                    self.spreading = dns.then_some(Spreading { since: at, change: None, synced: None });
                }
            }
            Event::Outcome { result } => {
                let Some(pending) = self.pending.take() else { return Err(illegal(event, Some(&release.phase))) };
                if !matches!(result, EffectResult::NotSent { .. }) {
                    release.unsent = 0;
                }
                match result {
                    EffectResult::Accepted { change } | EffectResult::Repeated { change } => {
                        release.unanswered = 0;
                        if pending.effect.writes_the_switch() {
                            release.accepted = Some(Accepted { effect: pending.effect.clone(), at });
                        }
                        match &pending.effect {
                            Effect::Launch { subnet, .. } => drop(release.launched.insert(subnet.clone())),
                            Effect::Flip { .. } => {
                                if let Some(spreading) = &mut self.spreading {
                                    spreading.change.clone_from(change);
                                }
                            }
                            Effect::Reference { .. }
                            | Effect::Register { .. }
                            | Effect::Deregister { .. }
                            | Effect::Terminate { .. } => {}
                        }
                        if matches!(result, EffectResult::Repeated { .. }) {
                            // A copy of it may still land.
                            self.pending = Some(pending);
                        }
                    }
                    EffectResult::Refused { problem } => {
                        release.unanswered = 0;
                        release.refused = Some(problem.clone());
                    }
                    EffectResult::Unknown { .. } => {
                        release.unanswered += 1;
                        // The call may still land until its deadline, so it stays announced.
                        self.pending = Some(pending);
                    }
                    EffectResult::NotSent { why, saw } => {
                        release.unsent += 1;
                        // There is nothing that could show.
                        release.announced = release
                            .announced
                            .take()
                            .filter(|a| a.times > 1)
                            .map(|a| Announced { times: a.times - 1, ..a });
                        if matches!(pending.effect, Effect::Flip { .. }) {
                            release.flips = release.flips.saturating_sub(1);
                        }
                        if *why == Unsent::ForeignWriter {
                            release.foreign = Some(ForeignWrite { at, saw: saw.clone() });
                        }
                    }
                }
            }
            Event::Provisioned { instances } => {
                self.occupants.insert(
                    release.to.clone(),
                    Occupant {
                        release: release.id.clone(),
                        image: release.image.clone(),
                        instances: instances.clone(),
                        since: at,
                    },
                );
            }
            Event::Switched => {
                release.moved = Moved::Forward;
                self.last_flip = Some(at);
                self.late_until = later(self.late_until, self.pending.take());
            }
            Event::RolledBack { .. } => {
                release.moved = Moved::Back;
                self.last_flip = Some(at);
                self.late_until = later(self.late_until, self.pending.take());
            }
            Event::NotSwitched => self.late_until = later(self.late_until, self.pending.take()),
            Event::Failed { problem } => release.failure = Some(problem.clone()),
            Event::RollbackStarted { reason, skipped } => {
                release.forced = !skipped.is_empty();
                if let FlipReason::Failed { problem } = reason {
                    release.failure = Some(problem.clone());
                }
                // A rollback out of `switching` follows a read-back that showed the new color live.
                release.moved = Moved::Forward;
                (release.announced, release.accepted) = (None, None);
            }
            Event::Resumed => {
                (release.announced, release.accepted) = (None, None);
                // While a person decided, the traffic may have been anywhere.
                self.carried.insert(release.idle().clone(), at);
            }
            Event::Adopted { by, reason, was, live, .. } => {
                let forward = *live == release.to;
                let ours = self.occupants.get(live).is_some_and(|o| o.release == release.id);
                release.moved = if forward { Moved::Forward } else { Moved::Back };
                release.failure = (!(forward && ours)).then(|| Problem {
                    saw: format!("somebody else moved all traffic to {live}, and {by} took that as right"),
                    expected: format!("all traffic on {was}"),
                    run: vec![],
                });
                release.adopted =
                    Some(Adoption { by: by.clone(), at, reason: reason.clone(), was: was.clone(), live: live.clone() });
                (release.forced, release.foreign) = (false, None);
                (release.announced, release.accepted) = (None, None);
                self.last_flip = Some(at);
                self.late_until = later(self.late_until, self.pending.take());
                // Nobody knows when the traffic was moved, nor by which change of records.
                self.carried.extend([(release.from.clone(), at), (release.to.clone(), at)]);
                self.spreading =
                    (release.pins.ttl_seconds() > 0).then_some(Spreading { since: at, change: None, synced: None });
            }
            Event::Cleared | Event::Aborted | Event::Retired => {
                self.occupants.remove(release.idle());
                self.carried.remove(release.idle());
                // The color was seen empty, which is the outcome of a call that a crash has left without one.
                self.late_until = later(self.late_until, self.pending.take());
            }
            Event::Converged => self.spreading = None,
            Event::ClockRestarted { .. } => release.restarts += 1,
            Event::Synced => {
                let Some(spreading) = &mut self.spreading else { return Err(illegal(event, Some(&release.phase))) };
                spreading.synced.get_or_insert(at);
            }
            Event::LeftoversFound { color, instances } => {
                self.leftovers = Some(Leftovers { color: color.clone(), instances: instances.clone() });
                (release.refused, release.unanswered) = (None, 0);
            }
            Event::LeftoversRemoved => {
                self.leftovers = None;
                self.late_until = later(self.late_until, self.pending.take());
                (release.refused, release.unanswered) = (None, 0);
            }
            Event::ReleaseStarted { .. }
            | Event::Warmed
            | Event::SmokePassed
            | Event::Retained { .. }
            | Event::AbortRequested
            | Event::RetirementStarted
            | Event::Blocked { .. } => {}
        }
        if moving || matches!(event, Event::Intent { effect: Effect::Flip { .. }, .. }) {
            self.carried.extend([(release.from.clone(), at), (release.to.clone(), at)]);
        }
        if std::mem::discriminant(&next) != std::mem::discriminant(&release.phase)
            && !matches!(event, Event::Blocked { .. })
        {
            // What AWS refused, or did not answer, belongs to the phase it happened in.
            release.refused = None;
            release.unanswered = 0;
            release.restarts = 0;
            // But a flip that is not sent goes to and fro between two phases.
            if !matches!(event, Event::Intent { .. } | Event::NotSwitched) {
                release.unsent = 0;
            }
        }
        release.phase = next;
        Ok(())
    }
}

/// Until when calls may land, now that `given_up` is not waited for any more. Calls that take an idle color down
/// name what they take down, so they can land late.
fn later(late_until: Option<Timestamp>, given_up: Option<Pending>) -> Option<Timestamp> {
    let Some(Pending { effect, deadline }) = given_up else { return late_until };
    match effect {
        Effect::Deregister { .. } | Effect::Terminate { .. } => late_until,
        Effect::Reference { .. } | Effect::Launch { .. } | Effect::Register { .. } | Effect::Flip { .. } => {
            late_until.max(Some(deadline))
        }
    }
}

fn illegal(event: &Event, phase: Option<&Phase>) -> IllegalEvent {
    IllegalEvent { event: event.name(), phase: phase.map_or_else(|| "not there".into(), |p| p.name().into()) }
}
