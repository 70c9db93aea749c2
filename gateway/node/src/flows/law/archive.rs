//! The archive: policy sets of earlier days, given back as they were.
//!
//! A decision of a day is asked again with the set of that day, and what was accepted under an earlier catalogue is read
//! with it. A set that does not have the hash under which it is kept is damage, never a set.

use std::{path::PathBuf, sync::Arc};

use moka::sync::Cache;

use super::{LawFault, all};
use crate::{
    catalogue::Catalogue,
    policy::Policies,
    source::Files,
    store::{Store, StoreError},
};

/// What decided on an earlier day, without the directory of that day, which is not kept.
pub struct Past {
    /// Exchange types.
    pub catalogue: Catalogue,
    /// What might be.
    pub policies: Policies,
}

/// Sets of earlier days, a few of them at hand.
pub struct Archive {
    recent: Cache<String, Arc<Past>>,
}

/// Why a set of an earlier day is not given back.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveFault {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was never kept here.
    #[error("policy set `{0}` is not in the archive")]
    Unknown(String),
    /// This program cannot read it any more.
    #[error("policy set `{0}` is not readable by this version: {1}")]
    Unreadable(String, #[source] LawFault),
}

impl Default for Archive {
    fn default() -> Self {
        Self { recent: Cache::new(AT_HAND) }
    }
}

impl Past {
    /// What a set of files decides.
    ///
    /// # Errors
    /// [`LawFault`] with every mistake of the first room that has one.
    pub fn of(files: &Files) -> Result<Self, LawFault> {
        let catalogue = Catalogue::of(files).map_err(|faults| all("catalogue", &faults))?;
        let is_obligation = |code: &str| catalogue.obligation(code).is_some();
        let policies = Policies::of(files, &is_obligation).map_err(|faults| all("policies", &faults))?;
        Ok(Self { catalogue, policies })
    }
}

impl Archive {
    /// The set of this hash.
    ///
    /// # Errors
    /// [`ArchiveFault`].
    pub async fn past(&self, store: &Store, hash: &str) -> Result<Arc<Past>, ArchiveFault> {
        if let Some(past) = self.recent.get(hash) {
            return Ok(past);
        }
        let files = kept(store, hash).await?;
        // Off the executor: requests do not wait for a set to be checked.
        let past = tokio::task::spawn_blocking(move || Past::of(&files)).await.map_err(|_| StoreError::Stopping)?;
        let past = Arc::new(past.map_err(|fault| ArchiveFault::Unreadable(hash.to_owned(), fault))?);
        self.recent.insert(hash.to_owned(), past.clone());
        Ok(past)
    }
}

/// The files of a set that is kept.
///
/// # Errors
/// [`ArchiveFault::Unknown`], or [`StoreError::Damaged`] when its files do not have its hash.
pub async fn kept(store: &Store, hash: &str) -> Result<Files, ArchiveFault> {
    let texts = store.policy_files(hash).await?.ok_or_else(|| ArchiveFault::Unknown(hash.to_owned()))?;
    let files = Files::archived(PathBuf::from(format!("jeu-{}", hash.get(..12).unwrap_or(hash))), texts);
    if files.hash() == hash { Ok(files) } else { Err(StoreError::Damaged("policy_set").into()) }
}

/// Sets at hand: whoever replays a year meets a handful, and each holds every rule of every day.
const AT_HAND: u64 = 6;
