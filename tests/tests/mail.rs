//! Secure mail, with Exim and Dovecot that nobody here wrote: what leaves is what the partner's system may read, after that is signed,
//! and never in clear; what comes is taken once or laid aside with its reason; nobody is left in silence.
#![cfg(feature = "mail")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::Path, time::Duration};

use adapters::{health::Context, xdm};
use base64::{Engine, engine::general_purpose::STANDARD};
use gateway::{
    demo::{SECRETS, World, requests},
    store::Part,
};
use mail_parser::{Message, MessageParser};
use serde_json::{Value, json};
use sqlx::Row;
use tests::{
    Scene,
    cli::{path, run},
    people::*,
    post_office::{GATEWAY, Manner, PARTNER, PostOffice},
    stage::Stage,
    text,
};

#[tokio::test]
async fn a_placement_leaves_for_the_mailbox_of_a_system_and_its_notice_is_told() {
    let (scene, office) = with_the_caisse(READS).await;
    let id = scene.accepted(ASE, &requests::placement()).await;
    scene.until("the mail is there", || async { office.lying(PARTNER, "").len() == 1 }).await;
    let mail = office.lying(PARTNER, "").remove(0);
    let read = parsed(&mail);
    // Nobody is named outside the archive.
    let outside = String::from_utf8(mail.clone()).unwrap();
    for secret in SECRETS.into_iter().chain(["FICTIVE", "Barnabé", "375-5", "notification-placement", "caf-31"]) {
        assert!(!outside.contains(secret), "{secret}");
    }
    assert_eq!(read.subject(), Some("XDM/1.0/DDM+Document sécurisé"));
    assert_eq!(read.header_raw("Disposition-Notification-To").map(str::trim), Some(format!("<{GATEWAY}>").as_str()));
    // What the archive holds is the exchange.
    let archive = archive_of(&read);
    let back = xdm::read(&archive, &context(), "information-preoccupante").unwrap();
    let all = String::from_utf8_lossy(&back.letters[0].attachments[0]).into_owned();
    assert!(all.contains("FICTIVE") && all.contains("375-5"), "{all}");
    // Hidden from the guardians, as R55 asks where their being told is not written, or something is withheld from the reader.
    let metadata = unzipped(&archive, "IHE_XDM/SUBSET01/METADATA.XML");
    assert!(metadata.contains("INVISIBLE_REPRESENTANTS_LEGAUX") && !metadata.contains("FICTIVE"), "{metadata}");
    // Signed before it left; handed over is neither opened nor acknowledged.
    scene.until("it is written down", || async { events(&scene, &id).await.contains(&"push.sent".to_owned()) }).await;
    assert!(events(&scene, &id).await.contains(&"exchange.delivered".to_owned()));
    assert_eq!(opened_by(&scene, &id).await, "");

    // A notice of somebody else's, about a mail that we never sent, tells nothing.
    office.post(PARTNER, &notice_about("somebody-elses@departement-31.mssante.example", "displayed"));
    scene.until("it is laid aside", || async { office.lying(GATEWAY, "A-examiner").len() == 2 }).await;
    assert_eq!(fate(&scene, ASE, &id).await, Value::Null);
    // The partner's own is told, the first and what is more than it; the same again changes nothing.
    let name = read.message_id().unwrap();
    for (said, known) in [("processed", "processed"), ("displayed", "displayed"), ("displayed", "displayed"), ("processed", "displayed")] {
        office.post(PARTNER, &notice_about(name, said));
        scene.until("it is read", || async { office.lying(GATEWAY, "").is_empty() }).await;
        scene.until("it is told", || async { fate(&scene, ASE, &id).await == known }).await;
    }
    assert_eq!(opened_by(&scene, &id).await, "", "a notice is nobody's opening");
    assert!(scene.task(ASE, &id, "courriel-non-remis").await.is_none());
}

