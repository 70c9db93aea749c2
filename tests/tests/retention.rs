//! How long what is kept is kept. Failure is:
//!
//! * a content that is still readable once its time is over, or one that is gone before, or while somebody owes an answer;
//! * a time that counts from another day than the last contact;
//! * evidence that dies with the content, or an opening of the log that stays, or that is called missing when it expired.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

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

async fn evidence(scene: &Scene, id: &str) -> Value {
    scene.acting(SCHOOL).get(&format!("/v1/exchanges/{id}/evidence")).await.unwrap()
}

fn erased(n: u64) -> Over {
    Over { erased: n, ..Over::default() }
}

#[tokio::test]
async fn a_content_ends_so_long_after_the_last_contact_and_not_before() {
    let mut scene = start().await;
    let early = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let late = scene.accepted(SCHOOL, &json!({"type": "information-preoccupante"})).await;
    scene.taken_in_charge(&early).await;
    let erased_at = async |scene: &Scene, id: &str| scene.rooms().store.exchange(id.parse().unwrap()).await.unwrap().unwrap().erased_at;

    // A month later somebody takes the other one in charge: that is a contact.
    scene.travel("2026-12-25T09:30:00Z").await;
    scene.taken_in_charge(&late).await;

    scene.travel("2027-01-25T09:29:00Z").await;
    assert_eq!(look(&scene).await, Over::default(), "a minute too early");
    scene.travel("2027-01-25T09:31:00Z").await;
    assert_eq!(look(&scene).await, erased(1));
    assert!(erased_at(&scene, &early).await.is_some() && erased_at(&scene, &late).await.is_none());
    let evidence = evidence(&scene, &early).await;
    assert!(evidence["openings"].is_object() && evidence.get("expired").is_none(), "evidence outlives content: {evidence}");
    assert!(scene.rooms().keys.exchange_key(early.parse().unwrap()).await.unwrap().is_none(), "its key is gone, not only its row");
    assert!(scene.rooms().keys.exchange_key(late.parse().unwrap()).await.unwrap().is_some());
    // What is over is said once.
    assert_eq!(look(&scene).await, Over::default());

    scene.travel("2027-02-25T09:31:00Z").await;
    assert_eq!(look(&scene).await.erased, 1);
    assert!(erased_at(&scene, &late).await.is_some());
}

#[tokio::test]
async fn a_danger_that_nobody_answered_is_kept_and_alarms() {
    let mut scene = start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.travel("2027-01-26T09:30:00Z").await;
    assert_eq!(look(&scene).await, Over { held: 1, ..Over::default() });
    assert!(scene.local("/metrics").await.contains("passerelle_retention_held 1"));
    // It is still there to be answered; its time begins anew when it is.
    scene.taken_in_charge(&id).await;
    assert_eq!(look(&scene).await, Over::default());
    assert!(scene.local("/metrics").await.contains("passerelle_retention_held 0"));
    scene.travel("2027-03-27T09:30:00Z").await;
    let over = look(&scene).await;
    assert_eq!((over.erased, over.held), (1, 0));
    // Nothing that cannot be opened any more waits for anybody.
    assert!(scene.waiting(&scene.acting(CRIP), "crip").await.is_empty());
}

#[tokio::test]
async fn i09_openings_expire_and_the_log_still_verifies() {
    let mut scene = start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.taken_in_charge(&id).await;
    scene.travel("2027-05-24T09:30:00Z").await;
    assert_eq!(look(&scene).await, erased(1));
    scene.travel("2027-05-26T09:30:00Z").await;
    let over = look(&scene).await;
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
