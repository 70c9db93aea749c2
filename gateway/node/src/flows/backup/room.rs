//! Room on a disk: what is copied must fit, and leave to others what they need.

use std::{os::unix::fs::MetadataExt, path::Path};

use super::{BackupFault, file::unusable};

/// Refuses to begin what the disk cannot hold.
pub(super) fn has_room(folder: &Path, bytes: u64) -> Result<(), BackupFault> {
    fits(folder, bytes, |_| 0)
}

/// Refuses to begin what would take the last room of a disk that a gateway may write to.
pub(super) fn leaves_room(folder: &Path, bytes: u64) -> Result<(), BackupFault> {
    fits(folder, bytes, reserve)
}

/// Whether two folders share a disk, and its room.
pub(super) fn share_a_disk(one: &Path, other: &Path) -> Result<bool, BackupFault> {
    let disk = |folder: &Path| folder.metadata().map(|found| found.dev()).map_err(unusable(folder));
    Ok(disk(one)? == disk(other)?)
}

fn fits(folder: &Path, bytes: u64, reserve: fn(u64) -> u64) -> Result<(), BackupFault> {
    let disk = rustix::fs::statvfs(folder).map_err(|error| unusable(folder)(error.into()))?;
    let left = disk.f_bavail.saturating_mul(disk.f_frsize);
    let reserve = reserve(disk.f_blocks.saturating_mul(disk.f_frsize));
    if left > bytes.saturating_add(reserve) { Ok(()) } else { Err(BackupFault::NoRoom { folder: folder.to_owned(), bytes, left, reserve }) }
}

/// A sixteenth of the disk, and a GiB at most: below that, attachments are refused.
fn reserve(disk: u64) -> u64 {
    (disk / 16).min(1024 * 1024 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_leaves_what_the_gateway_needs() {
        let folder = tempfile::tempdir().unwrap();
        let disk = rustix::fs::statvfs(folder.path()).unwrap();
        let (left, all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
        // It would fit, and leave half of the reserve.
        let greedy = left - (left / 2).min(reserve(all) / 2);
        assert!(matches!(leaves_room(folder.path(), greedy), Err(BackupFault::NoRoom { .. })));
        has_room(folder.path(), left / 2).unwrap();
        assert!(has_room(folder.path(), left + left / 2).is_err());
        assert_eq!((reserve(1 << 40), reserve(16 << 20)), (1 << 30, 1 << 20));
    }
}
