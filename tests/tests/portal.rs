//! The portal over mutual TLS: a school, a hospital, a CRIP in a browser without script; and those who attack it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use exchange::ExchangeId;
use gateway::demo::envelopes;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tests::{
    browser::{Browser, Page, Portal},
    people::*,
};

/// What a school types: a child, a fact, words of the child.
const TYPED: [(&str, &str); 14] = [
    ("_type", "information-preoccupante"),
    ("_urgence", "priority"),
    ("subjects/0/role", "enfant"),
    ("subjects/0/birth_name", "FICTIVE"),
    ("subjects/0/given_names/0", "Capucine"),
    ("subjects/0/birth_date", "2014-02-27"),
    ("payload/faits/0/date_debut", "2026-11-20"),
    ("payload/faits/0/source", "vu"),
    ("payload/faits/0/texte", "Arrive sans repas, s’endort en classe."),
    ("payload/types_danger", "negligences"),
    ("payload/propos_enfant/0/verbatim", "« Le soir c’est moi qui fais manger mon frère. »"),
    ("payload/propos_enfant/0/date", "2026-11-20"),
    ("information/parents/informed", "non-faite-interet-enfant"),
    ("information/parents/reason", "elle serait exposée à des représailles"),
];

/// Writes an information préoccupante and reads it again before sending; gives the draft.
async fn written(browser: &Browser, more: &[(&str, &str)]) -> (String, Page) {
    let form = browser.get("/portail/transmettre/information-preoccupante").await;
    let draft = form.link_of_form();
    let pairs: Vec<(&str, &str)> = TYPED.into_iter().chain(more.iter().copied()).chain([("_action", "verifier")]).collect();
    let before = browser.post(&format!("/portail/brouillon/{draft}"), &pairs).await;
    assert!(before.text.contains("Rien n’est encore parti"), "{}", before.text);
    (draft, before)
}

async fn sent(browser: &Browser, files: &[(&str, &str, &str, &[u8])]) -> (String, Page) {
    let (draft, _) = written(browser, &[]).await;
    let receipt = browser.send(&draft, files).await;
    assert!(receipt.text.contains("Accusé de dépôt"), "{}", receipt.text);
    let exchange = receipt.url.split('/').nth_back(1).unwrap().to_owned();
    (exchange, receipt)
}

