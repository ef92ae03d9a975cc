//! Plans by chance: a seed decides who does what when, and what goes wrong.

use switchback::chance::Chance;

use super::plan::{
    Behavior, EnvironmentPlan, Mishap, Plan, RunnerPlan, Schedule, Switch, TickTrouble, TimedEvent, Trouble, Verb,
    Weather, WorldEvent,
};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
/// Clocks of two machines differ by a minute at most, or by two where both are wrong.
const CLOCK_WRONG_MAX_MS: u64 = MINUTE;
/// How long a request may be on its way after its sender has died: switchback counts on ten seconds at most.
const IN_FLIGHT_MAX_MS: u64 = 8 * SECOND;
/// How old an answer of AWS may be.
const STALE_MAX_MS: u64 = 5 * SECOND;

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of_seed(seed: u64) -> Self {
        let lots = Lots(Chance::of_seed(seed));
        let span_ms = lots.between(20 * MINUTE, 50 * MINUTE);
        let environments: Vec<_> = (0..lots.pick(&[1, 1, 2, 2, 3])).map(|at| lots.environment(at)).collect();
        let images = (0..8).map(|version| if version == 0 { Behavior::Well } else { lots.behavior() }).collect();
        let mut runners = Vec::new();
        for environment in 0..environments.len() {
            runners.extend(lots.runners(environment, span_ms));
        }
        runners.sort_by_key(|runner| runner.at_ms);
        for (number, runner) in (0..).zip(&mut runners) {
            runner.number = number;
        }
        let schedule = lots.happens(80).then(|| lots.schedule(environments.len(), span_ms));
        let mut events: Vec<_> = (0..lots.below(7)).map(|_| lots.event(environments.len(), span_ms)).collect();
        events.sort_by_key(|event| event.at_ms);
        // AWS promises no time; what is usual is seconds.
        let propagation_ms = match lots.below(20) {
            0..=11 => lots.below(4 * SECOND),
            12..=16 => lots.between(4 * SECOND, 20 * SECOND),
            _ => lots.between(20 * SECOND, 70 * SECOND),
        };
        let node_skew_ms = lots.pick(&[0, SECOND, 3 * SECOND, 15 * SECOND]);
        let calm_ms = span_ms + 5 * MINUTE;
        Self { seed, environments, images, propagation_ms, node_skew_ms, runners, schedule, events, calm_ms }
    }

    /// How many parts can be taken out of it, one by one.
    pub(crate) fn parts(&self) -> usize {
        let of_runners: usize = self.runners.iter().map(|runner| 1 + runner.troubles.len()).sum();
        let of_schedule = self.schedule.as_ref().map_or(0, |schedule| 1 + schedule.troubles.len());
        of_runners + of_schedule + self.events.len()
    }

    /// The plan with these parts alone, numbered from 0: each process and each of its troubles, the scheduler and each
    /// of its troubles, the events.
    pub(crate) fn keep(&self, kept: impl Fn(usize) -> bool) -> Self {
        let mut next = 0;
        let mut take = || {
            next += 1;
            kept(next - 1)
        };
        let mut plan = self.clone();
        plan.runners = Vec::new();
        for runner in &self.runners {
            let stays = take();
            let troubles = runner.troubles.iter().filter(|_| take()).copied().collect();
            if stays {
                plan.runners.push(RunnerPlan { troubles, ..runner.clone() });
            }
        }
        plan.schedule = self.schedule.as_ref().and_then(|schedule| {
            let stays = take();
            let troubles = schedule.troubles.iter().filter(|_| take()).copied().collect();
            stays.then(|| Schedule { troubles, ..schedule.clone() })
        });
        plan.events.retain(|_| take());
        plan
    }
}

/// Draws what a plan is made of.
struct Lots(Chance);

impl Lots {
    fn below(&self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// From `least` to `most`, both included.
    fn between(&self, least: u64, most: u64) -> u64 {
        least + self.0.below(most - least + 1)
    }

    fn place(&self, length: usize) -> usize {
        usize::try_from(self.0.below(length as u64)).expect("it is below a length")
    }

    fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[self.place(of.len())]
    }

    /// With this probability, in percent.
    fn happens(&self, percent: u64) -> bool {
        self.0.below(100) < percent
    }

    fn environment(&self, at: usize) -> EnvironmentPlan {
        let quiet_ms = self.pick(&[10, 20, 40]) * SECOND;
        EnvironmentPlan {
            name: format!("shop-{at}"),
            switch: self.pick(&[Switch::DefaultAction, Switch::Rule]),
            count: self.pick(&[1, 2, 2, 3]),
            retain_ms: self.pick(&[MINUTE, 4 * MINUTE, 10 * MINUTE]),
            bake_ms: self.pick(&[0, 30 * SECOND, 2 * MINUTE]),
            quiet_ms,
            // Longer than the silence of the old color that is asked for by default, and three minutes.
            converge_timeout_ms: quiet_ms + self.between(5 * MINUTE, 9 * MINUTE),
            health_timeout_ms: self.between(3 * MINUTE, 8 * MINUTE),
            health_interval_ms: self.pick(&[5, 10]) * SECOND,
            probe: self.happens(70),
            deregistration_delay_ms: self.pick(&[5, 30, 60]) * SECOND,
        }
    }

    fn behavior(&self) -> Behavior {
        match self.below(20) {
            0 => Behavior::Sick,
            1 => Behavior::FailsSmoke,
            2 => Behavior::Dies { after_ms: self.between(20 * SECOND, 10 * MINUTE) },
            3 => Behavior::StartsLate { after_ms: self.between(5 * SECOND, MINUTE) },
            _ => Behavior::Well,
        }
    }

