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
    assert!(printed("\"permit\"", "\"refusal\"").contains("réponse : attendu Refusal, obtenu Permit"));
    assert!(printed("[\"R03\"]", "[\"R99\"]").contains("règles citées : attendu R99"));
    assert!(printed("[\"R03\"]", "[]").contains("règles citées"));
    assert!(printed("[\"acknowledge\", ", "[").contains("obligations : attendu evaluation, premiere-analyse, obtenu acknowledge"));
    assert!(printed("\"particulier\"", "\"voisin\"").contains("sorte inconnue : voisin"));
    assert!(printed("type = \"information", "type = \"desinformation").contains("type inconnu"));
    assert!(printed("\"permit\"", "\"refusal\"").contains("a.toml:1: Un voisin alerte la CRIP"));
    assert!(printed("\"permit\"", "\"refusal\"").ends_with("1 cas joués, 0 conformes."));
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
