//! What outlives the dev cloud for a moment: ends what its instances have started, when it could not do so itself.
//!
//! An instance's own process dies with the dev cloud, by the kernel's "parent has died" signal; what that process has
//! started does not get the signal. A small process beside the dev cloud reads from a pipe which process groups and
//! containers there are. The pipe ends when the dev cloud does, however it does, and then the rest is killed. Only what
//! has left its process group for a session of its own escapes.

use std::fmt::Display;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// A loop that forgets what has ended cannot be written with arguments alone; nothing in it comes from a user.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
all=' '
while read -r sign item; do
  case $sign in
    +) all="$all$item " ;;
    -) case $all in *" $item "*) all="${all%%" $item "*} ${all#*" $item "}" ;; esac ;;
  esac
done
for item in $all; do
  case $item in
    -*) kill -s KILL -- "$item" ;;
    *) docker rm --force "$item" ;;
  esac
done >/dev/null 2>&1
"#;

/// Something that must not outlive the dev cloud.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ward<'a> {
    /// A process group, by its leader's process id.
    Group(u32),
    /// A container, by its name.
    Container(&'a str),
}

impl Display for Ward<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(leader) => write!(f, "-{leader}"),
            Self::Container(name) => f.write_str(name),
        }
    }
}

/// From now on it is ended when the dev cloud ends.
pub(super) fn watch(ward: Ward<'_>) {
    tell('+', ward);
}

/// It has ended; its name may be somebody else's soon.
pub(super) fn forget(ward: Ward<'_>) {
    tell('-', ward);
}

fn tell(sign: char, ward: Ward<'_>) {
    static PIPE: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();
    let Some(pipe) = PIPE.get_or_init(start) else { return };
    let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = writeln!(pipe, "{sign} {ward}") {
        tracing::debug!(%error, "the process that ends what is left of instances is gone");
    }
}

fn start() -> Option<Mutex<ChildStdin>> {
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C in the terminal must not reach it.
    match command.process_group(0).spawn() {
        Ok(mut child) => child.stdin.take().map(Mutex::new),
        Err(error) => {
            tracing::warn!(%error, "what instances start may outlive a dev cloud that is killed: cannot start `sh`");
            None
        }
    }
}
