//! Whatever a request says of its signature, reading and checking it neither panics nor takes long.

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use jiff::Timestamp;
use proptest::prelude::*;

use super::signature;
use crate::dev::wire::Credential;

fn head(uri: &str, headers: &[(&str, &str)]) -> Option<Parts> {
    let mut request = Request::builder().method("POST").uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).ok().map(|request| request.into_parts().0)
}

/// Reads and checks; nothing is ever right by accident.
fn never_right(head: &Parts, body: &str) {
    let body = Bytes::copy_from_slice(body.as_bytes());
    if let Ok(credential) = Credential::of(head) {
        let _ = credential.token_in(head.uri.query().unwrap_or_default());
        let checked = signature::check(&credential, (head, &body), "secret", Timestamp::UNIX_EPOCH);
        assert!(checked.is_err());
    }
}

proptest! {
    #[test]
    fn no_authorization_header_makes_it_panic(header in "[ -~]{0,200}", body in ".{0,50}") {
        if let Some(head) = head("/", &[("authorization", &header)]) {
            never_right(&head, &body);
        }
    }

    #[test]
    fn no_near_miss_makes_it_panic(
        key in "[A-Z0-9/]{0,20}",
        date in "[0-9]{0,9}",
        region in "[a-z0-9-]{0,12}",
        service in "ec2|s3|sts|elasticloadbalancing|route53|x",
        headers in "[a-z;-]{0,40}",
        signature in "[0-9a-f]{0,64}",
        amz_date in "[0-9]{8}T[0-9]{6}Z|[ -~]{0,20}",
        path in "(/[a-zA-Z0-9.%_~-]{0,8}){0,6}",
        query in "[a-zA-Z0-9=&%+.-]{0,60}",
        hash in "UNSIGNED-PAYLOAD|STREAMING-AWS4-HMAC-SHA256-PAYLOAD|[0-9a-f]{0,64}",
        body in ".{0,50}",
    ) {
        let header = format!(
            "AWS4-HMAC-SHA256 Credential={key}/{date}/{region}/{service}/aws4_request, \
             SignedHeaders=host;{headers}, Signature={signature}"
        );
        let all = [("authorization", &*header), ("x-amz-date", &amz_date), ("x-amz-content-sha256", &hash), ("host", "x")];
        if let Some(head) = head(&format!("{path}/?{query}"), &all) {
            never_right(&head, &body);
        }
        let presigned = format!(
            "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={key}%2F{date}%2F{region}%2F{service}%2Faws4_request\
             &X-Amz-Date=19700101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature={signature}&{query}"
        );
        if let Some(head) = head(&presigned, &[("host", "x")]) {
            never_right(&head, &body);
        }
    }
}

#[test]
fn a_header_of_many_parts_is_bounded() {
    let names = "a;".repeat(10_000);
    let header = format!(
        "AWS4-HMAC-SHA256 Credential=K/19700101/eu-west-1/sts/aws4_request, SignedHeaders={names}, Signature=0"
    );
    let head = head("/", &[("authorization", &header)]).unwrap();
    assert!(Credential::of(&head).is_err());
}
