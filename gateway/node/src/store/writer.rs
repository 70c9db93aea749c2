//! The group-committing writer: takes what callers want written, in order, as many as wait, and commits them
//! in one transaction with one sync. What only inserts goes into the tables together; any other write has its savepoint, and
//! so has each once a row was refused: one that fails takes nothing with it and leaves nothing behind. Callers are answered
//! only after the commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use sqlx::{Any, AnyConnection, AnyPool, Executor, any::AnyArguments, pool::PoolConnection, query::Query};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    StoreError,
    batch::Pace,
    dialect::Dialect,
    exactly_one,
    patience::PATIENCE,
    rows::Rows,
    sync::{Footing, synced},
};

/// Something to write, as one caller wants it: all of it or nothing.
pub trait Write: Send + 'static {
    /// Name of the transaction: in metrics, in `written_by`, in errors.
    const NAME: &'static str;
    /// What the caller learns.
    type Output: Send + 'static;

    /// Writes through `tx`. May run only once; an error undoes what this write did.
    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<Self::Output, StoreError>>;

    /// Adds its rows and says what the caller learns, when it does nothing but insert: such writes of one commit go into
    /// the tables together. `None`: nothing was added, and [`Write::apply`] does it.
    fn only_inserts(&self, _: &mut Rows) -> Option<Self::Output> {
        None
    }
}

/// An open write transaction.
pub struct Tx {
    connection: PoolConnection<Any>,
}

impl Tx {
    /// The connection on which the transaction is open.
    pub fn connection(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    /// Runs a statement that must touch exactly one row.
    pub(super) async fn one(&mut self, statement: &'static str, query: Query<'_, Any, AnyArguments>) -> Result<(), StoreError> {
        let done = query.execute(self.connection()).await.map_err(StoreError::in_statement(statement))?;
        exactly_one(statement, done.rows_affected())
    }

    /// Inserts rows: all, or an error.
    pub(super) async fn insert(&mut self, rows: Rows) -> Result<(), StoreError> {
        rows.write(self.connection()).await
    }
}

/// The handle that callers hold.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
    commits: watch::Receiver<u64>,
}

impl Writer {
    /// Starts the one writing task of this process.
    pub(super) fn start(pool: AnyPool, dialect: Dialect, footing: Footing) -> Self {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (committed, commits) = watch::channel(0);
        tokio::spawn(run(Ground { pool, dialect, footing }, queue, committed));
        Self { jobs, commits }
    }

    pub(crate) async fn write<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Pending::<W> { write: Some(write), result: None, reply });
        self.jobs.send(job).await.map_err(|_| StoreError::Stopping)?;
        answer.await.map_err(|_| StoreError::Stopping)?
    }

    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.clone()
    }

    /// Waits until everything that was handed in before is committed or refused.
    pub(crate) async fn stop(&self) {
        let _ = self.write(Flush).await;
    }
}

/// Where it is written.
struct Ground {
    pool: AnyPool,
    dialect: Dialect,
    footing: Footing,
}

async fn run(ground: Ground, mut queue: mpsc::Receiver<Box<dyn Job>>, committed: watch::Sender<u64>) {
    let mut batch = Vec::new();
    let mut pace = Pace::default();
    while pace.next(&mut queue, &mut batch).await > 0 {
        let started = std::time::Instant::now();
        let jobs = std::mem::take(&mut batch);
        metrics::histogram!("passerelle_store_batch_writes").record(f64::from(u32::try_from(jobs.len()).unwrap_or(u32::MAX)));
        commit_all(&ground, jobs).await;
        metrics::histogram!("passerelle_store_commit_seconds").record(started.elapsed().as_secs_f64());
        committed.send_modify(|count| *count += 1);
    }
}

async fn commit_all(ground: &Ground, mut jobs: Vec<Box<dyn Job>>) {
    let outcome = in_one_transaction(ground, &mut jobs).await;
    if let Err(error) = &outcome {
        tracing::error!(error = %error, cause = ?std::error::Error::source(error).map(ToString::to_string), writes = jobs.len(), "nothing of this batch was committed");
    }
    for job in jobs {
        // Each caller gets an error value of its own.
        job.finish(match &outcome {
            Ok(()) => Ok(()),
            Err(_) => Err(StoreError::Unavailable("commit", sqlx::Error::WorkerCrashed)),
        });
    }
}

