//! Drops: under which number a delivery leaves for a partner, what was answered to the drops that came, and whose turn it is to
//! look. A number is given once and never changes; an answer is kept byte for byte.

use std::time::Duration;

use exchange::{DeliveryId, Instant, InstitutionId};
use futures::future::BoxFuture;
use sqlx::Row;

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    columns::{bytes, delivery_id, instant, number, text},
    delivery::OpenDelivery,
};

/// How a drop was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropOutcome {
    /// Its exchanges were taken over.
    Accept,
    /// Nothing of it was.
    Refuse,
}

impl DropOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Refuse => "refused",
        }
    }
}

/// Gives a delivery its number among the drops for a partner, or finds the one it has.
pub struct NumberDrop {
    /// Which.
    pub delivery: DeliveryId,
    /// For whom.
    pub partner: InstitutionId,
    /// When, unless it has one.
    pub at: Instant,
    /// Whether content leaves this time.
    pub content: bool,
}

/// The number of a drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// From 1, without gaps.
    pub sequence: u64,
    /// The instant in its list.
    pub at: Instant,
}

impl Write for NumberDrop {
    const NAME: &'static str = "number_drop";
    type Output = Numbered;

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<Numbered, StoreError>> {
        Box::pin(async move {
            let (delivery, content) = (self.delivery.to_string(), i64::from(self.content));
            sqlx::query(INSERT_NUMBER)
                .bind(&delivery)
                .bind(self.partner.as_str())
                .bind(self.at.unix_ms())
                .bind(content)
                .bind(Self::NAME)
                .execute(tx.connection())
                .await
                .map_err(StoreError::in_statement("insert_drop_number"))?;
            let row = sqlx::query(NUMBER_OF)
                .bind(content)
                .bind(Self::NAME)
                .bind(&delivery)
                .fetch_one(tx.connection())
                .await
                .map_err(StoreError::in_statement("drop_number"))?;
            Ok(Numbered { sequence: positive(&row)?, at: Instant::from_unix_ms(number(&row, "numbered_at")?) })
        })
    }
}

/// A partner acknowledged a drop. Refused when it did before.
pub struct AnswerDrop {
    /// Who.
    pub partner: InstitutionId,
    /// Which drop.
    pub sequence: u64,
    /// When.
    pub at: Instant,
    /// How.
    pub outcome: DropOutcome,
    /// Its system read the content: the first opening, by that system's name.
    pub opened: Option<OpenDelivery>,
    /// What else the log states.
    pub entry: Option<NewEntry>,
}

impl Write for AnswerDrop {
    const NAME: &'static str = "answer_drop";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(ANSWER_DROP)
                .bind(self.at.unix_ms())
                .bind(self.outcome.as_str())
                .bind(Self::NAME)
                .bind(self.partner.as_str())
                .bind(signed(self.sequence));
            tx.one("answer_drop", one).await?;
            if let Some(opened) = self.opened {
                opened.apply(tx).await?;
            }
            match &self.entry {
                Some(entry) => entry.insert(tx, Self::NAME).await,
                None => Ok(()),
            }
        })
    }
}

/// A drop that a partner left was decided: from here on its number gets this answer.
pub struct DecideDrop {
    /// Who left it.
    pub partner: InstitutionId,
    /// Which.
    pub sequence: u64,
    /// SHA-256 of its list.
    pub manifest: [u8; 32],
    /// How.
    pub outcome: DropOutcome,
    /// The acknowledgement.
    pub answer: Vec<u8>,
    /// The signature over it.
    pub signature: Vec<u8>,
    /// When.
    pub at: Instant,
}

impl Write for DecideDrop {
    const NAME: &'static str = "decide_drop";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(DECIDE_DROP)
                .bind(self.partner.as_str())
                .bind(signed(self.sequence))
                .bind(self.manifest.to_vec())
                .bind(self.outcome.as_str())
                .bind(&self.answer)
                .bind(&self.signature)
                .bind(self.at.unix_ms())
                .bind(Self::NAME);
            tx.one("decide_drop", one).await
        })
    }
}

/// Takes the turn to look into a partner's folder, or holds it longer, for a time; says whether it did.
pub struct TakeTurn {
    /// Whose folder.
    pub partner: InstitutionId,
    /// The present instant.
    pub now: Instant,
    /// How long.
    pub hold: Duration,
    /// Random: who holds it.
    pub token: [u8; 16],
}

impl Write for TakeTurn {
    const NAME: &'static str = "take_drop_turn";
    type Output = bool;

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<bool, StoreError>> {
        Box::pin(async move {
            let done = sqlx::query(TAKE_TURN)
                .bind(self.partner.as_str())
                .bind(self.now.plus(self.hold).unix_ms())
                .bind(self.token.to_vec())
                .bind(Self::NAME)
                .bind(self.now.unix_ms())
                .execute(tx.connection())
                .await
                .map_err(StoreError::in_statement("take_drop_turn"))?;
            Ok(done.rows_affected() == 1)
        })
    }
}

/// Gives the turn back. Nothing happens when somebody else has it by now.
pub struct LeaveTurn {
    /// Whose folder.
    pub partner: InstitutionId,
    /// Proof of the turn.
    pub token: [u8; 16],
}

impl Write for LeaveTurn {
    const NAME: &'static str = "leave_drop_turn";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            sqlx::query(LEAVE_TURN)
                .bind(Self::NAME)
                .bind(self.partner.as_str())
                .bind(self.token.to_vec())
                .execute(tx.connection())
                .await
                .map_err(StoreError::in_statement("leave_drop_turn"))
                .map(drop)
        })
    }
}

