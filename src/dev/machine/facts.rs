//! What an instance can learn about itself, and the tree in which the metadata service tells it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

/// How long the credentials of a role are good for.
const CREDENTIALS_LIFE: Duration = Duration::from_secs(6 * 60 * 60);

/// Everything that the metadata service tells of an instance.
#[derive(Clone)]
pub struct MetadataFacts {
    /// Whether only requests with a token are answered.
    pub token_required: bool,
    /// Whether anything is answered.
    pub endpoint_enabled: bool,
    /// The account's id.
    pub account: String,
    /// The region.
    pub region: String,
    /// The availability zone.
    pub zone: String,
    /// The zone's id, for example `euw1-az1`.
    pub zone_id: String,
    /// The instance's id.
    pub instance_id: String,
    /// The instance type.
    pub instance_type: String,
    /// The image's id.
    pub image_id: String,
    /// `x86_64` or `arm64`.
    pub architecture: &'static str,
    /// Its place in its reservation.
    pub launch_index: u32,
    /// The reservation.
    pub reservation_id: String,
    /// When it was last started.
    pub launched: Timestamp,
    /// Its private address.
    pub local_address: Ipv4Addr,
    /// Its public address, if it has one.
    pub public_address: Option<Ipv4Addr>,
    /// Its private DNS name.
    pub host_name: String,
    /// Its network interface's MAC address …
    pub mac: String,
    /// … and id.
    pub interface_id: String,
    /// The subnet's id …
    pub subnet_id: String,
    /// … and CIDR block.
    pub subnet_cidr: String,
    /// The VPC's id …
    pub vpc_id: String,
    /// … and CIDR block.
    pub vpc_cidr: String,
    /// Names of its security groups …
    pub security_groups: Vec<String>,
    /// … and their ids.
    pub security_group_ids: Vec<String>,
    /// ARN of its instance profile …
    pub profile: Option<String>,
    /// … and that profile's id.
    pub profile_id: Option<String>,
    /// User data, decoded.
    pub user_data: Option<Vec<u8>>,
    /// Its tags, where the metadata may tell them.
    pub tags: Option<BTreeMap<String, String>>,
}

impl MetadataFacts {
    /// Every value by its path under `latest/`.
    pub(super) fn tree(&self, now: Timestamp) -> BTreeMap<String, String> {
        let mut tree = BTreeMap::new();
        let mut data = |path: &str, value: &dyn ToString| {
            tree.insert(format!("meta-data/{path}"), value.to_string());
        };
        data("ami-id", &self.image_id);
        data("ami-launch-index", &self.launch_index);
        data("ami-manifest-path", &"(unknown)");
        data("block-device-mapping/ami", &"/dev/xvda");
        data("block-device-mapping/root", &"/dev/xvda");
        data("hostname", &self.host_name);
        data("instance-action", &"none");
        data("instance-id", &self.instance_id);
        data("instance-life-cycle", &"on-demand");
        data("instance-type", &self.instance_type);
        data("local-hostname", &self.host_name);
        data("local-ipv4", &self.local_address);
        data("mac", &self.mac);
        data("placement/availability-zone", &self.zone);
        data("placement/availability-zone-id", &self.zone_id);
        data("placement/region", &self.region);
        data("profile", &"default-hvm");
        data("reservation-id", &self.reservation_id);
        data("security-groups", &self.security_groups.join("\n"));
        data("services/domain", &"amazonaws.com");
        data("services/partition", &"aws");
        if let Some(address) = self.public_address {
            data("public-ipv4", &address);
        }
        let of_interface: [(&str, &dyn ToString); 12] = [
            ("device-number", &0),
            ("interface-id", &self.interface_id),
            ("local-hostname", &self.host_name),
            ("local-ipv4s", &self.local_address),
            ("mac", &self.mac),
            ("owner-id", &self.account),
            ("security-group-ids", &self.security_group_ids.join("\n")),
            ("security-groups", &self.security_groups.join("\n")),
            ("subnet-id", &self.subnet_id),
            ("subnet-ipv4-cidr-block", &self.subnet_cidr),
            ("vpc-id", &self.vpc_id),
            ("vpc-ipv4-cidr-block", &self.vpc_cidr),
        ];
        for (name, value) in of_interface {
            data(&format!("network/interfaces/macs/{}/{name}", self.mac), value);
        }
        for (key, value) in self.tags.iter().flatten() {
            data(&format!("tags/instance/{key}"), value);
        }
        if let Some(profile) = &self.profile {
            let updated = self.launched;
            let info = json!({
                "Code": "Success",
                "LastUpdated": updated,
                "InstanceProfileArn": profile,
                "InstanceProfileId": self.profile_id,
            });
            data("iam/info", &format!("{info:#}"));
            // There is no IAM that could say which role is in the profile: it is taken to have the same name.
            let role = profile.rsplit('/').next().unwrap_or_default();
            data(&format!("iam/security-credentials/{role}"), &self.credentials(now));
        }
        tree.insert("dynamic/instance-identity/document".to_owned(), self.identity());
        tree
    }

    /// The account's own access key: the dev cloud takes the account from it.
    fn credentials(&self, now: Timestamp) -> String {
        let credentials = json!({
            "Code": "Success",
            "LastUpdated": now,
            "Type": "AWS-HMAC",
            "AccessKeyId": self.account,
            "SecretAccessKey": "dev-cloud",
            "Token": "dev-cloud",
            "Expiration": now + CREDENTIALS_LIFE,
        });
        format!("{credentials:#}")
    }

    fn identity(&self) -> String {
        let document = json!({
            "accountId": self.account,
            "architecture": self.architecture,
            "availabilityZone": self.zone,
            "billingProducts": null,
            "devpayProductCodes": null,
            "marketplaceProductCodes": null,
            "imageId": self.image_id,
            "instanceId": self.instance_id,
            "instanceType": self.instance_type,
            "kernelId": null,
            "pendingTime": self.launched,
            "privateIp": self.local_address,
            "ramdiskId": null,
            "region": self.region,
            "version": "2017-09-30",
        });
        format!("{document:#}")
    }
}

impl std::fmt::Debug for MetadataFacts {
    /// User data may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetadataFacts").field("instance_id", &self.instance_id).finish_non_exhaustive()
    }
}
