use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::{
    frames::hospital,
    health::Context,
    reading::{Letter, Place, Reading, Refused},
};

mod edge;
mod properties;

fn context() -> Context {
    hospital("departement-31:crip")
}

fn vector(name: &str) -> Vec<u8> {
    fs::read(format!("{}/vectors/fhir/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn read_value(bundle: &Value) -> Reading {
    read(bundle.to_string().as_bytes(), &context()).unwrap()
}

fn places(reading: &Reading) -> Vec<(String, &'static str)> {
    reading.reported.iter().map(|finding| (finding.place.to_string(), finding.code)).collect()
}

fn message(communication: Value, more: &[Value]) -> Value {
    let mut entries = vec![
        json!({"fullUrl": "urn:uuid:0", "resource": {"resourceType": "MessageHeader", "eventCoding": {"system": TYPE, "code": "information-preoccupante"}}}),
        json!({"fullUrl": "urn:uuid:1", "resource": communication}),
    ];
    entries.extend(more.iter().map(|resource| json!({"resource": resource})));
    json!({"resourceType": "Bundle", "type": "message", "entry": entries})
}

fn said(text: &str) -> Value {
    json!({"resourceType": "Communication", "status": "completed", "payload": [{"contentString": text}]})
}

#[test]
fn reads_a_message_that_another_library_wrote() {
    let reading = read(&vector("message-ip.json"), &context()).unwrap();
    let Letter { envelope, attachments, beside } = &reading.letters[0];
    let expected: Value = serde_json::from_slice(&vector("message-ip.expected.json")).unwrap();
    assert_eq!(*envelope, expected["envelope"], "{envelope:#}");
    assert_eq!(attachments.len(), 1);
    assert!(attachments[0].starts_with(b"%PDF-1.7"));
    // The members of a JSON object have no order.
    let sorted = |mut all: Vec<Value>| {
        all.sort_by_key(Value::to_string);
        all
    };
    let expected = |name: &str| sorted(expected[name].as_array().unwrap().clone());
    let told = sorted(places(&reading).into_iter().map(|(place, code)| json!([place, code])).collect());
    assert_eq!(told, expected("reported"), "{told:#?}");
    let kept = sorted(beside.iter().map(|one| json!([one.place.to_string(), one.value])).collect());
    assert_eq!(kept, expected("beside"), "{kept:#?}");
}

#[test]
fn an_ins_leaves_only_qualified_and_only_in_the_health_leg() {
    let patient = |status: Value, system: &str, code: &str| {
        json!({"resourceType": "Patient", "extension": [
            {"url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability",
             "extension": [{"url": "identityStatus", "valueCoding": status}]}],
            "identifier": [{"system": system, "type": {"coding": [{"code": code}]}, "value": "214209999999936"}]})
    };
    let vali = json!({"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445", "code": "VALI"});
    let not_qual = json!({"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-identity-status", "code": "VALI"});
    let qual = json!({"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-identity-status", "code": "QUAL"});
    let ins = "urn:oid:1.2.250.1.213.1.4.8";
    let outcome = |status: &Value, system: &str, code: &str, health_leg: bool| {
        let bundle = message(said("x"), &[patient(status.clone(), system, code)]);
        let reading = read(bundle.to_string().as_bytes(), &Context { health_leg, ..context() }).unwrap();
        let everywhere = reading.letters[0].envelope.to_string();
        assert!(!everywhere.contains("214209999999936"));
        let kept = reading.letters[0].beside.iter().any(|one| one.value.to_string().contains("214209999999936"));
        let told = reading.reported.iter().any(|finding| finding.code.starts_with("ins") || finding.code == "nir");
        (kept, told)
    };
    for status in [&vali, &qual] {
        assert_eq!(outcome(status, ins, "INS-NIR", true), (true, false));
        assert_eq!(outcome(status, ins, "INS-NIR", false), (false, true));
        // The number of the insured, a test identity, an INS that is only calculated.
        assert_eq!(outcome(status, ins, "NH", true), (false, true));
        assert_eq!(outcome(status, "urn:oid:1.2.250.1.213.1.4.10", "INS-NIR-TEST", true), (false, true));
        assert_eq!(outcome(status, "urn:oid:1.2.250.1.213.1.4.2", "INS-C", true), (false, true));
    }
    assert_eq!(outcome(&not_qual, ins, "INS-NIR", true), (false, true));
    assert_eq!(outcome(&json!({"code": "PROV"}), ins, "INS-NIR", true), (false, true));
    // Wherever it hides in what is kept beside.
    let hidden = message(
        said("x"),
        &[json!({"resourceType": "Coverage", "subscriberId": "214209999999936", "beneficiary":
        {"identifier": {"system": ins, "value": "214209999999936"}}})],
    );
    let reading = read_value(&hidden);
    assert!(!reading.letters[0].beside.iter().any(|one| one.value.to_string().contains("214209999999936")));
}

#[test]
fn a_finding_names_what_fhir_names_and_nothing_else() {
    let bundle = message(
        json!({"resourceType": "Communication", "dupont_marie": {"a": 1}, "note": [{"text": "DUPONT Marie"}],
            "extension": [{"url": "https://dupont.example/marie", "valueString": "DUPONT"}],
            "payload": [{"contentString": "texte", "dupont": true, "\u{0}": "DUPONT Jeanne"}]}),
        &[json!({"resourceType": "Dupont", "marie": 1}), json!({"resourceType": "Flag", "status": "active"})],
    );
    let reading = read_value(&bundle);
    let told = places(&reading);
    assert!(!format!("{told:?}{:?}", reading.reported).to_lowercase().contains("dupont"), "{told:?}");
    let communication = "Bundle.entry[1].resource.ofType(Communication)";
    for place in [
        (communication.to_owned(), "unknown-element"),
        (format!("{communication}.note"), "not-taken"),
        (format!("{communication}.extension"), "unknown-extension"),
        (format!("{communication}.payload[0]"), "unknown-element"),
        ("Bundle.entry[2].resource".to_owned(), "unknown-resource"),
        ("Bundle.entry[3].resource.ofType(Flag)".to_owned(), "unknown-resource"),
    ] {
        assert!(told.contains(&place), "{place:?} of {told:?}");
    }
    let kept = reading.letters[0].beside.iter().map(|one| one.value.to_string()).collect::<String>();
    assert!(
        kept.contains("dupont_marie") && kept.contains("DUPONT Marie") && kept.contains("DUPONT Jeanne") && kept.contains(r#""marie":1"#),
        "nothing is dropped"
    );
}

#[test]
fn a_label_that_hides_is_told_unless_the_envelope_says_the_same() {
    let labelled = |code: &str, more: &[Value]| {
        let mut communication = said("x");
        communication["meta"] = json!({"security": [{"code": code}]});
        places(&read_value(&message(communication, more))).into_iter().any(|(_, code)| code == "hidden")
    };
    let form = |child: &str| {
        json!({"resourceType": "QuestionnaireResponse", "status": "completed", "item": [
            {"linkId": "information.child.informed", "answer": [{"valueString": child}]}]})
    };
    assert!(!labelled("INVISIBLE_REPRESENTANTS_LEGAUX", &[]), "nothing says that they are told");
    assert!(labelled("INVISIBLE_PATIENT", &[]));
    assert!(labelled("INVISIBLE_PATIENT", &[form("faite")]));
    assert!(!labelled("INVISIBLE_PATIENT", &[form("non-faite-age-maturite")]));
}

#[test]
fn refuses_only_what_cannot_be_read() {
    let code = |bytes: &[u8]| {
        let Refused(findings) = read(bytes, &context()).unwrap_err();
        findings[0].code
    };
    assert_eq!(code(b"<Bundle/>"), "not-json");
    assert_eq!(code(b"\xff"), "not-json");
    assert_eq!(code(br#"{"resourceType":"Bundle","resourceType":"Bundle"}"#), "not-json");
    assert_eq!(code("[".repeat(100_000).as_bytes()), "not-json");
    assert_eq!(code(&vec![b' '; MAX_BYTES + 1]), "too-large");
    assert_eq!(code(br#"{"resourceType":"Patient"}"#), "not-a-bundle");
    assert_eq!(code(br#"{"resourceType":"Bundle","type":"message"}"#), "unknown-type");
    let many = json!({"resourceType": "Bundle", "type": "message", "entry": vec![json!({}); 501]});
    assert_eq!(code(many.to_string().as_bytes()), "too-many");
    let packed = format!(r#"{{"resourceType":"Bundle","entry":[{}]}}"#, vec!["{}"; 200_000].join(","));
    assert_eq!(code(packed.as_bytes()), "too-many");
    assert_eq!(
        code(format!(r#"{{"resourceType":"Bundle","id":"{}\",[{{"}}"#, ",[{".repeat(200_000)).as_bytes()),
        "unknown-type",
        "texts do not count"
    );
    // Odd everywhere, and read all the same.
    let odd = message(
        json!({"resourceType": "Communication", "status": 5, "payload": "x", "priority": [], "category": {}, "meta": 1, "text": [], "subject": "a",
            "inResponseTo": [{"reference": 7}, 8, null], "recipient": {"reference": "urn:uuid:0"}, "reasonCode": [[]]}),
        &[
            json!({"resourceType": "Patient", "name": [{"family": 5, "given": [1]}], "birthDate": "2026-02-31", "telecom": [7], "address": {}}),
            json!({"resourceType": "Binary", "contentType": "a/b", "data": "pas du base64 !"}),
            json!({"resourceType": "QuestionnaireResponse", "item": [{"linkId": 5}, {"linkId": "payload.faits[].texte"}, {"linkId": "payload"}]}),
            json!({"resourceType": 5}),
        ],
    );
    let reading = read_value(&odd);
    assert!(reading.reported.len() > 10);
    assert_eq!(reading.letters[0].envelope["subjects"][0], json!({"ref": "s1", "role": "enfant"}));
}

#[test]
fn what_is_about_another_exchange_or_not_there_is_told() {
    let second = said("autre enfant");
    let link = json!({"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {"url": "https://dpi.example/1", "title": "t"}}]});
    let changed = json!({"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {"data": "YWJj", "hash": "AAAA", "size": 2}}]});
    let reading = read_value(&message(said("un"), &[second, link, changed]));
    let told: Vec<_> = places(&reading).into_iter().map(|(_, code)| code).collect();
    for code in ["second-exchange", "file-not-there", "bad-hash", "bad-size"] {
        assert!(told.contains(&code), "{code} of {told:?}");
    }
    assert_eq!(reading.letters[0].attachments, [b"abc"]);
    assert!(reading.letters[0].beside.iter().any(|one| one.value.to_string().contains("autre enfant")));
}

#[test]
fn the_listing_and_the_outcomes_are_of_fhir() {
    let page = json!({"deliveries": [
        {"delivery": "d1", "exchange": "e1", "type": "retour-information", "sender": {"institution": "departement-31", "unit": "crip"},
         "urgency": "immediate", "delivered_at": "2026-11-24T09:00:00.000Z", "incomplete": true, "rectifies": "e0"},
        {"delivery": "d2", "urgency": "ordinary", "delivered_at": "2026-11-24T09:00:00.000Z", "opened_at": "2026-11-24T10:00:00.000Z", "incomplete": false},
        {"delivery": "d3", "urgency": "ordinary", "delivered_at": "2026-11-24T09:00:00.000Z", "withdrawn_at": "2026-11-24T11:00:00.000Z", "incomplete": false}],
        "after": 3});
    let at = Page { base: "https://g/fhir", this: "https://g/fhir/Task", next: Some("https://g/fhir/Task?after=3"), reported: &[] };
    let bundle: Value = serde_json::from_slice(&mailbox(&page, &at).unwrap()).unwrap();
    let task = |n: usize| bundle["entry"][n]["resource"].clone();
    assert_eq!(
        (task(0)["status"].clone(), task(0)["priority"].clone(), task(0)["intent"].clone()),
        (json!("requested"), json!("stat"), json!("order"))
    );
    assert_eq!(task(0)["focus"]["reference"], "Bundle/d1");
    assert_eq!(task(0)["requester"]["identifier"]["value"], "departement-31:unit:crip");
    assert_eq!((&task(1)["status"], &task(2)["status"]), (&json!("received"), &json!("cancelled")));
    assert_eq!(bundle["link"][1]["relation"], "next");

    let outcome = |bytes: Result<Vec<u8>, serde_json::Error>| serde_json::from_slice::<Value>(&bytes.unwrap()).unwrap()["issue"].clone();
    let refused = outcome(of_refused(&read(b"{}", &context()).unwrap_err()));
    assert_eq!((&refused[0]["severity"], &refused[0]["code"]), (&json!("fatal"), &json!("structure")));
    let reading = read_value(&message(said("x"), &[json!({"resourceType": "Flag"})]));
    let warned = outcome(of_findings(&reading.reported));
    assert_eq!(warned[0]["expression"], json!(["Bundle.entry[2].resource.ofType(Flag)"]));
    assert_eq!(outcome(of_findings(&[]))[0]["severity"], "information");
    let problem = json!({"type": "urn:passerelle:problem:denied", "status": 403, "code": "denied", "detail": "Refusé.", "rule": "R06",
        "article": "CASF L226-2-2", "cure": "Adressez-vous à la CRIP.", "errors": [{"pointer": "/payload/faits", "code": "missing", "detail": "Manque."}]});
    let told = outcome(of_problem(&problem));
    assert_eq!((&told[0]["code"], &told[1]["code"]), (&json!("forbidden"), &json!("required")));
    assert!(told[0]["diagnostics"].as_str().unwrap().contains("R06"));
    let metadata: Value = serde_json::from_slice(&capability_statement("2026-11-30", "0.1.0", "https://g/fhir").unwrap()).unwrap();
    assert_eq!((&metadata["fhirVersion"], &metadata["date"]), (&json!("4.0.1"), &json!("2026-11-30")));
}

#[test]
fn a_name_that_is_only_a_text_is_kept_beside() {
    let patient = json!({"resourceType": "Patient", "name": [{"use": "official", "text": "FICTIVE Capucine"}]});
    let communication = json!({"resourceType": "Communication", "status": "completed", "subject": {"reference": "urn:uuid:1"},
        "category": [{"coding": [{"system": TYPE, "code": "information-preoccupante"}]}], "payload": [{"contentString": "Seule."}]});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": communication}, {"fullUrl": "urn:uuid:1", "resource": patient}]});
    // With the mark of UTF-8, which some programs write.
    let bytes = format!("\u{feff}{bundle}");
    let reading = read(bytes.as_bytes(), &context()).unwrap();
    let beside: String = reading.letters[0].beside.iter().map(|one| one.value.to_string()).collect();
    assert!(beside.contains("FICTIVE Capucine"), "{:?}", places(&reading));
}

#[test]
fn a_document_says_what_was_withheld() {
    let document: Value = serde_json::from_slice(&vector("document-ip.json")).unwrap();
    let written: Value = serde_json::from_slice(&write(&document, &[]).unwrap()).unwrap();
    let communication = &written["entry"][1]["resource"];
    let codes: Vec<_> = communication["meta"]["security"].as_array().unwrap().iter().map(|label| label["code"].clone()).collect();
    assert_eq!(codes, ["INVISIBLE_REPRESENTANTS_LEGAUX", "REDACTED"]);
    assert!(communication["extension"].to_string().contains("withheld/0/part"));
    assert!(written.to_string().contains("/v1/mailbox/"), "a file that is not handed in is a link");
    let validated = serde_json::from_slice(&vector("document-ip.bundle.json")).unwrap();
    assert_eq!(without_order(validated), without_order(written), "what Python validates");
}

/// What is written follows the members of the document, which have no order.
fn without_order(value: Value) -> String {
    match value {
        Value::Array(items) => {
            let mut items: Vec<_> = items.into_iter().map(without_order).collect();
            items.sort();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| format!("{name}:{}", without_order(value))).collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

#[test]
fn a_transaction_answers_a_question() {
    let answered = "0190b8c5-0000-7000-8000-000000000000";
    let form = json!({"resourceType": "QuestionnaireResponse", "status": "completed", "item": [
        {"linkId": "payload.issue", "text": "Issue", "answer": [{"valueCoding": {"system": "urn:x", "code": "partielle", "display": "Réponse partielle"}}]},
        {"linkId": "payload.reponses[]", "item": [
            {"linkId": "payload.reponses[].question", "answer": [{"valueString": "sante.suivi-regulier"}]},
            {"linkId": "payload.reponses[].texte", "answer": [{"valueString": "Suivi régulier."}, {"valueString": "et encore"}]}]},
        {"linkId": "payload.besoins_soins[]", "answer": [{"valueString": "orthophonie"}, {"valueString": "lunettes"}]},
        {"linkId": "payload.faits_nouveaux", "answer": [{"valueBoolean": false}]},
        {"linkId": "recipient.institution", "answer": [{"valueString": "ailleurs"}]},
        {"linkId": "payload.Dupont", "answer": [{"valueString": "x"}]}]});
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"request": {"method": "POST", "url": "Communication"}, "resource": {"resourceType": "Communication", "status": "completed",
            "category": [{"coding": [{"system": TYPE, "code": "reponse-information"}]}], "subject": {"reference": "Patient/p1"},
            "inResponseTo": [{"identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{answered}")}}],
            "sender": {"reference": "Practitioner/d1"}, "payload": [{"contentString": "Rien d’autre."}]}},
        {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient", "id": "p1", "birthDate": "2014"}},
        {"request": {"method": "POST", "url": "Practitioner"}, "resource": {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "INVENTEE"}]}},
        {"request": {"method": "POST", "url": "QuestionnaireResponse"}, "resource": form}]});
    let reading = read_value(&bundle);
    let envelope = &reading.letters[0].envelope;
    assert_eq!((&envelope["type"], &envelope["in_reply_to"]), (&json!("reponse-information"), &json!(answered)));
    let expected = json!({"issue": "partielle", "faits_nouveaux": false, "besoins_soins": ["orthophonie", "lunettes"],
        "reponses": [{"question": "sante.suivi-regulier", "texte": "Suivi régulier."}], "extrait_sante": {"texte": "Rien d’autre."}});
    assert_eq!(envelope["payload"], expected);
    // A birth date of a year alone, an author whom the directory names, a second answer, fields that the form may not set.
    let kept = reading.letters[0].beside.iter().map(|one| one.value.to_string()).collect::<String>();
    for text in ["2014", "INVENTEE", "et encore", "ailleurs", "payload.Dupont"] {
        assert!(kept.contains(text), "{text} of {kept}");
    }
    assert_eq!(envelope["recipient"], json!(context().recipient));
    assert_eq!(envelope.get("subjects"), None, "an answer names nobody: its question did");
}

#[test]
fn a_parent_among_the_contacts_of_a_patient_is_a_person_of_the_exchange() {
    let system = "https://mos.esante.gouv.fr/NOS/TRE_R216-HL7RoleCode/FHIR/TRE-R216-HL7RoleCode";
    let contact = |code: &str, family: &str| {
        json!({"relationship": [{"coding": [{"system": "urn:role", "code": "ECON"}]}, {"coding": [{"system": system, "code": code}]}],
            "name": {"use": "official", "family": family, "given": ["Zélie"]}, "telecom": [{"system": "phone", "value": "+33536491096"}],
            "address": {"city": "Blagnac"}, "gender": "female"})
    };
    let patient = json!({"resourceType": "Patient", "id": "s2", "contact": [contact("MTH", "EXEMPLE"), contact("NBOR", "VOISINE")]});
    let reading = read_value(&message(said("x"), &[patient]));
    let mother = json!({"ref": "s1", "role": "mere", "birth_name": "EXEMPLE", "given_names": ["Zélie"], "sex": "F", "phone": "+33536491096",
        "address": {"city": "Blagnac"}});
    assert_eq!(reading.letters[0].envelope["subjects"], json!([{"ref": "s2", "role": "enfant"}, mother]));
    let kept = reading.letters[0].beside.iter().map(|one| one.value.to_string()).collect::<String>();
    assert!(kept.contains("VOISINE") && kept.contains("ECON") && !kept.contains("EXEMPLE"), "{kept}");
}

fn kept(reading: &Reading) -> String {
    reading.letters[0].beside.iter().map(|one| one.value.to_string()).collect()
}

#[test]
fn leaves_of_an_extension_never_overwrite() {
    let leaf = |url: &str, value: &str| json!({"url": url, "valueString": value});
    let patient = json!({"resourceType": "Patient", "id": "s1", "birthDate": "2014-02-27", "extension": [{"url": SUBJECT, "extension": [
        leaf("ref", "s9"), leaf("role", "mere"), leaf("birth_date", "2013-01-01"), leaf("school", "0319901U"), leaf("school", "0319902V"),
        leaf("school/name", "Dessous"), leaf("address/city", "Blagnac")]}], "address": [{"line": ["12 impasse des Nuages"]}]});
    let reading = read_value(&message(said("x"), &[patient]));
    let child = json!({"ref": "s1", "role": "enfant", "birth_date": "2014-02-27", "school": "0319901U",
        "address": {"lines": ["12 impasse des Nuages"], "city": "Blagnac"}});
    assert_eq!(reading.letters[0].envelope["subjects"], json!([child]));
    for text in ["s9", "mere", "2013-01-01", "0319902V", "Dessous"] {
        assert!(kept(&reading).contains(text), "{text}");
    }
    assert_eq!(places(&reading).iter().filter(|(_, code)| *code == "unknown-extension").count(), 5);
    let file = json!({"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": {"data": "YWJj", "contentType": "text/plain",
        "creation": "2026-11-21", "extension": [{"url": ATTACHMENT, "extension": [
            leaf("name", "../dupont\u{202e}.txt"), leaf("class", "identite"), leaf("media_type", "a/b"), leaf("content", "/v1/x")]}]}}]});
    let reading = read_value(&message(said("x"), &[file]));
    let about = json!({"name": "dupont.txt", "class": "sante", "media_type": "text/plain", "size": 3});
    assert_eq!(reading.letters[0].envelope["attachments"], json!([about]));
    for text in ["../dupont", "identite", "a/b", "/v1/x", "2026-11-21"] {
        assert!(kept(&reading).contains(text), "{text}");
    }
}

#[test]
fn a_heading_without_a_code_stays_with_what_stands_under_it() {
    let text = |text: &str| json!({"status": "additional", "div": format!("<div>{text}</div>")});
    let coded = |code: &str| json!({"coding": [{"system": SECTION, "code": code}]});
    let composition = json!({"resourceType": "Composition", "status": "final", "section": [
        {"title": "Propos de l’enfant", "section": [{"title": "À l’infirmière", "text": text("J’ai peur.")}, {"text": text("Chez papa.")}]},
        {"title": "Entretien", "section": [{"title": "Seul", "text": text("Se tait.")}]},
        {"title": "Faits", "code": coded("faits"), "section": [{"title": "Le 12 novembre", "text": text("Chute.")}]},
        {"title": "Faits rapportés par la voisine", "code": coded("faits"), "text": text("Cris.")},
        {"title": "Titre seul", "section": [{"title": "Dessous"}]}, {"title": "Vide", "section": [{}]}]});
    let reading = read_value(&message(said("x"), &[composition]));
    let payload = &reading.letters[0].envelope["payload"];
    assert_eq!(payload["propos_enfant"], json!([{"verbatim": "À l’infirmière\nJ’ai peur."}, {"verbatim": "Chez papa."}]));
    assert_eq!(payload["faits"], json!([{"texte": "Le 12 novembre\nChute."}, {"texte": "Faits rapportés par la voisine\nCris."}]));
    assert_eq!(payload["constats_sante"]["texte"], "Entretien – Seul\nSe tait.\n\nTitre seul\nDessous\n\nVide");
    assert!(places(&reading).contains(&("Bundle.entry[2].resource.ofType(Composition).section[0]".into(), "section-by-title")));
}

#[test]
fn a_draft_and_an_error_are_not_read_as_done() {
    let composition = |status: &str| {
        json!({"resourceType": "Composition", "status": status, "section": [{"code": {"coding": [{"system": SECTION, "code": "faits"}]},
            "text": {"status": "additional", "div": "<div>Vu seul.</div>"}}]})
    };
    let read = |status: &str| {
        let reading = read_value(&message(said("x"), &[composition(status)]));
        let codes: Vec<_> = places(&reading).into_iter().map(|(_, code)| code).collect();
        (reading.letters[0].envelope["payload"]["faits"].is_array(), codes, kept(&reading).contains("Vu seul."))
    };
    assert_eq!(read("final"), (true, vec![], false));
    assert_eq!(read("preliminary"), (true, vec!["not-final"], false), "read, since it tells of a danger, and told");
    let (taken, codes, beside) = read("entered-in-error");
    assert!(!taken && beside && codes.contains(&"entered-in-error"), "{codes:?}");
    let mut draft = said("À relire.");
    draft["status"] = json!("preparation");
    let reading = read_value(&message(draft.clone(), &[]));
    assert!(places(&reading).iter().any(|(_, code)| *code == "not-final"));
    assert_eq!(reading.letters[0].envelope["payload"]["texte_libre"], "À relire.");
    draft["status"] = json!("entered-in-error");
    let reading = read_value(&message(draft, &[]));
    assert_eq!(reading.letters[0].envelope.get("payload"), None);
    assert!(kept(&reading).contains("À relire."));
}

#[test]
fn any_communication_may_say_the_type() {
    let category = |code: &str| json!([{"coding": [{"system": "urn:x", "code": "alert"}]}, {"coding": [{"system": TYPE, "code": code}]}]);
    let mut typed = said("Vu seul.");
    typed["category"] = category("signalement");
    let mut other = said("Autre chose.");
    other["category"] = json!([{"coding": [{"system": "urn:x", "code": "alert"}]}]);
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": other}, {"resource": typed}]});
    let reading = read_value(&bundle);
    let envelope = &reading.letters[0].envelope;
    assert_eq!((&envelope["type"], &envelope["payload"]["texte_libre"]), (&json!("signalement"), &json!("Vu seul.")));
    assert!(kept(&reading).contains("Autre chose."));
    assert!(places(&reading).contains(&("Bundle.entry[0].resource.ofType(Communication)".into(), "second-exchange")));
}

#[test]
fn a_hidden_address_is_never_parted_from_its_mark() {
    let subjects = json!([{"ref": "s1", "role": "enfant", "address": {"lines": ["1 rue Cachée"], "city": "Blagnac", "city_code": "31069", "hidden": true}},
        {"ref": "s2", "role": "mere", "address": {"lines": ["2 rue Dite"], "hidden": false}}]);
    let document = json!({"type": "signalement", "sender": context().sender, "recipient": context().recipient, "subjects": subjects});
    let written: Value = serde_json::from_slice(&write(&document, &[]).unwrap()).unwrap();
    let persons: Vec<&Value> =
        written["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).filter(|one| one.get("extension").is_some()).collect();
    assert!(persons.iter().any(|person| person["extension"].to_string().contains("1 rue Cachée")));
    for person in persons {
        assert!(!person["address"].to_string().contains("Cachée") && !person["address"].to_string().contains("Blagnac"));
    }
    let back = read(&serde_json::to_vec(&written).unwrap(), &context()).unwrap();
    assert_eq!(back.letters[0].envelope["subjects"], subjects);
}

#[test]
fn nothing_of_an_odd_entry_vanishes() {
    let mut bundle = message(
        said("x"),
        &[json!({"resourceType": "Organization", "name": "Urgences pédiatriques", "identifier": [
        {"system": "https://finess.esante.gouv.fr", "value": "310781406"}]})],
    );
    let entries = bundle["entry"].as_array_mut().unwrap();
    entries.push(json!({"resource": "Signalement en texte"}));
    entries.push(json!({"fullUrl": ["urn:dupont"], "resource": ["Encore"]}));
    entries.push(json!("Un texte"));
    let reading = read_value(&bundle);
    for text in ["Urgences pédiatriques", "Signalement en texte", "urn:dupont", "Encore", "Un texte"] {
        assert!(kept(&reading).contains(text), "{text}");
    }
    assert!(!kept(&reading).contains("310781406"));
}

#[test]
fn an_address_that_is_old_or_for_a_time_is_not_home() {
    let patient = json!({"resourceType": "Patient", "address": [{"use": "temp", "city": "Ailleurs"}, {"use": "old", "city": "Avant"},
        {"period": {"end": "2020-01-01"}, "city": "Jadis"}, {"use": "home", "city": "Blagnac"}],
        "telecom": [{"system": "phone", "use": "old", "value": "0500000001"}, {"system": "phone", "value": "0500000002"}]});
    let reading = read_value(&message(said("x"), &[patient]));
    let child = &reading.letters[0].envelope["subjects"][0];
    assert_eq!((&child["address"], &child["phone"]), (&json!({"city": "Blagnac"}), &json!("0500000002")));
    for text in ["Ailleurs", "Avant", "Jadis", "0500000001"] {
        assert!(kept(&reading).contains(text), "{text}");
    }
}
