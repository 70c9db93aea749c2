//! Clients that deposit, one exchange after the other, and what counts of it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gateway::{client, listen::client_config, receipt};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{
    broker::{Broker, Publisher},
    children, machine,
    stage::Stage,
};

/// Who deposits: a school's social worker, with the certificate of her institution.
pub const SENDER: (&str, &str) = tests::people::SCHOOL;

/// Where deposits go, and what makes one count.
pub enum Target {
    /// A gateway: a receipt that verifies against this key.
    Gateway { web: Web, jwk: Value },
    /// A bare server: an id.
    Bare { web: Web },
    /// A broker: its confirm.
    Broker(Broker),
}

/// What an HTTP client is made of.
pub struct Web {
    tls: rustls::ClientConfig,
    url: String,
    stage: Arc<Stage>,
    new_connections: bool,
}

/// When a run ends.
#[derive(Clone, Copy)]
pub enum Stop {
    In(Duration),
    /// Deposits of each client.
    After(usize),
}

/// What came of a run.
pub struct Deposits {
    /// Latencies of deposits that count, sorted.
    pub latencies: Vec<Duration>,
    /// What did not count, and why.
    pub faults: BTreeMap<String, usize>,
    pub seconds: f64,
    /// CPU seconds of each process that was watched.
    pub cpu: Vec<f64>,
}

/// One client with its connection.
pub struct Client {
    target: Arc<Target>,
    line: Line,
}

enum Line {
    Web { http: reqwest::Client, token: String, issued: Instant },
    Broker(Option<Box<Publisher>>),
}

/// A deposit that was answered.
struct Answered {
    n: usize,
    took: Duration,
    /// `201`'s body; null from a broker.
    answer: Value,
}

impl Web {
    pub fn new(stage: Arc<Stage>, base: &str, new_connections: bool) -> Self {
        let folder = stage.world.folder.join("members").join(SENDER.0);
        let read = |file: PathBuf| CertificateDer::pem_file_iter(file).unwrap().map(Result::unwrap).collect::<Vec<_>>();
        let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
        let tls = client_config(&read(stage.world.authorities()), read(folder.join("certificate.pem")), key).unwrap();
        Self { tls, url: format!("{base}/v1/exchanges"), stage, new_connections }
    }

    fn http(&self) -> reqwest::Client {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(self.tls.clone()).https_only(true);
        // A pool that keeps nothing: a connection for each request.
        let builder = if self.new_connections { builder.pool_max_idle_per_host(0) } else { builder };
        builder.timeout(Duration::from_secs(30)).build().unwrap()
    }

    fn token(&self) -> String {
        tests::process::token(&self.stage.world, SENDER.0, SENDER.1)
    }
}

impl Client {
    /// So many clients; those that keep their connection have it after their first deposit.
    pub async fn several(target: &Arc<Target>, count: usize) -> Vec<Self> {
        let mut clients = Vec::new();
        for _ in 0..count {
            let line = match target.as_ref() {
                Target::Gateway { web, .. } | Target::Bare { web } => {
                    Line::Web { http: web.http(), token: web.token(), issued: Instant::now() }
                }
                Target::Broker(broker) => Line::Broker(broker.kept().await),
            };
            clients.push(Self { target: target.clone(), line });
        }
        clients
    }

