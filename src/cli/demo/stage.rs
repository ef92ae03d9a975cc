//! What the demo plays on: the dev cloud, a world in it, the load, and one engine per step.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinHandle;

use super::summary::{Flip, Summary};
use crate::cli::Exit;
use crate::cli::output::Output;
use crate::cli::seed::{REGION, exports, seed_for, this_program};
use crate::cloud::Cloud;
use crate::config::{self, Environment};
use crate::dev::load::{Load, LoadOptions};
use crate::dev::machine::{Catalogue, Image};
use crate::dev::{DevCloud, DevOptions, seed};
use crate::dial::ThisMachine;
use crate::engine::{Engine, EngineError, Notice, Notices, Stop, Told};
use crate::journal::Journal;
use crate::release::{Color, State};

/// The versions that the demo's images run; `v0` is what runs before switchback comes.
const VERSIONS: [&str; 5] = ["v0", "v1", "v2", "v3", "v4"];
/// The port on which the demo's instances serve.
const INSTANCE_PORT: u16 = 8080;
/// How long after a rule change's success the load balancer follows: AWS says nothing about it, and users report
/// up to two minutes.
const PROPAGATION: Duration = Duration::from_millis(500);

pub(super) struct Stage {
    environment: Arc<Environment>,
    typed: String,
    dev: DevCloud,
    cloud: Cloud,
    journal: Journal,
    load: Option<Load>,
    colors: BTreeMap<String, Color>,
    flips: Arc<Mutex<Vec<Flip>>>,
    /// Where notices go, and the task that shows them, until the summary.
    told: Option<UnboundedSender<Told>>,
    watcher: Option<JoinHandle<()>>,
    stop: Stop,
    /// Holds the environment file and its journal.
    _folder: TempDir,
}

