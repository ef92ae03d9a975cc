//! The rule never sends traffic to a color without its required healthy targets, if it did not before.

use std::time::Duration;

use super::Invariant;
use super::scene::{By, Call, Deed, Scene, Site};

/// A flip is sent within 15 s of its announcement, on facts that are 10 s old at most; a reading may be 5 s old.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

pub(super) struct Flips;

impl Invariant for Flips {
    fn name(&self) -> &'static str {
        "healthy before traffic"
    }

    fn call(&mut self, scene: &Scene, call: &Call<'_>) -> Result<(), String> {
        let (By::Runner(number), Some(at), Deed::Weigh { before, after }) = (call.by, call.site, &call.what) else {
            return Ok(());
        };
        let site = &scene.sites[at];
        let release = site.release();
        // What a process saw last it saw before the request left.
        let then = call.left.unwrap_or(scene.now()).saturating_sub(SEEN_WITHIN);
        for color in [0, 1] {
            if before[color] > 0 || after[color] == 0 {
                continue;
            }
            // A person has told it to go back regardless.
            if release.is_some_and(|release| release.forced && Site::place_of(&release.from) == color) {
                continue;
            }
            let needed = release.map_or(1, |release| match Site::place_of(&release.to) == color {
                true => release.count,
                false => release.from_count,
            });
            let needed = needed.max(1) as usize;
            // What dies after the last look is not our doing.
            let healthy = site.healthy[color].back_to(then).max().copied().unwrap_or_default();
            if healthy < needed {
                return Err(format!(
                    "runner {number} has {} send {after:?} (before: {before:?}) to a color with {healthy} healthy \
                     targets of {needed}",
                    site.name
                ));
            }
            let image = release.filter(|release| Site::place_of(&release.to) == color).map(|release| &release.image);
            let other = site.targets[color].iter().find(|target| {
                let seen = scene.instances.get(&target.id);
                target.state != "draining" && image.is_some_and(|image| seen.is_some_and(|seen| seen.image != *image))
            });
            if let Some(other) = other {
                let id = &other.id;
                return Err(format!(
                    "runner {number} has {} send {after:?} to {id}, which is of another release",
                    site.name
                ));
            }
        }
        Ok(())
    }
}
