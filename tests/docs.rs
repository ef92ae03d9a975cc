//! The reference pages say what the program says: `cli.md` is the `--help` of every verb, and the tables of
//! `environment.md` are the schema. `SWITCHBACK_WRITE_DOCS=1 cargo test --test docs` writes them anew.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What stands in `environment.md` before and after the part that is made from the schema.
const BEGIN: &str = "<!-- made from the schema by tests/docs.rs -->";
const END: &str = "<!-- end -->";

#[test]
fn the_command_line_reference_is_what_help_says() {
    let overview = help(&[]);
    let mut page = String::from(
        "# Command line\n\nThe `--help` of the program and of each verb, as `cargo test --test docs` has compared it.\n\
         What `--json` prints is in [json.md](json.md), what to do after each exit code in the [runbook](../runbook.md).\n\
         \nTwo environment variables act on every verb: `SWITCHBACK_LOG` is a filter for the log on stderr, in the form \
         of\n`RUST_LOG` (`SWITCHBACK_LOG=switchback=debug`), and takes precedence over `-v`; `NO_COLOR` turns colors off. \
         Credentials\nand region come from the usual AWS sources (`AWS_PROFILE`, `AWS_REGION`, …), and \
         `AWS_ENDPOINT_URL` names another\nendpoint, for example a [dev cloud](../guide/dev-cloud.md).\n",
    );
    page.push_str(&section("switchback", &overview));
    let helps = helps(&overview);
    assert!(helps.iter().any(|(verb, _)| verb == "rollback"), "no verb was found in:\n{overview}");
    for (verb, help) in &helps {
        page.push_str(&section(&format!("switchback {verb}"), help));
    }
    compare("docs/reference/cli.md", &page);
}

#[test]
fn the_page_of_the_dev_clouds_operations_is_what_it_models() {
    let all: Value = serde_json::from_str(&read("tests/clients/operations.json")).unwrap();
    let refused: Value = serde_json::from_str(&read("tests/clients/parameters.json")).unwrap();
    let modelled = switchback::dev::operations();
    let services = [
        ("elbv2", "Elastic Load Balancing v2"),
        ("ec2", "EC2"),
        ("autoscaling", "Auto Scaling"),
        ("route53", "Route 53"),
        ("s3", "S3"),
        ("cloudwatch", "CloudWatch"),
        ("sns", "SNS"),
        ("ssm", "Systems Manager"),
        ("acm", "Certificate Manager"),
        ("sts", "Security Token Service"),
    ];
    let mut page = String::from(
        "# The dev cloud, operation by operation\n\nWhat `switchback dev` does of each service's operations, as `cargo \
         test --test docs` has compared it with the program.\n\"Supported\" means every parameter that the operation \
         has; of the others each parameter that is refused is named,\ndown to the third level of nesting (for Route 53 \
         and S3 in words). An operation that is not in a table, and a parameter\nthat is not modelled, is refused with \
         an error that names it, never ignored. How to run the dev cloud is in the\n[guide](guide/dev-cloud.md), where \
         it differs from AWS in the [limitations](limitations.md#the-dev-cloud).\n",
    );
    for (service, title) in services {
        let rows: Vec<_> = modelled.iter().filter(|each| each.service == service).collect();
        page.push_str(&format!("\n## {title}\n\n| operation | |\n|---|---|\n"));
        for row in &rows {
            let refused = refused[service][row.operation].as_array().map_or(&[][..], Vec::as_slice);
            let refused: Vec<_> = refused.iter().map(|name| format!("`{}`", name.as_str().unwrap())).collect();
            let without = if refused.is_empty() { String::new() } else { format!("without {}", refused.join(", ")) };
            let gaps: Vec<_> = [row.gap, without.as_str()].into_iter().filter(|gap| !gap.is_empty()).collect();
            let said = if gaps.is_empty() { "supported".to_owned() } else { format!("partly: {}", gaps.join("; ")) };
            page.push_str(&format!("| {} | {said} |\n", row.operation));
        }
        let names = all[service].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        let (known, refused): (Vec<_>, Vec<_>) = names.partition(|name| rows.iter().any(|row| row.operation == *name));
        assert_eq!(known.len(), rows.len(), "{service}: a row that AWS does not have, or one twice");
        if !refused.is_empty() {
            page.push_str(&format!("\nRefused: {}.\n", refused.join(", ")));
        }
    }
    compare("docs/dev-cloud.md", &page);
}

