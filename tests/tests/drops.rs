//! Files over SFTP, with an OpenSSH server and OpenSSH's client that nobody here wrote: what leaves is what the partner's system may
//! read, after that is signed; what comes is taken whole or left alone; nothing is lost and nothing doubled, whoever stops when.
#![cfg(feature = "sftp")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::Path};

use adapters::drop::Outcome;
use gateway::{
    demo::{SECRETS, World, requests},
    store::Part,
};
use serde_json::{Value, json};
use sqlx::Row;
use tests::{
    Scene,
    cli::{path, run},
    people::*,
    sshd::{By, Office, Sshd, exchanges},
    stage::Stage,
    text,
};

#[tokio::test]
async fn a_placement_leaves_for_the_system_of_a_caisse_and_its_answer_opens_it() {
    let (scene, sshd, caf) = with_the_caisse(READS).await;
    let id = scene.accepted(ASE, &requests::placement()).await;
    scene.until("the drop is there", || async { left(&sshd, 1) }).await;
    let keys = keys(&scene).await;
    let (manifest, files) = caf.received(&sshd, 1, &keys);
    assert_eq!((manifest.files.len(), manifest.recipient.as_str()), (1, "caf-31"));
    let file = String::from_utf8(files[0].clone()).unwrap();
    assert!(file.contains(&id) && file.contains("FICTIVE") && file.contains("Barnabé") && file.contains("375-5"), "{file}");
    // Nobody is named by what a file is called.
    for name in sshd.names("vers-partenaire") {
        assert!(name.starts_with("departement-31_0000000001") && !name.ends_with(".part"), "{name}");
    }
    // Signed before it left; handed over is neither opened nor acknowledged.
    scene.until("it is written down", || async { events(&scene, &id).await.contains(&"push.sent".to_owned()) }).await;
    assert!(events(&scene, &id).await.contains(&"exchange.delivered".to_owned()));
    assert_eq!(opened_by(&scene, &id).await, "");

    // An answer that somebody else signed opens nothing.
    let suspect = metric(&scene, "passerelle_drops_suspect_total").await;
    caf.acknowledge(&sshd, 1, Outcome::Accept(Vec::new()), By::Stranger);
    scene.until("it is turned away", || async { sshd.names("depuis-partenaire/refuse").len() == 2 }).await;
    assert_eq!((opened_by(&scene, &id).await, metric(&scene, "passerelle_drops_suspect_total").await), (String::new(), suspect + 1));
    caf.acknowledge(&sshd, 1, Outcome::Accept(Vec::new()), By::System);
    scene.until("it is opened", || async { opened_by(&scene, &id).await == "s-caf-31" }).await;
    scene.until("the answer is put away", || async { sshd.names("depuis-partenaire/traite").len() == 2 }).await;
    scene.until("it is signed", || async { events(&scene, &id).await.contains(&"exchange.opened".to_owned()) }).await;
    // A person still answers for the unit.
    assert_eq!(scene.waiting(&scene.acting(CAF), "prestations").await.len(), 1);
    assert_eq!(sshd.names("depuis-partenaire"), [""; 0]);
}

