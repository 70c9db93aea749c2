//! Who changes the rules: what lies in the folder decides nothing until a person proposed it and two others approved.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use gateway::{
    config::Config,
    demo::envelopes,
    log::{Event, entry::field},
    node::Node,
};
use serde_json::{Value, json};
use sqlx::Connection;
use tests::{
    Scene,
    cli::{path, run},
    people::{ADMIN, AUDITOR, CADRE, CRIP, DPO, SCHOOL, TEACHER},
    scene::problem,
    text,
};

/// The mailbox of the CRIP shows nothing of a document without this file.
fn reception(scene: &Scene) -> PathBuf {
    scene.world.folder.join("policies/local/reception.cedar")
}

/// Whether a document that the school sends now is shown to the CRIP.
async fn shown(scene: &Scene) -> bool {
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.opened(CRIP, "crip", &id).await.get("payload").is_some()
}

async fn refused(scene: &Scene, who: (&str, &str), path: &str, body: Value) -> (u16, String) {
    let refusal = problem(scene.acting(who).post(path, &body).await).expect_err("must be refused");
    (refusal.status, refusal.code().to_owned())
}

fn in_force(scene: &Scene) -> String {
    scene.rooms().law.load().files.hash().to_owned()
}

#[tokio::test]
async fn i08_a_changed_file_decides_nothing_until_two_people_of_two_functions_approved() {
    let scene = Scene::start().await;
    let first = in_force(&scene);
    assert!(shown(&scene).await);
    let written = fs::read_to_string(reception(&scene)).unwrap();
    fs::write(reception(&scene), "").unwrap();
    scene.until("the folder is seen to differ", || async { scene.local("/metrics").await.contains("policies_folder_differs 1") }).await;
    assert!(scene.local("/health/ready").await.contains("\"policies\":\"pending\""));
    assert!(shown(&scene).await, "what lies in the folder does not decide");

    // Who may propose, and what.
    let propose = "/v1/policy-sets";
    for who in [SCHOOL, TEACHER, AUDITOR] {
        assert_eq!(refused(&scene, who, propose, json!({"motive": "essai"})).await, (403, "role-missing".to_owned()), "{who:?}");
    }
    assert_eq!(refused(&scene, ADMIN, propose, json!({"motive": " "})).await.1, "malformed");
    assert_eq!(refused(&scene, ADMIN, propose, json!({"motive": "x", "set": first})).await.1, "policy-set-in-force");
    assert_eq!(refused(&scene, ADMIN, propose, json!({"motive": "x", "set": "0".repeat(64)})).await, (404, "policy-set-unknown".into()));
    let proposed = scene.acting(DPO).post(propose, &json!({"motive": "On ferme."})).await.unwrap();
    let set = text(&proposed, "/set");
    assert_eq!((text(&proposed, "/in_force"), &proposed["changes"]["changed"]), (first.clone(), &json!(["local/reception.cedar"])));
    assert_eq!(refused(&scene, ADMIN, propose, json!({"motive": "encore"})).await.1, "policy-set-waiting");

    // Who may approve, and how often.
    let approve = format!("/v1/policy-sets/{set}/approvals");
    assert_eq!(refused(&scene, DPO, &approve, json!({})).await.1, "policy-set-own-proposal");
    assert_eq!(refused(&scene, CRIP, &approve, json!({})).await.1, "role-missing");
    assert_eq!(refused(&scene, CADRE, &approve, json!({"as": "dpo"})).await.1, "role-missing");
    assert_eq!(refused(&scene, CADRE, &approve, json!({"against": set})).await.1, "policy-set-moved");
    assert_eq!(refused(&scene, CADRE, &approve.replace(&set, &first), json!({})).await.1, "policy-set-not-waiting");
    let once = scene.acting(CADRE).post(&approve, &json!({"against": first})).await.unwrap();
    assert_eq!((text(&once, "/proposals/0/state"), text(&once, "/in_force")), ("proposed".into(), first.clone()));
    assert_eq!(refused(&scene, CADRE, &approve, json!({})).await.1, "policy-set-approved-before");
    assert!(shown(&scene).await, "one approval is not two");

    // The second approval puts it in force, at once and for everybody.
    let twice = scene.acting(ADMIN).post(&approve, &json!({})).await.unwrap();
    assert_eq!((text(&twice, "/proposals/0/state"), text(&twice, "/in_force")), ("in-force".into(), set.clone()));
    assert_eq!(in_force(&scene), set);
    assert!(!shown(&scene).await);
    scene
        .until("the folder holds what is in force", || async { scene.local("/metrics").await.contains("policies_folder_differs 0") })
        .await;

    // Each step is in the log, under the set with which it was taken, and names who did it in which function.
    let steps = entries(&scene, &[Event::PolicyProposed, Event::PolicyApproved, Event::PolicyChanged]).await;
    let events: Vec<Event> = steps.iter().map(|(event, ..)| *event).collect();
    assert_eq!(events, [Event::PolicyChanged, Event::PolicyProposed, Event::PolicyApproved, Event::PolicyApproved, Event::PolicyChanged]);
    assert_eq!(steps[0].2["first"], json!(true));
    let approvers = &steps[4].2[field::APPROVERS];
    assert_eq!((approvers[0]["role"].as_str(), approvers[1]["role"].as_str()), (Some("cadre-crip"), Some("administrateur")));
    assert_eq!((&steps[1].1, &steps[4].1), (&first, &set));

    // Back: the archive has the set, whatever the folder holds.
    assert_eq!(fs::read_to_string(reception(&scene)).unwrap(), "");
    scene.acting(ADMIN).post(propose, &json!({"motive": "On rouvre.", "set": first})).await.unwrap();
    for who in [DPO, CADRE] {
        scene.acting(who).post(&format!("/v1/policy-sets/{first}/approvals"), &json!({})).await.unwrap();
    }
    assert!(in_force(&scene) == first && shown(&scene).await);
    scene.until("the folder differs again", || async { scene.local("/metrics").await.contains("policies_folder_differs 1") }).await;
    let list = scene.acting(AUDITOR).get(propose).await.unwrap();
    let states: Vec<String> = (0..3).map(|n| text(&list, &format!("/proposals/{n}/state"))).collect();
    assert_eq!(states, ["in-force", "ended", "ended"]);
    assert_eq!(text(&list, "/folder/state"), "pending");
    // What is asked by whom has no part in it.
    assert_eq!(scene.refused(&scene.acting(SCHOOL), propose).await.code(), "role-missing");
    // A set is read by the beginning of its name, with its files.
    let kept = scene.acting(AUDITOR).get(&format!("{propose}/{}", &first[..12])).await.unwrap();
    assert_eq!(kept["files"]["local/reception.cedar"], json!(written));
}

