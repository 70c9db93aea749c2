//! CSV: a line of names, then one line per event, `;` between, UTF-8. A cell that a spreadsheet would run as a formula
//! is read as [`crate::olinpe::cell`] wrote it.

use std::io::BufRead;

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::{BOM, Form, MAX_EVENTS, MAX_PIECE, MAX_VALUE, MAX_VARIABLES, Source, refused, too_large, too_many};
use crate::{
    olinpe::{
        cell,
        event::{Event, Odd},
        metered::Metered,
        variables::table,
    },
    reading::{Place, Refused},
};

/// The events of a CSV file.
pub struct CsvEvents<R> {
    lines: Lines<R>,
    /// For each column, its variable.
    columns: Vec<Option<usize>>,
    over: bool,
    events: u64,
}

impl<R: BufRead> CsvEvents<R> {
    /// Reads the line of names.
    ///
    /// # Errors
    /// [`Refused`] when there is none, or when it has no column of the format.
    pub fn new(source: R) -> Result<Self, Refused> {
        let mut lines = Lines::new(source);
        if !lines.next()? {
            return Err(refused("structure", Place::Line(1), STRUCTURE));
        }
        let columns: Vec<_> = lines.names().map(|name| table().position(name)).collect();
        if columns.iter().all(Option::is_none) {
            return Err(refused("structure", Place::Line(1), STRUCTURE));
        }
        Ok(Self { lines, columns, over: false, events: 0 })
    }
}

impl<R: BufRead> Source for CsvEvents<R> {
    fn form(&self) -> Form {
        Form::Csv
    }

    fn read(&mut self, event: &mut Event) -> Result<bool, Refused> {
        if std::mem::replace(&mut self.over, true) {
            return Ok(false);
        }
        if !self.lines.next()? {
            return Ok(false);
        }
        self.events += 1;
        if self.events > MAX_EVENTS {
            return Err(too_many(self.lines.line()));
        }
        event.begin(self.lines.line());
        for nth in 0..self.lines.len() {
            let value = self.lines.cell(nth)?;
            match self.columns.get(nth) {
                Some(Some(position)) => event.put(*position, value.trim()),
                // The comma after the last column of some exports makes an empty, nameless one.
                _ if value.trim().is_empty() => {}
                _ => event.note(Odd::Unknown(nth + 1)),
            }
        }
        self.over = false;
        Ok(true)
    }
}

/// The lines of a CSV file, one at a time.
pub(in crate::olinpe) struct Lines<R> {
    reader: csv::Reader<Metered<R>>,
    record: ByteRecord,
}

impl<R: BufRead> Lines<R> {
    /// Reads from here on.
    pub(in crate::olinpe) fn new(source: R) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(b';').has_headers(false).flexible(true).terminator(Terminator::CRLF);
        Self { reader: builder.from_reader(Metered::new(source)), record: ByteRecord::new() }
    }

    /// Reads the next line; false after the last.
    pub(in crate::olinpe) fn next(&mut self) -> Result<bool, Refused> {
        self.reader.get_mut().allow(MAX_PIECE);
        let more = match self.reader.read_byte_record(&mut self.record) {
            Ok(more) => more,
            Err(_) => return Err(too_large(self.reader.position().line())),
        };
        if self.record.len() > MAX_VARIABLES { Err(too_many(self.line())) } else { Ok(more) }
    }

    /// The line at which the last record began, from 1.
    pub(in crate::olinpe) fn line(&self) -> u64 {
        self.record.position().map_or(1, csv::Position::line)
    }

    /// How many cells the line has.
    pub(in crate::olinpe) fn len(&self) -> usize {
        self.record.len()
    }

    /// The names of a first line; what is not UTF-8 names nothing.
    pub(in crate::olinpe) fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.record.iter().enumerate();
        names.map(|(nth, name)| {
            std::str::from_utf8(if nth == 0 { name.strip_prefix(BOM).unwrap_or(name) } else { name }).unwrap_or_default().trim()
        })
    }

    /// A cell of the line.
    pub(in crate::olinpe) fn cell(&self, nth: usize) -> Result<&str, Refused> {
        let cell = self.record.get(nth).unwrap_or_default();
        if cell.len() > MAX_VALUE {
            return Err(too_large(self.line()));
        }
        let text = std::str::from_utf8(cell).map_err(|_| refused("not-utf8", Place::Line(self.line()), NOT_UTF8))?;
        Ok(cell::read(text))
    }
}

const STRUCTURE: &str = "La première ligne ne nomme aucune variable du format.";
const NOT_UTF8: &str = "Le fichier n’est pas en UTF-8.";
