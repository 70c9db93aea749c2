//! Policy sets: each that was proposed, kept whole for ever, and which of them was in force when.
//!
//! Every step commits with its log entry; a set takes force in the same commit that ends the one before it.

use std::collections::BTreeMap;

use exchange::{Instant, ProfessionalId, canonical};
use futures::future::BoxFuture;
use sqlx::{Connection, Row, any::AnyRow};
use uuid::Uuid;

use super::{
    Store, StoreError, Tx, Write,
    audit::NewEntry,
    columns::{bytes, instant, number, text},
    dialect::{self, Part},
};

/// Where a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Waits for approvals.
    Proposed,
    /// Approved by two; waits for its instant.
    Approved,
    /// In force.
    InForce,
    /// Was in force until another took its place.
    Ended,
    /// Another set took force before it did: it would have to be proposed again.
    Dropped,
}

/// One proposal to put a set in force.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Its row.
    pub id: String,
    /// Which set.
    pub set: String,
    /// The set in force when it was proposed; nothing for the first set of a gateway.
    pub against: Option<String>,
    /// Who proposed it; nobody for the first set of a gateway.
    pub author: Option<ProfessionalId>,
    /// Why.
    pub motive: String,
    /// When it was proposed.
    pub proposed_at: Instant,
    /// Not before this instant.
    pub effective_from: Option<Instant>,
    /// Where it stands.
    pub standing: Standing,
    /// When it took force.
    pub in_force_from: Option<Instant>,
    /// When another took its place.
    pub in_force_until: Option<Instant>,
}

/// One person's approval, in one capacity.
#[derive(Debug, Clone)]
pub struct Approval {
    /// Who.
    pub by: ProfessionalId,
    /// In which capacity: a role of the directory.
    pub role: String,
    /// When.
    pub at: Instant,
}

/// The first set of a gateway: nobody proposed it, whoever installed the gateway answers for it.
pub struct KeepFirst {
    /// The set.
    pub set: NewSet,
    /// Why it is in force, for people.
    pub motive: String,
    /// When.
    pub at: Instant,
    /// What the log states.
    pub entry: NewEntry,
}

/// A set with its files.
pub struct NewSet {
    /// Hash over all.
    pub hash: String,
    /// Canonical JSON of name to text.
    pub files: Vec<u8>,
}

/// A person proposes a set.
pub struct ProposeSet {
    /// The set; kept unless it is kept already.
    pub set: NewSet,
    /// The set in force: unless it still is, nothing is written.
    pub against: String,
    /// Who.
    pub author: ProfessionalId,
    /// Why.
    pub motive: String,
    /// When.
    pub at: Instant,
    /// Not before this instant.
    pub effective_from: Option<Instant>,
    /// What the log states.
    pub entry: NewEntry,
}

/// A person approves a proposal.
pub struct ApproveSet {
    /// Which.
    pub proposal: String,
    /// How many approvals it had when it was looked at: another replica may have counted too.
    pub counted: usize,
    /// Who, as what, when.
    pub approval: Approval,
    /// What the log states.
    pub entry: NewEntry,
    /// What follows from it.
    pub then: Then,
}

/// What an approval brings about.
pub enum Then {
    /// Another approval is needed.
    Wait,
    /// It is approved, and takes force later.
    Approved,
    /// It takes force in the same commit.
    InForce(TakeForce),
}

/// An approved set takes force; the one in force ends, and everything that still waits is dropped.
pub struct TakeForce {
    /// Which.
    pub proposal: String,
    /// The set that ends.
    pub ends: String,
    /// When.
    pub at: Instant,
    /// What the log states.
    pub entries: Vec<NewEntry>,
}

impl NewSet {
    /// A set as it is kept.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the texts cannot be written as JSON.
    pub fn of(hash: &str, texts: &BTreeMap<String, String>) -> Result<Self, StoreError> {
        let files = canonical::bytes(texts).map_err(|_| StoreError::Damaged("policy_set"))?;
        Ok(Self { hash: hash.to_owned(), files })
    }

    async fn insert(&self, tx: &mut Tx, at: Instant, name: &'static str) -> Result<(), StoreError> {
        let query = sqlx::query(INSERT_SET).bind(&self.hash).bind(&self.files[..]).bind(at.unix_ms()).bind(name);
        query.execute(tx.connection()).await.map_err(StoreError::in_statement("policy_set"))?;
        Ok(())
    }
}

