//! Pushes over real mutual TLS to a pretend partner's endpoint: a notice without content, at least once, under a lease,
//! in the order of its case, and to members alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use certs_dev::Issued;
use futures::future::BoxFuture;
use gateway::{
    demo::{SECRETS, World, envelopes},
    flows::forward::{Notice, Post, forward},
    store::{
        Part, StoreError,
        push::{FinishPush, LeasePush, PushResult},
    },
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde_json::{Value, json};
use sqlx::Row;
use tests::{Scene, endpoint::Endpoint, people::*};

#[tokio::test]
async fn a_notice_says_that_something_waits_and_nothing_more() {
    let (scene, endpoint) = the_crip_is_told(|_| {}).await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.until("the notice comes", || async { endpoint.count() == 1 }).await;
    let came = endpoint.received().remove(0);
    let delivery = scene.delivery_of(CRIP, "crip", &id).await;
    let expected = json!({
        "delivery": delivery,
        "recipient": {"institution": "departement-31", "unit": "crip"},
        "urgency": "priority",
        "delivered_at": tests::NOW,
    });
    assert_eq!(came.body, expected, "these four and nothing else");
    assert_eq!(came.line, "POST /avis HTTP/1.1");
    assert!(came.headers.contains(&format!("idempotency-key: {delivery}")), "{:?}", came.headers);
    let own = CertificateDer::from_pem_file(scene.world.folder.join("tls/certificate.pem")).unwrap();
    assert_eq!(came.certificate, own.to_vec(), "the gateway says who it is");
    // Neither content nor child, neither type nor sender nor exchange: in no header either.
    let whole = format!("{} {:?} {}", came.line, came.headers, came.body);
    for secret in SECRETS.into_iter().chain(["information-preoccupante", "dsden-31", "ssfe", "P1-", id.as_str()]) {
        assert!(!whole.contains(secret), "the notice tells `{secret}`: {whole}");
    }
    scene.until("it is written down", || async { events(&scene, &id).await.contains(&"push.sent".to_owned()) }).await;
    assert_eq!(pushes(&scene).await[0].state, "done");
    // Told is neither opened nor acknowledged: it still waits in the mailbox.
    assert_eq!(scene.waiting(&scene.acting(CRIP), "crip").await.len(), 1);
}

#[tokio::test]
async fn a_failed_push_goes_again_under_the_same_id_after_a_random_pause() {
    let (scene, endpoint) = the_crip_is_told(|_| {}).await;
    let seen = Mutex::new(BTreeSet::new());
    endpoint.answer(move |received| if seen.lock().unwrap().insert(received.delivery()) { 500 } else { 200 });
    for _ in 0..8 {
        scene.accepted(SCHOOL, &ordinary()).await;
    }
    scene.until("each failed once", || async { pushes(&scene).await.iter().filter(|p| p.fault == "endpoint-error").count() == 8 }).await;
    let pauses: Vec<i64> = pushes(&scene).await.iter().map(|push| push.next - scene.now().unix_ms()).collect();
    assert!(pauses.iter().all(|pause| (1..=2000).contains(pause)), "{pauses:?}");
    assert!(pauses.iter().collect::<BTreeSet<_>>().len() > 1, "full jitter: {pauses:?}");
    assert_eq!(endpoint.count(), 8, "nothing goes again before its pause is over");

    scene.clock.advance(Duration::from_millis(2001));
    scene.until("all are done", || async { pushes(&scene).await.iter().all(|push| push.state == "done") }).await;
    let came: Vec<String> = endpoint.received().iter().map(|received| received.delivery()).collect();
    let once: BTreeSet<&String> = came.iter().collect();
    assert_eq!((came.len(), once.len()), (16, 8), "twice each, under the id it had");
}

#[tokio::test]
async fn an_endpoint_that_was_dark_is_told_when_it_is_back() {
    let (scene, mut endpoint, issued) = prepared(|_| {}).await;
    for _ in 0..3 {
        scene.accepted(SCHOOL, &ordinary()).await;
    }
    scene.until("nobody is there", || async { pushes(&scene).await.iter().all(|push| push.fault == "unreachable") }).await;
    endpoint.serve(&scene.world, &issued).await;
    scene.clock.advance(Duration::from_secs(3));
    scene.until("all are told", || async { endpoint.count() == 3 }).await;
    // In the middle of its work it goes dark again: what it did not answer comes again.
    endpoint.go_dark().await;
    scene.accepted(SCHOOL, &ordinary()).await;
    scene.until("it failed", || async { pushes(&scene).await[3].fault == "unreachable" }).await;
    endpoint.serve(&scene.world, &issued).await;
    scene.clock.advance(Duration::from_secs(3));
    scene.until("it is told", || async { pushes(&scene).await.iter().all(|push| push.state == "done") }).await;
    assert_eq!(endpoint.count(), 4);
}

#[tokio::test]
async fn after_the_last_try_a_notice_is_a_dead_letter_that_is_seen_counted_and_logged() {
    let (mut scene, endpoint) = the_crip_is_told(|world| set(world, "push_ms = 100", "push_ms = 20\npush_attempts = 3")).await;
    endpoint.answer(|_| 503);
    let before = dead_letters(&scene).await;
    let id = scene.accepted(SCHOOL, &ordinary()).await;
    for tries in 1..=3 {
        scene.until("it is tried", || async { endpoint.count() == tries }).await;
        scene.until("the try is written down", || async { pushes(&scene).await[0].leased == 0 }).await;
        assert_eq!(scene.rooms().store.dead_letters().await.unwrap().len(), usize::from(tries == 3));
        scene.clock.advance(Duration::from_secs(601));
    }
    let dead = scene.rooms().store.dead_letters().await.unwrap();
    assert_eq!(dead[0].exchange.to_string(), id);
    assert_eq!(pushes(&scene).await[0].fault, "endpoint-error");
    assert_eq!(dead_letters(&scene).await, before + 1, "the metric that alarms");
    scene.until("logged", || async { events(&scene, &id).await.iter().filter(|event| *event == "delivery.dead").count() == 1 }).await;
    // It still waits where people look, and is not pushed again, not even after a restart.
    assert_eq!(scene.waiting(&scene.acting(CRIP), "crip").await.len(), 1);
    endpoint.answer(|_| 204);
    scene.stop().await;
    scene.resume().await;
    let other = scene.accepted(SCHOOL, &ordinary()).await;
    scene.until("the next is told", || async { endpoint.count() == 4 }).await;
    assert_eq!(endpoint.received()[3].delivery(), scene.delivery_of(CRIP, "crip", &other).await);
}

#[tokio::test]
async fn urgent_leaves_first_and_a_case_in_its_order() {
    let (mut scene, endpoint) = the_crip_is_told(|world| set(world, "push_ms = 100", "push_ms = 3600000")).await;
    let of_case = |urgency: &str| {
        let mut envelope = ordinary();
        envelope["urgency"] = json!(urgency);
        envelope["case"] = json!("D-31-0042");
        envelope
    };
    let mut ids = Vec::new();
    for envelope in [of_case("ordinary"), of_case("ordinary"), ordinary(), urgent()] {
        ids.push(scene.accepted(SCHOOL, &envelope).await);
    }
    assert_eq!(endpoint.count(), 0);
    let mut names = Vec::new();
    for (id, name) in ids.iter().zip(["first of the case", "second of the case", "other", "urgent"]) {
        names.push((scene.delivery_of(CRIP, "crip", id).await, name));
    }
    let first = names[0].0.clone();
    let failed = Mutex::new(false);
    endpoint.answer(move |received| {
        let mut failed = failed.lock().unwrap();
        if received.delivery() == first && !std::mem::replace(&mut *failed, true) { 500 } else { 204 }
    });
    scene.stop().await;
    set(&scene.world, "push_ms = 3600000", "push_ms = 20");
    scene.resume().await;
    let came = || -> Vec<&str> {
        let name = |delivery: String| names.iter().find(|(known, _)| *known == delivery).unwrap().1;
        endpoint.received().iter().map(|received| name(received.delivery())).collect()
    };
    scene.until("what can go has gone", || async { pushes(&scene).await.iter().filter(|push| push.state == "done").count() == 2 }).await;
    assert_eq!(came(), ["urgent", "first of the case", "other"], "the second waits behind the first");
    scene.clock.advance(Duration::from_secs(3));
    scene.until("all are told", || async { pushes(&scene).await.iter().all(|push| push.state == "done") }).await;
    assert_eq!(came()[3..], ["first of the case", "second of the case"]);
}

#[tokio::test]
async fn an_endpoint_that_never_answers_holds_up_nobody_else() {
    let (mut slow, mut quick) = (Endpoint::new(), Endpoint::new());
    let mut issued = Vec::new();
    let scene = Scene::start_with(|world| {
        slow.asked_by(world, "crip");
        quick.asked_by(world, "ssfe");
        for (authority, institution) in [("ac-territoires", "departement-31"), ("ac-education", "dsden-31")] {
            issued.push(world.pki.issue(&Endpoint::leaf(authority, institution)).unwrap());
        }
    })
    .await;
    slow.serve(&scene.world, &issued[0]).await;
    quick.serve(&scene.world, &issued[1]).await;
    slow.hang();
    let mut information = String::new();
    for _ in 0..12 {
        information = scene.accepted(SCHOOL, &ordinary()).await;
    }
    scene.until("the slow one is asked", || async { slow.connections() == 1 }).await;
    scene.accepted(CRIP, &envelopes::retour(&information)).await;
    scene.until("the other is told", || async { quick.count() == 1 }).await;
    assert_eq!(slow.connections(), 1, "one at a time for one unit");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = Endpoint::new();
    let mut issued = None;
    let (scene, endpoint) = the_crip_is_told(|world| issued = Some(world.pki.issue(&Endpoint::leaf("ac-social", "caf-31")).unwrap())).await;
    elsewhere.serve(&scene.world, &issued.unwrap()).await;
    endpoint.redirect(&elsewhere.url());
    scene.accepted(SCHOOL, &ordinary()).await;
    scene.until("it failed", || async { pushes(&scene).await[0].fault == "endpoint-error" }).await;
    assert_eq!((endpoint.count(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn only_a_member_in_good_standing_is_told() {
    let (mut scene, mut endpoint, honest) = prepared(|_| {}).await;
    let day = time::Duration::days(1);
    let now: time::OffsetDateTime = scene.now().datetime().into();
    let leaf = || Endpoint::leaf("ac-territoires", "departement-31");
    let pki = &mut scene.world.pki;
    let revoked = pki.issue(&leaf()).unwrap();
    pki.revoke(&revoked).unwrap();
    pki.write_crls(now).unwrap();
    let strangers = [
        ("a stranger", pki.rogue(&leaf(), now).unwrap()),
        ("revoked", revoked),
        ("expired", pki.issue(&leaf().valid(now - day * 30, now - day)).unwrap()),
        ("another name", pki.issue(&certs_dev::Leaf::member("ac-territoires", "departement-31", now)).unwrap()),
        ("outside the names of its authority", pki.issue(&leaf().dns(vec!["crip.sante.passerelle.test".into()])).unwrap()),
        ("the gateway's own authority", pki.issue_gateway(&["localhost"], now).unwrap()),
    ];
    scene.until("the lists are read", || async { !in_good_standing(&scene, &strangers[1].1).await }).await;
    for (n, (what, issued)) in strangers.iter().enumerate() {
        endpoint.serve(&scene.world, issued).await;
        scene.accepted(SCHOOL, &ordinary()).await;
        scene.until(what, || async { pushes(&scene).await[n].fault == "unreachable" }).await;
        assert_eq!((endpoint.connections(), endpoint.count()), (n + 1, 0), "{what}: the handshake was broken off");
        endpoint.go_dark().await;
    }
    endpoint.serve(&scene.world, &honest).await;
    scene.clock.advance(Duration::from_secs(3));
    scene.until("the member is told of all", || async { endpoint.count() == strangers.len() }).await;

    // Revoked while the last connection could still be open: it is not used again.
    scene.world.pki.revoke(&honest).unwrap();
    let now: time::OffsetDateTime = scene.now().datetime().into();
    scene.world.pki.write_crls(now).unwrap();
    scene.until("the lists are read", || async { !in_good_standing(&scene, &honest).await }).await;
    scene.accepted(SCHOOL, &ordinary()).await;
    scene.until("it is trusted no more", || async { pushes(&scene).await[strangers.len()].fault == "unreachable" }).await;
    assert_eq!(endpoint.count(), strangers.len());
}

#[tokio::test]
async fn a_restart_in_the_middle_loses_no_notice() {
    let (mut scene, endpoint) = the_crip_is_told(|_| {}).await;
    endpoint.answer(|_| 500);
    let mut wanted = BTreeSet::new();
    for _ in 0..5 {
        let id = scene.accepted(SCHOOL, &ordinary()).await;
        wanted.insert(scene.delivery_of(CRIP, "crip", &id).await);
    }
    scene.until("some failed", || async { endpoint.count() >= 2 }).await;
    scene.stop().await;
    endpoint.answer(|_| 204);
    let before = endpoint.count();
    scene.resume().await;
    scene.clock.advance(Duration::from_secs(5));
    scene.until("all are told", || async { pushes(&scene).await.iter().all(|push| push.state == "done") }).await;
    let told: BTreeSet<String> = endpoint.received()[before..].iter().map(|received| received.delivery()).collect();
    assert_eq!(told, wanted);
    assert_eq!(endpoint.count() - before, 5, "each once");
}

#[tokio::test]
async fn what_a_dead_worker_held_is_sent_when_its_lease_ends() {
    let (mut scene, endpoint) = the_crip_is_told(|world| set(world, "push_ms = 100", "push_ms = 3600000")).await;
    let held = scene.accepted(SCHOOL, &ordinary()).await;
    lease(&scene, [1; 16]).await.unwrap();
    scene.stop().await;
    set(&scene.world, "push_ms = 3600000", "push_ms = 20");
    scene.resume().await;
    scene.accepted(SCHOOL, &ordinary()).await;
    scene.clock.advance(HOLD);
    scene.until("the lease ended", || async { endpoint.count() == 2 }).await;
    assert_eq!(endpoint.received()[0].delivery(), scene.delivery_of(CRIP, "crip", &held).await, "in its turn");
}

#[tokio::test]
async fn two_workers_never_both_finish_one_lease() {
    let (scene, _endpoint) = the_crip_is_told(|world| set(world, "push_ms = 100", "push_ms = 3600000")).await;
    scene.accepted(SCHOOL, &ordinary()).await;
    let store = &scene.rooms().store;
    let finish = async |token, result| {
        let id = scene.rooms().store.mailbox(&query()).await.unwrap().0[0].id;
        store.write(FinishPush { id, token, result, entry: None, opens: None }).await
    };
    let slow = lease(&scene, [1; 16]).await.unwrap();
    assert_eq!(slow.attempts, 1);
    assert!(lease(&scene, [2; 16]).await.is_none(), "it is held");
    assert!(matches!(finish([2; 16], PushResult::Done).await, Err(StoreError::NotThere(_))), "without the token");
    scene.clock.advance(HOLD);
    assert_eq!(lease(&scene, [2; 16]).await.unwrap().attempts, 2, "the slow worker lost it");
    assert!(matches!(finish([1; 16], PushResult::Done).await, Err(StoreError::NotThere(_))));
    assert!(matches!(finish([1; 16], PushResult::Dead { fault: "late" }).await, Err(StoreError::NotThere(_))));
    assert_eq!(pushes(&scene).await[0].state, "waiting");
    finish([2; 16], PushResult::Done).await.unwrap();
    assert!(matches!(finish([2; 16], PushResult::Done).await, Err(StoreError::NotThere(_))), "once");
    assert!(lease(&scene, [3; 16]).await.is_none(), "nothing is left to push");

    // Four workers over thirty notices: each is sent once.
    for _ in 0..30 {
        scene.accepted(SCHOOL, &ordinary()).await;
    }
    let sent = Arc::new(Counting::default());
    let workers = (0..4).map(|_| async { while forward(scene.rooms(), sent.as_ref(), 12).await.unwrap() {} });
    futures::future::join_all(workers).await;
    let sent = sent.0.lock().unwrap().clone();
    assert_eq!((sent.len(), sent.iter().collect::<BTreeSet<_>>().len()), (30, 30));
    assert!(pushes(&scene).await.iter().all(|push| push.state == "done"));
}

/// How long the workers of these scenes hold a lease.
const HOLD: Duration = Duration::from_secs(30);

/// Remembers what it was asked to post.
#[derive(Default)]
struct Counting(Mutex<Vec<String>>);

impl Post for Counting {
    fn post<'a>(&'a self, _: &'a str, notice: &'a Notice) -> BoxFuture<'a, Result<(), &'static str>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.lock().unwrap().push(notice.delivery.to_string());
            Ok(())
        })
    }
}

/// A delivery as the forwarder sees it.
#[derive(Debug)]
struct Push {
    state: String,
    next: i64,
    leased: i64,
    fault: String,
}

/// A scene in which the CRIP asked for notices, and its endpoint runs.
async fn the_crip_is_told(prepare: impl FnOnce(&mut World)) -> (Scene, Endpoint) {
    let (scene, mut endpoint, issued) = prepared(prepare).await;
    endpoint.serve(&scene.world, &issued).await;
    (scene, endpoint)
}

/// The same before its endpoint runs, with the certificate it has.
async fn prepared(prepare: impl FnOnce(&mut World)) -> (Scene, Endpoint, Issued) {
    let endpoint = Endpoint::new();
    let mut issued = None;
    let scene = Scene::start_with(|world| {
        endpoint.asked_by(world, "crip");
        issued = Some(world.pki.issue(&Endpoint::leaf("ac-territoires", "departement-31")).unwrap());
        prepare(world);
    })
    .await;
    (scene, endpoint, issued.unwrap())
}

fn set(world: &World, from: &str, to: &str) {
    let text = fs::read_to_string(world.config()).unwrap();
    assert!(text.contains(from));
    fs::write(world.config(), text.replace(from, to)).unwrap();
}

fn ordinary() -> Value {
    json!({"type": "information-preoccupante", "urgency": "ordinary", "payload": {"texte_libre": "Je suis inquiète."}})
}

fn urgent() -> Value {
    json!({"type": "information-preoccupante", "urgency": "immediate", "payload": {"texte_libre": "Je suis inquiète."}})
}

/// Whether the door lets this certificate in.
async fn in_good_standing(scene: &Scene, issued: &Issued) -> bool {
    let folder = scene.world.folder.join("members/looking");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("certificate.pem"), &issued.chain_pem).unwrap();
    fs::write(folder.join("key.pem"), &issued.key_pem).unwrap();
    scene.client_of(&folder).get("/v1/keys").await.is_ok()
}

