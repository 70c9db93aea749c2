//! The store: what the gateway keeps. Knows SQL, and never a clear identity or an open content.
//!
//! Four databases: this one (exchanges, deliveries, clocks, log), [`vault`] (identities), [`keys`] and [`attachments`].
//! Every change goes through the group-committing [`writer`]: many callers, one transaction, one sync.
//! A `201` is sent only after the commit that holds everything it promises.

mod arrivals;
pub mod attachments;
pub mod audit;
mod batch;
pub mod break_glass;
pub mod clocks;
mod columns;
pub mod copy;
pub mod delivery;
pub(crate) mod dialect;
pub mod doubt;
pub mod drops;
pub mod exchange;
pub mod follow_up;
#[cfg(test)]
pub(crate) mod ground;
pub mod idempotency;
pub mod keys;
pub mod known;
pub mod mail;
pub mod overview;
mod patience;
pub mod policy_sets;
pub mod portal;
pub mod push;
pub mod reidentification;
pub mod retention;
pub mod rows;
pub mod schema;
mod seat;
mod side;
mod sync;
pub mod task;
pub mod tokens;
pub mod vault;
pub mod withdrawal;
pub mod writer;

use std::path::PathBuf;

use ::exchange::Party;
use sqlx::{
    Any, AnyPool,
    any::{AnyArguments, AnyRow},
    query::Query,
};

use crate::seal::SealError;
use dialect::Dialect;

