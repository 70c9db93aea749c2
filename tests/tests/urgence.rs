//! Emergency access over the wire: what it gives and to whom, what it never reaches, when it ends, and who looks at it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, time::Duration};

use gateway::demo::{World, envelopes};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Scene, people::*, text};

/// On-call decision maker of the ASE: works in another unit than the CRIP.
const ON_CALL: (&str, &str) = ("departement-31", "p-6n1vx");
/// Educator of the ASE.
const ASE: (&str, &str) = ("departement-31", "p-2w9rt");
const REASON: &str = "Appel du 17 à 2 h : l’enfant est seule, il faut l’adresse et les faits.";

#[tokio::test]
async fn who_is_on_call_reads_what_was_asked_for_and_nothing_else() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let path = format!("/v1/exchanges/{id}/urgence");
    assert_eq!(scene.refused(&scene.acting(ON_CALL), &format!("/v1/exchanges/{id}")).await.status, 404, "not in the ordinary way");
    let read = scene.acting(ON_CALL).post(&path, &asked(&["identite", "social"])).await.unwrap();
    assert_eq!(
        (text(&read, "/subjects/0/birth_name"), text(&read, "/payload/faits/1/source")),
        ("FICTIVE".into(), "dit-par-l-enfant".into())
    );
    assert_eq!(text(&read, "/urgence/until"), "2026-11-25T11:30:00.000Z", "two hours when nothing is said");
    for absent in ["/subjects/0/address", "/payload/propos_enfant", "/payload/scolarite", "/payload/declarant"] {
        assert!(read.pointer(absent).is_none(), "{absent}");
    }
    // What came to the CRIP is still unread there, and its clocks run.
    let waiting = scene.waiting(&scene.acting(CRIP), "crip").await;
    assert!(waiting[0]["opened_at"].is_null());
    // The entry stands in the signed log; its opening does not hold the reason.
    let entries = scene.rooms().store.entries_of(id.parse().unwrap()).await.unwrap();
    let entry = entries.iter().find(|entry| entry.event == "break-glass").unwrap();
    assert!(entry.index.is_some());
    let metrics = scene.local("/metrics").await;
    assert!(metrics.contains("passerelle_emergency_accesses_total 1"), "{metrics}");
}

#[tokio::test]
async fn the_reporter_and_what_leads_to_the_reporter_are_never_reached() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_hospital();
    envelope["payload"]["declarant"]["nom"] = json!("INVENTÉE");
    envelope["payload"]["constats_sante"]["auteur"] = json!("10003456787");
    let id = scene.accepted(HOSPITAL, &envelope).await;
    let all: Vec<&str> = exchange::DataClass::ALL.iter().map(|class| class.as_str()).collect();
    for who in [ON_CALL, CADRE, PMI] {
        let read = scene.acting(who).post(&format!("/v1/exchanges/{id}/urgence"), &asked(&all)).await.unwrap();
        let whole = read.to_string();
        // Not the thing, and not that it was withheld.
        for hidden in ["INVENTÉE", "10003456787", "36491098", "declarant\":", "\"part\":\"declarant", "lieu-accueil\",\"reasons"] {
            assert!(!whole.contains(hidden), "{who:?}: {hidden}: {whole}");
        }
        assert!(whole.contains("FICTVE"));
    }
}

#[tokio::test]
async fn without_a_reason_a_class_or_a_limit_nothing_is_said() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let nothing = exchange::ExchangeId::new().to_string();
    for (body, code) in [
        (json!({"classes": ["social"]}), "urgence-reason"),
        (json!({"classes": ["social"], "reason": "urgent"}), "urgence-reason"),
        (json!({"classes": ["social"], "reason": "                              "}), "urgence-reason"),
        (json!({"reason": REASON}), "urgence-classes"),
        (json!({"reason": REASON, "classes": ["tout"]}), "urgence-classes"),
        (json!({"reason": REASON, "classes": ["social"], "minutes": 121}), "urgence-duration"),
        (json!({"reason": REASON, "classes": ["social"], "minutes": 0}), "urgence-duration"),
        (json!({"reason": REASON, "classes": ["social"], "for_ever": true}), "malformed"),
    ] {
        // The same whether something is there or not, and whoever asks.
        for (who, id) in [(ON_CALL, &id), (ON_CALL, &nothing), (SCHOOL, &id), (DPO, &id)] {
            assert_eq!(refused(&scene, who, &format!("/v1/exchanges/{id}/urgence"), &body).await.0, code, "{who:?} {body}");
        }
    }
    assert!(scene.task(DPO, &id, "review-emergency").await.is_none());
}

