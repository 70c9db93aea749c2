//! Orphans are taken away only when they looked like orphans at an earlier look too: ages are told by the clock of whoever
//! wrote, and a replica whose clock is a day ahead would take what is just being accepted.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// What looked like an orphan, and at which look first.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<(u64, HashMap<String, u64>)>);

impl Doubts {
    /// Begins the next look; what was not seen for two looks is forgotten. Looks lie further apart than any acceptance lasts.
    pub fn look(&self) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (look, seen) = &mut *inside;
        *look += 1;
        let now = *look;
        seen.retain(|_, first| now.saturating_sub(*first) <= REMEMBERED);
    }

    /// Whether this looked like an orphan at an earlier look.
    pub(super) fn before(&self, what: String) -> bool {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (look, seen) = &mut *inside;
        let now = *look;
        *seen.entry(what).or_insert(now) < now
    }
}

/// How many looks a doubt is kept.
const REMEMBERED: u64 = 2;
