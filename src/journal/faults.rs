//! An object store that misbehaves on order, for the journal's tests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Semaphore;

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing: it is carried out and answered.
    None,
    /// It never arrives; the sender gets an error.
    RequestLost,
    /// It is carried out; the sender gets an error.
    ReplyLost,
    /// It is carried out, and then sent again inside the client: the sender is told that the object exists.
    MeetsItself,
    /// It is not carried out, but a conflict is reported, as S3's 409 is.
    FalseConflict,
    /// It never arrives and there is no answer.
    Silence,
    /// It is carried out and there is no answer.
    SilenceAfter,
    /// The sender gets an error at once; it is carried out a second later.
    Late,
    /// It is carried out and answered after so many seconds.
    Slow(u64),
    /// The operating system refuses it with this error number.
    Os(i32),
}

impl Fault {
    /// Those after which a put may or may not have happened.
    pub(super) const AMBIGUOUS: [Self; 8] = [
        Self::None,
        Self::RequestLost,
        Self::ReplyLost,
        Self::MeetsItself,
        Self::FalseConflict,
        Self::Silence,
        Self::SilenceAfter,
        Self::Late,
    ];
}

/// A store in front of `inner` that takes its faults from three lists, one per request, then behaves.
#[derive(Debug)]
pub(super) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    puts: Mutex<VecDeque<Fault>>,
    gets: Mutex<VecDeque<Fault>>,
    lists: Mutex<VecDeque<Fault>>,
    /// Each request needs one permit; a test that hands them out decides who goes next.
    turns: Option<Arc<Semaphore>>,
}

/// A permit, where permits are asked for.
async fn turn(turns: Option<Arc<Semaphore>>) {
    if let Some(turns) = turns {
        turns.acquire().await.unwrap().forget();
    }
}

impl Faulty {
    pub(super) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, puts: Mutex::default(), gets: Mutex::default(), lists: Mutex::default(), turns: None }
    }

    /// A store whose every request waits for a permit.
    pub(super) fn stepped(inner: Arc<dyn ObjectStore>, turns: Arc<Semaphore>) -> Self {
        Self { turns: Some(turns), ..Self::new(inner) }
    }

    pub(super) fn puts(&self, faults: impl IntoIterator<Item = Fault>) {
        self.puts.lock().unwrap().extend(faults);
    }

    pub(super) fn gets(&self, faults: impl IntoIterator<Item = Fault>) {
        self.gets.lock().unwrap().extend(faults);
    }

    pub(super) fn lists(&self, faults: impl IntoIterator<Item = Fault>) {
        self.lists.lock().unwrap().extend(faults);
    }

    /// Forgets the faults that have not happened.
    pub(super) fn behave(&self) {
        self.puts.lock().unwrap().clear();
        self.gets.lock().unwrap().clear();
        self.lists.lock().unwrap().clear();
    }
}

impl Faulty {
    /// One listing: a request, however many names it brings.
    fn listing(&self, prefix: Option<Path>, offset: Option<Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let fault = self.lists.lock().unwrap().pop_front().unwrap_or(Fault::None);
        let (inner, turns) = (Arc::clone(&self.inner), self.turns.clone());
        let answer = async move {
            turn(turns).await;
            match fault {
                Fault::Silence | Fault::SilenceAfter => std::future::pending().await,
                Fault::Slow(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
                Fault::Os(code) => return futures_util::stream::iter([Err(refused(code))]).boxed(),
                Fault::RequestLost | Fault::ReplyLost | Fault::MeetsItself | Fault::FalseConflict | Fault::Late => {
                    return futures_util::stream::iter([Err(broken("connection reset"))]).boxed();
                }
                Fault::None => {}
            }
            match offset {
                Some(offset) => inner.list_with_offset(prefix.as_ref(), &offset),
                None => inner.list(prefix.as_ref()),
            }
        };
        futures_util::stream::once(answer).flatten().boxed()
    }
}

impl std::fmt::Display for Faulty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Faulty({})", self.inner)
    }
}

fn broken(what: &str) -> Error {
    Error::Generic { store: "Faulty", source: what.into() }
}

fn refused(code: i32) -> Error {
    Error::Generic { store: "Faulty", source: Box::new(std::io::Error::from_raw_os_error(code)) }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        turn(self.turns.clone()).await;
        let fault = self.puts.lock().unwrap().pop_front().unwrap_or(Fault::None);
        let exists = || Error::AlreadyExists { path: location.to_string(), source: "faulty".into() };
        let put = |payload: PutPayload| self.inner.put_opts(location, payload, opts.clone());
        match fault {
            Fault::None => put(payload).await,
            Fault::Slow(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                put(payload).await
            }
            Fault::RequestLost => Err(broken("connection refused")),
            Fault::ReplyLost => put(payload).await.and(Err(broken("connection reset"))),
            Fault::MeetsItself => put(payload).await.and(Err(exists())),
            Fault::FalseConflict => Err(exists()),
            Fault::Silence => std::future::pending().await,
            Fault::SilenceAfter => {
                put(payload).await?;
                std::future::pending().await
            }
            Fault::Late => {
                let (inner, location) = (Arc::clone(&self.inner), location.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    inner.put_opts(&location, payload, opts).await
                });
                Err(broken("connection reset"))
            }
            Fault::Os(code) => Err(refused(code)),
        }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        turn(self.turns.clone()).await;
        let fault = self.gets.lock().unwrap().pop_front().unwrap_or(Fault::None);
        match fault {
            Fault::None => self.inner.get_opts(location, options).await,
            Fault::Slow(seconds) => {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                self.inner.get_opts(location, options).await
            }
            Fault::Silence | Fault::SilenceAfter => std::future::pending().await,
            Fault::Os(code) => Err(refused(code)),
            Fault::RequestLost | Fault::ReplyLost | Fault::MeetsItself | Fault::FalseConflict | Fault::Late => {
                Err(broken("connection reset"))
            }
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        turn(self.turns.clone()).await;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn put_multipart_opts(&self, at: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, opts).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(prefix.cloned(), None)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listing(prefix.cloned(), Some(offset.clone()))
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
