//! Whole releases in a model world with faults: the promises hold after every step, and every run ends.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};
use proptest::test_runner::Config;
use switchback::release::{
    Admission, Context, Decision, Effect, EffectResult, Ending, Event, Facts, Goal, Memory, Phase, Policy, ReleaseId,
    Request, State, admit, decide,
};

use crate::build::{at, blue, green, pins, policy, problem};
use crate::properties::assert_possible;
use crate::world::World;

const DEADLINE: SignedDuration = SignedDuration::from_secs(60);
const PAUSE: SignedDuration = SignedDuration::from_secs(15);
/// More steps than any run without faults may take.
const STEPS_MAX: u32 = 20_000;
const GOALS: [Goal; 6] = [
    Goal::Deploy,
    Goal::Rollback { force: false },
    Goal::Rollback { force: true },
    Goal::Abort,
    Goal::Sweep,
    Goal::Reconcile,
];

/// How the next mutating call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Accepted,
    Refused,
    UnknownAndDone,
    UnknownAndLost,
    /// Done so many seconds later, within the deadline; the answer never comes.
    UnknownAndLate(i64),
}

/// What the runner's death leaves of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    BeforeTheIntent,
    BeforeTheCall,
    AfterTheCall,
    /// The call is still on its way when the runner is gone.
    WithTheCallInTheAir(i64),
    AfterTheOutcome,
}

const CRASHES: [Crash; 6] = [
    Crash::BeforeTheIntent,
    Crash::BeforeTheCall,
    Crash::AfterTheCall,
    Crash::WithTheCallInTheAir(10),
    Crash::WithTheCallInTheAir(59),
    Crash::AfterTheOutcome,
];

#[derive(Debug, Clone, Copy)]
enum Fault {
    None,
    Call(Call),
    Crash(Crash, Goal),
    NewGoal(Goal),
    Dies(usize),
    Sick(usize),
    Heals(usize),
    ForeignWeights([u32; 2]),
    ForeignGroup,
    TimePasses(i64),
    SmokeBreaks,
}

/// One environment: the world, the journal, and the run that is at work.
#[derive(Clone)]
struct Loop {
    world: World,
    policy: Policy,
    goal: Goal,
    journal: Vec<(Timestamp, String)>,
    state: State,
    facts: Facts,
    memory: Memory,
    acted: bool,
    began: Timestamp,
    found_settled: bool,
    detach: bool,
    releases: u32,
}

impl Loop {
    fn new(world: World, policy: Policy) -> Self {
        Self {
            world,
            policy,
            goal: Goal::Deploy,
            journal: Vec::new(),
            state: State::default(),
            facts: Facts::default(),
            memory: Memory::default(),
            acted: false,
            began: at(0),
            found_settled: true,
            detach: false,
            releases: 0,
        }
    }

    fn record(&mut self, event: &Event) {
        if let Err(refused) = self.state.apply(self.world.now, event) {
            panic!("decided what cannot follow: {refused}\n{:#?}", self.state);
        }
        assert_possible(&self.state);
        self.journal.push((self.world.now, serde_json::to_string(event).unwrap()));
        self.acted = true;
        if event.makes_facts_old() {
            self.facts = Facts::default();
        }
    }

    /// Another run begins: all it knows is the journal.
    fn begin(&mut self, goal: Goal) {
        let events: Vec<(Timestamp, Event)> =
            self.journal.iter().map(|(at, text)| (*at, serde_json::from_str(text).unwrap())).collect();
        let replayed = State::replay(events.iter().map(|(at, event)| (*at, event))).unwrap();
        assert_eq!(replayed, self.state, "the journal tells another story");
        (self.goal, self.facts, self.memory, self.acted) = (goal, Facts::default(), Memory::default(), false);
        self.began = self.world.now;
        self.found_settled = self.state.release.as_ref().is_none_or(|r| r.phase.is_settled());
        if goal == Goal::Deploy {
            self.deploy();
        }
    }

