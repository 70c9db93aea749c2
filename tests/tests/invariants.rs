//! One test at least for each invariant of the design, over the wire. Invariant 1 is in `kill.rs`, 6 in `clear.rs`, more of 15
//! in `existence.rs`, 13 beside the statements (`gateway/node/src/store/tests.rs`); 14 comes with federation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, time::Duration};

use exchange::DataClass;
use gateway::{
    client,
    demo::envelopes,
    flows::verify::{Trust, verify_evidence},
    policy::DecisionRecord,
    seal,
    store::Part,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Scene, people::*, scene::problem, text};

#[tokio::test]
async fn i02_same_key_same_answer() {
    let scene = Scene::start().await;
    let school = scene.acting(SCHOOL);
    let key = client::new_key().unwrap();
    let first = school.submit(&envelopes::of_the_school(), &key).await.unwrap();
    assert_eq!(school.submit(&envelopes::of_the_school(), &key).await.unwrap(), first, "byte for byte");

    // Another body under the same key is refused and changes nothing.
    let other = problem(school.submit(&another_body(), &key).await).unwrap_err();
    assert_eq!((other.status, other.code()), (409, "idempotency-key-reused"));
    assert_eq!(scene.waiting(&scene.acting(CRIP), "crip").await.len(), 1);

    // The same body written otherwise (order of keys, spaces) is the same body.
    let pretty = serde_json::to_vec_pretty(&envelopes::of_the_school()).unwrap();
    let request = school.request(Method::POST, "/v1/exchanges").header("idempotency-key", &key).header("content-type", "application/json");
    assert_eq!(scene.raw(request.body(pretty)).await, (StatusCode::CREATED, first.clone()));

    // A key belongs to its author: a colleague's same key is another key.
    let colleague = scene.professional("dsden-31", "p-1x6yp");
    assert_ne!(colleague.submit(&envelopes::of_the_school(), &key).await.unwrap()["id"], first["id"]);

    // Only acceptance consumes a key: a refused answer can be corrected under it.
    let crip = scene.acting(CRIP);
    let key = client::new_key().unwrap();
    let id = text(&first, "/id");
    let mut wrong = envelopes::retour(&id);
    wrong["payload"]["statut"] = json!("non-prevu");
    assert_eq!(problem(crip.submit(&wrong, &key).await).unwrap_err().code(), "not-conforming");
    crip.submit(&envelopes::retour(&id), &key).await.unwrap();

    // Sixteen at once under one key are one exchange.
    let key = client::new_key().unwrap();
    let envelope = envelopes::of_the_school();
    let racing = futures::future::join_all((0..16).map(|_| school.submit(&envelope, &key))).await;
    let ids: std::collections::BTreeSet<String> = racing.into_iter().map(|answer| answer.unwrap().to_string()).collect();
    assert_eq!(ids.len(), 1);

    // What is kept of a body says nothing to who compares two rows: the school's was kept three times.
    let mut database = scene.database(Part::Gateway).await;
    let kept: (i64, i64) = sqlx::query_as("SELECT COUNT(*), COUNT(DISTINCT mac) FROM idempotency").fetch_one(&mut database).await.unwrap();
    assert_eq!(kept, (4, 4));
}

#[tokio::test]
async fn i02_after_erasure_a_repeat_is_gone_and_never_accepted_again() {
    let scene = Scene::start().await;
    let school = scene.acting(SCHOOL);
    let key = client::new_key().unwrap();
    let first = school.submit(&envelopes::of_the_school(), &key).await.unwrap();
    erase(&scene, &text(&first, "/id")).await;
    let gone = problem(school.submit(&envelopes::of_the_school(), &key).await).unwrap_err();
    assert_eq!((gone.status, gone.code()), (410, "erased"));
    let at = scene.rooms().store.exchange(text(&first, "/id").parse().unwrap()).await.unwrap().unwrap().erased_at.unwrap();
    for told in [text(&first, "/id"), at.to_string()] {
        assert!(text(&gone.body, "/detail").contains(&told), "{told}: {}", gone.body);
    }
    assert_eq!(scene.waiting(&scene.acting(CRIP), "crip").await.len(), 0, "nothing was accepted a second time");
}

