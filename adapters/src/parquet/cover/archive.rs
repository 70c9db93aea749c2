//! Sheet and papers in one zip, as a mail or a download gives them.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::embedded::MAX_SHEET;
use super::parse::parse;
use super::read::assemble;
use super::{Context, NAMESPACE};
use crate::reading::{Finding, Place, Reading, Refused};

/// How many bytes an archive may hold, declared and actual.
pub const ZIP_LIMIT: u64 = 100 * 1024 * 1024;

const MAX_FILES: usize = 64;

/// How much larger than the archive its content may be. Papers are compressed already: a bomb is not.
const MAX_RATIO: u64 = 100;

/// Below this no ratio is looked at: a short XML text compresses well.
const SMALL: u64 = 1024 * 1024;

/// Reads an archive: the sheet is the XML file of its namespace, everything else is a paper, in the order of the archive.
///
/// # Errors
/// [`Refused`] for what is no zip, and for names that leave the archive, the same name twice, encryption, more than 64 files, and
/// more than `limit` bytes inside.
pub fn read_zip(bytes: &[u8], limit: u64, context: &Context) -> Result<Reading, Refused> {
    let refuse = |code, detail: &str| Refused(vec![Finding { place: Place::Whole, code, detail: detail.to_owned(), cure: None }]);
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|_| refuse("not-zip", "Le fichier n’est pas une archive zip lisible."))?;
    if archive.len() > MAX_FILES {
        return Err(refuse("too-many", "L’archive a plus de 64 fichiers."));
    }
    if archive.has_duplicate_names() {
        return Err(refuse("duplicate", "L’archive a deux fichiers du même nom."));
    }
    let mut room = limit.min((bytes.len() as u64).saturating_mul(MAX_RATIO).max(SMALL));
    let (mut papers, mut sheet) = (Vec::new(), None);
    for index in 0..archive.len() {
        let file =
            archive.by_index(index).map_err(|_| refused(index, "unreadable", "Un fichier de l’archive est chiffré ou illisible."))?;
        if file.is_dir() {
            continue;
        }
        let content = inflate(file, index, &mut room)?;
        // Anything else in our namespace is kept as a paper.
        if sheet.is_none() && content.len() <= MAX_SHEET && is_sheet(&content) {
            sheet = Some(content);
        } else {
            papers.push(content);
        }
    }
    assemble(sheet.as_deref().map(parse), papers, sheet, context)
}

fn inflate(file: ZipFile<'_, Cursor<&[u8]>>, index: usize, room: &mut u64) -> Result<Vec<u8>, Refused> {
    if file.encrypted() {
        return Err(refused(index, "unreadable", "Un fichier de l’archive est chiffré."));
    }
    let name = String::from_utf8_lossy(file.name_raw()).into_owned();
    let leaves = name.starts_with('/') || name.contains(['\\', '\0', ':']) || name.split('/').any(|part| part == "..");
    if leaves || file.is_symlink() {
        return Err(refused(index, "bad-name", "Un fichier de l’archive a un nom qui en sort."));
    }
    let too_large = || refused(index, "too-large", "Le contenu de l’archive dépasse la taille admise.");
    if file.size() > *room {
        return Err(too_large());
    }
    let mut content = Vec::new();
    file.take(*room + 1).read_to_end(&mut content).map_err(|_| refused(index, "unreadable", "Un fichier de l’archive est altéré."))?;
    *room = room.checked_sub(content.len() as u64).ok_or_else(too_large)?;
    Ok(content)
}

fn is_sheet(content: &[u8]) -> bool {
    let begins = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    begins.starts_with(b"<") && memchr::memmem::find(begins, NAMESPACE.as_bytes()).is_some()
}

fn refused(index: usize, code: &'static str, detail: &str) -> Refused {
    Refused(vec![Finding { place: Place::File(format!("n° {}", index + 1)), code, detail: detail.to_owned(), cure: None }])
}
