//! « Dossier connu ? » inside one Département: the question and its answer are exchanges; the vault compares for the asked side
//! alone, and a named person answers. Who asks learns nothing from the asking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use gateway::demo::envelopes;
use serde_json::{Value, json};
use tests::{Problem, Scene, people::*, scene::problem, text};

/// On call at the aide sociale à l’enfance.
const ON_CALL: (&str, &str) = ("departement-31", "p-6n1vx");
/// A Wednesday evening, when the on-call service takes what is immediate.
const EVENING: &str = "2026-11-25T21:00:00.000Z";

#[tokio::test]
async fn a_child_is_known_when_a_person_of_the_asked_side_says_so() {
    let scene = evening().await;
    // The school told the CRIP of Capucine, and of another child.
    let told = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let other = scene.accepted(SCHOOL, &of_a_child("Barnabé", "INVENTÉ", "2015-06-07")).await;

    // The on-call service has a report of its own about the same child, and one about a child nobody knows.
    let same = on_call(&scene, &envelopes::of_the_school()).await;
    let stranger = on_call(&scene, &of_a_child("Zoé", "AUTREMENT", "2016-01-09")).await;

    // It asks the CRIP: the answers to the asking are the same, whether she is known or not.
    let question = asks(&scene, "dossier-7", &same).await.unwrap();
    let unknown = asks(&scene, "dossier-7", &stranger).await.unwrap();

    // Who asks is not told; nor is anybody of another unit or institution, nor of a question that does not exist.
    for who in [ON_CALL, PMI, HOSPITAL, TEACHER, MAGISTRATE, FORMER] {
        let refused = looked_up(&scene, who, &question).await.unwrap_err();
        let nothing = looked_up(&scene, who, "0190b8c5-0000-7000-8000-000000000000").await.unwrap_err();
        assert_eq!((refused.status, refused.code()), (404, "not-found"), "{who:?}");
        assert_eq!(alike(&refused), alike(&nothing), "{who:?}");
    }

    // The CRIP sees what the vault would answer, and by which exchanges of its own.
    let known = looked_up(&scene, CRIP, &question).await.unwrap();
    assert_eq!(known["proposal"], "connu");
    let exchanges: Vec<&str> = known["exchanges"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    assert!(exchanges.contains(&told.as_str()) && !exchanges.contains(&other.as_str()), "{known}");
    assert!(!exchanges.contains(&same.as_str()), "what belongs to the asker is not the CRIP's to see");
    let inconnu = looked_up(&scene, CRIP, &unknown).await.unwrap();
    assert_eq!((inconnu["proposal"].clone(), inconnu["exchanges"].clone()), (json!("inconnu"), json!([])));

    // The agent answers, in an exchange of its own; nothing reached who asked before.
    assert!(scene.waiting(&scene.acting(ON_CALL), "astreinte-ase").await.iter().all(|one| one["type"] != "dossier-connu"));
    let answer = json!({
        "type": "dossier-connu",
        "sender": {"institution": "departement-31", "unit": "crip"}, "recipient": {"institution": "departement-31", "unit": "astreinte-ase"},
        "in_reply_to": question, "payload": {"reponse": {"resultat": "connu", "nature_lien": "ip-en-cours"}},
    });
    let answered = scene.accepted(CRIP, &answer).await;
    let read = scene.opened(ON_CALL, "astreinte-ase", &answered).await;
    assert_eq!(text(&read, "/payload/reponse/resultat"), "connu");

    let metrics = scene.local("/metrics").await;
    assert!(metrics.contains("passerelle_known_questions_total 2"), "each question is counted");
}

#[tokio::test]
async fn a_likeness_is_ambiguous_and_an_exclusion_is_unknown() {
    let scene = evening().await;
    scene.accepted(HOSPITAL, &envelopes::of_the_hospital()).await;
    let like = on_call(&scene, &envelopes::of_the_school()).await;
    let question = asks(&scene, "dossier-8", &like).await.unwrap();
    assert_eq!(looked_up(&scene, CRIP, &question).await.unwrap()["proposal"], "ambigu");

    // A file from which the person who asks is excluded does not exist for that person.
    let mut sealed = of_a_child("Lucie", "SCELLÉE", "2013-03-03");
    sealed["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": ON_CALL.1}]);
    scene.accepted(SCHOOL, &sealed).await;
    let same = on_call(&scene, &of_a_child("Lucie", "SCELLÉE", "2013-03-03")).await;
    let question = asks(&scene, "dossier-9", &same).await.unwrap();
    let proposal = looked_up(&scene, CRIP, &question).await.unwrap();
    assert_eq!((proposal["proposal"].clone(), proposal["exchanges"].clone()), (json!("inconnu"), json!([])));
}

