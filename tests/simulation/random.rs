//! Random plans: a fixed number of seeds, on all cores.

use super::hunt::{Hunt, play, shrink, told};
use super::plan::Plan;

/// So many plans are played by every run of the tests.
const SEEDS: u64 = 60;
/// So many of them are played twice.
const TWICE: u64 = 2;

#[test]
fn random_plans_break_nothing() {
    let jobs = std::thread::available_parallelism().map_or(2, usize::from);
    let tally = Hunt { from: 0, seeds: SEEDS, jobs, bug: None, stop_at_first: false }.run();
    assert_eq!(tally.runs, SEEDS);
    assert!(tally.releases > SEEDS, "most plans start a release or more: {}", tally.releases);
    if let Some((seed, first)) = tally.failures.first() {
        let plan = Plan::of_seed(*seed);
        let kept = shrink(&plan, None, first.invariant);
        let short = plan.keep(|part| kept.contains(&part));
        let keep: Vec<_> = kept.iter().map(ToString::to_string).collect();
        panic!(
            "{} of {SEEDS} seeds break something: {:?}\nthe first, shortened:\n{}\nto see it again:\n  \
             cargo run --release --example simulate -- --seed {seed} --keep {}",
            tally.failed,
            tally.failures.iter().map(|(seed, first)| format!("{seed}: {}", first.invariant)).collect::<Vec<_>>(),
            told(&short, &play(&short, None), false),
            keep.join(","),
        );
    }
}

#[test]
fn a_plan_that_is_played_twice_is_the_same_run() {
    for seed in 0..TWICE {
        let plan = Plan::of_seed(1_000 + seed);
        assert_eq!(plan, Plan::of_seed(1_000 + seed));
        let (one, other) = (play(&plan, None), play(&plan, None));
        for (line, twin) in one.trace.iter().zip(&other.trace) {
            assert_eq!(line.to_string(), twin.to_string(), "seed {}", plan.seed);
        }
        assert_eq!((one.digest, one.trace.len()), (other.digest, other.trace.len()));
    }
}

#[test]
fn a_plan_can_be_written_down_and_read_again_and_parts_can_be_taken_out() {
    let plan = Plan::of_seed(11);
    let written = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&written).unwrap(), plan);
    assert_eq!(plan.keep(|_| true), plan);
    let none = plan.keep(|_| false);
    assert_eq!((none.parts(), none.runners.len(), none.schedule), (0, 0, None));
    let first = plan.keep(|part| part == 0);
    assert_eq!(first.runners.len(), 1);
    assert_eq!(first.runners[0].number, plan.runners[0].number);
}
