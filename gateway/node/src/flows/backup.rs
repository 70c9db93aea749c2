//! Backing up: the databases of a running gateway, copied in an order that leaves nothing named and missing.
//!
//! Acceptance writes attachments, keys and identities before the exchange that names them. So the exchanges are copied first
//! and the keys last: whatever an earlier copy names is in the later ones. What they hold beyond it is orphans, swept after a
//! day. What is erased between two copies is in the journal of the keys, copied last, and the next start says it. What is
//! *collected* between them was named by no exchange, nor is it by the copied ones.
//!
//! The keys go to a folder of their own, which lives 30 days at most: destroying a key must come to mean something. Nothing
//! here is a secret by itself, and both folders with the master keys are everything: those are never copied.

mod configuration;
mod document;
mod fault;
mod file;
mod folder;
pub mod journal;
mod mark;
mod restore;
mod room;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use exchange::Instant;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    log::SignedCheckpoint,
    seal::KeyStore,
    store::{Part, copy},
};

pub use fault::BackupFault;
use file::Copied;
use folder::Unfinished;
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
    /// Stops it: then nothing is left of it.
    pub stop: &'a CancellationToken,
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
    // Each step asks whether it is to go on, and ends in its own way: dropped in the middle, it would leave files behind.
    copy_all(plan, clock, progress).await.map_err(|fault| if plan.stop.is_cancelled() { BackupFault::Stopped } else { fault })
}

async fn copy_all(plan: &Backup<'_>, clock: &dyn Clock, progress: Progress<'_>) -> Result<[Manifest; 2], BackupFault> {
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
    let places = [plan.data, plan.to, plan.keys_to, main.folder(), keys.folder()].map(Path::to_owned);
    let configuration = configuration::list(plan.folders, &[&places, plan.never].concat())?;
    let of_databases: u64 = MAIN.into_iter().map(|part| size(&database(part))).sum();
    let of_main = of_databases + configuration.iter().map(|file| file.bytes).sum::<u64>();
    let of_keys = size(&database(Part::Keys));
    let together = if room::share_a_disk(main.folder(), keys.folder())? { of_keys } else { 0 };
    room::leaves_room(main.folder(), of_main + together)?;
    room::leaves_room(keys.folder(), of_keys)?;
    // 2. What names others first.
    let at = clock.now();
    let mut files = BTreeMap::new();
    for part in MAIN {
        copied(&database(part), part, &main, &mut files, plan.stop, progress).await?;
    }
    let log = head(&main.file(&name(Part::Gateway))).await?;
    // 3. What a new machine needs besides, and is no secret.
    files.insert(CONFIG.to_owned(), main.copy(plan.config, CONFIG, &going_on(plan.stop))?);
    for one in configuration {
        if !configuration::holds_a_key(&one.path)? {
            let copied = main.copy(&one.path, &one.name, &going_on(plan.stop))?;
            files.insert(one.name, copied);
        }
    }
    let manifest = Manifest::new(&plan.whose, at, log, files);
    document::write(&main.file(MANIFEST), &manifest, plan.whose.keystore)?;
    // 4. The keys last. Whatever a clock says that was put back meanwhile, they are no older than the rest.
    let mut files = BTreeMap::new();
    let at = clock.now().max(at);
    copied(&database(Part::Keys), Part::Keys, &keys, &mut files, plan.stop, progress).await?;
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
    stop: &CancellationToken,
    progress: Progress<'_>,
) -> Result<(), BackupFault> {
    let name = name(part);
    // Empty and private before anything is in it.
    let file = to.create(&name)?;
    copy::copy(&url(database), &file, stop, &|done, of| progress(&name, done, of)).await?;
    files.insert(name, file::settle(&file, u64::MAX, &going_on(stop))?);
    Ok(())
}

/// Ends what reads and writes without a pause, when somebody stops it.
fn going_on(stop: &CancellationToken) -> impl Fn(u64) -> io::Result<()> + '_ {
    move |_| if stop.is_cancelled() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
}

/// Bytes of a database, with those that are only in its log yet.
fn size(database: &Path) -> u64 {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    [database, Path::new(&log)].into_iter().map(|file| file.metadata().map_or(0, |found| found.len())).sum()
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
