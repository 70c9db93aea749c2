//! The pages of who answers for the data and of who administers: what they show, what they never show, and to whom.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use gateway::demo::envelopes;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{
    browser::{Browser, Page, Portal},
    people::*,
};

const REASON: &str = "Appel du 17 à 2 h : l’enfant est seule, il faut l’adresse et les faits.";

/// What differs between two answers to the same person is the number of the request alone.
fn without_number(page: &Page) -> String {
    let is_number = |word: &&str| word.len() == 36 && word.matches('-').count() == 4;
    page.text.split(['<', '>', ' ', '\n', '.']).filter(|word| !is_number(word)).collect::<Vec<_>>().join(" ")
}

async fn upload(browser: &Browser, csrf: &str, text: &str) -> Page {
    let body = format!(
        "--b\r\ncontent-disposition: form-data; name=\"_csrf\"\r\n\r\n{csrf}\r\n--b\r\ncontent-disposition: form-data; name=\"preuve\"; \
         filename=\"preuve.json\"\r\ncontent-type: application/json\r\n\r\n{text}\r\n--b--\r\n"
    );
    let request = browser.request(Method::POST, "/portail/controle/preuve").header("sec-fetch-site", "same-origin");
    browser.follow(request.header("content-type", "multipart/form-data; boundary=b").body(body)).await
}

#[tokio::test]
async fn the_officer_sees_who_read_what_under_which_rule_and_no_content() {
    let portal = Portal::open().await;
    let id = portal.scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    portal.scene.opened(CRIP, "crip", &id).await;
    let asked = json!({"reason": REASON, "classes": ["social", "identite"]});
    portal.scene.acting(ON_CALL).post(&format!("/v1/exchanges/{id}/urgence"), &asked).await.unwrap();
    // What is sealed from the officer is not shown, though it was read.
    let mut sealed = envelopes::of_the_school();
    sealed["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": DPO.1}]);
    let hidden = portal.scene.accepted(SCHOOL, &sealed).await;
    portal.scene.opened(CRIP, "crip", &hidden).await;

    let officer = portal.signed_in(DPO).await;
    assert!(officer.get("/portail").await.text.contains("href=\"/portail/controle\""));
    let readings = officer.get("/portail/controle/lectures").await;
    for told in ["(p-4f7k2)", "(p-6n1vx)", "Information préoccupante", "R81", "Urgence", &id] {
        assert!(readings.text.contains(told), "{told}: {}", readings.text);
    }
    for kept in ["FICTIVE", "Capucine", "enfant est seule", hidden.as_str()] {
        assert!(!readings.text.contains(kept), "{kept}");
    }
    assert_eq!(readings.text.matches("<tr").count(), 3, "a head and two readings: {}", readings.text);
    // By its key: before the first entry there is nothing, and what is no place is no page.
    assert!(officer.get("/portail/controle/lectures?avant=0").await.text.contains("Aucune lecture"));
    for wrong in ["x", "-1", "99999999999999999999"] {
        assert_eq!(officer.get(&format!("/portail/controle/lectures?avant={wrong}")).await.status, StatusCode::NOT_FOUND, "{wrong}");
    }
    assert!(officer.get(&format!("/portail/controle/lectures?avant={}", u64::MAX)).await.text.contains("R81"));

    // The emergency is reviewed, with the page of its task.
    let home = officer.get("/portail/controle").await;
    assert!(home.text.contains("(p-6n1vx)") && home.text.contains("à examiner") && !home.text.contains("enfant est seule"));
    let open = home.text.matches("à examiner").count();
    let task = portal.scene.task(DPO, &id, "review-emergency").await.unwrap();
    let link = format!("/portail/suivis/{}", task["follow_up"].as_str().unwrap());
    assert!(home.links().any(|one| one == link), "{}", home.text);
    assert!(officer.get(&link).await.text.contains("Constat"));
    officer.post(&link, &[("constat", "justifiee")]).await;
    let home = officer.get("/portail/controle").await;
    assert_eq!(home.text.matches("à examiner").count(), open - 1, "{}", home.text);
    assert!(home.text.contains("Justifiée, le 25 novembre 2026"), "{}", home.text);
}

