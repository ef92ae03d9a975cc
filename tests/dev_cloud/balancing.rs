//! Rules, listeners and groups: what AWS refuses, and how it reads back what it takes.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateOidcActionConfig, ForwardActionConfig, PathPatternConditionConfig,
    ProtocolEnum, RuleCondition, RulePriorityPair, TargetGroupTuple,
};
use switchback::dev::seed::Seed;

use super::support::{Rig, code, empty, forward, options};

fn path(value: &str) -> RuleCondition {
    let config = PathPatternConditionConfig::builder().values(value).build();
    RuleCondition::builder().field("path-pattern").path_pattern_config(config).build()
}

async fn rule(rig: &Rig, priority: i32, group: &str) -> String {
    let create = rig.elb.create_rule().listener_arn(&rig.world.listeners[0]).priority(priority);
    let made = create.conditions(path("/x")).actions(forward([(group, 1)])).send().await.unwrap();
    made.rules()[0].rule_arn().unwrap().to_owned()
}

#[tokio::test]
async fn forwards_are_read_back_with_weight_stickiness_and_a_scalar_only_for_one_group() {
    let rig = Rig::start(options(), empty()).await;
    let [blue, green] = &rig.world.target_groups;
    let listener = &rig.world.listeners[0];
    let scalar = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(blue).build();
    let one = rig.elb.modify_listener().listener_arn(listener).default_actions(scalar).send().await.unwrap();
    let action = &one.listeners()[0].default_actions()[0];
    let config = action.forward_config().unwrap();
    assert_eq!(action.target_group_arn(), Some(blue.as_str()));
    assert_eq!(config.target_groups()[0].weight(), Some(1));
    assert_eq!(config.target_group_stickiness_config().unwrap().enabled(), Some(false));

    let two = rig.elb.modify_listener().listener_arn(listener).default_actions(forward([(blue, 0), (green, 999)]));
    let two = two.send().await.unwrap();
    let action = &two.listeners()[0].default_actions()[0];
    assert_eq!(action.target_group_arn(), None);
    let weights: Vec<_> = action.forward_config().unwrap().target_groups().iter().map(|each| each.weight()).collect();
    assert_eq!(weights, [Some(0), Some(999)]);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn actions_that_cannot_be_are_refused_and_change_nothing() {
    let rig = Rig::start(options(), empty()).await;
    let [blue, green] = &rig.world.target_groups;
    let try_action = async |action: Action| {
        code(rig.elb.modify_listener().listener_arn(&rig.world.listeners[0]).default_actions(action).send().await)
    };
    assert_eq!(try_action(forward([(blue.as_str(), 1000)])).await, "ValidationError");
    assert_eq!(try_action(forward([(blue, 1), (blue, 1)])).await, "InvalidLoadBalancerAction");
    assert_eq!(try_action(forward([("arn:aws:none", 1)])).await, "TargetGroupNotFound");
    let unweighted = [blue, green].map(|arn| TargetGroupTuple::builder().target_group_arn(arn).build());
    let config = ForwardActionConfig::builder().set_target_groups(Some(unweighted.to_vec())).build();
    let unweighted = Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build();
    assert_eq!(try_action(unweighted).await, "ValidationError");
    let mut six = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let made =
            rig.elb.create_target_group().name(name).protocol(ProtocolEnum::Http).port(80).vpc_id(&rig.world.vpc);
        let made = made.send().await.unwrap();
        six.push(made.target_groups()[0].target_group_arn().unwrap().to_owned());
    }
    assert_eq!(try_action(forward(six.iter().map(|arn| (arn.as_str(), 1)))).await, "TooManyTargetGroups");
    let read = rig.elb.describe_listeners().listener_arns(&rig.world.listeners[0]).send().await.unwrap();
    let weights = read.listeners()[0].default_actions()[0].forward_config().unwrap().target_groups().to_vec();
    assert_eq!(weights.iter().map(|each| each.weight().unwrap()).collect::<Vec<_>>(), [100, 0]);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn the_default_rule_is_only_changed_through_its_listener() {
    let rig = Rig::start(options(), empty()).await;
    let found = rig.elb.describe_rules().listener_arn(&rig.world.listeners[0]).send().await.unwrap();
    let default = found.rules()[0].rule_arn().unwrap();
    assert_eq!((found.rules().len(), found.rules()[0].is_default()), (1, Some(true)));
    let action = forward([(rig.world.target_groups[0].as_str(), 1)]);
    let modify = rig.elb.modify_rule().rule_arn(default).actions(action).send().await;
    assert_eq!(code(modify), "OperationNotPermitted");
    assert_eq!(code(rig.elb.delete_rule().rule_arn(default).send().await), "OperationNotPermitted");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn priorities_are_unique_and_can_be_swapped_in_one_call() {
    let rig = Rig::start(options(), empty()).await;
    let blue = &rig.world.target_groups[0];
    let (first, second) = (rule(&rig, 1, blue).await, rule(&rig, 2, blue).await);
    let again = rig.elb.create_rule().listener_arn(&rig.world.listeners[0]).priority(2).conditions(path("/y"));
    assert_eq!(code(again.actions(forward([(blue.as_str(), 1)])).send().await), "PriorityInUse");

    let pair = |arn: &str, priority| RulePriorityPair::builder().rule_arn(arn).priority(priority).build();
    let alone = rig.elb.set_rule_priorities().rule_priorities(pair(&first, 2)).send().await;
    assert_eq!(code(alone), "PriorityInUse");
    let swap = rig.elb.set_rule_priorities().rule_priorities(pair(&first, 2)).rule_priorities(pair(&second, 1));
    swap.send().await.unwrap();
    let found = rig.elb.describe_rules().listener_arn(&rig.world.listeners[0]).send().await.unwrap();
    let order: Vec<_> = found.rules().iter().filter_map(|rule| rule.rule_arn()).collect();
    assert_eq!(order[..2], [second.as_str(), first.as_str()]);
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repeat() {
    let rig = Rig::start(options(), empty()).await;
    for priority in 1..=5 {
        rule(&rig, priority, &rig.world.target_groups[0]).await;
    }
    let pages = rig.elb.describe_rules().listener_arn(&rig.world.listeners[0]).page_size(2).into_paginator().send();
    let pages = pages.try_collect().await.unwrap();
    let priorities: Vec<Vec<_>> =
        pages.iter().map(|page| page.rules().iter().filter_map(|rule| rule.priority()).collect()).collect();
    assert_eq!(priorities, [vec!["1", "2"], vec!["3", "4"], vec!["5", "default"]]);
    let made_up = rig.elb.describe_rules().listener_arn(&rig.world.listeners[0]).marker("made-up").send().await;
    assert_eq!(code(made_up), "ValidationError");
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn creations_are_idempotent_and_refuse_the_same_name_with_other_settings() {
    let rig = Rig::start(options(), empty()).await;
    let group =
        |port| rig.elb.create_target_group().name("g").protocol(ProtocolEnum::Http).port(port).vpc_id(&rig.world.vpc);
    let (one, two) = (group(80).send().await.unwrap(), group(80).send().await.unwrap());
    assert_eq!(one.target_groups()[0].target_group_arn(), two.target_groups()[0].target_group_arn());
    assert_eq!(code(group(81).send().await), "DuplicateTargetGroupName");
    let balancer = rig.elb.create_load_balancer().name("shop").subnets(&rig.world.subnets[0]);
    assert_eq!(code(balancer.clone().send().await), "ValidationError", "one zone is not enough");
    assert_eq!(code(balancer.subnets(&rig.world.subnets[1]).send().await), "DuplicateLoadBalancerName");
    let listener = rig.elb.create_listener().load_balancer_arn(&rig.world.load_balancers[0]).port(8080);
    let listener = listener.protocol(ProtocolEnum::Http);
    let [blue, green] = &rig.world.target_groups;
    let same = listener.clone().default_actions(forward([(blue, 100), (green, 0)])).send().await.unwrap();
    assert_eq!(same.listeners()[0].listener_arn(), Some(rig.world.listeners[0].as_str()));
    let other = listener.default_actions(forward([(blue.as_str(), 1)])).send().await;
    assert_eq!(code(other), "DuplicateListener");
    for name in ["-x", "x-", "x_y", "a-name-of-more-than-thirty-two-characters"] {
        let refused = rig.elb.create_target_group().name(name).protocol(ProtocolEnum::Http).port(80);
        assert_eq!(code(refused.vpc_id(&rig.world.vpc).send().await), "ValidationError", "{name}");
    }
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn a_group_belongs_to_one_load_balancer_and_cannot_be_deleted_while_a_rule_refers_to_it() {
    let rig = Rig::start(options(), empty()).await;
    let [blue, green] = &rig.world.target_groups;
    let other = rig.elb.create_load_balancer().name("other").set_subnets(Some(rig.world.subnets.to_vec()));
    let other = other.send().await.unwrap().load_balancers()[0].load_balancer_arn().unwrap().to_owned();
    let listener = rig.elb.create_listener().load_balancer_arn(other).protocol(ProtocolEnum::Http).port(8080);
    let listener = listener.default_actions(forward([(green.as_str(), 1)])).send().await;
    assert_eq!(code(listener), "TargetGroupAssociationLimit");
    assert_eq!(code(rig.elb.delete_target_group().target_group_arn(green).send().await), "ResourceInUse");
    let modify = rig.elb.modify_listener().listener_arn(&rig.world.listeners[0]);
    modify.default_actions(forward([(blue.as_str(), 1)])).send().await.unwrap();
    rig.elb.delete_target_group().target_group_arn(green).send().await.unwrap();
    let gone = rig.elb.describe_target_groups().target_group_arns(green).send().await;
    assert_eq!(code(gone), "TargetGroupNotFound");
    rig.elb.delete_target_group().target_group_arn(green).send().await.unwrap();
    rig.cloud.shutdown().await;
}

#[tokio::test]
async fn authentication_before_a_forward_is_kept_and_its_secret_is_never_told() {
    let certificate = "arn:aws:acm:eu-west-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef";
    let rig = Rig::start(options(), Seed { certificate: Some(certificate.to_owned()), ..empty() }).await;
    let arn = rule(&rig, 1, &rig.world.target_groups[0]).await;
    let oidc = || {
        AuthenticateOidcActionConfig::builder()
            .issuer("https://issuer")
            .authorization_endpoint("https://a")
            .token_endpoint("https://t")
            .user_info_endpoint("https://u")
            .client_id("client")
    };
    let action = |config| {
        let config: AuthenticateOidcActionConfig = config;
        Action::builder().r#type(ActionTypeEnum::AuthenticateOidc).order(1).authenticate_oidc_config(config).build()
    };
    let last = || {
        let group = rig.world.target_groups[0].as_str();
        let config = ForwardActionConfig::builder();
        let config =
            config.target_groups(TargetGroupTuple::builder().target_group_arn(group).weight(1).build()).build();
        Action::builder().r#type(ActionTypeEnum::Forward).order(2).forward_config(config).build()
    };
    let modify = async |first: Action| rig.elb.modify_rule().rule_arn(&arn).actions(first).actions(last()).send().await;
    let kept = || action(oidc().use_existing_client_secret(true).build());
    assert_eq!(code(modify(kept()).await), "InvalidLoadBalancerAction", "there is no secret to keep yet");
    assert_eq!(code(modify(action(oidc().build())).await), "InvalidLoadBalancerAction");
    modify(action(oidc().client_secret("hush").build())).await.unwrap();
    modify(kept()).await.unwrap();
    let read = rig.elb.describe_rules().rule_arns(&arn).send().await.unwrap();
    let actions = read.rules()[0].actions();
    let config = actions[0].authenticate_oidc_config().unwrap();
    assert_eq!((config.client_id(), config.client_secret(), config.scope()), (Some("client"), None, Some("openid")));
    assert_eq!(actions[1].order(), Some(2));
    rig.cloud.shutdown().await;
}
