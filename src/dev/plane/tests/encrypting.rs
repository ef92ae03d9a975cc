//! TLS, SNI and HTTP/2.

use std::time::Duration;

use http::{Request, Response, Version};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;

use super::super::{
    GroupSettings, Protocol, Settings, Target, TargetProtocol, TargetState, Timeouts, Tls, TlsVersions,
};
use super::stage::*;
use super::support::{Body, full, group, weighted};

fn https(names: &[&str]) -> (Protocol, super::super::Certificate) {
    let certificate = certificate("arn:aws:acm:one", names);
    (Protocol::Https(Tls::with(certificate.clone())), certificate)
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_the_certificate_for_the_name_that_it_asks_for_and_else_the_first() {
    let stage = Stage::new();
    let (group, _) = stage.color("blue").await;
    let (shop, api) = (certificate("arn:shop", &["shop.example.com"]), certificate("arn:api", &["*.api.example.com"]));
    let tls = Tls { certificates: vec![shop.clone(), api.clone()], ..Tls::with(shop.clone()) };
    let listener = stage.listen(Protocol::Https(tls), weighted(&[(&group, 1)])).await;
    for (name, expected) in [("shop.example.com", &shop), ("v1.API.example.com", &api)] {
        let stream = stage.network.connect(listener.address()).await.unwrap();
        let shaken = shake_hands(stream, &[&shop, &api], name, &[]).await.unwrap();
        assert_eq!(shaken.shown, expected.der(), "{name}");
        assert_eq!(Browser::new(shaken.stream).await.get("/").await.body, "blue");
    }
    let stream = stage.network.connect(listener.address()).await.unwrap();
    let failed = shake_hands(stream, &[&shop, &api], "a.b.api.example.com", &[]).await;
    assert!(failed.is_err(), "the first certificate is not for that name");
    tokio::task::yield_now().await;
    assert_eq!(stage.balancer.counts().requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_new_certificate_and_a_stricter_policy_are_for_new_connections() {
    let stage = Stage::new();
    let (group, _) = stage.color("blue").await;
    let (protocol, old) = https(&["shop.example.com"]);
    let listener = stage.listen(protocol, weighted(&[(&group, 1)])).await;
    let connect = async |trusted| {
        let stream = stage.network.connect(listener.address()).await.unwrap();
        shake_hands(stream, &[trusted], "shop.example.com", &[]).await
    };
    let mut before = Browser::new(connect(&old).await.unwrap().stream).await;
    let new = certificate("arn:new", &["shop.example.com"]);
    listener.set_protocol(Protocol::Https(Tls { versions: TlsVersions::Only12, ..Tls::with(new.clone()) })).unwrap();
    assert_eq!(before.get("/").await.body, "blue");
    assert!(connect(&old).await.is_err());
    let shaken = connect(&new).await.unwrap();
    let version = shaken.stream.get_ref().1.protocol_version();
    assert_eq!(version, Some(tokio_rustls::rustls::ProtocolVersion::TLSv1_2));
    assert_eq!(stage.balancer.counts().client_tls_errors, 1);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_is_none_is_counted_and_costs_nobody_else_anything() {
    let stage = Stage::new();
    let (group, _) = stage.color("blue").await;
    let (protocol, trusted) = https(&["shop.example.com"]);
    let listener = stage.listen(protocol, weighted(&[(&group, 1)])).await;
    stage.hear(&listener, b"GET / HTTP/1.1\r\nhost: shop.example.com\r\n\r\n").await;
    let mut silent = stage.network.connect(listener.address()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(silent.write_all(b"late").await.is_err(), "a handshake takes ten seconds at most");
    assert_eq!(stage.balancer.counts().client_tls_errors, 2);
    let stream = stage.network.connect(listener.address()).await.unwrap();
    let shaken = shake_hands(stream, &[&trusted], "shop.example.com", &[]).await.unwrap();
    assert_eq!(Browser::new(shaken.stream).await.get("/").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn targets_learn_that_the_client_spoke_tls() {
    let stage = Stage::with(Settings { tls_headers: true, ..Settings::default() });
    let address = stage.serve(|request| async move {
        let names = ["x-forwarded-proto", "x-amzn-tls-version", "x-amzn-tls-cipher-suite"];
        let seen = names.map(|name| request.headers()[name].to_str().unwrap().to_owned());
        Response::new(full(seen.join(" ")))
    });
    let group = group("g", &[&Target::new(address.await, TargetState::Healthy)]);
    let (protocol, trusted) = https(&["shop.example.com"]);
    let listener = stage.listen(protocol, weighted(&[(&group, 1)])).await;
    let stream = stage.network.connect(listener.address()).await.unwrap();
    let shaken = shake_hands(stream, &[&trusted], "shop.example.com", &[]).await.unwrap();
    let seen = Browser::new(shaken.stream).await.get("/").await.body;
    assert!(seen.starts_with("https TLSv1.3 TLS_"), "{seen}");
}

#[tokio::test(start_paused = true)]
async fn many_requests_of_one_http_2_connection_are_answered_at_once_and_each_is_routed_by_itself() {
    let stage = Stage::new();
    let slow = |name: &'static str| {
        stage.serve(move |_| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Response::new(full(name))
        })
    };
    let (a, b) = (slow("a").await, slow("b").await);
    let (a, b) = (Target::new(a, TargetState::Healthy), Target::new(b, TargetState::Healthy));
    let group = group("g", &[&a, &b]);
    let (protocol, trusted) = https(&["shop.example.com"]);
    let listener = stage.listen(protocol, weighted(&[(&group, 1)])).await;
    let stream = stage.network.connect(listener.address()).await.unwrap();
    let shaken = shake_hands(stream, &[&trusted], "shop.example.com", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(shaken.stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let sender = http_2(shaken.stream).await;
    let start = tokio::time::Instant::now();
    let answers = futures_util::future::join_all((0..50).map(|_| {
        let mut sender = sender.clone();
        async move {
            let request = Request::get("https://shop.example.com/").body(full("")).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.version(), Version::HTTP_2);
            read(answer).await
        }
    }))
    .await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}: one after the other", start.elapsed());
    assert_eq!(answers.iter().filter(|answer| answer.body == "a").count(), 25);
    assert_eq!((a.in_flight(), b.in_flight()), (0, 0));
}

/// An HTTP/2 server without TLS, whose answers have a body and a trailer.
async fn with_trailers(stage: &Stage) -> std::sync::Arc<Target> {
    let address = stage.raw(|stream| async move {
        let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
            let seen = format!("{:?} {} {:?}", request.version(), request.uri(), request.headers().get("te"));
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", "0".parse().unwrap());
            let frames = [Ok::<_, std::convert::Infallible>(Frame::data(seen.into())), Ok(Frame::trailers(trailers))];
            let body: Body = BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)));
            Ok::<_, std::convert::Infallible>(Response::new(body))
        });
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        // An error is a client that went away.
        let _ = connection.serve_connection(TokioIo::new(stream), service).await;
    });
    Target::new(address.await, TargetState::Healthy)
}