    /// `deploy` of a new image where nothing is on its way.
    fn deploy(&mut self) {
        if self.state.release.as_ref().is_some_and(|r| !r.phase.is_settled()) {
            return;
        }
        self.releases += 1;
        let request = Request {
            release: ReleaseId::new(format!("r{}", self.releases)),
            image: format!("ami-{}", self.releases + 1),
            count: 2,
            accept_smaller: true,
            pins: pins(),
            name: "env".into(),
            env: "env.yaml".into(),
        };
        let mut facts = Facts::default();
        request.questions().iter().for_each(|q| self.world.answer(q, &mut facts));
        let more = request.questions_about_the_idle_color(&facts);
        more.iter().for_each(|q| self.world.answer(q, &mut facts));
        match admit(&self.state, &request, &facts) {
            Ok(Admission::Start(event)) => self.record(&event),
            Ok(Admission::Resume | Admission::AlreadyLive) => panic!("a new image on a settled environment"),
            Err(_) => {}
        }
    }

    fn decide(&self) -> Decision {
        let cx = Context {
            name: "env".into(),
            env: "env.yaml".into(),
            goal: self.goal,
            policy: self.policy.clone(),
            now: self.world.now,
            decided_at: self.world.now,
            acted: self.acted,
            began: self.began,
            last_entry: self.journal.iter().rev().map(|(at, _)| *at).find(|at| *at < self.began),
            found_settled: self.found_settled,
            detach: self.detach,
            by: crate::build::somebody(),
            reason: None,
        };
        decide(&self.state, &cx, &self.facts, &self.memory)
    }

    fn step(&mut self, call: Call, crash: Option<Crash>) -> Option<Ending> {
        match self.decide() {
            Decision::Ask(questions) => {
                assert!(!questions.is_empty(), "asked for nothing");
                for question in &questions {
                    assert!(!self.facts.answers(question), "asked twice: {question:?}");
                    self.world.answer(question, &mut self.facts);
                }
                self.memory.note(&self.facts.only(&questions), self.world.now);
            }
            Decision::Act(effect) => self.act(&effect, call, crash),
            Decision::Record(event) => self.record(&event),
            Decision::Wait { until, .. } => {
                let soon = self.world.now + PAUSE;
                assert!(until.is_none_or(|t| t > self.world.now), "waited for what is past");
                self.world.advance(until.map_or(soon, |t| t.min(soon)));
                self.facts = Facts::default();
            }
            Decision::Stop(ending) => return Some(ending),
        }
        None
    }

    fn act(&mut self, effect: &Effect, call: Call, crash: Option<Crash>) {
        if crash == Some(Crash::BeforeTheIntent) {
            return;
        }
        let release = self.state.release.clone().unwrap();
        self.world.check_sending(effect, &release);
        let deadline = self.world.now + DEADLINE;
        self.record(&Event::Intent { effect: effect.clone(), deadline });
        let problem = problem();
        let unknown = || EffectResult::Unknown { saw: "a time-out".into() };
        let late = |seconds| SignedDuration::from_secs(seconds);
        let result = match (crash, call) {
            (Some(Crash::BeforeTheIntent | Crash::BeforeTheCall), _) => return,
            (Some(Crash::WithTheCallInTheAir(seconds)), _) => {
                return self.world.send_late(effect.clone(), &release, self.world.now + late(seconds));
            }
            (Some(Crash::AfterTheCall), _) => return self.world.take_effect(effect, &release),
            (Some(Crash::AfterTheOutcome), _) | (None, Call::Accepted) => {
                self.world.take_effect(effect, &release);
                EffectResult::Accepted { change: None }
            }
            (None, Call::Refused) => EffectResult::Refused { problem },
            (None, Call::UnknownAndDone) => {
                self.world.take_effect(effect, &release);
                unknown()
            }
            (None, Call::UnknownAndLost) => unknown(),
            (None, Call::UnknownAndLate(seconds)) => {
                self.world.send_late(effect.clone(), &release, self.world.now + late(seconds));
                unknown()
            }
        };
        self.record(&Event::Outcome { result });
        if matches!(effect, Effect::Flip { .. }) {
            self.memory.traffic_moved();
        }
        self.facts = Facts::default();
    }

