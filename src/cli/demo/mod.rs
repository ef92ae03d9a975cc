//! `switchback demo`: the whole story against the embedded dev cloud, under load from the first second to the last.

mod stage;
mod story;
mod summary;

use std::path::PathBuf;

use clap::Args;

use super::Exit;
use super::output::Output;
use stage::Stage;

/// Play deploys, a rollback, a failing release and a sweep against the embedded dev cloud, under load.
///
/// Starts the dev cloud on loopback, sends requests through its load balancer from the first second to the last, and
/// plays: deploy v1; deploy v2; rollback to v1; deploy v3, whose smoke check fails; deploy v4; sweep when the retention
/// has run out. Exits with 0 only if no request failed and every step ended as it should.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The environment that is played.
    #[arg(long, value_name = "ENV", default_value = "environments/demo.yaml")]
    env: PathBuf,
    /// Requests per second.
    #[arg(long, value_name = "N", default_value_t = 2_600)]
    rate: u32,
    /// The load goes on until at least this many requests were sent.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    requests: u64,
    /// Leave the dev cloud running at the end, and print what to try next.
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(super) async fn run(&self, out: &Output) -> Exit {
        let mut stage = match Stage::set(&self.env, self.rate, out).await {
            Ok(stage) => stage,
            Err(exit) => return exit,
        };
        let as_it_should = stage.play(out).await;
        let summary = stage.end_load(self.requests, out).await;
        out.result("summary", &summary, || summary.text());
        if self.keep {
            stage.keep(out).await;
        }
        stage.strike(out).await;
        if as_it_should && summary.failed == 0 { Exit::Done } else { Exit::Unexpected }
    }
}
