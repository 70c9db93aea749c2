//! The deposit pack: `signalement.pdf`, the annexes in order with their given bytes, `manifeste.xml`, its signature and
//! `SHA256SUMS`.
//!
//! One zip without compression, written as the annexes are read: memory does not grow with them. Names in it are ours, since a
//! sender's may name a child.

use std::io::{self, Read, Seek, Write};

use ring::digest::{Context, SHA256, digest};
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{Deposit, manifest, source};
use crate::reading::{Finding, Place};
use crate::typeset::Unprintable;

#[cfg(test)]
mod tests;

/// How large a deposit with PLEX may be: one gigabyte, read as 10⁹ bytes, the smaller of its two meanings.
pub const PLEX_LIMIT: u64 = 1_000_000_000;

/// What the zip itself needs: two records for each file, and the end.
const RECORDS: u64 = 512;

/// One file of a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFile {
    /// Name in the pack.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// A pack that is ready to be deposited.
#[derive(Debug)]
pub struct Packed {
    /// Signalement and annexes, in order: what the manifest lists.
    pub files: Vec<PackedFile>,
    /// Bytes of the whole zip.
    pub size: u64,
    /// What the pages could not show as it stood, and what the manifest could not say.
    pub reported: Vec<Finding>,
}

/// There is no pack; what was written of it is worthless.
#[derive(Debug, thiserror::Error)]
pub enum Unpacked {
    /// The pack would be larger than the partner takes.
    #[error("the pack is larger than {limit} bytes")]
    TooLarge {
        /// The limit that was given.
        limit: u64,
    },
    /// The document describes another number of attachments than were given.
    #[error("{described} attachments are described and {given} given")]
    Missing {
        /// In the document.
        described: usize,
        /// Readers.
        given: usize,
    },
    /// The bytes of an annexe are not those that its sender signed for.
    #[error("annexe {0} is not as described")]
    Altered(usize),
    /// The gateway did not sign the manifest, or gave no detached JWS.
    #[error("the manifest is not signed")]
    Unsigned,
    /// The pages could not be made.
    #[error("pages: {0}")]
    Pages(#[from] Unprintable),
    /// Reading an annexe or writing the pack failed.
    #[error("input or output: {}", .0.kind())]
    Io(#[from] io::Error),
}

impl Unpacked {
    /// What a person is told, in French.
    pub fn finding(&self) -> Finding {
        let (place, code, detail, cure) = match self {
            Self::TooLarge { .. } => (
                Place::Whole,
                "too-large",
                "Le dépôt dépasse la taille que le partenaire accepte.",
                Some("Retirer des annexes et les déposer à part, ou les remettre en main propre."),
            ),
            Self::Missing { .. } => (Place::Path("/attachments".to_owned()), "missing", "Des annexes décrites manquent.", None),
            Self::Altered(index) => (
                Place::Path(format!("/attachments/{index}")),
                "altered",
                "Une annexe n’a pas l’empreinte ou la taille annoncée : rien n’est déposé.",
                None,
            ),
            Self::Unsigned => {
                (Place::File("manifeste.xml.jws".to_owned()), "unsigned", "Le manifeste n’a pas pu être signé.", Some("Réessayer."))
            }
            Self::Pages(_) => (Place::File("signalement.pdf".to_owned()), "unprintable", "Le document n’a pas pu être mis en pages.", None),
            Self::Io(_) => (Place::Whole, "input-output", "Le dépôt n’a pas pu être écrit.", Some("Réessayer.")),
        };
        Finding { place, code, detail: detail.to_owned(), cure: cure.map(str::to_owned) }
    }
}

/// An attachment as the document describes it.
pub struct Described {
    media_type: String,
    /// The document names a media type, and it is one.
    typed: bool,
    size: Option<u64>,
    sha256: Option<String>,
}

impl Described {
    /// The parts of the description that the manifest repeats.
    pub fn in_manifest(&self) -> Vec<&'static str> {
        let said = [("media_type", self.typed), ("size", self.size.is_some()), ("sha256", self.sha256.is_some())];
        said.into_iter().filter(|(_, said)| *said).map(|(part, _)| part).collect()
    }

    /// The name in the pack.
    pub fn file_name(&self, index: usize) -> String {
        let known = EXTENSIONS.iter().find(|(media_type, _)| *media_type == self.media_type);
        format!("annexe-{:02}.{}", index + 1, known.map_or("bin", |(_, extension)| extension))
    }
}

/// The attachments of a document, in their order.
pub fn annexes(document: &Value) -> Vec<Described> {
    let items = document.pointer("/attachments").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).map(str::to_ascii_lowercase);
    items
        .iter()
        .map(|item| {
            let media_type = text(item, "media_type").filter(|text| is_media_type(text));
            Described {
                typed: media_type.is_some(),
                media_type: media_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
                size: item.get("size").and_then(Value::as_u64),
                sha256: text(item, "sha256"),
            }
        })
        .collect()
}

