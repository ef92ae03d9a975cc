//! YAML text to a tree that knows where each part of it stands.
//!
//! The environment file uses plain YAML only: one document, no anchors, aliases, merge keys or tags. So nothing in it
//! can grow beyond its own text, and what a reviewer reads is what is meant.

use std::collections::HashMap;
use std::ops::Range;

use serde_yaml::granit_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::errors::{Mistakes, quote};

/// The file's own structure is seven levels deep.
const DEPTH_MAX: usize = 20;

/// A part of the file.
pub(super) struct Node {
    /// Where it stands: bytes of the text.
    pub at: Range<usize>,
    pub value: Value,
}

/// What a part of the file is.
pub(super) enum Value {
    /// A single value; `plain` where it has no quotes, so that `5` is a number and `"5"` is text.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// An alias, already reported.
    Unread,
}

/// A key and its value.
pub(super) struct Entry {
    pub key: String,
    pub key_at: Range<usize>,
    pub node: Node,
}

impl Node {
    /// The entry under `key`, in a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|e| e.key == key)
    }

    /// The entry that `keys` lead to, from map to map.
    pub(super) fn find(&self, keys: &[&str]) -> Option<&Entry> {
        let (first, rest) = keys.split_first()?;
        let entry = self.get(first)?;
        if rest.is_empty() { Some(entry) } else { entry.node.find(rest) }
    }

    /// The entries of a map; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text of a single value.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// A map or list whose end has not been read yet.
enum Open {
    List {
        at: Range<usize>,
        items: Vec<Node>,
    },
    Map {
        at: Range<usize>,
        entries: Vec<Entry>,
        seen: HashMap<String, Range<usize>>,
        key: Option<(String, Range<usize>)>,
    },
}

/// The tree of `text`; `None` where its structure cannot be read, with the reason among the mistakes.
pub(super) fn read(text: &str, mistakes: &mut Mistakes) -> Option<Node> {
    let mut root = None;
    let mut open: Vec<Open> = Vec::new();
    let mut documents = 0;
    let mut extras = Extras::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                syntax_error(text, error.marker(), &error.info(), mistakes);
                return None;
            }
        };
        let at = bytes(text, &span);
        extras.note(&event, &at);
        let node = match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    let hint = "write one file for each environment";
                    mistakes.add(at, "a second YAML document starts here; a file holds one environment", hint);
                    return None;
                }
                continue;
            }
            Event::Scalar(value, style, ..) => {
                Node { at, value: Value::Scalar { text: value.into_owned(), plain: style == ScalarStyle::Plain } }
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => Node { at, value: Value::Unread },
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() == DEPTH_MAX => {
                let message = format!("nested more than {DEPTH_MAX} levels deep");
                mistakes.add(at, message, "no key of an environment file is that deep; look for an unclosed bracket");
                return None;
            }
            Event::SequenceStart(..) => {
                open.push(Open::List { at, items: Vec::new() });
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map { at, entries: Vec::new(), seen: HashMap::new(), key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List { at, items }) => Node { at, value: Value::List(items) },
                Some(Open::Map { at, entries, .. }) => Node { at, value: Value::Map(entries) },
                None => continue,
            },
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, seen, key, .. }) => match key.take() {
                None => *key = Some(key_of(node, mistakes)),
                Some((key, key_at)) => add_entry(text, entries, seen, Entry { key, key_at, node }, mistakes),
            },
        }
    }
    extras.report(mistakes);
    if root.is_none() && mistakes.is_empty() {
        mistakes.add_to_file("the file holds nothing", "start from one of the examples under environments/");
    }
    root
}

/// What YAML has and an environment file does not: where each was first seen, and how often.
#[derive(Default)]
struct Extras {
    aliases: Vec<Range<usize>>,
    anchors: Vec<Range<usize>>,
    tags: Vec<Range<usize>>,
}

impl Extras {
    fn note(&mut self, event: &Event<'_>, at: &Range<usize>) {
        if event.is_alias() {
            self.aliases.push(at.clone());
        } else if event.anchor_id().is_some() {
            self.anchors.push(at.clone());
        }
        if event.tag().is_some() {
            self.tags.push(at.clone());
        }
    }

    /// One mistake for each kind: a file that uses aliases uses many.
    fn report(self, mistakes: &mut Mistakes) {
        let plain = "write the value out, without it: what stands in the file is what is meant";
        let kinds = [
            (self.aliases, "this is an alias (`*name`); an environment file has none", plain),
            (self.anchors, "this value has an anchor (`&name`); an environment file has none", plain),
            (self.tags, "this value has a tag (`!name`); an environment file has none", "remove it; quotes make text"),
        ];
        for (places, message, hint) in kinds {
            let Some(first) = places.first() else { continue };
            let more = match places.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more below)"),
            };
            mistakes.add(first.clone(), message, format!("{hint}{more}"));
        }
    }
}

/// A key must be a single value; anything else is reported and stands in the tree under a name that nothing has.
fn key_of(node: Node, mistakes: &mut Mistakes) -> (String, Range<usize>) {
    match node.value {
        Value::Scalar { text, .. } => (text, node.at),
        Value::Unread => (String::new(), node.at),
        Value::List(_) | Value::Map(_) => {
            mistakes.add(node.at.clone(), "a list or a mapping cannot be a key", "write a single word before the `:`");
            (String::new(), node.at)
        }
    }
}

/// Adds an entry, unless its key was there before.
fn add_entry(
    text: &str,
    entries: &mut Vec<Entry>,
    seen: &mut HashMap<String, Range<usize>>,
    mut entry: Entry,
    mistakes: &mut Mistakes,
) {
    if entry.key == "<<" {
        let hint = "write the keys out; what stands in the file is what is meant";
        mistakes.add(entry.key_at, "merge keys (`<<`) are not part of an environment file", hint);
        return;
    }
    if let Some(first) = seen.get(&entry.key) {
        let line = text[..first.start].matches('\n').count() + 1;
        let message = format!("the key {} is here for the second time; the first is on line {line}", quote(&entry.key));
        mistakes.add(entry.key_at, message, "remove one of the two");
        return;
    }
    if entry.node.text().is_some() && entry.node.at.is_empty() {
        // A key without a value: the key is what can be pointed at.
        entry.node.at = entry.key_at.clone();
    }
    seen.insert(entry.key.clone(), entry.key_at.clone());
    if !entry.key.is_empty() {
        entries.push(entry);
    }
}

fn syntax_error(text: &str, marker: &Marker, info: &str, mistakes: &mut Mistakes) {
    let start = byte(text, marker);
    let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let indent = text[line_start..].chars().take_while(|c| c.is_whitespace() && *c != '\n');
    let hint = if indent.into_iter().any(|c| c == '\t') {
        "YAML is indented with spaces, never with tabs"
    } else {
        "look for a missing quote, bracket or `:`, or a wrong indentation, here or on the line before"
    };
    mistakes.add(start..start, format!("this is not YAML: {info}"), hint);
}

fn bytes(text: &str, span: &Span) -> Range<usize> {
    let start = byte(text, &span.start);
    start..byte(text, &span.end).max(start)
}

/// The byte a marker stands at, on a character's boundary and inside the text.
fn byte(text: &str, marker: &Marker) -> usize {
    text.floor_char_boundary(marker.byte_offset().unwrap_or(0))
}
