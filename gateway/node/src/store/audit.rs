//! The log's rows: pending entries, written with the fact they state; tiles and checkpoints, written by the notary alone.

use exchange::{ExchangeId, Instant};
use futures::future::BoxFuture;
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

use super::{
    Store, StoreError, Tx, Write,
    columns::{bytes, number, text},
    dialect::{self, Part},
    rows::{self, Cell, Rows, Table},
};
use crate::log::Leaf;

/// A leaf to be written in the transaction of the fact it states.
#[derive(Clone)]
pub struct NewEntry {
    /// Its row.
    pub id: Uuid,
    /// Canonical JSON.
    pub leaf: Vec<u8>,
    /// RFC 6962 hash of `leaf`.
    pub leaf_hash: [u8; 32],
    /// Event word.
    pub event: &'static str,
    /// Whose openings these are.
    pub exchange: Option<ExchangeId>,
    /// Sealed salts and values.
    pub opening: Vec<u8>,
    /// When the opening expires.
    pub expires_at: Option<Instant>,
}

/// A leaf without a place in the tree yet.
pub struct PendingEntry {
    /// Its row.
    pub id: String,
    /// RFC 6962 hash.
    pub leaf_hash: [u8; 32],
}

/// A leaf of the log as stored.
pub struct EntryRow {
    /// Canonical JSON.
    pub leaf: Vec<u8>,
    /// RFC 6962 hash.
    pub leaf_hash: [u8; 32],
    /// Event word.
    pub event: String,
    /// Whose openings these are.
    pub exchange: Option<ExchangeId>,
    /// Sealed salts and values; `None` once expired.
    pub opening: Option<Vec<u8>>,
    /// Place in the tree; `None` while pending.
    pub index: Option<u64>,
}

/// What the notary writes in one transaction: places, the tiles that changed, the new head.
pub struct ExtendLog {
    /// Rows in order, with the place each takes.
    pub places: Vec<(String, u64)>,
    /// (level, index, hashes): the tiles that changed.
    pub tiles: Vec<(u8, u64, Vec<u8>)>,
    /// Tree size after.
    pub size: u64,
    /// Signed note.
    pub note: String,
    /// When it was signed.
    pub at: Instant,
}

impl NewEntry {
    /// Writes the entry as part of a larger write.
    pub(crate) async fn insert(&self, tx: &mut Tx, name: &'static str) -> Result<(), StoreError> {
        let mut rows = Rows::default();
        self.add_to(&mut rows, name);
        tx.insert(rows).await
    }

    pub(super) fn add_to(&self, rows: &mut Rows, name: &'static str) {
        rows.add(
            &ENTRIES,
            [
                self.id.as_hyphenated().to_string().into(),
                self.leaf[..].into(),
                self.leaf_hash[..].into(),
                self.event.into(),
                self.exchange.map(|id| id.to_string()).into(),
                self.opening[..].into(),
                self.expires_at.map(Instant::unix_ms).into(),
                Cell::Next,
                name.into(),
            ],
        );
    }
}

/// Entries alone: a refusal, a reload, a start.
pub struct AppendEntries(pub Vec<NewEntry>);

impl Write for AppendEntries {
    const NAME: &'static str = "append_entries";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let mut rows = Rows::default();
            self.only_inserts(&mut rows);
            tx.insert(rows).await
        })
    }

    fn only_inserts(&self, rows: &mut Rows) -> Option<()> {
        for entry in &self.0 {
            entry.add_to(rows, Self::NAME);
        }
        Some(())
    }
}

