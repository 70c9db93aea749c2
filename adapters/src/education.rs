//! Éducation nationale: the form about one child, filled in from a list that the school has already.
//!
//! A school hands in its own export (ONDE, SIECLE, AAF) and says which child it is about. What comes back is that child with its
//! parents and its school, or the lines of those who cannot be told apart, and never the list. Nothing is kept, no INE is read, and a
//! person still checks the form and sends it.

pub mod aaf;
pub mod absences;
pub mod listing;
pub mod siecle;
pub mod uai;

mod subject;
mod wanted;

use serde_json::Value;

use crate::reading::{Finding, no_content};

pub use uai::Uai;
pub use wanted::{Choice, Found, Wanted};

/// What a form about one child begins with.
#[derive(Clone, PartialEq)]
pub struct Prefill {
    /// `subjects[]` of an envelope: the child as `s1`, then its parents and legal representatives.
    pub subjects: Vec<Value>,
    /// What was not taken over.
    pub reported: Vec<Finding>,
}

no_content!(Prefill);

#[cfg(test)]
mod tests;