    /// What CI and people start for one environment.
    fn runners(&self, environment: usize, span_ms: u64) -> Vec<RunnerPlan> {
        let mut runners = Vec::new();
        let mut start = |at_ms: u64, verb: Verb| {
            let (clock_ms, troubles) = (self.clock_ms(), self.troubles());
            runners.push(RunnerPlan { number: 0, at_ms: at_ms.min(span_ms), environment, verb, clock_ms, troubles });
        };
        for _ in 0..self.between(1, 3) {
            let at_ms = self.below(span_ms * 2 / 3);
            let deploy = Verb::Deploy { version: 1 + self.place(7), detach: self.happens(20) };
            start(at_ms, deploy);
            // A job that is started again after it failed, or twice at once.
            if self.happens(40) {
                start(at_ms + self.pick(&[0, 0, 1, 20, 90]) * SECOND + self.below(SECOND), deploy);
            }
            // A person who has seen something: a moment after the start, in the middle, or after the end.
            let after_ms = self.pick(&[30, 60, 120, 240, 480]) * SECOND + self.below(MINUTE);
            match self.below(10) {
                0..=3 => start(at_ms + after_ms, Verb::Rollback { force: self.happens(10) }),
                4 | 5 => start(at_ms + after_ms, Verb::Abort),
                6 => start(at_ms + after_ms, Verb::Sweep),
                7 => start(at_ms + after_ms, Verb::Reconcile),
                _ => {}
            }
        }
        if self.happens(8) {
            start(self.below(span_ms), Verb::Adopt);
        }
        if self.happens(5) {
            start(self.below(span_ms), Verb::BreakLease);
        }
        runners
    }

    fn clock_ms(&self) -> i64 {
        if self.happens(50) {
            return 0;
        }
        let wrong = i64::try_from(self.below(2 * CLOCK_WRONG_MAX_MS)).expect("two minutes fit");
        wrong - i64::try_from(CLOCK_WRONG_MAX_MS).expect("a minute fits")
    }

    fn troubles(&self) -> Vec<Trouble> {
        let how_many = self.pick(&[0, 0, 0, 1, 1, 2]);
        (0..how_many).map(|_| self.trouble()).collect()
    }

    fn trouble(&self) -> Trouble {
        // The first requests are looks; what is worth disturbing comes after them, and long waits come last.
        let boundary = match self.below(3) {
            0 => self.between(1, 30),
            1 => self.between(20, 90),
            _ => self.between(60, 250),
        };
        let for_ms = match self.below(3) {
            0 => self.between(SECOND, 20 * SECOND),
            1 => self.between(20 * SECOND, 90 * SECOND),
            _ => self.between(MINUTE, 5 * MINUTE),
        };
        let what = match self.below(8) {
            0 => Mishap::CrashBefore,
            1 => Mishap::CrashAfter,
            2 => Mishap::CrashInFlight { lands_after_ms: self.below(IN_FLIGHT_MAX_MS) },
            3 | 4 => Mishap::LoseAnswer,
            5 => Mishap::FreezeBefore { for_ms },
            _ => Mishap::FreezeAfter { for_ms },
        };
        Trouble { boundary, what }
    }

    fn schedule(&self, environments: usize, span_ms: u64) -> Schedule {
        let every_ms = self.pick(&[MINUTE, MINUTE, 2 * MINUTE]);
        let how_many = self.pick(&[0, 0, 1, 2, 3]);
        let troubles = (0..how_many).map(|_| TickTrouble {
            tick: self.below(span_ms / every_ms),
            environment: self.place(environments),
            trouble: self.trouble(),
        });
        let troubles = troubles.collect();
        Schedule { first_ms: self.below(MINUTE), every_ms, clock_ms: self.clock_ms(), troubles }
    }

    fn event(&self, environments: usize, span_ms: u64) -> TimedEvent {
        let environment = self.place(environments);
        let (live, nth) = (self.happens(50), self.place(3));
        let what = match self.below(20) {
            0..=8 => self.storm(),
            9..=11 => WorldEvent::Kill { environment, live, nth },
            12 | 13 => WorldEvent::Hang { environment, live, nth, for_ms: self.between(5 * SECOND, 2 * MINUTE) },
            14 => WorldEvent::Retire { environment, live, nth },
            15..=17 => {
                WorldEvent::Foreign { environment, weights: self.pick(&[[100, 0], [0, 100], [50, 50], [90, 10]]) }
            }
            18 => WorldEvent::Squat { environment },
            _ => WorldEvent::Shortage { for_ms: self.between(30 * SECOND, 5 * MINUTE) },
        };
        TimedEvent { at_ms: self.below(span_ms), what }
    }

    fn storm(&self) -> WorldEvent {
        let calls = self.pick(&[
            "*",
            "elbv2:*",
            "ec2:*",
            "elbv2:Describe*",
            "elbv2:Modify*",
            "elbv2:RegisterTargets",
            "elbv2:DeregisterTargets",
            "ec2:RunInstances",
            "ec2:TerminateInstances",
            "journal:put",
            "journal:*",
        ]);
        let weather = match self.below(8) {
            0 | 1 => Weather::Throttle,
            2 => Weather::Internal,
            3 => Weather::LoseAnswer,
            4 => Weather::Reset,
            5 => Weather::Late { by_ms: self.between(100, 12 * SECOND) },
            6 => Weather::LateEffect { by_ms: self.between(100, IN_FLIGHT_MAX_MS) },
            _ => Weather::Stale { by_ms: self.between(500, STALE_MAX_MS) },
        };
        let percent = self.pick(&[5, 20, 50, 100]);
        WorldEvent::Storm { calls: calls.into(), weather, percent, for_ms: self.between(10 * SECOND, 4 * MINUTE) }
    }
}
