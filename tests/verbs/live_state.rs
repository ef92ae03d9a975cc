//! A load balancer that is not as a release leaves it: refused with 3, left as it is, and told what repairs it.

use aws_sdk_ec2::types::LaunchTemplateSpecification;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateOidcActionConfig, ForwardActionConfig, ProtocolEnum, RedirectActionConfig,
    RedirectActionStatusCodeEnum, TargetDescription, TargetGroupTuple,
};
use switchback::dev::DevOptions;
use switchback::dev::seed::{Seed, SeedCondition, SeedSwitch};

use crate::world::{ENVIRONMENT, Ran, World, ami, until};

const PORT: &str = "port: 8080 }";

fn with_rule(path: &str) -> String {
    assert!(ENVIRONMENT.contains(PORT));
    ENVIRONMENT.replacen(PORT, &format!("port: 8080, rule: {{ path: {path:?} }} }}"), 1)
}

/// A world whose traffic is carried by a rule for every path.
async fn world() -> World {
    let rule = |seed: &mut Seed| {
        seed.switch = SeedSwitch::Rule { priority: 10, condition: SeedCondition::Path("/*".into()) };
    };
    World::with(DevOptions::default(), rule, &with_rule("/*")).await
}

fn forward(tuples: &[(&str, i32)]) -> Action {
    let tuple =
        |(arn, weight): &(&str, i32)| TargetGroupTuple::builder().target_group_arn(*arn).weight(*weight).build();
    let config = ForwardActionConfig::builder().set_target_groups(Some(tuples.iter().map(tuple).collect())).build();
    Action::builder().r#type(ActionTypeEnum::Forward).order(1).forward_config(config).build()
}

fn redirect() -> Action {
    let config =
        RedirectActionConfig::builder().host("elsewhere.test").status_code(RedirectActionStatusCodeEnum::Http302);
    Action::builder().r#type(ActionTypeEnum::Redirect).order(1).redirect_config(config.build()).build()
}

impl World {
    fn rule(&self) -> &str {
        self.seeded.rule.as_deref().expect("a rule")
    }

    /// The rule's actions, as AWS has them.
    async fn actions(&self) -> Vec<Action> {
        let answer = self.elb().describe_rules().rule_arns(self.rule()).send().await.expect("the rule");
        answer.rules.unwrap_or_default().remove(0).actions.unwrap_or_default()
    }

    /// Somebody else writes these actions.
    async fn write(&self, actions: Vec<Action>) {
        self.elb().modify_rule().rule_arn(self.rule()).set_actions(Some(actions)).send().await.expect("AWS takes it");
    }

    async fn both(&self, blue: i32, green: i32) {
        let [a, b] = &self.seeded.target_groups;
        self.write(vec![forward(&[(a, blue), (b, green)])]).await;
    }

    /// Another target group in the VPC.
    async fn group(&self, name: &str, vpc: &str) -> String {
        let made = self.elb().create_target_group().name(name).protocol(ProtocolEnum::Http).port(8080).vpc_id(vpc);
        made.send().await.expect("a group").target_groups()[0].target_group_arn().expect("an ARN").to_owned()
    }

    /// `plan` and `deploy` are refused with these words, by a run that names the next command; the rule stays as it is,
    /// nothing is written, and no journal is begun.
    async fn is_refused(&self, says: &[&str]) -> Ran {
        let before = self.actions().await;
        self.dev.forget_calls();
        let plan = self.run(&["plan", "ENV", "--image", &ami("v1")]).await.exits(3);
        let deploy = self.deploy("v1").await.exits(3);
        for words in says {
            assert!(deploy.stderr.contains(words), "no {words:?} in:\n{}", deploy.stderr);
            let told = format!("{}{}", plan.stdout, plan.stderr);
            assert!(told.contains(words), "no {words:?} in the plan:\n{told}");
        }
        let deploy = deploy.says("refused, nothing was changed").says("saw ").says("expected ").says("run ");
        assert_eq!(deploy.stdout, "", "a release id of a release that never began");
        assert_eq!(self.writes(), [].into());
        assert_eq!(self.actions().await, before);
        assert!(!self.journal().exists(), "a journal was begun");
        deploy
    }

