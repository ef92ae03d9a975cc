//! Rules as requests and answers write them: several peers under one protocol and range of ports.

use ipnet::{Ipv4Net, Ipv6Net};
use serde::Deserialize;

use super::{Peer, Rule, Traffic};
use crate::dev::model::ec2::Ec2;
use crate::dev::wire::{ApiError, Xml};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
pub(super) struct Permission {
    ip_protocol: Option<String>,
    from_port: Option<i32>,
    to_port: Option<i32>,
    groups: Vec<Pair>,
    ip_ranges: Vec<Range>,
    ipv6_ranges: Vec<Range6>,
    prefix_list_ids: Vec<Prefix>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
struct Pair {
    group_id: Option<String>,
    group_name: Option<String>,
    user_id: Option<String>,
    vpc_id: Option<String>,
    description: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
struct Range {
    cidr_ip: String,
    description: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
struct Range6 {
    cidr_ipv6: String,
    description: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase", default)]
struct Prefix {
    prefix_list_id: String,
    description: Option<String>,
}

/// A rule that is asked for: its traffic and its description.
pub(super) type Wanted = (Traffic, Option<String>);

impl Permission {
    /// The one-range form of older clients.
    pub(super) fn plain(protocol: Option<String>, ports: (Option<i32>, Option<i32>), cidr: String) -> Self {
        Self {
            ip_protocol: protocol,
            from_port: ports.0,
            to_port: ports.1,
            ip_ranges: vec![Range { cidr_ip: cidr, description: None }],
            ..Self::default()
        }
    }

