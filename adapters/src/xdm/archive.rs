//! The archive itself: read with hostile bytes in mind, written the same for the same files.

use std::io::{Cursor, Write as _};

use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

pub(super) use crate::archive::{Archive, File};
use crate::{
    archive::{self, Limits},
    reading::{Finding, Place, Refused},
};

/// How large an archive may be.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// How many files of it are read.
pub const MAX_FILES: usize = 64;
/// How large all its files together may be once inflated.
pub const MAX_INFLATED: u64 = 64 * 1024 * 1024;
/// How many times larger than in the archive a file may be once inflated, from 1 MiB on.
const MAX_RATIO: u64 = 200;

/// What a file is called in a finding: by its name where XDM gives that name, else by its number. A name that a sender chose may
/// name a child.
pub(super) fn place(file: &File) -> Place {
    let last = last(&file.name).to_ascii_uppercase();
    let number = last.strip_prefix("DOC").and_then(|rest| rest.split_once('.'));
    let numbered = number.is_some_and(|(number, ending)| {
        (1..=5).contains(&number.len())
            && number.bytes().all(|b| b.is_ascii_digit())
            && ending.len() <= 4
            && ending.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if numbered || matches!(last.as_str(), "METADATA.XML" | "INDEX.HTM" | "README.TXT") {
        Place::File(last)
    } else {
        archive::place(file.n)
    }
}

/// A name without its folders.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// Reads what can be read of an archive.
pub(super) fn read(bytes: &[u8]) -> Result<Archive, Refused> {
    if bytes.len() > MAX_BYTES {
        return Err(Finding::new(Place::Whole, "too-large", "L’archive est trop volumineuse.").into());
    }
    archive::read(bytes, Limits { files: MAX_FILES, inflated: MAX_INFLATED, ratio: MAX_RATIO })
}

/// Writes files in their order, without any date: the same files make the same archive.
pub(super) fn write(files: &[(&str, &[u8])]) -> Result<Vec<u8>, zip::result::ZipError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).last_modified_time(DateTime::default());
    for (name, bytes) in files {
        archive.start_file(*name, options)?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}
