//! Matching: an entitled person says who is who, and the log says it before the vault does.
//!
//! Order: the decision is prepared in the vault, its entry is committed in the log under the decision's own id, then it
//! takes effect. A crash between leaves a prepared decision, which the next act finishes: the entry's id makes a second
//! writing of it impossible. Looking at two identities is itself in a signed checkpoint before anything is shown
//! (invariant 5).

use std::time::Duration;

use exchange::{ExchangeId, Instant, ProposalId};
use ring::rand::SystemRandom;
use uuid::Uuid;

use super::Statement;
use crate::{
    log::Event,
    retention::Retention,
    seal::KeyStore,
    store::{
        Store, StoreError,
        audit::{AppendEntries, NewEntry},
        keys::Keys,
        vault::{
            Vault,
            linkage::{Change, Linkage, Ruling},
            matching::{Comparison, Decider, Proposal},
        },
    },
};

/// Why nothing was decided or shown.
#[derive(Debug, thiserror::Error)]
pub enum MatchingFault {
    /// There is nothing to decide or compare under this id: unknown, settled, or erased.
    #[error("nothing waits under this id")]
    NothingThere,
    /// The question was answered otherwise.
    #[error("already decided otherwise")]
    DecidedOtherwise,
    /// Nobody signed the entry in time: the gateway must be running.
    #[error("the log entry was not signed in time; is the gateway running?")]
    NotSigned,
    /// The entry could not be made.
    #[error("the log entry cannot be made")]
    Entry,
    /// A store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What this flow asks: the rooms, without a running node.
pub struct Desk<'a> {
    /// The log.
    pub store: &'a Store,
    /// Seals openings.
    pub keystore: &'a KeyStore,
    /// Keys of contents.
    pub keys: &'a Keys,
    /// Identities.
    pub vault: &'a Vault,
    /// Hash of the policy set in force.
    pub policy_set: &'a str,
    /// How long the openings of the log are kept.
    pub retention: &'a Retention,
    /// Randomness.
    pub random: &'a SystemRandom,
}

/// Decides, logs, and gives the decision its effect.
///
/// # Errors
/// [`MatchingFault`]; repeating the same decision finishes it.
pub async fn decide(desk: &Desk<'_>, ruling: Ruling, by: &Decider, now: Instant) -> Result<Linkage, MatchingFault> {
    // 1. Finish what a crash may have left, so that decisions take effect in their order.
    for linkage in desk.vault.unfinished().await? {
        finish(desk, &linkage, now).await?;
    }
    // 2. Decide. Whoever is kept out of an exchange decides nothing about it.
    let about = match &ruling {
        Ruling::Same(id) | Ruling::Different(id) => desk.vault.asked_about(*id).await?,
        Ruling::Split(merge) => desk.vault.decided_about(*merge).await?,
        Ruling::Merge(one, other) => vec![one.exchange, other.exchange],
        Ruling::Separate(mention) => vec![mention.exchange],
    };
    if kept_out(desk, by, &about).await? {
        return Err(MatchingFault::NothingThere);
    }
    let linkage = match desk.vault.prepare(ruling, by, now).await {
        Err(StoreError::NotThere(_)) => return Err(MatchingFault::NothingThere),
        Err(StoreError::AlreadyThere) => return Err(MatchingFault::DecidedOtherwise),
        other => other?,
    };
    // 3. Log, then effect.
    if linkage.applied_at.is_none() {
        finish(desk, &linkage, now).await?;
    }
    Ok(linkage)
}

/// The questions that wait for this person, of the `limit` oldest: none about an exchange that they are kept out of.
///
/// # Errors
/// [`MatchingFault::Store`].
pub async fn waiting(desk: &Desk<'_>, by: &Decider, limit: usize) -> Result<Vec<Proposal>, MatchingFault> {
    let mut open = Vec::new();
    for one in desk.vault.proposals(limit).await? {
        if !kept_out(desk, by, &one.exchanges).await? {
            open.push(one);
        }
    }
    Ok(open)
}

