//! What is about danger, over the wire: the copy that the gateway makes of a direct signalement, the magistrate's request,
//! an alert at night, and a feedback that tells nothing else. Clocks, tasks, who reads what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use gateway::demo::{envelopes, requests};
use serde_json::{Value, json};
use tests::{Scene, people::*, text};

#[tokio::test]
async fn the_gateway_makes_the_copy_of_a_direct_signalement() {
    let scene = Scene::start().await;
    let signalement = scene.accepted(HOSPITAL, &requests::direct_signalement()).await;
    // The copy waits for the CRIP: an exchange of its own, from the hospital.
    let waiting = scene.waiting(&scene.acting(CRIP), "crip").await;
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!((&waiting[0]["type"], &waiting[0]["sender"]["institution"]), (&json!("copie-signalement"), &json!("chu-toulouse")));
    let copy = text(&waiting[0], "/exchange");
    assert_ne!(copy, signalement);
    let document = scene.opened(CADRE, "crip", &copy).await;
    assert_eq!(text(&document, "/payload/signalement_ref"), signalement);
    assert_eq!(text(&document, "/payload/parquet_saisi"), "parquet-toulouse");
    assert_eq!(text(&document, "/payload/mode_saisine"), "passerelle");
    assert_eq!(text(&document, "/payload/nature"), "direct-L226-4-II");
    assert!(text(&document, "/payload/faits/0/texte").contains("Lésions"));
    assert_eq!(text(&document, "/payload/declarant/nom"), "INVENTÉE");
    assert_eq!(text(&document, "/subjects/0/birth_name"), "FICTIVE");
    assert_eq!(document["payload"]["reserve_magistrat"]["active"], true);

    // Registered as an information préoccupante, with a feedback due to its author.
    let clocks = running(&scene, &copy).await;
    for clock in ["premiere-analyse", "retour-pro", "accuse"] {
        assert!(clocks.contains_key(clock), "{clock}: {clocks:?}");
    }
    let tasks = tasks(&scene, &copy).await;
    for task in ["acknowledge", "feedback-due", "premiere-analyse", "reserve-magistrat"] {
        assert_eq!(tasks.get(task).map(|(owner, done)| (owner.as_str(), *done)), Some(("departement-31/crip", false)), "{task}: {tasks:?}");
    }
    assert!(!tasks.contains_key("cle-idempotence"), "nobody deposited it");
    // The sender sees its obligation done.
    let own = scene.acting(HOSPITAL).get(&format!("/v1/exchanges/{signalement}")).await.unwrap();
    let due = own["follow_ups"].as_array().unwrap().iter().find(|task| task["code"] == "copy-crip").unwrap().clone();
    assert!(due["done_at"].is_string(), "{due}");
    // Its own decision and entries; the parquet has what is addressed to it, and not the copy.
    assert!(events(&scene, &copy).await.contains(&"exchange.accepted".to_owned()));
    let parquet = scene.acting(MAGISTRATE).get(&format!("/v1/exchanges/{copy}")).await;
    assert!(parquet.is_err(), "the copy is not the parquet's");
    // The feedback answers the copy, and tells a status.
    let mut retour = envelopes::retour(&copy);
    retour["recipient"] = json!({"institution": "chu-toulouse", "unit": "urgences-pediatriques"});
    let retour = scene.accepted(CRIP, &retour).await;
    let read = scene.opened(HOSPITAL, "urgences-pediatriques", &retour).await;
    assert_eq!(text(&read, "/payload/statut"), "evaluation-en-cours");
    assert!(!running(&scene, &copy).await.contains_key("retour-pro"));
}

#[tokio::test]
async fn a_repeat_makes_no_second_copy_and_the_departement_makes_none() {
    let scene = Scene::start().await;
    let hospital = scene.acting(HOSPITAL);
    let key = gateway::client::new_key().unwrap();
    let first = hospital.submit(&requests::direct_signalement(), &key).await.unwrap();
    let again = hospital.submit(&requests::direct_signalement(), &key).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(scene.waiting(&scene.acting(CRIP), "crip").await.len(), 1);
    scene.accepted(CADRE, &envelopes::signalement("x")).await;
    assert_eq!(scene.waiting(&scene.acting(CRIP), "crip").await.len(), 1, "the CRIP needs no copy of its own");
}

