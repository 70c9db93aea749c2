use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    frames::{known, records, told},
    mapping::Known,
    reading::Letter,
};

const IP: &str = include_str!("../../../policies/catalogue/information-preoccupante.toml");
const RETOUR: &str = include_str!("../../../policies/catalogue/retour-information.toml");
const A: &str = include_str!("../../vectors/departement/exemple-a.toml");
const B: &str = include_str!("../../vectors/departement/exemple-b.toml");
const A_CSV: &[u8] = include_bytes!("../../vectors/departement/exemple-a.csv");
const B_XML: &[u8] = include_bytes!("../../vectors/departement/exemple-b.xml");
const CALL_XML: &[u8] = include_bytes!("../../vectors/departement/transmission-119.xml");
const RETURN_CSV: &[u8] = include_bytes!("../../vectors/departement/retour-119.csv");

fn a() -> &'static Mapping {
    static MAPPING: LazyLock<Mapping> = LazyLock::new(|| Mapping::load(A, &known(IP)).unwrap());
    &MAPPING
}

fn b() -> &'static Mapping {
    static MAPPING: LazyLock<Mapping> = LazyLock::new(|| Mapping::load(B, &known(IP)).unwrap());
    &MAPPING
}

static LINE: LazyLock<Line119> = LazyLock::new(|| Line119::load(&known(IP), &known(RETOUR)).unwrap());

static KNOWN: LazyLock<Known> = LazyLock::new(|| known(IP));

fn context() -> Context {
    Context { purpose: Some("ip".into()), agreement: Some("p01-2026".parse().unwrap()), ..records("departement-82", "departement-31") }
}

fn plain(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).unwrap().replace(['\u{feff}', '\r'], "")
}

