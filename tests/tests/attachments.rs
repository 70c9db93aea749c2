//! Attachments over the wire: streamed in and out, sealed at rest, handed to whom may read the class of the file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fmt::Write as _, path::PathBuf};

use exchange::DataClass;
use gateway::{
    client::{self, Client, Enclosure},
    demo::{envelopes, requests},
    flows::sweep,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tests::{Problem, Scene, people::*, scene::problem, text};

#[tokio::test]
async fn a_file_comes_and_goes_byte_for_byte_and_lies_in_no_clear() {
    let scene = Scene::start().await;
    let content = content(3 * 1024 * 1024 + 17);
    let file = written(&scene, "constats d’Élodie <script>.pdf", &content);
    let (id, _) = sent(&scene, HOSPITAL, envelopes::of_the_hospital(), &[(&file, DataClass::Sante)]).await.unwrap();

    // The document says what it is, to whom may know, and where it is to be had.
    let document = scene.opened(CRIP, "crip", &id).await;
    let described = &document["attachments"][0];
    assert_eq!((text(described, "/class"), text(described, "/media_type")), ("sante".into(), "application/pdf".into()));
    assert_eq!(described["size"], content.len());
    let path = text(described, "/content");
    let answer = scene.acting(CRIP).request(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    // Whatever it is called and said to be, a browser neither shows nor runs it.
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-store");
    let disposition = header("content-disposition");
    assert!(disposition.starts_with("attachment; filename=\"constats d__lodie _script_.pdf\""), "{disposition}");
    assert_eq!(header("etag").trim_matches('"'), text(described, "/sha256"));
    assert!(answer.bytes().await.unwrap() == content, "other bytes than were sent");

    // An opening of its own, with what was read.
    let entries = scene.rooms().store.entries_of(id.parse().unwrap()).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.event == "exchange.opened").count(), 2);
    // At rest neither content nor name nor digest.
    let digest = text(described, "/sha256");
    let needles: [&[u8]; 4] = [&content[1000..1032], &content[2_000_000..2_000_032], "Élodie".as_bytes(), digest.as_bytes()];
    for entry in std::fs::read_dir(scene.world.folder.join("data")).unwrap() {
        let lying = std::fs::read(entry.unwrap().path()).unwrap();
        for needle in needles {
            assert!(!lying.windows(needle.len()).any(|window| window == needle), "something lies in clear");
        }
    }
}

#[tokio::test]
async fn a_fetch_goes_on_where_it_broke_off() {
    let scene = Scene::start().await;
    let content = content(1024 * 1024 + 300_000);
    let file = written(&scene, "photo.jpg", &content);
    let (id, _) = sent(&scene, HOSPITAL, envelopes::of_the_hospital(), &[(&file, DataClass::Sante)]).await.unwrap();
    let path = text(&scene.opened(CRIP, "crip", &id).await, "/attachments/0/content");
    let crip = scene.acting(CRIP);
    for (range, status, expected) in [
        ("bytes=0-0", 206, Some(0..1)),
        ("bytes=65535-65536", 206, Some(65535..65537)),
        ("bytes=1048570-", 206, Some(1_048_570..content.len())),
        ("bytes=1000-99999999", 206, Some(1000..content.len())),
        ("bytes=99999999-", 416, None),
        // What is no range of ours is the whole.
        ("bytes=5-2", 200, Some(0..content.len())),
        ("bytes=-5", 200, Some(0..content.len())),
        ("lines=1-2", 200, Some(0..content.len())),
    ] {
        let answer = crip.request(Method::GET, &path).header("range", range).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{range}");
        if let Some(expected) = expected {
            if status == 206 {
                let told = answer.headers()["content-range"].to_str().unwrap().to_owned();
                assert_eq!(told, format!("bytes {}-{}/{}", expected.start, expected.end - 1, content.len()));
            }
            assert!(answer.bytes().await.unwrap() == content[expected], "{range}");
        }
    }
    let to = scene.world.folder.join("fetched.jpg");
    let part = scene.world.folder.join("fetched.jpg.part");
    std::fs::write(&part, &content[..700_000]).unwrap();
    crip.fetch(&path, &to, |there, whole| assert!(there > 700_000 && whole == content.len() as u64)).await.unwrap();
    assert!(std::fs::read(&to).unwrap() == content && !part.exists());
    // Everything was there but the name.
    std::fs::remove_file(&to).unwrap();
    std::fs::write(&part, &content).unwrap();
    crip.fetch(&path, &to, |_, _| {}).await.unwrap();
    // What lies there is something else: found out, taken away, fetched anew.
    std::fs::remove_file(&to).unwrap();
    std::fs::write(&part, vec![0; 1000]).unwrap();
    assert!(crip.fetch(&path, &to, |_, _| {}).await.is_err() && !to.exists());
    crip.fetch(&path, &to, |_, _| {}).await.unwrap();
    assert!(std::fs::read(&to).unwrap() == content);
}

