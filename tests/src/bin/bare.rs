//! The bare server of `tests/bench.sh`: the gateway's own door, and the same bytes kept durably. Nothing else.
//!
//! What a gateway costs is read against it. It shares the listener, TLS, HTTP and database driver with the gateway, and
//! has the same promise (`201` after the commit). It reads nothing of the bytes, asks no rule, encrypts nothing, writes no log.
//! Its commits are as cheap as they can be had: all that wait go into one `INSERT`, which is one transaction and one sync.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measuring tool stops at what it does not expect")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{Json, Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use clap::{Parser, Subcommand};
use gateway::{clock::SystemClock, config::Config, listen::Door};
use serde_json::{Value, json};
use sqlx::{AnyPool, AssertSqlSafe, Executor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Keeps what is posted to /v1/exchanges, and nothing else
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run until SIGTERM
    Serve {
        /// A gateway's configuration: its door is this server's
        #[arg(long)]
        config: PathBuf,
        /// sqlite:///file or postgres://user@host/name
        #[arg(long, env = "BARE_DATABASE")]
        database: String,
    },
}

/// Bytes to keep, and whom to tell.
struct Job {
    id: Uuid,
    bytes: Bytes,
    kept: oneshot::Sender<()>,
}

#[tokio::main]
async fn main() {
    let Command::Serve { config, database } = Options::parse().command;
    let config = Config::load(&config).unwrap();
    let pool = open(&database).await;
    let (jobs, queue) = mpsc::channel(1024);
    tokio::spawn(keep_all(pool.clone(), queue));
    if database.starts_with("sqlite") {
        tokio::spawn(keep_log_short(pool));
    }
    let router = Router::new().route("/v1/exchanges", post(keep)).with_state(jobs);
    let door = Door::open(&config.tls, &config.limits, Arc::new(SystemClock)).unwrap();
    let listener = TcpListener::bind(config.listen).await.unwrap();
    tokio::spawn(say_ready(TcpListener::bind(config.local).await.unwrap()));
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        signal(SignalKind::terminate()).unwrap().recv().await;
        told.cancel();
    });
    door.serve(listener, router, stop).await;
}

async fn keep(State(jobs): State<mpsc::Sender<Job>>, bytes: Bytes) -> (StatusCode, Json<Value>) {
    let (kept, done) = oneshot::channel();
    let id = Uuid::now_v7();
    jobs.send(Job { id, bytes, kept }).await.unwrap();
    done.await.unwrap();
    (StatusCode::CREATED, Json(json!({"id": id.to_string()})))
}

/// One writer: everything that waits, in one statement.
async fn keep_all(pool: AnyPool, mut queue: mpsc::Receiver<Job>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let rows: Vec<String> = (0..batch.len()).map(|n| format!("(${}, ${})", 2 * n + 1, 2 * n + 2)).collect();
        let insert = format!("INSERT INTO kept (id, bytes) VALUES {}", rows.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(insert));
        for job in &batch {
            query = query.bind(job.id.to_string()).bind(job.bytes.to_vec());
        }
        query.execute(&pool).await.unwrap();
        for job in batch.drain(..) {
            let _ = job.kept.send(());
        }
    }
}

async fn open(url: &str) -> AnyPool {
    sqlx::any::install_default_drivers();
    let sqlite = url.starts_with("sqlite");
    let options = sqlx::any::AnyPoolOptions::new().max_connections(4).after_connect(move |connection, _| {
        Box::pin(async move {
            if sqlite {
                connection.execute(TUNE).await?;
            }
            Ok(())
        })
    });
    let pool = options.connect(url).await.unwrap();
    let bytes = if sqlite { "BLOB" } else { "BYTEA" };
    let table = format!("CREATE TABLE IF NOT EXISTS kept (id TEXT PRIMARY KEY, bytes {bytes} NOT NULL)");
    pool.execute(AssertSqlSafe(table)).await.unwrap();
    pool
}

/// Off the writer, as in the gateway.
async fn keep_log_short(pool: AnyPool) {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        pool.execute("PRAGMA wal_checkpoint(PASSIVE)").await.unwrap();
    }
}

async fn say_ready(listener: TcpListener) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let _ = socket.read(&mut [0; 512]).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{\"ready\":true}").await;
    }
}

/// Rows of one commit at most, as in the gateway.
const BATCH: usize = 256;
// The gateway's own promises and no others: a commit survives a power cut, checkpoints are made off the writer.
const TUNE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 10000; PRAGMA wal_autocheckpoint = 0";