impl Write for ExtendLog {
    const NAME: &'static str = "extend_log";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let mut places = &self.places[..];
            while let Some((now, later)) = places.split_at_checked(rows::together(places.len())).filter(|(now, _)| !now.is_empty()) {
                let mut query = sqlx::query(AssertSqlSafe(place_entries(now.len())));
                for (id, index) in now {
                    query = query.bind(id).bind(signed(*index)?);
                }
                let done = query.bind(Self::NAME).execute(tx.connection()).await.map_err(StoreError::in_statement("place_entries"))?;
                if done.rows_affected() != now.len() as u64 {
                    // Another had the seat, and placed some of them.
                    return Err(StoreError::Broken("place_entries", done.rows_affected()));
                }
                places = later;
            }
            for (level, index, hashes) in &self.tiles {
                let one = sqlx::query(PUT_TILE)
                    .bind(i64::from(*level))
                    .bind(signed(*index)?)
                    .bind(i64::try_from(hashes.len() / 32).unwrap_or(0))
                    .bind(&hashes[..])
                    .bind(Self::NAME);
                tx.one("put_tile", one).await?;
            }
            let one = sqlx::query(PUT_CHECKPOINT).bind(signed(self.size)?).bind(&self.note).bind(self.at.unix_ms()).bind(Self::NAME);
            tx.one("put_checkpoint", one).await
        })
    }
}

impl Store {
    /// Leaves without a place, in the order of their commits, 4,096 at most.
    pub async fn pending_entries(&self) -> Result<Vec<PendingEntry>, StoreError> {
        let query = sqlx::query(PENDING_ENTRIES);
        let rows = self.rows("pending_entries", query).await?;
        rows.iter().map(|row| Ok(PendingEntry { id: text(row, "id")?, leaf_hash: hash(bytes(row, "leaf_hash")?)? })).collect()
    }

    /// The newest signed tree head.
    pub async fn latest_checkpoint(&self) -> Result<Option<(u64, String)>, StoreError> {
        let query = sqlx::query(LATEST_CHECKPOINT);
        let row = self.row("latest_checkpoint", query).await?;
        row.map(|row| Ok((unsigned(number(&row, "size")?)?, text(&row, "note")?))).transpose()
    }

    /// Every signed tree head, smallest first.
    pub async fn checkpoints(&self) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query(CHECKPOINTS);
        let rows = self.rows("checkpoints", query).await?;
        rows.iter().map(|row| text(row, "note")).collect()
    }

    /// One tile: `width` hashes of 32 bytes, one after the other, as many as there are.
    pub async fn tile(&self, level: u8, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let query = sqlx::query(TILE).bind(i64::from(level)).bind(signed(index)?);
        let row = self.row("tile", query).await?;
        row.map(|row| bytes(&row, "hashes")).transpose()
    }

    /// One leaf by its hash.
    pub async fn entry(&self, leaf_hash: &[u8; 32]) -> Result<Option<EntryRow>, StoreError> {
        let query = sqlx::query(ENTRY).bind(leaf_hash.to_vec());
        let row = self.row("entry", query).await?;
        row.as_ref().map(read_entry).transpose()
    }

    /// One leaf by its row.
    pub async fn entry_of_row(&self, id: &str) -> Result<Option<EntryRow>, StoreError> {
        let row = self.row("entry_of_row", sqlx::query(ENTRY_OF_ROW).bind(id)).await?;
        row.as_ref().map(read_entry).transpose()
    }

    /// The leaves of one exchange, in the order of writing.
    pub async fn entries_of(&self, exchange: ExchangeId) -> Result<Vec<EntryRow>, StoreError> {
        let query = sqlx::query(ENTRIES_OF).bind(exchange.to_string());
        let rows = self.rows("entries_of", query).await?;
        rows.iter().map(read_entry).collect()
    }

    /// The leaves from `first` on, `count` at most, in tree order.
    pub async fn entries_from(&self, first: u64, count: u32) -> Result<Vec<EntryRow>, StoreError> {
        let query = sqlx::query(ENTRIES_FROM).bind(signed(first)?).bind(i64::from(count));
        let rows = self.rows("entries_from", query).await?;
        rows.iter().map(read_entry).collect()
    }
}

/// When the oldest entry was written that nobody has signed yet; nothing when all are, or before the first start. Looks without
/// opening the store.
///
/// # Errors
/// The database cannot be read.
pub async fn unsigned_since(url: &str) -> Result<Option<Instant>, StoreError> {
    let failed = || StoreError::in_statement("unsigned_since");
    let mut connection = dialect::look(url, Part::Gateway).await.map_err(failed())?;
    let found = match sqlx::query(UNSIGNED_SINCE).fetch_optional(&mut connection).await {
        Err(error) if dialect::no_such_table(&error) => None,
        found => found.map_err(failed())?,
    };
    connection.close().await.map_err(failed())?;
    let Some(row) = found else { return Ok(None) };
    Leaf::parse(&bytes(&row, "leaf")?).map(|leaf| Some(leaf.time)).map_err(|_| StoreError::Damaged("entry"))
}

