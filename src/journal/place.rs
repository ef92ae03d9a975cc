//! Where the objects are: a local folder that is created private, or any object store.

use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::time::Instant;

use super::JournalError;
use super::answer::{DENIED, FULL, Failure, is, moved, no_bucket};
use super::entry::{BYTES_MAX, name, number};
use super::{conditional, folder};
use crate::chance::Chance;
use crate::planted::{Bug, bug};

/// How long one request to the storage may take.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// How often one request is sent at most.
const ATTEMPTS_MAX: u32 = 5;
/// How long after its first attempt a request is still repeated.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before the first repeat, at most; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(200);

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
pub(super) struct Place {
    kind: Kind,
    /// Decides how long the pauses between attempts are.
    chance: Chance,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Files of a local folder.
    Folder {
        path: PathBuf,
        /// Opened at the first use after the folder exists: reading does not create it.
        opened: Arc<OnceLock<Arc<dyn ObjectStore>>>,
    },
    /// Objects under a prefix.
    Store {
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        shown: String,
        /// Whether it is known that the store honors conditions.
        proven: Arc<AtomicBool>,
    },
}

impl Place {
    /// A local folder.
    pub(super) fn folder(path: PathBuf, chance: Chance) -> Self {
        Self { kind: Kind::Folder { path, opened: Arc::default() }, chance }
    }

    /// The objects of `store` under `prefix`; in messages the store is called `shown`.
    pub(super) fn store(store: Arc<dyn ObjectStore>, prefix: Path, shown: String, chance: Chance) -> Self {
        Self { kind: Kind::Store { store, prefix, shown, proven: Arc::default() }, chance }
    }

    /// The local folder, where it is one.
    pub(super) fn local(&self) -> Option<&FilePath> {
        match &self.kind {
            Kind::Folder { path, .. } => Some(path),
            Kind::Store { .. } => None,
        }
    }

    /// The same place with another source of randomness.
    pub(super) fn with_chance(self, chance: Chance) -> Self {
        Self { chance, ..self }
    }

    /// Where ids and pauses are drawn from.
    pub(super) fn chance(&self) -> &Chance {
        &self.chance
    }

    /// The path of the object with this number, for a message.
    pub(super) fn object(&self, seq: u64) -> String {
        self.path_of(&name(seq))
    }

    /// The path of the object with this name, for a message.
    pub(super) fn path_of(&self, name: &str) -> String {
        match &self.kind {
            Kind::Folder { path, .. } => path.join(name).display().to_string(),
            Kind::Store { prefix, shown, .. } => format!("{shown}/{}", below(prefix, name)),
        }
    }

