//! `switchback dev`: only the dev cloud; and the sample program that its images run.

mod behavior;

use std::path::PathBuf;

use behavior::Behavior;
use clap::Args;

use super::output::Output;
use super::{Exit, run, seed};
use crate::config;
use crate::dev::access::GeneratedKey;
use crate::dev::app::{self, AppOptions};
use crate::dev::machine::Catalogue;
use crate::dev::seed::Seed;
use crate::dev::{DevCloud, DevError, DevOptions, Snapshot};
use crate::engine::Stop;

/// Run the dev cloud: AWS's load balancers, instances and DNS on loopback, for any AWS client.
///
/// Instances are child processes of the programs that the image catalogue lists, each on a loopback address of its own;
/// load balancers are real proxies. Everything ends with Ctrl-C, and is forgotten unless --state keeps it.
#[derive(Debug, Args)]
pub(super) struct Dev {
    /// Image catalogue: a YAML file of image ids, each with command, port and environment.
    #[arg(long, value_name = "FILE")]
    images: Option<PathBuf>,
    /// Build what this environment file refers to: network, load balancer, target groups, launch template.
    #[arg(long = "for", value_name = "ENV", requires = "live")]
    environment: Option<PathBuf>,
    /// The image that is live on the first color of that environment before the first release.
    #[arg(long, value_name = "AMI", requires = "environment")]
    live: Option<String>,
    /// Build the world of this file: network, load balancer, target groups, and a first version if it names an image.
    #[arg(long, value_name = "FILE", conflicts_with = "environment")]
    seed_file: Option<PathBuf>,
    /// Keep the state in this file: go on where it ended if it is there, and write it at the end. It holds secrets.
    ///
    /// What --seed-file or --for builds is built only where there is no such file yet.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Keep nothing: the default.
    #[arg(long, conflicts_with = "state")]
    ephemeral: bool,
    /// A folder for the output of instances, one file each.
    #[arg(long, value_name = "FOLDER")]
    logs: Option<PathBuf>,
    #[command(flatten)]
    behavior: Behavior,
}

impl Dev {
    pub(super) async fn run(&self, out: &Output) -> Exit {
        let stop = Stop::default();
        run::stop_on_signals(stop.clone());
        let catalogue = match self.images.as_deref().map(Catalogue::load).transpose() {
            Ok(catalogue) => catalogue.unwrap_or_default(),
            Err(error) => {
                out.usage(&error.to_string());
                return Exit::Usage;
            }
        };
        let environment = match self.environment.as_deref().map(config::load).transpose() {
            Ok(environment) => environment,
            Err(errors) => return out.config_errors(&errors),
        };
        let from_file = match self.seed_file.as_deref().map(Seed::load).transpose() {
            Ok(seed) => seed,
            Err(error) => {
                out.usage(&error.to_string());
                return Exit::Usage;
            }
        };
        let restore = match self.state.as_deref().filter(|file| file.exists()).map(Snapshot::load).transpose() {
            Ok(restore) => restore,
            Err(error) => {
                out.usage(&error.to_string());
                return Exit::Usage;
            }
        };
        let restored = restore.is_some();
        let port = self.live.as_ref().and_then(|image| catalogue.images.get(image)).map(|image| image.port);
        let options = match self.behavior.options(catalogue, self.logs.clone()) {
            Ok(options) => DevOptions { restore, ..options },
            Err(problem) => {
                out.usage(&problem);
                return Exit::Usage;
            }
        };
        if !options.endpoint.ip().is_loopback() && options.allow_remote {
            out.warn(&format!(
                "{} can be reached from other machines, which can then start the programs of all images here",
                options.endpoint
            ));
        }
        let dev = match DevCloud::start(options).await {
            Ok(dev) => dev,
            Err(error) => {
                out.usage(&error.to_string());
                return if matches!(error, DevError::Remote { .. }) { Exit::Usage } else { Exit::Unexpected };
            }
        };
        let seed = match (&environment, &self.live) {
            (Some(environment), Some(image)) => {
                let Some(port) = port else {
                    out.usage(&format!("{image} is not in the image catalogue (--images FILE)"));
                    dev.shutdown().await;
                    return Exit::Usage;
                };
                Some(seed::seed_for(environment, image, port))
            }
            _ => from_file,
        };
        let region = seed.as_ref().map_or(seed::REGION, |seed| &seed.region).to_owned();
        let mut url = None;
        if let Some(seed) = seed.as_ref().filter(|_| !restored) {
            match crate::dev::seed::plant(&dev, seed).await {
                Ok(planted) => url = Some(planted.url),
                Err(error) => {
                    out.usage(&error.to_string());
                    dev.shutdown().await;
                    return Exit::Unexpected;
                }
            }
        }
        let users = dev.generated_keys();
        let dns = dev.dns_endpoint();
        let told = serde_json::json!({
            "endpoint": dev.url(), "network": dev.network(), "region": region, "url": url, "dns": dns, "users": users,
        });
        out.result("dev", &told, || {
            let service = url.as_ref().map(|url| format!("the service answers at {url}\n")).unwrap_or_default();
            let dns = dns.map(|dns| format!("DNS is served at {dns}\n")).unwrap_or_default();
            let keys = users.iter().map(|GeneratedKey { arn, access_key, secret_key }| {
                format!("{arn} has the access key {access_key} and the secret {secret_key}\n")
            });
            format!(
                "the dev cloud serves the AWS API at {} until Ctrl-C\n{dns}{service}{}\n{}",
                dev.url(),
                keys.collect::<String>(),
                seed::exports(&dev, &region)
            )
        });
        stop.requested().await;
        let kept = self.state.as_deref().map(|file| dev.snapshot().save(file)).transpose();
        dev.shutdown().await;
        match kept {
            Ok(_) => Exit::Done,
            Err(error) => {
                out.usage(&error.to_string());
                Exit::Unexpected
            }
        }
    }
}

/// The sample program of the dev cloud's images.
#[derive(Debug, Args)]
pub(super) struct DevApp {
    #[command(flatten)]
    options: AppOptions,
}

impl DevApp {
    pub(super) async fn run(&self) -> Exit {
        match app::run(self.options.clone()).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                tracing::error!(%error, "the sample program ended");
                Exit::Unexpected
            }
        }
    }
}
