//! Orphans are taken away only when they have looked like orphans for two hours: ages are told by the clock of whoever
//! wrote, and a replica whose clock is a day ahead would take what is just being accepted.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// What looked like an orphan, and at which look first.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<(u64, HashMap<String, u64>)>);

impl Doubts {
    /// How many looks later it is taken away: ten minutes apart, longer than a deposit with files may last.
    pub const LOOKS: u64 = 12;

    /// Begins the next look.
    pub fn look(&self) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (look, seen) = &mut *inside;
        *look += 1;
        let now = *look;
        seen.retain(|_, first| now.saturating_sub(*first) <= REMEMBERED);
    }

    /// Whether this has looked like an orphan for [`Doubts::LOOKS`] looks.
    pub(super) fn before(&self, what: String) -> bool {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (look, seen) = &mut *inside;
        let now = *look;
        now.saturating_sub(*seen.entry(what).or_insert(now)) >= Self::LOOKS
    }
}

/// How many looks a doubt is kept; then it is another one.
const REMEMBERED: u64 = Doubts::LOOKS + 1;