#[tokio::test]
async fn a_restart_decides_with_the_approved_set_and_finishes_what_was_under_way() {
    let mut scene = Scene::start().await;
    let first = in_force(&scene);
    let written = fs::read_to_string(reception(&scene)).unwrap();
    // Another set, then mistakes, in the folder of a gateway that is down: it starts with what was approved.
    for text in ["", "permit ("] {
        fs::write(reception(&scene), text).unwrap();
        scene.stop().await;
        scene.resume().await;
        assert!(in_force(&scene) == first && shown(&scene).await);
    }
    assert!(scene.local("/health/ready").await.contains("\"policies\":\"mistakes\""));
    let mistakes = problem(scene.acting(ADMIN).post("/v1/policy-sets", &json!({"motive": "x"})).await).unwrap_err();
    assert!(
        mistakes.code() == "policy-set-mistakes" && text(&mistakes.body, "/errors/0/detail").contains("reception.cedar:1"),
        "{mistakes:?}"
    );

    // A proposal, and an approval, outlive a restart; so does a date that comes while the gateway is down.
    fs::write(reception(&scene), "").unwrap();
    let wish = json!({"motive": "Au premier décembre.", "effective_from": "2026-11-30T23:00:00.000Z"});
    let set = text(&scene.acting(ADMIN).post("/v1/policy-sets", &wish).await.unwrap(), "/set");
    let approve = format!("/v1/policy-sets/{set}/approvals");
    scene.acting(DPO).post(&approve, &json!({})).await.unwrap();
    scene.stop().await;
    scene.resume().await;
    let approved = scene.acting(CADRE).post(&approve, &json!({})).await.unwrap();
    assert_eq!(text(&approved, "/proposals/0/state"), "approved");
    assert_eq!(refused(&scene, ADMIN, &approve, json!({})).await.1, "policy-set-approved");
    assert!(in_force(&scene) == first && shown(&scene).await, "its day has not come");
    scene.stop().await;
    scene.travel("2026-12-01T08:00:00.000Z").await;
    scene.resume().await;
    assert!(in_force(&scene) == set && !shown(&scene).await);

    // What waits when another takes force was compared with something else: it has to be proposed again.
    fs::write(reception(&scene), format!("{written}// a\n")).unwrap();
    let waiting = text(&scene.acting(ADMIN).post("/v1/policy-sets", &json!({"motive": "a"})).await.unwrap(), "/set");
    scene.acting(DPO).post(&format!("/v1/policy-sets/{waiting}/approvals"), &json!({})).await.unwrap();
    fs::write(reception(&scene), format!("{written}// b\n")).unwrap();
    scene.amended("b").await;
    assert_eq!(refused(&scene, CADRE, &format!("/v1/policy-sets/{waiting}/approvals"), json!({})).await.1, "policy-set-not-waiting");
    let list = scene.acting(ADMIN).get("/v1/policy-sets").await.unwrap();
    assert_eq!(list["proposals"].as_array().unwrap().iter().find(|one| one["set"] == json!(waiting)).unwrap()["state"], "dropped");
}

