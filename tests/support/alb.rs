//! What an environment behind an Application Load Balancer stands on, built with the AWS SDK alone.

use aws_config::SdkConfig;
use aws_sdk_ec2::types::{
    Filter, Instance, InstanceType, RequestLaunchTemplateData, ResourceType, Tag, TagSpecification,
};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, ForwardActionConfig, ProtocolEnum, RuleCondition,
    TargetGroupTuple, TargetHealthStateEnum, TargetTypeEnum,
};

/// The clients that the test itself looks with.
#[derive(Debug, Clone)]
pub(crate) struct Eyes {
    /// EC2.
    pub ec2: aws_sdk_ec2::Client,
    /// Elastic Load Balancing.
    pub(crate) elb: aws_sdk_elasticloadbalancingv2::Client,
}

/// One standing environment: a rule for `/api/*` that forwards everything to blue, and nothing behind it yet.
#[derive(Debug, Clone)]
pub(crate) struct Alb {
    /// Name of the load balancer, the launch template and the prefix of everything else.
    pub(crate) name: String,
    /// The rule's ARN.
    pub(crate) rule: String,
    /// ARNs of the target groups.
    pub(crate) blue: String,
    /// See `blue`.
    pub(crate) green: String,
    /// Subnet ids, in two zones.
    pub(crate) subnets: [String; 2],
    /// Id of the launch template.
    pub(crate) template: String,
    /// Two images.
    pub(crate) images: [String; 2],
}

impl Eyes {
    /// Clients with this configuration.
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self { ec2: aws_sdk_ec2::Client::new(sdk), elb: aws_sdk_elasticloadbalancingv2::Client::new(sdk) }
    }

    /// The weights of a rule, by target group, as AWS has them.
    pub(crate) async fn weights(&self, rule: &str) -> Vec<(String, i32)> {
        let answer = self.elb.describe_rules().rule_arns(rule).send().await.unwrap();
        let [action] = answer.rules()[0].actions() else { panic!("{answer:?}") };
        let groups = action.forward_config().unwrap().target_groups();
        groups.iter().map(|g| (g.target_group_arn().unwrap().to_owned(), g.weight().unwrap())).collect()
    }
}

impl Eyes {
    /// Every instance with this environment's and color's tags that has not been terminated, by id.
    pub(crate) async fn instances(&self, environment: &str, color: &str) -> Vec<Instance> {
        let tagged = |key: &str, value: &str| Filter::builder().name(format!("tag:{key}")).values(value).build();
        let answer = self
            .ec2
            .describe_instances()
            .filters(tagged("switchback:environment", environment))
            .filters(tagged("switchback:color", color))
            .filters(Filter::builder().name("instance-state-name").values("pending").values("running").build())
            .send()
            .await
            .unwrap();
        let mut found: Vec<_> =
            answer.reservations().iter().flat_map(|reservation| reservation.instances()).cloned().collect();
        found.sort_by_key(|instance| instance.instance_id.clone());
        found
    }

