//! XML as small trees: no DTD is read, no entity but the five of XML is known, bounded in size, depth and number of elements.
//!
//! A file may be read whole, or element by element so that what was looked at is forgotten before the next.

use std::{borrow::Cow, ops::ControlFlow};

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

use crate::reading::{Finding, Place, Refused, no_content};

/// One element with what is in it. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Default)]
pub struct Element {
    /// Its name, without a namespace prefix.
    pub name: String,
    /// Its line in the file, from 1.
    pub line: u64,
    /// Its attributes, in the order of the file.
    pub attributes: Vec<(String, String)>,
    /// The elements in it, in the order of the file.
    pub children: Vec<Element>,
    /// Its text, where it has no elements in it.
    pub text: String,
}

impl Element {
    /// An element with a text in it.
    pub fn leaf(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into(), ..Self::default() }
    }

    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of a name; empty where there is none.
    pub fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| child.text.trim())
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a file whose root has this name.
///
/// # Errors
/// What [`each`] refuses, and a file above [`MAX_TREE_BYTES`].
pub fn read(bytes: &[u8], root: &str) -> Result<(Element, Vec<Finding>), Refused> {
    if bytes.len() > MAX_TREE_BYTES {
        return Err(Finding::new(Place::Whole, "too-large", "Le fichier dépasse 8 Mio.").into());
    }
    let mut whole = None;
    let reported = each(bytes, root, &[root], |element| {
        whole = Some(element);
        ControlFlow::Break(())
    })?;
    let missing = || Refused::from(Finding::new(Place::Whole, "not-xml", "Le fichier n’a pas d’élément racine."));
    Ok((whole.ok_or_else(missing)?, reported))
}

/// Hands every element of these names to `visit`, in the order of the file, until it breaks off. What lies outside of them is
/// passed over; one inside another comes as part of the outer one. Returns what was tolerated: an old encoding.
///
/// # Errors
/// Not well-formed; a `<!DOCTYPE` that defines something; an entity; another root; an encoding that French files do not have; or above [`MAX_BYTES`],
/// [`MAX_DEPTH`], [`MAX_ELEMENTS`] in one element, [`MAX_TEXT`] in one text.
pub fn each(bytes: &[u8], root: &str, names: &[&str], mut visit: impl FnMut(Element) -> ControlFlow<()>) -> Result<Vec<Finding>, Refused> {
    if bytes.len() > MAX_BYTES {
        return Err(Finding::new(Place::Whole, "too-large", "Le fichier dépasse 64 Mio.").into());
    }
    let (text, reported) = decode(bytes)?;
    let mut reader = Reader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let mut walk = Walk { reader, text: &text, counted: 0, line: 1, path: Vec::new(), open: Vec::new(), elements: 0, roots: 0 };
    while let Some(step) = walk.step()? {
        match step {
            Step::Open(element) => {
                if walk.roots == 0 && element.name != root {
                    let place = Place::Element { line: element.line, name: root.to_owned() };
                    return Err(Finding::new(place, "wrong-root", format!("L’élément racine n’est pas « {root} ».")).into());
                }
                walk.open(element, names)?;
            }
            Step::Close => {
                if let Some(element) = walk.close()
                    && visit(element).is_break()
                {
                    // The rest is still read through, so that half a file is never taken for a whole one.
                    while let Some(step) = walk.step()? {
                        match step {
                            Step::Open(element) => walk.open(element, &[])?,
                            Step::Close => drop(walk.close()),
                        }
                    }
                    break;
                }
            }
        }
    }
    walk.end()?;
    Ok(reported)
}

/// Writes a file with this root, indented, in UTF-8.
///
/// # Errors
/// A character that XML 1.0 cannot hold, at its element.
pub fn write(root: &Element) -> Result<Vec<u8>, Refused> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    put(&mut out, root, 0)?;
    Ok(out.into_bytes())
}

