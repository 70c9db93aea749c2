//! Cases: situations with the answer a jurist expects, played against the rules as they are written.
//!
//! `policies/decisions/*.toml`. Each case is also replayed from its record; and every word of a case, and every word that
//! the rules compare a fact with, must exist: a misspelt kind would make a prohibition silent, or play another situation.

mod hunt;
mod play;
mod table;
mod told;
mod words;
mod written;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use exchange::TypeCode;

pub use self::hunt::Cases;
pub use self::table::Table;
use self::written::Case;
use super::{Policies, PolicyFault};
use crate::{agreements::Agreements, catalogue::Catalogue, source::SourceFault};

/// The folder cannot be played at all.
#[derive(Debug, thiserror::Error)]
pub enum CasesFault {
    /// The rules have mistakes.
    #[error("{}", lines(.0))]
    Policies(Vec<PolicyFault>),
    /// The catalogue or the cases have mistakes.
    #[error("{}", lines(.0))]
    Sources(Vec<SourceFault>),
}

/// What playing every case gave. Printed in French.
#[derive(Debug)]
pub struct Report {
    played: usize,
    failures: Vec<Failure>,
    unfit: Vec<String>,
    /// Rules that policies carry, and which of them lack a case in one of the two ways.
    carried: usize,
    bare: Vec<String>,
}

/// A case that did not give the expected answer.
#[derive(Debug)]
struct Failure {
    file: PathBuf,
    line: usize,
    title: String,
    differences: Vec<String>,
}

/// Plays every case of `<folder>/decisions` with the rules and the catalogue of `folder`.
///
/// # Errors
/// [`CasesFault`] with every mistake of the room that has one.
pub fn run_cases(folder: &Path) -> Result<Report, CasesFault> {
    let catalogue = Catalogue::load(&folder.join("catalogue")).map_err(CasesFault::Sources)?;
    let policies = Policies::load(folder, &|code| catalogue.obligation(code).is_some()).map_err(CasesFault::Policies)?;
    let cases = written::read(&folder.join("decisions")).map_err(CasesFault::Sources)?;
    let mut failures = Vec::new();
    for (file, line, case) in &cases {
        let mut differences = words::unknown(case, &policies, &catalogue);
        if differences.is_empty() {
            differences = play::play(&policies, &catalogue, case).unwrap_or_else(|unknown| vec![unknown]);
        }
        if !differences.is_empty() {
            failures.push(Failure { file: file.clone(), line: *line, title: case.title.clone(), differences });
        }
    }
    // Somebody tries rules of their own in a folder without the table or the register: the cases are played all the same.
    let tabled = folder.join("rules.toml").exists();
    let mut unfit = policies.unfit(&catalogue);
    if folder.join("agreements").exists() {
        unfit.extend(agreements(folder, &catalogue));
    }
    let (carried, bare) = if tabled {
        let table = Table::of(folder, &policies, &catalogue, &cases)?;
        unfit.extend(table.faults().iter().cloned());
        table.uncovered()
    } else {
        (0, Vec::new())
    };
    Ok(Report { played: cases.len(), failures, unfit, carried, bare })
}

/// The mistakes of the agreements. Who their parties are is the directory's word, which is not part of a folder of policies.
fn agreements(folder: &Path, catalogue: &Catalogue) -> Vec<String> {
    let is_type = |code: &TypeCode| catalogue.has_code("CL-type", code.as_str());
    let read = Agreements::load(&folder.join("agreements"), &|_| true, &is_type, &|list, code| catalogue.has_code(list, code));
    let faults = read.err().unwrap_or_default();
    faults.into_iter().map(|fault| told::in_french(fault).to_string()).collect()
}

/// The table of rules of `folder`.
///
/// # Errors
/// [`CasesFault`] with every mistake of the room that has one.
pub fn rules_table(folder: &Path) -> Result<Table, CasesFault> {
    let catalogue = Catalogue::load(&folder.join("catalogue")).map_err(CasesFault::Sources)?;
    let policies = Policies::load(folder, &|code| catalogue.obligation(code).is_some()).map_err(CasesFault::Policies)?;
    let cases = written::read(&folder.join("decisions")).map_err(CasesFault::Sources)?;
    Table::of(folder, &policies, &catalogue, &cases)
}

impl Report {
    /// Every case gave the expected answer, there is at least one, no word is unknown, no rule stops an alert and the
    /// agreements have no mistake.
    pub fn passed(&self) -> bool {
        self.played > 0 && self.failures.is_empty() && self.unfit.is_empty()
    }

    /// Rules that a policy carries and that no case plays in one of the two ways.
    pub fn bare(&self) -> &[String] {
        &self.bare
    }

    /// How many cases were played.
    pub fn played(&self) -> usize {
        self.played
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(f, "{}:{}: {}", failure.file.display(), failure.line, failure.title)?;
            failure.differences.iter().try_for_each(|difference| writeln!(f, "    {difference}"))?;
        }
        self.unfit.iter().try_for_each(|word| writeln!(f, "{word}"))?;
        if self.played == 0 {
            return write!(f, "Aucun cas : rien n’est vérifié.");
        }
        write!(f, "{} cas joués, {} conformes.", self.played, self.played - self.failures.len())?;
        if self.carried == 0 {
            return Ok(());
        }
        let covered = self.carried - self.bare.len();
        write!(f, "\n{} règles portées par les politiques, {covered} avec un cas dans chaque sens.", self.carried)?;
        if self.bare.is_empty() { Ok(()) } else { write!(f, "\nIl manque un cas à : {}.", self.bare.join(", ")) }
    }
}

fn lines(faults: &[impl fmt::Display]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

type Placed = (PathBuf, usize, Case);
