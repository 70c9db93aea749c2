//! `kill -9` in the middle of a copy and of a restore: what is left is nothing, or the whole; never something that serves
//! a half. And a data folder that other means put back, with the erasures that the journal knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::Path, process::Stdio};

use gateway::{client::new_key, demo::envelopes};
use tests::{
    cli::{Running, path},
    kept,
    people::*,
    process::binary,
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
                let start = stopped.here(&["serve"]).await;
                assert!(start.code == 2 && start.err.contains("gateway restore"), "{file}: {start:?}");
                // The same command begins anew.
                stopped.here(&arguments).await.done();
            }
            stopped = stopped.start().await.kill().await;
        }
    }
    assert!(killed > 0, "no restore was met in the middle");
    let running = stopped.start().await;
    assert_eq!(kept::waiting(&running.acting(CRIP)).await.len(), 2);
    running.process.stop().await;
}

/// Runs a command and kills it as soon as `holds`; says whether it was in time.
async fn killed_when(config: &Path, arguments: &[&str], holds: impl Fn() -> bool) -> bool {
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
            child.kill().await.unwrap();
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
    fs::rename(&older, &data).unwrap();
    let replayed = stopped.here(&replay).await.done().json();
    assert_eq!(replayed["erased"], 1, "the key had come back: {replayed}");
    let running = stopped.start().await;
    let again = running.by(DPO, &["exchange", "erase", &id, "--motive", "encore", "--json"]).await;
    assert_eq!(text(&again.refused(), "/code"), "erased", "the start said what was replayed");
    running.process.stop().await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