/// What people decided last, of the `limit` newest, each with whether another decision undid it: nothing about an exchange that
/// this person is kept out of.
///
/// # Errors
/// [`MatchingFault::Store`].
pub async fn decided(desk: &Desk<'_>, by: &Decider, limit: u32) -> Result<Vec<(Linkage, bool)>, MatchingFault> {
    let mut shown = Vec::new();
    for one in desk.vault.decided(limit).await? {
        if !kept_out(desk, by, &desk.vault.decided_about(one.0.id).await?).await? {
            shown.push(one);
        }
    }
    Ok(shown)
}

/// Whether one of the exchanges is sealed from this person: for them it does not exist.
async fn kept_out(desk: &Desk<'_>, by: &Decider, exchanges: &[ExchangeId]) -> Result<bool, MatchingFault> {
    for exchange in exchanges {
        if desk.store.sealed_from(*exchange, by.institution(), by.professional()).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Both identities of a question side by side, once the entry that says so is signed.
///
/// # Errors
/// [`MatchingFault`]; nothing is shown then.
pub async fn look(desk: &Desk<'_>, id: ProposalId, by: &Decider, now: Instant, patience: Duration) -> Result<Comparison, MatchingFault> {
    let about = desk.vault.asked_about(id).await?;
    if about.is_empty() || kept_out(desk, by, &about).await? {
        return Err(MatchingFault::NothingThere);
    }
    let statement = Statement::new(Event::DecisionMade, None, now, (desk.policy_set, desk.retention))
        .commit("action", &"compare-identities")
        .commit("proposal", &id)
        .commit("professional", &by.professional().to_string());
    let entry = sealed(desk, statement, Uuid::now_v7())?;
    let leaf_hash = entry.leaf_hash;
    desk.store.write(AppendEntries(vec![entry])).await?;
    // The notary runs in another process: ask until it has signed.
    let signed = async {
        while desk.store.entry(&leaf_hash).await?.is_none_or(|entry| entry.index.is_none()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok::<(), StoreError>(())
    };
    tokio::time::timeout(patience, signed).await.map_err(|_| MatchingFault::NotSigned)??;
    let seen = desk.vault.compare(by, desk.keys, id).await?.ok_or(MatchingFault::NothingThere)?;
    // Asked of what is about to be shown: a newer mention may have come meanwhile.
    match kept_out(desk, by, &[seen.one.0.exchange, seen.other.0.exchange]).await? {
        true => Err(MatchingFault::NothingThere),
        false => Ok(seen),
    }
}

async fn finish(desk: &Desk<'_>, linkage: &Linkage, now: Instant) -> Result<(), MatchingFault> {
    let event = match linkage.change {
        Change::Same => Event::IdentityMerged,
        Change::Different => Event::DecisionMade,
        Change::Split | Change::Separate => Event::IdentitySplit,
    };
    // The log tells when it was written: what a crash left may be finished days after it was decided.
    let mut statement = Statement::new(event, None, now, (desk.policy_set, desk.retention))
        .commit("linkage", &linkage.id)
        .commit("decided_at", &linkage.decided_at)
        .commit("change", &linkage.change.as_str())
        .commit("professional", &linkage.decided_by);
    if let Some(proposal) = &linkage.proposal {
        statement = statement.commit("proposal", proposal);
    }
    if let Some(undone) = &linkage.undoes {
        statement = statement.commit("undoes", undone);
    }
    if let Some(mention) = &linkage.mention {
        statement = statement.commit("mention", mention);
    }
    let id = Uuid::try_parse(&linkage.id.to_string()).map_err(|_| MatchingFault::Entry)?;
    match desk.store.write(AppendEntries(vec![sealed(desk, statement, id)?])).await {
        // A crash came after the entry: it is not written twice.
        Ok(()) | Err(StoreError::AlreadyThere) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(desk.vault.apply(linkage.id, now).await?)
}

fn sealed(desk: &Desk<'_>, statement: Statement, id: Uuid) -> Result<NewEntry, MatchingFault> {
    statement.seal(id, desk.keystore, desk.random).ok_or(MatchingFault::Entry)
}

#[cfg(test)]
mod tests;
