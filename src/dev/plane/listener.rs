//! A listener: the socket, its connections, and how they end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::balancer::Balancer;
use super::proxy::Proxy;
use super::rule::Routes;
use crate::dev::network::Socket;

/// What a client may send before its body, and a target before its: request line and headers together.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A load balancer's listener on a real socket. Dropping it cuts its connections; [`Listener::shutdown`] lets them
/// finish.
pub struct Listener {
    address: SocketAddr,
    proxy: Arc<Proxy>,
    /// How long connections may take to finish. The accept loop holds the only receiver, until the last one has.
    stop: watch::Sender<Option<Duration>>,
}

/// How long a listener waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the TCP connection to a target; then the client gets a 504.
    pub connect: Duration,
    /// While nothing is sent, on either side; then the client gets a 504, or its idle connection is closed.
    pub idle: Duration,
    /// How long a connection to a target is kept for the next request. It must be shorter than the targets' own
    /// keep-alive (2 s is the shortest usual one), so that it is never they who close first.
    pub pool_idle: Duration,
}

impl Default for Timeouts {
    /// An Application Load Balancer's: 10 s, 60 s; and 1 s for pooled connections.
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), idle: Duration::from_secs(60), pool_idle: Duration::from_secs(1) }
    }
}

impl Listener {
    /// Listens on `address` (port 0 takes a free one) with the timeouts of an Application Load Balancer.
    ///
    /// # Errors
    /// The address is not ours or already taken.
    pub async fn bind(balancer: &Arc<Balancer>, address: SocketAddr, routes: Routes) -> io::Result<Self> {
        Self::bind_with(balancer, address, routes, Timeouts::default()).await
    }

    /// [`Listener::bind`] with other timeouts.
    ///
    /// # Errors
    /// The address is not ours or already taken.
    pub async fn bind_with(
        balancer: &Arc<Balancer>,
        address: SocketAddr,
        routes: Routes,
        timeouts: Timeouts,
    ) -> io::Result<Self> {
        let socket = balancer.network.bind(address).await?;
        let address = socket.local_addr()?;
        let proxy = Arc::new(Proxy::new(balancer.clone(), routes, timeouts, address.port()));
        let (stop, stopped) = watch::channel(None);
        tokio::spawn(accept(socket, proxy.clone(), timeouts.idle, stopped));
        Ok(Self { address, proxy, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces all rules at once. Requests that have already been routed are not touched; connections stay open.
    pub fn set_routes(&self, routes: Routes) {
        self.proxy.set_routes(routes);
    }

    /// Stops listening, lets requests in flight finish for at most `grace`, cuts the rest, and returns when all is
    /// over.
    pub async fn shutdown(&self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        self.stop.closed().await;
    }
}

async fn accept(mut socket: Socket, proxy: Arc<Proxy>, idle: Duration, mut stopped: watch::Receiver<Option<Duration>>) {
    let connections = GracefulShutdown::new();
    // Dropped at the end, and with it every connection that is still open.
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            _ = stopped.changed() => break,
        };
        let (stream, client) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or the client has gone: neither may end the listener.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let proxy = proxy.clone();
        let service = service_fn(move |request| {
            let proxy = proxy.clone();
            async move { Ok::<_, Infallible>(proxy.answer(request, client.ip()).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, %client, "connection ended early");
            }
        });
    }
    drop(socket);
    // No value means that the listener was dropped: nobody waits for its connections.
    let grace = stopped.borrow().unwrap_or_default();
    if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
        tracing::debug!(?grace, "connections cut: they did not finish in time");
    }
    tasks.shutdown().await;
}