#[test]
fn the_tables_of_the_environment_reference_are_the_schema() {
    let page = read("docs/reference/environment.md");
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where the tables begin");
    let (_, after) = rest.split_once(END).expect("the page marks where the tables end");
    let mut tables = Tables::default();
    tables.object("", &switchback::config::schema());
    let made: String = tables.text.iter().map(|(title, rows)| table(title, rows)).collect();
    compare("docs/reference/environment.md", &format!("{before}{BEGIN}\n{made}\n{END}{after}"));
}

#[test]
fn the_examples_of_the_json_reference_are_lines_of_the_types_and_fields_that_it_names() {
    let page = read("docs/reference/json.md");
    let mut shown = BTreeSet::new();
    for line in page.lines().filter(|l| l.starts_with('{')) {
        let example: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let kind = example["type"].as_str().unwrap_or_else(|| panic!("no type: {line}")).to_owned();
        assert!(page.contains(&format!("\n### {kind}\n")), "no section on `{kind}`");
        for field in example.as_object().unwrap().keys().filter(|f| kind != "entry" && *f != "type") {
            assert!(page.contains(&format!("`{field}`")), "`{kind}` has `{field}`, which the page does not name");
        }
        shown.insert(kind);
    }
    let sections = page.lines().filter_map(|l| l.strip_prefix("### ")).map(|s| s.split(' ').next().unwrap().to_owned());
    assert_eq!(shown, sections.collect(), "sections and examples");
    let sources = sources();
    let kinds = regex::Regex::new(r#"(?:json_line\(Some\(|\bresult\()"([a-z-]+)""#).unwrap();
    for kind in kinds.captures_iter(&sources).map(|c| c[1].to_owned()).filter(|k| k != "history") {
        assert!(shown.contains(&kind), "the program prints `{kind}`, of which the page shows nothing");
    }
}

#[test]
fn the_messages_of_the_runbook_are_those_of_the_program() {
    let sources = sources();
    // A long message stands in several lines of a source, and a name in it is an argument.
    let folded = regex::Regex::new(r"\\\n\s*").unwrap().replace_all(&sources, "");
    let (mut known, mut unsaid) = (0, Vec::new());
    for row in read("docs/runbook.md").lines().filter(|l| l.starts_with("| `")) {
        let (messages, _) = row[2..].split_once(" | ").expect("a row has cells");
        for message in messages.split('`').skip(1).step_by(2) {
            for words in message.split('…').map(|w| w.trim_matches([' ', ':', ';', ',', '(', ')'])) {
                if !folded.contains(words) {
                    unsaid.push(format!("{words:?} in `{message}`"));
                }
                known += words.len();
            }
        }
    }
    assert!(unsaid.is_empty(), "no source says:\n{}", unsaid.join("\n"));
    assert!(known > 1_000, "the rows of the runbook were not found");
}

#[test]
fn the_page_of_exit_codes_has_those_that_help_shows() {
    let help = help(&[]);
    let (_, shown) = help.split_once("Exit codes:").unwrap();
    let page = read("docs/reference/exit-codes.md");
    let shown = codes(shown, EXIT_CODE);
    assert_eq!(shown.last(), Some(&130), "the codes were not found in --help");
    assert_eq!(codes(&page, r"(?m)^\| (\d+) \|"), shown);
}

#[test]
fn every_flag_and_every_exit_code_of_the_readme_exists() {
    let overview = help(&[]);
    let helps: String = helps(&overview).into_iter().map(|(_, help)| help).collect();
    let readme = read("README.md");
    let command = regex::Regex::new(r"(?m)(?:^\$ |`)(?:switchback|cargo run --) ([^`\n]*)").unwrap();
    let flag = regex::Regex::new(r"--[a-z][a-z-]*").unwrap();
    let commands = command.captures_iter(&readme).map(|c| c[1].to_owned());
    let named: BTreeSet<_> =
        commands.flat_map(|c| flag.find_iter(&c).map(|f| f.as_str().to_owned()).collect::<Vec<_>>()).collect();
    assert!(named.contains("--image"), "the README names no flag: {named:?}");
    let known: BTreeSet<_> = flag.find_iter(&helps).map(|f| f.as_str().to_owned()).collect();
    assert_eq!(named.difference(&known).collect::<Vec<_>>(), [""; 0], "flags of the README that no verb has");
    assert_eq!(codes(&readme, r"(?m)^\| (\d+) \|"), codes(&overview, EXIT_CODE), "the README's exit codes");
}

/// Every source of the program.
fn sources() -> String {
    let mut text = String::new();
    read_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut text);
    text
}

