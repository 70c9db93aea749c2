//! Simulation: random operations over gateways, members and one clock, beside a small model of what must be so.
//!
//! One number decides everything that is chosen: when a run begins, what happens, in which order, to what. It does not decide
//! how threads interleave, what keys and ids are drawn, how long a socket takes: a run that failed once under a seed and
//! passes when it is repeated is a race, and the list of operations is what is left of it. Nothing is simulated but the
//! clock: gateways listen on real sockets, keep what they keep in a real database, and are aborted with what they do.
//!
//! [`town`] is what is real, [`operations`] what may happen, [`model`] what must be so, and [`judge`] compares. What is
//! failure is written at the top of `tests/simulation.rs`.

pub mod calendar;
pub mod chance;
pub mod deposits;
pub mod documents;
pub mod erasures;
pub mod hours;
pub mod judge;
pub mod model;
pub mod operations;
pub mod people;
pub mod readings;
pub mod rules;
pub mod run;
pub mod tasks;
pub mod town;

pub use run::{Run, seeds};