#[tokio::test]
async fn i03_danger_is_never_blocked_by_a_form() {
    let scene = Scene::start().await;
    let school = scene.acting(SCHOOL);
    let base = envelopes::of_the_school();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut envelope = base.clone();
        change(&mut envelope);
        envelope
    };
    let odd: Vec<(&str, Value)> = vec![
        ("unknown fields", changed(&|e| e["payload"]["champ_inconnu"] = json!({"a": [1, 2]}))),
        ("an unknown field at the top", changed(&|e| e["fantaisie"] = json!(true))),
        ("an odd date", changed(&|e| e["payload"]["faits"][0]["date_debut"] = json!("avant-hier"))),
        ("an impossible date", changed(&|e| e["subjects"][0]["birth_date"] = json!("2014-02-31"))),
        ("a NIR as a name", changed(&|e| e["subjects"][0]["use_name"] = json!("2 14 02 31 555 012 34"))),
        ("a NIR in a text", changed(&|e| e["payload"]["texte_libre"] = json!("NIR 214023155501234"))),
        ("no child named", changed(&|e| e["subjects"] = json!([]))),
        ("no subjects at all", changed(&|e| drop(e.as_object_mut().unwrap().remove("subjects")))),
        ("subjects of another shape", changed(&|e| e["subjects"] = json!("la petite du 12"))),
        ("a payload of another shape", changed(&|e| e["payload"] = json!("elle a peur"))),
        ("no payload", changed(&|e| drop(e.as_object_mut().unwrap().remove("payload")))),
        ("an unknown code", changed(&|e| e["payload"]["types_danger"] = json!(["autre-chose"]))),
        ("an unknown urgency", changed(&|e| e["urgency"] = json!("tres-vite"))),
        ("an unknown recipient", changed(&|e| e["recipient"] = json!({"institution": "departement-99"}))),
        ("no recipient", changed(&|e| drop(e.as_object_mut().unwrap().remove("recipient")))),
        ("an unknown unit of the sender", changed(&|e| e["sender"]["unit"] = json!("inconnue"))),
        ("an answer to nothing", changed(&|e| e["in_reply_to"] = json!("not-an-id"))),
        ("a purpose of another type", changed(&|e| e["purpose"] = json!("statistics"))),
        ("an agreement that is over", changed(&|e| e["agreement"] = json!("p24-examens"))),
        ("a very long text", changed(&|e| e["payload"]["texte_libre"] = json!("a".repeat(100_000)))),
        ("nothing but the type", json!({"type": "information-preoccupante"})),
    ];
    for (what, envelope) in &odd {
        let answer = scene.submit(&school, envelope).await;
        assert!(answer.is_ok(), "{what}: {:?}", answer.err());
    }
    let crip = scene.acting(CRIP);
    let waiting = scene.waiting(&crip, "crip").await;
    assert_eq!(waiting.len(), odd.len(), "each is in the mailbox of the CRIP");
    let whole = waiting.iter().filter(|one| one["incomplete"] != true).count();
    assert_eq!(whole, 1, "only the agreement that is over leaves nothing to complete");

    // What did not conform is kept, sealed, and read by who may read the most protected class.
    let id = scene.accepted(SCHOOL, &odd[0].1).await;
    let document = scene.opened(CRIP, "crip", &id).await;
    assert_eq!(document["non_conforme"][0]["code"], "unknown-field", "{document}");
    assert_eq!(document["non_conforme"][0]["value"], json!({"champ_inconnu": {"a": [1, 2]}}));
    let due = crip.get("/v1/clocks").await.unwrap();
    assert!(due["follow_ups"].as_array().unwrap().iter().any(|f| f["code"] == "verifier-non-conforme" && f["exchange"] == id.as_str()));
    let (rooms, id) = (scene.rooms(), id.parse().unwrap());
    let key = rooms.keys.exchange_key(id).await.unwrap().unwrap();
    let compartments = seal::Compartments::read(&rooms.store.content(id).await.unwrap().unwrap()).unwrap();
    let aside = "/non_conforme".parse().unwrap();
    let holds = |class: &DataClass| compartments.open(&key, id, *class).unwrap().iter().any(|(at, _)| at.within(&aside));
    let law = rooms.law.load();
    let most_protected =
        law.catalogue.exchange_type(&"information-preoccupante".parse().unwrap(), scene.now()).unwrap().most_protected_class();
    assert_eq!(compartments.classes().into_iter().filter(holds).collect::<Vec<_>>(), [most_protected]);
}

