//! Machines and catalogues from outside: real processes.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use super::{Architecture, Catalogue, Image, ImageState, Launch, Process};

/// Whatever takes longer than this in a test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn launch(command: &[&str], log: Option<PathBuf>) -> Launch {
    Launch {
        image_id: "ami-0000000a".into(),
        image: Image::new(command.iter().map(|part| (*part).to_owned()).collect(), 8081),
        address: [127, 0, 7, 9].into(),
        instance_id: "i-0123".into(),
        user_data: Some("hello".into()),
        metadata: None,
        log,
    }
}

fn script(text: &str, log: Option<PathBuf>) -> Launch {
    launch(&["sh", "-c", text], log)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

/// Gone, or at least dead where nobody reaps orphans.
fn is_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.trim_start().starts_with('Z'))
}

async fn lines_of(log: &Path, count: usize) -> Vec<String> {
    let read = || std::fs::read_to_string(log).unwrap_or_default();
    until("the program has written its log", || read().lines().count() >= count).await;
    read().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_program_learns_where_it_runs_through_arguments_and_environment() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let text = r#"printf '%s\n' "$@" "$HOST" "$PORT" "$INSTANCE_ID" "$IMAGE_ID" "$USER_DATA" "$COLOR"; echo oops >&2"#;
    let mut launch =
        launch(&["sh", "-c", text, "sh", "--on={address}:{port}", "{image} {instance}"], Some(log.clone()));
    launch.image.environment.insert("COLOR".into(), "blue".into());
    let machine = Process::start(&launch).await.unwrap();
    assert!(machine.wait().await.status.unwrap().success());
    assert_eq!(
        lines_of(&log, 9).await,
        [
            "--on=127.0.7.9:8081",
            "ami-0000000a i-0123",
            "127.0.7.9",
            "8081",
            "i-0123",
            "ami-0000000a",
            "hello",
            "blue",
            "oops",
        ]
    );
    assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_program_is_asked_to_stop_and_leaves_no_zombie() {
    let machine = Process::start(&launch(&["sleep", "1000"], None)).await.unwrap();
    assert_eq!(machine.ended(), None);
    let ended = tokio::time::timeout(PATIENCE, machine.stop(Duration::from_secs(600))).await.unwrap();
    assert_eq!(ended.status.unwrap().signal(), Some(15));
    assert!(!Path::new(&format!("/proc/{}", machine.pid())).exists(), "reaped");
    assert_eq!(machine.stop(Duration::ZERO).await, ended, "stopping twice is harmless");
}

#[tokio::test]
async fn a_program_that_does_not_want_to_stop_is_killed_with_all_that_it_started() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let text = "trap '' TERM; sleep 1000 & echo $!; while :; do wait; done";
    let machine = Process::start(&script(text, Some(log.clone()))).await.unwrap();
    let started: u32 = lines_of(&log, 1).await[0].parse().unwrap();
    let ended = tokio::time::timeout(PATIENCE, machine.stop(Duration::from_millis(50))).await.unwrap();
    assert_eq!(ended.status.unwrap().signal(), Some(9));
    until("what it started is gone", || is_gone(started)).await;
}

#[tokio::test]
async fn a_program_that_ends_by_itself_is_noticed() {
    let machine = Process::start(&script("exit 3", None)).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, machine.wait()).await.unwrap();
    assert_eq!(ended.status.unwrap().code(), Some(3));
    assert_eq!(machine.ended(), Some(ended));
}

#[tokio::test]
async fn a_program_that_ends_by_itself_leaves_nothing_behind() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let machine = Process::start(&script("sleep 1000 & echo $!", Some(log.clone()))).await.unwrap();
    tokio::time::timeout(PATIENCE, machine.wait()).await.unwrap();
    let left: u32 = lines_of(&log, 1).await[0].parse().unwrap();
    until("what it started is gone", || is_gone(left)).await;
}

#[tokio::test]
async fn a_machine_that_is_dropped_takes_its_program_along() {
    let machine = Process::start(&launch(&["sleep", "1000"], None)).await.unwrap();
    let pid = machine.pid();
    drop(machine);
    until("the program is gone", || is_gone(pid)).await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let error = Process::start(&launch(&["/no/such/program"], None)).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot start `/no/such/program` as instance i-0123: No such file"), "{error}");
    let log = Some("/no/such/folder/log".into());
    let error = Process::start(&launch(&["true"], log)).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot write the log of instance i-0123 to /no/such/folder/log"), "{error}");
}

/// Not a test of its own: the process that [`instances_die_with_the_dev_cloud_however_it_ends`] kills.
#[tokio::test]
#[ignore = "started by another test, which kills it"]
async fn a_dev_cloud_that_will_be_killed() {
    let machine = Process::start(&launch(&["sleep", "1000"], None)).await.unwrap();
    eprintln!("started {}", machine.pid());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn instances_die_with_the_dev_cloud_however_it_ends() {
    let mut dev_cloud = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "dev::machine::tests::a_dev_cloud_that_will_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(dev_cloud.stderr.take().unwrap()).lines();
    let mut pids = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("started ")?.parse().ok());
    let pid: u32 = pids.next().expect("the dev cloud tells the process id of its instance");
    assert!(!is_gone(pid));
    dev_cloud.kill().unwrap();
    dev_cloud.wait().unwrap();
    until("the instance is gone", || is_gone(pid)).await;
}

