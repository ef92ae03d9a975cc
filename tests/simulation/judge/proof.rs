//! What is written about the traffic was so: switched and rolled back after the weights, converged after every node of
//! the load balancer, retained for as long as the file says, retired after that.

use std::time::Duration;

use switchback::journal::Body;
use switchback::release::{Event, Phase};

use super::Invariant;
use super::scene::{Scene, Site, Written};

/// From the read-back to the entry in the journal: both may be late, and a process may stand still between them.
const LOOKED_WITHIN: Duration = Duration::from_secs(20);

pub(super) struct Proof;

impl Invariant for Proof {
    fn name(&self) -> &'static str {
        "converged, not returned"
    }

    fn entry(&mut self, scene: &Scene, written: &Written) -> Result<(), String> {
        let Body::Event(event) = &written.entry.body else { return Ok(()) };
        let site = &scene.sites[written.site];
        let Some(release) = site.release() else { return Ok(()) };
        let alone = |weights: &[u32; 2], color: usize| weights[color] > 0 && weights[1 - color] == 0;
        let told = |what: &str| {
            let weights = site.weights.now();
            Err(format!("{} is told to be {what}: weights {weights:?}, routed by {:?}", site.name, site.routed))
        };
        match event {
            Event::Switched | Event::RolledBack { .. } => {
                let color = match event {
                    Event::Switched => &release.to,
                    _ => &release.from,
                };
                let color = Site::place_of(color);
                let seen = site.weights.back_to(scene.ago(LOOKED_WITHIN)).any(|weights| alone(weights, color));
                if seen { Ok(()) } else { told(event.name()) }
            }
            Event::Converged => {
                let color = Site::place_of(&release.to);
                let follow = site.routed.values().all(|weights| alone(weights, color));
                // Somebody else may have changed it a moment ago.
                let disturbed = scene.foreign_writes(written.site).any(|(at, _)| at >= scene.ago(LOOKED_WITHIN * 6));
                if follow || disturbed { Ok(()) } else { told("converged") }
            }
            Event::Retained { until } => {
                let least_ms = i128::from(scene.plan.environments[written.site].retain_ms);
                let given_ms = until.duration_since(written.entry.at).as_millis();
                match given_ms + 1_000 >= least_ms {
                    true => Ok(()),
                    false => Err(format!("{} is retained for {given_ms} ms, not for {least_ms}", site.name)),
                }
            }
            Event::RetirementStarted => {
                let until = match &written.before {
                    Some(Phase::Retaining { until } | Phase::RolledBack { until }) => *until,
                    _ => return Ok(()),
                };
                match written.entry.at >= until {
                    true => Ok(()),
                    false => Err(format!("{} retires at {}, retained until {until}", site.name, written.entry.at)),
                }
            }
            _ => Ok(()),
        }
    }
}
