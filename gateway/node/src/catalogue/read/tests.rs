//! Whole samples, the asymmetry between danger and everything else, and that nothing panics.

use exchange::{Disclosure, ExchangeId, Urgency, canonical, envelope::Excluded};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::catalogue::{
    Shape,
    tests::{at, catalogue, noon},
};

mod samples;

/// The directory of these tests: `pediatrie` is a hospital's, `crip` the CRIP, every other unit unknown.
fn kind_of(party: &Party) -> Option<Kind> {
    let kind = match (party.institution.as_str(), party.unit.as_ref().map(|unit| unit.as_str())) {
        ("chu-toulouse", None | Some("pediatrie")) => "hopital",
        ("dsden-31", Some("ssfe")) => "en-sante-social",
        ("departement-31", Some("crip")) => "crip",
        ("parquet-toulouse", None | Some("permanence")) => "parquet",
        ("snated-119", None) => "snated-119",
        _ => return None,
    };
    kind.parse().ok()
}

fn party(text: &str) -> Party {
    let (institution, unit) = text.split_once('/').map_or((text, None), |(institution, unit)| (institution, Some(unit)));
    Party { institution: institution.parse().unwrap(), unit: unit.map(|unit| unit.parse().unwrap()) }
}

/// What is known of a document of the holder of the certificate `sender`, who acts as a professional without secrecy.
pub(super) fn context(sender: &str) -> ReadContext<'static> {
    ReadContext {
        now: noon(),
        sender: party(sender),
        default_recipient: None,
        kind_of: &kind_of,
        known: &|_| true,
        agent: Some(("p-12345".to_owned(), Secrecy::Aucun)),
        siret: Some("99931000600013".to_owned()),
        days_to_answer: &|id| (id.as_str() == "p14-education").then_some(8),
        form: None,
        agreement: None,
    }
}

/// Reads as the holder of the certificate `sender`, with the CRIP as default recipient.
fn read_as(sender: &str, envelope: Value) -> Result<Draft, ReadFailure> {
    let catalogue = catalogue();
    let code = envelope["type"].as_str().unwrap().parse().unwrap();
    let exchange_type = catalogue.exchange_type(&code, noon()).unwrap();
    let form = exchange_type.chosen(&envelope, None);
    let context = ReadContext { default_recipient: Some(party("departement-31/crip")), form, ..context(sender) };
    let exchange_type = exchange_type.form(form);
    let canonical = canonical::bytes(&envelope).unwrap();
    catalogue.read(exchange_type, envelope, canonical, &context)
}

/// An information préoccupante of the hospital.
fn ip(more: Value) -> Draft {
    let mut envelope = json!({"type": "information-preoccupante", "recipient": {"institution": "departement-31", "unit": "crip"}});
    merge(&mut envelope, more);
    read_as("chu-toulouse", envelope).unwrap()
}

/// A suites-judiciaires of the parquet.
fn suites(more: Value) -> Result<Draft, ReadFailure> {
    let mut envelope = json!({"type": "suites-judiciaires", "recipient": {"institution": "departement-31", "unit": "crip"}});
    merge(&mut envelope, more);
    read_as("parquet-toulouse", envelope)
}

fn merge(envelope: &mut Value, more: Value) {
    envelope.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
}

fn faults(read: Result<Draft, ReadFailure>) -> Vec<(String, &'static str)> {
    let Err(ReadFailure::Faults(faults)) = read else { panic!("no faults") };
    for fault in &faults {
        assert!(fault.detail.ends_with('.') && !fault.detail.is_empty());
    }
    faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
}

fn aside(draft: &Draft) -> Vec<(String, &'static str)> {
    draft.non_conforme.iter().map(|kept| (kept.pointer.to_string(), kept.code)).collect()
}

fn leaf<'a>(draft: &'a Draft, class: DataClass, pointer: &str) -> Option<&'a Value> {
    draft.body.get(&class)?.at(&pointer.parse().unwrap())
}

