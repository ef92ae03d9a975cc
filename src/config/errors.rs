//! Every mistake of an environment file, and how it is told to a person and to a program.

use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

/// More would not be read; the rest is counted.
const MISTAKES_MAX: usize = 50;

/// Everything that is wrong with an environment file, in the order of the file.
///
/// Its `Display` is the text for a person, without colors: one paragraph for each mistake, with the line it is on.
#[derive(Debug)]
pub struct ConfigErrors {
    file: PathBuf,
    text: String,
    mistakes: Vec<Mistake>,
    omitted: usize,
}

/// One thing that is wrong with an environment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as it was named by whoever asked for it.
    pub file: String,
    /// The line, counted from 1; `None` where the file as a whole is meant.
    pub line: Option<usize>,
    /// The column in characters, counted from 1; `None` where the file as a whole is meant.
    pub column: Option<usize>,
    /// What is wrong, and what was expected.
    pub message: String,
    /// What to do.
    pub hint: String,
    at: Option<Range<usize>>,
}

impl ConfigErrors {
    /// The mistakes, in the order of the file; at least one, at most 50.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }

    /// How many further mistakes were found and are not listed.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// The text for a person, with terminal colors where `colored`.
    pub fn render(&self, colored: bool) -> String {
        let renderer = if colored { Renderer::styled() } else { Renderer::plain() };
        let mut parts: Vec<String> = self.mistakes.iter().map(|m| self.render_one(m, &renderer)).collect();
        if self.omitted > 0 {
            parts.push(format!("and {} more mistakes in {}", self.omitted, self.file.display()));
        }
        parts.join("\n\n")
    }

    fn render_one(&self, mistake: &Mistake, renderer: &Renderer) -> String {
        let (Some(line), Some(at)) = (mistake.line, &mistake.at) else {
            let title =
                Level::ERROR.primary_title(mistake.message.as_str()).element(Origin::path(mistake.file.as_str()));
            return renderer.render(&[title.element(Level::HELP.message(mistake.hint.as_str()))]);
        };
        let start = line_start(&self.text, at.start);
        let end = self.text[start..].find('\n').map_or(self.text.len(), |i| start + i);
        let caret = at.start - start..at.end.clamp(at.start, end.max(at.start)) - start;
        let snippet = Snippet::source(self.text[start..end].trim_end_matches('\r'))
            .line_start(line)
            .path(mistake.file.as_str())
            .annotation(AnnotationKind::Primary.span(caret));
        let title = Level::ERROR.primary_title(mistake.message.as_str());
        renderer.render(&[title.element(snippet).element(Level::HELP.message(mistake.hint.as_str()))])
    }

    /// The mistakes as JSON objects with `file`, `line`, `column`, `message` and `hint`; line and column are `null`
    /// where the file as a whole is meant.
    pub fn to_json(&self) -> Vec<serde_json::Value> {
        self.mistakes
            .iter()
            .map(|m| {
                serde_json::json!({
                    "file": m.file, "line": m.line, "column": m.column, "message": m.message, "hint": m.hint,
                })
            })
            .collect()
    }
}

impl std::fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigErrors {}

/// Collects what is wrong while a file is read.
pub(super) struct Mistakes {
    file: PathBuf,
    text: String,
    list: Vec<(Option<Range<usize>>, String, String)>,
}

impl Mistakes {
    pub(super) fn new(file: &Path, text: String) -> Self {
        Self { file: file.to_owned(), text, list: Vec::new() }
    }

    /// A mistake at some bytes of the text.
    pub(super) fn add(&mut self, at: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.list.push((Some(at), message.into(), hint.into()));
    }

    /// A mistake of the file as a whole.
    pub(super) fn add_to_file(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.list.push((None, message.into(), hint.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The mistakes in the order of the file.
    pub(super) fn into_errors(mut self) -> ConfigErrors {
        self.list.sort_by_key(|(at, ..)| at.as_ref().map(|at| at.start));
        let omitted = self.list.len().saturating_sub(MISTAKES_MAX);
        self.list.truncate(MISTAKES_MAX);
        let file = self.file.display().to_string();
        let mistakes = self
            .list
            .into_iter()
            .map(|(at, message, hint)| {
                let place = at.as_ref().map(|at| place(&self.text, at.start));
                let (line, column) = place.unzip();
                Mistake { file: file.clone(), line, column, message, hint, at }
            })
            .collect();
        ConfigErrors { file: self.file, text: self.text, mistakes, omitted }
    }
}

/// Line and column, counted from 1, of a byte of the text.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let start = line_start(text, byte);
    (text[..start].matches('\n').count() + 1, text[start..byte].chars().count() + 1)
}

fn line_start(text: &str, byte: usize) -> usize {
    text[..byte].rfind('\n').map_or(0, |i| i + 1)
}

/// What a user wrote, between backticks: nothing that changes how a terminal shows the rest, and not longer than a
/// message can bear.
pub(super) fn quote(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut shown = String::new();
    for c in text.chars().take(CHARS_MAX) {
        match c {
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(c.escape_unicode())
            }
            c if c.is_control() => shown.extend(c.escape_debug()),
            c => shown.push(c),
        }
    }
    let rest = if text.chars().nth(CHARS_MAX).is_some() { "…" } else { "" };
    format!("`{shown}{rest}`")
}
