//! Every listener and rule that uses a color: read anew, page by page, from each load balancer it may be behind.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{Action, Listener, Rule};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::actions::{self, Share};
use super::listener::absent;
use super::{Cloud, CloudError, cli, records};
use crate::release::{Color, Pins, References, Sender, SwitchPin, UsedGroup};

/// AWS's largest page of listeners, rules and target groups.
const PAGE: i32 = 400;
/// How many questions are on their way at once: AWS refills its bucket with ten of them per second.
const AT_ONCE: usize = 4;

/// One listener or rule of a load balancer, and what it does.
struct Place {
    balancer: String,
    words: String,
    look: String,
    actions: Vec<Action>,
}

impl Cloud {
    /// Who sends to the color's target group, and which other target groups are in use beside it.
    ///
    /// Read are all listeners and all rules, of the load balancers that AWS names for the target groups of both
    /// colors, and of the switch's own. With a DNS switch each color has a load balancer of its own, which goes on
    /// sending to it whatever the records say; that one does not count as a sender.
    ///
    /// # Errors
    /// Without an answer to any of it, or without the permission: then nothing is proven.
    pub async fn references(&self, pins: &Pins, color: &Color) -> Result<References, CloudError> {
        let balancers = self.balancers_behind(pins).await?;
        let own_entry = self.own_balancers(pins, color, &balancers).await?;
        let places: Vec<Vec<Place>> =
            stream::iter(balancers).map(|balancer| self.places(balancer)).buffered(AT_ONCE).try_collect().await?;
        let own = pins.groups.get(color).map(|g| g.arn.as_str());
        let mut senders = Vec::new();
        let mut others = BTreeMap::new();
        for place in places.iter().flatten() {
            for (arn, share) in actions::shares(&place.actions) {
                let weight = match share {
                    Share::Nothing => None,
                    Share::Weight(weight) => Some(Some(weight)),
                    Share::All => Some(None),
                };
                if Some(arn) != own {
                    others.entry(arn.to_owned()).or_insert_with(|| place.words.clone());
                } else if let (Some(weight), false) = (weight, own_entry.contains(&place.balancer)) {
                    senders.push(Sender { place: place.words.clone(), weight, run: place.look.clone() });
                }
            }
        }
        let others = stream::iter(others)
            .map(|(arn, place)| self.used_group(arn, place))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(References { senders, others })
    }

    /// The load balancers of both colors' target groups, and the switch's own.
    async fn balancers_behind(&self, pins: &Pins) -> Result<BTreeSet<String>, CloudError> {
        let arns = pins.groups.values().map(|g| g.arn.clone()).collect();
        let answer = self.elb.describe_target_groups().set_target_group_arns(Some(arns)).send().await;
        let answer = answer.map_err(|e| CloudError::read("elbv2:DescribeTargetGroups", e))?;
        let mut balancers: BTreeSet<String> =
            answer.target_groups().iter().flat_map(|g| g.load_balancer_arns()).cloned().collect();
        // A group that is in no rule any more is behind none; the switch's is read all the same.
        match &pins.route {
            SwitchPin::Rule { rule: arn, .. } | SwitchPin::DefaultAction { listener: arn, .. } => {
                balancers.extend(balancer_of(arn));
            }
            SwitchPin::Records(_) => {}
        }
        Ok(balancers)
    }