#[tokio::test]
async fn what_no_system_may_read_leaves_as_a_notice_without_content() {
    for push in [
        r#"{ url = "mssante:caf-31" }"#,
        r#"{ url = "mssante:caf-31", system = true, reader = "s-caf-31", agreement = "p25-caf-service-social" }"#,
    ] {
        let (scene, office) = with_the_caisse(push).await;
        let id = scene.accepted(ASE, &requests::placement()).await;
        scene.until("the mail is there", || async { office.lying(PARTNER, "").len() == 1 }).await;
        let mail = office.lying(PARTNER, "").remove(0);
        let read = parsed(&mail);
        let words = format!("{} {}", read.subject().unwrap(), read.body_text(0).unwrap());
        assert_eq!(read.attachment_count(), 0);
        assert!(words.contains(&scene.delivery_of(CAF, "prestations", &id).await));
        for secret in SECRETS.into_iter().chain(["FICTIVE", "Barnabé", "375-5", "notification-placement", "departement-31/ase"]) {
            assert!(!words.contains(secret), "{secret}: {words}");
        }
        assert!(!events(&scene, &id).await.contains(&"exchange.delivered".to_owned()));
    }
}

#[tokio::test]
async fn an_operator_that_was_away_gets_everything_once_under_one_name() {
    let (scene, mut office) =
        with_the_caisse_and(READS, |world| replaced(&world.config(), "push_ms = 100", "push_ms = 20\npush_attempts = 2")).await;
    office.become_like(Manner::Busy);
    let id = scene.accepted(ASE, &requests::placement()).await;
    scene.until("not now", || async { pushes(&scene).await.iter().any(|(_, fault)| fault == "server-later") }).await;
    let name = names(&scene).await;
    office.close_exim();
    let more = scene.accepted(ASE, &requests::placement()).await;
    in_time(&scene, "nobody is there", || async { pushes(&scene).await.iter().all(|(_, fault)| fault == "unreachable") }).await;
    // More tries than a notice gets: none of them is given up.
    for _ in 0..3 {
        scene.clock.advance(Duration::from_secs(601));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(pushes(&scene).await.iter().all(|(state, _)| state == "waiting"), "{:?}", pushes(&scene).await);
    office.become_like(Manner::Honest);
    in_time(&scene, "all are there", || async { office.lying(PARTNER, "").len() == 2 }).await;
    scene.until("they are written down", || async { pushes(&scene).await.iter().all(|(state, _)| state == "done") }).await;
    let came: Vec<String> = office.lying(PARTNER, "").iter().map(|mail| parsed(mail).message_id().unwrap().to_owned()).collect();
    assert!(came.contains(&name[0]) && came[0] != came[1], "the name of the first try: {name:?} {came:?}");
    assert!(id != more && office.lying(PARTNER, "").len() == 2);
}

#[tokio::test]
async fn a_mailbox_that_is_refused_for_good_is_a_task() {
    let (scene, mut office) = with_the_caisse(READS).await;
    office.become_like(Manner::Closed);
    let id = scene.accepted(ASE, &requests::placement()).await;
    scene.until("it is told", || async { scene.task(ASE, &id, "courriel-non-remis").await.is_some() }).await;
    let task = scene.task(ASE, &id, "courriel-non-remis").await.unwrap();
    assert!(text(&task, "/title").contains("prévenir le destinataire autrement") && task["details"] == json!(["mail-refused"]), "{task}");
    assert_eq!(pushes(&scene).await, [("dead".to_owned(), "mail-refused".to_owned())]);
    scene.until("it is written down", || async { events(&scene, &id).await.contains(&"delivery.dead".to_owned()) }).await;
    let done = format!("/v1/follow-ups/{}/done", text(&task, "/follow_up"));
    scene.acting(ASE).post(&done, &json!({})).await.unwrap();
    assert!(scene.task(ASE, &id, "courriel-non-remis").await.is_none());
}

#[tokio::test]
async fn a_mail_that_bounces_or_is_thrown_away_is_a_task() {
    let (scene, office) = with_the_caisse(READS).await;
    for said in ["deleted", "processed/error: 902^x", "bounce"] {
        let id = scene.accepted(ASE, &requests::placement()).await;
        let name = || async { names_of(&scene, &id).await.first().cloned() };
        scene.until("it left", || async { pushes(&scene).await.iter().all(|(state, _)| state == "done") && name().await.is_some() }).await;
        let name = name().await.unwrap();
        match said {
            "bounce" => office.post("", &bounce_of(&name)),
            said => office.post(PARTNER, &notice_about(&name, said)),
        }
        scene.until(said, || async { scene.task(ASE, &id, "courriel-non-remis").await.is_some() }).await;
        assert_eq!(fate(&scene, ASE, &id).await, if said == "deleted" { "deleted" } else { "failed" });
    }
}

#[tokio::test]
async fn a_danger_of_which_no_notice_comes_is_asked_about() {
    let office = PostOffice::start();
    let scene = Scene::start_with(|world| {
        let file = world.folder.join("directory/institutions/justice.toml");
        replaced(&file, "id = \"permanence\"\n", "id = \"permanence\"\npush = { url = \"mssante:parquet-toulouse\" }\n");
        office.known_to(world, "parquet-toulouse", &format!("{FROM}notice_minutes = 60\n"));
    })
    .await;
    let told = scene.accepted(HOSPITAL, &requests::direct_signalement()).await;
    let silent = scene.accepted(HOSPITAL, &requests::direct_signalement()).await;
    scene.until("both left", || async { office.lying(PARTNER, "").len() == 2 && left(&scene).await == 2 }).await;
    assert!(String::from_utf8(office.lying(PARTNER, "").remove(0)).unwrap().contains("Importance: high"));
    let name = names_of(&scene, &told).await.remove(0);
    office.post(PARTNER, &notice_about(&name, "displayed"));
    scene.until("it is told", || async { disposition(&scene, &name).await == "displayed" }).await;
    scene.clock.advance(Duration::from_secs(59 * 60));
    looks(&scene, &office).await;
    assert!(scene.task(HOSPITAL, &silent, "courriel-sans-avis").await.is_none());
    scene.clock.advance(Duration::from_secs(2 * 60));
    scene.until("somebody is to ask", || async { scene.task(HOSPITAL, &silent, "courriel-sans-avis").await.is_some() }).await;
    assert!(scene.task(HOSPITAL, &told, "courriel-sans-avis").await.is_none());
    assert!(events(&scene, &silent).await.contains(&"follow-up.opened".to_owned()) || left(&scene).await == 2);
    assert_eq!(metric(&scene, "passerelle_mails_without_notice_total").await, 1);
}

#[tokio::test]
async fn nothing_ever_leaves_in_clear() {
    let (scene, mut office) = with_the_caisse(READS).await;
    office.become_like(Manner::Stripped);
    let id = scene.accepted(ASE, &requests::placement()).await;
    scene.until("it is noticed", || async { pushes(&scene).await[0].1 == "no-starttls" }).await;
    assert!(metric(&scene, "passerelle_mails_suspect_total").await > 0);
    assert_eq!((office.lying(PARTNER, "").len(), pushes(&scene).await[0].0.as_str()), (0, "waiting"));
    assert!(!events(&scene, &id).await.contains(&"exchange.delivered".to_owned()), "nothing was opened for it");
    assert!(names(&scene).await.is_empty());
    let said = run(&["check", "--config", path(&scene.world.config())], &[], None).await.done();
    assert!(said.out.contains("STARTTLS") && !said.out.contains("réception"), "{}", said.out);
    office.become_like(Manner::Honest);
    in_time(&scene, "it leaves", || async { office.lying(PARTNER, "").len() == 1 }).await;
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let (scene, mut office) = with_the_caisse(READS).await;
    office.change_authority();
    scene.accepted(ASE, &requests::placement()).await;
    scene.until("it is noticed", || async { pushes(&scene).await[0].1 == "certificate" }).await;
    office.hand_in(PARTNER, GATEWAY, &sent("m1", &vector(), ""));
    scene.until("it shows", || async { metric(&scene, "passerelle_mailbox_dark").await == 1 }).await;
    assert_eq!((office.lying(PARTNER, "").len(), office.lying(GATEWAY, "").len()), (0, 1));
    let log = office.log();
    assert!(!log.contains("A=plain") && !log.contains("Login: user"), "no password was shown to it: {log}");
    let said = run(&["check", "--config", path(&scene.world.config())], &[], None).await.done();
    assert!(said.out.contains("envoi") && said.out.contains("réception") && said.out.contains("mail.trust"), "{}", said.out);
}

#[tokio::test]
async fn an_archive_that_a_hospital_mails_is_accepted_once_and_answered() {
    let (scene, office) = with_the_hospital().await;
    let mail = sent("dossier-1", &vector(), "");
    office.post(PARTNER, &mail);
    scene.until("it is accepted", || async { received(&scene).await.len() == 1 }).await;
    scene.until("it is answered", || async { office.lying(PARTNER, "").len() == 1 }).await;
    scene.until("it is put away", || async { office.lying(GATEWAY, "Traite").len() == 1 }).await;
    let answer = office.lying(PARTNER, "").remove(0);
    let answer = parsed(&answer);
    let said = answer.parts.iter().find(|part| part.contents().starts_with(b"Reporting-UA")).unwrap();
    let said = xdm::disposition(said.contents()).unwrap();
    assert_eq!((said.original.as_deref(), said.what, said.failed), (Some("dossier-1@partenaire"), xdm::Disposed::Processed, None));
    assert_eq!(answer.header_raw("Auto-Submitted").map(str::trim), Some("auto-replied"));
    let id = text(&received(&scene).await[0], "/exchange");
    let read = scene.opened(CRIP, "crip", &id).await;
    assert_eq!((text(&read, "/sender/institution"), text(&read, "/sender/unit")), ("chu-toulouse".into(), "urgences-pediatriques".into()));
    // Nobody is named: the danger is accepted, and somebody is to say who it was.
    assert!(scene.task(HOSPITAL, &id, "identifier-auteur").await.is_some());

    // The same mail again: the same exchange, and the same answer under the same name.
    office.post(PARTNER, &mail);
    scene.until("it is put away", || async { office.lying(GATEWAY, "Traite").len() == 2 }).await;
    assert_eq!(received(&scene).await.len(), 1);
    scene.until("it is answered", || async { office.lying(PARTNER, "").len() == 2 }).await;
    let answers = office.lying(PARTNER, "");
    assert_eq!(parsed(&answers[0]).message_id(), parsed(&answers[1]).message_id());
    // Another one under the same name is another one.
    office.post(PARTNER, &sent("dossier-1", &vector_without_pdf(), ""));
    scene.until("it is accepted", || async { received(&scene).await.len() == 2 }).await;
    assert_eq!(office.lying(GATEWAY, "A-examiner").len(), 0);
}

#[tokio::test]
async fn an_answer_that_could_not_be_given_is_given_later_and_nothing_is_taken_twice() {
    let (scene, mut office) = with_the_hospital().await;
    // The mail lies there before anybody can answer.
    office.close_dovecot();
    office.post(PARTNER, &sent("dossier-2", &vector(), ""));
    office.close_exim();
    office.open_dovecot();
    patient(&scene, "it is accepted", || async { received(&scene).await.len() == 1 }).await;
    patient(&scene, "another look", || async { metric(&scene, "passerelle_mailbox_dark").await == 1 }).await;
    assert_eq!((office.lying(GATEWAY, "").len(), office.lying(GATEWAY, "Traite").len()), (1, 0), "not answered, so not put away");
    office.open_exim();
    patient(&scene, "it is put away", || async { office.lying(GATEWAY, "Traite").len() == 1 }).await;
    scene.until("it is answered", || async { office.lying(PARTNER, "").len() == 1 }).await;
    assert_eq!(received(&scene).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_taken_over_is_laid_aside_and_its_sender_told_why() {
    let (scene, office) = with_the_hospital().await;
    let torn = vector()[..200].to_vec();
    let bomb =
        b"From: <dpi@partenaire.mssante.example>\r\nMessage-ID: <parts@partenaire>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
            .to_vec();
    let bomb = [bomb, b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(5_000)].concat();
    let plain = b"From: <dpi@partenaire.mssante.example>\r\nMessage-ID: <plain@partenaire>\r\nSubject: Capucine FICTIVE\r\n\r\nBonjour\r\n"
        .to_vec();
    for (n, (mail, told)) in [
        (sent("torn", &torn, ""), Some("archive")),
        (plain, Some("IHE_XDM.zip")),
        // A sender that is not sure is not answered: nobody is told something that somebody else wrote.
        (bomb, None),
        (sent("twice", &vector(), "From: <other@partenaire.mssante.example>\r\n"), None),
    ]
    .into_iter()
    .enumerate()
    {
        let before = office.lying(PARTNER, "").len();
        office.post(PARTNER, &mail);
        scene.until("it is laid aside, with a note", || async { office.lying(GATEWAY, "A-examiner").len() == 2 * (n + 1) }).await;
        let expected = before + usize::from(told.is_some());
        scene.until("it is answered, or not", || async { office.lying(PARTNER, "").len() == expected }).await;
        let answers = office.lying(PARTNER, "");
        if let Some(told) = told {
            let answer = parsed(answers.last().unwrap());
            let words = answer.body_text(0).unwrap();
            assert!(answer.subject().unwrap().starts_with("[KO Intégration système !]") && words.contains(told), "{words}");
            assert!(!words.contains("FICTIVE") && !answer.subject().unwrap().contains("FICTIVE"));
        }
    }
    let notes = office.lying(GATEWAY, "A-examiner");
    let notes: Vec<_> =
        notes.iter().map(|mail| parsed(mail)).filter(|mail| mail.subject() == Some("Passerelle : courriel à examiner")).collect();
    assert_eq!(notes.len(), 4);
    assert!(notes.iter().all(|note| note.body_text(0).unwrap().contains('[')), "each says its code");
    assert!(received(&scene).await.is_empty() && office.lying(GATEWAY, "").is_empty());
    assert_eq!(metric(&scene, "passerelle_mails_set_aside_total").await, 4);
}

#[tokio::test]
async fn a_stranger_is_never_believed_nor_answered() {
    let (scene, office) = with_the_hospital().await;
    let suspect = metric(&scene, "passerelle_mails_suspect_total").await;
    let stranger = "x@ailleurs.example";
    let theirs = String::from_utf8(sent("fremd", &vector(), "")).unwrap().replace(PARTNER, stranger);
    office.post(stranger, theirs.as_bytes());
    scene.until("it is laid aside", || async { office.lying(GATEWAY, "A-examiner").len() == 2 }).await;
    // The partner's name in the letter, another one on the envelope.
    office.post(stranger, &sent("falsch", &vector(), ""));
    scene.until("it is laid aside", || async { office.lying(GATEWAY, "A-examiner").len() == 4 }).await;
    assert!(received(&scene).await.is_empty() && office.lying(PARTNER, "").is_empty());
    assert_eq!(metric(&scene, "passerelle_mails_suspect_total").await, suspect + 2);
    // A notice that is asked for elsewhere is sent to nobody; the danger counts all the same.
    let elsewhere = String::from_utf8(sent("um", &vector(), "")).unwrap();
    let elsewhere = elsewhere.replace(&format!("Notification-To: <{PARTNER}>"), "Notification-To: <dpi@ailleurs.example>");
    office.post(PARTNER, elsewhere.as_bytes());
    scene.until("it is accepted", || async { office.lying(GATEWAY, "Traite").len() == 1 }).await;
    assert_eq!((received(&scene).await.len(), office.lying(PARTNER, "").len()), (1, 0));
    // One that is larger than a mail may be.
    let large = vec![b'x'; 3 << 20];
    office.post(PARTNER, &sent("gross", &large, ""));
    scene.until("it is laid aside", || async { office.lying(GATEWAY, "A-examiner").len() == 6 }).await;
    let told = || office.lying(PARTNER, "").iter().any(|mail| parsed(mail).body_text(0).unwrap().contains("2 Mio"));
    scene.until("its sender is told", || async { told() }).await;
}

/// Killed at any instant, with servers of its own and the clock of the wall: nothing is lost, nothing doubled, and a mail that went
/// twice is known by its name.
#[tokio::test]
async fn whoever_is_killed_while_mails_come_and_go_takes_and_sends_each_under_one_name() {
    let office = PostOffice::start();
    let stage = Stage::new(|_| {});
    let world = &stage.world;
    let file = world.folder.join("directory/institutions/departement-31.toml");
    replaced(&file, "id = \"crip\"\n", "id = \"crip\"\npush = { url = \"mssante:departement-31\" }\n");
    office.known_to(world, "departement-31", FROM);
    let hospital = format!("institution = \"chu-toulouse\"\nmailbox = \"{HOSPITALS}\"\nunit = \"urgences-pediatriques\"\n{FROM}");
    fs::write(world.folder.join("mail/partners/chu-toulouse.toml"), hospital).unwrap();
    let mut gateway = stage.start().await;
    for n in 1..=KILLS {
        let mail = String::from_utf8(sent(&format!("kill-{n}"), &vector(), "")).unwrap().replace(PARTNER, HOSPITALS);
        office.hand_in(HOSPITALS, GATEWAY, mail.as_bytes());
        // Somewhere between its first look and the last move: what is waited for here is an instant, not a condition.
        tokio::time::sleep(Duration::from_millis(n * 173 % 1_300)).await;
        gateway.kill().await;
        gateway = stage.start().await;
    }
    for _ in 0..600 {
        if office.lying(GATEWAY, "Traite").len() as u64 == KILLS && distinct(&office) as u64 == KILLS {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let page = stage.crip().get("/v1/mailbox?unit=crip&limit=200").await.unwrap();
    let waiting = page["deliveries"].as_array().unwrap().len() as u64;
    assert_eq!(
        (waiting, distinct(&office) as u64, office.lying(GATEWAY, "Traite").len() as u64),
        (KILLS, KILLS, KILLS),
        "{}",
        office.log()
    );
    assert_eq!(office.lying(GATEWAY, "A-examiner").len(), 0);
    gateway.stop().await;
}

/// Mails, and kills, of that test.
const KILLS: u64 = 6;
/// The mailbox of the hospital where the partner's is another's.
const HOSPITALS: &str = "hopital@hopital.mssante.example";
/// An endpoint whose system reads, under an agreement in force.
const READS: &str = r#"{ url = "mssante:caf-31", system = true, reader = "s-caf-31", agreement = "l00-caf" }"#;
/// What a partner's file says of its mails.
const FROM: &str = "recipient = { institution = \"departement-31\", unit = \"crip\" }\notherwise = \"information-preoccupante\"\n";

/// How many names the notices have that lie in the partner's mailbox.
fn distinct(office: &PostOffice) -> usize {
    let mut names: Vec<String> =
        office.lying(PARTNER, "").iter().map(|mail| parsed(mail).message_id().unwrap_or_default().to_owned()).collect();
    names.sort();
    names.dedup();
    names.len()
}

async fn with_the_caisse(push: &str) -> (Scene, PostOffice) {
    with_the_caisse_and(push, |_| {}).await
}

async fn with_the_caisse_and(push: &str, more: impl FnOnce(&World)) -> (Scene, PostOffice) {
    let office = PostOffice::start();
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
        office.known_to(world, "caf-31", FROM);
    })
    .await;
    (scene, office)
}

async fn with_the_hospital() -> (Scene, PostOffice) {
    let office = PostOffice::start();
    let scene =
        Scene::start_with(|world| office.known_to(world, "chu-toulouse", &format!("unit = \"urgences-pediatriques\"\n{FROM}"))).await;
    (scene, office)
}

fn vector() -> Vec<u8> {
    include_bytes!("../../adapters/vectors/xdm/IHE_XDM.zip").to_vec()
}

/// Another archive about the same.
fn vector_without_pdf() -> Vec<u8> {
    let document = json!({"type": "information-preoccupante", "payload": {"texte_libre": "Un autre jour."},
        "subjects": [{"ref": "s1", "role": "enfant", "birth_name": "FICTIVE", "given_names": ["Capucine"], "sex": "F", "birth_date": "2014-02-27"}]});
    let issue = xdm::Issue {
        id: "0190b8c5-0000-7000-8000-0000000000d1",
        at: tests::NOW.parse().unwrap(),
        from: "Hôpital inventé",
        title: "Information préoccupante",
    };
    xdm::write(&document, &issue, &[]).unwrap()
}

/// A mail with an archive, as a hospital's program writes it.
fn sent(id: &str, archive: &[u8], more: &str) -> Vec<u8> {
    let encoded = STANDARD.encode(archive);
    let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "From: DPI inventé <{PARTNER}>\r\n{more}To: <{GATEWAY}>\r\nSubject: XDM/1.0/DDM+Information FICTIVE Capucine\r\n\
         Message-ID: <{id}@partenaire>\r\nDisposition-Notification-To: <{PARTNER}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"limite\"\r\n\r\n--limite\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBonjour\r\n\
         --limite\r\nContent-Type: application/zip; name=\"IHE_XDM.zip\"\r\nContent-Disposition: attachment; filename=\"IHE_XDM.zip\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--limite--\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
}

fn notice_about(id: &str, said: &str) -> Vec<u8> {
    format!(
        "From: <{PARTNER}>\r\nTo: <{GATEWAY}>\r\nSubject: Avis\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=disposition-notification; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nLu.\r\n\
         --b\r\nContent-Type: message/disposition-notification\r\n\r\nReporting-UA: dpi\r\nFinal-Recipient: rfc822;{PARTNER}\r\n\
         Original-Message-ID: <{id}>\r\nDisposition: automatic-action/MDN-sent-automatically; {said}\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

fn bounce_of(id: &str) -> Vec<u8> {
    format!(
        "From: Mailer-Daemon <mailer-daemon@mx.mssante.example>\r\nTo: <{GATEWAY}>\r\nSubject: failed\r\nAuto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n--b\r\n\
         Content-Type: text/plain\r\n\r\nx\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n\
         Final-Recipient: rfc822;{PARTNER}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
         From: <{GATEWAY}>\r\nMessage-ID: <{id}>\r\nSubject: x\r\n\r\n--b--\r\n"
    )
    .into_bytes()
}

fn parsed(mail: &[u8]) -> Message<'_> {
    MessageParser::default().parse(mail).unwrap()
}

fn archive_of(mail: &Message<'_>) -> Vec<u8> {
    assert_eq!(mail.attachment_count(), 1);
    mail.attachment(0).unwrap().contents().to_vec()
}

fn context() -> Context {
    let party = |institution: &str| exchange::Party { institution: institution.parse().unwrap(), unit: None };
    Context { sender: party("departement-31"), recipient: party("caf-31"), purpose: None, legal_basis: Vec::new(), health_leg: false }
}

/// A file of an archive, as Python finds it.
fn unzipped(archive: &[u8], name: &str) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), archive).unwrap();
    let program = "import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))";
    let done = std::process::Command::new("python3").args(["-c", program]).arg(file.path()).arg(name).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn replaced(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// Lets the longest pause between two tries pass, now and then, until it holds.
async fn in_time<F: Future<Output = bool>>(scene: &Scene, what: &str, holds: impl Fn() -> F) {
    for _ in 0..8 {
        scene.clock.advance(Duration::from_secs(601));
        for _ in 0..80 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
    panic!("never: {what}");
}

/// Waits for longer than one look that failed lets pass.
async fn patient<F: Future<Output = bool>>(scene: &Scene, what: &str, holds: impl Fn() -> F) {
    for _ in 0..5 {
        for _ in 0..400 {
            if holds().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
    panic!("never: {what} ({})", scene.now());
}

/// Waits until a mail that came after this was looked at.
async fn looks(scene: &Scene, office: &PostOffice) {
    let before = office.lying(GATEWAY, "Traite").len();
    let waits = String::from_utf8(bounce_of("x@y")).unwrap().replace("Action: failed", "Action: delayed");
    office.post("", waits.as_bytes());
    scene.until("a look", || async { office.lying(GATEWAY, "Traite").len() > before }).await;
}

async fn received(scene: &Scene) -> Vec<Value> {
    scene.waiting(&scene.acting(CRIP), "crip").await
}

/// What the timeline says became of the mail.
async fn fate(scene: &Scene, who: (&str, &str), exchange: &str) -> Value {
    let timeline = scene.acting(who).get(&format!("/v1/exchanges/{exchange}")).await.unwrap();
    timeline["deliveries"][0]["mail"]["disposition"].clone()
}

async fn opened_by(scene: &Scene, exchange: &str) -> String {
    let mut database = scene.database(Part::Gateway).await;
    let statement = "SELECT COALESCE(opened_by, '') AS by_whom FROM delivery WHERE exchange_id = $1";
    sqlx::query(statement).bind(exchange.to_owned()).fetch_one(&mut database).await.unwrap().get("by_whom")
}

/// State and last fault of every push, in the order of arrival.
async fn pushes(scene: &Scene) -> Vec<(String, String)> {
    let mut database = scene.database(Part::Gateway).await;
    let statement = "SELECT push, COALESCE(last_fault, '') AS fault FROM delivery WHERE push <> 'none' ORDER BY arrival";
    let rows = sqlx::query(statement).fetch_all(&mut database).await.unwrap();
    rows.iter().map(|row| (row.get("push"), row.get("fault"))).collect()
}

async fn names(scene: &Scene) -> Vec<String> {
    let mut database = scene.database(Part::Gateway).await;
    let rows = sqlx::query("SELECT message_id FROM mail_sent ORDER BY named_at").fetch_all(&mut database).await.unwrap();
    rows.iter().map(|row| row.get("message_id")).collect()
}

async fn names_of(scene: &Scene, exchange: &str) -> Vec<String> {
    let mut database = scene.database(Part::Gateway).await;
    let statement = "SELECT m.message_id AS name FROM mail_sent m JOIN delivery d ON d.id = m.delivery_id WHERE d.exchange_id = $1 AND m.sent_at IS NOT NULL";
    let rows = sqlx::query(statement).bind(exchange.to_owned()).fetch_all(&mut database).await.unwrap();
    rows.iter().map(|row| row.get("name")).collect()
}

/// How many mails the operator took over.
async fn left(scene: &Scene) -> i64 {
    let mut database = scene.database(Part::Gateway).await;
    sqlx::query("SELECT COUNT(*) AS n FROM mail_sent WHERE sent_at IS NOT NULL").fetch_one(&mut database).await.unwrap().get("n")
}

async fn disposition(scene: &Scene, name: &str) -> String {
    let mut database = scene.database(Part::Gateway).await;
    let statement = "SELECT COALESCE(disposition, '') AS said FROM mail_sent WHERE message_id = $1";
    sqlx::query(statement).bind(name.to_owned()).fetch_one(&mut database).await.unwrap().get("said")
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
