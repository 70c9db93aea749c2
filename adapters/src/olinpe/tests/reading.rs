use std::io::{self, BufReader, Read};

use proptest::prelude::*;
use time::macros::date;

use super::*;
use crate::reading::Refused;

fn all(bytes: &[u8]) -> Result<Vec<Event>, Refused> {
    let mut source = open(bytes)?;
    let (mut events, mut event) = (Vec::new(), Event::default());
    while source.read(&mut event)? {
        events.push(event.clone());
    }
    assert!(!source.read(&mut event).unwrap(), "a source that is over stays over");
    Ok(events)
}

fn code(bytes: &[u8]) -> &'static str {
    all(bytes).unwrap_err().0[0].code
}

fn xml(events: &[Event]) -> Vec<u8> {
    with_scheme(|scheme| {
        let mut writer = XmlWriter::new(Vec::new(), date!(2026 - 06 - 30), scheme).unwrap();
        events.iter().for_each(|event| writer.write(event).unwrap());
        writer.finish().unwrap()
    })
}

fn csv(events: &[Event]) -> Vec<u8> {
    let mut writer = CsvWriter::new(Vec::new()).unwrap();
    events.iter().for_each(|event| writer.write(event).unwrap());
    writer.finish().unwrap()
}

fn values(event: &Event) -> Vec<&str> {
    (0..table().variables.len()).map(|position| event.at(position)).collect()
}

#[test]
fn the_file_of_an_export_is_as_the_receiver_has_published_it() {
    let text = String::from_utf8(xml(&[event(&[("NBFRAT", "")])])).unwrap();
    assert!(text.starts_with(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DECRET>\n<!-- pseudonymes : passerelle-hmac-sha256-1 -->\n\
         <INTRO><VERSIONXSD>2.01</VERSIONXSD><DATEXPORT>2026-06-30</DATEXPORT></INTRO>\n<DONNEE><NUMDEP>01</NUMDEP><NUMANONYM>"
    ));
    assert!(text.ends_with("</DONNEE>\n</DECRET>\n"));
}

#[test]
fn older_frames_empty_elements_references_and_comments_are_read() {
    let file = "\u{FEFF}<?xml version=\"1.0\"?>\n<SNATED xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
        xsi:noNamespaceSchemaLocation=\"snated.xsd\">\n<DECRET><INTRO/>\n<DONNEE><TYPEV>&#49;</TYPEV><!-- x -->\n<DATDEB />\
        <NATPDECADM><![CDATA[11]]></NATPDECADM></DONNEE>\n\n<DONNEE></DONNEE></DECRET></SNATED>\n";
    let events = all(file.as_bytes()).unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!((events[0].get("TYPEV"), events[0].get("DATDEB"), events[0].get("NATPDECADM")), ("1", "", "11"));
    assert!(events[0].has(table().position("DATDEB").unwrap()) && !events[0].has(table().position("DATFIN").unwrap()));
    assert_eq!((events[0].line, events[1].line), (4, 7));
}

#[test]
fn what_the_format_has_not_is_told_by_its_position() {
    let file = b"<DECRET>\n<DONNEE><TYPEV>1</TYPEV><PRENOM>Lina</PRENOM><TYPEV>2</TYPEV>libre<SEXE note='x'>1</SEXE></DONNEE></DECRET>";
    let mut source = open(&file[..]).unwrap();
    let report = check(&mut *source, 2025).unwrap();
    let places: Vec<_> = report.tallies.iter().filter(|tally| tally.blocking).flat_map(|tally| &tally.findings).collect();
    let places: Vec<_> = places.iter().map(|finding| format!("{} {}", finding.code, finding.place)).collect();
    assert!(places.contains(&"variable-inconnue ligne 2, élément « DONNEE/*[2] »".to_owned()), "{places:?}");
    assert!(places.contains(&"variable-repetee ligne 2, élément « TYPEV »".to_owned()));
    assert_eq!(report.count(Check::VariableInconnue), 3);
    assert!(!format!("{report:?}{}{}", report.text(), report.json()).contains("Lina"));

    let file = "TYPEV;Lina Martin;SEXE\n1;x;1\n1;;1\n".as_bytes();
    let report = check(&mut *open(file).unwrap(), 2025).unwrap();
    assert_eq!(report.count(Check::VariableInconnue), 1);
    assert!(report.text().contains("ligne 2, colonne n° 2") && !report.text().contains("Lina"));
}

