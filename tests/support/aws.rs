//! What an environment stands on, built with the AWS SDK alone, and a look at it that owes nothing to the program.

use aws_config::SdkConfig;
use aws_sdk_ec2::types::{
    Filter, Instance, InstanceType, RequestLaunchTemplateData, ResourceType, Tag, TagSpecification,
};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, ForwardActionConfig, ProtocolEnum, RuleCondition,
    TargetGroupTuple, TargetHealthStateEnum, TargetTypeEnum,
};
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType};

/// The clients that the test itself looks with.
#[derive(Debug, Clone)]
pub(crate) struct Eyes {
    ec2: aws_sdk_ec2::Client,
    elb: aws_sdk_elasticloadbalancingv2::Client,
    route53: aws_sdk_route53::Client,
}

/// One environment that stands, all traffic on blue, and nothing behind it yet.
#[derive(Debug, Clone)]
pub(crate) struct Estate {
    /// Name of the environment and of the launch template, and the prefix of everything else.
    pub(crate) name: String,
    /// What carries the traffic.
    pub(crate) switch: Switch,
    /// ARNs of the target groups, blue and green.
    pub(crate) groups: [String; 2],
    /// Subnet ids, in two zones.
    pub(crate) subnets: [String; 2],
    /// Id of the launch template.
    pub(crate) template: String,
    /// Two images that can be released.
    pub(crate) images: [String; 2],
}

/// What carries the traffic.
#[derive(Debug, Clone)]
pub(crate) enum Switch {
    /// The ARN of a listener's rule for `/api/*`.
    Rule(String),
    /// The id and the name of the hosted zone with two weighted records.
    Records(String, String),
}

impl Eyes {
    /// Clients with this configuration.
    pub(crate) fn new(sdk: &SdkConfig) -> Self {
        Self {
            ec2: aws_sdk_ec2::Client::new(sdk),
            elb: aws_sdk_elasticloadbalancingv2::Client::new(sdk),
            route53: aws_sdk_route53::Client::new(sdk),
        }
    }

    /// The weights of blue and green, as AWS has them.
    pub(crate) async fn weights(&self, estate: &Estate) -> [i64; 2] {
        match &estate.switch {
            Switch::Rule(rule) => {
                let answer = self.elb.describe_rules().rule_arns(rule).send().await.unwrap();
                let [action] = answer.rules()[0].actions() else { panic!("{answer:?}") };
                let tuples = action.forward_config().unwrap().target_groups();
                assert_eq!(tuples.len(), 2, "{tuples:?}");
                let weight = |group: &String| tuples.iter().find(|t| t.target_group_arn() == Some(group));
                estate.groups.each_ref().map(|group| weight(group).unwrap().weight().unwrap().into())
            }
            Switch::Records(zone, _) => {
                let answer = self.route53.list_resource_record_sets().hosted_zone_id(zone).send().await.unwrap();
                let weight = |color: &str| {
                    answer
                        .resource_record_sets()
                        .iter()
                        .find(|set| set.set_identifier() == Some(color))
                        .unwrap()
                        .weight()
                };
                ["blue", "green"].map(|color| weight(color).unwrap())
            }
        }
    }
}

impl Eyes {
    /// Gives both records another time to live, and leaves everything else of them as it is.
    pub(crate) async fn change_ttl(&self, estate: &Estate, seconds: i64) {
        let Switch::Records(zone, _) = &estate.switch else { panic!("{estate:?}") };
        let answer = self.route53.list_resource_record_sets().hosted_zone_id(zone).send().await.unwrap();
        for old in answer.resource_record_sets().iter().filter(|set| set.set_identifier().is_some()) {
            let mut new = old.clone();
            new.ttl = Some(seconds);
            self.upsert(zone, new).await;
        }
    }

    async fn write_records(&self, zone: &str, name: &str, targets: &[String]) {
        for ((color, weight), target) in [("blue", 100), ("green", 0)].into_iter().zip(targets) {
            let record = ResourceRecordSet::builder()
                .name(name)
                .r#type(RrType::Cname)
                .set_identifier(color)
                .weight(weight)
                .ttl(1)
                .resource_records(ResourceRecord::builder().value(target).build().unwrap());
            self.upsert(zone, record.build().unwrap()).await;
        }
    }

    async fn upsert(&self, zone: &str, record: ResourceRecordSet) {
        let change = Change::builder().action(ChangeAction::Upsert).resource_record_set(record).build().unwrap();
        let batch = ChangeBatch::builder().changes(change).build().unwrap();
        self.route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch).send().await.unwrap();
    }

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

