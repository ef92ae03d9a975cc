//! `switchback rollback ENV`

use std::time::Instant;

use clap::Args;

use super::Exit;
use super::options::Env;
use super::output::Output;

/// Bring the traffic back to the previous color, at once.
///
/// Asks no question. Checks that the previous color can take the traffic now (registered, healthy, enough of it), moves
/// the traffic in one write, reads it back, and says how long that took. Takes the lease over from a deploy that runs;
/// before the flip it undoes that deploy.
#[derive(Debug, Args)]
pub(super) struct Rollback {
    #[command(flatten)]
    env: Env,
    /// Flip regardless of the previous color's health, and say what was skipped.
    #[arg(long)]
    force: bool,
}

impl Rollback {
    pub(super) async fn run(&self, out: &Output, started: Instant) -> Exit {
        self.env.drive(out, "rollback", started, async |engine| engine.rollback(self.force).await).await
    }
}
