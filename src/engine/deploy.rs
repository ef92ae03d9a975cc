//! `deploy`: from an image to the traffic.

use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;

use super::look::{Answer, plain_answer};
use super::run::{Finish, Run};
use super::{Engine, EngineError};
use crate::cloud::Reading;
use crate::config::Compute;
use crate::release::{Admission, Ending, Facts, Goal, Pins, Problem, ReleaseId, Request, State, admit, on_its_way};

/// What `deploy` was asked for.
#[derive(Debug, Clone)]
pub struct DeployRequest {
    /// The immutable image, `ami-…`.
    pub image: String,
    /// Whether the new color may have fewer instances than the live one has healthy targets.
    pub accept_smaller: bool,
    /// Whether to end once the traffic has moved and followed, and leave the bake (and for DNS the time to live) to
    /// [`Engine::reconcile`].
    pub detach: bool,
}

/// A request, everything that was read for it, and what becomes of it.
pub(super) struct Prepared {
    pub(super) state: State,
    pub(super) request: Request,
    pub(super) facts: Facts,
    pub(super) reading: Option<Reading>,
    pub(super) admission: Result<Admission, Problem>,
}

impl Engine {
    /// Brings an image to the traffic, or goes on with the release of that image that is on its way.
    ///
    /// # Errors
    /// [`EngineError`]: what had begun is in the journal.
    pub async fn deploy(&self, wanted: &DeployRequest) -> Result<Finish, EngineError> {
        Box::pin(self.deploy_once_free(wanted, Duration::ZERO)).await
    }

    /// The same, but waits until whoever holds the lease is done or dead, so long at most.
    ///
    /// # Errors
    /// [`EngineError`]: what had begun is in the journal.
    pub async fn deploy_once_free(&self, wanted: &DeployRequest, patience: Duration) -> Result<Finish, EngineError> {
        // A living lease of somebody else ends a deploy before anything is asked.
        let log = self.until_free(patience).await?;
        let mut run = Run::new(self, Goal::Deploy, log)?;
        run.detach = wanted.detach;
        match on_its_way(&run.state, &wanted.image, &self.typed) {
            Some(Ok(())) => {
                run.tell_that_it_continues();
                return Box::pin(run.drive()).await;
            }
            Some(Err(problem)) => return Ok(Finish::before_anything(Ending::Refused(problem), None)),
            None => {}
        }
        // From here on the lease may be held, so every way out gives it back.
        match Box::pin(self.begin(&mut run, wanted)).await {
            Ok(None) => run.drive().await,
            Ok(Some(finish)) => {
                Box::pin(run.end(Ok(finish.ending.clone()))).await?;
                Ok(finish)
            }
            Err(error) => Box::pin(run.end(Err(error))).await,
        }
    }

    /// Records the release, or says why there is nothing to drive.
    async fn begin(&self, run: &mut Run<'_>, wanted: &DeployRequest) -> Result<Option<Finish>, EngineError> {
        loop {
            let asked_at = run.moment();
            let preparing = Box::pin(self.unless_stopped(self.prepare(run.state.clone(), wanted)));
            let prepared = match &mut run.session {
                Some(session) => session.while_renewing(preparing).await??,
                None => preparing.await?,
            };
            let event = match prepared.admission {
                Err(problem) => return Ok(Some(Finish::before_anything(Ending::Refused(problem), None))),
                Ok(Admission::AlreadyLive) => {
                    let release = prepared.state.release.map(|r| r.id);
                    let text = format!("{} has the traffic already", wanted.image);
                    return Ok(Some(Finish::before_anything(Ending::Nothing(text), release)));
                }
                Ok(Admission::Resume) => return Ok(None),
                Ok(Admission::Start(event)) => event,
            };
            if run.hold_lease().await? {
                run.starts_from(prepared.facts, prepared.reading, asked_at);
                run.record(event).await?;
                return Ok(None);
            }
            // Somebody worked here, or a call of theirs had to be waited for: with the lease held, everything is read
            // once more.
        }
    }

    /// Reads everything that the admission of a release rests on. Changes nothing.
    pub(super) async fn prepare(&self, state: State, wanted: &DeployRequest) -> Result<Prepared, EngineError> {
        self.check_account().await?;
        let pins = self.cloud.resolve(&self.environment).await?;
        let Compute::Instances(instances) = &self.environment.compute;
        let request = Request {
            release: new_release_id(self.journal.clock().now(), self.journal.chance().below(0x1_0000)),
            image: wanted.image.clone(),
            count: instances.count,
            accept_smaller: wanted.accept_smaller,
            name: self.environment.name.clone(),
            env: self.typed.clone(),
            pins,
        };
        let questions = request.questions();
        let (_, _, (mut facts, reading)) = tokio::try_join!(
            async { Ok(self.cloud.check_image(&request.pins, &wanted.image).await?) },
            self.check_metrics(&request.pins),
            self.facts_about_both_colors(&request.pins, &questions)
        )?;
        let questions = request.questions_about_the_idle_color(&facts);
        facts.references = self.facts_about_both_colors(&request.pins, &questions).await?.0.references;
        let admission = admit(&state, &request, &facts);
        Ok(Prepared { state, request, facts, reading, admission })
    }

    async fn check_account(&self) -> Result<(), EngineError> {
        let Some(expected) = &self.environment.account else { return Ok(()) };
        let identity = self.cloud.identity().await?;
        if &identity.account == expected {
            return Ok(());
        }
        Err(EngineError::Mismatch(Problem::new(
            format!("the credentials belong to account {} ({})", identity.account, identity.arn),
            format!("account {expected}, as {} says", self.environment.file.display()),
            "aws sts get-caller-identity",
        )))
    }

    /// A release that could not be proven to have converged is better not begun.
    async fn check_metrics(&self, pins: &Pins) -> Result<(), EngineError> {
        if self.environment.release.converge.no_requests.is_zero() {
            return Ok(());
        }
        Ok(self.cloud.may_count_requests(pins, self.journal.clock().now()).await?)
    }

    pub(super) async fn facts_about_both_colors(
        &self,
        pins: &Pins,
        questions: &[crate::release::Question],
    ) -> Result<(Facts, Option<Reading>), EngineError> {
        let answers = try_join_all(questions.iter().map(|q| Box::pin(plain_answer(self, pins, q)))).await?;
        let (mut facts, mut reading) = (Facts::default(), None);
        for answer in answers {
            match answer {
                Answer::Traffic(read) => {
                    facts.traffic = Some(read.traffic.clone());
                    reading = Some(read);
                }
                Answer::Targets(color, targets) => drop(facts.targets.insert(color, targets)),
                Answer::Instances(color, instances) => drop(facts.instances.insert(color, instances)),
                Answer::References(color, references) => drop(facts.references.insert(color, references)),
                Answer::Synced(_) | Answer::Smoke(_) | Answer::Probe(..) | Answer::Requests(..) => {}
            }
        }
        Ok((facts, reading))
    }
}

/// An id that sorts by time: `20261121-021500-7f3a`.
fn new_release_id(now: Timestamp, salt: u64) -> ReleaseId {
    ReleaseId::new(format!("{}-{salt:04x}", now.strftime("%Y%m%d-%H%M%S")))
}
