//! The state of a dev cloud in a file: everything but its sockets, processes and counts.

use std::fs::File;
use std::io::{BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::model::Saved;

/// Written with every change of what a snapshot holds; other versions are refused.
const VERSION: u32 = 1;

/// The state of a dev cloud at one moment. It holds secrets: private keys and parameters.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    version: u32,
    taken: Timestamp,
    world: Saved,
}

/// Why a snapshot could not be kept or used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file cannot be read or written.
    #[error("the snapshot {}: {source}", .file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no snapshot, or not of this version of the program.
    #[error("{} is no snapshot that this version can read: {problem} (delete it to start with an empty cloud)", .file.display())]
    Invalid {
        /// Which file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot(taken {})", self.taken)
    }
}

impl Snapshot {
    pub(super) fn new(taken: Timestamp, world: Saved) -> Self {
        Self { version: VERSION, taken, world }
    }

    pub(super) fn into_world(self) -> Saved {
        self.world
    }

    /// When it was taken, by the dev cloud's clock.
    pub fn taken(&self) -> Timestamp {
        self.taken
    }

    /// Writes it to `file`, readable by the owner only, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, file: &Path) -> Result<(), SnapshotError> {
        let failed = |source| SnapshotError::File { file: file.to_owned(), source };
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        draft.as_file().set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        serde_json::to_writer(&mut draft, self).map_err(|error| failed(error.into()))?;
        draft.flush().and_then(|()| draft.as_file().sync_all()).map_err(failed)?;
        draft.persist(file).map(drop).map_err(|error| failed(error.error))
    }

    /// Reads `file`.
    ///
    /// # Errors
    /// The file cannot be read, or is no snapshot of this version.
    pub fn load(file: &Path) -> Result<Self, SnapshotError> {
        let opened = File::open(file).map_err(|source| SnapshotError::File { file: file.to_owned(), source })?;
        let invalid = |problem| SnapshotError::Invalid { file: file.to_owned(), problem };
        let read: Self = serde_json::from_reader(BufReader::new(opened)).map_err(|error| invalid(error.to_string()))?;
        if read.version != VERSION {
            return Err(invalid(format!("its version is {}, expected {VERSION}", read.version)));
        }
        Ok(read)
    }
}
