//! Retention: what has been kept long enough, and openings that have expired.

use exchange::{ExchangeId, Instant};
use futures::future::BoxFuture;

use super::{
    Store, StoreError, Tx, Write,
    columns::{number, text},
};

/// A content that is still kept, and since when its time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub exchange: ExchangeId,
    /// The acceptance, or what was done with it later, as far as that was looked for.
    pub since: Instant,
}

/// Somebody did something with a content since: its time counts from there.
pub struct KeepLonger {
    /// Which.
    pub exchange: ExchangeId,
    /// The last contact.
    pub since: Instant,
}

impl Write for KeepLonger {
    const NAME: &'static str = "keep_longer";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let moved = sqlx::query(KEEP_LONGER).bind(self.since.unix_ms()).bind(Self::NAME).bind(self.exchange.to_string());
            // Another replica may have moved it, or erased it, meanwhile.
            moved.execute(tx.connection()).await.map_err(StoreError::in_statement("keep_longer"))?;
            Ok(())
        })
    }
}

/// Forgets openings of the log whose time is over, some hundreds at a time; the leaves stay. Gives how many.
pub struct ExpireOpenings {
    /// Those that expire at this instant or before it.
    pub now: Instant,
}

impl Write for ExpireOpenings {
    const NAME: &'static str = "expire_openings";
    type Output = u64;

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<u64, StoreError>> {
        Box::pin(async move {
            let done = sqlx::query(EXPIRE_OPENINGS).bind(Self::NAME).bind(self.now.unix_ms()).execute(tx.connection()).await;
            Ok(done.map_err(StoreError::in_statement("expire_openings"))?.rows_affected())
        })
    }
}

/// It was looked what is over.
pub struct Looked {
    /// When.
    pub at: Instant,
}

impl Write for Looked {
    const NAME: &'static str = "looked";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let looked = sqlx::query(LOOKED).bind(self.at.unix_ms()).bind(Self::NAME);
            tx.one("looked", looked).await
        })
    }
}

impl Store {
    /// When it was last looked what is over.
    pub async fn last_look(&self) -> Result<Option<Instant>, StoreError> {
        let row = self.row("last_look", sqlx::query(LAST_LOOK)).await?;
        row.map(|row| number(&row, "at").map(Instant::from_unix_ms)).transpose()
    }

    /// The classes under which something is still kept.
    pub async fn kept_classes(&self) -> Result<Vec<String>, StoreError> {
        // From class to class through the index: it costs what the classes cost, not what they hold.
        let mut classes: Vec<String> = Vec::new();
        loop {
            let last = classes.last().cloned().unwrap_or_default();
            match self.row("next_class", sqlx::query(NEXT_CLASS).bind(last)).await? {
                Some(row) => classes.push(text(&row, "retention")?),
                None => return Ok(classes),
            }
        }
    }

    /// What of a class counts from `before` or earlier and is not erased, in the order of that time, after `last`; 200 at most.
    pub async fn kept_long(&self, class: &str, before: Instant, last: Option<Kept>) -> Result<Vec<Kept>, StoreError> {
        let query = sqlx::query(KEPT_LONG)
            .bind(class)
            .bind(before.unix_ms())
            .bind(last.map_or(i64::MIN, |last| last.since.unix_ms()))
            .bind(last.map(|last| last.exchange.to_string()).unwrap_or_default());
        let rows = self.rows("kept_long", query).await?;
        let read = |row| {
            Ok(Kept {
                exchange: text(row, "id")?.parse().map_err(|_| StoreError::Damaged("exchange"))?,
                since: Instant::from_unix_ms(number(row, "kept_since")?),
            })
        };
        rows.iter().map(read).collect()
    }