#[tokio::test]
async fn what_no_system_may_read_leaves_as_a_notice_without_content() {
    let secrets = || SECRETS.into_iter().chain(["FICTIVE", "Barnabé", "375-5", "notification-placement", "departement-31/ase"]);
    for (what, push) in [
        ("no system", r#"{ url = "sftp:caf-31" }"#),
        ("an agreement to come", r#"{ url = "sftp:caf-31", system = true, reader = "s-caf-31", agreement = "l01-caf" }"#),
        (
            "an agreement on something else",
            r#"{ url = "sftp:caf-31", system = true, reader = "s-caf-31", agreement = "p25-caf-service-social" }"#,
        ),
    ] {
        let (scene, sshd, caf) = with_the_caisse(push).await;
        let id = scene.accepted(ASE, &requests::placement()).await;
        scene.until(what, || async { left(&sshd, 1) }).await;
        let (manifest, files) = caf.received(&sshd, 1, &keys(&scene).await);
        let notice: Value = serde_json::from_slice(&files[0]).unwrap();
        let delivery = scene.delivery_of(CAF, "prestations", &id).await;
        let recipient = json!({"institution": "caf-31", "unit": "prestations"});
        let expected = json!({"delivery": delivery, "recipient": recipient, "urgency": notice["urgency"], "delivered_at": tests::NOW});
        assert_eq!((manifest.files.len(), notice), (1, expected), "{what}");
        for name in sshd.names("vers-partenaire") {
            let bytes = sshd.bytes(&format!("vers-partenaire/{name}"));
            let whole = String::from_utf8_lossy(&bytes).into_owned();
            assert!(secrets().all(|secret| !whole.contains(secret) && !name.contains(secret)), "{what}: {name} tells");
        }
        assert!(!events(&scene, &id).await.contains(&"exchange.delivered".to_owned()), "{what}");
        // Whoever takes a notice has read nothing.
        caf.acknowledge(&sshd, 1, Outcome::Accept(Vec::new()), By::System);
        scene.until("the answer is put away", || async { sshd.names("depuis-partenaire/traite").len() == 2 }).await;
        assert_eq!(opened_by(&scene, &id).await, "", "{what}");
    }
}

#[tokio::test]
async fn an_answer_needs_the_person_whose_key_signed_it() {
    let (scene, sshd, caf) = with_the_caisse(READS).await;
    let id = scene.accepted(ASE, &requests::placement()).await;
    let file = format!("notification;date_prise_en_compte;motif_rejet\r\n{id};01/12/2026;\r\n");
    caf.leave(&sshd, 1, &[("csv", file.as_bytes())], By::System);
    let keys = keys(&scene).await;
    scene.until("it is answered", || async { caf.answer(&sshd, 1, &keys).is_some() }).await;
    let answer = caf.answer(&sshd, 1, &keys).unwrap();
    assert_eq!(answer.outcome, Outcome::Refuse);
    let told = answer.remarks.iter().find(|remark| remark.code == "token-missing").unwrap_or_else(|| panic!("{:?}", answer.remarks));
    assert!(told.detail.starts_with("Échange n° 1"), "{}", told.detail);
    assert_eq!(told.file.as_ref().unwrap().to_string(), "caf-31_0000000001_001.csv");
    scene.until("it is put away", || async { sshd.names("depuis-partenaire/refuse").len() == 3 }).await;

    caf.leave(&sshd, 2, &[("csv", file.as_bytes())], By::Agent);
    scene.until("it is answered", || async { caf.answer(&sshd, 2, &keys).is_some() }).await;
    let [accepted] = exchanges(&caf.answer(&sshd, 2, &keys).unwrap())[..] else { panic!("one") };
    let read = scene.opened(ASE, "ase", &accepted.to_string()).await;
    assert_eq!(text(&read, "/payload/reponse/prise_en_compte/date"), "2026-12-01");
    assert_eq!(text(&read, "/in_reply_to"), id);
    // Of what was taken over only the list stays, and no content in clear.
    scene.until("it is put away", || async { sshd.names("depuis-partenaire/traite").len() == 2 }).await;
    assert!(sshd.names("depuis-partenaire/traite").iter().all(|name| name.contains(".manifeste.")));
    assert_eq!(sshd.names("depuis-partenaire"), [""; 0]);
}

#[tokio::test]
async fn a_product_that_a_mapping_describes_leaves_its_alarms() {
    let (scene, sshd, hospital) = with_the_hospital().await;
    hospital.leave(&sshd, 1, &[("csv", PRODUCT)], By::System);
    let keys = keys(&scene).await;
    scene.until("it is answered", || async { hospital.answer(&sshd, 1, &keys).is_some() }).await;
    let answer = hospital.answer(&sshd, 1, &keys).unwrap();
    let ids = exchanges(&answer);
    assert_eq!(ids.len(), 2, "in the order of the file");
    let read = scene.opened(CRIP, "crip", &ids[0].to_string()).await;
    assert_eq!(text(&read, "/subjects/0/birth_name"), "FICTIVE");
    assert_eq!(text(&read, "/sender/institution"), "chu-toulouse");
    // Nobody is named: the danger is accepted, and somebody is to say who it was.
    assert!(scene.task(HOSPITAL, &ids[0].to_string(), "identifier-auteur").await.is_some() || received(&scene).await == 2);
    // What the answer says of the file names nobody.
    let whole = format!("{:?}", answer.remarks);
    assert!(["FICTIVE", "Capucine", "Zélie", "HOMONYME"].iter().all(|name| !whole.contains(name)), "{whole}");

    // The same again, under its number: the same answer, and nothing new.
    let before = answer;
    hospital.leave(&sshd, 1, &[("csv", PRODUCT)], By::System);
    scene.until("it is put away again", || async { sshd.names("depuis-partenaire").is_empty() }).await;
    assert_eq!(hospital.answer(&sshd, 1, &keys).unwrap(), before);
    assert_eq!(received(&scene).await, 2);
    // Another under that number is somebody's mistake, or worse.
    let suspect = metric(&scene, "passerelle_drops_suspect_total").await;
    hospital.leave(&sshd, 1, &[("csv", &PRODUCT[..PRODUCT.len() - 2])], By::System);
    scene.until("it is turned away", || async { sshd.names("depuis-partenaire/refuse").len() == 3 }).await;
    assert_eq!((received(&scene).await, metric(&scene, "passerelle_drops_suspect_total").await), (2, suspect + 1));
    assert_eq!(hospital.answer(&sshd, 1, &keys).unwrap(), before, "the answer that counts is not taken away");
}

#[tokio::test]
async fn a_drop_that_is_not_what_its_sender_signed_is_refused_and_alarms() {
    let (scene, sshd, hospital) = with_the_hospital().await;
    let keys = keys(&scene).await;
    // A list that somebody else signed takes no number, and nothing of it is read.
    hospital.leave(&sshd, 1, &[("csv", PRODUCT)], By::Stranger);
    scene.until("it is answered", || async { hospital.answer(&sshd, 1, &keys).is_some() }).await;
    assert_eq!(hospital.answer(&sshd, 1, &keys).unwrap().remarks[0].code, "bad-signature");
    scene.until("it is turned away", || async { sshd.names("depuis-partenaire/refuse").len() == 3 }).await;
    assert_eq!(received(&scene).await, 0);
    // A file that was altered on the way, under the number that is still free; the answer to it is awaited anew.
    hospital.forget_answer(&sshd, 1);
    let mut files = hospital.drop_of(1, &[("csv", PRODUCT)], By::System);
    let at = files[0].1.windows(7).position(|word| word == b"FICTIVE").unwrap();
    files[0].1[at] = b'E';
    hospital.leave_files(&sshd, &files);
    let altered = || async { hospital.answer(&sshd, 1, &keys).is_some_and(|answer| answer.remarks[0].code == "wrong-digest") };
    scene.until("it is answered", altered).await;
    assert_eq!(received(&scene).await, 0);
    assert!(metric(&scene, "passerelle_drops_suspect_total").await >= 2);
    // A list that names a file elsewhere: no such name is ever looked for.
    let mut files = hospital.drop_of(2, &[("csv", PRODUCT)], By::System);
    files.remove(0);
    let list = String::from_utf8(files[0].1.clone()).unwrap().replace("chu-toulouse_0000000002_001.csv", "../../../../etc/passwd");
    files[0].1 = list.into_bytes();
    files[1].1 = hospital.signed(&files[0].1);
    hospital.leave_files(&sshd, &files);
    scene.until("it is answered", || async { hospital.answer(&sshd, 2, &keys).is_some() }).await;
    let answer = hospital.answer(&sshd, 2, &keys).unwrap();
    assert_eq!((answer.remarks[0].code.as_str(), answer.remarks[0].at.as_deref()), ("bad-value", Some("$.files[0].name")));
    // After all that the honest one is taken, under the number that was never given away.
    scene.until("it is turned away", || async { sshd.names("depuis-partenaire").is_empty() }).await;
    hospital.leave(&sshd, 2, &[("csv", PRODUCT)], By::System);
    scene.until("it is taken", || async { received(&scene).await == 2 }).await;
}

#[tokio::test]
async fn what_is_still_being_written_is_left_alone() {
    let (scene, sshd, hospital) = with_the_hospital().await;
    let files = hospital.drop_of(1, &[("csv", PRODUCT)], By::System);
    let (file, list, jws) = (&files[0], &files[1], &files[2]);
    // A name that is no drop's, a folder, and one that grows.
    sshd.put("depuis-partenaire/FICTIVE Capucine.csv", b"not ours");
    sshd.put(&format!("depuis-partenaire/{}.part", file.0), &file.1[..100]);
    sshd.put(&format!("depuis-partenaire/{}", list.0), &list.1);
    let looks = looks(&sshd, &scene).await;
    assert_eq!((received(&scene).await, sshd.names("depuis-partenaire").len()), (0, 3), "no signature, no drop: after {looks} looks");
    // Against the rules of the format the signature comes before the file is whole: it may still grow.
    sshd.put(&format!("depuis-partenaire/{}", jws.0), &jws.1);
    sshd.put(&format!("depuis-partenaire/{}", file.0), &file.1[..200]);
    sshd.put(&format!("depuis-partenaire/{}", file.0), &file.1);
    scene.until("it is taken", || async { received(&scene).await == 2 }).await;
    scene.until("what is not ours stays", || async { sshd.names("depuis-partenaire").len() == 2 }).await;
    // One that stays torn is refused in the end.
    let torn = hospital.drop_of(2, &[("csv", PRODUCT)], By::System);
    for (name, bytes) in &torn {
        sshd.put(&format!("depuis-partenaire/{name}"), if name == &torn[0].0 { &bytes[..50] } else { bytes });
    }
    let keys = keys(&scene).await;
    scene.until("it is answered", || async { hospital.answer(&sshd, 2, &keys).is_some() }).await;
    assert_eq!(hospital.answer(&sshd, 2, &keys).unwrap().remarks[0].code, "truncated");
}

#[tokio::test]
async fn a_number_that_is_missing_holds_nothing_up_for_ever() {
    let (scene, sshd, hospital) = with_the_hospital().await;
    hospital.leave(&sshd, 2, &[("csv", PRODUCT)], By::System);
    looks(&sshd, &scene).await;
    assert_eq!((received(&scene).await, sshd.names("depuis-partenaire").len()), (0, 3), "the first may be on its way");
    let suspect = metric(&scene, "passerelle_drops_suspect_total").await;
    scene.clock.advance(std::time::Duration::from_secs(601));
    scene.until("it is taken", || async { received(&scene).await == 2 }).await;
    assert_eq!(metric(&scene, "passerelle_drops_suspect_total").await, suspect + 1, "somebody asks the partner");
    // Late, but it came.
    hospital.leave(&sshd, 1, &[("csv", PRODUCT)], By::System);
    scene.until("it is taken too", || async { received(&scene).await == 4 }).await;
}

#[tokio::test]
async fn a_partner_that_was_dark_gets_everything_once_when_it_is_back() {
    let (scene, mut sshd, caf) = with_the_caisse_and(READS, |world| {
        replaced(&world.config(), "push_ms = 100", "push_ms = 20\npush_attempts = 2");
    })
    .await;
    sshd.go_dark();
    let mut wanted = Vec::new();
    for _ in 0..3 {
        wanted.push(scene.accepted(ASE, &requests::placement()).await);
    }
    scene.until("nobody is there", || async { pushes(&scene).await.iter().any(|(_, fault)| fault == "unreachable") }).await;
    scene.until("it shows", || async { metric(&scene, "passerelle_drop_partners_dark").await == 1 }).await;
    // More tries than a notice gets: none of them is given up.
    for _ in 0..3 {
        let tries = tries(&scene).await;
        scene.clock.advance(std::time::Duration::from_secs(601));
        scene.until("another try", || async { self::tries(&scene).await > tries }).await;
    }
    assert!(pushes(&scene).await.iter().all(|(state, _)| state == "waiting"));
    assert!(metric(&scene, "passerelle_drops_late_total").await > 0, "and that alarms");
    sshd.resume();
    in_time(&scene, "all are there", || (1..=3).all(|sequence| left(&sshd, sequence))).await;
    let keys = keys(&scene).await;
    let mut came: Vec<String> = Vec::new();
    for sequence in 1..=3 {
        let (_, files) = caf.received(&sshd, sequence, &keys);
        let file = String::from_utf8(files[0].clone()).unwrap();
        came.extend(wanted.iter().filter(|id| file.contains(id.as_str())).cloned());
    }
    came.sort();
    wanted.sort();
    assert_eq!(came, wanted, "each once");
    scene.until("all is done", || async { pushes(&scene).await.iter().all(|(state, _)| state == "done") }).await;
    assert_eq!(sshd.names("vers-partenaire").len(), 9);
    scene.until("it is back", || async { metric(&scene, "passerelle_drop_partners_dark").await == 0 }).await;
}

#[tokio::test]
async fn a_try_that_broke_off_is_replaced_by_the_next_under_the_same_name() {
    let (scene, sshd, caf) = with_the_caisse(READS).await;
    // What a crash between upload and rename leaves, and what one between two renames does.
    sshd.put("vers-partenaire/departement-31_0000000001_001.csv.0badc0ffee00.part", b"half");
    sshd.put("vers-partenaire/departement-31_0000000001_001.csv", b"of a try before");
    // A piece of it that does not leave any more.
    sshd.put("vers-partenaire/departement-31_0000000001_002.pdf", b"withdrawn since");
    sshd.close_folder("vers-partenaire", true);
    let id = scene.accepted(ASE, &requests::placement()).await;
    scene.until("it cannot be left", || async { pushes(&scene).await[0].1 == "server-refuses" }).await;
    let tries = tries(&scene).await;
    scene.clock.advance(std::time::Duration::from_secs(601));
    scene.until("nor at another try", || async { self::tries(&scene).await > tries }).await;
    sshd.close_folder("vers-partenaire", false);
    in_time(&scene, "it is there", || left(&sshd, 1)).await;
    let (_, files) = caf.received(&sshd, 1, &keys(&scene).await);
    assert!(String::from_utf8(files[0].clone()).unwrap().contains(&id));
    scene.until("it is done", || async { pushes(&scene).await[0].0 == "done" }).await;
    assert_eq!((sshd.names("vers-partenaire").len(), left(&sshd, 2)), (3, false), "one drop, under one number, and nothing beside it");
    let delivered = events(&scene, &id).await.into_iter().filter(|event| event == "exchange.delivered").count();
    assert_eq!(delivered, 1, "written down once, whatever the number of tries");
}

#[tokio::test]
async fn a_folder_that_nobody_empties_is_told_of_in_time() {
    let (scene, sshd, _) = with_the_caisse(READS).await;
    assert_eq!(metric(&scene, "passerelle_drop_folders_full").await, 0);
    let file = |n: usize| sshd.path("srv/vers-partenaire").join(format!("departement-31_{n:010}_001.csv"));
    for n in 0..=gateway::drops::CROWDED {
        fs::write(file(1_000_000 + n), b"").unwrap();
    }
    scene.until("it shows", || async { metric(&scene, "passerelle_drop_folders_full").await == 1 }).await;
    let said = run(&["check", "--config", path(&scene.world.config())], &[], None).await.done();
    assert!(said.out.contains("caf-31") && said.out.contains("vidé par personne"), "{}", said.out);
    fs::remove_file(file(1_000_000)).unwrap();
    scene.until("it is over", || async { metric(&scene, "passerelle_drop_folders_full").await == 0 }).await;
}

/// A server that takes the connection and says nothing.
#[tokio::test]
async fn a_stop_waits_for_no_partner_that_hangs_and_the_next_start_takes_up_what_was_left() {
    let (sshd, hospital) = (Sshd::start(), Office::new("chu-toulouse"));
    let stage = Stage::new(|_| {});
    hospital_is_known(&stage.world, &sshd, &hospital);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let file = stage.world.folder.join("sftp/partners/chu-toulouse.toml");
    let ports = [sshd.port(), silent.local_addr().unwrap().port()].map(|port| format!("port = {port}\n"));
    replaced(&file, &ports[0], &ports[1]);
    hospital.leave(&sshd, 1, &[("csv", PRODUCT)], By::System);
    let mut gateway = stage.start().await;
    let _hangs = silent.accept().await.unwrap();
    let since = std::time::Instant::now();
    gateway.stop().await;
    assert!(since.elapsed() < std::time::Duration::from_secs(7), "{:?}", since.elapsed());
    replaced(&file, &ports[1], &ports[0]);
    gateway = stage.start().await;
    let keys = stage.crip().get("/v1/keys").await.unwrap();
    wait_until(|| hospital.answer(&sshd, 1, &keys).is_some() && sshd.names("depuis-partenaire").is_empty(), 60).await;
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_that_could_not_be_given_is_given_later_and_nothing_is_taken_twice() {
    let (scene, sshd, hospital) = with_the_hospital().await;
    sshd.close_folder("vers-partenaire", true);
    hospital.leave(&sshd, 1, &[("csv", PRODUCT)], By::System);
    scene.until("it is taken", || async { received(&scene).await == 2 }).await;
    looks(&sshd, &scene).await;
    assert_eq!((received(&scene).await, sshd.names("depuis-partenaire").len()), (2, 3), "not answered, so not put away");
    sshd.close_folder("vers-partenaire", false);
    let keys = keys(&scene).await;
    scene.until("it is answered", || async { hospital.answer(&sshd, 1, &keys).is_some() }).await;
    scene.until("it is put away", || async { sshd.names("depuis-partenaire").is_empty() }).await;
    assert_eq!((received(&scene).await, exchanges(&hospital.answer(&sshd, 1, &keys).unwrap()).len()), (2, 2));
}

#[tokio::test]
async fn another_host_key_gets_nothing() {
    let (scene, mut sshd, _) = with_the_caisse(READS).await;
    let suspect = metric(&scene, "passerelle_drops_suspect_total").await;
    sshd.change_host_key();
    scene.accepted(ASE, &requests::placement()).await;
    scene.until("it is noticed", || async { pushes(&scene).await[0].1 == "host-key" }).await;
    assert!(metric(&scene, "passerelle_drops_suspect_total").await > suspect);
    assert_eq!(sshd.names("vers-partenaire"), [""; 0]);
    let said = run(&["check", "--config", path(&scene.world.config())], &[], None).await.done();
    assert!(said.out.contains("caf-31") && said.out.contains("host_key"), "{}", said.out);
}

/// Killed at any instant, with a server of its own and the clock of the wall: nothing is lost and nothing doubled.
#[tokio::test]
async fn whoever_is_killed_while_drops_come_takes_each_once() {
    let (sshd, hospital) = (Sshd::start(), Office::new("chu-toulouse"));
    let stage = Stage::new(|_| {});
    hospital_is_known(&stage.world, &sshd, &hospital);
    let mut gateway = stage.start().await;
    let keys = stage.crip().get("/v1/keys").await.unwrap();
    for sequence in 1..=DROPS {
        hospital.leave(&sshd, sequence, &[("csv", PRODUCT)], By::System);
        // Somewhere between its first look and the last move: what is waited for here is an instant, not a condition.
        tokio::time::sleep(std::time::Duration::from_millis(sequence * 173 % 1_100)).await;
        gateway.kill().await;
        gateway = stage.start().await;
    }
    let all = || (1..=DROPS).all(|sequence| hospital.answer(&sshd, sequence, &keys).is_some());
    wait_until(|| all() && sshd.names("depuis-partenaire").is_empty(), 60).await;
    let mut ids: Vec<_> = (1..=DROPS).flat_map(|sequence| exchanges(&hospital.answer(&sshd, sequence, &keys).unwrap())).collect();
    ids.sort();
    ids.dedup();
    let page = stage.crip().get("/v1/mailbox?unit=crip&limit=200").await.unwrap();
    let waiting = page["deliveries"].as_array().unwrap().len();
    assert_eq!((ids.len() as u64, waiting as u64), (DROPS * 2, DROPS * 2));
    gateway.stop().await;
}

/// Drops, and kills, of that test.
const DROPS: u64 = 6;

async fn wait_until(holds: impl Fn() -> bool, seconds: u64) {
    for _ in 0..seconds * 10 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("never");
}

const PRODUCT: &[u8] = include_bytes!("../../adapters/vectors/departement/exemple-a.csv");

/// An endpoint whose system reads, under an agreement in force.
const READS: &str = r#"{ url = "sftp:caf-31", system = true, reader = "s-caf-31", agreement = "l00-caf" }"#;

/// A scene in which the caisse exchanges files, with this endpoint.
async fn with_the_caisse(push: &str) -> (Scene, Sshd, Office) {
    with_the_caisse_and(push, |_| {}).await
}

async fn with_the_caisse_and(push: &str, more: impl FnOnce(&World)) -> (Scene, Sshd, Office) {
    let (sshd, caf) = (Sshd::start(), Office::new("caf-31"));
    let scene = Scene::start_with(|world| {
        let file = world.folder.join("directory/institutions/social.toml");
        let told = r#"push = { url = "https://echanges.caf-31.example/passerelle", system = false }"#;
        replaced(&file, told, &format!("push = {push}"));
        let system = "\n[[professional]]\nsub = \"s-caf-31\"\ninstitution = \"caf-31\"\nunits = [\"prestations\"]\nprofession = \"systeme\"\n\
                      secrecy = \"fonction\"\nprotection = \"none\"\n\n[[professional.habilitation]]\nunit = \"prestations\"\nfrom = 2025-01-01\n";
        let file = world.folder.join("directory/professionals/autres.toml");
        let people = fs::read_to_string(&file).unwrap();
        fs::write(file, people + system).unwrap();
        more(world);
        let more = "unit = \"prestations\"\nrecipient = { institution = \"departement-31\", unit = \"ase\" }\nagreement = \"l00-caf\"\n\
                    format = \"caf\"\nform = \"csv\"";
        caf.known_to(world, &sshd, CAF.1, more);
    })
    .await;
    (scene, sshd, caf)
}

/// A scene in which a product of the hospital leaves files.
async fn with_the_hospital() -> (Scene, Sshd, Office) {
    let (sshd, hospital) = (Sshd::start(), Office::new("chu-toulouse"));
    let scene = Scene::start_with(|world| hospital_is_known(world, &sshd, &hospital)).await;
    (scene, sshd, hospital)
}

fn hospital_is_known(world: &World, sshd: &Sshd, hospital: &Office) {
    let more = "unit = \"urgences-pediatriques\"\nrecipient = { institution = \"departement-31\", unit = \"crip\" }\n\
                format = \"mapping\"\nform = \"csv\"\nmappings = [\"exemple-a.toml\"]";
    hospital.known_to(world, sshd, HOSPITAL.1, more);
    let mapping = include_str!("../../adapters/vectors/departement/exemple-a.toml");
    fs::write(world.folder.join("sftp/partners/exemple-a.toml"), mapping).unwrap();
}

fn replaced(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from));
    fs::write(file, text.replace(from, to)).unwrap();
}

/// Whether a drop of this number is there for the partner.
fn left(sshd: &Sshd, sequence: u64) -> bool {
    sshd.names("vers-partenaire").contains(&format!("departement-31_{sequence:010}.manifeste.jws"))
}

/// Lets the longest pause between two tries pass, now and then, until it holds.
async fn in_time(scene: &Scene, what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6 {
        scene.clock.advance(std::time::Duration::from_secs(601));
        for _ in 0..80 {
            if holds() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    }
    panic!("never: {what}");
}

async fn keys(scene: &Scene) -> Value {
    scene.acting(ASE).get("/v1/keys").await.unwrap()
}

/// What came to the CRIP.
async fn received(scene: &Scene) -> usize {
    scene.waiting(&scene.acting(CRIP), "crip").await.len()
}

/// Waits for two more looks into the folder of the partner; gives how many there were.
async fn looks(sshd: &Sshd, scene: &Scene) -> usize {
    let before = sshd.looks();
    scene.until("two more looks", || async { sshd.looks() >= before + 2 }).await;
    sshd.looks()
}

/// How often anything was tried.
async fn tries(scene: &Scene) -> i64 {
    let mut database = scene.database(Part::Gateway).await;
    let statement = "SELECT CAST(COALESCE(SUM(attempts), 0) AS BIGINT) AS tries FROM delivery";
    sqlx::query(statement).fetch_one(&mut database).await.unwrap().get("tries")
}

async fn opened_by(scene: &Scene, exchange: &str) -> String {
    let mut database = scene.database(Part::Gateway).await;
    let statement = "SELECT COALESCE(opened_by, '') AS by_whom FROM delivery WHERE exchange_id = $1";
    sqlx::query(statement).bind(exchange.to_owned()).fetch_one(&mut database).await.unwrap().get("by_whom")
}

/// State and last fault of every push, in the order of arrival.
async fn pushes(scene: &Scene) -> Vec<(String, String)> {
    let mut database = scene.database(Part::Gateway).await;
    let statement = "SELECT push, COALESCE(last_fault, '') AS fault FROM delivery ORDER BY arrival";
    let rows = sqlx::query(statement).fetch_all(&mut database).await.unwrap();
    rows.iter().map(|row| (row.get("push"), row.get("fault"))).collect()
}

async fn events(scene: &Scene, exchange: &str) -> Vec<String> {
    let entries = scene.rooms().store.entries_of(exchange.parse().unwrap()).await.unwrap();
    entries.into_iter().filter(|entry| entry.index.is_some()).map(|entry| entry.event).collect()
}

async fn metric(scene: &Scene, name: &str) -> u64 {
    let metrics = scene.local("/metrics").await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("`{name}` is not on the board: {metrics}")).parse::<f64>().unwrap() as u64
}