#[test]
fn the_five_types_read_whole_samples() {
    for (sender, sample) in samples::all() {
        let kind = sample["type"].as_str().unwrap().to_owned();
        let draft = read_as(sender, sample).unwrap_or_else(|failure| panic!("{kind}: {failure:?}"));
        assert!(draft.non_conforme.is_empty(), "{kind}: {:?}", aside(&draft));
        assert_eq!(draft.route.kind.as_str(), kind);
    }
}

#[test]
fn an_information_preoccupante_goes_apart_by_class() {
    let draft = read_as("dsden-31", samples::of_the_school()).unwrap();
    assert_eq!(draft.route.sender, party("dsden-31/ssfe"));
    assert_eq!((draft.route.purpose.as_str(), draft.route.urgency), ("ip", Urgency::Priority));
    assert_eq!(draft.route.legal_basis[0], "CASF L226-2-1");
    assert_eq!(draft.route.parents_informed.as_deref(), Some("faite"));
    assert_eq!(draft.route.child_informed.as_deref(), Some("faite"));
    let child = &draft.subjects[0];
    assert_eq!((child.reference(), child.birth_name(), child.given_names()), ("s1", Some("FICTIVE"), vec!["Capucine"]));
    assert!(child.reveal().at(&"/address/city".parse().unwrap()).is_some(), "contact travels with the identity");
    assert_eq!(draft.subjects.iter().map(exchange::Identity::reference).collect::<Vec<_>>(), ["s1", "s2", "s3"]);
    assert_eq!(leaf(&draft, DataClass::Scolaire, "/subjects/0/school_class"), Some(&json!("6e B")));
    assert_eq!(leaf(&draft, DataClass::Social, "/subjects/2/in_home"), Some(&json!("oui")));
    assert_eq!(leaf(&draft, DataClass::Reference, "/subjects/2/ref"), Some(&json!("s3")));
    assert_eq!(leaf(&draft, DataClass::Social, "/payload/faits/1/source"), Some(&json!("dit-par-l-enfant")));
    assert_eq!(leaf(&draft, DataClass::Declarant, "/payload/declarant/nom"), Some(&json!("INVENTÉE")));
    assert_eq!(leaf(&draft, DataClass::Declarant, "/payload/declarant/origine"), Some(&json!("education-nationale")));
    assert_eq!(leaf(&draft, DataClass::Declarant, "/payload/declarant/institution"), Some(&json!("dsden-31")));
    assert!(leaf(&draft, DataClass::ParoleEnfant, "/payload/propos_enfant/0/verbatim").is_some());
    assert!(draft.missing.is_empty(), "{:?}", draft.missing);
    assert!(!draft.body.values().any(|leaves| leaves.iter().any(|(_, value)| value == "Capucine")));
}

#[test]
fn what_is_missing_is_named_and_never_refused() {
    let draft = ip(json!({}));
    let all = ["/information", "/payload/faits", "/payload/types_danger", "/subjects"];
    assert_eq!(sorted(&draft), all);
    let draft = ip(json!({
        "subjects": [{"role": "enfant", "birth_name": " "}, {"role": "mere"}],
        "information": {"parents": {"informed": "non-faite-interet-enfant"}},
        "payload": {"faits": [{"texte": "vu"}], "types_danger": [], "constats_sante": {"certificat_joint": true}},
    }));
    assert_eq!(
        sorted(&draft),
        [
            "/information/child/informed",
            "/information/parents/reason",
            "/payload/constats_sante/texte",
            "/payload/faits/0/date_debut",
            "/payload/faits/0/source",
            "/payload/types_danger",
            "/subjects/0/address",
            "/subjects/0/birth_date",
            "/subjects/0/birth_name",
            "/subjects/0/given_names",
            "/subjects/0/sex",
            "/subjects/1/birth_name",
            "/subjects/1/given_names",
            "/subjects/1/parental_authority",
        ]
    );
    let draft = ip(json!({"payload": {"constats_sante": {"certificat_joint": false}, "faits": [{}], "types_danger": ["negligences"]}}));
    assert_eq!(sorted(&draft), ["/information", "/payload/faits", "/subjects"]);
}

fn sorted(draft: &Draft) -> Vec<String> {
    let mut missing = draft.missing.clone();
    missing.sort();
    missing
}

