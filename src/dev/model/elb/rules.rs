//! Rules of listeners. The default rule is last, has no conditions and is changed through its listener.

use serde::{Deserialize, Serialize};

use super::actions::{ActionIn, Actions};
use super::condition_in::{self, ConditionIn};
use super::conditions::Condition;
use super::forward::{Forward, Place};
use super::protocols::Kind;
use super::transforms::{self, Transform, TransformIn};
use super::{Elb, limits, paged, tagging};
use crate::dev::cloud::Cloud;
use crate::dev::model::tags::{Tag, Tags};
use crate::dev::model::{Answer, Ctx};
use crate::dev::wire::{ApiError, Xml};

/// A rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(super) arn: String,
    /// 1 to 50,000; `None` is the default rule.
    pub(super) priority: Option<u32>,
    pub(super) conditions: Vec<Condition>,
    pub(super) actions: Actions,
    pub(super) transforms: Vec<Transform>,
    pub(super) tags: Tags,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Create {
    listener_arn: String,
    priority: u32,
    #[serde(default)]
    conditions: Vec<ConditionIn>,
    actions: Vec<ActionIn>,
    #[serde(default)]
    transforms: Vec<TransformIn>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Modify {
    rule_arn: String,
    conditions: Option<Vec<ConditionIn>>,
    actions: Option<Vec<ActionIn>>,
    transforms: Option<Vec<TransformIn>>,
    reset_transforms: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Describe {
    listener_arn: Option<String>,
    #[serde(default)]
    rule_arns: Vec<String>,
    marker: Option<String>,
    page_size: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
pub(super) struct Delete {
    rule_arn: String,
}

impl Rule {
    pub(super) fn new(
        cloud: &Cloud,
        listener: &str,
        priority: Option<u32>,
        conditions: Vec<Condition>,
        actions: Actions,
    ) -> Self {
        let arn = format!("{}/{}", listener.replacen(":listener/", ":listener-rule/", 1), cloud.chance.arn_suffix());
        Self { arn, priority, conditions, actions, transforms: Vec::new(), tags: Tags::new() }
    }
}

pub(super) fn not_found() -> ApiError {
    ApiError::new("RuleNotFound", "One or more rules not found")
}

pub(super) fn check_priority(priority: u32) -> Result<(), ApiError> {
    if (1..=50_000).contains(&priority) {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "1 validation error detected: Value '{priority}' at 'priority' failed to satisfy constraint: Member must have \
         value between 1 and 50000"
    )))
}

impl Elb {
    /// The listener's ARN and the rule.
    pub(super) fn rule(&self, arn: &str) -> Result<(&str, &Rule), ApiError> {
        let all = self.listeners.values().flat_map(|listener| {
            listener.rules.iter().chain([&listener.default]).map(|rule| (listener.arn.as_str(), rule))
        });
        all.into_iter().find(|(_, rule)| rule.arn == arn).ok_or_else(not_found)
    }

    pub(super) fn rule_mut(&mut self, arn: &str) -> Result<&mut Rule, ApiError> {
        let all =
            self.listeners.values_mut().flat_map(|listener| listener.rules.iter_mut().chain([&mut listener.default]));
        all.into_iter().find(|rule| rule.arn == arn).ok_or_else(not_found)
    }

    /// All rules that forward, of all listeners.
    pub(super) fn forwards(&self) -> impl Iterator<Item = (&Rule, &Forward)> {
        let rules = self.listeners.values().flat_map(super::listeners::Listener::all_rules);
        rules.filter_map(|rule| Some((rule, rule.actions.forward()?)))
    }

    /// The listener's ARN and the rule, which is not the default rule.
    pub(super) fn changeable(&self, arn: &str, verb: &str) -> Result<(&str, &Rule), ApiError> {
        let (listener, rule) = self.rule(arn)?;
        if rule.priority.is_none() {
            return Err(ApiError::new("OperationNotPermitted", format!("Default rule '{arn}' cannot be {verb}")));
        }
        Ok((listener, rule))
    }
}

pub(super) fn create(ctx: &mut Ctx<'_>, input: Create) -> Answer {
    let elb = &mut ctx.region.elb;
    let listener = elb.listener(&input.listener_arn)?;
    let balancer = elb.balancer(&listener.balancer)?;
    if balancer.kind == Kind::Network {
        return Err(ApiError::new(
            "InvalidConfigurationRequest",
            format!("Rules are not supported on listeners of load balancers with type '{}'", balancer.kind.name()),
        ));
    }
    check_priority(input.priority)?;
    let conditions = condition_in::read(input.conditions)?;
    let transforms = transforms::read(input.transforms)?;
    let actions = Actions::read(input.actions, None)?;
    actions.check(elb, &Place { balancer: &listener.balancer, protocol: listener.protocol, replaces: None })?;
    if listener.rules.iter().any(|rule| rule.priority == Some(input.priority)) {
        return Err(ApiError::new("PriorityInUse", format!("Priority '{}' is currently in use", input.priority)));
    }
    let siblings = elb.listeners.values().filter(|other| other.balancer == listener.balancer);
    let count = siblings.map(|each| each.rules.len()).sum::<usize>() + 1;
    limits::check(count, limits::RULES, "TooManyRules", || {
        format!(
            "The maximum number of rules has been reached on load balancer '{}': '{}'",
            listener.balancer,
            limits::RULES
        )
    })?;
    let mut rule = Rule::new(ctx.cloud, &listener.arn, Some(input.priority), conditions, actions);
    rule.transforms = transforms;
    tagging::put(&mut rule.tags, &input.tags)?;
    let xml = answer([&rule]);
    elb.listener_mut(&input.listener_arn)?.rules.push(rule);
    elb.publish(ctx.cloud, &input.listener_arn);
    Ok(xml)
}

pub(super) fn answer<'a>(rules: impl IntoIterator<Item = &'a Rule>) -> Xml {
    let mut xml = Xml::default();
    xml.list("Rules", "member", rules, write);
    xml
}

