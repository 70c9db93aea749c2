//! Who stands behind a pseudonym: asked by one, approved by two others of two functions, told once, within thirty minutes,
//! and never without the log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use gateway::demo::envelopes;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Scene, people::*, scene::problem, text};

const REASON: &str = "Rapprocher deux situations du même enfant avant l’évaluation";

#[tokio::test]
async fn i07_a_pseudonym_is_lifted_by_two_people_of_two_roles_once() {
    let scene = Scene::start().await;
    let (exchange, pseudonym) = child(&scene).await;
    let id = asked(&scene, CRIP, &pseudonym).await;
    // Nobody, or one, is not two.
    assert_eq!(opened(&scene, CRIP, &id).await.unwrap_err(), "denied");
    approved(&scene, DPO, &id).await.unwrap();
    assert_eq!(approved(&scene, DPO, &id).await.unwrap_err(), "over", "one person once");
    let refused = problem(scene.acting(CRIP).post(&format!("/v1/reidentifications/{id}/opening"), &json!({})).await).unwrap_err();
    assert_eq!(refused.body["rule"], "R81");
    assert!(refused.body["cure"].as_str().unwrap().contains("cadre de la CRIP"), "{}", refused.body);
    // Who asks never approves; who has no such function neither; a stranger learns nothing.
    assert_eq!(approved(&scene, CRIP, &id).await.unwrap_err(), "role-missing");
    assert_eq!(approved(&scene, PMI, &id).await.unwrap_err(), "role-missing");
    assert_eq!(approved(&scene, HOSPITAL, &id).await.unwrap_err(), "role-missing");
    approved(&scene, CADRE, &id).await.unwrap();
    // The request is its asker's alone.
    assert_eq!(opened(&scene, CADRE, &id).await.unwrap_err(), "not-found");
    assert_eq!(opened(&scene, MAGISTRATE, &id).await.unwrap_err(), "not-found");

    let answer = opened(&scene, CRIP, &id).await.unwrap();
    let identity =
        json!({"birth_name": "FICTIVE", "given_names": ["Capucine"], "sex": "F", "birth_date": "2014-02-27", "birth_place": "31555"});
    assert_eq!(answer["identity"], identity, "who, and not where (R64)");
    assert_eq!(opened(&scene, CRIP, &id).await.unwrap_err(), "denied", "once");

    // The officer is told with everything else that is due, and nobody else is.
    let due = scene.acting(DPO).get("/v1/clocks").await.unwrap();
    assert_eq!((text(&due, "/reidentifications/0/id"), due["reidentifications"][0]["opened_at"].is_string()), (id.clone(), true));
    assert!(scene.acting(CRIP).get("/v1/clocks").await.unwrap().get("reidentifications").is_none());
    // The officer sees all of it, without the reason; the reason is read apart, and reading it is logged.
    let list = scene.acting(DPO).get("/v1/reidentifications").await.unwrap();
    let one = &list["reidentifications"][0];
    assert_eq!((text(one, "/id"), text(one, "/state"), text(one, "/asker")), (id.clone(), "opened".into(), "p-4f7k2".into()));
    assert_eq!(one["approvals"].as_array().unwrap().len(), 2);
    for hidden in [REASON, pseudonym.as_str(), "FICTIVE"] {
        assert!(!list.to_string().contains(hidden), "{hidden}");
    }
    let read = scene.acting(DPO).get(&format!("/v1/reidentifications/{id}")).await.unwrap();
    assert_eq!(read["reason"], REASON);
    assert_eq!(problem(scene.acting(CRIP).get("/v1/reidentifications").await).unwrap_err().code(), "role-missing");
    let metrics = scene.local("/metrics").await;
    assert!(metrics.contains("passerelle_reidentifications_total{step=\"opened\"}"), "the officer's board shows it");
    // Nothing of it stands in clear in the database of exchanges.
    let database = std::fs::read(scene.world.folder.join("data/gateway.db-wal")).unwrap_or_default();
    let also = std::fs::read(scene.world.folder.join("data/gateway.db")).unwrap();
    for secret in [REASON.as_bytes(), &pseudonym.as_bytes()[5..]] {
        assert!(![&database, &also].iter().any(|file| file.windows(secret.len()).any(|window| window == secret)));
    }
    assert!(!exchange.is_empty());
    // Nor do the openings of the log, which outlive it and are read by auditors, hold the words of the reason.
    let opened = openings(&scene).await;
    assert!(opened.iter().any(|one| one.contains("reidentification-requested")), "{opened:?}");
    assert!(opened.iter().all(|one| !one.contains(REASON)));
}

