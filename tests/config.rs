//! The environment file from outside: what is accepted, what it means, and what is said about every mistake.
//!
//! The fixtures in `config/` each say in their first line what they are there for. `good` is accepted; `shape` is
//! refused by the JSON Schema too; `sense` breaks a rule that a JSON Schema does not express; `yaml` breaks a rule of
//! the text.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use switchback::config::{
    self, ColorConfig, Compute, ConfigErrors, Converge, Dns, DnsKind, Environment, Health, Instances, JournalLocation,
    Listener, ReleasePolicy, RuleMatch, SmokeCheck, Switch,
};
use switchback::release::Color;

/// The files of a folder, in order.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    assert!(!files.is_empty(), "no fixture in {folder}");
    files
}

fn good(name: &str) -> Environment {
    config::load(Path::new(&format!("tests/config/good/{name}.yaml"))).unwrap_or_else(|errors| panic!("{errors}"))
}

fn load_bytes(bytes: &[u8]) -> Result<Environment, ConfigErrors> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("environment.yaml");
    std::fs::write(&file, bytes).unwrap();
    config::load(&file)
}

/// Compares with the committed text of that name.
fn snapshot(name: &str, text: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("config/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The one mistake of a file that cannot be read: its text, without the folder that the test made.
fn only_mistake(folder: &Path, path: &Path) -> String {
    let errors = config::load(path).unwrap_err();
    assert_eq!(errors.mistakes().len(), 1, "{errors}");
    errors.to_string().replace(&folder.display().to_string(), "FOLDER")
}

#[test]
fn every_mistake_is_told_with_its_place_and_a_remedy() {
    for folder in ["shape", "sense", "yaml"] {
        for file in files(&format!("tests/config/{folder}")) {
            let errors = config::load(&file).map(|_| panic!("{} is accepted", file.display())).unwrap_err();
            for mistake in errors.mistakes() {
                assert!(!mistake.hint.is_empty(), "{}: no hint for: {}", file.display(), mistake.message);
            }
            let name = format!("{folder}-{}", file.file_stem().unwrap().display());
            snapshot(&name, errors.to_string());
        }
    }
}

#[test]
fn a_program_gets_every_mistake_as_an_object() {
    let errors = config::load(Path::new("tests/config/shape/unknown-key-nested.yaml")).unwrap_err();
    snapshot("json", format!("{:#}", serde_json::Value::from(errors.to_json())));
    let errors = config::load(Path::new("tests/config/nowhere.yaml")).unwrap_err();
    assert_eq!(errors.to_json()[0]["line"], serde_json::Value::Null);
    assert_eq!(errors.to_json()[0]["column"], serde_json::Value::Null);
}

#[test]
fn colors_are_added_where_they_are_asked_for_only() {
    let errors = config::load(Path::new("tests/config/shape/unknown-key.yaml")).unwrap_err();
    assert!(errors.render(true).contains("\u{1b}["));
    assert!(!errors.render(false).contains('\u{1b}'));
}

#[test]
fn the_smallest_file_has_every_default() {
    let environment = good("smallest");
    let color =
        |name: &str| ColorConfig { name: Color::new(name), target_group: format!("shop-{name}"), load_balancer: None };
    assert_eq!(
        environment,
        Environment {
            file: "tests/config/good/smallest.yaml".into(),
            name: "shop".into(),
            region: None,
            account: None,
            journal: JournalLocation::Folder(
                Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/good/.switchback")
            ),
            colors: [color("blue"), color("green")],
            switch: Switch::Listener(Listener {
                load_balancer: "shop".into(),
                port: 443,
                rule: Some(RuleMatch::Path("/api/*".into())),
            }),
            compute: Compute::Instances(Instances {
                launch_template: "shop".into(),
                version: None,
                count: 3,
                subnets: vec!["subnet-a".into(), "subnet-b".into()],
            }),
            health: Health { consecutive: 3, timeout: Duration::from_secs(600) },
            smoke: vec![],
            release: ReleasePolicy {
                converge: Converge {
                    probe: None,
                    quiet: Duration::from_secs(120),
                    no_requests: Duration::from_secs(60),
                    timeout: Duration::from_secs(600)
                },
                bake: Duration::from_secs(600),
            },
            retain: Duration::from_secs(24 * 3600),
        }
    );
}

#[test]
fn a_default_written_out_means_the_same_as_one_left_out() {
    for (short, long) in [
        ("smallest", "defaults"),
        ("smoke-defaults", "smoke-defaults-written"),
        ("dns-defaults", "dns-defaults-written"),
    ] {
        let (short, long) = (good(short), good(long));
        assert_eq!(Environment { file: long.file.clone(), ..short }, long);
    }
}

#[test]
fn a_journal_is_in_a_folder_or_in_a_bucket() {
    let s3 = |bucket: &str, prefix: &str| JournalLocation::S3 { bucket: bucket.into(), prefix: prefix.into() };
    assert_eq!(good("journal-s3").journal, s3("acme-releases", "switchback"));
    let text = std::fs::read_to_string("tests/config/good/journal-s3.yaml").unwrap();
    let written = |journal: &str| {
        load_bytes(text.replace("s3://acme-releases/switchback", journal).as_bytes()).map(|e| e.journal)
    };
    for (journal, expected) in [
        ("s3://acme-releases", s3("acme-releases", "")),
        ("s3://acme-releases/", s3("acme-releases", "")),
        ("s3://acme.releases/team=a/.switchback/", s3("acme.releases", "team=a/.switchback")),
        ("/var/lib/a:b", JournalLocation::Folder("/var/lib/a:b".into())),
    ] {
        assert_eq!(written(journal).unwrap_or_else(|errors| panic!("{errors}")), expected);
    }
    for refused in ["s3://ab", "S3://acme-releases", "s3:/acme", "s3://acme//x", "http://acme/x", "a/b://c"] {
        let given = written(refused);
        let folder = matches!(given, Ok(JournalLocation::Folder(_)));
        assert!(given.is_err() || (refused == "s3:/acme" && folder), "{refused}: {given:?}");
    }
}

#[test]
fn colors_keep_the_order_of_the_file_and_names_lose_their_final_dot() {
    let environment = good("dns");
    assert_eq!(environment.colors.each_ref().map(|c| c.name.as_str()), ["zebra", "ape"]);
    assert_eq!(environment.color(&Color::new("ape")).unwrap().load_balancer.as_deref(), Some("shop-a"));
    let expected =
        Dns { zone: "example.com".into(), record: "shop.example.com".into(), kind: DnsKind::Cname, port: 8443 };
    assert_eq!(environment.switch, Switch::Dns(expected));
}

#[test]
fn the_largest_and_smallest_values_are_kept_as_written() {
    let environment = good("limits");
    let Compute::Instances(instances) = &environment.compute;
    assert_eq!((instances.count, instances.version), (1000, Some(2_147_483_647)));
    assert_eq!(environment.retain, Duration::ZERO);
    assert_eq!(environment.health.timeout, Duration::from_secs(90 * 60));
    let SmokeCheck::Http(http) = &environment.smoke[0] else { panic!("{:?}", environment.smoke) };
    assert_eq!((http.expect.status, http.expect.within), (599, Duration::from_millis(1)));
    assert_eq!(good("quoted").account.as_deref(), Some("012345678901"));
}

#[test]
fn the_examples_are_accepted() {
    for file in files("environments") {
        config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema=./schema.json\n"), "{}", file.display());
    }
}

#[test]
fn a_file_may_start_with_a_byte_order_mark_and_end_its_lines_with_crlf() {
    let text = std::fs::read_to_string("environments/alb.yaml").unwrap();
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let environment = load_bytes(windows.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(environment.name, "shop-prod");
    let errors = load_bytes(windows.replace("name: shop-prod", "nmae: shop-prod").as_bytes()).unwrap_err();
    assert_eq!((errors.mistakes()[0].line, errors.mistakes()[0].column), (Some(9), Some(1)));
}

#[test]
fn the_committed_schema_is_the_one_that_files_are_checked_against() {
    let schema = format!("{:#}\n", config::schema());
    let committed = std::fs::read_to_string("environments/schema.json").unwrap_or_default();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write("environments/schema.json", schema).unwrap();
    } else {
        assert_eq!(committed, schema, "run this test once with UPDATE_SCHEMA=1, and read the difference");
    }
}

#[test]
fn every_key_of_the_schema_stands_in_a_file_that_is_accepted() {
    let accepted: String = ["tests/config/good", "environments"]
        .iter()
        .flat_map(|folder| files(folder))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let mut keys = Vec::new();
    collect_keys(&config::schema(), &mut keys);
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys {
        assert!(accepted.contains(&format!("{key}: ")) || accepted.contains(&format!("{key}:\n")), "{key}");
    }
}

/// The name of every property at any depth.
fn collect_keys(schema: &serde_json::Value, keys: &mut Vec<String>) {
    match schema {
        serde_json::Value::Object(object) => {
            if let Some(serde_json::Value::Object(properties)) = object.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| collect_keys(value, keys));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}

#[test]
fn a_path_that_does_not_exist_is_told_with_what_may_be_meant() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), "").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "").unwrap();
    let told = |name: &str| only_mistake(folder.path(), &folder.path().join(name));
    snapshot("file-misspelt", told("shpo.yaml"));
    snapshot("file-missing", told("other.yaml"));
    snapshot("file-folder-missing", told("deeper/shop.yaml"));
}

