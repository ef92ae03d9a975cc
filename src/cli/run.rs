//! Running a verb: its runtime, and the signals that stop it.

use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use super::print::eprint_line;
use crate::engine::Stop;

/// Runs a verb on this thread alone: a rollback should cost milliseconds.
pub(super) fn alone(verb: impl Future<Output = Exit>) -> Exit {
    block_on(tokio::runtime::Builder::new_current_thread(), verb)
}

/// Runs a verb on all cores: it carries traffic.
pub(super) fn on_all_cores(verb: impl Future<Output = Exit>) -> Exit {
    block_on(tokio::runtime::Builder::new_multi_thread(), verb)
}

fn block_on(mut builder: tokio::runtime::Builder, verb: impl Future<Output = Exit>) -> Exit {
    match builder.enable_all().build() {
        Ok(runtime) => runtime.block_on(verb),
        Err(error) => {
            eprint_line(&format!("error: the asynchronous runtime did not start: {error}"));
            Exit::Unexpected
        }
    }
}

/// Asks the run to stop at its next safe place on Ctrl-C, or when a CI system ends the job. Asked twice, the process
/// ends at once: that is safe too, and the next run finds an intent without an outcome.
pub(super) fn stop_on_signals(stop: Stop) {
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        match signal(kind) {
            Ok(mut signals) => {
                let stop = stop.clone();
                tokio::spawn(async move {
                    while signals.recv().await.is_some() {
                        if stop.is_requested() {
                            std::process::exit(Exit::Interrupted as i32);
                        }
                        stop.request();
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "cannot listen for a signal; an interruption will not be clean"),
        }
    }
}
