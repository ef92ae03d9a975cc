//! Security groups and their rules: created, read and revoked like AWS's. Loopback has no firewall, so no rule keeps
//! any packet out.

mod groups;
mod permissions;
mod rules;

use serde::{Deserialize, Serialize};

use super::Ec2;
use crate::dev::chance::Chance;
use crate::dev::model::tags::Tags;
use crate::dev::wire::ApiError;

pub(super) use groups::{create, delete, describe};
pub(super) use rules::{
    authorize_egress, authorize_ingress, describe_rules, revoke_egress, revoke_ingress, update_descriptions_egress,
    update_descriptions_ingress,
};

/// A security group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    pub(super) name: String,
    pub(super) description: String,
    pub(crate) vpc: String,
    pub(super) rules: Vec<Rule>,
    pub(super) tags: Tags,
}

/// One rule: one protocol and range of ports, to or from one peer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Rule {
    pub(super) id: String,
    egress: bool,
    traffic: Traffic,
    description: Option<String>,
    pub(super) tags: Tags,
}

/// What makes two rules the same rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Traffic {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `-1` for all, or another protocol's number.
    protocol: String,
    /// Absent where the protocol has none.
    ports: Option<(i32, i32)>,
    peer: Peer,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Peer {
    Ipv4(String),
    Ipv6(String),
    Group(String),
    PrefixList(String),
}

impl SecurityGroup {
    /// Everything out; in only from the group itself.
    pub(super) fn default_rules(chance: &Chance, group: &str) -> Vec<Rule> {
        let inside = Rule::all(chance, false, Peer::Group(group.to_owned()));
        vec![Rule::all(chance, true, Peer::Ipv4("0.0.0.0/0".to_owned())), inside]
    }

    /// Whether one of its rules names another group.
    fn names(&self, group: &str) -> bool {
        self.rules.iter().any(|rule| rule.traffic.peer == Peer::Group(group.to_owned()))
    }
}

impl Rule {
    fn all(chance: &Chance, egress: bool, peer: Peer) -> Self {
        let traffic = Traffic { protocol: "-1".to_owned(), ports: None, peer };
        Self { id: chance.resource_id("sgr"), egress, traffic, description: None, tags: Tags::new() }
    }
}

impl Ec2 {
    pub(crate) fn security_group(&self, id: &str) -> Result<&SecurityGroup, ApiError> {
        let none = || ApiError::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"));
        self.security_groups.get(id).ok_or_else(none)
    }

    /// The id of the group of that name in a VPC.
    pub(super) fn security_group_named(&self, name: &str, vpc: &str) -> Result<String, ApiError> {
        let mut all = self.security_groups.iter();
        let found = all.find(|(_, group)| group.name == name && group.vpc == vpc);
        found.map(|(id, _)| id.clone()).ok_or_else(|| {
            let said = format!("The security group '{name}' does not exist in VPC '{vpc}'");
            ApiError::new("InvalidGroup.NotFound", said)
        })
    }
}
