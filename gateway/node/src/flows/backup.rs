//! Backing up: the databases of a running gateway, copied in an order that leaves nothing named and missing.
//!
//! Acceptance writes attachments, keys and identities before the exchange that names them. So the exchanges are copied first
//! and the keys last: whatever an earlier copy names is in the later ones. What they hold beyond it is orphans, swept after a
//! day. What is erased between two copies is in the journal of the keys, copied last, and the next start says it. What is
//! *collected* between them was named by no exchange, nor is it by the copied ones.
//!
//! The keys go to a folder of their own, which lives 30 days at most: destroying a key must come to mean something. Nothing
//! here is a secret by itself, and both folders with the master keys are everything: those are never copied.

mod document;
mod fault;
mod folder;
pub mod journal;
mod mark;
mod restore;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use exchange::Instant;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Clock,
    log::SignedCheckpoint,
    seal::KeyStore,
    store::{Part, copy},
};

pub use fault::BackupFault;
use folder::{Copied, Unfinished};
pub use journal::Journal;
pub use mark::{Mark, last, note_last, say_restored};
pub use restore::{Replay, Restore, Restored, replay, restore};

/// What is to be copied, and where to.
pub struct Backup<'a> {
    /// Which gateway.
    pub whose: Whose<'a>,
    /// Folder of the databases.
    pub data: &'a Path,
    /// Configuration file.
    pub config: &'a Path,
    /// Folders of the configuration, with the name each has in the backup.
    pub folders: &'a [(&'static str, PathBuf)],
    /// Files that are never copied, wherever they lie: keys.
    pub never: &'a [PathBuf],
    /// New or empty folder for everything but the keys of contents.
    pub to: &'a Path,
    /// New or empty folder for the keys of contents.
    pub keys_to: &'a Path,
}

/// Which gateway a backup, a journal or a restore is of.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// Id.
    pub gateway: &'a str,
    /// Origin of its log.
    pub origin: &'a str,
    /// Its master keys: they seal what is written, so that a changed line shows.
    pub keystore: &'a KeyStore,
}

/// What a folder of a backup holds: `backup.json`, written last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    version: u32,
    /// Id of the gateway.
    pub gateway: String,
    /// Origin of its log.
    pub origin: String,
    /// Fingerprint of the master keys without which nothing here opens.
    pub keystore: String,
    /// Nothing that was accepted or erased before this instant is missing.
    pub at: Instant,
    /// The newest checkpoint of the copied log; absent beside keys, and before the first start.
    pub log: Option<Head>,
    /// Every other file of the folder.
    pub files: BTreeMap<String, Copied>,
}

/// The head of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Entries.
    pub size: u64,
    /// Root over them, base64.
    pub root: String,
}

impl Head {
    fn read((size, note): (u64, String)) -> Result<Self, BackupFault> {
        let note: SignedCheckpoint = note.parse().map_err(|_| BackupFault::Log)?;
        Ok(Self { size, root: note.checkpoint.root.to_string() })
    }
}

