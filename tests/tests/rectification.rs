//! Correcting and withdrawing. Failure is:
//!
//! * somebody who got the first one and not its correction, or not the word that it was withdrawn;
//! * the first one overwritten, or a clock of the law that begins anew because somebody mended a date;
//! * a content that was taken back and still leaves, or a danger that vanishes because somebody took it back;
//! * a stranger who corrects, withdraws, or learns that something is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use exchange::Party;
use gateway::{
    client::{self, Client},
    demo::{envelopes, requests},
};
use serde_json::{Value, json};
use tests::{
    Scene,
    people::*,
    scene::{Problem, problem},
    text,
};

async fn rectify(client: &Client, id: &str, body: Value) -> Result<Value, Problem> {
    problem(client.post(&format!("/v1/exchanges/{id}/rectification"), &body).await)
}

async fn correct(scene: &Scene, who: (&str, &str), id: &str, envelope: &Value) -> String {
    let answer = rectify_keyed(scene, who, id, envelope).await;
    text(&answer, "/id")
}

async fn rectify_keyed(scene: &Scene, who: (&str, &str), id: &str, envelope: &Value) -> Value {
    let client = scene.acting(who);
    let request = client
        .request(reqwest::Method::POST, &format!("/v1/exchanges/{id}/rectification"))
        .header("idempotency-key", client::new_key().unwrap())
        .json(&json!({"nature": "correction", "envelope": envelope}));
    let (status, answer) = scene.raw(request).await;
    assert_eq!(status, 201, "{answer}");
    answer
}

fn withdrawal(motive: &str) -> Value {
    json!({"nature": "retrait", "motive": motive})
}

async fn clocks(scene: &Scene, id: &str) -> BTreeSet<String> {
    scene.rooms().store.clocks_of(id.parse().unwrap()).await.unwrap().into_iter().map(|clock| clock.name).collect()
}

#[tokio::test]
async fn a_correction_reaches_the_reader_and_overwrites_nothing() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    envelope["subjects"][0]["birth_date"] = json!("2014-02-07");
    let first = scene.accepted(SCHOOL, &envelope).await;
    let document = scene.opened(CRIP, "crip", &first).await;
    let delivery = text(&document, "/delivery");
    envelope["subjects"][0]["birth_date"] = json!("2014-02-27");
    let second = correct(&scene, SCHOOL, &first, &envelope).await;
    assert_ne!(first, second);

    // The reader of the first one is told; both are there, each as it was sent.
    let again = scene.acting(CRIP).get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
    assert_eq!(text(&again, "/subjects/0/birth_date"), "2014-02-07");
    assert_eq!(text(&again, "/rectified_by/0/exchange"), second);
    let there = text(&again, "/rectified_by/0/delivery");
    let corrected = scene.acting(CRIP).get(&format!("/v1/mailbox/{there}")).await.unwrap();
    assert_eq!((text(&corrected, "/subjects/0/birth_date"), text(&corrected, "/rectifies")), ("2014-02-27".into(), first.clone()));
    let waiting = scene.waiting(&scene.acting(CRIP), "crip").await;
    assert!(waiting.iter().any(|one| one["exchange"] == json!(second) && one["rectifies"] == json!(first)), "{waiting:?}");

    // Three months run once, from the first; who got the correction has to take note of it.
    assert!(clocks(&scene, &first).await.contains("evaluation"));
    assert_eq!(clocks(&scene, &second).await, BTreeSet::from(["accuse".to_owned()]));
    // Nobody is asked again for what was asked.
    let tasks = |id: &str| {
        let id = id.parse().unwrap();
        let rooms = scene.rooms().clone();
        async move { rooms.store.follow_ups(id).await.unwrap().into_iter().map(|task| task.code).collect::<BTreeSet<_>>() }
    };
    assert!(tasks(&first).await.is_disjoint(&tasks(&second).await), "{:?} {:?}", tasks(&first).await, tasks(&second).await);

    // The sender sees that it was taken note of, and nothing else of what the recipient does.
    scene.taken_in_charge(&second).await;
    let timeline = scene.acting(SCHOOL).get(&format!("/v1/exchanges/{second}")).await.unwrap();
    assert!(timeline["deliveries"][0]["acknowledged_at"].is_string() && timeline["deliveries"][0].get("opened_at").is_none(), "{timeline}");
    let timeline = scene.acting(SCHOOL).get(&format!("/v1/exchanges/{first}")).await.unwrap();
    assert_eq!(text(&timeline, "/rectified_by/0/exchange"), second);
    assert!(timeline["deliveries"][0].get("acknowledged_at").is_none(), "{timeline}");
    let events: Vec<String> =
        scene.rooms().store.entries_of(first.parse().unwrap()).await.unwrap().into_iter().map(|entry| entry.event).collect();
    assert!(events.contains(&"exchange.rectified".to_owned()), "{events:?}");
}

