//! What was found in a journal, and what was done about it, for a person.

use crate::journal::{Finding, Repair, Step, Verdict};

/// What somebody who looked at the whole journal found.
pub fn verdict_text(verdict: &Verdict) -> String {
    let Verdict { place, entries, snapshots, tip, problems, untidy } = verdict;
    let mut text = format!("{place}: {entries} entries, {snapshots} snapshots\n");
    match problems.len() {
        0 => text.push_str(&format!("whole: every entry follows from the one before it; the last one is {tip}\n")),
        1 => text.push_str("broken in one place:\n"),
        n => text.push_str(&format!("broken in {n} places:\n")),
    }
    problems.iter().for_each(|finding| text.push_str(&finding_text(finding)));
    if !untidy.is_empty() {
        text.push_str("untidy (harms nobody; `switchback journal repair` tidies up):\n");
        untidy.iter().for_each(|finding| text.push_str(&finding_text(finding)));
    }
    if !problems.is_empty() {
        text.push_str("see what can be put right with `switchback journal repair --dry-run`\n");
    }
    text
}

/// What a repair did, or would do.
pub fn repair_text(repair: &Repair, dry_run: bool) -> String {
    let Repair { place, steps, left } = repair;
    let mut text = match (steps.is_empty(), dry_run) {
        (true, _) => format!("{place}: there is nothing that a repair does\n"),
        (false, true) => format!("{place}: a repair would\n"),
        (false, false) => format!("{place}: done\n"),
    };
    for step in steps {
        text.push_str(&match step {
            Step::Remove { object } => format!("  remove {object}\n"),
            Step::SetAside { object, to, why } => format!("  set aside {object}\n    as {to}: {why}\n"),
            Step::WriteSnapshot { object } => format!("  write {object} from the entries\n"),
        });
    }
    if !left.is_empty() {
        text.push_str("only a backup (in a versioned bucket, an earlier version of the object) puts this right:\n");
        left.iter().for_each(|finding| text.push_str(&finding_text(finding)));
    }
    text
}

fn finding_text(finding: &Finding) -> String {
    format!("  {}\n    {}\n", finding.object, finding.why)
}
