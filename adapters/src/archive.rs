//! A zip as a mail or a download brings it: every file that can be read is read, whatever is wrong with the others.
//!
//! What tells of a child in danger is not turned away because a mail server added a line, a Windows program wrote backslashes, or
//! one file among good ones is a bomb. Nothing is ever written to a disk under a name of the archive: a name is a label, and a
//! hostile one becomes a harmless label. What is not read is told by its number, since a name that a sender chose may name a child.

use std::io::{Cursor, Read};

use zip::{ZipArchive, read::ZipFile};

use crate::reading::{Beside, Finding, Place, Refused};

/// How much of an archive is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many files.
    pub(crate) files: usize,
    /// How large all of them may be together, once inflated.
    pub(crate) inflated: u64,
    /// How many times larger than in the archive a file may be once inflated, from [`SMALL`] on.
    pub(crate) ratio: u64,
}

/// A file of an archive.
pub(crate) struct File {
    /// Its number in the archive, from 0.
    pub(crate) n: usize,
    /// Its name, made harmless, with `/` between the steps.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
}

/// What could be read of an archive.
pub(crate) struct Archive {
    /// Its files, in their order, folders left out.
    pub(crate) files: Vec<File>,
    /// What was not read, or only under another name.
    pub(crate) reported: Vec<Finding>,
    /// The names that were changed, as they came.
    pub(crate) beside: Vec<Beside>,
    /// Whether something was left unread that is no bomb: the archive itself is then worth keeping.
    pub(crate) partial: bool,
}

/// Reads what can be read.
///
/// # Errors
/// What is no archive, and one of which no file can be read.
pub(crate) fn read(bytes: &[u8], limits: Limits) -> Result<Archive, Refused> {
    let cure = "Joignez l’archive telle que votre logiciel la produit.";
    let refused = |code, detail: &str| Refused::from(Finding::new(Place::Whole, code, detail).cured_by(cure));
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| refused("not-zip", "Ce n’est pas une archive ZIP lisible."))?;
    let mut reading = Reading {
        archive: Archive { files: Vec::new(), reported: Vec::new(), beside: Vec::new(), partial: false },
        left: limits.inflated,
        effort: limits.inflated.saturating_mul(2),
        ratio: limits.ratio,
    };
    if zip.has_duplicate_names() {
        let detail = "L’archive contient plusieurs fichiers de même nom : un seul de chaque est lu.";
        reading.unread(Place::Whole, "duplicate", detail);
    }
    if zip.len() > limits.files {
        let detail = format!("L’archive contient plus de {} fichiers : les premiers sont lus.", limits.files);
        reading.unread(Place::Whole, "too-many", &detail);
    }
    if follows(bytes) {
        reading.unread(Place::Whole, "after-end", "Des octets suivent la fin de l’archive : ils ne sont pas lus.");
    }
    for n in 0..zip.len().min(limits.files) {
        match zip.by_index(n) {
            Ok(file) => reading.file(n, file),
            Err(_) => reading.unread(place(n), "unreadable", "Ce fichier de l’archive est chiffré, ou illisible."),
        }
    }
    let Reading { archive, .. } = reading;
    if archive.files.is_empty() {
        let mut findings = archive.reported;
        if findings.is_empty() {
            findings.push(Finding::new(Place::Whole, "missing", "L’archive ne contient aucun fichier.").cured_by(cure));
        }
        return Err(Refused(findings));
    }
    Ok(archive)
}

/// A file by its number.
pub(crate) fn place(n: usize) -> Place {
    Place::File(format!("n° {}", n + 1))
}

