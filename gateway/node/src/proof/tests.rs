//! A change of the folder is told: its rules and files in words, and with the solver what it opens and closes.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;
use crate::{catalogue::Catalogue, policy::Policies};

fn repository() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

/// The repository's rules, catalogue and agreements, with some texts replaced: each must stand there.
fn changed(edits: &[(&str, &str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(repository().join("schema.cedarschema"), dir.path().join("schema.cedarschema")).unwrap();
    for part in ["law", "local", "catalogue", "agreements"] {
        fs::create_dir(dir.path().join(part)).unwrap();
        for file in fs::read_dir(repository().join(part)).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            fs::copy(&file, dir.path().join(part).join(file.file_name().unwrap())).unwrap();
        }
    }
    for (file, from, to) in edits {
        let path = dir.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
    dir
}

fn load(folder: &Path) -> (Policies, Catalogue) {
    let catalogue = Catalogue::load(&folder.join("catalogue")).unwrap();
    (Policies::load(folder, &|code| catalogue.obligation(code).is_some()).unwrap(), catalogue)
}

fn now() -> exchange::Instant {
    "2026-03-02T10:00:00.000Z".parse().unwrap()
}

#[test]
fn nothing_changed_is_nothing_told() {
    let (old, new) = (load(&repository()).0, load(changed(&[]).path()).0);
    assert_eq!(changes::of_rules(&old, &new, now(), &str::to_owned).unwrap(), []);
    assert_eq!(changes::of_files(&repository(), changed(&[]).path(), "catalogue").unwrap(), []);
}

#[test]
fn rules_and_files_are_compared_in_words() {
    let dir = changed(&[
        ("law/mairie.cedar", "@cure(\"Adresser l’information à la CRIP", "@cure(\"Écrire à la CRIP"),
        ("local/lecture.cedar", "@obligation(\"log\")\n", ""),
        ("catalogue/accuse-reception.toml", "human = { send = false", "human = { send = true"),
        ("agreements/p01.toml", "effective_to = 2028-12-31", "effective_to = 2029-12-31"),
        ("agreements/p01.toml", "    \"dsden-31\",\n", ""),
    ]);
    let (old, new) = (load(&repository()).0, load(dir.path()).0);
    let rules = changes::of_rules(&old, &new, now(), &str::to_owned).unwrap();
    let told: Vec<(&str, &str)> = rules.iter().map(|change| (change.what.as_str(), change.lines[0].as_str())).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].0, "R72-mairie-envoi");
    assert!(told[0].1.starts_with("ce qui y remédie : « Adresser l’information à la CRIP"), "{told:?}");
    assert_eq!(told[1], ("local-ouvre", "obligations : « log » → rien"));
    let files = |part| changes::of_files(&repository(), dir.path(), part).unwrap();
    let catalogue = &files("catalogue")[0];
    assert_eq!(
        (catalogue.what.as_str(), catalogue.lines.as_slice()),
        ("catalogue/accuse-reception.toml", ["human.send : non → oui".to_owned()].as_slice())
    );
    let agreement = &files("agreements")[0];
    assert_eq!(agreement.lines, ["effective_to : 2028-12-31 → 2029-12-31", "parties : − dsden-31"]);
}

/// Who approves a rule reads what it obliges to, whether it is new, changed or gone.
#[test]
fn what_a_rule_obliges_to_is_told() {
    let rule = |condition: &str| {
        format!(
            "@id(\"essai\") @rule(\"R12\") @article(\"a\") @effective_from(\"2016-03-14\") @explain(\"e\") @obligation(\"acknowledge log\")\n\
             permit (principal, action == Action::\"submit\", resource) when {{ {condition} }};\n"
        )
    };
    let (without, with, other) = (changed(&[]), changed(&[]), changed(&[]));
    fs::write(with.path().join("local/essai.cedar"), rule("context.from_ok && context.to_ok && context.is_reply")).unwrap();
    fs::write(other.path().join("local/essai.cedar"), rule("context.from_ok && context.to_ok")).unwrap();
    let catalogue = load(without.path()).1;
    let duty = |code: &str| catalogue.obligation(code).map_or_else(|| code.to_owned(), |rule| rule.title.clone());
    let told = |old: &Path, new: &Path| changes::of_rules(&load(old).0, &load(new).0, now(), &duty).unwrap().remove(0).lines;
    let title = "Accuser réception à l’expéditeur ; ";
    assert!(told(without.path(), with.path())[1].starts_with(&format!("oblige à : {title}")));
    assert!(told(with.path(), without.path())[1].starts_with(&format!("n’oblige plus à : {title}")));
    let changed = told(with.path(), other.path());
    assert!(changed[0].starts_with("condition changée") && changed[1].starts_with(&format!("oblige toujours à : {title}")), "{changed:?}");
}

