//! Writes a file event by event. Text and variables of an earlier décret are never written: the checks tell of both.

use std::io::{self, Write};

use quick_xml::escape::escape;
use time::Date;

use super::{
    cell,
    event::Event,
    pseudonym::Pseudonym,
    variables::{Kind, Variable, table},
};

/// An XML file.
pub struct XmlWriter<W>(W);

/// A CSV file: a column for every variable in force.
pub struct CsvWriter<W: Write>(csv::Writer<W>);

impl<W: Write> XmlWriter<W> {
    /// Begins a file. The algorithm of the pseudonyms stands in a comment, since the format has no place for it.
    ///
    /// # Errors
    /// Those of the output.
    pub fn new(mut out: W, exported: Date, scheme: &dyn Pseudonym) -> io::Result<Self> {
        let (version, algorithm) = (&table().version, escape(scheme.version()).replace("--", "-"));
        write!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DECRET>\n<!-- pseudonymes : {algorithm} -->\n")?;
        writeln!(out, "<INTRO><VERSIONXSD>{version}</VERSIONXSD><DATEXPORT>{exported}</DATEXPORT></INTRO>")?;
        Ok(Self(out))
    }

    /// Writes one event: what it has, in the order of the table.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        self.0.write_all(b"<DONNEE>")?;
        for (position, variable) in sent().filter(|(position, _)| event.has(*position)) {
            match event.at(position) {
                "" => write!(self.0, "<{}/>", variable.name)?,
                value => write!(self.0, "<{0}>{1}</{0}>", variable.name, escape(value))?,
            }
        }
        self.0.write_all(b"</DONNEE>\n")
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<W> {
        self.0.write_all(b"</DECRET>\n")?;
        self.0.flush()?;
        Ok(self.0)
    }
}

impl<W: Write> CsvWriter<W> {
    /// Begins a file with its line of names.
    ///
    /// # Errors
    /// Those of the output.
    pub fn new(out: W) -> io::Result<Self> {
        let mut lines = csv::WriterBuilder::new().delimiter(b';').from_writer(out);
        lines.write_record(sent().map(|(_, variable)| &variable.name))?;
        Ok(Self(lines))
    }

    /// Writes one event.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write(&mut self, event: &Event) -> io::Result<()> {
        for (position, _) in sent() {
            self.0.write_field(cell::write(event.at(position)).as_bytes())?;
        }
        Ok(self.0.write_record(None::<&[u8]>)?)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(self) -> io::Result<W> {
        self.0.into_inner().map_err(|error| error.error().kind().into())
    }
}

fn sent() -> impl Iterator<Item = (usize, &'static Variable)> {
    table().variables.iter().enumerate().filter(|(_, variable)| !variable.retired && variable.kind != Kind::Text)
}
