//! What a sync that failed means on SQLite: the end of this process.
//!
//! The kernel forgets the pages that it could not write: they are clean afterwards, the next sync succeeds, and memory shows
//! what the disk does not have. SQLite goes on from there: a checkpoint that had moved a part without a sync is never repeated,
//! and its log is reused. So nobody goes on. The next start reads the write-ahead log from its beginning and moves all of it
//! ([`settled`]) before anything new is promised. PostgreSQL does the same by itself.

use sqlx::{AnyPool, Row};

use super::{StoreError, dialect::Dialect};

/// The outcome of a statement that syncs. When the sync itself failed, this does not return.
pub(super) fn synced<T>(outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
    if let Err(error) = &outcome
        && failed(error)
    {
        tracing::error!(error = %error, "the disk failed a sync: what memory shows is not what the disk has; the process ends, to be started again");
        std::process::exit(ENDED);
    }
    outcome
}

fn failed(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|of_database| of_database.code()).is_some_and(|code| FAILED_SYNCS.contains(&code.as_ref()))
}

/// Before anything is promised: what the write-ahead log holds is in the database file and on the disk, and the log begins
/// anew. It may hold what was written and never synced, in memory alone. Says no when another process uses it.
///
/// # Errors
/// The disk does not take it.
pub(super) async fn settled(pool: &AnyPool, dialect: Dialect) -> Result<bool, StoreError> {
    if dialect != Dialect::Sqlite {
        return Ok(true);
    }
    let failed = |e| StoreError::Unavailable("settle", e);
    let row = synced(sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await).map_err(failed)?;
    let begun = row.try_get::<i64, _>(0).map_err(failed)? == 0;
    if !begun {
        // A command beside a running gateway: whoever came first moved it.
        tracing::info!("the write-ahead log is in use by another process and was not begun anew");
    }
    Ok(begun)
}

/// SQLITE_IOERR_FSYNC and SQLITE_IOERR_DIR_FSYNC.
const FAILED_SYNCS: [&str; 2] = ["1034", "1290"];
/// "Could not be done", as for every command.
const ENDED: i32 = 2;
