//! The commands: what a person types, and what the process answers.
//!
//! Exit codes: 0 done, 1 refused or found wrong, 2 could not be done (a file, the network, the gateway itself).

pub mod adapter;
pub mod audit;
pub mod backup;
pub mod decision;
pub mod desk;
mod ending;
pub mod health;
pub mod keys;
pub mod member;
pub mod migrate;
pub mod policy_diff;
pub mod policy_sets;
pub mod run;
pub mod task;
pub mod token;
pub mod vault;

use std::{io::Write, process::ExitCode};

use serde_json::Value;

use crate::client::ClientFault;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CommandFault {
    /// The gateway refused, or could not be reached.
    #[error(transparent)]
    Client(#[from] ClientFault),
    /// A file cannot be used.
    #[error("cannot use `{file}`: {what}")]
    File {
        /// Which.
        file: String,
        /// Why.
        what: String,
    },
    /// The gateway could not start or stopped on its own.
    #[error("{0}")]
    Gateway(String),
}

impl CommandFault {
    /// A fault of one file.
    pub fn file(file: &std::path::Path, what: &dyn std::fmt::Display) -> Self {
        Self::File { file: file.display().to_string(), what: what.to_string() }
    }

    /// The documented exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Client(ClientFault::Refused { .. }) => ExitCode::from(1),
            Self::Client(_) | Self::File { .. } | Self::Gateway(_) => ExitCode::from(2),
        }
    }

    /// What the person reads: the refusal with its rule and cure, or the fault with its causes.
    pub fn tell(&self, json: bool) {
        if let (true, Self::Client(ClientFault::Refused { problem, .. })) = (json, self) {
            return print(&serde_json::to_string_pretty(problem).unwrap_or_default());
        }
        let mut text = format!("gateway: {}", with_causes(self));
        if let Self::Client(ClientFault::Refused { problem, .. }) = self {
            for name in ["code", "rule", "article", "cure"] {
                if let Some(value) = problem.get(name).and_then(Value::as_str) {
                    text.push_str(&format!("\n  {name}: {value}"));
                }
            }
            for fault in problem.get("errors").and_then(Value::as_array).into_iter().flatten() {
                let of = |name| fault.get(name).and_then(Value::as_str).unwrap_or_default();
                text.push_str(&format!("\n  {} ({}): {}", of("pointer"), of("code"), of("detail")));
            }
        }
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// A fault with what caused it, joined by colons.
fn with_causes(fault: &dyn std::error::Error) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

/// Writes a line for the person, or for the program that reads it. A closed pipe is not our fault.
pub fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
