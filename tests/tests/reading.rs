//! Who reads what: each reader gets what the law lets this person read, and nothing shows of the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use gateway::demo::envelopes;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Scene, people::*, scene::problem, text};

#[tokio::test]
async fn the_whole_story_over_the_wire() {
    let scene = Scene::start().await;
    let school = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let hospital = scene.accepted(HOSPITAL, &envelopes::of_the_hospital()).await;

    let of_the_school = scene.opened(CRIP, "crip", &school).await;
    assert_eq!(of_the_school["subjects"][0]["birth_name"], "FICTIVE");
    assert_eq!(of_the_school["payload"]["declarant"]["nom"], "INVENTÉE", "the CRIP knows the reporter");
    assert_eq!(of_the_school["payload"]["faits"].as_array().unwrap().len(), 2);
    let of_the_hospital = scene.opened(CRIP, "crip", &hospital).await;
    assert!(text(&of_the_hospital, "/payload/constats_sante/texte").starts_with("Multiples ecchymoses"));

    let crip = scene.acting(CRIP);
    for exchange in [&school, &hospital] {
        let delivery = scene.delivery_of(CRIP, "crip", exchange).await;
        let path = format!("/v1/mailbox/{delivery}/acknowledgement");
        crip.post(&path, &json!({"outcome": "taken-in-charge"})).await.unwrap();
        let again = problem(crip.post(&path, &json!({"outcome": "taken-in-charge"})).await).unwrap_err();
        assert_eq!(again.code(), "already-acknowledged");
    }
    assert!(scene.waiting(&crip, "crip").await.is_empty());

    // Danger grave et immédiat: the duty magistrate, urgent first, with the telephone.
    let signalement = scene.accepted(CADRE, &envelopes::signalement(&school)).await;
    let call = scene.acting(CADRE).post(&format!("/v1/exchanges/{signalement}/telephone"), &json!({"reached": true})).await.unwrap();
    let code = text(&call, "/read_back");
    let document = scene.opened(MAGISTRATE, "permanence", &signalement).await;
    assert_eq!(document["payload"]["branche_l226_4"], "3-danger-grave-et-immediat");
    assert_eq!(document["urgency"], "immediate");
    let delivery = scene.delivery_of(MAGISTRATE, "permanence", &signalement).await;
    scene
        .acting(MAGISTRATE)
        .post(&format!("/v1/mailbox/{delivery}/acknowledgement"), &json!({"outcome": "taken-in-charge", "read_back": code}))
        .await
        .unwrap();

    // The suites come back to the CRIP; the school reads a status and nothing of the file.
    let suites = scene.accepted(MAGISTRATE, &envelopes::suites(&signalement)).await;
    let document = scene.opened(CRIP, "crip", &suites).await;
    assert_eq!(document["payload"]["suites"], json!(["opp", "saisine-juge-des-enfants"]));
    let retour = scene.accepted(CRIP, &envelopes::retour(&school)).await;
    let feedback = scene.opened(SCHOOL, "ssfe", &retour).await;
    assert_eq!(feedback["payload"]["statut"], "evaluation-en-cours");
    let shown = feedback.to_string();
    for secret in ["opp", "parquet", "FICTIVE", "Capucine", "ecchymoses", "signalement"] {
        assert!(!shown.contains(secret), "the feedback tells `{secret}`: {shown}");
    }

    // What the reporter sees of its exchange: accepted, delivered, the feedback. Nothing of a referral.
    let seen = scene.acting(SCHOOL).get(&format!("/v1/exchanges/{school}")).await.unwrap();
    let shown = seen.to_string();
    assert_eq!(seen["answers"][0]["type"], "retour-information");
    for secret in ["signalement", "parquet", "opened_at", "outcome", "suites"] {
        assert!(!shown.contains(secret), "the reporter's timeline tells `{secret}`: {shown}");
    }
}

