//! The same calls against an AWS emulator that we did not write.
//!
//! moto knows the control plane and nothing else: its instances do not run, every registered target is healthy at once,
//! and no request can be sent through its load balancers. So nothing is probed here and no instance is asked anything;
//! what is checked is that another implementation of AWS takes our calls and ends in the state that was asked for.

#![expect(clippy::unwrap_used, reason = "an emulator that refuses what the test builds has failed the test")]

use std::path::PathBuf;
use std::process::Stdio;

use aws_config::SdkConfig;
use switchback::cloud::Cloud;
use switchback::config;
use switchback::release::{Color, SwitchPin, Traffic};
use tokio::process::Command;

mod support {
    pub(crate) mod aws;
    pub(crate) mod moto;
}

use support::aws::{Estate, Eyes, Switch};
use support::moto::Moto;

/// An environment of its own in the emulator, with its file on disk.
struct World {
    moto: Moto,
    sdk: SdkConfig,
    eyes: Eyes,
    estate: Estate,
    folder: tempfile::TempDir,
}

impl World {
    async fn behind_a_rule() -> Self {
        Self::with(async |eyes| Estate::behind_a_rule(eyes, &unique("shop")).await).await
    }

    async fn behind_records() -> Self {
        Self::with(async |eyes| Estate::behind_records(eyes, &unique("shop")).await).await
    }

    async fn with(build: impl AsyncFnOnce(&Eyes) -> Estate) -> Self {
        let moto = Moto::start().await;
        let sdk = moto.sdk().await;
        let eyes = Eyes::new(&sdk);
        let estate = build(&eyes).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("shop.yaml"), estate.file()).unwrap();
        Self { moto, sdk, eyes, estate, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("shop.yaml")
    }

    fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(self.file(), text.replace(from, to)).unwrap();
    }

    /// Looks at AWS with clients of the test's own: `live` has all the traffic, and each color (blue, green) is three
    /// registered instances of that image, spread over the two subnets, or nothing.
    async fn expect(&self, live: &str, images: [Option<&String>; 2]) {
        let Self { eyes, estate, .. } = self;
        let [blue, green] = &estate.groups;
        assert_eq!(eyes.weights(estate).await, ["blue", "green"].map(|color| if color == live { 100 } else { 0 }));

        for (color, group, image) in [("blue", blue, images[0]), ("green", green, images[1])] {
            let instances = eyes.instances(&estate.name, color).await;
            let ids: Vec<_> = instances.iter().filter_map(|i| i.instance_id.clone()).collect();
            assert_eq!(eyes.healthy(group).await, ids, "targets of {color}");
            let Some(image) = image else {
                assert_eq!(ids, [""; 0], "{color} has no instance");
                continue;
            };
            assert!(instances.iter().all(|i| i.image_id() == Some(image)), "{instances:?}");
            let in_subnet = |id: &str| instances.iter().filter(|i| i.subnet_id() == Some(id)).count();
            assert_eq!(estate.subnets.each_ref().map(|id| in_subnet(id)), [2, 1], "{color}");
        }
    }

    /// Runs the program as a user does; its exit code and everything that it said.
    async fn switchback(&self, verb: &str, more: &[&str]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_switchback"))
            .arg(verb)
            .arg(self.file())
            .args(more)
            .envs(self.moto.variables())
            .env_remove("AWS_PROFILE")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code().expect("it was ended by a signal"), said)
    }
}

/// A name that nothing else on a shared emulator has.
fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", &uuid::Uuid::now_v7().simple().to_string()[24..])
}