#[tokio::test]
async fn i03_a_danger_deposit_without_a_usable_author_or_key_is_the_institutions_alone() {
    let scene = Scene::start().await;
    let envelope = envelopes::of_the_school().to_string();
    let alone = scene.institution("dsden-31");
    let expired =
        scene.token_with("dsden-31", |w| gateway::token::Wanted { subject: "p-5k2gh", now: "2026-11-25T08:00:00Z".parse().unwrap(), ..w });
    let unknown = scene.token("dsden-31", "p-00000");
    for (what, client) in [
        ("no token", alone.clone()),
        ("an expired token", alone.with_token(expired)),
        ("a professional whom the directory does not know", alone.with_token(unknown)),
        ("not a token", alone.with_token("abc")),
    ] {
        let (status, body) = scene.raw(scene.deposit(&client, envelope.clone())).await;
        assert_eq!(status, StatusCode::CREATED, "{what}: {body}");
    }
    for key in [None, Some("court"), Some("clé avec des espaces et des accents é")] {
        let mut request = scene.acting(SCHOOL).request(Method::POST, "/v1/exchanges").header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        assert_eq!(scene.raw(request.body(envelope.clone())).await.0, StatusCode::CREATED, "{key:?}");
    }
    // A reporter without any habilitation deposits, and reads nothing.
    scene.accepted(TEACHER, &json!({"type": "information-preoccupante", "payload": {"texte_libre": "Je suis inquiet."}})).await;
    assert_eq!(scene.refused(&scene.acting(TEACHER), "/v1/mailbox").await.status, 403);

    // The institution is told that somebody must say who it was.
    let due = scene.acting(SCHOOL).get("/v1/clocks").await.unwrap();
    let count = |code: &str| due["follow_ups"].as_array().unwrap().iter().filter(|f| f["code"] == code).count();
    assert_eq!((count("identifier-auteur"), count("cle-idempotence")), (4, 3), "{due}");

    // A type that is not danger needs its person and its key.
    let retour = envelopes::retour("0190b8c5-0000-7000-8000-000000000000").to_string();
    let (status, body) = scene.raw(scene.deposit(&scene.institution("departement-31"), retour.clone())).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("token-missing")));
    let request = scene.acting(CRIP).request(Method::POST, "/v1/exchanges").header("content-type", "application/json");
    let (status, body) = scene.raw(request.body(retour)).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::BAD_REQUEST, Some("idempotency-key-missing")));
}

#[tokio::test]
async fn i03_only_a_confidentiality_rule_stops_a_copy_and_it_alarms() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    envelope["recipient"] = json!({"institution": "mairie-blagnac", "unit": "ccas"});
    let refusal = scene.submit(&scene.acting(SCHOOL), &envelope).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code()), (403, "denied"));
    assert_eq!(refusal.body["rule"], "R72");
    let metrics = scene.local("/metrics").await;
    assert!(metrics.contains("passerelle_confidentiality_stops_total 1"), "{metrics}");
}

