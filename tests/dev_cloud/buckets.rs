//! S3: conditional writes, versions, regions, and what is refused; without sockets, under paused time.

use std::time::Duration;

use http::HeaderMap;
use http_body_util::BodyExt;
use object_store::client::{HttpConnector, HttpRequest};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};
use switchback::dev::faults::Fault;
use switchback::dev::{BucketOptions, DevCloud, DevOptions};

const BUCKET: &str = "releases";

async fn cloud(buckets: BucketOptions) -> DevCloud {
    let cloud = DevCloud::in_process(DevOptions { buckets, ..DevOptions::default() }).await.unwrap();
    assert_eq!(send(&cloud, "PUT", "/releases", &[], EUROPE).await.status, 200);
    cloud
}

const EUROPE: &str = r#"<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
    <LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"#;

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// AWS's code of a refusal.
    fn code(&self) -> &str {
        self.body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code)
    }

    fn outcome(&self) -> (u16, &str) {
        (self.status, self.code())
    }
}

async fn try_send(
    cloud: &DevCloud,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let client = cloud.object_store_connector().unwrap().connect(&ClientOptions::new()).unwrap();
    let credential =
        "AWS4-HMAC-SHA256 Credential=DEVCLOUD/20261121/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let mut request = http::Request::builder().method(method).uri(format!("{}{target}", cloud.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        request = request.header("authorization", credential);
    }
    let request: HttpRequest = request.body(body.to_owned().into()).unwrap();
    let answer = client.execute(request).await.ok()?;
    let (head, body) = answer.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Some(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

async fn send(cloud: &DevCloud, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    try_send(cloud, method, target, headers, body).await.expect("an answer")
}

const ABSENT: (&str, &str) = ("if-none-match", "*");

#[tokio::test(start_paused = true)]
async fn a_write_that_must_be_the_first_is_refused_from_the_second_on() {
    let cloud = cloud(BucketOptions::default()).await;
    let first = send(&cloud, "PUT", "/releases/lock", &[ABSENT], "one").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("etag"), "\"f97c5d29941bfb1b2fdab0874906ab82\"", "the MD5 of the body");
    assert_eq!(send(&cloud, "PUT", "/releases/lock", &[ABSENT], "two").await.outcome(), (412, "PreconditionFailed"));
    assert_eq!(send(&cloud, "GET", "/releases/lock", &[], "").await.body, "one");
    // What was deleted is absent, also where a delete marker is left of it.
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert_eq!(send(&cloud, "PUT", "/releases?versioning", &[], versioning).await.status, 200);
    let deleted = send(&cloud, "DELETE", "/releases/lock", &[], "").await;
    assert_eq!((deleted.status, deleted.header("x-amz-delete-marker")), (204, "true"));
    assert_eq!(send(&cloud, "PUT", "/releases/lock", &[ABSENT], "three").await.status, 200);
    assert_eq!(
        send(&cloud, "PUT", "/releases/lock", &[("if-none-match", "\"x\"")], "").await.outcome(),
        (501, "NotImplemented")
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_that_must_follow_a_version_finds_it_or_another_or_none() {
    let cloud = cloud(BucketOptions::default()).await;
    let tag = send(&cloud, "PUT", "/releases/state", &[], "one").await.header("etag").to_owned();
    let following = |tag: &str| vec![("if-match".to_owned(), tag.to_owned())];
    let put = async |key: &str, tag: &str, body: &str| {
        let headers = following(tag);
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let answer = send(&cloud, "PUT", &format!("/releases/{key}"), &headers, body).await;
        (answer.status, answer.code().to_owned())
    };
    assert_eq!(put("state", &tag, "two").await, (200, String::new()));
    assert_eq!(
        put("state", &tag, "three").await,
        (412, "PreconditionFailed".into()),
        "the tag is that of an older one"
    );
    assert_eq!(put("gone", &tag, "three").await, (404, "NoSuchKey".into()));
    let current = send(&cloud, "HEAD", "/releases/state", &[], "").await;
    assert_eq!((current.status, current.header("content-length"), current.body.as_str()), (200, "3", ""));
    // A delete by the same rule: what is not there is gone already.
    let delete = async |key: &str, tag: &str| {
        let answer = send(&cloud, "DELETE", &format!("/releases/{key}"), &[("if-match", tag)], "").await;
        (answer.status, answer.code().to_owned())
    };
    assert_eq!(delete("state", &tag).await, (412, "PreconditionFailed".into()));
    assert_eq!(delete("gone", &tag).await, (204, String::new()));
    assert_eq!(delete("state", current.header("etag")).await, (204, String::new()));
}

#[tokio::test(start_paused = true)]
async fn of_many_first_writers_one_wins() {
    let cloud = cloud(BucketOptions { write_time: Duration::from_secs(1), ..BucketOptions::default() }).await;
    let writers = (0..16).map(|writer| {
        let cloud = &cloud;
        async move { send(cloud, "PUT", "/releases/lock", &[ABSENT], &writer.to_string()).await.status }
    });
    let mut outcomes = futures_util::future::join_all(writers).await;
    outcomes.sort_unstable();
    assert_eq!((outcomes[0], outcomes.iter().filter(|status| **status == 412).count()), (200, 15));
}

#[tokio::test(start_paused = true)]
async fn a_delete_during_a_conditional_write_makes_it_a_conflict() {
    let cloud = cloud(BucketOptions { write_time: Duration::from_secs(10), ..BucketOptions::default() }).await;
    let written = send(&cloud, "PUT", "/releases/state", &[], "one").await;
    let tag = ("if-match", written.header("etag"));
    let delete = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        send(&cloud, "DELETE", "/releases/state", &[], "").await.status
    };
    let headers = [tag];
    let (put, deleted) = tokio::join!(send(&cloud, "PUT", "/releases/state", &headers, "two"), delete);
    assert_eq!((put.outcome(), deleted), ((409, "ConditionalRequestConflict"), 204));
    assert_eq!(send(&cloud, "GET", "/releases/state", &[], "").await.outcome(), (404, "NoSuchKey"));
    // Of another key nobody knows, and what was deleted before is no conflict.
    assert_eq!(send(&cloud, "PUT", "/releases/state", &[ABSENT], "three").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_can_ignore_conditions_as_some_stores_do() {
    let cloud = cloud(BucketOptions { unconditional: [BUCKET.to_owned()].into(), ..BucketOptions::default() }).await;
    for body in ["one", "two"] {
        assert_eq!(send(&cloud, "PUT", "/releases/lock", &[ABSENT], body).await.status, 200);
    }
    assert_eq!(send(&cloud, "GET", "/releases/lock", &[], "").await.body, "two");
}

#[tokio::test(start_paused = true)]
async fn who_repeats_a_write_whose_answer_was_lost_meets_its_own_object() {
    let cloud = cloud(BucketOptions::default()).await;
    cloud.faults().add(Fault::lose_answer("s3:PutObject").times(1));
    assert!(try_send(&cloud, "PUT", "/releases/lock", &[ABSENT], "mine").await.is_none());
    assert_eq!(send(&cloud, "PUT", "/releases/lock", &[ABSENT], "mine").await.status, 412);
    assert_eq!(send(&cloud, "GET", "/releases/lock", &[], "").await.body, "mine");
    cloud.faults().add(Fault::throttle("s3:*").times(1));
    assert_eq!(send(&cloud, "GET", "/releases/lock", &[], "").await.outcome(), (503, "SlowDown"));
    assert_eq!((cloud.calls()["s3:PutObject"], cloud.calls()["s3:GetObject"]), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn object_store_creates_updates_and_is_told_why_not() {
    let cloud = DevCloud::in_process(DevOptions::default()).await.unwrap();
    let store = cloud.bucket("eu-west-1", BUCKET).unwrap();
    let path = Path::from("environments/shop/1.json");
    let put = |mode: PutMode, body: &'static str| store.put_opts(&path, PutPayload::from(body), PutOptions::from(mode));
    let created = put(PutMode::Create, "one").await.unwrap();
    assert!(matches!(put(PutMode::Create, "two").await, Err(object_store::Error::AlreadyExists { .. })));
    let version = UpdateVersion { e_tag: created.e_tag, version: None };
    put(PutMode::Update(version.clone()), "two").await.unwrap();
    assert!(matches!(put(PutMode::Update(version), "three").await, Err(object_store::Error::Precondition { .. })));
    assert_eq!(store.get_range(&path, 1..3).await.unwrap(), "wo");
    let listed = store.list_with_delimiter(Some(&Path::from("environments"))).await.unwrap();
    assert_eq!(listed.common_prefixes, [Path::from("environments/shop")]);
    store.delete(&path).await.unwrap();
    assert!(matches!(store.head(&path).await, Err(object_store::Error::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_bucket_answers_in_its_own_region_and_to_its_own_account() {
    let cloud = cloud(BucketOptions::default()).await;
    let signed = |key: &str, region: &str| {
        format!("AWS4-HMAC-SHA256 Credential={key}/20261121/{region}/s3/aws4_request, SignedHeaders=host, Signature=0")
    };
    let from = async |key: &str, region: &str| {
        let signed = signed(key, region);
        send(&cloud, "GET", "/releases", &[("authorization", signed.as_str())], "").await
    };
    let elsewhere = from("DEVCLOUD", "us-east-1").await;
    assert_eq!(elsewhere.outcome(), (301, "PermanentRedirect"));
    assert_eq!(elsewhere.header("x-amz-bucket-region"), "eu-west-1");
    assert_eq!(from("111111111111", "eu-west-1").await.outcome(), (403, "AccessDenied"));
    // Names are one list for all accounts.
    let signed = signed("111111111111", "eu-west-1");
    let taken = send(&cloud, "PUT", "/releases", &[("authorization", signed.as_str())], EUROPE).await;
    assert_eq!(taken.outcome(), (409, "BucketAlreadyExists"));
    assert_eq!(send(&cloud, "PUT", "/other", &[], "").await.outcome(), (400, "IllegalLocationConstraintException"));
    // The bucket in the host's name is the same as in the path.
    send(&cloud, "PUT", "/releases/x", &[], "here").await;
    assert_eq!(send(&cloud, "GET", "/x", &[("host", "releases.s3.eu-west-1.amazonaws.com")], "").await.body, "here");
}

#[tokio::test(start_paused = true)]
async fn a_body_in_chunks_is_put_together_and_checked() {
    let cloud = cloud(BucketOptions::default()).await;
    let chunked = "5;chunk-signature=0\r\nhello\r\n0;chunk-signature=0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let headers = |length| {
        [
            ("content-encoding", "aws-chunked,gzip"),
            ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
            ("x-amz-decoded-content-length", length),
        ]
    };
    assert_eq!(send(&cloud, "PUT", "/releases/x", &headers("5"), chunked).await.status, 200);
    let read = send(&cloud, "GET", "/releases/x", &[("x-amz-checksum-mode", "ENABLED")], "").await;
    let (coding, checksum) = (read.header("content-encoding"), read.header("x-amz-checksum-crc32"));
    assert_eq!((read.body.as_str(), coding, checksum), ("hello", "gzip", "NhCmhg=="));
    assert_eq!(send(&cloud, "PUT", "/releases/x", &headers("6"), chunked).await.outcome(), (400, "IncompleteBody"));
    let lying = chunked.replace("NhCmhg==", "AAAAAA==");
    assert_eq!(send(&cloud, "PUT", "/releases/x", &headers("5"), &lying).await.outcome(), (400, "BadDigest"));
    let other = [("x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")];
    assert_eq!(send(&cloud, "PUT", "/releases/x", &other, "y").await.outcome(), (400, "XAmzContentSHA256Mismatch"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_modelled_is_refused_by_name() {
    let cloud = cloud(BucketOptions { object_bytes_max: 10, ..BucketOptions::default() }).await;
    for (method, target, header, name) in [
        ("PUT", "/releases?policy", None, "PutBucketPolicy"),
        ("PUT", "/releases?lifecycle", None, "PutBucketLifecycleConfiguration"),
        ("GET", "/releases/x?torrent", None, "GetObjectTorrent"),
        ("GET", "/releases?frobnicate", None, "frobnicate"),
        ("PUT", "/releases/x", Some(("x-amz-acl", "public-read")), "x-amz-acl"),
        ("PUT", "/releases/x", Some(("x-amz-storage-class", "GLACIER")), "x-amz-storage-class: GLACIER"),
        (
            "PUT",
            "/releases/x",
            Some(("x-amz-server-side-encryption", "aws:kms")),
            "x-amz-server-side-encryption: aws:kms",
        ),
        ("POST", "/releases", Some(("content-type", "multipart/form-data; boundary=x")), "PostObject"),
    ] {
        let answer = send(&cloud, method, target, header.as_slice(), "").await;
        assert_eq!(answer.outcome(), (501, "NotImplemented"), "{target} {header:?}");
        assert!(answer.body.contains(name), "{target} {header:?}: {}", answer.body);
    }
    assert_eq!(send(&cloud, "PUT", "/releases/x", &[], "12345678901").await.outcome(), (400, "EntityTooLarge"));
}
