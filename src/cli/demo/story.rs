//! The steps of the demo, and how each must end.

use std::time::Duration;

use jiff::Timestamp;

use super::stage::Stage;
use crate::cli::output::Output;
use crate::engine::{DeployRequest, Engine, EngineError, Finish};
use crate::release::{Ending, Phase};

/// What a step must end with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Must {
    BeDone,
    Fail,
}

impl Stage {
    /// Plays every step; `false` as soon as one does not end as it should.
    pub(super) async fn play(&mut self, out: &Output) -> bool {
        self.deploy("v1", Must::BeDone, out).await
            && self.deploy("v2", Must::BeDone, out).await
            && self.step("rollback to v1", Must::BeDone, out, async |engine| engine.rollback(false).await).await
            && self.deploy("v3", Must::Fail, out).await
            && self.deploy("v4", Must::BeDone, out).await
            && self.wait_for_retention(out).await
            && self.step("sweep", Must::BeDone, out, async |engine| engine.sweep().await).await
    }

    async fn deploy(&mut self, version: &str, must: Must, out: &Output) -> bool {
        let request = DeployRequest { image: self.image(version).to_owned(), accept_smaller: false, detach: false };
        let name = match must {
            Must::BeDone => format!("deploy {version}"),
            Must::Fail => format!("deploy {version}, whose smoke check fails"),
        };
        let fine = self.step(&name, must, out, async |engine| engine.deploy(&request).await).await;
        match self.remember_color(version).await {
            Ok(()) => fine,
            Err(error) => {
                out.engine_error(version, &error);
                false
            }
        }
    }

    async fn step(
        &mut self,
        name: &str,
        must: Must,
        out: &Output,
        work: impl AsyncFnOnce(&Engine) -> Result<Finish, EngineError>,
    ) -> bool {
        out.say(&format!("\n{name}"));
        out.json_line(&serde_json::json!({ "type": "step", "name": name }).to_string());
        let engine = self.engine();
        match work(&engine).await {
            Ok(Finish { ending: Ending::Done, .. }) if must == Must::BeDone => true,
            Ok(Finish { ending: Ending::Failed(problem), .. }) if must == Must::Fail => {
                out.say(&format!("             failed as it should: {}", problem.saw));
                true
            }
            Ok(finish) => {
                out.finished(name, &engine.environment.name, &finish);
                out.usage(&format!("`{name}` did not end as it should"));
                false
            }
            Err(EngineError::Interrupted) => {
                out.usage("interrupted: the demo ends here, and everything it started with it");
                false
            }
            Err(error) => {
                out.engine_error(&engine.environment.name, &error);
                false
            }
        }
    }

    async fn wait_for_retention(&mut self, out: &Output) -> bool {
        let until = match self.state().await.map(|state| state.release.map(|release| release.phase)) {
            Ok(Some(Phase::Retaining { until })) => until,
            Ok(other) => {
                out.usage(&format!("expected a color that is kept warm, found {other:?}"));
                return false;
            }
            Err(error) => {
                out.engine_error("the demo's journal", &error);
                return false;
            }
        };
        out.say(&format!("\nwait until the retention runs out ({until})"));
        let left = until.duration_since(Timestamp::now()).unsigned_abs();
        self.wait(left + Duration::from_millis(50)).await;
        if self.is_stopped() {
            out.usage("interrupted: the demo ends here, and everything it started with it");
        }
        !self.is_stopped()
    }
}
