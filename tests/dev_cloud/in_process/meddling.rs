//! A journal in memory, and somebody else who writes to the load balancer the moment an intent has been recorded:
//! after the last look that a decision rests on, and before the call.

use std::fmt;
use std::pin::Pin;
use std::sync::Mutex;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

type Write = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The journal's store, and what is to happen when.
#[derive(Default)]
pub(super) struct Meddling {
    inner: InMemory,
    plans: Mutex<Vec<(String, Write)>>,
}

impl Meddling {
    /// When the next intent of this effect has been recorded, `write` happens, once.
    pub(super) fn at(&self, effect: &str, write: impl Future<Output = ()> + Send + 'static) {
        self.plans.lock().unwrap().push((effect.to_owned(), Box::pin(write)));
    }

    /// Whether everything that was planned has happened.
    pub(super) fn is_done(&self) -> bool {
        self.plans.lock().unwrap().is_empty()
    }

    fn planned(&self, payload: &PutPayload) -> Option<Write> {
        let text: String = payload.iter().map(|part| String::from_utf8_lossy(part)).collect();
        let mut plans = self.plans.lock().unwrap();
        let intent =
            |effect: &str| text.contains(&format!("\"effect\": \"{effect}\"")) && text.contains("\"deadline\"");
        let index = plans.iter().position(|(effect, _)| intent(effect))?;
        Some(plans.remove(index).1)
    }
}

impl fmt::Debug for Meddling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meddling").finish_non_exhaustive()
    }
}

impl fmt::Display for Meddling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meddling")
    }
}

#[async_trait]
impl ObjectStore for Meddling {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let write = self.planned(&payload);
        let put = self.inner.put_opts(at, payload, options).await?;
        if let Some(write) = write {
            write.await;
        }
        Ok(put)
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
