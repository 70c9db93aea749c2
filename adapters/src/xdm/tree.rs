//! XML as a small tree that keeps texts between elements, as narratives need them. No DTD, bounded in depth and count.

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

/// One element. Names are without their prefix: CDA and ebRIM share none.
#[derive(Clone, Default)]
pub(super) struct Element {
    pub(super) name: String,
    /// Line of the file, from 1.
    pub(super) line: u64,
    attributes: Vec<(String, String)>,
    nodes: Vec<Node>,
}

/// What stands in an element.
#[derive(Clone)]
pub(super) enum Node {
    Text(String),
    Element(Element),
}

/// Why a file is not a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotXml {
    /// Not UTF-8, or not well-formed.
    Malformed,
    /// It declares a type of document (DTD), which is never followed.
    Doctype,
    /// Too deep, or too many elements.
    TooLarge,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every child of a name.
    pub(super) fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children().filter(move |child| child.name == name)
    }

    /// The first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children().find(|child| child.name == name)
    }

    /// The first element at the end of names.
    pub(super) fn at(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |at, name| at.child(name))
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The texts of this element alone, trimmed; nothing where they are blank.
    pub(super) fn text(&self) -> Option<String> {
        let texts = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        Some(texts.collect::<String>().trim().to_owned()).filter(|text| !text.is_empty())
    }
}

/// Reads a file of UTF-8.
pub(super) fn read(bytes: &[u8]) -> Result<Element, NotXml> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|_| NotXml::Malformed)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let (mut open, mut root, mut count) = (Vec::<Element>::new(), None, 0);
    let (mut line, mut counted) = (1, 0);
    loop {
        let event = reader.read_event().map_err(|_| NotXml::Malformed)?;
        match event {
            Event::Start(start) => {
                count += 1;
                if open.len() >= MAX_DEPTH || count > MAX_ELEMENTS {
                    return Err(NotXml::TooLarge);
                }
                if open.is_empty() && root.is_some() {
                    return Err(NotXml::Malformed);
                }
                open.push(element(&start, line)?);
            }
            Event::End(_) => {
                let element = open.pop().ok_or(NotXml::Malformed)?;
                match open.last_mut() {
                    Some(parent) => parent.nodes.push(Node::Element(element)),
                    None => root = Some(element),
                }
            }
            Event::Text(text) => put(&mut open, &text.xml10_content()),
            Event::CData(text) => put(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let known = match reference.resolve_char_ref() {
                    Ok(Some(c)) => Some(c.to_string()),
                    Ok(None) => quick_xml::escape::resolve_xml_entity(&reference).map(str::to_owned),
                    Err(_) => None,
                };
                put(&mut open, &known.ok_or(NotXml::Malformed)?);
            }
            Event::DocType(_) => return Err(NotXml::Doctype),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
        let to = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        line += text.as_bytes().get(counted..to).unwrap_or_default().iter().filter(|b| **b == b'\n').count() as u64;
        counted = to;
    }
    root.filter(|_| open.is_empty()).ok_or(NotXml::Malformed)
}

fn put(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        match element.nodes.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            Some(Node::Element(_)) | None => element.nodes.push(Node::Text(text.to_owned())),
        }
    }
}

fn element(start: &BytesStart<'_>, line: u64) -> Result<Element, NotXml> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| NotXml::Malformed)?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| NotXml::Malformed)?.into_owned();
        attributes.push((attribute.key.local_name().as_ref().to_owned(), value));
    }
    Ok(Element { name: start.local_name().as_ref().to_owned(), line, attributes, nodes: Vec::new() })
}

/// Text as it may stand between tags and in an attribute. What XML 1.0 has no way to write becomes the replacement character.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'.. => out.push(c),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

const MAX_DEPTH: usize = 64;
const MAX_ELEMENTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_texts_between_elements_and_refuses_what_is_not_plain_xml() {
        let tree = read(b"<a xmlns='u'>un <b c='&lt;&#233;'>deux</b>\n trois &amp; quatre<![CDATA[ <cinq>]]></a>").unwrap();
        assert_eq!(tree.text().as_deref(), Some("un \n trois & quatre <cinq>"));
        assert_eq!(tree.child("b").unwrap().attribute("c"), Some("<é"));
        for (bytes, why) in [
            (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".as_slice(), NotXml::Doctype),
            (b"<a>&b;</a>", NotXml::Malformed),
            (b"<a><b></a>", NotXml::Malformed),
            (b"<a/><b/>", NotXml::Malformed),
            (b"<a", NotXml::Malformed),
            (b"", NotXml::Malformed),
            (b"\xff<a/>", NotXml::Malformed),
        ] {
            assert_eq!(read(bytes).err(), Some(why));
        }
        assert_eq!(read("<a>".repeat(100).as_bytes()).err(), Some(NotXml::TooLarge));
        assert_eq!(read(("<a>".to_owned() + &"<b/>".repeat(100_001) + "</a>").as_bytes()).err(), Some(NotXml::TooLarge));
    }
}
