//! `switchback deploy ENV --image ami-…`

use std::time::{Duration, Instant};

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
    /// Where another run holds the lease, wait so long for its end instead of ending with 7 at once. A run that was
    /// killed keeps the lease for a minute.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = patience)]
    wait_for_lease: Duration,
}

/// The longest time that a deploy waits for the lease: longer than any CI job runs.
const PATIENCE_MAX: Duration = Duration::from_secs(24 * 3600);

fn patience(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    let wait = Duration::try_from(span).ok().filter(|wait| *wait <= PATIENCE_MAX);
    wait.ok_or_else(|| "expected 0s to 24h".into())
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
        self.env
            .drive(out, "deploy", started, async |engine| engine.deploy_once_free(&wanted, self.wait_for_lease).await)
            .await
    }
}
