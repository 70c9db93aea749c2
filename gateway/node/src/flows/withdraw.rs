//! Withdrawing: who sent an exchange takes it back, and every unit that got it is told and answers for that.
//!
//! The content of what warns of no danger leaves the gateway no more; its key is destroyed when its time is over, as ever. A
//! danger stays readable and its clocks run on: a child is not out of danger because somebody takes the word back, and whether
//! anything is still to be done is decided by a person who received it (invariants 3 and 10). What it had answered is answered
//! no more: the clocks that it stopped run again.

use exchange::{DeliveryId, ExchangeId, Party};
use serde_json::{Value, json};

use super::{Caller, Law, Rooms, gone, is_danger, line, sent, units_of};
use crate::{
    log::Event,
    refusal::Refusal,
    seal,
    source::sha256_base64url,
    store::{
        StoreError,
        delivery::{NewDelivery, Word},
        withdrawal::{WithdrawExchange, WithdrawnRow},
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
    let motive = super::motive(motive)?;
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
    // 2. The whole line: the first, its corrections, and what the gateway made of them. The same text must not stay readable
    //    under another id, nor somebody who holds a copy go on unaware.
    let first = match row.rectifies {
        Some(first) => rooms.store.exchange(first).await?.ok_or(Refusal::NotFound)?,
        None => row.clone(),
    };
    let (mut withdrawn, mut units, mut danger) = (Vec::new(), Vec::new(), false);
    for row in line(rooms, &first).await?.into_iter().filter(|row| row.erased_at.is_none() && row.withdrawn_at.is_none()) {
        let Some(key) = rooms.keys.exchange_key(row.id).await? else { continue };
        let motive = seal::seal_column(&key, "withdrawal", row.id, "motive", motive.as_bytes()).map_err(|_| Refusal::Internal("seal"))?;
        let own = units_of(rooms, row.id).await?;
        let of_danger = is_danger(&law, &row);
        let statement = rooms
            .state(&law, Event::ExchangeRectified, Some(row.id), now)
            .commit("nature", &"withdrawal")
            .commit("professional", &professional.id)
            .commit("recipients", &own)
            // Words that may name somebody die with the content: the log keeps the digest of their ciphertext.
            .commit("motive", &sha256_base64url(&motive));
        withdrawn.push(WithdrawnRow {
            exchange: row.id,
            motive,
            deliveries: own.iter().map(|unit| word(&law, unit, row.urgency)).collect(),
            content_too: !of_danger,
            answered: row.in_reply_to.map(|answered| (answered, row.kind.clone(), law.catalogue.closed_by_answer(&row.kind))),
            entry: rooms.entry(statement)?,
        });
        danger |= of_danger;
        units.extend(own.into_iter().filter(|unit| !units.contains(unit)).collect::<Vec<_>>());
    }
    if withdrawn.is_empty() {
        return Err(gone(rooms, id).await);
    }
    // 3. Keep it with its entries.
    let write = WithdrawExchange { at: now, by: professional.id.subject.clone(), rows: withdrawn };
    match rooms.store.write(write).await {
        // Another was quicker: to withdraw it, or to erase it.
        Err(StoreError::NotThere(_)) => {
            let row = rooms.store.exchange(id).await?.ok_or(Refusal::NotFound)?;
            return Err(match (row.erased_at, row.withdrawn_at) {
                (Some(at), _) => Refusal::Erased { id, at },
                (None, at) => Refusal::Withdrawn { at: at.unwrap_or(now) },
            });
        }
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
