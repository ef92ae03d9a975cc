//! The two bodies of a proxied request: the client's on its way up, the target's on its way down.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::target::Claim;

/// What the client gets: a target's answer, or one that we made up.
pub(super) type AnswerBody = Either<Relayed, Full<Bytes>>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// When the client last sent a piece of its body; the idle timeout counts from there.
#[derive(Debug, Clone)]
pub(super) struct Activity(Arc<Mutex<Instant>>);

impl Activity {
    pub(super) fn now() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
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

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn seen(&self) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Instant::now();
    }
}

/// The client's body; every piece of it counts as activity.
pub(super) struct Upload {
    inner: Incoming,
    activity: Activity,
}

impl Upload {
    pub(super) fn new(inner: Incoming, activity: Activity) -> Self {
        Self { inner, activity }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        self.activity.seen();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A target's body. It holds the claim on the target until its last byte has been taken, fails when the deregistration
/// delay runs out, and when the target sends nothing for the idle timeout.
pub(super) struct Relayed {
    inner: Incoming,
    claim: Option<Claim>,
    idle: Duration,
    /// Only while we wait for the target: most bodies are there at once and never need it.
    interruption: Option<Pin<Box<dyn Future<Output = Interrupted> + Send>>>,
}

/// Why a body ended early. The client sees a closed connection; this is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// The deregistration delay ran out.
    Cut,
    /// The target sent nothing for the idle timeout.
    Idle,
}

impl Relayed {
    pub(super) fn new(inner: Incoming, claim: Claim, idle: Duration) -> Self {
        let claim = (!inner.is_end_stream()).then_some(claim);
        Self { inner, claim, idle, interruption: None }
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        // A body that never makes us wait must end too.
        if this.claim.as_ref().is_some_and(|claim| claim.cut().is_cancelled()) {
            this.claim = None;
            return Poll::Ready(Some(Err(Interrupted::Cut.into())));
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            this.interruption = None;
            if !matches!(frame, Some(Ok(_))) || this.inner.is_end_stream() {
                this.claim = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let Some(claim) = &this.claim else { return Poll::Pending };
        let (cut, idle) = (claim.cut().clone(), this.idle);
        let interruption = this.interruption.get_or_insert_with(|| {
            Box::pin(async move {
                tokio::select! {
                    () = cut.cancelled() => Interrupted::Cut,
                    () = tokio::time::sleep(idle) => Interrupted::Idle,
                }
            })
        });
        let why = ready!(interruption.as_mut().poll(cx));
        this.claim = None;
        tracing::debug!(%why, "answer ended early");
        Poll::Ready(Some(Err(why.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cut => "the deregistration delay ran out",
            Self::Idle => "the target sent nothing for the idle timeout",
        })
    }
}

impl std::error::Error for Interrupted {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_goes_on_does_not_count_as_idle() {
        let started = Instant::now();
        let activity = Activity::now();
        let uploading = activity.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                uploading.seen();
            }
        });
        activity.quiet_for(Duration::from_secs(60)).await;
        assert_eq!(started.elapsed().as_secs(), 5 * 50 + 60);
    }
}