#[tokio::test]
async fn for_those_who_may_not_know_there_is_nothing() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    envelope["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": ASE.1}]);
    let id = scene.accepted(SCHOOL, &envelope).await;
    let delivery = scene.delivery_of(CADRE, "crip", &id).await;
    let ghost = exchange::ExchangeId::new().to_string();
    // Other institutions, the sender too; no part in child protection; somebody from whom the file is sealed.
    for who in [SCHOOL, HOSPITAL, TEACHER, MAGISTRATE, CAF, TOWN_HALL, DPO, AUDITOR, ASE] {
        for (there, not) in [
            (format!("/v1/exchanges/{id}/urgence"), format!("/v1/exchanges/{ghost}/urgence")),
            (format!("/v1/mailbox/{delivery}/urgence"), format!("/v1/mailbox/{ghost}/urgence")),
        ] {
            let (theirs, none) =
                (refused(&scene, who, &there, &asked(&["social"])).await, refused(&scene, who, &not, &asked(&["social"])).await);
            assert_eq!(theirs, none, "{who:?} {there}");
            assert_eq!(theirs.0, "not-found", "{who:?}");
        }
    }
    // A machine of the institution is nobody.
    let machine = scene.institution("departement-31").post(&format!("/v1/exchanges/{id}/urgence"), &asked(&["social"])).await;
    assert_eq!(tests::scene::problem(machine).unwrap_err().code(), "token-missing");
    // Once erased there is nothing either, for whoever could have read it.
    scene.taken_in_charge(&id).await;
    assert_eq!(erase(&scene, &id).await, StatusCode::NO_CONTENT);
    assert_eq!(refused(&scene, ON_CALL, &format!("/v1/exchanges/{id}/urgence"), &asked(&["social"])).await.0, "not-found");
    assert_eq!(scene.acting(DPO).get("/v1/urgences").await.unwrap()["urgences"], json!([]));
}

#[tokio::test]
async fn it_lasts_as_long_as_was_said_and_not_a_minute_more() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let delivery = scene.delivery_of(CADRE, "crip", &id).await;
    let path = format!("/v1/mailbox/{delivery}/urgence");
    let mut ask = asked(&["identite", "social"]);
    ask["minutes"] = json!(30);
    let first = scene.acting(ON_CALL).post(&path, &ask).await.unwrap();
    scene.clock.advance(Duration::from_secs(29 * 60));
    // Again, all or a part of it, by either id, without another word.
    let again = scene.acting(ON_CALL).post(&path, &json!({})).await.unwrap();
    let part = scene.acting(ON_CALL).post(&format!("/v1/exchanges/{id}/urgence"), &json!({"classes": ["social"]})).await.unwrap();
    assert_eq!((&again["urgence"]["grant"], &part["urgence"]["grant"]), (&first["urgence"]["grant"], &first["urgence"]["grant"]));
    assert!(!part.to_string().contains("FICTIVE") && part["payload"]["faits"].is_array());
    // Another class, or another person, is another access.
    assert_eq!(refused(&scene, ON_CALL, &path, &json!({"classes": ["parole-enfant"]})).await.0, "urgence-reason");
    assert_eq!(refused(&scene, ASE, &path, &json!({"classes": ["social"]})).await.0, "urgence-reason");
    scene.clock.advance(Duration::from_secs(60));
    assert_eq!(refused(&scene, ON_CALL, &path, &json!({})).await.0, "urgence-reason");
    let register = scene.acting(DPO).get("/v1/urgences").await.unwrap();
    assert_eq!((register["urgences"].as_array().unwrap().len(), &register["urgences"][0]["uses"]), (1, &json!(3)));
    let events = scene.rooms().store.entries_of(id.parse().unwrap()).await.unwrap();
    assert_eq!(events.iter().filter(|entry| entry.event == "break-glass").count(), 3, "each reading is an entry");
}

