//! The cases of the repository pass; a case that expects something else says so.

use std::fs;

use super::*;
use crate::policy::tests::world::{copy, folder};

#[test]
fn the_cases_of_the_repository_pass() {
    let report = run_cases(&folder()).unwrap();
    assert!(report.passed(), "{report}");
    assert!(report.played() >= 60);
}

/// The repository's rules and catalogue with one case.
fn with_case(text: &str) -> tempfile::TempDir {
    let dir = copy();
    fs::create_dir(dir.path().join("catalogue")).unwrap();
    for entry in fs::read_dir(folder().join("catalogue")).unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), dir.path().join("catalogue").join(entry.file_name())).unwrap();
    }
    fs::create_dir(dir.path().join("decisions")).unwrap();
    fs::write(dir.path().join("decisions/a.toml"), text).unwrap();
    dir
}

const CASE: &str = r#"[[case]]
title = "Un voisin alerte la CRIP"
rules = ["R03"]
ask = "submit"
type = "information-preoccupante"
from = "particulier"
to = "crip"
expect = { answer = "permit", obligations = ["acknowledge", "evaluation", "premiere-analyse"] }
"#;

fn printed(from: &str, to: &str) -> String {
    assert!(CASE.contains(from));
    let dir = with_case(&CASE.replacen(from, to, 1));
    let report = run_cases(dir.path()).unwrap();
    assert!(!report.passed());
    report.to_string()
}

#[test]
fn a_case_that_expects_something_else_is_told() {
    assert!(run_cases(with_case(CASE).path()).unwrap().passed());
    assert!(printed("\"permit\"", "\"refusal\"").contains("réponse : attendu refus (refusal), obtenu permis (permit)"));
    assert!(printed("[\"R03\"]", "[\"R72\"]").contains("règles citées : attendu R72"));
    assert!(printed("[\"R03\"]", "[]").contains("règles citées"));
    assert!(printed("[\"acknowledge\", ", "[").contains("obligations : attendu evaluation, premiere-analyse, obtenu acknowledge"));
    assert!(
        printed("\"particulier\"", "\"particulie\"").contains("from : « particulie » n’existe pas ; vouliez-vous dire « particulier » ?")
    );
    assert!(printed("type = \"information", "type = \"desinformation").contains("type : « desinformation-preoccupante » n’existe pas"));
    assert!(printed("\"permit\"", "\"refusal\"").contains("a.toml:1: Un voisin alerte la CRIP"));
    assert!(printed("\"permit\"", "\"refusal\"").ends_with("1 cas joués, 0 conformes."));
}

/// Each word of a case that a list knows, misspelt: with file, title and what may have been meant.
#[test]
fn a_misspelt_word_of_a_case_is_told() {
    let words = [
        ("about = [\"R86\"]", "rules : R86 n’existe pas"),
        ("parents = \"fate\"", "parents : « fate » n’existe pas ; vouliez-vous dire « faite » ?"),
        ("child = \"non-faite-age\"", "child : « non-faite-age » n’existe pas ; vouliez-vous dire « non-faite-age-maturite » ?"),
        ("agreed = \"done\"", "agreed : « done » n’existe pas ; vouliez-vous dire « donne » ?"),
        ("purpose = \"ipp\"", "purpose : « ipp » n’existe pas ; vouliez-vous dire « ip » ?"),
        ("said = [\"ailleurs=oui\"]", "said : « ailleurs=oui » n’existe pas"),
        (
            "paths = [\"payload.fait[].texte\"]",
            "paths : « payload.fait[].texte » n’existe pas ; vouliez-vous dire « payload.faits[].texte »",
        ),
        ("holds = [\"immediate-hors-horaire\"]", "vouliez-vous dire « immediate-hors-horaires » ?"),
        ("legal_basis = [\"CASF L226-33\"]", "legal_basis : « CASF L226-33 » n’existe pas ; vouliez-vous dire « CASF L226-3 »"),
        (
            "person = { profession = \"enseignante\", secrecy = \"aucun\", role = \"none\" }",
            "person.profession : « enseignante » n’existe pas ; vouliez-vous dire « enseignant » ?",
        ),
        (
            "agreement = { state = \"in-force\", purposes = [\"evaluer\"], questions = [\"scolarite.asiduite\"] }",
            "agreement.questions : « scolarite.asiduite » n’existe pas ; vouliez-vous dire « scolarite.assiduite » ?",
        ),
        ("", "agreement.purposes : « evaluer » n’existe pas ; il y a address, benefit"),
        ("", "expect.obligations : « aknowledge » n’existe pas ; vouliez-vous dire « acknowledge » ?"),
        ("", "expect.withheld : « santé » n’existe pas ; vouliez-vous dire « sante »"),
        ("", "expect.lacking : « inform » n’existe pas ; vouliez-vous dire « informed » ?"),
    ];
    let written: Vec<&str> = words.iter().map(|(written, _)| *written).collect();
    let case = CASE.replace("from =", &format!("{}\nfrom =", written.join("\n"))).replace("[\"acknowledge\", ", "[\"aknowledge\", ");
    let case = case.replace("expect = {", "expect = { withheld = [\"santé\"], lacking = [\"inform\"],");
    let report = run_cases(with_case(&case).path()).unwrap();
    assert!(!report.passed() && report.to_string().contains("a.toml:1: Un voisin alerte la CRIP\n"), "{report}");
    for (_, told) in words {
        assert!(report.to_string().contains(told), "{told}: {report}");
    }
    // What a case misspells on purpose, it says.
    let odd = CASE.replace("from =", "purpose = \"fraude\"\nunlisted = [\"fraude\"]\nfrom =");
    assert!(run_cases(with_case(&odd).path()).unwrap().passed());
}

