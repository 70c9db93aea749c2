//! Sweeping: what a crash left between two commits is finished or taken away.
//!
//! Keys, identities and attachments are written before the exchange that names them: a crash between leaves orphans, which nothing was
//! promised for. An erasure destroys keys before it says so: a crash between leaves it to be said. What the portal kept for a while
//! goes when its time is over.

use std::{sync::Arc, time::Duration};

use exchange::{ExchangeId, Instant};
use tokio_util::sync::CancellationToken;

use super::Rooms;
use crate::{
    log::Event,
    refusal::Refusal,
    store::{StoreError, exchange::MarkErased, keys::Erasure, portal::DropOver},
};

/// How much of the erasure journal is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// What a crash can have interrupted: it was not longer ago than that, and a start does not read the whole journal.
    Recent,
    /// The last day of it: what somebody gave up waiting for.
    Latest,
    /// All of it: a copy that was put back may be older than what was erased long ago.
    Whole,
}

/// Says of each erasure that a crash interrupted, or that a restored copy does not know, that it happened; gives how many
/// there were.
///
/// # Errors
/// A store is unavailable.
pub async fn finish_erasures(rooms: &Rooms, walk: Walk) -> Result<usize, Refusal> {
    let law = rooms.law.load_full();
    let since = match walk {
        Walk::Recent => rooms.clock.now().minus(RECENT),
        Walk::Latest => rooms.clock.now().minus(PATIENCE),
        Walk::Whole => Instant::from_unix_ms(i64::MIN),
    };
    let mut last = Erasure { exchange: ExchangeId::default(), at: since, motive: String::new() };
    let mut finished = 0;
    loop {
        let page = rooms.keys.erasures(Some(&last)).await?;
        for erasure in &page {
            let unsaid = rooms.store.exchange(erasure.exchange).await?.is_some_and(|row| row.erased_at.is_none());
            if unsaid {
                rooms.vault.forget(erasure.exchange).await?;
                rooms.attachments.drop_all(&rooms.store.attachments_of_none_else(erasure.exchange).await?).await?;
                let now = rooms.clock.now();
                let statement = rooms.state(&law, Event::ExchangeErased, Some(erasure.exchange), now).commit("motive", &erasure.motive);
                let entry = rooms.entry(statement)?;
                match rooms.store.write(MarkErased { id: erasure.exchange, at: now, entry }).await {
                    Ok(()) => finished += 1,
                    // Another replica said it meanwhile.
                    Err(StoreError::NotThere(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        match page.into_iter().last() {
            Some(erasure) => last = erasure,
            None => return Ok(finished),
        }
    }
}

/// Takes away keys, identities and attachments that no exchange names, a day after they were written and after two hours of doubt.
///
/// # Errors
/// A store is unavailable.
pub async fn collect_orphans(rooms: &Rooms) -> Result<usize, Refusal> {
    let before = rooms.clock.now().minus(PATIENCE);
    let doubts = &rooms.doubts;
    doubts.look();
    let attachments = rooms.attachments.collect_orphans(&rooms.store, before, doubts).await?;
    let vault = rooms.vault.collect_orphans(&rooms.store, before, doubts).await?;
    Ok(attachments + vault + rooms.keys.collect_orphans(&rooms.store, before, doubts).await?)
}

/// Sweeps at intervals until told to stop.
pub async fn run(rooms: Arc<Rooms>, stop: CancellationToken) {
    loop {
        match collect_orphans(&rooms).await {
            Ok(0) => {}
            Ok(orphans) => tracing::info!(orphans, "what an interrupted acceptance had left was taken away"),
            Err(error) => tracing::error!(error = %error, "orphans could not be collected; they will be at the next look"),
        }
        match finish_erasures(&rooms, Walk::Latest).await {
            Ok(0) => {}
            Ok(finished) => tracing::info!(finished, "erasures that were broken off were finished"),
            Err(error) => tracing::error!(error = %error, "erasures could not be finished; they will be at the next look"),
        }
        if let Err(error) = rooms.store.write(DropOver(rooms.clock.now())).await {
            tracing::error!(error = %error, "drafts and sessions that are over could not be taken away; they will be at the next look");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// How far back an interrupted erasure is looked for.
const RECENT: Duration = Duration::from_secs(90 * 24 * 3600);
/// How long an acceptance may be under way at the most, by clocks that are wrong, or jump: taking the key of an exchange that
/// is just being accepted would lose it, and an orphan does no harm.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// How often to look.
const EVERY: Duration = Duration::from_secs(600);
