use exchange::document::Leaves;
use serde_json::{Value, json};

use super::{
    linkage::{Change, Ruling},
    matching::Decider,
    *,
};
use crate::{
    seal::pseudonym::Domain,
    store::{Store, doubt::Doubts, ground::Ground, keys::Keys},
};

struct Stage {
    ground: Ground,
    keystore: Arc<KeyStore>,
    keys: Keys,
    vault: Vault,
}

impl Stage {
    async fn new() -> Self {
        let ground = Ground::new();
        let keystore = Arc::new(KeyStore::create(&ground.folder.path().join("keys.json")).unwrap());
        let keys = Keys::open(&ground.url(Part::Keys), keystore.clone()).await.unwrap();
        let vault = Vault::open(&ground.url(Part::Vault), keystore.clone()).await.unwrap();
        Self { keys, vault, keystore, ground }
    }

    async fn restarted(self) -> Self {
        self.keys.close().await;
        self.vault.close().await;
        let keys = Keys::open(&self.ground.url(Part::Keys), self.keystore.clone()).await.unwrap();
        let vault = Vault::open(&self.ground.url(Part::Vault), self.keystore.clone()).await.unwrap();
        Self { keys, vault, ..self }
    }

    /// One exchange about these subjects.
    async fn exchange(&self, subjects: &[Identity]) -> (ExchangeId, Vec<Mention>) {
        let id = ExchangeId::new();
        let minted = self.keys.mint(id, "ip", now()).await.unwrap();
        let key = minted.key.clone();
        self.keys.keep(minted).await.unwrap();
        (id, self.vault.keep(&Permit::for_test(id), &key, subjects, now()).await.unwrap())
    }

    async fn about(&self, change: Value) -> (MentionId, Rid) {
        let (exchange, mentions) = self.exchange(&[child("s1", change)]).await;
        (MentionId { exchange, n: 0 }, mentions[0].rid)
    }

    async fn questions(&self) -> Vec<matching::Proposal> {
        self.vault.proposals(100).await.unwrap()
    }

    async fn rule(&self, ruling: Ruling) -> linkage::Linkage {
        let linkage = self.vault.prepare(ruling, &Decider::for_test(), now()).await.unwrap();
        self.vault.apply(linkage.id, now()).await.unwrap();
        linkage
    }

    fn written(&self, needle: &[u8]) -> Option<std::path::PathBuf> {
        self.ground.written(needle)
    }
}

fn now() -> Instant {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

fn child(reference: &str, change: Value) -> Identity {
    let mut whole = json!({"role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine"], "sex": "F", "birth_date": "2014-02-27", "birth_place": "31555",
        "address": {"lines": ["12 impasse des Nuages"], "city": "Blagnac"}});
    whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    Identity::new(reference.into(), Leaves::of(&whole))
}

#[tokio::test]
async fn what_is_kept_is_revealed_after_a_restart_and_not_to_another_key() {
    let stage = Stage::new().await;
    let subjects =
        [child("s1", json!({})), child("s2", json!({"role": "fratrie", "given_names": ["Barnabé"], "birth_date": "2022-11-05"}))];
    let (id, mentions) = stage.exchange(&subjects).await;
    assert_eq!(mentions.iter().map(|m| m.reference.as_str()).collect::<Vec<_>>(), ["s1", "s2"]);
    let (other, _) = stage.exchange(&[]).await;
    let stage = stage.restarted().await;
    let key = stage.keys.exchange_key(id).await.unwrap().unwrap();
    assert!(stage.vault.reveal(&Permit::for_test(id), &key).await.unwrap() == subjects);
    let foreign = stage.keys.exchange_key(other).await.unwrap().unwrap();
    assert!(matches!(stage.vault.reveal(&Permit::for_test(id), &foreign).await, Err(StoreError::Seal(_))));
    assert!(stage.vault.reveal(&Permit::for_test(other), &foreign).await.unwrap().is_empty());
}

