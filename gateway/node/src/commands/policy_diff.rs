//! `gateway policy diff`: what a change of the policies folder opens and closes, for who is to approve it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use exchange::Instant;

use super::{CommandFault, print};
#[cfg(feature = "solver")]
use crate::proof::label;
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

/// Says what would stop alerts, then what changed, then what the change opens and closes.
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
    let duty = |code: &str| {
        let rule = new.catalogue.obligation(code).or_else(|| old.catalogue.obligation(code));
        rule.map_or_else(|| code.to_owned(), |rule| format!("{} ({code})", rule.title))
    };
    let changes = [
        ("Règles", changes::of_rules(&old.policies, &new.policies, at, &duty).map_err(unfit)?),
        ("Catalogue", changes::of_files(&old.folder, &new.folder, "catalogue").map_err(unfit)?),
        ("Protocoles", changes::of_files(&old.folder, &new.folder, "agreements").map_err(unfit)?),
    ];
    if changes.iter().all(|(_, changes)| changes.is_empty()) {
        print("Rien n’a changé.");
        return Ok(ExitCode::SUCCESS);
    }
    // What stops an alert is told first: it costs most.
    let mut alerts = stopped(&old, &new);
    let found = answers(old, new, at);
    alerts.extend(found.iter().flat_map(|found| found.alerts.iter().cloned()));
    if !alerts.is_empty() {
        section("ALERTES ARRÊTÉES : des alertes sur un enfant en danger ne partiraient plus", &alerts);
    } else if found.is_ok() {
        print("\nAlertes sur un enfant en danger : le changement n’en arrête aucune.");
    }
    changes.iter().filter(|(_, changes)| !changes.is_empty()).for_each(|(heading, changes)| told(heading, changes));
    match found {
        Ok(Found { opened, closed, .. }) => {
            section("Ce que le changement OUVRE", &opened);
            section("Ce que le changement FERME", &closed);
            Ok(ExitCode::SUCCESS)
        }
        Err(why) => {
            print(&format!("\nCe que le changement ouvre et ferme n’a PAS été trouvé : {why}."));
            Ok(ExitCode::from(1))
        }
    }
}

/// What the solver found, in lines to be printed.
#[derive(Default)]
struct Found {
    /// Danger types that could no longer be sent.
    alerts: Vec<String>,
    opened: Vec<String>,
    closed: Vec<String>,
}

/// Prohibitions of the new rules that could stop an alert, and of the old ones could not.
fn stopped(old: &Side, new: &Side) -> Vec<String> {
    let before = old.policies.alerts_stopped(&old.catalogue);
    let after = new.policies.alerts_stopped(&new.catalogue);
    after.into_iter().filter(|rule| !before.contains(rule)).collect()
}

