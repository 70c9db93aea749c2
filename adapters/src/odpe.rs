//! The departmental observatory: the yearly indicators of child protection (CASF L226-3-1, L226-3-3), from facts that name
//! nobody, as tables with their sums from which no small number can be had (R69): not from one export, not from two.
//! See `odpe/README.md`.

mod counting;
mod grid;
mod group;
mod indicators;
mod kept;
mod protect;
mod publication;
#[cfg(test)]
mod tests;
mod write;

pub use counting::{Fact, Said};
pub use indicators::{Axis, Category, Indicator, Indicators, NOT_STATED, Population, indicators};
pub use kept::{Kept, NotKept};
pub use publication::{DEFAULT_THRESHOLD, MAX_TERRITORIES, Order, Publication, Shown, Statement, TableShown, Threshold, TooLow, publish};
pub use write::{csv, json, xml};