#[tokio::test]
async fn a_question_about_a_sealed_exchange_is_not_there_for_whom_it_is_sealed_from() {
    let scene = evening().await;
    let mut sealed = of_a_child("Lucie", "SCELLÉE", "2013-03-03");
    sealed["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": CRIP.1}]);
    let about = on_call(&scene, &sealed).await;
    let question = asks(&scene, "dossier-3", &about).await.unwrap();
    let refused = looked_up(&scene, CRIP, &question).await.unwrap_err();
    let nothing = looked_up(&scene, CRIP, "0190b8c5-0000-7000-8000-000000000000").await.unwrap_err();
    assert_eq!(alike(&refused), alike(&nothing));
    assert_eq!(looked_up(&scene, CADRE, &question).await.unwrap()["proposal"], "inconnu");
}

#[tokio::test]
async fn one_person_asks_thirty_times_a_day_whatever_the_cases() {
    let mut scene = evening().await;
    let same = on_call(&scene, &envelopes::of_the_school()).await;
    for n in 0..30 {
        asks(&scene, &format!("dossier-{}", n / 10), &same).await.unwrap();
    }
    assert_eq!(asks(&scene, "dossier-9", &same).await.unwrap_err().code(), "denied");
    scene.travel("2026-11-26T21:00:01.000Z").await;
    asks(&scene, "dossier-9", &same).await.unwrap();
}

#[tokio::test]
async fn a_question_belongs_to_a_case_and_a_case_has_ten() {
    let scene = evening().await;
    let same = on_call(&scene, &envelopes::of_the_school()).await;
    // An exchange that the asker may not read is not there.
    let not_mine = scene.accepted(SCHOOL, &of_a_child("Tom", "AILLEURS", "2012-02-02")).await;
    let refused = asks(&scene, "dossier-1", &not_mine).await.unwrap_err();
    let nothing = asks(&scene, "dossier-1", "0190b8c5-0000-7000-8000-000000000000").await.unwrap_err();
    assert_eq!((refused.code(), alike(&refused)), ("not-found", alike(&nothing)));
    for _ in 0..10 {
        asks(&scene, "dossier-1", &same).await.unwrap();
    }
    let eleventh = asks(&scene, "dossier-1", &same).await.unwrap_err();
    assert_eq!((eleventh.code(), text(&eleventh.body, "/rule")), ("denied", "R07".to_owned()));
    asks(&scene, "dossier-2", &same).await.unwrap();
    // Said once.
    let question = asked(&scene, "dossier-2", &same).await;
    let about = json!({"question": question, "exchange": same, "subject": "s1"});
    scene.acting(ON_CALL).post("/v1/known-questions", &about).await.unwrap();
    assert_eq!(problem(scene.acting(ON_CALL).post("/v1/known-questions", &about).await).unwrap_err().code(), "over");
    // Another's question is not there.
    assert_eq!(problem(scene.acting(CRIP).post("/v1/known-questions", &about).await).unwrap_err().code(), "not-found");
}

async fn evening() -> Scene {
    let mut scene = Scene::start().await;
    scene.travel(EVENING).await;
    scene
}

/// A question that its unit sends to the CRIP, about the first child of an exchange.
async fn asked(scene: &Scene, case: &str, about: &str) -> String {
    let question = json!({
        "type": "dossier-connu",
        "sender": {"institution": "departement-31", "unit": "astreinte-ase"}, "recipient": {"institution": "departement-31", "unit": "crip"},
        "urgency": "priority", "case": case,
        "payload": {"motif": "astreinte", "echange_ref": about, "sujet": "s1"},
    });
    scene.accepted(ON_CALL, &question).await
}

/// The same, and the vault is told whom it means.
async fn asks(scene: &Scene, case: &str, about: &str) -> Result<String, Problem> {
    let question = asked(scene, case, about).await;
    problem(scene.acting(ON_CALL).post("/v1/known-questions", &json!({"question": question})).await)?;
    Ok(question)
}

async fn looked_up(scene: &Scene, who: (&str, &str), question: &str) -> Result<Value, Problem> {
    problem(scene.acting(who).get(&format!("/v1/known-questions/{question}")).await)
}

/// A report about the same subjects that came to the on-call service instead of the CRIP.
async fn on_call(scene: &Scene, envelope: &Value) -> String {
    let report = json!({
        "type": "information-preoccupante", "urgency": "immediate",
        "sender": {"institution": "dsden-31", "unit": "ssfe"}, "recipient": {"institution": "departement-31", "unit": "astreinte-ase"},
        "subjects": envelope["subjects"], "information": envelope["information"], "payload": envelope["payload"], "exclus": envelope["exclus"],
    });
    scene.accepted(SCHOOL, &report).await
}

fn of_a_child(given: &str, name: &str, birth: &str) -> Value {
    let mut envelope = envelopes::of_the_school();
    envelope["subjects"] = json!([{"ref": "s1", "role": "enfant", "birth_name": name, "given_names": [given], "sex": "F", "birth_date": birth, "birth_place": "31069"}]);
    envelope["information"] = json!({"parents": {"informed": "faite"}, "child": {"informed": "faite"}});
    envelope
}

/// An answer without what differs between any two requests.
fn alike(problem: &Problem) -> (u16, Value) {
    let mut body = problem.body.clone();
    body.as_object_mut().unwrap().remove("instance");
    (problem.status, body)
}
