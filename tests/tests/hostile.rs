//! A hostile partner and a hostile insider over real sockets: one test for each attack that once worked, named for what must
//! hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, time::Duration};

use exchange::{DeliveryId, Instant};
use gateway::{client, demo::envelopes, store::exchange::ExchangeRow};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Scene, people::*, scene::problem, text};

#[tokio::test]
async fn danger_sent_to_an_institution_as_a_whole_reaches_a_mailbox_that_somebody_reads() {
    let scene = Scene::start().await;
    for (to, unit) in [("parquet-toulouse", "mineurs"), ("tribunal-enfants-toulouse", "juge-des-enfants"), ("departement-31", "crip")] {
        let mut envelope = envelopes::of_the_school();
        envelope["recipient"] = json!({"institution": to});
        let row = kept(&scene, &scene.accepted(SCHOOL, &envelope).await).await;
        assert_eq!(row.recipient.to_string(), format!("{to}/{unit}"));
    }
}

#[tokio::test]
async fn a_task_of_an_institution_as_a_whole_is_seen_by_its_leads() {
    let scene = Scene::start().await;
    // No token, no unit: the deposit is the institution's alone, and somebody must say who it was.
    let (status, body) =
        scene.raw(scene.deposit(&scene.institution("dsden-31"), json!({"type": "information-preoccupante"}).to_string())).await;
    assert_eq!(status, StatusCode::CREATED);
    let due = scene.acting(SCHOOL).get("/v1/clocks").await.unwrap();
    let task =
        due["follow_ups"].as_array().unwrap().iter().find(|task| task["code"] == "identifier-auteur" && task["exchange"] == body["id"]);
    let path = format!("/v1/follow-ups/{}/done", text(task.unwrap_or_else(|| panic!("{due}")), "/follow_up"));
    scene.acting(SCHOOL).post(&path, &json!({})).await.unwrap();
}

#[tokio::test]
async fn words_that_a_partner_chooses_are_not_kept_in_clear() {
    let mut scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    envelope["case"] = json!("Capucine-FICTIVE-2014-02-27");
    envelope["agreement"] = json!("capucine-fictive");
    envelope["exclus"] = json!([
        {"issuer": "Barnabé FICTIVE", "subject": "frère de Capucine"},
        {"institution": "capucine-fictive-le-pere"},
    ]);
    scene.acting(SCHOOL).submit(&envelope, "Capucine-FICTIVE-2014-02-27").await.unwrap();
    scene.acting(SCHOOL).post("/v1/tokens/revocations", &json!({"jti": "Capucine FICTIVE"})).await.unwrap();
    scene.stop().await;
    for file in fs::read_dir(scene.world.folder.join("data")).unwrap() {
        let file = file.unwrap().path();
        let content = fs::read(&file).unwrap();
        for secret in ["Capucine", "capucine", "FICTIVE", "Barnab"] {
            assert!(
                !content.windows(secret.len()).any(|window| window == secret.as_bytes()),
                "`{secret}` is in clear in {}",
                file.display()
            );
        }
    }
}

#[tokio::test]
async fn sealing_from_somebody_whom_nobody_knows_is_told_and_not_silent() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    envelope["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": "p-typo"}]);
    let id = scene.accepted(SCHOOL, &envelope).await;
    let due = scene.acting(SCHOOL).get("/v1/clocks").await.unwrap();
    let tasks = due["follow_ups"].as_array().unwrap();
    let told = |task: &&Value| task["exchange"] == id.as_str() && task["details"].as_array().unwrap().contains(&json!("/exclus"));
    assert!(tasks.iter().any(|task| told(&task)), "{due}");
}

#[tokio::test]
async fn an_invented_agreement_makes_no_domain_of_pseudonyms() {
    let scene = Scene::start().await;
    let child = async |agreement: Option<&str>| {
        let mut envelope = envelopes::of_the_school();
        if let Some(agreement) = agreement {
            envelope["agreement"] = json!(agreement);
        }
        let id = scene.accepted(SCHOOL, &envelope).await;
        text(&scene.opened(CRIP, "crip", &id).await, "/subjects/0/pseudonym")
    };
    let honest = child(None).await;
    assert_eq!(child(Some("invention-42")).await, honest, "the recipient still sees that it is the same child");
    assert_eq!(child(Some("p24-examens")).await, honest, "an agreement that is over is none");
}

