//! Acknowledging: a named professional of the recipient answers for the unit. Opened is not acknowledged.
//! Also what is told on the telephone when an exchange cannot wait for its reader.

pub mod system;

use std::time::Duration;

use exchange::{DeliveryId, ExchangeId, FollowUpId};
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

use super::{Caller, REFUSED, Rooms, answers_for, gone, sent};
use crate::{
    log::Event,
    refusal::Refusal,
    seal,
    source::sha256_base64url,
    store::{
        StoreError,
        delivery::{AcknowledgeDelivery, Outcome, RecordCall},
        follow_up::NewFollowUp,
    },
};

/// How a unit answers a delivery.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// Taken in charge, refused, not for us.
    pub outcome: Outcome,
    /// Why; needed unless taken in charge.
    #[serde(default)]
    pub reason: Option<String>,
    /// The code read back on the telephone, when there was a call.
    #[serde(default)]
    pub read_back: Option<String>,
}

/// A telephone call about an exchange.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Whether somebody answered.
    pub reached: bool,
}

/// What the caller says on the telephone, and the other side reads back.
#[derive(Debug, Serialize)]
pub struct Called {
    /// Eight characters without ambiguity, in two groups.
    pub read_back: String,
}

/// Records how a unit answers one delivery.
///
/// # Errors
/// [`Refusal::NotFound`] when the delivery is not for a unit of this professional, [`Refusal::AlreadyAcknowledged`],
/// [`Refusal::Malformed`] when a reason is needed and missing.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn acknowledge(rooms: &Rooms, caller: &Caller, id: DeliveryId, answer: Acknowledgement) -> Result<(), Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    // 1. Who answers, for which unit?
    let professional = caller.professional(&law)?;
    let delivery = rooms.store.delivery(id).await?.ok_or(Refusal::NotFound)?;
    if !answers_for(professional, &delivery.recipient, now) {
        return Err(Refusal::NotFound);
    }
    let row = rooms.store.exchange(delivery.exchange).await?.ok_or(Refusal::NotFound)?;
    if rooms.store.sealed_from(row.id, &professional.institution, &professional.id).await? {
        return Err(Refusal::NotFound);
    }
    if let Some(at) = row.erased_at {
        return Err(Refusal::Erased { id: row.id, at });
    }
    // 2. A refusal needs its reason.
    let reason = answer.reason.filter(|reason| !reason.trim().is_empty() && reason.len() <= 4000);
    if answer.outcome != Outcome::TakenInCharge && reason.is_none() {
        return Err(Refusal::Malformed("reason"));
    }
    let sealed = match &reason {
        Some(reason) => {
            let Some(key) = rooms.keys.exchange_key(delivery.exchange).await? else { return Err(gone(rooms, row.id).await) };
            Some(
                seal::seal_column(&key, "delivery", delivery.exchange, "reason", reason.as_bytes())
                    .map_err(|_| Refusal::Internal("seal"))?,
            )
        }
        None => None,
    };
    // 3. Keep the answer, the log entry, and what it leaves the sender to do, in one commit.
    let entry = rooms.entry(
        rooms
            .state(&law, Event::ExchangeAcknowledged, Some(delivery.exchange), now)
            .commit("delivery", &delivery.id)
            .commit("professional", &professional.id)
            .commit("outcome", &answer.outcome)
            // Words that may name somebody die with the content: the log keeps the digest of their ciphertext.
            .commit("reason", &sealed.as_deref().map(sha256_base64url)),
    )?;
    let follow_up = (answer.outcome != Outcome::TakenInCharge).then(|| NewFollowUp {
        id: FollowUpId::new(),
        code: REFUSED.to_owned(),
        owner: row.sender.clone(),
        details: vec![answer.outcome.as_str().to_owned()],
    });
    let write = AcknowledgeDelivery {
        id,
        exchange: delivery.exchange,
        at: now,
        by: professional.id.subject.clone(),
        outcome: answer.outcome,
        word: delivery.word,
        reason: sealed,
        read_back: answer.read_back.as_deref().map(as_given),
        follow_up,
        closes: law.catalogue.closed_by_acknowledgement(),
        entry,
    };
    match rooms.store.write(write).await {
        Err(StoreError::NotThere(_)) => Err(Refusal::AlreadyAcknowledged),
        other => Ok(other?),
    }
}

/// Records a call about an exchange that its sender made, and gives the code to be read back.
///
/// # Errors
/// [`Refusal::NotFound`] unless the caller wrote the exchange, or acts for the unit that sent it.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn telephone(rooms: &Rooms, caller: &Caller, id: ExchangeId, call: Call) -> Result<Called, Refusal> {
    let law = rooms.law.load_full();
    let now = rooms.clock.now();
    let professional = caller.professional(&law)?;
    let row = rooms.store.exchange(id).await?.ok_or(Refusal::NotFound)?;
    // Whoever sees its timeline as the sender does: a former colleague must not learn here that it exists.
    if !sent(&law, professional, &row, now) || rooms.store.sealed_from(id, &professional.institution, &professional.id).await? {
        return Err(Refusal::NotFound);
    }
    let read_back = read_back(rooms)?;
    let entry = rooms.entry(
        rooms
            .state(&law, Event::TelephoneRecorded, Some(id), now)
            .commit("professional", &professional.id)
            .commit("reached", &call.reached)
            .commit("read_back", &read_back),
    )?;
    let mut at = now;
    loop {
        let by = professional.id.subject.clone();
        let write = RecordCall { exchange: id, at, by, reached: call.reached, read_back: read_back.clone(), entry: entry.clone() };
        match rooms.store.write(write).await {
            Ok(()) => return Ok(Called { read_back }),
            // Two calls of one millisecond are two calls: the second is kept under the next.
            Err(StoreError::AlreadyThere) => at = at.plus(Duration::from_millis(1)),
            Err(error) => return Err(error.into()),
        }
    }
}

fn read_back(rooms: &Rooms) -> Result<String, Refusal> {
    let mut random = [0; 8];
    rooms.random.fill(&mut random).map_err(|_| Refusal::Internal("random"))?;
    let letter = |byte: &u8| ALPHABET.get(usize::from(*byte) % ALPHABET.len()).copied().map_or('0', char::from);
    let code: String = random.iter().map(letter).collect();
    let (left, right) = code.split_at(4);
    Ok(format!("{left}-{right}"))
}

/// A code as it was given, however it was typed.
fn as_given(typed: &str) -> String {
    let code: String = typed.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect();
    code.split_at_checked(4).map_or_else(|| code.clone(), |(left, right)| format!("{left}-{right}"))
}

/// 32 characters that sound different in French and cannot be misread.
const ALPHABET: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
