//! Several replicas on one PostgreSQL database: any accepts, serves and pushes, one extends the log, and who asks cannot tell
//! which one answered. Failure is:
//!
//! * a deposit that was answered 201 and is not in its mailbox exactly once, under the receipt that was given;
//! * a reader who follows the cursor of the mailbox, at any replica, and misses one;
//! * a notice that never came to the endpoint that asked for it, or that came under two ids;
//! * a log that does not verify, or that nobody extends for more than a few seconds after its notary died;
//! * somebody who waits at one replica and is not woken by what another accepted;
//! * rules that two people put in force at one replica and another does not follow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use gateway::{
    client::Client,
    clock::{Clock, SystemClock},
    demo::World,
    receipt,
};
use serde_json::{Value, json};
use tests::{
    Scene,
    account::{Balance, Fault, LATE, times},
    cli::{path, run},
    endpoint::Endpoint,
    kept::{Told, deposit, envelope, random, signed, waiting, whole},
    people::{ADMIN, AUDITOR, CADRE, CRIP, DPO, SCHOOL},
    process::{Process, binary, connect, free_ports, postgres},
    text,
};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_three_replicas_one_killed_again_and_again() {
    let rounds = times(60, 5);
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::create(folder.path(), SystemClock.now()).unwrap();
    world.keep_in(&postgres()).unwrap();
    let mut endpoint = Endpoint::new();
    endpoint.asked_by(&world, "crip");
    let issued = world.pki.issue(&Endpoint::leaf("ac-territoires", "departement-31")).unwrap();
    endpoint.serve(&world, &issued).await;
    // With an earlier version of the program the three become a rolling upgrade: whoever was killed comes back as this one.
    let earlier = std::env::var_os("PASSERELLE_VERSION_BEFORE").map(PathBuf::from);
    let before = earlier.clone().unwrap_or_else(binary);
    let mut replicas = Vec::new();
    for name in ["one", "two", "three"] {
        let place = Place::new(&world, name);
        // One after the other and all at once: the first makes the schema, the others find it there.
        replicas.push((Process::start_program(&before, &place.config, &place.local, &[]).await, place));
    }
    let bases: Vec<String> = replicas.iter().map(|(_, place)| place.base.clone()).collect();
    let (told, over, waits) = (Told::default(), Arc::new(AtomicBool::new(false)), Waits::default());
    let mut members = JoinSet::new();
    for member in 0..6_usize {
        let doors = Doors { folder: folder.path().to_owned(), bases: bases.clone(), who: SCHOOL };
        members.spawn(deposit_until(doors, told.clone(), over.clone(), waits.clone(), member));
    }

    let read = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(read_until(Doors { folder: folder.path().to_owned(), bases: bases.clone(), who: CRIP }, read.clone()));

    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        // One every ten seconds for ten minutes; or soon, at any instant.
        let pause = if rounds > 30 { Duration::from_secs(10) } else { Duration::from_millis(200 + u64::from(random() % 800)) };
        tokio::time::sleep(pause).await;
        // Each in turn, so that the notary is among them.
        let (process, place) = replicas.remove(0);
        process.kill().await;
        let killed = Instant::now();
        let other = connect(&world, &replicas[round % 2].1.base, AUDITOR.0, AUDITOR.1);
        let before = signed(&other).await;
        while signed(&other).await <= before {
            assert!(killed.elapsed() < Duration::from_secs(10), "nobody extends the log");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        longest = longest.max(killed.elapsed());
        replicas.push((Process::start(&place.config, &place.local).await, place));
    }
    over.store(true, Ordering::SeqCst);
    while members.join_next().await.is_some() {}

    // Every key once more, at any replica: what was accepted is told again, byte for byte.
    let mut ids = BTreeMap::new();
    let all = told.lock().unwrap().clone();
    let answered = all.values().filter(|answer| answer.is_some()).count();
    let clients: Vec<Client> = bases.iter().map(|base| connect(&world, base, SCHOOL.0, SCHOOL.1)).collect();
    let keys = clients[0].get("/v1/keys").await.unwrap();
    for (n, (key, answer)) in all.iter().enumerate() {
        let again = clients[n % clients.len()].submit(&envelope(key), key).await.unwrap();
        if let Some(first) = answer {
            assert_eq!(first, &again, "another answer from another replica");
        }
        receipt::verify(again["receipt"].as_str().unwrap(), &keys["keys"][0]).unwrap();
        assert!(ids.insert(again["id"].as_str().unwrap().to_owned(), key.clone()).is_none(), "two keys, one exchange");
    }
    let waiting = waiting(&connect(&world, &bases[1], CRIP.0, CRIP.1)).await;
    assert_eq!(waiting.keys().collect::<Vec<_>>(), ids.keys().collect::<Vec<_>>(), "an exchange without its delivery, or two of one");
    read.store(true, Ordering::SeqCst);
    assert_eq!(reader.await.unwrap().iter().collect::<Vec<_>>(), ids.keys().collect::<Vec<_>>(), "the cursor skipped some");
    // Every delivery was pushed at least once, under its own id and no other.
    let deliveries: BTreeSet<String> = waiting.values().cloned().collect();
    let notices = || endpoint.received().iter().map(|one| text(&one.body, "/delivery")).collect::<BTreeSet<_>>();
    let mut pushed = notices();
    while pushed != deliveries {
        let before = pushed.len();
        assert!(pushed.is_subset(&deliveries), "a notice of a delivery that nobody has");
        // A unit's notices stand still until the lease of whoever died ends.
        for _ in 0..240 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            pushed = notices();
            if pushed.len() > before {
                break;
            }
        }
        assert!(pushed.len() > before, "{} of {} were pushed, and nothing more comes", pushed.len(), deliveries.len());
    }
    for (process, _) in replicas {
        process.stop().await;
    }
    let [half, most, worst] = percentiles(&waits);
    println!(
        "{rounds} kills, {} keys, {answered} answered 201, {} notices; the log stood still for {longest:?} at most; \
         until accepted, whatever replica died: p50 {half:?}, p99 {most:?}, p99.9 {worst:?}",
        all.len(),
        endpoint.count()
    );
    assert!(answered > rounds * 3, "the load did not reach the gateway");
    whole(&world.config(), folder.path(), &ids, &keys).await;
    let (file, what) = match earlier {
        Some(_) => ("15-upgrade", "rolling upgrade from the version before"),
        None => ("14-replicas", "one of three replicas killed"),
    };
    let fault = Fault {
        file,
        what,
        how: &format!(
            "SIGKILL to each in turn, restarted at once; 6 members that go to another replica; a notice of each pushed. Until accepted: \
             p99 {} ms; the log stood still for {} ms at most",
            most.as_millis(),
            longest.as_millis()
        ),
        times: rounds,
    };
    // Whatever was lost or invented stopped the test above.
    let late = waits.lock().unwrap().iter().filter(|wait| **wait > LATE).count();
    Balance { accepted: ids.len(), lost: 0, invented: 0, late }.record(&fault);
}

