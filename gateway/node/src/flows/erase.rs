//! Erasing: the key of a content is destroyed wherever it is kept, and its identities with it, because a person says so or
//! because its time is over. Receipts, leaves and proofs stay: evidence outlives content (invariant 9).

mod retention;

use exchange::ExchangeId;

pub use retention::{Over, count_from_zero, expire, run};

use super::{Law, REFUSED, REVIEW, Rooms, is_danger};
use crate::{
    directory::Role,
    flows::Caller,
    log::Event,
    refusal::{Refusal, TaskFault},
    store::{
        StoreError,
        exchange::{ExchangeRow, MarkErased},
    },
};

/// Erases one content, by the act of a data-protection officer of its recipient.
///
/// # Errors
/// [`Refusal::RoleMissing`], [`Refusal::NotFound`] when it does not exist or belongs to others, [`Refusal::Erased`]
/// when it was erased before, [`TaskFault::StillOpen`] while a danger waits for its answer.
pub async fn erase(rooms: &Rooms, caller: &Caller, id: ExchangeId, motive: &str) -> Result<(), Refusal> {
    let law = rooms.law.load_full();
    let motive = super::motive(motive)?;
    let professional = caller.with_role(&law, &[Role::Dpo], "délégué à la protection des données")?;
    let row = rooms.store.exchange(id).await?.filter(|row| row.recipient.institution == professional.institution);
    let row = row.ok_or(Refusal::NotFound)?;
    if rooms.store.sealed_from(id, &professional.institution, &professional.id).await? {
        return Err(Refusal::NotFound);
    }
    if let Some(at) = row.erased_at {
        return Err(Refusal::Erased { id, at });
    }
    if !settled(rooms, &law, &row).await? {
        return Err(TaskFault::StillOpen.into());
    }
    destroy(rooms, id, Some(&professional.id.subject), motive).await
}

/// Whether nothing waits for the content any more: one person alone must not make a danger vanish before somebody has
/// answered it, nor what was read in an emergency before somebody has looked at that.
async fn settled(rooms: &Rooms, law: &Law, row: &ExchangeRow) -> Result<bool, Refusal> {
    let open = rooms.store.follow_ups(row.id).await?.into_iter().filter(|task| task.done_at.is_none());
    if open.into_iter().any(|task| task.code == REVIEW || task.code == REFUSED) {
        return Ok(false);
    }
    let danger = is_danger(law, row);
    // An answer is one of whom it was sent to: the copy that goes elsewhere (L226-4 II) answers nothing.
    let answered = |answer: &ExchangeRow| answer.sender.institution == row.recipient.institution && answer.withdrawn_at.is_none();
    if !danger || rooms.store.answers_to(row.id).await?.iter().any(answered) {
        return Ok(true);
    }
    Ok(rooms.store.deliveries_of(row.id).await?.iter().all(|delivery| delivery.acknowledged_at.is_some()))
}

/// Destroys key and identities, then says so. A crash between the two: the next start says it, or erasing again.
async fn destroy(rooms: &Rooms, id: ExchangeId, by: Option<&str>, motive: &str) -> Result<(), Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    rooms.keys.destroy(id, now, motive).await?;
    rooms.vault.forget(id).await?;
    rooms.attachments.drop_all(&rooms.store.attachments_of_none_else(id).await?).await?;
    let statement = rooms.state(&law, Event::ExchangeErased, Some(id), now).commit("motive", &motive);
    let statement = if let Some(by) = by { statement.commit("professional", &by) } else { statement };
    let entry = rooms.entry(statement)?;
    match rooms.store.write(MarkErased { id, at: now, entry }).await {
        // A replica that started meanwhile found it unsaid, and said it.
        Ok(()) | Err(StoreError::NotThere(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
