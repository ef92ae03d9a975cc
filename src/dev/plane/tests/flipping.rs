//! Weights that move under load: no request fails, none goes where it should not.

use std::time::Duration;

use tokio::net::TcpListener;

use super::super::{Group, TargetState};
use super::support::*;
use crate::dev::app::{AppOptions, Life, serve as serve_app};
use crate::dev::load::{Load, LoadOptions};
use crate::dev::network::Socket;

async fn color(version: &str) -> (std::sync::Arc<Group>, Vec<std::sync::Arc<super::super::Target>>) {
    let mut targets = Vec::new();
    for instance in 0..3 {
        let socket = TcpListener::bind(anywhere()).await.unwrap();
        targets.push(healthy(socket.local_addr().unwrap()));
        tokio::spawn(serve_app(
            Socket::Tcp(socket),
            AppOptions::new(version),
            format!("i-{instance}"),
            Life::default(),
            std::future::pending(),
        ));
    }
    let group = Group::new(version);
    group.set_targets(targets.clone());
    (group, targets)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipping_under_load_fails_no_request() {
    let ((blue, _), (green, _)) = (color("v1").await, color("v2").await);
    let listener = listen(weighted(&[(&blue, 1), (&green, 0)])).await;
    let options = LoadOptions { connections: 16, rate: None, ..LoadOptions::default() };
    let load = Load::start(&format!("http://{}/", listener.address()), options).await.unwrap();
    let mut flips = 0;
    while load.snapshot().sent < 5_000 || flips < 100 {
        let to_green = flips % 2;
        listener.set_routes(weighted(&[(&blue, 1 - to_green), (&green, to_green)]));
        flips += 1;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let summary = load.stop().await;
    assert_eq!((summary.failed, summary.errors), (0, vec![]));
    let (v1, v2) = (summary.by_version["v1"], summary.by_version["v2"]);
    assert_eq!(v1 + v2, summary.sent);
    assert_eq!((blue.counts().target_answers[1], green.counts().target_answers[1]), (v1, v2));
    assert!(v1 > 0 && v2 > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_flip_the_old_color_gets_nothing_and_can_be_drained_under_load() {
    let ((blue, old), (green, _)) = (color("v1").await, color("v2").await);
    let listener = listen(weighted(&[(&blue, 1), (&green, 0)])).await;
    let options = LoadOptions { connections: 16, rate: None, ..LoadOptions::default() };
    let load = Load::start(&format!("http://{}/", listener.address()), options).await.unwrap();
    until("blue has answered", || load.snapshot().sent > 500).await;
    listener.set_routes(weighted(&[(&blue, 0), (&green, 1)]));
    for target in &old {
        target.set_state(TargetState::Draining);
        tokio::time::timeout(PATIENCE, target.drained()).await.expect("drained");
    }
    blue.set_targets(Vec::new());
    let answered = blue.counts().requests;
    let so_far = load.snapshot().sent;
    until("green has answered", || load.snapshot().sent > so_far + 500).await;
    let summary = load.stop().await;
    assert_eq!((summary.failed, summary.errors), (0, vec![]));
    assert_eq!(blue.counts().requests, answered);
}
