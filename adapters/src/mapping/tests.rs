use serde_json::json;

use super::*;
use crate::{
    frames::{self, told},
    reading::{Column, Place},
};

const KIND: &str = include_str!("../../../policies/catalogue/information-preoccupante.toml");

const SMALL: &str = r#"
name = "petit"
type = "information-preoccupante"
dates = "jj/mm/aaaa"

[csv]
group = "DOSSIER"

[xml]
root = "dossiers"
record = "dossier"
item = "personne"

[[given]]
name = "dossier"
column = "DOSSIER"
element = "@id"

[[field]]
column = "NOM"
element = "nom"
to = "/subjects/-/birth_name"
class = "identite"

[[field]]
column = "NE_LE"
element = "ne_le"
to = "/subjects/-/birth_date"
class = "identite"
as = "date"

[[field]]
column = "DANGERS"
element = "danger"
to = "/payload/types_danger"
class = "social"
codes = "catalogue"
list = "|"

[[field]]
column = "RECIT"
element = "recit"
to = "/payload/faits/0/texte"
class = "social"

[[fixed]]
to = "/subjects/-/role"
value = "enfant"
"#;

fn known() -> Known {
    frames::known(KIND)
}

fn context() -> Context {
    Context { legal_basis: vec!["CASF L226-2-1".into()], ..frames::records("college-0319901u", "departement-31") }
}

fn read(text: &str, format: Format) -> Records {
    Mapping::load(SMALL, &known()).unwrap().read(text.as_bytes(), format, &context()).unwrap()
}

/// The findings on the small mapping with one thing changed.
fn wrong(from: &str, to: &str) -> Vec<(&'static str, String)> {
    told(&Mapping::load(&SMALL.replacen(from, to, 1), &known()).unwrap_err().0)
}

#[test]
fn a_mapping_that_is_wrong_says_where_and_why() {
    let at = |code, place: &str| vec![(code, place.to_owned())];
    assert_eq!(wrong("birth_name", "nom"), at("unknown-field", "field[0].to"));
    assert_eq!(wrong("/subjects/-/birth_name", "birth_name"), at("bad-pointer", "field[0].to"));
    assert_eq!(wrong("class = \"identite\"\n", ""), at("no-class", "field[0].class"));
    assert_eq!(wrong("class = \"identite\"", "class = \"secret\""), at("no-class", "field[0].class"));
    assert_eq!(wrong("class = \"identite\"", "class = \"contact\""), at("wrong-class", "field[0].class"));
    assert_eq!(wrong("birth_date", "birth_name"), at("twice", "field[1].to"));
    assert_eq!(wrong("column = \"NE_LE\"", "column = \"NOM\""), at("twice", "field[1].column"));
    assert_eq!(wrong("as = \"date\"", "as = \"text\""), at("wrong-shape", "field[1].as"));
    assert_eq!(wrong("codes = \"catalogue\"", ""), at("untranslated", "field[2].codes"));
    assert_eq!(wrong("\"/payload/faits/0/texte\"", "\"/payload/faits/-/texte\""), at("two-lists", "l’ensemble"));
    assert_eq!(wrong("item = \"personne\"", ""), at("missing", "xml.item"));
    assert_eq!(wrong("group = \"DOSSIER\"", "group = \"NOM\""), at("missing", "csv.group"));
    assert_eq!(wrong("column = \"RECIT\"\n", ""), at("missing", "field[3].column"));
    assert_eq!(wrong("list = \"|\"", "list = \";\""), at("bad-value", "field[2].list"));
    assert_eq!(wrong("value = \"enfant\"", "value = \"bébé\""), at("bad-code", "fixed[0].value"));
    assert_eq!(wrong("type = \"information-preoccupante\"", "type = \"signalement\""), at("wrong-type", "type"));
    assert_eq!(wrong("element = \"nom\"", "element = \"no m\""), at("bad-name", "element"));
    assert_eq!(wrong("element = \"nom\"", "element = \"\""), at("bad-name", "element"));
    assert_eq!(wrong("element = \"nom\"", "element = \"a//b\""), at("bad-name", "element"));
    assert_eq!(wrong("column = \"NOM\"", "column = \" NOM\""), at("bad-name", "column"));
    assert_eq!(wrong("record = \"dossier\"", "record = \"<dossier>\""), at("bad-name", "xml.record"));
    assert_eq!(wrong("element = \"recit\"", "element = \"danger/recit\""), at("nested", "element"));
    assert_eq!(wrong("element = \"recit\"", "element = \"personne/recit\""), at("nested", "element"));
    assert_eq!(wrong("/payload/faits/0/texte", "/subjects/0/birth_place"), vec![("two-lists", "l’ensemble".to_owned())]);
    assert_eq!(wrong("dates =", "date ="), at("not-a-mapping", "ligne 4"));
    let codes = wrong("codes = \"catalogue\"", "codes = { N = \"negligences\", n = \"negligences\", V = \"violence\" }");
    assert_eq!(codes, at("twice", "field[2].codes"));
    let codes = wrong("codes = \"catalogue\"", "codes = { N = \"negligences\", V = \"violence\" }");
    assert_eq!(codes.iter().filter(|(code, _)| *code == "untranslated").count(), 12);
    assert_eq!(codes.iter().filter(|(code, _)| *code == "bad-code").count(), 1);
}