#[tokio::test]
async fn a_copy_is_not_made_for_whom_the_file_is_sealed_from_and_the_task_stays() {
    let scene = Scene::start().await;
    let mut sealed = requests::direct_signalement();
    sealed["exclus"] = json!([{"institution": "departement-31"}]);
    let signalement = scene.accepted(HOSPITAL, &sealed).await;
    assert!(scene.waiting(&scene.acting(CRIP), "crip").await.is_empty());
    assert_eq!(tasks(&scene, &signalement).await["copy-crip"], ("chu-toulouse/urgences-pediatriques".to_owned(), false));
    let board = scene.local("/metrics").await;
    assert!(board.lines().any(|line| line.starts_with("passerelle_copies_not_made_total") && line.ends_with(" 1")), "{board}");
    // One professional alone is sealed out: the copy is, too, from this one.
    let mut one = requests::direct_signalement();
    one["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": "p-4f7k2"}]);
    scene.accepted(HOSPITAL, &one).await;
    assert!(scene.waiting(&scene.acting(CRIP), "crip").await.is_empty());
    assert_eq!(scene.waiting(&scene.acting(CADRE), "crip").await.len(), 1);
}

#[tokio::test]
async fn i03_a_copy_that_cannot_be_made_stops_no_signalement() {
    let scene = Scene::start_with(|world| {
        let file = world.folder.join("policies/catalogue/copie-signalement.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("effective_from = 2021-01-01", "effective_from = 2021-01-01\neffective_to = 2026-01-31"))
            .unwrap();
    })
    .await;
    let signalement = scene.accepted(HOSPITAL, &requests::direct_signalement()).await;
    assert!(scene.waiting(&scene.acting(CRIP), "crip").await.is_empty());
    assert_eq!(tasks(&scene, &signalement).await["copy-crip"], ("chu-toulouse/urgences-pediatriques".to_owned(), false));
    let board = scene.local("/metrics").await;
    assert!(board.lines().any(|line| line.starts_with("passerelle_copies_not_made_total") && line.ends_with(" 1")), "{board}");
}

#[tokio::test]
async fn a_copy_answers_nothing_and_lets_no_danger_be_erased() {
    let scene = Scene::start_with(|world| {
        let file = world.folder.join("directory/professionals/justice.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let (before, after) = text.split_once(MINORS.1).unwrap();
        std::fs::write(&file, format!("{before}{}{}", MINORS.1, after.replacen("roles = [", "roles = [\"dpo\", ", 1))).unwrap();
    })
    .await;
    let signalement = scene.accepted(HOSPITAL, &requests::direct_signalement()).await;
    assert_eq!(scene.waiting(&scene.acting(CRIP), "crip").await.len(), 1, "the copy names it as what it answers");
    let erase =
        || scene.acting(MINORS).request(reqwest::Method::DELETE, &format!("/v1/exchanges/{signalement}")).json(&json!({"motive": "essai"}));
    assert_eq!(erase().send().await.unwrap().status(), 409, "nobody at the parquet has read it");
}

#[tokio::test]
async fn a_signalement_that_conforms_to_nothing_is_copied_all_the_same() {
    let scene = Scene::start().await;
    let odd = json!({"type": "signalement", "recipient": "le procureur", "payload": {"faits": "tout en vrac", "inconnu": {"x": 1}}, "subjects": 7});
    scene.accepted(HOSPITAL, &odd).await;
    let waiting = scene.waiting(&scene.acting(CRIP), "crip").await;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0]["incomplete"], true);
}