    /// The ids of a target group's healthy targets, sorted.
    pub(crate) async fn healthy(&self, group: &str) -> Vec<String> {
        let answer = self.elb.describe_target_health().target_group_arn(group).send().await.unwrap();
        let mut ids: Vec<_> = answer
            .target_health_descriptions()
            .iter()
            .filter(|target| target.target_health().unwrap().state() == Some(&TargetHealthStateEnum::Healthy))
            .map(|target| target.target().unwrap().id().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }
}

impl Alb {
    /// Builds it; every name starts with `name`.
    pub(crate) async fn build(eyes: &Eyes, name: &str) -> Self {
        let Eyes { ec2, elb } = eyes;
        let vpc = ec2.create_vpc().cidr_block("10.7.0.0/16").send().await.unwrap();
        let vpc = vpc.vpc().unwrap().vpc_id().unwrap();
        let subnets = [
            subnet(ec2, vpc, "eu-west-1a", "10.7.1.0/24", &format!("{name}-a")).await,
            subnet(ec2, vpc, "eu-west-1b", "10.7.2.0/24", &format!("{name}-b")).await,
        ];
        let balancer = elb.create_load_balancer().name(name).set_subnets(Some(subnets.to_vec())).send().await.unwrap();
        let balancer = balancer.load_balancers()[0].load_balancer_arn().unwrap();
        let blue = target_group(elb, vpc, &format!("{name}-blue")).await;
        let green = target_group(elb, vpc, &format!("{name}-green")).await;
        let nothing_here = FixedResponseActionConfig::builder().status_code("404").build();
        let listener = elb
            .create_listener()
            .load_balancer_arn(balancer)
            .protocol(ProtocolEnum::Http)
            .port(80)
            .default_actions(
                Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(nothing_here).build(),
            )
            .send()
            .await
            .unwrap();
        let weighted =
            |arn: &str, weight: i32| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build();
        let forward = ForwardActionConfig::builder()
            .target_groups(weighted(&blue, 100))
            .target_groups(weighted(&green, 0))
            .build();
        let rule = elb
            .create_rule()
            .listener_arn(listener.listeners()[0].listener_arn().unwrap())
            .priority(10)
            .conditions(RuleCondition::builder().field("path-pattern").values("/api/*").build())
            .actions(Action::builder().r#type(ActionTypeEnum::Forward).forward_config(forward).build())
            .send()
            .await
            .unwrap();
        let images = images(ec2).await;
        let template = ec2
            .create_launch_template()
            .launch_template_name(name)
            .launch_template_data(
                RequestLaunchTemplateData::builder().image_id(&images[0]).instance_type(InstanceType::T3Micro).build(),
            )
            .send()
            .await
            .unwrap();
        Self {
            name: name.into(),
            rule: rule.rules()[0].rule_arn().unwrap().into(),
            blue,
            green,
            subnets,
            template: template.launch_template().unwrap().launch_template_id().unwrap().into(),
            images,
        }
    }

    /// The environment file that describes it, with no check that needs a running instance.
    pub(crate) fn file(&self) -> String {
        let name = &self.name;
        format!(
            "name: {name}
colors:
  blue: {{ target-group: {name}-blue }}
  green: {{ target-group: {name}-green }}
switches:
  - listener: {{ load-balancer: {name}, port: 80, rule: {{ path: /api/* }} }}
compute:
  instances: {{ launch-template: {name}, count: 3, subnets: [{name}-a, {name}-b] }}
health: {{ consecutive: 2, timeout: 1m }}
smoke:
  - command: {{ run: [test, -n, \"{{color.endpoint}}\"], timeout: 30s }}
release:
  converge: {{ quiet: 1s, timeout: 1m }}
  bake: 0s
retain: 1h
"
        )
    }
}

async fn subnet(ec2: &aws_sdk_ec2::Client, vpc: &str, zone: &str, block: &str, name: &str) -> String {
    let tags = TagSpecification::builder()
        .resource_type(ResourceType::Subnet)
        .tags(Tag::builder().key("Name").value(name).build())
        .build();
    let made = ec2
        .create_subnet()
        .vpc_id(vpc)
        .availability_zone(zone)
        .cidr_block(block)
        .tag_specifications(tags)
        .send()
        .await
        .unwrap();
    made.subnet().unwrap().subnet_id().unwrap().into()
}

async fn target_group(elb: &aws_sdk_elasticloadbalancingv2::Client, vpc: &str, name: &str) -> String {
    let made = elb
        .create_target_group()
        .name(name)
        .vpc_id(vpc)
        .protocol(ProtocolEnum::Http)
        .port(8080)
        .target_type(TargetTypeEnum::Instance)
        .send()
        .await
        .unwrap();
    made.target_groups()[0].target_group_arn().unwrap().into()
}

/// Two images of the emulator's own catalogue: moto forgets the architecture of one that is registered.
async fn images(ec2: &aws_sdk_ec2::Client) -> [String; 2] {
    let wanted = Filter::builder().name("architecture").values("x86_64").build();
    let found = ec2.describe_images().filters(wanted).send().await.unwrap();
    let mut ids: Vec<_> = found.images().iter().map(|image| image.image_id().unwrap().to_owned()).collect();
    ids.sort();
    ids.truncate(2);
    ids.try_into().expect("the emulator knows two images for x86_64")
}
