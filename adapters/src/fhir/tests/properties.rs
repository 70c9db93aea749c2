//! What holds for every envelope and every Bundle.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// Everything of an envelope that a hospital’s exchange may hold.
fn envelope() -> impl Strategy<Value = (Value, Vec<Vec<u8>>)> {
    let word = || "[A-Za-zéèàç'’«» .,;:<>&\"\n-]{0,20}[A-Za-zé]";
    let date = || "20[0-2][0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])";
    let role = prop::sample::select(vec![
        "enfant",
        "fratrie",
        "mere",
        "pere",
        "autre-parent",
        "beau-parent",
        "grand-parent",
        "tuteur",
        "autre-adulte",
        "allocataire",
    ]);
    let subject = (
        prop::option::of(role),
        (prop::option::of(word()), prop::collection::vec("[A-Z][a-zé-]{1,8}( [A-Z][a-z]{1,5})?", 0..3), prop::option::of(word())),
        (prop::option::of(prop::sample::select(vec!["F", "M", "inconnu"])), prop::option::of(date()), prop::option::of("[0-9]{5}")),
        (prop::option::of("\\+33[0-9]{9}"), prop::option::of("[a-z]{1,6}@exemple\\.fr"), prop::collection::vec(word(), 0..3)),
        (prop::option::of(word()), prop::option::of("[0-9]{5}"), prop::option::of(date()), prop::option::of(any::<bool>())),
        (prop::option::of("oui|non"), prop::option::of(0..20_u8), prop::option::of(any::<bool>())),
    );
    let subject = subject.prop_map(|(role, (birth, given, used), (sex, born, place), (phone, email, lines), (city, code, since, hidden), (pa, age, unborn))| {
        let address = filled(json!({"lines": lines, "city": city, "city_code": code, "postcode": code, "since": since, "hidden": hidden}));
        filled(json!({"role": role, "birth_name": birth, "given_names": given, "use_name": used, "sex": sex, "birth_date": born, "birth_place": place,
            "phone": phone, "email": email, "address": address, "parental_authority": pa, "age_estimate": age, "unborn": unborn}))
    });
    let fact = (prop::option::of(date()), word()).prop_map(|(at, text)| filled(json!({"date_debut": at, "source": "vu", "texte": text})));
    let payload = (
        (prop::collection::vec(fact, 0..4), prop::collection::vec("[a-z-]{3,12}", 0..3)),
        (prop::option::of(word()), prop::option::of(any::<bool>()), prop::option::of(word())),
        prop::option::of((word(), prop::option::of("\\+33[0-9]{9}"))),
    );
    let payload = payload.prop_map(|((facts, dangers), (text, joined, free), by)| {
        let declarant = by.map(|(name, phone)| filled(json!({"nom": name, "telephone": phone})));
        filled(
            json!({"faits": facts, "types_danger": dangers, "constats_sante": filled(json!({"texte": text, "certificat_joint": joined})),
            "texte_libre": free, "declarant": declarant}),
        )
    });
    let files = prop::collection::vec((prop::collection::vec(any::<u8>(), 1..50), word(), "[0-9a-f]{64}"), 0..3);
    let urgency = prop::option::of(prop::sample::select(vec!["immediate", "priority", "ordinary"]));
    let kind = prop::sample::select(crate::health::TYPES.to_vec());
    let informed = prop::option::of(prop::sample::select(vec!["faite", "a-faire", "non-faite-interet-enfant"]));
    let answers = prop::option::of(Just("0190b8c5-0000-7000-8000-000000000000"));
    (kind, urgency, prop::collection::vec(subject, 0..4), payload, files, informed, answers).prop_map(
        |(kind, urgency, mut subjects, payload, files, informed, answers)| {
            if kind == "reponse-information" {
                subjects.clear();
            }
            for (n, subject) in subjects.iter_mut().enumerate() {
                subject["ref"] = json!(format!("s{}", n + 1));
            }
            let about = |(bytes, title, sha256): &(Vec<u8>, String, String)| {
                json!({"name": "piece.pdf", "title": title, "media_type": "application/pdf", "class": "sante", "size": bytes.len(), "sha256": sha256})
            };
            let attachments: Vec<_> = files.iter().map(about).collect();
            let information = informed.map(|informed| json!({"parents": {"informed": informed}, "child": {"informed": informed}}));
            let envelope = filled(json!({"type": kind, "sender": context().sender, "recipient": context().recipient, "urgency": urgency,
                "subjects": subjects, "payload": payload, "information": information, "in_reply_to": answers, "attachments": attachments}));
            (envelope, files.into_iter().map(|(bytes, ..)| bytes).collect())
        },
    )
}

/// Without what is empty.
fn filled(value: Value) -> Value {
    let Value::Object(map) = value else { return value };
    let empty =
        |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty);
    Value::Object(map.into_iter().filter(|(_, value)| !empty(value)).collect())
}

