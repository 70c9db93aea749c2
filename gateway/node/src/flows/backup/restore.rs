//! Restoring: a backup put into an empty data folder, with what was erased since destroyed again before anything serves.
//!
//! Everything is made ready in a folder inside the data folder; while that is there no database is opened beside it, so a
//! crash leaves a gateway that does not start, and the same command begins anew.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use exchange::Instant;

use super::{
    BackupFault, Head, Journal, MAIN, Manifest, Mark, Progress, Whose,
    file::{self, unusable},
    folder, head,
    journal::Replayed,
    mark::MARK,
    name, room, url,
};
use crate::{
    clock::Clock,
    seal::KeyStore,
    store::{
        BESIDE, Part, RESTORING, Seat, Store, StoreError,
        attachments::Attachments,
        copy::{self, RenewCursors},
        keys::Keys,
        vault::Vault,
    },
};

/// What is to be put back, and where.
pub struct Restore<'a> {
    /// Which gateway.
    pub whose: Whose<'a>,
    /// Folder of the databases: absent, empty, or left by a restore that was interrupted.
    pub data: &'a Path,
    /// Folder with everything but the keys of contents.
    pub from: &'a Path,
    /// Folder with the keys of contents.
    pub keys_from: &'a Path,
    /// Erasure journals.
    pub journals: &'a [PathBuf],
    /// Somebody says that nothing was erased since the keys were copied.
    pub nothing_erased: bool,
}

/// What was put back.
#[derive(Debug)]
pub struct Restored {
    /// When the exchanges were copied.
    pub copied_at: Instant,
    /// When the keys were.
    pub keys_at: Instant,
    /// The newest checkpoint that the copied log knows.
    pub log: Option<Head>,
    /// Up to when erasures are known.
    pub erasures_until: Instant,
    /// What had come back and was destroyed again.
    pub replayed: Replayed,
}

/// Puts a backup back. When it returns, the gateway may start; before, it does not.
///
/// # Errors
/// [`BackupFault`]; nothing can be served from the folder then.
pub async fn restore(
    plan: &Restore<'_>,
    keystore: Arc<KeyStore>,
    clock: &dyn Clock,
    progress: Progress<'_>,
) -> Result<Restored, BackupFault> {
    // 1. Is it a backup of this gateway, whole, with keys that fit and erasures that are known?
    let main = Manifest::read(plan.from, &plan.whose)?;
    let keys = Manifest::read(plan.keys_from, &plan.whose)?;
    if keys.at < main.at {
        return Err(BackupFault::OlderKeys { keys: keys.at, main: main.at });
    }
    let journals = read_all(plan.journals, &plan.whose, clock)?;
    // The copied keys know what was erased before them.
    let until = journals.iter().map(|journal| journal.at).max().filter(|until| *until >= keys.at);
    if until.is_none() && !plan.nothing_erased {
        return Err(BackupFault::ErasuresUnknown(keys.at));
    }
    // 2. Into a folder that nothing is served from.
    let restoring = begin(plan.data)?;
    room::has_room(&restoring, main.bytes() + keys.bytes())?;
    bring(plan.from, &main, &MAIN, &restoring, progress)?;
    bring(plan.keys_from, &keys, &[Part::Keys], &restoring, progress)?;
    // 3. The keys first: what was erased since the copy does not come back.
    let at = |part: Part| url(&restoring.join(name(part)));
    let database = Keys::open(&at(Part::Keys), keystore.clone()).await?;
    let replayed = destroy_again(&journals, &database).await?;
    database.close().await;
    // 4. Each database is of these master keys and of this version, or is brought to it.
    Vault::open(&at(Part::Vault), keystore.clone()).await?.close().await;
    Attachments::open(&at(Part::Attachments), &keystore).await?.close().await;
    let store = Store::open(&at(Part::Gateway)).await?;
    store.write(RenewCursors).await?;
    store.close().await;
    if head(&restoring.join(name(Part::Gateway))).await? != main.log {
        return Err(BackupFault::Log);
    }
    // 5. Instants say nothing of a line of history: does every content have its key, or its erasure?
    let missing = copy::without_key(&at(Part::Gateway), &at(Part::Keys), &|done, of| progress(CONTENTS, done, of)).await?;
    if missing > 0 {
        return Err(BackupFault::KeysMissing { missing });
    }
    // 6. In place, and the mark for the next start with it.
    let mark = Mark { at: clock.now(), copied_at: Some(main.at), log: main.log.clone(), erasures_until: until };
    mark.leave(&restoring)?;
    put_in_place(&restoring, plan.data)?;
    Ok(Restored { copied_at: main.at, keys_at: keys.at, log: main.log, erasures_until: until.unwrap_or(keys.at), replayed })
}

/// What other means put back, and what was erased since.
pub struct Replay<'a> {
    /// Which gateway.
    pub whose: Whose<'a>,
    /// URL of the database of exchanges.
    pub exchanges: &'a str,
    /// URL of the database of keys.
    pub keys: &'a str,
    /// Where the mark for the next start is left.
    pub data: &'a Path,
    /// Erasure journals.
    pub journals: &'a [PathBuf],
}

