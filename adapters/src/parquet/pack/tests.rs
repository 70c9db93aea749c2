use std::io::Cursor;

use serde_json::json;
use time::macros::date;
use zip::ZipArchive;

use super::*;

const REPORT: &[u8] = b"%PDF-1.4 rapport";
const PHOTO: &[u8] = b"\xff\xd8\xff photo";

fn vector() -> Value {
    serde_json::from_slice(include_bytes!("../../../vectors/parquet/signalement.json")).unwrap()
}

fn deposit(document: &Value) -> Deposit<'_> {
    Deposit {
        document,
        reference: "0193f0a2-7c11-7000-8000-00000000f1c7",
        sender: "Département de Villimagine – CRIP",
        recipient: "Tribunal judiciaire de Villimagine – parquet, section des mineurs",
        dated: date!(2026 - 03 - 09),
        signatory: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape that `pack` asks for")]
fn signed(_: &[u8]) -> Option<String> {
    Some("eyJhbGciOiJFZERTQSJ9..c2lnbmF0dXJl".to_owned())
}

fn packed(document: &Value, limit: u64, annexes: [&[u8]; 2]) -> Result<(Packed, Vec<u8>), Unpacked> {
    let [mut first, mut second] = annexes;
    let mut out = Cursor::new(Vec::new());
    pack(&deposit(document), &mut [&mut first, &mut second], limit, signed, &mut out).map(|packed| (packed, out.into_inner()))
}

fn content(zip: &[u8], name: &str) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut bytes = Vec::new();
    archive.by_name(name).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_pack_holds_pages_annexes_manifest_signature_and_sums() {
    let (pack, zip) = packed(&vector(), PLEX_LIMIT, [REPORT, PHOTO]).unwrap();
    assert_eq!(pack.size, zip.len() as u64);
    assert!(pack.reported.is_empty(), "{:?}", pack.reported);
    let names = ["signalement.pdf", "annexe-01.pdf", "annexe-02.jpg", "manifeste.xml", "manifeste.xml.jws", "SHA256SUMS"];
    let archive = ZipArchive::new(Cursor::new(&zip)).unwrap();
    assert_eq!(archive.file_names().map(Result::unwrap).collect::<Vec<_>>(), names);
    assert_eq!(content(&zip, "annexe-01.pdf"), REPORT);
    assert_eq!(content(&zip, "annexe-02.jpg"), PHOTO);
    let sums = String::from_utf8(content(&zip, "SHA256SUMS")).unwrap();
    for (line, name) in sums.lines().zip(names) {
        assert_eq!(line, format!("{}  {name}", sha256(&content(&zip, name))));
    }
    assert_eq!(sums.lines().count(), 5);
    let manifest = String::from_utf8(content(&zip, "manifeste.xml")).unwrap();
    assert!(
        manifest.contains("<branche-l226-4>3-danger-grave-et-immediat</branche-l226-4>")
            && manifest.contains("<urgence>immediate</urgence>")
    );
    for file in &pack.files {
        assert!(manifest.contains(&format!("nom=\"{}\"", file.name)) && manifest.contains(&file.sha256), "{}", file.name);
    }
}

#[test]
fn the_signature_is_over_the_bytes_of_the_manifest() {
    let document = vector();
    let (mut first, mut second, mut out, mut seen) = (REPORT, PHOTO, Cursor::new(Vec::new()), Vec::new());
    let sign = |bytes: &[u8]| {
        seen = bytes.to_vec();
        signed(bytes)
    };
    pack(&deposit(&document), &mut [&mut first, &mut second], PLEX_LIMIT, sign, &mut out).unwrap();
    assert_eq!(seen, content(&out.into_inner(), "manifeste.xml"));
}

#[test]
fn neither_names_nor_manifest_name_the_child() {
    let (_, zip) = packed(&vector(), PLEX_LIMIT, [REPORT, PHOTO]).unwrap();
    for file in ["manifeste.xml", "SHA256SUMS"] {
        let text = String::from_utf8(content(&zip, file)).unwrap();
        assert!(!text.contains("Capucine") && !text.contains("FICTIVE"), "{file}");
    }
}

#[test]
fn the_same_deposit_gives_the_same_pack() {
    let once = packed(&vector(), PLEX_LIMIT, [REPORT, PHOTO]).unwrap().1;
    assert!(once == packed(&vector(), PLEX_LIMIT, [REPORT, PHOTO]).unwrap().1);
}

#[test]
fn an_annexe_that_is_not_as_described_is_never_deposited() {
    let mut document = vector();
    document["attachments"][0]["sha256"] = json!(sha256(REPORT));
    document["attachments"][0]["size"] = json!(REPORT.len());
    assert!(packed(&document, PLEX_LIMIT, [REPORT, PHOTO]).is_ok());
    assert!(matches!(packed(&document, PLEX_LIMIT, [PHOTO, REPORT]), Err(Unpacked::Altered(0))));
    document["attachments"][0]["size"] = json!(3);
    assert!(matches!(packed(&document, PLEX_LIMIT, [REPORT, PHOTO]), Err(Unpacked::Altered(0))));
    document["attachments"] = json!([]);
    assert!(matches!(packed(&document, PLEX_LIMIT, [REPORT, PHOTO]), Err(Unpacked::Missing { described: 0, given: 2 })));
}

#[test]
fn the_limit_holds_before_while_and_after_writing() {
    let mut document = vector();
    let whole = packed(&document, PLEX_LIMIT, [REPORT, PHOTO]).unwrap().0.size;
    assert!(matches!(packed(&document, whole - 1, [REPORT, PHOTO]), Err(Unpacked::TooLarge { .. })));
    document["attachments"][1]["size"] = json!(PLEX_LIMIT);
    // Announced as too large: not one byte is read or written.
    let (mut first, mut second, mut out) = (Panicking, Panicking, Cursor::new(Vec::new()));
    let refused = pack(&deposit(&document), &mut [&mut first, &mut second], PLEX_LIMIT, signed, &mut out);
    assert!(matches!(refused, Err(Unpacked::TooLarge { limit: PLEX_LIMIT })) && out.get_ref().is_empty());
    // Not announced, and without end.
    let document = vector();
    let (mut first, mut second, mut out) = (REPORT, io::repeat(0), Cursor::new(Vec::new()));
    let refused = pack(&deposit(&document), &mut [&mut first, &mut second], 4_000_000, signed, &mut out);
    assert!(matches!(refused, Err(Unpacked::TooLarge { .. })) && out.get_ref().len() < 4_000_000);
}

#[test]
fn nothing_is_packed_without_a_signature() {
    let document = vector();
    for signature in [None, Some(""), Some("a.b.c"), Some("a..b\n"), Some("a.."), Some("..b"), Some("é..b")] {
        let (mut first, mut second) = (REPORT, PHOTO);
        let sign = |_: &[u8]| signature.map(str::to_owned);
        let refused = pack(&deposit(&document), &mut [&mut first, &mut second], PLEX_LIMIT, sign, Cursor::new(Vec::new()));
        assert!(matches!(refused, Err(Unpacked::Unsigned)), "{signature:?}");
    }
}

#[test]
fn a_signalement_that_says_nothing_is_deposited_and_reported() {
    let document = json!({"type": "signalement", "payload": {"branche_l226_4": "5-inventee"}});
    let mut out = Cursor::new(Vec::new());
    let packed = pack(&deposit(&document), &mut [], PLEX_LIMIT, signed, &mut out).unwrap();
    assert_eq!(packed.reported.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["missing"]);
    let manifest = String::from_utf8(content(&out.into_inner(), "manifeste.xml")).unwrap();
    assert!(manifest.contains("<branche-l226-4>non-precisee<") && manifest.contains("<urgence>priority<"));
}

#[test]
fn a_media_type_that_is_none_is_not_repeated() {
    for odd in ["text/html\"><x", "pdf", "", "a/b c", "é/b"] {
        let document = json!({"attachments": [{"media_type": odd}]});
        let described = annexes(&document);
        assert_eq!((described[0].media_type.as_str(), described[0].file_name(0).as_str()), ("application/octet-stream", "annexe-01.bin"));
    }
    assert_eq!(annexes(&json!({"attachments": [{"media_type": "IMAGE/PNG"}]}))[0].file_name(100), "annexe-101.png");
}

/// Fails whoever reads it.
struct Panicking;

impl Read for Panicking {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("nothing may be read");
    }
}