#[tokio::test]
async fn a_file_is_there_for_nobody_but_its_readers() {
    let scene = Scene::start().await;
    let file = written(&scene, "a.pdf", b"%PDF");
    let (id, _) = sent(&scene, HOSPITAL, envelopes::of_the_hospital(), &[(&file, DataClass::Sante)]).await.unwrap();
    let path = text(&scene.opened(CRIP, "crip", &id).await, "/attachments/0/content");
    for who in [SCHOOL, HOSPITAL, TEACHER, MAGISTRATE, PMI, FORMER, DPO, CAF] {
        assert_eq!(scene.refused(&scene.acting(who), &path).await.status, 404, "{who:?}");
    }
    assert_eq!(scene.refused(&scene.institution("departement-31"), &path).await.code(), "token-missing");
    let top = path.rsplit_once('/').unwrap().0;
    for elsewhere in ["0", "1", "-1", "x", "4294967296", "0/0", "0123456789abcdef"] {
        assert_eq!(scene.refused(&scene.acting(CRIP), &format!("{top}/{elsewhere}")).await.status, 404, "{elsewhere}");
    }
    let head = scene.acting(CRIP).request(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::NOT_FOUND, "reading leaves an entry, asking without reading is nothing");
}

#[tokio::test]
async fn a_file_of_a_withheld_class_is_not_there() {
    let scene = Scene::start().await;
    let request = scene.accepted(EVALUATOR, &requests::to_the_school(&["scolarite.assiduite", "scolarite.lien-famille-ecole"])).await;
    let bulletin = written(&scene, "bulletin.pdf", b"bulletin");
    let (answer, _) = sent(&scene, HEADMASTER, requests::of_the_school(&request), &[(&bulletin, DataClass::Scolaire)]).await.unwrap();
    let document = scene.opened(EVALUATOR, "equipe-evaluation-nord", &answer).await;
    assert_eq!(fetched(&scene, EVALUATOR, &document, 0).await, b"bulletin");
    // An educator of the ASE reads neither health nor who reported: their files are not there, said or unsaid.
    let mut envelope = envelopes::of_the_hospital();
    envelope["recipient"] = json!({"institution": "departement-31", "unit": "ase"});
    let files: Vec<PathBuf> = ["social.pdf", "sante.pdf", "qui.pdf"].iter().map(|name| written(&scene, name, name.as_bytes())).collect();
    let classes = [DataClass::Social, DataClass::Sante, DataClass::Declarant];
    let files: Vec<_> = files.iter().zip(classes).collect();
    let (id, _) = sent(&scene, HOSPITAL, envelope, &files).await.unwrap();
    let document = scene.opened(ASE, "ase", &id).await;
    assert_eq!(document["attachments"].as_array().unwrap().len(), 1, "{document}");
    assert_eq!(fetched(&scene, ASE, &document, 0).await, b"social.pdf");
    assert!(document["withheld"].to_string().contains("sante") && !document.to_string().contains("qui.pdf"));
    // Their addresses, as one who may read them has them, lead this reader nowhere; and no place in an address counts them.
    let delivery = text(&document, "/delivery");
    for n in 0..3 {
        let name = scene.rooms().keystore.blind("attachment", &format!("{delivery} {n}")).unwrap()[..16].to_owned();
        let answer = scene.acting(ASE).request(Method::GET, &format!("/v1/mailbox/{delivery}/attachments/{name}")).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), if n == 0 { 200 } else { 404 }, "{n}");
    }
}

