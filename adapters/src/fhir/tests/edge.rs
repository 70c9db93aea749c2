//! What the edge asks of this room: a Bundle before it is read, the answer to it, and the Task by which a unit answers.

use super::*;

#[test]
fn a_bundle_says_how_it_is_called_and_whom_it_names() {
    let by = |value: &str| json!({"identifier": {"system": "urn:passerelle:institution", "value": value}});
    let id = "0190b8c5-0000-7000-8000-000000000001";
    let bundle = json!({"resourceType": "Bundle", "type": "message", "entry": [
        {"fullUrl": "urn:uuid:0190b8c5-0000-4000-8000-0000000000aa", "resource": {"resourceType": "MessageHeader",
            "eventCoding": {"system": TYPE, "code": "reponse-information"}, "source": {"endpoint": "urn:passerelle:institution:chu-toulouse"},
            "sender": by("chu-toulouse:unit:pediatrie")}},
        {"resource": {"resourceType": "Communication", "status": "completed", "sender": by("ch-autre"), "recipient": [by("Pas Un Id"), by("departement-31:unit:ase")],
            "inResponseTo": [{"identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{id}")}}]}}]});
    let opened = |bundle: &Value| Opened::of(bundle.to_string().as_bytes()).unwrap();
    let read = opened(&bundle);
    assert_eq!((read.kind(), read.name()), ("reponse-information", Some("0190b8c5-0000-4000-8000-0000000000aa")));
    assert_eq!(read.answers().unwrap().to_string(), id);
    let senders: Vec<_> = read.senders().into_iter().map(|one| (one.at, one.party.to_string())).collect();
    assert_eq!(senders.len(), 3, "{senders:?}");
    assert!(
        senders
            .iter()
            .any(|(at, party)| at == "Bundle.entry[1].resource.ofType(Communication).sender.identifier.value" && party == "ch-autre")
    );
    assert!(senders.iter().any(|(at, _)| at == "Bundle.entry[0].resource.ofType(MessageHeader).source.endpoint"));
    let recipient = read.recipient().unwrap();
    assert_eq!(recipient.at, "Bundle.entry[1].resource.ofType(Communication).recipient[1].identifier.value");
    assert_eq!(recipient.party.unit.unwrap().as_str(), "ase");
    // Its own identifier comes before the id of its message; words are no id.
    let mut named = bundle.clone();
    named["identifier"] = json!({"system": "https://chu.example/messages", "value": "2026-417"});
    assert_eq!(opened(&named).name(), Some("https://chu.example/messages|2026-417"));
    let mut worded = bundle;
    worded["entry"][0]["resource"]["id"] = json!("Capucine F.");
    assert_eq!(opened(&worded).name(), None);
}