#[tokio::test]
async fn i06_no_name_date_or_word_is_in_any_file() {
    let stage = Stage::new().await;
    stage.about(json!({})).await;
    stage.about(json!({"birth_name": "FICTVE"})).await;
    assert_eq!(stage.questions().await.len(), 1);
    for secret in
        ["FICTIVE", "FICTVE", "FIKTIV", "Capucine", "CAPUCINE", "2014-02-27", "31555", "impasse des Nuages", "Blagnac", "birth_name"]
    {
        assert_eq!(stage.written(secret.as_bytes()), None, "{secret}");
    }
    assert!(stage.written(b"given+birth+place").is_some(), "the test looks in the right files");
}

#[tokio::test]
async fn a_description_moved_to_another_row_does_not_open() {
    let stage = Stage::new().await;
    let (id, _) = stage.exchange(&[child("s1", json!({})), child("s2", json!({"given_names": ["Violette"]}))]).await;
    sqlx::query("UPDATE mention SET sealed = (SELECT sealed FROM mention WHERE n = 0) WHERE n = 1")
        .execute(&stage.vault.side.pool)
        .await
        .unwrap();
    let key = stage.keys.exchange_key(id).await.unwrap().unwrap();
    assert!(matches!(stage.vault.reveal(&Permit::for_test(id), &key).await, Err(StoreError::Seal(SealError::DoesNotOpen))));
}

#[tokio::test]
async fn the_same_child_is_one_person_automatically() {
    let stage = Stage::new().await;
    let (_, first) = stage.about(json!({})).await;
    let stage = stage.restarted().await;
    let (_, second) =
        stage.about(json!({"birth_name": "fictivé", "given_names": ["CAPUCINE"], "role": "fratrie", "school_class": "6e B"})).await;
    assert!(first == second);
    assert!(stage.questions().await.is_empty());
}

#[tokio::test]
async fn the_same_child_in_many_requests_at_once_is_one_person() {
    let stage = Arc::new(Stage::new().await);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let stage = stage.clone();
        tasks.spawn(async move { stage.about(json!({})).await.1 });
    }
    let persons = tasks.join_all().await;
    assert!(persons.iter().all(|person| *person == persons[0]));
    assert!(stage.questions().await.is_empty());
}

/// What is filed together goes into the tables together: a person before the mentions of it, whoever came first.
#[tokio::test]
async fn a_known_child_with_an_unknown_one_and_many_at_once_are_filed() {
    let stage = Arc::new(Stage::new().await);
    let (_, known) = stage.about(json!({})).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let stage = stage.clone();
        tasks.spawn(async move {
            let other = json!({"birth_name": format!("Inconnu{}", "abcdefghijklmnopqrst".get(n..=n).unwrap()), "birth_date": "2019-01-01"});
            stage.exchange(&[child("s1", json!({})), child("s2", other)]).await.1
        });
    }
    let filed = tasks.join_all().await;
    assert!(filed.iter().all(|mentions| mentions[0].rid == known && mentions[1].rid != known));
    let others: std::collections::HashSet<Vec<u8>> = filed.iter().map(|mentions| mentions[1].rid.stored()).collect();
    assert_eq!(others.len(), 20);
}

#[tokio::test]
async fn a_doubt_is_a_question_and_never_a_match() {
    for (change, reasons) in [
        (json!({"birth_name": "FICTVE"}), vec!["given+birth+place"]),
        (json!({"birth_place": "Toulouse"}), vec!["name+given+birth", "sound+given+birth", "name+birth+sex", "sound+digits+sex"]),
        (json!({"given_names": ["Violette"]}), vec!["name+birth+sex", "sound+digits+sex"]),
        (json!({"birth_date_quality": "estimee"}), vec!["name+given+place"]),
    ] {
        let stage = Stage::new().await;
        let (one, first) = stage.about(json!({})).await;
        let (other, second) = stage.about(change.clone()).await;
        assert!(first != second, "{change}");
        let questions = stage.questions().await;
        assert_eq!(questions.len(), 1, "{change}");
        assert_eq!(questions[0].reasons, reasons);
        let mut exchanges = questions[0].exchanges.clone();
        exchanges.sort();
        assert_eq!(exchanges, [one.exchange, other.exchange]);
    }
}

