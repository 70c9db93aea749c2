//! Forwarding: a notice without content is pushed to units that asked for one. At least once, under a lease, urgent
//! first, in order for each case, one at a time for each unit; after the last try it is a dead letter, visible and
//! alarmed. An endpoint that does not answer holds up its own unit alone.
//!
//! A push has no reader, so it carries no content: it says that something waits.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use ring::rand::SecureRandom;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Rooms;
use crate::{
    log::Event,
    refusal::Refusal,
    store::{
        StoreError,
        push::{FinishPush, Lease, LeasePush, PushResult},
    },
};

/// What a push says: that something waits, and how urgently.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// Same for every try: the endpoint drops what it has seen.
    pub delivery: exchange::DeliveryId,
    /// For which unit.
    pub recipient: exchange::Party,
    /// How fast it must be read.
    pub urgency: &'static str,
    /// When it became available.
    pub delivered_at: exchange::Instant,
}

/// How a notice leaves: the edge that knows the network.
pub trait Post: Send + Sync {
    /// Posts one notice; `Err` holds a stable code of what failed.
    fn post<'a>(&'a self, url: &'a str, notice: &'a Notice) -> BoxFuture<'a, Result<(), &'static str>>;
}

/// Pushes one notice, if one waits; says whether one did.
///
/// # Errors
/// The store is unavailable.
pub async fn forward(rooms: &Rooms, post: &dyn Post, attempts: u32) -> Result<bool, Refusal> {
    match take(rooms).await? {
        Some(lease) => push(rooms, post, attempts, lease).await.map(|()| true),
        None => Ok(false),
    }
}

/// Pushes until told to stop, then waits for what is under way.
pub async fn run(rooms: Arc<Rooms>, post: Arc<dyn Post>, attempts: u32, every: Duration, stop: CancellationToken) {
    metrics::counter!(DEAD_LETTERS).increment(0);
    let mut under_way = JoinSet::new();
    while !stop.is_cancelled() {
        let taken = if under_way.len() < AT_ONCE { take(&rooms).await } else { Ok(None) };
        match taken {
            Ok(Some(lease)) => {
                let (rooms, post) = (rooms.clone(), post.clone());
                under_way.spawn(async move {
                    if let Err(error) = push(&rooms, post.as_ref(), attempts, lease).await {
                        tracing::error!(error = %error, "what came of a push could not be written down; it goes again when its lease ends");
                    }
                });
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(error = %error, "notices could not be pushed; they will be at the next look"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(every) => {}
            Some(_) = under_way.join_next() => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

/// Takes the most urgent notice that may leave now, for a while.
async fn take(rooms: &Rooms) -> Result<Option<Lease>, Refusal> {
    let mut token = [0; 16];
    rooms.random.fill(&mut token).map_err(|_| Refusal::Internal("random"))?;
    Ok(rooms.store.write(LeasePush { now: rooms.clock.now(), hold: HOLD, token }).await?)
}

#[tracing::instrument(level = "debug", skip_all)]
async fn push(rooms: &Rooms, post: &dyn Post, attempts: u32, lease: Lease) -> Result<(), Refusal> {
    // 1. Send. A crash here: the lease ends and the notice goes again, with the same id.
    let law = rooms.law.load_full();
    let endpoint = law.directory.party(&lease.delivery.recipient).and_then(|known| known.unit).and_then(|unit| unit.push.clone());
    let sent = match endpoint {
        None => Err("no-endpoint"),
        Some(endpoint) => {
            let notice = Notice {
                delivery: lease.delivery.id,
                recipient: lease.delivery.recipient.clone(),
                urgency: lease.delivery.urgency.as_str(),
                delivered_at: lease.delivery.delivered_at,
            };
            post.post(&endpoint.url, &notice).await
        }
    };
    // 2. Write down what came of it.
    let (result, event) = match sent {
        Ok(()) => (PushResult::Done, Some(Event::PushSent)),
        Err(fault) if lease.attempts >= attempts => (PushResult::Dead { fault }, Some(Event::DeliveryDead)),
        Err(fault) => (PushResult::Again { at: rooms.clock.now().plus(backoff(rooms, &lease)?), fault }, None),
    };
    let entry = match event {
        Some(event) => Some(
            rooms.entry(
                rooms
                    .state(&law, event, Some(lease.delivery.exchange), rooms.clock.now())
                    .commit("delivery", &lease.delivery.id)
                    .commit("recipient", &lease.delivery.recipient),
            )?,
        ),
        None => None,
    };
    match rooms.store.write(FinishPush { id: lease.delivery.id, token: lease.token, result, entry }).await {
        Ok(()) => {}
        // Our lease ended and somebody else took it: theirs counts.
        Err(StoreError::NotThere(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if event == Some(Event::DeliveryDead) {
        metrics::counter!(DEAD_LETTERS).increment(1);
        tracing::error!(delivery.id = %lease.delivery.id, fault = sent.err(), attempts = lease.attempts, "a notice was given up; its unit must be told otherwise");
    }
    Ok(())
}

/// Full jitter: anything up to a bound that doubles with each try, ten minutes at most, and never nothing: an endpoint
/// that just failed is not asked again within the same instant.
fn backoff(rooms: &Rooms, lease: &Lease) -> Result<Duration, Refusal> {
    let mut random = [0; 4];
    rooms.random.fill(&mut random).map_err(|_| Refusal::Internal("random"))?;
    let bound = (1000_u64 << lease.attempts.min(10)).min(600_000);
    Ok(Duration::from_millis(1 + u64::from(u32::from_le_bytes(random)) * (bound - 1) / u64::from(u32::MAX)))
}

/// What alarms when it moves; on the board from the start, so that its first move is seen.
const DEAD_LETTERS: &str = "passerelle_dead_letters_total";
/// Pushes under way at once, each to another unit.
const AT_ONCE: usize = 16;
/// How long a push may take before another worker may try: more than the poster waits for an answer, and no more than a unit
/// may wait for its notices when the replica that was pushing died.
const HOLD: Duration = Duration::from_secs(10);
