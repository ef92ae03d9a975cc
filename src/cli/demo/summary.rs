//! What the demo adds up to.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::dev::load::LoadSummary;
use crate::engine::FlipKind;
use crate::release::Color;

/// One move of the traffic.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Flip {
    pub(super) kind: FlipKind,
    pub(super) to: Color,
    pub(super) ms: u64,
}

/// The last line of the demo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Summary {
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) seconds: f64,
    pub(super) requests_per_second: f64,
    pub(super) requests_by_version: BTreeMap<String, u64>,
    pub(super) requests_by_color: BTreeMap<String, u64>,
    pub(super) flips: Vec<Flip>,
    pub(super) aws_calls: BTreeMap<String, u64>,
    pub(super) errors: Vec<String>,
}

impl Summary {
    pub(super) fn new(
        load: LoadSummary,
        colors: &BTreeMap<String, Color>,
        flips: Vec<Flip>,
        aws_calls: BTreeMap<String, u64>,
    ) -> Self {
        let mut requests_by_color = BTreeMap::new();
        for (version, count) in &load.by_version {
            let color = colors.get(version).map_or("neither color", Color::as_str);
            *requests_by_color.entry(color.to_owned()).or_default() += count;
        }
        Self {
            requests: load.sent,
            failed: load.failed,
            seconds: load.elapsed.as_secs_f64(),
            requests_per_second: load.requests_per_second(),
            requests_by_version: load.by_version,
            requests_by_color,
            flips,
            aws_calls,
            errors: load.errors,
        }
    }

    /// The summary as a table.
    pub(super) fn text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.add_row(["requests sent".to_string(), self.requests.to_string()]);
        table.add_row(["requests failed".to_string(), self.failed.to_string()]);
        table.add_row([
            "requests per second".to_string(),
            format!("{:.0} for {:.1} s", self.requests_per_second, self.seconds),
        ]);
        for (color, count) in &self.requests_by_color {
            table.add_row([format!("requests to {color}"), count.to_string()]);
        }
        for flip in &self.flips {
            let label = match flip.kind {
                FlipKind::Deploy => "flip to",
                FlipKind::Rollback => "rollback to",
            };
            table.add_row([format!("{label} {}", flip.to), format!("{} ms", flip.ms)]);
        }
        let total: u64 = self.aws_calls.values().sum();
        table.add_row(["AWS calls".to_string(), total.to_string()]);
        for (operation, count) in &self.aws_calls {
            table.add_row([format!("  {operation}"), count.to_string()]);
        }
        let mut text = format!("{}\n", table.trim_fmt());
        for error in &self.errors {
            text.push_str(&format!("failed: {error}\n"));
        }
        text
    }
}