#[tokio::test]
async fn i03_a_danger_keeps_what_came_however_it_came() {
    let scene = Scene::start().await;
    // Listed and not sent: accepted, and said.
    let mut listed = envelopes::of_the_hospital();
    listed["attachments"] = json!([{"name": "absent.pdf", "class": "sante", "sha256": "0".repeat(64)}]);
    let id = scene.accepted(HOSPITAL, &listed).await;
    assert!(details(&scene, &id, "completer").await.contains(&"/attachments/0/content".to_owned()));
    let document = scene.opened(CRIP, "crip", &id).await;
    assert!(document["attachments"][0].get("content").is_none(), "nothing is offered that never came");
    // Sent and not listed, without a digest, with a wrong size: kept in the most protected class.
    let scene = Scene::start().await;
    let mut envelope = envelopes::of_the_hospital();
    envelope["attachments"] = json!([{"name": "a.pdf", "class": "sante", "size": 99, "sha256": digest(b"un")}]);
    let un = format!("{}@chu.example", digest(b"un").to_uppercase());
    let body = related(&envelope, &[(Some(un), b"un"), (None, b"deux"), (Some("photo".into()), b"")]);
    // Whatever the parts and their kind are called.
    let body = body.replace("Content-Type: application/json", "Content-Type: application/fhir+json");
    let deposit = scene.acting(HOSPITAL).request(Method::POST, "/v1/exchanges").header("idempotency-key", client::new_key().unwrap());
    let (status, answer) = scene.raw(deposit.header("content-type", "multipart/mixed; boundary=limite").body(body)).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let document = scene.opened(CRIP, "crip", &text(&answer, "/id")).await;
    let shown = document["attachments"].as_array().unwrap();
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert_eq!((&shown[0]["size"], &shown[1]["size"], &shown[2]["size"]), (&json!(2), &json!(4), &json!(0)));
    for (n, content) in [(0, &b"un"[..]), (1, b"deux"), (2, b"")] {
        assert_eq!(fetched(&scene, CRIP, &document, n).await, content, "{n}");
    }
    assert!(document["non_conforme"].to_string().contains("bad-size"), "{document}");
}

