//! What a running gateway knows of policy sets: where the folder lies, how it stands to the set in force, and whose turn
//! it is to change anything.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::{
    Law, LawFault,
    archive::{Archive, ArchiveFault, Past},
};
use crate::{flows::Rooms, refusal::Refusal, source::Files, store::audit::NewEntry};

/// How the policies folder stands to the set in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FolderState {
    /// The folder holds the set in force.
    InForce,
    /// The folder holds another set, which waits until it is proposed and approved.
    Pending {
        /// Hash of what the folder holds.
        hash: String,
    },
    /// What the folder holds has mistakes.
    Mistaken,
}

/// The policy sets of a running gateway.
pub struct Sets {
    /// The `policies` folder.
    pub folder: PathBuf,
    /// The `directory` folder.
    pub directory: PathBuf,
    /// Held by whoever puts another law in force: the one that is read first must not overwrite the other.
    pub changing: Mutex<()>,
    /// Sets of earlier days.
    pub archive: Archive,
    state: ArcSwap<FolderState>,
}

impl FolderState {
    /// Stable word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::Pending { .. } => "pending",
            Self::Mistaken => "mistakes",
        }
    }

    /// How a set stands to the one in force.
    pub fn of(folder: &Result<Law, LawFault>, in_force: &str) -> Self {
        match folder {
            Ok(law) if law.files.hash() == in_force => Self::InForce,
            Ok(law) => Self::Pending { hash: law.files.hash().to_owned() },
            Err(_) => Self::Mistaken,
        }
    }
}

impl Sets {
    /// Those of the gateway whose data lie in these folders.
    pub fn new(folder: PathBuf, directory: PathBuf) -> Self {
        let state = ArcSwap::from_pointee(FolderState::InForce);
        Self { folder, directory, changing: Mutex::new(()), archive: Archive::default(), state }
    }

    /// How the folder stood at the last look.
    pub fn state(&self) -> Arc<FolderState> {
        self.state.load_full()
    }

    /// Remembers how the folder stands, and puts it on the board.
    pub fn stands(&self, state: FolderState) {
        metrics::gauge!(PENDING).set(if state == FolderState::InForce { 0.0 } else { 1.0 });
        self.state.store(Arc::new(state));
    }

    /// Reads a law off the executor: a set takes a while to check, and requests do not wait for it.
    ///
    /// # Errors
    /// [`LawFault`], also when the reading itself broke off.
    pub async fn law(&self, files: Arc<Files>) -> Result<Law, LawFault> {
        read(Law::read, files, &self.directory).await
    }

    /// The same of a set that is to take force ([`Law::read_new`]).
    ///
    /// # Errors
    /// [`LawFault`].
    pub async fn new_law(&self, files: Arc<Files>) -> Result<Law, LawFault> {
        read(Law::read_new, files, &self.directory).await
    }

    /// What the policies folder holds now, as a set that may take force.
    ///
    /// # Errors
    /// [`LawFault`].
    pub async fn folder(&self) -> Result<Law, LawFault> {
        let folder = self.folder.clone();
        let files = tokio::task::spawn_blocking(move || Files::read(&folder)).await.map_err(|_| broken_off())?;
        self.new_law(Arc::new(files)).await
    }
}

type Reader = fn(Arc<Files>, &Path) -> Result<Law, LawFault>;

async fn read(reader: Reader, files: Arc<Files>, directory: &Path) -> Result<Law, LawFault> {
    let directory = directory.to_owned();
    tokio::task::spawn_blocking(move || reader(files, &directory)).await.map_err(|_| broken_off())?
}

fn broken_off() -> LawFault {
    LawFault { room: "policies", mistakes: vec!["the reading broke off".to_owned()] }
}

impl Rooms {
    /// The set under which something was decided: the one in force, or one of the archive.
    ///
    /// # Errors
    /// [`ArchiveFault`].
    pub async fn past(&self, hash: &str) -> Result<Arc<Past>, ArchiveFault> {
        self.sets.archive.past(&self.store, hash).await
    }

    /// The entry that says how a new law's directory differs from the one in force; nothing when it does not.
    ///
    /// # Errors
    /// As [`Rooms::entry`].
    pub fn directory_changed(&self, law: &Law, older: &Law) -> Result<Option<NewEntry>, Refusal> {
        let changes = law.directory.changes(&older.directory);
        if changes.is_empty() {
            return Ok(None);
        }
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        let statement = self
            .state(law, crate::log::Event::DirectoryChanged, None, self.clock.now())
            .commit("directory", &law.directory.hash())
            .commit("changes", &changes);
        self.entry(statement).map(Some)
    }
}

/// 1 while the policies folder holds something else than the set in force.
pub const PENDING: &str = "passerelle_policies_folder_differs";