#[test]
fn i03_a_danger_type_keeps_aside_what_does_not_conform() {
    let nir = "Son numéro : 2 84 05 78 006 084 36";
    let draft = ip(json!({
        "Capucine FICTIVE": 1,
        "subjects": [7, {"role": "enfant", "birth_name": "FICTIVE", "Capucine": true, "birth_date": "27/02/2014", "in_home": "oui"}],
        "payload": {
            "faits": [{"texte": nir}, "un fait", {"texte": "vu", "source": "on-dit"}],
            "types_danger": "negligences",
            "ip_anterieures": 3,
            "texte_libre": "a".repeat(20_001),
            "autres_destinataires": vec!["parquet"; 501],
        },
        "urgency": "tout de suite",
        "purpose": "statistics",
        "in_reply_to": "hier",
        "agreement": "?",
        "case": "Capucine FICTIVE",
        "legal_basis": "CASF",
    }));
    let mut kept = aside(&draft);
    kept.sort();
    assert_eq!(
        kept,
        [
            ("".into(), "unknown-field"),
            ("/agreement".into(), "bad-reference"),
            ("/case".into(), "bad-reference"),
            ("/in_reply_to".into(), "bad-reference"),
            ("/legal_basis".into(), "bad-type"),
            ("/payload/autres_destinataires".into(), "too-many"),
            ("/payload/faits/0/texte".into(), "nir"),
            ("/payload/faits/1".into(), "bad-type"),
            ("/payload/faits/2/source".into(), "bad-code"),
            ("/payload/ip_anterieures".into(), "bad-type"),
            ("/payload/texte_libre".into(), "too-long"),
            ("/payload/types_danger".into(), "bad-type"),
            ("/purpose".into(), "bad-code"),
            ("/subjects/0".into(), "bad-type"),
            ("/subjects/1".into(), "unknown-field"),
            ("/subjects/1/birth_date".into(), "bad-date"),
            ("/urgency".into(), "bad-code"),
        ]
    );
    let value = |pointer: &str| &draft.non_conforme.iter().find(|kept| kept.pointer.to_string() == pointer).unwrap().value;
    assert_eq!(value("/payload/faits/0/texte"), nir);
    assert_eq!(value("/subjects/1"), &json!({"Capucine": true}), "an invented key is part of what is sealed");
    assert_eq!((draft.route.urgency, draft.route.purpose.as_str()), (Urgency::Immediate, "ip"));
    // What conforms is read, and subjects are numbered without a gap.
    assert_eq!(draft.subjects[0].birth_name(), Some("FICTIVE"));
    assert_eq!(leaf(&draft, DataClass::Social, "/subjects/0/in_home"), Some(&json!("oui")));
    assert_eq!(leaf(&draft, DataClass::Social, "/payload/faits/2/texte"), Some(&json!("vu")));
    assert_eq!(leaf(&draft, DataClass::Reference, "/payload/autres_destinataires/499"), Some(&json!("parquet")));
}

#[test]
fn i03_a_danger_type_goes_somewhere_whatever_its_shape() {
    for (recipient, kept) in [(json!(null), None), (json!("crip"), Some("bad-party")), (json!({"institution": "x/y"}), Some("bad-party"))] {
        let draft = read_as("chu-toulouse", json!({"type": "information-preoccupante", "recipient": recipient})).unwrap();
        assert_eq!(draft.route.recipient, party("departement-31/crip"));
        assert!(draft.missing.contains(&"/recipient".to_owned()));
        assert_eq!(aside(&draft).first().map(|(_, code)| *code), kept);
    }
    let draft =
        ip(json!({"payload": "tout est dans ce texte", "subjects": {"birth_name": "FICTIVE"}, "information": [1], "attachments": 3}));
    let mut kept = aside(&draft);
    kept.sort();
    assert_eq!(kept.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), ["/attachments", "/information", "/payload", "/subjects"]);
    assert!(draft.subjects.is_empty() && draft.body.is_empty());
}