#[test]
fn a_directory_and_a_socket_are_no_environment_files() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("shop.yaml"), "").unwrap();
    snapshot("file-directory", only_mistake(folder.path(), folder.path()));
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    snapshot("file-socket", only_mistake(folder.path(), &socket));
}

#[test]
fn a_file_that_is_not_utf_8_is_told_with_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("latin-1.yaml");
    std::fs::write(&file, b"name: shop\n# caf\xe9\n").unwrap();
    snapshot("file-latin-1", only_mistake(folder.path(), &file));
    let utf_16: Vec<u8> = "\u{feff}name: shop\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&file, utf_16).unwrap();
    snapshot("file-utf-16", only_mistake(folder.path(), &file));
}

#[test]
fn an_empty_file_is_told_where_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.yaml");
    std::fs::write(&file, "").unwrap();
    snapshot("file-empty", only_mistake(folder.path(), &file));
}

#[test]
fn a_file_of_10_mb_is_refused_by_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.yaml");
    // Not YAML: whoever parsed it would say something else.
    std::fs::write(&file, vec![b'['; 10_000_000]).unwrap();
    snapshot("file-large", only_mistake(folder.path(), &file));
}

#[test]
fn a_file_may_be_as_long_as_the_limit_says() {
    let text = std::fs::read_to_string("environments/alb.yaml").unwrap();
    let long = format!("{text}{}", "# a remark\n".repeat((256 * 1024 - text.len()) / 11));
    assert_eq!(load_bytes(long.as_bytes()).unwrap_or_else(|errors| panic!("{errors}")).name, "shop-prod");
}

