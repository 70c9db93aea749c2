//! The parquet and the juge des enfants: what a person deposits with PLEX, the receipt they bring back, and the cover sheet that
//! lets the decision of a magistrate be read without opening it. Formats, sources and losses: `parquet/README.md`.
//!
//! Nothing here signs, decides or waits: the gateway signs the manifest through a closure, and follows the clock of the receipt.

pub mod cover;
mod manifest;
mod pack;
mod receipt;
mod signalement;
mod source;
mod words;
mod xml;

use serde_json::Value;
use time::Date;

pub use pack::{PLEX_LIMIT, Packed, PackedFile, Unpacked, pack};
pub use receipt::Receipt;

/// What makes a deposit: the document as its reader gets it, and what only the gateway knows of it.
pub struct Deposit<'a> {
    /// The signalement as the mailbox gives it to its reader: the canonical envelope without what is withheld.
    pub document: &'a Value,
    /// Id of the exchange: the reference on every page and in the manifest.
    pub reference: &'a str,
    /// Name of the sender in the directory.
    pub sender: &'a str,
    /// Name of the tribunal and its service in the directory.
    pub recipient: &'a str,
    /// Day of the signalement, in the time of the Département.
    pub dated: Date,
    /// Who signs, where the gateway knows.
    pub signatory: Option<Signatory>,
}

/// Who answers for a signalement.
pub struct Signatory {
    /// Name.
    pub name: String,
    /// Function, for example « directrice enfance-famille, par délégation du président du conseil départemental ».
    pub function: String,
}

/// The pages of a signalement alone, without annexes and manifest: what a member can print.
///
/// # Errors
/// [`crate::typeset::Unprintable`], a fault of ours.
pub fn pages(deposit: &Deposit<'_>) -> Result<crate::typeset::Typeset, crate::typeset::Unprintable> {
    crate::typeset::pdf(&signalement::document(deposit))
}
