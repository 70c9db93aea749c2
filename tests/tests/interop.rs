//! What the gateway signs, checked by code that is not ours: the log by Python's C2SP and RFC 6962 implementations, a
//! receipt by PyJWT, envelopes by a JSON Schema validator, the wire by its own OpenAPI document, FHIR by `fhir.resources`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeSet, fs, path::Path};

use adapters::{fhir, reading::Refused};
use gateway::{demo::envelopes, flows::bundle};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Scene, people::*, python::python, text};

#[tokio::test]
async fn the_log_and_the_receipts_verify_with_other_peoples_code() {
    let scene = Scene::start().await;
    let folder = tempfile::tempdir().unwrap();
    let school = scene.acting(SCHOOL);
    let keys = school.get("/v1/keys").await.unwrap();
    let mut receipts = Vec::new();
    // More than one tile wide, so that more than one level is checked.
    for n in 0..300 {
        let answer =
            scene.submit(&school, &json!({"type": "information-preoccupante", "payload": {"texte_libre": format!("{n}")}})).await.unwrap();
        receipts.push(answer);
    }
    let id = text(&receipts[0], "/id");
    let evidence = school.get(&format!("/v1/exchanges/{id}/evidence")).await.unwrap();
    let rooms = scene.rooms();
    let log = folder.path().join("log");
    bundle::write(&rooms.store, &rooms.keystore, &log, &keys, &|_, _| {}).await.unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let vkey = file("log.vkey", &text(&keys, "/log/vkey"));
    let jwks = file("jwks.json", &json!({"keys": keys["keys"]}).to_string());
    let receipt = file("receipt.jws", &text(&receipts[0], "/receipt"));
    let proof = file("leaf.tlog-proof", &text(&evidence, "/proof"));
    let leaf = file("leaf.json", &text(&evidence, "/entry"));

    let c2sp = |folder: &Path| {
        python(
            "c2sp_verify.py",
            &["--folder", &path(folder), "--vkey", &path(&vkey), "--proof", &path(&proof), "--leaf", &path(&leaf)],
            b"",
        )
    };
    let (code, output) = c2sp(&log);
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("all holds") && output.contains("is in the tree of"), "{output}");
    let (code, output) = python("receipt_verify.py", &["--jwks", &path(&jwks), &path(&receipt)], b"");
    assert_eq!(code, 0, "{output}");

    // Neither accepts what was altered.
    fs::write(&leaf, text(&evidence, "/entry").replace("accepted", "refused")).unwrap();
    assert_eq!(c2sp(&log).0, 1);
    let (head, signature) = text(&receipts[0], "/receipt").rsplit_once('.').map(|(h, s)| (h.to_owned(), s.to_owned())).unwrap();
    let mut forged = signature.into_bytes();
    forged[10] = if forged[10] == b'A' { b'B' } else { b'A' };
    fs::write(&receipt, format!("{head}.{}", String::from_utf8(forged).unwrap())).unwrap();
    assert_eq!(python("receipt_verify.py", &["--jwks", &path(&jwks), &path(&receipt)], b"").0, 1);
}

#[tokio::test]
async fn the_served_schemas_accept_what_the_gateway_accepts() {
    let scene = Scene::start().await;
    let catalogue = scene.institution("dsden-31").get("/v1/catalogue").await.unwrap();
    let schema = |code: &str| {
        let found = catalogue["types"].as_array().unwrap().iter().find(|t| t["code"] == code).unwrap();
        jsonschema::validator_for(&found["schema"]).unwrap()
    };
    let id = "0190b8c5-0000-7000-8000-000000000000";
    for envelope in
        [envelopes::of_the_school(), envelopes::of_the_hospital(), envelopes::signalement(id), envelopes::suites(id), envelopes::retour(id)]
    {
        let code = envelope["type"].as_str().unwrap().to_owned();
        let errors: Vec<String> = schema(&code).iter_errors(&envelope).map(|e| format!("{e} at {}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{code}: {errors:?}");
    }
    let mut wrong = envelopes::retour(id);
    wrong["payload"]["statut"] = json!("invention");
    assert!(!schema("retour-information").is_valid(&wrong));
}

#[tokio::test]
async fn the_openapi_document_is_true() {
    let scene = Scene::start().await;
    let crip = scene.acting(CRIP);
    let api = crip.get("/v1/openapi.json").await.unwrap();
    assert!(text(&api, "/openapi").starts_with("3.1"));
    // Every route that it names exists, and every route that exists is named.
    let named: BTreeSet<(String, String)> = api["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone())))
        .collect();
    let routes = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/node/src/routes.rs")).unwrap();
    let mut built = BTreeSet::new();
    for line in routes.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")) {
        let (path, rest) = line.split_once('"').unwrap();
        for method in ["get", "post", "delete", "put"] {
            if rest.contains(&format!("{method}(")) {
                built.insert((method.to_uppercase(), path.replace("{*path}", "{path}")));
            }
        }
    }
    assert_eq!(named, built);
    for (method, path) in &named {
        let path = path
            .replace("{id}", "0190b8c5-0000-7000-8000-000000000000")
            .replace("{delivery}", "x")
            .replace("{leaf}", "0")
            .replace("{path}", "0/000.p/1");
        let (status, body) = scene.raw(crip.request(Method::from_bytes(method.as_bytes()).unwrap(), &path)).await;
        // A refusal of ours has a code; a route that is not there would be `not-found` for every method.
        let refused = body["code"].is_string() || body["resourceType"] == "OperationOutcome";
        assert!(status.is_success() || refused, "{method} {path}: {status} {body}");
    }
    // Its schemas are the catalogue's.
    let schemas =
        api["paths"]["/v1/exchanges"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"].as_array().unwrap().len();
    assert_eq!(schemas, crip.get("/v1/catalogue").await.unwrap()["types"].as_array().unwrap().len());
}

#[test]
fn fhir_is_written_as_other_peoples_models_have_it() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/vectors/fhir");
    // What they build is what our tests read.
    let (code, built) = python("fhir_build.py", &["build"], b"");
    assert_eq!(code, 0, "{built}");
    let read: Value = serde_json::from_slice(&fs::read(vectors.join("message-ip.json")).unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&built).unwrap(), read);
    // What we write is valid to them, and what is not valid is seen.
    let refused: Refused = fhir::read(b"{}", &hospital()).unwrap_err();
    let problem = json!({"type": "urn:passerelle:problem:denied", "title": "Refus", "status": 403, "code": "denied", "detail": "Non."});
    for (what, resource) in [
        ("a document", fs::read(vectors.join("document-ip.bundle.json")).unwrap()),
        ("a capability statement", fhir::capability_statement("2026-11-30", "1", "https://passerelle.example/fhir").unwrap()),
        ("a refusal of an adapter", fhir::of_refused(&refused).unwrap()),
        ("a refusal of the gateway", fhir::of_problem(&problem).unwrap()),
    ] {
        let (code, said) = python("fhir_build.py", &["validate"], &resource);
        assert_eq!(code, 0, "{what}: {said}");
    }
    assert_eq!(python("fhir_build.py", &["validate"], br#"{"resourceType": "Patient", "birthDate": "hier"}"#).0, 1);
}

fn hospital() -> adapters::health::Context {
    let party = |institution: &str| exchange::Party { institution: institution.parse().unwrap(), unit: None };
    adapters::health::Context {
        sender: party("chu-toulouse"),
        recipient: party("departement-31"),
        purpose: None,
        legal_basis: Vec::new(),
        health_leg: false,
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