#[test]
fn the_largest_file_that_is_read_is_refused_without_harm() {
    const BYTES: usize = 256 * 1024;
    let many_keys: String = (0..BYTES / 11).map(|i| format!("k{i:06}: 1\n")).collect();
    let errors = load_bytes(many_keys.as_bytes()).unwrap_err();
    assert_eq!(errors.mistakes().len(), 50);
    assert!(errors.omitted() > 23_000, "{}", errors.omitted());
    assert!(errors.to_string().len() < 50_000);
    for text in ["[".repeat(BYTES), "- ".repeat(BYTES / 2), "{a: ".repeat(BYTES / 4), "a".repeat(BYTES)] {
        let errors = load_bytes(text.as_bytes()).unwrap_err();
        assert!(errors.to_string().len() < 5_000, "{errors}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever a slip of the hand makes of a good file, it is accepted or told with a place in the file.
    #[test]
    fn a_damaged_file_is_accepted_or_told_with_a_place(
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4usize, "[\\PC\\n\\t]{0,3}"), 1..4)
    ) {
        let mut text: Vec<char> = std::fs::read_to_string("environments/alb.yaml").unwrap().chars().collect();
        for (at, removed, added) in damage {
            let at = at.index(text.len());
            let end = (at + removed).min(text.len());
            text.splice(at..end, added.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(errors) = load_bytes(text.as_bytes()) {
            prop_assert!(!errors.to_string().is_empty());
            for mistake in errors.mistakes() {
                let line = mistake.line.expect("a place");
                prop_assert!((1..=text.lines().count() + 1).contains(&line), "{errors}");
                prop_assert!(mistake.column.expect("a place") >= 1);
            }
        }
    }
}
