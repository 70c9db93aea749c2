//! The erasure journal: what was destroyed, so that a restored backup can destroy it again before it serves.

use exchange::{ExchangeId, Instant};

use super::{EPOCH, Keys};
use crate::{
    seal::{Place, body},
    store::{
        StoreError,
        columns::{bytes, number, text},
        patience::{Patiently, Turn},
    },
};

/// One line of the journal.
#[derive(Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Whose key was destroyed.
    pub exchange: ExchangeId,
    /// When.
    pub at: Instant,
    /// Why; may name a person, hence sealed at rest and not printed.
    pub motive: String,
}

impl std::fmt::Debug for Erasure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Erasure({}, {})", self.exchange, self.at)
    }
}

impl Keys {
    /// The journal after a line, oldest first, 500 lines at most: page until none comes.
    ///
    /// # Errors
    /// The store is unavailable, or a line is damaged.
    pub async fn erasures(&self, after: Option<&Erasure>) -> Result<Vec<Erasure>, StoreError> {
        let rows = self
            .side
            .rows(
                "erasures",
                sqlx::query(ERASURES)
                    .bind(after.map_or(i64::MIN, |line| line.at.unix_ms()))
                    .bind(after.map(|line| line.exchange.to_string()).unwrap_or_default()),
            )
            .await?;
        rows.iter()
            .map(|row| {
                let id = text(row, "exchange_id")?;
                let motive = body::open_bytes(&self.journal, &motive_place(&id), &bytes(row, "motive")?)?;
                Ok(Erasure {
                    exchange: id.parse().map_err(|_| StoreError::Damaged("erasure"))?,
                    at: Instant::from_unix_ms(number(row, "at")?),
                    motive: String::from_utf8(motive.to_vec()).map_err(|_| StoreError::Damaged("erasure"))?,
                })
            })
            .collect()
    }

    /// When the key of an exchange was destroyed, if it was.
    ///
    /// # Errors
    /// The store is unavailable, or the line is damaged.
    pub async fn erased_at(&self, exchange: ExchangeId) -> Result<Option<Instant>, StoreError> {
        let row = self.side.row("erased_at", sqlx::query(ERASED_AT).bind(exchange.to_string())).await?;
        row.map(|row| number(&row, "at").map(Instant::from_unix_ms)).transpose()
    }

    /// Destroys again what a journal newer than this database names; says how many keys had come back.
    ///
    /// # Errors
    /// The store is unavailable: to be done again.
    pub async fn replay(&self, journal: &[Erasure]) -> Result<u64, StoreError> {
        let alone = self.destroying.write().await;
        let mut returned = 0;
        let mut tx = self.side.begin("replay_erasures").await?;
        for line in journal {
            let done = sqlx::query(super::DELETE_KEY)
                .bind(line.exchange.to_string())
                .execute(&mut *tx)
                .patiently()
                .await
                .map_err(StoreError::in_statement("replay_erasures"))?;
            returned += done.rows_affected();
            self.journalise(&mut tx, line).await?;
        }
        self.side.commit("replay_erasures", tx).await?;
        journal.iter().for_each(|line| self.open.invalidate(&line.exchange));
        drop(alone);
        self.side.overwrite().await?;
        Ok(returned)
    }

    /// Writes a line; the first line of an exchange stays.
    pub(super) async fn journalise(&self, tx: &mut Turn, line: &Erasure) -> Result<(), StoreError> {
        let id = line.exchange.to_string();
        let motive = body::seal_bytes(&self.journal, &motive_place(&id), line.motive.as_bytes())?;
        sqlx::query(JOURNALISE)
            .bind(&id)
            .bind(line.at.unix_ms())
            .bind(motive)
            .bind("destroy_key")
            .execute(&mut **tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("journalise"))?;
        Ok(())
    }
}

fn motive_place(row: &str) -> Place<'_> {
    Place { table: "erasure", row, column: "motive", class: "", epoch: EPOCH }
}

const JOURNALISE: &str = "-- journalise
INSERT INTO erasure (exchange_id, at, motive, written_by) VALUES ($1, $2, $3, $4) ON CONFLICT (exchange_id) DO NOTHING";

const ERASED_AT: &str = "-- erased_at
SELECT at FROM erasure WHERE exchange_id = $1";

const ERASURES: &str = "-- erasures
SELECT exchange_id, at, motive FROM erasure WHERE (at, exchange_id) > ($1, $2) ORDER BY at, exchange_id LIMIT 500";