#[tokio::test]
async fn what_is_not_about_danger_says_precisely_what_is_wrong() {
    let scene = Scene::start().await;
    let request = scene.accepted(EVALUATOR, &requests::to_the_school(&["scolarite.assiduite", "scolarite.lien-famille-ecole"])).await;
    let mut envelope = requests::of_the_school(&request);
    envelope["attachments"] = json!([{"name": "bulletin.pdf", "class": "scolaire", "size": 3, "sha256": digest(b"abc")}]);
    let head = scene.acting(HEADMASTER);
    let refused = async |body: String| scene.raw(in_parts(&head, body)).await;
    for (what, parts, pointer, code) in [
        ("nothing came", vec![], "/attachments/0/content", "missing"),
        ("another came", vec![(None, &b"abd"[..])], "/attachments/0/content", "missing"),
        ("one more came", vec![(None, &b"abc"[..]), (None, b"x")], "/attachments", "unknown-field"),
    ] {
        let (status, problem) = refused(related(&envelope, &parts)).await;
        assert_eq!((status.as_u16(), text(&problem, "/code")), (422, "not-conforming".into()), "{what}: {problem}");
        assert_eq!((text(&problem, "/errors/0/pointer"), text(&problem, "/errors/0/code")), (pointer.into(), code.into()), "{what}");
    }
    let mut wrong = envelope.clone();
    wrong["attachments"][0]["size"] = json!(4);
    assert_eq!(text(&refused(related(&wrong, &[(None, b"abc")])).await.1, "/errors/0/code"), "bad-size");
    // Altered on the way, broken off, no parts at all, no envelope first.
    assert_eq!(text(&refused(related(&envelope, &[(Some(digest(b"abc")), b"abd")])).await.1, "/code"), "attachment-altered");
    let whole = related(&envelope, &[(None, b"abc")]);
    for (broken, code) in [
        (&whole[..whole.len() - 8], "attachments-malformed"),
        ("", "attachments-malformed"),
        ("--limite\r\nx: y\r\n\r\nabc\r\n--limite--\r\n", "unreadable"),
    ] {
        assert_eq!(text(&refused(broken.to_owned()).await.1, "/code"), code);
    }
    let odd = head.request(Method::POST, "/v1/exchanges").header("idempotency-key", client::new_key().unwrap());
    let odd = odd.header("content-type", "multipart/related").body(whole.clone());
    assert_eq!(text(&scene.raw(odd).await.1, "/code"), "attachments-malformed", "nothing says what divides it");
    // Nothing of all that is left behind.
    assert_eq!(kept(&scene).await, 0);
    assert_eq!(refused(whole).await.0, StatusCode::CREATED);
    assert_eq!(kept(&scene).await, 1);
}

#[tokio::test]
async fn too_large_and_too_many_are_refused_and_leave_nothing() {
    let scene = Scene::start_with(|world| {
        let config = world.config();
        let text = std::fs::read_to_string(&config).unwrap();
        let limits = if text.contains("[limits]") { "" } else { "\n[limits]\n" };
        let text = if limits.is_empty() {
            text.replace("[limits]", "[limits]\nattachment_mib = 1\nattachments = 2")
        } else {
            format!("{text}{limits}attachment_mib = 1\nattachments = 2\n")
        };
        std::fs::write(&config, text).unwrap();
    })
    .await;
    let large = written(&scene, "large.pdf", &content(1024 * 1024 + 1));
    let refusal = sent(&scene, HOSPITAL, envelopes::of_the_hospital(), &[(&large, DataClass::Sante)]).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code()), (413, "attachment-too-large"));
    let small = written(&scene, "small.pdf", &content(1024 * 1024));
    let three = [(&small, DataClass::Sante), (&small, DataClass::Sante), (&small, DataClass::Sante)];
    let refusal = sent(&scene, HOSPITAL, envelopes::of_the_hospital(), &three).await.unwrap_err();
    assert_eq!((refusal.status, refusal.code()), (413, "attachments-too-many"));
    assert_eq!(kept(&scene).await, 0);
    sent(&scene, HOSPITAL, envelopes::of_the_hospital(), &three[..1]).await.unwrap();
}

