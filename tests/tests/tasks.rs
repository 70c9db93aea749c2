//! Tasks over the wire: who ends one and how, what lets one wait, what brings it back, and what nobody can pass over.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use gateway::demo::envelopes;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Scene, people::*, text};

const WHY: &str = "Soit-transmis du 24 novembre : le magistrat demande d’attendre l’audition.";

#[tokio::test]
async fn the_parents_are_told_by_a_named_person_who_says_how() {
    let scene = Scene::start().await;
    let (id, task) = notice(&scene).await;
    // What it is, until when, and how it may end; never what the exchange says.
    let shown = scene.task(CADRE, &id, "written-notice-parents").await.unwrap();
    assert_eq!((text(&shown, "/state"), text(&shown, "/clock/limit")), ("open".into(), "2026-12-03T09:30:00.000Z".into()));
    assert_eq!(shown["means"], json!(["courrier", "remise-en-main-propre"]));
    assert!(!shown.to_string().contains("FICTIVE"));
    // By telephone is not in writing; the law knows no exception; tomorrow is not done, nor was it long before.
    for (body, code) in [
        (json!({}), "task-means"),
        (json!({"means": "telephone"}), "task-means"),
        (json!({"dispense": "interet-enfant", "words": WHY}), "task-dispense"),
        (json!({"means": "courrier", "on": "2026-11-26"}), "task-day"),
        (json!({"means": "courrier", "on": "2026-10-24"}), "task-day"),
        (json!({"means": "courrier", "on": "0001-01-01"}), "task-day"),
        (json!({"means": "courrier", "words": "court"}), "task-words"),
        (json!({"means": "courrier", "on": "hier"}), "malformed"),
        (json!({"means": "courrier", "cause": "x"}), "malformed"),
    ] {
        assert_eq!(code_of(&scene, CADRE, &format!("{task}/done"), &body).await, code, "{body}");
    }
    for other in [SCHOOL, MAGISTRATE, PMI, FORMER, DPO] {
        assert_eq!(code_of(&scene, other, &format!("{task}/done"), &json!({"means": "courrier"})).await, "not-found", "{other:?}");
    }
    scene.acting(CADRE).post(&format!("{task}/done"), &json!({"means": "courrier", "on": "2026-11-24", "words": WHY})).await.unwrap();
    assert_eq!(code_of(&scene, CADRE, &format!("{task}/done"), &json!({"means": "courrier"})).await, "not-found");
    assert!(scene.task(CADRE, &id, "written-notice-parents").await.is_none());
    // Who, when and how stay readable for the unit and for those who audit it.
    for who in [CRIP, DPO, AUDITOR] {
        let record = scene.acting(who).get(&task).await.unwrap();
        assert_eq!((text(&record, "/state"), text(&record, "/record/on")), ("done".into(), "2026-11-24".into()), "{who:?}");
        assert_eq!((text(&record, "/record/professional"), text(&record, "/record/words")), (CADRE.1.to_owned(), WHY.to_owned()));
    }
    assert_eq!(scene.refused(&scene.acting(MAGISTRATE), &task).await.status, 404);
    assert_eq!(events(&scene, &id).await.iter().filter(|event| *event == "follow-up.done").count(), 1);
}

