//! What an instance is launched with: the same fields in launch templates and in `RunInstances`.

use serde::{Deserialize, Serialize};

use super::tagging::TagSpecification;
use crate::dev::wire::{ApiError, Xml};

/// The fields that the dev cloud models; others are refused by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
pub(super) struct LaunchSpec {
    /// An image id, or `resolve:ssm:NAME`.
    pub(super) image_id: Option<String>,
    pub(super) instance_type: Option<String>,
    pub(super) key_name: Option<String>,
    pub(super) security_group_id: Vec<String>,
    /// By name, which works in a default VPC only.
    pub(super) security_group: Vec<String>,
    /// As given: Base64.
    pub(super) user_data: Option<String>,
    pub(super) tag_specification: Vec<TagSpecification>,
    pub(super) metadata_options: Option<MetadataOptions>,
    pub(super) iam_instance_profile: Option<Profile>,
    pub(super) monitoring: Option<Monitoring>,
    pub(super) placement: Option<Placement>,
    pub(super) block_device_mapping: Vec<BlockDevice>,
    pub(super) network_interface: Vec<Interface>,
    pub(super) ebs_optimized: Option<bool>,
    pub(super) disable_api_termination: Option<bool>,
    pub(super) disable_api_stop: Option<bool>,
    pub(super) instance_initiated_shutdown_behavior: Option<ShutdownBehavior>,
    pub(super) credit_specification: Option<Credit>,
}

/// How the instance's metadata can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
pub(crate) struct MetadataOptions {
    /// `required` (IMDSv2 only) or `optional`.
    pub(super) http_tokens: Option<Tokens>,
    pub(super) http_endpoint: Option<Switch>,
    /// Stored and read back; loopback has no hops.
    pub(super) http_put_response_hop_limit: Option<u8>,
    pub(super) http_protocol_ipv6: Option<Switch>,
    pub(super) instance_metadata_tags: Option<Switch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tokens {
    Optional,
    Required,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    Enabled,
    Disabled,
}

/// What `shutdown` inside the instance would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ShutdownBehavior {
    #[default]
    Stop,
    Terminate,
}

