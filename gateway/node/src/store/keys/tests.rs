use exchange::ExchangeId;

use super::*;
use crate::{
    seal::{open_column, pseudonym::Domain, seal_column},
    store::ground::Ground,
};

struct Stage {
    ground: Ground,
    keystore: Arc<KeyStore>,
}

impl Stage {
    fn new() -> Self {
        Self::on(Ground::new())
    }

    fn on(ground: Ground) -> Self {
        let keystore = Arc::new(KeyStore::create(&ground.folder.path().join("keys.json")).unwrap());
        Self { ground, keystore }
    }

    async fn keys(&self) -> Keys {
        Keys::open(&self.ground.url(Part::Keys), self.keystore.clone()).await.unwrap()
    }

    fn written(&self, needle: &[u8]) -> bool {
        self.ground.written(needle).is_some()
    }
}

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn now() -> Instant {
    at("2026-11-23T09:00:00Z")
}

fn domain(recipient: &str, agreement: Option<&str>) -> Domain {
    Domain { recipient: recipient.parse().unwrap(), purpose: "suivi".into(), agreement: agreement.map(|id| id.parse().unwrap()) }
}

#[tokio::test]
async fn a_kept_key_is_there_after_a_restart() {
    let (stage, id) = (Stage::new(), ExchangeId::new());
    let keys = stage.keys().await;
    let minted = keys.mint(id, "ip", now()).await.unwrap();
    let sealed = seal_column(&minted.key, "exchange", id, "route", b"route").unwrap();
    assert!(keys.exchange_key(ExchangeId::new()).await.unwrap().is_none());
    keys.keep(minted).await.unwrap();
    keys.close().await;
    let keys = stage.keys().await;
    let key = keys.exchange_key(id).await.unwrap().unwrap();
    assert_eq!(open_column(&key, "exchange", id, "route", &sealed).unwrap(), b"route");
}

#[tokio::test]
async fn keys_minted_together_share_their_period_key_and_nothing_else() {
    let stage = Stage::new();
    let keys = Arc::new(stage.keys().await);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40u32 {
        let keys = keys.clone();
        tasks.spawn(async move {
            let id = ExchangeId::new();
            let minted = keys.mint(id, if n % 2 == 0 { "ip" } else { "retour" }, now()).await.unwrap();
            let sealed = seal_column(&minted.key, "t", id, "c", b"x").unwrap();
            keys.keep(minted).await.unwrap();
            (id, sealed)
        });
    }
    let kept = tasks.join_all().await;
    keys.close().await;
    let keys = stage.keys().await;
    for (id, sealed) in kept {
        let key = keys.exchange_key(id).await.unwrap().unwrap();
        assert_eq!(open_column(&key, "t", id, "c", &sealed).unwrap(), b"x");
    }
    let periods: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM period_key").fetch_one(&keys.side.pool).await.unwrap();
    assert_eq!(periods, 2);
}

#[tokio::test]
async fn a_wrapped_key_moved_to_another_row_does_not_open() {
    let (stage, one, other) = (Stage::new(), ExchangeId::new(), ExchangeId::new());
    let keys = stage.keys().await;
    for id in [one, other] {
        let minted = keys.mint(id, "ip", now()).await.unwrap();
        keys.keep(minted).await.unwrap();
    }
    sqlx::query("UPDATE exchange_key SET wrapped = (SELECT wrapped FROM exchange_key WHERE exchange_id = $1) WHERE exchange_id = $2")
        .bind(one.to_string())
        .bind(other.to_string())
        .execute(&keys.side.pool)
        .await
        .unwrap();
    keys.close().await;
    let keys = stage.keys().await;
    assert!(keys.exchange_key(one).await.unwrap().is_some());
    assert!(matches!(keys.exchange_key(other).await, Err(StoreError::Seal(_))));
}

