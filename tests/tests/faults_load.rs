//! More than the gateway can serve, and less memory than it would like. What must hold is in [`tests::account`]; and under
//! overload no danger is ever told to come again, whoever else is told so at once and when.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gateway::{client::Client, demo::requests};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tests::{
    account::{Account, Answer, Fault, not_here, times},
    kept::whole,
    people::EVALUATOR,
    process::{connect, plain},
    stage::Stage,
    volume::rooted,
};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i03_overload_sheds_whatever_is_not_about_danger_and_never_danger() {
    let stage = Stage::new(|_| {});
    stage.set("[limits]\n", "[limits]\nrequests_in_progress = 12\n");
    let gateway = stage.start().await;
    let seconds = times(60, 4);
    // Ten times as many at once as are let in: one in ten brings a danger.
    let (account, until) = (Account::new("over"), Instant::now() + Duration::from_secs(seconds as u64));
    let (told, accepted, waits) = (Arc::new(Shed::default()), Arc::new(Mutex::new(BTreeSet::new())), Arc::new(Mutex::new(Vec::new())));
    let mut members = JoinSet::new();
    for member in 0..12_usize {
        let (account, school, waits) = (account.clone(), stage.school(), waits.clone());
        members.spawn(async move {
            for n in (0..).take_while(|_| Instant::now() < until) {
                let since = Instant::now();
                assert_eq!(account.deposit(&school, &account.key(member, n)).await, Answer::Accepted, "a danger was shed");
                waits.lock().unwrap().push(since.elapsed());
            }
        });
    }
    for member in 0..108 {
        let (client, told, accepted) = (connect(&stage.world, &stage.base, EVALUATOR.0, EVALUATOR.1), told.clone(), accepted.clone());
        members.spawn(async move {
            for n in (0..).take_while(|_| Instant::now() < until) {
                match member % 3 {
                    0 => told.reading(&client).await,
                    _ => told.asking(&client, &format!("ordinary-{member:04}-{n:06}"), &accepted).await,
                }
            }
        });
    }
    while let Some(ended) = members.join_next().await {
        ended.unwrap();
    }
    let (shed, served) = (told.shed.load(Ordering::SeqCst), told.served.load(Ordering::SeqCst));
    assert!(shed > 0, "nothing was shed: this is no overload");
    let metrics = plain(&stage.local, "/metrics").await.unwrap();
    let counted = |kind: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("passerelle_shed_total{{kind=\"{kind}\"}} ")));
        line.unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(counted("request") + counted("deposit"), shed, "each is counted");
    assert!(counted("request") > 0 && counted("deposit") > 0);
    account.over();
    let (balance, ids) = account.settle(&stage.school(), &stage.crip()).await;
    let mut waits = std::mem::take(&mut *waits.lock().unwrap());
    waits.sort();
    let at = |part: usize| waits[(waits.len() - 1) * part / 100].as_millis();
    println!(
        "danger: {} accepted, p50 {} ms, p99 {} ms, at most {} ms; other: {served} served, {shed} shed",
        ids.len(),
        at(50),
        at(99),
        at(100)
    );
    let how = format!(
        "120 members at once where 12 are let in, for {seconds} s, one in ten with a danger: {} dangers accepted (p50 {} ms, p99 {} ms), {served} others served, {shed} told 503 and when to come again",
        waits.len(),
        at(50),
        at(99)
    );
    // When it is over everybody is served again, and what was accepted of the others is what was said.
    let evaluator = connect(&stage.world, &stage.base, EVALUATOR.0, EVALUATOR.1);
    let accepted = std::mem::take(&mut *accepted.lock().unwrap());
    for (key, id) in accepted {
        let again = evaluator.submit(&requests::to_the_school(&["scolarite.assiduite"]), &key).await.unwrap();
        assert_eq!(again["id"].as_str().unwrap(), id);
    }
    gateway.stop().await;
    balance.record(&Fault { file: "30-overload", what: "10× overload", how: &how, times: 1 });
}