#[tokio::test]
async fn what_was_missing_comes_with_the_correction() {
    let scene = Scene::start().await;
    let first = scene.accepted(SCHOOL, &json!({"type": "information-preoccupante"})).await;
    assert!(scene.task(SCHOOL, &first, "completer").await.is_some());
    let poor = correct(&scene, SCHOOL, &first, &json!({"type": "information-preoccupante", "urgency": "ordinary"})).await;
    assert!(scene.task(SCHOOL, &first, "completer").await.is_some(), "it is still missing");
    assert!(scene.task(SCHOOL, &poor, "completer").await.is_some());
    let whole = correct(&scene, SCHOOL, &first, &envelopes::of_the_school()).await;
    assert!(scene.task(SCHOOL, &first, "completer").await.is_none());
    assert!(scene.task(SCHOOL, &whole, "completer").await.is_none());
}

#[tokio::test]
async fn everybody_who_got_it_gets_the_correction_and_the_copy_is_corrected_too() {
    let scene = Scene::start().await;
    let mut envelope = requests::direct_signalement();
    let first = scene.accepted(HOSPITAL, &envelope).await;
    let copy = text(&scene.first_waiting(&scene.acting(CRIP), "crip").await, "/exchange");
    envelope["payload"]["faits"][0]["texte"] = json!("Lésions d’âges différents ; la date du premier passage était fausse.");
    let second = correct(&scene, HOSPITAL, &first, &envelope).await;
    let waiting = scene.waiting(&scene.acting(MAGISTRATE), "permanence").await;
    assert!(waiting.iter().any(|one| one["exchange"] == json!(second) && one["rectifies"] == json!(first)), "{waiting:?}");
    let waiting = scene.waiting(&scene.acting(CRIP), "crip").await;
    let of_the_copy =
        waiting.iter().find(|one| one["rectifies"] == json!(copy)).unwrap_or_else(|| panic!("no corrected copy: {waiting:?}"));
    assert_eq!(text(of_the_copy, "/type"), "copie-signalement");
}

#[tokio::test]
async fn from_whom_the_first_was_sealed_the_correction_is_too_and_the_other_way_round() {
    let scene = Scene::start().await;
    let sealed = |subject: &str| json!([{"issuer": issuer(&scene), "subject": subject}]);
    let mut envelope = envelopes::of_the_school();
    envelope["exclus"] = sealed(CRIP.1);
    let first = scene.accepted(SCHOOL, &envelope).await;
    // The correction forgets it, and seals from somebody else.
    envelope["exclus"] = sealed(CADRE.1);
    let second = correct(&scene, SCHOOL, &first, &envelope).await;
    for who in [CRIP, CADRE] {
        let seen: Vec<Value> = scene.waiting(&scene.acting(who), "crip").await.iter().map(|one| one["exchange"].clone()).collect();
        assert!(!seen.contains(&json!(first)) && !seen.contains(&json!(second)), "{who:?} {seen:?}");
    }
}

