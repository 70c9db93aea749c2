//! Files as they are copied: regular ones alone, no longer than they are said to be, for their owner alone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use ring::digest::{Context, SHA256};
use rustix::fs::OFlags;
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

/// Told how many bytes went through; an error ends the copy.
pub(super) type Watch<'a> = &'a dyn Fn(u64) -> io::Result<()>;

/// Opens a regular file: a pipe would be waited for, a device has no end.
pub(super) fn open(file: &Path) -> Result<File, BackupFault> {
    let regular = |found: fs::Metadata| found.is_file().then_some(()).ok_or_else(|| BackupFault::NotAFile(file.to_owned()));
    // Looked at before, since opening a device may do something; and after, since it may have changed its place meanwhile.
    fs::metadata(file).map_err(unusable(file)).and_then(regular)?;
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(file).map_err(unusable(file))?;
    opened.metadata().map_err(unusable(file)).and_then(regular)?;
    Ok(opened)
}

/// The whole of a small file.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, BackupFault> {
    let mut bytes = Vec::new();
    open(file)?.read_to_end(&mut bytes).map_err(unusable(file))?;
    Ok(bytes)
}

/// Makes a file durable that another program wrote, and says what it holds; one byte beyond `bytes` is enough to know that it
/// is another.
pub(super) fn settle(file: &Path, bytes: u64, watch: Watch<'_>) -> Result<Copied, BackupFault> {
    let opened = open(file)?;
    opened.sync_all().map_err(unusable(file))?;
    pour(&mut opened.take(bytes.saturating_add(1)), &mut io::sink(), watch).map_err(unusable(file))
}

/// Copies a file durably, for its owner alone, and no more than one byte beyond `bytes`; says what went through.
pub(super) fn copy(from: &Path, to: &Path, bytes: u64, watch: Watch<'_>) -> Result<Copied, BackupFault> {
    let read = open(from)?;
    let mut write = create(to).map_err(unusable(to))?;
    let copied = pour(&mut read.take(bytes.saturating_add(1)), &mut write, watch).map_err(unusable(to))?;
    write.sync_all().map_err(unusable(to))?;
    Ok(copied)
}

/// A file that was not there, of the owner alone.
pub(super) fn create(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

/// A fault of one file or folder.
pub(super) fn unusable(path: &Path) -> impl Fn(io::Error) -> BackupFault {
    let path = path.to_owned();
    move |error| BackupFault::File(path.clone(), error)
}

fn pour(from: &mut impl Read, to: &mut impl Write, watch: Watch<'_>) -> io::Result<Copied> {
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1024 * 1024];
    let mut bytes = 0;
    loop {
        let n = from.read(&mut buffer)?;
        let Some(read) = buffer.get(..n).filter(|read| !read.is_empty()) else { break };
        context.update(read);
        to.write_all(read)?;
        bytes += n as u64;
        watch(bytes)?;
    }
    let sha256 = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Copied { bytes, sha256 })
}
