//! The catalogue of this repository, and what others ask of it.

use std::path::{Path, PathBuf};

use exchange::{DataClass, Instant, Kind, TypeCode, Urgency};

use super::*;

/// The catalogue of this repository.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/catalogue")
}

pub(super) fn catalogue() -> Catalogue {
    Catalogue::load(&folder()).unwrap_or_else(|faults| panic!("{}", faults.iter().map(|f| format!("{f}\n")).collect::<String>()))
}

pub(super) fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

pub(super) fn noon() -> Instant {
    at("2026-11-24T11:00:00Z")
}

fn code(text: &str) -> TypeCode {
    text.parse().unwrap()
}

fn kind(text: &str) -> Kind {
    text.parse().unwrap()
}

#[test]
fn every_file_loads_and_says_what_it_says() {
    let catalogue = catalogue();
    let codes: Vec<_> = catalogue.types_on(noon()).map(|one| one.code.to_string()).collect();
    assert_eq!(
        codes,
        [
            "accuse-reception",
            "annuaire-protocoles",
            "copie-signalement",
            "demande-adresse",
            "demande-information",
            "dossier-connu",
            "information-preoccupante",
            "notification-placement",
            "reponse-information",
            "retour-information",
            "signalement",
            "soit-transmis",
            "suites-judiciaires"
        ]
    );
    assert!(catalogue.has_type(&code("signalement")) && !catalogue.has_type(&code("inconnu")));
    assert!(catalogue.has_code("CL-purpose", "ip") && !catalogue.has_code("CL-purpose", "IP") && !catalogue.has_code("CL-rien", "ip"));
    assert_eq!(catalogue.kind(&kind("pmi")).unwrap().secrecy, Secrecy::Profession);
    assert!(catalogue.kind(&kind("inconnue")).is_none());
    assert_eq!(catalogue.hash().len(), 64);

    let ip = catalogue.exchange_type(&code("information-preoccupante"), noon()).unwrap();
    assert!(ip.from.contains(&kind("hopital")) && ip.from.contains(&kind("parquet")) && !ip.from.contains(&kind("crip")));
    assert!(catalogue.exchange_type(&ip.code, at("2020-12-31T22:59:59Z")).is_none(), "not yet in France");
    assert!(catalogue.exchange_type(&ip.code, at("2020-12-31T23:00:00Z")).is_some());
    assert!(catalogue.exchange_type(&code("accuse-reception"), noon()).unwrap().answers_any);
    assert_eq!(ip.most_protected_class(), DataClass::LieuAccueil);
    let class = |path: &str| ip.fields.iter().find(|field| field.path == path).map(|field| field.class);
    assert_eq!(class("subjects[].given_names[]"), Some(DataClass::Identite));
    assert_eq!(class("subjects[].address.lines[]"), Some(DataClass::Contact));
    assert_eq!(class("information.parents.reason"), Some(DataClass::Social));
    assert_eq!(class("payload.faits[].texte"), Some(DataClass::Social));
    assert_eq!(class("payload.propos_enfant[].verbatim"), Some(DataClass::ParoleEnfant));
    assert_eq!(class("attachments[].name"), Some(DataClass::Reference));
    assert!(catalogue.has_path("payload.propos_enfant") && catalogue.has_path("subjects[].address.city"));
    assert!(!catalogue.has_path("payload.propos"));
}

#[test]
fn a_component_takes_the_class_of_what_includes_it_when_that_is_more_protected() {
    let catalogue = catalogue();
    let signalement = catalogue.exchange_type(&code("signalement"), noon()).unwrap();
    let field = signalement.fields.iter().find(|field| field.path == "payload.lieu_actuel_enfant.adresse.city").unwrap();
    assert_eq!(field.class, DataClass::LieuAccueil);
}

#[test]
fn obligations_say_whose_task_they_are() {
    let catalogue = catalogue();
    let parents = catalogue.obligation("inform-parents").unwrap();
    assert!(parents.task && parents.owner == ClockOwner::Sender);
    assert_eq!(catalogue.obligation("feedback-due").unwrap().owner, ClockOwner::Recipient);
    for own in ["minimise", "list-recipients", "log", "mask-place", "agreement-in-force"] {
        assert!(!catalogue.obligation(own).unwrap().task, "{own}");
    }
    assert!(catalogue.obligation("inconnue").is_none());
}

#[test]
fn every_clock_of_a_type_has_a_limit() {
    let catalogue = catalogue();
    for exchange_type in catalogue.types_on(noon()) {
        for name in &exchange_type.clocks {
            let rule = catalogue.clock(name).unwrap();
            for urgency in &exchange_type.urgency {
                assert!(catalogue.due(rule, *urgency, noon(), false).is_some(), "{name} {}", urgency.as_str());
            }
        }
    }
    let analysis = catalogue.clock("premiere-analyse").unwrap();
    assert_eq!(analysis.stops, [ClockStop::Recorded("premiere-analyse".into())]);
    assert_eq!(catalogue.due(analysis, Urgency::Batch, noon(), false), None);
}

#[test]
fn people_work_from_nine_to_five_in_paris() {
    let catalogue = catalogue();
    for (instant, working) in [
        ("2026-11-24T07:59:59Z", false),
        ("2026-11-24T08:00:00Z", true),
        ("2026-11-24T15:59:59Z", true),
        ("2026-11-24T16:00:00Z", false),
        ("2026-07-15T07:00:00Z", true),
        ("2026-07-14T10:00:00Z", false),
        ("2026-11-28T11:00:00Z", false),
    ] {
        assert_eq!(catalogue.working_now(at(instant)), working, "{instant}");
    }
}