#[tokio::test]
async fn no_row_of_corrections_makes_a_danger_vanish_from_a_unit() {
    let scene = Scene::start().await;
    let from = |people: &[(&str, &str)]| {
        json!(people.iter().map(|(_, who)| json!({"issuer": issuer(&scene), "subject": who})).collect::<Vec<_>>())
    };
    let all: Vec<(&str, &str)> = {
        let law = scene.rooms().law.load_full();
        let unit = "crip".parse().unwrap();
        let people = law.directory.professionals().filter(|one| one.institution.as_str() == "departement-31" && one.units.contains(&unit));
        people.map(|one| ("departement-31", &*Box::leak(one.id.subject.clone().into_boxed_str()))).collect()
    };
    assert!(all.len() > 1);
    let (one, others) = all.split_at(1);
    let mut envelope = envelopes::of_the_school();
    let first = scene.accepted(SCHOOL, &envelope).await;
    envelope["exclus"] = from(one);
    let second = correct(&scene, SCHOOL, &first, &envelope).await;
    // The rest of the unit, by a correction of the correction, and of the first.
    envelope["exclus"] = from(others);
    for of in [&second, &first] {
        correct(&scene, SCHOOL, of, &envelope).await;
    }
    let reader = others.iter().find(|who| **who == CRIP || **who == CADRE).copied().unwrap();
    let seen: Vec<Value> = scene.waiting(&scene.acting(reader), "crip").await.iter().map(|one| one["exchange"].clone()).collect();
    assert!(seen.contains(&json!(first)), "the danger vanished: {seen:?}");
    assert!(!scene.local("/metrics").await.contains("passerelle_nobody_left_to_read_total 0"), "and nobody was told");
}

#[tokio::test]
async fn the_whole_line_is_sealed_and_withdrawn() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    let first = scene.accepted(SCHOOL, &envelope).await;
    let second = correct(&scene, SCHOOL, &first, &envelope).await;
    // What corrects a correction corrects the first; whom it seals out is sealed out of all three.
    envelope["exclus"] = json!([{"issuer": issuer(&scene), "subject": CADRE.1}]);
    let third = correct(&scene, SCHOOL, &second, &envelope).await;
    let seen: Vec<Value> = scene.waiting(&scene.acting(CADRE), "crip").await.iter().map(|one| one["exchange"].clone()).collect();
    for id in [&first, &second, &third] {
        assert!(!seen.contains(&json!(id)), "{seen:?}");
        assert!(scene.waiting(&scene.acting(CRIP), "crip").await.iter().any(|one| one["exchange"] == json!(id)));
    }
    let document = scene.opened(CRIP, "crip", &third).await;
    assert_eq!(text(&document, "/rectifies"), first);

    rectify(&scene.acting(SCHOOL), &second, withdrawal("Erreur sur la personne.")).await.unwrap();
    for id in [&first, &second, &third] {
        let row = scene.rooms().store.exchange(id.parse().unwrap()).await.unwrap().unwrap();
        assert!(row.withdrawn_at.is_some(), "{id} stays as if nothing were said");
    }
}

#[tokio::test]
async fn who_holds_a_copy_is_told_of_the_withdrawal() {
    let scene = Scene::start().await;
    let first = scene.accepted(HOSPITAL, &requests::direct_signalement()).await;
    let copy = text(&scene.first_waiting(&scene.acting(CRIP), "crip").await, "/exchange");
    rectify(&scene.acting(HOSPITAL), &first, withdrawal("Homonyme.")).await.unwrap();
    let waiting = scene.waiting(&scene.acting(CRIP), "crip").await;
    let words: Vec<&Value> = waiting.iter().filter(|one| one["exchange"] == json!(copy) && one["withdrawn_at"].is_string()).collect();
    assert_eq!(words.len(), 2, "the copy stays, and the word comes: {waiting:?}");
}