#[tokio::test]
async fn the_notice_waits_on_a_legal_basis_and_comes_back() {
    let mut scene = Scene::start().await;
    let (id, task) = notice(&scene).await;
    let path = format!("{task}/deferral");
    let wait = |basis: &str, until: &str, words: &str| json!({"basis": basis, "until": until, "words": words});
    let good = wait("reserve-magistrat", "2026-12-15T09:00:00Z", WHY);
    for (who, body, code) in [
        // Without basis, with one that is none here, without a document.
        (CADRE, json!({"until": "2026-12-15T09:00:00Z", "words": WHY}), "malformed"),
        (CADRE, wait("interet-enfant", "2026-12-15T09:00:00Z", WHY), "task-basis"),
        (CADRE, wait("convenance", "2026-12-15T09:00:00Z", WHY), "task-basis"),
        (CADRE, wait("autre", "2026-12-15T09:00:00Z", ""), "task-words"),
        // For ever, or into the past.
        (CADRE, wait("reserve-magistrat", "2126-01-01T00:00:00Z", WHY), "task-end"),
        (CADRE, wait("reserve-magistrat", "2027-02-25T09:30:00.001Z", WHY), "task-end"),
        (CADRE, wait("reserve-magistrat", "2026-11-25T09:30:00Z", WHY), "task-end"),
        // An agent does not decide it, nobody outside knows of it.
        (CRIP, good.clone(), "task-not-your-decision"),
        (MAGISTRATE, good.clone(), "not-found"),
        (SCHOOL, good.clone(), "not-found"),
    ] {
        assert_eq!(code_of(&scene, who, &path, &body).await, code, "{who:?} {body}");
    }
    scene.acting(CADRE).post(&path, &good).await.unwrap();
    let shown = scene.task(CADRE, &id, "written-notice-parents").await.unwrap();
    assert_eq!((text(&shown, "/state"), text(&shown, "/deferred_until")), ("deferred".into(), "2026-12-15T09:00:00.000Z".into()));
    // Its clock of eight days is silent meanwhile, and rings when the wait is over: the lead, and the deputy.
    scene.travel("2026-12-14T09:00:00Z").await;
    scene.until("the warning", || async { told(&scene, CADRE, &id).await.contains(&("report-echu".into(), "warning".into())) }).await;
    assert!(told(&scene, CADRE, &id).await.iter().all(|(clock, _)| clock != "avis-ecrit-parents"));
    scene.travel("2026-12-15T09:00:00Z").await;
    scene.until("it comes back", || async { told(&scene, CADRE, &id).await.contains(&("report-echu".into(), "escalated".into())) }).await;
    let shown = scene.task(CADRE, &id, "written-notice-parents").await.unwrap();
    assert_eq!((text(&shown, "/state"), &shown["clock"]["overdue"]), ("open".into(), &json!(true)));
    // A second wait needs its own basis; all of them together end a year after the task began.
    scene.acting(CADRE).post(&path, &wait("secret-enquete", "2027-03-01T09:00:00Z", WHY)).await.unwrap();
    scene.travel("2027-03-01T10:00:00Z").await;
    scene.acting(CADRE).post(&path, &wait("secret-enquete", "2027-05-30T09:00:00Z", WHY)).await.unwrap();
    scene.travel("2027-05-30T10:00:00Z").await;
    scene.acting(CADRE).post(&path, &wait("secret-enquete", "2027-08-29T09:00:00Z", WHY)).await.unwrap();
    scene.travel("2027-08-29T10:00:00Z").await;
    scene.acting(CADRE).post(&path, &wait("secret-enquete", "2027-11-25T09:00:00Z", WHY)).await.unwrap();
    scene.travel("2027-11-25T09:10:00Z").await;
    assert_eq!(code_of(&scene, CADRE, &path, &wait("secret-enquete", "2027-11-26T09:00:00Z", WHY)).await, "task-end");
    let read = scene.acting(CADRE).get(&task).await.unwrap();
    assert_eq!((read["deferrals"].as_array().unwrap().len(), text(&read, "/deferrals/0/words")), (5, WHY.to_owned()));
    // Done in the end, and nothing rings any more.
    scene.acting(CADRE).post(&format!("{task}/done"), &json!({"means": "remise-en-main-propre"})).await.unwrap();
    let clocks = scene.acting(CADRE).get("/v1/clocks").await.unwrap();
    assert!(clocks["clocks"].as_array().unwrap().iter().all(|clock| clock["exchange"] != id.as_str()), "{clocks}");
}

#[tokio::test]
async fn what_must_not_wait_does_not_and_a_child_may_be_spared_with_a_reason() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    envelope["information"] = json!({"parents": {"informed": "a-faire"}, "child": {"informed": "a-faire"}});
    let id = scene.accepted(SCHOOL, &envelope).await;
    // An analysis cannot be put off.
    let analysis = path(&scene.task(CADRE, &id, "premiere-analyse").await.unwrap());
    let wait = json!({"basis": "reserve-magistrat", "until": "2026-12-15T09:00:00Z", "words": WHY});
    assert_eq!(code_of(&scene, CADRE, &format!("{analysis}/deferral"), &wait).await, "task-not-deferrable");
    // The one lawful exception to informing the parents: the child's interest, with its reason and its author.
    let inform = path(&scene.task(SCHOOL, &id, "inform-parents").await.expect("the school informs the parents"));
    for (body, code) in [
        (json!({"dispense": "reserve-magistrat", "words": WHY}), "task-dispense"),
        (json!({"dispense": "interet-enfant"}), "task-words"),
        (json!({"dispense": "interet-enfant", "words": "   danger    "}), "task-words"),
    ] {
        assert_eq!(code_of(&scene, SCHOOL, &format!("{inform}/done"), &body).await, code, "{body}");
    }
    scene.acting(SCHOOL).post(&format!("{inform}/done"), &json!({"dispense": "interet-enfant", "words": WHY})).await.unwrap();
    let record = scene.acting(SCHOOL).get(&inform).await.unwrap();
    assert_eq!((text(&record, "/record/dispense"), text(&record, "/record/professional")), ("interet-enfant".into(), SCHOOL.1.into()));
}

