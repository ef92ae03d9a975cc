//! AWS as a script: a connector below the real SDK clients that answers as a test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use switchback::cloud::Cloud;

/// A request, as the script sees it.
pub(crate) struct Asked {
    /// For example `ModifyRule`.
    pub(crate) operation: String,
    /// The body of a form or XML request, else the query; decoded.
    pub(crate) text: String,
    /// How many requests of this operation came before, retries included.
    pub(crate) before: usize,
}

/// What comes back.
pub(crate) enum Reply {
    Answer(u16, String),
    /// The request arrives, its answer never does.
    Silence,
    /// The connection breaks after the request was sent.
    Broken,
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

#[derive(Clone)]
struct Connector {
    script: Arc<Script>,
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
    log: Log,
}

/// Every request that was sent, in order: operation and text.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(String, String)>>>);

impl Log {
    pub(crate) fn of(&self, operation: &str) -> Vec<String> {
        let log = self.0.lock().expect("no test panics here");
        log.iter().filter(|(o, _)| o == operation).map(|(_, text)| text.clone()).collect()
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("script")
    }
}

impl HttpClient for Connector {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (operation, text) = read(&request);
        let before = {
            let mut counts = self.counts.lock().expect("no test panics here");
            let count = counts.entry(operation.clone()).or_default();
            *count += 1;
            *count - 1
        };
        self.log.0.lock().expect("no test panics here").push((operation.clone(), text.clone()));
        let reply = (self.script)(&Asked { operation, text, before });
        HttpConnectorFuture::new(async move {
            match reply {
                Reply::Answer(status, body) => {
                    let status = status.try_into().expect("a status");
                    let mut response = HttpResponse::new(status, SdkBody::from(body));
                    response.headers_mut().insert("x-amzn-requestid", "req-9");
                    Ok(response)
                }
                Reply::Silence => std::future::pending().await,
                Reply::Broken => Err(ConnectorError::io("connection reset by peer".into())),
            }
        })
    }
}

/// The operation, and what it was asked with.
fn read(request: &HttpRequest) -> (String, String) {
    let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
    let uri = request.uri().to_owned();
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let form = |text: &str| {
        url::form_urlencoded::parse(text.as_bytes()).map(|(k, v)| format!("{k}={v}\n")).collect::<String>()
    };
    if let Some(action) = body.strip_prefix("Action=") {
        let action = action.split('&').next().unwrap_or_default().to_owned();
        return (action, form(&body));
    }
    let operation = match (request.method(), path) {
        ("POST", p) if p.ends_with("/rrset") => "ChangeResourceRecordSets",
        (_, p) if p.ends_with("/rrset") => "ListResourceRecordSets",
        (_, p) if p.contains("/hostedzonesbyname") => "ListHostedZonesByName",
        (_, p) if p.contains("/change/") => "GetChange",
        other => panic!("a request that no test expects: {other:?}"),
    };
    (operation.to_owned(), if body.is_empty() { form(query) } else { body })
}

/// AWS that answers as `script` says, with the retries and time-outs of the program.
pub(crate) fn aws(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Cloud, Log) {
    let log = Log::default();
    let connector = Connector { script: Arc::new(script), counts: Arc::default(), log: log.clone() };
    let credentials = Credentials::new("AKIDEXAMPLE", "not a secret", None, None, "test");
    let config = config().http_client(connector).credentials_provider(SharedCredentialsProvider::new(credentials));
    (Cloud::from_conf(&config.build()), log)
}

/// The program's retries and time-outs, without credentials and connector.
pub(crate) fn config() -> aws_types::sdk_config::Builder {
    super::spans::log();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(10))
        .operation_timeout(Duration::from_secs(40))
        .build();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-west-1"))
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .timeout_config(timeouts)
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
}

/// A successful answer of a service with the query protocol, with this inside of the result.
pub(crate) fn result(operation: &str, inside: &str) -> Reply {
    let xml = format!(
        "<{operation}Response><{operation}Result>{inside}</{operation}Result>\
         </{operation}Response>"
    );
    Reply::Answer(200, xml)
}

/// A successful answer of EC2 or Route 53, with this inside.
pub(crate) fn plain(operation: &str, inside: &str) -> Reply {
    Reply::Answer(200, format!("<{operation}Response>{inside}</{operation}Response>"))
}

/// An error as ELBv2, STS and Route 53 send it.
pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
    let xml = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    Reply::Answer(status, xml)
}

/// An error as EC2 sends it.
pub(crate) fn ec2_error(status: u16, code: &str, message: &str) -> Reply {
    let xml =
        format!("<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>");
    Reply::Answer(status, xml)
}