#[tokio::test(start_paused = true)]
async fn grpc_reaches_its_targets_in_http_2_and_its_trailers_come_back() {
    let stage = Stage::new();
    let target = with_trailers(&stage).await;
    let group = group("g", &[&target]);
    group.set_settings(GroupSettings { version: TargetProtocol::Grpc, ..GroupSettings::default() });
    let (protocol, trusted) = https(&["shop.example.com"]);
    let listener = stage.listen(protocol, weighted(&[(&group, 1)])).await;
    let connect = async |alpn| {
        let stream = stage.network.connect(listener.address()).await.unwrap();
        shake_hands(stream, &[&trusted], "shop.example.com", &[alpn]).await.unwrap().stream
    };
    let mut sender = http_2(connect("h2").await).await;
    let call = Request::post("https://shop.example.com/pkg.Service/Call");
    let call = call.header("content-type", "application/grpc").header("te", "trailers").body(full("x")).unwrap();
    let answer = sender.send_request(call).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(answer.trailers().unwrap()["grpc-status"], "0");
    let port = listener.address().port();
    let expected = format!("HTTP/2.0 http://shop.example.com:{port}/pkg.Service/Call Some(\"trailers\")");
    assert_eq!(answer.to_bytes(), expected);
    assert_eq!(stage.balancer.counts().grpc_requests, 1);
    let get = Request::get("https://shop.example.com/").body(full("")).unwrap();
    assert_eq!(sender.send_request(get).await.unwrap().status(), 464, "gRPC is POST");
    assert_eq!(Browser::new(connect("http/1.1").await).await.get("/").await.status, 464, "gRPC is HTTP/2");
    assert_eq!(stage.balancer.counts().elb_4xx, 2);
}