/// What the solver says. Needs `cvc5`, which `tests/check.sh` installs.
#[cfg(feature = "solver")]
mod asked {
    use super::*;
    use crate::proof::compare::{Difference, Set, compare};
    use crate::proof::twin::Words;

    fn compared(edits: &[(&str, &str, &str)]) -> Vec<Difference> {
        let dir = changed(edits);
        let work = || {
            let (old, new) = (load(&repository()), load(dir.path()));
            let words = (Words::read(&repository())?, Words::read(dir.path())?);
            let was = Set { policies: &old.0, catalogue: &old.1, words: &words.0 };
            let is = Set { policies: &new.0, catalogue: &new.1, words: &words.1 };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { compare(&mut Prover::start()?, was, is, now(), &|_, _| {}).await })
        };
        on_a_deep_stack::<_, ProofFault>(work).unwrap()
    }

    fn told(found: &[Difference]) -> Vec<(bool, &str, &str, Vec<&str>)> {
        found.iter().map(|one| (one.opens, one.action.as_str(), one.part.as_str(), one.to.iter().map(String::as_str).collect())).collect()
    }

    #[test]
    fn a_wider_prohibition_closes_and_a_narrower_one_opens() {
        let list = "unless { [\"crip\", \"astreinte-ase\", \"equipe-evaluation\", \"parquet\"";
        let closed = compared(&[("law/parole-enfant.cedar", list, "unless { [\"crip\", \"astreinte-ase\", \"parquet\"")]);
        assert_eq!(told(&closed), [(false, "receive", "parole-enfant", vec!["equipe-evaluation"])]);
        // Both locks: what the law no longer forbids is opened only where something permits it.
        let law = ("law/parole-enfant.cedar", list, "unless { [\"ase\", \"crip\", \"astreinte-ase\", \"equipe-evaluation\", \"parquet\"");
        assert_eq!(told(&compared(&[law])), []);
        let local = (
            "local/reception.cedar",
            "resource == DataClass::\"parole-enfant\")\nwhen { [",
            "resource == DataClass::\"parole-enfant\")\nwhen { [\"ase\", ",
        );
        assert_eq!(told(&compared(&[law, local])), [(true, "receive", "parole-enfant", vec!["ase"])]);
    }

    #[test]
    fn a_change_of_the_catalogue_is_compared_like_one_of_a_rule() {
        let found = compared(&[("catalogue/suites-judiciaires.toml", "from = [\"parquet\"", "from = [\"pjj\", \"parquet\"")]);
        let senders: Vec<&str> = found.iter().flat_map(|one| one.from.iter().map(String::as_str)).collect();
        assert!(found.iter().all(|one| one.opens && one.action == "submit" && one.part == "suites-judiciaires"), "{:?}", told(&found));
        assert_eq!(senders, ["pjj"]);
    }

    #[test]
    fn the_world_of_the_solver_holds_of_what_the_gateway_builds() {
        // Every case of the repository is a request that the gateway builds: the engine must find each inside the world.
        let (policies, catalogue) = load(&repository());
        let all = world::world(&catalogue, now()).of_any_type();
        let rules = on_a_deep_stack::<_, ProofFault>(|| {
            let mut rules = claim(&[""; 0], "true")?;
            for rule in guards("world", &world::ABOUT_AN_EXCHANGE, &all)? {
                rules.add(rule).unwrap();
            }
            Ok(rules)
        })
        .unwrap();
        let records = crate::policy::Cases::read(&repository()).unwrap().records(&policies, &catalogue);
        assert!(records.len() > 100);
        for record in records {
            let Some(facts) = record.facts.as_object().filter(|facts| facts.contains_key("secret")) else { continue };
            let uid = |text: &str| text.parse::<cedar_policy::EntityUid>().unwrap();
            let action = if record.questions[0].action == "submit" { r#"Action::"submit""# } else { r#"Action::"open""# };
            let witness = Witness {
                principal: uid(r#"Professional::"p""#),
                action: uid(action),
                resource: uid(r#"Exchange::"e""#),
                facts: facts.clone(),
                entities: cedar_policy::Entities::empty(),
            };
            let outside = || all.iter().find(|one| !witness.permitted_by(&claim(&[""; 0], one).unwrap())).cloned();
            assert!(witness.permitted_by(&rules), "outside the world by {:?}: {}", outside(), record.facts);
        }
    }
}