#[tokio::test]
async fn thirty_minutes_and_no_more() {
    let scene = Scene::start().await;
    let (_, pseudonym) = child(&scene).await;
    let id = asked(&scene, CRIP, &pseudonym).await;
    approved(&scene, DPO, &id).await.unwrap();
    approved(&scene, CADRE, &id).await.unwrap();
    scene.clock.advance(std::time::Duration::from_secs(30 * 60 + 1));
    let refused = problem(scene.acting(CRIP).post(&format!("/v1/reidentifications/{id}/opening"), &json!({})).await).unwrap_err();
    assert_eq!(refused.code(), "denied");
    assert!(refused.body["explanations"].to_string().contains("trente minutes"), "{}", refused.body);
    // Nor is a late request approved any more.
    let late = asked(&scene, CRIP, &pseudonym).await;
    scene.clock.advance(std::time::Duration::from_secs(31 * 60));
    assert_eq!(approved(&scene, DPO, &late).await.unwrap_err(), "over");
}

/// A pseudonym of nobody, of another domain, of an adult: the same answer as one that never was; all are logged, all are spent.
#[tokio::test]
async fn i15_a_wrong_pseudonym_answers_like_an_unknown_one() {
    let scene = Scene::start().await;
    let (exchange, own) = child(&scene).await;
    let document = scene.opened(CRIP, "crip", &exchange).await;
    let mother = text(&document, "/subjects/2/pseudonym");
    let unknown = "P1-1-GMY780WKFP5P4EAPKCC4XDWS7Z*".to_owned();
    let mut answers = Vec::new();
    for (pseudonym, recipient, purpose) in [
        (&unknown, "departement-31", "ip"),
        (&own, "parquet-toulouse", "ip"),
        (&own, "departement-31", "signalement"),
        (&mother, "departement-31", "ip"),
    ] {
        let request = json!({"pseudonym": pseudonym, "recipient": recipient, "purpose": purpose, "reason": REASON});
        let id = text(&scene.acting(CRIP).post("/v1/reidentifications", &request).await.unwrap(), "/id");
        for who in [DPO, CADRE] {
            approved(&scene, who, &id).await.unwrap();
        }
        let refused = problem(scene.acting(CRIP).post(&format!("/v1/reidentifications/{id}/opening"), &json!({})).await).unwrap_err();
        let mut body = refused.body.clone();
        body.as_object_mut().unwrap().remove("instance");
        answers.push((refused.status, body));
        assert_eq!(opened(&scene, CRIP, &id).await.unwrap_err(), "denied", "spent");
    }
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 404), "{answers:?}");
    // One person may not try a list.
    let again = json!({"pseudonym": own, "recipient": "departement-31", "purpose": "ip", "reason": REASON});
    scene.acting(CRIP).post("/v1/reidentifications", &again).await.unwrap();
    assert_eq!(problem(scene.acting(CRIP).post("/v1/reidentifications", &again).await).unwrap_err().code(), "too-many-requests");
    assert!(scene.acting(CADRE).post("/v1/reidentifications", &again).await.is_ok(), "another person has a limit of their own");
}

/// Whoever is kept out of one exchange about a child does not learn through a pseudonym who the child is: neither as the
/// one who asks nor, unknowing, as one who approves.
#[tokio::test]
async fn i15_nobody_stands_there_for_whom_an_exchange_about_the_child_is_sealed() {
    let scene = Scene::start().await;
    let (_, pseudonym) = child(&scene).await;
    let answer = async |pseudonym: &str| {
        let id = asked(&scene, CRIP, pseudonym).await;
        for who in [DPO, CADRE] {
            approved(&scene, who, &id).await.unwrap();
        }
        let answer = problem(scene.acting(CRIP).post(&format!("/v1/reidentifications/{id}/opening"), &json!({})).await);
        answer.map_err(|mut refusal| {
            refusal.body.as_object_mut().unwrap().remove("instance");
            (refusal.status, refusal.body)
        })
    };
    let nobody = answer("P1-1-GMY780WKFP5P4EAPKCC4XDWS7Z*").await.unwrap_err();
    assert_eq!(nobody.0, 404);
    for (excluded, other) in [(CRIP, CADRE), (CADRE, CRIP)] {
        let mut envelope = envelopes::of_the_school();
        envelope["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": excluded.1}]);
        let sealed = scene.accepted(SCHOOL, &envelope).await;
        assert_eq!(answer(&pseudonym).await.unwrap_err(), nobody, "{excluded:?}");
        // Once erased, it speaks of nobody.
        let delivery = scene.delivery_of(other, "crip", &sealed).await;
        let taken = json!({"outcome": "taken-in-charge"});
        scene.acting(other).post(&format!("/v1/mailbox/{delivery}/acknowledgement"), &taken).await.unwrap();
        let erase = scene.acting(DPO).request(Method::DELETE, &format!("/v1/exchanges/{sealed}")).json(&json!({"motive": "essai"}));
        assert_eq!(erase.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    }
    assert_eq!(answer(&pseudonym).await.unwrap()["identity"]["birth_name"], "FICTIVE");
}

