//! A dev cloud with the sample program as its images, and clients for it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, TargetDescription, TargetGroupTuple, TargetHealth,
};
use switchback::dev::machine::{Catalogue, Image};
use switchback::dev::seed::{Seed, Seeded, plant};
use switchback::dev::{DevCloud, DevOptions};

/// The sample program as version v0, …
pub(super) const V0: &str = "ami-00000000000000000";
/// … as v1, …
pub(super) const V1: &str = "ami-00000000000000001";
/// … and as a program whose health check answers 500.
pub(super) const SICK: &str = "ami-0000000000000005c";

pub(super) fn image(arguments: &[&str]) -> Image {
    let program = env!("CARGO_BIN_EXE_switchback");
    let command = [program, "dev-app"].iter().chain(arguments).map(|text| (*text).to_owned()).collect();
    Image::new(command, 8080)
}

pub(super) fn options() -> DevOptions {
    let images = BTreeMap::from([
        (V0.to_owned(), image(&["--app-version", "v0"])),
        (V1.to_owned(), image(&["--app-version", "v1"])),
        (SICK.to_owned(), image(&["--app-version", "sick", "--on", "/healthz=status:500"])),
    ]);
    DevOptions { catalogue: Catalogue { images }, ..DevOptions::default() }
}

pub(super) struct Rig {
    pub(super) cloud: DevCloud,
    pub(super) world: Seeded,
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) elb: aws_sdk_elasticloadbalancingv2::Client,
    pub(super) route53: aws_sdk_route53::Client,
    /// How long it waits between two looks.
    pub(super) pause: Duration,
}

impl Rig {
    pub(super) async fn start(options: DevOptions, seed: Seed) -> Self {
        Self::on(DevCloud::start(options).await.unwrap(), seed, Duration::from_millis(20)).await
    }

    pub(super) async fn on(cloud: DevCloud, seed: Seed, pause: Duration) -> Self {
        let world = plant(&cloud, &seed).await.unwrap();
        Self::of(cloud, world, pause)
    }

    /// Clients of a cloud in which this world is already.
    pub(super) fn of(cloud: DevCloud, world: Seeded, pause: Duration) -> Self {
        let config = cloud.sdk_config("eu-west-1");
        let ec2 = aws_sdk_ec2::Client::new(&config);
        let elb = aws_sdk_elasticloadbalancingv2::Client::new(&config);
        let route53 = aws_sdk_route53::Client::new(&config);
        Self { cloud, world, ec2, elb, route53, pause }
    }

    pub(super) async fn health(&self, group: &str) -> Vec<TargetHealth> {
        let found = self.elb.describe_target_health().target_group_arn(group).send().await.unwrap();
        found.target_health_descriptions().iter().filter_map(|each| each.target_health().cloned()).collect()
    }

    /// `state` or `state/Reason` of each target of a group.
    pub(super) async fn states(&self, group: &str) -> Vec<String> {
        let written = |health: TargetHealth| match (health.state(), health.reason()) {
            (Some(state), Some(reason)) => format!("{}/{}", state.as_str(), reason.as_str()),
            (Some(state), None) => state.as_str().to_owned(),
            (None, _) => "nothing".to_owned(),
        };
        self.health(group).await.into_iter().map(written).collect()
    }

    /// Waits until every target of a group is `state`, and there is one.
    pub(super) async fn until(&self, group: &str, state: &str) {
        let mut seen = Vec::new();
        for _ in 0..1500 {
            seen = self.states(group).await;
            if !seen.is_empty() && seen.iter().all(|each| each == state) {
                return;
            }
            tokio::time::sleep(self.pause).await;
        }
        panic!("never {state}: {seen:?}");
    }

    /// Launches instances of `image` from the seed's template into `subnet-a`, and waits until they run.
    pub(super) async fn launch(&self, image: &str, count: i32) -> Vec<String> {
        let template = aws_sdk_ec2::types::LaunchTemplateSpecification::builder();
        let template = template.launch_template_id(&self.world.launch_template).version("1").build();
        let run = self.ec2.run_instances().launch_template(template).image_id(image).subnet_id(&self.world.subnets[0]);
        let run = run.min_count(count).max_count(count).send().await.unwrap();
        let ids: Vec<_> = run.instances().iter().filter_map(|each| each.instance_id().map(str::to_owned)).collect();
        for id in &ids {
            self.until_instance(id, "running").await;
        }
        ids
    }

    pub(super) async fn instance_state(&self, id: &str) -> String {
        let found = self.ec2.describe_instances().instance_ids(id).send().await.unwrap();
        found.reservations()[0].instances()[0].state().unwrap().name().unwrap().as_str().to_owned()
    }

    pub(super) async fn until_instance(&self, id: &str, state: &str) {
        for _ in 0..1500 {
            if self.instance_state(id).await == state {
                return;
            }
            tokio::time::sleep(self.pause).await;
        }
        panic!("{id} never {state}");
    }

    pub(super) async fn register(&self, group: &str, ids: &[String]) {
        let targets = ids.iter().map(|id| TargetDescription::builder().id(id).build()).collect();
        self.elb.register_targets().target_group_arn(group).set_targets(Some(targets)).send().await.unwrap();
    }

    /// Replaces the default action of the seed's listener.
    pub(super) async fn forward(&self, weights: [i32; 2]) {
        let groups = self.world.target_groups.iter().zip(weights);
        let modify = self.elb.modify_listener().listener_arn(&self.world.listeners[0]);
        modify.default_actions(forward(groups.map(|(arn, weight)| (arn.as_str(), weight)))).send().await.unwrap();
    }

    /// The version that answers through the load balancer.
    pub(super) async fn version(&self) -> String {
        let (status, body) = get(&format!("{}/version", self.world.url)).await;
        assert_eq!(status, 200, "{body}");
        body.trim().to_owned()
    }
}

pub(super) fn forward(groups: impl IntoIterator<Item = (impl Into<String>, i32)>) -> Action {
    let tuples = groups
        .into_iter()
        .map(|(arn, weight)| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build())
        .collect();
    let config = ForwardActionConfig::builder().set_target_groups(Some(tuples)).build();
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
}

pub(super) async fn get(url: &str) -> (u16, String) {
    let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// AWS's code of a refused call.
pub(super) fn code<T: std::fmt::Debug, E: ProvideErrorMetadata>(result: Result<T, E>) -> String {
    result.err().and_then(|error| error.code().map(str::to_owned)).unwrap_or_else(|| "not refused".to_owned())
}

/// A world without instances, for what needs none.
pub(super) fn empty() -> Seed {
    Seed { count: 0, ..Seed::new(V0) }
}

/// The seed with one instance.
pub(super) fn one() -> Seed {
    Seed { count: 1, ..Seed::new(V0) }
}
