//! Who gets a request.

use std::collections::BTreeMap;

use http::{HeaderName, Request, Response, StatusCode};

use super::super::{Action, Condition, FixedResponse, Group, Pattern, Redirect, Routes, Rule, Target, TargetState};
use super::support::*;

async fn tally(client: &mut Client, requests: usize) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for _ in 0..requests {
        *seen.entry(client.get("/").await.body).or_default() += 1;
    }
    seen
}

#[tokio::test]
async fn weights_decide_per_request_on_one_kept_alive_connection() {
    let (blue, green) = (healthy(says("blue").await), healthy(says("green").await));
    let (blue, green) = (group("blue", &[&blue]), group("green", &[&green]));
    let listener = listen(weighted(&[(&blue, 1), (&green, 0)])).await;
    let mut client = Client::connect(listener.address()).await;
    assert_eq!(tally(&mut client, 50).await, BTreeMap::from([("blue".into(), 50)]));
    listener.set_routes(weighted(&[(&blue, 0), (&green, 1)]));
    assert_eq!(tally(&mut client, 50).await, BTreeMap::from([("green".into(), 50)]));
    listener.set_routes(weighted(&[(&blue, 300), (&green, 100)]));
    let seen = tally(&mut client, 400).await;
    // 100 expected; outside of this range by chance once in more than 10^12 runs.
    assert!((40..=170).contains(&seen["green"]), "a quarter of 400 requests goes to green: {seen:?}");
    assert_eq!(blue.counts().target_answers[1] + green.counts().target_answers[1], 500);
}

#[tokio::test]
async fn healthy_targets_of_a_group_take_turns_and_others_get_nothing() {
    let targets = [healthy(says("a").await), healthy(says("b").await)];
    let sick = Target::new(says("sick").await, TargetState::Unhealthy);
    let new = Target::new(says("new").await, TargetState::Initial);
    let group = group("g", &[&targets[0], &sick, &targets[1], &new]);
    let listener = listen(weighted(&[(&group, 1)])).await;
    let mut client = Client::connect(listener.address()).await;
    assert_eq!(tally(&mut client, 10).await, BTreeMap::from([("a".into(), 5), ("b".into(), 5)]));
    assert_eq!(group.counts().failed_open, 0);
}

#[tokio::test]
async fn a_group_without_a_healthy_target_fails_open_to_all_registered_ones() {
    let sick = Target::new(says("sick").await, TargetState::Unhealthy);
    let new = Target::new(says("new").await, TargetState::Initial);
    let unused = Target::new(says("unused").await, TargetState::Unused);
    let group = group("g", &[&sick, &unused, &new]);
    let listener = listen(weighted(&[(&group, 1)])).await;
    let mut client = Client::connect(listener.address()).await;
    assert_eq!(tally(&mut client, 10).await, BTreeMap::from([("sick".into(), 5), ("new".into(), 5)]));
    assert_eq!(group.counts().failed_open, 10);
}

#[tokio::test]
async fn a_group_with_no_registered_target_answers_503_and_no_other_group_helps_out() {
    let (empty, spare) = (Group::new("empty"), group("spare", &[&healthy(says("spare").await)]));
    let listener = listen(weighted(&[(&empty, 1), (&spare, 0)])).await;
    let address = says("never").await;
    for state in [None, Some(TargetState::Unused), Some(TargetState::Draining)] {
        empty.set_targets(state.map(|state| Target::new(address, state)).into_iter().collect());
        let answer = ask_once(&listener, "/").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{state:?}");
        assert!(answer.body.starts_with("<html>\r\n<head><title>503 Service Temporarily Unavailable</title>"));
        assert_eq!(answer.headers["server"], "awselb/2.0");
    }
    assert_eq!((empty.counts().made_up, spare.counts().requests), (3, 0));
}