#[tokio::test]
async fn only_who_could_read_an_exchange_answers_it() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let nothing = exchange::ExchangeId::new().to_string();
    let accuse = |unit: &str, id: &str| {
        json!({"type": "accuse-reception", "sender": {"institution": "departement-31", "unit": unit},
            "recipient": {"institution": "dsden-31", "unit": "ssfe"}, "in_reply_to": id, "payload": {"etat": "recue"}})
    };
    let same = async |who: (&str, &str), envelope: &dyn Fn(&str) -> Value, id: &str| {
        let mut answers = Vec::new();
        for id in [id, &nothing] {
            let mut refusal = scene.submit(&scene.acting(who), &envelope(id)).await.unwrap_err();
            refusal.body.as_object_mut().unwrap().remove("instance");
            answers.push((refusal.status, refusal.body));
        }
        assert_eq!(answers[0], answers[1], "{who:?}");
    };
    // Another unit of the same institution; somebody whose habilitation ended.
    same(PMI, &|id| accuse("pmi", id), &id).await;
    same(FORMER, &|id| accuse("crip", id), &id).await;
    same(FORMER, &envelopes::retour, &id).await;
    let clocks = scene.acting(CRIP).get("/v1/clocks").await.unwrap();
    assert!(clocks["clocks"].as_array().unwrap().iter().any(|clock| clock["clock"] == "accuse"), "nobody stopped it: {clocks}");
    // Somebody from whom it is sealed.
    let sealed = scene.accepted(SCHOOL, &sealed_from(envelopes::of_the_school(), CRIP)).await;
    same(CRIP, &envelopes::retour, &sealed).await;
    // Who was asked answers.
    scene.accepted(CRIP, &envelopes::retour(&id)).await;
    scene.accepted(CADRE, &envelopes::retour(&sealed)).await;
}

#[tokio::test]
async fn what_goes_to_a_reporter_has_no_room_for_the_file() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let told = "Capucine est placée, son père est en garde à vue";
    for place in
        ["/numero_recueil", "/numero_appel_119", "/echeance/horloge", "/contact/service", "/contact/telephone", "/contact/courriel"]
    {
        let mut envelope = envelopes::retour(&id);
        put(&mut envelope["payload"], place, json!(told));
        let refusal = scene.submit(&scene.acting(CRIP), &envelope).await.expect_err(place);
        assert_eq!(refusal.body["errors"][0]["pointer"], format!("/payload{place}"), "{}", refusal.body);
    }
    for place in
        ["/numero_recueil", "/competence/departement", "/competence/motif", "/manques/0", "/echeances/0/horloge", "/jeton_horodatage"]
    {
        let mut envelope = envelopes::retour(&id);
        envelope["type"] = json!("accuse-reception");
        envelope["payload"] = json!({"etat": "recue", "manques": ["/x"], "echeances": [{"horloge": "K05"}]});
        put(&mut envelope["payload"], place, json!(told));
        scene.submit(&scene.acting(CRIP), &envelope).await.expect_err(place);
    }
    // What the law foresees passes.
    let mut envelope = envelopes::retour(&id);
    envelope["payload"]["numero_recueil"] = json!("2026-0417");
    envelope["payload"]["echeance"] = json!({"horloge": "K05", "date_limite": "2027-02-25"});
    envelope["payload"]["contact"] = json!({"service": "CRIP", "telephone": "+33 5 36 49 10 01", "courriel": "crip@departement.example"});
    scene.accepted(CRIP, &envelope).await;
}

#[tokio::test]
async fn an_answer_that_is_sealed_from_somebody_does_not_show_in_a_timeline() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let sealed = scene.accepted(CRIP, &sealed_from(envelopes::retour(&id), SCHOOL)).await;
    let timeline = scene.acting(SCHOOL).get(&format!("/v1/exchanges/{id}")).await.unwrap().to_string();
    assert!(!timeline.contains(&sealed), "{timeline}");
    let colleague = scene.professional("dsden-31", "p-1x6yp").get(&format!("/v1/exchanges/{id}")).await.unwrap().to_string();
    assert!(colleague.contains(&sealed), "{colleague}");
}

