//! One instance: a child process with an address of its own.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::container;
use super::watchdog::{self, Ward};
use super::{Ended, Launch, MachineError, keeper};

/// Never passed on: the program of an image is no business of the user's AWS account.
const WITHHELD: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_EC2_METADATA_DISABLED",
    // Not somebody else's; the instance's own is set afterwards.
    METADATA,
];

/// Where AWS's SDKs look for the instance metadata; 169.254.169.254 cannot be bound here.
const METADATA: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// A running program. It is killed when this is dropped, and when our own process ends.
#[derive(Debug)]
pub struct Process {
    instance_id: String,
    pid: Pid,
    /// The reaper holds the sender and owns the child.
    ended: watch::Receiver<Option<Ended>>,
}

impl Process {
    /// Starts the program of an image as an instance.
    ///
    /// # Errors
    /// The program cannot be started, or its log cannot be written.
    pub async fn start(launch: &Launch) -> Result<Self, MachineError> {
        let container = launch.container();
        if container.is_some() {
            container::check_engine(&launch.instance_id).await?;
        }
        let (output, errors) = launch.output()?;
        let mut command = launch.command();
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let failed = |source| MachineError::Start {
            instance: launch.instance_id.clone(),
            program: launch.program().to_owned(),
            source,
        };
        let child = keeper::spawn(command).await.map_err(failed)?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let pid = pid.ok_or_else(|| failed(io::Error::other("it ended before it could be watched")))?;
        watchdog::watch(Ward::Group(pid.as_raw_nonzero().get().cast_unsigned()));
        let (sender, ended) = watch::channel(None);
        if let Some(name) = &container {
            watchdog::watch(Ward::Container(name));
        }
        tokio::spawn(reap(child, pid, container, sender));
        Ok(Self { instance_id: launch.instance_id.clone(), pid, ended })
    }

    /// Instance id.
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    /// How the process ended, or `None` while it runs.
    pub fn ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    /// Waits until the process has ended by itself, or through [`Process::stop`].
    pub async fn wait(&self) -> Ended {
        let mut ended = self.ended.clone();
        // A closed channel means that the runtime of the reaper is shutting down, which kills the child.
        let seen = ended.wait_for(Option::is_some).await;
        seen.ok().and_then(|ended| *ended).unwrap_or(Ended { status: None })
    }

    /// Ends it: SIGTERM to the program and all that it started, after `grace` SIGKILL. Returns when the process is
    /// gone.
    pub async fn stop(&self, grace: Duration) -> Ended {
        self.signal(Signal::TERM);
        match tokio::time::timeout(grace, self.wait()).await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::debug!(instance = self.instance_id, ?grace, "killed: SIGTERM was not enough");
                self.signal(Signal::KILL);
                self.wait().await
            }
        }
    }

    /// Ends it at once, as a crash would. [`Process::wait`] tells when it is gone.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// SIGSTOP, or SIGCONT: it takes connections as long as the system's queue has room, and answers nothing.
    pub fn freeze(&self, frozen: bool) {
        self.signal(if frozen { Signal::STOP } else { Signal::CONT });
    }

    fn signal(&self, signal: Signal) {
        // Once it has been reaped, its process id may belong to somebody else.
        if self.ended().is_some() {
            return;
        }
        if let Err(error) = kill_process_group(self.pid, signal) {
            tracing::debug!(instance = self.instance_id, %error, ?signal, "cannot signal");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

async fn reap(mut child: Child, pid: Pid, container: Option<String>, ended: watch::Sender<Option<Ended>>) {
    let status = child.wait().await.inspect_err(|error| tracing::warn!(%error, "cannot wait for an instance")).ok();
    // An instance that has ended is gone with all that it started; most started nothing, and the group is gone already.
    let _ = kill_process_group(pid, Signal::KILL);
    watchdog::forget(Ward::Group(pid.as_raw_nonzero().get().cast_unsigned()));
    if let Some(name) = container {
        // A client that was killed has left its container behind; another one's is removed already.
        container::remove(&name).await;
        watchdog::forget(Ward::Container(&name));
    }
    ended.send_replace(Some(Ended { status }));
}

impl Launch {
    pub(super) fn program(&self) -> &str {
        match self.image.container {
            Some(_) => container::CLIENT,
            None => self.image.command.first().map(String::as_str).unwrap_or_default(),
        }
    }

    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        let own = self.own_environment();
        match &self.image.container {
            None => command.args(self.image.command.iter().skip(1).map(|argument| self.fill(argument))),
            Some(image) => {
                let given = self.image.environment.keys().map(String::as_str);
                let names: Vec<&str> = given.chain(own.iter().map(|(name, _)| *name)).collect();
                let arguments = self.image.command.iter().map(|argument| self.fill(argument)).collect();
                command.args(container::arguments(self, image, &names, arguments))
            }
        };
        // A group of its own: Ctrl-C in the terminal must not reach it, and it is ended with all that it started.
        command.envs(&self.image.environment).process_group(0).kill_on_drop(true);
        for name in WITHHELD {
            command.env_remove(name);
        }
        command.envs(own);
        command
    }

    /// What the program is told in its environment.
    fn own_environment(&self) -> Vec<(&'static str, String)> {
        let mut own = vec![
            ("HOST", self.host()),
            ("PORT", self.image.port.to_string()),
            ("INSTANCE_ID", self.instance_id.clone()),
            ("IMAGE_ID", self.image_id.clone()),
        ];
        // The metadata is on loopback, which a container has one of its own of.
        if let (Some(address), None) = (self.metadata, &self.image.container) {
            own.push((METADATA, format!("http://{address}")));
        }
        if let Some(user_data) = &self.user_data {
            own.push(("USER_DATA", user_data.clone()));
        }
        own
    }

    /// The address that the program listens on.
    fn host(&self) -> String {
        if self.image.container.is_some() { "0.0.0.0".to_owned() } else { self.address.to_string() }
    }

    /// The container's name, if it is one.
    fn container(&self) -> Option<String> {
        self.image.container.as_ref().map(|_| container::name(&self.instance_id, self.address))
    }

    fn fill(&self, argument: &str) -> String {
        argument
            .replace("{address}", &self.host())
            .replace("{port}", &self.image.port.to_string())
            .replace("{image}", &self.image_id)
            .replace("{instance}", &self.instance_id)
    }

    fn output(&self) -> Result<(Stdio, Stdio), MachineError> {
        let Some(file) = &self.log else { return Ok((Stdio::null(), Stdio::null())) };
        let open = || -> io::Result<(File, File)> {
            let log = OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
            let twin = log.try_clone()?;
            Ok((log, twin))
        };
        let failed = |source| MachineError::Log { instance: self.instance_id.clone(), file: file.clone(), source };
        let (output, errors) = open().map_err(failed)?;
        Ok((output.into(), errors.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Image;
    use super::*;

    #[test]
    fn the_users_aws_credentials_are_not_passed_on() {
        let launch = Launch {
            image_id: "ami-0000000a".into(),
            image: Image::new(vec!["true".into()], 80),
            address: [127, 0, 0, 1].into(),
            instance_id: "i-1".into(),
            user_data: None,
            metadata: None,
            log: None,
        };
        let command = launch.command();
        let removed: Vec<_> =
            command.as_std().get_envs().filter_map(|(name, value)| value.is_none().then_some(name)).collect();
        for name in WITHHELD {
            assert!(removed.contains(&name.as_ref()), "{name}");
        }
    }
}
