//! The connections to one target. HTTP/1.1 connections are driven by whoever uses them, in the task of the client's
//! connection: no hop between threads. HTTP/2 is one connection for all, in a task of its own.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;

use super::body::Upload;
use super::target::Target;
use super::wire::Wire;

/// What a target may send before its body.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Connections that are waiting for the next request.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    multiplexed: tokio::sync::Mutex<Option<http2::SendRequest<Upload>>>,
}

#[derive(Debug, Default)]
struct Idle {
    #[expect(clippy::vec_box, reason = "a connection is handed on by its pointer, it is some hundred bytes itself")]
    lines: Vec<Box<Line>>,
    /// No connection is kept any more: the target is gone.
    closed: bool,
    /// A task is looking for connections that have been idle for too long.
    reaping: bool,
}

/// An HTTP/1.1 connection to a target.
#[derive(Debug)]
pub(super) struct Line {
    sender: http1::SendRequest<Upload>,
    connection: http1::Connection<TokioIo<Wire>, Upload>,
    /// The connection has ended and must not be polled again.
    over: bool,
    idle_since: Instant,
}

/// Why a request got no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Not a byte of it was sent; here it is.
    Unsent(Box<Request<Upload>>),
    Failed(hyper::Error),
}

impl Pool {
    /// A connection that is free, and as far as can be told still open.
    pub(super) fn take(&self, idle_max: Duration) -> Option<Box<Line>> {
        loop {
            let mut line = self.idle().lines.pop()?;
            if line.idle_since.elapsed() < idle_max && line.settles() {
                return Some(line);
            }
        }
    }

    /// Keeps a connection for the next request, if it can take one.
    pub(super) fn put(target: &Arc<Target>, mut line: Box<Line>, idle_max: Duration) {
        if !line.settles() {
            return;
        }
        line.idle_since = Instant::now();
        let start = {
            let mut idle = target.pool.idle();
            if idle.closed {
                return;
            }
            idle.lines.push(line);
            !std::mem::replace(&mut idle.reaping, true)
        };
        if start {
            tokio::spawn(reap(Arc::downgrade(target), idle_max));
        }
    }

    /// Keeps no connection any more.
    pub(super) fn close(&self) {
        let mut idle = self.idle();
        idle.closed = true;
        idle.lines.clear();
        drop(idle);
        if let Ok(mut multiplexed) = self.multiplexed.try_lock() {
            *multiplexed = None;
        }
    }

    /// The HTTP/2 connection, made where there is none; the second value says whether it was made now.
    pub(super) async fn multiplexed(
        &self,
        connect: impl Future<Output = io::Result<Wire>>,
    ) -> io::Result<(http2::SendRequest<Upload>, bool)> {
        let mut kept = self.multiplexed.lock().await;
        if let Some(sender) = kept.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok((sender.clone(), false));
        }
        let wire = connect.await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new());
        let (sender, connection) = builder.handshake(TokioIo::new(wire)).await.map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an HTTP/2 connection to a target has failed");
            }
        });
        *kept = Some(sender.clone());
        Ok((sender, true))
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that have been idle for too long, until there are none.
async fn reap(target: Weak<Target>, idle_max: Duration) {
    let pause = (idle_max / 4).max(Duration::from_millis(100));
    loop {
        tokio::time::sleep(pause).await;
        let Some(target) = target.upgrade() else { return };
        let mut idle = target.pool.idle();
        idle.lines.retain_mut(|line| line.idle_since.elapsed() < idle_max && line.settles());
        if idle.lines.is_empty() {
            idle.reaping = false;
            return;
        }
    }
}

impl Line {
    /// Speaks HTTP/1.1 on a new connection.
    pub(super) async fn new(wire: Wire) -> Result<Box<Self>, hyper::Error> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES_MAX).preserve_header_case(false);
        let (sender, connection) = builder.handshake(TokioIo::new(wire)).await?;
        Ok(Box::new(Self { sender, connection, over: false, idle_since: Instant::now() }))
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&mut self, request: Request<Upload>) -> Result<Response<Incoming>, Unanswered> {
        let mut sending = pin!(self.sender.try_send_request(request));
        let answer = std::future::poll_fn(|cx| {
            if let Poll::Ready(answer) = sending.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            if !self.over {
                self.over = self.connection.poll_without_shutdown(cx).is_ready();
            }
            sending.as_mut().poll(cx)
        });
        answer.await.map_err(|mut error| match error.take_message() {
            Some(request) => Unanswered::Unsent(Box::new(request)),
            None => Unanswered::Failed(error.into_error()),
        })
    }

    /// Lets the connection make progress, for a body that is being read.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.over {
            self.over = self.connection.poll_without_shutdown(cx).is_ready();
        }
    }

    /// Whether it can take another request.
    fn settles(&mut self) -> bool {
        self.drive(&mut Context::from_waker(Waker::noop()));
        !self.over && self.sender.is_ready()
    }

    /// The connection after an upgrade, and what the target has already sent in the new protocol.
    pub(super) async fn upgraded(mut self: Box<Self>) -> Result<(Wire, bytes::Bytes), hyper::Error> {
        if !self.over {
            std::future::poll_fn(|cx| self.connection.poll_without_shutdown(cx)).await?;
        }
        let parts = self.connection.into_parts();
        Ok((parts.io.into_inner(), parts.read_buf))
    }
}