#[tokio::test]
async fn what_tells_nobody_apart_raises_no_question() {
    let stage = Stage::new().await;
    stage.about(json!({})).await;
    stage.about(json!({"unborn": true})).await;
    stage.about(json!({"role": "mere"})).await;
    stage.about(json!({"birth_name": "INCONNU", "birth_date": null})).await;
    stage.about(json!({"birth_name": "EXEMPLE", "given_names": ["Zélie"], "birth_date": "2011-01-02"})).await;
    assert!(stage.questions().await.is_empty());
    let (_, mother) = stage.about(json!({"role": "pere"})).await;
    let (_, again) = stage.about(json!({"role": "mere"})).await;
    assert!(mother == again, "adults match by everything, apart from children");
}

#[tokio::test]
async fn twins_of_one_exchange_are_two_and_described_alike_they_are_a_question() {
    let stage = Stage::new().await;
    let (_, twins) = stage.exchange(&[child("s1", json!({})), child("s2", json!({"role": "fratrie", "given_names": ["Violette"]}))]).await;
    assert!(twins[0].rid != twins[1].rid);
    assert!(stage.questions().await.is_empty(), "their sender tells them apart");
    // Alike in everything, and the first is already known: neither is matched.
    let (_, alike) = stage.exchange(&[child("s1", json!({})), child("s2", json!({}))]).await;
    assert!(alike[0].rid != alike[1].rid && alike.iter().all(|mention| mention.rid != twins[0].rid));
    assert!(stage.questions().await.iter().any(|question| question.exchanges[0] == question.exchanges[1]));
    // From now on two persons are equal: no automatic match any more.
    let (_, third) = stage.about(json!({})).await;
    assert!([twins[0].rid, alike[0].rid, alike[1].rid].iter().all(|known| *known != third));
}

#[tokio::test]
async fn a_person_compares_decides_and_nobody_asks_again() {
    let stage = Stage::new().await;
    let (one, _) = stage.about(json!({})).await;
    let (other, _) = stage.about(json!({"birth_name": "FICTVE"})).await;
    let question = stage.questions().await.remove(0);
    let seen = stage.vault.compare(&Decider::for_test(), &stage.keys, question.proposal).await.unwrap().unwrap();
    let mut names = [seen.one.1.birth_name().unwrap(), seen.other.1.birth_name().unwrap()];
    names.sort_unstable();
    assert_eq!(names, ["FICTIVE", "FICTVE"]);
    assert_eq!(format!("{seen:?}"), "Comparison(..)");

    let linkage = stage.rule(Ruling::Same(question.proposal)).await;
    assert_eq!((linkage.change, linkage.proposal), (Change::Same, Some(question.proposal)));
    assert!(stage.vault.whose(one).await.unwrap() == stage.vault.whose(other).await.unwrap());
    assert!(stage.questions().await.is_empty());
    // Both spellings now lead to the same person.
    let (_, first) = stage.about(json!({})).await;
    let (_, second) = stage.about(json!({"birth_name": "FICTVE"})).await;
    assert!(first == second && first == stage.vault.whose(one).await.unwrap());
    // The same answer again is the same decision; another is refused.
    assert_eq!(stage.rule(Ruling::Same(question.proposal)).await.id, linkage.id);
    let contrary = stage.vault.prepare(Ruling::Different(question.proposal), &Decider::for_test(), now()).await;
    assert!(matches!(contrary, Err(StoreError::AlreadyThere)));
}

