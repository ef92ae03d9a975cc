//! The Terraform modules fit the program: the environment file that they print is valid, and the deploy role may do
//! what the program calls and nothing else. (`python3 terraform/check` holds the modules against the AWS provider.)

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::{Captures, Regex};
use switchback::config::{self, Compute, Environment, JournalLocation, RuleMatch, SmokeCheck, Switch};

/// What the modules' own tests put in, with the additions of each kind of switch.
const VALUES: [(&str, &str); 14] = [
    ("name", "shop-prod"),
    ("region", "eu-west-1"),
    ("account", "123456789012"),
    ("first_color", "blue"),
    ("first_target_group", "shop-prod-blue"),
    ("second_color", "green"),
    ("second_target_group", "shop-prod-green"),
    ("listener_port", "80"),
    ("launch_template", "shop-prod"),
    ("instance_count", "3"),
    ("instance_subnets", "subnet-a, subnet-b"),
    ("smoke_path", r#""/healthz""#),
    ("retain", "24h"),
    ("journal", ""),
];

#[test]
fn the_environment_file_of_a_listener_rule_is_valid() {
    let environment = check("listener", "rule.yaml", &listener(r#", rule: { path: "/api/*" }"#));
    let Switch::Listener(listener) = &environment.switch else { panic!("{:?}", environment.switch) };
    assert_eq!((listener.load_balancer.as_str(), listener.port), ("shop-prod", 80));
    assert_eq!(listener.rule, Some(RuleMatch::Path("/api/*".into())));
}

#[test]
fn the_environment_file_of_a_default_action_is_valid() {
    let environment = check("listener", "default-action.yaml", &listener(""));
    let Switch::Listener(listener) = &environment.switch else { panic!("{:?}", environment.switch) };
    assert_eq!(listener.rule, None);
}

#[test]
fn the_environment_file_of_two_weighted_records_is_valid() {
    let more = [
        ("first_load_balancer", "shop-prod-blue"),
        ("second_load_balancer", "shop-prod-green"),
        ("zone", "example.com"),
        ("record", "shop.example.com"),
        ("journal", "\njournal: s3://acme-releases/switchback"),
    ];
    let environment = check("dns", "records.yaml", &more);
    let Switch::Dns(dns) = &environment.switch else { panic!("{:?}", environment.switch) };
    assert_eq!((dns.zone.as_str(), dns.record.as_str(), dns.port), ("example.com", "shop.example.com", 80));
    let journal = JournalLocation::S3 { bucket: "acme-releases".into(), prefix: "switchback".into() };
    assert_eq!(environment.journal, journal);
    let balancers: Vec<_> = environment.colors.iter().map(|c| c.load_balancer.as_deref()).collect();
    assert_eq!(balancers, [Some("shop-prod-blue"), Some("shop-prod-green")]);
}

#[test]
fn the_deploy_role_is_granted_what_the_program_calls_and_nothing_more() {
    let mut needed: BTreeSet<String> =
        calls().iter().map(|call| call.replace("elbv2:", "elasticloadbalancing:")).collect();
    // A launch that tags asks for this too, and one whose template names an instance profile for the other.
    needed.extend(["ec2:CreateTags".to_owned(), "iam:PassRole".to_owned()]);
    // The journal's requests go through an object store and not through the SDK.
    needed.extend(["s3:GetObject", "s3:ListBucket", "s3:PutObject"].map(str::to_owned));

    let policy = read("terraform/deploy-role/main.tf");
    let actions = Regex::new(r"(?s)\bactions\s*=\s*\[(.*?)\]").unwrap();
    let quoted = Regex::new(r#""([^"]+)""#).unwrap();
    let granted: BTreeSet<String> = actions
        .captures_iter(&policy)
        .flat_map(|list| quoted.captures_iter(&list[1]).map(|c| c[1].to_owned()).collect::<Vec<_>>())
        .collect();

    assert_eq!(needed.difference(&granted).collect::<Vec<_>>(), Vec::<&String>::new(), "called and not granted");
    assert_eq!(granted.difference(&needed).collect::<Vec<_>>(), Vec::<&String>::new(), "granted and not called");
}

#[test]
fn the_deploy_role_may_change_records_in_the_ways_that_the_program_does() {
    let change = Regex::new(r"ChangeAction::([A-Z][a-z]+)").unwrap();
    let records = read("src/cloud/records.rs");
    let sent: BTreeSet<String> = change.captures_iter(&records).map(|c| c[1].to_uppercase()).collect();

    let policy: serde_json::Value = serde_json::from_str(&read("terraform/deploy-role/tests/records.json")).unwrap();
    let statements = policy["Statement"].as_array().unwrap();
    let flip = statements.iter().find(|s| s["Sid"] == "FlipRecords").unwrap();
    let allowed = &flip["Condition"]["ForAllValues:StringEquals"]["route53:ChangeResourceRecordSetsActions"];
    let allowed: BTreeSet<String> = serde_json::from_value(allowed.clone()).unwrap();
    assert_eq!(sent, allowed);
}

#[test]
fn the_schedule_runs_a_verb_that_there_is() {
    let module = read("terraform/schedule/main.tf");
    let command = Regex::new(r"\$\{var\.program\} ([a-z -]+)").unwrap();
    let arguments = command.captures(&module).unwrap()[1].to_owned();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("environments")).unwrap();
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_switchback"))
        .args(arguments.split(' '))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(ran.status.success(), "`switchback {arguments}`: {ran:?}");
}

/// Every AWS operation that the program calls, found in two ways that have to agree: the SDK's methods, and the names
/// that errors carry.
fn calls() -> BTreeSet<String> {
    let method = Regex::new(r"\.(cloudwatch|ec2|elb|route53|sts)\s*\.([a-z0-9_]+)\(\)").unwrap();
    let named = Regex::new(r#""((?:cloudwatch|ec2|elbv2|route53|sts):[A-Z][A-Za-z0-9]+)""#).unwrap();
    let (mut called, mut names) = (BTreeSet::new(), BTreeSet::new());
    for file in rust_files(&root().join("src/cloud")) {
        let text = std::fs::read_to_string(file).unwrap();
        for call in method.captures_iter(&text) {
            let service = if &call[1] == "elb" { "elbv2" } else { &call[1] };
            called.insert(format!("{service}:{}", operation(&call[2])));
        }
        names.extend(named.captures_iter(&text).map(|name| name[1].to_owned()));
    }
    assert!(called.contains("elbv2:ModifyRule"), "the calls were not found: {called:?}");
    assert_eq!(called, names, "methods called, and operations named in errors");
    called
}

/// `describe_rules` -> `DescribeRules`.
fn operation(method: &str) -> String {
    method.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// Every product file below `folder`: tests may name operations that are never called.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_some_and(|n| n != "tests.rs") {
            files.push(path);
        }
    }
    files
}

fn listener(rule: &'static str) -> [(&'static str, &'static str); 2] {
    [("load_balancer", "shop-prod"), ("rule", rule)]
}

/// The module's template, filled in, is the file that `terraform test` sees the module print; and it is valid.
fn check(module: &str, printed: &str, more: &[(&'static str, &'static str)]) -> Environment {
    let values: BTreeMap<_, _> = VALUES.iter().chain(more).copied().collect();
    let template = read(&format!("terraform/{module}/environment.yaml.tftpl"));
    let filled = Regex::new(r"\$\{(\w+)\}")
        .unwrap()
        .replace_all(&template, |name: &Captures<'_>| {
            values.get(&name[1]).unwrap_or_else(|| panic!("no value for {}", &name[1])).to_string()
        })
        .into_owned();
    let printed = format!("terraform/{module}/tests/{printed}");
    assert_eq!(filled, read(&printed));

    let environment = config::load(&root().join(printed)).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(environment.name, "shop-prod");
    assert_eq!(environment.account.as_deref(), Some("123456789012"));
    assert_eq!(environment.colors.each_ref().map(|c| c.name.as_str()), ["blue", "green"]);
    let Compute::Instances(instances) = &environment.compute;
    assert_eq!((instances.count, instances.subnets.len()), (3, 2));
    assert!(matches!(&environment.smoke[..], [SmokeCheck::Http(http)] if http.path == "/healthz"));
    environment
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
