//! A parameter, its versions and labels.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::dev::model::tags::Tags;
use crate::dev::wire::Fields;

/// A parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) kind: Kind,
    pub(super) data_type: String,
    pub(super) tags: Tags,
    /// Oldest first; never empty.
    pub(super) versions: Vec<Version>,
}

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    String,
    StringList,
    SecureString,
}

/// What it costs on AWS, and how large a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Tier {
    Standard,
    Advanced,
}

/// One version of a parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) version: i64,
    pub(super) value: Hidden,
    pub(super) description: Option<String>,
    pub(super) allowed_pattern: Option<String>,
    pub(super) key: Option<String>,
    pub(super) tier: Tier,
    pub(super) labels: BTreeSet<String>,
    pub(super) at: Timestamp,
    /// ARN of who put it.
    pub(super) by: String,
}

/// A value that is never printed: it may be a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Hidden(pub(super) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Kind {
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::String, Self::StringList, Self::SecureString].into_iter().find(|kind| kind.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
            Self::SecureString => "SecureString",
        }
    }
}

impl Tier {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Advanced => "Advanced",
        }
    }
}

impl Parameter {
    /// The newest version.
    pub(super) fn newest(&self) -> &Version {
        self.versions.last().expect("a parameter is made with a version, and the newest one is never taken away")
    }

    /// The version that `selector` names: a number or a label.
    pub(super) fn selected(&self, selector: Option<&str>) -> Option<&Version> {
        let Some(selector) = selector else { return self.versions.last() };
        self.versions.iter().find(|each| each.version.to_string() == selector || each.labels.contains(selector))
    }

    /// The value as a caller may see it: without decryption a `SecureString` is something that nobody can read.
    pub(super) fn seen(&self, version: &Version, decrypted: bool) -> String {
        if self.kind != Kind::SecureString || decrypted {
            return version.value.0.clone();
        }
        let mut bytes = b"dev-cloud-ciphertext".to_vec();
        bytes.extend(Sha256::digest(format!("{}\n{}\n{}", self.arn, version.version, version.value.0)));
        aws_smithy_types::base64::encode(bytes)
    }

    /// As `GetParameter` has it.
    pub(super) fn fields(&self, version: &Version, decrypted: bool, selector: Option<&str>) -> Fields {
        Fields::new()
            .with("Name", &self.name)
            .with("Type", self.kind.name())
            .with("Value", self.seen(version, decrypted))
            .with("Version", version.version)
            .with_if("Selector", selector.map(|selector| format!(":{selector}")))
            .with("LastModifiedDate", version.at)
            .with("ARN", &self.arn)
            .with("DataType", &self.data_type)
    }
}
