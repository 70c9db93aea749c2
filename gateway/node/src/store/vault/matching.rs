//! Matching by people: what waits, both descriptions side by side, and who may decide.
//!
//! A decision is written in two steps, so that the log never misses one: it is *prepared* here, its entry is committed
//! in the gateway's log under the same id, and then it is *applied* here ([`super::linkage`]). Each step may be done
//! again.

use std::fmt;

use exchange::{ExchangeId, Identity, Instant, InstitutionId, LinkageId, ProfessionalId, ProposalId};
use serde::Serialize;
use sqlx::any::AnyRow;

use super::{MentionId, Vault, filing, mention_id, rid};
use crate::{
    directory::{Directory, day::day_in_france},
    seal::pseudonym::Rid,
    store::{
        StoreError,
        columns::{bytes, number, text},
        keys::Keys,
        patience::{Patiently, Turn},
    },
};

/// Somebody who may say who is who: habilitated today for a CRIP of this département. Cannot be built otherwise.
#[derive(Debug, Clone)]
pub struct Decider {
    institution: InstitutionId,
    professional: ProfessionalId,
}

impl Decider {
    /// The professional of this institution and subject, if entitled at `now`.
    pub fn entitled(directory: &Directory, departement: &str, institution: &InstitutionId, subject: &str, now: Instant) -> Option<Self> {
        let day = day_in_france(now);
        let of = directory.institution(institution).filter(|of| of.departement == departement && of.served_on(day))?;
        let professional = directory.professionals().find(|known| known.institution == *institution && known.id.subject == subject)?;
        let crip = of.units.values().any(|unit| unit.kind.as_str() == "crip" && professional.habilitated(&unit.id, day));
        crip.then(|| Self { institution: institution.clone(), professional: professional.id.clone() })
    }

    /// Who.
    pub fn professional(&self) -> &ProfessionalId {
        &self.professional
    }

    /// For whom.
    pub fn institution(&self) -> &InstitutionId {
        &self.institution
    }

    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        let professional = ProfessionalId { issuer: "urn:passerelle:institution:departement-31".into(), subject: "p-4f7k2".into() };
        Self { institution: "departement-31".parse().unwrap(), professional }
    }
}

/// A question that waits for a person. Names nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// The question.
    pub proposal: ProposalId,
    /// By what the two agree, `given+birth+place`.
    pub reasons: Vec<String>,
    /// Since when it waits.
    pub created_at: Instant,
    /// The exchanges whose newest mentions would be compared.
    pub exchanges: Vec<ExchangeId>,
}

/// Two descriptions side by side, in clear: for the eyes of a [`Decider`]. No `Serialize`, an empty `Debug`.
pub struct Comparison {
    /// By what the two agree.
    pub reasons: Vec<String>,
    /// One, with the mention it comes from.
    pub one: (MentionId, Identity),
    /// The other.
    pub other: (MentionId, Identity),
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Comparison(..)")
    }
}

