//! Every sort of action list, and the list that is sent back.

use aws_sdk_elasticloadbalancingv2::types::{
    AuthenticateCognitoActionConfig, AuthenticateOidcActionConfig, FixedResponseActionConfig,
    JwtValidationActionConfig, RedirectActionConfig,
};

use super::*;

fn groups() -> BTreeMap<Color, GroupPin> {
    ["blue", "green"]
        .map(|c| (Color::new(c), GroupPin { arn: arn(c), port: 80, deregistration_delay_seconds: 30 }))
        .into()
}

fn arn(name: &str) -> String {
    format!("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/shop-{name}/0")
}

fn blue() -> Color {
    Color::new("blue")
}

fn config(tuples: &[(&str, Option<i32>)]) -> ForwardActionConfig {
    let tuples = tuples
        .iter()
        .map(|(c, w)| TargetGroupTuple::builder().target_group_arn(arn(c)).set_weight(*w).build())
        .collect();
    ForwardActionConfig::builder().set_target_groups(Some(tuples)).build()
}

fn forward(tuples: &[(&str, Option<i32>)]) -> Action {
    Action::builder().r#type(ActionTypeEnum::Forward).order(2).forward_config(config(tuples)).build()
}

fn sticky(enabled: bool, tuples: &[(&str, Option<i32>)]) -> Action {
    let mut action = forward(tuples);
    if let Some(config) = &mut action.forward_config {
        let stickiness = TargetGroupStickinessConfig::builder().enabled(enabled).duration_seconds(3600).build();
        config.target_group_stickiness_config = Some(stickiness);
    }
    action
}

fn redirect() -> Action {
    let config = RedirectActionConfig::builder().protocol("HTTPS").host("#{host}").port("443").path("/gone").build();
    Action::builder().r#type(ActionTypeEnum::Redirect).order(2).redirect_config(config).build()
}

fn fixed() -> Action {
    let config = FixedResponseActionConfig::builder().status_code("503").build();
    Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(config).build()
}

fn oidc() -> Action {
    let config = AuthenticateOidcActionConfig::builder()
        .issuer("https://login.example.com")
        .client_id("shop")
        .client_secret("never to be sent")
        .session_timeout(3600)
        .build();
    Action::builder().r#type(ActionTypeEnum::AuthenticateOidc).order(1).authenticate_oidc_config(config).build()
}

fn cognito() -> Action {
    let config = AuthenticateCognitoActionConfig::builder().user_pool_arn("arn:pool").scope("openid").build();
    Action::builder().r#type(ActionTypeEnum::AuthenticateCognito).order(1).authenticate_cognito_config(config).build()
}

fn jwt() -> Action {
    let config = JwtValidationActionConfig::builder().issuer("https://login.example.com").build();
    Action::builder().r#type(ActionTypeEnum::JwtValidation).order(1).jwt_validation_config(config).build()
}

fn seen(list: &[Action]) -> Result<Traffic, Foreign> {
    weights(list, &groups()).map(traffic)
}

fn only(color: &str, idle_referenced: bool) -> Result<Traffic, Foreign> {
    Ok(Traffic::Only { color: Color::new(color), idle_referenced })
}

#[test]
fn every_pair_of_weights_means_what_aws_makes_of_it() {
    // Absent counts as 1: a weight 0 that got lost on the way is half of the traffic.
    for blue_weight in [None, Some(0), Some(1), Some(999)] {
        for green_weight in [None, Some(0), Some(1), Some(999)] {
            let seen = seen(&[forward(&[("blue", blue_weight), ("green", green_weight)])]);
            let expected = match (blue_weight.unwrap_or(1), green_weight.unwrap_or(1)) {
                (0, 0) => Ok(Traffic::Nowhere),
                (_, 0) => only("blue", true),
                (0, _) => only("green", true),
                (b, g) => {
                    let weight = |w: i32| u32::try_from(w).expect("not negative");
                    let weights = [(blue(), weight(b)), (Color::new("green"), weight(g))].into();
                    Ok(Traffic::Split { weights })
                }
            };
            assert_eq!(seen, expected, "blue={blue_weight:?} green={green_weight:?}");
        }
    }
}

#[test]
fn the_order_of_the_target_groups_means_nothing() {
    assert_eq!(seen(&[forward(&[("green", Some(0)), ("blue", Some(5))])]), only("blue", true));
}

#[test]
fn a_single_target_group_is_read_in_each_of_its_three_forms() {
    let scalar = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(arn("blue")).build();
    let mut both = scalar.clone();
    both.forward_config = Some(config(&[("blue", Some(1))]));
    for action in [scalar, both, forward(&[("blue", None)])] {
        assert_eq!(seen(std::slice::from_ref(&action)), only("blue", false), "{action:?}");
    }
    assert_eq!(seen(&[forward(&[("blue", Some(0))])]), Ok(Traffic::Nowhere));
}

#[test]
fn authentication_before_the_forward_does_not_matter() {
    for first in [oidc(), cognito(), jwt()] {
        assert_eq!(seen(&[first, forward(&[("blue", Some(1)), ("green", Some(0))])]), only("blue", true));
    }
}

