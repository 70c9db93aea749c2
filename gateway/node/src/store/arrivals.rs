//! Arrivals: who waits at a mailbox is woken by what came to that mailbox, and by nothing else.
//!
//! A hint within this process, never a promise: who waits looks again by itself too.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use exchange::Party;
use tokio::sync::watch;

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
