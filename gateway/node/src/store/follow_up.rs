//! Follow-ups: what a person still has to do about an exchange, and who did it.

use exchange::{ExchangeId, FollowUpId, Instant, Party, ProfessionalId};
use sqlx::{Row, any::AnyRow};

use super::{
    Store, StoreError, Tx,
    columns::{instant, number, owned, party, role, role_text, text, unit_text},
    rows::{Rows, Table},
};
use crate::directory::Role;

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
    /// The function whose task it is, instead of a unit's.
    pub role: Option<Role>,
    /// Field pointers and codes.
    pub details: Vec<String>,
    /// Until when it waits.
    pub deferred_until: Option<Instant>,
    /// When it was done.
    pub done_at: Option<Instant>,
    /// Who did it: opaque subject; empty when an answer ended it.
    pub done_by: Option<String>,
}

impl NewFollowUp {
    pub(crate) async fn insert(&self, tx: &mut Tx, exchange: ExchangeId, at: Instant, name: &'static str) -> Result<(), StoreError> {
        self.insert_for(tx, exchange, None, at, name).await
    }

    /// The same, for a function instead of a unit.
    pub(super) async fn insert_for(
        &self,
        tx: &mut Tx,
        exchange: ExchangeId,
        role: Option<Role>,
        at: Instant,
        name: &'static str,
    ) -> Result<(), StoreError> {
        let mut rows = Rows::default();
        self.add_to(&mut rows, exchange, role, at, name);
        tx.insert(rows).await
    }

    pub(super) fn add_to(&self, rows: &mut Rows, exchange: ExchangeId, role: Option<Role>, at: Instant, name: &'static str) {
        let details = serde_json::Value::from(self.details.as_slice()).to_string();
        rows.add(
            &FOLLOW_UPS_TABLE,
            [
                self.id.to_string().into(),
                exchange.to_string().into(),
                self.code.as_str().into(),
                self.owner.institution.as_str().into(),
                unit_text(&self.owner).into(),
                at.unix_ms().into(),
                details.into(),
                role_text(role).into(),
                name.into(),
            ],
        );
    }
}

/// Closes the open follow-ups of an exchange that have one of these codes: something else than a person's word ended them.
pub(super) async fn close(tx: &mut Tx, exchange: ExchangeId, codes: &[String], at: Instant, name: &'static str) -> Result<(), StoreError> {
    for code in codes {
        sqlx::query(CLOSE_FOLLOW_UPS)
            .bind(at.unix_ms())
            .bind(name)
            .bind(exchange.to_string())
            .bind(code)
            .execute(tx.connection())
            .await
            .map_err(StoreError::in_statement("close_follow_ups"))?;
    }
    Ok(())
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

    /// The open follow-ups of one unit, or of one function of an institution, oldest first, 200 at most, less what is sealed from `reader`.
    pub async fn open_follow_ups(
        &self,
        owner: &Party,
        role: Option<Role>,
        reader: &ProfessionalId,
    ) -> Result<Vec<FollowUpRow>, StoreError> {
        let query = owned(OPEN_FOLLOW_UPS, owner, role, reader);
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
        role: role(row, "role")?,
        opened_at: Instant::from_unix_ms(number(row, "opened_at")?),
        deferred_until: instant(row, "deferred_until")?,
        details: serde_json::from_str(&text(row, "details")?).map_err(|_| damaged())?,
        done_at: instant(row, "done_at")?,
        done_by: row.try_get("done_by").map_err(|_| damaged())?,
    })
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[CLOSE_FOLLOW_UPS, FOLLOW_UPS, FOLLOW_UP, OPEN_FOLLOW_UPS];

static FOLLOW_UPS_TABLE: Table =
    Table::new("insert_follow_up", "follow_up", "id, exchange_id, code, institution, unit, opened_at, details, role, written_by");

const CLOSE_FOLLOW_UPS: &str = "-- close_follow_ups
UPDATE follow_up SET done_at = $1, done_by = '', deferred_until = NULL, written_by = $2 WHERE exchange_id = $3 AND code = $4 AND done_at IS NULL";

const FOLLOW_UPS: &str = "-- follow_ups
SELECT id, exchange_id, code, institution, unit, role, opened_at, details, deferred_until, done_at, done_by FROM follow_up WHERE exchange_id = $1 ORDER BY id";

const FOLLOW_UP: &str = "-- follow_up
SELECT id, exchange_id, code, institution, unit, role, opened_at, details, deferred_until, done_at, done_by FROM follow_up WHERE id = $1";

const OPEN_FOLLOW_UPS: &str = "-- open_follow_ups
SELECT id, exchange_id, code, institution, unit, role, opened_at, details, deferred_until, done_at, done_by FROM follow_up
WHERE institution = $1 AND unit = $2 AND role = $5 AND done_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM exclusion x WHERE x.exchange_id = follow_up.exchange_id AND (x.institution = $1 OR (x.issuer = $3 AND x.subject = $4)))
ORDER BY opened_at LIMIT 200";
