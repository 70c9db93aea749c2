//! Invariant 15, act by act: whatever one asks about a thing one may not see is answered as about a thing that does not
//! exist, whether it is another's, sealed from the asker, or erased.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use gateway::{
    client::Client,
    demo::{envelopes, requests},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Problem, Scene, people::*, text};

/// A thing of the gateway by its ids; [`Thing::none`] for one that does not exist.
struct Thing {
    exchange: String,
    delivery: String,
    follow_up: String,
}

impl Thing {
    fn none() -> Self {
        let id = || exchange::ExchangeId::new().to_string();
        Self { exchange: id(), delivery: id(), follow_up: id() }
    }

    /// Every act about one thing.
    fn acts(&self) -> Vec<(Method, String, Value)> {
        let Self { exchange, delivery, follow_up } = self;
        vec![
            (Method::GET, format!("/v1/exchanges/{exchange}"), Value::Null),
            (Method::GET, format!("/v1/exchanges/{exchange}/evidence"), Value::Null),
            (Method::POST, format!("/v1/exchanges/{exchange}/telephone"), json!({"reached": true})),
            (Method::GET, format!("/v1/mailbox/{delivery}"), Value::Null),
            (Method::POST, format!("/v1/mailbox/{delivery}/acknowledgement"), json!({"outcome": "taken-in-charge"})),
            (Method::POST, format!("/v1/mailbox/{delivery}/acknowledgement"), json!({"outcome": "refused"})),
            (Method::POST, format!("/v1/follow-ups/{follow_up}/done"), Value::Null),
            (Method::GET, format!("/v1/follow-ups/{follow_up}"), Value::Null),
            (Method::POST, format!("/v1/follow-ups/{follow_up}/deferral"), json!({"basis": "autre", "until": "2026-12-01T09:00:00Z"})),
        ]
    }

