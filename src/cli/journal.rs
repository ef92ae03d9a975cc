//! `switchback journal verify|export|repair ENV`

use clap::{Args, Subcommand};

use super::Exit;
use super::options::Env;
use super::output::Output;
use crate::journal::{Journal, JournalError};
use crate::report::{json_line, repair_text, verdict_text};

/// Look after the journal of an environment: check it, copy it out, or mend it. Asks AWS for the journal's bucket only.
#[derive(Debug, Args)]
pub(super) struct JournalVerb {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Verify(Verify),
    Export(Export),
    Repair(RepairVerb),
}

/// Read every entry and every snapshot, and name whatever was changed, removed or damaged. Changes nothing.
///
/// Ends with 0 where every entry is there as it was written, and with 3 where one is not.
#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    env: Env,
}

/// Print every entry as a JSON object on a line of its own, the oldest first, with the SHA-256 of its bytes.
///
/// Ends with 3 at the first entry that cannot follow those before it; what came before it has been printed.
#[derive(Debug, Args)]
struct Export {
    #[command(flatten)]
    env: Env,
}

/// Put right what can be put right without losing anything.
///
/// Removes what killed runs left behind, writes snapshots from the entries, and sets aside (in the folder `set-aside`)
/// entries that cannot be read in order. Ends with 3 where something is left that only a backup can put right.
#[derive(Debug, Args)]
struct RepairVerb {
    #[command(flatten)]
    env: Env,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

impl JournalVerb {
    pub(super) async fn run(&self, out: &Output) -> Exit {
        let env = match &self.what {
            What::Verify(Verify { env }) | What::Export(Export { env }) | What::Repair(RepairVerb { env, .. }) => env,
        };
        let (environment, journal) = match env.journal(out).await {
            Ok(opened) => opened,
            Err(exit) => return exit,
        };
        self.what.run(&journal, out).await.unwrap_or_else(|error| out.engine_error(&environment.name, &error.into()))
    }
}

impl What {
    async fn run(&self, journal: &Journal, out: &Output) -> Result<Exit, JournalError> {
        match self {
            Self::Verify(_) => {
                let verdict = journal.verify().await?;
                out.result("journal-verified", &verdict, || verdict_text(&verdict));
                Ok(if verdict.problems.is_empty() { Exit::Done } else { Exit::Refused })
            }
            Self::Export(_) => {
                let ended = journal.export(|entry| out.text(&json_line(None, entry))).await;
                ended.map(|()| Exit::Done)
            }
            Self::Repair(RepairVerb { dry_run, .. }) => {
                let repair = if *dry_run { journal.plan_repair().await? } else { journal.repair().await? };
                let value = serde_json::json!({ "dry_run": dry_run, "repair": repair });
                out.result("journal-repaired", &value, || repair_text(&repair, *dry_run));
                Ok(if repair.left.is_empty() { Exit::Done } else { Exit::Refused })
            }
        }
    }
}
