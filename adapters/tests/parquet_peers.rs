//! What other programs say of our files: qpdf, poppler (`pdftotext`, `pdfinfo`, `pdfdetach`), libxml2 (`xmllint`), coreutils
//! (`sha256sum`).
//! On Debian: `apt-get install qpdf poppler-utils libxml2-utils`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where something is not as it should be")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use adapters::parquet::{Deposit, PLEX_LIMIT, Signatory, cover, pack};
use serde_json::Value;
use time::macros::date;
use zip::ZipArchive;

/// Runs a program and gives what it says; fails where it finds fault.
fn run(program: &str, arguments: &[&str], within: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(within).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; on Debian: apt-get install qpdf poppler-utils libxml2-utils"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

fn schema(name: &str) -> String {
    format!("{}/src/parquet/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_deposit_satisfies_programs_that_are_not_ours() {
    let document: Value = serde_json::from_slice(include_bytes!("../vectors/parquet/signalement.json")).unwrap();
    let deposit = Deposit {
        document: &document,
        reference: "0193f0a2-7c11-7000-8000-00000000f1c7",
        sender: "Département de Villimagine – CRIP & ASE",
        recipient: "Tribunal judiciaire de Villimagine – parquet, section des mineurs",
        dated: date!(2026 - 03 - 09),
        signatory: Some(Signatory { name: "Odile INVENTÉE".to_owned(), function: "directrice enfance-famille".to_owned() }),
    };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (mut report, mut photo): (&[u8], &[u8]) = (b"%PDF-1.4 rapport", b"\xff\xd8\xff photo");
    let sign = |_: &[u8]| Some("eyJhbGciOiJFZERTQSJ9..c2lnbmF0dXJl".to_owned());
    pack(&deposit, &mut [&mut report, &mut photo], PLEX_LIMIT, sign, File::create(at.join("depot.zip")).unwrap()).unwrap();
    unpack(at);

    assert_eq!(run("sha256sum", &["--strict", "-c", "SHA256SUMS"], at).lines().filter(|line| line.ends_with(": OK")).count(), 5);
    run("xmllint", &["--noout", "--schema", &schema("manifeste.xsd"), "manifeste.xml"], at);
    run("qpdf", &["--check", "signalement.pdf"], at);
    let about = run("pdfinfo", &["signalement.pdf"], at);
    for line in ["Tagged:          yes", "A4", "Title:           Signalement au procureur de la République"] {
        assert!(about.contains(line), "{about}");
    }
    let text = run("pdftotext", &["-layout", "signalement.pdf", "-"], at);
    for part in ["Marie-Łucja", "URGENCE IMMÉDIATE", "« Le soir c’est moi qui fais manger Barnabé", "page 1 sur 4", "annexe-02.jpg"] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let structure = run("pdfinfo", &["-struct-text", "signalement.pdf"], at);
    let text = structure.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["H1", "H2", "BlockQuote", "Table", "TH", "LBody"] {
        assert!(text.contains(part), "{part}");
    }
    // Heard without its look, words stay apart where lines end.
    assert!(
        text.contains("conduit aux urgences\" \"pédiatriques")
            || text.contains("urgences pédiatriques")
            || text.contains("urgences \" \"pédiatriques"),
        "{text}"
    );
}

fn unpack(at: &Path) {
    let mut archive = ZipArchive::new(File::open(at.join("depot.zip")).unwrap()).unwrap();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        let name = file.name().unwrap().into_owned();
        File::create(at.join(name)).unwrap().write_all(&bytes).unwrap();
    }
}

#[test]
fn a_cover_sheet_satisfies_programs_that_are_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for name in ["soit-transmis", "opp"] {
        let vectors = format!("{}/vectors/parquet", env!("CARGO_MANIFEST_DIR"));
        run("xmllint", &["--noout", "--schema", &schema("bordereau.xsd"), &format!("{vectors}/{name}.xml")], at);
        let envelope: Value = serde_json::from_slice(&fs::read(format!("{vectors}/{name}.json")).unwrap()).unwrap();
        let sheet = cover::write(&envelope).unwrap();
        let pdf = cover::sheet_pdf(&sheet, "Parquet de Villimagine", "Département – CRIP", date!(2026 - 11 - 24)).unwrap();
        fs::write(at.join("bordereau.pdf"), pdf.bytes).unwrap();
        run("qpdf", &["--check", "bordereau.pdf"], at);
        run("pdfdetach", &["-saveall", "bordereau.pdf"], at);
        assert_eq!(fs::read(at.join("bordereau.xml")).unwrap(), sheet.xml);
        run("xmllint", &["--noout", "--schema", &schema("bordereau.xsd"), "bordereau.xml"], at);
    }
    fs::write(at.join("vierge.pdf"), cover::blank("Tribunal judiciaire de Villimagine", date!(2026 - 11 - 24)).unwrap().bytes).unwrap();
    run("qpdf", &["--check", "vierge.pdf"], at);
}

#[test]
fn a_sheet_inside_is_found_after_another_program_rewrote_the_pdf() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let envelope: Value = serde_json::from_slice(include_bytes!("../vectors/parquet/opp.json")).unwrap();
    let sheet = cover::write(&envelope).unwrap();
    let pdf = cover::sheet_pdf(&sheet, "Parquet", "CRIP", date!(2026 - 11 - 24)).unwrap();
    fs::write(at.join("a.pdf"), pdf.bytes).unwrap();
    // Object streams and compressed cross-references; then the sheet added to a PDF that had none.
    run("qpdf", &["--object-streams=generate", "--recompress-flate", "a.pdf", "b.pdf"], at);
    fs::write(at.join("vierge.pdf"), cover::blank("Tribunal", date!(2026 - 11 - 24)).unwrap().bytes).unwrap();
    fs::write(at.join("bordereau.xml"), &sheet.xml).unwrap();
    run("qpdf", &["vierge.pdf", "--add-attachment", "bordereau.xml", "--", "--object-streams=generate", "c.pdf"], at);
    let party = |institution: &str| serde_json::from_value(serde_json::json!({"institution": institution})).unwrap();
    let context =
        cover::Context { sender: party("parquet-villimagine"), recipient: party("departement-00"), purpose: None, legal_basis: Vec::new() };
    for name in ["b.pdf", "c.pdf"] {
        let reading = cover::read_pdf(fs::read(at.join(name)).unwrap(), &context).unwrap();
        assert!(reading.reported.is_empty(), "{name}: {:?}", reading.reported);
        assert_eq!(reading.letters[0].envelope["payload"], envelope["payload"], "{name}");
    }
}
