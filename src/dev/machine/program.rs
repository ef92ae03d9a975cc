//! One instance without a process: the sample program, run by the dev cloud itself over its network.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Ended, Launch};
use crate::dev::app::{self, AppOptions, Exit, Life};
use crate::dev::network::Network;

/// A running sample program. It ends when this is dropped.
#[derive(Debug)]
pub struct Program {
    instance_id: String,
    life: Life,
    stop: CancellationToken,
    ended: watch::Receiver<Option<Ended>>,
}

impl Program {
    /// Starts the program as an instance. As with a child process, an address that cannot be listened on ends it after
    /// the start, with code 1.
    pub fn start(launch: &Launch, options: AppOptions, network: &Network) -> Self {
        let (life, stop) = (Life::default(), CancellationToken::new());
        let (sender, ended) = watch::channel(None);
        let instance_id = launch.instance_id.clone();
        let address = SocketAddr::new(launch.address, launch.image.port);
        let run = {
            let (network, instance, life, stop) = (network.clone(), instance_id.clone(), life.clone(), stop.clone());
            async move {
                let stopped = stop.cancelled();
                let code = match app::live(&network, address, options, instance.clone(), &life, stopped).await {
                    Ok(Exit::Stopped) => 0,
                    Ok(Exit::Failed) => 1,
                    Err(error) => {
                        tracing::warn!(instance, %error, "a program in memory ended");
                        1
                    }
                };
                // The exit code is in the second byte of what wait(2) says.
                sender.send_replace(Some(Ended { status: Some(ExitStatus::from_raw(code << 8)) }));
            }
        };
        tokio::spawn(run);
        Self { instance_id, life, stop, ended }
    }

    /// Instance id.
    pub fn instance_id(&self) -> &str {
        &self.instance_id
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&self) -> Option<Ended> {
        *self.ended.borrow()
    }

    /// Waits until it has ended by itself, or through [`Program::stop`].
    pub async fn wait(&self) -> Ended {
        let mut ended = self.ended.clone();
        // A closed channel means that the runtime is shutting down, which ends the program.
        let seen = ended.wait_for(Option::is_some).await;
        seen.ok().and_then(|ended| *ended).unwrap_or(Ended { status: None })
    }

    /// Lets it finish what is in flight, for at most `grace`; then cuts it. Returns when it is gone.
    pub async fn stop(&self, grace: Duration) -> Ended {
        self.stop.cancel();
        match tokio::time::timeout(grace, self.wait()).await {
            Ok(ended) => ended,
            Err(_) => {
                self.kill();
                self.wait().await
            }
        }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&self) {
        self.life.exit();
    }

    /// While it is frozen it takes connections and answers nothing.
    pub fn freeze(&self, frozen: bool) {
        self.life.freeze(frozen);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.life.exit();
    }
}