#[test]
fn an_unknown_field_names_the_ones_that_are_there() {
    let refused = Mapping::load(&SMALL.replace("/payload/faits/0/texte", "/payload/faits/0/recit"), &known()).unwrap_err();
    assert!(refused.0[0].cure.as_ref().unwrap().contains("payload.faits[].texte"));
}

#[test]
fn the_rows_of_one_exchange_share_what_they_do_not_repeat() {
    let text =
        "DOSSIER;NOM;NE_LE;DANGERS;RECIT\n1;FICTIVE;27/02/2014;negligences|securite;Seule le soir.\n1;FICTIVE;05/11/2022;;\n2;EXEMPLE;;;\n";
    let records = read(text, Format::Csv);
    assert_eq!(records.reading.reported, []);
    assert_eq!(records.given.iter().map(|given| given["dossier"].as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(
        records.reading.letters[0].envelope,
        json!({
            "type": "information-preoccupante", "sender": {"institution": "college-0319901u"}, "recipient": {"institution": "departement-31"},
            "legal_basis": ["CASF L226-2-1"], "urgency": "ordinary",
            "subjects": [
                {"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "birth_date": "2014-02-27"},
                {"ref": "s2", "role": "enfant", "birth_name": "FICTIVE", "birth_date": "2022-11-05"}
            ],
            "payload": {"types_danger": ["negligences", "securite"], "faits": [{"texte": "Seule le soir."}]}
        })
    );
}

#[test]
fn what_does_not_fit_stands_beside_and_is_told_without_being_said() {
    let text = "DOSSIER;NOM;NE_LE;DANGERS;RECIT;Capucine\n1;FICTIVE;27-02-2014;;Seule.;secret\n1;;;;Autre récit.;\n";
    let records = read(text, Format::Csv);
    let letter = &records.reading.letters[0];
    assert_eq!(
        told(&records.reading.reported),
        [
            ("unknown-column", "ligne 1, colonne n° 6".to_owned()),
            ("bad-date", "ligne 2, colonne « NE_LE »".to_owned()),
            ("disagree", "ligne 3, colonne « RECIT »".to_owned())
        ]
    );
    let beside: Vec<_> = letter.beside.iter().map(|beside| (beside.place.to_string(), beside.value.clone())).collect();
    assert_eq!(
        beside,
        [
            ("ligne 2, colonne « NE_LE »".to_owned(), json!("27-02-2014")),
            ("ligne 2, colonne n° 6".to_owned(), json!("secret")),
            ("ligne 3, colonne « RECIT »".to_owned(), json!("Autre récit.")),
        ]
    );
    assert!(!format!("{:?}", records.reading.reported).contains("Capucine"));
    let xml = "<dossiers><dossier id=\"1\"><Capucine>secret</Capucine><recit>Seule.</recit></dossier><autre/></dossiers>";
    let records = read(xml, Format::Xml);
    assert_eq!(records.reading.letters[0].beside[0].value, json!("secret"));
    let places: Vec<Place> = records.reading.reported.iter().map(|finding| finding.place.clone()).collect();
    let place = |name: &str| Place::Element { line: 1, name: name.into() };
    assert_eq!(places, [place("dossiers"), place("dossier")].into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn a_text_is_not_lost_for_a_number_in_it() {
    let records = read("DOSSIER;NOM;RECIT\n1;FICTIVE;Dit que le 1 85 05 78 006 084 est le sien.\n", Format::Csv);
    let found = records.reading.reported.iter().find(|finding| finding.code == "nir-in-text").unwrap();
    assert_eq!(found.place.to_string(), "ligne 2, colonne « RECIT »");
    assert!(records.reading.letters[0].envelope["payload"]["faits"][0]["texte"].as_str().unwrap().starts_with("Dit que"));
}

#[test]
fn a_shifted_row_is_kept_whole_and_fills_no_field() {
    let records = read("DOSSIER;NOM;NE_LE;DANGERS;RECIT\n1;FICTIVE;;;Seule; le soir\n", Format::Csv);
    assert_eq!(records.reading.reported[0].code, "cell-count");
    assert_eq!(records.reading.letters[0].beside[0].value, json!(["1", "FICTIVE", "", "", "Seule", " le soir"]));
    assert!(records.reading.letters[0].envelope.get("subjects").is_none());
}

#[test]
fn a_file_of_another_format_is_refused() {
    let mapping = Mapping::load(SMALL, &known()).unwrap();
    let refused = |text: &str, format| mapping.read(text.as_bytes(), format, &context()).unwrap_err().0[0].code;
    assert_eq!(refused("a;b\n1;2\n", Format::Csv), "wrong-file");
    assert_eq!(refused("NOM;NOM\n1;2\n", Format::Csv), "duplicate-column");
    assert_eq!(refused("<autres/>", Format::Xml), "wrong-root");
    assert_eq!(refused(&format!("NOM\n{}", "x\n".repeat(MAX_RECORDS + 1)), Format::Csv), "too-many");
    let many = format!("DOSSIER;NOM\n{}", "1;x\n".repeat(1_001));
    assert_eq!(refused(&many, Format::Csv), "too-many");
    let many = format!("NOM;{}\n{}", "x;".repeat(150), format!("a;{}\n", "b;".repeat(150)).repeat(3_000));
    assert_eq!(refused(&many, Format::Csv), "too-many");
    let list = mapping.read(format!("DANGERS\n{}\n", "x|".repeat(1_001)).as_bytes(), Format::Csv, &context()).unwrap();
    assert_eq!(list.reading.reported.iter().filter(|finding| finding.code == "too-many").count(), 1);
    let missing = mapping.read(b"NOM\nx\n", Format::Csv, &context()).unwrap().reading.reported;
    assert_eq!(missing[0].place, Place::Cell { line: 1, column: Column::Mapped("DOSSIER".into()) });
}

#[test]
fn nobody_is_lost_in_silence() {
    let envelope = json!({"type": "information-preoccupante", "subjects": [
        {"ref": "s1", "role": "enfant", "birth_name": "FICTIVE"}, {"ref": "s2", "role": "enfant"}, {"ref": "s3", "role": "mere", "birth_name": "EXEMPLE"}]});
    let mapping = Mapping::load(SMALL, &known()).unwrap();
    let given = BTreeMap::from([("dossier".to_owned(), "1".to_owned())]);
    let written = mapping.write(&[Record { envelope: &envelope, given: &given }], Format::Csv).unwrap();
    assert_eq!(
        told(&written.reported),
        [("left-out", "subjects[].role".to_owned()), ("left-out", "subjects[]".to_owned())],
        "a role that is not the fixed one, and a child of whom nothing else is known"
    );
}

#[test]
fn nothing_in_or_around_a_record_vanishes() {
    let text = "<dossiers xmlns:xsi='u' xsi:schemaLocation='u v' emetteur='CRIP voisine'>\n<dossier id='1'><danger niveau='haut'>securite</danger>\
        <danger><precision>Fenêtre</precision>sante</danger><recit>Seule.</recit></dossier>\n<note auteur='moi'><b>À rappeler</b></note></dossiers>";
    let records = read(text, Format::Xml);
    let letter = &records.reading.letters[0];
    assert_eq!(letter.envelope["payload"]["types_danger"], json!(["securite", "sante"]));
    let kept: String = letter.beside.iter().map(|one| one.value.to_string()).collect();
    for word in ["haut", "Fenêtre", "CRIP voisine", "moi", "À rappeler"] {
        assert!(kept.contains(word), "{word} of {kept}");
    }
    assert_eq!(told(&records.reading.reported).len(), letter.beside.len(), "{:?}", told(&records.reading.reported));
    // Of a file of several exchanges nobody knows about which: told, and not put into another child's file.
    let two = text.replace("</dossier>", "</dossier><dossier id='2'><recit>Autre.</recit></dossier>");
    let records = read(&two, Format::Xml);
    let kept: String = records.reading.letters.iter().flat_map(|letter| &letter.beside).map(|one| one.value.to_string()).collect();
    assert!(!kept.contains("À rappeler") && !kept.contains("CRIP voisine"));
    let around = records.reading.reported.iter().filter(|one| one.place.to_string().ends_with("« dossiers »")).count();
    assert_eq!(around, 2);
}

#[test]
fn a_number_does_not_travel_in_a_row_that_is_set_apart() {
    let text = "DOSSIER;NOM;NE_LE;DANGERS;RECIT\n1;FICTIVE;1 85 05 78 006 084;;Seule, n° 1850578006084.;de trop\n";
    let records = read(text, Format::Csv);
    let letter = &records.reading.letters[0];
    assert_eq!(letter.beside[0].value, json!(["1", "FICTIVE", "", "Seule, n° 1850578006084.", "de trop"]));
    let codes: Vec<_> = told(&records.reading.reported).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["cell-count", "nir", "nir-in-text", "empty-record"]);
}

#[test]
fn a_hidden_address_leaves_only_with_its_mark() {
    let address = json!({"lines": ["1 rue Cachée"], "city": "Blagnac", "hidden": true});
    let envelope = json!({"type": "information-preoccupante", "subjects": [{"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "address": address}]});
    let field = |column: &str, rest: &str| {
        format!("\n[[field]]\ncolumn = \"{column}\"\nelement = \"{column}\"\nto = \"/subjects/-/address/{rest}\n")
    };
    let city = field("VILLE", "city\"\nclass = \"contact\"");
    let mark = field("SECRET", "hidden\"\nclass = \"contact\"\nas = \"bool\"");
    let given = BTreeMap::new();
    let write = |mapping: &str| {
        let mapping = Mapping::load(mapping, &known()).unwrap();
        let written = mapping.write(&[Record { envelope: &envelope, given: &given }], Format::Csv).unwrap();
        (String::from_utf8(written.bytes).unwrap(), told(&written.reported))
    };
    let (without, reported) = write(&format!("{SMALL}{city}"));
    assert!(!without.contains("Blagnac") && without.contains("FICTIVE"));
    assert!(reported.contains(&("hidden", "subjects[].address".to_owned())), "{reported:?}");
    let (with, reported) = write(&format!("{SMALL}{city}{mark}"));
    assert!(with.contains("Blagnac;oui"), "{with}");
    assert!(!reported.iter().any(|(code, _)| *code == "hidden"));
}
