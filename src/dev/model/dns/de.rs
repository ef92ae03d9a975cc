//! The XML documents that Route 53 takes.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::invalid_input;
use crate::dev::wire::ApiError;

/// Declares the structures of requests: unknown elements are refused, and the namespace is no element.
macro_rules! documents {
    ($($(#[$about:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$about])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "PascalCase")]
        pub(super) struct $name {
            #[serde(rename = "@xmlns")]
            _namespace: Option<String>,
            $($(#[$attribute])* pub(super) $field: $type,)*
        }
    )*};
}

documents! {
    CreateHostedZone {
        name: String,
        caller_reference: String,
        hosted_zone_config: Option<ZoneConfig>,
    }
    ZoneConfig {
        comment: Option<String>,
        private_zone: Option<bool>,
    }
    UpdateHostedZoneComment {
        comment: Option<String>,
    }
    ChangeResourceRecordSets {
        change_batch: ChangeBatch,
    }
    ChangeBatch {
        comment: Option<String>,
        changes: Changes,
    }
    Changes {
        #[serde(default)]
        change: Vec<ChangeIn>,
    }
    ChangeIn {
        action: Action,
        resource_record_set: RecordSetIn,
    }
    RecordSetIn {
        name: String,
        r#type: String,
        set_identifier: Option<String>,
        weight: Option<i64>,
        #[serde(rename = "TTL")]
        ttl: Option<i64>,
        resource_records: Option<ResourceRecords>,
        alias_target: Option<AliasTargetIn>,
        health_check_id: Option<String>,
        /// Routing policies that are refused by name.
        region: Option<String>,
        failover: Option<String>,
        multi_value_answer: Option<bool>,
        geo_location: Option<Anything>,
        geo_proximity_location: Option<Anything>,
        cidr_routing_config: Option<Anything>,
        traffic_policy_instance_id: Option<String>,
    }
    ResourceRecords {
        #[serde(default)]
        resource_record: Vec<ResourceRecord>,
    }
    ResourceRecord {
        value: String,
    }
    AliasTargetIn {
        hosted_zone_id: String,
        #[serde(rename = "DNSName")]
        dns_name: String,
        evaluate_target_health: bool,
    }
    CreateHealthCheck {
        caller_reference: String,
        health_check_config: HealthCheckConfigIn,
    }
    HealthCheckConfigIn {
        #[serde(rename = "IPAddress")]
        ip_address: Option<String>,
        port: Option<u32>,
        r#type: String,
        resource_path: Option<String>,
        fully_qualified_domain_name: Option<String>,
        search_string: Option<String>,
        request_interval: Option<u32>,
        failure_threshold: Option<u32>,
        measure_latency: Option<bool>,
        inverted: Option<bool>,
        disabled: Option<bool>,
        #[serde(rename = "EnableSNI")]
        enable_sni: Option<bool>,
    }
    UpdateHealthCheck {
        health_check_version: Option<u64>,
        #[serde(rename = "IPAddress")]
        ip_address: Option<String>,
        port: Option<u32>,
        resource_path: Option<String>,
        fully_qualified_domain_name: Option<String>,
        search_string: Option<String>,
        failure_threshold: Option<u32>,
        inverted: Option<bool>,
        disabled: Option<bool>,
    }
    ChangeTags {
        add_tags: Option<AddTags>,
        remove_tag_keys: Option<RemoveTagKeys>,
    }
    AddTags {
        #[serde(default)]
        tag: Vec<TagIn>,
    }
    TagIn {
        key: String,
        #[serde(default)]
        value: String,
    }
    RemoveTagKeys {
        #[serde(default)]
        key: Vec<String>,
    }
    ListTagsForResources {
        resource_ids: ResourceIds,
    }
    ResourceIds {
        #[serde(default)]
        resource_id: Vec<String>,
    }
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Action {
    Create,
    Delete,
    Upsert,
}

impl Action {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Delete => "DELETE",
            Self::Upsert => "UPSERT",
        }
    }
}

/// A structure that is refused whatever is in it.
#[derive(Debug)]
pub(super) struct Anything;

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// Reads a document.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(body).map_err(|_| invalid_input("Invalid XML: it is not UTF-8"))?;
    quick_xml::de::from_str(text).map_err(|error| invalid_input(format!("Invalid XML ; {error}")))
}