/// How long each deposit took, from its first try on.
type Waits = Arc<Mutex<Vec<Duration>>>;

fn percentiles(waits: &Waits) -> [Duration; 3] {
    let mut all = waits.lock().unwrap().clone();
    all.sort();
    [500, 990, 999].map(|n| all[(all.len() * n / 1000).min(all.len() - 1)])
}

#[tokio::test]
async fn what_one_replica_did_another_knows() {
    let scene = Scene::start_with(|world| world.keep_in(&postgres()).unwrap()).await;
    let other = scene.replica("other").await;
    let (school, crip) = (scene.acting(SCHOOL), other.acting(&scene, CRIP));

    // 1. Who waits at one is woken by what the other accepts, long before it would look again by itself.
    let waits = tokio::spawn(async move {
        let since = Instant::now();
        let page = crip.get("/v1/mailbox?unit=crip&wait=20").await.unwrap();
        (page["deliveries"][0].clone(), since.elapsed())
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let id = scene.accepted(SCHOOL, &envelope("attendue")).await;
    let (arrived, after) = waits.await.unwrap();
    assert_eq!(arrived["exchange"], id.as_str());
    assert!(after < Duration::from_secs(3), "{after:?}");

    // 2. Only one of the two is the notary, and both release.
    for acting in [scene.acting(CRIP), other.acting(&scene, CRIP)] {
        let document = acting.get(&format!("/v1/mailbox/{}", text(&arrived, "/delivery"))).await.unwrap();
        assert_eq!(document["payload"]["texte_libre"], "attendue");
    }

    // 3. A repeat elsewhere is the same exchange, and under another body it is refused.
    let key = gateway::client::new_key().unwrap();
    let (one, two) = (envelope("une fois"), envelope("autre chose"));
    let first = school.submit(&one, &key).await.unwrap();
    assert_eq!(other.acting(&scene, SCHOOL).submit(&one, &key).await.unwrap(), first);
    assert!(other.acting(&scene, SCHOOL).submit(&two, &key).await.is_err());
    let both = gateway::client::new_key().unwrap();
    let here = other.acting(&scene, SCHOOL);
    let (left, right) = tokio::join!(school.submit(&one, &both), here.submit(&one, &both));
    assert_eq!(left.unwrap(), right.unwrap());

    // 4. Rules that two people put in force at one, each at another replica, are in force at both.
    let set = amended(&scene, &other).await;
    scene
        .until("the other follows", || async {
            other.node.rooms().law.load().files.hash() == set && scene.rooms().law.load().files.hash() == set
        })
        .await;

    // 5. What is erased at one is erased at the other.
    scene.taken_in_charge(&id).await;
    let erase = scene.acting(DPO).request(reqwest::Method::DELETE, &format!("/v1/exchanges/{id}")).json(&json!({"motive": "essai"}));
    assert!(erase.send().await.unwrap().status().is_success());
    assert!(other.acting(&scene, CRIP).get(&format!("/v1/mailbox/{}", text(&arrived, "/delivery"))).await.is_err());
    other.node.stop().await;
}

/// Two people who approve at the same instant at two replicas: their approvals are counted together, and the set takes
/// force once.
#[tokio::test]
async fn two_approvals_at_once_at_two_replicas_count() {
    let scene = Scene::start_with(|world| world.keep_in(&postgres()).unwrap()).await;
    let other = scene.replica("other").await;
    let set = proposed(&scene).await;
    let (path, assent) = (format!("/v1/policy-sets/{set}/approvals"), json!({}));
    let (dpo, cadre) = (scene.acting(DPO), other.acting(&scene, CADRE));
    let (one, two) = tokio::join!(dpo.post(&path, &assent), cadre.post(&path, &assent));
    // Who was too quick is told to ask again, and does.
    if one.is_err() {
        dpo.post(&path, &assent).await.unwrap();
    }
    if two.is_err() {
        cadre.post(&path, &assent).await.unwrap();
    }
    scene
        .until("both follow", || async {
            other.node.rooms().law.load().files.hash() == set && scene.rooms().law.load().files.hash() == set
        })
        .await;
    other.node.stop().await;
}

/// A database that goes away under the gateway, and comes back: callers are told 503 and promised nothing, and the gateway
/// goes on by itself.
#[tokio::test]
async fn i01_a_database_that_goes_away_loses_nothing() {
    let url = postgres();
    let name = url.split(['/', '?']).nth(3).unwrap().to_owned();
    let scene = Scene::start_with(|world| world.keep_in(&url).unwrap()).await;
    let server = postgres_dev::Server::shared().unwrap();
    let school = scene.acting(SCHOOL);
    let told = Told::default();
    assert!(deposit(&school, &told, "avant-la-coupure-1").await);
    for round in 0..3 {
        server.sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).unwrap();
        let ended = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        server.sql("postgres", &ended).unwrap();
        let key = format!("pendant-la-coupure-{round}");
        let (status, body) = scene.raw(scene.deposit(&school, envelope(&key).to_string()).header("x-round", round)).await;
        assert_eq!((status.as_u16(), body["code"].as_str()), (503, Some("unavailable")), "{body}");
        assert!(!deposit(&school, &told, &key).await);
        server.sql("postgres", &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).unwrap();
        scene.until("it is accepted again", || async { deposit(&school, &told, &key).await }).await;
    }
    // Exactly once each; and the log goes on, so that they are released.
    let waiting = waiting(&scene.acting(CRIP)).await;
    assert_eq!(waiting.len(), 4);
    for delivery in waiting.values() {
        scene.acting(CRIP).get(&format!("/v1/mailbox/{delivery}")).await.unwrap();
    }
}

/// What an administrator types around an installation and an upgrade.
#[tokio::test]
async fn the_database_is_described_made_and_taken_back_by_commands() {
    let mut scene = Scene::start_with(|world| world.keep_in(&postgres()).unwrap()).await;
    scene.stop().await;
    let config = scene.world.config();
    let typed = async |more: &[&str]| run(&[more, &["--config", path(&config)]].concat(), &[], None).await;
    let told = typed(&["check"]).await.done().out;
    let versions = told.lines().last().unwrap().to_owned();
    assert!(versions.starts_with("Base de données : PostgreSQL, postgres://passerelle@localhost/"), "{told}");
    assert!(versions.ends_with("(schéma : attachments 1, keys 1, vault 1, gateway 14)."), "{told}");
    // Back by one, and up again: nothing was lost that matters.
    assert!(typed(&["migrate", "--to", "5"]).await.done().out.contains("gateway 5"));
    assert!(typed(&["migrate"]).await.done().out.contains("gateway 14"));
    // The rules in force are evidence: no way back leads before them.
    let refused = typed(&["migrate", "--to", "1"]).await;
    assert!(refused.code == 2 && refused.err.contains("no way back"), "{refused:?}");
    scene.resume().await;
    let running = typed(&["migrate", "--to", "5"]).await;
    assert!(running.code == 2 && running.err.contains("stop it first"), "{running:?}");
    scene.accepted(SCHOOL, &envelope("après")).await;

    // Before anything is there, and when nothing answers.
    let mut world = World::create(&scene.world.folder.join("new"), scene.now()).unwrap();
    world.keep_in(&postgres()).unwrap();
    let new = run(&["check", "--config", path(&world.config())], &[], None).await.done().out;
    assert!(new.contains("attachments à créer, keys à créer, vault à créer, gateway à créer"), "{new}");
    world.keep_in("postgres://passerelle@localhost/nobody?host=/nowhere").unwrap();
    assert_eq!(run(&["check", "--config", path(&world.config())], &[], None).await.code, 2);
}

/// A configuration of one replica, with ports of its own.
struct Place {
    config: PathBuf,
    base: String,
    local: String,
}

impl Place {
    fn new(world: &World, name: &str) -> Self {
        let (port, local) = free_ports();
        let local = format!("127.0.0.1:{local}");
        let config = world.replica(name, &format!("127.0.0.1:{port}"), &local).unwrap();
        Self { config, base: format!("https://localhost:{port}"), local }
    }
}

/// All replicas, for one person. A token lasts ten minutes at most: whoever stays longer needs another.
struct Doors {
    folder: PathBuf,
    bases: Vec<String>,
    who: (&'static str, &'static str),
}

impl Doors {
    fn clients(&self) -> Vec<Client> {
        let world = World::open(&self.folder).unwrap();
        self.bases.iter().map(|base| connect(&world, base, self.who.0, self.who.1)).collect()
    }
}

const RENEWED: Duration = Duration::from_secs(240);

/// Deposits, one after the other, each key at one replica after the other until one accepts it.
async fn deposit_until(doors: Doors, told: Told, over: Arc<AtomicBool>, waits: Waits, member: usize) {
    let pace = Duration::from_millis(times(600, 0) as u64);
    let (mut clients, mut renewed) = (doors.clients(), Instant::now());
    for n in 0.. {
        if renewed.elapsed() > RENEWED {
            (clients, renewed) = (doors.clients(), Instant::now());
        }
        let key = format!("replicas-{member:02}-{n:06}");
        let since = Instant::now();
        for tries in 0..600 {
            if over.load(Ordering::SeqCst) {
                return;
            }
            if deposit(&clients[(member + n + tries) % clients.len()], &told, &key).await {
                waits.lock().unwrap().push(since.elapsed());
                // In the long run as many as the notices of one unit, which leave one after the other.
                tokio::time::sleep(pace).await;
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Follows the cursor of the mailbox, now at one replica, now at another, until it is told that nothing more comes.
async fn read_until(doors: Doors, over: Arc<AtomicBool>) -> BTreeSet<String> {
    let (mut seen, mut after) = (BTreeSet::new(), 0);
    let (mut clients, mut renewed) = (doors.clients(), Instant::now());
    for n in 0.. {
        if renewed.elapsed() > RENEWED {
            (clients, renewed) = (doors.clients(), Instant::now());
        }
        let client = &clients[n % clients.len()];
        let last = over.load(Ordering::SeqCst);
        let wait = if last { 0 } else { 1 };
        let Ok(page) = client.get(&format!("/v1/mailbox?unit=crip&limit=200&after={after}&wait={wait}")).await else { continue };
        let came = page["deliveries"].as_array().unwrap();
        seen.extend(came.iter().map(|one| text(one, "/exchange")));
        after = page["after"].as_i64().unwrap();
        if last && came.is_empty() {
            break;
        }
    }
    seen
}

/// The policies folder, changed and proposed.
async fn proposed(scene: &Scene) -> String {
    let file = scene.world.folder.join("policies/approval.toml");
    let changed = std::fs::read_to_string(&file).unwrap() + "\n# Un autre jeu.\n";
    std::fs::write(&file, changed).unwrap();
    text(&scene.acting(ADMIN).post("/v1/policy-sets", &json!({"motive": "essai"})).await.unwrap(), "/set")
}

async fn amended(scene: &Scene, other: &tests::scene::Replica) -> String {
    let set = proposed(scene).await;
    let path = format!("/v1/policy-sets/{set}/approvals");
    scene.acting(DPO).post(&path, &json!({})).await.unwrap();
    let approved: Value = other.acting(scene, CADRE).post(&path, &json!({})).await.unwrap();
    assert_eq!(other.node.rooms().law.load().files.hash(), set, "{approved}");
    set
}
