//! The simulated world: a dev cloud in the same process, and in it the environments of a plan, each with its live first
//! version.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, FixedResponseActionConfig, PathPatternConditionConfig, RuleCondition,
    TargetHealthDescription, TargetHealthStateEnum,
};
use object_store::ObjectStore;
use switchback::config::{self, Environment};
use switchback::dev::app::AppOptions;
use switchback::dev::machine::{Catalogue, Image};
use switchback::dev::seed::{Seed, SeedCondition, SeedSwitch, Seeded, plant};
use switchback::dev::{BalancingOptions, DevCloud, DevOptions, Snapshot};

use super::boundary::SECRET;
use super::plan::{Behavior, EnvironmentPlan, Plan, Switch};

/// Where everything is.
pub(crate) const REGION: &str = "eu-west-1";
/// The bucket of the journals.
pub(crate) const BUCKET: &str = "journals";
/// What everything else takes to come to rest before a run.
const SETTLES: Duration = Duration::from_secs(1);
/// The port of listeners and instances.
const PORT: u16 = 8080;

/// A running world.
pub(crate) struct World {
    /// AWS.
    pub(crate) cloud: DevCloud,
    /// The environments, in the plan's order.
    pub(crate) places: Vec<Place>,
    /// The journals' store, without boundaries and troubles.
    pub(crate) store: Arc<dyn ObjectStore>,
}

/// One environment of the world.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// As its file says.
    pub(crate) environment: Arc<Environment>,
    /// What was built for it.
    pub(crate) seeded: Seeded,
    /// Where its clients send their requests.
    pub(crate) url: String,
}

/// A world that other runs can start from.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    snapshot: Snapshot,
    places: Vec<Place>,
}

impl Prepared {
    /// The same with one of its environments alone; the others are there, and nobody looks at them.
    pub(crate) fn only(&self, environment: usize) -> Self {
        Self { snapshot: self.snapshot.clone(), places: vec![self.places[environment].clone()] }
    }
}

impl Place {
    /// What its file is called in messages.
    pub(crate) fn file(&self) -> String {
        format!("{}.yaml", self.environment.name)
    }
}

/// The image of a version: a place in the plan's images.
pub(crate) fn image_id(version: usize) -> String {
    format!("ami-{version:017x}")
}

impl World {
    /// Builds the world of `plan`; its first versions are healthy.
    pub(crate) async fn build(plan: &Plan) -> Self {
        let cloud = DevCloud::in_process(options(plan)).await.expect("a dev cloud in-process starts");
        let store = cloud.bucket(REGION, BUCKET).expect("the bucket can be made");
        let mut places = Vec::new();
        for environment in &plan.environments {
            places.push(settle(&cloud, environment).await);
        }
        // The nodes of the load balancers must know the rules before a client asks.
        tokio::time::sleep(Duration::from_millis(plan.propagation_ms + plan.node_skew_ms) + SETTLES).await;
        cloud.forget_calls();
        Self { cloud, places, store }
    }

    /// The world as it was prepared, from where `plan` goes on.
    pub(crate) async fn restore(plan: &Plan, prepared: &Prepared) -> Self {
        let options = DevOptions { restore: Some(prepared.snapshot.clone()), ..options(plan) };
        let cloud = DevCloud::in_process(options).await.expect("a dev cloud in-process starts again");
        let store = cloud.bucket(REGION, BUCKET).expect("the bucket is there");
        let world = Self { cloud, places: prepared.places.clone(), store };
        world.until_checked().await;
        world.cloud.forget_calls();
        world
    }

