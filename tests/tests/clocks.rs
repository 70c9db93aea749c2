//! Legal clocks over the wire: what starts, until when in Paris time, who is told, what stops it, and that nothing is told
//! twice, whatever restarts, comes late or turns back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeMap, fs, time::Duration};

use gateway::demo::envelopes;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Scene, people::*, text};

/// Lead and deputy of the CRIP.
const LEAD: &str = "p-4f7k2";
const DEPUTY: &str = "p-8c3mz";

#[tokio::test]
async fn each_type_starts_its_clocks_with_limits_in_the_time_of_paris() {
    let scene = Scene::start().await;
    // Wednesday, 10:30 in Paris.
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    expect(
        &scene,
        &information,
        &[
            ("accuse", "crip", "2026-11-26T09:30:00.000Z"),
            ("evaluation", "crip", "2027-02-25T09:30:00.000Z"),
            ("premiere-analyse", "crip", "2026-11-26T09:30:00.000Z"),
            ("retour-pro", "crip", "2027-02-25T09:30:00.000Z"),
        ],
    )
    .await;
    // What answers starts nothing of its own.
    let accuse = scene.accepted(CRIP, &accuse(&information)).await;
    let retour = scene.accepted(CRIP, &envelopes::retour(&information)).await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement(&information)).await;
    let suites = scene.accepted(MAGISTRATE, &envelopes::suites(&signalement)).await;
    for silent in [accuse, retour] {
        expect(&scene, &silent, &[]).await;
    }
    // But an emergency placement by the parquet: eight days from the day it was ordered, to seize the judge.
    let clocks = scene.rooms().store.clocks_of(suites.parse().unwrap()).await.unwrap();
    let clocks: Vec<_> = clocks.iter().map(|clock| (clock.name.as_str(), clock.limit.to_string())).collect();
    assert_eq!(clocks, [("opp-je", "2026-12-01T23:00:00.000Z".to_owned())]);
    // The parquet and the hospital inform as well: only a professional or an elected reporter is owed a feedback in three months.
    let by = async |who| scene.accepted(who, &json!({"type": "information-preoccupante", "urgency": "ordinary"})).await;
    for (who, owed) in [(MAGISTRATE, false), (HOSPITAL, true), (TOWN_HALL, true), (TEACHER, true)] {
        let id = by(who).await;
        assert_eq!(limits(&scene, &id).await.contains_key("retour-pro"), owed, "{who:?}");
    }
}

#[tokio::test]
async fn working_time_waits_for_monday_and_what_is_immediate_never_does() {
    let scene = Scene::start().await;
    let of = |urgency: &str| json!({"type": "information-preoccupante", "urgency": urgency});
    let mut priority = envelopes::signalement("x");
    priority["urgency"] = json!("priority");
    // Friday, 18:00 in Paris: the day is over.
    scene.clock.set("2026-11-27T17:00:00Z".parse().unwrap());
    for (who, envelope, expected) in [
        (
            SCHOOL,
            of("ordinary"),
            [
                ("accuse", "2026-12-01T08:00:00.000Z"),
                ("premiere-analyse", "2026-12-07T08:00:00.000Z"),
                ("retour-pro", "2027-02-27T17:00:00.000Z"),
            ],
        ),
        (
            SCHOOL,
            of("immediate"),
            [
                ("accuse", "2026-11-28T17:00:00.000Z"),
                ("premiere-analyse", "2026-11-27T19:00:00.000Z"),
                ("retour-pro", "2027-02-27T17:00:00.000Z"),
            ],
        ),
        (
            CADRE,
            priority,
            [("accuse", "2026-12-01T08:00:00.000Z"), ("depot", "2026-12-01T08:00:00.000Z"), ("suites", "2027-02-25T17:00:00.000Z")],
        ),
        (
            CADRE,
            envelopes::signalement("x"),
            [
                ("accuse", "2026-11-28T17:00:00.000Z"),
                ("depot", "2026-11-27T19:00:00.000Z"),
                ("avis-ecrit-parents", "2026-12-05T17:00:00.000Z"),
            ],
        ),
    ] {
        let id = scene.accepted(who, &envelope).await;
        let found = limits(&scene, &id).await;
        for (clock, limit) in expected {
            assert_eq!(found[clock], limit, "{clock} of {envelope}");
        }
    }
    // Christmas Eve is a Thursday: the next worked day is Monday.
    scene.clock.set("2026-12-24T15:00:00Z".parse().unwrap());
    let id = scene.accepted(SCHOOL, &of("priority")).await;
    assert_eq!(limits(&scene, &id).await["premiere-analyse"], "2026-12-28T15:00:00.000Z");
}

