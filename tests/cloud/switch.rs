//! The switch that is a listener's: read, written, and everything that it may hold and must not.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateOidcActionConfig, FixedResponseActionConfig, ForwardActionConfig, ProtocolEnum,
    RedirectActionConfig, RedirectActionStatusCodeEnum, TargetGroupStickinessConfig, TargetGroupTuple,
};
use switchback::dev::seed::SeedSwitch;
use switchback::release::{Problem, SwitchPin, Traffic};

use super::support::{World, blue, green, refusal, rule, secure_world, world};

fn forward(tuples: &[(&str, i32)]) -> Action {
    let tuples = tuples
        .iter()
        .map(|(arn, weight)| TargetGroupTuple::builder().target_group_arn(*arn).weight(*weight).build())
        .collect();
    let config = ForwardActionConfig::builder().set_target_groups(Some(tuples)).build();
    Action::builder().r#type(ActionTypeEnum::Forward).order(1).forward_config(config).build()
}

fn redirect() -> Action {
    let config =
        RedirectActionConfig::builder().host("elsewhere.test").status_code(RedirectActionStatusCodeEnum::Http302);
    Action::builder().r#type(ActionTypeEnum::Redirect).order(1).redirect_config(config.build()).build()
}

fn only(color: switchback::release::Color) -> Traffic {
    Traffic::Only { color, idle_referenced: true }
}

impl World {
    /// Somebody else writes this into the rule.
    async fn write(&self, action: Action) {
        let rule = self.seeded.rule.as_ref().expect("a rule");
        self.elb.modify_rule().rule_arn(rule).actions(action).send().await.expect("AWS takes it");
    }

    async fn traffic(&self) -> Traffic {
        self.cloud.traffic(&self.pins().await).await.expect("an answer").traffic
    }

    async fn foreign(&self) -> Problem {
        match self.traffic().await {
            Traffic::Foreign { problem } => problem,
            other => panic!("{other:?}"),
        }
    }

    /// Runs what a message says to run: `aws elbv2 modify-rule` with its whole action list.
    async fn run(&self, command: &str) {
        let list = command.split_once("--actions '").and_then(|(_, rest)| rest.split_once('\'')).expect("actions").0;
        let list: serde_json::Value = serde_json::from_str(list).expect("JSON");
        assert!(command.starts_with("aws elbv2 modify-rule --rule-arn arn:"), "{command}");
        let tuples: Vec<_> = list[0]["ForwardConfig"]["TargetGroups"]
            .as_array()
            .expect("target groups")
            .iter()
            .map(|t| (t["TargetGroupArn"].as_str().expect("ARN"), t["Weight"].as_i64().expect("explicit") as i32))
            .collect();
        self.write(forward(&tuples)).await;
    }
}

#[tokio::test]
async fn a_flip_and_the_way_back_are_one_write_each_and_read_back_as_they_were_meant() {
    for switch in [SeedSwitch::DefaultAction, rule()] {
        let world = world(switch).await;
        let pins = world.pins().await;
        world.dev.forget_calls();
        for (from, to) in [(blue(), green()), (green(), blue())] {
            let reading = world.cloud.traffic(&pins).await.expect("an answer");
            assert_eq!(reading.traffic, only(from.clone()));
            assert_eq!(world.cloud.flip(&pins, &reading, &from, &to).await, Ok(None));
            let after = world.cloud.traffic(&pins).await.expect("an answer");
            assert_eq!(after.traffic, only(to));
        }
        let writes: u64 = world.dev.calls().iter().filter(|(o, _)| o.starts_with("elbv2:Modify")).map(|(_, n)| n).sum();
        assert_eq!(writes, 2, "{:?}", world.dev.calls());
        assert_eq!(world.dev.calls().values().sum::<u64>(), 6);
        world.dev.shutdown().await;
    }
}

#[tokio::test]
async fn the_rule_keeps_its_conditions_and_its_priority_over_a_flip() {
    let world = world(rule()).await;
    let look = async || {
        let rules = world.elb.describe_rules().rule_arns(world.seeded.rule.as_ref().expect("a rule")).send().await;
        let rule = rules.expect("an answer").rules.unwrap_or_default().remove(0);
        (rule.priority, rule.conditions)
    };
    let before = look().await;
    let pins = world.pins().await;
    let reading = world.cloud.traffic(&pins).await.expect("an answer");
    world.cloud.flip(&pins, &reading, &blue(), &green()).await.expect("flipped");
    assert_eq!(look().await, before);
    world.dev.shutdown().await;
}

