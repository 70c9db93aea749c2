//! How long what is kept is kept. Failure is:
//!
//! * a content that is still readable once its time is over, or one that is gone before, or while somebody owes an answer;
//! * a time that counts from another day than the last contact, or by a clock that has just jumped;
//! * evidence that dies with the content, or an opening of the log that stays, or that is called missing when it expired.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use exchange::Instant;
use gateway::{
    demo::envelopes,
    flows::{
        bundle,
        erase::{Over, expire},
        verify,
    },
    store::Part,
};
use serde_json::{Value, json};
use sqlx::Row;
use tests::{Scene, people::*, text};
use tokio_util::sync::CancellationToken;

/// A gateway whose own data-protection officer has set shorter times: two months for contents, six for the log.
async fn start() -> Scene {
    Scene::start_with(|world| {
        let file = world.folder.join("policies/retention.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("\"P2Y\"", "\"P2M\"").replace("\"P36M\"", "\"P6M\"")).unwrap();
    })
    .await
}

async fn look(scene: &Scene) -> Over {
    expire(scene.rooms(), &CancellationToken::new()).await.unwrap()
}

/// Time passes, and somebody looks every week; what all of that came to, and what the last look held.
async fn weeks(scene: &mut Scene, until: &str) -> Over {
    let end: Instant = until.parse().unwrap();
    let mut all = Over::default();
    let mut add = |one: Over| {
        all = Over { erased: all.erased + one.erased, expired: all.expired + one.expired, ..one };
        all
    };
    loop {
        let next = scene.now().plus(WEEK);
        if next >= end {
            scene.travel(until).await;
            return add(look(scene).await);
        }
        scene.clock.set(next);
        add(look(scene).await);
    }
}

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// As if everything that the law wants had been done about an exchange.
async fn done(scene: &Scene, id: &str) {
    let mut database = scene.database(Part::Gateway).await;
    let stopped = "UPDATE clock SET stopped_at = $1, stopped_by = 'recorded', next_at = NULL WHERE exchange_id = $2";
    sqlx::query(stopped).bind(scene.now().unix_ms()).bind(id).execute(&mut database).await.unwrap();
}

fn erased(n: u64) -> Over {
    Over { erased: n, ..Over::default() }
}

async fn evidence(scene: &Scene, id: &str) -> Value {
    scene.acting(SCHOOL).get(&format!("/v1/exchanges/{id}/evidence")).await.unwrap()
}

#[tokio::test]
async fn a_content_ends_so_long_after_the_last_contact_and_not_before() {
    let mut scene = start().await;
    assert!(look(&scene).await.doubted, "the first look only begins to count");
    let early = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let late = scene.accepted(SCHOOL, &json!({"type": "information-preoccupante"})).await;
    scene.taken_in_charge(&early).await;
    done(&scene, &early).await;
    let erased_at = async |scene: &Scene, id: &str| scene.rooms().store.exchange(id.parse().unwrap()).await.unwrap().unwrap().erased_at;

    // A month later somebody takes the other one in charge: that is a contact.
    assert_eq!(weeks(&mut scene, "2026-12-25T09:30:00Z").await, Over::default());
    scene.taken_in_charge(&late).await;
    done(&scene, &late).await;

    assert_eq!(weeks(&mut scene, "2027-01-25T09:29:00Z").await, Over::default(), "a minute too early");
    assert_eq!(weeks(&mut scene, "2027-01-25T09:31:00Z").await, erased(1));
    assert!(erased_at(&scene, &early).await.is_some() && erased_at(&scene, &late).await.is_none());
    let evidence = evidence(&scene, &early).await;
    assert!(evidence["openings"].is_object() && evidence.get("expired").is_none(), "evidence outlives content: {evidence}");
    assert!(scene.rooms().keys.exchange_key(early.parse().unwrap()).await.unwrap().is_none(), "its key is gone, not only its row");
    assert!(scene.rooms().keys.exchange_key(late.parse().unwrap()).await.unwrap().is_some());
    // What is over is said once.
    assert_eq!(look(&scene).await, Over::default());

    assert_eq!(weeks(&mut scene, "2027-02-25T09:31:00Z").await.erased, 1);
    assert!(erased_at(&scene, &late).await.is_some());
}

