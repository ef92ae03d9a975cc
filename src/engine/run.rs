//! The loop of every verb that changes something, with its lease.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::Instrument;

use super::backoff::Backoff;
use super::fresh::{Age, Moment};
use super::look::Eyes;
use super::{Engine, EngineError, FlipKind, Notice};
use crate::cloud::Reading;
use crate::journal::{Acquire, Log, Owner, Session};
use crate::planted::{Bug, bug};
use crate::release::{Context, Decision, Ending, Event, Facts, Goal, Memory, Person, Phase, ReleaseId, State, decide};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// The ending.
    pub ending: Ending,
    /// The release it was about, where there is one.
    pub release: Option<ReleaseId>,
    /// Whether that release still has something to do, and nobody works on it; a retention that runs is not that.
    pub unfinished: bool,
}

impl Finish {
    /// The end of a run that began nothing.
    pub(super) fn before_anything(ending: Ending, release: Option<ReleaseId>) -> Self {
        Self { ending, release, unfinished: false }
    }
}

/// One run of one verb.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine,
    pub(super) goal: Goal,
    pub(super) state: State,
    pub(super) facts: Facts,
    pub(super) memory: Memory,
    pub(super) eyes: Eyes,
    pub(super) session: Option<Session>,
    backoff: Backoff,
    age: Age,
    owner: Owner,
    log: Log,
    acted: bool,
    /// When this run began, when the last entry before it was written, and whether it found the release settled.
    began: Timestamp,
    last_entry: Option<Timestamp>,
    found_settled: bool,
    /// Whether the run leaves once only time has to pass after the flip.
    pub(super) detach: bool,
    /// Why the person runs it, where the verb takes a reason.
    pub(super) reason: Option<String>,
    /// When the last effect was announced, and when a rollback was begun, by this run.
    pub(super) announced: Option<Instant>,
    rollback_since: Option<Instant>,
    /// How many calls in a row were too late to be sent.
    pub(super) late: u32,
}

impl<'a> Run<'a> {
    /// A run that starts from what the journal says; the lease is not taken yet. On the heap: it is moved about, and
    /// copies of it would fill the small stack of a worker thread.
    pub(super) fn new(engine: &'a Engine, goal: Goal, log: Log) -> Result<Box<Self>, EngineError> {
        let verb = match goal {
            Goal::Deploy => "deploy",
            Goal::Rollback { .. } => "rollback",
            Goal::Abort => "abort",
            Goal::Sweep => "sweep",
            Goal::Reconcile => "reconcile",
            Goal::Adopt => "adopt",
        };
        let now = engine.journal.clock().now();
        let state = replay(&log)?.read_at(now);
        Ok(Box::new(Self {
            engine,
            goal,
            began: now,
            last_entry: log.last_at(),
            found_settled: is_settled(&state),
            detach: false,
            state,
            facts: Facts::default(),
            memory: Memory::default(),
            eyes: Eyes::default(),
            session: None,
            backoff: Backoff::default(),
            age: Age::default(),
            owner: Owner { run: engine.journal.new_run(), ..Owner::this_process(verb) },
            log,
            acted: false,
            reason: None,
            announced: None,
            rollback_since: None,
            late: 0,
        }))
    }

    /// Steps until there is nothing more to do, and gives the lease back. One span in the log per run of a release.
    pub(super) async fn drive(self: Box<Self>) -> Result<Finish, EngineError> {
        let release = self.state.release.as_ref().map(|r| r.id.to_string());
        let environment = &self.engine.environment.name;
        let span = tracing::info_span!("release", environment, release, verb = self.owner.verb, run = %self.owner.run);
        // On the heap: with the SDK's futures inside it would fill the small stack of a worker thread.
        Box::pin(self.drive_to_the_end().instrument(span)).await
    }

    async fn drive_to_the_end(mut self: Box<Self>) -> Result<Finish, EngineError> {
        let ended = self.steps().await;
        self.end(ended).await
    }

    /// Ends the run: the lease is given back, however it went.
    pub(super) async fn end(mut self: Box<Self>, ended: Result<Ending, EngineError>) -> Result<Finish, EngineError> {
        let ended = ended.map_err(|error| self.half_way(error));
        if let Some(session) = self.session.take()
            && !bug(Bug::KeepTheLease)
            && let Err(error) = session.release().await
        {
            // What ended the run says more than a lease that also ends by itself.
            self.engine.notices.tell(Notice::Warning { text: format!("the lease was not given back: {error}") });
        }
        let release = self.state.release.as_ref();
        Ok(Finish {
            ending: ended?,
            release: release.map(|r| r.id.clone()),
            unfinished: release.is_some_and(|r| !r.phase.is_settled()),
        })
    }

