//! Where a simulated process meets the world: every call of AWS and every request to the journal's store passes here,
//! is numbered, and may be the last one.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::future::ProvideCredentials as ProvidedCredentials;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::retry::ErrorKind;
use http::Method;
use object_store::ClientOptions;
use object_store::client::{HttpError, HttpErrorKind, HttpService};
use switchback::dev::InProcess;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::plan::{Mishap, Trouble};
use super::trace::{Call, Trace, What};

/// The boundary of one process. Clones are the same boundary.
#[derive(Clone)]
pub(crate) struct Boundary(Arc<Shared>);

struct Shared {
    runner: u64,
    requests: AtomicU64,
    /// The last request before which the process was frozen.
    frozen_before: AtomicU64,
    troubles: Vec<Trouble>,
    trace: Trace,
    life: Mutex<Life>,
}

/// What becomes of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It runs.
    Running,
    /// It stands still until then.
    Frozen(Instant),
    /// It has been killed.
    Dead,
}

/// What a request has to do.
enum Fate {
    /// It leaves now; whether its answer comes back.
    Leaves { answered: bool },
    /// It leaves after this time; nobody waits for the answer.
    LeavesLate(Duration),
    /// It never leaves.
    Stays,
}

/// The process's answer was lost on the way.
#[derive(Debug, thiserror::Error)]
#[error("the simulation lost the answer")]
struct Lost;

impl fmt::Debug for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Boundary(runner {})", self.0.runner)
    }
}

impl Boundary {
    /// The boundary of process number `runner`, to which these troubles happen.
    pub(crate) fn new(runner: u64, troubles: Vec<Trouble>, trace: Trace) -> Self {
        let life = Mutex::new(Life::Running);
        let (requests, frozen_before) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Shared { runner, requests, frozen_before, troubles, trace, life }))
    }

    /// The process's number.
    pub(crate) fn runner(&self) -> u64 {
        self.0.runner
    }

    /// How many requests have come here.
    pub(crate) fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Writes what happens to the process.
    pub(crate) fn note(&self, what: What) {
        self.0.trace.write(Some(self.0.runner), what);
    }

    /// What has become of the process.
    pub(crate) fn life(&self) -> Life {
        *self.locked()
    }

    /// The process goes on.
    pub(crate) fn thaw(&self) {
        *self.locked() = Life::Running;
        self.note(What::Thawed);
    }

    fn locked(&self) -> MutexGuard<'_, Life> {
        self.0.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trouble(&self, boundary: u64) -> Option<Mishap> {
        self.0.troubles.iter().find(|trouble| trouble.boundary == boundary).map(|trouble| trouble.what)
    }

    fn freeze(&self, boundary: u64, for_ms: u64, how: &str) {
        let what = format!("stands still for {for_ms} ms {how}");
        self.note(What::Trouble { boundary, what });
        *self.locked() = Life::Frozen(Instant::now() + Duration::from_millis(for_ms));
    }

    fn die(&self, boundary: u64, how: String) {
        self.note(What::Trouble { boundary, what: how });
        *self.locked() = Life::Dead;
    }

    /// Returns once the process may go on: at once while it runs, never after its death.
    ///
    /// What waits here does so inside the process, which is not polled while it is frozen.
    async fn alive(&self) {
        loop {
            match self.life() {
                Life::Running => return,
                // The process is held back by its supervisor, which polls everything in it again afterwards.
                Life::Frozen(_) | Life::Dead => tokio::task::yield_now().await,
            }
        }
    }

    /// Numbers a request, and says what is to become of it.
    async fn reach(&self, call: &Call) -> (u64, Fate) {
        self.alive().await;
        let boundary = self.0.requests.fetch_add(1, Ordering::Relaxed) + 1;
        self.note(What::Reached { boundary, call: call.clone() });
        let fate = match self.trouble(boundary) {
            None => Fate::Leaves { answered: true },
            // It has happened, in `before`.
            Some(Mishap::FreezeBefore { .. }) => Fate::Leaves { answered: true },
            Some(Mishap::CrashBefore) => {
                self.die(boundary, "is killed before this leaves".into());
                Fate::Stays
            }
            Some(Mishap::CrashAfter) => {
                self.die(boundary, "is killed after this, before the answer".into());
                Fate::Leaves { answered: true }
            }
            Some(Mishap::CrashInFlight { lands_after_ms }) => {
                self.die(boundary, format!("is killed, and this lands {lands_after_ms} ms later"));
                Fate::LeavesLate(Duration::from_millis(lands_after_ms))
            }
            Some(Mishap::LoseAnswer) => {
                self.note(What::Trouble { boundary, what: "loses the answer".into() });
                Fate::Leaves { answered: false }
            }
            Some(Mishap::FreezeAfter { for_ms }) => {
                self.freeze(boundary, for_ms, "before the answer");
                Fate::Leaves { answered: true }
            }
        };
        (boundary, fate)
    }

    /// Called where the next request is about to be made, before the last checks that come before its leaving.
    async fn before(&self) {
        self.alive().await;
        let boundary = self.requests() + 1;
        if let Some(Mishap::FreezeBefore { for_ms }) = self.trouble(boundary) {
            // Once: another call that is made at the same time may come here while the first one waits.
            if self.0.frozen_before.fetch_max(boundary, Ordering::Relaxed) < boundary {
                self.freeze(boundary, for_ms, "before this leaves");
                self.alive().await;
            }
        }
    }

    /// Lets a request out. It goes on by itself, whatever becomes of the process.
    async fn send<T: Send + 'static, E: Send + 'static>(
        &self,
        call: Call,
        request: impl Future<Output = Result<T, E>> + Send + 'static,
        status: impl Fn(&Result<T, E>) -> Option<u16> + Send + 'static,
    ) -> Option<Result<T, E>> {
        let (boundary, fate) = self.reach(&call).await;
        let (sender, answer) = oneshot::channel();
        let this = self.clone();
        let leave = async move {
            let answer = request.await;
            this.note(What::Effected { boundary, call, status: status(&answer) });
            // Nobody may be there any more to hear it.
            sender.send(answer).ok();
        };
        let answered = match fate {
            Fate::Leaves { answered } => {
                tokio::spawn(leave);
                answered
            }
            Fate::LeavesLate(by) => {
                tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    leave.await;
                });
                true
            }
            Fate::Stays => true,
        };
        self.alive().await;
        let answer = answer.await.ok();
        if answered { answer } else { None }
    }
}