fn put(out: &mut String, element: &Element, depth: usize) -> Result<(), Refused> {
    let holds = |text: &str| text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..));
    if !holds(&element.text) || !element.attributes.iter().all(|(_, value)| holds(value)) {
        let place = Place::Path(element.name.clone());
        return Err(Finding::new(place, "control-character", "Un caractère de commande ne peut pas être écrit en XML.").into());
    }
    let indent = "  ".repeat(depth);
    out.push_str(&format!("{indent}<{}", element.name));
    for (name, value) in &element.attributes {
        out.push_str(&format!(" {name}=\"{}\"", escaped(value)));
    }
    if element.children.is_empty() {
        out.push_str(&format!(">{}</{}>\n", escaped(&element.text), element.name));
        return Ok(());
    }
    out.push_str(">\n");
    for child in &element.children {
        put(out, child, depth + 1)?;
    }
    out.push_str(&format!("{indent}</{}>\n", element.name));
    Ok(())
}

/// Text as it may stand between tags and in an attribute; ends of lines are kept from the normalisation of XML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
    out
}

enum Step {
    Open(Element),
    Close,
}

/// A walk through a file, and the element that is being gathered.
struct Walk<'a> {
    reader: Reader<&'a [u8]>,
    text: &'a str,
    counted: usize,
    line: u64,
    /// Elements begun outside of those that are wanted.
    path: Vec<()>,
    /// The wanted element, and those begun in it.
    open: Vec<Element>,
    elements: usize,
    roots: usize,
}

