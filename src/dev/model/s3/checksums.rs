//! Checksums of objects: MD5 for entity tags, and the five that S3 lets clients choose from.

use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

/// An algorithm that clients can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// A checksum of an object or part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    /// In base64; of parts' checksums, with `-N` behind it, if it is composite.
    pub(super) value: String,
    pub(super) composite: bool,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// AWS's name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub(super) fn read(name: &str) -> S3Result<Self> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.name() == name);
        found.ok_or_else(|| {
            s3_error!(InvalidRequest, "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
        })
    }

    pub(super) fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Crc32 => Crc32::checksum(data).to_vec(),
            Self::Crc32c => Crc32c::checksum(data).to_vec(),
            Self::Crc64Nvme => Crc64Nvme::checksum(data).to_vec(),
            Self::Sha1 => Sha1::checksum(data).as_ref().to_vec(),
            Self::Sha256 => Sha256::checksum(data).as_ref().to_vec(),
        }
    }

    /// The checksum of all the data.
    pub(super) fn of(self, data: &[u8]) -> Checksum {
        let value = base64_simd::STANDARD.encode_to_string(self.digest(data));
        Checksum { algorithm: self, value, composite: false }
    }

    /// The checksum of the checksums of parts.
    pub(super) fn composite<'a>(self, parts: impl ExactSizeIterator<Item = &'a [u8]>) -> Checksum {
        let count = parts.len();
        let digests: Vec<u8> = parts.flat_map(|part| self.digest(part)).collect();
        let value = format!("{}-{count}", base64_simd::STANDARD.encode_to_string(self.digest(&digests)));
        Checksum { algorithm: self, value, composite: true }
    }
}

/// What a request says of a checksum: an algorithm, a value, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    algorithm: Option<Algorithm>,
    value: Option<(Algorithm, String)>,
}

impl Wanted {
    /// From the five fields that an input has, and the algorithm that it may name.
    pub(super) fn new(fields: [Option<String>; 5], algorithm: Option<&str>) -> S3Result<Self> {
        let mut given =
            Algorithm::ALL.into_iter().zip(fields).filter_map(|(algorithm, value)| Some((algorithm, value?)));
        let value = given.next();
        if given.next().is_some() {
            return Err(s3_error!(
                InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            ));
        }
        Ok(Self { algorithm: algorithm.map(Algorithm::read).transpose()?, value })
    }

    /// The checksum to keep for `data`.
    ///
    /// # Errors
    /// The request says that it is another one.
    pub(super) fn check(self, data: &[u8]) -> S3Result<Checksum> {
        let (algorithm, said) = match (self.value, self.algorithm) {
            (Some((algorithm, value)), _) => (algorithm, Some(value)),
            // What S3 does when nobody asks.
            (None, algorithm) => (algorithm.unwrap_or(Algorithm::Crc64Nvme), None),
        };
        let checksum = algorithm.of(data);
        match said {
            Some(said) if said != checksum.value => Err(s3_error!(
                BadDigest,
                "The {} you specified did not match the calculated checksum.",
                algorithm.name()
            )),
            _ => Ok(checksum),
        }
    }

    /// The value that a request gives for a whole multipart upload.
    pub(super) fn given(&self) -> Option<&str> {
        self.value.as_ref().map(|(_, value)| value.as_str())
    }
}

/// The five checksum fields of an input, in the order that [`Wanted::new`] takes them.
macro_rules! checksum_fields {
    ($input:expr) => {
        [
            $input.checksum_crc32.clone(),
            $input.checksum_crc32c.clone(),
            $input.checksum_crc64nvme.clone(),
            $input.checksum_sha1.clone(),
            $input.checksum_sha256.clone(),
        ]
    };
}

/// Writes a checksum into the one of the five fields of an output that it belongs to.
macro_rules! set_checksum {
    ($output:expr, $checksum:expr) => {{
        let checksum: &$crate::dev::model::s3::checksums::Checksum = $checksum;
        let value = Some(checksum.value.clone());
        match checksum.algorithm {
            $crate::dev::model::s3::checksums::Algorithm::Crc32 => $output.checksum_crc32 = value,
            $crate::dev::model::s3::checksums::Algorithm::Crc32c => $output.checksum_crc32c = value,
            $crate::dev::model::s3::checksums::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = value,
            $crate::dev::model::s3::checksums::Algorithm::Sha1 => $output.checksum_sha1 = value,
            $crate::dev::model::s3::checksums::Algorithm::Sha256 => $output.checksum_sha256 = value,
        }
    }};
}

pub(super) use {checksum_fields, set_checksum};

impl Checksum {
    /// `FULL_OBJECT` or `COMPOSITE`.
    pub(super) fn kind(&self) -> s3s::dto::ChecksumType {
        s3s::dto::ChecksumType::from(if self.composite { "COMPOSITE" } else { "FULL_OBJECT" }.to_owned())
    }
}

/// The MD5 of `data`.
pub(super) fn md5(data: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(Md5::checksum(data).as_ref());
    digest
}

/// In small hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Holds a body against the `Content-MD5` of its request.
pub(super) fn check_md5(said: Option<&str>, data: &[u8]) -> S3Result<()> {
    let Some(said) = said else { return Ok(()) };
    let digest = base64_simd::STANDARD.decode_to_vec(said).ok().filter(|digest| digest.len() == 16);
    let digest = digest.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid."))?;
    if digest == md5(data) {
        Ok(())
    } else {
        Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."))
    }
}
