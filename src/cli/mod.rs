//! The command line: one file per verb; the only code that reads flags.

mod abort;
mod adopt;
mod demo;
mod deploy;
mod dev;
mod exit;
mod history;
mod journal;
mod lease;
mod options;
mod output;
mod plan;
mod print;
mod reconcile;
mod rollback;
mod run;
mod schema;
mod seed;
mod status;
mod sweep;
mod validate;
mod watcher;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

pub use exit::Exit;
use options::Shared;

/// Releases new versions of a service behind AWS load balancers with no failed request.
///
/// Two colors stand behind one load balancer rule (or a pair of weighted DNS records). The idle one is provisioned from
/// an immutable image, smoke-tested on its private endpoint, and takes the traffic in one step; the previous one stays
/// warm for an instant rollback until its retention runs out.
#[derive(Debug, Parser)]
#[command(name = "switchback", version, propagate_version = true, after_help = exit::HELP)]
struct Cli {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Validate(validate::Validate),
    Schema(schema::Schema),
    Plan(plan::PlanVerb),
    Deploy(deploy::Deploy),
    Rollback(rollback::Rollback),
    Status(status::StatusVerb),
    History(history::History),
    Journal(journal::JournalVerb),
    Abort(abort::Abort),
    Lease(lease::LeaseVerb),
    Adopt(adopt::Adopt),
    Reconcile(reconcile::Reconcile),
    Sweep(sweep::Sweep),
    Dev(Box<dev::Dev>),
    Demo(demo::Demo),
    #[command(hide = true)]
    DevApp(dev::DevApp),
}

/// Reads the command line, runs the verb, and says how the process ends.
pub fn main() -> ExitCode {
    let started = Instant::now();
    let cli = Cli::parse();
    cli.shared.start_log();
    let out = cli.shared.output();
    let ended = match &cli.verb {
        Verb::Validate(verb) => verb.run(&out),
        Verb::Schema(verb) => verb.run(&out),
        Verb::Plan(verb) => run::alone(verb.run(&out, started)),
        Verb::Deploy(verb) => run::alone(verb.run(&out, started)),
        Verb::Rollback(verb) => run::alone(verb.run(&out, started)),
        Verb::Status(verb) => run::alone(verb.run(&out, started)),
        Verb::History(verb) => run::alone(verb.run(&out)),
        Verb::Journal(verb) => run::alone(verb.run(&out)),
        Verb::Abort(verb) => run::alone(verb.run(&out, started)),
        Verb::Lease(verb) => run::alone(verb.run(&out, started)),
        Verb::Adopt(verb) => run::alone(verb.run(&out, started)),
        Verb::Reconcile(verb) => run::alone(verb.run(&out, started)),
        Verb::Sweep(verb) => run::alone(verb.run(&out, started)),
        Verb::Dev(verb) => run::on_all_cores(verb.run(&out)),
        Verb::Demo(verb) => run::on_all_cores(verb.run(&out)),
        Verb::DevApp(verb) => run::alone(verb.run()),
    };
    match print::lost() {
        Some(why) if ended == Exit::Done => {
            out.usage(&format!("the verb is done, but its result could not be written to stdout: {why}"));
            Exit::Unexpected.into()
        }
        _ => ended.into(),
    }
}
