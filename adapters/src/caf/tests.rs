use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use proptest::prelude::*;
use serde_json::{Value, json};
use time::macros::date;

use super::*;
use crate::{
    drop::{Acknowledgement, DropName, Outcome, Remark},
    frames::{codes, known, records},
    reading::Letter,
};

const ADDRESS: &str = include_str!("../../../policies/catalogue/demande-adresse.toml");
const PLACEMENT: &str = include_str!("../../../policies/catalogue/notification-placement.toml");
const REQUEST_CSV: &[u8] = include_bytes!("../../vectors/caf/demande-adresse.csv");
const REQUEST_XML: &[u8] = include_bytes!("../../vectors/caf/demande-adresse.xml");
const ANSWER_CSV: &[u8] = include_bytes!("../../vectors/caf/reponse-adresse.csv");
const PLACEMENT_CSV: &[u8] = include_bytes!("../../vectors/caf/notification-placement.csv");
const ID: &str = "01990000-0000-7000-8000-000000000001";

static FILES: LazyLock<Files> = LazyLock::new(|| Files::load(&known(ADDRESS), &known(PLACEMENT)).unwrap());

fn context() -> Context {
    Context { urgency: exchange::Urgency::Priority, ..records("departement-31", "caf-31") }
}

fn one(document: Document, format: Format, bytes: &[u8]) -> (Letter, Vec<Finding>) {
    let records = FILES.read(document, format, bytes, &context()).unwrap();
    let [letter] = <[Letter; 1]>::try_from(records.reading.letters).unwrap();
    (letter, records.reading.reported)
}

#[test]
fn a_request_has_exactly_the_columns_that_the_law_allows() {
    let columns = FILES.columns(Document::AddressRequest);
    let allowed = "demande echeance fondement personne role nom_naissance nom_usage prenoms sexe date_naissance lieu_naissance \
                   derniere_adresse code_postal commune code_commune numero_allocataire date_perte_contact";
    assert_eq!(columns, allowed.split_whitespace().collect::<Vec<_>>());
    let answer = FILES.columns(Document::AddressAnswer);
    assert_eq!(answer, ["demande", "resultat", "adresse", "code_postal", "commune", "code_commune", "date_effet"]);
    // No motive, no danger, no place, no address of anybody (R47).
    let carried: BTreeSet<String> = FILES.mapping(Document::Placement).carries().map(|(_, class)| class.to_string()).collect();
    assert_eq!(carried, BTreeSet::from(["financier", "identite", "judiciaire", "reference"].map(str::to_owned)));
}

#[test]
fn both_forms_of_a_request_are_one_exchange() {
    let (letter, reported) = one(Document::AddressRequest, Format::Csv, REQUEST_CSV);
    assert_eq!(reported, []);
    assert_eq!(
        letter.envelope,
        json!({
            "type": "demande-adresse", "sender": {"institution": "departement-31"}, "recipient": {"institution": "caf-31"}, "urgency": "priority",
            "subjects": [
                {"ref": "s1", "role": "enfant", "birth_name": "PARTIE-AILLEURS", "given_names": ["Noé", "Émile"], "sex": "M",
                 "birth_date": "2021-01-08", "birth_place": "31555"},
                {"ref": "s2", "role": "mere", "birth_name": "PARTIE-AILLEURS", "use_name": "EXEMPLE", "given_names": ["Solange"],
                 "birth_date": "1991-05-19"}
            ],
            "payload": {
                "fondement": "L226-3-2-ip-en-cours",
                "derniere_adresse": {"lines": ["12 impasse des Nuages", "Appartement 3"], "postcode": "31700", "city": "Blagnac", "city_code": "31069"},
                "date_perte_contact": "2026-03-25"
            }
        })
    );
    let (same, reported) = one(Document::AddressRequest, Format::Xml, REQUEST_XML);
    assert_eq!(reported, []);
    assert!(same == letter);
}

#[test]
fn what_is_written_is_the_vector() {
    let given = request(ID, date!(2026 - 11 - 24));
    for (format, expected) in [(Format::Csv, REQUEST_CSV), (Format::Xml, REQUEST_XML)] {
        let (letter, _) = one(Document::AddressRequest, format, expected);
        let written = FILES.write(Document::AddressRequest, format, &[Record { envelope: &letter.envelope, given: &given }]).unwrap();
        assert_eq!(written.reported, []);
        let text = String::from_utf8(written.bytes).unwrap().replace(['\u{feff}', '\r'], "");
        assert_eq!(text, std::str::from_utf8(expected).unwrap());
    }
}

