//! A gateway that is copied while it works, lost, and put back by the commands of the guide (deploy/README.md):
//!
//! * what was accepted before the copy opens, its evidence and receipts verify;
//! * what was erased after it stays erased, on the keys themselves;
//! * what came after it is gone, and the log says so;
//! * half a copy, half a restore, other keys and a changed byte are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use exchange::ExchangeId;
use gateway::{client::new_key, demo::envelopes, seal::KeyStore};
use serde_json::{Value, json};
use sqlx::Connection;
use tests::{
    cli::{Running, files, path, run, until},
    kept::{self, Told},
    people::*,
    text,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_gateway_comes_back_and_what_was_erased_does_not() {
    let running = Running::start().await;
    // 1. Before the copy: one with a file, one that will be erased after it, one that was erased before.
    let (kept, receipt) = with_a_file(&running).await;
    let (erased, before) = (deposited(&running, &envelopes::of_the_school()).await, deposited(&running, &kept::envelope("avant")).await);
    erase(&running, &before).await;
    let keys = running.acting(SCHOOL).get("/v1/keys").await.unwrap();
    let evidence = running.by(HOSPITAL, &["exchange", "evidence", &kept]).await.done().out;

    // 2. The copy, while members deposit.
    let (over, told) = (Arc::new(AtomicBool::new(false)), Told::default());
    let (client, stop, noted) = (running.acting(SCHOOL), over.clone(), told.clone());
    let load = tokio::spawn(async move {
        for n in 0.. {
            if stop.load(Ordering::SeqCst) {
                return n;
            }
            kept::deposit(&client, &noted, &format!("pendant-la-copie-{n:04}")).await;
        }
        0
    });
    until("deposits come", async || told.lock().unwrap().values().filter(|answer| answer.is_some()).count() > 3).await;
    let (to, keys_to) = (running.file("copie"), running.file("copie-cles"));
    let copied = running.here(&["backup", path(&to), "--keys-to", path(&keys_to), "--json"]).await.done().json();
    over.store(true, Ordering::SeqCst);
    assert!(load.await.unwrap() > 3, "nobody deposited during the copy");
    let head = copied["log"]["size"].as_u64().unwrap();
    private_and_without_secrets(&running, &[&to, &keys_to]);

    // 3. After the copy: more deposits, an erasure, its journal. Then the machine is lost.
    let key = new_key().unwrap();
    let lost = running.acting(SCHOOL).submit(&kept::envelope("perdu"), &key).await.unwrap();
    erase(&running, &erased).await;
    let cursor = running.by(CADRE, &["mailbox", "list", "--unit", "crip", "--json"]).await.done().json()["after"].to_string();
    let journal = running.file("effacements.json");
    running.here(&["keys", "journal", "--to", path(&journal)]).await.done();
    let names = fs::read_to_string(&journal).unwrap();
    assert!(names.contains(&erased) && names.contains(&before) && !names.contains("durée"), "{names}");
    let stopped = running.kill().await;
    let data = stopped.world.folder.join("data");
    assert!(has_key(&keys_to.join("keys.db"), &erased).await, "the copy holds the key that must not come back");
    fs::remove_dir_all(&data).unwrap();

    // 4. Put back; started.
    let arguments = ["restore", path(&to), "--keys-from", path(&keys_to), "--erased", path(&journal)];
    let told_of_it = stopped.here(&arguments).await.done().out;
    for expected in [format!("entrée n° {head} "), "1 clés de contenus".to_owned(), "gateway.restored".to_owned()] {
        assert!(told_of_it.contains(&expected), "{expected}: {told_of_it}");
    }
    assert!(!has_key(&data.join("keys.db"), &erased).await, "destroyed before anything serves");
    let running = stopped.start().await;
    assert!(!data.join("restored.json").exists(), "the mark is spent");

    // 5. What was before the copy is whole.
    let crip = running.acting(CRIP);
    let delivery = kept::waiting(&crip).await.remove(&kept).expect("the exchange waits as before");
    let document = crip.get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
    assert_eq!(text(&document, "/subjects/0/birth_name"), "FICTVE");
    let fetched = running.file("fetched.pdf");
    crip.fetch(&text(&document, "/attachments/0/content"), &fetched, |_, _| {}).await.unwrap();
    assert!(fs::read(&fetched).unwrap() == content(), "other bytes than were sent");
    let again = running.by(HOSPITAL, &["exchange", "evidence", &kept]).await.done().out;
    for (name, text) in [("evidence-before.json", &evidence), ("evidence-after.json", &again)] {
        let file = running.file(name);
        fs::write(&file, text).unwrap();
        verified(&running, &file, &keys).await;
        assert!(text.contains(&receipt), "another receipt");
    }
    // What came during the copy is there with all of it, or not at all.
    let waiting = kept::waiting(&crip).await;
    for (id, delivery) in &waiting {
        let document = crip.get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
        assert!(document["subjects"][0]["birth_name"].is_string(), "{id}: {document}");
    }

    // 6. What was erased is erased, before the copy or after it, waits for nobody, and the log says it.
    assert!(!waiting.contains_key(&erased) && !waiting.contains_key(&before));
    for id in [&erased, &before] {
        let shown = running.by(DPO, &["exchange", "erase", id, "--motive", "encore", "--json"]).await;
        assert_eq!(text(&shown.refused(), "/code"), "erased");
    }
    let bundle = running.file("audit");
    running.here(&["audit", "bundle", path(&bundle)]).await.done();
    let report = verified(&running, &bundle, &keys).await;
    assert_eq!(report["restored"].as_array().map(Vec::len), Some(1), "{report}");
    assert!(report["restored"][0].as_u64().unwrap() >= head, "{report}");

    // 7. What came after the copy is gone: its receipt is not in the log, and its key is free.
    fs::write(bundle.join(format!("receipts/{}.jws", text(&lost, "/id"))), text(&lost, "/receipt")).unwrap();
    assert_eq!(report["receipts_pending"], 0, "{report}");
    let report = verified(&running, &bundle, &keys).await;
    assert_eq!(report["receipts_pending"], 1, "it is false when its minute is over: {report}");
    let anew = running.acting(SCHOOL).submit(&kept::envelope("perdu"), &key).await.unwrap();
    assert_ne!(anew["id"], lost["id"]);
    // Nor does anything hide behind a cursor that a member remembers from before.
    let page = running.by(CADRE, &["mailbox", "list", "--unit", "crip", "--after", &cursor, "--json"]).await.done().json();
    assert!(page["deliveries"].as_array().unwrap().iter().any(|one| one["exchange"] == anew["id"]), "{page}");
    running.process.stop().await;
}

#[tokio::test]
async fn a_restore_is_refused_unless_everything_fits() {
    let running = Running::start().await;
    deposited(&running, &envelopes::of_the_school()).await;
    let (to, keys_to) = (running.file("copie"), running.file("copie-cles"));
    let early = running.file("trop-tot.json");
    running.here(&["keys", "journal", "--to", path(&early)]).await.done();
    running.here(&["backup", path(&to), "--keys-to", path(&keys_to)]).await.done();
    let journal = running.file("effacements.json");
    running.here(&["keys", "journal", "--to", path(&journal)]).await.done();
    let restore = ["restore", path(&to), "--keys-from", path(&keys_to), "--json"];
    let sure = [&restore[..], &["--erased", path(&journal)]].concat();

    // While the gateway runs, and on what it has.
    assert_eq!(text(&running.here(&sure).await.refused(), "/code"), "running");
    let stopped = running.kill().await;
    assert_eq!(text(&stopped.here(&sure).await.refused(), "/code"), "not-empty");
    let data = stopped.world.folder.join("data");
    let aside = stopped.file("data-aside");
    fs::rename(&data, &aside).unwrap();
    let refused = async |arguments: &[&str], code: &str| {
        let done = stopped.here(arguments).await;
        assert_eq!(text(&done.refused(), "/code"), code, "{done:?}");
        assert!(!data.join("gateway.db").exists(), "{code}: something could be served");
    };
    // Nobody says what was erased: no journal, or one that ends before the copy.
    refused(&restore, "erasures-unknown").await;
    refused(&[&restore[..], &["--erased", path(&early)]].concat(), "erasures-unknown").await;
    // A journal that somebody shortened.
    let honest = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, honest.replacen("\"closed\": []", "\"closed\": [ ]", 1)).unwrap();
    let mut shortened: Value = serde_json::from_str(&honest).unwrap();
    shortened["content"]["at"] = json!("2036-01-01T00:00:00.000Z");
    fs::write(&journal, shortened.to_string()).unwrap();
    refused(&sure, "altered").await;
    fs::write(&journal, honest).unwrap();
    // Other master keys.
    let (own, safe) = (stopped.world.folder.join("keys.json"), stopped.file("keys-safe.json"));
    fs::rename(&own, &safe).unwrap();
    KeyStore::create(&own).unwrap();
    refused(&sure, "other-keys").await;
    fs::rename(&safe, &own).unwrap();
    let print = stopped.here(&["keys", "fingerprint", "--key", path(&own)]).await.done().out;
    assert_eq!(print.trim(), KeyStore::open(&own).unwrap().fingerprint());
    // Another gateway.
    let config = fs::read_to_string(stopped.world.config()).unwrap();
    fs::write(stopped.world.config(), config.replace("passerelle-31", "passerelle-32")).unwrap();
    refused(&sure, "another-gateway").await;
    fs::write(stopped.world.config(), config).unwrap();
    // One byte of any file, the manifests too; a file that is missing.
    let mut tried = 0;
    for file in files(&to).into_iter().chain(files(&keys_to)) {
        let honest = fs::read(&file).unwrap();
        let mut bytes = honest.clone();
        let middle = bytes.len() / 2;
        let Some(byte) = bytes.get_mut(middle) else { continue };
        *byte ^= 1;
        fs::write(&file, &bytes).unwrap();
        let done = stopped.here(&sure).await;
        assert!(done.code == 1 || done.code == 2, "{} was altered: {done:?}", file.display());
        assert!(!data.join("gateway.db").exists(), "{} was altered and is served", file.display());
        fs::write(&file, honest).unwrap();
        tried += 1;
        // Databases and manifests each; of the configuration a few do.
        if tried > 12 {
            break;
        }
    }
    for file in [to.join("vault.db"), keys_to.join("keys.db"), to.join("backup.json"), keys_to.join("backup.json")] {
        let beside = file.with_extension("aside");
        fs::rename(&file, &beside).unwrap();
        let done = stopped.here(&sure).await;
        assert!(done.code != 0 && !data.join("gateway.db").exists(), "{} is missing: {done:?}", file.display());
        fs::rename(&beside, &file).unwrap();
    }
    // The two folders changed places: no keys there.
    refused(&["restore", path(&keys_to), "--keys-from", path(&to), "--erased", path(&journal), "--json"], "older-keys").await;
    // What was refused left nothing that starts.
    for command in ["serve", "check", "migrate"] {
        // A gateway that started would go on for ever.
        let done = tokio::time::timeout(Duration::from_secs(60), stopped.here(&[command])).await.expect(command);
        assert!(done.code == 2 && done.err.contains("gateway restore"), "{command}: {done:?}");
    }
    // Somebody says it aloud.
    stopped.here(&[&restore[..], &["--no-erasures-since-backup"]].concat()).await.done();
    stopped.start().await.process.stop().await;
}

