//! Nothing that has traffic is deregistered, drained or terminated by us, and nothing is terminated before it has
//! drained.

use super::Invariant;
use super::scene::{By, Call, Deed, Scene};

pub(super) struct Live;

impl Invariant for Live {
    fn name(&self) -> &'static str {
        "the live color is not touched"
    }

    fn call(&mut self, scene: &Scene, call: &Call<'_>) -> Result<(), String> {
        let (By::Runner(number), Some(at)) = (call.by, call.site) else { return Ok(()) };
        let site = &scene.sites[at];
        // Somebody else may move the traffic between our last look and our call.
        let left = call.left.unwrap_or(scene.now());
        let moved_by_others =
            matches!(site.written, Some((By::Foreign, written)) if written + scene.unseen_for() >= left);
        let (colors, ids, what): (Vec<usize>, _, _) = match &call.what {
            Deed::Deregister { color, ids } => (vec![*color], ids, "deregisters"),
            Deed::Terminate { ids } => {
                let of_color = |color: &usize| site.targets[*color].iter().any(|target| ids.contains(&target.id));
                ([0, 1].into_iter().filter(of_color).collect(), ids, "terminates")
            }
            Deed::Weigh { .. } | Deed::Launch { .. } | Deed::Register { .. } | Deed::Other => return Ok(()),
        };
        let live = colors.iter().find(|color| site.has_traffic(**color) && !moved_by_others);
        if let Some(color) = live {
            return Err(format!(
                "runner {number} {what} {ids:?} of {} while color {color} has traffic: {:?}, routed by {:?}",
                site.name,
                site.weights.now(),
                site.routed
            ));
        }
        if let Deed::Terminate { ids } = &call.what {
            let mut targets = site.targets.iter().flatten();
            if let Some(target) = targets.find(|target| ids.contains(&target.id) && target.state == "draining") {
                return Err(format!("runner {number} terminates {} of {}, which still drains", target.id, site.name));
            }
        }
        Ok(())
    }
}