/// Names an instance profile; there is no IAM here that could check it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
pub(crate) struct Profile {
    pub(super) arn: Option<String>,
    pub(super) name: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Monitoring {
    pub(super) enabled: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
pub(super) struct Placement {
    pub(super) availability_zone: Option<String>,
    pub(super) availability_zone_id: Option<String>,
    /// `default` is all there is.
    pub(super) tenancy: Option<Tenancy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tenancy {
    Default,
}

/// A volume, as data: child processes have no disks of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
pub(crate) struct BlockDevice {
    pub(super) device_name: Option<String>,
    pub(super) ebs: Option<Ebs>,
    pub(super) no_device: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
pub(crate) struct Ebs {
    pub(super) volume_size: Option<u32>,
    pub(super) volume_type: Option<VolumeType>,
    pub(super) iops: Option<u32>,
    pub(super) throughput: Option<u32>,
    pub(super) encrypted: Option<bool>,
    pub(super) delete_on_termination: Option<bool>,
    pub(super) snapshot_id: Option<String>,
    pub(super) kms_key_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VolumeType {
    Standard,
    Io1,
    Io2,
    Gp2,
    Sc1,
    St1,
    Gp3,
}

/// The network interface: an instance of the dev cloud has one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
pub(super) struct Interface {
    pub(super) device_index: Option<u32>,
    pub(super) subnet_id: Option<String>,
    pub(super) security_group_id: Vec<String>,
    pub(super) associate_public_ip_address: Option<bool>,
    pub(super) delete_on_termination: Option<bool>,
    pub(super) description: Option<String>,
    pub(super) private_ip_address: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Credit {
    pub(super) cpu_credits: String,
}

impl LaunchSpec {
    /// These fields where they say something, else those of `base`. Nothing is merged inside a field.
    pub(super) fn over(self, base: Self) -> Self {
        fn list<T>(own: Vec<T>, base: Vec<T>) -> Vec<T> {
            if own.is_empty() { base } else { own }
        }
        Self {
            image_id: self.image_id.or(base.image_id),
            instance_type: self.instance_type.or(base.instance_type),
            key_name: self.key_name.or(base.key_name),
            security_group_id: list(self.security_group_id, base.security_group_id),
            security_group: list(self.security_group, base.security_group),
            user_data: self.user_data.or(base.user_data),
            tag_specification: list(self.tag_specification, base.tag_specification),
            metadata_options: self.metadata_options.or(base.metadata_options),
            iam_instance_profile: self.iam_instance_profile.or(base.iam_instance_profile),
            monitoring: self.monitoring.or(base.monitoring),
            placement: self.placement.or(base.placement),
            block_device_mapping: list(self.block_device_mapping, base.block_device_mapping),
            network_interface: list(self.network_interface, base.network_interface),
            ebs_optimized: self.ebs_optimized.or(base.ebs_optimized),
            disable_api_termination: self.disable_api_termination.or(base.disable_api_termination),
            disable_api_stop: self.disable_api_stop.or(base.disable_api_stop),
            instance_initiated_shutdown_behavior: self
                .instance_initiated_shutdown_behavior
                .or(base.instance_initiated_shutdown_behavior),
            credit_specification: self.credit_specification.or(base.credit_specification),
        }
    }

    /// As `DescribeLaunchTemplateVersions` writes it.
    pub(super) fn write(&self, xml: &mut Xml) {
        xml.leaf_if("imageId", self.image_id.as_ref()).leaf_if("instanceType", self.instance_type.as_ref());
        xml.leaf_if("keyName", self.key_name.as_ref()).leaf_if("userData", self.user_data.as_ref());
        xml.leaf_if("ebsOptimized", self.ebs_optimized);
        xml.leaf_if("disableApiTermination", self.disable_api_termination);
        xml.leaf_if("disableApiStop", self.disable_api_stop);
        let behavior = self.instance_initiated_shutdown_behavior.map(ShutdownBehavior::name);
        xml.leaf_if("instanceInitiatedShutdownBehavior", behavior);
        if let Some(profile) = &self.iam_instance_profile {
            xml.node("iamInstanceProfile", |xml| {
                xml.leaf_if("arn", profile.arn.as_ref()).leaf_if("name", profile.name.as_ref());
            });
        }
        if let Some(monitoring) = &self.monitoring {
            xml.node("monitoring", |xml| {
                xml.leaf("enabled", monitoring.enabled);
            });
        }
        if let Some(placement) = &self.placement {
            xml.node("placement", |xml| {
                xml.leaf_if("availabilityZone", placement.availability_zone.as_ref());
                xml.leaf_if("availabilityZoneId", placement.availability_zone_id.as_ref());
                xml.leaf_if("tenancy", placement.tenancy.map(|Tenancy::Default| "default"));
            });
        }
        if let Some(options) = &self.metadata_options {
            xml.node("metadataOptions", |xml| options.write(xml));
        }
        if let Some(credit) = &self.credit_specification {
            xml.node("creditSpecification", |xml| {
                xml.leaf("cpuCredits", &credit.cpu_credits);
            });
        }
        // AWS leaves lists out that were not given.
        if !self.security_group_id.is_empty() {
            xml.texts("securityGroupIdSet", "item", &self.security_group_id);
        }
        if !self.security_group.is_empty() {
            xml.texts("securityGroupSet", "item", &self.security_group);
        }
        if !self.tag_specification.is_empty() {
            xml.list("tagSpecificationSet", "item", &self.tag_specification, |xml, specification| {
                xml.leaf("resourceType", &specification.resource_type);
                xml.list("tagSet", "item", &specification.tag, |xml, tag| {
                    xml.leaf("key", &tag.key).leaf("value", &tag.value);
                });
            });
        }
        if !self.block_device_mapping.is_empty() {
            xml.list("blockDeviceMappingSet", "item", &self.block_device_mapping, |xml, device| device.write(xml));
        }
        if !self.network_interface.is_empty() {
            xml.list("networkInterfaceSet", "item", &self.network_interface, |xml, each| each.write(xml));
        }
    }
}

impl MetadataOptions {
    /// Refuses a hop limit that cannot be.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        match self.http_put_response_hop_limit {
            Some(limit) if !(1..=64).contains(&limit) => Err(ApiError::ec2_value(format!(
                "Value ({limit}) for parameter HttpPutResponseHopLimit is invalid. It must be between 1 and 64."
            ))),
            _ => Ok(()),
        }
    }

    /// Only what was given.
    fn write(&self, xml: &mut Xml) {
        xml.leaf_if("httpTokens", self.http_tokens.map(Tokens::name));
        xml.leaf_if("httpPutResponseHopLimit", self.http_put_response_hop_limit);
        xml.leaf_if("httpEndpoint", self.http_endpoint.map(Switch::name));
        xml.leaf_if("httpProtocolIpv6", self.http_protocol_ipv6.map(Switch::name));
        xml.leaf_if("instanceMetadataTags", self.instance_metadata_tags.map(Switch::name));
    }

    /// With AWS's defaults for what was not given: an instance answers with all of them.
    pub(super) fn resolved(&self) -> Self {
        Self {
            http_tokens: self.http_tokens.or(Some(Tokens::Optional)),
            http_endpoint: self.http_endpoint.or(Some(Switch::Enabled)),
            http_put_response_hop_limit: self.http_put_response_hop_limit.or(Some(1)),
            http_protocol_ipv6: self.http_protocol_ipv6.or(Some(Switch::Disabled)),
            instance_metadata_tags: self.instance_metadata_tags.or(Some(Switch::Disabled)),
        }
    }

    /// These where they say something, else those of `before`.
    pub(super) fn over(&self, before: &Self) -> Self {
        Self {
            http_tokens: self.http_tokens.or(before.http_tokens),
            http_endpoint: self.http_endpoint.or(before.http_endpoint),
            http_put_response_hop_limit: self.http_put_response_hop_limit.or(before.http_put_response_hop_limit),
            http_protocol_ipv6: self.http_protocol_ipv6.or(before.http_protocol_ipv6),
            instance_metadata_tags: self.instance_metadata_tags.or(before.instance_metadata_tags),
        }
    }

    /// As instances are described: with a state.
    pub(super) fn write_applied(&self, xml: &mut Xml) {
        xml.leaf("state", "applied");
        self.write(xml);
    }
}

impl Tokens {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Required => "required",
        }
    }
}

impl Switch {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
        }
    }
}

