//! Forwarding: a notice without content is pushed to units that asked for one. At least once, under a lease, urgent
//! first, in order for each case, one at a time for each unit; after the last try it is a dead letter, visible and
//! alarmed. An endpoint that does not answer holds up its own unit alone.
//!
//! A push has no reader, so it carries no content: it says that something waits. Where the directory marks an endpoint as the
//! system of an institution, and says under which agreement and in whose name it reads, a drop of files carries what that system
//! may read (`collect/system`); so does a secure mail to its mailbox.

use std::{sync::Arc, time::Duration};

use exchange::FollowUpId;
use futures::future::BoxFuture;
use ring::rand::SecureRandom;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{NOT_HANDED_OVER, Rooms};
use crate::{
    directory::PushEndpoint,
    log::Event,
    refusal::Refusal,
    store::{
        StoreError,
        delivery::DeliveryRow,
        follow_up::NewFollowUp,
        push::{FinishPush, HoldPush, Lease, LeasePush, PushResult},
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

impl Notice {
    /// What a delivery says of itself.
    pub fn of(delivery: &DeliveryRow) -> Self {
        Self {
            delivery: delivery.id,
            recipient: delivery.recipient.clone(),
            urgency: delivery.urgency.as_str(),
            delivered_at: delivery.delivered_at,
        }
    }
}

/// How a notice leaves: the edge that knows the network.
pub trait Post: Send + Sync {
    /// Posts one notice; `Err` holds a stable code of what failed.
    fn post<'a>(&'a self, url: &'a str, notice: &'a Notice) -> BoxFuture<'a, Result<(), &'static str>>;

    /// Leaves one delivery in a drop or as a mail, whole; at each try under the same name.
    fn leave<'a>(&'a self, _: &'a DeliveryRow, _: &'a PushEndpoint) -> BoxFuture<'a, Result<(), NotLeft>> {
        Box::pin(async { Err(NotLeft::Never("no-sftp")) })
    }
}

