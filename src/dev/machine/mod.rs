//! What instances are: real child processes, and the catalogue that says which program an image is.

mod catalogue;
mod keeper;
mod launch;
mod process;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use catalogue::{Architecture, Catalogue, CatalogueError, Image, ImageState};
pub use launch::{Ended, Launch, MachineError};
pub use process::Process;

/// What runs behind an instance. It ends when this is dropped, and when our own process ends.
#[derive(Debug)]
pub enum Machine {
    /// A child process.
    Process(Process),
}

impl Machine {
    /// Starts what the image of `launch` names.
    ///
    /// # Errors
    /// It cannot be started, or its log cannot be written.
    pub async fn start(launch: &Launch) -> Result<Self, MachineError> {
        Process::start(launch).await.map(Self::Process)
    }

    /// Instance id.
    pub fn instance_id(&self) -> &str {
        match self {
            Self::Process(process) => process.instance_id(),
        }
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&self) -> Option<Ended> {
        match self {
            Self::Process(process) => process.ended(),
        }
    }

    /// Waits until it has ended by itself, or through [`Machine::stop`].
    pub async fn wait(&self) -> Ended {
        match self {
            Self::Process(process) => process.wait().await,
        }
    }

    /// Asks it to end, and after `grace` ends it. Returns when it is gone.
    pub async fn stop(&self, grace: Duration) -> Ended {
        match self {
            Self::Process(process) => process.stop(grace).await,
        }
    }

    /// Ends it at once, as a crash would. [`Machine::wait`] tells when it is gone.
    pub fn kill(&self) {
        match self {
            Self::Process(process) => process.kill(),
        }
    }
}
