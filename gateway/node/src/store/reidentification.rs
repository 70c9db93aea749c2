//! Re-identification: requests, approvals, and the one use. Counts and times; who may is not decided here.

use std::time::Duration;

use exchange::{ExchangeId, Instant, InstitutionId, ProfessionalId};
use futures::future::BoxFuture;
use sqlx::any::AnyRow;

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    columns::{bytes, instant, number, text},
};
use crate::seal::pseudonym::Domain;

/// Somebody asks who stands behind a pseudonym.
pub struct RequestReidentification {
    /// The request.
    pub id: ExchangeId,
    /// Institution that keeps the vault, of which the asker is.
    pub institution: InstitutionId,
    /// Who asks.
    pub asker: ProfessionalId,
    /// The space in which the pseudonym was given.
    pub domain: Domain,
    /// Pseudonym and reason, sealed.
    pub sealed: Vec<u8>,
    /// When.
    pub at: Instant,
    /// Requests that one person may make in `within`.
    pub at_most: u32,
    /// See `at_most`.
    pub within: Duration,
    /// What the log states.
    pub entry: NewEntry,
}

/// Somebody approves.
pub struct ApproveReidentification {
    /// The request.
    pub id: ExchangeId,
    /// Who.
    pub by: ProfessionalId,
    /// When.
    pub at: Instant,
    /// What the log states.
    pub entry: NewEntry,
}

/// The one use of an approved request: spent before anything is shown.
pub struct UseReidentification {
    /// The request.
    pub id: ExchangeId,
    /// When.
    pub at: Instant,
    /// What the log states.
    pub entry: NewEntry,
}

/// A request as it stands.
#[derive(Debug, Clone)]
pub struct ReidentificationRow {
    /// The request.
    pub id: ExchangeId,
    /// Institution of who asks.
    pub institution: InstitutionId,
    /// Who asks.
    pub asker: ProfessionalId,
    /// The space of the pseudonym.
    pub domain: Domain,
    /// Pseudonym and reason, sealed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub requested_at: Instant,
    /// When it was used.
    pub used_at: Option<Instant>,
    /// Who approved, and when.
    pub approvals: Vec<(ProfessionalId, Instant)>,
}

impl Write for RequestReidentification {
    const NAME: &'static str = "request_reidentification";
    /// Whether the asker had requests left; nothing is written otherwise.
    type Output = bool;

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<bool, StoreError>> {
        Box::pin(async move {
            let since = self.at.unix_ms().saturating_sub(i64::try_from(self.within.as_millis()).unwrap_or(i64::MAX));
            let row = sqlx::query(RECENT_REIDENTIFICATIONS)
                .bind(&self.asker.issuer)
                .bind(&self.asker.subject)
                .bind(since)
                .fetch_one(tx.connection())
                .await
                .map_err(StoreError::in_statement("recent_reidentifications"))?;
            if number(&row, "asked")? >= i64::from(self.at_most) {
                return Ok(false);
            }
            let one = sqlx::query(REQUEST_REIDENTIFICATION)
                .bind(self.id.to_string())
                .bind(self.institution.as_str())
                .bind(&self.asker.issuer)
                .bind(&self.asker.subject)
                .bind(self.domain.recipient.as_str())
                .bind(&self.domain.purpose)
                .bind(self.domain.agreement_text())
                .bind(&self.sealed[..])
                .bind(self.at.unix_ms())
                .bind(Self::NAME);
            tx.one("request_reidentification", one).await?;
            self.entry.insert(tx, Self::NAME).await?;
            Ok(true)
        })
    }
}

