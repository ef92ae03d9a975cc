//! Health checks of one target.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::super::{HealthCheck, Matcher, Over, ProbeProtocol, ProbeResult, probe};
use super::support::*;
use crate::dev::network::Network;

fn http(path: &str, matcher: &str, timeout: Duration) -> HealthCheck {
    let protocol = ProbeProtocol::Http { path: path.into(), matcher: matcher.parse().unwrap(), over: Over::PLAIN };
    HealthCheck { protocol, timeout }
}

async fn probe_on_loopback(address: SocketAddr, check: &HealthCheck) -> ProbeResult {
    probe(&Network::Loopback, address, check).await
}

#[tokio::test]
async fn a_status_that_matches_passes_and_another_one_is_named() {
    let address = serve(|request| async move {
        let status: StatusCode = request.uri().path()[1..].parse().unwrap();
        Response::builder().status(status).body(full("")).unwrap()
    });
    let address = address.await;
    assert_eq!(probe_on_loopback(address, &http("/200", "200", PATIENCE)).await, ProbeResult::Passed);
    assert_eq!(probe_on_loopback(address, &http("/301", "200-299,301", PATIENCE)).await, ProbeResult::Passed);
    let result = probe_on_loopback(address, &http("/500", "200-299,301", PATIENCE)).await;
    assert_eq!(result.reason(), Some("Target.ResponseCodeMismatch"));
    assert_eq!(result.description().unwrap(), "Health checks failed with these codes: [500]");
}

#[tokio::test]
async fn a_check_says_who_it_is_and_closes_its_connection() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = raw(move |mut stream| {
        let seen = seen.clone();
        async move {
            let mut buffer = vec![0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            let rest = stream.read(&mut [0; 16]).await.unwrap_or(0);
            seen.send((String::from_utf8_lossy(&buffer[..read]).into_owned(), rest)).unwrap();
        }
    });
    let address = address.await;
    assert!(probe_on_loopback(address, &http("/healthz?deep=1", "200", PATIENCE)).await.passed());
    let (request, rest) = tokio::time::timeout(PATIENCE, requests.recv()).await.unwrap().unwrap();
    assert!(request.starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("host: {address}\r\n")), "{request}");
    assert!(request.contains("user-agent: ELB-HealthChecker/2.0\r\n"), "{request}");
    assert_eq!(rest, 0, "closed");
}

#[tokio::test]
async fn no_answer_in_time_is_a_timeout() {
    let address = serve(|_| std::future::pending()).await;
    let result = probe_on_loopback(address, &http("/", "200", Duration::from_millis(50))).await;
    assert_eq!((&result, result.reason()), (&ProbeResult::TimedOut, Some("Target.Timeout")));
}

#[tokio::test]
async fn nobody_there_and_a_closed_connection_are_failures() {
    let nobody = TcpListener::bind(anywhere()).await.unwrap().local_addr().unwrap();
    let closes = raw(|stream| async move { drop(stream) }).await;
    for address in [nobody, closes] {
        let result = probe_on_loopback(address, &http("/", "200", PATIENCE)).await;
        assert_eq!(result.reason(), Some("Target.FailedHealthChecks"), "{result:?}");
    }
}

#[tokio::test]
async fn for_tcp_the_connection_is_enough() {
    let check = HealthCheck { protocol: ProbeProtocol::Tcp, timeout: PATIENCE };
    let silent = TcpListener::bind(anywhere()).await.unwrap();
    assert!(probe_on_loopback(silent.local_addr().unwrap(), &check).await.passed());
    let address = silent.local_addr().unwrap();
    drop(silent);
    assert!(!probe_on_loopback(address, &check).await.passed());
}

#[test]
fn matchers_are_read_and_written_as_on_aws() {
    for text in ["200", "200,202", "200-299,301", "0-12,99"] {
        assert_eq!(text.parse::<Matcher>().unwrap().to_string(), text);
    }
    for text in ["", "abc", "200-", "299-200", "-1", "600", "200,,202"] {
        assert!(text.parse::<Matcher>().is_err(), "{text:?} must be refused");
    }
}
