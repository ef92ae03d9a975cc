//! The simulation outside of the tests: many seeds, or one of them again, with the shortest plan that shows a failure.

mod boundary;
mod clients;
mod generate;
mod hunt;
mod judge;
mod plan;
mod retained;
#[expect(dead_code, reason = "the tests read more of a report")]
mod run;
mod runner;
mod trace;
mod weather;
mod world;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Parser;
use switchback::planted::Bug;

use hunt::{Hunt, play, shrink, told};
use plan::Plan;

/// Plays simulated days of switchback on a simulated AWS and judges them.
#[derive(Debug, Parser)]
#[command(name = "simulate")]
struct Arguments {
    /// How many seeds to play.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// On how many threads; by default on every core.
    #[arg(long)]
    jobs: Option<usize>,
    /// Play this seed alone, and show what happens.
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: only these parts of its plan, as a failure names them.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    keep: Option<Vec<usize>>,
    /// With --seed: show what only looks, too.
    #[arg(long)]
    all: bool,
    /// Plant this bug; `--plant list` names them.
    #[arg(long)]
    plant: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let bug = match arguments.plant.as_deref() {
        None => None,
        Some(name) => match Bug::named(name) {
            Some(bug) => Some(bug),
            None => {
                Bug::ALL.iter().for_each(|bug| println!("{bug:?}"));
                return if name == "list" { ExitCode::SUCCESS } else { ExitCode::from(2) };
            }
        },
    };
    match arguments.seed {
        Some(seed) => show(seed, &arguments, bug),
        None => search(&arguments, bug),
    }
}

fn show(seed: u64, arguments: &Arguments, bug: Option<Bug>) -> ExitCode {
    let whole = Plan::of_seed(seed);
    let plan = match &arguments.keep {
        Some(kept) => whole.keep(|part| kept.contains(&part)),
        None => whole,
    };
    let report = play(&plan, bug);
    println!("{}", told(&plan, &report, arguments.all));
    println!(
        "seed {seed}: {} releases, {} requests, {:?} of virtual time, digest {}",
        report.releases, report.calls, report.took, report.digest
    );
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn search(arguments: &Arguments, bug: Option<Bug>) -> ExitCode {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.unwrap_or(cores);
    let hunt = Hunt { from: arguments.from, seeds: arguments.seeds, jobs, bug, stop_at_first: bug.is_some() };
    let tally = hunt.run();
    let minutes = tally.took.as_secs_f64() / 60.0;
    println!(
        "{} seeds in {:.1} s on {jobs} threads: {} releases, {} requests, {:.1} virtual hours; {:.1} releases per minute \
         and core; {} seeds break something",
        tally.runs,
        tally.took.as_secs_f64(),
        tally.releases,
        tally.calls,
        tally.lived.as_secs_f64() / 3600.0,
        tally.releases as f64 / minutes / jobs as f64,
        tally.failed
    );
    for (seed, first) in &tally.failures {
        println!("seed {seed}: {first}");
    }
    let Some((seed, first)) = tally.failures.first() else { return ExitCode::SUCCESS };
    let plan = Plan::of_seed(*seed);
    let kept: BTreeSet<usize> = shrink(&plan, bug, first.invariant);
    let short = plan.keep(|part| kept.contains(&part));
    println!("\nseed {seed}, shortened to {} of {} parts:", kept.len(), plan.parts());
    println!("{}", told(&short, &play(&short, bug), false));
    let keep: Vec<_> = kept.iter().map(ToString::to_string).collect();
    let plant = arguments.plant.as_ref().map(|name| format!(" --plant {name}")).unwrap_or_default();
    println!(
        "\nto see it again:\n  cargo run --release --example simulate -- --seed {seed} --keep {}{plant}",
        keep.join(",")
    );
    ExitCode::FAILURE
}
