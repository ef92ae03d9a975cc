//! What goes where: results on stdout, words on stderr, `--json`, `--quiet`, `-v`, colors and times.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::null_mut;

use jiff::Timestamp;
use serde_json::{Value, json};
use switchback::dev::DevOptions;

use crate::world::{ENVIRONMENT, World, ami, ended};

/// The keys of an object, in order.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

/// Every text in a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => vec![],
    }
}

/// Every time in the lines is RFC 3339 in UTC, and there is one.
fn times_are_utc<'a>(lines: impl IntoIterator<Item = &'a Value>) {
    let mut seen = 0;
    for text in lines.into_iter().flat_map(texts) {
        let starts_like_a_time = text.len() > 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T';
        if starts_like_a_time {
            seen += 1;
            assert!(text.ends_with('Z') && text.parse::<Timestamp>().is_ok(), "{text} is not RFC 3339 in UTC");
        }
    }
    assert!(seen > 0, "no time was told");
}

#[tokio::test]
async fn with_json_every_line_on_stdout_is_an_object_with_the_documented_fields() {
    let world = World::new().await;
    let load = world.load().await;

    let plan = world.run(&["--json", "plan", "ENV", "--image", &ami("v1")]).await.exits(0);
    assert_eq!(plan.stderr, "");
    let [plan] = &plan.lines()[..] else { panic!("{}", plan.stdout) };
    assert_eq!(keys(plan), ["type", "environment", "image", "traffic", "colors", "steps", "refused"]);
    assert_eq!((&plan["type"], &plan["refused"]), (&json!("plan"), &Value::Null));
    assert_eq!(keys(&plan["steps"][0]), ["phase", "text"]);
    let phases: BTreeSet<_> =
        plan["steps"].as_array().expect("steps").iter().filter_map(|s| s["phase"].as_str()).collect();
    let all = ["provisioning", "warming", "smoke", "switching", "converging", "baking", "retaining"];
    assert_eq!(phases, all.into());

    world.dev.forget_calls();
    let deploy = world.run(&["--json", "deploy", "ENV", "--image", &ami("v1")]).await.exits(0);
    assert_eq!(deploy.stderr, "", "words beside JSON");
    let lines = deploy.lines();
    let release = lines[0]["release"].as_str().expect("the release id comes first").to_owned();
    assert_eq!(keys(&lines[0]), ["type", "seq", "at", "release", "event", "environment"]);
    assert_eq!(lines[0]["event"]["type"], "release-started");
    assert!(
        lines
            .iter()
            .all(|line| line["type"].is_string() && (line["environment"] == "shop" || line["type"] == "aws-calls"))
    );
    assert_eq!(
        deploy.events().iter().filter(|e| !["intent", "outcome"].contains(&e.as_str())).collect::<Vec<_>>(),
        ["release-started", "cleared", "provisioned", "warmed", "smoke-passed", "switched", "converged", "retained"]
    );
    let flip = lines.iter().find(|line| line["type"] == "flipped").expect("a flip");
    assert_eq!(keys(flip), ["type", "kind", "to", "ms", "environment"]);
    assert_eq!((&flip["kind"], &flip["to"]), (&json!("deploy"), &json!("green")));
    let waiting = lines.iter().find(|line| line["type"] == "waiting").expect("a wait");
    assert_eq!(keys(waiting), ["type", "phase", "reason", "environment"]);
    let [.., calls, result] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(keys(calls), ["type", "by_operation", "retries"]);
    assert_eq!(calls["by_operation"]["elbv2:ModifyListener"], 1, "{calls}");
    let told: BTreeMap<String, u64> = serde_json::from_value(calls["by_operation"].clone()).expect("counts");
    assert_eq!(told, world.dev.calls(), "the calls that were told are not those that arrived");
    let done = json!({
        "type": "result", "verb": "deploy", "environment": "shop", "release": release,
        "outcome": "done", "text": null, "problem": null, "exit": 0,
    });
    assert_eq!((result, keys(result)), (&done, keys(&done)));
    times_are_utc(&lines);

    let again = world.run(&["--json", "deploy", "ENV", "--image", &ami("v1")]).await.exits(0);
    let last = again.lines().pop().expect("a result");
    assert_eq!((&last["outcome"], last["release"].as_str()), (&json!("nothing-to-do"), Some(release.as_str())));
    assert!(last["text"].as_str().is_some_and(|text| text.contains("has the traffic already")), "{last}");

    let status = world.status().await;
    assert_eq!(keys(&status), ["type", "environment", "traffic", "colors", "release", "lease", "mismatch"]);
    assert_eq!(status["traffic"], json!({ "traffic": "only", "color": "green", "idle_referenced": true }));
    let [blue, green] = status["colors"].as_array().expect("colors").as_slice() else { panic!("{status:#}") };
    for color in [blue, green] {
        assert_eq!(keys(color), ["color", "live", "weight", "targets", "instances", "image", "since"]);
        assert_eq!(keys(&color["targets"]["list"][0]), ["id", "port", "health", "reason", "description"]);
        let instance = keys(&color["instances"][0]);
        assert_eq!(instance, ["id", "release", "image", "subnet", "address", "state", "reason", "launched_at"]);
    }
    assert_eq!((&blue["live"], &green["live"]), (&json!(false), &json!(true)));
    assert_eq!((&blue["weight"], &green["weight"]), (&json!(0), &json!(100)));
    assert_eq!((&blue["image"], &green["image"]), (&json!(ami("v0")), &json!(ami("v1"))));
    assert_eq!(
        keys(&status["release"]),
        ["id", "image", "from", "to", "phase", "unfinished", "started_at", "expires_at", "expires", "problem"]
    );
    assert_eq!((&status["release"]["phase"], &status["release"]["expires"]), (&json!("retaining"), &json!("blue")));
    times_are_utc([&status]);

    let rollback = world.run(&["--json", "rollback", "ENV"]).await.exits(0);
    assert_eq!(rollback.stderr, "");
    let lines = rollback.lines();
    let flip = lines.iter().find(|line| line["type"] == "flipped").expect("a flip");
    assert_eq!((&flip["kind"], &flip["to"]), (&json!("rollback"), &json!("blue")));
    assert_eq!(lines.last().map(|line| (&line["verb"], &line["outcome"])), Some((&json!("rollback"), &json!("done"))));

    let refused = world.run(&["--json", "rollback", "ENV"]).await.exits(3);
    let last = refused.lines().pop().expect("a result");
    assert_eq!((&last["outcome"], &last["exit"]), (&json!("refused"), &json!(3)));
    assert_eq!(keys(&last["problem"]), ["saw", "expected", "run"]);

    let history = world.run(&["--json", "history", "ENV"]).await.exits(0);
    let [summary] = &history.lines()[..] else { panic!("{}", history.stdout) };
    assert_eq!(
        keys(summary),
        ["type", "release", "image", "from", "to", "started_at", "last_at", "phase", "by", "failure"]
    );
    assert_eq!((&summary["type"], &summary["phase"]), (&json!("release"), &json!("rolled-back")));
    times_are_utc([summary]);
    let events = world.run(&["--json", "history", "ENV", "--events"]).await.exits(0).lines();
    let entries = world.entries();
    assert_eq!(events.len(), entries.len());
    for (event, entry) in events.iter().zip(&entries) {
        assert_eq!((&event["type"], &event["seq"], &event["body"]), (&json!("entry"), &entry["seq"], &entry["body"]));
        assert_eq!(keys(event)[1..], keys(entry)[..]);
    }
    assert!(world.run(&["history", "ENV", "--events"]).await.exits(0).lines() == entries, "it is not the journal");
    times_are_utc(&events);

    let idle = world.run(&["--json", "sweep", "ENV"]).await.exits(0);
    assert_eq!((idle.stdout.as_str(), idle.stderr.as_str()), ("", ""), "a sweep with nothing to do is not quiet");
    world.no_request_failed(load).await;
    world.end().await;
}