    /// The place itself, for a message.
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Folder { path, .. } => path.display().to_string(),
            Kind::Store { prefix, shown, .. } => format!("{shown}/{prefix}"),
        }
    }

    /// The names right in the environment's folder, those that sort after `after` where that is given. Files with names
    /// that are not the journal's are left alone by whoever reads them.
    pub(super) async fn names(&self, after: Option<&str>) -> Result<Vec<String>, JournalError> {
        match &self.kind {
            Kind::Folder { path, .. } => {
                let mut names = self.names_in(path.clone()).await?;
                names.retain(|name| after.is_none_or(|after| name.as_str() > after));
                Ok(names)
            }
            Kind::Store { store, prefix, proven, .. } => {
                let names = self.names_under(store, prefix, after.map(|after| below(prefix, after))).await?;
                if names.contains(&conditional::proof(&self.describe())) {
                    proven.store(true, Ordering::Relaxed);
                }
                Ok(names)
            }
        }
    }

    /// The names in a folder of the environment's folder.
    pub(super) async fn names_of(&self, folder: &str) -> Result<Vec<String>, JournalError> {
        match &self.kind {
            Kind::Folder { path, .. } => self.names_in(path.join(folder)).await,
            Kind::Store { store, prefix, .. } => self.names_under(store, &prefix.clone().join(folder), None).await,
        }
    }

    /// The names of a store's objects right below `prefix`, those that sort after `offset` where that is given.
    async fn names_under(
        &self,
        store: &Arc<dyn ObjectStore>,
        prefix: &Path,
        offset: Option<Path>,
    ) -> Result<Vec<String>, JournalError> {
        let offset = &offset;
        let listed = self.patiently(move || async move {
            let mut listing = match offset {
                Some(offset) => store.list_with_offset(Some(prefix), offset),
                None => store.list(Some(prefix)),
            };
            let mut names = Vec::new();
            // Each page is a request of its own.
            while let Some(object) = in_time(listing.try_next()).await? {
                let mut parts = object.location.prefix_match(prefix).into_iter().flatten();
                if let (Some(name), None) = (parts.next(), parts.next()) {
                    names.push(name.as_ref().to_owned());
                }
            }
            Ok(names)
        });
        listed.await.map_err(|failure| {
            self.of_the_bucket(&failure).unwrap_or_else(|| {
                let (object, why) = (self.describe(), failure.words());
                match failure {
                    Failure::Store(Error::PermissionDenied { .. }) => JournalError::Unreadable { object, why },
                    _ => JournalError::Store { doing: "list", object, why },
                }
            })
        })
    }

    /// The names of the files in `folder`.
    async fn names_in(&self, folder: PathBuf) -> Result<Vec<String>, JournalError> {
        // Whether it is a folder at all is told in words of its own.
        self.existing()?;
        let unreadable = |why: String| JournalError::Unreadable { object: folder.display().to_string(), why };
        let names = match tokio::time::timeout(REQUEST_MAX, folder::names(folder.clone())).await {
            Ok(names) => names.map_err(|error| unreadable(error.to_string()))?,
            Err(_) => return Err(JournalError::Store { doing: "list", object: self.describe(), why: no_answer() }),
        };
        // It would be read as "no object", and its number would look free.
        if let Some(found) = names.iter().find(|found| found.is_folder && number(&found.name).is_some()) {
            return Err(JournalError::Unreadable { object: self.path_of(&found.name), why: "it is a folder".into() });
        }
        Ok(names.into_iter().map(|found| found.name).collect())
    }

    /// The bytes of the object with this number, `None` where there is none.
    pub(super) async fn read(&self, seq: u64) -> Result<Option<Bytes>, JournalError> {
        self.read_file(&name(seq)).await
    }

    /// The bytes of the object with this name, `None` where there is none.
    pub(super) async fn read_file(&self, name: &str) -> Result<Option<Bytes>, JournalError> {
        let Some((store, prefix)) = self.existing()? else { return Ok(None) };
        let object = self.path_of(name);
        let (store, path) = (&store, &below(&prefix, name));
        match self.patiently(move || fetch(store, path)).await {
            Ok(Some((_, bytes))) if bytes > BYTES_MAX => {
                let why = format!("it has {bytes} bytes, expected at most {BYTES_MAX}");
                Err(JournalError::Unreadable { object, why })
            }
            Ok(found) => Ok(found.map(|(bytes, _)| bytes)),
            Err(failure @ Failure::Silence(_)) => {
                Err(JournalError::Store { doing: "read", object, why: failure.words() })
            }
            Err(failure) => Err(self
                .of_the_bucket(&failure)
                .unwrap_or_else(|| JournalError::Unreadable { object, why: failure.words() })),
        }
    }

    /// Writes the object with this number unless there is one, in a store that is known to honor "unless".
    pub(super) async fn create(&self, seq: u64, bytes: &Bytes) -> Result<Slot, JournalError> {
        if bytes.len() as u64 > BYTES_MAX {
            return Err(JournalError::TooLarge { object: self.object(seq), bytes: bytes.len() as u64, max: BYTES_MAX });
        }
        if let Kind::Store { proven, .. } = &self.kind
            && !proven.load(Ordering::Relaxed)
        {
            self.prove_conditions().await?;
            proven.store(true, Ordering::Relaxed);
        }
        self.create_file(&name(seq), bytes).await
    }

    /// Writes the object with this name unless there is one.
    ///
    /// "Already exists" is no answer by itself: a put that was sent twice meets its own object, and a conflict
    /// of two puts is reported the same way though neither may be there. So after anything but a success the
    /// slot is read back, and the bytes (which carry a random id) say whose it is. The same bytes can be sent
    /// again without harm: the slot takes one object only.
    pub(super) async fn create_file(&self, name: &str, bytes: &Bytes) -> Result<Slot, JournalError> {
        let object = || self.path_of(name);
        let (store, prefix) = self.created()?;
        let path = below(&prefix, name);
        let mut saw = String::new();
        // Whether an attempt may have arrived, or may still arrive.
        let mut on_its_way = false;
        let began = Instant::now();
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                if began.elapsed() >= PATIENCE {
                    break;
                }
                self.pause(attempt).await;
            }
            let failure = match put(&store, &path, bytes).await {
                Ok(()) => return Ok(self.committed(name)),
                Err(failure) => failure,
            };
            saw = failure.words();
            match fetch(&store, &path).await {
                Ok(Some(_)) if bug(Bug::ConflictIsCommit) => return Ok(self.committed(name)),
                Ok(Some((found, _))) if found == *bytes && !bug(Bug::OwnEntryIsConflict) => {
                    return Ok(self.committed(name));
                }
                Ok(Some(_)) => return Ok(Slot::Taken),
                Ok(None) => {}
                Err(unread) => saw = format!("{saw}; then: {}", unread.words()),
            }
            // The storage said that it cannot, and no earlier attempt may have: there is nothing to wait for.
            if failure.is_refusal() {
                if on_its_way {
                    break;
                }
                return Err(self.refusal(object(), failure));
            }
            on_its_way = true;
        }
        Err(JournalError::Unknown { object: object(), why: saw })
    }

    /// Writes the object with this name unless there is one, or does not: one attempt, for what is only a convenience.
    pub(super) async fn try_to_create(&self, name: &str, bytes: &Bytes) -> Result<(), String> {
        let (store, prefix) = self.created().map_err(|error| error.to_string())?;
        match put(&store, &below(&prefix, name), bytes).await {
            Ok(()) => {
                self.committed(name);
                Ok(())
            }
            // Whoever else wrote it wrote the same.
            Err(Failure::Store(Error::AlreadyExists { .. })) => Ok(()),
            Err(failure) => Err(failure.words()),
        }
    }

    /// One put that must be refused: whether it was, or what happened instead.
    pub(super) async fn is_refused(&self, name: &str, bytes: &Bytes) -> Result<bool, JournalError> {
        let (store, prefix) = self.created()?;
        let (store, path) = (&store, &below(&prefix, name));
        let sent = self.patiently(move || put(store, path, bytes)).await;
        match sent {
            Ok(()) => Ok(false),
            Err(Failure::Store(Error::AlreadyExists { .. } | Error::Precondition { .. })) => Ok(true),
            Err(failure) => Err(self.refusal(self.path_of(name), failure)),
        }
    }

    /// Removes the object with this name.
    pub(super) async fn remove(&self, name: &str) -> Result<(), JournalError> {
        let (store, prefix) = self.created()?;
        let (store, path) = (&store, &below(&prefix, name));
        let removed = self.patiently(move || in_time(store.delete(path))).await;
        match removed {
            Ok(()) | Err(Failure::Store(Error::NotFound { .. })) => Ok(()),
            Err(failure) => Err(self.refusal(self.path_of(name), failure)),
        }
    }

    /// Sends a request until it is answered in a way that sending it again does not change.
    async fn patiently<T, R>(&self, request: impl Fn() -> R) -> Result<T, Failure>
    where
        R: Future<Output = Result<T, Failure>> + Send,
    {
        let began = Instant::now();
        let mut attempt = 0;
        loop {
            let failure = match request().await {
                Err(failure) if !failure.is_final() => failure,
                answered => return answered,
            };
            attempt += 1;
            // The disk of this machine does not get better by waiting.
            if attempt == ATTEMPTS_MAX || began.elapsed() >= PATIENCE || matches!(self.kind, Kind::Folder { .. }) {
                return Err(failure);
            }
            tracing::debug!(attempt, why = failure.words(), "a request to the journal's storage is repeated");
            self.pause(attempt).await;
        }
    }

    /// Waits before the attempt with this number: twice as long each time, and at least half of that, so that runs
    /// which were turned away together do not come back together.
    async fn pause(&self, attempt: u32) {
        let most = PAUSE * 2_u32.pow(attempt.saturating_sub(1));
        tokio::time::sleep(most / 2 + self.chance.up_to(most / 2)).await;
    }

    /// A put that the storage refused.
    fn refusal(&self, object: String, failure: Failure) -> JournalError {
        if let Some(of_the_bucket) = self.of_the_bucket(&failure) {
            return of_the_bucket;
        }
        let why = failure.words();
        match failure {
            Failure::Store(error) if is(&error, &FULL) => JournalError::NoSpace { object, why },
            Failure::Store(error)
                if is(&error, &DENIED)
                    || matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) =>
            {
                JournalError::ReadOnly { object, why }
            }
            _ => JournalError::Store { doing: "write", object, why },
        }
    }

    /// What is wrong with the bucket as a whole, where that is what the failure says.
    fn of_the_bucket(&self, failure: &Failure) -> Option<JournalError> {
        let (Kind::Store { shown, .. }, Failure::Store(error)) = (&self.kind, failure) else { return None };
        let why = match error {
            error if no_bucket(error) => {
                "it does not exist (or these credentials are of an account that may not know). \
                                       Create it, or mend `journal` in the environment file, and try again"
                    .into()
            }
            Error::Unauthenticated { .. } => format!(
                "{}. Valid AWS credentials are needed: AWS_PROFILE, or AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY \
                 (and AWS_SESSION_TOKEN), or a role of the machine; see `aws configure list`",
                failure.words()
            ),
            error if moved(error) => {
                "it is in another region. A journal is in the environment's region: name a bucket \
                                      there, or mend `region` in the environment file, and try again"
                    .into()
            }
            _ => return None,
        };
        Some(JournalError::Bucket { bucket: shown.clone(), why })
    }

    /// After a commit: nobody but the owner reads the file, whatever the umask was.
    fn committed(&self, name: &str) -> Slot {
        if let Kind::Folder { path, .. } = &self.kind {
            folder::make_private(&path.join(name));
        }
        Slot::Committed
    }

    /// The store for reading; `None` for a folder that does not exist yet.
    fn existing(&self) -> Result<Option<Opened>, JournalError> {
        let (path, opened) = match &self.kind {
            Kind::Store { store, prefix, .. } => return Ok(Some((Arc::clone(store), prefix.clone()))),
            Kind::Folder { path, opened } => (path, opened),
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
        if let Kind::Folder { path, opened } = &self.kind
            && opened.get().is_none()
        {
            folder::create_private(path).map_err(|error| {
                let (object, why) = (path.display().to_string(), error.to_string());
                match error.raw_os_error() {
                    Some(code) if FULL.contains(&code) => JournalError::NoSpace { object, why },
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

/// What `name` is called in a store, folder by folder.
fn below(prefix: &Path, name: &str) -> Path {
    name.split('/').fold(prefix.clone(), |path, part| path.join(part))
}

/// One put-if-absent.
async fn put(store: &Arc<dyn ObjectStore>, path: &Path, bytes: &Bytes) -> Result<(), Failure> {
    let options = PutOptions::from(PutMode::Create);
    in_time(store.put_opts(path, PutPayload::from(bytes.clone()), options)).await.map(|_| ())
}

/// The object at `path` with its size; of one that is too large, no bytes.
async fn fetch(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Option<(Bytes, u64)>, Failure> {
    in_time(async {
        let found = match store.get_opts(path, GetOptions::default()).await {
            Err(Error::NotFound { .. }) => return Ok(None),
            found => found?,
        };
        let size = found.meta.size;
        let bytes = if size > BYTES_MAX { Bytes::new() } else { found.bytes().await? };
        Ok(Some((bytes, size)))
    })
    .await
}

/// A request's answer, or that none came in time.
async fn in_time<T>(request: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(REQUEST_MAX, request).await {
        Ok(answer) => answer.map_err(Failure::Store),
        Err(_) => Err(Failure::Silence(no_answer())),
    }
}

fn no_answer() -> String {
    format!("no answer within {} s", REQUEST_MAX.as_secs())
}
