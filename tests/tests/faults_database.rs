//! A PostgreSQL that dies under running gateways, for real: its processes killed, the server crashed, the primary lost and its
//! synchronous standby promoted, the network between them silent. What must hold is in [`tests::account`]; the gateways are
//! never started again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

use std::time::{Duration, Instant};

use certs_dev::Leaf;
use postgres_dev::Cluster;
use tests::{
    account::{Account, Answer, Fault, not_here, times},
    endpoint::Endpoint,
    front::Front,
    kept::{random, signed, whole},
    network::Network,
    people::{AUDITOR, SCHOOL},
    process::{Process, connect, free_ports},
    stage::Stage,
};

const DATABASE: &str = "passerelle";
/// Under which a database's own certificate stands.
const AUTHORITY: &str = "ac-territoires";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_database_whose_processes_are_killed() {
    let how = "in turn `kill -9` of a process of the server that serves the gateway (the server ends all others and recovers), an immediate stop, and `kill -9` of the server; started again";
    let fault = Fault { file: "10-postgresql-killed", what: "PostgreSQL killed and restarted", how, times: times(1000, 6) };
    let mut database = cluster();
    let (stage, account) =
        (Stage::new(|world| world.keep_in(&Cluster::url_at(database.folder(), DATABASE)).unwrap()), Account::new("base"));
    let gateway = stage.start().await;
    let load = account.load((0..4).map(|_| stage.school()));
    for round in 0..fault.times {
        account.until_more(5).await;
        tokio::time::sleep(Duration::from_millis(u64::from(random() % 100))).await;
        match round % 3 {
            0 => database.kill_one_of(DATABASE).unwrap(),
            1 => database.crash(),
            _ => database.kill(),
        }
        if round % 3 != 0 {
            database.start().unwrap();
        }
        account.over();
    }
    account.until_more(5).await;
    load.stop().await;
    close(&stage, gateway, &account, &fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_primary_that_is_lost() {
    let how = "streaming replication, synchronous: `kill -9` of the primary under load, its standby promoted, a new standby made, again and again";
    let fault = Fault { file: "11-failover", what: "failover", how, times: times(50, 1) };
    let mut primary = cluster();
    let mut standby = Cluster::standby_of(&primary).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let front = Front::new(folder.path(), primary.folder());
    let (stage, account) = (Stage::new(|world| world.keep_in(&Cluster::url_at(front.folder(), DATABASE)).unwrap()), Account::new("fail"));
    let gateway = stage.start().await;
    let (mut longest, load) = (Duration::ZERO, account.load((0..4).map(|_| stage.school())));
    for _ in 0..fault.times {
        account.until_more(10).await;
        tokio::time::sleep(Duration::from_millis(u64::from(random() % 200))).await;
        let lost = Instant::now();
        primary.kill();
        standby.promote().unwrap();
        front.lead_to(standby.folder());
        account.over();
        account.until_more(1).await;
        longest = longest.max(lost.elapsed());
        primary = standby;
        standby = Cluster::standby_of(&primary).unwrap();
    }
    account.until_more(10).await;
    load.stop().await;
    println!("nothing was accepted for {longest:?} at most");
    close(&stage, gateway, &account, &fault).await;
}

/// A standby that is dark: nothing may be accepted that it does not have, neither at once nor when a client asks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_nothing_is_accepted_that_the_standby_does_not_have() {
    if times(1, 0) == 0 {
        return;
    }
    let fault = Fault {
        file: "12-standby-dark",
        what: "standby lost, then primary",
        how: "the standby stopped, deposits and repeats under the same keys, then `kill -9` of the primary and the standby promoted",
        times: 1,
    };
    let mut primary = cluster();
    let mut standby = Cluster::standby_of(&primary).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let front = Front::new(folder.path(), primary.folder());
    let (stage, account) = (Stage::new(|world| world.keep_in(&Cluster::url_at(front.folder(), DATABASE)).unwrap()), Account::new("dark"));
    // Only the exchanges themselves wait for the standby: keys and identities are elsewhere.
    let beside = cluster();
    let url = Cluster::url_at(beside.folder(), DATABASE);
    stage.set("[tls]\n", &format!("[databases]\nvault = \"{url}\"\nkeys = \"{url}\"\nattachments = \"{url}\"\n\n[tls]\n"));
    let gateway = stage.start().await;
    let school = stage.school();
    assert_eq!(account.deposit(&school, &account.key(0, 0)).await, Answer::Accepted);
    standby.crash();
    for _ in 0..2 {
        assert!(account.deposit(&school, &account.key(0, 1)).await.is_not_now());
        // An operator, or a limit of the server, ends what waits: it is then seen, and still nowhere else.
        primary.sql("postgres", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").unwrap();
    }
    assert_eq!(
        primary.sql(DATABASE, "SELECT count(*) FROM gateway.exchange").unwrap().trim(),
        "2",
        "the primary shows what its standby does not have"
    );
    primary.kill();
    standby.start().unwrap();
    standby.promote().unwrap();
    front.lead_to(standby.folder());
    account.over();
    close(&stage, gateway, &account, &fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_network_that_falls_silent() {
    let how = "what stands between the gateway and its database swallows everything and closes nothing, until the gateway says 503; then it passes again";
    let fault = Fault { file: "13-partition", what: "partition from the database", how, times: times(10, 1) };
    let database = cluster();
    let folder = tempfile::tempdir().unwrap();
    let front = Front::new(folder.path(), database.folder());
    let (stage, account) = (Stage::new(|world| world.keep_in(&Cluster::url_at(front.folder(), DATABASE)).unwrap()), Account::new("part"));
    let gateway = stage.start().await;
    for round in 0..fault.times {
        let load = account.load((0..4).map(|_| stage.school()));
        account.until_more(10).await;
        front.fall_silent();
        let cut = Instant::now();
        let told = account.deposit(&stage.school(), &account.key(90_000, round)).await;
        assert!(told.is_not_now(), "{told:?}");
        assert!(cut.elapsed() < Duration::from_secs(40), "{:?}", cut.elapsed());
        assert!(gateway.get("/health/ready").await.unwrap().contains("\"ready\":false"));
        front.lead_to(database.folder());
        account.over();
        account.until_more(6).await;
        load.stop().await;
    }
    close(&stage, gateway, &account, &fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_replica_that_is_cut_off_from_the_database() {
    let how = "network namespaces: the database, over TLS, behind two cables, a replica at each, both under load; one cable is cut, in turn, until its replica says 503 and the other extends the log; then mended";
    let fault = Fault { file: "12-cable", what: "one of two replicas cut off from the database", how, times: times(50, 2) };
    let Some(network) = Network::new(2) else { return not_here(fault.file, fault.what, "no network namespaces") };
    let addresses = [network.address(0), network.address(1)];
    let mut database = None;
    let stage = Stage::new(|world| {
        let leaf =
            addresses.map(|address| address.parse().unwrap()).into_iter().fold(Endpoint::leaf(AUTHORITY, "departement-31"), Leaf::address);
        let issued = world.pki.issue(&leaf).unwrap();
        let cluster = network.behind(|| Cluster::listening(&addresses, &issued.chain_pem, &issued.key_pem)).unwrap();
        cluster.make(DATABASE).unwrap();
        let root = world.folder.join("pki/authorities").join(AUTHORITY).join("root.pem");
        world.keep_in(&Cluster::url_over(addresses[0], &root, DATABASE)).unwrap();
        database = Some(cluster);
    });
    let account = Account::new("cable");
    let (port, local) = free_ports();
    let local = format!("127.0.0.1:{local}");
    let config = stage.world.replica("other", &format!("127.0.0.1:{port}"), &local).unwrap();
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains(addresses[0]), "{text}");
    std::fs::write(&config, text.replace(addresses[0], addresses[1])).unwrap();
    let replicas = [stage.start().await, Process::start(&config, &local).await];
    let bases = [stage.base.clone(), format!("https://localhost:{port}")];
    let client = |at: usize, (institution, who): (&'static str, &'static str)| connect(&stage.world, &bases[at], institution, who);
    let mut longest = Duration::ZERO;
    for round in 0..fault.times {
        let (off, on) = (round % 2, 1 - round % 2);
        let load = account.load((0..4).map(|member| client(member % 2, SCHOOL)));
        account.until_more(10).await;
        network.cut(off);
        let cut = Instant::now();
        let told = account.deposit(&client(off, SCHOOL), &account.key(90_000, round)).await;
        assert!(told.is_not_now(), "{told:?}");
        assert!(cut.elapsed() < Duration::from_secs(40), "{:?}", cut.elapsed());
        assert!(replicas[off].get("/health/ready").await.unwrap().contains("\"ready\":false"));
        // The other one accepts, and extends the log even if the one that is cut off had its turn.
        account.until_more(10).await;
        let auditor = client(on, AUDITOR);
        let before = signed(&auditor).await;
        while signed(&auditor).await <= before {
            assert!(cut.elapsed() < Duration::from_secs(90), "nobody extends the log");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        longest = longest.max(cut.elapsed());
        network.mend(off);
        account.over();
        while account.deposit(&client(off, SCHOOL), &account.key(90_000, round)).await != Answer::Accepted {
            assert!(cut.elapsed() < Duration::from_secs(150), "it does not find back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        load.stop().await;
    }
    println!("the other replica extended the log within {longest:?} of a cut");
    let [gateway, other] = replicas;
    other.stop().await;
    close(&stage, gateway, &account, &fault).await;
}

fn cluster() -> Cluster {
    let cluster = Cluster::new().unwrap_or_else(|fault| panic!("{fault}"));
    cluster.make(DATABASE).unwrap();
    cluster
}

/// Settles the account, stops the gateway, and looks at what was kept without it.
async fn close(stage: &Stage, gateway: Process, account: &Account, fault: &Fault<'_>) {
    let school = stage.school();
    let (balance, ids) = account.settle(&school, &stage.crip()).await;
    let keys = school.get("/v1/keys").await.unwrap();
    gateway.stop().await;
    whole(&stage.world.config(), stage.world.folder.as_path(), &ids, &keys).await;
    balance.record(fault);
}
