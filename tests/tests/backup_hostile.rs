//! What may lie in the way of a copy and of a restore: links, devices, pipes, new disks, wrong clocks, full disks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use exchange::Instant;
use gateway::{
    clock::{Clock, SystemClock},
    config::Config,
    flows::backup::{self, Backup, Journal, Restore, Whose},
    seal::KeyStore,
    store::{Part, keys::Keys},
};
use tests::{
    cli::{Done, Running, Stopped, files, path},
    text,
};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_copy_takes_nothing_in_by_a_link() {
    let stopped = Running::start().await.kill().await;
    let (data, policies) = (stopped.world.folder.join("data"), stopped.world.folder.join("policies"));
    let copy = async |name: &str| copied(&stopped, name).await;
    // Out of the folder, to a pipe, round in a circle.
    let link = policies.join("x");
    for target in [data.as_path(), &data.join("keys.db"), Path::new("/dev/zero"), Path::new("..")] {
        symlink(target, &link).unwrap();
        assert_eq!(text(&copy("lien").await.refused(), "/code"), "leaves", "{}", target.display());
        fs::remove_file(&link).unwrap();
    }
    symlink(".", &link).unwrap();
    assert_eq!(text(&copy("cercle").await.refused(), "/code"), "leaves");
    fs::remove_file(&link).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&link).status().unwrap().success());
    let done = tokio::time::timeout(Duration::from_secs(20), copy("tube")).await.expect("it waits for a pipe");
    assert_eq!(text(&done.refused(), "/code"), "not-a-file");
    fs::remove_file(&link).unwrap();
    // Within the folder, as the kubelet lays them.
    let law = fs::read_dir(&policies).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_file()).unwrap();
    symlink(law.file_name().unwrap(), &link).unwrap();
    copy("dedans").await.done();
    assert!(stopped.file("dedans/configuration/policies/x").is_file());
    // Databases and copies among the rules are no rules.
    let config = fs::read_to_string(stopped.world.config()).unwrap();
    let inside = policies.join("data");
    fs::rename(&data, &inside).unwrap();
    let moved =
        config.lines().map(|line| if line.starts_with("data = ") { format!("data = {:?}", path(&inside)) } else { line.to_owned() });
    fs::write(stopped.world.config(), moved.collect::<Vec<_>>().join("\n")).unwrap();
    let (to, keys_to) = (stopped.file("parmi"), policies.join("cles"));
    stopped.here(&["backup", path(&to), "--keys-to", path(&keys_to), "--json"]).await.done();
    let taken = files(&to);
    assert!(!taken.iter().any(|file| file.ends_with("keys.db")), "{taken:?}");
    assert!(keys_to.join("keys.db").is_file());
}

#[tokio::test]
async fn where_nothing_is_the_copy_says_what_to_do() {
    let stopped = Running::start().await.kill().await;
    let refused = copied(&stopped, "pas/encore").await.refused();
    assert_eq!(text(&refused, "/code"), "no-parent");
    let parent = stopped.file("pas");
    assert!(text(&refused, "/detail").contains(path(&parent)) && text(&refused, "/detail").contains("créez-le"), "{refused}");
}

#[tokio::test]
async fn a_hostile_copy_fills_no_disk_and_holds_nobody_up() {
    let stopped = Running::start().await.kill().await;
    copied(&stopped, "copie").await.done();
    let data = stopped.world.folder.join("data");
    fs::remove_dir_all(&data).unwrap();
    let (vault, honest) = (stopped.file("copie/vault.db"), stopped.file("vault.db"));
    fs::rename(&vault, &honest).unwrap();
    let expected = async |code: &str| {
        let done = tokio::time::timeout(Duration::from_secs(20), restored(&stopped, "copie", &[])).await.expect("it goes on for ever");
        assert_eq!(text(&done.refused(), "/code"), code);
        let written: u64 = files(&data).iter().map(|file| file.metadata().unwrap().len()).sum();
        assert!(written < 64 * 1024 * 1024, "{written} bytes were taken in");
    };
    symlink("/dev/zero", &vault).unwrap();
    expected("not-a-file").await;
    fs::remove_file(&vault).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&vault).status().unwrap().success());
    expected("not-a-file").await;
    fs::remove_file(&vault).unwrap();
    // Longer than it says, without end.
    fs::copy(&honest, &vault).unwrap();
    fs::File::options().write(true).open(&vault).unwrap().set_len(1 << 30).unwrap();
    expected("another-file").await;
    // A new disk has a folder of its own; anything in it is somebody's.
    fs::rename(&honest, &vault).unwrap();
    fs::remove_dir_all(&data).unwrap();
    fs::create_dir_all(data.join("lost+found")).unwrap();
    fs::write(data.join("lost+found/a"), "b").unwrap();
    expected("not-empty").await;
    fs::remove_file(data.join("lost+found/a")).unwrap();
    restored(&stopped, "copie", &[]).await.done();
    assert!(data.join("vault.db").is_file());
}

#[tokio::test]
async fn what_is_written_follows_no_link_of_before() {
    let stopped = Running::start().await.kill().await;
    let (journal, victim) = (stopped.file("journal.json"), stopped.file("victime"));
    fs::write(&victim, "à moi").unwrap();
    symlink(&victim, stopped.file("journal.json.part")).unwrap();
    for _ in 0..2 {
        stopped.here(&["keys", "journal", "--to", path(&journal)]).await.done();
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "à moi");
    assert_eq!(fs::metadata(&journal).unwrap().permissions().mode() & 0o777, 0o600);
    let beside = fs::read_dir(journal.parent().unwrap()).unwrap();
    assert_eq!(beside.filter(|one| path(&one.as_ref().unwrap().path()).ends_with(".part")).count(), 1, "only the link is left");
}

