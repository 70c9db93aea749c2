//! What differs between SQLite and PostgreSQL: how a database is opened and tuned, how a transaction begins, how writers
//! take turns, and what a deletion leaves behind. Everything else is one SQL text for both.
//!
//! One writer at a time, on either: SQLite's lock, or an advisory lock of PostgreSQL that ends with its transaction. So
//! what a statement has read stays true until the commit, and whatever holds on SQLite holds between replicas.

use std::{path::Path, time::Duration};

use sqlx::{AnyConnection, AnyPool, Connection, Executor, Row, SqliteConnection, any::AnyPoolOptions};

use super::{
    StoreError,
    patience::Patiently,
    sync::{self, synced},
};

/// Which database is spoken to, and which part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// A file of its own.
    Sqlite,
    /// A schema of that part's name.
    Postgres(Part),
}

/// The databases: separate files, or separate schemas that separate roles may own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Exchanges, deliveries, clocks, log.
    Gateway,
    /// Identities.
    Vault,
    /// Keys.
    Keys,
    /// Bytes of attachments.
    Attachments,
}

impl Part {
    /// All of them, in the order in which an acceptance writes them.
    pub const ALL: [Self; 4] = [Self::Attachments, Self::Keys, Self::Vault, Self::Gateway];

    /// Name of the file, or of the schema.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Vault => "vault",
            Self::Keys => "keys",
            Self::Attachments => "attachments",
        }
    }
}

impl Dialect {
    /// How the database at a URL is spoken to.
    pub(crate) fn of(url: &str, part: Part) -> Self {
        if url.starts_with("postgres") { Self::Postgres(part) } else { Self::Sqlite }
    }

    /// How a transaction that will write begins: its turn is taken at once, for SQLite could deadlock on an upgrade, and
    /// on PostgreSQL two would each write what the other has not seen. Read committed, whatever the server's default: each
    /// statement sees what was committed before the turn came.
    pub(crate) const fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres(Part::Gateway) => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(1346458451, 1)",
            Self::Postgres(Part::Vault) => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(1346458451, 2)",
            Self::Postgres(Part::Keys) => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(1346458451, 3)",
            Self::Postgres(Part::Attachments) => {
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(1346458451, 5)"
            }
        }
    }

    /// The turn of the writers, held by a whole session: what changes tables meets no writer half-way.
    pub(crate) const fn whole_turn(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres(Part::Gateway) => "SELECT pg_advisory_lock(1346458451, 1)",
            Self::Postgres(Part::Vault) => "SELECT pg_advisory_lock(1346458451, 2)",
            Self::Postgres(Part::Keys) => "SELECT pg_advisory_lock(1346458451, 3)",
            Self::Postgres(Part::Attachments) => "SELECT pg_advisory_lock(1346458451, 5)",
        }
    }

    /// How a transaction that only reads begins: what it sees does not move.
    pub(crate) const fn begin_read(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// What each connection is told when it is made.
    fn tune(self) -> String {
        match self {
            Self::Sqlite => TUNE_SQLITE.to_owned(),
            Self::Postgres(part) => format!("SET search_path TO {}; {TUNE_POSTGRES}", part.as_str()),
        }
    }

    /// Moves what SQLite's write-ahead log holds into the database file, without making a writer wait. PostgreSQL does so by
    /// itself.
    pub(crate) async fn checkpoint(self, pool: &AnyPool) -> Result<(), StoreError> {
        if self == Self::Sqlite {
            let checkpoint = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(pool);
            synced(checkpoint.await).map_err(|e| StoreError::Unavailable("checkpoint", e))?;
        }
        Ok(())
    }

    /// Makes sure that what was deleted is gone from the tables, not only out of sight.
    ///
    /// SQLite overwrites it in the database file and cuts its log to nothing; says no when somebody reads the log all the time,
    /// such as a backup. PostgreSQL frees the room; the bytes stay in its write-ahead log as long as that is kept, which is why
    /// nothing is deleted there but what a key opens that is gone.
    pub(crate) async fn overwrite(self, pool: &AnyPool) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite => overwrite_file(pool).await,
            Self::Postgres(part) => {
                let vacuum = match part {
                    Part::Keys => "VACUUM exchange_key, domain_key",
                    Part::Vault => "VACUUM mention, likeness, proposal, person",
                    Part::Gateway => "VACUUM content, statement",
                    Part::Attachments => "VACUUM block, attachment",
                };
                let mut connection = pool.acquire().await.map_err(|e| StoreError::Unavailable("overwrite", e))?;
                let done = connection.execute(vacuum).patiently().await;
                if done.is_err() {
                    connection.close_on_drop();
                }
                done.map(|_| true).map_err(|e| StoreError::Unavailable("overwrite", e))
            }
        }
    }
}

