//! One connection, inside TLS or not.

use tokio_rustls::TlsStream;
use tokio_util::either::Either;

use crate::dev::network::Stream;

/// A connection of a client or to a target: plain on the left, TLS on the right.
pub(super) type Wire = Either<Stream, Box<TlsStream<Stream>>>;

/// Makes the connection end with a reset instead of a polite close, where there is such a thing.
pub(super) fn reset_on_close(wire: &Wire) {
    let stream = match wire {
        Wire::Left(stream) => stream,
        Wire::Right(stream) => stream.get_ref().0,
    };
    if let Stream::Tcp(stream) = stream
        && let Err(error) = stream.set_zero_linger()
    {
        tracing::debug!(%error, "a connection will be closed instead of reset");
    }
}