proptest! {
    #[test]
    fn reading_is_the_inverse_of_writing((envelope, files) in envelope()) {
        let native = write(&envelope, &files).unwrap();
        let reading = read(&native, &context()).unwrap();
        let letter = &reading.letters[0];
        prop_assert_eq!(&letter.envelope, &envelope);
        prop_assert_eq!(&letter.attachments, &files);
        prop_assert!(letter.beside.is_empty(), "{:?}", places(&reading));
        prop_assert!(reading.reported.is_empty(), "{:?}", places(&reading));
        // And once more from the native side.
        prop_assert_eq!(write(&letter.envelope, &letter.attachments).unwrap(), native);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, &context());
    }

    /// What is said somewhere is in the envelope or beside it, whatever stands around it.
    #[test]
    fn no_word_is_lost(resource in resource(), kind in prop::sample::select(vec!["Communication", "Composition", "Patient", "RelatedPerson", "QuestionnaireResponse", "DocumentReference", "Practitioner", "Flag"])) {
        let Value::Object(mut map) = resource else { return Ok(()) };
        map.insert("resourceType".into(), json!(kind));
        let mut resource = Value::Object(map);
        let mut words = Vec::new();
        number(&mut resource, "", &mut words);
        let bundle = if kind == "Communication" { message(resource, &[]) } else { message(said("x"), &[resource]) };
        let reading = read_value(&bundle);
        let letter = &reading.letters[0];
        let kept = letter.envelope.to_string() + &letter.beside.iter().map(|one| one.value.to_string()).collect::<String>();
        for word in words {
            prop_assert!(kept.contains(&word), "{} of {}", word, kept);
        }
    }

    /// The same for a good message into which something was put, wherever it was put.
    #[test]
    fn no_word_is_lost_in_a_message(more in prop::collection::vec((any::<u16>(), prop::sample::select(KEYS.to_vec()), resource()), 1..4)) {
        let mut bundle: Value = serde_json::from_slice(&vector("message-ip.json")).unwrap();
        let mut words = Vec::new();
        for (at, key, mut value) in more {
            number(&mut value, key, &mut words);
            let mut left = usize::from(at) % objects(&bundle);
            put(&mut bundle, &mut left, key, &value);
        }
        let reading = read_value(&bundle);
        let letter = &reading.letters[0];
        let kept = letter.envelope.to_string() + &letter.beside.iter().map(|one| one.value.to_string()).collect::<String>();
        let told = places(&reading).into_iter().filter(|(_, code)| matches!(*code, "ins" | "nir" | "ins-not-usable" | "ins-not-qualified")).count();
        for word in words.iter().filter(|word| bundle.to_string().contains(&format!("\"{word}\""))) {
            prop_assert!(kept.contains(word) || told > 1, "{} of {}", word, bundle);
        }
    }

    #[test]
    fn arbitrary_resources_never_panic_and_only_paths_are_told(resource in resource()) {
        let reading = read_value(&message(resource.clone(), &[resource.clone(), json!({"resourceType": "Patient", "contact": resource})]));
        let kept: String = reading.letters.iter().map(|letter| letter.envelope.to_string() + &letter.beside.iter().map(|one| one.value.to_string()).collect::<String>()).collect();
        prop_assert!(!kept.contains("\"\\u0000\":"), "no mark of the walk is left");
        for place in &reading.reported {
            prop_assert!(matches!(place.place, Place::Path(_)));
        }
    }
}

/// JSON made of names and values that the reader looks for.
fn resource() -> impl Strategy<Value = Value> {
    let texts = "Communication payload.faits[] payload.faits[].texte payload.texte_libre payload information.parents.informed YWJj <div>a</div> <p \
        INVISIBLE_PATIENT urn:passerelle:fhir:subject urn:passerelle:fhir:section urn:passerelle:fhir:role urn:passerelle:fhir:danger \
        urn:passerelle:fhir:attachment urn:passerelle:fhir:class faits mere MTH official usual phone email 2014-02-27 2014 male stat urn:ietf:rfc:3986 \
        urn:oid:1.2.250.1.71.4.2.1 879927398713 https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code \
        https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-birth-list-given-name http://hl7.org/fhir/StructureDefinition/patient-birthPlace";
    let texts: Vec<&str> = texts.split_ascii_whitespace().collect();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::sample::select(texts).prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(prop::sample::select(KEYS.to_vec()), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())),
        ]
    })
}

/// Gives every text that says something a word of its own; labels and codes that only repeat another element stay.
fn number(value: &mut Value, key: &str, words: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(key, below)| number(below, key, words)),
        Value::Array(items) => items.iter_mut().for_each(|item| number(item, key, words)),
        Value::String(text) if WORDS.contains(&key) => {
            *text = format!("mot{}fin", words.len());
            words.push(text.clone());
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Elements that hold words or numbers of a sender.
const WORDS: &[&str] = &[
    "value",
    "contentString",
    "valueString",
    "data",
    "name",
    "address",
    "_city",
    "payload",
    "family",
    "given",
    "line",
    "city",
    "postalCode",
    "note",
];

/// How many objects there are below resources of a Bundle, itself left out.
fn objects(value: &Value) -> usize {
    match value {
        Value::Object(map) => 1 + map.values().map(objects).sum::<usize>(),
        Value::Array(items) => items.iter().map(objects).sum(),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Puts a value into the object of that number.
fn put(value: &mut Value, left: &mut usize, key: &str, what: &Value) -> bool {
    match value {
        Value::Object(map) => {
            if *left == 0 {
                map.insert(key.to_owned(), what.clone());
                return true;
            }
            *left -= 1;
            map.values_mut().any(|below| put(below, left, key, what))
        }
        Value::Array(items) => items.iter_mut().any(|item| put(item, left, key, what)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Elements that a reader looks for; what stands in those that it leaves out by choice is not put anywhere.
const KEYS: &[&str] = &[
    "identifier",
    "extension",
    "url",
    "valueString",
    "valueAddress",
    "valueCoding",
    "payload",
    "contentString",
    "contentAttachment",
    "data",
    "section",
    "item",
    "linkId",
    "answer",
    "address",
    "_city",
    "relationship",
    "telecom",
    "birthDate",
    "gender",
    "given",
    "family",
    "line",
    "postalCode",
    "period",
    "start",
    "category",
    "inResponseTo",
    "reasonCode",
    "note",
    "content",
    "attachment",
    "hash",
    "size",
    "securityLabel",
    "author",
    "patient",
    "priority",
    "contact",
    "qualification",
    "code",
    "coding",
    "system",
    "use",
    "subject",
    "focus",
    "div",
    "\u{0}",
];