#[tokio::test]
async fn i02_a_repeat_keeps_nothing_twice_and_a_refusal_comes_before_the_files() {
    let scene = Scene::start().await;
    let file = written(&scene, "a.pdf", &content(2 * 1024 * 1024));
    let key = client::new_key().unwrap();
    let mut receipts = Vec::new();
    for _ in 0..3 {
        receipts.push(sent_under(&scene, HOSPITAL, envelopes::of_the_hospital(), &[(&file, DataClass::Sante)], &key).await.unwrap());
    }
    assert!(receipts.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(kept(&scene).await, 1);
    // The same envelope with other files, or without them, is another deposit: it is not answered with this receipt.
    let (other, none) = (written(&scene, "b.pdf", b"autre"), &[][..]);
    let mut envelope = envelopes::of_the_hospital();
    envelope["attachments"] = json!([Enclosure::of(&file, DataClass::Sante).await.unwrap().described()]);
    let others = [Enclosure::of(&other, DataClass::Sante).await.unwrap()];
    for files in [&others[..], none] {
        let again = problem(scene.acting(HOSPITAL).submit_with(&envelope, files, &key).await).unwrap_err();
        assert_eq!(again.code(), "idempotency-key-reused");
    }
    assert_eq!(problem(scene.acting(HOSPITAL).submit(&envelope, &key).await).unwrap_err().code(), "idempotency-key-reused");
    assert_eq!(kept(&scene).await, 1);
    let unknown = json!({"type": "inconnu"});
    assert_eq!(sent(&scene, HOSPITAL, unknown, &[(&file, DataClass::Sante)]).await.unwrap_err().code(), "unknown-type");
    assert_eq!(kept(&scene).await, 1);
}

#[tokio::test]
async fn the_copy_that_the_gateway_makes_brings_the_files_and_outlives_its_source() {
    let scene = Scene::start().await;
    let file = written(&scene, "certificat.pdf", b"certificat");
    let (signalement, _) = sent(&scene, HOSPITAL, requests::direct_signalement(), &[(&file, DataClass::Sante)]).await.unwrap();
    let waiting = scene.waiting(&scene.acting(CRIP), "crip").await;
    let copy = text(&waiting[0], "/exchange");
    let document = scene.opened(CRIP, "crip", &copy).await;
    assert_eq!(fetched(&scene, CRIP, &document, 0).await, b"certificat");
    assert_eq!(kept(&scene).await, 1, "the bytes lie there once");
    // Erased here, it is there for the other.
    let now = scene.now();
    scene.rooms().keys.destroy(signalement.parse().unwrap(), now, "essai").await.unwrap();
    sweep::finish_erasures(scene.rooms(), sweep::Walk::Recent).await.unwrap();
    assert_eq!(fetched(&scene, CRIP, &document, 0).await, b"certificat");
    scene.rooms().keys.destroy(copy.parse().unwrap(), now, "essai").await.unwrap();
    sweep::finish_erasures(scene.rooms(), sweep::Walk::Recent).await.unwrap();
    assert_eq!(kept(&scene).await, 0);
    let path = text(&document, "/attachments/0/content");
    assert_eq!(scene.refused(&scene.acting(CRIP), &path).await.code(), "erased");
}

#[tokio::test]
async fn what_a_crash_leaves_is_swept_and_nothing_else() {
    let mut scene = Scene::start().await;
    let file = written(&scene, "a.pdf", "gardé".as_bytes());
    let (id, _) = sent(&scene, HOSPITAL, envelopes::of_the_hospital(), &[(&file, DataClass::Sante)]).await.unwrap();
    scene.rooms().attachments.keep(exchange::AttachmentId::new(), 0, vec![1; 100], scene.now()).await.unwrap();
    assert_eq!(kept(&scene).await, 2);
    gateway::flows::sweep::collect_orphans(scene.rooms()).await.unwrap();
    assert_eq!(kept(&scene).await, 2, "it may still be under way");
    scene.travel("2026-11-26T10:30:00.000Z").await;
    // Another gateway's clock may be a day ahead: two hours of looks only doubt.
    for _ in 0..gateway::store::doubt::Doubts::LOOKS {
        gateway::flows::sweep::collect_orphans(scene.rooms()).await.unwrap();
        assert_eq!(kept(&scene).await, 2);
    }
    gateway::flows::sweep::collect_orphans(scene.rooms()).await.unwrap();
    assert_eq!(kept(&scene).await, 1);
    // What is gone is not begun again in its middle.
    let gone = exchange::AttachmentId::new();
    assert!(scene.rooms().attachments.keep(gone, 5, vec![1; 100], scene.now()).await.is_err());
    assert_eq!(kept(&scene).await, 1);
    let document = scene.opened(CRIP, "crip", &id).await;
    assert_eq!(fetched(&scene, CRIP, &document, 0).await, "gardé".as_bytes());
}

#[tokio::test]
async fn who_vanishes_while_sending_leaves_nothing() {
    let scene = Scene::start().await;
    let half = related(&envelopes::of_the_hospital(), &[(None, "a".repeat(3 * 1024 * 1024).as_bytes())]);
    let (sender, stream) = futures::channel::mpsc::unbounded::<Result<Vec<u8>, std::io::Error>>();
    sender.unbounded_send(Ok(half.as_bytes()[..half.len() - 100].to_vec())).unwrap();
    let deposit = in_parts(&scene.acting(HOSPITAL), String::new()).body(reqwest::Body::wrap_stream(stream));
    let sending = tokio::spawn(deposit.send());
    scene.until("a block is kept", async || kept(&scene).await == 1).await;
    sending.abort();
    drop(sender);
    scene.until("it is taken away", async || kept(&scene).await == 0).await;
}

#[tokio::test]
async fn i01_whoever_hangs_up_during_acceptance_finds_the_file_at_the_repeat() {
    let scene = Scene::start().await;
    let file = written(&scene, "a.pdf", b"certificat");
    let files = [Enclosure::of(&file, DataClass::Sante).await.unwrap()];
    let mut envelope = envelopes::of_the_hospital();
    envelope["attachments"] = json!([files[0].described()]);
    for wait in 0..12 {
        let (hospital, key) = (scene.acting(HOSPITAL), client::new_key().unwrap());
        let first = {
            let (hospital, envelope, files, key) = (hospital.clone(), envelope.clone(), files.clone(), key.clone());
            tokio::spawn(async move { hospital.submit_with(&envelope, &files, &key).await })
        };
        let before = kept(&scene).await;
        let _ = tokio::time::timeout(std::time::Duration::from_millis(40), async { while kept(&scene).await == before {} }).await;
        // Each time at another instant of the acceptance.
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        first.abort();
        let answer = hospital.submit_with(&envelope, &files, &key).await.unwrap();
        let document = scene.opened(CRIP, "crip", &text(&answer, "/id")).await;
        assert_eq!(fetched(&scene, CRIP, &document, 0).await, b"certificat", "hung up after {wait} ms");
    }
}

#[tokio::test]
async fn i03_one_institution_alone_fills_no_house() {
    let scene = Scene::start().await;
    let places = |of: &str, danger| scene.rooms().attachments.place(&of.parse().unwrap(), danger);
    let taken: Vec<_> = (0..6).filter_map(|_| places("mairie-blagnac", true)).collect();
    assert_eq!(taken.len(), 4);
    let file = written(&scene, "a.pdf", b"a");
    sent(&scene, HOSPITAL, envelopes::of_the_hospital(), &[(&file, DataClass::Sante)]).await.unwrap();
    // All together leave some for danger.
    let many: Vec<_> = (0..20).flat_map(|n| (0..4).map(move |_| format!("institution-{n}"))).filter_map(|of| places(&of, false)).collect();
    assert_eq!(many.len() + taken.len(), 20);
    assert!(places("chu-toulouse", false).is_none() && places("chu-toulouse", true).is_some());
    drop((taken, many));
    assert!(places("chu-toulouse", false).is_some());
}

#[tokio::test]
async fn a_file_is_never_a_mere_reference_and_an_erasure_takes_one_listed_twice() {
    let scene = Scene::start().await;
    let file = written(&scene, "a.pdf", b"sante");
    // A danger keeps it, in the class that protects most.
    let mut envelope = envelopes::of_the_hospital();
    envelope["attachments"] = json!([
        {"name": "a.pdf", "class": "reference", "sha256": digest(b"sante")},
        {"name": "b.pdf", "class": "sante", "sha256": digest(b"sante")},
    ]);
    let files = [Enclosure::of(&file, DataClass::Sante).await.unwrap()];
    let answer = scene.acting(HOSPITAL).submit_with(&envelope, &files, &client::new_key().unwrap()).await.unwrap();
    let id = text(&answer, "/id");
    let document = scene.opened(CRIP, "crip", &id).await;
    assert!(document["non_conforme"].to_string().contains("bad-code"), "{document}");
    assert_eq!(fetched(&scene, CRIP, &document, 1).await, b"sante");
    assert_eq!(kept(&scene).await, 1);
    scene.rooms().keys.destroy(id.parse().unwrap(), scene.now(), "essai").await.unwrap();
    sweep::finish_erasures(scene.rooms(), sweep::Walk::Recent).await.unwrap();
    assert_eq!(kept(&scene).await, 0);
}

fn content(size: usize) -> Vec<u8> {
    // No two stretches alike: a chunk out of its place would show.
    (0..size).map(|n| u8::try_from((n * n / 7 + n / 251) % 256).unwrap()).collect()
}

fn written(scene: &Scene, name: &str, content: &[u8]) -> PathBuf {
    let folder = scene.world.folder.join("enclosures");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, content).unwrap();
    file
}