#[tokio::test]
async fn a_child_of_another_departement_is_passed_on_and_the_receipt_stays() {
    let scene = Scene::start().await;
    // The school is here, the child lives in Tarn-et-Garonne: the residence counts (R83).
    let mut envelope = envelopes::of_the_school();
    envelope["subjects"][0]["address"] = json!({"lines": ["3 quai Inventé"], "postcode": "82000", "city": "Port-Exemple"});
    let key = gateway::client::new_key().unwrap();
    let school = scene.acting(SCHOOL);
    let deposited = school.submit(&envelope, &key).await.unwrap();
    let id = text(&deposited, "/id");
    let task = path(&scene.task(CADRE, &id, "reroute").await.expect("R83: the competent département gets it"));
    assert!(
        scene.task(CADRE, &scene.accepted(SCHOOL, &envelopes::of_the_school()).await, "reroute").await.is_none(),
        "a child of here stays"
    );
    // Where it went is what ends it: a département that exists, or the exchange that carried it.
    for (body, code) in
        [(json!({}), "task-destination"), (json!({"departement": "20"}), "task-destination"), (json!({"exchange": id}), "task-destination")]
    {
        assert_eq!(code_of(&scene, CADRE, &format!("{task}/done"), &body).await, code, "{body}");
    }
    scene.acting(CADRE).post(&format!("{task}/done"), &json!({"departement": "82"})).await.unwrap();
    assert!(scene.task(CADRE, &id, "reroute").await.is_none());
    assert_eq!(text(&scene.acting(DPO).get(&task).await.unwrap(), "/record/departement"), "82");
    // The school holds the receipt of its deposit, and learns nothing of where the file is treated.
    assert_eq!(school.submit(&envelope, &key).await.unwrap(), deposited);
    assert!(!school.get(&format!("/v1/exchanges/{id}")).await.unwrap().to_string().contains("\"82\""));
}

#[tokio::test]
async fn what_an_answer_ends_needs_nobodys_word() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let has = async |code| scene.task(CRIP, &id, code).await.is_some();
    assert!(has("acknowledge").await && has("feedback-due").await);
    scene.taken_in_charge(&id).await;
    assert!(!has("acknowledge").await && has("feedback-due").await);
    scene.accepted(CRIP, &envelopes::retour(&id)).await;
    assert!(!has("feedback-due").await && has("evaluation").await);
}

#[tokio::test]
async fn a_child_who_could_not_be_met_is_referred_to_justice() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let evaluation = path(&scene.task(CRIP, &id, "evaluation").await.unwrap());
    assert_eq!(code_of(&scene, CRIP, &format!("{evaluation}/done"), &json!({"finding": "justifiee"})).await, "task-finding");
    // An exchange is not evaluated before it came in.
    let early = json!({"finding": "mineur-non-rencontre", "on": "2026-11-24"});
    assert_eq!(code_of(&scene, CRIP, &format!("{evaluation}/done"), &early).await, "task-day");
    scene.acting(CRIP).post(&format!("{evaluation}/done"), &json!({"finding": "mineur-non-rencontre", "on": "2026-11-25"})).await.unwrap();
    let referred = scene.task(CRIP, &id, "refer-justice").await.expect("R19: the judicial authority is seized");
    assert_eq!(text(&referred, "/clock/limit"), "2026-11-26T09:30:00.000Z");
    // It ends by a signalement that this unit really sent.
    let done = format!("{}/done", path(&referred));
    let before = scene.accepted(CADRE, &envelopes::signalement(&id)).await;
    for (body, code) in [
        (json!({}), "task-destination"),
        (json!({"exchange": id}), "task-destination"),
        (json!({"exchange": exchange::ExchangeId::new()}), "task-destination"),
    ] {
        assert_eq!(code_of(&scene, CRIP, &done, &body).await, code, "{body}");
    }
    scene.acting(CRIP).post(&done, &json!({"exchange": before})).await.unwrap();
    assert!(scene.task(CRIP, &id, "refer-justice").await.is_none());
}