/// Opens a pool on `url`. A commit waits for the disk: it survives a power cut.
pub(crate) async fn pool(url: &str, part: Part, connections: u32) -> Result<AnyPool, StoreError> {
    sqlx::any::install_default_drivers();
    let dialect = Dialect::of(url, part);
    whole(url)?;
    let options = AnyPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(5));
    // A file does not go away; a server may, and then each connection to it. To ask costs as much as most statements.
    let options = options.test_before_acquire(dialect != Dialect::Sqlite);
    let options = options.after_connect(move |connection, _| {
        Box::pin(async move {
            connection.execute(sqlx::AssertSqlSafe(dialect.tune())).await?;
            Ok(())
        })
    });
    options.connect(&full(url, dialect, "rwc")).await.map_err(|e| StoreError::Unavailable("open", e))
}

/// Where everything is written: one connection, since one writer has its turn. It keeps its pages and its statements, which
/// another writer would make it forget.
pub(crate) async fn pen(url: &str, part: Part) -> Result<AnyPool, StoreError> {
    pool(url, part, 1).await
}

/// A connection that only reads what is there: it creates nothing and brings nothing up to date.
pub(crate) async fn look(url: &str, part: Part) -> Result<AnyConnection, sqlx::Error> {
    sqlx::any::install_default_drivers();
    let dialect = Dialect::of(url, part);
    let mut connection = AnyConnection::connect(&full(url, dialect, "ro")).await?;
    if let Dialect::Postgres(part) = dialect {
        let only = format!("SET search_path TO {}; SET default_transaction_read_only = on", part.as_str());
        connection.execute(sqlx::AssertSqlSafe(only)).await?;
    }
    Ok(connection)
}

/// The same where only SQLite is meant, and what it alone can do.
pub(crate) async fn look_at_file(url: &str) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnection::connect(&full(url, Dialect::Sqlite, "ro")).await
}

/// The file of SQLite at a URL.
pub(super) fn file(url: &str) -> Option<&Path> {
    url.strip_prefix("sqlite://").and_then(|rest| rest.split('?').next()).map(Path::new)
}

/// Refuses a folder into which a restore was not finished: an empty database would be made for one that is not there yet.
fn whole(url: &str) -> Result<(), StoreError> {
    let folder = file(url).and_then(Path::parent);
    match folder.filter(|folder| folder.join(RESTORING).exists()) {
        Some(folder) => Err(StoreError::Unfinished(folder.to_owned())),
        None => Ok(()),
    }
}

/// Whether a statement failed since PostgreSQL has no such table.
pub(crate) fn no_such_table(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|of_database| of_database.code()).is_some_and(|code| code == "42P01")
}

/// SQLite has to be told whether it may create the file.
fn full(url: &str, dialect: Dialect, mode: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("{url}{}mode={mode}", if url.contains('?') { '&' } else { '?' }),
        Dialect::Postgres(_) => url.to_owned(),
    }
}

/// Moves the write-ahead log into the database file and cuts it to nothing: what was deleted is then overwritten there
/// and gone here. Waits a little for readers, and for the checkpoint that another task has under way. SQLite itself would wait
/// with the lock of the writer in its hand, and nobody could deposit meanwhile: so it is told not to wait.
async fn overwrite_file(pool: &AnyPool) -> Result<bool, StoreError> {
    let failed = |e| StoreError::Unavailable("overwrite", e);
    let mut connection = pool.acquire().await.map_err(failed)?;
    // Never used by anybody else: who writes has to wait its turn.
    connection.close_on_drop();
    connection.execute("PRAGMA busy_timeout = 0").await.map_err(failed)?;
    let until = tokio::time::Instant::now() + OVERWRITTEN_WITHIN;
    loop {
        match synced(sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *connection).await) {
            Ok(row) if row.try_get::<i64, _>(0).map_err(failed)? == 0 => return Ok(true),
            Ok(_) => {}
            Err(error) if busy(&error) => {}
            Err(error) => return Err(failed(error)),
        }
        if tokio::time::Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// SQLITE_BUSY or SQLITE_LOCKED, in any of their forms.
fn busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|of_database| of_database.code()).and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// In the folder of the databases while a restore is under way: nothing is opened beside it.
pub const RESTORING: &str = "restoring";
/// Ends of the names of what SQLite and the store keep beside a database: worth nothing without it.
pub const BESIDE: [&str; 4] = ["-wal", "-shm", "-journal", sync::FOOTING];
/// How long an overwriting may wait for its turn.
const OVERWRITTEN_WITHIN: Duration = Duration::from_secs(2);
// `wal_autocheckpoint = 0`: a checkpoint inside the writer would be its p99; a task of its own does it.
const TUNE_SQLITE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000;
PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 0; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY";
// A plan is made once and kept, often while a table is empty: without `enable_seqscan` it would read the whole of it for ever,
// and every question on a hot path has its index (invariant 13).
// `synchronous_commit` is set here, since a server may have been told otherwise. A replica that hangs or is cut off while it
// has its turn holds up all others: the server ends its session soon.
const TUNE_POSTGRES: &str = "SET synchronous_commit TO on; SET lock_timeout TO '10s'; SET statement_timeout TO '30s';
SET idle_in_transaction_session_timeout TO '10s'; SET tcp_keepalives_idle TO 5; SET tcp_keepalives_interval TO 2;
SET tcp_keepalives_count TO 3; SET enable_seqscan TO off; SET plan_cache_mode TO force_generic_plan; SET application_name TO 'passerelle'";
