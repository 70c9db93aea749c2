//! The spaces of pseudonyms over a running gateway: a new epoch, under which those given before still lead to their child, and
//! the end, after which they lead to nobody; who may do either, and what the log says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use gateway::{client::new_key, demo::envelopes};
use serde_json::{Value, json};
use tests::{
    cli::{Running, path},
    people::*,
    text,
};

const CRIP_IP: [&str; 4] = ["--recipient", "departement-31", "--purpose", "ip"];

#[tokio::test]
async fn a_domain_is_renewed_with_overlap_and_closed_for_ever() {
    let running = Running::start().await;
    let exchange = text(&running.acting(SCHOOL).submit(&envelopes::of_the_school(), &new_key().unwrap()).await.unwrap(), "/id");
    let first = pseudonym(&running, &exchange).await;
    assert!(first.starts_with("P1-1-"), "{first}");
    let listed = running.here(&["keys", "domain", "list", "--json"]).await.done().json();
    let of_the_crip = |list: &Value| list.as_array().unwrap().iter().find(|one| one["recipient"] == "departement-31").unwrap().clone();
    assert_eq!(
        of_the_crip(&listed),
        json!({"recipient": "departement-31", "purpose": "ip", "agreement": null, "epoch": 1, "closed_at": null})
    );

    // Renewed: by whom the directory lets, and no other; the running gateway follows at once.
    let renew = [&["keys", "domain", "rotate"][..], &CRIP_IP].concat();
    for who in [CRIP, CADRE, AUDITOR, SCHOOL] {
        assert_eq!(text(&running.at_the_desk(who, &renew).await.refused(), "/code"), "habilitation", "{who:?}");
    }
    let renewed = running.at_the_desk(DPO, &renew).await.done().json();
    assert_eq!(renewed["epoch"], 2);
    let second = pseudonym(&running, &exchange).await;
    assert!(second.starts_with("P1-2-") && second[5..] != first[5..], "{second}");
    // Both lead to the same child.
    for known in [&first, &second] {
        assert_eq!(behind(&running, known).await.unwrap()["identity"]["birth_name"], "FICTIVE");
    }

    // Closed: the officer alone, and never without saying so.
    let close = [&["keys", "domain", "close", "--for-ever"][..], &CRIP_IP].concat();
    assert_eq!(text(&running.at_the_desk(ADMINISTRATOR, &close).await.refused(), "/code"), "habilitation");
    let careless = [&["keys", "domain", "close"][..], &CRIP_IP].concat();
    assert_eq!(running.at_the_desk(DPO, &careless).await.code, 2);
    let closed = running.at_the_desk(DPO, &close).await.done().json();
    assert!(closed["closed_at"].is_string());
    assert_eq!(running.at_the_desk(DPO, &close).await.done().json(), closed, "again changes nothing");
    assert_eq!(text(&running.at_the_desk(DPO, &renew).await.refused(), "/code"), "introuvable", "nothing opens it again");
    for known in [&first, &second] {
        assert_eq!(behind(&running, known).await.unwrap_err(), "not-found");
    }

    // Nobody can name the child by it any more; whoever reports this child, or reads what came, is not held up.
    let after = text(&running.acting(SCHOOL).submit(&envelopes::of_the_school(), &new_key().unwrap()).await.unwrap(), "/id");
    for id in [&exchange, &after] {
        let document = document(&running, id).await;
        assert_eq!(text(&document, "/subjects/0/birth_name"), "FICTIVE");
        assert!(document["subjects"][0].get("pseudonym").is_none(), "{document}");
    }

    // The log says all of it, signed, and verifies with the keys that the members noted.
    let bundle = running.file("bundle");
    running.here(&["audit", "bundle", path(&bundle)]).await.done();
    let keys = running.acting(SCHOOL).get("/v1/keys").await.unwrap();
    let pinned = running.file("receipts.json");
    std::fs::write(&pinned, json!({"keys": keys["keys"]}).to_string()).unwrap();
    let log_key = text(&keys, "/log/vkey");
    let verified = running.here(&["audit", "verify", path(&bundle), "--log-key", &log_key, "--receipt-keys", path(&pinned)]).await;
    assert_eq!(verified.code, 0, "{}", verified.out);
    let leaves = leaves(&bundle);
    assert_eq!((count(&leaves, "key.rotated"), count(&leaves, "domain.closed"), count(&leaves, "identity.reidentified")), (1, 1, 4));
    running.process.stop().await;
}

/// What the CRIP calls the child of an exchange now.
async fn pseudonym(running: &Running, exchange: &str) -> String {
    text(&document(running, exchange).await, "/subjects/0/pseudonym")
}

async fn document(running: &Running, exchange: &str) -> Value {
    let crip = running.acting(CRIP);
    let page = crip.get("/v1/mailbox?unit=crip").await.unwrap();
    let delivery = page["deliveries"].as_array().unwrap().iter().find(|one| one["exchange"] == exchange).unwrap();
    crip.get(&format!("/v1/mailbox/{}", text(delivery, "/delivery"))).await.unwrap()
}

/// Who stands behind a pseudonym of the CRIP, asked and approved as it must be; or the code of the refusal.
async fn behind(running: &Running, pseudonym: &str) -> Result<Value, String> {
    let request = json!({"pseudonym": pseudonym, "recipient": "departement-31", "purpose": "ip", "reason": "Rapprocher deux signalements du même enfant"});
    let asked = running.acting(CRIP).post("/v1/reidentifications", &request).await.unwrap();
    let id = text(&asked, "/id");
    for who in [DPO, CADRE] {
        running.acting(who).post(&format!("/v1/reidentifications/{id}/approvals"), &json!({})).await.unwrap();
    }
    let opened = running.acting(CRIP).post(&format!("/v1/reidentifications/{id}/opening"), &json!({})).await;
    tests::scene::problem(opened).map_err(|problem| problem.code().to_owned())
}

/// Every leaf of a bundle, as text.
fn leaves(bundle: &std::path::Path) -> String {
    let mut all = String::new();
    let mut folders = vec![bundle.to_owned()];
    while let Some(folder) = folders.pop() {
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                all.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
            }
        }
    }
    all
}

fn count(leaves: &str, event: &str) -> usize {
    leaves.matches(&format!("\"event\":\"{event}\"")).count()
}