impl Walk<'_> {
    fn refuse(&self, code: &'static str, detail: &str) -> Refused {
        Finding::new(Place::Line(self.line), code, detail).into()
    }

    /// The next beginning or end of an element; text goes to the one that is open.
    fn step(&mut self) -> Result<Option<Step>, Refused> {
        loop {
            let event = self.reader.read_event().map_err(|_| self.refuse("not-xml", "Le fichier n’est pas du XML bien formé."))?;
            let at = self.line;
            self.advance();
            match event {
                Event::Start(start) => return Ok(Some(Step::Open(self.element(&start, at)?))),
                Event::End(_) => return Ok(Some(Step::Close)),
                Event::Text(text) => self.text(&text.xml10_content())?,
                Event::CData(text) => self.text(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let known = match reference.resolve_char_ref() {
                        Ok(Some(c)) => Some(c.to_string()),
                        Ok(None) => quick_xml::escape::resolve_xml_entity(&reference).map(str::to_owned),
                        Err(_) => None,
                    };
                    self.text(&known.ok_or_else(|| self.refuse("entity", "Une entité n’est pas l’une des cinq du XML."))?)?;
                }
                // Files of the ministry name the DTD that they hold to. Nobody here fetches it, so nothing that it defines exists.
                Event::DocType(named) if self.roots == 0 && !named.contains('[') => {}
                Event::DocType(_) => {
                    let cure = "Retirez ce qui est entre crochets dans « <!DOCTYPE … [ … ]> » : rien n’en est accepté.";
                    let finding =
                        Finding::new(Place::Line(self.line), "doctype", "Le fichier définit lui-même son type de document (DTD).");
                    return Err(finding.cured_by(cure).into());
                }
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof => return Ok(None),
            }
        }
    }

    fn element(&self, start: &BytesStart<'_>, line: u64) -> Result<Element, Refused> {
        let attributes = start
            .attributes()
            .filter(|attribute| !attribute.as_ref().is_ok_and(|attribute| attribute.key.as_namespace_binding().is_some()))
            .map(|attribute| {
                let attribute = attribute.map_err(|_| self.refuse("not-xml", "Un attribut n’est pas du XML bien formé."))?;
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                let value = value.map_err(|_| self.refuse("entity", "Une entité n’est pas l’une des cinq du XML."))?;
                Ok((attribute.key.local_name().as_ref().to_owned(), value.into_owned()))
            })
            .collect::<Result<Vec<_>, Refused>>()?;
        Ok(Element { name: start.local_name().as_ref().to_owned(), line, attributes, ..Element::default() })
    }

    fn open(&mut self, element: Element, names: &[&str]) -> Result<(), Refused> {
        if self.path.len() + self.open.len() >= MAX_DEPTH {
            return Err(self.refuse("too-deep", "Les éléments sont imbriqués trop profondément."));
        }
        if self.open.is_empty() && self.path.is_empty() {
            self.roots += 1;
            if self.roots > 1 {
                return Err(self.refuse("not-xml", "Le fichier a un élément après sa racine."));
            }
        }
        if self.open.is_empty() && !names.contains(&element.name.as_str()) {
            self.path.push(());
            return Ok(());
        }
        self.elements = if self.open.is_empty() { 1 } else { self.elements + 1 };
        if self.elements > MAX_ELEMENTS {
            return Err(self.refuse("too-large", "Un élément en contient trop d’autres."));
        }
        self.open.push(element);
        Ok(())
    }

    /// Ends the element that is open; gives it back when it was a wanted one.
    fn close(&mut self) -> Option<Element> {
        let Some(mut element) = self.open.pop() else {
            self.path.pop();
            return None;
        };
        if !element.children.is_empty() && element.text.trim().is_empty() {
            element.text.clear();
        }
        match self.open.last_mut() {
            Some(parent) => {
                parent.children.push(element);
                None
            }
            None => Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Refused> {
        let Some(element) = self.open.last_mut() else {
            let outside = self.path.is_empty() && !text.trim().is_empty();
            return if outside { Err(self.refuse("not-xml", "Le fichier a du texte hors de sa racine.")) } else { Ok(()) };
        };
        element.text.push_str(text);
        if element.text.len() > MAX_TEXT {
            return Err(self.refuse("too-large", "Un texte dépasse 64 Kio."));
        }
        Ok(())
    }

    /// Moves the count of lines to the end of the event that was read last.
    fn advance(&mut self) {
        let to = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
        let passed = self.text.as_bytes().get(self.counted..to).unwrap_or_default();
        self.line += passed.iter().filter(|b| **b == b'\n').count() as u64;
        self.counted = to;
    }

    fn end(&self) -> Result<(), Refused> {
        if self.path.is_empty() && self.open.is_empty() {
            Ok(())
        } else {
            Err(self.refuse("truncated", "Le fichier s’arrête avant la fin de ses éléments."))
        }
    }
}

/// The text of a file, by the encoding that it declares.
fn decode(bytes: &[u8]) -> Result<(Cow<'_, str>, Vec<Finding>), Refused> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let head = bytes.get(..bytes.len().min(200)).unwrap_or_default();
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let declared = head.strip_prefix("<?xml").and_then(|rest| rest.split("?>").next()).and_then(|line| line.split("encoding").nth(1));
    let declared = declared.map(|rest| rest.trim_start_matches(['=', ' ', '"', '\'']).chars().take_while(|c| !matches!(c, '"' | '\'')));
    let declared: Option<String> = declared.map(Iterator::collect);
    match declared.as_deref() {
        None | Some("utf-8" | "utf8") => {
            let not = |e: std::str::Utf8Error| {
                let line = bytes.iter().take(e.valid_up_to()).filter(|b| **b == b'\n').count() as u64 + 1;
                Refused::from(Finding::new(Place::Line(line), "encoding", "Le fichier n’est pas en UTF-8, et ne déclare rien d’autre."))
            };
            Ok((Cow::Borrowed(std::str::from_utf8(bytes).map_err(not)?), Vec::new()))
        }
        Some(label @ ("iso-8859-1" | "iso-8859-15" | "windows-1252")) => {
            let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap_or(encoding_rs::WINDOWS_1252);
            let finding = Finding::new(Place::Whole, "old-encoding", "Le fichier n’est pas en UTF-8 : il a été lu comme il le déclare.");
            Ok((encoding.decode_without_bom_handling(bytes).0, vec![finding]))
        }
        Some(_) => Err(Finding::new(Place::Line(1), "encoding", "L’encodage que le fichier déclare n’est pas lu ici.")
            .cured_by("Enregistrez le fichier en UTF-8.")
            .into()),
    }
}

no_content!(Element);

/// Largest file that is read element by element.
pub const MAX_BYTES: usize = 64 << 20;
/// Largest file that is read whole.
pub const MAX_TREE_BYTES: usize = 8 << 20;
/// Deepest nesting.
pub const MAX_DEPTH: usize = 32;
/// Most elements in one that is read.
pub const MAX_ELEMENTS: usize = 200_000;
/// Longest text of one element, in bytes.
pub const MAX_TEXT: usize = 64 << 10;

#[cfg(test)]
mod tests;