/// Writes the pack. `sign` gives the detached JWS (RFC 7515, appendix F) of the manifest's bytes, or nothing where it cannot.
///
/// `readers` are the attachments of the document in their order. Size and digest are compared with what the document says.
///
/// # Errors
/// [`Unpacked`]; the bytes already written are then to be thrown away.
pub fn pack(
    deposit: &Deposit<'_>,
    readers: &mut [&mut dyn Read],
    limit: u64,
    sign: impl FnOnce(&[u8]) -> Option<String>,
    out: impl Write + Seek,
) -> Result<Packed, Unpacked> {
    // 1. Before anything is written: are all annexes here, and is there room?
    let described = annexes(deposit.document);
    if described.len() != readers.len() {
        return Err(Unpacked::Missing { described: described.len(), given: readers.len() });
    }
    let pages = super::pages(deposit)?;
    let announced = described.iter().filter_map(|annexe| annexe.size).fold(pages.bytes.len() as u64, u64::saturating_add);
    if announced > limit {
        return Err(Unpacked::TooLarge { limit });
    }
    // 2. Pages and annexes, in order.
    let mut zip = Zip { writer: ZipWriter::new(out), options: options(deposit, limit), limit, written: RECORDS };
    let mut files = vec![zip.file("signalement.pdf", "application/pdf", &mut pages.bytes.as_slice())?];
    for (index, (annexe, reader)) in described.iter().zip(readers.iter_mut()).enumerate() {
        let file = zip.file(&annexe.file_name(index), &annexe.media_type, reader)?;
        let as_described =
            annexe.size.is_none_or(|size| size == file.size) && annexe.sha256.as_ref().is_none_or(|sha256| *sha256 == file.sha256);
        if !as_described {
            return Err(Unpacked::Altered(index));
        }
        files.push(file);
    }
    // 3. The manifest of them, its signature, and the sums of all.
    let manifest = manifest::write(deposit, &files)?;
    let signature = sign(&manifest).filter(|text| is_detached(text)).ok_or(Unpacked::Unsigned)?;
    let mut sums = files.clone();
    sums.push(zip.file("manifeste.xml", "application/xml", &mut manifest.as_slice())?);
    sums.push(zip.file("manifeste.xml.jws", "application/jose", &mut signature.as_bytes())?);
    let sums: String = sums.iter().map(|file| format!("{}  {}\n", file.sha256, file.name)).collect();
    zip.file("SHA256SUMS", "text/plain", &mut sums.as_bytes())?;
    let size = zip.writer.finish().map_err(io::Error::from)?.stream_position()?;
    if size > limit {
        return Err(Unpacked::TooLarge { limit });
    }
    let mut reported = pages.marked;
    reported.extend(unsaid_branch(deposit.document));
    Ok(Packed { files, size, reported })
}

/// R26: a missing branch never blocks, and the person who deposits is told.
fn unsaid_branch(document: &Value) -> Option<Finding> {
    let (_, said) = source::branch(document);
    (!said).then(|| Finding {
        place: Place::Path("/payload/branche_l226_4".to_owned()),
        code: "missing",
        detail: "Le cas de l’article L226-4 n’est pas précisé, ou n’est pas un de ceux de la loi ; le manifeste dit « non-precisee »."
            .to_owned(),
        cure: Some("Le compléter par une rectification : le procureur le vérifie (C. civ., art. 375).".to_owned()),
    })
}

struct Zip<W: Write + Seek> {
    writer: ZipWriter<W>,
    options: SimpleFileOptions,
    limit: u64,
    written: u64,
}

impl<W: Write + Seek> Zip<W> {
    /// Copies one file in, counting and digesting as it goes.
    fn file(&mut self, name: &str, media_type: &str, from: &mut dyn Read) -> Result<PackedFile, Unpacked> {
        self.writer.start_file(name, self.options).map_err(io::Error::from)?;
        let mut context = Context::new(&SHA256);
        let mut size = 0;
        let mut buffer = vec![0; 64 * 1024];
        self.written = self.written.saturating_add(RECORDS);
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            let part = buffer.get(..count).unwrap_or_default();
            size += part.len() as u64;
            self.written = self.written.saturating_add(part.len() as u64);
            if self.written > self.limit {
                return Err(Unpacked::TooLarge { limit: self.limit });
            }
            context.update(part);
            self.writer.write_all(part)?;
        }
        Ok(PackedFile { name: name.to_owned(), media_type: media_type.to_owned(), size, sha256: hex(context.finish().as_ref()) })
    }
}

fn options(deposit: &Deposit<'_>, limit: u64) -> SimpleFileOptions {
    let (year, month, day) = deposit.dated.to_calendar_date();
    let year = u16::try_from(year).unwrap_or(1980);
    let dated = DateTime::from_date_and_time(year, u8::from(month), day, 0, 0, 0).unwrap_or_default();
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(dated)
        .unix_permissions(0o644)
        .large_file(limit > u64::from(u32::MAX))
}

/// A compact JWS whose payload is not in it: the manifest stands beside it.
fn is_detached(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let plain = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    matches!(parts.as_slice(), [header, "", signature] if plain(header) && plain(signature))
}

fn is_media_type(text: &str) -> bool {
    let token = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte));
    text.len() <= 127 && text.split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

/// SHA-256 of bytes at hand.
pub fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ends of file names by media type; anything else is `bin`.
const EXTENSIONS: &[(&str, &str)] = &[
    ("application/pdf", "pdf"),
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/tiff", "tif"),
    ("text/plain", "txt"),
    ("text/xml", "xml"),
    ("application/xml", "xml"),
    ("application/json", "json"),
    ("application/zip", "zip"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.oasis.opendocument.text", "odt"),
    ("audio/mpeg", "mp3"),
    ("audio/mp4", "m4a"),
    ("video/mp4", "mp4"),
];
