//! What a release fixes once, when it starts: names resolved to identifiers, versions to numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Color;

/// Everything that a release needs to know of AWS and that must not change under it.
///
/// It stands in the journal, so that a rollback needs no look-up by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// The switch that carries the traffic.
    #[serde(rename = "switch")]
    pub route: SwitchPin,
    /// Each color's target group.
    pub groups: BTreeMap<Color, GroupPin>,
    /// Launch template id.
    pub template: String,
    /// Launch template version, always a number (never `$Latest` or `$Default`).
    pub template_version: i64,
    /// The subnets of a color, and how many instances go into each.
    pub subnets: Vec<SubnetPin>,
}

/// A subnet and its share of the instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetPin {
    /// Subnet id.
    pub id: String,
    /// Availability zone of the subnet.
    pub zone: String,
    /// How many instances of a color go there.
    pub count: u32,
}

/// A color's target group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPin {
    /// Its ARN.
    pub arn: String,
    /// Port of the targets.
    pub port: u16,
    /// Deregistration delay in seconds: a deregistered target is `draining` for that long.
    pub deregistration_delay_seconds: u32,
}

/// The switch that carries the traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SwitchPin {
    /// A rule of a listener.
    Rule {
        /// The rule's ARN.
        rule: String,
        /// Where the traffic enters.
        #[serde(flatten)]
        route: RoutePin,
    },
    /// The default action of a listener.
    DefaultAction {
        /// The listener's ARN.
        listener: String,
        /// Where the traffic enters.
        #[serde(flatten)]
        route: RoutePin,
    },
    /// Two weighted records.
    Records(RecordPin),
}

/// Where the traffic of a listener switch enters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePin {
    /// DNS name of the load balancer.
    pub dns_name: String,
    /// Port of the listener.
    pub port: u16,
    /// Whether the listener speaks HTTPS.
    pub https: bool,
    /// Value of the Host header that reaches the rule, where the rule asks for one.
    pub host: Option<String>,
}

/// Two weighted records of a hosted zone, one per color.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPin {
    /// Hosted zone id, without `/hostedzone/`.
    pub zone: String,
    /// Name of the record, with the final dot.
    pub name: String,
    /// Record type: `A`, `AAAA` or `CNAME`.
    pub record_type: String,
    /// Time to live in seconds: resolvers may answer the old way for that long (an alias of a load balancer has 60).
    pub ttl_seconds: u32,
    /// Each color's load balancer.
    pub entries: BTreeMap<Color, RoutePin>,
}

impl Pins {
    /// How long resolvers may still answer the old way after a flip, in seconds; 0 for a listener switch.
    pub fn ttl_seconds(&self) -> u32 {
        match &self.route {
            SwitchPin::Rule { .. } | SwitchPin::DefaultAction { .. } => 0,
            SwitchPin::Records(records) => records.ttl_seconds,
        }
    }

    /// The color that is not `color`.
    pub fn other(&self, color: &Color) -> Option<&Color> {
        self.groups.keys().find(|c| *c != color)
    }
}
