//! Where the objects are: a local folder that is created private, or any object store.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, PutMode, PutOptions, PutPayload};

use super::JournalError;
use super::entry::{BYTES_MAX, name, number};
use crate::planted::{Bug, bug};

/// How long one request to the storage may take.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// How often one put is sent before its outcome is called unknown.
const PUTS_MAX: u32 = 3;

/// What became of a put-if-absent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// The object is ours.
    Committed,
    /// Another writer's object is there; ours is not, and never will be.
    Taken,
}

/// A store, and where in it the objects are.
type Opened = (Arc<dyn ObjectStore>, Path);

/// One environment's objects.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Files of a local folder.
    Folder {
        path: PathBuf,
        /// Opened at the first use after the folder exists: reading does not create it.
        opened: Arc<OnceLock<Arc<dyn ObjectStore>>>,
    },
    /// Objects under a prefix.
    Store { store: Arc<dyn ObjectStore>, prefix: Path },
}

impl Place {
    /// The path of the object with this number, for a message.
    pub(super) fn object(&self, seq: u64) -> String {
        match self {
            Self::Folder { path, .. } => path.join(name(seq)).display().to_string(),
            Self::Store { store, prefix } => format!("{store}/{}", prefix.clone().join(name(seq))),
        }
    }

    /// The place itself, for a message.
    fn describe(&self) -> String {
        match self {
            Self::Folder { path, .. } => path.display().to_string(),
            Self::Store { store, prefix } => format!("{store}/{prefix}"),
        }
    }

    /// The highest number in use, 0 for none. Files with other names are not the journal's and are left alone.
    pub(super) async fn head(&self) -> Result<u64, JournalError> {
        let Some((store, prefix)) = self.existing()? else { return Ok(0) };
        let failed = |why: String| JournalError::Store { doing: "list", object: self.describe(), why };
        let listing = async {
            if let Self::Folder { path, .. } = self {
                return self.head_of_folder(path.clone()).await;
            }
            let listing = store.list_with_delimiter(Some(&prefix)).await.map_err(|error| failed(words(&error)))?;
            Ok(listing.objects.iter().filter_map(|meta| number(meta.location.filename()?)).max().unwrap_or(0))
        };
        tokio::time::timeout(REQUEST_MAX, listing).await.map_err(|_| failed(no_answer()))?
    }

    /// As [`Place::head`], by the names alone: `object_store` leaves out of a listing what it cannot look at (all
    /// files of a folder without the right to enter it, broken links), and a journal would seem empty.
    async fn head_of_folder(&self, path: PathBuf) -> Result<u64, JournalError> {
        let unreadable = |why: String| JournalError::Unreadable { object: path.display().to_string(), why };
        let folder = path.clone();
        let names = tokio::task::spawn_blocking(move || -> std::io::Result<Vec<(u64, bool)>> {
            let mut found = Vec::new();
            for file in std::fs::read_dir(folder)? {
                let file = file?;
                if let Some(seq) = file.file_name().to_str().and_then(number) {
                    found.push((seq, file.file_type()?.is_dir()));
                }
            }
            Ok(found)
        });
        let names = match names.await {
            Ok(listed) => listed.map_err(|error| unreadable(error.to_string()))?,
            Err(stopped) => return Err(unreadable(stopped.to_string())),
        };
        // It would be read as "no object", and its number would look free.
        if let Some((seq, _)) = names.iter().find(|(_, folder)| *folder) {
            return Err(JournalError::Unreadable { object: self.object(*seq), why: "it is a folder".into() });
        }
        Ok(names.into_iter().map(|(seq, _)| seq).max().unwrap_or(0))
    }

    /// The bytes of the object with this number, `None` where there is none.
    pub(super) async fn read(&self, seq: u64) -> Result<Option<Bytes>, JournalError> {
        let Some((store, prefix)) = self.existing()? else { return Ok(None) };
        let path = prefix.join(name(seq));
        let unreadable = |why: String| JournalError::Unreadable { object: self.object(seq), why };
        let fetch = async {
            let found = match store.get_opts(&path, GetOptions::default()).await {
                Err(Error::NotFound { .. }) => return Ok(None),
                found => found.map_err(|error| unreadable(words(&error)))?,
            };
            if found.meta.size > BYTES_MAX {
                return Err(unreadable(format!("it has {} bytes, expected at most {BYTES_MAX}", found.meta.size)));
            }
            found.bytes().await.map(Some).map_err(|error| unreadable(words(&error)))
        };
        let late = |_| JournalError::Store { doing: "read", object: self.object(seq), why: no_answer() };
        tokio::time::timeout(REQUEST_MAX, fetch).await.map_err(late)?
    }