/// Does to databases that the server itself, or a copy of its disk, put back what [`restore`] does to a backup. Doing it
/// again does no harm.
///
/// # Errors
/// [`BackupFault`]: to be done again.
pub async fn replay(plan: &Replay<'_>, keystore: Arc<KeyStore>, clock: &dyn Clock) -> Result<Replayed, BackupFault> {
    let journals = read_all(plan.journals, &plan.whose, clock)?;
    // Beside a gateway, what is destroyed here stays open in its memory; where it runs, only the database knows.
    let seat = match Seat::alone(plan.exchanges).await {
        Err(StoreError::Running) => return Err(BackupFault::Serving),
        seat => seat?,
    };
    let database = Keys::open(plan.keys, keystore).await?;
    let replayed = destroy_again(&journals, &database).await?;
    database.close().await;
    let store = Store::open(plan.exchanges).await?;
    store.write(RenewCursors).await?;
    let log = store.latest_checkpoint().await?.map(Head::read).transpose()?;
    store.close().await;
    let until = journals.iter().map(|journal| journal.at).max();
    Mark { at: clock.now(), copied_at: None, log, erasures_until: until }.leave(plan.data)?;
    seat.leave().await;
    Ok(replayed)
}

/// Journals of this gateway. One of the future would pass for newer than it is.
fn read_all(files: &[PathBuf], whose: &Whose<'_>, clock: &dyn Clock) -> Result<Vec<Journal>, BackupFault> {
    let latest = clock.now().plus(CLOCKS_DIFFER);
    let read = |file: &PathBuf| match Journal::read(file, whose)? {
        Journal { at, .. } if at > latest => Err(BackupFault::Future { file: file.clone(), at }),
        journal => Ok(journal),
    };
    files.iter().map(read).collect()
}

async fn destroy_again(journals: &[Journal], keys: &Keys) -> Result<Replayed, BackupFault> {
    let mut replayed = Replayed::default();
    for journal in journals {
        let again = journal.replay(keys).await?;
        replayed.erased += again.erased;
        replayed.closed += again.closed;
    }
    Ok(replayed)
}

/// The folder in which everything is made ready. Whatever an interrupted restore left goes first: nothing was ever served
/// from a folder that has it.
fn begin(data: &Path) -> Result<PathBuf, BackupFault> {
    let restoring = data.join(RESTORING);
    let new = |folder: &Path, recursive: bool| DirBuilder::new().recursive(recursive).mode(0o700).create(folder).map_err(unusable(folder));
    new(data, true)?;
    if restoring.is_dir() {
        let databases = Part::ALL.into_iter().flat_map(|part| [""].into_iter().chain(BESIDE).map(move |end| name(part) + end));
        for file in databases.chain([MARK.to_owned()]).map(|file| data.join(file)).filter(|file| file.exists()) {
            fs::remove_file(&file).map_err(unusable(&file))?;
        }
        // Last, for it is what keeps the rest from being served.
        folder::sync(data)?;
        fs::remove_dir_all(&restoring).map_err(unusable(&restoring))?;
    }
    if !folder::is_new(data)? {
        return Err(BackupFault::NotEmpty(data.to_owned()));
    }
    new(&restoring, false)?;
    folder::sync(data)?;
    Ok(restoring)
}

/// Copies the databases of a folder, and holds every file of it against the manifest.
fn bring(from: &Path, manifest: &Manifest, parts: &[Part], to: &Path, progress: Progress<'_>) -> Result<(), BackupFault> {
    for part in parts.iter().map(|part| name(*part)) {
        if !manifest.files.contains_key(&part) {
            return Err(BackupFault::NoBackup(from.join(part)));
        }
    }
    for (file, written) in &manifest.files {
        let source = from.join(file);
        let found = if parts.iter().any(|part| name(*part) == *file) {
            file::copy(&source, &to.join(file), written.bytes, &|done| {
                progress(file, done, written.bytes);
                Ok(())
            })?
        } else {
            file::settle(&source, written.bytes, &|_| Ok(()))?
        };
        if found != *written {
            return Err(BackupFault::AnotherFile(source));
        }
    }
    Ok(())
}

/// Moves everything beside the folder it was made in, which goes last.
fn put_in_place(restoring: &Path, data: &Path) -> Result<(), BackupFault> {
    folder::sync(restoring)?;
    for entry in fs::read_dir(restoring).map_err(unusable(restoring))? {
        let entry = entry.map_err(unusable(restoring))?;
        fs::rename(entry.path(), data.join(entry.file_name())).map_err(unusable(&entry.path()))?;
    }
    folder::sync(data)?;
    fs::remove_dir_all(restoring).map_err(unusable(restoring))?;
    folder::sync(data)
}

/// What progress names while contents and keys are compared.
pub const CONTENTS: &str = "contenus";
/// Clocks of two machines may differ by so much.
const CLOCKS_DIFFER: Duration = Duration::from_secs(3600);
