//! Deposits of danger under one key go one after the other: the same one may come with a name and without, and the database
//! keeps apart only what has one author. Between replicas nothing does; then both are kept, and a person sees two.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use exchange::InstitutionId;
use tokio::sync::OwnedMutexGuard;

/// The keys under which something is being deposited here.
#[derive(Debug, Default)]
pub struct KeyTurns(Mutex<HashMap<(InstitutionId, String), Turn>>);

/// Held by who is at it and by who waits.
type Turn = Weak<tokio::sync::Mutex<()>>;

impl KeyTurns {
    /// Waits until nothing else is being deposited under this key, blinded, of this institution.
    pub(super) async fn turn(&self, institution: &InstitutionId, key: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if turns.len() > MANY {
                turns.retain(|_, turn| turn.strong_count() > 0);
            }
            let name = (institution.clone(), key.to_owned());
            let known = turns.get(&name).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::new(tokio::sync::Mutex::new(()));
                turns.insert(name, Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}

/// After so many the names of those that are over are forgotten: more than can be under way at once, or nearly.
const MANY: usize = 10_000;