#[tokio::test]
async fn a_month_keeps_the_hour_of_paris_when_the_hour_turns_and_two_hours_are_two_hours() {
    let mut scene = Scene::start().await;
    scene.travel("2027-01-15T09:30:00Z").await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    assert_eq!(limits(&scene, &information).await["evaluation"], "2027-04-15T08:30:00.000Z", "10:30 in winter, 10:30 in summer");
    assert_eq!(limits(&scene, &signalement).await["suites"], "2027-04-15T08:30:00.000Z");
    // The night in which 02:00 becomes 03:00.
    immediate(&mut scene, "2027-03-27T23:30:00Z", "2027-03-28T01:30:00.000Z").await;
    scene.travel("2027-08-15T08:30:00Z").await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    assert_eq!(limits(&scene, &information).await["retour-pro"], "2027-11-15T09:30:00.000Z");
    // The one in which 02:00 comes twice.
    immediate(&mut scene, "2027-10-30T23:30:00Z", "2027-10-31T01:30:00.000Z").await;
}

/// Until when a signalement of danger grave et immédiat must be opened.
async fn immediate(scene: &mut Scene, at: &str, limit: &str) {
    scene.travel(at).await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    assert_eq!(limits(scene, &signalement).await["depot"], limit);
}

#[tokio::test]
async fn a_child_under_two_is_evaluated_within_one_month() {
    let scene = Scene::start().await;
    let (month, three) = ("2026-12-25T09:30:00.000Z", "2027-02-25T09:30:00.000Z");
    for (what, child, limit) in [
        ("two tomorrow", json!({"birth_date": "2024-11-26"}), month),
        ("two today", json!({"birth_date": "2024-11-25"}), three),
        ("a date that is estimated", json!({"birth_date": "2025-06-01", "birth_date_quality": "estimee"}), month),
        ("an age that is estimated", json!({"age_estimate": 1}), month),
        ("an older child of whom only the age is known", json!({"age_estimate": 7}), three),
        ("not born yet", json!({"unborn": true}), month),
        ("nothing known", json!({}), three),
    ] {
        let mut envelope = envelopes::of_the_school();
        let sibling = envelope["subjects"][1].as_object_mut().unwrap();
        sibling.remove("birth_date");
        sibling.extend(child.as_object().unwrap().clone());
        let id = scene.accepted(SCHOOL, &envelope).await;
        let found = limits(&scene, &id).await;
        assert_eq!((found["evaluation"].as_str(), found["retour-pro"].as_str()), (limit, three), "{what}");
    }
}

#[tokio::test]
async fn the_lead_is_warned_before_the_limit_and_the_deputy_is_told_after() {
    let mut scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let warning = |due: &str| (LEAD.to_owned(), "warning".to_owned(), due.to_owned());
    for (at, expected) in [
        ("2027-01-26T09:29:59Z", vec![]),
        ("2027-01-26T09:30:00Z", vec![warning("2027-01-26T09:30:00.000Z")]),
        ("2027-02-10T09:30:00Z", vec![warning("2027-01-26T09:30:00.000Z"), warning("2027-02-10T09:30:00.000Z")]),
    ] {
        scene.travel(at).await;
        scene.until(at, || async { told(&scene, CRIP, &id, "evaluation").await.len() == expected.len() }).await;
        assert_eq!(told(&scene, CRIP, &id, "evaluation").await, expected);
    }
    assert_eq!(told(&scene, CRIP, &id, "retour-pro").await, [warning("2027-02-10T09:30:00.000Z")]);

    scene.travel("2027-02-25T09:30:00Z").await;
    scene.until("the limit is told", || async { told(&scene, CRIP, &id, "evaluation").await.len() == 4 }).await;
    let limit = "2027-02-25T09:30:00.000Z".to_owned();
    let last: Vec<_> = told(&scene, CRIP, &id, "evaluation").await.into_iter().filter(|(_, stage, _)| stage != "warning").collect();
    assert_eq!(last, [(LEAD.into(), "overdue".into(), limit.clone()), (DEPUTY.into(), "escalated".into(), limit)]);
    // Overdue work stays visible, and says since when.
    let due = scene.acting(CADRE).get("/v1/clocks").await.unwrap();
    let open = due["clocks"].as_array().unwrap().iter().find(|c| c["clock"] == "evaluation" && c["exchange"] == id.as_str()).unwrap();
    assert_eq!((open["limit"].as_str(), &open["stopped_at"]), (Some("2027-02-25T09:30:00.000Z"), &Value::Null));
    let events = events(&scene, &id).await;
    assert_eq!((count(&events, "clock.fired"), count(&events, "clock.escalated")), (3, 4), "{events:?}");
}

