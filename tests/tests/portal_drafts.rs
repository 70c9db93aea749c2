//! What somebody writes in the portal is not lost, and what is sent is what they read: two tabs, a session that ends, a list of
//! revocations that is old, a text that is too long.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, time::Duration};

use exchange::Instant;
use gateway::demo::envelopes;
use reqwest::StatusCode;
use tests::{
    NOW,
    browser::{Browser, Page, Portal},
    people::*,
};

const TYPE: (&str, &str) = ("_type", "information-preoccupante");

fn signed_out(page: &Page) -> bool {
    page.url.split('?').next().unwrap().ends_with("/portail/connexion")
}

async fn written(browser: &Browser, text: &str) -> String {
    let draft = browser.get("/portail/transmettre/information-preoccupante").await.link_of_form();
    write(browser, &draft, text).await;
    draft
}

async fn write(browser: &Browser, draft: &str, text: &str) {
    let pairs = [TYPE, ("payload/faits/0/texte", text), ("_action", "enregistrer")];
    assert!(browser.post(&format!("/portail/brouillon/{draft}"), &pairs).await.text.contains(text));
}

#[tokio::test]
async fn what_was_confirmed_is_what_is_sent() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let draft = written(&school, "Un premier texte.").await;
    let (csrf, shown) = (school.csrf().await, school.shown(&draft).await);
    // In another tab the text is changed; then the first one sends.
    write(&school, &draft, "Un autre texte.").await;
    let file: &[(&str, &str, &str, &[u8])] = &[("piece1", "a.txt", "text/plain", b"a")];
    for told in [shown.as_str(), "", "x"] {
        let page = school.follow(school.sending(&draft, (&csrf, told), file)).await;
        assert_eq!(page.status, StatusCode::CONFLICT, "{}", page.text);
        assert!(page.text.contains("a changé depuis que vous l’avez relu") && page.text.contains("Avant l’envoi"));
        // What there is to read again is there.
        assert!(page.text.contains("Un autre texte.") && !page.text.contains("Un premier texte."));
    }
    assert!(school.get("/portail/transmissions").await.text.contains("Vous n’avez rien transmis"));
    // Nothing is lost, and what is read again is sent.
    assert!(school.get(&format!("/portail/brouillon/{draft}")).await.text.contains("Un autre texte."));
    assert!(school.send(&draft, file).await.text.contains("Accusé de dépôt"));
    let crip = portal.signed_in(CRIP).await;
    let document = crip.get(&crip.get("/portail/boite").await.link("/portail/boite/")).await;
    assert!(document.text.contains("Un autre texte.") && !document.text.contains("Un premier texte."));
}

#[tokio::test]
async fn a_page_that_was_left_open_keeps_its_text_and_nobody_signed_in() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let form = school.get("/portail/transmettre/information-preoccupante").await;
    let (draft, csrf) = (form.link_of_form(), form.value("_csrf"));
    let minutes = |many: u64| portal.scene.clock.advance(Duration::from_secs(many * 60));
    for n in 0..3 {
        minutes(4);
        let text = format!("Texte {n}.");
        let pairs = [("_csrf", csrf.as_str()), TYPE, ("payload/faits/0/texte", &text)];
        let kept = school.follow(school.form(&format!("/portail/brouillon/{draft}/garde"), &pairs)).await;
        assert_eq!((kept.status, kept.text.as_str()), (StatusCode::NO_CONTENT, ""));
    }
    minutes(4);
    assert!(signed_out(&school.get("/portail").await), "sixteen minutes after the last thing that a person did");
    // Who thinks to send now is not led elsewhere without a word.
    let late = school.follow(school.sending(&draft, (&csrf, ""), &[])).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
    assert!(late.text.contains("Rien n’a été envoyé") && late.text.contains("gardé en brouillon"), "{}", late.text);
    school.sign_in(SCHOOL.1).await;
    assert!(school.get(&format!("/portail/brouillon/{draft}")).await.text.contains("Texte 2."));
}

