//! While a color is retained, a rollback succeeds in one command: tried on copies of the world, taken at moments of a
//! run at which a color is retained. The run itself does not notice.

use std::time::Duration;

use jiff::Timestamp;
use switchback::planted::Bug;
use switchback::release::Phase;

use super::judge::{ROLLBACKS, Scene, Site, Violation};
use super::plan::{Behavior, Plan, RunnerPlan, Verb};
use super::run::{Report, play_one};
use super::runner::Ended;
use super::trace::{Line, What};
use super::world::Prepared;

/// From here to the end of the retention it is late.
const LATE: Duration = Duration::from_secs(90);
/// A rollback right before the end of the retention starts so long before it.
const AT_THE_LAST_MOMENT: Duration = Duration::from_secs(3);
/// When a rollback starts in a copy.
const AT_ONCE_MS: u64 = 1_000;
/// So many copies of one moment are taken per retention: crashes and takeovers may be many.
const OF_ONE_MOMENT: usize = 2;
/// A rollback makes no more requests than that, but for reading the journal.
const REQUESTS_MAX: usize = 60;
/// And takes no longer, also where a call of the process before may still land.
const TAKES_MAX: Duration = Duration::from_secs(60);

/// Why a copy was taken when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The retention begins.
    Begin,
    /// A process has died.
    Crash,
    /// The lease was taken from a process that may have died.
    Takeover,
    /// Half of the retention is over.
    Middle,
    /// It is nearly over.
    Late,
}

/// A copy of the world, from a moment at which a color of an environment was retained.
#[derive(Debug, Clone)]
pub(crate) struct Retained {
    environment: usize,
    /// The color that is retained: a place in the target groups.
    color: usize,
    at: Duration,
    moment: Moment,
    until: Timestamp,
    world: Prepared,
}

/// Takes the copies.
#[derive(Default)]
pub(crate) struct Watcher {
    /// Per environment: what is known of its retention, if it is in one.
    retentions: Vec<Option<Retention>>,
    copies: Vec<Retained>,
}

struct Retention {
    until: Timestamp,
    began: Duration,
    /// How many entries the journal had at the last look.
    entries: usize,
    taken: Vec<Moment>,
}

impl Watcher {
    /// What was taken so far.
    pub(crate) fn taken(&mut self) -> Vec<Retained> {
        std::mem::take(&mut self.copies)
    }

    /// Looks whether this is a moment for a copy.
    pub(crate) fn look(&mut self, scene: &Scene, line: Option<&Line>) {
        self.retentions.resize_with(scene.sites.len(), || None);
        for (environment, (site, known)) in scene.sites.iter().zip(&mut self.retentions).enumerate() {
            let release = site.release();
            let Some((color, until)) = release.and_then(|release| match release.phase {
                Phase::Retaining { until } => Some((Site::place_of(&release.from), until)),
                _ => None,
            }) else {
                *known = None;
                continue;
            };
            let now = scene.now();
            let entries = site.journal.entries.len();
            let retention = match known {
                Some(retention) if retention.until == until => retention,
                _ => known.insert(Retention { until, began: now, entries, taken: Vec::new() }),
            };
            let ends = scene.since_start(until);
            let dead = line.filter(|line| line.what == What::Crashed).and_then(|line| line.runner);
            let crash = dead.is_some_and(|number| scene.processes[&number].environment == Some(environment));
            let takeover = site.journal.entries[retention.entries..].iter().any(|written| written.takes_the_lease());
            retention.entries = entries;
            let due = [
                (Moment::Begin, 1, true),
                (Moment::Crash, OF_ONE_MOMENT, crash),
                (Moment::Takeover, OF_ONE_MOMENT, takeover),
                (Moment::Middle, 1, now >= retention.began + ends.saturating_sub(retention.began) / 2),
                (Moment::Late, 1, now + LATE >= ends),
            ];
            let due = due.into_iter().filter(|(_, _, so)| *so && now < ends);
            let count = |moment| retention.taken.iter().filter(|other| **other == moment).count();
            let Some((moment, _, _)) = due.into_iter().find(|(moment, most, _)| count(*moment) < *most) else {
                continue;
            };
            if !can_be_asked_for(scene, environment, color) {
                continue;
            }
            retention.taken.push(moment);
            let world = scene.world().prepared().only(environment);
            self.copies.push(Retained { environment, color, at: now, moment, until, world });
        }
    }
}

