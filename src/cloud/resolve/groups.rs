//! The two target groups: found by name, and fit for each other and for the load balancer.

use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetGroup, TargetTypeEnum};

use super::Balancer;
use crate::cloud::{Cloud, CloudError, Kind, cli};
use crate::config::ColorConfig;
use crate::release::{Color, GroupPin, Problem};

/// AWS's own default, should the attribute be absent.
const DEREGISTRATION_DELAY_SECONDS: u32 = 300;

/// A color's target group, with what has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) color: Color,
    pub(super) name: String,
    pub(super) pin: GroupPin,
    vpc: String,
    protocol: String,
    version: String,
    target_type: String,
    balancers: Vec<String>,
    sticky: bool,
}

impl Cloud {
    /// Both target groups, in the order of the file's colors.
    pub(super) async fn groups(&self, colors: &[ColorConfig; 2]) -> Result<[Group; 2], CloudError> {
        const OPERATION: &str = "elbv2:DescribeTargetGroups";
        let names: Vec<_> = colors.iter().map(|c| c.target_group.as_str()).collect();
        let mut found = Vec::new();
        let mut pages = self
            .elb
            .describe_target_groups()
            .set_names(Some(names.iter().map(|n| (*n).to_owned()).collect()))
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => found.extend(page.target_groups.unwrap_or_default()),
                Err(e) => {
                    let error = CloudError::read(OPERATION, e);
                    return Err(match error.kind {
                        Kind::NotFound => self.no_such(OPERATION, "target group", &names, "describe-target-groups"),
                        _ => error,
                    });
                }
            }
        }
        let by_name = |color: &ColorConfig| {
            let name = color.target_group.as_str();
            let group = found.iter().find(|g| g.target_group_name() == Some(name));
            group.ok_or_else(|| self.no_such(OPERATION, "target group", &[name], "describe-target-groups"))
        };
        let [a, b] = colors;
        let (ga, gb) = (by_name(a)?, by_name(b)?);
        let (a, b) = tokio::try_join!(self.group(a, ga), self.group(b, gb))?;
        Ok([a, b])
    }

    async fn group(&self, color: &ColorConfig, group: &TargetGroup) -> Result<Group, CloudError> {
        const OPERATION: &str = "elbv2:DescribeTargetGroupAttributes";
        let arn = group
            .target_group_arn()
            .ok_or_else(|| CloudError::incomplete("elbv2:DescribeTargetGroups", "ARN of the target group"))?;
        let answer = self
            .elb
            .describe_target_group_attributes()
            .target_group_arn(arn)
            .send()
            .await
            .map_err(|e| CloudError::read(OPERATION, e))?;
        let attribute = |key: &str| answer.attributes().iter().find(|a| a.key() == Some(key)).and_then(|a| a.value());
        let delay = attribute("deregistration_delay.timeout_seconds").and_then(|v| v.parse().ok());
        Ok(Group {
            color: color.name.clone(),
            name: color.target_group.clone(),
            pin: GroupPin {
                arn: arn.to_owned(),
                port: group.port().and_then(|p| u16::try_from(p).ok()).unwrap_or(0),
                deregistration_delay_seconds: delay.unwrap_or(DEREGISTRATION_DELAY_SECONDS),
            },
            vpc: group.vpc_id().unwrap_or_default().to_owned(),
            protocol: group.protocol().map_or("(none)", ProtocolEnum::as_str).to_owned(),
            // AWS's default, which an older target group does not show.
            version: group.protocol_version().unwrap_or("HTTP1").to_owned(),
            target_type: group.target_type().map_or("(none)", TargetTypeEnum::as_str).to_owned(),
            balancers: group.load_balancer_arns().to_vec(),
            sticky: attribute("stickiness.enabled") == Some("true"),
        })
    }
}

