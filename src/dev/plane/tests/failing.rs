//! Targets that do not answer as they should.

use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::super::Timeouts;
use super::support::*;

fn impatient() -> Timeouts {
    Timeouts { connect: Duration::from_millis(100), idle: Duration::from_millis(100), ..Timeouts::default() }
}

#[tokio::test]
async fn a_target_that_refuses_the_connection_is_a_502() {
    // Taken and given back: nobody listens there.
    let address = tokio::net::TcpListener::bind(anywhere()).await.unwrap().local_addr().unwrap();
    let (listener, group, target) = before(address).await;
    let answer = ask_once(&listener, "/").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.body.contains("<h1>502 Bad Gateway</h1>"), "{}", answer.body);
    assert_eq!((group.counts().made_up, target.in_flight()), (1, 0));
}

#[tokio::test]
async fn a_target_that_resets_or_closes_without_an_answer_is_a_502() {
    for reset in [true, false] {
        let address = raw(move |mut stream| async move {
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            if reset {
                stream.set_zero_linger().unwrap();
            }
        });
        let (listener, _, target) = before(address.await).await;
        assert_eq!(ask_once(&listener, "/").await.status, StatusCode::BAD_GATEWAY, "reset: {reset}");
        assert_eq!(target.in_flight(), 0);
    }
}

#[tokio::test]
async fn a_target_that_answers_nonsense_is_a_502() {
    let address = raw(|mut stream| async move {
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await.unwrap();
    });
    let (listener, _, _) = before(address.await).await;
    assert_eq!(ask_once(&listener, "/").await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_target_that_resets_within_its_answer_gives_the_client_no_whole_body() {
    let address = raw(|mut stream| async move {
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    });
    let (listener, _, target) = before(address.await).await;
    let mut client = Client::connect(listener.address()).await;
    let answer = client.send(get("/")).await;
    assert!(answer.into_body().collect().await.is_err());
    target.drained().await;
}

#[tokio::test]
async fn a_target_that_does_not_answer_within_the_idle_timeout_is_a_504() {
    let address = serve(|_| std::future::pending());
    let (listener, _, target) = before_with(address.await, impatient()).await;
    let answer = ask_once(&listener, "/").await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    assert!(answer.body.contains("<h1>504 Gateway Time-out</h1>"), "{}", answer.body);
    assert_eq!(target.in_flight(), 0);
}

#[tokio::test]
async fn a_target_that_falls_silent_within_its_answer_is_given_up_after_the_idle_timeout() {
    let address = raw(|mut stream| async move {
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        std::future::pending::<()>().await;
    });
    let (listener, _, target) = before_with(address.await, impatient()).await;
    let mut client = Client::connect(listener.address()).await;
    let answer = client.send(get("/")).await;
    assert!(tokio::time::timeout(PATIENCE, answer.into_body().collect()).await.unwrap().is_err());
    target.drained().await;
}

#[tokio::test]
async fn a_target_that_does_not_take_the_connection_in_time_is_a_504() {
    // Linux leaves a connection unanswered while the listening socket's queue is full.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(anywhere()).unwrap();
    let full_queue = socket.listen(1).unwrap();
    let address = full_queue.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
        queued.push(stream.unwrap());
        assert!(queued.len() < 100, "the queue never fills");
    }
    let (listener, _, _) = before_with(address, impatient()).await;
    assert_eq!(ask_once(&listener, "/").await.status, StatusCode::GATEWAY_TIMEOUT);
    drop(full_queue);
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_out() {
    let address = serve(|_| std::future::pending());
    let (listener, _, target) = before(address.await).await;
    let mut client = Client::connect(listener.address()).await;
    let request = tokio::spawn(async move { client.send(get("/")).await });
    until("the request is in flight", || target.in_flight() == 1).await;
    request.abort();
    tokio::time::timeout(PATIENCE, target.drained()).await.expect("the request is counted out");
}