    /// Deposits until `stop`; the clients come back with what counts.
    pub async fn all(clients: Vec<Self>, stop: Stop, watched: &[u32]) -> (Vec<Self>, Deposits) {
        let mut random = [0; 8];
        SystemRandom::new().fill(&mut random).unwrap();
        let seed = u64::from_le_bytes(random);
        let target = clients[0].target.clone();
        let over = Arc::new(AtomicBool::new(false));
        let before: Vec<f64> = watched.iter().map(|id| machine::cpu_seconds(*id)).collect();
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for (place, client) in clients.into_iter().enumerate() {
            tasks.spawn(client.some(place, seed, stop, over.clone()));
        }
        if let Stop::In(after) = stop {
            tokio::time::sleep(after).await;
            over.store(true, Ordering::Relaxed);
        }
        let mut done = Vec::new();
        while let Some(one) = tasks.join_next().await {
            done.push(one.unwrap());
        }
        let seconds = began.elapsed().as_secs_f64();
        let cpu = watched.iter().zip(before).map(|(id, before)| machine::cpu_seconds(*id) - before).collect();

        let (mut latencies, mut faults, mut clients) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (place, client, answered, refused) in done {
            for one in answered {
                match target.counts(seed, place, &one) {
                    Ok(()) => latencies.push(one.took),
                    Err(why) => *faults.entry(why.to_owned()).or_default() += 1,
                }
            }
            for why in refused {
                *faults.entry(why).or_default() += 1;
            }
            clients.push(client);
        }
        latencies.sort_unstable();
        (clients, Deposits { latencies, faults, seconds, cpu })
    }

    async fn some(mut self, place: usize, seed: u64, stop: Stop, over: Arc<AtomicBool>) -> (usize, Self, Vec<Answered>, Vec<String>) {
        let (mut answered, mut refused) = (Vec::new(), Vec::new());
        for n in 0.. {
            match stop {
                Stop::In(_) if over.load(Ordering::Relaxed) => break,
                Stop::After(each) if n == each => break,
                Stop::In(_) | Stop::After(_) => {}
            }
            let body = serde_json::to_vec(&children::envelope(seed, place, n)).unwrap();
            let began = Instant::now();
            match self.one(body).await {
                Ok(answer) => answered.push(Answered { n, took: began.elapsed(), answer }),
                Err(why) => {
                    refused.push(why);
                    // Who is refused does not storm.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        (place, self, answered, refused)
    }

    async fn one(&mut self, body: Vec<u8>) -> Result<Value, String> {
        match (&mut self.line, self.target.as_ref()) {
            (Line::Web { http, token, issued }, Target::Gateway { web, .. } | Target::Bare { web }) => {
                if issued.elapsed() > TOKEN_SERVES {
                    (*token, *issued) = (web.token(), Instant::now());
                }
                let request = http.post(&web.url).bearer_auth(&*token).header("idempotency-key", client::new_key().unwrap());
                let sent = request.header("content-type", "application/json").body(body).send().await;
                let answer = sent.map_err(|fault| format!("no answer: {:?}", std::error::Error::source(&fault)))?;
                let status = answer.status().as_u16();
                let answer: Value = answer.json().await.map_err(|_| format!("{status} without JSON"))?;
                if status == 201 { Ok(answer) } else { Err(format!("{status} {}", answer["code"])) }
            }
            (Line::Broker(kept), Target::Broker(broker)) => broker.publish(kept, &body).await.map(|()| Value::Null),
            (Line::Web { .. }, Target::Broker(_)) | (Line::Broker(_), _) => unreachable!("a client has the line of its target"),
        }
    }
}

impl Target {
    fn counts(&self, seed: u64, place: usize, one: &Answered) -> Result<(), &'static str> {
        let id = one.answer["id"].as_str();
        match self {
            Self::Gateway { jwk, .. } => {
                let claims = receipt::verify(one.answer["receipt"].as_str().unwrap_or_default(), jwk)?;
                let canonical = exchange::canonical::bytes(&children::envelope(seed, place, one.n)).unwrap();
                let holds = receipt::commits_to(&claims, &canonical) && Some(claims.sub.as_str()) == id;
                if holds { Ok(()) } else { Err("the receipt is about something else") }
            }
            Self::Bare { .. } => id.map(drop).ok_or("no id"),
            Self::Broker(_) => Ok(()),
        }
    }
}

/// Tokens live ten minutes.
const TOKEN_SERVES: Duration = Duration::from_secs(300);