/// Not a test of its own: the process that [`what_instances_start_dies_with_the_dev_cloud_too`] kills.
#[tokio::test]
#[ignore = "started by another test, which kills it"]
async fn a_dev_cloud_with_busy_instances_that_will_be_killed() {
    let text = "sleep 1000 & echo started $! >&2; wait";
    let log = std::env::temp_dir().join(format!("busy-{}.log", std::process::id()));
    let machine = Process::start(&script(text, Some(log.clone()))).await.unwrap();
    let told = lines_of(&log, 1).await.remove(0);
    std::fs::remove_file(log).unwrap();
    eprintln!("{told}\nstarted {}", machine.pid());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn what_instances_start_dies_with_the_dev_cloud_too() {
    let mut dev_cloud = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "dev::machine::tests::a_dev_cloud_with_busy_instances_that_will_be_killed"])
        .args(["--ignored", "--nocapture"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(dev_cloud.stderr.take().unwrap()).lines();
    let pids = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("started ")?.parse().ok());
    let pids: Vec<u32> = pids.take(2).collect();
    assert!(pids.len() == 2 && pids.iter().all(|pid| !is_gone(*pid)), "{pids:?}");
    dev_cloud.kill().unwrap();
    dev_cloud.wait().unwrap();
    until("the instance and what it has started are gone", || pids.iter().all(|pid| is_gone(*pid))).await;
}

fn load(text: &str) -> Result<Catalogue, String> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("images.yaml");
    std::fs::write(&file, text).unwrap();
    Catalogue::load(&file).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn a_catalogue_is_read_with_its_defaults() {
    let text = r#"
images:
  ami-0000000000000001a:
    command: [my-server, --listen, "{address}:{port}"]
    port: 8080
  ami-0000000b:
    command: [./bin/server]
    port: 9090
    environment: { COLOR: green }
    name: shop 2
    architecture: arm64
    state: deregistered
"#;
    let catalogue = load(text).unwrap();
    let first = &catalogue.images["ami-0000000000000001a"];
    assert_eq!(*first, Image::new(vec!["my-server".into(), "--listen".into(), "{address}:{port}".into()], 8080));
    let second = &catalogue.images["ami-0000000b"];
    assert!(second.command[0].starts_with('/') && second.command[0].ends_with("bin/server"), "{:?}", second.command);
    assert_eq!((second.architecture, second.state), (Architecture::Arm64, ImageState::Deregistered));
    assert_eq!((second.environment["COLOR"].as_str(), second.name.as_deref()), ("green", Some("shop 2")));
    let json = r#"{"images": {"ami-0000000c": {"command": ["true"], "port": 1}}}"#;
    assert_eq!(load(json).unwrap().images["ami-0000000c"], Image::new(vec!["true".into()], 1));
}

#[test]
fn a_bad_catalogue_says_what_is_wrong() {
    let image = |rest: &str| format!("images:\n  ami-0000000a:\n{rest}\n");
    for (text, expected) in [
        (String::new(), "images.yaml is not valid"),
        ("images: {}".into(), "must have at least one entry"),
        ("images: [".into(), "line 1"),
        (image("    command: [a]\n    port: 80\n    prot: 81"), "unknown field `prot`"),
        (image("    command: [a]\n    port: 80\n    port: 81"), "duplicate"),
        (image("    command: [a]"), "missing field `port`"),
        (image("    command: a --port 80\n    port: 80"), "line 3"),
        (image("    command: []\n    port: 80"), "image ami-0000000a: `command` must name a program"),
        (image("    command: [a]\n    port: 0"), "`port` must be 1 to 65535"),
        (image("    command: [a]\n    port: 70000"), "line 4"),
        (image("    command: [a]\n    port: 80\n    architecture: sparc"), "arm64"),
        (image("    command: [a]\n    port: 80\n    environment: { 'A=B': c }"), "`A=B` cannot be the name"),
        ("images:\n  shop: { command: [a], port: 80 }".into(), "`shop` is no image id: expected `ami-`"),
        (format!("# {}", "x".repeat(2 << 20)), "larger than 1048576 bytes"),
    ] {
        let error = load(&text).unwrap_err();
        assert!(error.starts_with("the image catalogue images.yaml is"), "{error}");
        assert!(error.contains(expected), "expected {expected:?} in: {error}");
    }
    let error = Catalogue::load(Path::new("/no/such/file")).unwrap_err().to_string();
    assert_eq!(error, "cannot read the image catalogue /no/such/file: No such file or directory (os error 2)");
}