#[tokio::test]
async fn a_correction_of_what_is_over_is_a_danger_like_any_other() {
    let scene = Scene::start().await;
    let first = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let mut database = scene.database(gateway::store::Part::Gateway).await;
    let stopped = "UPDATE clock SET stopped_at = 1, stopped_by = 'recorded', next_at = NULL WHERE exchange_id = $1";
    sqlx::query(stopped).bind(&first).execute(&mut database).await.unwrap();
    let done = "UPDATE follow_up SET done_at = 1, done_by = 'x' WHERE exchange_id = $1";
    sqlx::query(done).bind(&first).execute(&mut database).await.unwrap();
    let second = correct(&scene, SCHOOL, &first, &envelopes::of_the_school()).await;
    let running = clocks(&scene, &second).await;
    assert!(running.contains("evaluation") && running.contains("premiere-analyse") && running.contains("retour-pro"), "{running:?}");

    // And one that is more urgent than the first one has its own, shorter time.
    let ordinary = scene.accepted(SCHOOL, &json!({"type": "information-preoccupante", "urgency": "ordinary"})).await;
    let urgent = correct(&scene, SCHOOL, &ordinary, &json!({"type": "information-preoccupante", "urgency": "immediate"})).await;
    assert!(clocks(&scene, &urgent).await.contains("premiere-analyse"));
}

#[tokio::test]
async fn an_answer_that_is_withdrawn_answers_no_more() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let stopped = async |name: &str| {
        let clocks = scene.rooms().store.clocks_of(information.parse().unwrap()).await.unwrap();
        clocks.iter().find(|clock| clock.name == name).unwrap().stopped_at.is_some()
    };
    let retour = scene.accepted(CRIP, &envelopes::retour(&information)).await;
    assert!(stopped("retour-pro").await);
    rectify(&scene.acting(CRIP), &retour, withdrawal("Mauvais dossier.")).await.unwrap();
    assert!(!stopped("retour-pro").await, "the reporter is owed its feedback again");
    // Another answer stands in its place, or the correction of one.
    let other = scene.accepted(CRIP, &envelopes::retour(&information)).await;
    let corrected = correct(&scene, CRIP, &other, &envelopes::retour(&information)).await;
    assert!(stopped("retour-pro").await);
    assert!(scene.rooms().store.exchange(corrected.parse().unwrap()).await.unwrap().unwrap().rectifies.is_some());
}

#[tokio::test]
async fn what_was_taken_back_is_answered_by_nothing() {
    let scene = Scene::start().await;
    let request = scene.accepted(EVALUATOR, &requests::to_the_school(&["scolarite.lien-famille-ecole"])).await;
    rectify(&scene.acting(EVALUATOR), &request, withdrawal("Demande faite pour un autre enfant.")).await.unwrap();
    let refused = scene.submit(&scene.acting(HEADMASTER), &requests::of_the_school(&request)).await.unwrap_err();
    assert_eq!(text(&refused.body, "/errors/0/pointer"), "/in_reply_to");
    // Two who withdraw at once: one does, and the other is told.
    let other = scene.accepted(EVALUATOR, &requests::to_the_school(&["scolarite.lien-famille-ecole"])).await;
    let (one, two) = (scene.acting(EVALUATOR), scene.acting(EVALUATOR));
    let (one, two) = tokio::join!(rectify(&one, &other, withdrawal("une")), rectify(&two, &other, withdrawal("deux")));
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    assert_eq!(one.err().or(two.err()).unwrap().code(), "withdrawn");
}