async fn lease(scene: &Scene, token: [u8; 16]) -> Option<gateway::store::push::Lease> {
    scene.rooms().store.write(LeasePush { now: scene.now(), hold: HOLD, token }).await.unwrap()
}

fn query() -> gateway::store::delivery::MailboxQuery<'static> {
    let unit = Box::leak(Box::new(serde_json::from_value(json!({"institution": "departement-31", "unit": "crip"})).unwrap()));
    gateway::store::delivery::MailboxQuery { unit, reader: None, after: 0, limit: 50 }
}

/// Every delivery, in the order of arrival.
async fn pushes(scene: &Scene) -> Vec<Push> {
    let mut database = scene.database(Part::Gateway).await;
    let statement = "SELECT push, next_attempt_at, leased_until, last_fault FROM delivery ORDER BY arrival";
    let rows = sqlx::query(statement).fetch_all(&mut database).await.unwrap();
    rows.iter()
        .map(|row| Push {
            state: row.get(0),
            next: row.get(1),
            leased: row.get(2),
            fault: row.get::<Option<String>, _>(3).unwrap_or_default(),
        })
        .collect()
}

/// What the log says of an exchange, signed.
async fn events(scene: &Scene, exchange: &str) -> Vec<String> {
    let entries = scene.rooms().store.entries_of(exchange.parse().unwrap()).await.unwrap();
    entries.into_iter().filter(|entry| entry.index.is_some()).map(|entry| entry.event).collect()
}

async fn dead_letters(scene: &Scene) -> u64 {
    let metrics = scene.local("/metrics").await;
    let line = metrics.lines().find_map(|line| line.strip_prefix("passerelle_dead_letters_total "));
    line.unwrap_or_else(|| panic!("the metric is not on the board before it counts: {metrics}")).parse().unwrap()
}
