//! The check of a file's tree against the schema: finds every mistake of shape, and says what would be right.

use std::collections::HashSet;
use std::ops::Range;

use super::errors::{Mistakes, quote};
use super::rule::{Additional, Kind, Rule, either};
use super::scalar::{Scalar, resolve};
use super::tree::{Entry, Node, Value};

/// Keys that are looked for in the file and stand elsewhere.
const ELSEWHERE: [(&[&str], &str); 2] = [
    (
        &["weight", "weights"],
        "remove it: weights are read from the load balancer (or the DNS records) and never written in the file",
    ),
    (&["active", "live", "current"], "remove it: which color is live is read from the load balancer at every run"),
];

/// Checks the whole file.
pub(super) fn check(rule: &Rule, root: &Node, mistakes: &mut Mistakes) {
    let at = root.entries().first().map_or(root.at.clone(), |e| e.key_at.clone());
    Check { mistakes }.node(rule, root, &Place { path: String::new(), at });
}

/// Where in the file: the path in words, and what the caret points at.
struct Place {
    path: String,
    at: Range<usize>,
}

impl Place {
    fn key(&self, entry: &Entry) -> Self {
        let path = if self.path.is_empty() { entry.key.clone() } else { format!("{}.{}", self.path, entry.key) };
        // A whole block as an underline says less than the key that names it.
        let at = if entry.node.text().is_some() { entry.node.at.clone() } else { entry.key_at.clone() };
        Self { path, at }
    }

    fn item(&self, index: usize, node: &Node) -> Self {
        let at = node.entries().first().map_or(node.at.clone(), |e| e.key_at.clone());
        Self { path: format!("{}[{index}]", self.path), at }
    }

    fn name(&self) -> String {
        if self.path.is_empty() { "the file".into() } else { quote(&self.path) }
    }

    /// ` in …`, or nothing at the top of the file.
    fn inside(&self) -> String {
        if self.path.is_empty() { String::new() } else { format!(" in {}", quote(&self.path)) }
    }
}

struct Check<'m> {
    mistakes: &'m mut Mistakes,
}

