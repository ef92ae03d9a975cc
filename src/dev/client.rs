//! A plain HTTP client on the dev cloud's network, for tests: one connection at a time, kept alive for as long as it is
//! used.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::uri::Authority;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::cloud::Cloud;
use crate::dial::{Connected, Dial};

/// The dev cloud's network and names, for whatever opens connections through [`Dial`].
#[derive(Debug, Clone)]
pub(super) struct Reach(Weak<Cloud>);

impl Reach {
    pub(super) fn new(cloud: &Arc<Cloud>) -> Self {
        Self(Arc::downgrade(cloud))
    }

    fn cloud(&self) -> io::Result<Arc<Cloud>> {
        self.0.upgrade().ok_or_else(|| io::Error::other("the dev cloud has been shut down"))
    }
}

impl Dial for Reach {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move {
            if let Ok(address) = host.parse() {
                return Ok(vec![SocketAddr::new(address, port)]);
            }
            let cloud = self.cloud()?;
            let found = cloud.world().addresses_of(&cloud, host);
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("the dev cloud has no name {host}")));
            }
            Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Connected>> {
        Box::pin(async move { Ok(Box::new(self.cloud()?.network.connect(address).await?) as Connected) })
    }
}

/// A kept-alive HTTP/1.1 connection. Dropping it closes it.
#[derive(Debug)]
pub struct HttpConnection {
    authority: Authority,
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl HttpConnection {
    /// A connection to the host of `url`, for example `http://shop.example.com:8080`.
    ///
    /// # Errors
    /// `url` is no `http` URL, its host has no address, or nobody listens there.
    pub async fn open(dial: &dyn Dial, url: &str) -> io::Result<Self> {
        let (authority, _) = parts(url)?;
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        let addresses = dial.resolve(name, authority.port_u16().unwrap_or(80)).await?;
        let address = addresses.first().ok_or_else(|| io::Error::other(format!("{name} has no address")))?;
        let stream = dial.connect(*address).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Its error is told to the request that it hits.
        let driver = tokio::spawn(connection).abort_handle();
        Ok(Self { authority, sender, driver })
    }

    /// Sends a request and reads the whole answer. The `Host` header is the one of [`HttpConnection::open`] unless the
    /// request has its own.
    ///
    /// # Errors
    /// The connection is closed, or ends before the answer does.
    pub async fn send(&mut self, mut request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let host = header::HeaderValue::from_str(self.authority.as_str()).map_err(io::Error::other)?;
        request.headers_mut().entry(header::HOST).or_insert(host);
        self.sender.ready().await.map_err(io::Error::other)?;
        let response = self.sender.send_request(request.map(Full::new)).await.map_err(io::Error::other)?;
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, body.collect().await.map_err(io::Error::other)?.to_bytes()))
    }

    /// Sends a GET request for `path`.
    ///
    /// # Errors
    /// As [`HttpConnection::send`].
    pub async fn get(&mut self, path: &str) -> io::Result<Response<Bytes>> {
        self.send(Request::get(path).body(Bytes::new()).map_err(io::Error::other)?).await
    }
}

impl Drop for HttpConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// One GET request on a connection of its own.
///
/// # Errors
/// As [`HttpConnection::open`] and [`HttpConnection::send`].
pub(super) async fn get(dial: &dyn Dial, url: &str) -> io::Result<Response<Bytes>> {
    let (_, path) = parts(url)?;
    HttpConnection::open(dial, url).await?.get(&path).await
}

fn parts(url: &str) -> io::Result<(Authority, String)> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("{url:?} is not http://HOST[:PORT][/PATH]"));
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) => {
            Ok((authority.clone(), uri.path_and_query().map_or("/", |path| path.as_str()).to_owned()))
        }
        _ => Err(wrong()),
    }
}