#[tokio::test]
async fn i04_confidentiality_fails_closed() {
    // Without a permit nothing is read: an empty local file opens nothing.
    let scene = Scene::start_with(|world| fs::write(world.folder.join("policies/local/reception.cedar"), "").unwrap()).await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let document = scene.opened(CRIP, "crip", &id).await;
    assert!(document.get("subjects").is_none() && document.get("payload").is_none(), "{document}");

    // A rule that could fail, an unknown obligation, an unknown annotation: the gateway does not start.
    for (what, rule) in [
        ("could fail", "permit (principal, action == Action::\"open\", resource) when { context.instant + 1 > 0 };"),
        ("unknown obligation", "@obligation(\"inventee\") permit (principal, action == Action::\"open\", resource);"),
        ("unknown annotation", "@fantaisie(\"x\") permit (principal, action == Action::\"open\", resource);"),
        ("unknown fact", "permit (principal, action == Action::\"open\", resource) when { context.inconnu };"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let world = gateway::demo::World::create(folder.path(), tests::NOW.parse().unwrap()).unwrap();
        let annotations = "@id(\"essai\") @rule(\"R01\") @article(\"x\") @effective_from(\"2020-01-01\") @explain(\"x\") ";
        fs::write(world.folder.join("policies/local/essai.cedar"), format!("{annotations}{rule}\n")).unwrap();
        let config = gateway::config::Config::load(&world.config()).unwrap();
        let fault = gateway::node::load_law(&config).map(drop).expect_err(what).to_string();
        assert!(fault.contains("essai.cedar"), "{what}: {fault}");
    }
}

#[tokio::test]
async fn i05_no_record_no_release() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let delivery = scene.delivery_of(CRIP, "crip", &id).await;
    let crip = scene.acting(CRIP);
    // The notary cannot sign any more: its table is gone.
    let mut database = scene.database(Part::Gateway).await;
    sqlx::query("ALTER TABLE checkpoint RENAME TO checkpoint_away").execute(&mut database).await.unwrap();
    let opening = {
        let crip = crip.clone();
        let path = format!("/v1/mailbox/{delivery}");
        tokio::spawn(async move { crip.get(&path).await })
    };
    // The opening is written and not signed: nothing is released.
    scene
        .until("the opening is written", || async {
            scene
                .rooms()
                .store
                .entries_of(id.parse().unwrap())
                .await
                .unwrap()
                .iter()
                .any(|e| e.event == "exchange.opened" && e.index.is_none())
        })
        .await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(!opening.is_finished(), "content left before its record was signed");
    sqlx::query("ALTER TABLE checkpoint_away RENAME TO checkpoint").execute(&mut database).await.unwrap();
    let document = opening.await.unwrap().unwrap();
    assert_eq!(document["exchange"], id.as_str());
    let entries = scene.rooms().store.entries_of(id.parse().unwrap()).await.unwrap();
    assert!(entries.iter().any(|e| e.event == "exchange.opened" && e.index.is_some()));
}

/// Audit is never sampled: whoever reads again, or is refused, is written down again.
#[tokio::test]
async fn i05_every_opening_and_every_refusal_is_written_down() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let count = async |event: &str| {
        scene.rooms().store.entries_of(id.parse().unwrap()).await.unwrap().iter().filter(|entry| entry.event == event).count()
    };
    for times in 1..=3 {
        scene.opened(CRIP, "crip", &id).await;
        assert_eq!(count("exchange.opened").await, times);
    }
    // Refused to read, without being told that it exists, or to send: there is no exchange to name, and there is an entry.
    let mut database = scene.database(Part::Gateway).await;
    let mut refused = async || {
        let statement = "SELECT COUNT(*) FROM entry WHERE event = 'exchange.refused'";
        sqlx::query_scalar::<_, i64>(statement).fetch_one(&mut database).await.unwrap()
    };
    let path = format!("/v1/mailbox/{}", scene.delivery_of(CRIP, "crip", &id).await);
    for times in 1..=2 {
        assert_eq!(scene.refused(&scene.acting(PMI), &path).await.status, 404);
        assert_eq!(refused().await, times);
    }
    let mut envelope = envelopes::of_the_school();
    envelope["recipient"] = json!({"institution": "mairie-blagnac", "unit": "ccas"});
    for times in 3..=4 {
        scene.submit(&scene.acting(SCHOOL), &envelope).await.unwrap_err();
        assert_eq!(refused().await, times);
    }
}

