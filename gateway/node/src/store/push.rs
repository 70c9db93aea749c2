//! Pushes: the leases under which notices leave, and what came of them. Two workers never finish the same one.

use std::time::Duration;

use exchange::{DeliveryId, ExchangeId, Instant};
use futures::future::BoxFuture;

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    columns::{number, text},
    delivery::{DELIVERY, DeliveryRow, read_delivery},
    follow_up::NewFollowUp,
};

/// The right to push one notice, until an instant.
#[derive(Debug, Clone)]
pub struct Lease {
    /// What is pushed.
    pub delivery: DeliveryRow,
    /// Who holds the lease: a result without it is refused.
    pub token: [u8; 16],
    /// Tries so far, this one included.
    pub attempts: u32,
}

/// Takes the most urgent notice that waits, for a time.
pub struct LeasePush {
    /// The present instant.
    pub now: Instant,
    /// How long the lease holds.
    pub hold: Duration,
    /// Random: who holds it.
    pub token: [u8; 16],
}

impl Write for LeasePush {
    const NAME: &'static str = "lease_push";
    type Output = Option<Lease>;

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<Option<Lease>, StoreError>> {
        Box::pin(async move {
            let row = sqlx::query(LEASE_PUSH)
                .bind(self.now.plus(self.hold).unix_ms())
                .bind(self.token.to_vec())
                .bind(Self::NAME)
                .bind(self.now.unix_ms())
                .fetch_optional(tx.connection())
                .await
                .map_err(StoreError::in_statement("lease_push"))?;
            let Some(row) = row else { return Ok(None) };
            let id = text(&row, "id")?;
            let attempts = u32::try_from(number(&row, "attempts")?).map_err(|_| StoreError::Damaged("lease_push"))?;
            let delivery = sqlx::query(DELIVERY).bind(id).fetch_one(tx.connection()).await.map_err(StoreError::in_statement("delivery"))?;
            Ok(Some(Lease { delivery: read_delivery(&delivery)?, token: self.token, attempts }))
        })
    }
}

/// Holds a lease for longer. Refused without its token.
pub struct HoldPush {
    /// Which delivery.
    pub id: DeliveryId,
    /// Proof of the lease.
    pub token: [u8; 16],
    /// Until when.
    pub until: Instant,
}

impl Write for HoldPush {
    const NAME: &'static str = "hold_push";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one =
                sqlx::query(HOLD_PUSH).bind(self.until.unix_ms()).bind(Self::NAME).bind(self.id.to_string()).bind(self.token.to_vec());
            tx.one("hold_push", one).await
        })
    }
}

/// What came of a push. Refused without the lease token: another worker may have taken over.
pub struct FinishPush {
    /// Which delivery.
    pub id: DeliveryId,
    /// Proof of the lease.
    pub token: [u8; 16],
    /// What happened.
    pub result: PushResult,
    /// What the log states.
    pub entry: Option<NewEntry>,
    /// What it leaves to do, about which exchange and since when.
    pub opens: Option<(NewFollowUp, ExchangeId, Instant)>,
}

/// What happened to one try.
pub enum PushResult {
    /// The endpoint took the notice.
    Done,
    /// Try again later.
    Again {
        /// Not before.
        at: Instant,
        /// Stable code of the failure.
        fault: &'static str,
    },
    /// Given up: visible and alarmed.
    Dead {
        /// Stable code of the failure.
        fault: &'static str,
    },
}

impl Write for FinishPush {
    const NAME: &'static str = "finish_push";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let (state, next, fault) = match self.result {
                PushResult::Done => ("done", 0, None),
                PushResult::Again { at, fault } => ("waiting", at.unix_ms(), Some(fault)),
                PushResult::Dead { fault } => ("dead", 0, Some(fault)),
            };
            let one = sqlx::query(FINISH_PUSH)
                .bind(state)
                .bind(next)
                .bind(fault)
                .bind(Self::NAME)
                .bind(self.id.to_string())
                .bind(self.token.to_vec());
            tx.one("finish_push", one).await?;
            if let Some((task, exchange, at)) = &self.opens {
                task.insert(tx, *exchange, *at, Self::NAME).await?;
            }
            match &self.entry {
                Some(entry) => entry.insert(tx, Self::NAME).await,
                None => Ok(()),
            }
        })
    }
}

impl Store {
    /// Notices that were given up.
    pub async fn dead_letters(&self) -> Result<Vec<DeliveryRow>, StoreError> {
        let query = sqlx::query(DEAD_LETTERS);
        let rows = self.rows("dead_letters", query).await?;
        rows.iter().map(read_delivery).collect()
    }
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[LEASE_PUSH, HOLD_PUSH, FINISH_PUSH, DEAD_LETTERS];

// Per-case order: nothing is pushed while an earlier one of the same case still waits, unless it is more urgent; nor two at
// once to one unit.
const LEASE_PUSH: &str = "-- lease_push
UPDATE delivery SET leased_until = $1, lease_token = $2, attempts = attempts + 1, written_by = $3
WHERE id = (SELECT d.id FROM delivery d WHERE d.push = 'waiting' AND d.next_attempt_at <= $4 AND d.leased_until <= $4
            AND NOT EXISTS (SELECT 1 FROM delivery e WHERE e.push = 'waiting' AND e.ordering = d.ordering AND e.ordering <> ''
                            AND e.arrival < d.arrival AND e.urgency <= d.urgency)
            AND NOT EXISTS (SELECT 1 FROM delivery l WHERE l.push = 'waiting' AND l.institution = d.institution AND l.unit = d.unit
                            AND l.leased_until > $4)
            ORDER BY d.urgency, d.next_attempt_at, d.arrival LIMIT 1)
RETURNING id, attempts";

const HOLD_PUSH: &str = "-- hold_push
UPDATE delivery SET leased_until = $1, written_by = $2 WHERE id = $3 AND lease_token = $4";

const FINISH_PUSH: &str = "-- finish_push
UPDATE delivery SET push = $1, next_attempt_at = $2, last_fault = $3, leased_until = 0, lease_token = NULL, written_by = $4
WHERE id = $5 AND lease_token = $6";

const DEAD_LETTERS: &str = "-- dead_letters
SELECT d.id AS id, d.exchange_id AS exchange_id, e.type AS type, e.sender_institution AS sender_institution, e.sender_unit AS sender_unit,
    d.institution AS institution, d.unit AS unit, d.urgency AS urgency, d.arrival AS arrival, d.delivered_at AS delivered_at,
    d.opened_at AS opened_at, d.acknowledged_at AS acknowledged_at, d.outcome AS outcome, d.notice AS notice, d.replaced_at AS replaced_at,
    e.rectifies AS rectifies, e.withdrawn_at AS withdrawn_at, e.incomplete AS incomplete, e.erased_at AS erased_at
FROM delivery d JOIN exchange e ON e.id = d.exchange_id WHERE d.push = 'dead' ORDER BY d.arrival LIMIT 500";
