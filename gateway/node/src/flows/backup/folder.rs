//! A folder that appears when it is complete: written under another name, synced, renamed at the end.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{
    fault::BackupFault,
    file::{self, Copied, Watch, unusable},
};

/// Not there yet under its name; gone when it is dropped unfinished.
pub(super) struct Unfinished {
    target: PathBuf,
    part: PathBuf,
    finished: bool,
}

impl Unfinished {
    /// Refuses a folder that holds something, and one that somebody else is filling.
    pub(super) fn begin(target: &Path) -> Result<Self, BackupFault> {
        // `a/b/` names the same folder as `a/b`.
        let target: PathBuf = target.components().collect();
        if target.exists() && !is_empty(&target)? {
            return Err(BackupFault::NotEmpty(target));
        }
        let mut part = target.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        match DirBuilder::new().mode(0o700).create(&part) {
            Ok(()) => Ok(Self { target, part, finished: false }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(BackupFault::Interrupted(part)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BackupFault::NoParent(parent(&part).to_owned())),
            Err(error) => Err(unusable(&part)(error)),
        }
    }

    /// Where it is until it has its name.
    pub(super) fn folder(&self) -> &Path {
        &self.part
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.part.join(name)
    }

    /// An empty file of the owner alone.
    pub(super) fn create(&self, name: &str) -> Result<PathBuf, BackupFault> {
        let file = self.file(name);
        file::create(&file).map_err(unusable(&file))?;
        Ok(file)
    }

    /// Copies one file.
    pub(super) fn copy(&self, from: &Path, name: &str, watch: Watch<'_>) -> Result<Copied, BackupFault> {
        let file = self.file(name);
        let folder = parent(&file);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable(folder))?;
        file::copy(from, &file, u64::MAX, watch)
    }

    /// Gives the folder its name, durably.
    pub(super) fn finish(mut self) -> Result<(), BackupFault> {
        sync_folders(&self.part)?;
        // An empty folder of that name gives way.
        fs::rename(&self.part, &self.target).map_err(unusable(&self.target))?;
        self.finished = true;
        sync(parent(&self.target))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            let _ = fs::remove_dir_all(&self.part);
        }
    }
}

/// Whether a folder that is there holds nothing.
pub(super) fn is_empty(folder: &Path) -> Result<bool, BackupFault> {
    Ok(fs::read_dir(folder).map_err(unusable(folder))?.next().is_none())
}

/// Whether a folder holds nothing but what a new file system has.
pub(super) fn is_new(folder: &Path) -> Result<bool, BackupFault> {
    for entry in fs::read_dir(folder).map_err(unusable(folder))? {
        let entry = entry.map_err(unusable(folder))?;
        let folder = entry.file_type().map_err(unusable(&entry.path()))?.is_dir();
        let nothing = || match fs::read_dir(entry.path()) {
            Ok(mut inside) => inside.next().is_none(),
            // It is the administrator's: who restores could not use what is in it.
            Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
        };
        if entry.file_name() != "lost+found" || !folder || !nothing() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> Result<(), BackupFault> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable(folder))
}

/// The folder that a file stands in.
pub(super) fn parent(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folders(folder: &Path) -> Result<(), BackupFault> {
    for entry in fs::read_dir(folder).map_err(unusable(folder))? {
        let path = entry.map_err(unusable(folder))?.path();
        if path.is_dir() {
            sync_folders(&path)?;
        }
    }
    sync(folder)
}