#[tokio::test]
async fn those_who_answer_for_it_are_told_at_once_and_review_it() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let read = scene.acting(ON_CALL).post(&format!("/v1/exchanges/{id}/urgence"), &asked(&["social"])).await.unwrap();
    for who in [DPO, CADRE] {
        let due = scene.acting(who).get("/v1/clocks").await.unwrap();
        let told = due["reminders"].as_array().unwrap().iter().find(|one| one["clock"] == "revue-urgence").expect("told at once");
        assert_eq!((text(told, "/professional"), text(told, "/fired_at")), (who.1.to_owned(), tests::NOW.to_owned()));
    }
    // Nobody else has the task, not even in the unit that was read over its shoulder.
    for who in [CRIP, ON_CALL, AUDITOR] {
        assert!(scene.task(who, &id, "review-emergency").await.is_none(), "{who:?}");
    }
    // The register: who, when, by which rule, reviewed or not; the reason is read with the task, and that is logged.
    let register = scene.acting(AUDITOR).get("/v1/urgences").await.unwrap();
    let access = &register["urgences"][0];
    assert_eq!((&access["grant"], text(access, "/professional/subject")), (&read["urgence"]["grant"], ON_CALL.1.to_owned()));
    assert_eq!((&access["reviewed"], text(access, "/reviews/0/limit")), (&json!(false), "2026-11-28T09:30:00.000Z".into()));
    assert!(access["rules"].as_array().unwrap().contains(&json!("R81")) && !register.to_string().contains("enfant est seule"));
    for who in [CRIP, ON_CALL, SCHOOL] {
        assert_eq!(scene.refused(&scene.acting(who), "/v1/urgences").await.code(), "role-missing");
    }
    let task = path(&scene.task(DPO, &id, "review-emergency").await.unwrap());
    assert_eq!(text(&scene.acting(DPO).get(&task).await.unwrap(), "/urgence/reason"), REASON);
    for who in [CRIP, ON_CALL, SCHOOL] {
        assert_eq!(scene.refused(&scene.acting(who), &task).await.status, 404);
    }
    // What was read in an emergency does not vanish before somebody has looked at it.
    scene.taken_in_charge(&id).await;
    assert_eq!(erase(&scene, &id).await, StatusCode::CONFLICT);
    assert_eq!(refused(&scene, DPO, &format!("{task}/done"), &json!({})).await.0, "task-finding");
    assert_eq!(refused(&scene, DPO, &format!("{task}/done"), &json!({"finding": "mineur-rencontre"})).await.0, "task-finding");
    assert_eq!(refused(&scene, CADRE, &format!("{task}/done"), &json!({"finding": "justifiee"})).await.0, "not-found", "each its own");
    scene.acting(DPO).post(&format!("{task}/done"), &json!({"finding": "justifiee"})).await.unwrap();
    assert_eq!(scene.acting(DPO).get("/v1/urgences").await.unwrap()["urgences"][0]["reviewed"], json!(false));
    let own = path(&scene.task(CADRE, &id, "review-emergency").await.unwrap());
    let words = "La cadre d’astreinte pouvait attendre l’ouverture du matin.";
    scene.acting(CADRE).post(&format!("{own}/done"), &json!({"finding": "non-justifiee", "words": words})).await.unwrap();
    let access = scene.acting(DPO).get("/v1/urgences").await.unwrap()["urgences"][0].clone();
    assert_eq!(access["reviewed"], json!(true));
    let findings: Vec<&Value> = access["reviews"].as_array().unwrap().iter().map(|review| &review["finding"]).collect();
    assert!(findings.contains(&&json!("justifiee")) && findings.contains(&&json!("non-justifiee")));
    assert_eq!(erase(&scene, &id).await, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn whom_the_file_is_sealed_from_does_not_review_and_one_person_reviews_once() {
    let scene = Scene::start_with(|world| {
        // The data-protection officer is also a head of the CRIP.
        let file = world.folder.join("directory/professionals/departement-31.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("roles = [\"dpo\"]", "roles = [\"dpo\", \"cadre-crip\"]")).unwrap();
    })
    .await;
    let by = |who: (&str, &str)| json!({"issuer": "urn:passerelle:institution:departement-31", "subject": who.1});
    // Both that answer for emergencies are accused in this file: for them it does not exist, and an auditor looks.
    let mut sealed = envelopes::of_the_school();
    sealed["exclus"] = json!([by(DPO), by(CADRE)]);
    let id = scene.accepted(SCHOOL, &sealed).await;
    scene.acting(ON_CALL).post(&format!("/v1/exchanges/{id}/urgence"), &asked(&["social"])).await.unwrap();
    assert!(scene.task(DPO, &id, "review-emergency").await.is_none() && scene.task(CADRE, &id, "review-emergency").await.is_none());
    assert!(scene.task(AUDITOR, &id, "review-emergency").await.is_some());

    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.acting(ON_CALL).post(&format!("/v1/exchanges/{id}/urgence"), &asked(&["social"])).await.unwrap();
    let first = path(&scene.task(DPO, &id, "review-emergency").await.unwrap());
    scene.acting(DPO).post(&format!("{first}/done"), &json!({"finding": "justifiee"})).await.unwrap();
    let second = path(&scene.task(DPO, &id, "review-emergency").await.unwrap());
    assert_eq!(refused(&scene, DPO, &format!("{second}/done"), &json!({"finding": "justifiee"})).await.0, "reviewed-before");
    scene.acting(CADRE).post(&format!("{second}/done"), &json!({"finding": "justifiee"})).await.unwrap();
}

#[tokio::test]
async fn a_review_that_is_late_reaches_the_auditor() {
    let mut scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.acting(ON_CALL).post(&format!("/v1/exchanges/{id}/urgence"), &asked(&["social"])).await.unwrap();
    assert_eq!(escalated(&scene, AUDITOR).await, 0);
    scene.travel("2026-11-28T09:30:00Z").await;
    scene.until("the auditor is told", || async { escalated(&scene, AUDITOR).await == 2 }).await;
    assert_eq!(scene_told(&scene, DPO).await.iter().filter(|one| one["stage"] == "overdue").count(), 1);
    assert_eq!(scene.acting(DPO).get("/v1/urgences").await.unwrap()["urgences"][0]["reviews"][0]["overdue"], json!(true));
    let task = scene.task(DPO, &id, "review-emergency").await.unwrap();
    assert_eq!(task["clock"]["overdue"], json!(true));
}

#[tokio::test]
async fn nobody_reviews_an_access_of_their_own() {
    // Two heads of the CRIP, one of whom is on call.
    let scene =
        Scene::start_with(|world| directory(world, "departement-31", "roles = [\"astreinte\"]", "roles = [\"astreinte\", \"cadre-crip\"]"))
            .await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.acting(ON_CALL).post(&format!("/v1/exchanges/{id}/urgence"), &asked(&["social"])).await.unwrap();
    let task = path(&scene.task(ON_CALL, &id, "review-emergency").await.expect("the function's task is seen by all who have it"));
    assert_eq!(refused(&scene, ON_CALL, &format!("{task}/done"), &json!({"finding": "justifiee"})).await.0, "review-own");
    scene.acting(CADRE).post(&format!("{task}/done"), &json!({"finding": "justifiee"})).await.unwrap();
    // The only head of the CRIP: an auditor reviews in the place of that function.
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.acting(CADRE).post(&format!("/v1/exchanges/{id}/urgence"), &asked(&["social"])).await.unwrap();
    assert!(scene.task(CADRE, &id, "review-emergency").await.is_none());
    assert!(scene.task(AUDITOR, &id, "review-emergency").await.is_some() && scene.task(DPO, &id, "review-emergency").await.is_some());
    // An institution without these functions: a colleague of the unit reviews.
    let signalement = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    scene.acting(MAGISTRATE).post(&format!("/v1/exchanges/{signalement}/urgence"), &asked(&["social"])).await.unwrap();
    let task = path(&scene.task(MAGISTRATE, &signalement, "review-emergency").await.unwrap());
    assert_eq!(refused(&scene, MAGISTRATE, &format!("{task}/done"), &json!({"finding": "justifiee"})).await.0, "review-own");
    scene.acting(("parquet-toulouse", "p-9m4jb")).post(&format!("{task}/done"), &json!({"finding": "justifiee"})).await.unwrap();
    // Where nobody else could look at it, it is not given.
    let ended = "unit = \"permanence\"\nfrom = 2025-01-01";
    let change = |world: &mut World| directory(world, "justice", ended, &format!("{ended}\nto = 2025-12-31"));
    let scene = Scene::start_with(change).await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    let path = format!("/v1/exchanges/{signalement}/urgence");
    assert_eq!(refused(&scene, MAGISTRATE, &path, &asked(&["social"])).await.0, "urgence-nobody-reviews");
}

/// An emergency for these classes, with a reason.
fn asked(classes: &[&str]) -> Value {
    json!({"reason": REASON, "classes": classes})
}

fn path(task: &Value) -> String {
    format!("/v1/follow-ups/{}", text(task, "/follow_up"))
}

/// Code and body of a refusal that must come, less what names the request.
async fn refused(scene: &Scene, who: (&str, &str), path: &str, body: &Value) -> (String, Value) {
    let refusal = tests::scene::problem(scene.acting(who).post(path, body).await).expect_err("must be refused");
    let mut body = refusal.body.clone();
    body.as_object_mut().unwrap().remove("instance");
    (refusal.code().to_owned(), body)
}

async fn erase(scene: &Scene, id: &str) -> StatusCode {
    let request = scene.acting(DPO).request(Method::DELETE, &format!("/v1/exchanges/{id}")).json(&json!({"motive": "essai"}));
    request.send().await.unwrap().status()
}

async fn scene_told(scene: &Scene, who: (&str, &str)) -> Vec<Value> {
    scene.acting(who).get("/v1/clocks").await.unwrap()["reminders"].as_array().unwrap().clone()
}

async fn escalated(scene: &Scene, who: (&str, &str)) -> usize {
    scene_told(scene, who).await.iter().filter(|one| one["clock"] == "revue-urgence" && one["stage"] == "escalated").count()
}

/// Changes a line of a file of professionals before the start.
fn directory(world: &World, file: &str, old: &str, new: &str) {
    let file = world.folder.join(format!("directory/professionals/{file}.toml"));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(old));
    fs::write(&file, text.replacen(old, new, 1)).unwrap();
}
