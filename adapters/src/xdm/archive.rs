//! The archive itself: read with hostile bytes in mind, written the same for the same files.

use std::io::{Cursor, Read, Write as _};

use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::reading::{Finding, Place, Refused};

/// How large an archive may be.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;
/// How many files it may hold.
pub const MAX_FILES: usize = 64;
/// How large all its files together may be once inflated.
pub const MAX_INFLATED: u64 = 64 * 1024 * 1024;
/// How many times larger than in the archive a file may be once inflated, from 1 MiB on.
const MAX_RATIO: u64 = 200;

/// A file of an archive.
pub(super) struct File {
    /// Its name, with `/` between the steps.
    pub(super) name: String,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// What a file is called in a finding: by its name where XDM gives that name, else by its number. A name that a sender chose may
/// name a child.
pub(super) fn place(n: usize, name: &str) -> Place {
    let last = name.rsplit('/').next().unwrap_or_default().to_ascii_uppercase();
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
        Place::File(format!("n° {}", n + 1))
    }
}

/// Reads every file of an archive, folders left out.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<File>, Refused> {
    if bytes.len() > MAX_BYTES {
        return Err(refused("too-large", "L’archive est trop volumineuse."));
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|_| refused("not-zip", "Ce n’est pas une archive ZIP."))?;
    if archive.len() > MAX_FILES {
        return Err(refused("too-many", "L’archive contient trop de fichiers."));
    }
    // The library keeps one file of each name: the count of the archive tells whether there were more.
    if declared(bytes) != Some(archive.len()) {
        return Err(refused("duplicate", "L’archive contient deux fichiers de même nom, ou son sommaire est faux."));
    }
    let mut files: Vec<File> = Vec::new();
    let mut left = MAX_INFLATED;
    for n in 0..archive.len() {
        let file = archive.by_index(n).map_err(|_| at(n, "not-zip", "Ce fichier de l’archive est illisible, ou chiffré."))?;
        let name = file.name().map_err(|_| at(n, "bad-name", "Le nom de ce fichier est illisible."))?.into_owned();
        if !is_safe(&name) || file.is_symlink() {
            return Err(at(n, "bad-name", "Le nom de ce fichier sort de l’archive."));
        }
        if file.is_dir() {
            continue;
        }
        if files.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
            return Err(at(n, "duplicate", "Deux fichiers de l’archive ont le même nom."));
        }
        let packed = file.compressed_size().max(1);
        let limit = left.min(packed.saturating_mul(MAX_RATIO).max(1024 * 1024));
        if file.size() > limit {
            return Err(at(n, "too-large", "Ce fichier est trop volumineux une fois décompressé."));
        }
        // What is declared may be wrong: what comes out is counted.
        let mut bytes = Vec::new();
        let read = file.take(limit + 1).read_to_end(&mut bytes).map_err(|_| at(n, "not-zip", "Ce fichier de l’archive est abîmé."))?;
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        if read > limit {
            return Err(at(n, "too-large", "Ce fichier est trop volumineux une fois décompressé."));
        }
        left -= read;
        files.push(File { name, bytes });
    }
    Ok(files)
}

/// Writes files in their order, without any date: the same files make the same archive.
pub(super) fn write(files: &[File]) -> Result<Vec<u8>, zip::result::ZipError> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).last_modified_time(DateTime::default());
    for file in files {
        archive.start_file(file.name.as_str(), options)?;
        archive.write_all(&file.bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Whether a name stays in the archive: no absolute path, no drive, no backslash, no step upwards.
fn is_safe(name: &str) -> bool {
    let plain = !name.is_empty() && name.len() <= 255 && !name.starts_with('/') && !name.contains(['\\', ':', '\0']);
    plain && name.trim_end_matches('/').split('/').all(|step| !step.is_empty() && step != "." && step != "..")
}

/// How many files the end of the archive declares.
fn declared(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(END + 0xffff);
    let last = (from..=bytes.len().checked_sub(END)?).rev().find(|at| {
        let comment =
            bytes.get(at + END - 2..).and_then(|rest| rest.first_chunk::<2>()).map(|length| usize::from(u16::from_le_bytes(*length)));
        bytes.get(*at..at + 4) == Some(b"PK\x05\x06".as_slice()) && comment.is_some_and(|comment| at + END + comment == bytes.len())
    })?;
    let count = bytes.get(last + 10..last + 12)?;
    count.first_chunk::<2>().map(|count| usize::from(u16::from_le_bytes(*count)))
}

/// Size of the record that ends an archive, without its comment.
const END: usize = 22;

fn at(n: usize, code: &'static str, detail: &str) -> Refused {
    Refused(vec![Finding { place: Place::File(format!("n° {}", n + 1)), code, detail: detail.into(), cure: None }])
}

fn refused(code: &'static str, detail: &str) -> Refused {
    let cure = Some("Joignez l’archive « IHE_XDM.zip » telle que votre logiciel la produit.".into());
    Refused(vec![Finding { place: Place::Whole, code, detail: detail.into(), cure }])
}
