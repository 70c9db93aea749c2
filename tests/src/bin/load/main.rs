//! The load generator of `tests/bench.sh`: measures a gateway, a bare server and a broker alike, and makes the table.
//!
//! `load run` is one measurement of one system, which it starts itself (the broker excepted): deposits of 4 KiB from
//! clients with certificates, closed loop. A deposit counts only when its `201` carries a receipt that verifies against
//! the gateway's key and commits to the bytes sent; receipts are verified after the window, since the clients share the
//! machine with what they measure. With `--append` a measurement becomes a line of a file and is not made twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a measuring tool stops at what it does not expect, and prints"
)]

#[cfg_attr(not(feature = "bench"), path = "no_broker.rs")]
mod broker;
mod children;
mod deposit;
mod machine;
mod once;
mod recipient;
mod run;
mod stage;
mod table;
mod uploads;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures a gateway under load, and what it is compared with
#[derive(Parser)]
#[command(max_term_width = 100)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure one system: throughput, latencies, CPU, memory, start-up
    Run(Box<run::Run>),
    /// Measure how long « may I? » takes, one question after the other
    Decisions(once::Decisions),
    /// Measure how fast the log of a kept stage is copied out and verified
    Log(once::Log),
    /// Write a stage (certificates, directory, rules) for who starts a server by hand
    Stage {
        /// New folder
        folder: PathBuf,
    },
    /// Say what machine this is, how long its disk takes for a sync, and which SQLite is built in
    About {
        /// On whose file system to sync
        folder: PathBuf,
    },
    /// Make the table of a file of measurements: medians, medians of ratios, what had to be reached
    Table(table::Table),
}

#[tokio::main]
async fn main() {
    match Options::parse().command {
        Command::Run(run) => run.measure().await,
        Command::Decisions(decisions) => decisions.measure().await,
        Command::Log(log) => log.measure().await,
        Command::Stage { folder } => drop(stage::Stage::open(&folder)),
        Command::About { folder } => print!("{}", machine::about(&folder).await),
        Command::Table(table) => table.print(),
    }
}
