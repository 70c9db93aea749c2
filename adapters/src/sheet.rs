//! One CSV file as French offices exchange them: semicolons, a line of column names, UTF-8 with or without its mark.
//!
//! Windows-1252 is read too, and reported. What is written cannot run as a formula in a spreadsheet, and reads back as it was.
//! A file is read row by row, so that a reader who looks for one person never holds the others.

use std::{borrow::Cow, io::Cursor};

use crate::reading::{Finding, Place, Refused, no_content};

/// A CSV file, read row by row.
pub struct Sheet {
    header: Vec<String>,
    reader: csv::Reader<Cursor<Vec<u8>>>,
    lines: Lines,
    rows: usize,
    /// How many bytes may still be read a second time, behind quotes that were never closed.
    again: usize,
    /// What was tolerated: another encoding than UTF-8, a quoted cell that may hold other rows.
    pub reported: Vec<Finding>,
}

/// One record. Its `Debug` shows nothing.
pub struct Row {
    /// Its line, from 1; the first one where it goes over several.
    pub line: u64,
    /// Its cells, with the guard against formulas taken off.
    pub cells: Vec<String>,
    /// Why its cells may stand in the wrong columns.
    pub fault: Option<Finding>,
}

impl Sheet {
    /// Reads the line of column names.
    ///
    /// # Errors
    /// Larger than [`MAX_BYTES`], nothing in it, more than [`MAX_COLUMNS`] columns, or separated by something else than semicolons.
    pub fn open(bytes: &[u8]) -> Result<Self, Refused> {
        if bytes.len() > MAX_BYTES {
            return Err(Finding::new(Place::Whole, "too-large", "Le fichier dépasse 8 Mio.").into());
        }
        let (text, tolerated) = decode(bytes);
        let reader =
            csv::ReaderBuilder::new().delimiter(b';').has_headers(false).flexible(true).from_reader(Cursor::new(text.into_owned().into()));
        let mut sheet = Self {
            header: Vec::new(),
            reader,
            lines: Lines::default(),
            rows: 0,
            again: MAX_AGAIN,
            reported: tolerated.into_iter().collect(),
        };
        let Some(first) = sheet.record()? else {
            return Err(Finding::new(Place::Whole, "empty", "Le fichier est vide.").into());
        };
        if let Some(fault) = first.fault {
            return Err(fault.into());
        }
        sheet.header = first.cells.into_iter().map(|name| name.trim().to_owned()).collect();
        match sheet.header.as_slice() {
            [only] if only.contains([',', '\t']) => {
                let cure = "Enregistrez le fichier en CSV avec le point-virgule comme séparateur.";
                Err(Finding::new(Place::Line(first.line), "separator", "Les colonnes ne sont pas séparées par des points-virgules.")
                    .cured_by(cure)
                    .into())
            }
            names if names.len() > MAX_COLUMNS => {
                Err(Finding::new(Place::Line(first.line), "too-large", format!("Le fichier a plus de {MAX_COLUMNS} colonnes.")).into())
            }
            _ => Ok(sheet),
        }
    }

    /// The column names, without the spaces around them.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The next row that is not empty.
    ///
    /// # Errors
    /// A cell larger than [`MAX_CELL`] bytes, or more than [`MAX_ROWS`] rows.
    pub fn next_row(&mut self) -> Result<Option<Row>, Refused> {
        while let Some(mut row) = self.record()? {
            self.rows += 1;
            if self.rows > MAX_ROWS {
                return Err(Finding::new(Place::Line(row.line), "too-large", format!("Le fichier a plus de {MAX_ROWS} lignes.")).into());
            }
            if row.cells.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            if row.cells.iter().skip(self.header.len()).any(|cell| !cell.trim().is_empty()) {
                let detail = "La ligne a plus de cellules que de colonnes : un point-virgule est peut-être en trop.";
                row.fault.get_or_insert(Finding::new(Place::Line(row.line), "cell-count", detail));
            }
            return Ok(Some(row));
        }
        Ok(None)
    }