#[tokio::test]
async fn different_stays_different() {
    let stage = Stage::new().await;
    let (one, _) = stage.about(json!({})).await;
    let (other, _) = stage.about(json!({"birth_name": "FICTVE"})).await;
    let question = stage.questions().await.remove(0);
    stage.rule(Ruling::Different(question.proposal)).await;
    assert!(stage.vault.whose(one).await.unwrap() != stage.vault.whose(other).await.unwrap());
    // Described again: one letter lies between the two, so a person says whose this is; the settled question stays settled.
    let (again, _) = stage.about(json!({"birth_name": "FICTVE"})).await;
    let stage = stage.restarted().await;
    let asked = stage.questions().await;
    assert!(!asked.is_empty() && asked.iter().all(|one| one.proposal != question.proposal));
    let equal = asked.iter().find(|one| one.reasons.contains(&"everything".to_owned())).unwrap();
    stage.rule(Ruling::Same(equal.proposal)).await;
    assert!(stage.vault.whose(again).await.unwrap() == stage.vault.whose(other).await.unwrap());
    assert!(stage.vault.whose(one).await.unwrap() != stage.vault.whose(other).await.unwrap());
}

#[tokio::test]
async fn a_twin_is_one_wrong_letter_away_so_a_person_says_who() {
    let stage = Stage::new().await;
    let twin = |reference: &str, given: &str| child(reference, json!({"given_names": [given]}));
    let (_, both) = stage.exchange(&[twin("s1", "Lina"), twin("s2", "Léna")]).await;
    assert!(both[0].rid != both[1].rid);
    // Both named, each without a fault: the sender tells them apart.
    let (_, again) = stage.exchange(&[twin("s1", "Léna"), twin("s2", "Lina")]).await;
    assert!(again[0].rid == both[1].rid && again[1].rid == both[0].rid);
    assert!(stage.questions().await.is_empty());
    // One alone: `Léna` may be a mistyped `Lina`.
    let (_, alone) = stage.exchange(&[twin("s1", "Léna")]).await;
    assert!(alone[0].rid != both[0].rid && alone[0].rid != both[1].rid);
    let asked = stage.questions().await;
    assert_eq!(asked.len(), 2, "about either");
    // So is a homonym of the next day, or of the next village.
    for change in [json!({"birth_date": "2011-01-01"}), json!({"birth_name": "AUTRE"})] {
        stage.about(change).await;
    }
    let homonym = json!({"birth_name": "SEUL", "given_names": ["Zoé"], "birth_date": "2012-05-03"});
    let (_, first) = stage.about(homonym.clone()).await;
    let (_, same) = stage.about(homonym.clone()).await;
    assert!(first == same, "nobody is close");
    let mut elsewhere = homonym.clone();
    elsewhere["birth_place"] = json!("31069");
    stage.about(elsewhere).await;
    let (_, third) = stage.about(homonym).await;
    assert!(first != third);
}

#[tokio::test]
async fn a_merge_is_undone_and_done_again() {
    let stage = Stage::new().await;
    let (one, first) = stage.about(json!({})).await;
    let (other, second) = stage.about(json!({"birth_name": "EXEMPLE", "given_names": ["Zélie"]})).await;
    let merge = stage.rule(Ruling::Merge(one, other)).await;
    assert!(stage.vault.whose(other).await.unwrap() == stage.vault.whose(one).await.unwrap());
    let again = stage.vault.prepare(Ruling::Merge(other, one), &Decider::for_test(), now()).await;
    assert!(matches!(again, Err(StoreError::AlreadyThere)));
    // What is filed while they are one goes back with its own.
    let (third, _) = stage.about(json!({"birth_name": "EXEMPLE", "given_names": ["Zélie"]})).await;
    let split = stage.rule(Ruling::Split(merge.id)).await;
    assert_eq!(split.undoes, Some(merge.id));
    assert!(stage.vault.whose(one).await.unwrap() == first);
    assert!(stage.vault.whose(other).await.unwrap() == second && stage.vault.whose(third).await.unwrap() == second);
    let twice = stage.vault.prepare(Ruling::Split(merge.id), &Decider::for_test(), now()).await;
    assert!(matches!(twice, Err(StoreError::NotThere(_))));
    let merge = stage.rule(Ruling::Merge(one, other)).await;
    let stage = stage.restarted().await;
    assert!(stage.vault.whose(other).await.unwrap() == stage.vault.whose(one).await.unwrap());
    stage.rule(Ruling::Split(merge.id)).await;
    assert!(stage.vault.whose(other).await.unwrap() == second);
}

