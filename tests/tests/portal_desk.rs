//! The desk of the portal: who may be whom, what a sender does afterwards, and reading in an emergency.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use exchange::{ExchangeId, ProposalId};
use gateway::demo::envelopes;
use reqwest::StatusCode;
use serde_json::json;
use tests::{
    browser::{Browser, Page, Portal},
    people::*,
};

/// Words that would tell who it is about.
const SECRETS: [&str; 4] = ["FICTIVE", "FICTVE", "Capucine", "31555"];

#[tokio::test]
async fn a_crip_says_who_is_who_side_by_side_and_takes_it_back() {
    let portal = Portal::open().await;
    portal.scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    portal.scene.accepted(HOSPITAL, &envelopes::of_the_hospital()).await;
    let crip = portal.signed_in(CRIP).await;
    // 1. What waits names nobody.
    let place = crip.get("/portail/boite").await.link("/portail/rapprochements");
    let list = crip.get(&place).await;
    assert!(list.text.contains("date de naissance") && SECRETS.iter().all(|secret| !list.text.contains(secret)), "{}", list.text);
    let question = list.link("/portail/rapprochements/");
    // 2. Both in clear, what differs marked; and the log says that somebody looked.
    let seen = crip.get(&question).await;
    assert!(seen.text.contains("FICTIVE") && seen.text.contains("FICTVE") && seen.text.contains("class=\"differs\""), "{}", seen.text);
    assert!(seen.text.contains("27 février 2014") && seen.text.contains("Féminin"));
    // 3. Decided, and taken back; each once, however often it is sent.
    for _ in 0..2 {
        let decided = crip.post(&question, &[("decision", "meme")]).await;
        assert!(decided.status == StatusCode::OK || decided.status == StatusCode::NOT_FOUND, "{}", decided.text);
    }
    let list = crip.get("/portail/rapprochements").await;
    assert!(list.text.contains("La même personne") && list.text.contains("Aucun rapprochement n’attend"), "{}", list.text);
    assert_eq!(crip.get(&question).await.status, StatusCode::NOT_FOUND, "nothing is shown of what is settled");
    let at = list.text.split_once("action=\"/portail/rapprochements/decision/").unwrap().1.split('"').next().unwrap().to_owned();
    for _ in 0..2 {
        let undone = crip.post(&format!("/portail/rapprochements/decision/{at}"), &[]).await;
        assert!(
            undone.text.contains("La même personne (annulé depuis)") && undone.text.contains("Rapprochement annulé"),
            "{}",
            undone.text
        );
        assert_eq!(undone.text.matches("Rapprochement annulé").count(), 1);
    }
}

