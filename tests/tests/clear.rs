//! Invariant 6: no identity in clear at rest, in a log line, in a metric, in a file that the process maps. The log is turned
//! up to its most talkative level, and the gateway is made to refuse, to fail and to erase as well.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use gateway::{
    client,
    clock::{Clock, SystemClock},
    demo::{SECRETS, World, envelopes},
};
use serde_json::{Value, json};
use tests::{
    people::*,
    process::{Process, connect, free_ports},
};

#[tokio::test]
async fn i06_no_identity_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::create(folder.path(), SystemClock.now()).unwrap();
    let (port, local) = free_ports();
    world.listen(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{local}")).unwrap();
    let process = Process::start_with(&world.config(), &format!("127.0.0.1:{local}"), &[("RUST_LOG", "trace")]).await;
    let base = format!("https://localhost:{port}");
    let acting = |(institution, professional): (&str, &str)| connect(&world, &base, institution, professional);

    // Accepted, refused, incomplete, opened, answered, erased.
    let submit = async |who, envelope: &Value| acting(who).submit(envelope, &client::new_key().unwrap()).await;
    let school = submit(SCHOOL, &envelopes::of_the_school()).await.unwrap()["id"].as_str().unwrap().to_owned();
    submit(HOSPITAL, &envelopes::of_the_hospital()).await.unwrap();
    let mut odd = envelopes::of_the_school();
    odd["Capucine FICTIVE"] = json!("née le 2014-02-27");
    odd["payload"]["types_danger"] = json!(["Barnabé"]);
    submit(SCHOOL, &odd).await.unwrap();
    let mut to_the_town_hall = envelopes::of_the_school();
    to_the_town_hall["recipient"] = json!({"institution": "mairie-blagnac", "unit": "ccas"});
    submit(SCHOOL, &to_the_town_hall).await.unwrap_err();
    let mut wrong = envelopes::retour(&school);
    wrong["payload"]["statut"] = json!("Capucine FICTIVE");
    submit(CRIP, &wrong).await.unwrap_err();
    submit(CADRE, &envelopes::signalement(&school)).await.unwrap();
    let crip = acting(CRIP);
    let page = crip.get("/v1/mailbox?unit=crip").await.unwrap();
    for delivery in page["deliveries"].as_array().unwrap() {
        let document = crip.get(&format!("/v1/mailbox/{}", delivery["delivery"].as_str().unwrap())).await.unwrap();
        assert!(document.to_string().contains("Capucine"), "the search below would find what is there");
        let path = format!("/v1/mailbox/{}/acknowledgement", delivery["delivery"].as_str().unwrap());
        crip.post(&path, &json!({"outcome": "taken-in-charge"})).await.unwrap();
    }
    // Words of a person in an emergency and about a task.
    let again = submit(SCHOOL, &envelopes::of_the_school()).await.unwrap();
    let emergency = json!({"reason": "Capucine FICTIVE est seule avec Barnabé.", "classes": ["identite", "social"]});
    let path = format!("/v1/exchanges/{}/urgence", again["id"].as_str().unwrap());
    acting(("departement-31", "p-6n1vx")).post(&path, &emergency).await.unwrap();
    let tasks = acting(CADRE).get("/v1/follow-ups").await.unwrap();
    let notice = tasks["follow_ups"].as_array().unwrap().iter().find(|task| task["code"] == "written-notice-parents").unwrap();
    let notice = format!("/v1/follow-ups/{}", notice["follow_up"].as_str().unwrap());
    let until = SystemClock.now().plus(std::time::Duration::from_secs(86_400));
    let wait = json!({"basis": "reserve-magistrat", "until": until, "words": "Attendre l’audition de Capucine FICTIVE."});
    acting(CADRE).post(&format!("{notice}/deferral"), &wait).await.unwrap();
    acting(CADRE)
        .post(&format!("{notice}/done"), &json!({"means": "courrier", "words": "Remis à Mme FICTIVE, impasse des Nuages."}))
        .await
        .unwrap();
    acting(CADRE).post(&format!("{notice}/done"), &json!({"means": "Capucine FICTIVE"})).await.unwrap_err();
    let _ = crip.get("/v1/exchanges/Capucine-FICTIVE").await;
    // Words of a person in every other body that the gateway reads: as a value it keeps, as one it cannot read.
    let magistrate = acting(MAGISTRATE);
    let page = magistrate.get("/v1/mailbox?unit=permanence").await.unwrap();
    let path = format!("/v1/mailbox/{}/acknowledgement", page["deliveries"][0]["delivery"].as_str().unwrap());
    for unreadable in [json!({"outcome": "Capucine FICTIVE"}), json!({"Capucine FICTIVE": 1}), json!("Capucine FICTIVE")] {
        magistrate.post(&path, &unreadable).await.unwrap_err();
    }
    magistrate.post(&path, &json!({"outcome": "refused", "reason": "Capucine FICTIVE vit à Montauban."})).await.unwrap();
    let crip_unit = json!({"institution": "departement-31", "unit": "crip"});
    let question =
        json!({"action": "submit", "type": "information-preoccupante", "party": crip_unit, "necessity": "Capucine FICTIVE est seule."});
    acting(SCHOOL).post("/v1/decisions", &question).await.unwrap();
    acting(SCHOOL).post("/v1/decisions", &json!({"action": "Capucine FICTIVE"})).await.unwrap_err();
    let malformed = acting(SCHOOL).request(reqwest::Method::POST, "/v1/exchanges").header("content-type", "application/json");
    let malformed = malformed.body("{\"type\": \"information-preoccupante\", \"Capucine FICTIVE\": Barnabé}").send().await.unwrap();
    assert_eq!(malformed.status(), 400);
    // A name where a reference is meant: it is kept aside, sealed, not where the gateway looks things up.
    let mut misplaced = envelopes::of_the_school();
    misplaced["case"] = json!("FICTIVE-Capucine-2014-02-27");
    misplaced["exclus"] = json!([{"issuer": "famille", "subject": "Capucine FICTIVE"}]);
    misplaced["attachments"] = json!([{"name": "Capucine FICTIVE.pdf", "class": "sante", "sha256": "Capucine"}]);
    acting(SCHOOL).submit(&misplaced, "Capucine-FICTIVE-2014-02-27").await.unwrap();
    let erased = acting(DPO)
        .request(reqwest::Method::DELETE, &format!("/v1/exchanges/{school}"))
        .json(&json!({"motive": "Demande de Mme INVENTÉE"}));
    assert!(erased.send().await.unwrap().status().is_success());

    // A crash must not write what memory holds.
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"]);
    let metrics = process.get("/metrics").await.unwrap();
    let mut files = mapped(process.id(), &world);
    process.stop().await;
    files.extend(fs::read_dir(world.folder.join("data")).unwrap().map(|entry| entry.unwrap().path()));
    files.insert(world.folder.join("gateway.log"));
    let mut searched = vec![("metrics".to_owned(), metrics.into_bytes())];
    searched.extend(files.iter().filter_map(|file| Some((file.display().to_string(), fs::read(file).ok()?))));
    for (name, content) in &searched {
        for secret in SECRETS {
            for written in [secret.to_owned(), secret.to_uppercase(), secret.to_lowercase()] {
                assert!(!content.windows(written.len()).any(|window| window == written.as_bytes()), "`{written}` is in clear in {name}");
            }
        }
    }
    assert!(searched.len() > 5);
}

/// The files that the process maps, less its own program, which holds the demonstration's texts.
fn mapped(process: u32, world: &World) -> BTreeSet<PathBuf> {
    // The gateway forbids that its memory be looked at: only root may list what it maps.
    let (Ok(own), Ok(maps)) = (fs::read_link(format!("/proc/{process}/exe")), fs::read_to_string(format!("/proc/{process}/maps"))) else {
        println!("the files that the gateway maps can only be listed by root: not searched");
        return BTreeSet::new();
    };
    let files = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).map(PathBuf::from);
    let files: BTreeSet<PathBuf> = files.filter(|file| file.is_file() && *file != own).collect();
    assert!(files.iter().any(|file| file.starts_with(&world.folder)), "the databases' shared memory is mapped");
    files
}