#[tokio::test]
async fn a_backup_is_refused_where_something_lies_and_takes_its_place_whole() {
    let running = Running::start().await;
    deposited(&running, &envelopes::of_the_school()).await;
    let backup = async |to: &Path, keys_to: &Path| running.here(&["backup", path(to), "--keys-to", path(keys_to), "--json"]).await;
    let (full, empty, keys) = (running.file("full"), running.file("empty"), running.file("keys"));
    fs::create_dir(&full).unwrap();
    fs::create_dir(&empty).unwrap();
    fs::write(full.join("a"), "b").unwrap();
    assert_eq!(text(&backup(&full, &keys).await.refused(), "/code"), "not-empty");
    assert_eq!(text(&backup(&keys, &full).await.refused(), "/code"), "not-empty");
    assert_eq!(text(&backup(&empty, &empty.join("keys")).await.refused(), "/code"), "together");
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);
    assert!(!keys.exists() && !running.file("full.part").exists() && !running.file("keys.part").exists(), "nothing is left of a refusal");
    // Another one is under way, or was killed.
    fs::create_dir(running.file("empty.part")).unwrap();
    assert_eq!(text(&backup(&empty, &keys).await.refused(), "/code"), "interrupted");
    fs::remove_dir(running.file("empty.part")).unwrap();
    backup(&empty, &keys).await.done();
    // PostgreSQL has its own means, and the answer says where they are written.
    let config = fs::read_to_string(running.world.config()).unwrap();
    fs::write(running.world.config(), format!("database = \"postgres://passerelle@localhost/passerelle\"\n{config}")).unwrap();
    let refused = backup(&running.file("pg"), &running.file("pg-keys")).await.refused();
    assert!(text(&refused, "/code") == "postgresql" && text(&refused, "/detail").contains("deploy/README.md"), "{refused}");
    fs::write(running.world.config(), config).unwrap();
    // A newer copy of the keys opens an older copy of the rest; never the other way round.
    let (later, later_keys) = (running.file("later"), running.file("later-keys"));
    backup(&later, &later_keys).await.done();
    let stopped = running.kill().await;
    // What a crash left is copied as well as what runs.
    let (crashed, crashed_keys) = (stopped.file("crashed"), stopped.file("crashed-keys"));
    stopped.here(&["backup", path(&crashed), "--keys-to", path(&crashed_keys)]).await.done();
    fs::remove_dir_all(stopped.world.folder.join("data")).unwrap();
    let restore = async |from: &Path, keys: &Path| {
        stopped.here(&["restore", path(from), "--keys-from", path(keys), "--no-erasures-since-backup", "--json"]).await
    };
    assert_eq!(text(&restore(&later, &keys).await.refused(), "/code"), "older-keys");
    restore(&empty, &later_keys).await.done();
    stopped.start().await.process.stop().await;
}

