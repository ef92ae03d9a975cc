//! `reconcile` and `deploy --detach`: releases that no process stays with.

use std::time::Duration;

use aws_sdk_ec2::types::{LaunchTemplateSpecification, ResourceType, Tag, TagSpecification};
use rustix::process::Signal;
use switchback::dev::DevOptions;
use switchback::release::Ending;

use super::scene::{But, Idle, environment};
use crate::world::{World, ami};

#[tokio::test]
async fn what_to_reconcile_must_be_said() {
    let world = World::new().await;
    world.run(&["reconcile"]).await.exits(2).says("--all");
    world.run(&["reconcile", "--all", "ENV"]).await.exits(2).says("cannot be used with");
    world.run(&["reconcile", "--all"]).await.exits(2).says("cannot list the folder `environments`");
    let ran = world.run(&["reconcile", "ENV"]).await.exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "nothing to do, nothing to say");
    assert!(!world.journal().exists());
    world.end().await;
}

#[tokio::test]
async fn a_deploy_that_detaches_leaves_its_bake_to_reconcile() {
    let world = World::but(&[But::Bake("1h")]).await;
    let load = world.light_load().await;
    let ran = world.run(&["--json", "deploy", "ENV", "--image", &ami("v1"), "--detach"]).await.exits(0);
    let result = ran.lines().pop().unwrap();
    assert_eq!((&result["outcome"], &result["exit"]), (&"later".into(), &0.into()), "{result}");
    assert!(result["next"].is_string() && result["text"].as_str().unwrap().contains("baking"), "{result}");
    world.answers("v1").await;
    world.lease_is_free();

    let entries = world.entries().len();
    let ran = world.run(&["reconcile", "ENV"]).await.exits(0).says("baking").says("next look at");
    assert_eq!(ran.stdout, "");
    assert_eq!(world.entries().len(), entries, "a look at a bake writes nothing");
    world.run(&["deploy", "ENV", "--image", &ami("v2")]).await.exits(3).says("is unfinished: baking");

    // The times of other runs count up to two minutes late.
    let finish = world.later(3_600 + 130).reconcile().await.unwrap();
    assert_eq!(finish.ending, Ending::Done, "the bake is over");
    world.is_sound("v1", Idle::Kept("v0")).await;
    let finish = world.later(2 * 3_600 + 300).reconcile().await.unwrap();
    assert_eq!(finish.ending, Ending::Done, "the retention is over");
    world.no_request_failed(load).await;
    world.is_sound("v1", Idle::Empty).await;
    world.end().await;
}

#[tokio::test]
async fn a_color_that_gets_sick_in_a_bake_that_nobody_watches_is_taken_back_by_one_run() {
    let world = World::where_v1(&["--on", "/die=exit"], &[But::Bake("1h")]).await;
    world.run(&["deploy", "ENV", "--image", &ami("v1"), "--detach"]).await.exits(0);
    world.run(&["reconcile", "ENV"]).await.exits(0).says("baking");
    world.kill_the_processes_of("green", 1).await;
    crate::world::until("the load balancer notices", async || {
        world.targets(1).await.values().any(|state| state != "healthy")
    })
    .await;
    world.run(&["reconcile", "ENV"]).await.exits(5).says("got sick under traffic");
    world.answers("v0").await;
    // It is told once: what comes next has nothing to do.
    world.run(&["reconcile", "ENV"]).await.exits(0);
    world.is_sound("v0", Idle::Kept("v1")).await;
    world.end().await;
}

#[tokio::test]
async fn a_release_whose_run_was_killed_is_left_alone_while_its_lease_lives_and_then_finished() {
    let world = World::but(&[But::Gate]).await;
    let load = world.light_load().await;
    let mut deploy = world.start_deploy("v1");
    deploy.reaches_the_gate(&world).await;
    deploy.signal(Signal::KILL);
    deploy.end().await;
    let entries = world.entries().len();
    let ran = world.run(&["--json", "reconcile", "ENV"]).await.exits(0);
    let result = ran.lines().pop().unwrap();
    assert_eq!(result["outcome"], "busy", "{result}");
    world.run(&["reconcile", "ENV"]).await.exits(0).says("works on it").says("switchback deploy");
    assert_eq!(world.entries().len(), entries);
    world.open_the_gate();
    let finish = world.later(61).reconcile().await.unwrap();
    assert_eq!(finish.ending, Ending::Done);
    world.no_request_failed(load).await;
    world.is_sound("v1", Idle::Kept("v0")).await;
    world.end().await;
}

