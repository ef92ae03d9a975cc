//! One environment's life, verb by verb, as a person sees it; a client's requests run from the first verb to the last.

use crate::world::{ENVIRONMENT, World, ami};
use switchback::dev::DevOptions;

/// What a person reads is on stderr, without colors, as nothing here is a terminal.
fn plain(text: &str) {
    assert!(!text.contains('\u{1b}'), "escape sequences in:\n{text:?}");
}

/// Checks that the text has all of these, in this order.
fn in_order(text: &str, words: &[&str]) {
    let mut rest = text;
    for word in words {
        let at = rest.find(word).unwrap_or_else(|| panic!("no {word:?} (in this order) in:\n{text}"));
        rest = &rest[at + word.len()..];
    }
}

/// `20261121-021500-7f3a`: sorts by time.
fn is_release_id(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_hexdigit());
    parts.len() == 3 && digits(parts[0], 8) && digits(parts[1], 6) && digits(parts[2], 4)
}

#[tokio::test]
async fn plan_deploy_status_history_rollback_and_sweep_of_one_environment() {
    let world = World::new().await;
    let load = world.load().await;

    // Before the first release.
    world.dev.forget_calls();
    let plan = world.run(&["plan", "ENV", "--image", &ami("v1")]).await.exits(0);
    assert_eq!(plan.stderr, "");
    in_order(&plan.stdout, &["all traffic goes to blue", "blue", "2 healthy", &ami("v0"), "green", "none"]);
    in_order(
        &plan.stdout,
        &[
            "would:",
            "launch 1 instance(s)",
            "launch 1 instance(s)",
            "register 2",
            "smoke",
            "from blue to green",
            "keep blue warm for 1h",
        ],
    );
    let status = world.run(&["status", "ENV"]).await.exits(0);
    in_order(&status.stdout, &["shop: all traffic goes to blue", "no release has been recorded"]);
    let history = world.run(&["history", "ENV"]).await.exits(0);
    assert_eq!(history.stdout, "no release has been recorded\n");
    for idle in ["abort", "sweep"] {
        assert_eq!(world.run(&[idle, "ENV"]).await.exits(0).stdout, "");
    }
    let refused = world.run(&["rollback", "ENV"]).await.exits(3).says("no release has been recorded");
    refused.says(&format!("switchback status {}", world.env().display()));
    assert_eq!(world.writes(), [].into(), "a verb that only reads has written");
    assert!(!world.journal().exists(), "a verb that had nothing to do began a journal");

    // The first release.
    let deploy = world.deploy("v1").await.exits(0);
    let first = deploy.stdout.trim_end().to_owned();
    assert!(is_release_id(&first), "stdout is not one release id: {:?}", deploy.stdout);
    plain(&deploy.stderr);
    in_order(
        &deploy.stderr,
        &[
            "preparing",
            &first,
            "provisioning 2 instance(s)",
            "warming",
            "smoke",
            "switching",
            "goes to green",
            "converging",
            "retaining",
            "AWS calls",
            "deploy of shop is done",
        ],
    );
    assert_eq!(world.version().await, "v1");
    world.lease_is_free();
    let status = world.run(&["status", "ENV"]).await.exits(0);
    assert_eq!(status.stderr, "");
    in_order(
        &status.stdout,
        &[
            "all traffic goes to green",
            "blue",
            "weight 0",
            "2 healthy",
            "green",
            "all (weight 100)",
            "2 healthy",
            &ami("v1"),
            &first,
            "retaining",
            "blue expires in 59m",
        ],
    );

    // The same again, and a plan for it: nothing to do.
    world.dev.forget_calls();
    let again =
        world.deploy("v1").await.exits(0).says("nothing to do").says(&format!("{} has the traffic already", ami("v1")));
    plain(&again.stderr);
    let plan = world.run(&["plan", "ENV", "--image", &ami("v1")]).await.exits(0);
    in_order(&plan.stdout, &["nothing to do", &ami("v1")]);
    assert_eq!(world.writes(), [].into());
    let sweep = world.run(&["sweep", "ENV"]).await.exits(0);
    assert_eq!((sweep.stdout.as_str(), sweep.stderr.as_str()), ("", ""), "a sweep with nothing to do is not quiet");
    let dry = world.run(&["sweep", "--dry-run", "ENV"]).await.exits(0);
    assert_eq!(dry.stdout, "shop: nothing has expired\n");
    assert_eq!(world.writes(), [].into());

    // The second release replaces the leftovers of v0, whose color it takes.
    let leftovers = world.instances("blue").await;
    let second = world.deploy("v2").await.exits(0).stdout.trim_end().to_owned();
    assert!(second > first, "{second} sorts before {first}");
    assert_eq!(world.version().await, "v2");
    let now = world.instances("blue").await;
    assert!(now.len() == 2 && leftovers.iter().all(|old| !now.contains(old)), "{now:?}, before {leftovers:?}");
    let history = world.run(&["history", "ENV"]).await.exits(0);
    in_order(
        &history.stdout,
        &[
            "release",
            "image",
            "state",
            &second,
            &ami("v2"),
            "green",
            "blue",
            "retaining",
            &first,
            &ami("v1"),
            "blue",
            "green",
            "done",
        ],
    );

    // Back, without an argument and without a question.
    let rollback =
        world.run(&["rollback", "ENV"]).await.exits(0).says("goes to green again").says("ms after the start");
    assert_eq!(rollback.stdout, "");
    plain(&rollback.stderr);
    assert_eq!(world.version().await, "v1");
    let status = world.run(&["status", "ENV"]).await.exits(0);
    in_order(&status.stdout, &["all traffic goes to green", &second, "rolled-back", "blue expires in 59m"]);
    let refused = world.run(&["rollback", "ENV"]).await.exits(3).says("was rolled back already");
    refused.says("switchback deploy ").says("refused, nothing was changed");
    world.run(&["abort", "ENV"]).await.exits(0).says("no release is in progress");
    world.lease_is_free();

    let versions: Vec<_> = world.no_request_failed(load).await.into_keys().collect();
    assert_eq!(versions, ["v0", "v1", "v2"]);
    world.end().await;
}

