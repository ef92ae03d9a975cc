//! Images that are containers: the Docker command-line client runs in the instance's place, in the foreground, and
//! passes signals on. Its arguments are ours, without a shell; values go through its environment, not its arguments.

use std::net::IpAddr;
use std::process::Stdio;

use tokio::process::Command;

use super::{Launch, MachineError};

/// The client.
pub(super) const CLIENT: &str = "docker";

/// The container's name: instance and address together are one of a kind on this machine.
pub(super) fn name(instance: &str, address: IpAddr) -> String {
    format!("switchback-{instance}-{}", address.to_string().replace(['.', ':'], "-"))
}

/// The arguments that run `container`; `variables` are names in the client's own environment.
pub(super) fn arguments(launch: &Launch, container: &str, variables: &[&str], command: Vec<String>) -> Vec<String> {
    let (address, port) = (launch.address, launch.image.port);
    let mut arguments: Vec<String> = ["run", "--rm", "--name"].map(str::to_owned).into();
    arguments.push(name(&launch.instance_id, address));
    arguments.extend(["--publish".to_owned(), format!("{address}:{port}:{port}")]);
    for variable in variables {
        arguments.extend(["--env".to_owned(), (*variable).to_owned()]);
    }
    arguments.push(container.to_owned());
    arguments.extend(command);
    arguments
}

/// Asks the engine whether it is there.
///
/// # Errors
/// It is not, or there is no client.
pub(super) async fn check_engine(instance: &str) -> Result<(), MachineError> {
    let failed = |said: String| MachineError::NoEngine { instance: instance.to_owned(), said };
    let mut ask = Command::new(CLIENT);
    ask.args(["version", "--format", "{{.Server.Version}}"]).stdin(Stdio::null()).kill_on_drop(true);
    let answer = ask.output().await.map_err(|error| failed(format!("cannot start `{CLIENT}`: {error}")))?;
    let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
    if answer.status.success() { Ok(()) } else { Err(failed(said)) }
}

/// Removes what is left of a container whose client was killed.
pub(super) async fn remove(name: &str) {
    let mut remove = Command::new(CLIENT);
    remove.args(["rm", "--force", name]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = remove.status().await {
        tracing::warn!(%error, name, "cannot remove a container");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::machine::Image;

    #[test]
    fn a_container_is_published_on_the_instances_address_and_no_value_is_in_the_arguments() {
        let image = Image { container: Some("shop:1".into()), ..Image::new(vec!["--listen={address}".into()], 80) };
        let launch = Launch {
            image_id: "ami-0000000a".into(),
            image,
            address: [127, 7, 1, 4].into(),
            instance_id: "i-1".into(),
            user_data: Some("secret".into()),
            metadata: None,
            log: None,
        };
        let command = launch.command();
        let all: Vec<_> = command.as_std().get_args().map(|each| each.to_str().unwrap()).collect();
        let all = all.join(" ");
        assert!(all.starts_with("run --rm --name switchback-i-1-127-7-1-4 --publish 127.7.1.4:80:80 --env "), "{all}");
        assert!(all.ends_with("--env USER_DATA shop:1 --listen=0.0.0.0"), "{all}");
        let host = command.as_std().get_envs().find(|(name, _)| *name == "HOST");
        assert_eq!(host.unwrap().1.unwrap(), "0.0.0.0");
    }
}