#[tokio::test]
async fn i09_a_destroyed_key_is_nowhere_any_more() {
    let (stage, id, other) = (Stage::new(), ExchangeId::new(), ExchangeId::new());
    let keys = stage.keys().await;
    let minted = keys.mint(id, "ip", now()).await.unwrap();
    let wrapped = minted.wrapped.clone();
    keys.keep(minted).await.unwrap();
    let minted = keys.mint(other, "ip", now()).await.unwrap();
    keys.keep(minted).await.unwrap();
    assert!(stage.written(&wrapped), "the test looks in the right files");
    keys.destroy(id, now(), "Demande de Mme INVENTÉE").await.unwrap();
    assert!(keys.exchange_key(id).await.unwrap().is_none(), "nor in the cache");
    if stage.ground.is_files() {
        assert!(!stage.written(&wrapped), "neither in the database nor in its log");
    }
    assert!(!stage.written("INVENTÉE".as_bytes()), "the motive is sealed");
    assert!(keys.exchange_key(other).await.unwrap().is_some());
    // Again: nothing more happens, and the journal keeps its first line.
    keys.destroy(id, now().plus(Duration::from_secs(9)), "again").await.unwrap();
    let journal = keys.erasures(None).await.unwrap();
    assert_eq!(journal, [Erasure { exchange: id, at: now(), motive: "Demande de Mme INVENTÉE".into() }]);
    assert!(keys.erasures(journal.last()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_restored_backup_erases_again_before_it_serves() {
    let (stage, id) = (Stage::on(Ground::sqlite()), ExchangeId::new());
    let keys = stage.keys().await;
    let minted = keys.mint(id, "ip", now()).await.unwrap();
    keys.keep(minted).await.unwrap();
    let backup = stage.ground.folder.path().join("backup.db");
    sqlx::query("VACUUM INTO $1").bind(backup.display().to_string()).execute(&keys.side.pool).await.unwrap();
    keys.destroy(id, now(), "durée échue").await.unwrap();
    let journal = keys.erasures(None).await.unwrap();
    let restored = Keys::open(&format!("sqlite://{}", backup.display()), stage.keystore.clone()).await.unwrap();
    assert!(restored.exchange_key(id).await.unwrap().is_some());
    assert_eq!(restored.replay(&journal).await.unwrap(), 1);
    assert!(restored.exchange_key(id).await.unwrap().is_none());
    assert_eq!(restored.replay(&journal).await.unwrap(), 0);
    assert_eq!(restored.erasures(None).await.unwrap(), journal);
}

#[tokio::test]
async fn a_key_without_an_exchange_is_collected_and_looked_at_once() {
    let (stage, id) = (Stage::new(), ExchangeId::new());
    let keys = stage.keys().await;
    let store = Store::open(&stage.ground.url(Part::Gateway)).await.unwrap();
    let minted = keys.mint(id, "ip", now()).await.unwrap();
    keys.keep(minted).await.unwrap();
    let doubts = Doubts::default();
    let look = async |before| {
        doubts.look();
        keys.collect_orphans(&store, before, &doubts).await.unwrap()
    };
    assert_eq!(look(now()).await, 0, "it may still be on its way");
    let later = now().plus(Duration::from_secs(3600));
    for _ in 0..Doubts::LOOKS {
        assert_eq!(look(later).await, 0, "whoever says how old it is may be wrong by a day");
    }
    assert_eq!(keys.collect_orphans(&store, later, &doubts).await.unwrap(), 0, "within the same look");
    assert_eq!(look(later).await, 1);
    assert!(keys.exchange_key(id).await.unwrap().is_none());
    assert_eq!(look(later).await, 0);
    assert!(keys.erasures(None).await.unwrap().is_empty(), "nothing was erased: nothing was ever accepted");
}

#[tokio::test]
async fn another_key_store_is_refused() {
    let stage = Stage::new();
    stage.keys().await.close().await;
    let other = Arc::new(KeyStore::create(&stage.ground.folder.path().join("other.json")).unwrap());
    let refused = Keys::open(&stage.ground.url(Part::Keys), other).await.unwrap_err();
    assert!(matches!(&refused, StoreError::ForeignKeys("keys", found) if found == stage.keystore.fingerprint()));
}

#[tokio::test]
async fn a_domain_has_one_key_whoever_asks_first_and_none_once_closed() {
    let stage = Stage::new();
    let (one, other) = (Arc::new(stage.keys().await), stage.keys().await);
    let rid = crate::seal::pseudonym::Rid::random().unwrap();
    let school = domain("dsden-31", None);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (keys, school) = (one.clone(), school.clone());
        tasks.spawn(async move { keys.domain_key(&school).await.unwrap().pseudonym(&rid) });
    }
    let mut given = tasks.join_all().await;
    given.push(other.domain_key(&school).await.unwrap().pseudonym(&rid));
    assert!(given.iter().all(|pseudonym| *pseudonym == given[0]));
    // Other recipient, purpose or agreement: another name for the same person (invariant 7).
    for different in [domain("caf-31", None), domain("dsden-31", Some("p01-2026")), Domain { purpose: "ip".into(), ..school.clone() }] {
        let name = one.domain_key(&different).await.unwrap().pseudonym(&rid).to_string();
        assert_ne!(name[..31], given[0].to_string()[..31]);
    }
    // A rotation: new names, and old ones still read.
    let rotated = one.rotate_domain(&school).await.unwrap();
    assert_eq!((rotated.epoch(), one.domain_key(&school).await.unwrap().epoch()), (2, 2));
    assert_ne!(rotated.pseudonym(&rid).to_string()[5..31], given[0].to_string()[5..31]);
    assert_eq!(one.domain_key_of(&school, 1).await.unwrap().pseudonym(&rid), given[0]);
    // Closed, for ever, used or not.
    for closed in [school, domain("chu-toulouse", None)] {
        one.close_domain(&closed, now()).await.unwrap();
        assert!(matches!(one.domain_key(&closed).await, Err(StoreError::NotThere(_))));
        assert!(matches!(one.domain_key_of(&closed, 1).await, Err(StoreError::NotThere(_))));
        assert!(matches!(one.rotate_domain(&closed).await, Err(StoreError::NotThere(_))));
    }
}

#[test]
fn quarters_are_those_of_the_calendar() {
    for (instant, name) in [
        ("2026-01-01T00:00:00Z", "2026-Q1"),
        ("2026-03-31T23:59:59.999Z", "2026-Q1"),
        ("2026-04-01T00:00:00Z", "2026-Q2"),
        ("2026-12-31T12:00:00Z", "2026-Q4"),
    ] {
        assert_eq!(quarter(at(instant)), name);
    }
}

/// A checkpoint that another connection has under way does not make an erasure fail: it waits for its turn.
#[tokio::test]
async fn an_erasure_waits_for_the_checkpoint_of_another() {
    let stage = Stage::on(Ground::sqlite());
    let keys = stage.keys().await;
    let (over, ended) = tokio::sync::watch::channel(false);
    let other = {
        let pool = keys.side.pool.clone();
        tokio::spawn(async move {
            while !*ended.borrow() {
                crate::store::dialect::Dialect::Sqlite.checkpoint(&pool).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    for _ in 0..60 {
        let id = ExchangeId::new();
        keys.keep(keys.mint(id, "ip", at("2026-03-02T10:00:00Z")).await.unwrap()).await.unwrap();
        keys.destroy(id, at("2026-03-02T10:00:01Z"), "essai").await.unwrap();
    }
    over.send(true).unwrap();
    other.await.unwrap();
}

/// A backup reads for minutes. What is erased meanwhile waits for it on the disk; who deposits waits for nobody.
#[tokio::test]
async fn an_erasure_while_somebody_reads_holds_up_no_deposit() {
    let (stage, id) = (Stage::on(Ground::sqlite()), ExchangeId::new());
    let keys = stage.keys().await;
    let minted = keys.mint(id, "ip", now()).await.unwrap();
    let wrapped = minted.wrapped.clone();
    keys.keep(minted).await.unwrap();
    let mut reader = keys.side.reading("a backup").await.unwrap();
    sqlx::query("SELECT COUNT(*) FROM exchange_key").fetch_one(&mut *reader).await.unwrap();
    let mut erasing = std::pin::pin!(keys.destroy(id, now(), "essai"));
    // Deposits go through while the erasure waits for the reader: were they held up, the erasure would be over first.
    for _ in 0..20 {
        let deposit = async {
            let minted = keys.mint(ExchangeId::new(), "ip", now()).await.unwrap();
            keys.keep(minted).await.unwrap();
        };
        tokio::select! {
            biased;
            () = deposit => {}
            _ = &mut erasing => panic!("the erasure did not wait, or a deposit did"),
        }
    }
    erasing.await.unwrap();
    assert!(keys.exchange_key(id).await.unwrap().is_none(), "deleted at once");
    assert!(stage.written(&wrapped), "the reader still sees it");
    drop(reader);
    for _ in 0..200 {
        if !stage.written(&wrapped) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never overwritten");
}
