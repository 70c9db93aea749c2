//! Policy sets as they are kept: which is in force, which wait, who approved, and the files of each. Nothing is written here.

use std::collections::BTreeMap;

use exchange::{Instant, ProfessionalId};
use sqlx::{AnyConnection, Connection, Row, any::AnyRow};

use super::{Approval, Proposal, Standing};
use crate::store::{
    Store, StoreError,
    columns::{bytes, instant, text},
    dialect::{self, Part},
};

impl Store {
    /// The proposal whose set is in force; nothing before the first start.
    pub async fn policy_in_force(&self) -> Result<Option<Proposal>, StoreError> {
        self.row("policy_in_force", sqlx::query(IN_FORCE)).await?.as_ref().map(read_proposal).transpose()
    }

    /// The proposal of a set that waits for approvals or for its instant.
    pub async fn policy_waiting(&self, set: &str) -> Result<Option<Proposal>, StoreError> {
        self.row("policy_waiting", sqlx::query(WAITING).bind(set)).await?.as_ref().map(read_proposal).transpose()
    }

    /// The approved proposal whose instant came first, if one may take force at `now`.
    pub async fn policy_due(&self, now: Instant) -> Result<Option<Proposal>, StoreError> {
        self.row("policy_due", sqlx::query(DUE).bind(now.unix_ms())).await?.as_ref().map(read_proposal).transpose()
    }

    /// The newest proposals, newest first, `limit` at most.
    pub async fn policy_proposals(&self, limit: u32) -> Result<Vec<Proposal>, StoreError> {
        self.rows("policy_proposals", sqlx::query(PROPOSALS).bind(i64::from(limit))).await?.iter().map(read_proposal).collect()
    }

    /// The proposals of one set, newest first.
    pub async fn policy_proposals_of(&self, set: &str) -> Result<Vec<Proposal>, StoreError> {
        self.rows("policy_proposals_of", sqlx::query(PROPOSALS_OF).bind(set)).await?.iter().map(read_proposal).collect()
    }

    /// Who approved a proposal, in the order of approving.
    pub async fn policy_approvals(&self, proposal: &str) -> Result<Vec<Approval>, StoreError> {
        let rows = self.rows("policy_approvals", sqlx::query(APPROVALS).bind(proposal)).await?;
        rows.iter()
            .map(|row| {
                let by = ProfessionalId { issuer: text(row, "issuer")?, subject: text(row, "subject")? };
                Ok(Approval { by, role: text(row, "role")?, at: instant(row, "at")?.ok_or(StoreError::Damaged("policy_approval"))? })
            })
            .collect()
    }

    /// The files of a set that was ever proposed.
    pub async fn policy_files(&self, set: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let row = self.row("policy_files", sqlx::query(FILES).bind(set)).await?;
        row.map(|row| serde_json::from_slice(&bytes(&row, "files")?).map_err(|_| StoreError::Damaged("policy_set"))).transpose()
    }

    /// The sets whose hash begins so, two at most: what a person types is rarely the whole hash.
    pub async fn policy_sets_named(&self, beginning: &str) -> Result<Vec<String>, StoreError> {
        // Hashes are lower-case hexadecimal: everything that begins so lies below the same beginning followed by `g`.
        let query = sqlx::query(NAMED).bind(beginning).bind(format!("{beginning}g"));
        self.rows("policy_named", query).await?.iter().map(|row| text(row, "hash")).collect()
    }
}

/// What a database keeps of policy sets.
pub enum Archived {
    /// None: the gateway never started.
    Nothing,
    /// Sets, of which none is in force: it was changed by hand.
    NoneInForce,
    /// The set in force, and its files.
    InForce(String, BTreeMap<String, String>),
}

/// The set in force and its files in the database at `url`, looked at without opening it for writing or bringing its
/// schema up to date: for who only wants to know.
///
/// # Errors
/// The database cannot be read, or was written by a version that kept no policy sets.
pub async fn archived_in_force(url: &str) -> Result<Archived, StoreError> {
    let mut connection = dialect::look(url, Part::Gateway).await.map_err(StoreError::in_statement("policy_in_force"))?;
    let found = read_archived(&mut connection).await;
    let _ = connection.close().await;
    found
}

