//! CloudWatch, and the small services beside it.

mod alarming;
mod notifying;
mod parameters;
mod publishing;
mod watching;

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use switchback::dev::{DevCloud, HttpConnection};

/// One request to the endpoint as a client of no particular SDK makes it; the status and the body of the answer.
async fn post(cloud: &DevCloud, service: &str, headers: &[(&str, &str)], body: String) -> (u16, String) {
    let credential = format!("DEVCLOUD/20261121/eu-west-1/{service}/aws4_request");
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature={}", "0".repeat(64));
    let mut request =
        Request::post("/").header("authorization", authorization).header("x-amz-date", "20261121T000000Z");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut connection = HttpConnection::open(&*cloud.dial(), &cloud.url()).await.unwrap();
    let answer = connection.send(request.body(Bytes::from(body)).unwrap()).await.unwrap();
    (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap())
}

/// A call in the query protocol.
async fn query(cloud: &DevCloud, service: &str, parameters: &[(&str, &str)]) -> (u16, String) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    post(cloud, service, &[("content-type", "application/x-www-form-urlencoded")], body).await
}

/// A call in JSON 1.1.
async fn json(cloud: &DevCloud, service: &str, target: &str, input: Value) -> (u16, Value) {
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
    let (status, body) = post(cloud, service, &headers, input.to_string()).await;
    (status, serde_json::from_str(&body).unwrap())
}

/// The text of the first element of this name.
fn text<'a>(xml: &'a str, element: &str) -> &'a str {
    let start = xml.split_once(&format!("<{element}>")).unwrap_or_else(|| panic!("no {element} in {xml}")).1;
    start.split_once(&format!("</{element}>")).unwrap().0
}
