use std::sync::Arc;

use exchange::{ExchangeId, Identity, document::Leaves};
use serde_json::json;

use super::*;
use crate::{
    policy::Permit,
    source::Files,
    store::{Part, audit::ExtendLog, ground::Ground},
};

struct Stage {
    _ground: Ground,
    keystore: Arc<KeyStore>,
    store: Store,
    keys: Keys,
    vault: Vault,
    random: SystemRandom,
    retention: Retention,
}

impl Stage {
    async fn new() -> Self {
        let ground = Ground::new();
        let keystore = Arc::new(KeyStore::create(&ground.folder.path().join("keys.json")).unwrap());
        let stage = Self {
            store: Store::open(&ground.url(Part::Gateway)).await.unwrap(),
            keys: Keys::open(&ground.url(Part::Keys), keystore.clone()).await.unwrap(),
            vault: Vault::open(&ground.url(Part::Vault), keystore.clone()).await.unwrap(),
            random: SystemRandom::new(),
            retention: Retention::of(&Files::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies").as_ref())).unwrap(),
            keystore,
            _ground: ground,
        };
        for name in ["FICTIVE", "FICTVE"] {
            let id = ExchangeId::new();
            let minted = stage.keys.mint(id, "ip", now()).await.unwrap();
            let key = minted.key.clone();
            stage.keys.keep(minted).await.unwrap();
            let traits = json!({"role": "enfant", "birth_name": name, "given_names": ["Capucine"], "birth_date": "2014-02-27", "birth_place": "31555"});
            stage.vault.keep(&Permit::for_test(id), &key, &[Identity::new("s1".into(), Leaves::of(&traits))], now()).await.unwrap();
        }
        stage
    }

    fn desk(&self) -> Desk<'_> {
        let Self { store, keystore, keys, vault, random, .. } = self;
        Desk { store, keystore, keys, vault, policy_set: "ab12", retention: &self.retention, random }
    }

    async fn question(&self) -> ProposalId {
        self.vault.proposals(10).await.unwrap()[0].proposal
    }

    async fn events(&self) -> usize {
        self.store.pending_entries().await.unwrap().len()
    }
}

fn now() -> Instant {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

#[tokio::test]
async fn a_decision_is_logged_once_and_takes_effect() {
    let stage = Stage::new().await;
    let (question, by) = (stage.question().await, Decider::for_test());
    let first = decide(&stage.desk(), Ruling::Same(question), &by, now()).await.unwrap();
    let again = decide(&stage.desk(), Ruling::Same(question), &by, now()).await.unwrap();
    assert_eq!((first.id, stage.events().await), (again.id, 1));
    assert!(stage.vault.proposals(10).await.unwrap().is_empty());
    let contrary = decide(&stage.desk(), Ruling::Different(question), &by, now()).await;
    assert!(matches!(contrary, Err(MatchingFault::DecidedOtherwise)));
    decide(&stage.desk(), Ruling::Split(first.id), &by, now()).await.unwrap();
    assert_eq!(stage.events().await, 2);
    let unknown = decide(&stage.desk(), Ruling::Same(ProposalId::new()), &by, now()).await;
    assert!(matches!(unknown, Err(MatchingFault::NothingThere)));
}

#[tokio::test]
async fn a_crash_between_log_and_vault_is_finished_without_a_second_entry() {
    let stage = Stage::new().await;
    let by = Decider::for_test();
    let prepared = stage.vault.prepare(Ruling::Same(stage.question().await), &by, now()).await.unwrap();
    // The crash: the entry is committed, the effect is not.
    let entry = Statement::new(Event::IdentityMerged, None, now(), ("ab12", &stage.retention));
    let id = Uuid::try_parse(&prepared.id.to_string()).unwrap();
    stage.store.write(AppendEntries(vec![sealed(&stage.desk(), entry, id).unwrap()])).await.unwrap();
    let _ = decide(&stage.desk(), Ruling::Same(ProposalId::new()), &by, now()).await;
    assert!(stage.vault.unfinished().await.unwrap().is_empty());
    assert_eq!(stage.events().await, 1);
}

#[tokio::test]
async fn i05_identities_are_shown_only_after_the_signed_entry() {
    let stage = Stage::new().await;
    let (question, by) = (stage.question().await, Decider::for_test());
    let shown = look(&stage.desk(), question, &by, now(), Duration::from_millis(120)).await;
    assert!(matches!(shown, Err(MatchingFault::NotSigned)));
    let desk = stage.desk();
    let notary = async {
        loop {
            let pending = stage.store.pending_entries().await.unwrap();
            if pending.len() == 2 {
                let places = pending.into_iter().map(|entry| entry.id).zip(0..).collect();
                stage.store.write(ExtendLog { places, tiles: Vec::new(), size: 2, note: "note".into(), at: now() }).await.unwrap();
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let (shown, ()) = tokio::join!(look(&desk, question, &by, now(), Duration::from_secs(30)), notary);
    let shown = shown.unwrap();
    assert_ne!(shown.one.1.birth_name(), shown.other.1.birth_name());
}
