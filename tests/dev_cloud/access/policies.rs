//! Policies are enforced when asked for: by action, resource, and what conditions ask; and the role that
//! `terraform/deploy-role` makes is enough for a release and for nothing else.

use aws_config::SdkConfig;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{ResourceType, Tag, TagSpecification};
use serde_json::{Value, json};
use switchback::dev::access::Iam;
use switchback::dev::seed::Seed;
use switchback::dev::{DevCloud, DevOptions};

use super::super::in_process::release::deploy_and_roll_back;
use super::super::in_process::{options, rig};
use super::super::support::{Rig, V0, code, empty};
use super::signatures::with_key;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// One user of the default account with these statements.
fn user_who(statements: Value) -> Iam {
    let policy = json!({ "Version": "2012-10-17", "Statement": statements });
    let user = json!({ "access-key": KEY, "secret-key": SECRET, "policies": [policy], "tags": { "team": "shop" } });
    let file = json!({ "accounts": { "000000000000": { "users": { "deployer": user } } } });
    Iam::parse(&file.to_string()).unwrap_or_else(|error| panic!("{error}"))
}

/// A world that the cloud's own client built, and the configuration of the user.
async fn world_of(statements: Value) -> (Rig, SdkConfig) {
    let rig = rig(DevOptions { iam: Some(user_who(statements)), ..options() }, empty()).await;
    let config = with_key(&rig.cloud.sdk_config("eu-west-1"), KEY, SECRET);
    (rig, config)
}

fn allow(actions: Value, resources: Value) -> Value {
    json!({ "Effect": "Allow", "Action": actions, "Resource": resources })
}

#[tokio::test(start_paused = true)]
async fn each_service_denies_in_its_own_words() {
    let (_rig, config) = world_of(json!([allow(json!("ec2:DescribeVpcs"), json!("*"))])).await;
    let ec2 = aws_sdk_ec2::Client::new(&config);
    ec2.describe_vpcs().send().await.unwrap();
    assert_eq!(code(ec2.describe_subnets().send().await), "UnauthorizedOperation");
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
    let denied = elb.describe_load_balancers().send().await.unwrap_err();
    assert_eq!(denied.code(), Some("AccessDenied"));
    assert_eq!(
        denied.message(),
        Some(
            "User: arn:aws:iam::000000000000:user/deployer is not authorized to perform: \
             elasticloadbalancing:DescribeLoadBalancers on resource: * because no identity-based policy allows the \
             elasticloadbalancing:DescribeLoadBalancers action"
        )
    );
    assert_eq!(code(aws_sdk_route53::Client::new(&config).list_hosted_zones().send().await), "AccessDenied");
    let asg = aws_sdk_autoscaling::Client::new(&config);
    assert_eq!(code(asg.describe_auto_scaling_groups().send().await), "AccessDenied");
    assert_eq!(code(aws_sdk_cloudwatch::Client::new(&config).list_metrics().send().await), "AccessDenied");
    let caller = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
    assert_eq!(caller.arn(), Some("arn:aws:iam::000000000000:user/deployer"), "everybody may ask who they are");
}

