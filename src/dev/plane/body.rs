//! The two bodies of a proxied request: the client's on its way up, the target's on its way down.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::pool::{Line, Pool};
use super::record::Ending;
use super::target::Claim;

/// What is known about the client's body while it is sent on.
#[derive(Debug)]
pub(super) struct Progress {
    start: Instant,
    /// When a piece of it was last seen, in microseconds after `start`.
    last_us: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), last_us: AtomicU64::new(0), bytes: AtomicU64::new(0) })
    }

    /// When a piece of it was last seen.
    fn last(&self) -> Instant {
        self.start + Duration::from_micros(self.last_us.load(Ordering::Relaxed))
    }

    /// How many bytes of it have come so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn seen(&self, bytes: usize) {
        let elapsed_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.last_us.store(elapsed_us, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Ends when nothing has been sent for `idle`.
    pub(super) async fn quiet_for(&self, idle: Duration) {
        loop {
            let end = self.last() + idle;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

/// The client's body; every piece of it counts as activity. A request without one needs no counting.
#[derive(Debug)]
pub(super) struct Upload {
    inner: Option<(Incoming, Arc<Progress>)>,
}

impl Upload {
    pub(super) fn new(inner: Incoming) -> (Self, Option<Arc<Progress>>) {
        if inner.is_end_stream() {
            return (Self { inner: None }, None);
        }
        let progress = Progress::new();
        (Self { inner: Some((inner, progress.clone())) }, Some(progress))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some((inner, progress)) = &mut self.inner else { return Poll::Ready(None) };
        let frame = Pin::new(inner).poll_frame(cx);
        if let Poll::Ready(frame) = &frame {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
            progress.seen(data.map_or(0, Bytes::len));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(|(inner, _)| inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), |(inner, _)| inner.size_hint())
    }
}

/// What the client gets. When it has been sent, or given up, the request is counted and logged.
#[derive(Debug)]
pub(super) struct AnswerBody {
    source: Source,
    ending: Option<Ending>,
}

#[derive(Debug)]
enum Source {
    /// One that we made up; `None` once it is taken.
    Made(Option<Bytes>),
    Relayed(Relayed),
}

impl AnswerBody {
    pub(super) fn made(body: Bytes, ending: Option<Ending>) -> Self {
        Self { source: Source::Made(Some(body).filter(|body| !body.is_empty())), ending }
    }

    pub(super) fn relayed(body: Relayed, ending: Ending) -> Self {
        Self { source: Source::Relayed(body), ending: Some(ending) }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = match &mut this.source {
            Source::Made(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Source::Relayed(body) => body.poll_frame(cx),
        };
        if let Poll::Ready(Some(Ok(frame))) = &frame
            && let (Some(data), Some(ending)) = (frame.data_ref(), &mut this.ending)
        {
            ending.sent(data.len());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Made(body) => body.is_none(),
            Source::Relayed(body) => body.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Made(body) => SizeHint::with_exact(body.as_ref().map_or(0, |body| body.len() as u64)),
            Source::Relayed(body) => body.inner.size_hint(),
        }
    }
}

/// A target's body. It holds the claim on the target until its last byte has been taken, fails when the deregistration
/// delay runs out, and when the target sends nothing for the idle timeout.
#[derive(Debug)]
pub(super) struct Relayed {
    inner: Incoming,
    /// The connection that it comes from; `None` for HTTP/2, which drives itself.
    line: Option<Box<Line>>,
    claim: Option<Claim>,
    idle: Duration,
    /// Only while we wait for the target: most bodies are there at once and never need it.
    interruption: Option<Interruption>,
    /// It has failed; the client is told when it has had what came before.
    broken: Option<BodyError>,
}

struct Interruption(Pin<Box<dyn Future<Output = BodyError> + Send>>);

impl fmt::Debug for Interruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interruption")
    }
}

/// Why a body ended early. The client sees a closed connection; this is for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the deregistration delay ran out")]
    Cut,
    #[error("the target sent nothing for the idle timeout")]
    Idle,
    #[error("the target's answer broke off")]
    Target(#[source] hyper::Error),
}

impl Relayed {
    pub(super) fn new(inner: Incoming, line: Option<Box<Line>>, claim: Claim, idle: Duration) -> Self {
        let mut this = Self { inner, line, claim: Some(claim), idle, interruption: None, broken: None };
        if this.inner.is_end_stream() {
            this.finish();
        }
        this
    }

    /// The answer is complete: the connection is free and the request is counted out.
    fn finish(&mut self) {
        if let (Some(line), Some(claim)) = (self.line.take(), &self.claim) {
            Pool::put(claim.target(), line, self.idle);
        }
        self.claim = None;
    }

    /// The answer will not become complete: the connection cannot be used again. What came before is still with our
    /// server, which would throw it away with an error now; waiting makes it send.
    fn break_off(&mut self, why: BodyError, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        tracing::debug!(%why, "answer ended early");
        (self.line, self.claim, self.broken) = (None, None, Some(why));
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(why) = self.broken.take() {
            return Poll::Ready(Some(Err(why)));
        }
        // A body that never makes us wait must end too.
        if self.claim.as_ref().is_some_and(|claim| claim.cut().is_cancelled()) {
            return self.break_off(BodyError::Cut, cx);
        }
        let mut frame = Pin::new(&mut self.inner).poll_frame(cx);
        if frame.is_pending()
            && let Some(line) = &mut self.line
        {
            line.drive(cx);
            frame = Pin::new(&mut self.inner).poll_frame(cx);
        }
        match frame {
            Poll::Ready(Some(Ok(frame))) => {
                self.interruption = None;
                if self.inner.is_end_stream() {
                    self.finish();
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(Some(Err(error))) => return self.break_off(BodyError::Target(error), cx),
            Poll::Ready(None) => {
                self.finish();
                return Poll::Ready(None);
            }
            Poll::Pending => {}
        }
        let Some(claim) = &self.claim else { return Poll::Pending };
        let (cut, idle) = (claim.cut().clone(), self.idle);
        let interruption = self.interruption.get_or_insert_with(|| {
            Interruption(Box::pin(async move {
                tokio::select! {
                    biased;
                    () = cut.cancelled() => BodyError::Cut,
                    () = tokio::time::sleep(idle) => BodyError::Idle,
                }
            }))
        });
        match interruption.0.as_mut().poll(cx) {
            Poll::Ready(why) => self.break_off(why, cx),
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_goes_on_does_not_count_as_idle() {
        let started = Instant::now();
        let progress = Progress::new();
        let uploading = progress.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                uploading.seen(1);
            }
        });
        progress.quiet_for(Duration::from_secs(60)).await;
        assert_eq!(started.elapsed().as_secs(), 5 * 50 + 60);
        assert_eq!(progress.bytes(), 5);
    }
}