/// Taken back, a proposal is nothing: it does not wait, nor take force on its day; proposed again, it is approved anew.
#[tokio::test]
async fn i08_a_withdrawn_set_takes_no_force() {
    let mut scene = Scene::start().await;
    let first = in_force(&scene);
    fs::write(reception(&scene), "").unwrap();
    let wish = json!({"motive": "Au premier décembre.", "effective_from": "2026-11-30T23:00:00.000Z"});
    let set = text(&scene.acting(CRIP).post("/v1/policy-sets", &wish).await.unwrap(), "/set");
    let (approve, withdraw) = (format!("/v1/policy-sets/{set}/approvals"), format!("/v1/policy-sets/{set}/withdrawal"));
    // Its author, or who may approve; nobody else is told whether it waits.
    for who in [SCHOOL, TEACHER, AUDITOR] {
        assert_eq!(refused(&scene, who, &withdraw, json!({})).await, (403, "role-missing".to_owned()), "{who:?}");
    }
    assert_eq!(refused(&scene, ADMIN, &withdraw.replace(&set, &first), json!({})).await.1, "policy-set-not-waiting");
    assert_eq!(refused(&scene, ADMIN, &withdraw.replace(&set, "0"), json!({})).await.1, "policy-set-unknown");

    // Half approved, by its author.
    scene.acting(DPO).post(&approve, &json!({})).await.unwrap();
    let told = scene.acting(CRIP).post(&withdraw, &json!({})).await.unwrap();
    assert_eq!((text(&told, "/proposals/0/state"), text(&told, "/proposals/0/withdrawn/by/subject")), ("withdrawn".into(), CRIP.1.into()));
    for (who, path) in [(CADRE, &approve), (CADRE, &withdraw), (CRIP, &withdraw)] {
        assert_eq!(refused(&scene, who, path, json!({})).await.1, "policy-set-not-waiting", "{who:?} {path}");
    }
    // Proposed again by the same person: what was approved before does not count.
    scene.acting(CRIP).post("/v1/policy-sets", &wish).await.unwrap();
    let once = scene.acting(CADRE).post(&approve, &json!({})).await.unwrap();
    assert_eq!((text(&once, "/proposals/0/state"), text(&once, "/proposals/1/state")), ("proposed".into(), "withdrawn".into()));
    assert_eq!(text(&scene.acting(DPO).post(&approve, &json!({})).await.unwrap(), "/proposals/0/state"), "approved");
    // Approved by two for a day to come, by one of them.
    scene.acting(DPO).post(&withdraw, &json!({})).await.unwrap();
    scene.stop().await;
    scene.travel("2026-12-01T08:00:00.000Z").await;
    scene.resume().await;
    assert!(in_force(&scene) == first && shown(&scene).await);
    // In force, it is not taken back: an earlier set is proposed.
    assert_eq!(scene.amended("Tout de suite.").await, set);
    assert_eq!(refused(&scene, CADRE, &withdraw, json!({})).await.1, "policy-set-not-waiting");
    let steps = entries(&scene, &[Event::PolicyWithdrawn]).await;
    let people: Vec<String> = steps.iter().map(|(_, _, values)| values["professional"].to_string()).collect();
    assert!(people.len() == 2 && people[0].contains(CRIP.1) && people[1].contains(DPO.1), "{people:?}");
    assert!(steps.iter().all(|(_, policy, values)| *policy == first && values["set"] == json!(set)));
}

