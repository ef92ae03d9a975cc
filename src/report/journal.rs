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
    for alike in steps.chunk_by(are_set_aside_alike) {
        text.push_str(&match alike {
            [Step::SetAside { object, to, .. }, .., Step::SetAside { object: last, to: last_to, why }] => {
                let count = alike.len();
                format!(
                    "  set aside {count} objects, from {object}\n    to {last}\n    as {to}\n    to {last_to}: {why}\n"
                )
            }
            alike => alike.iter().map(step_text).collect(),
        });
    }
    if !left.is_empty() {
        text.push_str("only a backup (in a versioned bucket, an earlier version of the object) puts this right:\n");
        left.iter().for_each(|finding| text.push_str(&finding_text(finding)));
    }
    text
}

fn step_text(step: &Step) -> String {
    match step {
        Step::Remove { object } => format!("  remove {object}\n"),
        Step::SetAside { object, to, why } => format!("  set aside {object}\n    as {to}: {why}\n"),
        Step::WriteSnapshot { object } => format!("  write {object} from the entries\n"),
    }
}

/// Whether two steps can be told in one line: thousands of entries may follow one that is missing.
fn are_set_aside_alike(one: &Step, next: &Step) -> bool {
    matches!((one, next), (Step::SetAside { why, .. }, Step::SetAside { why: other, .. }) if why == other)
}

fn finding_text(finding: &Finding) -> String {
    format!("  {}\n    {}\n", finding.object, finding.why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_set_aside_for_the_same_reason_are_told_in_one_line() {
        let set_aside = |seq: u32, why: &str| Step::SetAside {
            object: format!("j/{seq}.json"),
            to: format!("j/set-aside/{seq}.json"),
            why: why.into(),
        };
        let steps = (51..=123).map(|seq| set_aside(seq, "an entry before it is missing"));
        let snapshot = set_aside(64, "it stands for an entry that is set aside");
        let repair = Repair { place: "j".into(), steps: steps.chain([snapshot]).collect(), left: vec![] };
        let expected = "\
j: a repair would
  set aside 73 objects, from j/51.json
    to j/123.json
    as j/set-aside/51.json
    to j/set-aside/123.json: an entry before it is missing
  set aside j/64.json
    as j/set-aside/64.json: it stands for an entry that is set aside
";
        assert_eq!(repair_text(&repair, true), expected);
    }
}
