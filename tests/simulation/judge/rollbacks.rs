//! While a color is retained, a rollback succeeds in one command.

use std::collections::BTreeMap;
use std::time::Duration;

use switchback::release::Phase;

use super::super::plan::Verb;
use super::super::trace::{Line, What};
use super::Invariant;
use super::scene::{By, Scene, Site};

/// The retention must last so much longer: clocks differ by two minutes, and a rollback takes some seconds.
const LEFT: Duration = Duration::from_secs(180);
/// A rollback that waits for a call of a dead process takes so long at most.
const TAKES: Duration = Duration::from_secs(150);

/// The invariant's name.
pub(crate) const ROLLBACKS: &str = "a rollback succeeds while the color is retained";

/// Rollbacks that must succeed.
#[derive(Default)]
pub(super) struct Rollbacks {
    /// By process: the environment, the color that must have the traffic afterwards, and when it began.
    sure: BTreeMap<u64, (usize, usize, Duration)>,
}

impl Invariant for Rollbacks {
    fn name(&self) -> &'static str {
        ROLLBACKS
    }

    fn line(&mut self, scene: &Scene, line: &Line) -> Result<(), String> {
        let Some(number) = line.runner else { return Ok(()) };
        match &line.what {
            What::Started { environment, .. } => {
                if let Some(color) = must_succeed(scene, number, *environment) {
                    self.sure.insert(number, (*environment, color, line.at));
                } else if self.is_a_persons(scene, number) {
                    // Two people at once: the second takes the lease from the first.
                    self.sure.retain(|_, (other, _, _)| other != environment);
                }
                Ok(())
            }
            What::Ended { exit, why } => {
                let Some((environment, color, began)) = self.sure.remove(&number) else { return Ok(()) };
                let site = &scene.sites[environment];
                let back = site.weights.now()[color] > 0 && site.weights.now()[1 - color] == 0;
                if (*exit == 0 && back) || disturbed(scene, environment, color, began) {
                    return Ok(());
                }
                Err(format!(
                    "runner {number} was to roll {} back to its retained color {color} and ended with {exit} ({why}): \
                     weights {:?}",
                    site.name,
                    site.weights.now()
                ))
            }
            _ => Ok(()),
        }
    }
}

impl Rollbacks {
    fn is_a_persons(&self, scene: &Scene, number: u64) -> bool {
        let runner = scene.plan.runners.iter().find(|runner| runner.number == number);
        runner.is_some_and(|runner| {
            matches!(runner.verb, Verb::Rollback { .. } | Verb::Abort | Verb::Adopt | Verb::BreakLease)
        })
    }
}

/// The color that the process must bring the traffic back to, if nothing can excuse a failure.
fn must_succeed(scene: &Scene, number: u64, environment: usize) -> Option<usize> {
    let runner = scene.plan.runners.iter().find(|runner| runner.number == number)?;
    let (Verb::Rollback { .. }, true) = (runner.verb, runner.troubles.is_empty()) else { return None };
    let site = &scene.sites[environment];
    let release = site.release()?;
    let Phase::Retaining { until } = release.phase else { return None };
    let color = Site::place_of(&release.from);
    let needed = release.from_count.max(1) as usize;
    let lasts = scene.since_start(until) >= scene.now() + LEFT;
    let ours = !matches!(site.written, Some((By::Foreign, _)));
    (lasts && ours && *site.healthy[color].now() >= needed).then_some(color)
}

/// Whether something happened meanwhile that a rollback need not get over in one command.
fn disturbed(scene: &Scene, environment: usize, color: usize, began: Duration) -> bool {
    let site = &scene.sites[environment];
    let release = site.release();
    let needed = release.map_or(1, |release| release.from_count.max(1) as usize);
    let sick = site.healthy[color].back_to(began).any(|healthy| *healthy < needed);
    let weather = scene.plan.events.iter().filter(|event| event.what.touches(environment)).any(|event| {
        let at = Duration::from_millis(event.at_ms);
        at <= scene.now() && at + event.what.lasts() + Duration::from_secs(30) >= began
    });
    sick || weather || scene.now() > began + TAKES
}