#[test]
fn a_case_that_cannot_be_read_is_told_in_french() {
    let told = |from: &str, to: &str| {
        let faults = written::read(&with_case(&CASE.replace(from, to)).path().join("decisions")).unwrap_err();
        lines(&faults)
    };
    for (from, to, said) in [
        ("from =", "form =", "a.toml:1: Un voisin alerte la CRIP : il manque « from »"),
        ("ask = \"submit\"", "ask = \"submitt\"", "le mot « submitt » n’existe pas ici ; vouliez-vous dire « submit » ?"),
        (
            "ask =",
            "classes = [\"socail\"]\nask =",
            "a.toml:4: Un voisin alerte la CRIP : le mot « socail » n’existe pas ici ; vouliez-vous dire « social » ?",
        ),
        ("ask =", "parent = \"faite\"\nask =", "la clé « parent » n’existe pas ; vouliez-vous dire « parents »"),
        ("ask =", "case = \"oui\"\nask =", "cette valeur n’a pas la forme qu’il faut"),
        ("[[case]]", "[[cas]]", "l’entrée « cas » n’existe pas"),
        ("\"submit\"", "\"submit", "le fichier ne se lit pas ici"),
    ] {
        assert!(told(from, to).contains(said), "{to}: {}", told(from, to));
    }
}

/// The keys that the reader of a type accepts, from the reader itself.
fn keys<T: serde::de::DeserializeOwned>() -> Vec<String> {
    let Err(why) = toml::from_str::<T>("inconnue = 1") else { panic!("it accepts any key") };
    let keys: Vec<String> = why.message().split('`').skip(1).step_by(2).skip(1).map(str::to_owned).collect();
    assert!(keys.len() > 2, "{why}");
    keys
}

#[test]
fn every_key_of_a_case_has_its_line_in_the_readme() {
    use super::written::{Agreement, Declared, Dual, Expect, Known, Person};
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let section = readme.split_once("\n## Writing a case").unwrap().1.split_once("\n## ").unwrap().0;
    let documented: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let below = |key: &str, keys: Vec<String>| keys.into_iter().map(|inner| format!("{key}.{inner}")).collect::<Vec<_>>();
    let mut accepted = [
        keys::<Case>(),
        below("person", keys::<Person>()),
        below("agreement", keys::<Agreement>()),
        below("dual", keys::<Dual>()),
        below("inquiry", keys::<Known>()),
        below("declared", keys::<Declared>()),
        below("expect", keys::<Expect>()),
    ]
    .concat();
    let mut documented: Vec<String> = documented.into_iter().map(str::to_owned).collect();
    accepted.sort();
    documented.sort();
    assert_eq!(documented, accepted);
}

#[test]
fn the_agreements_are_read_too() {
    let dir = with_case(CASE);
    fs::create_dir(dir.path().join("agreements")).unwrap();
    let sample = fs::read_to_string(folder().join("agreements/p01.toml")).unwrap();
    let write = |text: &str| fs::write(dir.path().join("agreements/p01.toml"), text).unwrap();
    write(&sample);
    let catalogue = Catalogue::load(&dir.path().join("catalogue")).unwrap();
    assert_eq!(agreements(dir.path(), &catalogue), Vec::<String>::new());
    for (from, to, told) in [
        ("purposes = [", "purposes = [\"controle\", ", "le but « controle » n’existe pas"),
        ("classes = [", "classes = [\"socail\", ", "le mot « socail » n’existe pas ici ; vouliez-vous dire « social » ?"),
        ("state =", "etat =", "la clé « etat » n’existe pas"),
    ] {
        assert!(sample.contains(from), "{from}");
        write(&sample.replacen(from, to, 1));
        let faults = agreements(dir.path(), &catalogue);
        assert!(faults.len() == 1 && faults[0].contains("p01.toml:") && faults[0].contains(told), "{to}: {faults:?}");
    }
    let report = run_cases(dir.path()).unwrap();
    assert!(!report.passed() && report.to_string().contains("p01.toml:"), "{report}");
}

#[test]
fn a_case_that_cannot_be_read_is_a_fault() {
    let fault = run_cases(with_case(&CASE.replace("from =", "form =")).path()).unwrap_err().to_string();
    assert!(fault.contains("a.toml:"), "{fault}");
    let fault = run_cases(with_case(&CASE.replace("\"permit\"", "\"oui\"")).path()).unwrap_err().to_string();
    assert!(fault.contains("oui"), "{fault}");
    let dir = with_case(CASE);
    fs::remove_file(dir.path().join("catalogue/_kinds.toml")).unwrap();
    assert!(run_cases(dir.path()).unwrap_err().to_string().contains("_kinds.toml"));
    let dir = with_case("");
    assert!(!run_cases(dir.path()).unwrap().passed());
}

#[test]
fn a_misspelt_kind_in_a_rule_is_told() {
    let dir = with_case(CASE);
    let law = dir.path().join("law/mairie.cedar");
    let text = fs::read_to_string(&law).unwrap().replace("== \"mairie-ccas\"", "== \"mairie-cass\"");
    fs::write(law, text).unwrap();
    let report = run_cases(dir.path()).unwrap();
    assert!(!report.passed());
    assert!(report.to_string().contains("R72-mairie-envoi : « mairie-cass » n’existe pas pour to_kind"));
}