impl Write for KeepFirst {
    const NAME: &'static str = "keep_first_policy_set";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            self.set.insert(tx, self.at, Self::NAME).await?;
            let one = sqlx::query(INSERT_FIRST)
                .bind(Uuid::now_v7().as_hyphenated().to_string())
                .bind(&self.set.hash)
                .bind(&self.motive)
                .bind(self.at.unix_ms())
                .bind(Self::NAME);
            tx.one("policy_first", one).await?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

impl Write for ProposeSet {
    const NAME: &'static str = "propose_policy_set";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            self.set.insert(tx, self.at, Self::NAME).await?;
            let one = sqlx::query(INSERT_PROPOSAL)
                .bind(Uuid::now_v7().as_hyphenated().to_string())
                .bind(&self.set.hash)
                .bind(&self.against)
                .bind(&self.author.issuer)
                .bind(&self.author.subject)
                .bind(&self.motive)
                .bind(self.at.unix_ms())
                .bind(self.effective_from.map(Instant::unix_ms))
                .bind(Self::NAME);
            tx.one("policy_proposal", one).await?;
            self.entry.insert(tx, Self::NAME).await
        })
    }
}

impl Write for ApproveSet {
    const NAME: &'static str = "approve_policy_set";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let Approval { by, role, at } = &self.approval;
            let one = sqlx::query(INSERT_APPROVAL)
                .bind(&self.proposal)
                .bind(&by.issuer)
                .bind(&by.subject)
                .bind(role)
                .bind(at.unix_ms())
                .bind(Self::NAME);
            tx.one("policy_approval", one).await?;
            let given = sqlx::query(COUNT_APPROVALS).bind(&self.proposal).fetch_one(tx.connection()).await;
            let given = number(&given.map_err(StoreError::in_statement("policy_count"))?, "given")?;
            if usize::try_from(given).ok() != Some(self.counted + 1) {
                return Err(StoreError::NotThere("policy_count"));
            }
            self.entry.insert(tx, Self::NAME).await?;
            match self.then {
                Then::Wait => Ok(()),
                Then::Approved => tx.one("policy_approved", sqlx::query(APPROVED).bind(Self::NAME).bind(&self.proposal)).await,
                Then::InForce(force) => force.put(tx, Self::NAME).await,
            }
        })
    }
}

impl Write for TakeForce {
    const NAME: &'static str = "policy_set_takes_force";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move { self.put(tx, Self::NAME).await })
    }
}

impl TakeForce {
    async fn put(self, tx: &mut Tx, name: &'static str) -> Result<(), StoreError> {
        // A crash before the commit leaves the older set in force; after it, the next start reads the new one.
        let at = self.at.unix_ms();
        tx.one("policy_end", sqlx::query(END).bind(at).bind(name).bind(&self.ends)).await?;
        tx.one("policy_take_force", sqlx::query(TAKE_FORCE).bind(at).bind(name).bind(&self.proposal)).await?;
        let drop = sqlx::query(DROP_WAITING).bind(name).execute(tx.connection());
        drop.await.map_err(StoreError::in_statement("policy_drop"))?;
        for entry in &self.entries {
            entry.insert(tx, name).await?;
        }
        Ok(())
    }
}

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

/// The set in force and its files in the database at `url`, looked at without opening it for writing or bringing its
/// schema up to date: for who only wants to know.
///
/// # Errors
/// The database cannot be read, or was written by a version that kept no policy sets.
pub async fn archived_in_force(url: &str) -> Result<Option<(String, BTreeMap<String, String>)>, StoreError> {
    let mut connection = dialect::look(url, Part::Gateway).await.map_err(StoreError::in_statement("policy_in_force"))?;
    let read: Result<_, sqlx::Error> = async {
        let Some(row) = sqlx::query(IN_FORCE).fetch_optional(&mut connection).await? else { return Ok(None) };
        let set: String = row.try_get("set_hash")?;
        let row = sqlx::query(FILES).bind(&set).fetch_one(&mut connection).await?;
        Ok(Some((set, row.try_get::<Vec<u8>, _>("files")?)))
    }
    .await;
    let found = match read {
        // PostgreSQL before the first start: the database is there, and nothing in it.
        Err(error) if dialect::no_such_table(&error) => None,
        found => found.map_err(StoreError::in_statement("policy_in_force"))?,
    };
    let _ = connection.close().await;
    found.map(|(set, files)| Ok((set, serde_json::from_slice(&files).map_err(|_| StoreError::Damaged("policy_set"))?))).transpose()
}

