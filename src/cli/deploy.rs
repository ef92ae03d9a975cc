//! `switchback deploy ENV --image ami-…`

use std::time::Instant;

use clap::Args;

use super::Exit;
use super::options::Env;
use super::output::Output;
use crate::engine::DeployRequest;

/// Bring an image to the traffic: provision, warm, smoke-test, flip, converge, bake, retain.
///
/// Runs without a terminal and without questions. Prints the release id first. With the same image it goes on with an
/// unfinished release, and does nothing where that image has the traffic already.
#[derive(Debug, Args)]
pub(super) struct Deploy {
    #[command(flatten)]
    env: Env,
    #[command(flatten)]
    wanted: Wanted,
    /// End once the traffic has moved and followed, and leave the bake to `switchback reconcile` on a schedule.
    ///
    /// Where a minute or less is left to wait for, it stays. The exit code then says how the release went up to there.
    #[arg(long)]
    detach: bool,
}

/// What is to be released.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// The immutable image.
    #[arg(long, value_name = "AMI")]
    image: String,
    /// Let the new color have fewer instances than the live one has healthy targets.
    #[arg(long)]
    accept_smaller: bool,
}

impl Wanted {
    pub(super) fn request(&self) -> DeployRequest {
        DeployRequest { image: self.image.clone(), accept_smaller: self.accept_smaller, detach: false }
    }
}

impl Deploy {
    pub(super) async fn run(&self, out: &Output, started: Instant) -> Exit {
        let wanted = DeployRequest { detach: self.detach, ..self.wanted.request() };
        self.env.drive(out, "deploy", started, async |engine| engine.deploy(&wanted).await).await
    }
}
