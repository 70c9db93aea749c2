//! Two lines of one gateway's history: a copy was put back elsewhere, and the machine that was believed lost went on. Keys of
//! the one do not pass for those of the other, whatever their dates. And what keys know that a log of before does not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use gateway::{client::new_key, demo::envelopes};
use tests::{
    cli::{Running, Stopped, files, path},
    kept,
    people::*,
    text,
};

#[tokio::test]
async fn keys_of_another_line_of_history_do_not_pass() {
    let running = Running::start().await;
    deposited(&running, "avant").await;
    let first = copied(&running, "a").await;
    // Line 1 is set aside; line 2 goes on from the copy.
    let stopped = running.kill().await;
    let (data, line_1) = (stopped.world.folder.join("data"), stopped.file("ligne-1"));
    fs::rename(&data, &line_1).unwrap();
    restored(&stopped, &first.0, &first.1).await.done();
    let running = stopped.start().await;
    let danger = deposited(&running, "ligne-2").await;
    let second = copied(&running, "b").await;
    // Line 1 still runs, and makes keys of its own, later.
    let stopped = running.kill().await;
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&line_1, &data).unwrap();
    let running = stopped.start().await;
    deposited(&running, "ligne-1").await;
    let third = copied(&running, "c").await;
    let stopped = running.kill().await;
    fs::remove_dir_all(&data).unwrap();

    let refused = restored(&stopped, &second.0, &third.1).await.refused();
    assert_eq!(text(&refused, "/code"), "keys-missing");
    assert!(text(&refused, "/detail").starts_with("1 contenus"), "{refused}");
    assert!(!data.join("gateway.db").exists(), "something could be served");
    restored(&stopped, &second.0, &second.1).await.done();
    let running = stopped.start().await;
    let crip = running.acting(CRIP);
    let delivery = kept::waiting(&crip).await.remove(&danger).unwrap();
    crip.get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
    running.process.stop().await;
}

#[tokio::test]
async fn a_domain_closed_after_the_copy_is_said_by_the_log() {
    let running = Running::start().await;
    let id = deposited(&running, "avant").await;
    let crip = running.acting(CRIP);
    let delivery = kept::waiting(&crip).await.remove(&id).unwrap();
    crip.get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
    let first = copied(&running, "a").await;
    let close = ["keys", "domain", "close", "--for-ever", "--recipient", "departement-31", "--purpose", "ip"];
    running.at_the_desk(DPO, &close).await.done();
    let second = copied(&running, "b").await;
    let stopped = running.kill().await;
    fs::remove_dir_all(stopped.world.folder.join("data")).unwrap();
    restored(&stopped, &first.0, &second.1).await.done();
    let running = stopped.start().await;
    let bundle = running.file("audit");
    running.here(&["audit", "bundle", path(&bundle)]).await.done();
    let all: String = files(&bundle).iter().map(|file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned()).collect();
    assert!(!all.contains("\"event\":\"domain.closed\""), "the copied log does not know it");
    let said = all.lines().find(|line| line.contains("\"closed_domains\"") && line.contains("\"copied_at\"") && line.contains("\"salt\""));
    assert!(said.is_some_and(|line| line.contains("\"recipient\":\"departement-31\"")), "{said:?}");
    running.process.stop().await;
}

async fn deposited(running: &Running, key: &str) -> String {
    let envelope = if key == "avant" { envelopes::of_the_school() } else { kept::envelope(key) };
    text(&running.acting(SCHOOL).submit(&envelope, &new_key().unwrap()).await.unwrap(), "/id")
}

async fn copied(running: &Running, name: &str) -> (PathBuf, PathBuf) {
    let (to, keys_to) = (running.file(name), running.file(&format!("{name}-cles")));
    running.here(&["backup", path(&to), "--keys-to", path(&keys_to)]).await.done();
    (to, keys_to)
}

async fn restored(stopped: &Stopped, from: &Path, keys: &Path) -> tests::cli::Done {
    stopped.here(&["restore", path(from), "--keys-from", path(keys), "--no-erasures-since-backup", "--json"]).await
}
