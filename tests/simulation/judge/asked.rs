//! Nobody is asked to decide about what nothing in the plan has brought about.

use switchback::journal::Body;
use switchback::release::Event;

use super::Invariant;
use super::ending::explained;
use super::scene::{Scene, Written};

pub(super) struct Asked;

impl Invariant for Asked {
    fn name(&self) -> &'static str {
        "nobody is asked without a cause"
    }

    fn entry(&mut self, scene: &Scene, written: &Written) -> Result<(), String> {
        match &written.entry.body {
            Body::Event(Event::Blocked { problem }) if !explained(scene, written.site) => {
                let name = &scene.sites[written.site].name;
                Err(format!("runner {} leaves {name} to a person: {problem}", written.by))
            }
            _ => Ok(()),
        }
    }
}
