//! `journal verify`: every entry and every snapshot, held against each other; what is wrong is named, all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::entry::{Entry, hash, number};
use super::open::{READS_MAX, last, newest};
use super::snapshot::{self, SNAPSHOT, SNAPSHOT_EVERY};
use super::sum::Sum;
use super::{Journal, JournalError, Log};
use crate::release::IllegalEvent;

/// A file that was staged longer ago than this is no longer written by anybody.
const STAGED_MAX: Duration = Duration::from_secs(60);
/// The most numbers without an entry that are looked for one by one: more are no loss, but a number that no run wrote.
const MISSING_MAX: u64 = 100_000;

/// What somebody who looked at the whole journal found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Where the journal is.
    pub place: String,
    /// How many entries there are.
    pub entries: u64,
    /// How many snapshots of this program's version there are.
    pub snapshots: u64,
    /// SHA-256 (hex) of the last entry's bytes: whoever keeps it sees later whether entries were cut off at the end.
    pub tip: String,
    /// What is wrong, in the order of the entries. Empty: every entry is there, as it was written.
    pub problems: Vec<Finding>,
    /// What is untidy and harms nobody.
    pub untidy: Vec<Finding>,
}

/// One thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The object.
    pub object: String,
    /// What is wrong with it.
    pub what: Wrong,
    /// What was seen, and what was expected.
    pub why: String,
}

/// What can be wrong with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wrong {
    /// An entry is not there, but later ones are.
    Missing,
    /// An entry is not there, and a snapshot knows that it was.
    CutOff,
    /// An entry is not the one that the next one, or a snapshot, followed.
    Changed,
    /// It is not an entry: cut short, or overwritten.
    Damaged,
    /// It is an entry that cannot stand there.
    OutOfPlace,
    /// A snapshot does not say what the entries add up to.
    Snapshot,
    /// The newest snapshot that there should be is not there.
    NoSnapshot,
    /// A run that was killed left it behind.
    Leftover,
}

/// The objects of a journal as they are.
pub(super) struct Objects {
    /// Entry 1 and those after it, up to the last one that there is.
    pub(super) entries: Vec<Option<Bytes>>,
    /// Snapshots of this program's version, by what they stand for.
    pub(super) snapshots: BTreeMap<u64, Bytes>,
    /// The newest snapshot of any version.
    pub(super) newest: u64,
    /// The names of staged files.
    pub(super) leftovers: Vec<String>,
    /// What the entries add up to, at each multiple of [`SNAPSHOT_EVERY`] up to the first that is wrong.
    pub(super) sums: BTreeMap<u64, Sum>,
}

impl Journal {
    /// Reads everything and says all that is wrong with it. Changes nothing.
    ///
    /// # Errors
    /// Where the storage cannot be read, or holds entries of a newer program.
    pub async fn verify(&self) -> Result<Verdict, JournalError> {
        self.inspect().await.map(|(verdict, _)| verdict)
    }

    pub(super) async fn inspect(&self) -> Result<(Verdict, Objects), JournalError> {
        let mut objects = self.objects().await?;
        // What a newer program wrote is not for this one to judge.
        for (seq, bytes) in (1..).zip(objects.entries.iter().flatten()) {
            if let Err(newer @ JournalError::Newer { .. }) = Entry::decode(bytes, &self.place().object(seq)) {
                return Err(newer);
            }
        }
        let mut problems = Vec::new();
        let mut log = Some(Log::default());
        let mut sum = Some(Sum::default());
        let mut readable = true;
        for (at, bytes) in objects.entries.iter().enumerate() {
            let seq = at as u64 + 1;
            let object = self.place().object(seq);
            // What is no entry is named once, and not once more for its hash.
            let before = match at {
                0 => Some(hash(&[])),
                _ => objects.entries[at - 1].as_deref().filter(|_| readable).map(hash),
            };
            let found = match bytes {
                // A snapshot that knows of more has a finding of its own.
                None => Err((Wrong::Missing, object, reason(&self.missing(seq, objects.entries.len() as u64, 0)))),
                Some(bytes) => self.follows(seq, bytes, before, log.as_mut()),
            };
            readable = !matches!(found, Err((Wrong::Missing | Wrong::Damaged, ..)));
            match found {
                Ok(entry) => {
                    sum = sum.take().and_then(|sum| added(sum, &entry, bytes.as_deref().unwrap_or_default()).ok());
                    if let Some(sum) = sum.as_ref().filter(|sum| sum.seq % SNAPSHOT_EVERY == 0) {
                        objects.sums.insert(sum.seq, sum.clone());
                    }
                }
                Err((what, object, why)) => {
                    if what == Wrong::Changed {
                        objects.sums.remove(&(seq - 1));
                    }
                    problems.push(Finding { object, what, why });
                    (log, sum) = (None, None);
                }
            }
        }
        if let Some(Err(error)) = log.as_ref().map(Log::replay) {
            problems.push(self.cannot_follow(&error, objects.entries.len() as u64));
        }
        problems.extend(self.cut_off(&objects));
        problems.extend(self.wrong_snapshots(&objects));
        let tip = objects.entries.last().and_then(Option::as_deref).map_or_else(|| hash(&[]), hash);
        let verdict = Verdict {
            place: self.place().describe(),
            entries: objects.entries.iter().flatten().count() as u64,
            snapshots: objects.snapshots.len() as u64,
            tip,
            problems,
            untidy: self.untidy(&objects),
        };
        Ok((verdict, objects))
    }

