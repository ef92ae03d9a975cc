//! `journal repair`: what can be put right without losing anything, and what only a backup can.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use super::entry::{Entry, hash, name};
use super::inspect::{Finding, Objects, Verdict, Wrong};
use super::place::Slot;
use super::sum::SETTLE;
use super::{Journal, JournalError, snapshot};
use crate::release::CLOCKS_APART_MAX;

/// What a repair does, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// Where the journal is.
    pub place: String,
    /// One after the other.
    pub steps: Vec<Step>,
    /// What no step puts right: it takes a backup, or an earlier version of the object from a versioned bucket.
    pub left: Vec<Finding>,
}

/// One step of a repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// A file that a killed run left behind, and nobody reads, is removed.
    Remove {
        /// Its path.
        object: String,
    },
    /// An object is moved to where nobody reads it, and kept there.
    SetAside {
        /// Its path.
        object: String,
        /// Where it goes.
        to: String,
        /// Why.
        why: String,
    },
    /// A snapshot is written from the entries.
    WriteSnapshot {
        /// Its path.
        object: String,
    },
}

/// A step with the names that it works on.
enum Work {
    Remove { name: String },
    SetAside { name: String, to: String, bytes: Bytes, why: String },
    WriteSnapshot { name: String, bytes: Bytes },
}

impl Journal {
    /// What [`Journal::repair`] would do. Changes nothing.
    ///
    /// # Errors
    /// Where the storage cannot be read.
    pub async fn plan_repair(&self) -> Result<Repair, JournalError> {
        let (verdict, objects) = self.inspect().await?;
        let work = self.work(&verdict, &objects);
        Ok(self.told(&work, &verdict, &objects))
    }

    /// Puts right what can be put right without losing anything: it removes what killed runs left behind, writes
    /// snapshots from the entries, and sets entries aside that cannot be read in order, with all that follow them.
    ///
    /// # Errors
    /// [`JournalError::Alive`] where entries would be set aside and a run may be at work; where the storage cannot be
    /// read or written.
    pub async fn repair(&self) -> Result<Repair, JournalError> {
        let (verdict, objects) = self.inspect().await?;
        let work = self.work(&verdict, &objects);
        if work.iter().any(|work| matches!(work, Work::SetAside { name, .. } if !name.contains('/'))) {
            self.nobody_is_alive(&objects)?;
        }
        // Everything that goes away is there twice before the first of it goes.
        for work in &work {
            if let Work::SetAside { to, bytes, .. } = work
                && self.place().create_file(to, bytes).await? == Slot::Taken
            {
                let object = self.place().path_of(to);
                return Err(JournalError::Store { doing: "write", object, why: "something else is there".into() });
            }
        }
        // From the end: a repair that is cut off leaves a journal that is still seen to be broken.
        for work in work.iter().rev() {
            match work {
                Work::SetAside { name, .. } => self.place().remove(name).await?,
                Work::Remove { name } => self.remove_leftover(name)?,
                Work::WriteSnapshot { .. } => {}
            }
        }
        for work in &work {
            if let Work::WriteSnapshot { name, bytes } = work {
                self.place().create_file(name, bytes).await?;
            }
        }
        Ok(self.told(&work, &verdict, &objects))
    }

    fn work(&self, verdict: &Verdict, objects: &Objects) -> Vec<Work> {
        let aside = format!("set-aside/{}", self.clock().now().strftime("%Y%m%d-%H%M%S"));
        let set_aside = |name: String, bytes: &Bytes, why: &str| Work::SetAside {
            to: format!("{aside}/{}", name.replace('/', "-")),
            name,
            bytes: bytes.clone(),
            why: why.to_owned(),
        };
        let mut work: Vec<Work> = objects.leftovers.iter().map(|name| Work::Remove { name: name.clone() }).collect();
        let end = self.readable(verdict, objects);
        for (seq, bytes) in (1..).zip(&objects.entries).skip(end) {
            if let Some(bytes) = bytes {
                work.push(set_aside(name(seq), bytes, "an entry before it, or itself, cannot be read"));
            }
        }
        // A snapshot may know better than entries that were changed or removed.
        if verdict.problems.iter().any(|p| matches!(p.what, Wrong::Changed | Wrong::CutOff)) {
            return work;
        }
        let whole = |seq: u64| seq <= end as u64;
        let path = |seq: u64| self.place().path_of(&snapshot::name(seq));
        let wrong = |seq: u64| {
            let object = path(seq);
            verdict.problems.iter().any(|p| p.what == Wrong::Snapshot && p.object == object)
        };
        for (seq, bytes) in &objects.snapshots {
            if !whole(*seq) {
                work.push(set_aside(snapshot::name(*seq), bytes, "it stands for an entry that is set aside"));
            } else if wrong(*seq) {
                work.push(set_aside(snapshot::name(*seq), bytes, "it does not say what the entries add up to"));
            }
        }
        let newest = objects.sums.keys().copied().filter(|seq| whole(*seq)).max();
        for (seq, sum) in objects.sums.iter().filter(|(seq, _)| whole(**seq)) {
            if wrong(*seq) || (newest == Some(*seq) && !objects.snapshots.contains_key(seq)) {
                work.push(Work::WriteSnapshot { name: snapshot::name(*seq), bytes: snapshot::encode(sum) });
            }
        }
        work
    }

