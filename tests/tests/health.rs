//! Health as it is asked: `/health/ready` makes what it speaks of, names what fails, costs nothing to whoever asks often and
//! says no while the gateway drains; `gateway health` tells a person, an engine and a program the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, process::Stdio};

use bytes::Bytes;
use futures::{SinkExt, channel::mpsc};
use gateway::{demo::envelopes, store::Part};
use reqwest::Method;
use serde_json::json;
use sqlx::{Executor, Row};
use tests::{
    cli::{Running, path, run, until},
    people::*,
    scene::Scene,
    text,
};
use tokio::process::Command;

#[tokio::test]
async fn asking_often_writes_once_in_a_second_and_leaves_nothing_behind() {
    let scene = Scene::start().await;
    let count = async || {
        let mut database = scene.database(Part::Gateway).await;
        let row =
            database.fetch_one("SELECT (SELECT COUNT(*) FROM probe) AS probes, (SELECT COUNT(*) FROM entry) AS entries").await.unwrap();
        (row.get::<i64, _>("probes"), row.get::<i64, _>("entries"))
    };
    let at = async || {
        let mut database = scene.database(Part::Gateway).await;
        database.fetch_one("SELECT at FROM probe").await.unwrap().get::<i64, _>("at")
    };
    assert!(scene.local("/health/ready").await.contains("\"ready\":true"));
    let (before, written) = (count().await, at().await);
    assert_eq!(written, scene.now().unix_ms(), "a row was committed for this answer");
    let started = std::time::Instant::now();
    let commits = commits(&scene).await;
    for _ in 0..300 {
        assert!(scene.local("/health/ready").await.contains("\"ready\":true"));
    }
    let made = self::commits(&scene).await - commits;
    // One each second, and a few of the workers.
    assert!(made <= started.elapsed().as_secs() + 5, "{made} commits for 300 questions in {:?}", started.elapsed());
    assert_eq!(count().await, before);
    assert_eq!(before.0, 1);
}

#[tokio::test]
async fn what_cannot_be_committed_is_named_within_the_time_limit() {
    let scene = Scene::start().await;
    let mut writer = scene.database(Part::Gateway).await;
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    let started = std::time::Instant::now();
    let answer = scene.local("/health/ready").await;
    assert!(started.elapsed().as_secs() < 7, "{:?}", started.elapsed());
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    for expected in ["\"ready\":false", "\"what\":\"commit\"", "\"why\":\"nothing was committed within 5 s\""] {
        assert!(answer.contains(expected), "{expected}: {answer}");
    }
    // It answers: the process is alive, and whoever counts is told.
    assert!(scene.local("/health/live").await.contains("\"live\":true"));
    assert!(scene.local("/metrics").await.contains("passerelle_"));
    writer.execute("ROLLBACK").await.unwrap();
    scene.until("it heals", || async { scene.local("/health/ready").await.contains("\"ready\":true") }).await;
}

#[tokio::test]
async fn the_command_tells_a_person_a_program_and_an_engine() {
    let running = Running::start().await;
    let told = running.here(&["health"]).await.done().out;
    assert_eq!(told, "Prête : une écriture, une signature et une décision viennent d’être faites.\n");
    let given = running.here(&["health", "--json"]).await.done().json();
    assert_eq!(given, json!({"ready": true, "policies": "in-force"}));
    assert_eq!(running.here(&["health", "--live"]).await.done().out, "Vivante : elle répond.\n");
    // A folder of rules that is not what was approved is said, and takes nothing away.
    let law = running.world.folder.join("policies/law");
    let file = fs::read_dir(&law).unwrap().map(|entry| entry.unwrap().path()).find(|file| file.extension().is_some_and(|e| e == "cedar"));
    let file = file.unwrap();
    fs::write(&file, format!("{}\n// note\n", fs::read_to_string(&file).unwrap())).unwrap();
    until("the folder differs", async || running.here(&["health"]).await.done().out.contains("n’est pas le jeu approuvé")).await;

    // What is under way holds the drain open: alive, not ready, and nobody new is let in.
    let (mut more, body) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let sent = envelopes::of_the_school().to_string();
    let (head, rest) = sent.split_at(20);
    more.send(Ok(Bytes::copy_from_slice(head.as_bytes()))).await.unwrap();
    let deposit = running.acting(SCHOOL).request(Method::POST, "/v1/exchanges").header("content-type", "application/json");
    let deposit = tokio::spawn(deposit.body(reqwest::Body::wrap_stream(body)).send());
    until("it is under way", async || running.process.get("/metrics").await.unwrap().contains("passerelle_connections 1")).await;
    let id = running.process.id().to_string();
    assert!(Command::new("kill").arg(&id).stdout(Stdio::null()).status().await.unwrap().success());
    until("it drains", async || running.process.get("/health/ready").await.unwrap().contains("draining")).await;
    let told = running.here(&["health"]).await;
    assert_eq!((told.code, told.out.contains("Pas prête : elle s’arrête")), (1, true), "{told:?}");
    assert_eq!(text(&running.here(&["health", "--json"]).await.refused(), "/what"), "draining");
    running.here(&["health", "--live"]).await.done();
    more.send(Ok(Bytes::copy_from_slice(rest.as_bytes()))).await.unwrap();
    drop(more);
    assert_eq!(deposit.await.unwrap().unwrap().status(), 201);

    // Nobody there; `--wait` asks until then. No configuration.
    let config = running.world.config();
    running.process.ended().await;
    let asked = async |arguments: &[&str]| run(arguments, &[("PASSERELLE_CONFIG", path(&config))], None).await;
    let told = asked(&["health"]).await;
    assert_eq!((told.code, told.err.contains("est-elle lancée ?")), (2, true), "{told:?}");
    let started = std::time::Instant::now();
    let told = asked(&["health", "--json", "--wait", "1"]).await;
    assert_eq!((told.code, text(&told.json(), "/what").as_str()), (2, "unanswered"), "{told:?}");
    assert!(started.elapsed().as_millis() >= 1000);
    assert_eq!(asked(&["health", "--config", "/nowhere/gateway.toml"]).await.code, 2);
}

/// How many transactions the gateway has committed.
async fn commits(scene: &Scene) -> u64 {
    let metrics = scene.local("/metrics").await;
    let line = metrics.lines().find_map(|line| line.strip_prefix("passerelle_store_commit_seconds_count ")).unwrap();
    line.trim().parse().unwrap()
}
