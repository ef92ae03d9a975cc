//! A program of the user: run once without a shell, its output bounded, ended with everything that it started.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::SmokeTarget;
use super::words::{command_line, indented};
use crate::config::CommandCheck;

/// How much of the end of a program's output is kept.
const OUTPUT_BYTES_MAX: usize = 4096;
/// How long an ended group may take to let go of its output.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// What was seen.
    pub(super) saw: String,
    /// The same command for a shell.
    pub(super) by_hand: String,
}

/// Runs the command once; exit code 0 passes.
///
/// Its whole process group is ended when it exits, when its time is over, and when this future is dropped.
pub(super) async fn run(check: &CommandCheck, target: &SmokeTarget, folder: &Path) -> Result<(), Failure> {
    let values = Placeholders::of(target);
    let arguments: Vec<String> = check.run.iter().map(|argument| values.fill(argument)).collect();
    let folder = absolute(folder);
    let line = command_line(&arguments);
    let by_hand = format!("cd {} && {line}", command_line(&[folder.to_string_lossy()]));
    execute(&arguments, &values, &folder, check.timeout)
        .await
        .map_err(|saw| Failure { saw: format!("{line}: {saw}"), by_hand })
}

async fn execute(arguments: &[String], values: &Placeholders, folder: &Path, time: Duration) -> Result<(), String> {
    let [program, rest @ ..] = arguments else { return Err("the command is empty".into()) };
    // A relative path means one that starts at the environment file, whatever the current folder is.
    let path = if program.contains('/') { folder.join(program) } else { PathBuf::from(program) };
    let (reader, writer) = std::io::pipe().map_err(|error| format!("no pipe for its output: {error}"))?;
    let again = writer.try_clone().map_err(|error| format!("no pipe for its output: {error}"))?;
    let mut output = pipe::Receiver::from_owned_fd(OwnedFd::from(reader))
        .map_err(|error| format!("no pipe for its output: {error}"))?;
    let mut child = Command::new(&path)
        .args(rest)
        .envs(values.environment())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(again)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_started(&error, &path, folder))?;
    let group = ProcessGroup::led_by(child.id());

    let mut tail = Tail::default();
    let mut open = true;
    let mut timer = pin!(sleep(time));
    let status = loop {
        tokio::select! {
            status = child.wait() => break Some(status),
            more = tail.read_some(&mut output), if open => open = more,
            () = &mut timer => break None,
        }
    };
    drop(group);
    // What it wrote last is still in the pipe. A process that left the group may hold the pipe open: not for long here.
    let rest = async { while open && tail.read_some(&mut output).await {} };
    let heard_all = timeout(LAST_WORDS, rest).await.is_ok();
    tracing::debug!(heard_all, output_bytes = tail.total_bytes, "the command has ended");

    let failure = match status {
        Some(Ok(status)) if status.success() => return Ok(()),
        Some(Ok(status)) => ended(status),
        Some(Err(error)) => format!("its exit code could not be read: {error}"),
        None => format!("still running after {time:?}, and was ended"),
    };
    Err(format!("{failure}{}", tail.in_words()))
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn not_started(error: &std::io::Error, path: &Path, folder: &Path) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound if !folder.is_dir() => format!("the folder {} does not exist", folder.display()),
        std::io::ErrorKind::NotFound if path.is_absolute() => format!("{} does not exist", path.display()),
        std::io::ErrorKind::NotFound => format!("there is no program {} on the PATH", path.display()),
        std::io::ErrorKind::PermissionDenied => format!("{} is not executable (chmod +x)", path.display()),
        _ => format!("could not be started: {error}"),
    }
}

/// `folder` from the root; the empty path is the current folder.
fn absolute(folder: &Path) -> PathBuf {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_path_buf())
}

/// Ends every process of a group when dropped.
struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// The group that was made for a process whose id is `leader`.
    fn led_by(leader: Option<u32>) -> Self {
        Self(leader.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        let Some(leader) = self.0 else { return };
        match kill_process_group(leader, Signal::KILL) {
            // No such group: everything has ended by itself.
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => tracing::warn!(group = leader.as_raw_nonzero(), %error, "could not end a smoke command"),
        }
    }
}

/// The last bytes that a program wrote.
#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    total_bytes: u64,
}

impl Tail {
    /// Reads what is there; `false` when nothing more will come.
    async fn read_some(&mut self, output: &mut (impl AsyncRead + Unpin)) -> bool {
        let mut buffer = [0; OUTPUT_BYTES_MAX];
        match output.read(&mut buffer).await {
            Ok(count) if count > 0 => {
                self.total_bytes += count as u64;
                self.bytes.extend_from_slice(&buffer[..count]);
                self.bytes.drain(..self.bytes.len().saturating_sub(OUTPUT_BYTES_MAX));
                true
            }
            Ok(_) => false,
            Err(error) => {
                tracing::debug!(%error, "could not read the output of a smoke command");
                false
            }
        }
    }

    fn in_words(&self) -> String {
        let text = indented(&self.bytes);
        match text.is_empty() {
            true => "; it printed nothing".into(),
            false if self.total_bytes > OUTPUT_BYTES_MAX as u64 => format!("; the end of its output:\n{text}"),
            false => format!("; its output:\n{text}"),
        }
    }
}

/// What a command is told: as placeholders in its arguments, and in its environment.
struct Placeholders([(&'static str, &'static str, String); 5]);

impl Placeholders {
    fn of(target: &SmokeTarget) -> Self {
        let endpoints: Vec<_> = target.endpoints.iter().map(ToString::to_string).collect();
        let first = endpoints.first().cloned().unwrap_or_default();
        Self([
            ("{color.name}", "SWITCHBACK_COLOR", target.color.to_string()),
            ("{color.endpoint}", "SWITCHBACK_ENDPOINT", first),
            ("{color.endpoints}", "SWITCHBACK_ENDPOINTS", endpoints.join(",")),
            ("{release.image}", "SWITCHBACK_IMAGE", target.image.clone()),
            ("{release.id}", "SWITCHBACK_RELEASE", target.release.to_string()),
        ])
    }

    /// `text` with every placeholder replaced, in one pass: a value is never read as a placeholder.
    fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            match self.0.iter().find(|(placeholder, ..)| rest.starts_with(placeholder)) {
                Some((placeholder, _, value)) => {
                    filled.push_str(value);
                    rest = &rest[placeholder.len()..];
                }
                None => {
                    filled.push('{');
                    rest = &rest[1..];
                }
            }
        }
        filled + rest
    }

    fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(_, variable, value)| (*variable, value.as_str()))
    }
}
