//! XML as small trees: no DTD is read, no entity but the five of XML is known, bounded in size, depth, and number of elements and of
//! attributes. Every room that reads a tree reads it here; a file of any size is streamed, in [`olinpe`](crate::olinpe), by the same rules.
//!
//! A file may be read whole, or element by element so that what was looked at is forgotten before the next.

use std::{borrow::Cow, ops::ControlFlow, sync::Arc};

use quick_xml::{
    NsReader, XmlVersion,
    events::{BytesRef, BytesStart, Event},
    name::{Namespace, ResolveResult},
};

use serde_json::{Map, Value};

use crate::reading::{Finding, Place, Refused, no_content};

mod write;

pub(crate) use write::escaped;
pub use write::write;

/// One element with what is in it. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Default)]
pub struct Element {
    /// Its name, without a namespace prefix.
    pub name: String,
    /// Its namespace, where it has one.
    pub namespace: Option<Arc<str>>,
    /// Its line in the file, from 1.
    pub line: u64,
    /// Its attributes, in the order of the file.
    pub attributes: Vec<(String, String)>,
    /// The elements in it, in the order of the file.
    pub children: Vec<Element>,
    /// Its texts, without those of the elements in it; empty where they are the blanks between elements.
    pub text: String,
    /// Its texts by how many elements stand before them, where it has elements in it.
    pub(crate) runs: Vec<(usize, String)>,
}

/// What stands in an element.
pub enum Node<'a> {
    /// A text.
    Text(&'a str),
    /// An element.
    Element(&'a Element),
}

/// How much of a file is read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Its bytes.
    pub bytes: usize,
    /// Elements in each other.
    pub depth: usize,
    /// Elements in one that is read.
    pub elements: usize,
    /// Bytes in the text of one element.
    pub text: usize,
}

impl Element {
    /// An element with a text in it.
    pub fn leaf(name: &str, text: impl Into<String>) -> Self {
        Self { name: name.to_owned(), text: text.into(), ..Self::default() }
    }

    /// Every child of a name.
    pub fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element at the end of names.
    pub fn at(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |at, name| at.child(name))
    }

    /// Its texts and elements in the order of the file.
    pub fn nodes(&self) -> Vec<Node<'_>> {
        if self.children.is_empty() {
            return if self.text.is_empty() { Vec::new() } else { vec![Node::Text(&self.text)] };
        }
        let mut runs = self.runs.iter().peekable();
        let mut nodes = Vec::new();
        for n in 0..=self.children.len() {
            nodes.extend(runs.next_if(|(before, _)| *before == n).map(|(_, text)| Node::Text(text)));
            nodes.extend(self.children.get(n).map(Node::Element));
        }
        nodes
    }

    /// Its own texts, trimmed; nothing where they are blank.
    pub fn said(&self) -> Option<String> {
        Some(self.text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of a name; empty where there is none.
    pub fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| child.text.trim())
    }

    /// The element with everything in it, as JSON: for what is kept as it came.
    pub fn to_value(&self) -> Value {
        let mut members = Map::from_iter([("element".to_owned(), Value::from(self.name.as_str()))]);
        members.extend(self.attributes.iter().map(|(name, value)| (format!("@{name}"), Value::from(value.as_str()))));
        if !self.text.trim().is_empty() {
            members.insert("#".to_owned(), self.text.as_str().into());
        }
        if !self.children.is_empty() {
            members.insert("children".to_owned(), self.children.iter().map(Self::to_value).collect());
        }
        Value::Object(members)
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
    whole(bytes, Some(root), LIMITS)
}

/// Reads a file of any root.
///
/// # Errors
/// What [`each`] refuses, by these limits.
pub fn tree(bytes: &[u8], limits: Limits) -> Result<(Element, Vec<Finding>), Refused> {
    whole(bytes, None, limits)
}

fn whole(bytes: &[u8], root: Option<&str>, limits: Limits) -> Result<(Element, Vec<Finding>), Refused> {
    let mut whole = None;
    let reported = walk(bytes, root, None, limits, |element| {
        whole = Some(element);
        ControlFlow::Continue(())
    })?;
    let missing = || Refused::from(Finding::new(Place::Whole, "not-xml", "Le fichier n’a pas d’élément racine."));
    Ok((whole.ok_or_else(missing)?, reported))
}