/// A name that a sender gave a file, as a label that cannot hurt whoever saves it: its last step, without characters of command,
/// of direction and of paths, no longer than [`MAX_NAME`], not a name that Windows keeps for itself. Nothing where nothing is left.
pub(crate) fn file_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let harmful = |c: char| {
        c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
    };
    let plain: String = last.chars().filter(|c| !harmful(*c)).map(|c| if r#"<>:"|?*"#.contains(c) { '_' } else { c }).collect();
    let at_the_end = |c: char| c.is_whitespace() || c == '.';
    let plain = plain.trim_start().trim_end_matches(at_the_end);
    let (stem, ending) = match plain.rsplit_once('.').filter(|(_, ending)| (1..=8).contains(&ending.len())) {
        Some((stem, ending)) => (stem, format!(".{ending}")),
        None => (plain, String::new()),
    };
    let kept = |word: &str| {
        let word = word.to_ascii_uppercase();
        let device = word.strip_prefix("COM").or_else(|| word.strip_prefix("LPT"));
        matches!(word.as_str(), "CON" | "PRN" | "AUX" | "NUL")
            || device.is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let guard = if kept(stem.split('.').next().unwrap_or_default()) { "_" } else { "" };
    let mut room = MAX_NAME.saturating_sub(ending.len() + guard.len());
    let stem: String = stem.chars().take_while(|c| room.checked_sub(c.len_utf8()).map(|left| room = left).is_some()).collect();
    let stem = if ending.is_empty() { stem.trim_end_matches(at_the_end) } else { stem.as_str() };
    let name = format!("{guard}{stem}{ending}");
    (!name.trim_matches(['.', ' ']).is_empty()).then_some(name)
}

struct Reading {
    archive: Archive,
    /// What may still be kept.
    left: u64,
    /// What may still be inflated, kept or not.
    effort: u64,
    ratio: u64,
}

impl Reading {
    fn file(&mut self, n: usize, file: ZipFile<'_, Cursor<&[u8]>>) {
        if file.is_dir() {
            return;
        }
        if file.is_symlink() {
            return self.unread(place(n), "bad-name", "Ce fichier de l’archive est un lien : il n’est pas suivi.");
        }
        let given = file.name().map_or_else(|_| String::from_utf8_lossy(file.name_raw()).into_owned(), |name| name.into_owned());
        let packed = file.compressed_size().max(1);
        let limit = self.left.min(self.effort).min(packed.saturating_mul(self.ratio).max(SMALL));
        if file.size() > limit {
            return self.bomb(n);
        }
        // What is declared may be wrong: what comes out is counted.
        let mut bytes = Vec::new();
        let read = file.take(limit + 1).read_to_end(&mut bytes);
        let size = bytes.len() as u64;
        self.effort = self.effort.saturating_sub(size);
        if size > limit {
            return self.bomb(n);
        }
        if read.is_err() {
            return self.unread(place(n), "unreadable", "Ce fichier de l’archive est abîmé.");
        }
        self.left -= size;
        let name = self.name(n, given);
        self.archive.files.push(File { n, name, bytes });
    }

    /// The name as a label below the folders of the archive.
    fn name(&mut self, n: usize, given: String) -> String {
        let plain = given.replace('\\', "/");
        let steps = plain.split('/').filter(|step| !matches!(*step, "" | "." | ".."));
        let mut steps: Vec<String> = steps.filter(|step| !step.ends_with(':')).filter_map(file_name).collect();
        if steps.is_empty() {
            steps.push(format!("fichier-{}", n + 1));
        }
        let name = steps.join("/");
        // Backslashes are a habit of some programs, and say nothing else.
        if name != plain {
            let detail = "Le nom de ce fichier sort de l’archive ou ne convient pas : le fichier est joint sous un autre nom.";
            self.archive.reported.push(Finding::new(place(n), "bad-name", detail));
            self.archive.beside.push(Beside { place: place(n), value: given.into() });
        }
        if self.archive.files.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
            let detail = "Deux fichiers de l’archive ont le même nom : tous deux sont joints.";
            self.archive.reported.push(Finding::new(place(n), "duplicate", detail));
        }
        name
    }

    fn bomb(&mut self, n: usize) {
        let detail = "Ce fichier est trop volumineux une fois décompressé : il n’est pas repris.";
        self.archive.reported.push(Finding::new(place(n), "too-large", detail));
    }

    fn unread(&mut self, place: Place, code: &'static str, detail: &str) {
        self.archive.partial = true;
        self.archive.reported.push(Finding::new(place, code, detail));
    }
}

/// Whether bytes follow the end of an archive that belong to no comment of it.
fn follows(bytes: &[u8]) -> bool {
    let Some(at) = memchr::memmem::rfind(bytes, b"PK\x05\x06") else { return false };
    let comment =
        bytes.get(at + END - 2..).and_then(|rest| rest.first_chunk::<2>()).map_or(0, |length| usize::from(u16::from_le_bytes(*length)));
    at + END + comment < bytes.len()
}

/// Size of the record that ends an archive, without its comment.
const END: usize = 22;
/// Below this no ratio is looked at: a short text compresses well.
const SMALL: u64 = 1024 * 1024;
/// Longest name of a file, in bytes.
pub(crate) const MAX_NAME: usize = 120;

#[cfg(test)]
pub(crate) mod tests;
