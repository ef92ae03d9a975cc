//! What connections inside the dev cloud go over: real TCP on loopback, or pipes in memory for tests under paused time.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How much one side of a pipe may write before the other has read; about what a socket's buffers hold.
const PIPE_BYTES: usize = 64 * 1024;
/// Connections that a listener in memory has not accepted yet; as many as `listen(2)` gets from tokio.
const BACKLOG: usize = 1024;
/// The first port of those that are given out by number 0 and to clients, as Linux has it.
const EPHEMERAL_FIRST: u16 = 32_768;

/// A network that addresses of the dev cloud are on. Clones are the same network.
#[derive(Debug, Clone)]
pub enum Network {
    /// The machine's loopback interface.
    Loopback,
    /// No sockets at all: every connection is a pipe.
    Memory(Arc<Memory>),
}

/// Who listens on a network in memory.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    listeners: BTreeMap<SocketAddr, mpsc::Sender<(DuplexStream, SocketAddr)>>,
    /// How many ephemeral ports were given out.
    ephemeral: u64,
}

/// A listening socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// In memory; nobody can connect any more once it is dropped.
    Memory {
        /// Where it listens.
        address: SocketAddr,
        /// Connections to accept.
        incoming: mpsc::Receiver<(DuplexStream, SocketAddr)>,
        /// Where it is listed.
        network: Arc<Memory>,
    },
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// In memory.
    Memory(DuplexStream),
}

impl Network {
    /// A new network in memory, with nobody on it.
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is not ours or already taken.
    pub async fn bind(&self, address: SocketAddr) -> io::Result<Socket> {
        match self {
            Self::Loopback => Ok(Socket::Tcp(TcpListener::bind(address).await?)),
            Self::Memory(network) => {
                let (address, incoming) = network.listen(address)?;
                Ok(Socket::Memory { address, incoming, network: network.clone() })
            }
        }
    }

    /// Connects to `address`.
    ///
    /// # Errors
    /// Nobody listens there, or the listener does not accept fast enough.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Stream> {
        match self {
            Self::Loopback => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Memory(network) => network.connect(address).await.map(Stream::Memory),
        }
    }
}

/// Connections to the address in a URL, for hyper-util's client.
#[derive(Debug, Clone)]
pub struct Connector {
    network: Network,
    timeout: Duration,
}

impl Connector {
    /// Connections over `network`, each of which may take as long as `timeout`.
    pub fn new(network: Network, timeout: Duration) -> Self {
        Self { network, timeout }
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<Stream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let Self { network, timeout } = self.clone();
        Box::pin(async move {
            let none = || io::Error::new(io::ErrorKind::InvalidInput, format!("{url} has no address"));
            let address = url.authority().and_then(|authority| authority.as_str().parse().ok()).ok_or_else(none)?;
            match tokio::time::timeout(timeout, network.connect(address)).await {
                Ok(stream) => stream.map(TokioIo::new),
                Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {timeout:?}"))),
            }
        })
    }
}

impl Stream {
    /// Ends the connection by a reset, where there is such a thing; a pipe in memory just ends.
    pub(crate) fn reset(self) {
        if let Self::Tcp(stream) = &self
            && let Err(error) = stream.set_zero_linger()
        {
            tracing::debug!(%error, "cannot reset a connection");
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Memory {
    fn listen(&self, address: SocketAddr) -> io::Result<(SocketAddr, mpsc::Receiver<(DuplexStream, SocketAddr)>)> {
        let mut state = self.state();
        let (mut address, any_port) = (address, address.port() == 0);
        while any_port && (address.port() == 0 || state.listeners.contains_key(&address)) {
            address.set_port(state.ephemeral_port());
        }
        if state.listeners.contains_key(&address) {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("{address} is taken")));
        }
        let (sender, incoming) = mpsc::channel(BACKLOG);
        state.listeners.insert(address, sender);
        Ok((address, incoming))
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<DuplexStream> {
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, format!("nobody listens on {address}"));
        let (listener, client) = {
            let mut state = self.state();
            let listener = state.listeners.get(&address).cloned().ok_or_else(refused)?;
            (listener, SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), state.ephemeral_port()))
        };
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        listener.send((theirs, client)).await.map_err(|_| refused())?;
        Ok(ours)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ephemeral_port(&mut self) -> u16 {
        let count = u64::from(u16::MAX - EPHEMERAL_FIRST) + 1;
        let port = u64::from(EPHEMERAL_FIRST) + self.ephemeral % count;
        self.ephemeral += 1;
        u16::try_from(port).unwrap_or(u16::MAX)
    }
}

impl Socket {
    /// Where it listens.
    ///
    /// # Errors
    /// The system cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr(),
            Self::Memory { address, .. } => Ok(*address),
        }
    }

    /// The next connection, and who made it.
    ///
    /// # Errors
    /// The system is out of file descriptors, or the client has already gone.
    pub async fn accept(&mut self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, client) = socket.accept().await?;
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, %client, "cannot switch off Nagle's algorithm");
                }
                Ok((Stream::Tcp(stream), client))
            }
            Self::Memory { incoming, .. } => {
                let accepted = incoming.recv().await;
                let (stream, client) = accepted.ok_or_else(|| io::Error::other("the network is gone"))?;
                Ok((Stream::Memory(stream), client))
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Self::Memory { address, network, .. } = self {
            network.state().listeners.remove(address);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Self::Memory(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Memory(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Memory(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn both_kinds_carry_bytes_refuse_where_nobody_listens_and_keep_addresses_apart() {
        for network in [Network::Loopback, Network::memory()] {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let mut socket = network.bind(any).await.unwrap();
            let address = socket.local_addr().unwrap();
            assert_eq!(network.bind(address).await.unwrap_err().kind(), io::ErrorKind::AddrInUse, "{network:?}");
            let (client, accepted) = tokio::join!(network.connect(address), socket.accept());
            let (mut client, (mut server, _)) = (client.unwrap(), accepted.unwrap());
            client.write_all(b"ping").await.unwrap();
            client.shutdown().await.unwrap();
            let mut heard = String::new();
            server.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "ping");
            drop(socket);
            let refused = network.connect(address).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused, "{network:?}");
        }
    }
}
