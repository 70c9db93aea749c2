//! Arrivals: who waits at a mailbox is woken by what came to that mailbox, and by nothing else.
//!
//! A hint, never a promise: who waits looks again by itself too. What came by another replica is seen by looking at the
//! cursors, a few times a second: cursors are given in the order of the commits, so none is missed, and no acceptance pays
//! for a notification.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use exchange::Party;
use tokio::sync::watch;

use super::{
    Store, StoreError,
    columns::{number, party, text},
};

/// One bell for each unit at which somebody waited: as many as the directory has units, at most.
#[derive(Debug, Clone, Default)]
pub(super) struct Arrivals(Arc<Mutex<HashMap<Party, watch::Sender<u64>>>>);

impl Arrivals {
    /// The bell of a unit, unless `at_most` wait at it already.
    pub(super) fn wait_at(&self, unit: &Party, at_most: usize) -> Option<watch::Receiver<u64>> {
        let mut bells = self.lock();
        let bell = bells.entry(unit.clone()).or_default();
        (bell.receiver_count() < at_most).then(|| bell.subscribe())
    }

    /// Something came to a unit.
    pub(super) fn ring(&self, unit: &Party) {
        if let Some(bell) = self.lock().get(unit) {
            bell.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Party, watch::Sender<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rings for what came by other replicas, until the store is closed.
pub(super) async fn hear(store: Store) {
    let mut last = None;
    while !store.pool.is_closed() {
        match news(&store, last).await {
            Ok(cursor) => last = Some(cursor),
            // Who waits looks again by itself; so do we.
            Err(error) => tracing::debug!(error = %error, "arrivals of other replicas could not be heard"),
        }
        tokio::time::sleep(HEAR).await;
    }
}

/// Rings for what came after a cursor; gives the next one. Without one: the newest.
async fn news(store: &Store, last: Option<i64>) -> Result<i64, StoreError> {
    let Some(mut last) = last else {
        let row = store.row("last_arrival", sqlx::query(LAST_ARRIVAL)).await?;
        return row.map_or(Ok(0), |row| number(&row, "arrival"));
    };
    for row in store.rows("arrivals_after", sqlx::query(ARRIVALS_AFTER).bind(last)).await? {
        store.arrived(&party(&text(&row, "institution")?, &text(&row, "unit")?)?);
        last = number(&row, "arrival")?;
    }
    Ok(last)
}

/// How often to look: what a member waits longer than for an arrival by its own replica.
const HEAR: Duration = Duration::from_millis(200);

/// Statements of the paths whose cost must not grow with history (invariant 13).
#[cfg(test)]
pub(super) const HOT: &[&str] = &[LAST_ARRIVAL, ARRIVALS_AFTER];

const LAST_ARRIVAL: &str = "-- last_arrival
SELECT arrival FROM delivery ORDER BY arrival DESC LIMIT 1";

const ARRIVALS_AFTER: &str = "-- arrivals_after
SELECT arrival, institution, unit FROM delivery WHERE arrival > $1 ORDER BY arrival LIMIT 1000";

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str) -> Party {
        Party { institution: "departement-31".parse().unwrap(), unit: Some(name.parse().unwrap()) }
    }

    #[tokio::test]
    async fn only_the_bell_of_the_unit_rings_and_places_are_counted() {
        let arrivals = Arrivals::default();
        let (mut crip, pmi) = (arrivals.wait_at(&unit("crip"), 1).unwrap(), arrivals.wait_at(&unit("pmi"), 1).unwrap());
        assert!(arrivals.wait_at(&unit("crip"), 1).is_none(), "the place is taken");
        arrivals.ring(&unit("crip"));
        crip.changed().await.unwrap();
        assert!(!pmi.has_changed().unwrap());
        drop(crip);
        assert!(arrivals.wait_at(&unit("crip"), 1).is_some(), "the place is free again");
        arrivals.ring(&unit("ase"));
    }
}