/// Nobody of the ASE may read every class of a magistrate's request: what it brings unsorted, only the magistrate can mend.
#[tokio::test]
async fn who_sent_what_a_whole_unit_cannot_read_is_asked_to_send_it_again() {
    let scene = Scene::start().await;
    let mut request = requests::soit_transmis();
    request["recipient"]["unit"] = json!("ase");
    let mut odd = request.clone();
    odd["payload"]["inconnu"] = json!("Entendre l’enfant avant vendredi.");
    let first = scene.accepted(MINORS, &odd).await;
    let read = scene.opened(ASE, "ase", &first).await;
    assert!(!read.to_string().contains("vendredi") && read["withheld"].to_string().contains("non_conforme"), "{read}");
    assert!(scene.task(MINORS, &first, "renvoyer-conforme").await.is_some());
    // A correction that does not conform either mends nothing; one that does is read, and ends the task.
    odd["rectifies"] = json!(first);
    scene.accepted(MINORS, &odd).await;
    assert!(scene.task(MINORS, &first, "renvoyer-conforme").await.is_some());
    request["rectifies"] = json!(first);
    let second = scene.accepted(MINORS, &request).await;
    assert!(scene.task(MINORS, &first, "renvoyer-conforme").await.is_none());
    assert!(scene.task(MINORS, &second, "renvoyer-conforme").await.is_none());
}

#[tokio::test]
async fn a_magistrate_sets_the_day_and_is_answered_without_an_agreement() {
    let scene = Scene::start().await;
    let request = scene.accepted(MINORS, &requests::soit_transmis()).await;
    let clocks = running(&scene, &request).await;
    assert_eq!(clocks["soit-transmis"], "2027-01-20T16:00:00.000Z", "the end of the day that the magistrate set");
    assert!(clocks.contains_key("evaluation"), "an evaluation was asked for");
    let due = tasks(&scene, &request).await;
    for task in ["acknowledge", "answer-magistrate", "evaluation", "reserve-magistrat"] {
        assert!(due.contains_key(task), "{task}: {due:?}");
    }
    let read = scene.opened(CADRE, "crip", &request).await;
    assert_eq!(text(&read, "/payload/origine"), "parquet-mineurs");
    // A paper and nothing else is accepted, asks for information, and starts no evaluation.
    let bare = scene.accepted(MINORS, &json!({"type": "soit-transmis", "payload": {"objet": "?"}})).await;
    let clocks = running(&scene, &bare).await;
    assert!(clocks.contains_key("soit-transmis") && !clocks.contains_key("evaluation"), "{clocks:?}");

    let answer = json!({
        "type": "reponse-information", "sender": {"institution": "departement-31", "unit": "crip"},
        "recipient": {"institution": "parquet-toulouse", "unit": "mineurs"}, "in_reply_to": request,
        "payload": {"issue": "repondue", "accompagnement": {"texte": "Suivie depuis mars par la maison des solidarités."}}
    });
    let answer = scene.accepted(CADRE, &answer).await;
    let read = scene.opened(MINORS, "mineurs", &answer).await;
    assert!(text(&read, "/payload/accompagnement/texte").contains("mars"));
    assert!(!running(&scene, &request).await.contains_key("soit-transmis"));
}