#[tokio::test]
async fn what_was_taken_back_is_known_no_more() {
    let scene = Scene::start().await;
    let known = async |unit: &Party, id: &str| scene.rooms().store.knows(unit, id.parse().unwrap(), &[]).await.unwrap();
    let ends = async |id: &str| {
        let row = scene.rooms().store.exchange(id.parse().unwrap()).await.unwrap().unwrap();
        (row.sender, row.recipient)
    };
    let request = scene.accepted(EVALUATOR, &requests::to_the_school(&["scolarite.lien-famille-ecole"])).await;
    let (sender, recipient) = ends(&request).await;
    assert!(known(&sender, &request).await && known(&recipient, &request).await);
    rectify(&scene.acting(EVALUATOR), &request, withdrawal("Demande faite pour un autre enfant.")).await.unwrap();
    assert!(!known(&sender, &request).await && !known(&recipient, &request).await, "a file about another child");
    // Who was warned of a danger goes on knowing of it.
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let (sender, recipient) = ends(&information).await;
    rectify(&scene.acting(SCHOOL), &information, withdrawal("Homonyme.")).await.unwrap();
    assert!(!known(&sender, &information).await && known(&recipient, &information).await);
}

#[tokio::test]
async fn i02_a_correction_that_is_repeated_is_one_exchange() {
    let scene = Scene::start().await;
    let first = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let key = client::new_key().unwrap();
    let client = scene.acting(SCHOOL);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = client
            .request(reqwest::Method::POST, &format!("/v1/exchanges/{first}/rectification"))
            .header("idempotency-key", &key)
            .json(&json!({"nature": "correction", "envelope": envelopes::of_the_school()}));
        answers.push(scene.raw(request).await.1);
    }
    assert!(answers[0]["receipt"].is_string() && answers[0] == answers[1], "{answers:?}");
}

/// Read in an emergency: told what came after, and nothing of what was taken back.
#[tokio::test]
async fn an_emergency_reader_is_told_too() {
    let scene = Scene::start().await;
    let first = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let second = correct(&scene, SCHOOL, &first, &envelopes::of_the_school()).await;
    let ask = json!({"reason": "Enfant aux urgences, son adresse est demandée par le 15.", "classes": ["identite"]});
    let document = scene.acting(PMI).post(&format!("/v1/exchanges/{first}/urgence"), &ask).await.unwrap();
    // The unit that reads in an emergency is the one to which it was handed.
    assert_eq!(text(&document, "/rectified_by/0/exchange"), second);
}

fn issuer(scene: &Scene) -> String {
    let law = scene.rooms().law.load_full();
    law.directory.professionals().find(|one| one.id.subject == CRIP.1).unwrap().id.issuer.clone()
}

#[tokio::test]
async fn a_danger_that_is_withdrawn_stays_and_everybody_is_told() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let running = clocks(&scene, &id).await;
    let answer = rectify(&scene.acting(SCHOOL), &id, withdrawal("Erreur sur la personne : un homonyme.")).await.unwrap();
    assert_eq!(text(&answer, "/content"), "kept");
    let waiting = scene.waiting(&scene.acting(CRIP), "crip").await;
    let both: Vec<&Value> = waiting.iter().filter(|one| one["exchange"] == json!(id)).collect();
    assert_eq!(both.len(), 2, "the danger and the word: {waiting:?}");
    assert!(both.iter().all(|one| one["withdrawn_at"].is_string()));
    let word = text(both[1], "/delivery");
    let document = scene.acting(CRIP).get(&format!("/v1/mailbox/{word}")).await.unwrap();
    assert_eq!(text(&document, "/withdrawn/motive"), "Erreur sur la personne : un homonyme.");
    assert!(document["subjects"][0]["birth_name"].is_string(), "a child is not out of danger because somebody takes the word back");
    // Taking note of the word answers nothing of the danger: its clocks run on.
    let path = format!("/v1/mailbox/{word}/acknowledgement");
    scene.acting(CRIP).post(&path, &json!({"outcome": "taken-in-charge"})).await.unwrap();
    let still = scene.rooms().store.clocks_of(id.parse().unwrap()).await.unwrap();
    assert!(still.iter().all(|clock| clock.stopped_at.is_none()) && still.len() == running.len());
    let timeline = scene.acting(SCHOOL).get(&format!("/v1/exchanges/{id}")).await.unwrap();
    let told = timeline["deliveries"].as_array().unwrap().iter().find(|one| one["withdrawal"] == true).unwrap().clone();
    assert!(told["acknowledged_at"].is_string(), "{timeline}");
    // Once is enough.
    let again = rectify(&scene.acting(SCHOOL), &id, withdrawal("encore")).await.unwrap_err();
    assert_eq!((again.status, again.code()), (410, "withdrawn"));
}