impl Estate {
    /// Behind a rule of one load balancer. Every name starts with `name`.
    pub(crate) async fn behind_a_rule(eyes: &Eyes, name: &str) -> Self {
        let elb = &eyes.elb;
        let ground = Self::ground(eyes, name).await;
        let (balancer, _) = load_balancer(elb, name, &ground.subnets).await;
        let nothing_here = FixedResponseActionConfig::builder().status_code("404").build();
        let refuse =
            Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(nothing_here).build();
        let listener = listener(elb, &balancer, refuse).await;
        let weighted =
            |arn: &str, weight: i32| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build();
        let [blue, green] = &ground.groups;
        let forward =
            ForwardActionConfig::builder().target_groups(weighted(blue, 100)).target_groups(weighted(green, 0)).build();
        let rule = elb
            .create_rule()
            .listener_arn(listener)
            .priority(10)
            .conditions(RuleCondition::builder().field("path-pattern").values("/api/*").build())
            .actions(Action::builder().r#type(ActionTypeEnum::Forward).forward_config(forward).build())
            .send()
            .await
            .unwrap();
        Self { switch: Switch::Rule(rule.rules()[0].rule_arn().unwrap().into()), ..ground }
    }

    /// Behind two weighted records, each of which points at its color's own load balancer.
    pub(crate) async fn behind_records(eyes: &Eyes, name: &str) -> Self {
        let ground = Self::ground(eyes, name).await;
        let zone_name = format!("{name}.example.com");
        let made = eyes.route53.create_hosted_zone().name(&zone_name).caller_reference(name).send().await.unwrap();
        let zone = made.hosted_zone().unwrap().id().to_owned();
        let mut balancers = Vec::new();
        for (color, group) in ["blue", "green"].into_iter().zip(&ground.groups) {
            let (balancer, dns_name) = load_balancer(&eyes.elb, &format!("{name}-{color}"), &ground.subnets).await;
            let forward = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(group).build();
            listener(&eyes.elb, &balancer, forward).await;
            balancers.push(dns_name);
        }
        eyes.write_records(&zone, &format!("shop.{zone_name}"), &balancers).await;
        Self { switch: Switch::Records(zone, zone_name), ..ground }
    }

    /// What both kinds stand on; the switch is still to be made.
    async fn ground(eyes: &Eyes, name: &str) -> Self {
        let Eyes { ec2, elb, .. } = eyes;
        let vpc = ec2.create_vpc().cidr_block("10.7.0.0/16").send().await.unwrap();
        let vpc = vpc.vpc().unwrap().vpc_id().unwrap();
        let subnets = [
            subnet(ec2, vpc, "eu-west-1a", "10.7.1.0/24", &format!("{name}-a")).await,
            subnet(ec2, vpc, "eu-west-1b", "10.7.2.0/24", &format!("{name}-b")).await,
        ];
        let groups = [
            target_group(elb, vpc, &format!("{name}-blue")).await,
            target_group(elb, vpc, &format!("{name}-green")).await,
        ];
        let images = images(ec2).await;
        let data =
            RequestLaunchTemplateData::builder().image_id(&images[0]).instance_type(InstanceType::T3Micro).build();
        let template = ec2.create_launch_template().launch_template_name(name).launch_template_data(data).send().await;
        let template = template.unwrap().launch_template().unwrap().launch_template_id().unwrap().to_owned();
        Self { name: name.into(), switch: Switch::Rule(String::new()), groups, subnets, template, images }
    }

    /// The environment file that describes it, with no check that needs a running instance.
    pub(crate) fn file(&self) -> String {
        let name = &self.name;
        let (own_balancer, switch) = match &self.switch {
            Switch::Rule(_) => {
                (false, format!("listener: {{ load-balancer: {name}, port: 80, rule: {{ path: /api/* }} }}"))
            }
            Switch::Records(_, zone) => {
                (true, format!("dns: {{ zone: {zone}, record: shop.{zone}, type: CNAME, port: 80 }}"))
            }
        };
        let color = |color: &str| {
            let balancer = if own_balancer { format!(", load-balancer: {name}-{color}") } else { String::new() };
            format!("{color}: {{ target-group: {name}-{color}{balancer} }}")
        };
        format!(
            "name: {name}
colors:
  {blue}
  {green}
switches:
  - {switch}
compute:
  instances: {{ launch-template: {name}, count: 3, subnets: [{name}-a, {name}-b] }}
health: {{ consecutive: 2, timeout: 1m }}
smoke:
  - command: {{ run: [test, -n, \"{{color.endpoint}}\"], timeout: 30s }}
release:
  converge: {{ quiet: 1s, no-requests: 0s, timeout: 1m }}
  bake: 0s
retain: 1h
",
            blue = color("blue"),
            green = color("green"),
        )
    }
}

/// The ARN and the DNS name of a new load balancer.
async fn load_balancer(
    elb: &aws_sdk_elasticloadbalancingv2::Client,
    name: &str,
    subnets: &[String],
) -> (String, String) {
    let made = elb.create_load_balancer().name(name).set_subnets(Some(subnets.to_vec())).send().await.unwrap();
    let made = &made.load_balancers()[0];
    (made.load_balancer_arn().unwrap().into(), made.dns_name().unwrap().into())
}

/// The ARN of a new listener on port 80.
async fn listener(elb: &aws_sdk_elasticloadbalancingv2::Client, balancer: &str, default: Action) -> String {
    let request = elb.create_listener().load_balancer_arn(balancer).protocol(ProtocolEnum::Http).port(80);
    let made = request.default_actions(default).send().await.unwrap();
    made.listeners()[0].listener_arn().unwrap().into()
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
