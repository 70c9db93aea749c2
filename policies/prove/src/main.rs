//! `prove`: proofs that the rules keep what the law demands, and the mutation of the rules.
//!
//! * `prove` proves every invariant of `invariants.toml` and of `special`, refutes every sentence of `known-false.toml`,
//!   and prints the table.
//! * `prove mutate` takes each rule, clause and obligation away, one at a time, and says what nobody notices.
//!
//! Exit codes: 0 all proved (no survivor), 1 something is not, 2 could not be done (a file, no solver).

mod check;
mod ground;
mod mutate;
mod special;
mod written;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use exchange::Instant;
use gateway::{
    clock::{Clock, SystemClock},
    proof::{ProofFault, Prover, on_a_deep_stack},
};

use crate::{check::Table, ground::Ground, written::Sentences};

/// Prove that the rules keep what the law demands
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The `policies` folder
    #[arg(long, global = true, default_value = "policies")]
    folder: PathBuf,
    /// The folder of `invariants.toml`, `known-false.toml` and `survivors.toml`
    #[arg(long, global = true, default_value = "policies/prove")]
    claims: PathBuf,
    /// Day whose rules are meant, YYYY-MM-DD; today when absent
    #[arg(long, global = true)]
    on: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take each rule, clause and obligation away, one at a time, and say what no case and no proof notices
    Mutate(mutate::Options),
}

/// Why nothing could be done.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// A file cannot be used.
    #[error("{0}")]
    File(String),
    /// The solver cannot be asked.
    #[error(transparent)]
    Proof(#[from] ProofFault),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|error| Fault::File(error.to_string()))?.block_on(run(cli))
    };
    match on_a_deep_stack(work) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(fault) => {
            let _ = writeln!(std::io::stderr(), "prove: {fault}");
            ExitCode::from(2)
        }
    }
}

async fn run(cli: Cli) -> Result<bool, Fault> {
    let at = day(cli.on.as_deref())?;
    let sentences = Sentences::read(&cli.claims)?;
    match cli.command {
        None => {
            let ground = Ground::load(&cli.folder, at)?;
            let table = Table::of(&mut Prover::start()?, &ground, &sentences).await?;
            print(&table.to_string());
            Ok(table.holds())
        }
        Some(Command::Mutate(options)) => mutate::mutate(&options, &cli.folder, &cli.claims, at, &sentences).await,
    }
}

fn day(written: Option<&str>) -> Result<Instant, Fault> {
    match written {
        None => Ok(SystemClock.now()),
        Some(day) => format!("{day}T10:00:00.000Z").parse().map_err(|_| Fault::File(format!("`{day}` is not a date"))),
    }
}

/// Writes a line for the person. A closed pipe is not our fault.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
