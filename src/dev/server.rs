//! The HTTP endpoint of the control plane: one request in, one of AWS's documents out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;

use super::cloud::Cloud;
use super::gate::LostAnswer;
use super::network::{Socket, Stream};
use super::wire::{ApiError, Credential, Service};
use super::{admin, api};

/// Bodies of AWS requests are small; this is far above the largest change batch.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a client may take to send its request.
const READ_TIME_MAX: Duration = Duration::from_secs(20);

/// How many connections are served at once; more wait to be accepted.
const CONNECTIONS_MAX: usize = 512;
/// How large the head of a request may be.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Serves the endpoint until the task is ended; open connections end with it.
pub(crate) async fn serve(mut socket: Socket, cloud: Arc<Cloud>) {
    let mut connections = JoinSet::new();
    // Hyper writes the machine's time of day, which a test on a network in memory does not own.
    let dated = matches!(socket, Socket::Tcp(_));
    loop {
        let accepted = tokio::select! {
            biased;
            Some(_) = connections.join_next() => continue,
            accepted = socket.accept(), if connections.len() < CONNECTIONS_MAX => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the dev cloud's endpoint cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        connections.spawn(serve_connection(stream, peer, dated, cloud.clone()));
    }
}

async fn serve_connection(stream: Stream, peer: SocketAddr, dated: bool, cloud: Arc<Cloud>) {
    let service = service_fn(move |request| respond(cloud.clone(), peer, request));
    let mut connection = http1::Builder::new()
        .auto_date_header(dated)
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let Err(error) = (&mut connection).await else { return };
    tracing::debug!(%error, "connection to the dev cloud's endpoint ended early");
    let lost = std::error::Error::source(&error).and_then(|error| error.downcast_ref::<LostAnswer>());
    if lost.is_some_and(|lost| lost.reset) {
        connection.into_parts().io.into_inner().reset();
    }
}

async fn respond(
    cloud: Arc<Cloud>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, LostAnswer> {
    let (head, body) = request.into_parts();
    let bytes_max = bytes_max(&cloud, &head);
    let expects = head.headers.contains_key(header::EXPECT);
    let read = tokio::time::timeout(READ_TIME_MAX, Limited::new(body, bytes_max).collect()).await;
    let read = read.map(|read| read.map(Collected::to_bytes));
    let waits = expects && matches!(&read, Ok(Ok(body)) if body.is_empty());
    let mut answer = match read {
        Ok(Ok(body)) if admin::is_for(head.uri.path()) => {
            admin::answer(&cloud, peer, Request::from_parts(head, body)).await
        }
        Ok(Ok(body)) => api::call(&cloud, Request::from_parts(head, body)).await?,
        Ok(Err(error)) => {
            let said = format!("cannot read the request (at most {bytes_max} bytes): {error}");
            api::unreadable(&cloud, &ApiError::new("RequestEntityTooLarge", said).status(413))
        }
        Err(_) => api::unreadable(&cloud, &ApiError::new("RequestTimeout", "the request did not arrive in time")),
    };
    // Who waits for "100 Continue" with no body to send gets the answer at once; botocore takes the status of such an
    // answer for that of every further one on the same connection.
    if waits {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(answer.map(Full::new))
}

/// How large the body of a request may be: an object with its chunks for S3, a document for the others.
fn bytes_max(cloud: &Cloud, head: &http::request::Parts) -> usize {
    match Credential::of(head) {
        Ok(credential) if credential.service == Service::S3 => {
            let object = usize::try_from(cloud.buckets.object_bytes_max).unwrap_or(usize::MAX);
            object.saturating_add(object / 16).saturating_add(BODY_BYTES_MAX)
        }
        _ => BODY_BYTES_MAX,
    }
}