    /// Nobody of these can tell it from nothing.
    async fn hidden_from(&self, scene: &Scene, people: &[(&str, &str)]) {
        for who in people {
            let client = scene.acting(*who);
            for ((method, path, body), (_, nowhere, _)) in self.acts().into_iter().zip(Self::none().acts()) {
                let (theirs, none) = (answer(&client, &method, &path, &body).await, answer(&client, &method, &nowhere, &body).await);
                assert_eq!(theirs, none, "{who:?} {method} {path}");
                assert_eq!(theirs.0, StatusCode::NOT_FOUND, "{who:?} {method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn i15_no_act_tells_that_a_thing_of_others_exists() {
    let scene = Scene::start().await;
    let thing = deposited(&scene, &envelopes::of_the_school()).await;
    thing.hidden_from(&scene, &[HOSPITAL, TEACHER, PMI, FORMER, MAGISTRATE, CAF]).await;
    // Nor once it is erased: who may know is told, the others are not.
    erase(&scene, &thing.exchange).await;
    assert_eq!(scene.refused(&scene.acting(CRIP), &format!("/v1/mailbox/{}", thing.delivery)).await.status, 410);
    thing.hidden_from(&scene, &[HOSPITAL, TEACHER, PMI, FORMER, MAGISTRATE, CAF]).await;
    // A data-protection officer erases what came to the own institution, and learns nothing of the rest.
    let signalement = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    let motive = json!({"motive": "essai"});
    let none = answer(&scene.acting(DPO), &Method::DELETE, &format!("/v1/exchanges/{}", Thing::none().exchange), &motive).await;
    assert_eq!(answer(&scene.acting(DPO), &Method::DELETE, &format!("/v1/exchanges/{signalement}"), &motive).await, none);
    assert_eq!(none.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn i15_what_is_sealed_from_somebody_does_not_exist_for_this_person() {
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_school();
    // One agent of the unit that receives, one of the unit that sends.
    envelope["exclus"] = json!([
        {"issuer": "urn:passerelle:institution:departement-31", "subject": CRIP.1},
        {"issuer": "urn:passerelle:institution:dsden-31", "subject": COLLEAGUE.1},
    ]);
    let sealed = deposited(&scene, &envelope).await;
    sealed.hidden_from(&scene, &[CRIP, COLLEAGUE]).await;
    for who in [CRIP, COLLEAGUE] {
        let due = scene.acting(who).get("/v1/clocks").await.unwrap();
        assert!(!due.to_string().contains(&sealed.exchange), "{who:?}: {due}");
    }
    assert!(scene.waiting(&scene.acting(CRIP), "crip").await.is_empty());
    erase(&scene, &sealed.exchange).await;
    sealed.hidden_from(&scene, &[CRIP, COLLEAGUE]).await;
}

/// An answer to an exchange that was never received here says nothing of whether there is such an exchange.
#[tokio::test]
async fn i15_an_answer_does_not_try_out_ids() {
    let scene = Scene::start().await;
    let crip = scene.acting(CRIP);
    let mut tried = Vec::new();
    // What the CRIP sent itself exists, and was not received by it.
    let signalement = scene.accepted(CADRE, &envelopes::signalement("x")).await;
    for id in [signalement, Thing::none().exchange] {
        let refusal = scene.submit(&crip, &envelopes::retour(&id)).await.unwrap_err();
        let mut body = refusal.body.clone();
        body.as_object_mut().unwrap().remove("instance");
        tried.push((refusal.status, body));
    }
    assert_eq!(tried[0], tried[1]);
}

/// Nor does how an answer is read, in the form of what it answers, tell of what is sealed from its author, or was asked of
/// another unit. A danger goes through whatever it says that it answers.
#[tokio::test]
async fn i15_how_an_answer_is_read_does_not_tell_what_it_answers() {
    let scene = Scene::start().await;
    let mut sealed = requests::advice();
    sealed["exclus"] = json!([{"issuer": "urn:passerelle:institution:departement-31", "subject": CRIP.1}]);
    let (advice, sealed) = (scene.accepted(TEACHER, &requests::advice()).await, scene.accepted(TEACHER, &sealed).await);
    // School facts are no part of advice, and of any other answer they are.
    let answer = |id: &str, unit: &str| {
        let mut answer = requests::advised(id);
        answer["sender"]["unit"] = json!(unit);
        answer["payload"]["scolarite"] = json!({"inscrit": true});
        answer
    };
    let code = |refusal: &Problem| text(&refusal.body, "/errors/0/code");
    let own = scene.submit(&scene.acting(CRIP), &answer(&advice, "crip")).await.unwrap_err();
    assert_ne!(code(&own), "bad-reference", "{own:?}");
    for (who, unit, id) in [(CRIP, "crip", &sealed), (FORMER, "crip", &advice), (ASE, "ase", &advice)] {
        let mut told = Vec::new();
        for id in [id, &Thing::none().exchange] {
            let mut refusal = scene.submit(&scene.acting(who), &answer(id, unit)).await.unwrap_err();
            refusal.body.as_object_mut().unwrap().remove("instance");
            told.push((refusal.status, refusal.body));
        }
        assert_eq!(told[0], told[1], "{who:?}");
    }
    let mut alert = envelopes::of_the_school();
    (alert["sender"], alert["in_reply_to"]) = (json!({"institution": "departement-31", "unit": "crip"}), json!(sealed));
    scene.accepted(CRIP, &alert).await;
    scene.accepted(CADRE, &requests::advised(&sealed)).await;
}

/// A second social worker of the school's unit.
const COLLEAGUE: (&str, &str) = ("dsden-31", "p-1x6yp");

/// An exchange of the school's that leaves the CRIP something to do.
async fn deposited(scene: &Scene, envelope: &Value) -> Thing {
    let mut envelope = envelope.clone();
    envelope["payload"]["champ_inconnu"] = json!(1);
    let exchange = scene.accepted(SCHOOL, &envelope).await;
    let delivery = scene.delivery_of(CADRE, "crip", &exchange).await;
    let due = scene.acting(CADRE).get("/v1/clocks").await.unwrap();
    let task = due["follow_ups"].as_array().unwrap().iter().find(|task| task["exchange"] == exchange.as_str()).unwrap();
    Thing { follow_up: text(task, "/follow_up"), exchange, delivery }
}

async fn erase(scene: &Scene, id: &str) {
    scene.taken_in_charge(id).await;
    let (status, _, _) = answer(&scene.acting(DPO), &Method::DELETE, &format!("/v1/exchanges/{id}"), &json!({"motive": "essai"})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

/// Status, headers and body, less what names the request and the hour.
async fn answer(client: &Client, method: &Method, path: &str, body: &Value) -> (StatusCode, Vec<(String, String)>, Value) {
    let request = client.request(method.clone(), path);
    let answer = if body.is_null() { request } else { request.json(body) }.send().await.unwrap();
    let own = ["x-request-id", "date"];
    let headers = answer.headers().iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let status = answer.status();
    let mut body: Value = answer.json().await.unwrap_or_default();
    if let Some(body) = body.as_object_mut() {
        body.remove("instance");
    }
    (status, headers, body)
}
