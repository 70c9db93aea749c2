//! Sheet and papers in one zip, as a mail or a download gives them.

use super::embedded::MAX_SHEET;
use super::parse::parse;
use super::read::{Papers, assemble};
use super::{Context, NAMESPACE, Nature};
use crate::archive::{self, Archive, Limits};
use crate::reading::{Reading, Refused};

/// How many bytes an archive may hold, declared and actual.
pub const ZIP_LIMIT: u64 = 100 * 1024 * 1024;

/// Reads an archive: the sheet is the XML file of its namespace, everything else is a paper, in the order of the archive. What cannot
/// be read of it is told, and the archive itself is then kept as one more paper.
///
/// # Errors
/// [`Refused`] for what is no zip, and for one of which no file can be read within `limit` bytes.
pub fn read_zip(bytes: &[u8], limit: u64, context: &Context) -> Result<Reading, Refused> {
    let Archive { files, mut reported, beside, partial } =
        archive::read(bytes, Limits { files: MAX_FILES, inflated: limit, ratio: MAX_RATIO })?;
    let (mut papers, mut sheet, mut named) = (Vec::new(), None, Vec::new());
    for file in files {
        // Anything else in our namespace is kept as a paper.
        if sheet.is_none() && file.bytes.len() <= MAX_SHEET && is_sheet(&file.bytes) {
            sheet = Some(file.bytes);
        } else {
            named.extend(Nature::named(&file.name));
            papers.push(file.bytes);
        }
    }
    if partial && bytes.len() as u64 <= limit {
        papers.push(bytes.to_vec());
    }
    named.dedup();
    let called = match named.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    let mut reading = assemble(sheet.as_deref().map(parse), Papers { bytes: papers, sheet: sheet.clone(), called }, context)?;
    reading.reported.append(&mut reported);
    reading.letters.iter_mut().for_each(|letter| letter.beside.extend(beside.iter().cloned()));
    Ok(reading)
}

fn is_sheet(content: &[u8]) -> bool {
    let begins = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content).trim_ascii_start();
    begins.starts_with(b"<") && memchr::memmem::find(begins, NAMESPACE.as_bytes()).is_some()
}

const MAX_FILES: usize = 64;

/// How much larger than in the archive a file may be. Papers are compressed already: a bomb is not.
const MAX_RATIO: u64 = 100;
