//! The checker behind health checks: one task per check asks its endpoint for as long as the check exists.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::checks::{Config, Finding, Kind};
use crate::dev::cloud::Cloud;

/// How long a connection may take for HTTP checks, and then the answer.
const HTTP_CONNECT_MAX: Duration = Duration::from_secs(4);
const HTTP_ANSWER_MAX: Duration = Duration::from_secs(2);
/// How long a connection may take for TCP checks.
const TCP_CONNECT_MAX: Duration = Duration::from_secs(10);
/// Where the string of `HTTP_STR_MATCH` must be.
const SEARCHED_BYTES: usize = 5120;
/// How much of an answer is read at all.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Checks the endpoint of a check until the check is updated or deleted.
pub(super) fn watch(cloud: &Arc<Cloud>, account: &str, id: &str, version: u64) {
    let (weak, account, id) = (Arc::downgrade(cloud), account.to_owned(), id.to_owned());
    cloud.spawn(async move {
        loop {
            // Between checks the task does not keep the cloud alive.
            let Some(cloud) = weak.upgrade() else { return };
            let Some(config) = current(&cloud, &account, &id, version) else { return };
            // A disabled check asks nobody, until an update starts another task.
            if config.disabled {
                return;
            }
            let finding = look(&cloud, &id, &config).await;
            {
                let mut world = cloud.world();
                let dns = &mut world.account(&account).dns;
                let Some(check) = dns.checks.get_mut(&id).filter(|check| check.version == version) else { return };
                check.record(finding, cloud.clock.now());
            }
            let pause = Duration::from_secs(config.interval_s.into()) / cloud.timing.health_speed.max(1);
            drop(cloud);
            tokio::time::sleep(pause).await;
        }
    });
}

fn current(cloud: &Cloud, account: &str, id: &str, version: u64) -> Option<Config> {
    let mut world = cloud.world();
    let check = world.account(account).dns.checks.get(id)?;
    (check.version == version).then(|| check.config.clone())
}

/// One check, and AWS's words for it.
async fn look(cloud: &Arc<Cloud>, id: &str, config: &Config) -> Finding {
    let resolved = config.ip_address.or_else(|| {
        let domain = config.domain.as_deref()?;
        cloud.world().address_of(cloud, domain)
    });
    let Some(address) = resolved else {
        return Finding { passed: false, words: "Failure: DNS resolution failed: Rcode NXDomain(3)".to_owned() };
    };
    match ask(cloud, address, id, config).await {
        Ok(words) => Finding { passed: true, words: format!("Success: {words}") },
        Err(words) => {
            let said = if config.ip_address.is_some() { words } else { format!("Resolved IP: {address}. {words}") };
            Finding { passed: false, words: format!("Failure: {said}") }
        }
    }
}

async fn ask(cloud: &Cloud, address: IpAddr, id: &str, config: &Config) -> Result<String, String> {
    let endpoint = SocketAddr::new(address, config.port);
    let most = if config.kind == Kind::Tcp { TCP_CONNECT_MAX } else { HTTP_CONNECT_MAX };
    let late = || "The health checker could not establish a connection within the timeout limit.".to_owned();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::ConnectionRefused => "Connection refused. The endpoint actively refused it.".to_owned(),
        _ => format!("The connection failed: {error}."),
    };
    let stream = tokio::time::timeout(most, cloud.network.connect(endpoint)).await;
    let stream = stream.map_err(|_| late())?.map_err(failed)?;
    if config.kind == Kind::Tcp {
        return Ok("TCP connection established".to_owned());
    }
    let host = match &config.domain {
        Some(domain) if config.port == 80 => domain.clone(),
        Some(domain) => format!("{domain}:{}", config.port),
        None if config.port == 80 => address.to_string(),
        None => endpoint.to_string(),
    };
    let request = Request::get(rooted(config.path.as_deref().unwrap_or_default()))
        .header(header::HOST, host)
        .header(header::CONNECTION, "close")
        .header(
            header::USER_AGENT,
            format!("Amazon-Route53-Health-Check-Service (ref {id}; report http://amzn.to/1vsZADi)"),
        )
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("The request cannot be sent: {error}."))?;
    let broken = |error: hyper::Error| format!("The connection was closed without an answer: {error}.");
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let answer = async {
            let response = sender.send_request(request).await.map_err(broken)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), BODY_BYTES_MAX);
            let body = match config.search {
                Some(_) => {
                    body.collect().await.map_err(|error| format!("The answer cannot be read: {error}."))?.to_bytes()
                }
                None => Bytes::new(),
            };
            Ok::<_, String>((status, body))
        };
        tokio::pin!(connection, answer);
        // Both live in this future, so the connection is closed when the check is over, however it ends.
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                result = &mut answer => return result,
                _ = &mut connection, if open => open = false,
            }
        }
    };
    let answered = tokio::time::timeout(HTTP_ANSWER_MAX, exchange).await;
    let (status, body) = answered.map_err(|_| "The endpoint did not respond in time.".to_owned())??;
    let said = format!("HTTP Status Code {}, {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    if !status.is_success() && !status.is_redirection() {
        return Err(said);
    }
    match &config.search {
        Some(search) => {
            let searched = &body[..body.len().min(SEARCHED_BYTES)];
            let found = searched.windows(search.len().max(1)).any(|part| part == search.as_bytes());
            let missing =
                format!("{said}. The specified search string is not in the first {SEARCHED_BYTES} bytes of the body.");
            if found { Ok(said) } else { Err(missing) }
        }
        None => Ok(said),
    }
}

/// The path with the slash that it may have been given without.
pub(super) fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}