    fn suffer(&mut self, fault: Fault) -> Option<Ending> {
        let some = |index: usize, world: &World| index % world.instances.len();
        match fault {
            Fault::None => return self.step(Call::Accepted, None),
            Fault::Call(call) => return self.step(call, None),
            Fault::Crash(crash, goal) => {
                self.step(Call::Accepted, Some(crash));
                self.begin(goal);
            }
            Fault::NewGoal(goal) => self.begin(goal),
            Fault::Dies(index) => {
                let index = some(index, &self.world);
                self.world.instances[index].dead = true;
            }
            Fault::Sick(index) => {
                let index = some(index, &self.world);
                self.world.instances[index].sick = true;
            }
            Fault::Heals(index) => {
                let index = some(index, &self.world);
                self.world.instances[index].sick = false;
            }
            Fault::ForeignWeights(weights) => self.world.foreign_write(weights, false),
            Fault::ForeignGroup => self.world.foreign_write([1, 1], true),
            Fault::TimePasses(seconds) => {
                self.world.advance(self.world.now + SignedDuration::from_secs(seconds));
                self.facts = Facts::default();
            }
            Fault::SmokeBreaks => self.world.smoke_passes = false,
        }
        // The world changed behind the run's back; facts are fresh only to the moment they were read.
        self.facts = Facts::default();
        None
    }

    /// Steps without faults until the run stops.
    fn run_to_its_end(&mut self) -> Ending {
        let from = self.world.now;
        for _ in 0..STEPS_MAX {
            if let Some(ending) = self.step(Call::Accepted, None) {
                return ending;
            }
            let took = self.world.now.duration_since(from);
            assert!(took < SignedDuration::from_hours(6), "no end after {took:#}: {:#?}", self.state);
        }
        panic!("no end after {STEPS_MAX} steps: {:#?}", self.state);
    }

    /// A run that ended left its journal where its ending says.
    fn check_ending(&self, ending: &Ending) {
        let Some(release) = &self.state.release else { return };
        let phase = &release.phase;
        let as_said = match (ending, self.goal) {
            (Ending::Blocked(_), _) => matches!(phase, Phase::Blocked { .. }),
            (Ending::Later { .. }, goal) => goal == Goal::Reconcile && !phase.is_settled() || phase == &Phase::Retiring,
            (Ending::Failed(_), goal) => matches!(goal, Goal::Deploy | Goal::Reconcile) && *phase == Phase::Aborted,
            (Ending::MovedBack(_), goal) => {
                matches!(goal, Goal::Deploy | Goal::Reconcile) && matches!(phase, Phase::RolledBack { .. })
            }
            (Ending::Refused(_) | Ending::Nothing(_), goal) => goal != Goal::Deploy,
            (Ending::Busy(_), _) => false,
            (Ending::Done, Goal::Deploy) => matches!(phase, Phase::Retaining { .. } | Phase::Done),
            (Ending::Done, Goal::Rollback { .. } | Goal::Abort) => {
                matches!(phase, Phase::RolledBack { .. } | Phase::Aborted)
            }
            (Ending::Done, Goal::Adopt) => release.adopted.is_some(),
            (Ending::Done, Goal::Sweep) => matches!(phase, Phase::Done | Phase::Aborted),
            (Ending::Done, Goal::Reconcile) => {
                phase.is_settled() && !matches!(phase, Phase::Retiring | Phase::Blocked { .. })
            }
        };
        assert!(as_said, "{:?} ended {ending:?} in {phase:?}", self.goal);
    }

    /// Nothing of ours is left on a color that is recorded as gone, also after everything has landed.
    fn check_leaks(&mut self) {
        self.world.settle();
        let Some(release) = &self.state.release else { return };
        if matches!(release.phase, Phase::Aborted | Phase::Done) {
            let left = self.world.alive(release.idle());
            assert!(left.is_empty(), "left behind on {}: {left:?}", release.idle());
        }
    }

    /// A person sets the world right; then the verbs must lead to a settled environment.
    fn a_person_can_set_it_right(&mut self) {
        self.world.settle();
        self.world.bury();
        for instance in &mut self.world.instances {
            instance.sick = false;
        }
        self.world.smoke_passes = true;
        let live = self.state.release.as_ref().map_or(blue(), |r| r.live().clone());
        self.world.foreign_write(if live == blue() { [1, 0] } else { [0, 1] }, false);
        for color in [blue(), green()] {
            if self.world.targets(&color).healthy() < 2 {
                self.world.revive(&color);
            }
        }
        self.world.settle();
        for goal in [Goal::Deploy, Goal::Deploy, Goal::Sweep] {
            self.begin(goal);
            let ending = self.run_to_its_end();
            self.check_ending(&ending);
        }
        let release = self.state.release.as_ref().unwrap();
        assert!(
            release.phase.is_settled() && !matches!(release.phase, Phase::Blocked { .. }),
            "stuck: {:#?}",
            self.state
        );
    }
}

