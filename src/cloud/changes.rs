//! What somebody else has changed between two readings of a switch: by meaning, and in every other part of it.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, TargetGroupStickinessConfig, TargetGroupTuple,
};
use aws_sdk_route53::types::ResourceRecordSet;

use super::reading::Raw;
use super::{Cloud, Reading, actions, cli, records};
use crate::release::{Pins, SwitchPin};

impl Reading {
    /// What is not as it was in `before`, in words; `None` where nothing is.
    ///
    /// All of the action list or of the records counts, not the weights alone. What AWS says in several ways is one:
    /// the order of target groups, a weight that is left out, a single target group outside of its configuration.
    pub fn changed_since(&self, before: &Self, pins: &Pins) -> Option<String> {
        let same = match (&self.raw, &before.raw) {
            (Raw::Actions(now), Raw::Actions(then)) => normal(now) == normal(then),
            (Raw::Records(now), Raw::Records(then)) => in_order(now) == in_order(then),
            (Raw::Actions(_), Raw::Records(_)) | (Raw::Records(_), Raw::Actions(_)) => false,
        };
        if same {
            return None;
        }
        let (then, now) = (before.in_words(pins), self.in_words(pins));
        Some(match then == now {
            true => format!("it is {now} as before, but something else of it is another than it was"),
            false => format!("it was {then}, it is {now}"),
        })
    }

    /// What the switch does, in words.
    fn in_words(&self, pins: &Pins) -> String {
        match &self.raw {
            Raw::Actions(list) => actions::in_words(list, &pins.groups),
            Raw::Records(list) => records::in_words(list),
        }
    }
}

impl Cloud {
    /// The command of the AWS CLI that lists who has written to this kind of switch lately.
    pub fn who_wrote(&self, pins: &Pins) -> String {
        let (region, event) = match &pins.route {
            SwitchPin::Rule { .. } => (self.region.as_deref(), "ModifyRule"),
            SwitchPin::DefaultAction { .. } => (self.region.as_deref(), "ModifyListener"),
            // What happens to Route 53 is recorded there.
            SwitchPin::Records(_) => (Some("us-east-1"), "ChangeResourceRecordSets"),
        };
        let attribute = format!("AttributeKey=EventName,AttributeValue={event}");
        cli::aws(region, &["cloudtrail", "lookup-events", "--lookup-attributes", &attribute, "--max-results", "10"])
    }
}

/// The list as it is compared.
fn normal(list: &[Action]) -> Vec<Action> {
    let mut list: Vec<Action> = list.iter().map(normal_action).collect();
    list.sort_by_key(Action::order);
    list
}

fn normal_action(action: &Action) -> Action {
    let mut action = action.clone();
    if action.r#type() != Some(&ActionTypeEnum::Forward) {
        return action;
    }
    let config = action.forward_config.take();
    let tuple = |(arn, weight): (&str, i32)| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build();
    let mut groups: Vec<_> = config.iter().flat_map(ForwardActionConfig::target_groups).map(actions::share).collect();
    if let (true, Some(arn)) = (groups.is_empty(), action.target_group_arn.as_deref()) {
        groups.push((arn, 1));
    }
    if let [(_, weight)] = groups.as_mut_slice() {
        // Whatever it says: all of the traffic.
        *weight = 1;
    }
    groups.sort_unstable();
    let groups: Vec<TargetGroupTuple> = groups.into_iter().map(tuple).collect();
    let sticky = config.as_ref().and_then(ForwardActionConfig::target_group_stickiness_config);
    let sticky = sticky.filter(|s| s.enabled() == Some(true)).map(|s| {
        TargetGroupStickinessConfig::builder().enabled(true).set_duration_seconds(s.duration_seconds()).build()
    });
    action.forward_config = Some(
        ForwardActionConfig::builder()
            .set_target_groups(Some(groups))
            .set_target_group_stickiness_config(sticky)
            .build(),
    );
    action.target_group_arn = None;
    action
}

