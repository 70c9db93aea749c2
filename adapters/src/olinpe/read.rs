//! Reads a file event by event: one event in memory, whatever the size of the file.

use std::io::{self, BufRead};

use super::{event::Event, metered::Metered, variables::table};
use crate::reading::{Column, Finding, Place, Refused};

mod csv;
mod xml;

pub(super) use self::csv::Lines as CsvLines;
pub use self::{csv::CsvEvents, xml::XmlEvents};

/// Bytes that one piece of markup, one text or one CSV line may have.
pub const MAX_PIECE: usize = 64 * 1024;
/// Bytes that one value may have.
pub const MAX_VALUE: usize = 256;
/// Elements or columns that one event may have.
pub const MAX_VARIABLES: usize = 1000;
/// Events that one file may have: the country makes 0.6 million a year.
pub const MAX_EVENTS: u64 = 5_000_000;

/// How a file is written; says how its places are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `DECRET` of `DONNEE`.
    Xml,
    /// One line per event, `;` between.
    Csv,
}

/// Where events come from.
pub trait Source {
    /// How it is written.
    fn form(&self) -> Form;

    /// Reads the next event into `event`; false after the last.
    ///
    /// # Errors
    /// [`Refused`] when what follows cannot be read at all. Reading again afterwards reads nothing.
    fn read(&mut self, event: &mut Event) -> Result<bool, Refused>;
}

/// Opens a file by its first byte that is not blank: `<` begins XML.
///
/// # Errors
/// [`Refused`] when the first line of a CSV file is not one.
pub fn open<'a>(mut source: impl BufRead + 'a) -> Result<Box<dyn Source + 'a>, Refused> {
    let start = source.fill_buf().map_err(|_| refused("interrupted", Place::Whole, INTERRUPTED))?;
    let start = start.strip_prefix(BOM).unwrap_or(start);
    if start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<') {
        Ok(Box::new(XmlEvents::new(source)))
    } else {
        Ok(Box::new(CsvEvents::new(source)?))
    }
}

impl Form {
    /// The place of a variable at a line.
    pub fn place(self, line: u64, position: usize) -> Place {
        let name = table().variables.get(position).map(|variable| variable.name.as_str()).unwrap_or_default();
        match self {
            Self::Xml => Place::Element { line, name: name.to_owned() },
            Self::Csv => Place::Cell { line, column: Column::Named(name) },
        }
    }

    /// The place of something that the format has not, by its position from 1.
    pub fn unknown(self, line: u64, nth: usize) -> Place {
        match self {
            Self::Xml => Place::Element { line, name: format!("DONNEE/*[{nth}]") },
            Self::Csv => Place::Cell { line, column: Column::Unknown(nth) },
        }
    }

    /// The place of an event as a whole.
    pub fn whole(self, line: u64) -> Place {
        match self {
            Self::Xml => Place::Element { line, name: "DONNEE".to_owned() },
            Self::Csv => Place::Line(line),
        }
    }
}

pub(super) fn refused(code: &'static str, place: Place, detail: &str) -> Refused {
    Refused(vec![Finding { place, code, detail: detail.to_owned(), cure: None }])
}

fn too_large(line: u64) -> Refused {
    refused("too-large", Place::Line(line), "Un élément, une valeur ou une ligne est plus long que le format ne le permet.")
}

pub(super) fn too_many(line: u64) -> Refused {
    refused("too-many", Place::Line(line), "Le fichier, ou un événement, a plus d’éléments que le format ne le permet.")
}

fn broken_off<R: BufRead>(error: &io::Error, source: &Metered<R>) -> Refused {
    if error.kind() == io::ErrorKind::FileTooLarge {
        too_large(source.line())
    } else {
        refused("interrupted", Place::Line(source.line()), INTERRUPTED)
    }
}

const BOM: &[u8] = b"\xEF\xBB\xBF";
const INTERRUPTED: &str = "La lecture du fichier s’est interrompue.";
