//! The log as whoever operates the gateway reads it: one JSON object a line, and each line of a request says which.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeSet, fs};

use gateway::{client::new_key, demo::envelopes};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tests::{cli::Running, people::*};

#[tokio::test]
async fn each_line_of_a_request_says_which() {
    let running = Running::start().await;
    let deposit = async |envelope: &Value| {
        let request = running.acting(SCHOOL).request(Method::POST, "/v1/exchanges").header("idempotency-key", new_key().unwrap());
        request.json(envelope).send().await.unwrap()
    };
    let id = |answer: &Response| answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let accepted = id(&deposit(&envelopes::of_the_school()).await);
    let refused = id(&deposit(&json!({"type": "unknown"})).await);

    running.process.stop().await;
    let log = fs::read_to_string(running.world.folder.join("gateway.log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect();
    for line in &lines {
        for name in ["/timestamp", "/level", "/target", "/fields/message"] {
            assert!(line.pointer(name).is_some_and(Value::is_string), "{name}: {line}");
        }
    }
    let said: Vec<&str> = lines.iter().map(|line| line["fields"]["message"].as_str().unwrap()).collect();
    assert_eq!(said.first(), Some(&"the gateway serves"));
    assert_eq!(said.last(), Some(&"the gateway has stopped"));
    let of = |id: &str| -> BTreeSet<&str> {
        let own = |line: &&Value| line.pointer("/spans/0/request.id") == Some(&json!(id));
        lines.iter().filter(own).map(|line| line["fields"]["message"].as_str().unwrap()).collect()
    };
    assert_eq!(of(&accepted), BTreeSet::from(["exchange accepted"]));
    assert_eq!(of(&refused), BTreeSet::from(["refused"]));
    let line = lines.iter().find(|line| line["fields"]["message"] == "exchange accepted").unwrap();
    assert_eq!(line["spans"][0]["http.route"], "/v1/exchanges", "{line}");
}