/// A process's clients of AWS: what they send passes the boundary.
#[derive(Debug, Clone)]
pub(crate) struct AwsClient {
    to: SharedHttpClient,
    boundary: Boundary,
}

#[derive(Debug)]
struct AwsConnector {
    to: SharedHttpConnector,
    boundary: Boundary,
}

impl AwsClient {
    /// A client whose requests go to `to`.
    pub(crate) fn new(to: SharedHttpClient, boundary: Boundary) -> Self {
        Self { to, boundary }
    }
}

impl HttpClient for AwsClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, parts: &RuntimeComponents) -> SharedHttpConnector {
        let to = self.to.http_connector(settings, parts);
        SharedHttpConnector::new(AwsConnector { to, boundary: self.boundary.clone() })
    }
}

impl HttpConnector for AwsConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (to, boundary) = (self.to.clone(), self.boundary.clone());
        HttpConnectorFuture::new(async move {
            let call = aws_call(&request);
            let status = |answer: &Result<aws_smithy_runtime_api::client::orchestrator::HttpResponse, _>| {
                answer.as_ref().ok().map(|answer| answer.status().as_u16())
            };
            let answer = boundary.send(call, async move { to.call(request).await }, status).await;
            // What the SDK makes of a connection that was closed before the answer.
            answer.unwrap_or_else(|| Err(ConnectorError::other(Lost.into(), Some(ErrorKind::TransientError))))
        })
    }
}

/// A process's credentials. The SDK asks for them after the engine has decided to make a call, and before the last
/// look at the clock: a process that is frozen here wakes up with a call that it is about to send.
#[derive(Debug)]
pub(crate) struct Keys(Boundary);