#[test]
fn a_third_target_group_is_foreign_even_at_weight_0() {
    for weight in [None, Some(0), Some(7)] {
        let seen = seen(&[forward(&[("blue", Some(1)), ("canary", weight)])]);
        assert_eq!(seen, Err(Foreign::Group { arn: arn("canary"), weight: weight.unwrap_or(1) }));
    }
}

#[test]
fn anything_but_one_forward_is_foreign_and_named() {
    let what = |list: &[Action]| match seen(list) {
        Err(Foreign::NotForward { what }) => what,
        other => panic!("{other:?}"),
    };
    assert_eq!(what(&[oidc(), redirect()]), "a redirect to HTTPS://#{host}:443/gone");
    assert_eq!(what(&[fixed()]), "a fixed response with status 503");
    assert_eq!(what(&[]), "no forward action");
    assert_eq!(what(&[oidc()]), "no forward action");
    assert_eq!(what(&[forward(&[])]), "a forward action without a target group");
    let one = forward(&[("blue", None)]);
    assert_eq!(what(&[one.clone(), one]), "two forward actions");
}

#[test]
fn an_action_that_could_not_be_sent_back_is_foreign() {
    let newer = Action::builder().r#type(ActionTypeEnum::from("authenticate-magic")).build();
    let seen = seen(&[newer, forward(&[("blue", None)])]);
    assert_eq!(seen, Err(Foreign::UnknownAction { kind: "authenticate-magic".into() }));
}

#[test]
fn group_stickiness_is_foreign_when_on_and_nothing_when_off() {
    let tuples = &[("blue", Some(1)), ("green", Some(0))];
    assert_eq!(seen(&[sticky(true, tuples)]), Err(Foreign::Sticky { seconds: 3600 }));
    assert_eq!(seen(&[sticky(false, tuples)]), only("blue", true));
}

/// The weights that a list gives, as they are sent: absent stays absent.
fn sent(list: &[Action]) -> Vec<(String, Option<i32>)> {
    let forward = list.last().and_then(Action::forward_config).expect("the last action forwards");
    forward.target_groups().iter().map(|t| (t.target_group_arn().unwrap_or_default().into(), t.weight())).collect()
}

#[test]
fn the_list_that_is_sent_has_both_groups_with_explicit_weights_and_no_scalar_group() {
    let scalar = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(arn("green")).build();
    for old in [
        scalar,
        forward(&[("blue", None)]),
        forward(&[("green", Some(9)), ("blue", Some(0))]),
        forward(&[("blue", Some(0)), ("green", Some(0))]),
        forward(&[("canary", Some(3)), ("blue", Some(1))]),
        redirect(),
        fixed(),
    ] {
        let list = all_to(std::slice::from_ref(&old), &groups(), &blue());
        assert_eq!(sent(&list), [(arn("blue"), Some(100)), (arn("green"), Some(0))], "{old:?}");
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].target_group_arn(), None);
        assert_eq!(list[0].order(), old.order());
        assert_eq!(seen(&list), only("blue", true));
    }
}

#[test]
fn authentication_is_sent_back_as_it_was_with_the_secret_that_aws_has() {
    for first in [cognito(), jwt()] {
        let list = all_to(&[first.clone(), forward(&[("blue", Some(1))])], &groups(), &blue());
        assert_eq!(list[0], first);
        assert_eq!(list[1].order(), Some(2));
    }
    let list = all_to(&[oidc(), forward(&[("blue", Some(1))])], &groups(), &blue());
    let config = list[0].authenticate_oidc_config().expect("still there");
    assert_eq!(config.client_secret(), None);
    assert_eq!(config.use_existing_client_secret(), Some(true));
    assert_eq!((config.issuer(), config.session_timeout()), (Some("https://login.example.com"), Some(3600)));
}

#[test]
fn the_routing_action_comes_last_also_where_there_was_none() {
    let list = all_to(&[oidc()], &groups(), &blue());
    assert_eq!(list.iter().map(Action::order).collect::<Vec<_>>(), [Some(1), Some(2)]);
}

#[test]
fn stickiness_that_is_off_is_kept_with_its_duration() {
    let list = all_to(&[sticky(false, &[("blue", None)])], &groups(), &blue());
    let kept = list[0].forward_config().and_then(|c| c.target_group_stickiness_config()).expect("kept");
    assert_eq!((kept.enabled(), kept.duration_seconds()), (Some(false), Some(3600)));
}

#[test]
fn the_command_for_a_person_holds_the_whole_list_and_no_secret() {
    let list = all_to(&[oidc(), redirect()], &groups(), &blue());
    let command = crate::cloud::cli::actions(&list);
    let sent: serde_json::Value = serde_json::from_str(&command).expect("JSON");
    assert!(!command.contains("never to be sent"));
    assert_eq!(
        sent,
        serde_json::json!([
            {
                "Type": "authenticate-oidc", "Order": 1,
                "AuthenticateOidcConfig": {
                    "Issuer": "https://login.example.com", "ClientId": "shop", "SessionTimeout": 3600,
                    "UseExistingClientSecret": true,
                },
            },
            {
                "Type": "forward", "Order": 2,
                "ForwardConfig": { "TargetGroups": [
                    { "TargetGroupArn": arn("blue"), "Weight": 100 },
                    { "TargetGroupArn": arn("green"), "Weight": 0 },
                ] },
            },
        ])
    );
}
