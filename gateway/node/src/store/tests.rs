//! Properties of the statements themselves, and of the group commit.

use futures::future::BoxFuture;
use sqlx::{Row, SqlSafeStr};

use super::{ground::Ground, *};

/// Invariant 13: accepting, deciding, delivering and proving cost the same at 1,000 and at 10 million stored exchanges.
/// A statement of these paths finds its rows by an index; none reads a whole table.
#[tokio::test]
async fn i13_cost_does_not_grow_with_history() {
    let ground = Ground::sqlite();
    let store = Store::open(&ground.url(Part::Gateway)).await.unwrap();
    let mut connection = store.pool.acquire().await.unwrap();
    let all = hot();
    assert!(all.len() > 30);
    for statement in all {
        let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")).into_sql_str();
        let plan = sqlx::query(explained).fetch_all(&mut *connection).await.unwrap();
        for row in plan {
            let detail: String = row.get("detail");
            // A walk along an index that stops at a limit, or takes one end of it, is bounded.
            let bounded = detail.contains("USING") && (statement.contains("LIMIT") || statement.contains("MAX("));
            let whole_table = detail.starts_with("SCAN") && !detail.contains("CONSTANT ROW") && !bounded;
            assert!(!whole_table, "{detail}\n{statement}");
        }
    }
}

/// A search by half a key reads as much as a whole table once one unit holds most of it: the planner takes what there is,
/// and the plan still says "search". So each question is held to the index that was made for it.
#[tokio::test]
async fn i13_each_question_has_its_index() {
    let ground = Ground::sqlite();
    let store = Store::open(&ground.url(Part::Gateway)).await.unwrap();
    let mut connection = store.pool.acquire().await.unwrap();
    let all = hot();
    for (name, index) in ANSWERED_BY {
        let statement = all.iter().find(|statement| statement.starts_with(&format!("-- {name}\n"))).unwrap_or_else(|| panic!("{name}"));
        let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")).into_sql_str();
        let plan = sqlx::query(explained).fetch_all(&mut *connection).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(plan.iter().any(|step| step.split(' ').any(|word| word == *index)), "{name} does without {index}: {plan:#?}");
    }
}

/// The statements of the paths whose cost must not grow with history.
fn hot() -> Vec<&'static str> {
    [
        attachments::HOT,
        exchange::HOT,
        idempotency::HOT,
        follow_up::HOT,
        delivery::HOT,
        push::HOT,
        drops::HOT,
        mail::HOT,
        arrivals::HOT,
        clocks::HOT,
        audit::HOT,
        tokens::HOT,
        policy_sets::HOT,
        portal::HOT,
        policy_sets::kept::HOT,
        reidentification::HOT,
        known::HOT,
        task::HOT,
        break_glass::HOT,
        retention::HOT,
        withdrawal::HOT,
    ]
    .concat()
}

const ANSWERED_BY: &[(&str, &str)] = &[
    ("repeated", "idempotency_key"),
    ("answers_to", "exchange_answers"),
    ("last_arrival_of_all", "delivery_arrival"),
    ("arrivals_after", "delivery_arrival"),
    ("mailbox", "delivery_mailbox"),
    ("mailbox_immediate", "delivery_urgent"),
    ("deliveries_of", "delivery_exchange"),
    ("dead_letters", "delivery_dead"),
    ("lease_push", "delivery_push"),
    ("lease_push", "delivery_ordering"),
    ("due_clocks", "clock_due"),
    ("clocks_of", "clock_exchange"),
    ("stop_clocks", "clock_exchange"),
    ("clocks_owned", "clock_owner"),
    ("reminders_of", "reminder_owner"),
    ("follow_ups", "follow_up_exchange"),
    ("open_follow_ups", "follow_up_owner"),
    ("pending_entries", "entry_pending"),
    ("last_pending", "entry_pending"),
    ("entries_from", "entry_index"),
    ("entry", "entry_hash"),
    ("entries_of", "entry_exchange"),
    ("policy_in_force", "policy_proposal_in_force"),
    ("policy_end", "policy_proposal_in_force"),
    ("policy_waiting", "policy_proposal_waiting"),
    ("policy_due", "policy_proposal_due"),
    ("recent_reidentifications", "reidentification_asker"),
    ("reidentifications", "reidentification_institution"),
    ("known_questions_of", "known_question_case"),
    ("known_questions_by", "known_question_asker"),
    ("close_follow_ups", "follow_up_exchange"),
    ("grant_in_force", "break_glass_reader"),
    ("grants", "break_glass_institution"),
    ("grant_of_review", "break_glass_review_task"),
    ("reviews", "clock_exchange"),
    ("corrections_of", "exchange_corrections"),
    ("sent_by", "exchange_author"),
    ("drafts_of", "portal_draft_author"),
    ("drop_drafts", "portal_draft_ends"),
    ("drop_sessions", "portal_session_ends"),
    ("kept_long", "exchange_kept"),
    ("expire_openings", "entry_expiry"),
];

