//! What scenario tests share: a whole gateway in this process or as a process of its own, on real sockets, with real
//! certificates of a development PKI, a clock whose hands the test moves, and members who ask.
//!
//! Nothing here stands in for the gateway: members reach it as they would in production.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect must stop"
)]

pub mod account;
pub mod browser;
pub mod cli;
pub mod endpoint;
pub mod front;
pub mod interposer;
pub mod kept;
pub mod network;
pub mod people;
pub mod post_office;
pub mod process;
pub mod python;
pub mod scene;
pub mod service;
pub mod simulation;
pub mod sshd;
pub mod stage;
mod user;
pub mod volume;

pub use scene::{NOW, Problem, Scene};

/// A JSON pointer's text, or an empty text.
pub fn text(value: &serde_json::Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
