//! `switchback dev`: only the dev cloud; and the sample program that its images run.

use clap::Args;

use super::Exit;
use crate::dev::app::{self, AppOptions};

/// The sample program of the dev cloud's images.
#[derive(Debug, Args)]
pub(super) struct DevApp {
    #[command(flatten)]
    options: AppOptions,
}

impl DevApp {
    pub(super) async fn run(&self) -> Exit {
        match app::run(self.options.clone()).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                tracing::error!(%error, "the sample program ended");
                Exit::Unexpected
            }
        }
    }
}
