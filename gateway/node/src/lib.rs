//! Passerelle: a gateway through which French institutions exchange information about children in danger.
//!
//! The map of the rooms. Imports point one way: words (`exchange`) ← codecs (`adapters`) ← rules ← store ←
//! flows ← edges ← node; a test checks it.
//!
//! * rules, pure: [`clock`] [`catalogue`] [`directory`] [`agreements`] [`policy`] [`token`]

// rules
pub mod agreements;
pub mod catalogue;
pub mod clock;
pub mod directory;
pub mod policy;
pub mod token;