impl Check<'_> {
    fn node(&mut self, rule: &Rule, node: &Node, place: &Place) {
        match &node.value {
            Value::Unread => {}
            Value::Scalar { text, plain } => self.scalar(rule, text, *plain, place),
            Value::List(items) if matches!(rule.kind, Some(Kind::Array)) => self.list(rule, items, place),
            Value::List(_) => self.wrong(rule, "a list", place, rule.hint()),
            Value::Map(entries) if rule.words().is_empty() && !rule.one_of.is_empty() => {
                self.one_of(rule, entries, place);
            }
            Value::Map(entries) if matches!(rule.kind, Some(Kind::Object)) => self.map(rule, entries, place),
            Value::Map(_) => {
                let hint = match rule.kind {
                    Some(Kind::Array) => {
                        "write each entry of the list on a line of its own that starts with `- `".into()
                    }
                    _ => rule.hint(),
                };
                self.wrong(rule, "a mapping", place, hint);
            }
        }
    }

    /// A value is not what the rule wants.
    fn wrong(&mut self, rule: &Rule, found: &str, place: &Place, hint: String) {
        let message = format!("{} must be {}; found {found}", place.name(), rule.expected());
        self.mistakes.add(place.at.clone(), message, hint);
    }

    fn scalar(&mut self, rule: &Rule, text: &str, plain: bool, place: &Place) {
        let value = resolve(text, plain);
        let found = value.describe(text);
        if matches!(value, Scalar::Nothing) {
            let message = format!("{} has no value; it must be {}", place.name(), rule.expected());
            return self.mistakes.add(place.at.clone(), message, "write a value, or remove the key");
        }
        let words = rule.words();
        let hint = match (rule.kind, value) {
            _ if !words.is_empty() => match nearest(text, words.iter().copied()) {
                _ if words.contains(&text) && matches!(value, Scalar::Text) => return,
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("write {}", either(&words)),
            },
            (Some(Kind::Integer), Scalar::Integer(number)) if rule.has_in_range(number) => return,
            (Some(Kind::Integer), Scalar::Integer(_)) => rule.hint(),
            (Some(Kind::Integer), Scalar::Text) if !plain => "write the number without quotes".into(),
            (Some(Kind::Integer), Scalar::Number) => "write a whole number in plain digits".into(),
            (Some(Kind::String), Scalar::Text) if rule.fits(text) => return,
            (Some(Kind::String), Scalar::Text) if rule.duration.is_some() && !rule.has_form_of(text) => {
                "write it like 500ms, 10s, 15m, 1h30m or 24h".into()
            }
            (Some(Kind::String), Scalar::Integer(_)) if rule.duration.is_some() => {
                format!("add the unit: `{text}s`, `{text}m` or `{text}h`")
            }
            (Some(Kind::String), Scalar::Boolean | Scalar::Integer(_) | Scalar::Number) if rule.fits(text) => {
                format!("put it in quotes, so that it is text: \"{text}\"")
            }
            _ => rule.hint(),
        };
        self.wrong(rule, &found, place, hint);
    }

    fn list(&mut self, rule: &Rule, items: &[Node], place: &Place) {
        if rule.min_items.is_some_and(|m| items.len() < m) || rule.max_items.is_some_and(|m| items.len() > m) {
            let found = if items.is_empty() { "an empty list".into() } else { format!("a list of {}", items.len()) };
            self.wrong(rule, &found, place, rule.hint());
        }
        let mut seen = HashSet::new();
        for (index, item) in items.iter().enumerate() {
            let place = place.item(index, item);
            if let Some(text) = item.text().filter(|text| rule.unique_items && !seen.insert(*text)) {
                let message = format!("{} is {} for the second time", place.name(), quote(text));
                self.mistakes.add(place.at.clone(), message, "each entry stands once; remove one of the two");
            }
            if let Some(rule) = &rule.items {
                self.node(rule, item, &place);
            }
        }
    }

    /// A mapping that must have exactly one of a few keys.
    fn one_of(&mut self, rule: &Rule, entries: &[Entry], place: &Place) {
        let allowed: Vec<&str> = rule.alternatives().map(|(key, _)| key.as_str()).collect();
        if entries.len() != 1 {
            let message = format!("{} has {} keys; it must have exactly one", place.name(), entries.len());
            self.mistakes.add(place.at.clone(), message, format!("keep one of: {}", either(&allowed)));
        }
        for entry in entries {
            match rule.alternatives().find(|(key, _)| **key == entry.key) {
                Some((_, rule)) => self.node(rule, &entry.node, &place.key(entry)),
                None => {
                    self.unknown_key(entry, &allowed, &[], place);
                }
            }
        }
    }

    fn map(&mut self, rule: &Rule, entries: &[Entry], place: &Place) {
        let present: HashSet<&str> = entries.iter().map(|e| e.key.as_str()).collect();
        let allowed: Vec<&str> = rule.properties.keys().map(String::as_str).collect();
        let absent: Vec<&str> = allowed.iter().copied().filter(|key| !present.contains(key)).collect();
        let count_fits = rule.min_properties.is_none_or(|m| entries.len() >= m)
            && rule.max_properties.is_none_or(|m| entries.len() <= m);
        if !count_fits {
            self.wrong(rule, &entries.len().to_string(), place, rule.hint());
        }
        let mut misspelt = HashSet::new();
        for entry in entries {
            match (rule.properties.get(&entry.key), &rule.additional_properties) {
                (Some(rule), _) => self.node(rule, &entry.node, &place.key(entry)),
                (None, Some(Additional::Each(each))) => {
                    if let Some(names) = &rule.property_names {
                        let name = Place { path: place.path.clone(), at: entry.key_at.clone() };
                        let fits = names.fits(&entry.key);
                        if !fits {
                            let message = format!(
                                "a name{} must be {}; found {}",
                                name.inside(),
                                names.expected(),
                                quote(&entry.key)
                            );
                            self.mistakes.add(name.at, message, rule.hint());
                        }
                    }
                    self.node(each, &entry.node, &place.key(entry));
                }
                (None, _) => misspelt.extend(self.unknown_key(entry, &allowed, &absent, place)),
            }
        }
        for key in &rule.required {
            if !present.contains(key.as_str()) && !misspelt.contains(key.as_str()) {
                let hint = rule.properties.get(key).map_or_else(String::new, |rule| rule.hint_for(key));
                self.mistakes.add(place.at.clone(), format!("the key `{key}` is missing{}", place.inside()), hint);
            }
        }
    }

    /// Reports a key that does not exist; answers the one that was probably meant.
    fn unknown_key<'k>(
        &mut self,
        entry: &Entry,
        allowed: &[&'k str],
        absent: &[&'k str],
        place: &Place,
    ) -> Option<&'k str> {
        let meant =
            nearest(&entry.key, absent.iter().copied()).or_else(|| nearest(&entry.key, allowed.iter().copied()));
        let elsewhere = ELSEWHERE.iter().find(|(keys, _)| keys.contains(&entry.key.as_str()));
        let hint = match (elsewhere, meant) {
            (Some((_, hint)), _) => (*hint).to_owned(),
            (None, Some(meant)) => format!("did you mean `{meant}`?"),
            (None, None) => format!("allowed here: {}", either(allowed).replace(" or ", ", ")),
        };
        let message = format!("unknown key {}{}", quote(&entry.key), place.inside());
        self.mistakes.add(entry.key_at.clone(), message, hint);
        meant.filter(|_| elsewhere.is_none())
    }
}

/// The known word that `word` is probably a misspelling of.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    const LENGTH_MAX: usize = 64;
    const LIKENESS_MIN: f64 = 0.6;
    if word.len() > LENGTH_MAX {
        return None;
    }
    let word = word.to_lowercase().replace('_', "-");
    known
        .map(|k| (strsim::normalized_damerau_levenshtein(&word, &k.to_lowercase()), k))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
