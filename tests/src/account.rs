//! One accounting for all faults. Members deposit, each under a key that is noted before it is used, and repeat it until it
//! is accepted. Afterwards every exchange that was ever answered 201 must wait in its recipient's mailbox exactly once, under
//! the receipt that was given, and nothing may wait there that nobody deposited.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::StreamExt;
use gateway::client::Client;
use reqwest::{Method, StatusCode, header};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::kept::{envelope, waiting};

/// What members deposited around one fault, and what they were told.
pub struct Account {
    name: &'static str,
    deposits: Mutex<BTreeMap<String, Deposit>>,
    over: Mutex<Instant>,
}

struct Deposit {
    first: Instant,
    accepted: Option<(Value, Instant)>,
}

/// What one try was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `201`.
    Accepted,
    /// A problem.
    Refused {
        /// HTTP status.
        status: u16,
        /// Its stable code; empty when it is no `application/problem+json`.
        code: String,
        /// Seconds of `Retry-After`.
        retry_after: Option<u64>,
    },
    /// Nothing.
    Silence,
}

/// Members who deposit until they are told to stop.
pub struct Load {
    over: Arc<AtomicBool>,
    members: JoinSet<()>,
}

/// What the account comes to.
#[derive(Debug, Clone, Copy)]
pub struct Balance {
    /// Exchanges that were accepted.
    pub accepted: usize,
    /// Of these, how many are not kept as they were promised.
    pub lost: usize,
    /// What waits and nobody deposited, or waits twice.
    pub invented: usize,
    /// Accepted more than [`LATE`] after the fault was over.
    pub late: usize,
}

/// How a fault was made: its line in the table.
#[derive(Debug)]
pub struct Fault<'a> {
    /// Name of its file, by which lines are sorted.
    pub file: &'a str,
    /// What failed.
    pub what: &'a str,
    /// How that was done.
    pub how: &'a str,
    /// How often.
    pub times: usize,
}

