//! SNS: topics, and messages that arrive at an HTTP endpoint after it has agreed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use switchback::dev::{DevCloud, DevOptions};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{query, text};

/// An endpoint that takes what it gets, except the first so many deliveries; what it got.
async fn endpoint(refused: usize) -> (SocketAddr, mpsc::UnboundedReceiver<(http::HeaderMap, String)>) {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let (sender, got) = mpsc::unbounded_channel();
    let left = Arc::new(std::sync::atomic::AtomicUsize::new(refused));
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let (sender, left) = (sender.clone(), left.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (sender, left) = (sender.clone(), left.clone());
                async move {
                    let (head, body) = request.into_parts();
                    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
                    let down = |left: usize| left.checked_sub(1);
                    let order = std::sync::atomic::Ordering::SeqCst;
                    let refuse = left.fetch_update(order, order, down).is_ok();
                    if !refuse {
                        // Nobody listens any more once the test is over.
                        let _ = sender.send((head.headers, body));
                    }
                    let status = if refuse { 500 } else { 200 };
                    Response::builder().status(status).body(Full::new(Bytes::new()))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, got)
}

async fn created(cloud: &DevCloud) -> String {
    let (_, answer) = query(cloud, "sns", &[("Action", "CreateTopic"), ("Name", "releases")]).await;
    text(&answer, "TopicArn").to_owned()
}

#[tokio::test]
async fn a_subscriber_confirms_gets_the_document_of_aws_and_then_nothing_more() {
    let cloud = DevCloud::start(DevOptions::default()).await.unwrap();
    let topic = created(&cloud).await;
    let (address, mut got) = endpoint(0).await;
    let url = format!("http://{address}/hook?x=1");
    let subscribe = [("Action", "Subscribe"), ("TopicArn", &topic), ("Protocol", "http"), ("Endpoint", &url)];
    let (_, answer) = query(&cloud, "sns", &subscribe).await;
    assert_eq!(text(&answer, "SubscriptionArn"), "pending confirmation");
    let (headers, asked) = got.recv().await.unwrap();
    assert_eq!(headers["x-amz-sns-message-type"], "SubscriptionConfirmation");
    let asked: Value = serde_json::from_str(&asked).unwrap();

    let early = [("Action", "Publish"), ("TopicArn", &topic), ("Message", "too early")];
    query(&cloud, "sns", &early).await;
    let wrong = [("Action", "ConfirmSubscription"), ("TopicArn", &topic), ("Token", "made-up")];
    assert_eq!(query(&cloud, "sns", &wrong).await.0, 400);
    let token = asked["Token"].as_str().unwrap();
    let confirm = [("Action", "ConfirmSubscription"), ("TopicArn", &topic), ("Token", token)];
    let (status, answer) = query(&cloud, "sns", &confirm).await;
    assert_eq!(status, 200, "{answer}");
    let subscription = text(&answer, "SubscriptionArn").to_owned();

    let publish = [
        ("Action", "Publish"),
        ("TopicArn", &topic),
        ("Message", "v2 is live"),
        ("Subject", "shop"),
        ("MessageAttributes.entry.1.Name", "color"),
        ("MessageAttributes.entry.1.Value.DataType", "String"),
        ("MessageAttributes.entry.1.Value.StringValue", "green"),
    ];
    let (status, answer) = query(&cloud, "sns", &publish).await;
    assert_eq!(status, 200, "{answer}");
    let (headers, told) = got.recv().await.unwrap();
    assert_eq!(headers["x-amz-sns-subscription-arn"], subscription.as_str());
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((told["Type"].as_str(), told["Message"].as_str()), (Some("Notification"), Some("v2 is live")));
    assert_eq!(told["MessageId"], text(&answer, "MessageId"));
    assert_eq!(told["MessageAttributes"]["color"]["Value"], "green");

    query(&cloud, "sns", &[("Action", "Unsubscribe"), ("SubscriptionArn", &subscription)]).await;
    query(&cloud, "sns", &early).await;
    let more = tokio::time::timeout(Duration::from_millis(100), got.recv()).await;
    assert!(more.is_err(), "{more:?}");
    let messages: Vec<_> = cloud.published(&topic).into_iter().map(|message| message.message).collect();
    assert_eq!(messages, ["too early", "v2 is live", "too early"]);
}

#[tokio::test]
async fn topics_are_made_once_and_what_cannot_be_is_refused() {
    let cloud = DevCloud::start(DevOptions::default()).await.unwrap();
    let topic = created(&cloud).await;
    assert_eq!(topic, "arn:aws:sns:eu-west-1:000000000000:releases");
    assert_eq!(created(&cloud).await, topic, "the same again is no mistake");
    let refused = async |parameters: &[(&str, &str)]| {
        let (status, answer) = query(&cloud, "sns", parameters).await;
        assert!(status >= 400, "{answer}");
        (text(&answer, "Code").to_owned(), text(&answer, "Message").to_owned())
    };
    let publish = ("Action", "Publish");
    let (code, _) =
        refused(&[publish, ("TopicArn", "arn:aws:sns:eu-west-1:000000000000:none"), ("Message", "x")]).await;
    assert_eq!(code, "NotFound");
    let long = "x".repeat(262_145);
    let (code, message) = refused(&[publish, ("TopicArn", &topic), ("Message", &long)]).await;
    assert_eq!((code.as_str(), message.as_str()), ("InvalidParameter", "Invalid parameter: Message too long"));
    let (_, message) = refused(&[publish, ("TopicArn", &topic), ("Message", "x"), ("PhoneNumber", "+1")]).await;
    assert!(message.contains("PhoneNumber"), "{message}");
    for protocol in ["sqs", "lambda", "email"] {
        let subscribe = [("Action", "Subscribe"), ("TopicArn", &*topic), ("Protocol", protocol), ("Endpoint", "x")];
        let (_, message) = refused(&subscribe).await;
        assert!(message.contains(protocol), "{message}");
    }
    let away =
        [("Action", "Subscribe"), ("TopicArn", &*topic), ("Protocol", "http"), ("Endpoint", "http://192.0.2.1/")];
    assert!(refused(&away).await.1.contains("loopback"));
    let fifo = refused(&[("Action", "CreateTopic"), ("Name", "a.fifo")]).await;
    assert!(fifo.1.contains("FIFO"), "{fifo:?}");
}