/// Why a drop or a mail did not leave, with a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLeft {
    /// The partner is dark, or we cannot now: it goes again, for as long as that takes. It has its number, and whoever gets it
    /// waits for that number.
    Later(&'static str),
    /// No try can help.
    Never(&'static str),
    /// Somebody on the way said no for good: a person of the sender's must tell the recipient otherwise.
    Refuse(&'static str),
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

/// Pushes until told to stop, then waits for what is under way, for a while: what is broken off goes again when its lease ends.
pub async fn run(rooms: Arc<Rooms>, post: Arc<dyn Post>, attempts: u32, every: Duration, stop: CancellationToken) {
    metrics::counter!(DEAD_LETTERS).increment(0);
    metrics::counter!(LATE_DROPS).increment(0);
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
    if tokio::time::timeout(LAST_PUSH, async { while under_way.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!(pushes = under_way.len(), "a push is too slow to be waited for; it goes again when its lease ends");
        under_way.shutdown().await;
    }
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
    let sent = match &endpoint {
        None => Sent::Not("no-endpoint"),
        Some(endpoint) if endpoint.partner().is_some() => tokio::select! {
            left = post.leave(&lease.delivery, endpoint) => left.into(),
            lost = hold(rooms, &lease) => Sent::Late(lost),
        },
        Some(endpoint) => match post.post(&endpoint.url, &Notice::of(&lease.delivery)).await {
            Ok(()) => Sent::Yes,
            Err(fault) => Sent::Not(fault),
        },
    };
    // 2. Write down what came of it.
    let (result, event) = match sent {
        Sent::Yes => (PushResult::Done, Some(Event::PushSent)),
        Sent::Never(fault) | Sent::Refuse(fault) => (PushResult::Dead { fault }, Some(Event::DeliveryDead)),
        Sent::Not(fault) if lease.attempts >= attempts => (PushResult::Dead { fault }, Some(Event::DeliveryDead)),
        Sent::Not(fault) | Sent::Late(fault) => (PushResult::Again { at: rooms.clock.now().plus(backoff(rooms, &lease)?), fault }, None),
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
    // What was refused for good is a task of the unit that sent it: never silence.
    let opens = match sent {
        Sent::Refuse(fault) => Some(NewFollowUp {
            id: FollowUpId::new(),
            code: NOT_HANDED_OVER.to_owned(),
            owner: lease.delivery.sender.clone(),
            details: vec![fault.to_owned()],
        }),
        Sent::Yes | Sent::Not(_) | Sent::Late(_) | Sent::Never(_) => None,
    };
    let opens = opens.map(|task| (task, lease.delivery.exchange, rooms.clock.now()));
    match rooms.store.write(FinishPush { id: lease.delivery.id, token: lease.token, result, entry, opens }).await {
        Ok(()) => {}
        // Our lease ended and somebody else took it: theirs counts.
        Err(StoreError::NotThere(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    if matches!(sent, Sent::Late(_)) && lease.attempts.is_multiple_of(attempts.max(1)) {
        metrics::counter!(LATE_DROPS).increment(1);
        tracing::error!(delivery.id = %lease.delivery.id, fault = sent.fault(), attempts = lease.attempts, "a drop does not leave; its unit must be told otherwise");
    }
    if event == Some(Event::DeliveryDead) {
        metrics::counter!(DEAD_LETTERS).increment(1);
        tracing::error!(delivery.id = %lease.delivery.id, fault = sent.fault(), attempts = lease.attempts, "a notice was given up; its unit must be told otherwise");
    }
    Ok(())
}

/// What came of one try.
#[derive(Clone, Copy)]
enum Sent {
    Yes,
    Not(&'static str),
    Late(&'static str),
    Never(&'static str),
    Refuse(&'static str),
}

impl Sent {
    const fn fault(self) -> Option<&'static str> {
        match self {
            Self::Yes => None,
            Self::Not(fault) | Self::Late(fault) | Self::Never(fault) | Self::Refuse(fault) => Some(fault),
        }
    }
}

impl From<Result<(), NotLeft>> for Sent {
    fn from(left: Result<(), NotLeft>) -> Self {
        match left {
            Ok(()) => Self::Yes,
            Err(NotLeft::Later(fault)) => Self::Late(fault),
            Err(NotLeft::Never(fault)) => Self::Never(fault),
            Err(NotLeft::Refuse(fault)) => Self::Refuse(fault),
        }
    }
}

/// Holds a lease while something large leaves; ends only when the lease is lost.
async fn hold(rooms: &Rooms, lease: &Lease) -> &'static str {
    loop {
        let until = rooms.clock.now().plus(HOLD_DROP);
        match rooms.store.write(HoldPush { id: lease.delivery.id, token: lease.token, until }).await {
            Ok(()) => {}
            Err(StoreError::NotThere(_)) => return "lease-lost",
            Err(error) => tracing::warn!(error = %error, "the lease of a drop could not be held longer"),
        }
        tokio::time::sleep(HOLD_DROP / 3).await;
    }
}

/// Full jitter: anything up to a bound that doubles with each try, ten minutes at most, and never nothing: an endpoint
/// that just failed is not asked again within the same instant.
fn backoff(rooms: &Rooms, lease: &Lease) -> Result<Duration, Refusal> {
    let mut random = [0; 4];
    rooms.random.fill(&mut random).map_err(|_| Refusal::Internal("random"))?;
    let bound = (1000_u64 << lease.attempts.min(10)).min(600_000);
    Ok(Duration::from_millis(1 + u64::from(u32::from_le_bytes(random)) * (bound - 1) / u64::from(u32::MAX)))
}

/// How long pushes under way are waited for at a stop.
const LAST_PUSH: Duration = Duration::from_secs(5);
/// What alarms when it moves; on the board from the start, so that its first move is seen.
const DEAD_LETTERS: &str = "passerelle_dead_letters_total";
/// Tries beyond the usual number of drops that still wait.
const LATE_DROPS: &str = "passerelle_drops_late_total";
/// Pushes under way at once, each to another unit.
const AT_ONCE: usize = 16;
/// How long a push may take before another worker may try: more than the poster waits for an answer, and no more than a unit
/// may wait for its notices when the replica that was pushing died.
const HOLD: Duration = Duration::from_secs(10);
/// The same of a drop, which holds its lease for as long as its files take to leave.
const HOLD_DROP: Duration = Duration::from_secs(30);