async fn in_one_transaction(ground: &Ground, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let mut tx = Tx { connection: ground.pool.acquire().await.map_err(|e| StoreError::Unavailable("acquire", e))? };
    let outcome = match tokio::time::timeout(PATIENCE, apply_and_commit(&mut tx, ground, jobs)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StoreError::Unavailable("patience", sqlx::Error::PoolTimedOut)),
    };
    if outcome.is_err() {
        // Its state is unknown, and the other end may be gone: it is not used again. A crash here leaves the same open
        // transaction, which the database rolls back by itself.
        tx.connection.close_on_drop();
    }
    outcome
}

async fn apply_and_commit(tx: &mut Tx, ground: &Ground, jobs: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let begin = ground.dialect.begin_write();
    tx.connection.execute(begin).await.map_err(|e| StoreError::Unavailable("begin", e))?;
    let mut rows = Rows::default();
    let together: Vec<bool> = jobs.iter_mut().map(|job| job.only_inserts(&mut rows)).collect();
    let written = tx.insert(rows).await.is_ok();
    if !written {
        // Whose row it was is found out one by one.
        tx.connection.execute("ROLLBACK").await.map_err(|e| StoreError::Unavailable("rollback", e))?;
        tx.connection.execute(begin).await.map_err(|e| StoreError::Unavailable("begin", e))?;
    }
    for (job, _) in jobs.iter_mut().zip(together).filter(|(_, together)| !(written && *together)) {
        tx.connection.execute("SAVEPOINT caller").await.map_err(|e| StoreError::Unavailable("savepoint", e))?;
        if job.apply(tx).await {
            tx.connection.execute("RELEASE SAVEPOINT caller").await.map_err(|e| StoreError::Unavailable("release", e))?;
        } else {
            tx.connection
                .execute("ROLLBACK TO SAVEPOINT caller; RELEASE SAVEPOINT caller")
                .await
                .map_err(|e| StoreError::Unavailable("rollback", e))?;
        }
    }
    synced(tx.connection.execute("COMMIT").await).map_err(|e| StoreError::Unavailable("commit", e))?;
    ground.footing.stands().await
}

/// Keeps SQLite's write-ahead log short, outside the writer; and overwrites what was deleted while somebody read all the time.
pub(super) async fn keep_log_short(pool: AnyPool, dialect: Dialect, mut commits: watch::Receiver<u64>, unwritten: Arc<AtomicBool>) {
    if dialect != Dialect::Sqlite {
        return;
    }
    loop {
        tokio::select! {
            changed = commits.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(AGAIN) => {
                if !unwritten.load(Ordering::Relaxed) {
                    continue;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        if pool.is_closed() {
            return;
        }
        // Cleared first: what is deleted meanwhile says so again.
        let done = if unwritten.swap(false, Ordering::Relaxed) {
            dialect.overwrite(&pool).await.map(|done| {
                unwritten.fetch_or(!done, Ordering::Relaxed);
            })
        } else {
            dialect.checkpoint(&pool).await
        };
        if let Err(error) = done {
            tracing::warn!(error = %error, "the write-ahead log could not be moved into the database file");
        }
    }
}

/// How often it is looked whether what was deleted can be overwritten now.
const AGAIN: Duration = Duration::from_secs(5);

trait Job: Send {
    /// Adds its rows, when it does nothing else; its result waits for the commit.
    fn only_inserts(&mut self, rows: &mut Rows) -> bool;
    /// Says whether the write succeeded; its result waits for the commit.
    fn apply<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool>;
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Pending<W: Write> {
    write: Option<W>,
    result: Option<Result<W::Output, StoreError>>,
    reply: oneshot::Sender<Result<W::Output, StoreError>>,
}

impl<W: Write> Job for Pending<W> {
    fn only_inserts(&mut self, rows: &mut Rows) -> bool {
        self.result = self.write.as_ref().and_then(|write| write.only_inserts(rows)).map(Ok);
        self.result.is_some()
    }

    fn apply<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool> {
        Box::pin(async move {
            let Some(write) = self.write.take() else { return false };
            let result = write.apply(tx).await;
            let succeeded = result.is_ok();
            self.result = Some(result);
            succeeded
        })
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (self.result, committed) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(failed)) => Err(failed),
            (Some(Ok(output)), Ok(())) => Ok(output),
            (None, Ok(())) => Err(StoreError::Stopping),
        };
        // A caller that went away has its exchange all the same; it will ask again with its key.
        let _ = self.reply.send(answer);
    }
}

struct Flush;

impl Write for Flush {
    const NAME: &'static str = "flush";
    type Output = ();

    fn apply<'t>(self, _: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Writes that may wait; beyond it a caller waits to be queued.
const QUEUE: usize = 1024;
