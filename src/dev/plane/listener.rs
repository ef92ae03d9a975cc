//! A listener: the socket, its connections, and how they end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::balancer::Balancer;
use super::front::Front;
use super::rule::Routes;
use super::tls::{InvalidCertificate, Tls};
use super::{flow, serve};
use crate::dev::network::Socket;

/// A load balancer's listener. Dropping it cuts its connections; [`Listener::shutdown`] lets them finish.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    front: Arc<Front>,
    speaks: Arc<ArcSwap<Protocol>>,
    /// How long connections may take to finish. The accept loop holds the only receiver, until the last one has.
    stop: watch::Sender<Option<Duration>>,
}

/// What a listener speaks.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// HTTP/1.1.
    Http,
    /// HTTP/1.1 and HTTP/2 inside TLS.
    Https(Tls),
    /// Flows of bytes, each pinned to a target; for network load balancers.
    Tcp,
    /// The same inside TLS, which ends at the load balancer.
    Tls(Tls),
}

/// What a listener's attributes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// `routing.http.response.server.enabled` is false: answers have no `Server` header.
    pub hide_server: bool,
    /// Headers that all answers get: `routing.http.response.*.header_value`.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
    /// `tcp.idle_timeout.seconds`.
    pub tcp_idle: Duration,
}

impl Default for ListenerSettings {
    /// AWS's: nothing is added, and 350 s.
    fn default() -> Self {
        Self { hide_server: false, response_headers: Vec::new(), tcp_idle: Duration::from_secs(350) }
    }
}

/// Why a listener could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is not ours or already taken.
    #[error("cannot listen on {address}: {source}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A certificate that cannot be served.
    #[error(transparent)]
    Certificate(#[from] InvalidCertificate),
}

impl BindError {
    /// Whether the address is taken, perhaps only for a moment.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Address { source, .. } if source.kind() == io::ErrorKind::AddrInUse)
    }
}

impl Listener {
    /// Listens on `address`; port 0 takes a free one. It has as many nodes as the load balancer has now, and all of
    /// them know `routes`.
    ///
    /// # Errors
    /// The address is not ours or already taken, or there is no usable certificate.
    pub async fn bind(
        balancer: &Arc<Balancer>,
        address: SocketAddr,
        protocol: Protocol,
        routes: Routes,
    ) -> Result<Self, BindError> {
        protocol.check()?;
        let failed = |source| BindError::Address { address, source };
        let socket = balancer.network.bind(address).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let nodes = balancer.settings().nodes();
        let front = Arc::new(Front {
            balancer: balancer.clone(),
            views: (0..nodes).map(|_| ArcSwap::from_pointee(routes.clone())).collect(),
            settings: ArcSwap::default(),
            address,
            port: address.port(),
            port_header: HeaderValue::from(address.port()),
            cut: CancellationToken::new(),
        });
        let speaks = Arc::new(ArcSwap::from_pointee(protocol));
        let (stop, stopped) = watch::channel(None);
        tokio::spawn(accept(socket, front.clone(), speaks.clone(), stopped));
        Ok(Self { address, front, speaks, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many nodes it has; each has its own view of the rules.
    pub fn nodes(&self) -> usize {
        self.front.views.len()
    }

    /// Replaces all rules of all nodes at once. Requests that have already been routed are not touched; connections
    /// stay open.
    pub fn set_routes(&self, routes: Routes) {
        let routes = Arc::new(routes);
        self.front.views.iter().for_each(|view| view.store(routes.clone()));
    }

    /// Replaces the rules as one node sees them.
    pub fn set_routes_of(&self, node: usize, routes: Routes) {
        if let Some(view) = self.front.views.get(node) {
            view.store(Arc::new(routes));
        }
    }

    /// Changes what new connections speak: other certificates, another security policy, or another protocol.
    ///
    /// # Errors
    /// There is no usable certificate; nothing is changed.
    pub fn set_protocol(&self, protocol: Protocol) -> Result<(), InvalidCertificate> {
        protocol.check()?;
        self.speaks.store(Arc::new(protocol));
        Ok(())
    }

    /// Changes how it works; the next answer and the next flow see it.
    pub fn set_settings(&self, settings: ListenerSettings) {
        self.front.settings.store(Arc::new(settings));
    }

    /// Stops listening, lets requests in flight finish for at most `grace`, cuts the rest, and returns when all is
    /// over; what the access log has is written then.
    pub async fn shutdown(&self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        self.stop.closed().await;
        self.front.balancer.flush_log().await;
    }
}

impl Protocol {
    fn check(&self) -> Result<(), InvalidCertificate> {
        match self {
            Self::Http | Self::Tcp => Ok(()),
            Self::Https(tls) | Self::Tls(tls) => tls.acceptor(&[]).map(drop),
        }
    }
}

async fn accept(
    mut socket: Socket,
    front: Arc<Front>,
    speaks: Arc<ArcSwap<Protocol>>,
    mut stopped: watch::Receiver<Option<Duration>>,
) {
    let finish = CancellationToken::new();
    // Dropped at the end, and with it every connection that is still open.
    let mut tasks = JoinSet::new();
    // Upgraded connections have tasks of their own.
    let _cut = front.cut.clone().drop_guard();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            Some(_) = tasks.join_next() => continue,
            accepted = socket.accept() => accepted,
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
        let (front, finish) = (front.clone(), finish.child_token());
        match &**speaks.load() {
            Protocol::Http => tasks.spawn(serve::plain(front, stream, client, finish)),
            Protocol::Https(tls) => tasks.spawn(serve::encrypted(front, tls.clone(), stream, client, finish)),
            Protocol::Tcp => tasks.spawn(flow::plain(front, stream, client)),
            Protocol::Tls(tls) => tasks.spawn(flow::encrypted(front, tls.clone(), stream, client)),
        };
    }
    drop(socket);
    finish.cancel();
    // No value means that the listener was dropped: nobody waits for its connections.
    let grace = stopped.borrow().unwrap_or_default();
    let finished = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, finished).await.is_err() {
        tracing::debug!(?grace, "connections cut: they did not finish in time");
    }
    tasks.shutdown().await;
}