#[tokio::test]
async fn an_environment_that_cannot_be_reconciled_does_not_keep_the_others_from_it() {
    let world = World::but(&[But::Retain("0s")]).await;
    world.deploy("v1").await.exits(0);
    world.until_it_expires().await;
    let folder = world.folder().join("environments");
    std::fs::create_dir(&folder).unwrap();
    let shop = environment(&[But::Retain("0s")]).replace("name: shop\n", "name: shop\njournal: ../.switchback\n");
    std::fs::write(folder.join("shop.yaml"), shop).unwrap();
    std::fs::write(folder.join("broken.yaml"), "name: [").unwrap();
    std::fs::write(folder.join("notes.txt"), "no environment").unwrap();
    let ran = world.run(&["reconcile", "--all"]).await.exits(2).says("broken.yaml").says("reconcile of shop is done");
    assert!(ran.stderr.contains("shop: retiring"), "{}", ran.stderr);
    world.is_sound("v1", Idle::Empty).await;
    world.end().await;
}

#[tokio::test]
async fn instances_that_no_release_explains_are_taken_down_and_others_are_not() {
    let options = DevOptions { run_delay: Duration::ZERO, ..DevOptions::default() };
    let world = World::with(options, |_| {}, &environment(&[But::Retain("0s")])).await;
    world.deploy("v1").await.exits(0);
    world.until_it_expires().await;
    world.run(&["reconcile", "ENV"]).await.exits(0);
    world.is_sound("v1", Idle::Empty).await;

    // A launch of a release that nobody knows, on each color; one without a release; one of another environment.
    let launch = async |environment: &str, color: &str, release: Option<&str>| {
        let tag = |key: &str, value: &str| Tag::builder().key(format!("switchback:{key}")).value(value).build();
        let mut tags = vec![tag("environment", environment), tag("color", color)];
        tags.extend(release.map(|release| tag("release", release)));
        let tags = TagSpecification::builder().resource_type(ResourceType::Instance).set_tags(Some(tags)).build();
        let template = LaunchTemplateSpecification::builder().launch_template_id(&world.seeded.launch_template);
        let run = world.ec2().run_instances().launch_template(template.version("1").build()).image_id(ami("v1"));
        let run = run.subnet_id(&world.seeded.subnets[0]).min_count(1).max_count(1).tag_specifications(tags);
        run.send().await.unwrap().instances()[0].instance_id().unwrap().to_owned()
    };
    let left = [launch("shop", "blue", Some("r0")).await, launch("shop", "green", Some("r0")).await];
    let kept = [launch("shop", "blue", None).await, launch("store", "blue", Some("r0")).await];
    let ran = world.run(&["--json", "reconcile", "ENV"]).await.exits(0);
    let found: Vec<_> = ran.events().into_iter().filter(|event| event.starts_with("leftovers")).collect();
    assert_eq!(found, ["leftovers-found", "leftovers-removed", "leftovers-found", "leftovers-removed"]);
    let state = async |id: &str| {
        let found = world.ec2().describe_instances().instance_ids(id).send().await.unwrap();
        found.reservations()[0].instances()[0].state().unwrap().name().unwrap().as_str().to_owned()
    };
    for id in &left {
        assert!(["terminated", "shutting-down"].contains(&state(id).await.as_str()), "{id}");
    }
    for id in &kept {
        assert!(["pending", "running"].contains(&state(id).await.as_str()), "{id}");
    }
    world.answers("v1").await;
    world.lease_is_free();
    world.end().await;
}