#[tokio::test]
async fn an_emergency_placement_reaches_the_judge_within_eight_days() {
    let mut scene = Scene::start().await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    let suites = scene.accepted(MAGISTRATE, &envelopes::suites(&signalement)).await;
    let task = scene.task(MAGISTRATE, &suites, "seize-judge").await.expect("R62");
    assert_eq!(text(&task, "/clock/limit"), "2026-12-01T23:00:00.000Z");
    // Without a placement nothing starts; a date to come starts nothing later than now.
    let mut other = envelopes::suites(&signalement);
    other["payload"]["suites"] = json!(["saisine-juge-des-enfants"]);
    let other = scene.accepted(MAGISTRATE, &other).await;
    assert!(scene.task(MAGISTRATE, &other, "seize-judge").await.is_none());
    let mut ahead = envelopes::suites(&signalement);
    ahead["payload"]["date_suite"] = json!("2027-06-01");
    let ahead = scene.accepted(MAGISTRATE, &ahead).await;
    let late = scene.task(MAGISTRATE, &ahead, "seize-judge").await.unwrap();
    assert_eq!(text(&late, "/clock/limit"), "2026-12-03T09:30:00.000Z");
    // The fifth day warns; seizing, recorded, stops it.
    scene.travel("2026-11-28T23:00:00Z").await;
    scene
        .until("the fifth day", || async { told(&scene, MAGISTRATE, &suites).await == [("opp-je".to_owned(), "warning".to_owned())] })
        .await;
    scene.acting(MAGISTRATE).post(&format!("{}/done", path(&task)), &json!({"on": "2026-11-27"})).await.unwrap();
    scene.travel("2026-12-04T09:30:00Z").await;
    scene.until("the other is overdue", || async { told(&scene, MAGISTRATE, &ahead).await.len() >= 2 }).await;
    assert_eq!(told(&scene, MAGISTRATE, &suites).await.len(), 1);
}

#[tokio::test]
async fn a_danger_that_waits_is_not_erased() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let erase = async |id: &str| {
        let request = scene.acting(DPO).request(Method::DELETE, &format!("/v1/exchanges/{id}")).json(&json!({"motive": "essai"}));
        request.send().await.unwrap().status()
    };
    assert_eq!(erase(&id).await, StatusCode::CONFLICT);
    // Sent back unread is no answer: the sender has not said yet what becomes of it.
    let delivery = scene.delivery_of(CADRE, "crip", &id).await;
    let refusal = json!({"outcome": "not-for-us", "reason": "Hors du département."});
    scene.acting(CADRE).post(&format!("/v1/mailbox/{delivery}/acknowledgement"), &refusal).await.unwrap();
    assert_eq!(erase(&id).await, StatusCode::CONFLICT);
    let task = path(&scene.task(SCHOOL, &id, "remise-refusee").await.unwrap());
    scene.acting(SCHOOL).post(&format!("{task}/done"), &json!({"departement": "81"})).await.unwrap();
    assert_eq!(erase(&id).await, StatusCode::NO_CONTENT);
    // What is no danger needs no answer.
    let retour = scene.accepted(CRIP, &envelopes::retour(&scene.accepted(SCHOOL, &envelopes::of_the_school()).await)).await;
    let own = scene.acting(DPO).request(Method::DELETE, &format!("/v1/exchanges/{retour}")).json(&json!({"motive": "essai"}));
    assert_eq!(own.send().await.unwrap().status(), StatusCode::NOT_FOUND, "it came to another institution");
}

/// A signalement of the CRIP and the path of its task to tell the parents.
async fn notice(scene: &Scene) -> (String, String) {
    let id = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    let task = scene.task(CADRE, &id, "written-notice-parents").await.expect("R32: the parents are told in writing");
    (id, path(&task))
}

fn path(task: &Value) -> String {
    format!("/v1/follow-ups/{}", text(task, "/follow_up"))
}

/// The code of a refusal that must come.
async fn code_of(scene: &Scene, who: (&str, &str), path: &str, body: &Value) -> String {
    let refusal = tests::scene::problem(scene.acting(who).post(path, body).await).expect_err("must be refused");
    assert!(refusal.body["detail"].as_str().is_some_and(|text| !text.is_empty()) && refusal.body["cure"].is_string());
    refusal.code().to_owned()
}

/// Clock and stage of what this person's units were told of an exchange.
async fn told(scene: &Scene, who: (&str, &str), exchange: &str) -> Vec<(String, String)> {
    let due = scene.acting(who).get("/v1/clocks").await.unwrap();
    let mine = due["reminders"].as_array().unwrap().iter().filter(|one| one["exchange"] == exchange);
    mine.map(|one| (text(one, "/clock"), text(one, "/stage"))).collect()
}

async fn events(scene: &Scene, exchange: &str) -> Vec<String> {
    scene.rooms().store.entries_of(exchange.parse().unwrap()).await.unwrap().into_iter().map(|entry| entry.event).collect()
}