/// A drop that left.
#[derive(Debug, Clone, Copy)]
pub struct SentDrop {
    /// What it handed over.
    pub delivery: DeliveryId,
    /// Whether it had content.
    pub content: bool,
    /// When it was acknowledged.
    pub answered_at: Option<Instant>,
}

/// A drop that came and was decided.
#[derive(Debug, Clone)]
pub struct ReceivedDrop {
    /// SHA-256 of its list.
    pub manifest: Vec<u8>,
    /// How it was answered.
    pub outcome: DropOutcome,
    /// The acknowledgement.
    pub answer: Vec<u8>,
    /// The signature over it.
    pub signature: Vec<u8>,
}

impl Store {
    /// The number under which a delivery leaves, once it has one.
    pub async fn drop_of(&self, delivery: DeliveryId) -> Result<Option<u64>, StoreError> {
        let query = sqlx::query(DROP_OF).bind(delivery.to_string());
        self.row("drop_of", query).await?.map(|row| positive(&row)).transpose()
    }

    /// The drop of this number that left for a partner.
    pub async fn sent_drop(&self, partner: &InstitutionId, sequence: u64) -> Result<Option<SentDrop>, StoreError> {
        let query = sqlx::query(SENT_DROP).bind(partner.as_str()).bind(signed(sequence));
        let Some(row) = self.row("sent_drop", query).await? else { return Ok(None) };
        Ok(Some(SentDrop {
            delivery: delivery_id(&row, "delivery_id")?,
            content: number(&row, "content")? == 1,
            answered_at: instant(&row, "answered_at")?,
        }))
    }

    /// The drop of this number that a partner left, if it was decided.
    pub async fn received_drop(&self, partner: &InstitutionId, sequence: u64) -> Result<Option<ReceivedDrop>, StoreError> {
        let query = sqlx::query(RECEIVED_DROP).bind(partner.as_str()).bind(signed(sequence));
        let Some(row) = self.row("received_drop", query).await? else { return Ok(None) };
        Ok(Some(ReceivedDrop {
            manifest: bytes(&row, "manifest")?,
            outcome: if text(&row, "outcome")? == DropOutcome::Accept.as_str() { DropOutcome::Accept } else { DropOutcome::Refuse },
            answer: bytes(&row, "answer")?,
            signature: bytes(&row, "signature")?,
        }))
    }

    /// The number of the last drop of a partner that was decided.
    pub async fn last_received_drop(&self, partner: &InstitutionId) -> Result<Option<u64>, StoreError> {
        let query = sqlx::query(LAST_RECEIVED).bind(partner.as_str());
        self.row("last_received_drop", query).await?.map(|row| positive(&row)).transpose()
    }
}

fn positive(row: &sqlx::any::AnyRow) -> Result<u64, StoreError> {
    let sequence: i64 = row.try_get("sequence").map_err(|_| StoreError::Damaged("drop"))?;
    u64::try_from(sequence).map_err(|_| StoreError::Damaged("drop"))
}

/// A number of a drop has ten digits.
fn signed(sequence: u64) -> i64 {
    i64::try_from(sequence).unwrap_or(i64::MAX)
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] =
    &[INSERT_NUMBER, NUMBER_OF, ANSWER_DROP, DECIDE_DROP, TAKE_TURN, LEAVE_TURN, DROP_OF, SENT_DROP, RECEIVED_DROP, LAST_RECEIVED];

// Two replicas that count at once: the second finds the number taken, and tries again.
const INSERT_NUMBER: &str = "-- insert_drop_number
INSERT INTO drop_sent (delivery_id, partner, sequence, numbered_at, content, written_by)
SELECT $1, $2, COALESCE((SELECT s.sequence FROM drop_sent s WHERE s.partner = $2 ORDER BY s.sequence DESC LIMIT 1), 0) + 1, $3, $4, $5
WHERE NOT EXISTS (SELECT 1 FROM drop_sent o WHERE o.delivery_id = $1)";

const NUMBER_OF: &str = "-- drop_number
UPDATE drop_sent SET content = $1, written_by = $2 WHERE delivery_id = $3 RETURNING sequence, numbered_at";

const ANSWER_DROP: &str = "-- answer_drop
UPDATE drop_sent SET answered_at = $1, outcome = $2, written_by = $3 WHERE partner = $4 AND sequence = $5 AND answered_at IS NULL";

const DECIDE_DROP: &str = "-- decide_drop
INSERT INTO drop_received (partner, sequence, manifest, outcome, answer, signature, at, written_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const TAKE_TURN: &str = "-- take_drop_turn
INSERT INTO drop_turn (partner, leased_until, lease_token, written_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (partner) DO UPDATE SET leased_until = excluded.leased_until, lease_token = excluded.lease_token, written_by = excluded.written_by
WHERE drop_turn.leased_until <= $5 OR drop_turn.lease_token = excluded.lease_token";

const LEAVE_TURN: &str = "-- leave_drop_turn
UPDATE drop_turn SET leased_until = 0, lease_token = NULL, written_by = $1 WHERE partner = $2 AND lease_token = $3";

const DROP_OF: &str = "-- drop_of
SELECT sequence FROM drop_sent WHERE delivery_id = $1";

const SENT_DROP: &str = "-- sent_drop
SELECT delivery_id, content, answered_at FROM drop_sent WHERE partner = $1 AND sequence = $2";

const RECEIVED_DROP: &str = "-- received_drop
SELECT manifest, outcome, answer, signature FROM drop_received WHERE partner = $1 AND sequence = $2";

const LAST_RECEIVED: &str = "-- last_received_drop
SELECT sequence FROM drop_received WHERE partner = $1 ORDER BY sequence DESC LIMIT 1";