    fn record(&mut self) -> Result<Option<Row>, Refused> {
        let mut record = csv::StringRecord::new();
        let from = self.reader.position().byte();
        let more = self
            .reader
            .read_record(&mut record)
            .map_err(|_| Refused::from(Finding::new(Place::Line(self.lines.line), "not-csv", "La ligne n’est pas du CSV.")))?;
        if more && let Some(open) = self.open_quote(from)? {
            return Ok(Some(open));
        }
        let raw = between(self.reader.get_ref().get_ref(), from, self.reader.position().byte());
        let line = self.lines.after(raw);
        let quotes = raw.iter().filter(|b| **b == b'"').count();
        let closed = is_closed(raw);
        let swallows = if closed { looks_like_two(raw, self.header.len()) } else { swallowed(raw, self.header.len()).is_some() };
        if !more {
            return Ok(None);
        }
        if closed && swallows && self.header.len() > 2 && self.reported.len() < MAX_REMARKS {
            let detail = "Une cellule entre guillemets contient ce qui ressemble à une autre ligne du tableau : vérifiez-la.";
            self.reported.push(Finding::new(Place::Line(line), "quote", detail));
        }
        if record.iter().any(|cell| cell.len() > MAX_CELL) {
            let cure = "Vérifiez qu’aucun guillemet ouvert ne manque de sa fermeture.";
            return Err(Finding::new(Place::Line(line), "too-large", "Une cellule dépasse 64 Kio.").cured_by(cure).into());
        }
        let fault = (quotes % 2 == 1 || !closed && swallows)
            .then(|| Finding::new(Place::Line(line), "quote", "Un guillemet ouvert n’est pas fermé sur cette ligne."));
        let cells = record.iter().map(|cell| disarmed(cell).to_owned()).collect();
        Ok(Some(Row { line, cells, fault }))
    }

    /// A quote that was opened and never closed makes one cell of everything behind it, the rows of other children included. Where a
    /// line behind it has the columns of the file, the row ends before it, and that line is read as a row again.
    fn open_quote(&mut self, from: u64) -> Result<Option<Row>, Refused> {
        let raw = between(self.reader.get_ref().get_ref(), from, self.reader.position().byte());
        if self.header.len() < 3 || is_closed(raw) || raw.len() > self.again {
            return Ok(None);
        }
        let Some(end) = swallowed(raw, self.header.len()) else { return Ok(None) };
        self.again -= raw.len();
        let row = raw.get(..end).unwrap_or_default().to_vec();
        let mut position = csv::Position::new();
        position.set_byte(from + end as u64);
        let broken = |_| Refused::from(Finding::new(Place::Line(self.lines.line), "not-csv", "La ligne n’est pas du CSV."));
        self.reader.seek(position).map_err(broken)?;
        let line = self.lines.after(&row);
        let text = String::from_utf8_lossy(&row).into_owned();
        let cells = text.trim_matches(['\r', '\n']).split(';').map(str::to_owned).collect();
        let detail = "Un guillemet ouvert n’est pas fermé : la ligne est gardée à part telle quelle, et les suivantes sont lues.";
        let fault = Finding::new(Place::Line(line), "quote", detail).cured_by("Fermez le guillemet, ou retirez-le.");
        Ok(Some(Row { line, cells, fault: Some(fault) }))
    }
}

/// Whether every quote that opens a cell of these bytes also ends one.
fn is_closed(raw: &[u8]) -> bool {
    enum At {
        Start,
        Plain,
        Quoted,
        Closed,
    }
    let mut at = At::Start;
    for byte in raw {
        at = match (at, byte) {
            (At::Start, b'"') | (At::Closed, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::Closed,
            (At::Quoted, _) => At::Quoted,
            (At::Start | At::Plain | At::Closed, b';' | b'\r' | b'\n') => At::Start,
            (At::Start | At::Plain, _) => At::Plain,
            (At::Closed, _) => return false,
        };
    }
    !matches!(at, At::Quoted)
}

/// Where in the bytes of one record, behind its first line, a line begins that looks like a row of the file: it has the columns, and
/// no quote but one that opens a cell comes first in it.
fn swallowed(raw: &[u8], columns: usize) -> Option<usize> {
    let opens = |line: &[u8]| match line.iter().position(|b| *b == b'"').map(|at| at.checked_sub(1)) {
        Some(Some(before)) => line.get(before) == Some(&b';'),
        Some(None) | None => true,
    };
    let mut begin = 0;
    for (n, line) in lines(raw).enumerate() {
        if n > 0 && has(line, columns) && opens(line) {
            return Some(begin);
        }
        begin += line.len();
    }
    None
}

/// Whether both the first line of a record and another one have the columns of the file.
fn looks_like_two(raw: &[u8], columns: usize) -> bool {
    let mut lines = lines(raw).filter(|line| line.iter().any(|b| !matches!(b, b'\r' | b'\n')));
    lines.next().is_some_and(|first| has(first, columns)) && lines.any(|line| has(line, columns))
}

fn has(line: &[u8], columns: usize) -> bool {
    line.iter().filter(|b| **b == b';').count() + 1 >= columns
}

/// The lines of a record, with their ends; blank ones before it belong to the first.
fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let blank = raw.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let first = raw.get(blank..).unwrap_or_default().iter().position(|b| *b == b'\n').map_or(raw.len(), |at| blank + at + 1);
    let (first, rest) = raw.split_at(first);
    std::iter::once(first).chain(rest.split_inclusive(|b| *b == b'\n'))
}

