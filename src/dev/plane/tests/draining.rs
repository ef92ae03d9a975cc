//! Targets and listeners that are taken out of service.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::Semaphore;

use super::super::TargetState;
use super::support::*;

/// A server that answers `text`, once the test allows it.
async fn says_when_allowed(text: &'static str) -> (std::net::SocketAddr, Arc<Semaphore>) {
    let allowed = Arc::new(Semaphore::new(0));
    let gate = allowed.clone();
    let address = serve(move |_| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            Response::new(full(text))
        }
    });
    (address.await, allowed)
}

#[tokio::test]
async fn a_draining_target_finishes_what_it_has_and_gets_nothing_new() {
    let (address, allowed) = says_when_allowed("old").await;
    let (old, new) = (healthy(address), healthy(says("new").await));
    let group = group("g", &[&old]);
    let listener = listen(weighted(&[(&group, 1)])).await;
    let mut client = Client::connect(listener.address()).await;
    let in_flight = tokio::spawn(async move { client.get("/").await });
    until("the request is in flight", || old.in_flight() == 1).await;

    old.set_state(TargetState::Draining);
    group.set_targets(vec![old.clone(), new]);
    for _ in 0..10 {
        assert_eq!(ask_once(&listener, "/").await.body, "new");
    }
    assert_eq!(old.in_flight(), 1);
    allowed.add_permits(1);
    assert_eq!(in_flight.await.unwrap().body, "old");
    tokio::time::timeout(PATIENCE, old.drained()).await.expect("drained");
}

#[tokio::test]
async fn a_target_counts_as_busy_until_the_last_byte_of_its_answer() {
    let (feed, body) = fed();
    let body = Arc::new(Mutex::new(Some(body)));
    let address = serve(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::new(body) }
    });
    let (listener, group, target) = before(address.await).await;
    let mut client = Client::connect(listener.address()).await;
    let mut answer = client.send(get("/")).await.into_body();
    target.set_state(TargetState::Draining);
    group.set_targets(Vec::new());
    feed.send("first").unwrap();
    assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    {
        let mut drained = std::pin::pin!(target.drained());
        assert!(futures_util::poll!(&mut drained).is_pending(), "bytes are still to come");
        feed.send("last").unwrap();
        drop(feed);
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "last");
        tokio::time::timeout(PATIENCE, drained).await.expect("drained");
    }
    assert_eq!(target.in_flight(), 0);
}

#[tokio::test]
async fn when_the_delay_has_run_out_a_request_without_an_answer_gets_a_502() {
    let (address, _never) = says_when_allowed("never").await;
    let (listener, group, target) = before(address).await;
    let mut client = Client::connect(listener.address()).await;
    let in_flight = tokio::spawn(async move { client.get("/").await });
    until("the request is in flight", || target.in_flight() == 1).await;
    target.cut();
    assert_eq!(in_flight.await.unwrap().status, StatusCode::BAD_GATEWAY);
    assert_eq!((target.in_flight(), group.counts().made_up), (0, 1));
}

#[tokio::test]
async fn when_the_delay_has_run_out_an_answer_that_has_begun_is_cut_off() {
    let (feed, body) = fed();
    let body = Arc::new(Mutex::new(Some(body)));
    let address = serve(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::new(body) }
    });
    let (listener, _, target) = before(address.await).await;
    let mut client = Client::connect(listener.address()).await;
    let mut answer = client.send(get("/")).await.into_body();
    feed.send("first").unwrap();
    assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    target.cut();
    assert!(tokio::time::timeout(PATIENCE, answer.collect()).await.unwrap().is_err(), "no clean end");
    target.drained().await;
}

#[tokio::test]
async fn a_listener_that_shuts_down_finishes_its_requests_and_takes_no_more() {
    let (address, allowed) = says_when_allowed("done").await;
    let (listener, _, target) = before(address).await;
    let front = listener.address();
    let mut client = Client::connect(front).await;
    let in_flight = tokio::spawn(async move { client.get("/").await });
    until("the request is in flight", || target.in_flight() == 1).await;
    let shutdown = tokio::spawn(async move { listener.shutdown(PATIENCE).await });
    while tokio::net::TcpStream::connect(front).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!shutdown.is_finished());
    allowed.add_permits(1);
    assert_eq!(in_flight.await.unwrap().body, "done");
    tokio::time::timeout(PATIENCE, shutdown).await.expect("shut down").unwrap();
}

#[tokio::test]
async fn a_listener_that_shuts_down_cuts_what_does_not_finish_in_time() {
    let (address, _never) = says_when_allowed("never").await;
    let (listener, _, target) = before(address).await;
    let mut client = Client::connect(listener.address()).await;
    let in_flight = tokio::spawn(async move { client.get("/").await });
    until("the request is in flight", || target.in_flight() == 1).await;
    tokio::time::timeout(PATIENCE, listener.shutdown(Duration::from_millis(20))).await.expect("shut down");
    assert!(in_flight.await.is_err(), "the client's connection was closed");
    assert_eq!(target.in_flight(), 0);
}