fn in_order(list: &[ResourceRecordSet]) -> Vec<&ResourceRecordSet> {
    let mut list: Vec<_> = list.iter().collect();
    list.sort_by_key(|r| r.set_identifier());
    list
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use aws_sdk_elasticloadbalancingv2::types::{
        AuthenticateOidcActionConfig, RedirectActionConfig, RedirectActionStatusCodeEnum,
    };
    use aws_sdk_route53::types::{AliasTarget, RrType};

    use super::*;
    use crate::release::{Color, GroupPin, RoutePin, Traffic};

    fn pins() -> Pins {
        let group = |name: &str| GroupPin { arn: arn(name), port: 80, deregistration_delay_seconds: 1 };
        let route = RoutePin { dns_name: "lb.example".into(), port: 80, https: false, host: None };
        Pins {
            route: SwitchPin::DefaultAction { listener: "arn:listener".into(), route },
            groups: BTreeMap::from([(Color::new("blue"), group("blue")), (Color::new("green"), group("green"))]),
            template: "lt-1".into(),
            template_version: 1,
            subnets: vec![],
        }
    }

    fn arn(name: &str) -> String {
        format!("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/{name}/1")
    }

    fn config(groups: &[(&str, Option<i32>)], sticky: Option<(bool, i32)>) -> ForwardActionConfig {
        let tuple = |(name, weight): &(&str, Option<i32>)| {
            TargetGroupTuple::builder().target_group_arn(arn(name)).set_weight(*weight).build()
        };
        let sticky = sticky.map(|(enabled, seconds)| {
            TargetGroupStickinessConfig::builder().enabled(enabled).duration_seconds(seconds).build()
        });
        ForwardActionConfig::builder()
            .set_target_groups(Some(groups.iter().map(tuple).collect()))
            .set_target_group_stickiness_config(sticky)
            .build()
    }

    fn forward(groups: &[(&str, Option<i32>)], sticky: Option<(bool, i32)>) -> Action {
        Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config(groups, sticky)).build()
    }

    fn reading(list: Vec<Action>) -> Reading {
        Reading { traffic: Traffic::Nowhere, raw: Raw::Actions(list) }
    }

    fn usual() -> Reading {
        reading(vec![forward(&[("blue", Some(100)), ("green", Some(0))], None)])
    }

    #[track_caller]
    fn changes(before: &Reading, now: Action, words: &str) {
        let change = reading(vec![now]).changed_since(before, &pins()).expect("it has changed");
        assert!(change.contains(words), "{change}");
    }

    #[test]
    fn what_aws_says_in_another_way_is_no_change() {
        let same = [
            forward(&[("green", Some(0)), ("blue", Some(100))], None),
            forward(&[("blue", Some(100)), ("green", Some(0))], Some((false, 3600))),
        ];
        for action in same {
            assert_eq!(reading(vec![action]).changed_since(&usual(), &pins()), None);
        }
        let single = |action: Action| reading(vec![action]);
        let plain = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(arn("blue")).build();
        let both = config(&[("blue", Some(1))], None);
        let both = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(arn("blue")).forward_config(both);
        let both = both.build();
        for other in [forward(&[("blue", None)], None), forward(&[("blue", Some(7))], None), both] {
            assert_eq!(single(other.clone()).changed_since(&single(plain.clone()), &pins()), None, "{other:?}");
        }
    }

    #[test]
    fn weights_are_compared_and_named() {
        let now = forward(&[("blue", Some(60)), ("green", Some(40))], None);
        changes(&usual(), now, "it was a forward to blue=100, green=0, it is a forward to blue=60, green=40");
        // Sums that mean the same are still somebody's write.
        changes(&usual(), forward(&[("blue", Some(1)), ("green", Some(0))], None), "blue=1, green=0");
    }

    #[test]
    fn what_is_not_a_weight_is_compared_too() {
        let weights = [("blue", Some(100)), ("green", Some(0))];
        changes(&usual(), forward(&weights, Some((true, 600))), "with stickiness of 600 s");
        let third = [("blue", Some(100)), ("green", Some(0)), ("canary", Some(5))];
        changes(&usual(), forward(&third, None), "canary=5");
        let redirect = RedirectActionConfig::builder()
            .host("x.example")
            .status_code(RedirectActionStatusCodeEnum::Http302)
            .build();
        let redirect = Action::builder().r#type(ActionTypeEnum::Redirect).redirect_config(redirect).build();
        changes(&usual(), redirect, "a redirect to");
        let gone = reading(vec![]).changed_since(&usual(), &pins());
        assert!(gone.expect("it is gone").contains("it is gone"));

        let oidc = |issuer: &str| {
            let issued = AuthenticateOidcActionConfig::builder().issuer(issuer).build();
            let login = Action::builder().r#type(ActionTypeEnum::AuthenticateOidc).order(1);
            let routes = Action::builder().r#type(ActionTypeEnum::Forward).order(2);
            let routes = routes.forward_config(config(&weights, None)).build();
            reading(vec![routes, login.authenticate_oidc_config(issued).build()])
        };
        assert_eq!(oidc("a").changed_since(&oidc("a"), &pins()), None);
        let words = oidc("b").changed_since(&oidc("a"), &pins()).expect("another issuer");
        assert!(words.contains("something else of it"), "{words}");
    }

    #[test]
    fn records_are_compared_whole_and_in_any_order() {
        let record = |color: &str, weight, points_at: &str| {
            let alias = AliasTarget::builder().hosted_zone_id("Z").dns_name(points_at).evaluate_target_health(false);
            ResourceRecordSet::builder()
                .name("shop.example.")
                .r#type(RrType::A)
                .set_identifier(color)
                .weight(weight)
                .alias_target(alias.build().expect("complete"))
                .build()
                .expect("complete")
        };
        let pair = |list: Vec<ResourceRecordSet>| Reading { traffic: Traffic::Nowhere, raw: Raw::Records(list) };
        let before = pair(vec![record("blue", 255, "a"), record("green", 0, "b")]);
        let turned = pair(vec![record("green", 0, "b"), record("blue", 255, "a")]);
        assert_eq!(turned.changed_since(&before, &pins()), None);
        let moved = pair(vec![record("blue", 0, "a"), record("green", 255, "b")]);
        let words = moved.changed_since(&before, &pins()).expect("the weights");
        assert!(words.contains("it was blue=255, green=0, it is blue=0, green=255"), "{words}");
        let elsewhere = pair(vec![record("blue", 255, "c"), record("green", 0, "b")]);
        let words = elsewhere.changed_since(&before, &pins()).expect("another target");
        assert!(words.contains("something else of it"), "{words}");
    }
}
