//! The database of attachments: sealed blocks, written while they come and read back one by one. Memory stays constant.
//!
//! An attachment is durable before the exchange that brings it commits, and nothing here says whose it is: a crash
//! between leaves one that no exchange names, which is taken away ([`Attachments::collect_orphans`]).

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use exchange::{AttachmentId, ExchangeId, Instant, InstitutionId};

use super::{
    Store, StoreError, Tx,
    columns::{bytes, number, text},
    dialect::Part,
    doubt::Doubts,
    patience::Patiently,
    rows::{Rows, Table},
    side::{Side, touch_one},
};
use crate::seal::{
    KeyStore,
    chunks::{BLOCK_CHUNKS, SEALED_CHUNK},
};

/// The database of attachments.
pub struct Attachments {
    side: Side,
    receiving: Arc<Mutex<BTreeMap<InstitutionId, usize>>>,
    /// Where the files lie, if they are files of this machine.
    folder: Option<PathBuf>,
}

/// A place among those who send attachments now.
pub struct Place {
    receiving: Arc<Mutex<BTreeMap<InstitutionId, usize>>>,
    institution: InstitutionId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.receiving.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.institution) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.institution);
            }
        }
    }
}

/// An attachment that an exchange brings, as the main database keeps it.
pub struct NewAttachment {
    /// Its place in the list of the envelope.
    pub n: u32,
    /// Where its bytes lie.
    pub id: AttachmentId,
    /// What it is and the key that opens it, sealed under the exchange's key.
    pub sealed: Vec<u8>,
}

impl Attachments {
    /// Opens (and creates or migrates) the database at `url`.
    ///
    /// # Errors
    /// [`StoreError::ForeignKeys`] when another key store wrote it; [`StoreError::Unavailable`], [`StoreError::Migration`].
    pub async fn open(url: &str, keystore: &KeyStore) -> Result<Self, StoreError> {
        let side = Side::open(url, Part::Attachments, keystore).await?;
        let file = url.strip_prefix("sqlite://").and_then(|file| file.split('?').next()).map(PathBuf::from);
        let folder = file.and_then(|file| file.parent().map(PathBuf::from));
        Ok(Self { side, receiving: Arc::default(), folder })
    }

    /// A place for an institution that sends attachments now; each needs memory for a block. Nothing when this institution
    /// has its few, or all are taken: the last ones are for what is about danger.
    pub fn place(&self, institution: &InstitutionId, danger: bool) -> Option<Place> {
        let mut taken = self.receiving.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (taken.values().sum::<usize>(), taken.get(institution).copied().unwrap_or_default());
        let at_most = if danger { AT_ONCE } else { AT_ONCE - FOR_DANGER };
        if own >= OF_ONE || all >= at_most {
            return None;
        }
        taken.insert(institution.clone(), own + 1);
        Some(Place { receiving: self.receiving.clone(), institution: institution.clone() })
    }

