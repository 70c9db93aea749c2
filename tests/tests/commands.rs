//! The commands as people type them, against a gateway that runs: what they print, what they leave behind, how they exit.
//!
//! 0 done; 1 refused, or found wrong; 2 could not be done.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::SinkExt;
use gateway::{
    client::new_key,
    clock::{Clock, SystemClock},
    demo::{World, envelopes},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{
    cli::{Running, files, path, run, until},
    people::*,
    text,
};
use tokio::process::Command;

#[tokio::test]
async fn a_member_deposits_from_a_file_or_a_pipe() {
    let running = Running::start().await;
    let (file, receipt) = (running.file("ip.json"), running.file("recu.jws"));
    fs::write(&file, envelopes::of_the_school().to_string()).unwrap();

    // From a file, for a program; the receipt is kept where it was asked.
    let answer = running.by(SCHOOL, &["submit", path(&file), "--json", "--receipt", path(&receipt)]).await.done().json();
    let id = text(&answer, "/id");
    assert_eq!(fs::read_to_string(&receipt).unwrap(), text(&answer, "/receipt"));
    // From standard input, for a person; under a key that was used, the answer that was given.
    let token = running.token(SCHOOL).await;
    let key = text(&answer, "/idempotency_key");
    let body = envelopes::of_the_school().to_string();
    let told = running.by_with(SCHOOL, &["submit", "-", "--idempotency-key", &key], &token, Some(&body)).await.done().out;
    assert!(told.contains(&id) && told.contains(&key) && told.contains(&text(&answer, "/receipt")), "{told}");
    // Another body under it is refused: with the code for a program, with the cure for a person.
    let other = json!({"type": "information-preoccupante", "payload": {"texte_libre": "autre"}}).to_string();
    let arguments = ["submit", "-", "--idempotency-key", &key, "--json"];
    assert_eq!(text(&running.by_with(SCHOOL, &arguments, &token, Some(&other)).await.refused(), "/code"), "idempotency-key-reused");
    let told = running.by_with(SCHOOL, &arguments[..4], &token, Some(&other)).await;
    assert_eq!((told.code, told.out.as_str()), (1, ""));
    assert!(told.err.contains("code: idempotency-key-reused") && told.err.contains("cure: "), "{}", told.err);
    // A key may begin with a hyphen.
    let hyphen = ["submit", "-", "--idempotency-key", "-oZ3k9Qm2Lx7Rt4Bv8Nc1", "--json"];
    let answer = running.by_with(SCHOOL, &hyphen, &token, Some(&body)).await.done().json();
    assert_eq!(text(&answer, "/idempotency_key"), hyphen[3]);
    // What cannot be done: no file, not JSON, nobody at that address, no certificate, an unknown option.
    fs::write(&file, "{\"type\": ").unwrap();
    let nobody = format!("--gateway=https://localhost:{}", tests::process::free_ports().0);
    for arguments in [
        &["submit", "/nowhere/ip.json"][..],
        &["submit", path(&file)],
        &["mailbox", "list", &nobody],
        &["mailbox", "list", "--certificate", "/nowhere/certificate.pem"],
        &["mailbox", "list", "--unknown"],
    ] {
        let done = running.by_with(SCHOOL, arguments, &token, None).await;
        assert_eq!((done.code, done.err.is_empty()), (2, false), "{arguments:?}: {done:?}");
    }

    running.process.stop().await;
}

#[tokio::test]
async fn the_crip_lists_opens_acknowledges_and_follows() {
    let running = Running::start().await;
    let id = deposited(&running, SCHOOL, &envelopes::of_the_school()).await;
    let told = running.by(CRIP, &["mailbox", "list", "--unit", "crip"]).await.done().out;
    assert!(told.contains(&id) && told.contains("priority") && told.contains("de dsden-31"), "{told}");
    let page = running.by(CRIP, &["mailbox", "list", "--json", "--limit", "1", "--wait", "1"]).await.done().json();
    let delivery = text(&page, "/deliveries/0/delivery");
    let after = page["after"].to_string();
    assert_eq!(running.by(CRIP, &["mailbox", "list", "--after", &after]).await.done().out, "Rien n’attend.\n");
    assert_eq!(text(&running.by(SCHOOL, &["mailbox", "open", &delivery, "--json"]).await.refused(), "/code"), "not-found");
    let document = running.by(CRIP, &["mailbox", "open", &delivery, "--json"]).await.done().json();
    assert_eq!(text(&document, "/subjects/0/birth_name"), "FICTIVE");
    let without_reason = running.by(CRIP, &["mailbox", "acknowledge", &delivery, "--outcome", "refused", "--json"]).await;
    assert_eq!(text(&without_reason.refused(), "/code"), "malformed");
    assert_eq!(running.by(CRIP, &["mailbox", "acknowledge", &delivery]).await.done().out, "Réponse consignée.\n");
    let again = running.by(CRIP, &["mailbox", "acknowledge", &delivery, "--json"]).await;
    assert_eq!(text(&again.refused(), "/code"), "already-acknowledged");
    assert_eq!(running.by(CRIP, &["mailbox", "list"]).await.done().out, "Rien n’attend.\n");

    // What is due, what was done, what became of it.
    let due = running.by(CRIP, &["exchange", "due", "--json"]).await.done().json();
    let task = due["follow_ups"].as_array().unwrap().iter().find(|f| f["code"] == "premiere-analyse").unwrap();
    let task = text(task, "/follow_up");
    let told = running.by(CRIP, &["exchange", "due"]).await.done().out;
    let line = format!("  {task}  Faire la première analyse de l’information préoccupante et l’enregistrer (échange {id})");
    assert!(told.starts_with("Échéances : ") && told.lines().any(|one| one == line), "{told}");
    assert_eq!(running.by(CRIP, &["exchange", "done", &task]).await.done().out, "Consigné.\n");
    assert_eq!(text(&running.by(CRIP, &["exchange", "done", &task, "--json"]).await.refused(), "/code"), "not-found");
    let seen = running.by(SCHOOL, &["exchange", "show", &id, "--json"]).await.done().json();
    assert_eq!((text(&seen, "/exchange"), seen["deliveries"].as_array().unwrap().len()), (id.clone(), 1));

    running.process.stop().await;
}

#[tokio::test]
async fn questions_are_answered_before_and_decisions_asked_again_after() {
    let running = Running::start().await;
    let id = deposited(&running, SCHOOL, &envelopes::of_the_school()).await;
    let ask = ["decision", "explain", "--type", "information-preoccupante", "--party", "departement-31/crip", "--json"];
    assert_eq!(text(&running.by(SCHOOL, &ask).await.done().json(), "/verdict"), "permit");
    let no =
        ["decision", "explain", "--type", "signalement", "--unit", "crip", "--party", "mairie-blagnac/ccas", "--class", "sante", "--json"];
    let refusal = running.by(CADRE, &no).await.done().json();
    assert_eq!(text(&refusal, "/verdict"), "refusal", "the question was answered: exit code 0");
    assert_eq!(
        text(&running.by(SCHOOL, &["decision", "explain", "--type", "inconnu", "--party", "caf-31", "--json"]).await.refused(), "/code"),
        "unknown-type"
    );
    let replay = running.here(&["decision", "replay", &id, "--json"]).await.done().json();
    assert_eq!((&replay["same"], &replay["decisions"][0]["decision"]["record"]["permitted"]), (&json!(true), &json!(true)), "{replay}");
    assert!(running.here(&["decision", "replay", &id]).await.done().out.contains("même réponse, mêmes règles"));
    assert_eq!(running.here(&["decision", "replay", "0190b8c5-0000-7000-8000-000000000000"]).await.code, 2);
    running.process.stop().await;
}

#[tokio::test]
async fn a_call_is_recorded_and_a_content_erased() {
    let running = Running::start().await;
    let id = deposited(&running, SCHOOL, &envelopes::of_the_school()).await;
    // Danger, the telephone, and the code read back.
    let signalement = deposited(&running, CADRE, &envelopes::signalement(&id)).await;
    running.by(CADRE, &["exchange", "telephone", &signalement, "--not-reached"]).await.done();
    let call = running.by(CADRE, &["exchange", "telephone", &signalement, "--json"]).await.done().json();
    let page = running.by(MAGISTRATE, &["mailbox", "list", "--unit", "permanence", "--json"]).await.done().json();
    let delivery = text(&page, "/deliveries/0/delivery");
    running.by(MAGISTRATE, &["mailbox", "acknowledge", &delivery, "--read-back", &text(&call, "/read_back")]).await.done();

    // Erased by the data-protection officer, and by nobody else; not before somebody has answered the danger.
    let waiting = running.by(DPO, &["exchange", "erase", &id, "--motive", "durée écoulée", "--json"]).await;
    assert_eq!(text(&waiting.refused(), "/code"), "still-open");
    let page = running.by(CADRE, &["mailbox", "list", "--unit", "crip", "--json"]).await.done().json();
    running.by(CADRE, &["mailbox", "acknowledge", &text(&page, "/deliveries/0/delivery")]).await.done();
    let erase = ["exchange", "erase", &id, "--motive", "durée écoulée"];
    assert_eq!(text(&running.by(CRIP, &[&erase[..], &["--json"]].concat()).await.refused(), "/code"), "role-missing");
    assert_eq!(running.by(DPO, &erase).await.done().out, "Effacé.\n");
    let gone = running.by(DPO, &[&erase[..], &["--json"]].concat()).await;
    assert_eq!(text(&gone.refused(), "/code"), "erased");
    // What was decided, and by which rules, outlives the content: kinds, classes and codes, in the log.
    running.here(&["decision", "replay", &id]).await.done();
    running.process.stop().await;
}

#[tokio::test]
async fn a_task_waits_on_a_basis_and_an_emergency_is_reviewed() {
    let running = Running::start().await;
    let signalement = deposited(&running, CADRE, &envelopes::signalement("x")).await;
    let tasks = running.by(CADRE, &["task", "list", "--json"]).await.done().json();
    let mine = |task: &&Value| task["code"] == "written-notice-parents" && task["exchange"] == signalement.as_str();
    let task = text(tasks["follow_ups"].as_array().unwrap().iter().find(mine).unwrap(), "/follow_up");
    let until = SystemClock.now().plus(std::time::Duration::from_secs(7 * 86_400)).to_string();
    let defer = ["task", "defer", &task, "--until", &until, "--words", "Soit-transmis du parquet, audition à venir.", "--basis"];
    assert_eq!(text(&running.by(CADRE, &[&defer[..], &["commodite", "--json"]].concat()).await.refused(), "/code"), "task-basis");
    let said = running.by(CADRE, &[&defer[..], &["reserve-magistrat"]].concat()).await.done().out;
    assert_eq!(said, format!("Reporté : la tâche revient le {until}.\n"));
    let listed = running.by(CADRE, &["task", "list"]).await.done().out;
    assert!(
        listed.contains(&format!("{task}  Aviser les parents par écrit")) && listed.contains(&format!("reportée au {until}")),
        "{listed}"
    );
    let done = running.by(CADRE, &["task", "done", &task, "--means", "courrier"]).await.done().out;
    assert_eq!(done, "Consigné.\n");
    assert_eq!(text(&running.by(CADRE, &["task", "show", &task, "--json"]).await.done().json(), "/record/means"), "courrier");

    let information = deposited(&running, SCHOOL, &envelopes::of_the_school()).await;
    let on_call = ("departement-31", "p-6n1vx");
    let open = ["urgence", "open", &information, "--class", "identite", "--json"];
    assert_eq!(text(&running.by(on_call, &open).await.refused(), "/code"), "urgence-reason");
    let reason = ["--reason", "Appel du 17 dans la nuit : il faut savoir qui est l’enfant.", "--minutes", "15"];
    let read = running.by(on_call, &[&open[..], &reason].concat()).await.done().json();
    assert_eq!(text(&read, "/subjects/0/birth_name"), "FICTIVE");
    let register = running.by(DPO, &["urgence", "list"]).await.done().out;
    assert!(register.starts_with("Accès d’urgence : 1\n") && register.contains("p-6n1vx  identite  à revoir"), "{register}");
    running.process.stop().await;
}

/// Deposits with the client as a library.
async fn deposited(running: &Running, who: (&str, &str), envelope: &Value) -> String {
    text(&running.acting(who).submit(envelope, &new_key().unwrap()).await.unwrap(), "/id")
}

#[tokio::test]
async fn tokens_are_issued_published_and_ended() {
    let running = Running::start().await;
    // The public key is the one that the directory holds, and nothing of the private one.
    let key = running.member("dsden-31").join("token.pem");
    let jwks = run(&["token", "jwk", path(&key)], &[], None).await.done();
    let known = fs::read_to_string(running.world.folder.join("directory/keys/dsden-31.jwks.json")).unwrap();
    assert_eq!(jwks.json(), serde_json::from_str::<Value>(&known).unwrap());
    assert!(jwks.json()["keys"][0].get("d").is_none());
    assert_eq!(run(&["token", "jwk", "/nowhere/token.pem"], &[], None).await.code, 2);
    assert_eq!(run(&["token", "jwk", path(&running.member("dsden-31").join("certificate.pem"))], &[], None).await.code, 2);

    let token = running.token(SCHOOL).await;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap();
    assert_eq!((text(&claims, "/sub"), claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap()), (SCHOOL.1.into(), 600));
    let list = ["mailbox", "list", "--json"];
    running.by_with(SCHOOL, &list, &token, None).await.done();
    // Ended before its time, by its own institution only.
    let revoke = ["token", "revoke", &text(&claims, "/jti"), "--json"];
    let elsewhere = running.token(HOSPITAL).await;
    running.by_with(HOSPITAL, &revoke, &elsewhere, None).await.done();
    running.by_with(SCHOOL, &list, &token, None).await.done();
    running.by_with(SCHOOL, &revoke, &token, None).await.done();
    assert_eq!(text(&running.by_with(SCHOOL, &list, &token, None).await.refused(), "/code"), "token-revoked");
    running.by(SCHOOL, &["token", "revoke", "-oZ3k9Qm2Lx7Rt4Bv8Nc1", "--json"]).await.done();
    let short = ["token", "revoke", "x", "--json"];
    assert_eq!(text(&running.by(SCHOOL, &short).await.refused(), "/code"), "malformed", "a refusal is JSON for a program here too");
    running.process.stop().await;
}

#[tokio::test]
async fn what_was_copied_out_verifies_and_what_was_altered_does_not() {
    let running = Running::start().await;
    let school = running.acting(SCHOOL);
    let mut id = String::new();
    for _ in 0..3 {
        id = text(&school.submit(&envelopes::of_the_school(), &new_key().unwrap()).await.unwrap(), "/id");
    }
    let keys = school.get("/v1/keys").await.unwrap();
    let (vkey, pinned) = (text(&keys, "/log/vkey"), running.file("receipts.json"));
    fs::write(&pinned, json!({"keys": keys["keys"]}).to_string()).unwrap();
    let verify = async |what: &Path| {
        run(&["audit", "verify", path(what), "--log-key", &vkey, "--receipt-keys", path(&pinned), "--json"], &[], None).await
    };

    // One exchange's evidence.
    let evidence = running.by(SCHOOL, &["exchange", "evidence", &id, "--json"]).await.done().out;
    let file = running.file("preuve.json");
    fs::write(&file, &evidence).unwrap();
    assert_eq!(verify(&file).await.code, 0, "{}", verify(&file).await.out);
    let value: Value = serde_json::from_str(&evidence).unwrap();
    let altered = |change: &dyn Fn(&mut Value)| {
        let mut value = value.clone();
        change(&mut value);
        value.to_string()
    };
    let another = text(&running.acting(SCHOOL).submit(&envelopes::of_the_school(), &new_key().unwrap()).await.unwrap(), "/receipt");
    for (what, text) in [
        ("the event", evidence.replace("exchange.accepted", "exchange.opened")),
        ("another receipt", altered(&|e| e["receipt"] = json!(another))),
        ("an opening", evidence.replacen("dsden-31", "dsden-32", 1)),
        ("the checkpoint", evidence.replace("gateway.passerelle.test/log", "gateway.passerelle.test/leg")),
    ] {
        assert_ne!(text, evidence, "{what}");
        fs::write(&file, text).unwrap();
        assert_eq!(verify(&file).await.code, 1, "{what}: {}", verify(&file).await.out);
    }
    fs::write(&file, "{").unwrap();
    assert_eq!(verify(&file).await.code, 2, "not evidence at all");
    assert_eq!(verify(Path::new("/nowhere")).await.code, 2);

    // The whole log.
    let bundle = running.file("bundle");
    let told = running.here(&["audit", "bundle", path(&bundle)]).await.done();
    assert!(told.out.contains("entrées copiées"), "{told:?}");
    // Neither the copy nor the databases are for other users of the machine.
    for private in [&bundle, &running.world.folder.join("data")] {
        assert_eq!(fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o700, "{}", private.display());
    }
    let report = verify(&bundle).await.done().json();
    assert_eq!((text(&report, "/origin"), &report["findings"]), ("gateway.passerelle.test/log".into(), &json!([])));
    assert_eq!(running.here(&["audit", "bundle", path(&bundle)]).await.code, 2, "a folder that holds something is not written over");
    // For a person; receipts under a key that nobody pinned prove nothing.
    let told = run(&["audit", "verify", path(&bundle), "--log-key", &vkey, "--receipt-keys", path(&pinned)], &[], None).await.done().out;
    assert!(told.starts_with("Journal gateway.passerelle.test/log : "), "{told}");
    assert_eq!(run(&["audit", "verify", path(&bundle), "--log-key", &vkey], &[], None).await.code, 1);
    // Keys that were not pinned; no key at all.
    let stranger = vkey.replace("gateway.passerelle.test", "gateway.passerelle.tesd");
    assert_ne!(run(&["audit", "verify", path(&bundle), "--log-key", &stranger], &[], None).await.code, 0);
    assert_eq!(run(&["audit", "verify", path(&bundle)], &[], None).await.code, 2);
    // One byte of any file.
    let mut tried = 0;
    for file in files(&bundle) {
        let honest = fs::read(&file).unwrap();
        // Keys in a bundle are for information: what counts was pinned.
        if honest.is_empty() || file.file_name().is_some_and(|name| name.to_string_lossy().contains("keys")) {
            continue;
        }
        let mut bytes = honest.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, &bytes).unwrap();
        let found = verify(&bundle).await;
        assert!(found.code != 0, "{} was altered: {}", file.display(), found.out);
        fs::write(&file, honest).unwrap();
        tried += 1;
    }
    assert!(tried > 4, "{tried}");
    assert_eq!(verify(&bundle).await.code, 0);
    running.process.stop().await;
}

