//! Withdrawing: who sent an exchange takes it back, and every unit that got it is told and answers for that.
//!
//! The content of what warns of no danger leaves the gateway no more; its key is destroyed when its time is over, as ever. A
//! danger stays readable and its clocks run on: a child is not out of danger because somebody takes the word back, and whether
//! anything is still to be done is decided by a person who received it (invariants 3 and 10).

use exchange::{DeliveryId, ExchangeId, Party};
use serde_json::{Value, json};

use super::{Caller, Law, Rooms, gone, sent};
use crate::{
    log::Event,
    refusal::Refusal,
    seal,
    source::sha256_base64url,
    store::{
        StoreError,
        delivery::{NewDelivery, Word},
        withdrawal::WithdrawExchange,
    },
};

/// Takes one exchange back; gives when, and whom that reaches.
///
/// # Errors
/// [`Refusal::NotFound`] unless the caller wrote the exchange, or acts for the unit that sent it; [`Refusal::Erased`];
/// [`Refusal::Withdrawn`] when it was before; [`Refusal::Malformed`] without a motive.
pub async fn withdraw(rooms: &Rooms, caller: &Caller, id: ExchangeId, motive: &str) -> Result<Value, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    if motive.trim().is_empty() || motive.len() > MOTIVE_BYTES {
        return Err(Refusal::Malformed("motive"));
    }
    // 1. Who, what?
    let professional = caller.professional(&law)?;
    let row = rooms.store.exchange(id).await?.filter(|row| sent(&law, professional, row, now)).ok_or(Refusal::NotFound)?;
    if rooms.store.sealed_from(id, &professional.institution, &professional.id).await? {
        return Err(Refusal::NotFound);
    }
    if let Some(at) = row.erased_at {
        return Err(Refusal::Erased { id, at });
    }
    if let Some(at) = row.withdrawn_at {
        return Err(Refusal::Withdrawn { at });
    }
    let Some(key) = rooms.keys.exchange_key(id).await? else { return Err(gone(rooms, id).await) };
    let motive = seal::seal_column(&key, "withdrawal", id, "motive", motive.as_bytes()).map_err(|_| Refusal::Internal("seal"))?;
    // 2. Whom it reaches: each unit that got it, once.
    let mut units: Vec<Party> = Vec::new();
    let mut deliveries = Vec::new();
    for delivery in rooms.store.deliveries_of(id).await? {
        if !units.contains(&delivery.recipient) {
            deliveries.push(word(&law, &delivery.recipient, row.urgency));
            units.push(delivery.recipient);
        }
    }
    let danger = law.catalogue.exchange_type(&row.kind, row.accepted_at).is_none_or(|exchange_type| exchange_type.danger);
    // 3. Keep it with its entry.
    let statement = rooms
        .state(&law, Event::ExchangeRectified, Some(id), now)
        .commit("nature", &"withdrawal")
        .commit("professional", &professional.id)
        .commit("recipients", &units)
        // Words that may name somebody die with the content: the log keeps the digest of their ciphertext.
        .commit("motive", &sha256_base64url(&motive));
    let write = WithdrawExchange {
        exchange: id,
        at: now,
        by: professional.id.subject.clone(),
        motive,
        deliveries,
        content_too: !danger,
        entry: rooms.entry(statement)?,
    };
    match rooms.store.write(write).await {
        // Another was quicker.
        Err(StoreError::NotThere(_)) => return Err(Refusal::Withdrawn { at: now }),
        other => other?,
    }
    for unit in &units {
        rooms.store.arrived(unit);
    }
    tracing::info!(exchange.id = %id, exchange.kind = %row.kind, "an exchange was withdrawn by its sender");
    Ok(json!({"exchange": id, "withdrawn_at": now, "recipients": units, "content": if danger { "kept" } else { "withheld" }}))
}

fn word(law: &Law, recipient: &Party, urgency: exchange::Urgency) -> NewDelivery {
    let push = law.directory.party(recipient).and_then(|known| known.unit).is_some_and(|unit| unit.push.is_some());
    NewDelivery { id: DeliveryId::new(), recipient: recipient.clone(), urgency, ordering: String::new(), push, word: Word::Withdrawal }
}

/// A motive is a sentence.
const MOTIVE_BYTES: usize = 4000;