#[tokio::test]
async fn the_telephone_tells_a_former_colleague_nothing() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let signalement = scene.accepted(CADRE, &envelopes::signalement(&information)).await;
    let call = async |who: (&str, &str), id: &str| {
        problem(scene.acting(who).post(&format!("/v1/exchanges/{id}/telephone"), &json!({"reached": true})).await).map_err(|p| p.status)
    };
    assert_eq!(call(FORMER, &signalement).await, Err(404));
    assert_eq!(call(FORMER, &exchange::ExchangeId::new().to_string()).await, Err(404));
    call(CRIP, &signalement).await.unwrap();
}

#[tokio::test]
async fn what_is_sealed_from_the_data_protection_officer_is_not_erased_by_them() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &sealed_from(envelopes::of_the_school(), DPO)).await;
    assert_eq!(erase(&scene, &id, "durée écoulée").await, StatusCode::NOT_FOUND);
    let delivery = scene.rooms().store.deliveries_of(id.parse().unwrap()).await.unwrap()[0].id;
    scene.acting(CRIP).get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
    // An erasure says why.
    let other = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    assert_eq!(erase(&scene, &other, " ").await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_erased_exchange_is_gone_and_never_an_internal_error() {
    let scene = Scene::start().await;
    let key = client::new_key().unwrap();
    let deposit = async || problem(scene.acting(SCHOOL).submit(&envelopes::of_the_school(), &key).await).map_err(|p| p.status);
    let id = text(&deposit().await.unwrap(), "/id");
    let delivery = scene.delivery_of(CRIP, "crip", &id).await;
    let gone = async |what: &str| {
        for answer in [json!({"outcome": "refused", "reason": "pas pour nous"}), json!({"outcome": "taken-in-charge"})] {
            let path = format!("/v1/mailbox/{delivery}/acknowledgement");
            let status = problem(scene.acting(CRIP).post(&path, &answer).await).map_err(|p| p.status);
            if what == "said" || answer["reason"].is_string() {
                assert_eq!(status, Err(410), "{what} {answer}");
            }
        }
        assert_eq!(scene.refused(&scene.acting(CRIP), &format!("/v1/mailbox/{delivery}")).await.status, 410, "{what}");
        assert_eq!(deposit().await, Err(410), "{what}");
    };
    // An erasure is interrupted between destroying the key and saying so; then it is finished.
    scene.rooms().keys.destroy(id.parse().unwrap(), scene.now(), "durée écoulée").await.unwrap();
    gone("unsaid").await;
    assert_eq!(erase(&scene, &id, "durée écoulée").await, StatusCode::NO_CONTENT);
    gone("said").await;
}

#[tokio::test]
async fn asking_for_the_head_of_a_document_does_not_open_it() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let delivery = scene.delivery_of(CRIP, "crip", &id).await;
    let answer = scene.acting(CRIP).request(Method::HEAD, &format!("/v1/mailbox/{delivery}")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let waiting = scene.waiting(&scene.acting(CRIP), "crip").await;
    assert!(waiting[0].get("opened_at").is_none(), "{waiting:?}");
}

#[tokio::test]
async fn a_partner_writes_nothing_into_the_names_of_metrics() {
    let scene = Scene::start().await;
    for method in ["LEA-MARTIN", "NIR214023155501234", "PATCH"] {
        let request = scene.institution("dsden-31").request(Method::from_bytes(method.as_bytes()).unwrap(), "/v1/keys");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::NOT_FOUND);
    }
    let metrics = scene.local("/metrics").await;
    assert!(!metrics.contains("LEA-MARTIN") && !metrics.contains("NIR2140") && metrics.contains("method=\"other\""), "{metrics}");
}

#[tokio::test]
async fn no_path_makes_an_answer_that_is_not_a_problem_of_ours() {
    let scene = Scene::start().await;
    for path in [
        "/v1/exchanges/%FF",
        "/v1/exchanges/%FF/evidence",
        "/v1/mailbox/%FF",
        "/log/tile/%FF",
        "/log/proof/%FF",
        "/log/proof/18446744073709551615",
    ] {
        let refusal = scene.refused(&scene.acting(CRIP), path).await;
        assert_eq!((refusal.status, refusal.code()), (404, "not-found"), "{path}");
    }
}

