//! Bad input gets a precise refusal and changes nothing; each over the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use gateway::{client, demo::envelopes};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Scene, people::*};

/// What the gateway keeps must not have changed: nothing waits anywhere.
async fn nothing_was_kept(scene: &Scene) {
    assert!(scene.waiting(&scene.acting(CRIP), "crip").await.is_empty());
    assert!(scene.rooms().store.receipts_after("").await.unwrap().is_empty());
}

/// Every refusal is a problem document in French with its cure, and tells nothing that came in.
fn is_a_problem(body: &Value, status: u16, code: &str, never: &[&str]) {
    assert_eq!((body["status"].as_u64(), body["code"].as_str()), (Some(u64::from(status)), Some(code)), "{body}");
    assert_eq!(body["type"], format!("urn:passerelle:problem:{code}"));
    for name in ["title", "detail", "cure", "instance"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {body}");
    }
    for secret in never {
        assert!(!body.to_string().contains(secret), "`{secret}` came back: {body}");
    }
}

#[tokio::test]
async fn unreadable_bytes_are_refused_even_for_danger() {
    let scene = Scene::start().await;
    let school = scene.acting(SCHOOL);
    let honest = envelopes::of_the_school().to_string();
    let truncated = honest[..honest.len() - 200].to_owned();
    let deep = format!("{{\"type\":\"information-preoccupante\",\"payload\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let twice = honest.replacen('{', "{\"type\":\"signalement\",", 1);
    let mut latin1 = honest.replace("Barnabé", "@").into_bytes();
    let at = latin1.iter().position(|b| *b == b'@').unwrap();
    latin1.splice(at..=at, b"Barnab\xe9".iter().copied());
    for (what, bytes) in [
        ("malformed", b"{\"type\": information-preoccupante}".to_vec()),
        ("empty", Vec::new()),
        ("truncated", truncated.into_bytes()),
        ("deeply nested", deep.into_bytes()),
        ("duplicate key", twice.into_bytes()),
        ("not UTF-8", latin1),
        ("two documents", format!("{honest}{honest}").into_bytes()),
        ("a number no two readers agree on", br#"{"type":"information-preoccupante","payload":{"n":12345678901234567890}}"#.to_vec()),
    ] {
        let (status, body) = scene.raw(scene.deposit(&school, bytes)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{what}: {body}");
        is_a_problem(&body, 400, "unreadable", &["Capucine", "FICTIVE", "Barnab"]);
    }
    nothing_was_kept(&scene).await;
}

#[tokio::test]
async fn a_body_of_a_gibibyte_is_refused_without_being_read() {
    let scene = Scene::start().await;
    let school = scene.acting(SCHOOL);
    // Announced: refused at once. Not announced (chunked): refused as soon as it is too long.
    let chunk = bytes::Bytes::from(vec![b' '; 64 * 1024]);
    let endless = futures::stream::iter((0..16 * 1024).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let request = scene.deposit(&school, reqwest::Body::wrap_stream(endless));
    match request.send().await {
        Ok(answer) => {
            assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
            is_a_problem(&answer.json().await.unwrap(), 413, "too-large", &[]);
        }
        // The gateway may close while the client still writes.
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }
    let long = format!("{{\"type\":\"information-preoccupante\",\"payload\":{{\"texte_libre\":\"{}\"}}}}", "a".repeat(1024 * 1024));
    let (status, body) = scene.raw(scene.deposit(&school, long)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    is_a_problem(&body, 413, "too-large", &[]);
    nothing_was_kept(&scene).await;
}

#[tokio::test]
async fn another_digest_media_type_or_method_is_refused() {
    let scene = Scene::start().await;
    let school = scene.acting(SCHOOL);
    let honest = envelopes::of_the_school().to_string();
    let request = scene.deposit(&school, honest.clone()).header("content-digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:");
    let (_, body) = scene.raw(request).await;
    is_a_problem(&body, 400, "digest-mismatch", &["Capucine"]);
    let request = school.request(Method::POST, "/v1/exchanges").header("idempotency-key", client::new_key().unwrap());
    let (_, body) = scene.raw(request.header("content-type", "application/xml").body("<x/>")).await;
    is_a_problem(&body, 415, "media-type", &[]);
    let (status, _) = scene.raw(school.request(Method::PUT, "/v1/exchanges").body(honest)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    nothing_was_kept(&scene).await;
}

#[tokio::test]
async fn unknown_types_and_recipients_are_refused() {
    let scene = Scene::start().await;
    let crip = scene.acting(CRIP);
    for (envelope, code, status) in [
        (json!({"type": "invention"}), "unknown-type", 422),
        (json!({"type": 12}), "not-conforming", 422),
        (json!({}), "not-conforming", 422),
        (json!([]), "not-conforming", 422),
        (
            json!({"type": "retour-information", "sender": {"institution": "departement-31", "unit": "crip"},
            "recipient": {"institution": "nulle-part"}, "payload": {"statut": "sans-suite", "date_statut": "2026-11-25"}}),
            "unknown-recipient",
            422,
        ),
    ] {
        let refusal = scene.submit(&crip, &envelope).await.unwrap_err();
        assert_eq!(refusal.status, status, "{}", refusal.body);
        is_a_problem(&refusal.body, status, code, &["invention", "nulle-part"]);
    }
    nothing_was_kept(&scene).await;
}

#[tokio::test]
async fn a_type_that_is_not_danger_tells_every_field_that_does_not_conform() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let crip = scene.acting(CRIP);
    let mut envelope = envelopes::retour(&information);
    envelope["payload"] = json!({"statut": "Capucine", "date_statut": "2026-02-31", "Capucine": 1, "numero_recueil": "2 14 02 31 555 012 34",
        "echange_ref": "0190b8c5-0000-7000-8000-000000000000"});
    let refusal = scene.submit(&crip, &envelope).await.unwrap_err();
    is_a_problem(&refusal.body, 422, "not-conforming", &["214", "2 14 02"]);
    let codes: Vec<(&str, &str)> =
        refusal.body["errors"].as_array().unwrap().iter().map(|e| (e["pointer"].as_str().unwrap(), e["code"].as_str().unwrap())).collect();
    for expected in [
        ("/payload/statut", "bad-code"),
        ("/payload/date_statut", "bad-date"),
        ("/payload/numero_recueil", "nir"),
        ("/payload/echange_ref", "computed"),
    ] {
        assert!(codes.contains(&expected), "{expected:?} is not in {codes:?}");
    }
    assert!(codes.iter().any(|(_, code)| *code == "unknown-field"));
    // Free text does not exist in a feedback: nothing of the file can slip in (R33).
    let mut envelope = envelopes::retour(&information);
    envelope["payload"]["texte_libre"] = json!("la mère a été entendue");
    assert_eq!(scene.submit(&crip, &envelope).await.unwrap_err().code(), "not-conforming");
    assert!(scene.waiting(&scene.acting(SCHOOL), "ssfe").await.is_empty());
}

#[tokio::test]
async fn an_answer_goes_only_back_to_who_asked() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let crip = scene.acting(CRIP);
    for (what, change) in [
        ("another institution", json!({"institution": "chu-toulouse", "unit": "pediatrie"})),
        ("another unit", json!({"institution": "dsden-31", "unit": "direction"})),
    ] {
        let mut envelope = envelopes::retour(&information);
        envelope["recipient"] = change;
        let refusal = scene.submit(&crip, &envelope).await.unwrap_err();
        is_a_problem(&refusal.body, 422, "not-conforming", &[]);
        assert_eq!(refusal.body["errors"][0]["code"], "bad-reference", "{what}");
    }
    // An exchange that is not the CRIP's answers as one that does not exist.
    let other = scene.submit(&crip, &envelopes::retour("0190b8c5-0000-7000-8000-000000000000")).await.unwrap_err();
    assert_eq!(other.body["errors"][0]["code"], "bad-reference");
}

#[tokio::test]
async fn an_agreement_not_yet_in_force_carries_nothing() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    for (agreement, state) in
        [("l01-caf", "pas encore en vigueur"), ("p24-examens", "terminé"), ("l02-adresse", "pas signé"), ("p99", "inconnu")]
    {
        let mut envelope = envelopes::retour(&information);
        envelope["agreement"] = json!(agreement);
        let refusal = scene.submit(&scene.acting(CRIP), &envelope).await.unwrap_err();
        is_a_problem(&refusal.body, 403, "no-agreement", &[]);
        assert!(refusal.body["detail"].as_str().unwrap().contains(state), "{}", refusal.body);
    }
    assert!(scene.waiting(&scene.acting(SCHOOL), "ssfe").await.is_empty());
    // Under one in force it flows.
    let mut envelope = envelopes::retour(&information);
    envelope["agreement"] = json!("p01");
    scene.accepted(CRIP, &envelope).await;
}

#[tokio::test]
async fn the_crip_tells_a_town_hall_nothing() {
    let scene = Scene::start().await;
    for envelope in [envelopes::of_the_school(), envelopes::signalement("x")] {
        let mut envelope = envelope;
        envelope["sender"] = json!({"institution": "departement-31", "unit": "crip"});
        envelope["recipient"] = json!({"institution": "mairie-blagnac", "unit": "ccas"});
        let refusal = scene.submit(&scene.acting(CADRE), &envelope).await.unwrap_err();
        is_a_problem(&refusal.body, 403, "denied", &["Capucine", "FICTIVE"]);
        assert_eq!(refusal.body["rule"], "R72", "{}", refusal.body);
        assert!(refusal.body["explanations"][0]["cure"].as_str().is_some_and(|cure| !cure.is_empty()));
    }
    assert!(scene.waiting(&scene.acting(TOWN_HALL), "ccas").await.is_empty());
    nothing_was_kept(&scene).await;
}

#[tokio::test]
async fn paths_and_queries_that_mean_nothing_are_refused() {
    let scene = Scene::start().await;
    let crip = scene.acting(CRIP);
    for (path, status) in [
        ("/v1/exchanges/not-an-id", 404),
        ("/v1/exchanges/..%2f..%2fetc%2fpasswd", 404),
        ("/v1/mailbox/0190B8C5-0000-7000-8000-000000000000", 404),
        ("/v1/mailbox?after=hier", 400),
        ("/v1/mailbox?colour=red", 400),
        ("/v1/mailbox?unit=Not%20A%20Unit", 400),
        ("/log/tile/9/x999", 404),
        ("/log/tile/entries/000", 404),
        ("/log/proof/999999", 404),
        ("/nowhere", 404),
    ] {
        assert_eq!(scene.refused(&crip, path).await.status, status, "{path}");
    }
    for (path, body) in [
        ("/v1/decisions", json!({"action": "submit"})),
        ("/v1/decisions", json!({"action": "fly", "type": "signalement", "party": {"institution": "parquet-toulouse"}})),
        ("/v1/tokens/revocations", json!({"jti": "x"})),
        ("/v1/tokens/revocations", json!({"jti": "xxxxxxxxxxx", "more": 1})),
    ] {
        let (status, answer) = scene.raw(crip.request(Method::POST, path).json(&body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {answer}");
    }
}
