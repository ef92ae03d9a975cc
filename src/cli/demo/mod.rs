//! `switchback demo`: the whole story against the embedded dev cloud, under load from the first second to the last.

mod stage;
mod story;
mod summary;

use std::path::PathBuf;

use clap::Args;

use super::output::Output;
use super::{Exit, run};
use crate::engine::Stop;
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
        // Before anything is started, so that nothing is left behind by an early Ctrl-C.
        let stop = Stop::default();
        run::stop_on_signals(stop.clone());
        let set = tokio::select! {
            set = Stage::set(&self.env, self.rate, stop.clone(), out) => set,
            () = stop.requested() => Err(Exit::Interrupted),
        };
        let mut stage = match set {
            Ok(stage) => stage,
            Err(exit) => return exit,
        };
        let as_it_should = stage.play(out).await;
        let summary = stage.end_load(self.requests, out).await;
        // Ctrl-C after this is how a dev cloud that was kept ends.
        let interrupted = stop.is_requested();
        out.result("summary", &summary, || summary.text());
        if self.keep {
            stage.keep(out).await;
        }
        stage.strike().await;
        match as_it_should && summary.failed == 0 {
            _ if interrupted => Exit::Interrupted,
            true => Exit::Done,
            false => Exit::Unexpected,
        }
    }
}
