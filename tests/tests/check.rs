//! What `gateway check` foresees: what is well today and ends soon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{fs, time::Duration};

use gateway::{
    clock::{Clock, SystemClock},
    config::Config,
    demo::World,
    seal::KeyStore,
    store::Part,
};
use sqlx::{AnyConnection, Connection};
use tests::cli::{Running, path, run};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn check_says_what_ends_soon_and_nothing_of_what_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemClock.now();
    let world = World::create(&folder.path().join("fresh"), now).unwrap();
    let check = async |world: &World| run(&["check", "--config", path(&world.config())], &[], None).await.done().out;
    let told = check(&world).await;
    assert!(!told.contains("fin le") && !told.contains("sauvegarde"), "{told}");
    assert!(told.contains(KeyStore::open(&world.folder.join("keys.json")).unwrap().fingerprint()), "{told}");

    // An agreement and a habilitation that end in ten days, and what follows neither.
    let last = now.plus(DAY * 10).date();
    let agreements = world.folder.join("policies/agreements");
    let essai = "title = \"Essai\"\nstate = \"en-vigueur\"\nparties = [\"departement-31/crip\", \"mairie-blagnac\"]\ntypes = [\"retour-information\"]\n\
                 classes = [\"reference\"]\npurposes = [\"feedback\"]\n";
    fs::write(agreements.join("n01.toml"), format!("id = \"n01\"\n{essai}effective_from = 2025-01-01\neffective_to = {last}\n")).unwrap();
    let file = world.folder.join("directory/professionals/education.toml");
    let honest = fs::read_to_string(&file).unwrap();
    let ends = format!("unit = \"ssfe\"\nfrom = 2025-01-01\nto = {last}");
    fs::write(&file, honest.replacen("unit = \"ssfe\"\nfrom = 2025-01-01", &ends, 1)).unwrap();
    let told = check(&world).await;
    for expected in [format!("le protocole n01 prend fin le {last}"), format!("p-5k2gh (ssfe, {last})")] {
        assert!(told.contains(&expected), "{expected}: {told}");
    }
    assert_eq!(told.matches("À prévoir").count(), 2, "{told}");
    // Each is followed: nothing is to be foreseen.
    let next = last.next_day().unwrap();
    fs::write(agreements.join("n02.toml"), format!("id = \"n02\"\n{essai}effective_from = {next}\n")).unwrap();
    let followed = format!("{ends}\n\n[[professional.habilitation]]\nunit = \"ssfe\"\nfrom = {next}");
    fs::write(&file, honest.replacen("unit = \"ssfe\"\nfrom = 2025-01-01", &followed, 1)).unwrap();
    let told = check(&world).await;
    assert_eq!(told.matches("À prévoir").count(), 0, "{told}");

    // Certificates of a year, nearly over; lists that are.
    let old = World::create(&folder.path().join("old"), now.minus(DAY * 350)).unwrap();
    let told = check(&old).await;
    for expected in ["tls/certificate.pem prend fin le", "ac-sante.crl a pris fin le"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    assert!(!told.contains("ac-sante.pem"), "{told}");
}

#[tokio::test]
async fn check_knows_how_old_the_last_backup_is() {
    let running = Running::start().await;
    let check = async || running.here(&["check"]).await.done().out;
    assert!(check().await.contains("aucune sauvegarde"));
    let (to, keys_to) = (running.file("copie"), running.file("cles"));
    running.here(&["backup", path(&to), "--keys-to", path(&keys_to)]).await.done();
    let told = check().await;
    assert!(!told.contains("sauvegarde"), "{told}");
    let three_days_ago = SystemClock.now().minus(DAY * 3).to_string();
    fs::write(running.world.folder.join("data/last-backup"), &three_days_ago).unwrap();
    let told = check().await;
    assert!(told.contains(&format!("la dernière sauvegarde est du {three_days_ago}")), "{told}");
    running.process.stop().await;
}

/// The gateway was killed before its notary signed, and nobody started it again.
#[tokio::test]
async fn check_says_that_the_log_stands() {
    let running = Running::start().await;
    assert!(!running.here(&["check"]).await.done().out.contains("signature"), "it is signed within a moment");
    let url = Config::load(&running.world.config()).unwrap().database(Part::Gateway);
    let stopped = running.kill().await;
    sqlx::any::install_default_drivers();
    let mut database = AnyConnection::connect(&url).await.unwrap();
    // As if the last entry had been written a century ago, and never signed.
    let aged = "UPDATE entry SET leaf_index = NULL, pending = 1, leaf = CAST(REPLACE(CAST(leaf AS TEXT), '\"time\":\"20', '\"time\":\"19') AS BLOB)
                WHERE leaf_index = (SELECT MAX(leaf_index) FROM entry)";
    assert_eq!(sqlx::query(aged).execute(&mut database).await.unwrap().rows_affected(), 1);
    let told = stopped.here(&["check"]).await.done().out;
    assert!(told.contains("le journal attend une signature depuis le 19"), "{told}");
}
