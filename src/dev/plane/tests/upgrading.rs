//! WebSockets: bytes both ways, pinned to one target.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::super::{Listener, Target, TargetState};
use super::stage::*;
use super::support::{full, group, weighted};
use crate::dev::network::Stream;
use std::sync::Arc;

/// A WebSocket server that says its name and then sends back what it gets.
async fn echo(stage: &Stage, name: &'static str) -> Arc<Target> {
    let address = stage.serve(move |mut request| async move {
        let key = request.headers()["sec-websocket-key"].as_bytes();
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key);
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let upgraded = TokioIo::new(upgrade.await.unwrap());
            let mut socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
            socket.send(Message::text(name)).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    return;
                }
            }
        });
        let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        let response = response.header("connection", "upgrade").header("upgrade", "websocket");
        response.header("sec-websocket-accept", accept).body(full("")).unwrap()
    });
    Target::new(address.await, TargetState::Healthy)
}

async fn open(stage: &Stage, listener: &Listener) -> WebSocketStream<Stream> {
    let stream = stage.network.connect(listener.address()).await.unwrap();
    let (mut socket, answer) = client_async("ws://shop.example.com/chat", stream).await.unwrap();
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.headers()["upgrade"], "websocket");
    socket.send(Message::text("hello")).await.unwrap();
    socket
}

async fn hear(socket: &mut WebSocketStream<Stream>) -> String {
    socket.next().await.unwrap().unwrap().into_text().unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_websocket_stays_with_its_target_over_a_flip_and_ends_with_the_deregistration_delay() {
    let stage = Stage::new();
    let (old, new) = (echo(&stage, "old").await, echo(&stage, "new").await);
    let (blue, green) = (group("blue", &[&old]), group("green", &[&new]));
    let listener = stage.listen(super::super::Protocol::Http, weighted(&[(&blue, 1), (&green, 0)])).await;
    let mut socket = open(&stage, &listener).await;
    assert_eq!((hear(&mut socket).await, hear(&mut socket).await), ("old".into(), "hello".into()));
    listener.set_routes(weighted(&[(&blue, 0), (&green, 1)]));
    old.set_state(TargetState::Draining);
    for round in 0..3 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        socket.send(Message::text(round.to_string())).await.unwrap();
        assert_eq!(hear(&mut socket).await, round.to_string(), "still its old target");
    }
    assert_eq!((old.in_flight(), new.in_flight()), (1, 0));
    let mut other = open(&stage, &listener).await;
    assert_eq!(hear(&mut other).await, "new");
    old.cut();
    assert!(!matches!(socket.next().await, Some(Ok(_))), "the connection is closed");
    old.drained().await;
    other.send(Message::text("unharmed")).await.unwrap();
    assert_eq!((hear(&mut other).await, hear(&mut other).await), ("hello".into(), "unharmed".into()));
}

#[tokio::test(start_paused = true)]
async fn a_websocket_on_which_nothing_moves_is_closed_after_the_idle_timeout() {
    let stage = Stage::new();
    let target = echo(&stage, "a").await;
    let listener = stage.before(&group("g", &[&target])).await;
    let mut socket = open(&stage, &listener).await;
    hear(&mut socket).await;
    let start = tokio::time::Instant::now();
    assert_eq!(hear(&mut socket).await, "hello");
    assert!(!matches!(socket.next().await, Some(Ok(_))));
    assert_eq!(start.elapsed().as_secs(), 60);
    target.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_its_websocket_is_counted_out_and_its_bytes_are_counted() {
    let stage = Stage::new();
    let target = echo(&stage, "a").await;
    let listener = stage.before(&group("g", &[&target])).await;
    let mut socket = open(&stage, &listener).await;
    hear(&mut socket).await;
    hear(&mut socket).await;
    let long = "x".repeat(10_000);
    socket.send(Message::text(long.clone())).await.unwrap();
    assert_eq!(hear(&mut socket).await, long);
    drop(socket);
    target.drained().await;
    tokio::task::yield_now().await;
    let bytes = stage.balancer.counts().processed_bytes;
    assert!((20_000..22_000).contains(&bytes), "{bytes}");
}

#[tokio::test(start_paused = true)]
async fn a_closed_listener_closes_its_websockets() {
    let stage = Stage::new();
    let target = echo(&stage, "a").await;
    let listener = stage.before(&group("g", &[&target])).await;
    let mut socket = open(&stage, &listener).await;
    hear(&mut socket).await;
    hear(&mut socket).await;
    listener.shutdown(Duration::from_secs(1)).await;
    assert!(!matches!(socket.next().await, Some(Ok(_))));
    target.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_want_to_upgrade_answers_as_usual() {
    let stage = Stage::new();
    let target = stage.says("no").await;
    let listener = stage.before(&group("g", &[&target])).await;
    let mut client = stage.client(&listener).await;
    let upgrade = || Request::get("/").header("connection", "upgrade").header("upgrade", "websocket");
    for _ in 0..2 {
        let answer = client.ask(upgrade()).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "no"));
    }
    assert_eq!(target.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_switches_protocols_unasked_is_a_502() {
    let stage = Stage::new();
    let address = stage.raw(|mut stream| async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let _ = stream.read(&mut [0; 1000]).await;
        let _ =
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n").await;
    });
    let target = Target::new(address.await, TargetState::Healthy);
    let listener = stage.before(&group("g", &[&target])).await;
    assert_eq!(stage.client(&listener).await.get("/").await.status, 502);
}
