//! `kill -9` in the middle of a copy and of a restore: what is left is nothing, or the whole; never something that serves
//! a half. And a data folder that other means put back, with the erasures that the journal knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::Path, process::Stdio, time::Duration};

use gateway::{client::new_key, demo::envelopes, store::Part};
use reqwest::Method;
use serde_json::json;
use sqlx::Executor;
use tests::{
    Scene,
    cli::{Running, path, run},
    kept,
    people::*,
    process::{binary, postgres},
    text,
};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_neither_leaves_something_half_that_looks_whole() {
    let running = Running::start().await;
    // Long enough to be met in the middle.
    for n in 0..2 {
        let file = running.file(&format!("{n}.bin"));
        fs::write(&file, vec![n; 24 * 1024 * 1024]).unwrap();
        let envelope = running.file("ip.json");
        fs::write(&envelope, envelopes::of_the_hospital().to_string()).unwrap();
        running.by(HOSPITAL, &["submit", path(&envelope), "--attach", &format!("{}=sante", path(&file))]).await.done();
    }
    let config = running.world.config();
    let mut killed = 0;
    for n in 0..4 {
        let (to, keys_to) = (running.file(&format!("copie-{n}")), running.file(&format!("cles-{n}")));
        let arguments = ["backup", path(&to), "--keys-to", path(&keys_to)];
        let part = running.file(&format!("copie-{n}.part"));
        if killed_when(&config, &arguments, || part.join("attachments.db").exists()).await {
            killed += 1;
            assert!(!to.exists() && !keys_to.exists(), "half a copy has its name");
        }
    }
    assert!(killed > 0, "no copy was met in the middle");
    // Asked to stop, it takes away what it has begun.
    let mut stopped = 0;
    for (n, signal) in ["INT", "TERM", "INT", "TERM"].into_iter().enumerate() {
        let (to, keys_to) = (running.file(&format!("arret-{n}")), running.file(&format!("arret-cles-{n}")));
        let (part, keys_part) = (running.file(&format!("arret-{n}.part")), running.file(&format!("arret-cles-{n}.part")));
        let arguments = ["backup", path(&to), "--keys-to", path(&keys_to)];
        if ended_when(&config, &arguments, || part.join("attachments.db").exists(), signal).await {
            stopped += 1;
            for folder in [to, keys_to, part, keys_part] {
                assert!(!folder.exists(), "SIG{signal} left {}", folder.display());
            }
        }
    }
    assert!(stopped > 0, "no copy was stopped in the middle");
    let (to, keys_to) = (running.file("copie"), running.file("cles"));
    running.here(&["backup", path(&to), "--keys-to", path(&keys_to)]).await.done();

    let mut stopped = running.kill().await;
    let data = stopped.world.folder.join("data");
    let arguments = ["restore", path(&to), "--keys-from", path(&keys_to), "--no-erasures-since-backup"];
    let mut killed = 0;
    for file in ["gateway.db", "vault.db", "keys.db", "restored.json"] {
        if data.exists() {
            fs::remove_dir_all(&data).unwrap();
        }
        if killed_when(&config, &arguments, || data.join("restoring").join(file).exists()).await {
            killed += 1;
            if data.join("restoring").exists() {
                let start = tokio::time::timeout(Duration::from_secs(60), stopped.here(&["serve"])).await.expect("it starts on a half");
                assert!(start.code == 2 && start.err.contains("gateway restore"), "{file}: {start:?}");
                // The same command begins anew.
                stopped.here(&arguments).await.done();
            }
            stopped = stopped.start().await.kill().await;
        }
    }
    assert!(killed > 0, "no restore was met in the middle");
    // Killed when everything was in its place, and nothing said so yet.
    fs::remove_dir_all(&data).unwrap();
    stopped.here(&arguments).await.done();
    fs::create_dir(data.join("restoring")).unwrap();
    stopped.here(&arguments).await.done();
    let running = stopped.start().await;
    assert_eq!(kept::waiting(&running.acting(CRIP)).await.len(), 2);
    running.process.stop().await;
}

/// Runs a command and kills it as soon as `holds`; says whether it was in time.
async fn killed_when(config: &Path, arguments: &[&str], holds: impl Fn() -> bool) -> bool {
    ended_when(config, arguments, holds, "KILL").await
}

