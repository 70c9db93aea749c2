//! A deposit in parts: the envelope is judged before its files are received, and accepted with them as any other.

use std::sync::Arc;

use adapters::json;
use serde_json::{Map, Value};

use super::{
    Accepted, Attached, Deposit, Depositor, Room, accept, attached, declared_type, earlier, identify, parts::Parts, repeated, usable_key,
};
use crate::{
    flows::{Caller, Rooms},
    refusal::Refusal,
};

/// Accepts one exchange that comes with attachments: what cannot be accepted is refused before they are received.
///
/// # Errors
/// As [`accept`], and [`AttachmentFault`](crate::refusal::AttachmentFault).
#[tracing::instrument(level = "debug", skip_all)]
pub async fn accept_with_attachments(
    rooms: &Arc<Rooms>,
    caller: &Caller,
    (key, room): (Option<&str>, Room),
    mut parts: Parts,
) -> Result<Accepted, Refusal> {
    let bytes = attached::envelope(rooms, &mut parts).await?;
    let danger = match welcome(rooms, caller, (key, room), &bytes).await {
        Ok(Welcome::New { danger }) => danger,
        Ok(Welcome::Repeat { author, key, canonical, danger: _ }) => {
            let digests = attached::digests(rooms, &mut parts).await?;
            let body = attached::compared(&canonical, digests.iter().map(String::as_str));
            // Of a key that was used nothing new is made out of files that were not kept.
            return repeated(rooms, caller, &author, &key, &body).await?.ok_or(Refusal::KeyReused);
        }
        Err(refusal) => {
            // Whoever is still sending hears the answer only once everything is sent.
            parts.pass_over().await;
            return Err(refusal);
        }
    };
    let mut unnamed = attached::Unnamed::new(rooms);
    let received = attached::receive((&caller.institution, danger), &mut parts, &mut unnamed).await;
    with_files(rooms, unnamed, received, Deposit { caller, key, bytes: &bytes, attached: &[], beside: &[], room: Room::ForAll }).await
}

/// Accepts a deposit with the files that were received for it; what was received for nothing is taken away again.
pub(super) async fn with_files(
    rooms: &Arc<Rooms>,
    unnamed: attached::Unnamed,
    received: Result<Vec<Attached>, Refusal>,
    deposit: Deposit<'_>,
) -> Result<Accepted, Refusal> {
    // Whoever sends may vanish now, and the exchange be accepted all the same: nothing is taken away behind its back.
    let ids = unnamed.leave();
    let accepted = match received {
        Ok(attached) => match Box::pin(accept(rooms, Deposit { attached: &attached, ..deposit })).await {
            // A commit whose answer was lost may have happened.
            Err(Refusal::Unavailable(error)) => return Err(Refusal::Unavailable(error)),
            other => other,
        },
        Err(refusal) => Err(refusal),
    };
    if accepted.is_err() {
        let _ = attached::forget(rooms, ids).await;
    }
    accepted
}

/// Accepts what somebody wrote in a form, with the files that follow it: each is described by what the form says of it.
/// A repeat receives them again, since nothing else says that they are the same.
///
/// # Errors
/// As [`accept_with_attachments`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn accept_form(
    rooms: &Arc<Rooms>,
    caller: &Caller,
    (key, room): (&str, Room),
    mut envelope: Map<String, Value>,
    mut parts: Parts,
) -> Result<Accepted, Refusal> {
    let written = |envelope: &Map<String, Value>| serde_json::to_vec(envelope).map_err(|_| Refusal::Internal("envelope"));
    let danger = match is_danger(rooms, caller, room, &written(&envelope)?) {
        Ok(danger) => danger,
        Err(refusal) => {
            parts.pass_over().await;
            return Err(refusal);
        }
    };
    let mut unnamed = attached::Unnamed::new(rooms);
    let received = attached::receive_form((&caller.institution, danger), &mut parts, &mut unnamed).await.map(|received| {
        let (attached, described): (Vec<_>, Vec<_>) = received.into_iter().unzip();
        if !described.is_empty() {
            envelope.insert("attachments".into(), Value::Array(described));
        }
        attached
    });
    let bytes = written(&envelope)?;
    with_files(rooms, unnamed, received, Deposit { caller, key: Some(key), bytes: &bytes, attached: &[], beside: &[], room: Room::ForAll })
        .await
}

/// Whether what somebody wrote is about danger, once it is known that they may deposit at all.
fn is_danger(rooms: &Rooms, caller: &Caller, room: Room, envelope: &[u8]) -> Result<bool, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    room.admit(&law, envelope, now)?;
    let native = json::read(envelope)?;
    let exchange_type = declared_type(&law, &native.envelope, now)?;
    identify(&law, caller, exchange_type)?;
    Ok(exchange_type.danger)
}

/// What is to be done with a deposit whose files are still to come.
pub(super) enum Welcome {
    /// They are received.
    New { danger: bool },
    /// Its key is known: they are compared.
    Repeat { author: Depositor, key: String, canonical: Vec<u8>, danger: bool },
}

/// What can be said of a deposit by its envelope and its author alone.
pub(super) async fn welcome(
    rooms: &Rooms,
    caller: &Caller,
    (key, room): (Option<&str>, Room),
    envelope: &[u8],
) -> Result<Welcome, Refusal> {
    let law = rooms.law.load_full();
    room.admit(&law, envelope, rooms.clock.now())?;
    let native = json::read(envelope)?;
    let exchange_type = declared_type(&law, &native.envelope, rooms.clock.now())?;
    let author = identify(&law, caller, exchange_type)?;
    match usable_key(rooms, key, exchange_type)? {
        Some(key) if !earlier(rooms, caller, &author, &key).await?.is_empty() => {
            Ok(Welcome::Repeat { author, key, canonical: native.canonical, danger: exchange_type.danger })
        }
        Some(_) | None => Ok(Welcome::New { danger: exchange_type.danger }),
    }
}
