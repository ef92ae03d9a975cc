//! An AWS emulator that somebody else wrote: moto's server, in whatever way this machine can run it.

#![allow(dead_code, reason = "each file of tests that includes this uses a part of it")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::Credentials;
use testcontainers::bollard::models::PortBinding;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::net::TcpStream;

#[path = "moto_process.rs"]
mod process;

/// The version that the container image and the Python package have in common.
const VERSION: &str = "5.2.5";
const REGION: &str = "eu-west-1";
const PORT: u16 = 5000;

/// An empty AWS on an endpoint of its own; it ends when dropped.
///
/// `SWITCHBACK_TEST_ENDPOINT` wins, whatever emulator answers there. Otherwise it is the image `motoserver/moto` where
/// Docker can run it, and otherwise a process from a virtual environment that is made once below the target folder.
#[derive(Debug)]
pub(crate) struct Moto {
    endpoint: String,
    _server: Server,
}

/// What ends with the test.
#[derive(Debug)]
#[expect(dead_code, reason = "held for their Drop, which ends the server")]
enum Server {
    Elsewhere,
    Container(Box<ContainerAsync<GenericImage>>),
    Process(process::Process),
}

impl Moto {
    /// Starts one. A machine that can run none fails the test with every reason.
    pub(crate) async fn start() -> Self {
        let (endpoint, server) = match std::env::var("SWITCHBACK_TEST_ENDPOINT") {
            Ok(endpoint) => (endpoint, Server::Elsewhere),
            Err(_) => match container().await {
                Ok((endpoint, container)) => (endpoint, Server::Container(Box::new(container))),
                Err(no_container) => match process::start(VERSION).await {
                    Ok((endpoint, process)) => (endpoint, Server::Process(process)),
                    Err(no_process) => panic!(
                        "there is no second AWS emulator to test against\n- as a container: {no_container}\n- as a \
                         process: {no_process}\nStart Docker, or install python3 with venv, or set \
                         SWITCHBACK_TEST_ENDPOINT to the address of an emulator."
                    ),
                },
            },
        };
        let runs_as = match server {
            Server::Elsewhere => "SWITCHBACK_TEST_ENDPOINT",
            Server::Container(_) => "a container",
            Server::Process(_) => "a process",
        };
        eprintln!("the second AWS emulator answers at {endpoint} ({runs_as})");
        Self { endpoint, _server: server }
    }

    /// The configuration of a real SDK client that talks to it.
    pub(crate) async fn sdk(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::v2026_01_12())
            .endpoint_url(&self.endpoint)
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .load()
            .await
    }

    /// Where it answers.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The variables that make any AWS client talk to it.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 4] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
    }
}

/// A container whose port is published on loopback alone.
async fn container() -> Result<(String, ContainerAsync<GenericImage>), String> {
    let loopback = PortBinding { host_ip: Some("127.0.0.1".into()), host_port: None };
    let container = GenericImage::new("motoserver/moto", VERSION)
        .with_exposed_port(PORT.tcp())
        .with_wait_for(WaitFor::message_on_stderr(format!("Running on http://127.0.0.1:{PORT}")))
        .with_host_config_modifier(move |host| {
            host.publish_all_ports = Some(false);
            host.port_bindings = Some(HashMap::from([(format!("{PORT}/tcp"), Some(vec![loopback.clone()]))]));
        })
        .with_startup_timeout(Duration::from_secs(120))
        .start()
        .await
        .map_err(|error| error.to_string())?;
    // Where these tests run in a container themselves, loopback is another one, and the bridge is the way.
    let published = container.get_host_port_ipv4(PORT).await.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let bridge = container.get_bridge_ip_address().await.map(|address| SocketAddr::new(address, PORT));
    for address in [published, bridge].into_iter().flatten() {
        let connected = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(address)).await;
        if matches!(connected, Ok(Ok(_))) {
            return Ok((format!("http://{address}"), container));
        }
    }
    Err("its port can be reached neither on loopback nor on the bridge".into())
}