fn between(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let at = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX);
    bytes.get(at(from)..at(to)).unwrap_or_default()
}

impl Row {
    /// What stands in a column; empty where the row ends before it.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

/// Writes a file: UTF-8 with its mark, semicolons, CRLF, and no cell that a spreadsheet would run.
///
/// # Errors
/// Memory that cannot be had.
pub fn write(header: &[&str], rows: &[Vec<String>]) -> Result<Vec<u8>, Refused> {
    let unwritable = || Refused::from(Finding::new(Place::Whole, "unwritable", "Le fichier n’a pas pu être écrit."));
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .terminator(csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(UTF8_MARK.as_bytes().to_vec());
    writer.write_record(header).map_err(|_| unwritable())?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| armed(cell).into_owned())).map_err(|_| unwritable())?;
    }
    writer.into_inner().map_err(|_| unwritable())
}

/// The text of a file: UTF-8 without its mark, else Windows-1252 and what to say of it.
pub fn decode(bytes: &[u8]) -> (Cow<'_, str>, Option<Finding>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text.strip_prefix(UTF8_MARK).unwrap_or(text)), None),
        Err(_) => {
            let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes);
            let detail = "Le fichier n’est pas en UTF-8 : il a été lu comme du Windows-1252.";
            (text, Some(Finding::new(Place::Whole, "windows-1252", detail).cured_by("Enregistrez le fichier en « CSV UTF-8 ».")))
        }
    }
}

/// A cell that a spreadsheet shows instead of running: an apostrophe before what begins like a formula, and before an apostrophe
/// that [`disarmed`] would otherwise take for ours.
fn armed(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(FORMULA) || disarmed(cell).len() != cell.len() { format!("'{cell}").into() } else { cell.into() }
}

/// The cell as it was before [`armed`].
fn disarmed(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(FORMULA) || rest.starts_with('\'') => rest,
        _ => cell,
    }
}

/// Counts lines as an editor does.
#[derive(Default)]
struct Lines {
    line: u64,
}

impl Lines {
    /// The line on which a record begins, whose bytes (with the ends of lines before it) are `raw`.
    fn after(&mut self, raw: &[u8]) -> u64 {
        let ends = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'\n').count() as u64;
        let blank = raw.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let (before, record) = raw.split_at(blank);
        let first = self.line + ends(before) + 1;
        self.line = first - 1 + ends(record);
        first
    }
}

no_content!(Sheet, Row);

/// Largest file.
pub const MAX_BYTES: usize = 8 << 20;
/// Most columns.
pub const MAX_COLUMNS: usize = 200;
/// Most rows.
pub const MAX_ROWS: usize = 100_000;
/// Largest cell, in bytes.
pub const MAX_CELL: usize = 64 << 10;

/// How many bytes are read a second time at most: a file that is made to be read again and again stays as it was read first.
const MAX_AGAIN: usize = 8 * MAX_BYTES;
/// Most remarks on cells that may hold other rows.
const MAX_REMARKS: usize = 100;

const UTF8_MARK: &str = "\u{feff}";
/// What makes a spreadsheet run a cell, full-width forms included.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

#[cfg(test)]
mod tests;
