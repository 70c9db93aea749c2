//! `gateway policy diff`: what a change of the policies folder opens and closes, for who is to approve it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use exchange::Instant;

use super::{CommandFault, print};
use crate::{
    catalogue::Catalogue,
    clock::{Clock, SystemClock},
    policy::Policies,
    proof::changes::{self, Change},
};

/// `gateway policy diff`
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 compared; 1 only the files were compared, since the solver (cvc5) is not installed or does not know; \
2 could not be done."
)]
pub struct Diff {
    /// The `policies` folder as it was
    pub old: PathBuf,
    /// The `policies` folder as it is to be
    pub new: PathBuf,
    /// Day whose rules are compared, YYYY-MM-DD; today when absent
    #[arg(long)]
    pub on: Option<String>,
}

/// A folder, loaded as the gateway loads it.
#[cfg_attr(not(feature = "solver"), allow(dead_code, reason = "the catalogue is loaded to check the rules, and read by the solver's part"))]
struct Side {
    folder: PathBuf,
    catalogue: Catalogue,
    policies: Policies,
}

/// Says what changed, then what the change opens and closes.
///
/// # Errors
/// A folder cannot be read, or would not start a gateway.
pub fn diff(options: &Diff) -> Result<ExitCode, CommandFault> {
    let at = match &options.on {
        None => SystemClock.now(),
        Some(day) => {
            let midday = format!("{day}T10:00:00.000Z").parse();
            midday.map_err(|_| CommandFault::Gateway(format!("`{day}` is not a date")))?
        }
    };
    let (old, new) = (Side::load(&options.old)?, Side::load(&options.new)?);
    let short = |side: &Side| side.policies.hash().get(..12).unwrap_or_default().to_owned();
    print(&format!("De {} (jeu {}) à {} (jeu {})", old.folder.display(), short(&old), new.folder.display(), short(&new)));
    let unfit = |error: crate::proof::ProofFault| CommandFault::file(&options.new, &error);
    let mut any = false;
    any |= told("Règles", &changes::of_rules(&old.policies, &new.policies, at).map_err(unfit)?);
    any |= told("Catalogue", &changes::of_files(&old.folder, &new.folder, "catalogue").map_err(unfit)?);
    any |= told("Protocoles", &changes::of_files(&old.folder, &new.folder, "agreements").map_err(unfit)?);
    if !any {
        print("Rien n’a changé.");
        return Ok(ExitCode::SUCCESS);
    }
    answers(old, new, at)
}

impl Side {
    fn load(folder: &Path) -> Result<Self, CommandFault> {
        let lines = |faults: Vec<String>| CommandFault::file(folder, &faults.join("\n"));
        let catalogue = Catalogue::load(&folder.join("catalogue"));
        let catalogue = catalogue.map_err(|faults| lines(faults.iter().map(ToString::to_string).collect()))?;
        let policies = Policies::load(folder, &|code| catalogue.obligation(code).is_some());
        let policies = policies.map_err(|faults| lines(faults.iter().map(ToString::to_string).collect()))?;
        Ok(Self { folder: folder.to_owned(), catalogue, policies })
    }
}

/// Prints changes under a heading; whether there are any.
fn told(heading: &str, changes: &[Change]) -> bool {
    if changes.is_empty() {
        return false;
    }
    print(&format!("\n{heading}"));
    for change in changes {
        match change.lines.as_slice() {
            [one] => print(&format!("  {} : {one}", change.what)),
            lines => {
                print(&format!("  {}", change.what));
                lines.iter().for_each(|line| print(&format!("    {line}")));
            }
        }
    }
    true
}

/// Without the solver nobody knows what the change opens: said, and in the exit code.
#[cfg(not(feature = "solver"))]
fn answers(_: Side, _: Side, _: Instant) -> Result<ExitCode, CommandFault> {
    print("\nCe que le changement ouvre et ferme n’a PAS été cherché : ce programme a été construit sans le solveur.");
    Ok(ExitCode::from(1))
}

#[cfg(feature = "solver")]
fn answers(old: Side, new: Side, at: Instant) -> Result<ExitCode, CommandFault> {
    use crate::proof::{self, ProofFault, Prover, compare, twin::Words};
    let work = move || -> Result<(Vec<compare::Difference>, Side), ProofFault> {
        let words = (Words::read(&old.folder)?, Words::read(&new.folder)?);
        let (was, is) = (
            compare::Set { policies: &old.policies, catalogue: &old.catalogue, words: &words.0 },
            compare::Set { policies: &new.policies, catalogue: &new.catalogue, words: &words.1 },
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ProofFault::Unfit(error.to_string()))?;
        let found = runtime.block_on(async { compare::compare(&mut Prover::start()?, was, is, at).await })?;
        Ok((found, new))
    };
    match proof::on_a_deep_stack(work) {
        Ok((found, new)) => {
            opened_and_closed(&found, &new.catalogue);
            Ok(ExitCode::SUCCESS)
        }
        Err(fault) => {
            let why = match fault {
                ProofFault::NoSolver(_) => "le solveur cvc5 n’est pas installé (paquet Debian : cvc5)".to_owned(),
                ProofFault::Unknown => "le solveur n’a pas conclu".to_owned(),
                ProofFault::Broken | ProofFault::Unfit(_) => format!("les deux jeux ne se comparent pas ({fault})"),
            };
            print(&format!("\nCe que le changement ouvre et ferme n’a PAS été trouvé : {why}."));
            Ok(ExitCode::from(1))
        }
    }
}

#[cfg(feature = "solver")]
fn opened_and_closed(found: &[crate::proof::compare::Difference], catalogue: &Catalogue) {
    for (opens, heading) in [(true, "Ce que le changement OUVRE"), (false, "Ce que le changement FERME")] {
        print(&format!("\n{heading}"));
        let mut none = true;
        for one in found.iter().filter(|one| one.opens == opens) {
            none = false;
            print(&format!("  {}", what(&one.action, &one.part)));
            let kinds = |kinds: &std::collections::BTreeSet<String>| {
                let all = kinds.len() == catalogue.kinds.len();
                let named = kinds.iter().map(|code| crate::proof::told::kind(code, catalogue)).collect::<Vec<_>>();
                if all { "toutes les sortes".to_owned() } else { named.join(" ; ") }
            };
            if !one.from.is_empty() {
                print(&format!("    expéditeurs : {}", kinds(&one.from)));
            }
            if !one.to.is_empty() {
                print(&format!("    destinataires : {}", kinds(&one.to)));
            }
            print(&format!("    par exemple : {}", crate::proof::told::odd(&one.example, &one.ordinary, catalogue)));
        }
        if none {
            print("  rien");
        }
    }
}

#[cfg(feature = "solver")]
fn what(action: &str, part: &str) -> String {
    match action {
        "submit" => format!("envoyer « {part} »"),
        "open" => "ouvrir un échange".to_owned(),
        "break_glass" => "ouvrir un échange par l’accès d’urgence".to_owned(),
        "receive" => format!("faire détenir « {part} » par un service"),
        "disclose" => format!("faire lire « {part} » à une personne"),
        "reidentify" => "retrouver la personne derrière un pseudonyme".to_owned(),
        "query" => "demander si un dossier est connu".to_owned(),
        other => format!("{other} {part}"),
    }
}