#[test]
fn an_answer_fits_what_was_asked() {
    let accepted = Accepted { exchange: "e1", receipt: "a.b.c", place: "https://g/v1/exchanges/e1", base: "https://g/fhir" };
    let answer = |bundle: &Value| {
        let opened = Opened::of(bundle.to_string().as_bytes()).unwrap();
        let asked = opened.asked();
        let reading = opened.read(&context());
        serde_json::from_slice::<Value>(&of_accepted(&asked, &accepted, &reading.reported).unwrap()).unwrap()
    };
    let mut bundle = message(said("x"), &[json!({"resourceType": "Flag"})]);
    bundle["entry"][0]["resource"]["id"] = json!("m-1");
    let told = answer(&bundle);
    let response = &told["entry"][0]["resource"]["response"];
    assert_eq!((&response["identifier"], &response["code"]), (&json!("m-1"), &json!("ok")));
    assert_eq!(told["entry"][1]["resource"]["issue"][0]["expression"], json!(["Bundle.entry[2].resource.ofType(Flag)"]));
    assert_eq!(told["entry"][2]["resource"]["data"], "YS5iLmM=");
    assert_eq!(told["identifier"]["value"], "urn:uuid:e1");
    bundle["type"] = json!("transaction");
    let told = answer(&bundle);
    assert_eq!((&told["type"], told["entry"].as_array().unwrap().len()), (&json!("transaction-response"), 3));
    assert_eq!(told["entry"][0]["response"]["location"], "https://g/v1/exchanges/e1");
    // What was not taken over is never said to be created, wherever it stands; what asks for something else is told too.
    let flag =
        json!({"fullUrl": "urn:uuid:0190b8c5-0000-4000-8000-000000000001", "resource": {"resourceType": "Flag", "code": {"text": "x"}}});
    let entries = bundle["entry"].as_array_mut().unwrap();
    entries.insert(0, flag);
    entries.push(json!({"request": {"method": "DELETE", "url": "Patient/1"}}));
    let told = answer(&bundle);
    let at = |n: usize| (text_of(&told["entry"][n]["response"]["status"]), told["entry"][n]["response"]["outcome"]["issue"][0].clone());
    let statuses: Vec<String> = (0..5).map(|n| at(n).0).collect();
    assert_eq!(statuses, ["202 Accepted", "201 Created", "200 OK", "202 Accepted", "202 Accepted"], "{told:#}");
    assert_eq!(at(0).1["expression"], json!(["Bundle.entry[0].resource.ofType(Flag)"]));
    assert_eq!(at(4).1["expression"], json!(["Bundle.entry[4]"]));
    assert_eq!(told["entry"][1]["resource"]["data"], "YS5iLmM=");
    // Of an answer nothing is kept beside: it says so.
    bundle["entry"][1]["resource"]["eventCoding"]["code"] = json!("reponse-information");
    let told = answer(&bundle);
    let flag = &told["entry"][0]["response"];
    assert_eq!(flag["status"], "422 Unprocessable Entity", "{told:#}");
    assert!(flag["outcome"].to_string().contains("rien n’en est gardé"), "{flag}");
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_task_answers_or_is_refused_at_its_element() {
    let task = |status: &str, more: Value| {
        let mut task =
            json!({"resourceType": "Task", "id": "d1", "status": status, "intent": "order", "focus": {"reference": "Bundle/d1"}});
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read_answer(task.to_string().as_bytes(), "d1")
    };
    let taken =
        task("accepted", json!({"input": [{"type": {"coding": [{"system": ANSWER, "code": "read-back"}]}, "valueString": "ABCD-2345"}]}))
            .unwrap();
    assert_eq!((taken.outcome, taken.reason, taken.read_back.as_deref()), ("taken-in-charge", None, Some("ABCD-2345")));
    let why = json!({"statusReason": {"text": "Suivi ailleurs."}});
    assert_eq!(task("rejected", why).unwrap().outcome, "refused");
    let other = json!({"statusReason": {"coding": [{"system": ANSWER, "code": "not-for-us"}], "text": "Un autre service."}});
    assert_eq!(task("rejected", other).unwrap().outcome, "not-for-us");
    for (status, more, at) in [
        ("rejected", json!({}), "Task.statusReason.text"),
        ("completed", json!({}), "Task.status"),
        ("accepted", json!({"note": [{"text": "Dupont"}]}), "Task.note"),
        ("accepted", json!({"dupont": 1}), "Task"),
        ("accepted", json!({"id": "d2"}), "Task.id"),
    ] {
        let refused = task(status, more).err().unwrap();
        assert_eq!(refused.0[0].place.to_string(), at);
        assert!(refused.0[0].cure.is_some());
    }
}

#[test]
fn a_refusal_of_the_gateway_says_where_in_the_bundle() {
    let errors = json!([
        {"pointer": "/payload/faits/0/texte", "code": "too-long", "detail": "Trop long."},
        {"pointer": "/in_reply_to", "code": "bad-reference", "detail": "Inconnu."},
        {"pointer": "Bundle.entry[1]", "code": "missing", "detail": "Manque."}]);
    let problem = json!({"status": 422, "code": "not-conforming", "detail": "Non conforme.", "errors": errors});
    let told: Value = serde_json::from_slice(&of_problem(&problem).unwrap()).unwrap();
    let at = |n: usize| told["issue"][n]["expression"][0].clone();
    assert_eq!(at(1), "Bundle.entry.resource.ofType(QuestionnaireResponse).descendants().where(linkId='payload.faits[].texte')");
    assert_eq!(at(2), "Bundle.entry.resource.ofType(Communication).inResponseTo");
    assert_eq!(at(3), "Bundle.entry[1]");
}
