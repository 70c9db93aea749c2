//! Proofs: what holds of the rules for every request that can be written, and not for the tried ones only.
//!
//! The rules become formulas (`cedar-policy-symcc`) and a solver (`cvc5`, a process of its own) looks for a request that
//! contradicts a claim. What it finds is played again on the engine that decides, so that a wrong solver is noticed. No
//! decision ever waits for this room: it serves the people who write rules.

pub mod changes;
#[cfg(feature = "solver")]
pub mod compare;
pub mod label;
#[cfg(feature = "solver")]
mod solve;
#[cfg(feature = "solver")]
pub mod told;
#[cfg(feature = "solver")]
pub mod twin;
pub mod witness;
pub mod world;

#[cfg(test)]
mod tests;

#[cfg(feature = "solver")]
pub use solve::{Prover, claim, guards, on_a_deep_stack};
pub use witness::Witness;

/// Why a question to the solver has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProofFault {
    /// No `cvc5` on the `PATH`, nor where the variable `CVC5` says; or this build was made without it.
    #[error("the solver cvc5 is not installed: {0}")]
    NoSolver(String),
    /// The solver gave up within its time.
    #[error("the solver does not know")]
    Unknown,
    /// The rules or the claim cannot become a formula, or the solver failed.
    #[error("the solver cannot be asked: {0}")]
    Unfit(String),
    /// The solver's counter-example is none for the engine that decides: the solver, or its translation, is broken.
    #[error("the solver's counter-example does not hold for the engine that decides")]
    Broken,
}
