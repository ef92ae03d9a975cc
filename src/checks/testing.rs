//! Servers on loopback for the tests of this room; they end with the test's runtime.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use crate::release::{Color, ReleaseId};

use super::SmokeTarget;

/// How a server answers a request.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// At once.
    Now(u16, String),
    /// After some time of tokio's clock.
    After(Duration, u16, String),
    /// Status and half of the body at once, and then nothing.
    Half,
    /// Never.
    Never,
    /// To another place.
    Redirect(String),
    /// A body without an end.
    Endless,
    /// The connection is closed without a word.
    Close,
}

impl Reply {
    pub(super) fn ok(body: &str) -> Self {
        Self::Now(200, body.into())
    }
}

/// A server and what it was asked: the head of each request.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) endpoint: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// A server that answers its n-th request with the n-th reply, and every later one with the last.
    pub(super) async fn replying(replies: impl Into<Vec<Reply>>) -> Self {
        let replies = replies.into();
        Self::answering(move |n, _| replies[n.min(replies.len() - 1)].clone()).await
    }

    /// A server that decides by the number of the request and its head.
    pub(super) async fn answering(decide: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, decide).await
    }

    /// A server with a certificate of its own for `name`, and that certificate.
    pub(super) async fn with_certificate(name: &str, reply: Reply) -> (Self, CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let server = Self::start(Some(TlsAcceptor::from(Arc::new(config))), move |_, _| reply.clone()).await;
        (server, made.cert.der().clone())
    }

    async fn start(tls: Option<TlsAcceptor>, decide: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let server = Self { endpoint, heads: heads.clone() };
        let decide = Arc::new(decide);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, heads, decide) = (tls.clone(), heads.clone(), decide.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, heads, decide).await,
                        // A client that does not trust the certificate ends the handshake.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, heads, decide).await;
                            }
                        }
                    }
                });
            }
        });
        server
    }

    pub(super) fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }

    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Answers the one request of a connection.
async fn serve<S, D>(mut stream: S, heads: Arc<Mutex<Vec<String>>>, decide: Arc<D>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Fn(usize, &str) -> Reply,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return, // the client only connected, or has gone
        }
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let number = {
        let mut heads = heads.lock().unwrap();
        heads.push(head.clone());
        heads.len() - 1
    };
    // A client may close at any time: that is its right, so errors of writing end the connection and nothing else.
    let text = match decide(number, &head) {
        Reply::Now(status, body) => answer(status, &body),
        Reply::After(time, status, body) => {
            tokio::time::sleep(time).await;
            answer(status, &body)
        }
        Reply::Half => {
            drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await);
            std::future::pending().await
        }
        Reply::Never => std::future::pending().await,
        Reply::Redirect(to) => format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
        Reply::Endless => {
            let start = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok";
            if stream.write_all(start.as_bytes()).await.is_ok() {
                while stream.write_all(&[b'.'; 65536]).await.is_ok() {}
            }
            return;
        }
        Reply::Close => return,
    };
    drop(stream.write_all(text.as_bytes()).await);
    drop(stream.shutdown().await);
}

fn answer(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// An address on loopback where nothing listens.
pub(super) async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// A color named green with these endpoints.
pub(super) fn green(endpoints: &[SocketAddr]) -> SmokeTarget {
    SmokeTarget {
        color: Color::new("green"),
        release: ReleaseId::new("20261121-021500-7f3a"),
        image: "ami-0123".into(),
        endpoints: endpoints.into(),
    }
}