impl Vault {
    /// What waits for a person, oldest first, `limit` at most. A question that another answer settled is not there.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn proposals(&self, limit: usize) -> Result<Vec<Proposal>, StoreError> {
        let mut tx = self.side.reading("proposals").await?;
        let (mut open, mut after) = (Vec::new(), String::new());
        while open.len() < limit {
            let rows = sqlx::query(OPEN_PROPOSALS)
                .bind(&after)
                .fetch_all(&mut *tx)
                .patiently()
                .await
                .map_err(StoreError::in_statement("proposals"))?;
            let Some(last) = rows.last() else { break };
            after = text(last, "id")?;
            for row in rows.iter() {
                let pair = pair(row)?;
                if filing::root(&mut tx, pair.0).await? == filing::root(&mut tx, pair.1).await? {
                    continue;
                }
                let newest = (newest_mention(&mut tx, &pair.0).await?, newest_mention(&mut tx, &pair.1).await?);
                if let ((Some(one), Some(other)), true) = (newest, open.len() < limit) {
                    open.push(Proposal {
                        proposal: text(row, "id")?.parse().map_err(|_| StoreError::Damaged("proposal"))?,
                        reasons: reasons(row)?,
                        created_at: Instant::from_unix_ms(number(row, "created_at")?),
                        exchanges: vec![one.exchange, other.exchange],
                    });
                }
            }
        }
        tx.commit("proposals").await?;
        Ok(open)
    }

    /// The exchanges that a question is about: what would be compared. None when no such question waits.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn asked_about(&self, id: ProposalId) -> Result<Vec<ExchangeId>, StoreError> {
        let mut tx = self.side.reading("asked_about").await?;
        let row = sqlx::query(OPEN_PROPOSAL).bind(id.to_string()).fetch_optional(&mut *tx).patiently().await;
        let mut exchanges = Vec::new();
        if let Some(row) = row.map_err(StoreError::in_statement("asked_about"))? {
            let (low, high) = pair(&row)?;
            for person in [low, high] {
                exchanges.extend(newest_mention(&mut tx, &person).await?.map(|mention| mention.exchange));
            }
        }
        tx.commit("asked_about").await?;
        Ok(exchanges)
    }

    /// The exchanges that a decision which took effect was about: the newest of both persons. None when there is no such decision.
    ///
    /// # Errors
    /// The store is unavailable.
    pub async fn decided_about(&self, id: LinkageId) -> Result<Vec<ExchangeId>, StoreError> {
        let mut tx = self.side.reading("decided_about").await?;
        let row = sqlx::query(BOTH).bind(id.to_string()).fetch_optional(&mut *tx).patiently().await;
        let mut exchanges = Vec::new();
        if let Some(row) = row.map_err(StoreError::in_statement("decided_about"))? {
            for person in [rid(&row, "kept")?, rid(&row, "moved")?] {
                exchanges.extend(newest_mention(&mut tx, &person).await?.map(|mention| mention.exchange));
            }
        }
        tx.commit("decided_about").await?;
        Ok(exchanges)
    }

    /// Both descriptions of a question in clear, each opened with its exchange's key. `None` when there is no such
    /// question, or one description was erased. The caller writes in the log that it was looked at, first.
    ///
    /// # Errors
    /// The store is unavailable, or a row does not open.
    pub async fn compare(&self, _for: &Decider, keys: &Keys, id: ProposalId) -> Result<Option<Comparison>, StoreError> {
        let mut tx = self.side.reading("compare").await?;
        let row = sqlx::query(PROPOSAL)
            .bind(id.to_string())
            .fetch_optional(&mut *tx)
            .patiently()
            .await
            .map_err(StoreError::in_statement("compare"))?;
        let Some(row) = row else { return Ok(None) };
        let (one, other) = pair(&row)?;
        let (one, other) = (newest_mention(&mut tx, &one).await?, newest_mention(&mut tx, &other).await?);
        tx.commit("compare").await?;
        let (Some(one), Some(other)) = (one, other) else { return Ok(None) };
        let (Some(one_opened), Some(other_opened)) = (self.describe(keys, one).await?, self.describe(keys, other).await?) else {
            return Ok(None);
        };
        Ok(Some(Comparison { reasons: reasons(&row)?, one: (one, one_opened), other: (other, other_opened) }))
    }

    pub(super) async fn describe(&self, keys: &Keys, id: MentionId) -> Result<Option<Identity>, StoreError> {
        let row = self.side.row("describe", sqlx::query(DESCRIPTION).bind(id.exchange.to_string()).bind(i64::from(id.n))).await?;
        match (row, keys.exchange_key(id.exchange).await?) {
            (Some(row), Some(key)) => self.unseal(&key, id, &bytes(&row, "sealed")?).map(Some),
            _ => Ok(None),
        }
    }
}

/// The newest mention that was filed under this person.
async fn newest_mention(tx: &mut Turn, person: &Rid) -> Result<Option<MentionId>, StoreError> {
    let row = sqlx::query(NEWEST_MENTION)
        .bind(person.stored())
        .fetch_optional(&mut **tx)
        .patiently()
        .await
        .map_err(StoreError::in_statement("newest_mention"))?;
    row.as_ref().map(mention_id).transpose()
}

fn pair(row: &AnyRow) -> Result<(Rid, Rid), StoreError> {
    Ok((rid(row, "low")?, rid(row, "high")?))
}

fn reasons(row: &AnyRow) -> Result<Vec<String>, StoreError> {
    Ok(text(row, "reasons")?.split_whitespace().map(str::to_owned).collect())
}

const OPEN_PROPOSALS: &str = "-- proposals
SELECT id, low, high, reasons, created_at FROM proposal WHERE linkage_id IS NULL AND id > $1 ORDER BY id LIMIT 100";

const PROPOSAL: &str = "-- compare
SELECT low, high, reasons FROM proposal WHERE id = $1";

const OPEN_PROPOSAL: &str = "-- asked_about
SELECT low, high FROM proposal WHERE id = $1 AND linkage_id IS NULL";

const BOTH: &str = "-- decided_about
SELECT kept, moved FROM linkage WHERE id = $1 AND kept IS NOT NULL AND moved IS NOT NULL";

const DESCRIPTION: &str = "-- describe
SELECT sealed FROM mention WHERE exchange_id = $1 AND n = $2";

const NEWEST_MENTION: &str = "-- newest_mention
SELECT exchange_id, n FROM mention WHERE rid = $1 ORDER BY created_at DESC, exchange_id DESC LIMIT 1";