#[test]
fn hostile_files_are_refused() {
    assert_eq!(code(b"<!DOCTYPE DECRET [<!ENTITY a \"b\">]><DECRET/>"), "doctype");
    assert_eq!(code(b"<DECRET><DONNEE><TYPEV>&a;</TYPEV></DONNEE></DECRET>"), "entity");
    assert_eq!(code(b"<DECRET><DONNEE><TYPEV><TYPEV>1</TYPEV></TYPEV></DONNEE></DECRET>"), "structure");
    assert_eq!(code(b"<DECRET><DONNEE><TYPEV>1</TYPEV></DONNEE>"), "structure");
    assert_eq!(code(b"<DECRET/>"), "structure");
    assert_eq!(code(b"<DECRET></DECRET><DECRET></DECRET>"), "structure");
    assert_eq!(code(b"<html></html>"), "structure");
    assert_eq!(code(b"<DECRET><DONNEE></DECRET>"), "not-xml");
    assert_eq!(code(b"<DECRET><DONNEE><TYPEV>\xE9</TYPEV></DONNEE></DECRET>"), "not-utf8");
    assert_eq!(code(format!("<DECRET><DONNEE><TYPEV>{}</TYPEV>", "1".repeat(1000)).as_bytes()), "too-large");
    assert_eq!(code(format!("<DECRET><DONNEE {}", "a".repeat(1 << 20)).as_bytes()), "too-large");
    assert_eq!(code(format!("<DECRET><DONNEE>{}", "<X/>".repeat(2000)).as_bytes()), "too-many");
    assert_eq!(code(b""), "structure");
    assert_eq!(code(b"Nom;Prenom\na;b\n"), "structure");
    assert_eq!(code(format!("TYPEV\n{}\n", "1".repeat(1000)).as_bytes()), "too-large");
    assert_eq!(code(format!("TYPEV\n\"{}", "1".repeat(1 << 20)).as_bytes()), "too-large");
    assert_eq!(code(format!("TYPEV{}\n", ";".repeat(2000)).as_bytes()), "too-many");
    assert_eq!(code(b"TYPEV\n\xE9\n"), "not-utf8");
}

#[test]
fn an_endless_piece_is_not_kept_in_memory() {
    for start in ["<DECRET><DONNEE><TYPEV>", "<DECRET><!--", "<DECRET><DONNEE>", "TYPEV\n\""] {
        let endless = BufReader::new(start.as_bytes().chain(io::repeat(b' ')));
        let mut source = open(endless).unwrap();
        assert_eq!(source.read(&mut Event::default()).unwrap_err().0[0].code, "too-large", "{start}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[<>/&;#a-zA-Z!\\[\\]\n\" ]{0,200}") {
        let _ = all(&bytes);
        let _ = all(text.as_bytes());
        let _ = all(format!("<DECRET><DONNEE>{text}</DONNEE></DECRET>").as_bytes());
    }

    #[test]
    fn what_is_written_is_read_again(rows in prop::collection::vec(prop::collection::btree_map(0..100_usize, "[ -~é]{0,8}", 0..30), 1..5)) {
        let live = |position: &usize| !table().variables[*position].retired && table().variables[*position].kind != Kind::Text;
        let events: Vec<_> = rows.iter().map(|row| {
            let mut event = Event::default();
            row.iter().filter(|(position, _)| live(position)).for_each(|(position, value)| event.put(*position, value.trim()));
            event
        }).collect();
        for bytes in [xml(&events), csv(&events)] {
            let again = all(&bytes).unwrap();
            prop_assert_eq!(again.len(), events.len());
            for (again, event) in again.iter().zip(&events) {
                prop_assert_eq!(values(again), values(event));
            }
        }
    }
}