    /// The entry in `bytes`, where it can follow the one before it, which has the hash `before`.
    fn follows(
        &self,
        seq: u64,
        bytes: &[u8],
        before: Option<String>,
        log: Option<&mut Log>,
    ) -> Result<Entry, (Wrong, String, String)> {
        let object = self.place().object(seq);
        let entry = match Entry::decode(bytes, &object) {
            Ok(entry) => entry,
            Err(error) => return Err((Wrong::Damaged, object, reason(&error))),
        };
        if entry.seq != seq {
            return Err((Wrong::OutOfPlace, object, format!("it says that it is entry {}", entry.seq)));
        }
        if let Some(before) = before.filter(|before| *before != entry.prev) {
            return Err(match seq {
                1 => (Wrong::OutOfPlace, object, "it follows another entry".into()),
                _ => {
                    let why = format!(
                        "entry {seq} followed one with the hash {}; this one has {before}: it was changed or replaced",
                        entry.prev
                    );
                    (Wrong::Changed, self.place().object(seq - 1), why)
                }
            });
        }
        // From the first thing that is wrong on, nobody knows who held the lease.
        match log.map(|log| log.admit(bytes, &object)) {
            Some(Err(error)) => Err((Wrong::OutOfPlace, object, reason(&error))),
            Some(Ok(())) | None => Ok(entry),
        }
    }

    /// All objects, unjudged.
    async fn objects(&self) -> Result<Objects, JournalError> {
        // A run may be at work. What a snapshot stands for was written before it, so a list that is made later has it.
        let listed = self.snapshots().await?;
        let names = self.place().names(None).await?;
        let (head, there) = (last(&names), names.iter().filter(|name| number(name).is_some()).count() as u64);
        if head.saturating_sub(there) > MISSING_MAX {
            let why = format!("there are {there} entries, and its number is far above: no run has written it");
            return Err(JournalError::Broken { object: self.place().object(head), why });
        }
        let entries =
            futures_util::stream::iter(1..=head).map(|seq| self.place().read(seq)).buffered(READS_MAX).try_collect();
        let ours: Vec<u64> = listed.iter().filter(|(_, version)| *version == SNAPSHOT).map(|(seq, _)| *seq).collect();
        let snapshots = futures_util::stream::iter(ours)
            .map(|seq| async move {
                let bytes = self.place().read_file(&snapshot::name(seq)).await?;
                Ok::<_, JournalError>((seq, bytes.unwrap_or_default()))
            })
            .buffered(READS_MAX)
            .try_collect();
        let (entries, snapshots) = futures_util::try_join!(entries, snapshots)?;
        let old = |name: &String| {
            let written = self.place().local().and_then(|folder| folder.join(name).metadata().ok()?.modified().ok());
            written.and_then(|at| at.elapsed().ok()).is_some_and(|age| age > STAGED_MAX)
        };
        Ok(Objects {
            entries,
            snapshots,
            newest: newest(&listed),
            leftovers: self.staged(names).await?.into_iter().filter(old).collect(),
            sums: BTreeMap::new(),
        })
    }

