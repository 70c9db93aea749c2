//! The hunter: a copy of the rules in a folder of its own, in which one file at a time is a mutant's.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use exchange::Instant;
use gateway::{
    catalogue::Catalogue,
    policy::{Cases, Policies},
    proof::Prover,
};
use tempfile::TempDir;

use super::breed::Mutant;
use crate::{
    Fault, check,
    ground::{Ground, lines},
    written::Sentences,
};

/// What became of a mutant.
#[derive(Debug)]
pub(crate) enum Fate {
    /// The gateway would not start with it.
    DoesNotLoad,
    /// A case gets another answer.
    Case(String),
    /// A proof breaks.
    Proof(String),
    /// Nobody notices.
    Survives,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DoesNotLoad => f.write_str("ne se charge pas"),
            Self::Case(place) => write!(f, "cas {place}"),
            Self::Proof(id) => write!(f, "preuve {id}"),
            Self::Survives => f.write_str("survit"),
        }
    }
}

/// One hunter: its own copy, its own solver.
pub(crate) struct Hunter<'a> {
    copy: TempDir,
    catalogue: Catalogue,
    cases: Cases,
    prover: Option<Prover>,
    at: Instant,
    sentences: &'a Sentences,
}

impl<'a> Hunter<'a> {
    /// Copies what is needed of `folder`.
    ///
    /// # Errors
    /// A file cannot be used; the solver is not there.
    pub(crate) fn new(folder: &Path, at: Instant, sentences: &'a Sentences, with_solver: bool) -> Result<Self, Fault> {
        let copy = tempfile::tempdir().map_err(|error| Fault::File(error.to_string()))?;
        copy_rules(folder, copy.path()).map_err(|error| Fault::File(format!("{}: {error}", folder.display())))?;
        let catalogue = Catalogue::load(&folder.join("catalogue")).map_err(|faults| Fault::File(lines(&faults)))?;
        let cases = Cases::read(folder).map_err(|faults| Fault::File(lines(&faults)))?;
        let prover = if with_solver { Some(Prover::start()?) } else { None };
        Ok(Self { copy, catalogue, cases, prover, at, sentences })
    }

    /// The rules as they are must pass: else everything would be killed by what is wrong anyway.
    ///
    /// # Errors
    /// They do not.
    pub(crate) async fn passes_untouched(&mut self) -> Result<(), Fault> {
        let fate = self.fate(true).await?;
        if matches!(fate, Fate::Survives) {
            return Ok(());
        }
        Err(Fault::File(format!("les règles telles qu’elles sont ne passent pas : {fate}")))
    }

    /// What becomes of one mutant.
    ///
    /// # Errors
    /// A file cannot be written; the solver is gone.
    pub(crate) async fn hunt(&mut self, mutant: &Mutant) -> Result<Fate, Fault> {
        let file: PathBuf = self.copy.path().join(&mutant.file);
        let unfit = |error: std::io::Error| Fault::File(format!("{}: {error}", mutant.file.display()));
        let own = fs::read_to_string(&file).map_err(unfit)?;
        fs::write(&file, &mutant.text).map_err(unfit)?;
        let fate = self.fate(mutant.of_submit).await;
        fs::write(&file, own).map_err(unfit)?;
        fate
    }

    async fn fate(&mut self, of_submit: bool) -> Result<Fate, Fault> {
        let Ok(policies) = Policies::load(self.copy.path(), &|code| self.catalogue.obligation(code).is_some()) else {
            return Ok(Fate::DoesNotLoad);
        };
        if let Some(place) = self.cases.first_failure(&policies, &self.catalogue, of_submit) {
            return Ok(Fate::Case(place));
        }
        let Some(prover) = &mut self.prover else { return Ok(Fate::Survives) };
        let ground = Ground::of(self.copy.path(), &policies, &self.catalogue, self.at)?;
        Ok(check::first_broken(prover, &ground, self.sentences).await?.map_or(Fate::Survives, Fate::Proof))
    }
}

fn copy_rules(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::copy(from.join("schema.cedarschema"), to.join("schema.cedarschema"))?;
    for part in ["law", "local"] {
        fs::create_dir(to.join(part))?;
        for entry in fs::read_dir(from.join(part))? {
            let path = entry?.path();
            if path.is_file() {
                fs::copy(&path, to.join(part).join(path.file_name().unwrap_or_default()))?;
            }
        }
    }
    Ok(())
}
