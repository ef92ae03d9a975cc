//! The XML documents that Route 53 takes.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::invalid_input;
use crate::dev::wire::ApiError;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct CreateHostedZone {
    #[serde(rename = "@xmlns")]
    _namespace: Option<String>,
    pub(super) name: String,
    pub(super) caller_reference: String,
    pub(super) hosted_zone_config: Option<ZoneConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ZoneConfig {
    pub(super) comment: Option<String>,
    pub(super) private_zone: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct ChangeResourceRecordSets {
    #[serde(rename = "@xmlns")]
    _namespace: Option<String>,
    pub(super) change_batch: ChangeBatch,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ChangeBatch {
    pub(super) comment: Option<String>,
    pub(super) changes: Changes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Changes {
    #[serde(default)]
    pub(super) change: Vec<ChangeIn>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ChangeIn {
    pub(super) action: Action,
    pub(super) resource_record_set: RecordSetIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Action {
    Create,
    Delete,
    Upsert,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct RecordSetIn {
    pub(super) name: String,
    pub(super) r#type: String,
    pub(super) set_identifier: Option<String>,
    pub(super) weight: Option<i64>,
    #[serde(rename = "TTL")]
    pub(super) ttl: Option<u32>,
    pub(super) resource_records: Option<ResourceRecords>,
    pub(super) alias_target: Option<AliasTargetIn>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ResourceRecords {
    #[serde(default)]
    pub(super) resource_record: Vec<ResourceRecord>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct ResourceRecord {
    pub(super) value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct AliasTargetIn {
    pub(super) hosted_zone_id: String,
    #[serde(rename = "DNSName")]
    pub(super) dns_name: String,
    pub(super) evaluate_target_health: bool,
}

/// Reads a document.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| invalid_input("Invalid XML: it is not UTF-8"))?;
    quick_xml::de::from_str(text).map_err(|error| invalid_input(format!("Invalid XML ; {error}")))
}
