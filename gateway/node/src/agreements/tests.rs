//! The sample register, the days on which it binds, and each mistake.

use std::fs;

use super::*;
use crate::directory::Directory;

fn sample(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn directory() -> Directory {
    Directory::load(&sample("deploy/directory"), &|_| true).unwrap()
}

fn register() -> Agreements {
    let directory = directory();
    Agreements::load(&sample("policies/agreements"), &|party| directory.party(party).is_some(), &|_| true, &|_, _| true).unwrap()
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn standing(register: &Agreements, id: &str, on: &str) -> String {
    let standing = register.in_force(&id.parse().unwrap(), at(on));
    if let InForce::InForce(agreement) = standing { format!("in force {}", agreement.id) } else { format!("{standing:?}") }
}

#[test]
fn the_sample_shows_each_standing() {
    let register = register();
    assert_eq!(standing(&register, "p01", "2026-06-01T10:00:00Z"), "in force p01");
    assert_eq!(standing(&register, "l01-caf", "2026-06-01T10:00:00Z"), "NotYet { from: 2027-01-01 }");
    assert_eq!(standing(&register, "p24-examens", "2026-06-01T10:00:00Z"), "Ended { to: Some(2024-08-31) }");
    assert_eq!(standing(&register, "l02-adresse", "2026-06-01T10:00:00Z"), "NotSigned");
    assert_eq!(standing(&register, "p99", "2026-06-01T10:00:00Z"), "Unknown");
    assert_eq!((register.all().count(), register.hash().len()), (8, 64));
}

#[test]
fn days_are_those_of_paris_and_both_ends_count() {
    let register = register();
    for (on, said) in [
        ("2026-12-31T22:59:59Z", "NotYet { from: 2027-01-01 }"),
        ("2026-12-31T23:00:00Z", "in force l01-caf"),
        ("2029-12-31T22:59:59Z", "in force l01-caf"),
        ("2029-12-31T23:00:00Z", "Ended { to: Some(2029-12-31) }"),
    ] {
        assert_eq!(standing(&register, "l01-caf", on), said, "{on}");
    }
}

#[test]
fn an_agreement_covers_its_parties_and_types_only() {
    let register = register();
    let covering = |sender: &str, recipient: &str, kind: &str, on: &str| {
        let (sender, recipient) = (party(sender).unwrap(), party(recipient).unwrap());
        register.covering(&sender, &recipient, &kind.parse().unwrap(), at(on)).map(|a| a.id.to_string())
    };
    let day = "2026-06-01T10:00:00Z";
    assert_eq!(covering("dsden-31/ssfe", "departement-31/crip", "information-preoccupante", day).as_deref(), Some("p01"));
    // The institution signed for its units; the unit did not sign for its institution or its neighbours.
    assert_eq!(covering("departement-31", "dsden-31", "information-preoccupante", day), None);
    assert_eq!(covering("departement-31/odpe", "dsden-31", "information-preoccupante", day), None);
    assert_eq!(covering("caf-31", "departement-31/crip", "information-preoccupante", day), None);
    assert_eq!(covering("dsden-31/ssfe", "departement-31/crip", "notification-placement", day), None);
    assert_eq!(covering("dsden-31/ssfe", "departement-31/crip", "information-preoccupante", "2029-01-01T10:00:00Z"), None);
    assert_eq!(covering("dsden-31/ssfe", "dsden-31/ssfe", "information-preoccupante", day), None);
    assert_eq!(covering("dsden-31/ssfe", "dsden-31/direction", "information-preoccupante", day), None);
    assert_eq!(covering("departement-31/pmi", "departement-31/crip", "information-preoccupante", day).as_deref(), Some("p01"));
    assert_eq!(covering("departement-31/ase", "caf-31/prestations", "notification-placement", day).as_deref(), Some("l00-caf"));
    assert_eq!(
        covering("departement-31/ase", "caf-31/prestations", "notification-placement", "2027-06-01T10:00:00Z").as_deref(),
        Some("l01-caf")
    );
}

const GOOD: &str = r#"id = "c1"
title = "Convention"
state = "en-vigueur"
effective_from = 2026-01-01
parties = ["departement-31/ase", "caf-31"]
types = ["notification-placement"]
purposes = ["benefit"]
classes = ["identite"]
"#;

fn load(files: &[&str]) -> Result<Agreements, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    for (n, text) in files.iter().enumerate() {
        fs::write(dir.path().join(format!("{n}.toml")), text).unwrap();
    }
    let (directory, is_type) = (directory(), |code: &TypeCode| code.as_str() == "notification-placement");
    let loaded = Agreements::load(dir.path(), &|party| directory.party(party).is_some(), &is_type, &|_, code| code == "benefit");
    loaded.map_err(|faults| faults.iter().map(|f| format!("{}: {}", f.line, f.what)).collect())
}

#[test]
fn suspension_and_missing_days_stop_everything() {
    let day = "2026-06-01T10:00:00Z";
    assert_eq!(standing(&load(&[GOOD]).unwrap(), "c1", day), "in force c1");
    for (from, to, said) in [
        ("state = \"en-vigueur\"", "state = \"en-vigueur\"\nsuspended = true", "Suspended"),
        ("en-vigueur", "suspendue", "Suspended"),
        ("effective_from = 2026-01-01\n", "", "NoDates"),
        ("en-vigueur", "projet", "NotSigned"),
        ("en-vigueur", "remplacee", "Ended { to: None }"),
        ("en-vigueur", "a-reviser", "in force c1"),
    ] {
        assert_eq!(standing(&load(&[&GOOD.replace(from, to)]).unwrap(), "c1", day), said, "{to}");
    }
}

#[test]
fn each_mistake_is_told() {
    let mistake = |from: &str, to: &str| load(&[&GOOD.replace(from, to)]).unwrap_err();
    assert_eq!(mistake("caf-31", "caf-32"), ["5: l’annuaire ne connaît pas « caf-32 »"]);
    assert_eq!(mistake("31/ase", "31/asse"), ["5: l’annuaire ne connaît pas « departement-31/asse »"]);
    assert_eq!(mistake(", \"caf-31\"", ""), ["1: un protocole lie deux parties au moins"]);
    assert_eq!(mistake("notification-placement", "placement"), ["6: le type d’échange « placement » n’existe pas"]);
    assert_eq!(mistake("benefit", "profit"), ["7: le but « profit » n’existe pas"]);
    assert_eq!(mistake("[\"identite\"]", "[]"), ["1: « classes » est vide : rien ne passerait"]);
    assert_eq!(mistake("effective_from = 2026-01-01", "effective_from = 2026-01-01\neffective_to = 2025-01-01").len(), 1);
    assert!(mistake("\"identite\"", "\"identity\"")[0].starts_with("8: "));
    assert!(mistake("en-vigueur", "valide")[0].starts_with("3: "));
    assert!(mistake("title", "titel")[0].starts_with("2: "));
    assert_eq!(load(&[GOOD, GOOD]).unwrap_err(), ["1: le protocole « c1 » est déclaré deux fois"]);
    assert_eq!(mistake("caf-31\"]\ntypes = [\"notification-placement", "caf-32\"]\ntypes = [\"placement").len(), 2);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(32))]
    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        let _ = load(&[&text]);
        let _ = party(&text);
    }
}