/// Invariant 1: what was committed survives a power cut, which no test can bring about but by looking at how it is written.
#[tokio::test]
async fn i01_a_commit_waits_for_the_disk() {
    let (files, server) = (Ground::sqlite(), Ground::postgres());
    let files = dialect::pool(&files.url(Part::Gateway), Part::Gateway, 3).await.unwrap();
    let server = dialect::pool(&server.url(Part::Gateway), Part::Gateway, 3).await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..3 {
        let (mut file, mut session) = (files.acquire().await.unwrap(), server.acquire().await.unwrap());
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *file).await.unwrap();
        assert_eq!(synchronous, 2, "FULL");
        let synchronous: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut *session).await.unwrap();
        assert_eq!(synchronous, "on");
        connections.push((file, session));
    }
}

struct Insert(i64);

impl Write for Insert {
    const NAME: &'static str = "insert";
    type Output = i64;

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<i64, StoreError>> {
        Box::pin(async move {
            sqlx::query("INSERT INTO checkpoint (size, note, signed_at, written_by) VALUES ($1, 'n', 0, 'test')")
                .bind(self.0)
                .execute(tx.connection())
                .await
                .map_err(StoreError::in_statement("insert"))?;
            if self.0 % 7 == 3 {
                return Err(StoreError::NotThere("on purpose"));
            }
            Ok(self.0)
        })
    }
}

fn entry(id: uuid::Uuid, n: u8) -> audit::NewEntry {
    audit::NewEntry { id, leaf: vec![n], leaf_hash: [n; 32], event: "test", exchange: None, opening: Vec::new(), expires_at: None }
}

/// The log tells what came first in the order of the commits, whatever the clocks said that made the ids.
#[tokio::test]
async fn what_was_committed_first_is_signed_first() {
    let ground = Ground::new();
    let store = Store::open(&ground.url(Part::Gateway)).await.unwrap();
    let entry = |n: u8| entry(uuid::Uuid::from_bytes([255 - n; 16]), n);
    for n in 0..3 {
        store.write(audit::AppendEntries(vec![entry(n)])).await.unwrap();
    }
    let pending = store.pending_entries().await.unwrap();
    assert_eq!(pending.iter().map(|entry| entry.leaf_hash[0]).collect::<Vec<_>>(), [0, 1, 2]);
    let places = pending.into_iter().take(2).map(|entry| entry.id).zip(0..).collect();
    let signed = audit::ExtendLog { places, tiles: Vec::new(), size: 2, note: "n".into(), at: "2026-11-23T09:00:00Z".parse().unwrap() };
    store.write(signed).await.unwrap();
    store.write(audit::AppendEntries(vec![entry(3)])).await.unwrap();
    let pending = store.pending_entries().await.unwrap();
    assert_eq!(pending.iter().map(|entry| entry.leaf_hash[0]).collect::<Vec<_>>(), [2, 3]);
}

/// What only inserts goes into the tables together; a row that is there already stops its own write and no other, and those
/// that stay follow on each other without a gap.
#[tokio::test]
async fn rows_written_together_stand_each_for_itself() {
    let ground = Ground::new();
    let store = Store::open(&ground.url(Part::Gateway)).await.unwrap();
    let entry = |n: u8| entry(uuid::Uuid::now_v7(), n);
    // Of 90 writes of two entries, each after the first 30 brings one that is there.
    let writes = (0..90_u8).map(|n| store.write(audit::AppendEntries(vec![entry(n), entry(100 + n % 30)])));
    let results = futures::future::join_all(writes).await;
    let done = results.iter().filter(|result| result.is_ok()).count();
    let twice = results.iter().filter(|result| matches!(result, Err(StoreError::AlreadyThere))).count();
    assert_eq!((done, twice), (30, 60));
    let pending = store.pending_entries().await.unwrap();
    assert_eq!(pending.len(), 60);
    let places: Vec<_> = pending.into_iter().map(|entry| entry.id).zip(0..).collect();
    let at = "2026-11-23T09:00:00Z".parse().unwrap();
    store.write(audit::ExtendLog { places: places.clone(), tiles: Vec::new(), size: 60, note: "n".into(), at }).await.unwrap();
    assert!(store.pending_entries().await.unwrap().is_empty());
    // Who had the seat before and comes late places nothing.
    let late = audit::ExtendLog { places, tiles: Vec::new(), size: 61, note: "n".into(), at };
    assert!(matches!(store.write(late).await, Err(StoreError::Broken("place_entries", 0))));
}

/// In one commit of many writes, the one that fails leaves nothing behind and takes nothing with it.
#[tokio::test]
async fn each_write_of_a_batch_stands_for_itself() {
    let ground = Ground::new();
    let url = ground.url(Part::Gateway);
    let store = Store::open(&url).await.unwrap();
    // Numbers 0..40 twice: the second of each pair meets its twin.
    let writes = (0..80).map(|n| store.write(Insert(n % 40)));
    let results = futures::future::join_all(writes).await;
    let done: Vec<i64> = results.iter().filter_map(|r| r.as_ref().ok().copied()).collect();
    let twice = results.iter().filter(|r| matches!(r, Err(StoreError::AlreadyThere))).count();
    let failed = results.iter().filter(|r| matches!(r, Err(StoreError::NotThere(_)))).count();
    let wanted: Vec<i64> = (0..40).filter(|n| n % 7 != 3).collect();
    assert_eq!((done.clone(), twice, failed), (wanted.clone(), wanted.len(), 2 * (40 - wanted.len())));
    store.close().await;
    let store = Store::open(&url).await.unwrap();
    assert_eq!(store.checkpoints().await.unwrap().len(), wanted.len());
}
