//! Requests and their answers over the wire: to a school under its agreement, to a caisse, « dossier connu ? », placements,
//! advice without a name, protocols. Who gets what, what is refused under which article, what the clocks do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use gateway::demo::{World, envelopes, requests};
use serde_json::{Value, json};
use tests::{Problem, Scene, people::*, text};

#[tokio::test]
async fn a_school_is_asked_under_its_agreement_and_answers_with_school_facts() {
    let scene = Scene::start().await;
    let request = scene.accepted(EVALUATOR, &requests::to_the_school(&["scolarite.assiduite", "scolarite.lien-famille-ecole"])).await;
    // Eight worked days, as the agreement says: both sides are told of the same day, at five in Paris.
    let clocks = running(&scene, &request).await;
    assert_eq!(clocks["reponse"], "2026-12-07T16:00:00.000Z");
    assert_eq!(clocks["reponse-attendue"], "2026-12-07T16:00:00.000Z");

    // The school reads the child and the question; of why, and of the danger, nothing exists.
    let document = scene.opened(HEADMASTER, "direction", &request).await;
    assert_eq!(text(&document, "/subjects/0/birth_name"), "FICTIVE");
    assert_eq!(text(&document, "/payload/questions/0/code"), "scolarite.assiduite");
    assert_eq!(document["payload"]["contexte_minimal"], "evaluate");
    assert_eq!(document["payload"]["echeance"], "2026-12-07");
    assert_eq!(document["withheld"], json!([]));
    for hidden in ["necessite", "nuits passées", "frère"] {
        assert!(!document.to_string().contains(hidden), "{hidden}: {document}");
    }

    // The answer flows under the agreement of the request; what the person is bound by comes from the directory.
    let answer = scene.accepted(HEADMASTER, &requests::of_the_school(&request)).await;
    let read = scene.opened(EVALUATOR, "equipe-evaluation-nord", &answer).await;
    assert_eq!(read["payload"]["scolarite"]["demi_journees_absence"], 19);
    assert_eq!((&read["payload"]["auteur"]["secret"], &read["payload"]["auteur"]["agent"]), (&json!("aucun"), &json!("p-8r2nf")));
    assert!(running(&scene, &request).await.is_empty(), "the answer stops both clocks");
}