#[tokio::test]
async fn i07_what_two_recipients_get_cannot_be_joined() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let again = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement(&information)).await;
    let at_the_crip = scene.opened(CRIP, "crip", &information).await;
    let at_the_crip_again = scene.opened(CRIP, "crip", &again).await;
    let at_the_parquet = scene.opened(MAGISTRATE, "permanence", &signalement).await;
    let child = |document: &Value| text(document, "/subjects/0/pseudonym");
    assert!(child(&at_the_crip).starts_with("P1-"), "{at_the_crip}");
    assert_eq!(child(&at_the_crip), child(&at_the_crip_again), "the same child, the same domain");
    assert_ne!(child(&at_the_crip), child(&at_the_parquet), "the same child, another domain");
    // The feedback of the reporter names neither child nor file.
    let retour = scene.accepted(CRIP, &envelopes::retour(&information)).await;
    let feedback = scene.opened(SCHOOL, "ssfe", &retour).await.to_string();
    for secret in [&child(&at_the_crip), &child(&at_the_parquet), &signalement] {
        assert!(!feedback.contains(secret.as_str()));
    }
}

/// Recipient, purpose and agreement each make a domain of their own, even where the others are the same.
#[tokio::test]
async fn i07_recipient_purpose_and_agreement_each_make_another_name() {
    let scene = Scene::start_with(|world| {
        // So that two recipients may receive for one purpose.
        let file = world.folder.join("policies/catalogue/information-preoccupante.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("purpose = [\"ip\"]", "purpose = [\"ip\", \"signalement\"]")).unwrap();
    })
    .await;
    let mut names = std::collections::BTreeSet::new();
    for change in [json!({}), json!({"purpose": "signalement"}), json!({"agreement": "p01"})] {
        let mut envelope = envelopes::of_the_school();
        envelope.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let id = scene.accepted(SCHOOL, &envelope).await;
        let document = scene.opened(CRIP, "crip", &id).await;
        if let Some(purpose) = change.get("purpose") {
            assert_eq!(&document["purpose"], purpose);
        }
        names.insert(text(&document, "/subjects/0/pseudonym"));
    }
    let signalement = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    let at_the_parquet = scene.opened(MAGISTRATE, "permanence", &signalement).await;
    assert_eq!(at_the_parquet["purpose"], "signalement");
    names.insert(text(&at_the_parquet, "/subjects/0/pseudonym"));
    assert_eq!(names.len(), 4, "{names:?}");
}

/// A type that discloses pseudonyms gives no name, whatever its sender wrote and its reader may read.
#[tokio::test]
async fn i07_a_pseudonymous_type_names_nobody() {
    let scene = Scene::start_with(|world| {
        let catalogue = world.folder.join("policies/catalogue");
        let text = fs::read_to_string(catalogue.join("suites-judiciaires.toml")).unwrap();
        let pseudonymous = text.replace("\"suites-judiciaires\"", "\"suites-essai\"").replace("\"nominative\"", "\"pseudonymous\"");
        fs::write(catalogue.join("suites-essai.toml"), pseudonymous).unwrap();
    })
    .await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    let mut envelope = envelopes::suites(&signalement);
    envelope["subjects"] = envelopes::of_the_school()["subjects"].clone();
    for (kind, named) in [("suites-judiciaires", true), ("suites-essai", false)] {
        envelope["type"] = json!(kind);
        let id = scene.accepted(MAGISTRATE, &envelope).await;
        let document = scene.opened(CRIP, "crip", &id).await;
        assert!(text(&document, "/subjects/0/pseudonym").starts_with("P1-"), "{document}");
        for secret in ["FICTIVE", "Capucine", "2014-02-27", "impasse des Nuages"] {
            assert_eq!(document.to_string().contains(secret), named, "{kind}: {secret}: {document}");
        }
    }
}

