//! A small writer for the answers' XML.

use std::fmt::Display;

use quick_xml::escape::escape;

/// A piece of XML: elements one after the other.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Xml(String);

impl Xml {
    /// `<name>value</name>`, escaped.
    pub(crate) fn leaf(&mut self, name: &str, value: impl Display) -> &mut Self {
        // What XML 1.0 cannot carry in any form is replaced, so that every answer is well-formed.
        let text: String = value.to_string().chars().map(|c| if is_xml_char(c) { c } else { '\u{FFFD}' }).collect();
        self.open(name).0.push_str(&escape(text.as_str()));
        self.close(name)
    }

    /// The same, or nothing.
    pub(crate) fn leaf_if(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.leaf(name, value),
            None => self,
        }
    }

    /// `<name>…</name>` around what `inside` writes.
    pub(crate) fn node(&mut self, name: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        inside(self);
        self.close(name)
    }

    /// `<name><item>…</item><item>…</item></name>`.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        item: &str,
        items: impl IntoIterator<Item = T>,
        mut inside: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.open(name);
        for each in items {
            self.node(item, |xml| inside(xml, each));
        }
        self.close(name)
    }

    /// `<name><item>text</item>…</name>`.
    pub(crate) fn texts<T: Display>(
        &mut self,
        name: &str,
        item: &str,
        items: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        self.open(name);
        for each in items {
            self.leaf(item, each);
        }
        self.close(name)
    }

    /// The text written so far.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn open(&mut self, name: &str) -> &mut Self {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
        self
    }

    fn close(&mut self, name: &str) -> &mut Self {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
        self
    }
}

const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..='\u{10FFFF}')
}
