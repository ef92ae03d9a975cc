//! A listener's action list, pure: what it does with the traffic, and the same list with other weights.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, TargetGroupStickinessConfig, TargetGroupTuple,
};

use crate::planted::{Bug, bug};
use crate::release::{Color, GroupPin, Traffic};

/// The weight of the color that gets all the traffic.
const WEIGHT_ALL: i32 = 100;

/// Why an action list is not ours to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It ends in something else than a forward.
    NotForward {
        /// What, in words.
        what: String,
    },
    /// It forwards to a target group that belongs to neither color.
    Group {
        /// Its ARN.
        arn: String,
        /// Its weight.
        weight: i32,
    },
    /// Group stickiness is on: clients with a cookie stay where they were, whatever the weights say.
    Sticky {
        /// For how long after their last request.
        seconds: i32,
    },
    /// It has an action that this program does not know, and so could not send back.
    UnknownAction {
        /// AWS's name of it.
        kind: String,
    },
}

/// The weight of every color's target group in the list; a color that the list does not name is absent.
///
/// An absent weight counts as AWS counts it, as 1. The order of the target groups means nothing. A single target group
/// may stand in the forward configuration, in the action itself, or in both.
pub(super) fn weights(actions: &[Action], groups: &BTreeMap<Color, GroupPin>) -> Result<BTreeMap<Color, u32>, Foreign> {
    let mut forward = None;
    for action in actions {
        match action.r#type() {
            Some(ActionTypeEnum::Forward) if forward.is_none() => forward = Some(action),
            Some(ActionTypeEnum::Forward) => return Err(Foreign::NotForward { what: "two forward actions".into() }),
            Some(
                ActionTypeEnum::AuthenticateOidc | ActionTypeEnum::AuthenticateCognito | ActionTypeEnum::JwtValidation,
            ) => {}
            Some(ActionTypeEnum::Redirect | ActionTypeEnum::FixedResponse) => {
                return Err(Foreign::NotForward { what: describe(action) });
            }
            other => {
                let kind = other.map_or("(none)", ActionTypeEnum::as_str).to_owned();
                return Err(Foreign::UnknownAction { kind });
            }
        }
    }
    let Some(forward) = forward else { return Err(Foreign::NotForward { what: "no forward action".into() }) };
    let config = forward.forward_config();
    let mut weights = BTreeMap::new();
    for (arn, weight) in named(forward) {
        let color = groups.iter().find(|(_, group)| group.arn == arn).map(|(color, _)| color);
        let Some(color) = color else { return Err(Foreign::Group { arn: arn.to_owned(), weight }) };
        *weights.entry(color.clone()).or_insert(0) += u32::try_from(weight).unwrap_or(0);
    }
    if weights.is_empty() {
        return Err(Foreign::NotForward { what: "a forward action without a target group".into() });
    }
    // Last, so that a list with several faults names the one that matters more.
    match config.and_then(ForwardActionConfig::target_group_stickiness_config) {
        Some(sticky) if sticky.enabled() == Some(true) => {
            Err(Foreign::Sticky { seconds: sticky.duration_seconds().unwrap_or(0) })
        }
        _ => Ok(weights),
    }
}

/// The target groups that a forward action names, with their weights.
fn named(forward: &Action) -> Vec<(&str, i32)> {
    let config = forward.forward_config();
    let mut found: Vec<_> =
        config.map(ForwardActionConfig::target_groups).unwrap_or_default().iter().map(share).collect();
    if let (true, Some(arn)) = (found.is_empty(), forward.target_group_arn()) {
        found.push((arn, 1));
    }
    found
}

/// A target group's ARN and its weight; AWS takes an absent one as 1.
pub(super) fn share(tuple: &TargetGroupTuple) -> (&str, i32) {
    (tuple.target_group_arn().unwrap_or_default(), tuple.weight().unwrap_or(1))
}

/// What a listener or a rule gives to a target group that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// It is named with weight 0, beside others that get the traffic.
    Nothing,
    /// A part of the traffic.
    Weight(u32),
    /// All of it: it is the only one, or none has a weight and nobody knows which gets it.
    All,
}

/// Every target group that an action list names, and what it gets.
pub(super) fn shares(list: &[Action]) -> Vec<(&str, Share)> {
    let forwards = list.iter().filter(|a| a.r#type() == Some(&ActionTypeEnum::Forward));
    forwards
        .flat_map(|forward| {
            let groups = named(forward);
            let all = groups.len() == 1 || groups.iter().all(|(_, weight)| *weight <= 0);
            groups.into_iter().map(move |(arn, weight)| match u32::try_from(weight) {
                _ if all => (arn, Share::All),
                Ok(weight) if weight > 0 => (arn, Share::Weight(weight)),
                Ok(_) | Err(_) => (arn, Share::Nothing),
            })
        })
        .collect()
}

/// What an action list does, in words.
pub(super) fn in_words(list: &[Action], groups: &BTreeMap<Color, GroupPin>) -> String {
    if list.is_empty() {
        return "gone".into();
    }
    let parts: Vec<String> = list
        .iter()
        .map(|action| {
            if action.r#type() != Some(&ActionTypeEnum::Forward) {
                return describe(action);
            }
            let name = |arn: &str| {
                let color = groups.iter().find(|(_, group)| group.arn == arn).map(|(color, _)| color.to_string());
                color.unwrap_or_else(|| group_name(arn).unwrap_or(arn).to_owned())
            };
            let mut shares: Vec<_> =
                named(action).into_iter().map(|(arn, weight)| format!("{}={weight}", name(arn))).collect();
            shares.sort_unstable();
            let sticky = action.forward_config().and_then(ForwardActionConfig::target_group_stickiness_config);
            let sticky = sticky
                .filter(|s| s.enabled() == Some(true))
                .map(|s| format!(" with stickiness of {} s", s.duration_seconds().unwrap_or_default()));
            format!("a forward to {}{}", shares.join(", "), sticky.unwrap_or_default())
        })
        .collect();
    parts.join(", then ")
}