#[tokio::test]
async fn i08_the_law_is_data() {
    // A new type is a file.
    let scene = Scene::start_with(|world| {
        let catalogue = world.folder.join("policies/catalogue");
        let text = fs::read_to_string(catalogue.join("accuse-reception.toml")).unwrap();
        let of_the_future = text.replace("accuse-reception", "accuse-futur").replace("2021-01-01", "2027-01-01");
        fs::write(catalogue.join("accuse-futur.toml"), of_the_future).unwrap();
        fs::write(catalogue.join("accuse-local.toml"), text.replace("accuse-reception", "accuse-local")).unwrap();
    })
    .await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let crip = scene.acting(CRIP);
    let accuse = |kind: &str| {
        let mut envelope = envelopes::retour(&id);
        envelope["type"] = json!(kind);
        envelope["payload"] = json!({"etat": "recue"});
        envelope
    };
    let accepted = scene.submit(&crip, &accuse("accuse-local")).await;
    assert!(accepted.is_ok(), "{:?}", accepted.err());
    // A type whose first day is to come is not there yet.
    assert_eq!(scene.submit(&crip, &accuse("accuse-futur")).await.unwrap_err().code(), "unknown-type");

    // A past decision is asked again and gives the same answer, by the same rules.
    let rooms = scene.rooms();
    let row = rooms.store.exchange(id.parse().unwrap()).await.unwrap().unwrap();
    let key = rooms.keys.exchange_key(row.id).await.unwrap().unwrap();
    let record: DecisionRecord =
        serde_json::from_slice(&seal::open_column(&key, "exchange", row.id, "decision", &row.decision).unwrap()).unwrap();
    let replay = rooms.law.load().policies.replay(&record);
    assert!(replay.same && replay.same_policies, "{replay:?}");
    assert!(record.permitted && record.rules.contains(&"R02".to_owned()));
}

#[tokio::test]
async fn i09_evidence_outlives_content() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let delivery = scene.delivery_of(CRIP, "crip", &id).await;
    let keys = scene.acting(SCHOOL).get("/v1/keys").await.unwrap();
    let trust = Trust::pinned(&[text(&keys, "/log/vkey")], Some(&json!({"keys": keys["keys"]})), &[], 0).unwrap();
    let evidence = async || scene.acting(SCHOOL).get(&format!("/v1/exchanges/{id}/evidence")).await.unwrap().to_string();
    let before = evidence().await;
    assert_eq!(verify_evidence(&before, &trust).exit_code(), 0, "{}", verify_evidence(&before, &trust));

    erase(&scene, &id).await;
    assert_eq!(scene.refused(&scene.acting(CRIP), &format!("/v1/mailbox/{delivery}")).await.status, 410);
    assert!(scene.rooms().keys.exchange_key(id.parse().unwrap()).await.unwrap().is_none());
    assert!(scene.rooms().store.content(id.parse().unwrap()).await.unwrap().is_none());
    let mut vault = scene.database(Part::Vault).await;
    for table in ["mention", "person", "likeness"] {
        let rows: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"))).fetch_one(&mut vault).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    let after = evidence().await;
    assert_eq!(verify_evidence(&after, &trust).exit_code(), 0);
    // An altered evidence does not verify.
    let altered = after.replace("exchange.accepted", "exchange.refused");
    assert_ne!(verify_evidence(&altered, &trust).exit_code(), 0);
}

#[tokio::test]
async fn i10_a_person_decides() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    // A machine does not send secret content by itself.
    let machine = scene.institution("departement-31");
    let (status, body) = scene.raw(scene.deposit(&machine, envelopes::retour(&information).to_string())).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("token-missing")));
    // A signalement warns no parent by itself: it leaves a named person a task, and nothing is sent.
    let signalement = scene.accepted(CADRE, &envelopes::signalement(&information)).await;
    let due = scene.acting(CADRE).get("/v1/clocks").await.unwrap();
    let task = due["follow_ups"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["exchange"] == signalement.as_str() && f["code"] == "written-notice-parents");
    assert!(task.is_some(), "{due}");
    assert!(scene.rooms().store.answers_to(signalement.parse().unwrap()).await.unwrap().is_empty());
    // Nobody receives but whom a person chose, however grave it is.
    for (id, recipient) in [(&information, "departement-31/crip"), (&signalement, "parquet-toulouse/permanence")] {
        let deliveries = scene.rooms().store.deliveries_of(id.parse().unwrap()).await.unwrap();
        assert_eq!(deliveries.iter().map(|one| one.recipient.to_string()).collect::<Vec<_>>(), [recipient]);
    }
}