    /// The files of a folder that were written and not yet linked to their own names, `names` being those right in it.
    async fn staged(&self, names: Vec<String>) -> Result<Vec<String>, JournalError> {
        if self.place().local().is_none() {
            return Ok(Vec::new());
        }
        let of_entry = |name: &str| name.split_once('#').is_some_and(|(name, _)| number(name).is_some());
        let of_snapshot = |name: &str| name.split_once('#').is_some_and(|(name, _)| snapshot::number(name).is_some());
        let mut staged: Vec<String> = names.into_iter().filter(|name| of_entry(name)).collect();
        let snapshots = self.place().names_of(snapshot::FOLDER).await?;
        staged.extend(snapshots.iter().filter(|name| of_snapshot(name)).map(|n| format!("{}/{n}", snapshot::FOLDER)));
        Ok(staged)
    }

    /// Entries that a snapshot knows of and that are gone from the end.
    fn cut_off(&self, objects: &Objects) -> Option<Finding> {
        let head = objects.entries.len() as u64;
        (objects.newest > head).then(|| Finding {
            object: self.place().object(head + 1),
            what: Wrong::CutOff,
            why: format!(
                "there is a snapshot of the first {} entries, and the last one is entry {head}: the others were \
                 removed",
                objects.newest
            ),
        })
    }

    /// Snapshots that do not say what the entries add up to, and entries that are not those that a snapshot was made
    /// of.
    fn wrong_snapshots(&self, objects: &Objects) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (seq, bytes) in &objects.snapshots {
            let name = snapshot::name(*seq);
            let wrong = |why: String| Finding { object: self.place().path_of(&name), what: Wrong::Snapshot, why };
            let entry = usize::try_from(*seq - 1).ok().and_then(|at| objects.entries.get(at)?.as_deref());
            match (snapshot::decode(bytes, *seq), objects.sums.get(seq)) {
                (Err(why), _) => findings.push(wrong(why)),
                (Ok(said), Some(sum)) if said == *sum => {}
                (Ok(said), _) if entry.is_some_and(|entry| is_entry(entry) && hash(entry) != said.tip) => findings
                    .push(Finding {
                        object: self.place().object(*seq),
                        what: Wrong::Changed,
                        why: format!(
                            "the snapshot of the first {seq} entries was made of one with the hash {}; this one has {}",
                            said.tip,
                            entry.map(hash).unwrap_or_default()
                        ),
                    }),
                (Ok(_), Some(_)) => findings.push(wrong("it does not say what the entries add up to".into())),
                // What it was made of is named above.
                (Ok(_), None) => {}
            }
        }
        findings
    }

    fn untidy(&self, objects: &Objects) -> Vec<Finding> {
        let mut untidy: Vec<Finding> = (objects.leftovers.iter())
            .map(|name| Finding {
                object: self.place().path_of(name),
                what: Wrong::Leftover,
                why: "a run was killed while it wrote".into(),
            })
            .collect();
        if let Some(seq) = objects.sums.keys().max().filter(|seq| !objects.snapshots.contains_key(seq)) {
            untidy.push(Finding {
                object: self.place().path_of(&snapshot::name(*seq)),
                what: Wrong::NoSnapshot,
                why: "it is not there; every run reads the entries since the one before it".into(),
            });
        }
        untidy
    }

    fn cannot_follow(&self, error: &IllegalEvent, head: u64) -> Finding {
        let why = format!("up to here the events do not follow one from the other: {error}");
        Finding { object: self.place().object(head), what: Wrong::OutOfPlace, why }
    }
}

/// Whether it can be read at all: what cannot is named as damaged, and not as changed beside that.
fn is_entry(bytes: &[u8]) -> bool {
    Entry::decode(bytes, "").is_ok()
}

/// `sum` and the next entry.
fn added(mut sum: Sum, entry: &Entry, bytes: &[u8]) -> Result<Sum, IllegalEvent> {
    sum.take_in(entry);
    if let super::Body::Event(event) = &entry.body {
        sum.state.apply(entry.at, event)?;
    }
    sum.tip = hash(bytes);
    Ok(sum)
}

/// Why an entry was refused, without the path and without what to do.
fn reason(error: &JournalError) -> String {
    match error {
        JournalError::Corrupt { line, column, why, .. } => format!("line {line}, column {column}: {why}"),
        JournalError::Broken { why, .. } => why.clone(),
        other => other.to_string(),
    }
}
