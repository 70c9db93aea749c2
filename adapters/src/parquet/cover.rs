//! The cover sheet (*bordereau*): a few fields that let the decision of a magistrate be registered without opening it, as XML
//! inside the PDF or beside it, and as a form to print.
//!
//! A missing or odd field never refuses a decision: what the catalogue has no place for stands beside and is reported, and without
//! a sheet the paper alone is a soit-transmis. Refused is only what holds no file at all, or an archive that is not one.

mod archive;
mod embedded;
mod form;
mod parse;
mod read;
mod rows;
mod write;

#[cfg(test)]
mod tests;

use exchange::Party;

pub use archive::{ZIP_LIMIT, read_zip};
pub use form::{blank, sheet_pdf};
pub use read::{read_beside, read_pdf};
pub use write::{Sheet, write};

/// Namespace of the sheet; `bordereau.xsd` in this room is its schema.
pub const NAMESPACE: &str = "urn:passerelle:parquet:bordereau:1";

/// Name of the sheet, inside a PDF and beside it.
pub const SHEET: &str = "bordereau.xml";

/// What only the edge knows of what came in: no sheet can say who its sender is.
pub struct Context {
    /// Who sent it, as the channel proved.
    pub sender: Party,
    /// For whom it came in.
    pub recipient: Party,
    /// Code of CL-purpose, where the type leaves a choice and the edge has made it.
    pub purpose: Option<String>,
    /// Articles, where the edge knows them better than the type.
    pub legal_basis: Vec<String>,
}

/// What a magistrate sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// A request or an instruction to the CRIP.
    SoitTransmis,
    /// Ordonnance de placement provisoire (C. civ. 375-5).
    Opp,
    /// Judgment of the juge des enfants.
    Jugement,
    /// What followed a signalement (CASF L226-4 I, last sentence).
    AvisDeSuites,
}

impl Nature {
    const ALL: [Self; 4] = [Self::SoitTransmis, Self::Opp, Self::Jugement, Self::AvisDeSuites];

    /// The code in the sheet.
    pub const fn code(self) -> &'static str {
        match self {
            Self::SoitTransmis => "soit-transmis",
            Self::Opp => "opp",
            Self::Jugement => "jugement",
            Self::AvisDeSuites => "avis-de-suites",
        }
    }

    /// The title of the paper; in the envelope it says which decision of a magistrate it is.
    pub const fn title(self) -> &'static str {
        match self {
            Self::SoitTransmis => "Soit-transmis",
            Self::Opp => "Ordonnance de placement provisoire",
            Self::Jugement => "Jugement",
            Self::AvisDeSuites => "Avis de suites",
        }
    }

    /// The exchange type. The catalogue has none for decisions as such yet: they are what followed.
    const fn kind(self) -> &'static str {
        match self {
            Self::SoitTransmis => "soit-transmis",
            Self::Opp | Self::Jugement | Self::AvisDeSuites => "suites-judiciaires",
        }
    }
}
