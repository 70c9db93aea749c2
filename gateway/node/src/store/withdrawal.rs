//! Withdrawals: a sender takes back what it sent, and everybody who got it is told.

use exchange::{ExchangeId, Instant, TypeCode};
use futures::future::BoxFuture;

use super::{Store, StoreError, Tx, Write, audit::NewEntry, columns::bytes, delivery::NewDelivery, rows::Rows};

/// Everything that one withdrawal writes: all of it or nothing.
pub struct WithdrawExchange {
    /// When.
    pub at: Instant,
    /// Opaque subject.
    pub by: String,
    /// The exchange, what corrects it, and what the gateway made of them.
    pub rows: Vec<WithdrawnRow>,
}

/// One exchange that is withdrawn.
pub struct WithdrawnRow {
    /// Which exchange.
    pub exchange: ExchangeId,
    /// Sealed motive.
    pub motive: Vec<u8>,
    /// The word for everybody who got it.
    pub deliveries: Vec<NewDelivery>,
    /// Whether the content is taken back too: then nothing waits to be read or answered any more. A danger stays.
    pub content_too: bool,
    /// What it answered, its own type, and the tasks that such an answer ends: unless another answer stands, they are open again.
    pub answered: Option<(ExchangeId, TypeCode, Vec<String>)>,
    /// What the log states.
    pub entry: NewEntry,
}

impl Write for WithdrawExchange {
    const NAME: &'static str = "withdraw_exchange";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let mut rows = Rows::default();
            for row in &self.rows {
                let id = row.exchange.to_string();
                let one = sqlx::query(MARK_WITHDRAWN).bind(self.at.unix_ms()).bind(Self::NAME).bind(&id);
                tx.one("mark_withdrawn", one).await?;
                let one = sqlx::query(INSERT_WITHDRAWAL).bind(&id).bind(&self.by).bind(&row.motive[..]).bind(Self::NAME);
                tx.one("insert_withdrawal", one).await?;
                if row.content_too {
                    let query = sqlx::query(REPLACE).bind(self.at.unix_ms()).bind(Self::NAME).bind(&id);
                    query.execute(tx.connection()).await.map_err(StoreError::in_statement("replace_deliveries"))?;
                    // Who owes a review or a task of another kind owes it still.
                    for event in ["opened", "acknowledged", "answered:%"] {
                        super::clocks::stop_by(tx, row.exchange, (event, "withdrawn"), self.at, Self::NAME).await?;
                    }
                }
                for delivery in &row.deliveries {
                    delivery.add_to(&mut rows, row.exchange, self.at, Self::NAME);
                }
                row.entry.add_to(&mut rows, Self::NAME);
            }
            // Once all of the line are marked: what one of them answered, another must not answer in its place.
            for (answered, kind, tasks) in self.rows.iter().filter_map(|row| row.answered.as_ref()) {
                super::clocks::answer_again(tx, *answered, kind, tasks, Self::NAME).await?;
            }
            tx.insert(rows).await
        })
    }
}

/// What is only noise once the key is gone.
pub(super) async fn forget(tx: &mut Tx, exchange: ExchangeId) -> Result<(), StoreError> {
    let query = sqlx::query(FORGET).bind(exchange.to_string());
    query.execute(tx.connection()).await.map_err(StoreError::in_statement("forget_withdrawal"))?;
    Ok(())
}

impl Store {
    /// Sealed motive of the withdrawal of an exchange; `None` when it was not withdrawn, or erased since.
    pub async fn withdrawal_motive(&self, exchange: ExchangeId) -> Result<Option<Vec<u8>>, StoreError> {
        let row = self.row("withdrawal_motive", sqlx::query(MOTIVE).bind(exchange.to_string())).await?;
        row.map(|row| bytes(&row, "motive")).transpose()
    }
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[MARK_WITHDRAWN, INSERT_WITHDRAWAL, REPLACE, FORGET, MOTIVE];

const MARK_WITHDRAWN: &str = "-- mark_withdrawn
UPDATE exchange SET withdrawn_at = $1, written_by = $2 WHERE id = $3 AND withdrawn_at IS NULL AND erased_at IS NULL";

const INSERT_WITHDRAWAL: &str = "-- insert_withdrawal
INSERT INTO withdrawal (exchange_id, professional, motive, written_by) VALUES ($1, $2, $3, $4)";

// A push that is under way ends by its own lease.
const REPLACE: &str = "-- replace_deliveries
UPDATE delivery SET replaced_at = $1, written_by = $2, push = CASE WHEN push = 'waiting' AND leased_until = 0 THEN 'none' ELSE push END
WHERE exchange_id = $3 AND notice = 'content' AND acknowledged_at IS NULL";

const FORGET: &str = "-- forget_withdrawal
DELETE FROM withdrawal WHERE exchange_id = $1";

const MOTIVE: &str = "-- withdrawal_motive
SELECT motive FROM withdrawal WHERE exchange_id = $1";
