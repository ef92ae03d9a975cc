//! Nothing without our ownership tags is ever changed, and nobody changes what belongs to another environment.

use super::Invariant;
use super::scene::{By, Call, Deed, Scene};

pub(super) struct Strangers;

impl Invariant for Strangers {
    fn name(&self) -> &'static str {
        "only our own is changed"
    }

    fn call(&mut self, scene: &Scene, call: &Call<'_>) -> Result<(), String> {
        let By::Runner(number) = call.by else { return Ok(()) };
        let Some(at) = call.site else {
            return Err(format!("runner {number} changes what belongs to no environment: {:?}", call.called));
        };
        if scene.processes.get(&number).and_then(|process| process.environment) != Some(at) {
            return Err(format!("runner {number} changes {}, which is not its environment", scene.sites[at].name));
        }
        let ids: &[String] = match &call.what {
            Deed::Register { ids, .. } | Deed::Deregister { ids, .. } | Deed::Terminate { ids } => ids,
            Deed::Launch { tags, .. } if !tags.contains_key("switchback:color") => {
                return Err(format!("runner {number} launches instances without ownership tags: {tags:?}"));
            }
            Deed::Launch { .. } | Deed::Weigh { .. } => &[],
            Deed::Other => return Err(format!("runner {number} makes a call of no known kind: {:?}", call.called)),
        };
        let stranger = ids.iter().find(|id| scene.owner(id) != Some(at));
        stranger.map_or(Ok(()), |id| {
            let name = &scene.sites[at].name;
            Err(format!("runner {number} changes {id}, which does not belong to {name}: {:?}", call.called))
        })
    }
}
