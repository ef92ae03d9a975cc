//! The dev cloud without a socket: the AWS SDK's and object_store's requests are handed to it in the same process.
//!
//! Under tokio's paused clock (`start_paused`, one thread) nothing here waits for real time, and a seed decides
//! everything that is left to chance: ids, weighted choices, delays, and the SDK's own jitter and tokens.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::retry::ErrorKind;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{HttpError, HttpErrorKind, HttpService};

use super::api::{self, LostAnswer};
use super::cloud::Cloud;
use crate::clock::Clock;

/// A way into a dev cloud of the same process. It does not keep the cloud alive.
#[derive(Debug, Clone)]
pub struct InProcess {
    cloud: Weak<Cloud>,
    clock: Clock,
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Lost(#[from] LostAnswer),
    #[error("the dev cloud has been shut down")]
    Gone,
}

impl InProcess {
    pub(super) fn new(cloud: &Arc<Cloud>) -> Self {
        Self { cloud: Arc::downgrade(cloud), clock: cloud.clock.clone() }
    }

    /// `config`, but its requests, its time and its pauses are the dev cloud's.
    pub(super) fn configure(&self, config: aws_types::sdk_config::Builder) -> SdkConfig {
        config
            .http_client(self.clone())
            .time_source(self.clone())
            .sleep_impl(TokioSleep::new())
            // It takes an answer that is not there at once for a stream that has stalled.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(aws_config::retry::RetryConfig::standard())
            .build()
    }

    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unanswered> {
        let cloud = self.cloud.upgrade().ok_or(Unanswered::Gone)?;
        Ok(api::call(&cloud, request).await?)
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { to: self.clone(), read_timeout: settings.read_timeout() })
    }
}

impl TimeSource for InProcess {
    fn now(&self) -> SystemTime {
        self.clock.now().into()
    }
}

/// What the SDK sends its requests to.
#[derive(Debug)]
struct Connector {
    to: InProcess,
    read_timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (to, read_timeout) = (self.to.clone(), self.read_timeout);
        HttpConnectorFuture::new(async move {
            let answered = answer_sdk(to, request);
            match read_timeout {
                None => answered.await,
                Some(limit) => match tokio::time::timeout(limit, answered).await {
                    Ok(answered) => answered,
                    Err(late) => Err(ConnectorError::timeout(late.into())),
                },
            }
        })
    }
}

async fn answer_sdk(to: InProcess, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (head, body) = request.into_parts();
    let body = match body.bytes() {
        Some(bytes) => Bytes::copy_from_slice(bytes),
        None => ByteStream::new(body).collect().await.map_err(|error| ConnectorError::io(error.into()))?.into_bytes(),
    };
    let response = to.call(Request::from_parts(head, body)).await.map_err(|error| match error {
        // What the SDK makes of a connection that was closed before the answer.
        Unanswered::Lost(_) => ConnectorError::other(error.into(), Some(ErrorKind::TransientError)),
        Unanswered::Gone => ConnectorError::io(error.into()),
    })?;
    let unfit = |error: aws_smithy_runtime_api::http::HttpError| ConnectorError::other(error.into(), None);
    response.map(SdkBody::from).try_into().map_err(unfit)
}

impl object_store::client::HttpConnector for InProcess {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<object_store::client::HttpClient> {
        // The options speak of connections, of which there are none.
        Ok(object_store::client::HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for InProcess {
    async fn call(
        &self,
        request: object_store::client::HttpRequest,
    ) -> Result<object_store::client::HttpResponse, HttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let response = InProcess::call(self, Request::from_parts(head, body)).await.map_err(|error| {
            let kind = match error {
                Unanswered::Lost(_) => HttpErrorKind::Interrupted,
                Unanswered::Gone => HttpErrorKind::Connect,
            };
            HttpError::new(kind, error)
        })?;
        Ok(response.map(Into::into))
    }
}
