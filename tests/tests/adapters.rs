//! What a partner writes in its own format is accepted by a real gateway, and nothing of it does not conform; and `gateway
//! adapter check` says beforehand what is understood and what would be lost, and tells nothing that stands in the file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};

use adapters::{fhir, health, reading::Reading, xdm};
use exchange::Party;
use serde_json::Value;
use tests::{
    Scene,
    cli::{path, run},
    people::*,
    text,
};

#[tokio::test]
async fn what_a_hospital_says_in_fhir_is_accepted_and_conforms() {
    let reading = fhir::read(&vector("fhir/message-ip.json"), &hospital()).unwrap();
    conforms(HOSPITAL, reading).await;
}

#[tokio::test]
async fn what_a_hospital_mails_is_accepted_and_conforms() {
    let reading = xdm::read(&vector("xdm/IHE_XDM.zip"), &hospital(), "information-preoccupante").unwrap();
    conforms(HOSPITAL, reading).await;
}

#[tokio::test]
async fn a_file_is_tried_before_anybody_sends_one() {
    let policies = top().join("policies");
    let policies = path(&policies);
    let mapping = vector_file("departement/exemple-a.toml");
    for (file, of, understood) in [
        ("fhir/message-ip.json", vec!["fhir"], "information-preoccupante"),
        ("xdm/IHE_XDM.zip", vec!["xdm"], "signalement"),
        ("caf/demande-adresse.csv", vec!["caf-demande"], "demande-adresse"),
        ("caf/demande-adresse.xml", vec!["caf-demande"], "demande-adresse"),
        ("caf/reponse-adresse.csv", vec!["caf-reponse"], "reponse"),
        ("caf/notification-placement.csv", vec!["caf-placement"], "notification-placement"),
        ("departement/transmission-119.xml", vec!["transmission-119"], "payload.origine_119.numero_appel"),
        (
            "departement/exemple-a.csv",
            vec!["mapping", "--mapping", path(&mapping), "--type", "information-preoccupante"],
            "payload.faits[].texte",
        ),
        ("olinpe/export.xml", vec!["olinpe", "--year", "2026"], "DECISION"),
    ] {
        let file = vector_file(file);
        let arguments = [vec!["adapter", "check", path(&file), "--policies", policies, "--as"], of].concat();
        let done = run(&arguments, &[], None).await;
        // The vectors of OLINPE have errors for which the file must not be sent.
        assert_eq!(done.code, i32::from(arguments.contains(&"olinpe")), "{done:?}");
        assert!(done.out.contains(understood), "{arguments:?}: {}", done.out);
        for content in ["FICTIVE", "Capucine", "Nuages"] {
            assert!(!done.out.contains(content), "{arguments:?} tells what stands in the file");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_something_else_is_refused_at_its_place() {
    let policies = top().join("policies");
    for (file, of) in [("caf/demande-adresse.csv", "fhir"), ("fhir/message-ip.json", "caf-demande"), ("fhir/message-ip.json", "xdm")] {
        let file = vector_file(file);
        let done = run(&["adapter", "check", path(&file), "--policies", path(&policies), "--as", of, "--json"], &[], None).await;
        assert_eq!(done.code, 1, "{of}: {}", done.out);
        let refused: Value = serde_json::from_str(&done.out).unwrap();
        assert!(!text(&refused, "/refused/0/code").is_empty() && !text(&refused, "/refused/0/place").is_empty(), "{refused}");
    }
    let done = run(&["adapter", "check", "no-such-file", "--as", "fhir"], &[], None).await;
    assert_eq!(done.code, 2);
}

/// Deposits every letter without its attachments, and opens it as the CRIP: nothing was put aside.
async fn conforms(who: (&str, &str), reading: Reading) {
    let scene = Scene::start().await;
    assert!(!reading.letters.is_empty());
    for letter in reading.letters {
        let mut envelope = letter.envelope;
        envelope.as_object_mut().unwrap().remove("attachments");
        let id = scene.accepted(who, &envelope).await;
        let document = scene.opened(CRIP, "crip", &id).await;
        assert_eq!(document.get("non_conforme"), None, "{document:#}");
    }
}

fn hospital() -> health::Context {
    let sender = party("chu-toulouse", None);
    health::Context { sender, recipient: crip(), purpose: None, legal_basis: Vec::new(), health_leg: false }
}

fn crip() -> Party {
    party("departement-31", Some("crip"))
}

fn party(institution: &str, unit: Option<&str>) -> Party {
    Party { institution: institution.parse().unwrap(), unit: unit.map(|unit| unit.parse().unwrap()) }
}

fn vector(name: &str) -> Vec<u8> {
    std::fs::read(vector_file(name)).unwrap()
}

fn vector_file(name: &str) -> PathBuf {
    top().join("adapters/vectors").join(name)
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}
