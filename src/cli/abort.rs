//! `switchback abort ENV`

use std::time::Instant;

use clap::Args;

use super::Exit;
use super::options::Env;
use super::output::Output;

/// Undo the release in progress: take the new color down, or bring the traffic back first where it has moved.
#[derive(Debug, Args)]
pub(super) struct Abort {
    #[command(flatten)]
    env: Env,
}

impl Abort {
    pub(super) async fn run(&self, out: &Output, started: Instant) -> Exit {
        self.env.drive(out, "abort", started, async |engine| engine.abort().await).await
    }
}