#[tokio::test]
async fn a_mention_that_is_somebody_elses_is_taken_out() {
    let stage = Stage::new().await;
    let (one, first) = stage.about(json!({})).await;
    let (other, _) = stage.about(json!({})).await;
    let linkage = stage.rule(Ruling::Separate(other)).await;
    assert_eq!(linkage.mention, Some(other));
    assert!(stage.vault.whose(one).await.unwrap() == first && stage.vault.whose(other).await.unwrap() != first);
    assert!(stage.questions().await.is_empty(), "told apart for good");
    // Two persons are equal now: the next one is a question about either.
    let (third, person) = stage.about(json!({})).await;
    assert!(person != first);
    assert_eq!(stage.questions().await.len(), 2);
    // Undone by a merge.
    stage.rule(Ruling::Merge(one, other)).await;
    assert!(stage.vault.whose(other).await.unwrap() == stage.vault.whose(one).await.unwrap());
    assert!(stage.vault.whose(third).await.unwrap() == person);
}

#[tokio::test]
async fn a_crash_before_the_effect_leaves_a_decision_to_finish() {
    let stage = Stage::new().await;
    let (one, _) = stage.about(json!({})).await;
    let (other, _) = stage.about(json!({"birth_name": "FICTVE"})).await;
    let question = stage.questions().await.remove(0);
    let prepared = stage.vault.prepare(Ruling::Same(question.proposal), &Decider::for_test(), now()).await.unwrap();
    let stage = stage.restarted().await;
    assert!(stage.vault.whose(one).await.unwrap() != stage.vault.whose(other).await.unwrap());
    assert_eq!(stage.vault.unfinished().await.unwrap(), std::slice::from_ref(&prepared));
    stage.vault.apply(prepared.id, now()).await.unwrap();
    stage.vault.apply(prepared.id, now()).await.unwrap();
    assert!(stage.vault.whose(one).await.unwrap() == stage.vault.whose(other).await.unwrap());
    assert!(stage.vault.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn i09_an_erased_exchange_leaves_nothing_of_its_subjects() {
    let stage = Stage::new().await;
    let (one, first) = stage.about(json!({})).await;
    let (other, _) = stage.about(json!({})).await;
    let (doubt, _) = stage.about(json!({"birth_name": "FICTVE"})).await;
    let key = stage.keys.exchange_key(doubt.exchange).await.unwrap().unwrap();
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT sealed FROM mention WHERE exchange_id = $1")
        .bind(doubt.exchange.to_string())
        .fetch_one(&stage.vault.side.pool)
        .await
        .unwrap();
    let likeness: Vec<u8> = sqlx::query_scalar("SELECT likeness FROM mention WHERE exchange_id = $1")
        .bind(doubt.exchange.to_string())
        .fetch_one(&stage.vault.side.pool)
        .await
        .unwrap();
    assert!(stage.written(&sealed).is_some());
    stage.keys.destroy(doubt.exchange, now(), "demande").await.unwrap();
    assert!(stage.vault.compare(&Decider::for_test(), &stage.keys, stage.questions().await[0].proposal).await.unwrap().is_none());
    stage.vault.forget(doubt.exchange).await.unwrap();
    stage.vault.forget(doubt.exchange).await.unwrap();
    assert!(stage.vault.reveal(&Permit::for_test(doubt.exchange), &key).await.unwrap().is_empty());
    if stage.ground.is_files() {
        assert_eq!((stage.written(&sealed), stage.written(&likeness[..16])), (None, None));
    }
    assert!(stage.questions().await.is_empty());
    // A person with another mention is still found; with none, forgotten.
    stage.vault.forget(one.exchange).await.unwrap();
    let (third, person) = stage.about(json!({})).await;
    assert!(person == first);
    for exchange in [other.exchange, third.exchange] {
        stage.vault.forget(exchange).await.unwrap();
    }
    for table in ["person", "mention", "likeness", "proposal"] {
        let count = format!("SELECT COUNT(*) FROM {table}");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&stage.vault.side.pool).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn a_mention_without_an_exchange_is_collected() {
    let stage = Stage::new().await;
    let store = Store::open(&stage.ground.url(Part::Gateway)).await.unwrap();
    stage.about(json!({})).await;
    stage.exchange(&[]).await;
    // A crash here: keys and vault have it, the exchange was never accepted.
    let later = now().plus(std::time::Duration::from_secs(3600));
    let doubts = Doubts::default();
    let doubtful = (0..Doubts::LOOKS).map(|_| (later, 0, 0));
    for (before, mentions, keys) in [(now(), 0, 0)].into_iter().chain(doubtful).chain([(later, 1, 2)]) {
        doubts.look();
        assert_eq!(stage.vault.collect_orphans(&store, before, &doubts).await.unwrap(), mentions);
        assert_eq!(stage.keys.collect_orphans(&store, before, &doubts).await.unwrap(), keys);
    }
    let rows: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM person").fetch_one(&stage.vault.side.pool).await.unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn i07_two_domains_name_one_child_without_anything_in_common() {
    let stage = Stage::new().await;
    let (_, person) = stage.about(json!({})).await;
    let (_, again) = stage.about(json!({})).await;
    let mut names = Vec::new();
    for recipient in ["dsden-31", "caf-31"] {
        let domain = Domain { recipient: recipient.parse().unwrap(), purpose: "suivi".into(), agreement: None };
        let key = stage.keys.domain_key(&domain).await.unwrap();
        assert_eq!(key.pseudonym(&person), key.pseudonym(&again), "one child, one name");
        names.push(key.pseudonym(&person));
    }
    assert_ne!(names[0], names[1]);
    for name in names {
        assert_eq!(stage.written(name.to_string().as_bytes()), None);
    }
}

#[tokio::test]
async fn one_callers_fault_is_that_callers_alone() {
    let stage = Stage::new().await;
    let (known, _) = stage.about(json!({})).await;
    let key = stage.keys.exchange_key(known.exchange).await.unwrap().unwrap();
    let (permit, subjects, fresh) = (Permit::for_test(known.exchange), [child("s1", json!({}))], [child("s1", json!({}))]);
    let (twice, other) = tokio::join!(stage.vault.keep(&permit, &key, &subjects, now()), stage.exchange(&fresh));
    assert!(matches!(twice, Err(StoreError::AlreadyThere)));
    assert_eq!(other.1.len(), 1);
}

#[test]
fn who_decides_is_habilitated_for_a_crip_today() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/directory");
    let directory = crate::directory::Directory::load(&folder, &|_| true).unwrap();
    let entitled = |departement: &str, institution: &str, subject: &str| {
        Decider::entitled(&directory, departement, &institution.parse().unwrap(), subject, now()).is_some()
    };
    assert!(entitled("31", "departement-31", "p-4f7k2"));
    assert!(!entitled("09", "departement-31", "p-4f7k2"));
    assert!(!entitled("31", "dsden-31", "p-4f7k2"));
    assert!(!entitled("31", "dsden-31", "p-5k2gh"));
    assert!(!entitled("31", "departement-31", "nobody"));
}
