//! Who runs: what is shown to whoever finds the lease held.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The random name of one run of the program; no two runs share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    pub(super) fn of(id: Uuid) -> Self {
        Self(id)
    }

    /// A new one.
    pub fn random() -> Self {
        Self(Uuid::now_v7())
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Who holds, or asks for, the lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The run.
    pub run: RunId,
    /// The verb it carries out, for example `deploy`.
    pub verb: String,
    /// The user's name on that machine.
    pub user: String,
    /// The machine's name.
    pub host: String,
    /// The process id on that machine.
    pub pid: u32,
}

impl Owner {
    /// This process, as a new run that carries out `verb`.
    pub fn this_process(verb: impl Into<String>) -> Self {
        Self { run: RunId::random(), verb: verb.into(), user: user(), host: host(), pid: std::process::id() }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { run, verb, user, host, pid } = self;
        write!(f, "`switchback {verb}` of {user} on {host} (process {pid}, run {run})")
    }
}

/// The name of the user; the number where the environment names none, as in many containers.
fn user() -> String {
    ["USER", "LOGNAME"].iter().find_map(|name| set(name)).unwrap_or_else(|| {
        use std::os::unix::fs::MetadataExt;
        match std::fs::metadata("/proc/self") {
            Ok(me) => format!("user {}", me.uid()),
            Err(_) => "an unknown user".into(),
        }
    })
}

/// The name of the machine, as the kernel or the environment has it.
fn host() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    kernel.filter(|name| !name.is_empty()).or_else(|| set("HOSTNAME")).unwrap_or_else(|| "an unknown host".into())
}

fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_shown_as_the_command_the_user_the_machine_and_the_process() {
        let owner = Owner { user: "ana".into(), host: "laptop".into(), pid: 4711, ..Owner::this_process("deploy") };
        let shown = owner.to_string();
        assert!(shown.starts_with("`switchback deploy` of ana on laptop (process 4711, run "), "{shown}");
    }

    #[test]
    fn two_runs_of_one_process_have_different_names() {
        let (one, two) = (Owner::this_process("sweep"), Owner::this_process("sweep"));
        assert_ne!(one.run, two.run);
        assert_eq!(one.pid, std::process::id());
        assert!(!one.user.is_empty() && !one.host.is_empty());
    }
}
