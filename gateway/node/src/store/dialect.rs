//! What differs between databases: how one is opened and tuned, and how a write transaction begins.
//! Everything else is one SQL text for all.

use std::time::Duration;

use sqlx::{
    AnyPool, Executor, Row,
    migrate::{Migration, MigrationType, Migrator},
};

use super::StoreError;

/// How a transaction that will write begins: SQLite must take its lock at once, or two could deadlock on upgrade.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// Opens a pool on `url`, creating the file. WAL and a full sync at each commit: a commit survives a power cut.
pub(crate) async fn pool(url: &str, connections: u32) -> Result<AnyPool, StoreError> {
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}mode=rwc");
    super::options(connections)
        .await
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(TUNE).await?;
                Ok(())
            })
        })
        .connect(&url)
        .await
        .map_err(|e| StoreError::Unavailable("open", e))
}

/// Brings the schema up to date; a migration that was changed after it ran is an error.
pub(crate) async fn migrate(pool: &AnyPool, files: &[(i64, &'static str, &'static str)]) -> Result<(), StoreError> {
    let migrations = files
        .iter()
        .map(|(version, name, sql)| {
            Migration::new(*version, (*name).into(), MigrationType::Simple, sqlx::SqlSafeStr::into_sql_str(*sql), false)
        })
        .collect();
    Migrator::with_migrations(migrations).run(pool).await.map_err(StoreError::Migration)
}

/// Moves what the write-ahead log holds into the database file, without making a writer wait.
pub(crate) async fn checkpoint(pool: &AnyPool) -> Result<(), StoreError> {
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(pool).await.map_err(|e| StoreError::Unavailable("checkpoint", e))?;
    Ok(())
}

/// Moves the write-ahead log into the database file and cuts it to nothing: what was deleted is then overwritten there
/// and gone here. Waits for readers, and for the checkpoint that another task has under way, which SQLite itself does not
/// wait for; says so when something stays in the way.
pub(crate) async fn overwrite(pool: &AnyPool) -> Result<(), StoreError> {
    let failed = |e| StoreError::Unavailable("overwrite", e);
    let until = tokio::time::Instant::now() + OVERWRITTEN_WITHIN;
    loop {
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await.map_err(failed)?;
        if row.try_get::<i64, _>(0).map_err(failed)? == 0 {
            return Ok(());
        }
        if tokio::time::Instant::now() >= until {
            return Err(failed(sqlx::Error::PoolTimedOut));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How long an overwriting may wait for its turn.
const OVERWRITTEN_WITHIN: Duration = Duration::from_secs(10);
// `wal_autocheckpoint = 0`: a checkpoint inside the writer would be its p99; a task of its own does it.
const TUNE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000;
PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY";