/// Copies everything; says what each folder holds. Both appear under their names when they are complete, and not before.
///
/// # Errors
/// [`BackupFault`]; nothing is left under the names asked for, or the keys alone.
pub async fn take(plan: &Backup<'_>, clock: &dyn Clock, progress: Progress<'_>) -> Result<[Manifest; 2], BackupFault> {
    // 1. Room and names.
    if plan.keys_to.starts_with(plan.to) || plan.to.starts_with(plan.keys_to) {
        return Err(BackupFault::Together);
    }
    let database = |part: Part| plan.data.join(part.as_str()).with_extension("db");
    for part in Part::ALL {
        if !database(part).is_file() {
            return Err(BackupFault::NoDatabase(database(part)));
        }
    }
    let main = Unfinished::begin(plan.to)?;
    let keys = Unfinished::begin(plan.keys_to)?;
    let bytes = |part: Part| database(part).metadata().map_or(0, |file| file.len());
    main.has_room(MAIN.into_iter().map(bytes).sum())?;
    keys.has_room(bytes(Part::Keys))?;
    // 2. What names others first.
    let at = clock.now();
    let mut files = BTreeMap::new();
    for part in MAIN {
        copied(&database(part), part, &main, &mut files, progress).await?;
    }
    let log = head(&main.file(&name(Part::Gateway))).await?;
    // 3. What a new machine needs besides, and is no secret.
    files.insert(CONFIG.to_owned(), main.copy(plan.config, CONFIG)?);
    for (name, folder) in plan.folders {
        main.copy_folder(folder, &format!("configuration/{name}"), plan.never, &mut files)?;
    }
    let manifest = Manifest::new(&plan.whose, at, log, files);
    document::write(&main.file(MANIFEST), &manifest, plan.whose.keystore)?;
    // 4. The keys last. Whatever a clock says that was put back meanwhile, they are no older than the rest.
    let mut files = BTreeMap::new();
    let at = clock.now().max(at);
    copied(&database(Part::Keys), Part::Keys, &keys, &mut files, progress).await?;
    let manifest_of_keys = Manifest::new(&plan.whose, at, None, files);
    document::write(&keys.file(MANIFEST), &manifest_of_keys, plan.whose.keystore)?;
    // 5. Complete: a crash between the two leaves keys that belong to nothing.
    keys.finish()?;
    main.finish()?;
    Ok([manifest, manifest_of_keys])
}

impl Manifest {
    fn new(whose: &Whose<'_>, at: Instant, log: Option<Head>, files: BTreeMap<String, Copied>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            gateway: whose.gateway.to_owned(),
            origin: whose.origin.to_owned(),
            keystore: whose.keystore.fingerprint().to_owned(),
            at,
            log,
            files,
        }
    }

    /// The manifest of a folder, when it is complete, unchanged and of this gateway.
    fn read(folder: &Path, whose: &Whose<'_>) -> Result<Self, BackupFault> {
        let file = folder.join(MANIFEST);
        if !file.is_file() {
            return Err(BackupFault::NoBackup(folder.to_owned()));
        }
        let manifest: Self = document::read(&file, whose.keystore)?;
        if manifest.format != FORMAT || manifest.version != VERSION {
            return Err(BackupFault::Format(file));
        }
        if manifest.gateway != whose.gateway || manifest.origin != whose.origin {
            return Err(BackupFault::AnotherGateway { file, theirs: format!("{} ({})", manifest.gateway, manifest.origin) });
        }
        Ok(manifest)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}

/// Told which file, bytes done, of how many.
pub type Progress<'a> = &'a dyn Fn(&str, u64, u64);

async fn copied(
    database: &Path,
    part: Part,
    to: &Unfinished,
    files: &mut BTreeMap<String, Copied>,
    progress: Progress<'_>,
) -> Result<(), BackupFault> {
    let name = name(part);
    // Empty and private before anything is in it.
    let file = to.create(&name)?;
    copy::copy(&url(database), part, &file, &|done, of| progress(&name, done, of)).await?;
    files.insert(name, folder::settle(&file)?);
    Ok(())
}

async fn head(gateway: &Path) -> Result<Option<Head>, BackupFault> {
    copy::newest_checkpoint(&url(gateway)).await?.map(Head::read).transpose()
}

fn url(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

/// File of a database, in a backup as in the data folder.
fn name(part: Part) -> String {
    format!("{}.db", part.as_str())
}

/// In the order in which they are copied; the keys come last, elsewhere.
const MAIN: [Part; 3] = [Part::Gateway, Part::Attachments, Part::Vault];
/// Says what a folder holds; it is there when the folder is complete.
const MANIFEST: &str = "backup.json";
const CONFIG: &str = "configuration/gateway.toml";
const FORMAT: &str = "passerelle-backup";
const VERSION: u32 = 1;
