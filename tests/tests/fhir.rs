//! The FHIR face over real sockets: a hospital deposits Bundles, reads its mailbox as Tasks and answers, and every refusal is an
//! OperationOutcome that says where. What is decided and released is what `/v1` decides and releases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeSet, fs, path::Path};

use adapters::fhir::MEDIA_TYPE;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use gateway::{
    client::{self, Client},
    demo::{envelopes, requests},
    receipt,
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tests::{Scene, people::*, process, python::python, stage::Stage, text};

#[tokio::test]
async fn a_bundle_is_accepted_like_an_envelope_and_nothing_of_it_is_lost() {
    let scene = Scene::start().await;
    let hospital = scene.acting(HOSPITAL);
    let answer = posted(&hospital, "/fhir", &message()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let id = exchange_of(&answer.body);
    assert_eq!(answer.location, format!("/v1/exchanges/{id}"));
    // The receipt is that of any deposit.
    let jwk = scene.institution("chu-toulouse").get("/v1/keys").await.unwrap()["keys"][0].clone();
    assert!(receipt::verify(&receipt_of(&answer.body), &jwk).is_ok());
    let header = resource(&answer.body, "MessageHeader");
    assert_eq!(
        header["response"],
        json!({"identifier": "0190b8c5-0000-4000-8000-000000000000", "code": "ok", "details": header["response"]["details"]})
    );
    // What has no place in the envelope is told by its FHIRPath, and sealed with the exchange.
    let told = resource(&answer.body, "OperationOutcome").to_string();
    assert!(told.contains("Bundle.entry[11].resource.ofType(Observation)") && told.contains("warning"), "{told}");
    let document = scene.opened(CRIP, "crip", &id).await;
    assert_eq!(text(&document, "/subjects/0/birth_name"), "FICTIVE");
    assert_eq!(text(&document, "/sender/institution"), "chu-toulouse");
    assert!(text(&document, "/payload/constats_sante/texte").contains("Ecchymoses"), "{document:#}");
    let aside = document["non_conforme"].to_string();
    assert!(aside.contains("29463-7") && aside.contains("Rappeler le service avant 20 h."), "{aside}");
    assert!(text(&document, "/non_conforme/0/pointer").starts_with("/beside/Bundle."), "{aside}");
    assert!(scene.task(CADRE, &id, "verifier-non-conforme").await.is_some());
    // An INS is nowhere.
    assert!(!document.to_string().contains("214209999999936") && told.contains("\"ins"), "{told}");
    // The file came with its bytes.
    let path = text(&document, "/attachments/0/content");
    let file = scene.acting(CRIP).request(Method::GET, &path).send().await.unwrap().bytes().await.unwrap();
    assert!(file.starts_with(b"%PDF-1.7"), "{path}");
}

#[tokio::test]
async fn the_same_message_is_the_same_exchange_and_another_danger_is_never_stopped_by_its_id() {
    let scene = Scene::start().await;
    let hospital = scene.acting(HOSPITAL);
    let first = posted(&hospital, "/fhir", &message()).await.body;
    // Repeated at another address, with another date and another server's ids: the same.
    let mut again = message();
    again["timestamp"] = json!("2026-11-22T08:00:00+01:00");
    for path in ["/fhir/", "/fhir/$process-message"] {
        let repeated = posted(&hospital, path, &again).await.body;
        assert_eq!((exchange_of(&repeated), receipt_of(&repeated)), (exchange_of(&first), receipt_of(&first)), "{path}");
    }
    // What stands beside belongs to what is compared: another one is another exchange, whatever it calls itself.
    let mut other = message();
    other["entry"][11]["resource"]["valueQuantity"]["value"] = json!(21);
    let second = exchange_of(&posted(&hospital, "/fhir", &other).await.body);
    assert_ne!(second, exchange_of(&first));
    // Its answer was lost: repeated, it is the same again.
    assert_eq!(exchange_of(&posted(&hospital, "/fhir", &other).await.body), second);
    // Which answer a client would like stops no danger.
    let picky = bundle_request(&hospital, "/fhir", &other).header("accept", "text/html");
    assert_eq!(exchange_of(&answered(picky).await.body), second);
    // A key of the client's own is a promise: another message under it is refused.
    let key = client::new_key().unwrap();
    let keyed = |bundle: &Value| bundle_request(&hospital, "/fhir", bundle).header("idempotency-key", &key);
    let kept = exchange_of(&answered(keyed(&message())).await.body);
    assert_eq!(exchange_of(&answered(keyed(&message())).await.body), kept);
    let refused = answered(keyed(&other)).await;
    assert_eq!((refused.status, issue(&refused.body, 0)), (StatusCode::CONFLICT, ("conflict".into(), "idempotency-key-reused".into())));
}

#[tokio::test]
async fn a_danger_without_a_good_token_is_its_institutions_alone() {
    let scene = Scene::start().await;
    let unnamed = scene.institution("chu-toulouse");
    let answer = posted(&unnamed, "/fhir", &message()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(scene.task(HOSPITAL, &exchange_of(&answer.body), "identifier-auteur").await.is_some());
    // An answer is somebody's: without a name it is refused.
    let refused = posted(&unnamed, "/fhir", &typed("reponse-information")).await;
    assert_eq!((refused.status, issue(&refused.body, 0).1.as_str()), (StatusCode::UNAUTHORIZED, "token-missing"));
}

#[tokio::test]
async fn every_refusal_says_where_in_fhir() {
    let scene = Scene::start().await;
    let hospital = scene.acting(HOSPITAL);
    let sent = |bytes: Vec<u8>| hospital.request(Method::POST, "/fhir").header("content-type", MEDIA_TYPE).body(bytes);
    let named = |at: &str, who: &str| {
        let mut bundle = message();
        bundle["entry"][0]["resource"][at] = json!({"identifier": {"system": "urn:passerelle:institution", "value": who}});
        bundle
    };
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let xml = |request: RequestBuilder| request.header("accept", "application/fhir+xml");
    let cases = [
        ("broken", sent(b"{\"resourceType\": \"Bundle\", ".to_vec()), 400, "structure", "not-understood", "Bundle"),
        ("deep", sent(deep.into_bytes()), 400, "structure", "not-understood", "Bundle"),
        ("no Bundle", sent(br#"{"resourceType": "Patient"}"#.to_vec()), 422, "structure", "not-understood", "Bundle"),
        ("2 MiB", sent(vec![b' '; 2 * 1024 * 1024]), 413, "too-long", "too-large", ""),
        (
            "no type",
            sent(br#"{"resourceType": "Bundle", "type": "message", "entry": []}"#.to_vec()),
            422,
            "code-invalid",
            "not-understood",
            "Bundle.entry.resource.ofType(MessageHeader).event",
        ),
        (
            "another sender",
            bundle_request(&hospital, "/fhir", &named("sender", "dsden-31")),
            403,
            "business-rule",
            "sender-mismatch",
            "Bundle.entry[0].resource.ofType(MessageHeader).sender.identifier.value",
        ),
        (
            "an answer to nothing",
            bundle_request(&hospital, "/fhir", &typed("reponse-information")),
            422,
            "required",
            "not-conforming",
            "Bundle.entry.resource.ofType(Communication).inResponseTo",
        ),
        ("not FHIR", hospital.request(Method::POST, "/fhir").header("content-type", "text/csv").body("a;b"), 415, "", "media-type", ""),
        ("XML wanted", xml(hospital.request(Method::GET, "/fhir/metadata")), 406, "", "not-acceptable", ""),
        ("no such resource", hospital.request(Method::GET, "/fhir/Patient?name=FICTIVE"), 404, "", "not-found", ""),
        ("no such way", hospital.request(Method::DELETE, "/fhir/Task/x"), 404, "", "not-found", ""),
        ("a unit of others", hospital.request(Method::GET, "/fhir/Task?owner=departement-31:unit:crip"), 403, "", "role-missing", ""),
        (
            "no such state",
            hospital.request(Method::GET, "/fhir/Task?status=received,accepted"),
            422,
            "code-invalid",
            "not-understood",
            "Task.status",
        ),
        ("no count", hospital.request(Method::GET, "/fhir/Task?_count=tous"), 400, "", "malformed", ""),
    ];
    for (what, request, status, issue_code, code, at) in cases {
        let refused = answered(request).await;
        assert_eq!(refused.status.as_u16(), status, "{what}: {}", refused.body);
        assert_eq!(refused.media_type, MEDIA_TYPE, "{what}");
        assert_eq!(
            (text(&refused.body, "/resourceType"), text(&refused.body, "/issue/0/details/coding/0/code")),
            ("OperationOutcome".into(), code.into()),
            "{what}"
        );
        assert_eq!(text(&refused.body, "/issue/0/details/coding/0/system"), "urn:passerelle:problem", "{what}");
        assert!(text(&refused.body, "/issue/0/diagnostics").contains("Pour y remédier"), "{what}: {}", refused.body);
        let issues = refused.body["issue"].as_array().unwrap();
        let there = |one: &&Value| one["expression"][0] == at && one["code"] == issue_code;
        assert!(at.is_empty() || issues.iter().any(|one| there(&one)), "{what}: {}", refused.body);
        assert!(!refused.body.to_string().contains("FICTIVE"), "{what}");
    }
    let told = answered(hospital.request(Method::GET, "/fhir/Task?status=completed")).await.body.to_string();
    assert!(told.contains("requested, received, cancelled"), "{told}");
    // Where a Bundle names its own institution, and a unit of it, that unit sends.
    let answer = posted(&hospital, "/fhir", &named("sender", "chu-toulouse:unit:urgences-pediatriques")).await;
    let document = scene.opened(CRIP, "crip", &exchange_of(&answer.body)).await;
    assert_eq!(text(&document, "/sender/unit"), "urgences-pediatriques");
    // Outside this face nothing changes.
    let (_, problem) = scene.raw(hospital.request(Method::GET, "/v1/nowhere")).await;
    assert_eq!(problem["code"], "not-found");
}

#[tokio::test]
async fn a_number_of_the_insured_is_sealed_and_an_ins_never_kept() {
    let scene = Scene::start().await;
    let mut bundle = message();
    bundle["entry"][7]["resource"]["payload"][0]["contentString"] = json!("Numéro de la mère : 2 84 05 78 006 084 36.");
    let answer = posted(&scene.acting(HOSPITAL), "/fhir", &bundle).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(!answer.body.to_string().contains("2142099999999") && !answer.body.to_string().contains("006 084"), "{}", answer.body);
    let document = scene.opened(CRIP, "crip", &exchange_of(&answer.body)).await;
    let aside = document["non_conforme"].as_array().unwrap();
    assert!(aside.iter().any(|one| one["code"] == "nir" && one["pointer"] == "/payload/texte_libre"), "{aside:?}");
    assert_eq!(document.pointer("/payload/texte_libre"), None);
    assert!(!document.to_string().contains("214209999999936"));
}

#[tokio::test]
async fn a_unit_reads_its_mailbox_as_tasks_opens_and_answers() {
    let scene = Scene::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(scene.accepted(SCHOOL, &envelopes::of_the_school()).await);
    }
    let crip = scene.acting(CRIP);
    // Pages of two, until there is no next one: each once, without content.
    let (mut path, mut seen) = ("/fhir/Task?owner=crip&_count=2&patient=FICTIVE".to_owned(), Vec::new());
    for page in 0.. {
        let found = answered(crip.request(Method::GET, &path)).await.body;
        assert_eq!((text(&found, "/resourceType"), text(&found, "/type")), ("Bundle".into(), "searchset".into()), "{found}");
        assert!(!found.to_string().contains("FICTIVE"), "{found}");
        // A parameter that is not known is told, and no part of the address that was understood.
        assert_eq!(found["entry"].as_array().unwrap().iter().any(|one| one["search"]["mode"] == "outcome"), page == 0, "{found}");
        seen.extend(tasks(&found).iter().map(|task| text(task, "/id")));
        let Some(next) = link(&found, "next") else { break };
        path = next.strip_prefix(&scene.base()).unwrap().to_owned();
    }
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (5, 5));
    // Requested, then received once it was opened.
    let id = &seen[0];
    let task = |id: &str| crip.request(Method::GET, &format!("/fhir/Task/{id}"));
    let waiting = answered(task(id)).await.body;
    assert_eq!((text(&waiting, "/status"), text(&waiting, "/focus/reference")), ("requested".into(), format!("Bundle/{id}")));
    assert_eq!(text(&waiting, "/owner/identifier/value"), "departement-31:unit:crip");
    let opened = answered(crip.request(Method::GET, &format!("/fhir/Bundle/{id}"))).await;
    assert_eq!((opened.status, opened.cache.as_str()), (StatusCode::OK, "no-store"));
    assert_eq!(text(&resource(&opened.body, "Patient"), "/name/0/family"), "FICTIVE");
    assert_eq!(text(&answered(task(id)).await.body, "/status"), "received");
    let exchange = exchange_of(&opened.body);
    let entries = scene.rooms().store.entries_of(exchange.parse().unwrap()).await.unwrap();
    assert!(entries.iter().any(|entry| entry.event == "exchange.opened"), "read without a trace");
    // A refusal needs its reason; an answer is given once.
    let answer = |status: &str, more: Value| {
        let mut body = waiting.clone();
        body["status"] = json!(status);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        crip.request(Method::PUT, &format!("/fhir/Task/{id}")).header("content-type", MEDIA_TYPE).body(body.to_string())
    };
    let refused = answered(answer("rejected", json!({}))).await;
    assert_eq!(
        (refused.status.as_u16(), text(&refused.body, "/issue/1/expression/0")),
        (422, "Task.statusReason.text".into()),
        "{}",
        refused.body
    );
    let done = answered(answer("rejected", json!({"statusReason": {"text": "Suivi par un autre service."}}))).await;
    assert_eq!((done.status, text(&done.body, "/status")), (StatusCode::OK, "rejected".into()), "{}", done.body);
    assert!(scene.task(SCHOOL, &exchange, "remise-refusee").await.is_some());
    assert_eq!(answered(answer("accepted", json!({}))).await.status, StatusCode::CONFLICT);
    let left = answered(crip.request(Method::GET, "/fhir/Task?owner=crip&status=received")).await.body;
    assert_eq!(tasks(&left).len(), 0, "{left}");
}

#[tokio::test]
async fn what_is_withheld_is_absent_and_files_have_their_own_address() {
    let scene = Scene::start().await;
    // To the ASE, whose educator reads neither health nor who reported.
    let mut bundle = message();
    bundle["entry"][7]["resource"]["recipient"] =
        json!([{"identifier": {"system": "urn:passerelle:institution", "value": "departement-31:unit:ase"}}]);
    let answer = posted(&scene.acting(HOSPITAL), "/fhir", &bundle).await;
    let id = exchange_of(&answer.body);
    let delivery = scene.delivery_of(ASE, "ase", &id).await;
    let ase = scene.acting(ASE);
    let read = answered(ase.request(Method::GET, &format!("/fhir/Bundle/{delivery}"))).await.body;
    // What stands beside may be of any class: who may not read all of them reads none of it.
    for hidden in ["Ecchymoses", "INVENTEE", "%PDF", "Binary/", "29463-7", "Rappeler le service"] {
        assert!(!read.to_string().contains(hidden), "{hidden} in {read}");
    }
    assert!(resource(&read, "Communication")["meta"]["security"].to_string().contains("REDACTED"), "{read}");
    let plain = answered(ase.request(Method::GET, &format!("/v1/mailbox/{delivery}"))).await.body;
    assert!(plain["withheld"].as_array().unwrap().iter().any(|one| one["part"] == "non_conforme"), "{plain:#}");
    assert!(!plain.to_string().contains("29463-7"), "{plain:#}");
    // Whoever may read the class of the file finds its bytes where the Bundle says.
    let answer = posted(&scene.acting(HOSPITAL), "/fhir", &message()).await;
    let crip = scene.acting(CRIP);
    let delivery = scene.delivery_of(CRIP, "crip", &exchange_of(&answer.body)).await;
    let read = answered(crip.request(Method::GET, &format!("/fhir/Bundle/{delivery}"))).await.body;
    let url = text(&resource(&read, "DocumentReference"), "/content/0/attachment/url");
    let path = url.strip_prefix(&scene.base()).unwrap();
    let file = crip.request(Method::GET, path).header("range", "bytes=0-7").send().await.unwrap();
    assert_eq!(file.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(file.bytes().await.unwrap(), &b"%PDF-1.7"[..]);
    assert_eq!(answered(ase.request(Method::GET, path)).await.status, StatusCode::NOT_FOUND);
    // The mailbox of /v1 gives the same to who asks for it, and refuses in its own words.
    let same = answered(crip.request(Method::GET, &format!("/v1/mailbox/{delivery}")).header("accept", MEDIA_TYPE)).await;
    assert_eq!((same.media_type.as_str(), &same.body), (MEDIA_TYPE, &read));
    let plain = answered(crip.request(Method::GET, &format!("/v1/mailbox/{delivery}"))).await;
    assert_eq!((plain.media_type.as_str(), text(&plain.body, "/delivery")), ("application/json", delivery));
}

#[tokio::test]
async fn every_entry_of_a_transaction_says_what_was_kept_of_it() {
    let scene = Scene::start().await;
    let mut bundle = message();
    bundle["type"] = json!("transaction");
    let asked = bundle["entry"].as_array_mut().unwrap();
    asked.iter_mut().for_each(|entry| entry["request"] = json!({"method": "POST", "url": entry["resource"]["resourceType"]}));
    asked.push(json!({"request": {"method": "DELETE", "url": "Patient/1"}}));
    let answer = posted(&scene.acting(HOSPITAL), "/fhir", &bundle).await;
    assert_eq!((answer.status, text(&answer.body, "/type")), (StatusCode::OK, "transaction-response".into()), "{}", answer.body);
    let said: Vec<&Value> = answer.body["entry"].as_array().unwrap().iter().map(|entry| &entry["response"]).collect();
    assert_eq!(said.len(), bundle["entry"].as_array().unwrap().len());
    let created: Vec<&&Value> = said.iter().filter(|response| response["status"] == "201 Created").collect();
    assert_eq!((created.len(), text(created[0], "/location")), (1, answer.location.clone()), "one exchange was created, and nothing else");
    for n in [11, said.len() - 1] {
        assert_eq!(said[n]["status"], "202 Accepted", "{}", answer.body);
        assert!(text(said[n], "/outcome/issue/0/expression/0").starts_with(&format!("Bundle.entry[{n}]")), "{}", said[n]);
    }
    let aside = scene.opened(CRIP, "crip", &exchange_of(&answer.body)).await["non_conforme"].to_string();
    assert!(aside.contains("29463-7") && aside.contains("DELETE"), "kept aside, as the answer says: {aside}");
}

#[tokio::test]
async fn a_hospital_answers_a_question_and_a_name_that_it_used_before_is_no_riddle() {
    let scene = Scene::start_with(|world| {
        let file = world.folder.join("policies/agreements/p14-education.toml");
        let agreement = fs::read_to_string(&file).unwrap();
        assert!(agreement.contains("    \"dsden-31\",\n"));
        fs::write(file, agreement.replace("    \"dsden-31\",\n", "    \"dsden-31\",\n    \"chu-toulouse\",\n")).unwrap();
    })
    .await;
    let mut question = requests::to_the_school(&["sante.suivi-regulier"]);
    question["recipient"] = json!({"institution": "chu-toulouse", "unit": "pediatrie"});
    let asked = [scene.accepted(EVALUATOR, &question).await, scene.accepted(EVALUATOR, &question).await];
    let hospital = scene.acting(HOSPITAL);
    let first = posted(&hospital, "/fhir", &answer_to(&asked[0], "Suivie ici depuis 2024.")).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.body);
    let document = scene.opened(EVALUATOR, "equipe-evaluation-nord", &exchange_of(&first.body)).await;
    assert_eq!((text(&document, "/type"), text(&document, "/in_reply_to")), ("reponse-information".into(), asked[0].clone()));
    assert_eq!(text(&document, "/payload/issue"), "repondue");
    assert_eq!(text(&document, "/sender/institution"), "chu-toulouse");
    // The same again is the same; another content under the same constant id is refused in words of FHIR, and taken under a new one.
    let repeated = posted(&hospital, "/fhir", &answer_to(&asked[0], "Suivie ici depuis 2024.")).await;
    assert_eq!(exchange_of(&repeated.body), exchange_of(&first.body));
    let mut second = answer_to(&asked[1], "Suivie ailleurs.");
    let refused = posted(&hospital, "/fhir", &second).await;
    assert_eq!((refused.status, issue(&refused.body, 0)), (StatusCode::CONFLICT, ("conflict".into(), "idempotency-key-reused".into())));
    assert!(text(&refused.body, "/issue/0/diagnostics").contains("« MessageHeader.id »"), "{}", refused.body);
    assert_eq!(text(&refused.body, "/issue/1/expression/0"), "Bundle.entry[0].resource.ofType(MessageHeader).id", "{}", refused.body);
    second["entry"][0]["resource"]["id"] = json!("m-2");
    let taken = posted(&hospital, "/fhir", &second).await;
    assert_eq!(taken.status, StatusCode::OK, "{}", taken.body);
    assert_ne!(exchange_of(&taken.body), exchange_of(&first.body));
}

#[tokio::test]
async fn i15_what_one_may_not_see_answers_as_what_does_not_exist() {
    let scene = Scene::start().await;
    let id = exchange_of(&posted(&scene.acting(HOSPITAL), "/fhir", &message()).await.body);
    let delivery = scene.delivery_of(CRIP, "crip", &id).await;
    let nowhere = exchange::DeliveryId::new().to_string();
    let body = |id: &str| json!({"resourceType": "Task", "id": id, "status": "accepted", "intent": "order"}).to_string();
    let acts = |client: &Client, id: &str| {
        vec![
            client.request(Method::GET, &format!("/fhir/Task/{id}")),
            client.request(Method::GET, &format!("/fhir/Bundle/{id}")),
            client.request(Method::GET, &format!("/fhir/Binary/{id}.0123456789abcdef")),
            client.request(Method::PUT, &format!("/fhir/Task/{id}")).header("content-type", MEDIA_TYPE).body(body(id)),
        ]
    };
    for who in [HOSPITAL, SCHOOL, TEACHER, MAGISTRATE, PMI, FORMER] {
        let client = scene.acting(who);
        for (theirs, none) in acts(&client, &delivery).into_iter().zip(acts(&client, &nowhere)) {
            let (theirs, none) = (answered(theirs).await, answered(none).await);
            let said = |answer: &Answered| {
                let mut body = answer.body.clone();
                body["issue"][0].as_object_mut().unwrap().remove("diagnostics");
                (answer.status, body)
            };
            assert_eq!(said(&theirs), said(&none), "{who:?}");
            assert_eq!(theirs.status, StatusCode::NOT_FOUND, "{who:?}");
        }
    }
    // Asking whether it can be read is not reading.
    assert_eq!(
        scene.acting(CRIP).request(Method::HEAD, &format!("/fhir/Bundle/{delivery}")).send().await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_adapter_is_chosen_by_the_media_type_at_v1_too() {
    let scene = Scene::start().await;
    let answer = answered(bundle_request(&scene.acting(HOSPITAL), "/v1/exchanges", &message())).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    assert!(answer.body["reported"].to_string().contains("ofType(Observation)"), "{}", answer.body);
    let document = scene.opened(CRIP, "crip", &text(&answer.body, "/id")).await;
    assert!(text(&document, "/payload/constats_sante/texte").contains("Ecchymoses"));
    let refused = answered(bundle_request(&scene.acting(HOSPITAL), "/v1/exchanges", &json!({"resourceType": "Bundle"}))).await;
    assert_eq!((refused.media_type.as_str(), text(&refused.body, "/code")), ("application/problem+json", "not-understood".into()));
    assert!(text(&refused.body, "/errors/0/pointer").starts_with("Bundle."), "{}", refused.body);
}

#[tokio::test]
async fn i03_a_crowd_never_turns_a_danger_away() {
    let scene = Scene::start_with(|world| {
        let config = fs::read_to_string(world.config()).unwrap();
        fs::write(world.config(), config.replace("[limits]\n", "[limits]\nrequests_in_progress = 0\n")).unwrap();
    })
    .await;
    let hospital = scene.acting(HOSPITAL);
    assert_eq!(posted(&hospital, "/fhir", &message()).await.status, StatusCode::OK);
    for request in [bundle_request(&hospital, "/fhir", &typed("reponse-information")), hospital.request(Method::GET, "/fhir/metadata")] {
        let refused = answered(request).await;
        assert_eq!((refused.status, issue(&refused.body, 0)), (StatusCode::SERVICE_UNAVAILABLE, ("transient".into(), "overloaded".into())));
    }
}

#[tokio::test]
async fn what_the_capability_statement_says_is_what_there_is() {
    let scene = Scene::start().await;
    let metadata = answered(scene.institution("chu-toulouse").request(Method::GET, "/fhir/metadata")).await.body;
    assert_eq!(text(&metadata, "/implementation/url"), format!("{}/fhir", scene.base()));
    let mut said = BTreeSet::from(["post /fhir".to_owned(), "post /fhir/".to_owned(), "get /fhir/metadata".to_owned()]);
    let rest = &metadata["rest"][0];
    assert_eq!(rest["interaction"], json!([{"code": "transaction"}]));
    said.extend(rest["operation"].as_array().unwrap().iter().map(|one| format!("post /fhir/${}", text(one, "/name"))));
    for resource in rest["resource"].as_array().unwrap() {
        let kind = text(resource, "/type");
        said.extend(resource["interaction"].as_array().unwrap().iter().map(|one| match text(one, "/code").as_str() {
            "read" => format!("get /fhir/{kind}/{{id}}"),
            "update" => format!("put /fhir/{kind}/{{id}}"),
            "search-type" => format!("get /fhir/{kind}"),
            other => panic!("{other}"),
        }));
    }
    let routes = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/node/src/routes.rs")).unwrap();
    let mut built = BTreeSet::new();
    for line in routes.lines().filter_map(|line| line.trim().strip_prefix(".route(\"/fhir")) {
        let (path, rest) = line.split_once('"').unwrap();
        built.extend(
            ["get", "put", "post", "delete"]
                .iter()
                .filter(|one| rest.contains(&format!("{one}(fhir::")))
                .map(|one| format!("{one} /fhir{path}")),
        );
    }
    assert_eq!(said, built);
}

/// A process of the gateway, and a hospital whose software is nobody's of ours.
#[tokio::test]
async fn a_hospital_with_other_peoples_software_sends_reads_and_answers() {
    let stage = Stage::new(|_| {});
    let _gateway = stage.start().await;
    let (base, member) = (format!("{}/fhir", stage.base), stage.world.folder.join("members").join(HOSPITAL.0));
    let path = |name: &str| member.join(name).display().to_string();
    let (certificate, key, authorities) = (path("certificate.pem"), path("key.pem"), stage.world.authorities().display().to_string());
    let run = |arguments: &[&str], input: &[u8]| {
        let token = process::token(&stage.world, HOSPITAL.0, HOSPITAL.1);
        let connection = ["--base", &base, "--certificate", &certificate, "--key", &key, "--authorities", &authorities, "--token", &token];
        let (code, said) = python("fhir_hospital.py", &[&connection, arguments].concat(), input);
        (code, serde_json::from_str::<Value>(&said).unwrap_or_else(|_| panic!("{code}: {said}")))
    };
    assert_eq!(text(&run(&["metadata"], b"").1, "/fhirVersion"), "4.0.1");
    // What `fhir.resources` builds is accepted; the receipt is good for PyJWT.
    let (code, built) = python("fhir_build.py", &["build"], b"");
    assert_eq!(code, 0, "{built}");
    let (code, sent) = run(&["send"], built.as_bytes());
    assert_eq!(code, 0, "{sent}");
    let id = exchange_of(&sent["answer"]);
    let crip = stage.crip();
    let keys = stage.file("jwks.json");
    fs::write(&keys, json!({"keys": crip.get("/v1/keys").await.unwrap()["keys"]}).to_string()).unwrap();
    let receipt = stage.file("receipt.jws");
    fs::write(&receipt, receipt_of(&sent["answer"])).unwrap();
    let (code, said) = python("receipt_verify.py", &["--jwks", &keys.display().to_string(), &receipt.display().to_string()], b"");
    assert_eq!(code, 0, "{said}");
    // The CRIP reads it, and answers the hospital with a status.
    let page = crip.get("/v1/mailbox?unit=crip").await.unwrap();
    let document = crip.get(&format!("/v1/mailbox/{}", text(&page, "/deliveries/0/delivery"))).await.unwrap();
    assert!(text(&document, "/payload/constats_sante/texte").contains("Ecchymoses"), "{document}");
    let mut feedback = envelopes::retour(&id);
    feedback["recipient"] = json!({"institution": HOSPITAL.0, "unit": "pediatrie"});
    crip.submit(&feedback, &client::new_key().unwrap()).await.unwrap();
    // The hospital finds it as a Task, reads it as a Bundle that its models take, and answers.
    let (_, waiting) = run(&["tasks", "--owner", "pediatrie", "--count", "1"], b"");
    let task = waiting.as_array().unwrap().iter().find(|task| text(task, "/code/coding/0/code") == "retour-information").unwrap().clone();
    let (code, read) = run(&["read", &text(&task, "/focus/reference")], b"");
    assert_eq!(code, 0, "{read}");
    assert!(read.to_string().contains("evaluation-en-cours"), "{read}");
    let (code, done) = run(&["answer", &text(&task, "/id"), "accepted"], b"");
    assert_eq!((code, text(&done, "/status")), (0, "accepted".into()), "{done}");
    let (_, left) = run(&["tasks", "--owner", "pediatrie"], b"");
    assert!(left.as_array().unwrap().iter().all(|one| one["id"] != task["id"]), "{left}");
    // A refusal is an OperationOutcome to them too.
    let (code, refused) = run(&["send"], br#"{"resourceType": "Bundle", "type": "message"}"#);
    assert_eq!(
        (code, text(&refused, "/outcome/issue/1/expression/0")),
        (1, "Bundle.entry.resource.ofType(MessageHeader).event".into()),
        "{refused}"
    );
    let (code, refused) = run(&["read", "Bundle/0190b8c5-0000-7000-8000-000000000000"], b"");
    assert_eq!((code, refused["status"].as_u64()), (1, Some(404)), "{refused}");
}

/// What came back.
struct Answered {
    status: StatusCode,
    media_type: String,
    location: String,
    cache: String,
    body: Value,
}

async fn answered(request: RequestBuilder) -> Answered {
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let (media_type, location, cache) = (header("content-type"), header("location"), header("cache-control"));
    Answered { status: answer.status(), media_type, location, cache, body: answer.json().await.unwrap_or_default() }
}

fn bundle_request(client: &Client, path: &str, bundle: &Value) -> RequestBuilder {
    client.request(Method::POST, path).header("content-type", MEDIA_TYPE).body(bundle.to_string())
}

async fn posted(client: &Client, path: &str, bundle: &Value) -> Answered {
    answered(bundle_request(client, path, bundle)).await
}

/// What `fhir.resources` built: an information préoccupante of a hospital.
fn message() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/vectors/fhir/message-ip.json");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// A short message of another type.
fn typed(kind: &str) -> Value {
    json!({"resourceType": "Bundle", "type": "message", "identifier": {"system": "https://chu.example/messages", "value": client::new_key().unwrap()},
        "entry": [
            {"resource": {"resourceType": "MessageHeader", "eventCoding": {"system": "urn:passerelle:fhir:type", "code": kind}, "source": {"endpoint": "https://dpi.chu.example"}}},
            {"resource": {"resourceType": "Communication", "status": "completed", "payload": [{"contentString": "Suivie ici depuis 2024."}]}}]})
}

/// An answer of the hospital, by software that calls each of its messages the same.
fn answer_to(request: &str, words: &str) -> Value {
    let field = |link: &str, value: Value| json!({"linkId": link, "answer": [value]});
    let mut bundle = typed("reponse-information");
    bundle.as_object_mut().unwrap().remove("identifier");
    let head = &mut bundle["entry"][0]["resource"];
    head["id"] = json!("m-1");
    head["sender"] = json!({"identifier": {"system": "urn:passerelle:institution", "value": "chu-toulouse:unit:pediatrie"}});
    let said = &mut bundle["entry"][1]["resource"];
    said["inResponseTo"] = json!([{"identifier": {"system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{request}")}}]);
    said["payload"][0]["contentString"] = json!(words);
    let form = json!({"resourceType": "QuestionnaireResponse", "status": "completed", "item": [
        field("purpose", json!({"valueString": "evaluate"})),
        field("necessity", json!({"valueString": "Répondre à la question posée, et à elle seule."})),
        field("payload.issue", json!({"valueCoding": {"code": "repondue"}})),
        field("payload.faits_nouveaux", json!({"valueBoolean": false})),
        field("payload.information_personne", json!({"valueString": "faite"})),
        {"linkId": "payload.reponses[]", "item": [field("payload.reponses[].question", json!({"valueString": "sante.suivi-regulier"})),
            field("payload.reponses[].texte", json!({"valueString": "Oui."}))]}
    ]});
    bundle["entry"].as_array_mut().unwrap().push(json!({"resource": form}));
    bundle
}

fn resource(bundle: &Value, kind: &str) -> Value {
    let all = bundle["entry"].as_array().unwrap_or_else(|| panic!("{bundle}"));
    all.iter()
        .map(|entry| &entry["resource"])
        .find(|resource| resource["resourceType"] == kind)
        .unwrap_or_else(|| panic!("no {kind}"))
        .clone()
}

fn tasks(bundle: &Value) -> Vec<Value> {
    let all = bundle["entry"].as_array().cloned().unwrap_or_default();
    all.into_iter().map(|mut entry| entry["resource"].take()).filter(|resource| resource["resourceType"] == "Task").collect()
}

fn link(bundle: &Value, relation: &str) -> Option<String> {
    bundle["link"].as_array().unwrap().iter().find(|one| one["relation"] == relation).map(|one| text(one, "/url"))
}

fn exchange_of(bundle: &Value) -> String {
    text(bundle, "/identifier/value").strip_prefix("urn:uuid:").unwrap_or_else(|| panic!("{bundle}")).to_owned()
}

fn receipt_of(bundle: &Value) -> String {
    String::from_utf8(BASE64.decode(text(&resource(bundle, "Binary"), "/data")).unwrap()).unwrap()
}

/// Code of FHIR and ours of an issue.
fn issue(outcome: &Value, n: usize) -> (String, String) {
    (text(outcome, &format!("/issue/{n}/code")), text(outcome, &format!("/issue/{n}/details/coding/0/code")))
}