fn read_proposal(row: &AnyRow) -> Result<Proposal, StoreError> {
    let maybe = |column: &'static str| row.try_get::<Option<String>, _>(column).map_err(|_| StoreError::Damaged(column));
    let author = match (maybe("author_issuer")?, maybe("author_subject")?) {
        (Some(issuer), Some(subject)) => Some(ProfessionalId { issuer, subject }),
        _ => None,
    };
    let standing = match text(row, "state")?.as_str() {
        "proposed" => Standing::Proposed,
        "approved" => Standing::Approved,
        "in-force" => Standing::InForce,
        "ended" => Standing::Ended,
        "dropped" => Standing::Dropped,
        _ => return Err(StoreError::Damaged("state")),
    };
    Ok(Proposal {
        id: text(row, "id")?,
        set: text(row, "set_hash")?,
        against: maybe("against")?,
        author,
        motive: text(row, "motive")?,
        proposed_at: instant(row, "proposed_at")?.ok_or(StoreError::Damaged("proposed_at"))?,
        effective_from: instant(row, "effective_from")?,
        standing,
        in_force_from: instant(row, "in_force_from")?,
        in_force_until: instant(row, "in_force_until")?,
    })
}

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[INSERT_SET, IN_FORCE, WAITING, DUE, PROPOSALS, APPROVALS, COUNT_APPROVALS, FILES, NAMED, END, TAKE_FORCE];

const INSERT_SET: &str = "-- policy_set
INSERT INTO policy_set (hash, files, kept_at, written_by) VALUES ($1, $2, $3, $4) ON CONFLICT (hash) DO NOTHING";

const INSERT_FIRST: &str = "-- policy_first
INSERT INTO policy_proposal (id, set_hash, motive, proposed_at, state, in_force_from, written_by)
VALUES ($1, $2, $3, $4, 'in-force', $4, $5)";

const INSERT_PROPOSAL: &str = "-- policy_proposal
INSERT INTO policy_proposal (id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, written_by)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, 'proposed', $9
WHERE EXISTS (SELECT 1 FROM policy_proposal WHERE state = 'in-force' AND set_hash = $3)";

const INSERT_APPROVAL: &str = "-- policy_approval
INSERT INTO policy_approval (proposal_id, issuer, subject, role, at, written_by) VALUES ($1, $2, $3, $4, $5, $6)";

const COUNT_APPROVALS: &str = "-- policy_count
SELECT COUNT(*) AS given FROM policy_approval WHERE proposal_id = $1";

const APPROVED: &str = "-- policy_approved
UPDATE policy_proposal SET state = 'approved', written_by = $1 WHERE id = $2 AND state = 'proposed'";

const END: &str = "-- policy_end
UPDATE policy_proposal SET state = 'ended', in_force_until = $1, written_by = $2 WHERE state = 'in-force' AND set_hash = $3";

const TAKE_FORCE: &str = "-- policy_take_force
UPDATE policy_proposal SET state = 'in-force', in_force_from = $1, written_by = $2 WHERE id = $3 AND state IN ('proposed', 'approved')";

const DROP_WAITING: &str = "-- policy_drop
UPDATE policy_proposal SET state = 'dropped', written_by = $1 WHERE state IN ('proposed', 'approved')";

const IN_FORCE: &str = "-- policy_in_force
SELECT id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, in_force_from, in_force_until
FROM policy_proposal WHERE state = 'in-force'";

const WAITING: &str = "-- policy_waiting
SELECT id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, in_force_from, in_force_until
FROM policy_proposal WHERE set_hash = $1 AND state IN ('proposed', 'approved')";

const DUE: &str = "-- policy_due
SELECT id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, in_force_from, in_force_until
FROM policy_proposal WHERE state = 'approved' AND effective_from <= $1 ORDER BY effective_from LIMIT 1";

const PROPOSALS: &str = "-- policy_proposals
SELECT id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, in_force_from, in_force_until
FROM policy_proposal ORDER BY id DESC LIMIT $1";

const PROPOSALS_OF: &str = "-- policy_proposals_of
SELECT id, set_hash, against, author_issuer, author_subject, motive, proposed_at, effective_from, state, in_force_from, in_force_until
FROM policy_proposal WHERE set_hash = $1 ORDER BY id DESC";

const APPROVALS: &str = "-- policy_approvals
SELECT issuer, subject, role, at FROM policy_approval WHERE proposal_id = $1 ORDER BY at, subject";

const FILES: &str = "-- policy_files
SELECT files FROM policy_set WHERE hash = $1";

const NAMED: &str = "-- policy_named
SELECT hash FROM policy_set WHERE hash >= $1 AND hash < $2 ORDER BY hash LIMIT 2";