#[tokio::test]
async fn what_no_approval_lifts_is_not_even_taken_down() {
    let scene = Scene::start().await;
    let (_, pseudonym) = child(&scene).await;
    let ask = async |who, change: Value| {
        let mut request = json!({"pseudonym": pseudonym, "recipient": "departement-31", "purpose": "ip", "reason": REASON});
        request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        problem(scene.acting(who).post("/v1/reidentifications", &request).await).map_err(|p| (p.code().to_owned(), text(&p.body, "/rule")))
    };
    // What was given for statistics (R67, R71).
    let refused = ask(CRIP, json!({"purpose": "statistics"})).await.unwrap_err();
    assert_eq!(refused.0, "not-found", "not even whether it could be");
    // Who is not of the CRIP, or no longer.
    for who in [PMI, FORMER, MAGISTRATE, HOSPITAL, DPO, TEACHER] {
        assert_eq!(ask(who, json!({})).await.unwrap_err().0, "role-missing", "{who:?}");
    }
    // A reason is a sentence; a mistyped pseudonym is told as what it is.
    assert_eq!(ask(CRIP, json!({"reason": "urgent"})).await.unwrap_err().0, "malformed");
    let mistyped = pseudonym.replace("P1-1-", "P1-2-");
    assert_eq!(ask(CRIP, json!({"pseudonym": mistyped})).await.unwrap_err().0, "malformed");
    assert_eq!(ask(CRIP, json!({"purpose": "curiosite"})).await.unwrap_err().0, "malformed");
    assert_eq!(ask(CRIP, json!({"recipient": "nulle-part"})).await.unwrap_err().0, "unknown-recipient");
    assert_eq!(scene.acting(DPO).get("/v1/reidentifications").await.unwrap()["reidentifications"], json!([]));
    // Without a token nobody asks.
    let nobody = scene.institution("departement-31").post("/v1/reidentifications", &json!({})).await;
    assert!(["token-missing", "malformed"].contains(&problem(nobody).unwrap_err().code()));
}

#[tokio::test]
async fn an_approver_who_left_counts_no_more() {
    let mut scene = Scene::start().await;
    let (_, pseudonym) = child(&scene).await;
    let id = asked(&scene, CRIP, &pseudonym).await;
    approved(&scene, DPO, &id).await.unwrap();
    approved(&scene, CADRE, &id).await.unwrap();
    scene.stop().await;
    let file = scene.world.folder.join("directory/professionals/departement-31.toml");
    let written = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, written.replace("roles = [\"dpo\"]", "roles = []")).unwrap();
    scene.resume().await;
    assert_eq!(opened(&scene, CRIP, &id).await.unwrap_err(), "denied");
}

/// What every entry of the log opens to.
async fn openings(scene: &Scene) -> Vec<String> {
    let rooms = scene.rooms();
    scene.until("all is signed", || async { rooms.store.pending_entries().await.unwrap().is_empty() }).await;
    let entries = rooms.store.entries_from(0, 10_000).await.unwrap();
    let open = |leaf: &[u8; 32], sealed: &[u8]| String::from_utf8(rooms.keystore.open_opening(leaf, sealed).unwrap().to_vec()).unwrap();
    entries.iter().map(|entry| open(&entry.leaf_hash, entry.opening.as_ref().unwrap())).collect()
}

/// An exchange of the school, and what the CRIP calls its child.
async fn child(scene: &Scene) -> (String, String) {
    let exchange = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let pseudonym = text(&scene.opened(CRIP, "crip", &exchange).await, "/subjects/0/pseudonym");
    (exchange, pseudonym)
}

async fn asked(scene: &Scene, who: (&str, &str), pseudonym: &str) -> String {
    let request = json!({"pseudonym": pseudonym, "recipient": "departement-31", "purpose": "ip", "reason": REASON});
    text(&scene.acting(who).post("/v1/reidentifications", &request).await.unwrap(), "/id")
}

async fn approved(scene: &Scene, who: (&str, &str), id: &str) -> Result<Value, String> {
    let answer = scene.acting(who).post(&format!("/v1/reidentifications/{id}/approvals"), &json!({})).await;
    problem(answer).map_err(|problem| problem.code().to_owned())
}

async fn opened(scene: &Scene, who: (&str, &str), id: &str) -> Result<Value, String> {
    let answer = scene.acting(who).post(&format!("/v1/reidentifications/{id}/opening"), &json!({})).await;
    problem(answer).map_err(|problem| problem.code().to_owned())
}