/// Whether a rollback must succeed: the traffic is where the release has left it, and the retained color is whole, or
/// we alone can have harmed it.
fn can_be_asked_for(scene: &Scene, environment: usize, color: usize) -> bool {
    let site = &scene.sites[environment];
    let needed = site.release().map_or(1, |release| release.from_count.max(1)) as usize;
    let weights = site.weights.now();
    let only_new = weights[color] == 0 && weights[1 - color] > 0;
    let foreign = scene.foreign_writes(environment).next().is_some();
    let by_the_plan = scene.plan.events.iter().any(|event| event.what.environment() == Some(environment));
    let dies = scene.plan.images.iter().any(|behavior| matches!(behavior, Behavior::Dies { .. }));
    let whole = site.targets[color].iter().filter(|target| target.state == "healthy").count() >= needed
        && site.targets[color].iter().all(|target| scene.owner(&target.id) == Some(environment));
    let harmless = !foreign && !by_the_plan && !dies;
    harmless || (only_new && whole)
}

/// Tries a rollback in every copy, and in the last one of each retention also right before its end; what was wrong.
pub(crate) fn roll_back(plan: &Plan, bug: Option<Bug>, copies: &[Retained]) -> Vec<Violation> {
    let at_once = copies.iter().map(|copy| (copy, false));
    let last = copies.iter().enumerate().filter(|(at, copy)| {
        let same = |other: &Retained| other.environment == copy.environment && other.until == copy.until;
        !copies[at + 1..].iter().any(same)
    });
    let tries = at_once.chain(last.map(|(_, copy)| (copy, true)));
    tries.filter_map(|(copy, at_the_end)| copy.roll_back(plan, bug, at_the_end)).collect()
}

impl Retained {
    /// Tries a rollback, at once or right before the end of the retention; what was wrong.
    pub(crate) fn roll_back(&self, plan: &Plan, bug: Option<Bug>, at_the_end: bool) -> Option<Violation> {
        let calm = Plan {
            // Programs start again with the world, and what dies some time after its start would die again.
            images: vec![Behavior::Well; plan.images.len()],
            environments: vec![plan.environments[self.environment].clone()],
            runners: Vec::new(),
            schedule: None,
            events: Vec::new(),
            calm_ms: 0,
            ..plan.clone()
        };
        let report = play_one(&calm, bug, &self.world, |now| {
            let left_ms = u64::try_from(self.until.duration_since(now).as_millis()).ok()?;
            let last_ms = left_ms.checked_sub(u64::try_from(AT_THE_LAST_MOMENT.as_millis()).ok()?)?;
            let at_ms = if at_the_end { last_ms } else { AT_ONCE_MS.min(last_ms) };
            let verb = Verb::Rollback { force: false };
            Some(RunnerPlan { number: 0, at_ms, environment: 0, verb, clock_ms: 0, troubles: Vec::new() })
        })?;
        let wrong = self.wrong(&report);
        let when = if at_the_end { "right before the end of the retention" } else { "at once" };
        (!wrong.is_empty()).then(|| {
            let saw = format!("{:?}: a rollback {when} in a copy of the world: {}", self.moment, wrong.join("; "));
            Violation { invariant: ROLLBACKS, at: self.at, saw }
        })
    }

    fn wrong(&self, report: &Report) -> Vec<String> {
        let mut wrong: Vec<_> = report.violations.iter().map(ToString::to_string).collect();
        let line = |what: fn(&What) -> bool| report.trace.iter().filter(move |line| what(&line.what));
        let ended = line(|what| matches!(what, What::Ended { .. })).next();
        if report.ended.get(&0) != Some(&Ended::Exit(0)) {
            wrong.push(format!("it did not succeed: {}", ended.map_or("no end".into(), ToString::to_string)));
        }
        let weights = report.weights[0];
        if weights[self.color] == 0 || weights[1 - self.color] > 0 {
            wrong.push(format!("the traffic is not back on color {}: {weights:?}", self.color));
        }
        let failed = line(|what| matches!(what, What::Failed { .. })).count();
        if failed > 0 {
            wrong.push(format!("{failed} requests of clients failed"));
        }
        let made = |call: fn(&str) -> bool| {
            let made = |line: &&Line| matches!(&line.what, What::Reached { call: made, .. } if call(&made.name));
            report.trace.iter().filter(made).count()
        };
        let (writes, requests) = (made(|name| name.starts_with("elbv2:Modify")), made(|name| name != "journal:get"));
        if writes != 1 || requests > REQUESTS_MAX {
            wrong.push(format!("it wrote the switch {writes} times, in {requests} requests"));
        }
        let began = line(|what| matches!(what, What::Started { .. })).next().map(|line| line.at);
        let took = ended.zip(began).map(|(ended, began)| ended.at.saturating_sub(began));
        if took.is_none_or(|took| took > TAKES_MAX) {
            wrong.push(format!("it took {took:?}"));
        }
        wrong
    }
}