#[tokio::test]
async fn a_school_never_reads_health() {
    let scene = Scene::start().await;
    let hospital = scene.accepted(HOSPITAL, &envelopes::of_the_hospital()).await;
    for who in [SCHOOL, TEACHER, HEADMASTER] {
        let client = scene.acting(who);
        assert_eq!(scene.refused(&client, &format!("/v1/exchanges/{hospital}")).await.status, 404);
        let delivery = scene.delivery_of(CRIP, "crip", &hospital).await;
        assert_eq!(scene.refused(&client, &format!("/v1/mailbox/{delivery}")).await.status, 404);
    }
}

#[tokio::test]
async fn a_teacher_reads_no_mailbox_and_is_told_why() {
    let scene = Scene::start().await;
    let refusal = scene.refused(&scene.acting(TEACHER), "/v1/mailbox").await;
    assert_eq!((refusal.status, refusal.code()), (403, "role-missing"));
    assert_eq!(refusal.body["rule"], "R81");
    assert!(!text(&refusal.body, "/cure").is_empty());
}

#[tokio::test]
async fn a_habilitation_that_ended_opens_nothing() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let delivery = scene.delivery_of(CRIP, "crip", &information).await;
    let former = scene.acting(FORMER);
    assert_eq!(scene.refused(&former, "/v1/mailbox?unit=crip").await.code(), "role-missing");
    assert_eq!(scene.refused(&former, &format!("/v1/mailbox/{delivery}")).await.status, 404);
    let path = format!("/v1/mailbox/{delivery}/acknowledgement");
    assert_eq!(problem(former.post(&path, &json!({"outcome": "taken-in-charge"})).await).unwrap_err().status, 404);
}

#[tokio::test]
async fn the_pmi_does_not_read_the_mailbox_of_the_crip() {
    let scene = Scene::start().await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let delivery = scene.delivery_of(CRIP, "crip", &information).await;
    let pmi = scene.acting(PMI);
    assert_eq!(scene.refused(&pmi, "/v1/mailbox?unit=crip").await.code(), "role-missing");
    assert_eq!(scene.refused(&pmi, &format!("/v1/mailbox/{delivery}")).await.status, 404);
    assert!(scene.waiting(&pmi, "pmi").await.is_empty());
}

#[tokio::test]
async fn for_a_member_of_exclus_the_exchange_does_not_exist() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    envelope["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": "p-4f7k2"}]);
    let sealed = scene.accepted(SCHOOL, &envelope).await;
    let open = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;

    // The colleague sees both, the excluded agent one: in the mailbox, by id, in what is due, in the count.
    assert_eq!(scene.waiting(&scene.acting(CADRE), "crip").await.len(), 2);
    let crip = scene.acting(CRIP);
    let seen = scene.waiting(&crip, "crip").await;
    assert!(seen.len() == 1 && seen[0]["exchange"] == open.as_str());
    let delivery = scene.delivery_of(CADRE, "crip", &sealed).await;
    assert_eq!(scene.refused(&crip, &format!("/v1/mailbox/{delivery}")).await.status, 404);
    assert_eq!(scene.refused(&crip, &format!("/v1/exchanges/{sealed}")).await.status, 404);
    assert_eq!(scene.refused(&crip, &format!("/v1/exchanges/{sealed}/evidence")).await.status, 404);
    let path = format!("/v1/mailbox/{delivery}/acknowledgement");
    assert_eq!(problem(crip.post(&path, &json!({"outcome": "taken-in-charge"})).await).unwrap_err().status, 404);
    assert!(!crip.get("/v1/clocks").await.unwrap().to_string().contains(&sealed));
    // Nor is the excluded person named to who reads it.
    let document = scene.opened(CADRE, "crip", &sealed).await;
    assert_eq!(document["exchange"], sealed.as_str());

    // A recipient that is itself excluded receives nothing: a confidentiality rule, with its cure.
    envelope["exclus"] = json!([{"institution": "departement-31"}]);
    let refusal = scene.submit(&scene.acting(SCHOOL), &envelope).await.unwrap_err();
    assert_eq!((refusal.status, refusal.body["rule"].as_str()), (403, Some("R81")));
}

