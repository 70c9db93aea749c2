//! Domains of pseudonyms: a new epoch, or the end. The log says it before the keys change: what a crash leaves is an entry
//! without its effect, and doing it again finishes it.

use exchange::{Instant, ProfessionalId};
use serde_json::json;
use uuid::Uuid;

use super::{Statement, matching::Desk};
use crate::{
    log::Event,
    seal::pseudonym::Domain,
    store::{StoreError, audit::AppendEntries, keys::DomainState},
};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DomainFault {
    /// The domain never had a key, or is closed.
    #[error("the domain has no key")]
    NotOpen,
    /// The entry could not be made.
    #[error("the log entry cannot be made")]
    Entry,
    /// A store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Begins a new epoch of a domain that is in use.
///
/// # Errors
/// [`DomainFault`].
pub async fn rotate(desk: &Desk<'_>, domain: &Domain, by: &ProfessionalId, now: Instant) -> Result<DomainState, DomainFault> {
    let open = state(desk, domain).await?.filter(|known| known.closed_at.is_none()).ok_or(DomainFault::NotOpen)?;
    say(desk, Event::KeyRotated, domain, open.epoch.saturating_add(1), by, now).await?;
    match desk.keys.rotate_domain(domain).await {
        Err(StoreError::NotThere(_)) => Err(DomainFault::NotOpen),
        other => Ok(DomainState { epoch: other?.epoch(), ..open }),
    }
}

/// Destroys every key of a domain, for ever. Closing one that is closed changes nothing and is not said again.
///
/// # Errors
/// [`DomainFault`].
pub async fn close(desk: &Desk<'_>, domain: &Domain, by: &ProfessionalId, now: Instant) -> Result<DomainState, DomainFault> {
    let known = state(desk, domain).await?;
    if let Some(closed) = known.filter(|known| known.closed_at.is_some()) {
        return Ok(closed);
    }
    say(desk, Event::DomainClosed, domain, 0, by, now).await?;
    desk.keys.close_domain(domain, now).await?;
    state(desk, domain).await?.ok_or(DomainFault::NotOpen)
}

async fn state(desk: &Desk<'_>, domain: &Domain) -> Result<Option<DomainState>, StoreError> {
    Ok(desk.keys.domains().await?.into_iter().find(|known| known.domain == *domain))
}

async fn say(desk: &Desk<'_>, event: Event, domain: &Domain, epoch: u32, by: &ProfessionalId, now: Instant) -> Result<(), DomainFault> {
    let statement = Statement::new(event, None, now, (desk.policy_set, desk.retention))
        .commit("domain", &json!({"recipient": domain.recipient, "purpose": domain.purpose, "agreement": domain.agreement}))
        .commit("epoch", &epoch)
        .commit("professional", &by.to_string());
    let entry = statement.seal(Uuid::now_v7(), desk.keystore, desk.random).ok_or(DomainFault::Entry)?;
    Ok(desk.store.write(AppendEntries(vec![entry])).await?)
}
