use std::io::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::date;

use super::*;
use crate::archive::tests::zipped as zip;
use crate::frames::{self, party};
use crate::reading::{Letter, Place, Reading};

mod hostile;

const SOIT_TRANSMIS: &[u8] = include_bytes!("../../../vectors/parquet/soit-transmis.xml");
const OPP: &[u8] = include_bytes!("../../../vectors/parquet/opp.xml");
const JUGEMENT: &[u8] = include_bytes!("../../../vectors/parquet/jugement.xml");
const ODD: &[u8] = include_bytes!("../../../vectors/parquet/odd.xml");
const PDF: &[u8] = b"%PDF-1.4\n% a decision\n%%EOF\n";

fn context() -> Context {
    let (sender, recipient) = (party("parquet-villimagine:mineurs"), party("departement-00:crip"));
    Context { sender, recipient, purpose: None, legal_basis: Vec::new() }
}

fn beside(sheet: &[u8]) -> Reading {
    read_beside(PDF.to_vec(), sheet.to_vec(), &context()).unwrap()
}

fn letter(reading: &Reading) -> &Letter {
    assert_eq!(reading.letters.len(), 1);
    &reading.letters[0]
}

fn codes(reading: &Reading) -> Vec<&'static str> {
    frames::codes(&reading.reported)
}

/// The envelope without its papers.
fn bare(letter: &Letter) -> Value {
    let mut envelope = letter.envelope.clone();
    envelope.as_object_mut().unwrap().remove("attachments");
    envelope
}

