//! HTTP and TCP checks: what passes, and what each kind of failure looks like.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::checks::testing::{Reply, Server, closed_port, green};
use crate::checks::{SmokeTarget, smoke};
use crate::config::{Expect, HttpCheck, SmokeCheck, TcpCheck};
use crate::dial::ThisMachine;
use crate::release::Problem;

/// Far more than loopback needs; tests of a time that runs out use the paused clock.
const PLENTY: Duration = Duration::from_secs(30);

fn http() -> HttpCheck {
    HttpCheck {
        path: "/healthz".into(),
        port: None,
        host: None,
        expect: Expect { status: 200, body_contains: Some("ok".into()), within: PLENTY },
        attempts: 1,
        pause: Duration::ZERO,
    }
}

async fn run(checks: &[SmokeCheck], target: &SmokeTarget) -> Result<(), Problem> {
    smoke(&ThisMachine, checks, target, Path::new("")).await
}

async fn run_http(check: HttpCheck, endpoint: SocketAddr) -> Result<(), Problem> {
    run(&[SmokeCheck::Http(check)], &green(&[endpoint])).await
}

/// What is seen when a server replies like this to the only attempt.
async fn saw(reply: Reply, check: HttpCheck) -> String {
    let server = Server::replying([reply]).await;
    let problem = run_http(check, server.endpoint).await.unwrap_err();
    let start = format!("smoke check 1 of 1 (GET /healthz) failed after 1 attempt(s) on {}: ", server.endpoint);
    problem.saw.strip_prefix(&start).unwrap_or_else(|| panic!("{}", problem.saw)).to_owned()
}

#[tokio::test]
async fn the_right_answer_of_every_instance_passes() {
    let servers = [Server::replying([Reply::ok("ok")]).await, Server::replying([Reply::ok("it is ok")]).await];
    let target = green(&servers.each_ref().map(|s| s.endpoint));
    assert_eq!(run(&[SmokeCheck::Http(http())], &target).await, Ok(()));
    assert_eq!(servers.each_ref().map(Server::requests), [1, 1]);
    assert!(servers[0].heads()[0].starts_with("get /healthz http/1.1\r\n"), "{}", servers[0].heads()[0]);
}

#[tokio::test]
async fn one_bad_instance_among_good_ones_fails_and_is_named() {
    let good = Server::replying([Reply::ok("ok")]).await;
    let bad = Server::replying([Reply::Now(503, "warming up".into())]).await;
    let problem = run(&[SmokeCheck::Http(http())], &green(&[good.endpoint, bad.endpoint])).await.unwrap_err();
    let endpoint = bad.endpoint;
    assert_eq!(
        problem,
        Problem::new(
            format!(
                "smoke check 1 of 1 (GET /healthz) failed after 1 attempt(s) on {endpoint}: status 503, body \"warming up\""
            ),
            "status 200, a body that contains \"ok\", within 30s",
            format!("curl -v --max-time 30 http://{endpoint}/healthz"),
        )
    );
}

#[tokio::test]
async fn many_bad_instances_are_counted() {
    let bad = Server::replying([Reply::Now(500, String::new())]).await;
    let problem = run(&[SmokeCheck::Http(http())], &green(&[bad.endpoint; 5])).await.unwrap_err();
    assert!(problem.saw.ends_with("status 500, an empty body; and 2 more"), "{}", problem.saw);
}

#[tokio::test]
async fn no_instance_at_all_is_a_failure() {
    let problem = run(&[SmokeCheck::Http(http())], &green(&[])).await.unwrap_err();
    assert_eq!(problem.saw, "there is no instance of green to run the smoke checks against");
    assert_eq!(run(&[], &green(&[])).await, Ok(()));
}

#[tokio::test]
async fn a_wrong_body_with_the_right_status_fails() {
    assert_eq!(saw(Reply::ok("maintenance"), http()).await, "status 200, body \"maintenance\"");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Server::replying([Reply::ok("ok")]).await;
    let redirect = Reply::Redirect(format!("http://{}/", elsewhere.endpoint));
    assert_eq!(saw(redirect.clone(), http()).await, "status 302, an empty body");
    assert_eq!(elsewhere.requests(), 0);

    let expected = Expect { status: 302, body_contains: None, within: PLENTY };
    let server = Server::replying([redirect]).await;
    assert_eq!(run_http(HttpCheck { expect: expected, ..http() }, server.endpoint).await, Ok(()));
}

#[tokio::test]
async fn a_body_larger_than_the_bound_fails_though_it_contains_the_text() {
    assert_eq!(saw(Reply::Endless, http()).await, "status 200, but its body is larger than 1 MiB");
    let announced = Reply::ok(&"ok".repeat(1024 * 1024));
    assert_eq!(saw(announced, http()).await, "status 200, but its body is larger than 1 MiB");
}

#[tokio::test]
async fn a_body_as_large_as_the_bound_is_read_to_its_end() {
    let server = Server::replying([Reply::ok(&format!("{}ok", ".".repeat(1024 * 1024 - 2)))]).await;
    assert_eq!(run_http(http(), server.endpoint).await, Ok(()));
}