impl Keys {
    /// The credentials of the process behind this boundary: its access key is its name.
    pub(crate) fn new(boundary: Boundary) -> Self {
        Self(boundary)
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(access_key(self.0.runner()), SECRET, None, None, "the simulation")
    }
}

/// The access key of a process: events of the dev cloud name it.
pub(crate) fn access_key(runner: u64) -> String {
    format!("runner-{runner}")
}

/// The secret of every key: signatures are not checked.
pub(crate) const SECRET: &str = "simulated";

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> ProvidedCredentials<'a>
    where
        Self: 'a,
    {
        ProvidedCredentials::new(async {
            self.0.before().await;
            Ok(self.credentials())
        })
    }
}

/// A process's connection to the journal's store: what it sends passes the boundary.
#[derive(Debug, Clone)]
pub(crate) struct StoreConnector {
    to: InProcess,
    boundary: Boundary,
}

impl StoreConnector {
    /// A connector whose requests go to `to`.
    pub(crate) fn new(to: InProcess, boundary: Boundary) -> Self {
        Self { to, boundary }
    }
}

impl object_store::client::HttpConnector for StoreConnector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<object_store::client::HttpClient> {
        Ok(object_store::client::HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for StoreConnector {
    async fn call(
        &self,
        request: object_store::client::HttpRequest,
    ) -> Result<object_store::client::HttpResponse, HttpError> {
        self.boundary.before().await;
        let call = store_call(&request);
        let to = self.to.clone();
        let status = |answer: &Result<object_store::client::HttpResponse, _>| {
            answer.as_ref().ok().map(|answer| answer.status().as_u16())
        };
        let send = async move { HttpService::call(&to, request).await };
        let answer = self.boundary.send(call, send, status).await;
        answer.unwrap_or_else(|| Err(HttpError::new(HttpErrorKind::Interrupted, Lost)))
    }
}

/// Which call of AWS a request is.
fn aws_call(request: &HttpRequest) -> Call {
    let body = request.body().bytes().unwrap_or_default();
    let uri: http::Uri = request.uri().parse().expect("the SDK writes URIs");
    let service = request.headers().get("authorization").and_then(signed_for).unwrap_or("unknown");
    let service = if service == "elasticloadbalancing" { "elbv2" } else { service };
    let path = uri.path();
    let operation = if let Some((_, operation)) = path.rsplit_once("/operation/") {
        operation.to_owned()
    } else if let Some(target) = request.headers().get("x-amz-target") {
        target.rsplit('.').next().unwrap_or(target).to_owned()
    } else if path.len() > 1 {
        // Route 53 has no names of operations on the wire: the path without its ids says enough.
        let words: Vec<_> = path.split('/').skip(2).filter(|part| part.chars().all(char::is_lowercase)).collect();
        format!("{} {}", request.method(), words.join("/"))
    } else {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let action = text.split('&').find_map(|pair| pair.strip_prefix("Action="));
        action.unwrap_or("unknown").to_owned()
    };
    let reads = ["Describe", "Get", "List", "GET "].iter().any(|reading| operation.starts_with(reading));
    let hash = hash([request.uri().as_bytes(), body]);
    Call { name: format!("{service}:{operation}"), reads, hash }
}

/// The service in the credential scope of a signature.
fn signed_for(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    let mut scope = credential.split([',', ' ']).next()?.rsplit('/');
    scope.next().filter(|end| *end == "aws4_request")?;
    scope.next()
}

/// Which request to the journal's store it is. What is written is not in the hash: it holds the process id.
fn store_call(request: &object_store::client::HttpRequest) -> Call {
    let query = request.uri().query().unwrap_or_default();
    let operation = match *request.method() {
        Method::PUT => "put",
        Method::GET if query.contains("list-type") => "list",
        Method::GET => "get",
        Method::HEAD => "head",
        Method::DELETE => "delete",
        _ => "other",
    };
    let reads = matches!(operation, "get" | "list" | "head");
    let hash = hash([request.uri().path().as_bytes(), query.as_bytes()]);
    Call { name: format!("journal:{operation}"), reads, hash }
}

/// FNV-1a: short, and the same everywhere.
fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    let bytes = parts.into_iter().flatten();
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