/// Writes again what was read, with what each record said to the edge.
fn again(records: &Records, write: impl FnOnce(&[Record<'_>]) -> Written) -> Written {
    let pairs = records.reading.letters.iter().zip(&records.given);
    write(&pairs.map(|(letter, given)| Record { envelope: &letter.envelope, given }).collect::<Vec<_>>())
}

#[test]
fn the_layouts_are_what_the_catalogue_says() {
    assert_eq!((a().name.as_str(), b().name.as_str()), ("exemple-a", "exemple-b"));
}

#[test]
fn a_csv_product_is_read_and_written_by_its_file() {
    let records = a().read(A_CSV, Format::Csv, &context()).unwrap();
    assert_eq!(told(&records.reading.reported), []);
    let [first, second] = <[Letter; 2]>::try_from(records.reading.letters.clone()).unwrap();
    assert_eq!(
        first.envelope,
        json!({
            "type": "information-preoccupante", "sender": {"institution": "departement-82"}, "recipient": {"institution": "departement-31"},
            "purpose": "ip", "agreement": "p01-2026", "urgency": "priority",
            "subjects": [
                {"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine", "Zoé"], "birth_date": "2014-02-27", "sex": "F",
                 "address": {"lines": ["12 impasse des Nuages"], "postcode": "31700", "city": "Blagnac"}, "school": "0319901U", "school_class": "6e B"},
                {"ref": "s2", "role": "mere", "birth_name": "EXEMPLE", "given_names": ["Zélie"], "birth_date": "1991-05-19", "phone": "0500000001"}
            ],
            "information": {"parents": {"informed": "faite", "date": "2026-11-20"}},
            "payload": {
                "types_danger": ["negligences", "securite"],
                "faits": [{"date_debut": "2026-11-16", "source": "vu", "texte": "Arrive sans repas; s’endort\nen classe."}],
                "propos_enfant": [{"verbatim": "« Le soir c’est moi qui fais manger Barnabé. »", "date": "2026-11-20"}],
                "protection_immediate": false,
                "declarant": {"nom": "INVENTÉE", "telephone": "+33536491099"}
            }
        })
    );
    // A father without a mother stands in his own columns, and nobody stands for her.
    assert_eq!(second.envelope["subjects"][1], json!({"ref": "s2", "role": "pere", "birth_name": "HOMONYME", "given_names": ["Basile"]}));
    let written = again(&records, |records| a().write(records, Format::Csv).unwrap());
    assert_eq!(told(&written.reported), []);
    assert_eq!(plain(&written.bytes), plain(A_CSV));
}

#[test]
fn an_xml_product_is_read_and_written_by_its_file() {
    let records = b().read(B_XML, Format::Xml, &context()).unwrap();
    assert_eq!(told(&records.reading.reported), []);
    let envelope = &records.reading.letters[0].envelope;
    assert_eq!(
        envelope["subjects"][1],
        json!({"ref": "s2", "role": "mere", "birth_name": "EXEMPLE", "given_names": ["Zélie"], "parental_authority": "oui"})
    );
    assert_eq!(envelope["payload"]["faits"], json!([{"date_debut": "2026-11-16", "texte": "Arrive sans repas & sans manteau."}]));
    assert_eq!(envelope["payload"]["declarant"], json!({"anonyme": true}));
    let written = again(&records, |records| b().write(records, Format::Xml).unwrap());
    assert_eq!(told(&written.reported), []);
    assert_eq!(plain(&written.bytes), plain(B_XML));
}

#[test]
fn from_one_product_to_another_each_loss_is_told() {
    let records = a().read(A_CSV, Format::Csv, &context()).unwrap();
    let written = again(&records, |records| b().write(records, Format::Xml).unwrap());
    let paths: Vec<String> = written.reported.iter().map(|finding| finding.place.to_string()).collect();
    for path in ["information.parents.informed", "payload.faits[].source", "payload.propos_enfant[].date", "subjects[].address.lines[]"] {
        assert!(paths.contains(&path.to_owned()), "{path}");
    }
    assert!(written.reported.iter().all(|finding| !finding.detail.contains("Blagnac")));
}

#[test]
fn a_danger_is_read_however_odd_its_file() {
    let text = "NUM_DOSSIER;ENF_NOM;ENF_NE_LE;DANGERS;RECIT\n1;FICTIVE;hier;D99;Seule le soir.\n";
    let records = a().read(text.as_bytes(), Format::Csv, &context()).unwrap();
    let letter = &records.reading.letters[0];
    assert_eq!(letter.envelope["payload"]["faits"][0]["texte"], "Seule le soir.");
    assert_eq!(letter.beside.len(), 2);
    assert_eq!(letter.envelope["subjects"][0]["birth_name"], "FICTIVE");
}

#[test]
fn the_119_transmits_with_its_call() {
    let records = LINE.read(Format::Xml, CALL_XML, &context()).unwrap();
    assert_eq!(told(&records.reading.reported), []);
    let envelope = &records.reading.letters[0].envelope;
    let call = json!({"numero_appel": "2026-119-004217", "date_appel": "2026-11-24T22:41:00+01:00"});
    assert_eq!(envelope["payload"]["origine_119"], call);
    assert_eq!(envelope["subjects"][0]["age_estimate"], 4);
    assert_eq!(envelope["payload"]["declarant"], json!({"anonyme": true, "lien_enfant": "voisine", "souhaite_retour": false}));
    assert_eq!(envelope["information"]["parents"]["informed"], "non-faite-interet-enfant");
    let written = again(&records, |records| LINE.write(Format::Xml, records).unwrap());
    assert_eq!(plain(&written.bytes), plain(CALL_XML));
    // The same in the other form.
    let csv = again(&records, |records| LINE.write(Format::Csv, records).unwrap());
    assert!(LINE.read(Format::Csv, &csv.bytes, &context()).unwrap() == records);

    let without = "<transmissions-119><transmission><faits><texte>Cris.</texte></faits></transmission></transmissions-119>";
    let records = LINE.read(Format::Xml, without.as_bytes(), &context()).unwrap();
    assert_eq!(records.reading.letters.len(), 1);
    assert_eq!(records.reading.reported.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["missing", "missing"]);
}

#[test]
fn the_119_is_told_a_status_and_nothing_of_the_file() {
    let records = LINE.read_return(Format::Csv, RETURN_CSV, &context()).unwrap();
    assert_eq!(told(&records.reading.reported), []);
    let envelope = &records.reading.letters[0].envelope;
    assert_eq!(envelope["payload"]["statut"], "accompagnement-famille");
    let written = again(&records, |records| LINE.write_return(Format::Csv, records).unwrap());
    assert_eq!(plain(&written.bytes), plain(RETURN_CSV));

    let mut talkative = envelope.clone();
    talkative["payload"]["texte_libre"] = "Négligences confirmées.".into();
    let written = LINE.write_return(Format::Xml, &[Record { envelope: &talkative, given: &BTreeMap::new() }]).unwrap();
    assert!(!plain(&written.bytes).contains("Négligences"));
    assert_eq!(told(&written.reported), [("left-out", "payload.texte_libre".to_owned())]);
    talkative["payload"].as_object_mut().unwrap().remove("numero_appel_119");
    let refused = LINE.write_return(Format::Xml, &[Record { envelope: &talkative, given: &BTreeMap::new() }]).unwrap_err();
    assert_eq!(told(&refused.0), [("missing", "payload.numero_appel_119".to_owned())]);
}

fn text() -> impl Strategy<Value = Value> {
    "[=+@'|\\\\;\"<&é\\n A-Z-]{0,8}[A-Zé]".prop_map(Into::into)
}

fn day() -> impl Strategy<Value = Value> {
    (1900..2030i32, 1..=12u8, 1..=28u8).prop_map(|(y, m, d)| format!("{y:04}-{m:02}-{d:02}").into())
}

fn of(codes: &'static [&'static str]) -> impl Strategy<Value = Value> {
    proptest::sample::select(codes).prop_map(Into::into)
}