    /// Those of `balancers` that carry this color alone, whatever its share of the traffic is.
    async fn own_balancers(
        &self,
        pins: &Pins,
        color: &Color,
        balancers: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, CloudError> {
        let SwitchPin::Records(pin) = &pins.route else { return Ok(BTreeSet::new()) };
        let Some(entry) = pin.entries.get(color).filter(|_| !balancers.is_empty()) else {
            return Ok(BTreeSet::new());
        };
        let arns = balancers.iter().cloned().collect();
        let answer = self.elb.describe_load_balancers().set_load_balancer_arns(Some(arns)).send().await;
        let answer = answer.map_err(|e| CloudError::read("elbv2:DescribeLoadBalancers", e))?;
        let own = answer.load_balancers.unwrap_or_default().into_iter().filter(|balancer| {
            balancer.dns_name().is_some_and(|name| records::normal(name) == records::normal(&entry.dns_name))
        });
        Ok(own.filter_map(|balancer| balancer.load_balancer_arn).collect())
    }

    /// Every listener's default action and every rule of a load balancer.
    async fn places(&self, balancer: String) -> Result<Vec<Place>, CloudError> {
        let mut places = Vec::new();
        for listener in self.all_listeners(&balancer).await? {
            let arn = listener.listener_arn().unwrap_or_default().to_owned();
            let port = listener.port().unwrap_or_default();
            let at = format!("the listener on port {port} of {}", balancer_name(&balancer));
            // Only an application load balancer has rules.
            let rules = if balancer.contains(":loadbalancer/app/") { self.all_rules(&arn).await? } else { vec![] };
            places.push(Place {
                balancer: balancer.clone(),
                words: format!("the default action of {at} ({arn})"),
                look: cli::aws(self.region.as_deref(), &["elbv2", "describe-listeners", "--listener-arns", &arn]),
                actions: listener.default_actions.unwrap_or_default(),
            });
            places.extend(rules.into_iter().filter(|r| r.is_default() != Some(true)).map(|rule| {
                let arn = rule.rule_arn().unwrap_or_default();
                Place {
                    balancer: balancer.clone(),
                    words: format!("the rule {} of {at} ({arn})", rule.priority().unwrap_or("without a priority")),
                    look: cli::aws(self.region.as_deref(), &["elbv2", "describe-rules", "--rule-arns", arn]),
                    actions: rule.actions.unwrap_or_default(),
                }
            }));
        }
        Ok(places)
    }

    async fn all_listeners(&self, balancer: &str) -> Result<Vec<Listener>, CloudError> {
        let mut found = Vec::new();
        let mut pages =
            self.elb.describe_listeners().load_balancer_arn(balancer).page_size(PAGE).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| CloudError::read("elbv2:DescribeListeners", e));
            match page {
                Ok(page) => found.extend(page.listeners.unwrap_or_default()),
                Err(error) => drop(absent::<()>(error, "LoadBalancerNotFound")?),
            }
        }
        Ok(found)
    }

    async fn all_rules(&self, listener: &str) -> Result<Vec<Rule>, CloudError> {
        let mut found = Vec::new();
        let mut pages = self.elb.describe_rules().listener_arn(listener).page_size(PAGE).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| CloudError::read("elbv2:DescribeRules", e));
            match page {
                Ok(page) => found.extend(page.rules.unwrap_or_default()),
                // A listener that is gone sends nothing.
                Err(error) => drop(absent::<()>(error, "ListenerNotFound")?),
            }
        }
        Ok(found)
    }

    async fn used_group(&self, arn: String, place: String) -> Result<UsedGroup, CloudError> {
        let answer = self.elb.describe_target_health().target_group_arn(&arn).send().await;
        let described = match answer {
            Ok(answer) => answer.target_health_descriptions.unwrap_or_default(),
            Err(e) => {
                let error = CloudError::read("elbv2:DescribeTargetHealth", e);
                absent(error, "TargetGroupNotFound")?.unwrap_or_default()
            }
        };
        let targets = described.into_iter().filter_map(|d| d.target.and_then(|t| t.id)).collect();
        let arguments = ["elbv2", "deregister-targets", "--target-group-arn", &arn];
        let run = cli::aws(self.region.as_deref(), &arguments);
        Ok(UsedGroup { arn, place, targets, run })
    }
}

/// The load balancer's ARN, which stands in those of its listeners and rules.
fn balancer_of(arn: &str) -> Option<String> {
    let (head, path) = arn.split_once(":listener-rule/").or_else(|| arn.split_once(":listener/"))?;
    let [kind, name, id] = path.split('/').take(3).collect::<Vec<_>>().try_into().ok()?;
    Some(format!("{head}:loadbalancer/{kind}/{name}/{id}"))
}

/// The load balancer's name, which stands in its ARN.
fn balancer_name(arn: &str) -> &str {
    arn.split_once(":loadbalancer/").and_then(|(_, path)| path.split('/').nth(1)).unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BALANCER: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/shop/50dc6c495c0c9188";

    #[test]
    fn the_load_balancer_of_a_listener_and_of_a_rule_stands_in_its_arn() {
        let listener =
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2";
        let rule = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
        assert_eq!(balancer_of(listener).as_deref(), Some(BALANCER));
        assert_eq!(balancer_of(rule).as_deref(), Some(BALANCER));
        assert_eq!(balancer_of("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/shop/1"), None);
        assert_eq!(balancer_name(BALANCER), "shop");
    }
}
