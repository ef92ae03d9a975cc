//! What a target and a client see of each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

use super::support::*;

#[tokio::test]
async fn the_target_learns_who_asked_and_headers_of_one_connection_stay_there() {
    let address = serve(|request| async move {
        let lines: Vec<String> =
            request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        Response::builder()
            .header("connection", "x-private")
            .header("x-private", "1")
            .header("keep-alive", "timeout=5")
            .header("x-public", "1")
            .body(full(format!("{} {}\n{}", request.method(), request.uri(), lines.join("\n"))))
            .unwrap()
    });
    let (listener, _, _) = before(address.await).await;
    let request = Request::builder()
        .method("PATCH")
        .uri("/a/b?c=d")
        .header("host", "shop.example.com")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-forwarded-proto", "gopher")
        .header("connection", "x-secret, host")
        .header("x-secret", "1")
        .header("te", "trailers")
        .header("proxy-authorization", "Basic eA==")
        .header("x-kept", "1")
        .body(full(""))
        .unwrap();
    let answer = Client::connect(listener.address()).await.ask(request).await;
    let mut seen: Vec<&str> = answer.body.lines().collect();
    seen[1..].sort_unstable();
    let port = listener.address().port();
    let (host, port) = (format!("host: shop.example.com:{port}"), format!("x-forwarded-port: {port}"));
    let trace = seen.iter().position(|line| line.starts_with("x-amzn-trace-id: Root=1-")).expect("a new trace");
    assert_eq!(seen.remove(trace).len(), "x-amzn-trace-id: Root=1-67891233-abcdef012345678912345678".len());
    assert_eq!(
        seen,
        [
            "PATCH /a/b?c=d",
            &host,
            "x-forwarded-for: 192.0.2.1, 127.0.0.1",
            &port,
            "x-forwarded-proto: http",
            "x-kept: 1",
        ]
    );
    assert_eq!(answer.headers["x-public"], "1");
    for name in ["connection", "keep-alive", "x-private"] {
        assert!(!answer.headers.contains_key(name), "{name} is for one connection only");
    }
}

#[tokio::test]
async fn an_answer_reaches_the_client_piece_by_piece() {
    let (feed, body) = fed();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let address = serve(move |_| {
        let body = body.lock().unwrap().take().unwrap();
        async move { Response::new(body) }
    });
    let (listener, _, target) = before(address.await).await;
    let mut client = Client::connect(listener.address()).await;
    let mut answer = client.send(get("/")).await.into_body();
    for piece in ["one", "two", "three"] {
        feed.send(piece).unwrap();
        let frame = tokio::time::timeout(PATIENCE, answer.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
        assert_eq!(target.in_flight(), 1);
    }
    drop(feed);
    assert!(answer.frame().await.is_none());
    target.drained().await;
}

#[tokio::test]
async fn an_upload_reaches_the_target_piece_by_piece() {
    let (seen, mut arrived) = mpsc::unbounded_channel();
    let address = serve(move |request| {
        let seen = seen.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                seen.send(frame.unwrap().into_data().unwrap()).unwrap();
            }
            Response::new(full("got it"))
        }
    });
    let (listener, _, _) = before(address.await).await;
    let (feed, body) = fed();
    let upload = tokio::spawn(async move {
        let mut client = Client::connect(listener.address()).await;
        let request = Request::post("/").header("host", "h").header("expect", "100-continue").body(body).unwrap();
        client.ask(request).await.body
    });
    for piece in ["one", "two", "three"] {
        feed.send(piece).unwrap();
        assert_eq!(tokio::time::timeout(PATIENCE, arrived.recv()).await.unwrap().unwrap(), piece);
    }
    drop(feed);
    assert_eq!(upload.await.unwrap(), "got it");
}

#[tokio::test]
async fn a_body_of_many_megabytes_arrives_whole() {
    let megabyte = bytes::Bytes::from(vec![b'x'; 1 << 20]);
    let address = serve(move |request| {
        let megabyte = megabyte.clone();
        async move {
            let got = request.into_body().collect().await.unwrap().to_bytes().len();
            Response::builder().header("x-got", got).body(full(megabyte.repeat(16))).unwrap()
        }
    });
    let (listener, _, _) = before(address.await).await;
    let request = Request::post("/").header("host", "h").body(full(vec![b'y'; 9 << 20])).unwrap();
    let answer = Client::connect(listener.address()).await.ask(request).await;
    assert_eq!(answer.headers["x-got"], (9 << 20).to_string());
    assert_eq!(answer.body.len(), 16 << 20);
}

#[tokio::test]
async fn connections_to_a_target_are_kept_for_the_next_request() {
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    let address = raw(move |mut stream| {
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            let mut request = [0; 4096];
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        }
    });
    let (listener, _, _) = before(address.await).await;
    let mut client = Client::connect(listener.address()).await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.body, "ok");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_target_that_closes_idle_connections_costs_no_request() {
    // It announces nothing, answers one request per connection, and closes when the test says so.
    let close = Arc::new(Semaphore::new(0));
    let permits = close.clone();
    let (closed, mut seen_closed) = mpsc::unbounded_channel();
    let address = raw(move |mut stream| {
        let (permits, closed) = (permits.clone(), closed.clone());
        async move {
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                permits.acquire().await.unwrap().forget();
                drop(stream);
                closed.send(()).unwrap();
            }
        }
    });
    let (listener, _, _) = before(address.await).await;
    let mut client = Client::connect(listener.address()).await;
    for _ in 0..50 {
        let answer = client.get("/").await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "ok"));
        close.add_permits(1);
        seen_closed.recv().await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_in_http_1_0_is_relayed_and_the_client_keeps_its_connection() {
    let address = raw(|mut stream| async move {
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nold").await.unwrap();
    });
    let (listener, _, _) = before(address.await).await;
    let mut client = Client::connect(listener.address()).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await.body, "old");
    }
}

#[tokio::test]
async fn a_head_far_beyond_64_kib_is_refused() {
    let (listener, group, _) = before(says("never").await).await;
    let mut stream = TcpStream::connect(listener.address()).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nhost: h\r\nx-long: {}\r\n\r\n", "x".repeat(1 << 20));
    // The listener may close before it has read all of it, and then what it answered may be lost.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("closed");
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(group.counts().requests, 0);
}
