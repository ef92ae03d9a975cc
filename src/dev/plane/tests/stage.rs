//! A load balancer with servers and clients on a network in memory, for tests under paused time.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::{Balancer, Certificate, Group, Listener, Protocol, Routes, Settings, Target, TargetState};
use super::support::{Answer, Body, anywhere, full, group, weighted};
use crate::chance::Chance;
use crate::clock::Clock;
use crate::dev::network::{Network, Stream};

/// A network in memory and one load balancer on it.
pub(super) struct Stage {
    pub(super) network: Network,
    pub(super) balancer: Arc<Balancer>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::on(Network::memory(), 1)
    }

    /// Another load balancer on the same network, with another seed.
    pub(super) fn beside(&self) -> Self {
        Self::on(self.network.clone(), 2)
    }

    fn on(network: Network, seed: u64) -> Self {
        let clock = Clock::starting_at("2026-11-21T02:14:00Z".parse().unwrap());
        let balancer = Balancer::new("app/shop/0123456789abcdef", network.clone(), clock, &Chance::of_seed(seed));
        Self { network, balancer }
    }

    pub(super) fn with(settings: Settings) -> Self {
        let stage = Self::new();
        stage.balancer.set_settings(settings);
        stage
    }

    /// A listener for `protocol`.
    pub(super) async fn listen(&self, protocol: Protocol, routes: Routes) -> Listener {
        Listener::bind(&self.balancer, anywhere(), protocol, routes).await.unwrap()
    }

    /// A listener in front of one group.
    pub(super) async fn before(&self, group: &Arc<Group>) -> Listener {
        self.listen(Protocol::Http, weighted(&[(group, 1)])).await
    }

    /// An HTTP/1.1 server.
    pub(super) async fn serve<H, F>(&self, handler: H) -> SocketAddr
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send,
    {
        self.raw(move |stream| {
            let handler = handler.clone();
            async move {
                let service = service_fn(move |request| {
                    let answer = handler(request);
                    async { Ok::<_, Infallible>(answer.await) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                // An error is a client that went away, which some tests are about.
                let _ = connection.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            }
        })
        .await
    }

    /// A server that does with each connection what `handler` does.
    pub(super) async fn raw<H, F>(&self, handler: H) -> SocketAddr
    where
        H: Fn(Stream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut socket = self.network.bind(anywhere()).await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(handler(stream));
            }
        });
        address
    }

    /// A healthy target that always answers 200 with `text`.
    pub(super) async fn says(&self, text: &'static str) -> Arc<Target> {
        let address = self.serve(move |_| async move { Response::new(full(text)) }).await;
        Target::new(address, TargetState::Healthy)
    }

    /// A group of one target that says its name.
    pub(super) async fn color(&self, name: &'static str) -> (Arc<Group>, Arc<Target>) {
        let target = self.says(name).await;
        (group(&format!("arn:aws:elasticloadbalancing:targetgroup/{name}/1"), &[&target]), target)
    }

    /// A client that keeps its connection and its cookies.
    pub(super) async fn client(&self, listener: &Listener) -> Browser {
        let stream = self.network.connect(listener.address()).await.unwrap();
        Browser::new(stream).await
    }

    /// What a client hears that writes these bytes, and nothing else.
    pub(super) async fn hear(&self, listener: &Listener, bytes: &[u8]) -> String {
        let mut stream = self.network.connect(listener.address()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut heard = Vec::new();
        // Whatever it is that ends it: what was heard before counts.
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut heard)).await;
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// How often each body comes.
    pub(super) async fn tally(&self, listener: &Listener, requests: usize) -> BTreeMap<String, usize> {
        let mut client = self.client(listener).await;
        let mut tally = BTreeMap::new();
        for _ in 0..requests {
            client.cookies.clear();
            *tally.entry(client.get("/").await.body).or_default() += 1;
        }
        tally
    }
}

/// An HTTP/1.1 client that sends back the cookies that it gets.
pub(super) struct Browser {
    pub(super) sender: http1::SendRequest<Body>,
    pub(super) cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) async fn new(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Self { sender, cookies: BTreeMap::new() }
    }

    pub(super) async fn get(&mut self, path: &str) -> Answer {
        self.ask(Request::get(path)).await
    }

    pub(super) async fn ask(&mut self, request: http::request::Builder) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request.header(header::HOST, "shop.example.com");
        if !cookies.is_empty() {
            request = request.header(header::COOKIE, cookies.join("; "));
        }
        let answer = read(self.send(request.body(full("")).unwrap()).await).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let (pair, _) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    pub(super) async fn send(&mut self, request: Request<Body>) -> Response<Incoming> {
        self.sender.ready().await.unwrap();
        self.sender.send_request(request).await.unwrap()
    }
}

pub(super) async fn read(answer: Response<Incoming>) -> Answer {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Answer { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// A certificate for these names.
pub(super) fn certificate(arn: &str, names: &[&str]) -> Certificate {
    Certificate::self_made(arn, names).unwrap()
}

/// What came of a handshake: the connection, and the certificate that was shown.
pub(super) struct Shaken {
    pub(super) stream: tokio_rustls::client::TlsStream<Stream>,
    pub(super) shown: Bytes,
}

/// Shakes hands as a client that trusts `trusted` and asks for `name`.
pub(super) async fn shake_hands(
    stream: Stream,
    trusted: &[&Certificate],
    name: &str,
    alpn: &[&str],
) -> std::io::Result<Shaken> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(CertificateDer::from(certificate.der().to_vec())).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let mut config =
        config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let shown = Bytes::copy_from_slice(&stream.get_ref().1.peer_certificates().unwrap()[0]);
    Ok(Shaken { stream, shown })
}

/// An HTTP/2 client.
pub(super) async fn http_2(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> http2::SendRequest<Body> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}
