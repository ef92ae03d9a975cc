//! What a machine is started with, how it ends, and why it did not start.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitStatus;

use super::catalogue::Image;

/// What an instance is started with.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Id of the image.
    pub image_id: String,
    /// The image.
    pub image: Image,
    /// The instance's private address; the program must bind to it.
    pub address: IpAddr,
    /// Instance id.
    pub instance_id: String,
    /// User data, already decoded; the program gets it as `USER_DATA`.
    pub user_data: Option<String>,
    /// Where the instance metadata is served, if it is; AWS's SDKs learn it from `AWS_EC2_METADATA_SERVICE_ENDPOINT`.
    pub metadata: Option<SocketAddr>,
    /// Where standard output and error go, readable by the owner only; `None` discards them.
    pub log: Option<PathBuf>,
}

/// How the process of an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Exit code or signal; `None` where the system could not tell.
    pub status: Option<ExitStatus>,
}

/// Why an instance did not start.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The log file cannot be made.
    #[error("cannot write the log of instance {instance} to {}: {source}", .file.display())]
    Log {
        /// The instance.
        instance: String,
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A cloud on a network in memory cannot start processes: nobody there could reach them.
    #[error("image {image} runs `{program}`, and a dev cloud without sockets runs the sample program only")]
    NoProcesses {
        /// Id of the image.
        image: String,
        /// The program.
        program: String,
    },
    /// The image is a container, and nobody could run it.
    #[error("cannot run the container of instance {instance}: no Docker engine answers: {said} (try `docker version`)")]
    NoEngine {
        /// The instance.
        instance: String,
        /// What `docker version` said.
        said: String,
    },
    /// The program cannot be started.
    #[error("cannot start `{program}` as instance {instance}: {source} (the image catalogue names the program)")]
    Start {
        /// The instance.
        instance: String,
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
}
