//! Nobody is asked to decide about what nothing in the plan has brought about.

use switchback::cli::Exit;

use super::super::trace::{Line, What};
use super::Invariant;
use super::ending::explained;
use super::scene::Scene;

pub(super) struct Asked;

impl Invariant for Asked {
    fn name(&self) -> &'static str {
        "nobody is asked without a cause"
    }

    fn line(&mut self, scene: &Scene, line: &Line) -> Result<(), String> {
        let (Some(number), What::Ended { exit, why }) = (line.runner, &line.what) else { return Ok(()) };
        let environment = scene.processes.get(&number).and_then(|process| process.environment);
        match environment {
            Some(at) if *exit == Exit::HalfWay as i32 && !explained(scene, at) => {
                Err(format!("runner {number} leaves {} to a person: {why}", scene.sites[at].name))
            }
            Some(_) | None => Ok(()),
        }
    }
}
