//! The key database: one data key for each exchange, wrapped; destroyed here, its content is noise everywhere.
//!
//! Three levels: the master key of the [`KeyStore`] wraps a key for each (retention class, quarter), which wraps the
//! data keys. A key is durable before the exchange that needs it commits; a crash between leaves an orphan.
//!
//! A restored copy holds keys that were destroyed since: [`Keys::replay`] destroys again what the erasure journal names,
//! before anything serves.

mod domains;
mod journal;

use std::{sync::Arc, time::Duration};

use exchange::{ExchangeId, Instant};
use moka::sync::Cache;
use tokio::sync::RwLock;

use super::{
    Store, StoreError,
    batch::Batcher,
    columns::{bytes, number, text},
    dialect::Part,
    doubt::Doubts,
    patience::{Patiently, Turn},
    rows::{Rows, Table},
    side::Side,
};
use crate::seal::{ExchangeKey, KeyStore, Place, Secret, body::Subkey};

pub use domains::DomainState;
pub use journal::Erasure;

/// The key database.
pub struct Keys {
    side: Side,
    batch: Batcher<Minted, ()>,
    /// Wraps the keys of periods.
    master: Subkey,
    /// Wraps the keys of domains.
    domain_master: Subkey,
    /// Seals motives of erasures.
    journal: Subkey,
    periods: Cache<(String, String), Secret>,
    open: Cache<ExchangeId, ExchangeKey>,
    /// Held for writing while keys are destroyed, for reading while a cache is filled: no destroyed key comes back into a cache.
    destroying: RwLock<()>,
}

/// A new data key, not kept yet.
pub struct Minted {
    /// The key.
    pub key: ExchangeKey,
    exchange: ExchangeId,
    retention: String,
    quarter: String,
    wrapped: Vec<u8>,
    at: Instant,
}

impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Minted(..)")
    }
}

impl Keys {
    /// Opens (and creates or migrates) the database at `url`.
    ///
    /// # Errors
    /// [`StoreError::ForeignKeys`] when another key store wrote it; [`StoreError::Unavailable`], [`StoreError::Migration`].
    pub async fn open(url: &str, keystore: Arc<KeyStore>) -> Result<Self, StoreError> {
        let side = Side::open(url, Part::Keys, &keystore).await?;
        Ok(Self {
            batch: side.batcher(keep_all),
            master: keystore.wrapping("period")?,
            domain_master: keystore.wrapping("domain")?,
            journal: keystore.wrapping("erasure")?,
            periods: Cache::new(256),
            open: Cache::builder().max_capacity(OPEN_KEYS).time_to_live(OPEN_FOR).build(),
            destroying: RwLock::new(()),
            side,
        })
    }

    /// Makes the data key of a new exchange; nothing is kept before [`Keys::keep`].
    ///
    /// # Errors
    /// The store is unavailable, or there is no randomness.
    pub async fn mint(&self, exchange: ExchangeId, retention: &str, now: Instant) -> Result<Minted, StoreError> {
        let quarter = quarter(now);
        let period = self.period(retention, &quarter).await?;
        let key = ExchangeKey::new(Secret::random()?);
        let (row, class) = (exchange.to_string(), format!("{retention}/{quarter}"));
        let wrapped = key.secret().wrap(&period.wrapping()?, &data_key_place(&row, &class))?;
        Ok(Minted { key, exchange, retention: retention.to_owned(), quarter, wrapped, at: now })
    }

    /// Keeps a data key: when this returns, it survives a power cut.
    ///
    /// # Errors
    /// Nothing was kept.
    pub async fn keep(&self, minted: Minted) -> Result<(), StoreError> {
        let _filling = self.destroying.read().await;
        let (exchange, key) = (minted.exchange, minted.key.clone());
        self.batch.commit(minted).await?;
        self.open.insert(exchange, key);
        Ok(())
    }