#[test]
fn an_answer_is_tied_to_its_request_and_holds_coordinates_only() {
    let (letter, reported) = one(Document::AddressAnswer, Format::Csv, ANSWER_CSV);
    assert_eq!(reported, []);
    assert_eq!(letter.envelope["in_reply_to"], ID);
    assert_eq!(letter.envelope["payload"]["reponse"]["adresse"]["city"], "Port-Exemple");

    let more = "demande;resultat;commune;Montant du RSA\nX;trouvee;Port-Exemple;600\n";
    let records = FILES.read(Document::AddressAnswer, Format::Csv, more.as_bytes(), &context()).unwrap();
    assert!(records.reading.letters[0].beside.is_empty());
    let unknown = records.reading.reported.iter().find(|finding| finding.code == "unknown-column").unwrap();
    assert!(unknown.detail.contains("R42"));
    assert_eq!(unknown.place, Place::Cell { line: 1, column: Column::Unknown(4) });
    assert!(codes(&records.reading.reported).contains(&"bad-reference"));

    let shifted = "demande;resultat;commune\nX;trouvee;Port-Exemple;RSA 600\n";
    let (letter, reported) = one(Document::AddressAnswer, Format::Csv, shifted.as_bytes());
    assert!(letter.beside.is_empty() && codes(&reported).contains(&"cell-count"));

    let more =
        "<reponses-adresse rsa=\"600\"><reponse reference=\"X\"><resultat>trouvee</resultat><rsa>600</rsa></reponse></reponses-adresse>";
    let (letter, reported) = one(Document::AddressAnswer, Format::Xml, more.as_bytes());
    assert!(letter.beside.is_empty());
    assert!(reported.iter().any(|finding| finding.code == "unknown-element" && finding.detail.contains("R42")));
}

#[test]
fn a_placement_names_its_two_persons_and_the_article() {
    let (letter, reported) = one(Document::Placement, Format::Csv, PLACEMENT_CSV);
    assert_eq!(reported, []);
    assert_eq!(
        letter.envelope["subjects"][1],
        json!({"ref": "s2", "role": "allocataire", "birth_name": "EXEMPLE", "given_names": ["Zélie"]})
    );
    assert_eq!(letter.envelope["payload"]["fondement"], "375-5");
    assert_eq!(letter.envelope["payload"]["maintien_allocations"], json!({"decision": false}));
    assert_eq!(letter.envelope["payload"]["service_payeur"]["siret"], "22310001700423");
    let taken = "notification;date_prise_en_compte;motif_rejet\n01990000-0000-7000-8000-000000000002;;autre-caisse\n";
    let (letter, _) = one(Document::PlacementAnswer, Format::Csv, taken.as_bytes());
    assert_eq!(letter.envelope["payload"], json!({"reponse": {"prise_en_compte": {"motif_rejet": "autre-caisse"}}}));
}

#[test]
fn what_child_protection_may_not_ask_for_is_refused_with_its_rule() {
    for (column, rule) in [
        ("Quotient familial", "R44"),
        ("API Particulier", "R44"),
        ("RNCPS", "R45"),
        ("Prestations servies", "R45"),
        ("droit de communication", "R46"),
    ] {
        let text = format!("demande;fondement;{column}\n1;L226-3-2-ip-en-cours;oui\n");
        let refused = FILES.read(Document::AddressRequest, Format::Csv, text.as_bytes(), &context()).unwrap_err();
        assert!(refused.0[0].detail.contains(rule), "{column}");
        assert_eq!(refused.0[0].place, Place::Cell { line: 1, column: Column::Unknown(3) });
    }
    let text = "<notifications-placement><notification><fondement>375-5</fondement><rncps/></notification></notifications-placement>";
    assert!(FILES.read(Document::Placement, Format::Xml, text.as_bytes(), &context()).unwrap_err().0[0].detail.contains("R45"));
    assert!(Source::ApiParticulier.refused().0[0].detail.contains("R44"));
}

#[test]
fn a_number_that_may_not_travel_is_left_out_and_told_without_it() {
    let text = "demande;role;nom_naissance;numero_allocataire;NIR\n1;mere;EXEMPLE;2 91 05 31 555 006 12;291053155500612\n";
    let (letter, reported) = one(Document::AddressRequest, Format::Csv, text.as_bytes());
    assert!(letter.beside.is_empty());
    assert!(!letter.envelope.to_string().contains("555"));
    assert_eq!(codes(&reported).iter().filter(|code| **code == "nir").count(), 2);
    assert!(!format!("{reported:?}").contains("555"));
}