#[tokio::test]
async fn a_proof_is_verified_by_upload_and_a_changed_one_is_not_believed() {
    let portal = Portal::open().await;
    let id = portal.scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let evidence = portal.scene.acting(SCHOOL).get(&format!("/v1/exchanges/{id}/evidence")).await.unwrap();
    let officer = portal.signed_in(DPO).await;
    let csrf = officer.csrf().await;
    let good = upload(&officer, &csrf, &evidence.to_string()).await;
    assert!(good.text.contains("La preuve tient."), "{}", good.text);
    let mut changed = evidence.clone();
    changed["entry"] = Value::String(evidence["entry"].as_str().unwrap().replace("2026-11-25", "2026-11-24"));
    let bad = upload(&officer, &csrf, &changed.to_string()).await;
    assert!(bad.text.contains("La preuve ne tient pas") && !bad.text.contains("La preuve tient."), "{}", bad.text);
    let none = upload(&officer, &csrf, "<script>alert(1)</script>").await;
    assert!(none.text.contains("ne peut pas être vérifié") && !none.text.contains("alert(1)"), "{}", none.text);
    // Nothing of any size, and nothing that does not come from a page of this session.
    assert_eq!(upload(&officer, &csrf, &"x".repeat(300 * 1024)).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    for wrong in ["", "x"] {
        assert_eq!(upload(&officer, wrong, &evidence.to_string()).await.status, StatusCode::FORBIDDEN);
    }
    let home = officer.get("/portail/controle").await;
    assert!(home.text.contains("Aucun : seule la passerelle l’a signé") && home.text.contains("<dt>Racine</dt>"), "{}", home.text);
}

#[tokio::test]
async fn for_anybody_else_there_is_no_such_page() {
    let portal = Portal::open().await;
    for who in [SCHOOL, CRIP, CADRE, MAGISTRATE, ADMIN, DPO] {
        let browser = portal.signed_in(who).await;
        let nothing = browser.get("/portail/boite/rien").await;
        assert_eq!(nothing.status, StatusCode::NOT_FOUND);
        let controls = ["/portail/controle", "/portail/controle/lectures"];
        let closed = match who {
            DPO => &["/portail/administration"][..],
            ADMIN => &controls[..],
            _ => &["/portail/administration", controls[0], controls[1]][..],
        };
        for path in closed {
            let page = browser.get(path).await;
            assert_eq!((page.status, without_number(&page)), (StatusCode::NOT_FOUND, without_number(&nothing)), "{who:?} {path}");
        }
        if who == DPO {
            continue;
        }
        let csrf = browser.csrf().await;
        let page = upload(&browser, &csrf, "{}").await;
        assert_eq!((page.status, without_number(&page)), (StatusCode::NOT_FOUND, without_number(&nothing)), "{who:?}");
        assert!(!browser.get("/portail").await.text.contains("/portail/controle"), "{who:?}");
    }
}

#[tokio::test]
async fn the_administrator_sees_members_endings_rules_and_delays_and_no_content() {
    let mut portal = Portal::open().await;
    let id = portal.scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let browser = portal.signed_in(ADMIN).await;
    let home = browser.get("/portail").await;
    assert!(home.text.contains("href=\"/portail/administration\"") && !home.text.contains("href=\"/portail/controle\""));
    let page = browser.get("/portail/administration").await;
    let law = portal.scene.rooms().law.load_full();
    let agreement = law.agreements.all().next().unwrap().id.to_string();
    for told in ["Certificat", ".crl", "Aucun avis abandonné", law.files.hash(), "En vigueur", agreement.as_str(), "Parquet"] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    assert!(page.text.contains("<h2 id=\"retards\">Échéances dépassées</h2>\n<p>Aucune.</p>"), "{}", page.text);
    // Months later nobody has answered.
    portal.scene.travel("2027-06-01T09:30:00Z").await;
    let browser = portal.signed_in(ADMIN).await;
    let page = browser.get("/portail/administration").await;
    assert!(page.text.contains("la plus ancienne du"), "{}", page.text);
    for kept in ["FICTIVE", "Capucine", id.as_str()] {
        assert!(!page.text.contains(kept), "{kept}");
    }
}
