//! What every adapter gives back: what it understood of a partner's bytes and what it would lose, or why it refused them.
//!
//! Nothing a partner wrote is dropped in silence: it stands in the envelope, in an attachment, [beside](Letter::beside) it, or
//! [is reported](Reading::reported). Nothing here can be logged by accident: what holds content has an empty `Debug`, and a
//! [`Finding`] names a place and never what stands there.

use std::fmt;

use exchange::Party;
use serde_json::{Map, Value, json};

/// Where something stands, in the partner's own terms. Holds only names that the format itself defines: a column, an element or
/// a file that a partner invented may be called after a child, and is told by its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A FHIRPath into a Bundle (`Bundle.entry[2].resource.ofType(Patient).name[0]`), as `OperationOutcome.issue.expression`.
    Path(String),
    /// A cell of a CSV file.
    Cell {
        /// Line of the file as an editor counts, from 1; where a record is of several lines, its first.
        line: u64,
        /// The column's name in the format.
        column: Column,
    },
    /// A line of a CSV file as a whole.
    Line(u64),
    /// An element or an attribute of an XML file.
    Element {
        /// Line of the file, from 1.
        line: u64,
        /// Name in the format (`NUMANONYM`, `@id`), or the path to it where one name stands in several places.
        name: String,
    },
    /// A file of an archive or of a drop, by its name in the format.
    File(String),
    /// The bytes as a whole.
    Whole,
}

/// A column of a CSV file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// One that the format has, by its name there.
    Named(&'static str),
    /// One that a mapping file has, by its name there.
    Mapped(String),
    /// One that it has not, by its position from 1.
    Unknown(usize),
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "colonne « {name} »"),
            Self::Mapped(name) => write!(f, "colonne « {name} »"),
            Self::Unknown(position) => write!(f, "colonne n° {position}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            Self::Cell { line, column } => write!(f, "ligne {line}, {column}"),
            Self::Line(line) => write!(f, "ligne {line}"),
            Self::Element { line, name } => write!(f, "ligne {line}, élément « {name} »"),
            Self::File(name) => write!(f, "fichier « {name} »"),
            Self::Whole => f.write_str("l’ensemble"),
        }
    }
}

/// One thing an adapter says of a place. Never holds what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// Stable code: `unknown-element`, `bad-code`, `bad-date`, `missing`, `too-large`…
    pub code: &'static str,
    /// One French sentence: what is wrong, or what is not taken over.
    pub detail: String,
    /// One French sentence: what would cure it, where something would.
    pub cure: Option<String>,
}

impl Finding {
    /// A finding that names no cure. `detail` is a French sentence, and never holds what stands at the place.
    pub fn new(place: Place, code: &'static str, detail: impl Into<String>) -> Self {
        Self { place, code, detail: detail.into(), cure: None }
    }

    /// The same finding, with what would cure it.
    #[must_use]
    pub fn cured_by(self, cure: impl Into<String>) -> Self {
        Self { cure: Some(cure.into()), ..self }
    }
}

impl From<Finding> for Refused {
    fn from(finding: Finding) -> Self {
        Self(vec![finding])
    }
}

/// One exchange in the canonical form, with the bytes of its attachments.
#[derive(Clone, PartialEq)]
pub struct Letter {
    /// The envelope as `POST /v1/exchanges` takes it.
    pub envelope: Value,
    /// What its `attachments[]` describe, in the same order.
    pub attachments: Vec<Vec<u8>>,
    /// Content that the canonical form has no place for. Whoever hands a danger type on keeps it sealed with the exchange;
    /// for any other type its places are among the findings as well.
    pub beside: Vec<Beside>,
}

/// Content of a partner that has no place in the canonical form.
#[derive(Clone, PartialEq)]
pub struct Beside {
    /// Where it stood.
    pub place: Place,
    /// What stood there, as text or as the JSON of its format.
    pub value: Value,
}

/// What an adapter understood.
#[derive(Clone, PartialEq)]
pub struct Reading {
    /// The exchanges, in the order of the partner's bytes.
    pub letters: Vec<Letter>,
    /// What was not taken over, or only beside: the sender is told.
    pub reported: Vec<Finding>,
}

/// The bytes were not understood, and nothing of them was taken over. At least one finding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("refused at {} places, first at {}", .0.len(), .0.first().map(|first| first.place.to_string()).unwrap_or_default())]
pub struct Refused(pub Vec<Finding>);

/// The parts of an envelope that the edge knows, whatever the format.
pub(crate) fn route(kind: &str, [sender, recipient]: [&Party; 2], purpose: Option<&str>, legal_basis: &[String]) -> Map<String, Value> {
    let mut envelope = Map::new();
    envelope.insert("type".to_owned(), kind.into());
    envelope.insert("sender".to_owned(), json!(sender));
    envelope.insert("recipient".to_owned(), json!(recipient));
    envelope.extend(purpose.map(|purpose| ("purpose".to_owned(), purpose.into())));
    if !legal_basis.is_empty() {
        envelope.insert("legal_basis".to_owned(), json!(legal_basis));
    }
    envelope
}

/// An empty `Debug` for types that hold content.
macro_rules! no_content {
    ($($type:ident),*) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($type))
            }
        }
    )*};
}
pub(crate) use no_content;

no_content!(Letter, Beside, Reading);
