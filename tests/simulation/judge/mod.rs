//! Decides whether a run was right: every invariant is looked at after every event of the world, not only at the end.
//!
//! | file | what must hold |
//! |---|---|
//! | `flips` | traffic never moves to a color without its required healthy targets |
//! | `clients` | no request fails that would not have failed without a release |
//! | `writers` | two processes never interleave writes on one environment |
//! | `rollbacks`, [`retained`](super::retained) | while a color is retained, a rollback succeeds in one command |
//! | `promises` | a deploy that nothing disturbs succeeds |
//! | `asked` | nobody is asked to decide about what nothing has brought about |
//! | `live` | nothing that has traffic is deregistered, drained or terminated by us |
//! | `strangers` | nothing without our tags is changed |
//! | `intents` | the journal explains every write, and no call leaves after its time |
//! | `proof` | switched, converged, retained and retired are only written when they are so |
//! | `foreign` | what somebody else wrote is not overwritten |
//! | `ending` | after the faults, nothing is unfinished and nothing has leaked |

mod asked;
mod clients;
mod ending;
mod flips;
mod foreign;
mod intents;
mod live;
mod promises;
mod proof;
mod rollbacks;
mod scene;
mod strangers;
mod writers;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use switchback::dev::{Seen, View};
use switchback::journal::Entry;

use super::plan::Plan;
use super::retained::{Retained, Watcher};
use super::trace::{Line, Trace, Watch};
use super::world::World;
pub(crate) use rollbacks::ROLLBACKS;
use scene::{Call, Written};
pub(crate) use scene::{Scene, Site};

/// So many violations are kept; what follows the first is often only its consequence.
const KEPT: usize = 50;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Violation {
    /// Which invariant was broken.
    pub(crate) invariant: &'static str,
    /// When, since the start of the run.
    pub(crate) at: Duration,
    /// What was seen.
    pub(crate) saw: String,
}

/// What must hold.
pub(crate) trait Invariant: Send {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Somebody's call has changed something just now.
    fn call(&mut self, _: &Scene, _: &Call<'_>) -> Result<(), String> {
        Ok(())
    }

    /// An entry of a journal was written just now.
    fn entry(&mut self, _: &Scene, _: &Written) -> Result<(), String> {
        Ok(())
    }

    /// A line of the trace was written just now.
    fn line(&mut self, _: &Scene, _: &Line) -> Result<(), String> {
        Ok(())
    }

    /// The faults have stopped, and everything had time to settle.
    fn end(&mut self, _: &Scene) -> Vec<String> {
        Vec::new()
    }
}

/// All of them.
pub(crate) fn invariants() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(flips::Flips),
        Box::new(clients::Clients::default()),
        Box::new(writers::Writers::default()),
        Box::new(rollbacks::Rollbacks::default()),
        Box::new(promises::Promises::default()),
        Box::new(asked::Asked),
        Box::new(live::Live),
        Box::new(strangers::Strangers),
        Box::new(intents::Intents),
        Box::new(proof::Proof),
        Box::new(foreign::Foreign),
        Box::new(ending::Ending),
    ]
}

/// Watches a run. Clones are the same judge.
#[derive(Clone)]
pub(crate) struct Judge(Arc<Mutex<Bench>>);

struct Bench {
    scene: Scene,
    invariants: Vec<Box<dyn Invariant>>,
    found: Vec<Violation>,
    /// Takes copies of the world while a color is retained.
    watcher: Watcher,
}

impl Judge {
    /// Begins to watch a run of `plan` in `world`.
    pub(crate) fn watch(plan: &Plan, world: &Arc<World>, trace: &Trace) -> Self {
        let invariants = invariants();
        let scene = Scene::new(plan, world, trace.began());
        let watcher = Watcher::default();
        let this = Self(Arc::new(Mutex::new(Bench { scene, invariants, found: Vec::new(), watcher })));
        let observer = this.clone();
        world.cloud.observe(move |view, seen| observer.bench().seen(view, seen));
        trace.watch(Box::new(this.clone()));
        this
    }

    /// Takes in what an environment's journal says already.
    pub(crate) fn remember(&self, environment: usize, entries: Vec<Entry>) {
        let mut bench = self.bench();
        if let Err(broken) = bench.scene.remember(environment, entries) {
            bench.find("journal", broken);
        }
    }

    /// The copies of the world that were taken while a color was retained.
    pub(crate) fn retained(&self) -> Vec<Retained> {
        self.bench().watcher.taken()
    }

    /// The weights of blue and green of every environment.
    pub(crate) fn weights(&self) -> Vec<[u32; 2]> {
        self.bench().scene.sites.iter().map(|site| *site.weights.now()).collect()
    }

    /// Judges the end, where the run has one that is to be judged, and says what was wrong.
    pub(crate) fn finish(&self, settled: bool) -> Vec<Violation> {
        let mut bench = self.bench();
        bench.scene.world().cloud.unobserve();
        if settled {
            bench.end();
        }
        std::mem::take(&mut bench.found)
    }

    fn bench(&self) -> MutexGuard<'_, Bench> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch for Judge {
    fn seen(&mut self, line: &Line) {
        let mut bench = self.bench();
        bench.scene.line(line);
        bench.all(|invariant, scene| invariant.line(scene, line));
        let Bench { scene, watcher, .. } = &mut *bench;
        watcher.look(scene, Some(line));
    }

    fn passed(&mut self) {
        let Bench { scene, watcher, .. } = &mut *self.bench();
        watcher.look(scene, None);
    }
}

impl Bench {
    fn seen(&mut self, view: View<'_>, seen: &Seen<'_>) {
        let (call, written) = self.scene.seen(view, seen);
        if let Some(call) = call {
            self.all(|invariant, scene| invariant.call(scene, &call));
        }
        if let Some(written) = written {
            match written {
                Ok(written) => self.all(|invariant, scene| invariant.entry(scene, &written)),
                Err(broken) => self.find("journal", broken),
            }
        }
    }

    fn end(&mut self) {
        self.scene.look();
        let mut found = Vec::new();
        for invariant in &mut self.invariants {
            found.extend(invariant.end(&self.scene).into_iter().map(|saw| (invariant.name(), saw)));
        }
        found.into_iter().for_each(|(name, saw)| self.find(name, saw));
    }

    fn all(&mut self, mut judge: impl FnMut(&mut dyn Invariant, &Scene) -> Result<(), String>) {
        let mut found = Vec::new();
        for invariant in &mut self.invariants {
            if let Err(saw) = judge(invariant.as_mut(), &self.scene) {
                found.push((invariant.name(), saw));
            }
        }
        found.into_iter().for_each(|(name, saw)| self.find(name, saw));
    }

    fn find(&mut self, invariant: &'static str, saw: String) {
        if self.found.len() < KEPT {
            self.found.push(Violation { invariant, at: self.scene.now(), saw });
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.3} VIOLATION of `{}`: {}", self.at.as_secs_f64(), self.invariant, self.saw)
    }
}
