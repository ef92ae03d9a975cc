//! S3's operations: bucket and key stand in the path, or the bucket in the name of the host.

use super::Need;
use crate::dev::access::policy::Context;
use crate::dev::model::S3Call;

pub(super) fn needs(operation: &str, call: &S3Call) -> Vec<Need> {
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    // What is carried out is what is asked about, so both read the request in the same place.
    let (bucket, key) = call.resource().split_once('/').unwrap_or((call.resource(), ""));
    let bucket_arn = format!("arn:aws:s3:::{bucket}");
    let object_arn = format!("{bucket_arn}/{key}");
    let mut context = Context::default();
    let query = url::form_urlencoded::parse(call.request().uri().query().unwrap_or_default().as_bytes());
    let query: Vec<_> = query.collect();
    let parameter = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, value)| value.to_string());
    let header =
        |name: &str| call.request().headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let need = |action: &str, arn: &str, context: &Context| Need::new(format!("s3:{action}"), arn, context.clone());
    match operation {
        "ListBuckets" => vec![need("ListAllMyBuckets", "*", &context)],
        "HeadBucket" | "ListObjects" | "ListObjectsV2" => {
            // An empty prefix is one, as AWS has it.
            context.set_if("s3:prefix", parameter("prefix")).set_if("s3:delimiter", parameter("delimiter"));
            context.set_if("s3:max-keys", parameter("max-keys"));
            vec![need("ListBucket", &bucket_arn, &context)]
        }
        "ListObjectVersions" => vec![need("ListBucketVersions", &bucket_arn, &context)],
        "ListMultipartUploads" => vec![need("ListBucketMultipartUploads", &bucket_arn, &context)],
        "GetObject" | "HeadObject" => {
            let versioned = query.iter().any(|(name, _)| name == "versionId");
            vec![need(if versioned { "GetObjectVersion" } else { "GetObject" }, &object_arn, &context)]
        }
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => {
            context.set_if("s3:if-none-match", header("if-none-match")).set_if("s3:if-match", header("if-match"));
            let mut needs = vec![need("PutObject", &object_arn, &context)];
            if header("if-match").is_some() {
                // Whoever compares must be allowed to look.
                needs.push(need("GetObject", &object_arn, &context));
            }
            needs
        }
        "CopyObject" | "UploadPartCopy" => {
            let source = header("x-amz-copy-source").map(|source| decoded(source.trim_start_matches('/')));
            let source = format!("arn:aws:s3:::{}", source.unwrap_or_default().split('?').next().unwrap_or_default());
            vec![need("GetObject", &source, &context), need("PutObject", &object_arn, &context)]
        }
        "AbortMultipartUpload" => vec![need("AbortMultipartUpload", &object_arn, &context)],
        "ListParts" => vec![need("ListMultipartUploadParts", &object_arn, &context)],
        // The keys stand in the body; each of them must be granted, so all of them.
        "DeleteObjects" => vec![need("DeleteObject", &format!("{bucket_arn}/*"), &context)],
        operation if key.is_empty() => vec![need(operation, &bucket_arn, &context)],
        operation => vec![need(operation, &object_arn, &context)],
    }
}