impl ShutdownBehavior {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Terminate => "terminate",
        }
    }
}

impl VolumeType {
    const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Io1 => "io1",
            Self::Io2 => "io2",
            Self::Gp2 => "gp2",
            Self::Sc1 => "sc1",
            Self::St1 => "st1",
            Self::Gp3 => "gp3",
        }
    }
}

impl BlockDevice {
    /// As templates and images are described.
    pub(super) fn write(&self, xml: &mut Xml) {
        xml.leaf_if("deviceName", self.device_name.as_ref()).leaf_if("noDevice", self.no_device.as_ref());
        if let Some(ebs) = &self.ebs {
            xml.node("ebs", |xml| {
                xml.leaf_if("volumeSize", ebs.volume_size).leaf_if("volumeType", ebs.volume_type.map(VolumeType::name));
                xml.leaf_if("iops", ebs.iops).leaf_if("throughput", ebs.throughput);
                xml.leaf_if("encrypted", ebs.encrypted).leaf_if("deleteOnTermination", ebs.delete_on_termination);
                xml.leaf_if("snapshotId", ebs.snapshot_id.as_ref()).leaf_if("kmsKeyId", ebs.kms_key_id.as_ref());
            });
        }
    }
}

impl Interface {
    fn write(&self, xml: &mut Xml) {
        xml.leaf_if("deviceIndex", self.device_index).leaf_if("subnetId", self.subnet_id.as_ref());
        xml.leaf_if("associatePublicIpAddress", self.associate_public_ip_address);
        xml.leaf_if("deleteOnTermination", self.delete_on_termination);
        xml.leaf_if("description", self.description.as_ref());
        xml.leaf_if("privateIpAddress", self.private_ip_address.as_ref());
        if !self.security_group_id.is_empty() {
            xml.texts("groupSet", "groupId", &self.security_group_id);
        }
    }
}

impl Profile {
    /// Its ARN in `account`.
    pub(super) fn arn_in(&self, account: &str) -> Result<String, ApiError> {
        match (&self.arn, &self.name) {
            (Some(arn), None) if arn.contains(":instance-profile/") => Ok(arn.clone()),
            (Some(arn), None) => Err(ApiError::ec2_value(format!(
                "Value ({arn}) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN"
            ))),
            (None, Some(name)) if !name.is_empty() => Ok(format!("arn:aws:iam::{account}:instance-profile/{name}")),
            (Some(_), Some(_)) => Err(ApiError::new(
                "InvalidParameterCombination",
                "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
            )),
            (None, _) => Err(ApiError::ec2_value(
                "Value () for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name",
            )),
        }
    }
}