/// An answer says that there was a question.
#[tokio::test]
async fn who_is_kept_out_of_a_question_is_kept_out_of_its_answer() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    envelope["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": CRIP.1}]);
    let (sealed, open) = (scene.accepted(SCHOOL, &envelope).await, scene.accepted(SCHOOL, &envelopes::of_the_school()).await);
    for (question, status) in [(open, 200), (sealed, 404)] {
        let answer = scene.accepted(CADRE, &envelopes::retour(&question)).await;
        let told = scene.acting(CRIP).request(Method::GET, &format!("/v1/exchanges/{answer}")).send().await.unwrap();
        assert_eq!(told.status().as_u16(), status, "a colleague of who answered");
    }
}

#[tokio::test]
async fn the_parquet_reads_what_it_needs_and_the_reporter_only_in_a_signalement() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::signalement("x");
    envelope["payload"]["declarant"] = json!({"nom": "INVENTÉE"});
    let id = scene.accepted(CADRE, &envelope).await;
    let document = scene.opened(MAGISTRATE, "permanence", &id).await;
    assert_eq!(document["subjects"][0]["birth_name"], "FICTIVE");
    assert_eq!(document["payload"]["lieu_actuel_enfant"]["type"], "hôpital");
    assert_eq!(document["withheld"], json!([]));
}

#[tokio::test]
async fn a_machine_of_the_unit_sees_ids_and_counts_only() {
    let mut machine = None;
    let scene = Scene::start_with(|world| {
        let folder = world.folder.join("members/machine-crip");
        let leaf = certs_dev::Leaf::member("ac-territoires", "departement-31", now()).unit("crip");
        let issued = world.pki.issue(&leaf).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("certificate.pem"), issued.chain_pem).unwrap();
        std::fs::write(folder.join("key.pem"), issued.key_pem).unwrap();
        machine = Some(folder);
    })
    .await;
    let information = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let client = scene.client_of(&machine.unwrap());
    let page = client.get("/v1/mailbox").await.unwrap();
    assert_eq!(page["deliveries"].as_array().unwrap().len(), 1);
    let shown = page.to_string();
    for secret in [information.as_str(), "dsden-31", "information-preoccupante"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let delivery = text(&page, "/deliveries/0/delivery");
    assert_eq!(scene.refused(&client, &format!("/v1/mailbox/{delivery}")).await.code(), "token-missing");
    // A certificate that names no unit lists none.
    assert_eq!(scene.refused(&scene.institution("departement-31"), "/v1/mailbox").await.code(), "token-missing");
}

