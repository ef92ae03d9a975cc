//! The seed's target groups, load balancers, listeners and rule.

use std::net::IpAddr;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate, FixedResponseActionConfig, ForwardActionConfig, HostHeaderConditionConfig,
    PathPatternConditionConfig, ProtocolEnum, RuleCondition, TargetGroupAttribute, TargetGroupTuple,
};

use super::network::Ground;
use super::{Clients, Seed, SeedCondition, SeedSwitch, failed, lacks};
use crate::dev::{DevCloud, DevError};

/// What carries the traffic.
pub(super) struct Balanced {
    pub(super) load_balancers: Vec<String>,
    /// What they are called in DNS: the address, unless the dev cloud's options say otherwise.
    pub(super) names: Vec<String>,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) listeners: Vec<String>,
    pub(super) rule: Option<String>,
    /// The load balancers' own hosted zone, for alias records.
    pub(super) hosted_zone: String,
}

pub(super) async fn create_groups(clients: &Clients, seed: &Seed, ground: &Ground) -> Result<[String; 2], DevError> {
    let mut arns = [String::new(), String::new()];
    for (arn, name) in arns.iter_mut().zip(&seed.target_groups) {
        let made = clients
            .elb
            .create_target_group()
            .name(name)
            .protocol(ProtocolEnum::Http)
            .port(seed.instance_port.into())
            .vpc_id(&ground.vpc)
            .health_check_path(&seed.health_path)
            .health_check_interval_seconds(5)
            .health_check_timeout_seconds(2)
            .healthy_threshold_count(2)
            .unhealthy_threshold_count(2);
        let made = made.send().await.map_err(failed("create a target group"))?;
        let group = made.target_groups.unwrap_or_default().pop();
        *arn = group.and_then(|group| group.target_group_arn).ok_or_else(lacks("target group"))?;
        let delay = TargetGroupAttribute::builder()
            .key("deregistration_delay.timeout_seconds")
            .value(seed.deregistration_delay_s.to_string());
        let set = clients.elb.modify_target_group_attributes().target_group_arn(&*arn).attributes(delay.build());
        set.send().await.map_err(failed("set the deregistration delay"))?;
    }
    Ok(arns)
}

/// All traffic to the first, none to the others.
fn forward(groups: &[&String]) -> Action {
    let tuples = groups.iter().enumerate().map(|(at, arn)| {
        TargetGroupTuple::builder().target_group_arn(*arn).weight(if at == 0 { 100 } else { 0 }).build()
    });
    let config = ForwardActionConfig::builder().set_target_groups(Some(tuples.collect())).build();
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
}

pub(super) async fn create(
    cloud: &DevCloud,
    (clients, seed): (&Clients, &Seed),
    ground: &Ground,
    groups: &[String; 2],
) -> Result<Balanced, DevError> {
    let [first, second] = groups;
    let plans = match &seed.switch {
        SeedSwitch::DefaultAction => vec![(seed.load_balancers[0].clone(), forward(&[first, second]))],
        SeedSwitch::Rule { .. } => {
            let config = FixedResponseActionConfig::builder().status_code("404").content_type("text/plain").build();
            let answer = Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(config).build();
            vec![(seed.load_balancers[0].clone(), answer)]
        }
        SeedSwitch::Dns { .. } => {
            let [one, other] = seed.load_balancers.clone();
            vec![(one, forward(&[first])), (other, forward(&[second]))]
        }
    };
    let mut balanced = Balanced {
        load_balancers: Vec::new(),
        names: Vec::new(),
        addresses: Vec::new(),
        listeners: Vec::new(),
        rule: None,
        hosted_zone: String::new(),
    };
    for (name, default) in plans {
        let made = clients.elb.create_load_balancer().name(name).set_subnets(Some(ground.subnets.to_vec()));
        let made = made.security_groups(&ground.security_group);
        let made = made.send().await.map_err(failed("create a load balancer"))?;
        let made = made.load_balancers.unwrap_or_default().pop().ok_or_else(lacks("load balancer"))?;
        let arn = made.load_balancer_arn.ok_or_else(lacks("load balancer ARN"))?;
        let name = made.dns_name.ok_or_else(lacks("DNS name"))?;
        let listener = clients.elb.create_listener().load_balancer_arn(&arn);
        let listener = match &seed.certificate {
            None => listener.protocol(ProtocolEnum::Http),
            Some(arn) => {
                listener.protocol(ProtocolEnum::Https).certificates(Certificate::builder().certificate_arn(arn).build())
            }
        };
        let listener = listener.port(seed.listener_port.into()).default_actions(default);
        let listener = listener.send().await.map_err(failed("create a listener"))?;
        let listener = listener.listeners.unwrap_or_default().pop().and_then(|listener| listener.listener_arn);
        balanced.addresses.push(cloud.resolve(&name).ok_or_else(lacks("address of a load balancer"))?);
        balanced.names.push(name);
        balanced.hosted_zone = made.canonical_hosted_zone_id.ok_or_else(lacks("hosted zone of load balancers"))?;
        balanced.load_balancers.push(arn);
        balanced.listeners.push(listener.ok_or_else(lacks("listener ARN"))?);
    }
    if let SeedSwitch::Rule { priority, condition } = &seed.switch {
        let condition = match condition {
            SeedCondition::Path(path) => {
                let paths = PathPatternConditionConfig::builder().values(path).build();
                RuleCondition::builder().field("path-pattern").path_pattern_config(paths).build()
            }
            SeedCondition::Host(host) => {
                let hosts = HostHeaderConditionConfig::builder().values(host).build();
                RuleCondition::builder().field("host-header").host_header_config(hosts).build()
            }
        };
        let rule = clients.elb.create_rule().listener_arn(&balanced.listeners[0]).conditions(condition);
        let rule = rule.priority((*priority).try_into().map_err(failed("read the rule's priority"))?);
        let rule = rule.actions(forward(&[first, second])).send().await.map_err(failed("create the rule"))?;
        balanced.rule = rule.rules.unwrap_or_default().pop().and_then(|rule| rule.rule_arn);
    }
    Ok(balanced)
}