#[tokio::test]
async fn with_a_stale_list_nothing_but_danger_is_answered() {
    let scene = Scene::start_with(|world| {
        let now: time::OffsetDateTime = tests::NOW.parse::<Instant>().unwrap().datetime().into();
        world.pki.write_crls_valid(now - time::Duration::hours(1), now + time::Duration::hours(23)).unwrap();
    })
    .await;
    scene.clock.advance(Duration::from_secs(24 * 3600));
    let school = scene.institution("dsden-31");
    for path in [
        "/v1/keys",
        "/v1/directory",
        "/v1/agreements",
        "/v1/catalogue",
        "/v1/openapi.json",
        "/log/checkpoint",
        "/log/proof/0",
        "/log/tile/0/000.p/1",
    ] {
        assert_eq!(scene.refused(&school, path).await.code(), "revocation-stale", "{path}");
    }
    scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
}

#[tokio::test]
async fn what_one_may_not_open_costs_the_same_work_as_what_does_not_exist() {
    let scene = Scene::start().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let sealed = scene.accepted(SCHOOL, &sealed_from(envelopes::of_the_school(), CRIP)).await;
    let theirs = scene.delivery_of(CRIP, "crip", &id).await;
    let hidden = scene.delivery_of(CADRE, "crip", &sealed).await;
    // The time of an answer is that of its commit: each try, whatever it is about, writes one entry of one kind.
    for (who, delivery) in
        [(PMI, &theirs), (MAGISTRATE, &theirs), (FORMER, &theirs), (CRIP, &hidden), (PMI, &DeliveryId::new().to_string())]
    {
        let before = entries(&scene).await;
        assert_eq!(scene.refused(&scene.acting(who), &format!("/v1/mailbox/{delivery}")).await.status, 404);
        let written = entries(&scene).await.split_off(before.len());
        assert_eq!(written, ["exchange.refused"], "{who:?}");
    }
}

#[tokio::test]
async fn a_sender_does_not_move_the_clocks_of_others_into_the_past() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    envelope["payload"]["origine_119"] = json!({"date_appel": "0001-01-01T00:00:00Z"});
    let id = scene.accepted(SCHOOL, &envelope).await;
    let timeline = scene.acting(CRIP).get(&format!("/v1/exchanges/{id}")).await.unwrap();
    let clocks = timeline["clocks"].as_array().unwrap();
    assert!(!clocks.is_empty() && clocks.iter().all(|clock| text(clock, "/started_at") == tests::NOW), "{timeline}");
}

#[tokio::test]
async fn who_loses_the_right_to_look_while_waiting_is_told_nothing() {
    let scene = Scene::start().await;
    let file = scene.world.folder.join("directory/professionals/departement-31.toml");
    let written = fs::read_to_string(&file).unwrap();
    let crip = scene.acting(CRIP);
    let waiting = {
        let crip = crip.clone();
        tokio::spawn(async move { problem(crip.get("/v1/mailbox?unit=crip&wait=60").await) })
    };
    let hash = || scene.rooms().law.load().directory.hash().to_owned();
    let before = hash();
    fs::write(&file, written.replacen("unit = \"crip\"\nfrom = 2025-01-01", "unit = \"crip\"\nfrom = 2025-01-01\nto = 2025-12-31", 1))
        .unwrap();
    scene.until("the habilitation ended", || async { hash() != before }).await;
    scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    assert_eq!(waiting.await.unwrap().unwrap_err().status, 403);
}

#[tokio::test]
async fn a_nir_in_another_writing_does_not_pass() {
    let scene = Scene::start().await;
    for nir in [
        "２１４０２３１５５５０１２３４",
        "2140231555\u{200b}01234",
        "2\u{2003}14\u{2003}02\u{2003}31\u{2003}555\u{2003}012\u{2003}34",
        "٢١٤٠٢٣١٥٥٥٠١٢",
    ] {
        let mut envelope = envelopes::of_the_school();
        envelope["payload"]["texte_libre"] = json!(format!("son numéro : {nir}"));
        let id = scene.accepted(SCHOOL, &envelope).await;
        let document = scene.opened(CRIP, "crip", &id).await;
        assert_eq!(document["non_conforme"][0]["code"], "nir", "{nir}");
    }
}