#[tokio::test]
async fn a_school_is_not_asked_outside_its_agreement() {
    let mut scene = Scene::start_with(|world| {
        for (id, from, to) in [
            ("essai-fini", "2025-02-01", "2026-11-24"),
            ("essai-futur", "2026-11-26", "2029-01-31"),
            ("essai-court", "2025-02-01", "2026-12-31"),
        ] {
            agreement(world, id, &[("2025-02-01", from), ("2029-01-31", to)]);
        }
    })
    .await;
    let asked = async |scene: &Scene, envelope: &Value| scene.submit(&scene.acting(EVALUATOR), envelope).await;
    // A question that it does not open, with the rule and the cure.
    let refusal = asked(&scene, &requests::to_the_school(&["scolarite.besoins-particuliers"])).await.unwrap_err();
    cites(&refusal, "R18", "D226-2-6");
    assert!(text(&refusal.body, "/cure").contains("protocole"), "{}", refusal.body);
    // A question of health is not for a school, whatever is signed.
    cites(&asked(&scene, &requests::to_the_school(&["sante.besoins-de-soins"])).await.unwrap_err(), "R06", "L226-2-2");
    // Neither without the parents being told, nor without saying why, nor without a case when it is secret.
    let mut silent = requests::to_the_school(&["scolarite.assiduite"]);
    silent["information"] = json!({"parents": {"informed": "a-faire"}});
    cites(&asked(&scene, &silent).await.unwrap_err(), "R08", "L226-2-2");
    let mut why = requests::to_the_school(&["scolarite.assiduite"]);
    why["payload"].as_object_mut().unwrap().remove("necessite");
    let refusal = asked(&scene, &why).await.unwrap_err();
    assert_eq!((refusal.code(), text(&refusal.body, "/errors/0/pointer")), ("not-conforming", "/payload/necessite".into()));
    // Without naming the child.
    let mut nobody = requests::to_the_school(&["scolarite.assiduite"]);
    nobody["subjects"] = json!([]);
    let refusal = asked(&scene, &nobody).await.unwrap_err();
    assert_eq!(text(&refusal.body, "/errors/0/code"), "persons", "{}", refusal.body);
    // With a date later than an evaluation may last.
    let mut late = requests::to_the_school(&["scolarite.assiduite"]);
    late["payload"]["echeance"] = json!("2027-06-01");
    let refusal = asked(&scene, &late).await.unwrap_err();
    assert_eq!(text(&refusal.body, "/errors/0/code"), "bad-deadline", "{}", refusal.body);
    // After its last day, and before its first.
    for (agreement, said) in [("essai-fini", "terminé"), ("essai-futur", "pas encore en vigueur")] {
        let mut other = requests::to_the_school(&["scolarite.assiduite"]);
        other["agreement"] = json!(agreement);
        let refusal = asked(&scene, &other).await.unwrap_err();
        assert_eq!(refusal.code(), "no-agreement", "{}", refusal.body);
        assert!(text(&refusal.body, "/detail").contains(said), "{}", refusal.body);
    }
    // The same agreement carries it until its last day, in Paris, and not one second longer.
    for (at, carried) in [("2026-12-31T22:59:59Z", true), ("2026-12-31T23:00:00Z", false)] {
        scene.travel(at).await;
        let mut last = requests::to_the_school(&["scolarite.assiduite"]);
        last["agreement"] = json!("essai-court");
        assert_eq!(asked(&scene, &last).await.is_ok(), carried, "{at}");
    }
}

#[tokio::test]
async fn a_school_that_tells_more_than_school_is_refused_and_new_facts_go_through_a_person() {
    let scene = Scene::start().await;
    let request = scene.accepted(EVALUATOR, &requests::to_the_school(&["scolarite.assiduite"])).await;
    let head = scene.acting(HEADMASTER);
    let mut family = requests::of_the_school(&request);
    family["payload"]["accompagnement"] = json!({"texte": "La mère est suivie par un service."});
    family["necessity"] = json!("Utile à l’évaluation.");
    let refusal = scene.submit(&head, &family).await.unwrap_err();
    assert!(refusal.body["explanations"].as_array().unwrap().iter().any(|one| one["rule"] == "R73 R06"), "{}", refusal.body);
    // Nothing else than an answer.
    let mut alone = requests::of_the_school(&request);
    alone.as_object_mut().unwrap().remove("in_reply_to");
    let refusal = scene.submit(&head, &alone).await.unwrap_err();
    assert!(refusal.body["errors"].as_array().unwrap().iter().any(|e| e["pointer"] == "/in_reply_to"), "{}", refusal.body);
    // Refusing is a right.
    let mut no = requests::of_the_school(&request);
    no["payload"] = json!({"issue": "refus-appreciation-professionnelle"});
    scene.accepted(HEADMASTER, &no).await;
    // New facts: a task for who knows them and one for who asked. No information préoccupante was sent by itself.
    let request = scene.accepted(EVALUATOR, &requests::to_the_school(&["scolarite.assiduite"])).await;
    let mut new = requests::of_the_school(&request);
    new["payload"]["faits_nouveaux"] = json!(true);
    let answer = scene.accepted(HEADMASTER, &new).await;
    let tasks = scene.rooms().store.follow_ups(answer.parse().unwrap()).await.unwrap();
    let tasks: Vec<_> = tasks.iter().map(|task| (task.code.as_str(), task.owner.to_string())).collect();
    assert!(tasks.contains(&("transmit-new-facts", "college-0319901u/direction".into())), "{tasks:?}");
    assert!(tasks.contains(&("check-new-facts", "departement-31/equipe-evaluation-nord".into())), "{tasks:?}");
    assert!(scene.waiting(&scene.acting(CRIP), "crip").await.is_empty());
}