/// A target group's name, which stands in its ARN.
pub(super) fn group_name(arn: &str) -> Option<&str> {
    arn.split_once(":targetgroup/").and_then(|(_, rest)| rest.split('/').next())
}

/// What weights mean for the traffic. `weights` names at least one color.
pub(super) fn traffic(weights: BTreeMap<Color, u32>) -> Traffic {
    let idle_referenced = weights.len() > 1;
    let mut with_weight = weights.iter().filter(|(_, weight)| **weight > 0).map(|(color, _)| color);
    match (with_weight.next(), with_weight.next()) {
        (None, _) => Traffic::Nowhere,
        (Some(color), None) => Traffic::Only { color: color.clone(), idle_referenced },
        (Some(_), Some(_)) => Traffic::Split { weights },
    }
}

/// The same list with all traffic going to `winner`, and every other color's target group at weight 0.
///
/// The whole list is made anew, because a modify replaces it: authentication stays, with the client secret that AWS has
/// and does not show; the order stays. Whatever routed before becomes one forward to the colors. Every weight is
/// explicit, since AWS takes an absent one as 1.
pub(super) fn all_to(actions: &[Action], groups: &BTreeMap<Color, GroupPin>, winner: &Color) -> Vec<Action> {
    let mut list: Vec<Action> = actions.iter().filter(|a| !routes(a)).map(resend).collect();
    let old = actions.iter().find(|a| routes(a));
    let order = match old {
        Some(action) => action.order(),
        None => list.iter().filter_map(Action::order).max().map(|order| order + 1),
    };
    let stickiness =
        old.and_then(Action::forward_config).and_then(ForwardActionConfig::target_group_stickiness_config).map(|old| {
            TargetGroupStickinessConfig::builder().enabled(false).set_duration_seconds(old.duration_seconds()).build()
        });
    let tuples = groups.iter().map(|(color, group)| {
        let weight = if color == winner { WEIGHT_ALL } else { 0 };
        let weight = Some(weight).filter(|weight| *weight > 0 || !bug(Bug::OmitZeroWeight));
        TargetGroupTuple::builder().target_group_arn(&group.arn).set_weight(weight).build()
    });
    let config = ForwardActionConfig::builder()
        .set_target_groups(Some(tuples.collect()))
        .set_target_group_stickiness_config(stickiness)
        .build();
    list.push(Action::builder().r#type(ActionTypeEnum::Forward).set_order(order).forward_config(config).build());
    list
}

/// The same list with the traffic split in halves: what a planted bug sends in between.
pub(super) fn halves(mut list: Vec<Action>) -> Vec<Action> {
    let forwards = list.iter_mut().filter_map(|action| action.forward_config.as_mut());
    for group in forwards.flat_map(|config| config.target_groups.iter_mut().flatten()) {
        group.weight = Some(WEIGHT_ALL / 2);
    }
    list
}

/// Whether an action decides where a request goes; every list has exactly one that does, the last.
fn routes(action: &Action) -> bool {
    matches!(action.r#type(), Some(ActionTypeEnum::Forward | ActionTypeEnum::Redirect | ActionTypeEnum::FixedResponse))
}

/// An action as it can be sent: AWS never shows the OIDC client secret, and keeps it only when told so.
fn resend(action: &Action) -> Action {
    let mut action = action.clone();
    if let Some(oidc) = &mut action.authenticate_oidc_config {
        oidc.client_secret = None;
        oidc.use_existing_client_secret = Some(true);
    }
    action
}

fn describe(action: &Action) -> String {
    if let Some(redirect) = action.redirect_config() {
        return format!(
            "a redirect to {}://{}:{}{}",
            redirect.protocol().unwrap_or("#{protocol}"),
            redirect.host().unwrap_or("#{host}"),
            redirect.port().unwrap_or("#{port}"),
            redirect.path().unwrap_or("/#{path}"),
        );
    }
    match action.fixed_response_config() {
        Some(fixed) => format!("a fixed response with status {}", fixed.status_code().unwrap_or("unknown")),
        None => format!("an action of type {}", action.r#type().map_or("(none)", ActionTypeEnum::as_str)),
    }
}

#[cfg(test)]
mod tests;