fn vector(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn a_soit_transmis_is_read_into_its_exchange() {
    let reading = beside(SOIT_TRANSMIS);
    assert!(reading.reported.is_empty(), "{:?}", reading.reported);
    let letter = letter(&reading);
    assert_eq!(bare(letter), vector(include_bytes!("../../../vectors/parquet/soit-transmis.json")));
    assert!(letter.beside.is_empty());
    let described = &letter.envelope["attachments"];
    assert_eq!(described[0]["name"], "soit-transmis.pdf");
    assert_eq!(described[0]["title"], "Soit-transmis");
    assert_eq!(described[1]["name"], "bordereau.xml");
    for (described, bytes) in described.as_array().unwrap().iter().zip(&letter.attachments) {
        assert_eq!(described["class"], "judiciaire");
        assert_eq!(described["size"], bytes.len());
        assert_eq!(described["sha256"], crate::parquet::pack::sha256(bytes));
    }
    assert_eq!(letter.attachments, [PDF.to_vec(), SOIT_TRANSMIS.to_vec()]);
}

#[test]
fn an_order_and_a_judgment_are_what_followed_the_signalement() {
    let reading = beside(OPP);
    assert!(reading.reported.is_empty(), "{:?}", reading.reported);
    assert_eq!(bare(letter(&reading)), vector(include_bytes!("../../../vectors/parquet/opp.json")));
    assert_eq!(letter(&reading).envelope["attachments"][0]["title"], "Ordonnance de placement provisoire");
    // Another order of elements, a prefix, CDATA.
    let reading = beside(JUGEMENT);
    let envelope = &letter(&reading).envelope;
    assert_eq!(envelope["type"], "suites-judiciaires");
    assert_eq!(
        envelope["payload"],
        json!({"date_suite": "2026-11-24", "juge_saisi": {"numero_dossier": "126/0042"}, "mesures_ordonnees": ["aemo"]})
    );
    assert_eq!(envelope["attachments"][0]["title"], "Jugement");
}

#[test]
fn an_order_counts_the_days_of_the_judge_without_being_told_twice() {
    let follow_ups = |inside: &str| {
        let reading = beside(format!("<bordereau xmlns='{NAMESPACE}'><nature>opp</nature>{inside}</bordereau>").as_bytes());
        letter(&reading).envelope["payload"]["suites"].clone()
    };
    assert_eq!(follow_ups(""), json!(["opp"]));
    assert_eq!(follow_ups("<suite>opp</suite>"), json!(["opp"]));
    assert_eq!(follow_ups("<suite>mjie</suite>"), json!(["mjie", "opp"]));
}

#[test]
fn odd_fields_never_refuse_a_decision() {
    let reading = beside(ODD);
    let letter = letter(&reading);
    assert_eq!(letter.envelope["payload"], json!({"suites": ["autre"], "voie": "penal"}));
    assert_eq!(letter.envelope["subjects"], json!([{"ref": "s1", "role": "enfant", "birth_name": "FICTIVE"}]));
    assert!(letter.envelope.get("in_reply_to").is_none());
    let mut kept: Vec<&str> = letter.beside.iter().map(|beside| beside.value.as_str().unwrap()).collect();
    kept.sort_unstable();
    let all = [
        "12",
        "24 novembre",
        "7151bis",
        "Madame la directrice",
        "Où est l’enfant ?",
        "SIG-12",
        "civil",
        "civil",
        "classement",
        "haute",
        "hier",
        "jugement",
        "secret",
    ];
    assert_eq!(kept, all);
    assert_eq!(reading.reported.len(), all.len());
    for finding in &reading.reported {
        let told = format!("{} {} {:?}", finding.place, finding.detail, finding.cure);
        assert!(!told.contains("capucine") && !told.contains("secret") && !told.contains("SIG-12"), "{told}");
    }
    let unknown = reading.reported.iter().find(|finding| finding.place.to_string().contains("n° 11")).unwrap();
    assert_eq!(unknown.place, Place::Element { line: 12, name: "élément n° 11".to_owned() });
}

#[test]
fn a_paper_alone_is_a_soit_transmis() {
    let reading = read_pdf(PDF.to_vec(), &context()).unwrap();
    assert_eq!(codes(&reading), ["missing"]);
    assert_eq!(letter(&reading).envelope["payload"], json!({}));
    assert_eq!(letter(&reading).envelope["type"], "soit-transmis");
    // A scan is a decision as well.
    let reading = read_pdf(b"\xff\xd8\xff".to_vec(), &context()).unwrap();
    assert_eq!(letter(&reading).envelope["attachments"][0]["media_type"], "image/jpeg");
    assert!(read_pdf(Vec::new(), &context()).is_err());
}

#[test]
fn a_sheet_travels_inside_our_pdf_and_comes_back() {
    for (sheet, json) in [
        (SOIT_TRANSMIS, &include_bytes!("../../../vectors/parquet/soit-transmis.json")[..]),
        (OPP, include_bytes!("../../../vectors/parquet/opp.json")),
    ] {
        let envelope = letter(&beside(sheet)).envelope.clone();
        let written = write(&envelope).unwrap();
        assert_eq!(String::from_utf8_lossy(&written.xml), String::from_utf8_lossy(sheet));
        assert!(written.left_out.is_empty(), "{:?}", written.left_out);
        let typeset = sheet_pdf(&written, "Parquet de Villimagine", "Département – CRIP", date!(2026 - 11 - 24)).unwrap();
        assert!(typeset.marked.is_empty());
        let reading = read_pdf(typeset.bytes.clone(), &context()).unwrap();
        assert!(reading.reported.is_empty(), "{:?}", reading.reported);
        assert_eq!(bare(letter(&reading)), vector(json));
        assert_eq!(letter(&reading).attachments, [typeset.bytes]);
    }
}

#[test]
fn what_the_sheet_has_no_element_for_is_told() {
    let mut envelope = vector(include_bytes!("../../../vectors/parquet/opp.json"));
    envelope["payload"]["juge_saisi"]["juridiction"] = json!("tj-villimagine");
    envelope["subjects"] = json!([{"role": "mere", "birth_name": "EXEMPLE"}]);
    envelope["Capucine"] = json!(1);
    let places: Vec<String> = write(&envelope).unwrap().left_out.into_iter().map(|finding| finding.place.to_string()).collect();
    assert_eq!(places, ["/", "/payload", "/subjects"]);
    envelope["payload"]["precision"] = json!("a\u{1}b");
    assert!(write(&envelope).unwrap().left_out.iter().any(|finding| finding.code == "control-character"));
    assert!(write(&json!({"type": "signalement"})).is_none());
}

/// A PDF with one embedded file, as other writers make it.
fn pdf_with(dictionary: &str, content: &[u8]) -> Vec<u8> {
    let mut pdf = format!("%PDF-1.7\n7 0 obj\n<< {dictionary} >>\nstream\r\n").into_bytes();
    pdf.extend_from_slice(content);
    pdf.extend_from_slice(b"\nendstream\nendobj\n%%EOF\n");
    pdf
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_sheet_inside_is_found_whoever_wrote_the_pdf() {
    let plain = pdf_with("/Type/EmbeddedFile/Length 99", SOIT_TRANSMIS);
    let packed = pdf_with("/Length 1 0 R /Type /EmbeddedFile /Filter[/FlateDecode]", &deflated(SOIT_TRANSMIS));
    for pdf in [plain, packed] {
        let reading = read_pdf(pdf, &context()).unwrap();
        assert!(reading.reported.is_empty(), "{:?}", reading.reported);
        assert_eq!(letter(&reading).envelope["payload"]["numero_parquet"], "00 026 000 123");
    }
    // A newer revision replaces the sheet of an older one.
    let both = [pdf_with("/Type /EmbeddedFile", OPP), pdf_with("/Type /EmbeddedFile", SOIT_TRANSMIS)].concat();
    let reading = read_pdf(both, &context()).unwrap();
    assert_eq!(codes(&reading), ["too-many"]);
    assert_eq!(letter(&reading).envelope["type"], "soit-transmis");
}

#[test]
fn the_newest_sheet_is_found_behind_many_other_files() {
    let many = pdf_with("/Type /EmbeddedFile", b"x").repeat(70);
    let reading = read_pdf([many.clone(), pdf_with("/Type /EmbeddedFile", OPP)].concat(), &context()).unwrap();
    assert!(reading.reported.is_empty(), "{:?}", reading.reported);
    assert_eq!(letter(&reading).envelope["type"], "suites-judiciaires");
    let reading = read_pdf([pdf_with("/Type /EmbeddedFile", OPP), many].concat(), &context()).unwrap();
    assert_eq!(codes(&reading), ["missing", "too-many"], "it is said that not all were looked into");
}

#[test]
fn an_order_is_an_order_in_the_words_of_a_court_and_by_its_name() {
    let nature = |said: &str| {
        let reading = beside(format!("<bordereau xmlns='{NAMESPACE}'><nature>{said}</nature></bordereau>").as_bytes());
        (letter(&reading).envelope["attachments"][0]["title"].as_str().unwrap().to_owned(), reading.reported.len())
    };
    for said in ["OPP", "opp", "O.P.P.", "Ordonnance de placement provisoire", "ORDONNANCE  DE PLACEMENT PROVISOIRE"] {
        assert_eq!(nature(said), ("Ordonnance de placement provisoire".to_owned(), 0), "{said}");
    }
    assert_eq!(nature("Avis de suites").0, "Avis de suites");
    assert_eq!(nature("Soit transmis").0, "Soit-transmis");
    assert_eq!(nature("ordonnance").0, "Soit-transmis");
    // Without a sheet, the name of the paper says it where it says one thing; that is told.
    let named = |names: &[&str]| {
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, PDF)).collect();
        let reading = read_zip(&zip(&files), ZIP_LIMIT, &context()).unwrap();
        (
            letter(&reading).envelope["type"].as_str().unwrap().to_owned(),
            letter(&reading).envelope["payload"].clone(),
            codes(&reading).len(),
        )
    };
    for name in ["OPP.pdf", "2026-11-24 opp FICTIVE.pdf", "Ordonnance_de_placement_provisoire.pdf"] {
        assert_eq!(named(&[name]), ("suites-judiciaires".into(), json!({"suites": ["opp"]}), 2), "{name}");
    }
    for name in ["opposition.pdf", "soit-transmis après OPP.pdf", "decision.pdf"] {
        assert_eq!(named(&[name]), ("soit-transmis".into(), json!({}), 1), "{name}");
    }
    assert_eq!(named(&["OPP.pdf", "jugement.pdf"]).0, "soit-transmis");
}