#[tokio::test]
async fn what_stands_in_aws_is_resolved_to_the_same_identifiers() {
    let world = World::behind_a_rule().await;
    let World { eyes, estate, .. } = &world;
    assert_eq!(eyes.weights(estate).await, [100, 0]);

    let environment = config::load(&world.file()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let cloud = Cloud::from_conf(&world.sdk);
    let pins = cloud.resolve(&environment).await.unwrap_or_else(|error| panic!("{}", error.problem()));

    let (blue, green) = (Color::new("blue"), Color::new("green"));
    assert_eq!([&pins.groups[&blue].arn, &pins.groups[&green].arn], estate.groups.each_ref());
    assert_eq!(pins.groups[&green].port, 8080);
    assert_eq!((&pins.template, pins.template_version), (&estate.template, 1));
    let subnets: Vec<_> = pins.subnets.iter().map(|s| (&s.id, s.zone.as_str(), s.count)).collect();
    let [a, b] = &estate.subnets;
    assert_eq!(subnets, [(a, "eu-west-1a", 2), (b, "eu-west-1b", 1)]);
    let (SwitchPin::Rule { rule, route }, Switch::Rule(built)) = (&pins.route, &estate.switch) else {
        panic!("{pins:?}")
    };
    assert_eq!((rule, route.port, route.https), (built, 80, false));

    let traffic = cloud.traffic(&pins).await.unwrap().traffic;
    assert_eq!(traffic, Traffic::Only { color: blue, idle_referenced: true });
}

#[tokio::test]
async fn a_release_and_its_rollback_end_in_the_state_that_was_asked_for() {
    let world = World::behind_a_rule().await;
    let World { eyes, estate, .. } = &world;
    let [first, second] = &estate.images;

    let (code, said) = world.switchback("plan", &["--image", first]).await;
    assert_eq!(code, 0, "{said}");
    world.expect("blue", [None, None]).await;

    let (code, said) = world.switchback("deploy", &["--image", first]).await;
    assert_eq!(code, 0, "{said}");
    world.expect("green", [None, Some(first)]).await;
    let release = said.lines().next().unwrap();
    for instance in eyes.instances(&estate.name, "green").await {
        let tag = instance.tags().iter().find(|tag| tag.key() == Some("switchback:release"));
        assert_eq!(tag.and_then(|tag| tag.value()), Some(release));
    }

    let (code, said) = world.switchback("deploy", &["--image", first]).await;
    assert_eq!(code, 0, "an image that has the traffic is nothing to do: {said}");
    world.expect("green", [None, Some(first)]).await;

    let (code, said) = world.switchback("deploy", &["--image", second]).await;
    assert_eq!(code, 0, "{said}");
    world.expect("blue", [Some(second), Some(first)]).await;

    let (code, said) = world.switchback("rollback", &[]).await;
    assert_eq!(code, 0, "{said}");
    world.expect("green", [Some(second), Some(first)]).await;

    let (code, said) = world.switchback("sweep", &[]).await;
    assert_eq!(code, 0, "{said}");
    world.expect("green", [Some(second), Some(first)]).await;
}

#[tokio::test]
async fn a_sweep_takes_down_the_color_whose_retention_is_over_and_leaves_the_other() {
    let world = World::behind_a_rule().await;
    let [first, second] = &world.estate.images;
    world.edit("retain: 1h", "retain: 0s");
    for image in [first, second] {
        let (code, said) = world.switchback("deploy", &["--image", image]).await;
        assert_eq!(code, 0, "{said}");
    }
    world.expect("blue", [Some(second), Some(first)]).await;

    let (code, said) = world.switchback("sweep", &[]).await;
    assert_eq!(code, 0, "{said}");
    world.expect("blue", [Some(second), None]).await;

    let (code, said) = world.switchback("sweep", &[]).await;
    assert_eq!((code, said.as_str()), (0, ""), "a sweep with nothing to do says nothing");
    world.expect("blue", [Some(second), None]).await;
}

#[tokio::test]
async fn a_failed_smoke_check_leaves_the_traffic_where_it_was_and_nothing_behind() {
    let world = World::behind_a_rule().await;
    let [first, second] = &world.estate.images;
    let (code, said) = world.switchback("deploy", &["--image", first]).await;
    assert_eq!(code, 0, "{said}");

    world.edit("run: [test, -n,", "run: [test, -z,");
    let (code, said) = world.switchback("deploy", &["--image", second]).await;
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("smoke check 1 of 1 (command test -z '{color.endpoint}') failed"), "{said}");
    world.expect("green", [None, Some(first)]).await;
}

#[tokio::test]
async fn a_release_behind_weighted_records_and_its_rollback_change_the_records_alone() {
    let world = World::behind_records().await;
    let [first, second] = &world.estate.images;
    for (image, live, images) in [(first, "green", [None, Some(first)]), (second, "blue", [Some(second), Some(first)])]
    {
        let (code, said) = world.switchback("deploy", &["--image", image]).await;
        assert_eq!(code, 0, "{said}");
        world.expect(live, images).await;
    }
    // moto refuses a record that was created once before in the same words, even one that the batch deletes (Route 53
    // does not): the first flip's records can come back only with another time to live.
    world.eyes.change_ttl(&world.estate, 2).await;
    let (code, said) = world.switchback("rollback", &[]).await;
    assert_eq!(code, 0, "{said}");
    world.expect("green", [Some(second), Some(first)]).await;
}