    /// Waits until the health of every target is known: it begins anew where a world is restored.
    async fn until_checked(&self) {
        let elb = aws_sdk_elasticloadbalancingv2::Client::new(&self.sdk_config("hand"));
        for group in self.places.iter().flat_map(|place| &place.seeded.target_groups) {
            loop {
                let health = elb.describe_target_health().target_group_arn(group).send().await;
                let health = health.expect("nothing goes wrong yet");
                let state = |each: &TargetHealthDescription| each.target_health()?.state().cloned();
                let found = health.target_health_descriptions().iter().filter_map(state);
                if found.into_iter().all(|state| state != TargetHealthStateEnum::Initial) {
                    break;
                }
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
    }

    /// The world as it is, for other runs to start from.
    pub(crate) fn prepared(&self) -> Prepared {
        Prepared { snapshot: self.cloud.snapshot(), places: self.places.clone() }
    }

    /// Clients for somebody of this name who is no process of ours.
    pub(crate) fn sdk_config(&self, access_key: &str) -> SdkConfig {
        sdk_config(&self.cloud, access_key)
    }
}

fn sdk_config(cloud: &DevCloud, access_key: &str) -> SdkConfig {
    let credentials = Credentials::new(access_key, SECRET, None, None, "the simulation");
    let config = cloud.sdk_config(REGION).into_builder();
    config.credentials_provider(SharedCredentialsProvider::new(credentials)).build()
}

fn options(plan: &Plan) -> DevOptions {
    let images = plan.images.iter().enumerate();
    let images: BTreeMap<_, _> =
        images.map(|(version, behavior)| (image_id(version), image(version, *behavior))).collect();
    // No other draw depends on these, so that a plan may be changed without changing the world.
    let mixed = plan.seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let late = |bits: u32, most_ms: u64| Duration::from_millis((mixed >> bits) % (most_ms + 1));
    DevOptions {
        seed: Some(plan.seed),
        catalogue: Catalogue { images },
        propagation: Duration::from_millis(plan.propagation_ms),
        run_delay: Duration::from_secs(5) + late(7, 20_000),
        consistency_delay: late(11, 8_000),
        status_delay: Duration::from_secs(120),
        balancing: BalancingOptions {
            nodes_per_zone: 1,
            node_skew: Duration::from_millis(plan.node_skew_ms),
            registration: Duration::from_secs(1),
            ..BalancingOptions::default()
        },
        metrics_delay: Duration::from_secs(30) + late(19, 90_000),
        health_speed: 1,
        ..DevOptions::default()
    }
}

fn image(version: usize, behavior: Behavior) -> Image {
    let fault = |text: &str| text.parse().expect("it is a fault of the sample program");
    let good = AppOptions::new(format!("v{version}"));
    let options = match behavior {
        Behavior::Well => good,
        Behavior::Sick => AppOptions { faults: vec![fault("/healthz=status:500")], ..good },
        Behavior::FailsSmoke => AppOptions { faults: vec![fault("/stream=status:500"), fault("/=status:500")], ..good },
        Behavior::Dies { after_ms } => AppOptions { exit_after: Some(Duration::from_millis(after_ms)), ..good },
        Behavior::StartsLate { after_ms } => AppOptions { start_delay: Duration::from_millis(after_ms), ..good },
    };
    Image::in_memory(options, PORT)
}

/// Builds one environment, as Terraform would have.
async fn settle(cloud: &DevCloud, plan: &EnvironmentPlan) -> Place {
    let name = &plan.name;
    let switch = match plan.switch {
        Switch::DefaultAction => SeedSwitch::DefaultAction,
        Switch::Rule => SeedSwitch::Rule { priority: 10, condition: SeedCondition::Path("/*".into()) },
    };
    let seed = Seed {
        environment: name.clone(),
        load_balancers: [name.clone(), format!("{name}-2")],
        target_groups: [format!("{name}-blue"), format!("{name}-green")],
        launch_template: name.clone(),
        region: REGION.into(),
        count: plan.count,
        instance_port: PORT,
        listener_port: PORT,
        deregistration_delay_s: u32::try_from(plan.deregistration_delay_ms / 1000).expect("a delay of hours at most"),
        switch,
        ..Seed::new(image_id(0))
    };
    let seeded = plant(cloud, &seed).await.expect("the environment can be built");
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&sdk_config(cloud, "hand"));
    let interval = i32::try_from(plan.health_interval_ms / 1000).expect("an interval of minutes at most");
    for group in &seeded.target_groups {
        let changed = elb.modify_target_group().target_group_arn(group).health_check_interval_seconds(interval);
        changed.send().await.expect("the interval can be changed");
    }
    if plan.switch == Switch::Rule {
        neighbor(&elb, &seeded).await;
    }
    let url = seeded.url.clone();
    Place { environment: Arc::new(environment(plan)), seeded, url }
}

/// Another service's rule on the same listener.
async fn neighbor(elb: &aws_sdk_elasticloadbalancingv2::Client, seeded: &Seeded) {
    let paths = PathPatternConditionConfig::builder().values("/neighbor/*").build();
    let condition = RuleCondition::builder().field("path-pattern").path_pattern_config(paths).build();
    let answer = FixedResponseActionConfig::builder().status_code("200").content_type("text/plain").build();
    let answer = Action::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(answer).build();
    let rule = elb.create_rule().listener_arn(&seeded.listeners[0]).conditions(condition).priority(5).actions(answer);
    rule.send().await.expect("the neighbor's rule can be made");
}

/// The environment as its file says; the file itself is only read here.
fn environment(plan: &EnvironmentPlan) -> Environment {
    let text = environment_file(plan);
    let folder = tempfile::tempdir().expect("a folder for the environment file");
    let path = folder.path().join(format!("{}.yaml", plan.name));
    std::fs::write(&path, &text).expect("the environment file can be written");
    let loaded = config::load(&path).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    // The folder's random name must not reach any message.
    Environment { file: format!("{}.yaml", plan.name).into(), ..loaded }
}

fn environment_file(plan: &EnvironmentPlan) -> String {
    let EnvironmentPlan { name, count, retain_ms, bake_ms, quiet_ms, converge_timeout_ms, health_timeout_ms, .. } =
        plan;
    let mut text = format!("name: {name}\nregion: {REGION}\ncolors:\n");
    for color in ["blue", "green"] {
        writeln!(text, "  {color}: {{ target-group: {name}-{color} }}").expect("a string takes everything");
    }
    let rule = match plan.switch {
        Switch::DefaultAction => "",
        Switch::Rule => ", rule: { path: \"/*\" }",
    };
    // Whatever the path, /healthz is the same on every version.
    let probe = if plan.probe { "/version" } else { "/healthz" };
    write!(
        text,
        "switches:
  - listener: {{ load-balancer: {name}, port: {PORT}{rule} }}
compute:
  instances: {{ launch-template: {name}, count: {count}, subnets: [subnet-a, subnet-b] }}
health: {{ consecutive: 2, timeout: {health_timeout_ms}ms }}
smoke:
  - http: {{ path: \"/stream?lines=1&pause=0s\", attempts: 2, expect: {{ within: 2s }} }}
release: {{ converge: {{ probe: {probe}, quiet: {quiet_ms}ms, timeout: {converge_timeout_ms}ms }}, bake: {bake_ms}ms }}
retain: {retain_ms}ms
"
    )
    .expect("a string takes everything");
    text
}