#[tokio::test]
async fn weights_that_are_all_zero_answer_503() {
    let group = group("g", &[&healthy(says("never").await)]);
    let listener = listen(weighted(&[(&group, 0)])).await;
    assert_eq!(ask_once(&listener, "/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(group.counts().requests, 0);
}

fn fixed(body: &str) -> Action {
    Action::FixedResponse(FixedResponse {
        status: StatusCode::OK,
        content_type: Some("text/plain".into()),
        body: body.into(),
    })
}

#[tokio::test]
async fn the_first_rule_whose_conditions_all_hold_decides() {
    let path = |pattern| Condition::Path(vec![Pattern::exact_case(pattern)]);
    let header = |value| Condition::Header {
        name: HeaderName::from_static("x-environment"),
        values: vec![Pattern::any_case(value)],
    };
    let query =
        |key: Option<&str>, value| Condition::Query(vec![(key.map(Pattern::any_case), Pattern::any_case(value))]);
    let rule = |conditions, body| Rule { priority: 1, conditions, transforms: Vec::new(), action: fixed(body) };
    let elsewhere = Condition::SourceIp(vec!["10.0.0.0/8".parse().unwrap()]);
    let here = Condition::SourceIp(vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.0/8".parse().unwrap()]);
    let routes = Routes {
        rules: vec![
            rule(vec![path("/api/*"), header("test*")], "api in test"),
            rule(vec![path("/api/*"), elsewhere], "api from elsewhere"),
            rule(vec![path("/api/*")], "api"),
            rule(vec![path("/v?")], "one character"),
            rule(vec![Condition::Host(vec![Pattern::any_case("*.Example.org")])], "host"),
            rule(vec![Condition::Method(vec!["POST".into(), "PUT".into()])], "method"),
            rule(vec![query(Some("version"), "v2"), here], "query"),
            rule(vec![query(None, "debug")], "query value"),
        ],
        default: fixed("default"),
    };
    let listener = listen(routes).await;
    let mut client = Client::connect(listener.address()).await;
    let plain = || Request::get("/").header("host", "shop");
    for (request, expected) in [
        (plain().uri("/api/x/y?q"), "api"),
        (plain().uri("/api/").header("X-Environment", "TESTING"), "api in test"),
        (plain().uri("/api/").header("X-Environment", "production"), "api"),
        (plain().uri("/API/x"), "default"),
        (plain().uri("/api"), "default"),
        (plain().uri("/v1"), "one character"),
        (plain().uri("/v10"), "default"),
        (Request::get("/").header("host", "a.example.ORG:8080"), "host"),
        (Request::get("/").header("host", "example.org"), "default"),
        (plain().method("PUT"), "method"),
        (plain().uri("/?a=1&Version=V2"), "query"),
        (plain().uri("/?version=v3"), "default"),
        (plain().uri("/?any=debug"), "query value"),
        (plain().uri("/"), "default"),
    ] {
        let request = request.body(full("")).unwrap();
        let asked = format!("{request:?}");
        assert_eq!(client.ask(request).await.body, expected, "{asked}");
    }
}

#[tokio::test]
async fn a_redirect_is_filled_from_the_request() {
    let redirect = |host: &str, path: &str| {
        Routes::only(Action::Redirect(Redirect {
            status: StatusCode::MOVED_PERMANENTLY,
            protocol: "HTTPS".into(),
            host: host.into(),
            port: "443".into(),
            path: path.into(),
            query: "#{query}".into(),
        }))
    };
    let listener = listen(redirect("#{host}", "/new/#{path}")).await;
    let answer = ask_once(&listener, "/a/b?c=d").await;
    assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY);
    assert_eq!(answer.headers["location"], "https://shop.example.com:443/new/a/b?c=d");
    listener.set_routes(redirect("other", "/"));
    assert_eq!(ask_once(&listener, "/x").await.headers["location"], "https://other:443/");
}

#[tokio::test]
async fn methods_that_no_load_balancer_forwards_are_refused() {
    let (listener, group, _) = before(says("never").await).await;
    let mut client = Client::connect(listener.address()).await;
    let trace = Request::builder().method("TRACE").uri("/").header("host", "h").body(full("")).unwrap();
    assert_eq!(client.ask(trace).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(group.counts().requests, 0);
}

#[tokio::test]
async fn answers_are_counted_by_the_class_of_their_status() {
    let address = serve(|request| async move {
        let status: StatusCode = request.uri().path()[1..].parse().unwrap();
        Response::builder().status(status).body(full("")).unwrap()
    });
    let (listener, group, _) = before(address.await).await;
    let mut client = Client::connect(listener.address()).await;
    for path in ["/200", "/204", "/302", "/404", "/500"] {
        assert_eq!(client.get(path).await.status.as_str(), &path[1..]);
    }
    let counts = group.counts();
    assert_eq!((counts.requests, counts.target_answers, counts.made_up), (5, [0, 2, 1, 1, 1], 0));
}
