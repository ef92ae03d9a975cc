//! `switchback sweep [ENV…]`

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::Exit;
use super::options::{Env, every_environment};
use super::output::Output;
use crate::engine::Finish;
use crate::release::Ending;
use crate::report::expired_text;

/// Take down what has expired, and finish what is being undone; say nothing where nothing is.
///
/// A part of what `reconcile` does, for who does not want releases to go on by themselves. Without ENV it takes every
/// `*.yaml` file of the folder `environments`.
#[derive(Debug, Args)]
pub(super) struct Sweep {
    /// Paths of environment files.
    #[arg(value_name = "ENV")]
    envs: Vec<PathBuf>,
    /// Only say what would be taken down.
    #[arg(long)]
    dry_run: bool,
}

impl Sweep {
    pub(super) async fn run(&self, out: &Output, started: Instant) -> Exit {
        let named = (!self.envs.is_empty()).then(|| self.envs.clone());
        let envs = match named.map_or_else(|| every_environment(out), Ok) {
            Ok(envs) => envs,
            Err(exit) => return exit,
        };
        // One environment that cannot be swept must not keep the others from it; the worst ending is told.
        let mut worst = Exit::Done;
        for env in envs {
            worst = worst.max(self.sweep(&Env { env }, out, started).await);
            if worst == Exit::Interrupted {
                // Whoever pressed Ctrl-C meant all of them.
                break;
            }
        }
        worst
    }

    async fn sweep(&self, env: &Env, out: &Output, started: Instant) -> Exit {
        let engine = match env.engine(out, started).await {
            Ok(engine) => engine,
            Err(exit) => return exit,
        };
        let name = engine.environment.name.clone();
        if self.dry_run {
            return match engine.expired().await {
                Ok(expired) => {
                    out.result("expired", &serde_json::json!({ "environment": name, "expired": expired }), || {
                        expired_text(&name, expired.as_ref())
                    });
                    Exit::Done
                }
                Err(error) => out.engine_error(&name, &error),
            };
        }
        let ended = engine.sweep().await;
        drop(engine);
        out.finish().await;
        match ended {
            // What nobody finishes leaks until somebody is told.
            Ok(Finish { ending: Ending::Nothing(text), unfinished: true, .. }) => {
                out.say(&format!("{name}: {text}"));
                Exit::Done
            }
            Ok(Finish { ending: Ending::Nothing(text), .. }) => {
                tracing::info!(environment = name, text, "nothing to sweep");
                Exit::Done
            }
            Ok(finish) => out.finished("sweep", &name, &finish),
            Err(error) => out.engine_error(&name, &error),
        }
    }
}