fn read_entry(row: &sqlx::any::AnyRow) -> Result<EntryRow, StoreError> {
    use sqlx::Row;
    Ok(EntryRow {
        leaf: bytes(row, "leaf")?,
        leaf_hash: hash(bytes(row, "leaf_hash")?)?,
        event: text(row, "event")?,
        exchange: row
            .try_get::<Option<String>, _>("exchange_id")
            .map_err(|_| StoreError::Damaged("entry"))?
            .map(|id| id.parse())
            .transpose()
            .map_err(|_| StoreError::Damaged("entry"))?,
        opening: row.try_get("opening").map_err(|_| StoreError::Damaged("entry"))?,
        index: row.try_get::<Option<i64>, _>("leaf_index").map_err(|_| StoreError::Damaged("entry"))?.map(unsigned).transpose()?,
    })
}

fn hash(bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Damaged("leaf_hash"))
}

fn signed(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Damaged("index"))
}

fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Damaged("index"))
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[LAST_PENDING, PUT_TILE, PUT_CHECKPOINT, PENDING_ENTRIES, LATEST_CHECKPOINT, TILE, ENTRY, ENTRY_OF_ROW, ENTRIES_OF, ENTRIES_FROM];

static ENTRIES: Table =
    Table::new("insert_entry", "entry", "id, leaf, leaf_hash, event, exchange_id, opening, expires_at, pending, written_by")
        .counting(LAST_PENDING);

const LAST_PENDING: &str = "-- last_pending
SELECT COALESCE((SELECT pending FROM entry WHERE leaf_index IS NULL ORDER BY pending DESC LIMIT 1), 0)";

/// The statement that gives that many entries their places.
fn place_entries(entries: usize) -> String {
    format!(
        "-- place_entries
WITH placed (id, place) AS (VALUES {}) UPDATE entry SET leaf_index = placed.place, written_by = ${} FROM placed
WHERE entry.id = placed.id AND entry.leaf_index IS NULL",
        rows::places(entries, 2),
        2 * entries + 1
    )
}

const PUT_TILE: &str = "-- put_tile
INSERT INTO tile (level, idx, width, hashes, written_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (level, idx) DO UPDATE SET width = excluded.width, hashes = excluded.hashes, written_by = excluded.written_by
WHERE excluded.width > tile.width";

const PUT_CHECKPOINT: &str = "-- put_checkpoint
INSERT INTO checkpoint (size, note, signed_at, written_by) VALUES ($1, $2, $3, $4)";

const PENDING_ENTRIES: &str = "-- pending_entries
SELECT id, leaf_hash FROM entry WHERE leaf_index IS NULL ORDER BY pending, id LIMIT 4096";

const UNSIGNED_SINCE: &str = "-- unsigned_since
SELECT leaf FROM entry WHERE leaf_index IS NULL ORDER BY pending, id LIMIT 1";

const LATEST_CHECKPOINT: &str = "-- latest_checkpoint
SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1";

const CHECKPOINTS: &str = "-- checkpoints
SELECT note FROM checkpoint ORDER BY size";

const TILE: &str = "-- tile
SELECT hashes FROM tile WHERE level = $1 AND idx = $2";

const ENTRY: &str = "-- entry
SELECT leaf, leaf_hash, event, exchange_id, opening, leaf_index FROM entry WHERE leaf_hash = $1";

const ENTRY_OF_ROW: &str = "-- entry_of_row
SELECT leaf, leaf_hash, event, exchange_id, opening, leaf_index FROM entry WHERE id = $1";

const ENTRIES_OF: &str = "-- entries_of
SELECT leaf, leaf_hash, event, exchange_id, opening, leaf_index FROM entry WHERE exchange_id = $1 ORDER BY id";

const ENTRIES_FROM: &str = "-- entries_from
SELECT leaf, leaf_hash, event, exchange_id, opening, leaf_index FROM entry WHERE leaf_index >= $1 ORDER BY leaf_index LIMIT $2";
