//! A listener switch: the load balancer, the listener on the port, and the one rule that matches.

use aws_sdk_elasticloadbalancingv2::types::{Rule, RuleCondition};

use super::{Balancer, route_pin};
use crate::cloud::{Cloud, CloudError};
use crate::config::{Listener, RuleMatch};
use crate::release::{Problem, SwitchPin};

impl Cloud {
    pub(super) async fn listener_route(&self, wanted: &Listener) -> Result<(SwitchPin, Balancer), CloudError> {
        let mut balancers = self.balancers(&[&wanted.load_balancer]).await?;
        let balancer = balancers.remove(0);
        let listener = self.listener_on(&balancer, wanted.port).await?;
        let arn = listener
            .listener_arn()
            .ok_or_else(|| CloudError::incomplete("elbv2:DescribeListeners", "ARN of the listener"))?;
        let pin = match &wanted.rule {
            None => SwitchPin::DefaultAction {
                listener: arn.to_owned(),
                route: route_pin(&balancer, &listener, wanted.port, None),
            },
            Some(matcher) => {
                let rules = self.rules(arn).await?;
                let rule = the_one(&rules, matcher).map_err(|(saw, expected)| {
                    let place = format!("the listener on port {} of {}", wanted.port, wanted.load_balancer);
                    let look = self.aws(&["elbv2", "describe-rules", "--listener-arn", arn]);
                    let problem = Problem::new(format!("{place} has {saw}"), expected, look);
                    CloudError::refused("elbv2:DescribeRules", problem)
                })?;
                let arn =
                    rule.rule_arn().ok_or_else(|| CloudError::incomplete("elbv2:DescribeRules", "ARN of the rule"))?;
                SwitchPin::Rule {
                    rule: arn.to_owned(),
                    route: route_pin(&balancer, &listener, wanted.port, host_of(rule)),
                }
            }
        };
        Ok((pin, balancer))
    }

    /// Every rule of the listener, in every page.
    async fn rules(&self, listener: &str) -> Result<Vec<Rule>, CloudError> {
        let mut rules = Vec::new();
        let mut pages = self.elb.describe_rules().listener_arn(listener).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| CloudError::read("elbv2:DescribeRules", e))?;
            rules.extend(page.rules.unwrap_or_default());
        }
        Ok(rules)
    }
}

/// The one rule that matches, or what was seen and what was expected.
fn the_one<'a>(rules: &'a [Rule], matcher: &RuleMatch) -> Result<&'a Rule, (String, String)> {
    let wanted = match matcher {
        RuleMatch::Priority(priority) => format!("priority {priority}"),
        RuleMatch::Path(path) => format!("a path-pattern condition {path}"),
        RuleMatch::Host(host) => format!("a host-header condition {host}"),
    };
    let matching: Vec<_> = rules.iter().filter(|rule| matches(rule, matcher)).collect();
    match matching[..] {
        [only] => Ok(only),
        [] => {
            let others: Vec<_> = rules.iter().filter(|r| r.is_default() != Some(true)).map(describe).collect();
            let others = if others.is_empty() { "only its default one".into() } else { others.join("; ") };
            Err((format!("no rule with {wanted} (its rules: {others})"), format!("one rule with {wanted}")))
        }
        _ => {
            let found: Vec<_> = matching.iter().map(|r| describe(r)).collect();
            let expected = "one rule; `rule: { priority: … }` in the environment file names it without doubt";
            Err((format!("{} rules with {wanted}: {}", found.len(), found.join("; ")), expected.into()))
        }
    }
}

fn matches(rule: &Rule, matcher: &RuleMatch) -> bool {
    match matcher {
        RuleMatch::Priority(priority) => rule.priority() == Some(priority.to_string().as_str()),
        RuleMatch::Path(path) => has_value(rule, "path-pattern", |v| v == path),
        RuleMatch::Host(host) => has_value(rule, "host-header", |v| v.eq_ignore_ascii_case(host)),
    }
}

fn has_value(rule: &Rule, field: &str, is_it: impl Fn(&str) -> bool) -> bool {
    rule.conditions().iter().filter(|c| c.field() == Some(field)).any(|c| values(c).iter().any(|v| is_it(v)))
}