#[test]
fn a_nir_is_not_taken_from_a_sheet() {
    let sheet = format!(
        "<bordereau xmlns='{NAMESPACE}'><nature>opp</nature><numero-dossier>1 85 05 78 006 084 36</numero-dossier><inconnu>1850578006084</inconnu>\
         <precision>né, 1-85-05-78-006-084, vu</precision></bordereau>"
    );
    let reading = beside(sheet.as_bytes());
    assert_eq!(letter(&reading).envelope["payload"], json!({"suites": ["opp"], "precision": "né, 1-85-05-78-006-084, vu"}));
    assert!(letter(&reading).beside.is_empty());
    assert_eq!(codes(&reading), ["nir", "nir-in-text", "nir"]);
}

#[test]
fn an_archive_holds_sheet_and_papers() {
    let reading = read_zip(
        &zip(&[("Décision TESTINI Lison.pdf", PDF), ("fiche.xml", SOIT_TRANSMIS), ("annexes/photo.jpg", b"\xff\xd8\xff")]),
        ZIP_LIMIT,
        &context(),
    )
    .unwrap();
    assert!(reading.reported.is_empty());
    let names: Vec<&str> =
        letter(&reading).envelope["attachments"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["soit-transmis.pdf", "piece-02.jpg", "bordereau.xml"]);
    let alone = read_zip(&zip(&[("fiche.xml", SOIT_TRANSMIS)]), ZIP_LIMIT, &context()).unwrap();
    assert_eq!(codes(&alone), ["missing"]);
    assert_eq!(codes(&read_zip(&zip(&[("a.pdf", PDF)]), ZIP_LIMIT, &context()).unwrap()), ["missing"]);
}

