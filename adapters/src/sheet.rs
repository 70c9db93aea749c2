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
    /// What was tolerated: another encoding than UTF-8.
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
        let mut sheet = Self { header: Vec::new(), reader, lines: Lines::default(), rows: 0, reported: tolerated.into_iter().collect() };
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
        let raw = between(self.reader.get_ref().get_ref(), from, self.reader.position().byte());
        let line = self.lines.after(raw);
        let quotes = raw.iter().filter(|b| **b == b'"').count();
        if !more {
            return Ok(None);
        }
        if record.iter().any(|cell| cell.len() > MAX_CELL) {
            let cure = "Vérifiez qu’aucun guillemet ouvert ne manque de sa fermeture.";
            return Err(Finding::new(Place::Line(line), "too-large", "Une cellule dépasse 64 Kio.").cured_by(cure).into());
        }
        let fault =
            (quotes % 2 == 1).then(|| Finding::new(Place::Line(line), "quote", "Un guillemet ouvert n’est pas fermé sur cette ligne."));
        let cells = record.iter().map(|cell| disarmed(cell).to_owned()).collect();
        Ok(Some(Row { line, cells, fault }))
    }
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

const UTF8_MARK: &str = "\u{feff}";
/// What makes a spreadsheet run a cell, full-width forms included.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(bytes: &[u8]) -> Vec<Row> {
        let mut sheet = Sheet::open(bytes).unwrap();
        std::iter::from_fn(|| sheet.next_row().unwrap()).collect()
    }

    fn refused(bytes: &[u8]) -> &'static str {
        let read = || {
            let mut sheet = Sheet::open(bytes)?;
            while sheet.next_row()?.is_some() {}
            Ok::<_, Refused>(())
        };
        read().unwrap_err().0[0].code
    }

    #[test]
    fn counts_lines_as_an_editor_does() {
        for (end, expected) in [("\n", [2, 3, 6]), ("\r\n", [2, 3, 6])] {
            let text = ["a;b", "1;2", "\"x", "y\";3", "", "4;5", ""].join(end);
            let lines: Vec<u64> = rows(text.as_bytes()).iter().map(|row| row.line).collect();
            assert_eq!(lines, expected, "{end:?}");
        }
    }

    #[test]
    fn reads_windows_1252_and_says_so() {
        let sheet = Sheet::open(b"Pr\xe9nom;\x80\n").unwrap();
        assert_eq!(sheet.header(), ["Prénom", "€"]);
        assert_eq!(sheet.reported[0].code, "windows-1252");
        let sheet = Sheet::open("\u{feff}Prénom;b\n".as_bytes()).unwrap();
        assert_eq!(sheet.header(), ["Prénom", "b"]);
        assert!(sheet.reported.is_empty());
    }

    #[test]
    fn what_would_run_is_only_shown() {
        let cells: Vec<String> =
            ["=1+1", "+33", "-2", "@x", "\tx", "\rx", "'=x", "''", "'s-Gravenhage", "a;b\"c\r\nd"].map(Into::into).into();
        let bytes = write(&["a"; 10], std::slice::from_ref(&cells)).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        for (_, start) in text.match_indices([';', '\n']).map(|(at, _)| text.split_at(at + 1)).skip(10) {
            assert!(!start.trim_start_matches('"').starts_with(FORMULA), "{start}");
        }
        assert!(rows(&bytes)[0].cells == cells);
    }

    #[test]
    fn refuses_what_is_too_large_or_not_a_table() {
        assert_eq!(refused(&vec![b'a'; MAX_BYTES + 1]), "too-large");
        assert_eq!(refused(format!("a;b\n{};1\n", "x".repeat(MAX_CELL + 1)).as_bytes()), "too-large");
        assert_eq!(refused("a;".repeat(MAX_COLUMNS + 1).as_bytes()), "too-large");
        assert_eq!(refused(format!("a;b\n{}", "1;2\n".repeat(MAX_ROWS + 1)).as_bytes()), "too-large");
        assert_eq!(refused(b""), "empty");
        assert_eq!(refused(b"a,b\n1,2\n"), "separator");
        assert_eq!(refused(b"a;\"b\n1;2\n"), "quote");
    }

    #[test]
    fn a_row_that_may_be_shifted_says_so() {
        assert_eq!(rows(b"a;b\n1;2;3\n")[0].fault.as_ref().unwrap().code, "cell-count");
        assert_eq!(rows(b"a;b\n1;\"2\n3;4\n")[0].fault.as_ref().unwrap().code, "quote");
        assert!(rows(b"a;b\n1;2;;\n")[0].fault.is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(table in proptest::collection::vec(proptest::collection::vec("[=+'@\"; a-zé\\r\\n\\t-]{0,8}", 3), 1..6)) {
            let table: Vec<Vec<String>> = table.into_iter().filter(|row| row.iter().any(|cell| !cell.trim().is_empty())).collect();
            let back = rows(&write(&["a", "b", "c"], &table).unwrap());
            prop_assert!(back.iter().all(|row| row.fault.is_none()));
            prop_assert_eq!(back.into_iter().map(|row| row.cells).collect::<Vec<_>>(), table);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(mut sheet) = Sheet::open(&bytes) {
                while let Ok(Some(_)) = sheet.next_row() {}
            }
        }
    }
}