#[tokio::test]
async fn a_school_submits_and_the_crip_reads_answers_and_takes_in_charge() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let (draft, before) = written(&school, &[]).await;
    for told in ["Cellule de recueil", "L226-2-1", "Ce qui sera caché au destinataire", "Ce qui manque encore"] {
        assert!(before.text.contains(told), "{told}: {}", before.text);
    }
    // The draft is kept sealed, and found again.
    let home = school.get("/portail").await;
    assert!(home.text.contains("Reprendre : Information préoccupante"));
    let again = school.get(&format!("/portail/brouillon/{draft}")).await;
    assert!(again.text.contains("Arrive sans repas") && again.text.contains("value=\"FICTIVE\""));
    let receipt = school.send(&draft, &[("piece1", "dessin.pdf", "application/pdf", b"%PDF-1.4 un dessin")]).await;
    let exchange = receipt.url.split('/').nth_back(1).unwrap().to_owned();
    assert!(receipt.text.contains(&exchange) && receipt.text.contains("<svg class=\"qr\"") && receipt.text.contains("25 novembre 2026"));
    assert!(school.get("/portail/transmissions").await.text.contains(&exchange));
    let proof = school.get(&format!("/portail/transmissions/{exchange}/preuve")).await;
    assert!(proof.header("content-disposition").starts_with("attachment"));
    let proof: serde_json::Value = serde_json::from_str(&proof.text).unwrap();
    assert!(proof["receipt"].is_string() && proof["proof"].is_string());

    let crip = portal.signed_in(CRIP).await;
    let waiting = crip.get("/portail/boite").await;
    assert!(
        waiting.text.contains("Prioritaire")
            && waiting.text.contains("Service social en faveur des élèves")
            && waiting.text.contains("non lu")
    );
    let delivery = waiting.link("/portail/boite/");
    let document = crip.get(&delivery).await;
    for told in ["FICTIVE", "27 février 2014", "Arrive sans repas", "<blockquote>« Le soir", "Négligences", "représailles", "Pièce piece1"]
    {
        assert!(document.text.contains(told), "{told}: {}", document.text);
    }
    let file = crip.get(&document.link(&format!("{delivery}/pieces/"))).await;
    assert_eq!((file.text.as_str(), file.header("content-type").as_str()), ("%PDF-1.4 un dessin", "application/octet-stream"));

    // A refusal needs its reason; taking in charge does not.
    let asked = crip.post(&format!("{delivery}/reponse"), &[("suite", "refused"), ("motif", " ")]).await;
    assert!(asked.text.contains("Écrivez le motif"));
    // What was chosen stays chosen, and nothing is chosen for anybody.
    assert!(asked.text.contains("value=\"refused\" checked") && !document.text.contains("checked"), "{}", asked.text);
    let taken = crip.post(&format!("{delivery}/reponse"), &[("suite", "taken-in-charge")]).await;
    assert!(taken.text.contains("Pris en charge le 25 novembre 2026"));
    assert!(!crip.get("/portail/boite").await.links().any(|link| link == delivery));

    // The feedback, through a form of the same making.
    let answer = crip.get(&document.link(&format!("/portail/repondre/{exchange}/retour-information"))).await;
    let reply = answer.link_of_form();
    let pairs = [
        ("_type", "retour-information"),
        ("_reponse", exchange.as_str()),
        ("payload/statut", "evaluation-en-cours"),
        ("payload/date_statut", "2026-11-25"),
        ("_action", "verifier"),
    ];
    let before = crip.post(&format!("/portail/brouillon/{reply}"), &pairs).await;
    assert!(before.text.contains("Retour"), "{}", before.text);
    assert!(crip.send(&reply, &[]).await.text.contains("Accusé de dépôt"));
    // The reporter learns of it, and of nothing that the CRIP does.
    let followed = school.get(&format!("/portail/transmissions/{exchange}")).await;
    assert!(
        followed.text.contains("Réponses") && !followed.text.contains("Pris en charge") && !followed.text.contains("Lue le"),
        "{}",
        followed.text
    );
    // By its reference, and by a form alone.
    assert_eq!(crip.post("/portail/recherche", &[("reference", &exchange)]).await.last(), exchange);
}

#[tokio::test]
async fn one_more_of_a_list_and_what_is_wrong_at_its_field() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let draft = school.get("/portail/transmettre/information-preoccupante").await.link_of_form();
    let pairs: Vec<(&str, &str)> = TYPED.into_iter().chain([("_action", "ajouter:payload/faits")]).collect();
    let more = school.post(&format!("/portail/brouillon/{draft}"), &pairs).await;
    assert!(more.text.contains("name=\"payload/faits/1/texte\"") && more.text.contains("Arrive sans repas"));
    // A magistrate's answer must say what the catalogue requires of it: the fault stands at the field, what was typed stays.
    let crip = portal.signed_in(CRIP).await;
    let (exchange, _) = sent(&school, &[]).await;
    let reply = crip.get(&format!("/portail/repondre/{exchange}/retour-information")).await.link_of_form();
    let pairs = [
        ("_type", "retour-information"),
        ("_reponse", exchange.as_str()),
        ("payload/statut", "evaluation-en-cours"),
        ("payload/date_statut", ""),
        ("payload/numero_recueil", "2026-0417"),
        ("_action", "verifier"),
    ];
    crip.post(&format!("/portail/brouillon/{reply}"), &pairs).await;
    let refused = crip.send(&reply, &[]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("Rien n’a été envoyé") && refused.text.contains("href=\"#payload-date_statut\""), "{}", refused.text);
    // The summary says which field, and what to do on a page.
    assert!(refused.text.contains("À la date du — ") && !refused.text.contains("même clé"), "{}", refused.text);
    assert!(refused.text.contains("id=\"payload-date_statut-faute\"") && refused.text.contains("value=\"2026-0417\""));
}