#[tokio::test]
async fn a_sweep_takes_down_what_has_expired_in_every_environment_it_is_given_and_then_has_nothing_to_do() {
    let short = ENVIRONMENT.replace("retain: 1h", "retain: 1s").replace("bake: 1s", "bake: 0s");
    let world = World::with(DevOptions::default(), |_| {}, &short).await;
    let load = world.load().await;
    world.deploy("v1").await.exits(0);
    let warm = world.instances("blue").await;
    assert_eq!(warm.len(), 2);
    let named = |text: &str| warm.iter().all(|id| text.contains(id.as_str()));
    let env = world.env().display().to_string();
    let dry = async || world.run(&["sweep", "--dry-run", &env]).await.exits(0).stdout;
    crate::world::until("blue expires", async || dry().await.contains("would take down blue")).await;
    assert!(named(&dry().await), "{}", dry().await);
    let told = world.run(&["--json", "sweep", "--dry-run", "ENV"]).await.exits(0).lines().remove(0);
    assert_eq!(
        (&told["type"], &told["environment"], &told["expired"]["color"]),
        (&"expired".into(), &"shop".into(), &"blue".into())
    );
    assert_eq!(world.instances("blue").await, warm, "a dry run took something down");

    // An environment that cannot be swept does not keep the others from it; without names, the folder is taken.
    let folder = world.folder().join("environments");
    std::fs::create_dir(&folder).expect("a folder");
    let in_folder =
        short.replace("region:", &format!("journal: {}\nregion:", world.folder().join(".switchback").display()));
    std::fs::write(folder.join("a-broken.yaml"), "name: shop\n").expect("written");
    std::fs::write(folder.join("shop.yaml"), in_folder).expect("written");
    let sweep =
        world.run(&["sweep"]).await.exits(2).says("a-broken.yaml").says("retiring").says("sweep of shop is done");
    assert_eq!(sweep.stdout, "");
    world.nothing_is_left_of(0).await;
    assert_eq!(world.instances("green").await.len(), 2);
    world.lease_is_free();

    let entries = world.entries().len();
    world.dev.forget_calls();
    let again = world.run(&["sweep", "ENV"]).await.exits(0);
    assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("", ""));
    assert_eq!(
        (world.writes(), world.entries().len()),
        ([].into(), entries),
        "a sweep with nothing to do left a trace"
    );
    let refused = world.run(&["rollback", "ENV"]).await.exits(3).says("blue has been taken down");
    refused.says("switchback deploy");
    assert_eq!(world.version().await, "v1");
    world.no_request_failed(load).await;
    world.end().await;
}

#[tokio::test]
async fn sweep_without_names_and_without_the_folder_is_bad_usage() {
    let world = World::with(DevOptions::default(), |seed| seed.count = 0, ENVIRONMENT).await;
    world
        .run(&["sweep"])
        .await
        .exits(2)
        .says("cannot list the folder `environments`")
        .says("name the environment files");
    world.end().await;
}