/// Every Rust source of a folder, one after the other.
fn read_sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, text);
        } else {
            text.push_str(&std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The codes that match `row`, in order.
fn codes(text: &str, row: &str) -> Vec<u16> {
    regex::Regex::new(row).unwrap().captures_iter(text).map(|code| code[1].parse().unwrap()).collect()
}

/// What the program prints for `VERB --help`, where no terminal tells it a width.
fn help(verb: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_switchback"))
        .args(verb)
        .arg("--help")
        .env_remove("COLUMNS")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{verb:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The verbs that the program's own help lists.
fn verbs(overview: &str) -> Vec<String> {
    let lines = overview.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let names =
        lines.filter(|l| l.starts_with("  ") && !l.starts_with("   ")).filter_map(|l| l.split_whitespace().next());
    names.filter(|n| *n != "help").map(str::to_owned).collect()
}

/// Every verb with its help, each followed by the verbs within it.
fn helps(overview: &str) -> Vec<(String, String)> {
    let mut helps = Vec::new();
    for verb in verbs(overview) {
        let text = help(&[&verb]);
        let inner = verbs(&text);
        helps.push((verb.clone(), text));
        helps.extend(inner.into_iter().map(|inner| (format!("{verb} {inner}"), help(&[&verb, &inner]))));
    }
    helps
}

fn section(title: &str, text: &str) -> String {
    format!("\n## {title}\n\n```text\n{}```\n", text.trim_start())
}

/// The keys of the environment file, one table per mapping.
#[derive(Default)]
struct Tables {
    text: Vec<(String, Vec<String>)>,
}

impl Tables {
    /// Takes in the keys of a mapping, and of the mappings in it.
    fn object(&mut self, path: &str, schema: &Value) {
        let required: BTreeSet<&str> = list(schema, "required").iter().filter_map(Value::as_str).collect();
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let place = self.text.len();
        self.text.push((path.to_owned(), Vec::new()));
        for (key, of) in properties {
            let default = match of.get("default") {
                Some(Value::Object(_)) => "see below".to_owned(),
                Some(Value::String(text)) => format!("`{text}`"),
                Some(value) => format!("`{value}`"),
                None if required.contains(key.as_str()) => "**required**".to_owned(),
                None => "none".to_owned(),
            };
            let meaning = of.get("description").and_then(Value::as_str).unwrap_or_default().replace('|', "\\|");
            let row = format!("| `{key}` | {} | {default} | {meaning} |\n", range(of).replace('|', "\\|"));
            self.text[place].1.push(row);
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.inside(&path, of);
        }
    }

    /// Looks for further mappings below a value: in lists, in choices, under names of the user's.
    fn inside(&mut self, path: &str, of: &Value) {
        self.object(path, of);
        if let Some(each) = of.get("additionalProperties").filter(|v| v.is_object()) {
            self.object(&format!("{path}.NAME"), each);
        }
        if let Some(items) = of.get("items") {
            self.choices(&format!("{path}[]"), items);
        }
        self.choices(path, of);
    }

    /// A value that has exactly one of several keys.
    fn choices(&mut self, path: &str, of: &Value) {
        let choices: Vec<_> = list(of, "oneOf").iter().filter(|c| c.get("properties").is_some()).collect();
        let rows: Vec<_> = choices
            .iter()
            .flat_map(|choice| {
                choice["properties"].as_object().unwrap().iter().map(|(key, of)| {
                    let words = choice.get("description").or_else(|| of.get("description"));
                    format!(
                        "| `{key}` | {} | one of these | {} |\n",
                        range(of),
                        words.and_then(Value::as_str).unwrap_or_default()
                    )
                })
            })
            .collect();
        if rows.is_empty() {
            return;
        }
        self.text.push((format!("{path}, exactly one of"), rows));
        for (key, of) in choices.iter().flat_map(|c| c["properties"].as_object().unwrap()) {
            self.inside(&format!("{path}.{key}"), of);
        }
    }
}

/// What a value must be, in words.
fn range(of: &Value) -> String {
    let text = |key: &str| of.get(key).and_then(Value::as_str);
    let number = |key: &str| of.get(key).and_then(Value::as_u64);
    let constants: Vec<_> = list(of, "oneOf").iter().filter_map(|c| c.get("const")?.as_str()).collect();
    if !constants.is_empty() {
        return constants.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(" or ");
    }
    if let Some(limits) = of.get("x-duration") {
        let limit = |key: &str| limits[key].as_str().unwrap().to_owned();
        return format!("duration, `{}` to `{}`", limit("minimum"), limit("maximum"));
    }
    match text("type") {
        Some("integer") => format!("number, {} to {}", number("minimum").unwrap(), number("maximum").unwrap()),
        Some("array") => match (number("minItems"), number("maxItems")) {
            (Some(one), Some(same)) if one == same => format!("list of {one}"),
            (least, Some(most)) => format!("list of {} to {most}", least.unwrap_or(0)),
            (_, None) => panic!("a list without a limit: {of}"),
        },
        Some("string") => match (text("patternErrorMessage"), number("minLength"), number("maxLength")) {
            (Some(words), ..) => words.to_owned(),
            (None, Some(least), Some(most)) => format!("text, {least} to {most} characters"),
            (None, ..) => panic!("a text without a limit: {of}"),
        },
        _ if of.get("propertyNames").is_some() => {
            let names = of["propertyNames"]["patternErrorMessage"].as_str().unwrap();
            format!("mapping of {} names, each {names}", number("minProperties").unwrap())
        }
        _ => "mapping".to_owned(),
    }
}

fn table(title: &str, rows: &[String]) -> String {
    let title = if title.is_empty() { "The file".to_owned() } else { format!("`{title}`") };
    let title = title.replace(", exactly one of`", "`, exactly one of");
    format!("\n### {title}\n\n| key | value | default | meaning |\n|---|---|---|---|\n{}", rows.concat())
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Compares a page with what it should be, or writes it where that is asked for.
fn compare(path: &str, made: &str) {
    if std::env::var_os("SWITCHBACK_WRITE_DOCS").is_some() {
        return std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(path), made).unwrap();
    }
    let committed = read(path);
    if let Some(line) = made.lines().zip(committed.lines()).position(|(a, b)| a != b) {
        let (now, then) = (made.lines().nth(line).unwrap(), committed.lines().nth(line).unwrap());
        panic!("{path} line {}: it says\n  {then}\nand the program says\n  {now}\n{HOW}", line + 1);
    }
    assert!(made == committed, "{path} is longer or shorter than what the program says\n{HOW}");
}

/// A line of the exit codes in `--help`.
const EXIT_CODE: &str = r"(?m)^  (\d+) ";

const HOW: &str = "run: SWITCHBACK_WRITE_DOCS=1 cargo test --test docs";
