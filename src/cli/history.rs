//! `switchback history ENV`

use clap::Args;

use super::Exit;
use super::options::Env;
use super::output::Output;
use crate::engine::{EngineError, summarize};
use crate::journal::Log;
use crate::report::{history_text, json_line};

/// List the releases of an environment and how they ended, or every entry of its journal. Asks AWS nothing.
#[derive(Debug, Args)]
pub(super) struct History {
    #[command(flatten)]
    env: Env,
    /// Every entry of the journal, one JSON object per line.
    #[arg(long)]
    events: bool,
}

impl History {
    pub(super) async fn run(&self, out: &Output) -> Exit {
        let (environment, journal) = match self.env.journal(out).await {
            Ok(opened) => opened,
            Err(exit) => return exit,
        };
        match journal.load().await.map_err(EngineError::from).and_then(|log| self.show(&log, out)) {
            Ok(()) => Exit::Done,
            Err(error) => out.engine_error(&environment.name, &error),
        }
    }

    fn show(&self, log: &Log, out: &Output) -> Result<(), EngineError> {
        if self.events {
            for entry in log.entries() {
                out.result("entry", entry, || json_line(None, entry));
            }
            return Ok(());
        }
        let releases = summarize(log)?;
        if out.json {
            for release in &releases {
                out.json_line(&json_line(Some("release"), release));
            }
        } else {
            out.result("history", &releases, || history_text(&releases));
        }
        Ok(())
    }
}