/// What those who are not about danger were told.
#[derive(Default)]
struct Shed {
    shed: AtomicUsize,
    served: AtomicUsize,
}

impl Shed {
    async fn asking(&self, client: &Client, key: &str, accepted: &Mutex<BTreeSet<(String, String)>>) {
        let request =
            client.request(Method::POST, "/v1/exchanges").header("idempotency-key", key).header("content-type", "application/json");
        let body = requests::to_the_school(&["scolarite.assiduite"]).to_string();
        if let Some((StatusCode::CREATED, answer)) = self.told(request.body(body)).await {
            accepted.lock().unwrap().insert((key.to_owned(), tests::text(&answer, "/id")));
        }
    }

    async fn reading(&self, client: &Client) {
        self.told(client.request(Method::GET, "/v1/clocks")).await;
    }

    /// Served, or told when to come again.
    async fn told(&self, request: reqwest::RequestBuilder) -> Option<(StatusCode, Value)> {
        let answer = request.send().await.unwrap();
        let (status, again) = (answer.status(), answer.headers().contains_key("retry-after"));
        let body: Value = answer.json().await.unwrap();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!((body["code"].as_str(), again), (Some("overloaded"), true), "{body}");
            self.shed.fetch_add(1, Ordering::SeqCst);
            // Whoever keeps to what is said comes later; here they do not, half of the time.
            tokio::time::sleep(Duration::from_millis(5)).await;
            return None;
        }
        assert!(status.is_success(), "{body}");
        self.served.fetch_add(1, Ordering::SeqCst);
        Some((status, body))
    }
}

/// A control group that gives a gateway less memory than it takes under load: the kernel kills it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_too_little_memory() {
    let what = "memory limit";
    let group = std::path::PathBuf::from(format!("/sys/fs/cgroup/memory/passerelle-{}", std::process::id()));
    if !rooted() || std::fs::create_dir(&group).is_err() {
        return not_here("31-memory", what, "no memory control group");
    }
    let _group = Group(group.clone());
    let stage = Stage::new(|_| {});
    let program = stage.wrapper("little-memory", &format!("echo $$ > {}/cgroup.procs\nexec", group.display()));
    let account = Account::new("memo");
    let (rounds, mut killed) = (times(50, 1), 0);
    for _ in 0..rounds {
        let limit = |bytes: u64| std::fs::write(group.join("memory.limit_in_bytes"), bytes.to_string());
        limit(ENOUGH).unwrap();
        let service = stage.service(&program, &[]).await;
        let load = account.load((0..4).map(|_| stage.school()));
        account.until_more(10).await;
        let stat = std::fs::read_to_string(group.join("memory.stat")).unwrap();
        let used: u64 = stat.lines().find_map(|line| line.strip_prefix("rss ")?.parse().ok()).unwrap();
        // A little more than it has; then more come than that is enough for.
        let mut bytes = used + 2 * 1024 * 1024;
        while limit(bytes).is_err() {
            // The kernel gives back what it can, and no more.
            bytes += 1024 * 1024;
        }
        let crowd = account.load((0..120).map(|_| stage.school()));
        for _ in 0..2000 {
            if service.ended() > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        limit(ENOUGH).unwrap();
        crowd.stop().await;
        killed += service.ended();
        account.over();
        account.until_more(10).await;
        load.stop().await;
        service.kill().await;
    }
    assert!(killed > 0, "the kernel killed nothing");
    let gateway = stage.start().await;
    let (balance, ids) = account.settle(&stage.school(), &stage.crip()).await;
    let keys = stage.school().get("/v1/keys").await.unwrap();
    gateway.stop().await;
    whole(&stage.world.config(), stage.world.folder.as_path(), &ids, &keys).await;
    let how =
        "a memory control group with 2 MiB more than the gateway uses, then 120 more members at once: killed by the kernel, started again";
    balance.record(&Fault { file: "31-memory", what, how, times: killed });
}

/// Bytes that are enough.
const ENOUGH: u64 = 512 * 1024 * 1024;

struct Group(std::path::PathBuf);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}