/// Modes, the manifests, and nothing that opens anything.
fn private_and_without_secrets(running: &Running, folders: &[&Path]) {
    let secret = |file: &str| fs::read(running.world.folder.join(file)).unwrap();
    let secrets = [secret("keys.json"), secret("tls/key.pem")];
    for file in folders.iter().flat_map(|folder| files(folder)) {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        let bytes = fs::read(&file).unwrap();
        assert!(!secrets.contains(&bytes), "{} is a secret", file.display());
        for word in envelopes::SECRETS {
            assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word} in {}", file.display());
        }
    }
    for folder in folders {
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(!folder.join("keys.json").exists());
        let manifest: Value = serde_json::from_slice(&fs::read(folder.join("backup.json")).unwrap()).unwrap();
        let mut listed: Vec<_> = manifest["content"]["files"].as_object().unwrap().keys().map(|name| folder.join(name)).collect();
        let mut there = files(folder);
        there.retain(|file| *file != folder.join("backup.json"));
        listed.sort();
        assert!(there == listed, "the manifest names {} files, {} are there", listed.len(), there.len());
    }
    assert!(!folders[0].join("keys.db").exists() && folders[1].join("keys.db").exists(), "the keys lie apart");
    assert!(folders[0].join("configuration/gateway.toml").exists() && folders[0].join("configuration/trust/ac-sante.pem").exists());
}

