//! Policy sets: each that was proposed, kept whole for ever, and which of them was in force when.
//!
//! Every step commits with its log entry; a set takes force in the same commit that ends the one before it.

pub(super) mod kept;

use std::collections::BTreeMap;

use exchange::{Instant, ProfessionalId, canonical};
use futures::future::BoxFuture;
use uuid::Uuid;

use super::{StoreError, Tx, Write, audit::NewEntry, columns::number};

pub use kept::{Archived, archived_in_force};

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
    /// Its author, or who might have approved it, took the proposal back.
    Withdrawn,
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
    /// Who took the proposal back, and when.
    pub withdrawn: Option<(ProfessionalId, Instant)>,
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

/// A person takes a proposal back that is not in force.
pub struct WithdrawSet {
    /// Which.
    pub proposal: String,
    /// Who.
    pub by: ProfessionalId,
    /// When.
    pub at: Instant,
    /// What the log states.
    pub entry: NewEntry,
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

impl Write for WithdrawSet {
    const NAME: &'static str = "withdraw_policy_set";
    type Output = ();

    fn apply<'t>(self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let one = sqlx::query(WITHDRAW)
                .bind(self.at.unix_ms())
                .bind(&self.by.issuer)
                .bind(&self.by.subject)
                .bind(Self::NAME)
                .bind(&self.proposal);
            tx.one("policy_withdraw", one).await?;
            self.entry.insert(tx, Self::NAME).await
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

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[INSERT_SET, COUNT_APPROVALS, WITHDRAW, END, TAKE_FORCE];

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

const WITHDRAW: &str = "-- policy_withdraw
UPDATE policy_proposal SET state = 'withdrawn', withdrawn_at = $1, withdrawn_issuer = $2, withdrawn_subject = $3, written_by = $4
WHERE id = $5 AND state IN ('proposed', 'approved')";

const END: &str = "-- policy_end
UPDATE policy_proposal SET state = 'ended', in_force_until = $1, written_by = $2 WHERE state = 'in-force' AND set_hash = $3";

const TAKE_FORCE: &str = "-- policy_take_force
UPDATE policy_proposal SET state = 'in-force', in_force_from = $1, written_by = $2 WHERE id = $3 AND state IN ('proposed', 'approved')";

const DROP_WAITING: &str = "-- policy_drop
UPDATE policy_proposal SET state = 'dropped', written_by = $1 WHERE state IN ('proposed', 'approved')";
