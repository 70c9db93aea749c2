//! CAF, MSA and CPAM: address requests and their answers (CASF L226-3-2, R41 to R43), placements and what the caisse made of them
//! (CSS L521-2, L543-3, R47 to R49), as CSV and XML files of our own.
//!
//! Only what the rules allow leaves: the columns are those of four mapping files, and nothing else is ever written. What child
//! protection may not ask a caisse for is [refused](Source::refused) with its rule.

use std::collections::BTreeMap;

use exchange::ExchangeId;
use serde_json::Value;
use time::{Date, Duration, macros::format_description};

use crate::{
    elements::{self, Element},
    mapping::{Context, Format, Known, Mapping, Record, Records, Written},
    reading::{Column, Finding, Place, Refused},
    sheet::Sheet,
};

pub use self::source::Source;

mod source;

/// One of the four files that a caisse and a Département exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// The Département asks for the new address of a family: `demande-adresse`.
    AddressRequest,
    /// The caisse answers within ten days: coordinates, and nothing else.
    AddressAnswer,
    /// The ASE says that a child is entrusted to it, or no longer: `notification-placement`.
    Placement,
    /// The caisse says that it took the placement into account, or why not.
    PlacementAnswer,
}

/// The four files, held against the catalogue in force: made once.
#[derive(Debug, Clone)]
pub struct Files {
    request: Mapping,
    answer: Mapping,
    placement: Mapping,
    taken: Mapping,
}

impl Files {
    /// The files by the catalogue's `demande-adresse` and `notification-placement`.
    ///
    /// # Errors
    /// Where the catalogue is another one than the files were written for.
    pub fn load(address: &Known, placement: &Known) -> Result<Self, Refused> {
        Ok(Self {
            request: Mapping::load(include_str!("caf/demande-adresse.toml"), address)?,
            answer: Mapping::load(include_str!("caf/reponse-adresse.toml"), address)?,
            placement: Mapping::load(include_str!("caf/notification-placement.toml"), placement)?,
            taken: Mapping::load(include_str!("caf/reponse-placement.toml"), placement)?,
        })
    }

    /// Reads a file. The partner's own reference of each exchange comes apart; where it is the id of an exchange of ours, an answer
    /// says so in `in_reply_to`.
    ///
    /// # Errors
    /// What [`Mapping::read`] refuses, and a request that asks for what child protection may not ask for (R44, R45, R46).
    pub fn read(&self, document: Document, format: Format, bytes: &[u8], context: &Context) -> Result<Records, Refused> {
        if !document.is_answer() {
            asked(format, bytes)?;
        }
        let mut records = self.mapping(document).read(bytes, format, context)?;
        if document.is_answer() {
            answer(document, &mut records);
        }
        Ok(records)
    }

    /// Writes a file. An address that is hidden does not leave (R64), and is reported.
    ///
    /// # Errors
    /// What [`Mapping::write`] refuses.
    pub fn write(&self, document: Document, format: Format, records: &[Record<'_>]) -> Result<Written, Refused> {
        self.mapping(document).write(records, format)
    }

    /// The columns of the CSV form of one of them.
    pub fn columns(&self, document: Document) -> Vec<&str> {
        self.mapping(document).columns()
    }

    const fn mapping(&self, document: Document) -> &Mapping {
        match document {
            Document::AddressRequest => &self.request,
            Document::AddressAnswer => &self.answer,
            Document::Placement => &self.placement,
            Document::PlacementAnswer => &self.taken,
        }
    }
}

/// What the edge adds to a request: its reference, by which the caisse answers, and the day by which the law wants the answer.
pub fn request(reference: &str, received: Date) -> BTreeMap<String, String> {
    let due = answer_due(received).format(format_description!("[day]/[month]/[year]")).unwrap_or_default();
    BTreeMap::from([("demande".to_owned(), reference.to_owned()), ("echeance".to_owned(), due)])
}

/// The last day of the ten that a caisse has, counted from the day it received the request (CASF L226-3-2).
pub fn answer_due(received: Date) -> Date {
    received.saturating_add(Duration::days(10))
}

impl Document {
    const fn is_answer(self) -> bool {
        match self {
            Self::AddressAnswer | Self::PlacementAnswer => true,
            Self::AddressRequest | Self::Placement => false,
        }
    }
}

/// Ties answers to their requests, and forgets what is more than an answer (R42).
fn answer(document: Document, records: &mut Records) {
    let reference = match document {
        Document::AddressRequest | Document::AddressAnswer => "demande",
        Document::Placement | Document::PlacementAnswer => "notification",
    };
    for (at, (letter, given)) in records.reading.letters.iter_mut().zip(&records.given).enumerate() {
        letter.beside.retain(|beside| !beyond(&beside.place));
        match given.get(reference).map(|text| text.parse::<ExchangeId>()) {
            Some(Ok(id)) => {
                if let Value::Object(envelope) = &mut letter.envelope {
                    envelope.insert("in_reply_to".into(), id.to_string().into());
                }
            }
            Some(Err(_)) | None => {
                let detail =
                    format!("La référence de la réponse n° {} n’est pas celle d’un échange : elle n’est rattachée à aucun.", at + 1);
                let cure = format!("Recopiez la référence de la colonne « {reference} » du fichier reçu.");
                records.reading.reported.push(Finding::new(Place::Whole, "bad-reference", detail).cured_by(cure));
            }
        }
    }
    for finding in records.reading.reported.iter_mut().filter(|finding| matches!(finding.code, "unknown-column" | "unknown-element")) {
        finding.detail = "La réponse ne contient rien d’autre que ce qui est demandé (R42) : ceci n’est pas repris.".into();
    }
}

/// Whether a place is one that the format has not.
fn beyond(place: &Place) -> bool {
    match place {
        Place::Cell { column, .. } => matches!(column, Column::Unknown(_)),
        // An element beside that the format has bears its own name; one that it has not bears that of the record or of the root.
        Place::Element { name, .. } => matches!(name.as_str(), "reponse" | "reponses-adresse" | "reponses-placement"),
        // A row whose cells may be shifted: what stands in which column cannot be told.
        Place::Line(_) => true,
        Place::Path(_) | Place::File(_) | Place::Whole => false,
    }
}

/// Whether a request asks for what it may not: by the names of its columns or elements.
fn asked(format: Format, bytes: &[u8]) -> Result<(), Refused> {
    let findings: Vec<Finding> = match format {
        Format::Csv => {
            let sheet = Sheet::open(bytes)?;
            let places = sheet.header().iter().enumerate();
            let place = |at: usize| Place::Cell { line: 1, column: Column::Unknown(at + 1) };
            places.filter_map(|(at, name)| Some(Source::named(name)?.finding(place(at)))).collect()
        }
        Format::Xml => {
            let mut findings = Vec::new();
            for root in ["demandes-adresse", "notifications-placement"] {
                if let Ok((root, _)) = elements::read(bytes, root) {
                    named(&root, &root.name, &mut findings);
                }
            }
            findings
        }
    };
    if findings.is_empty() { Ok(()) } else { Err(Refused(findings)) }
}

fn named(element: &Element, root: &str, findings: &mut Vec<Finding>) {
    let place = || Place::Element { line: element.line, name: root.to_owned() };
    let names = std::iter::once(&element.name).chain(element.attributes.iter().map(|(name, _)| name));
    findings.extend(names.filter_map(|name| Some(Source::named(name)?.finding(place()))));
    element.children.iter().for_each(|child| named(child, root, findings));
}

#[cfg(test)]
mod tests;