#[test]
fn a_hidden_address_does_not_leave() {
    let envelope = json!({"type": "demande-adresse", "payload": {"fondement": "L221-3-prestation-ase",
        "derniere_adresse": {"lines": ["1 rue Cachée"], "city": "Ville", "hidden": true}}});
    let written = FILES.write(Document::AddressRequest, Format::Csv, &[Record { envelope: &envelope, given: &BTreeMap::new() }]).unwrap();
    assert!(!String::from_utf8(written.bytes).unwrap().contains("Cachée"));
    assert_eq!(codes(&written.reported), ["hidden"]);
}

#[test]
fn more_than_the_law_allows_stays_and_is_told() {
    let envelope = json!({"type": "demande-adresse", "subjects": [{"ref": "s1", "role": "mere", "birth_name": "EXEMPLE", "phone": "0500000000"}],
        "payload": {"fondement": "L221-3-prestation-ase", "motif": "négligences"}});
    let written = FILES.write(Document::AddressRequest, Format::Xml, &[Record { envelope: &envelope, given: &BTreeMap::new() }]).unwrap();
    let text = String::from_utf8(written.bytes).unwrap();
    assert!(!text.contains("0500000000") && !text.contains("négligences"));
    let places: Vec<String> = written.reported.iter().map(|finding| finding.place.to_string()).collect();
    assert_eq!(places, ["payload.motif", "subjects[].phone"]);
}

#[test]
fn a_code_that_the_catalogue_has_not_is_told_at_its_cell() {
    let text = "demande;fondement;role\n1;parce-que;enfant\n";
    let (letter, reported) = one(Document::AddressRequest, Format::Csv, text.as_bytes());
    assert!(letter.envelope["payload"].get("fondement").is_none());
    let finding = reported.iter().find(|finding| finding.code == "bad-code").unwrap();
    assert_eq!(finding.place.to_string(), "ligne 2, colonne « fondement »");
}

#[test]
fn the_partner_is_told_in_the_terms_of_its_own_file() {
    let text = "demande;role;nom_naissance;date_naissance\n1;mere;EXEMPLE;19-05-1991\n";
    let (_, reported) = one(Document::AddressRequest, Format::Csv, text.as_bytes());
    let file: DropName = "departement-31_0000000042_001.csv".parse().unwrap();
    let answer = Acknowledgement {
        sender: file.sender.clone(),
        recipient: "caf-31".parse().unwrap(),
        sequence: file.sequence,
        instant: exchange::Instant::from_unix_ms(0),
        outcome: Outcome::Accept(Vec::new()),
        remarks: reported.iter().map(|finding| Remark::of(Some(file.clone()), finding)).collect(),
    };
    let answer: Value = serde_json::from_slice(&answer.write().unwrap()).unwrap();
    let remark = answer["remarks"].as_array().unwrap().iter().find(|remark| remark["code"] == "bad-date").unwrap();
    assert_eq!((&remark["file"], &remark["line"], &remark["at"]), (&json!(file.to_string()), &json!(2), &json!("date_naissance")));
    assert!(!answer.to_string().contains("1991"));
}

#[test]
fn requests_that_could_not_be_told_apart_are_not_written() {
    let envelope = json!({"type": "demande-adresse", "subjects": [{"ref": "s1", "role": "mere"}, {"ref": "s2", "role": "pere"}]});
    let refused = |given: &[&BTreeMap<String, String>]| {
        let records: Vec<_> = given.iter().map(|given| Record { envelope: &envelope, given }).collect();
        FILES.write(Document::AddressRequest, Format::Csv, &records).unwrap_err().0[0].code
    };
    let one = BTreeMap::from([("demande".to_owned(), "1".to_owned())]);
    assert_eq!(refused(&[&BTreeMap::new()]), "not-apart");
    assert_eq!(refused(&[&one, &one]), "not-apart");
}

#[test]
fn ten_days_from_receipt() {
    assert_eq!(answer_due(date!(2026 - 12 - 24)), date!(2027 - 01 - 03));
    assert_eq!(request("x", date!(2026 - 11 - 24))["echeance"], "04/12/2026");
}

fn text() -> impl Strategy<Value = String> {
    "[=+@'|\\\\;\"<&é A-Z-]{0,6}[A-Zé]"
}

fn day() -> impl Strategy<Value = String> {
    (1900..2030i32, 1..=12u8, 1..=28u8).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}"))
}

