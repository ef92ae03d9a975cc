//! One call of S3: read until its operation is known, then carried out.

use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::path::S3Path;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, S3Result, s3_error};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::backend::Backend;
use super::checksums::hex;
use super::gate::{self, Hosts};
use super::{Caller, chunks};
use crate::dev::cloud::Cloud;
use crate::dev::model::Place;
use crate::dev::wire::{ApiError, Xml};

/// A request to S3 whose operation is known; without signature and chunks.
#[derive(Debug)]
pub(crate) struct S3Call {
    operation: String,
    /// `BUCKET`, `BUCKET/KEY`, or nothing.
    resource: String,
    request: Request<Bytes>,
}

/// Carries calls out. Signatures were checked before, and are not there any more.
static SERVICE: LazyLock<S3Service> = LazyLock::new(|| {
    let mut builder = S3ServiceBuilder::new(Backend);
    builder.set_host(Hosts);
    builder.build()
});

/// Only finds out which operation a request is for.
static ROUTER: LazyLock<S3Service> = LazyLock::new(|| {
    let mut builder = S3ServiceBuilder::new(Backend);
    builder.set_host(Hosts);
    // Access is only looked at where there is somebody who knows secrets.
    builder.set_auth(Nobody);
    builder.set_access(Note);
    builder.build()
});

/// Knows no secret, and is never asked for one.
struct Nobody;

#[async_trait::async_trait]
impl S3Auth for Nobody {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Err(s3_error!(InvalidAccessKeyId))
    }
}

/// Operation and resource of a request, once they are known.
type Found = Arc<OnceLock<(String, String)>>;

/// Notes the operation, and lets nothing through.
struct Note;

#[async_trait::async_trait]
impl S3Access for Note {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let resource = match context.s3_path() {
            S3Path::Root => String::new(),
            S3Path::Bucket { bucket } => bucket.to_string(),
            S3Path::Object { bucket, key } => format!("{bucket}/{key}"),
        };
        let operation = context.s3_op().name().to_owned();
        if let Some(found) = context.extensions_mut().get::<Found>() {
            // A request has one operation; a second note of it would say the same.
            found.get_or_init(|| (operation, resource));
        }
        Err(s3_error!(AccessDenied))
    }
}

/// What signing put into a query string.
const SIGNING: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

impl S3Call {
    /// Reads a request whose signature was looked at already.
    pub(crate) async fn read(head: &Parts, body: &Bytes) -> Result<Self, ApiError> {
        let mut head = head.clone();
        take_signature(&mut head)?;
        gate::check_headers(&head.headers)?;
        let form =
            head.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/"));
        if head.method == Method::POST && form {
            return Err(gate::not_modelled("PostObject (uploads from HTML forms)"));
        }
        let body = plain_body(&mut head, body)?;
        let found = Found::default();
        let mut probe = Request::from_parts(head.clone(), Body::empty());
        probe.extensions_mut().insert(found.clone());
        let answer = ROUTER.call(probe).with_subscriber(NoSubscriber::new()).await;
        let Some((operation, resource)) = found.get().cloned() else {
            let answer = answer.map_err(|error| internal(&error))?;
            return Err(said(answer).await);
        };
        Ok(Self { operation, resource, request: Request::from_parts(head, body) })
    }

    /// The operation's name.
    pub(crate) fn operation(&self) -> &str {
        &self.operation
    }

    /// What it is about: `BUCKET`, `BUCKET/KEY`, or nothing; decoded.
    pub(crate) fn resource(&self) -> &str {
        &self.resource
    }

    /// The request without what signing put into it.
    pub(crate) fn request(&self) -> &Request<Bytes> {
        &self.request
    }

    /// Carries it out.
    pub(crate) async fn run(self, cloud: &Arc<Cloud>, place: &Place, request_id: &str) -> Response<Bytes> {
        let Self { mut request, resource, operation } = self;
        let caller = Caller { cloud: cloud.clone(), account: place.account.clone(), region: place.region.clone() };
        let bare = request.method() == Method::HEAD;
        let owner = request.headers().get("x-amz-expected-bucket-owner").cloned();
        let done = match check_owner(&caller, owner.as_ref(), &resource) {
            Err(error) => error.to_http_response().map_err(|error| internal(&error)),
            Ok(()) => {
                request.extensions_mut().insert(caller);
                let answered = SERVICE.call(request.map(Body::from)).with_subscriber(NoSubscriber::new());
                answered.await.map_err(|error| internal(&error))
            }
        };
        let response = match done {
            Ok(response) => response,
            Err(error) => {
                tracing::error!(operation, error = error.message, "an answer of S3 could not be written");
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        };
        finish(response, bare, &resource, request_id).await
    }
}

fn internal(error: &impl std::fmt::Debug) -> ApiError {
    ApiError::new("InternalError", format!("We encountered an internal error. Please try again. ({error:?})"))
        .status(500)
}

/// Takes signatures out of headers and query string, and makes headers of those that a presigned request has there.
fn take_signature(head: &mut Parts) -> Result<(), ApiError> {
    head.headers.remove(header::AUTHORIZATION);
    if let (false, Some(authority)) = (head.headers.contains_key(header::HOST), head.uri.authority())
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        head.headers.insert(header::HOST, host);
    }
    let mut left = Vec::new();
    for part in head.uri.query().unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let lower = name.to_ascii_lowercase();
        if !lower.starts_with("x-amz-") {
            gate::check_parameter(name)?;
            left.push(part);
        } else if !SIGNING.contains(&lower.as_str()) {
            let invalid = |_| ApiError::new("InvalidArgument", format!("the parameter {name} cannot be a header"));
            let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
            let value = HeaderValue::from_str(&value).map_err(|_| invalid(()))?;
            let lower = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| invalid(()))?;
            head.headers.entry(lower).or_insert(value);
        }
    }
    let query = left.join("&");
    let target = if query.is_empty() { head.uri.path().to_owned() } else { format!("{}?{query}", head.uri.path()) };
    let invalid = |error| ApiError::new("InvalidURI", format!("Couldn't parse the specified URI: {error}"));
    head.uri = Uri::try_from(target).map_err(invalid)?;
    // Without a scheme in its address it is a request as a server gets it.
    head.version = http::Version::HTTP_11;
    Ok(())
}