#[tokio::test]
async fn nobody_else_compares_and_who_is_kept_out_of_an_exchange_does_not_see_whom_it_is_about() {
    let portal = Portal::open().await;
    portal.scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let mut envelope = envelopes::of_the_hospital();
    envelope["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": CRIP.1}]);
    portal.scene.accepted(HOSPITAL, &envelope).await;
    let question = portal.signed_in(CADRE).await.get("/portail/rapprochements").await.link("/portail/rapprochements/");
    let crip = portal.signed_in(CRIP).await;
    assert!(crip.get("/portail/rapprochements").await.text.contains("Aucun rapprochement n’attend"));
    let refused = async |browser: &Browser, path: &str| {
        let (page, sent) = (browser.get(path).await, browser.post(path, &[("decision", "deux")]).await);
        assert_eq!((page.status, sent.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND), "{path}");
        assert!(SECRETS.iter().all(|secret| !page.text.contains(secret)));
    };
    refused(&crip, &question).await;
    for who in [SCHOOL, HOSPITAL, ASE, PMI, MAGISTRATE] {
        let browser = portal.signed_in(who).await;
        refused(&browser, &question).await;
        refused(&browser, &format!("/portail/rapprochements/{}", ProposalId::new())).await;
        assert_eq!(browser.get("/portail/rapprochements").await.status, StatusCode::NOT_FOUND, "{who:?}");
        let undo = browser.post(&format!("/portail/rapprochements/decision/{}/annulation", ProposalId::new()), &[]).await;
        assert_eq!(undo.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_sender_corrects_withdraws_and_says_that_they_called() {
    let portal = Portal::open().await;
    let id = portal.scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let (school, crip, hospital) = (portal.signed_in(SCHOOL).await, portal.signed_in(CRIP).await, portal.signed_in(HOSPITAL).await);
    let place = format!("/portail/transmissions/{id}");
    // 1. Not theirs: nothing is there.
    for browser in [&crip, &hospital] {
        for path in ["correction", "retrait"] {
            assert_eq!(browser.get(&format!("{place}/{path}")).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        for (path, pair) in [("retrait", ("motif", "Un homonyme.")), ("appel", ("joint", "oui"))] {
            assert_eq!(browser.post(&format!("{place}/{path}"), &[pair]).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
    let none = school.get(&format!("/portail/transmissions/{}/retrait", ExchangeId::new())).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    // 2. A call: the code that the other side reads back.
    let called = school.post(&format!("{place}/appel"), &[("joint", "oui")]).await;
    let code = called.text.split_once("<p class=\"code\" role=\"status\"><code>").unwrap().1.split('<').next().unwrap().to_owned();
    assert_eq!((code.len(), code.as_bytes()[4]), (9, b'-'));
    let delivery = crip.get("/portail/boite").await.link("/portail/boite/");
    let taken = crip.post(&format!("{delivery}/reponse"), &[("suite", "taken-in-charge"), ("code", &code)]).await;
    assert!(taken.text.contains("Pris en charge"), "{}", taken.text);
    // 3. Written again as it should have been.
    let form = school.get(&school.get(&place).await.link(&format!("{place}/correction"))).await;
    assert!(form.text.contains("Rectificatif de l’envoi"), "{}", form.text);
    let (draft, first) = (form.link_of_form(), form.value("_rectifie"));
    let pairs = [
        ("_type", "information-preoccupante"),
        ("_rectifie", first.as_str()),
        ("payload/faits/0/texte", "Le 21, et non le 20."),
        ("_action", "verifier"),
    ];
    let before = school.post(&format!("/portail/brouillon/{draft}"), &pairs).await;
    assert!(before.text.contains("À la place de") && before.text.contains(&id), "{}", before.text);
    assert!(school.send(&draft, &[]).await.text.contains("Accusé de dépôt"));
    assert!(crip.get(&delivery).await.text.contains("Corrigé par son auteur"));
    // 4. Taken back: with a reason, and those who have it are told.
    let asked = school.post(&format!("{place}/retrait"), &[("motif", "  ")]).await;
    assert_eq!((asked.status, asked.text.contains("Écrivez le motif")), (StatusCode::UNPROCESSABLE_ENTITY, true));
    let gone = school.post(&format!("{place}/retrait"), &[("motif", "Un homonyme.")]).await;
    assert!(gone.text.contains("Retirée le") && !gone.text.contains("/retrait\""), "{}", gone.text);
    assert!(crip.get(&delivery).await.text.contains("Un homonyme."));
}

#[tokio::test]
async fn who_is_on_call_reads_in_an_emergency_what_they_asked_for_alone() {
    let portal = Portal::open().await;
    let id = portal.scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let on_call = portal.signed_in(ON_CALL).await;
    let form = on_call.get(&format!("/portail/urgence/{id}")).await;
    assert!(form.text.contains(&id) && form.text.contains("inscrit au journal"));
    const REASON: &str = "Appel du 17 à 2 h : l’enfant est seule, il faut les faits.";
    let ask = async |browser: &Browser, reference: &str, reason: &str, classes: &[&str]| -> Page {
        let mut pairs = vec![("reference", reference), ("motif", reason)];
        pairs.extend(classes.iter().map(|class| ("classes", *class)));
        browser.post("/portail/urgence", &pairs).await
    };
    // What the request lacks is said, what was typed stays, and nothing is opened.
    let lacks = ask(&on_call, &id, "vite", &["social"]).await;
    assert!(lacks.text.contains("Rien n’a été ouvert") && lacks.text.contains(">vite</textarea>"), "{}", lacks.text);
    assert!(lacks.text.contains("value=\"social\" checked") && !lacks.text.contains("FICTIVE"));
    let read = ask(&on_call, &id, REASON, &["identite", "social"]).await;
    assert!(read.text.contains("FICTIVE") && read.text.contains("Lecture en urgence"), "{}", read.text);
    for hidden in ["Ses mots exacts", "Mots exacts", "rue", "Votre nom", "<blockquote>"] {
        assert!(!read.text.contains(hidden), "{hidden} is in the page: {}", read.text);
    }
    // For who may not: as if it did not exist.
    let none = ExchangeId::new().to_string();
    let same = |page: &Page| page.text.split("Numéro de la demande").next().unwrap().to_owned();
    for who in [HOSPITAL, MAGISTRATE] {
        let browser = portal.signed_in(who).await;
        let (theirs, nobodys) = (ask(&browser, &id, REASON, &["social"]).await, ask(&browser, &none, REASON, &["social"]).await);
        assert_eq!((theirs.status, nobodys.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND), "{who:?}");
        assert_eq!(same(&theirs), same(&nobodys));
    }
    assert_eq!(
        portal.signed_in(TEACHER).await.get("/portail/urgence").await.status,
        StatusCode::NOT_FOUND,
        "who reads nothing asks nothing"
    );
}

#[tokio::test]
async fn a_receipt_is_a_sheet_to_keep_and_whoever_holds_it_may_ask_whether_it_is_ours() {
    let portal = Portal::open().await;
    let id = portal.scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let (school, hospital) = (portal.signed_in(SCHOOL).await, portal.signed_in(HOSPITAL).await);
    let place = format!("/portail/transmissions/{id}/accuse");
    let page = school.get(&place).await;
    let sheet = school.get(&page.link(&format!("{place}.pdf"))).await;
    assert_eq!(sheet.header("content-type"), "application/pdf");
    assert!(sheet.header("content-disposition").starts_with("attachment") && sheet.text.starts_with("%PDF-1.4"));
    assert!(sheet.text.contains(&id) && sheet.text.contains("25 novembre 2026"));
    // Of the child, nothing.
    assert!(SECRETS.iter().all(|secret| !sheet.text.contains(secret)));
    assert_eq!(hospital.get(&format!("{place}.pdf")).await.status, StatusCode::NOT_FOUND);
    // Anybody who is shown it.
    let code = page.text.split_once("Ce que dit le code : <code>").unwrap().1.split('<').next().unwrap().to_owned();
    let verify = async |code: &str| hospital.post("/portail/verifier-accuse", &[("code", code)]).await.text;
    let (start, end) = code.split_at(code.len() / 2);
    let told = verify(&format!("{start}\n  {end}")).await;
    // What ours says, since another may be printed around its code; and nothing of what was sent.
    assert!(told.contains("a délivré") && told.contains("Information préoccupante") && told.contains("25 novembre 2026"), "{told}");
    assert!(SECRETS.iter().all(|secret| !told.contains(secret)), "{told}");
    // Of any other entry it says nothing: how many there are, and when something happened, is not its sender's to know.
    portal.scene.opened(CRIP, "crip", &id).await;
    let entries = portal.scene.rooms().store.entries_of(id.parse().unwrap()).await.unwrap();
    let leaf = |hash: &[u8]| URL_SAFE_NO_PAD.encode(hash);
    let others: Vec<String> = entries.iter().map(|entry| leaf(&entry.leaf_hash)).filter(|leaf| !code.ends_with(leaf)).collect();
    assert!(!others.is_empty());
    for leaf in others {
        let (start, _) = code.rsplit_once(':').unwrap();
        assert!(verify(&format!("{start}:{leaf}")).await.contains("n’est pas reconnu"));
    }
    let other = ExchangeId::new().to_string();
    let last = if code.ends_with('A') { "E" } else { "A" };
    for wrong in
        ["", "<script>", &code.replace(&id, &other), &format!("{}{last}", &code[..code.len() - 1]), &code.replace("passerelle:", "autre:")]
    {
        assert!(verify(wrong).await.contains("n’est pas reconnu"), "{wrong}");
    }
}