#[tokio::test]
async fn sent_twice_is_sent_once() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let (draft, _) = written(&school, &[]).await;
    let (csrf, shown) = (school.csrf().await, school.shown(&draft).await);
    let files: &[(&str, &str, &str, &[u8])] = &[("piece1", "a.txt", "text/plain", b"a")];
    let sending = || school.follow(school.sending(&draft, (&csrf, &shown), files));
    let (one, two) = tokio::join!(sending(), sending());
    let three = school.send(&draft, files).await;
    assert!(one.text.contains("Accusé de dépôt"), "{}", one.text);
    assert_eq!((&one.url, &one.url), (&two.url, &three.url));
    assert_eq!(school.get("/portail/transmissions").await.links().filter(|link| link.starts_with("/portail/transmissions/")).count(), 1);
}

#[tokio::test]
async fn a_draft_that_does_not_know_it_was_accepted_leads_to_the_receipt() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let (draft, _) = written(&school, &[]).await;
    // Accepted under the draft's key, and the gateway died before the draft was told; then a word was changed.
    let accepted = portal.scene.acting(SCHOOL).submit(&envelopes::of_the_school(), &draft).await.unwrap();
    let page = school.send(&draft, &[]).await;
    assert!(page.text.contains("Accusé de dépôt") && page.url.contains(accepted["id"].as_str().unwrap()), "{}", page.text);
    assert!(!school.get("/portail").await.text.contains("Reprendre"));
}

#[tokio::test]
async fn a_reader_sees_what_had_no_place_and_what_was_taken_back() {
    let portal = Portal::open().await;
    let mut envelope = envelopes::of_the_school();
    envelope["payload"]["champ_inconnu"] = json!("Rappeler avant 20 h.");
    let id = portal.scene.accepted(SCHOOL, &envelope).await;
    let crip = portal.signed_in(CRIP).await;
    let delivery = crip.get("/portail/boite").await.link("/portail/boite/");
    let document = crip.get(&delivery).await;
    assert!(document.text.contains("Ce que le formulaire ne prévoyait pas") && document.text.contains("Rappeler avant 20 h."));
    let withdrawal = json!({"nature": "retrait", "motive": "Un homonyme."});
    portal.scene.acting(SCHOOL).post(&format!("/v1/exchanges/{id}/rectification"), &withdrawal).await.unwrap();
    let document = crip.get(&delivery).await;
    assert!(document.text.contains("Retiré par son auteur le") && document.text.contains("Un homonyme."), "{}", document.text);
    // Opening without reading is nothing.
    let head = crip.request(Method::HEAD, &delivery).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_the_portal_does_not_take_has_no_form() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    // A form for it would list every place of care.
    assert_eq!(school.get("/portail/transmettre/annuaire-protocoles").await.status, StatusCode::NOT_FOUND);
    let crip = portal.signed_in(CRIP).await;
    for kind in ["dossier-connu", "demande-adresse", "notification-placement"] {
        assert_eq!(crip.get(&format!("/portail/transmettre/{kind}")).await.status, StatusCode::NOT_FOUND, "{kind}");
    }
}

#[tokio::test]
async fn i03_a_recipient_that_is_gone_stops_no_danger_and_is_replaced_for_nothing_else() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let draft = school.get("/portail/transmettre/information-preoccupante").await.link_of_form();
    let gone = [("_destinataire", "departement-99/crip"), ("_action", "enregistrer")];
    let pairs: Vec<(&str, &str)> = TYPED.into_iter().chain(gone).collect();
    school.post(&format!("/portail/brouillon/{draft}"), &pairs).await;
    // A danger is not stopped by it: it goes to the CRIP of this Département.
    assert!(school.send(&draft, &[]).await.text.contains("Accusé de dépôt"));
    assert_eq!(portal.scene.waiting(&portal.scene.acting(CRIP), "crip").await.len(), 1);
    // Of anything else nobody but the sender says where it goes.
    let crip = portal.signed_in(CRIP).await;
    let draft = crip.get("/portail/transmettre/demande-information").await.link_of_form();
    let pairs = [("_type", "demande-information"), gone[0], gone[1]];
    crip.post(&format!("/portail/brouillon/{draft}"), &pairs).await;
    let refused = crip.send(&draft, &[]).await;
    assert!(refused.status.is_client_error() && refused.text.contains("Destinataire inconnu"), "{}", refused.text);
}

