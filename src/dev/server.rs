//! The HTTP endpoint of the control plane: one request in, one of AWS's documents out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinSet;

use super::api;
use super::cloud::Cloud;
use super::gate::LostAnswer;
use super::network::Socket;
use super::wire::ApiError;

/// Bodies of AWS requests are small; this is far above the largest change batch.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a client may take to send its request.
const READ_TIME_MAX: Duration = Duration::from_secs(20);

/// Serves the endpoint until the task is ended; open connections end with it.
pub(crate) async fn serve(mut socket: Socket, cloud: Arc<Cloud>) {
    let mut connections = JoinSet::new();
    // Hyper writes the machine's time of day, which a test on a network in memory does not own.
    let dated = matches!(socket, Socket::Tcp(_));
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "the dev cloud's endpoint cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let cloud = cloud.clone();
        let service = service_fn(move |request| respond(cloud.clone(), request));
        connections.spawn(async move {
            let connection = http1::Builder::new()
                .auto_date_header(dated)
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the dev cloud's endpoint ended early");
            }
        });
    }
}

async fn respond(cloud: Arc<Cloud>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, LostAnswer> {
    let (head, body) = request.into_parts();
    let read = tokio::time::timeout(READ_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let answer = match read {
        Ok(Ok(body)) => api::call(&cloud, Request::from_parts(head, body.to_bytes())).await?,
        Ok(Err(error)) => {
            let said = format!("cannot read the request (at most {BODY_BYTES_MAX} bytes): {error}");
            api::unreadable(&cloud, &ApiError::new("RequestEntityTooLarge", said).status(413))
        }
        Err(_) => api::unreadable(&cloud, &ApiError::new("RequestTimeout", "the request did not arrive in time")),
    };
    Ok(answer.map(Full::new))
}
