use proptest::prelude::*;
use time::macros::date;

use super::face::{Faces, Style};
use super::lines::lines;
use super::*;

fn document(contents: Vec<Content>) -> Document {
    Document {
        title: "Titre d’essai".to_owned(),
        subtitle: None,
        letterhead: "Institution inventée".to_owned(),
        reference: "réf. 0000".to_owned(),
        footer: "Confidentiel".to_owned(),
        dated: date!(2026 - 11 - 24),
        blocks: contents.into_iter().map(|content| Block { content, place: Place::Path("/payload/texte_libre".to_owned()) }).collect(),
        attached: Vec::new(),
    }
}

fn paragraph(text: &str) -> Document {
    document(vec![Content::Paragraph(text.to_owned())])
}

/// What is printed of a text, and the codes of what is reported of it.
fn printed(text: &str) -> (String, Vec<&'static str>) {
    let faces = Faces::load().unwrap();
    let mut cleaner = clean::Cleaner::new(&faces);
    let text = cleaner.clean(text, &Place::Whole);
    (text, cleaner.findings().into_iter().map(|finding| finding.code).collect())
}

/// One of every kind of content.
fn everything() -> Vec<Content> {
    let column = |title: &str| Column { title: title.to_owned(), share: 1 };
    vec![
        Content::Section("Section".to_owned()),
        Content::Notice("À lire d’abord".to_owned()),
        Content::Field { label: "Étiquette".to_owned(), value: "Valeur".to_owned() },
        Content::Field { label: "Étiquette".to_owned(), value: String::new() },
        Content::Part("Partie".to_owned()),
        Content::Quote { words: "« Mots. »".to_owned(), origin: Some("le 20 novembre".to_owned()) },
        Content::Table {
            columns: vec![column("Un"), column("Deux")],
            rows: vec![vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]],
        },
        Content::Blank { label: "Nom".to_owned(), lines: 2 },
        Content::Choice { label: "Nature".to_owned(), options: vec!["un".to_owned(), "deux".to_owned()] },
    ]
}

#[test]
fn the_same_document_gives_the_same_bytes() {
    let once = pdf(&document(everything())).unwrap();
    let again = pdf(&document(everything())).unwrap();
    assert_eq!(once.bytes, again.bytes);
    assert!(once.marked.is_empty());
    assert!(once.bytes.starts_with(b"%PDF-1.7"));
}

#[test]
fn a_file_inside_makes_it_pdf_a_3() {
    let mut with = document(everything());
    with.attached.push(Attached { name: "fiche.xml", media_type: "application/xml", description: "Fiche", bytes: b"<fiche/>".to_vec() });
    let conformance = |bytes: &[u8], part: &str| String::from_utf8_lossy(bytes).contains(&format!("<pdfaid:part>{part}</pdfaid:part>"));
    assert!(conformance(&pdf(&with).unwrap().bytes, "3"));
    assert!(conformance(&pdf(&document(everything())).unwrap().bytes, "2"));
    with.attached.push(with.attached[0].clone());
    assert_eq!(pdf(&with).err(), Some(Unprintable::NotArchival("two attached files of one name")));
}

#[test]
fn nothing_vanishes_and_nothing_acts_unseen() {
    assert_eq!(printed("Ça va, œuvre à 10 €\u{202f}!"), ("Ça va, œuvre à 10 €\u{a0}!".to_owned(), vec![]));
    assert_eq!(printed("😀 عمر"), ("[U+1F600] [U+0639][U+0645][U+0631]".to_owned(), vec!["unprintable-character"]));
    assert_eq!(printed("a\u{202e}b\u{2066}c"), ("a[U+202E]b[U+2066]c".to_owned(), vec!["direction-character"]));
    assert_eq!(printed("a\u{0}b\u{1b}c\u{9f}"), ("a[U+0000]b[U+001B]c[U+009F]".to_owned(), vec!["control-character"]));
    assert_eq!(printed("a\u{ad}\u{200b}\u{feff}b"), ("ab".to_owned(), vec!["invisible-character"]));
    assert_eq!(printed("\u{e000}\u{ffff}"), ("[U+E000][U+FFFF]".to_owned(), vec!["unprintable-character"]));
    assert_eq!(printed("un\r\ndeux\u{2028}trois\tquatre"), ("un\ndeux\ntrois quatre".to_owned(), vec![]));
    // A letter and its accent apart are the letter with its accent.
    assert_eq!(printed("e\u{301}"), ("é".to_owned(), vec![]));
}

#[test]
fn a_finding_names_the_place_and_never_the_text() {
    let set = pdf(&paragraph("Enfant 😀 secrète \u{202e}")).unwrap();
    assert_eq!(set.marked.len(), 2);
    for finding in &set.marked {
        assert_eq!(finding.place, Place::Path("/payload/texte_libre".to_owned()));
        assert!(!finding.detail.contains("secr") && finding.cure.is_some());
    }
}

#[test]
fn latin_names_of_europe_are_printable() {
    let faces = Faces::load().unwrap();
    let names = "ÀÂÆÇÉÈÊËÎÏÔŒÙÛÜŸ àâæçéèêëîïôœùûüÿ ÁÐÍŁŃŚŹŻĄĘČĎĚŇŘŠŤŮŽĐĞİŞŐŰȘȚĀĒĪŪĶĻŅ ñãõåøß «»’“”–—…€°§¶·";
    assert!(names.chars().all(|letter| faces.have(letter)));
    assert!(!faces.have('😀') && !faces.have('\u{5d0}'));
}