    /// The data key of an exchange; `None` when there is none, or none any more.
    ///
    /// # Errors
    /// The store is unavailable, or the row is damaged.
    pub async fn exchange_key(&self, exchange: ExchangeId) -> Result<Option<ExchangeKey>, StoreError> {
        if let Some(key) = self.open.get(&exchange) {
            return Ok(Some(key));
        }
        let _filling = self.destroying.read().await;
        let row = self.side.row("exchange_key", sqlx::query(EXCHANGE_KEY).bind(exchange.to_string())).await?;
        let Some(row) = row else { return Ok(None) };
        let (retention, quarter) = (text(&row, "retention")?, text(&row, "quarter")?);
        let period = self.period(&retention, &quarter).await?;
        let (id, class) = (exchange.to_string(), format!("{retention}/{quarter}"));
        let secret = Secret::unwrap_from(&period.wrapping()?, &data_key_place(&id, &class), &bytes(&row, "wrapped")?)?;
        let key = ExchangeKey::new(secret);
        self.open.insert(exchange, key.clone());
        Ok(Some(key))
    }

    /// Destroys the data key of an exchange and writes it in the journal. When this returns, the wrapped key is deleted
    /// for good, and overwritten in the database and gone from its log unless somebody reads all the time: then soon. Doing it
    /// again finishes what a crash interrupted.
    ///
    /// # Errors
    /// The store is unavailable: to be done again.
    pub async fn destroy(&self, exchange: ExchangeId, now: Instant, motive: &str) -> Result<(), StoreError> {
        // Alone for as long as the caches may be filled with what goes; who deposits does not wait for the disk.
        let alone = self.destroying.write().await;
        let mut tx = self.side.begin("destroy_key").await?;
        let erasure = Erasure { exchange, at: now, motive: motive.to_owned() };
        self.destroy_in(&mut tx, &erasure).await?;
        self.side.commit("destroy_key", tx).await?;
        self.open.invalidate(&exchange);
        drop(alone);
        self.side.overwrite().await
    }