    /// Follows the command of a message that puts all traffic on blue.
    async fn repair(&self, told: &str) {
        let line = told.lines().find(|line| line.contains("aws elbv2 modify-rule")).expect("a repairing command");
        let list = line.split_once("--actions '").and_then(|(_, rest)| rest.split_once('\'')).expect("actions").0;
        let list: serde_json::Value = serde_json::from_str(list).expect("JSON");
        let tuples = list[0]["ForwardConfig"]["TargetGroups"].as_array().expect("target groups");
        let tuple = |t: &serde_json::Value| {
            let arn = t["TargetGroupArn"].as_str().expect("an ARN").to_owned();
            (arn, i32::try_from(t["Weight"].as_i64().expect("an explicit weight")).expect("a weight"))
        };
        let tuples: Vec<_> = tuples.iter().map(tuple).collect();
        let tuples: Vec<_> = tuples.iter().map(|(arn, weight)| (arn.as_str(), *weight)).collect();
        assert!(line.contains(self.rule()), "{line}");
        self.write(vec![forward(&tuples)]).await;
    }
}

#[tokio::test]
async fn a_rule_that_is_not_there_is_refused() {
    let world = world().await;
    world.write_environment(&with_rule("/elsewhere/*"));
    let load = world.load().await;
    world.is_refused(&["no rule with a path-pattern condition /elsewhere/*", "aws elbv2 describe-rules"]).await;
    assert_eq!(world.no_request_failed(load).await.into_keys().collect::<Vec<_>>(), ["v0"]);
    world.elb().delete_rule().rule_arn(world.rule()).send().await.expect("deleted");
    world.write_environment(&with_rule("/*"));
    let ran = world.deploy("v1").await.exits(3).says("no rule with a path-pattern condition /*");
    assert_eq!(ran.stdout, "");
    world.nothing_is_left_of(1).await;
    world.end().await;
}

#[tokio::test]
async fn a_third_target_group_is_refused_and_the_command_that_is_named_repairs_it() {
    let world = world().await;
    let canary = world.group("canary", &world.seeded.vpc).await;
    let [blue, _] = &world.seeded.target_groups;
    let load = world.load().await;
    world.write(vec![forward(&[(blue, 100), (&canary, 0)])]).await;
    let refused = world.is_refused(&["the target group canary", "aws elbv2 modify-rule"]).await;
    let status = world.run(&["status", "ENV"]).await.exits(0);
    assert!(status.stdout.contains("canary"), "{}", status.stdout);
    world.repair(&refused.stderr).await;
    world.run(&["plan", "ENV", "--image", &ami("v1")]).await.exits(0);
    assert_eq!(world.no_request_failed(load).await.into_keys().collect::<Vec<_>>(), ["v0"]);
    world.nothing_is_left_of(1).await;
    world.end().await;
}

#[tokio::test]
async fn weights_that_are_both_above_0_or_both_0_are_refused_and_status_names_the_command_that_repairs_them() {
    let world = world().await;
    for (weights, words) in [((50, 50), "the traffic is split: blue=50, green=50"), ((0, 0), "every weight is 0")] {
        world.both(weights.0, weights.1).await;
        world.is_refused(&[words, "switchback status"]).await;
        let status = world.run(&["status", "ENV"]).await.exits(0);
        assert!(status.stdout.contains(words), "{}", status.stdout);
        let told = world.status().await;
        let saw = told["mismatch"]["saw"].as_str().unwrap_or_default().to_owned();
        assert_eq!(saw, words, "{told:#}");
        let shown = ["blue", "green"].map(|color| status.stdout.contains(&format!(" {color} ")));
        let told: Vec<_> =
            told["colors"].as_array().into_iter().flatten().map(|color| color["weight"].as_i64()).collect();
        assert_eq!((shown, told), ([true; 2], vec![Some(weights.0.into()), Some(weights.1.into())]));
        world.repair(&status.stdout).await;
        world.answers("v0").await;
        world.run(&["plan", "ENV", "--image", &ami("v1")]).await.exits(0);
    }
    world.nothing_is_left_of(1).await;
    world.end().await;
}

#[tokio::test]
async fn a_redirect_instead_of_a_forward_is_refused() {
    let world = world().await;
    world.write(vec![redirect()]).await;
    let refused = world.is_refused(&["the rule holds a redirect to", "elsewhere.test", "aws elbv2 modify-rule"]).await;
    world.repair(&refused.stderr).await;
    world.answers("v0").await;
    world.nothing_is_left_of(1).await;
    world.end().await;
}

