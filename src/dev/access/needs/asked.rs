//! Asking the model through its own operations, as any client would, so that no permission depends on how it keeps
//! what it knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use quick_xml::events::Event;

use crate::dev::cloud::Cloud;
use crate::dev::model;
use crate::dev::wire::{Node, Protocol, Scope, Service, answer};

/// Who asks, and where.
pub(super) struct Ask<'a> {
    pub(super) cloud: &'a Arc<Cloud>,
    pub(super) scope: &'a Scope,
}

/// An element of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

/// How deep an element may nest; no answer does so by half.
const DEPTH_MAX: usize = 32;

impl Ask<'_> {
    /// What an operation answers; nothing if it refuses, for example because there is no such resource.
    pub(super) fn operation(&self, service: Service, name: &str, parameters: &[(&str, &str)]) -> Element {
        let mut form = Node::default();
        for (path, value) in parameters {
            let mut node = &mut form;
            for part in path.split('.') {
                node = node.children.entry(part.to_owned()).or_default();
            }
            node.value = Some((*value).to_owned());
        }
        let Ok(document) = model::ask(self.cloud, self.scope, service, name, &form) else { return Element::default() };
        let written = answer(service, Protocol::Query, name, "", &document);
        Element::parse(&written.body).unwrap_or_default()
    }

    /// `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        let place = &self.scope.place;
        format!("arn:aws:{service}:{}:{}:{resource}", place.region, place.account)
    }
}

impl Element {
    /// Reads a document; `None` if it is none.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut reader = quick_xml::Reader::from_str(std::str::from_utf8(text).ok()?);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    let name = start.local_name().as_ref().to_owned();
                    if open.len() > DEPTH_MAX {
                        return None;
                    }
                    open.push(Self { name, ..Self::default() });
                }
                Event::Empty(start) => {
                    let name = start.local_name().as_ref().to_owned();
                    open.last_mut()?.children.push(Self { name, ..Self::default() });
                }
                Event::End(_) => {
                    let done = open.pop()?;
                    open.last_mut()?.children.push(done);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text),
                Event::CData(text) => open.last_mut()?.text.push_str(&text),
                Event::GeneralRef(reference) => {
                    let last = open.last_mut()?;
                    if let Some(c) = reference.resolve_char_ref().ok()? {
                        last.text.push(c);
                    } else {
                        last.text.push_str(quick_xml::escape::resolve_predefined_entity(&reference)?);
                    }
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if open.len() == 1 { open.pop() } else { None }
    }

    /// All elements of this name, however deep.
    pub(super) fn all<'a>(&'a self, name: &str) -> Vec<&'a Self> {
        let mut found = Vec::new();
        for child in &self.children {
            if child.name == name {
                found.push(child);
            } else {
                found.extend(child.all(name));
            }
        }
        found
    }

    /// What stands in it; the same for the first element of a name below it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The text of the first element of a name, however deep; `None` if there is none or it is empty.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(|element| element.text()).filter(|text| !text.is_empty())
    }

    /// The texts of all elements of a name.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.all(name).into_iter().map(|element| element.text.clone()).collect()
    }

    /// The items of a list.
    pub(super) fn items(&self) -> &[Self] {
        &self.children
    }

    /// Tags: each element with a key and a value directly below it.
    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for child in &self.children {
            let direct =
                |name: &str| child.children.iter().find(|leaf| leaf.name.eq_ignore_ascii_case(name)).map(Self::text);
            if let Some(key) = direct("key") {
                tags.insert(key.to_owned(), direct("value").unwrap_or_default().to_owned());
            } else {
                tags.extend(child.tags());
            }
        }
        tags
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_their_escapes() {
        let text = b"<?xml version=\"1.0\"?><R xmlns=\"x\"><tagSet><item><key>a</key><value>&lt;1&gt; &#228;</value></item><item><key>b</key><value/></item></tagSet></R>";
        let read = Element::parse(text).unwrap();
        assert_eq!(read.tags(), BTreeMap::from([("a".into(), "<1> ä".into()), ("b".into(), String::new())]));
        assert_eq!(read.find("value"), Some("<1> ä"));
    }

    #[test]
    fn what_is_no_document_is_none_and_no_panic() {
        for text in ["<a>", "</a>", "<a></b>", "<a>&unknown;</a>", "<a>&#xFFFFFFFF;</a>", "<"] {
            assert_eq!(Element::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Element::parse("<a>".repeat(100_000).as_bytes()), None);
    }
}
