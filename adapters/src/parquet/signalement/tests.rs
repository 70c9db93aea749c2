use proptest::prelude::*;
use serde_json::json;
use time::macros::date;

use super::*;
use crate::parquet::source::known;

/// All that is printed, in order.
fn printed(document: &Value) -> String {
    let deposit = Deposit { document, reference: "REF", sender: "DE", recipient: "A", dated: date!(2026 - 03 - 09), signatory: None };
    let mut text = String::new();
    let document = super::document(&deposit);
    let mut say = |part: &str| {
        text.push_str(part);
        text.push('\n');
    };
    say(document.subtitle.as_deref().unwrap_or_default());
    for block in document.blocks {
        match block.content {
            Content::Section(part) | Content::Part(part) | Content::Paragraph(part) | Content::Notice(part) => say(&part),
            Content::Field { label, value } => say(&format!("{label} : {value}")),
            Content::Quote { words, origin } => say(&format!("{words}\n{}", origin.unwrap_or_default())),
            Content::Table { rows, .. } => rows.iter().for_each(|row| say(&row.join(" | "))),
            Content::Blank { label, .. } | Content::Choice { label, .. } => say(&label),
        }
    }
    text
}

fn vector() -> Value {
    serde_json::from_slice(include_bytes!("../../../vectors/parquet/signalement.json")).unwrap()
}

#[test]
fn a_magistrate_reads_what_the_law_asks_for() {
    let text = printed(&vector());
    for part in [
        "Signalement du président du conseil départemental",
        "URGENCE IMMÉDIATE",
        "Cas de l’article L226-4 : 3° Le danger est grave et immédiat",
        "Magistrat de permanence avisé : Oui",
        "Avisé le : 09/03/2026 à 18 h 10 (UTC+01:00)",
        "Enfant concerné\nNom de naissance : FICTIVE\nPrénoms : Capucine, Marie-Łucja",
        "Autorité parentale : Oui",
        "Fait n° 2 – du 01/02/2026 au 09/03/2026 – dit par l’enfant",
        "«\u{a0}J’ai pas peur, j’ai l’habitude.\u{a0}»\nle 09/03/2026 – recueilli par : éducatrice spécialisée",
        "Aide éducative à domicile | 01/09/2025 | 20/12/2025 | Quatre visites sur douze ont pu avoir lieu.",
        "Mesures sollicitées : ordonnance de placement provisoire, mesure judiciaire d’investigation éducative",
        "Avis écrit aux parents (CASF, art. L226-5) : À faire",
        "Personnes informées : Mère EXEMPLE",
        "1 | Rapport d’évaluation – rapport Capucine.pdf | annexe-01.pdf\n2 | Photographie du logement – photo.jpg | annexe-02.jpg",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    assert!(!text.contains("Autres éléments transmis"), "{text}");
    let acts = text.find("Actions déjà menées").unwrap();
    assert!(text.find("Propos de l’enfant").unwrap() < acts && acts < text.find("Suites sollicitées").unwrap());
}

#[test]
fn a_missing_branch_is_said_and_an_odd_one_is_printed() {
    assert!(printed(&json!({})).contains("Cas de l’article L226-4 : Non précisée"));
    assert!(printed(&json!({"payload": {"branche_l226_4": "5-autre"}})).contains("Cas de l’article L226-4 : 5-autre"));
}

#[test]
fn what_has_no_place_is_printed_at_the_end() {
    let text = printed(&json!({"payload": {"faits": "tout en vrac", "inconnu": {"x": [1, null, true]}}, "subjects": 7}));
    for part in ["payload › faits : tout en vrac", "payload › inconnu : x › 0 : 1 ; x › 1 : sans valeur ; x › 2 : Oui\n", "subjects : 7"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_place_in_a_finding_holds_no_name_that_a_sender_invented() {
    let document = json!({"payload": {"Capucine": "😀"}});
    let deposit =
        Deposit { document: &document, reference: "R", sender: "D", recipient: "A", dated: date!(2026 - 03 - 09), signatory: None };
    let marked = crate::parquet::pages(&deposit).unwrap().marked;
    assert_eq!(marked.iter().map(|finding| finding.place.to_string()).collect::<Vec<_>>(), ["/"]);
}

/// The codes of a list of the catalogue.
fn codes(list: &str) -> Vec<&'static str> {
    let all = include_str!("../../../../policies/catalogue/_codes.toml");
    let (_, after) = all.split_once(&format!("\n{list} = [\n")).unwrap();
    let (inside, _) = after.split_once("\n]").unwrap();
    inside.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect()
}

#[test]
fn every_code_of_the_catalogue_has_words() {
    for (list, words) in [
        ("CL-branche", words::BRANCH),
        ("CL-nature-signalement", words::NATURE),
        ("CL-urgency", words::URGENCY),
        ("CL-role", words::ROLE),
        ("CL-lien", words::ROLE),
        ("CL-sexe", words::SEX),
        ("CL-oni", words::YES_NO),
        ("CL-precision", words::PRECISION),
        ("CL-source-fait", words::SOURCE),
        ("CL-danger", words::DANGER),
        ("CL-action", words::ACTION),
        ("CL-mesure-sollicitee", words::ASKED),
        ("CL-avis-ecrit", words::WRITTEN_NOTICE),
        ("CL-info-parents", words::INFORMED),
        ("CL-info-enfant", words::INFORMED),
        ("CL-moyen", words::MEANS),
        ("CL-mode-depot", words::DEPOSIT),
    ] {
        for code in codes(list) {
            assert!(known(words, code), "{list}: {code}");
        }
    }
}

#[test]
fn every_field_of_the_catalogue_has_a_place() {
    let catalogue = include_str!("../../../../policies/catalogue/signalement.toml");
    let source = include_str!("../signalement.rs");
    for path in catalogue.lines().filter_map(|line| line.strip_prefix("path = \"")?.strip_suffix('"')) {
        let last = path.trim_end_matches("[]").rsplit('.').next().unwrap();
        assert!(source.contains(last), "{path}");
    }
}

#[test]
fn many_odd_values_are_one_field_and_persons_are_found_at_once() {
    let many = vec![json!(1); 8_000];
    let persons = vec![json!("s1"); 8_000];
    let document =
        json!({"payload": {"inconnu": many}, "subjects": vec![json!({}); 8_000], "information": {"parents": {"persons": persons}}});
    let text = printed(&document);
    assert!(text.lines().count() < 20, "{}", text.lines().count());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!(true)), (0..1000i64).prop_map(|n| json!(n)), "[a-z]{12}".prop_map(|text| json!(text))];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let key = prop_oneof![
            Just("payload"),
            Just("subjects"),
            Just("faits"),
            Just("texte"),
            Just("attachments"),
            Just("information"),
            Just("parents"),
            Just("actions_menees"),
            Just("resultat"),
            Just("address"),
            Just("lines"),
            Just("title"),
            Just("media_type"),
            Just("propos_enfant"),
            Just("verbatim"),
            Just("~a/b")
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((key, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|item| texts(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

proptest! {
    #[test]
    fn every_word_of_a_document_is_printed(payload in any_json(), subjects in any_json(), information in any_json(), attachments in any_json()) {
        let mut document = json!({"payload": payload, "subjects": subjects, "information": information, "attachments": attachments});
        document["type"] = json!("signalement");
        let text = printed(&document);
        let mut words = Vec::new();
        texts(&document, &mut words);
        for word in words.iter().filter(|word| *word != "signalement") {
            prop_assert!(text.contains(word.as_str()), "{word}\n{text}");
        }
    }
}
