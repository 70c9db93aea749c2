//! What an overseer sees of deliveries, clocks and the log: counts, units and dates. None of it is on the way of an exchange.

use exchange::{DeliveryId, Instant, Party};

use super::{
    Store, StoreError,
    columns::{delivery_id, instant, number, party, text},
};

/// A notice that was given up.
#[derive(Debug, Clone)]
pub struct DeadRow {
    /// Which delivery.
    pub id: DeliveryId,
    /// Whom it was for.
    pub recipient: Party,
    /// When it became available.
    pub delivered_at: Instant,
}

/// Limits of one unit that have passed.
#[derive(Debug, Clone)]
pub struct LateRow {
    /// Whose.
    pub owner: Party,
    /// How many.
    pub many: u64,
    /// The oldest of them.
    pub oldest: Instant,
}

impl Store {
    /// When the newest tree head was signed.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn last_signed_at(&self) -> Result<Option<Instant>, StoreError> {
        let row = self.row("last_signed_at", sqlx::query(LAST_SIGNED_AT)).await?;
        row.map(|row| instant(&row, "signed_at")).transpose().map(Option::flatten)
    }

    /// How many notices wait to be pushed.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn waiting_pushes(&self) -> Result<u64, StoreError> {
        let row = self.row("waiting_pushes", sqlx::query(WAITING_PUSHES)).await?;
        row.map_or(Ok(0), |row| count(number(&row, "many")?))
    }

    /// The notices that were given up, newest first, 100 at most.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn dead_deliveries(&self) -> Result<Vec<DeadRow>, StoreError> {
        let rows = self.rows("dead_deliveries", sqlx::query(DEAD_DELIVERIES)).await?;
        rows.iter()
            .map(|row| {
                Ok(DeadRow {
                    id: delivery_id(row, "id")?,
                    recipient: party(&text(row, "institution")?, &text(row, "unit")?)?,
                    delivered_at: Instant::from_unix_ms(number(row, "delivered_at")?),
                })
            })
            .collect()
    }

    /// The limits that have passed, by unit, 200 units at most.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn late(&self, now: Instant) -> Result<Vec<LateRow>, StoreError> {
        let rows = self.rows("late_clocks", sqlx::query(LATE_CLOCKS).bind(now.unix_ms())).await?;
        rows.iter()
            .map(|row| {
                Ok(LateRow {
                    owner: party(&text(row, "institution")?, &text(row, "unit")?)?,
                    many: count(number(row, "many")?)?,
                    oldest: Instant::from_unix_ms(number(row, "oldest")?),
                })
            })
            .collect()
    }
}

fn count(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Damaged("count"))
}

const LAST_SIGNED_AT: &str = "-- last_signed_at
SELECT signed_at FROM checkpoint ORDER BY size DESC LIMIT 1";

const WAITING_PUSHES: &str = "-- waiting_pushes
SELECT COUNT(*) AS many FROM delivery WHERE push = 'waiting'";

const DEAD_DELIVERIES: &str = "-- dead_deliveries
SELECT id, institution, unit, delivered_at FROM delivery WHERE push = 'dead' ORDER BY arrival DESC LIMIT 100";

const LATE_CLOCKS: &str = "-- late_clocks
SELECT institution, unit, COUNT(*) AS many, MIN(limit_at) AS oldest FROM clock
WHERE stopped_at IS NULL AND limit_at <= $1 GROUP BY institution, unit ORDER BY institution, unit LIMIT 200";