#[tokio::test]
async fn urgent_comes_first_and_is_never_behind_a_long_list() {
    let scene = Scene::start().await;
    for _ in 0..4 {
        scene.accepted(SCHOOL, &json!({"type": "information-preoccupante", "urgency": "ordinary"})).await;
    }
    let urgent = scene.accepted(SCHOOL, &json!({"type": "information-preoccupante", "urgency": "immediate"})).await;
    let page = scene.acting(CRIP).get("/v1/mailbox?unit=crip&limit=2").await.unwrap();
    assert_eq!(page["deliveries"][0]["exchange"], urgent.as_str());
    // Following the cursor shows everything once in its turn.
    let (mut after, mut seen) = (0, std::collections::BTreeSet::new());
    loop {
        let page = scene.acting(CRIP).get(&format!("/v1/mailbox?unit=crip&limit=2&after={after}")).await.unwrap();
        let next = page["after"].as_i64().unwrap();
        seen.extend(page["deliveries"].as_array().unwrap().iter().map(|d| text(d, "/delivery")));
        if next == after {
            break;
        }
        after = next;
    }
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn long_polling_answers_as_soon_as_something_comes() {
    let scene = Scene::start().await;
    let crip = scene.acting(CRIP);
    let waiting = tokio::spawn(async move { crip.get("/v1/mailbox?unit=crip&wait=30").await.unwrap() });
    tokio::task::yield_now().await;
    let id = scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    let page = tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert_eq!(page["deliveries"][0]["exchange"], id.as_str());
}

#[tokio::test]
async fn a_refused_delivery_comes_back_to_its_sender_as_a_task() {
    let scene = Scene::start().await;
    let id = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    let delivery = scene.delivery_of(MAGISTRATE, "permanence", &id).await;
    let path = format!("/v1/mailbox/{delivery}/acknowledgement");
    let magistrate = scene.acting(MAGISTRATE);
    let refusal = problem(magistrate.post(&path, &json!({"outcome": "not-for-us"})).await).unwrap_err();
    assert_eq!(refusal.code(), "malformed", "a reason is needed");
    magistrate.post(&path, &json!({"outcome": "not-for-us", "reason": "Relève du parquet de Montauban."})).await.unwrap();
    // The sender reads why, after the log says so; the reason dies with the content, and the log never held it.
    let seen = scene.acting(CADRE).get(&format!("/v1/exchanges/{id}")).await.unwrap();
    assert_eq!(seen["deliveries"][0]["reason"], "Relève du parquet de Montauban.");
    let entries = scene.rooms().store.entries_of(id.parse().unwrap()).await.unwrap();
    assert!(entries.iter().any(|entry| entry.event == "exchange.opened" && entry.index.is_some()));
    for entry in &entries {
        let opening = scene.rooms().keystore.open_opening(&entry.leaf_hash, entry.opening.as_ref().unwrap()).unwrap();
        assert!(!String::from_utf8_lossy(&opening).contains("Montauban"));
    }
    let due = scene.acting(CADRE).get("/v1/clocks").await.unwrap();
    let task = due["follow_ups"].as_array().unwrap().iter().find(|f| f["code"] == "remise-refusee").unwrap().clone();
    assert_eq!(task["exchange"], id.as_str());
    let done =
        scene.acting(CADRE).request(Method::POST, &format!("/v1/follow-ups/{}/done", text(&task, "/follow_up"))).send().await.unwrap();
    assert_eq!(done.status(), StatusCode::NO_CONTENT);
    let due = scene.acting(CADRE).get("/v1/clocks").await.unwrap();
    assert!(!due["follow_ups"].as_array().unwrap().iter().any(|f| f["code"] == "remise-refusee"));
}

#[tokio::test]
async fn questions_are_explained_in_french_and_tell_no_existence() {
    let scene = Scene::start().await;
    let ask = async |who: (&str, &str), question: Value| scene.acting(who).post("/v1/decisions", &question).await.unwrap();
    let crip = json!({"institution": "departement-31", "unit": "crip"});
    let permitted = ask(SCHOOL, json!({"action": "submit", "type": "information-preoccupante", "party": crip})).await;
    assert_eq!(permitted["verdict"], "permit", "{permitted}");
    let refusals = [
        ask(CADRE, json!({"action": "submit", "type": "signalement", "unit": "crip", "party": {"institution": "mairie-blagnac", "unit": "ccas"}})).await,
        ask(CADRE, json!({"action": "submit", "type": "retour-information", "unit": "crip", "party": {"institution": "dsden-31", "unit": "ssfe"}, "classes": ["sante"]})).await,
        ask(SCHOOL, json!({"action": "submit", "type": "retour-information", "party": crip})).await,
        ask(TEACHER, json!({"action": "open", "type": "retour-information", "party": crip})).await,
    ];
    for refusal in &refusals {
        assert_eq!(refusal["verdict"], "refusal", "{refusal}");
        let explanation = &refusal["explanations"][0];
        for name in ["rule", "article", "explain", "missing", "cure", "who"] {
            assert!(explanation[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {refusal}");
        }
    }
    // Asking before and after a file exists gives the same answer.
    let question = json!({"action": "open", "type": "information-preoccupante", "party": {"institution": "dsden-31", "unit": "ssfe"}});
    let before = ask(CRIP, question.clone()).await;
    scene.accepted(SCHOOL, &envelopes::of_the_school()).await;
    assert_eq!(ask(CRIP, question).await, before);
}

fn now() -> time::OffsetDateTime {
    tests::NOW.parse::<exchange::Instant>().unwrap().datetime().into()
}
