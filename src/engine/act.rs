//! Effects carried out: the intent recorded, a last look, the call made, the outcome recorded.

use std::time::Duration;

use tokio::time::Instant;

use super::last_look::Against;
use super::run::Run;
use super::{EngineError, Notice};
use crate::cloud::{CHANGE_TIMEOUT, CloudError, Kind, Launch, Reading, SendBefore};
use crate::planted::{Bug, bug};
use crate::release::{Effect, EffectResult, Event, Pins, Problem};

/// How much time a call has, counted from its announcement. Nothing is sent later than `send`, and a call that was
/// sent then ends before `deadline`; whoever takes over waits for that, so a flip gets little.
struct Limits {
    /// Writing the announcement and the last look must be over by then.
    send: Duration,
    /// How long the call may take; [`CHANGE_TIMEOUT`] where AWS may need it all.
    call: Duration,
    /// After this time the call can no longer be sent.
    deadline: Duration,
}

/// No more time than this for the last look: whoever takes over waits for all of it.
const SEND_MAX: Duration = Duration::from_secs(30);

impl Limits {
    /// The limits of `effect` after it was `late` times in a row too late to be sent. Where AWS answers slowly, each
    /// try gets twice the time of the one before, and its announcement says so.
    fn of(effect: &Effect, late: u32) -> Self {
        let first = Self::at_first(effect);
        let send = (first.send * 2_u32.saturating_pow(late)).min(SEND_MAX);
        Self { send, deadline: first.deadline + (send - first.send), ..first }
    }

    fn at_first(effect: &Effect) -> Self {
        match effect {
            Effect::Flip { .. } => {
                Self { send: Duration::from_secs(5), call: Duration::from_secs(10), deadline: Duration::from_secs(15) }
            }
            Effect::Reference { .. } | Effect::Launch { .. } => {
                Self { send: Duration::from_secs(15), call: CHANGE_TIMEOUT, deadline: Duration::from_secs(60) }
            }
            // Reading every rule of a large load balancer takes its time.
            Effect::Register { .. } | Effect::Deregister { .. } | Effect::Terminate { .. } => {
                Self { send: Duration::from_secs(30), call: CHANGE_TIMEOUT, deadline: Duration::from_secs(75) }
            }
        }
    }
}