/// Prints lines under a heading.
fn section(heading: &str, lines: &[String]) {
    print(&format!("\n{heading}"));
    lines.iter().for_each(|line| print(&format!("  {line}")));
    if lines.is_empty() {
        print("  rien");
    }
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

/// Prints changes under a heading.
fn told(heading: &str, changes: &[Change]) {
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
}

/// Without the solver nobody knows what the change opens: said, and in the exit code.
#[cfg(not(feature = "solver"))]
fn answers(_: Side, _: Side, _: Instant) -> Result<Found, String> {
    Err("ce programme a été construit sans le solveur".to_owned())
}

/// Asks the solver, with a line of progress on a terminal; the error says why there is no answer, in French.
#[cfg(feature = "solver")]
fn answers(old: Side, new: Side, at: Instant) -> Result<Found, String> {
    use crate::proof::{self, ProofFault, Prover, compare, twin::Words};
    let bar = super::audit::bar_of("questions au solveur");
    let work = move || -> Result<Found, ProofFault> {
        let words = (Words::read(&old.folder)?, Words::read(&new.folder)?);
        let (was, is) = (
            compare::Set { policies: &old.policies, catalogue: &old.catalogue, words: &words.0 },
            compare::Set { policies: &new.policies, catalogue: &new.catalogue, words: &words.1 },
        );
        let step = |done: usize, of: usize| {
            bar.set_length(u64::try_from(of).unwrap_or(u64::MAX));
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| ProofFault::Unfit(error.to_string()))?;
        let found = runtime.block_on(async { compare::compare(&mut Prover::start()?, was, is, at, &step).await });
        bar.finish_and_clear();
        Ok(sorted(&found?, &old.catalogue, &new.catalogue))
    };
    proof::on_a_deep_stack(work).map_err(|fault| match fault {
        ProofFault::NoSolver(_) => "le solveur cvc5 n’est pas installé (paquet Debian : cvc5)".to_owned(),
        ProofFault::Unknown => "le solveur n’a pas conclu".to_owned(),
        ProofFault::Broken | ProofFault::Unfit(_) => format!("les deux jeux ne se comparent pas ({fault})"),
    })
}

/// Differences by what they mean: alerts that stop, what opens, what else closes.
#[cfg(feature = "solver")]
fn sorted(found: &[crate::proof::compare::Difference], old: &Catalogue, new: &Catalogue) -> Found {
    let mut sorted = Found::default();
    for one in found {
        let alert = one.action == "submit" && (old.is_danger(&one.part) || new.is_danger(&one.part));
        let lines = match (one.opens, alert) {
            (true, _) => &mut sorted.opened,
            (false, true) => &mut sorted.alerts,
            (false, false) => &mut sorted.closed,
        };
        lines.push(what(&one.action, &one.part, new));
        let kinds = |kinds: &std::collections::BTreeSet<String>| {
            let all = kinds.len() == new.kinds.len();
            let named = kinds.iter().map(|code| label::kind(code, new)).collect::<Vec<_>>();
            if all { "toutes les sortes".to_owned() } else { named.join(" ; ") }
        };
        for (end, kinds_of) in [("expéditeurs", &one.from), ("destinataires", &one.to)] {
            if !kinds_of.is_empty() {
                lines.push(format!("  {end} : {}", kinds(kinds_of)));
            }
        }
        lines.push(format!("  par exemple : {}", crate::proof::told::odd(&one.example, &one.ordinary, new)));
    }
    sorted
}

#[cfg(feature = "solver")]
fn what(action: &str, part: &str, catalogue: &Catalogue) -> String {
    let part = match action {
        "submit" => label::exchange_type(part, catalogue),
        _ => label::of("classes", part, catalogue),
    };
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

#[cfg(all(test, feature = "solver"))]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// A prohibition that could stop alerts is told apart, and once: of what the change brings.
    #[test]
    fn a_new_prohibition_that_could_stop_alerts_is_told_apart() {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
        let dir = tempfile::tempdir().unwrap();
        for part in ["law", "local", "catalogue", "agreements"] {
            fs::create_dir(dir.path().join(part)).unwrap();
            for file in fs::read_dir(repository.join(part)).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
                fs::copy(&file, dir.path().join(part).join(file.file_name().unwrap())).unwrap();
            }
        }
        fs::copy(repository.join("schema.cedarschema"), dir.path().join("schema.cedarschema")).unwrap();
        let closing = r#"@id("essai") @rule("R05") @article("a") @effective_from("2020-01-01") @explain("e") @missing("m") @cure("c") @who("w")
forbid (principal, action == Action::"submit", resource)
when { context.to_kind == "crip" && context.from_kind == "hopital" && context.purpose == "evaluate" && context.parents == "a-faire" };"#;
        fs::write(dir.path().join("law/essai.cedar"), closing).unwrap();
        let side = |folder: &Path| Side::load(folder).unwrap();
        let alerts = stopped(&side(&repository), &side(dir.path()));
        assert!(alerts.len() == 1 && alerts[0].contains("essai : cette interdiction arrêterait des alertes"), "{alerts:?}");
        assert_eq!(stopped(&side(dir.path()), &side(dir.path())), Vec::<String>::new());
    }

    /// The same of what the solver finds, with no code where there is a label.
    #[test]
    fn a_danger_type_that_closes_is_an_alert_and_codes_are_labelled() {
        let catalogue = Catalogue::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/catalogue")).unwrap();
        let uid = |text: &str| text.parse::<cedar_policy::EntityUid>().unwrap();
        let facts = serde_json::json!({
            "purpose": "evaluate", "parents": "a-faire", "classes": ["sante"], "actor_secrecy": "aucun", "actor_functions": ["dpo"], "has_case": true,
        });
        let closes = |part: &str| crate::proof::compare::Difference {
            opens: false,
            action: "submit".to_owned(),
            part: part.to_owned(),
            to: ["crip".to_owned()].into(),
            from: ["hopital".to_owned()].into(),
            example: crate::proof::Witness {
                principal: uid(r#"Professional::"p""#),
                action: uid(r#"Action::"submit""#),
                resource: uid(r#"Exchange::"e""#),
                facts: facts.as_object().unwrap().clone(),
                entities: cedar_policy::Entities::empty(),
            },
            ordinary: serde_json::Map::new(),
        };
        let found = sorted(&[closes("information-preoccupante"), closes("retour-information")], &catalogue, &catalogue);
        let (alerts, closed) = (found.alerts.join("\n"), found.closed.join("\n"));
        assert!(
            alerts.contains("envoyer « Information préoccupante »") && !closed.contains("Information préoccupante"),
            "{alerts}\n{closed}"
        );
        assert!(closed.contains("envoyer « Retour d’information au déclarant »"), "{closed}");
        for label in [
            "expéditeurs : Hôpital",
            "destinataires : Cellule de recueil",
            "but « évaluer la situation »",
            "parents : information à faire",
            "catégories : santé",
            "secret de la personne : pas tenu au secret",
            "fonctions : délégué à la protection des données",
            "rattaché à un dossier",
        ] {
            assert!(alerts.contains(label), "{label}: {alerts}");
        }
        for code in ["evaluate", "a-faire", "information-preoccupante"] {
            assert!(!alerts.contains(code), "{code}: {alerts}");
        }
        assert!(found.opened.is_empty());
    }
}