fn quick(probe: bool, ttl: i64) -> Policy {
    Policy { probe, ttl: SignedDuration::from_secs(ttl), ..policy() }
}

/// With CloudWatch's count as the last proof.
fn counting(policy: Policy) -> Policy {
    Policy { no_requests: SignedDuration::from_mins(1), ..policy }
}

/// Worlds and rules in which the rules are enough: with a probe or a count any lag is seen, without one it must fit.
fn settings() -> Vec<(World, Policy)> {
    let mut list = Vec::new();
    for leftovers in [false, true] {
        list.push((World::new(30, leftovers), quick(true, 0)));
        list.push((World::new(300, leftovers), quick(true, 0)));
        list.push((World::new(120, leftovers), quick(false, 0)));
        list.push((World::new(180, leftovers), quick(false, 60)));
        list.push((World::new(300, leftovers), counting(quick(false, 0))));
        list.push((World::new(180, leftovers), counting(quick(true, 60))));
    }
    list
}

#[test]
fn a_release_without_faults_goes_there_and_back_and_is_swept() {
    for (world, policy) in settings() {
        let mut env = Loop::new(world, policy);
        for live in [green(), blue(), green()] {
            env.begin(Goal::Deploy);
            assert_eq!(env.run_to_its_end(), Ending::Done);
            assert!(env.world.reaches(&live));
        }
        env.begin(Goal::Rollback { force: false });
        let before = env.world.now;
        assert_eq!(env.run_to_its_end(), Ending::Done);
        assert_eq!(env.world.now, before, "a rollback waits for nothing");
        assert!(env.world.reaches(&blue()));
        env.world.advance(env.world.now + SignedDuration::from_hours(25));
        env.begin(Goal::Sweep);
        assert_eq!(env.run_to_its_end(), Ending::Done);
        assert!(env.world.alive(&green()).is_empty() && env.world.alive(&blue()).len() == 2);
        env.begin(Goal::Sweep);
        assert!(matches!(env.run_to_its_end(), Ending::Nothing(_)));
        env.check_leaks();
    }
}

#[test]
fn a_release_right_after_a_rollback_leaves_the_color_alone_that_just_lost_the_traffic() {
    for (world, policy) in settings() {
        let mut env = Loop::new(world, policy);
        for goal in [Goal::Deploy, Goal::Rollback { force: false }, Goal::Deploy] {
            env.begin(goal);
            assert_eq!(env.run_to_its_end(), Ending::Done);
        }
        assert!(env.world.reaches(&green()));
    }
}

#[test]
fn a_release_whose_smoke_test_fails_leaves_nothing_behind() {
    let mut env = Loop::new(World::new(30, true), quick(true, 0));
    env.world.smoke_passes = false;
    env.begin(Goal::Deploy);
    assert!(matches!(env.run_to_its_end(), Ending::Failed(problem) if problem.saw == "green is broken"));
    assert!(env.world.reaches(&blue()) && !env.world.reaches(&green()));
    env.check_leaks();
}

#[test]
fn a_rollback_takes_one_look_and_one_write() {
    let mut env = Loop::new(World::new(30, false), quick(true, 0));
    env.begin(Goal::Deploy);
    env.run_to_its_end();
    env.begin(Goal::Rollback { force: false });
    let mut looks = 0;
    while env.world.reaches(&green()) && looks < 9 {
        let before = env.facts.traffic.is_some();
        env.step(Call::Accepted, None);
        looks += u32::from(!before && env.facts.traffic.is_some());
        let back = Effect::Flip { from: green(), to: blue() };
        if env.state.release.as_ref().unwrap().announced.as_ref().is_some_and(|a| a.effect == back) {
            break;
        }
    }
    assert_eq!(looks, 1);
}

