//! Retention: what has been kept as long as its class says (`retention.toml`) is destroyed without anybody asking, and the
//! openings of old log entries expire. The law of now decides: a shorter time also holds for what came before.

use std::{sync::Arc, time::Duration};

use exchange::{ExchangeId, Instant};
use tokio_util::sync::CancellationToken;

use super::{destroy, is_danger, settled};
use crate::{
    flows::{Law, Rooms},
    refusal::Refusal,
    retention::From,
    store::retention::{ExpireOpenings, KeepLonger, Kept, Looked},
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
    /// Contents that could not be looked at.
    pub failed: u64,
    /// Classes of contents that `retention.toml` does not have.
    pub unknown: u64,
    /// Nothing was looked at: the clock is not believed, or nobody looked before.
    pub doubted: bool,
}

/// Destroys the contents whose time is over, and forgets the openings that have expired. What is broken off goes on at the
/// next look.
///
/// # Errors
/// A store is unavailable.
pub async fn expire(rooms: &Rooms, stop: &CancellationToken) -> Result<Over, Refusal> {
    let (law, now) = (rooms.law.load_full(), rooms.clock.now());
    if !believed(rooms, now).await? {
        return Ok(Over { doubted: true, ..Over::default() });
    }
    let mut over = Over { expired: expired(rooms, now, stop).await?, ..Over::default() };
    for name in rooms.store.kept_classes().await? {
        let Some(class) = law.retention.class(&name) else {
            tracing::error!(
                class = name,
                "contents are kept for ever: no class of retention.toml has the name under which they were accepted"
            );
            over.unknown += 1;
            continue;
        };
        let (name, before) = (name.as_str(), class.over_before(now));
        let mut last = None;
        loop {
            let page = rooms.store.kept_long(name, before, last).await?;
            for kept in &page {
                if stop.is_cancelled() {
                    return Ok(over);
                }
                // One that fails keeps none of the others.
                if let Err(error) = look(rooms, &law, *kept, (name, class.from, before), &mut over).await {
                    over.failed += 1;
                    tracing::error!(exchange.id = %kept.exchange, error = %error, "a content whose time may be over could not be looked at");
                }
            }
            last = page.last().copied();
            if last.is_none() {
                break;
            }
        }
    }
    rooms.store.write(Looked { at: now }).await?;
    for (gauge, many) in [(HELD, over.held), (FAILED, over.failed), (UNKNOWN, over.unknown)] {
        metrics::gauge!(gauge).set(u32::try_from(many).unwrap_or(u32::MAX));
    }
    Ok(over)
}

/// Whether the clock is to be believed: a wrong one would destroy years, and no backup gives back what its journal destroys again.
/// It is when it was looked not long ago, and otherwise once this gateway has run a day by a clock that it does not read, while
/// people see the alarm, and members that nothing of theirs is in date.
async fn believed(rooms: &Rooms, now: Instant) -> Result<bool, Refusal> {
    let Some(last) = rooms.store.last_look().await? else {
        // The first look of all only begins to count.
        rooms.store.write(Looked { at: now }).await?;
        metrics::gauge!(DOUBTED).set(0);
        return Ok(false);
    };
    let steady = rooms.started.elapsed() >= A_DAY;
    let believed = now <= last.plus(FAR) || steady;
    metrics::gauge!(DOUBTED).set(if believed { 0 } else { 1 });
    if !believed {
        tracing::error!(clock = %now, last = %last, "the clock is far from where it was last looked what is over: nothing is erased before a day has passed");
    }
    Ok(believed)
}

async fn look(rooms: &Rooms, law: &Law, kept: Kept, (name, from, before): (&str, From, Instant), over: &mut Over) -> Result<(), Refusal> {
    let since = match from {
        From::Accepted => rooms.store.exchange(kept.exchange).await?.map(|row| row.accepted_at),
        From::LastContact => Some(rooms.store.last_contact(kept.exchange).await?),
        From::Superseded => rooms.store.superseded_at(kept.exchange).await?,
    };
    match since {
        // Nothing newer has come yet: looked at again at the next look.
        None => Ok(()),
        Some(since) if since > before => Ok(rooms.store.write(KeepLonger { exchange: kept.exchange, since }).await?),
        Some(_) => one(rooms, law, kept.exchange, name, over).await,
    }
}

async fn one(rooms: &Rooms, law: &Law, id: ExchangeId, class: &str, over: &mut Over) -> Result<(), Refusal> {
    let Some(row) = rooms.store.exchange(id).await?.filter(|row| row.erased_at.is_none()) else { return Ok(()) };
    // A deadline that nobody met and a danger that nobody evaluated do not end because nobody touched them.
    let running = is_danger(law, &row) && rooms.store.clocks_of(id).await?.iter().any(|clock| clock.stopped_at.is_none());
    if !running && settled(rooms, law, &row).await? {
        destroy(rooms, id, None, &format!("durée de conservation écoulée (classe {class})")).await?;
        over.erased += 1;
    } else {
        over.held += 1;
        tracing::error!(exchange.id = %id, "a content is kept beyond its time: somebody has yet to answer or to end a task");
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
            Ok(Over { erased, expired, .. }) => tracing::info!(erased, expired, "what has been kept long enough was erased"),
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
    for gauge in [HELD, FAILED, UNKNOWN, DOUBTED] {
        metrics::gauge!(gauge).set(0);
    }
}

const HELD: &str = "passerelle_retention_held";
const FAILED: &str = "passerelle_retention_failed";
const UNKNOWN: &str = "passerelle_retention_unknown_classes";
const DOUBTED: &str = "passerelle_retention_doubts_clock";
/// How far the clock may have moved since the last look.
const FAR: Duration = Duration::from_secs(8 * 24 * 3600);
const A_DAY: Duration = Duration::from_secs(24 * 3600);
/// How often to look: a day more or less does not matter, a month would.
const EVERY: Duration = Duration::from_secs(3600);
