//! Security policies: some of AWS's, with their real protocols and ciphers.

use serde::Deserialize;

use super::paged;
use super::protocols::Kind;
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::ApiError;

/// Which versions of TLS and which ciphers, best first.
#[derive(Clone, Copy)]
struct Policy {
    name: &'static str,
    protocols: &'static [&'static str],
    ciphers: &'static [&'static [&'static str]],
}

const OF_1_3: &[&str] = &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
const FORWARD_SECRET_GCM: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];
const FORWARD_SECRET: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
];
const OF_1_2: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
];
const COMPATIBLE: &[&str] = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES128-SHA",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
    "AES256-SHA",
];

const POLICIES: [Policy; 6] = [
    Policy { name: "ELBSecurityPolicy-2016-08", protocols: &["TLSv1", "TLSv1.1", "TLSv1.2"], ciphers: &[COMPATIBLE] },
    Policy { name: "ELBSecurityPolicy-TLS-1-2-2017-01", protocols: &["TLSv1.2"], ciphers: &[OF_1_2] },
    Policy { name: "ELBSecurityPolicy-TLS-1-2-Ext-2018-06", protocols: &["TLSv1.2"], ciphers: &[COMPATIBLE] },
    Policy {
        name: "ELBSecurityPolicy-TLS13-1-2-2021-06",
        protocols: &["TLSv1.2", "TLSv1.3"],
        ciphers: &[OF_1_3, FORWARD_SECRET],
    },
    Policy {
        name: "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        protocols: &["TLSv1.2", "TLSv1.3"],
        ciphers: &[OF_1_3, FORWARD_SECRET_GCM],
    },
    Policy { name: "ELBSecurityPolicy-TLS13-1-3-2021-06", protocols: &["TLSv1.3"], ciphers: &[OF_1_3] },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    #[serde(default)]
    names: Vec<String>,
    load_balancer_type: Option<String>,
    marker: Option<String>,
    page_size: Option<u32>,
}

/// Whether there is such a policy.
pub(super) fn check(name: &str) -> Result<(), ApiError> {
    match POLICIES.iter().find(|policy| policy.name == name) {
        Some(_) => Ok(()),
        None => Err(ApiError::new("SSLPolicyNotFound", format!("SSL policy '{name}' not found"))),
    }
}

pub(super) fn describe(_: &mut Ctx<'_>, input: Describe) -> Answer {
    input.names.iter().try_for_each(|name| check(name))?;
    // Both kinds of load balancers have all of these.
    Kind::read(input.load_balancer_type.as_deref())?;
    let wanted = |policy: &Policy| input.names.is_empty() || input.names.iter().any(|name| name == policy.name);
    let found: Vec<Policy> = POLICIES.into_iter().filter(wanted).collect();
    let pages = (input.marker.as_deref(), input.page_size);
    paged(
        found,
        |policy| policy.name.to_owned(),
        pages,
        "SslPolicies",
        |xml, policy| {
            xml.texts("SslProtocols", "member", policy.protocols);
            let ciphers = policy.ciphers.iter().copied().flatten().zip(1..);
            xml.list("Ciphers", "member", ciphers, |xml, (name, priority): (&&str, u32)| {
                xml.leaf("Name", name).leaf("Priority", priority);
            });
            xml.leaf("Name", policy.name).texts("SupportedLoadBalancerTypes", "member", ["application", "network"]);
        },
    )
}