#[tokio::test]
async fn i11_nobody_acts_for_another() {
    let scene = Scene::start().await;
    let hospital = scene.acting(HOSPITAL);
    // The sender is the institution of the certificate, even for danger.
    let refusal = scene.submit(&hospital, &envelopes::of_the_school()).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code()), (403, "sender-mismatch"));
    let (status, body) = scene.raw(scene.deposit(&scene.institution("chu-toulouse"), envelopes::of_the_school().to_string())).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::FORBIDDEN, Some("sender-mismatch")));
    // A token of another institution, or bound to another certificate, names nobody.
    let stolen = scene.institution("chu-toulouse").with_token(scene.token("departement-31", "p-4f7k2"));
    assert_eq!(scene.refused(&stolen, "/v1/mailbox?unit=crip").await.code(), "token-another-issuer");
    let bound = scene.token_with("departement-31", |w| gateway::token::Wanted {
        subject: "p-4f7k2",
        certificate_thumbprint: client::thumbprint(&scene.member("chu-toulouse").join("certificate.pem")).unwrap(),
        ..w
    });
    let borrowed = scene.institution("departement-31").with_token(bound);
    assert_eq!(scene.refused(&borrowed, "/v1/mailbox?unit=crip").await.code(), "token-another-certificate");
    // A professional does not act for a unit in which this person does not work.
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let refusal = scene.submit(&scene.acting(PMI), &envelopes::retour(&information)).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code()), (403, "role-missing"));
    assert_eq!(scene.refused(&scene.acting(PMI), "/v1/mailbox?unit=crip").await.status, 403);
    // The directory says what a token cannot: this habilitation ended, this unit is another's.
    let delivery = scene.delivery_of(CRIP, "crip", &information).await;
    for who in [FORMER, PMI] {
        let client = scene.acting(who);
        assert_eq!(scene.refused(&client, "/v1/mailbox?unit=crip").await.code(), "role-missing", "{who:?}");
        assert_eq!(scene.refused(&client, &format!("/v1/mailbox/{delivery}")).await.status, 404, "{who:?}");
        let path = format!("/v1/mailbox/{delivery}/acknowledgement");
        assert_eq!(problem(client.post(&path, &json!({"outcome": "taken-in-charge"})).await).unwrap_err().status, 404, "{who:?}");
    }
}

#[tokio::test]
async fn i12_every_clock_is_kept() {
    let mut scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement(&information)).await;
    let told = async |scene: &Scene, clock: &str| {
        let due = scene.acting(MAGISTRATE).get("/v1/clocks").await.unwrap();
        let mine = |r: &&Value| r["clock"] == clock && r["exchange"] == signalement.as_str();
        due["reminders"].as_array().unwrap().iter().filter(mine).cloned().collect::<Vec<_>>()
    };
    assert!(told(&scene, "depot").await.is_empty());
    // Nobody opens: after two hours the person in charge and the deputy are told, once, across a restart.
    scene.clock.advance(Duration::from_secs(2 * 3600 + 1));
    scene.until("the deadline is told", || async { told(&scene, "depot").await.len() == 2 }).await;
    scene.stop().await;
    scene.resume().await;
    scene.clock.advance(Duration::from_secs(60));
    while gateway::flows::remind::remind(scene.rooms()).await.unwrap() > 0 {}
    let mut stages: Vec<_> = told(&scene, "depot").await.iter().map(|r| (text(r, "/stage"), text(r, "/professional"))).collect();
    stages.sort();
    let named = |stage: &str, who: &str| (stage.to_owned(), who.to_owned());
    assert_eq!(stages, [named("escalated", "p-9m4jb"), named("overdue", "p-1c7qv")], "the deputy and the lead of the directory");
    let due = scene.acting(MAGISTRATE).get("/v1/clocks").await.unwrap();
    assert!(due["clocks"].as_array().unwrap().iter().any(|c| c["clock"] == "depot"), "overdue work stays visible");
    // Opening stops it.
    scene.opened(MAGISTRATE, "permanence", &signalement).await;
    let due = scene.acting(MAGISTRATE).get("/v1/clocks").await.unwrap();
    assert!(!due["clocks"].as_array().unwrap().iter().any(|c| c["clock"] == "depot"));
    // The feedback to the school is due in three months, and stops with the answer.
    let clocks = async || scene.acting(CRIP).get("/v1/clocks").await.unwrap()["clocks"].as_array().unwrap().clone();
    let feedback = clocks().await.into_iter().find(|c| c["clock"] == "retour-pro" && c["exchange"] == information.as_str()).unwrap();
    assert!(text(&feedback, "/limit").starts_with("2027-02-25"), "{feedback}");
    scene.accepted(CRIP, &envelopes::retour(&information)).await;
    assert!(!clocks().await.iter().any(|c| c["clock"] == "retour-pro" && c["exchange"] == information.as_str()));
}

