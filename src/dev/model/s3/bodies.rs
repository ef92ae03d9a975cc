//! Bodies of objects: read whole, kept as bytes, written to snapshots as base64.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Reads a body, up to a limit.
pub(super) async fn read(body: Option<StreamingBlob>, max: u64) -> S3Result<Bytes> {
    let Some(mut body) = body else { return Ok(Bytes::new()) };
    let mut whole = BytesMut::new();
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| s3_error!(IncompleteBody, "The body cannot be read: {error}"))?;
        if (whole.len() + part.len()) as u64 > max {
            return Err(too_large());
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

pub(super) fn too_large() -> s3s::S3Error {
    s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size")
}

pub(super) fn blob(bytes: Bytes) -> StreamingBlob {
    s3s::Body::from(bytes).into()
}

pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    base64_simd::STANDARD.encode_to_string(bytes).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    base64_simd::STANDARD.decode_to_vec(text).map(Bytes::from).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Kept(#[serde(with = "super")] Bytes);

    #[test]
    fn a_body_of_any_bytes_outlives_a_snapshot() {
        let body: Bytes = (0..=255).collect::<Vec<u8>>().into();
        let text = serde_json::to_string(&Kept(body.clone())).unwrap();
        assert_eq!(serde_json::from_str::<Kept>(&text).unwrap().0, body);
        assert!(serde_json::from_str::<Kept>("\"no base64!\"").is_err());
    }
}