#[tokio::test]
async fn quiet_leaves_only_results_and_errors() {
    let world = World::new().await;
    let deploy = world.run(&["--quiet", "deploy", "ENV", "--image", &ami("v1")]).await.exits(0);
    assert_eq!(deploy.stdout.lines().count(), 1, "{}", deploy.stdout);
    assert_eq!(deploy.stderr, "");
    let status = world.run(&["status", "ENV", "-q"]).await.exits(0);
    assert!(status.stdout.contains(deploy.stdout.trim_end()), "{}", status.stdout);
    let rollback = world.run(&["rollback", "ENV", "--quiet"]).await.exits(0);
    assert_eq!((rollback.stdout.as_str(), rollback.stderr.as_str()), ("", ""));
    let refused = world.run(&["-q", "rollback", "ENV"]).await.exits(3).says("refused, nothing was changed");
    assert_eq!(refused.stdout, "");
    let idle = world.run(&["-q", "abort", "ENV"]).await.exits(0);
    assert_eq!((idle.stdout.as_str(), idle.stderr.as_str()), ("", ""));
    world.end().await;
}

#[tokio::test]
async fn verbose_logs_every_aws_call_to_stderr_and_no_secret() {
    let world = World::new().await;
    let quiet = world.run(&["status", "ENV"]).await.exits(0);
    assert_eq!(quiet.stderr, "");
    let ran = world.run(&["-v", "status", "ENV"]).await.exits(0).says("DescribeListeners").says("request_id");
    let without_ages = |text: &str| text.lines().take(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(without_ages(&ran.stdout), without_ages(&quiet.stdout), "the log is not on stdout");
    assert!(!ran.stdout.contains("DescribeListeners"));
    let calls = world.dev.calls();
    let more = world.run(&["-vv", "plan", "ENV", "--image", &ami("v1")]).await.exits(0);
    assert!(more.stderr.len() > ran.stderr.len(), "-vv says no more than -v");
    assert!(world.dev.calls() != calls);
    for secret in ["Credential=", "SecretAccessKey", "aws_secret"] {
        assert!(!more.stderr.contains(secret) && !ran.stderr.contains(secret), "{secret} in the log");
    }
    world.end().await;
}

/// Both ends of a new terminal: what a person sees, and what the program writes to.
fn terminal() -> (std::fs::File, OwnedFd) {
    let (mut screen, mut program) = (-1, -1);
    #[expect(unsafe_code, reason = "the standard library cannot make a terminal")]
    // SAFETY: openpty writes two new file descriptors that nobody else owns, and takes null for what is not wanted.
    unsafe {
        assert_eq!(libc::openpty(&mut screen, &mut program, null_mut(), null_mut(), null_mut()), 0);
        (std::fs::File::from(OwnedFd::from_raw_fd(screen)), OwnedFd::from_raw_fd(program))
    }
}

/// Runs the program with stderr on a terminal; what is on stdout, and what the terminal shows.
async fn on_a_terminal(world: &World, color: bool, arguments: &[&str]) -> (Option<i32>, String, String) {
    let (mut screen, program) = terminal();
    let shown = tokio::task::spawn_blocking(move || {
        let (mut shown, mut piece) = (Vec::new(), [0; 4096]);
        // The other end's last close is an error here (EIO), not an end of file.
        while let Ok(count @ 1..) = screen.read(&mut piece) {
            shown.extend_from_slice(&piece[..count]);
        }
        String::from_utf8_lossy(&shown).into_owned()
    });
    let mut command = world.command(arguments);
    command.env("TERM", "xterm-256color").stderr(program);
    if color {
        command.env_remove("NO_COLOR");
    }
    let child = command.spawn().expect("the program starts");
    // It holds the last copy of the terminal's other end.
    drop(command);
    let ran = ended(child).await;
    (ran.code, ran.stdout, shown.await.expect("the terminal is read"))
}

/// Whether a text has a color or a weight of letters; moving the cursor is neither.
fn is_colored(text: &str) -> bool {
    text.split("\u{1b}[")
        .skip(1)
        .any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
}

#[tokio::test]
async fn a_terminal_gets_live_progress_and_colors_unless_no_color_is_set() {
    let world = World::new().await;
    let (code, stdout, shown) = on_a_terminal(&world, true, &["deploy", "ENV", "--image", &ami("v1")]).await;
    assert_eq!((code, stdout.lines().count()), (Some(0), 1), "{stdout}\n{shown}");
    assert!(shown.contains("\u{1b}["), "no live progress in {shown:?}");
    assert!(shown.contains("waiting: green"), "{shown}");
    assert!(is_colored(&shown), "no color in {shown:?}");
    let (_, _, quiet) = on_a_terminal(&world, true, &["--quiet", "rollback", "ENV"]).await;
    assert_eq!(quiet, "");
    for (color, colored) in [(true, true), (false, false)] {
        let (code, _, shown) = on_a_terminal(&world, color, &["rollback", "ENV"]).await;
        assert_eq!((code, is_colored(&shown)), (Some(3), colored), "{shown:?}");
        let bad = world.folder().join("bad.yaml");
        std::fs::write(&bad, "name: 7\n").expect("written");
        let bad = bad.display().to_string();
        let (code, _, shown) = on_a_terminal(&world, color, &["validate", &bad]).await;
        assert_eq!((code, is_colored(&shown)), (Some(2), colored), "{shown:?}");
        let (code, _, shown) = on_a_terminal(&world, color, &["-v", "status", "ENV"]).await;
        assert_eq!((code, is_colored(&shown)), (Some(0), colored), "{shown:?}");
        let (code, _, shown) = on_a_terminal(&world, color, &["deploy"]).await;
        assert_eq!((code, is_colored(&shown)), (Some(2), colored), "{shown:?}");
    }
    let (code, _, shown) = on_a_terminal(&world, false, &["deploy", "ENV", "--image", &ami("v2")]).await;
    assert_eq!((code, is_colored(&shown)), (Some(0), false), "{shown:?}");
    world.end().await;
}

#[tokio::test]
async fn a_pipe_gets_no_colors_and_a_closed_one_is_no_error() {
    let world = World::with(DevOptions::default(), |seed| seed.count = 0, ENVIRONMENT).await;
    let mut command = world.command(&["rollback", "ENV"]);
    command.env_remove("NO_COLOR").env("TERM", "xterm-256color");
    let ran = ended(command.spawn().expect("the program starts")).await.exits(3);
    assert!(!ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = world.command(&["schema"]);
    command.stdout(writer);
    ended(command.spawn().expect("the program starts")).await.exits(0);
    world.end().await;
}

#[tokio::test]
async fn every_verb_has_help_and_a_wrong_call_ends_with_2_and_usage() {
    let world = World::with(DevOptions::default(), |seed| seed.count = 0, ENVIRONMENT).await;
    let help = world.run(&["--help"]).await.exits(0);
    for verb in
        ["validate", "schema", "plan", "deploy", "rollback", "status", "history", "abort", "sweep", "dev", "demo"]
    {
        assert!(help.stdout.contains(&format!("\n  {verb} ")), "{verb} is not in the help:\n{}", help.stdout);
        let own = world.run(&[verb, "--help"]).await.exits(0);
        for flag in ["--json", "--quiet", "--verbose"] {
            assert!(own.stdout.contains(flag), "{verb} --help has no {flag}");
        }
    }
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "130 "] {
        assert!(help.stdout.contains(&format!("\n  {code}")), "exit code {code} is not in the help:\n{}", help.stdout);
    }
    let wrong: [&[&str]; 6] = [
        &[],
        &["deplyo"],
        &["deploy", "ENV"],
        &["deploy"],
        &["rollback", "ENV", "--forced"],
        &["plan", "ENV", "--image"],
    ];
    for line in wrong {
        let ran = world.run(line).await.exits(2).says("--help");
        assert_eq!(ran.stdout, "", "{line:?}");
    }
    assert_eq!(world.dev.calls(), [].into());
    world.end().await;
}
