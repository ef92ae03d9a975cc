//! Servers to put behind a listener, and a client that keeps its connection.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::super::{
    Action, Balancer, Group, Listener, Protocol, Routes, Settings, Target, TargetState, Timeouts, WeightedGroup,
};

use crate::chance::Chance;
use crate::clock::Clock;
use crate::dev::network::Network;

pub(super) type Body = BoxBody<Bytes, Infallible>;

/// Whatever hangs longer than this in a test has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// A load balancer on real sockets.
pub(super) fn balancer() -> Arc<Balancer> {
    Balancer::new("app/test/0123456789abcdef", Network::Loopback, Clock::system(), &Chance::of_seed(1))
}

/// A listener of a load balancer of its own.
pub(super) async fn listen(routes: Routes) -> Listener {
    Listener::bind(&balancer(), anywhere(), Protocol::Http, routes).await.unwrap()
}

pub(super) fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

/// A body that the test feeds, piece by piece.
pub(super) fn fed() -> (mpsc::UnboundedSender<&'static str>, Body) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async {
        let piece: &str = receiver.recv().await?;
        Some((Ok(Frame::data(Bytes::from_static(piece.as_bytes()))), receiver))
    });
    (sender, BodyExt::boxed(StreamBody::new(pieces)))
}

/// An HTTP server whose answers `handler` makes; it ends with the test's runtime.
pub(super) async fn serve<H, F>(handler: H) -> SocketAddr
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Body>> + Send,
{
    let socket = TcpListener::bind(anywhere()).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let handler = handler.clone();
            let service = service_fn(move |request| {
                let answer = handler(request);
                async { Ok::<_, Infallible>(answer.await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// A server that always answers 200 with `text`.
pub(super) async fn says(text: &'static str) -> SocketAddr {
    serve(move |_| async move { Response::new(full(text)) }).await
}

/// A server that does with each connection what `handler` does.
pub(super) async fn raw<H, F>(handler: H) -> SocketAddr
where
    H: Fn(TcpStream) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let socket = TcpListener::bind(anywhere()).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            tokio::spawn(handler(stream));
        }
    });
    address
}

pub(super) fn healthy(address: SocketAddr) -> Arc<Target> {
    Target::new(address, TargetState::Healthy)
}

pub(super) fn group(id: &str, targets: &[&Arc<Target>]) -> Arc<Group> {
    let group = Group::new(id);
    group.set_targets(targets.iter().map(|target| Arc::clone(target)).collect());
    group
}

pub(super) fn weighted(shares: &[(&Arc<Group>, u32)]) -> Routes {
    let groups = shares.iter().map(|(group, weight)| WeightedGroup { group: Arc::clone(group), weight: *weight });
    Routes::only(Action::forward(groups))
}

/// A listener in front of one healthy target.
pub(super) async fn before(address: SocketAddr) -> (Listener, Arc<Group>, Arc<Target>) {
    before_with(address, Timeouts::default()).await
}

pub(super) async fn before_with(address: SocketAddr, timeouts: Timeouts) -> (Listener, Arc<Group>, Arc<Target>) {
    let target = healthy(address);
    let group = group("g", &[&target]);
    let routes = weighted(&[(&group, 1)]);
    let balancer = balancer();
    balancer.set_settings(Settings { timeouts, ..Settings::default() });
    (Listener::bind(&balancer, anywhere(), Protocol::Http, routes).await.unwrap(), group, target)
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// One kept-alive connection.
pub(super) struct Client(SendRequest<Body>);

impl Client {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// The answer's head; its body is still to be read.
    pub(super) async fn send(&mut self, request: Request<Body>) -> Response<Incoming> {
        let answer = async {
            self.0.ready().await.unwrap();
            self.0.send_request(request).await.unwrap()
        };
        tokio::time::timeout(PATIENCE, answer).await.expect("an answer")
    }

    pub(super) async fn ask(&mut self, request: Request<Body>) -> Answer {
        let (head, body) = self.send(request).await.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Answer { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.ask(get(path)).await
    }
}

pub(super) fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "shop.example.com").body(full("")).unwrap()
}

/// Asks once, on a connection of its own.
pub(super) async fn ask_once(listener: &Listener, path: &str) -> Answer {
    Client::connect(listener.address()).await.get(path).await
}

/// Waits for something that other tasks are about to bring about.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}