#[tokio::test]
async fn an_idle_color_joins_at_weight_0_once() {
    let world = world(rule()).await;
    world.write(forward(&[(&world.seeded.target_groups[0], 1)])).await;
    let pins = world.pins().await;
    let reading = world.cloud.traffic(&pins).await.expect("an answer");
    assert_eq!(reading.traffic, Traffic::Only { color: blue(), idle_referenced: false });
    world.cloud.reference(&pins, &reading, &blue(), &green()).await.expect("referenced");
    let reading = world.cloud.traffic(&pins).await.expect("an answer");
    assert_eq!(reading.traffic, only(blue()));
    world.dev.forget_calls();
    world.cloud.reference(&pins, &reading, &blue(), &green()).await.expect("nothing to do");
    assert!(world.dev.calls().is_empty(), "{:?}", world.dev.calls());
    let said = refusal(world.cloud.reference(&pins, &reading, &green(), &blue()).await);
    assert!(said.contains("all traffic goes to blue; expected all traffic on green"), "{said}");
    world.dev.shutdown().await;
}

#[tokio::test]
async fn a_split_and_nowhere_are_told_apart_and_the_repair_that_is_named_works() {
    let world = world(rule()).await;
    let [a, b] = world.seeded.target_groups.clone();
    for (weights, described) in [((50, 50), "the traffic is split: blue=50, green=50"), ((0, 0), "every weight is 0")] {
        world.write(forward(&[(&a, weights.0), (&b, weights.1)])).await;
        let pins = world.pins().await;
        let reading = world.cloud.traffic(&pins).await.expect("an answer");
        assert_eq!(reading.traffic.describe(), described);
        world.run(&world.cloud.repair(&pins, &reading, &green()).expect("a command")).await;
        assert_eq!(world.traffic().await, only(green()));
    }
    world.dev.shutdown().await;
}

#[tokio::test]
async fn a_third_target_group_is_foreign_is_never_written_and_the_repair_that_is_named_works() {
    let world = world(rule()).await;
    let made = world
        .elb
        .create_target_group()
        .name("canary")
        .protocol(ProtocolEnum::Http)
        .port(8080)
        .vpc_id(&world.seeded.vpc)
        .send()
        .await
        .expect("a third group");
    let canary = made.target_groups()[0].target_group_arn().expect("an ARN").to_owned();
    world.write(forward(&[(&world.seeded.target_groups[0], 90), (&canary, 10)])).await;
    let pins = world.pins().await;
    let reading = world.cloud.traffic(&pins).await.expect("an answer");
    let said = refusal(world.cloud.flip(&pins, &reading, &blue(), &green()).await);
    assert!(said.contains(&format!("the target group canary ({canary}) with weight 10")), "{said}");
    refusal(world.cloud.reference(&pins, &reading, &blue(), &green()).await);
    let problem = world.foreign().await;
    assert!(problem.run[0].ends_with("# all traffic to blue") && problem.run[1].ends_with("# all traffic to green"));
    world.run(&problem.run[0]).await;
    assert_eq!(world.traffic().await, only(blue()));
    world.dev.shutdown().await;
}

