//! XML: `DECRET` (bare, or in the older `SNATED`) holds one `INTRO` and the `DONNEE`, each a flat list of variables.
//! No DTD is read, no entity but the five of XML itself.

use std::io::BufRead;

use quick_xml::{
    Reader,
    events::{BytesStart, Event as Piece},
};

use super::{Form, MAX_EVENTS, MAX_PIECE, MAX_VALUE, MAX_VARIABLES, Source, broken_off, refused, too_large, too_many};
use crate::{
    elements,
    olinpe::{
        event::{Event, Odd},
        metered::Metered,
        variables::table,
    },
    reading::{Place, Refused},
};

/// The events of an XML file.
pub struct XmlEvents<R> {
    reader: Reader<Metered<R>>,
    buffer: Vec<u8>,
    value: String,
    /// Names of `SNATED`, `DECRET`, `INTRO` that are open; `DONNEE` is read in one go.
    open: Vec<&'static str>,
    began: bool,
    over: bool,
    events: u64,
}

/// What one piece of the file means.
enum Step {
    Open(Name),
    Empty(Name),
    Close,
    Value,
    Blank,
    End,
}

/// An element, as far as the format has it.
#[derive(Clone, Copy)]
enum Name {
    Frame(&'static str),
    Event,
    Variable(usize),
    Other,
}

impl<R: BufRead> XmlEvents<R> {
    /// Reads from here on.
    pub fn new(source: R) -> Self {
        let mut reader = Reader::from_reader(Metered::new(source));
        reader.config_mut().check_end_names = true;
        let (buffer, value, open) = (Vec::new(), String::new(), Vec::new());
        Self { reader, buffer, value, open, began: false, over: false, events: 0 }
    }

    fn line(&self) -> u64 {
        self.reader.get_ref().line()
    }

    /// Reads one piece; what it says as text is added to `self.value`.
    fn step(&mut self) -> Result<Step, Refused> {
        self.reader.get_mut().allow(MAX_PIECE);
        self.buffer.clear();
        let piece = match self.reader.read_event_into(&mut self.buffer) {
            Ok(piece) => piece,
            Err(quick_xml::Error::Io(error)) => return Err(broken_off(&error, self.reader.get_ref())),
            Err(quick_xml::Error::Encoding(_)) => return Err(refused("not-utf8", Place::Line(self.line()), NOT_UTF8)),
            Err(_) => return Err(refused("not-xml", Place::Line(self.line()), NOT_XML)),
        };
        let step = match piece {
            Piece::Start(start) => Step::Open(name(&start)),
            Piece::Empty(start) => Step::Empty(name(&start)),
            Piece::End(_) => Step::Close,
            Piece::Text(text) => {
                self.value.push_str(&text);
                Step::Value
            }
            Piece::CData(text) => {
                self.value.push_str(&text);
                Step::Value
            }
            Piece::GeneralRef(entity) => {
                match elements::entity(&entity) {
                    Some(text) => self.value.push_str(&text),
                    None => return Err(refused("entity", Place::Line(self.line()), ENTITY)),
                }
                Step::Value
            }
            Piece::DocType(_) => return Err(refused("doctype", Place::Line(self.line()), DOCTYPE)),
            Piece::Comment(_) | Piece::Decl(_) | Piece::PI(_) => Step::Blank,
            Piece::Eof => Step::End,
        };
        if self.value.len() > MAX_PIECE || self.value.trim().len() > MAX_VALUE { Err(too_large(self.line())) } else { Ok(step) }
    }

    /// Goes to the next `DONNEE`; false when the file is over.
    fn seek(&mut self) -> Result<bool, Refused> {
        loop {
            self.value.clear();
            match (self.step()?, self.open.last().copied()) {
                (Step::Open(Name::Event), Some("DECRET")) => return Ok(true),
                (Step::Open(Name::Frame(name)), above) if inside(name, above) && !(self.began && above.is_none()) => {
                    self.began = true;
                    self.open.push(name);
                }
                (Step::Open(Name::Other), Some("INTRO")) => self.text()?,
                (Step::Close, Some(_)) => {
                    self.open.pop();
                }
                (Step::Empty(Name::Frame("INTRO")), Some("DECRET")) | (Step::Empty(Name::Other), Some("INTRO")) | (Step::Blank, _) => {}
                (Step::Value, _) if self.value.trim().is_empty() => {}
                (Step::End, None) if self.began => return Ok(false),
                _ => return Err(refused("structure", Place::Line(self.line()), STRUCTURE)),
            }
        }
    }

    /// Reads the text of an element, and its end.
    fn text(&mut self) -> Result<(), Refused> {
        loop {
            match self.step()? {
                Step::Close => return Ok(()),
                Step::Value | Step::Blank => {}
                Step::Open(_) | Step::Empty(_) | Step::End => return Err(refused("structure", Place::Line(self.line()), STRUCTURE)),
            }
        }
    }

    /// Reads the variables of a `DONNEE` and its end.
    fn variables(&mut self, event: &mut Event) -> Result<(), Refused> {
        for nth in 1..=MAX_VARIABLES {
            self.value.clear();
            let (name, empty) = loop {
                match self.step()? {
                    Step::Open(name) => break (name, false),
                    Step::Empty(name) => break (name, true),
                    Step::Close => return Ok(()),
                    Step::Value if !self.value.trim().is_empty() => {
                        event.note(Odd::Unknown(nth));
                        self.value.clear();
                    }
                    Step::Value | Step::Blank => self.value.clear(),
                    Step::End => return Err(refused("structure", Place::Line(self.line()), STRUCTURE)),
                }
            };
            self.value.clear();
            if !empty {
                self.text()?;
            }
            match name {
                Name::Variable(position) => event.put(position, self.value.trim()),
                Name::Frame(_) | Name::Event | Name::Other => event.note(Odd::Unknown(nth)),
            }
        }
        Err(too_many(self.line()))
    }
}

impl<R: BufRead> Source for XmlEvents<R> {
    fn form(&self) -> Form {
        Form::Xml
    }

    fn read(&mut self, event: &mut Event) -> Result<bool, Refused> {
        if std::mem::replace(&mut self.over, true) {
            return Ok(false);
        }
        if !self.seek()? {
            return Ok(false);
        }
        self.events += 1;
        if self.events > MAX_EVENTS {
            return Err(too_many(self.line()));
        }
        event.begin(self.line());
        self.variables(event)?;
        self.over = false;
        Ok(true)
    }
}

/// An attribute makes an element another one: the format has none, except the schema's place on the root.
fn name(start: &BytesStart<'_>) -> Name {
    match start.name().0 {
        "SNATED" => Name::Frame("SNATED"),
        "DECRET" => Name::Frame("DECRET"),
        "INTRO" => Name::Frame("INTRO"),
        "DONNEE" => Name::Event,
        _ if start.attributes().next().is_some() => Name::Other,
        name => table().position(name).map_or(Name::Other, Name::Variable),
    }
}

fn inside(name: &str, above: Option<&str>) -> bool {
    matches!((name, above), ("SNATED", None) | ("DECRET", None | Some("SNATED")) | ("INTRO", Some("DECRET")))
}

const NOT_XML: &str = "Le fichier n’est pas du XML bien formé.";
const NOT_UTF8: &str = "Le fichier n’est pas en UTF-8.";
const DOCTYPE: &str = "Le fichier déclare un type de document (DOCTYPE) : il n’est pas lu.";
const ENTITY: &str = "Le fichier se sert d’une entité que le format n’a pas.";
const STRUCTURE: &str = "Le fichier n’a pas la forme DECRET / DONNEE / variables.";