    /// An error after the first write leaves something unfinished, and says so.
    fn half_way(&self, error: EngineError) -> EngineError {
        match (&self.state.release, error) {
            (_, error @ EngineError::Interrupted) => error,
            (Some(release), error) if self.acted => EngineError::HalfWay {
                release: release.id.clone(),
                phase: release.phase.name(),
                source: Box::new(error),
            },
            (_, error) => error,
        }
    }

    async fn steps(&mut self) -> Result<Ending, EngineError> {
        loop {
            if let Some(session) = &mut self.session {
                session.renew_if_due().await?;
            }
            let decision = decide(&self.state, &self.context(), &self.facts, &self.memory);
            tracing::debug!(?decision, "decided");
            // What is finished is not interrupted.
            if self.engine.stop.is_requested() && !matches!(decision, Decision::Stop(_)) {
                return Err(EngineError::Interrupted);
            }
            match decision {
                // On the heap, as every step would be as large as the largest call.
                Decision::Ask(questions) => Box::pin(self.look(questions)).await?,
                Decision::Act(effect) => {
                    if self.hold_lease().await? && self.facts_are_fresh() {
                        Box::pin(self.act(effect)).await?;
                    }
                }
                Decision::Record(event) => {
                    if Box::pin(self.hold_lease()).await? {
                        let makes_facts_old = event.makes_facts_old();
                        self.record(event).await?;
                        if makes_facts_old || !self.facts_are_fresh() {
                            self.forget();
                        }
                    }
                }
                Decision::Wait { reason, until } => {
                    if Box::pin(self.hold_lease()).await? {
                        self.wait(reason, until).await?;
                    }
                }
                Decision::Stop(ending) => return Ok(ending),
            }
        }
    }

