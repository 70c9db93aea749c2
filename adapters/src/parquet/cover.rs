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
use unicode_normalization::UnicodeNormalization;

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

    /// The nature that a sheet says, by its code or in the words of a court: `OPP`, « Ordonnance de placement provisoire ».
    fn said(text: &str) -> Option<Self> {
        let said = words(text).join("-");
        Self::ALL.into_iter().find(|nature| said == nature.code() || said == words(nature.title()).join("-")).or(match said.as_str() {
            "o-p-p" | "ordonnance-placement-provisoire" => Some(Self::Opp),
            "st" => Some(Self::SoitTransmis),
            "jugement-en-assistance-educative" => Some(Self::Jugement),
            "avis-suites" | "suites" => Some(Self::AvisDeSuites),
            _ => None,
        })
    }

    /// The nature that the name of a file says, where it says one and no other.
    fn named(name: &str) -> Option<Self> {
        let last = name.rsplit('/').next().unwrap_or_default();
        let words = format!("-{}-", words(last).join("-"));
        let has = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(&format!("-{phrase}-")));
        let found = [
            (Self::Opp, has(&["opp", "o-p-p", "ordonnance-de-placement", "ordonnance-placement"])),
            (Self::SoitTransmis, has(&["soit-transmis"])),
            (Self::Jugement, has(&["jugement"])),
            (Self::AvisDeSuites, has(&["avis-de-suites", "avis-suites"])),
        ];
        let mut found = found.into_iter().filter_map(|(nature, is)| is.then_some(nature));
        found.next().filter(|_| found.next().is_none())
    }

    /// The exchange type. The catalogue has none for decisions as such yet: they are what followed.
    const fn kind(self) -> &'static str {
        match self {
            Self::SoitTransmis => "soit-transmis",
            Self::Opp | Self::Jugement | Self::AvisDeSuites => "suites-judiciaires",
        }
    }
}

/// Words without accents, in lower case.
fn words(text: &str) -> Vec<String> {
    let plain: String = text.nfd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).flat_map(char::to_lowercase).collect();
    plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