#[tokio::test]
async fn a_unit_that_names_nobody_is_told_as_a_whole() {
    let scene = Scene::start_with(|world| {
        let file = world.folder.join("directory/institutions/departement-31.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replacen("lead = \"p-4f7k2\"\ndeputy = \"p-8c3mz\"\n", "", 1)).unwrap();
    })
    .await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.clock.advance(Duration::from_secs(86_401));
    scene.until("it is told", || async { told(&scene, CRIP, &id, "accuse").await.len() == 2 }).await;
    assert!(told(&scene, CRIP, &id, "accuse").await.iter().all(|(who, _, _)| who.is_empty()));
}

#[tokio::test]
async fn after_an_outage_each_clock_tells_once_of_the_latest() {
    let mut scene = Scene::start().await;
    let id = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    scene.stop().await;
    // Two warnings of `suites` have passed meanwhile, and the limits of three other clocks long ago.
    scene.travel("2027-01-29T09:30:00Z").await;
    scene.resume().await;
    scene.until("the clocks look", || async { told(&scene, MAGISTRATE, &id, "suites").await.len() == 1 }).await;
    let latest = ("p-1c7qv".to_owned(), "warning".to_owned(), "2027-01-24T09:30:00.000Z".to_owned());
    assert_eq!(told(&scene, MAGISTRATE, &id, "suites").await, [latest]);
    scene.until("each is told", || async { count(&events(&scene, &id).await, "clock.escalated") == 3 }).await;
    for (who, clock) in [(MAGISTRATE, "depot"), (MAGISTRATE, "accuse"), (CADRE, "avis-ecrit-parents")] {
        let stages: Vec<String> = told(&scene, who, &id, clock).await.into_iter().map(|(_, stage, _)| stage).collect();
        assert_eq!(stages, ["overdue", "escalated"], "{clock}");
    }
    // Another start tells nothing more; the clock that is not over goes on to its limit.
    scene.stop().await;
    scene.travel("2027-02-23T09:30:00Z").await;
    scene.resume().await;
    scene.until("the limit is told", || async { told(&scene, MAGISTRATE, &id, "suites").await.len() == 3 }).await;
    let events = events(&scene, &id).await;
    assert_eq!((count(&events, "clock.fired"), count(&events, "clock.escalated")), (1, 4), "{events:?}");
}

#[tokio::test]
async fn a_clock_that_turns_back_tells_nothing_twice() {
    let scene = Scene::start().await;
    let first = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    scene.clock.advance(Duration::from_secs(2 * 3600 + 1));
    scene.until("it is told", || async { told(&scene, MAGISTRATE, &first, "depot").await.len() == 2 }).await;
    scene.clock.set(tests::NOW.parse().unwrap());
    let second = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    assert!(told(&scene, MAGISTRATE, &second, "depot").await.is_empty());
    scene.clock.advance(Duration::from_secs(3 * 3600));
    scene.until("the second is told", || async { told(&scene, MAGISTRATE, &second, "depot").await.len() == 2 }).await;
    assert_eq!(told(&scene, MAGISTRATE, &first, "depot").await.len(), 2);
    assert_eq!(count(&events(&scene, &first).await, "clock.escalated"), 1);
}