#[tokio::test]
async fn a_form_from_anywhere_else_is_refused() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let hospital = portal.signed_in(HOSPITAL).await;
    let (draft, _) = written(&school, &[]).await;
    let (csrf, theirs) = (school.csrf().await, hospital.csrf().await);
    let path = format!("/portail/brouillon/{draft}");
    let forms = ["/portail/deconnexion", "/portail/recherche", path.as_str(), "/portail/suivis/0194f9c8-0000-7000-8000-000000000000"];
    for path in forms {
        for wrong in ["", "x", theirs.as_str()] {
            let page = school.follow(school.form(path, &[("_csrf", wrong), ("_type", "information-preoccupante")])).await;
            assert_eq!(
                (page.status, page.text.contains("ne vient pas d’une page ouverte dans votre session")),
                (StatusCode::FORBIDDEN, true),
                "{path}"
            );
        }
        let right =
            || school.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded").body(format!("_csrf={csrf}"));
        for (name, value) in
            [("origin", "https://ailleurs.example"), ("origin", "null"), ("sec-fetch-site", "cross-site"), ("x-nothing", "said")]
        {
            assert_eq!(school.follow(right().header(name, value)).await.status, StatusCode::FORBIDDEN, "{path} {name}: {value}");
        }
    }
    let sending = school.follow(school.sending(&draft, (&theirs, &school.shown(&draft).await), &[])).await;
    assert_eq!(sending.status, StatusCode::FORBIDDEN);
    assert!(school.get("/portail/transmissions").await.text.contains("Vous n’avez rien transmis"));
    assert!(school.get("/portail").await.text.contains("Se déconnecter"), "still signed in");
}

#[tokio::test]
async fn a_session_is_of_one_certificate_one_sign_in_and_a_short_time() {
    let mut portal = Portal::open().await;
    const COOKIE: &str = "__Host-passerelle";
    let signed_out = |page: &Page| page.url.ends_with("/portail/connexion");
    let id = |browser: &Browser| browser.jar.lock().unwrap().get(COOKIE).cloned();
    let put = |browser: &Browser, id: &str| drop(browser.jar.lock().unwrap().insert(COOKIE.to_owned(), id.to_owned()));
    // 1. Fixation: an id that was there before is worth nothing after, whoever chose it.
    let school = portal.browser(SCHOOL.0);
    put(&school, "chosen-by-somebody-else");
    assert!(signed_out(&school.get("/portail").await));
    school.sign_in(SCHOOL.1).await;
    let first = id(&school).unwrap();
    assert_ne!(first, "chosen-by-somebody-else");
    school.sign_in(SCHOOL.1).await;
    let second = id(&school).unwrap();
    assert_ne!(first, second);
    let old = portal.browser(SCHOOL.0);
    put(&old, &first);
    assert!(signed_out(&old.get("/portail").await), "the session before ends with a new sign-in");
    // 2. Theft: under another certificate there is no session, even of the same institution.
    let thief = portal.browser(HOSPITAL.0);
    put(&thief, &second);
    assert!(signed_out(&thief.get("/portail").await));
    // 3. It survives a restart of the gateway.
    portal.scene.stop().await;
    portal.scene.resume().await;
    assert!(school.get("/portail").await.text.contains("Vous êtes inquiet"));
    // 4. Lapsed while somebody wrote: what was written is kept, nothing is shown.
    let draft = school.get("/portail/transmettre/information-preoccupante").await.link_of_form();
    let csrf = school.csrf().await;
    portal.scene.clock.advance(Duration::from_secs(16 * 60));
    let pairs: Vec<(&str, &str)> = TYPED.into_iter().chain([("_csrf", csrf.as_str()), ("_action", "verifier")]).collect();
    let late = school.follow(school.form(&format!("/portail/brouillon/{draft}"), &pairs)).await;
    assert!(signed_out(&late) && !late.text.contains("FICTIVE"));
    assert!(signed_out(&school.get(&format!("/portail/brouillon/{draft}")).await));
    school.sign_in(SCHOOL.1).await;
    assert!(school.get(&format!("/portail/brouillon/{draft}")).await.text.contains("FICTIVE"));
    // 5. Busy or not, it ends.
    for _ in 0..33 {
        portal.scene.clock.advance(Duration::from_secs(14 * 60));
        assert!(!signed_out(&school.get("/portail").await));
    }
    portal.scene.clock.advance(Duration::from_secs(14 * 60));
    portal.scene.clock.advance(Duration::from_secs(30 * 60));
    assert!(signed_out(&school.get("/portail").await));
    // 6. Signing out ends it at the gateway, not only here; nothing may be shown again by going back.
    school.sign_in(SCHOOL.1).await;
    let (last, page) = (id(&school).unwrap(), school.get("/portail").await);
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(school.sign_out().await.text.contains("S’identifier"));
    assert_eq!(id(&school), None);
    put(&school, &last);
    assert!(signed_out(&school.get("/portail").await));
}