#[tokio::test]
async fn a_closed_port_is_named_as_such() {
    let endpoint = closed_port().await;
    let problem = run_http(http(), endpoint).await.unwrap_err();
    assert!(problem.saw.ends_with(&format!("{endpoint}: connection refused")), "{}", problem.saw);
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_fails() {
    let saw = saw(Reply::Close, http()).await;
    assert!(saw.contains("closed") || saw.contains("reset"), "{saw}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_hangs_fails_when_the_time_is_over() {
    let expect = Expect { within: Duration::from_millis(500), ..http().expect };
    assert_eq!(saw(Reply::Never, HttpCheck { expect, ..http() }).await, "no answer within 500ms");
}

#[tokio::test(start_paused = true)]
async fn the_right_answer_too_late_fails() {
    let late = Reply::After(Duration::from_secs(3), 200, "ok".into());
    let expect = Expect { within: Duration::from_secs(2), ..http().expect };
    assert_eq!(saw(late, HttpCheck { expect, ..http() }).await, "no answer within 2s");
}

#[tokio::test]
async fn half_an_answer_is_none() {
    // The real clock: under the paused one the time may be over before the first half has come.
    let expect = Expect { within: Duration::from_secs(2), ..http().expect };
    let saw = saw(Reply::Half, HttpCheck { expect, ..http() }).await;
    assert_eq!(saw, "status 200, but the body was not complete within 2s");
}

#[tokio::test]
async fn an_instance_may_need_all_its_attempts_and_no_more() {
    let bad = Reply::Now(500, "boom".into());
    let server = Server::replying([bad.clone(), bad.clone(), Reply::ok("ok")]).await;
    assert_eq!(run_http(HttpCheck { attempts: 3, ..http() }, server.endpoint).await, Ok(()));
    assert_eq!(server.requests(), 3);

    let server = Server::replying([bad.clone(), bad.clone(), bad, Reply::ok("ok")]).await;
    let problem = run_http(HttpCheck { attempts: 3, ..http() }, server.endpoint).await.unwrap_err();
    assert!(problem.saw.contains("failed after 3 attempt(s)"), "{}", problem.saw);
    assert_eq!(server.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn there_is_a_pause_between_attempts_and_none_after_the_last() {
    let server = Server::replying([Reply::Never]).await;
    let expect = Expect { within: Duration::from_secs(5), ..http().expect };
    let check = HttpCheck { expect, attempts: 3, pause: Duration::from_secs(60), ..http() };
    let start = tokio::time::Instant::now();
    run_http(check, server.endpoint).await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 3 * 5 + 2 * 60);
}

#[tokio::test(start_paused = true)]
async fn instances_are_tried_at_the_same_time() {
    let server = Server::replying([Reply::Never]).await;
    let check = HttpCheck { expect: Expect { within: Duration::from_secs(5), ..http().expect }, ..http() };
    let start = tokio::time::Instant::now();
    run(&[SmokeCheck::Http(check)], &green(&[server.endpoint; 10])).await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn checks_run_in_order_and_stop_at_the_first_failure() {
    let server =
        Server::answering(
            |_, head| if head.starts_with("get /b") { Reply::Now(500, "no".into()) } else { Reply::ok("ok") },
        )
        .await;
    let checks = ["/a", "/b", "/c"].map(|path| SmokeCheck::Http(HttpCheck { path: path.into(), ..http() }));
    let problem = run(&checks, &green(&[server.endpoint])).await.unwrap_err();
    assert!(problem.saw.starts_with("smoke check 2 of 3 (GET /b) failed"), "{}", problem.saw);
    let paths: Vec<_> = server.heads().iter().map(|head| head[4..6].to_owned()).collect();
    assert_eq!(paths, ["/a", "/b"]);
}

#[tokio::test]
async fn the_host_header_and_the_port_can_be_chosen() {
    let server = Server::replying([Reply::ok("ok")]).await;
    let check = HttpCheck { host: Some("shop.example.com".into()), port: Some(server.endpoint.port()), ..http() };
    let wrong_port = SocketAddr::new(server.endpoint.ip(), 1);
    assert_eq!(run_http(check.clone(), wrong_port).await, Ok(()));
    assert!(server.heads()[0].contains("\r\nhost: shop.example.com\r\n"), "{}", server.heads()[0]);

    let closed = closed_port().await;
    let problem = run_http(HttpCheck { port: Some(closed.port()), ..check }, wrong_port).await.unwrap_err();
    let by_hand = format!("curl -v --max-time 30 -H 'Host: shop.example.com' http://{closed}/healthz");
    assert_eq!(problem.run, [by_hand]);
}

#[tokio::test]
async fn a_tcp_check_needs_only_a_connection() {
    let server = Server::replying([Reply::Never]).await;
    let check = TcpCheck { port: None, within: PLENTY, attempts: 1 };
    assert_eq!(run(&[SmokeCheck::Tcp(check)], &green(&[server.endpoint])).await, Ok(()));
}

#[tokio::test]
async fn a_tcp_check_against_a_closed_port_fails() {
    let endpoint = closed_port().await;
    let check = TcpCheck { port: Some(endpoint.port()), within: PLENTY, attempts: 2 };
    let problem = run(&[SmokeCheck::Tcp(check)], &green(&[endpoint])).await.unwrap_err();
    let port = endpoint.port();
    let saw =
        format!("smoke check 1 of 1 (TCP port {port}) failed after 2 attempt(s) on {endpoint}: connection refused");
    assert_eq!(problem, Problem::new(saw, "a connection within 30s", format!("nc -vz 127.0.0.1 {port}")));
}

#[tokio::test]
async fn the_checks_can_run_on_another_thread() {
    let server = Server::replying([Reply::ok("ok")]).await;
    let target = green(&[server.endpoint]);
    let task = tokio::spawn(async move { run(&[SmokeCheck::Http(http())], &target).await });
    assert_eq!(task.await.unwrap(), Ok(()));
}
