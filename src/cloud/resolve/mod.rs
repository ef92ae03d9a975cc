//! Names to identifiers, versions to numbers, and every check of the environment that needs no write.
//!
//! Everything is asked in parallel as far as one answer does not need another, and no fact is asked for twice.

mod compute;
mod dns;
mod groups;
mod listener;

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{Listener, LoadBalancerTypeEnum, ProtocolEnum};

use super::{Cloud, CloudError, Kind};
use crate::config::{Compute, Environment, Switch};
use crate::release::{Color, Pins, Problem, RoutePin, SwitchPin};

/// An Application Load Balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Balancer {
    name: String,
    arn: String,
    dns_name: String,
    vpc: String,
    zones: BTreeSet<String>,
}

/// The switch, and the load balancer that each color is behind.
struct Route {
    pin: SwitchPin,
    /// In the order of the file's colors.
    balancers: [Balancer; 2],
}

impl Cloud {
    /// Resolve every name of the environment, and verify that the parts fit each other. Read-only.
    ///
    /// The load balancer is an application one with a listener on the port; exactly one rule matches; both target
    /// groups exist, in the load balancer's VPC, with the same protocol, version and port, for instances, and belong to
    /// no other load balancer; the subnets exist in that VPC and their zones are enabled on the load balancer; the
    /// launch template exists; for DNS, there is one zone and one pair of weighted records, each pointing at its
    /// color's load balancer. What the switch does with the traffic is not judged here: [`Cloud::traffic`] does.
    ///
    /// # Errors
    /// Refused with what does not fit and what to run; also without an answer or the permission.
    pub async fn resolve(&self, environment: &Environment) -> Result<Pins, CloudError> {
        let Compute::Instances(instances) = &environment.compute;
        let (route, groups, (template, template_version), subnets) = tokio::try_join!(
            self.route(environment),
            self.groups(&environment.colors),
            self.pin_template(instances),
            self.subnets(&instances.subnets),
        )?;
        groups::verify(&groups, &route.balancers, self.region.as_deref())
            .map_err(|p| CloudError::refused("elbv2:DescribeTargetGroups", p))?;
        let subnets = compute::choose(&instances.subnets, subnets, &route.balancers, instances.count)
            .map_err(|p| CloudError::refused("ec2:DescribeSubnets", p))?;
        let pinned = environment.colors.iter().zip(groups).map(|(color, group)| (color.name.clone(), group.pin));
        Ok(Pins { route: route.pin, groups: pinned.collect(), template, template_version, subnets })
    }

    async fn route(&self, environment: &Environment) -> Result<Route, CloudError> {
        match &environment.switch {
            Switch::Listener(listener) => {
                let (pin, balancer) = self.listener_route(listener).await?;
                Ok(Route { pin, balancers: [balancer.clone(), balancer] })
            }
            Switch::Dns(dns) => self.dns_route(dns, &environment.colors).await,
        }
    }

    /// The load balancers with these names, in their order.
    async fn balancers(&self, names: &[&str]) -> Result<Vec<Balancer>, CloudError> {
        const OPERATION: &str = "elbv2:DescribeLoadBalancers";
        let mut found = Vec::new();
        let mut pages = self
            .elb
            .describe_load_balancers()
            .set_names(Some(names.iter().map(|n| (*n).to_owned()).collect()))
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => found.extend(page.load_balancers.unwrap_or_default()),
                Err(e) => {
                    let error = CloudError::read(OPERATION, e);
                    return Err(match error.kind {
                        Kind::NotFound => self.no_such(OPERATION, "load balancer", names, "describe-load-balancers"),
                        _ => error,
                    });
                }
            }
        }
        let mut balancers = Vec::new();
        for name in names {
            let Some(b) = found.iter().find(|b| b.load_balancer_name() == Some(name)) else {
                return Err(self.no_such(OPERATION, "load balancer", &[name], "describe-load-balancers"));
            };
            if b.r#type() != Some(&LoadBalancerTypeEnum::Application) {
                let kind = b.r#type().map_or("unknown", LoadBalancerTypeEnum::as_str);
                let problem = Problem::new(
                    format!("the load balancer {name} is of type {kind}"),
                    "an application load balancer",
                    self.aws(&["elbv2", "describe-load-balancers", "--names", name]),
                );
                return Err(CloudError::refused(OPERATION, problem));
            }
            let have = |value: Option<&str>, what| {
                value.map(str::to_owned).ok_or_else(|| CloudError::incomplete(OPERATION, what))
            };
            balancers.push(Balancer {
                name: (*name).to_owned(),
                arn: have(b.load_balancer_arn(), "ARN of the load balancer")?,
                dns_name: have(b.dns_name(), "DNS name of the load balancer")?,
                vpc: have(b.vpc_id(), "VPC of the load balancer")?,
                zones: b.availability_zones().iter().filter_map(|z| z.zone_name()).map(str::to_owned).collect(),
            });
        }
        Ok(balancers)
    }

    /// The load balancer's listener on the port.
    async fn listener_on(&self, balancer: &Balancer, port: u16) -> Result<Listener, CloudError> {
        const OPERATION: &str = "elbv2:DescribeListeners";
        let mut ports = Vec::new();
        let mut pages = self.elb.describe_listeners().load_balancer_arn(&balancer.arn).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| CloudError::read(OPERATION, e))?;
            for listener in page.listeners.unwrap_or_default() {
                if listener.port() == Some(i32::from(port)) {
                    return Ok(listener);
                }
                ports.extend(listener.port().map(|p| p.to_string()));
            }
        }
        let ports =
            if ports.is_empty() { "no listener at all".into() } else { format!("listeners on {}", ports.join(", ")) };
        let problem = Problem::new(
            format!("the load balancer {} has {ports}", balancer.name),
            format!("a listener on port {port}"),
            self.aws(&["elbv2", "describe-listeners", "--load-balancer-arn", &balancer.arn]),
        );
        Err(CloudError::refused(OPERATION, problem))
    }

    /// None of, or not all of, these names exist.
    fn no_such(&self, operation: &'static str, what: &str, names: &[&str], look: &str) -> CloudError {
        let identity = self.region.as_deref().map(|r| format!(" in {r}")).unwrap_or_default();
        let problem = Problem {
            saw: format!("there is no {what} {}{identity}", names.join(" or no ")),
            expected: format!("a {what} with the name in the environment file"),
            run: vec![self.aws(&["elbv2", look]), "aws sts get-caller-identity".into()],
        };
        CloudError::refused(operation, problem)
    }
}

/// Where the traffic enters through this listener.
fn route_pin(balancer: &Balancer, listener: &Listener, port: u16, host: Option<String>) -> RoutePin {
    RoutePin {
        dns_name: balancer.dns_name.clone(),
        port,
        https: listener.protocol() == Some(&ProtocolEnum::Https),
        host,
    }
}

/// The color names of a switch's two entries, for messages.
fn names(colors: &[&Color]) -> String {
    colors.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(" and ")
}
