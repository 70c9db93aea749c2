//! `kill -9` at random instants under load. At the end:
//!
//! * every deposit that was answered 201 is there, exactly once, under the receipt that was given;
//! * each waits in its mailbox and opens, with its words, its child, its clocks and its entry;
//! * every receipt verifies and the log holds its leaf;
//! * nothing is there that nobody sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use gateway::{
    client::Client,
    clock::{Clock, SystemClock},
    demo::World,
    receipt,
};
use serde_json::Value;
use tests::{
    account::{Balance, Fault, times},
    kept::{Told, deposit, envelope, random, waiting, whole},
    process::{Process, connect, free_ports, postgres},
};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_accepted_means_kept_through_kill_9() {
    kept_through_kill_9(times(1000, 20), |_| {}, ("08-kill-sqlite", "`kill -9` of the gateway, SQLite")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_accepted_means_kept_through_kill_9_on_postgresql() {
    let keep = |world: &mut World| world.keep_in(&postgres()).unwrap();
    kept_through_kill_9(times(1000, 3), keep, ("09-kill-postgresql", "`kill -9` of the gateway, PostgreSQL")).await;
}

async fn kept_through_kill_9(rounds: usize, keep: impl FnOnce(&mut World), (file, what): (&str, &str)) {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::create(folder.path(), SystemClock.now()).unwrap();
    keep(&mut world);
    let (port, local) = free_ports();
    let (listen, local) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{local}"));
    world.listen(&listen, &local).unwrap();
    let base = format!("https://localhost:{port}");
    let told: Told = Arc::default();

    for round in 0..rounds {
        let process = Process::start(&world.config(), &local).await;
        let over = Arc::new(AtomicBool::new(false));
        let mut members = JoinSet::new();
        for member in 0..6 {
            members.spawn(deposit_until(connect(&world, &base, "dsden-31", "p-5k2gh"), told.clone(), over.clone(), round * 6 + member));
        }
        let after = Duration::from_millis(30 + u64::from(random() % 500));
        tokio::time::sleep(after).await;
        process.kill().await;
        over.store(true, Ordering::SeqCst);
        while members.join_next().await.is_some() {}
    }

    // Repeating every key: what was accepted is told again, byte for byte; what was not is accepted now, once.
    let process = Process::start(&world.config(), &local).await;
    let client = connect(&world, &base, "dsden-31", "p-5k2gh");
    let jwk = client.get("/v1/keys").await.unwrap()["keys"][0].clone();
    let mut ids = BTreeMap::new();
    let all = told.lock().unwrap().clone();
    let answered = all.values().filter(|answer| answer.is_some()).count();
    for (key, answer) in &all {
        let again = client.submit(&envelope(key), key).await.unwrap();
        if let Some(first) = answer {
            assert_eq!(first, &again, "another answer after a kill");
        }
        let claims = receipt::verify(again["receipt"].as_str().unwrap(), &jwk).unwrap();
        assert!(receipt::commits_to(&claims, &exchange::canonical::bytes(&envelope(key)).unwrap()));
        assert!(ids.insert(again["id"].as_str().unwrap().to_owned(), key.clone()).is_none(), "two keys, one exchange");
    }
    let keys = client.get("/v1/keys").await.unwrap();
    // Kept means whole: each waits for its reader, and what was deposited around a kill opens with its words and its child.
    let crip = connect(&world, &base, "departement-31", "p-4f7k2");
    let waiting = waiting(&crip).await;
    assert_eq!(waiting.len(), ids.len(), "an exchange without its delivery, or two of one");
    let opened = waiting.iter().filter_map(|(id, delivery)| ids.get(id).filter(|key| near_a_kill(&all, key)).map(|key| (key, delivery)));
    let opened: Vec<_> = opened.map(|(key, delivery)| (key.clone(), format!("/v1/mailbox/{delivery}"))).collect();
    let documents = futures::stream::iter(opened).map(|(key, path)| {
        let crip = &crip;
        async move { (key, crip.get(&path).await.unwrap()) }
    });
    let documents: Vec<_> = documents.buffer_unordered(32).collect().await;
    for (key, document) in &documents {
        assert_eq!(document["payload"]["texte_libre"], key.as_str());
        assert_eq!(document["subjects"][0]["birth_name"], "COUPURE", "{document}");
    }
    process.stop().await;
    println!("{rounds} kills, {} keys, {answered} answered 201 before a kill", all.len());
    assert!(answered > rounds, "the load did not reach the gateway");

    whole(&world.config(), folder.path(), &ids, &keys).await;
    // Late is nothing that can be: who is killed is started at once.
    let balance = Balance { accepted: ids.len(), lost: 0, invented: 0, late: 0 };
    balance.record(&Fault { file, what, how: "at a random instant under the load of six members, started again", times: rounds });
}

/// Whether a key is one of the last three of its member, deposited when the process died.
fn near_a_kill(all: &BTreeMap<String, Option<Value>>, key: &str) -> bool {
    let member = &key[..key.len() - 6];
    all.range(key.to_owned()..).nth(3).is_none_or(|(later, _)| !later.starts_with(member))
}

/// Deposits, one after the other, each under a key that is noted before it is used.
async fn deposit_until(client: Client, told: Told, over: Arc<AtomicBool>, member: usize) {
    for n in 0.. {
        if over.load(Ordering::SeqCst) {
            return;
        }
        deposit(&client, &told, &format!("kill-{member:06}-{n:06}")).await;
    }
}