/// The hospital's, with a file; gives its id and receipt.
async fn with_a_file(running: &Running) -> (String, String) {
    let (file, envelope) = (running.file("constats.pdf"), running.file("ip.json"));
    fs::write(&file, content()).unwrap();
    fs::write(&envelope, envelopes::of_the_hospital().to_string()).unwrap();
    let arguments = ["submit", path(&envelope), "--attach", &format!("{}=sante", path(&file)), "--json"];
    let answer = running.by(HOSPITAL, &arguments).await.done().json();
    (text(&answer, "/id"), text(&answer, "/receipt"))
}

/// Long enough for deposits to come while it is copied: a copy in another order has exchanges without their child.
fn content() -> Vec<u8> {
    (0..16_000_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

async fn deposited(running: &Running, envelope: &Value) -> String {
    text(&running.acting(SCHOOL).submit(envelope, &new_key().unwrap()).await.unwrap(), "/id")
}

/// Taken in charge by the CRIP, then erased.
async fn erase(running: &Running, id: &str) {
    let delivery = kept::waiting(&running.acting(CADRE)).await.remove(id).unwrap();
    running.by(CADRE, &["mailbox", "acknowledge", &delivery]).await.done();
    running.by(DPO, &["exchange", "erase", id, "--motive", "durée écoulée"]).await.done();
}

/// Whether a key database holds the key of an exchange.
async fn has_key(database: &Path, exchange: &str) -> bool {
    let id: ExchangeId = exchange.parse().unwrap();
    sqlx::any::install_default_drivers();
    let mut connection = sqlx::AnyConnection::connect(&format!("sqlite://{}?mode=ro", database.display())).await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM exchange_key WHERE exchange_id = $1")
        .bind(id.to_string())
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    count == 1
}

/// `gateway audit verify` with the keys that were noted before; it must hold.
async fn verified(running: &Running, what: &Path, keys: &Value) -> Value {
    verify(running, what, keys).await.done().json()
}

async fn verify(running: &Running, what: &Path, keys: &Value) -> tests::cli::Done {
    let pinned = running.file("pinned.json");
    fs::write(&pinned, keys.to_string()).unwrap();
    let vkey = text(keys, "/log/vkey");
    run(&["audit", "verify", path(what), "--log-key", &vkey, "--receipt-keys", path(&pinned), "--json"], &[], None).await
}
