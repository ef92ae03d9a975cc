//! No request fails that would not have failed without a release.
//!
//! A failure is excused by what the plan did to the machines and to the switch itself, never by what we did.

use std::time::Duration;

use super::super::plan::WorldEvent;
use super::super::trace::{Line, What};
use super::Invariant;
use super::scene::{By, Scene, Site};

/// A request that was under way when something broke fails this much later at most.
const UNDER_WAY: Duration = Duration::from_secs(12);

#[derive(Default)]
pub(super) struct Clients {
    told: u32,
}

impl Invariant for Clients {
    fn name(&self) -> &'static str {
        "no request fails"
    }

    fn line(&mut self, scene: &Scene, line: &Line) -> Result<(), String> {
        let What::Failed { environment, saw } = &line.what else { return Ok(()) };
        // One failure tells as much as a hundred.
        if self.told >= 3 || excused(scene, *environment) {
            return Ok(());
        }
        self.told += 1;
        let site = &scene.sites[*environment];
        let states = [0, 1].map(|color: usize| site.targets[color].iter().map(|t| t.state).collect::<Vec<_>>());
        Err(format!(
            "a request to {} failed ({saw}): weights {:?}, routed by {:?}, targets {states:?}",
            site.name,
            site.weights.now(),
            site.routed
        ))
    }
}

fn excused(scene: &Scene, environment: usize) -> bool {
    let site = &scene.sites[environment];
    hangs(scene, environment)
        || moved_by_others(scene, site, environment)
        || [0, 1].iter().any(|color| dies(scene, site, *color))
}

/// Whether the plan has made a program of the environment hang, and the load balancer may not have noticed yet, or not
/// that it goes on.
fn hangs(scene: &Scene, environment: usize) -> bool {
    let now = scene.now();
    let noticed = detection(scene, environment);
    scene.plan.events.iter().any(|event| {
        let WorldEvent::Hang { environment: whose, for_ms, .. } = event.what else { return false };
        let (from, length) = (Duration::from_millis(event.at_ms), Duration::from_millis(for_ms));
        whose == environment && now >= from && now <= from + length + noticed
    })
}

/// How long the load balancer may take to notice that a program does not answer: two checks in a row.
fn detection(scene: &Scene, environment: usize) -> Duration {
    let interval = Duration::from_millis(scene.plan.environments[environment].health_interval_ms);
    interval * 3 + UNDER_WAY
}

/// Whether somebody else has sent the traffic where it is, or where it was a moment ago, to a color that is not whole,
/// or that no release has brought to the traffic.
fn moved_by_others(scene: &Scene, site: &Site, environment: usize) -> bool {
    let planned = scene.plan.environments[environment].count as usize;
    let then = scene.ago(UNDER_WAY + Duration::from_secs(10));
    let theirs = matches!(site.written, Some((By::Foreign, _)));
    let live = site.release().map(|release| Site::place_of(release.live()));
    let no_good = |color: usize| {
        live.is_some_and(|live| live != color) || site.healthy[color].back_to(then).any(|all| *all < planned)
    };
    let moved_to = |weights: &[u32; 2]| {
        [0, 1].into_iter().any(|color| (weights[color] > 0 || site.has_traffic(color)) && no_good(color))
    };
    let lately = scene.foreign_writes(environment).filter(|(at, _)| *at >= then);
    (theirs && moved_to(&[0, 0])) || lately.into_iter().any(|(_, weights)| moved_to(&weights))
}

/// Whether a target of the color is broken, other than by us, and the load balancer has not noticed, or has no other.
fn dies(scene: &Scene, site: &Site, color: usize) -> bool {
    if !site.has_traffic(color) && site.routed_since + UNDER_WAY < scene.now() {
        return false;
    }
    let targets = &site.targets[color];
    let broken: Vec<_> = targets
        .iter()
        .filter_map(|target| Some((target, *scene.broken.get(&target.id)?)))
        .filter(|(_, (_, by))| !matches!(by, By::Runner(_)))
        .collect();
    let nobody_left =
        !broken.is_empty() && !targets.iter().any(|target| target.state == "healthy" && alive(scene, &target.id));
    let at = scene.sites.iter().position(|other| other.name == site.name).unwrap_or_default();
    let unnoticed = broken.iter().any(|(_, (since, _))| *since + detection(scene, at) >= scene.now());
    nobody_left || unnoticed
}

fn alive(scene: &Scene, id: &str) -> bool {
    !scene.broken.contains_key(id)
}
