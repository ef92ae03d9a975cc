//! The HTTP endpoint of the control plane: one request in, one of AWS's documents out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::cloud::Cloud;
use super::faults::FaultKind;
use super::model;
use super::wire::{ApiError, Body, Scope, Service, answer, parse_form, refusal};

/// Bodies of AWS requests are small; this is far above the largest change batch.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a client may take to send its request.
const READ_TIME_MAX: Duration = Duration::from_secs(20);

/// The connection is closed instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the answer was lost on purpose")]
pub(crate) struct LostAnswer;

/// Serves the endpoint until the task is ended; open connections end with it.
pub(crate) async fn serve(socket: TcpListener, cloud: Arc<Cloud>) {
    let mut connections = JoinSet::new();
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
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot switch off Nagle's algorithm");
        }
        let cloud = cloud.clone();
        let service = service_fn(move |request| respond(cloud.clone(), request));
        connections.spawn(async move {
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to the dev cloud's endpoint ended early");
            }
        });
    }
}

async fn respond(cloud: Arc<Cloud>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, LostAnswer> {
    let (head, body) = request.into_parts();
    let read = tokio::time::timeout(READ_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await;
    let scope = Scope::of(&head.headers);
    let service = scope.as_ref().map_or(Service::Sts, |scope| scope.service);
    let request_id = uuid::Uuid::now_v7().to_string();
    let refuse = |error: &ApiError| document(error.status, None, refusal(service, error, &request_id), &request_id);
    let body = match read {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => {
            let said = format!("cannot read the request (at most {BODY_BYTES_MAX} bytes): {error}");
            return Ok(refuse(&ApiError::new("RequestEntityTooLarge", said).status(413)));
        }
        Err(_) => return Ok(refuse(&ApiError::new("RequestTimeout", "the request did not arrive in time"))),
    };
    let scope = match scope {
        Ok(scope) => scope,
        Err(error) => return Ok(refuse(&error)),
    };
    let (call, operation) = match Call::read(&scope, &head, &body) {
        Ok(read) => read,
        Err(error) => return Ok(refuse(&error)),
    };
    cloud.count(service.name(), &operation);
    let fault = cloud.faults.meet(service.name(), &operation);
    if fault == Some(FaultKind::Throttle) {
        return Ok(refuse(&ApiError::throttled(service)));
    }
    if let Some((status, code, message)) = fault.as_ref().and_then(FaultKind::refusal) {
        return Ok(refuse(&ApiError::new(code, message).status(status)));
    }
    let result = call.run(&cloud, &scope, &operation).await;
    match fault {
        Some(FaultKind::LoseAnswer) => return Err(LostAnswer),
        Some(FaultKind::Delay(delay)) => tokio::time::sleep(delay).await,
        _ => {}
    }
    tracing::debug!(service = service.name(), operation, region = scope.region, ok = result.is_ok(), "dev cloud call");
    Ok(match result {
        Ok(body) => {
            document(body.status, body.location, answer(service, &operation, &request_id, &body.xml), &request_id)
        }
        Err(error) => refuse(&error),
    })
}

/// A request whose operation is known.
enum Call {
    Form(super::wire::Node),
    Dns(model::DnsCall),
}

impl Call {
    fn read(scope: &Scope, head: &http::request::Parts, body: &[u8]) -> Result<(Self, String), ApiError> {
        if scope.service == Service::Route53 {
            let call = model::DnsCall::read(&head.method, &head.uri, body)?;
            let operation = call.operation().to_owned();
            return Ok((Self::Dns(call), operation));
        }
        // Both services also take their parameters in the query string of a GET.
        let form = if head.method == Method::GET { head.uri.query().unwrap_or_default().as_bytes() } else { body };
        let mut form = parse_form(form).map_err(|error| ApiError::of_params(scope.service, error))?;
        form.take("Version");
        let missing = || ApiError::new("MissingAction", "The request has no Action parameter");
        let operation = form.take("Action").filter(|name| is_operation_name(name)).ok_or_else(missing)?;
        Ok((Self::Form(form), operation))
    }

    async fn run(self, cloud: &Arc<Cloud>, scope: &Scope, operation: &str) -> Result<Body, ApiError> {
        match self {
            Self::Form(form) => model::run(cloud, scope, operation, &form).await,
            Self::Dns(call) => model::run_dns(cloud, call),
        }
    }
}

/// What can be part of an element's name in the answer and of a key in the call log.
fn is_operation_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn document(status: u16, location: Option<String>, text: String, request_id: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/xml"));
    if let Ok(id) = header::HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(Ok(location)) = location.as_deref().map(header::HeaderValue::from_str) {
        headers.insert(header::LOCATION, location);
    }
    response
}
