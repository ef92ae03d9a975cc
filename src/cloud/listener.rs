//! The switch that is a listener's action list: a rule's, or the default one.

use aws_sdk_elasticloadbalancingv2::types::Action;

use super::actions::{self, Foreign};
use super::calls::Trail;
use super::reading::Raw;
use super::{Cloud, CloudError, Kind, Reading, cli};
use crate::release::{Color, Pins, Problem, Traffic};

impl Cloud {
    /// The switch that is this rule.
    pub(super) async fn read_rule(&self, pins: &Pins, rule: &str) -> Result<Reading, CloudError> {
        const OPERATION: &str = "elbv2:DescribeRules";
        let answer = self.elb.describe_rules().rule_arns(rule).send().await;
        let found = match answer {
            Ok(answer) => answer.rules.unwrap_or_default().into_iter().find(|r| r.rule_arn() == Some(rule)),
            Err(e) => absent(CloudError::read(OPERATION, e), "RuleNotFound")?,
        };
        Ok(match found {
            Some(found) => self.classify(pins, "the rule", found.actions.unwrap_or_default()),
            None => {
                let listener = listener_of(rule);
                let look = match &listener {
                    Some(listener) => ["elbv2", "describe-rules", "--listener-arn", listener],
                    None => ["elbv2", "describe-rules", "--rule-arns", rule],
                };
                self.gone(format!("the rule {rule} does not exist any more"), &look)
            }
        })
    }

    /// The switch that is this listener's default action.
    pub(super) async fn read_listener(&self, pins: &Pins, listener: &str) -> Result<Reading, CloudError> {
        const OPERATION: &str = "elbv2:DescribeListeners";
        let answer = self.elb.describe_listeners().listener_arns(listener).send().await;
        let found = match answer {
            Ok(answer) => answer.listeners.unwrap_or_default().into_iter().find(|l| l.listener_arn() == Some(listener)),
            Err(e) => absent(CloudError::read(OPERATION, e), "ListenerNotFound")?,
        };
        Ok(match found {
            Some(found) => {
                self.classify(pins, "the listener's default action", found.default_actions.unwrap_or_default())
            }
            None => {
                let saw = format!("the listener {listener} does not exist any more");
                self.gone(saw, &["elbv2", "describe-load-balancers"])
            }
        })
    }

    /// Replace the rule's action list.
    pub(super) async fn write_rule(&self, rule: &str, list: Vec<Action>) -> Result<(), CloudError> {
        let trail = Trail::default();
        // Conditions and transforms are left out: AWS keeps those that a modify does not name.
        self.elb
            .modify_rule()
            .rule_arn(rule)
            .set_actions(Some(list))
            .customize()
            .interceptor(trail.clone())
            .send()
            .await
            .map(drop)
            .map_err(|e| CloudError::change("elbv2:ModifyRule", &trail, e))
    }

    /// Replace the listener's default actions: a default rule cannot be changed as a rule.
    pub(super) async fn write_listener(&self, listener: &str, list: Vec<Action>) -> Result<(), CloudError> {
        let trail = Trail::default();
        self.elb
            .modify_listener()
            .listener_arn(listener)
            .set_default_actions(Some(list))
            .customize()
            .interceptor(trail.clone())
            .send()
            .await
            .map(drop)
            .map_err(|e| CloudError::change("elbv2:ModifyListener", &trail, e))
    }

    fn classify(&self, pins: &Pins, place: &str, list: Vec<Action>) -> Reading {
        match actions::weights(&list, &pins.groups) {
            Ok(weights) => Reading { traffic: actions::traffic(weights), raw: Raw::Actions(list) },
            Err(foreign) => self.foreign(pins, place, list, &foreign),
        }
    }

    fn gone(&self, saw: String, look: &[&str]) -> Reading {
        let problem = Problem::new(
            saw,
            "it exists, as when the release started; put it back, or end the release and start anew",
            cli::aws(self.region.as_deref(), look),
        );
        Reading { traffic: Traffic::Foreign { problem }, raw: Raw::Actions(vec![]) }
    }

    fn foreign(&self, pins: &Pins, place: &str, list: Vec<Action>, foreign: &Foreign) -> Reading {
        let colors: Vec<_> = pins.groups.keys().map(Color::as_str).collect();
        let colors = colors.join(" and ");
        let (saw, expected, repairable) = match foreign {
            Foreign::NotForward { what } => {
                (format!("{place} holds {what}"), format!("one forward to the target groups of {colors}"), true)
            }
            Foreign::Group { arn, weight } => (
                format!("{place} forwards to {} with weight {weight}, which belongs to no color", group_name(arn)),
                format!("a forward to the target groups of {colors} alone"),
                true,
            ),
            Foreign::Sticky { seconds } => (
                format!("{place} has group stickiness of {seconds} s (TargetGroupStickinessConfig)"),
                "it is off: clients with a cookie would stay on the old color after a flip, and get 503 once it is gone"
                    .to_owned(),
                true,
            ),
            Foreign::UnknownAction { kind } => (
                format!("{place} has an action of type {kind}, which this program does not know"),
                "only actions that it can send back as they are: authenticate-oidc, authenticate-cognito, jwt-validation, \
                 forward"
                    .to_owned(),
                false,
            ),
        };
        let problem = Problem { saw, expected, run: vec![] };
        let mut reading = Reading { traffic: Traffic::Nowhere, raw: Raw::Actions(list) };
        let repair = |color| {
            let command = self.repair(pins, &reading, color)?;
            Some(format!("{command} # all traffic to {color}"))
        };
        let run = if repairable { pins.groups.keys().filter_map(repair).collect() } else { vec![] };
        reading.traffic = Traffic::Foreign { problem: Problem { run, ..problem } };
        reading
    }
}

/// Nothing, where the error says that it is not there; the error otherwise.
pub(super) fn absent<T>(error: CloudError, code: &str) -> Result<Option<T>, CloudError> {
    let gone = error.kind == Kind::NotFound && error.code.as_deref().is_some_and(|c| c.starts_with(code));
    if gone { Ok(None) } else { Err(error) }
}

/// The listener's ARN, which stands in a rule's.
fn listener_of(rule: &str) -> Option<String> {
    let (listener, _) = rule.rsplit_once('/')?;
    listener.contains(":listener-rule/").then(|| listener.replacen(":listener-rule/", ":listener/", 1))
}

/// A target group's name, which stands in its ARN, with the ARN.
fn group_name(arn: &str) -> String {
    match actions::group_name(arn) {
        Some(name) => format!("the target group {name} ({arn})"),
        None => format!("the target group {arn}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_of_a_rule_stands_in_its_arn() {
        let rule = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee";
        let listener =
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2";
        assert_eq!(listener_of(rule).as_deref(), Some(listener));
        assert_eq!(listener_of("arn:aws:elasticloadbalancing:eu-west-1:123456789012:rule/other"), None);
    }
}