/// Whether the groups fit each other and the load balancer that each is behind.
pub(super) fn verify(groups: &[Group; 2], balancers: &[Balancer; 2], region: Option<&str>) -> Result<(), Problem> {
    let look = |group: &Group| cli::aws(region, &["elbv2", "describe-target-groups", "--names", &group.name]);
    let shared = balancers[0].arn == balancers[1].arn;
    for (group, balancer) in groups.iter().zip(balancers) {
        let the = format!("the target group {} of {}", group.name, group.color);
        if group.target_type != "instance" {
            let saw = format!("{the} takes targets of type {}", group.target_type);
            return Err(Problem::new(saw, "targets of type instance", look(group)));
        }
        if group.vpc != balancer.vpc {
            let saw = format!("{the} is in the VPC {}", group.vpc);
            return Err(Problem::new(
                saw,
                format!("{}, as the load balancer {}", balancer.vpc, balancer.name),
                look(group),
            ));
        }
        if group.pin.port == 0 {
            return Err(Problem::new(format!("{the} has no port"), "a port from 1 to 65535", look(group)));
        }
        if let Some(other) = group.balancers.iter().find(|arn| **arn != balancer.arn) {
            let saw = format!("{the} is behind another load balancer, {other}");
            let expected = format!("none, or {}: AWS allows one per target group", balancer.name);
            return Err(Problem::new(saw, expected, look(group)));
        }
        if !shared && group.balancers.is_empty() {
            let saw = format!("{the} is behind no load balancer");
            return Err(Problem::new(saw, format!("a listener of {} forwards to it", balancer.name), look(group)));
        }
        if shared && group.sticky {
            let arguments = [
                "elbv2",
                "modify-target-group-attributes",
                "--target-group-arn",
                &group.pin.arn,
                "--attributes",
                "Key=stickiness.enabled,Value=false",
            ];
            return Err(Problem::new(
                format!("{the} has target stickiness (stickiness.enabled)"),
                "it is off: with two weighted target groups it forces group stickiness, which keeps clients on the old color",
                cli::aws(region, &arguments),
            ));
        }
    }
    let [a, b] = groups;
    for (what, va, vb) in [
        ("protocol", &a.protocol, &b.protocol),
        ("protocol version", &a.version, &b.version),
        ("port", &a.pin.port.to_string(), &b.pin.port.to_string()),
        ("VPC", &a.vpc, &b.vpc),
    ] {
        if va != vb {
            let saw = format!("the target groups differ in their {what}: {} has {va}, {} has {vb}", a.name, b.name);
            let names = ["elbv2", "describe-target-groups", "--names", &a.name, &b.name];
            return Err(Problem::new(
                saw,
                "the same in both, or requests would fail on one color",
                cli::aws(region, &names),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balancer(arn: &str) -> Balancer {
        Balancer {
            name: format!("lb-{arn}"),
            arn: arn.into(),
            dns_name: format!("{arn}.example"),
            vpc: "vpc-1".into(),
            zones: ["a".to_owned()].into(),
        }
    }

    fn group(color: &str, balancer: &str) -> Group {
        Group {
            color: Color::new(color),
            name: format!("shop-{color}"),
            pin: GroupPin { arn: format!("arn-{color}"), port: 80, deregistration_delay_seconds: 30 },
            vpc: "vpc-1".into(),
            protocol: "HTTP".into(),
            version: "HTTP1".into(),
            target_type: "instance".into(),
            balancers: vec![balancer.into()],
            sticky: false,
        }
    }

    /// What is said when green is changed like this, with one load balancer for both colors.
    fn refusal(change: impl FnOnce(&mut Group)) -> Option<String> {
        let mut groups = [group("blue", "lb"), group("green", "lb")];
        change(&mut groups[1]);
        verify(&groups, &[balancer("lb"), balancer("lb")], None).err().map(|p| p.saw)
    }

    #[test]
    fn groups_that_fit_are_accepted_also_when_the_idle_one_is_in_no_rule_yet() {
        assert_eq!(refusal(|_| ()), None);
        assert_eq!(refusal(|g| g.balancers.clear()), None);
    }

    #[test]
    fn whatever_does_not_fit_is_refused_and_named() {
        let said = |change: fn(&mut Group), words: &str| {
            let saw = refusal(change).expect(words);
            assert!(saw.contains(words) && saw.contains("shop-green"), "{saw}");
        };
        said(|g| g.target_type = "ip".into(), "type ip");
        said(|g| g.vpc = "vpc-2".into(), "VPC vpc-2");
        said(|g| g.balancers.push("other".into()), "another load balancer, other");
        said(|g| g.sticky = true, "target stickiness");
        said(|g| g.protocol = "HTTPS".into(), "protocol: shop-blue has HTTP, shop-green has HTTPS");
        said(|g| g.version = "HTTP2".into(), "protocol version");
        said(|g| g.pin.port = 81, "port: shop-blue has 80, shop-green has 81");
        said(|g| g.pin.port = 0, "no port");
    }

    #[test]
    fn with_dns_each_group_must_be_behind_its_own_load_balancer_and_may_be_sticky() {
        let balancers = [balancer("lb-a"), balancer("lb-b")];
        let mut groups = [group("blue", "lb-a"), group("green", "lb-b")];
        groups[1].sticky = true;
        assert_eq!(verify(&groups, &balancers, None), Ok(()));
        groups[1].balancers.clear();
        let problem = verify(&groups, &balancers, None).expect_err("nothing forwards to green");
        assert!(problem.saw.contains("shop-green of green is behind no load balancer"), "{problem}");
        groups[1].balancers = vec!["lb-a".into()];
        let problem = verify(&groups, &balancers, None).expect_err("green is behind the load balancer of blue");
        assert!(problem.saw.contains("behind another load balancer, lb-a"), "{problem}");
    }
}
