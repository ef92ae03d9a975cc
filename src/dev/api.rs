//! What happens to one call of the AWS API, from the request to the answer; sockets are `server`'s business.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};

use super::access::{self, Asked};
use super::cloud::Cloud;
pub(crate) use super::gate::LostAnswer;
use super::gate::{self, Stopped};
use super::history::Past;
use super::model::{self, Place};
use super::observe::{Called, Seen};
use super::wire::{ApiError, Body, Credential, Node, Protocol, Scope, Service, Written, answer, read_call, refusal};

/// Carries one call out and answers it.
///
/// # Errors
/// The answer is lost, as a fault wants it.
pub(crate) async fn call(cloud: &Arc<Cloud>, request: Request<Bytes>) -> Result<Response<Bytes>, LostAnswer> {
    let (head, body) = request.into_parts();
    let (credential, service) = match Credential::of(&head) {
        Ok(credential) => {
            let service = credential.service;
            (Ok(credential), service)
        }
        Err(error) => match model::refuse_unsigned(&head) {
            Some(refused) => (Err(refused), Service::S3),
            None => (Err(error), Service::Sts),
        },
    };
    let protocol = Protocol::of(service, &head.headers);
    let request_id = request_id(cloud);
    let refuse =
        |error: &ApiError| document(error.status, None, refusal(service, protocol, error, &request_id), &request_id);
    let scope = credential.and_then(|credential| {
        let caller = cloud.access.admit(&credential, (&head, &body), cloud.clock.now())?;
        let place = Place { account: caller.account.clone(), region: credential.region };
        Ok(Scope { service, place, caller })
    });
    let scope = match scope {
        Ok(scope) => scope,
        Err(error) => return Ok(refuse(&error)),
    };
    let (call, operation) = match Call::read(&scope, protocol, &head, &body).await {
        Ok(read) => read,
        Err(error) => return Ok(refuse(&error)),
    };
    let reads = model::operations(service).iter().any(|known| known.name == operation && known.reads());
    let passed = match gate::enter(cloud, &scope, &operation, (call.form(), reads)).await {
        Ok(passed) => passed,
        Err(Stopped::Refused(error)) => {
            tell(cloud, &scope, (&operation, reads), (&head, &body, call.form()), Some(&error.code));
            return Ok(refuse(&error));
        }
        Err(Stopped::Lost(lost)) => return Err(lost),
    };
    let asked = match &call {
        Call::Form(form) => Asked::Form(form),
        Call::Dns(_) => Asked::Rest(&head, &body),
        Call::S3(call) => Asked::S3(call),
    };
    let form = call.form().filter(|_| cloud.is_observed()).cloned();
    let result = match access::authorize(cloud, &scope, &operation, asked) {
        Ok(()) => call.run(cloud, &scope, (&operation, &request_id), passed.past.as_ref()).await,
        Err(denied) => Err(denied),
    };
    let status = result.as_ref().ok().and_then(Done::refused);
    let refused = result.as_ref().err().map(|error| &*error.code).or(status.as_ref().map(StatusCode::as_str));
    tell(cloud, &scope, (&operation, reads), (&head, &body, form.as_ref()), refused);
    passed.leave().await?;
    tracing::debug!(
        service = service.name(),
        operation,
        region = scope.place.region,
        ok = result.is_ok(),
        "dev cloud call"
    );
    Ok(match result {
        Ok(Done::Answer(response)) => response,
        Ok(Done::Body(body)) => {
            let written = answer(service, protocol, &operation, &request_id, &body.document);
            document(body.status, body.location, written, &request_id)
        }
        Err(error) => refuse(&error),
    })
}

/// Tells the observer of a call that has had its effect, or was refused.
fn tell(
    cloud: &Cloud,
    scope: &Scope,
    (operation, reads): (&str, bool),
    (head, body, form): (&http::request::Parts, &Bytes, Option<&Node>),
    refused: Option<&str>,
) {
    let (caller, service) = (scope.caller.access_key.as_str(), scope.service.name());
    let path = head.uri.path();
    cloud.tell(&Seen::Call(Called { caller, service, operation, reads, refused, path, body, form }));
}

/// A request whose operation is known.
enum Call {
    Form(Node),
    Dns(model::DnsCall),
    S3(Box<model::S3Call>),
}

/// What a call is answered with.
enum Done {
    /// The fields of the output.
    Body(Body),
    /// All of it.
    Answer(Response<Bytes>),
}

impl Done {
    /// The status of an answer that says no: S3's come whole.
    fn refused(&self) -> Option<StatusCode> {
        match self {
            Self::Answer(response) if !response.status().is_success() => Some(response.status()),
            Self::Answer(_) | Self::Body(_) => None,
        }
    }
}

impl Call {
    async fn read(
        scope: &Scope,
        protocol: Protocol,
        head: &http::request::Parts,
        body: &Bytes,
    ) -> Result<(Self, String), ApiError> {
        if scope.service == Service::S3 {
            let call = model::S3Call::read(head, body).await?;
            let operation = call.operation().to_owned();
            return Ok((Self::S3(Box::new(call)), operation));
        }
        if scope.service == Service::Route53 {
            let call = model::DnsCall::read(&head.method, &head.uri, body)?;
            let operation = call.operation().to_owned();
            return Ok((Self::Dns(call), operation));
        }
        let (operation, form) = read_call(scope.service, protocol, head, body)?;
        Ok((Self::Form(form), operation))
    }

    fn form(&self) -> Option<&Node> {
        match self {
            Self::Form(form) => Some(form),
            Self::Dns(_) | Self::S3(_) => None,
        }
    }

    async fn run(
        self,
        cloud: &Arc<Cloud>,
        scope: &Scope,
        (operation, request_id): (&str, &str),
        past: Option<&Past>,
    ) -> Result<Done, ApiError> {
        match self {
            Self::Form(form) if let Some(past) = past => {
                model::run_in_the_past(cloud, scope, operation, (&form, past)).map(Done::Body)
            }
            Self::Form(form) => model::run(cloud, scope, operation, &form).await.map(Done::Body),
            Self::Dns(call) => model::run_dns(cloud, &scope.place.account, &call, past).map(Done::Body),
            Self::S3(call) => Ok(Done::Answer(call.run(cloud, &scope.place, request_id).await)),
        }
    }
}

fn document(status: u16, location: Option<String>, written: Written, request_id: &str) -> Response<Bytes> {
    let mut response = Response::new(written.body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.extend(written.headers);
    if let Ok(id) = header::HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    if let Some(Ok(location)) = location.as_deref().map(header::HeaderValue::from_str) {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// An answer to a request that could not even be read.
pub(crate) fn unreadable(cloud: &Cloud, error: &ApiError) -> Response<Bytes> {
    let id = request_id(cloud);
    document(error.status, None, refusal(Service::Sts, Protocol::Query, error, &id), &id)
}

fn request_id(cloud: &Cloud) -> String {
    let (high, low) = (cloud.chance.number(), cloud.chance.number());
    uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes()).into_uuid().to_string()
}