    /// How many entries stay: those before the first that stops every run, because it is missing or cannot be read.
    /// What a snapshot stands for stops none: without it the journal would go back to what was so long ago. Where an
    /// entry was changed or cut off, nobody can tell what it said, and all stay as they are.
    fn readable(&self, verdict: &Verdict, objects: &Objects) -> usize {
        let all = objects.entries.len();
        let beyond_us = verdict.problems.iter().any(|p| matches!(p.what, Wrong::Changed | Wrong::CutOff));
        let base = objects.snapshots.iter().rev().find_map(|(seq, bytes)| {
            let (sum, count) = (snapshot::decode(bytes, *seq).ok()?, usize::try_from(*seq).ok()?);
            let entry = objects.entries.get(count - 1)?.as_ref()?;
            (hash(entry) == sum.tip).then_some(count)
        });
        let hole = (1..).zip(&objects.entries).skip(base.unwrap_or(0)).find(|(seq, bytes)| {
            bytes.as_ref().is_none_or(|bytes| !Entry::decode(bytes, "").is_ok_and(|entry| entry.seq == *seq))
        });
        match hole {
            Some((seq, _)) if !beyond_us => usize::try_from(seq - 1).unwrap_or(all),
            _ => all,
        }
    }

    fn told(&self, work: &[Work], verdict: &Verdict, objects: &Objects) -> Repair {
        let path = |name: &str| self.place().path_of(name);
        let steps: Vec<Step> = (work.iter())
            .map(|work| match work {
                Work::Remove { name } => Step::Remove { object: path(name) },
                Work::SetAside { name, to, why, .. } => {
                    Step::SetAside { object: path(name), to: path(to), why: why.clone() }
                }
                Work::WriteSnapshot { name, .. } => Step::WriteSnapshot { object: path(name) },
            })
            .collect();
        let stay = self.readable(verdict, objects) as u64;
        let staying: BTreeSet<String> = (1..=stay).map(|seq| self.place().object(seq)).collect();
        let left = verdict.problems.iter().filter(|problem| match problem.what {
            Wrong::Changed | Wrong::CutOff => true,
            Wrong::Missing | Wrong::Damaged | Wrong::OutOfPlace => staying.contains(&problem.object),
            Wrong::Snapshot => {
                !steps.iter().any(|step| matches!(step, Step::SetAside { object, .. } if *object == problem.object))
            }
            Wrong::NoSnapshot | Wrong::Leftover => false,
        });
        Repair { place: verdict.place.clone(), left: left.cloned().collect(), steps }
    }

    /// Refuses while some run may hold the lease, by any of the entries that can be read.
    fn nobody_is_alive(&self, objects: &Objects) -> Result<(), JournalError> {
        let entries = objects.entries.iter().flatten().filter_map(|bytes| Entry::decode(bytes, "").ok());
        // A release after that gives the lease back, but what came after the hole may not have been read by its writer.
        let until: Option<Timestamp> = entries.filter_map(|entry| entry.lease_until).max();
        let safe = until.map(|until| until.checked_add(CLOCKS_APART_MAX + SETTLE).unwrap_or(Timestamp::MAX));
        match safe.filter(|safe| *safe > self.clock().now()) {
            Some(safe) => Err(JournalError::Alive { environment: self.environment().into(), until: safe }),
            None => Ok(()),
        }
    }

    /// Removes a staged file of the folder. A writer that is still at it sees that it is gone and writes again.
    fn remove_leftover(&self, name: &str) -> Result<(), JournalError> {
        let Some(folder) = self.place().local() else { return Ok(()) };
        match std::fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(JournalError::ReadOnly { object: self.place().path_of(name), why: error.to_string() })
            }
            _ => Ok(()),
        }
    }
}
