//! `SetRulePriorities`: many at once, compared as a set, so that rules can swap places.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::rules::{answer, check_priority};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::ApiError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Set {
    rule_priorities: Vec<Pair>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Pair {
    rule_arn: String,
    priority: u32,
}

pub(super) fn set(ctx: &mut Ctx<'_>, input: Set) -> Answer {
    let elb = &mut ctx.region.elb;
    let (mut wanted, mut listeners) = (BTreeMap::new(), BTreeSet::new());
    for pair in input.rule_priorities {
        check_priority(pair.priority)?;
        let (listener, _) = elb.changeable(&pair.rule_arn, "moved")?;
        listeners.insert(listener.to_owned());
        if wanted.insert(pair.rule_arn, pair.priority).is_some() {
            return Err(ApiError::validation("A rule can only be specified once"));
        }
    }
    for listener in &listeners {
        let mut taken = BTreeSet::new();
        for rule in &elb.listener(listener)?.rules {
            let priority = wanted.get(&rule.arn).copied().or(rule.priority);
            if !taken.insert(priority) {
                let priority = priority.unwrap_or_default();
                return Err(ApiError::new("PriorityInUse", format!("Priority '{priority}' is currently in use")));
            }
        }
    }
    for (arn, priority) in &wanted {
        elb.rule_mut(arn)?.priority = Some(*priority);
    }
    for listener in &listeners {
        elb.publish(ctx.cloud, listener);
    }
    let moved = wanted.keys().map(|arn| elb.rule(arn).map(|(_, rule)| rule));
    Ok(answer(moved.collect::<Result<Vec<_>, _>>()?))
}