/// Whoever could empty the table of sets would decide the law by the folder: the gateway stays closed, and says what to do.
#[tokio::test]
async fn i08_a_gateway_of_whose_sets_none_is_in_force_does_not_start() {
    let mut scene = Scene::start().await;
    let first = in_force(&scene);
    fs::write(reception(&scene), "").unwrap();
    scene.stop().await;
    let by_hand = async |scene: &Scene, statement: &'static str| {
        let mut database = scene.database(gateway::store::Part::Gateway).await;
        assert_eq!(sqlx::query(statement).execute(&mut database).await.unwrap().rows_affected(), 1);
        database.close().await.unwrap();
    };
    by_hand(&scene, "UPDATE policy_proposal SET state = 'ended', in_force_until = in_force_from WHERE state = 'in-force'").await;
    let config = Config::load(&scene.world.config()).unwrap();
    let fault = Node::start(config, Arc::new(scene.clock.clone())).await.err().expect("must not start").to_string();
    assert!(fault.starts_with("policies: ") && fault.contains("none is in force") && fault.contains("restore a backup"), "{fault}");
    let config = scene.world.config();
    let checked = run(&["check", "--config", path(&config)], &[], None).await;
    assert!(checked.code != 0 && checked.err.contains("restore a backup"), "{checked:?}");
    // As the backup has it, it starts, with what was approved.
    by_hand(&scene, "UPDATE policy_proposal SET state = 'in-force', in_force_until = NULL WHERE state = 'ended'").await;
    scene.resume().await;
    assert_eq!(in_force(&scene), first);
}

/// Who approved and left before it counts approved nothing, whether the second approval or the day was waited for.
#[tokio::test]
async fn i08_an_approval_ends_with_the_function_of_who_gave_it() {
    let mut scene = Scene::start().await;
    let first = in_force(&scene);
    fs::write(reception(&scene), "").unwrap();
    let set = text(&scene.acting(ADMIN).post("/v1/policy-sets", &json!({"motive": "x"})).await.unwrap(), "/set");
    let approve = format!("/v1/policy-sets/{set}/approvals");
    scene.acting(DPO).post(&approve, &json!({})).await.unwrap();
    let directory = scene.world.folder.join("directory/professionals/departement-31.toml");
    let listed = fs::read_to_string(&directory).unwrap();
    let without = listed.replace("roles = [\"dpo\"]", "roles = []");
    let has_role =
        |scene: &Scene| scene.rooms().law.load().directory.professionals().any(|one| one.has_role(gateway::directory::Role::Dpo));
    fs::write(&directory, &without).unwrap();
    scene.until("the officer has left", || async { !has_role(&scene) }).await;
    scene.acting(CADRE).post(&approve, &json!({})).await.unwrap();
    assert_eq!(in_force(&scene), first, "one approval is left");

    // The same of what waits for its day.
    fs::write(&directory, &listed).unwrap();
    scene.until("the officer is back", || async { has_role(&scene) }).await;
    fs::write(reception(&scene), "// b\n").unwrap();
    let wish = json!({"motive": "b", "effective_from": "2026-11-30T23:00:00.000Z"});
    let later = scene.acting(ADMIN).post("/v1/policy-sets", &wish).await.unwrap();
    for who in [DPO, CADRE] {
        scene.acting(who).post(&format!("/v1/policy-sets/{}/approvals", text(&later, "/set")), &json!({})).await.unwrap();
    }
    fs::write(&directory, &without).unwrap();
    scene.until("the officer has left again", || async { !has_role(&scene) }).await;
    scene.stop().await;
    scene.travel("2026-12-01T08:00:00.000Z").await;
    scene.resume().await;
    assert_eq!(in_force(&scene), first);
}

#[tokio::test]
async fn i03_a_set_that_could_stop_an_alert_is_not_even_proposed() {
    let scene = Scene::start().await;
    let rule = "@id(\"essai\") @rule(\"R07\") @article(\"a\") @effective_from(\"2020-01-01\") @explain(\"e\") @missing(\"m\") @cure(\"c\") @who(\"w\")\n\
        forbid (principal, action == Action::\"submit\", resource) when { context.from_kind == \"maison-adolescents\" };\n";
    fs::write(scene.world.folder.join("policies/law/essai.cedar"), rule).unwrap();
    let refused = problem(scene.acting(ADMIN).post("/v1/policy-sets", &json!({"motive": "x"})).await).unwrap_err();
    assert!(
        refused.code() == "policy-set-mistakes" && text(&refused.body, "/errors/0/detail").contains("arrêterait des alertes"),
        "{refused:?}"
    );
}