    /// The last time that somebody did something with a content: sent it, first opened or acknowledged it, answered it, did a
    /// task of it or put one off, read it in an emergency, corrected, withdrew or called about it. Reading it again is none.
    pub async fn last_contact(&self, exchange: ExchangeId) -> Result<Instant, StoreError> {
        let row = self.row("last_contact", sqlx::query(LAST_CONTACT).bind(exchange.to_string())).await?;
        number(&row.ok_or(StoreError::Damaged("last_contact"))?, "at").map(Instant::from_unix_ms)
    }

    /// When the next exchange of the same type between the same two units was accepted that its sender did not withdraw.
    pub async fn superseded_at(&self, exchange: ExchangeId) -> Result<Option<Instant>, StoreError> {
        let row = self.row("superseded_at", sqlx::query(SUPERSEDED_AT).bind(exchange.to_string())).await?;
        row.map(|row| number(&row, "accepted_at").map(Instant::from_unix_ms)).transpose()
    }
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[LOOKED, LAST_LOOK, NEXT_CLASS, KEPT_LONG, LAST_CONTACT, SUPERSEDED_AT, KEEP_LONGER, EXPIRE_OPENINGS];

const LOOKED: &str = "-- looked
INSERT INTO retention_look (id, at, written_by) VALUES (1, $1, $2)
ON CONFLICT (id) DO UPDATE SET at = excluded.at, written_by = excluded.written_by";

const LAST_LOOK: &str = "-- last_look
SELECT at FROM retention_look WHERE id = 1";

const NEXT_CLASS: &str = "-- next_class
SELECT retention FROM exchange WHERE retention > $1 AND erased_at IS NULL ORDER BY retention LIMIT 1";

const KEPT_LONG: &str = "-- kept_long
SELECT id, kept_since FROM exchange
WHERE retention = $1 AND kept_since <= $2 AND (kept_since, id) > ($3, $4) AND erased_at IS NULL ORDER BY kept_since, id LIMIT 200";

const LAST_CONTACT: &str = "-- last_contact
SELECT MAX(c.at) AS at FROM (
    SELECT accepted_at AS at FROM exchange WHERE id = $1
    UNION ALL SELECT accepted_at FROM exchange WHERE in_reply_to = $1
    UNION ALL SELECT accepted_at FROM exchange WHERE rectifies = $1
    UNION ALL SELECT withdrawn_at FROM exchange WHERE id = $1
    UNION ALL SELECT opened_at FROM delivery WHERE exchange_id = $1
    UNION ALL SELECT acknowledged_at FROM delivery WHERE exchange_id = $1
    UNION ALL SELECT done_at FROM follow_up WHERE exchange_id = $1
    UNION ALL SELECT deferred_until FROM follow_up WHERE exchange_id = $1
    UNION ALL SELECT granted_at FROM break_glass WHERE exchange_id = $1
    UNION ALL SELECT at FROM telephone_call WHERE exchange_id = $1
) AS c";

const SUPERSEDED_AT: &str = "-- superseded_at
SELECT n.accepted_at AS accepted_at FROM exchange e JOIN exchange n ON n.retention = e.retention AND n.erased_at IS NULL
WHERE e.id = $1 AND n.withdrawn_at IS NULL AND n.sender_unit = e.sender_unit AND n.recipient_unit = e.recipient_unit AND n.type = e.type AND n.sender_institution = e.sender_institution AND n.recipient_institution = e.recipient_institution
    AND n.accepted_at > e.accepted_at ORDER BY n.accepted_at LIMIT 1";

const KEEP_LONGER: &str = "-- keep_longer
UPDATE exchange SET kept_since = $1, written_by = $2 WHERE id = $3 AND kept_since < $1 AND erased_at IS NULL";

const EXPIRE_OPENINGS: &str = "-- expire_openings
UPDATE entry SET opening = NULL, written_by = $1
WHERE id IN (SELECT id FROM entry WHERE opening IS NOT NULL AND expires_at IS NOT NULL AND expires_at <= $2 ORDER BY expires_at LIMIT 500)";