async fn read_archived(connection: &mut AnyConnection) -> Result<Archived, StoreError> {
    let failed = || StoreError::in_statement("policy_in_force");
    let in_force = match sqlx::query(IN_FORCE).fetch_optional(&mut *connection).await {
        // PostgreSQL before the first start: the database is there, and nothing in it.
        Err(error) if dialect::no_such_table(&error) => return Ok(Archived::Nothing),
        found => found.map_err(failed())?,
    };
    let Some(row) = in_force else {
        let known = sqlx::query(PROPOSALS).bind(1_i64).fetch_optional(connection).await.map_err(failed())?;
        return Ok(known.map_or(Archived::Nothing, |_| Archived::NoneInForce));
    };
    let set = text(&row, "set_hash")?;
    let row = sqlx::query(FILES).bind(&set).fetch_one(connection).await.map_err(failed())?;
    let files = serde_json::from_slice(&bytes(&row, "files")?).map_err(|_| StoreError::Damaged("policy_set"))?;
    Ok(Archived::InForce(set, files))
}

fn read_proposal(row: &AnyRow) -> Result<Proposal, StoreError> {
    let maybe = |column: &'static str| row.try_get::<Option<String>, _>(column).map_err(|_| StoreError::Damaged(column));
    let person = |issuer, subject| {
        Ok::<_, StoreError>(maybe(issuer)?.zip(maybe(subject)?).map(|(issuer, subject)| ProfessionalId { issuer, subject }))
    };
    let standing = match text(row, "state")?.as_str() {
        "proposed" => Standing::Proposed,
        "approved" => Standing::Approved,
        "in-force" => Standing::InForce,
        "ended" => Standing::Ended,
        "dropped" => Standing::Dropped,
        "withdrawn" => Standing::Withdrawn,
        _ => return Err(StoreError::Damaged("state")),
    };
    Ok(Proposal {
        id: text(row, "id")?,
        set: text(row, "set_hash")?,
        against: maybe("against")?,
        author: person("author_issuer", "author_subject")?,
        motive: text(row, "motive")?,
        proposed_at: instant(row, "proposed_at")?.ok_or(StoreError::Damaged("proposed_at"))?,
        effective_from: instant(row, "effective_from")?,
        standing,
        in_force_from: instant(row, "in_force_from")?,
        in_force_until: instant(row, "in_force_until")?,
        withdrawn: person("withdrawn_issuer", "withdrawn_subject")?.zip(instant(row, "withdrawn_at")?),
    })
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(in crate::store) const HOT: &[&str] = &[IN_FORCE, WAITING, DUE, PROPOSALS, APPROVALS, FILES, NAMED];

const IN_FORCE: &str = "-- policy_in_force
SELECT id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, in_force_from, in_force_until,
    withdrawn_at, withdrawn_issuer, withdrawn_subject
FROM policy_proposal WHERE state = 'in-force'";

const WAITING: &str = "-- policy_waiting
SELECT id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, in_force_from, in_force_until,
    withdrawn_at, withdrawn_issuer, withdrawn_subject
FROM policy_proposal WHERE set_hash = $1 AND state IN ('proposed', 'approved')";

const DUE: &str = "-- policy_due
SELECT id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, in_force_from, in_force_until,
    withdrawn_at, withdrawn_issuer, withdrawn_subject
FROM policy_proposal WHERE state = 'approved' AND effective_from <= $1 ORDER BY effective_from LIMIT 1";

const PROPOSALS: &str = "-- policy_proposals
SELECT id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, in_force_from, in_force_until,
    withdrawn_at, withdrawn_issuer, withdrawn_subject
FROM policy_proposal ORDER BY id DESC LIMIT $1";

const PROPOSALS_OF: &str = "-- policy_proposals_of
SELECT id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, in_force_from, in_force_until,
    withdrawn_at, withdrawn_issuer, withdrawn_subject
FROM policy_proposal WHERE set_hash = $1 ORDER BY id DESC";

const APPROVALS: &str = "-- policy_approvals
SELECT issuer, subject, role, at FROM policy_approval WHERE proposal_id = $1 ORDER BY at, subject";

const FILES: &str = "-- policy_files
SELECT files FROM policy_set WHERE hash = $1";

const NAMED: &str = "-- policy_named
SELECT hash FROM policy_set WHERE hash >= $1 AND hash < $2 ORDER BY hash LIMIT 2";
