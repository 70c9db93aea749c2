//! First figures: what accepting costs, with every check on and every receipt verified.
//!
//! Starts a gateway of its own (release build beside this binary) with a development PKI, deposits informations
//! préoccupantes of about 4 KiB from keep-alive clients for a while, and prints throughput, latencies, CPU and memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measuring tool stops at what it does not expect, and prints"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use gateway::{
    client,
    clock::{Clock, SystemClock},
    demo::World,
    receipt,
};
use serde_json::{Value, json};
use tests::process::{Process, connect, free_ports};

/// Measures a gateway under load.
#[derive(Parser)]
struct Options {
    /// Keep-alive clients, a connection each
    #[arg(long, default_value_t = 32)]
    clients: usize,
    /// Seconds that count
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Seconds before that
    #[arg(long, default_value_t = 3)]
    warm_up: u64,
    /// Exchanges to store before measuring, to see whether cost grows with history
    #[arg(long, default_value_t = 0)]
    stored: usize,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let folder = tempfile::tempdir().unwrap();
    let world = World::create(folder.path(), SystemClock.now()).unwrap();
    let (port, local) = free_ports();
    world.listen(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{local}")).unwrap();
    let began = Instant::now();
    let process = Process::start(&world.config(), &format!("127.0.0.1:{local}")).await;
    let start_up = began.elapsed();
    let idle = memory(process.id());
    let base = format!("https://localhost:{port}");
    let jwk = connect(&world, &base, "dsden-31", "p-5k2gh").get("/v1/keys").await.unwrap()["keys"][0].clone();
    if options.stored > 0 {
        let each = options.stored.div_ceil(options.clients);
        run(&world, &base, &jwk, options.clients, Stop::After(each)).await;
    }
    run(&world, &base, &jwk, options.clients, Stop::In(Duration::from_secs(options.warm_up))).await;
    let (cpu, own) = (cpu_seconds(process.id()), cpu_seconds(std::process::id()));
    let began = Instant::now();
    let mut latencies = run(&world, &base, &jwk, options.clients, Stop::In(Duration::from_secs(options.seconds))).await;
    let took = began.elapsed().as_secs_f64();
    let cpu = cpu_seconds(process.id()) - cpu;
    let own = cpu_seconds(std::process::id()) - own;
    let loaded = memory(process.id());
    process.stop().await;
    latencies.sort_unstable();
    let accepted = latencies.len();
    let at = |share: f64| latencies[((accepted - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    let figures = json!({
        "clients": options.clients,
        "stored_before": options.stored,
        "accepted": accepted,
        "per_second": (accepted as f64 / took).round(),
        "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999),
        "gateway_cpu_seconds_per_1000": cpu / accepted as f64 * 1000.0,
        "load_generator_cpu_seconds_per_1000": own / accepted as f64 * 1000.0,
        "memory_idle_mib": idle, "memory_loaded_mib": loaded,
        "start_up_ms": start_up.as_millis() as u64,
    });
    if options.json {
        println!("{figures}");
    } else {
        for (name, value) in figures.as_object().unwrap() {
            println!("{name:<38} {value}");
        }
    }
}

/// When a run ends.
#[derive(Clone, Copy)]
enum Stop {
    In(Duration),
    After(usize),
}

/// Deposits from all clients; gives the latency of each accepted deposit whose receipt verified.
async fn run(world: &World, base: &str, jwk: &Value, clients: usize, stop: Stop) -> Vec<Duration> {
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..clients {
        let (client, over, jwk) = (connect(world, base, "dsden-31", "p-5k2gh"), over.clone(), jwk.clone());
        let envelope = envelope(n);
        let canonical = exchange::canonical::bytes(&envelope).unwrap();
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            let more = |done: usize| match stop {
                Stop::In(_) => !over.load(Ordering::Relaxed),
                Stop::After(each) => done < each,
            };
            while more(latencies.len()) {
                let began = Instant::now();
                let answer = client.submit(&envelope, &client::new_key().unwrap()).await.unwrap();
                let took = began.elapsed();
                let claims = receipt::verify(answer["receipt"].as_str().unwrap(), &jwk).unwrap();
                assert!(receipt::commits_to(&claims, &canonical) && claims.sub == answer["id"].as_str().unwrap());
                latencies.push(took);
            }
            latencies
        });
    }
    if let Stop::In(after) = stop {
        tokio::time::sleep(after).await;
        over.store(true, Ordering::Relaxed);
    }
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done.unwrap());
    }
    all
}

/// About 4 KiB, another child for each client.
fn envelope(n: usize) -> Value {
    let words = "Arrive sans repas ni manteau, s’endort en classe, dit rester seule le soir. ".repeat(38);
    json!({
        "type": "information-preoccupante",
        "sender": {"institution": "dsden-31", "unit": "ssfe"},
        "recipient": {"institution": "departement-31", "unit": "crip"},
        "subjects": [{"ref": "s1", "role": "enfant", "birth_name": format!("CHARGE{n:03}"), "given_names": ["Essai"], "sex": "F",
            "birth_date": "2014-02-27", "birth_place": "31555"}],
        "urgency": "ordinary",
        "information": {"parents": {"informed": "faite", "date": "2026-11-20"}, "child": {"informed": "faite"}},
        "payload": {"faits": [{"date_debut": "2026-11-16", "source": "vu", "texte": words}], "types_danger": ["negligences"]}
    })
}

/// Resident memory of a process, in MiB.
fn memory(id: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// CPU seconds a process has used, user and system (proc(5): clock ticks of 1/100 s).
fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