fn write(xml: &mut Xml, rule: &Rule) {
    xml.leaf("RuleArn", &rule.arn);
    match rule.priority {
        Some(priority) => xml.leaf("Priority", priority),
        None => xml.leaf("Priority", "default"),
    };
    xml.list("Conditions", "member", &rule.conditions, |xml, condition| condition.write(xml));
    rule.actions.write(xml, "Actions");
    xml.list("Transforms", "member", &rule.transforms, |xml, transform| transform.write(xml));
    xml.leaf("IsDefault", rule.priority.is_none());
}

pub(super) fn describe(ctx: &mut Ctx<'_>, input: Describe) -> Answer {
    let elb = &ctx.region.elb;
    match (&input.listener_arn, input.rule_arns.is_empty()) {
        (None, true) => {
            return Err(ApiError::validation("You must specify either listener rule ARNs or a listener ARN"));
        }
        (Some(_), false) => {
            return Err(ApiError::validation(
                "Listener rule ARNs and a listener ARN cannot be specified at the same time",
            ));
        }
        (Some(_), true) | (None, false) => {}
    }
    let mut found: Vec<&Rule> = Vec::new();
    for arn in &input.rule_arns {
        found.push(elb.rule(arn)?.1);
    }
    if let Some(arn) = &input.listener_arn {
        let listener = elb.listener(arn)?;
        found.extend(&listener.rules);
        found.sort_by_key(|rule| rule.priority);
        found.push(&listener.default);
    }
    let pages = (input.marker.as_deref(), input.page_size);
    paged(found, |rule: &&Rule| rule.arn.clone(), pages, "Rules", write)
}

/// Replaces conditions and actions that are given; the others stay. Nobody's change is compared with anybody's: the
/// last writer wins, as on AWS.
pub(super) fn modify(ctx: &mut Ctx<'_>, input: Modify) -> Answer {
    let elb = &mut ctx.region.elb;
    let (listener, rule) = elb.changeable(&input.rule_arn, "modified")?;
    let listener = listener.to_owned();
    if input.reset_transforms == Some(true) && input.transforms.is_some() {
        return Err(ApiError::validation("You cannot specify both Transforms and ResetTransforms"));
    }
    if input.conditions.is_none()
        && input.actions.is_none()
        && input.transforms.is_none()
        && input.reset_transforms != Some(true)
    {
        return Err(ApiError::validation("Either conditions or actions must be specified"));
    }
    let conditions = input.conditions.map(condition_in::read).transpose()?;
    let transforms = input.transforms.map(transforms::read).transpose()?;
    let actions = input.actions.map(|given| Actions::read(given, Some(&rule.actions))).transpose()?;
    if let Some(actions) = &actions {
        let on = elb.listener(&listener)?;
        let place = Place { balancer: &on.balancer, protocol: on.protocol, replaces: Some(&input.rule_arn) };
        actions.check(elb, &place)?;
    }
    let rule = elb.rule_mut(&input.rule_arn)?;
    if let Some(conditions) = conditions {
        rule.conditions = conditions;
    }
    if let Some(actions) = actions {
        rule.actions = actions;
    }
    if let Some(transforms) = transforms {
        rule.transforms = transforms;
    }
    if input.reset_transforms == Some(true) {
        rule.transforms.clear();
    }
    let xml = answer([&*rule]);
    elb.publish(ctx.cloud, &listener);
    Ok(xml)
}

pub(super) fn delete(ctx: &mut Ctx<'_>, input: Delete) -> Answer {
    let elb = &mut ctx.region.elb;
    let listener = elb.changeable(&input.rule_arn, "deleted")?.0.to_owned();
    elb.listener_mut(&listener)?.rules.retain(|rule| rule.arn != input.rule_arn);
    elb.publish(ctx.cloud, &listener);
    Ok(Xml::default())
}