fn list(item: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    proptest::collection::vec(item, 1..4).prop_map(Into::into)
}

/// An object of some of these members.
fn some(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Value> {
    let members: Vec<_> = members.into_iter().map(|(name, value)| (Just(name), proptest::option::of(value))).collect();
    members
        .prop_map(|members| members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into())
}

fn without_empty(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().map(|(name, value)| (name, without_empty(value)));
            Value::Object(kept.filter(|(_, value)| *value != json!({}) && *value != json!([])).collect())
        }
        Value::Array(items) => items.into_iter().map(without_empty).filter(|item| *item != json!({})).collect(),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar,
    }
}

/// Envelopes of what both samples have a place for; the product of the first has one mother and one father.
fn envelopes() -> impl Strategy<Value = Value> {
    let person = |role: &'static str| {
        let traits = some(vec![("given_names", list(text()).boxed()), ("birth_date", day().boxed())]);
        (text(), traits).prop_map(move |(name, mut person)| {
            person["role"] = role.into();
            person["birth_name"] = name;
            person
        })
    };
    let persons = (person("enfant"), proptest::option::of(person("mere")), proptest::option::of(person("pere")));
    let payload = some(vec![
        ("types_danger", list(of(&["negligences", "securite", "sante"])).boxed()),
        ("faits", some(vec![("date_debut", day().boxed()), ("texte", text().boxed())]).prop_map(|fait| json!([fait])).boxed()),
        ("propos_enfant", text().prop_map(|verbatim| json!([{"verbatim": verbatim}])).boxed()),
        ("protection_immediate", any::<bool>().prop_map(Into::into).boxed()),
        ("declarant", text().prop_map(|nom| json!({"nom": nom})).boxed()),
    ]);
    (persons, payload, of(&["immediate", "priority", "ordinary"])).prop_map(|((child, mother, father), payload, urgency)| {
        let mut subjects: Vec<Value> = std::iter::once(child).chain(mother).chain(father).collect();
        subjects.iter_mut().enumerate().for_each(|(at, person)| person["ref"] = format!("s{}", at + 1).into());
        without_empty(json!({
            "type": "information-preoccupante", "sender": {"institution": "departement-82"}, "recipient": {"institution": "departement-31"},
            "purpose": "ip", "agreement": "p01-2026", "urgency": urgency, "subjects": subjects, "payload": payload
        }))
    })
}

