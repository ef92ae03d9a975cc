//! A small world to start from: what Terraform would have built before the first release, made through the AWS SDK.

use std::net::IpAddr;
use std::time::Duration;

use aws_sdk_ec2 as ec2;
use aws_sdk_elasticloadbalancingv2 as elb;
use aws_sdk_route53 as route53;
use serde::Deserialize;
use tokio::time::Instant;

use super::{DevCloud, DevError};

mod balancing;
mod file;
mod machines;
mod naming;
mod network;

pub use file::SeedFileError;

/// What is built.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Seed {
    /// The environment: value of the tag `switchback:environment`.
    pub environment: String,
    /// Names of the load balancers: the first carries the traffic; the second is built for a DNS switch only.
    pub load_balancers: [String; 2],
    /// Names of the target groups, one per color.
    pub target_groups: [String; 2],
    /// Name of the launch template, the VPC and the security group.
    pub launch_template: String,
    /// Names of the subnets, each in a zone of its own.
    pub subnets: Vec<String>,
    /// AWS region.
    pub region: String,
    /// The two colors; the first is live.
    pub colors: [String; 2],
    /// The image of the first version, which runs on the first color. It must be in the catalogue. Without one the
    /// launch template has none, and `count` must be 0.
    pub image: Option<String>,
    /// Instance type of the launch template.
    pub instance_type: String,
    /// How many instances the first version has, spread over the subnets; 0 leaves both colors empty.
    pub count: u32,
    /// The port on which instances serve.
    pub instance_port: u16,
    /// The port on which load balancers listen.
    pub listener_port: u16,
    /// ARN of a certificate: with one, load balancers listen for HTTPS.
    pub certificate: Option<String>,
    /// Health checks ask for this path, every 5 s by the API (the dev cloud may be told to be quicker).
    pub health_path: String,
    /// The target groups' deregistration delay, in seconds.
    pub deregistration_delay_s: u32,
    /// What carries the traffic.
    pub switch: SeedSwitch,
}

/// What carries the traffic of a seeded world.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum SeedSwitch {
    /// The listener's default action.
    DefaultAction,
    /// A listener rule; the default action answers 404.
    Rule {
        /// 1 to 50,000.
        priority: u32,
        /// Its only condition.
        condition: SeedCondition,
    },
    /// A load balancer per color, and two weighted alias records.
    Dns {
        /// Name of the hosted zone.
        zone: String,
        /// Name of the records.
        record: String,
    },
}

/// Which requests a rule takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum SeedCondition {
    /// Those to this path pattern.
    Path(String),
    /// Those to this host.
    Host(String),
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeded {
    /// ARNs of the load balancers: one, or one per color for a DNS switch.
    pub load_balancers: Vec<String>,
    /// Their addresses.
    pub addresses: Vec<IpAddr>,
    /// ARNs of their listeners.
    pub listeners: Vec<String>,
    /// ARN of the rule that carries the traffic, if it is one.
    pub rule: Option<String>,
    /// ARNs of the target groups, one per color.
    pub target_groups: [String; 2],
    /// Ids of the subnets, in the order of the seed.
    pub subnets: Vec<String>,
    /// Id of the VPC.
    pub vpc: String,
    /// Id of the launch template.
    pub launch_template: String,
    /// Id of the hosted zone, for a DNS switch.
    pub hosted_zone: Option<String>,
    /// Ids of the first version's instances.
    pub instances: Vec<String>,
    /// The URL under which the first load balancer answers, without a final slash.
    pub url: String,
}

impl Seed {
    /// The world of the demo, whose first version is `image`: load balancer `shop`, its port 8080, a default action
    /// that forwards to `shop-blue` at 100 and `shop-green` at 0, two instances of port 8080.
    pub fn new(image: impl Into<String>) -> Self {
        Self { image: Some(image.into()), count: 2, ..Self::default() }
    }
}

impl Default for Seed {
    /// The demo's world before anything runs in it.
    fn default() -> Self {
        Self {
            environment: "shop".into(),
            load_balancers: ["shop".into(), "shop-green".into()],
            target_groups: ["shop-blue".into(), "shop-green".into()],
            launch_template: "shop".into(),
            subnets: vec!["subnet-a".into(), "subnet-b".into()],
            region: "eu-west-1".into(),
            colors: ["blue".into(), "green".into()],
            image: None,
            instance_type: "t3.micro".into(),
            count: 0,
            instance_port: 8080,
            listener_port: 8080,
            certificate: None,
            health_path: "/healthz".into(),
            deregistration_delay_s: 1,
            switch: SeedSwitch::DefaultAction,
        }
    }
}

