//! How an address is reached: over this machine's network, or over that of a dev cloud in the same process.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Opens connections and looks names up. Everything above it (TLS, HTTP, what an answer means) is the same whatever
/// the network is, so that a simulation tests what a release runs.
pub trait Dial: fmt::Debug + Send + Sync {
    /// The addresses of a name, or the address itself where it is one already.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;

    /// A new connection to `address`.
    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Connected>>;
}

/// A connection, whatever it goes over.
pub type Connected = Box<dyn Connection>;

/// What a connection can do.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// This machine's network and resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThisMachine;

impl Dial for ThisMachine {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'_, io::Result<Connected>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Connected)
        })
    }
}