#[tokio::test]
async fn i12_the_person_in_charge_is_warned_before_the_limit() {
    let mut scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    // Three months less a fortnight.
    let later = Duration::from_secs(77 * 86400);
    scene.world.pki.write_crls(scene.now().plus(later).datetime().into()).unwrap();
    scene.clock.advance(later);
    let warned = async || {
        let due = scene.acting(CRIP).get("/v1/clocks").await.ok()?;
        let mine = |r: &&Value| r["clock"] == "retour-pro" && r["exchange"] == information.as_str();
        due["reminders"].as_array()?.iter().find(mine).map(|r| (text(r, "/stage"), text(r, "/professional")))
    };
    scene.until("the warning is told", || async { warned().await.is_some() }).await;
    assert_eq!(warned().await, Some(("warning".to_owned(), "p-4f7k2".to_owned())));
}

/// A deadline runs from the event itself, not from when the gateway heard of it.
#[tokio::test]
async fn i12_a_clock_starts_with_its_event() {
    let scene = Scene::start_with(|world| {
        // The sample directory has no 119, which alone says when it was called.
        let file = world.folder.join("directory/institutions/education.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("\"en-sante-social\"", "\"snated-119\"")).unwrap();
    })
    .await;
    let mut envelope = envelopes::of_the_school();
    envelope["payload"]["origine_119"] = json!({"date_appel": "2026-11-24T18:00:00+01:00"});
    let id = scene.accepted(SCHOOL, &envelope).await;
    let clocks = scene.rooms().store.clocks_of(id.parse().unwrap()).await.unwrap();
    let started = clocks.iter().find(|clock| clock.name == "evaluation").unwrap().started_at;
    assert_eq!(started, "2026-11-24T17:00:00Z".parse().unwrap());
}

#[tokio::test]
async fn i15_what_one_may_not_see_answers_as_what_does_not_exist() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let delivery = scene.delivery_of(CRIP, "crip", &information).await;
    let nothing = exchange::ExchangeId::new();
    let bare = |answer: (StatusCode, Vec<(String, String)>, Value)| {
        let (status, headers, mut body) = answer;
        body.as_object_mut().unwrap().remove("instance");
        (status, headers, body)
    };
    for who in [HOSPITAL, TEACHER, PMI, FORMER, MAGISTRATE, CAF] {
        let client = scene.acting(who);
        for (theirs, none) in [
            (format!("/v1/exchanges/{information}"), format!("/v1/exchanges/{nothing}")),
            (format!("/v1/exchanges/{information}/evidence"), format!("/v1/exchanges/{nothing}/evidence")),
            (format!("/v1/mailbox/{delivery}"), format!("/v1/mailbox/{nothing}")),
        ] {
            let (hidden, absent) = (bare(whole(&client, &theirs).await), bare(whole(&client, &none).await));
            assert_eq!(hidden, absent, "{who:?} {theirs}");
            assert_eq!(hidden.0, StatusCode::NOT_FOUND);
        }
    }
}

/// Status, headers that do not name the request or the hour, and body.
async fn whole(client: &client::Client, path: &str) -> (StatusCode, Vec<(String, String)>, Value) {
    let answer = client.request(Method::GET, path).send().await.unwrap();
    let own = ["x-request-id", "date"];
    let headers = answer.headers().iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status(), headers, answer.json().await.unwrap())
}

async fn erase(scene: &Scene, id: &str) {
    scene.taken_in_charge(id).await;
    let request = scene.acting(DPO).request(Method::DELETE, &format!("/v1/exchanges/{id}")).json(&json!({"motive": "durée écoulée"}));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::NO_CONTENT);
}

fn another_body() -> Value {
    let mut envelope = envelopes::of_the_school();
    envelope["payload"]["texte_libre"] = json!("un mot de plus");
    envelope
}
