//! `alb.yaml`: a rule of a listener, three zones, every kind of smoke check, every default written out.

use std::os::unix::fs::PermissionsExt;

use switchback::dev::DevOptions;
use switchback::dev::machine::Catalogue;
use switchback::dev::seed::{SeedCondition, SeedSwitch};

use super::example::{example, name, read};
use crate::world::{World, ami, image, until};

/// What a test cannot wait for, and a port that needs no rights.
const CHANGES: [(&str, &str); 6] = [
    ("port: 443", "port: 8443"),
    ("quiet: 2m", "quiet: 1s"),
    ("no-requests: 1m", "no-requests: 0s"),
    ("    timeout: 10m", "    timeout: 30s"),
    ("bake: 10m", "bake: 1s"),
    ("retain: 24h", "retain: 2s"),
];

/// The smoke check that `alb.yaml` runs: it notes what it was called with.
const SMOKE: &str = "#!/bin/sh\nprintf '%s ' \"$@\" >> smoke.log\nprintf '\\n' >> smoke.log\n";

async fn world() -> World {
    let text = example("alb.yaml", &CHANGES);
    let environment = read(&text);
    // The rule takes /api/* only, so the program must serve that.
    let images = ["v0", "v1", "v2"].iter().map(|version| image(version, &["--prefix", "/api"])).collect();
    let options = DevOptions { catalogue: Catalogue { images }, ..DevOptions::default() };
    let seed = |seed: &mut switchback::dev::seed::Seed| {
        name(seed, &environment);
        seed.switch = SeedSwitch::Rule { priority: 10, condition: SeedCondition::Path("/api/*".into()) };
    };
    let world = World::with(options, seed, &text).await;
    // The file pins version 7 of the launch template.
    for version in 2..=7 {
        let data = aws_sdk_ec2::types::RequestLaunchTemplateData::builder()
            .instance_type(aws_sdk_ec2::types::InstanceType::T3Micro)
            .build();
        let next = world.ec2().create_launch_template_version().launch_template_id(&world.seeded.launch_template);
        let made = next.source_version("1").launch_template_data(data).send().await.expect("a version");
        assert_eq!(made.launch_template_version().and_then(|v| v.version_number()), Some(version));
    }
    let smoke = world.folder().join("smoke.sh");
    std::fs::write(&smoke, SMOKE).expect("written");
    std::fs::set_permissions(&smoke, std::fs::Permissions::from_mode(0o700)).expect("executable");
    world
}

impl World {
    async fn api_version(&self) -> String {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let answer = client.get(format!("{}/api/version", self.seeded.url)).send().await.expect("an answer");
        answer.text().await.expect("a body")
    }
}

#[tokio::test]
async fn the_example_of_a_listener_rule_is_deployed_twice_rolled_back_and_swept_without_a_failed_request() {
    let world = world().await;
    let load = world.load_on("/api/").await;

    // As it stands, the file names an account that these credentials do not belong to.
    let refused = world.deploy("v1").await.exits(3).says("the credentials belong to account 000000000000");
    refused.says("account 123456789012").says("aws sts get-caller-identity");
    assert!(world.writes().keys().all(|call| call.contains("CreateLaunchTemplateVersion")), "{:?}", world.writes());
    assert!(!world.journal().exists());
    let own = std::fs::read_to_string(world.env()).expect("the file").replace("\"123456789012\"", "\"000000000000\"");
    world.write_environment(&own);

    for (version, color) in [("v1", "green"), ("v2", "blue")] {
        world.deploy(version).await.exits(0);
        assert_eq!(world.api_version().await, version);
        let status = world.status().await;
        assert_eq!(status["traffic"]["color"], color);
        let zones: std::collections::BTreeSet<_> = world.zones_of(color).await.into_iter().collect();
        assert_eq!(zones.len(), 3, "instances are not spread over the three zones: {zones:?}");
    }
    let noted = std::fs::read_to_string(world.folder().join("smoke.log")).expect("smoke.sh was run");
    let calls: Vec<Vec<&str>> = noted.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(calls.iter().any(|c| c[0] == "green" && c[2] == ami("v1")), "{noted}");
    assert!(calls.iter().any(|c| c[0] == "blue" && c[2] == ami("v2")), "{noted}");
    assert!(calls.iter().all(|c| c[1].starts_with("127.") && c[1].ends_with(":8080")), "{noted}");

    world.run(&["rollback", "ENV"]).await.exits(0);
    assert_eq!(world.api_version().await, "v1");
    until("blue is swept", async || {
        world.run(&["sweep", "ENV"]).await.exits(0);
        world.instances("blue").await.is_empty()
    })
    .await;
    world.nothing_is_left_of(0).await;
    assert_eq!(world.instances("green").await.len(), 3);
    world.lease_is_free();
    let versions: Vec<_> = world.no_request_failed(load).await.into_keys().collect();
    assert_eq!(versions, ["v0", "v1", "v2"]);
    world.end().await;
}

impl World {
    async fn zones_of(&self, color: &str) -> Vec<String> {
        let ids = self.instances(color).await;
        let found = self.ec2().describe_instances().set_instance_ids(Some(ids)).send().await.expect("instances");
        let instances = found.reservations().iter().flat_map(|r| r.instances());
        instances.filter_map(|i| i.placement()?.availability_zone().map(str::to_owned)).collect()
    }
}
