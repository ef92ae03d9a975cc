//! What instances are: real child processes, and the catalogue that says which program an image is.

mod catalogue;
mod container;
mod facts;
mod keeper;
mod launch;
mod metadata;
mod process;
mod program;
mod watchdog;

#[cfg(test)]
mod tests;

use std::time::Duration;

pub use catalogue::{Architecture, Catalogue, CatalogueError, Image, ImageState};
pub use facts::MetadataFacts;
pub use launch::{Ended, Launch, MachineError};
pub use metadata::{MetadataServer, MetadataSource};
pub use process::Process;
pub use program::Program;

use super::network::Network;

/// What runs behind an instance. It ends when this is dropped, and when our own process ends.
#[derive(Debug)]
pub enum Machine {
    /// A child process.
    Process(Process),
    /// The sample program, without a process.
    Program(Program),
}

impl Machine {
    /// Starts what the image of `launch` names, on `network`.
    ///
    /// # Errors
    /// It cannot be started there, or its log cannot be written.
    pub async fn start(launch: &Launch, network: &Network) -> Result<Self, MachineError> {
        match (&launch.image.sample, network) {
            (Some(options), _) => Ok(Self::Program(Program::start(launch, options.clone(), network))),
            (None, Network::Loopback) => Process::start(launch).await.map(Self::Process),
            (None, Network::Memory(_)) => {
                Err(MachineError::NoProcesses { image: launch.image_id.clone(), program: launch.program().to_owned() })
            }
        }
    }

    /// While it is frozen it takes connections and answers nothing, as after SIGSTOP.
    pub fn freeze(&self, frozen: bool) {
        match self {
            Self::Process(process) => process.freeze(frozen),
            Self::Program(program) => program.freeze(frozen),
        }
    }

    /// Instance id.
    pub fn instance_id(&self) -> &str {
        match self {
            Self::Process(process) => process.instance_id(),
            Self::Program(program) => program.instance_id(),
        }
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&self) -> Option<Ended> {
        match self {
            Self::Process(process) => process.ended(),
            Self::Program(program) => program.ended(),
        }
    }

    /// Waits until it has ended by itself, or through [`Machine::stop`].
    pub async fn wait(&self) -> Ended {
        match self {
            Self::Process(process) => process.wait().await,
            Self::Program(program) => program.wait().await,
        }
    }

    /// Asks it to end, and after `grace` ends it. Returns when it is gone.
    pub async fn stop(&self, grace: Duration) -> Ended {
        match self {
            Self::Process(process) => process.stop(grace).await,
            Self::Program(program) => program.stop(grace).await,
        }
    }

    /// Ends it at once, as a crash would. [`Machine::wait`] tells when it is gone.
    pub fn kill(&self) {
        match self {
            Self::Process(process) => process.kill(),
            Self::Program(program) => program.kill(),
        }
    }
}