#[tokio::test]
async fn a_caisse_is_asked_for_an_address_and_for_nothing_else() {
    let scene = Scene::start().await;
    let mut family = requests::to_the_school(&["social.ressources-entourage"]);
    family["recipient"] = json!({"institution": "caf-31", "unit": "prestations"});
    family.as_object_mut().unwrap().remove("agreement");
    cites(&scene.submit(&scene.acting(EVALUATOR), &family).await.unwrap_err(), "R41", "CASF L226-3-2");
    // Asked before sending, the answer is the same.
    let question = json!({"action": "submit", "type": "demande-information", "party": {"institution": "caf-31", "unit": "prestations"}, "unit": "crip"});
    let (status, advice) = scene.raw(scene.acting(CRIP).request(reqwest::Method::POST, "/v1/decisions").json(&question)).await;
    assert!(status == 200 && advice["explanations"].to_string().contains("L226-3-2"), "{status} {advice}");
    // An invoked power that the Département does not have.
    let mut power = requests::address();
    power["legal_basis"] = json!(["CSS L114-19"]);
    cites(&scene.submit(&scene.acting(CRIP), &power).await.unwrap_err(), "R46", "L114-19");
    // Another ground than the three.
    let mut ground = requests::address();
    ground["payload"]["fondement"] = json!("curiosite");
    let refusal = scene.submit(&scene.acting(CRIP), &ground).await.unwrap_err();
    assert_eq!(text(&refusal.body, "/errors/0/pointer"), "/payload/fondement");
    // The address of a child of the subjects is no part of the request.
    let mut more = requests::address();
    more["subjects"][0]["address"] = json!({"city": "Blagnac"});
    let refusal = scene.submit(&scene.acting(CRIP), &more).await.unwrap_err();
    assert_eq!(text(&refusal.body, "/errors/0/code"), "unknown-field");
}

#[tokio::test]
async fn a_query_to_the_caisse_is_refused_with_its_article() {
    // Even under an agreement that would name the caisse and the type.
    let scene = Scene::start_with(|world| {
        let file = world.folder.join("policies/agreements/p25-caf-service-social.toml");
        let text = std::fs::read_to_string(&file).unwrap().replace("caf-31/service-social", "caf-31");
        std::fs::write(&file, text).unwrap();
    })
    .await;
    let mut family = requests::to_the_school(&["social.accompagnement-en-cours"]);
    family["recipient"] = json!({"institution": "caf-31", "unit": "prestations"});
    family["agreement"] = json!("p25-caf-service-social");
    let problem = scene.submit(&scene.acting(EVALUATOR), &family).await.unwrap_err();
    let all = problem.body["explanations"].to_string();
    assert!(all.contains("R41") && all.contains("CASF L226-3-2") && all.contains("demande d’adresse"), "{}", problem.body);

    // Its social workers, bound by their profession, are another service.
    let mut social = requests::to_the_school(&["social.accompagnement-en-cours"]);
    social["recipient"] = json!({"institution": "caf-31", "unit": "service-social"});
    social["agreement"] = json!("p25-caf-service-social");
    let request = scene.accepted(EVALUATOR, &social).await;
    let document = scene.opened(CAF_SOCIAL, "service-social", &request).await;
    assert_eq!(text(&document, "/payload/questions/0/code"), "social.accompagnement-en-cours");
}