#[tokio::test]
async fn two_tabs_with_two_people_are_never_mixed() {
    let portal = Portal::open().await;
    let browser = portal.signed_in(TEACHER).await;
    let draft = browser.get("/portail/transmettre/information-preoccupante").await.link_of_form();
    let of_the_teacher = browser.csrf().await;
    let pairs: Vec<(&str, &str)> = TYPED.into_iter().chain([("_csrf", of_the_teacher.as_str()), ("_action", "enregistrer")]).collect();
    browser.follow(browser.form(&format!("/portail/brouillon/{draft}"), &pairs)).await;
    // In the other tab the headmaster signs in: the first tab's form is nobody's any more.
    browser.sign_in(HEADMASTER.1).await;
    let page = browser.follow(browser.form(&format!("/portail/brouillon/{draft}"), &pairs)).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get(&format!("/portail/brouillon/{draft}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.send(&draft, &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn who_signs_in_is_who_the_provider_says_and_nobody_else() {
    let portal = Portal::open().await;
    let refused = |page: &Page| page.status == StatusCode::FORBIDDEN && page.text.contains("Connexion refusée");
    let browser = portal.browser(SCHOOL.0);
    // 1. What a token must say.
    let wrong: [(&str, serde_json::Value); 9] = [
        ("iss", json!("https://ailleurs.example")),
        ("aud", json!("another-client")),
        ("aud", json!(["passerelle-31", "another-client"])),
        ("nonce", json!("another")),
        ("exp", json!(1_700_000_000)),
        ("iat", json!(1_700_000_000)),
        ("amr", json!(["pwd"])),
        ("sub", json!("nobody")),
        ("sub", json!(HOSPITAL.1)),
    ];
    for (name, value) in wrong {
        let told = value.clone();
        portal.provider.change(move |claims| claims[name] = told.clone());
        assert!(refused(&browser.sign_in(SCHOOL.1).await), "{name}: {value}");
    }
    portal.provider.tell_the_truth();
    // 2. An answer to a question that was not asked here, not now, or not under this certificate.
    for query in ["code=x&state=y", "state=y", "error=access_denied", ""] {
        assert!(refused(&browser.get(&format!("/portail/retour?{query}")).await), "{query}");
    }
    let chooses = browser.get("/portail/connexion/0").await;
    let place = chooses.url.split("/authorize").next().unwrap().to_owned();
    let link = chooses.links().find(|link| link.contains(&format!("who={}&", SCHOOL.1))).unwrap();
    let back = browser.request(Method::GET, &format!("{place}{link}")).send().await.unwrap();
    let back = back.headers()["location"].to_str().unwrap().to_owned();
    let thief = portal.browser("college-0319901u");
    *thief.jar.lock().unwrap() = browser.jar.lock().unwrap().clone();
    assert!(refused(&thief.get(&back).await), "the cookie of another certificate");
    assert!(refused(&portal.browser(SCHOOL.0).get(&back).await), "no cookie: a sign-in that somebody else began");
    let forged = back.replace("state=", "state=x");
    let kept = browser.jar.lock().unwrap().clone();
    assert!(refused(&browser.get(&forged).await));
    *browser.jar.lock().unwrap() = kept;
    portal.scene.clock.advance(Duration::from_secs(601));
    assert!(refused(&browser.get(&back).await), "too late");
    // 3. A code is for one use, also for who has everything else.
    let again = browser.get("/portail/connexion/0").await;
    let link = again.links().find(|link| link.contains(&format!("who={}&", SCHOOL.1))).unwrap();
    let back = browser.request(Method::GET, &format!("{place}{link}")).send().await.unwrap();
    let back = back.headers()["location"].to_str().unwrap().to_owned();
    let kept = browser.jar.lock().unwrap().clone();
    assert!(browser.get(&back).await.text.contains("Vous êtes connecté"));
    *browser.jar.lock().unwrap() = kept;
    assert!(refused(&browser.get(&back).await));
    // 4. A provider speaks for its institutions alone.
    let town = portal.browser(TOWN_HALL.0);
    assert!(town.get("/portail").await.text.contains("Aucun moyen de connexion"));
    assert_eq!(town.get("/portail/connexion/0").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_not_theirs_does_not_exist() {
    let portal = Portal::open().await;
    let (school, crip, hospital) = (portal.signed_in(SCHOOL).await, portal.signed_in(CRIP).await, portal.signed_in(HOSPITAL).await);
    let (draft, _) = written(&school, &[]).await;
    let (exchange, _) = sent(&school, &[("piece1", "a.pdf", "application/pdf", b"a")]).await;
    let delivery = crip.get("/portail/boite").await.link("/portail/boite/").rsplit('/').next().unwrap().to_owned();
    let file = crip.get(&format!("/portail/boite/{delivery}")).await.link(&format!("/portail/boite/{delivery}/pieces/"));
    let task = crip.get("/portail/suivis").await.link("/portail/suivis/").rsplit('/').next().unwrap().to_owned();
    let none = ExchangeId::new().to_string();
    let with = |path: &str, id: &str| path.replace("{}", id);
    let pages = [
        ("/portail/brouillon/{}", &draft),
        ("/portail/brouillon/{}/verifier", &draft),
        ("/portail/transmissions/{}", &exchange),
        ("/portail/transmissions/{}/accuse", &exchange),
        ("/portail/transmissions/{}/preuve", &exchange),
        ("/portail/repondre/{}/retour-information", &exchange),
        ("/portail/boite/{}", &delivery),
        ("/portail/suivis/{}", &task),
    ];
    let same = |one: &Page| one.text.split("Numéro de la demande").next().unwrap().to_owned();
    for (path, id) in pages {
        let (theirs, nobodys) = (hospital.get(&with(path, id)).await, hospital.get(&with(path, &none)).await);
        assert_eq!((theirs.status, nobodys.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND), "{path}");
        assert_eq!(same(&theirs), same(&nobodys), "{path}");
    }
    assert_eq!(hospital.get(&file).await.status, StatusCode::NOT_FOUND);
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let forms: [(&str, &String, Pairs<'_>); 5] = [
        ("/portail/brouillon/{}", &draft, &[("_type", "information-preoccupante"), ("_action", "enregistrer")]),
        ("/portail/brouillon/{}/abandon", &draft, &[]),
        ("/portail/boite/{}/reponse", &delivery, &[("suite", "taken-in-charge")]),
        ("/portail/suivis/{}", &task, &[]),
        (
            "/portail/suivis/{}/report",
            &task,
            &[("base", "reserve-magistrat"), ("jusqu-au", "2026-12-01"), ("mots", "vingt caractères au moins, ici")],
        ),
    ];
    for (path, id, pairs) in forms {
        assert_eq!(hospital.post(&with(path, id), pairs).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(hospital.send(&draft, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(hospital.post("/portail/recherche", &[("reference", &exchange)]).await.status, StatusCode::NOT_FOUND);
    // The sender reads no delivery, the recipient has no receipt, and a hospital has no mailbox of the CRIP.
    assert_eq!(school.get(&format!("/portail/boite/{delivery}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(crip.get(&format!("/portail/transmissions/{exchange}/accuse")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(hospital.get("/portail/boite?service=crip").await.status, StatusCode::NOT_FOUND);
    assert!(school.get(&format!("/portail/brouillon/{draft}")).await.text.contains("Arrive sans repas"), "nobody touched it");
}

#[tokio::test]
async fn what_strangers_type_is_text_and_their_files_are_downloads() {
    let portal = Portal::open().await;
    let (school, crip) = (portal.signed_in(SCHOOL).await, portal.signed_in(CRIP).await);
    const EVIL: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'";
    let form = school.get("/portail/transmettre/information-preoccupante").await;
    let draft = form.link_of_form();
    // Every control of the page, whatever it is for.
    let names: Vec<&str> =
        form.text.split(" name=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).filter(|name| name.contains('/')).collect();
    assert!(names.len() > 40, "{}", names.len());
    let mut pairs: Vec<(&str, &str)> = names.iter().map(|name| (*name, EVIL)).collect();
    pairs.extend([("_type", "information-preoccupante"), ("_urgence", EVIL), ("_destinataire", EVIL), ("_action", "enregistrer")]);
    let clean = |page: &Page| {
        let lower = page.text.to_lowercase();
        assert!(!lower.contains("<script>") && !lower.contains("<img"), "{}", page.text);
        assert_eq!(lower.matches("<script").count(), 1, "our own, by its address");
    };
    let kept = school.post(&format!("/portail/brouillon/{draft}"), &pairs).await;
    clean(&kept);
    assert!(kept.text.contains("&#34;&#62;&#60;script&#62;") || kept.text.contains("&quot;&gt;&lt;script&gt;"), "{}", kept.text);
    clean(&school.get(&format!("/portail/brouillon/{draft}/verifier")).await);
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(3)'/>";
    let files: &[(&str, &str, &str, &[u8])] = &[
        ("piece1", "<img src=x onerror=alert(4)>.svg", "image/svg+xml", svg),
        ("piece2", "page.html", "text/html", b"<script>alert(5)</script>"),
        ("piece3", "..%2f..%2fetc.pdf", "application/pdf", b"%PDF-1.7 /OpenAction"),
    ];
    let receipt = school.send(&draft, files).await;
    assert!(receipt.text.contains("Accusé de dépôt"), "a danger is never stopped by a form: {}", receipt.text);
    clean(&receipt);
    let document = crip.get(&crip.get("/portail/boite").await.link("/portail/boite/")).await;
    clean(&document);
    let all: Vec<String> = document.links().filter(|link| link.contains("/pieces/")).collect();
    assert_eq!(all.len(), 3);
    for link in all {
        let file = crip.get(&link).await;
        assert_eq!(file.header("content-type"), "application/octet-stream");
        assert_eq!(file.header("x-content-type-options"), "nosniff");
        assert!(file.header("content-disposition").starts_with("attachment; "), "{}", file.header("content-disposition"));
        assert_eq!(file.header("content-security-policy"), "sandbox; default-src 'none'");
    }
    // Reflected in no answer: addresses, references, queries.
    for path in [
        "/portail/%3Cscript%3E",
        "/portail/boite?service=%3Cscript%3E",
        "/portail/transmettre/%3Cscript%3E",
        "/portail/retour?state=%3Cscript%3E&error=%3Cscript%3E",
    ] {
        let page = school.get(path).await;
        assert!(!page.text.to_lowercase().contains("<script>"), "{path}: {}", page.text);
    }
    clean(&school.post("/portail/recherche", &[("reference", EVIL)]).await);
}

#[tokio::test]
async fn what_is_withheld_is_not_in_the_page() {
    let portal = Portal::open().await;
    // An educator of the ASE reads neither health nor who reported: said as such, and not there.
    let mut envelope = envelopes::of_the_hospital();
    envelope["recipient"] = json!({"institution": "departement-31", "unit": "ase"});
    portal.scene.accepted(HOSPITAL, &envelope).await;
    let ase = portal.signed_in(ASE).await;
    let page = ase.get(&ase.get("/portail/boite").await.link("/portail/boite/")).await;
    assert!(page.text.contains("Ce qui ne vous est pas montré") && page.text.contains("<dt>Santé</dt>"), "{}", page.text);
    assert!(page.text.contains("chute d’escalier"), "what may be read is there");
    for hidden in ["ecchymoses", "pédiatre", "491098"] {
        assert!(!page.text.contains(hidden), "{hidden} is in the page");
    }
    // From whom an exchange is sealed, for them it does not exist.
    let mut envelope = envelopes::of_the_hospital();
    envelope["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": CRIP.1}]);
    portal.scene.accepted(HOSPITAL, &envelope).await;
    assert!(portal.signed_in(CRIP).await.get("/portail/boite").await.text.contains("Rien n’attend ce service"));
    let cadre = portal.signed_in(CADRE).await;
    assert!(cadre.get("/portail/boite?service=crip").await.text.contains("Information préoccupante"));
}

#[tokio::test]
async fn every_page_is_framed_by_nobody_and_light() {
    let portal = Portal::open().await;
    let (school, crip) = (portal.signed_in(SCHOOL).await, portal.signed_in(CRIP).await);
    let (exchange, _) = sent(&school, &[]).await;
    let (draft, _) = written(&school, &[]).await;
    let delivery = crip.get("/portail/boite").await.link("/portail/boite/");
    let task = crip.get("/portail/suivis").await.link("/portail/suivis/");
    let fresh = portal.browser(SCHOOL.0);
    let pages = [
        (&fresh, "/portail/connexion".to_owned()),
        (&school, "/portail".to_owned()),
        (&school, "/portail/transmettre".to_owned()),
        (&school, "/portail/transmettre/information-preoccupante".to_owned()),
        (&school, format!("/portail/brouillon/{draft}")),
        (&school, format!("/portail/brouillon/{draft}/verifier")),
        (&school, "/portail/transmissions".to_owned()),
        (&school, format!("/portail/transmissions/{exchange}")),
        (&school, format!("/portail/transmissions/{exchange}/accuse")),
        (&school, "/portail/boite/nothing".to_owned()),
        (&crip, "/portail/boite".to_owned()),
        (&crip, delivery),
        (&crip, "/portail/suivis".to_owned()),
        (&crip, task),
    ];
    for (browser, path) in pages {
        let page = browser.get(&path).await;
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(page.header(name), value, "{path}");
        }
        assert!(!page.text.contains(" style=\"") && !page.text.contains(" onclick") && !page.text.contains("javascript:"), "{path}");
        // Nothing from elsewhere, and all of it together under 150 KiB.
        let mut weight = page.text.len();
        for link in page.text.split("/portail/statique/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            let asset = browser.get(&format!("/portail/statique/{link}")).await;
            assert_eq!((asset.status, asset.header("cache-control").contains("immutable")), (StatusCode::OK, true));
            weight += asset.text.len();
        }
        assert!(weight < 150 * 1024, "{path}: {weight} bytes");
        assert!(!page.text.contains("src=\"http") && !page.text.contains("@import"), "{path}");
        assert_eq!(page.text.matches("<h1").count(), 1, "{path}");
        assert!(page.text.contains("<html lang=\"fr\">") && page.text.contains("<main id=\"contenu\""), "{path}");
    }
    // Whoever asks where to go next is answered from our own words alone.
    for query in ["?next=https://ailleurs.example", "?retour=//ailleurs.example"] {
        assert!(fresh.get(&format!("/portail{query}")).await.url.starts_with(&portal.origin));
    }
}

#[tokio::test]
async fn there_is_no_portal_without_its_configuration() {
    let scene = tests::Scene::start().await;
    let problem = scene.refused(&scene.acting(SCHOOL), "/portail").await;
    assert_eq!((problem.status, problem.code()), (404, "not-found"));
}
