//! Copies of SQLite databases, taken while a gateway works on them, and what a copy needs before somebody works on it again.
//!
//! `VACUUM INTO` reads one state of the database and writes a file without a free page in it: what was deleted before is
//! not in the copy. Writers go on meanwhile; only an overwriting of what is deleted meanwhile waits for it.

use std::{collections::BTreeSet, path::Path, time::Duration};

use futures::future::BoxFuture;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::{
    StoreError, Tx, Write,
    columns::{number, text},
    dialect::{self, Part},
};

/// Copies the database at `url` into `file`, which is there and empty. `progress` is told bytes written, of how many about.
/// Once `stop` is cancelled, SQLite gives up within a thousand steps. To be awaited even then: what is dropped while SQLite
/// writes goes on making files beside the copy.
///
/// # Errors
/// [`StoreError::Unavailable`]; the file is then to be thrown away.
pub async fn copy(url: &str, file: &Path, stop: &CancellationToken, progress: &dyn Fn(u64, u64)) -> Result<(), StoreError> {
    let failed = |e| StoreError::Unavailable("copy", e);
    let mut connection = dialect::look_at_file(url).await.map_err(failed)?;
    let stop = stop.clone();
    connection.lock_handle().await.map_err(failed)?.set_progress_handler(STEPS, move || !stop.is_cancelled());
    let size = size(&mut connection).await.map_err(failed)?;
    let target = file.to_str().ok_or(StoreError::Damaged("name of the copy"))?.to_owned();
    let mut copying = Box::pin(sqlx::query("VACUUM INTO $1").bind(target).execute(&mut connection));
    let done = loop {
        tokio::select! {
            done = &mut copying => break done,
            () = tokio::time::sleep(LOOK) => progress(file.metadata().map_or(0, |file| file.len()).min(size), size),
        }
    };
    drop(copying);
    done.map_err(failed)?;
    connection.close().await.map_err(failed)
}

/// The newest signed tree head of a copy, which is not changed by looking.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Damaged`].
pub async fn newest_checkpoint(url: &str) -> Result<Option<(u64, String)>, StoreError> {
    let failed = |e| StoreError::Unavailable("newest_checkpoint", e);
    let mut connection = dialect::look(url, Part::Gateway).await.map_err(failed)?;
    let row = sqlx::query(NEWEST_CHECKPOINT).fetch_optional(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    let read = |row| Ok((u64::try_from(number(&row, "size")?).map_err(|_| StoreError::Damaged("checkpoint"))?, text(&row, "note")?));
    row.map(read).transpose()
}

/// How many contents that were not erased have neither a key nor a line in the journal of erasures: whoever serves them has
/// nothing to open them with. `progress` is told how many were looked at, of how many.
///
/// # Errors
/// [`StoreError::Unavailable`], [`StoreError::Damaged`].
pub async fn without_key(exchanges: &str, keys: &str, progress: &dyn Fn(u64, u64)) -> Result<u64, StoreError> {
    let failed = |e| StoreError::Unavailable("without_key", e);
    let mut exchanges = dialect::look(exchanges, Part::Gateway).await.map_err(failed)?;
    let mut keys = dialect::look(keys, Part::Keys).await.map_err(failed)?;
    let of = sqlx::query(CONTENTS).fetch_one(&mut exchanges).await.map_err(failed)?;
    let of = u64::try_from(number(&of, "contents")?).map_err(|_| StoreError::Damaged("exchange"))?;
    let (known, mut last, mut looked, mut missing) = (known(), String::new(), 0, 0);
    loop {
        let page = sqlx::query(CONTENTS_AFTER).bind(&last).bind(AT_ONCE).fetch_all(&mut exchanges).await.map_err(failed)?;
        let page = page.iter().map(|row| text(row, "id")).collect::<Result<Vec<_>, _>>()?;
        let Some(end) = page.last() else { break };
        let mut query = sqlx::query(AssertSqlSafe(known.as_str()));
        for n in 0..usize::try_from(AT_ONCE).unwrap_or_default() {
            query = query.bind(page.get(n).unwrap_or(end));
        }
        let found = query.fetch_all(&mut keys).await.map_err(failed)?;
        let found = found.iter().map(|row| text(row, "exchange_id")).collect::<Result<BTreeSet<_>, _>>()?;
        missing += page.iter().filter(|id| !found.contains(*id)).count() as u64;
        looked += page.len() as u64;
        progress(looked.min(of), of);
        last.clone_from(end);
    }
    exchanges.close().await.map_err(failed)?;
    keys.close().await.map_err(failed)?;
    Ok(missing)
}

/// Which of a page of exchanges the key database knows, alive or destroyed.
fn known() -> String {
    let ids = (1..=AT_ONCE).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    format!(
        "-- known\nSELECT exchange_id FROM exchange_key WHERE exchange_id IN ({ids}) \
         UNION ALL SELECT exchange_id FROM erasure WHERE exchange_id IN ({ids})"
    )
}

/// Moves mailbox cursors far ahead, in order. Members remember cursors that were given after the copy was taken: what comes
/// from now on must not hide behind them, and what waits is shown to them once more.
pub struct RenewCursors;

impl Write for RenewCursors {
    const NAME: &'static str = "renew_cursors";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            // What is acknowledged is in no mailbox; the newest counts all the same, since the next cursor follows it.
            let waiting = sqlx::query(RENEW_CURSORS).bind(AHEAD).bind(Self::NAME);
            waiting.execute(tx.connection()).await.map_err(StoreError::in_statement("renew_cursors"))?;
            Ok(())
        })
    }
}

async fn size(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let mut size = 1;
    for pragma in ["PRAGMA page_count", "PRAGMA page_size"] {
        let number: i64 = sqlx::query(pragma).fetch_one(&mut *connection).await?.try_get(0)?;
        size *= u64::try_from(number).unwrap_or(0);
    }
    Ok(size)
}

/// Of SQLite's machine, between two looks at whether a copy is still wanted.
const STEPS: i32 = 1000;
/// Between two looks at how far a copy is.
const LOOK: Duration = Duration::from_millis(100);
/// More deliveries than a gateway makes between two backups; programs that read JSON keep such numbers exactly.
const AHEAD: i64 = 1_000_000_000;

/// Contents compared with keys at once.
const AT_ONCE: i64 = 250;

const CONTENTS: &str = "-- contents
SELECT COUNT(*) AS contents FROM exchange";

const CONTENTS_AFTER: &str = "-- contents_after
SELECT id FROM exchange WHERE erased_at IS NULL AND id > $1 ORDER BY id LIMIT $2";

const NEWEST_CHECKPOINT: &str = "-- newest_checkpoint
SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1";

const RENEW_CURSORS: &str = "-- renew_cursors
UPDATE delivery SET arrival = arrival + $1, written_by = $2
WHERE acknowledged_at IS NULL OR arrival = (SELECT MAX(arrival) FROM delivery)";
