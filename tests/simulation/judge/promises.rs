//! What was promised is kept: a deploy that nothing disturbs succeeds.

use std::collections::BTreeMap;
use std::time::Duration;

use switchback::release::Phase;

use super::super::plan::{Behavior, Verb};
use super::super::trace::{Line, What};
use super::Invariant;
use super::scene::{Scene, Site};

/// What happened so long before a deploy still counts as a disturbance of it.
const BEFORE: Duration = Duration::from_secs(300);

/// A run renews its lease this long before its end, less what a slow answer takes.
const LEASE_LEFT_MS: i64 = 35_000;

/// Deploys that nothing may disturb.
#[derive(Default)]
pub(super) struct Promises {
    /// By process: the environment, and when it began.
    sure: BTreeMap<u64, (usize, Duration)>,
}

impl Invariant for Promises {
    fn name(&self) -> &'static str {
        "an undisturbed deploy succeeds"
    }

    fn line(&mut self, scene: &Scene, line: &Line) -> Result<(), String> {
        let Some(number) = line.runner else { return Ok(()) };
        match &line.what {
            What::Started { environment, verb } => {
                if must_succeed(scene, number, *environment) {
                    self.sure.insert(number, (*environment, line.at));
                } else if !verb.starts_with("Reconcile") {
                    // Whoever else works on it is a disturbance.
                    self.sure.retain(|_, (other, _)| other != environment);
                }
                Ok(())
            }
            What::Ended { exit, why } => {
                let Some((environment, began)) = self.sure.remove(&number) else { return Ok(()) };
                if *exit == 0 || disturbed(scene, environment, began) {
                    return Ok(());
                }
                let name = &scene.sites[environment].name;
                Err(format!("runner {number} was to deploy to {name}, undisturbed, and ended with {exit}: {why}"))
            }
            _ => Ok(()),
        }
    }
}

fn must_succeed(scene: &Scene, number: u64, environment: usize) -> bool {
    let Some(runner) = scene.plan.runners.iter().find(|runner| runner.number == number) else { return false };
    let Verb::Deploy { version, .. } = runner.verb else { return false };
    let site: &Site = &scene.sites[environment];
    let settled = match site.release() {
        None => true,
        // The phases in which nothing is under way, nor expires soon.
        Some(release) => matches!(release.phase, Phase::Done | Phase::Aborted),
    };
    // A clock that is ahead takes a lease for expired that is about to be renewed.
    let lease_holds = scene.plan.schedule.as_ref().is_none_or(|s| s.clock_ms - runner.clock_ms < LEASE_LEFT_MS);
    let alone = !scene.plan.runners.iter().any(|other| {
        let near = other.at_ms.abs_diff(runner.at_ms) < 20 * 60_000;
        other.number != number && other.environment == environment && near
    });
    settled
        && alone
        && lease_holds
        && site.journal.holder.is_none()
        && scene.foreign_writes(environment).next().is_none()
        && runner.troubles.is_empty()
        && matches!(scene.plan.images[version], Behavior::Well)
}

/// Whether anything of the plan touches the time since then.
fn disturbed(scene: &Scene, environment: usize, began: Duration) -> bool {
    let troubled_schedule = scene.plan.schedule.as_ref().is_some_and(|schedule| !schedule.troubles.is_empty());
    let weather = scene.plan.events.iter().filter(|event| event.what.touches(environment)).any(|event| {
        let at = Duration::from_millis(event.at_ms);
        at <= scene.now() && at + event.what.lasts() + BEFORE >= began
    });
    let ill = scene.plan.images.iter().any(|behavior| matches!(behavior, Behavior::Dies { .. }));
    weather || troubled_schedule || ill || scene.foreign_writes(environment).next().is_some()
}