/// A date that comes while the gateway runs; and the rules of a day inside one set.
#[tokio::test]
async fn a_set_takes_force_at_its_instant_and_each_rule_on_its_day() {
    let mut scene = Scene::start().await;
    let closing = "\n@id(\"essai-fermeture\") @rule(\"R01\") @article(\"x\") @effective_from(\"2026-12-03\") @explain(\"x\") @missing(\"x\")\n\
                   @cure(\"x\") @who(\"x\") forbid (principal, action == Action::\"receive\", resource);\n";
    fs::write(scene.world.folder.join("policies/law/essai.cedar"), closing).unwrap();
    let wish = json!({"motive": "Décembre.", "effective_from": "2026-12-01T00:00:00.000Z"});
    let set = text(&scene.acting(ADMIN).post("/v1/policy-sets", &wish).await.unwrap(), "/set");
    for who in [DPO, CADRE] {
        scene.acting(who).post(&format!("/v1/policy-sets/{set}/approvals"), &json!({})).await.unwrap();
    }
    assert_ne!(in_force(&scene), set);
    scene.travel("2026-12-01T08:00:00.000Z").await;
    scene.until("it is in force", || async { in_force(&scene) == set }).await;
    assert!(shown(&scene).await, "the rule's own first day is still to come");
    scene.travel("2026-12-03T08:00:00.000Z").await;
    assert!(!shown(&scene).await);
}

/// An exchange keeps the type under which it was accepted: whoever ends or changes a type takes nothing away from readers.
#[tokio::test]
async fn an_exchange_of_an_earlier_catalogue_still_opens() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let file = scene.world.folder.join("policies/catalogue/information-preoccupante.toml");
    let written = fs::read_to_string(&file).unwrap();
    let next =
        written.replacen("version = 1\n", "version = 2\n", 1).replacen("effective_from = 2021-01-01", "effective_from = 2027-01-01", 1);
    assert_ne!(written, next);
    fs::write(&file, next).unwrap();
    scene.amended("Une version pour 2027.").await;
    let none = scene.submit(&scene.acting(SCHOOL), &envelopes::of_the_school()).await.unwrap_err();
    assert_eq!(none.code(), "unknown-type", "of today's catalogue, the type has no version today");
    let document = scene.opened(CRIP, "crip", &id).await;
    assert!(document.get("payload").is_some() && document["subjects"][0].get("birth_date").is_some(), "{document}");
}

/// A set is exchanged while members ask: every request is answered, with one set or the other.
#[tokio::test]
#[allow(clippy::print_stdout, reason = "a figure to read, not a limit to hold")]
async fn a_change_of_set_drops_no_request() {
    let scene = Scene::start().await;
    let first = in_force(&scene);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let (crip, stopped) = (scene.acting(CRIP), stopped.clone());
            tokio::spawn(async move {
                let (mut answered, mut slowest) = (0, Duration::ZERO);
                while !*stopped.borrow() {
                    let began = std::time::Instant::now();
                    crip.get("/v1/catalogue").await.expect("every request is answered");
                    slowest = slowest.max(began.elapsed());
                    answered += 1;
                }
                (answered, slowest)
            })
        })
        .collect();
    let mut changes = Vec::new();
    for n in 0..3 {
        let file = scene.world.folder.join("policies/local/reception.cedar");
        let written = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{written}// {n}\n")).unwrap();
        let set = text(&scene.acting(ADMIN).post("/v1/policy-sets", &json!({"motive": "essai"})).await.unwrap(), "/set");
        let approve = format!("/v1/policy-sets/{set}/approvals");
        scene.acting(DPO).post(&approve, &json!({})).await.unwrap();
        let cadre = scene.acting(CADRE);
        cadre.get("/v1/keys").await.unwrap();
        let began = std::time::Instant::now();
        cadre.post(&approve, &json!({})).await.unwrap();
        changes.push(began.elapsed());
    }
    stop.send(true).unwrap();
    let mut answered = 0;
    for one in asking {
        let (requests, slowest) = one.await.unwrap();
        answered += requests;
        println!("slowest answer meanwhile: {slowest:?}");
    }
    println!("{answered} requests answered; last approval until in force: {changes:?}");
    assert!(answered > 0 && in_force(&scene) != first);
}

/// Entries of these events in the order of the log: event, set of the leaf, openings.
async fn entries(scene: &Scene, wanted: &[Event]) -> Vec<(Event, String, serde_json::Map<String, Value>)> {
    let rooms = scene.rooms();
    let signed = || async { rooms.store.pending_entries().await.unwrap().is_empty() };
    scene.until("all is signed", signed).await;
    let mut found = Vec::new();
    for row in rooms.store.entries_from(0, 10_000).await.unwrap() {
        let leaf = gateway::log::Leaf::parse(&row.leaf).unwrap();
        if wanted.contains(&leaf.event) {
            let plain = rooms.keystore.open_opening(&row.leaf_hash, &row.opening.unwrap()).unwrap();
            let openings: serde_json::Map<String, Value> = serde_json::from_slice(&plain).unwrap();
            let values = openings.into_iter().map(|(name, opening)| (name, opening["value"].clone())).collect();
            found.push((leaf.event, leaf.policy, values));
        }
    }
    found
}