impl Account {
    /// An empty account; keys begin with its name.
    pub fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, deposits: Mutex::default(), over: Mutex::new(Instant::now()) })
    }

    /// A key of this account.
    pub fn key(&self, member: usize, n: usize) -> String {
        format!("{}-{member:05}-{n:06}", self.name)
    }

    /// One try to deposit under a key.
    pub async fn deposit(&self, client: &Client, key: &str) -> Answer {
        self.deposits.lock().unwrap().entry(key.to_owned()).or_insert_with(|| Deposit { first: Instant::now(), accepted: None });
        let request = client
            .request(Method::POST, "/v1/exchanges")
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(envelope(key).to_string());
        let Ok(answer) = request.send().await else { return Answer::Silence };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let Ok(body) = answer.json::<Value>().await else { return Answer::Silence };
        if status != StatusCode::CREATED {
            let problem = headers.get(header::CONTENT_TYPE).is_some_and(|media| media == "application/problem+json");
            let code = if problem { crate::text(&body, "/code") } else { String::new() };
            let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            return Answer::Refused { status: status.as_u16(), code, retry_after };
        }
        if let Some(deposit) = self.deposits.lock().unwrap().get_mut(key) {
            deposit.accepted.get_or_insert((body, Instant::now()));
        }
        Answer::Accepted
    }

    /// Members who deposit one after the other, each repeating its key until it is accepted.
    pub fn load(self: &Arc<Self>, clients: impl IntoIterator<Item = Client>) -> Load {
        static MEMBERS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let over = Arc::new(AtomicBool::new(false));
        let mut members = JoinSet::new();
        for client in clients {
            let (account, over, member) = (self.clone(), over.clone(), MEMBERS.fetch_add(1, Ordering::Relaxed));
            members.spawn(async move {
                for n in 0.. {
                    let key = account.key(member, n);
                    while account.deposit(&client, &key).await != Answer::Accepted {
                        if over.load(Ordering::SeqCst) {
                            return;
                        }
                        // As an honest client does: not again at once.
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                }
            });
        }
        Load { over, members }
    }

    /// How many were accepted so far.
    pub fn accepted(&self) -> usize {
        self.deposits.lock().unwrap().values().filter(|deposit| deposit.accepted.is_some()).count()
    }

    /// The fault is over now: what is accepted much later is late.
    pub fn over(&self) {
        *self.over.lock().unwrap() = Instant::now();
    }

    /// Waits until as many more were accepted, for at most a minute.
    pub async fn until_more(&self, more: usize) {
        let (wanted, since) = (self.accepted() + more, Instant::now());
        while self.accepted() < wanted {
            assert!(since.elapsed() < Duration::from_secs(60), "nothing is accepted any more");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Repeats every key until it is accepted, and counts what is kept. Gives the exchanges by id, with their keys.
    pub async fn settle(&self, school: &Client, crip: &Client) -> (Balance, BTreeMap<String, String>) {
        let keys: Vec<String> = self.deposits.lock().unwrap().keys().cloned().collect();
        let again = futures::stream::iter(keys).map(|key| async move {
            let answer = school.submit(&envelope(&key), &key).await.unwrap_or_else(|fault| panic!("{key}: {fault}"));
            (key, answer, Instant::now())
        });
        let again: Vec<_> = again.buffer_unordered(16).collect().await;
        let (mut balance, ids) = self.count(again);
        let waiting = waiting(crip).await;
        balance.lost += ids.keys().filter(|id| !waiting.contains_key(*id)).count();
        balance.invented += waiting.keys().filter(|id| !ids.contains_key(*id)).count();
        (balance, ids)
    }

    fn count(&self, again: Vec<(String, Value, Instant)>) -> (Balance, BTreeMap<String, String>) {
        let over = *self.over.lock().unwrap();
        let mut deposits = self.deposits.lock().unwrap();
        let (mut ids, mut balance) = (BTreeMap::new(), Balance { accepted: 0, lost: 0, invented: 0, late: 0 });
        for (key, answer, at) in again {
            let deposit = deposits.get_mut(&key).unwrap();
            let (first, accepted) = deposit.accepted.get_or_insert((answer.clone(), at));
            balance.accepted += 1;
            // Another answer: what was promised first is not there.
            balance.lost += usize::from(*first != answer);
            balance.late += usize::from(*accepted > deposit.first.max(over) + LATE);
            balance.invented += usize::from(ids.insert(crate::text(&answer, "/id"), key).is_some());
        }
        (balance, ids)
    }
}

impl Load {
    /// No new deposit; waits for those under way.
    pub async fn stop(mut self) {
        self.over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.members.join_next().await {
            ended.unwrap();
        }
    }
}

impl Answer {
    /// What the gateway must say while it cannot: `503`, why, and when to come again.
    pub fn is_not_now(&self) -> bool {
        matches!(self, Self::Refused { status: 503, code, retry_after: Some(1..) } if !code.is_empty())
    }
}

impl Balance {
    /// Writes the line of the table, and stops when something was lost or invented.
    pub fn record(self, fault: &Fault<'_>) {
        let Fault { file, what, how, times } = fault;
        let Self { accepted, lost, invented, late } = self;
        write_line(file, &format!("| {what} | {how} | {times} | {accepted} | {lost} | {invented} | {late} |"));
        assert_eq!((lost, invented), (0, 0), "{what}: {self:?}");
    }
}

/// Says in the table that a fault could not be made on this machine.
pub fn not_here(file: &str, what: &str, why: &str) {
    write_line(file, &format!("| {what} | not on this machine: {why} | 0 | | | | |"));
}

/// How often, in a run that is `long` and in one that is not.
pub fn times(long: usize, usual: usize) -> usize {
    if std::env::var_os("PASSERELLE_LONG").is_some() { long } else { usual }
}

#[allow(clippy::print_stdout, reason = "what a test run shows of it")]
fn write_line(file: &str, line: &str) {
    println!("{line}");
    let folder = folder();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(file).with_extension("md"), format!("{line}\n")).unwrap();
}

/// Where `tests/check.sh` finds the lines.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/faults")
}

/// Beyond this after the end of a fault, an acceptance is late.
pub const LATE: Duration = Duration::from_secs(10);
