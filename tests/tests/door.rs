//! The door over the wire: which certificate may connect, which may ask, and what happens when that changes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::PathBuf, time::Duration};

use certs_dev::{Issued, Leaf};
use gateway::{
    client::{Client, ClientFault},
    demo::{World, envelopes},
};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::{Scene, people::*, scene::problem, text};
use time::OffsetDateTime;

fn now() -> OffsetDateTime {
    tests::NOW.parse::<exchange::Instant>().unwrap().datetime().into()
}

fn school() -> Leaf {
    Leaf::member("ac-education", "dsden-31", now())
}

/// Puts a certificate where a client finds it.
fn keep(world: &World, name: &str, issued: &Issued) -> PathBuf {
    let folder = world.folder.join("members").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("certificate.pem"), &issued.chain_pem).unwrap();
    fs::write(folder.join("key.pem"), &issued.key_pem).unwrap();
    folder
}

/// Nobody gets in with this certificate: the handshake fails.
async fn no_handshake(client: &Client, what: &str) {
    match client.get("/v1/keys").await {
        Err(ClientFault::Transport(_)) => {}
        Err(other) => panic!("{what}: {other}"),
        Ok(_) => panic!("{what}: was let in"),
    }
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_does_not_connect() {
    let mut odd = Vec::new();
    let scene = Scene::start_with(|world| {
        let year = time::Duration::days(365);
        let issue = |world: &World, leaf: Leaf| world.pki.issue(&leaf).unwrap();
        odd.push(("unknown CA", keep(world, "rogue", &world.pki.rogue(&school(), now()).unwrap())));
        odd.push(("expired", keep(world, "expired", &issue(world, school().valid(now() - year * 2, now() - year)))));
        odd.push(("not yet valid", keep(world, "future", &issue(world, school().valid(now() + year, now() + year * 2)))));
        odd.push(("a server's", keep(world, "server", &issue(world, school().server_only()))));
        odd.push((
            "outside the names of its CA",
            keep(world, "names", &issue(world, school().dns(vec!["chu.sante.passerelle.test".into()]))),
        ));
        let revoked = issue(world, school());
        odd.push(("revoked", keep(world, "revoked", &revoked)));
        world.pki.revoke(&revoked).unwrap();
        world.pki.write_crls(now()).unwrap();
    })
    .await;
    for (what, folder) in &odd {
        no_handshake(&scene.client_of(folder), what).await;
    }
    // No certificate at all.
    let roots = fs::read(scene.world.authorities()).unwrap();
    let anonymous = reqwest::Client::builder().tls_backend_preconfigured(anonymous_tls(&roots)).build().unwrap();
    assert!(anonymous.get(format!("{}/v1/keys", scene.base())).send().await.is_err());
    // Plain HTTP is not spoken.
    let address = scene.base().replace("https://", "");
    assert!(!tests::process::plain(&address, "/v1/keys").await.unwrap_or_default().contains("HTTP/1.1 200"));
    // The honest one still gets in.
    scene.institution("dsden-31").get("/v1/keys").await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_names_no_member_may_ask_nothing() {
    let mut odd = Vec::new();
    let scene = Scene::start_with(|world| {
        let uri = |id: &str| format!("urn:passerelle:institution:{id}");
        for (name, code, leaf) in [
            ("another CA than the directory says", "certificate-wrong-authority", Leaf::member("ac-sante", "dsden-31", now())),
            ("two institutions", "certificate-no-institution", school().san_uris(vec![uri("dsden-31"), uri("chu-toulouse")])),
            ("no institution", "certificate-no-institution", school().san_uris(vec![])),
            (
                "an institution that the directory does not know",
                "certificate-unknown-institution",
                Leaf::member("ac-education", "lycee-inconnu", now()),
            ),
            ("a unit that the directory does not know", "certificate-unknown-institution", school().unit("cantine")),
            ("a SIREN that is another's", "certificate-siren", school().siren("123456789")),
        ] {
            odd.push((name, code, keep(world, &name.replace(' ', "-"), &world.pki.issue(&leaf).unwrap())));
        }
    })
    .await;
    for (what, code, folder) in &odd {
        let client = scene.client_of(folder);
        let refusal = scene.refused(&client, "/v1/keys").await;
        assert_eq!((refusal.status, refusal.code()), (403, *code), "{what}: {}", refusal.body);
        // Not even danger: the institution is not authenticated.
        let (status, _) = scene.raw(scene.deposit(&client, envelopes::of_the_school().to_string())).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{what}");
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_thrown_out_of_its_open_connection_and_only_it() {
    let mut scene = Scene::start().await;
    let (school, crip) = (scene.acting(SCHOOL), scene.acting(CRIP));
    school.get("/v1/keys").await.unwrap();
    let polling = {
        let school = school.clone();
        tokio::spawn(async move { school.get("/v1/mailbox?unit=ssfe&wait=60").await })
    };
    let other = {
        let crip = crip.clone();
        tokio::spawn(async move { crip.get("/v1/mailbox?unit=crip&wait=5").await })
    };
    scene.until("both are connected", || async { connections(&scene).await >= 2 }).await;
    let pem = fs::read_to_string(scene.member("dsden-31").join("certificate.pem")).unwrap();
    scene.world.pki.revoke_pem(&pem).unwrap();
    scene.world.pki.write_crls(now()).unwrap();
    // The waiting request of the revoked certificate ends without an answer; the other's goes on to its own end.
    let ended = tokio::time::timeout(Duration::from_secs(10), polling).await.expect("the connection was not closed").unwrap();
    assert!(matches!(ended, Err(ClientFault::Transport(_))), "{ended:?}");
    assert!(other.await.unwrap().is_ok());
    no_handshake(&school, "revoked").await;
    crip.get("/v1/keys").await.unwrap();
}

#[tokio::test]
async fn i03_with_a_stale_list_only_danger_is_deposited_and_for_72_hours() {
    let scene = Scene::start_with(|world| {
        // The list was good for a day.
        world.pki.write_crls_valid(now() - time::Duration::hours(1), now() + time::Duration::hours(23)).unwrap();
    })
    .await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.clock.advance(Duration::from_secs(24 * 3600));
    scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    for (who, path) in [(SCHOOL, "/v1/mailbox"), (CRIP, "/v1/mailbox?unit=crip"), (CRIP, "/v1/clocks")] {
        assert_eq!(scene.refused(&scene.acting(who), path).await.code(), "revocation-stale", "{path}");
    }
    let refusal = scene.submit(&scene.acting(CRIP), &envelopes::retour(&information)).await.unwrap_err();
    assert_eq!(refusal.code(), "revocation-stale");
    // It alarms.
    let metrics = scene.local("/metrics").await;
    assert!(metrics.contains("passerelle_stale_deposits_total 1"), "{metrics}");
    // After 72 hours, nothing.
    scene.clock.advance(Duration::from_secs(72 * 3600));
    let refusal = scene.submit(&scene.acting(SCHOOL), &envelopes::of_the_school()).await.unwrap_err();
    assert_eq!(refusal.code(), "revocation-stale");
}

#[tokio::test]
async fn the_directory_is_reloaded_without_a_restart_and_every_change_is_logged() {
    let scene = Scene::start().await;
    let file = scene.world.folder.join("directory/professionals/departement-31.toml");
    let text_of = fs::read_to_string(&file).unwrap();
    let events = async |event: &str| {
        let rooms = scene.rooms();
        rooms.store.entries_from(0, 1000).await.unwrap().iter().filter(|entry| entry.event == event).count()
    };
    let crip = scene.acting(CRIP);
    crip.get("/v1/mailbox?unit=crip").await.unwrap();
    // The agent leaves the CRIP.
    let gone = text_of.replacen("unit = \"crip\"\nfrom = 2025-01-01", "unit = \"crip\"\nfrom = 2025-01-01\nto = 2025-12-31", 1);
    assert_ne!(gone, text_of);
    fs::write(&file, &gone).unwrap();
    scene.until("the habilitation ended", || async { crip.get("/v1/mailbox?unit=crip").await.is_err() }).await;
    scene.until("the change is in the log", || async { events("directory.changed").await == 1 }).await;
    // A file with a mistake changes nothing.
    fs::write(&file, "nonsense = ").unwrap();
    let before = scene.rooms().law.load().directory.hash().to_owned();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(scene.rooms().law.load().directory.hash(), before);
    // Put right, it is in force again.
    fs::write(&file, &text_of).unwrap();
    scene.until("the agent is back", || async { crip.get("/v1/mailbox?unit=crip").await.is_ok() }).await;
    scene.until("that is logged too", || async { events("directory.changed").await == 2 }).await;
}

#[tokio::test]
async fn one_certificate_cannot_take_the_place_of_others() {
    let scene = Scene::start_with(|world| {
        let config = fs::read_to_string(world.config()).unwrap();
        let limited = config.replace("requests_per_second = 100000\nburst = 100000", "requests_per_second = 1\nburst = 5");
        assert_ne!(config, limited);
        fs::write(world.config(), limited).unwrap();
    })
    .await;
    let school = scene.acting(SCHOOL);
    let mut refused = None;
    for _ in 0..20 {
        if let Err(problem) = problem(school.get("/v1/keys").await) {
            refused = Some(problem);
        }
    }
    let refused = refused.expect("no limit was met");
    assert_eq!((refused.status, refused.code()), (429, "too-many-requests"));
    // Another certificate is served, and danger has a budget of its own.
    scene.acting(CRIP).get("/v1/keys").await.unwrap();
    scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
}

#[tokio::test]
async fn tokens_are_believed_only_when_everything_agrees() {
    use gateway::token::Wanted;
    let scene = Scene::start().await;
    let crip = scene.institution("departement-31");
    let path = "/v1/mailbox?unit=crip";
    let code = async |token: &str| scene.refused(&crip.with_token(token), path).await.code().to_owned();
    let with = |change: &dyn Fn(Wanted<'static>) -> Wanted<'static>| {
        scene.token_with("departement-31", |w| change(Wanted { subject: "p-4f7k2", ..w }))
    };
    assert_eq!(scene.refused(&crip, path).await.code(), "token-missing");
    let old = "2026-11-25T09:00:00Z".parse().unwrap();
    let future = "2026-11-25T10:00:00Z".parse().unwrap();
    assert_eq!(code(&with(&|w| Wanted { now: old, ..w })).await, "token-expired");
    assert_eq!(code(&with(&|w| Wanted { now: future, ..w })).await, "token-not-yet");
    assert_eq!(code(&with(&|w| Wanted { audience: "urn:passerelle:gateway:passerelle-32", ..w })).await, "token-another-audience");
    assert_eq!(code(&with(&|w| Wanted { issuer: "urn:passerelle:institution:caf-31", ..w })).await, "token-another-issuer");
    assert_eq!(code(&with(&|w| Wanted { subject: "p-00000", ..w })).await, "unknown-professional");
    assert_eq!(code(&with(&|w| Wanted { certificate_thumbprint: [7; 32], ..w })).await, "token-another-certificate");
    assert_eq!(code(&scene.token("dsden-31", "p-5k2gh")).await, "token-another-issuer");
    assert_eq!(code("abc").await, "token-malformed");

    // alg none, HS256 under the public key, another signature.
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    let honest = scene.token("departement-31", "p-4f7k2");
    let parts: Vec<&str> = honest.split('.').collect();
    let header: Value = serde_json::from_slice(&B64.decode(parts[0]).unwrap()).unwrap();
    let other = |alg: &str| {
        let mut header = header.clone();
        header["alg"] = json!(alg);
        B64.encode(header.to_string())
    };
    assert_eq!(code(&format!("{}.{}.", other("none"), parts[1])).await, "token-unsigned");
    let message = format!("{}.{}", other("HS256"), parts[1]);
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"public key"), message.as_bytes());
    assert_eq!(code(&format!("{message}.{}", B64.encode(tag))).await, "token-shared-secret");
    let mut claims: Value = serde_json::from_slice(&B64.decode(parts[1]).unwrap()).unwrap();
    claims["sub"] = json!("p-8c3mz");
    assert_eq!(code(&format!("{}.{}.{}", parts[0], B64.encode(claims.to_string()), parts[2])).await, "token-bad-signature");

    // Revoked by its own institution, at once, for an open connection too; another institution cannot.
    let client = crip.with_token(honest);
    client.get(path).await.unwrap();
    let jti = claims["jti"].as_str().unwrap();
    scene.acting(SCHOOL).post("/v1/tokens/revocations", &json!({"jti": jti})).await.unwrap();
    client.get(path).await.unwrap();
    scene.acting(CADRE).post("/v1/tokens/revocations", &json!({"jti": jti})).await.unwrap();
    assert_eq!(scene.refused(&client, path).await.code(), "token-revoked");
}

#[tokio::test]
async fn the_log_is_for_any_member_and_its_entries_are_not() {
    let scene = Scene::start().await;
    scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let caf = scene.institution("caf-31");
    let checkpoint = caf.get_text("/log/checkpoint").await.unwrap();
    assert!(checkpoint.starts_with("gateway.passerelle.test/log\n"));
    assert!(caf.get_text("/log/proof/0").await.unwrap().starts_with("c2sp.org/tlog-proof@v1\n"));
    for path in ["/log/tile/entries/000", "/log/tile/entries/000.p/1"] {
        assert_eq!(scene.refused(&caf, path).await.status, 404);
    }
    let keys = caf.get("/v1/keys").await.unwrap();
    assert!(text(&keys, "/log/vkey").starts_with("gateway.passerelle.test/log+"));
}

async fn connections(scene: &Scene) -> u64 {
    let metrics = scene.local("/metrics").await;
    metrics.lines().find_map(|line| line.strip_prefix("passerelle_connections ")).and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn anonymous_tls(roots: &[u8]) -> rustls::ClientConfig {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(roots) {
        store.add(certificate.unwrap()).unwrap();
    }
    rustls::ClientConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth()
}
