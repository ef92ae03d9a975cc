//! `demo.yaml`: played by `switchback demo`, with fewer requests than a person sees.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::world::{PROGRAM, ended};

#[tokio::test]
async fn the_demo_plays_its_whole_story_without_a_failed_request() {
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(["--json", "demo", "--rate", "300", "--requests", "1000"]);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let ran = ended(command.spawn().expect("the demo starts")).await.exits(0);
    let lines = ran.lines();
    let summary = lines.last().expect("a summary");
    assert_eq!((&summary["type"], &summary["failed"]), (&json!("summary"), &json!(0)), "{summary}");
    assert!(summary["requests"].as_u64() >= Some(1000) && summary["seconds"].is_number(), "{summary}");
    let flips: Vec<_> = summary["flips"].as_array().expect("flips").iter().map(|f| (&f["kind"], &f["to"])).collect();
    let [deploy, rollback, blue, green] = ["deploy", "rollback", "blue", "green"].map(Value::from);
    assert_eq!(flips, [(&deploy, &green), (&deploy, &blue), (&rollback, &green), (&deploy, &blue)]);
    assert!(summary["flips"].as_array().into_iter().flatten().all(|flip| flip["ms"].is_u64()), "{summary}");
    assert_eq!(summary["aws_calls"]["elbv2:ModifyListener"], 4, "{summary}");
    let count = |event: &str| lines.iter().filter(|line| line["event"]["type"] == event).count();
    assert_eq!([count("release-started"), count("aborted"), count("rolled-back"), count("retired")], [4, 1, 1, 1]);
}