#[tokio::test(start_paused = true)]
async fn nobody_else_may_call() {
    let (rig, config) = world_of(json!([])).await;
    let stranger = with_key(&config, "AKIAI44QH8DHBEXAMPLE", SECRET);
    assert_eq!(code(aws_sdk_ec2::Client::new(&stranger).describe_vpcs().send().await), "AuthFailure");
    let guessed = with_key(&rig.cloud.sdk_config("eu-west-1"), "DEVCLOUD", "dev-cloud");
    let refused = aws_sdk_sts::Client::new(&guessed).get_caller_identity().send().await;
    assert_eq!(code(refused), "SignatureDoesNotMatch", "the cloud's own secret is no longer the one everybody knows");
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_is_not_named_is_denied() {
    let (rig, _) = world_of(json!([])).await;
    let [blue, green] = rig.world.target_groups.clone();
    drop(rig);
    let seeded = blue.rsplit_once('/').unwrap().0.to_owned();
    let (rig, config) = world_of(json!([
        allow(json!("elasticloadbalancing:*"), json!(format!("{seeded}/*"))),
        { "Effect": "Deny", "Action": "elasticloadbalancing:Delete*", "Resource": "*" },
    ]))
    .await;
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
    let [blue_now, green_now] = rig.world.target_groups.clone();
    assert!(blue_now.contains("shop-blue") && green.contains("shop-green"));
    elb.modify_target_group().target_group_arn(&blue_now).health_check_path("/x").send().await.unwrap();
    let other = elb.modify_target_group().target_group_arn(&green_now).health_check_path("/x").send().await;
    assert_eq!(code(other), "AccessDenied");
    let denied = elb.delete_target_group().target_group_arn(&blue_now).send().await.unwrap_err();
    assert!(denied.message().unwrap().contains("with an explicit deny"), "{denied:?}");
}

#[tokio::test(start_paused = true)]
async fn conditions_ask_about_the_tags_of_the_request_and_of_the_resource() {
    let tagged = |key: &str| json!({ "StringEquals": { key: "${aws:PrincipalTag/team}" } });
    let (rig, config) = world_of(json!([
        { "Effect": "Allow", "Action": "ec2:CreateVpc", "Resource": "*", "Condition": tagged("aws:RequestTag/team") },
        {
            "Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "arn:aws:ec2:*:*:vpc/*",
            "Condition": { "StringEquals": { "ec2:CreateAction": "CreateVpc" }, "ForAllValues:StringEquals": { "aws:TagKeys": ["team"] } },
        },
        { "Effect": "Allow", "Action": "ec2:DeleteVpc", "Resource": "*", "Condition": tagged("ec2:ResourceTag/team") },
    ]))
    .await;
    let ec2 = aws_sdk_ec2::Client::new(&config);
    let mut blocks = rig.cloud.network().parse::<ipnet::Ipv4Net>().unwrap().subnets(24).unwrap().skip(200);
    let mut create = |tags: &[(&str, &str)]| {
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build()).collect();
        let tags = TagSpecification::builder().resource_type(ResourceType::Vpc).set_tags(Some(tags)).build();
        ec2.create_vpc().cidr_block(blocks.next().unwrap().to_string()).tag_specifications(tags).send()
    };
    assert_eq!(code(create(&[("team", "other")]).await), "UnauthorizedOperation");
    assert_eq!(code(create(&[("team", "shop"), ("more", "x")]).await), "UnauthorizedOperation");
    let made = create(&[("team", "shop")]).await.unwrap();
    let id = made.vpc().unwrap().vpc_id().unwrap();
    let later = ec2.create_tags().resources(id).tags(Tag::builder().key("team").value("x").build()).send().await;
    assert_eq!(code(later), "UnauthorizedOperation", "tags may only be given while creating");
    assert_eq!(code(ec2.delete_vpc().vpc_id(&rig.world.vpc).send().await), "UnauthorizedOperation");
    ec2.delete_vpc().vpc_id(id).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_whether_a_call_is_allowed() {
    let (rig, config) = world_of(json!([
        { "Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*", "Condition": { "StringEquals": { "aws:RequestedRegion": "eu-west-1" } } },
    ]))
    .await;
    let ec2 = aws_sdk_ec2::Client::new(&config);
    assert_eq!(code(ec2.describe_vpcs().dry_run(true).send().await), "DryRunOperation");
    let create = ec2.create_vpc().cidr_block(rig.cloud.network()).dry_run(true);
    assert_eq!(code(create.send().await), "UnauthorizedOperation");
    let elsewhere = with_key(&rig.cloud.sdk_config("us-east-1"), KEY, SECRET);
    assert_eq!(code(aws_sdk_ec2::Client::new(&elsewhere).describe_vpcs().send().await), "UnauthorizedOperation");
}

#[tokio::test(start_paused = true)]
async fn a_role_is_entered_only_by_whom_it_trusts_and_may_do_only_what_it_is_granted() {
    let policy = |action: &str| json!({ "Version": "2012-10-17", "Statement": allow(json!(action), json!("*")) });
    let trusts = |who: &str| {
        let statement = json!({ "Effect": "Allow", "Principal": { "AWS": who }, "Action": "sts:AssumeRole" });
        json!({ "Version": "2012-10-17", "Statement": statement })
    };
    let user = json!({ "access-key": KEY, "secret-key": SECRET, "policies": [policy("sts:AssumeRole")] });
    let file = json!({ "accounts": {
        "111111111111": { "users": { "deployer": user } },
        "222222222222": { "roles": {
            "open": { "trust": trusts("111111111111"), "policies": [policy("ec2:Describe*")] },
            "closed": { "trust": trusts("arn:aws:iam::111111111111:user/other"), "policies": [policy("*")] },
        } },
    } });
    let iam = Some(Iam::parse(&file.to_string()).unwrap());
    let cloud = DevCloud::in_process(DevOptions { iam, ..DevOptions::default() }).await.unwrap();
    let config = with_key(&cloud.sdk_config("eu-west-1"), KEY, SECRET);
    let sts = aws_sdk_sts::Client::new(&config);
    let assume = |role: &str| {
        sts.assume_role().role_arn(format!("arn:aws:iam::222222222222:role/{role}")).role_session_name("release").send()
    };
    assert_eq!(code(assume("closed").await), "AccessDenied");
    assert_eq!(code(assume("missing").await), "AccessDenied");
    let assumed = assume("open").await.unwrap();
    let given = assumed.credentials().unwrap();
    let as_role = |token: Option<&str>| {
        let credentials = aws_sdk_ec2::config::Credentials::new(
            given.access_key_id(),
            given.secret_access_key(),
            token.map(str::to_owned),
            None,
            "a test",
        );
        let config = config.clone().into_builder();
        config.credentials_provider(aws_sdk_ec2::config::SharedCredentialsProvider::new(credentials)).build()
    };
    let role = as_role(Some(given.session_token()));
    let caller = aws_sdk_sts::Client::new(&role).get_caller_identity().send().await.unwrap();
    assert_eq!(caller.account(), Some("222222222222"));
    assert_eq!(caller.arn(), Some("arn:aws:sts::222222222222:assumed-role/open/release"));
    let ec2 = aws_sdk_ec2::Client::new(&role);
    ec2.describe_vpcs().send().await.unwrap();
    assert_eq!(code(ec2.create_vpc().cidr_block("10.0.0.0/16").send().await), "UnauthorizedOperation");
    let without_token = aws_sdk_sts::Client::new(&as_role(None)).get_caller_identity().send().await;
    assert_eq!(code(without_token), "InvalidClientTokenId");
    tokio::time::sleep(std::time::Duration::from_secs(3601)).await;
    assert_eq!(code(ec2.describe_vpcs().send().await), "RequestExpired");
    let over = aws_sdk_sts::Client::new(&role).get_caller_identity().send().await;
    assert_eq!(code(over), "ExpiredToken");
}

/// The policy that `terraform/deploy-role` makes, as its own test has it, for what the world's file names.
fn deploy_role(world: &Rig) -> Value {
    let text = include_str!("../../../terraform/deploy-role/tests/listener-rule.json");
    let mut policy: Value = serde_json::from_str(&text.replace("123456789012", "000000000000")).unwrap();
    let seeded = &world.world;
    for statement in policy["Statement"].as_array_mut().unwrap() {
        let ec2 = "arn:aws:ec2:eu-west-1:000000000000";
        match statement["Sid"].as_str().unwrap() {
            "FillTargetGroups" => statement["Resource"] = json!(seeded.target_groups),
            // The module has a variable for each: a rule, or a listener's default action.
            "FlipRule" => {
                statement["Action"] = json!("elasticloadbalancing:ModifyListener");
                statement["Resource"] = json!(seeded.listeners[0]);
            }
            "LaunchTagged" => {
                let template = format!("{ec2}:launch-template/{}", seeded.launch_template);
                statement["Condition"]["ArnEquals"]["ec2:LaunchTemplate"] = json!(template);
            }
            "LaunchHere" => {
                let mut resources = vec![
                    format!("{ec2}:launch-template/{}", seeded.launch_template),
                    format!("{ec2}:network-interface/*"),
                    format!("{ec2}:security-group/*"),
                ];
                resources.extend(seeded.subnets.iter().map(|id| format!("{ec2}:subnet/{id}")));
                statement["Resource"] = json!(resources);
            }
            _ => {}
        }
    }
    let text = policy.to_string().replace("shop-prod", "shop");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_deploy_role_is_enough_for_a_release_and_for_nothing_else() {
    // What the world is made of is known only when it is there, and the same seed makes the same world.
    let seed = || Seed { deregistration_delay_s: 300, ..Seed::new(V0) };
    let anybody = user_who(json!([]));
    let first = rig(DevOptions { iam: Some(anybody), ..options() }, seed()).await;
    let statements = deploy_role(&first)["Statement"].clone();
    let names = first.world.clone();
    first.cloud.shutdown().await;
    let rig = rig(DevOptions { iam: Some(user_who(statements)), ..options() }, seed()).await;
    assert_eq!(rig.world, names);
    let role = with_key(&rig.cloud.sdk_config("eu-west-1"), KEY, SECRET);
    let (told, summary) = deploy_and_roll_back(&rig, role.clone()).await;
    assert_eq!(summary.failed, 0, "{told:#?}");
    let (ec2, elb) = (aws_sdk_ec2::Client::new(&role), aws_sdk_elasticloadbalancingv2::Client::new(&role));
    let own = &rig.world.target_groups[0];
    assert_eq!(code(elb.delete_target_group().target_group_arn(own).send().await), "AccessDenied");
    assert_eq!(code(ec2.create_vpc().cidr_block("127.2.0.0/24").send().await), "UnauthorizedOperation");
    let template = aws_sdk_ec2::types::LaunchTemplateSpecification::builder();
    let template = template.launch_template_id(&rig.world.launch_template).version("1").build();
    let untagged = ec2.run_instances().launch_template(template).subnet_id(&rig.world.subnets[0]);
    assert_eq!(code(untagged.min_count(1).max_count(1).send().await), "UnauthorizedOperation");
    rig.cloud.shutdown().await;
}