/// JSON of the right type and of any shape, with the names that mappings look for in all the wrong places.
fn documents() -> impl Strategy<Value = Value> {
    let name = "subjects|payload|faits|given_names|role|ref|0|1|999999|18446744073709551615|birth_name|~|/|-|";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "enfant|mere|s1|.{0,4}".prop_map(Into::into)
    ];
    let value = leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::btree_map(name, inner, 0..5).prop_map(|members| Value::Object(members.into_iter().collect()))
        ]
    });
    (value.clone(), value)
        .prop_map(|(subjects, payload)| json!({"type": "information-preoccupante", "subjects": subjects, "payload": payload}))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_both_have_a_place_for_passes_through_both(envelopes in proptest::collection::vec(envelopes(), 1..4)) {
        let call = &LINE.transmission;
        let layouts = [(a(), Format::Csv, "dossier"), (b(), Format::Xml, "dossier"), (call, Format::Csv, "transmission"), (call, Format::Xml, "transmission")];
        for (mapping, format, reference) in layouts {
            let given: Vec<_> = (0..envelopes.len()).map(|at| BTreeMap::from([(reference.to_owned(), at.to_string())])).collect();
            let records: Vec<_> = envelopes.iter().zip(&given).map(|(envelope, given)| Record { envelope, given }).collect();
            let written = mapping.write(&records, format).unwrap();
            prop_assert_eq!(told(&written.reported), []);
            let back = mapping.read(&written.bytes, format, &context()).unwrap();
            prop_assert_eq!(told(&back.reading.reported), []);
            prop_assert_eq!(&back.given, &given);
            prop_assert_eq!(back.reading.letters.iter().map(|letter| &letter.envelope).collect::<Vec<_>>(), envelopes.iter().collect::<Vec<_>>());
            prop_assert_eq!(again(&back, |records| mapping.write(records, format).unwrap()).bytes, written.bytes);
        }
    }

    #[test]
    fn no_cell_of_a_product_is_lost(cells in proptest::collection::vec("[A-Z]{1,3}|D0[0-9]|[0-3][0-9]/1[0-9]/20[01][0-9]|[ON]", 30)) {
        let header = std::str::from_utf8(A_CSV).unwrap().lines().next().unwrap();
        let text = format!("{header}\n{}\n", cells.join(";"));
        let records = a().read(text.as_bytes(), Format::Csv, &context()).unwrap();
        let written = again(&records, |records| a().write(records, Format::Csv).unwrap());
        let row = plain(&written.bytes).lines().nth(1).unwrap().split(';').map(str::to_owned).collect::<Vec<_>>();
        for (at, cell) in cells.iter().enumerate() {
            let beside = records.reading.letters[0].beside.iter().any(|beside| beside.value == json!(cell));
            prop_assert!(row[at] == *cell || beside, "{}", at);
        }
    }

    #[test]
    fn arbitrary_documents_never_panic(document in documents()) {
        let given = BTreeMap::new();
        let records = [Record { envelope: &document, given: &given }];
        for mapping in [a(), b(), &LINE.transmission] {
            for format in [Format::Csv, Format::Xml] {
                let _ = mapping.write(&records, format);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, byte: u8) {
        let (context, known) = (context(), &*KNOWN);
        let changed = |vector: &[u8]| {
            let mut vector = vector.to_vec();
            let at = at.index(vector.len());
            vector[at] = byte;
            vector
        };
        for (mapping, format, vector) in [(a(), Format::Csv, A_CSV), (b(), Format::Xml, B_XML)] {
            let _ = (mapping.read(&bytes, format, &context), mapping.read(&changed(vector), format, &context));
        }
        let _ = (LINE.read(Format::Xml, &bytes, &context), LINE.read(Format::Xml, &changed(CALL_XML), &context));
        let _ = LINE.read_return(Format::Csv, &changed(RETURN_CSV), &context);
        let text = String::from_utf8_lossy(&changed(A.as_bytes())).into_owned();
        let _ = Mapping::load(&text, known);
    }
}