#[tokio::test]
async fn an_idle_target_group_that_is_not_empty_is_refused_and_the_stranger_keeps_running() {
    let world = world().await;
    let load = world.load().await;
    let template =
        LaunchTemplateSpecification::builder().launch_template_id(&world.seeded.launch_template).version("1");
    let run = world.ec2().run_instances().launch_template(template.build()).subnet_id(&world.seeded.subnets[0]);
    let stranger = run.min_count(1).max_count(1).send().await.expect("an instance").instances()[0]
        .instance_id()
        .expect("an id")
        .to_owned();
    let target = TargetDescription::builder().id(&stranger).build();
    let register = world.elb().register_targets().target_group_arn(&world.seeded.target_groups[1]).targets(target);
    until("the stranger is registered", async || register.clone().send().await.is_ok()).await;
    let told = world.is_refused(&[&stranger, "does not carry this environment's tags", "aws ec2 create-tags"]).await;
    let command = "Key=switchback:environment,Value=shop Key=switchback:color,Value=green";
    assert!(told.stderr.contains(command), "{}", told.stderr);
    until("the stranger is healthy", async || world.targets(1).await == [(stranger.clone(), "healthy".into())].into())
        .await;
    assert_eq!(world.no_request_failed(load).await.into_keys().collect::<Vec<_>>(), ["v0"]);
    world.end().await;
}

#[tokio::test]
async fn a_target_group_in_another_vpc_is_refused() {
    let world = world().await;
    let load = world.load().await;
    let vpc = world.ec2().create_vpc().cidr_block(world.dev.network()).send().await.expect("another VPC");
    let vpc = vpc.vpc().and_then(|v| v.vpc_id()).expect("an id").to_owned();
    world.group("shop-away", &vpc).await;
    world.write_environment(&with_rule("/*").replace("target-group: shop-green", "target-group: shop-away"));
    world
        .is_refused(&[
            &format!("shop-away of green is in the VPC {vpc}"),
            &world.seeded.vpc,
            "aws elbv2 describe-target-groups",
        ])
        .await;
    assert_eq!(world.no_request_failed(load).await.into_keys().collect::<Vec<_>>(), ["v0"]);
    world.nothing_is_left_of(1).await;
    world.end().await;
}

#[tokio::test]
async fn authentication_before_the_forward_is_kept_byte_for_byte_through_a_deploy_and_a_rollback() {
    // A probe, or a client, would be sent to the log-in page: nothing is proven through the load balancer here.
    let environment = with_rule("/*").replace("probe: /version, ", "");
    let rule = |seed: &mut Seed| {
        seed.switch = SeedSwitch::Rule { priority: 10, condition: SeedCondition::Path("/*".into()) };
        // Only HTTPS listeners authenticate.
        let certificate = "arn:aws:acm:eu-west-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef";
        seed.certificate = Some(certificate.to_owned());
    };
    let world = World::with(DevOptions::default(), rule, &environment).await;
    let config = AuthenticateOidcActionConfig::builder()
        .issuer("https://login.test")
        .authorization_endpoint("https://login.test/authorize")
        .token_endpoint("https://login.test/token")
        .user_info_endpoint("https://login.test/user")
        .client_id("shop")
        .client_secret("known to AWS alone")
        .scope("openid email")
        .session_timeout(1234)
        .authentication_request_extra_params("prompt", "login")
        .build();
    let first =
        Action::builder().r#type(ActionTypeEnum::AuthenticateOidc).order(1).authenticate_oidc_config(config).build();
    let [blue, green] = &world.seeded.target_groups;
    let mut last = forward(&[(blue, 100), (green, 0)]);
    last.order = Some(2);
    world.write(vec![first, last]).await;
    let before = world.actions().await;
    assert_eq!(before.len(), 2, "{before:?}");
    let weights = |actions: &[Action]| {
        let config = actions[1].forward_config().expect("a forward").clone();
        let weight = |arn: &str| {
            config.target_groups().iter().find(|t| t.target_group_arn() == Some(arn)).and_then(|t| t.weight())
        };
        [weight(blue), weight(green)]
    };
    let ran = world.deploy("v1").await.exits(0);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("known to AWS"), "a secret was shown");
    let after = world.actions().await;
    assert_eq!((after.len(), &after[0], weights(&after)), (2, &before[0], [Some(0), Some(100)]));
    world.run(&["rollback", "ENV"]).await.exits(0);
    let after = world.actions().await;
    assert_eq!((after.len(), &after[0], weights(&after)), (2, &before[0], [Some(100), Some(0)]));
    assert_eq!(after[1].order(), Some(2));
    world.lease_is_free();
    world.end().await;
}