impl Run<'_> {
    /// Announces the effect, carries it out, and records how it ended.
    pub(super) async fn act(&mut self, effect: Effect) -> Result<(), EngineError> {
        self.announced = Some(Instant::now());
        let limits = Limits::of(&effect, self.late);
        let send_before = SendBefore::starting_now(self.engine.journal.clock(), limits.send + limits.call);
        let deadline = self.stamp() + limits.deadline;
        self.record(Event::Intent { effect: effect.clone(), deadline }).await?;
        let reading = match self.ready(&effect, &send_before, limits.send).await {
            Ok(reading) => reading,
            Err(against) => return self.not_sent(&effect, against).await,
        };
        self.late = 0;
        let call = send_before.clone().send(Box::pin(self.call(&effect, &reading)));
        let result = match tokio::time::timeout(limits.call, call).await {
            Ok(Ok(change)) if send_before.an_attempt_is_unanswered() => EffectResult::Repeated { change },
            Ok(Ok(change)) => EffectResult::Accepted { change },
            Ok(Err(error)) if error.kind == Kind::TooLate && !error.outcome_unknown() => {
                return self.not_sent(&effect, Against::late(&error.to_string())).await;
            }
            Ok(Err(error)) if error.outcome_unknown() || error.transient() => self.unknown(error.to_string()),
            Ok(Err(error)) => EffectResult::Refused { problem: self.explain(&effect, &error) },
            Err(_) => self.unknown(format!("no answer within {} s", limits.call.as_secs())),
        };
        let accepted = matches!(result, EffectResult::Accepted { .. } | EffectResult::Repeated { .. });
        self.record(Event::Outcome { result }).await?;
        if matches!(effect, Effect::Flip { .. }) {
            self.memory.traffic_moved();
        }
        self.forget_what_changed(&effect);
        if !accepted {
            self.wait(format!("before looking whether it happened: {}", effect.describe()), None).await?;
        }
        Ok(())
    }

    /// The switch as it is now, where nothing speaks against sending the effect that was announced `since` then.
    async fn ready(&self, effect: &Effect, since: &SendBefore, within: Duration) -> Result<Reading, Against> {
        let late = || {
            let late = since.elapsed() >= within && !bug(Bug::NoSendDeadline);
            late.then(|| Against::late(&format!("more than {} s after the call was announced", within.as_secs())))
        };
        if let Some(late) = late() {
            return Err(late);
        }
        let left = if bug(Bug::NoSendDeadline) { within } else { within.saturating_sub(since.elapsed()) };
        let reading = self.last_look(effect, self.pins(), left).await?;
        late().map_or(Ok(reading), Err)
    }

    /// Records that the announced effect was not sent: what follows is decided from a world that is read anew.
    async fn not_sent(&mut self, effect: &Effect, against: Against) -> Result<(), EngineError> {
        self.late = if against.is_late() { self.late + 1 } else { 0 };
        self.record(Event::Outcome { result: against.result() }).await?;
        self.forget();
        if let Some(error) = against.lasting {
            return Err(error.into());
        }
        if !against.is_foreign() {
            self.wait(format!("before it is tried again: {}", effect.describe()), None).await?;
        }
        Ok(())
    }

    fn pins(&self) -> &Pins {
        &self.state.release.as_ref().expect("an intent was applied, so there is a release").pins
    }

    fn unknown(&self, saw: String) -> EffectResult {
        self.engine.notices.tell(Notice::Retrying { saw: saw.clone() });
        EffectResult::Unknown { saw }
    }

    /// Forgets the facts that the effect has changed; before a destructive or a moving one everything is read anew.
    fn forget_what_changed(&mut self, effect: &Effect) {
        match effect {
            Effect::Launch { color, .. } => drop(self.facts.instances.remove(color)),
            Effect::Register { color, .. } => drop(self.facts.targets.remove(color)),
            Effect::Reference { .. } | Effect::Flip { .. } | Effect::Deregister { .. } | Effect::Terminate { .. } => {
                self.forget();
            }
        }
    }

    /// Makes the call; a write to the switch starts from `reading`.
    async fn call(&self, effect: &Effect, reading: &Reading) -> Result<Option<String>, CloudError> {
        let release = self.state.release.as_ref().expect("an intent was applied, so there is a release");
        let pins: &Pins = &release.pins;
        let cloud = &self.engine.cloud;
        let environment = &self.engine.environment.name;
        match effect {
            Effect::Reference { live, idle } => {
                cloud.reference(pins, reading, live, idle).await?;
            }
            Effect::Launch { color, subnet, count, client_token } => {
                let token = match bug(Bug::NoClientToken) {
                    true => self.engine.journal.new_run().to_string(),
                    false => client_token.clone(),
                };
                let launch = Launch {
                    environment,
                    color,
                    release: &release.id,
                    image: &release.image,
                    subnet,
                    count: *count,
                    client_token: &token,
                };
                cloud.launch(pins, launch).await?;
            }
            Effect::Register { color, instances } => cloud.register(pins, color, instances).await?,
            Effect::Flip { from, to } => {
                if bug(Bug::DeregisterWithTheFlip) {
                    let old = self.facts.targets.get(from).into_iter().flat_map(|targets| targets.registered());
                    let old: Vec<String> = old.map(|target| target.id.clone()).collect();
                    cloud.deregister(pins, from, &old).await?;
                }
                let change = cloud.flip(pins, reading, from, to).await?;
                return Ok(change.map(|c| c.as_str().to_owned()));
            }
            Effect::Deregister { color, instances } => cloud.deregister(pins, color, instances).await?,
            Effect::Terminate { color, instances } => {
                cloud.terminate(environment, color, instances).await?;
            }
        }
        Ok(None)
    }

    fn explain(&self, effect: &Effect, error: &CloudError) -> Problem {
        let mut problem = error.problem();
        problem.saw = format!("failed to {}: {}", effect.describe(), problem.saw);
        problem.run.push(format!("switchback status {}", self.engine.typed));
        problem
    }
}
