//! A deposit that came in a partner's own format: what an adapter read of it is accepted as any other. There is no second
//! story for it, and nothing that a partner wrote about a danger is lost on the way.

use std::sync::Arc;

use adapters::reading::{Beside, Letter};
use exchange::{
    canonical,
    document::Pointer,
    envelope::{Draft, NonConforming},
};
use serde_json::{Value, json};

use super::{
    Accepted, Deposit, Room, attached,
    in_parts::{Welcome, welcome, with_files},
    repeated,
};
use crate::{
    catalogue::ExchangeType,
    flows::{Caller, Rooms},
    refusal::Refusal,
};

/// What came to the door in another format than ours, once its adapter has read it.
pub struct LetterDeposit<'a> {
    /// What the adapter understood. Whoever deposits is told by who answers what was not taken over.
    pub letter: Letter,
    /// The key of repeats: `Idempotency-Key`, or what the format itself calls the message by.
    pub key: Option<&'a str>,
    /// Whether there is room for it, whatever it is about.
    pub room: Room,
}

/// Accepts one letter with its files. What the canonical form has no place for is kept sealed with it if it is about danger; for
/// any other type the adapter has reported it, and the sender is told.
///
/// # Errors
/// As [`accept_with_attachments`](super::accept_with_attachments).
#[tracing::instrument(level = "debug", skip_all)]
pub async fn accept_letter(rooms: &Arc<Rooms>, caller: &Caller, deposit: LetterDeposit<'_>) -> Result<Accepted, Refusal> {
    let LetterDeposit { letter, key, room } = deposit;
    let Letter { mut envelope, attachments, beside } = letter;
    let digests: Vec<String> = attachments.iter().map(|file| attached::digest(file)).collect();
    name(&mut envelope, &digests);
    let bytes = canonical::bytes(&envelope).map_err(|_| Refusal::Malformed("enveloppe"))?;

    // 1. By its envelope alone: what cannot be accepted is refused before its files are sealed, and a repeat seals none again.
    let welcome = welcome(rooms, caller, (key, room), &bytes).await?;
    let danger = match welcome {
        Welcome::New { danger } => danger,
        Welcome::Repeat { author, key, canonical, danger } => {
            let body = attached::compared(&with_beside(canonical, &beside)?, digests.iter().map(String::as_str));
            if let Some(earlier) = repeated(rooms, caller, &author, &key, &body).await? {
                return Ok(earlier);
            }
            danger
        }
    };

    // 2. Its files, as if they had come one after the other.
    let mut unnamed = attached::Unnamed::new(rooms);
    let received = attached::hold((&caller.institution, danger), attachments, &mut unnamed).await;
    let deposit = Deposit { caller, key, bytes: &bytes, attached: &[], beside: &beside, room: Room::ForAll };
    with_files(rooms, unnamed, received, deposit).await
}

/// Says of each attachment which content is its own: an adapter gives both in one order and knows no digest.
fn name(envelope: &mut Value, digests: &[String]) {
    let Some(Value::Array(described)) = envelope.get_mut("attachments") else { return };
    for (one, digest) in described.iter_mut().zip(digests) {
        if let Value::Object(one) = one {
            // Another digest that a partner gave stays: then the content is none of what is described.
            one.entry("sha256").or_insert_with(|| json!(digest));
        }
    }
}

/// What digest, receipt and comparison are about: the envelope, and what came beside it.
///
/// # Errors
/// Never for what came as JSON or text.
pub(super) fn with_beside(mut canonical: Vec<u8>, beside: &[Beside]) -> Result<Vec<u8>, Refusal> {
    if !beside.is_empty() {
        let all: Vec<Value> = beside.iter().map(|one| json!({"place": one.place.to_string(), "value": one.value})).collect();
        canonical.push(b'\n');
        canonical.extend(canonical::bytes(&all).map_err(|_| Refusal::Malformed("enveloppe"))?);
    }
    Ok(canonical)
}

/// Keeps aside, sealed, what a danger type brought that its envelope has no place for.
pub(super) fn keep_beside(draft: &mut Draft, exchange_type: &ExchangeType, beside: &[Beside]) {
    if exchange_type.danger {
        let top = Pointer::default().child("beside");
        // A place is told in the partner's own terms, and holds no name but those of its format.
        let kept =
            beside.iter().map(|one| NonConforming { pointer: top.child(one.place.to_string()), code: "beside", value: one.value.clone() });
        draft.non_conforme.extend(kept);
    }
}