fn object(pairs: Vec<(&str, Option<Value>)>) -> Value {
    pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<serde_json::Map<_, _>>().into()
}

fn person(role: impl Strategy<Value = &'static str>) -> impl Strategy<Value = Value> {
    let names = proptest::collection::vec(text(), 1..4);
    (role, text(), proptest::option::of(text()), names, proptest::option::of(day()), proptest::option::of(prop_oneof!["F", "M"])).prop_map(
        |(role, birth, used, given, born, sex)| {
            object(vec![
                ("role", Some(role.into())),
                ("birth_name", Some(birth.into())),
                ("use_name", used.map(Into::into)),
                ("given_names", Some(given.into())),
                ("birth_date", born.map(Into::into)),
                ("sex", sex.map(Into::into)),
            ])
        },
    )
}

fn numbered(mut persons: Vec<Value>) -> Value {
    persons.iter_mut().enumerate().for_each(|(at, person)| person["ref"] = format!("s{}", at + 1).into());
    persons.into()
}

fn requests() -> impl Strategy<Value = Value> {
    let role = prop_oneof![Just("enfant"), Just("mere"), Just("pere"), Just("tuteur"), Just("fratrie")];
    let lines = proptest::collection::vec(text(), 1..3);
    (proptest::collection::vec(person(role), 1..5), lines, proptest::option::of(text()), proptest::option::of(day())).prop_map(
        |(persons, lines, city, lost)| {
            let address = object(vec![("lines", Some(lines.into())), ("city", city.map(Into::into))]);
            let payload = vec![
                ("fondement", Some("L221-3-mesure-judiciaire".into())),
                ("derniere_adresse", Some(address)),
                ("date_perte_contact", lost.map(Into::into)),
            ];
            json!({"type": "demande-adresse", "sender": {"institution": "departement-31"}, "recipient": {"institution": "caf-31"},
                "urgency": "priority", "subjects": numbered(persons), "payload": object(payload)})
        },
    )
}

fn placements() -> impl Strategy<Value = Value> {
    (person(Just("enfant")), person(Just("allocataire")), day(), proptest::option::of(any::<bool>())).prop_map(
        |(child, claimant, day, kept)| {
            let kept = kept.map(|decision| json!({"decision": decision, "date": day}));
            let payload = vec![
                ("evenement", Some("debut".into())),
                ("fondement", Some("375-3-3".into())),
                ("date_effet", Some(day.clone().into())),
                ("maintien_allocations", kept),
                ("ars_concernee", Some(true.into())),
            ];
            json!({"type": "notification-placement", "sender": {"institution": "departement-31"}, "recipient": {"institution": "caf-31"},
            "urgency": "priority", "subjects": numbered(vec![child, claimant]), "payload": object(payload)})
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn files_lose_nothing_of_what_may_leave(requests in proptest::collection::vec(requests(), 1..4), placements in proptest::collection::vec(placements(), 1..4)) {
        for (document, reference, envelopes) in [(Document::AddressRequest, "demande", requests), (Document::Placement, "notification", placements)] {
            for format in [Format::Csv, Format::Xml] {
                let given: Vec<_> = (0..envelopes.len()).map(|at| BTreeMap::from([(reference.to_owned(), at.to_string())])).collect();
                let records: Vec<_> = envelopes.iter().zip(&given).map(|(envelope, given)| Record { envelope, given }).collect();
                let written = FILES.write(document, format, &records).unwrap();
                prop_assert_eq!(&written.reported, &[]);
                let back = FILES.read(document, format, &written.bytes, &context()).unwrap();
                prop_assert_eq!(&back.reading.reported, &[]);
                prop_assert_eq!(&back.given, &given);
                let again: Vec<&Value> = back.reading.letters.iter().map(|letter| &letter.envelope).collect();
                prop_assert_eq!(again, envelopes.iter().collect::<Vec<_>>());
                // And once more: the file itself is the same.
                let records: Vec<_> = back.reading.letters.iter().zip(&given).map(|(letter, given)| Record { envelope: &letter.envelope, given }).collect();
                prop_assert_eq!(FILES.write(document, format, &records).unwrap().bytes, written.bytes);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cells in "(demande;|fondement;|role;|date_naissance\n|1;|x;|\"|\n){0,30}") {
        for document in [Document::AddressRequest, Document::AddressAnswer, Document::Placement, Document::PlacementAnswer] {
            for format in [Format::Csv, Format::Xml] {
                let _ = FILES.read(document, format, &bytes, &context());
                let _ = FILES.read(document, format, cells.as_bytes(), &context());
            }
        }
    }
}