    /// The single rules that it stands for.
    pub(super) fn rules(self, ec2: &Ec2, account: &str, vpc: &str) -> Result<Vec<Wanted>, ApiError> {
        let protocol = protocol(self.ip_protocol.as_deref())?;
        let ports = ports(&protocol, self.from_port, self.to_port)?;
        let mut peers = Vec::new();
        for Range { cidr_ip, description } in self.ip_ranges {
            let cidr: Ipv4Net = cidr_ip.parse().map_err(|_| bad_cidr(&cidr_ip))?;
            peers.push((Peer::Ipv4(cidr.trunc().to_string()), description));
        }
        for Range6 { cidr_ipv6, description } in self.ipv6_ranges {
            let cidr: Ipv6Net = cidr_ipv6.parse().map_err(|_| bad_cidr(&cidr_ipv6))?;
            peers.push((Peer::Ipv6(cidr.trunc().to_string()), description));
        }
        for Prefix { prefix_list_id, description } in self.prefix_list_ids {
            peers.push((Peer::PrefixList(prefix_list_id), description));
        }
        for pair in self.groups {
            if pair.user_id.as_ref().is_some_and(|user| user != account) || pair.vpc_id.is_some_and(|own| own != vpc) {
                let said = "The dev cloud does not model rules that name security groups of other accounts or VPCs";
                return Err(ApiError::new("UnsupportedOperation", said));
            }
            let id = match (pair.group_id, pair.group_name) {
                (Some(id), _) => ec2.security_group(&id).map(|_| id)?,
                (None, Some(name)) => ec2.security_group_named(&name, vpc)?,
                (None, None) => return Err(ApiError::new("MissingParameter", "Missing parameter: groupId")),
            };
            peers.push((Peer::Group(id), pair.description));
        }
        if peers.is_empty() {
            return Err(ApiError::new(
                "MissingParameter",
                "Missing source specification: include source security group or CIDR information",
            ));
        }
        let rule = |(peer, description)| (Traffic { protocol: protocol.clone(), ports, peer }, description);
        Ok(peers.into_iter().map(rule).collect())
    }
}

fn bad_cidr(text: &str) -> ApiError {
    ApiError::ec2_value(format!("CIDR block {text} is malformed"))
}

fn protocol(given: Option<&str>) -> Result<String, ApiError> {
    let name = match given {
        None => return Err(ApiError::new("MissingParameter", "The request must contain the parameter ipProtocol")),
        Some("6") => "tcp",
        Some("17") => "udp",
        Some("1") => "icmp",
        Some("58") => "icmpv6",
        Some("all") => "-1",
        Some(name) => name,
    };
    let known = matches!(name, "tcp" | "udp" | "icmp" | "icmpv6" | "-1") || name.parse::<u8>().is_ok();
    let said = || format!("Invalid value '{name}' for IP protocol. Unknown protocol.");
    if known { Ok(name.to_owned()) } else { Err(ApiError::ec2_value(said())) }
}

fn ports(protocol: &str, from: Option<i32>, to: Option<i32>) -> Result<Option<(i32, i32)>, ApiError> {
    match (protocol, from, to) {
        ("tcp" | "udp", Some(from), Some(to)) if (0..=65_535).contains(&from) && (from..=65_535).contains(&to) => {
            Ok(Some((from, to)))
        }
        ("tcp" | "udp", Some(from), Some(to)) => {
            Err(ApiError::ec2_value(format!("Invalid TCP/UDP port range ({from}:{to})")))
        }
        ("tcp" | "udp", ..) => {
            Err(ApiError::ec2_value("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."))
        }
        ("icmp" | "icmpv6", from, to) => Ok(Some((from.unwrap_or(-1), to.unwrap_or(-1)))),
        // Other protocols have no ports, whatever was given.
        _ => Ok(None),
    }
}

/// Rules as `ipPermissions`: grouped by protocol and ports.
pub(super) fn write(xml: &mut Xml, name: &str, account: &str, rules: &[&Rule]) {
    let mut heads: Vec<(&str, Option<(i32, i32)>)> = Vec::new();
    for rule in rules {
        let head = (rule.traffic.protocol.as_str(), rule.traffic.ports);
        if !heads.contains(&head) {
            heads.push(head);
        }
    }
    xml.list(name, "item", heads, |xml, (protocol, ports)| {
        xml.leaf("ipProtocol", protocol);
        if let Some((from, to)) = ports {
            xml.leaf("fromPort", from).leaf("toPort", to);
        }
        let here = rules.iter().filter(|rule| rule.traffic.protocol == protocol && rule.traffic.ports == ports);
        let here: Vec<_> = here.collect();
        let peers = |pick: fn(&Peer) -> Option<&String>| {
            here.iter().filter_map(move |rule| pick(&rule.traffic.peer).map(|peer| (peer, rule.description.as_ref())))
        };
        xml.list("groups", "item", peers(group), |xml, (id, description)| {
            xml.leaf("userId", account).leaf("groupId", id).leaf_if("description", description);
        });
        xml.list("ipRanges", "item", peers(ipv4), |xml, (cidr, description)| {
            xml.leaf("cidrIp", cidr).leaf_if("description", description);
        });
        xml.list("ipv6Ranges", "item", peers(ipv6), |xml, (cidr, description)| {
            xml.leaf("cidrIpv6", cidr).leaf_if("description", description);
        });
        xml.list("prefixListIds", "item", peers(prefix_list), |xml, (id, description)| {
            xml.leaf("prefixListId", id).leaf_if("description", description);
        });
    });
}

pub(super) fn group(peer: &Peer) -> Option<&String> {
    if let Peer::Group(id) = peer { Some(id) } else { None }
}

pub(super) fn ipv4(peer: &Peer) -> Option<&String> {
    if let Peer::Ipv4(cidr) = peer { Some(cidr) } else { None }
}

pub(super) fn ipv6(peer: &Peer) -> Option<&String> {
    if let Peer::Ipv6(cidr) = peer { Some(cidr) } else { None }
}

pub(super) fn prefix_list(peer: &Peer) -> Option<&String> {
    if let Peer::PrefixList(id) = peer { Some(id) } else { None }
}