#[test]
fn i03_an_exclusion_that_cannot_be_understood_is_never_dropped_in_silence() {
    let exclus = json!([
        {"institution": "caf-31"},
        {"issuer": "urn:passerelle:institution:dsden-31", "subject": "p-17"},
        {"institution": "msa-31", "unit": "accueil"},
        "le voisin",
    ]);
    let draft = ip(json!({"exclus": exclus}));
    assert_eq!(draft.route.exclus.len(), 2);
    assert_eq!(draft.route.exclus[0], Excluded::Institution { institution: "caf-31".parse().unwrap() });
    assert_eq!(aside(&draft), [("/exclus/2".into(), "bad-party"), ("/exclus/3".into(), "bad-party")]);
    assert!(draft.missing.contains(&"/exclus".to_owned()));
    assert_eq!(faults(suites(json!({"exclus": exclus}))), [("/exclus/2".into(), "bad-party"), ("/exclus/3".into(), "bad-party")]);
    assert_eq!(faults(suites(json!({"exclus": "le voisin"}))), [("/exclus".into(), "bad-type")]);
}

#[test]
fn every_other_type_is_told_all_that_does_not_conform() {
    let told = faults(suites(json!({
        "invente": 1,
        "information": {},
        "urgency": "immediate",
        "purpose": "autre",
        "in_reply_to": "hier",
        "case": "Capucine FICTIVE",
        "payload": {
            "suites": ["opp", "bagne"],
            "date_suite": "2026-02-30",
            "numero_parquet": 31,
            "precision": "n° 284057800608436",
            "declarant_informe": "oui",
            "juge_saisi": {"juridiction": "tribunal de Toulouse", "cabinet": "a".repeat(20_001)},
            "mesures_ordonnees": vec!["aemo"; 501],
        },
        "subjects": [{"ref": "Capucine", "birth_name": "2840578006084"}, {"ref": "s1"}, {"ref": "s1"}],
        "attachments": [{"sha256": "abc"}],
    })));
    let mut told = told;
    told.sort();
    assert_eq!(
        told,
        [
            ("/attachments/0/sha256".into(), "bad-reference"),
            ("/case".into(), "bad-reference"),
            ("/in_reply_to".into(), "bad-reference"),
            ("/information".into(), "unknown-field"),
            ("/invente".into(), "unknown-field"),
            ("/payload/date_suite".into(), "bad-date"),
            ("/payload/declarant_informe".into(), "bad-type"),
            ("/payload/juge_saisi/cabinet".into(), "too-long"),
            ("/payload/juge_saisi/juridiction".into(), "bad-party"),
            ("/payload/mesures_ordonnees".into(), "too-many"),
            ("/payload/numero_parquet".into(), "bad-type"),
            ("/payload/precision".into(), "nir"),
            ("/payload/suites/1".into(), "bad-code"),
            ("/purpose".into(), "bad-code"),
            ("/subjects/0/birth_name".into(), "nir"),
            ("/subjects/0/ref".into(), "bad-reference"),
            ("/subjects/2/ref".into(), "bad-reference"),
            ("/urgency".into(), "bad-code"),
        ]
    );
    let no_recipient = read_as("parquet-toulouse", json!({"type": "suites-judiciaires"}));
    assert_eq!(faults(no_recipient), [("/recipient".into(), "missing")]);
    let accuse = read_as("departement-31/crip", json!({"type": "accuse-reception", "recipient": {"institution": "dsden-31"}}));
    assert_eq!(faults(accuse), [("/payload/etat".into(), "missing")]);
    assert!(suites(json!({"payload": {"numero_parquet": "31 026 000 119"}})).unwrap().missing.contains(&"/payload/suites".to_owned()));
}

#[test]
fn a_fault_repeats_neither_value_nor_key() {
    let Err(ReadFailure::Faults(faults)) = suites(json!({"Capucine": 1, "payload": {"voie": "FICTIVE", "Barnabe": {"x": 1}}})) else {
        panic!("no faults")
    };
    assert_eq!(faults.len(), 3);
    assert!(faults.iter().all(|fault| ["Capucine", "FICTIVE", "Barnabe"].iter().all(|word| !fault.detail.contains(word))));
    let many: Map<String, Value> = (0..10_000).map(|n| (format!("k{n}"), json!(n))).collect();
    let Err(ReadFailure::Faults(faults)) = suites(json!({"payload": many})) else { panic!("no faults") };
    assert_eq!(faults.len(), MAX_FAULTS, "an answer is not many times longer than its question");
}