    /// Whether there is room for files on the disk: envelopes, which come first, keep what is left of it.
    pub fn has_room(&self) -> bool {
        let Some(folder) = &self.folder else { return true };
        rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) > ROOM)
    }

    /// Keeps block `n` of an attachment; the first one begins it. When this returns, the block survives a power cut.
    ///
    /// # Errors
    /// Nothing was kept.
    pub async fn keep(&self, id: AttachmentId, n: u32, sealed: Vec<u8>, now: Instant) -> Result<(), StoreError> {
        let mut tx = self.side.begin(KEEP).await?;
        // What was taken away meanwhile is not begun again in its middle: then the deposit fails, and comes anew.
        let touch = sqlx::query(if n == 0 { BEGIN } else { TOUCH }).bind(now.unix_ms()).bind(KEEP).bind(id.to_string());
        touch_one("touch_attachment", touch, &mut tx).await?;
        let insert = sqlx::query(INSERT_BLOCK).bind(id.to_string()).bind(i64::from(n)).bind(sealed).bind(KEEP);
        touch_one("insert_block", insert, &mut tx).await?;
        self.side.commit(KEEP, tx).await
    }

    /// Sealed chunk `n` and nothing around it; `None` when it is not there, or not any more.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn chunk(&self, id: AttachmentId, n: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let (block, place) = (n / BLOCK_CHUNKS as u64, n % BLOCK_CHUNKS as u64);
        let number = |number: u64| i64::try_from(number).map_err(|_| StoreError::Damaged("block"));
        let query = sqlx::query(CHUNK)
            .bind(id.to_string())
            .bind(number(block)?)
            .bind(number(place * SEALED_CHUNK as u64 + 1)?)
            .bind(number(SEALED_CHUNK as u64)?);
        let row = self.side.row("chunk", query).await?;
        row.map(|row| bytes(&row, "sealed")).transpose()
    }

    /// Takes attachments away whose bytes nobody can open any more, or that were refused.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn drop_all(&self, ids: &[AttachmentId]) -> Result<(), StoreError> {
        for id in ids {
            let mut tx = self.side.begin(DROP).await?;
            for (name, statement) in [("drop_blocks", DROP_BLOCKS), ("drop_attachment", DROP_ATTACHMENT)] {
                sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).patiently().await.map_err(StoreError::in_statement(name))?;
            }
            self.side.commit(DROP, tx).await?;
        }
        Ok(())
    }

    /// Takes away what no exchange names and nothing was added to since `before`, as at an earlier look; gives how many there were.
    ///
    /// # Errors
    /// A store is unavailable: what was not looked at is looked at next time.
    pub async fn collect_orphans(&self, store: &Store, before: Instant, doubts: &Doubts) -> Result<usize, StoreError> {
        let mut collected = 0;
        let mut last = (i64::MIN, String::new());
        loop {
            let query = sqlx::query(UNCONFIRMED).bind(before.unix_ms()).bind(last.0).bind(last.1.clone());
            let rows = self.side.rows("unconfirmed_attachments", query).await?;
            let Some(row) = rows.last() else { break };
            last = (number(row, "touched_at")?, text(row, "id")?);
            for row in &rows {
                let id: AttachmentId = text(row, "id")?.parse().map_err(|_| StoreError::Damaged("attachment"))?;
                if store.attachment_named(id).await? {
                    let mut tx = self.side.begin(CONFIRM).await?;
                    let confirm = sqlx::query(CONFIRM_ATTACHMENT).bind(CONFIRM).bind(id.to_string());
                    touch_one("confirm_attachment", confirm, &mut tx).await?;
                    self.side.commit(CONFIRM, tx).await?;
                // Touched since, it is another doubt.
                } else if doubts.before(format!("attachment {id} {}", number(row, "touched_at")?)) {
                    self.drop_all(&[id]).await?;
                    collected += 1;
                }
            }
        }
        if collected > 0 {
            self.side.overwrite().await?;
        }
        Ok(collected)
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.side.close().await;
    }
}

impl NewAttachment {
    pub(super) fn add_to(&self, rows: &mut Rows, exchange: ExchangeId, name: &'static str) {
        let n = i64::from(self.n);
        rows.add(&NAMED, [exchange.to_string().into(), n.into(), self.id.to_string().into(), self.sealed[..].into(), name.into()]);
    }
}

impl Store {
    /// Attachment `n` of an exchange: where its bytes lie, and what it is, sealed.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn attachment(&self, exchange: ExchangeId, n: u32) -> Result<Option<(AttachmentId, Vec<u8>)>, StoreError> {
        let row = self.row("named_attachment", sqlx::query(NAMED_ATTACHMENT).bind(exchange.to_string()).bind(i64::from(n))).await?;
        row.map(|row| Ok((attachment_id(&row)?, bytes(&row, "sealed")?))).transpose()
    }

    /// The attachments of an exchange that no other exchange names: what an erasure takes away with it.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn attachments_of_none_else(&self, exchange: ExchangeId) -> Result<Vec<AttachmentId>, StoreError> {
        let rows = self.rows("attachments_of", sqlx::query(ATTACHMENTS_OF).bind(exchange.to_string())).await?;
        let mut alone = Vec::new();
        for row in &rows {
            let id = attachment_id(row)?;
            let naming = self.rows("exchanges_naming", sqlx::query(NAMING).bind(id.to_string())).await?;
            if naming.len() == 1 && !alone.contains(&id) {
                alone.push(id);
            }
        }
        Ok(alone)
    }

    /// Whether any exchange names an attachment.
    async fn attachment_named(&self, id: AttachmentId) -> Result<bool, StoreError> {
        Ok(!self.rows("exchanges_naming", sqlx::query(NAMING).bind(id.to_string())).await?.is_empty())
    }

    /// Places of the attachments that an exchange brought with their bytes.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn attached(&self, exchange: ExchangeId) -> Result<Vec<u32>, StoreError> {
        let rows = self.rows("attachments_of", sqlx::query(ATTACHMENTS_OF).bind(exchange.to_string())).await?;
        rows.iter().map(|row| u32::try_from(number(row, "n")?).map_err(|_| StoreError::Damaged("attachment"))).collect()
    }
}

