//! Who answers through a load balancer: every verdict, against servers that play the load balancer.

use std::net::SocketAddr;

use crate::checks::Prober;
use crate::checks::testing::{Reply, Server, closed_port};
use crate::dial::ThisMachine;
use crate::release::{ProbeAnswer, RoutePin};

async fn version(body: &str) -> Server {
    Server::replying([Reply::ok(body)]).await
}

fn route(balancer: &Server) -> RoutePin {
    let SocketAddr::V4(at) = balancer.endpoint else { panic!("{}", balancer.endpoint) };
    RoutePin { dns_name: at.ip().to_string(), port: at.port(), https: false, host: None }
}

async fn ask(balancer: &Server, old: &[SocketAddr], new: &[SocketAddr]) -> ProbeAnswer {
    Prober::new("/version").ask(&ThisMachine, &route(balancer), old, new).await
}

fn unclear(answer: ProbeAnswer) -> String {
    match answer {
        ProbeAnswer::Unclear { saw } => saw,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn when_every_answer_is_the_new_colors_it_is_new() {
    let (v1, v2, balancer) = (version("v1").await, version("v2").await, version("v2").await);
    assert_eq!(ask(&balancer, &[v1.endpoint], &[v2.endpoint]).await, ProbeAnswer::New);
    assert_eq!(balancer.requests(), 20);
    assert!(balancer.heads()[0].starts_with("get /version http/1.1\r\n"));
}

#[tokio::test]
async fn a_single_answer_of_the_old_color_is_found_and_counted() {
    let (v1, v2) = (version("v1").await, version("v2").await);
    let balancer = Server::answering(|n, _| Reply::ok(if n == 13 { "v1" } else { "v2" })).await;
    assert_eq!(ask(&balancer, &[v1.endpoint], &[v2.endpoint]).await, ProbeAnswer::Old { count: 1, of: 20 });
}

#[tokio::test]
async fn the_same_body_with_another_status_is_another_answer() {
    let (v1, v2) = (Server::replying([Reply::Now(404, "v".into())]).await, version("v").await);
    let balancer = version("v").await;
    assert_eq!(ask(&balancer, &[v1.endpoint], &[v2.endpoint]).await, ProbeAnswer::New);
}

#[tokio::test]
async fn colors_that_answer_alike_cannot_be_told_apart() {
    let (v1, v2, balancer) = (version("same").await, version("same").await, version("same").await);
    assert_eq!(ask(&balancer, &[v1.endpoint], &[v2.endpoint]).await, ProbeAnswer::Alike);
}

#[tokio::test]
async fn instances_of_one_color_may_answer_differently() {
    let (a, b, c) = (version("v1 a").await, version("v2 b").await, version("v2 c").await);
    let balancer = Server::answering(|n, _| Reply::ok(if n % 2 == 0 { "v2 b" } else { "v2 c" })).await;
    assert_eq!(ask(&balancer, &[a.endpoint], &[b.endpoint, c.endpoint]).await, ProbeAnswer::New);
}

#[tokio::test]
async fn without_an_old_color_that_answers_the_new_one_is_still_recognized() {
    let (v2, balancer) = (version("v2").await, version("v2").await);
    assert_eq!(ask(&balancer, &[], &[v2.endpoint]).await, ProbeAnswer::New);
    assert_eq!(ask(&balancer, &[closed_port().await], &[v2.endpoint]).await, ProbeAnswer::New);
    let stranger = version("parked").await;
    assert_eq!(unclear(ask(&stranger, &[], &[v2.endpoint]).await), "20 of 20 answers: status 200, body \"parked\"");
}

#[tokio::test]
async fn answers_of_the_load_balancer_itself_are_unclear() {
    let (v1, v2) = (version("v1").await, version("v2").await);
    let balancer = Server::answering(|n, _| if n < 3 { Reply::Now(503, "none".into()) } else { Reply::ok("v2") }).await;
    let saw = unclear(ask(&balancer, &[v1.endpoint], &[v2.endpoint]).await);
    assert_eq!(saw, "3 of 20 answers: status 503, body \"none\"");
}

#[tokio::test]
async fn a_load_balancer_that_refuses_connections_is_unclear() {
    let (v1, v2) = (version("v1").await, version("v2").await);
    let at = closed_port().await;
    let route = RoutePin { dns_name: at.ip().to_string(), port: at.port(), https: false, host: None };
    let saw = unclear(Prober::new("/version").ask(&ThisMachine, &route, &[v1.endpoint], &[v2.endpoint]).await);
    assert_eq!(saw, "20 of 20 answers: connection refused");
}

#[tokio::test]
async fn a_new_color_that_does_not_answer_directly_is_unclear() {
    let (v1, balancer, closed) = (version("v1").await, version("v2").await, closed_port().await);
    let saw = unclear(ask(&balancer, &[v1.endpoint], &[closed]).await);
    assert_eq!(
        saw,
        format!("no instance of the new color answers GET /version directly ({closed}: connection refused)")
    );
    assert_eq!(balancer.requests(), 0);
    assert!(unclear(ask(&balancer, &[v1.endpoint], &[]).await).ends_with("directly (it has no instance)"));
}

#[tokio::test]
async fn a_path_that_answers_differently_each_time_is_named_as_the_cause() {
    let counting = |n: usize, _: &str| Reply::ok(&format!("visitor {n}"));
    let (v1, v2) = (version("v1").await, Server::answering(counting).await);
    let balancer = version("visitor 1000").await;
    let saw = unclear(ask(&balancer, &[v1.endpoint], &[v2.endpoint]).await);
    let remark =
        format!("{} itself answers differently each time, so /version cannot tell versions apart", v2.endpoint);
    assert_eq!(saw, format!("20 of 20 answers: status 200, body \"visitor 1000\"; {remark}"));
}

#[tokio::test]
async fn the_instances_see_the_headers_that_the_load_balancer_would_send() {
    let (v2, balancer) = (version("v2").await, version("v2").await);
    let with_host = RoutePin { host: Some("shop.example.com".into()), ..route(&balancer) };
    // The rule's host has no address anywhere: the connection must go to the load balancer all the same.
    assert_eq!(Prober::new("/version").ask(&ThisMachine, &with_host, &[], &[v2.endpoint]).await, ProbeAnswer::New);
    for head in [&v2.heads()[0], &balancer.heads()[0]] {
        assert!(head.contains("\r\nhost: shop.example.com\r\n"), "{head}");
    }
    assert!(v2.heads()[0].contains("\r\nx-forwarded-proto: http\r\n"), "{}", v2.heads()[0]);

    assert_eq!(ask(&balancer, &[], &[v2.endpoint]).await, ProbeAnswer::New);
    assert!(v2.heads()[1].contains(&format!("\r\nhost: {}\r\n", balancer.endpoint)), "{}", v2.heads()[1]);
}

#[tokio::test]
async fn a_name_without_an_address_is_unclear() {
    let v2 = version("v2").await;
    let route = RoutePin { dns_name: "balancer.invalid".into(), port: 80, https: false, host: None };
    let saw = unclear(Prober::new("/version").ask(&ThisMachine, &route, &[], &[v2.endpoint]).await);
    assert!(saw.starts_with("the load balancer's name balancer.invalid has no address: "), "{saw}");
}

#[tokio::test]
async fn a_probe_can_run_on_another_thread() {
    let (v2, balancer) = (version("v2").await, version("v2").await);
    let answer = tokio::spawn(async move { ask(&balancer, &[], &[v2.endpoint]).await });
    assert_eq!(answer.await.unwrap(), ProbeAnswer::New);
}

#[tokio::test]
async fn over_https_the_rules_host_must_be_in_the_certificate() {
    let v2 = version("v2").await;
    let (balancer, root) = Server::with_certificate("shop.example.com", Reply::ok("v2")).await;
    let prober = Prober::new("/version").trusting(root);
    let at = |host: &str| RoutePin { https: true, host: Some(host.into()), ..route(&balancer) };
    assert_eq!(prober.ask(&ThisMachine, &at("shop.example.com"), &[], &[v2.endpoint]).await, ProbeAnswer::New);
    assert!(v2.heads()[0].contains("\r\nx-forwarded-proto: https\r\n"), "{}", v2.heads()[0]);
    let saw = unclear(prober.ask(&ThisMachine, &at("other.example.com"), &[], &[v2.endpoint]).await);
    assert!(saw.contains("certificate not valid for name"), "{saw}");
}

#[tokio::test]
async fn over_https_without_a_host_the_chain_is_verified_and_the_name_is_not() {
    let v2 = version("v2").await;
    let (balancer, root) = Server::with_certificate("shop.example.com", Reply::ok("v2")).await;
    let route = RoutePin { https: true, ..route(&balancer) };
    let trusting = Prober::new("/version").trusting(root);
    assert_eq!(trusting.ask(&ThisMachine, &route, &[], &[v2.endpoint]).await, ProbeAnswer::New);
    let saw = unclear(Prober::new("/version").ask(&ThisMachine, &route, &[], &[v2.endpoint]).await);
    assert!(saw.contains("UnknownIssuer"), "{saw}");
}
