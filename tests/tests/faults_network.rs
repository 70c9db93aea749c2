//! Partners that are gone, dark or slow, and whoever is on the other end of a connection that nobody closed. What must hold is
//! in [`tests::account`]; and nobody else waits for them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::time::{Duration, Instant};

use gateway::demo::World;
use tests::{
    Scene,
    account::{Account, Answer, Fault, times},
    endpoint::Endpoint,
    kept::envelope,
    people::{CRIP, SCHOOL},
    process::{binary, token},
    stage::Stage,
};
use tokio::{io::AsyncWriteExt, process::Command};

/// Clients that stop in the middle of a deposit and close nothing: SIGSTOP of the whole process. Their connections are ended
/// by the gateway, others are served meanwhile, and when they go on they repeat under the same key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_half_open_connections() {
    let fault = Fault {
        file: "40-half-open",
        what: "half-open connections",
        how: "SIGSTOP of client processes in the middle of their deposits, others served meanwhile, SIGCONT, repeated under the same key",
        times: times(200, 8),
    };
    let stage = Stage::new(|_| {});
    let gateway = stage.start().await;
    let account = Account::new("half");
    let folder = stage.world.folder.join("members").join(SCHOOL.0);
    let mut stopped = Vec::new();
    for n in 0..fault.times {
        let key = account.key(70_000, n);
        let file = stage.file(&format!("{key}.json"));
        std::fs::write(&file, envelope(&key).to_string()).unwrap();
        let mut submit = Command::new(binary());
        submit
            .arg("submit")
            .arg(&file)
            .args(["--idempotency-key", &key, "--json"])
            .env("PASSERELLE_GATEWAY", &stage.base)
            .env("PASSERELLE_CERTIFICATE", folder.join("certificate.pem"))
            .env("PASSERELLE_KEY", folder.join("key.pem"))
            .env("PASSERELLE_AUTHORITIES", stage.world.authorities())
            .env("PASSERELLE_TOKEN", token(&stage.world, SCHOOL.0, SCHOOL.1))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true);
        let child = submit.spawn().unwrap();
        let id = child.id().unwrap().to_string();
        // Somewhere between its start and its answer.
        tokio::time::sleep(Duration::from_millis(u64::from(tests::kept::random() % 120))).await;
        Command::new("kill").args(["-STOP", &id]).status().await.unwrap();
        stopped.push((child, id, key));
        assert_eq!(account.deposit(&stage.school(), &account.key(71_000, n)).await, Answer::Accepted);
    }
    for (mut child, id, key) in stopped {
        Command::new("kill").args(["-CONT", &id]).status().await.unwrap();
        assert!(child.wait().await.unwrap().success(), "{key}");
        assert_eq!(account.deposit(&stage.school(), &key).await, Answer::Accepted);
    }
    account.over();
    let (balance, _) = account.settle(&stage.school(), &stage.crip()).await;
    gateway.stop().await;
    balance.record(&fault);
}

/// Bodies that come byte by byte: they are ended, nothing of them is kept, and nobody waits for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_partners_that_send_byte_by_byte() {
    let fault = Fault {
        file: "41-slow",
        what: "slow partners",
        how: "deposits whose bodies come at one byte a second on as many connections, others depositing meanwhile; ended by the gateway, repeated whole",
        times: times(100, 20),
    };
    let scene = Scene::start().await;
    let account = Account::new("slow");
    let begun = Instant::now();
    let mut slow = tokio::task::JoinSet::new();
    for n in 0..fault.times {
        let (key, school) = (account.key(60_000, n), scene.acting(SCHOOL));
        slow.spawn(async move {
            let (mut bytes, body) = tokio::io::duplex(16);
            let whole = envelope(&key).to_string();
            tokio::spawn(async move {
                for byte in whole.into_bytes() {
                    if bytes.write_all(&[byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            });
            let request = school.request(reqwest::Method::POST, "/v1/exchanges").header("idempotency-key", &key);
            let body = reqwest::Body::wrap_stream(tokio_util::io::ReaderStream::new(body));
            let answer = request.header("content-type", "application/json").body(body).send().await;
            assert!(answer.is_err() || answer.unwrap().status() == 400);
            key
        });
    }
    let load = account.load([scene.acting(SCHOOL), scene.acting(SCHOOL)]);
    account.until_more(20).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "others wait");
    load.stop().await;
    while let Some(key) = slow.join_next().await {
        assert_eq!(account.deposit(&scene.acting(SCHOOL), &key.unwrap()).await, Answer::Accepted);
    }
    account.over();
    account.settle(&scene.acting(SCHOOL), &scene.acting(CRIP)).await.0.record(&fault);
}

/// A partner's endpoint that is dark for a week of the gateway's clock, and then back: everything still waits in the mailbox,
/// exactly once, and was given up, said so, or told; new notices pass again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partner_that_is_dark_for_a_week() {
    let fault = Fault {
        file: "42-dark",
        what: "partner dark for a week",
        how: "its endpoint closed, the gateway's clock moved by a week in steps of an hour under deposits, then opened again",
        times: 1,
    };
    let mut endpoint = Endpoint::new();
    let mut issued = None;
    let mut scene = Scene::start_with(|world: &mut World| {
        endpoint.asked_by(world, "crip");
        issued = Some(world.pki.issue(&Endpoint::leaf("ac-territoires", "departement-31")).unwrap());
    })
    .await;
    let account = Account::new("week");
    for hour in 0..7 * 24 {
        if hour % 8 == 0 {
            assert_eq!(account.deposit(&scene.acting(SCHOOL), &account.key(0, hour)).await, Answer::Accepted);
        }
        scene.clock.advance(Duration::from_secs(3600));
        if hour % 24 == 0 {
            // Pushes are looked at many times within this hour of the clock.
            let now = scene.now().to_string();
            scene.travel(&now).await;
        }
    }
    endpoint.serve(&scene.world, issued.as_ref().unwrap()).await;
    assert_eq!(account.deposit(&scene.acting(SCHOOL), &account.key(1, 0)).await, Answer::Accepted);
    scene.until("the new one is told", || async { endpoint.count() >= 1 }).await;
    account.over();
    account.settle(&scene.acting(SCHOOL), &scene.acting(CRIP)).await.0.record(&fault);
}
