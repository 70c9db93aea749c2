//! The sheet inside a PDF, found without reading the PDF.
//!
//! A PDF may be hostile, and no crate that reads one (lopdf 0.47, hayro-syntax 0.9, pdf 0.10) bounds what its object and
//! cross-reference streams inflate to: a few kilobytes can ask for gigabytes. An embedded file is always a stream of its own in
//! the file, never inside another, so that it is enough to try the streams marked as embedded files, each within a bound.

use std::io::Read;

use flate2::read::ZlibDecoder;
use memchr::memmem::{find, rfind, rfind_iter};

use super::NAMESPACE;

/// A sheet of this size has thousands of words; a larger one is not read.
pub const MAX_SHEET: usize = 256 * 1024;

/// How many embedded files are tried.
const MAX_TRIED: usize = 64;

/// How many streams are looked at.
const MAX_STREAMS: usize = 200_000;

/// How far before its content the dictionary of a stream is looked for.
const DICTIONARY: usize = 1024;

/// Every embedded file that names the namespace of the sheet, from the oldest revision of the PDF to the newest, and whether all of
/// them were tried. A newer revision stands behind an older one, so that they are looked for from the end.
pub fn sheets(pdf: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut found = Vec::new();
    let mut tried = 0;
    for (streams, keyword) in rfind_iter(pdf, b"stream").enumerate() {
        if streams >= MAX_STREAMS {
            tried = MAX_TRIED + 1;
            break;
        }
        let after = keyword + b"stream".len();
        let content = match pdf.get(after..after + 2) {
            Some(b"\r\n") => after + 2,
            Some([b'\n', _]) => after + 1,
            _ => continue,
        };
        let window = pdf.get(keyword.saturating_sub(DICTIONARY)..keyword).unwrap_or_default();
        // The keyword `endstream` is the end of another one, and a dictionary begins after its `obj`.
        let dictionary = window.get(rfind(window, b"obj").unwrap_or(0)..).unwrap_or_default();
        if window.ends_with(b"end") || find(dictionary, b"EmbeddedFile").is_none() {
            continue;
        }
        tried += 1;
        if tried > MAX_TRIED {
            break;
        }
        let sheet = decode(dictionary, pdf.get(content..).unwrap_or_default());
        found.extend(sheet.filter(|bytes| find(bytes, NAMESPACE.as_bytes()).is_some()));
    }
    found.reverse();
    (found, tried <= MAX_TRIED)
}

fn decode(dictionary: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    if find(dictionary, b"FlateDecode").is_some() {
        let mut bytes = Vec::new();
        // The end of the compressed data is its own: the length of the stream is not needed, and not believed.
        ZlibDecoder::new(content).take(MAX_SHEET as u64 + 1).read_to_end(&mut bytes).ok()?;
        return (bytes.len() <= MAX_SHEET).then_some(bytes);
    }
    if find(dictionary, b"/Filter").is_some() {
        return None;
    }
    let window = content.get(..content.len().min(MAX_SHEET + 16)).unwrap_or_default();
    let end = find(window, b"endstream")?;
    Some(window.get(..end)?.trim_ascii_end().to_vec())
}
