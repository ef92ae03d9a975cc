//! Questions answered from AWS and the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use futures_util::future::join_all;
use jiff::SignedDuration;

use super::run::Run;
use super::{Engine, EngineError, Notice, signed};
use crate::checks::{Prober, SmokeTarget, smoke};
use crate::cloud::{ChangeId, CloudError, Kind, Reading};
use crate::release::{
    Color, Goal, InstanceFact, Pins, ProbeAnswer, Problem, Question, References, Release, RequestCount, RoutePin,
    Spreading, State, SwitchPin, Targets,
};

/// How many looks in a row may fail before the run gives up: with the back-off about a minute and a half.
const FAILED_LOOKS_MAX: u32 = 15;

/// How far back requests are counted, beyond the time without any that is asked for: so far that metrics which have
/// stopped coming are told from those that never came.
const COUNT_BACK: SignedDuration = SignedDuration::from_hours(3);

/// What a run keeps of its looks beside the facts.
#[derive(Default)]
pub(super) struct Eyes {
    /// The last reading of the switch: a write starts from it.
    pub(super) reading: Option<Reading>,
    /// Private endpoints of colors that the journal does not know (made before switchback came).
    endpoints: BTreeMap<Color, Vec<SocketAddr>>,
    failed: u32,
    /// The questions that had no answer when they were last asked. Those of a decision come in several looks, so a look
    /// without a failure does not mean that these would have an answer now.
    failing: BTreeSet<Question>,
    warned_of_likeness: bool,
}

impl Eyes {
    /// Starts the count of failed looks anew: another phase asks other questions, and may never ask again what failed.
    pub(super) fn forget_failures(&mut self) {
        self.failed = 0;
        self.failing.clear();
    }
}

/// One answered question.
pub(super) enum Answer {
    Traffic(Reading),
    Synced(bool),
    Targets(Color, Targets),
    Instances(Color, Vec<InstanceFact>),
    References(Color, References),
    Smoke(Result<(), Problem>),
    Probe(ProbeAnswer, Vec<(Color, Vec<SocketAddr>)>),
    Requests(Color, RequestCount),
}

