//! What somebody else wrote into the switch is not overwritten, unless a person has asked for it.

use super::super::plan::Verb;
use super::Invariant;
use super::scene::{By, Call, Deed, Scene};
use switchback::release::Event;

pub(super) struct Foreign;

impl Invariant for Foreign {
    fn name(&self) -> &'static str {
        "a foreign write is not overwritten"
    }

    fn call(&mut self, scene: &Scene, call: &Call<'_>) -> Result<(), String> {
        let (By::Runner(number), Some(at), Deed::Weigh { before, after }) = (call.by, call.site, &call.what) else {
            return Ok(());
        };
        let site = &scene.sites[at];
        let Some(theirs) = scene.foreign_writes(at).rfind(|(_, weights)| *weights == *before) else {
            return Ok(());
        };
        let asked = scene
            .plan
            .runners
            .iter()
            .any(|runner| runner.number == number && matches!(runner.verb, Verb::Rollback { force: true }));
        // It is the truth for us once a release was admitted on it, or a person adopted it.
        let accepted = site.events().any(|(written, event)| {
            written.at > theirs.0 && matches!(event.name(), "release-started" | "adopted" | "resumed")
        });
        let in_time = call.left.unwrap_or_else(|| scene.now()) > theirs.0 + scene.unseen_for();
        let ours_since = site.events().any(|(written, event)| {
            written.at > theirs.0 && matches!(event, Event::Switched | Event::RolledBack { .. })
        });
        if before != after && in_time && !asked && !accepted && !ours_since {
            return Err(format!(
                "runner {number} writes {after:?} over {before:?} of {}, which somebody else wrote at {:.3} s",
                site.name,
                theirs.0.as_secs_f64()
            ));
        }
        Ok(())
    }
}