#[tokio::test(start_paused = true)]
async fn grpc_to_targets_that_speak_http_1_is_a_464() {
    let stage = Stage::new();
    let (group, _) = stage.color("blue").await;
    let listener = stage.before(&group).await;
    let mut client = stage.client(&listener).await;
    let call = Request::post("/").header("content-type", "application/grpc+proto");
    assert_eq!(client.ask(call).await.status, 464);
}

#[tokio::test(start_paused = true)]
async fn without_http_2_clients_of_a_listener_agree_on_http_1() {
    let stage = Stage::with(Settings { http2: false, ..Settings::default() });
    let (group, _) = stage.color("blue").await;
    let (protocol, trusted) = https(&["shop.example.com"]);
    let listener = stage.listen(protocol, weighted(&[(&group, 1)])).await;
    let stream = stage.network.connect(listener.address()).await.unwrap();
    let shaken = shake_hands(stream, &[&trusted], "shop.example.com", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(shaken.stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    // Without TLS there is no HTTP/2 either: the preface is no request.
    let plain = stage.before(&group).await;
    let heard = stage.hear(&plain, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!heard.contains(" 200 "), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn targets_that_speak_tls_are_reached_whatever_their_certificate_is() {
    let stage = Stage::new();
    let own = certificate("arn:target", &["whoever"]);
    let backend = stage.beside();
    let (hidden, _) = backend.color("secret").await;
    let target = backend.listen(Protocol::Https(Tls::with(own)), weighted(&[(&hidden, 1)])).await;
    for version in [TargetProtocol::Http1, TargetProtocol::Http2] {
        let group = group("g", &[&Target::new(target.address(), TargetState::Healthy)]);
        group.set_settings(GroupSettings { tls: true, version, ..GroupSettings::default() });
        let (protocol, trusted) = https(&["shop.example.com"]);
        let listener = stage.listen(protocol, weighted(&[(&group, 1)])).await;
        let stream = stage.network.connect(listener.address()).await.unwrap();
        let shaken = shake_hands(stream, &[&trusted], "shop.example.com", &["h2"]).await.unwrap();
        let request = Request::get("https://shop.example.com/").body(full("")).unwrap();
        let answer = http_2(shaken.stream).await.send_request(request).await.unwrap();
        assert_eq!(read(answer).await.body, "secret", "{version:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_or_idle_http_2_connection_is_told_to_go_away() {
    let timeouts = Timeouts { client_keep_alive: Duration::from_secs(100), ..Timeouts::default() };
    let stage = Stage::with(Settings { timeouts, ..Settings::default() });
    let (group, _) = stage.color("blue").await;
    let (protocol, trusted) = https(&["shop.example.com"]);
    let listener = stage.listen(protocol, weighted(&[(&group, 1)])).await;
    for (pauses, total) in [(vec![61], "idle"), (vec![40, 40, 40], "old")] {
        let stream = stage.network.connect(listener.address()).await.unwrap();
        let shaken = shake_hands(stream, &[&trusted], "shop.example.com", &["h2"]).await.unwrap();
        let mut sender = http_2(shaken.stream).await;
        for pause in pauses {
            let request = Request::get("https://shop.example.com/").body(full("")).unwrap();
            assert_eq!(read(sender.send_request(request).await.unwrap()).await.body, "blue", "{total}");
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
        assert!(sender.ready().await.is_err() || sender.is_closed(), "{total}");
    }
}
