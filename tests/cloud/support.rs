//! A dev cloud with a small world in it, the environment that describes this world, and clients to change it from
//! outside.

use std::path::PathBuf;
use std::time::Duration;

use switchback::cloud::{Cloud, CloudError, Kind};
use switchback::config::{
    ColorConfig, Compute, Converge, Dns, DnsKind, Environment, Health, Instances, JournalLocation, Listener,
    ReleasePolicy, RuleMatch, Switch,
};
use switchback::dev::machine::{Architecture, Catalogue, Image, ImageState};
use switchback::dev::seed::{Seed, SeedCondition, SeedSwitch, Seeded, plant};
use switchback::dev::{DevCloud, DevOptions};
use switchback::release::{Color, Pins};

pub(crate) const IMAGE: &str = "ami-00000000000000001";
pub(crate) const ARM: &str = "ami-0000000000000000a";
pub(crate) const GONE: &str = "ami-0000000000000000d";

pub(crate) struct World {
    pub(crate) dev: DevCloud,
    pub(crate) seeded: Seeded,
    pub(crate) cloud: Cloud,
    pub(crate) environment: Environment,
    pub(crate) elb: aws_sdk_elasticloadbalancingv2::Client,
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) route53: aws_sdk_route53::Client,
}

pub(crate) fn blue() -> Color {
    Color::new("blue")
}

pub(crate) fn green() -> Color {
    Color::new("green")
}

pub(crate) fn rule() -> SeedSwitch {
    SeedSwitch::Rule { priority: 10, condition: SeedCondition::Path("/api/*".into()) }
}

pub(crate) fn dns() -> SeedSwitch {
    SeedSwitch::Dns { zone: "example.test".into(), record: "shop.example.test".into() }
}

/// A world without instances, whose traffic is carried like this.
pub(crate) async fn world(switch: SeedSwitch) -> World {
    world_with(switch, None).await
}

/// The same over HTTPS, without which load balancers do not authenticate anybody.
pub(crate) async fn secure_world(switch: SeedSwitch) -> World {
    let certificate = "arn:aws:acm:eu-west-1:000000000000:certificate/01234567-89ab-cdef-0123-456789abcdef";
    world_with(switch, Some(certificate.to_owned())).await
}

async fn world_with(switch: SeedSwitch, certificate: Option<String>) -> World {
    let command = [env!("CARGO_BIN_EXE_switchback"), "dev-app", "--app-version", "v1"].map(str::to_owned).to_vec();
    let image = Image::new(command, 8080);
    let arm = Image { architecture: Architecture::Arm64, ..image.clone() };
    let gone = Image { state: ImageState::Deregistered, ..image.clone() };
    let images = [(IMAGE, image), (ARM, arm), (GONE, gone)].map(|(id, image)| (id.to_owned(), image)).into();
    let options = DevOptions { catalogue: Catalogue { images }, ..DevOptions::default() };
    let dev = DevCloud::start(options).await.expect("a dev cloud");
    let seed = Seed { count: 0, switch: switch.clone(), certificate, ..Seed::new(IMAGE) };
    let seeded = plant(&dev, &seed).await.expect("a small world");
    let config = dev.sdk_config(&seed.region);
    World {
        seeded,
        cloud: Cloud::from_conf(&config),
        environment: environment(&seed, &switch),
        elb: aws_sdk_elasticloadbalancingv2::Client::new(&config),
        ec2: aws_sdk_ec2::Client::new(&config),
        route53: aws_sdk_route53::Client::new(&config),
        dev,
    }
}

fn environment(seed: &Seed, switch: &SeedSwitch) -> Environment {
    let listener = |rule| {
        Switch::Listener(Listener { load_balancer: seed.load_balancers[0].clone(), port: seed.listener_port, rule })
    };
    let own = matches!(switch, SeedSwitch::Dns { .. });
    Environment {
        file: PathBuf::from("shop.yaml"),
        name: seed.environment.clone(),
        region: None,
        account: None,
        journal: JournalLocation::Folder(PathBuf::from(".switchback")),
        colors: [0, 1].map(|i| ColorConfig {
            name: Color::new(&seed.colors[i]),
            target_group: seed.target_groups[i].clone(),
            load_balancer: own.then(|| seed.load_balancers[i].clone()),
        }),
        switch: match switch {
            SeedSwitch::DefaultAction => listener(None),
            SeedSwitch::Rule { condition: SeedCondition::Path(path), .. } => {
                listener(Some(RuleMatch::Path(path.clone())))
            }
            SeedSwitch::Rule { condition: SeedCondition::Host(host), .. } => {
                listener(Some(RuleMatch::Host(host.clone())))
            }
            SeedSwitch::Dns { zone, record } => Switch::Dns(Dns {
                zone: zone.clone(),
                record: record.clone(),
                kind: DnsKind::A,
                port: seed.listener_port,
            }),
        },
        compute: Compute::Instances(Instances {
            launch_template: seed.launch_template.clone(),
            version: None,
            count: 3,
            subnets: seed.subnets.clone(),
        }),
        health: Health { consecutive: 1, timeout: Duration::from_secs(60) },
        smoke: vec![],
        release: ReleasePolicy {
            converge: Converge {
                probe: None,
                quiet: Duration::ZERO,
                no_requests: Duration::ZERO,
                timeout: Duration::from_secs(60),
            },
            bake: Duration::ZERO,
        },
        retain: Duration::ZERO,
    }
}

impl World {
    pub(crate) async fn pins(&self) -> Pins {
        self.cloud.resolve(&self.environment).await.expect("the world is as the environment describes it")
    }
}

/// What is said when something is refused without having been tried.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, CloudError>) -> String {
    let e = result.expect_err("refused");
    assert!(matches!(e.kind, Kind::Refused(_)) && !e.outcome_unknown(), "{e:?}");
    e.to_string()
}

/// Asks until it is so; every wait in these tests ends by itself.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..1000 {
        if so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never came to {what}");
}