/// Every step of a release x every way to crash there x every verb that comes next.
#[test]
fn a_crash_at_every_step_is_survived_by_every_verb() {
    for (world, policy) in settings() {
        let mut straight = Loop::new(world, policy);
        straight.begin(Goal::Deploy);
        let mut steps = 0;
        loop {
            // Only a call can be cut in two.
            let ways = if matches!(straight.decide(), Decision::Act(_)) { CRASHES.len() } else { 1 };
            for (crash, goal) in CRASHES[..ways].iter().flat_map(|crash| GOALS.map(|goal| (*crash, goal))) {
                let mut env = straight.clone();
                env.step(Call::Accepted, Some(crash));
                env.begin(goal);
                let ending = env.run_to_its_end();
                env.check_ending(&ending);
                assert!(!matches!(ending, Ending::Blocked(_)), "{crash:?} at step {steps}, then {goal:?}: {ending:?}");
                env.check_leaks();
            }
            steps += 1;
            if straight.step(Call::Accepted, None).is_some() {
                break;
            }
        }
        assert!(steps > 40, "only {steps} steps");
    }
}

/// Every mutating call of a release x every answer.
#[test]
fn every_call_may_be_refused_or_stay_without_an_answer() {
    let answers =
        [Call::Refused, Call::UnknownAndDone, Call::UnknownAndLost, Call::UnknownAndLate(1), Call::UnknownAndLate(59)];
    for (world, policy) in settings() {
        for answer in answers {
            for goal in [Goal::Deploy, Goal::Abort] {
                for call in 0..8 {
                    let mut env = Loop::new(world.clone(), policy.clone());
                    env.begin(Goal::Deploy);
                    let mut ended = None;
                    while ended.is_none() && announced(&env) <= call {
                        let next = if announced(&env) == call { answer } else { Call::Accepted };
                        ended = env.step(next, None);
                    }
                    if ended.is_none() && goal == Goal::Abort {
                        env.begin(goal);
                    }
                    let ending = ended.unwrap_or_else(|| env.run_to_its_end());
                    env.check_ending(&ending);
                    env.check_leaks();
                }
            }
        }
    }
}

fn announced(env: &Loop) -> usize {
    env.journal.iter().filter(|(_, text)| text.contains("\"type\":\"intent\"")).count()
}

fn faults() -> impl Strategy<Value = Vec<Fault>> {
    let goal = || prop::sample::select(GOALS.to_vec());
    let fault = prop_oneof![
        60 => Just(Fault::None),
        3 => Just(Fault::Call(Call::Refused)),
        3 => Just(Fault::Call(Call::UnknownAndDone)),
        3 => Just(Fault::Call(Call::UnknownAndLost)),
        5 => (1i64..60).prop_map(|s| Fault::Call(Call::UnknownAndLate(s))),
        5 => (prop::sample::select(CRASHES.to_vec()), goal()).prop_map(|(c, g)| Fault::Crash(c, g)),
        3 => goal().prop_map(Fault::NewGoal),
        1 => any::<usize>().prop_map(Fault::Dies),
        1 => any::<usize>().prop_map(Fault::Sick),
        2 => any::<usize>().prop_map(Fault::Heals),
        1 => prop::sample::select(vec![[1, 0], [0, 1], [1, 1], [0, 0]]).prop_map(Fault::ForeignWeights),
        1 => Just(Fault::ForeignGroup),
        2 => (1i64..200_000).prop_map(Fault::TimePasses),
        1 => Just(Fault::SmokeBreaks),
    ];
    prop::collection::vec(fault, 1..300)
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(600) })]

    #[test]
    fn the_promises_hold_whatever_happens_and_every_run_ends(
        faults in faults(),
        setting in 0..8usize,
        first in prop::sample::select(GOALS.to_vec()),
        last in prop::sample::select(GOALS.to_vec()),
    ) {
        let (world, policy) = settings().swap_remove(setting);
        let mut env = Loop::new(world, policy);
        env.begin(first);
        let mut turn = 0;
        for fault in faults {
            if let Some(ending) = env.suffer(fault) {
                env.check_ending(&ending);
                turn += 1;
                env.begin(GOALS[turn % GOALS.len()]);
            }
        }
        env.begin(last);
        let ending = env.run_to_its_end();
        // A deploy that was not admitted has nothing to do with how the release before it ended.
        if env.acted || last != Goal::Deploy {
            env.check_ending(&ending);
        }
        if env.world.foreign_writes == 0 {
            env.check_leaks();
        }
        env.a_person_can_set_it_right();
    }
}
