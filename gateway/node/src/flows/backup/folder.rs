//! A folder that appears when it is complete: written under another name, synced, renamed at the end.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::fault::BackupFault;

/// A file as it was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    /// Its length.
    pub bytes: u64,
    /// Of its bytes, in hexadecimal.
    pub sha256: String,
}

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
            Err(error) => Err(unusable(&part)(error)),
        }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.part.join(name)
    }

    /// Refuses to begin what the disk cannot hold.
    pub(super) fn has_room(&self, bytes: u64) -> Result<(), BackupFault> {
        has_room(&self.part, bytes)
    }

    /// An empty file of the owner alone.
    pub(super) fn create(&self, name: &str) -> Result<PathBuf, BackupFault> {
        let file = self.file(name);
        new_file(&file).map_err(unusable(&file))?;
        Ok(file)
    }

    /// Copies one file.
    pub(super) fn copy(&self, from: &Path, name: &str) -> Result<Copied, BackupFault> {
        let file = self.file(name);
        let folder = parent(&file);
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable(folder))?;
        copy(from, &file, &|_| {})
    }

    /// Copies a folder with what is below it. A file that holds a private key is left out, and so is what `never` names.
    pub(super) fn copy_folder(
        &self,
        from: &Path,
        name: &str,
        never: &[PathBuf],
        files: &mut BTreeMap<String, Copied>,
    ) -> Result<(), BackupFault> {
        for entry in fs::read_dir(from).map_err(unusable(from))? {
            let path = entry.map_err(unusable(from))?.path();
            let Some(own) = path.file_name().and_then(|own| own.to_str()) else { continue };
            let name = format!("{name}/{own}");
            if path.is_dir() {
                self.copy_folder(&path, &name, never, files)?;
            } else if !never.iter().any(|file| same(file, &path)) && !holds_a_key(&path)? {
                files.insert(name.clone(), self.copy(&path, &name)?);
            }
        }
        Ok(())
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

/// Makes a file durable that another program wrote, and says what it holds.
pub(super) fn settle(file: &Path) -> Result<Copied, BackupFault> {
    let mut opened = File::open(file).map_err(unusable(file))?;
    opened.sync_all().map_err(unusable(file))?;
    pour(&mut opened, &mut io::sink(), &|_| {}).map_err(unusable(file))
}

/// Copies a file durably, for its owner alone; says what went through. `progress` is told how many bytes did.
pub(super) fn copy(from: &Path, to: &Path, progress: &dyn Fn(u64)) -> Result<Copied, BackupFault> {
    let mut read = File::open(from).map_err(unusable(from))?;
    let mut write = new_file(to).map_err(unusable(to))?;
    let copied = pour(&mut read, &mut write, progress).map_err(unusable(to))?;
    write.sync_all().map_err(unusable(to))?;
    Ok(copied)
}

/// Refuses to begin what the disk cannot hold.
pub(super) fn has_room(folder: &Path, bytes: u64) -> Result<(), BackupFault> {
    let disk = rustix::fs::statvfs(folder).map_err(|error| unusable(folder)(error.into()))?;
    let left = disk.f_bavail.saturating_mul(disk.f_frsize);
    if left > bytes { Ok(()) } else { Err(BackupFault::NoRoom { folder: folder.to_owned(), bytes, left }) }
}

/// Whether a folder that is there holds nothing.
pub(super) fn is_empty(folder: &Path) -> Result<bool, BackupFault> {
    Ok(fs::read_dir(folder).map_err(unusable(folder))?.next().is_none())
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> Result<(), BackupFault> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(unusable(folder))
}

/// The folder that a file stands in.
pub(super) fn parent(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A fault of one file or folder.
pub(super) fn unusable(path: &Path) -> impl Fn(io::Error) -> BackupFault {
    let path = path.to_owned();
    move |error| BackupFault::File(path.clone(), error)
}

fn new_file(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

fn pour(from: &mut impl Read, to: &mut impl Write, progress: &dyn Fn(u64)) -> io::Result<Copied> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1024 * 1024];
    let mut bytes = 0;
    loop {
        let n = from.read(&mut buffer)?;
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
        context.update(read);
        to.write_all(read)?;
        bytes += n as u64;
        progress(bytes);
    }
    let sha256 = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Copied { bytes, sha256 })
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Whether somebody left a private key, or master keys, in a folder of the configuration.
fn holds_a_key(file: &Path) -> Result<bool, BackupFault> {
    let bytes = zeroize::Zeroizing::new(fs::read(file).map_err(unusable(file))?);
    let has = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    Ok(has(b"PRIVATE KEY") || has(b"passerelle-keys"))
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