#[test]
fn i11_nobody_speaks_for_another() {
    let as_sender = |certificate: &str, sender: Value| {
        read_as(certificate, json!({"type": "information-preoccupante", "sender": sender})).map(|draft| draft.route.sender)
    };
    assert_eq!(as_sender("chu-toulouse", json!({"institution": "dsden-31"})), Err(ReadFailure::SenderMismatch));
    assert_eq!(as_sender("chu-toulouse", json!({"institution": "dsden-31", "x": 1})), Err(ReadFailure::SenderMismatch));
    let narrowed = "chu-toulouse/pediatrie";
    assert_eq!(as_sender(narrowed, json!({"institution": "chu-toulouse", "unit": "urgences"})), Err(ReadFailure::SenderMismatch));
    assert_eq!(as_sender(narrowed, json!({"institution": "chu-toulouse"})), Ok(party(narrowed)));
    assert_eq!(as_sender(narrowed, json!(null)), Ok(party(narrowed)));
    assert_eq!(as_sender("chu-toulouse", json!({"institution": "chu-toulouse", "unit": "pediatrie"})), Ok(party(narrowed)));
    // A unit that the directory does not know is a form: the deposit stays the institution's.
    assert_eq!(as_sender("chu-toulouse", json!({"institution": "chu-toulouse", "unit": "inconnu"})), Ok(party("chu-toulouse")));
    assert_eq!(as_sender("chu-toulouse", json!("CHU")), Ok(party("chu-toulouse")));
    assert_eq!(faults(suites(json!({"sender": "parquet"}))), [("/sender".into(), "bad-party")]);
}

#[test]
fn what_is_computed_is_set_and_a_contrary_value_is_told() {
    let id = ExchangeId::new().to_string();
    let accuse = |echange_ref: Value| {
        let recipient = json!({"institution": "dsden-31", "unit": "ssfe"});
        let payload = json!({"etat": "recue", "echange_ref": echange_ref});
        read_as("departement-31/crip", json!({"type": "accuse-reception", "recipient": recipient, "in_reply_to": id, "payload": payload}))
    };
    for given in [json!(null), json!(id)] {
        let draft = accuse(given).unwrap();
        assert_eq!(leaf(&draft, DataClass::Reference, "/payload/echange_ref"), Some(&json!(id)));
        assert_eq!(draft.route.in_reply_to.unwrap().to_string(), id);
    }
    assert_eq!(faults(accuse(json!(ExchangeId::new()))), [("/payload/echange_ref".into(), "computed")]);

    let draft = ip(json!({"payload": {"declarant": {"nom": "INVENTÉE", "origine": "pmi", "institution": "dsden-31"}}}));
    assert_eq!(aside(&draft), [("/payload/declarant/institution".into(), "computed"), ("/payload/declarant/origine".into(), "computed")]);
    assert_eq!(leaf(&draft, DataClass::Declarant, "/payload/declarant/origine"), Some(&json!("hopital")));
    assert!(leaf(&ip(json!({})), DataClass::Declarant, "/payload/declarant/origine").is_none(), "no declarant, nothing computed");
}

#[test]
fn i07_an_attachment_is_described_in_the_class_of_its_file() {
    let digest = "0".repeat(64);
    let draft = ip(json!({"attachments": [
        {"name": "certificat.pdf", "class": "sante", "sha256": digest, "size": 12},
        {"name": "autre.pdf", "sha256": "1".repeat(64)},
        {"name": "tiers.pdf", "class": "confidentiel"},
    ]}));
    for place in ["name", "class", "sha256", "size"] {
        assert!(leaf(&draft, DataClass::Sante, &format!("/attachments/0/{place}")).is_some(), "{place}");
    }
    assert_eq!(leaf(&draft, DataClass::LieuAccueil, "/attachments/1/name"), Some(&json!("autre.pdf")));
    assert_eq!(leaf(&draft, DataClass::LieuAccueil, "/attachments/2/name"), Some(&json!("tiers.pdf")));
    assert_eq!(draft.attachments, [digest, "1".repeat(64)]);
    assert!(draft.missing.contains(&"/attachments/1/class".to_owned()));
}

