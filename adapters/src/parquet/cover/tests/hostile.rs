//! What costs little and breaks nothing: sheets, PDFs and archives that somebody made to hurt.

use super::super::parse::parse;
use super::*;

#[test]
fn a_sheet_that_cannot_be_read_leaves_the_paper() {
    let open = format!("<bordereau xmlns='{NAMESPACE}'>");
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"<!DOCTYPE b [<!ENTITY a 'x'>]><bordereau/>".to_vec(), "doctype"),
        (format!("{open}<question>&lol;</question></bordereau>").into_bytes(), "entity"),
        (format!("{open}<question>&#0;</question></bordereau>").into_bytes(), "entity"),
        (format!("{open}<question>").into_bytes(), "truncated"),
        (format!("{open}</question></bordereau>").into_bytes(), "not-xml"),
        (format!("{open}{}", "<x>".repeat(100_000).get(..60_000).unwrap()).into_bytes(), "too-deep"),
        (format!("{open}{}</bordereau>", "<x/>".repeat(3000)).into_bytes(), "too-large"),
        (format!("{open}<voie {}/></bordereau>", (0..30_000).map(|n| format!("a{n}='' ")).collect::<String>()).into_bytes(), "too-large"),
        (vec![b' '; 300 * 1024], "too-large"),
        (b"\xff\xfe<".to_vec(), "encoding"),
        (b"<bordereau/>".to_vec(), "unknown-element"),
        (format!("{open}</bordereau>{open}</bordereau>").into_bytes(), "not-xml"),
        (Vec::new(), "not-xml"),
    ];
    for (sheet, code) in cases {
        let reading = beside(&sheet);
        assert_eq!(codes(&reading), [code], "{}", String::from_utf8_lossy(&sheet).chars().take(80).collect::<String>());
        assert_eq!(letter(&reading).envelope["type"], "soit-transmis");
        assert_eq!(letter(&reading).attachments[0], PDF);
    }
}

#[test]
fn a_hostile_pdf_is_a_paper_and_costs_little() {
    let bomb = pdf_with("/Type /EmbeddedFile /Filter /FlateDecode", &deflated(&vec![b' '; 64 << 20]));
    let twice = pdf_with("/Type /EmbeddedFile /Filter [/FlateDecode /FlateDecode]", &deflated(&deflated(SOIT_TRANSMIS)));
    let other = pdf_with("/Type /EmbeddedFile /Filter /LZWDecode", SOIT_TRANSMIS);
    let broken = pdf_with("/Type /EmbeddedFile /Filter /FlateDecode", SOIT_TRANSMIS);
    let many = pdf_with("/Type /EmbeddedFile", b"x").repeat(1000);
    let keywords = b"/EmbeddedFile stream\n".repeat(500_000);
    for pdf in [bomb, twice, other, broken] {
        let reading = read_pdf(pdf, &context()).unwrap();
        assert_eq!(codes(&reading), ["missing"]);
    }
    for pdf in [many, keywords] {
        let reading = read_pdf(pdf, &context()).unwrap();
        assert_eq!(codes(&reading), ["missing", "too-many"]);
    }
}

#[test]
fn an_archive_is_refused_only_when_it_holds_nothing_to_read() {
    let refused = |bytes: &[u8], limit: u64| read_zip(bytes, limit, &context()).unwrap_err().0[0].code;
    assert_eq!(refused(b"", ZIP_LIMIT), "not-zip");
    assert_eq!(refused(PDF, ZIP_LIMIT), "not-zip");
    assert_eq!(refused(&zip(&[]), ZIP_LIMIT), "missing");
    assert_eq!(refused(&zip(&[("a.pdf", &vec![0; 40 << 20])]), ZIP_LIMIT), "too-large");
    assert_eq!(refused(&zip(&[("a.pdf", &[7; 5000])]), 4999), "too-large");
}

#[test]
fn a_decision_comes_in_an_odd_archive() {
    let bomb = vec![0; 40 << 20];
    let odd = zip(&[("a\\decision.pdf", PDF), ("bombe.pdf", &bomb), ("../../fiche.xml", SOIT_TRANSMIS)]);
    let reading = read_zip(&odd, ZIP_LIMIT, &context()).unwrap();
    assert_eq!(letter(&reading).attachments, [PDF.to_vec(), SOIT_TRANSMIS.to_vec()]);
    assert_eq!(codes(&reading), ["too-large", "bad-name"]);
    // What could not be read of it is still in the archive.
    let longer = [zip(&[("decision.pdf", PDF)]), b"\r\nDupont".to_vec()].concat();
    let reading = read_zip(&longer, ZIP_LIMIT, &context()).unwrap();
    assert_eq!(letter(&reading).attachments, [PDF.to_vec(), longer]);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = parse(&bytes);
        let _ = read_zip(&bytes, 10_000, &context());
        let reading = read_beside(PDF.to_vec(), bytes.clone(), &context()).unwrap();
        prop_assert_eq!(&letter(&reading).attachments[0], PDF);
        let _ = read_pdf(pdf_with("/Type /EmbeddedFile", &bytes), &context()).unwrap();
        let _ = read_pdf(bytes, &context());
    }

    #[test]
    fn no_damaged_sheet_or_archive_panics(at in 0..1400usize, byte in any::<u8>(), cut in 0..1400usize) {
        let mut sheet = SOIT_TRANSMIS.to_vec();
        let at = at % sheet.len();
        sheet[at] = byte;
        prop_assert_eq!(letter(&beside(&sheet)).attachments.len(), 2);
        sheet.truncate(cut);
        let _ = beside(&sheet);
        let mut archive = zip(&[("a.pdf", PDF), ("b.xml", SOIT_TRANSMIS)]);
        let at = at % archive.len();
        archive[at] = byte;
        let _ = read_zip(&archive, ZIP_LIMIT, &context());
        archive.truncate(cut);
        let _ = read_zip(&archive, ZIP_LIMIT, &context());
    }
}