/// How long the first version may take to get healthy.
const HEALTHY_TIME_MAX: Duration = Duration::from_secs(60);
/// Looks follow each other quickly for the first second, then slowly.
const POLL_QUICK: Duration = Duration::from_millis(20);
const POLL_SLOW: Duration = Duration::from_millis(500);
const QUICK: Duration = Duration::from_secs(1);

/// The clients that a seed is planted with.
struct Clients {
    ec2: ec2::Client,
    elb: elb::Client,
    route53: route53::Client,
}

/// Builds `seed` in `cloud` and returns when the first version is healthy behind its load balancer.
///
/// Its calls meet the cloud's faults like any other; set faults afterwards. It leaves the call log empty.
///
/// # Errors
/// A call is refused, or the first version does not get healthy.
pub async fn plant(cloud: &DevCloud, seed: &Seed) -> Result<Seeded, DevError> {
    let config = cloud.sdk_config(&seed.region);
    let clients = Clients {
        ec2: ec2::Client::new(&config),
        elb: elb::Client::new(&config),
        route53: route53::Client::new(&config),
    };
    let ground = network::create(&clients, cloud, seed).await?;
    let target_groups = balancing::create_groups(&clients, seed, &ground).await?;
    let launch_template = machines::create_template(&clients, seed, &ground).await?;
    let balanced = balancing::create(cloud, (&clients, seed), &ground, &target_groups).await?;
    let instances = machines::run_first(&clients, seed, &ground, &launch_template).await?;
    machines::register(&clients, &target_groups[0], &instances).await?;
    let hosted_zone = match &seed.switch {
        SeedSwitch::Dns { zone, record } => Some(naming::create(&clients, seed, zone, record, &balanced).await?),
        SeedSwitch::DefaultAction | SeedSwitch::Rule { .. } => None,
    };
    cloud.forget_calls();
    let scheme = if seed.certificate.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}:{}", balanced.addresses[0], seed.listener_port);
    Ok(Seeded {
        load_balancers: balanced.load_balancers,
        addresses: balanced.addresses,
        listeners: balanced.listeners,
        rule: balanced.rule,
        target_groups,
        subnets: ground.subnets,
        vpc: ground.vpc,
        launch_template,
        hosted_zone,
        instances,
        url,
    })
}

/// For `map_err`: what was being done, and why it failed.
fn failed<E: std::error::Error>(what: &str) -> impl FnOnce(E) -> DevError {
    move |error| {
        let mut why = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            let cause_text = cause.to_string();
            // Layers repeat what lies under them.
            if !why.contains(&cause_text) {
                why = format!("{why}: {cause_text}");
            }
            next = cause.source();
        }
        DevError::Seed(format!("cannot {what}: {why}"))
    }
}

/// For `ok_or_else`: an answer lacks what it must have.
fn lacks(what: &str) -> impl FnOnce() -> DevError {
    move || DevError::Seed(format!("an answer has no {what}"))
}

/// Waits until `missing` finds nothing that is missing; otherwise it says what.
async fn until(what: &str, mut missing: impl AsyncFnMut() -> Result<Option<String>, DevError>) -> Result<(), DevError> {
    let began = Instant::now();
    while let Some(missing) = missing().await? {
        if began.elapsed() > HEALTHY_TIME_MAX {
            let seconds = HEALTHY_TIME_MAX.as_secs();
            return Err(DevError::Seed(format!("{what} is not there after {seconds} s: {missing}")));
        }
        tokio::time::sleep(if began.elapsed() < QUICK { POLL_QUICK } else { POLL_SLOW }).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_call_is_told_in_one_short_line() {
        let answer = ec2::error::ErrorMetadata::builder().code("InvalidPort").message("no port 443 for you").build();
        let error = ec2::operation::run_instances::RunInstancesError::generic(answer);
        let body = aws_smithy_types::body::SdkBody::from("the whole answer");
        let raw = aws_smithy_runtime_api::http::Response::new(400.try_into().unwrap(), body);
        let error = aws_smithy_runtime_api::client::result::SdkError::<_, _>::service_error(error, raw);
        let told = failed::<_>("create a listener")(error).to_string();
        assert!(told.contains("cannot create a listener") && told.contains("no port 443 for you"), "{told}");
        assert!(!told.contains("the whole answer") && told.len() < 250, "{told}");
    }
}