#[tokio::test]
async fn a_danger_that_nobody_answered_or_evaluated_is_kept_and_alarms() {
    let mut scene = start().await;
    look(&scene).await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    assert_eq!(weeks(&mut scene, "2027-01-26T09:30:00Z").await, Over { held: 1, ..Over::default() });
    assert!(scene.local("/metrics").await.contains("passerelle_retention_held 1"));
    // It is still there to be answered; its time begins anew when it is.
    scene.taken_in_charge(&id).await;
    assert_eq!(look(&scene).await, Over::default());
    assert!(scene.local("/metrics").await.contains("passerelle_retention_held 0"));
    // Taken in charge is not evaluated: a deadline that nobody met keeps it.
    assert_eq!(weeks(&mut scene, "2027-03-27T09:30:00Z").await.held, 1);
    done(&scene, &id).await;
    let over = look(&scene).await;
    assert_eq!((over.erased, over.held), (1, 0));
    // Nothing that cannot be opened any more waits for anybody.
    assert!(scene.waiting(&scene.acting(CRIP), "crip").await.is_empty());
}

/// A clock that is fourteen years ahead would destroy everything, and no backup gives back what its journal destroys again.
#[tokio::test]
async fn a_clock_that_jumped_destroys_nothing() {
    let mut scene = start().await;
    look(&scene).await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.taken_in_charge(&id).await;
    done(&scene, &id).await;
    scene.clock.set("2040-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(look(&scene).await, Over { doubted: true, ..Over::default() });
    assert!(scene.local("/metrics").await.contains("passerelle_retention_doubts_clock 1"));
    assert!(scene.rooms().keys.exchange_key(id.parse().unwrap()).await.unwrap().is_some());
    // Set right again, it goes on as ever.
    scene.clock.set("2026-11-26T09:30:00Z".parse().unwrap());
    assert_eq!(look(&scene).await, Over::default());
    assert_eq!(weeks(&mut scene, "2027-01-26T09:30:00Z").await.erased, 1);
}

/// What was accepted under a class that a later set does not have is not forgotten silently.
#[tokio::test]
async fn a_class_that_is_gone_alarms() {
    let mut scene = start().await;
    look(&scene).await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let mut database = scene.database(Part::Gateway).await;
    sqlx::query("UPDATE exchange SET retention = 'autrefois' WHERE id = $1").bind(&id).execute(&mut database).await.unwrap();
    let over = weeks(&mut scene, "2026-12-01T09:30:00Z").await;
    assert_eq!((over.unknown, over.erased), (1, 0));
    assert!(scene.local("/metrics").await.contains("passerelle_retention_unknown_classes 1"));
}

#[tokio::test]
async fn i09_openings_expire_and_the_log_still_verifies() {
    let mut scene = start().await;
    look(&scene).await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.taken_in_charge(&id).await;
    done(&scene, &id).await;
    assert_eq!(weeks(&mut scene, "2027-05-24T09:30:00Z").await, erased(1));
    let over = weeks(&mut scene, "2027-05-26T09:30:00Z").await;
    assert!(over.expired > 3, "{over:?}");
    assert_eq!(look(&scene).await, Over::default());
    let mut database = scene.database(Part::Gateway).await;
    let left = sqlx::query("SELECT CAST(COUNT(*) AS BIGINT) AS n FROM entry WHERE opening IS NOT NULL AND expires_at <= $1")
        .bind(scene.now().unix_ms())
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(left.get::<i64, _>("n"), 0);

    // Who asks is told that they expired, not that they are missing, and receipt and log still verify.
    let evidence = evidence(&scene, &id).await;
    assert!(evidence["openings"].is_null() && evidence["expired"] == true, "{evidence}");
    let keys = scene.institution("dsden-31").get("/v1/keys").await.unwrap();
    let vkey = text(&keys, "/log/vkey");
    let trust = verify::Trust::pinned(&[vkey], Some(&json!({"keys": keys["keys"]})), &[], 0).unwrap();
    let one = verify::verify_evidence(&evidence.to_string(), &trust);
    assert_eq!((one.exit_code(), one.openings_expired, one.receipts_included), (0, 1, 1), "{one}");
    let bundle = scene.world.folder.join("bundle");
    bundle::write(&scene.rooms().store, &scene.rooms().keystore, &bundle, &keys, &|_, _| {}).await.unwrap();
    let whole = verify::verify_folder(&bundle, &trust, &|_, _| {});
    assert_eq!(whole.exit_code(), 0, "{whole}");
    assert!(whole.openings_expired >= over.expired && whole.openings_withheld == 0, "{whole}");
}
