//! Clocks that jump and certificates that end while the gateway runs. What must hold is in [`tests::account`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeMap, fs, time::Duration};

use tests::{
    Scene,
    account::{Account, Answer, Balance, Fault, times},
    kept::audited,
    people::{CRIP, SCHOOL},
    text,
};
use time::OffsetDateTime;

/// The wall clock turns by an hour, forward and back, under load: nothing is lost or twice, what was answered is answered
/// the same, who waits is released, and the log says that the clock turned. (That a
/// reminder is told once is in clocks.rs.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i12_a_clock_that_jumps_by_an_hour() {
    let fault = Fault {
        file: "20-clock",
        what: "clock jumps by ± 1 h",
        how: "the gateway's clock set an hour forward and back under load",
        times: times(100, 6),
    };
    let mut scene = Scene::start().await;
    let account = Account::new("hour");
    for round in 0..fault.times {
        // Tokens are good for ten minutes of the clock they were made by: each member makes a new one, as after any jump.
        let load = account.load([scene.acting(SCHOOL), scene.acting(SCHOOL)]);
        account.until_more(4).await;
        let hour = Duration::from_secs(3600);
        match round % 2 {
            0 => scene.clock.advance(hour),
            _ => scene.clock.set(scene.now().minus(hour)),
        }
        // In the middle of it: a token of the other hour does not stop a danger.
        account.until_more(2).await;
        load.stop().await;
        account.over();
        // Released: the log signs on, whatever the clock says.
        let page = scene.acting(CRIP).get("/v1/mailbox?unit=crip&limit=1").await.unwrap();
        let path = format!("/v1/mailbox/{}", text(&page, "/deliveries/0/delivery"));
        scene.acting(CRIP).get(&path).await.unwrap();
    }
    let (balance, ids) = settled(&scene, &account).await;
    let keys = scene.acting(SCHOOL).get("/v1/keys").await.unwrap();
    scene.stop().await;
    // An auditor is told that the clock turned back, entry by entry, and of nothing else.
    let report = audited(&scene.world.config(), &scene.world.folder, &ids, &keys).await.to_string();
    let mut found = report.lines().filter(|line| line.starts_with('✗')).peekable();
    assert!(found.peek().is_some() && found.all(|line| line.contains("Horodatage")), "{report}");
    balance.record(&fault);
}

/// The gateway's own certificate ends: health and metrics say so, and a renewed one is taken over without a restart.
#[tokio::test]
async fn an_own_certificate_that_ends_is_said_and_its_renewal_taken_over() {
    let fault = Fault {
        file: "21-certificate",
        what: "own certificate expires",
        how: "a certificate past its last instant put under the running gateway, then a renewed one",
        times: 1,
    };
    let scene = Scene::start().await;
    let account = Account::new("cert");
    let school = scene.acting(SCHOOL);
    assert_eq!(account.deposit(&school, &account.key(0, 0)).await, Answer::Accepted);
    let pki_now = |days: i64| OffsetDateTime::from(scene.now().datetime()) + time::Duration::days(days);
    let put = |days: i64| {
        let issued = scene.world.pki.issue_gateway(&["localhost"], pki_now(days)).unwrap();
        let tls = scene.world.folder.join("tls");
        fs::write(tls.join("key.pem"), &issued.key_pem).unwrap();
        fs::write(tls.join("certificate.pem"), &issued.chain_pem).unwrap();
    };
    // One that ended long ago.
    put(-5000);
    scene.until("it is said", || async { scene.local("/health/ready").await.contains("\"what\":\"certificate\"") }).await;
    let metric = async || {
        let metrics = scene.local("/metrics").await;
        let line = metrics.lines().find_map(|line| line.strip_prefix("passerelle_certificate_until_seconds ")).unwrap().to_owned();
        line.parse::<f64>().unwrap()
    };
    assert!(metric().await < pki_now(0).unix_timestamp() as f64);
    assert!(scene.local("/metrics").await.contains("passerelle_revocation_list_until_seconds{authority=\"ac-education\"}"));
    // Whoever is connected goes on; whoever connects anew does not trust it.
    assert_eq!(account.deposit(&school, &account.key(0, 1)).await, Answer::Accepted);
    assert_eq!(account.deposit(&scene.acting(SCHOOL), &account.key(0, 2)).await, Answer::Silence);
    put(0);
    scene.until("it is ready again", || async { scene.local("/health/ready").await.contains("\"ready\":true") }).await;
    assert!(metric().await > pki_now(0).unix_timestamp() as f64);
    account.over();
    assert_eq!(account.deposit(&scene.acting(SCHOOL), &account.key(0, 2)).await, Answer::Accepted);
    settled(&scene, &account).await.0.record(&fault);
}

/// A revocation list ends: danger is deposited for 72 hours, nothing else, and everything again once it is renewed.
#[tokio::test]
async fn i03_a_revocation_list_that_ends_stops_no_danger_and_its_renewal_is_taken_over() {
    let fault = Fault {
        file: "22-list",
        what: "revocation list expires",
        how: "lists good for a day, the clock moved two days, danger deposited and repeated, lists renewed",
        times: 1,
    };
    let mut scene = Scene::start().await;
    let now: OffsetDateTime = scene.now().datetime().into();
    scene.world.pki.write_crls_valid(now, now + time::Duration::hours(24)).unwrap();
    let account = Account::new("list");
    assert_eq!(account.deposit(&scene.acting(SCHOOL), &account.key(0, 0)).await, Answer::Accepted);
    let ending = |line: &str| line.starts_with("passerelle_revocation_list_until_seconds{authority=\"ac-education\"}");
    let wanted = format!(" {}", (now + time::Duration::hours(24)).unix_timestamp());
    scene
        .until("the lists are read", || async { scene.local("/metrics").await.lines().any(|line| ending(line) && line.ends_with(&wanted)) })
        .await;
    scene.clock.advance(Duration::from_secs(48 * 3600));
    for n in 1..4 {
        assert_eq!(account.deposit(&scene.acting(SCHOOL), &account.key(0, n)).await, Answer::Accepted);
    }
    assert_eq!(scene.refused(&scene.acting(CRIP), "/v1/mailbox?unit=crip").await.code(), "revocation-stale");
    let now = scene.now().to_string();
    scene.travel(&now).await;
    account.over();
    settled(&scene, &account).await.0.record(&fault);
}

/// The account of a scene whose gateway still runs.
async fn settled(scene: &Scene, account: &Account) -> (Balance, BTreeMap<String, String>) {
    account.settle(&scene.acting(SCHOOL), &scene.acting(CRIP)).await
}
