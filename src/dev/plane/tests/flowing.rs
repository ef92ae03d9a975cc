//! Flows of a network load balancer.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::{Group, GroupSettings, Listener, Protocol, Routes, Target, TargetState, TargetStickiness, Tls};
use super::stage::*;
use super::support::{group, weighted};
use crate::dev::network::Stream;

/// A target that says its name on every connection and then sends back what it gets.
async fn echo(stage: &Stage, name: &'static str) -> Arc<Target> {
    let address = stage.raw(move |mut stream| async move {
        let (mut from, mut to) = tokio::io::split(&mut stream);
        // An error is a flow that was cut, which some tests are about.
        let _ = to.write_all(name.as_bytes()).await;
        let _ = tokio::io::copy(&mut from, &mut to).await;
    });
    Target::new(address.await, TargetState::Healthy)
}

async fn tcp(stage: &Stage, routes: Routes) -> Listener {
    stage.listen(Protocol::Tcp, routes).await
}

/// A new flow, and who answers it: names have three letters.
async fn flow(stage: &Stage, listener: &Listener) -> (Stream, String) {
    let mut stream = stage.network.connect(listener.address()).await.unwrap();
    let mut name = [0; 3];
    let heard = stream.read_exact(&mut name).await;
    let name = if heard.is_ok() { String::from_utf8(name.to_vec()).unwrap() } else { String::new() };
    (stream, name)
}

async fn echoes(stream: &mut Stream) -> bool {
    let mut back = [0; 4];
    stream.write_all(b"ping").await.is_ok() && stream.read_exact(&mut back).await.is_ok() && &back == b"ping"
}

async fn colors(stage: &Stage) -> [(Arc<Group>, Arc<Target>); 2] {
    let (old, new) = (echo(stage, "old").await, echo(stage, "new").await);
    [(group("old", &[&old]), old), (group("new", &[&new]), new)]
}

#[tokio::test(start_paused = true)]
async fn a_flow_stays_with_its_target_over_a_flip_and_new_ones_follow_the_weights() {
    let stage = Stage::new();
    let [(blue, old), (green, _)] = colors(&stage).await;
    let listener = tcp(&stage, weighted(&[(&blue, 1), (&green, 0)])).await;
    let (mut stream, name) = flow(&stage, &listener).await;
    assert_eq!(name, "old");
    listener.set_routes(weighted(&[(&blue, 0), (&green, 1)]));
    assert_eq!(flow(&stage, &listener).await.1, "new");
    old.set_state(TargetState::Draining);
    old.cut();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(echoes(&mut stream).await, "without connection termination a deregistered target keeps its flows");
    drop(stream);
    old.drained().await;
    assert_eq!(stage.balancer.counts().new_connections, 2);
}

#[tokio::test(start_paused = true)]
async fn with_connection_termination_flows_end_with_the_deregistration_delay() {
    let stage = Stage::new();
    let [(blue, old), _] = colors(&stage).await;
    blue.set_settings(GroupSettings { deregistration_terminates: true, ..GroupSettings::default() });
    let listener = tcp(&stage, weighted(&[(&blue, 1)])).await;
    let (mut stream, _) = flow(&stage, &listener).await;
    old.set_state(TargetState::Draining);
    assert!(echoes(&mut stream).await);
    old.cut();
    old.drained().await;
    assert!(!echoes(&mut stream).await);
    assert_eq!(stage.balancer.counts().elb_resets, 1);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_becomes_unhealthy_loses_its_flows_unless_its_group_says_otherwise() {
    let stage = Stage::new();
    for unhealthy_terminates in [true, false] {
        let [(blue, old), _] = colors(&stage).await;
        blue.set_settings(GroupSettings { unhealthy_terminates, ..GroupSettings::default() });
        let listener = tcp(&stage, weighted(&[(&blue, 1)])).await;
        let (mut stream, _) = flow(&stage, &listener).await;
        old.set_state(TargetState::Unhealthy);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(echoes(&mut stream).await, !unhealthy_terminates);
        assert_eq!(flow(&stage, &listener).await.1, if unhealthy_terminates { "" } else { "old" });
    }
}

#[tokio::test(start_paused = true)]
async fn a_flow_on_which_nothing_moves_ends_after_its_idle_timeout() {
    let stage = Stage::new();
    let [(blue, old), _] = colors(&stage).await;
    let listener = tcp(&stage, weighted(&[(&blue, 1)])).await;
    let (mut stream, _) = flow(&stage, &listener).await;
    tokio::time::sleep(Duration::from_secs(340)).await;
    assert!(echoes(&mut stream).await);
    tokio::time::sleep(Duration::from_secs(340)).await;
    assert!(echoes(&mut stream).await, "what moves counts from anew");
    old.drained().await;
    assert!(!echoes(&mut stream).await);
}

#[tokio::test(start_paused = true)]
async fn a_group_with_nobody_in_it_resets_its_flows() {
    let stage = Stage::new();
    let listener = tcp(&stage, weighted(&[(&Group::new("nobody"), 1)])).await;
    assert_eq!(flow(&stage, &listener).await.1, "");
    assert_eq!(stage.balancer.counts().elb_resets, 1);
}

#[tokio::test(start_paused = true)]
async fn tls_ends_at_the_load_balancer_and_bytes_are_counted() {
    let stage = Stage::new();
    let [(blue, old), _] = colors(&stage).await;
    let own = certificate("arn:one", &["db.example.com"]);
    let listener = stage.listen(Protocol::Tls(Tls::with(own.clone())), weighted(&[(&blue, 1)])).await;
    let stream = stage.network.connect(listener.address()).await.unwrap();
    let mut shaken = shake_hands(stream, &[&own], "db.example.com", &[]).await.unwrap().stream;
    shaken.write_all(&[7; 5000]).await.unwrap();
    shaken.read_exact(&mut [0; 5003]).await.unwrap();
    drop(shaken);
    old.drained().await;
    tokio::task::yield_now().await;
    assert_eq!(blue.counts().processed_bytes, 10_003);
}

#[tokio::test(start_paused = true)]
async fn a_sticky_client_comes_back_to_its_target() {
    let stage = Stage::new();
    let targets = [echo(&stage, "one").await, echo(&stage, "two").await, echo(&stage, "six").await];
    let group = group("g", &[&targets[0], &targets[1], &targets[2]]);
    group.set_settings(GroupSettings { stickiness: Some(TargetStickiness::SourceIp), ..GroupSettings::default() });
    let listener = tcp(&stage, weighted(&[(&group, 1)])).await;
    let first = flow(&stage, &listener).await.1;
    for _ in 0..10 {
        assert_eq!(flow(&stage, &listener).await.1, first);
    }
}

#[tokio::test(start_paused = true)]
async fn the_target_learns_the_client_by_the_proxy_protocol() {
    let stage = Stage::new();
    let address = stage.raw(|mut stream| async move {
        let mut header = [0; 28];
        let _ = stream.read_exact(&mut header).await;
        let _ = stream.write_all(&header).await;
    });
    let group = group("g", &[&Target::new(address.await, TargetState::Healthy)]);
    group.set_settings(GroupSettings { proxy_protocol: true, ..GroupSettings::default() });
    let listener = tcp(&stage, weighted(&[(&group, 1)])).await;
    let mut stream = stage.network.connect(listener.address()).await.unwrap();
    let mut header = [0; 28];
    stream.read_exact(&mut header).await.unwrap();
    assert_eq!(&header[..16], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    assert_eq!(&header[16..24], [127, 0, 0, 1, 127, 0, 0, 1]);
    assert_eq!(header[26..], listener.address().port().to_be_bytes());
}
