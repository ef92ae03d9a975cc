//! One client's connection to an HTTP or HTTPS listener.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::AnswerBody;
use super::front::Front;
use super::link::{Link, TlsFacts};
use super::tls::Tls;
use super::wire::Wire;
use crate::dev::network::Stream;

/// What a client may send before its body: request line and headers together.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Streams that a client may have open on one HTTP/2 connection, as on AWS.
const STREAMS_MAX: u32 = 128;
/// How long a handshake may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Serves one connection until it ends, or `finish` lets it go.
pub(super) async fn plain(front: Arc<Front>, stream: Stream, client: SocketAddr, finish: CancellationToken) {
    let node = front.node();
    let link = Arc::new(Link::new(front, client, node, None));
    http_1(link, Wire::Left(stream), finish).await;
}

/// The same inside TLS, with HTTP/2 where the client asks for it by ALPN.
pub(super) async fn encrypted(
    front: Arc<Front>,
    tls: Tls,
    stream: Stream,
    client: SocketAddr,
    finish: CancellationToken,
) {
    let node = front.node();
    let alpn: &[&str] = if front.balancer.now().http2 { &["h2", "http/1.1"] } else { &["http/1.1"] };
    let Some(stream) = front.shake_hands(&tls, alpn, stream, client, HANDSHAKE_MAX).await else { return };
    let connection = stream.get_ref().1;
    let facts = TlsFacts::of(connection, &tls);
    let multiplexed = connection.alpn_protocol() == Some(b"h2");
    let link = Arc::new(Link::new(front, client, node, Some(facts)));
    let wire = Wire::Right(Box::new(stream.into()));
    if multiplexed { http_2(link, wire, finish).await } else { http_1(link, wire, finish).await }
}

async fn http_1(link: Arc<Link>, wire: Wire, finish: CancellationToken) {
    let idle = link.front.balancer.now().timeouts.idle;
    let client = link.client;
    let dated = link.front.balancer.dated();
    let service = service_fn(move |request| answer(link.clone(), request));
    let connection = http1::Builder::new()
        .auto_date_header(dated)
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(wire), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = finish.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %client, "connection ended early");
    }
}

async fn answer(link: Arc<Link>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
    Ok(Front::answer(link, request).await)
}

/// HTTP/2 has many requests at once: the connection is idle while there is none.
#[derive(Debug)]
struct Open {
    start: Instant,
    /// Requests whose answer is not complete.
    requests: AtomicU64,
    last_us: AtomicU64,
}

async fn http_2(link: Arc<Link>, wire: Wire, finish: CancellationToken) {
    let (timeouts, dated) = (link.front.balancer.now().timeouts, link.front.balancer.dated());
    let client = link.client;
    let open = Arc::new(Open { start: Instant::now(), requests: AtomicU64::new(0), last_us: AtomicU64::new(0) });
    let counted = open.clone();
    let service = service_fn(move |request| {
        let (link, open) = (link.clone(), Counted::new(&counted));
        async move {
            let response = Front::answer(link, request).await;
            Ok::<_, Infallible>(response.map(|body| Held { body, _open: open }))
        }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .auto_date_header(dated)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(wire), service));
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = async {
            // After any of them the client gets a GOAWAY, and its open requests are finished.
            tokio::select! {
                biased;
                () = finish.cancelled() => {}
                () = tokio::time::sleep(timeouts.client_keep_alive) => {}
                () = open.quiet_for(timeouts.idle) => {}
            }
        } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %client, "connection ended early");
    }
}

impl Open {
    async fn quiet_for(&self, idle: Duration) {
        loop {
            let last = self.start + Duration::from_micros(self.last_us.load(Ordering::Relaxed));
            let left = idle.saturating_sub(last.elapsed());
            if self.requests.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(idle).await;
            } else if left.is_zero() {
                return;
            } else {
                tokio::time::sleep(left).await;
            }
        }
    }
}

/// One request that is counted as open.
struct Counted(Arc<Open>);

impl Counted {
    fn new(open: &Arc<Open>) -> Self {
        open.requests.fetch_add(1, Ordering::AcqRel);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let elapsed_us = u64::try_from(self.0.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.last_us.store(elapsed_us, Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A body that keeps its request open until it is complete.
struct Held {
    body: AnswerBody,
    _open: Counted,
}

impl hyper::body::Body for Held {
    type Data = bytes::Bytes;
    type Error = super::body::BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}