#[test]
fn a_hidden_address_is_a_place_of_care_and_no_contact() {
    for (hidden, is_hidden) in [(json!(true), true), (json!("oui"), true), (json!(false), false), (json!(null), false)] {
        let address = json!({"city": "Blagnac", "hidden": hidden});
        let draft = ip(json!({"subjects": [{"role": "mere", "birth_name": "EXEMPLE", "address": address}]}));
        let place: Pointer = "/address/city".parse().unwrap();
        assert_eq!(draft.subjects[0].reveal().at(&place).is_none(), is_hidden, "{hidden}");
        assert_eq!(leaf(&draft, DataClass::LieuAccueil, "/subjects/0/address/city").is_some(), is_hidden, "{hidden}");
    }
}

#[test]
fn subjects_without_a_name_of_their_own_get_a_free_one() {
    let draft = ip(json!({"subjects": [{"role": "enfant"}, {"ref": "s1", "role": "mere"}, {"role": "pere"}]}));
    assert_eq!(draft.subjects.iter().map(exchange::Identity::reference).collect::<Vec<_>>(), ["s2", "s1", "s3"]);
}

#[test]
fn the_event_and_the_necessity_are_told() {
    let told = |by: &str, date: &str| {
        let envelope = json!({"type": "information-preoccupante", "payload": {"origine_119": {"date_appel": date}}});
        read_as(by, envelope).unwrap().occurred
    };
    let call = |date: &str| told("snated-119", date);
    assert_eq!(call("2026-11-24T10:00:00+01:00"), Some(at("2026-11-24T09:00:00Z")));
    assert_eq!(call("2026-11-25T10:00:00+01:00"), None, "not yet");
    assert_eq!(told("chu-toulouse", "2026-11-24T10:00:00+01:00"), None, "nobody else moves the clocks of the CRIP");
    assert!(!ip(json!({})).necessity_stated);
    let draft = ip(json!({"necessity": "pour évaluer"}));
    assert!(draft.necessity_stated && leaf(&draft, DataClass::Reference, "/necessity").is_some());
}

#[test]
fn the_schema_accepts_what_reading_accepts() {
    let catalogue = catalogue();
    for (_, sample) in samples::all() {
        let code = sample["type"].as_str().unwrap().parse().unwrap();
        let exchange_type = catalogue.exchange_type(&code, noon()).unwrap();
        let schema = catalogue.json_schema(exchange_type);
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<_> = validator.iter_errors(&sample).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{code}: {errors:?}");
        let mut unknown = sample.clone();
        unknown["payload"]["invente"] = json!(1);
        assert_eq!(validator.is_valid(&unknown), exchange_type.danger, "{code}");
        assert!(!validator.is_valid(&json!({"type": "autre"})));
    }
    let ip = catalogue.exchange_type(&"information-preoccupante".parse().unwrap(), noon()).unwrap();
    assert_eq!(ip.disclosure, Disclosure::Nominative);
    let schema = catalogue.json_schema(ip);
    let of = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
    let danger = of("/properties/payload/properties/types_danger/items");
    assert_eq!((&danger["x-class"], danger["enum"].as_array().unwrap().len()), (&json!("social"), 13));
    assert_eq!(of("/properties/payload/properties/types_danger/x-level"), "expected");
    assert_eq!(of("/properties/subjects/items/properties/birth_name/x-class"), "identite");
    assert_eq!(of("/properties/payload/properties/declarant/properties/origine/readOnly"), true);
    let accuse = catalogue.exchange_type(&"accuse-reception".parse().unwrap(), noon()).unwrap();
    assert_eq!(catalogue.json_schema(accuse)["required"], json!(["type", "payload", "recipient"]));
}