impl Run<'_> {
    /// Asks all questions at once and takes the answers in. A question that fails in passing stays open.
    pub(super) async fn look(&mut self, questions: BTreeSet<Question>) -> Result<(), EngineError> {
        let asked_at = self.moment();
        let Self { engine, state, eyes, session, .. } = self;
        let Some(release) = state.release.as_ref() else { return Ok(()) };
        // What takes long comes first, so that the answers of AWS are fresh when the last one comes.
        let (slow, quick): (Vec<_>, Vec<_>) =
            questions.iter().partition(|q| matches!(q, Question::Smoke(_) | Question::Probe { .. }));
        let ask = async |questions: &[&'_ Question]| {
            join_all(questions.iter().map(|q| Box::pin(answer(engine, state, release, eyes, q)))).await
        };
        let all = async {
            let slowly = ask(&slow).await;
            slowly.into_iter().chain(ask(&quick).await)
        };
        let stop = engine.stop.clone();
        let answering = async {
            tokio::select! {
                biased;
                answers = all => Ok(answers),
                () = stop.requested() => Err(EngineError::Interrupted),
            }
        };
        let answers = match session {
            Some(session) => session.while_renewing(answering).await??,
            None => answering.await?,
        };
        // Moving the traffic back does without health, taking down never does.
        let forced = self.goal == (Goal::Rollback { force: true }) && !release.phase.takes_down();
        let mut failure = None;
        for (question, answer) in slow.into_iter().chain(quick).zip(answers) {
            match (answer, question) {
                (Ok(answer), _) => {
                    self.eyes.failing.remove(question);
                    self.take_in(answer);
                }
                (Err(error), Question::Targets(color)) if forced => {
                    // Health that cannot be read must not keep a forced rollback: nothing counts as healthy.
                    let text = format!("the health of {color} is not known: {error}");
                    self.engine.notices.tell(Notice::Warning { text });
                    self.take_in(Answer::Targets(color.clone(), Targets::default()));
                }
                (Err(error), _) if error.transient() => {
                    self.eyes.failing.insert(question.clone());
                    failure = Some(error);
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
        self.looked(asked_at);
        let now = self.now();
        self.memory.note(&self.facts.only(&questions), now);
        let Some(error) = failure else {
            if self.eyes.failing.is_empty() {
                self.eyes.failed = 0;
            }
            return Ok(());
        };
        self.eyes.failed += 1;
        if self.eyes.failed >= FAILED_LOOKS_MAX {
            return Err(error.into());
        }
        self.engine.notices.tell(Notice::Retrying { saw: error.to_string() });
        self.wait("AWS to answer".into(), None).await
    }

    fn take_in(&mut self, answer: Answer) {
        match answer {
            Answer::Traffic(reading) => {
                self.facts.traffic = Some(reading.traffic.clone());
                self.eyes.reading = Some(reading);
            }
            Answer::Synced(synced) => self.facts.synced = Some(synced),
            Answer::Targets(color, targets) => drop(self.facts.targets.insert(color, targets)),
            Answer::Instances(color, instances) => drop(self.facts.instances.insert(color, instances)),
            Answer::References(color, references) => drop(self.facts.references.insert(color, references)),
            Answer::Smoke(result) => self.facts.smoke = Some(result),
            Answer::Requests(color, count) => drop(self.facts.requests.insert(color, count)),
            Answer::Probe(answer, endpoints) => {
                if answer == ProbeAnswer::Alike && !std::mem::replace(&mut self.eyes.warned_of_likeness, true) {
                    let text =
                        "both colors answer the probe alike, so only the quiet time tells that the traffic has moved";
                    self.engine.notices.tell(Notice::Warning { text: text.into() });
                }
                self.facts.probe = Some(answer);
                self.eyes.endpoints.extend(endpoints);
            }
        }
    }
}

async fn answer(
    engine: &Engine,
    state: &State,
    release: &Release,
    eyes: &Eyes,
    question: &Question,
) -> Result<Answer, CloudError> {
    let pins = &release.pins;
    match question {
        Question::Traffic
        | Question::Targets(_)
        | Question::Instances(_)
        | Question::References(_)
        | Question::Requests(_) => plain_answer(engine, pins, question).await,
        Question::Synced => synced(engine, state).await,
        Question::Smoke(color) => {
            let endpoints = known_endpoints(state, pins, color);
            let target = SmokeTarget {
                color: color.clone(),
                release: release.id.clone(),
                image: release.image.clone(),
                endpoints,
            };
            let folder = engine.environment.file.parent().filter(|p| !p.as_os_str().is_empty());
            let folder = folder.unwrap_or(std::path::Path::new("."));
            Ok(Answer::Smoke(smoke(&*engine.dial, &engine.environment.smoke, &target, folder).await))
        }
        Question::Probe { old, new } => {
            let Some(path) = &engine.environment.release.converge.probe else {
                return Ok(Answer::Probe(ProbeAnswer::Alike, Vec::new()));
            };
            let (old_at, new_at) =
                tokio::try_join!(endpoints(engine, state, eyes, pins, old), endpoints(engine, state, eyes, pins, new))?;
            let Some(route) = route(pins, new) else {
                return Ok(Answer::Probe(
                    ProbeAnswer::Unclear { saw: format!("{new} has no load balancer") },
                    Vec::new(),
                ));
            };
            let answer = Prober::new(path).ask(&*engine.dial, route, &old_at, &new_at).await;
            Ok(Answer::Probe(answer, vec![(old.clone(), old_at), (new.clone(), new_at)]))
        }
    }
}

/// The questions that need nothing but AWS.
pub(super) async fn plain_answer(engine: &Engine, pins: &Pins, question: &Question) -> Result<Answer, CloudError> {
    let cloud = &engine.cloud;
    Ok(match question {
        Question::Targets(color) => Answer::Targets(color.clone(), cloud.targets(pins, color).await?),
        Question::Instances(color) => {
            Answer::Instances(color.clone(), cloud.instances(&engine.environment.name, color).await?)
        }
        Question::Requests(color) => {
            let counted = engine.requests(pins, color).await;
            // Not an error of the look: whatever it is, the count is not known, and that is told as the reason to wait.
            Answer::Requests(
                color.clone(),
                counted.unwrap_or_else(|error| RequestCount::Unknown { saw: error.to_string() }),
            )
        }
        Question::References(color) => Answer::References(color.clone(), cloud.references(pins, color).await?),
        Question::Traffic | Question::Synced | Question::Smoke(_) | Question::Probe { .. } => {
            Answer::Traffic(cloud.traffic(pins).await?)
        }
    })
}

impl Engine {
    /// What CloudWatch has counted for the color's target group in the last while.
    pub(super) async fn requests(&self, pins: &Pins, color: &Color) -> Result<RequestCount, CloudError> {
        let back = COUNT_BACK + signed(self.environment.release.converge.no_requests);
        self.cloud.requests(pins, color, self.journal.clock().now(), back).await
    }
}

/// Whether the last DNS change has reached every server. A change whose id was lost with a crash cannot be
/// asked for; AWS calls 60 seconds the usual time, so twice that counts as there.
async fn synced(engine: &Engine, state: &State) -> Result<Answer, CloudError> {
    let Some(Spreading { since, change, synced }) = &state.spreading else { return Ok(Answer::Synced(true)) };
    if synced.is_some() {
        return Ok(Answer::Synced(true));
    }
    let age = engine.journal.clock().now().duration_since(*since);
    let old = age >= jiff::SignedDuration::from_secs(120);
    let Some(change) = change else { return Ok(Answer::Synced(old)) };
    match engine.cloud.synced(&ChangeId::new(change)).await {
        // A change that AWS does not know any more is not on its way any more.
        Err(error) if old && error.kind == Kind::NotFound => Ok(Answer::Synced(true)),
        synced => Ok(Answer::Synced(synced?)),
    }
}

/// The private endpoints of a color: as recorded, or else as AWS has them by tag.
async fn endpoints(
    engine: &Engine,
    state: &State,
    eyes: &Eyes,
    pins: &Pins,
    color: &Color,
) -> Result<Vec<SocketAddr>, CloudError> {
    if state.occupants.contains_key(color) {
        return Ok(known_endpoints(state, pins, color));
    }
    if let Some(known) = eyes.endpoints.get(color) {
        return Ok(known.clone());
    }
    let instances = engine.cloud.instances(&engine.environment.name, color).await?;
    Ok(socket_addresses(pins, color, instances.iter().filter(|i| i.alive()).filter_map(|i| i.address.as_deref())))
}

fn known_endpoints(state: &State, pins: &Pins, color: &Color) -> Vec<SocketAddr> {
    let instances = state.occupants.get(color).map(|o| o.instances.as_slice()).unwrap_or_default();
    socket_addresses(pins, color, instances.iter().map(|i| i.address.as_str()))
}

fn socket_addresses<'a>(pins: &Pins, color: &Color, addresses: impl Iterator<Item = &'a str>) -> Vec<SocketAddr> {
    let Some(group) = pins.groups.get(color) else { return Vec::new() };
    addresses.filter_map(|a| a.parse::<IpAddr>().ok()).map(|ip| SocketAddr::new(ip, group.port)).collect()
}

/// Where probes for `color` enter: the listener, or for a DNS switch the color's own load balancer.
fn route<'a>(pins: &'a Pins, color: &Color) -> Option<&'a RoutePin> {
    match &pins.route {
        SwitchPin::Rule { route, .. } | SwitchPin::DefaultAction { route, .. } => Some(route),
        SwitchPin::Records(records) => records.entries.get(color),
    }
}
