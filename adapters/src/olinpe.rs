//! The observatories: OLINPE, the yearly file of the measures of child protection (CASF L226-3-3, D226-3-3 to D226-3-5).
//!
//! [`export`] makes it from a département's measures, [`check`] says what is wrong with a file before it is sent. Both read one
//! event at a time. No key is here: the two stages of the pseudonym are an argument. See `olinpe/README.md`.

pub(crate) mod cell;
mod checks;
mod children;
mod event;
mod measures;
mod metered;
mod pseudonym;
mod read;
mod report;
#[cfg(test)]
mod tests;
mod variables;
mod write;

pub use checks::{Checks, check};
pub use children::{BYTES_PER_CHILD, MAX_CHILDREN};
pub use event::{Event, Odd};
pub use measures::{Exported, FORMER, GIVEN_NAME, MOTHER_NAME, Order, Stopped, export};
pub use pseudonym::{DepartmentId, Keyed, NationalId, Pseudonym, Traits};
pub use read::{CsvEvents, Form, MAX_EVENTS, MAX_PIECE, MAX_VALUE, MAX_VARIABLES, Source, XmlEvents, open};
pub use report::{Check, PLACES_KEPT, Report, Tally};
pub use variables::{Age, CheckText, Condition, Given, Kind, Limits, Table, Variable, table};
pub use write::{CsvWriter, XmlWriter};