#[tokio::test]
async fn what_was_typed_outlives_the_session_it_was_typed_in() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let forms: Vec<Page> = {
        let mut forms = Vec::new();
        for _ in 0..4 {
            forms.push(school.get("/portail/transmettre/information-preoccupante").await);
        }
        forms
    };
    let send = async |browser: &Browser, form: &Page, text: &str| {
        let (csrf, given) = (form.value("_csrf"), form.value("_auteur"));
        let pairs = [("_csrf", csrf.as_str()), ("_auteur", given.as_str()), TYPE, ("payload/faits/0/texte", text), ("_action", "verifier")];
        browser.follow(browser.form(&format!("/portail/brouillon/{}", form.link_of_form()), &pairs)).await
    };
    let resumed = async |form: &Page, text: &str| {
        let page = school.get(&format!("/portail/brouillon/{}", form.link_of_form())).await;
        assert!(page.text.contains(text), "{text}: {}", page.text);
    };
    // 1. Signed out in another tab: the text is kept, nothing is shown, nobody is signed in by it.
    school.sign_out().await;
    let late = send(&school, &forms[0], "Après la déconnexion.").await;
    assert!(signed_out(&late) && !late.text.contains("Après la"));
    assert!(signed_out(&school.get("/portail").await));
    school.sign_in(SCHOOL.1).await;
    resumed(&forms[0], "Après la déconnexion.").await;
    // 2. Signed in anew in another tab: a page of the session before is still theirs.
    assert!(send(&school, &forms[1], "D’une page d’avant.").await.text.contains("Rien n’est encore parti"));
    resumed(&forms[1], "D’une page d’avant.").await;
    // 3. Long after the end of the session.
    portal.scene.clock.advance(Duration::from_secs(20 * 3600));
    assert!(signed_out(&send(&school, &forms[2], "Le lendemain.").await));
    school.sign_in(SCHOOL.1).await;
    resumed(&forms[2], "Le lendemain.").await;
    assert!(school.get("/portail").await.text.contains("Reprendre"));
    // 4. For nobody else: not under another certificate, not for another draft, not for who is signed in meanwhile.
    let hospital = portal.browser(HOSPITAL.0);
    assert!(signed_out(&send(&hospital, &forms[3], "D’ailleurs.").await));
    let given = forms[3].value("_auteur");
    let other = [("_auteur", given.as_str()), TYPE, ("payload/faits/0/texte", "Un autre brouillon.")];
    let page = portal.browser(SCHOOL.0);
    assert!(signed_out(&page.follow(page.form(&format!("/portail/brouillon/{}", forms[0].link_of_form()), &other)).await));
    resumed(&forms[0], "Après la déconnexion.").await;
    let hospital = portal.signed_in(HOSPITAL).await;
    assert_eq!(send(&hospital, &forms[3], "D’ailleurs.").await.status, StatusCode::FORBIDDEN);
    assert_eq!(school.get(&format!("/portail/brouillon/{}", forms[3].link_of_form())).await.status, StatusCode::NOT_FOUND);
    // 5. Nor for ever.
    portal.scene.clock.advance(Duration::from_secs(8 * 24 * 3600));
    let late = portal.browser(SCHOOL.0);
    assert!(
        late.follow(late.form(&format!("/portail/brouillon/{}", forms[3].link_of_form()), &other)).await.status != StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn a_text_is_kept_before_anything_is_asked_and_a_stale_list_stops_no_danger() {
    let now: time::OffsetDateTime = NOW.parse::<Instant>().unwrap().datetime().into();
    let valid = |world: &mut gateway::demo::world::World| {
        world.pki.write_crls_valid(now - time::Duration::hours(1), now + time::Duration::hours(4)).unwrap();
    };
    let mut portal = Portal::open_on("idle_minutes = 1000", "", valid).await;
    let information = portal.scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let (school, crip) = (portal.signed_in(SCHOOL).await, portal.signed_in(CRIP).await);
    let answer = crip.get(&format!("/portail/repondre/{information}/retour-information")).await;
    let (form, csrf) = (answer.link_of_form(), answer.value("_csrf"));
    let danger = school.get("/portail/transmettre/information-preoccupante").await;
    portal.scene.clock.advance(Duration::from_secs(5 * 3600));
    // 1. An answer cannot be sent now, and what it answers cannot be asked: the text is kept all the same.
    let pairs = [
        ("_csrf", csrf.as_str()),
        ("_type", "retour-information"),
        ("_reponse", information.as_str()),
        ("payload/numero_recueil", "2026-0417"),
        ("_action", "enregistrer"),
    ];
    let page = crip.follow(crip.form(&format!("/portail/brouillon/{form}"), &pairs)).await;
    assert!(page.status.is_client_error() || page.status.is_server_error(), "{}", page.status);
    assert!(page.text.contains("<h1>") && page.text.contains("révocation"), "{}", page.text);
    // 2. A danger is written and sent; its receipt cannot be read, and what was promised is said.
    let (draft, csrf) = (danger.link_of_form(), danger.value("_csrf"));
    let pairs = [("_csrf", csrf.as_str()), TYPE, ("payload/faits/0/texte", "Un danger."), ("_action", "verifier")];
    let before = school.follow(school.form(&format!("/portail/brouillon/{draft}"), &pairs)).await;
    assert!(before.text.contains("Rien n’est encore parti"), "{}", before.text);
    let sent = school.follow(school.sending(&draft, (&csrf, &before.value("_lu")), &[])).await;
    assert!(sent.status == StatusCode::OK && sent.text.contains("Transmission enregistrée"), "{}", sent.text);
    // 3. With a fresh list the answer is there as it was typed.
    let at: Instant = "2026-11-25T15:00:00Z".parse().unwrap();
    let at = at.max(portal.scene.now());
    portal.scene.travel(&at.to_string()).await;
    let again = crip.get(&format!("/portail/brouillon/{form}")).await;
    assert!(again.text.contains("value=\"2026-0417\"") && again.text.contains("En réponse à"), "{}", again.text);
}

#[tokio::test]
async fn what_the_door_refuses_is_a_page_too() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let framed = |page: &Page| {
        assert!(page.header("content-type").starts_with("text/html"), "{}", page.header("content-type"));
        assert!(page.text.contains("<h1>") && page.header("x-frame-options") == "DENY" && page.header("cache-control") == "no-store");
    };
    let draft = written(&school, "Un texte.").await;
    let long = "a".repeat(2 * 1024 * 1024);
    let page = school.post(&format!("/portail/brouillon/{draft}"), &[TYPE, ("payload/faits/0/texte", &long)]).await;
    assert_eq!((page.status, page.text.contains("Texte trop long")), (StatusCode::PAYLOAD_TOO_LARGE, true), "{}", page.text);
    framed(&page);
    let page = school.get("/portail/rien/de/tel").await;
    assert_eq!((page.status, page.text.contains("Page introuvable")), (StatusCode::NOT_FOUND, true));
    framed(&page);
    // The most that a form may say is answered, and not with a page without end.
    let names: Vec<String> = (0..1900).map(|n| format!("subjects/{}/given_names/{}", n % 30, n / 30)).collect();
    let mut pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    pairs.extend([TYPE, ("_action", "enregistrer")]);
    let page = school.post(&format!("/portail/brouillon/{draft}"), &pairs).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.len() < 2 * 1024 * 1024, "{} bytes", page.text.len());
    // Overload.
    let crowded = Portal::open_on("", "", |world| {
        let config = fs::read_to_string(world.config()).unwrap();
        fs::write(world.config(), config.replace("[limits]\n", "[limits]\nrequests_in_progress = 0\n")).unwrap();
    })
    .await;
    let page = crowded.browser(SCHOOL.0).get("/portail/connexion").await;
    assert_eq!((page.status, page.header("retry-after").as_str()), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert!(page.text.contains("très sollicité") && page.text.contains("tel:119") && page.text.contains("sms:114"));
    framed(&page);
}
