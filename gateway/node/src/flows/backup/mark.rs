//! The mark that a restore leaves for the next start: what was put back, so that the log says it before anything else, and
//! the whole erasure journal is walked rather than its recent part.

use std::{
    fs::{self, DirBuilder},
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use exchange::Instant;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BackupFault, Head, document, file::unusable, folder};
use crate::{
    flows::Rooms,
    log::Event,
    refusal::Refusal,
    seal::pseudonym::Domain,
    store::{audit::AppendEntries, keys::DomainState},
};

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// When.
    pub at: Instant,
    /// When the copy was taken; absent when the database server's own means put it back.
    pub copied_at: Option<Instant>,
    /// The newest checkpoint of the copied log: what was signed after it is in no log of this gateway.
    pub log: Option<Head>,
    /// Up to when erasures are known; absent when somebody said that there were none.
    pub erasures_until: Option<Instant>,
}

impl Mark {
    /// The mark in a data folder, if a restore left one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(data: &Path) -> Result<Option<Self>, BackupFault> {
        let file = path(data);
        match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|_| BackupFault::Format(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&file)(error)),
        }
    }

    /// Leaves the mark for the next start.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn leave(&self, data: &Path) -> Result<(), BackupFault> {
        let file = path(data);
        DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(unusable(data))?;
        let bytes = serde_json::to_vec_pretty(self).map_err(|_| BackupFault::Format(file.clone()))?;
        document::replace(&file, &bytes)
    }

    /// Takes the mark away, once the log holds what it says and every erasure was finished. A crash before that: all of it
    /// is done again, and said twice.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(data: &Path) -> Result<(), BackupFault> {
        fs::remove_file(path(data)).map_err(unusable(&path(data)))?;
        folder::sync(data)
    }
}

/// Says in the log that a copy was put back, and which: whoever holds a newer checkpoint or receipt finds here why. It says
/// with it every space of pseudonyms that is closed: keys are copied after the log, or put back from a later copy, and then
/// know of closings that this log does not.
///
/// # Errors
/// The store is unavailable.
pub async fn say_restored(rooms: &Rooms, mark: &Mark) -> Result<(), Refusal> {
    let law = rooms.law.load_full();
    let closed = rooms.keys.domains().await?.into_iter().filter_map(|DomainState { domain, closed_at, .. }| {
        let Domain { recipient, purpose, agreement } = domain;
        closed_at.map(|at| json!({"recipient": recipient, "purpose": purpose, "agreement": agreement, "closed_at": at}))
    });
    let statement = rooms
        .state(&law, Event::GatewayRestored, None, rooms.clock.now())
        .commit("copied_at", &mark.copied_at)
        .commit("log", &mark.log)
        .commit("restored_at", &mark.at)
        .commit("erasures_until", &mark.erasures_until)
        .commit("closed_domains", &closed.collect::<Vec<_>>());
    let entry = rooms.entry(statement)?;
    Ok(rooms.store.write(AppendEntries(vec![entry])).await?)
}

/// Notes in the data folder when the last backup was taken, for whoever asks how old it is.
///
/// # Errors
/// It cannot be written; the backup is none the worse.
pub fn note_last(data: &Path, at: Instant) -> Result<(), BackupFault> {
    document::replace(&data.join(LAST), at.to_string().as_bytes())
}

/// When the last backup was taken, as far as the data folder knows.
pub fn last(data: &Path) -> Option<Instant> {
    fs::read_to_string(data.join(LAST)).ok()?.trim().parse().ok()
}

fn path(data: &Path) -> PathBuf {
    data.join(MARK)
}

/// In the data folder between a restore and the end of the next start.
pub(super) const MARK: &str = "restored.json";
/// In the data folder: the instant of the last backup.
const LAST: &str = "last-backup";