async fn sent(scene: &Scene, who: (&str, &str), envelope: Value, files: &[(&PathBuf, DataClass)]) -> Result<(String, Value), Problem> {
    sent_under(scene, who, envelope, files, &client::new_key().unwrap()).await
}

async fn sent_under(
    scene: &Scene,
    who: (&str, &str),
    mut envelope: Value,
    files: &[(&PathBuf, DataClass)],
    key: &str,
) -> Result<(String, Value), Problem> {
    let mut enclosures = Vec::new();
    for (file, class) in files {
        enclosures.push(Enclosure::of(file, *class).await.unwrap());
    }
    envelope["attachments"] = enclosures.iter().map(Enclosure::described).collect();
    let answer = problem(scene.acting(who).submit_with(&envelope, &enclosures, key).await)?;
    Ok((text(&answer, "/id"), answer))
}

async fn fetched(scene: &Scene, who: (&str, &str), document: &Value, n: usize) -> Vec<u8> {
    let path = text(&document["attachments"][n], "/content");
    let answer = scene.acting(who).request(Method::GET, &path).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    answer.bytes().await.unwrap().to_vec()
}

fn digest(content: &[u8]) -> String {
    ring::digest::digest(&ring::digest::SHA256, content).as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn related(envelope: &Value, parts: &[(Option<String>, &[u8])]) -> String {
    let mut body = format!("--limite\r\nContent-Type: application/json\r\n\r\n{envelope}");
    for (id, content) in parts {
        let id = id.as_ref().map(|id| format!("Content-ID: <{id}>\r\n")).unwrap_or_default();
        write!(body, "\r\n--limite\r\nContent-Type: text/html\r\n{id}\r\n{}", std::str::from_utf8(content).unwrap()).unwrap();
    }
    body + "\r\n--limite--\r\n"
}

fn in_parts(client: &Client, body: String) -> reqwest::RequestBuilder {
    client
        .request(Method::POST, "/v1/exchanges")
        .header("idempotency-key", client::new_key().unwrap())
        .header("content-type", "multipart/related; boundary=\"limite\"")
        .body(body)
}

async fn details(scene: &Scene, exchange: &str, code: &str) -> Vec<String> {
    let all = scene.rooms().store.follow_ups(exchange.parse().unwrap()).await.unwrap();
    all.into_iter().find(|one| one.code == code).map(|one| one.details).unwrap_or_default()
}

/// How many attachments lie in their database.
async fn kept(scene: &Scene) -> i64 {
    let mut connection = scene.database(gateway::store::Part::Attachments).await;
    sqlx::query_scalar("SELECT COUNT(*) FROM attachment").fetch_one(&mut connection).await.unwrap()
}
