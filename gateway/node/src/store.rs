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
pub mod delivery;
pub mod dialect;
pub mod exchange;
pub mod follow_up;
pub mod idempotency;
pub mod keys;
pub mod known;
pub mod policy_sets;
pub mod push;
pub mod reidentification;
mod side;
pub mod task;
pub mod tokens;
pub mod vault;
pub mod writer;

use std::time::Duration;

use ::exchange::Party;
use sqlx::{
    Any, AnyPool,
    any::{AnyArguments, AnyPoolOptions, AnyRow},
    query::Query,
};

use crate::seal::SealError;

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
    writer: writer::Writer,
    arrivals: arrivals::Arrivals,
}

impl Store {
    /// Opens (and creates or migrates) the database at `url`, `sqlite:///var/lib/passerelle/gateway.db`.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be opened, [`StoreError::Migration`] when the schema cannot be brought up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let pool = dialect::pool(url, 8).await?;
        dialect::migrate(&pool, MIGRATIONS).await?;
        let writer = writer::Writer::start(pool.clone());
        Ok(Self { pool, writer, arrivals: arrivals::Arrivals::default() })
    }

    /// Does one write durably: when this returns `Ok`, it survives a power cut.
    ///
    /// # Errors
    /// What the write itself returned (nothing changed), or [`StoreError::Unavailable`] when the commit failed.
    pub async fn write<W: Write>(&self, write: W) -> Result<W::Output, StoreError> {
        self.writer.write(write).await
    }

    /// Grows with each commit: the notary waits on it.
    pub fn commits(&self) -> tokio::sync::watch::Receiver<u64> {
        self.writer.commits()
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
        self.pool.close().await;
    }

    async fn rows(&self, statement: &'static str, query: Query<'_, Any, AnyArguments>) -> Result<Vec<AnyRow>, StoreError> {
        query.fetch_all(&self.pool).await.map_err(StoreError::in_statement(statement))
    }

    async fn row(&self, statement: &'static str, query: Query<'_, Any, AnyArguments>) -> Result<Option<AnyRow>, StoreError> {
        query.fetch_optional(&self.pool).await.map_err(StoreError::in_statement(statement))
    }
}

/// The schema of the gateway's own database, in order.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "heart", include_str!("../schema/sqlite/gateway/0001_heart.sql")),
    (2, "policy_sets", include_str!("../schema/sqlite/gateway/0002_policy_sets.sql")),
    (3, "tasks", include_str!("../schema/sqlite/gateway/0003_tasks.sql")),
    (4, "vault_acts", include_str!("../schema/sqlite/gateway/0004_vault_acts.sql")),
    (5, "statement", include_str!("../schema/sqlite/gateway/0005_statement.sql")),
    (6, "attachments", include_str!("../schema/sqlite/gateway/0006_attachments.sql")),
];

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

pub(crate) async fn options(connections: u32) -> AnyPoolOptions {
    sqlx::any::install_default_drivers();
    AnyPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(10))
}

const PROBE: &str = "-- probe
INSERT INTO probe (id, at, written_by) VALUES (1, $1, $2)
ON CONFLICT (id) DO UPDATE SET at = excluded.at, written_by = excluded.written_by";

#[cfg(test)]
mod tests;