#[tokio::test]
async fn clocks_that_are_wrong_spoil_no_copy() {
    let stopped = Running::start().await.kill().await;
    let config = Config::load(&stopped.world.config()).unwrap();
    let keystore = Arc::new(KeyStore::open(&config.keys).unwrap());
    let origin = config.origin();
    let whose = Whose { gateway: &config.gateway, origin: &origin, keystore: &keystore };
    let (to, keys_to, stop) = (stopped.file("copie"), stopped.file("copie-cles"), CancellationToken::new());
    let own = stopped.world.config();
    let plan = Backup { whose, data: &config.data, config: &own, folders: &[], never: &[], to: &to, keys_to: &keys_to, stop: &stop };
    // An hour is taken back each time that somebody looks.
    let clock = Falling(AtomicI64::new(SystemClock.now().unix_ms()));
    let [main, keys] = backup::take(&plan, &clock, &|_, _, _| {}).await.unwrap();
    assert!(keys.at >= main.at);
    // A journal of the future would hide every erasure until then.
    let journal = stopped.file("avenir.json");
    let database = Keys::open(&config.database(Part::Keys), keystore.clone()).await.unwrap();
    let written = backup::journal::write(&whose, &database, &journal, SystemClock.now().plus(2 * HOUR)).await;
    assert!(matches!(written, Ok(Journal { .. })));
    database.close().await;
    let refused = text(&stopped.here(&["keys", "replay", path(&journal), "--json"]).await.refused(), "/code");
    assert_eq!(refused, "future");
    fs::remove_dir_all(&config.data).unwrap();
    assert_eq!(text(&restored(&stopped, "copie", &["--erased", path(&journal)]).await.refused(), "/code"), "future");
    let journals = [];
    let plan = Restore { whose, data: &config.data, from: &to, keys_from: &keys_to, journals: &journals, nothing_erased: true };
    backup::restore(&plan, keystore.clone(), &SystemClock, &|_, _, _| {}).await.unwrap();
}

struct Falling(AtomicI64);

impl Clock for Falling {
    fn now(&self) -> Instant {
        Instant::from_unix_ms(self.0.fetch_sub(3_600_000, Ordering::SeqCst))
    }
}

/// The lines of the unit that makes room, run as systemd runs them.
#[test]
fn the_unit_keeps_35_days_and_one_of_each_month_for_a_year() {
    let folder = tempfile::tempdir().unwrap();
    let (copies, keys) = (folder.path().join("passerelle"), folder.path().join("passerelle-keys"));
    fs::create_dir(&keys).unwrap();
    let day = |n: u32| SystemClock.now().minus(n * 24 * HOUR).to_string()[..10].to_owned();
    let days: BTreeSet<String> = (0..420).map(day).collect();
    for day in &days {
        fs::create_dir_all(copies.join(format!("{day}T02:30Z/configuration"))).unwrap();
    }
    for other in ["vendredi", "2020-01-01", "2020-01-01T02:30Z.part"] {
        fs::create_dir(copies.join(other)).unwrap();
    }
    fs::create_dir(keys.join("old.part")).unwrap();
    assert!(std::process::Command::new("touch").args(["--date", "-2 days"]).arg(keys.join("old.part")).status().unwrap().success());
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/systemd/passerelle-backup.service");
    let unit = fs::read_to_string(unit).unwrap().replace("\\\n", " ").replace("%%", "%").replace("$$", "$");
    for line in unit.lines().filter_map(|line| line.strip_prefix("ExecStartPre=")) {
        let line = line.trim_start_matches('-').replace("/var/backups", path(folder.path()));
        assert!(std::process::Command::new("sh").args(["-c", &line]).status().unwrap().success(), "{line}");
    }
    let (short, long, mut month) = (day(35), day(366), String::new());
    let kept = days.into_iter().filter(|day| {
        let first = month != day[..7];
        month = day[..7].to_owned();
        *day >= short || (first && *day >= long)
    });
    let mut expected: BTreeSet<String> = kept.map(|day| format!("{day}T02:30Z")).collect();
    expected.extend(["vendredi", "2020-01-01", "2020-01-01T02:30Z.part"].map(str::to_owned));
    let left = fs::read_dir(&copies).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(expected, left);
    assert!(!keys.join("old.part").exists());
}

async fn copied(stopped: &Stopped, name: &str) -> Done {
    let (to, keys_to) = (stopped.file(name), stopped.file(&format!("{name}-cles")));
    stopped.here(&["backup", path(&to), "--keys-to", path(&keys_to), "--json"]).await
}

async fn restored(stopped: &Stopped, name: &str, journal: &[&str]) -> Done {
    let (from, keys_from) = (stopped.file(name), stopped.file(&format!("{name}-cles")));
    let erased: &[&str] = if journal.is_empty() { &["--no-erasures-since-backup"] } else { journal };
    stopped.here(&[&["restore", path(&from), "--keys-from", path(&keys_from), "--json"], erased].concat()).await
}

const HOUR: Duration = Duration::from_secs(3600);
