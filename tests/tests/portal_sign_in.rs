//! Signing in at the portal and out of it: what a provider publishes, how it signs, how long ago it asked, and where it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::{Duration, Instant};

use certs_dev::Signs;
use reqwest::{Method, StatusCode};
use serde_json::json;
use tests::{
    browser::{Page, Portal},
    people::*,
};

fn refused(page: &Page) -> bool {
    page.status == StatusCode::FORBIDDEN && page.text.contains("Connexion refusée")
}

#[tokio::test]
async fn signing_out_ends_the_session_at_the_provider_too() {
    let portal = Portal::open().await;
    let school = portal.signed_in(SCHOOL).await;
    let page = school.post("/portail/deconnexion", &[]).await;
    // The session is over before the browser goes anywhere, and the token is in no address of ours.
    assert!(page.text.contains("Vous êtes déconnecté") && page.url.ends_with("/portail/deconnexion"), "{}", page.text);
    assert!(school.get("/portail").await.url.ends_with("/portail/connexion"));
    assert_eq!(portal.provider.signed_out(), 0);
    let way_out = page.links().find(|link| link.contains("id_token_hint")).unwrap();
    assert!(way_out.starts_with(portal.provider.issuer()), "{way_out}");
    let back = school.get(&way_out).await;
    assert!(back.text.contains("S’identifier") && back.url.starts_with(&format!("{}/portail/connexion?state=", portal.origin)));
    assert_eq!(portal.provider.signed_out(), 1);
    // A session that lapsed in between keeps nobody here: there is nothing to sign out of.
    assert!(school.get("/portail").await.url.ends_with("/portail/connexion"));
}

#[tokio::test]
async fn whom_a_provider_let_in_long_ago_it_must_ask_again() {
    let portal = Portal::open_on("", "fresh_minutes = 15", |_| {}).await;
    let browser = portal.browser(SCHOOL.0);
    let chooses = browser.get("/portail/connexion/0").await;
    assert!(chooses.url.contains("max_age=900") && !chooses.url.contains("prompt="), "{}", chooses.url);
    let now = portal.scene.now().unix_seconds();
    for told in [json!(now - 15 * 60 - 601), json!(now + 3600), serde_json::Value::Null] {
        let claim = told.clone();
        portal.provider.change(move |claims| claims["auth_time"] = claim.clone());
        assert!(refused(&browser.sign_in(SCHOOL.1).await), "{told}");
    }
    portal.provider.change(move |claims| claims["auth_time"] = json!(now - 14 * 60));
    assert!(browser.sign_in(SCHOOL.1).await.text.contains("Vous êtes connecté"));
    // Asked each time, where the configuration wants it.
    let portal = Portal::open_on("", "fresh_minutes = 0", |_| {}).await;
    let chooses = portal.browser(SCHOOL.0).get("/portail/connexion/0").await;
    assert!(chooses.url.contains("max_age=0") && chooses.url.contains("prompt=login"), "{}", chooses.url);
}

#[tokio::test]
async fn a_provider_may_sign_with_rsa_change_its_keys_and_move() {
    let portal = Portal::open().await;
    portal.signed_in(SCHOOL).await;
    // A key that nobody knows is looked up once more.
    portal.provider.sign_with(Signs::Rs256).unwrap();
    portal.signed_in(SCHOOL).await;
    portal.provider.sign_with(Signs::Es256).unwrap();
    portal.signed_in(CRIP).await;
    // Whatever it published is old after ten minutes: it may have moved.
    portal.provider.move_to("/ailleurs");
    let browser = portal.browser(SCHOOL.0);
    assert!(!browser.get("/portail/connexion/0").await.url.contains("/ailleurs/"));
    portal.scene.clock.advance(Duration::from_secs(601));
    let chooses = browser.get("/portail/connexion/0").await;
    assert!(chooses.url.contains("/ailleurs/authorize"), "{}", chooses.url);
    let link = chooses.links().find(|link| link.contains(&format!("who={}&", SCHOOL.1))).unwrap();
    assert!(browser.get(&format!("{}{link}", portal.provider.issuer())).await.text.contains("Vous êtes connecté"));
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_asked_once_for_all_and_keeps_nobody_long() {
    let portal = Portal::open().await;
    let browsers: Vec<_> = (0..6).map(|_| portal.browser(SCHOOL.0)).collect();
    portal.provider.stall(true);
    let begun = Instant::now();
    let leaving = || futures::future::join_all(browsers.iter().map(|browser| browser.get("/portail/connexion/0")));
    for page in leaving().await {
        assert!(refused(&page) && page.text.contains("ne répond pas"), "{}", page.text);
    }
    assert!(begun.elapsed() < Duration::from_secs(12), "one wait for all, not one after the other: {:?}", begun.elapsed());
    assert_eq!(portal.provider.asked(), 1);
    // When it answers again, so do we.
    portal.provider.stall(false);
    for page in leaving().await {
        assert!(page.url.starts_with(portal.provider.issuer()), "{}", page.text);
    }
    assert_eq!(portal.provider.asked(), 2);
}

#[tokio::test]
async fn what_a_provider_calls_somebody_is_theirs_under_its_prefix_alone() {
    let portal = Portal::open_on("", "prefix = \"psc-\"", |_| {}).await;
    // The directory knows this person, and not as this provider's.
    assert!(refused(&portal.browser(SCHOOL.0).sign_in(SCHOOL.1).await));
}

#[tokio::test]
async fn a_sign_in_anew_ends_the_session_before_it_whose_cookie_stays_away() {
    const COOKIE: &str = "__Host-passerelle";
    let portal = Portal::open().await;
    let browser = portal.signed_in(SCHOOL).await;
    let first = browser.jar.lock().unwrap()[COOKIE].clone();
    // The provider leads back: a strict cookie does not come along.
    browser.sign_in(SCHOOL.1).await;
    let second = browser.jar.lock().unwrap()[COOKIE].clone();
    let thief = portal.browser(SCHOOL.0);
    for (id, holds) in [(first, false), (second, true)] {
        thief.jar.lock().unwrap().insert(COOKIE.to_owned(), id);
        let page = thief.request(Method::GET, "/portail").send().await.unwrap();
        assert_eq!(page.status() == StatusCode::OK, holds);
    }
}