#[tokio::test]
async fn the_cases_of_a_policies_folder_are_played() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::create(folder.path(), tests::NOW.parse().unwrap()).unwrap();
    let policies = world.folder.join("policies");
    let honest = run(&["policy", "test", path(&policies)], &[], None).await;
    assert_eq!(honest.code, 0, "{honest:?}");
    // A case that expects otherwise: named, with exit code 1.
    let cases = policies.join("decisions/4-accuse-retour.toml");
    let text = fs::read_to_string(&cases).unwrap();
    fs::write(&cases, text.replacen("answer = \"permit\"", "answer = \"refusal\"", 1).replace(", obligations = []", "")).unwrap();
    let wrong = run(&["policy", "test", path(&policies)], &[], None).await;
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.out.contains("La CRIP accuse réception à un collège, sans intervention humaine"), "{}", wrong.out);
    // What cannot be played: a case that is none, a folder that is not there.
    fs::write(&cases, format!("{text}\n[[case]]\ntitle = 3\n")).unwrap();
    assert_eq!(run(&["policy", "test", path(&policies)], &[], None).await.code, 2);
    assert_eq!(run(&["policy", "test", "/nowhere"], &[], None).await.code, 2);
}

#[tokio::test]
async fn a_new_gateway_is_prepared_once_and_checked() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("passerelle");
    let told = run(&["init", path(&new)], &[], None).await.done().out;
    assert!(told.contains("keys.json") && told.contains("gateway check"), "{told}");
    let keys = new.join("keys.json");
    assert_eq!(fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&keys).unwrap();
    assert_eq!(run(&["init", path(&new)], &[], None).await.code, 2, "keys are never replaced");
    assert_eq!(fs::read(&keys).unwrap(), before);
    // The configuration it leaves names data that are not there yet: said, not guessed.
    let (code, told) = check(&new.join("gateway.toml")).await;
    assert!(code == 2 && told.contains("the folder cannot be read") && !told.contains("_kinds.toml"), "once: {told}");

    let world = World::create(&folder.path().join("world"), tests::NOW.parse().unwrap()).unwrap();
    let (code, told) = check(&world.config()).await;
    assert!(code == 0 && told.contains("Prêt : 13 types d’échange"), "{told}");
    let config = fs::read_to_string(world.config()).unwrap();
    // Mistakes of the configuration, each with its line.
    for (what, from, to, line) in [
        ("an unknown setting", "gateway = ", "gatway = ", 1),
        ("a setting of another shape", "listen = \"127.0.0.1:0\"", "listen = \"partout\"", 4),
        ("no TOML at all", "[tls]", "[tls", 11),
    ] {
        fs::write(world.config(), config.replacen(from, to, 1)).unwrap();
        let (code, told) = check(&world.config()).await;
        assert!(code == 2 && told.contains(&format!("gateway.toml:{line}: ")), "{what}: {told}");
    }
    fs::write(world.config(), config.replacen("local = \"127.0.0.1:0\"", "local = \"0.0.0.0:0\"", 1)).unwrap();
    let (code, told) = check(&world.config()).await;
    assert!(code == 2 && told.contains("loopback"), "{told}");
    assert_eq!(check(Path::new("/nowhere/gateway.toml")).await.0, 2);
    fs::write(world.config(), &config).unwrap();

    // Mistakes of the data, all of one room at once, each with file and line.
    let file = world.folder.join("directory/institutions/sante.toml");
    let honest = fs::read_to_string(&file).unwrap();
    fs::write(&file, honest.replacen("kind = \"hopital\"", "kind = \"hopitl\"", 1).replacen("lead = \"p-7d3hx\"", "lead = \"p-xxxxx\"", 1))
        .unwrap();
    let (code, told) = check(&world.config()).await;
    let line = |word: &str| honest.lines().position(|text| text.contains(word)).unwrap() + 1;
    for expected in [format!("sante.toml:{}: ", line("kind = \"hopital\"")), format!("sante.toml:{}: ", line("lead = \"p-7d3hx\""))] {
        assert!(code == 2 && told.contains(&expected), "{expected}: {told}");
    }
    fs::write(&file, honest).unwrap();
    let file = world.folder.join("policies/catalogue/signalement.toml");
    let honest = fs::read_to_string(&file).unwrap();
    fs::write(&file, honest.replace("\"depot\"", "\"depott\"")).unwrap();
    let (code, told) = check(&world.config()).await;
    assert!(code == 2 && told.contains("signalement.toml:") && told.contains("depott"), "{told}");
    fs::write(&file, honest).unwrap();
    // What starts and lets nothing pass is said too, and why.
    let n01 = world.folder.join("policies/agreements/n01.toml");
    let keys_of = "parties = [\"departement-31/crip\", \"dsden-31\"]\ntypes = [\"retour-information\"]\nclasses = [\"reference\"]";
    fs::write(&n01, format!("id = \"n01\"\ntitle = \"Essai\"\nstate = \"en-vigueur\"\npurposes = [\"feedback\"]\n{keys_of}\n")).unwrap();
    let list = world.folder.join("pki/trust/ac-sante.crl");
    let honest = fs::read(&list).unwrap();
    fs::remove_file(&list).unwrap();
    fs::create_dir_all(world.folder.join("data")).unwrap();
    fs::set_permissions(world.folder.join("data"), fs::Permissions::from_mode(0o755)).unwrap();
    let (code, told) = check(&world.config()).await;
    for expected in ["protocole n01", "ac-sante.crl", "chmod 700", "Prêt"] {
        assert!(code == 0 && told.contains(expected), "{expected}: {told}");
    }
    fs::write(&list, honest).unwrap();
    // Keys that others can read are not used; a mistake of the data hides none of the keys and certificates.
    fs::write(&n01, format!("id = \"n01\"\ntitle = \"Essai\"\nstate = \"en-vigueur\"\n{keys_of}\n")).unwrap();
    fs::set_permissions(world.folder.join("keys.json"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(world.folder.join("tls/certificate.pem"), "").unwrap();
    let (code, told) = check(&world.config()).await;
    for expected in ["missing field `purposes`; add it", "keys.json", "tls/certificate.pem"] {
        assert!(code == 2 && told.contains(expected), "{expected}: {told}");
    }
    // What check refuses, serve refuses.
    let config = world.config();
    assert_eq!(run(&["serve", "--config", path(&config)], &[], None).await.code, 2);
}

/// `gateway check`: exit code, and what it said.
async fn check(config: &Path) -> (i32, String) {
    let done = run(&["check", "--config", path(config)], &[], None).await;
    (done.code, done.out + &done.err)
}

#[tokio::test]
async fn sigterm_answers_what_is_under_way_and_lets_nobody_else_in() {
    let running = Running::start().await;
    let crip = running.acting(CRIP);
    // A professional who waits for something new, and a deposit of which half has come.
    let waiting = tokio::spawn(async move { crip.get("/v1/mailbox?unit=crip&wait=60").await });
    let whole = envelopes::of_the_school().to_string();
    let (first, rest) = whole.split_at(whole.len() / 2);
    let (mut sender, body) = futures::channel::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let request = running
        .acting(SCHOOL)
        .request(Method::POST, "/v1/exchanges")
        .header("idempotency-key", new_key().unwrap())
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(body));
    let deposit = tokio::spawn(request.send());
    sender.send(Ok(Bytes::from(first.to_owned()))).await.unwrap();
    until("both are under way", async || running.process.get("/metrics").await.is_some_and(|m| m.contains("passerelle_connections 2")))
        .await;

    let began = std::time::Instant::now();
    let (process, address) = (running.process, running.base.replace("https://", ""));
    Command::new("kill").arg(process.id().to_string()).stdout(Stdio::null()).status().await.unwrap();
    until("nobody is let in", async || tokio::net::TcpStream::connect(&address).await.is_err()).await;
    sender.send(Ok(Bytes::from(rest.to_owned()))).await.unwrap();
    drop(sender);
    let answer = deposit.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::CREATED);
    let id = text(&answer.json().await.unwrap(), "/id");
    let page = waiting.await.unwrap().unwrap();
    assert_eq!(page["deliveries"], json!([]), "answered at the stop, not cut off");
    process.ended().await;
    assert!(began.elapsed() < Duration::from_secs(4), "the drain took {:?}", began.elapsed());

    // What was answered is there.
    let replay = run(&["decision", "replay", &id, "--config", path(&running.world.config())], &[], None).await;
    assert_eq!(replay.code, 0, "{replay:?}");
}

#[tokio::test]
async fn help_teaches_and_tells_the_exit_codes() {
    let help = run(&["--help"], &[], None).await.done().out;
    assert!(help.contains("Exit codes: 0 done; 1 refused, or found wrong; 2 could not be done"), "{help}");
    for command in [
        "init", "check", "serve", "submit", "mailbox", "exchange", "token", "decision", "vault", "audit", "policy", "backup", "restore",
        "keys",
    ] {
        let help = run(&[command, "--help"], &[], None).await.done().out;
        assert!(help.contains("Usage:") && help.lines().count() > 5, "{command}: {help}");
    }
    assert_eq!(run(&[], &[], None).await.code, 2);
    assert_eq!(run(&["unknown"], &[], None).await.code, 2);
}