pub use dialect::{BESIDE, Part, RESTORING};
pub use seat::Seat;
pub use writer::{Tx, Write};

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The row is already there (a repeated key), and nothing was changed.
    #[error("already there")]
    AlreadyThere,
    /// The row is not there, or no longer in the state that the write needs.
    #[error("not there: {0}")]
    NotThere(&'static str),
    /// The database could not be reached, is full, or failed to commit: nothing was promised.
    #[error("store unavailable during `{0}`")]
    Unavailable(&'static str, #[source] sqlx::Error),
    /// A write touched another number of rows than it must: a bug or a damaged database.
    #[error("`{0}` touched {1} rows")]
    Broken(&'static str, u64),
    /// What was read does not have the shape that was written.
    #[error("damaged row in `{0}`")]
    Damaged(&'static str),
    /// The store is stopping.
    #[error("stopping")]
    Stopping,
    /// What is sealed here does not open, or nothing can be sealed now.
    #[error("sealed value")]
    Seal(#[from] SealError),
    /// The database was written under another key store.
    #[error("the {0} database belongs to the key store `{1}`; put that key file back")]
    ForeignKeys(&'static str, String),
    /// The PostgreSQL database was made with another encoding, or compares text by the rules of a language.
    #[error("the database has encoding {0} and collation `{1}`: create it with TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")]
    Locale(String, String),
    /// Going back would delete what the older schema has no place for.
    #[error("`{0}` holds rows that the older version has no place for: restore a backup instead")]
    WouldLose(String),
    /// There is no way from here to there.
    #[error("there is no way back from version {0} of the schema to version {1}")]
    NoWayBack(i64, i64),
    /// A gateway works on the database.
    #[error("a gateway is running on this database: stop it first")]
    Running,
    /// A restore was interrupted: some of the databases may be in place, and not the others.
    #[error("a restore into `{}` was not finished: run `gateway restore` again", .0.display())]
    Unfinished(PathBuf),
    /// The schema could not be brought up to date.
    #[error("migration failed")]
    Migration(#[source] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// Wraps an error of the driver with the statement it happened in.
    pub(crate) fn in_statement(statement: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| {
            let repeated = error.as_database_error().is_some_and(|of_database| of_database.is_unique_violation());
            if repeated { Self::AlreadyThere } else { Self::Unavailable(statement, error) }
        }
    }
}

/// The gateway's own database.
#[derive(Clone)]
pub struct Store {
    pool: AnyPool,
    pen: AnyPool,
    dialect: Dialect,
    writer: writer::Writer,
    arrivals: arrivals::Arrivals,
}

impl Store {
    /// Opens (and creates or migrates) the database at `url`: `sqlite:///var/lib/passerelle/gateway.db`, or `postgres://…`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be opened, [`StoreError::Migration`] when the schema cannot be brought up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let pool = dialect::pool(url, Part::Gateway, 8).await?;
        let dialect = Dialect::of(url, Part::Gateway);
        sync::settled(&pool, dialect).await?;
        schema::migrate(&pool, url, Part::Gateway).await?;
        let pen = dialect::pen(url, Part::Gateway).await?;
        let writer = writer::Writer::start(pen.clone(), dialect, sync::Footing::of(url)?);
        tokio::spawn(writer::keep_log_short(pool.clone(), dialect, writer.commits(), std::sync::Arc::default()));
        let store = Self { pool, pen, dialect, writer, arrivals: arrivals::Arrivals::default() };
        if store.has_replicas() {
            tokio::spawn(arrivals::hear(store.clone()));
        }
        Ok(store)
    }

    /// Does one write durably: when this returns `Ok`, it survives a power cut.
    ///
    /// # Errors
    /// What the write itself returned (nothing changed), or [`StoreError::Unavailable`] when the commit failed.
    pub async fn write<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        self.writer.write(write).await
    }

    /// Makes sure that what was read here is kept as surely as what is written. On PostgreSQL a commit whose answer was lost may
    /// be seen although the standby does not have it; a later one that was waited for says that it has.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: what was read must not be promised.
    pub async fn confirm(&self, now: ::exchange::Instant) -> Result<(), StoreError> {
        if self.has_replicas() { self.write(Probe(now)).await } else { Ok(()) }
    }

    /// Grows with each commit: the notary waits on it.
    pub fn commits(&self) -> tokio::sync::watch::Receiver<u64> {
        self.writer.commits()
    }

    /// Whether other processes may serve the same members: then what they did shows here only to who looks.
    pub fn has_replicas(&self) -> bool {
        self.dialect != Dialect::Sqlite
    }

    /// The right to extend the log, unless another replica has it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn notary_seat(&self) -> Result<Option<Seat>, StoreError> {
        Seat::of_notary(&self.pool, self.dialect).await
    }

    /// A place from which to wait for what comes to a unit, unless `at_most` are taken.
    pub fn wait_at(&self, unit: &Party, at_most: usize) -> Option<tokio::sync::watch::Receiver<u64>> {
        self.arrivals.wait_at(unit, at_most)
    }

    /// Wakes who waits at a unit, after the commit that delivered something to it.
    pub fn arrived(&self, unit: &Party) {
        self.arrivals.ring(unit);
    }

    /// Waits for the writes in flight and closes the database.
    pub async fn close(&self) {
        self.writer.stop().await;
        self.pen.close().await;
        self.pool.close().await;
    }

    async fn rows(&self, statement: &'static str, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>, StoreError> {
        patience::rows(&self.pool, statement, query).await
    }

    async fn row(&self, statement: &'static str, query: Query<'_, Any, AnyArguments>) -> Result<Option<AnyRow>, StoreError> {
        patience::row(&self.pool, statement, query).await
    }
}

/// The readiness probe: a commit that changes one row nobody needs.
pub struct Probe(pub ::exchange::Instant);

impl Write for Probe {
    const NAME: &'static str = "probe";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> futures::future::BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(PROBE).bind(self.0.unix_ms()).bind(Self::NAME);
            tx.one("probe", one).await
        })
    }
}

/// A write that must touch exactly one row.
pub(crate) fn exactly_one(statement: &'static str, rows: u64) -> Result<(), StoreError> {
    match rows {
        1 => Ok(()),
        0 => Err(StoreError::NotThere(statement)),
        more => Err(StoreError::Broken(statement, more)),
    }
}

const PROBE: &str = "-- probe
INSERT INTO probe (id, at, written_by) VALUES (1, $1, $2)
ON CONFLICT (id) DO UPDATE SET at = excluded.at, written_by = excluded.written_by";

#[cfg(test)]
mod tests;
