//! `kill -9` while the rules are changed: between a proposal and its approvals, between the two approvals, and around the
//! commit of the second one, before the process has acted on it or told anybody. After each:
//!
//! * the set in force is the one that the store says, whatever the folder holds;
//! * what waited still waits, with the approvals that were given;
//! * what was not told can be done again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

use std::fs;

use gateway::{
    client::{Client, ClientFault},
    clock::{Clock, SystemClock},
    demo::World,
};
use serde_json::{Value, json};
use sqlx::Connection;
use tests::{
    people::{ADMIN, CADRE, DPO},
    process::{Process, connect, free_ports},
    text,
};

/// How often the store is looked at after the second approval was sent, before the kill: at once, soon, and as soon as it
/// says that the set is in force.
const LOOKS: [usize; 3] = [0, 16, usize::MAX];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i08_the_set_in_force_is_the_one_the_store_says_through_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::prepare(folder.path());
    let rule = gateway.world.folder.join("policies/local/reception.cedar");
    let written = fs::read_to_string(&rule).unwrap();
    let mut process = gateway.start().await;
    let (mut committed, mut untold) = (0, 0);
    for (round, looks) in LOOKS.into_iter().enumerate() {
        let before = gateway.list().await;
        fs::write(&rule, format!("{written}// {round}\n")).unwrap();
        let set = text(&gateway.acting(ADMIN).post("/v1/policy-sets", &json!({"motive": "essai"})).await.unwrap(), "/set");
        // What lies in the folder from here on is neither the set in force nor the one that is proposed.
        fs::write(&rule, "").unwrap();

        // 1. Between the proposal and the first approval; between the two approvals.
        let approve = format!("/v1/policy-sets/{set}/approvals");
        for approvals in 0..2 {
            process.kill().await;
            process = gateway.start().await;
            let list = gateway.list().await;
            assert_eq!((&list["in_force"], state(&list, &set)), (&before["in_force"], ("proposed".into(), approvals)), "{list}");
            if approvals == 0 {
                gateway.acting(DPO).post(&approve, &json!({})).await.unwrap();
            }
        }

        // 2. Around the commit of the second approval.
        let (cadre, path) = (gateway.acting(CADRE), approve.clone());
        let approving = tokio::spawn(async move { cadre.post(&path, &json!({})).await });
        let mut seen = 0;
        while seen < looks && !approving.is_finished() && !gateway.in_force(&set).await {
            seen += 1;
        }
        process.kill().await;
        let answer = approving.await.unwrap();
        let kept = gateway.in_force(&set).await;
        assert!(kept || (looks < usize::MAX && answer.is_err()), "told and not kept: {answer:?}");
        process = gateway.start().await;
        let list = gateway.list().await;
        if kept {
            committed += 1;
            untold += usize::from(matches!(answer, Err(ClientFault::Transport(_))));
        } else {
            assert_eq!((&list["in_force"], state(&list, &set)), (&before["in_force"], ("proposed".into(), 1)), "{list}");
            gateway.acting(CADRE).post(&approve, &json!({})).await.unwrap();
        }
        let list = gateway.list().await;
        assert_eq!((text(&list, "/in_force"), state(&list, &set)), (set.clone(), ("in-force".into(), 2)), "{list}");
        assert_eq!(state(&list, &text(&before, "/in_force")).0, "ended", "{list}");
    }
    process.stop().await;
    println!("{} kills around a commit: {committed} after it, {untold} of them before the answer", LOOKS.len());
}

/// A gateway that is started again and again.
struct Gateway {
    world: World,
    base: String,
    local: String,
}

impl Gateway {
    fn prepare(folder: &std::path::Path) -> Self {
        let world = World::create(folder, SystemClock.now()).unwrap();
        let (port, local) = free_ports();
        let local = format!("127.0.0.1:{local}");
        world.listen(&format!("127.0.0.1:{port}"), &local).unwrap();
        Self { world, base: format!("https://localhost:{port}"), local }
    }

    async fn start(&self) -> Process {
        Process::start(&self.world.config(), &self.local).await
    }

    fn acting(&self, (institution, professional): (&str, &str)) -> Client {
        connect(&self.world, &self.base, institution, professional)
    }

    /// The sets as the running gateway tells them: what it decides with, and the proposals.
    async fn list(&self) -> Value {
        self.acting(ADMIN).get("/v1/policy-sets").await.unwrap()
    }

    /// Whether the store says that this set is in force, seen from outside.
    async fn in_force(&self, set: &str) -> bool {
        sqlx::any::install_default_drivers();
        let file = self.world.folder.join("data/gateway.db");
        let mut database = sqlx::AnyConnection::connect(&format!("sqlite://{}?mode=ro", file.display())).await.unwrap();
        let found = sqlx::query("SELECT id FROM policy_proposal WHERE set_hash = $1 AND state = 'in-force'").bind(set);
        let found = found.fetch_optional(&mut database).await.unwrap().is_some();
        database.close().await.unwrap();
        found
    }
}

/// State and number of approvals of the newest proposal of a set.
fn state(list: &Value, set: &str) -> (String, usize) {
    let proposal = list["proposals"].as_array().unwrap().iter().find(|one| one["set"] == set).unwrap();
    (text(proposal, "/state"), proposal["approvals"].as_array().unwrap().len())
}
