//! What a sync that failed means on SQLite: the end of this process.
//!
//! The kernel forgets the pages that it could not write: they are clean afterwards, the next sync succeeds, and memory shows
//! what the disk does not have. SQLite goes on from there: a checkpoint that had moved a part without a sync is never repeated,
//! and its log is reused. So nobody goes on. The next start reads the write-ahead log from its beginning and moves all of it
//! ([`settled`]) before anything new is promised. PostgreSQL does the same by itself.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    sync::Arc,
};

use rustix::io::Errno;
use sqlx::{AnyPool, Row};

use super::{
    StoreError,
    dialect::{self, Dialect},
    patience::Patiently,
};

/// The outcome of a statement that syncs. When the sync itself failed, this does not return.
pub(super) fn synced<T>(outcome: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
    if let Err(error) = &outcome
        && failed(error)
    {
        end(error);
    }
    outcome
}

fn end(error: &dyn std::error::Error) -> ! {
    tracing::error!(error = %error, "the disk failed a sync: what memory shows is not what the disk has; the process ends, to be started again");
    std::process::exit(ENDED);
}

fn failed(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|of_database| of_database.code()).is_some_and(|code| FAILED_SYNCS.contains(&code.as_ref()))
}

/// Whether the file system under a database still stands after a sync, which that sync does not say.
///
/// ext4 gives itself up when its journal fails, and a sync that was under way may then return with success: it finds its
/// transaction neither running nor committing, takes it for done, and does not ask how it ended (`jbd2_complete_transaction`;
/// seen with Linux 6.18, `tests/FAULTS.md`). A new length of a file needs a transaction of that journal, and is refused from
/// then on. So a small file beside the database changes its length after each commit, before anybody is told of the commit.
#[derive(Clone)]
pub(super) struct Footing(Option<Arc<File>>);

impl Footing {
    /// Beside the database at a URL; nothing for a server, which has its own disk.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the file cannot be made.
    pub(super) fn of(url: &str) -> Result<Self, StoreError> {
        let Some(database) = dialect::file(url) else { return Ok(Self(None)) };
        let mut beside = database.as_os_str().to_owned();
        beside.push(FOOTING);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(beside);
        let file = opened.map_err(|e| StoreError::Unavailable("footing", sqlx::Error::Io(e)))?;
        Ok(Self(Some(Arc::new(file))))
    }

    /// After a sync that succeeded. When the file system was given up meanwhile, this does not return.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it does not answer.
    pub(super) async fn stands(&self) -> Result<(), StoreError> {
        let Some(file) = self.0.clone() else { return Ok(()) };
        // Whatever its length was, one of them is another.
        let asked = tokio::task::spawn_blocking(move || file.set_len(0).and_then(|()| file.set_len(1)));
        let answered = async { Ok(asked.await) }.patiently().await.map_err(|e| StoreError::Unavailable("footing", e))?;
        match answered {
            Ok(Err(error)) if given_up(&error) => end(&error),
            // A full disk takes no new length and has synced all the same.
            Ok(_) => Ok(()),
            Err(_) => Err(StoreError::Stopping),
        }
    }
}

fn given_up(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::IO | Errno::ROFS | Errno::SHUTDOWN | Errno::NODEV | Errno::NXIO))
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
/// Name of the file beside a database, after its own.
pub(super) const FOOTING: &str = "-footing";
/// "Could not be done", as for every command.
const ENDED: i32 = 2;
