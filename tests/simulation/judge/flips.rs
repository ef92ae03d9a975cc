//! The rule never sends traffic to a color without its required healthy targets, if it did not before.

use super::Invariant;
use super::scene::{By, Call, Deed, KNOWN_FOR, Scene, Site};

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
        if release.is_some_and(|release| release.forced) {
            return Ok(());
        }
        for color in [0, 1] {
            if before[color] > 0 || after[color] == 0 {
                continue;
            }
            let needed = release.map_or(1, |release| match Site::place_of(&release.to) == color {
                true => release.count,
                false => release.from_count,
            });
            let needed = needed.max(1) as usize;
            // What dies after the last look is not our doing.
            let healthy = site.healthy[color].back_to(scene.ago(KNOWN_FOR)).max().copied().unwrap_or_default();
            if healthy < needed {
                return Err(format!(
                    "runner {number} has {} send {after:?} (before: {before:?}) to a color with {healthy} healthy \
                     targets of {needed}",
                    site.name
                ));
            }
        }
        Ok(())
    }
}
