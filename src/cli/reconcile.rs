//! `switchback reconcile ENV… | --all`

use std::path::PathBuf;
use std::time::Instant;

use clap::{ArgGroup, Args};
use futures_util::{StreamExt, stream};

use super::options::{Env, every_environment};
use super::output::Output;
use super::{Exit, run};
use crate::engine::{Finish, Stop};
use crate::release::Ending;

/// How many environments are worked on at the same time.
const AT_ONCE: usize = 8;

/// Go on with whatever is unfinished, expired or left behind. What a scheduler calls every minute.
///
/// An interrupted release goes forward, or back where it was being undone; a bake is looked at and left, and ends when
/// its time is over; a color whose retention is over, and instances that no release explains, are taken down. Where
/// somebody works on an environment it does nothing; where a person must decide it changes nothing and ends with 6.
/// Environments are worked on at the same time, and one that fails does not keep the others from it: the highest exit
/// code of all is returned. Without anything to do it writes nothing, not even to the journal.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["envs", "all"]))]
pub(super) struct Reconcile {
    /// Paths of environment files.
    #[arg(value_name = "ENV")]
    envs: Vec<PathBuf>,
    /// Every `*.yaml` file of the folder `environments`.
    #[arg(long)]
    all: bool,
}

impl Reconcile {
    pub(super) async fn run(&self, out: &Output, started: Instant) -> Exit {
        let named = (!self.all).then(|| self.envs.clone());
        let envs = match named.map_or_else(|| every_environment(out), Ok) {
            Ok(envs) => envs,
            Err(exit) => return exit,
        };
        let stop = Stop::default();
        run::stop_on_signals(stop.clone());
        let ends = stream::iter(envs.into_iter().map(|env| one(Env { env }, out, started, stop.clone())));
        ends.buffer_unordered(AT_ONCE).fold(Exit::Done, async |worst, exit| worst.max(exit)).await
    }
}

/// Reconciles one environment, shows what it tells, and says how it ended.
async fn one(env: Env, out: &Output, started: Instant, stop: Stop) -> Exit {
    if stop.is_requested() {
        return Exit::Interrupted;
    }
    let mut watcher = None;
    let engine = env.engine_told(out, started, stop, |name| {
        let (notices, task) = out.notices_of_several(name);
        watcher = Some(task);
        notices
    });
    let engine = match engine.await {
        Ok(engine) => engine,
        Err(exit) => return exit,
    };
    let name = engine.environment.name.clone();
    let ended = engine.reconcile().await;
    // The notices end with the engine that sends them.
    drop(engine);
    if let Some(watcher) = watcher
        && let Err(error) = watcher.await
    {
        tracing::error!(%error, "the progress display failed");
    }
    match ended {
        Ok(Finish { ending: Ending::Nothing(text), .. }) if !out.json => {
            tracing::info!(environment = name, text, "nothing to do");
            Exit::Done
        }
        Ok(finish) => out.finished("reconcile", &name, &finish),
        Err(error) => out.engine_error(&name, &error),
    }
}