#[test]
fn a_blank_sheet_offers_every_field() {
    let blank = blank("Tribunal judiciaire de Villimagine", date!(2026 - 11 - 24)).unwrap();
    assert!(blank.marked.is_empty() && (3..=7).contains(&blank.pages), "{}", blank.pages);
}

#[test]
fn schema_and_catalogue_have_every_element_and_code() {
    let schema = include_str!("../bordereau.xsd");
    let lists = include_str!("../../../../policies/catalogue/_codes.toml");
    let kinds = [
        ("soit-transmis", include_str!("../../../../policies/catalogue/soit-transmis.toml")),
        ("suites-judiciaires", include_str!("../../../../policies/catalogue/suites-judiciaires.toml")),
    ];
    for row in rows::ROWS {
        assert!(schema.contains(&format!("<xs:element name=\"{}\"", row.element)), "{}", row.element);
        if let rows::Form::Code(codes) = row.form {
            for code in codes {
                assert!(schema.contains(&format!("\"{code}\"")) && lists.contains(&format!("\"{code}\"")), "{code}");
            }
        }
        for (kind, catalogue) in kinds {
            let Some(path) = row.place(kind).strip_prefix("/payload/") else { continue };
            let path = format!("path = \"{}{}\"", path.replace('/', "."), if row.many && row.element != "natinf" { "[]" } else { "" });
            assert!(catalogue.contains(&path), "{kind}: {path}");
        }
    }
    for nature in Nature::ALL {
        assert!(schema.contains(&format!("\"{}\"", nature.code())));
    }
}

/// A sheet with the elements that have a place in the type.
fn any_sheet() -> impl Strategy<Value = String> {
    let text = "[A-Za-zé’0-9 <>&\"]{0,30}[a-z]";
    (
        0..4usize,
        proptest::collection::vec((0..rows::ROWS.len(), text, any::<proptest::sample::Index>()), 0..20),
        proptest::collection::vec((text, proptest::collection::vec(text, 1..3)), 0..3),
    )
        .prop_map(|(nature, given, children)| {
            let nature = Nature::ALL[nature];
            let mut given: Vec<_> = given.into_iter().filter(|(row, ..)| !rows::ROWS[*row].place(nature.kind()).is_empty()).collect();
            given.sort_by_key(|(row, ..)| *row);
            given.dedup_by_key(|(row, ..)| *row);
            let value = |row: &rows::Row, text: String, at: proptest::sample::Index| match row.form {
                rows::Form::Text => text,
                rows::Form::Date => format!("20{:02}-0{}-1{}", at.index(99), at.index(9) + 1, at.index(9)),
                rows::Form::Bool => (at.index(2) == 0).to_string(),
                rows::Form::Natinf => at.index(99_999).to_string(),
                rows::Form::Reference => "0193f0a2-7c11-7000-8000-00000000f1c7".to_owned(),
                rows::Form::Code(codes) => at.get(codes).to_string(),
            };
            let bytes = crate::parquet::xml::document(|writer| {
                writer.create_element("bordereau").with_attributes([("xmlns", NAMESPACE), ("version", "1")]).write_inner_content(
                    |writer| {
                        crate::parquet::xml::element(writer, "nature", nature.code())?;
                        for (row, text, at) in given {
                            let row = &rows::ROWS[row];
                            crate::parquet::xml::element(writer, row.element, value(row, text, at).trim())?;
                        }
                        for (name, given_names) in children {
                            writer.create_element("enfant").write_inner_content(|writer| {
                                crate::parquet::xml::element(writer, "nom", name.trim())?;
                                given_names.iter().try_for_each(|name| crate::parquet::xml::element(writer, "prenom", name.trim()))
                            })?;
                        }
                        Ok(())
                    },
                )?;
                Ok(())
            });
            String::from_utf8(bytes.unwrap()).unwrap()
        })
}

proptest! {
    #[test]
    fn a_sheet_read_and_written_is_the_same_sheet(sheet in any_sheet()) {
        let reading = beside(sheet.as_bytes());
        prop_assert!(reading.reported.is_empty(), "{:?}", reading.reported);
        let envelope = &letter(&reading).envelope;
        let written = write(envelope).unwrap();
        prop_assert!(written.left_out.is_empty());
        // From the exchange to the sheet and back.
        let again = beside(&written.xml);
        prop_assert!(again.reported.is_empty());
        prop_assert_eq!(bare(letter(&again)), bare(letter(&reading)));
        // From the sheet to the exchange and back; an order says by itself what followed.
        let unsaid = sheet.contains("<nature>opp<") && !sheet.contains("<suite>opp<");
        if !unsaid {
            prop_assert_eq!(String::from_utf8(written.xml).unwrap(), sheet);
        }
    }
}