#[tokio::test]
async fn what_is_done_in_time_is_never_told() {
    let mut scene = Scene::start().await;
    let crip = scene.acting(CRIP);
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement(&information)).await;
    let running = async |id: &str| limits_running(&scene, id).await;
    let acknowledge = async |who: (&str, &str), unit: &str, id: &str| {
        let delivery = scene.delivery_of(who, unit, id).await;
        let path = format!("/v1/mailbox/{delivery}/acknowledgement");
        scene.acting(who).post(&path, &json!({"outcome": "taken-in-charge"})).await.unwrap();
    };

    // Opened is not acknowledged, and neither is done.
    scene.opened(CRIP, "crip", &information).await;
    assert_eq!(running(&information).await, ["accuse", "evaluation", "premiere-analyse", "retour-pro"]);
    acknowledge(CRIP, "crip", &information).await;
    assert_eq!(running(&information).await, ["evaluation", "premiere-analyse", "retour-pro"]);
    // A named person records the analysis, then the evaluation: each stops its own clock.
    for (code, left) in [("premiere-analyse", &["evaluation", "retour-pro"][..]), ("evaluation", &["retour-pro"])] {
        let due = crip.get("/v1/clocks").await.unwrap();
        let mine = |f: &&Value| f["code"] == code && f["exchange"] == information.as_str();
        let task = text(due["follow_ups"].as_array().unwrap().iter().find(mine).unwrap(), "/follow_up");
        // Nobody else may record it.
        for other in [SCHOOL, PMI, MAGISTRATE] {
            assert_eq!(done(&scene, other, &task).await, StatusCode::NOT_FOUND);
        }
        assert_eq!(done(&scene, CRIP, &task).await, StatusCode::NO_CONTENT);
        assert_eq!(running(&information).await, left);
    }
    scene.accepted(CRIP, &envelopes::retour(&information)).await;
    assert!(running(&information).await.is_empty());

    scene.opened(MAGISTRATE, "permanence", &signalement).await;
    assert_eq!(running(&signalement).await, ["accuse", "avis-ecrit-parents", "suites"], "the reading deadline is kept");
    acknowledge(MAGISTRATE, "permanence", &signalement).await;
    scene.accepted(MAGISTRATE, &envelopes::suites(&signalement)).await;
    assert_eq!(running(&signalement).await, ["avis-ecrit-parents"]);
    let due = scene.acting(CADRE).get("/v1/clocks").await.unwrap();
    let notice = due["follow_ups"].as_array().unwrap().iter().find(|f| f["code"] == "written-notice-parents").unwrap();
    let path = format!("/v1/follow-ups/{}/done", text(notice, "/follow_up"));
    scene.acting(CADRE).post(&path, &json!({"means": "courrier"})).await.unwrap();
    assert!(running(&signalement).await.is_empty());

    // A receipt of the register acknowledges too; an erased content leaves nothing to remind of.
    let other = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.accepted(CRIP, &accuse(&other)).await;
    assert_eq!(running(&other).await, ["evaluation", "premiere-analyse", "retour-pro"]);
    scene.taken_in_charge(&other).await;
    let erase = scene.acting(DPO).request(Method::DELETE, &format!("/v1/exchanges/{other}")).json(&json!({"motive": "essai"}));
    assert_eq!(erase.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert!(running(&other).await.is_empty());

    // Long after every limit: nobody was told anything. A last exchange shows that the clocks did look.
    let last = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.travel("2027-06-01T09:30:00Z").await;
    scene.until("the clocks look", || async { told(&scene, CRIP, &last, "evaluation").await.len() == 2 }).await;
    for (who, id) in [(CRIP, &information), (CRIP, &other), (MAGISTRATE, &signalement), (CADRE, &signalement)] {
        assert!(!scene.acting(who).get("/v1/clocks").await.unwrap()["reminders"].to_string().contains(id.as_str()), "{who:?}");
    }
}

