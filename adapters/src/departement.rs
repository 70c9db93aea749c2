//! The Département's own packages (Solis, Iodas and the like), each by its [mapping](crate::mapping), and the transmissions of the 119.
//!
//! What a vendor's files look like is a TOML file that the edge loads with [`Mapping::load`]: nothing here knows a vendor. The 119 has a
//! form and a return of its own here, which are mappings too.

use serde_json::Value;

use crate::{
    mapping::{Context, Format, Known, Mapping, Record, Records, Written},
    reading::{Finding, Place, Refused},
};

/// The two files of the 119, held against the catalogue in force: made once.
#[derive(Debug, Clone)]
pub struct Line119 {
    transmission: Mapping,
    feedback: Mapping,
}

impl Line119 {
    /// The files by the catalogue's `information-preoccupante` and `retour-information`.
    ///
    /// # Errors
    /// Where the catalogue is another one than the files were written for.
    pub fn load(transmission: &Known, feedback: &Known) -> Result<Self, Refused> {
        Ok(Self {
            transmission: Mapping::load(include_str!("departement/transmission-119.toml"), transmission)?,
            feedback: Mapping::load(include_str!("departement/retour-119.toml"), feedback)?,
        })
    }

    /// Reads transmissions of the 119 (CASF L226-6, R34): an `information-preoccupante` each, with `origine_119.*`. One without the number
    /// or the instant of the call is read like any other, and reported: the clock of the 119 starts from it.
    ///
    /// # Errors
    /// What [`Mapping::read`] refuses.
    pub fn read(&self, format: Format, bytes: &[u8], context: &Context) -> Result<Records, Refused> {
        let mut records = self.transmission.read(bytes, format, context)?;
        for (at, letter) in records.reading.letters.iter().enumerate() {
            for (name, what) in [("numero_appel", "Le numéro d’appel"), ("date_appel", "La date de l’appel")] {
                if letter.envelope.pointer(&format!("/payload/origine_119/{name}")).is_none() {
                    let detail = format!("{what} manque à la transmission n° {} du fichier, qui est reprise quand même.", at + 1);
                    records.reading.reported.push(Finding::new(Place::Path(format!("payload.origine_119.{name}")), "missing", detail));
                }
            }
        }
        Ok(records)
    }

    /// Writes transmissions of the 119, for whoever stands in its place: a test partner, another département.
    ///
    /// # Errors
    /// What [`Mapping::write`] refuses.
    pub fn write(&self, format: Format, records: &[Record<'_>]) -> Result<Written, Refused> {
        self.transmission.write(records, format)
    }

    /// Writes what the 119 is told of its transmissions within three months (R35), from `retour-information`: a status, dates and a
    /// contact, and never a word of the file (R33).
    ///
    /// # Errors
    /// What [`Mapping::write`] refuses, and a return without the number of the call, by which alone the 119 knows it.
    pub fn write_return(&self, format: Format, records: &[Record<'_>]) -> Result<Written, Refused> {
        let numberless = |record: &&Record<'_>| !record.envelope.pointer(CALL).is_some_and(Value::is_string);
        let missing = records.iter().filter(numberless).map(|_| {
            let detail = "Le numéro d’appel manque : le 119 ne saurait à quelle transmission ce retour répond (R35).";
            let cure = "Reprenez-le de l’information préoccupante (origine_119.numero_appel).";
            Finding::new(Place::Path("payload.numero_appel_119".into()), "missing", detail).cured_by(cure)
        });
        let missing: Vec<Finding> = missing.collect();
        if missing.is_empty() { self.feedback.write(records, format) } else { Err(Refused(missing)) }
    }

    /// Reads such returns, for whoever stands in the place of the 119.
    ///
    /// # Errors
    /// What [`Mapping::read`] refuses.
    pub fn read_return(&self, format: Format, bytes: &[u8], context: &Context) -> Result<Records, Refused> {
        self.feedback.read(bytes, format, context)
    }
}

const CALL: &str = "/payload/numero_appel_119";

#[cfg(test)]
mod tests;
