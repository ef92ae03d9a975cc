//! Requests that two parsers could read differently: what reaches the target is one request, or none.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::super::{Listener, Target, TargetState};
use super::stage::*;
use super::support::{full, group};
use http::Response;
use http_body_util::BodyExt;

/// A listener, and the paths of the requests that its target has seen.
async fn witness(stage: &Stage) -> (Listener, Arc<Mutex<Vec<String>>>) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let witness = seen.clone();
    let address = stage.serve(move |request| {
        witness.lock().unwrap().push(request.uri().path().to_owned());
        async move {
            // A body that breaks off is an answer of its own.
            let body = request.into_body().collect().await;
            let status = if body.is_ok() { 200 } else { 400 };
            Response::builder().status(status).body(full("seen")).unwrap()
        }
    });
    let target = Target::new(address.await, TargetState::Healthy);
    (stage.before(&group("g", &[&target])).await, seen)
}

#[tokio::test(start_paused = true)]
async fn no_second_request_can_be_hidden_in_the_body_of_the_first() {
    let hidden = "GET /hidden HTTP/1.1\r\nhost: h\r\n\r\n";
    let chunked = format!("{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    let length = hidden.len();
    let shapes = [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n{chunked}"),
        format!("content-length: {length}\r\ncontent-length: 0\r\n\r\n{hidden}"),
        format!("content-length: 0, {length}\r\n\r\n{hidden}"),
        format!("content-length: +{length}\r\n\r\n{hidden}"),
        format!("content-length: -1\r\n\r\n{hidden}"),
        format!("content-length : {length}\r\n\r\n{hidden}"),
        format!("transfer-encoding : chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\ntransfer-encoding: x\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\n-1\r\n{hidden}"),
        format!("transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{hidden}"),
        format!(" folded: yes\r\ncontent-length: 0\r\n\r\n{hidden}"),
        format!("x: a\0b\r\n\r\n{hidden}"),
        format!("connection: content-length\r\ncontent-length: {length}\r\n\r\n{hidden}"),
    ];
    for shape in shapes {
        let stage = Stage::new();
        let (listener, seen) = witness(&stage).await;
        // The client says that nothing follows, so a second answer can only come from what was hidden.
        let heard = stage.hear(&listener, format!("POST /first HTTP/1.1\r\nhost: h\r\n{shape}").as_bytes()).await;
        let seen = seen.lock().unwrap().clone();
        let firsts = seen.iter().filter(|path| *path == "/first").count();
        let answers = heard.matches("HTTP/1.1 ").count();
        // A client may well send two requests, one after the other; but then our parser has read two, and says so.
        assert!(firsts <= 1 && seen.len() <= answers, "{shape:?}: {seen:?}\n{heard}");
        if seen.contains(&"/hidden".to_owned()) {
            assert!(firsts == 1 && answers == 2, "{shape:?}: {heard}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_chunks_break_off_the_request_and_not_the_load_balancer() {
    let stage = Stage::new();
    let (listener, _) = witness(&stage).await;
    for chunks in ["5\r\nhel", "5\r\nhelloX\r\n", "z\r\n", "5;x=\"\r\nhello\r\n0\r\nbad trailer\r\n\r\n"] {
        let request = format!("POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n{chunks}");
        let heard = stage.hear(&listener, request.as_bytes()).await;
        assert!(!heard.starts_with("HTTP/1.1 200"), "{chunks:?}: {heard}");
    }
    assert_eq!(stage.client(&listener).await.get("/").await.body, "seen");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_client_writes_the_listener_goes_on(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("GET / HTTP/1.1\r\n".to_owned()),
                Just("POST /x HTTP/1.1\r\nhost: h\r\n".to_owned()),
                Just("transfer-encoding: chunked\r\n".to_owned()),
                Just("content-length: 7\r\n".to_owned()),
                Just("cookie: AWSALBTG=x; AWSALB=\r\n".to_owned()),
                Just("upgrade: websocket\r\nconnection: upgrade\r\n".to_owned()),
                Just("x-amzn-trace-id: Root=;;Self=\r\n".to_owned()),
                Just("\r\n".to_owned()),
                Just("5\r\nhello\r\n0\r\n\r\n".to_owned()),
                "\\PC{0,40}",
            ],
            0..12,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let stage = Stage::new();
            let (listener, _) = witness(&stage).await;
            stage.hear(&listener, pieces.concat().as_bytes()).await;
            assert_eq!(stage.client(&listener).await.get("/").await.status, 200);
        });
    }
}