#[tokio::test]
async fn a_redirect_and_a_fixed_response_are_foreign() {
    let world = world(rule()).await;
    world.write(redirect()).await;
    let problem = world.foreign().await;
    assert!(
        problem.saw.contains("the rule holds a redirect to") && problem.saw.contains("elsewhere.test"),
        "{problem}"
    );
    let config = FixedResponseActionConfig::builder().status_code("503").content_type("text/plain").build();
    world
        .write(Action::builder().r#type(ActionTypeEnum::FixedResponse).order(1).fixed_response_config(config).build())
        .await;
    let problem = world.foreign().await;
    assert!(problem.saw.contains("a fixed response with status 503"), "{problem}");
    world.run(&problem.run[1]).await;
    assert_eq!(world.traffic().await, only(green()));
    world.dev.shutdown().await;
}

#[tokio::test]
async fn authentication_before_the_forward_survives_a_flip_with_the_secret_that_aws_has() {
    let world = secure_world(rule()).await;
    let config = AuthenticateOidcActionConfig::builder()
        .issuer("https://login.test")
        .authorization_endpoint("https://login.test/authorize")
        .token_endpoint("https://login.test/token")
        .user_info_endpoint("https://login.test/user")
        .client_id("shop")
        .client_secret("known to AWS alone")
        .session_timeout(1234)
        .build();
    let first =
        Action::builder().r#type(ActionTypeEnum::AuthenticateOidc).order(1).authenticate_oidc_config(config).build();
    let mut last = forward(&[(&world.seeded.target_groups[0], 100), (&world.seeded.target_groups[1], 0)]);
    last.order = Some(2);
    let arn = world.seeded.rule.as_ref().expect("a rule");
    world.elb.modify_rule().rule_arn(arn).actions(first).actions(last).send().await.expect("AWS takes it");
    let look = async || {
        let answer = world.elb.describe_rules().rule_arns(arn).send().await.expect("an answer");
        answer.rules.unwrap_or_default().remove(0).actions.unwrap_or_default()
    };
    let before = look().await;
    let pins = world.pins().await;
    let reading = world.cloud.traffic(&pins).await.expect("an answer");
    assert_eq!(reading.traffic, only(blue()));
    let command = world.cloud.repair(&pins, &reading, &blue()).expect("a command");
    assert!(command.contains(r#""UseExistingClientSecret":true"#) && !command.contains("known to AWS"), "{command}");
    world.cloud.flip(&pins, &reading, &blue(), &green()).await.expect("flipped");
    let after = look().await;
    assert_eq!((after.len(), &after[0]), (2, &before[0]));
    assert_eq!(world.traffic().await, only(green()));
    world.dev.shutdown().await;
}

#[tokio::test]
async fn group_stickiness_is_foreign_until_it_is_off() {
    let world = world(rule()).await;
    let [a, b] = world.seeded.target_groups.clone();
    let mut sticky = forward(&[(&a, 100), (&b, 0)]);
    if let Some(config) = &mut sticky.forward_config {
        let on = TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(600).build();
        config.target_group_stickiness_config = Some(on);
    }
    world.write(sticky).await;
    let problem = world.foreign().await;
    assert!(problem.saw.contains("group stickiness of 600 s (TargetGroupStickinessConfig)"), "{problem}");
    assert!(problem.run[0].contains(r#""Enabled":false"#), "{:?}", problem.run);
    world.dev.shutdown().await;
}

#[tokio::test]
async fn a_rule_that_is_gone_is_foreign_for_a_release_and_not_found_for_a_new_one() {
    let world = world(rule()).await;
    let pins = world.pins().await;
    let SwitchPin::Rule { rule, .. } = &pins.route else { panic!("{:?}", pins.route) };
    world.elb.delete_rule().rule_arn(rule).send().await.expect("deleted");
    let reading = world.cloud.traffic(&pins).await.expect("an answer");
    let Traffic::Foreign { problem } = &reading.traffic else { panic!("{reading:?}") };
    assert!(problem.saw.contains("does not exist any more"), "{problem}");
    assert_eq!(world.cloud.repair(&pins, &reading, &blue()), None);
    let said = refusal(world.cloud.resolve(&world.environment).await);
    assert!(said.contains("no rule with a path-pattern condition /api/*"), "{said}");
    world.dev.shutdown().await;
}

#[tokio::test]
async fn a_target_group_of_another_vpc_is_refused() {
    let world = world(rule()).await;
    let vpc = world.ec2.create_vpc().cidr_block(world.dev.network()).send().await.expect("another VPC");
    let vpc = vpc.vpc().and_then(|v| v.vpc_id()).expect("an id").to_owned();
    world
        .elb
        .create_target_group()
        .name("shop-away")
        .protocol(ProtocolEnum::Http)
        .port(8080)
        .vpc_id(&vpc)
        .send()
        .await
        .expect("a group there");
    let mut environment = world.environment.clone();
    environment.colors[1].target_group = "shop-away".into();
    let said = refusal(world.cloud.resolve(&environment).await);
    assert!(said.contains(&format!("shop-away of green is in the VPC {vpc}")), "{said}");
    world.dev.shutdown().await;
}

#[tokio::test]
async fn names_that_do_not_exist_are_refused() {
    let world = world(SeedSwitch::DefaultAction).await;
    let mut missing = world.environment.clone();
    missing.colors[0].target_group = "nobody".into();
    let said = refusal(world.cloud.resolve(&missing).await);
    assert!(said.contains("there is no target group nobody"), "{said}");
    let identity = world.cloud.identity().await.expect("somebody");
    assert_eq!(identity.account.len(), 12, "{identity:?}");
    world.dev.shutdown().await;
}