/// A condition's values: in its own configuration, else in the older place that both have.
fn values(condition: &RuleCondition) -> &[String] {
    let own = match condition.field() {
        Some("path-pattern") => condition.path_pattern_config().map(|c| c.values()),
        Some("host-header") => condition.host_header_config().map(|c| c.values()),
        _ => None,
    };
    own.filter(|v| !v.is_empty()).unwrap_or_else(|| condition.values())
}

/// A Host header that the rule lets through, where it asks for one. Wildcards are filled in.
fn host_of(rule: &Rule) -> Option<String> {
    let condition = rule.conditions().iter().find(|c| c.field() == Some("host-header"))?;
    let values = values(condition);
    let plain = values.iter().find(|v| !v.contains(['*', '?']));
    plain.or_else(|| values.first()).map(|v| v.replace('*', "probe").replace('?', "p"))
}

fn describe(rule: &Rule) -> String {
    let conditions: Vec<_> = rule
        .conditions()
        .iter()
        .map(|c| {
            let values = values(c).join(",");
            let field = c.field().unwrap_or("(unknown)");
            if values.is_empty() { field.to_owned() } else { format!("{field} {values}") }
        })
        .collect();
    format!("priority {}: {}", rule.priority().unwrap_or("(none)"), conditions.join(" and "))
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::{HostHeaderConditionConfig, PathPatternConditionConfig};

    use super::*;

    fn path(value: &str) -> RuleCondition {
        let config = PathPatternConditionConfig::builder().values(value).build();
        RuleCondition::builder().field("path-pattern").path_pattern_config(config).build()
    }

    fn host(values: &[&str]) -> RuleCondition {
        let values = values.iter().map(|v| (*v).to_owned()).collect();
        let config = HostHeaderConditionConfig::builder().set_values(Some(values)).build();
        RuleCondition::builder().field("host-header").host_header_config(config).build()
    }

    fn rule(priority: &str, conditions: Vec<RuleCondition>) -> Rule {
        Rule::builder().priority(priority).is_default(priority == "default").set_conditions(Some(conditions)).build()
    }

    fn rules() -> Vec<Rule> {
        vec![
            rule("1", vec![path("/api/*")]),
            rule("2", vec![path("/*"), host(&["shop.example.com"])]),
            rule("3", vec![host(&["*.example.com", "Shop.example.com"])]),
            rule("4", vec![RuleCondition::builder().field("path-pattern").values("/old").build()]),
            rule("default", vec![]),
        ]
    }

    fn found(matcher: &RuleMatch) -> Result<String, String> {
        let rules = rules();
        the_one(&rules, matcher).map(|r| r.priority().unwrap_or_default().to_owned()).map_err(|(saw, _)| saw)
    }

    #[test]
    fn a_rule_is_found_by_its_priority_or_by_the_exact_value_of_a_condition() {
        assert_eq!(found(&RuleMatch::Priority(2)), Ok("2".into()));
        assert_eq!(found(&RuleMatch::Path("/api/*".into())), Ok("1".into()));
        assert_eq!(found(&RuleMatch::Path("/old".into())), Ok("4".into()));
        assert_eq!(found(&RuleMatch::Host("*.example.com".into())), Ok("3".into()));
    }

    #[test]
    fn a_path_that_a_pattern_would_match_is_not_its_exact_value() {
        let saw = found(&RuleMatch::Path("/api/x".into())).expect_err("no such condition");
        assert!(saw.contains("no rule") && saw.contains("priority 1: path-pattern /api/*"), "{saw}");
    }

    #[test]
    fn two_rules_with_the_same_host_are_named_and_refused() {
        let saw = found(&RuleMatch::Host("shop.example.com".into())).expect_err("two rules");
        assert!(saw.starts_with("2 rules") && saw.contains("priority 2") && saw.contains("priority 3"), "{saw}");
    }

    #[test]
    fn the_host_that_reaches_a_rule_is_one_without_wildcards_where_there_is_one() {
        assert_eq!(
            host_of(&rule("1", vec![host(&["*.example.com", "a.example.com"])])).as_deref(),
            Some("a.example.com")
        );
        assert_eq!(host_of(&rule("1", vec![host(&["*.example.com"])])).as_deref(), Some("probe.example.com"));
        assert_eq!(host_of(&rule("1", vec![path("/")])), None);
    }
}
