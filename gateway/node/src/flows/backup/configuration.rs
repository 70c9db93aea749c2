//! The folders of the configuration, as they are copied: what lies in them and nothing that a link brings in from elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    BackupFault,
    file::{self, unusable},
};

/// A file to be copied, and its name in the backup.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) name: String,
    pub(super) bytes: u64,
}

/// Lists what is below the folders, but for what is never copied: `apart`, files or folders, wherever they lie.
pub(super) fn list(folders: &[(&'static str, PathBuf)], apart: &[PathBuf]) -> Result<Vec<Found>, BackupFault> {
    let mut found = Vec::new();
    for (name, folder) in folders {
        let root = folder.canonicalize().map_err(unusable(folder))?;
        // Whoever keeps the rules among the databases means that folder all the same.
        let apart = apart.iter().filter_map(|one| one.canonicalize().ok()).filter(|one| !root.starts_with(one)).collect();
        let mut walk = Walk { root: root.clone(), apart, trail: Vec::new(), found };
        walk.folder(folder, root, &format!("configuration/{name}"))?;
        found = walk.found;
    }
    Ok(found)
}

/// Whether somebody left a private key, or master keys, among the files of the configuration.
pub(super) fn holds_a_key(file: &Path) -> Result<bool, BackupFault> {
    let bytes = zeroize::Zeroizing::new(file::read(file)?);
    let has = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
    Ok(has(b"PRIVATE KEY") || has(b"passerelle-keys"))
}

struct Walk {
    root: PathBuf,
    apart: Vec<PathBuf>,
    /// The folders on the way here: a link back to one of them has no end.
    trail: Vec<PathBuf>,
    found: Vec<Found>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, place: PathBuf, name: &str) -> Result<(), BackupFault> {
        if self.trail.contains(&place) {
            return Err(BackupFault::Leaves(folder.to_owned()));
        }
        self.trail.push(place);
        for entry in fs::read_dir(folder).map_err(unusable(folder))? {
            let path = entry.map_err(unusable(folder))?.path();
            let Some(own) = path.file_name().and_then(|own| own.to_str()) else { continue };
            let name = format!("{name}/{own}");
            let place = path.canonicalize().map_err(unusable(&path))?;
            if !place.starts_with(&self.root) {
                return Err(BackupFault::Leaves(path));
            }
            if self.apart.iter().any(|apart| place.starts_with(apart)) {
                continue;
            }
            let lies = place.metadata().map_err(unusable(&path))?;
            if lies.is_dir() {
                self.folder(&path, place, &name)?;
            } else if lies.is_file() {
                self.found.push(Found { path, name, bytes: lies.len() });
            } else {
                return Err(BackupFault::NotAFile(path));
            }
        }
        self.trail.pop();
        Ok(())
    }
}
