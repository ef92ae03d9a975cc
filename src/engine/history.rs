//! `history`: releases and their outcome, from the journal alone.

use jiff::Timestamp;
use serde::Serialize;

use crate::journal::Log;
use crate::release::{Color, IllegalEvent, Problem, ReleaseId, State};

/// A release and how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReleaseSummary {
    /// Its id.
    pub release: ReleaseId,
    /// Its image.
    pub image: String,
    /// The color that had the traffic before.
    pub from: Color,
    /// The color it brought up.
    pub to: Color,
    /// When it started.
    pub started_at: Timestamp,
    /// When its last event was recorded.
    pub last_at: Timestamp,
    /// Where it stands, or ended.
    pub phase: &'static str,
    /// Who started it: user and machine.
    pub by: Option<String>,
    /// Why it failed or was undone.
    pub failure: Option<Problem>,
}

/// Every release of the journal, oldest first.
///
/// # Errors
/// [`IllegalEvent`] where the events do not follow one from the other.
pub fn summarize(log: &Log) -> Result<Vec<ReleaseSummary>, IllegalEvent> {
    let mut state = State::default();
    let mut summaries: Vec<ReleaseSummary> = Vec::new();
    for (entry, event) in log.events() {
        state.apply(entry.at, event)?;
        let Some(release) = &state.release else { continue };
        let by = log.owner_of(entry.run).map(|o| format!("{}@{}", o.user, o.host));
        let summary = ReleaseSummary {
            release: release.id.clone(),
            image: release.image.clone(),
            from: release.from.clone(),
            to: release.to.clone(),
            started_at: release.started_at,
            last_at: entry.at,
            phase: release.phase.name(),
            by,
            failure: release.failure.clone(),
        };
        match summaries.last_mut().filter(|s| s.release == release.id) {
            Some(last) => *last = ReleaseSummary { by: last.by.take(), ..summary },
            None => {
                // Its previous color was kept for a rollback until now; the next release takes that color.
                if let Some(last) = summaries.last_mut().filter(|s| s.phase == "retaining") {
                    last.phase = "done";
                }
                summaries.push(summary);
            }
        }
    }
    Ok(summaries)
}