#[tokio::test]
async fn danger_stays_readable_when_its_sender_has_left_the_directory() {
    let scene = Scene::start().await;
    let teacher = scene.acting(TEACHER);
    let id = scene.accepted(TEACHER, &json!({"type": "information-preoccupante", "payload": {"texte_libre": "Je suis inquiet."}})).await;
    let delivery = scene.delivery_of(CRIP, "crip", &id).await;
    for agreement in fs::read_dir(scene.world.folder.join("policies/agreements")).unwrap() {
        fs::remove_file(agreement.unwrap().path()).unwrap();
    }
    for (file, start) in [("institutions", "[[institution]]\n"), ("professionals", "[[professional]]\n")] {
        let file = scene.world.folder.join("directory").join(file).join("education.toml");
        let written = fs::read_to_string(&file).unwrap();
        let others: Vec<&str> = written.split(start).filter(|one| !one.contains(TEACHER.0)).collect();
        fs::write(&file, others.join(start)).unwrap();
    }
    // The agreements in force name the collège: the directory without it waits for rules that do without it too.
    scene.amended("Le collège quitte le dispositif.").await;
    scene.until("the collège has left", || async { problem(teacher.get("/v1/keys").await).is_err() }).await;
    let document = scene.acting(CRIP).get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
    assert_eq!(document["payload"]["texte_libre"], "Je suis inquiet.");
    // On its open connection, the collège is nobody any more.
    assert_eq!(scene.refused(&teacher, "/v1/keys").await.code(), "certificate-unknown-institution");
}

#[tokio::test]
async fn danger_that_is_sealed_from_all_its_readers_alarms() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    let all = ["p-4f7k2", "p-0g3pa", "p-8c3mz"].map(|sub| json!({"issuer": "urn:passerelle:institution:departement-31", "subject": sub}));
    envelope["exclus"] = json!(all);
    scene.accepted(SCHOOL, &envelope).await;
    let metrics = scene.local("/metrics").await;
    assert!(metrics.contains("passerelle_nobody_left_to_read_total 1"), "{metrics}");
}

#[tokio::test]
async fn a_flood_of_waiting_requests_does_not_hold_up_a_danger() {
    let scene = Scene::start().await;
    let magistrate = scene.acting(MAGISTRATE);
    let path = "/v1/mailbox?unit=permanence&wait=3";
    let flood: Vec<_> = (0..300)
        .map(|_| {
            tokio::spawn({
                let magistrate = magistrate.clone();
                async move { magistrate.get(path).await }
            })
        })
        .collect();
    for _ in 0..20 {
        scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    }
    // Each of them ends by itself, in time: commits of others neither wake it nor keep it.
    let ended = tokio::time::timeout(Duration::from_secs(30), futures::future::join_all(flood)).await.expect("they never end");
    assert!(ended.into_iter().all(|answer| answer.unwrap().unwrap()["deliveries"] == json!([])));
}

/// The same deposit, with its author's name and without, at the same time.
#[tokio::test]
async fn i02_one_key_is_one_exchange_though_its_author_is_named_once_and_once_not() {
    let scene = Scene::start().await;
    let (named, unnamed) = (scene.acting(SCHOOL), scene.institution(SCHOOL.0));
    for _ in 0..12 {
        let key = client::new_key().unwrap();
        let envelope = envelopes::of_the_school();
        let (one, other) = tokio::join!(named.submit(&envelope, &key), unnamed.submit(&envelope, &key));
        assert_eq!(text(&one.unwrap(), "/id"), text(&other.unwrap(), "/id"));
    }
}

/// Who sends bodies drop by drop fills a memory of its own, and nobody else's places.
#[tokio::test]
async fn a_flood_of_slow_bodies_closes_no_mailbox_and_holds_up_no_danger() {
    let scene = with_room_for(8).await;
    let mut slow = tokio::task::JoinSet::new();
    let mut doors = Vec::new();
    for _ in 0..40 {
        let (body, stream) = futures::channel::mpsc::unbounded::<Result<Vec<u8>, std::io::Error>>();
        body.unbounded_send(Ok(b"{\"type\": ".to_vec())).unwrap();
        doors.push(body);
        let request = scene.deposit(&scene.institution(TEACHER.0), reqwest::Body::wrap_stream(stream));
        slow.spawn(request.send());
    }
    connected(&scene, 40.0).await;
    let asks = scene.acting(CRIP);
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let document = scene.opened(CRIP, "crip", &id).await;
    assert!(document["subjects"][0]["birth_name"].is_string());
    asks.get("/v1/clocks").await.unwrap();
    assert!(slow.try_join_next().is_none(), "a body that is not there yet was answered");
    assert!(scene.local("/metrics").await.contains("passerelle_requests_in_progress 0"));
    drop(doors);
}