/// The same with a signal that may be answered.
async fn ended_when(config: &Path, arguments: &[&str], holds: impl Fn() -> bool, signal: &str) -> bool {
    let mut child = Command::new(binary())
        .args(arguments)
        .env("PASSERELLE_CONFIG", config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    loop {
        if holds() {
            Command::new("kill").arg(format!("-{signal}")).arg(child.id().unwrap().to_string()).status().await.unwrap();
            return !child.wait().await.unwrap().success();
        }
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{arguments:?}");
            return false;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_state_put_back_by_other_means_has_its_erasures_replayed() {
    let running = Running::start().await;
    let id = text(&running.acting(SCHOOL).submit(&envelopes::of_the_school(), &new_key().unwrap()).await.unwrap(), "/id");
    let delivery = kept::waiting(&running.acting(CADRE)).await.remove(&id).unwrap();
    running.by(CADRE, &["mailbox", "acknowledge", &delivery]).await.done();
    let stopped = running.kill().await;
    let (data, older) = (stopped.world.folder.join("data"), stopped.file("older"));
    copy(&data, &older);
    let running = stopped.start().await;
    running.by(DPO, &["exchange", "erase", &id, "--motive", "durée écoulée"]).await.done();
    let journal = running.file("effacements.json");
    running.here(&["keys", "journal", "--to", path(&journal)]).await.done();
    let replay = ["keys", "replay", path(&journal), "--json"];
    assert_eq!(text(&running.here(&replay).await.refused(), "/code"), "running");
    let stopped = running.kill().await;
    fs::remove_dir_all(&data).unwrap();
    // From no database nothing is written: it would say that nothing was erased; nor from one that knows less.
    let write = ["keys", "journal", "--to", path(&journal), "--json"];
    assert_eq!(stopped.here(&write).await.code, 2);
    fs::rename(&older, &data).unwrap();
    assert_eq!(text(&stopped.here(&write).await.refused(), "/code"), "forgets");
    let replayed = stopped.here(&replay).await.done().json();
    assert_eq!(replayed["erased"], 1, "the key had come back: {replayed}");
    let running = stopped.start().await;
    let again = running.by(DPO, &["exchange", "erase", &id, "--motive", "encore", "--json"]).await;
    assert_eq!(text(&again.refused(), "/code"), "erased", "the start said what was replayed");
    running.here(&write).await.done();
    running.process.stop().await;
}

/// A server that recovered an earlier instant: keys are back, and nobody remembers that they were destroyed.
#[tokio::test]
async fn on_postgresql_what_came_back_is_destroyed_again() {
    let mut scene = Scene::start_with(|world| world.keep_in(&postgres()).unwrap()).await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    scene.taken_in_charge(&id).await;
    let mut keys = scene.database(Part::Keys).await;
    keys.execute("CREATE TABLE earlier AS SELECT * FROM exchange_key").await.unwrap();
    let erase = scene.acting(DPO).request(Method::DELETE, &format!("/v1/exchanges/{id}")).json(&json!({"motive": "essai"}));
    assert!(erase.send().await.unwrap().status().is_success());
    let journal = scene.world.folder.join("effacements.json");
    let config = scene.world.config();
    let typed = async |arguments: &[&str]| run(&[arguments, &["--config", path(&config), "--json"]].concat(), &[], None).await;
    assert_eq!(typed(&["keys", "journal", "--to", path(&journal)]).await.done().json()["erased"], 1);
    // A replica anywhere works on the database: no port of this machine tells.
    assert_eq!(text(&typed(&["keys", "replay", path(&journal)]).await.refused(), "/code"), "running");
    scene.stop().await;
    keys.execute("DELETE FROM erasure; INSERT INTO exchange_key SELECT * FROM earlier; DROP TABLE earlier").await.unwrap();
    assert_eq!(typed(&["keys", "replay", path(&journal)]).await.done().json()["erased"], 1);
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM exchange_key").fetch_one(&mut keys).await.unwrap();
    assert_eq!(left, 0);
    // Nor do the exchanges remember it. It was months ago: more than what a start looks at when nothing was put back.
    scene.database(Part::Gateway).await.execute("UPDATE exchange SET erased_at = NULL").await.unwrap();
    scene.travel("2027-03-10T09:30:00.000Z").await;
    scene.resume().await;
    assert!(scene.rooms().store.exchange(id.parse().unwrap()).await.unwrap().unwrap().erased_at.is_some(), "nobody says it");
    let said = async || {
        let entries = scene.rooms().store.entries_from(0, 1000).await.unwrap();
        entries.iter().any(|entry| entry.event == "gateway.restored")
    };
    scene.until("the log says it", said).await;
    assert!(!scene.world.folder.join("data/restored.json").exists());
    // What waits shows behind every cursor of before.
    let other = scene.accepted(SCHOOL, &kept::envelope("après")).await;
    let page = scene.acting(CADRE).get("/v1/mailbox?unit=crip&after=1000").await.unwrap();
    assert_eq!(text(&page, "/deliveries/0/exchange"), other);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