#[tokio::test]
async fn only_the_owners_see_what_is_due() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    let mut envelope = envelopes::of_the_school();
    envelope["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": LEAD}]);
    let sealed = scene.accepted(SCHOOL, &envelope).await;
    scene.clock.advance(Duration::from_secs(9 * 86_400));
    scene.until("all is told", || async { told(&scene, CADRE, &signalement, "avis-ecrit-parents").await.len() == 2 }).await;
    scene.until("all is told", || async { told(&scene, CADRE, &sealed, "accuse").await.len() == 2 }).await;

    let seen = async |who: (&str, &str), id: &str| {
        let due = scene.acting(who).get("/v1/clocks").await.unwrap();
        let of = |list: &str, id: &str| {
            let mut names: Vec<String> =
                due[list].as_array().unwrap().iter().filter(|one| one["exchange"] == id).map(|one| text(one, "/clock")).collect();
            names.sort();
            names.dedup();
            names
        };
        (of("clocks", id), of("reminders", id))
    };
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let running = names(&["accuse", "evaluation", "premiere-analyse", "retour-pro"]);
    assert_eq!(seen(CRIP, &information).await, (running.clone(), names(&["accuse", "premiere-analyse"])));
    assert_eq!(seen(CADRE, &sealed).await, (running, names(&["accuse", "premiere-analyse"])));
    assert_eq!(seen(CRIP, &sealed).await, (vec![], vec![]), "sealed from this agent");
    // Each side of a signalement sees its own.
    assert_eq!(seen(CRIP, &signalement).await, (names(&["avis-ecrit-parents"]), names(&["avis-ecrit-parents"])));
    assert_eq!(seen(MAGISTRATE, &signalement).await, (names(&["accuse", "depot", "suites"]), names(&["accuse", "depot"])));
    for who in [SCHOOL, HOSPITAL, TEACHER, PMI, ASE, FORMER, CAF, DPO] {
        let due = scene.acting(who).get("/v1/clocks").await.unwrap();
        assert_eq!((&due["clocks"], &due["reminders"]), (&json!([]), &json!([])), "{who:?}");
    }
    for id in [&information, &sealed] {
        let timeline = scene.acting(SCHOOL).get(&format!("/v1/exchanges/{id}")).await.unwrap();
        assert_eq!(timeline["clocks"], json!([]), "the reporter sees no clock of the CRIP");
    }
}

/// All clocks of an exchange: name, unit that is reminded, limit.
async fn expect(scene: &Scene, id: &str, expected: &[(&str, &str, &str)]) {
    let mut found: Vec<(String, String, String)> = scene
        .rooms()
        .store
        .clocks_of(id.parse().unwrap())
        .await
        .unwrap()
        .iter()
        .map(|clock| (clock.name.clone(), clock.owner.unit.as_ref().unwrap().to_string(), clock.limit.to_string()))
        .collect();
    found.sort();
    let expected: Vec<_> = expected.iter().map(|(name, unit, limit)| ((*name).into(), (*unit).into(), (*limit).into())).collect();
    assert_eq!(found, expected);
}

async fn limits(scene: &Scene, id: &str) -> BTreeMap<String, String> {
    let clocks = scene.rooms().store.clocks_of(id.parse().unwrap()).await.unwrap();
    clocks.into_iter().map(|clock| (clock.name, clock.limit.to_string())).collect()
}

/// Names of the clocks of an exchange that still run.
async fn limits_running(scene: &Scene, id: &str) -> Vec<String> {
    let clocks = scene.rooms().store.clocks_of(id.parse().unwrap()).await.unwrap();
    let mut names: Vec<String> = clocks.into_iter().filter(|clock| clock.stopped_at.is_none()).map(|clock| clock.name).collect();
    names.sort();
    names
}

/// Who was told what of one clock, and of which of its instants, the first first.
async fn told(scene: &Scene, who: (&str, &str), exchange: &str, clock: &str) -> Vec<(String, String, String)> {
    let due = scene.acting(who).get("/v1/clocks").await.unwrap();
    let mine = |r: &&Value| r["clock"] == clock && r["exchange"] == exchange;
    let mut told: Vec<_> = due["reminders"]
        .as_array()
        .unwrap()
        .iter()
        .filter(mine)
        .map(|r| (text(r, "/professional"), text(r, "/stage"), text(r, "/due_at")))
        .collect();
    // By instant; of one instant the lead before the deputy.
    told.sort_by_key(|(_, stage, due)| (due.clone(), stage == "escalated"));
    told
}

async fn done(scene: &Scene, who: (&str, &str), follow_up: &str) -> StatusCode {
    scene.acting(who).request(Method::POST, &format!("/v1/follow-ups/{follow_up}/done")).send().await.unwrap().status()
}

async fn events(scene: &Scene, exchange: &str) -> Vec<String> {
    scene.rooms().store.entries_of(exchange.parse().unwrap()).await.unwrap().into_iter().map(|entry| entry.event).collect()
}

fn count(events: &[String], name: &str) -> usize {
    events.iter().filter(|event| *event == name).count()
}

fn accuse(of: &str) -> Value {
    let mut envelope = envelopes::retour(of);
    envelope["type"] = json!("accuse-reception");
    envelope["payload"] = json!({"etat": "recue"});
    envelope
}