impl Write for ApproveReidentification {
    const NAME: &'static str = "approve_reidentification";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(APPROVE_REIDENTIFICATION)
                .bind(self.id.to_string())
                .bind(&self.by.issuer)
                .bind(&self.by.subject)
                .bind(self.at.unix_ms())
                .bind(Self::NAME);
            tx.one("approve_reidentification", one).await?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

impl Write for UseReidentification {
    const NAME: &'static str = "use_reidentification";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(USE_REIDENTIFICATION).bind(self.at.unix_ms()).bind(Self::NAME).bind(self.id.to_string());
            tx.one("use_reidentification", one).await?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

impl Store {
    /// One request with its approvals.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn reidentification(&self, id: ExchangeId) -> Result<Option<ReidentificationRow>, StoreError> {
        let row = self.row("reidentification", sqlx::query(REIDENTIFICATION).bind(id.to_string())).await?;
        match row {
            Some(row) => self.with_approvals(&row).await.map(Some),
            None => Ok(None),
        }
    }

    /// The requests of one institution, newest first, 200 at most.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn reidentifications(&self, institution: &InstitutionId) -> Result<Vec<ReidentificationRow>, StoreError> {
        let mut found = Vec::new();
        for row in self.rows("reidentifications", sqlx::query(REIDENTIFICATIONS).bind(institution.as_str())).await? {
            found.push(self.with_approvals(&row).await?);
        }
        Ok(found)
    }

    async fn with_approvals(&self, row: &AnyRow) -> Result<ReidentificationRow, StoreError> {
        let damaged = || StoreError::Damaged("reidentification");
        let id = text(row, "id")?;
        let given = self.rows("reidentification_approvals", sqlx::query(APPROVALS).bind(&id)).await?;
        let professional =
            |row: &AnyRow| Ok::<_, StoreError>(ProfessionalId { issuer: text(row, "issuer")?, subject: text(row, "subject")? });
        let agreement = text(row, "agreement")?;
        Ok(ReidentificationRow {
            id: id.parse().map_err(|_| damaged())?,
            institution: text(row, "institution")?.parse().map_err(|_| damaged())?,
            asker: professional(row)?,
            domain: Domain {
                recipient: text(row, "recipient")?.parse().map_err(|_| damaged())?,
                purpose: text(row, "purpose")?,
                agreement: if agreement.is_empty() { None } else { Some(agreement.parse().map_err(|_| damaged())?) },
            },
            sealed: bytes(row, "sealed")?,
            requested_at: Instant::from_unix_ms(number(row, "requested_at")?),
            used_at: instant(row, "used_at")?,
            approvals: given
                .iter()
                .map(|row| Ok((professional(row)?, Instant::from_unix_ms(number(row, "at")?))))
                .collect::<Result<_, StoreError>>()?,
        })
    }
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    RECENT_REIDENTIFICATIONS,
    REQUEST_REIDENTIFICATION,
    APPROVE_REIDENTIFICATION,
    USE_REIDENTIFICATION,
    REIDENTIFICATION,
    REIDENTIFICATIONS,
    APPROVALS,
];

const RECENT_REIDENTIFICATIONS: &str = "-- recent_reidentifications
SELECT COUNT(*) AS asked FROM reidentification WHERE issuer = $1 AND subject = $2 AND requested_at > $3";

const REQUEST_REIDENTIFICATION: &str = "-- request_reidentification
INSERT INTO reidentification (id, institution, issuer, subject, recipient, purpose, agreement, sealed, requested_at, written_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

const APPROVE_REIDENTIFICATION: &str = "-- approve_reidentification
INSERT INTO reidentification_approval (request_id, issuer, subject, at, written_by) VALUES ($1, $2, $3, $4, $5)";

const USE_REIDENTIFICATION: &str = "-- use_reidentification
UPDATE reidentification SET used_at = $1, written_by = $2 WHERE id = $3 AND used_at IS NULL";

const REIDENTIFICATION: &str = "-- reidentification
SELECT id, institution, issuer, subject, recipient, purpose, agreement, sealed, requested_at, used_at FROM reidentification WHERE id = $1";

const REIDENTIFICATIONS: &str = "-- reidentifications
SELECT id, institution, issuer, subject, recipient, purpose, agreement, sealed, requested_at, used_at FROM reidentification
WHERE institution = $1 ORDER BY requested_at DESC LIMIT 200";

const APPROVALS: &str = "-- reidentification_approvals
SELECT issuer, subject, at FROM reidentification_approval WHERE request_id = $1 ORDER BY at";
