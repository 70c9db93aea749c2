//! The sheet as XML: text by element, with its line. Strict about XML, lenient about what stands in it.

use quick_xml::NsReader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};

use super::embedded::MAX_SHEET;
use super::rows::{CHILD, ROWS};
use super::{NAMESPACE, SHEET};
use crate::reading::{Finding, Place};

/// One value of a cover sheet and where it stood.
#[derive(Clone)]
pub struct Given {
    pub line: u64,
    /// The element's name where the format has it, else its position.
    pub name: String,
    pub value: String,
    /// Which child it is about.
    pub child: Option<usize>,
}

/// A cover sheet as text by element.
#[derive(Default)]
pub struct Parsed {
    pub fields: Vec<Given>,
    /// Elements and attributes that the format has not.
    pub odd: Vec<Given>,
    pub children: usize,
}

/// Reads a cover sheet. No document type, no entities but those of XML itself, bounded depth, size and number of elements.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Finding> {
    if bytes.len() > MAX_SHEET {
        return Err(unread(0, "too-large", "Le bordereau dépasse 256 Kio : il n’est pas lu."));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| unread(1, "not-utf-8", "Le bordereau n’est pas en UTF-8 : il n’est pas lu."))?;
    let mut walk = Walk { text, parsed: Parsed::default(), open: Vec::new(), line: 1, counted: 0, elements: 0 };
    let mut reader = NsReader::from_str(text);
    loop {
        let from = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
        let (namespace, event) = reader
            .read_resolved_event()
            .map_err(|_| walk.fault(from, "not-xml", "Le bordereau n’est pas du XML bien formé : il n’est pas lu."))?;
        let ours = matches!(namespace, ResolveResult::Bound(Namespace(name)) if name == NAMESPACE);
        if !walk.event(from, ours, event)? {
            return Ok(walk.parsed);
        }
    }
}

struct Open {
    name: Option<&'static str>,
    said: String,
    line: u64,
    text: String,
}

struct Walk<'a> {
    text: &'a str,
    parsed: Parsed,
    open: Vec<Open>,
    line: u64,
    counted: usize,
    elements: usize,
}

impl Walk<'_> {
    /// Takes one event; false at the end.
    fn event(&mut self, from: usize, ours: bool, event: Event<'_>) -> Result<bool, Finding> {
        match event {
            Event::Start(start) => self.start(from, ours, &start)?,
            Event::Empty(start) => {
                self.start(from, ours, &start)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.push(&text.xml10_content()),
            Event::CData(text) => self.push(&text.xml10_content()),
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(character.to_string()),
                    Ok(None) => resolve_predefined_entity(&reference).map(str::to_owned),
                    Err(_) => None,
                };
                let fault = || self.fault(from, "not-xml", "Le bordereau appelle une entité que XML ne définit pas : il n’est pas lu.");
                let character = character.ok_or_else(fault)?;
                self.push(&character);
            }
            Event::DocType(_) => {
                return Err(self.fault(from, "doctype", "Le bordereau déclare un type de document (DOCTYPE) : il n’est pas lu."));
            }
            // A declaration, a comment or an instruction says nothing of the decision; the sheet is kept whole all the same.
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof if self.elements == 0 || !self.open.is_empty() => {
                return Err(self.fault(from, "not-xml", "Le bordereau s’arrête avant sa fin : il n’est pas lu."));
            }
            Event::Eof => return Ok(false),
        }
        Ok(true)
    }

    fn start(&mut self, from: usize, ours: bool, start: &BytesStart<'_>) -> Result<(), Finding> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS || self.open.len() >= MAX_DEPTH {
            return Err(self.fault(
                from,
                "too-large",
                "Le bordereau a trop d’éléments, ou trop d’éléments l’un dans l’autre : il n’est pas lu.",
            ));
        }
        let line = self.line_at(from);
        let local = start.local_name();
        let name = known(&self.open, local.as_ref()).filter(|_| ours);
        if self.open.is_empty() && (name.is_none() || self.elements > 1) {
            return Err(self.fault(from, "unknown-element", "Le fichier n’est pas un bordereau : il n’est pas lu."));
        }
        let said = name.map_or_else(|| format!("élément n° {}", self.elements), str::to_owned);
        if name == Some("enfant") {
            self.parsed.children += 1;
        }
        // The parser compares each attribute with those before it.
        if start.attributes().with_checks(false).take(MAX_ATTRIBUTES + 1).count() > MAX_ATTRIBUTES {
            return Err(self.fault(from, "too-large", "Un élément du bordereau a trop d’attributs : le bordereau n’est pas lu."));
        }
        for (position, attribute) in start.attributes().enumerate() {
            let attribute =
                attribute.map_err(|_| self.fault(from, "not-xml", "Le bordereau n’est pas du XML bien formé : il n’est pas lu."))?;
            let key = attribute.key.as_ref();
            let plain =
                key == "xmlns" || key.starts_with("xmlns:") || key.starts_with("xsi:") || (key == "version" && name == Some("bordereau"));
            if !plain {
                let value = attribute.value.into_owned();
                self.parsed.odd.push(Given { line, name: format!("{said}/@n° {}", position + 1), value: value.to_string(), child: None });
            }
        }
        self.open.push(Open { name, said, line, text: String::new() });
        Ok(())
    }

    fn end(&mut self) {
        let Some(done) = self.open.pop() else { return };
        let value = done.text.trim().to_owned();
        if value.is_empty() {
            return;
        }
        let within = self.open.last().and_then(|parent| parent.name);
        let child = (within == Some("enfant")).then(|| self.parsed.children - 1);
        let given = Given { line: done.line, name: done.said, value, child };
        match done.name {
            None | Some("bordereau" | "enfant") => self.parsed.odd.push(given),
            Some(_) => self.parsed.fields.push(given),
        }
    }

    fn push(&mut self, text: &str) {
        if let Some(open) = self.open.last_mut() {
            open.text.push_str(text);
        }
    }

    fn line_at(&mut self, position: usize) -> u64 {
        let newer = self.text.as_bytes().get(self.counted..position).unwrap_or_default();
        self.line += newer.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.counted = self.counted.max(position);
        self.line
    }

    fn fault(&self, from: usize, code: &'static str, detail: &str) -> Finding {
        let before = self.text.as_bytes().get(..from).unwrap_or_default();
        unread(1 + before.iter().filter(|byte| **byte == b'\n').count() as u64, code, detail)
    }
}

/// The name of an element that the format has where it stands.
fn known(open: &[Open], name: &str) -> Option<&'static str> {
    let within: Vec<Option<&str>> = open.iter().map(|open| open.name).collect();
    let names: Vec<&'static str> = match within.as_slice() {
        [] => vec!["bordereau"],
        [Some("bordereau")] => ROWS.iter().map(|row| row.element).chain(["nature", "enfant"]).collect(),
        [Some("bordereau"), Some("enfant")] => CHILD.iter().map(|(element, ..)| *element).collect(),
        _ => Vec::new(),
    };
    names.into_iter().find(|known| *known == name)
}

fn unread(line: u64, code: &'static str, detail: &str) -> Finding {
    let place = if line == 0 { Place::File(SHEET.to_owned()) } else { Place::Element { line, name: "bordereau".to_owned() } };
    let cure = Some("Le document est enregistré sans bordereau : le saisir à réception, ou le faire corriger.".to_owned());
    Finding { place, code, detail: detail.to_owned(), cure }
}

const MAX_ELEMENTS: usize = 2000;
const MAX_DEPTH: usize = 8;
const MAX_ATTRIBUTES: usize = 32;
