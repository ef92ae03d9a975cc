//! What comes over the socket and is no request of AWS's: it is refused or cut off, and the cloud goes on.

use std::time::Duration;

use switchback::dev::DevCloud;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::support::options;

/// What comes back before the connection ends, or within two seconds.
async fn send(cloud: &DevCloud, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(cloud.endpoint()).await.unwrap();
    // The other side may hang up in the middle.
    stream.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn bytes_that_are_no_request_are_refused_and_the_cloud_goes_on() {
    let cloud = DevCloud::start(options()).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: AWS4-HMAC-SHA256 \
                Credential=K/20260101/eu-west-1/sts/aws4_request\r\n";
    let long_head = format!("POST / HTTP/1.1\r\n{}", "x: y\r\n".repeat(40_000));
    for (bytes, status) in [
        ("\0\0\0\0\r\n\r\n".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), ""),
        (long_head, "431"),
        (format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n"), "413"),
        (format!("{head}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n"), "413"),
        (format!("{head}transfer-encoding: chunked\r\n\r\n5\r\nAc"), ""),
        (format!("{head}transfer-encoding: chunked\r\n\r\n18\r\nAction=GetCallerIdentity\r\n0\r\n\r\n"), "200"),
        (format!("{head}content-length: 24\r\n\r\nAction=GetCallerIdentity"), "200"),
        (format!("{head}content-length: -1\r\n\r\n"), "400"),
        (format!("{head}content-length: 1\r\ncontent-length: 2\r\n\r\nab"), "400"),
    ] {
        let answer = send(&cloud, bytes.as_bytes()).await;
        let line = answer.lines().next().unwrap_or_default();
        assert!(line.contains(status), "{:?}: {line:?}", &bytes[..bytes.len().min(80)]);
        assert!(!line.contains("500"), "{line}");
    }
    let sts = aws_sdk_sts::Client::new(&cloud.sdk_config("eu-west-1"));
    sts.get_caller_identity().send().await.unwrap();
    cloud.shutdown().await;
}

#[tokio::test]
async fn silent_connections_do_not_keep_others_out() {
    let cloud = DevCloud::start(options()).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(cloud.endpoint()).await.unwrap());
    }
    let sts = aws_sdk_sts::Client::new(&cloud.sdk_config("eu-west-1"));
    sts.get_caller_identity().send().await.unwrap();
    drop(silent);
    cloud.shutdown().await;
}
