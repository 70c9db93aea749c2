//! Accepted means kept: what is counted after faults, whatever they were.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
};

use gateway::{
    client::Client,
    config::Config,
    flows::{bundle, verify},
    seal::KeyStore,
    store::{Part, Store},
};
use serde_json::{Value, json};

/// What a member was told under each key: `None` while it was told nothing.
pub type Told = Arc<Mutex<BTreeMap<String, Option<Value>>>>;

/// A danger whose text is its key: who opens it sees which deposit it was.
pub fn envelope(key: &str) -> Value {
    json!({
        "type": "information-preoccupante",
        "sender": {"institution": "dsden-31", "unit": "ssfe"},
        "recipient": {"institution": "departement-31", "unit": "crip"},
        "subjects": [{"ref": "s1", "role": "enfant", "birth_name": "COUPURE", "given_names": ["Essai"], "sex": "F", "birth_date": "2014-02-27"}],
        "payload": {"texte_libre": key}
    })
}

/// Deposits under a key that is noted before it is used, once: a lost answer is the point. Says whether it was accepted.
pub async fn deposit(client: &Client, told: &Told, key: &str) -> bool {
    told.lock().unwrap().entry(key.to_owned()).or_insert(None);
    let request = client
        .request(reqwest::Method::POST, "/v1/exchanges")
        .header("idempotency-key", key)
        .header("content-type", "application/json")
        .body(envelope(key).to_string());
    let Ok(answer) = request.send().await else { return false };
    if answer.status() != reqwest::StatusCode::CREATED {
        return false;
    }
    let Ok(body) = answer.json::<Value>().await else { return false };
    told.lock().unwrap().insert(key.to_owned(), Some(body));
    true
}

/// Everything that waits for the CRIP: delivery by exchange.
pub async fn waiting(crip: &Client) -> BTreeMap<String, String> {
    let (mut waiting, mut after) = (BTreeMap::new(), 0);
    loop {
        let page = crip.get(&format!("/v1/mailbox?unit=crip&limit=200&after={after}")).await.unwrap();
        for one in page["deliveries"].as_array().unwrap() {
            let twice = waiting.insert(one["exchange"].as_str().unwrap().to_owned(), one["delivery"].as_str().unwrap().to_owned());
            // What is immediate shows on every page, under the same id.
            assert!(twice.is_none_or(|delivery| one["delivery"] == delivery), "two deliveries of one exchange");
        }
        match page["after"].as_i64().unwrap() {
            next if next == after => return waiting,
            next => after = next,
        }
    }
}

/// Nothing that nobody sent, nothing twice, each with its clocks and its entry; the log verifies against keys noted outside.
pub async fn whole(config: &Path, folder: &Path, ids: &BTreeMap<String, String>, keys: &Value) {
    let report = audited(config, folder, ids, keys).await;
    assert_eq!(report.exit_code(), 0, "{report}");
}

/// The same, with what the auditor says of the log.
pub async fn audited(config: &Path, folder: &Path, ids: &BTreeMap<String, String>, keys: &Value) -> verify::Report {
    let config = Config::load(config).unwrap();
    let store = Store::open(&config.database(Part::Gateway)).await.unwrap();
    let mut stored = Vec::new();
    loop {
        let page = store.receipts_after(stored.last().map_or("", |(id, _): &(String, String)| id)).await.unwrap();
        if page.is_empty() {
            break;
        }
        stored.extend(page);
    }
    assert_eq!(stored.len(), ids.len());
    assert!(stored.iter().all(|(id, _)| ids.contains_key(id)), "an exchange that nobody sent");
    for id in ids.keys() {
        let id = id.parse().unwrap();
        assert_eq!(store.clocks_of(id).await.unwrap().len(), 4, "an exchange without its clocks");
        assert_eq!(store.entries_of(id).await.unwrap().iter().filter(|entry| entry.event == "exchange.accepted").count(), 1);
    }
    let keystore = KeyStore::open(&config.keys).unwrap();
    let bundle = folder.join("bundle");
    bundle::write(&store, &keystore, &bundle, keys, &|_, _| {}).await.unwrap();
    store.close().await;
    let vkey = keys["log"]["vkey"].as_str().unwrap().to_owned();
    let trust = verify::Trust::pinned(&[vkey], Some(&json!({"keys": keys["keys"]})), &[], 0).unwrap();
    verify::verify_folder(&bundle, &trust, &|_, _| {})
}

/// A random number.
pub fn random() -> u32 {
    use ring::rand::{SecureRandom, SystemRandom};
    let mut bytes = [0; 4];
    SystemRandom::new().fill(&mut bytes).unwrap();
    u32::from_le_bytes(bytes)
}

/// Size of the signed tree.
pub async fn signed(client: &Client) -> u64 {
    let Ok(answer) = client.request(reqwest::Method::GET, "/log/checkpoint").send().await else { return 0 };
    answer.text().await.unwrap_or_default().lines().nth(1).and_then(|line| line.parse().ok()).unwrap_or(0)
}