/// Arbitrary JSON that often uses the words of the catalogue.
fn document() -> impl Strategy<Value = Value> {
    let words = prop_oneof![
        Just("oui".to_owned()),
        Just("2014-02-27".to_owned()),
        Just("2840578006084".to_owned()),
        Just("chu-toulouse".to_owned()),
        Just("negligences".to_owned()),
        "\\PC{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        words.prop_map(Value::from)
    ];
    let names = prop_oneof![
        proptest::sample::select(vec![
            "type",
            "recipient",
            "exclus",
            "subjects",
            "purpose",
            "legal_basis",
            "agreement",
            "urgency",
            "information",
            "in_reply_to",
            "case",
            "payload",
            "attachments",
            "necessity",
            "institution",
            "unit",
            "ref",
            "role",
            "address",
            "hidden",
            "parents",
            "informed",
            "child",
            "class",
            "sha256",
            "declarant",
            "origine",
            "faits",
            "texte",
            "types_danger",
            "propos_enfant",
            "suites",
            "etat",
            "echange_ref",
            "origine_119",
            "date_appel",
            "lieu_actuel_enfant",
            "adresse",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ];
    leaf.prop_recursive(6, 96, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map(names.clone(), inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Arbitrary JSON at the top, and again at the place of the payload and of the subjects.
    #[test]
    fn i03_nothing_panics_and_danger_is_never_refused_for_a_form(top in document(), payload in document(), subjects in document()) {
        let catalogue = catalogue();
        let context = context("chu-toulouse");
        let mut whole = json!({"payload": payload, "subjects": subjects});
        for envelope in [top.clone(), { if let Value::Object(top) = top { merge(&mut whole, Value::Object(top)); } whole }] {
            for exchange_type in catalogue.types_on(noon()) {
                let is_object = envelope.is_object();
                match catalogue.read(exchange_type, envelope.clone(), Vec::new(), &context) {
                    Err(ReadFailure::NotAnEnvelope) => prop_assert!(!is_object),
                    Err(ReadFailure::SenderMismatch) => prop_assert!(envelope.get("sender").is_some()),
                    Err(ReadFailure::Faults(faults)) => prop_assert!(!exchange_type.danger && !faults.is_empty()),
                    Ok(draft) => {
                        prop_assert!(is_object && (exchange_type.danger || draft.non_conforme.is_empty()));
                        for (class, leaves) in &draft.body {
                            for (at, _) in leaves.iter() {
                                let path = at.path();
                                prop_assert!(exchange_type.fields.iter().any(|field| field.path == path && *class >= field.class), "{path}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_leaf_of_any_shape_is_judged(text in "\\PC{0,40}", number in any::<i64>()) {
        let catalogue = Catalogue {
            types: BTreeMap::new(), kinds: BTreeMap::new(), origins: BTreeMap::new(), codes: BTreeMap::new(), clocks: BTreeMap::new(),
            obligations: BTreeMap::new(), calendar: crate::catalogue::Calendar::default(), hash: String::new(),
        };
        let shapes = [
            Shape::Texte, Shape::Date, Shape::DateHeure, Shape::Bool, Shape::Entier, Shape::Ref, Shape::Inst, Shape::Sujet,
            Shape::Empreinte, Shape::Numero, Shape::Telephone, Shape::Courriel, Shape::Chemin, Shape::Jeton, Shape::Code("CL-x".into()),
        ];
        for shape in shapes {
            for value in [json!(text), json!(number), json!([text])] {
                if let Err(misfit) = check::leaf(&catalogue, &shape, &value) {
                    prop_assert!(!misfit.detail().is_empty() && !misfit.code().is_empty());
                }
            }
        }
    }
}

/// What an exchange rests on is shown to every reader: an article, and no room for a sentence.
#[test]
fn a_legal_basis_is_an_article_and_nothing_else() {
    use super::route::article;
    for (given, read) in [
        ("CASF L226-2-2", "CASF L226-2-2"),
        ("CASF L.226-4 I", "CASF L226-4 I"),
        ("CRPA L.114-8", "CRPA L114-8"),
        ("C. pén. 226-14", "C. pén. 226-14"),
        ("CPP 40 al. 2", "CPP 40 al. 2"),
    ] {
        assert_eq!(article(given).as_deref(), Some(read));
    }
    for other in ["", "CASF", "Le père a frappé Léa", "CASF L226-2-2 signalé par Mme X", "CASF Léa", "CASF 1 2 3 4 5", "CPP 0612345678a"]
    {
        assert_eq!(article(other), None, "{other}");
    }
}