#[tokio::test]
async fn an_address_is_answered_in_coordinates_only_and_silence_alarms_on_day_ten() {
    let mut scene = Scene::start().await;
    let request = scene.accepted(CRIP, &requests::address()).await;
    assert_eq!(running(&scene, &request).await["adresse"], "2026-12-05T09:30:00.000Z");
    let tasks = codes(&scene, &request).await;
    assert_eq!(tasks, [("warn-parquet".to_owned(), "departement-31/crip".to_owned())]);
    let document = scene.opened(CAF, "prestations", &request).await;
    assert_eq!(text(&document, "/subjects/1/birth_name"), "EXEMPLE");

    // Anything but coordinates has no place in the answer.
    for (what, change) in
        [("resources", json!({"ressources": "1 200 €"})), ("a request in the answer", json!({"fondement": "L226-3-2-ip-en-cours"}))]
    {
        let mut answer = requests::coordinates(&request);
        answer["payload"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refusal = scene.submit(&scene.acting(CAF), &answer).await.unwrap_err();
        assert_eq!(text(&refusal.body, "/errors/0/code"), "unknown-field", "{what}");
    }
    // On day ten the caisse is overdue, and who asked has to assess what the interruption means (R43).
    scene.travel("2026-12-05T09:30:00Z").await;
    for (who, clock) in [(CAF, "adresse"), (CRIP, "adresse-sans-reponse")] {
        scene.until(clock, || async { told(&scene, who, &request, clock).await.contains(&"overdue".to_owned()) }).await;
    }
    let answer = scene.accepted(CAF, &requests::coordinates(&request)).await;
    assert!(running(&scene, &request).await.is_empty());
    let read = scene.opened(CRIP, "crip", &answer).await;
    assert_eq!(text(&read, "/payload/reponse/adresse/city"), "Port-Exemple");
    assert_eq!(text(&read, "/payload/reponse/departement_arrivee"), "82");
}

#[tokio::test]
async fn a_placement_is_notified_without_motive_and_answered() {
    let scene = Scene::start().await;
    for (what, change) in [
        ("a motive", json!({"motif": "négligences"})),
        ("a place", json!({"lieu_accueil": "MECS"})),
        ("another count", json!({"ars_concernee": false})),
    ] {
        let mut more = requests::placement();
        more["payload"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(scene.submit(&scene.acting(ASE), &more).await.unwrap_err().code(), "not-conforming", "{what}");
    }
    let mut housed = requests::placement();
    housed["subjects"][0]["place_of_care"] = json!("mecs-des-sources");
    assert_eq!(scene.submit(&scene.acting(ASE), &housed).await.unwrap_err().code(), "not-conforming");
    let mut two = requests::placement();
    two["subjects"].as_array_mut().unwrap().push(requests::child());
    assert_eq!(scene.submit(&scene.acting(ASE), &two).await.unwrap_err().code(), "not-conforming");
    let mut later = requests::placement();
    later["agreement"] = json!("l01-caf");
    assert_eq!(scene.submit(&scene.acting(ASE), &later).await.unwrap_err().code(), "no-agreement");

    let notice = scene.accepted(ASE, &requests::placement()).await;
    // Five worked days from the day of the placement itself, a Monday.
    assert_eq!(running(&scene, &notice).await["placement-caf"], "2026-11-30T08:00:00.000Z");
    let document = scene.opened(CAF, "prestations", &notice).await;
    assert_eq!(text(&document, "/payload/fondement"), "375-5");
    assert_eq!(document["payload"]["ars_concernee"], true);
    assert_eq!(text(&document, "/payload/service_payeur/siret"), "99931000600013");
    assert_eq!(document["withheld"], json!([]), "nothing else is there to be withheld");
    assert!(running(&scene, &notice).await.is_empty(), "opened: the caisse knows");
    let answer = json!({
        "type": "notification-placement", "sender": {"institution": "caf-31", "unit": "prestations"},
        "recipient": {"institution": "departement-31", "unit": "ase"}, "in_reply_to": notice, "agreement": "l00-caf",
        "payload": {"reponse": {"prise_en_compte": {"date": "2026-12-01"}}}
    });
    let answer = scene.accepted(CAF, &answer).await;
    assert_eq!(text(&scene.opened(ASE, "ase", &answer).await, "/payload/reponse/prise_en_compte/date"), "2026-12-01");
}

#[tokio::test]
async fn advice_is_asked_and_given_without_a_name() {
    let scene = Scene::start().await;
    let mut named = requests::advice();
    named["subjects"] = json!([requests::child()]);
    assert_eq!(scene.submit(&scene.acting(TEACHER), &named).await.unwrap_err().code(), "not-conforming");
    let mut long = requests::advice();
    long["payload"]["questions"][0]["precision"] = json!("a".repeat(301));
    assert_eq!(text(&scene.submit(&scene.acting(TEACHER), &long).await.unwrap_err().body, "/errors/0/code"), "too-long");
    let question = scene.accepted(TEACHER, &requests::advice()).await;
    let read = scene.opened(CRIP, "crip", &question).await;
    assert_eq!(read["subjects"], Value::Null);
    // Advice tells nothing of a situation: what answers it keeps to questions of advice.
    let mut telling = requests::advised(&question);
    telling["payload"]["reponses"][0] = json!({"question": "social.mesures-et-dates", "texte": "Suivie depuis mars."});
    cites(&scene.submit(&scene.acting(CRIP), &telling).await.unwrap_err(), "R18", "CASF D226-2-6 II");
    let answer = scene.accepted(CRIP, &requests::advised(&question)).await;
    let read = scene.opened(HEADMASTER, "direction", &answer).await;
    assert!(text(&read, "/payload/reponses/0/texte").contains("CRIP"));
    assert!(running(&scene, &question).await.is_empty());
}

#[tokio::test]
async fn dossier_connu_is_asked_within_a_case_and_released_by_a_person() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let mut alone = requests::known(&information);
    alone.as_object_mut().unwrap().remove("case");
    cites(&scene.submit(&scene.acting(CRIP), &alone).await.unwrap_err(), "R05", "L226-2-2");
    let mut keys = requests::known(&information);
    keys["payload"]["cles"] = json!([{"valeur": "9f31c0"}]);
    assert_eq!(text(&scene.submit(&scene.acting(CRIP), &keys).await.unwrap_err().body, "/errors/0/code"), "computed");
    let mut hospital = requests::known(&information);
    hospital["recipient"] = json!({"institution": "chu-toulouse", "unit": "pediatrie"});
    assert!(scene.submit(&scene.acting(CRIP), &hospital).await.unwrap_err().body["explanations"].to_string().contains("révélerait"));
    let mut other = requests::known(&information);
    other["recipient"] = json!({"institution": "departement-82", "unit": "crip"});
    cites(&scene.submit(&scene.acting(CRIP), &other).await.unwrap_err(), "R05", "L226-2-2");
    other["agreement"] = json!("l05-federation");
    scene.accepted(CRIP, &other).await;

    let question = scene.accepted(CRIP, &requests::known(&information)).await;
    assert!(running(&scene, &question).await.contains_key("cas-connu"));
    let answer = json!({
        "type": "dossier-connu", "sender": {"institution": "departement-31", "unit": "ase"},
        "recipient": {"institution": "departement-31", "unit": "crip"}, "in_reply_to": question,
        "payload": {"reponse": {"resultat": "connu", "nature_lien": "non-communique"}}
    });
    // No machine answers.
    assert!(scene.submit(&scene.institution("departement-31"), &answer).await.is_err());
    let answer = scene.accepted(ASE, &answer).await;
    let read = scene.opened(CRIP, "crip", &answer).await;
    assert_eq!(text(&read, "/payload/reponse/confirmation/agent"), "p-2w9rt");
    assert!(running(&scene, &question).await.is_empty());
}

#[tokio::test]
async fn a_protocol_travels_with_its_standing() {
    let scene = Scene::start().await;
    let mut without = requests::protocol();
    without["payload"].as_object_mut().unwrap().remove("convention");
    assert_eq!(scene.submit(&scene.acting(SCHOOL), &without).await.unwrap_err().code(), "not-conforming");
    let told = scene.accepted(SCHOOL, &requests::protocol()).await;
    let read = scene.opened(ASE, "ase", &told).await;
    assert_eq!(text(&read, "/payload/convention/statut"), "a-signer", "the Département has not approved yet");
    let mut signed = requests::protocol();
    signed["payload"]["approbations"] = json!([{"institution": "dsden-31"}, {"institution": "departement-31"}]);
    let told = scene.accepted(SCHOOL, &signed).await;
    assert_eq!(text(&scene.opened(ASE, "ase", &told).await, "/payload/convention/statut"), "en-vigueur");
}

#[tokio::test]
async fn every_type_is_served_with_its_forms() {
    let scene = Scene::start().await;
    let catalogue = scene.acting(CRIP).get("/v1/catalogue").await.unwrap();
    let types = catalogue["types"].as_array().unwrap();
    assert_eq!(types.len(), 13);
    for one in types {
        jsonschema::meta::validate(&one["schema"]).unwrap();
    }
    let of = |code: &str| types.iter().find(|one| one["code"] == code).unwrap()["schema"].clone();
    let address = jsonschema::validator_for(&of("demande-adresse")).unwrap();
    assert!(address.is_valid(&requests::address()) && !address.is_valid(&requests::coordinates("0190b8c5-0000-7000-8000-000000000000")));
    let answer = jsonschema::validator_for(&of("demande-adresse")["x-forms"]["reponse"]).unwrap();
    assert!(answer.is_valid(&requests::coordinates("0190b8c5-0000-7000-8000-000000000000")) && !answer.is_valid(&requests::address()));
    let advice = jsonschema::validator_for(&of("demande-information")["x-forms"]["conseil-technique"]).unwrap();
    assert!(advice.is_valid(&requests::advice()));
}

/// The agreement with the Éducation nationale under another name, changed.
fn agreement(world: &World, id: &str, changes: &[(&str, &str)]) {
    let folder = world.folder.join("policies/agreements");
    let original = std::fs::read_to_string(folder.join("p14-education.toml")).unwrap().replace("p14-education", id);
    let changed = changes.iter().fold(original, |text, (from, to)| text.replace(from, to));
    std::fs::write(folder.join(format!("{id}.toml")), changed).unwrap();
}

fn cites(refusal: &Problem, rule: &str, article: &str) {
    assert_eq!(refusal.code(), "denied", "{}", refusal.body);
    let found = refusal.body["explanations"].as_array().unwrap().iter().any(|one| {
        text(one, "/rule").split(' ').any(|cited| cited == rule)
            && text(one, "/article").contains(article)
            && !text(one, "/cure").is_empty()
    });
    assert!(found, "{rule} {article}: {}", refusal.body);
}

/// The clocks of an exchange that still run, with their limits.
async fn running(scene: &Scene, id: &str) -> BTreeMap<String, String> {
    let clocks = scene.rooms().store.clocks_of(id.parse().unwrap()).await.unwrap();
    clocks.into_iter().filter(|clock| clock.stopped_at.is_none()).map(|clock| (clock.name, clock.limit.to_string())).collect()
}

async fn codes(scene: &Scene, id: &str) -> Vec<(String, String)> {
    let tasks = scene.rooms().store.follow_ups(id.parse().unwrap()).await.unwrap();
    tasks.into_iter().map(|task| (task.code, task.owner.to_string())).collect()
}

/// The stages of which somebody's unit was told.
async fn told(scene: &Scene, who: (&str, &str), exchange: &str, clock: &str) -> Vec<String> {
    let due = scene.acting(who).get("/v1/clocks").await.unwrap();
    let mine = |r: &&Value| r["clock"] == clock && r["exchange"] == exchange;
    due["reminders"].as_array().unwrap().iter().filter(mine).map(|r| text(r, "/stage")).collect()
}
