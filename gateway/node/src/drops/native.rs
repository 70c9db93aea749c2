//! What a partner's files look like, by its adapter: exchanges to be written for it, and what it left.

use std::collections::BTreeMap;

use adapters::{
    caf::{self, Document, Files},
    departement::Line119,
    mapping::{Context, Format as Form, Known, Mapping, Record, Records},
    reading::{Finding, Place, Refused},
    sheet,
};
use exchange::{Instant, Party, Urgency};
use serde_json::Value;

use super::partner::{Format, Partner};
use crate::{directory::day::day_in_france, flows::Law};

/// The layouts of one partner, held against the catalogue in force.
pub enum Layouts {
    /// Of a caisse.
    Caisse(Box<Files>),
    /// Of the 119.
    Line119(Box<Line119>),
    /// Of a product.
    Mappings(Vec<Mapping>),
}

/// A file for a partner.
pub struct File {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many parts of the exchange have no place in it.
    pub left_out: usize,
}

impl Layouts {
    /// The layouts of a partner by the catalogue in force.
    ///
    /// # Errors
    /// The catalogue is another one than they were written for, with every place.
    pub fn of(partner: &Partner, law: &Law) -> Result<Self, Refused> {
        let texts = law.files.texts();
        let text = |name: &str| texts.get(&format!("catalogue/{name}.toml")).map(String::as_str).unwrap_or_default();
        let known = |kind: &str| Known::parse(text(kind), text("_components"), text("_codes"));
        Ok(match partner.format {
            Format::Caisse => Self::Caisse(Box::new(Files::load(&known("demande-adresse")?, &known("notification-placement")?)?)),
            Format::Line119 => Self::Line119(Box::new(Line119::load(&known("information-preoccupante")?, &known("retour-information")?)?)),
            Format::Mapping => {
                let load = |(_, text): &(String, String)| {
                    let kind = text.parse::<toml::Table>().ok().and_then(|table| Some(table.get("type")?.as_str()?.to_owned()));
                    Mapping::load(text, &known(kind.as_deref().unwrap_or_default())?)
                };
                Self::Mappings(partner.mappings.iter().map(load).collect::<Result<_, _>>()?)
            }
        })
    }

    /// The file in which a partner gets one document; nothing when it has no file for such an exchange.
    ///
    /// # Errors
    /// The document cannot be written so.
    pub fn write(&self, partner: &Partner, document: &Value, received: Instant) -> Result<Option<File>, Refused> {
        let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
        let (kind, exchange, answer) = (text("type"), text("exchange").to_owned(), document.get("in_reply_to").is_some());
        let written = match self {
            Self::Caisse(files) => {
                let (which, given) = match (kind, answer) {
                    ("demande-adresse", false) => (Document::AddressRequest, caf::request(&exchange, day_in_france(received))),
                    ("notification-placement", false) => (Document::Placement, BTreeMap::from([("notification".to_owned(), exchange)])),
                    _ => return Ok(None),
                };
                files.write(which, partner.form, &[Record { envelope: document, given: &given }])?
            }
            Self::Line119(files) => {
                if kind != "retour-information" || document.pointer("/payload/numero_appel_119").is_none() {
                    return Ok(None);
                }
                files.write_return(partner.form, &[Record { envelope: document, given: &BTreeMap::new() }])?
            }
            Self::Mappings(mappings) => {
                let Some(mapping) = mappings.iter().find(|mapping| mapping.kind == kind) else { return Ok(None) };
                let given = BTreeMap::from([(partner.reference.clone(), exchange)]);
                mapping.write(&[Record { envelope: document, given: &given }], partner.form)?
            }
        };
        Ok(Some(File { bytes: written.bytes, left_out: written.reported.len() }))
    }

    /// What a file of the partner holds.
    ///
    /// # Errors
    /// It is not one of the partner's layouts, or not whole.
    pub fn read(&self, partner: &Partner, bytes: &[u8]) -> Result<Records, Refused> {
        let form = form(bytes);
        let context = Context {
            sender: Party { institution: partner.institution.clone(), unit: partner.unit.clone() },
            recipient: partner.recipient.clone(),
            purpose: None,
            legal_basis: Vec::new(),
            agreement: partner.agreement.clone(),
            urgency: Urgency::Ordinary,
            in_reply_to: None,
        };
        match self {
            Self::Caisse(files) => files.read(answer_of_a_caisse(bytes, form)?, form, bytes, &context),
            Self::Line119(files) => files.read(form, bytes, &context),
            Self::Mappings(mappings) => {
                let mut refused = None;
                for mapping in nearest(mappings, bytes, form) {
                    match mapping.read(bytes, form, &context) {
                        Ok(records) => return Ok(records),
                        Err(why) => refused = refused.or(Some(why)),
                    }
                }
                Err(refused.unwrap_or_else(foreign))
            }
        }
    }
}

/// The mapping with the most columns of a file first.
fn nearest<'m>(mappings: &'m [Mapping], bytes: &[u8], form: Form) -> Vec<&'m Mapping> {
    let header = header(bytes, form);
    let mut sorted: Vec<&Mapping> = mappings.iter().collect();
    sorted.sort_by_key(|mapping| {
        std::cmp::Reverse(mapping.columns().iter().filter(|column| header.iter().any(|name| name == *column)).count())
    });
    sorted
}

/// Which of the two answers of a caisse a file is: by a column that only one of them has, or by the root.
fn answer_of_a_caisse(bytes: &[u8], form: Form) -> Result<Document, Refused> {
    let header = header(bytes, form);
    let has = |name: &str| header.iter().any(|column| column == name);
    match form {
        Form::Csv if has("resultat") => Ok(Document::AddressAnswer),
        Form::Csv if has("date_prise_en_compte") || has("motif_rejet") => Ok(Document::PlacementAnswer),
        Form::Csv => Err(foreign()),
        Form::Xml => {
            let start = String::from_utf8_lossy(bytes.get(..START).unwrap_or(bytes)).into_owned();
            if start.contains("<reponses-adresse") {
                Ok(Document::AddressAnswer)
            } else if start.contains("<reponses-placement") {
                Ok(Document::PlacementAnswer)
            } else {
                Err(foreign())
            }
        }
    }
}

fn foreign() -> Refused {
    let detail = "Ce fichier n’est d’aucun des formats convenus avec ce partenaire.";
    Finding::new(Place::Whole, "wrong-file", detail).cured_by("Déposez un fichier du format convenu.").into()
}

fn header(bytes: &[u8], form: Form) -> Vec<String> {
    match form {
        Form::Csv => sheet::Sheet::open(bytes).map(|sheet| sheet.header().to_vec()).unwrap_or_default(),
        Form::Xml => Vec::new(),
    }
}

/// Of CSV and XML the first byte says which it is.
fn form(bytes: &[u8]) -> Form {
    let start = bytes.strip_prefix(BOM).unwrap_or(bytes);
    if start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<') { Form::Xml } else { Form::Csv }
}

const BOM: &[u8] = "\u{feff}".as_bytes();
/// How far into an XML file its root is looked for.
const START: usize = 4096;