    /// Deletes the keys made before `before` whose exchange was never accepted, as at an earlier look: nothing was promised for
    /// them. Looks at each other key once, so its cost does not grow with history.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn collect_orphans(&self, store: &Store, before: Instant, doubts: &Doubts) -> Result<usize, StoreError> {
        let mut collected = 0;
        let mut last = (i64::MIN, String::new());
        loop {
            let query = sqlx::query(UNCONFIRMED_KEYS).bind(before.unix_ms()).bind(last.0).bind(last.1.clone());
            let rows = self.side.rows("unconfirmed_keys", query).await?;
            let Some(row) = rows.last() else { break };
            last = (number(row, "minted_at")?, text(row, "exchange_id")?);
            let mut found = Vec::new();
            for row in &rows {
                let exchange: ExchangeId = text(row, "exchange_id")?.parse().map_err(|_| StoreError::Damaged("exchange_key"))?;
                found.push((exchange, store.exchange(exchange).await?.is_some()));
            }
            let _alone = self.destroying.write().await;
            let mut tx = self.side.begin("collect_keys").await?;
            for (exchange, accepted) in found {
                if !accepted && !doubts.before(format!("key {exchange}")) {
                    continue;
                }
                let statement = if accepted { CONFIRM_KEY } else { DELETE_KEY };
                sqlx::query(statement)
                    .bind(exchange.to_string())
                    .execute(&mut *tx)
                    .patiently()
                    .await
                    .map_err(StoreError::in_statement("collect_keys"))?;
                if !accepted {
                    self.open.invalidate(&exchange);
                    collected += 1;
                }
            }
            self.side.commit("collect_keys", tx).await?;
        }
        Ok(collected)
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.side.close().await;
    }

    /// The key of a period; made on first use, whoever comes first.
    async fn period(&self, retention: &str, quarter: &str) -> Result<Secret, StoreError> {
        let name = (retention.to_owned(), quarter.to_owned());
        if let Some(period) = self.periods.get(&name) {
            return Ok(period);
        }
        let row_name = format!("{retention}/{quarter}");
        let place = Place { table: "period_key", row: &row_name, column: "wrapped", class: "", epoch: EPOCH };
        let find = || self.side.row("period_key", sqlx::query(PERIOD_KEY).bind(retention.to_owned()).bind(quarter.to_owned()));
        let mut row = find().await?;
        if row.is_none() {
            let wrapped = Secret::random()?.wrap(&self.master, &place)?;
            let mut tx = self.side.begin("make_period_key").await?;
            sqlx::query(MAKE_PERIOD_KEY)
                .bind(retention)
                .bind(quarter)
                .bind(wrapped)
                .bind("make_period_key")
                .execute(&mut *tx)
                .patiently()
                .await
                .map_err(StoreError::in_statement("make_period_key"))?;
            self.side.commit("make_period_key", tx).await?;
            // Read again: another may have been first, and its key is the one that counts.
            row = find().await?;
        }
        let row = row.ok_or(StoreError::Damaged("period_key"))?;
        let period = Secret::unwrap_from(&self.master, &place, &bytes(&row, "wrapped")?)?;
        self.periods.insert(name, period.clone());
        Ok(period)
    }

    async fn destroy_in(&self, tx: &mut Turn, erasure: &Erasure) -> Result<(), StoreError> {
        let id = erasure.exchange.to_string();
        sqlx::query(DELETE_KEY).bind(&id).execute(&mut **tx).patiently().await.map_err(StoreError::in_statement("destroy_key"))?;
        self.journalise(tx, erasure).await
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

async fn keep_all(side: Side, minted: Arc<Vec<Minted>>) -> Result<Vec<()>, StoreError> {
    let mut tx = side.begin("keep_keys").await?;
    let mut rows = Rows::default();
    for one in minted.iter() {
        let (retention, quarter) = (one.retention.as_str().into(), one.quarter.as_str().into());
        let at = one.at.unix_ms().into();
        rows.add(&EXCHANGE_KEYS, [one.exchange.to_string().into(), retention, quarter, one.wrapped[..].into(), at, "keep_keys".into()]);
    }
    rows.write(&mut tx).await?;
    side.commit("keep_keys", tx).await?;
    Ok(vec![(); minted.len()])
}

/// The calendar quarter (UTC) of an instant, `2026-Q4`.
fn quarter(at: Instant) -> String {
    let date = at.date();
    format!("{:04}-Q{}", date.year(), (u8::from(date.month()) - 1) / 3 + 1)
}

fn data_key_place<'a>(row: &'a str, class: &'a str) -> Place<'a> {
    Place { table: "exchange_key", row, column: "wrapped", class, epoch: EPOCH }
}

const EPOCH: u32 = 1;
/// Keys held open at most.
const OPEN_KEYS: u64 = 10_000;
/// How long a key stays open; another process may have destroyed it.
const OPEN_FOR: Duration = Duration::from_secs(300);

const PERIOD_KEY: &str = "-- period_key
SELECT wrapped FROM period_key WHERE retention = $1 AND quarter = $2";

const MAKE_PERIOD_KEY: &str = "-- make_period_key
INSERT INTO period_key (retention, quarter, wrapped, written_by) VALUES ($1, $2, $3, $4) ON CONFLICT (retention, quarter) DO NOTHING";

static EXCHANGE_KEYS: Table = Table::new("keep_keys", "exchange_key", "exchange_id, retention, quarter, wrapped, minted_at, written_by");

const EXCHANGE_KEY: &str = "-- exchange_key
SELECT retention, quarter, wrapped FROM exchange_key WHERE exchange_id = $1";

const DELETE_KEY: &str = "-- destroy_key
DELETE FROM exchange_key WHERE exchange_id = $1";

const UNCONFIRMED_KEYS: &str = "-- unconfirmed_keys
SELECT exchange_id, minted_at FROM exchange_key WHERE confirmed = 0 AND minted_at < $1 AND (minted_at, exchange_id) > ($2, $3)
ORDER BY minted_at, exchange_id LIMIT 500";

const CONFIRM_KEY: &str = "-- confirm_key
UPDATE exchange_key SET confirmed = 1, written_by = 'collect_keys' WHERE exchange_id = $1";

#[cfg(test)]
mod tests;