#[test]
fn lines_break_where_french_allows() {
    let faces = Faces::load().unwrap();
    let text = "Elle a dit : « Je rentre ! » puis elle est partie ; personne n’a répondu à l’appel du soir.";
    for width in [60.0, 90.0, 150.0] {
        let broken = lines(faces.of(Style::Regular), text, 10.0, width);
        assert_eq!(broken.iter().map(|line| line.text.as_str()).collect::<String>(), text);
        for line in &broken {
            assert!(line.width <= width + 0.01, "{}", line.text);
            assert!(!line.text.starts_with([':', ';', '!', '»', ' ']), "{}", line.text);
        }
    }
}

#[test]
fn a_text_without_a_space_is_broken_into_pages() {
    let set = pdf(&paragraph(&"W".repeat(1 << 18))).unwrap();
    assert!((40..150).contains(&set.pages), "{}", set.pages);
    let set = pdf(&document(vec![Content::Field { label: "l".repeat(5000), value: "v".repeat(20_000) }])).unwrap();
    assert!(set.pages < 20, "{}", set.pages);
}

#[test]
fn marks_without_end_on_one_letter_are_printed() {
    assert!(pdf(&paragraph(&format!("a{}", "\u{301}".repeat(10_000)))).is_ok());
    assert!(pdf(&paragraph(&format!("a{}", "\u{333}".repeat(10_000)))).is_ok());
}

#[test]
fn line_feeds_without_end_are_not_pages_without_end() {
    let text = "a\n".repeat(1 << 16);
    let set = pdf(&paragraph(&text)).unwrap();
    assert!(set.pages < 200, "{}", set.pages);
    assert!(set.marked.iter().any(|finding| finding.code == "too-many-lines"));
}

#[test]
fn a_heading_keeps_with_its_text_and_no_line_is_left_alone() {
    let faces = Faces::load().unwrap();
    let text = "Un texte de quelques lignes, ni long ni court, pour que chaque page finisse ailleurs. ";
    let contents = (1..120).flat_map(|n| [Content::Section(format!("Section {n}")), Content::Paragraph(text.repeat(n % 9 + 1))]);
    let document = document(contents.collect());
    let laid = flow::lay_out(&document, &faces, &mut clean::Cleaner::new(&faces));
    assert!(laid.pages.len() > 10);
    let mut lines: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
    for page in &laid.pages {
        let nodes: Vec<usize> =
            page.iter().filter_map(|item| if let flow::Item::Text { node, .. } = item { Some(*node) } else { None }).collect();
        assert!(!matches!(laid.nodes[*nodes.last().unwrap()].role, flow::Role::Heading(..)));
        let mut seen = std::collections::BTreeMap::new();
        nodes.into_iter().for_each(|node| *seen.entry(node).or_default() += 1);
        seen.into_iter().for_each(|(node, count)| lines.entry(node).or_default().push(count));
    }
    for pages in lines.values().filter(|pages| pages.len() > 1) {
        assert!(pages.iter().all(|count| *count > 1), "{pages:?}");
    }
}

#[test]
fn a_row_higher_than_a_page_goes_on() {
    let columns = vec![Column { title: "Un".to_owned(), share: 1 }, Column { title: "Deux".to_owned(), share: 1 }];
    let rows = vec![vec!["mot ".repeat(4000), "b".to_owned()], vec!["c".to_owned(), "d".to_owned()]];
    assert!(pdf(&document(vec![Content::Table { columns, rows }])).unwrap().pages > 3);
    let nothing = Content::Table { columns: Vec::new(), rows: vec![vec!["a".to_owned()]] };
    assert!(pdf(&document(vec![nothing])).is_ok());
}

#[test]
fn an_overlong_head_ends_in_an_ellipsis() {
    let mut long = document(Vec::new());
    long.letterhead = "Institution ".repeat(3000);
    long.reference = "R".repeat(40_000);
    long.title = "T ".repeat(40_000);
    assert!(pdf(&long).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_text_is_archival(text in any::<String>(), label in any::<String>()) {
        let contents = vec![
            Content::Section(label.clone()),
            Content::Field { label: label.clone(), value: text.clone() },
            Content::Quote { words: text.clone(), origin: Some(label.clone()) },
            Content::Table { columns: vec![Column { title: label.clone(), share: 0 }], rows: vec![vec![text.clone()]] },
            Content::Notice(text.clone()),
            Content::Choice { label: label.clone(), options: vec![text] },
        ];
        let mut all = document(contents);
        all.title = label.clone();
        all.reference = label.clone();
        all.letterhead = label;
        prop_assert!(pdf(&all).is_ok());
    }

    #[test]
    fn lines_lose_no_character(text in "[a-zé «»:;!?’-]{0,200}", width in 5.0f32..300.0) {
        let faces = Faces::load().unwrap();
        let text = text.trim_end();
        let broken = lines(faces.of(Style::Regular), text, 10.0, width);
        prop_assert_eq!(broken.iter().map(|line| line.text.as_str()).collect::<String>(), text);
    }
}
