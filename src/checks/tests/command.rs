//! Command checks: what a program is told, and that nothing of it stays behind.

use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::checks::testing::green;
use crate::checks::{SmokeTarget, smoke};
use crate::config::{CommandCheck, SmokeCheck};
use crate::dial::ThisMachine;
use crate::release::Problem;

const PLENTY: Duration = Duration::from_secs(60);

fn target() -> SmokeTarget {
    green(&["10.0.0.1:8080".parse().unwrap(), "10.0.0.2:8080".parse().unwrap()])
}

async fn run(arguments: &[&str], timeout: Duration, folder: &Path) -> Result<(), Problem> {
    let run = arguments.iter().map(ToString::to_string).collect();
    smoke(&ThisMachine, &[SmokeCheck::Command(CommandCheck { run, timeout })], &target(), folder).await
}

async fn saw(arguments: &[&str]) -> String {
    run(arguments, PLENTY, Path::new("/")).await.unwrap_err().saw
}

#[tokio::test]
async fn exit_code_0_passes() {
    assert_eq!(run(&["true"], PLENTY, Path::new("")).await, Ok(()));
}

#[tokio::test]
async fn another_exit_code_fails_and_shows_what_was_printed() {
    let problem = run(&["sh", "-c", "echo out; echo err >&2; exit 3"], PLENTY, Path::new("/")).await.unwrap_err();
    let line = "sh -c 'echo out; echo err >&2; exit 3'";
    assert_eq!(
        problem,
        Problem::new(
            format!(
                "smoke check 1 of 1 (command {line}) failed at its only attempt: {line}: exit code 3; its output:\n  out\n  err"
            ),
            "exit code 0 within 60s",
            format!("cd / && {line}"),
        )
    );
}

#[tokio::test]
async fn arguments_and_environment_say_which_color_and_release() {
    let script = r#"echo "$@"; echo "$SWITCHBACK_COLOR $SWITCHBACK_ENDPOINT $SWITCHBACK_ENDPOINTS $SWITCHBACK_IMAGE $SWITCHBACK_RELEASE"; exit 1"#;
    let placeholders = [
        "-{color.name}",
        "{color.endpoint}",
        "{color.endpoints}",
        "{release.image}",
        "{release.id}",
        "{a} {{color.name}",
    ];
    let saw = saw(&[&["sh", "-c", script, "sh"], &placeholders[..]].concat()).await;
    let endpoints = "10.0.0.1:8080 10.0.0.1:8080,10.0.0.2:8080";
    let first = format!("  -green {endpoints} ami-0123 20261121-021500-7f3a {{a}} {{green\n");
    let second = format!("  green {endpoints} ami-0123 20261121-021500-7f3a");
    assert!(saw.ends_with(&(first + &second)), "{saw}");
}

#[tokio::test]
async fn arguments_are_not_read_by_a_shell() {
    let saw = saw(&["sh", "-c", r#"printf '%s' "$1"; exit 1"#, "sh", "$(id) `id` ; a  b"]).await;
    assert!(saw.ends_with("its output:\n  $(id) `id` ; a  b"), "{saw}");
}

#[tokio::test]
async fn it_runs_in_the_folder_of_the_environment_file_and_is_found_from_there() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/bin/pwd", folder.path().join("where")).unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    assert_eq!(run(&["./where"], PLENTY, folder.path()).await, Ok(()));

    std::fs::write(folder.path().join("marker"), "").unwrap();
    assert_eq!(run(&["test", "-f", "marker"], PLENTY, folder.path()).await, Ok(()));
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain"), "").unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let saw = async |program: &str, folder: &Path| {
        let saw = run(&[program], PLENTY, folder).await.unwrap_err().saw;
        saw.rsplit_once(&format!("{program}: ")).unwrap().1.to_owned()
    };
    assert_eq!(saw("no-such-program", folder.path()).await, "there is no program no-such-program on the PATH");
    assert_eq!(saw("./missing.sh", folder.path()).await, format!("{} does not exist", at("./missing.sh")));
    assert_eq!(saw("./plain", folder.path()).await, format!("{} is not executable (chmod +x)", at("./plain")));
    assert_eq!(saw("true", &folder.path().join("gone")).await, format!("the folder {} does not exist", at("gone")));
}

#[tokio::test]
async fn a_signal_is_named() {
    assert!(saw(&["sh", "-c", "kill -9 $$"]).await.ends_with("ended by signal 9; it printed nothing"));
}

#[tokio::test]
async fn only_the_end_of_much_output_is_shown() {
    let saw = saw(&["sh", "-c", "yes filler | head -n 50000; echo last words; exit 1"]).await;
    assert!(saw.ends_with("  filler\n  last words"), "{}", &saw[saw.len() - 100..]);
    assert!(saw.contains("; the end of its output:\n"));
    assert!(saw.len() < 8 * 1024, "{} bytes", saw.len());
}

/// A listener, and a script whose background child holds a connection to it for as long as the child lives.
async fn witness() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; sleep 1000 & echo up >&3; wait'"))
}

/// The connection, once the script's last process is up.
async fn up(listener: &TcpListener) -> TcpStream {
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut heard = [0; 3];
    connection.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"up\n");
    connection
}

/// Waits until the last process that holds the connection has ended.
async fn ended(mut connection: TcpStream) {
    let end = tokio::time::timeout(PLENTY, connection.read_u8()).await;
    end.expect("a process of the command is still running").unwrap_err();
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_its_children() {
    let (listener, script) = witness().await;
    // The time starts to run when the child is up, so that no slow machine ends it before.
    let command = ["sh", "-c", &script];
    let check = run(&command, Duration::from_secs(600), Path::new("/"));
    let watch = async {
        let connection = up(&listener).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(601)).await;
        tokio::time::resume();
        connection
    };
    let (result, connection) = tokio::join!(check, watch);
    let saw = result.unwrap_err().saw;
    assert!(saw.ends_with("still running after 600s, and was ended; it printed nothing"), "{saw}");
    ended(connection).await;
}

#[tokio::test]
async fn a_command_is_ended_with_its_children_when_nobody_waits_for_it_any_more() {
    let (listener, script) = witness().await;
    let command = ["sh", "-c", &script];
    let connection = tokio::select! {
        result = run(&command, PLENTY, Path::new("/")) => panic!("{result:?}"),
        connection = up(&listener) => connection,
    };
    ended(connection).await;
}

#[tokio::test]
async fn what_a_command_leaves_in_the_background_is_ended_and_not_waited_for() {
    let (listener, script) = witness().await;
    let folder = tempfile::tempdir().unwrap();
    let script = format!("({script}) & until [ -e up ]; do sleep 0.01; done");
    let command = ["sh", "-c", &script];
    let watch = async {
        let connection = up(&listener).await;
        std::fs::write(folder.path().join("up"), "").unwrap();
        connection
    };
    let (result, connection) = tokio::join!(run(&command, PLENTY, folder.path()), watch);
    assert_eq!(result, Ok(()));
    ended(connection).await;
}
