use std::io::Write as _;

use proptest::prelude::*;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;
use crate::frames::codes;

/// An archive of these files.
pub(crate) fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The same, not packed.
fn stored(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The same with the bytes of one text turned into another one of the same length, in names above all.
pub(crate) fn turned(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[at..at + from.len()].copy_from_slice(to);
    }
    bytes
}

const LIMITS: Limits = Limits { files: 64, inflated: 8 << 20, ratio: 200 };

/// What was read, what was told, and whether something was left unread.
type Told = (Vec<(String, Vec<u8>)>, Vec<&'static str>, bool);

fn told(bytes: &[u8]) -> Told {
    let archive = read(bytes, LIMITS).unwrap();
    let files = archive.files.into_iter().map(|file| (file.name, file.bytes)).collect();
    (files, codes(&archive.reported), archive.partial)
}

#[test]
fn good_files_are_read_beside_odd_ones() {
    let good: (&str, &[u8]) = ("signalement.xml", b"seule le soir");
    let kept = (good.0.to_owned(), good.1.to_vec());
    // Bytes that a mail server added.
    let mut longer = zipped(&[good]);
    longer.extend_from_slice(b"\r\n-- \r\nDupont");
    assert_eq!(told(&longer), (vec![kept.clone()], vec!["after-end"], true));
    // A bomb, by what it declares and by what comes out.
    let bomb = zipped(&[("a.txt", &vec![0; 3 << 20]), good]);
    assert_eq!(told(&bomb), (vec![kept.clone()], vec!["too-large"], false));
    let lies = turned(bomb, &(3_u32 << 20).to_le_bytes(), &10_u32.to_le_bytes());
    let (files, codes, _) = told(&lies);
    assert_eq!((files, codes.len()), (vec![kept.clone()], 1));
    // A damaged file among good ones: its checksum no longer fits.
    let damaged = turned(stored(&[("a.txt", b"abcdefgh"), good]), b"abcdefgh", b"abcdefgH");
    assert_eq!(told(&damaged), (vec![kept.clone()], vec!["unreadable"], true));
    // More than anybody reads.
    let names: Vec<_> = (0..65).map(|n| format!("{n}.txt")).collect();
    let many = zipped(&names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect::<Vec<_>>());
    assert_eq!((told(&many).0.len(), told(&many).1), (64, vec!["too-many"]));
    // Two of one name: exactly, and but for its case.
    let twice = turned(zipped(&[("aaaa.xml", b"x"), ("bbbb.xml", b"y")]), b"bbbb", b"aaaa");
    assert_eq!((told(&twice).0.len(), told(&twice).1, told(&twice).2), (1, vec!["duplicate"], true));
    let alike = zipped(&[("a.xml", b"x"), ("A.XML", b"y")]);
    assert_eq!((told(&alike).0.len(), told(&alike).1, told(&alike).2), (2, vec!["duplicate"], false));
}

#[test]
fn a_name_is_a_label_and_leads_nowhere() {
    for (given, label) in [
        ("../dupont.xml", "dupont.xml"),
        ("/etc/dupont.xml", "etc/dupont.xml"),
        ("a/../../dupont.xml", "a/dupont.xml"),
        ("C:/dupont.xml", "dupont.xml"),
        ("a//dupont.xml", "a/dupont.xml"),
        ("dupont\r\nBcc: x.pdf", "dupontBcc_ x.pdf"),
        ("pdf\u{202e}fdp.exe", "pdffdp.exe"),
        ("NUL", "_NUL"),
        ("com1.txt", "_com1.txt"),
        ("..", "fichier-1"),
    ] {
        let bytes = zipped(&[(given, b"x")]);
        let archive = read(&bytes, LIMITS).unwrap();
        assert_eq!(archive.files[0].name, label, "{given}");
        assert_eq!(archive.reported[0].code, "bad-name");
        assert_eq!(archive.beside[0].value, given, "as it came, for whoever reads the exchange");
        assert!(!format!("{:?}", archive.reported).contains("dupont"));
    }
    assert_eq!(told(&zipped(&[("IHE_XDM\\SUBSET01\\a.xml", b"x")])).0, [("IHE_XDM/SUBSET01/a.xml".to_owned(), b"x".to_vec())]);
    let long = told(&zipped(&[(&format!("{}.pdf", "é".repeat(300)), b"x")])).0;
    assert!(long[0].0.len() <= MAX_NAME && long[0].0.ends_with(".pdf"));
    assert_eq!(file_name(" . "), None);
}

#[test]
fn refuses_only_what_holds_nothing_to_read() {
    let refused = |bytes: &[u8]| read(bytes, LIMITS).err().unwrap().0[0].code;
    assert_eq!(refused(b"PK"), "not-zip");
    assert_eq!(refused(&zipped(&[])), "missing");
    assert_eq!(refused(&zipped(&[("a.txt", &vec![0; 3 << 20])])), "too-large");
}

proptest! {
    #[test]
    fn a_label_is_harmless(name in "(\\PC|[./\\\\:*\"<>|\u{202e}\r\n\t]|CON|\\.\\.){0,200}") {
        if let Some(label) = file_name(&name) {
            prop_assert!(label.len() <= MAX_NAME && !label.is_empty());
            let harmless = !label.contains(['/', '\\', ':', '\r', '\n', '\u{202e}']) && !matches!(label.as_str(), "." | "..");
            prop_assert!(harmless);
            prop_assert_eq!(file_name(&label), Some(label), "once is enough");
        }
    }
}