#[tokio::test]
async fn what_warns_of_no_danger_is_taken_back() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.taken_in_charge(&information).await;
    let retour = scene.accepted(CRIP, &envelopes::retour(&information)).await;
    let delivery = scene.delivery_of(SCHOOL, "ssfe", &retour).await;
    let document = scene.acting(SCHOOL).get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
    assert!(document["payload"].is_object());
    let answer = rectify(&scene.acting(CRIP), &retour, withdrawal("Envoyé au mauvais service.")).await.unwrap();
    assert_eq!(text(&answer, "/content"), "withheld");

    // One thing waits: the word. Neither it nor the first delivery gives anything but the reason.
    let waiting = scene.waiting(&scene.acting(SCHOOL), "ssfe").await;
    let of_it: Vec<&Value> = waiting.iter().filter(|one| one["exchange"] == json!(retour)).collect();
    assert_eq!(of_it.len(), 1, "{waiting:?}");
    for delivery in [delivery, text(of_it[0], "/delivery")] {
        let document = scene.acting(SCHOOL).get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
        assert!(document.get("payload").is_none() && document.get("subjects").is_none(), "{document}");
        assert_eq!(text(&document, "/withdrawn/motive"), "Envoyé au mauvais service.");
    }
    assert!(scene.rooms().store.clocks_of(retour.parse().unwrap()).await.unwrap().iter().all(|clock| clock.stopped_at.is_some()));
    // It can be corrected no more: what was taken back is not there for that. Nor is it withdrawn twice at once.
    let mut envelope = envelopes::retour(&information);
    envelope["rectifies"] = json!(retour);
    let refused = scene.submit(&scene.acting(CRIP), &envelope).await.unwrap_err();
    assert_eq!(text(&refused.body, "/errors/0/pointer"), "/rectifies");
}

#[tokio::test]
async fn a_stranger_learns_nothing_and_stops_no_danger() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    for who in [HOSPITAL, CRIP, TEACHER, MAGISTRATE] {
        let refused = rectify(&scene.acting(who), &id, withdrawal("non")).await.unwrap_err();
        let absent = rectify(&scene.acting(who), &exchange::ExchangeId::new().to_string(), withdrawal("non")).await.unwrap_err();
        assert_eq!((refused.status, refused.code()), (absent.status, absent.code()), "{who:?}");
        assert_eq!(refused.status, 404);
    }
    for (body, told) in [
        (json!({"nature": "retrait", "motive": "  "}), "motive"),
        (json!({"nature": "retrait"}), "body"),
        (json!({"nature": "oubli", "motive": "x"}), "body"),
    ] {
        let refused = rectify(&scene.acting(SCHOOL), &id, body).await.unwrap_err();
        assert!(refused.status == 400 && refused.body.to_string().contains(told), "{}", refused.body);
    }
    // A danger that says it corrects what is somebody else's is accepted as one of its own, and says so.
    let mut envelope = envelopes::of_the_hospital();
    envelope["rectifies"] = json!(id);
    let own = scene.accepted(HOSPITAL, &envelope).await;
    let task = scene.task(HOSPITAL, &own, "completer").await.unwrap();
    assert!(task["details"].as_array().unwrap().contains(&json!("/rectifies")), "{task}");
    assert!(clocks(&scene, &own).await.contains("evaluation"));
    assert!(scene.rooms().store.corrections_of(id.parse().unwrap()).await.unwrap().is_empty());
}
