//! Forgetting: with an exchange go its descriptions, what was derived from them, and the person nobody speaks of any more.

use exchange::{ExchangeId, Instant};

use super::{Vault, filing, rid};
use crate::{
    seal::pseudonym::Rid,
    store::{
        Store, StoreError,
        columns::{bytes, text},
        doubt::Doubts,
        patience::{Patiently, Turn},
    },
};

impl Vault {
    /// Deletes the mentions of an exchange, their keys, and persons left without any. When this returns, all of it is
    /// overwritten. Doing it again changes nothing.
    ///
    /// # Errors
    /// The store is unavailable: to be done again.
    pub async fn forget(&self, exchange: ExchangeId) -> Result<(), StoreError> {
        let mut tx = self.side.begin("forget").await?;
        forget_in(&mut tx, exchange).await?;
        self.side.commit("forget", tx).await?;
        self.side.overwrite().await
    }

    /// Forgets the mentions made before `before` whose exchange was never accepted, as at an earlier look; says of how many exchanges.
    /// Looks at each mention once, so its cost does not grow with history.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn collect_orphans(&self, store: &Store, before: Instant, doubts: &Doubts) -> Result<usize, StoreError> {
        let (mut collected, mut last) = (0, String::new());
        loop {
            let query = sqlx::query(UNCONFIRMED_MENTIONS).bind(before.unix_ms()).bind(last.clone());
            let rows = self.side.rows("unconfirmed_mentions", query).await?;
            let Some(row) = rows.last() else { break };
            last = text(row, "exchange_id")?;
            let mut found = Vec::new();
            for row in &rows {
                let exchange: ExchangeId = text(row, "exchange_id")?.parse().map_err(|_| StoreError::Damaged("mention"))?;
                found.push((exchange, store.exchange(exchange).await?.is_some()));
            }
            let mut tx = self.side.begin("collect_mentions").await?;
            for (exchange, accepted) in found {
                if accepted {
                    sqlx::query(CONFIRM_MENTIONS)
                        .bind(exchange.to_string())
                        .execute(&mut *tx)
                        .patiently()
                        .await
                        .map_err(StoreError::in_statement("confirm_mentions"))?;
                } else if doubts.before(format!("mention {exchange}")) {
                    forget_in(&mut tx, exchange).await?;
                    collected += 1;
                }
            }
            self.side.commit("collect_mentions", tx).await?;
        }
        if collected > 0 {
            self.side.overwrite().await?;
        }
        Ok(collected)
    }
}

async fn forget_in(tx: &mut Turn, exchange: ExchangeId) -> Result<(), StoreError> {
    let rows = sqlx::query(MENTIONS_OF)
        .bind(exchange.to_string())
        .fetch_all(&mut **tx)
        .patiently()
        .await
        .map_err(StoreError::in_statement("mentions_of"))?;
    for row in &rows {
        filing::take_likeness(tx, &bytes(row, "likeness")?, &rid(row, "rid")?).await?;
    }
    sqlx::query(DELETE_MENTIONS)
        .bind(exchange.to_string())
        .execute(&mut **tx)
        .patiently()
        .await
        .map_err(StoreError::in_statement("delete_mentions"))?;
    for row in &rows {
        forget_person(tx, &rid(row, "rid")?).await?;
    }
    Ok(())
}

/// A person without mentions: nothing to compare, so no question; no row either, unless a decision names it.
pub(super) async fn forget_person(tx: &mut Turn, person: &Rid) -> Result<(), StoreError> {
    for statement in [DELETE_QUESTIONS, DELETE_PERSON] {
        sqlx::query(statement)
            .bind(person.stored())
            .execute(&mut **tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("forget_person"))?;
    }
    Ok(())
}

const MENTIONS_OF: &str = "-- mentions_of
SELECT rid, likeness FROM mention WHERE exchange_id = $1 ORDER BY n";

const DELETE_MENTIONS: &str = "-- delete_mentions
DELETE FROM mention WHERE exchange_id = $1";

const DELETE_QUESTIONS: &str = "-- delete_questions
DELETE FROM proposal WHERE (low = $1 OR high = $1) AND linkage_id IS NULL AND NOT EXISTS (SELECT 1 FROM mention WHERE rid = $1)";

const DELETE_PERSON: &str = "-- delete_person
DELETE FROM person WHERE rid = $1 AND merged_into IS NULL
AND NOT EXISTS (SELECT 1 FROM mention WHERE rid = $1)
AND NOT EXISTS (SELECT 1 FROM person AS other WHERE other.merged_into = $1)
AND NOT EXISTS (SELECT 1 FROM proposal WHERE low = $1 OR high = $1)
AND NOT EXISTS (SELECT 1 FROM linkage WHERE kept = $1 OR moved = $1)";

const UNCONFIRMED_MENTIONS: &str = "-- unconfirmed_mentions
SELECT DISTINCT exchange_id FROM mention WHERE confirmed = 0 AND created_at < $1 AND exchange_id > $2
ORDER BY exchange_id LIMIT 500";

const CONFIRM_MENTIONS: &str = "-- confirm_mentions
UPDATE mention SET confirmed = 1, written_by = 'confirm_mentions' WHERE exchange_id = $1";