impl Stage {
    /// Starts the dev cloud with what the environment needs, version 0 live, and the load.
    pub(super) async fn set(env: &Path, rate: u32, stop: Stop, out: &Output) -> Result<Self, Exit> {
        let fail = |doing: &str, error: &dyn std::fmt::Display| {
            out.usage(&format!("failed to {doing}: {error}"));
            Exit::Unexpected
        };
        let folder = TempDir::with_prefix("switchback-demo-").map_err(|e| fail("make a folder", &e))?;
        // A copy, so that its journal starts empty and lies in the demo's own folder.
        config::load(env).map_err(|errors| out.config_errors(&errors))?;
        let file = folder.path().join("demo.yaml");
        std::fs::copy(env, &file).map_err(|e| fail("copy the environment file", &e))?;
        let environment = config::load(&file).map_err(|errors| out.config_errors(&errors))?;
        let program = this_program().map_err(|e| fail("find this program", &e))?;
        let options = DevOptions {
            catalogue: images(&program),
            propagation: PROPAGATION,
            health_speed: 10,
            ..DevOptions::default()
        };
        let dev = DevCloud::start(options).await.map_err(|e| fail("start the dev cloud", &e))?;
        let seed = seed_for(&environment, &image_id("v0"), INSTANCE_PORT);
        let world = seed::plant(&dev, &seed).await.map_err(|e| fail("build the demo's world", &e))?;
        let load = Load::start(&format!("{}/", world.url), LoadOptions { rate: Some(rate), ..LoadOptions::default() })
            .await
            .map_err(|e| fail("start the load", &e))?;
        let sdk = dev.sdk_config(&seed.region);
        let journal =
            Journal::open(&environment.journal, &environment.name, &sdk).map_err(|e| fail("open the journal", &e))?;
        out.say(&format!("dev cloud at {}, {rate} requests per second to {}", dev.url(), world.url));
        let started = serde_json::json!({
            "type": "dev", "endpoint": dev.url(), "network": dev.network(), "region": seed.region, "url": world.url,
            "file": file.display().to_string(),
        });
        out.json_line(&started.to_string());
        let (told, mut notices) = mpsc::unbounded_channel::<Told>();
        let flips = Arc::new(Mutex::new(Vec::new()));
        let (seen, mut watcher) = (Arc::clone(&flips), out.watcher());
        let watcher = tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                if let Notice::Flipped { kind, to, ms } = &notice.notice {
                    locked(&seen).push(Flip { kind: *kind, to: to.clone(), ms: *ms });
                }
                watcher.show(&notice);
            }
        });
        Ok(Self {
            typed: file.display().to_string(),
            cloud: Cloud::from_conf(&sdk),
            colors: BTreeMap::from([("v0".into(), environment.colors[0].name.clone())]),
            environment: Arc::new(environment),
            dev,
            journal,
            load: Some(load),
            flips,
            told: Some(told),
            watcher: Some(watcher),
            stop,
            _folder: folder,
        })
    }

    /// The engine for the next step; its clock starts now.
    pub(super) fn engine(&self) -> Engine {
        Engine {
            environment: Arc::clone(&self.environment),
            typed: self.typed.clone(),
            cloud: self.cloud.clone(),
            journal: self.journal.clone(),
            notices: match &self.told {
                Some(told) => Notices::new(&self.environment.name, told.clone()),
                None => Notices::silent(&self.environment.name),
            },
            dial: Arc::new(ThisMachine),
            stop: self.stop.clone(),
            started: Instant::now().into(),
        }
    }

    pub(super) fn image(&self, version: &str) -> String {
        image_id(version)
    }

    /// What the journal adds up to.
    pub(super) async fn state(&self) -> Result<State, EngineError> {
        let log = self.journal.load().await?;
        Ok(State::replay(log.events().map(|(entry, event)| (entry.at, event)))?)
    }

    /// Whether somebody pressed Ctrl-C.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_requested()
    }

    /// Waits, but not longer than until Ctrl-C.
    pub(super) async fn wait(&self, time: Duration) {
        tokio::time::timeout(time, self.stop.requested()).await.ok();
    }

    /// Remembers which color a version was put on, to count its requests.
    pub(super) async fn remember_color(&mut self, version: &str) -> Result<(), EngineError> {
        if let Some(release) = self.state().await?.release {
            self.colors.insert(version.into(), release.to);
        }
        Ok(())
    }

    /// Ends the load once enough requests were sent.
    pub(super) async fn end_load(&mut self, at_least: u64, out: &Output) -> Summary {
        let load = self.load.take().expect("the load is ended once");
        if load.snapshot().sent < at_least {
            out.say(&format!("\ngoing on until {at_least} requests were sent"));
        }
        while load.snapshot().sent < at_least && !self.stop.is_requested() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // The summary is the last that is said, and counts every flip.
        drop(self.told.take());
        if let Some(watcher) = self.watcher.take()
            && let Err(error) = watcher.await
        {
            out.usage(&format!("the progress display failed: {error}"));
        }
        let flips = locked(&self.flips).clone();
        Summary::new(load.stop().await, &self.colors, flips, self.cloud.calls().by_operation)
    }

    /// Leaves everything running until somebody presses Ctrl-C.
    pub(super) async fn keep(&self, out: &Output) {
        out.say(&format!(
            "\nThe dev cloud goes on until Ctrl-C. In another terminal:\n\n{}\n  {program} status {file}\n  {program} deploy {file} --image {}\n  {program} rollback {file}\n",
            exports(&self.dev, REGION),
            image_id("v1"),
            program = std::env::args().next().unwrap_or_else(|| "switchback".into()),
            file = self.typed,
        ));
        self.stop.requested().await;
    }

    /// Ends everything that was started.
    pub(super) async fn strike(self) {
        self.dev.shutdown().await;
    }
}

/// The demo's images: the sample program in five versions, of which v3 fails its smoke check.
fn images(program: &str) -> Catalogue {
    let image = |version: &str| {
        let mut command = vec![program.to_owned(), "dev-app".into(), "--app-version".into(), version.into()];
        if version == "v3" {
            command.extend(["--on".into(), "/version=status:500".into()]);
        }
        (image_id(version), Image::new(command, INSTANCE_PORT))
    };
    Catalogue { images: VERSIONS.iter().map(|v| image(v)).collect() }
}

fn image_id(version: &str) -> String {
    format!("ami-00000000000000{:0>3}", version.trim_start_matches('v'))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
