//! Rules of security groups: authorized, revoked, described.

use serde::Deserialize;

use super::permissions::{Permission, Wanted, group, ipv4, ipv6, prefix_list};
use super::{Rule, Traffic};
use crate::dev::model::ec2::filter::{Filter, Filters, one};
use crate::dev::model::ec2::tagging::{TagSpecification, tags_for};
use crate::dev::model::ec2::{done, paged};
use crate::dev::model::tags::ec2_tag_set;
use crate::dev::model::{Answer, Ctx, Region};
use crate::dev::wire::{ApiError, Service, Xml};

/// AWS's default quota, for each direction.
const RULES_MAX: usize = 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct Change {
    group_id: Option<String>,
    group_name: Option<String>,
    #[serde(default)]
    ip_permissions: Vec<Permission>,
    ip_protocol: Option<String>,
    from_port: Option<i32>,
    to_port: Option<i32>,
    cidr_ip: Option<String>,
    /// Revoking only.
    #[serde(default)]
    security_group_rule_id: Vec<String>,
    /// Authorizing only.
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(crate) struct DescribeRules {
    #[serde(default)]
    security_group_rule_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    next_token: Option<String>,
    max_results: Option<u32>,
}

/// The group's id, and the single rules that are meant.
fn wanted(ctx: &Ctx<'_>, input: &mut Change) -> Result<(String, Vec<Wanted>), ApiError> {
    let (ec2, account) = (&ctx.region.ec2, &ctx.region.account);
    let id = match (input.group_id.take(), input.group_name.take()) {
        (Some(id), _) => id,
        (None, Some(name)) => {
            let vpc = ec2.vpcs.iter().find(|(_, vpc)| vpc.default).map(|(id, _)| id.clone());
            let none = || ApiError::new("VPCIdNotSpecified", "No default VPC for this user");
            ec2.security_group_named(&name, &vpc.ok_or_else(none)?)?
        }
        (None, None) => {
            return Err(ApiError::new("MissingParameter", "The request must contain the parameter groupId"));
        }
    };
    let vpc = ec2.security_group(&id)?.vpc.clone();
    let mut permissions = std::mem::take(&mut input.ip_permissions);
    if let Some(cidr) = input.cidr_ip.take() {
        permissions.push(Permission::plain(input.ip_protocol.take(), (input.from_port, input.to_port), cidr));
    }
    let mut rules = Vec::new();
    for permission in permissions {
        rules.extend(permission.rules(ec2, account, &vpc)?);
    }
    Ok((id, rules))
}

pub(crate) fn authorize_ingress(ctx: &mut Ctx<'_>, input: Change) -> Answer {
    authorize(ctx, input, false)
}

pub(crate) fn authorize_egress(ctx: &mut Ctx<'_>, input: Change) -> Answer {
    authorize(ctx, input, true)
}

fn authorize(ctx: &mut Ctx<'_>, mut input: Change, egress: bool) -> Answer {
    if !input.security_group_rule_id.is_empty() {
        return Err(ApiError::new("UnknownParameter", "The parameter SecurityGroupRuleId is not recognized"));
    }
    let tags = tags_for("security-group-rule", &input.tag_specification)?;
    let (id, rules) = wanted(ctx, &mut input)?;
    if rules.is_empty() {
        return Err(ApiError::new("MissingParameter", "The request must contain the parameter ipPermissions"));
    }
    let group = ctx.region.ec2.security_group(&id)?;
    let same = |rule: &&Rule, traffic: &Traffic| rule.egress == egress && rule.traffic == *traffic;
    for (at, (traffic, _)) in rules.iter().enumerate() {
        let twice = rules[..at].iter().any(|(other, _)| other == traffic);
        if twice || group.rules.iter().any(|rule| same(&rule, traffic)) {
            let direction = if egress { "to" } else { "from" };
            let peer = [ipv4, ipv6, super::permissions::group, prefix_list].iter().find_map(|pick| pick(&traffic.peer));
            let (from, to) = traffic.ports.unwrap_or((-1, -1));
            return Err(ApiError::new(
                "InvalidPermission.Duplicate",
                format!(
                    "the specified rule \"peer: {}, {}, from port: {from}, to port: {to}, ALLOW\" already exists \
                     ({direction})",
                    peer.map_or("", String::as_str),
                    traffic.protocol
                ),
            ));
        }
    }
    if group.rules.iter().filter(|rule| rule.egress == egress).count() + rules.len() > RULES_MAX {
        let said = "The maximum number of rules per security group has been reached.";
        return Err(ApiError::new("RulesPerSecurityGroupLimitExceeded", said));
    }
    let made: Vec<Rule> = rules
        .into_iter()
        .map(|(traffic, description)| Rule {
            id: ctx.cloud.chance.resource_id("sgr"),
            egress,
            traffic,
            description,
            tags: tags.clone(),
        })
        .collect();
    let mut xml = Xml::default();
    xml.leaf("return", true);
    xml.list("securityGroupRuleSet", "item", &made, |xml, rule| write(xml, ctx.region, &id, rule));
    if let Some(group) = ctx.region.ec2.security_groups.get_mut(&id) {
        group.rules.extend(made);
    }
    Ok(xml)
}

pub(crate) fn revoke_ingress(ctx: &mut Ctx<'_>, input: Change) -> Answer {
    revoke(ctx, input, false)
}

pub(crate) fn revoke_egress(ctx: &mut Ctx<'_>, input: Change) -> Answer {
    revoke(ctx, input, true)
}

fn revoke(ctx: &mut Ctx<'_>, mut input: Change, egress: bool) -> Answer {
    if !input.tag_specification.is_empty() {
        return Err(ApiError::new("UnknownParameter", "The parameter TagSpecification is not recognized"));
    }
    let ids = std::mem::take(&mut input.security_group_rule_id);
    let (id, rules) = wanted(ctx, &mut input)?;
    let group = ctx.region.ec2.security_group(&id)?;
    let mut gone = Vec::new();
    for rule_id in &ids {
        let found = group.rules.iter().find(|rule| rule.id == *rule_id && rule.egress == egress);
        let none = || {
            let said = format!("The specified rule id {rule_id} does not exist in this security group.");
            ApiError::new("InvalidSecurityGroupRuleId.NotFound", said)
        };
        gone.push(found.ok_or_else(none)?.clone());
    }
    for (traffic, _) in &rules {
        let found = group.rules.iter().find(|rule| rule.egress == egress && rule.traffic == *traffic);
        // In a VPC a rule that is not there fails the call.
        let none = || {
            let said = "The specified rule does not exist in this security group.";
            ApiError::new("InvalidPermission.NotFound", said)
        };
        gone.push(found.ok_or_else(none)?.clone());
    }
    let mut xml = Xml::default();
    xml.leaf("return", true).list("unknownIpPermissionSet", "item", None::<()>, |_, ()| {});
    xml.list("revokedSecurityGroupRuleSet", "item", &gone, |xml, rule| {
        xml.leaf("securityGroupRuleId", &rule.id).leaf("groupId", &id).leaf("isEgress", egress);
        write_traffic(xml, rule);
        xml.leaf_if("referencedGroupId", group_of(rule)).leaf_if("description", rule.description.as_ref());
    });
    if let Some(group) = ctx.region.ec2.security_groups.get_mut(&id) {
        group.rules.retain(|rule| !gone.iter().any(|gone| gone.id == rule.id));
    }
    Ok(xml)
}

pub(crate) fn update_descriptions_ingress(ctx: &mut Ctx<'_>, input: Change) -> Answer {
    update_descriptions(ctx, input, false)
}

pub(crate) fn update_descriptions_egress(ctx: &mut Ctx<'_>, input: Change) -> Answer {
    update_descriptions(ctx, input, true)
}

fn update_descriptions(ctx: &mut Ctx<'_>, mut input: Change, egress: bool) -> Answer {
    let (id, rules) = wanted(ctx, &mut input)?;
    let mut changed = ctx.region.ec2.security_group(&id)?.clone();
    for (traffic, description) in rules {
        let found = changed.rules.iter_mut().find(|rule| rule.egress == egress && rule.traffic == traffic);
        let none = || ApiError::new("InvalidPermission.NotFound", "The specified rule does not exist in this group.");
        found.ok_or_else(none)?.description = description;
    }
    ctx.region.ec2.security_groups.insert(id, changed);
    Ok(done())
}

fn group_of(rule: &Rule) -> Option<&String> {
    group(&rule.traffic.peer)
}

fn write_traffic(xml: &mut Xml, rule: &Rule) {
    let (from, to) = rule.traffic.ports.unwrap_or((-1, -1));
    let peer = &rule.traffic.peer;
    xml.leaf("ipProtocol", &rule.traffic.protocol).leaf("fromPort", from).leaf("toPort", to);
    xml.leaf_if("cidrIpv4", ipv4(peer)).leaf_if("cidrIpv6", ipv6(peer)).leaf_if("prefixListId", prefix_list(peer));
}

fn write(xml: &mut Xml, region: &Region, group: &str, rule: &Rule) {
    xml.leaf("securityGroupRuleId", &rule.id).leaf("groupId", group).leaf("groupOwnerId", &region.account);
    let arn = region.arn(Service::Ec2, format_args!("security-group-rule/{}", rule.id));
    xml.leaf("securityGroupRuleArn", arn).leaf("isEgress", rule.egress);
    write_traffic(xml, rule);
    if let Some(peer) = group_of(rule) {
        xml.node("referencedGroupInfo", |xml| {
            xml.leaf("groupId", peer).leaf("userId", &region.account);
        });
    }
    xml.leaf_if("description", rule.description.as_ref());
    ec2_tag_set(xml, &rule.tags);
}

type Each<'a> = (&'a String, &'a Rule);

pub(crate) fn describe_rules(ctx: &mut Ctx<'_>, input: DescribeRules) -> Answer {
    let region = &*ctx.region;
    let all =
        || region.ec2.security_groups.iter().flat_map(|(id, group)| group.rules.iter().map(move |rule| (id, rule)));
    let ids = &input.security_group_rule_id;
    if let Some(id) = ids.iter().find(|id| !all().any(|(_, rule)| rule.id == **id)) {
        let said = format!("The security group rule ID '{id}' does not exist");
        return Err(ApiError::new("InvalidSecurityGroupRuleId.NotFound", said));
    }
    let named = all().filter(|(_, rule)| ids.is_empty() || ids.contains(&rule.id));
    let filters = Filters::<'_, Each<'_>> {
        of: &[("group-id", |(group, _)| one(group)), ("security-group-rule-id", |(_, rule)| one(&rule.id))],
        absent: &[],
        tags: Some(|(_, rule)| &rule.tags),
    };
    let found = filters.select(&input.filter, named)?;
    let pages = (input.next_token.as_deref(), input.max_results);
    paged(
        found,
        |(_, rule)| rule.id.clone(),
        pages,
        "securityGroupRuleSet",
        |xml, (group, rule)| {
            write(xml, region, group, rule);
        },
    )
}