/// The body without chunks, held against the hash that the request has; headers are made to fit it.
fn plain_body(head: &mut Parts, body: &Bytes) -> Result<Bytes, ApiError> {
    let headers = &mut head.headers;
    let text = |value: HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let hash = headers.remove("x-amz-content-sha256").map(text);
    let length = headers.remove("x-amz-decoded-content-length").map(text);
    let length = length.map(|length| {
        let wrong = || ApiError::new("InvalidArgument", "x-amz-decoded-content-length is no number");
        length.parse::<u64>().map_err(|_| wrong())
    });
    let length = length.transpose()?;
    headers.remove("x-amz-trailer");
    let encoding = headers.get(header::CONTENT_ENCODING).cloned().map(text).unwrap_or_default();
    let codings: Vec<_> = encoding.split(',').map(str::trim).filter(|coding| !coding.is_empty()).collect();
    let chunked = codings.contains(&"aws-chunked") || hash.as_ref().is_some_and(|hash| hash.starts_with("STREAMING-"));
    if !chunked {
        if let Some(hash) = hash.filter(|hash| hash.len() == 64)
            && hash != hex(&Sha256::digest(body))
        {
            let said = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return Err(ApiError::new("XAmzContentSHA256Mismatch", said));
        }
        return Ok(body.clone());
    }
    let decoded = chunks::decode(body, length)?;
    for (name, value) in decoded.trailers {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) else {
            return Err(ApiError::new(
                "MalformedTrailerError",
                format!("the header {name} behind the body is malformed"),
            ));
        };
        // Signatures of the trailers are not the object's business.
        if name.as_str() != "x-amz-trailer-signature" {
            headers.insert(name, value);
        }
    }
    let kept: Vec<_> = codings.into_iter().filter(|coding| *coding != "aws-chunked").collect();
    match HeaderValue::from_str(&kept.join(",")) {
        Ok(kept) if !kept.is_empty() => headers.insert(header::CONTENT_ENCODING, kept),
        _ => headers.remove(header::CONTENT_ENCODING),
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(decoded.body.len()));
    Ok(decoded.body)
}

/// A request may say whose bucket it means.
fn check_owner(caller: &Caller, expected: Option<&HeaderValue>, resource: &str) -> S3Result<()> {
    let Some(expected) = expected else { return Ok(()) };
    let bucket = resource.split('/').next().unwrap_or_default();
    let world = caller.cloud.world();
    match world.s3.buckets.get(bucket) {
        Some(found) if found.owner.as_bytes() != expected.as_bytes() => Err(s3_error!(AccessDenied, "Access Denied")),
        _ => Ok(()),
    }
}

/// What an answer of `s3s` says that it cannot do.
async fn said(answer: Response<Body>) -> ApiError {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Said {
        code: String,
        #[serde(default)]
        message: String,
    }
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    match quick_xml::de::from_str::<Said>(&String::from_utf8_lossy(&body)) {
        Ok(said) => ApiError::new(said.code, said.message).status(status),
        Err(error) => internal(&error),
    }
}

/// The whole answer, with what AWS adds to errors.
async fn finish(response: Response<Body>, bare: bool, resource: &str, request_id: &str) -> Response<Bytes> {
    let (mut head, body) = response.into_parts();
    let mut body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let failed = head.status.is_client_error() || head.status.is_server_error() || head.status.is_redirection();
    if failed && let Some(inside) = body.strip_suffix(b"</Error>") {
        let mut more = Xml::default();
        more.leaf("Resource", format_args!("/{resource}")).leaf("RequestId", request_id).leaf("HostId", "dev-cloud");
        body = [inside, more.as_str().as_bytes(), b"</Error>"].concat().into();
    }
    let empty = head.status == StatusCode::NOT_MODIFIED || head.status == StatusCode::NO_CONTENT;
    if bare || empty {
        body = Bytes::new();
        if failed || empty {
            head.headers.remove(header::CONTENT_TYPE);
            head.headers.remove(header::CONTENT_LENGTH);
        }
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        head.headers.insert("x-amz-request-id", id);
    }
    Response::from_parts(head, body)
}