/// Forgets which attachments an exchange brought: the key that opens them is gone.
pub(super) async fn forget(tx: &mut Tx, exchange: ExchangeId) -> Result<(), StoreError> {
    let query = sqlx::query(FORGET).bind(exchange.to_string()).execute(tx.connection());
    query.await.map(drop).map_err(StoreError::in_statement("forget_attachments"))
}

fn attachment_id(row: &sqlx::any::AnyRow) -> Result<AttachmentId, StoreError> {
    text(row, "attachment_id")?.parse().map_err(|_| StoreError::Damaged("attachment"))
}

/// How many may send attachments at once: each holds a block in memory.
const AT_ONCE: usize = 32;
/// Of these, how many are kept for what is about danger.
const FOR_DANGER: usize = 12;
/// How many one institution may have: nobody fills the house alone.
const OF_ONE: usize = 4;
/// Bytes of the disk that files leave free.
const ROOM: u64 = 1024 * 1024 * 1024;
const KEEP: &str = "keep_block";
const DROP: &str = "drop_attachment";
const CONFIRM: &str = "confirm_attachment";

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[NAMED_ATTACHMENT, ATTACHMENTS_OF, NAMING, FORGET];

const BEGIN: &str = "-- begin_attachment
INSERT INTO attachment (touched_at, confirmed, written_by, id) VALUES ($1, 0, $2, $3)";

const TOUCH: &str = "-- touch_attachment
UPDATE attachment SET touched_at = $1, written_by = $2 WHERE id = $3";

const INSERT_BLOCK: &str = "-- insert_block
INSERT INTO block (attachment_id, n, sealed, written_by) VALUES ($1, $2, $3, $4)";

const CHUNK: &str = "-- chunk
SELECT substr(sealed, CAST($3 AS INTEGER), CAST($4 AS INTEGER)) AS sealed FROM block WHERE attachment_id = $1 AND n = $2";

const DROP_BLOCKS: &str = "-- drop_blocks
DELETE FROM block WHERE attachment_id = $1";

const DROP_ATTACHMENT: &str = "-- drop_attachment
DELETE FROM attachment WHERE id = $1";

const UNCONFIRMED: &str = "-- unconfirmed_attachments
SELECT id, touched_at FROM attachment WHERE confirmed = 0 AND touched_at < $1 AND (touched_at, id) > ($2, $3) ORDER BY touched_at, id LIMIT 100";

const CONFIRM_ATTACHMENT: &str = "-- confirm_attachment
UPDATE attachment SET confirmed = 1, written_by = $1 WHERE id = $2";

static NAMED: Table = Table::new("insert_named_attachment", "attachment", "exchange_id, n, attachment_id, sealed, written_by");

const NAMED_ATTACHMENT: &str = "-- named_attachment
SELECT attachment_id, sealed FROM attachment WHERE exchange_id = $1 AND n = $2";

const ATTACHMENTS_OF: &str = "-- attachments_of
SELECT n, attachment_id FROM attachment WHERE exchange_id = $1 ORDER BY n";

const NAMING: &str = "-- exchanges_naming
SELECT DISTINCT exchange_id FROM attachment WHERE attachment_id = $1 LIMIT 2";

const FORGET: &str = "-- forget_attachments
DELETE FROM attachment WHERE exchange_id = $1";