    /// Writes the object with this number unless there is one.
    ///
    /// "Already exists" is no answer by itself: a put that was sent twice meets its own object, and a conflict
    /// of two puts is reported the same way though neither may be there. So after anything but a success the
    /// slot is read back, and the bytes (which carry a random id) say whose it is. The same bytes can be sent
    /// again without harm: the slot takes one object only.
    pub(super) async fn create(&self, seq: u64, bytes: &Bytes) -> Result<Slot, JournalError> {
        let object = || self.object(seq);
        let size = bytes.len() as u64;
        if size > BYTES_MAX {
            return Err(JournalError::TooLarge { object: object(), bytes: size, max: BYTES_MAX });
        }
        let (store, prefix) = self.created()?;
        let path = prefix.join(name(seq));
        let mut saw = String::new();
        for attempt in 0..PUTS_MAX {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
            }
            let put = store.put_opts(&path, PutPayload::from(bytes.clone()), PutOptions::from(PutMode::Create));
            let error = match tokio::time::timeout(REQUEST_MAX, put).await {
                Ok(Ok(_)) => return Ok(self.committed(seq)),
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            saw = error.as_ref().map_or_else(no_answer, words);
            let refusal = error.and_then(|error| self.refusal(seq, &error));
            match self.read(seq).await {
                Ok(Some(_)) if bug(Bug::ConflictIsCommit) => return Ok(self.committed(seq)),
                Ok(Some(found)) if found == *bytes && !bug(Bug::OwnEntryIsConflict) => {
                    return Ok(self.committed(seq));
                }
                Ok(Some(_)) => return Ok(Slot::Taken),
                Ok(None) => {}
                Err(unread) if refusal.is_none() => {
                    return Err(JournalError::Unknown { object: object(), why: format!("{saw}; then: {unread}") });
                }
                // What is refused is often unreadable too.
                Err(_) => {}
            }
            // The storage said that it cannot, and the slot is empty: there is nothing to wait for.
            if let Some(refusal) = refusal {
                return Err(refusal);
            }
        }
        Err(JournalError::Unknown { object: object(), why: format!("{saw} ({PUTS_MAX} times)") })
    }

    /// A refusal that repeating does not change.
    fn refusal(&self, seq: u64, error: &Error) -> Option<JournalError> {
        let (object, why) = (self.object(seq), words(error));
        let denied = matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. });
        if denied || is(error, &[libc::EACCES, libc::EPERM, libc::EROFS, libc::ENOTSUP]) {
            Some(JournalError::ReadOnly { object, why })
        } else if is(error, &[libc::ENOSPC, libc::EDQUOT]) {
            Some(JournalError::NoSpace { object, why })
        } else if matches!(error, Error::NotImplemented { .. } | Error::NotSupported { .. }) {
            Some(JournalError::Store { doing: "write", object, why })
        } else {
            None
        }
    }

    /// After a commit: nobody but the owner reads the file, whatever the umask was.
    fn committed(&self, seq: u64) -> Slot {
        if let Self::Folder { path, .. } = self {
            let file = path.join(name(seq));
            // The folder itself is private, so this is the second lock on the door; the entry stands either way.
            if let Err(error) = std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)) {
                tracing::warn!(file = %file.display(), %error, "cannot make the journal's file private");
            }
        }
        Slot::Committed
    }

    /// The store for reading; `None` for a folder that does not exist yet.
    fn existing(&self) -> Result<Option<Opened>, JournalError> {
        let (path, opened) = match self {
            Self::Store { store, prefix } => return Ok(Some((Arc::clone(store), prefix.clone()))),
            Self::Folder { path, opened } => (path, opened),
        };
        if let Some(store) = opened.get() {
            return Ok(Some((Arc::clone(store), Path::default())));
        }
        let unreadable = |why: String| JournalError::Unreadable { object: path.display().to_string(), why };
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(unreadable("it is not a folder".into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error.to_string())),
        }
        let store = LocalFileSystem::new_with_prefix(path).map_err(|error| unreadable(error.to_string()))?;
        let store = opened.get_or_init(|| Arc::new(store.with_fsync(true)));
        Ok(Some((Arc::clone(store), Path::default())))
    }

    /// The store for writing: the folder is created where it is missing.
    fn created(&self) -> Result<Opened, JournalError> {
        if let Self::Folder { path, opened } = self
            && opened.get().is_none()
        {
            create_private(path).map_err(|error| {
                let (object, why) = (path.display().to_string(), error.to_string());
                match error.raw_os_error() {
                    Some(libc::ENOSPC | libc::EDQUOT) => JournalError::NoSpace { object, why },
                    _ => JournalError::ReadOnly { object, why },
                }
            })?;
        }
        self.existing()?.ok_or_else(|| JournalError::Store {
            doing: "write",
            object: self.describe(),
            why: "the folder was removed at this moment".into(),
        })
    }
}

/// Creates `folder` and what is missing above it, for the owner alone, and makes the new names durable.
fn create_private(folder: &FilePath) -> std::io::Result<()> {
    let missing: Vec<_> =
        folder.ancestors().take_while(|path| !path.as_os_str().is_empty() && !path.exists()).collect();
    for path in missing.into_iter().rev() {
        match std::fs::DirBuilder::new().mode(0o700).create(path) {
            // Somebody else made it in the meantime.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

/// The operating system's error at the bottom of `error`.
fn cause(error: &Error) -> Option<&std::io::Error> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return Some(io);
        }
        cause = error.source();
    }
    None
}

/// Whether one of these operating system errors lies at the bottom of `error`.
fn is(error: &Error, codes: &[i32]) -> bool {
    cause(error).and_then(std::io::Error::raw_os_error).is_some_and(|code| codes.contains(&code))
}

/// The error in words that do not repeat the path.
fn words(error: &Error) -> String {
    cause(error).map_or_else(|| error.to_string(), ToString::to_string)
}

fn no_answer() -> String {
    format!("no answer within {} s", REQUEST_MAX.as_secs())
}
