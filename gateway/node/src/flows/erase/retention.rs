//! Retention: what has been kept as long as its class says (`retention.toml`) is destroyed without anybody asking, and the
//! openings of old log entries expire. The law of now decides: a shorter time also holds for what came before.

use std::{sync::Arc, time::Duration};

use exchange::{ExchangeId, Instant};
use tokio_util::sync::CancellationToken;

use super::{destroy, settled};
use crate::{
    flows::{Law, Rooms},
    refusal::Refusal,
    retention::From,
    store::retention::{ExpireOpenings, KeepLonger},
};

/// What one look found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Over {
    /// Contents that were destroyed.
    pub erased: u64,
    /// Contents whose time is over and that somebody still has to answer: they stay, and alarm.
    pub held: u64,
    /// Openings of the log that were forgotten.
    pub expired: u64,
}

/// Destroys the contents whose time is over, and forgets the openings that have expired. What is broken off goes on at the
/// next look.
///
/// # Errors
/// A store is unavailable.
pub async fn expire(rooms: &Rooms, stop: &CancellationToken) -> Result<Over, Refusal> {
    let (law, now) = (rooms.law.load_full(), rooms.clock.now());
    let mut over = Over::default();
    for (name, class) in law.retention.classes() {
        let before = class.over_before(now);
        let mut last = None;
        loop {
            let page = rooms.store.kept_long(name, before, last).await?;
            for kept in &page {
                if stop.is_cancelled() {
                    return Ok(over);
                }
                let since = match class.from {
                    From::Accepted => rooms.store.exchange(kept.exchange).await?.map(|row| row.accepted_at),
                    From::LastContact => Some(rooms.store.last_contact(kept.exchange).await?),
                    From::Superseded => rooms.store.superseded_at(kept.exchange).await?,
                };
                match since {
                    // Nothing newer has come yet: looked at again at the next look.
                    None => {}
                    Some(since) if since > before => rooms.store.write(KeepLonger { exchange: kept.exchange, since }).await?,
                    Some(_) => one(rooms, &law, kept.exchange, name, &mut over).await?,
                }
            }
            last = page.last().copied();
            if last.is_none() {
                break;
            }
        }
    }
    over.expired = expired(rooms, now, stop).await?;
    metrics::gauge!(HELD).set(u32::try_from(over.held).unwrap_or(u32::MAX));
    Ok(over)
}

async fn one(rooms: &Rooms, law: &Law, id: ExchangeId, class: &str, over: &mut Over) -> Result<(), Refusal> {
    let Some(row) = rooms.store.exchange(id).await?.filter(|row| row.erased_at.is_none()) else { return Ok(()) };
    if settled(rooms, law, &row).await? {
        destroy(rooms, id, None, &format!("durée de conservation écoulée (classe {class})")).await?;
        over.erased += 1;
    } else {
        over.held += 1;
    }
    Ok(())
}

async fn expired(rooms: &Rooms, now: Instant, stop: &CancellationToken) -> Result<u64, Refusal> {
    let mut expired = 0;
    while !stop.is_cancelled() {
        match rooms.store.write(ExpireOpenings { now }).await? {
            0 => break,
            some => expired += some,
        }
    }
    Ok(expired)
}

/// Looks at intervals until told to stop.
pub async fn run(rooms: Arc<Rooms>, stop: CancellationToken) {
    loop {
        match expire(&rooms, &stop).await {
            Ok(over) if over == Over::default() => {}
            Ok(Over { erased, held, expired }) => {
                tracing::info!(erased, expired, "what has been kept long enough was erased");
                if held > 0 {
                    tracing::error!(held, "contents are kept beyond their time: nobody has answered them yet");
                }
            }
            Err(error) => {
                tracing::error!(error = %error, "what has been kept long enough could not be erased; it will be at the next look")
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Puts what alarms on the board before it counts.
pub fn count_from_zero() {
    metrics::gauge!(HELD).set(0);
}

const HELD: &str = "passerelle_retention_held";
/// How often to look: a day more or less does not matter, a month would.
const EVERY: Duration = Duration::from_secs(3600);
