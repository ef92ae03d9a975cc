//! `switchback adopt ENV`

use std::time::Instant;

use clap::Args;

use super::Exit;
use super::options::{Env, reason};
use super::output::Output;

/// Take the traffic as right where somebody else put it, and record who said so.
///
/// For the case that a person, Terraform or another tool has moved all traffic to the other color, and it is to stay
/// there. Changes nothing in AWS. Needs all traffic on one color, and a healthy target there. What is unfinished goes
/// on from that truth or is over by it; the color without traffic is kept for `retain` from now.
#[derive(Debug, Args)]
pub(super) struct Adopt {
    #[command(flatten)]
    env: Env,
    /// Why, for whoever reads the history.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

impl Adopt {
    pub(super) async fn run(&self, out: &Output, started: Instant) -> Exit {
        let reason = self.reason.clone();
        self.env.drive(out, "adopt", started, async |engine| engine.adopt(reason).await).await
    }
}
