//! Follow-ups: what a person still has to do about an exchange, and who did it.

use exchange::{ExchangeId, FollowUpId, Instant, Party, ProfessionalId};
use futures::future::BoxFuture;
use sqlx::any::AnyRow;

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    clocks,
    columns::{instant, number, party, text, unit_text},
};

/// Something a person still has to do.
pub struct NewFollowUp {
    /// Id.
    pub id: FollowUpId,
    /// Obligation or gateway code.
    pub code: String,
    /// Whose task it is.
    pub owner: Party,
    /// Field pointers and codes, never a value.
    pub details: Vec<String>,
}

/// A follow-up as its owner sees it.
#[derive(Debug, Clone)]
pub struct FollowUpRow {
    /// Id.
    pub id: FollowUpId,
    /// Exchange it is about.
    pub exchange: ExchangeId,
    /// Obligation or gateway code.
    pub code: String,
    /// Whose task it is.
    pub owner: Party,
    /// When it was opened.
    pub opened_at: Instant,
    /// Field pointers and codes.
    pub details: Vec<String>,
    /// When it was done.
    pub done_at: Option<Instant>,
}

impl NewFollowUp {
    pub(crate) async fn insert(&self, tx: &mut Tx, exchange: ExchangeId, at: Instant, name: &'static str) -> Result<(), StoreError> {
        let details = serde_json::to_string(&self.details).map_err(|_| StoreError::Damaged("insert_follow_up"))?;
        let one = sqlx::query(INSERT_FOLLOW_UP)
            .bind(self.id.to_string())
            .bind(exchange.to_string())
            .bind(&self.code)
            .bind(self.owner.institution.as_str())
            .bind(unit_text(&self.owner))
            .bind(at.unix_ms())
            .bind(details)
            .bind(name);
        tx.one("insert_follow_up", one).await
    }
}

/// A named professional did what a follow-up asked.
pub struct FinishFollowUp {
    /// Which.
    pub id: FollowUpId,
    /// The unit whose task it is: another's follow-up is not there.
    pub owner: Party,
    /// When.
    pub at: Instant,
    /// Opaque subject.
    pub by: String,
    /// What the log states.
    pub entry: NewEntry,
}

impl Write for FinishFollowUp {
    const NAME: &'static str = "finish_follow_up";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let row = sqlx::query(FINISH_FOLLOW_UP)
                .bind(self.at.unix_ms())
                .bind(&self.by)
                .bind(Self::NAME)
                .bind(self.id.to_string())
                .bind(self.owner.institution.as_str())
                .bind(unit_text(&self.owner))
                .fetch_optional(tx.connection())
                .await
                .map_err(StoreError::in_statement("finish_follow_up"))?
                .ok_or(StoreError::NotThere("finish_follow_up"))?;
            let exchange = text(&row, "exchange_id")?.parse().map_err(|_| StoreError::Damaged("finish_follow_up"))?;
            let code = text(&row, "code")?;
            clocks::stop(tx, exchange, &format!("recorded:{code}"), self.at, Self::NAME).await?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

impl Store {
    /// The follow-ups of one exchange.
    pub async fn follow_ups(&self, id: ExchangeId) -> Result<Vec<FollowUpRow>, StoreError> {
        let query = sqlx::query(FOLLOW_UPS).bind(id.to_string());
        let rows = self.rows("follow_ups", query).await?;
        rows.iter().map(read_follow_up).collect()
    }

    /// One follow-up.
    pub async fn follow_up(&self, id: FollowUpId) -> Result<Option<FollowUpRow>, StoreError> {
        let query = sqlx::query(FOLLOW_UP).bind(id.to_string());
        let row = self.row("follow_up", query).await?;
        row.as_ref().map(read_follow_up).transpose()
    }

    /// The open follow-ups of one unit, oldest first, 200 at most, less what is sealed from `reader`.
    pub async fn open_follow_ups(&self, owner: &Party, reader: &ProfessionalId) -> Result<Vec<FollowUpRow>, StoreError> {
        let query =
            sqlx::query(OPEN_FOLLOW_UPS).bind(owner.institution.as_str()).bind(unit_text(owner)).bind(&reader.issuer).bind(&reader.subject);
        let rows = self.rows("open_follow_ups", query).await?;
        rows.iter().map(read_follow_up).collect()
    }
}

fn read_follow_up(row: &AnyRow) -> Result<FollowUpRow, StoreError> {
    let damaged = || StoreError::Damaged("follow_up");
    Ok(FollowUpRow {
        id: text(row, "id")?.parse().map_err(|_| damaged())?,
        exchange: text(row, "exchange_id")?.parse().map_err(|_| damaged())?,
        code: text(row, "code")?,
        owner: party(&text(row, "institution")?, &text(row, "unit")?)?,
        opened_at: Instant::from_unix_ms(number(row, "opened_at")?),
        details: serde_json::from_str(&text(row, "details")?).map_err(|_| damaged())?,
        done_at: instant(row, "done_at")?,
    })
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[INSERT_FOLLOW_UP, FINISH_FOLLOW_UP, FOLLOW_UPS, FOLLOW_UP, OPEN_FOLLOW_UPS];

const INSERT_FOLLOW_UP: &str = "-- insert_follow_up
INSERT INTO follow_up (id, exchange_id, code, institution, unit, opened_at, details, written_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const FINISH_FOLLOW_UP: &str = "-- finish_follow_up
UPDATE follow_up SET done_at = $1, done_by = $2, written_by = $3
WHERE id = $4 AND institution = $5 AND unit = $6 AND done_at IS NULL RETURNING exchange_id, code";

const FOLLOW_UPS: &str = "-- follow_ups
SELECT id, exchange_id, code, institution, unit, opened_at, details, done_at FROM follow_up WHERE exchange_id = $1 ORDER BY id";

const FOLLOW_UP: &str = "-- follow_up
SELECT id, exchange_id, code, institution, unit, opened_at, details, done_at FROM follow_up WHERE id = $1";

const OPEN_FOLLOW_UPS: &str = "-- open_follow_ups
SELECT id, exchange_id, code, institution, unit, opened_at, details, done_at FROM follow_up
WHERE institution = $1 AND unit = $2 AND done_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = follow_up.exchange_id AND (x.institution = $1 OR (x.issuer = $3 AND x.subject = $4)))
ORDER BY opened_at LIMIT 200";