/// Hands every element of these names to `visit`, in the order of the file, until it breaks off. What lies outside of them is
/// passed over; one inside another comes as part of the outer one. Returns what was tolerated: an old encoding.
///
/// # Errors
/// Not well-formed; a `<!DOCTYPE` that defines something; an entity; another root; an encoding that French files do not have; or above [`MAX_BYTES`],
/// [`MAX_DEPTH`], [`MAX_ATTRIBUTES`] and [`MAX_ELEMENTS`] in one element, [`MAX_TEXT`] in one text.
pub fn each(bytes: &[u8], root: &str, names: &[&str], visit: impl FnMut(Element) -> ControlFlow<()>) -> Result<Vec<Finding>, Refused> {
    walk(bytes, Some(root), Some(names), LIMITS, visit)
}

/// Without names, the root is what is wanted.
fn walk(
    bytes: &[u8],
    root: Option<&str>,
    names: Option<&[&str]>,
    limits: Limits,
    mut visit: impl FnMut(Element) -> ControlFlow<()>,
) -> Result<Vec<Finding>, Refused> {
    if bytes.len() > limits.bytes {
        let detail = format!("Le fichier dépasse {} Kio.", limits.bytes >> 10);
        return Err(Finding::new(Place::Whole, "too-large", detail).into());
    }
    let (text, reported) = decode(bytes)?;
    let mut reader = NsReader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let (path, open) = (0, Vec::new());
    let mut walk = Walk { reader, text: &text, limits, counted: 0, line: 1, namespace: None, path, open, elements: 0, roots: 0 };
    let mut wanted = true;
    while let Some(step) = walk.step()? {
        match step {
            Step::Open(element) => {
                if let Some(root) = root.filter(|root| walk.roots == 0 && element.name != *root) {
                    let place = Place::Element { line: element.line, name: root.to_owned() };
                    return Err(Finding::new(place, "wrong-root", format!("L’élément racine n’est pas « {root} ».")).into());
                }
                let is_one = wanted && names.is_none_or(|names| names.contains(&element.name.as_str()));
                walk.open(element, is_one)?;
            }
            Step::Close => {
                // Once it has broken off the rest is still read through, so that half a file is never taken for a whole one.
                if let Some(element) = walk.close() {
                    wanted = visit(element).is_continue();
                }
            }
        }
    }
    walk.end()?;
    Ok(reported)
}

enum Step {
    Open(Element),
    Close,
}

/// The character or text that a reference stands for; nothing for an entity that is none of the five of XML.
pub(crate) fn entity(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref() {
        Ok(Some(c)) => Some(c.to_string()),
        Ok(None) => quick_xml::escape::resolve_xml_entity(reference).map(str::to_owned),
        Err(_) => None,
    }
}

/// A walk through a file, and the element that is being gathered.
struct Walk<'a> {
    reader: NsReader<&'a [u8]>,
    text: &'a str,
    limits: Limits,
    counted: usize,
    line: u64,
    /// The namespace that was met last: a file has few.
    namespace: Option<Arc<str>>,
    /// Elements begun outside of those that are wanted.
    path: usize,
    /// The wanted element, and those begun in it, with how long their texts are.
    open: Vec<(Element, usize)>,
    elements: usize,
    roots: usize,
}

