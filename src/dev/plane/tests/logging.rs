//! Access logs: AWS's fields, AWS's file names.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{Request, StatusCode};

use super::super::{
    Action, Condition, FixedResponse, LogPlace, Pattern, Protocol, Routes, Rule, Settings, WeightedGroup,
};
use super::stage::*;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// A log's lines, each cut at spaces outside of quotation marks.
fn fields(file: &Path) -> Vec<Vec<String>> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(file).unwrap()).read_to_string(&mut text).unwrap();
    let cut = |line: &str| {
        let mut quoted = false;
        let mut fields = vec![String::new()];
        for c in line.chars() {
            match c {
                '"' => quoted = !quoted,
                ' ' if !quoted => fields.push(String::new()),
                other => fields.last_mut().unwrap().push(other),
            }
        }
        fields
    };
    text.lines().map(cut).collect()
}

#[tokio::test(start_paused = true)]
async fn every_request_becomes_a_line_in_the_file_of_its_five_minutes() {
    let folder = tempfile::tempdir().unwrap();
    let place = LogPlace {
        folder: folder.path().to_owned(),
        prefix: "web".to_owned(),
        account: "000000000000".to_owned(),
        region: "eu-west-1".to_owned(),
        address: "127.7.0.1".parse().unwrap(),
    };
    let stage = Stage::with(Settings { access_log: Some(place), ..Settings::default() });
    let (blue, target) = stage.color("blue").await;
    let fixed = FixedResponse { status: StatusCode::NOT_FOUND, content_type: None, body: "no".to_owned() };
    let rule = Rule {
        priority: 7,
        conditions: vec![Condition::Path(vec![Pattern::exact_case("/none")])],
        transforms: Vec::new(),
        action: Action::FixedResponse(fixed),
    };
    let default = Action::forward([WeightedGroup { group: blue.clone(), weight: 1 }]);
    let listener = stage.listen(Protocol::Http, Routes { rules: vec![rule], default }).await;
    let mut client = stage.client(&listener).await;
    client.ask(Request::get("/a?b=c").header("user-agent", "curl \"7\"")).await;
    client.get("/none").await;
    drop(client);
    tokio::time::sleep(Duration::from_secs(61)).await;
    while files(folder.path()).is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let [file] = files(folder.path()).try_into().unwrap();
    let name = file.strip_prefix(folder.path()).unwrap().to_str().unwrap();
    let start = "web/AWSLogs/000000000000/elasticloadbalancing/eu-west-1/2026/11/21/\
                 000000000000_elasticloadbalancing_eu-west-1_app.shop.0123456789abcdef_20261121T0215Z_127.7.0.1_";
    assert!(name.starts_with(start) && name.ends_with(".log.gz") && name.len() == start.len() + 15, "{name}");
    stage.balancer.flush_log().await;
    let lines = fields(&file);
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [33, 33], "{lines:?}");
    let port = listener.address().port();
    let first = &lines[0];
    let expected = [
        (0, "http".to_owned()),
        (1, "2026-11-21T02:14:00.000000Z".to_owned()),
        (2, "app/shop/0123456789abcdef".to_owned()),
        (4, target.address().to_string()),
        (5, "0.000".to_owned()),
        (8, "200".to_owned()),
        (9, "200".to_owned()),
        (12, format!("GET http://shop.example.com:{port}/a?b=c HTTP/1.1")),
        (13, "curl \\x227\\x22".to_owned()),
        (14, "-".to_owned()),
        (16, blue.id().to_owned()),
        (18, "-".to_owned()),
        (20, "0".to_owned()),
        (22, "forward".to_owned()),
        (25, target.address().to_string()),
        (26, "200".to_owned()),
    ];
    for (at, value) in expected {
        assert_eq!(first[at], value, "field {at} of {first:?}");
    }
    assert!(first[17].starts_with("Root=1-") && first[29].starts_with("TID_"), "{first:?}");
    assert!(first[10].parse::<u64>().unwrap() > 40 && first[11].parse::<u64>().unwrap() > 20, "{first:?}");
    let second = &lines[1];
    let own = [&second[4], &second[5], &second[8], &second[9], &second[20], &second[22]];
    assert_eq!(own, ["-", "-1", "404", "-", "7", "fixed-response"]);
    assert_eq!(first[29], second[29], "one connection");
}

#[tokio::test(start_paused = true)]
async fn what_the_load_balancer_answers_itself_is_counted_apart_from_what_targets_answer() {
    let stage = Stage::new();
    let (blue, target) = stage.color("blue").await;
    let listener = stage.before(&blue).await;
    let mut client = stage.client(&listener).await;
    client.get("/").await;
    target.set_state(super::super::TargetState::Unused);
    client.get("/").await;
    let (balancer, group) = (stage.balancer.counts(), blue.counts());
    assert_eq!((balancer.requests, balancer.elb_5xx, balancer.elb_503), (1, 1, 1));
    assert_eq!((group.requests, group.untargeted, group.target_answers), (2, 1, [0, 1, 0, 0, 0]));
    assert_eq!(group.response_times.count(), 1);
    assert_eq!((balancer.new_connections, balancer.ended_connections), (1, 0));
    drop(client);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(stage.balancer.counts().ended_connections, 1);
}
