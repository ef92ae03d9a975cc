//! A bad environment file: every verb ends with 2, names the place and the remedy, and nothing is asked of AWS.

use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use switchback::dev::DevOptions;

use crate::world::{ENVIRONMENT, World, ami};

/// A bad file: its name, what is in it, and the words of the message: the mistake, and the remedy.
struct Bad {
    name: &'static str,
    text: Vec<u8>,
    says: &'static [&'static str],
    /// Line and column of the first mistake; `None` where the file as a whole is meant.
    at: Option<(u64, u64)>,
}

fn bad(name: &'static str, text: impl Into<Vec<u8>>, at: Option<(u64, u64)>, says: &'static [&'static str]) -> Bad {
    Bad { name, text: text.into(), says, at }
}

/// The usual file with one piece of it replaced.
fn with(old: &str, new: &str) -> String {
    assert!(ENVIRONMENT.contains(old), "{old:?} is not in the usual file");
    ENVIRONMENT.replacen(old, new, 1)
}

fn bad_files() -> Vec<Bad> {
    vec![
        bad(
            "not-yaml.yaml",
            "name: shop\n  colors: [blue\n",
            Some((2, 9)),
            &["this is not YAML", "look for a missing quote"],
        ),
        bad(
            "large.yaml",
            vec![b'#'; 10_000_000],
            None,
            &["10000000 bytes", "at most 262144", "check that this is the file you mean"],
        ),
        bad("not-utf-8.yaml", b"name: sh\xf6p\n".to_vec(), Some((1, 9)), &["is not UTF-8", "save it as UTF-8"]),
        bad(
            "wrong-types.yaml",
            with("count: 2, subnets: [subnet-a, subnet-b]", "count: two, subnets: subnet-a"),
            Some((9, 46)),
            &["`compute.instances.count` must be a whole number", "`compute.instances.subnets` must be a list"],
        ),
        bad(
            "unknown-key.yaml",
            with("retain:", "retian:"),
            Some((14, 1)),
            &["unknown key `retian`", "did you mean `retain`?"],
        ),
        bad(
            "duplicate-key.yaml",
            format!("{ENVIRONMENT}retain: 2h\n"),
            Some((15, 1)),
            &["`retain` is here for the second time", "remove one"],
        ),
        bad("zero.yaml", with("count: 2", "count: 0"), Some((9, 46)), &["`compute.instances.count`", "from 1 to 1000"]),
        bad(
            "same-group.yaml",
            with("target-group: shop-green", "target-group: shop-blue"),
            Some((5, 26)),
            &["`target-group` of `blue` and of `green` are both `shop-blue`", "name two different ones"],
        ),
        bad(
            "weight.yaml",
            with("{ target-group: shop-blue }", "{ target-group: shop-blue, weight: 100 }"),
            Some((4, 36)),
            &["unknown key `weight`", "remove it: weights are read from the load balancer"],
        ),
    ]
}

/// Every verb that takes an environment file; `ENV` stands for it.
fn verbs() -> Vec<Vec<String>> {
    let v1 = ami("v1");
    let lines: [&[&str]; 9] = [
        &["validate", "ENV"],
        &["plan", "ENV", "--image", &v1],
        &["deploy", "ENV", "--image", &v1],
        &["rollback", "ENV"],
        &["rollback", "ENV", "--force"],
        &["status", "ENV"],
        &["history", "ENV"],
        &["abort", "ENV"],
        &["sweep", "ENV"],
    ];
    lines.iter().map(|line| line.iter().map(|word| (*word).to_owned()).collect()).collect()
}

fn on(verb: &[String], file: &Path) -> Vec<String> {
    let file = file.display().to_string();
    verb.iter().map(|word| if word == "ENV" { file.clone() } else { word.clone() }).collect()
}

async fn empty_world() -> World {
    World::with(DevOptions::default(), |seed| seed.count = 0, ENVIRONMENT).await
}

fn nothing_happened(world: &World) {
    assert_eq!(world.dev.calls(), [].into(), "AWS was asked");
    assert!(!world.folder().join(".switchback").exists(), "a journal was begun");
}

#[tokio::test]
async fn every_verb_refuses_a_bad_environment_file_with_2_before_anything_is_asked_of_aws() {
    let world = empty_world().await;
    for bad in bad_files() {
        let file = world.folder().join(bad.name);
        std::fs::write(&file, &bad.text).expect("the file is written");
        let runs = verbs().into_iter().map(|verb| {
            let line = on(&verb, &file);
            let world = &world;
            async move {
                let line: Vec<&str> = line.iter().map(String::as_str).collect();
                (line[0].to_owned(), world.run(&line).await)
            }
        });
        for (verb, ran) in join_all(runs).await {
            let ran = ran.exits(2).says(bad.name);
            for words in bad.says {
                assert!(ran.stderr.contains(words), "{verb} of {}: no {words:?} in:\n{}", bad.name, ran.stderr);
            }
            assert_eq!(ran.stdout, "", "{verb} of {}", bad.name);
        }
        let line = ["--json", "validate", &file.display().to_string()];
        let lines = world.run(&line).await.exits(2).lines();
        let first = &lines[0];
        assert_eq!((first["type"].as_str(), first["file"].as_str()), (Some("error"), file.to_str()), "{first}");
        assert_eq!((first["line"].as_u64(), first["column"].as_u64()), bad.at.unzip(), "{}: {first}", bad.name);
        assert!(first["message"].is_string() && first["hint"].as_str().is_some_and(|h| !h.is_empty()), "{first}");
    }
    nothing_happened(&world);
    world.end().await;
}

#[tokio::test]
async fn a_path_that_does_not_exist_and_a_folder_are_refused_with_2_too() {
    let world = empty_world().await;
    let missing: PathBuf = world.folder().join("shop.yml");
    let folder = world.folder().join("folder.yaml");
    std::fs::create_dir(&folder).expect("a folder");
    for (path, words) in [(&missing, "does not exist"), (&folder, "is a directory")] {
        for verb in verbs() {
            let line = on(&verb, path);
            let line: Vec<&str> = line.iter().map(String::as_str).collect();
            let ran = world.run(&line).await.exits(2).says(words).says(&path.display().to_string());
            assert_eq!(ran.stdout, "", "{line:?}");
        }
    }
    nothing_happened(&world);
    world.end().await;
}

#[tokio::test]
async fn all_mistakes_of_a_file_are_told_at_once() {
    let world = empty_world().await;
    world.write_environment(
        &with("count: 2", "count: 0").replace("retain:", "retian:").replace("port: 8080", "port: x"),
    );
    let ran = world.run(&["validate", "ENV"]).await.exits(2);
    for words in ["`compute.instances.count`", "`retian`", "`switches[0].listener.port`"] {
        assert!(ran.stderr.contains(words), "no {words} in:\n{}", ran.stderr);
    }
    assert_eq!(world.run(&["--json", "validate", "ENV"]).await.exits(2).lines().len(), 3);
    nothing_happened(&world);
    world.end().await;
}

#[tokio::test]
async fn a_good_file_is_valid_and_aws_is_not_asked() {
    let world = empty_world().await;
    let ran = world.run(&["validate", "ENV"]).await.exits(0);
    assert_eq!(ran.stdout, format!("{}: valid; the environment is shop\n", world.env().display()));
    assert_eq!(ran.stderr, "");
    let lines = world.run(&["--json", "validate", "ENV"]).await.exits(0).lines();
    assert_eq!(lines, [serde_json::json!({ "type": "valid", "environment": "shop", "file": world.env() })]);
    nothing_happened(&world);
    world.end().await;
}

#[tokio::test]
async fn the_schema_is_printed_accepts_the_usual_file_and_is_the_committed_one() {
    let world = empty_world().await;
    let ran = world.run(&["schema"]).await.exits(0);
    assert_eq!(ran.stderr, "");
    let printed: serde_json::Value = serde_json::from_str(&ran.stdout).expect("the schema is JSON");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("environments");
    let committed = std::fs::read(folder.join("schema.json")).expect("environments/schema.json");
    assert_eq!(printed, serde_json::from_slice::<serde_json::Value>(&committed).expect("JSON"));
    assert!(printed["properties"]["retain"].is_object(), "{:?}", printed["properties"]);
    for example in std::fs::read_dir(folder).expect("environments/").map(|entry| entry.expect("an entry").path()) {
        if example.extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(&example).expect("an example");
            assert!(text.starts_with("# yaml-language-server: $schema=./schema.json\n"), "{}", example.display());
            world.run(&["validate", &example.display().to_string()]).await.exits(0);
        }
    }
    nothing_happened(&world);
    world.end().await;
}