impl Walk<'_> {
    fn refuse(&self, code: &'static str, detail: &str) -> Refused {
        at(self.line, code, detail)
    }

    /// The next beginning or end of an element; text goes to the one that is open.
    fn step(&mut self) -> Result<Option<Step>, Refused> {
        loop {
            let line = self.line;
            let (namespace, event) =
                self.reader.read_resolved_event().map_err(|_| at(line, "not-xml", "Le fichier n’est pas du XML bien formé."))?;
            let bound = if let ResolveResult::Bound(Namespace(name)) = namespace { Some(name) } else { None };
            if bound.is_some() && self.namespace.as_deref() != bound {
                self.namespace = bound.map(Arc::from);
            }
            let bound = bound.is_some();
            self.advance();
            match event {
                Event::Start(start) => return Ok(Some(Step::Open(self.element(&start, line, bound)?))),
                Event::End(_) => return Ok(Some(Step::Close)),
                Event::Text(text) => self.text(&text.xml10_content())?,
                Event::CData(text) => self.text(&text.xml10_content())?,
                Event::GeneralRef(reference) => {
                    let known = entity(&reference).ok_or_else(|| self.refuse("entity", "Une entité n’est pas l’une des cinq du XML."))?;
                    self.text(&known)?;
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

    fn element(&self, start: &BytesStart<'_>, line: u64, bound: bool) -> Result<Element, Refused> {
        // Each is compared with those before it.
        if start.attributes().with_checks(false).take(MAX_ATTRIBUTES + 1).count() > MAX_ATTRIBUTES {
            return Err(self.refuse("too-large", "Un élément a trop d’attributs."));
        }
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
        let (name, namespace) = (start.local_name().as_ref().to_owned(), self.namespace.clone().filter(|_| bound));
        Ok(Element { name, namespace, line, attributes, ..Element::default() })
    }

    fn open(&mut self, element: Element, wanted: bool) -> Result<(), Refused> {
        if self.path + self.open.len() >= self.limits.depth {
            return Err(self.refuse("too-deep", "Les éléments sont imbriqués trop profondément."));
        }
        if self.open.is_empty() && self.path == 0 {
            self.roots += 1;
            if self.roots > 1 {
                return Err(self.refuse("not-xml", "Le fichier a un élément après sa racine."));
            }
        }
        if self.open.is_empty() && !wanted {
            self.path += 1;
            return Ok(());
        }
        self.elements = if self.open.is_empty() { 1 } else { self.elements + 1 };
        if self.elements > self.limits.elements {
            return Err(self.refuse("too-large", "Un élément en contient trop d’autres."));
        }
        self.open.push((element, 0));
        Ok(())
    }

    /// Ends the element that is open; gives it back when it was a wanted one.
    fn close(&mut self) -> Option<Element> {
        let Some((mut element, _)) = self.open.pop() else {
            self.path = self.path.saturating_sub(1);
            return None;
        };
        if element.children.is_empty() {
            element.text = element.runs.pop().map_or(String::new(), |(_, text)| text);
        } else {
            element.text = element.runs.iter().map(|(_, text)| text.as_str()).collect();
            if element.text.trim().is_empty() {
                element.text.clear();
            }
            // Blanks that begin a line are layout; others part two words.
            if element.runs.iter().all(|(_, text)| text.trim().is_empty() && text.contains('\n')) {
                element.runs.clear();
            }
        }
        match self.open.last_mut() {
            Some((parent, _)) => {
                parent.children.push(element);
                None
            }
            None => Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Refused> {
        let Some((element, length)) = self.open.last_mut() else {
            let outside = self.path == 0 && !text.trim().is_empty();
            return if outside { Err(self.refuse("not-xml", "Le fichier a du texte hors de sa racine.")) } else { Ok(()) };
        };
        *length += text.len();
        if *length > self.limits.text {
            return Err(self.refuse("too-large", "Un texte est trop long."));
        }
        let before = element.children.len();
        match element.runs.last_mut() {
            Some((at, run)) if *at == before => run.push_str(text),
            Some(_) | None => element.runs.push((before, text.to_owned())),
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
        if self.path == 0 && self.open.is_empty() {
            Ok(())
        } else {
            Err(self.refuse("truncated", "Le fichier s’arrête avant la fin de ses éléments."))
        }
    }
}

fn at(line: u64, code: &'static str, detail: &str) -> Refused {
    Finding::new(Place::Line(line), code, detail).into()
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
/// Most attributes of one element.
pub const MAX_ATTRIBUTES: usize = 64;
/// Longest text of one element, in bytes.
pub const MAX_TEXT: usize = 64 << 10;

const LIMITS: Limits = Limits { bytes: MAX_BYTES, depth: MAX_DEPTH, elements: MAX_ELEMENTS, text: MAX_TEXT };

#[cfg(test)]
mod tests;