/// The same with bodies that say they come in parts: whoever holds them open is no crowd.
#[tokio::test]
async fn a_flood_of_slow_parts_closes_no_mailbox_either() {
    let scene = with_room_for(4).await;
    let mut slow = tokio::task::JoinSet::new();
    let mut doors = Vec::new();
    for n in 0..32 {
        let (body, stream) = futures::channel::mpsc::unbounded::<Result<Vec<u8>, std::io::Error>>();
        body.unbounded_send(Ok(b"--b\r\n".to_vec())).unwrap();
        doors.push(body);
        let path = if n % 2 == 0 { "/v1/exchanges" } else { "/v1/tokens/revocations" };
        let request = scene.institution(TEACHER.0).request(Method::POST, path).header("content-type", "multipart/related; boundary=b");
        slow.spawn(request.body(reqwest::Body::wrap_stream(stream)).send());
    }
    connected(&scene, 32.0).await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let document = scene.opened(CRIP, "crip", &id).await;
    assert!(document["subjects"][0]["birth_name"].is_string());
    scene.acting(CRIP).get("/v1/clocks").await.unwrap();
    drop(doors);
}

#[tokio::test]
async fn what_changes_while_the_gateway_starts_is_noticed() {
    let mut scene = Scene::start().await;
    scene.stop().await;
    scene.resume().await;
    // Before any worker had its first turn.
    let file = scene.world.folder.join("directory/professionals/departement-31.toml");
    let written = fs::read_to_string(&file).unwrap();
    fs::write(&file, written.replacen("unit = \"crip\"\nfrom = 2025-01-01", "unit = \"crip\"\nfrom = 2025-01-01\nto = 2025-12-31", 1))
        .unwrap();
    scene.until("the habilitation ended", || async { scene.acting(CRIP).get("/v1/mailbox?unit=crip").await.is_err() }).await;
}

/// A gateway that holds back whoever asks beyond so many requests in progress.
async fn with_room_for(requests: usize) -> Scene {
    Scene::start_with(|world| {
        let file = world.config();
        let config = fs::read_to_string(&file).unwrap();
        fs::write(&file, config.replace("[limits]\n", &format!("[limits]\nrequests_in_progress = {requests}\n"))).unwrap();
    })
    .await
}

/// Waits until so many connections are open.
async fn connected(scene: &Scene, many: f64) {
    let open = || async {
        let metrics = scene.local("/metrics").await;
        metrics.lines().find_map(|line| line.strip_prefix("passerelle_connections ")).is_some_and(|n| n.parse::<f64>().unwrap() >= many)
    };
    scene.until("all of them are there", open).await;
}

async fn kept(scene: &Scene, id: &str) -> ExchangeRow {
    scene.rooms().store.exchange(id.parse().unwrap()).await.unwrap().unwrap()
}

/// The events of the log, in order, once the notary has placed them all.
async fn entries(scene: &Scene) -> Vec<String> {
    let store = &scene.rooms().store;
    scene.until("everything is placed", || async { store.pending_entries().await.unwrap().is_empty() }).await;
    store.entries_from(0, 1000).await.unwrap().into_iter().map(|entry| entry.event).collect()
}

async fn erase(scene: &Scene, id: &str, motive: &str) -> StatusCode {
    scene.taken_in_charge(id).await;
    let request = scene.acting(DPO).request(Method::DELETE, &format!("/v1/exchanges/{id}")).json(&json!({"motive": motive}));
    request.send().await.unwrap().status()
}

fn sealed_from(mut envelope: Value, (institution, subject): (&str, &str)) -> Value {
    envelope["exclus"] = json!([{"issuer": format!("urn:passerelle:institution:{institution}"), "subject": subject}]);
    envelope
}

/// Puts a value at a pointer, making the objects on the way.
fn put(document: &mut Value, pointer: &str, value: Value) {
    let mut here = document;
    for step in pointer.split('/').skip(1) {
        here = match step.parse::<usize>() {
            Ok(index) if here.is_array() => &mut here[index],
            _ => &mut here[step],
        };
    }
    *here = value;
}