#[tokio::test]
async fn an_immediate_alert_at_night_reaches_the_on_call_service_too() {
    let scene = Scene::start().await;
    // Wednesday, 23:00 in Paris.
    scene.clock.set("2026-11-25T22:00:00Z".parse().unwrap());
    let mut envelope = envelopes::of_the_school();
    envelope["urgency"] = json!("immediate");
    // Sealed from one of the on-call service, it does not exist for this person.
    envelope["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": ON_CALL.1}]);
    let sealed = scene.accepted(SCHOOL, &envelope).await;
    assert_eq!(scene.refused(&scene.acting(ON_CALL), &format!("/v1/exchanges/{sealed}")).await.status, 404);
    envelope.as_object_mut().unwrap().remove("exclus");
    let alert = scene.accepted(SCHOOL, &envelope).await;
    let document = scene.opened(ON_CALL, "astreinte-ase", &alert).await;
    assert_eq!(text(&document, "/subjects/0/birth_name"), "FICTIVE");
    let document = scene.opened(CADRE, "crip", &alert).await;
    assert_eq!(text(&document, "/subjects/0/birth_name"), "FICTIVE");
    // Whoever it was handed to follows it and has its evidence, like any recipient; who wrote it is not in there.
    let path = format!("/v1/exchanges/{alert}");
    for who in [CADRE, ON_CALL] {
        let timeline = scene.acting(who).get(&path).await.unwrap();
        assert_eq!(timeline["deliveries"].as_array().unwrap().len(), 2, "{timeline}");
        assert!(timeline["deliveries"][0]["delivery"].is_string(), "{timeline}");
        let evidence = scene.acting(who).get(&format!("{path}/evidence")).await.unwrap();
        let openings = evidence["openings"].as_object().unwrap();
        assert!(openings.contains_key("payload") && !openings.contains_key("professional"), "{who:?}: {evidence}");
        assert!(evidence.get("receipt").is_none_or(Value::is_null) && evidence["proof"].is_string(), "{evidence}");
    }
    for other in [ASE, PMI, FORMER] {
        assert_eq!(scene.refused(&scene.acting(other), &path).await.status, 404, "{other:?}");
    }
    // Two deliveries, each with its decision in the log.
    assert_eq!(scene.rooms().store.deliveries_of(alert.parse().unwrap()).await.unwrap().len(), 2);
    let events = events(&scene, &alert).await;
    assert!(events.contains(&"decision.made".to_owned()), "{events:?}");
    // By day, or when it can wait, the CRIP alone.
    for (at, urgency) in [("2026-11-26T09:30:00Z", "immediate"), ("2026-11-26T22:00:00Z", "priority")] {
        scene.clock.set(at.parse().unwrap());
        let mut envelope = envelopes::of_the_school();
        envelope["urgency"] = json!(urgency);
        let alert = scene.accepted(SCHOOL, &envelope).await;
        assert_eq!(scene.rooms().store.deliveries_of(alert.parse().unwrap()).await.unwrap().len(), 1, "{at} {urgency}");
        assert_eq!(scene.refused(&scene.acting(ON_CALL), &format!("/v1/exchanges/{alert}")).await.status, 404, "{at} {urgency}");
    }
}

#[tokio::test]
async fn a_feedback_tells_a_status_and_nothing_else() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    for (what, more) in
        [("a word", json!({"commentaire": "le parquet est saisi"})), ("another status", json!({"statut": "enquete-penale"}))]
    {
        let mut retour = envelopes::retour(&information);
        retour["payload"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(scene.submit(&scene.acting(CRIP), &retour).await.unwrap_err().code(), "not-conforming", "{what}");
    }
    let mut named = envelopes::retour(&information);
    named["subjects"] = json!([requests::child()]);
    assert_eq!(scene.submit(&scene.acting(CRIP), &named).await.unwrap_err().code(), "not-conforming");
    let retour = scene.accepted(CRIP, &envelopes::retour(&information)).await;
    let read = scene.opened(SCHOOL, "ssfe", &retour).await;
    let payload: Vec<&String> = read["payload"].as_object().unwrap().keys().collect();
    assert_eq!(payload, ["date_statut", "echange_ref", "statut"]);
    assert!(!running(&scene, &information).await.contains_key("retour-pro"));
}

/// The clocks of an exchange that still run, with their limits.
async fn running(scene: &Scene, id: &str) -> BTreeMap<String, String> {
    let clocks = scene.rooms().store.clocks_of(id.parse().unwrap()).await.unwrap();
    clocks.into_iter().filter(|clock| clock.stopped_at.is_none()).map(|clock| (clock.name, clock.limit.to_string())).collect()
}

/// The tasks of an exchange: whose, and whether done.
async fn tasks(scene: &Scene, id: &str) -> BTreeMap<String, (String, bool)> {
    let tasks = scene.rooms().store.follow_ups(id.parse().unwrap()).await.unwrap();
    tasks.into_iter().map(|task| (task.code, (task.owner.to_string(), task.done_at.is_some()))).collect()
}

async fn events(scene: &Scene, exchange: &str) -> Vec<String> {
    scene.rooms().store.entries_of(exchange.parse().unwrap()).await.unwrap().into_iter().map(|entry| entry.event).collect()
}
