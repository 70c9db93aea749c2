//! Disks that fail under a running gateway, for real: full, broken, not writable; and the process killed at each of its
//! writes. What must hold is in [`tests::account`]. Beside it, while the fault lasts: whoever deposits is told `503` and when
//! to come again, never `201`; when it is over the gateway goes on by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{collections::BTreeMap, path::PathBuf};

use gateway::client::Client;
use serde_json::Value;
use tests::{
    account::{Account, Answer, Balance, Fault, not_here, times},
    interposer::Interposer,
    kept::{random, whole},
    process::{binary, postgres},
    stage::Stage,
    volume::{Volume, mount_honestly},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_full_disk() {
    let fault = Fault {
        file: "01-disk-full",
        what: "disk full",
        how: "a file system in memory filled to its last byte, then freed",
        times: times(50, 2),
    };
    let stage = Stage::new(|_| {});
    let data = data(&stage);
    let Some(volume) = Volume::in_memory(&data, 24) else { return not_here(fault.file, fault.what, "nothing can be mounted") };
    let gateway = stage.start_program(&stage.wrapper("in-volume", &volume.before()), &[]).await;
    let account = Account::new("full");
    for round in 0..fault.times {
        let load = account.load((0..3).map(|_| stage.school()));
        account.until_more(10).await;
        let filler = data.join("filler").display().to_string();
        volume.run(&format!("dd if=/dev/zero of={filler} bs=4k"));
        refused(&account, &stage.school(), round).await;
        volume.done(&format!("rm {filler}"));
        account.over();
        account.until_more(6).await;
        load.stop().await;
    }
    let kept = settle(&stage, &account).await;
    gateway.stop().await;
    close(&stage, Some(&volume), kept, &fault).await;
}

/// The kernel's own EIO: dirty pages that it could not write are clean afterwards, and a second fsync succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_disk_that_is_not_there() {
    let fault = Fault {
        file: "02-disk-eio",
        what: "fsync fails in the kernel (EIO)",
        how: "ext4 on a loop device on a sparse file whose own file system is full; then freed, killed, unmounted and mounted again",
        times: times(50, 1),
    };
    let stage = Stage::new(|_| {});
    let (data, below) = (data(&stage), stage.file("below"));
    let Some(volume) = Volume::promised(&below, &data, 64) else { return not_here(fault.file, fault.what, "no loop device") };
    let program = stage.wrapper("in-volume", &volume.before());
    let account = Account::new("thin");
    let mut service = stage.service(&program, &[]).await;
    for round in 0..fault.times {
        let load = account.load((0..3).map(|_| stage.school()));
        account.until_more(10).await;
        volume.run(&format!("dd if=/dev/zero of={}/ballast bs=4k", below.display()));
        refused(&account, &stage.school(), round).await;
        volume.done(&format!("rm {}/ballast", below.display()));
        account.over();
        account.until_more(6).await;
        load.stop().await;
        // What the disk has, not what memory remembers.
        service.kill().await;
        let (disk, at) = (below.join("disk").display().to_string(), data.display().to_string());
        volume.done(&format!("umount {at} && {}", mount_honestly(&disk, &at)));
        service = stage.service(&program, &[]).await;
    }
    let kept = settle(&stage, &account).await;
    service.stop().await;
    close(&stage, Some(&volume), kept, &fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_an_fsync_that_fails() {
    let fault = Fault {
        file: "03-fsync-eio",
        what: "fsync fails (EIO)",
        how: "each fsync of a database returns EIO, by an interposed call; every other time the process is killed before it is over",
        times: times(100, 4),
    };
    let stage = Stage::new(|_| {});
    let interposer = Interposer::new(stage.world.folder.as_path());
    let account = Account::new("sync");
    let mut service = stage.service(&binary(), &interposer.environment()).await;
    let mut ended = 0;
    for round in 0..fault.times {
        let load = account.load((0..3).map(|_| stage.school()));
        account.until_more(6).await;
        interposer.order("eio");
        let school = stage.school();
        let key = refused(&account, &school, round).await;
        for _ in 0..3 {
            assert_ne!(account.deposit(&school, &key).await, Answer::Accepted, "accepted although nothing was synced");
        }
        ended += service.ended();
        if round % 2 == 1 {
            service.kill().await;
            interposer.order("");
            service = stage.service(&binary(), &interposer.environment()).await;
        }
        interposer.order("");
        account.over();
        account.until_more(3).await;
        load.stop().await;
    }
    assert!(ended > 0, "it went on after a failed sync");
    let kept = settle(&stage, &account).await;
    service.stop().await;
    close(&stage, None, kept, &fault).await;
}

/// Under the running gateway no file can be written any more, and then again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_files_that_cannot_be_written() {
    let fault = Fault {
        file: "04-read-only",
        what: "read-only files",
        how: "ext4 attribute `i` on all database files and their folder, under the running gateway, then taken off",
        times: times(50, 2),
    };
    let stage = Stage::new(|_| {});
    let (data, below) = (data(&stage), stage.file("below"));
    let Some(volume) = Volume::promised(&below, &data, 64) else { return not_here(fault.file, fault.what, "no loop device") };
    let account = Account::new("read");
    let gateway = stage.start_program(&stage.wrapper("in-volume", &volume.before()), &[]).await;
    for round in 0..fault.times {
        let load = account.load((0..3).map(|_| stage.school()));
        account.until_more(10).await;
        volume.done(&format!("chattr +i {0} {0}/*.db {0}/*.db-wal", data.display()));
        refused(&account, &stage.school(), round).await;
        volume.done(&format!("chattr -i {0} {0}/*.db {0}/*.db-wal", data.display()));
        account.over();
        account.until_more(6).await;
        load.stop().await;
    }
    let kept = settle(&stage, &account).await;
    gateway.stop().await;
    close(&stage, Some(&volume), kept, &fault).await;
}

/// The kernel itself makes the file system read-only after an error: it does not come back without a repair.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_a_file_system_that_the_kernel_gives_up() {
    let fault = Fault {
        file: "05-aborted",
        what: "file system made read-only by the kernel",
        how: "`mount -o remount,abort` of ext4 under the running gateway; killed, repaired with e2fsck, mounted, started",
        times: times(30, 2),
    };
    let stage = Stage::new(|_| {});
    let (data, below) = (data(&stage), stage.file("below"));
    let Some(volume) = Volume::promised(&below, &data, 64) else { return not_here(fault.file, fault.what, "no loop device") };
    let disk = below.join("disk").display().to_string();
    let program = stage.wrapper("in-volume", &volume.before());
    let account = Account::new("gone");
    let mut gateway = stage.start_program(&program, &[]).await;
    for round in 0..fault.times {
        let load = account.load((0..3).map(|_| stage.school()));
        account.until_more(10).await;
        volume.done(&format!("mount -o remount,abort {}", data.display()));
        refused(&account, &stage.school(), round).await;
        gateway.kill().await;
        // e2fsck says 1 when it mended something.
        volume.done(&format!(
            "umount {0} && e2fsck -fy {disk} >/dev/null; [ $? -le 1 ] && mount -o loop,errors=remount-ro {disk} {0}",
            data.display()
        ));
        gateway = stage.start_program(&program, &[]).await;
        account.over();
        account.until_more(6).await;
        load.stop().await;
    }
    let kept = settle(&stage, &account).await;
    gateway.stop().await;
    close(&stage, Some(&volume), kept, &fault).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_killed_at_each_write_on_sqlite() {
    let how = "SIGKILL in place of the n-th write or sync of a database file, and right after it, for each n of an acceptance and of its signature";
    killed_at_each_write(&Stage::new(|_| {}), "each", ("06-writes-sqlite", "killed at each write, SQLite", how)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i01_killed_at_each_write_on_postgresql() {
    let how = "SIGKILL in place of the n-th message to the server, and right after it, for each n of an acceptance and of its signature";
    let stage = Stage::new(|world| world.keep_in(&postgres()).unwrap());
    killed_at_each_write(&stage, "sent", ("07-writes-postgresql", "killed at each write, PostgreSQL", how)).await;
}

async fn killed_at_each_write(stage: &Stage, name: &'static str, (file, what, how): (&str, &str, &str)) {
    let interposer = Interposer::new(stage.world.folder.as_path());
    let account = Account::new(name);
    let school = stage.school();
    let gateway = stage.start_program(&binary(), &interposer.environment()).await;
    // The first exchange of a quarter makes more keys than the others.
    assert_eq!(account.deposit(&school, &account.key(0, 0)).await, Answer::Accepted);
    interposer.order("count");
    assert_eq!(account.deposit(&school, &account.key(0, 1)).await, Answer::Accepted);
    gateway.kill().await;
    let calls = interposer.counted();
    interposer.order("");
    let mut points: Vec<(&str, usize)> = (1..=calls).flat_map(|n| [("before", n), ("after", n)]).collect();
    let chosen = times(points.len() * 3, 3);
    // In a usual run a few of them, others each time; in a long one each three times.
    points = (0..chosen).map(|n| points[if chosen > points.len() { n % points.len() } else { random() as usize % points.len() }]).collect();
    let mut killed = 0;
    for (round, (when, n)) in points.iter().enumerate() {
        let gateway = stage.start_program(&binary(), &interposer.environment()).await;
        interposer.order(&format!("{when} {n}"));
        account.deposit(&school, &account.key(1, round)).await;
        killed += usize::from(gateway.died().await);
        interposer.order("");
    }
    assert!(killed * 10 >= points.len() * 8, "{killed} of {} were killed", points.len());
    let gateway = stage.start_program(&binary(), &[]).await;
    account.over();
    let fault = Fault { file, what, how, times: killed };
    let kept = settle(stage, &account).await;
    gateway.stop().await;
    close(stage, None, kept, &fault).await;
}

/// Deposits until it is refused, as a gateway must that cannot write; gives the key that was.
async fn refused(account: &Account, client: &Client, round: usize) -> String {
    for n in 0..2000 {
        let key = account.key(90_000 + round, n);
        match account.deposit(client, &key).await {
            Answer::Accepted => {}
            // A gateway that ends at a failed sync says nothing at first.
            Answer::Silence => return key,
            refused => {
                assert!(refused.is_not_now(), "{refused:?}");
                return key;
            }
        }
    }
    panic!("everything is accepted");
}

/// What the account comes to, and the keys under which it must verify.
async fn settle(stage: &Stage, account: &Account) -> (Balance, BTreeMap<String, String>, Value) {
    let school = stage.school();
    let (balance, ids) = account.settle(&school, &stage.crip()).await;
    (balance, ids, school.get("/v1/keys").await.unwrap())
}

/// Looks at what was kept without the gateway, which has stopped.
async fn close(stage: &Stage, volume: Option<&Volume>, kept: (Balance, BTreeMap<String, String>, Value), fault: &Fault<'_>) {
    let (balance, ids, keys) = kept;
    if let Some(volume) = volume {
        volume.done(&format!("cp -a {} {}", data(stage).display(), stage.world.folder.join("kept").display()));
        stage.set("data = \"data\"", "data = \"kept\"");
    }
    whole(&stage.world.config(), stage.world.folder.as_path(), &ids, &keys).await;
    balance.record(fault);
}

fn data(stage: &Stage) -> PathBuf {
    stage.world.folder.join("data")
}