    fn context(&self) -> Context {
        let pins = self.state.release.as_ref().map(|r| &r.pins);
        Context {
            name: self.engine.environment.name.clone(),
            env: self.engine.typed.clone(),
            goal: self.goal,
            policy: self.engine.policy(pins),
            // What the facts show was so when they were asked for: whether a call can still land, or a time is over, is
            // asked of that moment, however long this process has stood still since.
            now: self.age.as_of().unwrap_or_else(|| self.now()),
            decided_at: self.now(),
            acted: self.acted,
            began: self.began,
            last_entry: self.last_entry,
            found_settled: self.found_settled,
            detach: self.detach,
            by: Person { user: self.owner.user.clone(), host: self.owner.host.clone() },
            reason: self.reason.clone(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.journal.clock().now()
    }

    /// This moment, for a look that begins now.
    pub(super) fn moment(&self) -> Moment {
        Moment { instant: Instant::now(), at: self.now() }
    }

    /// The time that the next entry of the journal will carry.
    pub(super) fn stamp(&self) -> Timestamp {
        self.session.as_ref().map_or_else(|| self.now(), Session::stamp)
    }

    /// Takes the lease if this run does not hold it; `false` where the world may have changed meanwhile, so
    /// that the decision must be made again.
    pub(super) async fn hold_lease(&mut self) -> Result<bool, EngineError> {
        if self.session.is_some() {
            return Ok(true);
        }
        let mode = match self.goal {
            Goal::Deploy | Goal::Sweep | Goal::Reconcile | Goal::Adopt => Acquire::IfFree,
            Goal::Rollback { .. } | Goal::Abort => Acquire::Preempt { reason: "a person asked for it".into() },
        };
        let session = self.engine.journal.acquire(self.log.clone(), self.owner.clone(), mode).await?;
        let unsettled = session.settles_in().is_some() && !bug(Bug::NoSettling);
        let unchanged = session.log().head() == self.log.head() + 1 && self.log.every_outcome_is_known();
        if !unchanged {
            self.state = replay(session.log())?.read_at(self.now());
            self.found_settled = is_settled(&self.state);
            let before = session.log().entries().iter().rev().nth(1);
            self.last_entry = before.map(|e| e.at).or(self.last_entry);
        }
        self.session = Some(session);
        while unsettled && let Some(left) = self.session.as_ref().and_then(Session::settles_in) {
            let until = self.now() + left;
            self.wait("a call of the run before may still arrive at AWS".to_string(), Some(until)).await?;
        }
        self.state.nothing_can_land();
        if bug(Bug::NoLookAfterTakeover) {
            return Ok(true);
        }
        if !unchanged || unsettled {
            self.forget();
        }
        Ok(unchanged && !unsettled)
    }

    /// Whether there is a release that is neither settled nor waits for a person.
    pub(super) fn is_unfinished(&self) -> bool {
        self.state.release.as_ref().is_some_and(|r| !r.phase.is_settled() && !matches!(r.phase, Phase::Blocked { .. }))
    }

    /// Who this run is.
    pub(super) fn owner(&self) -> Owner {
        self.owner.clone()
    }

    /// Tells which release it is that goes on.
    pub(super) fn tell_that_it_continues(&self) {
        if let Some(release) = &self.state.release {
            self.engine.notices.tell(Notice::Continuing {
                release: release.id.clone(),
                image: release.image.clone(),
                phase: release.phase.name(),
            });
        }
    }

    /// Writes an event and takes it into the state.
    pub(super) async fn record(&mut self, event: Event) -> Result<(), EngineError> {
        let session = self.session.as_mut().expect("hold_lease() comes before every record()");
        let before = self.state.release.as_ref().map(|r| r.phase.name());
        let mut next = self.state.clone();
        // An event that cannot follow must never reach the journal.
        next.apply(self.engine.journal.clock().now(), &event)?;
        let unwritten = bug(Bug::NoIntent) && matches!(event, Event::Intent { .. } | Event::Outcome { .. });
        let written = match unwritten {
            true => session.log().entries().last(),
            false => Some(session.append(event.clone()).await?),
        };
        let entry = written.expect("taking the lease has written an entry");
        let (seq, at) = (entry.seq, entry.at);
        // By this run's own clock: the entry may carry a later time, where the run before it had a clock ahead of ours.
        self.state.apply(self.engine.journal.clock().now(), &event)?;
        self.acted = true;
        self.tell_of_a_flip(&event);
        if matches!(event, Event::RollbackStarted { .. }) {
            self.rollback_since = Some(Instant::now());
        }
        let release = self.state.release.as_ref();
        self.engine.notices.tell(Notice::Recorded {
            seq,
            at,
            release: release.map(|r| r.id.clone()),
            event: Box::new(event),
        });
        if release.map(|r| r.phase.name()) != before {
            self.backoff.reset();
            self.eyes.forget_failures();
        }
        Ok(())
    }

    /// A flip is told when it was read back: AWS's answer to the write is not enough, and may be lost.
    fn tell_of_a_flip(&self, event: &Event) {
        let Some(release) = &self.state.release else { return };
        let (kind, since) = match event {
            Event::Switched => (FlipKind::Deploy, self.announced),
            Event::RolledBack { .. } if matches!(self.goal, Goal::Rollback { .. }) => (FlipKind::Rollback, None),
            Event::RolledBack { .. } => (FlipKind::Rollback, self.rollback_since),
            _ => return,
        };
        let took = since.map_or_else(|| self.engine.started.elapsed(), |since| since.elapsed());
        self.engine.notices.flipped(kind, release.live(), took);
    }

    /// Whether every fact was asked recently; if not, they are forgotten and asked again.
    fn facts_are_fresh(&mut self) -> bool {
        let fresh = self.age.is_fresh();
        if !fresh {
            self.forget();
        }
        fresh
    }

    /// Notes that a look which began then has ended.
    pub(super) fn looked(&mut self, began: Moment) {
        self.age.looked(began);
    }

    /// Takes over the facts that the release was admitted on, so that nothing is asked twice.
    pub(super) fn starts_from(&mut self, facts: Facts, reading: Option<Reading>, asked_at: Moment) {
        self.facts = facts;
        self.eyes.reading = reading;
        self.looked(asked_at);
    }

    /// Forgets every fact: the world has changed, or time has passed.
    pub(super) fn forget(&mut self) {
        self.facts = Facts::default();
        self.age.forget();
    }

    /// Waits a little, at most until `until`, renewing the lease; facts are old after it.
    pub(super) async fn wait(&mut self, reason: String, until: Option<Timestamp>) -> Result<(), EngineError> {
        let phase = self.state.release.as_ref().map_or("preparing", |r| r.phase.name());
        self.engine.notices.tell(Notice::Waiting { phase, reason });
        let mut pause = self.backoff.next();
        if let Some(until) = until {
            // A look shortly before the time would only be followed by another one at the time.
            let left = Duration::try_from(until.duration_since(self.now())).unwrap_or_default();
            pause = if left <= pause * 3 / 2 { left } else { pause };
        }
        let stop = self.engine.stop.clone();
        let waited = async {
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => Ok(()),
                () = stop.requested() => Err(EngineError::Interrupted),
            }
        };
        match &mut self.session {
            Some(session) => session.while_renewing(waited).await??,
            None => waited.await?,
        }
        self.forget();
        Ok(())
    }
}

/// Whether nothing is on its way.
fn is_settled(state: &State) -> bool {
    state.release.as_ref().is_none_or(|r| r.phase.is_settled())
}

/// The state that the journal's events add up to.
pub(super) fn replay(log: &Log) -> Result<State, EngineError> {
    Ok(log.replay()?)
}
